//! WP 1.8, 3.11, 3.12, 4: server info, what is kept in memcached and when it is dropped, context and bad-file changes.

use crds_upgrade::stand_in::server::{Clock, Era};
use serde_json::{Value, json};

use super::{
    bench::Bench,
    mini::{Load, MAPPINGS},
};
use crate::web_score::Score;

#[test]
fn server_info() {
    let mut score = Score::default();
    let bench = Bench::new(
        &Load::ordinary().rows(&[("abd_drk.fits", &[("rejected", "1")]), ("abc_bia.fits", &[("rejected", "1")])]),
    );
    let info = bench.said("get_server_info", json!([]));
    for (key, wanted) in [
        ("observatory", json!("hst")),
        ("operational_context", json!("hst_0001.pmap")),
        ("edit_context", json!("hst_0003.pmap")),
        ("versions_context", json!("")),
        ("bad_files_list", json!(["abc_bia.fits", "abd_drk.fits"])),
        ("mappings", json!(MAPPINGS)),
        (
            "context_history",
            json!([
                ["2014-01-01 00:00:00", "hst_0001.pmap", "back"],
                ["2013-01-01 00:00:00", "hst_0002.pmap", "first"]
            ]),
        ),
        ("force_remote_mode", json!(0)),
        ("crds_version", json!({"str": "7.3.1", "rev": "abc", "svnurl": "/"})),
        ("max_headers_per_rpc", json!(1000)),
        ("max_bestrefs_per_rpc", json!(1000)),
        (
            "reference_url",
            json!({"checked": {"hst": "http://server/get/"}, "unchecked": {"hst": "http://server/unchecked_get/references/hst/"}}),
        ),
        (
            "mapping_url",
            json!({"checked": {"hst": "http://server/get/"}, "unchecked": {"hst": "http://server/unchecked_get/mappings/hst/"}}),
        ),
    ] {
        score.same("1.8", key, info[key].clone(), wanted);
    }
    for absent in [
        "latest_context",
        "bad_files",
        "download_metadata",
        "config_url",
        "pickle_url",
        "server",
        "status",
        "connected",
    ] {
        score.same("1.8", &format!("2019 has no {absent}"), info.get(absent).is_none(), true);
    }
    score.same("1.8", "last_synced is local time", info["last_synced"].clone(), json!("2014-09-16 12:00:00"));
    bench.clock.sleep(std::time::Duration::from_millis(1500));
    let later = bench.said("get_server_info", json!([]));
    score.same(
        "1.8",
        "last_synced is the moment of the answer",
        later["last_synced"].clone(),
        json!("2014-09-16 12:00:01.500000"),
    );
    score.same(
        "1.8",
        "last_refreshed is when it was built",
        later["last_refreshed"].clone(),
        info["last_refreshed"].clone(),
    );
    let old = Bench::of(
        &Load::ordinary().rows(&[("abd_drk.fits", &[("rejected", "1")]), ("abc_bia.fits", &[("rejected", "1")])]),
        Era::Y2014,
        |_| {},
    );
    let info = old.said("get_server_info", json!([]));
    score.same("1.8", "2014: one blank-separated text", info["bad_files"].clone(), json!("abc_bia.fits abd_drk.fits"));
    score.same("1.8", "2014: 5000 headers", info["max_headers_per_rpc"].clone(), json!(5000));
    for absent in
        ["bad_files_list", "mappings", "context_history", "versions_context", "force_remote_mode", "last_refreshed"]
    {
        score.same("1.8", &format!("2014 has no {absent}"), info.get(absent).is_none(), true);
    }
    let now = Bench::of(&Load::ordinary().rows(&[]), Era::Now, |_| {});
    let info = now.said("get_server_info", json!([]));
    score.same("1.8", "now: latest_context", info["latest_context"].clone(), json!("hst_0001.pmap"));
    score.same("1.8", "now: operational_context too", info["operational_context"].clone(), json!("hst_0001.pmap"));
    score.same(
        "1.6",
        "now: download metadata are wrapped",
        info["download_metadata"]["crds_encoded"].clone(),
        json!("1.0"),
    );
    let packed = info["download_metadata"]["crds_payload"].as_str().unwrap_or_default().to_owned();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, packed).unwrap_or_default();
    let metadata: Value = serde_json::from_reader(flate2::read::GzDecoder::new(bytes.as_slice())).unwrap_or_default();
    score.same(
        "1.6",
        "base64 of gzip of JSON",
        metadata["abc_drk.fits"].clone(),
        json!({"size": "2880", "sha1sum": "00ff"}),
    );
    let remote = Bench::new(&Load::ordinary().with("force_remote_mode", json!(1)));
    score.same(
        "1.8",
        "force_remote_mode",
        remote.said("get_server_info", json!([]))["force_remote_mode"].clone(),
        json!(1),
    );
    score.finish("rpc server info", 37);
}

#[test]
fn history_and_defaults() {
    let mut score = Score::default();
    let bench = Bench::new(&Load::ordinary());
    score.same(
        "1.7",
        "the operational context",
        bench.said("get_default_context", json!(["hst"])),
        json!("hst_0001.pmap"),
    );
    score.same("1.7", "HST will do", bench.said("get_default_context", json!(["HST"])), json!("hst_0001.pmap"));
    let wanted =
        json!([["2014-01-01 00:00:00", "hst_0001.pmap", "back"], ["2013-01-01 00:00:00", "hst_0002.pmap", "first"]]);
    score.same(
        "1.7",
        "history newest first, operational only",
        bench.said("get_context_history", json!(["hst"])),
        wanted.clone(),
    );
    let shuffled = Load::ordinary().with("history", json!([
        {"start_date": "2014-01-01 00:00:00", "context": "hst_0001.pmap", "state": "operational", "description": "back"},
        {"start_date": "2013-01-01 00:00:00", "context": "hst_0002.pmap", "state": "operational", "description": "first"},
    ]));
    score.same(
        "1.7",
        "newest first by date",
        Bench::new(&shuffled).said("get_context_history", json!(["hst"])),
        wanted,
    );
    let history = bench.server.catalogue.history().expect("history");
    score.same(
        "3.7",
        "rows of all kinds are numbered from 1",
        history.iter().map(|r| r.id).collect::<Vec<_>>(),
        vec![1, 2, 3],
    );
    score.finish("rpc history and defaults", 5);
}

#[test]
fn memcached() {
    let mut score = Score::default();
    let bench = Bench::new(&Load::ordinary());
    // The key is the arguments' text without blanks and quotes.
    let odd = json!(["hst_0001.pmap "]);
    score.step("1.7", "a blank behind is refused before", bench.call("get_mapping_names", odd.clone()).is_err());
    let plain = bench.said("get_mapping_names", json!(["hst_0001.pmap"]));
    score.same(
        "1.7",
        "and answered like the plain name once that is cached",
        bench.said("get_mapping_names", odd.clone()),
        plain.clone(),
    );
    score.same("1.7", "blanks within too", bench.said("get_mapping_names", json!(["hst _0001. pmap"])), plain.clone());
    score.step(
        "1.7",
        "a list of that name has another key",
        bench.call("get_mapping_names", json!([["hst_0001.pmap "]])).is_err(),
    );
    bench.server.drop_cached();
    score.step("1.7", "dropped: refused again", bench.call("get_mapping_names", odd).is_err());
    bench.said("get_sqlite_db", json!(["hst"]));
    score.step("1.7", "the database alike", bench.call("get_sqlite_db", json!(["h s t"])).is_ok());
    // Where the argument is checked before the cache is asked, the habit does not show.
    for (method, good, odd) in [
        ("get_reference_names", "hst_0001.pmap", "hst_0001.pmap "),
        ("get_context_history", "hst", "h s t"),
        ("get_default_context", "hst", "hst "),
    ] {
        bench.said(method, json!([good]));
        score.step("1.7", &format!("{method} checks first"), bench.call(method, json!([odd])).is_err());
    }
    score.step("1.7", "what is not cached is not mixed up", bench.call("list_mappings", json!(["hst ", "*"])).is_err());
    // 24 hours.
    bench.server.drop_cached();
    let first = bench.said("get_server_info", json!([]))["last_refreshed"].clone();
    bench.clock.sleep(std::time::Duration::from_secs(86_399));
    score.same(
        "1.7",
        "kept for up to 24 h",
        bench.said("get_server_info", json!([]))["last_refreshed"].clone(),
        first.clone(),
    );
    bench.clock.sleep(std::time::Duration::from_secs(2));
    score.step("1.7", "then built anew", bench.said("get_server_info", json!([]))["last_refreshed"] != first);
    // The catalogue changed behind the server's back stays unseen.
    let stale = Bench::new(&Load::ordinary());
    stale.said("get_default_context", json!(["hst"]));
    stale.server.catalogue.set_context("operational", "hst_0002.pmap").expect("sql");
    score.same(
        "1.7",
        "a change behind its back is not seen",
        stale.said("get_default_context", json!(["hst"])),
        json!("hst_0001.pmap"),
    );
    score.same(
        "1.9",
        "but symbols are not cached",
        stale.said("get_context_by_date", json!(["hst-operational", null])),
        json!("hst_0002.pmap"),
    );
    // 2014 computes live.
    let old = Bench::of(&Load::ordinary(), Era::Y2014, |_| {});
    old.said("get_default_context", json!(["hst"]));
    old.server.catalogue.set_context("operational", "hst_0002.pmap").expect("sql");
    score.same("1.7", "2014 computes live", old.said("get_default_context", json!(["hst"])), json!("hst_0002.pmap"));
    score.finish("rpc memcached", 14);
}

#[test]
fn noticing() {
    let mut score = Score::default();
    let load = Load::ordinary()
        .rows(&[
            ("hst_0003.pmap", &[("state", "delivered"), ("catalog_link", "opus_7_i.cat")]),
            ("hst_acs_0003.imap", &[("state", "delivered"), ("catalog_link", "opus_7_i.cat")]),
        ])
        .file("deliveries/opus_7_i.cat", "hst_0003.pmap\nhst_acs_0003.imap\n")
        .file("deliveries/hst_0003.pmap", "");
    let state = |bench: &Bench, name: &str| {
        bench.said("get_file_info_map", json!(["hst", [name], ["state"]]))[name]["state"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let listed = |bench: &Bench| bench.said("get_server_info", json!([]))["mappings"].as_array().map_or(0, Vec::len);
    let bench = Bench::new(&load);
    score.same("4.1", "delivered files are not listed on a strict server", listed(&bench), MAPPINGS.len() - 2);
    std::fs::remove_file(bench.data("deliveries/opus_7_i.cat")).expect("archive");
    score.same("1.7", "server info goes stale when the archive takes a delivery", listed(&bench), MAPPINGS.len() - 2);
    score.same("3.12", "get_file_info_map asks nothing", state(&bench, "hst_0003.pmap"), "delivered".to_owned());
    score.same(
        "3.12",
        "one question about one file ...",
        bench.said("file_exists", json!(["hst_acs_0003.imap"])),
        json!(true),
    );
    score.same("3.12", "... stores it", state(&bench, "hst_acs_0003.imap"), "archived".to_owned());
    score.same("3.12", "... alone", state(&bench, "hst_0003.pmap"), "delivered".to_owned());
    score.same(
        "3.12",
        "... and drops the cache, so that server info asks about the rest",
        listed(&bench),
        MAPPINGS.len(),
    );
    score.same("3.12", "after which the whole delivery is seen", state(&bench, "hst_0003.pmap"), "archived".to_owned());
    // Stages are never stored.
    let staged = Bench::new(&load);
    std::fs::rename(staged.data("deliveries/opus_7_i.cat"), staged.data("deliveries/opus_7_i.cat_PROC"))
        .expect("rename");
    score.step("3.12", "archiving is not available", staged.call("file_exists", json!(["hst_0003.pmap"])).is_err());
    score.same("3.12", "archiving is not stored", state(&staged, "hst_0003.pmap"), "delivered".to_owned());
    // A pending row without a catalogue counts as archived where its status shows, but nothing is stored, and what is
    // stored decides whether it is given out.
    let imported = Bench::new(&Load::ordinary().rows(&[("hst_0003.pmap", &[("state", "delivered")])]));
    score.step(
        "4.1",
        "a link never there is none gone",
        imported.call("file_exists", json!(["hst_0003.pmap"])).is_err(),
    );
    score.same("4.1", "and nothing is stored", state(&imported, "hst_0003.pmap"), "delivered".to_owned());
    // On a lenient server the stored state decides as well, whatever the link says.
    let lenient = json!(["archived", "operational", "delivered", "submitted", "archiving"]);
    let torn = Bench::new(&load.clone().with("distribution_states", lenient));
    std::fs::rename(torn.data("deliveries/opus_7_i.cat"), torn.data("deliveries/opus_7_i.cat_ERROR")).expect("rename");
    score.same("4.1", "a failed delivery stays listed", listed(&torn), MAPPINGS.len());
    score.same("4.1", "and given out", torn.said("file_exists", json!(["hst_0003.pmap"])), json!(true));
    // archiving-failed, stored.
    let failed = |era| {
        Bench::of(
            &Load::ordinary()
                .rows(&[("hst_0003.pmap", &[("state", "archiving-failed"), ("catalog_link", "opus_7_i.cat")])]),
            era,
            |_| {},
        )
    };
    score.same(
        "3.12",
        "2019 goes on re-reading archiving-failed",
        failed(Era::Y2019).said("file_exists", json!(["hst_0003.pmap"])),
        json!(true),
    );
    score.step(
        "3.12",
        "2014 never looks at it again",
        failed(Era::Y2014).call("file_exists", json!(["hst_0003.pmap"])).is_err(),
    );
    score.finish("rpc noticing the archive", 13);
}

#[test]
fn set_context_and_mark_bad() {
    let mut score = Score::default();
    let load = Load::ordinary()
        .rows(&[
            ("hst_0001.pmap", &[("state", "operational"), ("activation_date", "2014-01-01 00:00:00")]),
            ("hst_acs_0001.imap", &[("state", "operational"), ("activation_date", "2014-01-01 00:00:00")]),
            ("hst_acs_0002.imap", &[("state", "delivered"), ("catalog_link", "opus_7_i.cat")]),
            ("hst_0003.pmap", &[("state", "delivered"), ("catalog_link", "opus_8_i.cat")]),
            ("abd_drk.fits", &[("catalog_link", "opus_6_i.cat")]),
            ("abe_drk.fits", &[("state", "archived")]),
        ])
        .file("deliveries/opus_7_i.cat_ERROR", "x")
        .file("deliveries/opus_8_i.cat_SUBMIT", "x");
    let bench = Bench::new(&load);
    let field = |name: &str, field: &str| {
        bench.said("get_file_info_map", json!(["hst", [name], [field]]))[name][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let refused = |kind: &str, pmap: &str| {
        bench.server.set_default_context("jdoe", kind, pmap, "why").map(drop).map_err(|r| r.text)
    };
    let unavailable = "File 'hst_0003.pmap' is not yet available. Files must be successfully delivered to the archive before operational use.";
    score.same(
        "3.6",
        "not yet available, all kinds",
        refused("operational", "hst_0003.pmap"),
        Err(unavailable.to_owned()),
    );
    score.same(
        "3.6",
        "not yet available comes before in use",
        refused("edit", "hst_0003.pmap"),
        Err(unavailable.to_owned()),
    );
    score.same(
        "3.6",
        "already in use",
        refused("operational", "hst_0001.pmap"),
        Err("'hst_0001.pmap' is already in use for the 'operational' context.".to_owned()),
    );
    bench.said("get_default_context", json!(["hst"]));
    let changed = bench.server.set_default_context("jdoe", "operational", "hst_0002.pmap", "forward").expect("set");
    score.same("3.6", "what changed", (changed.old.as_str(), changed.new.as_str()), ("hst_0001.pmap", "hst_0002.pmap"));
    score.same(
        "3.11",
        "a set context drops the cache",
        bench.said("get_default_context", json!(["hst"])),
        json!("hst_0002.pmap"),
    );
    for (name, wanted, what) in [
        ("hst_0002.pmap", "operational", "its closure becomes operational"),
        ("hst_acs_0002.imap", "operational", "whatever the links say"),
        ("abe_drk.fits", "operational", "references without bytes too"),
        ("hst_0001.pmap", "archived", "what was operational and never had a link is archived"),
        ("abd_drk.fits", "archived", "what was operational and whose link is gone is archived"),
        ("hst_0003.pmap", "submitted", "pending states are rewritten from the links"),
        ("hst_cos_0001.imap", "operational", "what is in both stays"),
    ] {
        score.same("3.12", &format!("{name}: {what}"), field(name, "state"), wanted.to_owned());
    }
    for (name, wanted) in [
        ("hst_acs_0001.imap", "hst_acs_0002.imap"),
        ("hst_acs_darkfile_0001.rmap", "hst_acs_darkfile_0002.rmap"),
        ("abd_drk.fits", "abe_drk.fits"),
        ("hst_0001.pmap", ""),
        ("abc_drk.fits", ""),
    ] {
        score.same("3.12", &format!("what replaces {name}"), field(name, "replaced_by_filename"), wanted.to_owned());
    }
    score.same(
        "3.12",
        "the first activation",
        field("abf_drk.fits", "activation_date"),
        "2014-09-16 12:00:00".to_owned(),
    );
    score.same(
        "3.12",
        "an activation date stays",
        field("hst_acs_0001.imap", "activation_date"),
        "2014-01-01 00:00:00".to_owned(),
    );
    let history = bench.said("get_context_history", json!(["hst"]));
    score.same("4.3", "a history row", history[0].clone(), json!(["2014-09-16 12:00:00", "hst_0002.pmap", "forward"]));
    let actions = bench.server.catalogue.actions().expect("actions");
    let last = actions.last().cloned().unwrap_or_default();
    score.same(
        "4.4",
        "one audit row on the new pmap",
        (actions.len(), last.filename.as_str(), last.action.as_str()),
        (1, "hst_0002.pmap", "set default context"),
    );
    score.same(
        "4.4",
        "its details",
        last.details.as_str(),
        "operational context changed from 'hst_0001.pmap' to 'hst_0002.pmap'",
    );

    // Back again: replacements are set, never cleared.
    bench.server.set_default_context("jdoe", "operational", "hst_0001.pmap", "back").expect("back");
    score.same("3.12", "also backwards", field("abe_drk.fits", "replaced_by_filename"), "abd_drk.fits".to_owned());
    score.same("3.12", "never cleared", field("abd_drk.fits", "replaced_by_filename"), "abe_drk.fits".to_owned());

    let inside = bench
        .server
        .mark_bad("jdoe", &["abf_drk.fits".to_owned(), "abd_drk.fits".to_owned()], true, "why")
        .map_err(|r| r.text);
    let text = "File 'abd_drk.fits' is in the current operational context 'hst_0001.pmap'. Create a new context which does not contain it and make that context operational. Then mark 'abd_drk.fits' as 'bad'.";
    score.same("3.6", "a file of the operational context is refused", inside, Err(text.to_owned()));
    score.same("3.6", "and nothing is marked", field("abf_drk.fits", "rejected"), "false".to_owned());
    bench.server.mark_bad("jdoe", &["hst_acs_darkfile_0002.rmap".to_owned()], true, "why").expect("marked");
    for (name, rejected, blacklisted) in [
        ("hst_acs_darkfile_0002.rmap", "true", "true"),
        ("hst_acs_0002.imap", "false", "true"),
        ("hst_0002.pmap", "false", "true"),
        ("hst_0003.pmap", "false", "true"),
        ("hst_0001.pmap", "false", "false"),
        ("abe_drk.fits", "false", "false"),
    ] {
        score.same("4.2", &format!("{name} rejected"), field(name, "rejected"), rejected.to_owned());
        score.same("4.2", &format!("{name} blacklisted"), field(name, "blacklisted"), blacklisted.to_owned());
    }
    score.same(
        "4.2",
        "the bad files list",
        bench.said("get_server_info", json!([]))["bad_files_list"].clone(),
        json!(["hst_acs_darkfile_0002.rmap"]),
    );
    let bad = refused("operational", "hst_0002.pmap").unwrap_err();
    score.step(
        "3.6",
        "a context with bad files is refused",
        bad.starts_with(
            "Context 'hst_0002.pmap' contains known bad files and cannot be made the default (last 4 of 1 bad files): ",
        ) && bad.contains("hst_acs_darkfile_0002.rmap"),
    );
    score.same("4.2", "edit contexts are not checked", refused("edit", "hst_0002.pmap"), Ok(()));
    bench.server.mark_bad("jdoe", &["hst_acs_darkfile_0002.rmap".to_owned()], false, "why").expect("good again");
    score.same(
        "4.2",
        "ok clears the ancestors where nothing bad remains below",
        field("hst_0002.pmap", "blacklisted"),
        "false".to_owned(),
    );
    let details: Vec<String> = bench
        .server
        .catalogue
        .actions()
        .expect("actions")
        .into_iter()
        .filter(|a| a.action == "blacklist")
        .map(|a| a.details)
        .collect();
    score.same(
        "4.4",
        "one row per file named",
        details,
        vec!["marked as 'BAD'".to_owned(), "marked as 'OK'".to_owned()],
    );
    score.finish("rpc set context and mark bad", 43);
}

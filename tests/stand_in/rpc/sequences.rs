//! Questions to states that are out of the ordinary: empty catalogues, mixed observatories, odd histories and texts that
//! JSON must escape.

use serde_json::{Value, json};

use super::{
    bench::Bench,
    mini::{Load, MAPPINGS},
};
use crate::web_score::Score;

#[test]
fn whole_maps() {
    let mut score = Score::default();
    let empty = Bench::new(&Load::ordinary().file("mappings.tsv", "name\n").file("references.tsv", "name\n"));
    let index = json!("OtherError: list index out of range");
    let map =
        |bench: &Bench, files: Value, fields: Value| bench.said("get_file_info_map", json!(["hst", files, fields]));
    score.same("1.10", "no file to learn the fields from", map(&empty, Value::Null, Value::Null), index.clone());
    score.same("1.10", "nor for files that are named", map(&empty, json!(["x"]), Value::Null), index);
    score.same("1.10", "fields that are named", map(&empty, Value::Null, json!(["size"])), json!({}));
    score.same("1.10", "an unknown file", map(&empty, json!(["x"]), json!([])), json!({"x": "NOT FOUND"}));
    // The database writes plain records, the rest is written by hand; both kinds side by side, in any order.
    let odd = [
        ("abc_bia.fits", "say \"no\""),
        ("abc_drk.fits", "back\\\\slash"),
        ("abd_drk.fits", "É und ü"),
        ("l1_hv.fits", "two\\nlines"),
        ("l2_dead.fits", "plain, {text} 'quoted'"),
    ];
    let shown = ["say \"no\"", "back\\slash", "é und ü", "two\nlines", "plain, {text} 'quoted'"];
    let columns = odd.map(|(_, text)| [("description", text)]);
    let rows: Vec<(&str, &[(&str, &str)])> =
        odd.iter().zip(&columns).map(|((name, _), columns)| (*name, columns.as_slice())).collect();
    let mut dated = rows.clone();
    dated.push(("hst_0001.pmap", &[("delivery_date", "2014-05-06T07:08:09.5"), ("useafter_date", "2000-01-01")]));
    let bench = Bench::new(&Load::ordinary().rows(&dated));
    let whole = map(&bench, Value::Null, Value::Null);
    for ((name, _), text) in odd.iter().zip(shown) {
        score.same("1.10", &format!("{name} in the whole map"), whole[name]["description"].clone(), json!(text));
    }
    score.same(
        "1.10",
        "dates in another form",
        whole["hst_0001.pmap"]["delivery_date"].clone(),
        json!("2014-05-06 07:08:09.500000"),
    );
    let names: Vec<&String> = whole.as_object().expect("a map").keys().collect();
    for fields in [Value::Null, json!(["sha1sum", "size"]), json!(["description"]), json!([]), json!(["nope"])] {
        score.same(
            "1.10",
            &format!("all files and every file named, fields {fields}"),
            map(&bench, Value::Null, fields.clone()),
            map(&bench, json!(names), fields),
        );
    }
    for name in ["hst_0001.pmap", "abc_bia.fits", "abd_drk.fits"] {
        let one = bench.said("get_file_info", json!(["hst", name]));
        score.same("1.10", &format!("{name} alone and in the map"), one, whole[name].clone());
    }
    score.step("1.10", "a good number of files", names.len() > MAPPINGS.len() + 5);
    // The answer is kept, but not past a change: by the server, or by another program on the same database.
    let state = || map(&bench, Value::Null, json!(["state"]))["hst_0001.pmap"]["state"].clone();
    score.same("1.10", "before a change", state(), json!("archived"));
    bench.server.catalogue.set_on_files("state", [("hst_0001.pmap", "operational")]).expect("sql");
    score.same("1.10", "after a change of its own", state(), json!("operational"));
    let other = rusqlite::Connection::open(bench.data("catalogue.sqlite")).expect("the database");
    other.execute("UPDATE crds_hst_catalog SET state = 'uploaded'", []).expect("sql");
    score.same("1.10", "after another program's", state(), json!("uploaded"));
    score.finish("rpc whole maps", 22);
}

#[test]
fn other_observatories_rows() {
    let columns = "name\tobservatory\tstate\trejected\n";
    let load = Load::ordinary()
        .file(
            "references.tsv",
            format!("{columns}abc_drk.fits\thst\toperational\t1\njwst_x.fits\tjwst\toperational\t1\n"),
        )
        .file("file_cache/references/hst/jwst_x.fits", "x");
    let bench = Bench::new(&load);
    let mut score = Score::default();
    let map = bench.said("get_file_info_map", json!(["hst", null, ["name"]]));
    score.step("1.10", "null files = every row of the observatory", map.get("jwst_x.fits").is_none());
    score.same(
        "1.10",
        "nor is one found by name",
        bench.said("get_file_info_map", json!(["hst", ["jwst_x.fits"], ["name"]])),
        json!({"jwst_x.fits": "NOT FOUND"}),
    );
    score.same("1.7", "nor listed", bench.said("list_references", json!(["hst", "*"])), json!([]));
    score.same("1.7", "but known by its name", bench.said("file_exists", json!(["jwst_x.fits"])), json!(true));
    let info = bench.said("get_server_info", json!([]));
    score.same("1.8", "nor a bad file of this one", info["bad_files_list"].clone(), json!(["abc_drk.fits"]));
    score.finish("rpc rows of other observatories", 5);
}

#[test]
fn odd_histories() {
    let row = |start: &str, context: &str, state: &str| json!({"start_date": start, "context": context, "state": state, "description": "d"});
    let history = json!([
        row("2013-01-01T00:00:00", "hst_0002.pmap", "operational"),
        row("2014-01-01 00:00:00", "hst_0003.pmap", "operational"),
        row("2014-01-01 00:00:00", "hst_0001.pmap", "operational"),
        row("2014-02-01 00:00:00", "jwst_0001.pmap", "operational"),
        row("2014-03-01 00:00:00", "hst_0002.pmap", "edit"),
    ]);
    let bench = Bench::new(&Load::ordinary().with("history", history));
    let mut score = Score::default();
    score.same(
        "1.7",
        "newest first, of one moment the higher name; of this observatory; dates as Python writes them",
        bench.said("get_context_history", json!(["hst"])),
        json!([
            ["2014-01-01 00:00:00", "hst_0003.pmap", "d"],
            ["2014-01-01 00:00:00", "hst_0001.pmap", "d"],
            ["2013-01-01 00:00:00", "hst_0002.pmap", "d"],
        ]),
    );
    for (date, wanted) in [
        ("2013-01-01", json!("hst_0002.pmap")),
        ("2013-12-31T23:59:59", json!("hst_0002.pmap")),
        ("2014-01-01T00:00:00", json!("hst_0003.pmap")),
        ("2014-06-01", json!("hst_0003.pmap")),
        ("2099-01-01", json!("hst_0003.pmap")),
        ("hst-2013-06-01", json!("hst_0002.pmap")),
        (
            "2012-12-31",
            json!("UnknownContextError: No CRDS context found corresponding to (prior to) date '2012-12-31'"),
        ),
    ] {
        score.same(
            "1.9",
            &format!("the context at {date}"),
            bench.said("get_context_by_date", json!([date, null])),
            wanted,
        );
    }
    score.same(
        "1.9",
        "the observatory is judged before the date",
        bench.said("get_context_by_date", json!(["no date", "jwst"])),
        json!("InvalidObservatoryError: Mismatch between requested observatory 'jwst' and server observatory 'hst'"),
    );
    score.finish("rpc odd histories", 9);
}

#[test]
fn contexts_without_bytes() {
    let load = Load::ordinary()
        .rows(&[("hst_9999.pmap", &[]), ("hst_0003.pmap", &[("state", "delivered"), ("catalog_link", "opus_7_i.cat")])])
        .file("deliveries/opus_7_i.cat", "hst_0003.pmap\n");
    let bench = Bench::new(&load);
    let mut score = Score::default();
    for (method, params) in [
        ("get_url", json!(["hst_9999.pmap", "abc_drk.fits"])),
        ("get_mapping_url", json!(["hst_9999.pmap", "hst_0001.pmap"])),
        ("get_reference_url", json!(["hst_9999.pmap", "abc_drk.fits"])),
        ("get_mapping_names", json!(["hst_9999.pmap"])),
        ("get_required_parkeys", json!(["hst_9999.pmap"])),
    ] {
        let seen = bench.said(method, params);
        score.step(
            "1.7",
            &format!("{method} under a catalogued context without bytes"),
            seen.as_str().is_some_and(|text| text.starts_with("OtherError: [Errno 2] No such file or directory: ")),
        );
    }
    score.same("1.7", "which is known all the same", bench.said("file_exists", json!(["hst_9999.pmap"])), json!(true));
    for spec in ["hst-edit", "hst_0003.pmap"] {
        score.same(
            "1.9",
            "the edit context awaits the archive",
            bench.said("get_mapping_names", json!([spec])),
            json!("UnavailableFile: File 'hst_0003.pmap' is not yet available."),
        );
    }
    let none = Bench::new(
        &Load::ordinary().with("contexts", json!([{"kind": "hst_edit_context", "context": "hst_0003.pmap"}])),
    );
    for spec in ["hst-operational", "hst-versions"] {
        score.same(
            "1.9",
            "a kind that was never set",
            none.said("get_mapping_names", json!([spec])),
            json!(
                "MismatchedContextError: Requested context '' doesn't match the observatory 'hst' supported by this server.   Switch servers or contexts."
            ),
        );
    }
    score.same(
        "1.7",
        "get_system_versions without a versions context",
        none.said("get_system_versions", json!(["0.6.0", "None"])),
        json!(
            "MismatchedContextError: Requested context '' doesn't match the observatory 'hst' supported by this server.   Switch servers or contexts."
        ),
    );
    score.same(
        "1.7",
        "its context keeps its letters",
        none.said("get_system_versions", json!(["0.6.0", "HST_0001.PMAP"])),
        json!(
            "UnknownContextError: Context parameter 'HST_0001.PMAP' is not a .pmap, .imap, or .rmap file or a valid date based context specification."
        ),
    );
    score.finish("rpc contexts without bytes", 12);
}

//! The real Python client against the stand-in server (WP 5.2): exit status, output, files and requests of its commands.
//!
//! `ci/clients` makes the virtual environments. Without PyPI the test says loudly that it did not look; every other
//! trouble is a failure. `CRDS_CLIENT_VERSIONS` names other versions than the usual six, separated by blanks. Requests, outcomes
//! and the files left behind are the same for every version from 11.17 to 14.0 but for one call, and compared for each.

mod serve;
mod submit;

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;
use serve::{Serve, clients, root};

/// What one command does (WP 5.2).
struct Case {
    /// The command's arguments; the first is the tool.
    args: &'static str,
    /// Its exit status.
    exit: i32,
    /// Requests it makes: method or `GET area`, and how many.
    requests: &'static [(&'static str, usize)],
    /// Words that its output or log must hold.
    says: &'static [&'static str],
    /// A damage done to the cache before.
    damage: Option<&'static str>,
    /// Settings of the client beside the usual ones.
    settings: &'static [(&'static str, &'static str)],
}

const fn case(
    args: &'static str,
    exit: i32,
    requests: &'static [(&'static str, usize)],
    says: &'static [&'static str],
) -> Case {
    Case { args, exit, requests, says, damage: None, settings: &[] }
}

/// Against a server without download metadata each process that looks at server info asks for the whole catalogue too.
const INFO: [(&str, usize); 2] = [("get_server_info", 1), ("get_file_info_map", 1)];

const CASES: &[Case] = &[
    case("list --status", 0, &INFO, &["hst_0278.pmap"]),
    case("list --config", 0, &INFO, &["operational_context = 'hst_0278.pmap'", "connected = True"]),
    case("list --operational-context", 0, &INFO, &["hst_0278.pmap"]),
    case("list --resolve-contexts --all", 0, &INFO, &["hst_0278.pmap", "hst_0279.pmap"]),
    case("list --resolve-contexts --last 1", 0, &INFO, &["hst_0279.pmap"]),
    case("list --resolve-contexts --contexts hst-operational hst-edit", 0, &INFO, &["hst_0278.pmap", "hst_0279.pmap"]),
    case("list --build-context", 0, &[INFO[0], INFO[1], ("get_default_context", 2)], &["hst_0278.pmap"]),
    case(
        "list --mappings --contexts hst_0279.pmap",
        0,
        &[INFO[0], INFO[1], ("get_mapping_names", 1), ("GET mappings", 13)],
        &["hst_wfc3_d2imfile_0250.rmap"],
    ),
    case(
        "sync --contexts hst_0278.pmap hst_0279.pmap",
        0,
        &[INFO[0], INFO[1], ("get_mapping_names", 1), ("GET mappings", 3)],
        &["0 errors", "0 warnings"],
    ),
    case("sync --all", 0, &INFO, &["0 errors"]),
    case("list --references --contexts hst_wfc3_idctab_0250.rmap", 0, &[], &[".fits"]),
    case(
        "sync --contexts hst_acs_pfltfile_0250.rmap --fetch-references",
        0,
        &[INFO[0], INFO[1], ("GET references", 9)],
        &["0 errors"],
    ),
    case(
        "sync --contexts hst_acs_pfltfile_0250.rmap --fetch-references --check-files --check-sha1sum",
        0,
        &[INFO[0], ("get_file_info_map", 2)],
        &["0 errors"],
    ),
    Case {
        args: "sync --contexts hst_acs_pfltfile_0250.rmap --fetch-references --check-files --check-sha1sum --repair-files",
        exit: 1,
        requests: &[INFO[0], ("get_file_info_map", 2), ("GET references", 1)],
        says: &["1 errors"],
        damage: Some("references/hst/acs"),
        settings: &[],
    },
    case(
        "sync --contexts hst_acs_pfltfile_0250.rmap --fetch-references --check-files --check-sha1sum",
        0,
        &[INFO[0], ("get_file_info_map", 2)],
        &["0 errors"],
    ),
    case("sync --contexts hst-2014-03-01T00:00:00", 0, &[INFO[0], INFO[1], ("get_context_by_date", 1)], &["0 errors"]),
    case("sync --last 1 --push-context KEY", 0, &[INFO[0], INFO[1], ("push_remote_context", 1)], &["0 errors"]),
    case("list --remote-context pipe", 0, &[INFO[0], INFO[1], ("get_remote_context", 1)], &["hst_0278.pmap"]),
    case("sync --fetch-sqlite-db", 0, &[INFO[0], INFO[1], ("get_sqlite_db", 1)], &["0 errors"]),
    // An unknown context ends 0 with warnings only.
    case(
        "sync --contexts hst_9999.pmap",
        0,
        &[INFO[0], INFO[1], ("get_mapping_names", 1)],
        &["File 'hst_9999.pmap' is not known to CRDS.", "0 errors"],
    ),
    case(
        "list --dataset-ids-for-instruments wfc3",
        0,
        &[INFO[0], INFO[1], ("get_dataset_ids", 1)],
        &["IAAAA0010:IAAAA01AQ", "IAAAA0010:IAAAA01BQ"],
    ),
    case(
        "bestrefs --old-context hst_0278.pmap --new-context hst_0279.pmap --print-affected --datasets IAAAA0010",
        0,
        &[INFO[0], INFO[1], ("get_mapping_names", 2), ("get_dataset_headers_by_id", 1)],
        &["iaaaa0010", "Affected products = 1", "0 errors"],
    ),
    case(
        "bestrefs --old-context hst_0278.pmap --new-context hst_0279.pmap --print-affected --datasets NOSUCH01Q",
        1,
        &[INFO[0], INFO[1], ("get_mapping_names", 2), ("get_dataset_headers_by_id", 1)],
        &["1 errors"],
    ),
    case(
        "bestrefs --old-context hst_0278.pmap --new-context hst_0279.pmap --print-affected --affected-datasets",
        0,
        &[INFO[0], INFO[1], ("get_mapping_names", 2), ("get_dataset_ids", 1), ("get_dataset_headers_by_id", 1)],
        &["iaaaa0010", "Downloaded  2 dataset ids for 'wfc3' since '2014-08-20 00:00:00'", "0 errors"],
    ),
    case(
        "misc.query_affected -x 0 -y 1 -i",
        0,
        &[INFO[0], INFO[1], ("get_context_history", 1), ("get_affected_datasets", 1)],
        &["iaaaa0010", "0 errors"],
    ),
    case("list --cat hst_0279.pmap", 0, &[INFO[0], ("get_file_info_map", 2)], &["'uploaded_as': 'hst_0279.pmap'"]),
    case("list --required-parkeys --contexts hst_acs_pfltfile_0250.rmap", 0, &[], &["DETECTOR"]),
    // The library's calls (WP 1.7); a server of 2019 is asked twice for its default context, but by the oldest clients.
    case("api get_default_context(observatory='hst')", 0, &[("get_default_context", 1)], &["'hst_0278.pmap'"]),
    case("api get_default_context('hst')", 0, &[("get_default_context", 2)], &["'hst_0278.pmap'"]),
    case("api list_mappings('hst', '*.pmap')", 0, &[("list_mappings", 1)], &["['hst_0278.pmap', 'hst_0279.pmap']"]),
    case("api list_references('hst', '*')[:1]", 0, &[("list_references", 1)], &["['k5a1500yj_pfl.fits']"]),
    case("api get_mapping_names('hst_0279.pmap')[:1]", 0, &[("get_mapping_names", 1)], &["['hst_0279.pmap']"]),
    case(
        "api get_reference_names('hst_acs_pfltfile_0250.rmap')[:1]",
        0,
        &[("get_reference_names", 1)],
        &["['k5a1500yj_pfl.fits']"],
    ),
    case(
        "api get_mapping_url('hst_0279.pmap', 'hst_0279.pmap')",
        0,
        &[("get_mapping_url", 1)],
        &["/get/hst_0279.pmap'"],
    ),
    case("api get_url('hst_0279.pmap', 'x.fits')", 0, &[("get_url", 1)], &["/get/x.fits'"]),
    case("api is_known_mapping('hst_9999.pmap')", 0, &[("get_mapping_url", 1)], &["False"]),
    case("api get_file_info('hst', 'hst_0279.pmap')['state']", 0, &[("get_file_info", 1)], &["'archived'"]),
    case(
        "api get_file_info_map('hst', ['hst_0279.pmap'], ['state'])",
        0,
        &[("get_file_info_map", 1)],
        &["{'hst_0279.pmap': {'state': 'archived'}}"],
    ),
    case(
        "api get_required_parkeys('hst_acs_pfltfile_0250.rmap')[:1]",
        0,
        &[("get_required_parkeys", 1)],
        &["['DETECTOR']"],
    ),
    case(
        "api get_best_references_by_ids('hst_0279.pmap', ['IAAAA0010'], ['idctab'])",
        0,
        &[("get_best_references_by_ids", 1)],
        &["{'IAAAA0010': [True, {'idctab': 'x5h1320ei_idc.fits'}]}"],
    ),
    case(
        "api get_best_references_by_header_map('hst_0279.pmap', {'I1': {'INSTRUME': 'WFC3'}}, ['idctab'])",
        0,
        &[("get_best_references_by_header_map", 1)],
        &["NOT FOUND  parameter='DETECTOR' value='UNDEFINED' is not in ['IR', 'UVIS']"],
    ),
    case(
        "api get_aui_best_references('hst_0279.pmap', ['IAAAA0010'])",
        0,
        &[("get_aui_best_references", 1)],
        &["'x5h1320ei_idc.fits'"],
    ),
    case(
        "api sorted(get_dataset_headers_by_id('hst_0279.pmap', ['IAAAA0010']))",
        0,
        &[("get_dataset_headers_by_id", 1)],
        &["['IAAAA0010:IAAAA01AQ', 'IAAAA0010:IAAAA01BQ']"],
    ),
    case(
        "api get_dataset_ids('hst_0279.pmap', 'wfc3')",
        0,
        &[("get_dataset_ids", 1)],
        &["['IAAAA0010:IAAAA01AQ', 'IAAAA0010:IAAAA01BQ']"],
    ),
    case("api get_context_by_date('2014-03-01', 'hst')", 0, &[("get_context_by_date", 1)], &["'hst_0279.pmap'"]),
    case(
        "api get_affected_datasets('hst', 'hst_0278.pmap', 'hst_0279.pmap').affected_ids",
        0,
        &[("get_affected_datasets", 1)],
        &["['iaaaa0010']"],
    ),
    case("api get_server_version()", 0, &INFO, &["'7.3.1'"]),
];

/// Carried out last: mappings outside of the closure go from the cache.
const PURGE: Case = case("sync --contexts hst_0279.pmap --purge-mappings", 0, &INFO, &["0 errors"]);

/// Commands that not every release knows: from which major version on, or up to which.
const RELEASES: [(&str, std::ops::RangeInclusive<u32>); 3] = [
    // The option, and asking for the default context by its state first, came with client 12.
    ("list --build-context", 12..=u32::MAX),
    ("api get_default_context('hst')", 12..=u32::MAX),
    ("api get_default_context(observatory='hst')", 0..=11),
];

fn knows(version: &str, args: &str) -> bool {
    let major = version.split('.').next().and_then(|part| part.parse().ok()).expect("a version begins with a number");
    RELEASES.iter().all(|(command, releases)| *command != args || releases.contains(&major))
}

fn damage(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let file = fs::read_dir(dir).expect("cached references").flatten().next().expect("one").path();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("writable");
    fs::write(&file, "damaged").expect("damaged");
}

#[test]
fn commands_of_the_real_client() {
    let Some(clients) = clients() else {
        println!("NOT TESTED: PyPI cannot be reached, so no real client has been run");
        eprintln!("NOT TESTED: PyPI cannot be reached, so no real client has been run");
        return;
    };
    let mut failures = Vec::new();
    for (version, client) in &clients {
        let serve = Serve::start("2019");
        let cache = serve.dir.path().join("client");
        let mut good = 0;
        let cases: Vec<&Case> = CASES.iter().filter(|case| knows(version, case.args)).collect();
        for case in &cases {
            match carry_out(&serve, client, &cache, case) {
                Ok(()) => good += 1,
                Err(wrong) => failures.push(format!("crds {version}: {wrong}")),
            }
        }
        println!("crds {version}: {good} of {} commands", cases.len());
        files(&serve, &cache, &mut failures);
        if let Err(wrong) = carry_out(&serve, client, &cache, &PURGE) {
            failures.push(format!("crds {version}: {wrong}"));
        }
        let left = |name: &str| cache.join("mappings/hst").join(name).exists();
        if left("hst_0278.pmap") || !left("hst_0279.pmap") {
            failures.push(format!("crds {version}: purging left other mappings than those of the context"));
        }
    }
    assert!(failures.is_empty(), "{} commands:\n{}", failures.len(), failures.join("\n"));
}

/// Carries out one command and compares its end, requests and words; the error says what was otherwise.
fn carry_out(serve: &Serve, client: &Path, cache: &Path, case: &Case) -> Result<(), String> {
    if let Some(below) = case.damage {
        damage(&cache.join(below));
    }
    let from = serve.mark();
    let mut command = serve.client(client, cache);
    command.envs(case.settings.iter().copied());
    match case.args.split_once(' ') {
        // A call of the library instead of a tool.
        Some(("api", call)) => {
            let program = format!("import crds.client.api as api; print(repr(eval({call:?}, vars(api))))");
            command.args(["-c", &program]);
        }
        Some((tool, rest)) => {
            command.args(["-m", &format!("crds.{tool}")]).args(rest.split_whitespace());
        }
        None => panic!("`{}` is no tool with arguments", case.args),
    }
    let out = command.output().expect("the client starts");
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    let seen = serve.requests(from);
    let wanted: BTreeMap<String, usize> = case.requests.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect();
    let mut wrong = Vec::new();
    if out.status.code() != Some(case.exit) {
        wrong.push(format!("ended {:?}, not {}", out.status.code(), case.exit));
    }
    if seen != wanted {
        wrong.push(format!("asked {seen:?}, not {wanted:?}"));
    }
    wrong.extend(case.says.iter().filter(|w| !text.contains(**w)).map(|w| format!("does not say `{w}`")));
    if wrong.is_empty() {
        return Ok(());
    }
    let tail: Vec<&str> = text.lines().rev().take(6).collect();
    Err(format!("{}: {}\n  {}", case.args, wrong.join("; "), tail.join("\n  ")))
}

/// What the commands left in the client's cache.
fn files(serve: &Serve, cache: &Path, failures: &mut Vec<String>) {
    let rules = root().join("fixtures/rules/mappings/hst");
    for entry in fs::read_dir(&rules).expect("fixture rules").flatten() {
        let name = entry.file_name();
        if fs::read(cache.join("mappings/hst").join(&name)).ok() != fs::read(entry.path()).ok() {
            failures.push(format!("mapping {} differs from the served one", name.display()));
        }
    }
    let info = fs::read_to_string(cache.join("config/hst/server_config")).unwrap_or_default();
    for word in ["'operational_context': 'hst_0278.pmap'", "'edit_context': 'hst_0279.pmap'", "'observatory': 'hst'"] {
        if !info.contains(word) {
            failures.push(format!("server_config does not hold {word}"));
        }
    }
    let database = rusqlite::Connection::open(cache.join("config/hst/crds_db.sqlite3"));
    let rows =
        database.and_then(|db| db.query_row("select count(*) from crds_hst_catalog", [], |r| r.get::<_, i64>(0)));
    if !rows.is_ok_and(|n| n > 16) {
        failures.push("the fetched database has no catalogue".to_owned());
    }
    let remote = fs::read_to_string(serve.log()).unwrap_or_default();
    if remote.lines().any(|line| line.contains("\" 500 ")) {
        failures.push("the server answered 500".to_owned());
    }
}

/// What only the client does with what a server says: an old server's answers, an order to compute remotely, bytes that do
/// not fit, an address that is no `localhost` (WP 1.5, 1.8, 5.2). Told of client 13.2, so asked of that one.
#[test]
fn habits_of_the_client() {
    let Some(clients) = clients() else {
        println!("NOT TESTED: PyPI cannot be reached, so no real client has been run");
        eprintln!("NOT TESTED: PyPI cannot be reached, so no real client has been run");
        return;
    };
    let mut failures = Vec::new();
    for (version, client) in clients.iter().filter(|(version, _)| version.starts_with("13.2.")) {
        let mut good = 0;
        let mut asks = |serve: &Serve, cache: &str, case: Case| match carry_out(
            serve,
            client,
            &serve.dir.path().join(cache),
            &case,
        ) {
            Ok(()) => good += 1,
            Err(why) => failures.push(format!("crds {version}: {why}")),
        };
        let old = Serve::start("2014");
        asks(&old, "client", case("list --status", 1, &INFO, &["AttributeError: bad_files_list"]));

        let remote = Serve::start_with("2019", json!({"force_remote_mode": 1}));
        asks(&remote, "client", case("list --config", 0, &INFO, &["effective_mode = 'remote'"]));
        const DATASET: &str = "bestrefs --new-context hst_0279.pmap --datasets IAAAA0010";
        // The names below the context are asked for, but no mapping is fetched.
        const HEADERS: &[(&str, usize)] =
            &[INFO[0], INFO[1], ("get_dataset_headers_by_id", 1), ("get_mapping_names", 1)];
        asks(&remote, "client", case(DATASET, 1, HEADERS, &["errors"]));

        let wrong = Serve::start("2019");
        let knobs = wrong.dir.path().join("data/faults");
        fs::create_dir_all(&knobs).expect("room for a knob");
        fs::write(knobs.join("wrong_bytes"), "hst_0278.pmap").expect("a knob");
        const SYNC: &str = "sync --contexts hst_0278.pmap";
        const ONCE: &[(&str, usize)] = &[INFO[0], INFO[1], ("get_mapping_names", 1), ("GET mappings", 13)];
        const THRICE: &[(&str, usize)] = &[INFO[0], INFO[1], ("get_mapping_names", 1), ("GET mappings", 15)];
        asks(&wrong, "once", case(SYNC, 1, ONCE, &["does not match server sha1sum", "1 errors"]));
        let settings = &[("CRDS_CLIENT_RETRY_COUNT", "3")];
        asks(&wrong, "thrice", Case { settings, ..case(SYNC, 1, THRICE, &["1 errors"]) });
        println!("crds {version}: {good} of 5 habits");

        // Nothing is kept of a server that wants to compute itself.
        if remote.dir.path().join("client/config/hst/server_config").exists() {
            failures.push(format!("crds {version}: server_config was kept in remote mode"));
        }
        for (host, warned) in [("localhost", false), ("127.0.0.1", true)] {
            let url = remote.url.replace("localhost", host);
            let out = remote
                .client(client, &remote.dir.path().join(host))
                .env("CRDS_SERVER_URL", url)
                .args(["-m", "crds.list", "--status"])
                .output()
                .expect("the client starts");
            let text = String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
            if text.contains("WARNING -  CRDS_SERVER_URL does not start with https://") != warned {
                failures.push(format!("crds {version}: warnings about {host}:\n{text}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} commands:\n{}", failures.len(), failures.join("\n"));
}

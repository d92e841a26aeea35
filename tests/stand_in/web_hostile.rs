//! Hostile files (issue 4): each gets the era's refusal or a clear one, in bounded time, and changes nothing but the
//! ingest directory; whatever is shown of it is escaped.

use std::time::{Duration, Instant};

use super::web_browser::Site;
use super::web_rules::npolfile;
use super::web_score::Score;
use super::web_submissions::{BATCH, MAPPING, resealed};

/// The scenes, each on a server of its own.
pub const SCENES: &[fn(&mut Score, &Site)] = &[references, mappings, a_hundred_megabytes];

/// What must not appear as markup on any page.
const CANARY: &str = "<svg onload=alert(9)>";

/// A FITS header of these cards.
pub fn header(cards: &[&str]) -> Vec<u8> {
    let mut out: Vec<u8> = cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    out.resize(out.len().div_ceil(2880) * 2880, b' ');
    out
}

/// Cards of a file without data.
pub const PRIMARY: [&str; 4] =
    ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0", "END"];

fn with_extension(cards: &[&str]) -> Vec<u8> {
    let mut out = header(&PRIMARY);
    out.extend(header(cards));
    out
}

/// FITS files that promise more than they hold, never end, or break off.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let table = |rows: &str, bytes: &str, form: &str| {
        with_extension(&[
            "XTENSION= 'BINTABLE'",
            "BITPIX  =                    8",
            "NAXIS   =                    2",
            &format!("NAXIS1  = {bytes:>20}"),
            &format!("NAXIS2  = {rows:>20}"),
            "PCOUNT  =                    0",
            "GCOUNT  =                    1",
            "TFIELDS =                    1",
            "TTYPE1  = 'A       '",
            &format!("TFORM1  = '{form:<8}'"),
            "END",
        ])
    };
    let axes = |one: &str| {
        header(&[
            "SIMPLE  =                    T",
            "BITPIX  =                  -64",
            "NAXIS   =                    2",
            &format!("NAXIS1  = {one:>20}"),
            "NAXIS2  =  9223372036854775807",
            "END",
        ])
    };
    let endless: Vec<u8> = header(&PRIMARY[..3]).into_iter().chain(vec![b' '; 9_000_000]).collect();
    let units: Vec<u8> = header(&PRIMARY)
        .into_iter()
        .chain((0..10_500).flat_map(|_| header(&["XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 0", "END"])))
        .collect();
    vec![
        ("no FITS", b"no FITS".to_vec()),
        ("nothing", Vec::new()),
        ("only its first word", b"SIMPLE  = ".to_vec()),
        ("a table of a million gigabytes", table("9000000000000", "1000000000", "1J")),
        ("a column of a billion elements", table("1", "4", "999999999J")),
        ("rows of negative length", table("1", "-4", "1J")),
        ("a form that is none", table("1", "4", "%s%n")),
        ("axes that overflow", axes("9223372036854775807")),
        ("an axis that is no number", axes("'x'")),
        ("a thousand axes", header(&[PRIMARY[0], PRIMARY[1], "NAXIS   = 100000", "END"])),
        ("a header without its end", header(&PRIMARY[..3])),
        ("a header of nine megabytes", endless),
        ("ten thousand units", units),
        ("a text that never closes", header(&[PRIMARY[0], PRIMARY[1], PRIMARY[2], "INSTRUME= 'WFC3", "END"])),
        ("markup", header(&[PRIMARY[0], PRIMARY[1], PRIMARY[2], "INSTRUME= '<svg onload=alert(9)>'", "END"])),
        ("bytes of all kinds", (0..40_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
    ]
}

/// What a submission must not change: the catalogue, the caches, deliveries, the audit log.
fn state(site: &Site) -> String {
    let list = |dir: &str| {
        let mut names: Vec<String> = std::fs::read_dir(site.data.join(dir))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names.join(" ")
    };
    let catalogue = &site.server.catalogue;
    format!(
        "{:?} {:?} {} {} {} {}",
        catalogue.names_and_states().expect("the catalogue"),
        catalogue.actions().map(|rows| rows.len()),
        list("file_cache/mappings/hst"),
        list("file_cache/references/hst"),
        list("deliveries"),
        list("catalogs"),
    )
}

/// Uploads a file, sends a form, and looks at what came of it.
fn attempt(score: &mut Score, site: &Site, what: &str, name: &str, bytes: &[u8], path: &str, fields: &[(&str, &str)]) {
    let mut ann = site.submitter("ann", "wfc3");
    let before = state(site);
    let began = Instant::now();
    let page = ann.upload(name, bytes);
    score.step("WP 3.5", &format!("{what}: the upload itself is taken"), page.error().is_none());
    let page = ann.post(path, fields);
    let shown = if page.status == 302 { ann.follow(&page) } else { page };
    let refused = shown.error().is_some() || !shown.picks("h2.error").is_empty();
    let certified = path == "/certify/" && shown.h2().contains(&"Certify Files".to_owned());
    score.step("issue 4", &format!("{what} on {path} is refused"), shown.status == 200 && (refused || certified));
    score.step("issue 4", &format!("{what} on {path}: escaped"), !shown.text().contains(CANARY));
    score.step("issue 4", &format!("{what}: in bounded time"), began.elapsed() < Duration::from_secs(30));
    score.same("issue 4", &format!("{what} on {path} changes nothing"), state(site), before);
    std::fs::remove_file(site.data.join("ingest/ann").join(name)).expect("the upload lies there");
}

fn references(score: &mut Score, site: &Site) {
    for (what, bytes) in bombs() {
        attempt(score, site, what, "y7b1516ii_npl.fits", &bytes, "/batch_submit_references/", BATCH);
        attempt(score, site, what, "y7b1516ii_npl.fits", &bytes, "/certify/", &[("pmap_mode", "pmap_edit")]);
    }
}

fn mappings(score: &mut Score, site: &Site) {
    let plain = npolfile();
    let name = "hst_wfc3_npolfile_0250.rmap";
    let nested = |open: &str, close: &str| {
        let deep = format!("{}'x'{}", open.repeat(20_000), close.repeat(20_000));
        resealed(&plain.replace("Match({\n})", &format!("Match({{\n    ('A', 'B') : {deep},\n}})")))
    };
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("a NUL", plain.replace("'WFC3'", "'WF\0C3'").into_bytes()),
        ("no UTF-8", [plain.as_bytes(), b"\xff\xfe"].concat()),
        ("nested tuples", nested("(", ",)").into_bytes()),
        ("nested selectors", nested("UseAfter({ '2000-01-01 00:00:00' : ", "})").into_bytes()),
        ("nested braces", nested("{ 'a' : ", "}").into_bytes()),
        ("a call", plain.replace("Match({", "__import__('os').system('true'), Match({").into_bytes()),
        ("markup for an instrument", resealed(&plain.replace("'WFC3'", &format!("'{CANARY}'"))).into_bytes()),
        ("a megabyte of one word", plain.replace("'NONE'", &format!("'{}'", "a".repeat(1 << 20))).into_bytes()),
        ("a line without end", [b"header = {".as_slice(), &vec![b' '; 4 << 20]].concat()),
    ];
    for (what, bytes) in files {
        attempt(score, site, what, name, &bytes, "/submit/mapping/", MAPPING);
        attempt(score, site, what, name, &bytes, "/certify/", &[("pmap_mode", "pmap_edit")]);
    }
}

/// Real front ends took 16 GB (WP 1.1); here a clear refusal comes before anything is written.
fn a_hundred_megabytes(score: &mut Score, site: &Site) {
    let name = "y7b1516ii_npl.fits";
    let mut ann = site.submitter("ann", "wfc3");
    score.step("WP 3.5", "a small file first", ann.upload(name, b"small").error().is_none());
    let before = state(site);
    let listed = ann.get("/upload/list/").json();
    let began = Instant::now();
    let page = ann.upload(name, &vec![b'x'; 100 << 20]);
    score.same(
        "issue 4",
        "100 MB: a clear refusal",
        page.error(),
        Some("Uploads are limited to 67108864 bytes.".into()),
    );
    score.step("issue 4", "100 MB: in bounded time", began.elapsed() < Duration::from_secs(60));
    score.same("issue 4", "100 MB: the small file is still there", ann.get("/upload/list/").json(), listed);
    let held = std::fs::read(site.data.join("ingest/ann").join(name)).expect("the upload lies there");
    score.same("issue 4", "100 MB: as it was", held.as_slice(), b"small".as_slice());
    let left = std::fs::read_dir(&site.server.config.dirs.uploads).into_iter().flatten().flatten().count();
    score.same("issue 4", "100 MB: no temporary file is left", left, 0);
    score.same("issue 4", "100 MB changes nothing", state(site), before);
}

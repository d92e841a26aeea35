//! WP 1.11: affected datasets as they lie on disk.

use std::io::Write;

use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};
use crate::web_score::Score;

fn packed(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).expect("gzip");
    gzip.finish().expect("gzip")
}

fn run(load: Load, tag: &str, files: &[(&str, &str)]) -> Load {
    files.iter().fold(load, |load, (name, text)| {
        let path = format!("monitor_reprocessing/{tag}/{name}");
        if name.ends_with(".gz") { load.file(&path, packed(text)) } else { load.file(&path, text) }
    })
}

fn not_ready(old: &str, new: &str) -> Value {
    json!(format!(
        "OtherError: No precomputed affected datasets results exist for old_context={old} and new_context={new}"
    ))
}

const A: &str = "2014-10-15-09:20:03_0001_0002";
const DONE: &[(&str, &str)] = &[
    ("affected_ids.txt.gz", "jaaa01010\njaaa01020\n"),
    ("bestrefs.status", "0\n"),
    ("bestrefs_err.txt.gz", "all\nlines\n"),
    ("bestrefs_err_truncated.txt.gz", "first\nlast\n"),
];

#[test]
fn results() {
    let mut score = Score::default();
    let load = run(Load::ordinary(), A, DONE);
    let bench = Bench::new(&load);
    let wanted = json!({
        "computation_dir": A, "observatory": "hst", "affected_ids": ["jaaa01010", "jaaa01020"], "bestrefs_status": 0,
        "old_context": "hst_0001.pmap", "new_context": "hst_0002.pmap", "bestrefs_err_summary": "first\nlast",
    });
    let ask = |bench: &Bench, old: Value, new: Value| bench.said("get_affected_datasets", json!(["hst", old, new]));
    for (old, new, what) in [
        (json!("hst_0001.pmap"), json!("hst_0002.pmap"), "both contexts"),
        (Value::Null, json!("hst_0002.pmap"), "any old one"),
        (json!("hst_0001.pmap"), Value::Null, "any new one"),
        (Value::Null, Value::Null, "any"),
    ] {
        score.same("1.11", what, ask(&bench, old, new), wanted.clone());
    }
    for (old, new, wanted, what) in [
        (
            json!("hst_0002.pmap"),
            json!("hst_0001.pmap"),
            not_ready("'hst_0002.pmap'", "'hst_0001.pmap'"),
            "backward moves are never computed",
        ),
        (json!("hst_0003.pmap"), Value::Null, not_ready("'hst_0003.pmap'", "'None'"), "null shows as None"),
        (
            json!("hst-operational"),
            json!("hst_0002.pmap"),
            json!("OtherError: context must be a .pmap"),
            "a symbol passes the check and then fails",
        ),
        (json!("2014-01-01"), json!("hst_0002.pmap"), json!("OtherError: context must be a .pmap"), "so does a date"),
        (json!("hst_acs_0001.imap"), Value::Null, json!("OtherError: context must be a .pmap"), "an imap"),
        (
            json!("hst_9999.pmap"),
            Value::Null,
            json!("UnknownFile: File 'hst_9999.pmap' is not known to CRDS."),
            "contexts are checked",
        ),
        (
            json!(5),
            Value::Null,
            json!(
                "UnknownContextError: Context parameter '5' is not a .pmap, .imap, or .rmap file or a valid date based context specification."
            ),
            "a number",
        ),
    ] {
        score.same("1.11", what, ask(&bench, old, new), wanted);
    }
    let none = Bench::new(&Load::ordinary());
    score.same("1.11", "never computed", ask(&none, Value::Null, Value::Null), not_ready("'None'", "'None'"));
    // The last directory by name is taken.
    let two = run(
        load.clone(),
        "2014-10-16-00:00:00_0001_0002",
        &[("affected_ids.txt", ""), ("bestrefs.status", "1"), ("bestrefs_err.txt", "x")],
    );
    let seen = ask(&Bench::new(&two), json!("hst_0001.pmap"), json!("hst_0002.pmap"));
    score.same(
        "1.11",
        "doubled: the last by name",
        seen["computation_dir"].clone(),
        json!("2014-10-16-00:00:00_0001_0002"),
    );
    score.same("1.11", "status 1 = errors", seen["bestrefs_status"].clone(), json!(1));
    score.same("1.11", "an empty list", seen["affected_ids"].clone(), json!([]));
    score.same("1.11", "the full log where there is no short one", seen["bestrefs_err_summary"].clone(), json!("x"));
    let case = |files: &[(&str, &str)]| {
        ask(&Bench::new(&run(Load::ordinary(), A, files)), json!("hst_0001.pmap"), json!("hst_0002.pmap"))
    };
    let started = case(&[("bestrefs_err.txt", "working"), ("affected_ids.txt", "jaaa01010\n")]);
    score.same("1.11", "still computing: no status", started, not_ready("'hst_0001.pmap'", "'hst_0002.pmap'"));
    let odd = case(&[("bestrefs_err.txt", "x"), ("affected_ids.txt", ""), ("bestrefs.status", "FAILED")]);
    score.same("1.11", "a status that is no integer", odd, not_ready("'hst_0001.pmap'", "'hst_0002.pmap'"));
    let lacking = case(&[("bestrefs_err.txt", "x"), ("bestrefs.status", "0")]);
    score.step(
        "1.11",
        "no id list",
        lacking["affected_ids"]
            .as_str()
            .is_some_and(|t| t.starts_with("FAILED: File not found: '") && t.ends_with("affected_ids.txt'")),
    );
    score.same(
        "1.11",
        "no log at all in 2019",
        case(&[("affected_ids.txt", ""), ("bestrefs.status", "0")]),
        json!("OtherError: local variable 'exc2' referenced before assignment"),
    );
    score.same(
        "1.11",
        "no log and no status in 2019",
        case(&[("affected_ids.txt", "")]),
        json!("OtherError: local variable 'exc2' referenced before assignment"),
    );
    let old =
        Bench::of(&run(Load::ordinary(), A, &[("affected_ids.txt", ""), ("bestrefs.status", "0")]), Era::Y2014, |_| {});
    let seen = ask(&old, json!("hst_0001.pmap"), json!("hst_0002.pmap"));
    score.step(
        "1.11",
        "no log at all in 2014",
        seen["bestrefs_err_summary"].as_str().is_some_and(|t| t.starts_with("FAILED: File not found: ")),
    );
    let gaps = case(&[("affected_ids.txt", "a\n\nb\n"), ("bestrefs.status", "0"), ("bestrefs_err.txt", "x")]);
    score.same("1.11", "empty lines are kept", gaps["affected_ids"].clone(), json!(["a", "", "b"]));
    for (lines, kept) in [(1000, 1000), (1001, 1001), (2500, 1001)] {
        let text: String = (0..lines).map(|n| format!("line {n}\n")).collect();
        let seen = case(&[("affected_ids.txt", ""), ("bestrefs.status", "0"), ("bestrefs_err.txt", &text)]);
        let summary = seen["bestrefs_err_summary"].as_str().unwrap_or_default().to_owned();
        score.same("1.11", &format!("{lines} lines of log"), summary.split('\n').count(), kept);
        if lines > 1000 {
            score.same("1.11", "the middle is cut out", summary.split('\n').nth(500), Some("..."));
            score.step("1.11", "the end is there", summary.ends_with(&format!("line {}", lines - 1)));
        }
    }
    // Kept for a day: a later, fuller list is not seen; errors are not kept.
    let kept = Bench::new(&load);
    ask(&kept, json!("hst_0001.pmap"), json!("hst_0002.pmap"));
    // What is kept is what was read of a directory; which one is the newest is looked up at every question.
    let dir = kept.data("monitor_reprocessing").join(A);
    for name in ["affected_ids.txt", "bestrefs_err_truncated.txt", "bestrefs_err.txt"] {
        let _ = std::fs::remove_file(dir.join(name));
        let _ = std::fs::remove_file(dir.join(format!("{name}.gz")));
    }
    score.same(
        "1.7",
        "what was read of a directory is memcached",
        ask(&kept, json!("hst_0001.pmap"), json!("hst_0002.pmap")),
        wanted.clone(),
    );
    kept.server.config.memcached.clear();
    score.same(
        "1.7",
        "until the cache is cleared",
        ask(&kept, json!("hst_0001.pmap"), json!("hst_0002.pmap")),
        json!("OtherError: local variable 'exc2' referenced before assignment"),
    );
    std::fs::remove_dir_all(&dir).expect("remove");
    score.same(
        "1.11",
        "a directory that is gone is not found",
        ask(&kept, json!("hst_0001.pmap"), json!("hst_0002.pmap")),
        not_ready("'hst_0001.pmap'", "'hst_0002.pmap'"),
    );
    // Asked during the computation, "not ready" is pinned until the cache is cleared (WP 1.11, traps).
    let early = Bench::new(&run(Load::ordinary(), A, &[("bestrefs_err.txt", "x")]));
    let pair = || (json!("hst_0001.pmap"), json!("hst_0002.pmap"));
    let pinned = not_ready("'hst_0001.pmap'", "'hst_0002.pmap'");
    score.same("1.11", "no status yet", ask(&early, pair().0, pair().1), pinned.clone());
    std::fs::write(early.data("monitor_reprocessing").join(A).join("bestrefs.status"), "0\n").expect("status");
    score.same("1.11", "asked too early, it stays so", ask(&early, pair().0, pair().1), pinned);
    early.server.config.memcached.clear();
    score.same(
        "1.11",
        "until the cache is cleared",
        ask(&early, pair().0, pair().1)["bestrefs_status"].clone(),
        json!(0),
    );
    // Odd parts.
    let odd = |files: &[(&str, &str)]| ask(&Bench::new(&run(Load::ordinary(), A, files)), pair().0, pair().1);
    let gz = odd(&[("bestrefs.status.gz", "0"), ("bestrefs_err.txt", "x")]);
    score.same("1.11", "a compressed status is none", gz, not_ready("'hst_0001.pmap'", "'hst_0002.pmap'"));
    let torn = run(Load::ordinary(), A, &[("bestrefs.status", "0"), ("bestrefs_err.txt", "a\rb\x0cc")])
        .file(&format!("monitor_reprocessing/{A}/affected_ids.txt.gz"), "no gzip");
    let torn = ask(&Bench::new(&torn), pair().0, pair().1);
    score.same("1.11", "lines end as Python's do", torn["bestrefs_err_summary"].clone(), json!("a\nb\nc"));
    score.same(
        "1.11",
        "ids in a file that is no gzip",
        torn["affected_ids"].clone(),
        json!("FAILED: Not a gzipped file (b'no')"),
    );
    let both =
        odd(&[("bestrefs.status", " 1\n"), ("bestrefs_err_truncated.txt", "short"), ("bestrefs_err.txt", "long")]);
    score.same("1.11", "the truncated log goes first", both["bestrefs_err_summary"].clone(), json!("short"));
    score.same("1.11", "blanks around the status", both["bestrefs_status"].clone(), json!(1));
    let unmarked =
        Bench::new(&run(Load::ordinary(), "0001_0002", &[("bestrefs.status", "0"), ("bestrefs_err.txt", "x")]));
    let answer = ask(&unmarked, pair().0, pair().1);
    score.same(
        "1.11",
        "the numbers are cut out of the whole path",
        answer["old_context"].clone(),
        json!("hst_reprocessing/0001.pmap"),
    );
    // The first context is judged whole before the second is looked at.
    score.same(
        "1.11",
        "the old context is no pmap, the new one is unknown",
        ask(&unmarked, json!("hst-operational"), json!("x")),
        json!("OtherError: context must be a .pmap"),
    );
    score.finish("rpc affected datasets", 32);
}

//! `check` and `plan` on plans that leave out what a plan may leave out, and on plans of the other observatories.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// What stands between two marks of the shipped plan: one kind of change that a plan may leave out.
struct Left {
    /// What is left out.
    what: &'static str,
    /// The headers of its tables.
    tables: &'static [&'static str],
    /// The steps that then must change nothing.
    idle: &'static [&'static str],
}

const LEFT_OUT: [Left; 7] = [
    Left { what: "stack switch", tables: &["[stack]"], idle: &["s350_switch_stack", "s360_reinstall_on_new_stack"] },
    Left { what: "rules branch", tables: &["[rules_branch]"], idle: &["s230_commit_rules_to_branch"] },
    Left { what: "mirrors", tables: &["[[mirror]]"], idle: &["s240_mirror_ops_to_test", "s250_mirror_test_to_dev"] },
    Left { what: "mark", tables: &["[mark_bad]"], idle: &["s450_mark_bad"] },
    Left { what: "context and mark", tables: &["[set_context]", "[mark_bad]"], idle: &["s440_set_context"] },
    Left {
        what: "deletion, context and mark",
        tables: &["[deletion]", "[set_context]", "[mark_bad]"],
        idle: &["s430_delete_bad_files"],
    },
    Left {
        what: "every delivery",
        tables: &["[[submission]]", "[deletion]", "[set_context]", "[mark_bad]"],
        idle: &["s410_submit_new_type", "s420_submit_references", "s430_delete_bad_files", "s440_set_context"],
    },
];

fn shipped(path: &str) -> String {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    std::fs::read_to_string(root.join("fixtures").join(path)).expect("reads")
}

/// The text of a plan without the tables that begin with one of `headers`.
fn without(plan: &str, headers: &[&str]) -> String {
    let mut keep = true;
    let lines = plan.lines().filter(|line| {
        if line.starts_with('[') {
            keep = !headers.contains(line);
        }
        keep
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// Runs a command of ours on a plan and the example site in `observatory`'s words.
fn run(command: &str, plan: &str, site: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (plan_path, site_path) = (folder.path().join("plan.toml"), folder.path().join("site.toml"));
    std::fs::write(&plan_path, plan).expect("writes");
    std::fs::write(&site_path, site).expect("writes");
    Command::new(env!("CARGO_BIN_EXE_crds-upgrade"))
        .arg(command)
        .arg("--plan")
        .arg(plan_path)
        .arg("--site")
        .arg(site_path)
        .args(more)
        .output()
        .expect("starts")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn steps(output: &Output) -> Vec<Value> {
    let answer: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)));
    answer["steps"].as_array().cloned().expect("steps")
}

#[test]
fn a_plan_may_leave_out_any_kind_of_change_and_its_step_then_changes_nothing() {
    let (whole, site) = (shipped("plans/hst-opus-2014.3.toml"), shipped("sites/three-ssh-hosts.toml"));
    for left in LEFT_OUT {
        let plan = without(&whole, left.tables);
        let checked = run("check", &plan, &site, &[]);
        assert!(checked.status.success(), "without {}: {}", left.what, text(&checked));
        let printed = run("plan", &plan, &site, &["--format", "json"]);
        for step in steps(&printed) {
            let idle = left.idle.iter().any(|id| step["id"] == *id);
            if idle {
                assert_eq!(step["changes"], serde_json::json!([]), "without {}: {}", left.what, step["id"]);
                assert_eq!(step["runs"], serde_json::json!([]), "without {}: {}", left.what, step["id"]);
                assert!(step["checks"].as_array().is_some_and(|checks| !checks.is_empty()), "{}", step["id"]);
            }
        }
        // The same steps of the whole plan do change something, so the comparison above can fail.
        let all = steps(&run("plan", &whole, &site, &["--format", "json"]));
        for id in left.idle {
            let step = all.iter().find(|step| step["id"] == *id).expect(id);
            assert_ne!(step["changes"], serde_json::json!([]), "{id}");
        }
    }
}

#[test]
fn what_is_left_out_is_missed_where_something_else_needs_it() {
    let plan = without(&shipped("plans/hst-opus-2014.3.toml"), &["[from]"]);
    let checked = run("check", &plan, &shipped("sites/three-ssh-hosts.toml"), &[]);
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
    assert!(text(&checked).contains("from"), "{}", text(&checked));
}

/// The shipped plan and site in the words of another observatory.
fn other(observatory: &str, instruments: [&str; 2]) -> (String, String) {
    let word = |text: &str| {
        text.replace("\"hst\"", &format!("\"{observatory}\""))
            .replace("hst_wfc3_", &format!("{observatory}_{}_", instruments[0]))
            .replace("hst_acs_", &format!("{observatory}_{}_", instruments[1]))
            .replace("\"wfc3\"", &format!("\"{}\"", instruments[0]))
            .replace("\"acs\"", &format!("\"{}\"", instruments[1]))
            .replace("acs = [", &format!("{} = [", instruments[1]))
            .replace("wfc3 = [", &format!("{} = [", instruments[0]))
            .replace("hst_", &format!("{observatory}_"))
            .replace("crds_hst", &format!("crds_{observatory}"))
            .replace("lhstcrds", &format!("l{observatory}crds"))
    };
    (word(&shipped("plans/hst-opus-2014.3.toml")), word(&shipped("sites/three-ssh-hosts.toml")))
}

#[test]
fn other_observatories_are_the_same_thing_with_other_values() {
    for (observatory, instruments) in [("jwst", ["nircam", "miri"]), ("roman", ["wfi", "wfi2"])] {
        let (plan, site) = other(observatory, instruments);
        let checked = run("check", &plan, &site, &[]);
        assert!(checked.status.success(), "{observatory}: {}", text(&checked));
        let printed = run("plan", &plan, &site, &[]);
        assert!(printed.status.success(), "{observatory}: {}", text(&printed));
        let said = text(&printed);
        assert!(said.contains(&format!("{observatory}_0279.pmap to {observatory}_0283.pmap")), "{observatory}: {said}");
        assert!(!said.contains("hst_"), "{observatory}: a name of the other observatory is left: {said}");
    }
}

#[test]
fn a_plan_of_one_observatory_is_refused_on_the_site_of_another() {
    let (plan, _) = other("jwst", ["nircam", "miri"]);
    let checked = run("check", &plan, &shipped("sites/three-ssh-hosts.toml"), &[]);
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
    assert!(text(&checked).contains("the plan is for `jwst`, the site serves `hst`"), "{}", text(&checked));
}

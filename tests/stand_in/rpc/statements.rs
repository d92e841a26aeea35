//! Every statement of the dossier has a test or a reason why not, and every test that is named exists.

use std::{collections::BTreeSet, fs, path::Path};

/// Whether a file has a test function of that name.
fn has_test(file: &Path, function: &str) -> bool {
    let Ok(text) = fs::read_to_string(file) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let wanted = format!("fn {function}()");
    lines.windows(2).any(|pair| pair[0] == "#[test]" && pair[1].starts_with(&wanted))
}

/// Whether a file has a scene of that name, and a story carries it out: the file's own list names it, or the story does.
fn has_scene(file: &Path, function: &str) -> bool {
    let Ok(text) = fs::read_to_string(file) else { return false };
    let story = fs::read_to_string(file.with_file_name("web_story.rs")).expect("the stories");
    let named = |text: &str| {
        let words = text.split(|ch: char| !ch.is_alphanumeric() && ch != '_');
        words.filter(|word| *word == function).count()
    };
    text.contains(&format!("fn {function}(score: &mut Score, ")) && (named(&text) > 1 || named(&story) > 1)
}

/// Names of the test functions of a file.
fn tests_of(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("a source file");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let named = lines.windows(2).filter(|pair| pair[0] == "#[test]").filter_map(|pair| pair[1].strip_prefix("fn "));
    named.filter_map(|rest| rest.split('(').next()).map(str::to_owned).collect()
}

#[test]
fn every_statement_has_a_test_or_a_reason() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let list = fs::read_to_string(tests.join("stand_in/statements.txt")).expect("the list");
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    let mut cited = BTreeSet::new();
    let mut untested = 0;
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [id, statement, held_by] = parts.as_slice() else {
            problems.push(format!("`{line}` does not have three parts"));
            continue;
        };
        if !ids.insert(*id) {
            problems.push(format!("{id} is there twice"));
        }
        if statement.is_empty() || id.split('.').count() != 3 {
            problems.push(format!("`{line}` says no statement or has another kind of id"));
        }
        if let Some(reason) = held_by.strip_prefix("untested: ") {
            untested += 1;
            if reason.len() < 20 {
                problems.push(format!("{id}: `{reason}` is no reason"));
            }
            continue;
        }
        for case in held_by.split(", ") {
            let Some((file, function)) = case.split_once("::") else {
                problems.push(format!("{id}: `{case}` names no test"));
                continue;
            };
            let path = match file {
                "clients" => tests.join("clients/main.rs"),
                file => tests.join("stand_in").join(format!("{file}.rs")),
            };
            if !has_test(&path, function) && !has_scene(&path, function) {
                problems.push(format!("{id}: there is no test `{case}`"));
            }
            cited.insert(case.to_owned());
        }
    }
    // The other way round: no test of the RPC half is without a statement.
    for entry in fs::read_dir(tests.join("stand_in/rpc")).expect("the RPC tests").flatten() {
        let file = entry.file_name().to_string_lossy().replace(".rs", "");
        if file == "statements" {
            continue;
        }
        for function in tests_of(&entry.path()) {
            let case = format!("rpc/{file}::{function}");
            if !cited.contains(&case) {
                problems.push(format!("`{case}` holds no statement of the list"));
            }
        }
    }
    // Each section that a server answers for.
    for section in [
        "1.1", "1.2", "1.3", "1.4", "1.6", "1.7", "1.8", "1.9", "1.10", "1.11", "2.1", "3.1", "3.2", "3.3", "3.4",
        "3.5", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "4.1", "4.2", "4.3", "4.4", "5.2", "5.3", "5.4",
    ] {
        if !ids.iter().any(|id| id.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))) {
            problems.push(format!("no statement of section {section}"));
        }
    }
    println!("{} statements, {untested} of them untested for a reason", ids.len());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

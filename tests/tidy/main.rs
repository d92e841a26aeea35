//! Rules of the repository itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crds_upgrade::drill::Drill;
use crds_upgrade::steps;

fn project() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Every file that belongs to the project, relative to its root.
fn files() -> Vec<PathBuf> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(project())
        .output();
    let listed = output.ok().filter(|output| output.status.success() && !output.stdout.is_empty());
    let paths: Vec<PathBuf> = match listed {
        Some(output) => output
            .stdout
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned()))
            .collect(),
        // An unpacked archive has no git: everything but what is built belongs to it.
        None => walkdir::WalkDir::new(project())
            .into_iter()
            .filter_entry(|entry| {
                !matches!(entry.file_name().to_str(), Some("target" | "runs" | ".git" | ".crds-upgrade"))
            })
            .flatten()
            .filter(|entry| entry.file_type().is_file())
            .filter_map(|entry| entry.path().strip_prefix(project()).ok().map(Path::to_owned))
            .collect(),
    };
    paths.into_iter().filter(|path| project().join(path).is_file()).collect()
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(project().join(path)).ok()
}

fn rust() -> impl Iterator<Item = (PathBuf, String)> {
    files().into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs")).filter_map(|path| {
        let text = text(&path)?;
        Some((path, text))
    })
}

#[test]
fn no_module_is_longer_than_700_lines() {
    let long: Vec<_> = rust()
        .filter(|(_, text)| text.lines().count() > 700)
        .map(|(path, text)| (path, text.lines().count()))
        .collect();
    assert!(long.is_empty(), "split at a seam: {long:?}");
}

#[test]
fn the_top_level_is_the_fixed_list() {
    const LIST: [&str; 19] = [
        ".cargo",
        ".ci",
        ".clippy.toml",
        ".config",
        ".gitignore",
        ".rustfmt.toml",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "build.rs",
        "ci",
        "docs",
        "fixtures",
        "snapshots",
        "src",
        "tests",
        ".gitattributes",
    ];
    let tops: BTreeSet<String> = files()
        .iter()
        .filter_map(|path| path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned()))
        .collect();
    let more: Vec<_> = tops.iter().filter(|name| !LIST.contains(&name.as_str())).collect();
    assert!(more.is_empty(), "not in the list of the top level: {more:?}");
}

#[test]
fn nothing_is_left_undone_or_switched_off() {
    // Spelled in parts, so that this file passes its own rule.
    let words = [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["#[ig", "nore"].concat(),
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
    ];
    let mut found = Vec::new();
    for (path, text) in rust() {
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word.as_str())) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_path_of_a_machine_is_named() {
    let words = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["bash_", "jobs"].concat()];
    let mut found = Vec::new();
    for path in files() {
        let Some(text) = text(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            // Inside a longer path it is a name like others.
            let begins = |at: usize| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
            if words.iter().any(|word| line.match_indices(word.as_str()).any(|(at, _)| begins(at))) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Compiled on its own, not a part of the library.
fn is_program(path: &Path) -> bool {
    path.ends_with("build.rs") || path.ends_with("enter/program.rs")
}

#[test]
fn the_library_prints_nothing() {
    let words = ["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("];
    let mut found = Vec::new();
    for (path, text) in
        rust().filter(|(path, _)| path.starts_with("src") && !path.starts_with("src/bin") && !is_program(path))
    {
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            // A word of its own: `write_eprint!(` and texts about printing are others.
            if !code.starts_with("//")
                && words.iter().any(|word| code.starts_with(word) || code.contains(&format!(" {word}")))
            {
                found.push(format!("{}:{}: {}", path.display(), number + 1, code));
            }
        }
    }
    assert!(found.is_empty(), "the programs print, the library does not:\n{}", found.join("\n"));
}

#[test]
fn every_step_has_its_file_and_its_test() {
    let main = text(Path::new("tests/upgrade/main.rs")).expect("reads");
    for step in steps::ALL {
        let path = format!("tests/upgrade/{}.rs", step.id);
        let file = text(Path::new(&path)).unwrap_or_else(|| panic!("{path} is not there"));
        assert!(main.contains(&format!("mod {};", step.id)), "tests/upgrade/main.rs does not name {}", step.id);
        assert!(file.contains(&format!("fn {}(", step.id)), "{path} has no test of that name");
        assert!(file.starts_with("//! "), "{path} has no header");
        for check in step.checks {
            let own = check.id.split_once('.').map_or(check.id, |(_, own)| own);
            let shared = fs::read_dir(project().join("tests/upgrade/common")).into_iter().flatten().flatten();
            let somewhere = file.contains(&format!("\"{own}\""))
                || file.contains(&format!("\"{}\"", check.id))
                || shared
                    .filter_map(|entry| fs::read_to_string(entry.path()).ok())
                    .any(|text| text.contains(&format!("\"{own}\"")));
            assert!(somewhere, "{path} does not judge {}", check.id);
        }
    }
}

fn drills() -> Vec<Drill> {
    let folder = project().join("fixtures/drills");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).expect("lists").flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "toml"));
    files.sort();
    files.iter().map(|file| Drill::load(file).unwrap_or_else(|error| panic!("{error}"))).collect()
}

#[test]
fn every_drill_reads_and_is_named_once() {
    let mut seen = BTreeSet::new();
    for drill in drills() {
        assert!(seen.insert(drill.id.clone()), "drill {} stands twice", drill.id);
        assert!(!drill.title.is_empty() && !drill.inject.trim().is_empty(), "{}", drill.id);
        assert!(!drill.says.is_match(""), "{}: `says` matches everything", drill.id);
    }
}

#[test]
fn every_check_has_a_drill_that_turns_it_red() {
    let mut red: BTreeMap<String, usize> = BTreeMap::new();
    for drill in drills() {
        for check in drill.turns_red {
            *red.entry(check).or_default() += 1;
        }
    }
    let all = steps::ALL.iter().flat_map(|step| step.checks.iter().map(|check| check.id));
    let never: Vec<&str> = all.filter(|check| !red.contains_key(*check)).collect();
    assert!(never.is_empty(), "{} checks have never been seen red: {}", never.len(), never.join(", "));
}

#[test]
fn every_step_that_acts_or_reviews_has_three_drills() {
    let drills = drills();
    let few: Vec<String> = steps::ALL
        .iter()
        .filter(|step| !matches!(step.id, "s280_point_of_no_return" | "s900_accept" | "s910_morning_after"))
        .map(|step| (step.id, drills.iter().filter(|drill| drill.caught_at.iter().any(|id| id == step.id)).count()))
        .filter(|(_, count)| *count < 3)
        .map(|(id, count)| format!("{id}: {count}"))
        .collect();
    assert!(few.is_empty(), "fewer than three drills: {}", few.join(", "));
}

//! Any bytes as what hosts, servers and operators write: the first byte chooses the reader.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;

use fuzzed::backup::{dump, gzip, manifest, set};
use fuzzed::crds::{crontab, page::Page, svn, table};
use fuzzed::plan::{PlanFile, Site};
use fuzzed::review::{self, logs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(bytes);
    match choice % 16 {
        0 => {
            let run = review::TestRun::parse(&text);
            if run.judge_whole().outcome == review::Outcome::Passed {
                assert_eq!(run.summaries[0].ran, run.tests.len());
                assert!(run.tests.iter().all(|test| test.token.is_some()));
            }
            let names = run.tests.iter().map(|test| test.key.clone()).collect();
            let baseline = review::Baseline { names, ..review::Baseline::default() };
            let seen = review::compare(&run, &baseline, &[], "2014-09-16", 2.0);
            assert!(seen.failures.outcome != review::Outcome::Passed || run.failures().is_empty());
        }
        1 => {
            let mail = review::split_mail(&text);
            let night = review::Night::parse(&mail.body);
            let sections: usize = night.sections.iter().map(|section| section.text.lines().count() + 3).sum();
            assert_eq!(night.preamble.lines().count() + sections, mail.body.lines().count());
            for role in [review::Role::Ops, review::Role::Other] {
                let whole = night.judge_whole(role).outcome == review::Outcome::Passed;
                assert!(!whole || night.sections.len() == review::expected_titles(role).len());
            }
        }
        2 | 3 => {
            use logs::LogFile::{Access, Errors, Memcached, Requests};
            for file in [Errors, Access, Requests, Memcached] {
                let review = logs::Review::of(file, &text);
                assert_eq!(review.lines.len(), text.lines().count());
                assert_eq!(review.counts().values().sum::<usize>(), review.lines.len());
                let _ = review.judge_normal();
                if let Some(time) = review.lines.iter().find_map(|line| line.time) {
                    let pace = logs::Pace { silence_s: 60, per_minute: 1 };
                    let _ = review.judge_pace(time, time, pace);
                    let _ = review.since(time);
                }
            }
        }
        4 => {
            let facts = review::svn_facts(&text);
            let _ = facts.judge("u", Some(1));
            let _ = (review::disk_use(&text), review::error_words(&text), review::orphan_lines(&text));
            let tool = review::CheckTool::parse(&text);
            assert_eq!(tool.counters, review::counters(&text));
        }
        5 => {
            if let Err(error) = PlanFile::parse(Path::new("plan.toml"), bytes) {
                assert!((1..=200).contains(&error.problems().len()) && !error.help().is_empty());
                assert!(error.problems().iter().all(|problem| !problem.help.is_empty()));
            }
        }
        6 => {
            if let Err(error) = Site::parse(Path::new("/x/site.toml"), bytes) {
                assert!((1..=200).contains(&error.problems().len()) && !error.help().is_empty());
            }
        }
        7 | 8 => {
            let page = Page::parse(200, &text);
            assert!(page.gist().chars().count() <= 200);
            assert!(!page.says("Submission Confirmed.") || text.contains("success"));
        }
        9 => {
            if let Ok(table) = table::Table::parse(&text) {
                assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
                assert_eq!(table.summary().rows, table.rows.len() as u64);
            }
        }
        10 => {
            let facts = dump::DumpFacts::of(&text);
            assert!(!facts.closed || text.ends_with('\n'));
            if let Ok(dump) = dump::Dump::parse(&text) {
                for table in dump.tables.values() {
                    assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
                }
                assert_eq!(dump.summaries().len(), dump.tables.len());
            }
        }
        11 => {
            if let Ok(read) = manifest::Manifest::parse(&text) {
                assert_eq!(read.members.len() + read.twice.len(), text.lines().count());
                assert_eq!(manifest::Manifest::parse(&read.to_text()).expect("reads what it wrote").members, read.members);
                assert!(read.differences(&read, true).is_empty());
                let _ = (read.bytes(), read.to_sha256sum());
            }
        }
        12 => {
            if let Ok(names) = gzip::members(bytes) {
                assert!(gzip::unpack(bytes).is_ok_and(|tar| tar.len() >= 512 * names.len()));
            }
        }
        13 => {
            let parts = ["backup", "catalogs", "deliveries", "rpms"].map(|part| (part.to_owned(), bytes.to_vec()));
            let facts = set::SetFacts::of(&BTreeMap::from(parts));
            let lines = text.lines().filter(|line| !line.trim_end_matches('\r').is_empty()).count();
            let list = facts.deliveries.expect("a list of deliveries");
            assert_eq!(list.names.len() + list.odd.len(), lines);
            let _ = set::tag_time(&text);
        }
        14 => {
            let lines = crontab::active_lines(&text);
            let below = crontab::active_lines(&format!("{text}\n1 2 3 4 5 job\n"));
            assert_eq!(below.len(), lines.len() + 1, "no line hides the one below it");
        }
        _ => {
            if let (Some(info), _) = svn(&text) {
                assert!(text.contains(&info.url) && text.contains(&info.root));
            }
        }
    }
});

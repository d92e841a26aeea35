//! No answer may depend on who asked before, or on the order of the questions (issue 4): every looking page, asked by
//! every kind of visitor, in shuffled orders on one server and on a second one; and the looking scenes shuffled.

use std::collections::BTreeMap;

use crds_upgrade::stand_in::server::Era;

use super::web_browser::{Browser, Site};
use super::web_rules::{OLDER, OPERATIONAL};

/// A small generator of its own, so that an order can be repeated by its seed.
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    /// One of some things.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Shuffles.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
    }
}

/// Addresses that only look, of every era.
fn questions() -> Vec<String> {
    let fixed = [
        "/",
        "/login/",
        "/login/?next=/mark_bad/",
        "/lock_status/",
        "/bestrefs/",
        "/bestrefs_explore/",
        "/browse_db/",
        "/recent_activity/",
        "/recent_activity_input/",
        "/recent_activity_query/",
        "/recent_activity_query/?extension=*",
        "/recent_activity_query/?instrument=foc",
        "/display_context_history/",
        "/display_all_contexts/",
        "/old_results/",
        "/difference/",
        "/certify/",
        "/upload/list/",
        "/set_default_context/",
        "/mark_bad/",
        "/create_contexts/",
        "/submit/mapping/",
        "/submit/reference/",
        "/batch_submit_references/",
        "/delete/reference/",
        "/add_existing/reference/",
        "/submission_form/redcat_submit/",
        "/submission_form/redcat_list/",
        "/edit_context_history/1/hst_0278.pmap/",
        "/edit_context_history/99/hst_0278.pmap/",
        "/set_password/",
        "/delivery_status/",
        "/version_info/",
        "/admin/",
        "/docs/cmdline_bestrefs/",
        "/context_table/operational",
        "/context_table/edit",
        "/context_table/nosuch",
        "/context_table/hst_acs_pfltfile_0250.rmap",
        "/nowhere/",
        "/mark_bad",
    ];
    let mut out: Vec<String> = fixed.iter().map(|path| (*path).to_owned()).collect();
    for name in [OPERATIONAL, OLDER, "hst_acs_0256.imap", "hst_acs_pfltfile_0250.rmap", "l2d0959cj_pfl.fits", "nosuch"]
    {
        for page in ["browse", "uses", "get", "context_table"] {
            out.push(format!("/{page}/{name}"));
        }
    }
    out.push(format!("/difference/?file1={OLDER}&file2={OPERATIONAL}"));
    out.sort();
    out.dedup();
    out
}

/// An answer without what is new each time: tokens, and how much is left of a lock.
fn answer(browser: &mut Browser, path: &str) -> String {
    let page = browser.get(path);
    let token = regex::Regex::new(r#"value="[A-Za-z0-9]{32,64}""#).expect("a fixed pattern");
    let left = regex::Regex::new(r#""(time_remaining|created_on)": "[^"]*""#).expect("a fixed pattern");
    let text = page.text();
    let text = left.replace_all(&text, "").into_owned();
    format!("{} {}\n{}", page.status, page.header("location"), token.replace_all(&text, "value"))
}

fn shuffled(era: Era, seeds: std::ops::Range<u64>, known: &mut BTreeMap<(usize, String), String>) -> usize {
    let site = Site::open(era);
    let mut browsers = [
        site.visitor(),
        site.login("vic", "none"),
        site.login("ann", "acs"),
        site.login("bob", "none"),
        site.login("hal", "none"),
        site.login("sue", "none"),
    ];
    let mut asked = 0;
    for seed in seeds {
        let mut all: Vec<(usize, String)> =
            (0..browsers.len()).flat_map(|who| questions().into_iter().map(move |path| (who, path))).collect();
        Dice::new(seed).shuffle(&mut all);
        for (who, path) in all {
            let seen = answer(&mut browsers[who], &path);
            asked += 1;
            let first = known.entry((who, path.clone())).or_insert_with(|| seen.clone());
            assert_eq!(*first, seen, "{era}: visitor {who} asks {path} in the order of seed {seed}");
        }
    }
    asked
}

#[test]
fn answers_do_not_depend_on_the_order_of_the_questions() {
    for era in [Era::Y2019, Era::Y2014, Era::Now] {
        let mut known = BTreeMap::new();
        let asked = shuffled(era, 1..3, &mut known) + shuffled(era, 3..4, &mut known);
        assert!(known.len() > 350 && asked == 3 * known.len(), "{era}: {asked} answers to {} questions", known.len());
    }
}

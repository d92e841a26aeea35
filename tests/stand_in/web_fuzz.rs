//! A random walk over the whole HTTP surface: pages and JSON-RPC, every kind of visitor, valid tokens and none, forms
//! filled with good and hostile values, uploads, submissions and their confirmations. Nothing panics, hangs, fails in a
//! way that a real server would not, shows markup that a visitor sent, or makes the process grow.
//!
//! `CRDS_FUZZ_REQUESTS` says how many (ci/prove: 120,000), `CRDS_FUZZ_SEED` which walk.

use std::time::{Duration, Instant};

use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::web_browser::{Browser, Site};
use super::web_order::Dice;
use super::web_rules::{OLDER, OPERATIONAL, npolfile};
use super::web_submissions::NPOLFILE;

/// Markup that must never come back as markup.
const CANARY: &str = "<zq'\"&>";
/// How much the process may grow between a third of the walk and its end, bytes.
const GROWTH_LIMIT: u64 = 64 << 20;

const PAGES: &[&str] = &[
    "/",
    "/login/",
    "/logout/",
    "/set_password/",
    "/lock_status/",
    "/lock_status/@/",
    "/bestrefs/",
    "/bestrefs_explore/",
    "/bestrefs_explore_compute/",
    "/browse_db/",
    "/recent_activity/",
    "/recent_activity_input/",
    "/recent_activity_query/",
    "/browse/@",
    "/uses/@",
    "/context_table/@",
    "/context_table/@/7",
    "/display_context_history/",
    "/edit_context_history/1/@/",
    "/edit_context_history/@/@/",
    "/display_all_contexts/",
    "/old_results/",
    "/difference/",
    "/difference/@",
    "/certify/",
    "/upload/list/",
    "/upload/new/",
    "/upload/delete/@",
    "/upload/chunked/",
    "/batch_submit_references/",
    "/submit/reference/",
    "/submit/mapping/",
    "/submission_form/redcat_submit/",
    "/submission_form/redcat_list/",
    "/submission_form/@/",
    "/submission_form/redcat_description.yml",
    "/submit_confirm/",
    "/submit_confirm_pipeline/",
    "/delete/reference/",
    "/add_existing/reference/",
    "/create_contexts/",
    "/mark_bad/",
    "/set_default_context/",
    "/display_result/@",
    "/authenticated_result/@",
    "/delivery_status/",
    "/version_info/",
    "/monitor/@/",
    "/jpoll/open_channel/",
    "/jpoll/pull_messages/",
    "/jpoll/pull_messages/@/@/",
    "/docs/@/",
    "/get/@",
    "/admin/",
    "/admin/@/",
    "/json/",
    "/json/@/@/",
    "/json",
    "/unchecked_get/mappings/hst/@",
    "/unchecked_get/references/hst/@",
    "/unchecked_get/@/@/@",
    "/@",
    "/@/",
    "//",
];

const FIELDS: &[&str] = &[
    "username",
    "password",
    "instrument",
    "next",
    "old_password",
    "new_password1",
    "new_password2",
    "pmap_mode",
    "pmap_edit",
    "pmap_operational",
    "pmap_menu",
    "pmap_text",
    "context_type",
    "description",
    "observatory",
    "file_known",
    "badflag",
    "why",
    "change_level",
    "creator",
    "generate_contexts",
    "auto_rename",
    "compare_old_reference",
    "deleted_files",
    "added_files",
    "rmaps",
    "results_id",
    "button",
    "filekind",
    "filename",
    "deliverer_user",
    "status",
    "extension",
    "start_date",
    "stop_date",
    "select_bad_files",
    "show_defects",
    "action",
    "file1",
    "file2",
    "filemode1",
    "file_known1",
    "filemode2",
    "file_known2",
    "dataset_mode",
    "dataset_local",
    "dataset_name",
    "dataset_archive",
    "context",
    "DETECTOR",
    "FILTER1",
    "DATE-OBS",
    "TIME-OBS",
    "csrfmiddlewaretoken",
];

const VALUES: &[&str] = &[
    "",
    "*",
    "hst",
    "acs",
    "wfc3",
    "none",
    "pfltfile",
    "pmap_edit",
    "pmap_operational",
    "pmap_text",
    "pmap_menu",
    "operational",
    "edit",
    "versions",
    "bad",
    "ok",
    "badX",
    "confirm",
    "cancel",
    "force",
    "confirmX",
    "SEVERE",
    "TRIVIAL",
    "on",
    "False",
    "a description",
    "the team",
    "2014-09-16",
    "2014-09-16 19:40:53",
    "31/12/99",
    "delivered",
    ".pmap",
    ".rmap",
    "mass import",
    "batch submit",
    "file_known1",
    "file_uploaded2",
    "dataset_local",
    "dataset_archive",
    "dataset_uploaded",
    "INSTRUME ACS\nDETECTOR SBC\nFILTER1 F115LP\n",
    "LAAAA0010",
    "SBC",
    "F115LP",
    "WFC",
    "12:00:00",
    "0",
    "-1",
    "1",
    "99999999999999999999",
    OLDER,
    OPERATIONAL,
    "hst_0280.pmap",
    "hst_acs_0256.imap",
    "hst_acs_pfltfile_0250.rmap",
    NPOLFILE,
    "l2d0959cj_pfl.fits",
    "n4t15304j_pfl.fits",
    "m1l0942nj_pfl.fits, n4t15304j_pfl.fits",
    "ann",
    "bob",
    "sue",
    "secret77",
    "wrong",
    "../../../etc/passwd",
    "a\0b",
    "%00",
    "\u{202e}x",
    "it's",
    "\"",
    "((((",
    "[a-",
    "a{9,}",
    "(a*)*b",
    "'; drop table crds_hst_catalog; --",
    "{{7*7}}",
    "${7*7}",
    "/mark_bad/",
    "//evil.example/",
    "a b c",
    "\r\nSet-Cookie: x=y",
    CANARY,
];

const METHODS: &[&str] = &[
    "list_mappings",
    "list_references",
    "get_best_references",
    "get_mapping_names",
    "get_file_info",
    "get_file_info_map",
    "get_default_context",
    "get_server_info",
    "file_exists",
    "get_context_by_date",
    "get_delivery_status",
    "get_affected_datasets",
    "get_dataset_ids",
    "jpoll_pull_messages",
    "push_remote_context",
    "get_submission_info",
    "get_required_parkeys",
    "system.describe",
    "nonsense",
];

/// What the walk remembers: ids that answers gave.
struct Walk {
    dice: Dice,
    ids: Vec<String>,
}

impl Walk {
    fn value(&mut self) -> String {
        match self.dice.below(20) {
            0 if !self.ids.is_empty() => self.dice.pick(&self.ids).clone(),
            1 => {
                let length = self.dice.below(40);
                (0..length).map(|_| char::from_u32(self.dice.below(0x250) as u32).unwrap_or('?')).collect()
            }
            2 => self.dice.pick(VALUES).repeat(1 + self.dice.below(200)),
            _ => (*self.dice.pick(VALUES)).to_owned(),
        }
    }

    fn address(&mut self) -> String {
        let page = *self.dice.pick(PAGES);
        let mut out = String::new();
        for piece in page.split_inclusive('@') {
            match piece.strip_suffix('@') {
                Some(head) => {
                    let value = self.value();
                    out.push_str(head);
                    out.push_str(
                        &percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC).to_string(),
                    );
                }
                None => out.push_str(piece),
            }
        }
        out
    }

    fn fields(&mut self) -> Vec<(String, String)> {
        let count = self.dice.below(14);
        (0..count).map(|_| ((*self.dice.pick(FIELDS)).to_owned(), self.value())).collect()
    }

    fn json(&mut self, depth: usize) -> Value {
        match self.dice.below(if depth == 0 { 4 } else { 6 }) {
            0 => Value::Null,
            1 => json!(self.dice.below(3) as i64 - 1),
            2 | 3 => json!(self.value()),
            4 => (0..self.dice.below(4)).map(|_| self.json(depth - 1)).collect(),
            _ => {
                let count = self.dice.below(4);
                Value::Object((0..count).map(|_| (self.value(), self.json(depth - 1))).collect())
            }
        }
    }

    /// One request of a visitor.
    fn step(&mut self, who: &mut Browser) -> (String, super::web_browser::Page) {
        let address = self.address();
        let fields = self.fields();
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let page = match self.dice.below(12) {
            0..=3 => {
                let query: Vec<String> = pairs
                    .iter()
                    .map(|(name, value)| {
                        let coded = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
                        format!("{name}={coded}")
                    })
                    .collect();
                let target =
                    if self.dice.below(2) == 0 { address.clone() } else { format!("{address}?{}", query.join("&")) };
                who.get(&target)
            }
            4..=6 => who.post(&address, &pairs),
            7 => {
                let name = self.value();
                let bytes = match self.dice.below(4) {
                    0 => npolfile().into_bytes(),
                    1 => b"SIMPLE  =                    T".to_vec(),
                    _ => self.value().into_bytes(),
                };
                let field = *self.dice.pick(&["files", "file", "file_uploaded1", "file_uploaded2", "dataset_uploaded"]);
                who.post_files(&address, &pairs, &[(field, &name, &bytes)])
            }
            8 => self.sensible(who),
            9 => {
                let method = *self.dice.pick(METHODS);
                let params = self.json(3);
                let body =
                    json!({"jsonrpc": "1.0", "method": method, "params": params, "id": self.json(1)}).to_string();
                who.send("POST", "/json/", &[("content-type", "application/json")], body.into_bytes())
            }
            10 => {
                let verb = *self.dice.pick(&["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"]);
                who.send(verb, &address, &[("x-requested-with", "XMLHttpRequest")], Vec::new())
            }
            _ => {
                let body: Vec<u8> = (0..self.dice.below(300)).map(|_| self.dice.below(256) as u8).collect();
                let kind = *self.dice.pick(&[
                    "multipart/form-data; boundary=B",
                    "multipart/form-data",
                    "application/x-www-form-urlencoded",
                    "text/plain",
                    "multipart/form-data; boundary=\"\u{fffd}",
                    "",
                ]);
                who.send("POST", &address, &[("content-type", kind)], body)
            }
        };
        (address, page)
    }

    /// A step of somebody who means it: logs in again if need be, opens a channel, uploads, submits, presses a button.
    fn sensible(&mut self, who: &mut Browser) -> super::web_browser::Page {
        if who.get("/certify/").status == 302 || self.dice.below(8) == 0 {
            who.get("/logout/");
            let user = *self.dice.pick(&["ann", "bob", "sue"]);
            let instrument = *self.dice.pick(&["acs", "wfc3", "wfc3", "none"]);
            who.log_in(user, super::web_browser::PASSWORD, instrument);
        }
        who.get("/jpoll/open_channel/");
        match self.dice.below(5) {
            0 => {
                who.upload(NPOLFILE, npolfile().as_bytes());
                let renamed = [super::web_submissions::MAPPING, &[("auto_rename", "on")]].concat();
                who.post("/submit/mapping/", &renamed)
            }
            1 => {
                let fields =
                    [("pmap_mode", "pmap_edit"), ("description", "d"), ("deleted_files", "m1l0942nj_pfl.fits")];
                who.post("/delete/reference/", &fields)
            }
            2 => who.post("/certify/", &[("pmap_mode", "pmap_edit"), ("compare_old_reference", "on")]),
            _ => {
                let id = if self.ids.is_empty() { "x".to_owned() } else { self.dice.pick(&self.ids).clone() };
                let button = *self.dice.pick(&["cancel", "cancel", "confirm", "force"]);
                who.post("/submit_confirm/", &[("results_id", &id), ("button", button)])
            }
        }
    }
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux tells it");
    let pages: u64 = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("the second number");
    pages * 4096
}

/// Addresses that answer a real 500 by WP 3.2, 3.9.
fn may_fail(address: &str) -> bool {
    ["/uses/", "/jpoll/"].iter().any(|place| address.starts_with(place))
}

fn walk(era: Era, requests: usize, seed: u64) {
    let site = Site::open(era);
    let mut walk = Walk { dice: Dice::new(seed), ids: Vec::new() };
    let mut visitors = [
        site.visitor(),
        site.login("vic", "none"),
        site.login("ann", "wfc3"),
        site.login("bob", "acs"),
        site.login("sue", "none"),
    ];
    let (mut slowest, mut settled, mut at_third) = (Duration::ZERO, 0, 0);
    for number in 0..requests {
        let who = walk.dice.below(visitors.len());
        // The walk locks people out and changes passwords: they come back.
        if number % 500 == 499 {
            site.clock.step(1800);
            for user in ["ann", "bob", "sue", "vic"] {
                site.server.set_password(user, super::web_browser::PASSWORD).expect("a known user");
            }
        }
        let began = Instant::now();
        let (address, page) = walk.step(&mut visitors[who]);
        let took = began.elapsed();
        slowest = slowest.max(took);
        assert!(took < Duration::from_secs(20), "seed {seed}, request {number}: {address} took {took:?}");
        let known = [200, 204, 301, 302, 403, 404, 405].contains(&page.status);
        assert!(
            known || (page.status == 500 && (era == Era::Y2014 || may_fail(&address))),
            "seed {seed}, request {number}: {address} answers {}:\n{}",
            page.status,
            page.text()
        );
        let html = page.header("content-type").starts_with("text/html");
        assert!(!html || !page.text().contains("<zq"), "seed {seed}, request {number}: {address} shows markup");
        for (name, value) in &page.response.headers {
            assert!(!value.contains(['\r', '\n']), "seed {seed}, request {number}: {address} splits the header {name}");
        }
        let location = page.header("location");
        if page.status == 302 && location.contains("/display_result/") {
            settled += 1;
            walk.ids.push(location.rsplit('/').next().unwrap_or_default().to_owned());
            if walk.ids.len() > 50 {
                walk.ids.remove(0);
            }
        }
        if number == requests / 3 {
            at_third = resident();
        }
    }
    let at_end = resident();
    println!(
        "era {era}, seed {seed}: {requests} requests, {settled} result pages, slowest {slowest:?}, resident {} MB after a third, {} MB at the end",
        at_third >> 20,
        at_end >> 20
    );
    assert!(settled > requests / 200, "the walk came to {settled} result pages only");
    assert!(at_end < at_third + GROWTH_LIMIT, "the process grew from {at_third} to {at_end} bytes");
    // It still works, and no rules were touched that were there before.
    let mut ann = site.login("ann", "none");
    assert_eq!(ann.get("/certify/").status, 200);
    for name in [OLDER, OPERATIONAL] {
        let text = std::fs::read(site.data.join("file_cache/mappings/hst").join(name)).expect("a mapping of the set");
        let sum = crds_upgrade::rules::syntax::checksum(&String::from_utf8_lossy(&text));
        assert!(String::from_utf8_lossy(&text).contains(&sum), "{name} is whole");
    }
}

#[test]
fn web_fuzz() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let requests = number("CRDS_FUZZ_REQUESTS", 1_500) as usize;
    let seed = number("CRDS_FUZZ_SEED", 1);
    walk(Era::Y2019, requests * 4 / 6, seed);
    walk(Era::Y2014, requests / 6, seed + 1);
    walk(Era::Now, requests / 6, seed + 2);
}

//! Pages that search (WP 3.7).

use super::web_browser::Site;
use super::web_score::Score;

/// WP 3.7, recent activity.
pub fn activity(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/recent_activity_input/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Recent Activity".to_owned()]);
    score.same(
        "WP 3.10",
        "fields in page order",
        page.fields("/recent_activity_query/"),
        [
            "csrfmiddlewaretoken",
            "action",
            "extension",
            "instrument",
            "filekind",
            "filename",
            "deliverer_user",
            "observatory",
            "start_date",
            "stop_date",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    let page = visitor.get("/recent_activity_query/");
    score.same(
        "WP 3.7",
        "columns for visitors",
        page.picks("#recent_activity_table th"),
        ["#", "Date", "Filename", "Action", "Why", "Details"].map(str::to_owned).to_vec(),
    );
    score.same("WP 3.7", "first comes an accordion", page.picks("div.accordion > h3"), vec!["Filters".to_owned()]);
    score.step("WP 3.7", "the default .pmap counts", page.says("extension .pmap"));
    let page = visitor.get("/recent_activity_query/?extension=*");
    score.step("WP 3.7", "no filters", page.says("No filters."));
    let page = visitor.get("/recent_activity_query/?filename=hst*");
    score.step("WP 3.7", "a search by name says so too", page.says("No filters."));
    for (query, error) in [
        ("instrument=foc", "Invalid value 'foc' for 'instrument'"),
        ("action=nothing", "Invalid value 'nothing' for 'action'"),
        ("start_date=yesterday", "Invalid value 'yesterday' for 'start_date'"),
        ("extension=foo", "Invalid value 'foo' for 'extension'"),
        ("start_date=2014-09-02&stop_date=2014-09-01", "Stop date precedes start date, no matches possible."),
    ] {
        let page = visitor.get(&format!("/recent_activity_query/?{query}"));
        score.same("WP 3.7", query, page.error(), Some(error.to_owned()));
        score.same("WP 3.1", "on its own form", page.h2(), vec!["Recent Activity".to_owned()]);
    }
    let mut ann = site.login("ann", "none");
    score.step(
        "WP 3.7",
        "User if logged in",
        ann.get("/recent_activity_query/").picks("th").contains(&"User".to_owned()),
    );
    let mut sue = site.login("sue", "none");
    score.step(
        "WP 3.7",
        "Naming for super users",
        sue.get("/recent_activity_query/").picks("th").contains(&"Naming".to_owned()),
    );
}

const ALL: [(&str, &str); 9] = [
    ("observatory", "hst"),
    ("instrument", "*"),
    ("filekind", "*"),
    ("extension", "*"),
    ("filename", "*"),
    ("deliverer_user", "*"),
    ("status", "*"),
    ("start_date", "*"),
    ("stop_date", "*"),
];

/// All fields of a search, one of them with another value than `*`.
pub fn with(name: &str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    ALL.iter().map(|(field, default)| (*field, if *field == name { value } else { default })).collect()
}

/// Rows of the table that a search found.
pub fn rows(page: &super::web_browser::Page) -> Vec<Vec<String>> {
    let text = page.picks("#table_json").concat();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let row = |row: &serde_json::Value| {
        row.as_array().into_iter().flatten().map(|cell| cell.as_str().unwrap_or_default().to_owned()).collect()
    };
    value["aaData"].as_array().into_iter().flatten().map(row).collect()
}

/// WP 3.7, browse_db.
pub fn catalogue(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/browse_db/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Browse Database".to_owned()]);
    score.same(
        "WP 3.10",
        "fields in page order",
        page.fields("/browse_db/"),
        [
            "csrfmiddlewaretoken",
            "instrument",
            "filekind",
            "filename",
            "deliverer_user",
            "observatory",
            "status",
            "extension",
            "start_date",
            "stop_date",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    score.same(
        "WP 3.10",
        "extension: .pmap first, then *",
        page.attributes("select[name=extension] option", "value")[..2].to_vec(),
        vec![".pmap".to_owned(), "*".to_owned()],
    );
    for (field, _) in ALL {
        let fields: Vec<(&str, &str)> = ALL.iter().filter(|(name, _)| *name != field).copied().collect();
        let page = visitor.post("/browse_db/", &fields);
        score.same(
            "WP 3.7",
            "browse_db wants all nine fields",
            page.error(),
            Some(format!("Undefined parameter '{field}'")),
        );
    }
    let page = visitor.post("/browse_db/", &ALL);
    let all = rows(&page);
    score.step("WP 3.7", "No filters.", page.says("No filters."));
    score.step("WP 3.7", "catalogue rows", all.len() >= 13);
    let names = |rows: &[Vec<String>]| rows.iter().filter(|row| row[3].contains("hst_acs")).count();
    score.same(
        "WP 3.7",
        "instrument compares whole",
        rows(&visitor.post("/browse_db/", &with("instrument", "acs"))).iter().filter(|row| row[8] != "acs").count(),
        0,
    );
    let acs = rows(&visitor.post("/browse_db/", &with("filename", "hst_acs")));
    score.same("WP 3.7", "filename is a regular expression at the beginning", (acs.len(), names(&acs)), (4, 4));
    let pmaps = rows(&visitor.post("/browse_db/", &with("extension", ".pmap")));
    score.same("WP 3.7", "extension", pmaps.len(), 2);
    score.same(
        "WP 3.7",
        "an unknown status finds nothing",
        rows(&visitor.post("/browse_db/", &with("status", "nonsense"))).len(),
        0,
    );
    score.step(
        "WP 3.7",
        "status is the displayed one",
        !rows(&visitor.post("/browse_db/", &with("status", "archived"))).is_empty(),
    );
    let page = visitor.post("/browse_db/", &with("instrument", "foc"));
    score.same("WP 3.7", "unknown instrument", page.error(), Some("Invalid value 'foc' for 'instrument'".to_owned()));
    let titles = |page: &super::web_browser::Page| {
        let value: serde_json::Value = serde_json::from_str(&page.picks("#table_json").concat()).unwrap_or_default();
        value["aoColumns"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|column| column["sTitle"].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let page = visitor.post("/browse_db/", &ALL);
    score.same(
        "WP 3.7",
        "columns for visitors",
        titles(&page)[..10].to_vec(),
        [
            "delivery date",
            "activation date",
            "useafter date",
            "name",
            "uploaded as",
            "aperture",
            "status",
            "description",
            "instrument",
            "reference type",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    let mut ann = site.login("ann", "none");
    score.same(
        "WP 3.7",
        "deliverer after reference type",
        titles(&ann.post("/browse_db/", &ALL)).get(10).cloned(),
        Some("deliverer".to_owned()),
    );
}

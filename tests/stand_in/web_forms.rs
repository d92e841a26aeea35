//! Forms and their fields (WP 3.1, 3.10).

use super::web_browser::Site;
use super::web_rules::{OLDER, OPERATIONAL};
use super::web_score::Score;

/// WP 3.10, the forms' fields in page order.
pub fn forms_2019(score: &mut Score, site: &Site) {
    let selector =
        ["pmap_mode", "pmap_edit", "pmap_mode", "pmap_operational", "pmap_mode", "pmap_menu", "pmap_mode", "pmap_text"];
    let expand = |fields: &[&str]| -> Vec<String> {
        let mut out = vec!["csrfmiddlewaretoken".to_owned()];
        for field in fields {
            if *field == "CS" {
                out.extend(selector.map(str::to_owned));
            } else {
                out.push((*field).to_owned());
            }
        }
        out
    };
    let mut ann = site.login("ann", "acs");
    let mut sue = site.login("sue", "none");
    // For super users; path, action, heading, label of the submit, fields.
    type Form<'a> = (bool, &'a str, &'a str, &'a str, &'a str, &'a [&'a str]);
    let pages: [Form; 9] = [
        (
            false,
            "/set_default_context/",
            "/set_default_context/",
            "Set Context",
            "Set Default Context",
            &["context_type", "CS", "description"],
        ),
        (
            false,
            "/mark_bad/",
            "/mark_bad/",
            "Mark Files Bad",
            "Submit",
            &["observatory", "file_known", "badflag", "why"],
        ),
        (
            false,
            "/submit/mapping/",
            "/submit/mapping/",
            "Submit Mapping Files",
            "Submit Files",
            &["observatory", "change_level", "creator", "description", "generate_contexts", "CS", "auto_rename"],
        ),
        (
            false,
            "/submit/reference/",
            "/submit/reference/",
            "Submit Reference Files",
            "Submit Files",
            &["observatory", "change_level", "creator", "description", "compare_old_reference", "CS", "auto_rename"],
        ),
        (
            false,
            "/batch_submit_references/",
            "",
            "Batch Submit Reference",
            "Submit References",
            &["CS", "change_level", "creator", "description", "auto_rename", "compare_old_reference"],
        ),
        (
            false,
            "/delete/reference/",
            "/delete/reference/",
            "Delete References",
            "Delete References",
            &["deleted_files", "CS", "description"],
        ),
        (
            false,
            "/add_existing/reference/",
            "/add_existing/reference/",
            "Add Existing References",
            "Add References",
            &["added_files", "CS", "description"],
        ),
        (
            true,
            "/create_contexts/",
            "/create_contexts/",
            "Create Parent Contexts",
            "Create Parent Contexts",
            &["CS", "rmaps", "description"],
        ),
        (false, "/certify/", "/certify/", "Certify Files", "Certify Files", &["compare_old_reference", "CS"]),
    ];
    for (super_user, path, action, heading, submit, fields) in pages {
        let page = if super_user { sue.get(path) } else { ann.get(path) };
        score.same("WP 3.10", &format!("{path}: heading"), page.h2(), vec![heading.to_owned()]);
        score.same("WP 3.10", &format!("{path}: fields"), page.fields(action), expand(fields));
        score.same(
            "WP 3.10",
            &format!("{path}: submit"),
            page.attributes(&format!("form[action='{action}'] input[type=submit]"), "value"),
            vec![submit.to_owned()],
        );
        score.step("WP 3.1", "a page with a form sets csrftoken", page.sets("csrftoken"));
        score.same(
            "WP 3.10",
            "multipart",
            page.attributes(&format!("form[action='{action}']"), "enctype"),
            vec!["multipart/form-data".to_owned()],
        );
    }
    for path in ["/submit/mapping/", "/submit/reference/", "/batch_submit_references/", "/certify/"] {
        let page = ann.get(path);
        score.same(
            "WP 3.10",
            "the upload form comes first",
            page.attributes("form", "action").first().cloned(),
            Some("/upload/new/".to_owned()),
        );
        score.same(
            "WP 3.10",
            "its file field",
            page.attributes("form[action='/upload/new/'] input[type=file]", "name"),
            vec!["files".to_owned()],
        );
    }
    let page = ann.get("/submit/mapping/");
    score.same(
        "WP 3.10",
        "generate_contexts is on, value checked",
        page.attributes("input[name=generate_contexts][checked]", "value"),
        vec!["checked".to_owned()],
    );
    score.same(
        "WP 3.10",
        "auto_rename is off on HST",
        page.attributes("input[name=auto_rename][checked]", "value").len(),
        0,
    );
    score.same(
        "WP 3.10",
        "pmap_edit is checked",
        page.attributes("input[name=pmap_mode][checked]", "value"),
        vec!["pmap_edit".to_owned()],
    );
    score.same(
        "WP 3.10",
        "the newest pmaps first",
        page.attributes("select[name=pmap_menu] option", "value"),
        vec![OPERATIONAL.to_owned(), OLDER.to_owned()],
    );
    let page = ann.get("/mark_bad/");
    score.same("WP 3.10", "no badflag is checked", page.attributes("input[name=badflag][checked]", "value").len(), 0);
    let page = ann.get("/set_default_context/");
    score.same(
        "WP 3.10",
        "context types",
        page.attributes("select[name=context_type] option", "value"),
        ["operational", "edit", "versions"].map(str::to_owned).to_vec(),
    );
    score.step("WP 3.10", "the table beside it", page.says("Context Type Current Value"));
    let page = site.visitor().get("/login/");
    score.same(
        "WP 3.10",
        "login fields",
        page.fields("/login/"),
        ["csrfmiddlewaretoken", "username", "instrument", "password", "next"].map(str::to_owned).to_vec(),
    );
    score.same(
        "WP 3.10",
        "none comes last",
        page.attributes("select[name=instrument] option", "value").last().cloned(),
        Some("none".to_owned()),
    );
    score.same("WP 3.10", "its heading", page.h2(), vec!["Login".to_owned()]);
    ann.get("/logout/");
}

/// WP 3.1, how fields are judged, and in which order (WP 3.10).
pub fn fields(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "acs");
    let base = [
        ("pmap_mode", "pmap_edit"),
        ("description", "d"),
        ("creator", "c"),
        ("change_level", "SEVERE"),
        ("generate_contexts", "checked"),
    ];
    let except = |name: &str, value: Option<&'static str>| -> Vec<(&'static str, &'static str)> {
        base.iter()
            .filter_map(
                |(field, good)| if *field == name { value.map(|value| (*field, value)) } else { Some((*field, *good)) },
            )
            .collect()
    };
    let long: &'static str = Box::leak("a".repeat(2001).into_boxed_str());
    let checks: [(&str, Option<&'static str>, String); 17] = [
        ("pmap_mode", None, "Undefined parameter 'pmap_mode'".into()),
        ("pmap_mode", Some("nonsense"), "Invalid value 'nonsense' for 'pmap_mode'".into()),
        ("description", None, "Undefined parameter 'description'".into()),
        ("description", Some(""), "Invalid value '' for 'description'".into()),
        ("description", Some("  "), "Invalid value '' for 'description'".into()),
        ("description", Some("a#b"), "Invalid value 'a#b' for 'description'".into()),
        ("description", Some("it's"), "Invalid value \"it's\" for 'description'".into()),
        ("description", Some("a\nb!"), "Invalid value 'a\\nb!' for 'description'".into()),
        ("description", Some(long), format!("Invalid value '{long}' for 'description'")),
        ("description", Some("<b>"), "Invalid value '<b>' for 'description'".into()),
        ("creator", None, "Undefined parameter 'creator'".into()),
        ("creator", Some("a;b"), "Invalid value 'a;b' for 'creator'".into()),
        ("change_level", None, "Undefined parameter 'change_level'".into()),
        ("change_level", Some("severe"), "Invalid value 'severe' for 'change_level'".into()),
        ("change_level", Some("SEVEREx"), "No input files were specified.".into()),
        ("change_level", Some("TRIVIALx"), "Invalid value 'TRIVIALx' for 'change_level'".into()),
        ("description", Some(" padded "), "No input files were specified.".into()),
    ];
    for (name, value, error) in checks {
        let page = ann.post("/submit/mapping/", &except(name, value));
        let statement = format!("{name} = {:?}", value.map(|value| value.chars().take(20).collect::<String>()));
        score.same("WP 3.1", &statement, page.error(), Some(error));
        score.same("WP 3.1", "on its own form", page.h2(), vec!["Submit Mapping Files".to_owned()]);
        score.step("WP 3.1", "a fresh csrftoken", page.sets("csrftoken"));
    }
    let pages: [(&str, &[&str]); 6] = [
        ("/set_default_context/", &["pmap_mode", "context_type", "description"]),
        ("/mark_bad/", &["file_known", "badflag", "why"]),
        ("/batch_submit_references/", &["pmap_mode", "description", "creator", "change_level"]),
        ("/delete/reference/", &["pmap_mode", "description", "deleted_files"]),
        ("/add_existing/reference/", &["pmap_mode", "description", "added_files"]),
        ("/submit/reference/", &["description", "creator", "change_level"]),
    ];
    let good = |name: &str| match name {
        "pmap_mode" => "pmap_edit",
        "context_type" => "edit",
        "badflag" => "ok",
        "change_level" => "SEVERE",
        "file_known" | "deleted_files" | "added_files" => "l2d0959cj_pfl.fits",
        _ => "d",
    };
    for (path, order) in pages {
        for at in 0..order.len() {
            let sent: Vec<(&str, &str)> = order[..at].iter().map(|name| (*name, good(name))).collect();
            let page = ann.post(path, &sent);
            score.same(
                "WP 3.10",
                &format!("{path} judges {} next", order[at]),
                page.error(),
                Some(format!("Undefined parameter '{}'", order[at])),
            );
        }
    }
    let mut context = |mode: &'static str, text: &'static str| {
        ann.post(
            "/delete/reference/",
            &[
                ("pmap_mode", mode),
                ("pmap_text", text),
                ("pmap_menu", text),
                ("description", "d"),
                ("deleted_files", "nosuch.fits"),
            ],
        )
        .error()
    };
    for (text, refused) in [
        (OLDER, false),
        ("hst_9999.pmap", true),
        ("hst-operational", true),
        ("hst-edit", true),
        ("2014-09-12", true),
        ("hst_acs_0256.imap", true),
    ] {
        for mode in ["pmap_text", "pmap_menu"] {
            let wanted = if refused {
                format!("Invalid value '{text}' for '{mode}'")
            } else {
                "Invalid value 'nosuch.fits' for 'deleted_files'".to_owned()
            };
            score.same("WP 3.1", &format!("{mode} = {text}"), context(mode, text), Some(wanted));
        }
    }
    let page =
        ann.post("/mark_bad/", &[("file_known", "l2d0959cj_pfl.fits, nosuch.fits"), ("badflag", "ok"), ("why", "w")]);
    score.same(
        "WP 3.1",
        "one unknown refuses the whole list, quoted whole",
        page.error(),
        Some("Invalid value 'l2d0959cj_pfl.fits, nosuch.fits' for 'file_known'".to_owned()),
    );
    let page = ann.post("/mark_bad/", &[("file_known", "bad\u{7f}name"), ("badflag", "ok"), ("why", "w")]);
    score.same("WP 3.1", "values as typed are shown again", page.picks("textarea[name=why]"), vec!["w".to_owned()]);
    let pressed = page.attributes("input[name=badflag][checked]", "value");
    score.same("WP 3.1", "buttons as pressed", pressed, vec!["ok".to_owned()]);
    let typed = [
        ("pmap_mode", "pmap_text"),
        ("pmap_text", OLDER),
        ("description", "d#"),
        ("auto_rename", "on"),
        ("change_level", "MODERATE"),
    ];
    let page = ann.post("/batch_submit_references/", &typed);
    let first = |pick: &str, name: &str| page.attributes(pick, name).concat();
    score.same(
        "WP 3.1",
        "selector, boxes and selects as typed",
        [
            first("input[name=pmap_mode][checked]", "value"),
            first("input[name=pmap_text]", "value"),
            first("input[name=auto_rename][checked]", "name"),
            first("input[name=compare_old_reference][checked]", "name"),
            first("select[name=change_level] option[selected]", "value"),
            page.picks("textarea[name=description]").concat(),
        ],
        ["pmap_text", OLDER, "auto_rename", "", "MODERATE", "d#"].map(str::to_owned),
    );
    for (kind, error) in [
        ("operationalX", "Invalid context state: 'operationalX' should be in ['operational', 'edit', 'versions']"),
        ("versionsX", "Invalid value 'versionsX' for 'context_type'"),
        ("nonsense", "Invalid value 'nonsense' for 'context_type'"),
    ] {
        let fields =
            [("pmap_mode", "pmap_text"), ("pmap_text", OLDER), ("context_type", kind), ("description", "no change")];
        let page = ann.post("/set_default_context/", &fields);
        score.same("WP 3.1", "a choice that merely begins like one fails later", page.error(), Some(error.to_owned()));
    }
    score.same("WP 3.1", "and nothing changed", site.server.catalogue.history().map(|rows| rows.len()).ok(), Some(2));
}

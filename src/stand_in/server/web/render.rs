//! Forms as markup, from the tables of [`super::forms`].

use std::fmt::Write as _;

use super::fields::{Facts, List};
use super::form_data::Fields;
use super::forms::{Box, Field, Options, Page};
use super::html::esc;

/// What a form shows that the tables cannot know.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Observatory in lower case.
    pub observatory: String,
    /// The markup of 2014.
    pub old_pages: bool,
    /// Text of the token.
    pub token: String,
    /// The visitor is logged in.
    pub logged_in: bool,
    /// The visitor is a super user.
    pub super_user: bool,
    /// The present contexts and the newest ones; only where a form has a context selector.
    pub contexts: Option<Contexts>,
    /// First values that are not the table's own.
    pub defaults: Vec<(String, String)>,
    /// Values as typed, when the form is shown again.
    pub typed: Option<Fields>,
}

/// What the context selector offers.
#[derive(Debug, Clone, Default)]
pub struct Contexts {
    /// The edit context and its label.
    pub edit: (String, String),
    /// The operational context and its label.
    pub operational: (String, String),
    /// The newest contexts with their labels, newest first.
    pub menu: Vec<(String, String)>,
}

impl Setting {
    fn value(&self, name: &str, default: &str) -> String {
        let typed = self.typed.as_ref().and_then(|typed| typed.get(name)).map(str::to_owned);
        let set = || self.defaults.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        typed.or_else(set).unwrap_or_else(|| default.to_owned())
    }

    /// The hidden field that every changing form begins with.
    pub fn token_field(&self) -> String {
        format!("<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{}\">\n", esc(&self.token))
    }
}

/// The whole of a page's form; `action` replaces the table's where it depends on the address.
pub fn form(page: &Page, setting: &Setting, facts: &dyn Facts, action: Option<&str>) -> String {
    let mut out = String::new();
    if page.uploads {
        out.push_str(&upload_form(setting));
    }
    let class = if page.follows_channel { " class=\"jpoll_ajax_html_form\"" } else { "" };
    let kind = if page.multipart { " enctype=\"multipart/form-data\"" } else { "" };
    let action = action.unwrap_or(page.action);
    let _ = writeln!(out, "<form action=\"{}\" method=\"post\"{kind}{class}>", esc(action));
    out.push_str(&setting.token_field());
    for item in page.fields {
        field(item, setting, facts, &mut out);
    }
    let _ = writeln!(out, "<input type=\"submit\" value=\"{}\">\n</form>", esc(page.submit));
    out
}

/// The form that brings files to the ingest directory (WP 3.10).
pub fn upload_form(setting: &Setting) -> String {
    let name = if setting.old_pages { "file" } else { "files" };
    format!(
        "<div class=\"uploads\">\n<form action=\"/upload/new/\" method=\"POST\" enctype=\"multipart/form-data\" \
         class=\"upload_form\">\n{}<input type=\"file\" name=\"{name}\" multiple>\n\
         <button type=\"submit\">Start upload</button>\n<button type=\"reset\">Cancel upload</button>\n\
         <input type=\"checkbox\" class=\"toggle\">\n</form>\n<ul class=\"upload_files\"></ul>\n</div>\n",
        setting.token_field()
    )
}

fn field(item: &Field, setting: &Setting, facts: &dyn Facts, out: &mut String) {
    match *item {
        Field::Context { operational } => context_selector(operational, setting, out),
        Field::Observatory => {
            let _ =
                writeln!(out, "<input type=\"hidden\" name=\"observatory\" value=\"{}\">", esc(&setting.observatory));
        }
        Field::Text(name, default) => {
            let value = esc(&setting.value(name, default));
            labelled(name, &format!("<input type=\"text\" name=\"{name}\" value=\"{value}\">"), out);
        }
        Field::Password(name) => {
            labelled(name, &format!("<input type=\"password\" name=\"{name}\">"), out);
        }
        Field::Area(name) => {
            let value = esc(&setting.value(name, ""));
            labelled(name, &format!("<textarea name=\"{name}\" rows=\"4\" cols=\"60\">{value}</textarea>"), out);
        }
        Field::Select(name, options) => {
            let words = words(options, facts);
            let chosen = setting.value(name, words.first().map_or("", String::as_str));
            labelled(name, &select(name, &words, &chosen), out);
        }
        Field::Tick(name, first) => tick(name, first, setting, facts.dialect().any_text_ticks, out),
        Field::Radio { name, value, pressed } => {
            let pressed = mark(setting, name, value, pressed);
            let _ = writeln!(out, "<p><input type=\"radio\" name=\"{name}\" value=\"{value}\"{pressed}> {value}</p>");
        }
        Field::File(name) => {
            labelled(name, &format!("<input type=\"file\" name=\"{name}\">"), out);
        }
        Field::NamelessFile => out.push_str("<p><input type=\"file\"></p>\n"),
        Field::Deliverer if setting.logged_in => {
            let words = facts.words(List::AnyUser);
            let chosen = setting.value("deliverer_user", "*");
            labelled("deliverer_user", &select("deliverer_user", &words, &chosen), out);
        }
        Field::Deliverer => out.push_str("<input type=\"hidden\" name=\"deliverer_user\" value=\"*\">\n"),
        Field::IfLogin(inner) if setting.logged_in => field(inner, setting, facts, out),
        Field::IfSuper(inner) if setting.super_user => field(inner, setting, facts, out),
        Field::IfOrdinary(inner) if !setting.super_user => field(inner, setting, facts, out),
        Field::IfDated(inner) if facts.dialect().dated_searches => field(inner, setting, facts, out),
        Field::IfLogin(_) | Field::IfSuper(_) | Field::IfOrdinary(_) | Field::IfDated(_) => {}
    }
}

fn labelled(name: &str, control: &str, out: &mut String) {
    let _ = writeln!(out, "<p><label>{}</label> {control}</p>", esc(&name.replace('_', " ")));
}

/// The mark of a pressed button: as typed when the form is shown again, else as the table says.
fn mark(setting: &Setting, name: &str, value: &str, first: bool) -> &'static str {
    let typed = setting.typed.as_ref().and_then(|typed| typed.get(name));
    if typed.map_or(first, |typed| typed == value) { " checked" } else { "" }
}

/// The words of a select, in page order.
pub fn words(options: Options, facts: &dyn Facts) -> Vec<String> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match options {
        Options::Words(words) => owned(words),
        Options::List(list) => facts.words(list),
        Options::Statuses => owned(facts.dialect().statuses),
        Options::ContextKinds => owned(facts.dialect().context_kinds),
    }
}

fn select(name: &str, words: &[String], chosen: &str) -> String {
    let mut out = format!("<select name=\"{name}\">");
    for word in words {
        let mark = if word == chosen { " selected" } else { "" };
        let word = esc(word);
        let _ = write!(out, "<option value=\"{word}\"{mark}>{word}</option>");
    }
    out.push_str("</select>");
    out
}

fn tick(name: &str, first: Box, setting: &Setting, any_text: bool, out: &mut String) {
    let value = if first == Box::Checked { "checked" } else { "on" };
    let on = match (&setting.typed, first) {
        (Some(typed), _) => super::fields::is_ticked(typed, name, any_text),
        (None, Box::Off) => false,
        (None, Box::On | Box::Checked) => true,
        (None, Box::OnButHst) => setting.observatory != "hst",
    };
    let mark = if on { " checked" } else { "" };
    labelled(name, &format!("<input type=\"checkbox\" name=\"{name}\" value=\"{value}\"{mark}>"), out);
}

/// The context selector (WP 3.1, 3.10).
fn context_selector(operational_first: bool, setting: &Setting, out: &mut String) {
    let contexts = setting.contexts.clone().unwrap_or_default();
    let row = |mode: &str, first: bool, rest: &str| {
        let mark = mark(setting, "pmap_mode", mode, first);
        format!("<p><input type=\"radio\" name=\"pmap_mode\" value=\"{mode}\"{mark}> {rest}</p>\n")
    };
    out.push_str("<div class=\"select_pmap\">\n");
    for (mode, first, (name, label), title) in [
        ("pmap_edit", !operational_first, &contexts.edit, "Edit Context"),
        ("pmap_operational", operational_first, &contexts.operational, "Operational Context"),
    ] {
        let hidden = format!("<input type=\"hidden\" name=\"{mode}\" value=\"{}\">", esc(name));
        out.push_str(&row(mode, first, &format!("{title} {hidden} {}", esc(label))));
    }
    let mut menu = "Recent <select name=\"pmap_menu\">".to_owned();
    let chosen = setting.value("pmap_menu", "");
    for (name, label) in &contexts.menu {
        let mark = if *name == chosen { " selected" } else { "" };
        let _ = write!(menu, "<option value=\"{}\"{mark}>{}</option>", esc(name), esc(label));
    }
    menu.push_str("</select>");
    out.push_str(&row("pmap_menu", false, &menu));
    let text = esc(&setting.value("pmap_text", ""));
    out.push_str(&row(
        "pmap_text",
        false,
        &format!("User Specified <input type=\"text\" name=\"pmap_text\" value=\"{text}\">"),
    ));
    out.push_str("</div>\n");
}

#[cfg(test)]
mod tests {
    use super::super::forms;
    use super::*;
    use crate::stand_in::server::{Dialect, Era};

    struct Few;

    impl Facts for Few {
        fn is_known(&self, _name: &str) -> bool {
            false
        }
        fn words(&self, _list: List) -> Vec<String> {
            vec!["*".into(), "acs".into()]
        }
        fn dialect(&self) -> &'static Dialect {
            Era::Y2019.dialect()
        }
    }

    #[test]
    fn fields_come_in_the_order_of_the_table() {
        let setting = Setting { observatory: "hst".into(), token: "t".into(), ..Setting::default() };
        let text = form(&forms::SUBMIT_MAPPING, &setting, &Few, None);
        let places: Vec<Option<usize>> = [
            "action=\"/upload/new/\"",
            "action=\"/submit/mapping/\"",
            "name=\"observatory\"",
            "name=\"change_level\"",
            "name=\"creator\"",
            "name=\"description\"",
            "name=\"generate_contexts\" value=\"checked\" checked",
            "value=\"pmap_edit\" checked",
            "name=\"pmap_text\"",
            "name=\"auto_rename\" value=\"on\">",
            "value=\"Submit Files\"",
        ]
        .iter()
        .map(|piece| text.find(piece))
        .collect();
        assert!(places.iter().all(Option::is_some), "{places:?}\n{text}");
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn what_was_typed_is_shown_again_and_escaped() {
        let typed = Fields::new(vec![("description".into(), "<b>\"".into())]);
        let setting = Setting { observatory: "hst".into(), typed: Some(typed), ..Setting::default() };
        let text = form(&forms::BATCH, &setting, &Few, None);
        assert!(text.contains("&lt;b&gt;&quot;</textarea>"), "{text}");
        assert!(!text.contains("compare_old_reference\" value=\"on\" checked"), "an absent box was left empty");
    }
}

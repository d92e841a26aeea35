//! Writing markup: escaping, and the small pieces that every page uses.
//!
//! Nothing that came from a visitor, a file or the catalogue reaches a page but through [`esc`].

use std::fmt::Write as _;

pub use crate::stand_in::server::python::repr;

/// Escapes a text for markup and attribute values, as the site's template library does.
pub fn esc(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for ch in text.chars() {
        match ch {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// Python's `repr` of a list of texts.
pub fn repr_list<T: AsRef<str>>(items: &[T]) -> String {
    let inner: Vec<String> = items.iter().map(|item| repr(item.as_ref())).collect();
    format!("[{}]", inner.join(", "))
}

/// A file's name as a link: contexts lead to their table, all else to the browse page (WP 3.1).
pub fn browse(name: &str) -> String {
    let place = if name.ends_with(".pmap") { "context_table" } else { "browse" };
    browse_at(place, name)
}

/// A file's name as a link to its browse page, whatever its kind.
pub fn browse_plain(name: &str) -> String {
    browse_at("browse", name)
}

/// A file's name as a bare link to its browse page, as tables have it that a script draws.
pub fn browse_bare(name: &str) -> String {
    format!("<a href='/browse/{}'>{}</a>", super::form_data::quote(name), esc(name))
}

fn browse_at(place: &str, name: &str) -> String {
    // A context that was never set has no page.
    if name.is_empty() {
        return String::new();
    }
    format!("<a href='/{place}/{}' class='browse_a'>{}</a>", super::form_data::quote(name), esc(name))
}

/// A number in engineering units with one digit behind the point, at the right of seven columns.
pub fn human(number: u64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")];
    let shown = match units.iter().find(|(limit, _)| number as f64 > *limit) {
        Some((limit, unit)) => format!("{:.1} {unit}", number as f64 / limit),
        None => number.to_string(),
    };
    format!("{shown:>7}")
}

/// An accordion (WP 3.1): `title` and `body` are markup already.
pub fn accordion(title: &str, body: &str) -> String {
    format!("<div class=\"accordion\"><h3>{title}</h3><div>{body}</div></div>\n")
}

/// A text in a coloured span.
pub fn span(class: &str, text: &str) -> String {
    format!("<span class=\"{class}\">{}</span>", esc(text))
}

/// A table: the cells are markup already.
pub fn table(id: Option<&str>, head: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = match id {
        Some(id) => format!("<table id=\"{id}\" class=\"table table-bordered\">\n"),
        None => "<table class=\"table table-bordered\">\n".to_owned(),
    };
    if !head.is_empty() {
        out.push_str("<thead><tr>");
        for cell in head {
            let _ = write!(out, "<th>{cell}</th>");
        }
        out.push_str("</tr></thead>\n");
    }
    out.push_str("<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td>{cell}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_is_shown_and_not_obeyed() {
        assert_eq!(esc("<a b='c'>&\""), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;");
        assert!(!browse("<script>").contains("<script>"));
    }

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        assert_eq!(repr("x"), "'x'");
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("a'b\"c\n"), "'a\\'b\"c\\n'");
        assert_eq!(repr_list(&["a", "b"]), "['a', 'b']");
    }
}

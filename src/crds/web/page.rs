//! Reading a page of a CRDS server, of 2014 as well as of 2019 (WP 3.1, 3.6, 3.7).

use std::sync::LazyLock;

use scraper::{ElementRef, Html, Selector};

/// A table of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// `id` attribute; empty if it has none.
    pub id: String,
    /// Texts of the header cells.
    pub header: Vec<String>,
    /// Texts of the other rows.
    pub rows: Vec<Vec<String>>,
}

/// What a page says, blanks folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// HTTP status it came with.
    pub status: u16,
    /// `<title>`
    pub title: String,
    /// `<h1>` without the mark of the use case.
    pub heading: String,
    /// Mark of the use case in the `<h1>`, without parentheses; OPS has none.
    pub use_case: Option<String>,
    /// `<h2>`s.
    pub sections: Vec<String>,
    /// `<h3>`s, the titles of accordions included.
    pub parts: Vec<String>,
    /// Error blocks.
    pub errors: Vec<String>,
    /// Success marks.
    pub successes: Vec<String>,
    /// Warning marks.
    pub warnings: Vec<String>,
    /// Tables in order.
    pub tables: Vec<Table>,
    /// `csrfmiddlewaretoken` of the last form that has one.
    pub token: Option<String>,
    /// `results_id` of the confirmation form.
    pub results_id: Option<String>,
    /// Elements with an id whose text is a file name: uploaded name and new name (WP 3.8).
    pub renamed: Vec<(String, String)>,
    /// Targets of links, in order.
    pub links: Vec<String>,
    /// All text, blanks folded.
    pub text: String,
}

/// Selectors of this module.
struct Select {
    title: Selector,
    h1: Selector,
    span: Selector,
    h2: Selector,
    h3: Selector,
    errors: Selector,
    success: Selector,
    warning: Selector,
    table: Selector,
    row: Selector,
    header: Selector,
    cell: Selector,
    token: Selector,
    results: Selector,
    with_id: Selector,
    link: Selector,
    body: Selector,
}

static SELECT: LazyLock<Select> = LazyLock::new(|| {
    let parse = |text: &str| Selector::parse(text).expect("a constant selector");
    Select {
        title: parse("title"),
        h1: parse("h1"),
        span: parse("span"),
        h2: parse("h2"),
        h3: parse("h3"),
        errors: parse(
            "#error_message, #error_login, div.error, p.error, h2.error, h3.error, div.error_message, ul.errorlist",
        ),
        success: parse(".success"),
        warning: parse(".warning"),
        table: parse("table"),
        row: parse("tr"),
        header: parse("th"),
        cell: parse("td"),
        token: parse("input[name=csrfmiddlewaretoken]"),
        results: parse("input[name=results_id]"),
        with_id: parse("[id]"),
        link: parse("a[href]"),
        body: parse("body"),
    }
});

impl Page {
    /// Reads a page. Never fails: what is not there is empty.
    #[must_use]
    pub fn parse(status: u16, html: &str) -> Self {
        let document = Html::parse_document(html);
        let select = &*SELECT;
        let all = |selector: &Selector| document.select(selector).map(fold).filter(|text| !text.is_empty()).collect();
        let first = |selector: &Selector| document.select(selector).next();
        let value = |selector: &Selector| {
            document.select(selector).next_back().and_then(|input| input.attr("value")).map(str::to_owned)
        };
        let h1 = first(&select.h1);
        let mark = h1.and_then(|h1| h1.select(&select.span).next()).map(fold);
        let whole = h1.map(fold).unwrap_or_default();
        let heading =
            mark.as_ref().map_or(whole.clone(), |mark| whole.replacen(mark.as_str(), "", 1).trim().to_owned());
        Self {
            status,
            title: first(&select.title).map(fold).unwrap_or_default(),
            heading,
            use_case: mark.map(|mark| mark.trim_matches(['(', ')']).to_owned()).filter(|mark| !mark.is_empty()),
            sections: all(&select.h2),
            parts: all(&select.h3),
            errors: all(&select.errors),
            successes: all(&select.success),
            warnings: all(&select.warning),
            tables: document.select(&select.table).map(table).collect(),
            token: value(&select.token),
            results_id: value(&select.results),
            renamed: document.select(&select.with_id).filter_map(renamed).collect(),
            links: document.select(&select.link).filter_map(|a| a.attr("href")).map(str::to_owned).collect(),
            text: first(&select.body).map(fold).unwrap_or_default(),
        }
    }

    /// The text of the page's error block, if it has one: a page without one and without its positive mark is no success
    /// either.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.errors.first().map(String::as_str)
    }

    /// Whether an element marked as success holds this phrase.
    #[must_use]
    pub fn says(&self, phrase: &str) -> bool {
        self.successes.iter().any(|text| text.contains(phrase))
    }

    /// The table whose `id` this is.
    #[must_use]
    pub fn table(&self, id: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.id == id)
    }

    /// A few words of the page for an error: its error block, else its headings, else its text.
    #[must_use]
    pub fn gist(&self) -> String {
        const LONGEST: usize = 200;
        let text = match self.error() {
            Some(error) => error.to_owned(),
            None if !self.sections.is_empty() => format!("`{}`", self.sections.join(" / ")),
            None => self.text.clone(),
        };
        text.chars().take(LONGEST).collect()
    }
}

/// The text of an element, blanks folded.
fn fold(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn table(element: ElementRef<'_>) -> Table {
    let select = &*SELECT;
    let mut table = Table { id: element.attr("id").unwrap_or_default().to_owned(), ..Table::default() };
    for row in element.select(&select.row) {
        let cells: Vec<String> = row.select(&select.cell).map(fold).collect();
        if cells.is_empty() {
            table.header.extend(row.select(&select.header).map(fold));
        } else {
            table.rows.push(cells);
        }
    }
    table
}

/// An element whose id is a file name shows that file's new name.
fn renamed(element: ElementRef<'_>) -> Option<(String, String)> {
    let id = element.attr("id")?;
    let text = fold(element);
    let is_name = |name: &str| name.contains('.') && !name.contains(char::is_whitespace);
    (is_name(id) && is_name(&text)).then(|| (id.to_owned(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<html><head><title>HST Calibration Reference Data System (CRDS)</title></head><body>\
        <h1>HST Calibration Reference Data System (CRDS) <span class='label'>test</span></h1>\
        <h2>Submit\n Mapping File</h2><h3>a.rmap --&gt; b.rmap <span>OK</span></h3>\
        <form><input type='hidden' name='csrfmiddlewaretoken' value='tok'/><input name='results_id' value='42'/></form>\
        <table id='t'><tr><th>A</th></tr><tr><td>1 <b>2</b></td></tr></table>\
        <p class='success'>Submission Confirmed.</p><span id='a.rmap'>b.rmap</span></body></html>";

    #[test]
    fn the_parts_of_a_page_are_read() {
        let page = Page::parse(200, PAGE);
        assert_eq!(page.heading, "HST Calibration Reference Data System (CRDS)");
        assert_eq!((page.use_case.as_deref(), page.token.as_deref()), (Some("test"), Some("tok")));
        assert_eq!((page.results_id.as_deref(), page.sections[0].as_str()), (Some("42"), "Submit Mapping File"));
        assert!(page.says("Submission Confirmed.") && page.error().is_none());
        assert_eq!(page.table("t").map(|table| table.rows[0][0].as_str()), Some("1 2"));
        assert_eq!(page.renamed, [("a.rmap".to_owned(), "b.rmap".to_owned())]);
        assert_eq!(page.parts, ["a.rmap --> b.rmap OK"]);
    }

    #[test]
    fn errors_of_both_eras_are_found() {
        for html in [
            "<div class='error'>ERROR: no</div>",
            "<div id='error_message' class='panel-body'><pre>ERROR: no</pre></div>",
            "<div id='error_login' class='error'>ERROR: no</div>",
        ] {
            assert_eq!(Page::parse(200, html).error(), Some("ERROR: no"), "{html}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_page_makes_it_panic(html in "(?s)(<[a-z0-9 ='/]{0,12}>|[^<]{0,9}){0,60}") {
            let _ = Page::parse(200, &html).gist();
        }
    }
}

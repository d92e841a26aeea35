//! Reading a page of a CRDS server, of 2014 as well as of 2019 (WP 3.1, 3.6, 3.7).

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use html5ever::driver::{ParseOpts, parse_document};
use html5ever::tendril::{StrTendril, TendrilSink as _};
use scraper::{ElementRef, Html, HtmlTreeSink, Node, Selector};

use crate::crds::wire::clip;

/// How long a page may take to be read. Millions of elements inside each other take time without end; the largest
/// catalogue takes a second.
const READS: Duration = Duration::from_secs(20);

/// Most nodes of a page: a catalogue of tens of thousands of rows has a tenth of it.
const MOST_NODES: usize = 6_000_000;

/// Longest error text that is kept, in characters.
const LONGEST_ERROR: usize = 2000;

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
    /// Reads a page. Never fails: what is not there is empty, and a page that is built to take for ever or to fill the
    /// memory has an error block that says so.
    #[must_use]
    pub fn parse(status: u16, html: &str) -> Self {
        Self::parse_within(status, html, READS)
    }

    fn parse_within(status: u16, html: &str, limit: Duration) -> Self {
        let read = read(html, limit).and_then(|document| Self::of(status, html.len(), &document));
        read.unwrap_or_else(|why| Self {
            status,
            errors: vec![why],
            text: clip(html, LONGEST_ERROR),
            ..Self::default()
        })
    }

    fn of(status: u16, size: usize, document: &Html) -> Result<Self, String> {
        let select = &*SELECT;
        let budget = Budget::new(size);
        let fold = |element: ElementRef<'_>| budget.fold(element);
        let all = |selector: &Selector| -> Vec<String> {
            document.select(selector).map(fold).filter(|text| !text.is_empty()).collect()
        };
        let first = |selector: &Selector| document.select(selector).next();
        let value = |selector: &Selector| {
            document.select(selector).next_back().and_then(|input| input.attr("value")).map(str::to_owned)
        };
        let h1 = first(&select.h1);
        let mark = h1.and_then(|h1| h1.select(&select.span).next()).map(fold);
        let whole = h1.map(fold).unwrap_or_default();
        let heading =
            mark.as_ref().map_or(whole.clone(), |mark| whole.replacen(mark.as_str(), "", 1).trim().to_owned());
        let page = Self {
            status,
            title: first(&select.title).map(fold).unwrap_or_default(),
            heading,
            use_case: mark.map(|mark| mark.trim_matches(['(', ')']).to_owned()).filter(|mark| !mark.is_empty()),
            sections: all(&select.h2),
            parts: all(&select.h3),
            errors: all(&select.errors).iter().map(|error| error.chars().take(LONGEST_ERROR).collect()).collect(),
            successes: all(&select.success),
            warnings: all(&select.warning),
            tables: document.select(&select.table).map(|element| table(element, &budget)).collect(),
            token: value(&select.token),
            results_id: value(&select.results),
            renamed: document.select(&select.with_id).filter_map(|element| renamed(element, &budget)).collect(),
            links: document.select(&select.link).filter_map(|a| a.attr("href")).map(str::to_owned).collect(),
            text: first(&select.body).map(fold).unwrap_or_default(),
        };
        if budget.is_spent() { Err("the page says the same in element within element".to_owned()) } else { Ok(page) }
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
        match self.error() {
            Some(error) => clip(error, LONGEST),
            None if !self.sections.is_empty() => clip(&format!("`{}`", self.sections.join(" / ")), LONGEST),
            None => clip(&self.text, LONGEST),
        }
    }
}

/// Builds the tree of a page, or says why it is not worth it.
fn read(html: &str, limit: Duration) -> Result<Html, String> {
    const PIECE: usize = 1 << 14;
    let began = Instant::now();
    let mut parser = parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
    let mut rest = html;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        parser.process(StrTendril::from_slice(piece));
        rest = after;
        if began.elapsed() > limit {
            return Err(format!(
                "the page cannot be read within {} s: {} of {} bytes left",
                limit.as_secs(),
                rest.len(),
                html.len()
            ));
        }
        if parser.tokenizer.sink.sink.0.borrow().tree.values().len() > MOST_NODES {
            return Err(format!("the page has more than {MOST_NODES} parts"));
        }
    }
    Ok(parser.finish())
}

/// How much of a page may be looked at, all in all: elements inside each other show the same text again and again.
struct Budget(Cell<usize>);

impl Budget {
    /// Times that a page may be gone over. An ordinary page is gone over three times.
    const TIMES: usize = 16;

    fn new(size: usize) -> Self {
        Self(Cell::new(size.saturating_mul(Self::TIMES).saturating_add(1 << 16)))
    }

    fn is_spent(&self) -> bool {
        self.0.get() == 0
    }

    /// Takes so much from what is left; false if it is not there.
    fn spend(&self, cost: usize) -> bool {
        let left = self.0.get().saturating_sub(cost);
        self.0.set(left);
        left > 0
    }

    /// The text of an element, blanks folded.
    fn fold(&self, element: ElementRef<'_>) -> String {
        let mut whole = String::new();
        for node in element.descendants() {
            let text: &str = if let Node::Text(text) = node.value() { text } else { "" };
            if !self.spend(1 + text.len()) {
                break;
            }
            whole.push_str(text);
        }
        whole.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether all of an element may be gone over.
    fn affords(&self, element: ElementRef<'_>) -> bool {
        element.descendants().all(|_| self.spend(1))
    }
}

fn table(element: ElementRef<'_>, budget: &Budget) -> Table {
    let select = &*SELECT;
    let fold = |element: ElementRef<'_>| budget.fold(element);
    if !budget.affords(element) {
        return Table::default();
    }
    let mut table = Table { id: element.attr("id").unwrap_or_default().to_owned(), ..Table::default() };
    for row in element.select(&select.row) {
        if !budget.affords(row) {
            break;
        }
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
fn renamed(element: ElementRef<'_>, budget: &Budget) -> Option<(String, String)> {
    let is_name = |name: &str| name.contains('.') && !name.contains(char::is_whitespace);
    let id = element.attr("id").filter(|id| is_name(id))?;
    let text = budget.fold(element);
    is_name(&text).then(|| (id.to_owned(), text))
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

    #[test]
    fn pages_built_to_exhaust_are_errors_in_good_time() {
        let limit = Duration::from_secs(2);
        let most = 4 << 20;
        let pieces: [&str; 9] = [
            "<div>",
            "<div class=error>x",
            "<b id=a.b>x",
            "<table><tr><td>x",
            "<h2><div>x",
            "<a ",
            "<p><b>",
            "<!--",
            "&amp",
        ];
        let mut pages: Vec<String> = pieces.iter().map(|piece| piece.repeat(most / piece.len())).collect();
        pages.push(format!("<a {}>", (0..most / 8).map(|n| format!("a{n} ")).collect::<String>()));
        pages.push((0..most / 20).map(|n| format!("<b id={n}><p>x")).collect());
        for html in pages {
            let began = Instant::now();
            let page = Page::parse_within(200, &html, limit);
            let start = clip(&html, 20);
            assert!(began.elapsed() < Duration::from_secs(30), "{start}: {:?}", began.elapsed());
            assert!(!page.says("Submission Confirmed.") && page.gist().chars().count() <= 200, "{start}");
            let kept: usize = page.errors.iter().chain(&page.sections).map(String::len).sum();
            assert!(kept < 20 * most, "{start}: {kept} bytes kept of {most}");
        }
    }

    #[test]
    fn a_long_line_is_a_page_as_any_other() {
        let html = PAGE.replace("1 <b>", &format!("{} <b>", "1".repeat(10 << 20)));
        let page = Page::parse(200, &html);
        assert!(page.says("Submission Confirmed.") && page.error().is_none() && page.gist().len() < 800);
    }

    proptest::proptest! {
        #[test]
        fn reading_in_pieces_changes_nothing(html in crate::mangled::text(PAGE), before in 0..40_000usize) {
            let html = format!("{}{html}", "ß".repeat(before));
            let (pieces, whole) = (read(&html, READS).unwrap(), Html::parse_document(&html));
            proptest::prop_assert_eq!(pieces.html(), whole.html());
        }

        #[test]
        fn an_error_block_is_never_lost_below_a_damaged_page(html in crate::mangled::text(PAGE)) {
            let page = Page::parse(200, &format!("<div class='error'>ERROR: no</div>{html}"));
            proptest::prop_assert_eq!(page.error(), Some("ERROR: no"));
        }

        #[test]
        fn success_is_said_by_the_page_or_not_at_all(html in crate::mangled::text(PAGE)) {
            let page = Page::parse(200, &html);
            // A reader of pages leaves NUL characters out of their texts.
            let html = html.replace('\0', "");
            if page.says("Submission Confirmed.") {
                proptest::prop_assert!(html.contains("success") && html.contains("Submission"));
            }
            if let Some(id) = &page.results_id {
                proptest::prop_assert!(html.contains("results_id") && !id.is_empty() || html.contains("value"));
            }
        }
    }
}

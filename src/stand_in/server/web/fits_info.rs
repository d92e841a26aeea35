//! What the pages say of a reference's bytes: structure, headers, and what is different in two of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::html::{esc, repr};
use crate::stand_in::fits::{self, Card, CardValue, Hdu, HduKind};

/// Cards of one header that a page shows at most.
const MAX_CARDS: usize = 2_000;

/// Markup for the browse page: the units of the file, then their headers.
pub fn describe(path: &Path, name: &str) -> String {
    match fits::read_file(path) {
        Ok(hdus) => format!(
            "<pre class='program'>{}</pre>\n<pre class='program'>{}</pre>",
            esc(&structure(&hdus)),
            esc(&headers(&hdus))
        ),
        Err(error) => format!(
            "<p class='error'>File header unavailable for '{0}' : {1}</p>\n<p class='error'>FITS info unavailable: \
             '{0}'</p>",
            esc(name),
            esc(&error.to_string())
        ),
    }
}

fn kind(hdu: &Hdu) -> &'static str {
    match hdu.kind {
        HduKind::Primary => "PrimaryHDU",
        HduKind::Image => "ImageHDU",
        HduKind::BinaryTable => "BinTableHDU",
        HduKind::AsciiTable => "TableHDU",
        HduKind::Other => "ExtensionHDU",
    }
}

fn structure(hdus: &[Hdu]) -> String {
    let mut out = String::from("No.    Name      Ver    Type      Cards   Dimensions\n");
    for (at, hdu) in hdus.iter().enumerate() {
        let version = hdu.card("EXTVER").and_then(Card::as_integer).unwrap_or(1);
        let axes: Vec<String> = hdu.axes().iter().map(i64::to_string).collect();
        let _ = writeln!(
            out,
            "{at:>3}  {:<14}{version:>3} {:<13} {:>4}   ({})",
            hdu.name(),
            kind(hdu),
            hdu.cards.len(),
            axes.join(", ")
        );
    }
    out
}

fn headers(hdus: &[Hdu]) -> String {
    let mut out = String::new();
    for hdu in hdus {
        let _ = writeln!(out, "{}", hdu.name());
        for card in hdu.cards.iter().take(MAX_CARDS) {
            let comment = if card.comment.is_empty() { String::new() } else { format!(" / {}", card.comment) };
            let _ = writeln!(out, "    {:<8} = {}{comment}", card.keyword, card.value_text());
        }
    }
    out
}

/// Release of the FITS library that says what differs.
const FITSDIFF: &str = "4.3.1";
/// Differing elements of a table that are shown.
const MAX_VALUES: usize = 10;

/// Differences of two files as the client's tool prints them; empty if there are none.
pub fn differences(old: &Path, new: &Path) -> String {
    let (Ok(a), Ok(b)) = (std::fs::read(old), std::fs::read(new)) else { return String::new() };
    if a == b {
        return String::new();
    }
    let (first, second) = match (fits::read(&a), fits::read(&b)) {
        (Ok(first), Ok(second)) => (first, second),
        _ => return "Binary files differ.\n".to_owned(),
    };
    let mut hdus = String::new();
    for (at, (old, new)) in first.iter().zip(&second).enumerate() {
        let headers = header_differences(old, new);
        let data = table_differences(old, new);
        if headers.is_empty() && data.is_empty() {
            continue;
        }
        let named = old.cards.iter().find(|card| card.keyword == "EXTNAME").map(Card::value_text);
        let _ = match (at, named) {
            (0, _) => writeln!(hdus, "\nPrimary HDU:"),
            (_, Some(name)) => writeln!(hdus, "\nExtension HDU {at} ({name}, 1):"),
            (_, None) => writeln!(hdus, "\nExtension HDU {at}:"),
        };
        for (title, lines) in [("Headers contain differences:", headers), ("Data contains differences:", data)] {
            if !lines.is_empty() {
                let _ = write!(hdus, "\n   {title}\n{lines}");
            }
        }
    }
    let mut out = format!(
        "\n fitsdiff: {FITSDIFF}\n a: {}\n b: {}\n Maximum number of different data values to be reported: {MAX_VALUES}\n \
         Relative tolerance: 0.0, Absolute tolerance: 0.0\n",
        old.display(),
        new.display()
    );
    if first.len() != second.len() {
        let _ = write!(out, "\nFiles contain different numbers of HDUs:\n a: {}\n b: {}\n", first.len(), second.len());
        if hdus.is_empty() {
            hdus.push_str("No differences found between common HDUs.\n");
        }
    } else if hdus.is_empty() {
        // Pixels are not compared one by one here.
        hdus.push_str("\nPrimary HDU:\n\n   Data contains differences:\n");
    }
    out.push_str(&hdus);
    out.push_str("\n \n");
    out
}

/// The values of a keyword, and the comments beside them.
fn of<'h>(hdu: &'h Hdu, name: &str) -> Vec<&'h Card> {
    hdu.cards.iter().filter(|card| card.keyword == name).collect()
}

/// A value as Python's `repr` gives it.
fn literal(card: &Card) -> String {
    match &card.value {
        CardValue::Text(text) | CardValue::Commentary(text) => repr(text),
        _ => card.value_text(),
    }
}

fn header_differences(old: &Hdu, new: &Hdu) -> String {
    let mut out = String::new();
    let keywords = |hdu: &Hdu| -> BTreeSet<String> {
        hdu.cards.iter().map(|card| card.keyword.clone()).filter(|keyword| !keyword.is_empty()).collect()
    };
    let count = |hdu: &Hdu| hdu.cards.iter().filter(|card| !card.keyword.is_empty()).count();
    let (before, after) = (keywords(old), keywords(new));
    if count(old) != count(new) {
        let _ = writeln!(
            out,
            "     Headers have different number of cards:\n      a: {}\n      b: {}",
            count(old),
            count(new)
        );
    }
    for (side, hdu, own, other) in [("a", old, &before, &after), ("b", new, &after, &before)] {
        for name in own.difference(other) {
            let value = of(hdu, name).first().map(|card| literal(card)).unwrap_or_default();
            let _ = writeln!(out, "     Extra keyword {:<8} in {side}: {value}", repr(name));
        }
    }
    for name in before.intersection(&after) {
        let (a, b) = (of(old, name).len(), of(new, name).len());
        if a != b {
            let _ = writeln!(
                out,
                "     Inconsistent duplicates of keyword {:<8}:\n      Occurs {a} time(s) in a, {b} times in (b)",
                repr(name)
            );
        }
    }
    for name in before.intersection(&after) {
        let pairs: Vec<(&Card, &Card)> = of(old, name).into_iter().zip(of(new, name)).collect();
        for (what, text) in
            [("values", Card::value_text as fn(&Card) -> String), ("comments", |card: &Card| card.comment.clone())]
        {
            for (at, (a, b)) in pairs.iter().enumerate() {
                let (a, b) = (text(a), text(b));
                if a.trim_end() == b.trim_end() || (what == "values" && same_number(&a, &b)) {
                    continue;
                }
                let nth = if at == 0 { String::new() } else { format!("[{}]", at + 1) };
                let _ = writeln!(out, "     Keyword {name:<8}{nth} has different {what}:");
                for (side, text) in [("a", a), ("b", b)].into_iter().filter(|(_, text)| !text.is_empty()) {
                    let _ = writeln!(out, "        {side}> {text}");
                }
            }
        }
    }
    out
}

/// Whether two values are the same number, written otherwise.
fn same_number(a: &str, b: &str) -> bool {
    matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

fn table_differences(old: &Hdu, new: &Hdu) -> String {
    let (Some(before), Some(after)) = (old.table(), new.table()) else { return String::new() };
    let mut out = String::new();
    if before.columns.len() != after.columns.len() {
        let _ = writeln!(
            out,
            "     Tables have different number of columns:\n      a: {}\n      b: {}",
            before.columns.len(),
            after.columns.len()
        );
    }
    for (side, own, other) in [("a", &before, &after), ("b", &after, &before)] {
        for column in own.columns.iter().filter(|column| !other.columns.iter().any(|c| c.name == column.name)) {
            let _ = writeln!(out, "     Extra column {} in {side}", column.name);
        }
    }
    if before.rows != after.rows {
        let _ = writeln!(
            out,
            "     Table rows differ:\n      a: {}\n      b: {}\n     No further data comparison performed.",
            before.rows, after.rows
        );
        return out;
    }
    let mut differing = 0;
    for column in &before.columns {
        let Some(other) = after.columns.iter().find(|other| other.name == column.name) else { continue };
        for (row, (a, b)) in column.cells.iter().zip(&other.cells).enumerate() {
            let (a, b) = (a.text(), b.text());
            if a == b {
                continue;
            }
            differing += 1;
            if differing <= MAX_VALUES {
                let _ = writeln!(
                    out,
                    "     Column {} data differs in row {row}:\n        a> {a}\n        b> {b}",
                    column.name
                );
            }
        }
    }
    if differing > MAX_VALUES {
        let _ = writeln!(out, "     ...{} additional difference(s) found.", differing - MAX_VALUES);
    }
    if differing > 0 {
        let elements = (before.rows.max(1) as f64) * (before.columns.len().max(1) as f64);
        let _ = writeln!(
            out,
            "     {differing} different table data element(s) found ({:.2}% different).",
            differing as f64 * 100.0 / elements
        );
    }
    out
}

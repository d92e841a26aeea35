//! What the pages say of a reference's bytes: structure, headers, and what is different in two of them.

use std::fmt::Write as _;
use std::path::Path;

use super::html::esc;
use crate::stand_in::fits::{self, Card, Hdu, HduKind};

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

/// Differences of two files as the client's tool lists them; empty if there are none.
pub fn differences(old: &Path, new: &Path) -> String {
    let (Ok(a), Ok(b)) = (std::fs::read(old), std::fs::read(new)) else { return String::new() };
    if a == b {
        return String::new();
    }
    let (first, second) = match (fits::read(&a), fits::read(&b)) {
        (Ok(first), Ok(second)) => (first, second),
        _ => return "Binary files differ.\n".to_owned(),
    };
    let mut out = String::new();
    if first.len() != second.len() {
        let _ = writeln!(out, "Files contain different numbers of HDUs:\n a: {}\n b: {}\n", first.len(), second.len());
    }
    for (at, (old, new)) in first.iter().zip(&second).enumerate() {
        let lines = header_differences(old, new);
        let data = table_differences(old, new);
        if lines.is_empty() && data.is_empty() {
            continue;
        }
        let title = if at == 0 { "Primary HDU:".to_owned() } else { format!("Extension HDU {at}:") };
        let _ = writeln!(out, "{title}\n");
        if !lines.is_empty() {
            let _ = writeln!(out, "   Headers contain differences:\n{lines}");
        }
        out.push_str(&data);
    }
    if out.is_empty() {
        out.push_str("Primary HDU:\n\n   Data contains differences\n");
    }
    out
}

fn header_differences(old: &Hdu, new: &Hdu) -> String {
    let mut out = String::new();
    let mut names: Vec<&str> = old.cards.iter().chain(&new.cards).map(|card| card.keyword.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let values = |hdu: &Hdu| -> Vec<String> {
            hdu.cards.iter().filter(|card| card.keyword == name).map(Card::value_text).collect()
        };
        let (before, after) = (values(old), values(new));
        for at in 0..before.len().max(after.len()) {
            match (before.get(at), after.get(at)) {
                (Some(a), Some(b)) if a != b => {
                    let _ =
                        writeln!(out, "     Keyword {name:<8} has different values:\n        a> {a}\n        b> {b}");
                }
                (Some(a), None) => {
                    let _ = writeln!(out, "     Extra keyword {name:<8} in a: {a}");
                }
                (None, Some(b)) => {
                    let _ = writeln!(out, "     Extra keyword {name:<8} in b: {b}");
                }
                _ => {}
            }
        }
    }
    out
}

fn table_differences(old: &Hdu, new: &Hdu) -> String {
    let (Some(before), Some(after)) = (old.table(), new.table()) else { return String::new() };
    let mut out = String::new();
    if before.rows != after.rows {
        let _ = writeln!(
            out,
            "     Tables have different number of rows:\n      a: {}\n      b: {}",
            before.rows, after.rows
        );
    }
    for column in &before.columns {
        match after.columns.iter().find(|other| other.name == column.name) {
            None => {
                let _ = writeln!(out, "     Extra column {} in a", column.name);
            }
            Some(other) => {
                let differing = column.cells.iter().zip(&other.cells).filter(|(a, b)| a.text() != b.text()).count();
                if differing > 0 {
                    let _ = writeln!(out, "     Column {} data differs in {differing} rows", column.name);
                }
            }
        }
    }
    if out.is_empty() { out } else { format!("   Data contains differences:\n{out}") }
}

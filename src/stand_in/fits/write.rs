//! Writing small files: cards, and at most one binary table per extension.

use super::card::python_float;
use super::{BLOCK, CARD, Card, CardValue};

/// Values of one column to be written.
#[derive(Clone, Debug)]
pub enum ColumnData {
    /// 16-bit integers, `I`.
    I16(Vec<i16>),
    /// 32-bit integers, `J`.
    I32(Vec<i32>),
    /// 64-bit integers, `K`.
    I64(Vec<i64>),
    /// 64-bit floats, `D`.
    F64(Vec<f64>),
    /// 32-bit floats, `E`.
    F32(Vec<f32>),
    /// Texts of a fixed width, `nA`.
    Text {
        /// Width, bytes.
        width: usize,
        /// Values; longer ones are cut.
        values: Vec<String>,
    },
}

impl ColumnData {
    fn form(&self) -> String {
        match self {
            Self::I16(_) => "I".into(),
            Self::I32(_) => "J".into(),
            Self::I64(_) => "K".into(),
            Self::F64(_) => "D".into(),
            Self::F32(_) => "E".into(),
            Self::Text { width, .. } => format!("{width}A"),
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::I16(_) => 2,
            Self::I32(_) | Self::F32(_) => 4,
            Self::I64(_) | Self::F64(_) => 8,
            Self::Text { width, .. } => *width,
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::I16(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::Text { values, .. } => values.len(),
        }
    }

    fn put(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::I16(v) => out.extend(v.get(row).copied().unwrap_or(0).to_be_bytes()),
            Self::I32(v) => out.extend(v.get(row).copied().unwrap_or(0).to_be_bytes()),
            Self::I64(v) => out.extend(v.get(row).copied().unwrap_or(0).to_be_bytes()),
            Self::F64(v) => out.extend(v.get(row).copied().unwrap_or(0.0).to_be_bytes()),
            Self::F32(v) => out.extend(v.get(row).copied().unwrap_or(0.0).to_be_bytes()),
            Self::Text { width, values } => {
                let mut bytes = values.get(row).map_or(Vec::new(), |text| text.as_bytes().to_vec());
                bytes.resize(*width, 0);
                out.extend(bytes);
            }
        }
    }
}

/// A binary table to be written: columns by name; the first one's length is the number of rows.
#[derive(Clone, Debug, Default)]
pub struct NewTable {
    /// Name and values.
    pub columns: Vec<(String, ColumnData)>,
}

/// An HDU to be written. The first one is the primary, others are images without data or binary tables.
#[derive(Clone, Debug, Default)]
pub struct NewHdu {
    /// Cards besides the structural ones, in order.
    pub cards: Vec<Card>,
    /// Its table, if it is one.
    pub table: Option<NewTable>,
}

/// The bytes of a file with these HDUs; structural cards are added.
pub fn write(hdus: &[NewHdu]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, hdu) in hdus.iter().enumerate() {
        let mut header = Vec::new();
        let mut data = Vec::new();
        let structural = structure(index, hdu, &mut data);
        let own: Vec<&str> = structural.iter().map(|card| card.keyword.as_str()).collect();
        for card in &structural {
            put_card(card, &mut header);
        }
        for card in hdu.cards.iter().filter(|card| !own.contains(&card.keyword.as_str())) {
            put_card(card, &mut header);
        }
        header.extend(format!("{:<80}", "END").bytes());
        pad(&mut header, b' ');
        pad(&mut data, 0);
        out.extend(header);
        out.extend(data);
    }
    out
}

/// Pads to a whole number of blocks.
pub(super) fn pad(bytes: &mut Vec<u8>, with: u8) {
    bytes.resize(bytes.len().div_ceil(BLOCK) * BLOCK, with);
}

/// The comments that the usual library gives to structural cards; certification shows them.
fn comment_of(keyword: &str, table: bool) -> &'static str {
    match keyword {
        "SIMPLE" => "conforms to FITS standard",
        "BITPIX" => "array data type",
        "NAXIS" => "number of array dimensions",
        "NAXIS1" if table => "length of dimension 1",
        "NAXIS2" if table => "length of dimension 2",
        "PCOUNT" if table => "number of group parameters",
        "PCOUNT" => "number of parameters",
        "GCOUNT" => "number of groups",
        "TFIELDS" => "number of table fields",
        _ => "",
    }
}

fn structure(index: usize, hdu: &NewHdu, data: &mut Vec<u8>) -> Vec<Card> {
    let integer = |keyword: &str, value: usize| Card {
        keyword: keyword.to_owned(),
        value: CardValue::Integer(value.to_string()),
        comment: comment_of(keyword, hdu.table.is_some()).to_owned(),
    };
    let logical = |keyword: &str| Card {
        keyword: keyword.to_owned(),
        value: CardValue::Logical(true),
        comment: comment_of(keyword, false).to_owned(),
    };
    let given = |keyword: &str| hdu.cards.iter().find(|card| card.keyword == keyword).cloned();
    match (&hdu.table, index) {
        (None, 0) => {
            let mut cards = vec![logical("SIMPLE"), integer("BITPIX", 8), integer("NAXIS", 0)];
            cards.push(given("EXTEND").unwrap_or_else(|| logical("EXTEND")));
            cards
        }
        (None, _) => vec![
            Card::text("XTENSION", "IMAGE"),
            integer("BITPIX", 8),
            integer("NAXIS", 0),
            integer("PCOUNT", 0),
            integer("GCOUNT", 1),
        ],
        (Some(table), _) => {
            let width = table.columns.iter().map(|(_, column)| column.width()).sum();
            let rows = table.columns.first().map_or(0, |(_, column)| column.rows());
            for row in 0..rows {
                table.columns.iter().for_each(|(_, column)| column.put(row, data));
            }
            let mut cards = vec![
                Card::text("XTENSION", "BINTABLE"),
                integer("BITPIX", 8),
                integer("NAXIS", 2),
                integer("NAXIS1", width),
                integer("NAXIS2", rows),
                integer("PCOUNT", 0),
                integer("GCOUNT", 1),
                integer("TFIELDS", table.columns.len()),
            ];
            for (n, (name, column)) in table.columns.iter().enumerate() {
                cards.push(Card::text(&format!("TTYPE{}", n + 1), name));
                cards.push(Card::text(&format!("TFORM{}", n + 1), &column.form()));
            }
            cards
        }
    }
}

/// Appends one card, with CONTINUE cards where a text needs them.
pub(super) fn put_card(card: &Card, out: &mut Vec<u8>) {
    let mut line = |text: String| {
        let mut bytes: Vec<u8> =
            text.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c as u8 } else { b'?' }).collect();
        bytes.resize(CARD, b' ');
        out.extend(bytes);
    };
    let keyword = &card.keyword;
    let comment = if card.comment.is_empty() { String::new() } else { format!(" / {}", card.comment) };
    let stem = if keyword.len() > 8 { format!("HIERARCH {keyword} = ") } else { format!("{keyword:<8}= ") };
    match &card.value {
        CardValue::Commentary(text) => {
            let chars: Vec<char> = text.chars().collect();
            if chars.is_empty() {
                line(format!("{keyword:<8}"));
            }
            for part in chars.chunks(CARD - 8) {
                line(format!("{keyword:<8}{}", part.iter().collect::<String>()));
            }
        }
        CardValue::Text(text) => put_text(&stem, text, &comment, line),
        CardValue::Logical(value) => line(format!("{stem}{:>20}{comment}", if *value { "T" } else { "F" })),
        CardValue::Integer(digits) | CardValue::Complex(digits) => line(format!("{stem}{digits:>20}{comment}")),
        CardValue::Float(number) => line(format!("{stem}{:>20}{comment}", python_float(*number).to_uppercase())),
        CardValue::Undefined => line(format!("{stem}{comment}")),
    }
}

fn put_text(stem: &str, text: &str, comment: &str, mut line: impl FnMut(String)) {
    let doubled = text.replace('\'', "''");
    if stem.len() + doubled.len() + 2 <= CARD {
        line(format!("{stem}{:<20}{comment}", format!("'{doubled:<8}'")));
        return;
    }
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let mut first = true;
    while at < chars.len() {
        let head = if first { stem } else { "CONTINUE  " };
        let room = CARD - head.len() - 3; // two quotes and the ampersand
        let mut part = String::new();
        while at < chars.len() {
            let piece = if chars[at] == '\'' { "''".to_owned() } else { chars[at].to_string() };
            if part.len() + piece.len() > room {
                break;
            }
            part.push_str(&piece);
            at += 1;
        }
        let more = if at < chars.len() { "&" } else { "" };
        line(format!("{head}'{part}{more}'{}", if more.is_empty() { comment } else { "" }));
        first = false;
    }
}

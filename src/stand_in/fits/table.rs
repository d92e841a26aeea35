//! Columns of binary and ASCII tables.

use super::card::python_float;
use super::{Card, Hdu, HduKind};

/// One value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Logical.
    Bool(bool),
    /// Integer and the name of its numpy type (`int16`, `uint8` ...).
    Int(i64, &'static str),
    /// Float and the name of its numpy type.
    Float(f64, &'static str),
    /// Text without trailing blanks.
    Text(String),
    /// Anything else (vectors, complex numbers, bit fields): its raw bytes, for comparison only.
    Raw(Vec<u8>),
}

impl Cell {
    /// Python's `str` of the value.
    pub fn text(&self) -> String {
        match self {
            Self::Bool(b) => if *b { "True" } else { "False" }.into(),
            Self::Int(n, _) => n.to_string(),
            Self::Float(x, "float32") => float32(*x),
            Self::Float(x, _) => python_float(*x),
            Self::Text(text) => text.clone(),
            Self::Raw(bytes) => format!("{bytes:?}"),
        }
    }
}

fn float32(x: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "the cell was read from four bytes")]
    let shortest: f64 = format!("{}", x as f32).parse().unwrap_or(x);
    python_float(shortest)
}

/// One column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Name, upper case.
    pub name: String,
    /// numpy's text for the type (`>f4`, `>i2`, `|S8`; vectors as `('>f4', (3,))`).
    pub data_type: String,
    /// One cell per row.
    pub cells: Vec<Cell>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Columns in file order.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub rows: usize,
}

/// Bytes per element and numpy type of a binary table's format letter.
fn element(letter: u8) -> Option<(usize, &'static str, &'static str)> {
    Some(match letter {
        b'L' => (1, "|b1", "bool"),
        b'B' => (1, "|u1", "uint8"),
        b'I' => (2, ">i2", "int16"),
        b'J' => (4, ">i4", "int32"),
        b'K' => (8, ">i8", "int64"),
        b'A' => (1, "|S", "str"),
        b'E' => (4, ">f4", "float32"),
        b'D' => (8, ">f8", "float64"),
        b'C' => (8, ">c8", "complex64"),
        b'M' => (16, ">c16", "complex128"),
        b'P' => (8, ">i4", "variable"),
        b'Q' => (16, ">i8", "variable"),
        b'X' => (1, "|u1", "bits"),
        _ => return None,
    })
}

pub(super) fn read(hdu: &Hdu) -> Option<Table> {
    let axes = hdu.axes();
    let (&width, &rows) = (axes.first()?, axes.get(1)?);
    let (width, rows) = (usize::try_from(width).ok()?, usize::try_from(rows).ok()?);
    let fields = usize::try_from(hdu.card("TFIELDS").and_then(Card::as_integer)?).ok()?.min(999);
    if width.checked_mul(rows)? > hdu.data.len() {
        return None;
    }
    let mut columns = Vec::with_capacity(fields);
    let mut offset = 0usize;
    for n in 1..=fields {
        let text = |stem: &str| hdu.card(&format!("{stem}{n}")).and_then(Card::as_text).map(str::to_owned);
        let form = text("TFORM")?;
        let name = text("TTYPE").unwrap_or_else(|| format!("col{n}")).to_ascii_uppercase();
        let column = if hdu.kind == HduKind::AsciiTable {
            let start = usize::try_from(hdu.card(&format!("TBCOL{n}")).and_then(Card::as_integer)?).ok()?;
            ascii_column(hdu, name, &form, start.checked_sub(1)?, width, rows)?
        } else {
            let (column, used) = binary_column(hdu, name, &form, offset, width, rows)?;
            offset += used;
            column
        };
        columns.push(column);
    }
    Some(Table { columns, rows })
}

fn binary_column(
    hdu: &Hdu,
    name: String,
    form: &str,
    offset: usize,
    width: usize,
    rows: usize,
) -> Option<(Column, usize)> {
    let digits = form.bytes().take_while(u8::is_ascii_digit).count();
    let repeat: usize = if digits == 0 { 1 } else { form[..digits].parse().ok()? };
    let letter = *form.as_bytes().get(digits)?;
    let (size, code, type_name) = element(letter)?;
    let used = if letter == b'X' { repeat.div_ceil(8) } else { size.checked_mul(repeat)? };
    if offset.checked_add(used)? > width {
        return None;
    }
    let data_type = match (letter, repeat) {
        (b'A', n) => format!("|S{n}"),
        (_, 1) => code.to_owned(),
        (_, n) => format!("('{code}', ({n},))"),
    };
    let cells = (0..rows)
        .map(|row| {
            let start = row * width + offset;
            cell(&hdu.data[start..start + used], letter, repeat, type_name)
        })
        .collect();
    Some((Column { name, data_type, cells }, used))
}

fn cell(bytes: &[u8], letter: u8, repeat: usize, type_name: &'static str) -> Cell {
    let raw = || Cell::Raw(bytes.to_vec());
    match (letter, repeat) {
        (b'A', _) => {
            let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
            Cell::Text(String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned())
        }
        (b'L', 1) => Cell::Bool(bytes == b"T"),
        (b'B', 1) => Cell::Int(i64::from(bytes[0]), type_name),
        (b'I', 1) => {
            bytes.try_into().map_or_else(|_| raw(), |b| Cell::Int(i64::from(i16::from_be_bytes(b)), type_name))
        }
        (b'J', 1) => {
            bytes.try_into().map_or_else(|_| raw(), |b| Cell::Int(i64::from(i32::from_be_bytes(b)), type_name))
        }
        (b'K', 1) => bytes.try_into().map_or_else(|_| raw(), |b| Cell::Int(i64::from_be_bytes(b), type_name)),
        (b'E', 1) => {
            bytes.try_into().map_or_else(|_| raw(), |b| Cell::Float(f64::from(f32::from_be_bytes(b)), type_name))
        }
        (b'D', 1) => bytes.try_into().map_or_else(|_| raw(), |b| Cell::Float(f64::from_be_bytes(b), type_name)),
        _ => raw(),
    }
}

fn ascii_column(hdu: &Hdu, name: String, form: &str, start: usize, width: usize, rows: usize) -> Option<Column> {
    let letter = *form.as_bytes().first()?;
    let length: usize = form[1..].split('.').next()?.trim().parse().ok()?;
    if start.checked_add(length)? > width {
        return None;
    }
    let cells = (0..rows)
        .map(|row| {
            let at = row * width + start;
            let text = String::from_utf8_lossy(&hdu.data[at..at + length]).into_owned();
            match letter {
                b'I' => text.trim().parse().map_or_else(|_| Cell::Text(text.clone()), |n| Cell::Int(n, "int64")),
                b'F' | b'E' | b'D' => text
                    .trim()
                    .replace(['D', 'd'], "E")
                    .parse()
                    .map_or_else(|_| Cell::Text(text.clone()), |x| Cell::Float(x, "float64")),
                _ => Cell::Text(text.trim_end().to_owned()),
            }
        })
        .collect();
    let data_type = match letter {
        b'I' => "int64".to_owned(),
        b'F' | b'E' | b'D' => "float64".to_owned(),
        _ => format!("|S{length}"),
    };
    Some(Column { name, data_type, cells })
}

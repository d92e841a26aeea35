//! Reading the structure of a file: headers within limits, data skipped.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::OnceLock;

use super::card::parse_cards;
use super::{BLOCK, CARD, Card, FitsError, Table, table};

/// Longest header that is read, bytes (real reference files stay below 1 MB).
const HEADER_LIMIT: usize = 8 << 20;
/// Longest headers of one file together, bytes.
const HEADERS_LIMIT: usize = 32 << 20;
/// Most HDUs of one file.
const HDU_LIMIT: usize = 10_000;
/// Tables of one file that are kept in memory, bytes together; what comes on top is skipped.
const TABLES_LIMIT: u64 = 64 << 20;
/// Most rows times columns of the tables of one file together: a cell takes more memory than its byte in the file.
const CELLS_LIMIT: u64 = 4_000_000;

/// What an HDU holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HduKind {
    /// The first HDU.
    Primary,
    /// `XTENSION= 'IMAGE'`.
    Image,
    /// `XTENSION= 'BINTABLE'` (or the old `A3DTABLE`).
    BinaryTable,
    /// `XTENSION= 'TABLE'`.
    AsciiTable,
    /// Any other extension.
    Other,
}

/// One header and data unit.
#[derive(Clone, Debug)]
pub struct Hdu {
    /// Its kind.
    pub kind: HduKind,
    /// Its cards in file order, END left out, CONTINUE joined.
    pub cards: Vec<Card>,
    /// Data bytes of a table (empty for anything else, or when above the limit).
    pub(super) data: Vec<u8>,
    /// True for a table that is too much to be kept.
    pub(super) skipped: bool,
    /// Its columns, once somebody asked for them.
    table: OnceLock<Option<Table>>,
    /// Where the data begin in the file, bytes.
    pub(super) data_start: u64,
    /// Bytes of data that the header promises, padding not counted.
    pub(super) data_len: u64,
    /// Bytes that are really there.
    pub(super) data_have: u64,
}

impl Hdu {
    /// The first card with this keyword.
    pub fn card(&self, keyword: &str) -> Option<&Card> {
        self.cards.iter().find(|card| card.keyword == keyword)
    }

    /// EXTNAME in upper case, `PRIMARY` for the first HDU without one.
    pub fn name(&self) -> String {
        let named = self.card("EXTNAME").and_then(Card::as_text).map(str::to_ascii_uppercase);
        named.unwrap_or_else(|| if self.kind == HduKind::Primary { "PRIMARY".into() } else { String::new() })
    }

    /// True for binary and ASCII tables.
    pub fn is_table(&self) -> bool {
        matches!(self.kind, HduKind::BinaryTable | HduKind::AsciiTable)
    }

    /// Lengths of the axes, NAXIS1 first.
    pub fn axes(&self) -> Vec<i64> {
        let count = self.card("NAXIS").and_then(Card::as_integer).unwrap_or(0).clamp(0, 999);
        (1..=count).filter_map(|n| self.card(&format!("NAXIS{n}")).and_then(Card::as_integer)).collect()
    }

    /// The columns of a table, `None` for images or when the data are cut off or above the memory limit.
    pub fn table(&self) -> Option<&Table> {
        self.table.get_or_init(|| if self.skipped { None } else { table::read(self) }).as_ref()
    }

    /// Fails for a table that is there but was not read, because the tables of this file are larger than any real ones.
    ///
    /// # Errors
    ///
    /// [`FitsError::TablesTooLarge`].
    pub fn readable(&self, index: usize) -> Result<(), FitsError> {
        if self.skipped {
            return Err(FitsError::TablesTooLarge { hdu: index, bytes: TABLES_LIMIT, cells: CELLS_LIMIT });
        }
        Ok(())
    }

    /// Where the HDU ends, its data padded to whole blocks: bytes from the start of the file.
    pub fn end(&self) -> u64 {
        self.data_start.saturating_add(self.data_len.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64))
    }

    /// Fails if the file ends before the data that this header promises.
    ///
    /// # Errors
    ///
    /// [`FitsError::Truncated`].
    pub fn complete(&self, index: usize) -> Result<(), FitsError> {
        if self.data_have < self.data_len {
            return Err(FitsError::Truncated { hdu: index, have: self.data_have, want: self.data_len });
        }
        Ok(())
    }
}

/// Reads all HDUs of `bytes`.
///
/// # Errors
///
/// [`FitsError`] for anything whose headers cannot be read; missing data are told by [`Hdu::complete`].
pub fn read(bytes: &[u8]) -> Result<Vec<Hdu>, FitsError> {
    read_from(&mut std::io::Cursor::new(bytes), "(memory)")
}

/// Reads all HDUs of a file; memory stays bounded whatever its size.
///
/// # Errors
///
/// As [`read`], or [`FitsError::Io`].
pub fn read_file(path: &Path) -> Result<Vec<Hdu>, FitsError> {
    let shown = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|source| FitsError::Io { path: shown.clone(), source })?;
    read_from(&mut std::io::BufReader::new(file), &shown)
}

fn read_from<R: Read + Seek>(input: &mut R, path: &str) -> Result<Vec<Hdu>, FitsError> {
    let io = |source| FitsError::Io { path: path.to_owned(), source };
    let total = input.seek(SeekFrom::End(0)).map_err(io)?;
    input.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut hdus = Vec::new();
    let mut position = 0u64;
    let mut headers = 0usize;
    let (mut table_bytes, mut cells) = (0u64, 0u64);
    while position < total {
        let index = hdus.len();
        if index >= HDU_LIMIT {
            return Err(FitsError::TooManyHdus { limit: HDU_LIMIT });
        }
        let Some((cards, header_len)) = read_header(input, index, path)? else { break };
        headers = headers.saturating_add(cards.len().saturating_mul(CARD));
        if headers > HEADERS_LIMIT {
            return Err(FitsError::HeadersTooLong { limit: HEADERS_LIMIT });
        }
        let kind = kind_of(&cards, index)?;
        let data_start = position + header_len;
        let data_len = data_length(&cards, index)?;
        let padded = data_len.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        let end = data_start.saturating_add(padded);
        let data_have = total.saturating_sub(data_start).min(data_len);
        let mut data = Vec::new();
        let mut skipped = false;
        if matches!(kind, HduKind::BinaryTable | HduKind::AsciiTable) {
            table_bytes = table_bytes.saturating_add(data_have);
            cells = cells.saturating_add(cell_count(&cards));
            skipped = table_bytes > TABLES_LIMIT || cells > CELLS_LIMIT;
            if !skipped {
                // `take` bounds the read by what is really there, never by what the header claims.
                input.by_ref().take(data_have).read_to_end(&mut data).map_err(io)?;
            }
        }
        let table = OnceLock::new();
        hdus.push(Hdu { kind, cards, data, skipped, table, data_start, data_len, data_have });
        position = end;
        if position < total {
            input.seek(SeekFrom::Start(position)).map_err(io)?;
        }
    }
    if hdus.is_empty() { Err(FitsError::Empty) } else { Ok(hdus) }
}

/// Reads one header; `None` when only padding or foreign bytes follow the last HDU.
fn read_header<R: Read>(input: &mut R, hdu: usize, path: &str) -> Result<Option<(Vec<Card>, u64)>, FitsError> {
    let mut raw: Vec<[u8; CARD]> = Vec::new();
    let mut length = 0usize;
    loop {
        let mut block = [0u8; BLOCK];
        let got = fill(input, &mut block).map_err(|source| FitsError::Io { path: path.to_owned(), source })?;
        if got == 0 && length > 0 {
            return Err(FitsError::NoEnd);
        }
        if length == 0 {
            let first = &block[..got.min(8)];
            match (hdu, first) {
                (0, []) => return Err(FitsError::Empty),
                (0, b"SIMPLE  ") => {}
                (0, _) => return Err(FitsError::NoSimple),
                (_, b"XTENSION") => {}
                _ => return Ok(None),
            }
        }
        if got < BLOCK {
            // The last block is no whole one: the library finds nothing that it could call a file.
            return Err(if hdu == 0 { FitsError::Ragged { size: length + got } } else { FitsError::NoEnd });
        }
        length += BLOCK;
        if length > HEADER_LIMIT {
            return Err(FitsError::HeaderTooLong { hdu, limit: HEADER_LIMIT });
        }
        for chunk in block.as_chunks::<CARD>().0 {
            if chunk.starts_with(b"END     ") {
                return Ok(Some((parse_cards(&raw)?, length as u64)));
            }
            raw.push(*chunk);
        }
    }
}

fn fill<R: Read>(input: &mut R, block: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < block.len() {
        match input.read(&mut block[got..])? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

fn kind_of(cards: &[Card], hdu: usize) -> Result<HduKind, FitsError> {
    if hdu == 0 {
        return Ok(HduKind::Primary);
    }
    match cards.first().and_then(Card::as_text) {
        Some("IMAGE") => Ok(HduKind::Image),
        Some("BINTABLE" | "A3DTABLE") => Ok(HduKind::BinaryTable),
        Some("TABLE") => Ok(HduKind::AsciiTable),
        Some(_) => Ok(HduKind::Other),
        None => Err(FitsError::Structure { hdu, what: "XTENSION is no text".into() }),
    }
}

/// Rows times columns of a table, as its header states them; a column without width costs memory all the same.
fn cell_count(cards: &[Card]) -> u64 {
    let stated = |keyword: &str| {
        let number = cards.iter().find(|c| c.keyword == keyword).and_then(Card::as_integer);
        number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
    };
    stated("NAXIS2").saturating_mul(stated("TFIELDS"))
}

/// `|BITPIX| / 8 * GCOUNT * (PCOUNT + NAXIS1 * ...)`, the size of the data in bytes.
fn data_length(cards: &[Card], hdu: usize) -> Result<u64, FitsError> {
    let integer = |keyword: &str| cards.iter().find(|c| c.keyword == keyword).and_then(Card::as_integer);
    let naxis = integer("NAXIS").unwrap_or(0);
    if naxis == 0 {
        return Ok(0);
    }
    let broken = |what: &str| FitsError::Structure { hdu, what: what.to_owned() };
    if !(0..=999).contains(&naxis) {
        return Err(broken("NAXIS is not in 0..999"));
    }
    let bitpix = integer("BITPIX").ok_or_else(|| broken("BITPIX is missing"))?;
    if !matches!(bitpix, 8 | 16 | 32 | 64 | -32 | -64) {
        return Err(broken("BITPIX is none of 8, 16, 32, 64, -32, -64"));
    }
    let mut elements = 1u64;
    let groups = hdu == 0 && integer("NAXIS1") == Some(0) && naxis > 1;
    for n in 1..=naxis {
        let axis = integer(&format!("NAXIS{n}")).ok_or_else(|| broken(&format!("NAXIS{n} is missing")))?;
        let axis = u64::try_from(axis).map_err(|_| broken(&format!("NAXIS{n} is negative")))?;
        if !(groups && n == 1) {
            elements = elements.checked_mul(axis).ok_or_else(|| broken("the axes overflow"))?;
        }
    }
    let pcount = u64::try_from(integer("PCOUNT").unwrap_or(0)).map_err(|_| broken("PCOUNT is negative"))?;
    let gcount = u64::try_from(integer("GCOUNT").unwrap_or(1)).map_err(|_| broken("GCOUNT is negative"))?;
    elements
        .checked_add(pcount)
        .and_then(|n| n.checked_mul(gcount))
        .and_then(|n| n.checked_mul(bitpix.unsigned_abs() / 8))
        .ok_or_else(|| broken("the size of the data overflows"))
}

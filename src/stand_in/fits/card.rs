//! One header card: keyword, value, comment.

use super::FitsError;

/// Value of a card, already in the form in which Python prints it.
#[derive(Clone, Debug, PartialEq)]
pub enum CardValue {
    /// `T` or `F`.
    Logical(bool),
    /// An integer, decimal text without leading zeros.
    Integer(String),
    /// A floating point number.
    Float(f64),
    /// A complex number, as Python prints it.
    Complex(String),
    /// A text without its trailing blanks.
    Text(String),
    /// `KEY     =` without a value.
    Undefined,
    /// COMMENT, HISTORY, blank and other cards without value indicator: their text.
    Commentary(String),
}

/// One card, CONTINUE cards joined.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// Keyword, upper case; empty for blank cards.
    pub keyword: String,
    /// Its value.
    pub value: CardValue,
    /// Its comment.
    pub comment: String,
}

impl Card {
    /// A card with a text value.
    pub fn text(keyword: &str, value: &str) -> Self {
        Self { keyword: keyword.to_owned(), value: CardValue::Text(value.to_owned()), comment: String::new() }
    }

    /// The value as Python's `str` gives it (RD 1.1).
    pub fn value_text(&self) -> String {
        match &self.value {
            CardValue::Logical(true) => "True".into(),
            CardValue::Logical(false) => "False".into(),
            CardValue::Integer(digits) | CardValue::Complex(digits) => digits.clone(),
            CardValue::Float(number) => python_float(*number),
            CardValue::Text(text) | CardValue::Commentary(text) => text.clone(),
            // The client really puts the address of an object there; any address will do.
            CardValue::Undefined => "<astropy.io.fits.card.Undefined object at 0x7f0000000000>".into(),
        }
    }

    /// The integer value, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match &self.value {
            CardValue::Integer(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The text value, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            CardValue::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Python's `str` of a float: the shortest digits that read back, fixed notation from 1e-4 up to 1e16.
pub fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if number == 0.0 {
        return if number.is_sign_negative() { "-0.0".into() } else { "0.0".into() };
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let fixed = format!("{number}");
        return if fixed.contains('.') { fixed } else { format!("{fixed}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Parses the 80-byte cards of one header (without END) into cards.
///
/// # Errors
///
/// [`FitsError::Unparsable`] if a card with a value indicator has a value of no valid form.
pub(super) fn parse_cards(raw: &[[u8; super::CARD]]) -> Result<Vec<Card>, FitsError> {
    let mut cards: Vec<Card> = Vec::with_capacity(raw.len());
    let mut open_string = false; // the previous card's text ended in `&`
    for bytes in raw {
        let line: String = bytes.iter().map(|&b| if (0x20..0x7f).contains(&b) { b as char } else { '?' }).collect();
        let keyword = line[..8].trim_end().to_ascii_uppercase();
        if keyword == "CONTINUE"
            && open_string
            && let (Some(previous), Some((text, comment))) = (cards.last_mut(), quoted(line[8..].trim_start()))
        {
            if let CardValue::Text(sofar) = &mut previous.value {
                sofar.pop();
                sofar.push_str(&text);
                open_string = text.ends_with('&');
                if !open_string {
                    *sofar = sofar.trim_end().to_owned();
                }
            }
            if !comment.is_empty() {
                if !previous.comment.is_empty() {
                    previous.comment.push(' ');
                }
                previous.comment.push_str(&comment);
            }
            continue;
        }
        open_string = false;
        let card = if keyword == "HIERARCH" && line.contains('=') {
            hierarch(&line)?
        } else if line.as_bytes()[8] == b'=' && !matches!(keyword.as_str(), "COMMENT" | "HISTORY" | "") {
            let (value, comment) = value_of(&line[9..], &keyword)?;
            Card { keyword, value, comment }
        } else {
            Card { keyword, value: CardValue::Commentary(line[8..].trim_end().to_owned()), comment: String::new() }
        };
        if let CardValue::Text(text) = &card.value {
            open_string = text.ends_with('&');
        }
        cards.push(card);
    }
    Ok(cards)
}

/// ESO's long keywords: `HIERARCH A B C = value`.
fn hierarch(line: &str) -> Result<Card, FitsError> {
    let (name, rest) = line[8..].split_once('=').unwrap_or((&line[8..], ""));
    let keyword = name.trim().to_ascii_uppercase();
    let (value, comment) = value_of(rest, &keyword)?;
    Ok(Card { keyword, value, comment })
}

/// Value and comment of the text after `=`.
fn value_of(field: &str, keyword: &str) -> Result<(CardValue, String), FitsError> {
    let field = field.trim_start();
    if field.starts_with('\'') {
        let (text, comment) = quoted(field).ok_or_else(|| FitsError::Unparsable { keyword: keyword.to_owned() })?;
        return Ok((CardValue::Text(text.trim_end().to_owned()), comment));
    }
    let (token, comment) = match field.find('/') {
        Some(slash) => (field[..slash].trim(), field[slash + 1..].trim().to_owned()),
        None => (field.trim(), String::new()),
    };
    let value = match token {
        "" => CardValue::Undefined,
        "T" => CardValue::Logical(true),
        "F" => CardValue::Logical(false),
        _ => number(token).ok_or_else(|| FitsError::Unparsable { keyword: keyword.to_owned() })?,
    };
    Ok((value, comment))
}

/// A quoted text: its content (doubled quotes undone) and the comment behind it; `None` without closing quote.
fn quoted(field: &str) -> Option<(String, String)> {
    let inner = field.strip_prefix('\'')?;
    let mut text = String::new();
    let mut rest = inner.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        if c != '\'' {
            text.push(c);
        } else if rest.peek().is_some_and(|&(_, next)| next == '\'') {
            rest.next();
            text.push('\'');
        } else {
            let tail = inner[at + 1..].trim_start();
            let comment = tail.strip_prefix('/').unwrap_or("").trim().to_owned();
            return Some((text, comment));
        }
    }
    None
}

/// An integer, float (exponent letter E or D in either case) or complex number.
fn number(token: &str) -> Option<CardValue> {
    if let Some(parts) = token.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        let (re, im) = parts.split_once(',')?;
        let (re, im) = (float(re.trim())?, float(im.trim())?);
        let sign = if im.is_sign_negative() { "" } else { "+" };
        return Some(CardValue::Complex(format!("({}{sign}{}j)", short(re), short(im))));
    }
    // Blanks within numbers are allowed by the standard and removed by the library.
    let compact: String = token.chars().filter(|c| *c != ' ').collect();
    let digits = compact.strip_prefix(['+', '-']).unwrap_or(&compact);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let trimmed = digits.trim_start_matches('0');
        let negative = compact.starts_with('-') && !trimmed.is_empty();
        let body = if trimmed.is_empty() { "0" } else { trimmed };
        return Some(CardValue::Integer(if negative { format!("-{body}") } else { body.to_owned() }));
    }
    float(&compact).map(CardValue::Float)
}

fn short(number: f64) -> String {
    let text = python_float(number);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn float(token: &str) -> Option<f64> {
    let body = token.strip_prefix(['+', '-']).unwrap_or(token);
    let valid = body.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b'E' | b'D' | b'e' | b'd'))
        && body.bytes().any(|b| b.is_ascii_digit());
    if !valid {
        return None;
    }
    token.replace(['D', 'd', 'e'], "E").parse().ok()
}

//! The rewriting of a file that gets a new name on submission (RD 6.3).

use super::write::{pad, put_card};
use super::{BLOCK, Card, CardValue, FitsError, read};

/// Returns the file as the server stores it under `new`: FILENAME and ROOTNAME of the primary header say the new name, a
/// HISTORY card `<old> renamed to <new> on <Mon> <d> <yyyy>` tells of it. Everything else stays, byte for byte.
///
/// # Errors
///
/// [`FitsError`] if the file cannot be read or lacks data that its headers promise.
pub fn rename(bytes: &[u8], old: &str, new: &str, date: jiff::civil::Date) -> Result<Vec<u8>, FitsError> {
    let hdus = read(bytes)?;
    for (index, hdu) in hdus.iter().enumerate() {
        hdu.complete(index)?;
    }
    let primary = &hdus[0];
    let stem = new.rsplit_once('.').map_or(new, |(stem, _)| stem);
    let mut header = Vec::new();
    let (mut named, mut rooted) = (false, false);
    for card in &primary.cards {
        let value = match card.keyword.as_str() {
            "FILENAME" => {
                named = true;
                Some(new.to_owned())
            }
            "ROOTNAME" => {
                rooted = true;
                Some(stem.to_uppercase())
            }
            _ => None,
        };
        match value {
            Some(text) => put_card(&Card { value: CardValue::Text(text), ..card.clone() }, &mut header),
            None => put_card(card, &mut header),
        }
    }
    if !named {
        put_card(&Card::text("FILENAME", new), &mut header);
    }
    if !rooted {
        put_card(&Card::text("ROOTNAME", &stem.to_uppercase()), &mut header);
    }
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = usize::try_from(date.month() - 1).ok().and_then(|n| months.get(n)).copied().unwrap_or("Jan");
    let history = format!("{old} renamed to {new} on {month} {} {}", date.day(), date.year());
    put_card(
        &Card { keyword: "HISTORY".into(), value: CardValue::Commentary(history), comment: String::new() },
        &mut header,
    );
    header.extend(format!("{:<80}", "END").bytes());
    pad(&mut header, b' ');
    let data_start = usize::try_from(primary.data_start).unwrap_or(usize::MAX).min(bytes.len());
    let mut out = header;
    out.extend_from_slice(&bytes[data_start..]);
    if !out.len().is_multiple_of(BLOCK) {
        pad(&mut out, 0);
    }
    Ok(out)
}

//! Samples damaged at random, for the property tests of everything that reads text from outside.

use proptest::prelude::*;

/// What is put into a sample: what ends, opens, hides, turns or is too large.
const NASTY: [&str; 24] = [
    "\0",
    "\r",
    "\n",
    "\r\n",
    "\t",
    "\u{1b}[2J",
    "\u{202e}",
    "ß",
    "\u{fffd}",
    "'",
    "\"",
    "`",
    "\\",
    "%",
    "=",
    " ",
    "(",
    ")",
    "[[[[[[[[",
    "{\"",
    "-1",
    "NULL",
    "18446744073709551616",
    "99999999999999999999999999999999",
];

/// One damage; places are in parts of the length.
#[derive(Clone, Debug)]
enum Damage {
    Cut(f64),
    Remove(f64, usize),
    Repeat(f64, usize),
    Insert(f64, &'static str),
    Byte(f64, u8),
    Number(f64, &'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0.0..1.0f64;
    prop_oneof![
        at.clone().prop_map(Damage::Cut),
        (at.clone(), 1..80usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        (at.clone(), 1..80usize).prop_map(|(at, len)| Damage::Repeat(at, len)),
        (at.clone(), proptest::sample::select(&NASTY[..])).prop_map(|(at, text)| Damage::Insert(at, text)),
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (at, proptest::sample::select(&NASTY[20..])).prop_map(|(at, text)| Damage::Number(at, text)),
    ]
}

impl Damage {
    fn place(part: f64, bytes: &[u8]) -> usize {
        (part * bytes.len() as f64) as usize
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Cut(at) => bytes.truncate(Self::place(*at, bytes)),
            Self::Remove(at, len) => {
                let at = Self::place(*at, bytes);
                bytes.drain(at..(at + len).min(bytes.len()));
            }
            Self::Repeat(at, len) => {
                let at = Self::place(*at, bytes);
                let piece = bytes[at..(at + len).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            Self::Insert(at, text) => {
                let at = Self::place(*at, bytes);
                bytes.splice(at..at, text.bytes());
            }
            Self::Byte(at, byte) => {
                let at = Self::place(*at, bytes);
                if let Some(there) = bytes.get_mut(at) {
                    *there = *byte;
                }
            }
            Self::Number(at, text) => {
                let from = Self::place(*at, bytes);
                let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) else { return };
                let len = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                bytes.splice(start..start + len, text.bytes());
            }
        }
    }
}

/// The bytes of a sample with one to four damages.
pub(crate) fn bytes(sample: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(damage(), 1..=4).prop_map(move |damages| {
        let mut bytes = sample.to_vec();
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        bytes
    })
}

/// As [`bytes`], as text; what is no UTF-8 becomes U+FFFD, as it does in what a host answers.
pub(crate) fn text(sample: &'static str) -> impl Strategy<Value = String> {
    bytes(sample.as_bytes()).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

//! Short texts as numbers: their first and their last eight bytes, which tell texts of up to sixteen bytes apart.

/// The first and the last eight bytes of a text; of a shorter one twice all of it, padded with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ends {
    first: u64,
    last: u64,
}

/// Up to so many bytes, ends and length tell texts apart.
pub(super) const TOLD_APART: usize = 16;

/// Per length: the bytes of a word that belong to a text of that length.
const OWN: [u64; 9] =
    [0, 0xff, 0xffff, 0xff_ffff, u32::MAX as u64, u64::MAX >> 24, u64::MAX >> 16, u64::MAX >> 8, u64::MAX];

impl Ends {
    /// The ends of the text of `len` bytes that `bytes` begin with; quickest where eight bytes or more are there.
    #[inline(always)]
    pub(super) fn of(bytes: &[u8], len: usize) -> Self {
        let own = OWN[len.min(8)];
        Self { first: word(bytes, 0) & own, last: word(bytes, len.saturating_sub(8)) & own }
    }

    /// A hash of such a text; its upper bits are good.
    #[inline(always)]
    pub(super) fn hash(self, len: usize) -> u64 {
        (self.first ^ self.last.rotate_left(29) ^ ((len as u64) << 59)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8) {
        Some(&[a, b, c, d, e, f, g, h]) => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => last_word(bytes, at),
    }
}

/// Eight bytes, those beyond the end as zeros.
#[cold]
fn last_word(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    let rest = &bytes[at.min(bytes.len())..];
    let len = rest.len().min(8);
    eight[..len].copy_from_slice(&rest[..len]);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_sixteen_bytes_are_told_apart_by_ends_and_length() {
        let text = b"abcdefghijklmnopqrstuvwx";
        for len in 0..=TOLD_APART {
            let whole = Ends::of(text, len);
            // What stands behind the text does not matter, and neither does whether anything does.
            assert_eq!(Ends::of(&text[..len], len), whole);
            for at in 0..len {
                let mut other = *text;
                other[at] = b'X';
                assert_ne!(Ends::of(&other, len), whole, "{at} of {len}");
            }
        }
    }
}

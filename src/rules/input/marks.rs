//! Where quotes, backslashes and control characters stand in a text: found sixty-four bytes at a time, before anything
//! is read.

/// The places of one text, in ascending order, and how far a reader has come.
#[derive(Debug, Default)]
pub struct Marks {
    places: Vec<u32>,
    next: usize,
    ascii: bool,
}

/// Behind the last place; no text is that long.
const END: u32 = u32::MAX;

impl Marks {
    /// Looks through a text, and forgets the one before. The text must be shorter than 4 GiB.
    pub fn find(&mut self, bytes: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("popcnt") {
            // SAFETY: the processor has just been asked.
            unsafe { self.find_with_avx2(bytes) };
            return;
        }
        self.find_with(bytes, masks);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,popcnt")]
    fn find_with_avx2(&mut self, bytes: &[u8]) {
        self.find_with(bytes, |block| avx2_masks(block));
    }

    #[inline(always)]
    fn find_with(&mut self, bytes: &[u8], masks: impl Fn(&[u8; 64]) -> (u64, u64)) {
        self.next = 0;
        let mut high = 0_u64;
        let mut count = 0;
        let mut base = 0_u32;
        let (blocks, rest) = bytes.as_chunks::<64>();
        for block in blocks {
            let (mask, block_high) = masks(block);
            high |= block_high;
            self.note(&mut count, base, mask);
            base += 64;
        }
        let mut last = [b' '; 64];
        last[..rest.len()].copy_from_slice(rest);
        let (mask, block_high) = masks(&last);
        self.note(&mut count, base, mask);
        // So that a reader may look a few places ahead without asking whether there are any.
        self.note(&mut count, END - 63, 1 << 63);
        let end = self.places[count - 1];
        self.places[count..count + 4].fill(end);
        self.ascii = high | block_high == 0;
    }

    #[inline(always)]
    fn note(&mut self, count: &mut usize, base: u32, mut mask: u64) {
        if self.places.len() < *count + 64 {
            self.places.resize(*count * 2 + 128, 0);
        }
        let room = &mut self.places[*count..*count + 64];
        let found = mask.count_ones() as usize;
        // What is noted too much is overwritten; a loop that ends where the marks end is hard to foretell.
        for (at, some) in room.chunks_exact_mut(16).enumerate() {
            if at > 0 && found <= at * 16 {
                break;
            }
            for place in some {
                *place = base.wrapping_add(mask.trailing_zeros());
                mask &= mask.wrapping_sub(1);
            }
        }
        *count += found;
    }

    /// Whether the text has no byte beyond ASCII.
    pub fn is_ascii(&self) -> bool {
        self.ascii
    }

    /// Moves to the first place not before `at`.
    #[inline]
    pub fn seek(&mut self, at: usize) {
        while (self.places[self.next] as usize) < at {
            self.next += 1;
        }
    }

    /// The next four places; behind the last ones stand numbers beyond every text.
    #[inline(always)]
    pub fn four(&self) -> [usize; 4] {
        match self.places.get(self.next..self.next + 4) {
            Some(&[one, two, three, four]) => [one as usize, two as usize, three as usize, four as usize],
            _ => [END as usize; 4],
        }
    }

    /// The next places and some more; those of the text end with a few numbers beyond every text.
    #[inline]
    pub fn rest(&self) -> &[u32] {
        &self.places[self.next..]
    }

    /// Moves on by `n` places that [`Marks::four`] or [`Marks::rest`] has shown to be there.
    #[inline]
    pub fn skip(&mut self, n: usize) {
        self.next += n;
    }
}

/// One bit per byte of a block of 64: quotes, backslashes, control characters; and something that is not 0 where a byte
/// is not ASCII.
#[cfg(target_arch = "x86_64")]
#[inline]
fn masks(block: &[u8; 64]) -> (u64, u64) {
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { sse2_masks(block) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn sse2_masks(block: &[u8; 64]) -> (u64, u64) {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    let (mut marks, mut high) = (0, 0);
    for (n, part) in block.as_chunks::<16>().0.iter().enumerate() {
        // SAFETY: a part has sixteen bytes, and they need not be aligned.
        let text = unsafe { _mm_loadu_si128(part.as_ptr().cast()) };
        let quote = _mm_cmpeq_epi8(text, _mm_set1_epi8(b'"' as i8));
        let slash = _mm_cmpeq_epi8(text, _mm_set1_epi8(b'\\' as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(text, _mm_set1_epi8(0x1f)), text);
        let any = _mm_or_si128(_mm_or_si128(quote, slash), control);
        marks |= u64::from(_mm_movemask_epi8(any) as u32) << (16 * n);
        high |= _mm_movemask_epi8(text) as u32;
    }
    (marks, u64::from(high))
}

/// The same with wider registers.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn avx2_masks(block: &[u8; 64]) -> (u64, u64) {
    use std::arch::x86_64::{
        _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    };
    let (mut marks, mut high) = (0, 0);
    for (n, part) in block.as_chunks::<32>().0.iter().enumerate() {
        // SAFETY: a part has thirty-two bytes, and they need not be aligned.
        let text = unsafe { _mm256_loadu_si256(part.as_ptr().cast()) };
        let quote = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'"' as i8));
        let slash = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'\\' as i8));
        let control = _mm256_cmpeq_epi8(_mm256_min_epu8(text, _mm256_set1_epi8(0x1f)), text);
        let any = _mm256_or_si256(_mm256_or_si256(quote, slash), control);
        marks |= u64::from(_mm256_movemask_epi8(any) as u32) << (32 * n);
        high |= _mm256_movemask_epi8(text) as u32;
    }
    (marks, u64::from(high))
}

#[cfg(not(target_arch = "x86_64"))]
use plain_masks as masks;

/// The same eight bytes at a time, for machines without vectors.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain_masks(block: &[u8; 64]) -> (u64, u64) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The highest bit of each byte that is zero; exact, as no carry leaves a byte.
    let zeros = |word: u64| !(((word & !HIGHS) + !HIGHS) | word | !HIGHS);
    let (mut marks, mut high) = (0, 0);
    for (n, part) in block.chunks_exact(8).take(8).enumerate() {
        let word = u64::from_le_bytes(std::array::from_fn(|n| part[n]));
        let control = !(((word & !HIGHS) + ONES * 0x60) | word) & HIGHS;
        let hits = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) | control;
        marks |= ((hits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * n);
        high |= word & HIGHS;
    }
    (marks, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_seen_for_what_it_is() {
        let special = |byte: u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let mut seed = 1_u64;
        for length in 0..400 {
            let text: Vec<u8> = (0..length)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    // Mostly bytes near the borders.
                    [b'"', b'!', b'#', b'\\', 0x1f, 0x20, 0, 0x80, 0x9f, 0xa2, 0xff, (seed >> 56) as u8, b'A', b'B']
                        [(seed >> 33) as usize % 14]
                })
                .collect();
            let mut marks = Marks::default();
            marks.find(&text);
            let want: Vec<usize> = (0..text.len()).filter(|at| special(text[*at])).collect();
            let mut got = Vec::new();
            marks.seek(0);
            while marks.four()[0] < text.len() {
                got.push(marks.four()[0]);
                marks.skip(1);
            }
            assert_eq!(got, want);
            assert_eq!(marks.is_ascii(), text.is_ascii());
            for block in text.as_chunks::<64>().0 {
                let (plain, plain_high) = plain_masks(block);
                let (marks, high) = masks(block);
                assert_eq!((marks, high == 0), (plain, plain_high == 0));
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has just been asked.
                    let (marks, high) = unsafe { avx2_masks(block) };
                    assert_eq!((marks, high == 0), (plain, plain_high == 0));
                }
            }
        }
    }

    #[test]
    fn seeking_goes_forward_to_the_next_place() {
        let mut marks = Marks::default();
        marks.find(b"..\"..\\..\n..");
        marks.seek(3);
        assert_eq!(marks.four()[..2], [5, 8]);
        marks.seek(9);
        assert!(marks.four().iter().all(|place| *place > 1000));
    }
}

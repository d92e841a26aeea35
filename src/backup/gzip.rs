//! Whole or not: gzip files and the tar archives in them.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::archive::hex;

/// Most bytes that are unpacked; a longer stream is refused rather than trusted.
pub const MAX_UNPACKED: u64 = 8 << 30;

/// Bytes that a file of any size may unpack to, and how many times its size a larger one: text unpacks to ten times, a
/// bomb to a thousand times.
const SMALL: u64 = 64 << 20;
const MOST_RATIO: u64 = 100;

fn most(packed: &[u8]) -> u64 {
    (packed.len() as u64).saturating_mul(MOST_RATIO).clamp(SMALL, MAX_UNPACKED)
}

/// Most members that are listed.
const MAX_MEMBERS: usize = 2_000_000;

/// Why a compressed file is not whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GzipError {
    /// It does not unpack to its end.
    #[error("the gzip stream is broken after {after} bytes: {why}")]
    Broken {
        /// Unpacked bytes before.
        after: u64,
        /// Why.
        why: String,
    },
    /// It unpacks to more than a file of its size can hold, or to more than [`MAX_UNPACKED`].
    #[error("{packed} bytes of it unpack to more than {most} bytes")]
    TooLarge {
        /// Its own bytes.
        packed: usize,
        /// The bound.
        most: u64,
    },
    /// The archive inside is broken.
    #[error("the archive is broken after {after} members: {why}")]
    Archive {
        /// Members before.
        after: usize,
        /// Why.
        why: String,
    },
    /// Bytes follow the end of the gzip stream.
    #[error("bytes that belong to no gzip stream follow its end")]
    Trailing,
}

/// Unpacks a gzip file to its very end, which checks its checksums.
///
/// # Errors
///
/// [`GzipError`].
pub fn unpack(bytes: &[u8]) -> Result<Vec<u8>, GzipError> {
    let mut out = Vec::new();
    each_piece(bytes, |piece| out.extend_from_slice(piece))?;
    Ok(out)
}

/// Unpacks to the very end, piece by piece.
fn each_piece(bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), GzipError> {
    let most = most(bytes);
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut piece = vec![0; 1 << 16];
    let mut after = 0;
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                after += count as u64;
                if after > most {
                    return Err(GzipError::TooLarge { packed: bytes.len(), most });
                }
                take(&piece[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(after, bytes, &error)),
        }
    }
}

fn broken(after: u64, bytes: &[u8], error: &io::Error) -> GzipError {
    if after > 0 && error.kind() == io::ErrorKind::InvalidInput && !bytes.is_empty() {
        return GzipError::Trailing;
    }
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends too soon".to_owned(),
        _ => error.to_string(),
    };
    GzipError::Broken { after, why }
}

/// SHA-256 of the plain files in a gzipped tar archive, by name.
///
/// # Errors
///
/// [`GzipError`].
pub fn member_hashes(bytes: &[u8]) -> Result<BTreeMap<String, String>, GzipError> {
    let fail = |after, why: String| GzipError::Archive { after, why };
    let mut archive = tar::Archive::new(MultiGzDecoder::new(bytes));
    let mut hashes = BTreeMap::new();
    for entry in archive.entries().map_err(|error| fail(0, error.to_string()))? {
        let mut entry = entry.map_err(|error| fail(hashes.len(), error.to_string()))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| fail(hashes.len(), error.to_string()))?;
        hashes.insert(name, hex(&Sha256::digest(&bytes)));
        if hashes.len() > MAX_MEMBERS {
            return Err(fail(hashes.len(), "more members than a server can have".into()));
        }
    }
    Ok(hashes)
}

/// Names of the members of a gzipped tar archive, read to its very end.
///
/// # Errors
///
/// [`GzipError`]; an archive without its end mark is broken.
pub fn members(bytes: &[u8]) -> Result<Vec<String>, GzipError> {
    let fail = |after, why: String| GzipError::Archive { after, why };
    // Two zero blocks end an archive; without them it was cut at a block's end, which no reader notices.
    let mut zeros = 0;
    each_piece(bytes, |piece| {
        let trailing = piece.iter().rev().take_while(|byte| **byte == 0).count();
        zeros = if trailing == piece.len() { zeros + trailing } else { trailing };
    })?;
    if zeros < 1024 {
        return Err(fail(0, "its end mark is missing".into()));
    }
    // Unpacked once more: an archive is larger than what should be kept at once.
    let mut archive = tar::Archive::new(MultiGzDecoder::new(bytes));
    let mut names = Vec::new();
    for entry in archive.entries().map_err(|error| fail(0, error.to_string()))? {
        let mut entry = entry.map_err(|error| fail(names.len(), error.to_string()))?;
        let name = entry.path_bytes().into_owned();
        io::copy(&mut entry, &mut io::sink()).map_err(|error| fail(names.len(), error.to_string()))?;
        names.push(String::from_utf8_lossy(&name).into_owned());
        if names.len() > MAX_MEMBERS {
            return Err(fail(names.len(), "more members than a server can have".into()));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_size(3);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, &b"abc"[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn whole_archives_are_listed() {
        let bytes = gz(&archive(&["catalogs/a.cat", "catalogs/b.cat"]));
        assert_eq!(members(&bytes).unwrap(), ["catalogs/a.cat", "catalogs/b.cat"]);
        assert_eq!(members(&gz(&archive(&[]))).unwrap(), [""; 0]);
    }

    #[test]
    fn members_are_told_apart_by_their_bytes() {
        let bytes = gz(&archive(&["mappings/a", "mappings/b"]));
        let hashes = member_hashes(&bytes).unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((hashes.len(), hashes["mappings/a"].as_str(), hashes["mappings/b"].as_str()), (2, abc, abc));
        assert!(member_hashes(b"not gzip at all").is_err());
    }

    #[test]
    fn a_file_cut_anywhere_is_broken() {
        let bytes = gz(&archive(&["catalogs/a.cat"]));
        for at in [0, 1, 10, bytes.len() / 2, bytes.len() - 1] {
            assert!(members(&bytes[..at]).is_err(), "cut at {at}");
        }
        let tar = archive(&["a", "b"]);
        assert!(members(&gz(&tar[..1024])).is_err(), "an archive cut at a block's end");
        assert!(unpack(b"not gzip at all").is_err());
    }

    proptest::proptest! {
        #[test]
        fn one_changed_byte_is_noticed(at in 0usize..200, flip in 1u8..=255) {
            let bytes = gz(b"some text that is long enough to be worth compressing, some text that is long enough");
            let at = 10 + at % (bytes.len() - 10); // the header's time and system are not checked by any checksum
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            let same = unpack(&changed).is_ok_and(|out| out == unpack(&bytes).unwrap());
            proptest::prop_assert!(unpack(&changed).is_err() || same);
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let zeros = vec![0; 1 << 20];
        (0..200).for_each(|_| encoder.write_all(&zeros).unwrap());
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 1 << 20);
        for error in [unpack(&bomb).map(drop), members(&bomb).map(drop)].map(Result::unwrap_err) {
            assert!(matches!(error, GzipError::TooLarge { .. }), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_archive_is_broken_or_lists_names(bytes in crate::mangled::bytes(&[0; 2048]), at in 0..3usize) {
            let mut tar = archive(&["catalogs/a.cat", "catalogs/b.cat"]);
            tar.splice(at * 512..at * 512, bytes);
            match members(&gz(&tar)) {
                Ok(names) => proptest::prop_assert!(names.len() <= 2, "{:?}", names),
                Err(error) => proptest::prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}

//! Whole or not: gzip files and the tar archives in them.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

/// Most bytes that are unpacked; a longer stream is refused rather than trusted.
pub const MAX_UNPACKED: u64 = 8 << 30;

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
    /// It unpacks to more than [`MAX_UNPACKED`].
    #[error("it unpacks to more than {MAX_UNPACKED} bytes")]
    TooLarge,
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
    let mut decoder = MultiGzDecoder::new(bytes).take(MAX_UNPACKED + 1);
    let result = decoder.read_to_end(&mut out);
    if out.len() as u64 > MAX_UNPACKED {
        return Err(GzipError::TooLarge);
    }
    match result {
        Ok(_) => Ok(out),
        Err(error) => Err(broken(out.len() as u64, bytes, &error)),
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

/// Names of the members of a gzipped tar archive, read to its very end.
///
/// # Errors
///
/// [`GzipError`]; an archive without its end mark is broken.
pub fn members(bytes: &[u8]) -> Result<Vec<String>, GzipError> {
    let tar = unpack(bytes)?;
    let fail = |after, why: String| GzipError::Archive { after, why };
    // Two zero blocks end an archive; without them it was cut at a block's end, which no reader notices.
    if tar.len() < 1024 || tar[tar.len() - 1024..].iter().any(|b| *b != 0) {
        return Err(fail(0, "its end mark is missing".into()));
    }
    let mut archive = tar::Archive::new(tar.as_slice());
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
}

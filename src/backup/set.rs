//! Judging a set of backups: SO 11's list of eight as functions over bytes that were fetched before.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use serde::Serialize;

use super::dump::DumpFacts;
use super::gzip;

/// The list of deliveries in a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeliveriesList {
    /// Plain names.
    pub names: Vec<String>,
    /// Lines that are no plain names, such as those with the type marks of an aliased `ls` (C107).
    pub odd: Vec<String>,
}

/// Reads `deliveries.<T>.txt`.
pub fn deliveries_list(bytes: &[u8]) -> DeliveriesList {
    let text = String::from_utf8_lossy(bytes);
    let mut list = DeliveriesList::default();
    for line in text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty()) {
        let plain = line.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
        if plain { &mut list.names } else { &mut list.odd }.push(line.to_owned());
    }
    list
}

/// The time in the name of a dated set, `YYYY-MM-DD-HHMMSS`, in the server's local time.
pub fn tag_time(tag: &str) -> Option<DateTime> {
    // The reader of times takes blanks and years of three digits.
    let plain = tag.len() == 17 && tag.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    DateTime::strptime("%Y-%m-%d-%H%M%S", tag).ok().filter(|_| plain)
}

/// Everything that the contents of one set say, part by part. A part that cannot be read has its reason in `broken`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SetFacts {
    /// What the dump says about itself.
    pub dump: Option<DumpFacts>,
    /// BLAKE3 of the unpacked dump.
    pub dump_hash: String,
    /// Number of members of each archive, by part: `catalogs`, `mappings`, `config`, `monitor_reprocessing`.
    pub members: BTreeMap<String, u64>,
    /// Members that do not lie below the directory that the part must have, by part.
    pub misplaced: BTreeMap<String, Vec<String>>,
    /// The list of deliveries.
    pub deliveries: Option<DeliveriesList>,
    /// Packages listed.
    pub packages: u64,
    /// Parts that are not whole, and why.
    pub broken: BTreeMap<String, String>,
}

impl SetFacts {
    /// Reads the files of one set, by part (`backup`, `catalogs`, ...; the names before `<project>.<usecase>`).
    ///
    /// A dump may come compressed or not. Nothing fails: a part that is not whole is named in `broken`.
    pub fn of(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut facts = Self::default();
        for (part, bytes) in files {
            match part.as_str() {
                "backup" => facts.dump(bytes),
                "deliveries" => facts.deliveries = Some(deliveries_list(bytes)),
                "rpms" => match gzip::unpack(bytes) {
                    Ok(text) => facts.packages = String::from_utf8_lossy(&text).lines().count() as u64,
                    Err(error) => drop(facts.broken.insert(part.clone(), error.to_string())),
                },
                _ => facts.archive(part, bytes),
            }
        }
        facts
    }

    fn dump(&mut self, bytes: &[u8]) {
        let unpacked = if bytes.starts_with(&[0x1f, 0x8b]) {
            match gzip::unpack(bytes) {
                Ok(unpacked) => unpacked,
                Err(error) => {
                    self.broken.insert("backup".into(), error.to_string());
                    return;
                }
            }
        } else {
            bytes.to_vec()
        };
        self.dump_hash = blake3::hash(&unpacked).to_hex().to_string();
        self.dump = Some(DumpFacts::of(&String::from_utf8_lossy(&unpacked)));
    }

    fn archive(&mut self, part: &str, bytes: &[u8]) {
        match gzip::members(bytes) {
            Ok(names) => {
                let top = format!("{part}/");
                let misplaced: Vec<String> = names
                    .iter()
                    .filter(|name| !name.starts_with(&top) || name.split('/').any(|piece| piece == ".."))
                    .cloned()
                    .collect();
                // Directories end in a slash; what counts are files.
                let files = names.iter().filter(|name| !name.ends_with('/')).count() as u64;
                self.members.insert(part.to_owned(), files);
                if !misplaced.is_empty() {
                    self.misplaced.insert(part.to_owned(), misplaced);
                }
            }
            Err(error) => drop(self.broken.insert(part.to_owned(), error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_an_aliased_ls_are_noticed() {
        let list = deliveries_list(b"opus_1234_i.cat\ny7b1516ii_npl.fits*\r\nsub/\n\n");
        assert_eq!(list.names, ["opus_1234_i.cat"]);
        assert_eq!(list.odd, ["y7b1516ii_npl.fits*", "sub/"]);
    }

    #[test]
    fn a_tag_is_a_time() {
        assert_eq!(tag_time("2014-09-16-030507").unwrap().to_string(), "2014-09-16T03:05:07");
        assert_eq!(tag_time("2014-13-16-030507"), None);
        assert_eq!(tag_time("old"), None);
    }

    #[test]
    fn a_part_that_is_not_whole_is_named() {
        let files = BTreeMap::from([
            ("backup".to_owned(), b"-- MySQL dump\n-- Host: h    Database: crds_hst\n".to_vec()),
            ("catalogs".to_owned(), b"\x1f\x8b\x08 cut".to_vec()),
        ]);
        let facts = SetFacts::of(&files);
        assert!(facts.broken.contains_key("catalogs"));
        assert!(!facts.dump.unwrap().closed);
    }

    proptest::proptest! {
        #[test]
        fn no_delivery_is_lost(bytes in crate::mangled::bytes(b"opus_1234_i.cat\ny7b1516ii_npl.fits*\r\nsub/\n\n")) {
            let list = deliveries_list(&bytes);
            let text = String::from_utf8_lossy(&bytes);
            let lines = text.lines().filter(|line| !line.trim_end_matches('\r').is_empty()).count();
            proptest::prop_assert_eq!(list.names.len() + list.odd.len(), lines);
        }

        #[test]
        fn a_time_is_the_tag_again(tag in crate::mangled::text("2014-09-16-030507")) {
            if let Some(time) = tag_time(&tag) {
                let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
                proptest::prop_assert_eq!(digits(&time.to_string()), digits(&tag));
            }
        }
    }
}

//! The keywords that tell where a reference comes from: shown, and missed when they are not there (RD 7.3).

use std::collections::BTreeSet;

use super::checks::Given;
use super::reference::Run;
use crate::stand_in::derive::LogLine;
use crate::stand_in::derive::facts::Constraint;
use crate::stand_in::derive::matching::Keywords;
use crate::stand_in::fits::Hdu;

/// Keywords that are shown, and missed when they are not there.
const PROVENANCE: [&str; 5] = ["DESCRIP", "COMMENT", "PEDIGREE", "USEAFTER", "HISTORY"];

impl Run<'_> {
    /// Shows every card of interest, and misses the provenance keywords.
    pub(super) fn show_provenance(
        &self,
        hdus: &[Hdu],
        keywords: &Keywords,
        rows: &[Constraint],
        parkeys: &[String],
        lines: &mut Vec<LogLine>,
    ) {
        let simple = rows.iter().filter(|row| row.key_type == "H").map(|row| row.name.clone());
        let keys: BTreeSet<String> = parkeys
            .iter()
            .cloned()
            .chain(simple)
            .chain(PROVENANCE.iter().map(|key| (*key).to_owned()))
            .map(|key| key.to_uppercase())
            .collect();
        let mut unseen = keys.clone();
        for (number, hdu) in hdus.iter().enumerate() {
            for key in &keys {
                for card in hdu.cards.iter().filter(|card| card.keyword == *key) {
                    let value = card.value_text();
                    if is_interesting(&value) {
                        lines.push(LogLine::info(format!("[{number}] {key} {value} {}", card.comment)));
                    }
                    unseen.remove(key);
                }
            }
        }
        let mut missed = Vec::new();
        for key in unseen {
            match keywords.get(&key) {
                Some(text) => {
                    let given = Given::header(text);
                    if is_interesting(&given.text()) {
                        lines.push(LogLine::info(format!("{key} = {}", given.repr())));
                    }
                }
                None => missed.push(key),
            }
        }
        for key in missed.iter().filter(|key| PROVENANCE.contains(&key.as_str())) {
            lines.push(LogLine::warning(format!("Missing keyword '{key}'.")));
        }
    }
}

fn is_interesting(value: &str) -> bool {
    !matches!(
        value.trim().to_lowercase().as_str(),
        "" | "*** end of mandatory fields ***" | "*** column names ***" | "*** column formats ***"
    )
}

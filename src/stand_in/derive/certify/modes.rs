//! Which file a new table replaces, and what became of its modes (RD 7.3).

use std::collections::BTreeSet;

use super::constraints::NO_TABLE;
use super::format::{Content, Format};
use super::reference::Run;
use super::rows;
use crate::stand_in::derive::facts;
use crate::stand_in::derive::insert::insert_one;
use crate::stand_in::derive::matching::matching_header;
use crate::stand_in::derive::rules::Rules;
use crate::stand_in::derive::value::repr;
use crate::stand_in::derive::{DeriveError, Generation, LogLine};
use crate::stand_in::fits::{self, Header};

impl Run<'_> {
    /// Compares modes with those of the file that would be replaced; types without row keys are left alone.
    pub(super) fn check_modes(
        &self,
        (instrument, filekind): &(String, String),
        observatory: &str,
        rules: Result<&Rules, &DeriveError>,
        content: &Content,
        format: Format,
        lines: &mut Vec<LogLine>,
    ) {
        let kind = facts::kind(observatory, instrument, filekind);
        let Some(keys) = kind.and_then(|kind| kind.row_keys.as_deref()).filter(|keys| !keys.is_empty()) else { return };
        let (header, hdus) = (&content.header, content.hdus.as_slice());
        let old = match rules {
            Ok(rules) => self.predecessor(rules, header, lines),
            Err(error) => {
                if self.generation == Generation::Now && !self.context.is_empty() {
                    lines.push(unresolved(error));
                }
                None
            }
        };
        if format != Format::Fits {
            lines.push(self.within(&format!("Checking reference modes for {}", repr(self.path)), &NO_TABLE));
            return;
        }
        let bytes = old.as_ref().filter(|old| *old != self.name).and_then(|old| {
            let bytes = self.store.reference(old);
            if bytes.is_none() {
                lines.push(LogLine::warning(format!(
                    "Failed to obtain reference comparison file {} : file is not in the cache",
                    repr(old)
                )));
            }
            bytes.map(|bytes| (old.clone(), bytes))
        });
        match bytes.and_then(|(old, bytes)| Some((old, fits::read(&bytes).ok()?))) {
            Some((old, old_hdus)) => {
                let text = format!("Comparing reference {} against {}", repr(self.name), repr(&old));
                lines.push(LogLine::info(text));
                rows::compare((&old, &old_hdus), (self.name, hdus), keys, lines);
            }
            None => {
                rows::duplicates(self.name, hdus, keys, lines);
                let what = if self.generation == Generation::Now { "tables" } else { "table" };
                let context = if self.context.is_empty() { "None".to_owned() } else { repr(self.context) };
                lines.push(LogLine::warning(format!(
                    "No comparison reference for {} in context {context}. Skipping {what} comparison.",
                    repr(self.name)
                )));
            }
        }
    }

    /// The file that this one would displace, found by a trial insertion.
    fn predecessor(&self, rules: &Rules, header: &Header, lines: &mut Vec<LogLine>) -> Option<String> {
        let mut names = Vec::new();
        rules.tree()?.collect_names(&mut names);
        if names.iter().any(|name| name == self.name) {
            return Some(self.name.to_owned());
        }
        let before: BTreeSet<String> = names.into_iter().collect();
        let mut trial = rules.clone();
        let inserted = matching_header(rules, header, self.generation, &mut Vec::new()).and_then(|keywords| {
            insert_one(&mut trial, &keywords, self.name, self.generation, self.generation.key_order())
        });
        if let Err(error) = inserted {
            lines.push(unresolved(&error));
            return None;
        }
        let mut after = Vec::new();
        trial.tree()?.collect_names(&mut after);
        let displaced = before.into_iter().find(|name| !after.contains(name));
        if displaced.is_none() {
            lines.push(LogLine::info(format!(
                "No file corresponding to {} in context {}",
                repr(self.path),
                repr(&rules.name_of("name"))
            )));
        }
        displaced
    }
}

fn unresolved(error: &DeriveError) -> LogLine {
    LogLine::warning(format!("Failed resolving comparison reference for table checks : {error}"))
}

//! Mark Bad: flags single files and blacklists the mappings that reach them (WP 3.6, 4.2).

use std::collections::BTreeSet;

use super::Audit;
use crate::stand_in::server::{Level, Refusal, Server, python::repr};

impl Server {
    /// Marks files bad, or good again. Nothing is marked if one of them is refused. Gives the affected files, sorted.
    ///
    /// # Errors
    ///
    /// A file of the operational context cannot be marked bad.
    pub fn mark_bad(&self, user: &str, files: &[String], bad: bool, why: &str) -> Result<Vec<String>, Refusal> {
        let guard = if self.faulty("guard_edit_context") { "edit" } else { "operational" };
        if bad && let Some(pmap) = self.catalogue.context(guard)? {
            let mut inside = self.rules.closure(&pmap).unwrap_or_default();
            inside.extend(self.rules.references(&pmap).unwrap_or_default());
            if let Some(file) = files.iter().find(|f| inside.contains(*f)) {
                return Err(Refusal::says(format!(
                    "File {file} is in the current operational context {pmap}. Create a new context which does not contain it \
                     and make that context operational. Then mark {file} as 'bad'.",
                    file = repr(file),
                    pmap = repr(&pmap),
                )));
            }
        }
        let mut affected: BTreeSet<String> = files.iter().cloned().collect();
        self.refuse_write()?;
        if self.faulty("bad_mark_lost") {
            return Ok(affected.into_iter().collect());
        }
        for file in files {
            self.catalogue.set_on_files("rejected", [(file.as_str(), if bad { "1" } else { "0" })])?;
            if super::super::rules_store::is_mapping_name(file) {
                let above = self.rules.uses(file);
                self.blacklist(file, &above, bad)?;
                affected.extend(above);
            }
            let word = if bad { "BAD" } else { "OK" };
            self.config.log.message(Level::Info, &format!("Marking {} as {word}", repr(file)));
            self.audit(&Audit {
                user,
                action: "blacklist",
                filename: file,
                why,
                details: &format!("marked as '{word}'"),
                named: false,
            })?;
        }
        self.drop_cached();
        Ok(affected.into_iter().collect())
    }

    /// Sets or clears the blacklist flag on a mapping and on those above it; cleared only where no rejected mapping
    /// remains below.
    fn blacklist(&self, file: &str, above: &BTreeSet<String>, bad: bool) -> Result<(), Refusal> {
        let mut all = above.clone();
        all.insert(file.to_owned());
        if !bad {
            let rejected: BTreeSet<String> = self.catalogue.rejected_files()?.into_iter().map(|row| row.name).collect();
            all.retain(|name| {
                let below = self.rules.closure(name).unwrap_or_else(|_| BTreeSet::from([name.clone()]));
                below.is_disjoint(&rejected)
            });
        }
        let value = if bad { "1" } else { "0" };
        self.catalogue.set_on_files("blacklisted", all.iter().map(|name| (name.as_str(), value)))?;
        Ok(())
    }
}

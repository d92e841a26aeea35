//! Set Context (WP 3.6, 3.12, 4.3).

use std::collections::{BTreeMap, BTreeSet};

use super::Audit;
use crate::{
    rules::syntax::Value,
    stand_in::server::{
        Level, Refusal, Server,
        catalog::{CatalogueError, HistoryRow},
        clock,
        python::repr,
        rules_store::{Loaded, is_special},
    },
};

/// What Set Context did: `Changed <kind> context from <old> to <new>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// `operational`, `edit` or `versions`.
    pub kind: String,
    /// The pmap before; empty if there was none.
    pub old: String,
    /// The pmap now.
    pub new: String,
}

impl Server {
    /// Whether a pmap may become a context of any kind.
    ///
    /// # Errors
    ///
    /// The archive has not taken it yet.
    pub fn check_settable(&self, pmap: &str) -> Result<(), Refusal> {
        let available = match self.catalogue.file(pmap)? {
            Some(row) => self.available(&row)?,
            None => false,
        };
        if available {
            return Ok(());
        }
        Err(Refusal::says(format!(
            "File {} is not yet available. Files must be successfully delivered to the archive before operational use.",
            repr(pmap)
        )))
    }

    /// Sets the present context of a kind.
    ///
    /// # Errors
    ///
    /// The refusals of WP 3.6 in their order: not yet available, in use already, bad files inside (operational only).
    pub fn set_default_context(
        &self,
        user: &str,
        kind: &str,
        pmap: &str,
        description: &str,
    ) -> Result<Changed, Refusal> {
        self.check_settable(pmap)?;
        let old = self.catalogue.context(kind)?.unwrap_or_default();
        if old == pmap {
            return Err(Refusal::says(format!("{} is already in use for the {} context.", repr(pmap), repr(kind))));
        }
        if kind == "operational" {
            self.refuse_bad_files(pmap)?;
        }
        let obs = &self.config.observatory;
        self.config
            .log
            .message(Level::Info, &format!("Setting {} default {} context to {}", repr(obs), repr(kind), repr(pmap)));
        self.refuse_write()?;
        self.catalogue.set_context(kind, pmap)?;
        self.reached("set_context.context_set")?;
        // What follows rests on the history alone: a context that is its newest already changes nothing more.
        let before = self.newest_in_history(kind)?;
        let is_new = before.as_deref() != Some(pmap);
        self.add_history(kind, pmap, description)?;
        self.reached("set_context.history_written")?;
        if kind == "operational" && is_new {
            self.become_operational(&before.unwrap_or_default(), pmap)?;
        }
        self.reached("set_context.states_set")?;
        self.audit(&Audit {
            user,
            action: "set default context",
            filename: pmap,
            why: description,
            details: &format!("{kind} context changed from {} to {}", repr(&old), repr(pmap)),
            named: true,
        })?;
        let event = format!("{} set the {kind} context from {} to {}", repr(user), repr(&old), repr(pmap));
        self.config.log.event(&self.now_text(), &event);
        self.drop_cached();
        Ok(Changed { kind: kind.to_owned(), old, new: pmap.to_owned() })
    }

    /// The context of the newest history row of a kind.
    fn newest_in_history(&self, kind: &str) -> Result<Option<String>, CatalogueError> {
        let own = |row: &HistoryRow| row.context.split(['_', '.']).next() == Some(&self.config.observatory);
        let rows = self.catalogue.history()?.into_iter().filter(|row| row.state == kind && own(row));
        Ok(rows.max_by(|a, b| (&a.start_date, &a.context).cmp(&(&b.start_date, &b.context))).map(|row| row.context))
    }

    /// Adds a history row that starts now, unless the newest of its kind names the same context.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read or written.
    pub fn add_history(&self, kind: &str, pmap: &str, description: &str) -> Result<(), CatalogueError> {
        if self.newest_in_history(kind)?.as_deref() == Some(pmap) {
            return Ok(());
        }
        self.catalogue.add_history(&[HistoryRow {
            id: 0,
            start_date: clock::whole_seconds(self.local_now()),
            context: pmap.to_owned(),
            state: kind.to_owned(),
            description: description.to_owned(),
        }])
    }

    fn refuse_bad_files(&self, pmap: &str) -> Result<(), Refusal> {
        let load = |err: super::super::rules_store::LoadError| Refusal::says(err.to_string());
        let rejected: BTreeSet<String> = self.catalogue.rejected_files()?.into_iter().map(|row| row.name).collect();
        // Its mappings first, then its references, each sorted.
        let inside = self.rules.closure(pmap).map_err(load)?.into_iter();
        let inside = inside.chain(self.rules.references(pmap).map_err(load)?);
        let bad: Vec<String> = inside.filter(|name| rejected.contains(name)).collect();
        if bad.is_empty() {
            return Ok(());
        }
        let last: Vec<&str> = bad[bad.len().saturating_sub(4)..].iter().map(String::as_str).collect();
        Err(Refusal::says(format!(
            "Context {} contains known bad files and cannot be made the default (last 4 of {} bad files): {}",
            repr(pmap),
            bad.len(),
            last.join(", ")
        )))
    }

    /// States, activation dates and replacements that follow the operational context (WP 3.12, last bullet).
    fn become_operational(&self, old: &str, new: &str) -> Result<(), Refusal> {
        let load = |err: super::super::rules_store::LoadError| Refusal::says(err.to_string());
        let mut inside = self.rules.closure(new).map_err(load)?;
        inside.extend(self.rules.references(new).map_err(load)?);
        let now = clock::python_text(self.local_now());
        let mut states: Vec<(String, String)> = Vec::new();
        let mut activated: Vec<String> = Vec::new();
        for row in self.catalogue.files()? {
            let named = inside.contains(&row.name);
            if named && (row.activation_date.is_empty() || row.activation_date.starts_with("2050-")) {
                activated.push(row.name.clone());
            }
            // Files that are not delivered keep their states, whatever names them.
            if matches!(row.state.as_str(), "uploaded" | "cancelled") {
                continue;
            }
            let state = if named || geis_header(&row.name).is_some_and(|header| inside.contains(&header)) {
                "operational".to_owned()
            } else if row.state == "operational" {
                self.link_state(&row.catalog_link).to_owned()
            } else {
                self.peek_state(&row)
            };
            if state != row.state {
                states.push((row.name, state));
            }
        }
        self.catalogue.set_on_files("state", states.iter().map(|(n, s)| (n.as_str(), s.as_str())))?;
        self.catalogue.set_on_files("activation_date", activated.iter().map(|n| (n.as_str(), now.as_str())))?;
        if self.faulty("dates_rewritten") {
            let names: Vec<String> = self.catalogue.names_and_states()?.into_iter().map(|(name, _)| name).collect();
            self.catalogue.set_on_files("delivery_date", names.iter().map(|n| (n.as_str(), now.as_str())))?;
        }
        if !old.is_empty() {
            let replaced = self.replacements(old, new);
            let pairs = replaced.iter().map(|(a, b)| (a.as_str(), b.as_str()));
            self.catalogue.set_on_files("replaced_by_filename", pairs)?;
        }
        Ok(())
    }

    /// What the difference between two contexts replaces: imaps, rmaps and references, old name to new.
    fn replacements(&self, old: &str, new: &str) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        let mut left = vec![(old.to_owned(), new.to_owned())];
        while let Some((old, new)) = left.pop() {
            let (Ok(a), Ok(b)) = (self.rules.load(&old), self.rules.load(&new)) else { continue };
            for (key, was) in &a.entries {
                let Some(is) = entry(&b, key) else { continue };
                if was != is && !is_special(was) && !is_special(is) {
                    out.insert(was.clone(), is.to_owned());
                    left.push((was.clone(), is.to_owned()));
                }
            }
            replaced_values(&a.mapping.selector, &b.mapping.selector, &mut out);
        }
        out
    }
}

/// The header half of a GEIS file's data half: rules name headers only, and the data goes with them.
fn geis_header(name: &str) -> Option<String> {
    let stem = name.strip_suffix('d')?;
    let (_, extension) = stem.rsplit_once('.')?;
    let digit = extension.strip_prefix('r')?;
    (digit.len() == 1 && digit.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("{stem}h"))
}

fn entry<'a>(mapping: &'a Loaded, key: &str) -> Option<&'a str> {
    mapping.entries.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.as_str())
}

/// Walks two selectors side by side and notes where one file name stands for another under the same keys.
fn replaced_values(old: &Value, new: &Value, out: &mut BTreeMap<String, String>) {
    match (old, new) {
        (Value::Call(a), Value::Call(b)) if a.name == b.name => {
            for (key, was) in &a.dict {
                if let Some((_, is)) = b.dict.iter().rev().find(|(k, _)| k == key) {
                    match (was, is) {
                        (Value::Str(was), Value::Str(is)) => {
                            if was != is && !is_special(was) && !is_special(is) {
                                out.insert(was.clone(), is.clone());
                            }
                        }
                        _ => replaced_values(was, is, out),
                    }
                }
            }
        }
        (Value::Tuple(a), Value::Tuple(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(was, is)| replaced_values(was, is, out));
        }
        _ => {}
    }
}

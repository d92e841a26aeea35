//! Whether the rows of a delivery say of its files what was submitted (WP 4.3): what users search by, and what decides
//! whether data are processed again.

use std::collections::BTreeMap;
use std::path::Path;

use crds_upgrade::crds::Row;
use crds_upgrade::plan::Era;
use crds_upgrade::rules::reformat_date;
use crds_upgrade::run::StepError;

use super::deliver::Hand;
use super::delivery::{Delivery, Kind};

/// What is asked of each row.
const COLUMNS: &str = "name, observatory, instrument, filekind, type, description, change_level, deliverer_user, \
                       creator_name, uploaded_as, delivery_date, activation_date, useafter_date, pedigree, \
                       replaced_by_filename";

type Catalogue = BTreeMap<String, Row>;

impl Hand<'_> {
    /// Compares the rows of the delivery's new files, column by column, with plan, names and the files themselves.
    pub(super) fn read_rows(&mut self, delivery: &Delivery<'_>, catalogue: &Catalogue) -> Result<(), StepError> {
        let check = "confirmed";
        // Rules that cannot be had as they are catalogued are told by `equals_known_good`.
        let rules: Vec<String> = delivery.expect_rules.iter().filter(|rule| rule.ends_with(".rmap")).cloned().collect();
        let rules = if self.rules.fetch(self.ops, catalogue, &rules).is_ok() { rules } else { Vec::new() };
        let names: Vec<&str> = delivery.all_new().into_iter().collect();
        let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        let table = self.ops.table("*catalog");
        let sql = format!("select {COLUMNS} from {table} where name in ({}) order by name", quoted.join(", "));
        let rows = self.ops.ask(&sql)?.by_name();
        let (from, to) = (self.live_at()?, self.ops.local_now()?.datetime());
        for row in &rows {
            let field = |key: &str| row.get(key).and_then(Option::as_deref).unwrap_or_default().to_owned();
            let name = field("name");
            for (column, wanted) in self.wanted(delivery, &name, row, &rules)? {
                let seen = field(column);
                if !wanted.eq_ignore_ascii_case(&seen) {
                    self.tally.fault(check, format!("{name}: {column} is `{seen}`, not `{wanted}`"));
                }
            }
            let date = field("delivery_date");
            let made: Option<jiff::civil::DateTime> = date.replacen(' ', "T", 1).parse().ok();
            if made.is_none_or(|made| made < from || made > to) {
                self.tally.fault(check, format!("{name}: delivery_date is `{date}`, not between {from} and {to}"));
            }
        }
        self.tally.hold(check, rows.len() == names.len(), format!("{}: {} rows read", delivery.id, rows.len()));
        Ok(())
    }

    /// When OPS went live, to the second: nothing of the plan was delivered before.
    fn live_at(&self) -> Result<jiff::civil::DateTime, StepError> {
        let live = self.s.need_fact("s370_go_live", "live_at")?.as_f64().unwrap_or(0.0);
        Ok(self.ops.local(live.floor())?.datetime())
    }

    /// The columns of one row and what they must hold.
    fn wanted(
        &self,
        delivery: &Delivery<'_>,
        name: &str,
        row: &Row,
        rules: &[String],
    ) -> Result<Vec<(&'static str, String)>, StepError> {
        let account = &super::outcome::credential(self.s, delivery.credential)?.username;
        let mut wanted = vec![
            ("observatory", self.ops.observatory().word().to_owned()),
            ("description", delivery.description.to_owned()),
            ("deliverer_user", account.clone()),
        ];
        let mapping = name.ends_with("map");
        wanted.push(("type", if mapping { "mapping" } else { "reference" }.to_owned()));
        if !name.ends_with(".pmap") {
            wanted.push(("instrument", delivery.instrument.to_owned()));
        }
        if let Some(kind) = self.filekind(rules, name)? {
            wanted.push(("filekind", kind));
        }
        if !self.s.again() {
            // Later deliveries of the plan may replace it, and its context is set later.
            wanted.push(("replaced_by_filename", String::new()));
            if self.ops.era() != Era::Y2014 {
                wanted.push(("activation_date", String::new()));
            }
        }
        let submitted = delivery.kind != Kind::Deletion && delivery.files.iter().any(|file| file == name);
        if let Some(form) = delivery.submission.filter(|_| submitted) {
            wanted.push(("creator_name", form.creator.clone()));
            if !form.auto_rename {
                wanted.push(("uploaded_as", name.to_owned()));
            }
            if !mapping {
                wanted.push(("change_level", form.change_level.word().to_owned()));
                let directory = self.s.site().submissions_dir.clone().unwrap_or_default();
                wanted.extend(of_header(&directory.join(name), row));
            }
        }
        Ok(wanted)
    }

    /// The type that a file belongs to: a rule's by its name, a reference's by the new rule that names it.
    fn filekind(&self, rules: &[String], name: &str) -> Result<Option<String>, StepError> {
        let of_rule = |name: &str| {
            let parts: Vec<&str> = name.strip_suffix(".rmap")?.split('_').collect();
            parts.get(2).map(|kind| (*kind).to_owned())
        };
        if name.ends_with("map") {
            return Ok(of_rule(name));
        }
        for rule in rules {
            let bytes = self.rules.bytes(rule)?;
            if memchr::memmem::find(&bytes, format!("'{name}'").as_bytes()).is_some() {
                return Ok(of_rule(rule));
            }
        }
        Ok(None)
    }
}

/// What a submitted reference says of itself, where it says it.
fn of_header(path: &Path, row: &Row) -> Vec<(&'static str, String)> {
    // A file that cannot be read here is told by `bytes_equal`.
    let cards = std::fs::read(path).map(|bytes| cards(&bytes)).unwrap_or_default();
    let mut wanted = Vec::new();
    if let Some(pedigree) = cards.get("PEDIGREE") {
        wanted.push(("pedigree", pedigree.clone()));
    }
    let useafter = cards.get("USEAFTER").and_then(|date| reformat_date(date).ok());
    let seen = row.get("useafter_date").and_then(Option::as_deref).unwrap_or_default();
    // As the database prints it, with or without a fraction.
    if let Some(date) = useafter
        && !seen.starts_with(&date)
    {
        wanted.push(("useafter_date", date));
    }
    wanted
}

/// Texts of the first header of a FITS file, by keyword.
fn cards(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for card in bytes.chunks_exact(80).take(36 * 200) {
        let Ok(text) = std::str::from_utf8(card) else { break };
        if text.trim_end() == "END" {
            break;
        }
        if let Some((key, value)) = text.split_once("= ")
            && let Some(value) = value.trim_start().strip_prefix('\'')
            && let Some(end) = value.find('\'')
        {
            found.insert(key.trim().to_owned(), value[..end].trim().to_owned());
        }
    }
    found
}

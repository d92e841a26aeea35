//! That a copy holds what its source holds: database, rules, references, catalogues, history, deliveries, counters (SO 12).

use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::backup::{compare_tables, first_difference};
use crds_upgrade::crds::{Server, TABLES, Table, TableSummary};
use crds_upgrade::host::{Algorithm, EntryKind};
use crds_upgrade::review;
use crds_upgrade::run::StepError;

use super::backup_set::some;
use super::lagging;
use super::mirror::{Mirror, VOLATILE, tables};
use super::tally::Tally;

impl Mirror<'_> {
    /// Everything that must be equal afterwards; the tables of the copy.
    pub fn equal(&self, t: &mut Tally) -> Result<BTreeMap<String, TableSummary>, StepError> {
        // Before anything that makes a server look at its deliveries: it may then change the states of files.
        let copied = self.tables(t)?;
        t.parts(&[
            &|t| self.references(t),
            &|t| self.orphans(t),
            &|t| self.rows(t),
            &|t| self.rules(t),
            &|t| self.catalogs(t),
            &|t| self.deliveries(t),
            &|t| self.counters(t),
        ])?;
        Ok(copied)
    }

    fn tables(&self, t: &mut Tally) -> Result<BTreeMap<String, TableSummary>, StepError> {
        let (source, dest) = self.both(tables)?;
        for difference in compare_tables(&source, &dest, &VOLATILE) {
            t.fault("database_equal", difference.to_string());
        }
        Ok(dest)
    }

    fn rows(&self, t: &mut Tally) -> Result<(), StepError> {
        // The users' digest is left out of the tables because every login changes it: what they may do is compared here.
        let rights =
            "select username, is_superuser, is_staff, is_active, email from auth_user order by username".to_owned();
        let questions = |server: &Server| [server.ask_for_contexts(), rights.clone(), "show tables".to_owned()];
        let (theirs, ours) = self.both(|server| Ok(server.ask_all(&questions(server))?))?;
        let (made_there, made_here) = self.both(|server| Ok(server.making(&TABLES)?))?;
        for (table, made) in &made_here {
            if let Some(other) = made_there.get(table).filter(|other| *other != made) {
                let (theirs, ours) = first_difference(other, made);
                let dest = self.dest.role();
                t.fault("database_equal", format!("`{table}` of {dest} is made `{ours}`, the source's `{theirs}`"));
            }
        }
        let (from, to) = (self.source.contexts_of(&theirs[0])?, self.dest.contexts_of(&ours[0])?);
        for (kind, a, b) in [("operational", from.operational, to.operational), ("edit", from.edit, to.edit)] {
            t.hold("database_equal", a == b, format!("{kind} context {b}, the source's {a}"));
        }
        // A load replaces the tables that it has: one more of the copy stays, one less was never made (A004).
        let names = |of: &[Table]| -> BTreeSet<String> {
            of[2].rows.iter().flatten().flatten().map(|name| name.to_string()).collect()
        };
        let (theirs_named, ours_named) = (names(&theirs), names(&ours));
        for table in ours_named.difference(&theirs_named) {
            t.fault("database_equal", format!("the table `{table}` of {} is none of the source's", self.dest.role()));
        }
        for table in theirs_named.difference(&ours_named) {
            t.fault("database_equal", format!("{} lacks the table `{table}` of the source", self.dest.role()));
        }
        for row in ours[1].rows.iter().filter(|row| !theirs[1].rows.contains(row)) {
            let row: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
            t.fault("database_equal", format!("auth_user: `{}`, the source has it otherwise", row.join(" ")));
        }
        Ok(())
    }

    fn orphans(&self, t: &mut Tally) -> Result<(), StepError> {
        let lines = |server: &Server| -> Result<(bool, BTreeSet<String>), StepError> {
            let ran = server.orphan_files()?;
            let text = format!("{}{}", ran.text(), ran.error_text());
            self.s.evidence(&format!("orphan check of {}", server.role()), &text)?;
            let place = |line: String| line.replace(&server.paths().ifs, "IFS");
            Ok((review::counters(&text).is_some(), review::orphan_lines(&text).into_iter().map(place).collect()))
        };
        let ((ended, theirs), (ended_too, ours)) = self.both(lines)?;
        t.hold("orphans_not_worse", ended && ended_too, "both orphan checks ended with their counters");
        for line in ours.difference(&theirs) {
            t.fault("orphans_not_worse", format!("new: {line}"));
        }
        Ok(())
    }

    fn rules(&self, t: &mut Tally) -> Result<(), StepError> {
        let obs = self.source.observatory();
        let (theirs, ours) =
            self.both(|server| Ok(server.remote().hash_tree(&server.paths().mappings(obs), Algorithm::Sha1)?))?;
        let wrong: Vec<&str> = theirs
            .iter()
            .filter(|(name, sum)| ours.get(*name) != Some(sum))
            .map(|(name, _)| name.as_str())
            .chain(ours.keys().filter(|name| !theirs.contains_key(*name)).map(String::as_str))
            .collect();
        t.hold(
            "rules_equal",
            wrong.is_empty(),
            if wrong.is_empty() {
                format!("{} mappings", theirs.len())
            } else {
                format!("{} mappings differ: {}", wrong.len(), some(&wrong))
            },
        );
        self.flat(t)?;
        for place in [self.dest.paths().mappings(obs), self.dest.paths().references(obs)] {
            let below = self.dest.remote().must_look(
                &["find", &place, "-mindepth", "1", "-maxdepth", "1", "-type", "d"],
                crds_upgrade::host::Limit::WALK,
            )?;
            for directory in below.text().lines() {
                t.fault("rules_equal", format!("{directory} is a directory, a server's cache is flat (D134)"));
            }
        }
        let rules = self.dest.paths().mappings(obs);
        let open = self.dest.remote().must_look(
            &["find", &rules, "-maxdepth", "1", "-type", "f", "-perm", "/0002"],
            crds_upgrade::host::Limit::WALK,
        )?;
        for rule in open.text().lines() {
            t.fault("rules_equal", format!("everybody may write {rule}"));
        }
        self.pickles(t)
    }

    fn references(&self, t: &mut Tally) -> Result<(), StepError> {
        let obs = self.source.observatory();
        let sizes = |server: &Server| -> Result<BTreeMap<String, (u64, f64)>, StepError> {
            let path = server.paths().references(obs);
            // DEV's cache holds links into the published one: what they lead to counts (SO 3.1).
            let ran = server.remote().must_look(
                &["find", "-L", &path, "-maxdepth", "1", "-type", "f", "-printf", "%s %T@ %f\\n"],
                crds_upgrade::host::Limit::WALK,
            )?;
            let text = ran.text();
            Ok(text
                .lines()
                .filter_map(|line| line.split_once(' '))
                .filter_map(|(size, rest)| rest.split_once(' ').map(|(time, name)| (name, size, time)))
                .map(|(name, size, time)| (name.to_owned(), (size.parse().unwrap_or(0), time.parse().unwrap_or(0.0))))
                .collect())
        };
        let (theirs, ours) = self.both(sizes)?;
        let size = |of: &BTreeMap<String, (u64, f64)>, name: &str| of.get(name).map(|(size, _)| *size);
        let mut wrong: Vec<&str> = theirs
            .keys()
            .chain(ours.keys().filter(|name| !theirs.contains_key(*name)))
            .map(String::as_str)
            .filter(|name| size(&theirs, name) != size(&ours, name))
            .collect();
        let looked_into = some_of(&theirs);
        let names: Vec<&str> = looked_into.iter().copied().filter(|name| ours.contains_key(*name)).collect();
        let (sums, sums_too) = self.both(|server| {
            let path = server.paths().references(obs);
            Ok(server.remote().hash_files(&path, &names, Algorithm::Sha1)?)
        })?;
        wrong.extend(names.iter().filter(|name| sums.get(**name) != sums_too.get(**name)));
        // The published cache is on every host (SO 3.1); a link to anywhere else holds bytes of somebody else's.
        let path = self.dest.paths().references(obs);
        let argv = ["find", &path, "-maxdepth", "1", "-type", "l", "-printf", "%f %l\\n"];
        let links = self.dest.remote().must_look(&argv, crds_upgrade::host::Limit::WALK)?.text();
        let published = &self.dest.paths().grp;
        let strange =
            links.lines().filter_map(|line| line.split_once(' ')).filter(|(_, to)| !to.starts_with(published.as_str()));
        for (name, to) in strange {
            t.fault("rules_equal", format!("{name} of {} is a link to {to}", self.dest.role()));
        }
        if looked_into.len() < theirs.len() {
            self.s.not_checked(
                &format!("bytes of {} references of {}", theirs.len() - looked_into.len(), self.dest.role()),
                "references are compared by name and size, the newest by their bytes as well",
            )?;
        }
        t.hold(
            "rules_equal",
            wrong.is_empty(),
            if wrong.is_empty() {
                format!("{} references", theirs.len())
            } else {
                format!("{} references differ: {}", wrong.len(), some(&wrong))
            },
        );
        Ok(())
    }

    fn catalogs(&self, t: &mut Tally) -> Result<(), StepError> {
        let (theirs, ours) =
            self.both(|server| Ok(server.remote().hash_tree(&server.paths().catalogs(), Algorithm::Sha256)?))?;
        t.hold("catalogs_equal", theirs == ours, format!("{} catalogues, the source has {}", ours.len(), theirs.len()));
        // What is delivered is never written again (SO 3.3); a copy that may be is no worse than its source.
        let (theirs, ours) = self.both(|server| {
            let list = server.remote().list(&server.paths().catalogs(), Some(1))?;
            let writable = list.into_iter().filter(|one| one.kind == EntryKind::File && one.mode & 0o222 != 0);
            Ok(writable.map(|one| (one.path, one.mode & 0o7777)).collect::<BTreeMap<String, u32>>())
        })?;
        for (name, mode) in ours.iter().filter(|(name, _)| !theirs.contains_key(*name)) {
            t.fault("catalogs_equal", format!("{name} of {} has mode {mode:04o}, not 0444", self.dest.role()));
        }
        self.history(t)
    }

    /// The cache is told to be flat on both hosts: told otherwise, clients look for directories of instruments (D134).
    fn flat(&self, t: &mut Tally) -> Result<(), StepError> {
        let (theirs, ours) = self.both(|server| {
            let file = format!("{}/config/{}/ref_cache_subdir_mode", server.paths().cache, server.observatory());
            Ok(server.remote().read_if_there(&file, 4096)?)
        })?;
        if theirs != ours {
            let text = |bytes: Option<Vec<u8>>| match bytes {
                None => "nothing".to_owned(),
                Some(bytes) => format!("`{}`", String::from_utf8_lossy(&bytes).trim()),
            };
            let (theirs, ours) = (text(theirs), text(ours));
            t.fault("rules_equal", format!("ref_cache_subdir_mode says {ours}, the source's {theirs}"));
        }
        Ok(())
    }

    /// The reprocessing history goes along with the catalogues (SO 12, stage 9): every file of it, by its bytes.
    fn history(&self, t: &mut Tally) -> Result<(), StepError> {
        let (theirs, ours) = self.both(|server| {
            let path = server.paths().monitor.clone();
            match server.remote().stat(&path)? {
                None => Ok(BTreeMap::new()),
                Some(_) => Ok(server.remote().hash_tree(&path, Algorithm::Sha256)?),
            }
        })?;
        let computed = |of: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            of.iter().filter(|(path, _)| path.contains('/')).map(|(path, sum)| (path.clone(), sum.clone())).collect()
        };
        let (theirs, ours) = (computed(&theirs), computed(&ours));
        let lacking: Vec<&str> =
            theirs.iter().filter(|(path, sum)| ours.get(*path) != Some(sum)).map(|(path, _)| path.as_str()).collect();
        if !lacking.is_empty() {
            let text = format!("{} files of the reprocessing history differ: {}", lacking.len(), some(&lacking));
            t.fault("catalogs_equal", text);
        }
        Ok(())
    }

    /// A context that is kept as a Python object answers in place of its rules: it must be one of the source's, made
    /// from the rules as they are now (A013).
    fn pickles(&self, t: &mut Tally) -> Result<(), StepError> {
        let (paths, obs) = (self.dest.paths(), self.dest.observatory());
        let directory = paths.pickles(obs);
        if self.dest.remote().stat(&directory)?.is_none() {
            return Ok(());
        }
        let theirs = self.source.remote().list(&self.source.paths().mappings(obs), Some(1))?;
        let ours = self.dest.remote().list(&paths.mappings(obs), Some(1))?;
        let newest = ours.iter().map(|entry| entry.mtime).fold(0.0, f64::max);
        for pickle in self.dest.remote().list(&directory, Some(1))?.iter().filter(|one| one.kind == EntryKind::File) {
            let context = pickle.path.trim_end_matches(".pkl").trim_end_matches(".pmap");
            if !theirs.iter().any(|rule| rule.path.strip_suffix(".pmap") == Some(context)) {
                t.fault(
                    "rules_equal",
                    format!("pickles/{} is of a context that the source does not have", pickle.path),
                );
            } else if pickle.mtime < newest {
                t.fault(
                    "rules_equal",
                    format!("pickles/{} is older than the rules: it outlived the mirror", pickle.path),
                );
            }
        }
        Ok(())
    }

    fn deliveries(&self, t: &mut Tally) -> Result<(), StepError> {
        let names = |server: &Server| -> Result<BTreeSet<String>, StepError> {
            Ok(server.deliveries()?.into_iter().map(|link| link.name).collect())
        };
        let (theirs, ours) = self.both(names)?;
        t.hold("deliveries_equal", theirs == ours, format!("{} links, the source has {}", ours.len(), theirs.len()));
        for link in self.dest.deliveries()? {
            if link.entry.kind == EntryKind::File && link.entry.links < 2 {
                t.fault("deliveries_equal", format!("`{}` is no hard link", link.name));
            }
            if link.entry.mode & 0o222 != 0 {
                t.fault(
                    "deliveries_equal",
                    format!("`{}` has mode {:04o}, not 0444 (A007)", link.name, link.entry.mode),
                );
            }
        }
        if let Some(entry) = self.dest.remote().stat(&self.dest.paths().deliveries())? {
            // The next install mends the mode; until then the archive's group cannot take links (B091).
            let usable = entry.mode & 0o070 == 0o070;
            t.hold("deliveries_equal", usable, format!("the directory has mode {:04o}", entry.mode));
        }
        Ok(())
    }

    /// No counter may be behind the highest number in use, or the next name collides (A023).
    fn counters(&self, t: &mut Tally) -> Result<(), StepError> {
        for fault in lagging::counters(self.dest)? {
            t.fault("counters_ahead", fault);
        }
        t.proof("counters_ahead", "no counter is behind the names in use");
        Ok(())
    }
}

/// The newest of some files, by name, until they are too many, or too many bytes, to read twice: references of a real
/// server are terabytes.
pub fn some_of(files: &BTreeMap<String, (u64, f64)>) -> Vec<&str> {
    const MOST: u64 = 256 << 20;
    const FILES: usize = 2000;
    let mut newest: Vec<(&str, u64, f64)> =
        files.iter().map(|(name, (size, time))| (name.as_str(), *size, *time)).collect();
    newest.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(b.0)));
    let mut bytes = 0_u64;
    let within = |(_, size, _): &&(&str, u64, f64)| {
        bytes = bytes.saturating_add(*size);
        bytes <= MOST
    };
    newest.iter().take(FILES).take_while(within).map(|(name, ..)| *name).collect()
}

//! Version control of a host: what is checked out, what changed locally, what the repository says (SO 13).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::host::{Limit, Ran, Script, Shell};
use crate::plan::Change;
use crate::run::Permit;

use super::checkout::{StatusLine, WorkingCopy, info, status_line};
use super::{CrdsError, Server};

const SWITCH: Script =
    Script { name: "svn switch", shell: Shell::LoginSh, text: r#"cd "$1" && svn switch --non-interactive "$2""# };

const COMMIT_FILE: Script =
    Script { name: "svn commit", shell: Shell::LoginSh, text: r#"svn commit --non-interactive -m "$2" "$1""# };

/// Stages the files named on standard input (NUL-separated, relative to `$2`) and imports them to `$3`.
const IMPORT: &str = r#"set -e
stage=$(mktemp -d "${TMPDIR:-/tmp}/crds-upgrade.XXXXXX")
trap 'rm -rf "$stage"' EXIT
mkdir "$stage/tree"
cd "$1"
xargs -0 cp --parents -t "$stage/tree"
svn import --non-interactive --no-ignore --no-auto-props -q -m "$3" "$stage/tree" "$2""#;

impl Server {
    /// What is checked out in `directory`, or what a URL stands at.
    ///
    /// # Errors
    ///
    /// The host cannot be asked, there is no checkout, or `svn` says something else.
    pub fn svn_info(&self, target: &str) -> Result<WorkingCopy, CrdsError> {
        let ran = self.remote.must_look(&["svn", "info", "--non-interactive", target], Limit::QUICK)?;
        let text = ran.text();
        info(&text).ok_or_else(|| self.shape("`svn info`", &text))
    }

    /// As [`Self::svn_info`], of several at once: the program's start is most of what it takes.
    ///
    /// # Errors
    ///
    /// As [`Self::svn_info`].
    pub fn svn_infos(&self, targets: &[&str]) -> Result<Vec<WorkingCopy>, CrdsError> {
        let argv: Vec<&str> = ["svn", "info", "--non-interactive"].iter().chain(targets).copied().collect();
        let text = self.remote.must_look(&argv, Limit::QUICK)?.text();
        let infos: Option<Vec<WorkingCopy>> =
            text.split_inclusive("\n\n").filter(|part| !part.trim().is_empty()).map(info).collect();
        infos.filter(|infos| infos.len() == targets.len()).ok_or_else(|| self.shape("`svn info`", &text))
    }

    /// As [`Self::svn_info`], or nothing if the repository has no such URL.
    ///
    /// # Errors
    ///
    /// As [`Self::svn_info`].
    pub fn svn_info_if_there(&self, url: &str) -> Result<Option<WorkingCopy>, CrdsError> {
        let ran = self.remote.look(&["svn", "info", "--non-interactive", url], Limit::QUICK)?;
        let said = ran.error_text();
        if !ran.is_zero()
            && (said.contains("non-existent") || said.contains("W170000") || said.contains("Not a valid URL"))
        {
            return Ok(None);
        }
        let text = ran.text();
        info(&text).map(Some).ok_or_else(|| self.shape("`svn info`", &format!("{text}{said}")))
    }

    /// Local changes of a checkout, unversioned files included.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or `svn` failed.
    pub fn svn_status(&self, directory: &str) -> Result<Vec<StatusLine>, CrdsError> {
        Ok(self.svn_statuses(&[directory])?.pop().unwrap_or_default())
    }

    /// As [`Self::svn_status`], of several checkouts at once, none of which lies in another.
    ///
    /// # Errors
    ///
    /// As [`Self::svn_status`].
    pub fn svn_statuses(&self, directories: &[&str]) -> Result<Vec<Vec<StatusLine>>, CrdsError> {
        let argv: Vec<&str> = ["svn", "status", "--non-interactive"].iter().chain(directories).copied().collect();
        let text = self.remote.must_look(&argv, Limit::WALK)?.text();
        let mut statuses = vec![Vec::new(); directories.len()];
        let mut last = 0;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            // A line belongs to the checkout that its path begins with.
            let path = line.get(8..).unwrap_or_default();
            let of = |directory: &&str| {
                path.strip_prefix(*directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            // The details of a conflict name no path.
            last = directories.iter().position(of).unwrap_or(last);
            let prefix = format!("{}/", directories[last]);
            let read = status_line(line, &prefix).ok_or_else(|| self.shape("`svn status`", line))?;
            statuses[last].push(read);
        }
        statuses.iter_mut().for_each(|lines| lines.sort());
        Ok(statuses)
    }

    /// `svnversion` of a checkout: a bare number if it is whole, unmixed and unmodified.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn svnversion(&self, directory: &str) -> Result<String, CrdsError> {
        let ran = self.remote.must_look(&["svnversion", directory], Limit::WALK)?;
        Ok(ran.text().trim().to_owned())
    }

    /// Names below a URL at a revision, with a trailing `/` for directories.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or there is no such URL.
    pub fn svn_list(&self, url: &str, revision: u64) -> Result<Vec<String>, CrdsError> {
        let revision = revision.to_string();
        let argv = ["svn", "list", "--non-interactive", "-R", "-r", &revision, url];
        let ran = self.remote.must_look(&argv, Limit::WALK)?;
        Ok(ran.text().lines().map(str::to_owned).collect())
    }

    /// The bytes of a file at a revision.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or there is no such file.
    pub fn svn_cat(&self, url: &str, revision: u64) -> Result<Vec<u8>, CrdsError> {
        let revision = revision.to_string();
        let argv = ["svn", "cat", "--non-interactive", "-r", &revision, url];
        Ok(self.remote.must_look(&argv, Limit::WALK)?.stdout)
    }

    /// A file of a checkout as its branch has it, without local changes.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or the file is not under version control.
    pub fn svn_base(&self, path: &str) -> Result<Vec<u8>, CrdsError> {
        Ok(self.remote.must_look(&["svn", "cat", "--non-interactive", path], Limit::QUICK)?.stdout)
    }

    /// SHA-256 of every file below a URL at a revision, by path below it: the tree is exported to a temporary
    /// directory, which is removed again.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or there is no such URL.
    pub fn svn_hashes(&self, url: &str, revision: u64) -> Result<BTreeMap<String, String>, CrdsError> {
        const EXPORT: Script = Script {
            name: "hashes of an svn tree",
            shell: Shell::Sh,
            text: r#"
stage=$(mktemp -d "${TMPDIR:-/tmp}/crds-upgrade.XXXXXX") || exit 1
svn export --non-interactive -q -r "$2" "$1" "$stage/tree" && cd "$stage/tree" && find . -type f -print0 | xargs -0 -r sha256sum --
status=$?
rm -rf "$stage"
return $status"#,
        };
        let revision = revision.to_string();
        let ran = self.remote.must_look_script(&EXPORT, &[url, &revision], Limit::WALK)?;
        let text = ran.text();
        let line = |line: &str| {
            let (sum, name) = line.split_once("  ")?;
            (sum.len() == 64).then(|| (name.strip_prefix("./").unwrap_or(name).to_owned(), sum.to_owned()))
        };
        text.lines().map(|l| line(l).ok_or_else(|| self.shape("`sha256sum`", l))).collect()
    }

    /// Paths of the files below a URL at a revision that the repository says may be executed (`svn:executable`).
    ///
    /// # Errors
    ///
    /// The host cannot be asked or there is no such URL.
    pub fn svn_executables(&self, url: &str, revision: u64) -> Result<Vec<String>, CrdsError> {
        let revision = revision.to_string();
        let argv = ["svn", "propget", "svn:executable", "--non-interactive", "-R", "-r", &revision, url];
        let text = self.remote.must_look(&argv, Limit::WALK)?.text();
        // `URL/path - *`; the value is a line of its own if it is long.
        let prefix = format!("{}/", url.trim_end_matches('/'));
        let paths = text.lines().filter_map(|line| line.strip_prefix(&prefix)?.rsplit_once(" - "));
        Ok(paths.map(|(path, _)| path.to_owned()).collect())
    }

    /// `svn log` of a URL or repository for revisions `from` to `to`, with the paths that changed.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn svn_log(&self, url: &str, from: u64, to: u64) -> Result<String, CrdsError> {
        let range = format!("{from}:{to}");
        let argv = ["svn", "log", "--non-interactive", "-v", "-r", &range, url];
        Ok(self.remote.must_look(&argv, Limit::WALK)?.text())
    }

    /// Switches the checkout in `directory` to `url`.
    ///
    /// # Errors
    ///
    /// The host cannot be asked. The status says nothing: look at info, status and version.
    pub fn svn_switch(&self, permit: &Permit<'_>, directory: &str, url: &str) -> Result<Ran, CrdsError> {
        self.act(permit, Change::Switch, &SWITCH, &[directory, url], Duration::from_secs(1800))
    }

    /// Commits one file of a checkout.
    ///
    /// # Errors
    ///
    /// As [`Self::svn_switch`].
    pub fn svn_commit(&self, permit: &Permit<'_>, change: Change, file: &str, message: &str) -> Result<Ran, CrdsError> {
        self.act(permit, change, &COMMIT_FILE, &[file, message], Duration::from_secs(600))
    }

    /// Imports `files`, relative to `base`, as the whole contents of the new branch `url`.
    ///
    /// # Errors
    ///
    /// As [`Self::svn_switch`].
    pub fn svn_import(
        &self,
        permit: &Permit<'_>,
        base: &str,
        files: &[String],
        url: &str,
        message: &str,
    ) -> Result<Ran, CrdsError> {
        let list = files.iter().flat_map(|file| file.bytes().chain([0])).collect::<Vec<u8>>();
        let argv = ["/bin/sh", "-c", IMPORT, "sh", base, url, message];
        Ok(self.remote.act_with(permit, Change::RulesBranch, &argv, &list, Limit::WALK)?)
    }
}

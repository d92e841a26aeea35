//! The rc file of the account against the branches' `host/dot_setenv`, of which it should be a copy (SO 4.4: hand edits
//! happen).

use std::collections::BTreeSet;

use crds_upgrade::crds::Server;
use crds_upgrade::run::{Step, StepError};

use super::tally::shorten;

/// What the rc file `live` has and lacks that neither a branch of this release or the one before says nor a text of
/// `known`; None where it is one of them.
pub fn hand_edit(s: &Step, ops: &Server, live: &str, known: &[&str]) -> Result<Option<String>, StepError> {
    let base = s.site().repositories.get("crds_server").map_or("", |url| url.trim_end_matches('/'));
    let of_branch = |branch: &str| -> Result<String, StepError> {
        let file = format!("{base}/{branch}/host/dot_setenv");
        Ok(String::from_utf8_lossy(&ops.svn_cat(&file, ops.svn_info(&file)?.last_changed)?).into_owned())
    };
    let before = of_branch(&s.plan().from.crds_server.branch)?;
    if live == before || known.contains(&live) {
        return Ok(None);
    }
    let after = of_branch(&s.plan().to.crds_server.branch)?;
    if live == after {
        return Ok(None);
    }
    let lines: BTreeSet<&str> =
        known.iter().flat_map(|text| text.lines()).chain(before.lines()).chain(after.lines()).collect();
    let kept: BTreeSet<&str> = live.lines().collect();
    let of = |text: &str, others: &BTreeSet<&str>| -> Vec<String> {
        text.lines().filter(|line| !others.contains(line)).map(|line| line.trim().to_owned()).collect()
    };
    Ok(Some(format!(
        "the rc file is neither the old branch's dot_setenv nor the new one's: lines of its own: {}; lacking: {}",
        shorten(&of(live, &lines)),
        shorten(&of(&before, &kept))
    )))
}

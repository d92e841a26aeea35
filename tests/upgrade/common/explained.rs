//! What explains a difference between the server's affected datasets and ours.

use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::crds::Server;
use crds_upgrade::rules::affected;
use crds_upgrade::run::{Step, StepError};
use serde_json::{Value, json};

use super::affected::{compute, headers};
use super::outcome::counts;
use super::rules::Rules;
use super::tally::{Tally, shorten};

/// Compares the server's list with ours. The server's mode loses datasets in known ways (RS 15.5, 15.6): each difference
/// must have such a reason, shown by computing in the server's own mode and by the failing type, the date or the entry.
pub fn judge_equal(
    s: &Step,
    ops: &Server,
    old: &str,
    new: &str,
    theirs: &BTreeSet<String>,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let check = "equal_to_ours";
    let ours = compute(s, ops, old, new)?;
    let library = Rules::of_run(s)?.library();
    let (old_context, new_context) = (library.context(old)?, library.context(new)?);
    let datasets = headers(s, ops, old)?;
    let classes = affected::explain(&old_context, &new_context, datasets, theirs)?;
    let mut by_class: BTreeMap<String, usize> = BTreeMap::new();
    let mut unknown = Vec::new();
    for explained in &classes {
        *by_class.entry(explained.class.word().to_owned()).or_default() += 1;
        if !explained.class.is_known() || explained.witness.is_empty() {
            unknown.push(format!("{}: {}", explained.product, explained.class.word()));
        }
    }
    let listing: Vec<Value> = classes
        .iter()
        .map(|one| json!({"product": one.product, "class": one.class.word(), "witness": one.witness}))
        .collect();
    let kept = s.evidence("differences from the server's list", serde_json::to_vec_pretty(&listing)?)?;
    tally.evidence(check, &kept);
    let cut = classes.iter().any(|one| one.class.word().contains("date"));
    if cut && !s.plan().affected.date_cut_loses {
        tally.fault(
            check,
            format!("the server's date cut loses datasets, which the plan does not expect: {}", counts(&by_class)),
        );
    }
    if !unknown.is_empty() {
        tally.fault(check, format!("unexplained: {}", shorten(&unknown)));
    }
    tally.proof(
        check,
        format!(
            "{} by the server, {} by us, differences: {}",
            theirs.len(),
            ours.ids.len(),
            if by_class.is_empty() { "none".to_owned() } else { counts(&by_class) }
        ),
    );
    Ok(())
}

//! Step 420: submit references.
//!
//! Procedure: "Submit any NPOLFILE references."
//! Method: as step 410, for the reference batches of the plan in their order; besides, each reference in the cache is
//! compared with the file submitted, and a dataset made from its own rule must select it.
//! Way back: none; a further delivery can delete them from the rules again.

use crds_upgrade::plan::{Role, SubmissionKind};
use crds_upgrade::run::StepResult;
use crds_upgrade::steps::S420_SUBMIT_REFERENCES;

use crate::common::deliver::Hand;
use crate::common::delivery::Delivery;
use crate::common::known_state;
use crate::common::outcome;

#[test]
fn s420_submit_references() -> StepResult {
    known_state::step(&S420_SUBMIT_REFERENCES, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let plan = s.plan().clone();
        let deliveries: Vec<Delivery<'_>> =
            plan.submissions.iter().filter(|one| one.kind == SubmissionKind::References).map(Delivery::of).collect();
        let mut hand = Hand::new(s, &ops)?;
        if deliveries.is_empty() {
            return outcome::nothing_declared(&mut hand);
        }
        outcome::carry_out(&mut hand, &deliveries, outcome::judge_bytes)
    })
}

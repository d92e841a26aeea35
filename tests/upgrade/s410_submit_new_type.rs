//! Step 410: submit the new type.
//!
//! Procedure: "Submit the new empty WFC3 NPOLFILE."
//! Method: each mapping submission of the plan goes through the web site with context generation; its ready page is
//! judged before it is confirmed; then catalogue, states, links, audit rows, contexts and log are read back, the derived
//! rules fetched and compared with their parents and with the reviewed known-good.
//! Way back: none; a further delivery can take the type out of the rules again. Names are never used twice.

use crds_upgrade::plan::{Role, SubmissionKind};
use crds_upgrade::run::StepResult;
use crds_upgrade::steps::S410_SUBMIT_NEW_TYPE;

use crate::common::deliver::Hand;
use crate::common::delivery::Delivery;
use crate::common::known_state;
use crate::common::outcome;

#[test]
fn s410_submit_new_type() -> StepResult {
    known_state::step(&S410_SUBMIT_NEW_TYPE, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let plan = s.plan().clone();
        let deliveries: Vec<Delivery<'_>> =
            plan.submissions.iter().filter(|one| one.kind == SubmissionKind::Mapping).map(Delivery::of).collect();
        let mut hand = Hand::new(s, &ops)?;
        if deliveries.is_empty() {
            return outcome::nothing_declared(&mut hand);
        }
        outcome::carry_out(&mut hand, &deliveries, |_, _, _| Ok(()))
    })
}

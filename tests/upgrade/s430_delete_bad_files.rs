//! Step 430: delete bad files.
//!
//! Procedure: "Delete bad files."
//! Method: the deletion of the plan through the web site, confirmed; then everything is read back as in step 410. The
//! references themselves stay in cache and catalogue: they leave the rules, nothing else.
//! Way back: none; a further delivery can add them to the rules again.

use crds_upgrade::plan::Role;
use crds_upgrade::run::StepResult;
use crds_upgrade::steps::S430_DELETE_BAD_FILES;

use crate::common::deliver::Hand;
use crate::common::delivery::Delivery;
use crate::common::known_state;
use crate::common::outcome;

#[test]
fn s430_delete_bad_files() -> StepResult {
    known_state::step(&S430_DELETE_BAD_FILES, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let plan = s.plan().clone();
        let mut hand = Hand::new(s, &ops)?;
        let Some(deletion) = &plan.deletion else {
            return outcome::nothing_declared(&mut hand);
        };
        outcome::carry_out(&mut hand, &[Delivery::deleting(deletion)], outcome::judge_kept)
    })
}

//! Rules that another context has others in place of: the catalogue says by which they were replaced (WP 4.1).

use crds_upgrade::plan::Plan;
use crds_upgrade::run::{Step, StepError};
use crds_upgrade::state::{State, unlinked};

use super::outcome::members;
use super::rules::Rules;

/// As [`unlinked`] of the context that the plan sets, in the state of a host.
pub fn unlinked_in(s: &Step, plan: &Plan, state: &State) -> Result<Vec<String>, StepError> {
    let Some(set) = &plan.set_context else { return Ok(Vec::new()) };
    let rules = Rules::of_run(s)?;
    let catalogue = state.surfaces.get("catalogue");
    let link = |name: &str| {
        let field = catalogue.and_then(|rows| rows.get(name)).and_then(|row| row.get("replaced_by_filename"));
        field.and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    Ok(unlinked(&members(&rules, &plan.contexts.operational)?, &members(&rules, &set.context)?, link))
}

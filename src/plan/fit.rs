//! Whether a plan and a site belong together.

use super::{Change, PlanFile, Problem, Role, Site};

/// Everything in which `plan` asks for what `site` does not have or allow; empty = they fit.
pub fn misfits(plan: &PlanFile, site: &Site) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut note = |file: &std::path::Path, key: &str, message: String, help: String| {
        problems.push(Problem {
            file: file.to_owned(),
            line: 0,
            column: 0,
            key: key.to_owned(),
            text: String::new(),
            message,
            help,
        });
    };
    let (file, plan) = (&plan.source, &plan.plan);
    if plan.observatory != site.observatory {
        let message = format!("the plan is for `{}`, the site serves `{}`", plan.observatory, site.observatory);
        note(file, "observatory", message, "use the site file of that observatory".into());
    }
    let wanted = plan.submissions.iter().map(|s| &s.credential);
    let wanted = wanted.chain(plan.deletion.iter().map(|d| &d.credential));
    let wanted = wanted.chain(plan.set_context.iter().map(|c| &c.credential));
    let mut wanted: Vec<&String> = wanted.chain(plan.mark_bad.iter().map(|b| &b.credential)).collect();
    wanted.sort();
    wanted.dedup();
    for name in wanted.into_iter().filter(|name| !site.credentials.contains_key(*name)) {
        let message = format!("the plan uses the account `{name}`, which the site does not have");
        note(&site.source, "credentials", message, format!("add a table `[credentials.{name}]`"));
    }
    if !plan.submissions.is_empty() && site.submissions_dir.is_none() {
        let message = "the plan submits files, but the site does not say where they are".to_owned();
        note(&site.source, "submissions_dir", message, "add `submissions_dir = \"DIR\"`".into());
    }
    for role in plan.mirrors.iter().flat_map(|mirror| [mirror.from, mirror.to]) {
        if site.host(role).is_none() {
            let message = format!("the plan mirrors `{role}`, which the site does not have");
            note(&site.source, "hosts", message, format!("add a table `[hosts.{role}]`, or leave the mirror out"));
        }
    }
    for (role, change) in changes(plan) {
        if let Some(host) = site.host(role)
            && !host.allow.permits(change)
        {
            let message = format!("the plan needs `{}` on `{role}`, which the site does not allow", change.word());
            let help = format!("add \"{}\" to `changes` of [hosts.{role}.allow] if it is meant", change.word());
            note(&site.source, &format!("hosts.{role}.allow"), message, help);
        }
    }
    problems
}

/// The kinds of change that a plan makes, by host.
fn changes(plan: &super::Plan) -> Vec<(Role, Change)> {
    let mut needed = vec![
        (Role::Ops, Change::Cron),
        (Role::Ops, Change::Server),
        (Role::Ops, Change::Wipe),
        (Role::Ops, Change::Switch),
        (Role::Ops, Change::Tests),
        (Role::Test, Change::Backup),
    ];
    needed.extend(plan.rules_branch.iter().map(|_| (Role::Ops, Change::RulesBranch)));
    needed.extend(plan.stack.iter().map(|_| (Role::Ops, Change::Stack)));
    for mirror in &plan.mirrors {
        needed.extend([(mirror.to, Change::MirrorInto), (mirror.to, Change::Cron), (mirror.to, Change::Backup)]);
    }
    if !plan.submissions.is_empty() || plan.deletion.is_some() {
        needed.push((Role::Ops, Change::Submit));
    }
    if plan.set_context.is_some() || plan.mark_bad.is_some() {
        needed.push((Role::Ops, Change::Context));
    }
    needed.sort();
    needed.dedup();
    needed
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_shipped_plan_fits_the_example_site_and_not_another() {
        let plan = include_bytes!("../../fixtures/plans/hst-opus-2014.3.toml");
        let plan = PlanFile::parse(Path::new("plan.toml"), plan).unwrap();
        let text = include_str!("../../fixtures/sites/three-ssh-hosts.toml");
        let site = Site::parse(Path::new("/x/site.toml"), text.as_bytes()).unwrap();
        assert_eq!(misfits(&plan, &site), []);
        let poorer = text.replace("\"wipe\", ", "").replace("[credentials.submitter]", "[credentials.other]");
        let poorer = Site::parse(Path::new("/x/site.toml"), poorer.as_bytes()).unwrap();
        let found: Vec<String> = misfits(&plan, &poorer).iter().map(|p| p.message.clone()).collect();
        assert_eq!(found.len(), 2, "{found:?}");
    }
}

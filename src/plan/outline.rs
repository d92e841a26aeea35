//! What each step of a plan would run, look at and change; made from files alone, without a connection.

use serde::Serialize;

use crate::steps::{self, StepSpec};

use super::{Plan, Role, Site, SubmissionKind};

/// One step of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// Name of the step.
    pub id: &'static str,
    /// Chapter of the procedure.
    pub section: &'static str,
    /// A few words.
    pub title: &'static str,
    /// R, V, C or 1.
    pub class: &'static str,
    /// What it reads.
    pub looks_at: Vec<String>,
    /// What it runs on or sends to a server.
    pub runs: Vec<String>,
    /// What is different afterwards, with the plan's values; empty = it proves that nothing of that kind happened.
    pub changes: Vec<String>,
    /// How that is taken back.
    pub way_back: &'static str,
    /// Its checks, as `id: what must hold`.
    pub checks: Vec<String>,
}

/// The steps of `plan`, in order; with `site`, hosts carry their names.
pub fn outline(plan: &Plan, site: Option<&Site>) -> Vec<Outline> {
    steps::ALL.iter().map(|spec| step(spec, plan, site)).collect()
}

fn step(spec: &'static StepSpec, plan: &Plan, site: Option<&Site>) -> Outline {
    let changes = changes(spec.id, plan);
    let declared = changes.is_some();
    Outline {
        id: spec.id,
        section: spec.section,
        title: spec.title,
        class: spec.class.letter(),
        looks_at: spec.looks_at.iter().map(|text| with_hosts(text, site)).collect(),
        runs: if declared { spec.does.iter().map(|text| with_hosts(text, site)).collect() } else { Vec::new() },
        changes: changes.unwrap_or_default(),
        way_back: spec.way_back,
        checks: spec.checks.iter().map(|check| format!("{}: {}", check.id, check.says)).collect(),
    }
}

/// `OPS: ...` becomes `OPS (plhstcrdsv1): ...`.
fn with_hosts(text: &str, site: Option<&Site>) -> String {
    let Some(site) = site else { return text.to_owned() };
    for role in Role::ALL {
        let word = role.key().to_ascii_uppercase();
        if let (Some(rest), Some(host)) = (text.strip_prefix(&format!("{word}:")), site.host(role)) {
            return format!("{word} ({}):{rest}", host.identity.uname);
        }
    }
    text.to_owned()
}

/// What a step changes with this plan's values; `None` = the plan declares no change of its kind.
fn changes(id: &str, plan: &Plan) -> Option<Vec<String>> {
    let some = |lines: Vec<String>| (!lines.is_empty()).then_some(lines);
    let always = |line: &str| Some(vec![line.to_owned()]);
    match id.get(..4)? {
        "s130" => always("the cron table of OPS is empty until s370"),
        "s140" => always("OPS is off; its proxy shows an outage"),
        "s210" => {
            always("one more dated set on TEST, and on DEV if it is mirrored onto; copies on the operator's side")
        }
        "s220" => always("an archive of config and mappings on the operator's side"),
        "s230" => plan.rules_branch.as_ref().map(|b| vec![format!("{}: new branch `{}`", b.repository, b.path)]),
        "s240" => some(mirrors(plan, Role::Test)),
        "s250" => some(mirrors(plan, Role::Dev)),
        "s260" => always("an archive of the whole tree on the operator's side"),
        "s310" => some(plan.wipe.iter().map(|path| format!("OPS: `$CRDS/{path}` is removed")).collect()),
        "s320" => some(vec![
            format!(
                "OPS: CRDS goes from `{}` to `{}` ({})",
                plan.from.crds.branch, plan.to.crds.branch, plan.to.crds.revision
            ),
            format!(
                "OPS: CRDS_server goes from `{}` to `{}` ({})",
                plan.from.crds_server.branch, plan.to.crds_server.branch, plan.to.crds_server.revision
            ),
        ]),
        "s330" => always("OPS: the new release is installed and runs on 8002"),
        "s350" => plan.stack.as_ref().map(|s| {
            vec![format!(
                "OPS: CRDS_STACK goes from `{}` to `{}` in dot_setenv of the release branch and in ~/.setenv",
                s.from, s.to
            )]
        }),
        "s360" => plan.stack.as_ref().map(|s| vec![format!("OPS: installed again, on stack `{}`, on 8002", s.to)]),
        "s370" => always("OPS serves on 8001; cron is back with the new release's table"),
        "s410" => some(submissions(plan, SubmissionKind::Mapping)),
        "s420" => some(submissions(plan, SubmissionKind::References)),
        "s430" => plan
            .deletion
            .as_ref()
            .map(|d| vec![format!("{} leave the rules: {} becomes {}", d.files.join(", "), d.base, d.expect)]),
        "s440" => plan
            .set_context
            .as_ref()
            .map(|c| vec![format!("operational context goes from {} to {}", plan.contexts.operational, c.context)]),
        "s450" => plan.mark_bad.as_ref().map(|b| vec![format!("marked bad: {}", b.files.join(", "))]),
        _ => None,
    }
}

fn mirrors(plan: &Plan, to: Role) -> Vec<String> {
    let line = |m: &super::Mirror| {
        let wait =
            if m.stagger_s > 0 { format!(", {} h after the mirror before", m.stagger_s / 3600) } else { String::new() };
        format!("{} becomes a copy of {}{wait}", m.to, m.from)
    };
    plan.mirrors.iter().filter(|mirror| mirror.to == to).map(line).collect()
}

fn submissions(plan: &Plan, kind: SubmissionKind) -> Vec<String> {
    let line = |s: &super::Submission| {
        let becomes = s.expect.as_ref().map_or(String::new(), |expect| format!(": {} becomes {expect}", s.base));
        format!(
            "`{}`, {} file(s) for {}{becomes}; new rules: {}",
            s.id,
            s.files.len(),
            s.instrument,
            s.expect_rules.join(", ")
        )
    };
    plan.submissions_of(kind).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PlanFile;

    #[test]
    fn a_step_without_a_declared_change_runs_nothing() {
        let text = include_str!("../../fixtures/plans/hst-date-cut.toml");
        let plan = PlanFile::parse(std::path::Path::new("p"), text.as_bytes()).unwrap().plan;
        let all = outline(&plan, None);
        assert_eq!(all.len(), steps::ALL.len());
        let of = |id: &str| all.iter().find(|step| step.id.starts_with(id)).unwrap();
        assert!(of("s430").runs.is_empty() && of("s430").changes.is_empty());
        assert!(of("s350").changes.is_empty());
        assert_eq!(of("s440").changes, ["operational context goes from hst_0279.pmap to hst_0282.pmap"]);
        assert!(of("s250").changes[0].contains("24 h"));
    }
}

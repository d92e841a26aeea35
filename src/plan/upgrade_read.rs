//! Reading and judging `plan.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::civil::Date;

use super::names::{is_file_name, is_mapping, is_pmap};
use super::read::{self, Reader};
use super::site_read::{OBSERVATORIES, is_absolute, is_account, is_word};
use super::upgrade::{
    AffectedLimits, Approved, ChangeLevel, ContextPlan, Deletion, DiskFloor, MarkBad, Mirror, PLAN_SCHEMA,
    PackageTarget, Plan, PlanFile, Release, RulesBranch, SetContext, StackSwitch, Submission, SubmissionKind,
    TestBaseline, Thresholds, Waiver,
};
use super::{LoadError, Role};

impl PlanFile {
    /// Reads the plan file at `path` and judges it whole. Reaches no host.
    ///
    /// # Errors
    ///
    /// [`LoadError`]; [`LoadError::Invalid`] holds every problem.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let (plan, digest) = read::load(path, build)?;
        Ok(Self { plan, source: path.to_owned(), digest })
    }

    /// As [`Self::load`], of bytes at hand; `path` is only named.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, LoadError> {
        let plan = read::parse(path, bytes, build)?;
        Ok(Self { plan, source: path.to_owned(), digest: blake3::hash(bytes).to_hex().to_string() })
    }
}

fn build(r: &Reader<'_>) -> Plan {
    let observatory = r.choice("observatory", &OBSERVATORIES);
    let plan = Plan {
        schema: r.shaped("schema", |text| text == PLAN_SCHEMA, "this version reads `crds-upgrade/plan/1`"),
        id: r.shaped("id", is_word, "1-64 letters, digits, `.`, `_`, `-`"),
        title: r.text("title"),
        observatory,
        from: r.table("from", release),
        to: r.table("to", release),
        stack: r.opt_table("stack", stack),
        rules_branch: r.opt_table("rules_branch", rules_branch),
        mirrors: r.tables("mirror", mirror),
        contexts: r.table("contexts", contexts),
        submissions: r.tables("submission", submission),
        deletion: r.opt_table("deletion", deletion),
        set_context: r.opt_table("set_context", set_context),
        mark_bad: r.opt_table("mark_bad", mark_bad),
        affected: r.opt_table("affected", affected).unwrap_or_default(),
        tests: tests(r),
        wipe: r.shaped_texts(
            "wipe",
            is_below,
            "a path below the install root, without `..`; see SO 21 for what may go",
        ),
        thresholds: r.opt_table("thresholds", thresholds).unwrap_or_default(),
        waivers: r.tables("waiver", waiver),
    };
    whole(r, &plan);
    plan
}

/// What holds between the parts of a plan.
fn whole(r: &Reader<'_>, plan: &Plan) {
    let prefix = format!("{}_", plan.observatory);
    let ours =
        |name: &str| name.is_empty() || name == format!("{}.pmap", plan.observatory) || name.starts_with(&prefix);
    for pmap in plan.context_chain().into_iter().chain([plan.contexts.operational.as_str()]) {
        if !ours(pmap) {
            let help = format!("contexts of this observatory begin with `{prefix}`");
            r.wrong("contexts", format!("`{pmap}` belongs to another observatory than `{}`", plan.observatory), help);
        }
    }
    if plan.from == plan.to && plan.stack.is_none() {
        r.wrong(
            "to",
            "is what `from` says",
            "an upgrade changes a release or a stack; name the branch that OPS goes to",
        );
    }
    chain(r, plan);
    mirrors(r, plan);
    protected(r, plan);
    if let Some(set) = &plan.set_context
        && !plan.context_chain().contains(&set.context.as_str())
    {
        let message = format!("`{}` is neither the start nor made by this plan", set.context);
        r.wrong("set_context", message, "name the last context that the submissions and the deletion yield");
    }
    if let Some(bad) = &plan.mark_bad {
        let submitted: BTreeSet<&String> = plan.submissions.iter().flat_map(|s| &s.files).collect();
        for file in bad.files.iter().filter(|file| submitted.contains(file)) {
            r.wrong("mark_bad", format!("`{file}` is submitted by this very plan"), "leave it out of one of the two");
        }
    }
    let mut ids = BTreeSet::new();
    for submission in &plan.submissions {
        if !ids.insert(&submission.id) {
            r.wrong("submission", format!("two submissions are called `{}`", submission.id), "give each its own id");
        }
    }
}

/// Each submission starts from the context that the one before it makes (opus-2014.3: steps cannot be merged).
fn chain(r: &Reader<'_>, plan: &Plan) {
    let mut edit = plan.contexts.edit.as_str();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let bases = plan.submissions.iter().map(|s| ("submission", s.id.as_str(), s.base.as_str(), s.expect.as_deref()));
    let deletion = plan.deletion.iter().map(|d| ("deletion", "deletion", d.base.as_str(), Some(d.expect.as_str())));
    for (key, id, base, expect) in bases.chain(deletion) {
        if base != edit && !base.is_empty() {
            let message = format!("`{id}` starts from `{base}`, but the edit context will be `{edit}` then");
            r.wrong(key, message, format!("write base = \"{edit}\", or put them in the order in which they are made"));
        }
        if let Some(expect) = expect {
            if !names.insert(expect) || expect == plan.contexts.edit {
                r.wrong(key, format!("`{expect}` is made twice"), "each delivery makes exactly one new context");
            }
            edit = expect;
        }
    }
    let mapping_after = plan.submissions.iter().skip_while(|s| s.kind == SubmissionKind::Mapping);
    if mapping_after.into_iter().any(|s| s.kind == SubmissionKind::Mapping) {
        let help = "step s410 submits mappings, s420 references: put the mappings first";
        r.wrong("submission", "a mapping submission follows one of references", help);
    }
}

/// Downward only, and each source is fresh (SO 12).
fn mirrors(r: &Reader<'_>, plan: &Plan) {
    let pairs: Vec<_> = plan.mirrors.iter().map(|mirror| (mirror.from, mirror.to)).collect();
    for (index, pair) in pairs.iter().enumerate() {
        match pair {
            (Role::Ops, Role::Test | Role::Dev) | (Role::Test, Role::Dev) => {}
            (from, to) => {
                let message = format!("a mirror from `{from}` to `{to}`");
                r.wrong("mirror", message, "mirrors go downward only: OPS to TEST, TEST or OPS to DEV (SO 12)");
            }
        }
        if pairs[..index].contains(pair) {
            r.wrong("mirror", format!("`{}` to `{}` is listed twice", pair.0, pair.1), "list it once");
        }
        if pair.0 == Role::Test && pairs[index..].contains(&(Role::Ops, Role::Test)) {
            r.wrong("mirror", "DEV is filled from TEST before TEST is filled from OPS", "put `ops` to `test` first");
        }
    }
}

/// The wipe never reaches what the procedure protects (A032).
fn protected(r: &Reader<'_>, plan: &Plan) {
    const NEVER: [&str; 10] = [
        "crds_stacks",
        "CRDS",
        "CRDS_server",
        "monitor_reprocessing",
        "server/db_backups",
        "server/logs",
        "regress",
        "server/run",
        "test",
        "database",
    ];
    for path in &plan.wipe {
        let inside = |outer: &str, inner: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
        if let Some(kept) = NEVER.iter().find(|kept| inside(kept, path) || inside(path, kept)) {
            r.wrong("wipe", format!("`{path}` would take `{kept}` away"), "name the installed software only (SO 21)");
        }
        if path == "lib" {
            let help =
                "write \"lib/mod_wsgi.so\": install never makes `lib/`, and links the module in its place (SO 7)";
            r.wrong("wipe", "`lib` itself must stay", help);
        }
    }
}

fn release(r: &Reader<'_>) -> Release {
    Release {
        crds: r.table("crds", target),
        crds_server: r.table("crds_server", target),
        version: r.opt_text("version"),
    }
}

impl Default for PackageTarget {
    fn default() -> Self {
        Self { branch: String::new(), revision: Approved::HeadAtApproval }
    }
}

fn target(r: &Reader<'_>) -> PackageTarget {
    let branch = r.shaped("branch", is_branch, "`trunk` or `branches/NAME` (svn), a branch or tag (git)");
    let revision = if let Some(number) = r.number_if_integer("revision") {
        number.map(Approved::Revision)
    } else {
        r.opt_text("revision").and_then(|text| match text.as_str() {
            "head-at-approval" => Some(Approved::HeadAtApproval),
            hash if (7..=40).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Some(Approved::Commit(text))
            }
            _ => {
                let help = "a svn revision (a number), a git commit (7-40 hexadecimal digits) or \"head-at-approval\"";
                r.wrong("revision", "is no revision", help);
                None
            }
        })
    };
    if revision.is_none() && !r.has("revision") {
        r.wrong("revision", "`revision` is missing", "a number, or \"head-at-approval\" to record what s010 finds");
    }
    PackageTarget { branch, revision: revision.unwrap_or(Approved::HeadAtApproval) }
}

fn stack(r: &Reader<'_>) -> StackSwitch {
    let help = "the name of a directory below crds_stacks, such as \"crds_12\"";
    let stack = StackSwitch { from: r.shaped("from", is_word, help), to: r.shaped("to", is_word, help) };
    if stack.from == stack.to {
        r.wrong("to", "is the stack that OPS has already", "leave the table [stack] out if the stack does not change");
    }
    stack
}

fn rules_branch(r: &Reader<'_>) -> RulesBranch {
    RulesBranch {
        repository: r.choice("repository", &[("crds", "crds"), ("crds_server", "crds_server")]).to_owned(),
        path: r.shaped("path", |text| is_branch(text) && text != "trunk", "`branches/NAME`, a new one"),
        message: r.text("message"),
    }
}

fn mirror(r: &Reader<'_>) -> Mirror {
    let roles = [("ops", Role::Ops), ("test", Role::Test), ("dev", Role::Dev), ("scratch", Role::Scratch)];
    Mirror { from: r.choice("from", &roles), to: r.choice("to", &roles), stagger_s: r.duration("stagger", 0) }
}

fn contexts(r: &Reader<'_>) -> ContextPlan {
    let operational = pmap(r, "operational");
    let edit = r.opt_shaped("edit", is_pmap, "a name such as \"hst_0279.pmap\"").unwrap_or_else(|| operational.clone());
    ContextPlan { operational, edit }
}

fn pmap(r: &Reader<'_>, key: &'static str) -> String {
    r.shaped(key, is_pmap, "a name such as \"hst_0279.pmap\"; symbolic and date names are refused here")
}

fn files(r: &Reader<'_>, key: &'static str) -> Vec<String> {
    let files = r.shaped_texts(key, is_file_name, "one bare file name: letters, digits, `.`, `_`, `-`");
    if files.is_empty() {
        r.wrong(key, "names no file", "list the files, or leave the whole table out");
    }
    files
}

fn rules(r: &Reader<'_>) -> Vec<String> {
    r.shaped_texts("expect_rules", is_mapping, "names of imaps and rmaps; the pmap is `expect`")
}

/// The alphabet of 2019, the narrower one (WP 3.1): a plan's texts must pass on every era.
fn description(r: &Reader<'_>, key: &'static str) -> String {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b" ._/,=-+".contains(&b);
    let help = "letters, digits, blanks and `. _ / , = - +`, at most 2000; the servers refuse anything else (WP 3.1)";
    r.shaped(key, |text| text.len() <= 2000 && text.bytes().all(allowed), help)
}

fn credential(r: &Reader<'_>) -> String {
    r.shaped("credential", is_word, "a name of the site's [credentials]")
}

fn submission(r: &Reader<'_>) -> Submission {
    let kinds = [("references", SubmissionKind::References), ("mapping", SubmissionKind::Mapping)];
    let kind = r.choice("kind", &kinds);
    let mapping = kind == SubmissionKind::Mapping;
    let generate_contexts = r.flag("generate_contexts", true);
    let levels =
        [("SEVERE", ChangeLevel::Severe), ("MODERATE", ChangeLevel::Moderate), ("TRIVIAL", ChangeLevel::Trivial)];
    let creator = |text: &str| {
        (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.@,- ".contains(&b))
    };
    let expect = r.opt_shaped("expect", is_pmap, "the pmap that comes of it");
    let files = files(r, "files");
    if generate_contexts && expect.is_none() {
        r.wrong("expect", "`expect` is missing", "name the context that this submission must yield");
    }
    if !mapping && !generate_contexts {
        r.wrong("generate_contexts", "a batch of references always makes contexts", "leave it out");
    }
    if let Some(file) = files.iter().find(|file| is_mapping(file) != mapping) {
        let message = format!("`{file}` is {}", if mapping { "no mapping" } else { "a mapping" });
        r.wrong("files", message, "mappings and references are submitted on different pages; split the submission");
    }
    if mapping && generate_contexts && files.iter().any(|file| !file.ends_with(".rmap")) {
        r.wrong("files", "only rmaps may be submitted with contexts", "see WP 3.6; set generate_contexts = false");
    }
    Submission {
        id: r.shaped("id", is_word, "1-64 letters, digits, `.`, `_`, `-`"),
        kind,
        files,
        instrument: r.shaped("instrument", is_account, "the instrument whose lock the login takes, such as \"wfc3\""),
        base: pmap(r, "base"),
        expect,
        expect_rules: rules(r),
        generate_contexts,
        auto_rename: r.flag("auto_rename", false),
        compare_old: r.flag("compare_old", true),
        change_level: r.choice("change_level", &levels),
        creator: r.shaped("creator", creator, "letters, digits, blanks and `_ . @ , -`, at most 128"),
        description: description(r, "description"),
        credential: credential(r),
    }
}

fn deletion(r: &Reader<'_>) -> Deletion {
    Deletion {
        files: files(r, "files"),
        instrument: r.shaped("instrument", is_account, "the instrument whose lock the login takes, such as \"acs\""),
        base: pmap(r, "base"),
        expect: pmap(r, "expect"),
        expect_rules: rules(r),
        description: description(r, "description"),
        credential: credential(r),
    }
}

fn set_context(r: &Reader<'_>) -> SetContext {
    SetContext {
        context: pmap(r, "context"),
        description: description(r, "description"),
        credential: credential(r),
        archive_wait_s: r.duration("archive_wait", 4 * 3600),
    }
}

fn mark_bad(r: &Reader<'_>) -> MarkBad {
    MarkBad { files: files(r, "files"), why: description(r, "why"), credential: credential(r) }
}

fn affected(r: &Reader<'_>) -> AffectedLimits {
    let entries = r.entries("types", |instrument, entry| {
        if !is_account(instrument) {
            entry.wrong_key("is no instrument", "such as `wfc3`");
        }
        entry.texts()
    });
    let limits = AffectedLimits {
        at_least: r.opt_number("at_least", 0..=u64::MAX / 2),
        at_most: r.opt_number("at_most", 0..=u64::MAX / 2),
        types: entries.into_iter().collect(),
        date_cut_loses: r.flag("date_cut_loses", false),
    };
    if let (Some(least), Some(most)) = (limits.at_least, limits.at_most)
        && least > most
    {
        r.wrong("at_least", format!("is more than at_most = {most}"), "at_least must not exceed at_most");
    }
    limits
}

fn tests(r: &Reader<'_>) -> BTreeMap<Role, TestBaseline> {
    let entries = r.entries("tests", |key, entry| {
        let role = Role::from_key(key).filter(|role| *role != Role::Scratch);
        if role.is_none() {
            entry.wrong_key("is no host that runs tests", "ops, test or dev");
        }
        let baseline = entry.table(|r| TestBaseline {
            at_least: r.number("at_least", 1..=100_000, 1),
            names: r.shaped_texts("names", is_test, "a name such as \"Hst.test_index\""),
            skipped: r.texts("skipped"),
            longest_s: r.has("longest").then(|| r.duration("longest", 3600)),
        });
        role.zip(baseline)
    });
    entries.into_iter().map(|(_, pair)| pair).collect()
}

fn thresholds(r: &Reader<'_>) -> Thresholds {
    let usual = Thresholds::default();
    let percent = |key: &'static str, usual: u8| u8::try_from(r.number(key, 0..=100, usual.into())).unwrap_or(usual);
    let disk = r.tables("disk", |r| DiskFloor {
        path: r.shaped("path", is_absolute, "an absolute path on the hosts"),
        free_percent: u8::try_from(r.number("free_percent", 0..=99, 10)).unwrap_or(10),
    });
    Thresholds {
        offline_window_s: r.duration("offline_window", usual.offline_window_s),
        disk,
        dump_change_percent: percent("dump_change_percent", usual.dump_change_percent),
        backup_within_h: u8::try_from(r.number("backup_within_h", 1..=20, usual.backup_within_h.into()))
            .unwrap_or(usual.backup_within_h),
        proxy_lag_s: r.duration("proxy_lag", usual.proxy_lag_s),
        start_s: r.duration("start", usual.start_s),
        tests_s: r.duration("tests", usual.tests_s),
        submission_s: r.duration("submission", usual.submission_s),
        affected_s: r.duration("affected", usual.affected_s),
        clock_skew_s: r.duration("clock_skew", usual.clock_skew_s),
        certificate_days: u32::try_from(r.number("certificate_days", 0..=3650, usual.certificate_days.into()))
            .unwrap_or(usual.certificate_days),
    }
}

fn waiver(r: &Reader<'_>) -> Waiver {
    let until = r.text("until");
    let date = until.parse::<Date>();
    if date.is_err() && !until.is_empty() {
        r.wrong(
            "until",
            format!("`{until}` is no date"),
            "write \"YYYY-MM-DD\", the last day on which the waiver counts",
        );
    }
    Waiver {
        check: r.shaped(
            "check",
            is_test_check,
            "write a check of test results, such as \"s110.no_new_failure\"; `what` names the test",
        ),
        what: r.text("what"),
        owner: r.text("owner"),
        until: date.unwrap_or(Date::MIN),
        reason: r.text("reason"),
    }
}

/// A check that compares test results: of those a plan can accept a failure by the test's name. By its id, or as `step/check`.
fn is_test_check(text: &str) -> bool {
    let id = match text.split_once('/') {
        Some((step, check)) => format!("{}.{check}", step.split('_').next().unwrap_or(step)),
        None => text.to_owned(),
    };
    id.ends_with(".no_new_failure") && crate::steps::check_by_id(&id).is_some()
}

fn is_branch(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && !text.starts_with(['/', '-'])
        && !text.ends_with('/')
        && text.split('/').all(|part| is_word(part) && !part.starts_with('.'))
}

/// `Class.method`.
fn is_test(text: &str) -> bool {
    text.split_once('.').is_some_and(|(class, method)| is_word(class) && is_word(method))
}

/// A path below a directory: relative, without `.` and `..`.
fn is_below(text: &str) -> bool {
    !text.starts_with('/')
        && is_absolute(&format!("/{text}"))
        && !text.split('/').any(|part| matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Site;

    const HISTORICAL: &str = include_str!("../../fixtures/plans/hst-opus-2014.3.toml");

    fn problems(text: &str) -> Vec<String> {
        match PlanFile::parse(Path::new("plan.toml"), text.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems().iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn the_shipped_files_are_valid() {
        let plan = PlanFile::parse(Path::new("plan.toml"), HISTORICAL.as_bytes()).unwrap().plan;
        let chain = ["hst_0279.pmap", "hst_0280.pmap", "hst_0281.pmap", "hst_0282.pmap", "hst_0283.pmap"];
        assert_eq!(plan.context_chain(), chain);
        assert_eq!(problems(include_str!("../../fixtures/plans/hst-date-cut.toml")), [""; 0]);
        assert_eq!(problems(include_str!("../../fixtures/plans/hst-code-only.toml")), [""; 0]);
        let site = include_bytes!("../../fixtures/sites/three-ssh-hosts.toml");
        Site::parse(Path::new("/x/site.toml"), site).unwrap();
    }

    #[test]
    fn the_submitted_references_are_the_fourteen_of_history() {
        let plan = PlanFile::parse(Path::new("plan.toml"), HISTORICAL.as_bytes()).unwrap().plan;
        assert_eq!(plan.submissions[1].files.len(), 14);
    }

    /// One mutation of the historical plan and a piece of what must be said about it.
    #[rstest::rstest]
    #[case("base = \"hst_0281.pmap\"", "base = \"hst_0280.pmap\"", "the edit context will be `hst_0281.pmap` then")]
    #[case("\"static\"", "\"crds_stacks\"", "would take `crds_stacks` away")]
    #[case("\"static\"", "\"server\"", "would take `server/")]
    #[case("\"lib/mod_wsgi.so\"", "\"lib\"", "`lib` itself must stay")]
    #[case("\"static\"", "\"../x\"", "not acceptable")]
    #[case("from = \"test\"\nto = \"dev\"", "from = \"dev\"\nto = \"ops\"", "downward only")]
    #[case("context = \"hst_0283.pmap\"", "context = \"hst_0299.pmap\"", "neither the start nor made by this plan")]
    #[case("to = \"dev\"", "to = \"dev\"\nstagger = \"1 day\"", "is no time span")]
    #[case("to = \"dev\"", "to = \"dev\"\nstaggr = \"1d\"", "did you mean `stagger`?")]
    #[case("to = \"crds_12\"", "to = \"crds_11\"", "is the stack that OPS has already")]
    #[case("files = [\"y7b1516hi_d2i.fits\"", "files = [\"x.rmap\"", "is a mapping")]
    #[case("revision = \"head-at-approval\"", "revision = \"HEAD\"", "is no revision")]
    #[case("revision = \"head-at-approval\"", "revision = -4", "is out of range")]
    #[case("kind = \"references\"", "kind = \"reference\"", "did you mean `references`?")]
    #[case("why = \"Un", "why = \"(Un", "the servers refuse anything else")]
    #[case("files = [\"l2d0959cj_pfl.fits\"", "files = [\"y7b1516hi_d2i.fits\"", "submitted by this very plan")]
    #[case("observatory = \"hst\"", "observatory = \"jwst\"", "belongs to another observatory")]
    fn a_wrong_value_is_named(#[case] good: &str, #[case] bad: &str, #[case] says: &str) {
        assert!(HISTORICAL.contains(good), "{good:?} is not in the plan");
        let found = problems(&HISTORICAL.replace(good, bad));
        assert!(found.iter().any(|problem| problem.contains(says)), "{says:?} in {found:#?}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = PlanFile::parse(Path::new("p"), &bytes);
            let _ = Site::parse(Path::new("s"), &bytes);
        }

        #[test]
        fn a_damaged_plan_is_refused_by_file_and_line_or_a_plan(bytes in crate::mangled::bytes(HISTORICAL.as_bytes())) {
            match PlanFile::parse(Path::new("plan.toml"), &bytes) {
                // One that is cut after its contexts submits nothing and is a plan.
                Ok(file) => for context in file.plan.context_chain() {
                    proptest::prop_assert!(is_pmap(context), "{}", context);
                },
                Err(error) => for problem in error.problems() {
                    proptest::prop_assert!(problem.to_string().starts_with("plan.toml:") && !problem.help.is_empty(), "{}", problem);
                    proptest::prop_assert!(problem.line <= bytes.iter().filter(|byte| **byte == b'\n').count() + 1);
                }
            }
        }

        #[test]
        fn a_damaged_site_is_refused_by_file_and_line_or_a_site(
            bytes in crate::mangled::bytes(include_bytes!("../../fixtures/sites/three-ssh-hosts.toml"))
        ) {
            if let Err(error) = Site::parse(Path::new("/x/site.toml"), &bytes) {
                for problem in error.problems() {
                    proptest::prop_assert!(problem.to_string().starts_with("/x/site.toml:") && !problem.help.is_empty(), "{}", problem);
                }
            }
        }
    }

    /// Files of the greatest size that is read, each built to be slow or to say much.
    #[test]
    fn hostile_files_are_refused_in_good_time_and_in_short() {
        let most = usize::try_from(super::super::MAX_FILE_BYTES).unwrap();
        let unit = |text: &str| text.repeat(most / text.len());
        let keys: String = (0..most / 10).map(|n| format!("k{n}=1\n")).collect();
        let inline = format!("x = {{{}}}", (0..most / 12).map(|n| format!("k{n}=1,")).collect::<String>());
        let files = [
            unit("["),
            unit("{"),
            unit("a."),
            unit("a = 1\n"),
            unit("\u{0}"),
            unit("="),
            unit("\"\"\""),
            format!("observatory = \"{}\"", unit("h")),
            format!("{HISTORICAL}\n{keys}"),
            keys,
            inline,
            unit("[[submissions]]\n"),
            unit("x = [[[[[[[[\n"),
            unit("ß"),
            format!("a = {}", unit("9")),
        ];
        for file in files {
            let start: String = file.chars().take(20).collect();
            let began = std::time::Instant::now();
            let errors = [
                PlanFile::parse(Path::new("plan.toml"), file.as_bytes()).map(drop).unwrap_err(),
                Site::parse(Path::new("site.toml"), file.as_bytes()).map(drop).unwrap_err(),
            ];
            assert!(began.elapsed() < std::time::Duration::from_secs(20), "{start:?}: {:?}", began.elapsed());
            for error in errors {
                assert!(
                    !error.help().is_empty() && error.to_string().len() < 400_000,
                    "{start:?}: {}",
                    error.to_string().len()
                );
                assert!((1..=200).contains(&error.problems().len()), "{start:?}");
            }
        }
    }
}

//! The harness on a fleet of one fake host: this machine, in a directory of its own.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::event::Event;
use super::folder::Folder;
use super::ledger::{KEPT_STATE, Ledger};
use super::open::{self, Request};
use super::step::{Poll, Step};
use super::verdict::{Found, Verdict};
use super::{RunError, StepError, StepResult, harness};
use crate::plan::{Change, Role};
use crate::report::verify::verify;
use crate::report::{self, Outcome};
use crate::steps::{CheckSpec, Class, StepSpec};

static FIRST: StepSpec = StepSpec {
    id: "s010_preflight",
    section: "test",
    title: "first",
    class: Class::ReadOnly,
    added: true,
    procedure: "",
    looks_at: &["nothing"],
    does: &[],
    way_back: "none",
    needs: &[],
    checks: &[CheckSpec { id: "s010.good", says: "it is good" }],
};

static SECOND: StepSpec = StepSpec {
    id: "s130_stop_ops_cron",
    section: "test",
    title: "second",
    class: Class::Reversible,
    added: false,
    procedure: "",
    looks_at: &["a file"],
    does: &["writes the file"],
    way_back: "remove the file",
    needs: &["s010_preflight"],
    checks: &[CheckSpec { id: "s130.there", says: "the file is there" }],
};

/// A run on a site whose only hosts are this machine.
struct Bench {
    folder: tempfile::TempDir,
    open: open::Open,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let request = request(folder.path());
        let open = open::open(&request).expect("opens");
        Self { folder, open }
    }

    fn step(&self, spec: &'static StepSpec, body: impl FnOnce(&Step) -> Result<(), StepError>) -> StepResult {
        harness::step_in(self.open.folder.path(), "rehearsal", spec, body)
    }

    fn first(&self) -> StepResult {
        self.step(&FIRST, |s| s.check("good").observed("good").require(true))
    }

    fn ledger(&self) -> Ledger {
        Ledger::read(&self.open.folder.entries().expect("reads"))
    }

    fn mark(&self) -> PathBuf {
        self.folder.path().join("mark")
    }

    /// The second step as an author would write it; `acted` counts how often it really acts.
    fn second(&self, acted: &Cell<u32>, dies: bool) -> StepResult {
        let mark = self.mark();
        self.step(&SECOND, |s| {
            s.act(
                "write",
                Role::Scratch,
                Change::RestoreInto,
                || Ok(if mark.exists() { Found::Done } else { Found::NotDone }),
                |permit| {
                    acted.set(acted.get() + 1);
                    assert_eq!(permit.act(), "write");
                    fs::write(&mark, "x")?;
                    if dies { Err(StepError::unknown("the connection was lost", "look")) } else { Ok(()) }
                },
            )?;
            s.check("there").on(Role::Scratch).observed("there").judge(mark.exists())?;
            Ok(())
        })
    }
}

fn request(folder: &Path) -> Request {
    let enter = folder.join("enter");
    fs::write(
        &enter,
        "#!/bin/sh\nCRDS_PROJECT=hst CRDS_USECASE=scratch; export CRDS_PROJECT CRDS_USECASE\nexec \"$@\"\n",
    )
    .and_then(|()| fs::set_permissions(&enter, fs::Permissions::from_mode(0o755)))
    .expect("writes");
    let uname = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let uname = uname.split('.').next().unwrap_or_default().to_owned();
    let account =
        String::from_utf8(std::process::Command::new("id").arg("-un").output().expect("id").stdout).expect("text");
    let host = |role: &str, uname: &str, rest: &str| {
        format!(
            "[hosts.{role}]\nlayout = \"2014\"\nera = \"2019\"\nroot = \"{0}\"\ntransport = \"local\"\nenter = [\"{0}/enter\"]\n\
             [hosts.{role}.identity]\nuname = \"{uname}\"\naccount = \"{1}\"\nuse_case = \"{role}\"\ndatabase = \"crds_{role}\"\n{rest}\n",
            folder.display(),
            account.trim()
        )
    };
    let urls = "direct_url = \"https://127.0.0.1:8001/\"\nhidden_url = \"https://127.0.0.1:8002/\"\n\
                proxy_url = \"https://127.0.0.1:8443/\"";
    let site = format!(
        "schema = \"crds-upgrade/site/1\"\nname = \"bench\"\nkind = \"embedded\"\nobservatory = \"hst\"\narchive_dir = \"{0}/archive\"\n\
         waiting = \"real\"\ntime_zone = \"America/New_York\"\n[repositories]\ncrds = \"file://{0}/svn/crds\"\ncrds_server = \"file://{0}/svn/crds_server\"\n{1}{2}",
        folder.display(),
        host("ops", "elsewhere", urls),
        host("scratch", &uname, "[hosts.scratch.allow]\nchanges = [\"restore_into\"]")
    );
    let site_path = folder.join("site.toml");
    fs::write(&site_path, site).expect("writes");
    Request {
        runs: folder.join("runs"),
        site: site_path,
        plan: PathBuf::from("fixtures/plans/hst-opus-2014.3.toml"),
        profile: "rehearsal".to_owned(),
        rules: "fixture".to_owned(),
    }
}

fn text(stopped: StepResult) -> String {
    format!("{:?}", stopped.expect_err("the step does not pass"))
}

#[test]
fn a_step_needs_those_before_it() {
    let bench = Bench::new();
    let acted = Cell::new(0);
    let refused = text(bench.second(&acted, false));
    assert!(refused.contains("blocked: `s130_stop_ops_cron` needs `s010_preflight`, which has not begun"), "{refused}");
    assert!(refused.contains("nothing was executed"));
    assert_eq!(acted.get(), 0);
    bench.first().expect("passes");
    bench.second(&acted, false).expect("passes");
    assert_eq!(acted.get(), 1);
}

#[test]
fn a_passed_step_is_looked_at_again_and_not_repeated() {
    let bench = Bench::new();
    let acted = Cell::new(0);
    bench.first().expect("passes");
    bench.second(&acted, false).expect("passes");
    bench.second(&acted, false).expect("still holds");
    assert_eq!(acted.get(), 1, "the effect is there, so nothing is done twice");
    fs::remove_file(bench.mark()).expect("removes");
    let missing = text(bench.second(&acted, false));
    assert!(missing.contains("the effect of `write` on scratch was there and is missing now"), "{missing}");
    assert_eq!(acted.get(), 1, "a missing effect is never repeated silently");
}

#[test]
fn an_act_without_an_outcome_is_reconciled_by_looking() {
    let bench = Bench::new();
    let acted = Cell::new(0);
    bench.first().expect("passes");
    let lost = text(bench.second(&acted, true));
    assert!(lost.contains("the connection was lost"), "{lost}");
    bench.second(&acted, false).expect("the effect is there: it counts as done");
    assert_eq!(acted.get(), 1);

    let bench = Bench::new();
    let acted = Cell::new(0);
    bench.first().expect("passes");
    let _lost = text(bench.second(&acted, true));
    fs::remove_file(bench.mark()).expect("removes");
    bench.second(&acted, false).expect("the effect is not there: it is done");
    assert_eq!(acted.get(), 2);
}

#[test]
fn half_an_effect_stops_the_step() {
    let bench = Bench::new();
    bench.first().expect("passes");
    let half = || {
        bench.step(&SECOND, |s| {
            s.act(
                "write",
                Role::Scratch,
                Change::RestoreInto,
                || Ok(Found::Half("one table of two".to_owned())),
                |_| Err(StepError::unknown("the connection was lost", "look")),
            )
        })
    };
    let _lost = text(half());
    let stopped = text(half());
    assert!(stopped.contains("was begun, has no outcome, and is half there: one table of two"), "{stopped}");
    assert_eq!(bench.ledger().step(SECOND.id).verdict, Some(Verdict::Unknown));
}

#[test]
fn a_change_that_the_site_does_not_allow_is_not_made() {
    let bench = Bench::new();
    bench.first().expect("passes");
    let refused = text(bench.step(&SECOND, |s| {
        s.act("empty", Role::Ops, Change::Cron, || Ok(Found::NotDone), |_| panic!("must not be called"))
    }));
    assert!(refused.contains("does not allow the change `cron` on ops"), "{refused}");
    assert!(!bench.open.folder.entries().expect("reads").iter().any(|entry| entry.event.kind() == "intent"));
}

#[test]
fn an_unjudged_check_is_unknown_and_an_undeclared_one_too() {
    let bench = Bench::new();
    let unjudged = text(bench.step(&FIRST, |_| Ok(())));
    assert!(unjudged.contains("check s010.good unknown"), "{unjudged}");
    let stray = text(bench.step(&FIRST, |s| {
        s.check("good").judge(true)?;
        s.check("other").judge(true).map(|_| ())
    }));
    assert!(stray.contains("s010.other is not"), "{stray}");
    let failed = text(bench.step(&FIRST, |s| s.check("good").judge(None::<bool>).map(|_| ())));
    assert!(failed.contains("unknown"), "{failed}");
    let panicked = text(bench.step(&FIRST, |_| panic!("at the disco")));
    assert!(panicked.contains("the step panicked: at the disco"), "{panicked}");
}

#[test]
fn a_wait_is_bounded_and_tells_the_last_status() {
    let bench = Bench::new();
    let over = text(bench.step(&FIRST, |s| {
        let (limit, every) = (std::time::Duration::from_millis(150), std::time::Duration::from_millis(50));
        s.wait("the archive", limit, every, || Ok(Poll::<()>::NotYet("3 of 9 files".to_owned())))
    }));
    assert!(over.contains("the archive did not come within 0 s; last seen: 3 of 9 files"), "{over}");
}

#[test]
fn an_unfinished_run_is_resumed_and_another_plan_refused() {
    let bench = Bench::new();
    let request = request(bench.folder.path());
    let again = open::open(&request).expect("resumes");
    assert!(again.resumed);
    assert_eq!(again.folder.name(), bench.open.folder.name());

    let other = bench.folder.path().join("other.toml");
    let plan = fs::read_to_string(&request.plan).expect("reads");
    fs::write(&other, format!("{plan}\n# another\n")).expect("writes");
    let refused = open::open(&Request { plan: other, ..request.clone() }).expect_err("another digest");
    assert!(matches!(refused, RunError::Refused { .. }), "{refused}");

    open::finish(&bench.open.folder, "abandoned").expect("ends");
    let fresh = open::open(&request).expect("opens a new run");
    assert!(!fresh.resumed);
    let stopped = text(bench.first());
    assert!(stopped.contains("is finished (abandoned) and is never used again"), "{stopped}");
}

#[test]
fn ops_refuses_a_site_that_is_not_real() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let request = Request { profile: "ops".to_owned(), ..request(folder.path()) };
    let refused = open::open(&request).expect_err("an embedded site");
    assert!(refused.to_string().contains("profile `ops` does not work on a site of kind `embedded`"), "{refused}");
    assert!(!folder.path().join("runs").exists() && !folder.path().join("locks").exists(), "nothing was written");
}

#[test]
fn the_report_rebuilds_to_the_same_bytes_and_tampering_turns_it_red() {
    let bench = Bench::new();
    bench.first().expect("passes");
    let failed =
        text(bench.step(&SECOND, |s| s.check("there").on(Role::Ops).observed("<b>not</b>").judge(false).map(|_| ())));
    assert!(failed.contains("check s130.there failed on ops"), "{failed}");
    let folder: &Folder = &bench.open.folder;
    let (acceptance, files) = report::make(folder).expect("makes");
    assert_eq!(acceptance.verdict, Outcome::Rejected);
    assert_eq!(acceptance.counts().get("not_run"), Some(&28));
    let own = acceptance.own_time();
    assert!(own.median <= own.p95 && own.p95 <= own.total, "{own:?}");
    let html = String::from_utf8(files.html.clone()).expect("text");
    assert!(
        html.contains("&lt;b&gt;not&lt;&#x2f;b&gt;") && !html.contains("<b>not</b>"),
        "what a host says is escaped"
    );
    assert!(String::from_utf8_lossy(&files.junit).contains("skipped"));
    for (name, bytes) in files.each() {
        assert_eq!(fs::read(folder.join("report").join(name)).expect("written when the step failed"), bytes, "{name}");
    }
    report::write(folder).expect("rebuilds");
    assert_eq!(report::make(folder).expect("makes").1, files);
    assert_eq!(report::verify::verify(folder).expect("reads").wrong, Vec::<String>::new());

    let json = folder.join("report/acceptance.json");
    let text = fs::read_to_string(&json).expect("reads").replace("rejected", "accepted");
    fs::write(&json, text).expect("tampers");
    assert!(!report::verify::verify(folder).expect("reads").wrong.is_empty());
    report::write(folder).expect("rebuilds");
    let plan = folder.join("plan.toml");
    fs::write(&plan, "id = 1").expect("tampers");
    assert!(!report::verify::verify(folder).expect("reads").wrong.is_empty());
}

#[test]
fn a_kept_state_that_is_gone_or_another_is_named_by_verify() {
    let bench = Bench::new();
    let text = "a state";
    let states = bench.open.folder.join("states");
    fs::create_dir_all(&states).and_then(|()| fs::write(states.join("s010_now.json"), text)).expect("writes");
    let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
    bench
        .step(&FIRST, |s| {
            s.fact(&format!("{KEPT_STATE}s010_now"), hash)?;
            s.check("good").observed("good").require(true)
        })
        .expect("passes");
    let wrong = || verify(&bench.open.folder).expect("reads").wrong;
    assert_eq!(wrong(), Vec::<String>::new());
    fs::write(states.join("s010_now.json"), "another").expect("writes");
    assert_eq!(wrong(), ["states/s010_now.json is not what the journal says was kept"]);
    fs::remove_file(states.join("s010_now.json")).expect("removes");
    let wrong = wrong();
    assert!(wrong.len() == 1 && wrong[0].starts_with("states/s010_now.json cannot be read"), "{wrong:?}");
}

#[test]
fn what_is_recorded_holds_no_secret() {
    let bench = Bench::new();
    let canary = "c4nary-0f-a-passw0rd";
    bench
        .step(&FIRST, |s| {
            s.hosts().recorder().secret(&secrecy::SecretString::from(canary.to_owned()));
            let ops = s.host(Role::Scratch)?;
            let refused = ops.remote().must_look(&["echo", "login", canary], crate::host::Limit::QUICK);
            let refused = refused.expect_err("an argument is there for every user of the host to read").to_string();
            assert!(refused.contains("an argument holds a secret") && !refused.contains(canary), "{refused}");
            let ran = ops.remote().look_with(&["cat"], canary.as_bytes(), crate::host::Limit::QUICK)?;
            let kept = s.evidence("page", ran.text())?;
            s.fact("page", "no secret")?;
            s.check("good").expected(canary).observed(ran.text()).evidence(&kept).require(true)
        })
        .expect("passes");
    let mut looked = 0;
    for entry in walkdir::WalkDir::new(bench.open.folder.path()).into_iter().flatten() {
        if entry.file_type().is_file() {
            looked += 1;
            let bytes = fs::read(entry.path()).expect("reads");
            assert!(memchr::memmem::find(&bytes, canary.as_bytes()).is_none(), "{}", entry.path().display());
        }
    }
    assert!(looked > 5, "{looked} files");
}

#[test]
fn a_tampered_journal_stops_the_next_step() {
    let bench = Bench::new();
    bench.first().expect("passes");
    let journal = rusqlite::Connection::open(bench.open.folder.join("journal.sqlite")).expect("opens");
    journal
        .execute_batch("DROP TRIGGER never_updated; UPDATE entries SET body = replace(body, 'passed', 'failed')")
        .expect("tampers");
    let stopped = text(bench.first());
    assert!(stopped.contains("tampered: journal entry"), "{stopped}");
}

#[test]
fn a_deferred_step_is_green_and_leaves_the_run_incomplete() {
    let bench = Bench::new();
    bench.step(&FIRST, |s| s.defer("2014-09-17T12:00:00-04:00", "the plan staggers the mirrors")).expect("green");
    bench.second(&Cell::new(0), false).expect("not blocked");
    let (acceptance, _) = report::make(&bench.open.folder).expect("makes");
    assert_eq!(acceptance.steps[0].verdict, "deferred");
    assert_eq!(acceptance.verdict, Outcome::Incomplete);
}

#[test]
fn the_first_entry_says_what_the_run_is_for() {
    let bench = Bench::new();
    let entries = bench.open.folder.entries().expect("reads");
    assert!(
        matches!(&entries[0].event, Event::Opened(opened) if opened.profile == "rehearsal" && opened.rules == "fixture")
    );
}

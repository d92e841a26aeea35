//! The log of a unit-test run of the server (SO 14), of Django 1.6 on Python 2.7 as well as of later ones.
//!
//! The log is a merged stream: application messages and whole HTML pages stand between a test's name and its verdict,
//! so a verdict counts only where the runner writes it, on the test's own line or alone on a later one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::judgement::Judgement;

/// The verdict that the runner printed for one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// `ok`
    Ok,
    /// `FAIL`
    Fail,
    /// `ERROR`
    Error,
    /// `skipped '...'`, with the reason.
    Skipped(String),
    /// `expected failure`
    ExpectedFailure,
    /// `unexpected success`
    UnexpectedSuccess,
}

impl Token {
    /// Reads a verdict that fills `text` from end to end.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim_end() {
            "ok" => Some(Self::Ok),
            "FAIL" => Some(Self::Fail),
            "ERROR" => Some(Self::Error),
            "expected failure" => Some(Self::ExpectedFailure),
            "unexpected success" => Some(Self::UnexpectedSuccess),
            other => {
                other.strip_prefix("skipped ").map(|reason| Self::Skipped(reason.trim_matches(['\'', '"']).into()))
            }
        }
    }
}

/// One test of the run: `method (dotted.Class)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    /// Class and method, `Hst.test_index`: the dotted path before them changes with the runner (SO 14) and is left out.
    pub key: String,
    /// What the runner said; `None` if the log ends or another test begins before it did.
    pub token: Option<Token>,
    /// Line of the log on which the test begins, from 1.
    pub line: usize,
}

/// One block of the failure report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// `ERROR` or `FAIL`.
    pub kind: String,
    /// Class and method, or the bare word such as `setUpClass`.
    pub key: String,
    /// The last line of the traceback: the reason.
    pub reason: String,
}

/// `Ran N tests in S s` and the line that follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Tests that the runner counted.
    pub ran: usize,
    /// Wall time of the run, in seconds.
    pub seconds: f64,
    /// True for `OK`, false for `FAILED`, `None` if the log ends before either.
    pub ok: Option<bool>,
    /// The counts in parentheses (`failures`, `errors`, `skipped`, ...).
    pub counts: BTreeMap<String, usize>,
}

/// How the log ends where it does not end well (SO 14.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A summary, then the test database was destroyed.
    Whole,
    /// A summary, but no `Destroying test database` line after it.
    NoTeardown,
    /// Interrupted from the keyboard.
    Interrupted,
    /// The test database of an earlier run was in the way.
    LeftoverDatabase,
    /// The database server did not answer.
    DatabaseDown,
    /// A traceback and no test database: the tests never started.
    NeverStarted,
    /// The log stops without a summary: killed, out of memory or disk.
    CutShort,
    /// Nothing at all.
    Empty,
}

/// All that a log says of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TestRun {
    /// Databases named by `Creating test database` lines, in order.
    pub databases: Vec<String>,
    /// The tests in the order of the log.
    pub tests: Vec<TestOutcome>,
    /// Lines with a bare `ERROR` that belongs to no test: a failed `setUpClass`, whose tests are not counted.
    pub bare_errors: Vec<usize>,
    /// Failure blocks.
    pub blocks: Vec<Block>,
    /// Every summary found; a good log has exactly one.
    pub summaries: Vec<Summary>,
    /// How the log ends.
    pub ending: Ending,
}

static OPENS: LazyLock<Regex> = LazyLock::new(|| fixed(r"^(\w+) \(([\w.]+)\)(?: \.\.\. ?(.*))?$"));
static BLOCK: LazyLock<Regex> = LazyLock::new(|| fixed(r"^(ERROR|FAIL): (\w+)(?: \(([\w.]+)\))?"));
static RAN: LazyLock<Regex> = LazyLock::new(|| fixed(r"^Ran (\d+) tests? in ([0-9.]+)s$"));
static END: LazyLock<Regex> = LazyLock::new(|| fixed(r"^(OK|FAILED)(?: \((.*)\))?$"));
static CREATES: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"^Creating test database for alias '[^']*'(?: \('([^']*)'\))?\.\.\."));

/// Compiles a pattern of this module.
fn fixed(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

const DOUBLE_RULE: &str = "======================================================================";
const SINGLE_RULE: &str = "----------------------------------------------------------------------";

impl TestRun {
    /// Reads a log. Never fails: what is not there shows in the fields.
    #[must_use]
    pub fn parse(log: &str) -> Self {
        Reader::new(log).read()
    }

    /// The tests with an outcome for which `wanted` holds, by key.
    pub fn keys(&self, wanted: impl Fn(&Token) -> bool) -> Vec<&str> {
        let with = |test: &&TestOutcome| test.token.as_ref().is_some_and(&wanted);
        self.tests.iter().filter(with).map(|test| test.key.as_str()).collect()
    }

    /// Tests that failed or broke, by key, and failed class set-ups.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let bad = |token: &Token| matches!(token, Token::Fail | Token::Error | Token::UnexpectedSuccess);
        let mut all = self.keys(bad);
        let mut known: BTreeSet<&str> = all.iter().copied().collect();
        all.extend(self.blocks.iter().map(|block| block.key.as_str()).filter(|key| known.insert(key)));
        all.into_iter().map(str::to_owned).collect()
    }

    /// Tests that must fail and did not.
    pub fn unexpected_successes(&self) -> Vec<String> {
        let keys = self.keys(|token: &Token| matches!(token, Token::UnexpectedSuccess));
        keys.into_iter().map(str::to_owned).collect()
    }

    /// Whether the run is whole: one summary, as many tests as it counts, each with a verdict, the test database
    /// destroyed afterwards.
    pub fn judge_whole(&self) -> Judgement {
        let expected = "one summary, a verdict for each test, the test database destroyed at the end";
        let mut faults = Vec::new();
        if self.ending != Ending::Whole {
            faults.push(self.ending.says().to_owned());
        }
        if self.summaries.len() > 1 {
            faults.push(format!("{} summaries in one log", self.summaries.len()));
        }
        for test in self.tests.iter().filter(|test| test.token.is_none()) {
            faults.push(format!("no verdict for {} (line {})", test.key, test.line));
        }
        for line in &self.bare_errors {
            faults.push(format!("a class could not be set up (bare ERROR on line {line}): its tests are not counted"));
        }
        let mut proof = String::new();
        if let [summary] = self.summaries.as_slice() {
            if summary.ran != self.tests.len() {
                faults.push(format!("`Ran {} tests`, but {} are listed", summary.ran, self.tests.len()));
            }
            proof = format!("Ran {} tests in {:.3}s", summary.ran, summary.seconds);
        }
        Judgement::from_faults(expected, &faults, proof)
    }

    /// Whether the run used the test database of this host and of no other.
    pub fn judge_database(&self, database: &str) -> Judgement {
        let expected = format!("test database '{database}'");
        if self.databases.is_empty() {
            return Judgement::unknown(expected, "the log names no test database");
        }
        let others: Vec<String> =
            self.databases.iter().filter(|name| *name != database).map(|name| format!("'{name}'")).collect();
        Judgement::from_faults(expected, &others, format!("'{database}'"))
    }
}

impl Ending {
    /// The ending in the words of an operator.
    #[must_use]
    pub fn says(&self) -> &'static str {
        match self {
            Self::Whole => "the log is whole",
            Self::NoTeardown => "no `Destroying test database` line after the summary",
            Self::Interrupted => "interrupted (KeyboardInterrupt): the server may be left on the backup port",
            Self::LeftoverDatabase => "a test database of an earlier run was in the way",
            Self::DatabaseDown => "the database server did not answer",
            Self::NeverStarted => "the tests never started: a traceback and no test database",
            Self::CutShort => "the log stops without a summary: the run was killed or its disk is full",
            Self::Empty => "the log is empty",
        }
    }
}

/// The state of reading a log line by line.
struct Reader<'a> {
    lines: Vec<&'a str>,
    run: TestRun,
    /// Index into `run.tests` of the test that waits for its verdict.
    open: Option<usize>,
    torn_down: bool,
}

impl<'a> Reader<'a> {
    fn new(log: &'a str) -> Self {
        let run = TestRun {
            databases: Vec::new(),
            tests: Vec::new(),
            bare_errors: Vec::new(),
            blocks: Vec::new(),
            summaries: Vec::new(),
            ending: Ending::Empty,
        };
        Self { lines: log.lines().collect(), run, open: None, torn_down: false }
    }

    fn read(mut self) -> TestRun {
        let mut at = 0;
        while at < self.lines.len() {
            at += self.line(at);
        }
        self.run.ending = self.ending();
        self.run
    }

    /// Reads the line at `at`; returns how many lines it took.
    fn line(&mut self, at: usize) -> usize {
        let line = self.lines[at];
        if line == DOUBLE_RULE && self.lines.get(at + 1).is_some_and(|next| BLOCK.is_match(next)) {
            return self.block(at + 1) - at;
        }
        if let Some(found) = RAN.captures(line) {
            return self.summary(at, &found[1], &found[2]);
        }
        if let Some(found) = CREATES.captures(line) {
            self.run.databases.extend(found.get(1).map(|name| name.as_str().to_owned()));
        } else if line.starts_with("Destroying test database for alias ") {
            self.torn_down |= !self.run.summaries.is_empty();
        } else if let Some(found) = OPENS.captures(line) {
            self.open(at, &found[1], &found[2], found.get(3).map(|rest| rest.as_str()));
        } else if let Some(token) = Token::parse(line) {
            self.verdict(at, token);
        } else if let (Some(open), Some((_, rest))) = (self.open, line.split_once(" ... ")) {
            // The first line of a test's doc string carries the verdict where there is one.
            if self.run.tests[open].line == at
                && let Some(token) = Token::parse(rest)
            {
                self.verdict(at, token);
            }
        }
        1
    }

    fn open(&mut self, at: usize, method: &str, path: &str, rest: Option<&str>) {
        let token = rest.and_then(Token::parse);
        let waits = token.is_none();
        self.run.tests.push(TestOutcome { key: key(method, path), token, line: at + 1 });
        self.open = waits.then(|| self.run.tests.len() - 1);
    }

    fn verdict(&mut self, at: usize, token: Token) {
        match self.open.take() {
            Some(open) => self.run.tests[open].token = Some(token),
            // Only ERROR is ever printed without a test; other lone words are the application's.
            None if token == Token::Error && self.run.summaries.is_empty() => self.run.bare_errors.push(at + 1),
            None => {}
        }
    }

    /// Reads a failure block whose head is at `at`; returns the index after it.
    fn block(&mut self, at: usize) -> usize {
        let Some(found) = BLOCK.captures(self.lines[at]) else { return at + 1 };
        let path = found.get(3).map_or("", |path| path.as_str());
        let mut end = at + 1;
        let mut reason = "";
        // The block is closed by the next rule of the same kind, or by the rule above the summary.
        while end < self.lines.len() && self.lines[end] != DOUBLE_RULE {
            let next = self.lines.get(end + 1).copied().unwrap_or("");
            if self.lines[end] == SINGLE_RULE && (next.starts_with("Ran ") && RAN.is_match(next)) {
                break;
            }
            if !self.lines[end].trim().is_empty() && self.lines[end] != SINGLE_RULE {
                reason = self.lines[end];
            }
            end += 1;
        }
        self.open = None;
        let block = Block { kind: found[1].to_owned(), key: key(&found[2], path), reason: reason.trim().to_owned() };
        self.run.blocks.push(block);
        end
    }

    fn summary(&mut self, at: usize, ran: &str, seconds: &str) -> usize {
        self.open = None;
        let end = self.lines[at + 1..].iter().take(3).find_map(|line| END.captures(line));
        let counts = end.as_ref().and_then(|end| end.get(2)).map_or("", |text| text.as_str());
        let counts = counts.split(", ").filter_map(|part| part.split_once('='));
        self.run.summaries.push(Summary {
            // A number too large to read is a count that no list of tests can equal.
            ran: ran.parse().unwrap_or(usize::MAX),
            seconds: seconds.parse().unwrap_or(f64::NAN),
            ok: end.as_ref().map(|end| &end[1] == "OK"),
            counts: counts.map(|(name, count)| (name.to_owned(), count.parse().unwrap_or(usize::MAX))).collect(),
        });
        1
    }

    fn ending(&self) -> Ending {
        let has = |text: &str| self.lines.iter().any(|line| line.contains(text));
        if self.run.summaries.iter().any(|summary| summary.ok.is_some()) {
            return if self.torn_down { Ending::Whole } else { Ending::NoTeardown };
        }
        if self.lines.iter().all(|line| line.trim().is_empty()) {
            Ending::Empty
        } else if has("KeyboardInterrupt") {
            Ending::Interrupted
        } else if has("Got an error creating the test database") || has("Got an error recreating the test database") {
            Ending::LeftoverDatabase
        } else if has("Can't connect to MySQL server") {
            Ending::DatabaseDown
        } else if self.run.databases.is_empty() && has("Traceback (most recent call last)") {
            Ending::NeverStarted
        } else {
            Ending::CutShort
        }
    }
}

/// `Class.method`; the rest of the dotted path depends on how the tests were discovered (SO 14).
fn key(method: &str, path: &str) -> String {
    match path.rsplit('.').next() {
        Some(class) if !class.is_empty() => format!("{class}.{method}"),
        _ => method.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "testing hst\nCreating test database for alias 'default' ('test_crds_hst_test')...\n";
    const TAIL: &str = "Destroying test database for alias 'default' ('test_crds_hst_test')...\n";

    const GOOD: &str = "testing hst\nCreating test database for alias 'default' ('test_crds_hst_test')...\n\
        test_a (interactive.tests.Hst) ... ok\ntest_b (jsonapi.tests.Hst) ... skipped 'no archive here'\n\n\
        ----------------------------------------------------------------------\nRan 2 tests in 8.117s\n\nOK (skipped=1)\n\
        Destroying test database for alias 'default' ('test_crds_hst_test')...\n";

    #[test]
    fn the_sample_is_whole() {
        assert_eq!(TestRun::parse(GOOD).judge_whole().outcome, super::super::Outcome::Passed);
    }

    fn log(middle: &str) -> String {
        format!("{HEAD}{middle}")
    }

    #[test]
    fn verdicts_stand_on_the_line_below_it_or_alone() {
        let text = log(&format!(
            "test_a (interactive.tests.Hst) ... ok\n\
             test_b (interactive.tests.Hst) ... CRDS  : INFO     REQUEST: / GET ajax=False\nCRDS  : INFO     x MISS\nok\n\
             test_c (fileupload.tests.SimpleTest)\nTests that 1 + 1 always equals 2. ... ok\n\
             test_d (jsonapi.tests.Hst) ... skipped 'no archive here'\n\n{SINGLE_RULE}\nRan 4 tests in 8.117s\n\nOK (skipped=1)\n{TAIL}"
        ));
        let run = TestRun::parse(&text);
        assert_eq!(run.keys(|token| *token == Token::Ok), ["Hst.test_a", "Hst.test_b", "SimpleTest.test_c"]);
        assert_eq!(run.tests[3].token, Some(Token::Skipped("no archive here".into())));
        assert_eq!(run.judge_whole().observed, "Ran 4 tests in 8.117s");
        assert_eq!(run.judge_database("test_crds_hst_test").outcome, super::super::Outcome::Passed);
        assert_eq!(run.judge_database("test_crds_hst").outcome, super::super::Outcome::Failed);
    }

    #[test]
    fn a_failure_block_is_read_and_html_in_it_is_not() {
        let text = log(&format!(
            "test_a (i.Hst) ... FAIL\n\n{DOUBLE_RULE}\nFAIL: test_a (i.Hst)\n{SINGLE_RULE}\nTraceback (most recent call last):\n\
             ok\ntest_z (i.Hst) ... ok\nAssertionError: 500 != 200\n\n{SINGLE_RULE}\nRan 1 test in 0.1s\n\nFAILED (failures=1)\n{TAIL}"
        ));
        let run = TestRun::parse(&text);
        assert_eq!(run.failures(), ["Hst.test_a"]);
        assert_eq!(run.blocks[0].reason, "AssertionError: 500 != 200");
        assert_eq!(run.tests.len(), 1);
        assert_eq!(run.ending, Ending::Whole);
    }

    #[test]
    fn endings_are_told_apart() {
        let cases = [
            (log("test_a (i.Hst) ... "), Ending::CutShort),
            (log(&format!("{SINGLE_RULE}\nRan 0 tests in 0.1s\n\nOK\n")), Ending::NoTeardown),
            ("Traceback (most recent call last):\nImportError: x\n".to_owned(), Ending::NeverStarted),
            (log("  File x\nKeyboardInterrupt\n"), Ending::Interrupted),
            (String::new(), Ending::Empty),
        ];
        for (text, ending) in cases {
            let run = TestRun::parse(&text);
            assert_eq!(run.ending, ending, "{text}");
            assert_ne!(run.judge_whole().outcome, super::super::Outcome::Passed, "{text}");
        }
    }

    #[test]
    fn a_lone_error_without_a_test_is_a_broken_class() {
        let text = log(&format!("ERROR\n\n{SINGLE_RULE}\nRan 0 tests in 0.1s\n\nFAILED (errors=1)\n{TAIL}"));
        let run = TestRun::parse(&text);
        assert_eq!(run.bare_errors, [3]);
        assert!(run.judge_whole().observed.contains("could not be set up"));
    }

    proptest::proptest! {
        #[test]
        fn what_passes_counts_what_it_lists(text in crate::mangled::text(GOOD)) {
            let run = TestRun::parse(&text);
            let passed = super::super::Outcome::Passed;
            if run.judge_whole().outcome == passed {
                proptest::prop_assert_eq!(run.summaries.len(), 1);
                proptest::prop_assert_eq!(run.summaries[0].ran, run.tests.len());
                proptest::prop_assert!(run.tests.iter().all(|test| test.token.is_some()));
                let end = text.rfind("Destroying test database").expect("a closing line");
                let counted = format!("Ran {} test", run.tests.len());
                proptest::prop_assert!(text[..end].contains(&counted), "{}", counted);
            }
            if run.judge_database("test_crds_hst_test").outcome == passed {
                proptest::prop_assert!(text.contains("('test_crds_hst_test')"));
            }
        }

        #[test]
        fn another_count_is_no_pass(count in "[0-9]{1,25}") {
            proptest::prop_assume!(count.parse() != Ok(2));
            let run = TestRun::parse(&GOOD.replace("Ran 2", &format!("Ran {count}")));
            proptest::prop_assert_ne!(run.judge_whole().outcome, super::super::Outcome::Passed);
        }

        #[test]
        fn a_log_cut_anywhere_is_no_pass(at in 0..GOOD.len() - 1) {
            let run = TestRun::parse(&GOOD[..at]);
            // Only the closing line's own end may be missing.
            proptest::prop_assert!(
                run.judge_whole().outcome != super::super::Outcome::Passed || GOOD[..at].contains("Destroying test database for alias ")
            );
        }
    }
}

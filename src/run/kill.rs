//! Injected deaths, for proving that nothing is done twice or lost.
//!
//! `CRDS_UPGRADE_KILL_AT=MARK:N:before|after` kills the process that is about to write, or has just written, the `N`-th entry
//! of its step that bears this mark. A mark says what an entry is about, not when it came or what came of it: looks at
//! hosts go side by side, so that the numbers of entries differ from run to run. Every call to a host lies between two
//! entries, so these are all the places there are. The harness refuses the variable on a real site.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::error::RunError;
use super::event::Event;
use super::injected::setting;

/// The variable that sets a kill point.
pub const VARIABLE: &str = "CRDS_UPGRADE_KILL_AT";

/// On which side of an entry the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Just before it is written.
    Before,
    /// Just after it was written.
    After,
}

/// Which entry of a step an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What it is about, in words.
    pub about: String,
    /// Which one of those about this, counted from 1.
    pub number: u32,
}

impl Mark {
    /// The text of [`VARIABLE`] that kills there; `side` is `before` or `after`.
    pub fn setting(&self, side: &str) -> String {
        format!("{}:{}:{side}", digest(&self.about), self.number)
    }
}

fn digest(about: &str) -> String {
    blake3::hash(about.as_bytes()).to_hex()[..16].to_owned()
}

/// Gives the entries of one step their marks, in order.
#[derive(Debug, Default)]
pub struct Marks {
    calls: BTreeMap<u64, String>,
    seen: BTreeMap<String, u32>,
}

impl Marks {
    /// The mark of the next entry, which has the number `seq`.
    pub fn next(&mut self, seq: u64, event: &Event) -> Mark {
        let about = match event {
            Event::Call { host, how, argv, stdin, .. } => {
                // A question to a service carries a number of its own, in its address and in what is sent.
                let plain = |arg: &String| arg.split("/crds-upgrade-").next().unwrap_or(arg).to_owned();
                let http = how == "http";
                let argv: Vec<String> = argv.iter().map(|arg| if http { plain(arg) } else { arg.clone() }).collect();
                let sent = stdin.as_deref().filter(|_| !http).unwrap_or("");
                let call = format!("call to {host} ({how}) {} {sent}", argv.join(" "));
                self.calls.insert(seq, call.clone());
                call
            }
            Event::Answered { call, .. } => {
                format!("answer of the {}", self.calls.get(call).map_or("call", String::as_str))
            }
            Event::Intent { act } | Event::Looked { act, .. } | Event::Done { act } => {
                format!("{} {act}", event.kind())
            }
            Event::Evidence { name, .. } => format!("evidence {name}"),
            Event::Fact { key, .. } => format!("fact {key}"),
            Event::Check(row) => format!("check {}", row.id),
            Event::Waiting { what, .. } | Event::Waited { what, .. } => format!("{} {what}", event.kind()),
            Event::Watched { host, what, .. } => format!("watched {what} of {host}"),
            other => other.kind().to_owned(),
        };
        let number = self.seen.entry(about.clone()).or_default();
        *number += 1;
        Mark { about, number: *number }
    }
}

/// Where the process dies.
#[derive(Debug)]
pub struct KillPoint {
    mark: String,
    number: u32,
    side: Side,
    marks: Mutex<Marks>,
}

impl KillPoint {
    /// Reads the variable; none if it is not set.
    ///
    /// # Errors
    ///
    /// [`RunError::Setting`] if it is set to something else than a kill point.
    pub fn from_env() -> Result<Option<Self>, RunError> {
        setting(VARIABLE, "MARK:N:before|after", Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let [mark, number, side] = parts[..] else { return None };
        let side = match side {
            "before" => Side::Before,
            "after" => Side::After,
            _ => return None,
        };
        let hexadecimal = mark.len() == 16 && mark.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = number.parse().ok().filter(|number| *number > 0 && hexadecimal)?;
        Some(Self { mark: mark.to_owned(), number, side, marks: Mutex::default() })
    }

    /// On which side of the entry that is written next, under the number `seq`, the process dies; none if it lives on.
    pub fn here(&self, seq: u64, event: &Event) -> Option<Side> {
        let mark = self.marks.lock().unwrap_or_else(PoisonError::into_inner).next(seq, event);
        (mark.number == self.number && digest(&mark.about) == self.mark).then_some(self.side)
    }

    /// Dies, if `side` is the one.
    pub fn at(here: Option<Side>, side: Side) {
        if here == Some(side) {
            die();
        }
    }
}

/// Dies as `kill -9` would: nothing is flushed, dropped or told.
fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(host: &str) -> Event {
        Event::Call { host: host.into(), how: "command".into(), argv: vec!["ps".into()], stdin: None, changes: false }
    }

    fn answer(call: u64) -> Event {
        Event::Answered { call, status: "exit 0".into(), elapsed_ms: 1, stdout: None, stderr: None }
    }

    #[test]
    fn marks_are_the_same_whatever_comes_between() {
        let of = |entries: &[(u64, Event)]| {
            let mut marks = Marks::default();
            let mut all: Vec<String> =
                entries.iter().map(|(seq, event)| marks.next(*seq, event).setting("after")).collect();
            all.sort();
            all
        };
        let one_by_one =
            [(7, call("a")), (8, answer(7)), (9, call("b")), (10, answer(9)), (11, call("a")), (12, answer(11))];
        let side_by_side =
            [(7, call("b")), (8, call("a")), (9, answer(7)), (10, answer(8)), (11, call("a")), (12, answer(11))];
        assert_eq!(of(&one_by_one), of(&side_by_side));
        let mut distinct = of(&one_by_one);
        distinct.dedup();
        assert_eq!(distinct.len(), 6);
    }

    #[test]
    fn the_number_of_a_question_does_not_count() {
        let asked = |number: &str| Event::Call {
            host: "a".into(),
            how: "http".into(),
            argv: vec!["POST".into(), format!("https://a:8001/json/get_server_info/crds-upgrade-{number}")],
            stdin: Some(format!("blake3:{number}")),
            changes: false,
        };
        let of = |event: &Event| Marks::default().next(1, event);
        assert_eq!(of(&asked("1f")), of(&asked("2e")));
        assert_ne!(of(&asked("1f")), of(&call("a")));
    }

    #[test]
    fn a_process_dies_at_its_point_alone() {
        let mut marks = Marks::default();
        let (first, second) = (marks.next(1, &call("a")), marks.next(2, &call("a")));
        assert_ne!(first, second);
        let point = KillPoint::parse(&second.setting("before")).unwrap();
        assert_eq!(point.here(1, &call("a")), None);
        assert_eq!(point.here(2, &answer(1)), None);
        assert_eq!(point.here(3, &call("a")), Some(Side::Before));
        assert_eq!(point.here(4, &call("a")), None);
    }

    #[test]
    fn what_is_no_point_is_refused() {
        for bad in [
            "",
            "0123456789abcdef",
            "0123456789abcdef:0:before",
            "0123456789abcdef:1:later",
            "x:1:after",
            "0123456789abcdef:1:after:2",
            "0123456789ABCDEF:1:after",
        ] {
            assert!(KillPoint::parse(bad).is_none(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_point_is_none_or_another_one(text in crate::mangled::text("0123456789abcdef:31:before")) {
            if let Some(point) = KillPoint::parse(&text) {
                let side = if point.side == Side::Before { "before" } else { "after" };
                let parts: Vec<&str> = text.split(':').collect();
                proptest::prop_assert_eq!((parts[0], parts[1].parse(), parts[2]), (&*point.mark, Ok(point.number), side));
            }
        }
    }
}

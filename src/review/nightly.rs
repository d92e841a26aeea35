//! The mail of the nightly job (SO 10): its sections in order, and whether it is whole.

use base64::Engine as _;

use super::judgement::Judgement;

/// Which sections a night has: OPS builds no stack, restarts nothing and runs no self-test (SO 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The OPS server.
    Ops,
    /// DEV and TEST servers.
    Other,
}

/// One mail: the headers that matter and the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `Subject:`
    pub subject: String,
    /// `Date:` as written.
    pub date: String,
    /// The addresses of `To:`.
    pub to: Vec<String>,
    /// The text below the headers.
    pub body: String,
}

impl Mail {
    /// The bytes of an attachment in base64; `None` if there is none of that name or it cannot be decoded.
    #[must_use]
    pub fn attachment(&self, name: &str) -> Option<Vec<u8>> {
        let quoted = self.body.split_once(&format!("filename=\"{name}\""));
        let (_, after) = quoted.or_else(|| self.body.split_once(&format!("filename={name}\n")))?;
        let (_, text) = after.split_once("\n\n")?;
        let lines = text.lines().take_while(|line| !line.starts_with("--"));
        let packed: String = lines.flat_map(|line| line.split_whitespace()).collect();
        base64::engine::general_purpose::STANDARD.decode(packed).ok()
    }
}

/// One section of the nightly mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// Line of the body on which the title stands, from 1.
    pub line: usize,
    /// The lines below the title, joined.
    pub text: String,
}

/// The nightly mail, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Night {
    /// The known sections in the order of the mail.
    pub sections: Vec<Section>,
    /// What stands above the first section.
    pub preamble: String,
}

const COMMON: [&str; 14] = [
    "CRDS config",
    "CRDS subversion status",
    "CRDS_server subversion status",
    "Re-installing server",
    "Post-reinstall CRDS subversion status",
    "Post-reinstall CRDS_server subversion status",
    "Updating crontab",
    "Disk Quotas",
    "Backing up server",
    "Clearing session table",
    "Clearing expired locks",
    "Server cache check",
    "Server orphan files check",
    "Server self-test",
];

/// The titles of a night of 2014, in order (SO 10).
#[must_use]
pub fn expected_titles(role: Role) -> Vec<&'static str> {
    let mut titles = COMMON.to_vec();
    match role {
        Role::Ops => titles.truncate(13),
        Role::Other => {
            titles.splice(8..8, ["Stack Build", "Server re-install and re-start"]);
        }
    }
    titles
}

/// Splits a stored mail into headers and body. A text without headers is all body.
#[must_use]
pub fn split_mail(text: &str) -> Mail {
    let (head, body) = text.split_once("\n\n").unwrap_or(("", text));
    if !head.lines().next().is_some_and(|line| line.contains(':') || line.starts_with("From ")) {
        return Mail { subject: String::new(), date: String::new(), to: Vec::new(), body: text.to_owned() };
    }
    // A line that begins with a blank goes on with the header before it.
    let mut headers: Vec<String> = Vec::new();
    for line in head.lines() {
        match headers.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => last.push_str(line),
            _ => headers.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let found = headers.iter().find_map(|line| line.strip_prefix(name));
        found.map_or_else(String::new, |value| value.trim().to_owned())
    };
    let to = header("To:");
    let to = to.split([',', ' ', '\t']).filter(|part| part.contains('@'));
    let to = to.map(|part| part.trim_matches(['<', '>']).to_owned()).collect();
    Mail { subject: header("Subject:"), date: header("Date:"), to, body: body.to_owned() }
}

/// Whether a line is the rule around a title: 58 to 60 equal signs and nothing else (SO 10).
fn is_rule(line: &str) -> bool {
    (58..=60).contains(&line.len()) && line.bytes().all(|byte| byte == b'=')
}

impl Night {
    /// Takes a body apart at the titles of a night. Other ruled titles (the banners of `rerun` and of the backup, which
    /// stand in the shown logs) stay inside their section.
    #[must_use]
    pub fn parse(body: &str) -> Self {
        let lines: Vec<&str> = body.lines().collect();
        let titles = expected_titles(Role::Other);
        let known = |line: &str| titles.iter().any(|title| is_title(line, title));
        let mut night = Self { sections: Vec::new(), preamble: String::new() };
        let mut at = 0;
        while at < lines.len() {
            let ruled = is_rule(lines[at]) && lines.get(at + 2).is_some_and(|line| is_rule(line));
            if ruled && known(lines[at + 1].trim()) {
                let title = lines[at + 1].trim();
                let title = title.split(" (").next().unwrap_or(title).trim_end_matches(':').to_owned();
                night.sections.push(Section { title, line: at + 2, text: String::new() });
                at += 3;
                continue;
            }
            let text = night.sections.last_mut().map_or(&mut night.preamble, |section| &mut section.text);
            text.push_str(lines[at]);
            text.push('\n');
            at += 1;
        }
        night
    }

    /// The section with this title.
    #[must_use]
    pub fn section(&self, title: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.title == title)
    }

    /// Whether all sections of such a night are there, each once and in order, and the last one ends as it must: the
    /// orphan check with its counters on OPS, the self-test with the test database destroyed elsewhere.
    pub fn judge_whole(&self, role: Role) -> Judgement {
        let wanted = expected_titles(role);
        let expected = format!("{} sections in order, the last one with its closing line", wanted.len());
        let seen: Vec<&str> = self.sections.iter().map(|section| section.title.as_str()).collect();
        let mut faults = Vec::new();
        for title in &wanted {
            match seen.iter().filter(|found| found == &title).count() {
                0 => faults.push(format!("section `{title}` is missing")),
                1 => {}
                many => faults.push(format!("section `{title}` stands {many} times")),
            }
        }
        for title in seen.iter().filter(|title| !wanted.contains(title)) {
            faults.push(format!("section `{title}` does not belong to this host's night"));
        }
        if faults.is_empty() && seen != wanted {
            faults.push(format!("sections out of order: {}", seen.join(", ")));
        }
        let last = self.sections.last().map_or("", |section| section.text.as_str());
        match role {
            Role::Ops if super::counters(last).is_none() => {
                faults.push("the orphan check ends without its three counters: the night was cut short".to_owned());
            }
            Role::Other if !last.contains("Destroying test database for alias") => {
                faults
                    .push("the self-test ends without `Destroying test database`: the night was cut short".to_owned());
            }
            Role::Ops | Role::Other => {}
        }
        Judgement::from_faults(expected, &faults, format!("{} sections", seen.len()))
    }
}

/// Whether a line between two rules is this title, perhaps with a colon or a remark in parentheses behind it.
fn is_title(line: &str, title: &str) -> bool {
    line.strip_prefix(title).is_some_and(|rest| rest.is_empty() || rest == ":" || rest.starts_with(" ("))
}

#[cfg(test)]
mod tests {
    use super::super::judgement::Outcome;
    use super::*;

    fn mail(titles: &[&str], last: &str) -> String {
        let rule = "=".repeat(59);
        let mut text: String = titles.iter().map(|title| format!("{rule}\n{title}\n{rule}\nsome output\n")).collect();
        text.push_str(last);
        text
    }

    const COUNTERS: &str = "CRDS  : INFO     0 errors\nCRDS  : INFO     3 warnings\nCRDS  : INFO     9 infos\n";

    #[test]
    fn a_whole_night_of_ops_passes() {
        let night = Night::parse(&mail(&expected_titles(Role::Ops), COUNTERS));
        assert_eq!(night.judge_whole(Role::Ops).outcome, Outcome::Passed);
        assert!(night.section("Backing up server").is_some());
    }

    #[test]
    fn every_missing_section_and_every_cut_is_seen() {
        for role in [Role::Ops, Role::Other] {
            let titles = expected_titles(role);
            let end = match role {
                Role::Ops => COUNTERS,
                Role::Other => "Destroying test database for alias 'default' ('test_x')...\n",
            };
            for gone in 0..titles.len() {
                let mut fewer = titles.clone();
                let title = fewer.remove(gone);
                let judged = Night::parse(&mail(&fewer, end)).judge_whole(role);
                assert!(judged.outcome == Outcome::Failed && judged.observed.contains(title), "{title}");
            }
            assert_eq!(Night::parse(&mail(&titles, "")).judge_whole(role).outcome, Outcome::Failed);
            let mut swapped = titles.clone();
            swapped.swap(2, 3);
            assert_eq!(Night::parse(&mail(&swapped, end)).judge_whole(role).outcome, Outcome::Failed);
        }
    }

    #[test]
    fn banners_inside_a_section_are_not_sections() {
        let rule = "=".repeat(60);
        let text =
            mail(&["Backing up server"], &format!("{rule}\nDatabase backup\n{rule}\nBacking Up Database: crds_hst\n"));
        let night = Night::parse(&text);
        assert_eq!(night.sections.len(), 1);
        assert!(night.sections[0].text.contains("Backing Up Database"));
    }

    #[test]
    fn headers_are_split_from_the_body() {
        let mail = split_mail(
            "From: x\nSubject: Cron <crds@plhstcrdsv1> nightly\nDate: Tue, 16 Sep 2014 03:41:00 -0400\n\nbody\n",
        );
        assert_eq!((mail.subject.as_str(), mail.body.as_str()), ("Cron <crds@plhstcrdsv1> nightly", "body\n"));
        assert_eq!(split_mail("just text\n\nmore").body, "just text\n\nmore");
        let to = split_mail("To: a@stsci.edu,\n <b@stsci.edu> c@stsci.edu\nSubject: x\n\ntext").to;
        assert_eq!(to, ["a@stsci.edu", "b@stsci.edu", "c@stsci.edu"]);
    }

    proptest::proptest! {
        #[test]
        fn a_night_with_a_damaged_title_does_not_pass(which in 0..13usize, at in 0..20usize, byte in "[ -~]|\\PC") {
            let titles = expected_titles(Role::Ops);
            let mut damaged = titles.clone();
            let at = at.min(titles[which].len() - 1);
            let title = format!("{}{byte}{}", &titles[which][..at], &titles[which][at + 1..]);
            proptest::prop_assume!(title != titles[which] && !titles.contains(&title.trim()));
            damaged[which] = &title;
            let night = Night::parse(&mail(&damaged, COUNTERS));
            proptest::prop_assert_ne!(night.judge_whole(Role::Ops).outcome, Outcome::Passed);
        }

        #[test]
        fn a_mail_loses_no_line(text in crate::mangled::text("Subject: x\nDate: y\n\n===========================================================\nCRDS config\n===========================================================\nsome\noutput\n")) {
            let mail = split_mail(&text);
            let night = Night::parse(&mail.body);
            let kept = night.preamble.lines().count() + night.sections.iter().map(|section| section.text.lines().count() + 3).sum::<usize>();
            proptest::prop_assert_eq!(kept, mail.body.lines().count());
        }
    }
}

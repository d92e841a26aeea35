//! Judging one field of a form (WP 3.1, "How a field is checked").
//!
//! The habits are the old site's own: alternatives are matched at the beginning of the value only, named checks hide
//! their reason in 2019 and tell it in 2014, an empty list of files passes.

use regex::Regex;
use std::sync::LazyLock;

use super::form_data::Fields;
use super::html::repr;
use crate::stand_in::server::Dialect;

/// How a value is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Description or reason: letters, digits, white space and some marks, length by era.
    Description,
    /// A person: letters, digits, `_ . @ , -`, blank, at most 128.
    Person,
    /// One of some words, matched at the beginning: what radio buttons and submits send.
    Words(&'static [&'static str]),
    /// One of a select's words, matched at the beginning; only the last one must end there (WP 3.1).
    Choice(&'static [&'static str]),
    /// As [`Rule::Words`] but with words that the server knows only when it runs.
    List(List),
    /// A pmap with a catalogue row in any state.
    Pmap,
    /// A file with a catalogue row in any state.
    KnownFile,
    /// Files with catalogue rows, split at blanks, commas and newlines.
    KnownFiles,
    /// Rmaps with catalogue rows.
    Rmaps,
    /// A stored result's number: UUID, or an integer in 2014.
    ResultId,
    /// `[A-Za-z_0-9]+` at the beginning.
    UserName,
    /// Anything but nothing.
    Anything,
    /// Letters, digits, `_ . *`: what browse_db takes as status.
    Word,
    /// Begins with one of those: what recent activity takes as file name and as user.
    Start,
    /// Begins like a file name, or is `*`: what browse_db takes as file name.
    FileOrAny,
    /// Any form of date (RS 10), `*`, or nothing.
    Date,
    /// `YYYY-MM-DD`.
    Day,
    /// `HH:MM:SS`.
    Hour,
    /// A dataset id, perhaps compound.
    Dataset,
}

/// Words that the server looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Instruments of the observatory.
    Instruments,
    /// Instruments, or `none`.
    LoginInstruments,
    /// Instruments, or `*`.
    AnyInstrument,
    /// Types, or `*`.
    AnyFilekind,
    /// File extensions, or `*`.
    AnyExtension,
    /// Users, or `*`.
    AnyUser,
    /// Actions of the audit log, or `*`.
    AnyAction,
    /// The observatory itself.
    Observatory,
}

/// What the rules ask of the server.
pub trait Facts {
    /// True if the catalogue has a row of that name, in whatever state.
    fn is_known(&self, name: &str) -> bool;
    /// The words of a list.
    fn words(&self, list: List) -> Vec<String>;
    /// The server's dialect.
    fn dialect(&self) -> &'static Dialect;
}

/// One line of a page's table: which field, judged how, taken as what if it is missing.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Name of the field.
    pub field: &'static str,
    /// How it is judged.
    pub rule: Rule,
    /// Value if the request lacks it; `None` refuses.
    pub default: Option<&'static str>,
}

/// A field that must be there.
pub const fn check(field: &'static str, rule: Rule) -> Check {
    Check { field, rule, default: None }
}

/// A field with a default.
pub const fn check_or(field: &'static str, rule: Rule, default: &'static str) -> Check {
    Check { field, rule, default: Some(default) }
}

/// Looks a field up, strips it and judges it. The error is the text that follows `ERROR: ` on the page.
///
/// # Errors
///
/// The refusal's text.
pub fn validate(facts: &dyn Facts, fields: &Fields, check: Check) -> Result<String, String> {
    let Some(value) = fields.get(check.field).or(check.default) else {
        return Err(format!("Undefined parameter {}", repr(check.field)));
    };
    let value = value.trim_matches(|ch: char| ch.is_whitespace());
    let invalid = || format!("Invalid value {} for {}", repr(value), repr(check.field));
    match judge(facts, check.rule, value) {
        Verdict::Good => Ok(value.to_owned()),
        Verdict::Bad => Err(invalid()),
        Verdict::Because(reason) if facts.dialect().tells_reasons => Err(format!("{} : {reason}", invalid())),
        Verdict::Alone(reason) if facts.dialect().tells_reasons => Err(reason),
        Verdict::Because(_) | Verdict::Alone(_) => Err(invalid()),
    }
}

enum Verdict {
    Good,
    Bad,
    /// 2014 appends the reason of a failed assertion.
    Because(String),
    /// 2014 lets an error of CRDS's own speak alone.
    Alone(String),
}

static DESCRIPTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A[A-Za-z0-9._\s/,=\-+]*\z"));
static DESCRIPTION_2014: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A[A-Za-z0-9._\s/,#=\-+*!]*\z"));
static PERSON: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A[A-Za-z_0-9.@, \-]{0,128}\z"));
static PMAP: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A[A-Za-z0-9_]+\.pmap\z"));
static RMAP: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A[A-Za-z0-9_]+\.rmap\z"));
static UUID: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\A[A-Za-z0-9]{8}-[A-Za-z0-9]{4}-[A-Za-z0-9]{4}-[A-Za-z0-9]{4}-[A-Za-z0-9]{12}\z"));
static DATASET: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A[A-Za-z0-9_.+\-]{1,128}(:[A-Za-z0-9_.+\-]{1,128})?\z"));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A[A-Za-z0-9_.*]+\z"));
static DAY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z"));
static HOUR: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A[0-9]{2}:[0-9]{2}:[0-9]{2}\z"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns of this file are fixed")
}

/// True for an id of the shape that 2019's addresses have.
pub fn is_uuid(text: &str) -> bool {
    UUID.is_match(text)
}

/// True if the first character may begin a file name; the rest is not looked at (WP 3.1).
pub fn is_file_name(name: &str) -> bool {
    name.chars().next().is_some_and(|ch| ch.is_ascii_alphanumeric() || matches!(ch, '.' | '_' | '-' | ' '))
}

/// Splits a list of files at blanks, commas and newlines.
pub fn split_files(text: &str) -> Vec<String> {
    text.split(|ch: char| ch == ',' || ch.is_whitespace()).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn judge(facts: &dyn Facts, rule: Rule, value: &str) -> Verdict {
    let length = value.chars().count();
    match rule {
        Rule::Description if facts.dialect().free_descriptions => {
            good_if(length <= 20_000 && DESCRIPTION_2014.is_match(value))
        }
        Rule::Description => good_if((1..=2_000).contains(&length) && DESCRIPTION.is_match(value)),
        Rule::Person => good_if(PERSON.is_match(value)),
        Rule::Words(words) => good_if(words.iter().any(|word| value.starts_with(word))),
        Rule::Choice(words) => good_if(begins_with_one(words, value)),
        Rule::List(list) => {
            let mut words = facts.words(list);
            // The select shows `*` first; the pattern has it last, but for the users.
            if list != List::AnyUser
                && let Some(at) = words.iter().position(|word| word == "*")
            {
                let any = words.remove(at);
                words.push(any);
            }
            good_if(begins_with_one(&words, value))
        }
        Rule::Pmap if PMAP.is_match(value) => match known(facts, value) {
            Verdict::Alone(reason) => Verdict::Alone(format!("Invalid pmap: {reason}")),
            other => other,
        },
        Rule::Pmap => Verdict::Alone(format!("Invalid pmap: Invalid mapping filename {}", repr(value))),
        Rule::KnownFile => known(facts, value),
        Rule::KnownFiles => first_bad(split_files(value).iter().map(|name| known(facts, name))),
        Rule::Rmaps => first_bad(split_files(value).iter().map(|name| {
            match () {
                // `<instrument>_<type>_n/a`: the type is to be marked as not applicable (RD 5.1).
                () if name.ends_with("n/a") && facts.dialect().takes_not_applicable => Verdict::Good,
                () if RMAP.is_match(name) => known(facts, name),
                () => Verdict::Alone(format!("Invalid mapping filename {}", repr(name))),
            }
        })),
        Rule::ResultId if facts.dialect().uuid_results => good_if(is_uuid(value)),
        Rule::ResultId => good_if(!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())),
        Rule::UserName => good_if(value.chars().next().is_some_and(|ch| ch.is_ascii_alphanumeric() || ch == '_')),
        Rule::Anything => good_if(!value.is_empty()),
        Rule::Word => good_if(WORD.is_match(value)),
        Rule::Start => good_if(value.starts_with(|ch: char| ch.is_ascii_alphanumeric() || "_.*".contains(ch))),
        Rule::FileOrAny => good_if(value == "*" || is_file_name(value)),
        Rule::Date => good_if(matches!(value, "" | "*") || (length < 100 && super::dates::parse(value).is_some())),
        Rule::Day => good_if(DAY.is_match(value)),
        Rule::Hour => good_if(HOUR.is_match(value)),
        Rule::Dataset => good_if(DATASET.is_match(value)),
    }
}

fn good_if(good: bool) -> Verdict {
    if good { Verdict::Good } else { Verdict::Bad }
}

fn first_bad(mut verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.find(|verdict| !matches!(verdict, Verdict::Good)).unwrap_or(Verdict::Good)
}

/// The pattern of a list is open at its end but for the last word.
fn begins_with_one<T: AsRef<str>>(words: &[T], value: &str) -> bool {
    match words.split_last() {
        Some((last, others)) => value == last.as_ref() || others.iter().any(|word| value.starts_with(word.as_ref())),
        None => false,
    }
}

fn known(facts: &dyn Facts, name: &str) -> Verdict {
    if !is_file_name(name) {
        return Verdict::Because(format!("Invalid file name {}", repr(name)));
    }
    if facts.is_known(name) { Verdict::Good } else { Verdict::Alone(format!("No database entry for {}.", repr(name))) }
}

/// Whether a check box counts as ticked: 2014 takes any text for yes, `False` included (WP 3.1). Later servers know some
/// words for no, and take them as they stand, with no blank around them (read in the views).
pub fn is_ticked(fields: &Fields, name: &str, any_text: bool) -> bool {
    match fields.get(name) {
        None | Some("") => false,
        Some(_) if any_text => true,
        Some(value) => !matches!(value, "False" | "false" | "FALSE" | "0" | "0.0" | "F"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::server::Era;

    struct Fixed(Era);

    impl Facts for Fixed {
        fn is_known(&self, name: &str) -> bool {
            name == "hst_0279.pmap"
        }
        fn words(&self, _list: List) -> Vec<String> {
            vec!["acs".into(), "wfc3".into(), "none".into()]
        }
        fn dialect(&self) -> &'static Dialect {
            self.0.dialect()
        }
    }

    fn ask(era: Era, rule: Rule, value: &str) -> Result<String, String> {
        validate(&Fixed(era), &Fields::new(vec![("f".into(), value.into())]), check("f", rule))
    }

    #[test]
    fn a_value_that_begins_with_a_choice_passes_but_for_the_last_of_a_list() {
        assert!(ask(Era::Y2019, Rule::Words(&["confirm", "cancel"]), "confirmX").is_ok());
        assert!(ask(Era::Y2019, Rule::List(List::LoginInstruments), "acsX").is_ok());
        assert!(ask(Era::Y2019, Rule::List(List::LoginInstruments), "noneX").is_err());
        assert!(ask(Era::Y2019, Rule::List(List::LoginInstruments), "").is_err());
    }

    #[test]
    fn reasons_are_hidden_in_2019_and_told_in_2014() {
        assert_eq!(ask(Era::Y2019, Rule::Pmap, "hst_9.pmap"), Err("Invalid value 'hst_9.pmap' for 'f'".into()));
        assert_eq!(
            ask(Era::Y2014, Rule::Pmap, "hst_9.pmap"),
            Err("Invalid pmap: No database entry for 'hst_9.pmap'.".into())
        );
        assert_eq!(ask(Era::Y2014, Rule::KnownFiles, "x.fits"), Err("No database entry for 'x.fits'.".into()));
        assert_eq!(ask(Era::Y2019, Rule::KnownFiles, " "), Ok(String::new()));
    }

    #[test]
    fn descriptions_by_era() {
        assert!(ask(Era::Y2014, Rule::Description, "").is_ok());
        assert!(ask(Era::Y2019, Rule::Description, "").is_err());
        assert!(ask(Era::Y2014, Rule::Description, "a # * !").is_ok());
        assert!(ask(Era::Y2019, Rule::Description, "a # b").is_err());
        assert!(ask(Era::Y2019, Rule::Description, &"a".repeat(2_001)).is_err());
    }

    #[test]
    fn missing_fields_are_undefined() {
        let none = Fields::default();
        assert_eq!(
            validate(&Fixed(Era::Y2019), &none, check("why", Rule::Description)),
            Err("Undefined parameter 'why'".into())
        );
    }
}

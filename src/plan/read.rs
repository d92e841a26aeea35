//! Reading a TOML file so that every problem is found in one go: a walk over the spanned tree in which a missing,
//! misspelt or ill-typed value is noted and replaced by a default, so that the walk goes on.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::names::nearest;
use super::problem::{Text, clip};
use super::{LoadError, MAX_FILE_BYTES, Problem, Problems};

/// More problems than these are not listed; the file is plainly another one.
const MAX_PROBLEMS: usize = 200;

/// Reads and judges the file at `path`; `build` walks its tree.
pub(super) fn load<T>(path: &Path, build: impl FnOnce(&Reader<'_>) -> T) -> Result<(T, String), LoadError> {
    let read = |source| LoadError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(read)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    let built = parse(path, &bytes, build)?;
    Ok((built, blake3::hash(&bytes).to_hex().to_string()))
}

/// As [`load`], of bytes at hand.
pub(super) fn parse<T>(path: &Path, bytes: &[u8], build: impl FnOnce(&Reader<'_>) -> T) -> Result<T, LoadError> {
    let invalid = |problems| LoadError::Invalid { path: path.to_owned(), problems: Problems(problems) };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or("");
            let at = valid.len();
            let problem = Text { path, text: valid }.problem(
                Some(at..at),
                "",
                format!("the file is no UTF-8 text (byte {at})"),
                "save it as UTF-8; plan and site files hold no binary data",
            );
            return Err(invalid(vec![problem]));
        }
    };
    let text = Text { path, text };
    let (table, errors) = DeTable::parse_recoverable(text.text);
    if !errors.is_empty() {
        let problems = errors
            .iter()
            .take(MAX_PROBLEMS)
            .map(|error| text.problem(error.span(), "", error.message(), "this is no TOML; see https://toml.io"));
        return Err(invalid(problems.collect()));
    }
    let problems = RefCell::new(Vec::new());
    let reader = Reader::new(&text, &problems, table.get_ref(), table.span(), String::new());
    let built = build(&reader);
    reader.finish();
    let mut problems = problems.into_inner();
    if problems.is_empty() {
        return Ok(built);
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.truncate(MAX_PROBLEMS);
    Err(invalid(problems))
}

/// One table of the file.
pub(super) struct Reader<'a> {
    text: &'a Text<'a>,
    problems: &'a RefCell<Vec<Problem>>,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    at: String,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Reader<'a> {
    fn new(
        text: &'a Text<'a>,
        problems: &'a RefCell<Vec<Problem>>,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        at: String,
    ) -> Self {
        Self { text, problems, table, span, at, asked: RefCell::default() }
    }

    fn path_of(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }

    fn note(&self, span: Option<Range<usize>>, key: &str, message: impl Into<String>, help: impl Into<String>) {
        // To locate a problem its line is looked at; a file of nothing but problems must not be looked at for each.
        if !self.is_full() {
            let problem = self.text.problem(span, &self.path_of(key), message, help);
            self.problems.borrow_mut().push(problem);
        }
    }

    /// Whether as many problems are noted as are listed.
    fn is_full(&self) -> bool {
        self.problems.borrow().len() >= MAX_PROBLEMS
    }

    /// Notes that the value of `key` (or, where it is missing, the table) is wrong.
    pub(super) fn wrong(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        let span = self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span);
        self.note(Some(span), key, message, help);
    }

    /// Directory of the file, made absolute; relative paths start there.
    pub(super) fn base(&self) -> PathBuf {
        let parent = self.text.path.parent().unwrap_or(Path::new(""));
        std::path::absolute(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
            .unwrap_or_else(|_| parent.to_owned())
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn mistyped(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let message = format!("is {}, not {wanted}", value.get_ref().type_str());
        self.note(Some(value.span()), key, message, format!("write {wanted}"));
    }

    /// Whether `key` is there. Does not count as having asked for it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The text of `key`; a missing one is a problem.
    pub(super) fn text(&self, key: &'static str) -> String {
        if !self.has(key) {
            self.asked.borrow_mut().insert(key);
            self.note(Some(self.span.clone()), key, "is missing", format!("add `{key} = \"...\"`"));
        }
        self.opt_text(key).unwrap_or_default()
    }

    /// The text of `key`, if there. It must be 1-4096 bytes without control characters.
    pub(super) fn opt_text(&self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        self.as_text(key, value)
    }

    fn as_text(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let Some(text) = value.get_ref().as_str() else {
            self.mistyped(key, value, "a text in quotes");
            return None;
        };
        if text.is_empty() || text.len() > 4096 || text.chars().any(char::is_control) {
            let message = "is empty, longer than 4096 bytes or holds control characters";
            self.note(Some(value.span()), key, message, "write one line of text");
            return None;
        }
        Some(text.to_owned())
    }

    /// The text of `key`, which must satisfy `shape`; `help` says what it should look like.
    pub(super) fn shaped(&self, key: &'static str, shape: impl Fn(&str) -> bool, help: &str) -> String {
        let text = self.text(key);
        self.judge(key, &text, shape, help);
        text
    }

    /// As [`Self::shaped`], for a value that may be missing.
    pub(super) fn opt_shaped(&self, key: &'static str, shape: impl Fn(&str) -> bool, help: &str) -> Option<String> {
        let text = self.opt_text(key)?;
        self.judge(key, &text, shape, help);
        Some(text)
    }

    fn judge(&self, key: &str, text: &str, shape: impl Fn(&str) -> bool, help: &str) {
        if !text.is_empty() && !shape(text) {
            self.wrong(key, format!("`{}` is not acceptable here", clip(text)), help);
        }
    }

    /// A file's path; a relative one starts at the directory of the file that names it.
    pub(super) fn opt_path(&self, key: &'static str) -> Option<PathBuf> {
        self.opt_text(key).map(|text| self.base().join(text))
    }

    /// As [`Self::opt_path`]; a missing one is a problem.
    pub(super) fn path(&self, key: &'static str) -> PathBuf {
        self.base().join(self.text(key))
    }

    /// One of `choices`, by its word; the first where the value is wrong or missing.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> T {
        let text = self.text(key);
        self.pick(key, &text, choices)
    }

    /// As [`Self::choice`], for a value that may be missing.
    pub(super) fn opt_choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.opt_text(key)?;
        Some(self.pick(key, &text, choices))
    }

    fn pick<T: Copy>(&self, key: &str, text: &str, choices: &[(&str, T)]) -> T {
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        if !text.is_empty() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let hint = nearest(text, words.iter().copied()).map(|word| format!("; did you mean `{word}`?"));
            let help = format!("one of {}{}", words.join(", "), hint.unwrap_or_default());
            self.wrong(key, format!("`{}` is not known", clip(text)), help);
        }
        choices[0].1 // every caller passes a constant table with at least one row
    }

    /// The whole number of `key` in `range`, if there.
    pub(super) fn opt_number(&self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(key)?;
        let Some(integer) = value.get_ref().as_integer() else {
            self.mistyped(key, value, "a whole number");
            return None;
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let help = format!("a whole number from {} to {}", range.start(), range.end());
                self.note(Some(value.span()), key, "is out of range", help);
                None
            }
        }
    }

    /// The whole number of `key` if it is written as one; `Some(None)` if that is out of range.
    pub(super) fn number_if_integer(&self, key: &'static str) -> Option<Option<u64>> {
        self.table.get(key)?.get_ref().as_integer()?;
        Some(self.opt_number(key, 1..=u64::from(u32::MAX)))
    }

    /// The whole number of `key`; `default` where it is missing or wrong.
    pub(super) fn number(&self, key: &'static str, range: std::ops::RangeInclusive<u64>, default: u64) -> u64 {
        self.opt_number(key, range).unwrap_or(default)
    }

    /// The truth value of `key`, if there.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.get(key) else { return default };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.mistyped(key, value, "true or false");
            default
        })
    }

    /// A time span such as `"90s"`, `"45m"`, `"12h"`, `"1d"`, in seconds; `default` where it is missing or wrong.
    pub(super) fn duration(&self, key: &'static str, default: u64) -> u64 {
        let Some(text) = self.opt_text(key) else { return default };
        seconds(&text).unwrap_or_else(|| {
            let help = "a number and a unit: \"90s\", \"45m\", \"12h\" or \"1d\", at most 60 days";
            self.wrong(key, format!("`{}` is no time span", clip(&text)), help);
            default
        })
    }

    /// The list of texts of `key`; empty where it is missing.
    pub(super) fn texts(&self, key: &'static str) -> Vec<String> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.mistyped(key, value, "a list of texts");
            return Vec::new();
        };
        array.iter().filter_map(|item| self.as_text(key, item)).collect()
    }

    /// As [`Self::texts`]; each must satisfy `shape` and none may come twice.
    pub(super) fn shaped_texts(&self, key: &'static str, shape: impl Fn(&str) -> bool, help: &str) -> Vec<String> {
        let Some(array) = self.get(key).and_then(|value| value.get_ref().as_array()) else { return self.texts(key) };
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for item in array.iter() {
            let Some(text) = self.as_text(key, item) else { continue };
            if !shape(&text) {
                self.note(Some(item.span()), key, format!("`{}` is not acceptable here", clip(&text)), help);
            } else if !seen.insert(text.clone()) {
                let message = format!("`{}` is listed twice", clip(&text));
                self.note(Some(item.span()), key, message, "list it once");
            } else {
                out.push(text);
            }
        }
        out
    }

    /// The table of `key`, if there.
    pub(super) fn opt_table<T>(&self, key: &'static str, build: impl FnOnce(&Reader<'_>) -> T) -> Option<T> {
        let value = self.get(key)?;
        self.as_table(key, value, build)
    }

    fn as_table<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, build: impl FnOnce(&Reader<'_>) -> T) -> Option<T> {
        let Some(table) = value.get_ref().as_table() else {
            self.mistyped(key, value, "a table");
            return None;
        };
        let reader = Reader::new(self.text, self.problems, table, value.span(), self.path_of(key));
        let built = build(&reader);
        reader.finish();
        Some(built)
    }

    /// The table of `key`; a missing one is a problem, and `build` then walks an empty one without further complaint.
    pub(super) fn table<T: Default>(&self, key: &'static str, build: impl FnOnce(&Reader<'_>) -> T) -> T {
        if !self.has(key) {
            self.asked.borrow_mut().insert(key);
            self.note(Some(self.span.clone()), key, "is missing", format!("add a table `[{}]`", self.path_of(key)));
            return T::default();
        }
        self.opt_table(key, build).unwrap_or_default()
    }

    /// The tables of the list `key`; empty where it is missing.
    pub(super) fn tables<T>(&self, key: &'static str, mut build: impl FnMut(&Reader<'_>) -> T) -> Vec<T> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.mistyped(key, value, "a list of tables (`[[...]]`)");
            return Vec::new();
        };
        let array: &DeArray<'_> = array;
        let each = array.iter().enumerate();
        each.filter_map(|(index, item)| self.as_table(&format!("{key}[{index}]"), item, &mut build)).collect()
    }

    /// Every key and value of the table `key`, whose keys are the user's own; empty where it is missing.
    pub(super) fn entries<T>(
        &self,
        key: &'static str,
        mut build: impl FnMut(&str, &Entry<'_, '_>) -> Option<T>,
    ) -> Vec<(String, T)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            self.mistyped(key, value, "a table");
            return Vec::new();
        };
        let mut out = Vec::new();
        for (name, value) in table {
            let full = format!("{key}.{}", name.get_ref());
            let entry = Entry { reader: self, key: full, name_span: name.span(), value };
            if let Some(built) = build(name.get_ref(), &entry) {
                out.push((name.get_ref().to_string(), built));
            }
        }
        out
    }

    /// Notes every key that nobody asked for.
    fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table {
            if self.is_full() {
                break;
            }
            let name: &str = key.get_ref();
            if !asked.contains(name) {
                let known = asked.iter().copied().filter(|known| !self.has(known));
                let help = match nearest(name, known) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => format!("known here: {}", asked.iter().copied().collect::<Vec<_>>().join(", ")),
                };
                self.note(Some(key.span()), &clip(name), "is not known here", help);
            }
        }
    }
}

/// One entry of a table whose keys are the user's own.
pub(super) struct Entry<'a, 'b> {
    reader: &'a Reader<'b>,
    key: String,
    name_span: Range<usize>,
    value: &'a Spanned<DeValue<'b>>,
}

impl Entry<'_, '_> {
    /// Notes that the key is wrong.
    pub(super) fn wrong_key(&self, message: impl Into<String>, help: impl Into<String>) {
        self.reader.note(Some(self.name_span.clone()), &clip(&self.key), message, help);
    }

    /// Notes that the value is wrong.
    pub(super) fn wrong(&self, message: impl Into<String>, help: impl Into<String>) {
        self.reader.note(Some(self.value.span()), &clip(&self.key), message, help);
    }

    /// The value as text.
    pub(super) fn text(&self) -> Option<String> {
        self.reader.as_text(&self.key, self.value)
    }

    /// The value as list of texts, or one text as a list of one.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        match self.value.get_ref().as_array() {
            Some(array) => Some(array.iter().filter_map(|item| self.reader.as_text(&self.key, item)).collect()),
            None => self.text().map(|text| vec![text]),
        }
    }

    /// The value as table.
    pub(super) fn table<T>(&self, build: impl FnOnce(&Reader<'_>) -> T) -> Option<T> {
        self.reader.as_table(&self.key, self.value, build)
    }
}

/// `"90s"`, `"45m"`, `"12h"`, `"1d"` in seconds; at most 60 days.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|seconds| *seconds <= 60 * 86_400)
}

//! From the parsed selector of an rmap to its compiled form (RS 9.1 to 9.3).

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use super::condition::{condition_element, condition_value, esoteric, or_split};
use super::element::Element;
use super::engine::ShortMap;
use super::python::{float_repr, repr, repr_tuple};
use super::syntax::{Call, Selector, Value};
use super::tree::{
    Entry, MatchNode, MatchParam, Node, NodeId, RareNode, Substitute, TableNode, Terminal, Tree, prefix,
};

pub(super) type Ast<'a> = Value<Cow<'a, str>>;
pub(super) type Substitutions<'a> = HashMap<&'a str, Vec<(&'a Ast<'a>, &'a Ast<'a>)>>;

/// Compiles `call` and everything below it; `levels` are the parkeys of each nesting level.
pub(super) struct Compiler<'a> {
    pub(super) tree: Tree,
    pub(super) levels: &'a [Vec<String>],
    pub(super) substitutions: &'a Substitutions<'a>,
}

impl<'a> Compiler<'a> {
    pub(super) fn selector(&mut self, call: &'a Call<Cow<'a, str>>, level: usize) -> Result<NodeId, String> {
        let Some(parkeys) = self.levels.get(level) else {
            return Err(format!("parkey has no level {level} for {}", call.name.as_str()));
        };
        let parkeys: Vec<usize> = parkeys.iter().map(|name| self.tree.param(name)).collect();
        if matches!(call.name, Selector::UseAfter | Selector::ClosestTime)
            && call.dict.iter().all(|(key, _)| key.as_str().is_some())
        {
            // The long tables: keys are texts, and sorting brings duplicates together.
            let entries = call.dict.iter().map(|(key, value)| (key, value)).collect();
            return self.table(call.name, parkeys, entries, level);
        }
        // Duplicate keys: Python keeps the last value. Substitution and sorting make their place irrelevant.
        let mut entries: Vec<(&'a Ast<'a>, &'a Ast<'a>)> = Vec::with_capacity(call.dict.len());
        let mut seen: HashMap<PyKey<'a>, usize> = HashMap::with_capacity(call.dict.len());
        for (key, value) in &call.dict {
            match seen.entry(PyKey::of(key)) {
                Slot::Occupied(at) => entries[*at.get()].1 = value,
                Slot::Vacant(slot) => {
                    slot.insert(entries.len());
                    entries.push((key, value));
                }
            }
        }
        match call.name {
            Selector::Match => self.matching(parkeys, entries, level),
            Selector::UseAfter | Selector::ClosestTime | Selector::VersionAfter => {
                self.table(call.name, parkeys, entries, level)
            }
            _ => self.rare(call.name, parkeys, entries, level),
        }
    }

    fn choice(&mut self, value: &'a Ast<'a>, level: usize) -> Result<NodeId, String> {
        let terminal = match value {
            Value::Call(call) => return self.selector(call, level + 1),
            Value::Str(text) => Terminal::of(text),
            Value::Tuple(items) | Value::List(items) if items.iter().all(|item| item.as_str().is_some()) => {
                Terminal::Many(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
            }
            other => Terminal::Other(python_text(other)),
        };
        self.tree.push(Node::Terminal(terminal))
    }

    fn table(
        &mut self,
        kind: Selector,
        params: Vec<usize>,
        entries: Vec<(&'a Ast<'a>, &'a Ast<'a>)>,
        level: usize,
    ) -> Result<NodeId, String> {
        let mut table = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Some(text) = key.as_str() else {
                return Err(format!("{} key {} is not a text", kind.as_str(), python_text(key)));
            };
            let choice = self.choice(value, level)?;
            let (at, len) = (self.tree.text.len(), text.len());
            let position = |n: usize| u32::try_from(n).map_err(|_| "too much text in one mapping".to_owned());
            let prefix = if kind == Selector::VersionAfter {
                version_key(text).ok_or_else(|| format!("Invalid version string {}", repr(text)))?
            } else {
                prefix(text.as_bytes())
            };
            table.push(Entry { prefix, at: position(at)?, len: position(len)?, choice });
            self.tree.text.push_str(text);
        }
        if kind == Selector::VersionAfter {
            table.sort_by_key(|entry| entry.prefix);
            if table.windows(2).any(|two| two[0].prefix == two[1].prefix) {
                return Err("a version appears more than once".to_owned());
            }
        } else {
            let tree = &self.tree;
            // Written in order as a rule.
            if !table.is_sorted_by(|a, b| tree.key_order(a, b).is_lt()) {
                table.sort_by(|a, b| tree.key_order(a, b));
                // The sort is stable: of equal keys the last written comes last, and it is the one that counts.
                table.reverse();
                table.dedup_by(|later, kept| tree.key(later) == tree.key(kept));
                table.reverse();
            }
        }
        self.tree.push(Node::Table(Box::new(TableNode { kind, params, entries: table })))
    }

    fn rare(
        &mut self,
        kind: Selector,
        params: Vec<usize>,
        entries: Vec<(&'a Ast<'a>, &'a Ast<'a>)>,
        level: usize,
    ) -> Result<NodeId, String> {
        let mut table = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let text = python_text(key);
            let text = if kind == Selector::GeometricallyNearest { condition_value(&text).into_owned() } else { text };
            table.push((text, self.choice(value, level)?));
        }
        super::rare::sort(kind, &mut table)?;
        self.tree.push(Node::Rare(Box::new(RareNode { kind, params, entries: table })))
    }

    fn matching(
        &mut self,
        params: Vec<usize>,
        entries: Vec<(&'a Ast<'a>, &'a Ast<'a>)>,
        level: usize,
    ) -> Result<NodeId, String> {
        let names: Vec<String> = params.iter().map(|param| self.tree.params[*param].clone()).collect();
        let entries = self.substituted(&names, entries)?;
        let mut cases: Vec<(Vec<String>, &'a Ast<'a>)> = entries
            .into_iter()
            .map(|(key, value)| Ok((key.iter().map(conditioned).collect::<Result<Vec<_>, String>>()?, value)))
            .collect::<Result<_, String>>()?;
        cases.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(two) = cases.windows(2).find(|two| two[0].0 == two[1].0) {
            return Err(format!("Key {} appears more than once ", repr_tuple(&two[0].0)));
        }
        if let Some((key, _)) = cases.iter().find(|(key, _)| key.len() != params.len()) {
            let names = repr_tuple(&names);
            return Err(format!("Match key={} is wrong length for parameters {names}", repr_tuple(key)));
        }
        let mut match_params = Vec::with_capacity(params.len());
        for (i, param) in params.into_iter().enumerate() {
            let (mut elements, mut numbers) = (Vec::new(), ShortMap::<&str, u32>::default());
            let mut of_case = Vec::with_capacity(cases.len());
            let mut unchecked = false;
            let mut valid = Vec::new();
            for (key, _) in &cases {
                let text = key[i].as_str();
                let next = u32::try_from(elements.len()).map_err(|_| "too many match cases".to_owned())?;
                let number = *numbers.entry(text).or_insert(next);
                if number == next {
                    elements.push(Element::new(text)?);
                    unchecked |= esoteric(text);
                    valid.extend(or_split(text).into_iter().map(str::to_owned));
                }
                of_case.push(number);
            }
            if unchecked {
                valid.clear();
            }
            valid.sort_unstable();
            valid.dedup();
            let substitutions = self.substitutes(&names[i]);
            match_params.push(MatchParam { param, elements, of_case, valid, substitutions });
        }
        let mut choices = Vec::with_capacity(cases.len());
        for (_, value) in &cases {
            choices.push(self.choice(value, level)?);
        }
        let cache = self.tree.matches;
        self.tree.matches += 1;
        let keys = cases.into_iter().map(|(key, _)| key).collect();
        self.tree.push(Node::Match(Box::new(MatchNode { params: match_params, choices, keys, cache })))
    }

    fn substitutes(&self, name: &str) -> Vec<(String, Substitute)> {
        let Some(table) = self.substitutions.get(name) else { return Vec::new() };
        let substitute = |value: &Ast<'_>| match value {
            Value::Str(text) => Substitute::Text(text.to_string()),
            Value::Tuple(_) => Substitute::Other("tuple", python_text(value)),
            Value::List(_) => Substitute::Other("list", python_text(value)),
            Value::Int(_) => Substitute::Other("int", python_text(value)),
            Value::Float(_) => Substitute::Other("float", python_text(value)),
            Value::Bool(_) => Substitute::Other("bool", python_text(value)),
            Value::None => Substitute::Other("NoneType", python_text(value)),
            Value::Dict(_) | Value::Call(_) => Substitute::Other("dict", python_text(value)),
        };
        table.iter().rev().filter_map(|(from, to)| Some((from.as_str()?.to_owned(), substitute(to)))).collect()
    }

    /// Applies the substitution tables to the keys, parkey by parkey (RS 9.2).
    fn substituted(
        &self,
        names: &[String],
        entries: Vec<(&'a Ast<'a>, &'a Ast<'a>)>,
    ) -> Result<Vec<(Vec<&'a Ast<'a>>, &'a Ast<'a>)>, String> {
        let mut keyed: Vec<(Vec<&'a Ast<'a>>, &'a Ast<'a>)> = entries
            .into_iter()
            .map(|(key, value)| match key {
                Value::Tuple(items) => (items.iter().collect(), value),
                single => (vec![single], value),
            })
            .collect();
        for (which, name) in names.iter().enumerate() {
            let Some(table) = self.substitutions.get(name.as_str()) else { continue };
            let mut position: HashMap<Vec<PyKey<'a>>, usize> = HashMap::with_capacity(keyed.len());
            for (at, (key, _)) in keyed.iter().enumerate() {
                position.insert(key.iter().map(|item| PyKey::of(item)).collect(), at);
            }
            let mut gone = vec![false; keyed.len()];
            for at in 0..keyed.len() {
                let Some(old) = keyed[at].0.get(which).copied() else {
                    return Err("tuple index out of range".to_owned());
                };
                let hit = table.iter().rev().find(|(from, _)| PyKey::of(from) == PyKey::of(old));
                let Some((_, replacement)) = hit else { continue };
                let mut key = keyed[at].0.clone();
                key[which] = replacement;
                let identity: Vec<PyKey<'a>> = key.iter().map(|item| PyKey::of(item)).collect();
                let value = keyed[at].1;
                match position.get(&identity).copied() {
                    Some(other) if other != at => {
                        keyed[other].1 = value;
                        gone[other] = false;
                        gone[at] = true;
                    }
                    _ => {
                        position.insert(identity, at);
                        keyed[at].0 = key;
                    }
                }
            }
            let mut gone = gone.into_iter();
            keyed.retain(|_| !gone.next().unwrap_or(false));
        }
        Ok(keyed)
    }
}

/// One element of a key in its conditioned form.
fn conditioned(element: &&Ast<'_>) -> Result<String, String> {
    Ok(match element {
        Value::Str(text) => condition_element(text).into_owned(),
        Value::Tuple(items) | Value::List(items) => {
            let parts: Vec<String> =
                items.iter().map(|item| condition_value(&python_text(item)).into_owned()).collect();
            parts.join("|")
        }
        other => condition_value(&python_text(other)).into_owned(),
    })
}

/// `str(value)` in Python.
pub(super) fn python_text<S: AsRef<str>>(value: &Value<S>) -> String {
    match value {
        Value::Str(text) => text.as_ref().to_owned(),
        other => python_repr(other),
    }
}

/// `repr(value)` in Python.
pub(super) fn python_repr<S: AsRef<str>>(value: &Value<S>) -> String {
    let joined = |items: &[Value<S>]| items.iter().map(python_repr).collect::<Vec<_>>().join(", ");
    match value {
        Value::None => "None".to_owned(),
        Value::Bool(b) => if *b { "True" } else { "False" }.to_owned(),
        Value::Int(text) => integer(text.as_ref()),
        Value::Float(text) => float_repr(text.as_ref().parse().unwrap_or(f64::NAN)),
        Value::Str(text) => repr(text.as_ref()),
        Value::Tuple(items) if items.len() == 1 => format!("({},)", joined(items)),
        Value::Tuple(items) => format!("({})", joined(items)),
        Value::List(items) => format!("[{}]", joined(items)),
        Value::Dict(items) => {
            let items: Vec<String> =
                items.iter().map(|(k, v)| format!("{}: {}", python_repr(k), python_repr(v))).collect();
            format!("{{{}}}", items.join(", "))
        }
        Value::Call(call) => call.name.as_str().to_owned(),
    }
}

/// The text of an integer without a needless sign or zeros.
fn integer(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => format!("{sign}{digits}"),
    }
}

/// What Python compares when it looks a key up: `1`, `1.0` and `True` are one key, `'1'` is another.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum PyKey<'a> {
    Text(&'a str),
    Number(String),
    None,
    Seq(Vec<PyKey<'a>>),
}

impl<'a> PyKey<'a> {
    pub(super) fn of<S: AsRef<str>>(value: &'a Value<S>) -> Self {
        match value {
            Value::Str(text) => Self::Text(text.as_ref()),
            Value::None => Self::None,
            Value::Bool(b) => Self::Number(u8::from(*b).to_string()),
            Value::Int(text) => Self::Number(integer(text.as_ref())),
            Value::Float(text) => {
                let value: f64 = text.as_ref().parse().unwrap_or(f64::NAN);
                // A whole float equals the integer; beyond 2^53 the difference is of no consequence to rules.
                if value.fract() == 0.0 && value.abs() < 9e15 {
                    Self::Number(format!("{}", value as i64))
                } else {
                    Self::Number(float_repr(value))
                }
            }
            Value::Tuple(items) => Self::Seq(items.iter().map(PyKey::of).collect()),
            // The parser lets nothing else be a key.
            Value::List(_) | Value::Dict(_) | Value::Call(_) => Self::None,
        }
    }
}

/// The three numbers a version text is compared by (RS 9.7), or nothing where it is not one.
pub(super) fn version_key(text: &str) -> Option<[u64; 3]> {
    let bytes = text.as_bytes();
    let mut parts = [0_u64; 3];
    let mut at = 0;
    for (n, part) in parts.iter_mut().enumerate() {
        if n > 0 {
            // A further number only after a point and with a digit behind it.
            if bytes.get(at) != Some(&b'.') || !bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
                break;
            }
            at += 1;
        }
        // More than eight digits: the pattern takes eight and leaves the others to the tail.
        let digits = bytes[at..].iter().take(8).take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        *part = text[at..at + digits].parse().ok()?;
        at += digits;
    }
    let rest = &bytes[at..];
    let good = rest.len() <= 128 && rest.iter().all(|b| b.is_ascii_alphanumeric() || b"_+.-".contains(b));
    good.then_some(parts)
}

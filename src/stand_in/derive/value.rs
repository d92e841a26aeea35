//! Values of a mapping as Python holds them: equality, order, `str` and `repr`.

use std::cmp::Ordering;

use crate::rules::syntax::{Selector, Value};
use crate::stand_in::fits::python_float;

/// A Python value out of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Py {
    None,
    Bool(bool),
    /// Source text, sign included (Python's integers have no bounds).
    Int(String),
    Float(f64),
    Str(String),
    Tuple(Vec<Py>),
    List(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    Call(Selector, Vec<(Py, Py)>),
}

impl Py {
    pub(crate) fn str(text: impl Into<String>) -> Self {
        Self::Str(text.into())
    }

    /// The name of its Python class.
    pub(crate) fn class_name(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Tuple(_) => "tuple",
            Self::List(_) => "list",
            Self::Dict(_) => "dict",
            Self::Call(..) => "Selector",
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Members of a tuple or list.
    pub(crate) fn items(&self) -> Option<&[Py]> {
        match self {
            Self::Tuple(items) | Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// Items of a dictionary, duplicates gone.
    pub(crate) fn pairs(&self) -> Option<&[(Py, Py)]> {
        match self {
            Self::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// Python's `repr`.
    pub(crate) fn repr(&self) -> String {
        match self {
            Self::None => "None".into(),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
            Self::Int(digits) => digits.clone(),
            Self::Float(number) => python_float(*number),
            Self::Str(text) => repr(text),
            Self::Tuple(items) => repr_tuple(items.iter().map(Self::repr)),
            Self::List(items) => format!("[{}]", items.iter().map(Self::repr).collect::<Vec<_>>().join(", ")),
            Self::Dict(pairs) => {
                let inner: Vec<_> = pairs.iter().map(|(k, v)| format!("{}: {}", k.repr(), v.repr())).collect();
                format!("{{{}}}", inner.join(", "))
            }
            Self::Call(name, _) => name.as_str().into(),
        }
    }

    /// Python's `str`.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Str(text) => text.clone(),
            other => other.repr(),
        }
    }

    /// A text that is the same for two values exactly if Python calls them equal (`1`, `1.0` and `True` are).
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::None => "N".into(),
            Self::Bool(flag) => if *flag { "#1.0" } else { "#0.0" }.into(),
            Self::Int(_) | Self::Float(_) => format!("#{}", python_float(self.number().unwrap_or(f64::NAN) + 0.0)),
            Self::Str(text) => format!("'{}:{text}", text.len()),
            Self::Tuple(items) => format!("({})", items.iter().map(Self::identity).collect::<Vec<_>>().join(",")),
            Self::List(items) => format!("[{}]", items.iter().map(Self::identity).collect::<Vec<_>>().join(",")),
            Self::Dict(pairs) | Self::Call(_, pairs) => {
                let mut inner: Vec<_> =
                    pairs.iter().map(|(k, v)| format!("{}={}", k.identity(), v.identity())).collect();
                inner.sort();
                format!("{{{}}}", inner.join(","))
            }
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Bool(flag) => Some(f64::from(u8::from(*flag))),
            Self::Int(digits) => digits.parse().ok(),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Python 2's order of mixed values: nothing, numbers by value, then by the name of the type.
    pub(crate) fn order_2014(&self, other: &Self) -> Ordering {
        fn rank(value: &Py) -> u8 {
            match value {
                Py::None => 0,
                Py::Bool(_) | Py::Int(_) | Py::Float(_) => 1,
                Py::Dict(_) | Py::Call(..) => 2,
                Py::List(_) => 3,
                Py::Str(_) => 4,
                Py::Tuple(_) => 5,
            }
        }
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a.cmp(b),
            (Self::Tuple(a), Self::Tuple(b)) | (Self::List(a), Self::List(b)) => {
                let first = a.iter().zip(b).map(|(x, y)| x.order_2014(y)).find(|o| o.is_ne());
                first.unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
                _ => rank(self).cmp(&rank(other)),
            },
        }
    }
}

impl From<&Value> for Py {
    fn from(value: &Value) -> Self {
        let pairs =
            |items: &[(Value, Value)]| unique(items.iter().map(|(k, v)| (Self::from(k), Self::from(v))).collect());
        match value {
            Value::None => Self::None,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(source) => Self::Int(integer(source)),
            Value::Float(source) => Self::Float(source.parse().unwrap_or(f64::NAN)),
            Value::Str(text) => Self::Str(text.clone()),
            Value::Tuple(items) => Self::Tuple(items.iter().map(Self::from).collect()),
            Value::List(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Dict(items) => Self::Dict(pairs(items)),
            Value::Call(call) => Self::Call(call.name, pairs(&call.dict)),
        }
    }
}

fn integer(source: &str) -> String {
    let digits = source.trim_start_matches('-');
    let body = digits.trim_start_matches('0');
    match (source.len() - digits.len()) % 2 {
        1 if !body.is_empty() => format!("-{body}"),
        _ if body.is_empty() => "0".into(),
        _ => body.into(),
    }
}

/// A dictionary as Python builds it: of equal keys the last value, at the place and in the spelling of the first.
pub(crate) fn unique<V>(pairs: Vec<(Py, V)>) -> Vec<(Py, V)> {
    let mut places = std::collections::HashMap::with_capacity(pairs.len());
    let mut out: Vec<(Py, V)> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        match places.entry(key.identity()) {
            std::collections::hash_map::Entry::Occupied(place) => {
                let at: usize = *place.get();
                out[at].1 = value;
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(out.len());
                out.push((key, value));
            }
        }
    }
    out
}

/// Python's `repr` of a text.
pub(crate) fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 || (0x7f..0xa1).contains(&(c as u32)) || c as u32 == 0xad => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// `('a', 'b')`, `('a',)`, `()` out of members' reprs.
pub(crate) fn repr_tuple(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    match items.as_slice() {
        [one] => format!("({one},)"),
        many => format!("({})", many.join(", ")),
    }
}

/// `('a', 'b')` out of texts.
pub(crate) fn repr_texts<S: AsRef<str>>(texts: &[S]) -> String {
    repr_tuple(texts.iter().map(|text| repr(text.as_ref())))
}

/// `['a', 'b']` out of texts.
pub(crate) fn repr_list<S: AsRef<str>>(texts: &[S]) -> String {
    format!("[{}]", texts.iter().map(|text| repr(text.as_ref())).collect::<Vec<_>>().join(", "))
}

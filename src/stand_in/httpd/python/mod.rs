//! As much Python as a server's configuration needs: modules found along a path as Python 2 finds them, checked for errors that Python
//! would find on import, their top-level assignments evaluated. Functions and classes are checked and passed over.

mod evaluate;
mod modules;
mod tokens;

use std::collections::BTreeMap;

pub use modules::Interpreter;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Str(String),
    /// A list or tuple.
    List(Vec<Value>),
    /// A dictionary.
    Dict(Vec<(Value, Value)>),
    /// A module, by full name.
    Module(String),
    /// Something of which only the dotted name is known, such as a function of the library.
    Named(String),
    /// Something that is not followed.
    Unknown,
}

/// The names of a module.
pub type Names = BTreeMap<String, Value>;

/// An exception on the way to an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its class, such as `ImportError`.
    pub kind: String,
    /// Its text.
    pub text: String,
    /// Where: file and line, outermost first.
    pub trace: Vec<(String, usize)>,
}

impl Failure {
    /// An exception at one place.
    pub fn at(kind: &str, text: &str, file: &str, line: usize) -> Failure {
        Failure { kind: kind.to_owned(), text: text.to_owned(), trace: vec![(file.to_owned(), line)] }
    }

    /// The innermost line.
    pub fn line(&self) -> usize {
        self.trace.last().map_or(0, |(_, line)| *line)
    }

    /// The same, raised on the way through one more place.
    #[must_use]
    pub fn through(mut self, file: &str, line: usize) -> Failure {
        self.trace.insert(0, (file.to_owned(), line));
        self
    }

    /// The traceback as Python prints it, line by line.
    pub fn traceback(&self) -> Vec<String> {
        let mut lines = vec!["Traceback (most recent call last):".to_owned()];
        let syntax = matches!(self.kind.as_str(), "SyntaxError" | "IndentationError");
        for (depth, (file, number)) in self.trace.iter().enumerate() {
            let inner = syntax && depth + 1 == self.trace.len();
            lines.push(format!("  File \"{file}\", line {number}{}", if inner { "" } else { ", in <module>" }));
            let source = std::fs::read_to_string(file).unwrap_or_default();
            if let Some(text) = source.lines().nth(number.wrapping_sub(1)) {
                lines.push(format!("    {}", text.trim()));
            }
            if inner {
                lines.push("    ^".to_owned());
            }
        }
        lines.push(format!("{}: {}", self.kind, self.text));
        lines
    }
}

impl Value {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is whole.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Bool(flag) => Some(i64::from(*flag)),
            _ => None,
        }
    }

    /// The elements of a list or tuple.
    pub fn as_list(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a key of a dictionary.
    pub fn key(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Dict(pairs) => pairs.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether Python takes it for true; `None` if that is not known.
    pub fn truth(&self) -> Option<bool> {
        Some(match self {
            Value::None => false,
            Value::Bool(flag) => *flag,
            Value::Int(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Dict(pairs) => !pairs.is_empty(),
            Value::Module(_) => true,
            Value::Named(_) | Value::Unknown => return None,
        })
    }

    /// What `str()` makes of it, where that is known.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Value::None => "None".to_owned(),
            Value::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Str(text) => text.clone(),
            _ => return None,
        })
    }
}

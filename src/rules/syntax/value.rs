//! The values a mapping is made of.

use std::borrow::Cow;

/// The seven selector names that may be called (RS 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// `Match`
    Match,
    /// `UseAfter`
    UseAfter,
    /// `VersionAfter`
    VersionAfter,
    /// `SelectVersion`
    SelectVersion,
    /// `ClosestTime`
    ClosestTime,
    /// `GeometricallyNearest`
    GeometricallyNearest,
    /// `Bracket`
    Bracket,
}

impl Selector {
    /// All seven.
    pub const ALL: [Self; 7] = [
        Self::Match,
        Self::UseAfter,
        Self::VersionAfter,
        Self::SelectVersion,
        Self::ClosestTime,
        Self::GeometricallyNearest,
        Self::Bracket,
    ];

    /// The name as written in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Match => "Match",
            Self::UseAfter => "UseAfter",
            Self::VersionAfter => "VersionAfter",
            Self::SelectVersion => "SelectVersion",
            Self::ClosestTime => "ClosestTime",
            Self::GeometricallyNearest => "GeometricallyNearest",
            Self::Bracket => "Bracket",
        }
    }

    /// The selector of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|selector| selector.as_str() == name)
    }
}

/// One value of a mapping, as written.
///
/// `S` is the text type: `String` for a tree of its own, `Cow<str>` for one that borrows from the file's text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value<S = String> {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// An integer: its source text, sign included, without blanks.
    Int(S),
    /// A number with point or exponent: its source text, sign included, without blanks.
    Float(S),
    /// A text, escapes resolved.
    Str(S),
    /// `(a, b)`
    Tuple(Vec<Value<S>>),
    /// `[a, b]`
    List(Vec<Value<S>>),
    /// `{k: v}`: every item in source order, duplicates included (Python keeps the last value at the first position).
    Dict(Vec<(Value<S>, Value<S>)>),
    /// `Match({...})` and the like.
    Call(Call<S>),
}

/// A selector with its table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call<S = String> {
    /// Which selector.
    pub name: Selector,
    /// Its entries in source order, duplicates included.
    pub dict: Vec<(Value<S>, Value<S>)>,
}

impl<S: AsRef<str>> Value<S> {
    /// The text of a string value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text.as_ref()),
            _ => None,
        }
    }

    /// The items of a dictionary, in source order.
    pub fn as_dict(&self) -> Option<&[(Value<S>, Value<S>)]> {
        match self {
            Self::Dict(items) => Some(items),
            _ => None,
        }
    }

    /// The members of a tuple or list.
    pub fn as_seq(&self) -> Option<&[Value<S>]> {
        match self {
            Self::Tuple(items) | Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a dictionary's string key: the last one written, as in Python.
    pub fn get(&self, key: &str) -> Option<&Value<S>> {
        self.as_dict()?.iter().rev().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
    }

    /// The kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Str(_) => "a text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Call(call) => call.name.as_str(),
        }
    }
}

impl Value<Cow<'_, str>> {
    /// A copy that owns its texts.
    pub fn into_owned(self) -> Value {
        let own = |items: Vec<Self>| items.into_iter().map(Self::into_owned).collect();
        let own_pairs =
            |items: Vec<(Self, Self)>| items.into_iter().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        match self {
            Self::None => Value::None,
            Self::Bool(b) => Value::Bool(b),
            Self::Int(text) => Value::Int(text.into_owned()),
            Self::Float(text) => Value::Float(text.into_owned()),
            Self::Str(text) => Value::Str(text.into_owned()),
            Self::Tuple(items) => Value::Tuple(own(items)),
            Self::List(items) => Value::List(own(items)),
            Self::Dict(items) => Value::Dict(own_pairs(items)),
            Self::Call(call) => Value::Call(Call { name: call.name, dict: own_pairs(call.dict) }),
        }
    }
}

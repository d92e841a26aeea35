//! The grammar against which the client certifies a rules file, stricter than loading, and its words about a misfit (RD 7.4).
//!
//! The client has it from a parser generator (Parsley). What that says of an error depends on how it went about it: which
//! alternatives it remembered as failed, and which error objects it shared between them. So this is that generator's way
//! of parsing, step by step; it is slow and only asked about files whose text is small or already in doubt.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::stand_in::derive::value::repr;

/// How many nested rules are followed; Python gives up before that.
const DEPTH_LIMIT: usize = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    Ws,
    PoundComment,
    Mapping,
    HeaderSection,
    CommentSection,
    SelectorSection,
    Selector,
    Parameters,
    ParametersName,
    Dict,
    Items,
    Pair,
    Immutable,
    Value,
    Str,
    BlockString,
    EscapedChar,
    Number,
    Digit,
    Digits,
    Digit19,
    IntPart,
    FloatPart,
    Exponent,
    Tuple,
    Set,
    Elements,
    ImmutableTuple,
    ImmutableElements,
    True,
    False,
    None,
    Anything,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::PoundComment => "pound_comment",
            Self::Mapping => "mapping",
            Self::HeaderSection => "header_section",
            Self::CommentSection => "comment_section",
            Self::SelectorSection => "selector_section",
            Self::Selector => "selector",
            Self::Parameters => "parameters",
            Self::ParametersName => "parameters_name",
            Self::Dict => "dict",
            Self::Items => "items",
            Self::Pair => "pair",
            Self::Immutable => "immutable",
            Self::Value => "value",
            Self::Str => "string",
            Self::BlockString => "block_string",
            Self::EscapedChar => "escapedChar",
            Self::Number => "number",
            Self::Digit => "digit",
            Self::Digits => "digits",
            Self::Digit19 => "digit1_9",
            Self::IntPart => "intPart",
            Self::FloatPart => "floatPart",
            Self::Exponent => "exponent",
            Self::Tuple => "tuple",
            Self::Set => "set",
            Self::Elements => "elements",
            Self::ImmutableTuple => "immutable_tuple",
            Self::ImmutableElements => "immutable_elements",
            Self::True => "true",
            Self::False => "false",
            Self::None => "none",
            Self::Anything => "anything",
        }
    }

    /// The rule's parts, in order.
    fn body(self) -> Vec<P> {
        use P::{Consumed, Many, Not, Opt, Or, Token};
        let ws = || P::Apply(Self::Ws);
        let lit = P::Exactly;
        let rule = P::Apply;
        let any = || P::Apply(Self::Anything);
        let each = |parts: Vec<P>| Or(parts.into_iter().map(|part| vec![part]).collect());
        let quoted = |quote: fn() -> P| {
            let inner = Or(vec![vec![rule(Self::EscapedChar)], vec![Not(vec![quote()]), any()]]);
            vec![quote(), Many(vec![inner]), quote()]
        };
        let listed = |item: Self| {
            let rest = vec![ws(), lit(","), ws(), rule(item)];
            vec![Or(vec![vec![ws(), rule(item), Many(rest), ws()], Vec::new()])]
        };
        let enclosed = |open, inner, close| vec![lit(open), rule(inner), ws(), Opt(vec![lit(",")]), ws(), lit(close)];
        let section = |word, inner| vec![ws(), lit(word), ws(), lit("="), ws(), rule(inner), ws()];
        match self {
            Self::Ws => {
                vec![Many(vec![each(vec![lit(" "), lit("\r"), lit("\n"), lit("\t"), rule(Self::PoundComment)])])]
            }
            Self::PoundComment => vec![lit("#"), Many(vec![Not(vec![lit("\n")]), any()]), lit("\n")],
            Self::Mapping => {
                vec![rule(Self::HeaderSection), rule(Self::CommentSection), rule(Self::SelectorSection)]
            }
            Self::HeaderSection => section("header", Self::Dict),
            Self::CommentSection => vec![Or(vec![section("comment", Self::BlockString), Vec::new()])],
            Self::SelectorSection => section("selector", Self::Selector),
            Self::Selector => vec![each(vec![rule(Self::Dict), rule(Self::Parameters)])],
            Self::Parameters => {
                vec![ws(), rule(Self::ParametersName), ws(), lit("("), ws(), rule(Self::Dict), ws(), lit(")")]
            }
            Self::ParametersName => vec![each(
                [
                    "Match",
                    "UseAfter",
                    "VersionAfter",
                    "SelectVersion",
                    "Bracket",
                    "GeometricallyNearest",
                    "ClosestTime",
                ]
                .map(lit)
                .into(),
            )],
            Self::Dict => vec![ws(), lit("{"), rule(Self::Items), lit("}"), ws()],
            Self::Items => {
                let rest = vec![ws(), lit(","), rule(Self::Pair)];
                let some = vec![ws(), rule(Self::Pair), Many(rest), ws(), Opt(vec![lit(",")]), ws()];
                vec![Or(vec![some, vec![ws()]])]
            }
            Self::Pair => vec![ws(), rule(Self::Immutable), ws(), lit(":"), ws(), rule(Self::Value), ws()],
            Self::Immutable => vec![each(
                [Self::Str, Self::ImmutableTuple, Self::Number, Self::True, Self::False, Self::None].map(rule).into(),
            )],
            Self::Value => vec![each(
                [
                    Self::Str,
                    Self::Tuple,
                    Self::Number,
                    Self::Selector,
                    Self::Dict,
                    Self::Set,
                    Self::True,
                    Self::False,
                    Self::None,
                ]
                .map(rule)
                .into(),
            )],
            // What the grammar writes in double quotes is a token: blanks before it are passed over.
            Self::Str => vec![Or(vec![quoted(|| P::Exactly("\"")), quoted(|| Token("'"))])],
            Self::BlockString => vec![Or(vec![quoted(|| P::Exactly("\"\"\"")), quoted(|| Token("'''"))])],
            Self::EscapedChar => {
                vec![lit("\\"), each(["\"", "\\", "/", "b", "f", "n", "r", "t", "'"].map(lit).into())]
            }
            Self::Number => vec![
                Or(vec![vec![lit("-")], Vec::new()]),
                rule(Self::IntPart),
                Or(vec![vec![rule(Self::FloatPart)], Vec::new()]),
            ],
            Self::Digit => vec![any(), P::Pred("0123456789")],
            Self::Digits => vec![Consumed(vec![Many(vec![rule(Self::Digit)])])],
            Self::Digit19 => vec![any(), P::Pred("123456789")],
            Self::IntPart => vec![Or(vec![vec![rule(Self::Digit19), rule(Self::Digits)], vec![rule(Self::Digit)]])],
            Self::FloatPart => {
                let fraction = vec![lit("."), rule(Self::Digits), Opt(vec![rule(Self::Exponent)])];
                vec![any(), any(), Consumed(vec![Or(vec![fraction, vec![rule(Self::Exponent)]])])]
            }
            Self::Exponent => {
                vec![each(vec![lit("e"), lit("E")]), Opt(vec![each(vec![lit("+"), lit("-")])]), rule(Self::Digits)]
            }
            Self::Tuple => enclosed("(", Self::Elements, ")"),
            Self::Set => enclosed("{", Self::Elements, "}"),
            Self::Elements => listed(Self::Value),
            Self::ImmutableTuple => enclosed("(", Self::ImmutableElements, ")"),
            Self::ImmutableElements => listed(Self::Immutable),
            Self::True => vec![lit("True")],
            Self::False => vec![lit("False")],
            Self::None => vec![lit("None")],
            Self::Anything => Vec::new(),
        }
    }
}

/// A part of a rule.
#[derive(Clone, Debug)]
enum P {
    Exactly(&'static str),
    Token(&'static str),
    Apply(Rule),
    Or(Vec<Vec<P>>),
    Many(Vec<P>),
    Not(Vec<P>),
    Opt(Vec<P>),
    Consumed(Vec<P>),
    /// The character just read is one of these.
    Pred(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Expected {
    Message(&'static str),
    Character(&'static str),
    Token(&'static str),
}

type Trail = Rc<RefCell<Vec<&'static str>>>;

/// An error object; alternatives share them, and change what they share.
#[derive(Debug)]
struct Fault {
    position: usize,
    expected: BTreeSet<Expected>,
    trail: Trail,
}

type Error = Rc<RefCell<Fault>>;

fn fault(position: usize, expected: BTreeSet<Expected>, trail: Option<&Trail>) -> Error {
    // An empty list counts as none and is not shared.
    let trail = trail.filter(|trail| !trail.borrow().is_empty()).cloned().unwrap_or_default();
    Rc::new(RefCell::new(Fault { position, expected, trail }))
}

fn with_message(error: &Error, expected: Expected) -> Error {
    let error = error.borrow();
    fault(error.position, [expected].into(), Some(&error.trail))
}

fn join(errors: &[Error]) -> Error {
    if let [one] = errors {
        return Rc::clone(one);
    }
    let mut highest: Option<usize> = None;
    let mut expected = BTreeSet::new();
    let mut trail: Option<Trail> = None;
    for error in errors {
        let error = error.borrow();
        let own = (!error.trail.borrow().is_empty()).then(|| Rc::clone(&error.trail));
        match highest {
            Some(highest) if error.position < highest => {}
            Some(highest) if error.position == highest => {
                trail = own.or(trail);
                expected.extend(error.expected.iter().cloned());
            }
            _ => {
                highest = Some(error.position);
                trail = own;
                expected = error.expected.clone();
            }
        }
    }
    fault(highest.unwrap_or(0), expected, trail.as_ref())
}

enum Memo {
    /// Being applied, or applied in vain: the generator does not tell these apart.
    Open,
    Done(Error, usize),
}

struct Node {
    position: usize,
    memo: Vec<(Rule, Memo)>,
    tail: Option<usize>,
    error: Error,
    /// An argument of a rule, put before the rest of the input.
    argument: bool,
}

struct Parser<'a> {
    data: &'a [char],
    bodies: Vec<(Rule, Rc<Vec<P>>)>,
    nodes: Vec<Node>,
    input: usize,
    current: Error,
    depth: usize,
}

/// Checks a text; `Err` is what follows `Parsing error in '<path>' : `.
pub(super) fn check(text: &str) -> Result<(), String> {
    let data: Vec<char> = text.chars().collect();
    let first = fault(0, BTreeSet::new(), None);
    let mut parser =
        Parser { data: &data, bodies: Vec::new(), nodes: Vec::new(), input: 0, current: Rc::clone(&first), depth: 0 };
    parser.nodes.push(Node { position: 0, memo: Vec::new(), tail: None, error: first, argument: false });
    let error = match parser.apply(Rule::Mapping) {
        Ok(_) if parser.position() >= data.len() => return Ok(()),
        Ok(error) => {
            let error = error.borrow();
            fault(error.position + 1, [Expected::Message("expected EOF")].into(), Some(&error.trail))
        }
        Err(error) => {
            parser.consider(&error);
            Rc::clone(&parser.current)
        }
    };
    Err(shown(text, &error.borrow()))
}

impl Parser<'_> {
    fn position(&self) -> usize {
        self.nodes[self.input].position
    }

    fn null_error(&self) -> Error {
        Rc::clone(&self.nodes[self.input].error)
    }

    fn node(&mut self, position: usize) -> usize {
        let error = fault(position, BTreeSet::new(), None);
        self.nodes.push(Node { position, memo: Vec::new(), tail: None, error, argument: false });
        self.nodes.len() - 1
    }

    fn tail(&mut self) -> usize {
        if let Some(tail) = self.nodes[self.input].tail {
            return tail;
        }
        let tail = self.node(self.position() + 1);
        self.nodes[self.input].tail = Some(tail);
        tail
    }

    /// The next character (`None` for an argument) and the error object of its place.
    fn head(&self) -> Result<(Option<char>, Error), Error> {
        if self.nodes[self.input].argument {
            return Ok((None, self.null_error()));
        }
        match self.data.get(self.position()) {
            Some(c) => Ok((Some(*c), self.null_error())),
            None => Err(fault(self.position() + 1, [Expected::Message("end of input")].into(), None)),
        }
    }

    fn consider(&mut self, error: &Error) {
        let (new, old) = (error.borrow().position, self.current.borrow().position);
        if new > old {
            self.current = Rc::clone(error);
        } else if new == old {
            let (expected, trail) = {
                let other = error.borrow();
                (other.expected.clone(), Rc::clone(&other.trail))
            };
            let mut current = self.current.borrow_mut();
            current.expected.extend(expected);
            if !trail.borrow().is_empty() {
                current.trail = trail;
            }
        }
    }

    fn sequence(&mut self, parts: &[P]) -> Result<Error, Error> {
        for part in parts {
            let error = self.part(part)?;
            self.consider(&error);
        }
        Ok(Rc::clone(&self.current))
    }

    fn part(&mut self, part: &P) -> Result<Error, Error> {
        match part {
            P::Exactly(wanted) => self.exactly(wanted),
            P::Token(wanted) => self.token(wanted),
            P::Apply(Rule::FloatPart) => self.float_part(),
            P::Apply(rule) => self.apply(*rule),
            P::Or(branches) => self.or(branches),
            P::Opt(inner) => {
                let start = self.input;
                match self.sequence(inner) {
                    Ok(error) => Ok(error),
                    Err(error) => {
                        self.input = start;
                        Ok(join(&[error, self.null_error()]))
                    }
                }
            }
            P::Many(inner) => loop {
                let start = self.input;
                if let Err(error) = self.sequence(inner) {
                    self.input = start;
                    return Ok(error);
                }
            },
            P::Not(inner) => {
                let start = self.input;
                match self.sequence(inner) {
                    Ok(_) => Err(self.null_error()),
                    Err(_) => {
                        self.input = start;
                        Ok(self.null_error())
                    }
                }
            }
            P::Consumed(inner) => self.sequence(inner),
            P::Pred(characters) => {
                let read = self.position().checked_sub(1).and_then(|at| self.data.get(at));
                let error = Rc::clone(&self.current);
                if read.is_some_and(|c| characters.contains(*c)) { Ok(error) } else { Err(error) }
            }
        }
    }

    fn exactly(&mut self, wanted: &'static str) -> Result<Error, Error> {
        let length = wanted.chars().count();
        let (good, error) = if length == 1 {
            let (c, error) = self.head()?;
            (c.is_some_and(|c| wanted.starts_with(c)), error)
        } else {
            let place = self.position();
            let slice = &self.data[place.min(self.data.len())..self.data.len().min(place + length)];
            (wanted.chars().eq(slice.iter().copied()), self.null_error())
        };
        if !good {
            return Err(with_message(&error, Expected::Character(wanted)));
        }
        self.input = if length == 1 { self.tail() } else { self.node(self.position() + length) };
        Ok(error)
    }

    fn token(&mut self, wanted: &'static str) -> Result<Error, Error> {
        let start = self.input;
        while let Ok((Some(c), _)) = self.head() {
            if !c.is_whitespace() {
                break;
            }
            self.input = self.tail();
        }
        let mut last = self.null_error();
        for c in wanted.chars() {
            let outcome = match self.head() {
                Ok((Some(found), error)) if found == c => Ok(error),
                Ok((_, error)) | Err(error) => Err(error),
            };
            match outcome {
                Ok(error) => last = error,
                Err(error) => {
                    self.input = start;
                    return Err(with_message(&error, Expected::Token(wanted)));
                }
            }
            self.input = self.tail();
        }
        Ok(last)
    }

    fn or(&mut self, branches: &[Vec<P>]) -> Result<Error, Error> {
        let mut errors = Vec::with_capacity(branches.len());
        for branch in branches {
            let start = self.input;
            match self.sequence(branch) {
                Ok(error) => {
                    errors.push(error);
                    return Ok(join(&errors));
                }
                Err(error) => {
                    errors.push(error);
                    self.input = start;
                }
            }
        }
        Err(join(&errors))
    }

    /// The one rule with arguments: they are put before the input, and nothing is remembered.
    fn float_part(&mut self) -> Result<Error, Error> {
        for _ in 0..2 {
            let (position, error) = (self.position(), self.null_error());
            self.nodes.push(Node { position, memo: Vec::new(), tail: Some(self.input), error, argument: true });
            self.input = self.nodes.len() - 1;
        }
        let body = self.body(Rule::FloatPart);
        self.sequence(&body)
    }

    fn body(&mut self, rule: Rule) -> Rc<Vec<P>> {
        if let Some((_, body)) = self.bodies.iter().find(|(known, _)| *known == rule) {
            return Rc::clone(body);
        }
        let body = Rc::new(rule.body());
        self.bodies.push((rule, Rc::clone(&body)));
        body
    }

    fn apply(&mut self, rule: Rule) -> Result<Error, Error> {
        let start = self.input;
        match self.nodes[start].memo.iter().find(|(known, _)| *known == rule) {
            Some((_, Memo::Open)) => return Err(self.null_error()),
            Some((_, Memo::Done(error, end))) => {
                let error = Rc::clone(error);
                self.input = *end;
                return Ok(error);
            }
            None => {}
        }
        self.nodes[start].memo.push((rule, Memo::Open));
        self.depth += 1;
        let outcome = if self.depth > DEPTH_LIMIT {
            Err(fault(self.position(), [Expected::Message("maximum recursion depth exceeded")].into(), None))
        } else if rule == Rule::Anything {
            self.head().map(|(_, error)| {
                self.input = self.tail();
                error
            })
        } else {
            let body = self.body(rule);
            self.sequence(&body)
        };
        self.depth -= 1;
        match outcome {
            Ok(error) => {
                let end = self.input;
                if let Some((_, memo)) = self.nodes[start].memo.iter_mut().find(|(known, _)| *known == rule) {
                    *memo = Memo::Done(Rc::clone(&error), end);
                }
                Ok(error)
            }
            Err(error) => {
                error.borrow().trail.borrow_mut().push(rule.name());
                Err(error)
            }
        }
    }
}

/// The error as the generator prints it: the line, a mark below, what was expected, and on which way.
fn shown(text: &str, error: &Fault) -> String {
    let mut counter = 0;
    let (mut number, mut column) = (1, 0i64);
    let mut last = "";
    for line in text.split('\n') {
        last = line;
        let length = line.chars().count();
        if counter + length > error.position {
            column = i64::try_from(error.position).unwrap_or(0) - i64::try_from(counter).unwrap_or(0);
            break;
        }
        counter += length + 1;
        number += 1;
    }
    let mark = " ".repeat(usize::try_from(column).unwrap_or(0));
    let trail = error.trail.borrow().join(" ");
    format!(
        "\n{last}\n{mark}^\nParse error at line {number}, column {column}: {}. trail: [{trail}]\n",
        reason(&error.expected)
    )
}

fn reason(expected: &BTreeSet<Expected>) -> String {
    let described = |one: &Expected| match one {
        Expected::Message(text) => (*text).to_owned(),
        Expected::Character(text) => repr(text),
        Expected::Token(text) => format!("token {}", repr(text)),
    };
    let mut all: Vec<String> = expected.iter().map(described).collect();
    all.sort();
    match (all.as_slice(), expected.iter().next()) {
        ([], _) => "Syntax error".to_owned(),
        ([one], Some(Expected::Message(_))) => one.clone(),
        ([one], Some(Expected::Character(_))) => format!("expected the character {one}"),
        ([one], _) => format!("expected the {one}"),
        ([most @ .., last], _) => format!("expected one of {}, or {last}", most.join(", ")),
    }
}

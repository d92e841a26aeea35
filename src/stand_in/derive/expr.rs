//! Expressions in rules and constraint tables: the part of Python that they use.

use super::DeriveError;
use super::value::repr;

/// How deep an expression may nest.
const DEPTH_LIMIT: usize = 60;

/// A value in an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Term {
    Text(String),
    Number(f64),
    Flag(bool),
    List(Vec<Term>),
    /// Properties of an array of the file being checked, `None` if it is undefined.
    Array(Option<Box<ArrayInfo>>),
}

/// What a constraint can ask of an array (RD 7.1, key types A and D).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ArrayInfo {
    pub(crate) table: bool,
    /// Lengths, slowest axis first, as numpy tells them.
    pub(crate) shape: Vec<i64>,
    /// numpy's name of an image's type.
    pub(crate) image_type: String,
    /// Column name and numpy type.
    pub(crate) columns: Vec<(String, String)>,
}

impl Term {
    fn truth(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Number(number) => *number != 0.0,
            Self::Flag(flag) => *flag,
            Self::List(items) => !items.is_empty(),
            Self::Array(_) => true,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Const(Term),
    Name(String),
    Not(Box<Node>),
    Negative(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Compare(Box<Node>, Vec<(String, Node)>),
    List(Vec<Node>),
    Call(Box<Node>, Vec<Node>),
    Attribute(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
}

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expr(Node);

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
}

const SIGNS: [&str; 14] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", ".", "-", "+"];

fn syntax(what: impl Into<String>) -> DeriveError {
    DeriveError::new("SyntaxError", what)
}

fn tokens(source: &str) -> Result<Vec<Token>, DeriveError> {
    let mut out = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '\'' || first == '"' {
            let inner = &rest[1..];
            let end = inner
                .find(first)
                .ok_or_else(|| syntax("unterminated string literal (detected at line 1) (<unknown>, line 1)"))?;
            out.push(Token::Text(inner[..end].to_owned()));
            rest = &inner[end + 1..];
        } else if first.is_ascii_digit() {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
            out.push(Token::Number(rest[..end].parse().map_err(|_| syntax("invalid decimal literal"))?));
            rest = &rest[end..];
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            out.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            out.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if first == '=' && matches!(out.last(), Some(Token::Name(_))) {
            return Err(syntax("invalid syntax. Maybe you meant '==' or ':=' instead of '='? (<unknown>, line 1)"));
        } else {
            return Err(syntax("invalid syntax (<unknown>, line 1)"));
        }
        rest = rest.trim_start();
    }
    Ok(out)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        self.at += usize::from(hit);
        hit
    }

    fn word(&mut self, wanted: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Name(name)) if name == wanted);
        self.at += usize::from(hit);
        hit
    }

    fn or(&mut self) -> Result<Node, DeriveError> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(syntax("too many nested parentheses (<unknown>, line 1)"));
        }
        let mut terms = vec![self.and()?];
        while self.word("or") {
            terms.push(self.and()?);
        }
        self.depth -= 1;
        Ok(if terms.len() == 1 { terms.remove(0) } else { Node::Or(terms) })
    }

    fn and(&mut self) -> Result<Node, DeriveError> {
        let mut terms = vec![self.not()?];
        while self.word("and") {
            terms.push(self.not()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Node::And(terms) })
    }

    fn not(&mut self) -> Result<Node, DeriveError> {
        let mut negations = 0usize;
        while self.word("not") {
            negations += 1;
        }
        let mut node = self.comparison()?;
        for _ in 0..negations.min(2 + negations % 2) {
            node = Node::Not(Box::new(node));
        }
        Ok(node)
    }

    fn comparison(&mut self) -> Result<Node, DeriveError> {
        let first = self.unary()?;
        let mut rest = Vec::new();
        loop {
            let before = self.at;
            let operator = match self.peek() {
                Some(Token::Sign(sign @ ("==" | "!=" | "<=" | ">=" | "<" | ">"))) => (*sign).to_owned(),
                Some(Token::Name(name)) if name == "in" => "in".to_owned(),
                Some(Token::Name(name)) if name == "not" => {
                    self.at += 1;
                    if !matches!(self.peek(), Some(Token::Name(name)) if name == "in") {
                        self.at = before;
                        break;
                    }
                    "not in".to_owned()
                }
                _ => break,
            };
            self.at += 1;
            rest.push((operator, self.unary()?));
        }
        Ok(if rest.is_empty() { first } else { Node::Compare(Box::new(first), rest) })
    }

    fn unary(&mut self) -> Result<Node, DeriveError> {
        if self.sign("-") {
            return Ok(Node::Negative(Box::new(self.postfix()?)));
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Result<Node, DeriveError> {
        let mut node = self.atom()?;
        loop {
            if self.sign("(") {
                node = Node::Call(Box::new(node), self.items(")")?);
            } else if self.sign("[") {
                let mut items = self.items("]")?;
                let index = if items.len() == 1 { items.remove(0) } else { Node::List(items) };
                node = Node::Index(Box::new(node), Box::new(index));
            } else if self.sign(".") {
                match self.peek().cloned() {
                    Some(Token::Name(name)) => {
                        self.at += 1;
                        node = Node::Attribute(Box::new(node), name);
                    }
                    _ => return Err(syntax("invalid syntax (<unknown>, line 1)")),
                }
            } else {
                return Ok(node);
            }
        }
    }

    fn items(&mut self, close: &str) -> Result<Vec<Node>, DeriveError> {
        let mut items = Vec::new();
        while !self.sign(close) {
            items.push(self.or()?);
            if !self.sign(",") {
                if self.sign(close) {
                    break;
                }
                return Err(self.unclosed(if close == ")" { '(' } else { '[' }));
            }
        }
        Ok(items)
    }

    fn unclosed(&self, open: char) -> DeriveError {
        match self.peek() {
            None => syntax(format!("'{open}' was never closed (<unknown>, line 1)")),
            Some(_) => syntax("invalid syntax (<unknown>, line 1)"),
        }
    }

    fn atom(&mut self) -> Result<Node, DeriveError> {
        if self.sign("(") {
            let node = self.or()?;
            if self.sign(",") {
                let mut items = vec![node];
                items.extend(self.items(")")?);
                return Ok(Node::List(items));
            }
            return if self.sign(")") { Ok(node) } else { Err(self.unclosed('(')) };
        }
        if self.sign("[") {
            return Ok(Node::List(self.items("]")?));
        }
        let token = self.peek().cloned();
        self.at += 1;
        match token {
            Some(Token::Text(text)) => Ok(Node::Const(Term::Text(text))),
            Some(Token::Number(number)) => Ok(Node::Const(Term::Number(number))),
            Some(Token::Name(name)) => Ok(match name.as_str() {
                "True" => Node::Const(Term::Flag(true)),
                "False" => Node::Const(Term::Flag(false)),
                _ => Node::Name(name),
            }),
            _ => Err(syntax("invalid syntax (<unknown>, line 1)")),
        }
    }
}

impl Expr {
    /// Parses an expression of a constraint table, calls and attributes allowed.
    pub(crate) fn parse(source: &str) -> Result<Self, DeriveError> {
        let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0 };
        let node = parser.or()?;
        if parser.at < parser.tokens.len() {
            let unmatched = matches!(parser.peek(), Some(Token::Sign(")")));
            return Err(syntax(if unmatched {
                "unmatched ')' (<unknown>, line 1)"
            } else {
                "invalid syntax (<unknown>, line 1)"
            }));
        }
        Ok(Self(node))
    }

    /// The name of the first thing that the expression calls, if any: rules may not call anything.
    pub(crate) fn called(&self) -> Option<String> {
        fn walk(node: &Node) -> Option<String> {
            match node {
                Node::Call(target, _) => Some(match &**target {
                    Node::Name(name) => name.clone(),
                    _ => "?".into(),
                }),
                Node::Not(a) | Node::Negative(a) | Node::Attribute(a, _) => walk(a),
                Node::And(items) | Node::Or(items) | Node::List(items) => items.iter().find_map(walk),
                Node::Compare(a, rest) => walk(a).or_else(|| rest.iter().find_map(|(_, b)| walk(b))),
                Node::Index(a, b) => walk(a).or_else(|| walk(b)),
                Node::Const(_) | Node::Name(_) => None,
            }
        }
        walk(&self.0)
    }

    /// Evaluates with names from `lookup`.
    pub(crate) fn eval(&self, lookup: &dyn Fn(&str) -> Option<Term>) -> Result<Term, DeriveError> {
        eval(&self.0, lookup)
    }

    /// The truth of the value.
    pub(crate) fn holds(&self, lookup: &dyn Fn(&str) -> Option<Term>) -> Result<bool, DeriveError> {
        Ok(self.eval(lookup)?.truth())
    }
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<Term>;

fn eval(node: &Node, lookup: Lookup<'_>) -> Result<Term, DeriveError> {
    Ok(match node {
        Node::Const(term) => term.clone(),
        Node::Name(name) => {
            lookup(name).ok_or_else(|| DeriveError::new("NameError", format!("name '{name}' is not defined")))?
        }
        Node::Not(inner) => Term::Flag(!eval(inner, lookup)?.truth()),
        Node::Negative(inner) => match eval(inner, lookup)? {
            Term::Number(number) => Term::Number(-number),
            _ => return Err(DeriveError::new("TypeError", "bad operand type for unary -: 'str'")),
        },
        Node::And(items) => {
            let mut last = Term::Flag(true);
            for item in items {
                last = eval(item, lookup)?;
                if !last.truth() {
                    break;
                }
            }
            last
        }
        Node::Or(items) => {
            let mut last = Term::Flag(false);
            for item in items {
                last = eval(item, lookup)?;
                if last.truth() {
                    break;
                }
            }
            last
        }
        Node::Compare(first, rest) => {
            let mut left = eval(first, lookup)?;
            for (operator, right) in rest {
                let right = eval(right, lookup)?;
                if !compare(&left, operator, &right)? {
                    return Ok(Term::Flag(false));
                }
                left = right;
            }
            Term::Flag(true)
        }
        Node::List(items) => Term::List(items.iter().map(|item| eval(item, lookup)).collect::<Result<_, _>>()?),
        Node::Call(target, arguments) => {
            let arguments = arguments.iter().map(|a| eval(a, lookup)).collect::<Result<Vec<_>, _>>()?;
            match &**target {
                Node::Attribute(object, method) => method_call(&eval(object, lookup)?, method)?,
                Node::Name(name) => call(name, &arguments)?,
                _ => return Err(DeriveError::new("TypeError", "object is not callable")),
            }
        }
        Node::Attribute(object, name) => match (eval(object, lookup)?, name.as_str()) {
            (Term::Array(Some(info)), "SHAPE") =>
            {
                #[allow(clippy::cast_precision_loss, reason = "lengths of axes stay far below 2^53")]
                Term::List(info.shape.iter().map(|n| Term::Number(*n as f64)).collect())
            }
            (Term::Array(None) | Term::Text(_), name) => {
                return Err(DeriveError::new("AttributeError", format!("'str' object has no attribute '{name}'")));
            }
            (_, name) => return Err(DeriveError::new("AttributeError", format!("no attribute '{name}'"))),
        },
        Node::Index(object, index) => match (eval(object, lookup)?, eval(index, lookup)?) {
            (Term::List(items), Term::Number(at)) => {
                #[allow(clippy::cast_possible_truncation, reason = "an index of a short list")]
                let at = at as i64;
                let place = if at < 0 { at + items.len() as i64 } else { at };
                let found = usize::try_from(place).ok().and_then(|n| items.get(n)).cloned();
                found.ok_or_else(|| DeriveError::new("IndexError", "tuple index out of range"))?
            }
            _ => return Err(DeriveError::new("TypeError", "object is not subscriptable")),
        },
    })
}

fn compare(left: &Term, operator: &str, right: &Term) -> Result<bool, DeriveError> {
    let equal = |a: &Term, b: &Term| match (a, b) {
        (Term::Flag(flag), Term::Number(n)) | (Term::Number(n), Term::Flag(flag)) => *n == f64::from(u8::from(*flag)),
        (Term::Array(None), Term::Text(text)) | (Term::Text(text), Term::Array(None)) => text == "UNDEFINED",
        _ => a == b,
    };
    let ordering = || match (left, right) {
        (Term::Text(a), Term::Text(b)) => Ok(Some(a.cmp(b))),
        (Term::Number(a), Term::Number(b)) => Ok(a.partial_cmp(b)),
        _ => {
            let name = |term: &Term| match term {
                Term::Text(_) | Term::Array(_) => "str",
                Term::Number(n) if n.fract() == 0.0 => "int",
                Term::Number(_) => "float",
                Term::Flag(_) => "bool",
                Term::List(_) => "list",
            };
            let what =
                format!("'{operator}' not supported between instances of '{}' and '{}'", name(left), name(right));
            Err(DeriveError::new("TypeError", what))
        }
    };
    Ok(match operator {
        "==" => equal(left, right),
        "!=" => !equal(left, right),
        "<" => ordering()?.is_some_and(std::cmp::Ordering::is_lt),
        "<=" => ordering()?.is_some_and(std::cmp::Ordering::is_le),
        ">" => ordering()?.is_some_and(std::cmp::Ordering::is_gt),
        ">=" => ordering()?.is_some_and(std::cmp::Ordering::is_ge),
        _ => {
            let inside = match right {
                Term::List(items) => items.iter().any(|item| equal(left, item)),
                Term::Text(text) => match left {
                    Term::Text(part) => text.contains(part.as_str()),
                    _ => false,
                },
                _ => return Err(DeriveError::new("TypeError", "argument is not iterable")),
            };
            inside == (operator == "in")
        }
    })
}

fn method_call(object: &Term, method: &str) -> Result<Term, DeriveError> {
    match (object, method) {
        (Term::Text(text), "lower") => Ok(Term::Text(text.to_lowercase())),
        (Term::Text(text), "upper") => Ok(Term::Text(text.to_uppercase())),
        (Term::Text(text), "strip") => Ok(Term::Text(text.trim().to_owned())),
        (Term::Number(n), method) => {
            let class = if n.fract() == 0.0 { "int" } else { "float" };
            Err(DeriveError::new("AttributeError", format!("'{class}' object has no attribute '{method}'")))
        }
        (_, method) => Err(DeriveError::new("AttributeError", format!("object has no attribute {}", repr(method)))),
    }
}

/// numpy type prefixes that a constraint's type word stands for: in a table, and in an image.
fn type_words(word: &str) -> (Vec<String>, &str) {
    let (bare, vector) = word.strip_suffix("_ARRAY").map_or((word, false), |bare| (bare, true));
    let (plain, image): (&[&str], &str) = match bare {
        "COMPLEX" => (&[">c", "<c", "complex"], "complex"),
        "INT" | "INTEGER" => (&[">i", "<i", "uint", "int"], "int"),
        "FLOAT" => (&[">f", "<f", "float"], "float"),
        "STR" | "STRING" => (&["|S"], bare),
        "BOOLEAN" => (&["bool"], "bool"),
        _ => (&[], bare),
    };
    (plain.iter().map(|p| if vector { format!("('{p}") } else { (*p).to_owned() }).collect(), image)
}

fn call(name: &str, arguments: &[Term]) -> Result<Term, DeriveError> {
    let flag = |value: bool| Ok(Term::Flag(value));
    match (name, arguments) {
        ("len", [Term::Text(text)]) =>
        {
            #[allow(clippy::cast_precision_loss, reason = "length of a header value")]
            Ok(Term::Number(text.chars().count() as f64))
        }
        ("len", [Term::List(items)]) =>
        {
            #[allow(clippy::cast_precision_loss, reason = "length of a short list")]
            Ok(Term::Number(items.len() as f64))
        }
        ("len", [Term::Number(n)]) => {
            let class = if n.fract() == 0.0 { "int" } else { "float" };
            Err(DeriveError::new("TypeError", format!("object of type '{class}' has no len()")))
        }
        ("required", [term]) => Ok(if term.truth() { Term::Text("R".into()) } else { Term::Flag(false) }),
        ("optional", [term]) => Ok(if term.truth() { Term::Text("O".into()) } else { Term::Flag(false) }),
        ("warning", [term]) => Ok(if term.truth() { Term::Text("W".into()) } else { Term::Flag(false) }),
        ("array_exists", [Term::Array(info)]) => flag(info.is_some()),
        ("is_table", [Term::Array(info)]) => flag(info.as_ref().is_some_and(|i| i.table)),
        ("is_image", [Term::Array(info)]) => flag(info.as_ref().is_some_and(|i| !i.table)),
        ("has_columns", [Term::Array(info), Term::List(names)]) => flag(info.as_ref().is_some_and(|info| {
            names.iter().all(|n| matches!(n, Term::Text(n) if info.columns.iter().any(|(name, _)| name == n)))
        })),
        ("has_type", [Term::Array(info), words]) => {
            let words = match words {
                Term::List(items) => items.clone(),
                one => vec![one.clone()],
            };
            flag(info.as_ref().is_some_and(|info| {
                words.iter().any(|w| matches!(w, Term::Text(w) if info.image_type.contains(type_words(w).1)))
            }))
        }
        ("has_column_type", [Term::Array(info), Term::Text(column), Term::Text(word)]) => match info {
            None => flag(false),
            Some(info) => match info.columns.iter().find(|(name, _)| *name == column.to_uppercase()) {
                Some((_, data_type)) => flag(type_words(word).0.iter().any(|p| data_type.contains(p.as_str()))),
                None => Err(DeriveError::new(
                    "MissingColumnError",
                    format!("Data type not defined for column {}", repr(column)),
                )),
            },
        },
        _ => Err(DeriveError::new("NameError", format!("name '{name}' is not defined"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(source: &str) -> Result<bool, String> {
        let lookup = |name: &str| match name {
            "A" => Some(Term::Text("WFC".into())),
            "N" => Some(Term::Number(3.0)),
            _ => None,
        };
        Expr::parse(source).and_then(|expr| expr.holds(&lookup)).map_err(|e| e.to_string())
    }

    #[test]
    fn expressions_of_real_rules() {
        assert_eq!(value("((A == \"WFC\") and (A != \"SBC\"))"), Ok(true));
        assert_eq!(value("A not in ['WFC', 'HRC']"), Ok(false));
        assert_eq!(value("A in ('WFC',)"), Ok(true));
        assert_eq!(value("(A == 'X') or (B == 'Y')"), Err("name 'B' is not defined".into()));
        assert_eq!(value("A == 'X' and B == 'Y'"), Ok(false));
        assert_eq!(value("((len(A)>0)and(A==A.lower()))"), Ok(false));
        assert_eq!(value("N>=0"), Ok(true));
        assert_eq!(value("(A == 'X'"), Err("'(' was never closed (<unknown>, line 1)".into()));
    }

    proptest::proptest! {
        #[test]
        fn no_source_panics(source in "[A-Za-z'\"()\\[\\], .=<>!0-9-]{0,80}") {
            let _ = value(&source);
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(value(&"(".repeat(100_000)).is_err());
        assert!(value(&"not ".repeat(100_000)).is_err());
    }
}

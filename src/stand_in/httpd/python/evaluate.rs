//! Expressions: what configuration files are made of. What is not understood is `Unknown`, never an error, except for
//! a name that does not exist.

use super::tokens::Token;
use super::{Names, Value};

/// Where an expression finds names.
pub struct Scope<'a> {
    /// Names of the module.
    pub names: &'a Names,
    /// The attribute of a module.
    pub attribute: &'a dyn Fn(&str, &str) -> Option<Value>,
    /// The environment of the process.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// The exception that an expression raises: its class and text.
#[derive(Debug, PartialEq, Eq)]
pub struct Raised(pub &'static str, pub String);

/// The value of an expression.
///
/// # Errors
///
/// [`Raised`]: a name that does not exist, a file that cannot be opened.
pub fn evaluate(tokens: &[Token], scope: &Scope<'_>) -> Result<Value, Raised> {
    let mut parser = Parser { tokens, at: 0, scope };
    let value = parser.tuple()?;
    Ok(if parser.at == tokens.len() { value } else { Value::Unknown })
}

const BUILTINS: [&str; 34] = [
    "str",
    "int",
    "float",
    "len",
    "list",
    "dict",
    "tuple",
    "set",
    "object",
    "open",
    "range",
    "xrange",
    "map",
    "filter",
    "sorted",
    "repr",
    "isinstance",
    "getattr",
    "setattr",
    "hasattr",
    "property",
    "staticmethod",
    "classmethod",
    "bool",
    "min",
    "max",
    "sum",
    "zip",
    "enumerate",
    "type",
    "super",
    "reload",
    "any",
    "all",
];

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    scope: &'a Scope<'a>,
}

impl Parser<'_> {
    fn is(&self, text: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Op(word) | Token::Name(word)) if word == text)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.is(text);
        self.at += usize::from(found);
        found
    }

    fn tuple(&mut self) -> Result<Value, Raised> {
        let first = self.ternary()?;
        if !self.is(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take(",") {
            if self.at == self.tokens.len() || self.is(")") || self.is("]") {
                break;
            }
            items.push(self.ternary()?);
        }
        Ok(Value::List(items))
    }

    fn ternary(&mut self) -> Result<Value, Raised> {
        let value = self.or()?;
        if !self.take("if") {
            return Ok(value);
        }
        let condition = self.or()?;
        if !self.take("else") {
            return Ok(Value::Unknown);
        }
        let other = self.ternary()?;
        Ok(match condition.truth() {
            Some(true) => value,
            Some(false) => other,
            None => Value::Unknown,
        })
    }

    fn or(&mut self) -> Result<Value, Raised> {
        let mut value = self.and()?;
        while self.take("or") {
            let other = self.and()?;
            value = match value.truth() {
                Some(true) => value,
                Some(false) => other,
                None => Value::Unknown,
            };
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<Value, Raised> {
        let mut value = self.not()?;
        while self.take("and") {
            let other = self.not()?;
            value = match value.truth() {
                Some(true) => other,
                Some(false) => value,
                None => Value::Unknown,
            };
        }
        Ok(value)
    }

    fn not(&mut self) -> Result<Value, Raised> {
        if self.take("not") {
            let value = self.not()?;
            return Ok(value.truth().map_or(Value::Unknown, |truth| Value::Bool(!truth)));
        }
        let value = self.sum()?;
        for (operator, wanted) in [("==", true), ("!=", false)] {
            if self.take(operator) {
                let other = self.sum()?;
                let known = value != Value::Unknown && other != Value::Unknown;
                return Ok(if known { Value::Bool((value == other) == wanted) } else { Value::Unknown });
            }
        }
        if self.take("in") {
            let whole = self.sum()?;
            return Ok(match (&value, &whole) {
                (_, Value::List(items)) => Value::Bool(items.contains(&value)),
                (Value::Str(part), Value::Str(whole)) => Value::Bool(whole.contains(part)),
                _ => Value::Unknown,
            });
        }
        Ok(value)
    }

    fn sum(&mut self) -> Result<Value, Raised> {
        let mut value = self.product()?;
        loop {
            if self.take("+") {
                let other = self.product()?;
                value = match (value, other) {
                    (Value::Str(a), Value::Str(b)) => Value::Str(a + &b),
                    (Value::List(mut a), Value::List(b)) => {
                        a.extend(b);
                        Value::List(a)
                    }
                    (Value::Int(a), Value::Int(b)) => Value::Int(a.saturating_add(b)),
                    _ => Value::Unknown,
                };
            } else if self.take("-") {
                let other = self.product()?;
                value = match (value, other) {
                    (Value::Int(a), Value::Int(b)) => Value::Int(a.saturating_sub(b)),
                    _ => Value::Unknown,
                };
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<Value, Raised> {
        let mut value = self.unary()?;
        loop {
            if self.take("*") {
                let other = self.unary()?;
                value = match (value, other) {
                    (Value::Int(a), Value::Int(b)) => Value::Int(a.saturating_mul(b)),
                    _ => Value::Unknown,
                };
            } else if self.take("%") {
                let other = self.unary()?;
                value = match (value, other) {
                    (Value::Str(form), other) => fill(&form, &other),
                    _ => Value::Unknown,
                };
            } else if self.take("/") || self.take("//") {
                self.unary()?;
                value = Value::Unknown;
            } else {
                return Ok(value);
            }
        }
    }

    fn unary(&mut self) -> Result<Value, Raised> {
        if self.take("-") {
            return Ok(match self.unary()? {
                Value::Int(number) => Value::Int(-number),
                Value::Float(number) => Value::Float(-number),
                _ => Value::Unknown,
            });
        }
        let mut value = self.atom()?;
        loop {
            if self.take(".") {
                let Some(Token::Name(name)) = self.tokens.get(self.at) else { return Ok(Value::Unknown) };
                self.at += 1;
                value = match value {
                    Value::Module(module) => (self.scope.attribute)(&module, name).unwrap_or(Value::Unknown),
                    Value::Named(dotted) => Value::Named(format!("{dotted}.{name}")),
                    Value::Str(text) => Value::Named(format!("str:{text}\u{0}{name}")),
                    _ => Value::Unknown,
                };
            } else if self.take("[") {
                let index = self.tuple()?;
                self.take("]");
                value = match (&value, &index) {
                    (Value::Dict(_), Value::Str(key)) => value.key(key).cloned().unwrap_or(Value::Unknown),
                    (Value::List(items), Value::Int(at)) => {
                        let place = if *at < 0 { items.len() as i64 + at } else { *at };
                        usize::try_from(place).ok().and_then(|at| items.get(at)).cloned().unwrap_or(Value::Unknown)
                    }
                    (Value::Named(name), Value::Str(key)) if name == "os.environ" => {
                        (self.scope.environment)(key).map_or(Value::Unknown, Value::Str)
                    }
                    _ => Value::Unknown,
                };
            } else if self.take("(") {
                let arguments = self.arguments()?;
                value = self.call(&value, &arguments)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<Value>, Raised> {
        let mut values = Vec::new();
        while !self.take(")") {
            if self.at >= self.tokens.len() {
                break;
            }
            // A keyword argument: its name is no name of the scope.
            if matches!(self.tokens.get(self.at + 1), Some(Token::Op(word)) if word == "=") {
                self.at += 2;
            }
            let before = self.at;
            values.push(self.ternary()?);
            if !self.take(",") && !self.is(")") {
                // A comprehension or something else: to the end of the bracket.
                self.skip_to_close();
                values.push(Value::Unknown);
            } else if self.at == before {
                self.at += 1;
            }
        }
        Ok(values)
    }

    fn skip_to_close(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.tokens.get(self.at) {
            if let Token::Op(word) = token {
                match word.as_str() {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" | "}" if depth == 0 => return,
                    ")" | "]" | "}" => depth -= 1,
                    _ => {}
                }
            }
            self.at += 1;
        }
    }

    fn call(&self, function: &Value, arguments: &[Value]) -> Result<Value, Raised> {
        let Value::Named(name) = function else { return Ok(Value::Unknown) };
        let texts: Option<Vec<&str>> = arguments.iter().map(Value::as_str).collect();
        let texts = texts.as_deref();
        Ok(match (name.as_str(), texts) {
            ("open", Some([path, ..])) => match std::fs::File::open(path) {
                Ok(_) => Value::Named(format!("file:{path}")),
                Err(error) => {
                    let words = error.to_string();
                    let words = words.split(" (os error").next().unwrap_or_default();
                    let number = error.raw_os_error().unwrap_or(0);
                    return Err(Raised("IOError", format!("[Errno {number}] {words}: '{path}'")));
                }
            },
            ("os.path.join", Some(parts)) => Value::Str(join(parts)),
            ("os.path.dirname", Some([path])) => {
                Value::Str(path.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned())
            }
            ("os.path.abspath" | "os.path.realpath" | "os.path.normpath", Some([path])) => {
                Value::Str((*path).to_owned())
            }
            ("os.environ.get" | "os.getenv", Some([key, rest @ ..])) => match (self.scope.environment)(key) {
                Some(value) => Value::Str(value),
                None => rest.first().map_or(Value::None, |other| Value::Str((*other).to_owned())),
            },
            ("os.environ.get" | "os.getenv", None) => match arguments {
                [Value::Str(key), other] => (self.scope.environment)(key).map_or_else(|| other.clone(), Value::Str),
                _ => Value::Unknown,
            },
            ("str", _) => arguments.first().and_then(Value::text).map_or(Value::Unknown, Value::Str),
            ("int", _) => match arguments.first() {
                Some(Value::Str(text)) => text.trim().parse().map_or(Value::Unknown, Value::Int),
                Some(Value::Int(number)) => Value::Int(*number),
                _ => Value::Unknown,
            },
            (name, _) => {
                if let Some(path) = name.strip_prefix("file:").and_then(|file| file.strip_suffix(".read")) {
                    return Ok(std::fs::read_to_string(path).map_or(Value::Unknown, Value::Str));
                }
                name.strip_prefix("str:").map_or(Value::Unknown, |rest| method(rest, texts))
            }
        })
    }

    fn atom(&mut self) -> Result<Value, Raised> {
        let Some(token) = self.tokens.get(self.at) else { return Ok(Value::Unknown) };
        self.at += 1;
        Ok(match token {
            Token::Str(text) => {
                let mut whole = text.clone();
                while let Some(Token::Str(more)) = self.tokens.get(self.at) {
                    whole.push_str(more);
                    self.at += 1;
                }
                Value::Str(whole)
            }
            Token::Number(text) => {
                let int = text.trim_end_matches(['L', 'l']).parse().map(Value::Int);
                int.or_else(|_| text.parse().map(Value::Float)).unwrap_or(Value::Unknown)
            }
            Token::Name(name) => match name.as_str() {
                "None" => Value::None,
                "True" => Value::Bool(true),
                "False" => Value::Bool(false),
                "lambda" => {
                    self.at = self.tokens.len();
                    Value::Unknown
                }
                name if name.starts_with("__") => self.scope.names.get(name).cloned().unwrap_or(Value::Unknown),
                name => match self.scope.names.get(name) {
                    Some(value) => value.clone(),
                    None if BUILTINS.contains(&name) || name.ends_with("Error") || name == "Exception" => {
                        Value::Named(name.to_owned())
                    }
                    None => return Err(Raised("NameError", format!("name '{name}' is not defined"))),
                },
            },
            Token::Op(open) => match open.as_str() {
                "(" if self.take(")") => Value::List(Vec::new()),
                "(" => {
                    let value = self.tuple()?;
                    if !self.take(")") {
                        self.skip_to_close();
                        self.take(")");
                        return Ok(Value::Unknown);
                    }
                    value
                }
                "[" => self.list()?,
                "{" => self.dict()?,
                _ => Value::Unknown,
            },
        })
    }

    fn list(&mut self) -> Result<Value, Raised> {
        let mut items = Vec::new();
        while !self.take("]") {
            if self.at >= self.tokens.len() {
                return Ok(Value::Unknown);
            }
            // `[x for x in y]`: the names of a comprehension are its own.
            let rest = &self.tokens[self.at..];
            if rest
                .iter()
                .take_while(|token| !matches!(token, Token::Op(word) if word == "]"))
                .any(|token| matches!(token, Token::Name(word) if word == "for"))
            {
                self.skip_to_close();
                self.take("]");
                return Ok(Value::Unknown);
            }
            items.push(self.ternary()?);
            if !self.take(",") && !self.is("]") {
                self.skip_to_close();
            }
        }
        Ok(Value::List(items))
    }

    fn dict(&mut self) -> Result<Value, Raised> {
        let mut pairs = Vec::new();
        while !self.take("}") {
            if self.at >= self.tokens.len() {
                return Ok(Value::Unknown);
            }
            let key = self.ternary()?;
            if !self.take(":") {
                self.skip_to_close();
                self.take("}");
                return Ok(Value::Unknown);
            }
            pairs.push((key, self.ternary()?));
            if !self.take(",") && !self.is("}") {
                self.skip_to_close();
            }
        }
        Ok(Value::Dict(pairs))
    }
}

fn join(parts: &[&str]) -> String {
    let mut path = String::new();
    for part in parts {
        if part.starts_with('/') {
            path.clear();
        } else if !path.is_empty() && !path.ends_with('/') {
            path.push('/');
        }
        path.push_str(part);
    }
    path
}

/// `"text\0method"` called with texts.
fn method(bound: &str, arguments: Option<&[&str]>) -> Value {
    let Some((text, name)) = bound.rsplit_once('\u{0}') else { return Value::Unknown };
    let lines = |parts: Vec<&str>| Value::List(parts.into_iter().map(|part| Value::Str(part.to_owned())).collect());
    match (name, arguments) {
        ("lower", Some([])) => Value::Str(text.to_lowercase()),
        ("upper", Some([])) => Value::Str(text.to_uppercase()),
        ("strip", Some([])) => Value::Str(text.trim().to_owned()),
        ("split", Some([])) => lines(text.split_whitespace().collect()),
        ("split", Some([by])) if !by.is_empty() => lines(text.split(by).collect()),
        ("replace", Some([from, to])) => Value::Str(text.replace(from, to)),
        _ => Value::Unknown,
    }
}

/// `form % value` for `%s` and `%d`.
fn fill(form: &str, value: &Value) -> Value {
    let values: &[Value] = if let Value::List(items) = value { items } else { std::slice::from_ref(value) };
    let mut filled = String::new();
    let mut values = values.iter();
    let mut parts = form.chars();
    while let Some(letter) = parts.next() {
        if letter != '%' {
            filled.push(letter);
            continue;
        }
        match parts.next() {
            Some('%') => filled.push('%'),
            Some('s' | 'd') => match values.next().and_then(Value::text) {
                Some(text) => filled.push_str(&text),
                None => return Value::Unknown,
            },
            _ => return Value::Unknown,
        }
    }
    Value::Str(filled)
}

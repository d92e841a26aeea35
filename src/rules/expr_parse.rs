//! Parser of header expressions: the part of Python's grammar that rules may use (RS 8).

/// A parsed expression, names not yet numbered.
pub(super) enum Tree {
    Name(String),
    Text(String),
    Number(f64),
    Bool(bool),
    None,
    Seq(Vec<Tree>),
    Not(Box<Tree>),
    Negate(Box<Tree>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Compare(Box<Tree>, Vec<(&'static str, Tree)>),
    If(Box<(Tree, Tree, Tree)>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
}

/// Brackets and `not`s nest this deep at most.
const MAX_DEPTH: usize = 50;

pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

const SIGNS: [&str; 14] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "-", ":", "="];

impl Parser {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let text = text.trim_matches([' ', '\t']);
        let mut tokens = Vec::new();
        let mut at = 0;
        let mut open = 0_usize;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if c == ' ' || c == '\t' || (c == '\n' && open > 0) {
                at += 1;
            } else if c.is_alphabetic() || c == '_' {
                let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                at += word.len();
                if matches!(word.as_str(), "is" | "lambda" | "await" | "yield") {
                    return Err(format!("illegal statement or expression: {word:?}"));
                }
                tokens.push(Token::Word(word));
            } else if c == '\'' || c == '"' {
                let (value, used) = text_token(rest)?;
                at += used;
                match tokens.last_mut() {
                    // Adjacent texts are one text.
                    Some(Token::Text(before)) => before.push_str(&value),
                    _ => tokens.push(Token::Text(value)),
                }
            } else if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
                let mut used = 0;
                let bytes = rest.as_bytes();
                while bytes.get(used).is_some_and(|b| {
                    b.is_ascii_alphanumeric()
                        || matches!(b, b'.' | b'_')
                        || (matches!(b, b'+' | b'-') && matches!(bytes[used - 1], b'e' | b'E'))
                }) {
                    used += 1;
                }
                let number = super::python::parse_float(&rest[..used]);
                tokens.push(Token::Number(number.ok_or_else(|| format!("invalid number {:?}", &rest[..used]))?));
                at += used;
            } else {
                let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
                    return Err(format!("invalid syntax at {:?}", rest.chars().take(20).collect::<String>()));
                };
                match *sign {
                    "(" | "[" => open += 1,
                    ")" | "]" => open = open.saturating_sub(1),
                    _ => {}
                }
                at += sign.len();
                tokens.push(Token::Sign(sign));
            }
        }
        Ok(Self { tokens, at: 0, depth: 0 })
    }

    pub(super) fn whole(&mut self) -> Result<Tree, String> {
        let tree = self.expression()?;
        if self.takes(",") {
            let mut items = vec![tree];
            while self.at < self.tokens.len() {
                items.push(self.expression()?);
                if !self.takes(",") {
                    break;
                }
            }
            return self.end(Tree::Seq(items));
        }
        self.end(tree)
    }

    fn end(&self, tree: Tree) -> Result<Tree, String> {
        match self.tokens.get(self.at) {
            None => Ok(tree),
            Some(token) => Err(format!("invalid syntax at {token:?}")),
        }
    }

    fn takes(&mut self, sign: &str) -> bool {
        let hit = matches!(self.tokens.get(self.at), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(hit);
        hit
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let hit = matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w == word);
        self.at += usize::from(hit);
        hit
    }

    fn expression(&mut self) -> Result<Tree, String> {
        if self.depth >= MAX_DEPTH {
            return Err(format!("expression nests more than {MAX_DEPTH} deep"));
        }
        self.depth += 1;
        let then = self.any()?;
        let tree = if self.takes_word("if") {
            let test = self.any()?;
            if !self.takes_word("else") {
                return Err("invalid syntax: `if` without `else`".to_owned());
            }
            let other = self.expression()?;
            Tree::If(Box::new((then, test, other)))
        } else {
            then
        };
        self.depth -= 1;
        Ok(tree)
    }

    fn any(&mut self) -> Result<Tree, String> {
        let mut items = vec![self.all()?];
        while self.takes_word("or") {
            items.push(self.all()?);
        }
        Ok(if items.len() == 1 { items.swap_remove(0) } else { Tree::Any(items) })
    }

    fn all(&mut self) -> Result<Tree, String> {
        let mut items = vec![self.inversion()?];
        while self.takes_word("and") {
            items.push(self.inversion()?);
        }
        Ok(if items.len() == 1 { items.swap_remove(0) } else { Tree::All(items) })
    }

    fn inversion(&mut self) -> Result<Tree, String> {
        let mut nots = 0;
        while self.takes_word("not") {
            nots += 1;
            if nots > MAX_DEPTH {
                return Err("too many `not`".to_owned());
            }
        }
        let tree = self.comparison()?;
        Ok((0..nots).fold(tree, |tree, _| Tree::Not(Box::new(tree))))
    }

    fn comparison(&mut self) -> Result<Tree, String> {
        let left = self.operand()?;
        let mut rest = Vec::new();
        loop {
            let op = match self.tokens.get(self.at) {
                Some(Token::Sign(sign @ ("==" | "!=" | "<" | "<=" | ">" | ">="))) => *sign,
                Some(Token::Word(word)) if word == "in" => "in",
                Some(Token::Word(word)) if word == "not" => {
                    if !matches!(self.tokens.get(self.at + 1), Some(Token::Word(word)) if word == "in") {
                        return Err("invalid syntax at `not`".to_owned());
                    }
                    self.at += 1;
                    "not in"
                }
                _ => break,
            };
            self.at += 1;
            rest.push((op, self.operand()?));
        }
        Ok(if rest.is_empty() { left } else { Tree::Compare(Box::new(left), rest) })
    }

    fn operand(&mut self) -> Result<Tree, String> {
        let Some(token) = self.tokens.get(self.at).cloned() else { return Err("unexpected end".to_owned()) };
        self.at += 1;
        match token {
            Token::Text(text) => Ok(Tree::Text(text)),
            Token::Number(n) => Ok(Tree::Number(n)),
            Token::Word(word) => {
                if self.takes("(") {
                    return Err(format!("illegal statement or expression: call of {word:?}"));
                }
                match word.as_str() {
                    "True" => Ok(Tree::Bool(true)),
                    "False" => Ok(Tree::Bool(false)),
                    "None" => Ok(Tree::None),
                    "and" | "or" | "in" | "if" | "else" | "not" | "for" => Err(format!("invalid syntax at {word:?}")),
                    _ => Ok(Tree::Name(word)),
                }
            }
            Token::Sign("-") => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err("too many signs".to_owned());
                }
                let inner = self.operand()?;
                self.depth -= 1;
                Ok(Tree::Negate(Box::new(inner)))
            }
            Token::Sign("(") => self.sequence(")"),
            Token::Sign("[") => self.sequence("]"),
            other => Err(format!("invalid syntax at {other:?}")),
        }
    }

    fn sequence(&mut self, close: &'static str) -> Result<Tree, String> {
        let mut items = Vec::new();
        let mut comma = false;
        while !self.takes(close) {
            items.push(self.expression()?);
            if self.takes(",") {
                comma = true;
            } else if !self.takes(close) {
                return Err(format!("expected {close:?}"));
            } else {
                break;
            }
        }
        match items.pop() {
            Some(only) if items.is_empty() && !comma && close == ")" => Ok(only),
            last => {
                items.extend(last);
                Ok(Tree::Seq(items))
            }
        }
    }
}

/// A quoted text at the start of `rest` and how many bytes it takes. Escapes other than of quotes and backslash are
/// kept as written; none occurs in rules.
fn text_token(rest: &str) -> Result<(String, usize), String> {
    let quote = rest.chars().next().unwrap_or('\'');
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Ok((value, at + 1));
        }
        if c == '\n' {
            break;
        }
        if c == '\\' {
            match chars.next() {
                Some((_, next @ ('\\' | '\'' | '"'))) => value.push(next),
                Some((_, next)) => {
                    value.push('\\');
                    value.push(next);
                }
                None => break,
            }
        } else {
            value.push(c);
        }
    }
    Err("unterminated text".to_owned())
}

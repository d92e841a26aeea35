//! Python source as logical lines of tokens, with the errors that Python itself would find at this stage.

use super::Failure;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name or keyword.
    Name(String),
    /// A number as written.
    Number(String),
    /// A string's value.
    Str(String),
    /// An operator or bracket.
    Op(String),
}

/// A logical line: brackets joined, comments gone.
#[derive(Clone, Debug)]
pub struct Line {
    /// Columns of indentation.
    pub indent: usize,
    /// Number of its first physical line, from 1.
    pub number: usize,
    /// Its tokens; never empty.
    pub tokens: Vec<Token>,
}

const OPERATORS: [&str; 44] = [
    "**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "<=", ">=", "==", "!=", "<>", "->", "+=", "-=", "*=",
    "/=", "%=", "&=", "|=", "^=", "+", "-", "*", "/", "%", "@", "&", "|", "^", "~", "<", ">", "(", ")", "[", "]", "{",
    "}", ",", ":", ".",
];

/// Splits the text of the module at `file`.
///
/// # Errors
///
/// A `SyntaxError` or `IndentationError`.
pub fn lines(text: &str, file: &str) -> Result<Vec<Line>, Failure> {
    Reader { chars: text.chars().collect(), at: 0, row: 1, file, found: Vec::new() }.run()
}

struct Reader<'a> {
    chars: Vec<char>,
    at: usize,
    row: usize,
    file: &'a str,
    found: Vec<Line>,
}

impl Reader<'_> {
    fn run(mut self) -> Result<Vec<Line>, Failure> {
        if self.chars.contains(&'\0') {
            return Err(Failure::at("TypeError", "compile() expected string without null bytes", self.file, 1));
        }
        while self.at < self.chars.len() {
            let mut indent = 0;
            while let Some(&letter) = self.chars.get(self.at).filter(|letter| matches!(letter, ' ' | '\t')) {
                indent = if letter == '\t' { indent / 8 * 8 + 8 } else { indent + 1 };
                self.at += 1;
            }
            let number = self.row;
            let tokens = self.logical_line()?;
            if !tokens.is_empty() {
                self.found.push(Line { indent, number, tokens });
            }
        }
        self.found.iter().try_for_each(|line| check_line(line, self.file))?;
        check_indentation(&self.found, self.file)?;
        Ok(self.found)
    }

    fn fail<T>(&self, what: &str) -> Result<T, Failure> {
        Err(Failure::at("SyntaxError", what, self.file, self.row))
    }

    fn logical_line(&mut self) -> Result<Vec<Token>, Failure> {
        let mut tokens = Vec::new();
        let mut open: Vec<char> = Vec::new();
        while let Some(&letter) = self.chars.get(self.at) {
            match letter {
                '\n' => {
                    self.at += 1;
                    self.row += 1;
                    if open.is_empty() {
                        return Ok(tokens);
                    }
                }
                ' ' | '\t' | '\r' | '\u{c}' => self.at += 1,
                '#' => {
                    while self.chars.get(self.at).is_some_and(|letter| *letter != '\n') {
                        self.at += 1;
                    }
                }
                '\\' if matches!(self.chars.get(self.at + 1), Some('\n')) => {
                    self.at += 2;
                    self.row += 1;
                }
                ';' if open.is_empty() => {
                    self.at += 1;
                    tokens.push(Token::Op(";".to_owned()));
                }
                '\'' | '"' => tokens.push(self.string(false)?),
                letter if letter.is_alphabetic() || letter == '_' => {
                    let begin = self.at;
                    while self.chars.get(self.at).is_some_and(|letter| letter.is_alphanumeric() || *letter == '_') {
                        self.at += 1;
                    }
                    let name: String = self.chars[begin..self.at].iter().collect();
                    let prefix = name.len() <= 2 && name.chars().all(|letter| "rRbBuUfF".contains(letter));
                    if prefix && matches!(self.chars.get(self.at), Some('\'' | '"')) {
                        tokens.push(self.string(name.contains(['r', 'R']))?);
                    } else {
                        tokens.push(Token::Name(name));
                    }
                }
                letter if letter.is_ascii_digit() => tokens.push(self.number()),
                _ => tokens.push(self.operator(&mut open)?),
            }
        }
        if !open.is_empty() {
            return self.fail("unexpected EOF while parsing");
        }
        Ok(tokens)
    }

    fn number(&mut self) -> Token {
        let begin = self.at;
        while let Some(&letter) = self.chars.get(self.at) {
            let exponent = matches!(letter, '+' | '-') && matches!(self.chars[self.at - 1], 'e' | 'E');
            if !(letter.is_alphanumeric() || letter == '.' || letter == '_' || (exponent && self.at > begin)) {
                break;
            }
            self.at += 1;
        }
        Token::Number(self.chars[begin..self.at].iter().collect())
    }

    fn operator(&mut self, open: &mut Vec<char>) -> Result<Token, Failure> {
        let rest: String = self.chars[self.at..].iter().take(3).collect();
        let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) else {
            if rest.starts_with('=') {
                self.at += 1;
                return Ok(Token::Op("=".to_owned()));
            }
            return self.fail("invalid syntax");
        };
        self.at += operator.len();
        match *operator {
            "(" | "[" | "{" => open.push(operator.chars().next().unwrap_or('(')),
            ")" | "]" | "}" => {
                let wanted = match *operator {
                    ")" => '(',
                    "]" => '[',
                    _ => '{',
                };
                if open.pop() != Some(wanted) {
                    return self.fail("invalid syntax");
                }
            }
            _ => {}
        }
        Ok(Token::Op((*operator).to_owned()))
    }

    fn string(&mut self, raw: bool) -> Result<Token, Failure> {
        let quote = self.chars[self.at];
        let triple = self.chars.get(self.at + 1) == Some(&quote) && self.chars.get(self.at + 2) == Some(&quote);
        self.at += if triple { 3 } else { 1 };
        let mut value = String::new();
        loop {
            let Some(&letter) = self.chars.get(self.at) else {
                return self.fail(if triple { "EOF while scanning triple-quoted string literal" } else { EOL });
            };
            self.at += 1;
            if letter == quote {
                if !triple {
                    return Ok(Token::Str(value));
                }
                if self.chars.get(self.at) == Some(&quote) && self.chars.get(self.at + 1) == Some(&quote) {
                    self.at += 2;
                    return Ok(Token::Str(value));
                }
            }
            if letter == '\n' {
                if !triple {
                    return self.fail(EOL);
                }
                self.row += 1;
            }
            if letter != '\\' {
                value.push(letter);
                continue;
            }
            let Some(&next) = self.chars.get(self.at) else { return self.fail(EOL) };
            self.at += 1;
            if next == '\n' {
                self.row += 1;
            }
            match next {
                _ if raw => value.extend(['\\', next]),
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                '\n' => {}
                '\\' | '\'' | '"' => value.push(next),
                other => value.extend(['\\', other]),
            }
        }
    }
}

const EOL: &str = "EOL while scanning string literal";

/// Words that begin a block.
const COMPOUND: [&str; 11] = ["if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class"];

/// Whether a line opens a block that must follow indented.
pub fn opens_block(line: &Line) -> bool {
    matches!(line.tokens.last(), Some(Token::Op(operator)) if operator == ":") && compound(line).is_some()
}

/// The word of a compound statement, if the line begins with one.
pub fn compound(line: &Line) -> Option<&str> {
    match line.tokens.first() {
        Some(Token::Name(name)) => COMPOUND.into_iter().find(|word| word == name),
        _ => None,
    }
}

fn check_indentation(lines: &[Line], file: &str) -> Result<(), Failure> {
    let mut levels = vec![0];
    let mut expected = false;
    for line in lines {
        let fail = |what: &str| Err(Failure::at("IndentationError", what, file, line.number));
        let level = levels.last().copied().unwrap_or(0);
        if expected && line.indent <= level {
            return fail("expected an indented block");
        }
        if line.indent > level {
            if !expected {
                return fail("unexpected indent");
            }
            levels.push(line.indent);
        }
        while levels.last().is_some_and(|level| line.indent < *level) {
            levels.pop();
        }
        if levels.last() != Some(&line.indent) {
            return fail("unindent does not match any outer indentation level");
        }
        expected = opens_block(line);
    }
    match lines.last() {
        Some(last) if expected => Err(Failure::at("IndentationError", "expected an indented block", file, last.number)),
        _ => Ok(()),
    }
}

/// Keywords that may stand beside an operand or another keyword.
const KEYWORDS: [&str; 31] = [
    "and", "as", "assert", "break", "class", "continue", "def", "del", "elif", "else", "except", "exec", "finally",
    "for", "from", "global", "if", "import", "in", "is", "lambda", "not", "or", "pass", "print", "raise", "return",
    "try", "while", "with", "yield",
];

/// Two operands side by side, two operators side by side, a compound statement without its colon.
fn check_line(line: &Line, file: &str) -> Result<(), Failure> {
    let fail = || Err(Failure::at("SyntaxError", "invalid syntax", file, line.number));
    if compound(line).is_some() && !line.tokens.contains(&Token::Op(":".to_owned())) {
        return fail();
    }
    let operand = |token: &Token| match token {
        Token::Name(name) => !KEYWORDS.contains(&name.as_str()),
        Token::Number(_) | Token::Str(_) => true,
        Token::Op(_) => false,
    };
    let binary = |token: &Token| {
        matches!(token, Token::Op(operator)
            if matches!(operator.as_str(), "/" | "//" | "%" | "<<" | ">>" | "<" | ">" | "<=" | ">=" | "==" | "!=" | "<>" | "|" | "&" | "^" | "=" | "."))
    };
    if line.tokens.first().is_some_and(binary) && line.tokens.first() != Some(&Token::Op(".".to_owned())) {
        return fail();
    }
    for pair in line.tokens.windows(2) {
        let strings = matches!(pair, [Token::Str(_), Token::Str(_)]);
        if operand(&pair[0]) && operand(&pair[1]) && !strings {
            return fail();
        }
        let dots = |token: &Token| matches!(token, Token::Op(operator) if operator == ".");
        if binary(&pair[0]) && binary(&pair[1]) && !(dots(&pair[0]) && dots(&pair[1])) {
            return fail();
        }
        let unfinished = matches!(&pair[1], Token::Op(close) if matches!(close.as_str(), ")" | "]" | "}"));
        if binary(&pair[0]) && unfinished {
            return fail();
        }
    }
    if line.tokens.last().is_some_and(binary) {
        return fail();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::lines;
    use rstest::rstest;

    #[rstest]
    #[case::conflict("a = 1\n<<<<<<< .mine\nb = 2\n", "SyntaxError", 2)]
    #[case::prose("this file was damaged\n", "SyntaxError", 1)]
    #[case::bracket("a = (1,\n", "SyntaxError", 2)]
    #[case::colon("def f()\n    pass\n", "SyntaxError", 1)]
    #[case::indent("a = 1\n  b = 2\n", "IndentationError", 2)]
    #[case::block("if a:\nb = 1\n", "IndentationError", 2)]
    #[case::string("a = 'x\n", "SyntaxError", 1)]
    #[case::nul("a = 1\0\n", "TypeError", 1)]
    fn what_python_refuses_is_refused(#[case] text: &str, #[case] kind: &str, #[case] row: usize) {
        let failure = lines(text, "x.py").expect_err("refused");
        assert_eq!((failure.kind.as_str(), failure.line()), (kind, row));
    }

    #[test]
    fn ordinary_modules_pass() {
        let text = "\"\"\"Doc\nstring.\"\"\"\nfrom a.b import (c,\n    d)\n@deco\ndef f(x, *args, **kw):\n    print \"x\" % x\n    return [y for y in x if not y], -1\n\nclass A(object):\n    pass\nurl = (r'^a/(?P<b>[^/]+)$', f)\nx = 1 if f else {'a': 2}\n";
        assert!(lines(text, "x.py").is_ok());
    }
}

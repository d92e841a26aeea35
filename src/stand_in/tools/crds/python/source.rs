//! Python source as the interpreter's first look sees it: is it well formed, and what does it import and define?

/// Why a file is no Python source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxProblem {
    /// Line, counted from 1.
    pub line: usize,
    /// The offending line.
    pub text: String,
    /// `SyntaxError`, `IndentationError` or `TypeError`.
    pub class: &'static str,
    /// What the interpreter says.
    pub message: &'static str,
}

/// One import statement at the top of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Line, counted from 1.
    pub line: usize,
    /// The statement as written.
    pub text: String,
    /// The dotted module.
    pub module: String,
    /// `from module import names`; empty for `import module`.
    pub names: Vec<String>,
    /// Name in the importing module -> dotted thing it stands for.
    pub binds: Vec<(String, String)>,
}

/// A logical line: brackets closed, strings closed, comments removed, string contents kept.
#[derive(Debug, Clone)]
pub struct Logical {
    /// First physical line, counted from 1.
    pub line: usize,
    /// Blanks before it.
    pub indent: usize,
    /// The text without comment.
    pub text: String,
    /// The text with every string literal replaced by `""`.
    pub bare: String,
}

/// Splits source into logical lines.
///
/// # Errors
///
/// The first place at which the interpreter would give up.
pub fn logical_lines(source: &[u8]) -> Result<Vec<Logical>, SyntaxProblem> {
    let problem = |line: usize, class, message| SyntaxProblem {
        line,
        text: String::from_utf8_lossy(source).lines().nth(line.saturating_sub(1)).unwrap_or("").to_owned(),
        class,
        message,
    };
    if source.contains(&0) {
        return Err(problem(1, "TypeError", "compile() expected string without null bytes"));
    }
    let Ok(text) = std::str::from_utf8(source) else {
        return Err(problem(1, "SyntaxError", "Non-ASCII character in file, but no encoding declared"));
    };
    let mut lines = Vec::new();
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut current: Option<Logical> = None;
    let mut chars = text.chars().peekable();
    let mut line = 1;
    let mut indent = 0;
    while let Some(c) = chars.next() {
        match c {
            '\n' => {
                line += 1;
                if open.is_empty() {
                    lines.extend(current.take());
                }
                indent = 0;
            }
            ' ' | '\t' | '\r' | '\x0c' if current.is_none() => {
                indent += usize::from(c == ' ') + 8 * usize::from(c == '\t')
            }
            '#' => {
                while chars.peek().is_some_and(|&next| next != '\n') {
                    chars.next();
                }
            }
            '\\' if chars.peek() == Some(&'\n') => {
                chars.next();
                line += 1;
            }
            '"' | '\'' => {
                let start = line;
                let target =
                    current.get_or_insert_with(|| Logical { line, indent, text: String::new(), bare: String::new() });
                target.text.push(c);
                let triple = chars.peek() == Some(&c) && {
                    chars.next();
                    target.text.push(c);
                    if chars.peek() == Some(&c) {
                        chars.next();
                        target.text.push(c);
                        true
                    } else {
                        target.bare.push_str("\"\"");
                        continue;
                    }
                };
                let mut run = 0;
                let mut closed = false;
                while let Some(s) = chars.next() {
                    target.text.push(s);
                    if s == '\n' {
                        if !triple {
                            return Err(problem(start, "SyntaxError", "EOL while scanning string literal"));
                        }
                        line += 1;
                    }
                    if s == '\\' {
                        if let Some(escaped) = chars.next() {
                            line += usize::from(escaped == '\n');
                            target.text.push(escaped);
                        }
                        run = 0;
                        continue;
                    }
                    run = if s == c { run + 1 } else { 0 };
                    if run == if triple { 3 } else { 1 } {
                        closed = true;
                        break;
                    }
                }
                if !closed {
                    let message = if triple {
                        "EOF while scanning triple-quoted string literal"
                    } else {
                        "EOL while scanning string literal"
                    };
                    return Err(problem(start, "SyntaxError", message));
                }
                target.bare.push_str("\"\"");
            }
            _ => {
                let target =
                    current.get_or_insert_with(|| Logical { line, indent, text: String::new(), bare: String::new() });
                match c {
                    '(' | '[' | '{' => open.push((c, line)),
                    ')' | ']' | '}' => {
                        let want = match c {
                            ')' => '(',
                            ']' => '[',
                            _ => '{',
                        };
                        if open.pop().map(|(opened, _)| opened) != Some(want) {
                            return Err(problem(line, "SyntaxError", "invalid syntax"));
                        }
                    }
                    _ => {}
                }
                target.text.push(c);
                target.bare.push(c);
            }
        }
    }
    if open.last().is_some() {
        let last = text.lines().count();
        return Err(problem(last, "SyntaxError", "unexpected EOF while parsing"));
    }
    lines.extend(current.take());
    for logical in &mut lines {
        logical.text.truncate(logical.text.trim_end().len());
        logical.bare.truncate(logical.bare.trim_end().len());
    }
    check_lines(&lines).map_err(|(at, class, message)| problem(at, class, message))?;
    Ok(lines)
}

const KEYWORDS: [&str; 33] = [
    "and", "as", "assert", "break", "class", "continue", "def", "del", "elif", "else", "except", "exec", "finally",
    "for", "from", "global", "if", "import", "in", "is", "lambda", "not", "or", "pass", "print", "raise", "return",
    "try", "while", "with", "yield", "async", "await",
];

/// Indentation, block openers and words that cannot stand side by side.
fn check_lines(lines: &[Logical]) -> Result<(), (usize, &'static str, &'static str)> {
    let mut levels = vec![0];
    let mut opens = false;
    for logical in lines {
        let top = levels.last().copied().unwrap_or(0);
        if opens {
            if logical.indent <= top {
                return Err((logical.line, "IndentationError", "expected an indented block"));
            }
            levels.push(logical.indent);
        } else if logical.indent > top {
            return Err((logical.line, "IndentationError", "unexpected indent"));
        } else {
            while levels.last().is_some_and(|&level| level > logical.indent) {
                levels.pop();
            }
            if levels.last() != Some(&logical.indent) {
                return Err((logical.line, "IndentationError", "unindent does not match any outer indentation level"));
            }
        }
        opens = logical.bare.ends_with(':');
        let first = logical.bare.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
        let needs_colon =
            matches!(first, "def" | "class" | "if" | "elif" | "else" | "for" | "while" | "try" | "except" | "finally");
        if needs_colon && !logical.bare.contains(':') {
            return Err((logical.line, "SyntaxError", "invalid syntax"));
        }
        for mark in ["<<<<<<<", ">>>>>>>", "======="] {
            if logical.bare.starts_with(mark) {
                return Err((logical.line, "SyntaxError", "invalid syntax"));
            }
        }
        if logical.bare.ends_with('=') || two_names(&logical.bare) {
            return Err((logical.line, "SyntaxError", "invalid syntax"));
        }
    }
    if opens {
        let last = lines.last().map_or(1, |logical| logical.line);
        return Err((last, "IndentationError", "expected an indented block"));
    }
    Ok(())
}

/// Whether two words that are no keywords stand next to each other.
fn two_names(bare: &str) -> bool {
    let mut previous = false;
    let mut word = String::new();
    let mut gap = true;
    for c in bare.chars().chain(" ".chars()) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            let plain = !KEYWORDS.contains(&word.as_str());
            if plain && previous && gap {
                return true;
            }
            previous = plain;
            gap = true;
            word.clear();
        }
        if !c.is_whitespace() {
            gap = false;
            previous = false;
        }
    }
    false
}

/// The imports that run when the module is imported: not those inside functions and classes.
pub fn imports(lines: &[Logical]) -> Vec<Import> {
    let mut found = Vec::new();
    let mut inside = false;
    for logical in lines {
        if logical.indent == 0 {
            inside = logical.text.starts_with("def ") || logical.text.starts_with("class ");
        }
        if inside {
            continue;
        }
        if let Some(rest) = logical.text.strip_prefix("import ") {
            for part in rest.split(',') {
                let (module, name) = renamed(part);
                let shown = if name == module { module.split('.').next().unwrap_or(module) } else { name };
                let meant = if name == module { shown } else { module };
                found.push(Import {
                    line: logical.line,
                    text: logical.text.clone(),
                    module: module.to_owned(),
                    names: Vec::new(),
                    binds: vec![(shown.to_owned(), meant.to_owned())],
                });
            }
        } else if let Some((module, rest)) =
            logical.text.strip_prefix("from ").and_then(|rest| rest.split_once(" import "))
        {
            let module = module.trim();
            let parts = rest.trim().trim_start_matches('(').trim_end_matches(')');
            let pairs: Vec<(&str, &str)> = parts.split(',').map(renamed).filter(|(name, _)| !name.is_empty()).collect();
            found.push(Import {
                line: logical.line,
                text: logical.text.clone(),
                module: module.to_owned(),
                names: pairs.iter().map(|(name, _)| (*name).to_owned()).collect(),
                binds: pairs.iter().map(|(name, shown)| ((*shown).to_owned(), format!("{module}.{name}"))).collect(),
            });
        }
    }
    found
}

fn renamed(part: &str) -> (&str, &str) {
    let part = part.trim();
    match part.split_once(" as ") {
        Some((module, name)) => (module.trim(), name.trim()),
        None => (part, part),
    }
}

/// Names that the module defines at its top: functions, classes, assignments, imports.
pub fn defines(lines: &[Logical], name: &str) -> bool {
    let assigned = |text: &str| {
        text.strip_prefix(name).is_some_and(|rest| {
            let rest = rest.trim_start();
            rest.starts_with('=') && !rest.starts_with("==")
        })
    };
    lines.iter().filter(|logical| logical.indent == 0).any(|logical| {
        assigned(&logical.text)
            || ["def ", "class "].iter().any(|word| {
                logical.text.strip_prefix(word).is_some_and(|rest| {
                    rest.strip_prefix(name)
                        .is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
                })
            })
    }) || imports(lines).iter().any(|import| import.binds.iter().any(|(shown, _)| shown == name))
}

/// The value of a top-level assignment `name = ...` as written, the last one winning.
pub fn assigned<'a>(lines: &'a [Logical], name: &str) -> Option<&'a str> {
    lines.iter().rev().filter(|logical| logical.indent == 0).find_map(|logical| {
        let rest = logical.text.strip_prefix(name)?.trim_start().strip_prefix('=')?;
        (!rest.starts_with('=')).then(|| rest.trim())
    })
}

/// The text of a plain string literal.
pub fn unquoted(literal: &str) -> Option<&str> {
    let literal = literal.trim();
    let literal = literal
        .strip_prefix("\"\"\"")
        .and_then(|l| l.strip_suffix("\"\"\""))
        .or_else(|| literal.strip_prefix("'''").and_then(|l| l.strip_suffix("'''")))
        .or_else(|| literal.strip_prefix('"').and_then(|l| l.strip_suffix('"')))
        .or_else(|| literal.strip_prefix('\'').and_then(|l| l.strip_suffix('\'')))?;
    Some(literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_and_assignments_are_found() {
        let lines = logical_lines(b"\"\"\"Doc.\"\"\"\nimport os.path\nfrom crds import (log,\n   rmap as r)\nx = 'a'\n\ndef f(a):\n    import inner\n    return a\n").unwrap();
        let imports = imports(&lines);
        assert_eq!(imports.len(), 2);
        assert_eq!(imports[1].binds[1], ("r".to_owned(), "crds.rmap".to_owned()));
        assert_eq!(assigned(&lines, "x").and_then(unquoted), Some("a"));
        assert!(defines(&lines, "f") && !defines(&lines, "g"));
    }

    #[test]
    fn what_is_no_python_is_refused() {
        for bad in [
            "x = (1,\n",
            "def f(a)\n    pass\n",
            "x = 'a\n",
            "this broken line\n",
            "  x = 1\n",
            "<<<<<<< .mine\n",
            "a\0b",
            "def f():\nx = 1\n",
            "x = ]\n",
            "y =\n",
        ] {
            assert!(logical_lines(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}

//! Shell patterns as Python's `fnmatch.translate` understands them: whole value, case counts.

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `*`
    Any,
    /// `?`
    One,
    /// That character.
    Literal(char),
    /// `[...]`
    Set {
        /// `[!...]`
        negated: bool,
        /// From and to, both included.
        ranges: Vec<(char, char)>,
    },
}

/// A compiled shell pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum Glob {
    /// Nothing special in it: most alternatives of an or-list.
    Literal(Box<str>),
    /// Step by step.
    Steps(Box<[Step]>),
}

impl Glob {
    /// Compiles a pattern; every text is one.
    pub fn new(pattern: &str) -> Self {
        if !pattern.contains(['*', '?', '[']) {
            return Self::Literal(pattern.into());
        }
        let chars: Vec<char> = pattern.chars().collect();
        let (mut steps, mut at) = (Vec::new(), 0);
        while let Some(&c) = chars.get(at) {
            at += 1;
            match c {
                '*' if steps.last() == Some(&Step::Any) => {}
                '*' => steps.push(Step::Any),
                '?' => steps.push(Step::One),
                '[' => match set(&chars[at..]) {
                    Some((step, used)) => {
                        steps.push(step);
                        at += used;
                    }
                    None => steps.push(Step::Literal('[')),
                },
                c => steps.push(Step::Literal(c)),
            }
        }
        Self::Steps(steps.into())
    }

    /// Whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        let steps = match self {
            Self::Literal(own) => return **own == *text,
            Self::Steps(steps) => steps,
        };
        let chars: Vec<char> = text.chars().collect();
        // The usual walk with one point of return per `*`: linear in practice, quadratic at worst.
        let (mut step, mut at) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        loop {
            match steps.get(step) {
                Some(Step::Any) => {
                    back = Some((step, at));
                    step += 1;
                    continue;
                }
                Some(one) if chars.get(at).is_some_and(|c| one.takes(*c)) => {
                    step += 1;
                    at += 1;
                    continue;
                }
                None if at == chars.len() => return true,
                _ => {}
            }
            match back {
                Some((star, from)) if from < chars.len() => {
                    back = Some((star, from + 1));
                    (step, at) = (star + 1, from + 1);
                }
                _ => return false,
            }
        }
    }
}

impl Step {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Literal(own) => *own == c,
            Self::Set { negated, ranges } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated,
        }
    }
}

/// The set that begins after a `[`, and how many characters it takes; `None` if it is never closed.
fn set(rest: &[char]) -> Option<(Step, usize)> {
    let negated = rest.first() == Some(&'!');
    let from = usize::from(negated);
    // A `]` right at the start is a member.
    let end = rest.iter().skip(from + 1).position(|c| *c == ']').map(|at| from + 1 + at)?;
    let body = &rest[from..end];
    let (mut ranges, mut at) = (Vec::new(), 0);
    while at < body.len() {
        match body.get(at + 1..at + 3) {
            Some(&['-', to]) => {
                // An empty range (upper end below the lower) matches nothing.
                if body[at] <= to {
                    ranges.push((body[at], to));
                }
                at += 3;
            }
            _ => {
                ranges.push((body[at], body[at]));
                at += 1;
            }
        }
    }
    Some((Step::Set { negated, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_values() {
        let cases = [
            ("FR*", "FR656N", true),
            ("FR*", "XFR", false),
            ("F[12]*", "F2X", true),
            ("F[!12]", "F3", true),
            ("F[!12]", "F1", false),
            ("P?1", "PX1", true),
            ("*A*B", "xAyAzB", true),
            ("*A*B", "xAyAz", false),
            ("[", "[", true),
            ("[]]", "]", true),
            ("[a-c]", "b", true),
            ("[c-a]", "b", false),
            ("", "", true),
            ("*", "", true),
        ];
        for (pattern, text, fits) in cases {
            assert_eq!(Glob::new(pattern).matches(text), fits, "{pattern} {text}");
        }
    }
}

//! Match elements: what one field of a `Match` key says about one dataset value (RS 9.3).

use regex::Regex;

use super::condition::or_split;
use super::glob::Glob;
use super::python::{parse_float, strip};

/// What an element says about a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The key is out.
    No,
    /// It does not matter; adds nothing to the weight.
    DontCare,
    /// Fits; adds one to the weight.
    Yes,
}

/// A compiled match element.
#[derive(Debug, Clone)]
pub struct Element {
    /// The text that a value may equal literally; `None` for globs, whose own text is never seen.
    own: Option<String>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    NotApplicable,
    Literal,
    Regex(Box<Regex>),
    Globs(Vec<Glob>),
    Compare(Relation, f64),
    Both(Box<(Element, Element)>),
    Either(Box<(Element, Element)>),
    Not(Box<Element>),
}

#[derive(Debug, Clone, Copy)]
enum Relation {
    Above,
    Below,
    AtLeast,
    AtMost,
}

/// Deepest `NOT NOT ...` or bracket nesting taken.
const MAX_DEPTH: usize = 50;

impl Element {
    /// Compiles a conditioned element.
    ///
    /// # Errors
    ///
    /// Why the client could not load rules with such an element.
    pub fn new(text: &str) -> Result<Self, String> {
        Self::nested(text, 0)
    }

    fn nested(text: &str, depth: usize) -> Result<Self, String> {
        if depth > MAX_DEPTH {
            return Err("match element nests too deep".to_owned());
        }
        let own = Some(text.to_owned());
        let wrapped = |open, close| text.starts_with(open) && text.ends_with(close);
        let inside = || text.get(1..text.len().max(2) - 1).unwrap_or_default().to_owned();
        if wrapped('(', ')') {
            let inside = inside();
            // Python's `match` looks at the start only; a regular expression of ours must say so.
            let regex = regex::RegexBuilder::new(&format!("^(?:{inside})"))
                .size_limit(1 << 20)
                .build()
                .map_err(|why| format!("regular expression {inside:?} of a match element: {why}"))?;
            return Ok(Self { own: Some(inside), kind: Kind::Regex(Box::new(regex)) });
        }
        if wrapped('{', '}') {
            return Ok(Self { own: Some(inside()), kind: Kind::Literal });
        }
        if wrapped('#', '#') {
            let upper = text.to_uppercase();
            for operator in ["AND", "OR"] {
                if upper.contains(&format!(" {operator} ")) {
                    return Self::binary(&upper, operator, depth);
                }
            }
            let inside = upper.get(1..upper.len().max(2) - 1).unwrap_or_default();
            return Self::nested(inside, depth + 1);
        }
        let upper = text.to_uppercase();
        if upper.starts_with("BETWEEN") {
            let parts: Vec<&str> = text.split(super::python::is_space).filter(|part| !part.is_empty()).collect();
            let [_, low, high] = parts[..] else { return Err(format!("Invalid between relation '{text}'")) };
            let number = |s: &str| parse_float(s).ok_or_else(|| format!("could not convert string to float: '{s}'"));
            // Written so that a NaN is refused too.
            if !matches!(
                number(low)?.partial_cmp(&number(high)?),
                Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal)
            ) {
                return Err(format!("Invalid between relation '{text}' should be 'between lower_bound upper_bound'"));
            }
            return Self::binary(&format!(">={low} AND <{high}"), "AND", depth);
        }
        if upper.starts_with("NOT ") {
            let inner = Self::nested(strip(text.get(4..).unwrap_or_default()), depth + 1)?;
            return Ok(Self { own, kind: Kind::Not(Box::new(inner)) });
        }
        if text.contains(['|', '*']) {
            let globs = or_split(text).into_iter().map(Glob::new).collect();
            return Ok(Self { own: None, kind: Kind::Globs(globs) });
        }
        if text == "N/A" {
            return Ok(Self { own, kind: Kind::NotApplicable });
        }
        if text.starts_with(['>', '<']) {
            let (relation, number) =
                relation(text).ok_or_else(|| format!("match element '{text}' compares with no number"))?;
            return Ok(Self { own, kind: Kind::Compare(relation, number) });
        }
        Ok(Self { own, kind: Kind::Literal })
    }

    fn binary(text: &str, operator: &str, depth: usize) -> Result<Self, String> {
        let body = strip(text);
        let body = if body.starts_with('#') { body.get(1..body.len().max(2) - 1).unwrap_or_default() } else { body };
        let mut parts = body.split(operator).map(strip);
        let (Some(one), Some(two)) = (parts.next(), parts.next()) else {
            return Err(format!("match element '{text}' has nothing to join"));
        };
        let pair = Box::new((Self::nested(one, depth + 1)?, Self::nested(two, depth + 1)?));
        let kind = if operator == "AND" { Kind::Both(pair) } else { Kind::Either(pair) };
        Ok(Self { own: Some(text.to_owned()), kind })
    }

    /// Judges a conditioned value.
    pub fn fit(&self, value: &str) -> Fit {
        let upper;
        let value = match &self.kind {
            Kind::NotApplicable => return Fit::DontCare,
            Kind::Not(inner) => {
                return match inner.fit(value) {
                    Fit::Yes => Fit::No,
                    Fit::DontCare => Fit::DontCare,
                    Fit::No => Fit::Yes,
                };
            }
            Kind::Both(_) | Kind::Either(_) => {
                upper = value.to_uppercase();
                upper.as_str()
            }
            _ => value,
        };
        if value == "*" || self.own.as_deref() == Some(value) {
            return Fit::Yes;
        }
        if value == "N/A" {
            return Fit::DontCare;
        }
        let fits = match &self.kind {
            Kind::NotApplicable | Kind::Not(_) | Kind::Literal => false,
            Kind::Regex(regex) => regex.is_match(value),
            Kind::Globs(globs) => globs.iter().any(|glob| glob.matches(value)),
            Kind::Compare(relation, bound) => parse_float(value).is_some_and(|value| match relation {
                Relation::Above => value > *bound,
                Relation::Below => value < *bound,
                Relation::AtLeast => value >= *bound,
                Relation::AtMost => value <= *bound,
            }),
            Kind::Both(pair) => pair.0.fit(value) == Fit::Yes && pair.1.fit(value) == Fit::Yes,
            Kind::Either(pair) => pair.0.fit(value) == Fit::Yes || pair.1.fit(value) == Fit::Yes,
        };
        if fits { Fit::Yes } else { Fit::No }
    }
}

/// `>`, `<`, `>=`, `<=`, blanks, a number; what follows the number is ignored.
fn relation(text: &str) -> Option<(Relation, f64)> {
    let (relation, rest) = match text.as_bytes() {
        [b'>', b'=', ..] => (Relation::AtLeast, &text[2..]),
        [b'<', b'=', ..] => (Relation::AtMost, &text[2..]),
        [b'>', ..] => (Relation::Above, &text[1..]),
        _ => (Relation::Below, &text[1..]),
    };
    let rest = rest.trim_start_matches(super::python::is_space);
    let bytes = rest.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(at);
    at += whole;
    if bytes.get(at) == Some(&b'.') && digits(at + 1) > 0 {
        at += 1 + digits(at + 1);
    } else if whole == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(bytes.len().min(at + 1 + sign));
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    Some((relation, rest[..at].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(element: &str, value: &str) -> i8 {
        match Element::new(element).unwrap().fit(value) {
            Fit::Yes => 1,
            Fit::DontCare => 0,
            Fit::No => -1,
        }
    }

    #[test]
    fn elements_judge_values_as_the_table_says() {
        let cases = [
            ("A|B", "A", 1),
            ("A|B", "A|B", -1),
            ("A|B", "*", 1),
            ("A|B", "N/A", 0),
            ("N/A", "A", 0),
            ("*", "A", 1),
            ("NOT A|B", "C", 1),
            ("NOT A|B", "*", -1),
            ("NOT A|B", "N/A", 0),
            ("BETWEEN 1055 1097", "1055.0", 1),
            ("BETWEEN 1055 1097", "1097.0", -1),
            ("# >3000 AND <=4200 #", "4200.0", 1),
            ("# >3000 AND <=4200 #", "3000.0", -1),
            ("# >3000 AND <=4200 #", "N/A", 0),
            (">9000", "INF", 1),
            (">9000", "1_0", -1),
            (">9000", "NAN", -1),
            ("(^G[^1]$)", "G2", 1),
            ("(F1)", "F1ZZZ", 1),
            ("(F1)", "XF1", -1),
            ("{lower}", "LOWER", -1),
            ("{lower}", "lower", 1),
            ("==5", "5.0", -1),
            ("P?1", "PX1", -1),
            ("P?1", "P?1", 1),
            ("# >5 #", " >5 ", 1),
        ];
        for (element, value, says) in cases {
            assert_eq!(fit(element, value), says, "{element} {value}");
        }
    }

    #[test]
    fn elements_that_cannot_be_compiled_say_why() {
        for bad in ["BETWEEN 42 39", "BETWEEN 1", ">X", "((", "(a)(?=b)"] {
            assert!(bad == "((" || Element::new(bad).is_err(), "{bad}");
        }
    }
}

//! Python's binding of arguments to parameters, with its complaints (WP 1.3, 1.7).

use super::{error::RpcError, json::Json, methods::Method, misc::int_text};
use crate::stand_in::server::Dialect;

/// Arguments of one call, as many as the method has parameters; one that was left out and has a default is null.
pub type Bound = Vec<Json>;

/// The method that the library itself brings along.
pub const DESCRIBE: &str = "system.describe";

/// The name of a method's function, with which Python begins its complaints.
fn shown_name(method: &Method) -> &'static str {
    method.name.rsplit('.').next().unwrap_or(method.name)
}

/// Binds the `params` of a request of the given version.
///
/// # Errors
///
/// `OtherError` with Python's words: of 3.7, or of 2.7 for era 2014.
pub fn bind(method: &Method, params: &Json, version: &str, dialect: &Dialect) -> Result<Bound, RpcError> {
    let (positional, keywords) = match (version, params) {
        ("2.0", Json::Object(members)) => (Vec::new(), members.clone()),
        ("1.1", Json::Object(members)) => {
            // Python 2 knows neither groups of digits nor, in texts of bytes, digits of other scripts.
            let number = |name: &str| int_text(name).filter(|number| !dialect.python_2 || number == name);
            let named = members.iter().filter(|(name, _)| number(name).is_none()).cloned().collect();
            (numbered(members, members.iter().filter_map(|(name, _)| number(name)))?, named)
        }
        // What is neither list nor object is no argument at all under this version (read in the library, 0.7.2).
        ("1.1", other) if !matches!(other, Json::List(_)) && !dialect.older_rpc_library => (Vec::new(), Vec::new()),
        (_, Json::List(items)) => (items.clone(), Vec::new()),
        (_, Json::Object(members)) => (members.iter().map(|(k, _)| Json::Str(k.clone())).collect(), Vec::new()),
        (_, Json::Str(text)) => (text.chars().map(|c| Json::Str(c.to_string())).collect(), Vec::new()),
        (_, other) => {
            let (name, kind) = (shown_name(method), other.type_name());
            return Err(RpcError::other(if dialect.python_2 {
                format!("{name}() argument after * must be a sequence, not {kind}")
            } else {
                format!("{name}() argument after * must be an iterable, not {kind}")
            }));
        }
    };
    call(method, positional, keywords, dialect)
}

/// The members of an object that its numbers name, in numeric order. They are looked up by the number as Python writes it.
fn numbered(members: &[(String, Json)], numbers: impl Iterator<Item = String>) -> Result<Vec<Json>, RpcError> {
    let mut numbers: Vec<i128> = numbers.map(|text| text.parse().unwrap_or(i128::MAX)).collect();
    numbers.sort_unstable();
    let member = |number: &i128| {
        let key = number.to_string();
        let found = members.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
        found.ok_or_else(|| RpcError::other(format!("'{key}'")))
    };
    numbers.iter().map(member).collect()
}

fn call(
    method: &Method,
    positional: Vec<Json>,
    keywords: Vec<(String, Json)>,
    dialect: &Dialect,
) -> Result<Bound, RpcError> {
    let name = shown_name(method);
    let wanted = method.params.len();
    let given = positional.len();
    let mut bound: Vec<Option<Json>> = positional.into_iter().map(Some).take(wanted).collect();
    bound.resize(wanted, None);
    for (keyword, value) in keywords {
        let place = method.params.iter().position(|p| *p == keyword);
        match place.and_then(|at| bound.get_mut(at)) {
            Some(slot @ None) => *slot = Some(value),
            Some(Some(_)) => {
                return Err(RpcError::other(format!("{name}() got multiple values for argument '{keyword}'")));
            }
            None if keyword == "request" => {
                return Err(RpcError::other(format!("{name}() got multiple values for argument 'request'")));
            }
            None => return Err(RpcError::other(format!("{name}() got an unexpected keyword argument '{keyword}'"))),
        }
    }
    let required = wanted - method.optional;
    let missing: Vec<&str> = method.params[..required]
        .iter()
        .zip(&bound)
        .filter(|(_, value)| value.is_none())
        .map(|(param, _)| *param)
        .collect();
    if given > wanted || !missing.is_empty() {
        let text = if dialect.python_2 {
            python2_count(method, given)
        } else if given > wanted {
            too_many(method, given)
        } else {
            too_few(name, &missing)
        };
        return Err(RpcError::other(text));
    }
    Ok(bound.into_iter().map(|value| value.unwrap_or(Json::Null)).collect())
}

/// Python 3: both numbers include the hidden request, and of a method of the library's own its object as well.
fn too_many(method: &Method, given: usize) -> String {
    let hidden = 1 + usize::from(method.name == DESCRIBE);
    let most = method.params.len() + hidden;
    let least = most - method.optional;
    let wanted = if least == most { most.to_string() } else { format!("from {least} to {most}") };
    let noun = if wanted == "1" { "argument" } else { "arguments" };
    format!("{}() takes {wanted} positional {noun} but {} were given", shown_name(method), given + hidden)
}

fn too_few(name: &str, missing: &[&str]) -> String {
    let quoted: Vec<String> = missing.iter().map(|m| format!("'{m}'")).collect();
    let (noun, list) = match quoted.as_slice() {
        [one] => ("argument", one.clone()),
        [one, two] => ("arguments", format!("{one} and {two}")),
        [first @ .., last] => ("arguments", format!("{}, and {last}", first.join(", "))),
        [] => ("arguments", String::new()),
    };
    format!("{name}() missing {} required positional {noun}: {list}", missing.len())
}

/// Python 2: one text for both.
fn python2_count(method: &Method, given: usize) -> String {
    let most = method.params.len() + 1;
    let least = most - method.optional;
    let (word, wanted) = match (method.optional, given + 1 > most) {
        (0, _) => ("exactly", most),
        (_, true) => ("at most", most),
        (_, false) => ("at least", least),
    };
    let noun = if wanted == 1 { "argument" } else { "arguments" };
    format!("{}() takes {word} {wanted} {noun} ({} given)", method.name, given + 1)
}

//! One loaded reference mapping (RS 3, 8, 9, 11).

use std::collections::HashMap;
use std::sync::OnceLock;

use super::compile::{Ast, Compiler, Substitutions, python_text};
use super::error::RulesError;
use super::expr::Expr;
use super::hooks::Hook;
use super::syntax::{self, Mapping, Value};
use super::tree::{Node, NodeId, Terminal, Tree, is_plain_name};

/// A reference mapping, compiled. Immutable and independent of the context it is used in.
#[derive(Debug)]
pub struct Rmap {
    /// File name, without directory.
    pub name: String,
    /// Observatory, instrument and type of its header, lower case.
    pub observatory: String,
    /// Instrument of its header, lower case.
    pub instrument: String,
    /// Type of its header, lower case.
    pub filekind: String,
    /// The checksum in its header.
    pub sha1sum: String,
    /// The parkeys it needs, in the client's order: matched ones, switch, extra keys, those of the observatory.
    pub required: Vec<String>,
    /// The header as written.
    pub header: Value,
    pub(super) relevance: Expr,
    pub(super) omit: Expr,
    /// Index among `required`, expression; in order of `required`.
    pub(super) parkey_relevance: Vec<(usize, Expr)>,
    pub(super) precondition: Option<Hook>,
    pub(super) fallback: Option<Hook>,
    /// Whether a failed lookup stands (else it means "not applicable").
    pub(super) is_required: bool,
    /// Whether tables of cases that tie are merged; nothing where the header leaves it to the library.
    merge_overlaps: Option<bool>,
    pub(super) tree: Tree,
    pub(super) root: NodeId,
    tame: OnceLock<bool>,
}

/// A header value as the client reads it: texts in lower case unless wrapped in parentheses (RS 3).
pub(super) fn lowered(value: &str) -> String {
    if value.starts_with('(') && value.ends_with(')') { value.to_owned() } else { value.to_lowercase() }
}

fn text_of(mapping: &Mapping<std::borrow::Cow<'_, str>>, key: &str, default: &str) -> Result<String, String> {
    match mapping.header_value(key) {
        None => Ok(default.to_owned()),
        Some(Value::Str(text)) => Ok(lowered(text)),
        Some(other) => Err(format!("header key '{key}' must be a text, not {}", other.kind())),
    }
}

/// The texts of a header value that lists names.
pub(super) fn names(value: Option<&Ast<'_>>, key: &str) -> Result<Vec<String>, String> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let bad = || format!("header key '{key}' must list names, not {}", value.kind());
    let items = value.as_seq().ok_or_else(bad)?;
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(bad)).collect()
}

pub(super) fn require(mapping: &Mapping<std::borrow::Cow<'_, str>>, keys: &[&str]) -> Result<(), String> {
    match keys.iter().find(|key| mapping.header_value(key).is_none()) {
        Some(missing) => Err(format!("Required header key '{missing}' is missing.")),
        None => Ok(()),
    }
}

/// Substitutions that hold for every rmap (RS 9.2).
static BUILT_IN: [(&str, Ast<'static>, Ast<'static>); 2] = [
    (
        "META.SUBARRAY.NAME",
        Value::Str(std::borrow::Cow::Borrowed("GENERIC")),
        Value::Str(std::borrow::Cow::Borrowed("N/A")),
    ),
    ("SUBARRAY", Value::Str(std::borrow::Cow::Borrowed("GENERIC")), Value::Str(std::borrow::Cow::Borrowed("N/A"))),
];

impl Rmap {
    /// Reads and compiles the text of an rmap called `name`, without looking at its checksum.
    ///
    /// # Errors
    ///
    /// Text that is not a mapping, or rules that the client could not load.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, RulesError> {
        let text = syntax::decode(bytes, name)?;
        let mapping = syntax::parse_str(&text, name)?;
        Self::compile(name, &mapping).map_err(|why| RulesError::meaning(&text, name, why))
    }

    /// Whether every terminal is an ordinary file name or says "not applicable" or "left out".
    pub(super) fn is_tame(&self) -> bool {
        *self.tame.get_or_init(|| {
            self.tree.nodes.iter().all(|node| match node {
                Node::Terminal(Terminal::File(name)) => is_plain_name(name),
                Node::Terminal(Terminal::Many(_) | Terminal::Other(_)) => false,
                _ => true,
            })
        })
    }

    /// Whether tables of cases that tie are merged (RS 9.5). What the header leaves open, today's library merges; those
    /// from 7.2.9 to 7.5.0 did so for HST alone (read in their sources).
    pub(super) fn merges(&self, older_library: bool) -> bool {
        self.merge_overlaps.unwrap_or(!older_library || self.observatory == "hst")
    }

    /// Compiles a parsed rmap called `name`.
    ///
    /// # Errors
    ///
    /// Why the client could not load it.
    pub(super) fn compile(name: &str, mapping: &Mapping<std::borrow::Cow<'_, str>>) -> Result<Self, String> {
        let parkey = mapping.header_value("parkey").ok_or("Required header key 'parkey' is missing.")?;
        let levels = parkey.as_seq().ok_or("parkey must be a tuple of tuples")?;
        let levels: Vec<Vec<String>> =
            levels.iter().map(|level| names(Some(level), "parkey")).collect::<Result<_, _>>()?;
        let substitutions = substitutions(mapping)?;
        let Value::Call(call) = &mapping.selector else { return Err("selector must be a Selector.".to_owned()) };
        let mut compiler = Compiler { tree: Tree::default(), levels: &levels, substitutions: &substitutions };
        let root = compiler.selector(call, 0)?;
        let tree = compiler.tree;
        require(mapping, &["mapping", "parkey", "name", "derived_from", "observatory", "instrument", "filekind"])?;

        let observatory = text_of(mapping, "observatory", "")?;
        let instrument = text_of(mapping, "instrument", "")?;
        let filekind = text_of(mapping, "filekind", "")?;
        let mut required: Vec<String> = levels.into_iter().flatten().collect();
        let switch = text_of(mapping, "reffile_switch", "none")?.to_uppercase();
        if switch != "NONE" {
            required.push(switch);
        }
        required.extend(names(mapping.header_value("extra_keys"), "extra_keys")?);
        if observatory == "jwst" {
            required.extend(["META.VISIT.TSOVISIT".to_owned(), "META.INSTRUMENT.LAMP_STATE".to_owned()]);
        }

        let expr = |text: &str, key: &str| {
            let mut text = text.to_owned();
            for name in required.iter().filter(|name| name.contains('.')) {
                text = text.replace(name.as_str(), &name.replace('.', "_"));
            }
            Expr::parse(&text).map_err(|why| format!("{key}: {why}"))
        };
        let relevance = text_of(mapping, "rmap_relevance", "always")?.replace("always", "True");
        let relevance = expr(&relevance, "rmap_relevance")?;
        let omit = expr(&text_of(mapping, "rmap_omit", "False")?, "rmap_omit")?;

        // Later entries win, and comment parkeys come last; names meet in lower case.
        let mut by_name: HashMap<String, Expr> = HashMap::new();
        if let Some(table) = mapping.header_value("parkey_relevance") {
            let items = table.as_dict().ok_or("parkey_relevance must be a dictionary")?;
            for (key, value) in items {
                let (Some(key), Some(text)) = (key.as_str(), value.as_str()) else {
                    return Err("parkey_relevance must map names to expressions".to_owned());
                };
                by_name.insert(key.to_lowercase(), expr(text, "parkey_relevance")?);
            }
        }
        for key in names(mapping.header_value("comment_parkeys"), "comment_parkeys")? {
            by_name.insert(key.to_lowercase(), expr("keep_comments", "comment_parkeys")?);
        }
        let parkey_relevance = required
            .iter()
            .enumerate()
            .filter_map(|(at, name)| Some((at, by_name.get(&name.to_lowercase())?.clone())))
            .collect();

        let hooks = match mapping.header_value("hooks") {
            None => Vec::new(),
            Some(table) => {
                let items = table.as_dict().ok_or("hooks must be a dictionary")?;
                let pair = |(k, v): &(Ast<'_>, Ast<'_>)| Some((k.as_str()?.to_owned(), v.as_str()?.to_owned()));
                items.iter().map(|item| pair(item).ok_or("hooks must map names to names")).collect::<Result<_, _>>()?
            }
        };
        let hook = |generic: &str| {
            let function = if hooks.is_empty() {
                format!("{generic}_{instrument}_{filekind}_v1")
            } else {
                let named = hooks.iter().rev().find(|(key, _)| key == generic);
                named.map_or(generic, |(_, function)| function.as_str()).to_owned()
            };
            Hook::find(&observatory, &instrument, &function)
        };
        let merge_overlaps = mapping
            .header_value("merge_overlaps")
            .map(|value| matches!(python_text(value).to_uppercase().as_str(), "TRUE" | "1"));
        let is_required =
            matches!(text_of(mapping, "reffile_required", "none")?.to_uppercase().as_str(), "YES" | "NONE");
        Ok(Self {
            name: name.to_owned(),
            sha1sum: text_of(mapping, "sha1sum", "")?,
            header: mapping.header.clone().into_owned(),
            precondition: hook("precondition_header"),
            fallback: hook("fallback_header"),
            observatory,
            instrument,
            filekind,
            required,
            relevance,
            omit,
            parkey_relevance,
            is_required,
            merge_overlaps,
            tree,
            root,
            tame: OnceLock::new(),
        })
    }
}

/// The substitution tables: built-in ones, each replaced whole by the header's for the same keyword.
fn substitutions<'a>(mapping: &'a Mapping<std::borrow::Cow<'a, str>>) -> Result<Substitutions<'a>, String> {
    let mut tables: Substitutions<'a> =
        BUILT_IN.iter().map(|(keyword, from, to)| (*keyword, vec![(from, to)])).collect();
    if let Some(own) = mapping.header_value("substitutions") {
        for (keyword, table) in own.as_dict().ok_or("substitutions must be a dictionary")? {
            let (Some(keyword), Some(table)) = (keyword.as_str(), table.as_dict()) else {
                return Err("substitutions must map keywords to dictionaries".to_owned());
            };
            tables.insert(keyword, table.iter().map(|(from, to)| (from, to)).collect());
        }
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rmap(observatory: &str, more: &str) -> Rmap {
        let text = format!(
            "header = {{'mapping': 'REFERENCE', 'observatory': '{observatory}', 'instrument': 'ACS', 'filekind': 'DARKFILE', \
             'name': 'x.rmap', 'derived_from': 'y', 'parkey': (('DETECTOR',),), {more}}}\nselector = Match({{'WFC': 'a.fits'}})\n"
        );
        Rmap::parse(text.as_bytes(), "x.rmap").expect("rules")
    }

    #[test]
    fn what_the_header_leaves_open_the_library_decides() {
        // Today's library, that of 2019.
        let merged = |rmap: &Rmap| [rmap.merges(false), rmap.merges(true)];
        assert_eq!(merged(&rmap("HST", "")), [true, true]);
        assert_eq!(merged(&rmap("JWST", "")), [true, false]);
        for observatory in ["HST", "JWST"] {
            assert_eq!(merged(&rmap(observatory, "'merge_overlaps': True")), [true, true]);
            assert_eq!(merged(&rmap(observatory, "'merge_overlaps': 'false'")), [false, false]);
        }
    }
}

//! Best references and parkeys (WP 1.7). The choosing itself is `rules`' work.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{super::rules_store::is_special, Answer, Outcome, Rpc, RpcError, archive::header_text, json::Json};
use crate::rules::syntax::Value as Rule;

/// Largest number of ids of one call.
const MAX_IDS: usize = 1000;

/// What the driver of the archive's database says when it does not answer.
const NO_CONNECTION: &str =
    "('08S01', '[08S01] [FreeTDS][SQL Server]Unable to connect to data source (0) (SQLDriverConnect)')";

/// What is said of an id for which nothing at all was found (WP 1.7).
const NO_PARAMETERS: &str = "FAILED: unable to obtain matching parameters.";

/// Keywords and values of one dataset, in the order of the call.
pub(super) type Header = Vec<(String, String)>;

/// What the archive has for an id: a header, or a text that there is none.
enum Found {
    Header(Header),
    Text(String),
}

impl Found {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Object(header) => {
                Some(Self::Header(header.iter().map(|(key, value)| (key.clone(), header_text(value))).collect()))
            }
            Value::String(text) => Some(Self::Text(text.clone())),
            _ => None,
        }
    }

    fn into_json(self) -> Value {
        match self {
            Self::Header(header) => header.into_iter().map(|(key, value)| (key, Value::String(value))).collect(),
            Self::Text(text) => Value::String(text),
        }
    }
}

impl Rpc<'_> {
    /// Best references of one header under a context of any kind; types in lower case, empty = all.
    pub(super) fn best(
        &self,
        context: &str,
        header: &[(String, String)],
        types: &[String],
    ) -> Result<Map<String, Value>, RpcError> {
        self.server.best_references(context, header, types).map_err(RpcError::other)
    }

    pub(super) fn get_best_references(&self, context: &Json, header: &Json, types: &Json) -> Outcome {
        let context = self.context(context)?;
        let header = self.header(header)?;
        let types = self.reftypes(types)?;
        Ok(Value::Object(self.best(&context, &header, &types)?).into())
    }

    pub(super) fn get_best_references_by_header_map(&self, context: &Json, headers: &Json, types: &Json) -> Outcome {
        let context = self.context(context)?;
        let headers = self.header_map(headers)?;
        let types = self.reftypes(types)?;
        let mut out = Map::new();
        for (id, header) in headers {
            out.insert(id, self.verdict(&context, &header, &types));
        }
        Ok(Answer::from(Value::Object(out)))
    }

    /// `[true, {...}]` or `[false, "FAILED: ..."]`.
    fn verdict(&self, context: &str, header: &Header, types: &[String]) -> Value {
        match self.best(context, header, types) {
            Ok(found) => json!([true, found]),
            Err(err) => json!([false, format!("FAILED: {}", err.text)]),
        }
    }

    pub(super) fn get_best_references_by_ids(
        &self,
        context: &Json,
        ids: &Json,
        types: &Json,
        include_headers: Option<&Json>,
    ) -> Outcome {
        let context = self.context(context)?;
        let ids = self.limited_ids(ids)?;
        let types = self.reftypes(types)?;
        let include = match include_headers {
            Some(value) => self.boolean(value)?,
            None => false,
        };
        let headers = self.headers_of(&ids)?;
        let mut out = Map::new();
        let mut used = Map::new();
        for (id, found) in ids.iter().zip(headers) {
            let verdict = match &found {
                Some(Found::Header(header)) => self.verdict(&context, header, &types),
                Some(Found::Text(text)) => json!([false, text]),
                None => json!([false, NO_PARAMETERS]),
            };
            out.insert(id.clone(), verdict);
            if let Some(found) = found {
                used.insert(id.clone(), found.into_json());
            }
        }
        if include {
            out.insert("headers".to_owned(), Value::Object(used));
        }
        Ok(Answer::from(Value::Object(out)))
    }

    pub(super) fn get_aui_best_references(&self, date: &Json, ids: &Json) -> Outcome {
        let context = self.context(date)?;
        let ids = self.dataset_ids(ids)?;
        too_many(ids.len())?;
        let headers = self.headers_of(&ids)?;
        let mut out = Map::new();
        for (id, found) in ids.iter().zip(headers) {
            let verdict = match found {
                None => json!([false, NO_PARAMETERS]),
                Some(Found::Text(text)) => json!([false, text]),
                Some(Found::Header(header)) => match self.best(&context, &header, &[]) {
                    Err(err) => json!([false, format!("FAILED: {}", err.text)]),
                    Ok(best) => json!([true, files_of(&best)?]),
                },
            };
            out.insert(id.clone(), verdict);
        }
        Ok(Answer::from(Value::Object(out)))
    }

    /// Ids of a call that takes at most a thousand. 2019 counts before it looks whether it is a list.
    fn limited_ids(&self, ids: &Json) -> Result<Vec<String>, RpcError> {
        if self.dialect().counts_ids_first {
            let count = match ids {
                Json::List(items) => items.len(),
                Json::Object(members) => members.len(),
                Json::Str(text) => text.chars().count(),
                other => {
                    return Err(RpcError::other(format!("object of type '{}' has no len()", other.type_name())));
                }
            };
            too_many(count)?;
        }
        let ids = self.dataset_ids(ids)?;
        too_many(ids.len())?;
        Ok(ids)
    }

    /// What the archive has for each id; a plain id has that of the alphabetically first id found whose text contains it,
    /// and one that it does not know the text that says so, because the archive is asked for it as its own product (WP 1.7;
    /// read in the source of 2019). 2014 knows only the archive's own names.
    fn headers_of(&self, ids: &[String]) -> Result<Vec<Option<Found>>, RpcError> {
        let exact_only = !self.dialect().finds_parts_of_ids;
        // Later servers look for surrogates of intermediate products first, whatever they are asked about.
        if self.obs() == "hst" && !exact_only && !self.server.archive_is_up() {
            return Err(RpcError::other(NO_CONNECTION));
        }
        if exact_only {
            let found: BTreeMap<String, Value> = self.headers_by_id(ids, None)?.into_iter().collect();
            let exact = |id: &String| found.get(id).filter(|value| value.is_object()).and_then(Found::of);
            return Ok(ids.iter().map(exact).collect());
        }
        let found = self.headers_of_products(ids)?;
        let of = |id: &String| {
            let contains = |key: &str| key.contains(id.as_str()) || key.replace('.', "_").contains(id.as_str());
            let value = found.get(id).or_else(|| found.iter().find(|(key, _)| contains(key)).map(|(_, value)| value));
            value.and_then(Found::of)
        };
        Ok(ids.iter().map(of).collect())
    }

    /// Headers by compound id: of the members of associations that the ids name, and of every other id as a product that
    /// is its own exposure.
    fn headers_of_products(&self, ids: &[String]) -> Result<BTreeMap<String, Value>, RpcError> {
        let known: BTreeMap<String, Value> = self.headers_by_id(ids, None)?.into_iter().collect();
        let mut found: BTreeMap<String, Value> = known.into_iter().filter(|(_, value)| value.is_object()).collect();
        let unknown: Vec<String> = ids
            .iter()
            .filter(|id| !found.keys().any(|key| key.contains(id.as_str())))
            .map(|id| if id.contains(':') { id.clone() } else { format!("{id}:{id}") })
            .collect();
        if !unknown.is_empty() {
            found.extend(self.headers_by_id(&unknown, None)?);
        }
        Ok(found)
    }

    pub(super) fn get_required_parkeys(&self, context: &Json) -> Outcome {
        let name = self.context(context)?;
        if name.ends_with(".rmap") {
            return Ok(json!(self.rmap_parkeys(&name)?).into());
        }
        if name.ends_with(".imap") {
            return Ok(json!(self.imap_parkeys(&name)?).into());
        }
        let pmap = self.server.rules.load_sound(&name)?;
        let own = texts(pmap.mapping.header_value("parkey"));
        let mut out = Map::new();
        for (instrument, imap) in &pmap.entries {
            if !is_special(imap) {
                let mut keys = own.clone();
                keys.extend(self.imap_parkeys(imap)?);
                out.insert(instrument.to_lowercase(), json!(keys));
            }
        }
        Ok(Answer::from(Value::Object(out)))
    }

    fn imap_parkeys(&self, name: &str) -> Result<BTreeSet<String>, RpcError> {
        let imap = self.server.rules.load_sound(name)?;
        let mut keys: BTreeSet<String> = texts(imap.mapping.header_value("parkey")).into_iter().collect();
        if self.dialect().later_parkeys {
            keys.extend(texts(imap.mapping.header_value("extra_keys")));
        }
        for rmap in imap.children() {
            keys.extend(self.rmap_parkeys(rmap)?);
        }
        Ok(keys)
    }

    /// Required parkeys of an rmap, in the order of RS 3.
    fn rmap_parkeys(&self, name: &str) -> Result<Vec<String>, RpcError> {
        let rmap = self.server.rules.load_sound(name)?;
        let mut keys = texts(rmap.mapping.header_value("parkey"));
        if let Some(switch) = rmap.mapping.header_str("reffile_switch").map(str::to_uppercase)
            && switch != "NONE"
        {
            keys.push(switch);
        }
        keys.extend(texts(rmap.mapping.header_value("extra_keys")));
        // The library of 2019 (7.3.1) does not have them yet.
        if self.obs() == "jwst" && self.dialect().later_parkeys {
            keys.extend(["META.VISIT.TSOVISIT", "META.INSTRUMENT.LAMP_STATE"].map(str::to_owned));
        }
        Ok(keys)
    }
}

/// The files among best references, in the order of the types, one that serves two of them twice.
///
/// # Errors
///
/// Several references for one type: what the server does with their names fails for the whole call.
fn files_of(best: &Map<String, Value>) -> Result<Vec<&str>, RpcError> {
    if best.values().any(Value::is_array) {
        return Err(RpcError::no_attribute("tuple", "startswith"));
    }
    let texts = best.values().filter_map(Value::as_str);
    Ok(texts.filter(|name| !name.starts_with("NOT FOUND") && !is_special(name)).collect())
}

fn too_many(count: usize) -> Result<(), RpcError> {
    if count > MAX_IDS {
        return Err(RpcError::check(
            "InvalidDatasetIds",
            format!("Get best references by ids limited to <= '{MAX_IDS}' datasets per call."),
        ));
    }
    Ok(())
}

/// All texts inside a header value, flattened.
fn texts(value: Option<&Rule>) -> Vec<String> {
    fn walk(value: &Rule, out: &mut Vec<String>) {
        match value {
            Rule::Str(text) => out.push(text.clone()),
            Rule::Tuple(items) | Rule::List(items) => items.iter().for_each(|item| walk(item, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    if let Some(value) = value {
        walk(value, &mut out);
    }
    out
}

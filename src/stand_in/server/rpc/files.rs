//! Files: records, addresses, names below a context, chunks.

use std::{borrow::Cow, collections::HashMap, fs};

use base64::Engine;
use serde_json::json;

use super::{
    super::{Era, catalog::FileRow, clock, rules_store::is_mapping_name},
    Answer, Outcome, Rpc, RpcError,
    json::{Json, write_text},
};

/// Fields of a file's record, in order (WP 1.10); the last one came after 2014.
const FIELDS: [&str; 25] = [
    "name",
    "state",
    "blacklisted",
    "rejected",
    "observatory",
    "instrument",
    "filekind",
    "type",
    "derived_from",
    "sha1sum",
    "delivery_date",
    "activation_date",
    "useafter_date",
    "change_level",
    "pedigree",
    "reference_file_type",
    "size",
    "uploaded_as",
    "creator_name",
    "deliverer_user",
    "description",
    "replaced_by_filename",
    "comment",
    "aperture",
    "history",
];

/// Bytes of a chunk of the old download mode.
const CHUNK_BYTES: usize = 8 << 20;

/// A date as a record shows it: as Python writes it, or the stand-in for a missing one.
fn date<'t>(text: &'t str, missing: &'static str) -> Cow<'t, str> {
    let plain = text.len() == 19
        && text.bytes().zip(*b"dddd-dd-dd dd:dd:dd").all(|(c, p)| if p == b'd' { c.is_ascii_digit() } else { c == p });
    if plain {
        return Cow::Borrowed(text);
    }
    match clock::parse(text) {
        _ if text.is_empty() => Cow::Borrowed(missing),
        Some(time) => Cow::Owned(clock::python_text(time)),
        None => Cow::Borrowed(text),
    }
}

/// Writes a text in lower case. Nearly all are plain already, and there are some hundred thousand in a whole map.
fn write_lower(text: &str, out: &mut String) {
    let plain = |b: u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\' | b'A'..=b'Z');
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        write_text(&text.to_lowercase(), out);
    }
}

impl Rpc<'_> {
    fn fields(&self) -> &'static [&'static str] {
        if self.era() == Era::Y2014 { &FIELDS[..24] } else { &FIELDS }
    }

    /// The text of a field as a record shows it, with the stand-ins for what is missing; not yet in lower case.
    fn shown<'r>(&self, row: &'r FileRow, field: &str) -> Cow<'r, str> {
        let flag = |b: bool| Cow::Borrowed(if b { "true" } else { "false" });
        match field {
            "blacklisted" => flag(row.blacklisted),
            "rejected" => flag(row.rejected),
            "activation_date" => date(&row.activation_date, "2050-01-01 00:00:00"),
            "useafter_date" => date(&row.useafter_date, self.server.dialect().no_useafter),
            "delivery_date" => date(&row.delivery_date, ""),
            "sha1sum" if row.sha1sum.is_empty() => Cow::Borrowed("none"),
            other => match row.text(other) {
                Some(text) => Cow::Borrowed(text),
                None => Cow::Owned(row.field(other).unwrap_or_default()),
            },
        }
    }

    fn record(&self, row: &FileRow, fields: &[&str], out: &mut String) {
        out.push('{');
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                out.push_str(", ");
            }
            out.push('"');
            out.push_str(field);
            out.push_str("\": ");
            write_lower(&self.shown(row, field), out);
        }
        out.push('}');
    }

    pub(super) fn get_file_info(&self, observatory: &Json, file: &Json) -> Outcome {
        if let Err(refusal) = self.observatory(observatory) {
            if refusal.name != "InvalidObservatoryError" {
                return Err(refusal);
            }
            let context = self.context(observatory)?;
            if self.era() == Era::Y2014 {
                // The branch for contexts uses an attribute on a text.
                return Err(RpcError::no_attribute("unicode", "observatory"));
            }
            drop(context);
        }
        let row = self.known_file(file)?;
        let mut text = String::new();
        self.record(&row, self.fields(), &mut text);
        Ok(Answer(text))
    }

    pub(super) fn get_file_info_map(&self, observatory: &Json, files: &Json, fields: &Json) -> Outcome {
        let observatory = self.observatory(observatory)?;
        let files = self.file_list(files)?;
        let asked = self.field_list(fields)?;
        let fields: Vec<&str> = match &asked {
            None => self.fields().to_vec(),
            Some(names) => {
                let mut fields: Vec<&str> = Vec::new();
                for name in names {
                    if let Some(field) = self.fields().iter().find(|f| **f == name)
                        && !fields.contains(field)
                    {
                        fields.push(field);
                    }
                }
                fields
            }
        };
        let faults = self.server.config.dirs.faults.exists();
        let mut text = String::from("{");
        let mut entry = |name: &str, row: Option<&FileRow>| {
            if text.len() > 1 {
                text.push_str(", ");
            }
            write_text(name, &mut text);
            text.push_str(": ");
            match row.filter(|row| !faults || !self.server.faulty_for("metadata_missing", &row.name)) {
                Some(row) => self.record(row, &fields, &mut text),
                None => write_text("NOT FOUND", &mut text),
            }
        };
        match files {
            None => {
                for row in self.server.catalogue.files()?.iter().filter(|row| row.observatory == observatory) {
                    entry(&row.name, Some(row));
                }
            }
            Some(mut names) => {
                let mut seen = std::collections::HashSet::new();
                names.retain(|name| seen.insert(name.clone()));
                // One question per file is dear for a long list, reading everything for a short one.
                let known: HashMap<String, FileRow> = if names.len() > 200 {
                    self.server.catalogue.files()?.into_iter().map(|row| (row.name.clone(), row)).collect()
                } else {
                    let mut known = HashMap::new();
                    for name in &names {
                        if let Some(row) = self.server.catalogue.file(name)? {
                            known.insert(name.clone(), row);
                        }
                    }
                    known
                };
                for name in &names {
                    entry(name, known.get(name));
                }
            }
        }
        text.push('}');
        Ok(Answer(text))
    }

    pub(super) fn file_exists(&self, file: &Json) -> Outcome {
        self.known_file(file)?;
        Ok(json!(true).into())
    }

    fn url(&self, name: &str) -> Answer {
        json!(format!("{}get/{name}", self.server.config.public_url)).into()
    }

    pub(super) fn get_url(&self, context: &Json, file: &Json) -> Outcome {
        self.context(context)?;
        Ok(self.url(self.file_name(file)?))
    }

    pub(super) fn get_known_url(&self, context: &Json, file: &Json, mapping: bool) -> Outcome {
        self.context(context)?;
        let row = if mapping { self.known_mapping(file)? } else { self.known_reference(file)? };
        Ok(self.url(&row.name))
    }

    pub(super) fn get_mapping_names(&self, context: &Json) -> Outcome {
        self.cached("get_mapping_names", &[context], || {
            let contexts = match context {
                Json::Str(_) => vec![self.context(context)?],
                Json::List(items) => items.iter().map(|item| self.context(item)).collect::<Result<_, _>>()?,
                _ => {
                    return Err(RpcError::check("UnknownMappingError", "Not a .pmap name or list of .pmap names"));
                }
            };
            let mut names = std::collections::BTreeSet::new();
            for context in contexts {
                names.extend(self.server.rules.closure(&context)?);
            }
            Ok(json!(names).into())
        })
    }

    pub(super) fn get_reference_names(&self, context: &Json) -> Outcome {
        self.cached("get_reference_names", &[context], || {
            let context = self.context(context)?;
            Ok(json!(self.server.rules.references(&context)?).into())
        })
    }

    /// The old download mode of 2014: number of chunks, and one of them.
    pub(super) fn get_file_chunk(&self, context: &Json, file: &Json, chunk: &Json) -> Outcome {
        self.context(context)?;
        let row = self.known_file(file)?;
        let dirs = &self.server.config.dirs;
        let dir = if is_mapping_name(&row.name) { &dirs.mappings } else { &dirs.references };
        let path = dir.join(&row.name);
        let bytes = fs::read(&path).map_err(|err| RpcError::other(super::super::rules_store::os_error(&err, &path)))?;
        let chunks = bytes.len().div_ceil(CHUNK_BYTES);
        let number = match chunk {
            Json::Int(text) => text.parse::<usize>().ok(),
            _ => None,
        };
        match number.and_then(|n| bytes.chunks(CHUNK_BYTES).nth(n)) {
            Some(piece) => Ok(json!([chunks, base64::engine::general_purpose::STANDARD.encode(piece)]).into()),
            None => {
                Err(RpcError::check("InvalidChunk", format!("Invalid chunk {} for file '{}'", chunk.repr(), row.name)))
            }
        }
    }
}

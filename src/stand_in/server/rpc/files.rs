//! Files: records, addresses, names below a context, chunks.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs,
    sync::{Arc, Mutex, PoisonError},
};

use base64::Engine;
use serde_json::json;

use super::{
    super::{
        catalog::{FileRow, Shown, Stamp},
        clock,
        rules_store::is_mapping_name,
    },
    Answer, Kept, Outcome, Rpc, RpcError,
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

/// The last maps of the whole catalogue: its state, and for each list of fields the text.
#[derive(Debug, Default)]
pub struct WholeMap(Mutex<Option<(Stamp, Maps)>>);

/// Lists of fields and their texts, the one asked for last at the end.
type Maps = Vec<(Vec<&'static str>, Kept)>;

/// How many lists of fields are kept: a client asks for all, and for the two or three that its commands need.
const MAPS_KEPT: usize = 4;

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
        if self.dialect().file_history { &FIELDS } else { &FIELDS[..24] }
    }

    /// What a record shows for a field without a value.
    fn missing(&self, field: &str) -> &'static str {
        match field {
            "activation_date" => "2050-01-01 00:00:00",
            "useafter_date" => self.server.dialect().no_useafter,
            "sha1sum" => "none",
            // A number cannot be an empty text; this is what a file has that was never measured.
            "size" => "-1",
            _ => "",
        }
    }

    /// The text of a field as a record shows it, with the stand-ins for what is missing; not yet in lower case.
    fn shown<'r>(&self, row: &'r FileRow, field: &str) -> Cow<'r, str> {
        let flag = |b: bool| Cow::Borrowed(if b { "true" } else { "false" });
        match field {
            "blacklisted" => flag(row.blacklisted),
            "rejected" => flag(row.rejected),
            "activation_date" => date(&row.activation_date, self.missing(field)),
            "useafter_date" => date(&row.useafter_date, self.missing(field)),
            "delivery_date" => date(&row.delivery_date, self.missing(field)),
            "sha1sum" if row.sha1sum.is_empty() => Cow::Borrowed(self.missing(field)),
            "size" if row.size.is_none() => Cow::Borrowed(self.missing(field)),
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
            self.server.rules.load_sound(&context)?;
            if !self.dialect().file_info_by_context {
                // The branch for contexts uses an attribute on a text.
                return Err(RpcError::no_attribute("unicode", "observatory"));
            }
        }
        let row = self.known_file(file)?;
        let mut text = String::new();
        self.record(&row, self.fields(), &mut text);
        Ok(Answer::Own(text))
    }

    pub(super) fn get_file_info_map(&self, observatory: &Json, files: &Json, fields: &Json) -> Outcome {
        let observatory = self.observatory(observatory)?;
        let files = self.file_list(files)?;
        let asked = self.field_list(fields)?;
        let fields: Vec<&'static str> = match &asked {
            None => self.fields().to_vec(),
            Some(names) => {
                let mut fields: Vec<&'static str> = Vec::new();
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
        // The names of the fields are those of the first file in the catalogue.
        if asked.is_none() && !self.server.catalogue.has_files(&observatory)? {
            return Err(RpcError::other("list index out of range"));
        }
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
            None => return self.whole_map(&observatory, &fields),
            Some(mut names) => {
                let mut seen = std::collections::HashSet::new();
                names.retain(|name| seen.insert(name.clone()));
                let known = self.rows_of(&observatory, names.iter())?;
                for name in &names {
                    entry(name, known.get(name));
                }
            }
        }
        text.push('}');
        Ok(Answer::Own(text))
    }

    /// The records of every file of the observatory. Megabytes, so the last answer is kept until the catalogue changes.
    fn whole_map(&self, observatory: &str, fields: &[&'static str]) -> Outcome {
        let faulty = self.server.config.dirs.faults.exists();
        let stamp = self.server.catalogue.stamp()?;
        let mut kept = self.server.whole_map.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut maps = kept.take().filter(|(at, _)| *at == stamp && !faulty).map_or_else(Maps::new, |(_, maps)| maps);
        let text = match maps.iter().position(|(of, _)| of == fields) {
            Some(at) => maps.remove(at).1,
            None => {
                let mut text = String::from("{");
                self.entries(observatory, fields, &mut text)?;
                text.push('}');
                if faulty {
                    return Ok(Answer::Own(text));
                }
                if maps.len() >= MAPS_KEPT {
                    maps.remove(0);
                }
                Kept(Arc::new(text))
            }
        };
        maps.push((fields.to_vec(), text.clone()));
        *kept = Some((stamp, maps));
        Ok(Answer::Kept(text))
    }

    /// The entries of every file of the observatory.
    fn entries(&self, observatory: &str, fields: &[&'static str], out: &mut String) -> Result<(), RpcError> {
        let catalogue = &self.server.catalogue;
        let shown: Vec<Shown> =
            fields.iter().map(|field| Shown { column: field, missing: self.missing(field) }).collect();
        let faults = self.server.config.dirs.faults.exists();
        // Rows of the kind that the database cannot write are few, as a rule; the text is cut where they belong.
        let mut by_hand: Vec<(String, String)> = Vec::new();
        catalogue.records(observatory, &shown, |name, record| {
            if out.len() > 1 || !by_hand.is_empty() {
                out.push_str(", ");
            }
            write_text(name, out);
            match record.filter(|_| !faults) {
                Some(record) => {
                    out.push_str(": {");
                    // Names of fields are in lower case already.
                    let start = out.len();
                    out.push_str(record);
                    out[start..].make_ascii_lowercase();
                    out.push('}');
                }
                None => {
                    out.push_str(": ");
                    by_hand.push((std::mem::take(out), name.to_owned()));
                }
            }
        })?;
        if by_hand.is_empty() {
            return Ok(());
        }
        let known = self.rows_of(observatory, by_hand.iter().map(|(_, name)| name))?;
        let mut text = String::new();
        for (before, name) in by_hand {
            text.push_str(&before);
            match known.get(&name).filter(|_| !faults || !self.server.faulty_for("metadata_missing", &name)) {
                Some(row) => self.record(row, fields, &mut text),
                None => write_text("NOT FOUND", &mut text),
            }
        }
        out.insert_str(0, &text);
        Ok(())
    }

    /// The rows of an observatory's files, as far as they are catalogued. One question per file is dear for a long list,
    /// reading everything for a short one.
    fn rows_of<'n>(
        &self,
        observatory: &str,
        names: impl ExactSizeIterator<Item = &'n String>,
    ) -> Result<HashMap<String, FileRow>, RpcError> {
        let catalogue = &self.server.catalogue;
        let own = |row: &FileRow| row.observatory == observatory;
        if names.len() > 200 {
            return Ok(catalogue.files()?.into_iter().filter(own).map(|row| (row.name.clone(), row)).collect());
        }
        let mut known = HashMap::new();
        for name in names {
            if let Some(row) = catalogue.file(name)?.filter(own) {
                known.insert(name.clone(), row);
            }
        }
        Ok(known)
    }

    pub(super) fn file_exists(&self, file: &Json) -> Outcome {
        self.known_file(file)?;
        Ok(json!(true).into())
    }

    fn url(&self, name: &str) -> Answer {
        json!(format!("{}get/{name}", self.server.config.public_url)).into()
    }

    pub(super) fn get_url(&self, context: &Json, file: &Json) -> Outcome {
        let context = self.context(context)?;
        let name = self.file_name(file)?;
        // Loaded only to learn its observatory, but a context that does not load has no address to give.
        self.server.rules.load_sound(&context)?;
        Ok(self.url(name))
    }

    pub(super) fn get_known_url(&self, context: &Json, file: &Json, mapping: bool) -> Outcome {
        let context = self.context(context)?;
        let row = if mapping { self.known_mapping(file)? } else { self.known_reference(file)? };
        self.server.rules.load(&context)?;
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
                names.extend(self.server.rules.sound_closure(&context)?);
            }
            Ok(json!(names).into())
        })
    }

    pub(super) fn get_reference_names(&self, context: &Json) -> Outcome {
        // Checked at every question; only what lies below is remembered.
        let context = self.context(context)?;
        self.cached("get_reference_names", &[&Json::Str(context.clone())], || {
            self.server.rules.sound_closure(&context)?;
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

//! Datasets of the archive: ids and headers (WP 1.7).
//!
//! The archive is a file, read afresh when it changes: one JSON object a line, `{"id": "PRODUCT:EXPOSURE", "header":
//! {...}}`. Whether its database answers is a word in a second file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value, json};

use super::{
    super::{Server, clock},
    Answer, Outcome, Rpc, RpcError,
    json::Json,
};

/// Headers by compound id.
pub type Datasets = BTreeMap<String, Map<String, Value>>;

/// The archive's headers, kept as long as their file does not change.
#[derive(Debug, Default)]
pub struct Archive {
    #[allow(clippy::type_complexity)]
    kept: Mutex<Option<((u64, i64, i64), Arc<Datasets>)>>,
}

impl Server {
    /// The archive's headers; empty if it knows none.
    pub fn datasets(&self) -> Arc<Datasets> {
        use std::os::unix::fs::MetadataExt;
        let path = &self.config.dirs.datasets;
        let Ok(meta) = fs::metadata(path) else { return Arc::default() };
        let stamp = (meta.len(), meta.mtime(), meta.mtime_nsec());
        let mut kept = self.archive.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, datasets)) = kept.as_ref()
            && *at == stamp
        {
            return Arc::clone(datasets);
        }
        let mut datasets = Datasets::new();
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            if let Ok(Value::Object(mut one)) = serde_json::from_str(line)
                && let (Some(Value::String(id)), Some(Value::Object(header))) = (one.remove("id"), one.remove("header"))
            {
                datasets.insert(id.to_uppercase(), header);
            }
        }
        let datasets = Arc::new(datasets);
        *kept = Some((stamp, Arc::clone(&datasets)));
        datasets
    }

    /// Whether the archive's database answers.
    pub fn archive_is_up(&self) -> bool {
        fs::read_to_string(&self.config.dirs.archive).map_or(true, |word| word.trim() != "away")
    }
}

/// Instrument of an HST dataset id by its first letter.
fn instrument_of(id: &str) -> Option<&'static str> {
    Some(match id.chars().next()? {
        'J' => "acs",
        'L' => "cos",
        'N' => "nicmos",
        'O' => "stis",
        'I' => "wfc3",
        'U' => "wfpc2",
        'E' => "eng",
        'F' => "fgs",
        'V' => "hsp",
        'W' => "wfpc",
        'X' => "foc",
        'Y' => "fos",
        'Z' => "hrs",
        _ => return None,
    })
}

/// Instruments that no longer observe: the archive's tables of datasets have none of theirs (WP 1.7).
const RETIRED: [&str; 7] = ["eng", "fgs", "hsp", "wfpc", "foc", "fos", "hrs"];

/// What is said of an instrument whose tables are not to be had: the database is away, or has none.
fn no_access(instrument: &str) -> String {
    format!("CRDS access to DADSOPS database for instrument '{}' failed.", instrument.to_uppercase())
}

/// Text of a header's value.
pub fn header_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

/// Whether an exposure began at or after a moment.
fn not_before(header: &Map<String, Value>, since: &str) -> bool {
    let start = ["EXPSTART", "TEXPSTRT"].iter().find_map(|key| {
        header.iter().find(|(k, _)| k.to_uppercase().split('.').next_back() == Some(*key)).map(|(_, v)| header_text(v))
    });
    match start {
        Some(text) => {
            let text = text.trim().replacen('T', " ", 1);
            match text.parse::<f64>() {
                Ok(mjd) => mjd_text(mjd).as_str() >= since,
                Err(_) => text.as_str() >= since,
            }
        }
        None => true,
    }
}

/// A modified Julian date as `YYYY-MM-DD HH:MM:SS`.
fn mjd_text(mjd: f64) -> String {
    use jiff::ToSpan;
    let seconds = (mjd * 86_400.0).clamp(-1e11, 1e11) as i64;
    let zero = jiff::civil::date(1858, 11, 17).at(0, 0, 0, 0);
    zero.checked_add(seconds.seconds()).map(clock::whole_seconds).unwrap_or_default()
}

impl Rpc<'_> {
    pub(super) fn get_dataset_ids(&self, context: &Json, instrument: &Json, since: &Json) -> Outcome {
        self.context(context)?;
        let instrument = self.instrument(instrument)?;
        let since = self.since(since)?;
        if matches!(instrument.as_str(), "synphot" | "system") {
            return Ok(json!([]).into());
        }
        if !self.server.archive_is_up() {
            return Err(RpcError::other(no_access(&instrument)));
        }
        let datasets = self.server.datasets();
        let ids: Vec<&String> = datasets
            .iter()
            .filter(|(id, header)| belongs(id, header, &instrument) && not_before(header, &since))
            .map(|(id, _)| id)
            .collect();
        Ok(json!(ids).into())
    }

    pub(super) fn get_dataset_headers_by_id(&self, context: &Json, ids: &Json, since: &Json) -> Outcome {
        self.context(context)?;
        let ids = self.dataset_ids(ids)?;
        let since = self.since(since)?;
        let most = self.server.dialect().max_headers_per_rpc;
        if ids.len() > most {
            return Err(RpcError::other(format!("Too many ids.   More than {most} datasets specified.")));
        }
        let since = self.dialect().heeds_since.then_some(since);
        let headers = self.headers_by_id(&ids, since.as_deref())?;
        let mut map = Map::new();
        for (id, header) in headers.into_iter().filter(|(id, _)| !self.server.faulty_for("headers_missing", id)) {
            map.insert(id, header);
        }
        Ok(Answer::from(Value::Object(map)))
    }

    /// Headers of datasets by the ids asked (upper case), expanded; an unknown one has a text instead.
    ///
    /// A plain id asks for everything of that product or exposure; of a compound one only the exposure counts, whatever
    /// product it belongs to.
    pub(super) fn headers_by_id(&self, ids: &[String], since: Option<&str>) -> Result<Vec<(String, Value)>, RpcError> {
        let ids: BTreeSet<String> = ids.iter().map(|id| self.normalised(id)).collect();
        let product = |id: &str| id.split(':').next().unwrap_or_default().to_owned();
        let hst = self.obs() == "hst";
        // In the order in which they are asked about: by the products' names.
        let mut instruments: Vec<&str> = Vec::new();
        if hst {
            for product in ids.iter().map(|id| product(id)).collect::<BTreeSet<_>>() {
                match instrument_of(&product) {
                    Some(instrument) => instruments.push(instrument),
                    None => {
                        return Err(RpcError::other(format!("Can't determine instrument for dataset '{product}'")));
                    }
                }
            }
        } else if !ids.is_empty() {
            instruments.push("");
        }
        let up = self.server.archive_is_up();
        if let Some(instrument) = instruments.iter().find(|instrument| !up || RETIRED.contains(instrument)) {
            let why = no_access(instrument);
            return Err(RpcError::other(format!("Error accessing catalog for instrument '{instrument}':{why}")));
        }
        let (mut products, mut exposures) = (BTreeSet::new(), BTreeSet::new());
        for id in &ids {
            match id.split_once(':') {
                Some((_, exposure)) => drop(exposures.insert(exposure)),
                None => {
                    products.insert(id.as_str());
                    exposures.insert(id.as_str());
                }
            }
        }
        let mut out: Vec<(String, Value)> = Vec::new();
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let datasets = self.server.datasets();
        for (id, header) in datasets.iter() {
            let (product, exposure) = id.split_once(':').unwrap_or((id, id));
            let asked = products.contains(product) || exposures.contains(exposure);
            if !asked || since.is_some_and(|since| !not_before(header, since)) {
                continue;
            }
            found.extend([id.as_str(), product, exposure]);
            let texts: Map<String, Value> =
                header.iter().map(|(k, v)| (k.clone(), Value::String(header_text(v)))).collect();
            out.push((id.clone(), Value::Object(texts)));
        }
        for id in &ids {
            // An association asked for as its own member is passed over in silence.
            let own_member = id.split_once(':').is_some_and(|(a, b)| a == b && a.ends_with('0'));
            if found.contains(id.as_str()) || (hst && own_member) {
                continue;
            }
            let text = if hst || DETECTORS.iter().any(|detector| id.contains(detector)) {
                "NOT FOUND no match found in query"
            } else {
                "NOT FOUND No instrument name found for dataset"
            };
            out.push((id.clone(), json!(text)));
        }
        Ok(out)
    }

    /// An id as the archive writes it: HST's as it is; JWST's last part, the detector, set off by a dot, and doubled if
    /// it is not compound.
    fn normalised(&self, id: &str) -> String {
        if self.obs() == "hst" {
            return id.to_owned();
        }
        let parts: Vec<&str> = id.split('_').collect();
        let fileset = match parts.as_slice() {
            [program, activity, exposure, detector] => {
                (program.len(), activity.len(), exposure.len()) == (13, 5, 5)
                    && (3..=15).contains(&detector.len())
                    && parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_alphanumeric()))
            }
            _ => false,
        };
        let dotted = match id.rsplit_once('_') {
            Some((head, detector)) if fileset => format!("{head}.{detector}"),
            _ => id.to_owned(),
        };
        if dotted.contains(':') { dotted } else { format!("{dotted}:{dotted}") }
    }
}

/// Detector names of which one stands in the id of every JWST dataset.
const DETECTORS: [&str; 7] = ["GUIDER", "NIS", "NIRISS", "NRCA", "NRCB", "NRS", "MIRI"];

/// Whether a dataset is one of an instrument: by its header, else by its id.
fn belongs(id: &str, header: &Map<String, Value>, instrument: &str) -> bool {
    let named = ["INSTRUME", "META.INSTRUMENT.NAME"]
        .iter()
        .find_map(|key| header.get(*key).map(|value| header_text(value).to_lowercase()));
    match named {
        Some(name) => name == instrument,
        None => {
            let exposure = id.rsplit(':').next().unwrap_or(id);
            instrument_of(exposure) == Some(instrument)
        }
    }
}

//! A small observatory of our own writing, and states to load on top of it.
//!
//! Three contexts: 0001 operational, 0002 replaces and adds ACS darks, 0003 is the edit context and the same but for its
//! names. All texts are made here, so that expectations can be written from the dossier and not from a server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crds_upgrade::rules::syntax::checksum;
use serde_json::{Value, json};

/// Writes a mapping with its checksum.
pub fn write_mapping(dir: &Path, name: &str, header: &[(&str, &str)], selector: &str) {
    let mut text = String::from("header = {\n");
    for (key, value) in header {
        text.push_str(&format!("    '{key}' : {value},\n"));
    }
    text.push_str(&format!("    'sha1sum' : '@',\n}}\n\nselector = {selector}\n"));
    let text = text.replace("'@'", &format!("'{}'", checksum(&text)));
    fs::write(dir.join(name), text).expect("mapping is written");
}

/// Keeps the implicit hooks of old ACS bias rules away.
const NO_HOOKS: &str = "{'precondition_header' : 'none', 'fallback_header' : 'none'}";

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

fn pmap(dir: &Path, name: &str, parent: &str, entries: &[(&str, &str)]) {
    let header = [
        ("derived_from", quoted(parent)),
        ("mapping", quoted("pipeline")),
        ("name", quoted(name)),
        ("observatory", quoted("hst")),
        ("parkey", "('INSTRUME',)".to_owned()),
    ];
    write_mapping(dir, name, &refs(&header), &dict(entries));
}

fn imap(dir: &Path, name: &str, parent: &str, instrument: &str, entries: &[(&str, &str)]) {
    let header = [
        ("derived_from", quoted(parent)),
        ("instrument", quoted(instrument)),
        ("mapping", quoted("instrument")),
        ("name", quoted(name)),
        ("observatory", quoted("hst")),
        ("parkey", "('REFTYPE',)".to_owned()),
    ];
    write_mapping(dir, name, &refs(&header), &dict(entries));
}

/// One rmap over DETECTOR and the date: `(detector, [(date, file)])`.
fn rmap(
    dir: &Path,
    name: &str,
    parent: &str,
    kind: (&str, &str),
    extra: &[(&str, &str)],
    cases: &[(&str, &[(&str, &str)])],
) {
    let mut header = vec![
        ("derived_from", quoted(parent)),
        ("filekind", quoted(kind.1)),
        ("instrument", quoted(kind.0)),
        ("mapping", quoted("reference")),
        ("name", quoted(name)),
        ("observatory", quoted("hst")),
        ("parkey", "(('DETECTOR',), ('DATE-OBS', 'TIME-OBS'))".to_owned()),
        ("reffile_switch", quoted("none")),
        ("rmap_relevance", quoted("always")),
    ];
    header.extend(extra.iter().map(|(k, v)| (*k, (*v).to_owned())));
    let mut selector = String::from("Match({\n");
    for (detector, table) in cases {
        selector.push_str(&format!("    '{detector}' : UseAfter({{\n"));
        for (date, file) in *table {
            selector.push_str(&format!("        '{date}' : '{file}',\n"));
        }
        selector.push_str("    }),\n");
    }
    selector.push_str("})");
    write_mapping(dir, name, &refs(&header), &selector);
}

fn refs<'a>(header: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    header.iter().map(|(k, v)| (*k, v.as_str())).collect()
}

fn dict(entries: &[(&str, &str)]) -> String {
    let mut text = String::from("{\n");
    for (key, value) in entries {
        text.push_str(&format!("    '{key}' : '{value}',\n"));
    }
    text + "}"
}

/// Every mapping of the small observatory, sorted.
pub const MAPPINGS: [&str; 13] = [
    "hst_0001.pmap",
    "hst_0002.pmap",
    "hst_0003.pmap",
    "hst_acs_0001.imap",
    "hst_acs_0002.imap",
    "hst_acs_0003.imap",
    "hst_acs_biasfile_0001.rmap",
    "hst_acs_darkfile_0001.rmap",
    "hst_acs_darkfile_0002.rmap",
    "hst_cos_0001.imap",
    "hst_cos_deadtab_0001.rmap",
    "hst_cos_hvtab_0001.rmap",
    "hst_stis_0001.imap",
];

/// Mappings below hst_0001.pmap, itself among them, sorted.
pub const CLOSURE_1: [&str; 8] = [
    "hst_0001.pmap",
    "hst_acs_0001.imap",
    "hst_acs_biasfile_0001.rmap",
    "hst_acs_darkfile_0001.rmap",
    "hst_cos_0001.imap",
    "hst_cos_deadtab_0001.rmap",
    "hst_cos_hvtab_0001.rmap",
    "hst_stis_0001.imap",
];

/// Mappings below hst_0002.pmap, itself among them, sorted.
pub const CLOSURE_2: [&str; 8] = [
    "hst_0002.pmap",
    "hst_acs_0002.imap",
    "hst_acs_biasfile_0001.rmap",
    "hst_acs_darkfile_0002.rmap",
    "hst_cos_0001.imap",
    "hst_cos_deadtab_0001.rmap",
    "hst_cos_hvtab_0001.rmap",
    "hst_stis_0001.imap",
];

/// References below hst_0001.pmap, sorted.
pub const REFERENCES_1: [&str; 6] =
    ["abc_bia.fits", "abc_drk.fits", "abd_drk.fits", "l1_dead.fits", "l1_hv.fits", "l2_dead.fits"];

/// Writes the mappings into a client cache.
pub fn cache(root: &Path) -> PathBuf {
    let dir = root.join("mappings").join("hst");
    fs::create_dir_all(&dir).expect("cache is made");
    let stis = ("STIS", "hst_stis_0001.imap");
    let cos = ("COS", "hst_cos_0001.imap");
    pmap(&dir, "hst_0001.pmap", "none", &[("ACS", "hst_acs_0001.imap"), cos, stis]);
    pmap(&dir, "hst_0002.pmap", "hst_0001.pmap", &[("ACS", "hst_acs_0002.imap"), cos, stis]);
    pmap(&dir, "hst_0003.pmap", "hst_0002.pmap", &[("ACS", "hst_acs_0003.imap"), cos, stis]);
    let bias = ("biasfile", "hst_acs_biasfile_0001.rmap");
    let special = [("flshfile", "N/A"), ("shadfile", "OMIT")];
    let acs = |dark: &'static str| [bias, ("darkfile", dark), special[0], special[1]];
    imap(&dir, "hst_acs_0001.imap", "none", "acs", &acs("hst_acs_darkfile_0001.rmap"));
    imap(&dir, "hst_acs_0002.imap", "hst_acs_0001.imap", "acs", &acs("hst_acs_darkfile_0002.rmap"));
    imap(&dir, "hst_acs_0003.imap", "hst_acs_0002.imap", "acs", &acs("hst_acs_darkfile_0002.rmap"));
    imap(
        &dir,
        "hst_cos_0001.imap",
        "none",
        "cos",
        &[("deadtab", "hst_cos_deadtab_0001.rmap"), ("hvtab", "hst_cos_hvtab_0001.rmap")],
    );
    imap(&dir, "hst_stis_0001.imap", "none", "stis", &[]);
    let dark = ("acs", "darkfile");
    rmap(
        &dir,
        "hst_acs_biasfile_0001.rmap",
        "none",
        ("acs", "biasfile"),
        &[("extra_keys", "('XCORNER', 'YCORNER')"), ("hooks", NO_HOOKS)],
        &[("WFC", &[("2009-01-01 00:00:00", "abc_bia.fits")])],
    );
    rmap(
        &dir,
        "hst_acs_darkfile_0001.rmap",
        "none",
        dark,
        &[],
        &[
            ("HRC", &[("2002-03-01 00:00:00", "abc_drk.fits")]),
            ("WFC", &[("2009-01-01 00:00:00", "abc_drk.fits"), ("2010-01-01 00:00:00", "abd_drk.fits")]),
        ],
    );
    rmap(
        &dir,
        "hst_acs_darkfile_0002.rmap",
        "hst_acs_darkfile_0001.rmap",
        dark,
        &[],
        &[
            ("HRC", &[("2002-03-01 00:00:00", "abc_drk.fits")]),
            (
                "WFC",
                &[
                    ("2009-01-01 00:00:00", "abc_drk.fits"),
                    ("2010-01-01 00:00:00", "abe_drk.fits"),
                    ("2014-01-01 00:00:00", "abf_drk.fits"),
                ],
            ),
        ],
    );
    rmap(
        &dir,
        "hst_cos_deadtab_0001.rmap",
        "none",
        ("cos", "deadtab"),
        &[],
        &[("FUV", &[("1996-10-01 00:00:00", "l1_dead.fits")]), ("NUV", &[("1996-10-01 00:00:00", "l2_dead.fits")])],
    );
    rmap(
        &dir,
        "hst_cos_hvtab_0001.rmap",
        "none",
        ("cos", "hvtab"),
        &[("reffile_switch", "'flatcorr'")],
        &[("FUV", &[("1996-10-01 00:00:00", "l1_hv.fits")]), ("NUV", &[("1996-10-01 00:00:00", "N/A")])],
    );
    root.to_owned()
}

/// A state, built up from an ordinary one.
#[derive(Debug, Clone)]
pub struct Load {
    /// `server.json`.
    pub settings: Value,
    files: Vec<(String, Vec<u8>)>,
}

impl Load {
    /// Contexts 0001 operational and 0003 edit, with a history of two operational rows and one edit row between them.
    pub fn ordinary() -> Self {
        let settings = json!({
            "timezone": "America/New_York",
            "contexts": [
                {"kind": "hst_operational_context", "context": "hst_0001.pmap"},
                {"kind": "hst_edit_context", "context": "hst_0003.pmap"},
            ],
            "history": [
                {"start_date": "2013-01-01 00:00:00", "context": "hst_0002.pmap", "state": "operational", "description": "first"},
                {"start_date": "2013-06-01 12:00:00", "context": "hst_0003.pmap", "state": "edit", "description": "made"},
                {"start_date": "2014-01-01 00:00:00", "context": "hst_0001.pmap", "state": "operational", "description": "back"},
            ],
            "crds_version": {"str": "7.3.1", "rev": "abc", "svnurl": "/"},
            "ingest_host": "plhstcrdsv1",
        });
        Self { settings, files: Vec::new() }
    }

    /// The same with another member of `server.json`.
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.settings[key] = value;
        self
    }

    /// The same with a file.
    pub fn file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.files.push((path.to_owned(), bytes.as_ref().to_vec()));
        self
    }

    /// The same with a catalogue whose rows differ from the ordinary ones: `(name, [(column, value)])`.
    pub fn rows(self, differing: &[(&str, &[(&str, &str)])]) -> Self {
        let columns = [
            "name",
            "state",
            "rejected",
            "blacklisted",
            "sha1sum",
            "size",
            "description",
            "activation_date",
            "useafter_date",
            "catalog_link",
            "derived_from",
            "instrument",
            "filekind",
            "uploaded_as",
            "delivery_date",
        ];
        let mut tables = [columns.join("\t") + "\n", columns.join("\t") + "\n"];
        let mut names: Vec<&str> = MAPPINGS.to_vec();
        names.extend(REFERENCES_1);
        names.extend(["abe_drk.fits", "abf_drk.fits"]);
        names.extend(differing.iter().map(|(name, _)| *name).filter(|n| !names.contains(n)).collect::<Vec<_>>());
        for name in names {
            let mapping = ["pmap", "imap", "rmap"].iter().any(|e| name.ends_with(e));
            let changes = differing.iter().find(|(n, _)| *n == name).map(|(_, c)| *c).unwrap_or_default();
            if changes.iter().any(|(column, _)| *column == "absent") {
                continue;
            }
            let table = &mut tables[usize::from(!mapping)];
            let fields: Vec<String> = columns
                .iter()
                .map(|column| {
                    let changed = changes.iter().find(|(c, _)| c == column).map(|(_, v)| (*v).to_owned());
                    changed.unwrap_or_else(|| match *column {
                        "name" | "uploaded_as" => name.to_owned(),
                        "state" => if mapping { "archived" } else { "operational" }.to_owned(),
                        "rejected" | "blacklisted" => "0".to_owned(),
                        "sha1sum" => "00ff".to_owned(),
                        "size" => "2880".to_owned(),
                        "delivery_date" => "2012-07-01 00:00:00".to_owned(),
                        "derived_from" => "none".to_owned(),
                        _ => String::new(),
                    })
                })
                .collect();
            table.push_str(&(fields.join("\t") + "\n"));
        }
        let [mappings, references] = tables;
        self.file("mappings.tsv", mappings).file("references.tsv", references)
    }

    /// Writes the state.
    pub fn write(&self, dir: &Path) {
        fs::create_dir_all(dir).expect("load directory is made");
        fs::write(dir.join("server.json"), self.settings.to_string()).expect("settings are written");
        for (path, bytes) in &self.files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().expect("files lie in a directory")).expect("directory is made");
            fs::write(path, bytes).expect("file is written");
        }
    }
}

//! A small observatory of our own writing: two ACS contexts between which everything happens that a list can miss.

use std::path::{Path, PathBuf};

use crds_upgrade::rules::syntax::checksum;
use crds_upgrade::rules::{Context, Header};

/// A cache directory that goes away with it.
pub struct Small {
    folder: tempfile::TempDir,
}

/// Parkeys of most rmaps.
const PARKEY: &str = "(('DETECTOR', 'CCDAMP'), ('DATE-OBS', 'TIME-OBS'))";

impl Small {
    /// An empty cache.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("mappings/hst")).expect("writable");
        Self { folder }
    }

    /// The cache directory.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where a mapping lies.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join("mappings/hst").join(name)
    }

    fn write(&self, name: &str, header: &[(&str, &str)], selector: &str) {
        let mut text = String::from("header = {\n");
        for (key, value) in header {
            text.push_str(&format!("    '{key}' : {value},\n"));
        }
        text.push_str(&format!("    'sha1sum' : '@',\n}}\n\nselector = {selector}\n"));
        let sum = checksum(&text);
        std::fs::write(self.file(name), text.replace("'@'", &format!("'{sum}'"))).expect("writable");
    }

    /// A context over ACS alone.
    pub fn context(&self, number: u32, types: &[(&str, &str)]) {
        let dict = |entries: &[(&str, &str)]| {
            let lines: String = entries.iter().map(|(key, value)| format!("    '{key}' : '{value}',\n")).collect();
            format!("{{\n{lines}}}")
        };
        let (pmap, imap) = (format!("hst_{number:04}.pmap"), format!("hst_acs_{number:04}.imap"));
        let header = [("derived_from", "'x'"), ("observatory", "'HST'")];
        let own = |name: &str| format!("'{name}'");
        let top = [("mapping", "'PIPELINE'"), ("name", &own(&pmap)), ("parkey", "('INSTRUME',)")];
        self.write(&pmap, &[&header[..], &top].concat(), &dict(&[("ACS", &imap)]));
        let middle =
            [("mapping", "'INSTRUMENT'"), ("name", &own(&imap)), ("instrument", "'ACS'"), ("parkey", "('REFTYPE',)")];
        self.write(&imap, &[&header[..], &middle].concat(), &dict(types));
    }

    /// Rules of one type of ACS; `selector` is what stands in `Match({...})`.
    pub fn rmap(&self, name: &str, filekind: &str, selector: &str) {
        self.rmap_with(name, filekind, PARKEY, &[], &format!("Match({{{selector}}})"));
    }

    /// The same with parkeys, further header keys and the whole selector.
    pub fn rmap_with(&self, name: &str, filekind: &str, parkey: &str, more: &[(&str, &str)], selector: &str) {
        let (own, kind) = (format!("'{name}'"), format!("'{filekind}'"));
        let header = [
            ("derived_from", "'x'"),
            ("observatory", "'HST'"),
            ("instrument", "'ACS'"),
            ("mapping", "'REFERENCE'"),
            ("name", &own),
            ("filekind", &kind),
            ("hooks", "{'precondition_header' : 'none', 'fallback_header' : 'none'}"),
            ("parkey", parkey),
        ];
        self.write(name, &[&header[..], more].concat(), selector);
    }

    /// A context by number.
    pub fn load(&self, number: u32) -> Context {
        Context::load(self.path(), &format!("hst_{number:04}.pmap")).expect("loads")
    }

    /// Contexts 1 and 2. Between them darks get a new file from 2010 on and two detectors exchange theirs, biases get a
    /// new file from 2015 on, `npolfile` goes from `N/A` to rules from 2011 on, `mdriztab` lets two known tables tie.
    pub fn story() -> Self {
        let small = Self::empty();
        let after = |date: &str, file: &str| format!("UseAfter({{'{date}-01-01 00:00:00' : '{file}.fits'}})");
        small.rmap(
            "hst_acs_darkfile_0001.rmap",
            "darkfile",
            &format!(
                "('WFC','N/A') : {}, ('HRC','N/A') : {}, ('SBC','N/A') : {}, ('OTH','N/A') : {},",
                after("1990", "dark_wfc"),
                after("1990", "dark_hrc"),
                after("1990", "dark_sbc"),
                after("1990", "dark_oth"),
            ),
        );
        small.rmap(
            "hst_acs_darkfile_0002.rmap",
            "darkfile",
            &format!(
                "('WFC','N/A') : UseAfter({{'1990-01-01 00:00:00' : 'dark_wfc.fits', '2010-01-01 00:00:00' : 'dark_new.fits'}}),\n\
                 ('HRC','N/A') : {}, ('SBC','N/A') : {}, ('OTH','N/A') : {},",
                after("1990", "dark_sbc"),
                after("1990", "dark_hrc"),
                after("1990", "dark_oth"),
            ),
        );
        let bias = "('WFC|HRC|SBC|OTH','A|B|T') : UseAfter({'1990-01-01 00:00:00' : 'bias.fits', @}),";
        small.rmap("hst_acs_biasfile_0001.rmap", "biasfile", &bias.replace('@', ""));
        let newer = "'2015-01-01 00:00:00' : 'bias_new.fits'";
        small.rmap("hst_acs_biasfile_0002.rmap", "biasfile", &bias.replace('@', newer));
        small.rmap("hst_acs_npolfile_0002.rmap", "npolfile", &format!("('N/A','N/A') : {},", after("2011", "npol")));
        let parkey = "(('DETECTOR', 'CCDAMP'),)";
        let drizzle = |more: &str| {
            format!("Match({{('WFC','A|B|N/A') : 'mdz_wfc.fits', ('HRC|SBC|OTH','N/A') : 'mdz.fits', {more}}})")
        };
        small.rmap_with("hst_acs_mdriztab_0001.rmap", "mdriztab", parkey, &[], &drizzle("('WFC','T') : 'mdz_t.fits'"));
        small.rmap_with(
            "hst_acs_mdriztab_0002.rmap",
            "mdriztab",
            parkey,
            &[],
            &drizzle("('WFC','T') : 'mdz_t.fits', ('W*','T') : 'mdz.fits'"),
        );
        small.context(
            1,
            &[
                ("DARKFILE", "hst_acs_darkfile_0001.rmap"),
                ("BIASFILE", "hst_acs_biasfile_0001.rmap"),
                ("NPOLFILE", "N/A"),
                ("MDRIZTAB", "hst_acs_mdriztab_0001.rmap"),
            ],
        );
        small.context(
            2,
            &[
                ("DARKFILE", "hst_acs_darkfile_0002.rmap"),
                ("BIASFILE", "hst_acs_biasfile_0002.rmap"),
                ("NPOLFILE", "hst_acs_npolfile_0002.rmap"),
                ("MDRIZTAB", "hst_acs_mdriztab_0002.rmap"),
            ],
        );
        small
    }
}

/// A header of an ACS exposure.
pub fn header(detector: &str, amplifier: &str, date: &str) -> Header {
    [("INSTRUME", "ACS"), ("DETECTOR", detector), ("CCDAMP", amplifier), ("DATE-OBS", date), ("TIME-OBS", "00:00:00")]
        .into_iter()
        .collect()
}

/// One line of a dump for a header.
pub fn line(id: &str, header: &Header) -> String {
    let fields: serde_json::Map<String, serde_json::Value> =
        header.iter().map(|(key, value)| (key.to_owned(), value.python_text().into())).collect();
    serde_json::json!({ id: fields }).to_string()
}

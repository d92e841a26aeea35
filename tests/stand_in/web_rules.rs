//! A small set of rules to tell stories on: two contexts, two instruments, four types.

use std::fs;
use std::path::Path;

use crds_upgrade::rules::syntax::checksum;

/// The context that is operational at first.
pub const OPERATIONAL: &str = "hst_0279.pmap";
/// The context before it.
pub const OLDER: &str = "hst_0278.pmap";

/// Text of a mapping with its checksum in place.
pub fn sealed(text: &str) -> String {
    let sum = checksum(text);
    text.replace("@SHA1@", &sum)
}

fn pmap(name: &str, parent: &str, acs: &str) -> String {
    sealed(&format!(
        "header = {{\n    'derived_from' : '{parent}',\n    'mapping' : 'PIPELINE',\n    'name' : '{name}',\n    \
         'observatory' : 'HST',\n    'parkey' : ('INSTRUME',),\n    'sha1sum' : '@SHA1@',\n}}\n\nselector = {{\n    \
         'ACS' : '{acs}',\n    'WFC3' : 'hst_wfc3_0261.imap',\n}}\n"
    ))
}

fn imap(name: &str, parent: &str, instrument: &str, entries: &[(&str, &str)]) -> String {
    let lines: String = entries.iter().map(|(kind, file)| format!("    '{kind}' : '{file}',\n")).collect();
    sealed(&format!(
        "header = {{\n    'derived_from' : '{parent}',\n    'instrument' : '{instrument}',\n    'mapping' : \
         'INSTRUMENT',\n    'name' : '{name}',\n    'observatory' : 'HST',\n    'parkey' : ('REFTYPE',),\n    \
         'sha1sum' : '@SHA1@',\n}}\n\nselector = {{\n{lines}}}\n"
    ))
}

/// An rmap: `extra` are further header lines, `cases` the body of its selector.
pub fn rmap(name: &str, parent: &str, instrument: &str, kind: &str, parkey: &str, cases: &str) -> String {
    sealed(&format!(
        "header = {{\n    'derived_from' : '{parent}',\n    'filekind' : '{kind}',\n    'instrument' : \
         '{instrument}',\n    'mapping' : 'REFERENCE',\n    'name' : '{name}',\n    'observatory' : 'HST',\n    \
         'parkey' : {parkey},\n    'reffile_format' : 'IMAGE',\n    'reffile_required' : 'NO',\n    \
         'reffile_switch' : 'NONE',\n    'rmap_relevance' : 'always',\n    'sha1sum' : '@SHA1@',\n}}\n\nselector = \
         Match({{\n{cases}}})\n"
    ))
}

/// The empty type that a story submits.
pub fn npolfile() -> String {
    rmap(
        "hst_wfc3_npolfile_0250.rmap",
        "made by hand",
        "WFC3",
        "NPOLFILE",
        "(('DETECTOR', 'FILTER'), ('DATE-OBS', 'TIME-OBS'))",
        "",
    )
}

/// Writes the set below `cache/mappings/hst`.
pub fn write(cache: &Path) {
    let dir = cache.join("mappings/hst");
    fs::create_dir_all(&dir).expect("a fresh directory");
    let flats = "(('DETECTOR', 'FILTER1'), ('DATE-OBS', 'TIME-OBS'))";
    let older = "    ('SBC', 'F115LP|F125LP') : UseAfter({\n        '1997-01-01 00:00:00' : 'l2d0959cj_pfl.fits',\n    \
                 }),\n";
    let newer = "    ('SBC', 'F115LP|F125LP') : UseAfter({\n        '1997-01-01 00:00:00' : 'l2d0959cj_pfl.fits',\n        \
                 '2002-03-01 00:00:00' : 'm1l0942nj_pfl.fits',\n    }),\n    ('WFC', 'F606W') : UseAfter({\n        \
                 '2002-03-01 00:00:00' : 'n4t15304j_pfl.fits',\n    }),\n";
    let files = [
        (OLDER, pmap(OLDER, "hst_0277.pmap", "hst_acs_0255.imap")),
        (OPERATIONAL, pmap(OPERATIONAL, OLDER, "hst_acs_0256.imap")),
        (
            "hst_acs_0255.imap",
            imap(
                "hst_acs_0255.imap",
                "hst_acs_0254.imap",
                "ACS",
                &[("biasfile", "N/A"), ("pfltfile", "hst_acs_pfltfile_0249.rmap")],
            ),
        ),
        (
            "hst_acs_0256.imap",
            imap(
                "hst_acs_0256.imap",
                "hst_acs_0255.imap",
                "ACS",
                &[("biasfile", "N/A"), ("pfltfile", "hst_acs_pfltfile_0250.rmap")],
            ),
        ),
        (
            "hst_wfc3_0261.imap",
            imap(
                "hst_wfc3_0261.imap",
                "hst_wfc3_0260.imap",
                "WFC3",
                &[("d2imfile", "hst_wfc3_d2imfile_0250.rmap"), ("idctab", "hst_wfc3_idctab_0250.rmap")],
            ),
        ),
        (
            "hst_acs_pfltfile_0249.rmap",
            rmap("hst_acs_pfltfile_0249.rmap", "made by hand", "ACS", "PFLTFILE", flats, older),
        ),
        (
            "hst_acs_pfltfile_0250.rmap",
            rmap("hst_acs_pfltfile_0250.rmap", "hst_acs_pfltfile_0249.rmap", "ACS", "PFLTFILE", flats, newer),
        ),
        (
            "hst_wfc3_d2imfile_0250.rmap",
            rmap(
                "hst_wfc3_d2imfile_0250.rmap",
                "made by hand",
                "WFC3",
                "D2IMFILE",
                "((), ('DATE-OBS', 'TIME-OBS'))",
                "    () : UseAfter({\n        '2009-06-09 00:00:00' : 'x5o1555ji_d2i.fits',\n    }),\n",
            ),
        ),
        (
            "hst_wfc3_idctab_0250.rmap",
            rmap(
                "hst_wfc3_idctab_0250.rmap",
                "made by hand",
                "WFC3",
                "IDCTAB",
                "(('DETECTOR',), ('DATE-OBS', 'TIME-OBS'))",
                "    ('UVIS',) : UseAfter({\n        '2009-05-11 00:00:00' : 'x5h1320ei_idc.fits',\n    }),\n",
            ),
        ),
    ];
    for (name, text) in files {
        fs::write(dir.join(name), text).expect("a fresh directory");
    }
}

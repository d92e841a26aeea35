//! Instruments and types that the server's library knows (WP 1.4). The release of the library decides, not the rules.

use super::super::Dialect;

/// Instruments of an observatory, sorted.
pub fn instruments(observatory: &str, dialect: &Dialect) -> &'static [&'static str] {
    match (observatory, dialect.newer_instruments) {
        ("hst", false) => &["acs", "cos", "nicmos", "stis", "wfc3", "wfpc2"],
        ("hst", true) => &["acs", "cos", "nicmos", "stis", "synphot", "wfc3", "wfpc2"],
        ("jwst", false) => &["fgs", "miri", "nircam", "niriss", "nirspec"],
        ("jwst", true) => &["fgs", "miri", "nircam", "niriss", "nirspec", "system"],
        _ => &["wfi"],
    }
}

/// Types of any instrument of an observatory, sorted.
pub fn types(observatory: &str) -> &'static [&'static str] {
    match observatory {
        "hst" => HST,
        "jwst" => JWST,
        _ => ROMAN,
    }
}

const HST: &[&str] = &[
    "apdestab", "apertab", "atodfile", "atodtab", "backtab", "badttab", "biacfile", "biasfile", "bpixtab", "brftab",
    "brsttab", "ccdtab", "cdstab", "cfltfile", "crrejtab", "d2imfile", "darkfile", "deadtab", "dfltfile", "dgeofile",
    "disptab", "drkcfile", "echsctab", "exstab", "flatfile", "flshfile", "fluxtab", "gactab", "geofile", "gsagtab",
    "halotab", "hvtab", "idctab", "illmfile", "imphttab", "inangtab", "lamptab", "lfltfile", "maskfile", "mdriztab",
    "mlintab", "mofftab", "nlinfile", "noisfile", "npolfile", "offtab", "oscntab", "pctab", "pctetab", "pedsbtab",
    "pfltfile", "phatab", "phottab", "pmodfile", "pmskfile", "proftab", "riptab", "rnlcortb", "saacntab", "saadfile",
    "sdctab", "shadfile", "snkcfile", "spottab", "sptrctab", "spwcstab", "srwtab", "tdctab", "tdffile", "tdstab",
    "teltab", "tempfile", "thermal", "thruput", "tmctab", "tmgtab", "tmttab", "tracetab", "twozxtab", "walktab",
    "wcptab", "wf4tfile", "xtractab", "xwlkfile", "ywlkfile", "zprattab",
];

const JWST: &[&str] = &[
    "amplifier",
    "area",
    "badshutter",
    "barshadow",
    "calver",
    "camera",
    "collimator",
    "crdscfg",
    "cubepar",
    "dark",
    "datalvl",
    "dflat",
    "disperser",
    "distortion",
    "drizpars",
    "extract1d",
    "fflat",
    "filteroffset",
    "flat",
    "fore",
    "fpa",
    "fringe",
    "gain",
    "ifufore",
    "ifupost",
    "ifuslicer",
    "ipc",
    "lastframe",
    "linearity",
    "mask",
    "msa",
    "msaoper",
    "ote",
    "pathloss",
    "persat",
    "photom",
    "psfmask",
    "readnoise",
    "refpix",
    "regions",
    "reset",
    "resol",
    "rscd",
    "saturation",
    "sflat",
    "specwcs",
    "straymask",
    "superbias",
    "throughput",
    "trapdensity",
    "trappars",
    "tsophot",
    "v2v3",
    "wavecorr",
    "wavelengthrange",
    "wcsregions",
    "wfssbkg",
];

const ROMAN: &[&str] =
    &["dark", "distortion", "epsf", "flat", "gain", "linearity", "mask", "photom", "readnoise", "saturation"];

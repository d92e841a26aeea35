//! Words that the pages offer: instruments, types, extensions, actions (WP 1.4, 3.10, 4.4).

const HST_TYPES: &[&str] = &[
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

const JWST_TYPES: &[&str] = &[
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

/// Actions of the audit log (WP 4.4).
pub const ACTIONS: &[&str] = &[
    "mass import",
    "submit file",
    "blacklist",
    "new context",
    "batch submit",
    "set default context",
    "delete references",
    "add references",
    "add_files tool",
];

/// Instruments of the observatory, sorted (WP 1.4).
pub fn instruments(observatory: &str, is_2014: bool) -> &'static [&'static str] {
    match observatory {
        "hst" if is_2014 => &["acs", "cos", "nicmos", "stis", "wfc3", "wfpc2"],
        "hst" => &["acs", "cos", "nicmos", "stis", "synphot", "wfc3", "wfpc2"],
        "jwst" if is_2014 => &["fgs", "miri", "nircam", "niriss", "nirspec"],
        "jwst" => &["fgs", "miri", "nircam", "niriss", "nirspec", "system"],
        _ => &["wfi"],
    }
}

/// Types of the observatory, sorted (WP 1.4).
pub fn types(observatory: &str) -> &'static [&'static str] {
    match observatory {
        "hst" => HST_TYPES,
        _ => JWST_TYPES,
    }
}

/// Extensions that a search may name: `.pmap` first, then `*`, then the others sorted (WP 3.10).
pub fn extensions(observatory: &str) -> &'static [&'static str] {
    match observatory {
        "hst" => &[
            ".pmap", "*", ".cat", ".fits", ".imap", ".r0d", ".r0h", ".r1d", ".r1h", ".r2d", ".r2h", ".r3d", ".r3h",
            ".r4d", ".r4h", ".r5d", ".r5h", ".r6d", ".r6h", ".r7d", ".r7h", ".r8d", ".r8h", ".r9d", ".r9h", ".rmap",
            ".text", ".txt",
        ],
        _ => &[".pmap", "*", ".asdf", ".cat", ".fits", ".imap", ".json", ".rmap", ".text", ".txt", ".yaml"],
    }
}

//! What the client's library itself says when it loads a mapping for a question (RS 2.1, 3), through every method that loads
//! one.

use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};
use crate::web_score::Score;

/// A small mapping that no test of others knows, its checksum good; `change` makes something of its text.
fn mapping(name: &str, kind: &str, own: &str, selector: &str, change: impl FnOnce(String) -> String) -> String {
    let text = format!(
        "header = {{\n    'derived_from' : 'none',\n{own}    'mapping' : '{kind}',\n    'name' : '{name}',\n    \
         'observatory' : 'hst',\n    'sha1sum' : '@',\n}}\n\nselector = {selector}\n"
    );
    let sum = crds_upgrade::rules::syntax::checksum(&text);
    change(text.replace("'@'", &format!("'{sum}'")))
}

fn pmap(name: &str, imap: &str, change: impl FnOnce(String) -> String) -> String {
    mapping(name, "pipeline", "    'parkey' : ('INSTRUME',),\n", &format!("{{\n    'ACS' : '{imap}',\n}}"), change)
}

fn imap(name: &str, rmap: &str) -> String {
    let own = "    'instrument' : 'acs',\n    'parkey' : ('REFTYPE',),\n";
    mapping(name, "instrument", own, &format!("{{\n    'darkfile' : '{rmap}',\n}}"), |text| text)
}

fn rmap(name: &str, change: impl FnOnce(String) -> String) -> String {
    let own = "    'filekind' : 'darkfile',\n    'instrument' : 'acs',\n    'parkey' : (('DETECTOR',),),\n";
    mapping(name, "reference", own, "Match({\n    'WFC' : 'abc_drk.fits',\n})", change)
}

/// A wrong checksum: the derivation is another one.
fn forged(text: String) -> String {
    text.replace("'derived_from' : 'none'", "'derived_from' : 'else'")
}

fn without(key: &'static str) -> impl Fn(String) -> String {
    move |text| text.lines().filter(|line| !line.contains(key)).map(|line| format!("{line}\n")).collect()
}

fn bench() -> Bench {
    let files = [
        ("hst_5001.pmap", pmap("hst_5001.pmap", "hst_acs_5001.imap", |text| text)),
        ("hst_acs_5001.imap", imap("hst_acs_5001.imap", "hst_acs_darkfile_5001.rmap")),
        ("hst_acs_darkfile_5001.rmap", rmap("hst_acs_darkfile_5001.rmap", forged)),
        ("hst_5003.pmap", pmap("hst_5003.pmap", "hst_acs_0001.imap", forged)),
        ("hst_5004.pmap", pmap("hst_5004.pmap", "hst_acs_0001.imap", |text| text.replace("'ACS'", "ACS"))),
        ("hst_5007.pmap", pmap("hst_5007.pmap", "hst_acs_0001.imap", |text| text.replace("selector =", "selectr ="))),
        ("hst_5008.pmap", "selector = {\n}\n".to_owned()),
        ("hst_5005.pmap", pmap("hst_5005.pmap", "hst_acs_0001.imap", without("sha1sum"))),
        ("hst_5006.pmap", pmap("hst_5006.pmap", "hst_acs_0001.imap", without("derived_from"))),
    ];
    let rows: Vec<(&str, &[(&str, &str)])> = files.iter().map(|(name, _)| (*name, &[][..])).collect();
    let load = Load::ordinary().rows(&rows);
    let add = |load: Load, (name, text): &(&str, String)| load.file(&format!("file_cache/mappings/hst/{name}"), text);
    Bench::new(&files.iter().fold(load, add))
}

#[test]
fn loading() {
    let bench = bench();
    let mut score = Score::default();
    let mismatch = "OtherError: sha1sum mismatch in 'hst_5003.pmap'";
    let header = json!({"INSTRUME": "ACS", "DETECTOR": "WFC", "DATE-OBS": "2012-01-01", "TIME-OBS": "00:00:00"});
    let asked = |context: &str| -> Vec<(&str, Value)> {
        vec![
            ("get_mapping_names", json!([context])),
            ("get_reference_names", json!([context])),
            ("get_required_parkeys", json!([context])),
            ("get_url", json!([context, "x.fits"])),
            ("get_file_info", json!([context, "hst_0001.pmap"])),
            ("get_best_references", json!([context, header, ["darkfile"]])),
        ]
    };
    for (context, wanted) in [
        ("hst_5003.pmap", mismatch),
        ("hst_5004.pmap", "OtherError: Can't load file hst_5004.pmap : name 'ACS' is not defined"),
        (
            "hst_5007.pmap",
            "OtherError: Can't load file hst_5007.pmap : Only define 'header' or 'selector' or 'comment' sections at line 10",
        ),
        ("hst_5008.pmap", "OtherError: Can't load file hst_5008.pmap : 'header'"),
        ("hst_5005.pmap", "OtherError: sha1sum is missing in 'hst_5005.pmap'"),
        ("hst_5006.pmap", "OtherError: Required header key 'derived_from' is missing."),
        ("hst_acs_darkfile_5001.rmap", "OtherError: sha1sum mismatch in 'hst_acs_darkfile_5001.rmap'"),
    ] {
        for (method, params) in asked(context) {
            score.same("RS 2.1, 3", &format!("{method} under {context}"), bench.said(method, params), json!(wanted));
        }
    }
    // What lies below is loaded only by what needs it.
    let below = "OtherError: sha1sum mismatch in 'hst_acs_darkfile_5001.rmap'";
    for context in ["hst_5001.pmap", "hst_acs_5001.imap"] {
        for (method, params) in asked(context) {
            let wanted = match method {
                "get_url" => json!("http://server/get/x.fits"),
                "get_file_info" => bench.said("get_file_info", json!(["hst", "hst_0001.pmap"])),
                _ => json!(below),
            };
            score.same("RS 2.1", &format!("{method} above a bad rmap"), bench.said(method, params), wanted);
        }
    }
    score.same(
        "RS 2.1",
        "the rmap is loaded before it is asked whether it serves the type",
        bench.said("get_best_references", json!(["hst_acs_darkfile_5001.rmap", header, ["biasfile"]])),
        json!(below),
    );
    score.finish("rpc loading of mappings", 55);
}

/// WP 1.4: a lone surrogate in a name that is refused is shown by its number.
#[test]
fn lone_surrogates() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    for (method, before) in [("file_exists", ""), ("get_url", "\"hst_0001.pmap\", "), ("get_file_info", "\"hst\", ")] {
        let body =
            format!("{{\"jsonrpc\": \"1.0\", \"method\": \"{method}\", \"params\": [{before}\"\\ud800\"], \"id\": 1}}");
        let reply: Value = serde_json::from_str(&bench.post(&body)).expect("JSON");
        let wanted = json!("OtherError: Invalid file name '\\ud800'");
        score.same("1.4", method, reply["error"]["message"].clone(), wanted);
    }
    score.finish("rpc lone surrogates", 3);
}

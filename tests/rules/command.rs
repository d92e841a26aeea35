//! `crds-upgrade bestrefs` and `affected` as they are run: input of every kind, exit codes, what is printed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use crds_upgrade::rules::Header;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use crate::small::{Small, header, line};

fn ours(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crds-upgrade"));
    command.args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Runs `affected` between the contexts of a story.
fn affected(small: &Small, more: &[&str]) -> Output {
    let mut command = ours(&["affected", "--old", "hst_0001.pmap", "--new", "hst_0002.pmap", "--cache"]);
    command.arg(small.path()).args(more).output().expect("runs")
}

/// Writes the exposures of a story into a file of the cache.
fn dump(small: &Small, name: &str) -> String {
    let lines = [
        line("PLAIN:PLAIN", &header("WFC", "A", "2012-01-01")),
        line("EARLY:EARLY", &header("HRC", "A", "2005-01-01")),
        line("HIDDEN:HIDDEN", &header("WFC", "Z", "2012-01-01")),
        line("NOBODY:NOBODY", &[("INSTRUME", "NOSUCH")].into_iter().collect::<Header>()),
    ];
    let path = small.path().join(name);
    std::fs::write(&path, lines.join("\n") + "\n").expect("writable");
    path.display().to_string()
}

#[test]
fn lists_and_lines_are_printed() {
    let small = Small::story();
    let dump = dump(&small, "dump.json");
    let out = affected(&small, &["--datasets", &dump]);
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(0), "early\nplain\n".to_owned()));
    let out = affected(&small, &["--datasets", &dump, "--format", "summary"]);
    let summary = text(&out.stdout);
    for line in
        ["hst_0001.pmap -> hst_0002.pmap", "without answer             1", "ACS      darkfile                 3"]
    {
        assert!(summary.contains(line), "no `{line}` in\n{summary}");
    }
    let out = affected(&small, &["--datasets", &dump, "--format", "jsonl"]);
    let lines: Vec<serde_json::Value> =
        text(&out.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1]["affected"], false);
    assert_eq!(lines[1]["failed"][0]["type"], "biasfile");
    assert_eq!(lines[3]["error"], "Unknown instrument 'nosuch' for context 'hst_0002.pmap'");
    let out = affected(&small, &["--datasets", &dump, "--server-mode"]);
    assert_eq!(text(&out.stdout), "plain\n");
    let list = small.path().join("list");
    std::fs::write(&list, "plain\n").expect("writable");
    let list = list.display().to_string();
    let out = affected(&small, &["--datasets", &dump, "--explain", &list]);
    let explained = text(&out.stdout);
    assert!(explained.starts_with("early\tdate-cut\tEARLY:EARLY: dataset time"), "{explained}");
    assert!(explained.contains("\nhidden\thidden-by-failing-type\tHIDDEN:HIDDEN: biasfile fails"), "{explained}");
}

#[test]
fn one_object_is_as_good_as_lines() {
    let small = Small::story();
    let lines = std::fs::read_to_string(dump(&small, "dump.json")).expect("readable");
    let members: Vec<&str> = lines.lines().map(|line| &line[1..line.len() - 1]).collect();
    let whole = small.path().join("whole.json");
    for between in [", ", ",\n  "] {
        std::fs::write(&whole, format!("{{{}}}\n", members.join(between))).expect("writable");
        let out = affected(&small, &["--datasets", &whole.display().to_string()]);
        assert_eq!((out.status.code(), text(&out.stdout)), (Some(0), "early\nplain\n".to_owned()));
    }
}

#[test]
fn values_of_every_kind_are_taken() {
    let small = Small::story();
    let path = small.path().join("kinds.json");
    let kinds = [
        r#"{"N": {"INSTRUME": "ACS", "DETECTOR": null, "CCDAMP": 1.0}}"#,
        r#"{"L": {"INSTRUME": "ACS", "DETECTOR": ["WFC"], "CCDAMP": {"A": [true]}}}"#,
        r#"{"E": {}}"#,
        r#"{"M": "no header for you"}"#,
        r#"{"B": {"INSTRUME": 3}}"#,
        r#"{"G": {"INSTRUME": "ACS", "DETECTOR": "WFC", "CCDAMP": "A", "DATE-OBS": "2012-01-01", "TIME-OBS": "00:00:00"}}"#,
        r#"{"V": [1, "a}"]}"#,
        r#"{"W": null}"#,
        r#"{"H": {"INSTRUME": "ACS", "DETECTOR": "WFC", "CCDAMP": "A", "DATE-OBS": "2012-01-01", "TIME-OBS": "00:00:00"}}"#,
    ];
    std::fs::write(&path, kinds.join("\n")).expect("writable");
    let whole = small.path().join("whole.json");
    let members: Vec<&str> = kinds.iter().map(|line| &line[1..line.len() - 1]).collect();
    std::fs::write(&whole, format!("{{{}}}", members.join(",\n"))).expect("writable");
    let out = ours(&["bestrefs", "--context", "hst_0001.pmap", "--datasets", &path.display().to_string(), "--cache"])
        .arg(small.path())
        .output()
        .expect("runs");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let lines: Vec<serde_json::Value> =
        text(&out.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let dark = |at: usize| lines[at]["bestrefs"]["darkfile"].as_str().unwrap_or_default();
    assert_eq!(dark(0), "NOT FOUND  parameter='DETECTOR' value='NONE' is not in ['HRC', 'OTH', 'SBC', 'WFC']");
    assert_eq!(dark(1), "NOT FOUND  parameter='DETECTOR' value=\"['WFC']\" is not in ['HRC', 'OTH', 'SBC', 'WFC']");
    assert_eq!(lines[2]["error"], "Failed loading source: No instrument keyword defined in header.");
    assert_eq!(lines[3]["error"], "Failed to fetch header: no header for you");
    assert!(lines[4]["error"].as_str().is_some_and(|why| why.contains("INSTRUME is not a text: 3")), "{}", lines[4]);
    assert_eq!(dark(5), "dark_wfc.fits");
    assert_eq!(lines[6]["error"], "Failed to fetch header: not an object of keywords and values: [1, 'a}']");
    assert_eq!(lines[7]["error"], "Failed to fetch header: not an object of keywords and values: None");
    assert_eq!(dark(8), "dark_wfc.fits");
    let whole = whole.display().to_string();
    let again = ours(&["bestrefs", "--context", "hst_0001.pmap", "--datasets", &whole, "--cache"])
        .arg(small.path())
        .output()
        .expect("runs");
    assert_eq!(text(&again.stdout), text(&out.stdout), "the same as one object");
}

#[test]
fn contexts_that_cannot_be_used_are_named_with_the_next_move() {
    let small = Small::story();
    let path = dump(&small, "datasets.json");
    std::fs::create_dir(small.path().join("mappings/jwst")).expect("writable");
    let other = "header = {'mapping':'PIPELINE','observatory':'JWST','name':'jwst_0001.pmap','derived_from':'x',\
                 'parkey':('META.INSTRUMENT.NAME',)}\nselector = {}\n";
    std::fs::write(small.path().join("mappings/jwst/jwst_0001.pmap"), other).expect("writable");
    let cache = small.path().display().to_string();
    let below = format!("{cache}/mappings");
    for (cache, new, says, help) in [
        (&cache, "jwst_0001.pmap", "contexts of different observatories", "of the observatory of `hst_0001.pmap`"),
        (&cache, "hst-operational", "failed to read mapping", "such as `hst_0280.pmap`"),
        (&cache, "hst_0009.pmap", "hst_0009.pmap`: No such file", "crds sync --contexts"),
        (&below, "hst_0002.pmap", "failed to read mapping", "holds no `mappings/`"),
    ] {
        for format in ["ids", "jsonl"] {
            let arguments = ["affected", "--ignore-checksums", "--old", "hst_0001.pmap", "--datasets", &path];
            let out =
                ours(&arguments).args(["--format", format, "--new", new, "--cache", cache]).output().expect("runs");
            let errors = text(&out.stderr);
            assert_eq!(out.status.code(), Some(1), "{new}: {errors}");
            assert!(errors.contains(says) && errors.contains(help), "{new}: {errors}");
        }
    }
}

#[test]
fn input_that_cannot_be_read_ends_with_1_and_names_the_line() {
    let small = Small::story();
    let good = line("A:A", &header("WFC", "A", "2012-01-01"));
    let deep = format!("{good}\n{{\"B\": {{\"X\": {}1{}}}}}\n", "[".repeat(200_000), "]".repeat(200_000));
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("truncated", good.as_bytes()[..good.len() - 9].to_vec(), ":1: "),
        ("cut in the second line", format!("{good}\n{}\n", &good[..20]).into_bytes(), ":2: "),
        ("cut before a value", format!("{good}\n{{\"A\": {{\"X\": \n").into_bytes(), ":2: "),
        ("not JSON", b"SIMPLE  =                    T\n".to_vec(), ":1: "),
        ("a list", b"[1, 2]\n".to_vec(), ":1: "),
        ("not UTF-8", [good.as_bytes(), b"\n{\"B\": {\"INSTRUME\": \"A\xffS\"}}\n"].concat(), ":2: "),
        ("nested deeply", deep.into_bytes(), ":2: "),
    ];
    for (what, bytes, place) in cases {
        let path = small.path().join("bad.json");
        std::fs::write(&path, bytes).expect("writable");
        let path = path.display().to_string();
        let best = ours(&["bestrefs", "--context", "hst_0001.pmap", "--datasets", &path, "--cache"])
            .arg(small.path())
            .output()
            .expect("runs");
        for out in [affected(&small, &["--datasets", &path]), best] {
            let errors = text(&out.stderr);
            assert_eq!(out.status.code(), Some(1), "{what}: {errors}");
            assert!(errors.contains(place) && errors.contains("help: "), "{what}: {errors}");
        }
    }
    for (arguments, code, says) in [
        (vec!["--datasets", "/no/such/file"], 1, "failed to read datasets from `/no/such/file`"),
        (vec!["--datasets", "/"], 1, "failed to read datasets from `/`"),
        (vec!["--server", "http://127.0.0.1:1"], 1, "failed to ask `http://127.0.0.1:1"),
        (vec!["--datasets", "x", "--format", "xml"], 64, "invalid value"),
        (vec!["--datasets", "x", "--datasets-since", "yesterday"], 64, "--datasets-since"),
        (vec![], 64, "required"),
    ] {
        let out = affected(&small, &arguments);
        assert_eq!(out.status.code(), Some(code), "{arguments:?}: {}", text(&out.stderr));
        assert!(text(&out.stderr).contains(says), "{arguments:?}: {}", text(&out.stderr));
    }
}

#[test]
fn bad_rules_are_named_and_harm_nobody_else() {
    let small = Small::story();
    let dump = dump(&small, "dump.json");
    let out = ours(&["affected", "--old", "hst_0001.pmap", "--new", "hst_0009.pmap", "--datasets", &dump, "--cache"])
        .arg(small.path())
        .output()
        .expect("runs");
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("hst_0009.pmap"), "{}", text(&out.stderr));
    let rules = small.file("hst_acs_darkfile_0002.rmap");
    let whole = std::fs::read(&rules).expect("readable");
    let text_of = String::from_utf8(whole.clone()).expect("UTF-8");
    // More brackets than Python takes, in a megabyte of them.
    let deep = text_of.replace("selector = Match", &format!("selector = {}", "(".repeat(1 << 20)));
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("truncated", whole[..whole.len() / 2].to_vec(), "hst_acs_darkfile_0002.rmap:"),
        ("corrupt", [&whole[..], b"\x00"].concat(), "hst_acs_darkfile_0002.rmap:"),
        ("not UTF-8", [&whole[..40], b"\xff", &whole[40..]].concat(), "hst_acs_darkfile_0002.rmap:"),
        ("wrong checksum", text_of.replace("dark_new", "dark_old").into_bytes(), "sha1sum mismatch"),
        ("cyclic", std::fs::read(small.file("hst_0002.pmap")).expect("readable"), "hst_acs_darkfile_0002.rmap"),
        ("nested deeply", deep.into_bytes(), "brackets nest more than 100 deep"),
    ];
    for (what, bytes, says) in cases {
        std::fs::write(&rules, bytes).expect("writable");
        let out = affected(&small, &["--datasets", &dump, "--format", "jsonl"]);
        assert_eq!(out.status.code(), Some(0), "{what}: {}", text(&out.stderr));
        let lines = text(&out.stdout);
        assert!(lines.contains(says), "{what}: {lines}");
        assert!(
            lines.contains("Unknown instrument 'nosuch'"),
            "{what}: the other dataset keeps its own answer: {lines}"
        );
    }
    // A long file is no trouble in itself.
    let long = format!("{}# {}\n", text_of, "x".repeat(3 << 20));
    std::fs::write(&rules, long).expect("writable");
    let out = affected(&small, &["--datasets", &dump, "--ignore-checksums"]);
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(0), "early\nplain\n".to_owned()));
    std::fs::remove_file(&rules).expect("removable");
    let out = affected(&small, &["--datasets", &dump, "--format", "jsonl"]);
    assert_eq!(out.status.code(), Some(0));
    assert!(text(&out.stdout).contains("hst_acs_darkfile_0002.rmap"), "{}", text(&out.stdout));
}

/// Id, texts of the columns, gain.
type Row<'r> = (&'r str, [Option<&'r str>; 5], Option<f64>);

/// Writes headers as Parquet: an empty cell is a keyword that the header lacks.
fn parquet_file(path: &Path, rows: &[Row<'_>]) {
    let columns = ["INSTRUME", "DETECTOR", "CCDAMP", "DATE-OBS", "TIME-OBS"];
    let fields: String = columns.iter().map(|name| format!("optional binary {name} (STRING);\n")).collect();
    let schema = format!("message headers {{ required binary id (STRING);\n{fields} optional double GAIN; }}");
    let schema = Arc::new(parquet::schema::parser::parse_message_type(&schema).expect("a schema"));
    let file = std::fs::File::create(path).expect("writable");
    let mut writer =
        SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::builder().build())).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    let mut texts = |values: Vec<Option<&str>>, optional: bool| {
        let mut column = group.next_column().expect("no error").expect("a column");
        let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
        let bytes: Vec<ByteArray> = values.into_iter().flatten().map(ByteArray::from).collect();
        let levels = optional.then_some(&levels[..]);
        column.typed::<ByteArrayType>().write_batch(&bytes, levels, None).expect("written");
        column.close().expect("closed");
    };
    texts(rows.iter().map(|(id, ..)| Some(*id)).collect(), false);
    for at in 0..columns.len() {
        texts(rows.iter().map(|(_, cells, _)| cells[at]).collect(), true);
    }
    let mut column = group.next_column().expect("no error").expect("a column");
    let levels: Vec<i16> = rows.iter().map(|(.., gain)| i16::from(gain.is_some())).collect();
    let gains: Vec<f64> = rows.iter().filter_map(|(.., gain)| *gain).collect();
    column.typed::<DoubleType>().write_batch(&gains, Some(&levels), None).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.close().expect("closed");
}

#[test]
fn parquet_is_read() {
    let small = Small::story();
    let path = small.path().join("headers.parquet");
    let cells = |detector, amplifier, date| [Some("ACS"), Some(detector), amplifier, Some(date), Some("00:00:00")];
    parquet_file(
        &path,
        &[
            ("PLAIN:PLAIN", cells("WFC", Some("A"), "2012-01-01"), Some(2.0)),
            ("EARLY:EARLY", cells("HRC", Some("A"), "2005-01-01"), None),
            ("HIDDEN:HIDDEN", cells("WFC", None, "2012-01-01"), None),
        ],
    );
    let name = path.display().to_string();
    let out = affected(&small, &["--datasets", &name]);
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(0), "early\nplain\n".to_owned()), "{}", text(&out.stderr));
    let out = affected(&small, &["--datasets", &name, "--format", "jsonl"]);
    assert!(text(&out.stdout).contains("VALUE='UNDEFINED' IS NOT IN ['A', 'B', 'T']"), "{}", text(&out.stdout));
    std::fs::write(&path, "PAR1 but not for long").expect("writable");
    let out = affected(&small, &["--datasets", &name]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("failed to read Parquet file"), "{}", text(&out.stderr));
}

/// A stand-in server, ended with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; the test has failed then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn headers_come_from_a_server() {
    let small = Small::story();
    let load = small.path().join("load");
    std::fs::create_dir_all(&load).expect("writable");
    let dump = std::fs::read_to_string(dump(&small, "dump.json")).expect("readable");
    let mut datasets = String::new();
    for line in dump.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        for (id, header) in value.as_object().expect("an object") {
            // A server tells the instrument of an HST dataset by its first letter.
            let id = id.split(':').map(|part| format!("J{part}")).collect::<Vec<_>>().join(":");
            datasets.push_str(&(serde_json::json!({ "id": id, "header": header }).to_string() + "\n"));
        }
    }
    std::fs::write(load.join("datasets.jsonl"), datasets).expect("writable");
    let mut child = Command::new(env!("CARGO_BIN_EXE_crds-stand-in"))
        .args(["serve", "--observatory", "hst", "--listen", "127.0.0.1:0", "--operational", "hst_0001.pmap"])
        .args(["--edit", "hst_0002.pmap", "--cache"])
        .arg(small.path())
        .arg("--load")
        .arg(&load)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the stand-in starts");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
    let _server = Server(child);
    let url = first.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("first line: {first:?}"));
    let out = affected(&small, &["--server", url]);
    assert_eq!(
        (out.status.code(), text(&out.stdout)),
        (Some(0), "jearly\njplain\n".to_owned()),
        "{}",
        text(&out.stderr)
    );
    let best = ours(&["bestrefs", "--context", "hst_0002.pmap", "--server", url, "--cache"])
        .arg(small.path())
        .output()
        .expect("runs");
    let lines: Vec<serde_json::Value> =
        text(&best.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |id: &str| lines.iter().find(|line| line["id"] == id).map(|line| line["bestrefs"]["darkfile"].clone());
    assert_eq!(of("JPLAIN:JPLAIN"), Some("dark_new.fits".into()));
    // The server knows datasets by instrument; one that it files nowhere is not asked for.
    assert_eq!(of("JNOBODY:JNOBODY"), None);
}

#[test]
fn a_terminal_sees_how_far_it_is() {
    let small = Small::story();
    let path = small.path().join("many.json");
    let one = line("@:@", &header("WFC", "A", "2012-01-01"));
    let many: String = (0..6000).map(|n| one.replace('@', &format!("P{n}")) + "\n").collect();
    std::fs::write(&path, many).expect("writable");
    let command = format!(
        "'{}' affected --cache '{}' --old hst_0001.pmap --new hst_0002.pmap --datasets '{}' --format summary",
        env!("CARGO_BIN_EXE_crds-upgrade"),
        small.path().display(),
        path.display()
    );
    let Ok(seen) = Command::new("script").args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").output() else {
        eprintln!("!!! NOT TESTED: `script` is absent, so no terminal can be had for the progress bar");
        return;
    };
    let shown = text(&seen.stdout);
    assert_eq!(seen.status.code(), Some(0), "{shown}");
    assert!(shown.contains("affected products       6000"), "{shown}");
    assert!(shown.contains(" left"), "no progress bar on the terminal: {shown:?}");
    // What is not a terminal stays clean.
    let out = Command::new("sh").args(["-c", &command]).output().expect("runs");
    assert_eq!((out.status.code(), text(&out.stderr)), (Some(0), String::new()));
}

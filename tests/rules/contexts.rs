//! Every real mapping: parsed as Python parses it, verified, loaded, written back.

use std::path::Path;
use std::process::Command;

use crds_upgrade::rules::Library;
use crds_upgrade::rules::syntax::{self, KeyOrder, Mapping};

use crate::data;

/// Mappings that are published with something wrong about them.
const WRONG_CHECKSUM: [&str; 1] = ["roman_wfi_epsf_0001.rmap"];

fn files(cache: &Path, observatory: &str) -> Vec<std::path::PathBuf> {
    let folder = std::fs::read_dir(cache.join("mappings").join(observatory)).expect("mappings");
    let mut files: Vec<_> = folder.map(|file| file.expect("readable").path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "pmap" || ext == "imap" || ext == "rmap"));
    files.sort();
    files
}

#[test]
fn every_context_loads_and_every_checksum_is_right() {
    let Some(cache) = data::cache() else { return };
    for observatory in ["hst", "jwst", "roman"] {
        let library = Library::with_checksums(cache, observatory != "roman");
        let (mut contexts, mut incomplete) = (Vec::new(), 0);
        for file in files(cache, observatory).iter().filter(|file| file.extension().is_some_and(|ext| ext == "pmap")) {
            let name = file.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            contexts.push(library.context(name).unwrap_or_else(|error| panic!("{error}")));
        }
        library.preload(&contexts);
        for context in &contexts {
            for (instrument, error) in context.load_all().err().unwrap_or_default() {
                // The cache holds some contexts without all of their rules; anything else is a failure.
                let text = error.to_string();
                assert!(text.starts_with("failed to read"), "{} {instrument}: {text}", context.name());
                incomplete += 1;
            }
        }
        println!("{observatory}: {} contexts loaded, {incomplete} instruments incomplete in the cache", contexts.len());
    }
}

#[test]
fn every_file_is_written_back_byte_for_byte() {
    let Some(cache) = data::cache() else { return };
    for observatory in ["hst", "jwst", "roman"] {
        let (mut same, mut other) = (0, Vec::new());
        for file in files(cache, observatory) {
            let bytes = std::fs::read(&file).expect("readable");
            let name = file.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
            let mapping: Mapping = syntax::parse(&bytes, &name).unwrap_or_else(|error| panic!("{error}"));
            let text = syntax::decode(&bytes, &name).expect("UTF-8");
            let right = mapping.header_str("sha1sum").is_some_and(|own| own.to_lowercase() == syntax::checksum(&text));
            assert!(right || WRONG_CHECKSUM.contains(&name.as_str()), "{name}: wrong checksum");
            let orders = [KeyOrder::Text, KeyOrder::Numeric];
            if orders.iter().any(|order| syntax::write(&mapping, *order).as_bytes() == bytes) {
                same += 1;
            } else {
                other.push(name);
            }
        }
        println!("{observatory}: {same} files written back byte for byte, {} not: {other:?}", other.len());
        // What is not are files written by hand or by tools before the client; what derivations make always is.
        assert!(other.len() <= 13, "{observatory}: {} files differ: {other:?}", other.len());
    }
}

/// Prints, per file, the tree that Python's `ast` sees, in the notation of [`shown`].
const PYTHON: &str = r#"
import ast, hashlib, sys
def show(n):
    if isinstance(n, ast.Constant): return repr(n.value)
    if isinstance(n, ast.UnaryOp): return '-' + show(n.operand)
    if isinstance(n, ast.Tuple): return '(' + ','.join(map(show, n.elts)) + ')'
    if isinstance(n, ast.List): return '[' + ','.join(map(show, n.elts)) + ']'
    if isinstance(n, ast.Dict): return '{' + ','.join(show(k) + ':' + show(v) for k, v in zip(n.keys, n.values)) + '}'
    if isinstance(n, ast.Call): return n.func.id + show(n.args[0])
    raise ValueError(ast.dump(n))
for path in sys.stdin.read().split('\n'):
    if path:
        tree = {s.targets[0].id: s.value for s in ast.parse(open(path).read()).body}
        text = show(tree['header']) + show(tree['selector'])
        print(hashlib.sha1(text.encode()).hexdigest())
"#;

fn shown(value: &syntax::Value, out: &mut String) {
    use crds_upgrade::rules::python::{float_repr, repr};
    use syntax::Value;
    let all = |items: &[Value], out: &mut String| {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            shown(item, out);
        }
    };
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(b) => out.push_str(if *b { "True" } else { "False" }),
        Value::Int(text) => out.push_str(text),
        Value::Float(text) => out.push_str(&float_repr(text.parse().expect("a number"))),
        Value::Str(text) => out.push_str(&repr(text)),
        Value::Tuple(items) => {
            out.push('(');
            all(items, out);
            out.push(')');
        }
        Value::List(items) => {
            out.push('[');
            all(items, out);
            out.push(']');
        }
        Value::Dict(items) => {
            out.push('{');
            for (at, (key, value)) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                shown(key, out);
                out.push(':');
                shown(value, out);
            }
            out.push('}');
        }
        Value::Call(call) => {
            out.push_str(call.name.as_str());
            shown(&Value::Dict(call.dict.clone()), out);
        }
    }
}

#[test]
fn every_file_is_parsed_as_python_parses_it() {
    use sha1::Digest;
    use std::io::Write;
    let Some(cache) = data::cache() else { return };
    let files: Vec<_> = ["hst", "jwst", "roman"].iter().flat_map(|observatory| files(cache, observatory)).collect();
    let mut python = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3");
    let list: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    let mut input = python.stdin.take().expect("a pipe");
    let feeder = std::thread::spawn(move || input.write_all(list.as_bytes()));
    let output = python.wait_with_output().expect("python3");
    feeder.join().expect("no panic").expect("python3 reads");
    assert!(output.status.success());
    let theirs = String::from_utf8(output.stdout).expect("UTF-8");
    let theirs: Vec<&str> = theirs.lines().collect();
    assert_eq!(theirs.len(), files.len());
    for (file, theirs) in files.iter().zip(theirs) {
        let bytes = std::fs::read(file).expect("readable");
        let mapping = syntax::parse(&bytes, "file").unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut text = String::new();
        shown(&mapping.header, &mut text);
        shown(&mapping.selector, &mut text);
        let ours: String = sha1::Sha1::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(ours, theirs, "{}", file.display());
    }
    println!("{} files parsed as Python's ast parses them", files.len());
}

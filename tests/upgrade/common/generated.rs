//! What an install makes of the checkout's templates: Apache's configuration, the WSGI script, static files and the two
//! environments (SO 3.5, 7). It reports success whatever came of them.

use std::collections::BTreeMap;

use crds_upgrade::crds::Server;
use crds_upgrade::host::Algorithm;
use crds_upgrade::run::StepError;
use regex::Regex;

/// Largest generated file that is read.
const MOST: usize = 1 << 20;

/// In what the generated files are not what the checkout's templates give.
///
/// # Errors
///
/// The host cannot be asked.
pub fn faults(ops: &Server) -> Result<Vec<String>, StepError> {
    let mut faults = templates(ops)?;
    faults.extend(static_files(ops)?);
    faults.extend(environments(ops)?);
    faults.extend(programs(ops)?);
    Ok(faults)
}

/// Each line of a generated file is its template's, with something in place of each `SUB_` word.
fn templates(ops: &Server) -> Result<Vec<String>, StepError> {
    let (sources, server) = (&ops.paths().server_sources, &ops.paths().server);
    let mut faults = Vec::new();
    for (made, candidates) in [
        ("conf/httpd.conf", &["servers/httpd.conf.2.2", "servers/httpd.conf.2.0"][..]),
        ("conf/ssl.conf", &["servers/ssl.conf"]),
        ("wsgi-scripts/crds.wsgi", &["servers/crds.wsgi"]),
    ] {
        let read = |path: String| -> Result<Option<String>, StepError> {
            let bytes = ops.remote().read_if_there(&path, MOST)?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let mut odd: Option<String> = None;
        for template in candidates {
            let Some(template) = read(format!("{sources}/{template}"))? else { continue };
            let text = read(format!("{server}/{made}"))?.unwrap_or_default();
            match unlike(&template, &text) {
                None => {
                    odd = None;
                    break;
                }
                // Of several templates the first that was there is the one that is told about.
                Some(line) => odd = odd.or(Some(line)),
            }
        }
        faults.extend(odd.map(|line| format!("{made} is not what its template gives: {line}")));
    }
    Ok(faults)
}

/// The first line of `text` that a template does not give.
fn unlike(template: &str, text: &str) -> Option<String> {
    let mut lines = text.lines();
    for (at, wanted) in template.lines().enumerate() {
        let Some(line) = lines.next() else { return Some(format!("it ends before line {}", at + 1)) };
        if !gives(wanted, line) {
            return Some(format!("line {}: `{}`", at + 1, line.trim()));
        }
    }
    lines.next().map(|line| format!("it goes on with `{}`", line.trim()))
}

/// Whether a line can have been made of a template's line.
fn gives(template: &str, line: &str) -> bool {
    if template == line {
        return true;
    }
    let parts: Vec<String> = template
        .split("SUB_")
        .enumerate()
        .map(|(at, part)| {
            // Behind the mark stands the name of what is put there.
            let rest =
                if at == 0 { part } else { part.trim_start_matches(|c: char| c.is_ascii_uppercase() || c == '_') };
            regex::escape(rest)
        })
        .collect();
    parts.len() > 1 && Regex::new(&format!("^{}$", parts.join(r"\S*"))).is_ok_and(|shape| shape.is_match(line))
}

/// Every static file of the checkout is there byte for byte.
fn static_files(ops: &Server) -> Result<Vec<String>, StepError> {
    let (sources, made) =
        (format!("{}/sources/static_files", ops.paths().server_sources), format!("{}/static", ops.paths().crds));
    if ops.remote().there(&[&sources, &made])?.len() < 2 {
        return Ok(Vec::new());
    }
    let wanted = ops.remote().hash_tree_without(&sources, Algorithm::Sha256, ".svn")?;
    let seen = ops.remote().hash_tree(&made, Algorithm::Sha256)?;
    let other = wanted.iter().filter(|(path, hash)| seen.get(*path) != Some(hash));
    Ok(other.map(|(path, _)| format!("static/{path} is not the checkout's")).collect())
}

/// Every installed program is a script of a checkout, but for its first line, in which an install puts the interpreter.
fn programs(ops: &Server) -> Result<Vec<String>, StepError> {
    let bin = format!("{}/python/bin", ops.paths().crds);
    let sources = [&ops.paths().client_sources, &ops.paths().server_sources];
    if ops.remote().there(&[&bin])?.is_empty() {
        return Ok(Vec::new());
    }
    let mut known: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for directory in sources {
        for (path, hash) in ops.remote().hash_tree_without(directory, Algorithm::Sha256, ".svn")? {
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            known.entry(name).or_default().push((format!("{directory}/{path}"), hash));
        }
    }
    let body = |path: &str| -> Result<Vec<u8>, StepError> {
        let bytes = ops.remote().read_file(path, MOST)?;
        let first = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        Ok(bytes[first..].to_vec())
    };
    let mut faults = Vec::new();
    for (name, hash) in ops.remote().hash_tree(&bin, Algorithm::Sha256)? {
        // What no checkout has is a package's of the stack, or told as left over.
        let Some(candidates) = known.get(&name) else { continue };
        if candidates.iter().any(|(_, other)| *other == hash) {
            continue;
        }
        let made = body(&format!("{bin}/{name}"))?;
        let mut same = false;
        for (path, _) in candidates {
            same |= body(path)? == made;
        }
        if !same {
            faults.push(format!("python/bin/{name} is not the checkout's script"));
        }
    }
    Ok(faults)
}

/// `env.csh`, which every tool sources, and `env.sh`, which starts the server, give the same values.
fn environments(ops: &Server) -> Result<Vec<String>, StepError> {
    let sources = &ops.paths().server_sources;
    let read = |name: &str| -> Result<Option<String>, StepError> {
        let bytes = ops.remote().read_if_there(&format!("{sources}/{name}"), MOST)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let (Some(csh), Some(sh)) = (read("env.csh")?, read("env.sh")?) else { return Ok(Vec::new()) };
    let (csh, sh) = (set(&csh, "setenv ", ' '), set(&sh, "export ", '='));
    let mut names: Vec<&String> = csh.keys().chain(sh.keys()).collect();
    names.sort();
    names.dedup();
    // Python looks through it in order: what does not belong to installation or stack comes before what does.
    let path = csh.get("PYTHONPATH").cloned().unwrap_or_default();
    let strange = path.split(':').filter(|place| !place.is_empty() && !place.starts_with(ops.paths().crds.as_str()));
    let strange = strange.map(|place| format!("PYTHONPATH of env.csh has {place}, of neither installation nor stack"));
    let strange: Vec<String> = strange.collect();
    let said = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
    let differ = names.into_iter().filter(|name| csh.get(*name) != sh.get(*name));
    Ok(differ
        .map(|name| format!("{name} is `{}` in env.csh and `{}` in env.sh", said(csh.get(name)), said(sh.get(name))))
        .chain(strange)
        .collect())
}

/// The last value of each variable that lines beginning with `word` set.
fn set(text: &str, word: &str, between: char) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.trim().strip_prefix(word)?.split_once(between));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().trim_matches('"').to_owned())).collect()
}

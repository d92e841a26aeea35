//! One file: what is known of it, who uses it, where its bytes are (WP 3.11).

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::form_data::quote;
use super::super::html::{accordion, browse, browse_plain, esc, human, repr, span, table};
use super::super::visit::{Outcome, Stop, Visit};
use super::common;
use crate::stand_in::server::cache::Entry;
use crate::stand_in::server::catalog::FileRow;
use crate::stand_in::server::http::Response;

/// Ancestors that the select of the browse page offers at most.
const MAX_ANCESTORS: usize = 20;

/// `/browse/<file>`, kept until anything is saved (WP 3.11).
pub fn file(visit: &Visit, captures: &[String]) -> Outcome {
    let name = &captures[0];
    // The old page cache tells visitors apart by their cookies.
    let key = format!("browse:{name}:{}", visit.request.header("cookie").unwrap_or_default());
    let cache = &visit.server.config.memcached;
    let now = visit.server.config.clock.now();
    let cached = visit.server.dialect().cached_answers;
    if cached
        && let Some(entry) = cache.get(&key, now)
        && let Entry::Bytes(bytes) = entry.as_ref()
    {
        return Ok(visit.page(&String::from_utf8_lossy(bytes)));
    }
    let row = visit.server.catalogue.file(name)?;
    let row = row.ok_or_else(|| Stop::refused(format!("Can't find {}", repr(name))))?;
    let body = body(visit, &row)?;
    if cached {
        cache.put(&key, Entry::Bytes(body.clone().into_bytes()), now);
    }
    Ok(visit.page(&body))
}

fn body(visit: &Visit, row: &FileRow) -> Result<String, Stop> {
    let name = &row.name;
    // All of it stands in the heading.
    let mut out = format!("<h2>\nBrowse <span class='gray'>{}</span>\n", esc(name));
    if name.ends_with(".pmap") {
        let _ = writeln!(out, "<a href='/context_table/{}'><span>context table</span></a>", esc(&quote(name)));
    }
    let base = visit.server.config.public_url.trim_end_matches('/');
    let address = |file: &str| esc(&format!("{base}{}", unchecked_path(visit, file, row.is_mapping())));
    match geis_data(name) {
        Some(data) => {
            let _ = writeln!(
                out,
                "download <a href='{}'>header</a>&nbsp<a href='{}'>data</a>",
                address(name),
                address(&data)
            );
        }
        None => {
            let _ = writeln!(out, "<a href='{}'>download</a>", address(name));
        }
    }
    if visit.is_super() && !visit.dialect().old_pages {
        let _ = writeln!(out, "<a href='/admin/interactive/fileblob/{}'><span>admin</span></a>", row.id);
    }
    out.push_str(&ancestors(visit, row)?);
    out.push_str("</h2>\n");
    out.push_str(&accordion("Database", &database(visit, row)?));
    out.push_str(&accordion("Contents", &contents(visit, row)));
    out.push_str(&accordion("Past Actions", &actions(visit, name)?));
    let uses: Vec<String> = visit.server.rules.uses(name).iter().map(|user| browse_plain(user)).collect();
    out.push_str(&accordion("Used By Files", &format!("<p>{}</p>", uses.join("<br>\n"))));
    if !row.is_mapping() {
        let patterns = lookup_patterns(visit, row)?;
        if !patterns.is_empty() {
            out.push_str(&accordion("Lookup Patterns", &patterns));
        }
        let constraints = format!("<pre>{}</pre>", esc(&constraints(row)));
        out.push_str(&accordion("Reference Constraints (.tpn)", &constraints));
    }
    Ok(out)
}

/// The data half of a GEIS file, given its header half.
fn geis_data(name: &str) -> Option<String> {
    let stem = name.strip_suffix('h')?;
    (name.rfind(".r").is_some_and(|at| name.len() - at == 4)).then(|| format!("{stem}d"))
}

/// Path of a file's bytes below the server's address.
pub fn unchecked_path(visit: &Visit, name: &str, mapping: bool) -> String {
    let kind = if mapping { "mappings" } else { "references" };
    format!("/unchecked_get/{kind}/{}/{}", visit.server.config.observatory, quote(name))
}

/// A choice of up to twenty ancestors to see differences from.
fn ancestors(visit: &Visit, row: &FileRow) -> Result<String, Stop> {
    let mut names: Vec<String> = Vec::new();
    let mut parent = row.derived_from.clone();
    while names.len() < MAX_ANCESTORS && !names.contains(&parent) {
        let Some(found) = visit.server.catalogue.file(&parent)? else { break };
        names.push(parent);
        parent = found.derived_from;
    }
    if names.is_empty() {
        return Ok(String::new());
    }
    let options: String = names.iter().map(|name| format!("<option value=\"{0}\">{0}</option>", esc(name))).collect();
    let first = names.first().map(|name| quote(name)).unwrap_or_default();
    Ok(format!(
        "<a id=\"diff_link\" href=\"/difference/?file1={}&amp;file2={}\"><span>diff </span></a> <span \
         class=\"gray\">versus </span>\n<select name='known_file1'>\n{options}</select>\n",
        esc(&first),
        esc(&quote(&row.name))
    ))
}

fn database(visit: &Visit, row: &FileRow) -> Result<String, Stop> {
    let dirs = &visit.server.config.dirs;
    let dir = if row.is_mapping() { &dirs.mappings } else { &dirs.references };
    let there = if dir.join(&row.name).exists() { "green" } else { "red" };
    let sha1sum = if row.sha1sum.is_empty() { span("orange", "undefined") } else { esc(&row.sha1sum) };
    let size = row.size.unwrap_or(-1);
    let mut rows = vec![
        ("CRDS Name", span(there, &row.name)),
        ("Uploaded Name", esc(&row.uploaded_as)),
        ("Sha1sum", sha1sum),
        ("Size (bytes)", format!("{size} ({})", human(size.unsigned_abs()))),
        ("Status", common::status(visit, row)?),
    ];
    let bad = rejected_below(visit, row)?;
    if !bad.is_empty() {
        rows.push(("Blacklisted By", bad.iter().map(|name| span("red", name)).collect::<Vec<_>>().join(" ")));
    }
    rows.push(("Reject Flag", if row.rejected { "True" } else { "False" }.to_owned()));
    rows.push(("Replaced By File Name", esc(&row.replaced_by_filename)));
    if visit.user.is_some() {
        rows.extend([
            ("Submitter", esc(&row.deliverer_user)),
            ("Submitter Email", esc(&row.deliverer_email)),
            ("Creator Name", esc(&row.creator_name)),
        ]);
    }
    rows.extend([
        ("Submit Description", esc(&row.description)),
        ("Derived From", esc(&row.derived_from)),
        ("Change Level", esc(&row.change_level)),
        ("Delivery Date", common::date(&row.delivery_date)),
        ("Activation Date", common::date(&row.activation_date)),
    ]);
    if !row.is_mapping() {
        rows.extend([
            ("History", format!("<pre>{}</pre>", esc(&row.history))),
            ("Descrip", esc(&row.comment)),
            ("Pedigree", esc(&row.pedigree)),
            ("Useafter Date", common::date(&row.useafter_date)),
        ]);
        if visit.server.config.observatory != "jwst" {
            rows.push(("Aperture", esc(&row.aperture)));
        }
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    Ok(table(None, &[], &rows))
}

/// Rejected mappings at and below a mapping.
fn rejected_below(visit: &Visit, row: &FileRow) -> Result<Vec<String>, Stop> {
    if !row.is_mapping() {
        return Ok(Vec::new());
    }
    let rejected = visit.server.catalogue.rejected_files()?;
    if rejected.is_empty() {
        return Ok(Vec::new());
    }
    let below = visit.server.rules.closure(&row.name).unwrap_or_default();
    Ok(rejected.into_iter().map(|row| row.name).filter(|name| below.contains(name)).collect())
}

fn contents(visit: &Visit, row: &FileRow) -> String {
    let name = &row.name;
    let dirs = &visit.server.config.dirs;
    if row.is_mapping() {
        return match visit.server.rules.text(name) {
            Some(text) => format!("<pre class='program'>{}</pre>", with_links(&text)),
            None => format!("<h3 class='error'>File <span class='grey'>{}</span> not found</h3>", esc(name)),
        };
    }
    let path = dirs.references.join(name);
    match std::fs::File::open(&path).and_then(|file| file.metadata()) {
        Ok(meta) if meta.is_file() => super::super::fits_info::describe(&path, name),
        _ => format!(
            "<p class='error'>File header unavailable for {0}</p>\n<p class='error'>FITS info unavailable: {0}</p>",
            esc(&repr(name))
        ),
    }
}

/// A mapping's text in which every quoted file name is a link.
fn with_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for (at, part) in text.split('\'').enumerate() {
        if at > 0 {
            out.push_str("&#39;");
        }
        let is_name = at % 2 == 1
            && super::super::fields::is_file_name(part)
            && !part.contains(char::is_whitespace)
            && ["pmap", "imap", "rmap", "fits", "json", "asdf"].iter().any(|end| part.ends_with(&format!(".{end}")));
        out.push_str(&if is_name { browse_plain(part) } else { esc(part) });
    }
    out
}

fn actions(visit: &Visit, name: &str) -> Result<String, Stop> {
    let rows: Vec<Vec<String>> = visit
        .server
        .catalogue
        .actions()?
        .iter()
        .filter(|row| row.filename == name)
        .map(|row| vec![common::minutes(&row.date), esc(&row.action), esc(&row.user), esc(&row.why), esc(&row.details)])
        .collect();
    Ok(table(None, &["Date", "Action", "User", "Why", "Details"], &rows))
}

/// Where the edit context's rules name a reference: a table below each rmap that does.
fn lookup_patterns(visit: &Visit, row: &FileRow) -> Result<String, Stop> {
    let edit = visit.present("edit")?;
    let Ok(closure) = visit.server.rules.closure(&edit) else { return Ok(String::new()) };
    let mut out = String::new();
    for mapping in closure.iter().filter(|mapping| mapping.ends_with(".rmap")) {
        if let Ok(loaded) = visit.server.rules.load(mapping)
            && loaded.references.contains(&row.name)
        {
            let (head, rows) = super::table::patterns(&loaded, &row.name);
            let head: Vec<&str> = head.iter().map(String::as_str).collect();
            let _ = writeln!(out, "<p>{} : {}</p>", browse(&edit), browse_plain(mapping));
            out.push_str(&table(None, &head, &rows));
        }
    }
    Ok(out)
}

/// Which constraint tables apply to a type; their contents are the certifier's.
fn constraints(row: &FileRow) -> String {
    format!("{}_all.tpn\n{}_{}.tpn", row.instrument, row.instrument, row.filekind)
}

/// `/uses/<file>`: mappings that reach it; an unknown name is a real failure.
pub fn uses(visit: &Visit, captures: &[String]) -> Outcome {
    let name = &captures[0];
    if visit.server.catalogue.file(name)?.is_none() {
        return Err(Stop::failed(format!("LookupError {}", repr(name))));
    }
    let users: Vec<Value> = visit.server.rules.uses(name).iter().map(|user| json!(user)).collect();
    Ok(visit.json(&Value::Array(users)))
}

/// `/get/<file>`: the checked way to a file's bytes.
pub fn get(visit: &Visit, captures: &[String]) -> Outcome {
    let name = &captures[0];
    let Some(row) = visit.server.catalogue.file(name)? else {
        // The blank is missing on the real server too.
        return Err(Stop::refused(format!("No CRDS database entry for{}", repr(name))));
    };
    if !visit.server.available(&row)? {
        return Err(Stop::refused(format!("File {} is not yet available for distribution.", repr(name))));
    }
    let base = visit.server.config.public_url.trim_end_matches('/');
    Ok(Response::redirect(302, &format!("{base}{}", unchecked_path(visit, name, row.is_mapping()))))
}

/// A list of files as links.
pub fn links(files: &[String]) -> String {
    files.iter().map(|file| format!("<p>{}</p>\n", browse(file))).collect()
}

//! One file: what is known of it, who uses it, where its bytes are (WP 3.11).

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::form_data::quote;
use super::super::html::{accordion, browse, browse_plain, esc, repr, table};
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
    let mut out = format!("<h2>Browse {}</h2>\n<p>", esc(name));
    if name.ends_with(".pmap") {
        let _ = write!(out, "<a href=\"/context_table/{0}\">context table</a> ", esc(&quote(name)));
    }
    let base = visit.server.config.public_url.trim_end_matches('/');
    let address = |file: &str| esc(&format!("{base}{}", unchecked_path(visit, file, row.is_mapping())));
    match geis_data(name) {
        Some(data) => {
            let _ = write!(
                out,
                "download <a href='{}'>header</a>&nbsp<a href='{}'>data</a>",
                address(name),
                address(&data)
            );
        }
        None => {
            let _ = write!(out, "<a href='{}'>download</a>", address(name));
        }
    }
    out.push_str("</p>\n");
    out.push_str(&ancestors(visit, row)?);
    out.push_str(&accordion("Database", &database(visit, row)?));
    out.push_str(&accordion("Contents", &contents(visit, row)));
    out.push_str(&accordion("Past Actions", &actions(visit, name)?));
    let uses: Vec<String> = visit.server.rules.uses(name).iter().map(|user| browse_plain(user)).collect();
    out.push_str(&accordion("Used By Files", &format!("<p>{}</p>", uses.join("<br>\n"))));
    if !row.is_mapping() {
        let patterns = lookup_patterns(visit, row)?;
        if !patterns.is_empty() {
            out.push_str(&accordion("Lookup Patterns", &format!("<pre>{}</pre>", esc(&patterns))));
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
    let mut out = format!(
        "<form action=\"/difference/\" method=\"get\">diff versus <select name=\"file1\">{}</select><input \
         type=\"hidden\" name=\"file2\" value=\"{}\"> ",
        names.iter().map(|name| format!("<option value=\"{0}\">{0}</option>", esc(name))).collect::<String>(),
        esc(&row.name)
    );
    out.push_str("<input type=\"submit\" value=\"diff\"></form>\n");
    Ok(out)
}

fn database(visit: &Visit, row: &FileRow) -> Result<String, Stop> {
    let text = |value: &str| esc(if value.is_empty() { "none" } else { value });
    let yes_no = |flag: bool| if flag { "<span class=\"red\">true</span>" } else { "false" }.to_owned();
    let mut rows = vec![
        ("Delivery Date", common::date(&row.delivery_date)),
        ("Activation Date", common::date(&row.activation_date)),
        ("Status", common::status(visit, row)?),
        ("Uploaded Name", text(&row.uploaded_as)),
        ("Derived From", text(&row.derived_from)),
        ("Replaced By", text(&row.replaced_by_filename)),
        ("Rejected", yes_no(row.rejected)),
        ("Blacklisted", yes_no(row.blacklisted)),
        ("Instrument", text(&row.instrument)),
        ("Reference Type", text(&row.filekind)),
        ("Creator", text(&row.creator_name)),
    ];
    if visit.user.is_some() {
        rows.push(("Submitter", text(&row.deliverer_user)));
    }
    rows.extend([
        ("Description", text(&row.description)),
        ("Change Level", text(&row.change_level)),
        ("Catalog Link", text(row.catalog_link.rsplit('/').next().unwrap_or_default())),
        ("Sha1sum", text(&row.sha1sum)),
        ("Size", row.size.map_or_else(|| "none".to_owned(), |size| size.to_string())),
    ]);
    if !row.is_mapping() {
        rows.extend([
            ("Useafter Date", common::date(&row.useafter_date)),
            ("Pedigree", text(&row.pedigree)),
            ("Reference File Type", text(&row.reference_file_type)),
            ("Aperture", text(&row.aperture)),
            ("Comment", text(&row.comment)),
            ("History", format!("<pre>{}</pre>", text(&row.history))),
        ]);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    Ok(table(None, &[], &rows))
}

fn contents(visit: &Visit, row: &FileRow) -> String {
    let name = &row.name;
    let dirs = &visit.server.config.dirs;
    if row.is_mapping() {
        return match visit.server.rules.text(name) {
            Some(text) => format!("<pre class='program'>{}</pre>", with_links(&text)),
            None => format!("<p class='error'>Can't load {}</p>", esc(&repr(name))),
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
        .map(|row| vec![common::seconds(&row.date), esc(&row.action), esc(&row.user), esc(&row.why), esc(&row.details)])
        .collect();
    Ok(table(None, &["Date", "Action", "User", "Why", "Details"], &rows))
}

/// Where the edit context's rules name a reference.
fn lookup_patterns(visit: &Visit, row: &FileRow) -> Result<String, Stop> {
    let edit = visit.present("edit")?;
    let Ok(closure) = visit.server.rules.closure(&edit) else { return Ok(String::new()) };
    let mut out = String::new();
    for mapping in closure.iter().filter(|mapping| mapping.ends_with(".rmap")) {
        if let Ok(loaded) = visit.server.rules.load(mapping)
            && loaded.references.contains(&row.name)
        {
            for line in super::table::patterns(&loaded, &row.name) {
                let _ = writeln!(out, "{edit} {mapping} {line}");
            }
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

//! `/unchecked_get/`: what Apache serves straight from the cache (WP 2.1).

use std::path::Path;

use super::{
    Server,
    faults::on_for,
    http::{Body, Request, Response},
};

/// Serves whatever lies in the cache under that name, whatever its state in the catalogue.
pub fn unchecked(server: &Server, request: &Request) -> Response {
    let path = request.decoded_path();
    let mut parts = path.trim_start_matches('/').splitn(4, '/');
    let (Some(_), Some(area), Some(obs), Some(name)) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return not_found(&path);
    };
    let dirs = &server.config.dirs;
    let dir = match area {
        "mappings" => &dirs.mappings,
        "references" => &dirs.references,
        "config" => &dirs.config,
        "pickle" | "pickles" => &dirs.pickles,
        _ => return not_found(&path),
    };
    if obs != server.config.observatory || !plain_name(name) {
        return not_found(&path);
    }
    match damaged(&server.config.dirs.faults, area, &dir.join(name)) {
        Damage::None => {}
        Damage::Gone => return not_found(&path),
        Damage::Answer(response) => return response,
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD" | "POST") {
        return Response::html(405, apache_page("405 Method Not Allowed", "Method Not Allowed", ""));
    }
    serve_file(&dir.join(name)).unwrap_or_else(|| not_found(&path))
}

/// What the knobs make of a file that is served from the cache.
pub enum Damage {
    /// Nothing: it is served as it lies there.
    None,
    /// It is not found.
    Gone,
    /// It has other bytes or another length.
    Answer(Response),
}

/// What the knobs `static_404`, `missing_file`, `wrong_bytes` and `wrong_length` in the directory `knobs` make of the file
/// at `path` in an `area` of the cache.
pub fn damaged(knobs: &Path, area: &str, path: &Path) -> Damage {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !knobs.exists() {
        return Damage::None;
    }
    if on_for(knobs, "static_404", area) || on_for(knobs, "missing_file", &name) {
        return Damage::Gone;
    }
    let (bytes, length) = (on_for(knobs, "wrong_bytes", &name), on_for(knobs, "wrong_length", &name));
    if !bytes && !length {
        return Damage::None;
    }
    let Ok(mut content) = std::fs::read(path) else { return Damage::None };
    if length {
        content.pop();
    }
    if bytes && let Some(first) = content.first_mut() {
        *first ^= 1;
    }
    Damage::Answer(Response::new(200).with_header("content-type", content_type(path)).with_body(content))
}

/// A file as an answer; `None` if it is no readable plain file.
pub fn serve_file(path: &Path) -> Option<Response> {
    let meta = std::fs::metadata(path).ok()?;
    if !meta.is_file() || std::fs::File::open(path).is_err() {
        return None;
    }
    let mut response = Response::new(200).with_header("content-type", content_type(path));
    response.body = Body::File(path.to_owned(), meta.len());
    Some(response)
}

/// Whether a decoded last path segment names a file of the directory itself.
fn plain_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

/// The type by the file's name: Apache knows FITS and JSON only by its magic, and says octet-stream for the rest.
fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()) {
        Some("pmap" | "imap" | "rmap" | "txt") => "text/plain",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

fn not_found(path: &str) -> Response {
    let shown = escape(path);
    Response::html(
        404,
        apache_page(
            "404 Not Found",
            "Not Found",
            &format!("<p>The requested URL {shown} was not found on this server.</p>\n"),
        ),
    )
}

fn apache_page(title: &str, heading: &str, text: &str) -> String {
    format!(
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>{title}</title>\n</head><body>\n\
         <h1>{heading}</h1>\n{text}</body></html>\n"
    )
}

/// HTML-escapes a text as Django does.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

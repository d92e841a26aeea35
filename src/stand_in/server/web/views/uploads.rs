//! Uploads to the ingest directory (WP 3.5), with the old site's odd habits: blanks that cannot be removed, names that
//! are stored but cannot be listed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::fields::is_file_name;
use super::super::form_data::{BODY_LIMIT_BYTES, Upload, quote};
use super::super::forms;
use super::super::html::repr;
use super::super::visit::{Outcome, Stop, Visit};
use super::super::{access, json as python_json, render, routes};
use crate::stand_in::server::http::Response;

/// The ingest directory of a user.
pub fn ingest_dir(visit: &Visit, user: &str) -> PathBuf {
    visit.server.config.dirs.ingest.join(user)
}

/// Makes the ingest directory of a user.
///
/// # Errors
///
/// If it cannot be made.
pub fn ensure_ingest_dir(visit: &Visit, user: &str) -> Result<PathBuf, Stop> {
    use std::os::unix::fs::PermissionsExt as _;
    // A user name leads nowhere else.
    if user.is_empty() || user.contains(['/', '\0']) || user.starts_with('.') {
        return Err(Stop::failed(format!("Invalid file_local_dir {}", repr(user))));
    }
    let dir = ingest_dir(visit, user);
    if !dir.is_dir() {
        fs::create_dir_all(&dir)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o770))?;
    }
    Ok(dir)
}

/// Files of a user's ingest directory as a shell's `*` sees them, sorted.
///
/// # Errors
///
/// Never: a directory that is not there is empty.
pub fn ingested(visit: &Visit, user: &str) -> Vec<(String, PathBuf)> {
    let mut files: Vec<(String, PathBuf)> = fs::read_dir(ingest_dir(visit, user))
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
                .filter(|(name, _)| !name.starts_with('.'))
                .collect()
        })
        .unwrap_or_default();
    files.sort();
    files
}

/// `/upload/list/`.
pub fn list(visit: &Visit, _: &[String]) -> Outcome {
    let mut files = Vec::new();
    for (name, path) in ingested(visit, &visit.username()) {
        files.push(details(visit, &name, &path)?);
    }
    let value = Value::Array(files);
    answer(visit, &if visit.server.dialect().wrapped_lists { json!({"files": value}) } else { value })
}

/// One file as the page's script wants it; a name that no address can carry fails (WP 3.5).
fn details(visit: &Visit, name: &str, path: &Path) -> Result<Value, Stop> {
    let place = format!("/upload/delete/{name}");
    if routes::find(&place, visit.server.config.era).is_none() {
        return Err(Stop::failed(format!("NoReverseMatch no address for {}", repr(name))));
    }
    let size = fs::metadata(path)?.len();
    let place = format!("/upload/delete/{}", quote(name));
    Ok(if visit.server.dialect().wrapped_lists {
        json!({"name": name, "size": size, "deleteUrl": place, "deleteType": "DELETE"})
    } else {
        json!({"name": name, "size": size, "delete_url": place, "delete_type": "DELETE"})
    })
}

/// JSON whose type follows the `Accept` header, which must be there (WP 3.5).
fn answer(visit: &Visit, value: &Value) -> Outcome {
    let Some(accept) = visit.request.header("accept") else {
        return Err(Stop::failed("KeyError 'HTTP_ACCEPT'"));
    };
    let kind = if accept.contains("application/json") { "application/json" } else { "text/plain" };
    Ok(Response::new(200)
        .with_header("content-type", kind)
        .with_header("content-disposition", "inline; filename=files.json")
        .with_body(python_json::dumps(value)))
}

/// `/upload/new/`.
pub fn new(visit: &Visit, _: &[String]) -> Outcome {
    if visit.is_get() {
        if visit.dialect().old_pages {
            let setting = visit.setting(&forms::CERTIFY)?;
            return Ok(visit.page(&format!("<h2>Upload Files</h2>\n{}", render::upload_form(&setting))));
        }
        return Ok(Response::redirect(302, "/upload/list/"));
    }
    let upload = sent(visit)?;
    let path = store(visit, &upload.name, &upload.bytes)?;
    let item = details(visit, &upload.name, &path)?;
    let value = json!([item]);
    answer(visit, &if visit.server.dialect().wrapped_lists { json!({"files": value}) } else { value })
}

/// The file of a request: the last part of the right name (WP 3.5).
fn sent<'a>(visit: &'a Visit) -> Result<&'a Upload, Stop> {
    let field = visit.server.dialect().upload_field;
    if visit.request.body.len() > BODY_LIMIT_BYTES {
        return Err(Stop::refused(format!("Uploads are limited to {BODY_LIMIT_BYTES} bytes.")));
    }
    let upload = visit.files.iter().rev().find(|upload| upload.field == field);
    let upload = upload.ok_or_else(|| Stop::refused(format!("Specify a file to upload for {}", repr(field))))?;
    if !is_file_name(&upload.name) {
        return Err(Stop::refused(format!("Invalid file name {}", repr(&upload.name))));
    }
    Ok(upload)
}

/// Puts bytes into the ingest directory by way of a temporary file and a hard link, as the real server does.
fn store(visit: &Visit, name: &str, bytes: &[u8]) -> Result<PathBuf, Stop> {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = ensure_ingest_dir(visit, &visit.username())?;
    if name == "." || name == ".." || name.contains(['/', '\0']) || name.len() > 255 {
        return Err(Stop::failed(format!("OSError no file can be named {}", repr(name))));
    }
    if visit.server.faulty("uploads_full") {
        return Err(Stop::failed("OSError [Errno 28] No space left on device"));
    }
    let path = dir.join(name);
    remove(&path, name);
    let temporary = visit.server.config.dirs.uploads.join(format!("tmp{}.upload", uuid::Uuid::new_v4().simple()));
    let linked = fs::write(&temporary, bytes)
        .and_then(|()| fs::set_permissions(&temporary, fs::Permissions::from_mode(0o660)))
        .and_then(|()| fs::hard_link(&temporary, &path));
    let _ = fs::remove_file(&temporary);
    linked?;
    Ok(path)
}

/// The old site removes by an unquoted shell command: a name with a blank is never reached.
fn remove(path: &Path, name: &str) {
    if !name.contains(' ') {
        let _ = fs::remove_file(path);
    }
}

/// `/upload/delete/<file>`: an unknown name is answered like a known one.
pub fn delete(visit: &Visit, captures: &[String]) -> Outcome {
    let name = &captures[0];
    if name != "." && name != ".." {
        remove(&ingest_dir(visit, &visit.username()).join(name), name);
    }
    if visit.is_script() {
        return answer(visit, &Value::Bool(true));
    }
    Ok(Response::redirect(302, &access::absolute(visit, "/upload/new/")))
}

/// `/upload/chunked/` of today's servers: pieces with `Content-Range`, the last one completes the file.
pub fn chunked(visit: &Visit, _: &[String]) -> Outcome {
    // The client reads the token from the cookie of each answer (WP 3.8).
    visit.token();
    if visit.is_get() {
        return list(visit, &[]);
    }
    let upload = sent(visit)?;
    let Some(range) = visit.request.header("content-range") else {
        let path = store(visit, &upload.name, &upload.bytes)?;
        let item = details(visit, &upload.name, &path)?;
        return answer(visit, &json!({"files": [item]}));
    };
    let (start, end, total) = parse_range(range).ok_or_else(|| Stop::refused("Invalid Content-Range."))?;
    let length = upload.bytes.len() as u64;
    if end - start + 1 != length || total > BODY_LIMIT_BYTES as u64 * 64 {
        return Err(Stop::refused("Content-Range does not fit the piece."));
    }
    if upload.name.contains(['/', '\0']) || upload.name.len() > 200 {
        return Err(Stop::refused(format!("Invalid file name {}", repr(&upload.name))));
    }
    let part = visit.server.config.dirs.uploads.join(format!("{}-{}.part", visit.username(), upload.name));
    let held = fs::metadata(&part).map_or(0, |meta| meta.len());
    if start == 0 {
        fs::write(&part, &upload.bytes)?;
    } else if held == start {
        use std::io::Write as _;
        fs::OpenOptions::new().append(true).open(&part)?.write_all(&upload.bytes)?;
    } else {
        return Err(Stop::refused("Content-Range does not follow the pieces before."));
    }
    if end + 1 < total {
        return answer(visit, &json!({"files": [{"name": upload.name, "size": end + 1}]}));
    }
    let dir = ensure_ingest_dir(visit, &visit.username())?;
    let path = dir.join(&upload.name);
    let _ = fs::remove_file(&path);
    fs::rename(&part, &path)?;
    let item = details(visit, &upload.name, &path)?;
    answer(visit, &json!({"files": [item]}))
}

/// `bytes a-b/total`.
fn parse_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end, total) = (start.parse().ok()?, end.parse().ok()?, total.parse().ok()?);
    (start <= end && end < total).then_some((start, end, total))
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges() {
        assert_eq!(parse_range("bytes 0-1/4"), Some((0, 1, 4)));
        for odd in ["", "bytes 1-0/4", "bytes 0-4/4", "bytes */4", "0-1/4", "bytes 0-1"] {
            assert_eq!(parse_range(odd), None, "{odd}");
        }
    }
}

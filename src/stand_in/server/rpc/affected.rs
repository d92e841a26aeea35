//! `get_affected_datasets`: what the host's job computed, as it lies on disk (WP 1.11, SO 16).

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use serde_json::json;

use super::{
    super::python::{repr, split_lines},
    Answer, Outcome, Rpc, RpcError,
    info::shell_match,
    json::Json,
    misc::{int_text, no_int},
};

/// Most lines of a summary that are shown.
const MAX_LINES: usize = 1000;

impl Rpc<'_> {
    pub(super) fn get_affected_datasets(&self, observatory: &Json, old: &Json, new: &Json) -> Outcome {
        if self.server.faulty("cache_not_ready") {
            return self.pinned(observatory, old, new);
        }
        self.affected_now(observatory, old, new)
    }

    /// As some releases did: the error of a question that came too early is kept like an answer.
    fn pinned(&self, observatory: &Json, old: &Json, new: &Json) -> Outcome {
        let kept = self.cached("get_affected_datasets pinned", &[observatory, old, new], || {
            Ok(json!(match self.affected_now(observatory, old, new) {
                Ok(answer) => [true.to_string(), answer.into_text()],
                Err(err) => [false.to_string(), err.text],
            })
            .into())
        })?;
        match serde_json::from_str::<[String; 2]>(kept.text()) {
            Ok([good, answer]) if good == "true" => Ok(Answer::Own(answer)),
            Ok([_, text]) => Err(RpcError::other(text)),
            Err(err) => Err(RpcError::other(err.to_string())),
        }
    }

    fn affected_now(&self, observatory: &Json, old: &Json, new: &Json) -> Outcome {
        self.observatory(observatory)?;
        let old_serial = self.serial(old)?.unwrap_or_else(|| "*[0-9]".to_owned());
        let new_serial = self.serial(new)?.unwrap_or_else(|| "[0-9]*".to_owned());
        let not_ready = || {
            RpcError::other(format!(
                "No precomputed affected datasets results exist for old_context='{}' and new_context='{}'",
                old.str(),
                new.str()
            ))
        };
        if self.server.faulty("affected_not_ready") {
            return Err(not_ready());
        }
        let glob = format!("*{old_serial}_{new_serial}");
        let root = &self.server.config.dirs.monitor_reprocessing;
        let newest = fs::read_dir(root)
            .map(|entries| entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect::<Vec<_>>())
            .unwrap_or_default()
            .into_iter()
            .filter(|name| shell_match(&glob, name))
            .max()
            .ok_or_else(not_ready)?;
        let dir = root.join(&newest);
        // What was read of a directory is kept, even if it was not finished; which directory is the newest is not.
        let key = Json::Str(dir.display().to_string());
        let read = self.cached("get_affected_datasets", &[observatory, &key], || self.computed(&dir, &newest))?;
        // Only a computation whose status could be read has one that is a number.
        if read.text().contains("\"bestrefs_status\": \"FAILED: ") { Err(not_ready()) } else { Ok(read) }
    }

    /// The serial number of a context as asked; `None` for null.
    fn serial(&self, context: &Json) -> Result<Option<String>, RpcError> {
        if *context == Json::Null {
            return Ok(None);
        }
        let name = self.context(context)?;
        let asked = context.as_str().unwrap_or_default();
        if !asked.ends_with(".pmap") {
            return Err(RpcError::other("context must be a .pmap"));
        }
        let stem = name.rsplit('.').nth(1).unwrap_or_default();
        Ok(Some(stem.rsplit('_').next().unwrap_or(stem).to_owned()))
    }

    /// A computation as it lies on disk.
    fn computed(&self, dir: &Path, name: &str) -> Outcome {
        let ids = match lines(dir, "affected_ids.txt") {
            Ok(ids) => json!(ids),
            Err(why) => json!(format!("FAILED: {why}")),
        };
        let status = status(&dir.join("bestrefs.status"));
        let summary = match lines(dir, "bestrefs_err_truncated.txt").or_else(|_| lines(dir, "bestrefs_err.txt")) {
            Ok(found) => summary(&found),
            Err(why) if !self.dialect().stumbles_without_summary => format!("FAILED: {why}"),
            // 2019 stumbles over its own handler.
            Err(_) => return Err(RpcError::other("local variable 'exc2' referenced before assignment")),
        };
        // The numbers are cut out of the whole path.
        let path = dir.display().to_string();
        let mut numbers = path.rsplit('_');
        let (new_number, old_number) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        let obs = self.obs();
        Ok(Answer::from(json!({
            "computation_dir": name,
            "observatory": obs,
            "affected_ids": ids,
            "bestrefs_status": status.map_or_else(|why| json!(format!("FAILED: {why}")), |n| json!(n)),
            "old_context": format!("{obs}_{old_number}.pmap"),
            "new_context": format!("{obs}_{new_number}.pmap"),
            "bestrefs_err_summary": summary,
        })))
    }
}

/// The whole number in a status file, as Python's `int()` reads it; it is never looked for in compressed form.
fn status(path: &Path) -> Result<i64, String> {
    let text = fs::read_to_string(path).map_err(|err| err.to_string())?;
    int_text(&text).and_then(|number| number.parse().ok()).ok_or_else(|| no_int(text.trim()))
}

/// Lines of a file or of its `.gz`; empty ones kept. Else why not, in Python's words.
fn lines(dir: &Path, name: &str) -> Result<Vec<String>, String> {
    let plain = dir.join(name);
    let packed = dir.join(format!("{name}.gz"));
    let os = |err: &io::Error, path: &Path| super::super::rules_store::os_error(err, path);
    let bytes = if plain.exists() {
        fs::read(&plain).map_err(|err| os(&err, &plain))?
    } else if packed.exists() {
        unpack(&fs::read(&packed).map_err(|err| os(&err, &packed))?)?
    } else {
        return Err(format!("File not found: {}", repr(&plain.display().to_string())));
    };
    let text = String::from_utf8(bytes).map_err(|err| {
        let at = err.utf8_error().valid_up_to();
        let byte = err.as_bytes().get(at).copied().unwrap_or_default();
        format!("'utf-8' codec can't decode byte 0x{byte:02x} in position {at}: invalid start byte")
    })?;
    Ok(split_lines(&text).into_iter().map(str::to_owned).collect())
}

/// The contents of a gzip file; one without a byte is an empty one.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    if packed.is_empty() {
        return Ok(Vec::new());
    }
    if !packed.starts_with(&[0x1f, 0x8b]) {
        let magic: String = packed.iter().take(2).map(|b| std::ascii::escape_default(*b).to_string()).collect();
        return Err(format!("Not a gzipped file (b'{magic}')"));
    }
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(packed)
        .take(1 << 30)
        .read_to_end(&mut bytes)
        .map_err(|_| "Compressed file ended before the end-of-stream marker was reached".to_owned())?;
    Ok(bytes)
}

/// At most a thousand lines, the middle cut out.
fn summary(found: &[String]) -> String {
    if found.len() <= MAX_LINES {
        return found.join("\n");
    }
    let half = MAX_LINES / 2;
    let first = found.iter().take(half);
    let last = found.iter().skip(found.len() - half);
    let dots = String::from("...");
    first.chain(std::iter::once(&dots)).chain(last).map(String::as_str).collect::<Vec<_>>().join("\n")
}

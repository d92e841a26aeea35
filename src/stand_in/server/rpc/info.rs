//! Server info, listings, present contexts and history.

use std::fs;

use base64::Engine;
use serde_json::{Map, Value, json};

use super::{Answer, Outcome, Rpc, RpcError, check, json::Json};

/// Slice sizes that the server announces.
const MAX_BESTREFS_PER_RPC: i64 = 1000;

impl Rpc<'_> {
    /// `get_server_info` (WP 1.8). But for `last_synced` the answer is kept in memcached.
    pub(super) fn get_server_info(&self) -> Outcome {
        let kept = self.cached("get_server_info", &[], || Ok(Value::Object(self.server_info()?).into()))?;
        let kept = if self.server.faulty("stale_info") {
            self.server.first_info.get_or_init(|| kept.text().to_owned()).clone()
        } else {
            kept.into_text()
        };
        // The moment of the answer goes in front of what was kept.
        let rest = kept.strip_prefix('{').unwrap_or("}");
        Ok(Answer::Own(format!("{{\"last_synced\": \"{}\", {rest}", self.server.now_text())))
    }

    fn server_info(&self) -> Result<Map<String, Value>, RpcError> {
        let server = self.server;
        let dialect = self.dialect();
        let obs = self.obs();
        let catalogue = &server.catalogue;
        let context =
            |kind: &str| -> Result<Value, RpcError> { Ok(Value::String(catalogue.context(kind)?.unwrap_or_default())) };
        let mut bad: Vec<String> =
            catalogue.rejected_files()?.into_iter().filter(|row| row.observatory == obs).map(|row| row.name).collect();
        bad.extend(server.fault("rejected_in_default").iter().flat_map(|t| t.split_whitespace()).map(str::to_owned));
        let mut info = Map::new();
        let mut put = |key: &str, value: Value| drop(info.insert(key.to_owned(), value));
        put("edit_context", context("edit")?);
        put("operational_context", context("operational")?);
        let named = server.fault("wrong_observatory").map_or_else(|| obs.to_owned(), |text| text.trim().to_owned());
        put("observatory", json!(named));
        let version = &server.config.crds_version;
        put("crds_version", json!({"str": version.text, "rev": version.rev, "svnurl": version.svnurl}));
        for (key, area) in [("reference_url", "references"), ("mapping_url", "mappings")] {
            put(
                key,
                json!({
                    "checked": {obs: format!("{}get/", server.config.public_url)},
                    "unchecked": {obs: self.unchecked_url(area)},
                }),
            );
        }
        put("max_headers_per_rpc", json!(dialect.max_headers_per_rpc));
        put("max_bestrefs_per_rpc", json!(MAX_BESTREFS_PER_RPC));
        if !dialect.info_lists {
            put("bad_files", json!(bad.join(" ")));
            return Ok(info);
        }
        put("bad_files_list", json!(bad));
        put("versions_context", context("versions")?);
        put("last_refreshed", json!(server.now_text()));
        put("force_remote_mode", json!(server.config.force_remote_mode));
        let history: Vec<Value> = self
            .operational_history()?
            .into_iter()
            .map(|row| json!([row.start_date, row.context, row.description]))
            .collect();
        put("context_history", Value::Array(history));
        put("mappings", json!(self.listed(obs, "*map", true)?));
        if dialect.info_downloads {
            put("latest_context", context("operational")?);
            put("config_url", json!({obs: self.unchecked_url("config")}));
            put("pickle_url", json!({obs: self.unchecked_url("pickle")}));
            put("updated", json!(server.now_text()));
            put("download_metadata", self.download_metadata()?);
        }
        Ok(info)
    }

    fn unchecked_url(&self, area: &str) -> String {
        format!("{}unchecked_get/{area}/{}/", self.server.config.public_url, self.obs())
    }

    /// Size and checksum of every file, wrapped (WP 1.6).
    fn download_metadata(&self) -> Result<Value, RpcError> {
        let mut map = Map::new();
        let faults = self.server.config.dirs.faults.exists();
        for row in self.server.catalogue.files()? {
            if faults && self.server.faulty_for("metadata_missing", &row.name) {
                continue;
            }
            let size = row.size.map(|n| n.to_string()).unwrap_or_default();
            map.insert(row.name, json!({"size": size, "sha1sum": row.sha1sum}));
        }
        Ok(wrap(Answer::from(Value::Object(map)).text()))
    }

    /// Names of the files in the cache directory of `observatory` as given that match, are catalogued and may be given
    /// out; sorted.
    fn listed(&self, observatory: &str, glob: &str, mappings: bool) -> Result<Vec<String>, RpcError> {
        if let Some(why) = bad_range(glob) {
            return Err(RpcError::other(why));
        }
        if observatory != self.obs() {
            self.server.available_of(&[])?;
            return Ok(Vec::new());
        }
        let dirs = &self.server.config.dirs;
        let dir = if mappings { &dirs.mappings } else { &dirs.references };
        let mut names: Vec<String> = fs::read_dir(dir)
            .map(|entries| entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
            .unwrap_or_default();
        names.retain(|name| shell_match(glob, name));
        let available = self.server.available_of(&names)?;
        names.retain(|name| available.contains(name));
        names.sort();
        Ok(names)
    }

    pub(super) fn list_files(&self, observatory: &Json, glob: &Json, mappings: bool) -> Outcome {
        let observatory = self.observatory_or_own(observatory)?;
        let glob = self.glob(glob)?;
        Ok(json!(self.listed(&observatory, glob, mappings)?).into())
    }

    pub(super) fn get_default_context(&self, observatory: &Json, state: Option<&Json>) -> Outcome {
        let null = Json::Null;
        let args: Vec<&Json> = std::iter::once(observatory).chain(state).collect();
        self.observatory_or_own(observatory)?;
        self.cached("get_default_context", &args, || {
            let kind = match state.unwrap_or(&null) {
                Json::Null => "operational",
                Json::Str(text) => match text.as_str() {
                    "latest" | "operational" => "operational",
                    "edit" => "edit",
                    "versions" => "versions",
                    other => return Err(RpcError::other(format!("Invalid context state '{other}'"))),
                },
                _ => return Err(RpcError::no_text()),
            };
            Ok(json!(self.server.catalogue.context(kind)?.unwrap_or_default()).into())
        })
    }

    /// The context of a calibration software build: here the operational one for every version.
    pub(super) fn get_build_context(&self, observatory: &Json, version: &Json) -> Outcome {
        self.observatory_or_own(observatory)?;
        if !version.as_str().is_some_and(|text| check::whole(text, ".-_+", 128)) {
            return Err(RpcError::other("Invalid version string,  must be 1-128 chars of A-Z, a-z, 0-9, ., -, _"));
        }
        Ok(json!(self.server.catalogue.context("operational")?.unwrap_or_default()).into())
    }

    pub(super) fn get_context_history(&self, observatory: &Json) -> Outcome {
        self.observatory(observatory)?;
        self.cached("get_context_history", &[], || {
            let rows: Vec<Value> = self
                .operational_history()?
                .into_iter()
                .map(|row| json!([row.start_date, row.context, row.description]))
                .collect();
            Ok(Value::Array(rows).into())
        })
    }
}

/// The wrapper of compressed payloads: JSON, gzip, base64 (WP 1.6).
fn wrap(json: &str) -> Value {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let bytes = gzip.write_all(json.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
    json!({"crds_encoded": "1.0", "crds_payload": base64::engine::general_purpose::STANDARD.encode(bytes)})
}

/// What Python's `re` says of a glob with a range that runs backwards, such as `[z-a]`; nothing if there is none. The place
/// is that in the pattern which `fnmatch` (Python 3.7) makes of the glob.
fn bad_range(glob: &str) -> Option<String> {
    let glob: Vec<char> = glob.chars().collect();
    // The pattern begins with `(?s:`.
    let (mut at, mut place) = (0, 4);
    while let Some(c) = glob.get(at) {
        at += 1;
        let negated = usize::from(glob.get(at) == Some(&'!'));
        let first = at + negated + usize::from(glob.get(at + negated) == Some(&']'));
        let end = (*c == '[').then(|| (first..glob.len()).find(|at| glob[*at] == ']')).flatten();
        let Some(end) = end else {
            // A star becomes `.*`; what means something in patterns is escaped.
            place += if *c == '*' || "()[]{}+-|^$\\.&~# ".contains(*c) { 2 } else { 1 };
            continue;
        };
        let inner = &glob[at + negated..end];
        let escaped = usize::from(inner.first() == Some(&'[') || (negated == 0 && inner.first() == Some(&'^')));
        if let Some((nth, low, high)) = backwards(inner) {
            return Some(format!(
                "bad character range {low}-{high} at position {}",
                place + 1 + negated + escaped + nth
            ));
        }
        place += 2 + negated + escaped + inner.len();
        at = end + 1;
    }
    None
}

/// The first range of a set that runs backwards: its place, its ends.
fn backwards(set: &[char]) -> Option<(usize, char, char)> {
    let mut at = 0;
    while at < set.len() {
        match (set.get(at + 1), set.get(at + 2)) {
            // Doubled hyphens are escaped by `fnmatch` and make no range here.
            (Some('-'), Some(high)) if *high != '-' && set[at] != '-' => {
                if *high < set[at] {
                    return Some((at, set[at], *high));
                }
                at += 3;
            }
            _ => at += 1,
        }
    }
    None
}

/// Shell glob of Python's `glob`: `*`, `?`, `[...]`, `[!...]`; `*` does not match a leading dot.
pub fn shell_match(glob: &str, name: &str) -> bool {
    if name.starts_with('.') && !glob.starts_with('.') {
        return false;
    }
    let glob: Vec<char> = glob.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches_at(&glob, &name)
}

/// Matches a glob without the rule about leading dots.
fn matches_at(glob: &[char], name: &[char]) -> bool {
    // The place to go back to: where the last star stood and what it has taken so far.
    let (mut g, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match glob.get(g) {
            None => (n == name.len()).then_some(None),
            Some('*') => {
                star = Some((g, n));
                g += 1;
                continue;
            }
            Some(c) => match name.get(n) {
                None => None,
                Some(&here) => one(glob, g, *c, here).map(Some),
            },
        };
        match step {
            Some(None) => return true,
            Some(Some(next)) => {
                g = next;
                n += 1;
            }
            None => match star {
                Some((at, taken)) if taken < name.len() => {
                    star = Some((at, taken + 1));
                    g = at + 1;
                    n = taken + 1;
                }
                _ => return false,
            },
        }
    }
}

/// Matches one character; gives the next place in the glob.
fn one(glob: &[char], at: usize, c: char, here: char) -> Option<usize> {
    if c == '?' {
        return Some(at + 1);
    }
    if c != '[' {
        return (c == here).then_some(at + 1);
    }
    let negated = glob.get(at + 1) == Some(&'!');
    let first = at + 1 + usize::from(negated);
    let close = (first + 1..glob.len()).find(|i| glob[*i] == ']');
    let Some(close) = close else { return (here == '[').then_some(at + 1) };
    let set = &glob[first..close];
    let mut hit = false;
    let mut i = 0;
    while i < set.len() {
        if i + 2 < set.len() && set[i + 1] == '-' {
            hit |= set[i] <= here && here <= set[i + 2];
            i += 3;
        } else {
            hit |= set[i] == here;
            i += 1;
        }
    }
    (hit != negated).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::{bad_range, shell_match};

    #[test]
    fn ranges_that_run_backwards_are_found_where_python_finds_them() {
        for (glob, wanted) in [
            ("hst_[z-a].pmap", Some("bad character range z-a at position 9")),
            ("*.[b-a]", Some("bad character range b-a at position 9")),
            ("x[a-z][9-0]", Some("bad character range 9-0 at position 11")),
            ("hst_[a-z].pmap", None),
            ("hst_[a-].pmap", None),
            ("hst_[", None),
            ("*", None),
        ] {
            assert_eq!(bad_range(glob).as_deref(), wanted, "{glob}");
        }
    }

    #[test]
    fn globs_as_the_shell() {
        for (glob, name, expected) in [
            ("*map", "hst_0280.pmap", true),
            ("*", ".hidden", false),
            (".h*", ".hidden", true),
            ("hst_*_02[58]0.?map", "hst_acs_0250.imap", true),
            ("[!h]*", "hst", false),
            ("[a", "[a", true),
            ("*a*b*c", "xaxbxc", true),
            ("*a*b*c", "xaxbx", false),
            ("HST*", "hst_0280.pmap", false),
            ("a(b)+c", "a(b)+c", true),
        ] {
            assert_eq!(shell_match(glob, name), expected, "{glob} {name}");
        }
    }
}

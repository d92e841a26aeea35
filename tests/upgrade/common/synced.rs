//! What cron makes of the server's answers for its own cache and for the published one: the list of bad files and the
//! configuration that clients read (SO 9, 18).

use crds_upgrade::crds::{Door, Server};
use crds_upgrade::host::{EntryKind, Limit, side_by_side};
use crds_upgrade::run::{Step, StepError};

use super::outcome;
use super::tally::shorten;

/// What is wrong with both, and with the published rules.
///
/// # Errors
///
/// The server or its host cannot be asked.
pub fn faults(ops: &Server) -> Result<Vec<String>, StepError> {
    let published = format!("{0}/{1}", ops.paths().grp, ops.observatory());
    let looks: [&(dyn Fn() -> Result<Vec<String>, StepError> + Sync); 5] = [
        &|| bad_files(ops),
        &|| configs(ops, &published),
        &|| closed(ops, &published),
        &|| references_and_rules(ops, &published),
        &|| pickles(ops, &published),
    ];
    let found = side_by_side(&looks, |look| look()).into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(found.concat())
}

fn bad_files(ops: &Server) -> Result<Vec<String>, StepError> {
    let places = outcome::bad_files_everywhere(ops)?;
    let known = &places[0].1;
    let differ = places.iter().filter(|(_, listed)| listed != known).map(|(place, listed)| {
        let wrong: Vec<String> = listed.symmetric_difference(known).cloned().collect();
        format!("bad files: the {place} differs from the catalogue in {}", shorten(&wrong))
    });
    Ok(differ.collect())
}

fn configs(ops: &Server, published: &str) -> Result<Vec<String>, StepError> {
    let mut faults = Vec::new();
    let configs = [
        format!("{}/server_config", ops.paths().cache_config(ops.observatory())),
        format!("{published}/config/{}/server_config", ops.observatory()),
    ];
    for path in &configs {
        let bytes = ops.remote().read_if_there(path, 64 << 20)?.unwrap_or_default();
        for address in foreign(ops, &String::from_utf8_lossy(&bytes))? {
            faults.push(format!("{path} sends clients to {address}"));
        }
    }
    Ok(faults)
}

fn references_and_rules(ops: &Server, published: &str) -> Result<Vec<String>, StepError> {
    let mut faults = Vec::new();
    let references = format!("{published}/references/{}", ops.observatory());
    if ops.remote().stat(&references)?.is_some() {
        // A sync takes the name for the file.
        let argv = ["find", &references, "-mindepth", "1", "-maxdepth", "1", "-type", "d", "-name", "*.*"];
        for directory in ops.remote().must_look(&argv, Limit::WALK)?.text().lines() {
            faults.push(format!("the published {directory} is a directory, not a reference"));
        }
    }
    let context = ops.context_in_database("operational")?;
    let rules = format!("{published}/mappings/{}", ops.observatory());
    if ops.remote().stat(&rules)?.is_some() && ops.remote().stat(&format!("{rules}/{context}"))?.is_none() {
        faults.push(format!("the published cache does not have {context}"));
    }
    Ok(faults)
}

/// Pickled rules of the published cache that are not the server's own: a client that reads them follows other rules than
/// the texts beside them.
fn pickles(ops: &Server, published: &str) -> Result<Vec<String>, StepError> {
    let (theirs, own) = (format!("{published}/pickles/{}", ops.observatory()), ops.paths().pickles(ops.observatory()));
    let there = ops.remote().there(&[&theirs, &own])?;
    if !there.contains(&theirs.as_str()) {
        return Ok(Vec::new());
    }
    let sums = ops.remote().hash_trees_without(&there, ".svn")?;
    let (theirs, own) = (sums.get(&theirs).cloned().unwrap_or_default(), sums.get(&own).cloned().unwrap_or_default());
    let strange = theirs.iter().filter(|(name, sum)| own.get(*name) != Some(sum));
    Ok(strange.map(|(name, _)| format!("the published pickles/{name} is not what the server has made")).collect())
}

/// References of this plan that the published cache lacks or has half, once the context that names them is operational.
///
/// # Errors
///
/// The host cannot be asked.
pub fn delivered(s: &Step, ops: &Server) -> Result<Vec<String>, StepError> {
    if s.plan().set_context.is_none() {
        return Ok(Vec::new());
    }
    let published = format!("{0}/{1}/references/{1}", ops.paths().grp, ops.observatory());
    if ops.remote().there(&[&published])?.is_empty() {
        return Ok(Vec::new());
    }
    let own = ops.paths().references(ops.observatory());
    let files = s.plan().submissions.iter().flat_map(|one| &one.files).filter(|name| !name.ends_with("map"));
    let places: Vec<[String; 2]> = files.map(|name| [format!("{own}/{name}"), format!("{published}/{name}")]).collect();
    let seen = ops.remote().stats(&places.concat())?;
    let wrong = places.iter().filter_map(|[here, there]| match (seen.get(here), seen.get(there)) {
        (Some(here), Some(out)) if out.kind == EntryKind::Link || out.size == here.size => None,
        (_, None) => Some(format!("the published cache lacks {there}")),
        (_, Some(out)) => Some(format!("the published {there} has {} bytes", out.size)),
    });
    Ok(wrong.collect())
}

/// Addresses in a configuration that lead to neither door of this server.
fn foreign(ops: &Server, text: &str) -> Result<Vec<String>, StepError> {
    let doors = [Door::Proxy, Door::Direct].map(|door| ops.url(door));
    let doors: Vec<String> = doors.into_iter().collect::<Result<_, _>>()?;
    let quoted = text.split(['\'', '"']).filter(|word| word.starts_with("http://") || word.starts_with("https://"));
    let strange = quoted.filter(|address| !doors.iter().any(|door| address.starts_with(door.trim_end_matches('/'))));
    Ok(strange.map(str::to_owned).collect())
}

/// Directories of the published cache that users cannot read, and files and directories that others can write.
fn closed(ops: &Server, published: &str) -> Result<Vec<String>, StepError> {
    let Some(entry) = ops.remote().stat(published)? else { return Ok(vec!["there is no published cache".to_owned()]) };
    if entry.kind == EntryKind::Link {
        return Ok(Vec::new());
    }
    let find = |test: &[&str]| -> Result<Vec<String>, StepError> {
        let argv = [&["find", published, "-maxdepth", "3"], test].concat();
        let text = ops.remote().must_look(&argv, Limit { output: 64 << 20, ..Limit::WALK })?.text();
        Ok(text.lines().map(str::to_owned).collect())
    };
    let mut faults = Vec::new();
    for path in find(&["-type", "d", "!", "-perm", "-005", "-prune", "-print"])? {
        faults.push(format!("users cannot read the published {path}"));
    }
    for path in find(&["!", "-type", "l", "-perm", "-002", "-print"])?.iter().take(3) {
        faults.push(format!("everybody can write the published {path}"));
    }
    Ok(faults)
}

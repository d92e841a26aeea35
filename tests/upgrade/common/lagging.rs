//! What lies in wait in a database: counters behind the names in use, pending files whose link is gone.

use std::collections::BTreeSet;

use crds_upgrade::crds::Server;
use crds_upgrade::plan::names;
use crds_upgrade::run::StepError;

/// Counters that stand below the highest number in use: the next name would collide (A023).
pub fn counters(server: &Server) -> Result<Vec<String>, StepError> {
    let sql = format!(
        "select name from {} where name like '%.pmap' or name like '%.imap' or name like '%.rmap'",
        server.table("*catalog")
    );
    let rows = server.ask(&sql)?.rows;
    let used: Vec<&str> = rows.iter().filter_map(|row| row.first()?.as_deref()).collect();
    let mut behind = Vec::new();
    for counter in server.counters()? {
        let highest = used.iter().filter_map(|name| names::counted(&counter.name, name)).max();
        if let Some(highest) = highest.filter(|highest| *highest > counter.counter) {
            behind.push(format!("{} stands at {}, in use is {highest}", counter.name, counter.counter));
        }
    }
    Ok(behind)
}

/// Files on their way to the archive whose catalogue has no link any more: the next look at them takes them for
/// archived (A005).
pub fn unlinked(server: &Server) -> Result<Vec<String>, StepError> {
    let sql = format!(
        "select name, catalog_link from {} where state in ('delivered', 'submitted', 'archiving') order by id",
        server.table("*catalog")
    );
    let rows = server.ask(&sql)?.rows;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let stem = |name: &str| name.rsplit('/').next().unwrap_or(name).split(".cat").next().unwrap_or(name).to_owned();
    let linked: BTreeSet<String> = server.deliveries()?.iter().map(|link| stem(&link.name)).collect();
    let lost = rows.iter().filter_map(|row| match &row[..] {
        [Some(name), link] => Some((name, stem(link.as_deref().unwrap_or_default()))),
        _ => None,
    });
    let lost = lost.filter(|(_, link)| link.is_empty() || !linked.contains(link));
    Ok(lost.map(|(name, link)| format!("pending {name} has no link of its catalogue `{link}` in deliveries")).collect())
}

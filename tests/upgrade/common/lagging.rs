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
    let counters = server.counters()?;
    for counter in &counters {
        let highest = used.iter().filter_map(|name| names::counted(&counter.name, name)).max();
        if let Some(highest) = highest.filter(|highest| *highest > counter.counter) {
            behind.push(format!("{} stands at {}, in use is {highest}", counter.name, counter.counter));
        }
    }
    let deliveries = format!("{}_delivery_id", server.observatory());
    let counter = counters.iter().find(|counter| counter.name == deliveries).map(|counter| counter.counter);
    let catalogs = server.remote().list(&server.paths().catalogs(), Some(1))?;
    let numbers = catalogs.iter().filter_map(|entry| delivery_number(&entry.path));
    if let (Some(counter), Some(highest)) = (counter, numbers.max())
        && highest > counter
    {
        behind.push(format!("{deliveries} stands at {counter}, the catalogue of delivery {highest} is there"));
    }
    Ok(behind)
}

/// The number in the name of a delivery's catalogue, such as `opus_1098_i.cat` (SO 17).
fn delivery_number(catalog: &str) -> Option<u64> {
    catalog.strip_suffix(".cat")?.split('_').nth(1)?.parse().ok()
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

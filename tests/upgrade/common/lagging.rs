//! What lies in wait in a database: counters behind the names in use, pending files whose link is gone.

use std::collections::BTreeSet;

use crds_upgrade::backup::Dump;
use crds_upgrade::crds::{Cell, Server};
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
    let counters: Vec<(String, u64)> =
        server.counters()?.into_iter().map(|counter| (counter.name, counter.counter)).collect();
    let catalogs = server.remote().list(&server.paths().catalogs(), Some(1))?;
    let catalogs: Vec<&str> = catalogs.iter().map(|entry| entry.path.as_str()).collect();
    Ok(behind(server, &counters, &used, &catalogs))
}

/// As [`counters`], of a dump by itself: whoever loads it draws the next names from it.
pub fn dumped(server: &Server, dump: &Dump) -> Vec<String> {
    let columns = |table: &str, wanted: [&str; 2]| -> Vec<(&str, &str)> {
        let Some(table) = dump.tables.get(&server.table(table)) else { return Vec::new() };
        let at = wanted.map(|name| table.columns.iter().position(|column| column == name));
        let [Some(first), Some(second)] = at else { return Vec::new() };
        let rows = table.rows.iter();
        rows.filter_map(|row| Some((value(row, first)?, value(row, second).unwrap_or_default()))).collect()
    };
    let counters: Vec<(String, u64)> = columns("*counters", ["name", "counter"])
        .into_iter()
        .filter_map(|(name, counter)| Some((name.to_owned(), counter.parse().ok()?)))
        .collect();
    let files = columns("*catalog", ["name", "catalog_link"]);
    let used: Vec<&str> = files.iter().map(|(name, _)| *name).filter(|name| name.ends_with("map")).collect();
    let catalogs: BTreeSet<&str> = files.iter().map(|(_, link)| link.rsplit('/').next().unwrap_or(link)).collect();
    behind(server, &counters, &used, &catalogs.into_iter().collect::<Vec<_>>())
}

fn value(row: &[Option<Cell>], at: usize) -> Option<&str> {
    row.get(at)?.as_deref()
}

fn behind(server: &Server, counters: &[(String, u64)], used: &[&str], catalogs: &[&str]) -> Vec<String> {
    let mut behind = Vec::new();
    for (name, counter) in counters {
        let highest = used.iter().filter_map(|used| names::counted(name, used)).max();
        if let Some(highest) = highest.filter(|highest| highest > counter) {
            behind.push(format!("{name} stands at {counter}, in use is {highest}"));
        }
    }
    let deliveries = format!("{}_delivery_id", server.observatory());
    let counter = counters.iter().find(|(name, _)| *name == deliveries).map(|(_, counter)| *counter);
    let numbers = catalogs.iter().filter_map(|name| delivery_number(name));
    if let (Some(counter), Some(highest)) = (counter, numbers.max())
        && highest > counter
    {
        behind.push(format!("{deliveries} stands at {counter}, the catalogue of delivery {highest} is there"));
    }
    behind
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

//! The references of the server's own cache, which deliveries and deletions leave as they are.

use std::collections::BTreeMap;

use crds_upgrade::crds::Server;
use crds_upgrade::host::Entry;
use crds_upgrade::run::StepError;

use super::deliver::Hand;
use super::delivery::{Delivery, Kind};
use super::outcome::delivered_files;
use super::tally::shorten;

/// Kind, size, mode and links of each reference by its name.
pub type References = BTreeMap<String, String>;

fn references(ops: &Server) -> Result<References, StepError> {
    let entries = ops.remote().list(&ops.paths().references(ops.observatory()), Some(1))?;
    let said = |entry: &Entry| format!("{:?} {} bytes {:o} {} links", entry.kind, entry.size, entry.mode, entry.links);
    Ok(entries.iter().map(|entry| (entry.path.clone(), said(entry))).collect())
}

/// The references of the cache before the first delivery of references, or a deletion, is begun; nothing where one was.
pub fn references_before(hand: &Hand<'_>, deliveries: &[Delivery<'_>]) -> Result<Option<References>, StepError> {
    let begun =
        |delivery: &Delivery<'_>| hand.s.fact_of(hand.s.spec().id, &format!("before-{}", delivery.id)).is_some();
    if hand.s.again() || deliveries.iter().any(|delivery| begun(delivery) || delivery.kind == Kind::Mappings) {
        return Ok(None);
    }
    references(hand.ops).map(Some)
}

/// Every reference that was there is still there as it was, whether a delivery replaced or deleted it or not: contexts of
/// the past name it, and references are in no backup.
pub fn references_kept(hand: &mut Hand<'_>, before: &References) -> Result<(), StepError> {
    let own = delivered_files(hand.s.plan());
    let now = references(hand.ops)?;
    let changed = before.iter().filter(|(name, was)| !own.contains(*name) && now.get(*name) != Some(was));
    let changed: Vec<String> = changed
        .map(|(name, was)| format!("{name}: {was} before, {} now", now.get(name).map_or("gone", String::as_str)))
        .collect();
    if !changed.is_empty() {
        hand.tally.fault("nothing_left_behind", format!("references of the cache: {}", shorten(&changed)));
    }
    // One is linked from deliveries until the archive has taken it (SO 3.5), and from nowhere else.
    let linked = now.iter().filter(|(name, _)| own.contains(*name));
    let linked: Vec<String> = linked
        .filter(|(_, said)| !said.ends_with(" 2 links") && !said.ends_with(" 1 links"))
        .map(|(name, said)| format!("{name}: {said}"))
        .collect();
    if !linked.is_empty() {
        hand.tally.fault("nothing_left_behind", format!("linked from elsewhere: {}", shorten(&linked)));
    }
    Ok(())
}

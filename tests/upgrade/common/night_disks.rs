//! The disks that a nightly mail shows, and what hangs on them now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crds_upgrade::crds::Server;
use crds_upgrade::review::{DiskUse, disk_use};
use crds_upgrade::run::{Step, StepError};

use super::night::LastNight;
use super::tally::{Tally, shorten};

/// Disks in the mail and hanging processes on the host now.
pub fn disks(s: &Step, server: &Server, last: &LastNight, tally: &mut Tally) -> Result<(), StepError> {
    let check = "disks";
    let text = last.night.section("Disk Quotas").map(|section| section.text.clone()).unwrap_or_default();
    let uses = disk_use(&text);
    if uses.is_empty() {
        tally.fault(check, "the mail shows no disk");
    }
    for floor in &s.plan().thresholds.disk {
        let path = server.remote().path(&floor.path);
        let of = uses.iter().filter(|disk| path.starts_with(&disk.mount) || floor.path.starts_with(&disk.mount));
        let Some(disk) = of.max_by_key(|disk| disk.mount.len()) else {
            tally.fault(check, format!("the mail shows no disk for {}", floor.path));
            continue;
        };
        let free = 100_u8.saturating_sub(disk.percent);
        tally.hold(check, free >= floor.free_percent, format!("{}: {free} % free on {}", floor.path, disk.mount));
    }
    own_disks(s, server, &uses, tally)?;
    mounts(server, &text, tally)?;
    let stuck = hanging(server)?;
    tally.hold(
        check,
        stuck.is_empty(),
        if stuck.is_empty() { "no process hangs in I/O".to_owned() } else { shorten(&stuck) },
    );
    Ok(())
}

/// Processes that wait for a disk at every one of several looks: each does so for a moment now and then.
fn hanging(server: &Server) -> Result<Vec<String>, StepError> {
    const LOOKS: u32 = 10;
    const APART: Duration = Duration::from_millis(300);
    let look = || -> Result<BTreeMap<u32, String>, StepError> {
        let waiting = server.processes()?.into_iter().filter(|process| process.state.starts_with('D'));
        Ok(waiting.map(|process| (process.pid, process.args)).collect())
    };
    let mut found = look()?;
    for _ in 1..LOOKS {
        if found.is_empty() {
            break;
        }
        std::thread::sleep(APART);
        let still = look()?;
        found.retain(|pid, _| still.contains_key(pid));
    }
    Ok(found.into_values().collect())
}

/// What `mount` says of the places that the server lives on: what is mounted, by where.
fn mounted<'a>(said: &'a str, places: &[&str]) -> BTreeMap<&'a str, &'a str> {
    let lines = said.lines().filter_map(|line| line.trim().split_once(" type ")?.0.split_once(" on "));
    let own = |point: &str| point != "/" && places.iter().any(|place| Path::new(place).starts_with(point));
    lines.filter(|(_, point)| own(point)).map(|(what, point)| (point, what)).collect()
}

/// The server's file systems came from the same places in the night as they come from now: where one is not mounted, what
/// lies below on the local disk is taken for it.
fn mounts(server: &Server, night: &str, tally: &mut Tally) -> Result<(), StepError> {
    let paths = server.paths();
    let places = [&paths.crds, &paths.server_files, &paths.cache, &paths.home, &paths.grp, &paths.shared_backups];
    // Where the machine mounts on demand, this is the demand.
    server.remote().there(&places.map(String::as_str))?;
    let places = places.map(|path| path.strip_prefix(server.remote().root()).unwrap_or(path));
    let now = server.remote().must_look(&["mount"], crds_upgrade::host::Limit::QUICK)?.text();
    let (then, now) = (mounted(night, &places), mounted(&now, &places));
    // What is mounted only now may be there because it was just looked at; what the mail must show is another's look.
    for (point, was) in then {
        let is = now.get(point).copied().unwrap_or("nothing");
        if is != was {
            tally.fault("disks", format!("{was} was mounted on {point} in the night, {is} is now"));
        }
    }
    Ok(())
}

/// The file systems that the server itself lives on: each must be in the mail, as it is mounted now, and have the room that
/// the plan wants of the nearest directory above.
fn own_disks(s: &Step, server: &Server, uses: &[DiskUse], tally: &mut Tally) -> Result<(), StepError> {
    let paths = server.paths();
    let mut seen = BTreeSet::new();
    for place in [&paths.crds, &paths.server_files, &paths.cache, &paths.home] {
        if server.remote().stat(place)?.is_none() {
            continue;
        }
        let said = server.remote().must_look(&["df", "-P", place], crds_upgrade::host::Limit::QUICK)?.text();
        let Some(mount) = said.lines().nth(1).and_then(|line| line.split_whitespace().nth(5)) else { continue };
        if !seen.insert(mount.to_owned()) {
            continue;
        }
        let floors = s.plan().thresholds.disk.iter().filter(|floor| {
            let below = mount.strip_prefix(floor.path.trim_end_matches('/'));
            below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
        });
        let floor = floors.max_by_key(|floor| floor.path.len()).map_or(0, |floor| floor.free_percent);
        match uses.iter().find(|disk| disk.mount == mount) {
            None => tally.fault("disks", format!("{mount}, where {place} lies, is not among the disks of the mail")),
            Some(disk) => {
                let free = 100_u8.saturating_sub(disk.percent);
                tally.hold("disks", free >= floor, format!("{free} % free on {mount}, {floor} % wanted"));
            }
        }
    }
    Ok(())
}

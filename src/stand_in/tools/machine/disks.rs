//! `df`, `mount`, `umount`, `quota`: the file systems of a real host, each a directory of this one's tree (SO 2.1, 3.1).

use std::fs;
use std::path::{Path, PathBuf};

use super::{Call, here_or_complain};
use crate::stand_in::fleet::knobs::{self, Knob};
use crate::stand_in::fleet::spec::Host;

/// A file system: device, mount point, type, options, size in KiB, percentage in use on an ordinary day.
struct Mount {
    device: String,
    point: String,
    kind: &'static str,
    options: &'static str,
    kib: u64,
    used: u8,
}

const GIB: u64 = 1 << 20;

fn mounts(host: &Host) -> Vec<Mount> {
    let mount = |device: &str, point: &str, kind, options, kib, used| Mount {
        device: device.to_owned(),
        point: point.to_owned(),
        kind,
        options,
        kib,
        used,
    };
    let isilon = format!("/ifs/crds/{}/{}", host.observatory, host.use_case);
    let device = |name: &str| format!("/dev/mapper/vg_{}-lv_{name}", host.uname);
    let mut all = vec![
        mount(&device("root"), "/", "ext4", "rw", 78 * GIB / 10, 41),
        mount(&device("tmp"), "/tmp", "ext4", "rw,nosuid,nodev", 2 * GIB, 4),
        mount(&device("data1"), "/crds/data1", "ext4", "rw", 50 * GIB, 57),
        mount("plhome.stsci.edu:/vol/home", "/home", "nfs", "rw,hard,intr,vers=3", 99 * GIB, 38),
        mount(&format!("isilon.stsci.edu:{isilon}"), &isilon, "nfs", "rw,hard,intr,vers=3", 2500 * GIB, 23),
        mount("isilon.stsci.edu:/ifs/eng/ssb/crds", "/eng/ssb/crds", "nfs", "rw,hard,intr,vers=3", 1000 * GIB, 12),
        mount("isilon.stsci.edu:/ifs/grp/crds", "/grp/crds", "nfs", "rw,hard,intr,vers=3", 5000 * GIB, 31),
    ];
    let missing = knobs::Disks::load(host).missing;
    all.retain(|mount| !missing.contains(&mount.point) && !aside(host, &mount.point).exists());
    all
}

/// Where the content of an unmounted file system waits.
fn aside(host: &Host, point: &str) -> PathBuf {
    host.run().join("unmounted").join(point.trim_start_matches('/').replace('/', "!"))
}

fn shown_path(host: &Host, path: &str) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    let real = fs::canonicalize(&absolute).unwrap_or(absolute);
    let root = fs::canonicalize(host.root()).unwrap_or_else(|_| host.root());
    let home = root.ancestors().nth(3).map(|fleet| fleet.join("home"));
    match (real.strip_prefix(&root), home.as_ref().and_then(|home| real.strip_prefix(home).ok())) {
        (Ok(inner), _) => Path::new("/").join(inner),
        (_, Some(inner)) => Path::new("/home").join(inner),
        _ => real,
    }
}

/// `df [-h|-k|-m|-P|-T|-i|-l] [PATH...]`. In use is what an ordinary day or the knob says, or what the machine below says if that is more.
pub fn df(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    let (mut human, mut posix, mut paths) = (false, false, Vec::new());
    for arg in call.args.clone() {
        match arg.strip_prefix('-') {
            None => paths.push(arg),
            Some("-") => {}
            Some(flags) => {
                human |= flags.contains('h') && !flags.starts_with('-');
                posix |= flags.contains('P') || flags == "-portability";
            }
        }
    }
    let all = mounts(&host);
    let mut status = 0;
    let mut shown: Vec<&Mount> = Vec::new();
    for path in &paths {
        if fs::metadata(path).is_err() {
            call.complain(format_args!("df: `{path}': No such file or directory"));
            status = 1;
            continue;
        }
        let inner = shown_path(&host, path);
        let best = all.iter().filter(|mount| inner.starts_with(&mount.point)).max_by_key(|mount| mount.point.len());
        shown.extend(best);
    }
    if paths.is_empty() {
        shown = all.iter().collect();
    }
    if shown.is_empty() {
        return status;
    }
    let size = match (human, posix) {
        (true, _) => "Size",
        (_, true) => "1024-blocks",
        _ => "1K-blocks",
    };
    let capacity = if posix { "Capacity" } else { "Use%" };
    let available = if human { "Avail" } else { "Available" };
    let mut rows = vec![[
        "Filesystem".to_owned(),
        size.to_owned(),
        "Used".to_owned(),
        available.to_owned(),
        capacity.to_owned(),
        "Mounted on".to_owned(),
    ]];
    let knobs = knobs::Disks::load(&host);
    let below = machine_percent(&host);
    for mount in shown {
        let ordinary = mount.used.max(below);
        let percent = u64::from(knobs.used_percent.get(&mount.point).copied().unwrap_or(ordinary)).min(100);
        let used = mount.kib * percent / 100;
        let number = |kib: u64| if human { readable(kib) } else { kib.to_string() };
        rows.push([
            mount.device.clone(),
            number(mount.kib),
            number(used),
            number(mount.kib - used),
            format!("{percent}%"),
            mount.point.clone(),
        ]);
    }
    let widths: Vec<usize> = (0..5).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0)).collect();
    for row in rows {
        let [device, size, used, left, percent, point] = row;
        call.say(format_args!(
            "{device:<w0$} {size:>w1$} {used:>w2$} {left:>w3$} {percent:>w4$} {point}",
            w0 = widths[0],
            w1 = widths[1],
            w2 = widths[2],
            w3 = widths[3],
            w4 = widths[4]
        ));
    }
    status
}

/// How full the file system that the fleet really lies on is, if it is all but full; else 0. A laptop at 91 % is no
/// fault of the fleet.
fn machine_percent(host: &Host) -> u8 {
    let Ok(found) = rustix::fs::statvfs(host.root().as_path()) else { return 0 };
    let percent = 100 - (found.f_bavail.saturating_mul(100) / found.f_blocks.max(1)).min(100);
    if percent >= 97 { u8::try_from(percent).unwrap_or(100) } else { 0 }
}

fn readable(kib: u64) -> String {
    let (unit, size) = if kib >= 1 << 30 {
        ("T", kib as f64 / f64::from(1 << 30))
    } else if kib >= GIB {
        ("G", kib as f64 / GIB as f64)
    } else if kib >= 1024 {
        ("M", kib as f64 / 1024.0)
    } else {
        ("K", kib as f64)
    };
    if size < 10.0 { format!("{size:.1}{unit}") } else { format!("{size:.0}{unit}") }
}

/// `mount`: the list; `mount PATH` brings back what `umount PATH` took away.
pub fn mount(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    if let Some(point) = call.args.iter().find(|arg| !arg.starts_with('-')).cloned() {
        let point = shown_path(&host, &point).to_string_lossy().into_owned();
        let (kept, there) = (aside(&host, &point), host.root().join(point.trim_start_matches('/')));
        // The empty directory that stood in for it goes; one that was written to stays in the way, as on a real host.
        let done = fs::remove_dir(&there).and_then(|()| fs::rename(&kept, &there));
        if let Err(error) = done {
            call.complain(format_args!("mount: can't mount {point}: {error}"));
            return 32;
        }
        return 0;
    }
    for mount in mounts(&host) {
        call.say(format_args!("{} on {} type {} ({})", mount.device, mount.point, mount.kind, mount.options));
    }
    0
}

/// `umount PATH`: an empty directory takes the place of a file system.
pub fn umount(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    let Some(point) = call.args.iter().find(|arg| !arg.starts_with('-')).cloned() else {
        call.complain("Usage: umount [-hV]\n       umount [options] <directory>");
        return 1;
    };
    let point = shown_path(&host, &point).to_string_lossy().into_owned();
    if !mounts(&host).iter().any(|mount| mount.point == point) {
        call.complain(format_args!("umount: {point}: not mounted"));
        return 1;
    }
    let (kept, there) = (aside(&host, &point), host.root().join(point.trim_start_matches('/')));
    let done = fs::create_dir_all(host.run().join("unmounted"))
        .and_then(|()| fs::rename(&there, &kept))
        .and_then(|()| fs::create_dir(&there));
    match done {
        Ok(()) => 0,
        Err(error) => {
            call.complain(format_args!("umount: {point}: {error}"));
            1
        }
    }
}

/// `quota`.
pub fn quota(call: &mut Call<'_>) -> i32 {
    let Some((fleet, _)) = here_or_complain(call) else { return 1 };
    call.say(format_args!("Disk quotas for user {} (uid {}): none", fleet.account, fleet.uid));
    0
}

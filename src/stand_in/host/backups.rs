//! The dated backups of the nights before, whole sets as `backup_server` writes them (SO 11).

use std::fs;
use std::path::Path;

use jiff::ToSpan;
use jiff::civil::{DateTime, date};

use super::{LayOutError, caches, files};
use crate::stand_in::fleet::spec::{Fleet, Host};
use crate::stand_in::tools::crds::dump_text;

/// Nights with a backup, the last one included.
const NIGHTS: i32 = 30;

/// Makes the backups of thirty nights and the shared set that goes with the last of them; this morning's only if no
/// nightly job is going to make it.
pub fn past(fleet: &Fleet, host: &Host, nightly_runs: bool) -> Result<(), LayOutError> {
    let tail = format!("{}.{}", host.observatory, host.use_case);
    let dump = dump(fleet, host)?;
    let (body, _) = dump.split_at(dump.rfind("-- Dump completed on").unwrap_or(dump.len()));
    let failed = |source| LayOutError::file("compress", &host.tree(), source);
    // A .gz may have several members: the body is compressed once, the last line for each night.
    let body_packed = files::gzip(body.as_bytes()).map_err(failed)?;
    let cache = caches::of(host);
    let observatory = host.observatory.as_str();
    let archives = [
        ("catalogs", archive(&caches::server_files(host), "catalogs")?),
        ("mappings", archive(&cache, &format!("mappings/{observatory}"))?),
        ("config", archive(&cache, &format!("config/{observatory}"))?),
        ("monitor_reprocessing", archive(&host.tree(), "monitor_reprocessing")?),
    ];
    let packages = files::gzip(RPMS.as_bytes()).map_err(failed)?;
    let backups = host.tree().join("server/db_backups");
    let first = i32::from(nightly_runs);
    for night in first..NIGHTS {
        let begun = first_second(host, night);
        let dumped = begun.saturating_add(4.seconds());
        let dir = backups.join(begun.strftime("%Y-%m-%d-%H%M%S").to_string());
        files::directory(&dir, 0o755)?;
        let trailer = format!(
            "-- Dump completed on {} {:>2}{}\n",
            dumped.strftime("%Y-%m-%d"),
            dumped.hour(),
            dumped.strftime(":%M:%S")
        );
        let mut whole = body_packed.clone();
        whole.extend(files::gzip(trailer.as_bytes()).map_err(failed)?);
        put(&dir, &format!("backup.{tail}.mysql.gz"), &whole, 0o600, dumped.saturating_add(2.seconds()))?;
        put(&dir, &format!("rpms.{tail}.txt.gz"), &packages, 0o644, dumped.saturating_add(3.seconds()))?;
        put(&dir, &format!("deliveries.{tail}.txt"), b"", 0o644, dumped.saturating_add(3.seconds()))?;
        for (name, bytes) in &archives {
            put(&dir, &format!("{name}.{tail}.tar.gz"), bytes, 0o644, dumped.saturating_add(5.seconds()))?;
        }
        files::dated(&dir, dumped.saturating_add(5.seconds()))?;
        if night == first {
            let shared = fleet.home().join("backups");
            put(
                &shared,
                &format!("backup.{tail}.mysql"),
                format!("{body}{trailer}").as_bytes(),
                0o600,
                dumped.saturating_add(2.seconds()),
            )?;
            put(&shared, &format!("deliveries.{tail}.txt"), b"", 0o644, dumped.saturating_add(3.seconds()))?;
            for (name, bytes) in &archives {
                put(&shared, &format!("{name}.{tail}.tar.gz"), bytes, 0o644, dumped.saturating_add(5.seconds()))?;
            }
        }
    }
    Ok(())
}

/// When the backup of a night began: some minutes into the nightly, a few seconds apart from night to night.
fn first_second(host: &Host, night: i32) -> DateTime {
    let minute = if host.use_case == "ops" { 6 } else { 9 };
    let second = i8::try_from((night * 7 + 11) % 50).unwrap_or(0);
    date(2014, 9, 16).at(3, minute, second, 0).saturating_sub(night.days())
}

fn put(dir: &Path, name: &str, bytes: &[u8], mode: u32, time: DateTime) -> Result<(), LayOutError> {
    let path = dir.join(name);
    files::file(&path, bytes, mode)?;
    files::dated(&path, time)
}

fn dump(fleet: &Fleet, host: &Host) -> Result<String, LayOutError> {
    let path = fleet.root.join("mysql").join(host.database());
    let server = if host.use_case == "ops" { "db-ops.example" } else { "db-test.example" };
    dump_text(&path, server).map_err(|why| LayOutError::Program { program: "mysqldump".to_owned(), why })
}

/// A tar archive of a directory, member names relative to `below`, compressed.
fn archive(below: &Path, member: &str) -> Result<Vec<u8>, LayOutError> {
    let failed = |source| LayOutError::file("archive", &below.join(member), source);
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    builder.follow_symlinks(false);
    if fs::symlink_metadata(below.join(member)).is_ok() {
        builder.append_dir_all(member, below.join(member)).map_err(failed)?;
    }
    builder.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(failed)
}

/// What `rpm -qa` lists on these machines.
const RPMS: &str = "autofs-5.0.5-89.el6.x86_64\nbash-4.1.2-15.el6_4.x86_64\nfreetds-0.91-2.el6.x86_64\nhttpd-2.2.15-30.el6_5.x86_64\nmemcached-1.4.4-3.el6.x86_64\nmod_ssl-2.2.15-30.el6_5.x86_64\nmysql-5.1.73-3.el6_5.x86_64\nopenssl-1.0.1e-16.el6_5.14.x86_64\nsubversion-1.6.11-10.el6_5.x86_64\ntcsh-6.17-24.el6.x86_64\nunixODBC-2.2.14-12.el6_3.x86_64\n";

//! `redeliver_catalogs`: links catalogues and what they list into the delivery area again (SO 17).

use std::fs;
use std::path::{Path, PathBuf};

use super::contexts::Options;
use super::log::Log;
use super::maintenance::{database, operational_error};
use super::orphan_files::catalogue_name;
use super::python::Job;
use super::rules::is_mapping;

struct Area {
    deliveries: PathBuf,
    catalogs: PathBuf,
    cache: PathBuf,
    observatory: String,
}

impl Area {
    /// Where the original of a delivered name lies.
    fn original(&self, name: &str) -> PathBuf {
        match catalogue_name(name) {
            Some(catalogue) => self.catalogs.join(catalogue),
            None => {
                let kind = if is_mapping(name) { "mappings" } else { "references" };
                self.cache.join(kind).join(&self.observatory).join(name)
            }
        }
    }

    fn link(&self, name: &str, log: &mut Log<'_>) {
        let (from, to) = (self.original(name), self.deliveries.join(name));
        log.info(format!("Linking '{}' --> '{}'", from.display(), to.display()));
        if let Err(error) = fs::hard_link(&from, &to) {
            log.error(format!("Failed linking '{}' : {}", from.display(), plain(&error, &from)));
        }
    }
}

fn plain(error: &std::io::Error, path: &Path) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
    format!("[Errno {}] {text}: '{}'", error.raw_os_error().unwrap_or(0), path.display())
}

/// `redeliver_catalogs --find-undelivered-catalogs | --catalogs NAMES | --files NAMES`.
pub fn main(job: &mut Job<'_>) -> i32 {
    let options = Options::read(&job.args, &["find-undelivered-catalogs", "verbose"]);
    let Some(site) = job.site() else { return 1 };
    let observatory = site.text("OBSERVATORY").unwrap_or_default().to_owned();
    let (Some(files), Some(cache)) = (site.server_files(), site.file_cache()) else { return 1 };
    let area = Area { deliveries: files.join("deliveries"), catalogs: files.join("catalogs"), cache, observatory };
    let mut catalogues: Vec<String> = options.values("catalogs").unwrap_or_default().to_vec();
    if options.has("find-undelivered-catalogs") {
        let connection = match database(job) {
            Ok(connection) => connection,
            Err(error) => return operational_error(job, &error),
        };
        let sql = format!(
            "SELECT DISTINCT catalog_link FROM crds_{}_catalog WHERE state IN ('delivered', 'submitted', 'archiving') AND catalog_link != ''",
            area.observatory
        );
        let found: rusqlite::Result<Vec<String>> =
            (|| connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect())();
        match found {
            Ok(found) => {
                let base = |name: &String| Path::new(name).file_name().map(|name| name.to_string_lossy().into_owned());
                catalogues.extend(found.iter().filter_map(base));
            }
            Err(error) => {
                job.complain(format!("django.db.utils.DatabaseError: {error}"));
                return 1;
            }
        }
    }
    let mut log = Log::new(&mut *job.err, false, false);
    for catalogue in &catalogues {
        let text = match fs::read_to_string(area.catalogs.join(catalogue)) {
            Ok(text) => text,
            Err(error) => {
                log.error(format!(
                    "Failed reading catalog '{catalogue}' : {}",
                    plain(&error, &area.catalogs.join(catalogue))
                ));
                continue;
            }
        };
        let names: Vec<String> = text.split_whitespace().map(str::to_owned).chain([catalogue.clone()]).collect();
        // The catalogue is the archive's signal: first away, last back.
        for name in names.iter().rev() {
            if area.deliveries.join(name).exists() {
                log.info(format!("Removing '{}'", area.deliveries.join(name).display()));
                if let Err(error) = fs::remove_file(area.deliveries.join(name)) {
                    log.error(format!("Failed removing '{name}' : {error}"));
                }
            }
        }
        for name in &names {
            area.link(name, &mut log);
        }
    }
    for name in options.values("files").unwrap_or_default() {
        area.link(name, &mut log);
    }
    log.counters();
    0
}

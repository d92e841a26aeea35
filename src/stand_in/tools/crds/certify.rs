//! `crds.certify` on rules of the cache: loads a context whole, checks its checksums and, with `--exist`, that every
//! reference it names is there (SO 7, 10).

use super::cache::Cache;
use super::contexts::Options;
use super::log::Log;
use super::python::Job;
use super::rules::{Rules, is_mapping};

/// `crds.certify`; ends 0 even with errors (SO 6).
pub fn main(job: &mut Job<'_>) -> i32 {
    let options = Options::read(&job.args, &["exist", "verbose", "stats", "dump-unique-errors", "check-references"]);
    if options.plain.is_empty() {
        let _ = writeln!(
            job.err,
            "usage: crds.certify [options] files [files ...]\ncrds.certify: error: too few arguments"
        );
        return 2;
    }
    let cache = Cache::of_environment();
    let mut log = Log::of_tool(&mut *job.err, &job.args);
    let mut rules = Rules::new(&cache.mappings());
    let count = options.plain.len();
    for (nth, name) in options.plain.iter().enumerate() {
        let kind = if is_mapping(name) { "MAPPING" } else { "REFERENCE" };
        let path = cache.place(name);
        log.info(format!("Certifying '{}' ({}/{count}) as '{kind}' relative to context None", path.display(), nth + 1));
        if !is_mapping(name) {
            if !path.is_file() {
                log.error(format!("instrument='' type='' data='{name}' ::  Can't find '{}'", path.display()));
            }
            continue;
        }
        match rules.closure(name) {
            Err(error) => log.error(format!("instrument='' type='' data='{name}' ::  {error}")),
            Ok(mappings) => {
                log.debug(format!("{} mappings", mappings.len()));
                if options.has("exist") {
                    let references = rules.references(name).unwrap_or_default();
                    for reference in references.iter().filter(|reference| !cache.place(reference).exists()) {
                        log.error(format!("Reference '{reference}' of '{name}' does not exist in the cache"));
                    }
                }
            }
        }
    }
    log.counters();
    0
}

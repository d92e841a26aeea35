//! The state of a server, stopped or running, in the format of `--load` (design section 8). Nothing is changed: not even
//! states that a question would notice.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Catalogue, Dirs,
    catalog::FIELDS,
    load::{CounterEntry, LoadError, LockEntry, SETTINGS_FILE, Settings, UserEntry, copy_tree, tables::escape},
};

/// Columns of `mappings.tsv` and `references.tsv`: everything but what the place of the data directory decides.
fn columns() -> Vec<&'static str> {
    FIELDS.iter().copied().filter(|c| *c != "pathname").collect()
}

fn wrap(path: &Path) -> impl Fn(std::io::Error) -> LoadError + '_ {
    move |source| LoadError::Write { path: path.to_owned(), source }
}

/// Writes the state of the server in `data` to `out`, which is made. Mappings that lie in `cache` are left out of
/// `file_cache/`.
///
/// # Errors
///
/// If `data` holds no server, or `out` cannot be written.
pub fn dump(data: &Path, cache: Option<&Path>, out: &Path) -> Result<(), LoadError> {
    let observatory = observatory_of(data)?;
    let dirs = Dirs::under(data, &observatory);
    let catalogue = Catalogue::existing(&data.join("catalogue.sqlite"), &observatory);
    fs::create_dir_all(out).map_err(wrap(out))?;
    let write = |name: &str, text: String| {
        let path = out.join(name);
        fs::write(&path, text).map_err(|source| LoadError::Write { path, source })
    };

    let mut settings = Settings::read(&data.join(SETTINGS_FILE))?;
    let kept_cache = settings.cache.take();
    let cache = cache.or(kept_cache.as_deref());
    settings.contexts = Some(catalogue.contexts()?);
    settings.history = Some(catalogue.history()?);
    settings.remote_contexts = Some(catalogue.remote_contexts()?);
    settings.archive =
        Some(fs::read_to_string(&dirs.archive).map_or_else(|_| "up".to_owned(), |word| word.trim().to_owned()));
    let lock_rows = catalogue.locks()?;
    let owner = |name: &str| {
        let rest = name.strip_prefix("instrument$")?;
        let instrument = rest.split('$').next()?;
        lock_rows.iter().find_map(|row| {
            let (i, user) = row.name.strip_prefix("instrument$")?.split_once('$')?;
            (i == instrument).then(|| user.to_owned())
        })
    };
    settings.locks = Some(
        lock_rows
            .iter()
            .map(|row| LockEntry {
                name: row.name.clone(),
                user: owner(&row.name).unwrap_or_default(),
                created_on: row.created_on.clone(),
                max_age: row.max_age,
            })
            .collect(),
    );
    settings.counters =
        Some(catalogue.counters()?.into_iter().map(|(name, counter)| CounterEntry { name, counter }).collect());
    settings.users = Some(
        catalogue
            .accounts()?
            .into_iter()
            .map(|a| UserEntry {
                is_staff: (a.is_staff != a.is_superuser).then_some(a.is_staff),
                username: a.username,
                password: a.password,
                first_name: a.first_name,
                last_name: a.last_name,
                email: a.email,
                is_superuser: a.is_superuser,
                groups: a.groups,
            })
            .collect(),
    );
    write("server.json", serde_json::to_string_pretty(&settings).unwrap_or_default() + "\n")?;

    let columns = columns();
    let (mut mappings, mut references) = (columns.join("\t") + "\n", columns.join("\t") + "\n");
    for row in catalogue.files()? {
        let table = if row.is_mapping() { &mut mappings } else { &mut references };
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                table.push('\t');
            }
            escape(&row.field(column).unwrap_or_default(), table);
        }
        table.push('\n');
    }
    write("mappings.tsv", mappings)?;
    write("references.tsv", references)?;

    let names = ["date", "user", "action", "filename", "observatory", "instrument", "filekind", "why", "details"];
    let mut actions = names.join("\t") + "\n";
    for row in catalogue.actions()? {
        let fields = [
            &row.date,
            &row.user,
            &row.action,
            &row.filename,
            &row.observatory,
            &row.instrument,
            &row.filekind,
            &row.why,
            &row.details,
        ];
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                actions.push('\t');
            }
            escape(field, &mut actions);
        }
        actions.push('\n');
    }
    write("actions.tsv", actions)?;
    write("results.json", serde_json::to_string_pretty(&catalogue.results()?).unwrap_or_default() + "\n")?;

    if dirs.datasets.is_file() {
        let path = out.join("datasets.jsonl");
        fs::copy(&dirs.datasets, &path).map_err(wrap(&path))?;
    }
    for (from, name) in [
        (&dirs.monitor_reprocessing, "monitor_reprocessing"),
        (&dirs.ingest, "ingest"),
        (&dirs.deliveries, "deliveries"),
        (&dirs.catalogs, "catalogs"),
    ] {
        if from.is_dir() {
            copy_tree(from, &out.join(name))?;
        }
    }
    dump_cache(&data.join("file_cache"), cache, &out.join("file_cache"))
}

/// Writes what the client cache lacks.
fn dump_cache(from: &Path, cache: Option<&Path>, to: &Path) -> Result<(), LoadError> {
    for entry in walkdir::WalkDir::new(from).sort_by_file_name().into_iter().flatten() {
        let Ok(below) = entry.path().strip_prefix(from) else { continue };
        if !entry.file_type().is_file() {
            continue;
        }
        let known = cache.map(|cache| cache.join(below));
        let same = known.is_some_and(|path| match (fs::read(&path), fs::read(entry.path())) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        });
        if same {
            continue;
        }
        let target: PathBuf = to.join(below);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(wrap(parent))?;
        }
        let _ = fs::remove_file(&target);
        fs::copy(entry.path(), &target).map_err(wrap(&target))?;
    }
    Ok(())
}

/// The observatory of a data directory: the only directory of mappings in its cache.
fn observatory_of(data: &Path) -> Result<String, LoadError> {
    let path = data.join("file_cache").join("mappings");
    fs::read_dir(&path)
        .map_err(|source| LoadError::Read { path: path.clone(), source })?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .next()
        .ok_or_else(|| LoadError::Shape { path, line: 0, what: "no observatory's mappings".to_owned() })
}

//! The catalogue of a server when a fleet begins: files, contexts, history, deliveries, users (SO 19).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::contexts::View;
use super::{LayOutError, caches, files};
use crate::stand_in::derive::submissions::placeholder;
use crate::stand_in::fleet::site;
use crate::stand_in::fleet::spec::{Fleet, Host};
use crate::stand_in::server::Catalogue;
use crate::stand_in::server::accounts::hash_password;
use crate::stand_in::server::catalog::{Account, ActionRow, FileRow, HistoryRow};
use crate::stand_in::server::load::counter_name;
use crate::stand_in::tools::crds::sha1;

/// The number of the first delivery that is still listed.
const FIRST_DELIVERY: usize = 1014;

/// Makes the database of a host, its delivery catalogues, and the ingest directories of its users.
pub fn create(fleet: &Fleet, host: &Host, view: &View<'_>) -> Result<(), LayOutError> {
    let path = fleet.root.join("mysql").join(host.database());
    let catalogue = Catalogue::open(&path, &host.observatory)?;
    let deliveries = deliveries(view);
    let (live_mappings, live_references) = view.below(view.operational());
    let rules_dir = caches::of(host).join("mappings").join(&host.observatory);
    let mut rows = Vec::new();
    for name in &view.mappings {
        let file = rules_dir.join(name);
        let bytes = fs::read(&file).map_err(|source| LayOutError::file("read", &file, source))?;
        let mut row = row(host, name, "mapping", live_mappings.contains(name), &deliveries, view);
        row.derived_from = super::contexts::header(&bytes, name, "derived_from").unwrap_or_else(|| "none".to_owned());
        (row.size, row.sha1sum) = (Some(bytes.len() as i64), sha1(&bytes));
        let parts: Vec<&str> = name.split('.').next().unwrap_or("").split('_').collect();
        let part = |at: usize| parts.get(at).map_or_else(String::new, |part| (*part).to_owned());
        row.instrument = if name.ends_with(".pmap") { String::new() } else { part(1) };
        row.filekind = if name.ends_with(".rmap") { part(2) } else { String::new() };
        rows.push(row);
    }
    for (name, (instrument, kind)) in &view.references {
        let bytes = placeholder(name);
        let mut row = row(host, name, "reference", live_references.contains(name), &deliveries, view);
        row.derived_from = "none".to_owned();
        (row.size, row.sha1sum) = (Some(bytes.len() as i64), sha1(&bytes));
        row.instrument = (*instrument).to_owned();
        row.filekind = (*kind).to_owned();
        row.reference_file_type = kind.to_uppercase();
        row.useafter_date = "1990-01-01 00:00:00".to_owned();
        row.pedigree = "GROUND".to_owned();
        rows.push(row);
    }
    catalogue.add_files(&rows)?;
    for kind in ["operational", "edit"] {
        catalogue.set_context(kind, view.operational())?;
    }
    history(&catalogue, view)?;
    users(fleet, host, &catalogue)?;
    counters(host, &catalogue, &rows, deliveries.len())?;
    delivered(host, &catalogue, &deliveries, view)
}

/// What each context brought: its delivery catalogue's name, its date, its new files.
struct Delivery<'a> {
    name: String,
    context: &'a str,
    files: BTreeSet<&'a str>,
}

fn deliveries<'a>(view: &'a View<'_>) -> Vec<Delivery<'a>> {
    let mut found = Vec::new();
    for (at, pair) in view.contexts.windows(2).enumerate() {
        let [before, context] = pair else { continue };
        let (old_mappings, old_references) = view.below(before);
        let (mappings, references) = view.below(context);
        let files = mappings.difference(&old_mappings).chain(references.difference(&old_references)).copied().collect();
        found.push(Delivery { name: format!("opus_{}_i.cat", FIRST_DELIVERY + at), context, files });
    }
    found
}

fn row(host: &Host, name: &str, kind: &str, live: bool, deliveries: &[Delivery<'_>], view: &View<'_>) -> FileRow {
    let delivery = deliveries.iter().find(|delivery| delivery.files.contains(name));
    let when =
        delivery.map_or_else(|| "2013-04-02 11:20:00".to_owned(), |delivery| view.known.delivered(delivery.context));
    FileRow {
        name: name.to_owned(),
        state: if live { "operational" } else { "archived" }.to_owned(),
        observatory: host.observatory.clone(),
        kind: kind.to_owned(),
        activation_date: if live { when.clone() } else { "2050-01-01 00:00:00".to_owned() },
        useafter_date: "2050-01-01 00:00:00".to_owned(),
        change_level: "SEVERE".to_owned(),
        pedigree: "none".to_owned(),
        reference_file_type: "none".to_owned(),
        uploaded_as: name.to_owned(),
        creator_name: "unknown".to_owned(),
        deliverer_user: "mpalmer".to_owned(),
        deliverer_email: "mpalmer@example.org".to_owned(),
        description: delivery.map_or("mass import", |_| "routine delivery").to_owned(),
        catalog_link: delivery.map_or_else(String::new, |delivery| delivery.name.clone()),
        comment: "none".to_owned(),
        aperture: "none".to_owned(),
        history: "none".to_owned(),
        delivery_date: when,
        ..FileRow::default()
    }
}

/// Operational rows as they were, and the edit row that every generated context leaves.
fn history(catalogue: &Catalogue, view: &View<'_>) -> Result<(), LayOutError> {
    let mut rows = Vec::new();
    let row = |start: &str, context: &str, state: &str, why: &str| HistoryRow {
        id: 0,
        start_date: start.to_owned(),
        context: context.to_owned(),
        state: state.to_owned(),
        description: why.to_owned(),
    };
    for (start, context, why) in view.known.history(view.operational()) {
        if view.contexts.contains(context) {
            rows.push(row(&view.known.delivered(context), context, "edit", why));
        }
        rows.push(row(start, context, "operational", why));
    }
    Ok(catalogue.add_history(&rows)?)
}

/// The accounts of the site file, and colleagues that nobody logs in as.
fn users(fleet: &Fleet, host: &Host, catalogue: &Catalogue) -> Result<(), LayOutError> {
    let ingest = caches::server_files(host).join("ingest");
    files::directory(&ingest, 0o755)?;
    let mut accounts: Vec<(String, String, bool)> = Vec::new();
    for name in site::CREDENTIALS {
        let file = site::secret_file(fleet, name);
        let secret = fs::read_to_string(&file).map_err(|source| LayOutError::file("read", &file, source))?;
        accounts.push((name.to_owned(), secret.trim().to_owned(), name == "admin"));
    }
    for name in ["mpalmer", "tdonaldson"] {
        accounts.push((name.to_owned(), uuid::Uuid::new_v4().simple().to_string(), false));
    }
    for (username, password, is_superuser) in accounts {
        let salt: String = uuid::Uuid::new_v4().simple().to_string().chars().take(12).collect();
        catalogue.add_account(&Account {
            id: 0,
            password: hash_password(&password, &salt),
            first_name: username.clone(),
            last_name: String::new(),
            email: format!("{username}@example.org"),
            is_superuser,
            is_staff: is_superuser,
            is_active: true,
            last_login: "2014-09-12 14:02:11".to_owned(),
            date_joined: "2013-03-01 09:00:00".to_owned(),
            groups: vec!["file_submission".to_owned()],
            username,
        })?;
    }
    Ok(())
}

fn counters(host: &Host, catalogue: &Catalogue, rows: &[FileRow], deliveries: usize) -> Result<(), LayOutError> {
    let mut highest: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.is_mapping()) {
        let Some((stem, extension)) = row.name.rsplit_once('.') else { continue };
        if let Some(serial) = stem.rsplit_once('_').and_then(|(_, serial)| serial.parse::<i64>().ok()) {
            let name = counter_name(&host.observatory, &row.instrument, &row.filekind, &format!(".{extension}"));
            let value = highest.entry(name).or_default();
            *value = serial.max(*value);
        }
    }
    let last = i64::try_from(FIRST_DELIVERY + deliveries).unwrap_or(i64::MAX) - 1;
    highest.insert(format!("{}_delivery_id", host.observatory), last);
    for (name, value) in highest {
        catalogue.raise_counter(&name, value)?;
    }
    Ok(())
}

/// The catalogues of past deliveries with their audit rows; the archive has taken them all.
fn delivered(
    host: &Host,
    catalogue: &Catalogue,
    deliveries: &[Delivery<'_>],
    view: &View<'_>,
) -> Result<(), LayOutError> {
    let dir = caches::server_files(host).join("catalogs");
    files::directory(&dir, 0o755)?;
    let mut actions = Vec::new();
    for delivery in deliveries {
        let text: String = delivery.files.iter().map(|name| format!("{name}\n")).collect();
        let path = dir.join(&delivery.name);
        files::file(&path, text, 0o444)?;
        let when = view.known.delivered(delivery.context);
        if let Ok(time) = when.replacen(' ', "T", 1).parse() {
            files::dated(&path, time)?;
        }
        actions.push(ActionRow {
            id: 0,
            date: format!("{when}.204117"),
            user: "mpalmer".to_owned(),
            action: "batch submit".to_owned(),
            filename: delivery.name.clone(),
            observatory: host.observatory.clone(),
            why: "routine delivery".to_owned(),
            details: format!("delivery of {} files", delivery.files.len()),
            ..ActionRow::default()
        });
    }
    Ok(catalogue.add_actions(&actions)?)
}

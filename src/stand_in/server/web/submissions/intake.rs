//! Taking files in: which instrument they are for, what they are called from now on, their bytes in the cache and their
//! rows in the catalogue (RD 5.3, 6; WP 1.10).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha1::{Digest as _, Sha1};

use super::super::{dates, html::human};
use super::{Job, Upload, derived, file_path};
use crate::stand_in::derive::names::{self, is_mapping};
use crate::stand_in::derive::{self, DeriveError, KeyOrder};
use crate::stand_in::fits::{self, Card, Header};
use crate::stand_in::server::catalog::FileRow;
use crate::stand_in::server::load::counter_name;
use crate::stand_in::server::python::{repr, repr_list};
use crate::stand_in::server::refusal::Refusal;
use crate::stand_in::server::{Level, clock};

/// Others first, then rmaps, imaps, pmaps, each sorted by name (RD 5.4).
pub fn in_order(files: &[Upload]) -> Vec<Upload> {
    let rank = |name: &str| match name.rsplit('.').next() {
        Some("rmap") => 1,
        Some("imap") => 2,
        Some("pmap") => 3,
        _ => 0,
    };
    let mut sorted = files.to_vec();
    sorted.sort_by(|(a, _), (b, _)| (rank(a), a).cmp(&(rank(b), b)));
    sorted
}

/// Each file must be for the locked instrument; super users without a lock may submit for any (WP 3.6).
pub fn check_instruments(job: &Job<'_>, files: &[Upload]) -> Result<(), Refusal> {
    let Some(lock) = &job.who.lock else { return Ok(()) };
    if job.dialect().lock_of_login {
        let held = job.server.live_lock(&job.who.user)?;
        if held.is_none_or(|held| held.name != lock.name) {
            let object = repr(&format!("instrument${}", lock.name));
            return Err(Refusal::says(format!("User {} no longer holds lock {object}", repr(&job.who.user))));
        }
    }
    for (name, path) in files {
        of_locked(&lock.name, &instrument_and_type(job, name, path)?.0)?;
    }
    Ok(())
}

/// A file's instrument must be the locked one.
pub fn of_locked(locked: &str, instrument: &str) -> Result<(), Refusal> {
    if instrument == locked {
        return Ok(());
    }
    Err(Refusal::says(format!(
        "Instrument Mismatch: Logged in for {}. Submitted files for {}.",
        repr(locked),
        repr(instrument)
    )))
}

/// Instrument and type of a file, which is opened for it.
pub fn instrument_and_type(job: &Job<'_>, name: &str, path: &Path) -> Result<(String, String), Refusal> {
    if is_mapping(name) {
        let shown = format!("/{}/{name}", job.who.user);
        let bytes = fs::read(path)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        derive::rewrite(&text, &shown, job.generation(), KeyOrder::Text).map_err(|error| derived(&error))?;
        let mapping = crate::rules::syntax::parse(&bytes, &shown)
            .map_err(|error| Refusal::says(format!("Can't load file {shown} : {error}")))?;
        if mapping.header_str("sha1sum") != Some(crate::rules::syntax::checksum(&text).as_str()) {
            return Err(Refusal::says(format!("sha1sum mismatch in {}", repr(name))));
        }
        let key = |key: &str| mapping.header_str(key).unwrap_or_default().to_lowercase();
        return Ok((key("instrument"), key("filekind")));
    }
    let header = reference_header(job, name, path)?;
    names::properties(job.observatory(), name, Some(&header)).map_err(|error| untold(job, &error))
}

/// Why a reference's name and header do not tell what it is: in words, or as the failure that it was to older libraries.
fn untold(job: &Job<'_>, error: &DeriveError) -> Refusal {
    let dialect = job.dialect();
    let text = error.to_string();
    let known = if text.contains("Invalid FILETYPE ") { dialect.explains_types } else { dialect.explains_headers };
    // Of JWST's headers 7.3 says what is wrong.
    if known || (job.observatory() != "hst" && dialect.explains_types) {
        derived(error)
    } else {
        Refusal::unexpected(text)
    }
}

fn reference_header(job: &Job<'_>, name: &str, path: &Path) -> Result<Header, Refusal> {
    if let Some(header) = header_but_fits(job, name, path)? {
        return Ok(header);
    }
    let hdus = fits::read_file(path).map_err(|error| Refusal::unexpected(error.to_string()))?;
    Ok(Header::of(&hdus))
}

/// The header of what is no FITS file by its name. The client of 2014 opened every reference as FITS.
fn header_but_fits(job: &Job<'_>, name: &str, path: &Path) -> Result<Option<Header>, Refusal> {
    if name.ends_with(".fits") || !job.dialect().reads_every_reference {
        return Ok(None);
    }
    derive::certify::other_header(name, &fs::read(path)?).map_err(|error| Refusal::unexpected(error.to_string()))
}

/// A file whose name is there already, in the catalogue or in the cache, cannot keep its name.
fn check_new(job: &Job<'_>, name: &str) -> Result<(), Refusal> {
    if !job.terms.auto_rename && (job.server.catalogue.file(name)?.is_some() || file_path(job.server, name).exists()) {
        let word = job.dialect().existing_file;
        return Err(Refusal::says(format!("{word} {} already exists.", repr(name))));
    }
    Ok(())
}

/// Nothing below an upload may be blacklisted.
fn check_blacklist(job: &Job<'_>, name: &str, path: &Path) -> Result<(), Refusal> {
    let bad = super::certify::blacklisted_by(job.server, name, path, false)?;
    if bad.is_empty() {
        return Ok(());
    }
    Err(Refusal::says(format!("File {} is blacklisted by {}", repr(name), repr_list(&bad))))
}

/// Takes files in, one after another, and gives (upload, new name) in that order.
pub fn take_in(job: &Job<'_>, files: &[Upload]) -> Result<Vec<(String, String)>, Refusal> {
    let ordered = in_order(files);
    let size = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len());
    let total: u64 = ordered.iter().map(|(_, path)| size(path)).sum();
    let mut so_far = 0;
    let mut out = Vec::new();
    for (at, (name, path)) in ordered.iter().enumerate() {
        so_far += size(path);
        if job.dialect().longer_messages {
            job.say(&format!(
                "Processing {} [{} / {} files] [{} / {} / {} bytes]",
                repr(name),
                at + 1,
                ordered.len(),
                human(size(path)),
                human(so_far),
                human(total)
            ))?;
        } else {
            job.say(&format!("Processing {}", repr(name)))?;
        }
        let new = take(job, name, path)?;
        out.push((name.clone(), new));
    }
    Ok(out)
}

fn take(job: &Job<'_>, name: &str, path: &Path) -> Result<String, Refusal> {
    if is_mapping(name) { take_mapping(job, name, path) } else { take_reference(job, name, path) }
}

fn take_mapping(job: &Job<'_>, name: &str, path: &Path) -> Result<String, Refusal> {
    let text = String::from_utf8(fs::read(path)?)
        .map_err(|_| Refusal::says(format!("Can't load file {} : not a text", repr(name))))?;
    let new = if job.terms.auto_rename {
        let (instrument, filekind) = mapping_kind(&text, name);
        let extension = &name[name.rfind('.').unwrap_or(name.len())..];
        next_name(job, &instrument, &filekind, extension)?
    } else {
        name.to_owned()
    };
    announce(job, name, &new)?;
    check_new(job, name)?;
    check_blacklist(job, name, path)?;
    job.say(&format!("Copying {}", repr(name)))?;
    job.server.config.log.message(Level::Info, &format!("Copying '{name}' --> '{new}'"));
    job.say_at_length(&format!("Adding file {} to database.", repr(name)))?;
    job.server.reached("submit.named")?;
    let text = derive::record(&text, &new, job.terms.auto_rename, job.generation()).map_err(|error| derived(&error))?;
    let row = FileRow { uploaded_as: name.to_owned(), creator_name: job.terms.creator.clone(), ..FileRow::default() };
    record_mapping(job, &new, &text, row)?;
    Ok(new)
}

/// Instrument and type of a mapping by its name, else by its header; empty where its kind has none.
fn mapping_kind(text: &str, name: &str) -> (String, String) {
    if let Ok(found) = names::decompose(name) {
        return (found.instrument, found.filekind);
    }
    let mapping = crate::rules::syntax::parse(text.as_bytes(), name).ok();
    let key =
        |key: &str| mapping.as_ref().and_then(|mapping| mapping.header_str(key)).unwrap_or_default().to_lowercase();
    (key("instrument"), key("filekind"))
}

fn announce(job: &Job<'_>, name: &str, new: &str) -> Result<(), Refusal> {
    if job.terms.auto_rename {
        job.say_at_length(&format!("Renaming {} --> {}", repr(name), repr(new)))?;
    }
    Ok(())
}

/// Writes a mapping into the cache and catalogues it; `row` brings what the mapping itself cannot tell.
pub fn record_mapping(job: &Job<'_>, new: &str, text: &str, row: FileRow) -> Result<(), Refusal> {
    let place = file_path(job.server, new);
    if place.exists() {
        return Err(Refusal::says(format!("File {} already exists.", repr(new))));
    }
    refuse_identical(job, if row.uploaded_as.is_empty() { new } else { &row.uploaded_as }, text.as_bytes())?;
    write_once(&place, text.as_bytes())?;
    job.added.borrow_mut().push(new.to_owned());
    job.server.reached("submit.copied")?;
    let (instrument, filekind) = mapping_kind(text, new);
    let mapping = crate::rules::syntax::parse(text.as_bytes(), new).ok();
    let parent =
        mapping.as_ref().and_then(|mapping| mapping.header_str("derived_from")).unwrap_or("none").to_lowercase();
    let row = FileRow {
        instrument,
        filekind,
        kind: "mapping".to_owned(),
        derived_from: parent,
        change_level: "SEVERE".to_owned(),
        pedigree: "none".to_owned(),
        reference_file_type: "none".to_owned(),
        aperture: "none".to_owned(),
        comment: "none".to_owned(),
        history: "none".to_owned(),
        ..row
    };
    catalogue(job, new, text.as_bytes(), &place, row)
}

/// A file that is never written again.
fn write_once(place: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    fs::write(place, bytes)?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o444))?;
    Ok(())
}

fn refuse_identical(job: &Job<'_>, name: &str, bytes: &[u8]) -> Result<(), Refusal> {
    let mut twins = job.server.catalogue.files_with_sha1(&sha1(bytes))?;
    // What is still pending does not count.
    twins.retain(|row| row.state != "uploaded");
    if twins.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = twins.iter().map(|row| repr(&row.name)).collect();
    Err(Refusal::says(format!("Submitted file '{name}' is identical to existing files: {}", names.join(", "))))
}

fn sha1(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The row of a file that has just come in.
fn catalogue(job: &Job<'_>, new: &str, bytes: &[u8], place: &Path, row: FileRow) -> Result<(), Refusal> {
    let account = job.server.catalogue.account(&job.who.user)?;
    let row = FileRow {
        name: new.to_owned(),
        state: "uploaded".to_owned(),
        observatory: job.observatory().to_owned(),
        sha1sum: sha1(bytes),
        size: Some(bytes.len() as i64),
        delivery_date: job.server.now_text(),
        description: job.terms.description.clone(),
        deliverer_user: job.who.user.clone(),
        deliverer_email: account.map(|account| account.email).unwrap_or_default(),
        pathname: place.display().to_string(),
        ..row
    };
    job.server.catalogue.add_file(&row)?;
    if let Some(serial) = names::serial_of(new).filter(|_| names::decompose(new).is_ok()) {
        let extension = &new[new.rfind('.').unwrap_or(new.len())..];
        let counter = counter_name(job.observatory(), &row.instrument, &row.filekind, extension);
        job.server.catalogue.raise_counter(&counter, serial as i64)?;
    }
    job.server.drop_cached();
    job.server.reached("submit.catalogued")
}

/// The next name of a kind: one more than the last, names that are there passed over (RD 6.2).
pub fn next_name(job: &Job<'_>, instrument: &str, filekind: &str, extension: &str) -> Result<String, Refusal> {
    let counter = counter_name(job.observatory(), instrument, filekind, extension);
    if let Some(behind) = job.server.fault("counters_behind").and_then(|number| number.trim().parse().ok()) {
        job.server.catalogue.lower_counter(&counter, behind)?;
    }
    loop {
        let serial = u32::try_from(job.server.catalogue.next_counter(&counter)?).unwrap_or(u32::MAX);
        let name = if [".pmap", ".imap", ".rmap"].contains(&extension) {
            names::mapping_name(job.observatory(), instrument, filekind, serial)
        } else {
            names::reference_name(job.observatory(), instrument, filekind, serial, extension)
        };
        // For imaps and pmaps only the catalogue protects: the look into the store misses them.
        let stored = !filekind.is_empty() && file_path(job.server, &name).exists();
        let log = |place: &str| {
            let text = format!("New name '{name}' is already in the {place}.  Regenerating name.");
            job.server.config.log.message(Level::Info, &text);
        };
        if stored {
            log("cache");
        } else if job.server.catalogue.file(&name)?.is_some() {
            log("database");
        } else {
            return Ok(name);
        }
    }
}

fn take_reference(job: &Job<'_>, name: &str, path: &Path) -> Result<String, Refusal> {
    let hdus = fits::read_file(path).ok();
    let header = match header_but_fits(job, name, path) {
        Ok(Some(header)) => Some(header),
        _ => hdus.as_ref().map(|hdus| Header::of(hdus)),
    };
    let (instrument, filekind) =
        names::properties(job.observatory(), name, header.as_ref()).map_err(|error| derived(&error))?;
    let extension = &name[name.rfind('.').unwrap_or(name.len())..];
    let timed = job.observatory() == "hst" && job.server.dialect().time_names;
    let new = match job.terms.auto_rename {
        false => name.to_owned(),
        true if timed => time_name(job, &instrument, &filekind, extension)?,
        true => next_name(job, &instrument, &filekind, extension)?,
    };
    announce(job, name, &new)?;
    check_new(job, name)?;
    job.server.reached("submit.named")?;
    let bytes = fs::read(path)?;
    let rewritten = if job.terms.auto_rename && timed {
        let today = clock::local(job.server.config.clock.now(), &job.server.config.zone).date();
        let bytes = fits::rename(&bytes, name, &new, today)
            .map_err(|error| Refusal::says(format!("Failed to rename/rewrite {} : {error}", repr(name))))?;
        Some(bytes)
    } else {
        None
    };
    let stored = rewritten.as_deref().unwrap_or(&bytes);
    refuse_identical(job, name, stored)?;
    let place = file_path(job.server, &new);
    if place.exists() {
        return Err(Refusal::says(format!("File {} already exists.", repr(&new))));
    }
    bring(job, name, &new, path, &place, rewritten.as_deref())?;
    job.added.borrow_mut().push(new.clone());
    job.server.reached("submit.copied")?;
    job.say_at_length(&format!("Adding file {} to database.", repr(name)))?;
    let cards = hdus.as_ref().and_then(|hdus| hdus.first()).map(|hdu| hdu.cards.as_slice()).unwrap_or_default();
    let row = FileRow {
        uploaded_as: name.to_owned(),
        creator_name: job.terms.creator.clone(),
        change_level: job.terms.change_level.clone(),
        instrument,
        filekind,
        kind: "reference".to_owned(),
        derived_from: "none".to_owned(),
        ..slow_fields(job, name, header.as_ref(), cards)
    };
    catalogue(job, &new, stored, &place, row)?;
    Ok(new)
}

/// Puts a reference's bytes into the cache: a hard link to the upload where the bytes stay as they are (SO 3.5).
fn bring(job: &Job<'_>, name: &str, new: &str, path: &Path, place: &Path, bytes: Option<&[u8]>) -> Result<(), Refusal> {
    let log = |verb: &str| job.server.config.log.message(Level::Info, &format!("{verb} '{name}' --> '{new}'"));
    if let Some(bytes) = bytes {
        job.say(&format!("Linking {name} --> {new}"))?;
        log("Linking");
        return write_once(place, bytes);
    }
    if !job.server.faulty("cross_device") && fs::hard_link(path, place).is_ok() {
        job.say_at_length(&format!("Linking {name} --> {new}"))?;
        log("Linking");
        fs::set_permissions(place, fs::Permissions::from_mode(0o444))?;
        return Ok(());
    }
    job.say(&format!("Copying {}", repr(name)))?;
    log("Copying");
    write_once(place, &fs::read(path)?)
}

/// What the header says of a reference (WP 1.10); 2014 looked only into `.fits` names.
fn slow_fields(job: &Job<'_>, name: &str, header: Option<&Header>, cards: &[Card]) -> FileRow {
    let looks = job.dialect().reads_every_reference || name.ends_with(".fits");
    let header = header.filter(|_| looks);
    let first =
        |keys: &[&str]| keys.iter().find_map(|key| header.and_then(|header| header.get(key))).map(str::to_owned);
    let conditioned = |keys: &[&str]| first(keys).map_or_else(|| "none".to_owned(), |text| text.trim().to_uppercase());
    let written = |keys: &[&str]| first(keys).unwrap_or_else(|| "none".to_owned());
    let history: Vec<String> =
        cards.iter().filter(|card| looks && card.keyword == "HISTORY").map(Card::value_text).collect();
    FileRow {
        pedigree: conditioned(&["PEDIGREE"]),
        reference_file_type: conditioned(&["REFTYPE"]),
        aperture: conditioned(&["APERTURE", "APERNAME"]),
        comment: written(&["DESCRIP", "DESCRIPTION"]),
        history: if history.is_empty() { "none".to_owned() } else { history.join("\n") },
        useafter_date: first(&["USEAFTER"]).and_then(|text| dates::parse(&text)).unwrap_or_default(),
        ..FileRow::default()
    }
}

/// A time name that nobody has: two seconds pass before each is taken (RD 6.3).
fn time_name(job: &Job<'_>, instrument: &str, filekind: &str, extension: &str) -> Result<String, Refusal> {
    let utc = jiff::tz::TimeZone::UTC;
    let mut at = job.server.config.clock.now();
    loop {
        let now = clock::local(at, &utc);
        let name = names::time_name(now, instrument, filekind, extension).map_err(|error| derived(&error))?;
        if job.server.catalogue.file(&name)?.is_none() && !file_path(job.server, &name).exists() {
            return Ok(name);
        }
        at = at
            .checked_add(jiff::SignedDuration::from_secs(2))
            .map_err(|error| Refusal::unexpected(error.to_string()))?;
    }
}

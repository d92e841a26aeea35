//! Two files against each other (WP 3.11).

use std::path::PathBuf;

use super::super::differences::{nested, pair_markup};
use super::super::fields::{Rule, check, is_file_name};
use super::super::fits_info;
use super::super::form_data::BODY_LIMIT_BYTES;
use super::super::forms::DIFFERENCE;
use super::super::html::{esc, repr};
use super::super::store::Files;
use super::super::visit::{Outcome, Stop, Visit};
use super::activity::extension;

/// A file to compare: its name and where its bytes lie; uploads lie in a directory that vanishes.
struct Side {
    name: String,
    path: PathBuf,
    _holder: Option<tempfile::TempDir>,
}

/// `/difference/`, and in 2019 anything below it.
pub fn difference(visit: &Visit, _: &[String]) -> Outcome {
    let named = visit.fields.get("file1").is_some() || visit.fields.get("file2").is_some();
    if visit.is_get() && !named {
        return visit.form_page(&DIFFERENCE, None);
    }
    let (first, second) = if visit.is_get() {
        (known(visit, "file1")?, known(visit, "file2")?)
    } else {
        let modes = [("filemode1", "file_known1", "file_uploaded1"), ("filemode2", "file_known2", "file_uploaded2")];
        let mut sides = Vec::new();
        for (mode, known_field, upload_field) in modes {
            // Not judged: whatever is not the one is the other, and one that is missing is an error of the old site.
            let chosen = visit.fields.get(mode).ok_or_else(|| Stop::failed(format!("KeyError {}", repr(mode))))?;
            sides.push(if chosen == known_field { known(visit, known_field)? } else { uploaded(visit, upload_field)? });
        }
        let mut sides = sides.into_iter();
        match (sides.next(), sides.next()) {
            (Some(first), Some(second)) => (first, second),
            _ => return Err(Stop::failed("two files are compared")),
        }
    };
    compare(visit, &first, &second)
}

fn known(visit: &Visit, field: &'static str) -> Result<Side, Stop> {
    let name = visit.validate(check(field, Rule::KnownFile))?;
    let row = visit.server.catalogue.file(&name)?;
    let dirs = &visit.server.config.dirs;
    let dir = if row.is_some_and(|row| row.is_mapping()) { &dirs.mappings } else { &dirs.references };
    if name.contains(['/', '\0']) {
        return Err(Stop::refused(format!("Invalid value {} for {}", repr(&name), repr(field))));
    }
    Ok(Side { path: dir.join(&name), name, _holder: None })
}

fn uploaded(visit: &Visit, field: &str) -> Result<Side, Stop> {
    if visit.user.is_none() {
        return Err(Stop::refused("file uploads are only available for authenticated users."));
    }
    let upload = visit.files.iter().rev().find(|upload| upload.field == field);
    let upload = upload.ok_or_else(|| Stop::refused(format!("Specify a file to upload for {}", repr(field))))?;
    let fits = is_file_name(&upload.name)
        && !upload.name.contains(['/', '\0'])
        && upload.name.len() <= 128
        && !matches!(upload.name.as_str(), "." | "..");
    if !fits || upload.bytes.len() > BODY_LIMIT_BYTES {
        return Err(Stop::refused(format!("Invalid file name {}", repr(&upload.name))));
    }
    let holder = tempfile::tempdir_in(&visit.server.config.dirs.uploads)?;
    let path = holder.path().join(&upload.name);
    std::fs::write(&path, &upload.bytes)?;
    Ok(Side { name: upload.name.clone(), path, _holder: Some(holder) })
}

fn compare(visit: &Visit, first: &Side, second: &Side) -> Outcome {
    if extension(&first.name) != extension(&second.name) {
        return Err(Stop::refused(
            "The specified files are not compatible for differencing. (Different file name extensions.)",
        ));
    }
    for side in [first, second] {
        if !side.path.is_file() {
            let path = visit.scrub(&side.path.display().to_string());
            return Err(Stop::refused(format!("File {} is not available in the server file cache.", repr(&path))));
        }
    }
    let mut body = format!("<h2>Difference {} against {}</h2>\n", esc(&first.name), esc(&second.name));
    if [".pmap", ".imap", ".rmap"].contains(&extension(&first.name)) {
        let mut store = Files::of(visit.server);
        let mut names = [first.name.clone(), second.name.clone()];
        if names[0] == names[1] && first.path != second.path {
            names[1] = format!("new_{}", names[1]);
        }
        for (side, name) in [first, second].into_iter().zip(&names) {
            store.extra.insert(name.clone(), side.path.clone());
        }
        let pairs = nested(&store, &names[0], &names[1], visit.server.config.generation);
        let differing: Vec<_> = pairs.iter().filter(|pair| !pair.text.is_empty()).collect();
        if differing.is_empty() {
            body.push_str("<pre class=\"program\">no differences</pre>\n");
        }
        for pair in differing {
            body.push_str(&pair_markup(pair));
        }
    } else {
        let lines = fits_info::differences(&first.path, &second.path);
        let lines = if lines.is_empty() { "no differences".to_owned() } else { lines };
        body.push_str(&format!("<pre class=\"program\">{}</pre>\n", esc(&lines)));
    }
    Ok(visit.page(&body))
}

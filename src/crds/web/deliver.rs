//! What an operator does on the web site: upload, submit, confirm, delete, set the context, mark files bad (WP 3.5, 3.6).
//!
//! Each verb that changes the server asks for a permit. A time-out says nothing about what the server did: the caller
//! looks at the catalogue before anything is tried again.

use std::time::Duration;

use serde_json::Value;

use super::page::{Page, Table};
use super::session::Session;
use crate::crds::wire::{Answer, WireError, clip};
use crate::plan::{Change, Era, Role};
use crate::run::Permit;

/// Time limit of pages that process a submission: certification of a large batch takes hours, `Timeout 1800` ends it.
const PROCESSES: Duration = Duration::from_secs(1800);

/// The page that deletes references.
const DELETE: &str = "/delete/reference/";

/// Fields common to submissions. All start from the edit context as it is then; the caller has made sure which one.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Why, for the audit log and the catalogue.
    pub description: &'a str,
    /// Who made the files.
    pub creator: &'a str,
    /// `SEVERE`, `MODERATE` or `TRIVIAL`.
    pub change_level: &'a str,
    /// Whether the server renames the files.
    pub auto_rename: bool,
    /// Whether references are compared with their predecessors.
    pub compare_old: bool,
    /// Whether contexts are generated (mapping submissions).
    pub generate_contexts: bool,
}

/// The page of a processed submission that waits for confirmation.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Id of the stored result.
    pub results_id: String,
    /// Path of the page.
    pub path: String,
    /// Titles of the certified files, with their status words `OK`, `Warnings` or `Failed.` at the end.
    pub certified: Vec<String>,
    /// Uploaded and new names, as far as the page shows them.
    pub renamed: Vec<(String, String)>,
    /// Warnings such as collisions.
    pub warnings: Vec<String>,
    /// The page.
    pub page: Page,
}

/// The page of a confirmed submission.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// The files that it names, by table heading.
    pub files: Vec<Generated>,
    /// Warnings such as a changed starting context.
    pub warnings: Vec<String>,
    /// The page.
    pub page: Page,
}

/// One row of a table of the confirmed page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Old or uploaded name.
    pub old: String,
    /// New name.
    pub new: String,
}

impl Session {
    /// Files in the user's ingest directory.
    ///
    /// # Errors
    ///
    /// [`WireError::Shape`] if the list is none of the known shapes.
    pub fn uploads(&mut self) -> Result<Vec<String>, WireError> {
        let path = "/upload/list/";
        let answer = self.get(path)?;
        if answer.status != 200 {
            return Err(self.strange(path, &answer));
        }
        let wrong = || self.strange(path, &answer);
        let list: Value = serde_json::from_slice(&answer.body).map_err(|_| wrong())?;
        let files = list.get("files").unwrap_or(&list).as_array().ok_or_else(wrong)?;
        let name = |file: &Value| file.get("name").and_then(Value::as_str).map(str::to_owned).ok_or_else(wrong);
        files.iter().map(name).collect()
    }

    /// Puts a file into the user's ingest directory and makes sure that it is listed there with its size.
    ///
    /// # Errors
    ///
    /// The server's refusal, or [`WireError::Shape`] if the file is not listed as sent.
    pub fn upload(
        &mut self,
        permit: &Permit<'_>,
        role: Role,
        era: Era,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), WireError> {
        permit.covers(role, Change::Submit)?;
        let field = if era == Era::Y2014 { "file" } else { "files" };
        let path = "/upload/new/";
        let answer = self.send_file(path, field, name, bytes)?;
        let listed = serde_json::from_slice::<Value>(&answer.body).ok().filter(|_| answer.status == 200);
        let file = listed.as_ref().and_then(|list| list.get("files").unwrap_or(list).as_array()?.first().cloned());
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let as_sent = file.is_some_and(|file| {
            file.get("name").and_then(Value::as_str) == Some(name)
                && file.get("size").and_then(Value::as_u64) == Some(size)
        });
        if as_sent { Ok(()) } else { Err(self.refused(&format!("the upload of `{name}`"), &answer)) }
    }

    /// Opens the status channel that every submission needs (WP 3.6, 3.9); returns its key.
    ///
    /// # Errors
    ///
    /// [`WireError::Shape`] if the answer is no key.
    pub fn open_channel(&mut self, permit: &Permit<'_>, role: Role) -> Result<String, WireError> {
        permit.covers(role, Change::Submit)?;
        let path = "/jpoll/open_channel/";
        let answer = self.get(path)?;
        let key = serde_json::from_slice::<String>(&answer.body).ok().filter(|_| answer.status == 200);
        key.ok_or_else(|| self.strange(path, &answer))
    }

    /// Submits the uploaded mappings; returns the page that waits for confirmation.
    ///
    /// # Errors
    ///
    /// The server's refusal; [`WireError::TimedOut`] after which the outcome is unknown.
    pub fn submit_mappings(
        &mut self,
        permit: &Permit<'_>,
        role: Role,
        request: &Request<'_>,
    ) -> Result<Ready, WireError> {
        permit.covers(role, Change::Submit)?;
        let mut fields = request.fields();
        if request.generate_contexts {
            fields.push(("generate_contexts".to_owned(), "on".to_owned()));
        }
        self.process("/submit/mapping/", fields)
    }

    /// Submits the uploaded references as one batch; returns the page that waits for confirmation.
    ///
    /// # Errors
    ///
    /// As [`Session::submit_mappings`].
    pub fn submit_references(
        &mut self,
        permit: &Permit<'_>,
        role: Role,
        request: &Request<'_>,
    ) -> Result<Ready, WireError> {
        permit.covers(role, Change::Submit)?;
        let mut fields = request.fields();
        if request.compare_old {
            fields.push(("compare_old_reference".to_owned(), "on".to_owned()));
        }
        self.process("/batch_submit_references/", fields)
    }

    /// Deletes references from the rules; returns the page that waits for confirmation. For eras from 2019 on.
    ///
    /// # Errors
    ///
    /// As [`Session::submit_mappings`].
    pub fn delete_references(
        &mut self,
        permit: &Permit<'_>,
        role: Role,
        files: &[String],
        description: &str,
    ) -> Result<Ready, WireError> {
        permit.covers(role, Change::Submit)?;
        self.process(DELETE, deletion(files, description))
    }

    /// Deletes references from the rules of a server of 2014, which delivers the result without asking again; returns the
    /// path of its page.
    ///
    /// # Errors
    ///
    /// As [`Session::submit_mappings`]: the server refuses anybody but a super user who holds the instrument's lock.
    pub fn delete_at_once(
        &mut self,
        permit: &Permit<'_>,
        role: Role,
        files: &[String],
        description: &str,
    ) -> Result<String, WireError> {
        permit.covers(role, Change::Submit)?;
        let path = self.result_of(DELETE, deletion(files, description))?;
        self.good_page(&path)?;
        Ok(path)
    }

    /// The page of a stored result again, for a submission that was processed before.
    ///
    /// # Errors
    ///
    /// What keeps it from coming, or a page that waits for no confirmation.
    pub fn ready_again(&mut self, path: &str) -> Result<Ready, WireError> {
        let page = self.page(path)?;
        self.ready(path, page)
    }

    /// Confirms a submission.
    ///
    /// # Errors
    ///
    /// [`WireError::Page`] unless the page says `Submission Confirmed.`; [`WireError::TimedOut`] after which the outcome
    /// is unknown.
    pub fn confirm(&mut self, permit: &Permit<'_>, role: Role, ready: &Ready) -> Result<Confirmed, WireError> {
        permit.covers(role, Change::Submit)?;
        let path = "/submit_confirm/";
        let fields =
            vec![("results_id".to_owned(), ready.results_id.clone()), ("button".to_owned(), "confirm".to_owned())];
        let token = ready.page.token.clone().unwrap_or_default();
        let answer = self.send_form_with(path, fields, token, PROCESSES)?;
        let page = match answer.header("location").map(str::to_owned).filter(|_| answer.status == 302) {
            Some(to) => {
                let to = self.local(path, &to)?;
                self.page(&to)?
            }
            None => Page::parse(answer.status, &answer.text()),
        };
        if !page.says("Submission Confirmed.") || page.error().is_some() {
            let what = format!("the confirmation of result {}", ready.results_id);
            return Err(WireError::Page { host: self.host().to_owned(), what, error: page.gist() });
        }
        Ok(Confirmed { files: generated(&page.tables), warnings: page.warnings.clone(), page })
    }

    /// Makes a context the operational one; returns the page's sentence.
    ///
    /// # Errors
    ///
    /// [`WireError::Page`] unless the page says that it changed.
    pub fn set_operational(
        &mut self,
        permit: &Permit<'_>,
        role: Role,
        context: &str,
        description: &str,
    ) -> Result<String, WireError> {
        permit.covers(role, Change::Context)?;
        let fields = vec![
            ("context_type".to_owned(), "operational".to_owned()),
            ("pmap_mode".to_owned(), "pmap_text".to_owned()),
            ("pmap_text".to_owned(), context.to_owned()),
            ("description".to_owned(), description.to_owned()),
        ];
        let page = self.submit_page("/set_default_context/", fields)?;
        let said = page.successes.iter().find(|text| text.contains("Changed operational context from")).cloned();
        said.filter(|_| page.error().is_none()).ok_or_else(|| WireError::Page {
            host: self.host().to_owned(),
            what: format!("setting the context to `{context}`"),
            error: page.gist(),
        })
    }

    /// Marks files bad.
    ///
    /// # Errors
    ///
    /// [`WireError::Page`] if the page shows an error or is not the result page; it has no success mark (WP 3.6).
    pub fn mark_bad(
        &mut self,
        permit: &Permit<'_>,
        role: Role,
        observatory: &str,
        files: &[String],
        why: &str,
    ) -> Result<Page, WireError> {
        permit.covers(role, Change::Context)?;
        let fields = vec![
            ("observatory".to_owned(), observatory.to_owned()),
            ("file_known".to_owned(), files.join(" ")),
            ("badflag".to_owned(), "bad".to_owned()),
            ("why".to_owned(), why.to_owned()),
        ];
        let page = self.submit_page("/mark_bad/", fields)?;
        let listed = page.text.contains("Affected Files");
        if page.error().is_none() && listed {
            return Ok(page);
        }
        let what = format!("marking {} files bad", files.len());
        Err(WireError::Page { host: self.host().to_owned(), what, error: page.gist() })
    }

    fn submit_page(&mut self, path: &str, fields: Vec<(String, String)>) -> Result<Page, WireError> {
        let answer = self.send_form(path, fields, PROCESSES)?;
        if answer.status != 200 {
            return Err(self.strange(path, &answer));
        }
        Ok(Page::parse(answer.status, &answer.text()))
    }

    /// Sends a submission's form and follows it to its result page.
    fn process(&mut self, path: &str, fields: Vec<(String, String)>) -> Result<Ready, WireError> {
        let to = self.result_of(path, fields)?;
        let page = self.page(&to)?;
        self.ready(&to, page)
    }

    /// Sends a submission's form; returns the path of its result page.
    fn result_of(&mut self, path: &str, fields: Vec<(String, String)>) -> Result<String, WireError> {
        let answer = self.send_form(path, fields, PROCESSES)?;
        if answer.status != 302 {
            return Err(self.refused(&format!("the submission at {path}"), &answer));
        }
        let to = answer.header("location").unwrap_or_default().to_owned();
        self.local(path, &to)
    }

    fn ready(&self, path: &str, page: Page) -> Result<Ready, WireError> {
        let refused =
            |error: String| WireError::Page { host: self.host().to_owned(), what: format!("page {path}"), error };
        if let Some(error) = page.error() {
            return Err(refused(error.to_owned()));
        }
        let Some(results_id) = page.results_id.clone() else {
            return Err(refused(format!("nothing to confirm on it: {}", page.gist())));
        };
        let certified = page.parts.iter().filter(|part| is_certified(part)).cloned().collect();
        let (renamed, warnings) = (page.renamed.clone(), page.warnings.clone());
        Ok(Ready { results_id, path: path.to_owned(), certified, renamed, warnings, page })
    }

    /// The path that a redirect of this server leads to; another host is refused.
    fn local(&self, what: &str, to: &str) -> Result<String, WireError> {
        let path = match to.strip_prefix(self.base()) {
            Some(path) => path,
            None if to.starts_with("https://") || to.starts_with("http://") => {
                let why = format!("a redirect to another server: {}", clip(to, 300));
                return Err(WireError::Shape { host: self.host().to_owned(), what: what.to_owned(), why });
            }
            None => to,
        };
        // 2019 joins a base ending in a slash with a path beginning with one (WP 3.9).
        Ok(format!("/{}", path.trim_start_matches('/')))
    }

    fn refused(&self, what: &str, answer: &Answer) -> WireError {
        if answer.status == 200 {
            let error = Page::parse(answer.status, &answer.text()).gist();
            return WireError::Page { host: self.host().to_owned(), what: what.to_owned(), error };
        }
        self.strange(what, answer)
    }
}

impl Request<'_> {
    /// The form fields common to all submissions. A checkbox that is off is left out: 2014 takes any text for on.
    fn fields(&self) -> Vec<(String, String)> {
        let mut fields: Vec<(String, String)> = [
            ("pmap_mode", "pmap_edit"),
            ("description", self.description),
            ("creator", self.creator),
            ("change_level", self.change_level),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        if self.auto_rename {
            fields.push(("auto_rename".to_owned(), "on".to_owned()));
        }
        fields
    }
}

/// The form fields of a deletion.
fn deletion(files: &[String], description: &str) -> Vec<(String, String)> {
    let fields = [
        ("deleted_files", files.join(" ")),
        ("pmap_mode", "pmap_edit".to_owned()),
        ("description", description.to_owned()),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// Whether the title of an accordion is that of a certified file: it ends in a status.
fn is_certified(title: &str) -> bool {
    ["OK", "Warnings", "Failed."].iter().any(|status| title.ends_with(status)) && title.contains('.')
}

/// The rows of the confirmed page's tables that show an old and a new name.
fn generated(tables: &[Table]) -> Vec<Generated> {
    let rows = tables.iter().flat_map(|table| &table.rows);
    let named = rows.filter_map(|row| match row.as_slice() {
        [old, .., new] => Some(Generated { old: old.clone(), new: new.clone() }),
        _ => None,
    });
    named.collect()
}

//! Reading dataset headers: the client's JSON dumps, Parquet, a server.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::load::Context;
use json::{Entry, JsonError, Reader};
use split::{Chunk, Form, Splitter};

pub mod json;
pub mod marks;
mod parquet;
pub mod scan;
mod server;
pub mod split;

/// Where headers come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file: Parquet by its extension, else JSON; `-` is standard input.
    Path(PathBuf),
    /// A CRDS server, by its URL.
    Server(String),
}

/// Headers that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The file cannot be read.
    #[error("failed to read datasets from `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The text is not a dump of headers.
    #[error("{}:{line}: not a dump of headers: {what}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The Parquet file cannot be used.
    #[error("failed to read Parquet file `{}`: {why}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The server does not answer, or not as expected.
    #[error("failed to ask `{url}` for `{method}`: {why}")]
    Server {
        /// The server.
        url: String,
        /// The JSON-RPC method.
        method: String,
        /// Why not.
        why: String,
    },
}

impl InputError {
    /// The next move.
    pub fn help(&self) -> String {
        match self {
            Self::Read { path, .. } => format!("name a readable file instead of `{}`", path.display()),
            Self::Json { line, .. } => format!(
                "line {line} should be one JSON object {{\"ID\": {{\"KEYWORD\": \"value\"}}}}, or the whole file one \
                 such object; write the dump again (`crds bestrefs --save-pickle FILE.json`)"
            ),
            Self::Parquet { .. } => {
                "give one row per dataset: a text column `id`, and one column per keyword".to_owned()
            }
            Self::Server { url, .. } => format!("see whether `{url}` is the base URL of a CRDS server and answers"),
        }
    }
}

/// Called with the number of bytes read since the last call.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// Opens a JSON file, or standard input for `-`.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read + Send>, InputError> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let error = |source| InputError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(error)?;
    if file.metadata().map_err(error)?.is_dir() {
        return Err(error(std::io::ErrorKind::IsADirectory.into()));
    }
    Ok(Box::new(file))
}

/// Whether a source is JSON text in a file.
pub(super) fn json_path(source: &Source) -> Option<&Path> {
    match source {
        Source::Path(path) if path.extension().is_none_or(|ext| ext != "parquet") => Some(path),
        _ => None,
    }
}

/// Reads every dataset of a source, in its order.
///
/// # Errors
///
/// The first thing that cannot be read; datasets before it have been handed over.
pub fn read(source: &Source, context: &Context, one: &mut dyn FnMut(String, Entry)) -> Result<(), InputError> {
    read_with(source, context, None, one)
}

/// The same, telling how much has been read.
///
/// # Errors
///
/// As [`read`].
pub fn read_with(
    source: &Source,
    context: &Context,
    progress: Option<&Progress>,
    one: &mut dyn FnMut(String, Entry),
) -> Result<(), InputError> {
    match source {
        Source::Server(url) => server::read(url, context, one),
        Source::Path(path) if path.extension().is_some_and(|ext| ext == "parquet") => parquet::read(path, one),
        Source::Path(path) => {
            let mut splitter = Splitter::new(open(path)?, path);
            while let Some(chunk) = splitter.next_chunk()? {
                entries(&chunk, one).map_err(|(line, error)| json_error(path, line, &error))?;
                if let Some(progress) = progress {
                    progress(chunk.bytes.len() as u64);
                }
            }
            Ok(())
        }
    }
}

pub(super) fn json_error(path: &Path, line: usize, error: &JsonError) -> InputError {
    InputError::Json { path: path.to_owned(), line, what: error.what.clone() }
}

/// The number of the line that holds a byte of a chunk; behind its text, that of the last line with any.
pub(super) fn line_at(chunk: &Chunk, at: usize) -> usize {
    let end = chunk.bytes.trim_ascii_end().len();
    chunk.line + memchr::memchr_iter(b'\n', &chunk.bytes[..at.min(end)]).count()
}

/// Reads every dataset of a chunk.
pub(super) fn entries(chunk: &Chunk, one: &mut dyn FnMut(String, Entry)) -> Result<(), (usize, JsonError)> {
    let mut reader = Reader::new(&chunk.bytes);
    let result = match chunk.form {
        Form::Members => reader.members(one),
        Form::Lines => loop {
            if reader.at_end() {
                break Ok(());
            }
            if let Err(error) = reader.datasets(one).and_then(|()| reader.end_of_line()) {
                break Err(error);
            }
        },
    };
    result.map_err(|error| (line_at(chunk, error.at), error))
}

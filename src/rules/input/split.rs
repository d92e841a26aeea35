//! Cutting a dump of headers into pieces of whole datasets, so that it need not fit into memory.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::InputError;

/// Bytes asked for at a time: few enough to stay in a processor's cache until they are judged.
const PIECE: usize = 256 << 10;
/// A single dataset (or line) larger than this is refused.
const LARGEST: usize = 256 << 20;

/// How datasets follow each other in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines, each one object (blank lines between them).
    Lines,
    /// Members of one object, with commas between them.
    Members,
}

/// Some whole datasets.
#[derive(Debug)]
pub struct Chunk {
    /// Number of the first line, from 1.
    pub line: usize,
    /// How they follow each other.
    pub form: Form,
    /// The text.
    pub bytes: Vec<u8>,
}

/// Cuts a text into chunks.
pub struct Splitter {
    input: Box<dyn Read + Send>,
    path: PathBuf,
    form: Option<Form>,
    line: usize,
    pending: Vec<u8>,
    /// Room that is not needed any more.
    spare: Vec<u8>,
    ended: bool,
    /// Within the one object: what the walk knows at the end of `pending[..walked]`.
    walk: Walk,
}

/// A walk over the text of one object.
#[derive(Debug, Default)]
struct Walk {
    at: usize,
    depth: usize,
    in_text: bool,
    opened: bool,
    closed: bool,
    /// Just behind the last comma between members.
    cut: usize,
}

impl Splitter {
    /// Begins with a text; `path` only names it in errors.
    pub fn new(input: Box<dyn Read + Send>, path: &Path) -> Self {
        Self {
            input,
            path: path.to_owned(),
            form: None,
            line: 1,
            pending: Vec::new(),
            spare: Vec::new(),
            ended: false,
            walk: Walk::default(),
        }
    }

    fn fill(&mut self) -> Result<(), InputError> {
        let start = self.pending.len();
        if start > LARGEST {
            return Err(self.error(start, "a single dataset is larger than 256 MiB"));
        }
        self.pending.reserve(2 * PIECE);
        match self.input.by_ref().take(PIECE as u64).read_to_end(&mut self.pending) {
            Ok(filled) => self.ended = filled < PIECE,
            Err(source) => return Err(InputError::Read { path: self.path.clone(), source }),
        }
        Ok(())
    }

    /// Takes a chunk back that has been read, so that the next one need not ask for memory.
    pub fn give_back(&mut self, chunk: Chunk) {
        self.spare = chunk.bytes;
    }

    /// Takes the first `at` bytes of what is pending.
    fn take(&mut self, at: usize) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.spare);
        rest.clear();
        rest.extend_from_slice(&self.pending[at..]);
        let mut bytes = std::mem::replace(&mut self.pending, rest);
        bytes.truncate(at);
        bytes
    }

    fn error(&self, at: usize, what: &str) -> InputError {
        let line = self.line + memchr::memchr_iter(b'\n', &self.pending[..at.min(self.pending.len())]).count();
        InputError::Json { path: self.path.clone(), line, what: what.to_owned() }
    }

    /// The next chunk, or nothing at the end.
    ///
    /// # Errors
    ///
    /// Trouble with reading, or a text whose outermost shape is not that of a dump.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, InputError> {
        let form = match self.form {
            Some(form) => form,
            None => {
                let form = self.find_form()?;
                self.form = Some(form);
                form
            }
        };
        let chunk = match form {
            Form::Lines => self.next_lines()?,
            Form::Members => self.next_members()?,
        };
        if let Some(chunk) = &chunk {
            self.line += memchr::memchr_iter(b'\n', &chunk.bytes).count();
        }
        Ok(chunk)
    }

    /// Lines where the first line that is not blank is a whole object and something may follow it.
    fn find_form(&mut self) -> Result<Form, InputError> {
        loop {
            let start = self.pending.iter().position(|b| !b.is_ascii_whitespace());
            let start = start.unwrap_or(self.pending.len());
            if let Some(end) = memchr::memchr(b'\n', &self.pending[start..]) {
                let mut walk = Walk::default();
                walk.over(&self.pending[start..start + end]);
                return Ok(if walk.opened && walk.depth == 0 && !walk.in_text { Form::Lines } else { Form::Members });
            }
            if self.ended || self.pending.len() - start > PIECE {
                return Ok(Form::Members);
            }
            self.fill()?;
        }
    }

    fn next_lines(&mut self) -> Result<Option<Chunk>, InputError> {
        loop {
            if self.ended {
                let bytes = std::mem::take(&mut self.pending);
                return Ok((!bytes.is_empty()).then_some(Chunk { line: self.line, form: Form::Lines, bytes }));
            }
            if self.pending.len() < PIECE / 2 {
                self.fill()?;
            }
            if let Some(last) = memchr::memrchr(b'\n', &self.pending) {
                let bytes = self.take(last + 1);
                return Ok(Some(Chunk { line: self.line, form: Form::Lines, bytes }));
            }
            self.fill()?;
        }
    }

    fn next_members(&mut self) -> Result<Option<Chunk>, InputError> {
        loop {
            self.walk.over(&self.pending);
            if !self.walk.opened {
                if self.ended {
                    return match self.pending.iter().position(|b| !b.is_ascii_whitespace()) {
                        Some(at) => Err(self.error(at, "expected '{'")),
                        None => Ok(None),
                    };
                }
                self.fill()?;
                continue;
            }
            let first = !self.walk.closed && self.walk.cut == 0;
            if self.walk.closed || (self.ended && !first) || (!first && self.walk.cut > PIECE / 2) {
                return self.cut_members();
            }
            if self.ended {
                return Err(self.error(self.pending.len(), "the text ends inside a dataset"));
            }
            self.fill()?;
        }
    }

    /// Takes what lies before the last comma between members, or everything once the object is closed.
    fn cut_members(&mut self) -> Result<Option<Chunk>, InputError> {
        let walk = &mut self.walk;
        if walk.closed {
            let end = walk.at;
            let tail = self.pending[end..].iter().position(|b| !b.is_ascii_whitespace());
            if let Some(extra) = tail {
                return Err(self.error(end + extra, "text after the end of the object"));
            }
            if !self.ended {
                self.fill()?;
                return self.next_members();
            }
            if end == 0 {
                return Ok(None);
            }
            let mut bytes = std::mem::take(&mut self.pending);
            bytes.truncate(end - 1);
            self.walk.at = 0;
            return Ok(Some(Chunk { line: self.line, form: Form::Members, bytes: unopened(bytes) }));
        }
        let cut = walk.cut;
        let mut bytes = self.take(cut);
        let walk = &mut self.walk;
        walk.at -= cut;
        walk.cut = 0;
        if self.ended && walk.depth > 0 && walk.at == self.pending.len() && bytes.is_empty() {
            return Err(self.error(self.pending.len(), "the text ends inside a dataset"));
        }
        bytes.pop();
        Ok(Some(Chunk { line: self.line, form: Form::Members, bytes: unopened(bytes) }))
    }
}

/// Takes the brace away that opened the whole; members never begin with one.
fn unopened(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(at) = bytes.iter().position(|b| !b.is_ascii_whitespace())
        && bytes[at] == b'{'
    {
        bytes[at] = b' ';
    }
    bytes
}

impl Walk {
    fn over(&mut self, bytes: &[u8]) {
        while self.at < bytes.len() && !self.closed {
            if self.in_text {
                match memchr::memchr2(b'"', b'\\', &bytes[self.at..]) {
                    None => self.at = bytes.len(),
                    Some(next) if bytes[self.at + next] == b'"' => {
                        self.at += next + 1;
                        self.in_text = false;
                    }
                    // An escape at the very end is looked at again when more is there.
                    Some(next) if self.at + next + 1 >= bytes.len() => {
                        self.at += next;
                        return;
                    }
                    Some(next) => self.at += next + 2,
                }
                continue;
            }
            match bytes[self.at] {
                b'"' => self.in_text = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    self.opened = true;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.closed = self.opened && self.depth == 0;
                }
                b',' if self.depth == 1 => self.cut = self.at + 1,
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::input::entries;

    fn ids(text: &str) -> Result<Vec<String>, String> {
        let mut splitter = Splitter::new(Box::new(std::io::Cursor::new(text.as_bytes().to_vec())), Path::new("x.json"));
        let mut ids = Vec::new();
        while let Some(chunk) = splitter.next_chunk().map_err(|error| error.to_string())? {
            entries(&chunk, &mut |id, _| ids.push(id)).map_err(|(line, error)| format!("{line}: {error}"))?;
        }
        Ok(ids)
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(ids("\n{\"A\": {}}\n\n{\"B\": {}, \"C\": \"no\"}\n").unwrap(), ["A", "B", "C"]);
        assert_eq!(ids("{\"A\": {\"x\": \"}{\\\"\"},\n \"B\": {}\n}\n").unwrap(), ["A", "B"]);
        assert_eq!(ids("{\"A\": {}}").unwrap(), ["A"]);
        // A dataset that is no header fails alone.
        assert_eq!(ids("{\"A\": {}}\n{\"B\": 1}\n").unwrap(), ["A", "B"]);
        assert_eq!(ids("{}").unwrap(), [] as [&str; 0]);
        assert_eq!(ids("").unwrap(), [] as [&str; 0]);
        let many: String = (0..40_000).map(|n| format!("\"{n}\": {{\"KEY\": \"{}\"}},\n", "v".repeat(100))).collect();
        let whole = format!("{{{}}}", many.trim_end().trim_end_matches(','));
        assert_eq!(ids(&whole).unwrap().len(), 40_000);
    }

    #[test]
    fn broken_texts_name_the_line() {
        for (text, line) in [
            ("{\"A\": {}}\n{\"B\": {}\n", "2: "),
            ("{\"A\": {},\n\"B\"", "x.json:2"),
            ("hello\n", "x.json:1"),
            ("{\"A\": {}} {}\n", "1"),
            ("[1]", "1"),
        ] {
            let error = ids(text).unwrap_err();
            assert!(error.contains(line), "{text}: {error}");
        }
    }
}

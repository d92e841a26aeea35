//! Messages of the CRDS tools in the form of 2014 (SO 15.1), counted by level.

use std::io::Write;

/// Where a tool's messages go. Every CRDS tool writes them to standard error and ends with three counters.
pub struct Log<'a> {
    err: &'a mut dyn Write,
    timed: bool,
    verbose: bool,
    /// Messages so far: errors, warnings, infos.
    pub counts: [usize; 3],
}

impl<'a> Log<'a> {
    /// A log; `timed` adds the time of day, as command-line tools do where CRDS_LOG_TIME is set.
    pub fn new(err: &'a mut dyn Write, timed: bool, verbose: bool) -> Self {
        Self { err, timed, verbose, counts: [0; 3] }
    }

    /// A log of a command-line tool with the settings of its environment.
    pub fn of_tool(err: &'a mut dyn Write, args: &[String]) -> Self {
        let timed = std::env::var("CRDS_LOG_TIME").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "False"));
        Self::new(err, timed, args.iter().any(|arg| arg == "--verbose"))
    }

    fn line(&mut self, level: &str, text: &str) {
        let time = if self.timed {
            let now = jiff::Zoned::now();
            format!(" [{},{:03}] ", now.strftime("%Y-%m-%d %H:%M:%S"), now.millisecond())
        } else {
            String::new()
        };
        let time = time.strip_prefix(' ').unwrap_or(&time);
        let _ = writeln!(self.err, "CRDS  : {level:<8} {time}{}{text}", if time.is_empty() { "" } else { " " });
    }

    /// An INFO line.
    pub fn info(&mut self, text: impl AsRef<str>) {
        self.counts[2] += 1;
        self.line("INFO", text.as_ref());
    }

    /// A WARNING line.
    pub fn warning(&mut self, text: impl AsRef<str>) {
        self.counts[1] += 1;
        self.line("WARNING", text.as_ref());
    }

    /// An ERROR line.
    pub fn error(&mut self, text: impl AsRef<str>) {
        self.counts[0] += 1;
        self.line("ERROR", text.as_ref());
    }

    /// A DEBUG line, only with `--verbose`.
    pub fn debug(&mut self, text: impl AsRef<str>) {
        if self.verbose {
            self.line("DEBUG", text.as_ref());
        }
    }

    /// A line without prefix, as in the rest of a message of several lines.
    pub fn plain(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.err, "{}", text.as_ref());
    }

    /// The three counter lines, the mark of a tool that came to its end.
    pub fn counters(&mut self) {
        let [errors, warnings, infos] = self.counts;
        self.line("INFO", &format!("{errors} errors"));
        self.line("INFO", &format!("{warnings} warnings"));
        self.line("INFO", &format!("{infos} infos"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_shape_of_2014() {
        let mut out = Vec::new();
        let mut log = Log::new(&mut out, false, false);
        log.error("Orphaned database file 'x' is not in cache");
        log.counters();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with(
                "CRDS  : ERROR    Orphaned database file 'x' is not in cache\nCRDS  : INFO     1 errors\n"
            )
        );
        let mut out = Vec::new();
        Log::new(&mut out, true, false).info("0 errors");
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("CRDS  : INFO     [") && text.ends_with("]  0 errors\n"), "{text}");
    }
}

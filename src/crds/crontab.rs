//! The text of a cron table.

use serde::Serialize;

/// An active line of a cron table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CronLine {
    /// The five time fields.
    pub schedule: String,
    /// The command, without the line's end.
    pub command: String,
}

/// The lines of a table that start something: no comments, blanks or assignments.
pub fn active_lines(table: &str) -> Vec<CronLine> {
    table.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<CronLine> {
    let text = text.trim();
    let first = text.split_whitespace().next()?;
    if first.starts_with('#') {
        return None;
    }
    if let Some(name) = text.split('=').next()
        && text.contains('=')
        && name.trim().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.trim().is_empty()
        && !name.trim().starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let fields = if first.starts_with('@') { 1 } else { 5 };
    let mut rest = text;
    let mut schedule = Vec::new();
    for _ in 0..fields {
        rest = rest.trim_start();
        let end = rest.find(char::is_whitespace)?;
        schedule.push(&rest[..end]);
        rest = &rest[end..];
    }
    Some(CronLine { schedule: schedule.join(" "), command: rest.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "SHELL=/bin/tcsh\nMAILTO=\"a@b\"\n# comment\n\n05 03 * * * source $HOME/cronenv.csh;      nightly.crds.job\n\
                         */5 * * * * source $HOME/cronenv.csh; x >& ${CRDS_CRON}/a=b.log\n@reboot run\n";

    #[test]
    fn comments_and_assignments_start_nothing() {
        let lines = active_lines(TABLE);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].schedule, "05 03 * * *");
        assert_eq!(lines[0].command, "source $HOME/cronenv.csh;      nightly.crds.job");
        assert_eq!(lines[2], CronLine { schedule: "@reboot".into(), command: "run".into() });
    }

    proptest::proptest! {
        #[test]
        fn no_line_hides_the_one_below_it(text in crate::mangled::text(TABLE)) {
            let lines = active_lines(&format!("{text}\n1 2 3 4 5 job\n"));
            proptest::prop_assert_eq!(lines.len(), active_lines(&text).len() + 1);
            proptest::prop_assert_eq!(&lines[lines.len() - 1].command, "job");
            for line in lines {
                let fields = line.schedule.split(' ').count();
                proptest::prop_assert!(fields == 5 || (fields == 1 && line.schedule.starts_with('@')), "{:?}", line);
            }
        }
    }
}

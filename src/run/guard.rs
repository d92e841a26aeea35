//! Runner settings that would weaken the proof are refused before anything is read or written (design, promise 3).

use super::error::RunError;

/// The profiles under which steps may run.
pub const STEP_PROFILES: [&str; 4] = ["rehearsal", "ops", "containers", "rollback"];

/// The settings of the runner, read from the environment once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// The nextest profile.
    pub profile: String,
    /// nextest's id of the invocation.
    pub invocation: String,
}

/// Refuses every setting under which steps could be skipped, reordered, repeated, run side by side or pass by force.
///
/// `read` looks a variable up, so that this can be tested without touching the environment.
///
/// # Errors
///
/// [`RunError::Refused`] with the setting and what to do instead.
pub fn inspect(read: impl Fn(&str) -> Option<String>) -> Result<Runner, RunError> {
    let refuse = |what: String, help: &str| Err(RunError::Refused { what, help: help.to_owned() });
    let command = "run `cargo nextest run --profile rehearsal` or `--profile ops`";
    if read("NEXTEST").as_deref() != Some("1") {
        return refuse("steps run under cargo-nextest only, not under `cargo test`".to_owned(), command);
    }
    if read("NEXTEST_EXECUTION_MODE").as_deref() != Some("process-per-test") {
        return refuse("steps run one process each, this runner does not do that".to_owned(), command);
    }
    let profile = read("NEXTEST_PROFILE").unwrap_or_default();
    if !STEP_PROFILES.contains(&profile.as_str()) {
        return refuse(format!("steps do not run under the nextest profile `{profile}`"), command);
    }
    let threads = read("NEXTEST_TEST_THREADS").unwrap_or_default();
    if threads != "1" {
        let what = format!("steps run one at a time, but {threads} threads were asked for");
        return refuse(what, "leave out `-j` / `--test-threads`, unset NEXTEST_TEST_THREADS");
    }
    let attempts = read("NEXTEST_TOTAL_ATTEMPTS").unwrap_or_else(|| "1".to_owned());
    if attempts != "1" {
        let what = format!("a step is never retried, but {attempts} attempts were asked for");
        return refuse(what, "leave out `--retries`, unset NEXTEST_RETRIES; a failed step is resumed by running again");
    }
    let stress = read("NEXTEST_STRESS_TOTAL").unwrap_or_else(|| "none".to_owned());
    if stress != "none" {
        return refuse(
            format!("a step is never repeated, but a stress run of {stress} was asked for"),
            "leave out `--stress-count` / `--stress-duration`",
        );
    }
    insta(&read)?;
    Ok(Runner { profile, invocation: read("NEXTEST_RUN_ID").unwrap_or_default() })
}

/// Refuses settings of insta that let a comparison pass by force or change what it compares with.
///
/// # Errors
///
/// [`RunError::Refused`] with the setting.
pub fn insta(read: &impl Fn(&str) -> Option<String>) -> Result<(), RunError> {
    let help = "unset it: a known-good state is changed by review, never by a run";
    for (name, harmless) in [
        ("INSTA_UPDATE", &["no"][..]),
        ("INSTA_FORCE_PASS", &["0", ""]),
        ("INSTA_FORCE_UPDATE", &["0", ""]),
        ("INSTA_FORCE_UPDATE_SNAPSHOTS", &["0", ""]),
    ] {
        if let Some(value) = read(name)
            && !harmless.contains(&value.as_str())
        {
            return Err(RunError::Refused {
                what: format!("{name}={value} would let a changed state pass"),
                help: help.to_owned(),
            });
        }
    }
    Ok(())
}

/// [`inspect`] on the process's own environment.
///
/// # Errors
///
/// As [`inspect`].
pub fn environment() -> Result<Runner, RunError> {
    inspect(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 8] = [
        ("NEXTEST", "1"),
        ("NEXTEST_EXECUTION_MODE", "process-per-test"),
        ("NEXTEST_PROFILE", "ops"),
        ("NEXTEST_TEST_THREADS", "1"),
        ("NEXTEST_TOTAL_ATTEMPTS", "1"),
        ("NEXTEST_STRESS_TOTAL", "none"),
        ("INSTA_UPDATE", "no"),
        ("INSTA_FORCE_PASS", "0"),
    ];

    fn with(name: &str, value: Option<&str>) -> Result<Runner, RunError> {
        inspect(|asked| {
            if asked == name {
                return value.map(str::to_owned);
            }
            GOOD.iter().find(|(key, _)| *key == asked).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_profiles_as_shipped_pass() {
        assert_eq!(with("", None).expect("passes").profile, "ops");
    }

    #[test]
    fn every_weakening_setting_is_refused() {
        for (name, value) in [
            ("NEXTEST", None),
            ("NEXTEST_EXECUTION_MODE", None),
            ("NEXTEST_PROFILE", Some("default")),
            ("NEXTEST_TEST_THREADS", Some("8")),
            ("NEXTEST_TOTAL_ATTEMPTS", Some("3")),
            ("NEXTEST_STRESS_TOTAL", Some("2")),
            ("INSTA_UPDATE", Some("always")),
            ("INSTA_UPDATE", Some("new")),
            ("INSTA_FORCE_PASS", Some("1")),
            ("INSTA_FORCE_UPDATE", Some("1")),
        ] {
            let error = with(name, value).expect_err(name);
            assert!(error.to_string().starts_with("refused: "), "{error}");
            assert!(!error.help().is_empty());
        }
    }
}

//! What the table of the steps, which the plan's outline shows, needs of `src/state`.

/// A part of a host's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Cron,
    Jobs,
    Processes,
    Ports,
    Svn,
    Stack,
    Installed,
    Served,
    Contexts,
    Rows,
    History,
    Files,
}

//! Signals end a step; the journal says so before the process dies.

use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::event::Event;
use super::keeper::Keeper;

/// Stops watching when dropped.
#[derive(Debug)]
pub struct Watch(Option<Handle>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.close();
        }
    }
}

/// Journals the first of SIGINT, SIGTERM, SIGHUP, SIGQUIT, then lets it have its ordinary effect.
///
/// A time limit of nextest, Ctrl-C and a lost login come as these. The step has no outcome then: what it began is
/// reconciled by looking when the run goes on.
pub fn watch(keeper: &Arc<Keeper>) -> Watch {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]) else { return Watch(None) };
    let handle = signals.handle();
    let keeper = Arc::clone(keeper);
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
            // Whether or not this could be written, the process ends now.
            let _ = keeper.write(&Event::Interrupted { signal: name.to_owned() });
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            std::process::abort();
        }
    });
    Watch(Some(handle))
}

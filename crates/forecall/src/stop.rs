use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// A flag that Ctrl-C or a supervisor's stop sets. A second one ends the process at once.
pub(crate) fn on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset and only sets it.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .context("failed to listen for signals")?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("failed to listen for signals")?;
    }
    Ok(stop)
}

/// A flag that each `SIGHUP` sets: settings are to be read anew.
pub(crate) fn on_hangup() -> anyhow::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&asked)).context("failed to listen for signals")?;
    Ok(asked)
}

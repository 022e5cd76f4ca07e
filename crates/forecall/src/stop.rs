use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};

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

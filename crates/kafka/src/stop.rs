use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long anything is waited for once a stop is asked for: enough for a broker that is there to take a last commit, and
/// far below what a supervisor waits before it kills (10 s and more).
const GRACE: Duration = Duration::from_secs(3);
/// How often a sleeper looks.
const NAP: Duration = Duration::from_millis(50);
/// Longest call of the client library that can be made again where it left off; a stop is seen between two.
pub(crate) const SLICE: Duration = Duration::from_secs(1);

/// Whether this process is to stop. Every wait looks at it, so that a broker that is away holds up no stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) const fn new(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A wait, cut short where a stop is asked for.
    pub(crate) fn cut(&self, wait: Duration) -> Duration {
        if self.is_asked() { wait.min(GRACE) } else { wait }
    }

    /// What is left of a wait that began then.
    pub(crate) fn rest(&self, begun: Instant, wait: Duration) -> Duration {
        self.cut(wait).saturating_sub(begun.elapsed())
    }

    /// Sleeps, at most until a stop is asked for; then a nap, so that nobody spins.
    pub(crate) fn sleep(&self, pause: Duration) {
        let begun = Instant::now();
        loop {
            std::thread::sleep(pause.saturating_sub(begun.elapsed()).min(NAP));
            if self.is_asked() || begun.elapsed() >= pause {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_cuts_every_wait_short() {
        let flag = Arc::new(AtomicBool::new(false));
        let stop = Stop::new(Arc::clone(&flag));
        let hour = Duration::from_secs(3_600);
        assert_eq!(stop.cut(hour), hour);
        flag.store(true, Ordering::Relaxed);
        assert_eq!((stop.cut(hour), stop.cut(NAP)), (GRACE, NAP));
        // It returns at all.
        stop.sleep(hour);
        assert!(stop.rest(Instant::now(), hour) <= GRACE);
    }
}

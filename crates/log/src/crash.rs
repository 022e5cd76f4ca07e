//! Named crash points: where a test makes the process end as if by a power cut.
//!
//! Always compiled, so that what is tested is what is shipped; a point that isn't armed costs two loads and a comparison, and
//! no point lies on the path of a single record. Armed by the environment: `FORECALL_CRASH=name:nth` kills the process
//! (SIGKILL, no destructor runs) when it passes the point for the nth time; `name:nth+ms` kills it so many milliseconds
//! later from another thread, while the process goes on. A simulation, whose processes are values of one thread,
//! [listens](listen) instead.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Name of the environment variable.
pub const VARIABLE: &str = "FORECALL_CRASH";

/// All points, in the order in which a batch passes them.
pub const POINTS: [&str; 13] = [
    "restore_begun",
    "restore_read",
    "restored",
    "gathered",
    "stepped",
    "tx_begun",
    "produced",
    "offsets_sent",
    "commit_called",
    "committed",
    "snapshot_begun",
    "snapshot_written",
    "snapshot_pruned",
];

/// Points only a simulation knows: those between the log, the ledger and the gateways, in the order in which a notice passes
/// them. The harness that kills processes has neither ledger nor gateway.
pub const POINTS_OF_OUTREACH: [&str; 9] = [
    "directory_kept",
    "ticks_written",
    "ledger_committed",
    "outbox_published",
    "outbox_trimmed",
    "receipts_published",
    "settled",
    "leased",
    "answered",
];

/// Points of `forecall topics migrate`, in the order in which it passes them.
pub const POINTS_OF_MIGRATION: [&str; 4] = [
    "aside_saved",
    "division_moved",
    "division_saved",
    "layout_written",
];

/// The point between a receiver's answer and the commit of what came of a remedy. Only tests know it.
pub const POINT_OF_REMEDIES: &str = "remedy_called";

/// Is told of each point this thread passes.
pub type Listener = Rc<dyn Fn(&'static str)>;

thread_local! {
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Tells a listener, from now on, of every point that this thread passes; it may unwind, which ends the process that it plays.
/// Gives the one before.
pub fn listen(listener: Option<Listener>) -> Option<Listener> {
    LISTENER.with(|place| place.replace(listener))
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Armed {
    point: String,
    nth: u32,
    after: Option<Duration>,
}

impl Armed {
    fn parse(text: &str) -> Option<Self> {
        let (point, when) = text.split_once(':')?;
        let (nth, after) = match when.split_once('+') {
            Some((nth, ms)) => (nth, Some(Duration::from_millis(ms.parse().ok()?))),
            None => (when, None),
        };
        let nth = nth.parse().ok().filter(|n| *n > 0)?;
        let is_one = POINTS.contains(&point) || POINTS_OF_MIGRATION.contains(&point);
        is_one.then(|| Self {
            point: point.to_owned(),
            nth,
            after,
        })
    }
}

/// What is armed; an environment that means nothing is said once, and nothing is armed.
fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    ARMED
        .get_or_init(|| {
            let text = std::env::var(VARIABLE).ok()?;
            let armed = Armed::parse(&text);
            match &armed {
                Some(armed) => tracing::warn!(?armed, "{VARIABLE} is set: this process will kill itself"),
                None => tracing::error!(
                    text,
                    "{VARIABLE} is not `point:nth` or `point:nth+ms`: nothing is armed"
                ),
            }
            armed
        })
        .as_ref()
}

/// Passes a crash point.
pub fn point(name: &'static str) {
    static PASSED: AtomicU32 = AtomicU32::new(0);
    // Taken out first: the listener may pass points itself.
    let listener = LISTENER.with(|place| place.borrow().clone());
    if let Some(listener) = listener {
        listener(name);
    }
    let Some(armed) = armed().filter(|armed| armed.point == name) else {
        return;
    };
    if PASSED.fetch_add(1, Ordering::SeqCst) + 1 != armed.nth {
        return;
    }
    match armed.after {
        None => kill(),
        Some(after) => drop(std::thread::spawn(move || {
            std::thread::sleep(after);
            kill();
        })),
    }
}

fn kill() {
    let me = rustix::process::getpid();
    // It can't be refused for the process itself; abort would be the same end.
    if rustix::process::kill_process(me, rustix::process::Signal::KILL).is_err() {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_points_that_exist_are_armed() {
        let armed = |point: &str, nth, after: Option<u64>| {
            Some(Armed {
                point: point.to_owned(),
                nth,
                after: after.map(Duration::from_millis),
            })
        };
        assert_eq!(Armed::parse("stepped:3"), armed("stepped", 3, None));
        assert_eq!(
            Armed::parse("commit_called:1+8"),
            armed("commit_called", 1, Some(8))
        );
        for bad in ["", "stepped", "stepped:0", "stepped:x", "steped:1", "stepped:1+"] {
            assert_eq!(Armed::parse(bad), None, "{bad}");
        }
    }
}

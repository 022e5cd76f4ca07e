//! Numbered invariants: sentences of `docs/architecture.md` that the code checks, in production too.
//!
//! A violation is our own bug. It is counted (a metric reads the count) and fails tests; it never ends the process.

use std::sync::atomic::{AtomicU64, Ordering};

/// The invariants, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InvariantId {
    /// W1: a watermark never goes back.
    W1,
    /// D1: a sample is scored once.
    D1,
    /// C1: at most one open incident a scope.
    C1,
    /// C2: an incident's revisions rise by one.
    C2,
    /// N1: a notice has no recipient outside its incident's scope.
    N1,
    /// N2: a "no need to call" stands only where it is computed true.
    N2,
    /// N3: nobody is told of a canary.
    N3,
    /// L1: a partition is stepped at exactly the offset after its last one.
    L1,
    /// F1: a forecast's quantiles rise.
    F1,
}

impl InvariantId {
    /// All of them: label values of a metric come from here.
    pub const ALL: [Self; 9] = [
        Self::W1,
        Self::D1,
        Self::C1,
        Self::C2,
        Self::N1,
        Self::N2,
        Self::N3,
        Self::L1,
        Self::F1,
    ];

    /// Its number as written in the documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::D1 => "D1",
            Self::C1 => "C1",
            Self::C2 => "C2",
            Self::N1 => "N1",
            Self::N2 => "N2",
            Self::N3 => "N3",
            Self::L1 => "L1",
            Self::F1 => "F1",
        }
    }
}

static VIOLATIONS: [AtomicU64; InvariantId::ALL.len()] =
    [const { AtomicU64::new(0) }; InvariantId::ALL.len()];

/// Counts a violation. Called by [`check_invariant!`](crate::check_invariant).
pub fn violated(id: InvariantId) {
    if let Some(counter) = VIOLATIONS.get(id as usize) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Violations since the process began. Logic never reads it; the metrics and the tests do.
pub fn violations(id: InvariantId) -> u64 {
    VIOLATIONS
        .get(id as usize)
        .map_or(0, |c| c.load(Ordering::Relaxed))
}

/// Checks a numbered invariant: counts where it doesn't hold, and fails a build with debug assertions.
///
/// `check_invariant!(InvariantId::W1, next >= mark, "watermark {mark:?} -> {next:?}")`
#[macro_export]
macro_rules! check_invariant {
    ($id:expr, $holds:expr, $($what:tt)+) => {
        if !$holds {
            $crate::invariant::violated($id);
            debug_assert!(false, "invariant {}: {}", $id.as_str(), format_args!($($what)+));
        }
    };
}

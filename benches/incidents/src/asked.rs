//! A question put to rankings: what they may see, and apart from it what they may not.

use std::collections::BTreeSet;

use forecall_incident::cause::Case;

/// One fault.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Its path in the recording.
    pub(crate) id: String,
    /// Groups it is counted in, for the table.
    pub(crate) groups: Vec<String>,
    /// All a ranking sees.
    pub(crate) case: Case,
    /// The true causes; empty where they aren't told. No ranking sees them.
    pub(crate) truth: BTreeSet<String>,
}

/// A method's answer: nodes, the most likely first.
pub(crate) type Answer = Vec<String>;

/// Whether all true causes are among the first `k`.
pub(crate) fn is_hit(asked: &Asked, answer: &Answer, k: usize) -> bool {
    asked
        .truth
        .iter()
        .all(|cause| answer.iter().take(k).any(|node| node == cause))
}

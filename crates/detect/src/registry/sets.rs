//! By which set of settings each detector judges.

use super::{Registry, at, at_mut};
use crate::MetricKind;
use crate::gates::Gates;
use crate::nature::Nature;
use crate::rate::Part;

impl Registry {
    /// The set of a part of a series, and what it is by that.
    pub(super) fn set_of(&self, slot: u32, part: Part, gates: &Gates) -> Option<(u16, Nature)> {
        let key = self.key(slot, part)?;
        let set = gates.find(&key);
        let kind = gates.kind(set);
        let kind = kind.unwrap_or_else(|| MetricKind::of(&key.metric, &key.unit));
        Some((set, Nature::of_kind(kind, (&key.metric, &key.unit), part)))
    }

    /// Whether a part of a series is judged at all.
    pub(crate) fn is_judged(&self, slot: u32, part: Part, gates: &Gates) -> bool {
        let set = || self.set_of(slot, part, gates);
        gates.is_one() || set().is_none_or(|(set, _)| gates.detects(set))
    }

    /// Finds the set of each detector anew: they were found under other settings.
    pub(crate) fn find_sets(&mut self, gates: &Gates) {
        for slot in 0..u32::try_from(self.heads.len()).unwrap_or(0) {
            let mut next = at(&self.heads, slot).and_then(|head| head.links.link(0));
            while let Some((number, part)) = next.and_then(|n| Some((n, at(&self.detectors, n)?.part()))) {
                let set = self.set_of(slot, part, gates);
                next = at_mut(&mut self.detectors, number).and_then(|detector| {
                    if let Some((set, nature)) = set {
                        detector.put_in_set(set, nature);
                    }
                    detector.next()
                });
            }
        }
    }
}

//! What is remembered of a series' last point.

use forecall_stage::Chunks;

use super::{LINK_BITS, NONE, Registry, at, at_mut, place_in};
use crate::rate::Prior;

impl Registry {
    pub(super) fn prior(&self, slot: u32) -> Option<&Prior> {
        at(&self.priors, at(&self.heads, slot)?.links.link(LINK_BITS)?)
    }

    /// What is remembered of the last point; made at the first call.
    pub(crate) fn prior_mut(&mut self, slot: u32) -> Option<&mut Prior> {
        let head = at_mut(&mut self.heads, slot)?;
        let number = match head.links.link(LINK_BITS) {
            Some(number) => number,
            None => {
                let number = place_in(&mut self.priors, &mut self.free_priors, Prior::None).ok()?;
                head.links.set(LINK_BITS, number);
                number
            }
        };
        at_mut(&mut self.priors, number)
    }

    /// Places that are kept, in use or not.
    #[cfg(test)]
    pub(crate) fn prior_places(&self) -> usize {
        self.priors.len()
    }

    /// Takes the value of a series that was measured once so far.
    pub(crate) fn take_once(&mut self, slot: u32) -> Option<f64> {
        let head = at_mut(&mut self.heads, slot)?;
        let number = head.links.link(LINK_BITS)?;
        let prior = at_mut(&mut self.priors, number)?;
        let Prior::Once(value) = *prior else {
            return None;
        };
        *prior = Prior::None;
        head.links.set(LINK_BITS, NONE);
        self.free_priors.push(number);
        if self.free_priors.len() == self.priors.len() {
            // A start has all series wait for their second value at once; gauges need no such place ever after.
            (self.priors, self.free_priors) = (Chunks::default(), Vec::new());
        }
        Some(value)
    }
}

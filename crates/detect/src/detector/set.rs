//! What a detector carries for its registry: the number of the next one of its series, and that of its set of settings.

use super::Detector;
use crate::nature::Nature;

/// Bits of `Spike::next` that hold the next one's number; those above hold the set's.
const NEXT_BITS: u32 = 20;
/// In place of a number: there is no next one.
pub(super) const NO_NEXT: u32 = (1 << NEXT_BITS) - 1;
/// Sets that can be told apart: what the other twelve bits hold.
pub(crate) const SETS_MAX: usize = 1 << (u32::BITS - NEXT_BITS);

impl Detector {
    pub(crate) const fn next(&self) -> Option<u32> {
        match self.spike.next & NO_NEXT {
            NO_NEXT => None,
            next => Some(next),
        }
    }

    /// A number that is none ends the row.
    pub(crate) const fn set_next(&mut self, next: u32) {
        self.spike.next = self.spike.next & !NO_NEXT | next & NO_NEXT;
    }

    /// The number of its set of settings.
    pub(crate) const fn set(&self) -> u16 {
        let [_, _, low, high] = self.spike.next.to_le_bytes();
        u16::from_le_bytes([low, high]) >> (NEXT_BITS - 16)
    }

    /// Judged by a set of settings from now on, and as of this nature.
    pub(crate) const fn put_in_set(&mut self, set: u16, nature: Nature) {
        self.spike.next = self.spike.next & NO_NEXT | (set as u32) << NEXT_BITS;
        self.shift.nature = nature.as_seen(self.shift.nature);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Part;

    #[test]
    fn both_numbers_are_kept_apart() {
        let mut detector = Detector::new("m", "", Part::Same);
        assert_eq!((detector.next(), detector.set()), (None, 0));
        for (next, set) in [(0, 4_095), (1_048_574, 0), (77, 1), (1_048_574, 4_095)] {
            detector.put_in_set(set, Nature::default());
            detector.set_next(next);
            assert_eq!((detector.next(), detector.set()), (Some(next), set));
            detector.put_in_set(set ^ 1, Nature::default());
            assert_eq!((detector.next(), detector.set()), (Some(next), set ^ 1));
        }
        detector.set_next(u32::MAX);
        assert_eq!((detector.next(), detector.set()), (None, 4_094));
    }
}

//! Label sets remembered by the bytes they were written in. Producers write the labels of a series the same way each time,
//! so that what they mean need be found out once: the rest is one hash and one look.

use forecall_types::{Fingerprint, KnownLabels};

/// Spellings remembered at once. Metrics of one entity mostly share one.
const SPELLINGS_MAX: usize = 16_384;
/// Bytes of labels remembered at once.
const BYTES_MAX: usize = 8 << 20;
/// Places of the table: half of them stay empty, so that a search is short.
const PLACES: usize = SPELLINGS_MAX * 2;
/// Spellings not looked at after a table was filled in vain: with more label sets than it holds, it would only cost.
const REST: u32 = 1 << 18;

/// Which spelling: 128 bits of hash, as the identity of a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u128);

#[derive(Debug, Clone)]
struct Spelling {
    mark: Mark,
    resource: Option<KnownLabels>,
    labels: KnownLabels,
}

/// What the label sets of one source's records were found to mean. It is a memory of decoding and no state: with or without
/// it the same comes out.
#[derive(Debug, Clone, Default)]
pub struct Spellings {
    /// Numbers of spellings, from 1; 0 is an empty place. Without places until something is remembered.
    places: Vec<u32>,
    known: Vec<Spelling>,
    bytes: usize,
    /// How often one was found since the table was empty.
    found: usize,
    rest: u32,
    /// Sixteen bits of the mark that was last met for the first time, by place: names in a flood come once, and what has come
    /// twice is worth its room (Einziger, Friedman and Manes 2017, "TinyLFU", the doorkeeper).
    met: Vec<u16>,
}

impl Spellings {
    /// The mark of a spelling within a context (0 where there is none); `None` while nothing is remembered.
    pub(super) fn mark(&mut self, context: u128, spelling: &[u8]) -> Option<Mark> {
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        Some(Mark(Fingerprint::of(spelling).as_u128() ^ context))
    }

    /// Labels of resource and point that this spelling means.
    pub(super) fn find(&mut self, mark: Mark) -> Option<(Option<&KnownLabels>, &KnownLabels)> {
        let number = *self.places.get(self.place(mark)?)?;
        let spelling = self.known.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
        self.found += 1;
        Some((spelling.resource.as_ref(), &spelling.labels))
    }

    /// The place of a mark, or the empty one where it would be; `None` before the first.
    fn place(&self, Mark(mark): Mark) -> Option<usize> {
        #[allow(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
        let mut place = mark as usize % PLACES;
        loop {
            let number = usize::try_from(*self.places.get(place)?).ok()?;
            let spelling = number.checked_sub(1).and_then(|i| self.known.get(i));
            if spelling.is_none_or(|spelling| spelling.mark.0 == mark) {
                return Some(place);
            }
            place = (place + 1) % PLACES;
        }
    }

    /// Whether a spelling was met before, as far as is known, and so is worth remembering. It is from now on.
    pub(super) fn meet_again(&mut self, Mark(mark): Mark) -> bool {
        self.met.resize(PLACES, 0);
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the low and the high bits are wanted"
        )]
        let (place, tag) = (mark as usize % PLACES, (mark >> 112) as u16 | 1);
        self.met
            .get_mut(place)
            .is_some_and(|met| std::mem::replace(met, tag) == tag)
    }

    /// Remembers what a spelling means.
    pub(super) fn learn(&mut self, mark: Mark, resource: Option<KnownLabels>, labels: KnownLabels) {
        if self.known.len() >= SPELLINGS_MAX || self.bytes >= BYTES_MAX {
            if self.found < self.known.len() {
                self.rest = REST;
            }
            self.known.clear();
            self.places.fill(0);
            (self.bytes, self.found) = (0, 0);
        }
        self.places.resize(PLACES, 0);
        self.bytes += resource.as_ref().map_or(0, KnownLabels::len) + labels.len();
        self.known.push(Spelling {
            mark,
            resource,
            labels,
        });
        let number = u32::try_from(self.known.len()).unwrap_or(0);
        if let Some(place) = self.place(mark).and_then(|place| self.places.get_mut(place)) {
            *place = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use forecall_types::SampleBatch;

    use super::*;

    fn labels(number: usize) -> KnownLabels {
        let mut batch = SampleBatch::default();
        let span = batch.keep_labels(&mut [("number", number.to_string())]);
        batch.known_labels(span)
    }

    fn mark(spellings: &mut Spellings, number: usize) -> Option<Mark> {
        spellings.mark(0, &number.to_le_bytes())
    }

    #[test]
    fn what_was_learnt_is_found_and_nothing_else() {
        let mut spellings = Spellings::default();
        for number in 0..2_000 {
            let mark = mark(&mut spellings, number).unwrap();
            assert!(spellings.find(mark).is_none());
            let resource = (number % 2 == 0).then(|| labels(number + 1));
            spellings.learn(mark, resource, labels(number));
        }
        for number in 0..2_000 {
            let mark = mark(&mut spellings, number).unwrap();
            let (resource, found) = spellings.find(mark).unwrap();
            assert_eq!(found, &labels(number));
            assert_eq!(resource, (number % 2 == 0).then(|| labels(number + 1)).as_ref());
        }
        let other = spellings.mark(1, &7_usize.to_le_bytes()).unwrap();
        assert!(spellings.find(other).is_none(), "another context");
    }

    #[test]
    fn a_flood_of_spellings_keeps_its_bounds_and_is_not_looked_at_for_a_while() {
        let mut spellings = Spellings::default();
        let mut passed = 0;
        for number in 0..100_000 {
            match mark(&mut spellings, number) {
                Some(mark) => spellings.learn(mark, None, labels(number)),
                None => passed += 1,
            }
            assert!(spellings.known.len() <= SPELLINGS_MAX);
        }
        assert_eq!(passed, 100_000 - SPELLINGS_MAX - 1);
    }

    #[test]
    fn who_comes_again_is_told_from_a_flood() {
        let mut spellings = Spellings::default();
        let often: Vec<Mark> = (0..100).map(|n| mark(&mut spellings, n).unwrap()).collect();
        let mut again = 0;
        for number in 100..3_000 {
            let once = mark(&mut spellings, number).unwrap();
            assert!(!spellings.meet_again(once), "{number}");
            again += usize::from(spellings.meet_again(often[number % 100]));
        }
        assert!(again > 2_700, "{again} of 2,800");
    }

    #[test]
    fn a_table_that_pays_is_filled_anew() {
        let mut spellings = Spellings::default();
        for number in 0..SPELLINGS_MAX + 10 {
            let mark = mark(&mut spellings, number).unwrap();
            spellings.learn(mark, None, labels(number));
            assert!(spellings.find(mark).is_some());
        }
        assert_eq!(spellings.known.len(), 10);
        assert!(mark(&mut spellings, 5).is_some());
    }
}

use std::collections::{BTreeMap, BTreeSet};

use forecall_stage::Chunks;
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Serialize, Serializer};

/// Open journeys one partition may hold: a place has 24 bits in the index, beside 8 that spare a look at the wrong ones.
pub const OPEN_MAX: usize = (1 << 24) - 2;
/// No place: the end of a list, an empty cell of the index.
const NONE: u32 = u32::MAX;
const PLACE_BITS: u32 = 24;
const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;
const SECOND: i64 = 1_000_000_000;
/// Places of one chunk: 192 KiB, the most that sharing an image copies when one of them changes.
const CHUNK: usize = 4_096;

/// One open journey: 48 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journey {
    /// Upper 64 of the 80 bits of the pseudonym.
    customer_high: u64,
    /// Hash of order or ticket; 0 where the rule knows none.
    pub(crate) key: u64,
    /// Nanoseconds since the epoch.
    pub(crate) started: i64,
    /// The last moment at which the step is passed in time.
    pub(crate) deadline: i64,
    #[serde(skip, default = "none")]
    next: u32,
    #[serde(skip, default = "none")]
    prev: u32,
    customer_low: u16,
    pub(crate) rule: u16,
    pub(crate) scope: u16,
    pub(crate) step: u8,
    #[serde(skip)]
    at: Lies,
}

const fn none() -> u32 {
    NONE
}

/// In which list a place lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Lies {
    /// In none yet.
    #[default]
    Nowhere,
    /// In the bucket of its second.
    Bucket,
    /// Among those that are due next, which are sorted.
    Front,
    /// It is free.
    Free,
}

impl Journey {
    pub(crate) fn new(customer: u128, rule: u16, key: u64, scope: u16, started: i64, deadline: i64) -> Self {
        Self {
            customer_high: u64::try_from(customer >> 16 & u128::from(u64::MAX)).unwrap_or(0),
            customer_low: u16::try_from(customer & 0xffff).unwrap_or(0),
            key,
            started,
            deadline,
            next: NONE,
            prev: NONE,
            rule,
            scope,
            step: 0,
            at: Lies::Nowhere,
        }
    }

    pub(crate) fn customer(&self) -> u128 {
        u128::from(self.customer_high) << 16 | u128::from(self.customer_low)
    }

    fn due(&self, place: u32) -> Due {
        (self.deadline, self.customer(), self.rule, self.key, place)
    }
}

/// Deadline, customer, rule, key, place: the order in which journeys are over.
type Due = (i64, u128, u16, u64, u32);

/// All open journeys, found by customer and by deadline.
///
/// Journeys lie in places that are used again. The index is a table of places by the customer's hash, with linear probing; the
/// timer is a list through the places for each second, and those of the second that is due are sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    places: Chunks<Journey, CHUNK>,
    free: Option<u32>,
    len: usize,
    /// Its length is a power of two, or 0.
    index: Vec<u32>,
    buckets: BTreeMap<i64, u32>,
    front: BTreeSet<Due>,
    /// All journeys due up to this second are in `front`.
    front_second: Option<i64>,
}

fn hash(customer: u128) -> u64 {
    // Finaliser of SplitMix64 (Steele, Lea & Flood 2014): pseudonyms are evenly spread, test data aren't.
    let mut x = u64::try_from(customer & u128::from(u64::MAX)).unwrap_or(0)
        ^ u64::try_from(customer >> 64).unwrap_or(0).rotate_left(32);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn tag(hash: u64) -> u32 {
    u32::try_from(hash >> 56).unwrap_or(0) << PLACE_BITS
}

impl Table {
    /// How many are open.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes held, but for the timer's map: places, index.
    pub(crate) fn bytes(&self) -> usize {
        self.places.len().div_ceil(CHUNK) * CHUNK * size_of::<Journey>()
            + self.index.capacity() * size_of::<u32>()
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Journey> {
        let journey = self.places.get(usize::try_from(place).ok()?)?;
        (journey.at != Lies::Free).then_some(journey)
    }

    fn get_mut(&mut self, place: u32) -> Option<&mut Journey> {
        self.places.get_mut(usize::try_from(place).ok()?)
    }

    fn home(&self, hash: u64) -> usize {
        let mask = u64::try_from(self.index.len().saturating_sub(1)).unwrap_or(0);
        usize::try_from(hash & mask).unwrap_or(0)
    }

    fn after(&self, cell: usize) -> usize {
        (cell + 1) & self.index.len().saturating_sub(1)
    }

    fn cell(&self, at: usize) -> u32 {
        self.index.get(at).copied().unwrap_or(NONE)
    }

    /// The places of a customer's journeys, into `found`.
    pub(crate) fn of_customer(&self, customer: u128, found: &mut Vec<u32>) {
        found.clear();
        let hash = hash(customer);
        let (tag, mut at) = (tag(hash), self.home(hash));
        loop {
            let cell = self.cell(at);
            if cell == NONE {
                return;
            }
            let place = cell & PLACE_MASK;
            if cell & !PLACE_MASK == tag && self.get(place).is_some_and(|j| j.customer() == customer) {
                found.push(place);
            }
            at = self.after(at);
        }
    }

    /// Takes one in. The caller has seen to it that fewer than [`OPEN_MAX`] are open.
    pub(crate) fn open(&mut self, journey: Journey) {
        let place = match self.free {
            Some(place) => {
                let next = self
                    .get_mut(place)
                    .map_or(NONE, |free| std::mem::replace(free, journey).next);
                self.free = (next != NONE).then_some(next);
                place
            }
            None => {
                self.places.push(journey);
                u32::try_from(self.places.len().saturating_sub(1)).unwrap_or(NONE)
            }
        };
        self.len += 1;
        self.enter(place);
    }

    /// Into index and timer.
    fn enter(&mut self, place: u32) {
        if (self.len + 1) * 4 > self.index.len() * 3 {
            self.grow();
        }
        if let Some(customer) = self.get(place).map(Journey::customer) {
            self.put(place, customer);
        }
        self.schedule(place);
    }

    fn put(&mut self, place: u32, customer: u128) {
        let hash = hash(customer);
        let mut at = self.home(hash);
        while self.cell(at) != NONE {
            at = self.after(at);
        }
        if let Some(cell) = self.index.get_mut(at) {
            *cell = tag(hash) | place;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let len = (self.index.len() * 2).max(16);
        let old = std::mem::take(&mut self.index);
        self.index = vec![NONE; len];
        for cell in old.into_iter().filter(|cell| *cell != NONE) {
            let place = cell & PLACE_MASK;
            if let Some(customer) = self.get(place).map(Journey::customer) {
                self.put(place, customer);
            }
        }
    }

    fn schedule(&mut self, place: u32) {
        let Some(journey) = self.get(place).copied() else {
            return;
        };
        let second = journey.deadline.div_euclid(SECOND);
        if self.front_second.is_some_and(|front| second <= front) {
            self.front.insert(journey.due(place));
            if let Some(journey) = self.get_mut(place) {
                journey.at = Lies::Front;
            }
            return;
        }
        let head = self.buckets.insert(second, place).unwrap_or(NONE);
        if let Some(journey) = self.get_mut(place) {
            (journey.at, journey.next, journey.prev) = (Lies::Bucket, head, NONE);
        }
        if let Some(old) = self.get_mut(head) {
            old.prev = place;
        }
    }

    fn unschedule(&mut self, place: u32) {
        let Some(journey) = self.get(place).copied() else {
            return;
        };
        match journey.at {
            Lies::Front => {
                self.front.remove(&journey.due(place));
            }
            Lies::Bucket => {
                if let Some(next) = self.get_mut(journey.next) {
                    next.prev = journey.prev;
                }
                if let Some(prev) = self.get_mut(journey.prev) {
                    prev.next = journey.next;
                } else if journey.next == NONE {
                    self.buckets.remove(&journey.deadline.div_euclid(SECOND));
                } else {
                    self.buckets
                        .insert(journey.deadline.div_euclid(SECOND), journey.next);
                }
            }
            Lies::Nowhere | Lies::Free => {}
        }
    }

    /// Goes on to another step.
    pub(crate) fn go_on(&mut self, place: u32, step: u8, deadline: i64) {
        self.unschedule(place);
        if let Some(journey) = self.get_mut(place) {
            (journey.step, journey.deadline, journey.at) = (step, deadline, Lies::Nowhere);
        }
        self.schedule(place);
    }

    /// Takes one out.
    pub(crate) fn close(&mut self, place: u32) -> Option<Journey> {
        let journey = *self.get(place)?;
        self.unschedule(place);
        self.unindex(place, journey.customer());
        let next = self.free.unwrap_or(NONE);
        if let Some(free) = self.get_mut(place) {
            (free.at, free.next) = (Lies::Free, next);
        }
        self.free = Some(place);
        self.len -= 1;
        Some(journey)
    }

    /// Out of the index: those behind it in its run move up, so that no tombstones are left (Knuth, vol. 3, 6.4, algorithm R).
    fn unindex(&mut self, place: u32, customer: u128) {
        let hash = hash(customer);
        let wanted = tag(hash) | place;
        let mut hole = self.home(hash);
        while self.cell(hole) != wanted {
            if self.cell(hole) == NONE {
                return;
            }
            hole = self.after(hole);
        }
        let mask = self.index.len().saturating_sub(1);
        let mut at = self.after(hole);
        loop {
            let cell = self.cell(at);
            if cell == NONE {
                break;
            }
            let home = self
                .get(cell & PLACE_MASK)
                .map_or(at, |journey| self.home(self::hash(journey.customer())));
            // It may move to the hole if its home doesn't lie behind it.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                if let Some(empty) = self.index.get_mut(hole) {
                    *empty = cell;
                }
                hole = at;
            }
            at = self.after(at);
        }
        if let Some(empty) = self.index.get_mut(hole) {
            *empty = NONE;
        }
    }

    /// The first that is due before `limit`, in order of deadline, customer, rule and key.
    pub(crate) fn first_before(&mut self, limit: i64) -> Option<(u32, i64)> {
        while self.front.is_empty() {
            let (second, head) = self.buckets.first_key_value().map(|(s, h)| (*s, *h))?;
            if second.saturating_mul(SECOND) >= limit {
                return None;
            }
            self.buckets.remove(&second);
            self.front_second = Some(second);
            let mut place = head;
            while let Some(journey) = self.get_mut(place) {
                let next = journey.next;
                journey.at = Lies::Front;
                let due = journey.due(place);
                self.front.insert(due);
                place = next;
            }
        }
        let (deadline, .., place) = self.front.first()?;
        (*deadline < limit).then_some((*place, *deadline))
    }

    /// As it is now, for [`Serialize`]; what is not needed for that is left out.
    pub(crate) fn share(&mut self) -> Self {
        Self {
            places: self.places.share(),
            len: self.len,
            ..Self::default()
        }
    }

    /// Keeps those that `keep` says, as it changes them, and finds all of them anew.
    pub(crate) fn restored(mut loaded: Loaded, mut keep: impl FnMut(&mut Journey) -> bool) -> Self {
        let mut table = Self::default();
        let mut free = Vec::new();
        for at in 0..loaded.0.len() {
            let Some(journey) = loaded.0.get_mut(at) else {
                continue;
            };
            if keep(journey) {
                table.len += 1;
            } else {
                journey.at = Lies::Free;
                free.push(at);
            }
        }
        table.places = loaded.0;
        for at in free {
            let place = u32::try_from(at).unwrap_or(NONE);
            let next = table.free.unwrap_or(NONE);
            if let Some(journey) = table.get_mut(place) {
                journey.next = next;
            }
            table.free = Some(place);
        }
        // As large at once as growing one by one would have made it.
        let mut cells = 16_usize;
        while (table.len + 1) * 4 > cells * 3 {
            cells *= 2;
        }
        table.index = vec![NONE; cells];
        for place in 0..u32::try_from(table.places.len()).unwrap_or(0) {
            table.enter(place);
        }
        table
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len))?;
        for journey in self.places.iter().filter(|journey| journey.at != Lies::Free) {
            list.serialize_element(journey)?;
        }
        list.end()
    }
}

/// Journeys as a snapshot has them: in places, found by nobody yet.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Loaded(Chunks<Journey, CHUNK>);

impl Loaded {
    /// Whether each of them can have a place.
    pub(crate) fn fits(&self) -> bool {
        self.0.len() <= OPEN_MAX
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

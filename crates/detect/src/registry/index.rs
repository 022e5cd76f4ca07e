//! Finds a slot by a 128-bit identity: open addressing over one run of `u32`, about 8 bytes a series at a million.
//!
//! Its order is never looked at, so nothing a stage says hangs on it; the memory behind a slot says whether it is the one.

/// Slots an index can tell apart: what 20 bits hold, less the mark of an empty cell.
pub(super) const SLOTS_MAX: u32 = (1 << SLOT_BITS) - 1;
const SLOT_BITS: u32 = 20;
const EMPTY: u32 = u32::MAX;
/// Cells of the smallest table.
const CELLS_MIN: usize = 64;
/// Bits of a cell that tell where its identity would like to be, and more of the identity to tell it from its neighbours.
const HOME_BITS: u32 = 9;
const MORE_BITS: u32 = 32 - SLOT_BITS - HOME_BITS;
/// What `HOME_BITS` hold: a cell less than this behind its home says itself how far.
const NEAR: usize = 1 << HOME_BITS;

/// Cells of a tag (three bits of the identity, nine of its home) and a slot (20 bits).
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    cells: Vec<u32>,
    len: usize,
    /// Some cell lies `NEAR` or more behind its home.
    has_far: bool,
}

const fn slot_of(cell: u32) -> u32 {
    cell & SLOTS_MAX
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the lowest and the highest bits are wanted"
)]
const fn cell_of(id: u128, slot: u32) -> u32 {
    let home = id as u32 & ((1 << HOME_BITS) - 1);
    let more = (id >> (u128::BITS - MORE_BITS)) as u32;
    (more << HOME_BITS | home) << SLOT_BITS | (slot & SLOTS_MAX)
}

/// The lowest bits of the place where a cell would like to be.
const fn near_home(cell: u32) -> usize {
    (cell >> SLOT_BITS) as usize & (NEAR - 1)
}

impl Index {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "masked to the table's length right away"
    )]
    const fn home(&self, id: u128) -> usize {
        id as usize & self.cells.len().wrapping_sub(1)
    }

    const fn next(&self, place: usize) -> usize {
        (place + 1) & self.cells.len().wrapping_sub(1)
    }

    /// Where `id` is, or where it would go.
    fn place(&self, id: u128, is: impl Fn(u32) -> bool) -> Option<(usize, Option<u32>)> {
        let wanted = cell_of(id, 0);
        let mut place = self.home(id);
        loop {
            let cell = *self.cells.get(place)?;
            if cell == EMPTY {
                return Some((place, None));
            }
            if cell & !SLOTS_MAX == wanted && is(slot_of(cell)) {
                return Some((place, Some(slot_of(cell))));
            }
            place = self.next(place);
        }
    }

    /// The slot of `id`; `is` says whether a slot holds it.
    pub(super) fn find(&self, id: u128, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.place(id, is)?.1
    }

    /// The first slot that may hold `id`, unchecked: what a look ahead needs.
    pub(super) fn guess(&self, id: u128) -> Option<u32> {
        let mut place = self.home(id);
        loop {
            let cell = *self.cells.get(place).filter(|cell| **cell != EMPTY)?;
            if cell & !SLOTS_MAX == cell_of(id, 0) {
                return Some(slot_of(cell));
            }
            place = self.next(place);
        }
    }

    /// Adds a slot that isn't in it; `ids` tells the identity of each slot, for when the table must grow.
    pub(super) fn insert(&mut self, id: u128, slot: u32, ids: impl Fn(u32) -> Option<u128>) {
        // A search for what isn't there looks at eight cells at three quarters, at thirty at seven eighths (Knuth, The Art of
        // Computer Programming, 6.4, linear probing).
        if (self.len + 1) * 4 > self.cells.len() * 3 {
            let cells = (self.cells.len() * 2).max(CELLS_MIN);
            self.has_far = false;
            let old = std::mem::replace(&mut self.cells, vec![EMPTY; cells]);
            for slot in old.into_iter().filter(|cell| *cell != EMPTY).map(slot_of) {
                if let Some(id) = ids(slot) {
                    self.put(id, slot);
                }
            }
        }
        self.put(id, slot);
        self.len += 1;
    }

    fn put(&mut self, id: u128, slot: u32) {
        let home = self.home(id);
        if let Some((place, _)) = self.place(id, |_| false)
            && let Some(cell) = self.cells.get_mut(place)
        {
            *cell = cell_of(id, slot);
            self.has_far |= place.wrapping_sub(home) & self.cells.len().wrapping_sub(1) >= NEAR;
        }
    }

    /// How far the cell at `place` lies behind its home. Told by the cell itself: to ask its identity would read memory
    /// that is nowhere near, and for a text hash it anew.
    fn displacement(&self, place: usize, cell: u32, ids: &impl Fn(u32) -> Option<u128>) -> usize {
        let mask = self.cells.len().wrapping_sub(1);
        if self.has_far {
            return ids(slot_of(cell)).map_or(0, |id| place.wrapping_sub(self.home(id)) & mask);
        }
        place.wrapping_sub(near_home(cell)) & mask & (NEAR - 1)
    }

    /// Takes a slot out and closes the gap.
    pub(super) fn remove(&mut self, id: u128, slot: u32, ids: impl Fn(u32) -> Option<u128>) {
        let Some((mut gap, Some(_))) = self.place(id, |s| s == slot) else {
            return;
        };
        self.len -= 1;
        let mut place = gap;
        loop {
            place = self.next(place);
            let Some(cell) = self.cells.get(place).copied().filter(|cell| *cell != EMPTY) else {
                break;
            };
            // A cell may move into the gap unless its home lies behind the gap.
            let mask = self.cells.len().wrapping_sub(1);
            if self.displacement(place, cell, &ids) >= place.wrapping_sub(gap) & mask {
                if let Some(to) = self.cells.get_mut(gap) {
                    *to = cell;
                }
                gap = place;
            }
        }
        if let Some(cell) = self.cells.get_mut(gap) {
            *cell = EMPTY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0_u128..60, any::<bool>()), 0..400), spread in 0_u32..3) {
            // Few identities, and at `spread` 0 all of one home: runs of neighbours that collide.
            let id_of = |n: u128| (n << 116) | (n * u128::from(spread));
            let mut ids: Vec<Option<u128>> = Vec::new();
            let (mut index, mut model) = (Index::default(), BTreeMap::new());
            for (n, add) in steps {
                let id = id_of(n);
                let found = index.find(id, |s| ids[s as usize] == Some(id));
                prop_assert_eq!(found, model.get(&id).copied());
                match (add, found) {
                    (true, None) => {
                        let slot = u32::try_from(ids.len()).unwrap();
                        ids.push(Some(id));
                        index.insert(id, slot, |s| ids[s as usize]);
                        model.insert(id, slot);
                    }
                    (false, Some(slot)) => {
                        index.remove(id, slot, |s| ids[s as usize]);
                        ids[slot as usize] = None;
                        model.remove(&id);
                    }
                    _ => {}
                }
            }
            for (id, slot) in &model {
                prop_assert_eq!(index.find(*id, |s| ids[s as usize] == Some(*id)), Some(*slot));
            }
            prop_assert_eq!(index.len, model.len());
        }
    }

    /// More identities of one home than a cell can tell the distance of: somebody has searched for such names.
    #[test]
    fn cells_far_behind_their_home_are_found_and_closed_up() {
        for step in [1_u128 << 40, 512] {
            let ids: Vec<u128> = (0..2_000).map(|n| n * step).collect();
            let (mut index, of) = (Index::default(), |slot: u32| ids.get(slot as usize).copied());
            for (slot, id) in (0..).zip(&ids) {
                index.insert(*id, slot, of);
            }
            assert_eq!(index.has_far, step > 512);
            for (slot, id) in (0..).zip(&ids).filter(|(slot, _)| slot % 3 != 1) {
                index.remove(*id, slot, of);
            }
            for (slot, id) in (0..).zip(&ids) {
                assert_eq!(
                    index.find(*id, |s| s == slot),
                    Some(slot).filter(|slot| slot % 3 == 1)
                );
            }
        }
    }
}

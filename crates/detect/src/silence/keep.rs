//! What is saved of silences, and what goes along with a series to another partition.

use std::collections::BTreeMap;

use super::clock::{self, Clock};
use super::{Hush, NEVER, NONE, Silences, Whose};

impl Silences {
    /// As it is now; what grows with the number of series is shared, not copied.
    pub(crate) fn share(&mut self) -> Self {
        Self {
            clocks: self.clocks.iter().map(Clock::share).collect(),
            members: self.members.share(),
            entities: self.entities.share(),
            free: self.free.clone(),
            open: self.open.clone(),
            by_name: BTreeMap::new(),
            next: None,
        }
    }

    /// Makes what isn't saved, after loading.
    pub(crate) fn rebuild(&mut self) {
        self.by_name = (0_u32..)
            .zip(self.entities.iter())
            .filter(|(_, entity)| entity.first != NONE)
            .map(|(number, entity)| (entity.name, number))
            .collect();
        for (slot, member) in (0_u32..).zip(self.members.iter()) {
            if member.entity != NONE
                && member.due != NEVER
                && let Some(clock) = self.clocks.get_mut(usize::from(member.topic))
            {
                clock.due.entry(member.due).or_default().push(slot);
            }
        }
        self.find_next();
    }

    /// Takes over how far the topics have come, of each the partition's that is behind.
    pub(crate) fn adopt_clocks(&mut self, from: &Self) {
        for clock in &from.clocks {
            let number = usize::from(self.topic(&clock.topic));
            if let Some(known) = self.clocks.get_mut(number)
                && (clock.behind(known) || known.is_new())
            {
                *known = clock.share();
            }
        }
    }

    /// Takes over what is known of a series of another partition, under its number there and here.
    pub(crate) fn adopt(&mut self, from: &Self, (old, slot): (u32, u32), name: (u16, u32)) {
        let member = from.member(old);
        let (Some(clock), Some(known)) = (from.clock(old), from.entity(member.entity).copied()) else {
            return;
        };
        self.join(slot, name, &clock.topic);
        let number = self.member(slot).entity;
        if let Some(entity) = self.entity_mut(number) {
            entity.newest = entity.newest.max(known.newest);
            (entity.told_from, entity.is_used_to_it) = (known.told_from, known.is_used_to_it);
        }
        if let Some(place) = self.member_mut(slot) {
            place.longest = member.longest;
        }
        if member.due != NEVER {
            self.look_at(slot, clock::time_of(member.due));
        }
        for (theirs, ours) in [
            (Whose::Entity(member.entity), Whose::Entity(number)),
            (Whose::Series(member.entity), Whose::Series(number)),
        ] {
            if let Some(hush) = from.open.get(&theirs).filter(|hush| hush.slot == old) {
                let anomaly = hush.anomaly.clone();
                self.open.insert(ours, Hush { slot, anomaly });
            }
        }
    }
}

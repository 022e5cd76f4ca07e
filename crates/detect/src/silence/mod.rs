//! Who has fallen silent: series and entities that spoke regularly and of which nothing comes any more.
//!
//! | who | is silent when | measured in |
//! |---|---|---|
//! | an entity | nothing at all came of it for longer than its most regular series ever leaves it | the time of its topic |
//! | one series | its entity has gone on without it for longer than the series' limit | the time of its entity |
//! | a topic, a partition | – | judged elsewhere: its time stands, and with it all silence in it |
//!
//! A series is looked at when its limit may have been passed, not before, so what it costs is a share of its samples: each look is
//! followed by another one [`silence_min_seconds`](crate::DetectSettings::silence_min_seconds) later at the earliest. Samples
//! leave a trace here only after so long a gap.

pub(crate) mod clock;
pub(crate) mod habit;
mod keep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_stage::Chunks;
use forecall_types::{Anomaly, EventTime};
use serde::{Deserialize, Serialize};

use self::clock::{Clock, step_at};
use self::habit::{code_of, seconds_of};

/// Silences open in a partition: at 2 KiB each 2 MiB; one more waits until another has ended.
pub(crate) const SILENCES_OPEN_MAX: usize = 1_024;
/// Topics whose time is kept: the sources of a configuration. Of a further one no silence is told.
const TOPICS_MAX: usize = 256;
/// A series whose limit has passed while its entity may still go on is looked at again after a minute …
const AGAIN: Duration = Duration::from_secs(60);
/// … or so often in a time as long as its limit.
const LOOKS_MAX: u32 = 16;
/// Of [`Member::due`]: it isn't looked at before it speaks again.
pub(crate) const NEVER: i32 = i32::MAX;
const NONE: u32 = u32::MAX;
const CHUNK: usize = 512;

/// Of one series, 24 bytes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Member {
    /// `NONE`: nobody's.
    entity: u32,
    /// Its neighbours in the list of its entity's series.
    before: u32,
    after: u32,
    /// The step at which it is looked at.
    due: i32,
    /// The step of its newest sample that came too late to be judged.
    late: i32,
    topic: u16,
    /// The longest silence it is known to keep, see [`code_of`].
    longest: u8,
}

const VACANT: Member = Member {
    entity: NONE,
    before: NONE,
    after: NONE,
    due: NEVER,
    late: i32::MIN,
    topic: u16::MAX,
    longest: 0,
};

/// Of one entity, 48 bytes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Entity {
    /// Numbers of its domain and labels in the registry.
    name: (u16, u32),
    /// The first of its series; `NONE`: there is no such entity.
    first: u32,
    /// It was heard of at this time, or later.
    newest: EventTime,
    /// The step at which all its series were asked for that.
    asked: i32,
    /// When the last silence that was told of it began.
    told_from: EventTime,
    /// When a silence of it began that was told and is waited for no more: it isn't told again.
    given_up: EventTime,
    /// It fell silent so soon after another silence that it is no news any more.
    is_used_to_it: bool,
}

/// A silence that was told and isn't over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hush {
    pub(crate) slot: u32,
    /// As last told.
    pub(crate) anomaly: Anomaly,
}

/// Of whom a silence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Whose {
    Entity(u32),
    /// One series of it.
    Series(u32),
}

/// What becomes of a series that was looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Look {
    /// It has no more to say before it speaks again, or has something to say at another time.
    Nothing,
    /// Somebody has been silent since that time, for so long.
    Silent(Whose, EventTime, Duration),
}

/// See the module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Silences {
    clocks: Vec<Clock>,
    members: Chunks<Member, CHUNK>,
    entities: Chunks<Entity, CHUNK>,
    free: Vec<u32>,
    open: BTreeMap<Whose, Hush>,
    #[serde(skip)]
    by_name: BTreeMap<(u16, u32), u32>,
    /// When the next look is due, if the clocks have come so far.
    #[serde(skip)]
    next: Option<EventTime>,
}

impl Silences {
    fn member(&self, slot: u32) -> Member {
        let member = usize::try_from(slot).ok().and_then(|s| self.members.get(s));
        member.copied().unwrap_or(VACANT)
    }

    fn member_mut(&mut self, slot: u32) -> Option<&mut Member> {
        self.members.get_mut(usize::try_from(slot).ok()?)
    }

    fn entity(&self, number: u32) -> Option<&Entity> {
        self.entities.get(usize::try_from(number).ok()?)
    }

    fn entity_mut(&mut self, number: u32) -> Option<&mut Entity> {
        self.entities.get_mut(usize::try_from(number).ok()?)
    }

    fn clock(&self, slot: u32) -> Option<&Clock> {
        self.clocks.get(usize::from(self.member(slot).topic))
    }

    /// The number of a topic; `u16::MAX` where there is no room for it.
    fn topic(&mut self, topic: &Arc<str>) -> u16 {
        let known = |clock: &Clock| Arc::ptr_eq(&clock.topic, topic) || clock.topic == *topic;
        let number = self.clocks.iter().position(known).unwrap_or(self.clocks.len());
        if number >= TOPICS_MAX {
            return u16::MAX;
        }
        if number == self.clocks.len() {
            self.clocks.push(Clock::new(Arc::clone(topic)));
        }
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    /// Something of a topic was measured at this time.
    pub(crate) fn read(&mut self, topic: &Arc<str>, newest: EventTime) {
        let number = usize::from(self.topic(topic));
        if let Some(clock) = self.clocks.get_mut(number) {
            clock.read(newest);
        }
    }

    /// Lets the topics' time go on.
    pub(crate) fn advance(&mut self, watermark: EventTime, lateness: Duration) {
        let mut has_moved = false;
        for clock in &mut self.clocks {
            has_moved |= clock.advance(watermark, lateness);
        }
        if has_moved {
            self.find_next();
        }
    }

    fn find_next(&mut self) {
        self.next = self.clocks.iter().filter_map(Clock::next_due).min();
    }

    /// When somebody must be looked at.
    pub(crate) const fn next(&self) -> Option<EventTime> {
        self.next
    }

    /// Whether the watermark alone could change something.
    pub(crate) fn waits_for_watermark(&self, lateness: Duration) -> bool {
        self.clocks
            .iter()
            .any(|clock| clock.waits_for_watermark(lateness))
    }

    /// Takes the series that are to be looked at first, and when that is.
    pub(crate) fn take_due(&mut self) -> (EventTime, Vec<u32>) {
        let mut taken = Vec::new();
        let at = self.next.unwrap_or(EventTime::MIN);
        let step = step_at(at);
        for (number, clock) in self.clocks.iter_mut().enumerate() {
            if clock.next_due() == Some(at) {
                let due = clock.due.remove(&step).unwrap_or_default();
                // What was given a later time meanwhile, or went, stands in its old place as well.
                taken.extend(due.into_iter().filter(|slot| {
                    let member = usize::try_from(*slot).ok().and_then(|s| self.members.get(s));
                    member.is_some_and(|m| m.due == step && usize::from(m.topic) == number)
                }));
            }
        }
        taken.sort_unstable();
        taken.dedup();
        for slot in &taken {
            self.rest(*slot);
        }
        self.find_next();
        (at, taken)
    }

    /// Looks at a series again at the first step from then on.
    pub(crate) fn look_at(&mut self, slot: u32, at: EventTime) {
        let step = step_at(at);
        let Some(member) = self.member_mut(slot).filter(|m| m.entity != NONE) else {
            return;
        };
        if member.due == step {
            return;
        }
        member.due = step;
        let topic = usize::from(member.topic);
        if let Some(clock) = self.clocks.get_mut(topic) {
            clock.due.entry(step).or_default().push(slot);
            if clock.has_come_to(step) {
                self.find_next();
            }
        }
    }

    /// Looks at a series no more before it speaks again.
    pub(crate) fn rest(&mut self, slot: u32) {
        if let Some(member) = self.member_mut(slot) {
            member.due = NEVER;
        }
    }

    /// Whether a series' entity is known.
    pub(crate) fn knows(&self, slot: u32) -> bool {
        self.member(slot).entity != NONE
    }

    /// A series of this entity has spoken for the first time.
    pub(crate) fn join(&mut self, slot: u32, name: (u16, u32), topic: &Arc<str>) {
        let topic = self.topic(topic);
        let number = match self.by_name.get(&name) {
            Some(number) => *number,
            None => self.add_entity(name),
        };
        let wanted = usize::try_from(slot).unwrap_or(usize::MAX);
        while self.members.len() <= wanted && wanted < usize::MAX {
            self.members.push(VACANT);
        }
        let after = self
            .entity_mut(number)
            .map_or(NONE, |entity| std::mem::replace(&mut entity.first, slot));
        if let Some(next) = self.member_mut(after) {
            next.before = slot;
        }
        if let Some(member) = self.member_mut(slot) {
            *member = Member {
                entity: number,
                after,
                topic,
                ..VACANT
            };
        }
    }

    fn add_entity(&mut self, name: (u16, u32)) -> u32 {
        let entity = Entity {
            name,
            first: NONE,
            newest: EventTime::MIN,
            asked: NEVER,
            told_from: EventTime::MIN,
            given_up: EventTime::MIN,
            is_used_to_it: false,
        };
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.entities.push(entity);
                u32::try_from(self.entities.len() - 1).unwrap_or(NONE)
            }
        };
        if let Some(place) = self.entity_mut(number) {
            *place = entity;
        }
        self.by_name.insert(name, number);
        number
    }

    /// A series has gone, and gives its place to another; its silence, if one is open, is returned.
    pub(crate) fn leave(&mut self, slot: u32) -> Option<Hush> {
        let member = self.member(slot);
        if member.entity == NONE {
            return None;
        }
        let whose = self.open_of(slot);
        let hush = whose.and_then(|whose| self.open.remove(&whose));
        if let (Some(Whose::Entity(number)), Some(hush)) = (whose, &hush) {
            self.is_known_since(number, hush.anomaly.from);
        }
        match self.member_mut(member.before) {
            Some(before) => before.after = member.after,
            None => {
                if let Some(entity) = self.entity_mut(member.entity) {
                    entity.first = member.after;
                }
            }
        }
        if let Some(after) = self.member_mut(member.after) {
            after.before = member.before;
        }
        if let Some(place) = self.member_mut(slot) {
            *place = VACANT;
        }
        if let Some(entity) = self.entity(member.entity).copied()
            && entity.first == NONE
        {
            self.by_name.remove(&entity.name);
            self.free.push(member.entity);
        }
        hush
    }

    /// Whose open silence stands in this series' name.
    pub(crate) fn open_of(&self, slot: u32) -> Option<Whose> {
        let entity = self.member(slot).entity;
        [Whose::Entity(entity), Whose::Series(entity)]
            .into_iter()
            .find(|whose| self.open.get(whose).is_some_and(|hush| hush.slot == slot))
    }

    /// A sample that is late is a sign of life all the same.
    pub(crate) fn heard_late(&mut self, slot: u32, at: EventTime) {
        let step = step_at(at).saturating_sub(1);
        if let Some(member) = self.member_mut(slot) {
            member.late = member.late.max(step);
        }
        self.heard(slot, clock::time_of(step));
    }

    /// When a series was heard of last, where its last sample in time was of `last`.
    pub(crate) fn last_sign(&self, slot: u32, last: EventTime) -> EventTime {
        last.max(clock::time_of(self.member(slot).late))
    }

    fn heard(&mut self, slot: u32, at: EventTime) {
        let number = self.member(slot).entity;
        if let Some(entity) = self.entity_mut(number) {
            entity.newest = entity.newest.max(at);
        }
    }

    /// A series speaks after a long time: the silences that this ends. Excused: it was announced that it might be away.
    pub(crate) fn speak(
        &mut self,
        slot: u32,
        (before, at): (Option<EventTime>, EventTime),
        (least, is_excused): (Duration, bool),
    ) -> Vec<Hush> {
        let number = self.member(slot).entity;
        let mut over = Vec::new();
        let series = Whose::Series(number);
        let mut ends = vec![Whose::Entity(number)];
        ends.extend(self.open.get(&series).filter(|h| h.slot == slot).map(|_| series));
        over.extend(ends.iter().filter_map(|whose| self.open.remove(whose)));
        if let Some((before, clock)) = before.zip(self.clock(slot)) {
            let run = clock.run(before, at);
            let told = self.entity(number).is_some_and(|entity| {
                !entity.is_used_to_it && entity.told_from >= before && entity.told_from < at
            });
            // What was told leaves no trace, so that the next one like it is told as well; nor does what was announced.
            if run >= least
                && !(told || is_excused)
                && let Some(member) = self.member_mut(slot)
            {
                member.longest = member.longest.max(code_of(run.as_secs_f64()));
            }
        }
        self.heard(slot, at);
        self.look_at(slot, at.plus(least));
        // Others of the entity may go on saying nothing: first of all the one in whose name it was told.
        for hush in &over {
            self.look_at(hush.slot, at.plus(least));
        }
        over
    }

    /// The longest silence a series is known to keep, in seconds; 0 where none is known.
    pub(crate) fn learnt(&self, slot: u32) -> f64 {
        seconds_of(self.member(slot).longest)
    }

    /// How long a series has been silent at `at`, by its topic's time.
    pub(crate) fn silent(&self, slot: u32, last: EventTime, at: EventTime) -> Duration {
        self.clock(slot)
            .map_or(Duration::ZERO, |clock| clock.run(last, at))
    }

    /// Who is silent, where a series last heard at `last` keeps silences up to `limit`; `last_of` tells when a series was.
    pub(crate) fn judge(
        &mut self,
        slot: u32,
        (last, at): (EventTime, EventTime),
        limit: Duration,
        last_of: impl Fn(u32) -> Option<EventTime>,
    ) -> Look {
        let number = self.member(slot).entity;
        let Some(entity) = self.entity(number) else {
            return Look::Nothing;
        };
        let mut newest = entity.newest.max(last);
        let run = |from, to| self.silent(slot, from, to);
        let step = step_at(at);
        // Asked once a step at most, however many of its series have fallen silent.
        if run(last, newest) < limit && entity.asked != step {
            let mut next = entity.first;
            while next != NONE {
                newest = newest.max(last_of(next).unwrap_or(EventTime::MIN));
                next = self.member(next).after;
            }
        }
        let (alone, together) = (run(last, newest), run(newest, at));
        if let Some(entity) = self.entity_mut(number) {
            (entity.newest, entity.asked) = (newest, step);
        }
        if alone >= limit {
            return self.unless_open(Whose::Series(number), last, alone);
        }
        if together >= limit {
            if self.entity(number).is_some_and(|e| newest <= e.given_up) {
                return Look::Nothing;
            }
            return self.unless_open(Whose::Entity(number), newest, together);
        }
        // Until it shows whether the others go on, or have stopped with it.
        let again = AGAIN.max(limit / LOOKS_MAX).min(limit - together);
        self.look_at(slot, at.plus(again));
        Look::Nothing
    }

    /// One at a time: it stands for what falls silent after it.
    fn unless_open(&self, whose: Whose, since: EventTime, silent: Duration) -> Look {
        if self.open.contains_key(&whose) {
            return Look::Nothing;
        }
        Look::Silent(whose, since, silent)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open.len() >= SILENCES_OPEN_MAX
    }

    /// A silence is told.
    pub(crate) fn open(&mut self, whose: Whose, hush: Hush, used_to_within: Duration) {
        let (Whose::Entity(number) | Whose::Series(number)) = whose;
        if let Some(entity) = self.entity_mut(number) {
            let from = hush.anomaly.from;
            entity.is_used_to_it =
                entity.told_from > EventTime::MIN && from.since(entity.told_from) < used_to_within;
            entity.told_from = from;
        }
        self.open.insert(whose, hush);
    }

    /// Ends a silence that nobody waits for any more: it is how things are, so that its length will be known.
    pub(crate) fn give_up(&mut self, whose: Whose) -> Option<Hush> {
        let (Whose::Entity(number) | Whose::Series(number)) = whose;
        if let Some(entity) = self.entity_mut(number) {
            entity.told_from = EventTime::MIN;
        }
        let hush = self.open.remove(&whose);
        if let (Whose::Entity(number), Some(hush)) = (whose, &hush) {
            self.is_known_since(number, hush.anomaly.from);
        }
        hush
    }

    /// An entity's silence since then is known, though nobody waits for its end.
    fn is_known_since(&mut self, number: u32, since: EventTime) {
        if let Some(entity) = self.entity_mut(number) {
            entity.given_up = entity.given_up.max(since);
        }
    }
}

//! Puts the records of many sources in order of event time, and says how far all of them have come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Anomaly, Command, EventTime, Feedback, Heartbeat, Position, SourcePartition, Watermark,
};
use serde::{Deserialize, Serialize};

/// Entries of one domain held back: at 2 KiB an anomaly about 32 MiB. Then the earliest is taken before its time.
pub const BUFFERED_MAX: usize = 16_384;
/// Source partitions of one domain; a heartbeat of a further one is refused, and its entries wait for nobody.
pub const SOURCES_MAX: usize = 4_096;
/// Ids of one domain remembered, of commands and feedback, and of anomalies that are over: a day of one every 20 seconds.
pub const IDS_MAX: usize = 4_096;
/// A source that speaks, and for so long gets no further, is waited for no longer: it is behind, or nobody reads for it what
/// it waits for. Far beyond a rebalance or a restore, and an incident that is told so late is of little use. Never shorter
/// than for one that says nothing at all.
pub const STUCK_AFTER: Duration = Duration::from_secs(900);
/// After the first heartbeat of a domain nothing is judged for so long: the readers of one process tell of themselves within a
/// second or two, and a backlog that only some have told of must not be passed by the others' time.
pub const GATHERED_FOR: Duration = Duration::from_secs(10);
/// Entries later than this behind what was judged are refused; others count at the next step.
pub const LATE_MAX: Duration = Duration::from_secs(86_400);

/// What waits for its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Held {
    Anomaly(Box<Anomaly>),
    Feedback(Feedback),
    Command(Box<Command>),
}

/// Event time, kind, id, revision: made of the entry alone, so that the order hangs on no partition's pace.
pub(crate) type HeldKey = (EventTime, u8, Arc<str>, u32);

impl Held {
    fn key(&self) -> HeldKey {
        match self {
            Self::Anomaly(a) => (a.at, 0, Arc::from(a.id.as_str()), a.revision),
            Self::Feedback(f) => (f.at, 1, Arc::clone(&f.id), 0),
            Self::Command(c) => (c.at, 2, Arc::clone(&c.id), 0),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Source {
    watermark: Watermark,
    /// Nothing comes, and up to when that was known at its last heartbeat; after that it is waited for.
    silent_until: Option<EventTime>,
    missing: bool,
    /// No further since [`STUCK_AFTER`].
    stuck: bool,
    /// The last tick before its last heartbeat, or the first one after it where there had been none.
    heard: Option<EventTime>,
    /// The same, of the last heartbeat by which it was further.
    moved: Option<EventTime>,
}

impl Source {
    const fn is_waited_for(&self) -> bool {
        !self.missing && !self.stuck
    }
}

/// Whether an entry was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    /// The same one is held already.
    Twice,
    /// Longer behind than [`LATE_MAX`].
    Late,
}

/// The buffer of one domain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Order {
    sources: BTreeMap<SourcePartition, Source>,
    held: BTreeMap<HeldKey, (Position, Held)>,
    /// The first tick since there are heartbeats.
    begun: Option<EventTime>,
    /// All entries before this step have been judged.
    judged: Option<EventTime>,
}

impl Order {
    /// Takes an entry. One behind what was judged is put at the end of that: it can't change the past, but it isn't lost.
    pub(crate) fn offer(&mut self, position: &Position, held: Held) -> Offered {
        let mut key = held.key();
        if let Some(judged) = self.judged
            && key.0 < judged
        {
            if judged.since(key.0) > LATE_MAX {
                return Offered::Late;
            }
            key.0 = judged;
        }
        if self.held.contains_key(&key) {
            return Offered::Twice;
        }
        self.held.insert(key, (position.clone(), held));
        Offered::Taken
    }

    /// Takes a heartbeat; `false`: there are too many sources.
    pub(crate) fn beat(&mut self, beat: &Heartbeat, tick: Option<EventTime>) -> bool {
        if !self.sources.contains_key(&beat.source) && self.sources.len() >= SOURCES_MAX {
            return false;
        }
        let source = self.sources.entry(beat.source.clone()).or_insert(Source {
            watermark: Watermark::default(),
            silent_until: None,
            missing: false,
            stuck: false,
            heard: None,
            moved: tick,
        });
        if let Some(tick) = tick {
            self.begun.get_or_insert(tick);
        }
        let (before, silent_before) = (source.watermark, source.silent_until);
        source.watermark.advance(beat.watermark.time());
        source.silent_until = if beat.watermark.time() == EventTime::MAX {
            // The latest time there is means that the source has ended: it holds up nobody, and time goes on by ticks.
            Some(EventTime::MAX)
        } else if beat.idle {
            // Heartbeats from before don't say up to when.
            beat.silent_until.or(tick).or(Some(EventTime::MAX))
        } else {
            None
        };
        // That it has read all there is doesn't count: where nothing comes because nobody writes for it, it always has.
        if source.watermark > before || source.silent_until > silent_before {
            source.moved = tick;
            source.stuck = false;
        }
        source.missing = false;
        source.heard = tick;
        true
    }

    /// Takes a tick; `last` is the one before. The sources that have been silent, or behind without getting on, for too long
    /// since, newly found. Only ticks count that followed one another: while there were none nobody could be heard.
    pub(crate) fn tick(
        &mut self,
        tick: EventTime,
        last: Option<EventTime>,
        missing_after: Duration,
    ) -> Vec<SourcePartition> {
        if !self.sources.is_empty() {
            self.begun.get_or_insert(tick);
        }
        let is_new_start = last.is_some_and(|last| tick.since(last) > missing_after / 2);
        let stuck_after = STUCK_AFTER.max(missing_after);
        let mut found = Vec::new();
        for (name, source) in &mut self.sources {
            if is_new_start {
                (source.heard, source.moved) = (Some(tick), Some(tick));
            }
            let heard = *source.heard.get_or_insert(tick);
            let moved = *source.moved.get_or_insert(tick);
            let was_waited_for = source.is_waited_for();
            source.missing |= tick.since(heard) > missing_after;
            let has_ended = source.silent_until == Some(EventTime::MAX);
            source.stuck |= !has_ended && tick.since(moved) > stuck_after;
            if was_waited_for && !source.is_waited_for() {
                found.push(name.clone());
            }
        }
        found
    }

    /// Up to where nothing earlier is expected: the lowest watermark of the sources that send, or the tick where none does,
    /// and no later than up to when the silent ones are known to be. `None`: nothing is known yet.
    pub(crate) fn frontier(&self, tick: Option<EventTime>) -> Option<EventTime> {
        let is_gathered = |begun: EventTime| tick.is_some_and(|tick| tick.since(begun) >= GATHERED_FOR);
        if !self.sources.is_empty() && !self.begun.is_some_and(is_gathered) {
            return None;
        }
        let (mut sending, mut silent) = (None::<EventTime>, EventTime::MAX);
        for source in self.sources.values().filter(|s| s.is_waited_for()) {
            match source.silent_until {
                Some(until) => silent = silent.min(until),
                None => {
                    let at = source.watermark.time();
                    sending = Some(sending.map_or(at, |least| least.min(at)));
                }
            }
        }
        sending.or(tick).map(|at| at.min(silent))
    }

    /// The next step to judge at or before `frontier`. While something is going on (`busy`) every step is one, else only
    /// those that have entries, or peers to compare, the first at `waiting`. `forced`: the buffer is over its bound, the first entries go before their time.
    pub(crate) fn next_step(
        &mut self,
        frontier: Option<EventTime>,
        step: Duration,
        busy: bool,
        waiting: Option<EventTime>,
    ) -> Option<(EventTime, bool)> {
        let first = self.held.keys().next().map(|k| k.0);
        let first = waiting.iter().copied().chain(first).min();
        let first = first.map(|at| at.floor(step).plus(step));
        let forced = self.held.len() > BUFFERED_MAX;
        let next = match self.judged {
            Some(judged) if busy => Some(judged.plus(step)),
            Some(_) | None => first,
        };
        let last = frontier.map(|f| f.floor(step));
        match (next, last) {
            (Some(next), last) if forced || last.is_some_and(|l| next <= l) => {
                self.judged = Some(next);
                Some((next, forced && last.is_none_or(|l| next > l)))
            }
            (_, Some(last)) => {
                if !busy {
                    self.judged = self.judged.max(Some(last));
                }
                None
            }
            (_, None) => None,
        }
    }

    /// The next entry before `step`.
    pub(crate) fn take_before(&mut self, step: EventTime) -> Option<(Position, Held)> {
        let entry = self.held.first_entry()?;
        (entry.key().0 < step).then(|| entry.remove())
    }

    /// All before this has been judged.
    pub(crate) const fn judged(&self) -> Option<EventTime> {
        self.judged
    }

    pub(crate) fn missing(&self) -> impl Iterator<Item = &SourcePartition> {
        let not_waited_for = self.sources.iter().filter(|(_, s)| !s.is_waited_for());
        not_waited_for.map(|(n, _)| n)
    }

    pub(crate) fn held_len(&self) -> usize {
        self.held.len()
    }
}

/// Ids seen, the oldest forgotten beyond [`IDS_MAX`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SeenIds {
    known: BTreeSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl SeenIds {
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.known.contains(id)
    }

    /// Remembers an id; `false`: it was known.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        let id: Arc<str> = Arc::from(id);
        if !self.known.insert(Arc::clone(&id)) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > IDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecall_types::DomainName;

    fn beat(partition: i32, at: i64, idle: bool) -> Heartbeat {
        Heartbeat {
            domain: DomainName::new("d").unwrap(),
            source: SourcePartition {
                topic: "t".into(),
                partition,
            },
            next_offset: 0,
            watermark: Watermark::at(EventTime::from_secs(at)),
            idle,
            silent_until: None,
            caught_up: true,
        }
    }

    const MISSING: Duration = Duration::from_secs(60);

    /// Ticks up to `to`, one each ten seconds; what was found on the way.
    fn ticks(order: &mut Order, mut from: i64, to: i64) -> usize {
        let mut found = 0;
        while from < to {
            let next = from + 10;
            let tick = |at| EventTime::from_secs(at);
            found += order.tick(tick(next), Some(tick(from)), MISSING).len();
            from = next;
        }
        found
    }

    #[test]
    fn the_slowest_live_source_sets_the_pace() {
        let secs = EventTime::from_secs;
        let mut order = Order::default();
        let tick = |at: i64| Some(secs(at));
        assert_eq!(order.frontier(tick(9)), tick(9), "no source: ticks");
        order.beat(&beat(0, 100, false), tick(9));
        assert_eq!(order.frontier(tick(9)), None, "others may follow");
        assert_eq!(ticks(&mut order, 0, 20), 0);
        order.beat(&beat(1, 40, false), tick(20));
        assert_eq!(order.frontier(tick(20)), tick(40));
        order.beat(&beat(1, 30, false), tick(20));
        assert_eq!(order.frontier(tick(20)), tick(40), "a watermark never goes back");
        order.beat(&beat(1, 40, true), tick(80));
        assert_eq!(
            order.frontier(tick(80)),
            tick(80),
            "one that is idle holds up nobody but for what it doesn't know"
        );
        let mut idle = beat(1, 40, true);
        idle.silent_until = tick(85);
        order.beat(&idle, tick(90));
        assert_eq!(order.frontier(tick(90)), tick(85));
        assert_eq!(ticks(&mut order, 90, 150), 1, "missing");
        order.beat(&idle, tick(150));
        assert_eq!(ticks(&mut order, 150, 210), 0, "told once");
        assert_eq!(ticks(&mut order, 210, 220), 1);
        assert_eq!(order.frontier(tick(220)), tick(220));
    }

    #[test]
    fn time_waits_for_a_source_that_was_down() {
        let secs = EventTime::from_secs;
        let mut order = Order::default();
        let mut silent = beat(0, 100, true);
        silent.silent_until = Some(secs(990));
        order.beat(&silent, Some(secs(970)));
        assert_eq!(ticks(&mut order, 970, 1_000), 0);
        assert_eq!(order.frontier(Some(secs(1_000))), Some(secs(990)));
        // An hour without anybody: nobody could be heard in that time, so nobody is missing.
        let back = Some(secs(4_600));
        assert_eq!(order.tick(secs(4_600), Some(secs(1_000)), MISSING), []);
        assert_eq!(order.frontier(back), Some(secs(990)));
        // What it has not read yet is waited for, as long as it gets on …
        let mut behind = beat(0, 1_000, false);
        behind.caught_up = false;
        order.beat(&behind, back);
        assert_eq!(order.frontier(back), Some(secs(1_000)));
        let mut at = 4_600;
        while at < 5_500 {
            assert_eq!(ticks(&mut order, at, at + 50), 0);
            at += 50;
            order.beat(&behind, Some(secs(at)));
        }
        // … and not for ever where it doesn't.
        assert_eq!(ticks(&mut order, at, at + 10), 1);
        assert_eq!(order.frontier(Some(secs(at))), Some(secs(at)));
        let mut further = behind.clone();
        further.watermark = Watermark::at(secs(1_001));
        order.beat(&further, Some(secs(at)));
        assert_eq!(order.frontier(Some(secs(at))), Some(secs(1_001)));
        // Nor where all it knows is that long ago nothing came.
        (further.idle, further.silent_until) = (true, Some(secs(1_200)));
        order.beat(&further, Some(secs(at)));
        assert_eq!(order.frontier(Some(secs(at))), Some(secs(1_200)));
        let until = at + 900;
        while at < until {
            assert_eq!(ticks(&mut order, at, at + 50), 0);
            at += 50;
            order.beat(&further, Some(secs(at)));
        }
        assert_eq!(ticks(&mut order, at, at + 10), 1);
        assert_eq!(order.frontier(Some(secs(at))), Some(secs(at)));
    }

    #[test]
    fn one_that_has_read_all_and_gets_nothing_is_not_waited_for_for_ever() {
        let secs = EventTime::from_secs;
        let mut order = Order::default();
        // Its topic's writer is gone: it isn't told that there is silence, and has read all there is.
        let waiting = beat(0, 100, false);
        let mut ended = beat(1, 0, true);
        ended.watermark = Watermark::at(EventTime::MAX);
        let mut at = 1_000;
        order.beat(&waiting, Some(secs(at)));
        while at < 1_900 {
            order.beat(&waiting, Some(secs(at)));
            order.beat(&ended, Some(secs(at)));
            assert_eq!(ticks(&mut order, at, at + 50), 0);
            at += 50;
        }
        assert_eq!(order.frontier(Some(secs(at))), Some(secs(100)));
        assert_eq!(
            ticks(&mut order, at, at + 10),
            1,
            "and the one that has ended is not told of"
        );
        assert_eq!(order.frontier(Some(secs(at))), Some(secs(at)));
    }

    #[test]
    fn the_oldest_id_is_forgotten() {
        let mut seen = SeenIds::default();
        assert!(seen.insert("first") && !seen.insert("first"));
        for i in 0..IDS_MAX {
            seen.insert(&i.to_string());
        }
        assert!(seen.insert("first"));
        assert!(seen.known.len() <= IDS_MAX && seen.order.len() <= IDS_MAX);
    }
}

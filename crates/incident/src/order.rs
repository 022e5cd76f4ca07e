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
/// Command and feedback ids of one domain remembered: a day of a command every 20 seconds.
pub const COMMAND_IDS_MAX: usize = 4_096;
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
    idle: bool,
    missing: bool,
    /// The last tick before its last heartbeat, or the first one after it where there had been none.
    heard: Option<EventTime>,
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
            idle: false,
            missing: false,
            heard: None,
        });
        source.watermark.advance(beat.watermark.time());
        // The latest time there is means that the source has ended: it holds up nobody, and time goes on by ticks.
        source.idle = beat.idle || beat.watermark.time() == EventTime::MAX;
        source.missing = false;
        source.heard = tick;
        true
    }

    /// Takes a tick; the sources that have been silent for too long since, newly found.
    pub(crate) fn tick(&mut self, tick: EventTime, missing_after: Duration) -> Vec<SourcePartition> {
        let mut found = Vec::new();
        for (name, source) in &mut self.sources {
            let heard = *source.heard.get_or_insert(tick);
            if !source.missing && tick.since(heard) > missing_after {
                source.missing = true;
                found.push(name.clone());
            }
        }
        found
    }

    /// Up to where nothing earlier is expected: the lowest watermark of the live sources, or the tick where none lives.
    pub(crate) fn frontier(&self, tick: Option<EventTime>) -> Option<EventTime> {
        let live = self
            .sources
            .values()
            .filter(|s| !s.idle && !s.missing)
            .map(|s| s.watermark.time())
            .min();
        live.or(tick)
    }

    /// The next step to judge at or before `frontier`. While something is going on (`busy`) every step is one, else only
    /// those that have entries. `forced`: the buffer is over its bound, the first entries go before their time.
    pub(crate) fn next_step(
        &mut self,
        frontier: Option<EventTime>,
        step: Duration,
        busy: bool,
    ) -> Option<(EventTime, bool)> {
        let first = self.held.keys().next().map(|k| k.0.floor(step).plus(step));
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

    pub(crate) fn missing(&self) -> impl Iterator<Item = &SourcePartition> {
        self.sources.iter().filter(|(_, s)| s.missing).map(|(n, _)| n)
    }

    pub(crate) fn held_len(&self) -> usize {
        self.held.len()
    }
}

/// Ids seen, the oldest forgotten beyond [`COMMAND_IDS_MAX`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SeenIds {
    known: BTreeSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl SeenIds {
    /// Remembers an id; `false`: it was known.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        let id: Arc<str> = Arc::from(id);
        if !self.known.insert(Arc::clone(&id)) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > COMMAND_IDS_MAX
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
            caught_up: true,
        }
    }

    #[test]
    fn the_slowest_live_source_sets_the_pace() {
        let secs = EventTime::from_secs;
        let mut order = Order::default();
        assert_eq!(order.frontier(Some(secs(9))), Some(secs(9)), "no source: ticks");
        order.beat(&beat(0, 100, false), None);
        order.beat(&beat(1, 40, false), None);
        assert_eq!(order.frontier(Some(secs(500))), Some(secs(40)));
        order.beat(&beat(1, 30, false), None);
        assert_eq!(
            order.frontier(None),
            Some(secs(40)),
            "a watermark never goes back"
        );
        order.beat(&beat(1, 40, true), None);
        assert_eq!(
            order.frontier(None),
            Some(secs(100)),
            "an idle source holds up nobody"
        );
        assert!(order.tick(secs(1_000), Duration::from_secs(60)).is_empty());
        assert_eq!(
            order.tick(secs(1_061), Duration::from_secs(60)).len(),
            2,
            "missing, told once"
        );
        assert!(order.tick(secs(1_062), Duration::from_secs(60)).is_empty());
        assert_eq!(order.frontier(Some(secs(1_062))), Some(secs(1_062)));
    }

    #[test]
    fn the_oldest_id_is_forgotten() {
        let mut seen = SeenIds::default();
        assert!(seen.insert("first") && !seen.insert("first"));
        for i in 0..COMMAND_IDS_MAX {
            seen.insert(&i.to_string());
        }
        assert!(seen.insert("first"));
        assert!(seen.known.len() <= COMMAND_IDS_MAX && seen.order.len() <= COMMAND_IDS_MAX);
    }
}

//! How two runs over the same input differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::EventTime;

/// An incident as a run told it in the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its id.
    pub id: Arc<str>,
    /// When it was first told.
    pub from: EventTime,
    /// When it was over, or last heard of.
    pub to: EventTime,
    /// Services it names in all its life.
    pub services: BTreeSet<Arc<str>>,
    /// Regions it names in all its life.
    pub regions: BTreeSet<Arc<str>>,
    /// When customers were hit.
    pub impact: Option<EventTime>,
    /// Where it stood in the end.
    pub state: Arc<str>,
    /// How bad it was in the end.
    pub severity: Arc<str>,
    /// The highest probability of its life.
    pub peak: f64,
}

/// What of one incident is otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum Moved {
    /// First told so many seconds later (less than 0: earlier).
    Told(f64),
    /// Over, or last heard of, so many seconds later.
    Over(f64),
    /// When customers were hit.
    Impact(Option<EventTime>, Option<EventTime>),
    /// Where it stood in the end.
    State(Arc<str>, Arc<str>),
    /// How bad it was.
    Severity(Arc<str>, Arc<str>),
    /// The highest probability.
    Peak(f64, f64),
    /// Services and regions that came and that went.
    Scope(Vec<Arc<str>>, Vec<Arc<str>>),
}

/// One incident of either run.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Only the second run told it.
    Came(Told),
    /// Only the first run told it.
    Went(Told),
    /// Both did, otherwise.
    Moved {
        /// As the first told it.
        a: Told,
        /// As the second told it.
        b: Told,
        /// What is otherwise.
        how: Vec<Moved>,
    },
    /// Both told it alike.
    Same(Told),
}

impl Change {
    /// Whether nothing is otherwise.
    pub const fn is_same(&self) -> bool {
        matches!(self, Self::Same(_))
    }

    /// When it was first told, by whichever run was first.
    pub fn at(&self) -> EventTime {
        match self {
            Self::Came(told) | Self::Went(told) | Self::Same(told) => told.from,
            Self::Moved { a, b, .. } => a.from.min(b.from),
        }
    }
}

/// How near two incidents are: the lesser, the nearer. `None`: they can't be one.
fn distance(a: &Told, b: &Told, near: Duration) -> Option<(bool, i64, i64)> {
    let share = |a: &BTreeSet<Arc<str>>, b: &BTreeSet<Arc<str>>| {
        (a.is_empty() && b.is_empty()) || a.intersection(b).next().is_some()
    };
    if !share(&a.services, &b.services) || !share(&a.regions, &b.regions) {
        return None;
    }
    let overlap = a.to.min(b.to).seconds_from(a.from.max(b.from));
    if overlap < -near.as_secs_f64() {
        return None;
    }
    let apart = a.from.nanos().saturating_sub(b.from.nanos()).saturating_abs();
    let longer = a.to.nanos().saturating_sub(b.to.nanos()).saturating_abs();
    // One and the same id with an overlap is one, whatever else is near.
    Some((a.id != b.id, apart, longer))
}

/// Pairs the incidents of two runs, the nearest first, and says what came, went, moved. Two can be one where they share a
/// service and a region and lie no further apart than `near`. In order of time.
pub fn compare(a: &[Told], b: &[Told], near: Duration) -> Vec<Change> {
    let mut pairs = Vec::new();
    for (i, left) in a.iter().enumerate() {
        for (j, right) in b.iter().enumerate() {
            if let Some(distance) = distance(left, right, near) {
                pairs.push((distance, &left.id, &right.id, i, j));
            }
        }
    }
    pairs.sort();
    let (mut of_a, mut of_b) = (BTreeMap::new(), BTreeSet::new());
    for (_, _, _, i, j) in pairs {
        if !of_a.contains_key(&i) && of_b.insert(j) {
            of_a.insert(i, j);
        }
    }
    let mut changes: Vec<Change> = Vec::new();
    for (i, left) in a.iter().enumerate() {
        let partner = of_a.get(&i).and_then(|j| b.get(*j));
        changes.push(partner.map_or_else(|| Change::Went(left.clone()), |right| between(left, right)));
    }
    let alone = b.iter().enumerate().filter(|(j, _)| !of_b.contains(j));
    changes.extend(alone.map(|(_, right)| Change::Came(right.clone())));
    changes.sort_by_cached_key(|change| (change.at(), key(change)));
    changes
}

fn key(change: &Change) -> (u8, Arc<str>) {
    match change {
        Change::Went(told) => (0, Arc::clone(&told.id)),
        Change::Moved { a, .. } => (1, Arc::clone(&a.id)),
        Change::Same(told) => (2, Arc::clone(&told.id)),
        Change::Came(told) => (3, Arc::clone(&told.id)),
    }
}

fn between(a: &Told, b: &Told) -> Change {
    let mut how = Vec::new();
    if a.from != b.from {
        how.push(Moved::Told(b.from.seconds_from(a.from)));
    }
    if a.to != b.to {
        how.push(Moved::Over(b.to.seconds_from(a.to)));
    }
    if a.impact != b.impact {
        how.push(Moved::Impact(a.impact, b.impact));
    }
    if a.state != b.state {
        how.push(Moved::State(Arc::clone(&a.state), Arc::clone(&b.state)));
    }
    if a.severity != b.severity {
        how.push(Moved::Severity(Arc::clone(&a.severity), Arc::clone(&b.severity)));
    }
    if a.peak.total_cmp(&b.peak).is_ne() {
        how.push(Moved::Peak(a.peak, b.peak));
    }
    let all = |told: &Told| -> BTreeSet<Arc<str>> { told.services.union(&told.regions).cloned().collect() };
    let (before, after) = (all(a), all(b));
    if before != after {
        how.push(Moved::Scope(
            after.difference(&before).cloned().collect(),
            before.difference(&after).cloned().collect(),
        ));
    }
    if how.is_empty() {
        return Change::Same(b.clone());
    }
    Change::Moved {
        a: a.clone(),
        b: b.clone(),
        how,
    }
}

/// One word of an anomaly's life.
#[derive(Debug, Clone, PartialEq)]
pub struct Sign {
    /// When it was said.
    pub at: EventTime,
    /// Of which series.
    pub series: Arc<str>,
    /// Which surprise.
    pub channel: Arc<str>,
    /// Opened, updated or closed.
    pub state: Arc<str>,
    /// The highest score so far.
    pub score: f64,
    /// The service of the series.
    pub service: Arc<str>,
    /// The region of the series.
    pub region: Arc<str>,
}

/// The first anomaly that two runs tell otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct SignChange {
    /// As the first run told it.
    pub a: Option<Sign>,
    /// As the second run told it.
    pub b: Option<Sign>,
}

/// The first word of an anomaly on which two runs differ, of the services and regions of an incident (empty: of all).
pub fn first_difference(
    a: &[Sign],
    b: &[Sign],
    services: &BTreeSet<Arc<str>>,
    regions: &BTreeSet<Arc<str>>,
) -> Option<SignChange> {
    type Key<'s> = (EventTime, &'s str, &'s str, &'s str);
    let mut all: BTreeMap<Key<'_>, (Option<&Sign>, Option<&Sign>)> = BTreeMap::new();
    let within = |sign: &&Sign| {
        (services.is_empty() || services.contains(&sign.service))
            && (regions.is_empty() || regions.contains(&sign.region))
    };
    for sign in a.iter().filter(within) {
        let entry = all.entry((sign.at, &*sign.series, &*sign.channel, &*sign.state));
        entry.or_default().0 = Some(sign);
    }
    for sign in b.iter().filter(within) {
        let entry = all.entry((sign.at, &*sign.series, &*sign.channel, &*sign.state));
        entry.or_default().1 = Some(sign);
    }
    all.into_values()
        .find(|(a, b)| a.map(|s| s.score.to_bits()) != b.map(|s| s.score.to_bits()))
        .map(|(a, b)| SignChange {
            a: a.cloned(),
            b: b.cloned(),
        })
}

//! Entities of declared peer groups: what each was within a step of event time, to be compared with its peers elsewhere.
//!
//! Nothing is remembered of an entity beyond the step: one that says nothing within it has no summary. Its peers may lie in other
//! partitions, so nothing is compared here.

mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    DomainName, EventTime, Fingerprint, Labels, Lineage, LineageRange, SUMMARY_VALUES_MAX, SourcePartition,
    Summary, SummaryPart, SummaryValue,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::settings::check_peers;
pub use self::settings::{PEER_GROUPS_MAX, PEER_METRICS_MAX, PeerGroup};
use crate::entity;
use crate::policy::Origin;
use crate::rate::Part;
use crate::registry::Registry;

/// Entities of peer groups of one partition in steps that aren't over: at about 2 KiB each 8 MiB. One more has no summary of its
/// step.
pub const PEER_ENTITIES_MAX: usize = 4_096;
/// Series of one entity in one step: a host with all its disks and interfaces has fewer. One more doesn't count for it.
pub const ENTITY_SERIES_MAX: usize = 256;
/// Ranges of records of one entity in one step, one a source partition: where a topic isn't keyed, an entity is on all of its partitions.
/// What is in none of them makes the lineage coarse.
const SPANS_MAX: usize = 64;

/// Where a series stands, kept so that it is looked up once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Unknown,
    /// In no group.
    None,
    /// In the group of this number.
    Member(u16, Fingerprint),
}

/// End of the step, group, entity.
type StepKey = (EventTime, Arc<str>, Fingerprint);

/// What one series was so far in the step.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cell {
    metric: Arc<str>,
    unit: Arc<str>,
    labels: Labels,
    /// Of a metric that the group compares.
    compared: bool,
    /// The highest of its samples.
    strength: f64,
    sum: f64,
    count: u32,
}

/// What one entity was so far in the step.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Gathered {
    domain: DomainName,
    within: Labels,
    resource: Labels,
    from: EventTime,
    /// By the series' identity, which no other series takes over.
    cells: BTreeMap<(u128, Part), Cell>,
    spans: Vec<LineageRange>,
    /// There were more.
    cut: bool,
}

/// An entity in a step that isn't over.
#[derive(Debug, Clone)]
pub(crate) struct Waiting(StepKey, Gathered);

/// One judged value of a series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'o> {
    pub(crate) slot: u32,
    pub(crate) part: Part,
    pub(crate) at: EventTime,
    pub(crate) value: f64,
    /// See [`entity::strength`]; 0 where the deviation is too small to matter to anyone.
    pub(crate) strength: f64,
    pub(crate) origin: Origin<'o>,
}

/// A bound is reached; told once a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany(pub(crate) &'static str);

/// The steps that aren't over yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Peers {
    /// Steps that end here or earlier have been told.
    told_until: Option<EventTime>,
    steps: BTreeMap<StepKey, Gathered>,
    /// That a bound was reached has been told since.
    refused: bool,
    #[serde(skip)]
    places: Vec<Place>,
}

impl Peers {
    /// What is saved of it.
    pub(crate) fn share(&self) -> Self {
        Self {
            told_until: self.told_until,
            steps: self.steps.clone(),
            refused: self.refused,
            places: Vec::new(),
        }
    }

    /// Whether no step waits for its end.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// When the next step ends that anything was measured in.
    pub(crate) fn next_end(&self) -> Option<EventTime> {
        Some(self.steps.first_key_value()?.0.0)
    }

    /// The place of a series is nobody's now.
    pub(crate) fn leave(&mut self, slot: u32) {
        if let Some(place) = usize::try_from(slot).ok().and_then(|at| self.places.get_mut(at)) {
            *place = Place::Unknown;
        }
    }

    fn place(&mut self, slot: u32, groups: &[PeerGroup], registry: &Registry) -> Place {
        let Ok(at) = usize::try_from(slot) else {
            return Place::None;
        };
        if self.places.len() <= at {
            self.places.resize(at + 1, Place::Unknown);
        }
        let Some(place) = self.places.get_mut(at) else {
            return Place::None;
        };
        if *place == Place::Unknown {
            *place = find(slot, groups, registry).unwrap_or(Place::None);
        }
        *place
    }

    /// The number of a series' group, and its entity; `None` of one that is of none.
    pub(crate) fn member(
        &mut self,
        slot: u32,
        groups: &[PeerGroup],
        registry: &Registry,
    ) -> Option<(u16, Fingerprint)> {
        match self.place(slot, groups, registry) {
            Place::Member(number, entity) => Some((number, entity)),
            Place::None | Place::Unknown => None,
        }
    }

    /// Takes in a value of a series that is a [`member`](Self::member).
    pub(crate) fn note(
        &mut self,
        (number, entity): (u16, Fingerprint),
        groups: &[PeerGroup],
        registry: &Registry,
        value: Value<'_>,
    ) -> Result<(), TooMany> {
        let Some(group) = groups.get(usize::from(number)) else {
            return Ok(());
        };
        let step = Duration::from_secs(u64::from(group.step_seconds));
        let from = value.at.floor(step);
        let end = from.plus(step);
        // Only after an early release, where time was taken to have passed: those samples are counted there.
        if self.told_until.is_some_and(|told| end <= told) {
            return Ok(());
        }
        let key = (end, Arc::from(group.name.as_str()), entity);
        if !self.steps.contains_key(&key) {
            if self.steps.len() >= PEER_ENTITIES_MAX {
                return self.refuse("an entity of a peer group: no summary of it in this step");
            }
            let Some(new) = begin(value.slot, group, from, registry) else {
                return Ok(());
            };
            self.steps.insert(key.clone(), new);
        }
        let Some(gathered) = self.steps.get_mut(&key) else {
            return Ok(());
        };
        if gathered.take(group, registry, value) {
            Ok(())
        } else {
            self.refuse("a series of an entity in a peer group: it doesn't count there")
        }
    }

    fn refuse(&mut self, what: &'static str) -> Result<(), TooMany> {
        if std::mem::replace(&mut self.refused, true) {
            Ok(())
        } else {
            Err(TooMany(what))
        }
    }

    /// The summaries of the steps that end next, all at one time. Says also whether values were left out.
    pub(crate) fn take_next(&mut self, source: &SourcePartition) -> (Vec<Summary>, bool) {
        let (mut summaries, mut cut) = (Vec::new(), false);
        let Some(end) = self.next_end() else {
            return (summaries, cut);
        };
        while let Some(entry) = self.steps.first_entry()
            && entry.key().0 == end
        {
            let ((_, group, _), gathered) = entry.remove_entry();
            let compared = gathered.cells.values().filter(|cell| cell.compared).count();
            cut |= compared > SUMMARY_VALUES_MAX;
            summaries.push(gathered.summary(group, source.clone(), end));
        }
        self.told_until = self.told_until.max(Some(end));
        self.refused = false;
        (summaries, cut)
    }

    /// Of several parts that are divided, what has been told is what the one furthest behind has told.
    pub(crate) fn begin_at<'p>(&mut self, parts: impl Iterator<Item = &'p Self>) {
        self.told_until = parts.map(|part| part.told_until).min().flatten();
    }

    /// Entities and what waits of them, to be moved elsewhere.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Fingerprint, Waiting)> {
        let steps = self.steps.iter();
        steps.map(|(key, gathered)| {
            (
                gathered.resource.fingerprint(),
                Waiting(key.clone(), gathered.clone()),
            )
        })
    }

    /// Takes one over.
    pub(crate) fn adopt(&mut self, waiting: Waiting) {
        self.steps.insert(waiting.0, waiting.1);
    }
}

fn find(slot: u32, groups: &[PeerGroup], registry: &Registry) -> Option<Place> {
    let resource = registry.key(slot, Part::Same)?.resource;
    let number = groups
        .iter()
        .position(|group| group.within(&resource).is_some())?;
    let domain = registry.domain_of(slot)?;
    let entity = resource.fingerprint().as_u128().to_le_bytes();
    let entity = Fingerprint::of_parts(&[domain.as_str().as_bytes(), &entity]);
    Some(Place::Member(u16::try_from(number).ok()?, entity))
}

fn begin(slot: u32, group: &PeerGroup, from: EventTime, registry: &Registry) -> Option<Gathered> {
    let resource = registry.key(slot, Part::Same)?.resource;
    Some(Gathered {
        domain: registry.domain_of(slot)?.clone(),
        within: group.within(&resource)?,
        resource,
        from,
        cells: BTreeMap::new(),
        spans: Vec::new(),
        cut: false,
    })
}

impl Gathered {
    /// Takes in a value; `false`: of one series too many.
    fn take(&mut self, group: &PeerGroup, registry: &Registry, value: Value<'_>) -> bool {
        let Some(id) = registry.id(value.slot) else {
            return true;
        };
        let key = (id, value.part);
        if !self.cells.contains_key(&key) {
            if self.cells.len() >= ENTITY_SERIES_MAX {
                return false;
            }
            let Some(series) = registry.key(value.slot, value.part) else {
                return true;
            };
            let cell = Cell {
                compared: group.compares(&series.metric),
                metric: series.metric,
                unit: series.unit,
                labels: series.labels,
                strength: 0.0,
                sum: 0.0,
                count: 0,
            };
            self.cells.insert(key, cell);
        }
        if let Some(cell) = self.cells.get_mut(&key) {
            cell.strength = cell.strength.max(value.strength);
            // What the sums of a step can hold.
            cell.sum += value.value.clamp(f64::from(f32::MIN), f64::from(f32::MAX));
            cell.count = cell.count.saturating_add(1);
        }
        match value.origin {
            Origin::Record(source, offset) => self.widen(&source.topic, source.partition, (offset, offset)),
            Origin::Records(lineage) => {
                for range in lineage.ranges() {
                    self.widen(&range.topic, range.partition, (range.from, range.to));
                }
            }
        }
        true
    }

    fn widen(&mut self, topic: &Arc<str>, partition: i32, (from, to): (i64, i64)) {
        let mut spans = self.spans.iter_mut();
        if let Some(span) = spans.find(|span| span.partition == partition && span.topic == *topic) {
            (span.from, span.to) = (span.from.min(from), span.to.max(to));
        } else if self.spans.len() < SPANS_MAX {
            self.spans.push(LineageRange {
                topic: Arc::clone(topic),
                partition,
                from,
                to,
            });
        } else {
            self.cut = true;
        }
    }

    fn summary(self, group: Arc<str>, source: SourcePartition, end: EventTime) -> Summary {
        let mut cells: Vec<Cell> = self.cells.into_values().collect();
        cells.sort_by(|a, b| (&a.metric, &a.labels).cmp(&(&b.metric, &b.labels)));
        let strengths: Vec<f64> = cells.iter().map(|cell| cell.strength).collect();
        let entity::EntityScore { score, parts } = entity::score(&strengths);
        let parts = parts.into_iter().filter_map(|part| {
            let cell = cells.get(part.series)?;
            Some(SummaryPart {
                metric: Arc::clone(&cell.metric),
                labels: cell.labels.clone(),
                share: part.share,
            })
        });
        // A range names the records between as well.
        let coarse = self.cut || self.spans.iter().any(|span| span.from < span.to);
        Summary {
            domain: self.domain,
            group,
            within: self.within,
            entity: self.resource,
            source,
            from: self.from,
            at: end,
            score,
            parts: parts.collect(),
            values: cells
                .iter()
                .filter(|cell| cell.compared)
                .take(SUMMARY_VALUES_MAX)
                .map(|cell| SummaryValue {
                    metric: Arc::clone(&cell.metric),
                    unit: Arc::clone(&cell.unit),
                    labels: cell.labels.clone(),
                    mean: cell.sum / f64::from(cell.count.max(1)),
                    count: cell.count,
                })
                .collect(),
            lineage: Lineage::from_ranges(self.spans, coarse),
        }
    }
}

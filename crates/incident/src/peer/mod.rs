//! Entities compared with their peers: `detect` tells what each was, step by step; here those of one group meet.
//!
//! Summaries wait, apart from what else waits for its time, until all sources have passed their step and the length of one more: where
//! samples come once a minute, a partition that is silent between them tells of a step only with the next. Then the members of a group are
//! compared, each metric by itself ([`compare`]), and each by how far it has left its own usual place among them ([`member`]).

pub(crate) mod compare;
mod member;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_stats::FadingMoments;
use forecall_types::{Anomaly, DomainName, EventTime, Labels, Lineage, PeerScore, Summary, SummaryValue};
use serde::{Deserialize, Serialize};

pub use self::compare::PEERS_MIN as PEER_MEMBERS_MIN;
use self::compare::{Off, PEERS_MIN, Usual, compare};
use self::member::{CLOSE_SCORE, Member, Stepped, Whose};
pub use self::member::{PEER_OPEN_SCORE, PEER_WARM_UP_STEPS};
use crate::metric::MetricKind;

/// Values of one domain that wait for their step to be over: at about 300 B each 20 MiB, for as long as a source that gets no further
/// is waited for a quarter of an hour of 4,000. Then the earliest step is given up, and nothing is said of it.
pub const PEER_VALUES_WAITING_MAX: usize = 65_536;
/// Metrics of members of one domain that are remembered, at about 700 B each 11 MiB; one more isn't compared.
pub const PEER_MEMBERS_MAX: usize = 16_384;
/// A member that says nothing for so long is forgotten.
pub const PEER_FORGOTTEN_AFTER: Duration = Duration::from_secs(86_400);
/// One in so many may be off at a step; where more are, nothing is said.
const PEERS_OFF_ONE_IN: usize = 3;
/// How often it is looked for those.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// A group and the labels that divide it.
type GroupKey = (Arc<str>, Labels);
/// A metric and the labels of its points.
type MetricKey = (Arc<str>, Labels);

/// What a member says at a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    mean: f64,
    count: u32,
    lineage: Lineage,
}

/// One metric of a group at a step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Rows {
    unit: Arc<str>,
    members: BTreeMap<Arc<Labels>, Row>,
}

/// One step of a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Step {
    from: EventTime,
    at: EventTime,
    metrics: BTreeMap<MetricKey, Rows>,
}

/// One metric of a group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Compared {
    step: Duration,
    noise: FadingMoments,
    members: BTreeMap<Arc<Labels>, Member>,
}

/// Whether a summary was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It waits, or holds nothing to compare.
    Waits,
    /// Its step has been compared, or given up.
    Late,
    /// It waits, but there was no room: what was to be compared then was given up.
    GaveUp(EventTime),
}

/// The peer groups of one domain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Peers {
    /// By when they are compared, then by the end of the step.
    waiting: BTreeMap<EventTime, BTreeMap<(EventTime, GroupKey), Step>>,
    values_waiting: usize,
    /// When what was given up last would have been compared.
    given_up: Option<EventTime>,
    groups: BTreeMap<GroupKey, BTreeMap<MetricKey, Compared>>,
    members: usize,
    swept: Option<EventTime>,
    /// Whose anomalies are open.
    open: BTreeSet<(GroupKey, MetricKey, Arc<Labels>)>,
    /// Of every member compared, until it is [taken](Peers::take_scores); nothing hangs on it.
    #[serde(skip)]
    scores: Vec<PeerScore>,
    #[serde(skip)]
    keeps_scores: bool,
}

impl Peers {
    /// When the earliest step that waits is compared.
    pub(crate) fn first_waiting(&self) -> Option<EventTime> {
        Some(*self.waiting.first_key_value()?.0)
    }

    /// Takes a summary; `judged`: all before has been compared.
    pub(crate) fn take(&mut self, summary: &Summary, judged: Option<EventTime>) -> Taken {
        let due = summary.at.plus(summary.at.since(summary.from));
        if judged.is_some_and(|judged| due < judged) || self.given_up.is_some_and(|last| due <= last) {
            return Taken::Late;
        }
        if summary.values.is_empty() || summary.from >= summary.at {
            return Taken::Waits;
        }
        let group = (Arc::clone(&summary.group), summary.within.clone());
        let steps = self.waiting.entry(due).or_default();
        let step = steps.entry((summary.at, group)).or_insert(Step {
            from: summary.from,
            at: summary.at,
            metrics: BTreeMap::new(),
        });
        let entity = Arc::new(summary.entity.clone());
        for value in summary.values.iter().filter(|value| !value.mean.is_nan()) {
            let metric = (Arc::clone(&value.metric), value.labels.clone());
            let rows = step.metrics.entry(metric).or_default();
            self.values_waiting += usize::from(rows.take(&entity, value, &summary.lineage));
        }
        if self.values_waiting > PEER_VALUES_WAITING_MAX
            && let Some((earliest, groups)) = self.waiting.pop_first()
        {
            self.values_waiting -= count(&groups);
            self.given_up = Some(earliest);
            return Taken::GaveUp(earliest);
        }
        Taken::Waits
    }

    /// Whether what each member is at each step is kept to be shown.
    pub(crate) fn keep_scores(&mut self, keep: bool) {
        self.keeps_scores = keep;
    }

    /// What was kept since it was taken last.
    pub(crate) fn take_scores(&mut self) -> Vec<PeerScore> {
        std::mem::take(&mut self.scores)
    }

    /// Compares what is due before `at`, in order of time. What is told of it, in an order that hangs on no order of arrival, and how
    /// many members found no place.
    pub(crate) fn compare_before(&mut self, at: EventTime, domain: &DomainName) -> (Vec<Anomaly>, usize) {
        let (mut told, mut refused) = (Vec::new(), 0);
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() < at
        {
            let steps = entry.remove();
            self.values_waiting -= count(&steps);
            for ((_, group), step) in steps {
                for (metric, rows) in step.metrics {
                    refused += self.compare(&group, metric, (step.from, step.at), (rows, domain), &mut told);
                }
            }
        }
        self.close_silent(at, &mut told);
        self.sweep(at);
        (told, refused)
    }

    fn compare(
        &mut self,
        group: &GroupKey,
        metric: MetricKey,
        (from, at): (EventTime, EventTime),
        (rows, domain): (Rows, &DomainName),
        told: &mut Vec<Anomaly>,
    ) -> usize {
        if rows.members.len() < PEERS_MIN {
            return 0;
        }
        let memory = steps_a_day(at.since(from));
        let known = self.groups.entry(group.clone()).or_default();
        let compared = known.entry(metric.clone()).or_default();
        compared.step = at.since(from);
        let all = rows.members.len();
        let (present, new) = compared.remember(rows.members, PEER_MEMBERS_MAX.saturating_sub(self.members));
        self.members += new;
        let refused = all - present.len();
        let Some((offs, scores)) = compared.judge(&present, MetricKind::of(&metric.0), memory) else {
            return refused;
        };
        let is_split = compared.is_split(&present, &scores, memory);
        for (((entity, row), off), score) in present.into_iter().zip(offs).zip(scores) {
            let Some(member) = compared.members.get_mut(&entity) else {
                continue;
            };
            let stepped = Stepped {
                from,
                at,
                value: row.mean,
                off,
                score,
                lineage: &row.lineage,
            };
            let whose = Whose {
                domain,
                metric: &metric.0,
                unit: &rows.unit,
                resource: &entity,
                labels: &metric.1,
                memory,
            };
            if self.keeps_scores {
                self.scores.push(member.shown(&group.0, &stepped, &whose));
            }
            let said = if is_split {
                member.pass(&stepped, memory)
            } else {
                member.step(&stepped, &whose)
            };
            if let Some(anomaly) = said {
                let key = (group.clone(), metric.clone(), entity);
                if member.is_open() {
                    self.open.insert(key);
                } else {
                    self.open.remove(&key);
                }
                told.push(anomaly);
            }
        }
        refused
    }

    fn close_silent(&mut self, now: EventTime, told: &mut Vec<Anomaly>) {
        let groups = &mut self.groups;
        self.open.retain(|(group, metric, entity)| {
            let metrics = groups.get_mut(group);
            let compared = metrics.and_then(|metrics| metrics.get_mut(metric));
            let Some(compared) = compared else {
                return false;
            };
            let Some(member) = compared.members.get_mut(entity) else {
                return false;
            };
            match member.close_silent(now, compared.step) {
                Some(anomaly) => {
                    told.push(anomaly);
                    false
                }
                None => true,
            }
        });
    }

    /// Forgets the members that say nothing any more.
    fn sweep(&mut self, now: EventTime) {
        if self.swept.is_some_and(|swept| now.since(swept) < SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        for metrics in self.groups.values_mut() {
            for compared in metrics.values_mut() {
                compared
                    .members
                    .retain(|_, member| now.since(member.last) <= PEER_FORGOTTEN_AFTER);
            }
            metrics.retain(|_, compared| !compared.members.is_empty());
        }
        self.groups.retain(|_, metrics| !metrics.is_empty());
        let compared = self.groups.values().flat_map(BTreeMap::values);
        self.members = compared.map(|compared| compared.members.len()).sum();
    }
}

type Present = Vec<(Arc<Labels>, Row)>;

impl Compared {
    /// Those that have a place, new ones as long as there is room; and how many are new.
    fn remember(&mut self, rows: BTreeMap<Arc<Labels>, Row>, room: usize) -> (Present, usize) {
        let (mut present, mut new) = (Vec::with_capacity(rows.len()), 0);
        for (entity, row) in rows {
            if !self.members.contains_key(&entity) {
                if new >= room {
                    continue;
                }
                new += 1;
                self.members.insert(Arc::clone(&entity), Member::default());
            }
            present.push((entity, row));
        }
        (present, new)
    }

    /// How far each is off, and how rare that is. `None`: there are too few.
    fn judge(&mut self, present: &Present, kind: MetricKind, memory: u16) -> Option<(Vec<Off>, Vec<f64>)> {
        let usual = |entity| self.members.get(entity).and_then(|m: &Member| m.usual(memory));
        let values: Vec<(f64, Option<Usual>)> = present
            .iter()
            .map(|(entity, row)| (row.mean, usual(entity)))
            .collect();
        let offs = compare(&values, &mut self.noise, u32::from(memory))?;
        let of = |((entity, _), off): (&(Arc<Labels>, Row), &Off)| {
            self.members
                .get(entity)
                .map_or(0.0, |member| member.score(off, kind))
        };
        let scores = present.iter().zip(&offs).map(of).collect();
        Some((offs, scores))
    }

    /// Whether so many are off that nobody can say which of two camps is the normal one.
    fn is_split(&self, present: &Present, scores: &[f64], memory: u16) -> bool {
        let known = |(entity, _): &&(Arc<Labels>, Row)| {
            self.members
                .get(entity)
                .is_some_and(|m| m.usual(memory).is_some())
        };
        let off = scores.iter().filter(|score| **score >= CLOSE_SCORE).count();
        off * PEERS_OFF_ONE_IN > present.iter().filter(known).count()
    }
}

impl Rows {
    /// Takes a member's value; `true`: it is new. Of two of one series the same one stays, whichever came first.
    fn take(&mut self, entity: &Arc<Labels>, value: &SummaryValue, lineage: &Lineage) -> bool {
        if value.unit > self.unit {
            self.unit = Arc::clone(&value.unit);
        }
        let row = Row {
            // What squares of it can hold.
            mean: value.mean.clamp(f64::from(f32::MIN), f64::from(f32::MAX)),
            count: value.count,
            lineage: lineage.clone(),
        };
        let Some(known) = self.members.get_mut(entity) else {
            self.members.insert(Arc::clone(entity), row);
            return true;
        };
        let order = row.count.cmp(&known.count).then(row.mean.total_cmp(&known.mean));
        if order.is_gt() {
            (known.mean, known.count) = (row.mean, row.count);
        }
        known.lineage.merge(lineage);
        false
    }
}

fn count(steps: &BTreeMap<(EventTime, GroupKey), Step>) -> usize {
    let rows = steps.values().flat_map(|step| step.metrics.values());
    rows.map(|rows| rows.members.len()).sum()
}

/// Steps of this length in a day.
fn steps_a_day(step: Duration) -> u16 {
    u16::try_from(86_400 / step.as_secs().max(1))
        .unwrap_or(u16::MAX)
        .max(24)
}

#[cfg(test)]
mod tests;

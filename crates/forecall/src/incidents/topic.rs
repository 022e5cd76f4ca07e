//! Reads incidents from their topics, outside any group: nothing is committed, nobody is disturbed.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use forecall_incident::explain::Heard;
use forecall_log::{Log, RecordRef, TopicPartition, partition_of_key};
use forecall_types::{
    Command, DomainName, EventTime, Incident, IncidentChange, IncidentEvent, IncidentId, IncidentState,
};
use forecall_wire::event::{
    TopicId, TopicNames, decode_command, decode_incident_event, decode_incident_state,
};

use super::args::Filter;

/// Incidents named in one list; 100,000 short rows take some tens of MiB.
const ROWS_MAX: usize = 100_000;
/// Revisions of one incident whose sentences are kept: one every minute for a week.
const LINES_MAX: usize = 10_000;

/// One revision in a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) revision: u32,
    pub(super) change: IncidentChange,
    pub(super) at: EventTime,
    pub(super) probability: f64,
    pub(super) reason: String,
}

/// What the topic of events holds of one incident.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct History {
    /// The oldest revision kept.
    pub(super) first: IncidentEvent,
    /// The revision that confirmed it.
    pub(super) confirmed: Option<IncidentEvent>,
    pub(super) newest: IncidentEvent,
    /// The value of the newest record, as it stands.
    pub(super) raw: Vec<u8>,
    /// Every revision, the oldest first, at most [`LINES_MAX`].
    pub(super) lines: Vec<Line>,
    /// Revisions beyond them.
    pub(super) further: usize,
}

impl History {
    fn begin(event: IncidentEvent, raw: &[u8]) -> Self {
        let mut history = Self {
            confirmed: None,
            first: event.clone(),
            newest: event.clone(),
            raw: Vec::new(),
            lines: Vec::new(),
            further: 0,
        };
        history.take(event, raw);
        history
    }

    fn take(&mut self, event: IncidentEvent, raw: &[u8]) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(Line {
                revision: event.incident.revision,
                change: event.change,
                at: event.incident.at,
                probability: event.incident.probability.get(),
                reason: event.incident.reason.clone(),
            });
        } else {
            self.further += 1;
        }
        if self.confirmed.is_none() && event.incident.state == IncidentState::Confirmed {
            self.confirmed = Some(event.clone());
        }
        self.raw = raw.to_vec();
        self.newest = event;
    }
}

/// The topics of incidents on a log.
pub(crate) struct Topics<'a> {
    pub(crate) log: &'a dyn Log,
    pub(crate) names: TopicNames,
    pub(crate) strange: Strange,
}

/// Whether a filter lets an incident through.
pub(super) fn passes(filter: &Filter, incident: &Incident) -> bool {
    let is_canary = incident.domain.as_str() == DomainName::CANARY;
    (filter.canary || !is_canary)
        && filter.domain.as_ref().is_none_or(|d| *d == incident.domain)
        && filter
            .service
            .as_ref()
            .is_none_or(|s| incident.scope.services.contains(s))
        && filter
            .region
            .as_ref()
            .is_none_or(|r| incident.scope.regions.contains(r))
}

impl Topics<'_> {
    pub(crate) fn partitions(&self, topic: TopicId) -> anyhow::Result<Vec<TopicPartition>> {
        let name = self.names.name(topic);
        let count = self.log.bounds(&name)?.len();
        let count = i32::try_from(count).context("too many partitions")?;
        Ok((0..count).map(|p| TopicPartition::new(&name, p)).collect())
    }

    /// Every revision of one incident that the topic keeps, with its value as it stands.
    ///
    /// # Errors
    /// The topic holds nothing of it; the log refuses.
    pub(crate) fn revisions(&self, id: &IncidentId) -> anyhow::Result<Vec<(IncidentEvent, Vec<u8>)>> {
        let mut found: BTreeMap<u32, (IncidentEvent, Vec<u8>)> = BTreeMap::new();
        for partition in self.partitions(TopicId::Incidents)? {
            self.log.read(&partition, 0, &mut |record| {
                let is_it = record.key == Some(id.as_str().as_bytes());
                if let Some((event, raw)) = is_it.then(|| self.strange.event_of(record)).flatten() {
                    let raw = raw.to_vec();
                    found.entry(event.incident.revision).or_insert((event, raw));
                }
            })?;
        }
        if found.is_empty() {
            bail!(
                "{} holds nothing of {id}: `forecall incidents list --all` names those it holds",
                self.names.name(TopicId::Incidents)
            )
        }
        Ok(found.into_values().collect())
    }

    /// Everything known of one incident.
    ///
    /// # Errors
    /// The topic holds nothing of it; the log refuses.
    pub(super) fn history(&self, id: &IncidentId) -> anyhow::Result<History> {
        let mut partitions = self.partitions(TopicId::Incidents)?;
        let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
        let own = partition_of_key(id.as_str().as_bytes(), count);
        // Where the topic has grown since, its records may lie elsewhere: the key's partition first, then the others.
        partitions.sort_by_key(|p| (p.partition != own, p.partition));
        for partition in &partitions {
            let mut found: Option<History> = None;
            self.log.read(partition, 0, &mut |record| {
                let is_it = record.key == Some(id.as_str().as_bytes());
                let Some((event, raw)) = is_it.then(|| self.strange.event_of(record)).flatten() else {
                    return;
                };
                match &mut found {
                    None => found = Some(History::begin(event, raw)),
                    Some(history) if event.incident.revision > history.newest.incident.revision => {
                        history.take(event, raw);
                    }
                    Some(_) => {}
                }
            })?;
            if let Some(history) = found {
                return Ok(history);
            }
        }
        bail!(
            "{} holds nothing of {id}: `forecall incidents list --all` names those it holds",
            self.names.name(TopicId::Incidents)
        )
    }

    /// What had ended by itself when the revision was made; see [`Heard`].
    pub(crate) fn heard_before(&self, revision: &Incident) -> anyhow::Result<Heard> {
        let mut heard = Heard::default();
        for partition in self.partitions(TopicId::Incidents)? {
            self.log.read(&partition, 0, &mut |record| {
                if let Some((event, _)) = self.strange.event_of(record)
                    && event.incident.at <= revision.at
                    && event.incident.domain == revision.domain
                    && (event.incident.id != revision.id || event.incident.revision < revision.revision)
                {
                    heard.end(&event.incident);
                }
            })?;
        }
        Ok(heard)
    }

    /// Those that are open now, by their newest state.
    pub(super) fn open(&self, filter: &Filter) -> anyhow::Result<Vec<Incident>> {
        let mut newest: BTreeMap<Vec<u8>, Incident> = BTreeMap::new();
        for partition in self.partitions(TopicId::IncidentsState)? {
            self.log.read(&partition, 0, &mut |record| {
                let Some(key) = record.key else { return };
                let state = self.strange.state_of(record);
                // Room for one more than may be listed, so that too many are told.
                match state.filter(|state| passes(filter, state)) {
                    Some(state) if newest.len() <= ROWS_MAX || newest.contains_key(key) => {
                        newest.insert(key.to_vec(), light(state));
                    }
                    Some(_) => {}
                    None => drop(newest.remove(key)),
                }
            })?;
        }
        listed(newest.into_values().filter(|i| i.state.is_open()).collect())
    }

    /// All that the topic of events holds, by their newest revision.
    pub(super) fn all(&self, filter: &Filter) -> anyhow::Result<Vec<Incident>> {
        let mut newest: BTreeMap<IncidentId, Incident> = BTreeMap::new();
        for partition in self.partitions(TopicId::Incidents)? {
            self.log.read(&partition, 0, &mut |record| {
                let Some((event, _)) = self.strange.event_of(record) else {
                    return;
                };
                let incident = event.incident;
                let known = newest.get(&incident.id);
                let is_news = known.map_or(newest.len() <= ROWS_MAX, |i| i.revision < incident.revision);
                if is_news && passes(filter, &incident) {
                    newest.insert(incident.id.clone(), light(incident));
                }
            })?;
        }
        listed(newest.into_values().collect())
    }

    /// Every command that the topic keeps, in no order over its partitions.
    pub(super) fn commands(&self, visit: &mut dyn FnMut(Command)) -> anyhow::Result<()> {
        for partition in self.partitions(TopicId::Commands)? {
            self.log.read(&partition, 0, &mut |record| {
                if let Some(value) = record.value
                    && let Ok(command) = decode_command(record.headers.get(), value)
                {
                    visit(command);
                }
            })?;
        }
        Ok(())
    }

    /// A reader that stands at the end as it is now, or at the beginning.
    pub(super) fn follow(&self, from_now: bool) -> anyhow::Result<Follow> {
        let topic = self.names.name(TopicId::Incidents);
        let bounds = self.log.bounds(&topic)?;
        let next = bounds.iter().map(|(low, end)| if from_now { *end } else { *low });
        Ok(Follow {
            next: next.collect(),
            topic,
        })
    }

    /// Reads what has come since, of the time `since` or later.
    pub(super) fn news(
        &self,
        follow: &mut Follow,
        since: EventTime,
        visit: &mut dyn FnMut(IncidentEvent, &[u8]),
    ) -> anyhow::Result<()> {
        let bounds = self.log.bounds(&follow.topic)?;
        // New partitions are read from their beginning.
        follow.next.resize(bounds.len(), 0);
        for ((partition, next), (low, end)) in (0..).zip(&mut follow.next).zip(bounds) {
            if *next >= end {
                continue;
            }
            let from = (*next).max(low);
            *next = end;
            let partition = TopicPartition::new(&follow.topic, partition);
            self.log.read(&partition, from, &mut |record| {
                // It may read further than the end asked for above. Marks of transactions take offsets, too.
                *next = (*next).max(record.offset + 1);
                if record.appended_at >= since
                    && let Some((event, raw)) = self.strange.event_of(record)
                {
                    visit(event, raw);
                }
            })?;
        }
        Ok(())
    }
}

/// How far a reader has come: the next offset of each partition.
#[derive(Debug)]
pub(super) struct Follow {
    topic: String,
    next: Vec<i64>,
}

/// Without what a list doesn't show, so that many fit.
fn light(mut incident: Incident) -> Incident {
    incident.evidence = Vec::new();
    incident.causes = Vec::new();
    incident.lineage = forecall_types::Lineage::default();
    incident
}

fn listed(mut incidents: Vec<Incident>) -> anyhow::Result<Vec<Incident>> {
    if incidents.len() > ROWS_MAX {
        bail!("there are more than {ROWS_MAX} incidents: ask for one domain, service or region");
    }
    incidents.sort_by(|a, b| (a.opened_at, &a.id).cmp(&(b.opened_at, &b.id)));
    Ok(incidents)
}

/// Records that are no events of incidents, such as those of a later version: counted, so that they are told.
#[derive(Debug, Default)]
pub(crate) struct Strange(Cell<usize>);

impl Strange {
    pub(super) fn count(&self) -> usize {
        self.0.get()
    }

    fn event_of<'r>(&self, record: &RecordRef<'r>) -> Option<(IncidentEvent, &'r [u8])> {
        let value = record.value?;
        let event = decode_incident_event(record.headers.get(), value);
        if event.is_err() {
            self.0.set(self.0.get() + 1);
        }
        Some((event.ok()?, value))
    }

    /// `None` for a tombstone, too.
    fn state_of(&self, record: &RecordRef<'_>) -> Option<Incident> {
        let state = decode_incident_state(record.headers.get(), record.value?);
        if state.is_err() {
            self.0.set(self.0.get() + 1);
        }
        state.ok()
    }
}

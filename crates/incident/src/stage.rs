use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_stage::{Effects, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::{
    Action, AnomalyState, Command, CorrelateEntry, DomainName, EventTime, IncidentEvent, PeerScore, Position,
    RejectReason, SourcePartition, Summary, Tick,
};

use crate::group::Domain;
use crate::learn::LearntHealth;
use crate::order::{Held, Offered};
use crate::peer::{PEER_MEMBERS_MAX, Taken};
use crate::publish::Step;
use crate::settings::CorrelateSettings;
use crate::topology::Topology;

/// Domains in one partition of the log: tenants of one installation, with room.
pub const DOMAINS_MAX: usize = 256;
/// A tick this far behind the last one is refused; within it, time stands still. Commands are held to it ahead as well.
pub const TICK_BACK_MAX: Duration = Duration::from_secs(60);

/// One record of `correlate`'s log.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrelateInput {
    /// Where it stands in the log.
    pub position: Position,
    /// What it says.
    pub entry: CorrelateEntry,
}

/// How the stage is, for metrics and alarms; decisions never hang on it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CorrelateHealth {
    /// Entries waiting for their time.
    pub held: usize,
    /// Anomalies kept as evidence.
    pub anomalies: usize,
    /// Open incidents, the canary's apart: they are nobody's trouble.
    pub open: usize,
    /// Sources whose heartbeat is missing, or that are behind and get no further: a fault of forecall, told to its operator.
    pub missing: Vec<(DomainName, SourcePartition)>,
    /// Silences in force.
    pub silences: usize,
    /// Incidents whose verdict changes something now.
    pub adjustments: usize,
    /// What came of predictions.
    pub learnt: LearntHealth,
}

/// The `correlate` stage over one partition of its log.
#[derive(Debug, Clone)]
pub struct CorrelateStage {
    settings: Arc<CorrelateSettings>,
    state: State,
}

#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct State {
    tick: Option<EventTime>,
    domains: BTreeMap<DomainName, Domain>,
}

impl CorrelateStage {
    /// Without memory.
    pub fn new(settings: Arc<CorrelateSettings>) -> Self {
        Self {
            settings,
            state: State::default(),
        }
    }

    /// Divides what `parts` know among so many partitions; `place` says to which of them a domain belongs. All must have read
    /// their partitions to the end. Each domain goes on as if its partition had never changed.
    ///
    /// # Errors
    /// A domain that two of the parts know: nobody can say which of them is right.
    pub fn divide(
        settings: &Arc<CorrelateSettings>,
        parts: &[Self],
        partitions: usize,
        place: impl Fn(&DomainName) -> usize,
    ) -> Result<Vec<Self>, DomainName> {
        // No tick goes back: all partitions are ticked by the same clock, within a second.
        let tick = parts.iter().filter_map(|part| part.state.tick).max();
        let mut stages: Vec<Self> = (0..partitions)
            .map(|_| {
                let mut stage = Self::new(Arc::clone(settings));
                stage.state.tick = tick;
                stage
            })
            .collect();
        for (name, domain) in parts.iter().flat_map(|part| &part.state.domains) {
            if let Some(stage) = stages.get_mut(place(name))
                && stage.state.domains.insert(name.clone(), domain.clone()).is_some()
            {
                return Err(name.clone());
            }
        }
        Ok(stages)
    }

    /// What each member of a peer group was at each step compared since this was asked last; only with
    /// [`CorrelateSettings::with_peer_scores`].
    pub fn take_peer_scores(&mut self) -> Vec<PeerScore> {
        let domains = self.state.domains.values_mut();
        domains.flat_map(|domain| domain.peers.take_scores()).collect()
    }

    /// Domains it knows.
    pub fn domains(&self) -> usize {
        self.state.domains.len()
    }

    /// How it is.
    pub fn health(&self) -> CorrelateHealth {
        let mut health = CorrelateHealth::default();
        for domain in self.state.domains.values() {
            health.held += domain.order.held_len();
            health.anomalies += domain.tracked.len();
            if !domain.name.is_canary() {
                health.open += domain.open.len();
            }
            health.silences += domain.silences.count(self.state.tick);
            health.adjustments += domain.adjustments.count(self.state.tick);
            health.learnt.take(&domain.learner);
            let missing = domain.order.missing().cloned();
            health.missing.extend(missing.map(|s| (domain.name.clone(), s)));
        }
        health
    }

    /// Whether ticks and heartbeats change nothing of what it says, up to its next record: nothing waits to be judged, and
    /// nothing goes on.
    pub fn is_at_rest(&self) -> bool {
        let mut domains = self.state.domains.values();
        domains.all(|domain| {
            !domain.is_busy()
                && domain.next_due().is_none()
                && domain.order.held_len() == 0
                && domain.peers.first_waiting().is_none()
                && !domain.learner.is_waiting()
        })
    }

    fn tick(&mut self, tick: Tick, effects: &mut Effects<IncidentEvent>) {
        if let Some(last) = self.state.tick
            && last.since(tick.at) > TICK_BACK_MAX
        {
            effects.reject(RejectReason::Late, "a tick more than 60 s behind the last one");
            return;
        }
        let last = self.state.tick;
        let now = last.map_or(tick.at, |last| last.max(tick.at));
        self.state.tick = Some(now);
        let missing_after = Duration::from_secs(self.settings.tunables.heartbeat_missing_seconds);
        for domain in self.state.domains.values_mut() {
            for source in domain.order.tick(now, last, missing_after) {
                let (topic, partition) = (source.topic, source.partition);
                let what = format!(
                    "no heartbeat of {topic}/{partition} in {}, or it gets no further: it holds up nobody now",
                    domain.name
                );
                effects.reject(RejectReason::Late, what);
            }
            advance(domain, self.state.tick, &self.settings, effects);
        }
    }

    fn domain(&mut self, name: &DomainName, effects: &mut Effects<IncidentEvent>) -> Option<&mut Domain> {
        if !self.state.domains.contains_key(name) && self.state.domains.len() >= DOMAINS_MAX {
            effects.reject(
                RejectReason::UnknownScope,
                format!("domain {name}: {DOMAINS_MAX} are known already"),
            );
            return None;
        }
        let new = || Domain::new(name.clone());
        Some(self.state.domains.entry(name.clone()).or_insert_with(new))
    }

    fn offer(
        &mut self,
        name: &DomainName,
        position: &Position,
        held: Held,
        effects: &mut Effects<IncidentEvent>,
    ) {
        let settings = Arc::clone(&self.settings);
        let tick = self.state.tick;
        let Some(domain) = self.domain(name, effects) else {
            return;
        };
        match domain.order.offer(position, held) {
            Offered::Taken => {}
            Offered::Twice => effects.reject(RejectReason::Duplicate, "the same entry is waiting already"),
            Offered::Late => effects.reject(RejectReason::Late, "more than a day behind what was judged"),
        }
        advance(domain, tick, &settings, effects);
    }

    fn take_summary(&mut self, summary: &Summary, effects: &mut Effects<IncidentEvent>) {
        let settings = Arc::clone(&self.settings);
        let tick = self.state.tick;
        let Some(domain) = self.domain(&summary.domain, effects) else {
            return;
        };
        match domain.peers.take(summary, domain.order.judged()) {
            Taken::Waits => {}
            Taken::Late => effects.reject(
                RejectReason::Late,
                format!("a summary of {}: its step has been compared", summary.group),
            ),
            Taken::GaveUp(at) => effects.reject(
                RejectReason::SeriesLimit,
                format!(
                    "too many summaries wait: those due at {} aren't compared",
                    at.secs()
                ),
            ),
        }
        advance(domain, tick, &settings, effects);
    }

    /// A command as it is heard; `None`: it is dated too far ahead. What came of a remedy is said once and never again, so it is
    /// heard whatever its runner's clock says: one of tomorrow now, one of long ago as the latest that still may be.
    fn in_time(&self, command: &Command) -> Option<Command> {
        let mut command = command.clone();
        let is_ahead = self.is_ahead(command.at);
        if !matches!(command.action, Action::RemedyResult { .. }) {
            return (!is_ahead).then_some(command);
        }
        if let Some(tick) = self.state.tick.filter(|_| is_ahead) {
            command.at = tick;
        }
        let domain = self.state.domains.get(&command.domain);
        if let Some(judged) = domain.and_then(|domain| domain.order.judged()) {
            command.at = command.at.max(judged);
        }
        Some(command)
    }

    /// Whether a person's word is dated too far ahead: it would wait, unheard, until then.
    fn is_ahead(&self, at: EventTime) -> bool {
        self.state.tick.is_some_and(|tick| at.since(tick) > TICK_BACK_MAX)
    }
}

/// Judges all steps that the sources have passed.
fn advance(
    domain: &mut Domain,
    tick: Option<EventTime>,
    settings: &CorrelateSettings,
    effects: &mut Effects<IncidentEvent>,
) {
    loop {
        let busy = domain.is_busy();
        let frontier = domain.order.frontier(tick);
        let waiting = domain.peers.first_waiting();
        let before = domain.order.judged();
        // The first step that isn't before it, whatever else makes one be judged.
        let due = domain.next_due().map(|due| due.minus(Duration::from_nanos(1)));
        let due = due.map(|due| before.map_or(due, |judged| due.max(judged)));
        let waiting = waiting.into_iter().chain(due).min();
        let next = domain.order.next_step(frontier, settings.step(), busy, waiting);
        let Some((at, forced)) = next else {
            // Nothing more comes before what has been judged.
            if let Some(judged) = domain.order.judged().filter(|_| domain.order.judged() != before) {
                domain.learner.pass(judged);
            }
            return;
        };
        if forced {
            effects.reject(
                RejectReason::Late,
                format!(
                    "the buffer of {} is full: entries go before their time",
                    domain.name
                ),
            );
        }
        let step = Step { at, settings };
        domain.learner.pass(at);
        while let Some((position, held)) = domain.order.take_before(at) {
            match held {
                Held::Anomaly(anomaly) => domain.take_anomaly(&anomaly, settings, effects),
                Held::Feedback(feedback) => domain.take_feedback(&position, &feedback, &step, effects),
                Held::Command(command) => domain.take_command(&position, &command, &step, effects),
            }
        }
        compare_peers(domain, &step, effects);
        domain.evaluate(&step, effects);
    }
}

/// Compares the peers whose steps are over; one that has left its place is evidence like any other.
fn compare_peers(domain: &mut Domain, step: &Step<'_>, effects: &mut Effects<IncidentEvent>) {
    domain.peers.keep_scores(step.settings.emit_peers);
    let (told, refused) = domain.peers.compare_before(step.at, &domain.name);
    if refused > 0 {
        effects.reject(
            RejectReason::SeriesLimit,
            format!("{refused} metrics of peers: {PEER_MEMBERS_MAX} are remembered already"),
        );
    }
    for anomaly in told {
        if anomaly.state == AnomalyState::Closed && !domain.tracked.contains_key(&anomaly.id) {
            continue;
        }
        // One that found no room when it opened may find it later.
        let touched = customers_touched(domain.known.topology(step.settings), &anomaly);
        if anomaly.state == AnomalyState::Updated && touched.is_err() {
            continue;
        }
        if let Err(why) = touched {
            effects.reject(RejectReason::UnknownScope, why);
        } else {
            domain.take_anomaly(&anomaly, step.settings, effects);
        }
    }
}

impl Stage for CorrelateStage {
    type Settings = Arc<CorrelateSettings>;
    type Input = CorrelateInput;
    type Output = IncidentEvent;

    const NAME: &'static str = "correlate";
    const VERSION: u32 = 12;

    fn step(&mut self, input: &CorrelateInput, effects: &mut Effects<IncidentEvent>) {
        let position = &input.position;
        match &input.entry {
            CorrelateEntry::Anomaly(anomaly) => {
                // Judged again when its time comes; refused here, while the record is at hand.
                let domain = self.state.domains.get(&anomaly.domain);
                let topology = domain.map_or(&self.settings.topology, |d| d.known.topology(&self.settings));
                if let Err(why) = customers_touched(topology, anomaly) {
                    effects.reject(RejectReason::UnknownScope, why);
                    return;
                }
                self.offer(&anomaly.domain, position, Held::Anomaly(anomaly.clone()), effects);
            }
            CorrelateEntry::Heartbeat(beat) => {
                let settings = Arc::clone(&self.settings);
                let tick = self.state.tick;
                if let Some(domain) = self.domain(&beat.domain, effects) {
                    if !domain.order.beat(beat, tick) {
                        effects.reject(RejectReason::SeriesLimit, "a heartbeat of one source too many");
                    }
                    advance(domain, tick, &settings, effects);
                }
            }
            CorrelateEntry::Summary(summary) => self.take_summary(summary, effects),
            CorrelateEntry::Service(record) => {
                let settings = Arc::clone(&self.settings);
                if let Some(domain) = self.domain(&record.domain, effects)
                    && let Err((reason, why)) = domain.known.take(record, &settings)
                {
                    effects.reject(reason, why);
                }
            }
            CorrelateEntry::Tick(tick) => self.tick(*tick, effects),
            CorrelateEntry::Feedback(feedback) => {
                if self.is_ahead(feedback.at) {
                    effects.reject(RejectReason::Future, format!("feedback {}", feedback.id));
                } else {
                    let held = Held::Feedback(feedback.clone());
                    self.offer(&feedback.domain, position, held, effects);
                }
            }
            CorrelateEntry::Command(command) => {
                if !command.action.is_on_incident() {
                    let what = format!("command {} is about notices", command.id);
                    effects.reject(RejectReason::NotAllowed, what);
                } else if let Some(command) = self.in_time(command) {
                    let domain = command.domain.clone();
                    let held = Held::Command(Box::new(command));
                    self.offer(&domain, position, held, effects);
                } else {
                    effects.reject(RejectReason::Future, format!("command {}", command.id));
                }
            }
        }
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        encode_state(&self.state)
    }

    fn load(settings: Arc<CorrelateSettings>, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut state: State = decode_state(bytes)?;
        for domain in state.domains.values_mut() {
            domain.known.merge(&settings);
        }
        Ok(Self { settings, state })
    }
}

/// Whether the anomaly's entity has a place that customers depend on.
fn customers_touched(topology: &Topology, anomaly: &forecall_types::Anomaly) -> Result<(), String> {
    let place = topology.place(&anomaly.series)?;
    if topology.touched(&place.service).is_empty() {
        return Err(format!(
            "service {}: no customer-facing service needs it",
            place.service
        ));
    }
    Ok(())
}

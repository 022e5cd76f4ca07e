//! Evidence by scope: which anomalies speak for which service and region, and who owns them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use forecall_stage::Effects;
use forecall_types::{
    Anomaly, AnomalyId, AnomalyState, Channel, DomainName, ElementId, EventTime, Incident, IncidentChange,
    IncidentEvent, IncidentId, Lineage, RejectReason, Severity,
};
use serde::{Deserialize, Serialize};

use crate::known::Known;
use crate::learn::Learner;
use crate::life::{Life, Trigger};
use crate::metric::MetricKind;
use crate::order::{Order, SeenIds};
use crate::paging::{HeldBy, Pages};
use crate::peer::Peers;
use crate::remedy::{Remedial, Remedies};
use crate::scope::Pair;
use crate::settings::CorrelateSettings;
use crate::silence::Silences;
use crate::verdict::{Adjustments, Peaks};

/// Anomalies of one domain kept as evidence: at 2 KiB each 16 MiB; a further one is refused.
pub const ANOMALIES_MAX: usize = 8_192;
/// Anomalies that speak for one service and region: an event names 32, the rest only supports them.
pub const MEMBERS_MAX: usize = 256;
/// Silences among them: where half a region falls silent there is still room for what is measured.
pub(crate) const SILENT_MEMBERS_MAX: usize = 32;
/// Open incidents of one domain: beyond this the topology is too fine for people to follow.
pub const OPEN_MAX: usize = 1_024;
/// Closed incidents kept whole, so that a verdict or a re-opening can name them; those whose verdict is in force come on top.
pub const CLOSED_KEPT_MAX: usize = 256;
/// Elements named by one incident; more, and the region as a whole holds.
pub const ELEMENTS_MAX: usize = 256;

/// What an anomaly may still be used for in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// It speaks for predictions and impact.
    Full,
    /// A prediction built on it ended: it may only confirm.
    ImpactOnly,
    /// A person has judged it: it says nothing more.
    Spent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Steps from the anomaly's service up to the scope's.
    pub(crate) steps: u32,
    pub(crate) standing: Standing,
}

/// An anomaly with what was found on the way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tracked {
    pub(crate) anomaly: Anomaly,
    pub(crate) active: bool,
    pub(crate) elements: BTreeSet<ElementId>,
    /// Since when the value is beyond its objective, without a break.
    pub(crate) beyond_since: Option<EventTime>,
    /// Since when the score stands at `confirm_score` or above.
    pub(crate) high_since: Option<EventTime>,
}

impl Tracked {
    fn new(anomaly: &Anomaly, elements: BTreeSet<ElementId>, settings: &CorrelateSettings) -> Self {
        let mut tracked = Self {
            anomaly: anomaly.clone(),
            active: true,
            elements,
            beyond_since: None,
            high_since: None,
        };
        tracked.judge(settings);
        tracked
    }

    fn take(&mut self, anomaly: &Anomaly, settings: &CorrelateSettings) {
        // Told when it opens only, and not when it closes.
        let siblings = self.anomaly.siblings.take();
        let (usual, traffic) = (self.anomaly.usual, self.anomaly.traffic);
        self.anomaly.clone_from(anomaly);
        self.anomaly.siblings = self.anomaly.siblings.take().or(siblings);
        self.anomaly.usual = self.anomaly.usual.or(usual);
        self.anomaly.traffic = self.anomaly.traffic.or(traffic);
        self.judge(settings);
    }

    fn judge(&mut self, settings: &CorrelateSettings) {
        let anomaly = &self.anomaly;
        self.active = match anomaly.state {
            AnomalyState::Opened | AnomalyState::Updated => true,
            AnomalyState::Closed => false,
        };
        let objective = settings.objective(anomaly);
        let beyond = self.active && objective.is_some_and(|o| o.is_beyond(anomaly.observed));
        self.beyond_since = beyond.then(|| {
            // The window shows since when, where it reaches further back than this revision.
            let run = anomaly
                .window
                .iter()
                .rev()
                .take_while(|(_, v)| objective.is_some_and(|o| o.is_beyond(*v)));
            let first = run.map(|(t, _)| *t).min().unwrap_or(anomaly.at);
            let first = first.min(anomaly.at).max(anomaly.from.min(anomaly.at));
            self.beyond_since.unwrap_or(first).min(first)
        });
        // A way to a limit isn't unusual by itself: only the limit confirms it.
        let is_rare =
            anomaly.channel != Channel::Limit && anomaly.score.get() >= settings.tunables.confirm_score;
        let high = self.active && is_rare;
        self.high_since = high.then(|| self.high_since.unwrap_or(anomaly.at));
    }

    /// Whether it tells that nothing comes, not that something is wrong.
    pub(crate) fn is_silence(&self) -> bool {
        self.anomaly.channel == Channel::Silence
    }

    pub(crate) fn metric_kind(&self) -> MetricKind {
        MetricKind::of(&self.anomaly.series.metric)
    }
}

/// The evidence for one service in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) members: BTreeMap<AnomalyId, Member>,
    /// Since when the probability is high enough for a prediction.
    pub(crate) above_since: Option<EventTime>,
    /// The open incident that holds this scope.
    pub(crate) owner: Option<IncidentId>,
    /// An incident was refused for want of room; told once.
    pub(crate) refused: bool,
}

/// An incident that isn't over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Open {
    /// As last published, with what people have said since. Its state is the one of `life` whenever it is published.
    pub(crate) incident: Incident,
    pub(crate) life: Life,
    /// When it was opened, or re-opened last.
    pub(crate) since: EventTime,
    pub(crate) pairs: BTreeSet<Pair>,
    /// A person opened or confirmed it: only a person ends it.
    pub(crate) declared: bool,
    /// Severity never falls while it is open; a person's word is its floor.
    pub(crate) severity_floor: Severity,
    /// Since when the evidence is too weak.
    pub(crate) faded_since: Option<EventTime>,
    /// The strongest evidence as last published.
    pub(crate) top: Vec<AnomalyId>,
    /// What people have done since the last event, in words.
    pub(crate) notes: Vec<String>,
    /// What held its pages back when it was published last, whatever the budgets.
    pub(crate) held: Option<HeldBy>,
    /// Whoever waits for planned work was reminded of it.
    pub(crate) is_reminded: bool,
    /// A person has said who answers for it.
    pub(crate) is_attributed: bool,
    /// What rules propose for it.
    pub(crate) remedies: Remedies,
    /// What its evidence came to at most, in this life of it.
    pub(crate) peaks: Peaks,
}

impl Open {
    /// Goes on, where the table allows it; the change that the next event names.
    pub(crate) fn enter(&mut self, trigger: Trigger) -> Option<IncidentChange> {
        let (life, change) = self.life.after(trigger)?;
        self.life = life;
        Some(change)
    }
}

/// An incident that is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// As last published.
    pub(crate) incident: Incident,
    pub(crate) life: Life,
    /// When it ended; words about it come later.
    pub(crate) at: EventTime,
    /// A person said afterwards that it was a false alarm: it doesn't come back.
    pub(crate) is_disowned: bool,
    /// A person has said who answers for it.
    pub(crate) is_attributed: bool,
    /// What rules proposed for it.
    pub(crate) remedies: Remedies,
    /// What its evidence came to at most.
    pub(crate) peaks: Peaks,
}

/// All of one domain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Domain {
    pub(crate) name: DomainName,
    pub(crate) order: Order,
    pub(crate) tracked: BTreeMap<AnomalyId, Tracked>,
    pub(crate) groups: BTreeMap<Pair, Group>,
    pub(crate) open: BTreeMap<IncidentId, Open>,
    /// The newest last.
    pub(crate) closed: VecDeque<Ended>,
    /// Commands and feedback.
    pub(crate) seen: SeenIds,
    /// Anomalies that have been closed and forgotten.
    pub(crate) over: SeenIds,
    /// Entities and their peers.
    pub(crate) peers: Peers,
    /// Pages of the last day.
    pub(crate) pages: Pages,
    /// What pages nobody for a while.
    pub(crate) silences: Silences,
    /// What people's verdicts changed, for a while.
    pub(crate) adjustments: Adjustments,
    /// What came of predictions.
    pub(crate) learner: Learner,
    /// What holds for all remedies.
    pub(crate) remedial: Remedial,
    /// What is known of services beside the settings.
    pub(crate) known: Known,
}

impl Domain {
    pub(crate) fn new(name: DomainName) -> Self {
        Self {
            name,
            order: Order::default(),
            tracked: BTreeMap::new(),
            groups: BTreeMap::new(),
            open: BTreeMap::new(),
            closed: VecDeque::new(),
            seen: SeenIds::default(),
            over: SeenIds::default(),
            peers: Peers::default(),
            pages: Pages::default(),
            silences: Silences::default(),
            adjustments: Adjustments::default(),
            learner: Learner::default(),
            remedial: Remedial::default(),
            known: Known::default(),
        }
    }

    /// Whether time alone may change something: then every step is judged.
    pub(crate) fn is_busy(&self) -> bool {
        self.tracked.values().any(|t| t.active)
            || self
                .open
                .values()
                .any(|o| o.faded_since.is_some() || !o.notes.is_empty())
            || self.open.values().any(|o| !o.declared)
    }

    /// When time alone will change something although nothing goes on: a silence over an open incident ends, planned work comes
    /// on, the time of a remedy is over.
    pub(crate) fn next_due(&self) -> Option<EventTime> {
        let silence = |o: &Open| o.incident.silenced.as_ref().map(|s| s.until);
        let times = self
            .open
            .values()
            .flat_map(|o| [silence(o), o.next_work(), o.remedies.next_due()]);
        times.flatten().min()
    }

    /// Takes a revision of an anomaly.
    pub(crate) fn take_anomaly(
        &mut self,
        anomaly: &Anomaly,
        settings: &CorrelateSettings,
        effects: &mut Effects<IncidentEvent>,
    ) {
        if let Some(known) = self.tracked.get_mut(&anomaly.id) {
            if anomaly.revision <= known.anomaly.revision {
                effects.reject(
                    RejectReason::Duplicate,
                    format!("anomaly {} revision {}", anomaly.id, anomaly.revision),
                );
                return;
            }
            known.take(anomaly, settings);
        } else if self.over.contains(anomaly.id.as_str()) {
            // It has been closed and forgotten: whatever comes of it again is old.
            let what = format!("anomaly {} revision {}: it is over", anomaly.id, anomaly.revision);
            effects.reject(RejectReason::Duplicate, what);
            return;
        } else if !self.track(anomaly, settings, effects) {
            return;
        }
        for group in self
            .groups
            .values()
            .filter(|g| g.members.contains_key(&anomaly.id))
        {
            if let Some(open) = group.owner.as_ref().and_then(|id| self.open.get_mut(id)) {
                open.incident.lineage.merge(&anomaly.lineage);
            }
        }
    }

    fn track(
        &mut self,
        anomaly: &Anomaly,
        settings: &CorrelateSettings,
        effects: &mut Effects<IncidentEvent>,
    ) -> bool {
        // Closed, and never heard of: it was over before it could speak for anything.
        if anomaly.state == AnomalyState::Closed {
            self.over.insert(anomaly.id.as_str());
            return false;
        }
        let topology = self.known.topology(settings);
        let place = match topology.place(&anomaly.series) {
            Ok(place) => place,
            Err(why) => {
                effects.reject(RejectReason::UnknownScope, why);
                return false;
            }
        };
        let is_silence = anomaly.channel == Channel::Silence;
        let max = if is_silence {
            ANOMALIES_MAX / 2
        } else {
            ANOMALIES_MAX
        };
        if self.tracked.len() >= max {
            effects.reject(
                RejectReason::SeriesLimit,
                format!("anomaly {}: {max} are kept already", anomaly.id),
            );
            return false;
        }
        let mut taken = false;
        let touched = topology.touched(&place.service);
        for (service, steps) in touched {
            let pair = Pair {
                region: place.region.clone(),
                service,
            };
            if !is_silence {
                self.known.moves.take(&pair, anomaly.from);
            }
            let group = self.groups.entry(pair).or_default();
            if is_silence && silent_members(group, &self.tracked) >= SILENT_MEMBERS_MAX {
                let why = format!(
                    "anomaly {}: its scope has {SILENT_MEMBERS_MAX} silent ones",
                    anomaly.id
                );
                effects.reject(RejectReason::SeriesLimit, why);
                continue;
            }
            if group.members.len() >= MEMBERS_MAX && !make_room(group, &self.tracked) {
                effects.reject(
                    RejectReason::SeriesLimit,
                    format!("anomaly {}: its scope has {MEMBERS_MAX} active ones", anomaly.id),
                );
                continue;
            }
            let standing = Standing::Full;
            group
                .members
                .insert(anomaly.id.clone(), Member { steps, standing });
            taken = true;
        }
        if taken {
            let tracked = Tracked::new(anomaly, place.elements, settings);
            self.tracked.insert(anomaly.id.clone(), tracked);
        }
        taken
    }

    /// Ends evidence without news, and forgets what is over and needed by no open incident.
    pub(crate) fn tidy(&mut self, at: EventTime, settings: &CorrelateSettings) {
        self.silences.expire(at);
        self.adjustments.expire(at);
        self.known.expire(at, settings);
        let stale = Duration::from_secs(settings.tunables.evidence_stale_seconds);
        let keep = Duration::from_secs(settings.tunables.resolve_after_seconds);
        for tracked in self.tracked.values_mut().filter(|t| t.active) {
            if at.since(tracked.anomaly.at) > stale {
                tracked.active = false;
                tracked.beyond_since = None;
                tracked.high_since = None;
            }
        }
        let mut needed: BTreeSet<AnomalyId> = BTreeSet::new();
        for group in self.groups.values_mut() {
            let owned = group.owner.is_some();
            let tracked = &self.tracked;
            group.members.retain(|id, _| {
                owned
                    || tracked
                        .get(id)
                        .is_some_and(|t| t.active || at.since(t.anomaly.at) <= keep)
            });
            needed.extend(group.members.keys().cloned());
        }
        self.groups
            .retain(|_, g| !g.members.is_empty() || g.owner.is_some());
        let over = &mut self.over;
        self.tracked.retain(|id, tracked| {
            let is_needed = needed.contains(id);
            if !is_needed && tracked.anomaly.state == AnomalyState::Closed {
                over.insert(id.as_str());
            }
            is_needed
        });
    }

    /// The members of all pairs, each once, with its shortest way and best standing.
    pub(crate) fn members_of(&self, pairs: &BTreeSet<Pair>) -> BTreeMap<AnomalyId, Member> {
        let mut members: BTreeMap<AnomalyId, Member> = BTreeMap::new();
        for (id, member) in pairs
            .iter()
            .filter_map(|p| self.groups.get(p))
            .flat_map(|g| &g.members)
        {
            members
                .entry(id.clone())
                .and_modify(|m| {
                    m.steps = m.steps.min(member.steps);
                    m.standing = m.standing.min(member.standing);
                })
                .or_insert(*member);
        }
        members
    }

    /// The input records behind these members.
    pub(crate) fn lineage_of(&self, members: &BTreeMap<AnomalyId, Member>) -> Lineage {
        let mut lineage = Lineage::default();
        for tracked in members.keys().filter_map(|id| self.tracked.get(id)) {
            lineage.merge(&tracked.anomaly.lineage);
        }
        lineage
    }

    /// Gives the scope of an ended incident free; its evidence keeps `standing` at most.
    pub(crate) fn release(&mut self, pairs: &BTreeSet<Pair>, standing: Standing) {
        for pair in pairs {
            let Some(group) = self.groups.get_mut(pair) else {
                continue;
            };
            group.owner = None;
            group.above_since = None;
            group.refused = false;
            for member in group.members.values_mut() {
                member.standing = member.standing.max(standing);
            }
        }
    }

    pub(crate) fn remember(&mut self, ended: Ended) {
        self.closed.push_back(ended);
        if self.closed.len() > CLOSED_KEPT_MAX {
            // One whose verdict still changes something is kept, so that it can be taken back.
            let adjustments = &self.adjustments;
            let oldest = self
                .closed
                .iter()
                .position(|e| !adjustments.is_of(&e.incident.id));
            self.closed.remove(oldest.unwrap_or(0));
        }
    }
}

fn silent_members(group: &Group, tracked: &BTreeMap<AnomalyId, Tracked>) -> usize {
    let of = group.members.keys().filter_map(|id| tracked.get(id));
    of.filter(|t| t.active && t.is_silence()).count()
}

/// Drops the member that has been over for longest; `false`: all are active.
fn make_room(group: &mut Group, tracked: &BTreeMap<AnomalyId, Tracked>) -> bool {
    let oldest = group
        .members
        .keys()
        .filter_map(|id| tracked.get(id))
        .filter(|t| !t.active)
        .min_by_key(|t| (t.anomaly.at, t.anomaly.id.clone()))
        .map(|t| t.anomaly.id.clone());
    oldest.is_some_and(|id| group.members.remove(&id).is_some())
}

//! Customers who write that it still fails after they were told that it works: evidence for `correlate`, without a person in it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forecall_stats::binomial_tail;
use forecall_types::{
    Anomaly, AnomalyId, AnomalyState, Band, Channel, Direction, DomainName, EventTime, Fingerprint,
    IncidentId, Labels, Lineage, RegionCode, Score, SeriesKey, ServiceName,
};
use serde::{Deserialize, Serialize};

use super::directory::PersonNo;
use crate::settings::ReplySettings;

/// The metric: the share of those told who write that it still fails, 0 to 1.
const METRIC: &str = "forecall.replies.still_failing";
/// Where fewer were told, one in fifty still has to be more than one person.
const TOLD_MIN: u64 = 50;
/// People counted at one place: more add nothing to what so many say.
const PEOPLE_MAX: usize = 10_000;
/// A share with this chance lies at the edge of what is normal, and is told: a score of 3.
const EDGE: f64 = 1e-3;
/// Its minus log₁₀.
const EDGE_SCORE: f64 = 3.0;

/// A service at a place, as the incident names them.
pub(crate) type Place = (ServiceName, RegionCode);

/// Those who write of one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cries {
    people: BTreeSet<PersonNo>,
    /// First and last of them.
    from: EventTime,
    at: EventTime,
    /// Told that it works.
    told: u64,
    /// Of the evidence as it was told last; 0: not yet.
    revision: u32,
    /// More have written since.
    is_news: bool,
}

impl Cries {
    /// One more has written, of so many who were told.
    pub(crate) fn hear(&mut self, no: PersonNo, told: u64, at: EventTime) {
        if self.people.is_empty() {
            self.from = at;
        }
        self.at = self.at.max(at);
        self.told = self.told.max(told);
        if self.people.len() < PEOPLE_MAX {
            self.is_news |= self.people.insert(no);
        }
    }

    /// Whether `correlate` knows of it.
    pub(crate) const fn is_told(&self) -> bool {
        self.revision > 0
    }

    pub(crate) fn forget(&mut self, no: PersonNo) {
        self.people.remove(&no);
    }

    /// Nobody has written for so long.
    pub(crate) fn is_over(&self, now: EventTime, settings: &ReplySettings) -> bool {
        now.since(self.at) >= Duration::from_secs(u64::from(settings.still_down_minutes) * 60)
    }

    /// The evidence, if there is any and it is news: enough people, and more than ever have trouble of their own.
    pub(crate) fn news(
        &mut self,
        of: (&DomainName, &IncidentId, &Place),
        settings: &ReplySettings,
    ) -> Option<Anomaly> {
        if !std::mem::take(&mut self.is_news) {
            return None;
        }
        let count = self.count();
        let score = self.score(settings);
        let is_much = count >= u64::from(settings.still_down_min.max(1)) && score.get() >= EDGE_SCORE;
        if self.revision == 0 && !is_much {
            return None;
        }
        let state = if self.revision == 0 {
            AnomalyState::Opened
        } else {
            AnomalyState::Updated
        };
        Some(self.evidence(of, state, settings))
    }

    /// Its end, if it was ever told.
    pub(crate) fn end(
        mut self,
        of: (&DomainName, &IncidentId, &Place),
        settings: &ReplySettings,
    ) -> Option<Anomaly> {
        (self.revision > 0).then(|| self.evidence(of, AnomalyState::Closed, settings))
    }

    fn count(&self) -> u64 {
        u64::try_from(self.people.len()).unwrap_or(u64::MAX)
    }

    fn trials(&self) -> u64 {
        self.told.max(TOLD_MIN).max(self.count())
    }

    fn score(&self, settings: &ReplySettings) -> Score {
        let tail = binomial_tail(self.count(), self.trials(), settings.still_down_usual.get());
        Score::clamped(-libm::log10(tail))
    }

    fn evidence(
        &mut self,
        (domain, incident, (service, region)): (&DomainName, &IncidentId, &Place),
        state: AnomalyState,
        settings: &ReplySettings,
    ) -> Anomaly {
        self.revision = self.revision.saturating_add(1);
        let usual = settings.still_down_usual.get();
        let (count, trials) = (self.count(), self.trials());
        Anomaly {
            id: AnomalyId::derived(Fingerprint::of_parts(&[
                b"still failing",
                incident.as_str().as_bytes(),
                service.as_str().as_bytes(),
                region.as_str().as_bytes(),
                &self.from.nanos().to_le_bytes(),
            ])),
            revision: self.revision,
            state,
            domain: domain.clone(),
            series: Arc::new(SeriesKey {
                metric: Arc::from(METRIC),
                unit: Arc::from("1"),
                resource: Labels::from_pairs([
                    ("service.name", service.as_str()),
                    ("region", region.as_str()),
                ]),
                labels: Labels::default(),
            }),
            channel: Channel::Shift,
            direction: Direction::Up,
            from: self.from,
            at: self.at,
            score: self.score(settings),
            observed: share(count, trials),
            expected: usual,
            band: Band {
                low: 0.0,
                high: share(edge(trials, usual), trials),
            },
            samples: u32::try_from(count).unwrap_or(u32::MAX),
            slope: 0.0,
            window: Vec::new(),
            ahead: Vec::new(),
            lineage: Lineage::default(),
            context: Vec::new(),
            siblings: None,
            usual: None,
            traffic: None,
        }
    }
}

/// The most among `trials` that are still normal.
fn edge(trials: u64, usual: f64) -> u64 {
    let (mut normal, mut rare) = (0, trials.saturating_add(1));
    while rare - normal > 1 {
        let middle = normal + (rare - normal) / 2;
        if binomial_tail(middle, trials, usual) > EDGE {
            normal = middle;
        } else {
            rare = middle;
        }
    }
    normal
}

#[allow(
    clippy::cast_precision_loss,
    reason = "people of one place are far fewer than 2^53"
)]
fn share(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64
}

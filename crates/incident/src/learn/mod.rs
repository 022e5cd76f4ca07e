//! What came of predictions: counted, and learnt from.
//!
//! Two kinds of sayings have an outcome. A *told* prediction is an incident as first published. A *watch* is what was
//! said of a scope when evidence of it first spoke, whether or not anything was published: without it only the likely half would be
//! learnt from. Both end when customers are hit or the horizon has passed, whatever incident holds the scope by then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use forecall_types::{EventTime, IncidentId, Probability, RegionCode};
use serde::{Deserialize, Serialize};

use crate::group::CLOSED_KEPT_MAX;
use crate::predict::{Assessment, Features};
use crate::scope::Pair;
use crate::settings::CorrelateSettings;

mod model;

pub(crate) use model::Model;
use model::Taught;

/// Scopes watched at a time: four times as many as incidents may be open. A further one isn't learnt from.
pub const WATCHES_MAX: usize = 4_096;
/// Predictions waited for at a time; beyond it the first to end counts as unknown.
pub const TOLD_MAX: usize = 4_096;
/// Parts of equal width into which probabilities are counted, from 0 to 1.
pub const BIN_COUNT: usize = 10;

/// What became of predictions that were first told with a probability of this part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PredictionBin {
    /// Customers were hit.
    pub came: u64,
    /// They weren't within the horizon, or a person withdrew it.
    pub stayed_away: u64,
}

impl PredictionBin {
    const fn of(&mut self, came: bool) -> &mut u64 {
        if came {
            &mut self.came
        } else {
            &mut self.stayed_away
        }
    }
}

/// What was learnt, and how right predictions were; over all domains.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LearntHealth {
    /// By probability as first told, from 0 to 1.
    pub bins: [PredictionBin; BIN_COUNT],
    /// Ended so that nobody can say whether it would have come: somebody did something.
    pub unknown: u64,
    /// Sum over all that came or stayed away of the squared error of the probability as first told (Brier 1950).
    pub brier_sum: f64,
    /// Told, and neither come nor overdue.
    pub waiting: usize,
    /// Outcomes that weights were learnt from; a scope that was watched counts as one as well.
    pub outcomes: u64,
    /// Scopes that are watched.
    pub watches: usize,
    /// Scopes not watched for want of room.
    pub unwatched: u64,
}

impl LearntHealth {
    /// Predictions that came or stayed away.
    pub fn settled(&self) -> u64 {
        self.bins.iter().map(|bin| bin.came + bin.stayed_away).sum()
    }

    /// Adds what one domain has learnt.
    pub(crate) fn take(&mut self, learner: &Learner) {
        for (sum, bin) in self.bins.iter_mut().zip(&learner.ledger.bins) {
            sum.came += bin.came;
            sum.stayed_away += bin.stayed_away;
        }
        self.unknown += learner.ledger.unknown;
        self.brier_sum += learner.ledger.brier_sum;
        self.waiting += learner.told.len();
        self.outcomes += learner.outcomes;
        self.watches += learner.watches.len();
        self.unwatched += learner.unwatched;
    }
}

/// What was said of a scope, and until when customers must be hit for it to have come true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Saying {
    features: Features,
    probability: Probability,
    due: EventTime,
}

impl Saying {
    fn of(a: &Assessment, at: EventTime, settings: &CorrelateSettings) -> Self {
        Self {
            features: a.features,
            probability: a.probability,
            due: at.plus(settings.horizon()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    saying: Saying,
    pairs: BTreeSet<Pair>,
}

/// What became of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Fate {
    Came,
    StayedAway,
    /// Nobody can say.
    Unknown,
}

impl Fate {
    const fn came(self) -> Option<bool> {
        match self {
            Self::Came => Some(true),
            Self::StayedAway => Some(false),
            Self::Unknown => None,
        }
    }
}

/// What a person says became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Customers were hit, or would have been.
    Came,
    /// Customers were hit first at this time.
    At(EventTime),
    /// It was an error.
    StayedAway,
    /// It is explained by what is known: that customers were hit stands where it was measured, all else is open.
    Explained,
    /// Nothing more: as it was measured.
    Withdrawn,
}

/// A prediction of which it is known what became, at most [`CLOSED_KEPT_MAX`] of them: a person may still say otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Settled {
    id: IncidentId,
    saying: Saying,
    fate: Fate,
    /// What a person's word has changed.
    word: Option<Word>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Word {
    /// What was thought to have become of it before.
    before: Fate,
    /// What the word taught.
    taught: Option<Taught>,
}

/// Told predictions by what became of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Ledger {
    bins: [PredictionBin; BIN_COUNT],
    unknown: u64,
    brier_sum: f64,
}

impl Ledger {
    fn bin(&mut self, probability: Probability) -> Option<&mut PredictionBin> {
        let mut edges = (1_u32..).map(f64::from);
        // The last holds 1 as well.
        let is_last = |edge: f64| edge > 9.5;
        let mut bins = self.bins.iter_mut();
        bins.find(|_| {
            let edge = edges.next().unwrap_or(10.0);
            probability.get() * 10.0 < edge || is_last(edge)
        })
    }

    fn count(&mut self, probability: Probability, fate: Fate) {
        let Some(came) = fate.came() else {
            self.unknown += 1;
            return;
        };
        self.brier_sum += squared_error(probability, came);
        if let Some(bin) = self.bin(probability) {
            *bin.of(came) += 1;
        }
    }

    /// As if it had never been counted.
    fn uncount(&mut self, probability: Probability, fate: Fate) {
        let Some(came) = fate.came() else {
            self.unknown = self.unknown.saturating_sub(1);
            return;
        };
        self.brier_sum -= squared_error(probability, came);
        if let Some(bin) = self.bin(probability) {
            let count = bin.of(came);
            *count = count.saturating_sub(1);
        }
    }
}

fn squared_error(probability: Probability, came: bool) -> f64 {
    let off = probability.get() - if came { 1.0 } else { 0.0 };
    off * off
}

/// What one domain has said, what came of it, and what that taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Learner {
    model: Model,
    ledger: Ledger,
    /// By incident and time: one that comes back is told again while what was said first may still come.
    told: BTreeMap<(IncidentId, EventTime), Told>,
    watches: BTreeMap<Pair, Saying>,
    /// The newest last.
    settled: VecDeque<Settled>,
    outcomes: u64,
    unwatched: u64,
}

impl Default for Learner {
    fn default() -> Self {
        Self {
            model: Model::prior(),
            ledger: Ledger::default(),
            told: BTreeMap::new(),
            watches: BTreeMap::new(),
            settled: VecDeque::new(),
            outcomes: 0,
            unwatched: 0,
        }
    }
}

impl Learner {
    /// What predictions are made by.
    pub(crate) fn model(&self, settings: &CorrelateSettings) -> Model {
        if settings.tunables.learn {
            self.model.clone()
        } else {
            Model::prior()
        }
    }

    /// Whether time alone will settle something.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.told.is_empty() || !self.watches.is_empty()
    }

    /// An incident was predicted.
    pub(crate) fn tell(
        &mut self,
        id: &IncidentId,
        pairs: &BTreeSet<Pair>,
        a: &Assessment,
        at: EventTime,
        settings: &CorrelateSettings,
    ) {
        if self.told.len() >= TOLD_MAX {
            let first = self.told.iter().min_by_key(|(key, told)| (told.saying.due, *key));
            if let Some((id, told)) = first.map(|(key, told)| (key.clone(), told.clone())) {
                self.told.remove(&id);
                self.settle(id.0, told.saying, Fate::Unknown);
            }
        }
        let saying = Saying::of(a, at, settings);
        let pairs = pairs.clone();
        self.told.insert((id.clone(), at), Told { saying, pairs });
    }

    /// Evidence speaks of a scope that no incident holds.
    pub(crate) fn watch(&mut self, pair: &Pair, a: &Assessment, at: EventTime, settings: &CorrelateSettings) {
        if !a.features.is_any() || self.watches.contains_key(pair) {
            return;
        }
        if self.watches.len() >= WATCHES_MAX {
            self.unwatched += 1;
            return;
        }
        self.watches.insert(pair.clone(), Saying::of(a, at, settings));
    }

    /// Customers of these scopes are hit: all that was said of them has come true.
    pub(crate) fn hit(&mut self, pairs: &BTreeSet<Pair>) {
        let mut watched: BTreeMap<&RegionCode, Vec<Saying>> = BTreeMap::new();
        for pair in pairs {
            if let Some(saying) = self.watches.remove(pair) {
                watched.entry(&pair.region).or_default().push(saying);
            }
        }
        for sayings in watched.values() {
            self.learn_together(sayings, true);
        }
        for (id, told) in self.take_told(pairs) {
            self.learn_together(std::slice::from_ref(&told.saying), true);
            self.settle(id, told.saying, Fate::Came);
        }
    }

    fn settle(&mut self, id: IncidentId, saying: Saying, fate: Fate) {
        self.ledger.count(saying.probability, fate);
        let word = None;
        self.settled.push_back(Settled {
            id,
            saying,
            fate,
            word,
        });
        if self.settled.len() > CLOSED_KEPT_MAX {
            self.settled.pop_front();
        }
    }

    /// Somebody did something: nobody can say what would have come.
    pub(crate) fn acted(&mut self, pairs: &BTreeSet<Pair>) {
        self.watches.retain(|pair, _| !pairs.contains(pair));
        for (id, told) in self.take_told(pairs) {
            self.settle(id, told.saying, Fate::Unknown);
        }
    }

    /// A person says what became of an incident's predictions: of those that wait, else of the newest. What was said before is taken back.
    pub(crate) fn judge(&mut self, id: &IncidentId, judged: Judged) {
        let of = self.told.extract_if(.., |(told, _), _| told == id);
        let waiting: Vec<Saying> = of.map(|(_, told)| told.saying).collect();
        let fresh = waiting.len().max(1);
        for saying in waiting {
            self.settle(id.clone(), saying, Fate::Unknown);
        }
        let of_it = self.settled.iter().enumerate().rev().filter(|(_, s)| s.id == *id);
        let places: Vec<usize> = of_it.take(fresh).map(|(place, _)| place).collect();
        for place in places {
            let Some(mut settled) = self.settled.get(place).cloned() else {
                continue;
            };
            self.unsay(&mut settled);
            self.say(&mut settled, judged);
            if let Some(slot) = self.settled.get_mut(place) {
                *slot = settled;
            }
        }
    }

    /// Takes back what a person said, and what it taught.
    fn unsay(&mut self, settled: &mut Settled) {
        let Some(word) = settled.word.take() else {
            return;
        };
        self.refate(settled, word.before);
        if let Some(taught) = &word.taught {
            self.model.unlearn(taught);
            self.outcomes = self.outcomes.saturating_sub(1);
        }
    }

    fn say(&mut self, settled: &mut Settled, judged: Judged) {
        let before = settled.fate;
        let fate = match judged {
            Judged::Withdrawn => return,
            Judged::Came => Fate::Came,
            Judged::At(onset) if onset <= settled.saying.due => Fate::Came,
            Judged::At(_) | Judged::StayedAway => Fate::StayedAway,
            Judged::Explained if before == Fate::Came => Fate::Came,
            Judged::Explained => Fate::Unknown,
        };
        self.refate(settled, fate);
        let taught = fate.came().filter(|_| fate != before).map(|came| {
            let model = self.model.clone();
            self.learn_together(std::slice::from_ref(&settled.saying), came);
            self.model.since(&model)
        });
        settled.word = Some(Word { before, taught });
    }

    fn refate(&mut self, settled: &mut Settled, fate: Fate) {
        self.ledger.uncount(settled.saying.probability, settled.fate);
        self.ledger.count(settled.saying.probability, fate);
        settled.fate = fate;
    }

    /// Up to `at` all is known: what was due before it has stayed away. In order of the times when it was due, so that it
    /// doesn't matter how often this is asked.
    pub(crate) fn pass(&mut self, at: EventTime) {
        let mut overdue: BTreeMap<(EventTime, Option<RegionCode>), Vec<Saying>> = BTreeMap::new();
        let over = self.told.extract_if(.., |_, told| told.saying.due < at);
        let over: Vec<(IncidentId, Saying)> = over.map(|((id, _), told)| (id, told.saying)).collect();
        for (id, saying) in over {
            overdue
                .entry((saying.due, None))
                .or_default()
                .push(saying.clone());
            self.settle(id, saying, Fate::StayedAway);
        }
        let over = self.watches.extract_if(.., |_, watch| watch.due < at);
        for (pair, saying) in over {
            let key = (saying.due, Some(pair.region));
            overdue.entry(key).or_default().push(saying);
        }
        for ((_, region), sayings) in overdue {
            if region.is_some() {
                self.learn_together(&sayings, false);
            } else {
                for saying in sayings {
                    self.learn_together(&[saying], false);
                }
            }
        }
    }

    fn take_told(&mut self, pairs: &BTreeSet<Pair>) -> Vec<(IncidentId, Told)> {
        let of = self.told.extract_if(.., |_, told| !told.pairs.is_disjoint(pairs));
        of.map(|((id, _), told)| (id, told)).collect()
    }

    /// Services of one region that the same trouble touches are one outcome.
    fn learn_together(&mut self, sayings: &[Saying], came: bool) {
        let Some(count) = u32::try_from(sayings.len()).ok().filter(|n| *n > 0) else {
            return;
        };
        self.outcomes += 1;
        for saying in sayings {
            self.model.learn(&saying.features, came, 1.0 / f64::from(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use forecall_types::Term;

    use super::*;

    #[test]
    fn each_probability_has_its_bin() {
        let mut ledger = Ledger::default();
        for p in [0.0, 0.05, 0.1, 0.65, 0.75, 0.99, 1.0] {
            ledger.count(Probability::clamped(p), Fate::Came);
        }
        assert_eq!(ledger.bins.map(|bin| bin.came), [2, 1, 0, 0, 0, 0, 1, 1, 0, 2]);
        ledger.uncount(Probability::clamped(0.75), Fate::Came);
        ledger.count(Probability::clamped(0.75), Fate::StayedAway);
        assert_eq!((ledger.bins[7].came, ledger.bins[7].stayed_away), (0, 1));
    }

    fn settled(learner: &mut Learner, id: &IncidentId, fate: Fate) {
        let mut features = Features::default();
        features.add(Term::Bias, 1.0);
        features.add(Term::Score, 6.0);
        let saying = Saying {
            features,
            probability: Probability::clamped(0.7),
            due: EventTime::from_secs(3_600),
        };
        learner.settle(id.clone(), saying, fate);
    }

    #[test]
    fn a_verdict_counts_as_if_it_had_been_known_and_taken_back_leaves_nothing() {
        let id = IncidentId::new("inc_1").unwrap();
        let late = EventTime::from_secs(3_601);
        for fate in [Fate::Came, Fate::StayedAway, Fate::Unknown] {
            for (judged, known) in [
                (Judged::Came, Fate::Came),
                (Judged::At(EventTime::from_secs(3_600)), Fate::Came),
                (Judged::At(late), Fate::StayedAway),
                (Judged::StayedAway, Fate::StayedAway),
                (
                    Judged::Explained,
                    if fate == Fate::Came {
                        Fate::Came
                    } else {
                        Fate::Unknown
                    },
                ),
            ] {
                let (mut learner, mut oracle) = (Learner::default(), Learner::default());
                settled(&mut learner, &id, fate);
                let untaught = learner.clone();
                settled(&mut oracle, &id, known);
                learner.judge(&id, Judged::StayedAway);
                learner.judge(&id, judged);
                assert_eq!(learner.ledger.bins, oracle.ledger.bins, "{fate:?} {judged:?}");
                assert_eq!(learner.ledger.unknown, oracle.ledger.unknown);
                assert!((learner.ledger.brier_sum - oracle.ledger.brier_sum).abs() < 1e-12);
                assert_eq!(
                    learner.outcomes,
                    u64::from(known != fate && known != Fate::Unknown)
                );
                assert_eq!(
                    learner.model.is_near(&untaught.model),
                    learner.outcomes == 0,
                    "a verdict that says something else than was known teaches, one that doesn't, doesn't"
                );
                learner.judge(&id, Judged::Withdrawn);
                assert_eq!(learner.ledger.bins, untaught.ledger.bins);
                assert!((learner.ledger.brier_sum - untaught.ledger.brier_sum).abs() < 1e-12);
                assert!(learner.model.is_near(&untaught.model));
                assert_eq!(learner.outcomes, 0);
            }
        }
    }
}

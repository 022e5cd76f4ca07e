//! Adjustments: what a verdict changes of how its scope is judged from then on, for a while.
//!
//! A false alarm raises what evidence of the kind must come to, and lowers the prior of the scope. What was expected doesn't speak up to
//! the values it had, at that time of the day. What is the new normal doesn't speak of those series within the values they had. What was
//! right raises the prior. What lies beyond an objective is never muted: that customers are hit there is somebody's word already,
//! and only the configuration takes it back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Adjustment, AnomalyId, Channel, DayPart, Direction, EventTime, Exception, IncidentId, Score, Verdict,
};
use serde::{Deserialize, Serialize};

use super::peaks::{Peak, Peaks};
use crate::group::{Domain, Member, Tracked};
use crate::publish::Step;
use crate::reason::{clock, moment, number};
use crate::scope::Pair;
use crate::settings::CorrelateSettings;

/// Adjustments of one domain in force at once, at most some 20 KiB each: as many as incidents that have ended are kept.
pub const ADJUSTMENTS_MAX: usize = 256;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// A false alarm said again of a scope holds for twice as long, up to this many times.
const REPEATS_MAX: u32 = 3;
/// What a false alarm takes from the log-odds of its scope: a prediction at 0.6 needs what gave 0.71 before.
const FALSE_ALARM_PRIOR: f64 = -0.5;
/// What a right one adds: half as much, since most verdicts on what was right are never given.
const RIGHT_PRIOR: f64 = 0.25;
/// All verdicts on a scope together add no less and no more.
const PRIOR_MIN: f64 = -1.5;
const PRIOR_MAX: f64 = 0.5;
/// Beyond what a false alarm came to, its kind must be ten times rarer to speak.
const SCORE_MARGIN: f64 = 1.0;
/// What is rarer than this speaks whatever was said: below the score that may confirm alone.
const SCORE_MOST: f64 = 10.0;
/// What is expected may come this much earlier or later on another day, a change of the clocks among them …
const DAILY_SLACK: Duration = HOUR;
/// … or go on for so long, where it isn't over when it is judged.
const GOES_ON_FOR: Duration = Duration::from_secs(6 * 3_600);
/// What lasts for longer has no time of the day.
const DAILY_MAX: Duration = Duration::from_secs(12 * 3_600);
/// Exceptions told in words.
const NAMED_MAX: usize = 3;

/// How long the adjustment of a verdict holds at first; `None`: there is none.
const fn holds_for(verdict: Verdict) -> Option<Duration> {
    match verdict {
        Verdict::FalseAlarm => Some(DAY.saturating_mul(7)),
        Verdict::Right => Some(DAY.saturating_mul(14)),
        // By then the baselines have learnt the new level.
        Verdict::Expected | Verdict::NewNormal => Some(DAY.saturating_mul(30)),
        Verdict::Withdrawn => None,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Adjusted {
    pairs: BTreeSet<Pair>,
    said: Adjustment,
}

/// Those in force in one domain by the incident that was judged, at most [`ADJUSTMENTS_MAX`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Adjustments(BTreeMap<IncidentId, Adjusted>);

impl Adjustments {
    /// How many are in force at `at`.
    pub(crate) fn count(&self, at: Option<EventTime>) -> usize {
        let is_in_force = |adjusted: &&Adjusted| at.is_none_or(|at| adjusted.said.until > at);
        self.0.values().filter(is_in_force).count()
    }

    /// Whether the verdict on this incident still changes something.
    pub(crate) fn is_of(&self, id: &IncidentId) -> bool {
        self.0.contains_key(id)
    }

    /// Forgets those that are over.
    pub(crate) fn expire(&mut self, at: EventTime) {
        self.0.retain(|_, adjusted| adjusted.said.until > at);
    }

    /// Takes the place of what an earlier verdict on the incident changed; `None`: nothing holds any more.
    pub(super) fn set(&mut self, id: &IncidentId, pairs: &BTreeSet<Pair>, said: Option<Adjustment>) {
        match said {
            Some(said) => {
                let pairs = pairs.clone();
                self.0.insert(id.clone(), Adjusted { pairs, said });
            }
            None => {
                self.0.remove(id);
            }
        }
    }

    /// Whether there is no room for another of this incident.
    pub(super) fn is_full(&self, id: &IncidentId) -> bool {
        self.0.len() >= ADJUSTMENTS_MAX && !self.is_of(id)
    }

    /// How often the same was said of some of these services lately, of other incidents.
    pub(super) fn repeats(&self, id: &IncidentId, pairs: &BTreeSet<Pair>, verdict: Verdict) -> u32 {
        let same = self.0.iter().filter(|(of, adjusted)| {
            *of != id && adjusted.said.verdict == verdict && !adjusted.pairs.is_disjoint(pairs)
        });
        u32::try_from(same.count()).unwrap_or(u32::MAX).min(REPEATS_MAX)
    }

    /// Log-odds that verdicts add to a prediction of these scopes: of several the most, so that what was said of one place mutes none
    /// beside it.
    pub(crate) fn prior(&self, pairs: &BTreeSet<Pair>) -> f64 {
        if self.0.is_empty() {
            return 0.0;
        }
        let of = |pair: &Pair| {
            let said = self.0.values().filter(|adjusted| adjusted.pairs.contains(pair));
            let sum: f64 = said.map(|adjusted| adjusted.said.prior).sum();
            sum.clamp(PRIOR_MIN, PRIOR_MAX)
        };
        pairs.iter().map(of).max_by(f64::total_cmp).unwrap_or(0.0)
    }

    /// Those with exceptions that hold for any of these scopes at `at`.
    fn about<'a>(
        &'a self,
        pairs: &'a BTreeSet<Pair>,
        at: EventTime,
    ) -> impl Iterator<Item = (&'a IncidentId, &'a Adjusted)> {
        self.0.iter().filter(move |(_, adjusted)| {
            let said = &adjusted.said;
            !said.exceptions.is_empty()
                && said.daily.is_none_or(|part| part.holds(at))
                && !adjusted.pairs.is_disjoint(pairs)
        })
    }
}

/// The kind of surprise that a verdict is about: to people a value is as it is, whichever way it was found.
const fn kind(channel: Channel) -> Option<Channel> {
    match channel {
        Channel::Spike | Channel::Shift | Channel::Season | Channel::Shape | Channel::Novelty => None,
        Channel::Silence | Channel::Peer | Channel::Limit => Some(channel),
    }
}

fn excepts(exception: &Exception, tracked: &Tracked) -> bool {
    let anomaly = &tracked.anomaly;
    exception.metric == anomaly.series.metric
        && exception.channel == kind(anomaly.channel)
        && exception.direction == anomaly.direction
        && exception
            .series
            .as_ref()
            .is_none_or(|series| *series == anomaly.series)
        && exception.score_max.is_none_or(|most| anomaly.score <= most)
        && exception.value_min.is_none_or(|least| anomaly.observed >= least)
        && exception.value_max.is_none_or(|most| anomaly.observed <= most)
}

fn is_beyond_objective(tracked: &Tracked, settings: &CorrelateSettings) -> bool {
    let objective = settings.objective(&tracked.anomaly);
    objective.is_some_and(|o| o.is_beyond(tracked.anomaly.observed))
}

impl Domain {
    /// Which of these members say nothing by a person's verdict, and by that on which incident.
    pub(crate) fn muted(
        &self,
        pairs: &BTreeSet<Pair>,
        members: &BTreeMap<AnomalyId, Member>,
        step: &Step<'_>,
    ) -> BTreeMap<AnomalyId, IncidentId> {
        let about: Vec<_> = self.adjustments.about(pairs, step.at).collect();
        if about.is_empty() {
            return BTreeMap::new();
        }
        let groups: Vec<_> = pairs
            .iter()
            .filter_map(|pair| Some((pair, self.groups.get(pair)?)))
            .collect();
        let by = |id: &AnomalyId| {
            let tracked = self.tracked.get(id)?;
            if is_beyond_objective(tracked, step.settings) {
                return None;
            }
            let places = groups.iter().filter(|(_, group)| group.members.contains_key(id));
            let places: Vec<&Pair> = places.map(|(pair, _)| *pair).collect();
            // Where it speaks in several scopes, each of them was judged.
            let mut muting = about.iter().filter(|(_, adjusted)| {
                places.iter().all(|pair| adjusted.pairs.contains(*pair))
                    && adjusted.said.exceptions.iter().any(|e| excepts(e, tracked))
            });
            muting.next().map(|(by, _)| *by)
        };
        let muted = members
            .keys()
            .filter_map(|id| Some((id.clone(), by(id)?.clone())));
        muted.collect()
    }
}

/// What a verdict changes. `is_over`: the incident has ended; `repeats`: how often the same was said of its scope lately.
pub(super) fn adjustment(
    (verdict, at): (Verdict, EventTime),
    peaks: &Peaks,
    is_over: bool,
    repeats: u32,
) -> Option<Adjustment> {
    let longer = 2_u32.pow(repeats.min(REPEATS_MAX));
    let until = at.plus(holds_for(verdict)?.saturating_mul(longer));
    // No more than there are peaks, and those are bounded.
    let of_kind = |limit: &dyn Fn(&Peak, &mut Exception)| {
        let mut exceptions: Vec<Exception> = Vec::new();
        for peak in &peaks.0 {
            let mut exception = kind_of(peak);
            limit(peak, &mut exception);
            join(&mut exceptions, exception);
        }
        exceptions
    };
    let (prior, exceptions) = match verdict {
        Verdict::FalseAlarm => (
            FALSE_ALARM_PRIOR,
            of_kind(&|peak, exception| {
                let most = (peak.score.get() + SCORE_MARGIN).min(SCORE_MOST);
                exception.score_max = Some(Score::clamped(most));
            }),
        ),
        Verdict::Expected => (
            0.0,
            of_kind(&|peak, exception| match (peak.channel, peak.direction) {
                (Channel::Silence, _) => {}
                (_, Direction::Up) => exception.value_max = Some(peak.high + peak.noise),
                (_, Direction::Down) => exception.value_min = Some(peak.low - peak.noise),
            }),
        ),
        Verdict::NewNormal => (
            0.0,
            of_kind(&|peak, exception| {
                exception.series = Some(Arc::clone(&peak.series));
                if peak.channel != Channel::Silence {
                    exception.value_min = Some(peak.low - peak.noise);
                    exception.value_max = Some(peak.high + peak.noise);
                }
            }),
        ),
        Verdict::Right => (RIGHT_PRIOR, Vec::new()),
        Verdict::Withdrawn => return None,
    };
    let daily = (verdict == Verdict::Expected)
        .then(|| daily(peaks, is_over))
        .flatten();
    Some(Adjustment {
        verdict,
        at,
        until,
        prior,
        daily,
        exceptions,
    })
}

/// Of all evidence like this in the scope, without limits.
fn kind_of(peak: &Peak) -> Exception {
    Exception {
        metric: Arc::clone(&peak.series.metric),
        series: None,
        channel: kind(peak.channel),
        direction: peak.direction,
        score_max: None,
        value_min: None,
        value_max: None,
    }
}

fn is_like(a: &Exception, b: &Exception) -> bool {
    a.metric == b.metric && a.series == b.series && a.channel == b.channel && a.direction == b.direction
}

/// Adds one, or lets one of its kind hold for it as well.
fn join(exceptions: &mut Vec<Exception>, exception: Exception) {
    match exceptions.iter_mut().find(|known| is_like(known, &exception)) {
        Some(known) => widen(known, &exception),
        None => exceptions.push(exception),
    }
}

/// Lets one hold for all that the other holds for; both are of one kind and have the same limits.
fn widen(known: &mut Exception, other: &Exception) {
    let most = |a: Option<f64>, b: Option<f64>| Some(a?.max(b?));
    let rarer = |a: Score, b: Score| if a < b { b } else { a };
    known.score_max = known.score_max.and_then(|a| Some(rarer(a, other.score_max?)));
    known.value_max = most(known.value_max, other.value_max);
    known.value_min = known.value_min.and_then(|a| Some(a.min(other.value_min?)));
}

/// The part of the day in which it came; `None`: it lasted too long to have one.
fn daily(peaks: &Peaks, is_over: bool) -> Option<DayPart> {
    let from = peaks.0.iter().map(|peak| peak.from).min()?;
    let to = peaks.0.iter().map(|peak| peak.at).max()?;
    if to.since(from) > DAILY_MAX {
        return None;
    }
    let after = if is_over { DAILY_SLACK } else { GOES_ON_FOR };
    let second = |at: EventTime| u32::try_from(at.secs().rem_euclid(86_400)).unwrap_or(0);
    Some(DayPart {
        from: second(from.minus(DAILY_SLACK)),
        to: second(to.plus(after)),
    })
}

/// What it changes, for people: `cpu up to 93 won't count here from 01:10 to 05:40 UTC, until 2026-12-30 12:00 UTC`; empty where nothing.
pub fn in_words(adjustment: &Adjustment, now: EventTime) -> String {
    let named = adjustment.exceptions.iter().take(NAMED_MAX).map(one_in_words);
    let mut parts: Vec<String> = named.collect();
    let more = adjustment.exceptions.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    let mut text = parts.join(", ");
    if !text.is_empty() {
        text.push_str(" won't count here");
        if let Some(part) = adjustment.daily {
            let at = |second: u32| clock(EventTime::from_secs(i64::from(second)));
            let from = at(part.from);
            text.push_str(&format!(
                " from {} to {}",
                from.trim_end_matches(" UTC"),
                at(part.to)
            ));
        }
    }
    if adjustment.prior.abs() > 0.0 {
        let (more, prior) = if adjustment.prior > 0.0 {
            ("more", adjustment.prior)
        } else {
            ("less", -adjustment.prior)
        };
        let comma = if text.is_empty() { "" } else { ", " };
        text.push_str(&format!(
            "{comma}predictions here are {} {more} sure in log-odds",
            number(prior)
        ));
    }
    if text.is_empty() {
        return text;
    }
    format!("{text}, until {}", moment(adjustment.until, now))
}

fn one_in_words(exception: &Exception) -> String {
    let mut text = exception.metric.to_string();
    match (exception.value_min, exception.value_max) {
        (Some(least), Some(most)) => text.push_str(&format!(" from {} to {}", number(least), number(most))),
        (Some(least), None) => text.push_str(&format!(" down to {}", number(least))),
        (None, Some(most)) => text.push_str(&format!(" up to {}", number(most))),
        (None, None) => {}
    }
    if let Some(score) = exception.score_max {
        text.push_str(&format!(" up to score {}", number(score.get())));
    }
    text
}

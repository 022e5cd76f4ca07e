use forecall_stats::bucket_quantile;
use forecall_types::{EventTime, JourneyMap, JourneyMapStep, JourneyTimes};
use serde::{Deserialize, Serialize};

use crate::settings::{Rule, Step, bounds};

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Passed after so many nanoseconds; `None` where another step's event passed it too, or nothing needed to come.
    Passed(Option<i64>),
    Absent,
    Struck,
    Excused,
}

/// One step of the day at hand.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct StepDay {
    reached: u64,
    passed: u64,
    absent: u64,
    struck: u64,
    excused: u64,
    /// How many took how long: one more than the step has bounds.
    times: Vec<u64>,
}

/// One rule of the day at hand.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct RuleDay {
    started: u64,
    refused: u64,
    steps: Vec<StepDay>,
}

impl RuleDay {
    pub(crate) fn start(&mut self) {
        self.started += 1;
    }

    pub(crate) fn refuse(&mut self) {
        self.refused += 1;
    }

    pub(crate) fn reach(&mut self, step: u8) {
        self.change(step, |day| day.reached += 1);
    }

    pub(crate) fn end(&mut self, step: u8, ended: Ended, declared: Option<&Step>) {
        self.change(step, |day| match ended {
            Ended::Passed(took) => {
                day.passed += 1;
                if let (Some(took), Some(declared)) = (took, declared) {
                    day.take(took, &declared.bounds);
                }
            }
            Ended::Absent => day.absent += 1,
            Ended::Struck => day.struck += 1,
            Ended::Excused => day.excused += 1,
        });
    }

    fn change(&mut self, step: u8, change: impl FnOnce(&mut StepDay)) {
        let at = usize::from(step);
        if self.steps.len() <= at {
            self.steps.resize_with(at + 1, StepDay::default);
        }
        if let Some(day) = self.steps.get_mut(at) {
            change(day);
        }
    }

    /// As it is told, where anything happened.
    pub(crate) fn map(
        &self,
        rule: &Rule,
        (from, to): (EventTime, EventTime),
        simulated: bool,
    ) -> Option<JourneyMap> {
        if *self == Self::default() {
            return None;
        }
        let none = StepDay::default();
        let days = self.steps.iter().chain(std::iter::repeat(&none));
        Some(JourneyMap {
            rule: rule.name.clone(),
            from,
            to,
            started: self.started,
            refused: self.refused,
            steps: rule
                .steps
                .iter()
                .zip(days)
                .map(|(step, day)| day.map(step))
                .collect(),
            simulated,
        })
    }
}

/// Adds a map of one partition to that of others, of the same rule and day. Steps that allow another time than before (the rule was
/// changed between) keep their counts, and the quantiles of what was there.
pub fn add_map(into: &mut JourneyMap, other: &JourneyMap) {
    into.started += other.started;
    into.refused += other.refused;
    into.simulated |= other.simulated;
    let known = into.steps.len();
    into.steps.extend(other.steps.iter().skip(known).cloned());
    for (step, more) in into.steps.iter_mut().zip(&other.steps).take(known) {
        step.reached += more.reached;
        step.passed += more.passed;
        step.absent += more.absent;
        step.struck += more.struck;
        step.excused += more.excused;
        if step.allowed_seconds != more.allowed_seconds {
            continue;
        }
        let bounds = bounds(step.allowed_seconds);
        let mut counts = vec![0_u64; bounds.len()];
        for part in step.times.iter().chain(&more.times) {
            let at = bounds.partition_point(|bound| *bound < part.seconds_max);
            let last = counts.len().saturating_sub(1);
            if let Some(count) = counts.get_mut(at.min(last)) {
                *count += part.count;
            }
        }
        step.median_seconds = bucket_quantile(&bounds, &counts, 0.5);
        step.p90_seconds = bucket_quantile(&bounds, &counts, 0.9);
        let parts = bounds.iter().zip(&counts).filter(|(_, count)| **count > 0);
        step.times = parts
            .map(|(seconds_max, count)| JourneyTimes {
                seconds_max: *seconds_max,
                count: *count,
            })
            .collect();
    }
}

impl StepDay {
    fn take(&mut self, took: i64, bounds: &[f64]) {
        let seconds = EventTime::from_nanos(took).seconds_from(EventTime::from_nanos(0));
        let at = bounds.partition_point(|bound| *bound < seconds);
        if self.times.len() <= at {
            self.times.resize(at + 1, 0);
        }
        if let Some(count) = self.times.get_mut(at) {
            *count += 1;
        }
    }

    fn map(&self, step: &Step) -> JourneyMapStep {
        // What took longer than the time allowed, by the rounding of seconds, is with the last part.
        let highest = step.bounds.last().copied().unwrap_or(0.0);
        let ends = step.bounds.iter().copied().chain(std::iter::once(highest));
        let times = ends.zip(&self.times).filter(|(_, count)| **count > 0);
        JourneyMapStep {
            expects: step.expects.clone(),
            reached: self.reached,
            passed: self.passed,
            absent: self.absent,
            struck: self.struck,
            excused: self.excused,
            median_seconds: bucket_quantile(&step.bounds, &self.times, 0.5),
            p90_seconds: bucket_quantile(&step.bounds, &self.times, 0.9),
            allowed_seconds: u64::try_from(step.within / 1_000_000_000).unwrap_or(0),
            times: times
                .map(|(seconds_max, count)| JourneyTimes {
                    seconds_max,
                    count: *count,
                })
                .collect(),
        }
    }
}

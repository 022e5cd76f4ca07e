use std::time::Duration;

use forecall_types::Direction;
use serde::{Deserialize, Serialize};

use crate::MetricKind;
use crate::calendar::{CalendarEntry, Holidays, Zone};
use crate::gates::check_lists;
use crate::limits::LimitEntry;
use crate::peers::PeerGroup;
use crate::rule::{AlarmRates, Channels, GateRule, Watched};

/// How `detect` judges. Every value has a default; a change is named by the digest beside the committed position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectSettings {
    /// How far behind the newest event time of its source a sample may come.
    pub lateness_seconds: u32,
    /// How far beyond the broker's append time a sample may be dated.
    pub future_seconds: u32,
    /// Sliding window of a series in event time; at least 20 samples are kept even if they span more.
    pub window_seconds: u32,
    /// Samples a series must have shown before it is scored.
    pub warm_up_samples: u32,
    /// Score from which a sample counts as abnormal, at one sample every ten seconds. Slower series open lower, see
    /// [`slow_credit_max`](Self::slow_credit_max).
    pub open_score: f64,
    /// An anomaly opens when this many of the last [`open_of_samples`](Self::open_of_samples) samples were abnormal.
    pub open_samples: u32,
    /// See [`open_samples`](Self::open_samples); at most 8.
    pub open_of_samples: u32,
    /// Score from which one sample alone opens an anomaly.
    pub open_at_once_score: f64,
    /// How long a deviation must have lasted before it opens an anomaly: since its first abnormal sample, with fewer than
    /// [`open_of_samples`](Self::open_of_samples) in a row between that were not. What lasts teaches meanwhile, the spike within
    /// fifty samples: longer than that, only the level is still abnormal.
    pub open_seconds_min: u32,
    /// Opening scores are lowered by log10(seconds between samples / 10), at most by this, so that series of any pace
    /// open equally few anomalies a day by chance. 0 switches it off.
    pub slow_credit_max: f64,
    /// Score below which a sample counts as calm.
    pub close_score: f64,
    /// An anomaly closes after this many calm samples in a row …
    pub close_samples: u32,
    /// … or after two and this long a calm, whichever comes first.
    pub close_seconds: u32,
    /// An open anomaly whose series falls silent for this long is closed.
    pub close_silent_seconds: u32,
    /// After closing, a series opens no anomaly for this long.
    pub refractory_seconds: u32,
    /// An open anomaly is told again after this long …
    pub update_seconds: u32,
    /// … or when its score has risen by this much since it was last told.
    pub update_score: f64,
    /// Score from which a sample is abnormal to the record of what is rare: of a run of such only some enter it.
    pub learn_below_score: f64,
    /// What stays abnormal this long is the new normal: the baseline moves there and the anomaly closes.
    pub new_normal_seconds: u32,
    /// Deviations below this share of the expected value open nothing, however rare they are.
    pub deviation_min_share: f64,
    /// Deviations below this many robust standard deviations open nothing; half of it for a level.
    pub deviation_min_sds: f64,
    /// Deviations below this, in the metric's unit, open nothing; left out: half a percentage point of errors, availability
    /// and saturation measured as shares, nothing else.
    pub deviation_min: Option<f64>,
    /// Which way deviations count; left out: as the metric's kind says.
    pub direction: Option<Watched>,
    /// The channels that are heard.
    pub channels: Channels,
    /// How many anomalies each channel may open by chance, a series and month: ten times as few open a score higher.
    pub alarms_a_month: AlarmRates,
    /// What a lone wild value must score more than a level that has moved, or an hour that isn't as usual, to be told where
    /// [`shape`](Self::shape) is off and can't confirm it: telemetry has many more of the former.
    pub spike_extra_score: f64,
    /// After opening an anomaly, a series opens the next one only at a score higher by this much; it fades within
    /// [`habituation_seconds`](Self::habituation_seconds), and further ones add to it.
    pub habituation_score: f64,
    /// See [`habituation_score`](Self::habituation_score).
    pub habituation_seconds: u32,
    /// After closing, a series opens no anomaly for so many samples either, a day at most.
    pub refractory_samples: u32,
    /// Learn what is usual at each hour of a working day and a day of rest: takes about 500 B more a
    /// series together with [`shape`](Self::shape), and as much with either alone.
    pub season: bool,
    /// Look at the steps from value to value, too: it shares the memory of [`season`](Self::season).
    pub shape: bool,
    /// Tell of series and entities that spoke regularly and of which nothing comes any more, while the rest of their topic goes on.
    pub silence: bool,
    /// Samples a series must have shown before its silence is told.
    pub silence_min_samples: u32,
    /// How long a series must have spoken altogether (its samples times its usual interval) before its silence is told. A job that
    /// runs for an hour each night gets there in 24 nights, and its pauses are known by then.
    pub silence_spoken_seconds: u32,
    /// Score from which a silence is told: −log10 of the chance of so long a gap between two samples.
    pub silence_score: f64,
    /// Usual intervals that a silence lasts at least.
    pub silence_min_intervals: u32,
    /// Seconds that a silence lasts at least.
    pub silence_min_seconds: u32,
    /// A silence is told as over when it has lasted for so long since it was told: then it is how things are.
    pub silence_close_seconds: u32,
    /// Labels of what comes and goes: nothing is told of the silence of a series or entity that has one of them.
    pub silence_ephemeral_labels: Vec<String>,
    /// Time zone of the customers, by its IANA name (`Asia/Tehran`): clocks change when they do there.
    pub time_zone: Option<Zone>,
    /// Local time of the customers in hours east of UTC, where no `time_zone` is given: the same all the year.
    pub utc_offset_hours: f64,
    /// Days of rest, 1 for Monday to 7 for Sunday.
    pub rest_days: Vec<u8>,
    /// Further days of rest: dates (`2026-03-21`), and days of each year of the Jalali (`jalali: 01-01`) or the Gregorian
    /// calendar (`gregorian: 12-25`).
    pub holidays: Holidays,
    /// Other weeks, for series of other places; the first that matches a series is its calendar. Without one it is the
    /// four settings above.
    pub calendars: Vec<CalendarEntry>,
    /// Other gates, for some series: chosen by name, unit and labels. The first that matches a series counts, and only it.
    pub rules: Vec<GateRule>,
    /// Limits that series had better not reach, the first that matches a series counts for it: one that is likely to be passed
    /// is told by channel `limit`, however usual the values are. Left out: those of `objectives`, within `correlate.horizon_seconds`.
    pub limits: Option<Vec<LimitEntry>>,
    /// Entities that should be alike, in groups: a summary of each is published at every step, and one that leaves its usual place
    /// among its peers is an anomaly. Nothing is published where no group is declared.
    pub peers: Vec<PeerGroup>,
    /// Series a partition may hold; a further one is refused unless one has been silent for
    /// [`series_idle_seconds`](Self::series_idle_seconds).
    pub series_max: u32,
    /// Where no more series fit, one that has said nothing for so long (in event time) gives its place to a new one; one
    /// still in its warm-up after ten minutes.
    pub series_idle_seconds: u32,
    /// Emit a score for every gauge sample (replay).
    pub emit_scores: bool,
    /// With each score, where the series is expected so many seconds later (replay).
    pub emit_ahead_seconds: Vec<u32>,
}

/// What is replaced at every deployment or with every process, by the names that OpenTelemetry, Kubernetes' exporters and
/// Prometheus give it.
const EPHEMERAL_LABELS: [&str; 13] = [
    "container",
    "container.id",
    "container.name",
    "container_id",
    "faas.instance",
    "k8s.container.name",
    "k8s.job.name",
    "k8s.pod.name",
    "k8s.pod.uid",
    "pid",
    "pod",
    "process.pid",
    "service.instance.id",
];

/// Least of [`DetectSettings::silence_min_seconds`]: a leap of a topic's time counts for less than half of it.
pub(crate) const SILENCE_SECONDS_LEAST: u32 = 150;

impl Default for DetectSettings {
    fn default() -> Self {
        Self {
            lateness_seconds: 10,
            future_seconds: 300,
            window_seconds: 600,
            warm_up_samples: 20,
            open_score: 3.8,
            open_samples: 2,
            open_of_samples: 3,
            open_at_once_score: 4.8,
            open_seconds_min: 0,
            slow_credit_max: 2.0,
            close_score: 2.0,
            close_samples: 5,
            close_seconds: 600,
            close_silent_seconds: 1_800,
            refractory_seconds: 600,
            update_seconds: 60,
            update_score: 1.0,
            learn_below_score: 3.0,
            new_normal_seconds: 28_800,
            deviation_min_share: 0.1,
            deviation_min_sds: 4.0,
            deviation_min: None,
            direction: None,
            channels: Channels::ALL,
            alarms_a_month: AlarmRates::default(),
            spike_extra_score: 0.7,
            habituation_score: 0.5,
            habituation_seconds: 259_200,
            refractory_samples: 60,
            season: true,
            shape: true,
            silence: true,
            silence_min_samples: 200,
            silence_spoken_seconds: 86_400,
            silence_score: 6.0,
            silence_min_intervals: 20,
            silence_min_seconds: 300,
            silence_close_seconds: 21_600,
            silence_ephemeral_labels: EPHEMERAL_LABELS.map(str::to_owned).to_vec(),
            time_zone: None,
            utc_offset_hours: 0.0,
            rest_days: vec![6, 7],
            holidays: Holidays::default(),
            calendars: Vec::new(),
            rules: Vec::new(),
            limits: None,
            peers: Vec::new(),
            series_max: 100_000,
            series_idle_seconds: 21_600,
            emit_scores: false,
            emit_ahead_seconds: Vec::new(),
        }
    }
}

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct DetectSettingsError {
    /// The field at fault: `open_score`, or `calendars.0.rest_days` in the first entry of a list.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

impl DetectSettingsError {
    pub(crate) fn new(field: &str, why: &str) -> Self {
        Self {
            path: field.to_owned(),
            what: format!("`{field}` {why}"),
        }
    }

    /// The same in an entry of a list, counted from 0.
    pub(crate) fn within(self, list: &str, entry: usize) -> Self {
        let path = format!("{list}.{entry}.{}", self.path);
        Self {
            path: path.trim_end_matches('.').to_owned(),
            what: format!("entry {} of `{list}`: {}", entry + 1, self.what),
        }
    }
}

/// A field, whether it is right, and what it must be.
type Rule = (&'static str, bool, &'static str);

impl DetectSettings {
    /// Checks what serde can't.
    ///
    /// # Errors
    /// The first field that is out of range or contradicts another one.
    pub fn check(&self) -> Result<(), DetectSettingsError> {
        self.check_fields()?;
        check_lists(self)
    }

    /// Without the lists.
    pub(crate) fn check_fields(&self) -> Result<(), DetectSettingsError> {
        let mut rules = self.policy_rules();
        rules.append(&mut self.gate_rules());
        rules.append(&mut self.week_rules());
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((field, _, why)) => Err(DetectSettingsError::new(field, why)),
            None => Ok(()),
        }
    }

    /// When anomalies open, are told again and close.
    fn policy_rules(&self) -> Vec<Rule> {
        vec![
            (
                "warm_up_samples",
                (5..=65_535).contains(&self.warm_up_samples),
                "must lie between 5 and 65535",
            ),
            (
                "open_score",
                (0.5..=20.0).contains(&self.open_score),
                "must lie between 0.5 and 20",
            ),
            (
                "open_of_samples",
                (1..=8).contains(&self.open_of_samples),
                "must lie between 1 and 8",
            ),
            (
                "open_samples",
                (1..=self.open_of_samples).contains(&self.open_samples),
                "must lie between 1 and `open_of_samples`",
            ),
            (
                "open_at_once_score",
                self.open_at_once_score >= self.open_score,
                "must not lie below `open_score`",
            ),
            (
                "close_score",
                self.close_score > 0.0 && self.close_score <= self.open_score,
                "must lie above 0 and not above `open_score`",
            ),
            (
                "slow_credit_max",
                (0.0..=self.open_score).contains(&self.slow_credit_max),
                "must lie between 0 and `open_score`",
            ),
            ("close_samples", self.close_samples >= 1, "must be at least 1"),
            (
                self.alarms_a_month.wrong().unwrap_or("alarms_a_month"),
                self.alarms_a_month.wrong().is_none(),
                "must lie between 0.001 and 1000",
            ),
            ("update_seconds", self.update_seconds >= 1, "must be at least 1"),
            ("update_score", self.update_score > 0.0, "must lie above 0"),
        ]
    }

    /// What counts at all, and how much is held.
    fn gate_rules(&self) -> Vec<Rule> {
        vec![
            (
                "learn_below_score",
                self.learn_below_score > 0.0,
                "must lie above 0",
            ),
            (
                "deviation_min_share",
                (0.0..10.0).contains(&self.deviation_min_share),
                "must lie between 0 and 10",
            ),
            (
                "deviation_min_sds",
                (0.0..100.0).contains(&self.deviation_min_sds),
                "must lie between 0 and 100",
            ),
            (
                "deviation_min",
                self.deviation_min
                    .is_none_or(|least| (0.0..f64::MAX).contains(&least)),
                "must be a number from 0 up",
            ),
            (
                "open_seconds_min",
                self.open_seconds_min == 0 || self.open_seconds_min < self.new_normal_seconds,
                "must lie below `new_normal_seconds`: what lasts that long is normal",
            ),
            (
                "spike_extra_score",
                (-20.0..=20.0).contains(&self.spike_extra_score),
                "must lie between -20 and 20",
            ),
            (
                "habituation_score",
                (0.0..=20.0).contains(&self.habituation_score),
                "must lie between 0 and 20",
            ),
            (
                "channels",
                !self.channels.is_empty(),
                "names none: a rule with `detect: false` leaves series out",
            ),
            (
                "series_max",
                (1..=SERIES_PER_SHARD_MAX).contains(&self.series_max),
                "must lie between 1 and 1000000",
            ),
            (
                "silence_score",
                (1.0..=20.0).contains(&self.silence_score),
                "must lie between 1 and 20",
            ),
            (
                "silence_min_samples",
                (32..=65_535).contains(&self.silence_min_samples),
                "must lie between 32 and 65535",
            ),
            (
                "silence_min_intervals",
                self.silence_min_intervals >= 2,
                "must be at least 2",
            ),
            (
                "silence_min_seconds",
                self.silence_min_seconds >= SILENCE_SECONDS_LEAST,
                "must be at least 150",
            ),
            (
                "series_idle_seconds",
                self.series_idle_seconds >= 60,
                "must be at least 60",
            ),
        ]
    }

    /// Whose week it is.
    fn week_rules(&self) -> Vec<Rule> {
        vec![
            (
                "utc_offset_hours",
                (-24.0..=24.0).contains(&self.utc_offset_hours),
                "must lie between -24 and 24",
            ),
            (
                "utc_offset_hours",
                self.time_zone.is_none() || self.utc_offset_hours.abs() <= 0.0,
                "contradicts `time_zone`: leave it out",
            ),
            (
                "emit_ahead_seconds",
                self.emit_ahead_seconds.len() <= AHEAD_SPANS_MAX,
                "must hold 16 spans at most",
            ),
            ("rest_days", are_weekdays(&self.rest_days), NO_WEEKDAYS),
        ]
    }

    /// The way that is bad for a metric of this kind; `None` where both are.
    pub(crate) fn bad(&self, kind: MetricKind) -> Option<Direction> {
        self.direction.map_or_else(|| kind.bad(), Watched::bad)
    }

    pub(crate) fn lateness(&self) -> Duration {
        seconds(self.lateness_seconds)
    }

    pub(crate) fn future(&self) -> Duration {
        seconds(self.future_seconds)
    }
}

/// Spans in [`DetectSettings::emit_ahead_seconds`]: each costs a line a sample, and more make no smoother picture.
pub const AHEAD_SPANS_MAX: usize = 16;

/// What [`DetectSettings::series_max`] may be raised to: at under 1 KiB a series, the profile of its day in it, a million take under
/// a GiB.
pub const SERIES_PER_SHARD_MAX: u32 = 1_000_000;

pub(crate) const NO_WEEKDAYS: &str = "must lie between 1 (Monday) and 7 (Sunday)";

pub(crate) fn are_weekdays(days: &[u8]) -> bool {
    days.iter().all(|day| (1..=7).contains(day))
}

pub(crate) fn seconds(n: u32) -> Duration {
    Duration::from_secs(u64::from(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_passes_and_contradictions_do_not() {
        assert_eq!(DetectSettings::default().check(), Ok(()));
        let wrong = DetectSettings {
            open_samples: 4,
            ..DetectSettings::default()
        };
        assert_eq!(
            wrong.check().unwrap_err().to_string(),
            "`open_samples` must lie between 1 and `open_of_samples`"
        );
        let wrong = DetectSettings {
            deviation_min_share: f64::NAN,
            ..DetectSettings::default()
        };
        assert!(wrong.check().is_err());
    }
}

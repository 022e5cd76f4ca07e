//! What is measured: the shipped detector, called as `forecall_detect::DetectStage` calls it for a gauge.

use std::sync::Arc;

use anyhow::{Context, Result};
use forecall_detect::entity;
use forecall_detect::policy::{Change, Origin};
use forecall_detect::rate::Part;
use forecall_detect::{Asked, DetectSettings, Detector};
use forecall_types::{Channel, EventTime, SourcePartition};

/// False alarms a series-month that the defaults are stated to give on quiet data.
pub(crate) const STATED_FALSE_ALARMS_A_MONTH: f64 = 1.0;

/// What a detector says of each row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scored {
    pub(crate) score: Vec<f64>,
    /// Each channel's own score; empty for rivals.
    pub(crate) channels: Vec<(&'static str, Vec<f32>)>,
    /// Rows at which an anomaly was opened by the shipped policy, and whether one is open; empty for rivals.
    pub(crate) opened: Vec<bool>,
    pub(crate) open: Vec<bool>,
    /// What a row adds to its entity's score; empty for rivals.
    pub(crate) strength: Vec<f64>,
}

/// A detector: rows in order of time, in; nothing behind a row may change what is said of it.
pub(crate) trait Method {
    fn name(&self) -> &str;
    fn run(&self, metric: &str, points: &[(EventTime, f64)]) -> Scored;
}

/// forecall as shipped, or with some settings changed.
pub(crate) struct Forecall {
    pub(crate) settings: DetectSettings,
    pub(crate) unit: String,
}

impl Forecall {
    /// With default settings but for those that the JSON object names.
    pub(crate) fn with(changes: &str) -> Result<Self> {
        let settings: DetectSettings = serde_json::from_str(changes)
            .with_context(|| format!("`{changes}` are no settings of detect"))?;
        settings.check()?;
        // Replay asks for scores; the judgement is the same.
        Ok(Self {
            settings: DetectSettings {
                emit_scores: true,
                ..settings
            },
            unit: String::new(),
        })
    }
}

impl Method for Forecall {
    fn name(&self) -> &str {
        "forecall"
    }

    fn run(&self, metric: &str, points: &[(EventTime, f64)]) -> Scored {
        let source = SourcePartition {
            topic: Arc::from("bench"),
            partition: 0,
        };
        let mut detector = Detector::new(metric, &self.unit, Part::Same);
        let mut out = Scored::default();
        let mut channels = [
            (Channel::Spike, Vec::new()),
            (Channel::Shape, Vec::new()),
            (Channel::Shift, Vec::new()),
            (Channel::Season, Vec::new()),
            (Channel::Novelty, Vec::new()),
        ];
        let mut before = None;
        for (offset, (at, value)) in (0_i64..).zip(points) {
            let (judgement, change) = if before.is_some_and(|last| *at <= last) {
                // Doubled or late: judged, as a replay tells it, but nothing is learnt.
                (detector.judge(*at, *value, &self.settings, Asked::Band), None)
            } else {
                let origin = Origin::Record(&source, offset);
                let step = detector.step((*at, before), *value, origin, &self.settings);
                before = Some(*at);
                step
            };
            out.score.push(judgement.score);
            let voices = judgement.voices;
            let said = [
                voices.spike,
                voices.shape,
                voices.shift,
                voices.season,
                voices.novelty,
            ];
            for ((_, scores), said) in channels.iter_mut().zip(said) {
                scores.push(said as f32);
            }
            out.strength.push(entity::strength(&voices));
            out.opened.push(change == Some(Change::Opened));
            out.open.push(detector.is_open());
        }
        out.channels = channels
            .into_iter()
            .map(|(channel, scores)| (channel.as_str(), scores))
            .collect();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_later_changes_nothing() {
        let subject = Forecall::with("{}").unwrap();
        let points: Vec<(EventTime, f64)> = (0..600)
            .map(|i| {
                let noise = f64::from(u8::try_from(i * 7_919 % 97).unwrap_or(0));
                (
                    EventTime::from_secs(i * 60),
                    if (300..340).contains(&i) { 900.0 } else { noise },
                )
            })
            .collect();
        let whole = subject.run("value", &points);
        let part = subject.run("value", &points[..350]);
        assert_eq!(whole.score[..350], part.score);
        assert_eq!(whole.opened[..350], part.opened);
        assert!(part.opened.iter().any(|opened| *opened), "the plateau is told");
        assert!(Forecall::with("{\"no_such\":1}").is_err());
    }
}

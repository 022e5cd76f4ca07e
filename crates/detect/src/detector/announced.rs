//! Samples of series of which something was announced.

use std::time::Duration;

use forecall_types::EventTime;

use super::{Detector, SETTLED_SAMPLES_MIN, Seen, View, within};
use crate::DetectSettings;
use crate::context::Frame;
use crate::judgement::{Asked, Judgement};
use crate::settings::seconds;

/// Whether a score may count towards an anomaly, whatever is let off the series.
pub(super) fn may_hit(judgement: &Judgement, settings: &DetectSettings) -> bool {
    let most = settings.slow_credit_max + settings.alarms_a_month.most_credit();
    judgement.gated >= settings.open_score - most
}

impl Detector {
    /// Looks at a value, without learning from it.
    #[inline]
    pub(crate) fn look(&self, at: EventTime, value: f64, settings: &DetectSettings) -> Seen {
        let view = self.view(at, within(value), settings);
        let asked = match (settings.emit_scores, self.is_open()) {
            (true, _) => Asked::Band,
            (false, true) => Asked::Scores,
            (false, false) => Asked::Gated,
        };
        let judgement = self.judge_by(&view, settings, asked);
        Seen {
            view,
            judgement,
            asked,
        }
    }

    /// Whether it matters what was announced: it might open something, or settle. What is open goes on, whatever was.
    pub(crate) fn asks_for_context(&self, seen: &Seen, settings: &DetectSettings) -> bool {
        let has_lasted = |t: &super::Trouble| t.abnormal_samples >= SETTLED_SAMPLES_MIN;
        !self.is_open()
            && (may_hit(&seen.judgement, settings) || self.trouble.as_deref().is_some_and(has_lasted))
    }

    /// Since when it has been abnormal.
    pub(crate) fn abnormal_since(&self) -> Option<EventTime> {
        self.trouble.as_deref()?.abnormal_since
    }

    /// As it is judged by what was announced. How rare it is stays as it was.
    #[inline]
    pub(super) fn within_frame(
        &self,
        seen: Seen,
        frame: Frame,
        settings: &DetectSettings,
    ) -> (View, Judgement) {
        if self.is_open() || frame.is_ordinary() {
            return (seen.view, seen.judgement);
        }
        self.within_announced(seen, frame, settings)
    }

    fn within_announced(&self, seen: Seen, frame: Frame, settings: &DetectSettings) -> (View, Judgement) {
        let Seen {
            mut view,
            mut judgement,
            asked,
        } = seen;
        if frame.is_quiet {
            judgement.gated = 0.0;
            return (view, judgement);
        }
        let score = judgement.score;
        view.widen = frame.widen;
        // The band that is told stays the ordinary one.
        judgement = Judgement {
            score,
            band: judgement.band,
            ..self.judge_by(
                &view,
                settings,
                if asked == Asked::Band {
                    Asked::Scores
                } else {
                    asked
                },
            )
        };
        view.widen = 1.0;
        (view, judgement)
    }

    /// After what time it is how things are: sooner where it was announced and nothing was told.
    pub(super) fn settled_after(&self, frame: Frame, settings: &DetectSettings) -> Duration {
        let usual = seconds(settings.new_normal_seconds);
        match frame.settled_after {
            Some(sooner) if !self.is_open() => usual.min(sooner),
            Some(_) | None => usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forecall_types::SourcePartition;

    use super::*;
    use crate::policy::{Change, Origin};
    use crate::rate::Part;

    /// The slow mean, and whether anything was told, of a level that moved from about 100 by `by` so many seconds ago.
    fn after(by: f64, frame: Frame, seconds: i64) -> (f64, bool) {
        let settings = DetectSettings::default();
        let source = SourcePartition {
            topic: Arc::from("t"),
            partition: 0,
        };
        let mut detector = Detector::new("latency", "ms", Part::Same);
        let (mut before, mut told) = (None, false);
        for i in 0..(10_000 + seconds / 10) {
            let at = EventTime::from_secs(10 * i);
            let noise = f64::from(u8::try_from(i * 7_919 % 11).unwrap()) - 5.0;
            let (value, frame) = if i < 10_000 {
                (100.0 + noise, Frame::ORDINARY)
            } else {
                (100.0 + by + noise, frame)
            };
            let seen = detector.look(at, value, &settings);
            let (_, change) = detector.take(seen, before, Origin::Record(&source, i), frame, &settings);
            told |= change == Some(Change::Opened);
            before = Some(at);
        }
        (detector.shift.slow(), told)
    }

    #[test]
    fn a_level_that_stays_within_the_wide_band_settles_after_half_an_hour() {
        let wide = Frame {
            widen: 2.0,
            is_quiet: false,
            settled_after: Some(Duration::from_secs(1_800)),
        };
        let (slow, told) = after(18.0, wide, 1_900);
        assert!((slow - 118.0).abs() < 2.0 && !told, "{slow}");
        let (slow, _) = after(18.0, wide, 1_700);
        assert!(slow < 108.0, "not before: {slow}");
        let never = Frame {
            settled_after: None,
            ..wide
        };
        let (slow, _) = after(18.0, never, 1_900);
        assert!(
            slow < 108.0,
            "nor where it didn't begin with what was announced: {slow}"
        );
        let (slow, told) = after(400.0, wide, 1_900);
        assert!(slow < 400.0 && told, "nor what was told: {slow}");
    }

    #[test]
    fn a_quiet_sample_teaches_and_opens_nothing() {
        let quiet = Frame {
            widen: 1.0,
            is_quiet: true,
            settled_after: None,
        };
        let (slow, told) = after(400.0, quiet, 600);
        assert!(!told && slow > 105.0, "{slow}");
        assert!(after(400.0, Frame::ORDINARY, 600).1);
    }
}

//! Samples of series of which something was announced.

use std::time::Duration;

use forecall_types::EventTime;

use super::{Detector, SETTLED_SAMPLES_MIN, Seen, View, within};
use crate::context::Frame;
use crate::judgement::{Asked, Judgement};
use crate::settings::seconds;
use crate::DetectSettings;

/// Whether a score may count towards an anomaly, whatever is let off the series.
pub(super) fn may_hit(judgement: &Judgement, settings: &DetectSettings) -> bool {
    judgement.gated >= settings.open_score - settings.slow_credit_max
}

impl Detector {
    /// Looks at a value, without learning from it.
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
    pub(super) fn within_frame(&self, seen: Seen, frame: Frame, settings: &DetectSettings) -> (View, Judgement) {
        let Seen {
            mut view,
            mut judgement,
            asked,
        } = seen;
        if self.is_open() || frame.is_ordinary() {
            return (view, judgement);
        }
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
            ..self.judge_by(&view, settings, if asked == Asked::Band { Asked::Scores } else { asked })
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

//! What detection heeds where it isn't told: the limits of objectives.

use forecall_detect::{DetectSettings, LimitEntry};
use forecall_incident::ObjectiveEntry;

use crate::check::Findings;
use crate::raw::File;

/// Seconds that a limit may lie ahead for detection.
const WITHIN: std::ops::RangeInclusive<u64> = 60..=86_400;

/// Detection heeds what customers are hit by, within the horizon of predictions.
pub(crate) fn heed(file: &mut File, found: &mut Findings<'_>) {
    if file.detect.limits.is_some() {
        return;
    }
    if !file.detect.has_room_for(file.objectives.len()) {
        found.warn(
            "objectives",
            "objectives: detection doesn't heed their limits, because with `detect.rules` and `detect.calendars` they make too many \
             combinations; name the few that matter in `detect.limits`, or none: `limits: []`",
        );
        return;
    }
    let within = file
        .correlate
        .horizon_seconds
        .clamp(*WITHIN.start(), *WITHIN.end());
    let within_seconds = u32::try_from(within).unwrap_or(u32::MAX);
    let of = |objective: &ObjectiveEntry| {
        let limit = match (objective.above, objective.below) {
            (Some(above), None) => LimitEntry::above(&objective.metric, above),
            (None, Some(below)) => LimitEntry::below(&objective.metric, below),
            // Refused where objectives are checked.
            (None, None) | (Some(_), Some(_)) => return None,
        };
        Some(LimitEntry {
            within_seconds,
            ..limit
        })
    };
    let limits: Vec<LimitEntry> = file.objectives.iter().filter_map(of).collect();
    let heeding = DetectSettings {
        limits: Some(limits.clone()),
        ..DetectSettings::default()
    };
    match heeding.check() {
        Ok(()) => file.detect.limits = Some(limits),
        Err(error) => found.warn(
            "objectives",
            format!("objectives: detection doesn't heed their limits: {error}"),
        ),
    }
}

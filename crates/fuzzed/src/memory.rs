use std::sync::Arc;

use forecall_detect::{DetectSettings, DetectStage, RekeySettings, RekeyStage};
use forecall_incident::{CorrelateParts, CorrelateSettings, CorrelateStage};
use forecall_outreach::{OutreachSettings, OutreachStage};
use forecall_stage::{Checkpoint, Effects, Pulse, Snapshot, Stage};
use forecall_types::EventTime;

/// Any text beside a committed position.
pub fn checkpoint(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(point) = text.parse::<Checkpoint>()
    {
        let again: Checkpoint = point.to_string().parse().expect("what was written can be read");
        assert_eq!(again, point);
        assert!(point.to_string().len() <= 128, "a broker keeps no more");
    }
}

/// Any bytes as a snapshot.
pub fn snapshot(data: &[u8]) {
    if let Ok(snapshot) = Snapshot::decode(data) {
        assert_eq!(snapshot.encode().expect("what was read can be written"), data);
    }
}

/// A memory that can be loaded can be asked, saved, and loaded again.
fn check<S: Stage>(settings: &S::Settings, bytes: &[u8])
where
    S::Settings: Clone,
{
    let Ok(stage) = S::load(settings.clone(), bytes) else {
        return;
    };
    let mut effects = Effects::default();
    let pulse = Pulse {
        at: EventTime::from_secs(1_000),
        next_offset: 7,
        caught_up: true,
        idle: true,
        looked_at: Some(EventTime::from_secs(999)),
        topics: &[],
    };
    stage.pulse(pulse, &mut effects);
    let saved = stage.save().expect("what was loaded can be saved");
    let again = S::load(settings.clone(), &saved).expect("what was saved can be loaded");
    assert_eq!(again.save().expect("as before"), saved);
}

/// Any bytes as the memory of a stage: of another version, or of a store that lies. The first byte chooses the stage.
pub fn memory(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    match choice % 4 {
        0 => check::<RekeyStage>(&Arc::new(RekeySettings::default()), bytes),
        1 => check::<DetectStage>(&Arc::new(DetectSettings::default()), bytes),
        2 => {
            let settings = CorrelateSettings::new(CorrelateParts::default());
            check::<CorrelateStage>(&Arc::new(settings.expect("the defaults are right")), bytes);
        }
        _ => check::<OutreachStage>(&Arc::new(OutreachSettings::default()), bytes),
    }
}

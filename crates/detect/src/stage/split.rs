//! The memory of all partitions of a topic, divided anew: for when the topic has more of them than before.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::{EventTime, Fingerprint, SourcePartition, Watermark};

use super::DetectStage;
use crate::DetectSettings;

/// What a division came to.
#[derive(Debug, Clone)]
pub struct Divided {
    /// A stage for each partition asked for, in order.
    pub stages: Vec<DetectStage>,
    /// Series that have a place.
    pub series: usize,
    /// Series that found no room on their new partition, or were known twice: they warm up anew.
    pub lost: usize,
}

impl DetectStage {
    /// Divides what `parts` know among the partitions `into`; `place` says to which of them an entity belongs.
    ///
    /// All must have read their partitions to the end. The sources of a re-keyed topic mark every partition, so the new
    /// ones go on from the watermark of the part that is furthest behind: at most a mark's step, and nothing that would have
    /// been in time is late. Each series goes on as if its partition had never changed.
    pub fn divide(
        settings: &Arc<DetectSettings>,
        parts: &[Self],
        into: Vec<SourcePartition>,
        place: impl Fn(Fingerprint) -> usize,
    ) -> Divided {
        let mut stages: Vec<Self> = into
            .into_iter()
            .map(|source| Self::new(Arc::clone(settings), source))
            .collect();
        let begun = || {
            parts
                .iter()
                .filter(|part| part.watermark() > Watermark::default())
        };
        let behind = begun().min_by_key(|part| part.watermark());
        let checked = begun().map(|part| part.state.silence_checked).min();
        for stage in &mut stages {
            let state = &mut stage.state;
            if let Some(part) = behind {
                state.sources = part.state.sources.clone();
            }
            state.silence_checked = checked.unwrap_or(EventTime::MIN);
            state.peers.begin_at(begun().map(|part| &part.state.peers));
            for part in parts {
                state.silence.adopt_clocks(&part.state.silence);
                state.contexts.adopt(&part.state.contexts);
                state.origins.extend(part.state.origins.clone());
            }
        }
        let mut lost = 0;
        for part in parts {
            lost += part.move_to(&mut stages, &place);
        }
        for stage in &mut stages {
            // The parts' numbers may be of other settings.
            stage.state.sets_of = Fingerprint::default();
            stage.find_sets();
        }
        // Told of the partition, not of a series: kept where it is summed up.
        if let Some(first) = stages.first_mut() {
            first.state.released_early = parts.iter().map(|part| part.state.released_early).sum();
        }
        let series = stages.iter().map(Self::series).sum();
        Divided { stages, series, lost }
    }

    /// Gives all its series away; says how many found no place.
    fn move_to(&self, stages: &mut [Self], place: &impl Fn(Fingerprint) -> usize) -> usize {
        let state = &self.state;
        let mut slots: BTreeMap<u32, (usize, u32)> = BTreeMap::new();
        let mut detectors: BTreeMap<u32, u32> = BTreeMap::new();
        let mut lost = 0;
        for (slot, entity) in state.registry.entities() {
            let to = place(entity);
            let adopted = stages.get_mut(to).and_then(|stage| {
                let max = stage.settings.series_max;
                stage
                    .state
                    .registry
                    .adopt(&state.registry, slot, max)
                    .ok()
                    .flatten()
            });
            match adopted {
                Some(adopted) => {
                    if let Some(stage) = stages.get_mut(to)
                        && let Some(name) = stage.state.registry.entity(adopted.slot)
                    {
                        let moved = (slot, adopted.slot);
                        stage.state.silence.adopt(&state.silence, moved, name);
                    }
                    slots.insert(slot, (to, adopted.slot));
                    detectors.extend(adopted.detectors);
                }
                None => lost += 1,
            }
        }
        for (entity, waiting) in state.peers.each() {
            if let Some(stage) = stages.get_mut(place(entity)) {
                stage.state.peers.adopt(waiting);
            }
        }
        let mut with = |slot: u32, what: &mut dyn FnMut(&mut Self, u32)| {
            if let Some((to, slot)) = slots.get(&slot)
                && let Some(stage) = stages.get_mut(*to)
            {
                what(stage, *slot);
            }
        };
        for (end, slot) in &state.bins {
            with(*slot, &mut |stage, slot| {
                stage.state.bins.insert((*end, slot));
            });
        }
        for (index, slot) in &state.open {
            if let Some(index) = detectors.get(index) {
                with(*slot, &mut |stage, slot| {
                    stage.state.open.insert(*index, slot);
                });
            }
        }
        let mut buffer = state.buffer.clone();
        while buffer.first_before(EventTime::MAX).is_some()
            && let Some(pending) = buffer.pop()
        {
            with(pending.slot, &mut |stage, slot| {
                let mut pending = pending.clone();
                pending.slot = slot;
                stage.state.buffer.push(pending);
            });
        }
        lost
    }
}

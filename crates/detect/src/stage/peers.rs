//! Entities of peer groups: their values noted, and a summary of each told when a step is over. See [`crate::peers`].

use forecall_types::{EventTime, RejectReason};

use super::{DetectOutput, DetectStage, Out, State};
use crate::Judgement;
use crate::buffer::Pending;
use crate::entity::strength;
use crate::peers::Value;
use crate::policy::Origin;
use crate::rate::Part;

impl DetectStage {
    /// Notes a judged value: as unusual as the channels say whose deviation is large enough to matter.
    pub(super) fn note_judged(
        &mut self,
        (slot, part): (u32, Part),
        (at, value): (EventTime, f64),
        judgement: &Judgement,
        origin: Origin<'_>,
        effects: &mut Out,
    ) {
        if self.settings.peers.is_empty() {
            return;
        }
        let strength = if judgement.gated > 0.0 {
            strength(&judgement.voices)
        } else {
            0.0
        };
        let value = Value {
            slot,
            part,
            at,
            value,
            strength,
            origin,
        };
        self.note(value, effects);
    }

    /// Notes a judged value for the summary of its entity. One under maintenance isn't compared; one that something is deployed to is:
    /// its peers are what such a change is watched by.
    fn note(&mut self, value: Value<'_>, effects: &mut Out) {
        let State { peers, registry, .. } = &mut self.state;
        let Some(member) = peers.member(value.slot, &self.settings.peers, registry) else {
            return;
        };
        if self.is_kept_quiet((value.slot, value.part), value.at) {
            return;
        }
        let state = &mut self.state;
        let noted = state
            .peers
            .note(member, &self.settings.peers, &state.registry, value);
        if let Err(too_many) = noted {
            effects.reject(RejectReason::SeriesLimit, too_many.0);
        }
    }

    /// Notes the first value of a series, which waits for its second one.
    pub(super) fn note_once(&mut self, pending: &Pending, value: f64, effects: &mut Out) {
        let registry = &self.state.registry;
        if self.settings.peers.is_empty() || !registry.is_judged(pending.slot, Part::Same, &self.gates) {
            return;
        }
        let origins = std::mem::take(&mut self.state.origins);
        if let Some(source) = origins.get(&pending.source) {
            let value = Value {
                slot: pending.slot,
                part: Part::Same,
                at: pending.at,
                value,
                strength: 0.0,
                origin: Origin::Record(source, pending.offset),
            };
            self.note(value, effects);
        }
        self.state.origins = origins;
    }

    /// Tells the summaries of the steps that end next.
    pub(super) fn tell_summaries(&mut self, effects: &mut Out) {
        let (summaries, cut) = self.state.peers.take_next(&self.state.source);
        if cut {
            effects.reject(RejectReason::SeriesLimit, "a value more than a summary holds");
        }
        for summary in summaries {
            effects.emit(DetectOutput::Summary(Box::new(summary)));
        }
    }
}

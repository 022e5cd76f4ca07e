//! Events are counted in bins of their time, and a bin that is full is judged as a rate.

use forecall_types::{Lineage, RejectReason};

use super::{DetectStage, Out};
use crate::buffer::Pending;
use crate::policy::Origin;
use crate::rate::{Bin, BinSpan, EVENT_GAP_BINS_MAX, Part, Prior, number};

impl DetectStage {
    /// Adds events to the bin of their time.
    pub(super) fn count_events(&mut self, pending: &Pending, count: u64, effects: &mut Out) {
        self.learn_once(pending, self.state.registry.last_at(pending.slot));
        let position = self.position(pending);
        let Some(prior) = self.state.registry.prior_mut(pending.slot) else {
            effects.reject(RejectReason::SeriesLimit, "a counter's memory");
            return;
        };
        if let Prior::Bin(bin) = prior {
            if pending.at < bin.from {
                // Only after an early release: its own bin has been judged.
                let metric = self.state.registry.metric(pending.slot);
                effects.reject(RejectReason::Late, format!("point {} ({metric})", pending.row));
                return;
            }
            // Bins are closed in order of time, before later events are taken: it belongs here.
            bin.count = bin.count.saturating_add(count);
            bin.empty = 0;
            bin.lineage.add(&position);
            return;
        }
        let before = self.state.registry.last_at(pending.slot);
        if before.is_none_or(|last| self.is_long(last, pending.at)) {
            self.speak(pending, before, effects);
        }
        let span = BinSpan::of(self.state.registry.metric(pending.slot));
        let Some(prior) = self.state.registry.prior_mut(pending.slot) else {
            return;
        };
        let bin = Bin {
            from: pending.at.floor(span.length()),
            span,
            count,
            empty: 0,
            lineage: Lineage::of(&position),
        };
        self.state.bins.insert((bin.end(), pending.slot));
        *prior = Prior::Bin(Box::new(bin));
    }

    /// Judges the rate of a bin that is full, and begins the next.
    pub(super) fn close_bin(&mut self, slot: u32, again: bool, effects: &mut Out) {
        let Some(prior) = self.state.registry.prior_mut(slot) else {
            return;
        };
        let Prior::Bin(mut bin) = std::mem::take(prior) else {
            return;
        };
        let (at, span, count) = (bin.from, bin.span, bin.count);
        let lineage = std::mem::take(&mut bin.lineage);
        bin.empty += u32::from(count == 0);
        if again && bin.empty < EVENT_GAP_BINS_MAX {
            bin.from = bin.end();
            bin.count = 0;
            self.state.bins.insert((bin.end(), slot));
            *prior = Prior::Bin(bin);
        } else if !again && count == 0 {
            return;
        }
        let before = self.state.registry.last_at(slot);
        self.state.registry.set_last_at(slot, at);
        let rate = number(count) / span.length().as_secs_f64();
        let origin = Origin::Records(&lineage);
        self.judge(
            slot,
            (at, before),
            (Part::Rate, rate, true),
            origin,
            None,
            effects,
        );
    }
}

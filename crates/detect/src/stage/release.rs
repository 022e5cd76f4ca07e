//! What comes next, in order of time: samples, ends of event bins, of steps, and of patience.

use forecall_types::EventTime;

use super::{DetectStage, Out};

impl DetectStage {
    /// The end of a finite input: nothing is waited for any more.
    pub fn flush(&mut self, effects: &mut Out) {
        self.release(EventTime::MAX, effects);
        while let Some((_, raw)) = self.state.bins.pop_first() {
            self.close_bin(raw, false, effects);
        }
        while !self.state.peers.is_empty() {
            self.tell_summaries(effects);
        }
    }

    /// Takes what lies before `limit`, samples and ends of event bins in order of time; at one time silences come first, then ends
    /// of bins, then ends of steps, then samples.
    pub(super) fn release(&mut self, limit: EventTime, effects: &mut Out) {
        loop {
            let sample = self.state.buffer.first_before(limit);
            let bin = self.state.bins.first().copied().filter(|(end, _)| *end <= limit);
            if let Some(due) = self.state.silence.next()
                && sample.is_none_or(|at| due <= at)
                && bin.is_none_or(|(end, _)| due < end)
            {
                self.look_for_silence(effects);
                continue;
            }
            if let Some(due) = self.state.peers.next_end()
                && due <= limit
                && sample.is_none_or(|at| due <= at)
                && bin.is_none_or(|(end, _)| due < end)
            {
                self.tell_summaries(effects);
                continue;
            }
            match (sample, bin) {
                (Some(at), Some((end, _))) if at < end => self.take_first(effects),
                (Some(_), None) => self.take_first(effects),
                (_, Some((end, raw))) if limit < EventTime::MAX || sample.is_some() => {
                    self.state.bins.remove(&(end, raw));
                    self.close_bin(raw, true, effects);
                }
                (None, _) | (Some(_), Some(_)) => return,
            }
        }
    }

    fn take_first(&mut self, effects: &mut Out) {
        self.look_ahead();
        if let Some(first) = self.state.buffer.pop() {
            self.take(first, effects);
        }
    }
}

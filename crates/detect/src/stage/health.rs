use super::DetectStage;

/// How the stage does: for those who watch it.
impl DetectStage {
    /// Series it holds.
    pub const fn series(&self) -> usize {
        self.state.registry.len()
    }

    /// Series it gave up for others.
    pub const fn evicted(&self) -> u64 {
        self.state.registry.evicted()
    }

    /// Nothing earlier is expected.
    pub const fn watermark(&self) -> forecall_types::Watermark {
        self.state.sources.watermark()
    }

    /// Samples that left the full buffer before the watermark had passed them.
    pub const fn released_early(&self) -> u64 {
        self.state.released_early
    }

    /// Whether time alone changes nothing of what it says, up to its next record. Of a source that is read directly its records
    /// alone tell the time; the marks of a re-keyed one tell it as well.
    pub fn is_at_rest(&self) -> bool {
        let state = &self.state;
        let holds_nothing = state.buffer.is_empty()
            && state.bins.is_empty()
            && state.open.is_empty()
            && state.peers.is_empty()
            && !state.silence.waits_for_watermark(self.settings.lateness());
        holds_nothing || !state.sources.is_rekeyed()
    }

    /// Samples waiting for the watermark.
    pub fn buffered(&self) -> usize {
        self.state.buffer.len()
    }
}

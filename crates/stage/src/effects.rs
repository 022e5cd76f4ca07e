use forecall_types::{Reject, RejectReason};

/// What a step wants done: outputs in order, and what it refused. The host does it, or, while re-reading, only hashes it.
#[derive(Debug, Clone)]
pub struct Effects<O> {
    outputs: Vec<O>,
    rejects: Vec<Reject>,
}

impl<O> Default for Effects<O> {
    fn default() -> Self {
        Self {
            outputs: Vec::new(),
            rejects: Vec::new(),
        }
    }
}

impl<O> Effects<O> {
    /// Asks for an output.
    pub fn emit(&mut self, output: O) {
        self.outputs.push(output);
    }

    /// Says that the record, or a part of it, was refused.
    pub fn reject(&mut self, reason: RejectReason, detail: impl Into<String>) {
        self.rejects.push(Reject::new(reason, detail));
    }

    /// The outputs so far, in order.
    pub fn outputs(&self) -> &[O] {
        &self.outputs
    }

    /// The refusals so far, in order.
    pub fn rejects(&self) -> &[Reject] {
        &self.rejects
    }

    /// Takes all and leaves it empty, its memory kept.
    pub fn drain(&mut self) -> (impl Iterator<Item = O> + '_, impl Iterator<Item = Reject> + '_) {
        (self.outputs.drain(..), self.rejects.drain(..))
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.outputs.clear();
        self.rejects.clear();
    }
}

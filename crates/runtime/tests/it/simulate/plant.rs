//! Faults planted in the runtime's place: a checker that finds none of them proves nothing.

use std::sync::Arc;

use forecall_log::{Committed, Member, Outcome, TopicPartition};
use forecall_runtime::HostError;
use forecall_runtime::host::{LogSink, Part, Sink, Work};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// Nothing: the runtime as it is.
    None,
    /// Positions are committed before the effects.
    PositionsFirst,
    /// Effects are committed before the positions.
    EffectsFirst,
    /// What was committed is forgotten: nothing is muted after a restart.
    NothingMuted,
    /// A batch that has another owner now is published all the same.
    OwnerIgnored,
    /// Dead letters are sent apart from their batch.
    LettersApart,
    /// A part of the stage's memory is no part of its snapshot.
    ForgetfulSnapshot,
    /// Where records are gone, reading goes on at the oldest one kept.
    SkipsInSilence,
}

impl Plant {
    pub(crate) const ALL: [Self; 6] = [
        Self::PositionsFirst,
        Self::EffectsFirst,
        Self::NothingMuted,
        Self::OwnerIgnored,
        Self::LettersApart,
        Self::ForgetfulSnapshot,
    ];

    /// The broken sink, where it is one.
    pub(crate) fn sink(self) -> Option<Arc<dyn Sink>> {
        match self {
            Self::None | Self::ForgetfulSnapshot | Self::SkipsInSilence => None,
            _ => Some(Arc::new(Broken(self))),
        }
    }
}

struct Broken(Plant);

/// The halves of a batch: positions alone, and all the rest.
fn halves(work: Work) -> (Work, Work) {
    let (mut positions, mut rest) = (Work::default(), Work::default());
    rest.own = work.own;
    for (partition, mut part) in work.parts {
        let position = Part {
            position: part.position.take(),
            ..Part::default()
        };
        rest.parts.insert(partition.clone(), part);
        positions.parts.insert(partition, position);
    }
    (positions, rest)
}

/// The dead letters of a batch alone, and all the rest.
fn letters_apart(mut work: Work) -> (Work, Work) {
    let mut letters = Work::default();
    for (partition, part) in &mut work.parts {
        let apart = Part {
            letters: std::mem::take(&mut part.letters),
            ..Part::default()
        };
        letters.parts.insert(partition.clone(), apart);
    }
    (letters, work)
}

fn in_two(member: &mut dyn Member, mut first: Work, mut second: Work) -> Result<Outcome, HostError> {
    match LogSink.commit(member, &mut first)? {
        Outcome::Committed => LogSink.commit(member, &mut second),
        Outcome::NotOwner => Ok(Outcome::NotOwner),
    }
}

impl Sink for Broken {
    fn committed(
        &self,
        partition: &TopicPartition,
        in_group: Option<&Committed>,
    ) -> Result<Option<Committed>, HostError> {
        match self.0 {
            Plant::NothingMuted => Ok(None),
            _ => LogSink.committed(partition, in_group),
        }
    }

    fn commit(&self, member: &mut dyn Member, work: &mut Work) -> Result<Outcome, HostError> {
        let mut work = std::mem::take(work);
        if self.0 == Plant::LettersApart {
            let (letters, rest) = letters_apart(work);
            return in_two(member, letters, rest);
        }
        if matches!(
            self.0,
            Plant::None | Plant::NothingMuted | Plant::ForgetfulSnapshot | Plant::SkipsInSilence
        ) {
            return LogSink.commit(member, &mut work);
        }
        let (positions, rest) = halves(work);
        match self.0 {
            Plant::PositionsFirst => in_two(member, positions, rest),
            Plant::OwnerIgnored => {
                in_two(member, rest, positions)?;
                Ok(Outcome::Committed)
            }
            _ => in_two(member, rest, positions),
        }
    }
}

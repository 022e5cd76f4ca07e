//! A log, a snapshot store and gateways that fail as real ones do, by a seed: the test bed of the runtime.
//!
//! [`FaultyLog`] wraps the log in memory and keeps its promises: what it reports of a commit is what its trait allows,
//! never a lie. [`FaultyStore`] wraps a store in memory and keeps none: what it took may be torn, flipped or gone.
//! [`FaultyGateway`] is all there is behind it: what it has taken stands in a [`GatewayBook`], whatever it answered.

mod dice;
mod gateway;
mod log;
mod member;
mod store;

use std::collections::BTreeMap;

pub use dice::Dice;
pub use gateway::{FaultyGateway, GatewayBook, MUTE, Pass, Taken};
pub use log::{Crashed, FaultyLog};
pub use store::FaultyStore;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Gathering fails before anything is read; it may be called again.
    GatherFails,
    /// Gathering fails after records were handed over; they stay good.
    GatherFailsLate,
    /// Nothing is handed over, and no change in the group is noticed yet.
    GatherIsDeaf,
    /// The member loses its connection: its partitions are lost, and it joins anew.
    MemberBreaks,
    /// Few records, of some of the partitions only.
    GatherIsSmall,
    /// Another member comes and takes partitions; it never reads, and goes after a while.
    Rebalance,
    /// Others run between gathering and the commit, or between its two halves: whoever waits is a zombie meanwhile.
    Interlude,
    /// The transaction is applied in the second half of the commit, as after a doubt that found nothing applied.
    CommitLate,
    /// The commit can't be begun: nothing is published.
    CommitRefused,
    /// The process is told that the commit failed; nothing stands.
    CommitLost,
    /// The process is told that the commit failed, and it stands.
    CommitStands,
    /// A member that ends without leaving holds its partitions for a while, as until a session ends.
    Corpse,
    /// A question (positions, bounds) or a writer fails; it may be asked again.
    QuestionFails,
    /// A snapshot is cut short, and the store says it was written.
    SnapshotTorn,
    /// One bit of a snapshot is flipped.
    SnapshotFlipped,
    /// A snapshot is gone though the store said it was written.
    SnapshotMissing,
    /// A snapshot can't be written; part of it may stand.
    SnapshotRefused,
    /// A snapshot is read with a flipped bit; it stands whole.
    SnapshotMisread,
    /// The store can't be read or listed just now.
    StoreDown,
    /// An old snapshot can't be removed.
    SnapshotStays,
    /// The process ends at a named point, between any two steps.
    Crash,
    /// A writer is told that its commit failed; nothing stands.
    WriteLost,
    /// A writer is told that its commit failed, and it stands.
    WriteStands,
    /// The log drops old records, read or not.
    Retention,
    /// A gateway refuses a message for good.
    GatewayRefuses,
    /// A gateway refuses a message for now.
    GatewayBusy,
    /// A gateway takes nothing.
    GatewayDown,
    /// A gateway asks for time.
    GatewayThrottles,
    /// A gateway's answer is lost; it may have taken the message.
    GatewayIsMute,
    /// A gateway takes so long that others run, and a lease may run out.
    GatewayIsSlow,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::GatherFails,
        Self::GatherFailsLate,
        Self::GatherIsDeaf,
        Self::MemberBreaks,
        Self::GatherIsSmall,
        Self::Rebalance,
        Self::Interlude,
        Self::CommitLate,
        Self::CommitRefused,
        Self::CommitLost,
        Self::CommitStands,
        Self::Corpse,
        Self::QuestionFails,
        Self::SnapshotTorn,
        Self::SnapshotFlipped,
        Self::SnapshotMissing,
        Self::SnapshotRefused,
        Self::SnapshotMisread,
        Self::StoreDown,
        Self::SnapshotStays,
        Self::Crash,
        Self::WriteLost,
        Self::WriteStands,
        Self::Retention,
        Self::GatewayRefuses,
        Self::GatewayBusy,
        Self::GatewayDown,
        Self::GatewayThrottles,
        Self::GatewayIsMute,
        Self::GatewayIsSlow,
    ];

    /// How often it strikes where it is on, in a thousand chances: often enough that a run of some hundred turns meets
    /// it, seldom enough that something gets done between.
    const fn often(self) -> u32 {
        match self {
            Self::GatherIsSmall | Self::Corpse | Self::CommitLate => 400,
            Self::SnapshotTorn | Self::SnapshotFlipped | Self::SnapshotMissing | Self::SnapshotStays => 250,
            Self::SnapshotRefused | Self::SnapshotMisread => 150,
            Self::Interlude | Self::GatherIsDeaf | Self::GatewayIsMute | Self::Retention => 120,
            Self::Rebalance | Self::StoreDown => 60,
            Self::GatherFails
            | Self::GatherFailsLate
            | Self::QuestionFails
            | Self::WriteLost
            | Self::WriteStands
            | Self::GatewayRefuses
            | Self::GatewayBusy
            | Self::GatewayDown
            | Self::GatewayThrottles
            | Self::GatewayIsSlow => 50,
            Self::MemberBreaks | Self::CommitRefused | Self::CommitLost | Self::CommitStands => 30,
            // A turn passes several points.
            Self::Crash => 8,
        }
    }
}

/// Chances of each fault, and how often it has struck.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    pub(crate) dice: Dice,
    per_mille: BTreeMap<Fault, u32>,
    struck: BTreeMap<Fault, u64>,
    pub(crate) is_armed: bool,
}

impl Faults {
    /// Half of the faults are on in a run, each with a strength of its own: a run in which everything fails at once gets
    /// nowhere, and hides what only some of them bring about.
    pub(crate) fn drawn(mut dice: Dice) -> Self {
        let per_mille = Fault::ALL
            .into_iter()
            .filter_map(|fault| {
                let (on, strength) = (dice.hit(500), dice.between(250, 1_500));
                let often = u64::from(fault.often()) * strength / 1_000;
                on.then(|| (fault, u32::try_from(often).unwrap_or(1_000)))
            })
            .collect();
        Self {
            dice,
            per_mille,
            struck: BTreeMap::new(),
            is_armed: true,
        }
    }

    /// Whether it strikes now.
    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let Some(often) = self.per_mille.get(&fault).copied().filter(|_| self.is_armed) else {
            return false;
        };
        let strikes = self.dice.hit(often);
        if strikes {
            *self.struck.entry(fault).or_default() += 1;
        }
        strikes
    }

    /// Nothing fails from now on.
    pub(crate) fn calm(&mut self) {
        self.per_mille.clear();
    }

    pub(crate) fn struck(&self) -> BTreeMap<Fault, u64> {
        self.struck.clone()
    }
}

//! Did the notices help? The answer of a hold-out, never assumed.
//!
//! People of an incident's audience are divided at random; one part is told at once, the other when the hold-out is released.
//! What is measured is **the effect up to the release**: by how much fewer people of those told made a contact between being
//! assigned and the release, against what those held out did. It may be negative: a notice makes people call, too. Whoever was
//! assigned counts, reached or not; what comes after the release is told apart ([`trial`]).
//!
//! Given all contacts of an incident, those of the told are binomial with n_T e^θ : n_H, so that whatever made people call, and
//! whoever can't be matched to a customer, falls out. θ differs between incidents by a normal law, whose middle is the effect *in a typical
//! incident*; middle and spread lie on a grid: no random number, no iteration ([`EffectAnalysis`]).
//!
//! Two intervals: the credible one, for who looks once, and the one that holds however often one looks, on which the
//! [`Verdict`] rests.
//!
//! ```
//! use forecall_outreach::calls::effect::{Arms, EffectAnalysis, Verdict};
//! let mut analysis = EffectAnalysis::new();
//! let arms = Arms { told: 9_000, held_out: 1_000, told_contacts: 390, held_out_contacts: 60 };
//! analysis.add(arms).unwrap();
//! let reading = analysis.read();
//! // One incident: 28 % fewer people called, and that says little yet.
//! assert!(reading.reduction.mean > 0.1 && reading.reduction.quantiles[0] < 0.1);
//! assert_eq!(reading.verdict, Verdict::NothingShown);
//! ```

pub mod cost;
mod grid;
mod law;
mod segments;
pub mod trial;

use serde::{Deserialize, Serialize};

use grid::{Curve, Hierarchy, Shares};
pub use law::{Interval, Law};
pub use segments::{SegmentEffect, segments};

#[cfg(test)]
mod tests;

/// Fewer held-out people with a contact than this say nothing: "not enough data".
pub const HELD_OUT_CONTACTS_MIN: u64 = 50;
/// Chance that the always-valid interval misses the truth at any of all looks.
pub const ALPHA: f64 = 0.05;
/// People of one arm of an incident: more is a wrong column.
pub const PEOPLE_MAX: u64 = 1_000_000_000;
/// Incidents of one analysis: each is remembered with 3 KiB.
pub const INCIDENTS_MAX: usize = 10_000;

/// What became of one incident's people up to the hold-out's release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Arms {
    /// People assigned to be told at once, reached or not.
    pub told: u64,
    /// People assigned to be told later.
    pub held_out: u64,
    /// Of those told, people who made a contact.
    pub told_contacts: u64,
    /// Of those held out, people who made a contact.
    pub held_out_contacts: u64,
}

/// Why numbers of an incident can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotArms {
    /// More who made a contact than there are.
    #[error(
        "{contacts} people of {people} made a contact: count people, each once, and write contacts beside"
    )]
    MoreContacts {
        /// With a contact.
        contacts: u64,
        /// All.
        people: u64,
    },
    /// More than [`PEOPLE_MAX`].
    #[error("{0} people are more than an incident has")]
    TooMany(u64),
    /// More than [`INCIDENTS_MAX`].
    #[error("more than {INCIDENTS_MAX} incidents: leave out the oldest years")]
    Full,
}

impl Arms {
    /// Whether they can be.
    ///
    /// # Errors
    /// Why not.
    pub fn check(self) -> Result<(), NotArms> {
        for (people, contacts) in [
            (self.told, self.told_contacts),
            (self.held_out, self.held_out_contacts),
        ] {
            if people > PEOPLE_MAX {
                return Err(NotArms::TooMany(people));
            }
            if contacts > people {
                return Err(NotArms::MoreContacts { contacts, people });
            }
        }
        Ok(())
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            told: self.told + other.told,
            held_out: self.held_out + other.held_out,
            told_contacts: self.told_contacts + other.told_contacts,
            held_out_contacts: self.held_out_contacts + other.held_out_contacts,
        }
    }
}

/// What may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The always-valid interval lies above no effect: fewer contacts.
    Works,
    /// It lies below: more contacts.
    Harms,
    /// It holds no effect.
    NothingShown,
    /// Fewer than [`HELD_OUT_CONTACTS_MIN`] held-out people made a contact.
    NotEnoughData,
}

impl Verdict {
    /// One word for files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Harms => "harms",
            Self::NothingShown => "nothing_shown",
            Self::NotEnoughData => "not_enough_data",
        }
    }
}

/// What all incidents so far say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectReading {
    /// Incidents.
    pub incidents: usize,
    /// All people, and those with a contact.
    pub arms: Arms,
    /// Share of contacts kept away in a typical incident: credible, for who looks once. Its median is the figure to name: the mean
    /// of a ratio runs after its spread.
    pub reduction: Law,
    /// The same for an incident not seen yet.
    pub next_incident: Law,
    /// The reductions not ruled out, however often one has looked.
    pub always_valid: Interval,
    /// Mean of how far incidents differ: standard deviation of the log rate ratio.
    pub spread: f64,
    /// What may be said.
    pub verdict: Verdict,
}

/// Contacts kept away, with their 2.5 % and 97.5 % quantile; negative: the notices brought more than they kept away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Avoided {
    /// Mean.
    pub mean: f64,
    /// 2.5 % quantile.
    pub low: f64,
    /// 97.5 % quantile.
    pub high: f64,
}

/// The hierarchical analysis: incidents in their order, one by one. Reading it after each is what its verdict is made for.
#[derive(Debug, Clone)]
pub struct EffectAnalysis {
    hierarchy: Hierarchy,
    curves: Vec<Curve>,
    arms: Arms,
    dispersion: f64,
    /// Of the incidents so far: what is known of the next one's contacts before it came.
    shares: Shares,
}

impl Default for EffectAnalysis {
    fn default() -> Self {
        Self::new()
    }
}

impl EffectAnalysis {
    /// Nothing known; people are assigned one by one.
    pub fn new() -> Self {
        Self::with_dispersion(1.0)
    }

    /// People are assigned in units (households, areas), whose contacts vary `dispersion` times as much as those of people by
    /// themselves ([`trial::Trial::dispersion`]); held to 1 to 100. Each count then says that much less.
    pub fn with_dispersion(dispersion: f64) -> Self {
        let dispersion = if dispersion.is_nan() {
            1.0
        } else {
            dispersion.clamp(1.0, 100.0)
        };
        Self {
            hierarchy: Hierarchy::new(),
            curves: Vec::new(),
            arms: Arms::default(),
            dispersion,
            shares: Shares::default(),
        }
    }

    /// Takes in the next incident. One without people in either arm, or without a contact, says nothing and changes nothing but the counts.
    ///
    /// # Errors
    /// Numbers that can't be, or too many incidents; then nothing is changed.
    pub fn add(&mut self, arms: Arms) -> Result<(), NotArms> {
        arms.check()?;
        if self.curves.len() >= INCIDENTS_MAX {
            return Err(NotArms::Full);
        }
        let curve = Curve::of(arms, self.dispersion, self.shares.rates());
        self.shares.add(arms);
        self.hierarchy.add(&curve);
        self.curves.push(curve);
        self.arms = self.arms.plus(arms);
        Ok(())
    }

    /// The always-valid interval and what may be said of it: a quick look, after each incident if one likes.
    pub fn look(&self) -> (Interval, Verdict) {
        let always_valid = self.hierarchy.always_valid(ALPHA);
        (always_valid, self.verdict(always_valid))
    }

    /// Share of contacts kept away in a typical incident, as known so far.
    pub fn reduction(&self) -> Law {
        self.hierarchy.reduction()
    }

    /// What all incidents so far say.
    pub fn read(&self) -> EffectReading {
        let (always_valid, verdict) = self.look();
        EffectReading {
            incidents: self.curves.len(),
            arms: self.arms,
            reduction: self.hierarchy.reduction(),
            next_incident: self.hierarchy.next(),
            always_valid,
            spread: self.hierarchy.spread(),
            verdict,
        }
    }

    fn verdict(&self, always_valid: Interval) -> Verdict {
        if self.arms.held_out_contacts < HELD_OUT_CONTACTS_MIN {
            Verdict::NotEnoughData
        } else if always_valid.low.is_some_and(|low| low > 0.0) {
            Verdict::Works
        } else if always_valid.high.is_some_and(|high| high < 0.0) {
            Verdict::Harms
        } else {
            Verdict::NothingShown
        }
    }

    /// Each incident's own effect, drawn to the others', in the order they came.
    pub fn incidents(&self) -> Vec<Law> {
        self.curves
            .iter()
            .map(|curve| self.hierarchy.unit(curve))
            .collect()
    }

    /// Contacts kept away: of each incident, of each group and of all. `contacts` are those of the told up to the release
    /// (repeats included) and a group's name (such as a month) for each incident, in order; incidents beyond its end are left out.
    pub fn avoided<G: Ord + Clone>(&self, contacts: &[(f64, G)]) -> AvoidedContacts<G> {
        let places = self.hierarchy.posterior();
        let mut groups: std::collections::BTreeMap<G, law::Moments> = std::collections::BTreeMap::new();
        let mut all: Option<law::Moments> = None;
        let mut incidents = Vec::with_capacity(self.curves.len());
        for (curve, (count, group)) in self.curves.iter().zip(contacts) {
            let own = self.hierarchy.kept_away(&places, curve, *count);
            incidents.push(told(&own));
            match groups.get_mut(group) {
                Some(sum) => sum.plus(&own),
                None => drop(groups.insert(group.clone(), own.clone())),
            }
            match &mut all {
                Some(sum) => sum.plus(&own),
                None => all = Some(own),
            }
        }
        AvoidedContacts {
            incidents,
            groups: groups
                .iter()
                .map(|(group, sum)| (group.clone(), told(sum)))
                .collect(),
            all: all.as_ref().map(told),
        }
    }
}

fn told(moments: &law::Moments) -> Avoided {
    Avoided {
        mean: moments.mean(),
        low: moments.quantile(0.025),
        high: moments.quantile(0.975),
    }
}

/// Contacts kept away, net of those the notices brought.
#[derive(Debug, Clone, PartialEq)]
pub struct AvoidedContacts<G> {
    /// Of each incident.
    pub incidents: Vec<Avoided>,
    /// Of each group.
    pub groups: Vec<(G, Avoided)>,
    /// Of all; none without an incident.
    pub all: Option<Avoided>,
}

//! Who is paged of an incident, and what pages nobody for a while.

use std::collections::{BTreeMap, BTreeSet};

use super::scalar::{Name, Pattern, Sentence, Time};
use super::shape::{published, published_enum};

published_enum! {
    /// What was decided for a team.
    PageDecision {
        /// Page it.
        Paged,
        /// Its budget has no room for this one now; it may be paged later.
        HeldBack,
    }
}

published! {
    /// Whether a team with an alert budget is to be paged: once, and never taken back.
    #[derive(Eq)]
    Page of Page {
        /// The team, as the settings name it.
        team: String = team,
        /// What was decided.
        decision: PageDecision = decision,
        /// Event time of the decision.
        at: Time = at,
        /// Why, in words for an engineer.
        #[serde(default)]
        why: String = why,
    }
}

published! {
    /// What a silence is for. In patterns `*` stands for any run of characters. An incident matches where every service, every region
    /// and all of its active evidence does. What isn't given matches all; one list at least must be.
    #[derive(Eq)]
    Matchers of Matchers {
        /// Services.
        #[serde(default)]
        services: BTreeSet<Pattern> = services,
        /// Regions.
        #[serde(default)]
        regions: BTreeSet<Pattern> = regions,
        /// Metrics.
        #[serde(default)]
        metrics: BTreeSet<Pattern> = metrics,
        /// Labels of the resource, by name.
        #[serde(default)]
        labels: BTreeMap<Pattern, Pattern> = labels,
    }
}

published! {
    /// That an incident pages nobody for a while, by a person's word. Customers are told all the same.
    #[derive(Eq)]
    Silenced of Silenced {
        /// The silence: the id of the command that made it.
        id: Name = id,
        /// Event time at which it ends.
        until: Time = until,
        /// Role or team; never a person's name.
        by: String = by,
        /// Why.
        reason: Sentence = reason,
    }
}

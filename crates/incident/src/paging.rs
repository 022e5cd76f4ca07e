//! Who is paged of what: at most so many pages a day for each team, the surest first.
//!
//! Each incident asks once for each team that answers for a part of its scope. Three rules decide, over the last 24 hours of event
//! time:
//! - *The purse.* At most `pages_a_day`. The fuller it is spent, the surer a prediction must be: the k-th of N is paged while its chance of
//!   being false is at most 1 − k / (N + 1). What is left at the end is for what is nearly certain.
//! - *False discoveries.* The expected number of false ones among the pages, this one included, may be a share `false_pages_max` of
//!   them, with a credit of two pages' share. The chance of a page's being false is 1 − probability, and 0 or 1 once its outcome is known, so that
//!   pages that came true earn room and false alarms cost it. This is online control of the false discovery rate by local false
//!   discovery rates: Gang, Sun and Wang, *Structure-adaptive sequential testing for online false discovery rate control*,
//!   Journal of the American Statistical Association 118 (2023).
//! - *What a page is worth.* Where more asked for one within a week than the budget holds, a prediction must be as sure as the last of
//!   them that would have fitted in.
//!
//! Where customers are hit already nothing is doubtful, and the purse alone counts. An extreme incident is paged whatever was spent.
//! What is silenced isn't paged at all, nor counted, until the silence is over; nor is somebody called when a page is free at last
//! and customers aren't hit any more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    EventTime, Incident, IncidentId, IncidentState, Page, PageDecision, RegionCode, ServiceName, Severity,
    SilenceId, fits,
};
use serde::{Deserialize, Serialize};

use crate::reason::{clock, number};

/// Teams with a budget in one configuration: each may stand in an incident's event, with some 150 bytes.
pub const TEAMS_MAX: usize = 64;
/// Pages a day that one team may be given: beyond this nobody reads them.
pub const PAGES_A_DAY_MAX: u32 = 1_000;
/// Pages of one day remembered: those of the budget, and as many extreme ones beyond it.
const PAGES_KEPT_MAX: usize = 2_000;
const DAY: Duration = Duration::from_secs(86_400);
/// Pages that may be false before any has come true, by what share of them may be: one where it is a half.
const CREDIT_PER_SHARE: f64 = 2.0;
/// What is asked of the pages of a team is remembered so long …
const ASKED_FOR: Duration = Duration::from_secs(7 * 86_400);
/// … and of so many incidents, at some 60 bytes: 146 a day; of more the oldest are forgotten.
const ASKED_MAX: usize = 1_024;
/// However scarce pages are, a prediction as sure as this may still have one.
const PRICE_MAX: f64 = 0.97;

/// A team and its alert budget, as written in the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamEntry {
    /// Name in events and metrics; never a person's.
    pub name: String,
    /// Services it answers for, in which `*` stands for any run of characters; empty: all.
    #[serde(default)]
    pub services: Vec<String>,
    /// Regions it answers for, with `*` alike; empty: all.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Pages in any 24 hours of event time, at most.
    pub pages_a_day: u32,
    /// Share of its pages that may turn out false, above 0 and at most 1.
    #[serde(default = "default_false_pages_max")]
    pub false_pages_max: f64,
}

const fn default_false_pages_max() -> f64 {
    0.5
}

impl TeamEntry {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(is_plain) {
            return Err("`name` must be 1 to 64 of a-z, 0-9, - and _");
        }
        if self.pages_a_day == 0 || self.pages_a_day > PAGES_A_DAY_MAX {
            return Err("`pages_a_day` must be 1 to 1000");
        }
        if !(self.false_pages_max > 0.0 && self.false_pages_max <= 1.0) {
            return Err("`false_pages_max` must be above 0, at most 1");
        }
        Ok(())
    }

    fn answers_for(&self, services: &BTreeSet<ServiceName>, regions: &BTreeSet<RegionCode>) -> bool {
        let any = |patterns: &[String], mut names: Box<dyn Iterator<Item = &str> + '_>| {
            patterns.is_empty() || names.any(|name| patterns.iter().any(|pattern| fits(pattern, name)))
        };
        any(&self.services, Box::new(services.iter().map(ServiceName::as_str)))
            && any(&self.regions, Box::new(regions.iter().map(RegionCode::as_str)))
    }
}

/// What holds pages back whatever the budgets are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HeldBy {
    /// A person's word.
    Silence(SilenceId),
    /// Another incident that speaks for it.
    Storm(IncidentId),
    /// What hit customers has passed, whatever may still be open.
    Passed,
}

/// What holds the pages of an incident back, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Hold {
    /// In words for an SRE; `None`: nothing but the budgets.
    pub(crate) why: Option<String>,
    /// It was something else, or nothing, when the incident was published last.
    pub(crate) has_turned: bool,
}

/// A page of the last day.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Paged {
    incident: IncidentId,
    /// How often the incident had come back by then: a verdict is one on that life of it.
    reopened: u32,
    at: EventTime,
    /// Chance that it was false, by what is known now.
    false_chance: f64,
}

/// What one team was paged of, and what might have been.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Purse {
    /// Of the last day, oldest first, at most [`PAGES_KEPT_MAX`].
    spent: VecDeque<Paged>,
    /// From when on all that was asked is known: the first ask of all, or the oldest kept once some were forgotten.
    since: Option<EventTime>,
    /// Of the last week, at most [`ASKED_MAX`]: when each incident asked first, and how sure it has been at most.
    asked: BTreeMap<IncidentId, (EventTime, f64)>,
}

impl Purse {
    /// How sure a prediction has to be, so that of what was asked within a week no more than the budget would have been paged.
    /// `None`: there was room for all, or less than a day is known.
    fn price(&mut self, team: &TeamEntry, incident: &Incident, sure: f64) -> Option<f64> {
        let now = incident.at;
        self.asked.retain(|_, (at, _)| now.since(*at) < ASKED_FOR);
        let since = *self.since.get_or_insert(now);
        let known = now.since(since).min(ASKED_FOR);
        let own = self.asked.entry(incident.id.clone()).or_insert((now, sure));
        own.1 = own.1.max(sure);
        if self.asked.len() > ASKED_MAX {
            let oldest = self.asked.iter().min_by_key(|(id, (at, _))| (*at, (*id).clone()));
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.map(|id| self.asked.remove(&id));
            // What is known begins with the oldest that is kept.
            self.since = self.asked.values().map(|(at, _)| *at).min();
        }
        let known = known.min(now.since(self.since.unwrap_or(since)));
        if known < DAY {
            return None;
        }
        let room = f64::from(team.pages_a_day) * known.as_secs_f64() / DAY.as_secs_f64();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 1,000 pages on 7 days"
        )]
        let room = room as usize;
        if self.asked.len() <= room {
            return None;
        }
        let mut sureness: Vec<f64> = self.asked.values().map(|(_, sure)| *sure).collect();
        let last = room.saturating_sub(1);
        let (_, price, _) = sureness.select_nth_unstable_by(last, |a, b| b.total_cmp(a));
        Some(price.min(PRICE_MAX))
    }

    /// When its newest page was.
    fn last_page(&self) -> Option<EventTime> {
        self.spent.back().map(|page| page.at)
    }
}

/// What each team was paged of in the last day.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Pages {
    teams: BTreeMap<Arc<str>, Purse>,
}

impl Pages {
    /// Decides for all teams concerned that haven't been paged of it yet; `incident` is as it is about to be published.
    pub(crate) fn decide(&mut self, incident: &mut Incident, teams: &[TeamEntry], hold: &Hold) {
        self.settle(&incident.id, incident.reopened, false_chance(incident));
        if !incident.state.is_open() {
            return;
        }
        self.forget(teams, incident.at);
        for team in teams {
            if !team.answers_for(&incident.scope.services, &incident.scope.regions) {
                continue;
            }
            let before = incident.paging.iter().position(|page| *page.team == *team.name);
            let held = before.and_then(|i| incident.paging.get(i));
            if held.is_some_and(|page| page.decision == PageDecision::Paged) {
                continue;
            }
            let page = match &hold.why {
                Some(why) => Page {
                    team: Arc::from(team.name.as_str()),
                    decision: PageDecision::HeldBack,
                    at: incident.at,
                    why: why.clone(),
                },
                None => self.ask(team, incident),
            };
            match before.and_then(|i| incident.paging.get_mut(i)) {
                // Held back as before: the first reason stands.
                Some(_) if page.decision == PageDecision::HeldBack && !hold.has_turned => {}
                Some(old) => *old = page,
                None => incident.paging.push(page),
            }
        }
    }

    /// Forgets teams that are no more: after a day without a page, so that nobody has a new purse by being taken out and put in
    /// again; at once those beyond [`TEAMS_MAX`] of them, the ones paged longest ago first.
    fn forget(&mut self, teams: &[TeamEntry], now: EventTime) {
        let is_known = |name: &str| teams.iter().any(|team| team.name == name);
        self.teams
            .retain(|name, purse| is_known(name) || purse.last_page().is_some_and(|at| now.since(at) < DAY));
        let gone = self.teams.iter().filter(|(name, _)| !is_known(name));
        let mut gone: Vec<(Option<EventTime>, Arc<str>)> = gone
            .map(|(name, purse)| (purse.last_page(), Arc::clone(name)))
            .collect();
        if gone.len() > TEAMS_MAX {
            gone.sort();
            for (_, name) in gone.iter().take(gone.len() - TEAMS_MAX) {
                self.teams.remove(name);
            }
        }
    }

    fn ask(&mut self, team: &TeamEntry, incident: &Incident) -> Page {
        let name: Arc<str> = Arc::from(team.name.as_str());
        let purse = self.teams.entry(Arc::clone(&name)).or_default();
        let false_chance = false_chance(incident);
        let price = purse.price(team, incident, 1.0 - false_chance);
        let spent = &mut purse.spent;
        spent.retain(|page| incident.at.since(page.at) < DAY);
        let refused = refusal(team, spent, incident, (false_chance, price));
        let nth = format!("page {} of {} in 24 hours", spent.len() + 1, team.pages_a_day);
        let (decision, why) = match refused {
            Some(why) if incident.severity == Severity::Extreme => {
                (PageDecision::Paged, format!("extreme, although {why}"))
            }
            Some(why) => (PageDecision::HeldBack, why),
            None => (PageDecision::Paged, nth),
        };
        if decision == PageDecision::Paged && spent.len() < PAGES_KEPT_MAX {
            spent.push_back(Paged {
                incident: incident.id.clone(),
                reopened: incident.reopened,
                at: incident.at,
                false_chance,
            });
        }
        Page {
            team: name,
            decision,
            at: incident.at,
            why,
        }
    }

    /// Whoever was paged of `from` was paged of `into`; each as often as it has come back. What was said of earlier lives stands.
    pub(crate) fn merge(&mut self, from: (&IncidentId, u32), into: (&IncidentId, u32)) {
        for purse in self.teams.values_mut() {
            for page in purse.spent.iter_mut().filter(|page| page.is_of(from)) {
                page.incident = into.0.clone();
                page.reopened = into.1;
            }
            if let Some((at, sure)) = purse.asked.remove(from.0) {
                let both = purse.asked.entry(into.0.clone()).or_insert((at, sure));
                *both = (both.0.min(at), both.1.max(sure));
            }
        }
    }

    /// A person's verdict, or what became of it, in this life of the incident: what became of it before it came back stands.
    pub(crate) fn settle(&mut self, incident: &IncidentId, reopened: u32, false_chance: f64) {
        let pages = self.teams.values_mut().flat_map(|purse| &mut purse.spent);
        for page in pages.filter(|page| page.is_of((incident, reopened))) {
            page.false_chance = false_chance;
        }
    }
}

impl Paged {
    fn is_of(&self, (incident, reopened): (&IncidentId, u32)) -> bool {
        self.incident == *incident && self.reopened == reopened
    }
}

/// Chance that nothing comes of it, by what is known now.
pub(crate) fn false_chance(incident: &Incident) -> f64 {
    match incident.state {
        IncidentState::Predicted => 1.0 - incident.probability.get(),
        // It would have come, as far as anybody knows: it was acted on.
        IncidentState::Averted
        | IncidentState::Confirmed
        | IncidentState::Resolved
        | IncidentState::Reviewed
        // The pages of what is merged are those of the other one.
        | IncidentState::Merged => 0.0,
        IncidentState::Retracted | IncidentState::Expired => 1.0,
    }
}

/// Why it isn't paged; `None`: it is.
fn refusal(
    team: &TeamEntry,
    spent: &VecDeque<Paged>,
    incident: &Incident,
    (false_chance, price): (f64, Option<f64>),
) -> Option<String> {
    let count = u32::try_from(spent.len()).unwrap_or(u32::MAX);
    if count >= team.pages_a_day {
        // Extreme ones may have gone beyond the budget: as many must go before there is room.
        let over = spent
            .len()
            .saturating_sub(usize::try_from(team.pages_a_day).unwrap_or(usize::MAX));
        let next = spent.get(over).map(|page| clock(page.at.plus(DAY)));
        return Some(format!(
            "all {} pages of 24 hours are spent; the next is free at {}",
            team.pages_a_day,
            next.unwrap_or_default()
        ));
    }
    if incident.state != IncidentState::Predicted {
        return None;
    }
    let nth = f64::from(count) + 1.0;
    let purse = 1.0 - nth / (f64::from(team.pages_a_day) + 1.0);
    if false_chance > purse {
        return Some(format!(
            "page {nth} of {} in 24 hours needs a probability of {}",
            team.pages_a_day,
            number(1.0 - purse)
        ));
    }
    if let Some(price) = price.filter(|price| 1.0 - false_chance < *price) {
        return Some(format!(
            "more asks for pages than the budget holds: of a week it goes to those with a probability of {} or more",
            number(price)
        ));
    }
    let expected: f64 = spent.iter().map(|page| page.false_chance).sum::<f64>() + false_chance;
    let most = team.false_pages_max * (nth + CREDIT_PER_SHARE);
    (expected > most).then(|| {
        format!(
            "of {nth} pages in 24 hours {} would be false, {} may be",
            number(expected),
            number(most)
        )
    })
}

#[cfg(test)]
mod tests;

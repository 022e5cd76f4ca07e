//! The end: figures from what was published, what the ledger says, and what the world knows really happened.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use forecall_sim::{INTERNET_QUEUE, INTERVAL, Truth};
use forecall_types::{CustomerId, EventTime, IncidentChange, NoticeStage};
use serde::Serialize;

use crate::demo::board::{Board, Story, place};
use crate::demo::lines;
use crate::demo::theatre::Theatre;

/// One incident in the summary.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Told {
    id: String,
    scope: String,
    region: String,
    history: Vec<(String, String)>,
    messages_accepted: u64,
}

/// Calls of the internet queue between the trouble's beginning and an hour after its end.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Calls {
    actual: u64,
    /// Means of the last forecast of each interval made before it began.
    forecast_without_notice: f64,
    forecast_with_notice: f64,
    /// Most agents to be scheduled in one of the intervals.
    agents_without_notice: u32,
    agents_with_notice: u32,
    /// What the world knows: calls that did not come because people had been told, and that came because of messages.
    truly_avoided: u64,
    truly_caused: u64,
}

/// The whole summary.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    seed: u64,
    customers: u32,
    interrupted: bool,
    simulated_hours: f64,
    wall_seconds: f64,
    records: u64,
    dead_letters: u64,
    unreadable_events: u64,
    /// Customer impact − first publication of an incident that holds it; negative: it was late by so much.
    alert_lead_minutes: Option<f64>,
    /// First excess of calls − first notice accepted.
    notice_lead_minutes: Option<f64>,
    /// Share of the affected with a contact or a notice who were told before their own first contact.
    told_before_contact: Option<f64>,
    /// The same among those who did call.
    told_before_contact_of_callers: Option<f64>,
    affected: usize,
    affected_told: usize,
    affected_called: usize,
    onset: String,
    impact: Option<String>,
    repaired: String,
    calls: Calls,
    incidents: Vec<Told>,
    /// Incidents outside the troubled region that customers never felt.
    predicted_without_impact: usize,
    /// People told of a trouble that did not come, and how many of them were given the all-clear.
    told_for_nothing: u64,
    all_clears: u64,
    /// Messages by stage and channel.
    messages: BTreeMap<String, BTreeMap<String, u64>>,
    withheld: BTreeMap<String, u64>,
    out: String,
}

/// Figures that the view shows too.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Leads {
    pub(crate) alert: Option<f64>,
    pub(crate) notice: Option<f64>,
    pub(crate) told_before: Option<f64>,
    pub(crate) told_before_of_callers: Option<f64>,
    pub(crate) told: usize,
    pub(crate) called: usize,
}

fn minutes_between(later: EventTime, earlier: EventTime) -> f64 {
    later.seconds_from(earlier) / 60.0
}

#[allow(clippy::cast_precision_loss, reason = "numbers of customers")]
fn share(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

impl Leads {
    /// By R10 of the customer rules.
    pub(crate) fn of(board: &Board, truth: &Truth) -> Self {
        let counts = |s: &&Story| {
            s.newest
                .scope
                .services
                .iter()
                .any(|service| service.as_str() == "internet")
                && !s
                    .changes
                    .iter()
                    .any(|(change, _)| *change == IncidentChange::Retracted)
        };
        let stories: Vec<&Story> = board.stories_of(truth.region).filter(counts).collect();
        let published = stories
            .iter()
            .filter_map(|s| s.changes.first())
            .map(|(_, at)| *at)
            .min();
        let first = stories.iter().filter_map(|s| s.first_accepted).min();
        let contacts: BTreeMap<&CustomerId, EventTime> =
            truth.first_contacts.iter().map(|(who, at)| (who, *at)).collect();
        let (mut before, mut all, mut told, mut callers, mut callers_before) = (0, 0, 0, 0, 0);
        for who in &truth.affected {
            let (notice, contact) = (board.told.get(who), contacts.get(who));
            let in_time = match (notice, contact) {
                (Some(notice), Some(contact)) => notice < contact,
                (Some(_), None) => true,
                (None, _) => false,
            };
            all += usize::from(notice.is_some() || contact.is_some());
            before += usize::from(in_time);
            told += usize::from(notice.is_some());
            callers += usize::from(contact.is_some());
            callers_before += usize::from(in_time && contact.is_some());
        }
        Self {
            alert: truth
                .impact
                .zip(published)
                .map(|(impact, at)| minutes_between(impact, at)),
            notice: truth
                .excess
                .zip(first)
                .map(|(excess, at)| minutes_between(excess, at)),
            told_before: share(before, all),
            told_before_of_callers: share(callers_before, callers),
            told,
            called: callers,
        }
    }
}

fn calls(board: &Board, truth: &Truth) -> Calls {
    let (from, to) = (
        truth.onset.floor(INTERVAL),
        truth.repaired.plus(Duration::from_secs(3_600)),
    );
    let mut calls = Calls {
        truly_avoided: truth.avoided,
        truly_caused: truth.engagement_calls,
        ..Calls::default()
    };
    for ((queue, at), n) in &board.arrivals {
        if *queue == INTERNET_QUEUE && *at >= from && *at < to {
            calls.actual += n;
        }
    }
    for ((queue, at), f) in &board.forecasts {
        if queue.as_str() == INTERNET_QUEUE && *at >= from && *at < to {
            calls.forecast_without_notice += f.without_notice.arrivals.mean;
            calls.forecast_with_notice += f.with_notice.arrivals.mean;
            calls.agents_without_notice = calls
                .agents_without_notice
                .max(f.without_notice.staffing.scheduled);
            calls.agents_with_notice = calls.agents_with_notice.max(f.with_notice.staffing.scheduled);
        }
    }
    calls
}

impl Summary {
    pub(crate) fn of(board: &Board, theatre: &Theatre, wall: Duration) -> Self {
        let truth = theatre.truth();
        let settings = theatre.world().settings();
        let leads = Leads::of(board, &truth);
        let mut messages: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for ((stage, channel), n) in &board.accepted {
            let of_stage = messages.entry(stage.as_str().to_owned()).or_default();
            *of_stage.entry(channel.as_str().to_owned()).or_default() += n;
        }
        let mut withheld: BTreeMap<String, u64> = BTreeMap::new();
        for notice in board
            .notices
            .values()
            .filter(|n| n.stage == NoticeStage::Confirmed)
        {
            for (reason, n) in &notice.withheld {
                *withheld.entry(reason.as_str().to_owned()).or_default() += n;
            }
        }
        let hit = |s: &&Story| s.newest.onset_observed.is_some();
        let vain: Vec<&Story> = board
            .stories
            .values()
            .filter(|s| !hit(s) && !s.newest.state.is_open())
            .collect();
        let of_vain = |wanted: &dyn Fn(NoticeStage) -> bool| {
            let notices = board
                .notices
                .values()
                .filter(|n| wanted(n.stage) && vain.iter().any(|story| story.newest.id == n.incident));
            notices.map(|n| n.intents).sum::<u64>()
        };
        Self {
            seed: settings.seed,
            customers: settings.customers,
            interrupted: board.interrupted,
            simulated_hours: (minutes_between(theatre.now(), theatre.start()) / 60.0).max(0.0),
            wall_seconds: (wall.as_secs_f64() * 10.0).round() / 10.0,
            records: board.records,
            dead_letters: board.dead_letters,
            unreadable_events: board.unreadable,
            alert_lead_minutes: leads.alert,
            notice_lead_minutes: leads.notice,
            told_before_contact: leads.told_before,
            told_before_contact_of_callers: leads.told_before_of_callers,
            affected: truth.affected.len(),
            affected_told: leads.told,
            affected_called: leads.called,
            onset: lines::clock(truth.onset),
            impact: truth.impact.map(lines::clock),
            repaired: lines::clock(truth.repaired),
            calls: calls(board, &truth),
            incidents: board.stories.values().map(told).collect(),
            predicted_without_impact: vain.len(),
            told_for_nothing: of_vain(&|stage| stage == NoticeStage::Predicted),
            all_clears: of_vain(&|stage| {
                matches!(
                    stage,
                    NoticeStage::AllClear | NoticeStage::Retraction | NoticeStage::Averted
                )
            }),
            messages,
            withheld,
            out: theatre.out.display().to_string(),
        }
    }

    /// For a person.
    pub(crate) fn text(&self) -> String {
        let mut t = String::new();
        let end = if self.interrupted { " (interrupted)" } else { "" };
        let _ = writeln!(
            t,
            "\n── {:.1} simulated hours in {:.1} s{end} · seed {} · {} customers · {} records · {} dead letters",
            self.simulated_hours,
            self.wall_seconds,
            self.seed,
            self.customers,
            self.records,
            self.dead_letters
        );
        let _ = writeln!(
            t,
            "fibre degrades {} · customers hit {} · mended {}",
            self.onset,
            self.impact.as_deref().unwrap_or("not yet"),
            self.repaired
        );
        let _ = writeln!(
            t,
            "alert lead            {}",
            lines::minutes(self.alert_lead_minutes)
        );
        let _ = writeln!(
            t,
            "notice lead           {}",
            lines::minutes(self.notice_lead_minutes)
        );
        let _ = writeln!(
            t,
            "told before contact   {} of {} affected ({} of the {} who called)",
            lines::percent(self.told_before_contact),
            self.affected,
            lines::percent(self.told_before_contact_of_callers),
            self.affected_called
        );
        let c = &self.calls;
        let _ = writeln!(
            t,
            "calls                 {} came · forecast {:.0} without, {:.0} with notice · truly avoided {}, caused {}",
            c.actual, c.forecast_without_notice, c.forecast_with_notice, c.truly_avoided, c.truly_caused
        );
        let _ = writeln!(
            t,
            "agents at the peak    {} without, {} with notice",
            c.agents_without_notice, c.agents_with_notice
        );
        for (stage, channels) in &self.messages {
            let parts: Vec<String> = channels.iter().map(|(c, n)| format!("{c} {n}")).collect();
            let _ = writeln!(t, "messages {stage:<12} {}", parts.join(", "));
        }
        if !self.withheld.is_empty() {
            let parts: Vec<String> = self.withheld.iter().map(|(r, n)| format!("{r} {n}")).collect();
            let _ = writeln!(t, "not told (confirmed)  {}", parts.join(", "));
        }
        let _ = writeln!(
            t,
            "false predictions     {} · told in vain {}, of whom given the all-clear {}",
            self.predicted_without_impact, self.told_for_nothing, self.all_clears
        );
        for incident in &self.incidents {
            let steps: Vec<String> = incident
                .history
                .iter()
                .map(|(what, at)| format!("{what} {at}"))
                .collect();
            let _ = writeln!(
                t,
                "incident {}  {}: {}",
                incident.id,
                incident.scope,
                steps.join(" → ")
            );
        }
        let _ = write!(
            t,
            "A simulated world shows that the ramps somebody imagined are caught, not more. Messages: {}",
            self.out
        );
        t
    }
}

fn told(story: &Story) -> Told {
    Told {
        id: story.newest.id.to_string(),
        scope: lines::scope(&story.newest),
        region: story
            .newest
            .scope
            .regions
            .iter()
            .map(|r| place(r.as_str()))
            .collect::<Vec<_>>()
            .join(", "),
        history: story
            .changes
            .iter()
            .map(|(c, at)| (c.as_str().to_owned(), lines::clock(*at)))
            .collect(),
        messages_accepted: story.told,
    }
}

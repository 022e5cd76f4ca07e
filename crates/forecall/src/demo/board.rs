//! What has become known so far, from the published topics and the ledger: the view and the summary read it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use forecall_ledger::Accepted;
use forecall_sim::{CITIES, City, World};
use forecall_types::{
    CallForecast, ContactChannel, CustomerId, EventTime, Incident, IncidentChange, IncidentEvent, IncidentId,
    Notice, NoticeId, NoticeStage, NoticeState, QueueName,
};

use crate::demo::lines;
use crate::demo::summary::Leads;

/// Lines kept for the view.
const LINES_MAX: usize = 500;

/// Something published.
#[derive(Debug, Clone)]
pub(crate) enum News {
    Incident(Box<IncidentEvent>),
    Notice(Box<Notice>),
    Forecast(Box<CallForecast>),
    DeadLetter,
    Unreadable,
}

/// An incident with what happened to it.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) newest: Incident,
    /// Changes of state, and when they could be read.
    pub(crate) changes: Vec<(IncidentChange, EventTime)>,
    pub(crate) first_accepted: Option<EventTime>,
    pub(crate) told: u64,
}

/// All that is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board {
    pub(crate) hours: u32,
    pub(crate) now: EventTime,
    pub(crate) start: EventTime,
    pub(crate) served: Option<SocketAddr>,
    pub(crate) interrupted: bool,
    pub(crate) leads: Leads,
    pub(crate) lines: VecDeque<String>,
    pub(crate) levels: Vec<(&'static City, f64)>,
    pub(crate) arrivals: BTreeMap<(&'static str, EventTime), u64>,
    pub(crate) stories: BTreeMap<IncidentId, Story>,
    pub(crate) notices: BTreeMap<NoticeId, Notice>,
    pub(crate) latest_notice: Option<NoticeId>,
    /// The newest forecast of each interval.
    pub(crate) forecasts: BTreeMap<(QueueName, EventTime), CallForecast>,
    pub(crate) forecast_events: u64,
    /// Who was told of anything, and when first.
    pub(crate) told: BTreeMap<CustomerId, EventTime>,
    pub(crate) accepted: BTreeMap<(NoticeStage, ContactChannel), u64>,
    pub(crate) records: u64,
    pub(crate) dead_letters: u64,
    pub(crate) unreadable: u64,
}

impl Board {
    pub(crate) fn new(hours: u32) -> Self {
        Self {
            hours,
            ..Self::default()
        }
    }

    /// A line about the run itself.
    pub(crate) fn say(&mut self, text: String) {
        if self.lines.len() >= LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(text);
    }

    fn tell(&mut self, text: &str) {
        self.say(format!("{}  {text}", lines::clock(self.now)));
    }

    pub(crate) fn tick(&mut self, now: EventTime, start: EventTime, world: &World) {
        (self.now, self.start) = (now, start);
        self.levels = world.levels().collect();
        self.arrivals.clone_from(world.arrivals());
    }

    pub(crate) fn take(&mut self, news: News) {
        match news {
            News::Incident(event) => self.incident(*event),
            News::Notice(notice) => self.notice(*notice),
            News::Forecast(forecast) => {
                self.forecast_events += 1;
                self.forecasts
                    .insert((forecast.queue.clone(), forecast.from), *forecast);
            }
            News::DeadLetter => {
                self.dead_letters += 1;
                self.tell("dead letter: a record that could not be taken");
            }
            News::Unreadable => self.unreadable += 1,
        }
    }

    fn incident(&mut self, event: IncidentEvent) {
        let now = self.now;
        let text = lines::incident(&event);
        let story = self
            .stories
            .entry(event.incident.id.clone())
            .or_insert_with(|| Story {
                newest: event.incident.clone(),
                changes: Vec::new(),
                first_accepted: None,
                told: 0,
            });
        let (before, after) = (&story.newest, &event.incident);
        // Everything is on the topic; lines are for what people would turn their heads for.
        let worth_a_line = event.change != IncidentChange::Updated
            || (
                before.acknowledged.is_some(),
                before.eta,
                before.steps.len(),
                before.severity,
                &before.scope,
            ) != (
                after.acknowledged.is_some(),
                after.eta,
                after.steps.len(),
                after.severity,
                &after.scope,
            )
            || (before.probability.get() - after.probability.get()).abs() >= 0.2;
        story.newest = event.incident;
        if event.change != IncidentChange::Updated || story.changes.is_empty() {
            story.changes.push((event.change, now));
        }
        if worth_a_line {
            self.tell(&text);
        }
    }

    fn notice(&mut self, notice: Notice) {
        let known = self.notices.get(&notice.id).map(|k| (k.state, k.intents));
        if known.is_none_or(|(state, _)| state != notice.state) {
            self.tell(&lines::notice(&notice));
            let spoken = matches!(notice.state, NoticeState::Sending | NoticeState::Sent);
            if spoken && known.is_none_or(|(_, intents)| intents == 0) || self.latest_notice.is_none() {
                for text in lines::words(&notice) {
                    self.say(format!("          {text}"));
                }
                self.latest_notice = Some(notice.id.clone());
            }
        }
        self.notices.insert(notice.id.clone(), notice);
    }

    /// A gateway has taken a message. Gives the stage, where the notice is known.
    pub(crate) fn told(&mut self, accepted: &Accepted) -> Option<NoticeStage> {
        let stage = self.notices.get(&accepted.notice)?.stage;
        *self.accepted.entry((stage, accepted.channel)).or_default() += 1;
        self.told.entry(accepted.customer.clone()).or_insert(accepted.at);
        if let Some(story) = self.stories.get_mut(&accepted.incident) {
            let first = story.first_accepted.get_or_insert(accepted.at);
            *first = (*first).min(accepted.at);
            story.told += 1;
        }
        Some(stage)
    }

    /// Incidents whose scope holds this region.
    pub(crate) fn stories_of<'a>(&'a self, region: &'a str) -> impl Iterator<Item = &'a Story> {
        self.stories
            .values()
            .filter(move |s| s.newest.scope.regions.iter().any(|r| r.as_str() == region))
    }

    /// The incident that matters most now: the newest open one, else the newest.
    pub(crate) fn current(&self) -> Option<&Story> {
        self.stories
            .values()
            .max_by_key(|s| (s.newest.state.is_open(), s.newest.opened_at))
    }
}

/// The English name of a region.
pub(crate) fn place(code: &str) -> &str {
    CITIES
        .iter()
        .find_map(|c| {
            if c.code == code {
                Some(c.en)
            } else if c.province == code {
                Some(c.province_en)
            } else {
                None
            }
        })
        .unwrap_or(code)
}

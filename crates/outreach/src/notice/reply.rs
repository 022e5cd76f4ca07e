//! What becomes of what a customer writes back: the truth about what touches them, at once.
//!
//! | they write | they hear | beside that |
//! |---|---|---|
//! | stop | what stops, and that warnings of danger go on | opted out |
//! | status | the gravest open trouble that touches them; else what was restored; else that nothing is known | |
//! | still down | the open trouble; else that it was noted | after an end they were told of: evidence for `correlate` |
//! | not true | nothing | counted against the message they were told last; it may stop a ramp |
//! | other | nothing | |
//!
//! Who is held out, capped, not approved yet or asleep by the clock hears it all the same: they asked. Only the kill switch, an order
//! from outside that nobody has approved a word on, and a number of answers an hour keep it back.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use forecall_stage::Effects;
use forecall_types::{
    ContactChannel, DomainName, EventTime, Fingerprint, HoldReason, Incident, IncidentId, IncidentState,
    Intent, IntentId, IntentState, NoticeId, NoticeStage, Purpose, RampStop, RejectReason, Reply, ReplyKind,
    Responsibility, check_invariant, invariant::InvariantId,
};
use serde::{Deserialize, Serialize};

use super::audience::Question;
use super::cries::Place;
use super::directory::{Person, PersonNo};
use super::domain::{Domain, Office};
use super::policy::{is_opening, purpose_of};
use super::record::{Record, Thread};
use super::thread::LastTold;
use crate::settings::ReplySettings;
use crate::stage::OutreachOutput;
use crate::words::{AnswerKind, Facts, FactsSource};

const HOUR: Duration = Duration::from_secs(3600);
/// What was restored so long ago is no answer to "how does it stand?" any more.
const RESTORED_FOR: Duration = Duration::from_secs(12 * 3600);
/// Answers of one domain within an hour: every fifth of a million people who are hit asks once, in 4 MiB.
pub(crate) const ANSWERS_MAX: usize = 200_000;

/// Who was answered within the last hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    recent: VecDeque<(EventTime, PersonNo)>,
    counts: BTreeMap<PersonNo, u8>,
}

impl Answered {
    fn pass(&mut self, at: EventTime) {
        while let Some((when, no)) = self.recent.front().copied()
            && at.since(when) >= HOUR
        {
            self.recent.pop_front();
            match self.counts.get_mut(&no) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) | None => {
                    self.counts.remove(&no);
                }
            }
        }
    }

    /// Whether they may be answered once more; counts it.
    fn take(&mut self, no: PersonNo, at: EventTime, most: u8) -> Result<bool, TooMany> {
        self.pass(at);
        if self.recent.len() >= ANSWERS_MAX {
            return Err(TooMany);
        }
        let count = self.counts.entry(no).or_default();
        let is_allowed = *count < most;
        if is_allowed {
            *count += 1;
            self.recent.push_back((at, no));
        } else if *count == 0 {
            self.counts.remove(&no);
        }
        Ok(is_allowed)
    }
}

/// How an incident concerns somebody who asks; the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Concern {
    /// Over, and they were told of it.
    Restored,
    /// Foreseen, and told to people.
    Expected,
    /// Work that people were told of, or that is under way.
    Work,
    /// They are hit.
    Trouble,
}

/// The incident that an answer speaks of.
struct Found {
    concern: Concern,
    incident: IncidentId,
}

/// Who has written what.
struct Asked<'a> {
    domain: &'a DomainName,
    person: &'a Person,
    no: PersonNo,
    reply: &'a Reply,
}

/// There is no room for one more answer within the hour.
struct TooMany;

impl Domain {
    /// A customer has written. Whoever isn't in the directory has no language to be answered in.
    pub(crate) fn on_reply(&mut self, name: &DomainName, reply: &Reply, office: &mut Office<'_>) {
        let Some(no) = self.directory.number(&reply.customer) else {
            return;
        };
        self.directory.saw(&reply.customer, reply.at);
        // Whoever wants no more costs nobody a call: that is counted for itself.
        if reply.kind != ReplyKind::Stop {
            self.in_touch(no, reply.at);
        }
        let Some(person) = self.directory.get(no).cloned() else {
            return;
        };
        let (kind, incident) = match reply.kind {
            ReplyKind::Other => return,
            ReplyKind::Untrue => return self.deny(no, reply.at, office),
            ReplyKind::Stop => {
                self.take_back(&person, no, office);
                for thread in self.threads.values_mut() {
                    let how = (office.settings, &mut *office.effects);
                    thread.ramp_refused(no, RampStop::Stops, reply.at, how);
                }
                (AnswerKind::Stop, None)
            }
            ReplyKind::Status => of_status(self.standing(&person, no, reply.at, office)),
            ReplyKind::StillDown => {
                let found = self.failing(&person, no, reply.at, office);
                if let Some(found) = &found {
                    self.cry(&found.incident, &person, no, reply.at, office);
                }
                of_cry(found)
            }
        };
        let asked = Asked {
            domain: name,
            person: &person,
            no,
            reply,
        };
        self.answer(&asked, kind, incident.as_ref(), office);
    }

    /// They write that it isn't true: that counts against what they were told last.
    fn deny(&mut self, no: PersonNo, at: EventTime, office: &mut Office<'_>) {
        let told = self.threads.values_mut().filter_map(|thread| {
            let told = thread
                .told
                .get(&no)
                .filter(|told| told.last != LastTold::Nothing)?;
            Some((told.at, told.notice, thread))
        });
        let Some((_, number, thread)) = told.max_by_key(|(at, ..)| *at) else {
            return;
        };
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(record) = thread.records.get_mut(index)
            && record.untrue.insert(no)
        {
            record.notice.untrue += 1;
            record.dirty = true;
        }
        let how = (office.settings, &mut *office.effects);
        thread.ramp_refused(no, RampStop::Untrue, at, how);
    }

    /// Whoever wants no more gets none of what hasn't left yet, but for warnings of danger.
    fn take_back(&mut self, person: &Person, no: PersonNo, office: &mut Office<'_>) {
        for thread in self.threads.values_mut() {
            if purpose_of(&thread.incident, office.settings) == Purpose::Safety {
                continue;
            }
            for (number, record) in (0..).zip(&thread.records) {
                let mut intents = record.intents.values();
                if !intents.any(|sent| sent.person == no && sent.state == IntentState::Planned) {
                    continue;
                }
                if let Some(told) = thread.told.get_mut(&no).filter(|told| told.notice == number) {
                    told.last = told.before;
                }
                office.effects.emit(OutreachOutput::CancelIntents {
                    notice: record.notice.id.clone(),
                    customer: Some(person.id.clone()),
                    reason: HoldReason::OptedOut,
                });
            }
        }
    }

    /// The gravest of what is open and touches them, or else was restored and they were told of.
    fn standing(&self, person: &Person, no: PersonNo, at: EventTime, office: &Office<'_>) -> Option<Found> {
        let concerned = self.threads.values().filter_map(|thread| {
            let incident = &thread.incident;
            let concern = concern(thread, no, at).filter(|_| !incident.simulated)?;
            let was_told = thread.told.contains_key(&no);
            (self.touches(incident, person, office) || concern == Concern::Restored && was_told)
                .then_some(((concern, incident.severity, incident.at), &incident.id))
        });
        let ((concern, ..), id) = concerned.max_by_key(|(rank, _)| *rank)?;
        Some(Found {
            concern,
            incident: id.clone(),
        })
    }

    /// What somebody means who says that it still fails: what is known to fail, else what they were told is over or that was over for
    /// the likes of them, else what was foreseen.
    fn failing(&self, person: &Person, no: PersonNo, at: EventTime, office: &Office<'_>) -> Option<Found> {
        let found = self.standing(person, no, at, office);
        match &found {
            Some(Found {
                concern: Concern::Trouble | Concern::Work | Concern::Restored,
                ..
            }) => found,
            Some(_) | None => self.ended(person, office).or(found),
        }
    }

    /// The last that ended where they are.
    fn ended(&self, person: &Person, office: &Office<'_>) -> Option<Found> {
        let ended = self.threads.values().filter(|thread| {
            thread.incident.resolved_at.is_some()
                && !thread.incident.state.is_open()
                && !thread.incident.simulated
                && self.touches(&thread.incident, person, office)
        });
        let last = ended.max_by_key(|thread| thread.closed_at)?;
        Some(Found {
            concern: Concern::Restored,
            incident: last.incident.id.clone(),
        })
    }

    fn touches(&self, incident: &Incident, person: &Person, office: &Office<'_>) -> bool {
        Question::of(&self.directory, &incident.scope, office.settings).reaches(&self.directory, person)
    }

    /// They say that it still fails: one more at their place, unless it is known to be failing.
    fn cry(
        &mut self,
        incident: &IncidentId,
        person: &Person,
        no: PersonNo,
        at: EventTime,
        office: &mut Office<'_>,
    ) {
        let Some(thread) = self.threads.get(incident) else {
            return;
        };
        let Some(place) = self.place(&thread.incident, person, office) else {
            return;
        };
        // What is known to fail needs no witness; what came back by their word still hears of more.
        let is_known = thread.incident.state == IncidentState::Confirmed;
        if is_known && !thread.cries.contains_key(&place) {
            return;
        }
        let Some(thread) = self.threads.get_mut(incident) else {
            return;
        };
        let told = u64::try_from(thread.told.len()).unwrap_or(u64::MAX);
        let cries = thread.cries.entry(place.clone()).or_default();
        cries.hear(no, told, at);
        let of = (&thread.incident.domain, incident, &place);
        // The first evidence at once; how it grows, at the next tick.
        if !cries.is_told()
            && let Some(anomaly) = cries.news(of, &office.settings.replies)
        {
            office.effects.emit(OutreachOutput::StillDown(Box::new(anomaly)));
        }
    }

    /// Which of an incident's services and regions is theirs.
    fn place(&self, incident: &Incident, person: &Person, office: &Office<'_>) -> Option<Place> {
        let scope = &incident.scope;
        let uses = |name| person.uses(self.directory.services([name]));
        let service = scope.services.iter().find(|name| uses(*name))?;
        let own = self.directory.region(person.region)?;
        let region = office
            .settings
            .ancestry(&own)
            .find(|code| scope.regions.contains(*code))?;
        Some((service.clone(), region.clone()))
    }

    fn answer(
        &mut self,
        asked: &Asked<'_>,
        kind: AnswerKind,
        incident: Option<&IncidentId>,
        office: &mut Office<'_>,
    ) {
        let (settings, at) = (office.settings, asked.reply.at);
        if self.killed || !settings.channels.0.contains_key(&ContactChannel::Sms) {
            return;
        }
        let thread = incident.and_then(|id| self.threads.get(id));
        if thread.is_some_and(|thread| kind == AnswerKind::Trouble && is_unspoken(thread)) {
            return;
        }
        let facts = match thread {
            Some(thread) => facts_of(thread, asked, office),
            None => Facts::of_nothing(at),
        };
        match self
            .answered
            .take(asked.no, at, settings.replies.answers_per_hour)
        {
            Ok(true) => {}
            Ok(false) => return,
            Err(TooMany) => {
                return office
                    .effects
                    .reject(RejectReason::TooLarge, "too many answers within an hour");
            }
        }
        let text = office
            .wording
            .answer(kind, &facts, settings, asked.person.language);
        check_invariant!(InvariantId::N2, text.is_ok(), "{:?}", text.as_ref().err());
        let Ok(text) = text else { return };
        // One text for all who are told the same.
        let words = [text.language.as_str().as_bytes(), text.body.as_bytes()];
        let own = [
            b"answer".as_slice(),
            asked.reply.id.as_bytes(),
            asked.person.id.as_str().as_bytes(),
        ];
        let minutes = u64::from(settings.replies.answer_minutes);
        let intent = Intent {
            id: IntentId::derived(Fingerprint::of_parts(&own)),
            notice: NoticeId::of_answer(Fingerprint::of_parts(&words)),
            incident: facts.incident,
            domain: asked.domain.clone(),
            customer: asked.person.id.clone(),
            channel: text.channel,
            language: text.language,
            at,
            expires_at: Some(at.plus(Duration::from_secs(minutes * 60))),
            corrects: false,
        };
        office.effects.emit(OutreachOutput::Answer { intent, text });
    }
}

/// Tells how what customers write has grown, and its end.
pub(crate) fn pass_cries(
    thread: &mut Thread,
    at: EventTime,
    settings: &ReplySettings,
    effects: &mut Effects<OutreachOutput>,
) {
    let (domain, id) = (&thread.incident.domain, &thread.incident.id);
    let mut told = Vec::new();
    thread.cries.retain(|place, cries| {
        let is_over = cries.is_over(at, settings);
        if is_over {
            told.extend(std::mem::take(cries).end((domain, id, place), settings));
        } else if cries.is_told() {
            told.extend(cries.news((domain, id, place), settings));
        }
        !is_over
    });
    for anomaly in told {
        effects.emit(OutreachOutput::StillDown(Box::new(anomaly)));
    }
}

fn concern(thread: &Thread, no: PersonNo, at: EventTime) -> Option<Concern> {
    let incident = &thread.incident;
    // What is foreseen is told to those who ask where it was told to anybody (R3).
    let is_told = |stage| {
        let mut records = thread.records.iter();
        records.any(|r| r.notice.stage == stage && !r.intents.is_empty())
    };
    let work = incident.work.is_some();
    match incident.state {
        IncidentState::Confirmed if work => Some(Concern::Work),
        IncidentState::Confirmed => Some(Concern::Trouble),
        IncidentState::Predicted if !is_told(NoticeStage::Predicted) => None,
        IncidentState::Predicted if work => Some(Concern::Work),
        IncidentState::Predicted => Some(Concern::Expected),
        IncidentState::Resolved | IncidentState::Reviewed => {
            let over = incident.resolved_at?;
            (thread.told.contains_key(&no) && at.since(over) <= RESTORED_FOR).then_some(Concern::Restored)
        }
        IncidentState::Averted
        | IncidentState::Retracted
        | IncidentState::Expired
        | IncidentState::Merged => None,
    }
}

fn of_status(found: Option<Found>) -> (AnswerKind, Option<IncidentId>) {
    let kind = found
        .as_ref()
        .map_or(AnswerKind::NoTrouble, |found| match found.concern {
            Concern::Trouble => AnswerKind::Trouble,
            Concern::Work => AnswerKind::Work,
            Concern::Expected => AnswerKind::Expected,
            Concern::Restored => AnswerKind::Restored,
        });
    (kind, found.map(|found| found.incident))
}

fn of_cry(found: Option<Found>) -> (AnswerKind, Option<IncidentId>) {
    let kind = found
        .as_ref()
        .map_or(AnswerKind::NoTrouble, |found| match found.concern {
            Concern::Trouble => AnswerKind::Trouble,
            Concern::Work => AnswerKind::Work,
            Concern::Expected | Concern::Restored => AnswerKind::Noted,
        });
    (kind, found.map(|found| found.incident))
}

/// An order from outside stands behind it, and no person has let a word about it out yet.
fn is_unspoken(thread: &Thread) -> bool {
    let is_out = |r: &Record| is_opening(r.notice.stage) && !r.intents.is_empty();
    thread.incident.responsibility == Responsibility::ExternalOrder && !thread.records.iter().any(is_out)
}

fn facts_of(thread: &Thread, asked: &Asked<'_>, office: &Office<'_>) -> Facts {
    let (incident, at) = (&thread.incident, asked.reply.at);
    // News is promised to those whom it will reach, and as it was promised to them.
    let follows = match thread.last_told(asked.no) {
        LastTold::Predicted | LastTold::Trouble | LastTold::TroubleWithEta => incident.state.is_open(),
        LastTold::Nothing | LastTold::Closed => false,
    };
    let hears = follows && !office.opted_out.contains(&asked.person.id);
    let source = FactsSource {
        at,
        next: thread.promises.next.filter(|next| hears && *next > at),
        ..FactsSource::default()
    };
    let mut facts = Facts::of(incident, source, office.settings);
    facts.eta = thread
        .promises
        .end_to_tell(facts.eta, at, &office.settings.promise);
    if let Some(work) = &incident.work {
        facts.onset = Some(work.starts_at).filter(|begin| *begin > at);
        facts.eta = incident.eta.or(Some(work.ends_at)).filter(|end| *end > at);
    }
    facts
}

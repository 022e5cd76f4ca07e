//! The window: parts go while fewer than so many are without an answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use forecall_types::EventTime;
use rusmpp_core::CommandStatus;
use rusmpp_core::pdus::owned::Pdu;

use super::compose::{Job, Stand};
use super::link::{Frame, Link, Lost};
use super::{SmppGateway, status};
use crate::SendError;

/// How often the rest of a message is offered again whose first parts are taken: beginning anew would double those.
const REST_OFFERED: u32 = 3;
const REST_AFTER: Duration = Duration::from_secs(1);

/// Message and part, by their places.
type Place = (usize, usize);

impl SmppGateway {
    /// Sends the parts of these messages and waits for their answers. What was asked and has none stays `Asked`.
    pub(super) fn talk(
        &mut self,
        link: &mut Link,
        jobs: &mut [Result<Job, SendError>],
        now: EventTime,
    ) -> Result<(), Lost> {
        let window = usize::from(self.settings.window);
        let mut todo = waiting(jobs, |_| true);
        let mut asked: BTreeMap<u32, Place> = BTreeMap::new();
        let mut too_fast = false;
        let mut offered = 0;
        let mut answered = Instant::now();
        loop {
            if too_fast {
                // A message that has begun is ended; no other begins.
                todo.retain(|(job, _)| {
                    jobs.get(*job)
                        .is_some_and(|j| j.as_ref().is_ok_and(Job::has_taken))
                });
            }
            while asked.len() < window
                && let Some((job, part)) = todo.pop_front()
            {
                let Some(Ok(message)) = jobs.get_mut(job) else {
                    continue;
                };
                if message.is_refused() {
                    continue;
                }
                if let (Some(frame), Some(stand)) = (message.frames.get(part), message.stands.get_mut(part)) {
                    asked.insert(link.ask(frame.clone()), (job, part));
                    *stand = Stand::Asked;
                }
            }
            link.flush()?;
            if asked.is_empty() {
                let rest = rest(jobs);
                if rest.is_empty() || offered >= REST_OFFERED {
                    return Ok(());
                }
                offered += 1;
                std::thread::sleep(REST_AFTER);
                answered = Instant::now();
                todo = rest;
                continue;
            }
            let left = self.settings.timeout.saturating_sub(answered.elapsed());
            let Some(frame) = link.next(left)? else {
                return Err(Lost("not_answered"));
            };
            let Frame::Command(command) = frame else { continue };
            let is_ours = matches!(
                command.pdu(),
                Some(Pdu::SubmitSmResp(_) | Pdu::GenericNack) | None
            );
            match asked.get(&command.sequence_number()).copied() {
                Some(place) if is_ours => {
                    asked.remove(&command.sequence_number());
                    answered = Instant::now();
                    let stand = self.stand(command.status(), command.pdu());
                    too_fast |= matches!(stand, Stand::Refused(SendError::Throttled { .. }));
                    put(jobs, place, stand);
                }
                _ => self.question(link, &command, now)?,
            }
        }
    }

    fn stand(&self, status: CommandStatus, pdu: Option<&Pdu>) -> Stand {
        match (status, pdu) {
            (CommandStatus::EsmeRok, Some(Pdu::SubmitSmResp(answer))) => {
                Stand::Taken(answer.message_id().as_str().trim().replace(' ', "_"))
            }
            (CommandStatus::EsmeRok, _) => Stand::Taken(String::new()),
            (refused, _) => Stand::Refused(status::refusal(refused, &self.settings.blocked_statuses)),
        }
    }
}

fn put(jobs: &mut [Result<Job, SendError>], (job, part): Place, stand: Stand) {
    if let Some(Ok(job)) = jobs.get_mut(job)
        && let Some(place) = job.stands.get_mut(part)
    {
        *place = stand;
    }
}

/// The parts that wait, of the messages that are asked for.
fn waiting(jobs: &[Result<Job, SendError>], wanted: impl Fn(&Job) -> bool) -> VecDeque<Place> {
    let mut places = VecDeque::new();
    for (at, job) in jobs.iter().enumerate() {
        let Ok(job) = job else { continue };
        let stands = job.stands.iter().enumerate();
        places.extend(
            stands
                .filter(|(_, stand)| wanted(job) && **stand == Stand::Waiting)
                .map(|(part, _)| (at, part)),
        );
    }
    places
}

/// The parts that were refused for now, of messages whose other parts are taken: they wait again.
fn rest(jobs: &mut [Result<Job, SendError>]) -> VecDeque<Place> {
    for job in jobs.iter_mut().flatten().filter(|job| job.has_taken()) {
        for stand in &mut job.stands {
            if matches!(
                stand,
                Stand::Refused(SendError::Throttled { .. } | SendError::Temporary { .. })
            ) {
                *stand = Stand::Waiting;
            }
        }
    }
    waiting(jobs, |job| job.has_taken() && !job.is_refused())
}

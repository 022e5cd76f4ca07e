//! Counts of one group, and the rates made of them.

use std::time::Duration;

use super::follow::Seen;
use super::{Call, Outcome, Rules};

/// A part of something: without the something it is no data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The numerator.
    pub part: f64,
    /// The denominator.
    pub of: f64,
}

impl Rate {
    /// The rate; none where the denominator is empty.
    pub fn value(self) -> Option<f64> {
        (self.of > 0.0).then(|| self.part / self.of)
    }
}

/// An invitation to a survey; what wasn't answered, or not asked, is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Survey {
    /// Satisfaction, 1 to 5.
    pub csat: Option<u8>,
    /// Would recommend, 0 to 10.
    pub nps: Option<u8>,
    /// How easy it was, 1 to 7.
    pub ces: Option<u8>,
}

/// Answers of surveys.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scores {
    /// Invitations.
    pub invited: f64,
    /// Invitations with any answer.
    pub answered: f64,
    csat: (f64, f64),
    nps: (f64, f64, f64),
    ces: (f64, f64),
    /// Answers off their scale: left out.
    pub off_scale: f64,
}

impl Scores {
    /// Share of 4 and 5.
    pub const fn csat(&self) -> Rate {
        rate(self.csat.0, self.csat.1)
    }

    /// Share of 9 and 10 less share of 0 to 6: −1 to 1.
    pub const fn nps(&self) -> Rate {
        rate(self.nps.0 - self.nps.1, self.nps.2)
    }

    /// Mean, 1 to 7.
    pub const fn ces(&self) -> Rate {
        rate(self.ces.0, self.ces.1)
    }

    /// Answered ÷ invited.
    pub const fn response(&self) -> Rate {
        rate(self.answered, self.invited)
    }

    fn take(&mut self, survey: Survey) {
        self.invited += 1.0;
        let mut any = false;
        let mut on_scale = |answer: Option<u8>, low: u8, high: u8| {
            let answer = answer?;
            if (low..=high).contains(&answer) {
                any = true;
                Some(answer)
            } else {
                self.off_scale += 1.0;
                None
            }
        };
        let (csat, nps, ces) = (
            on_scale(survey.csat, 1, 5),
            on_scale(survey.nps, 0, 10),
            on_scale(survey.ces, 1, 7),
        );
        self.answered += one(any);
        if let Some(answer) = csat {
            self.csat.0 += one(answer >= 4);
            self.csat.1 += 1.0;
        }
        if let Some(answer) = nps {
            self.nps.0 += one(answer >= 9);
            self.nps.1 += one(answer <= 6);
            self.nps.2 += 1.0;
        }
        if let Some(answer) = ces {
            self.ces.0 += f64::from(answer);
            self.ces.1 += 1.0;
        }
    }
}

const fn rate(part: f64, of: f64) -> Rate {
    Rate { part, of }
}

fn one(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// Counts of one group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// All calls.
    pub calls: f64,
    /// Calls whose end isn't known: in no rate.
    pub open: f64,
    /// Call-backs: in no denominator of waiting.
    pub callbacks: f64,
    /// Calls that left the queue otherwise.
    pub left: f64,
    /// Answered.
    pub answered: f64,
    /// Given up in the queue.
    pub abandoned: f64,
    /// Of these, before the threshold of short abandons; a wait that isn't known is not short.
    pub short: f64,
    /// Answered within the time.
    pub in_time: f64,
    /// Answered, but nobody knows after how long: in no service level and no ASA.
    pub answered_without_wait: f64,
    wait_seconds: f64,
    /// Waits of all who queued, and those of them that gave up, where it is known after how long.
    queued_seconds: f64,
    gave_up: f64,
    handle_seconds: f64,
    handled: f64,
    /// Time agents were there, in seconds.
    pub available_seconds: f64,
    /// Calls with a customer.
    pub identified: f64,
    /// Identified calls whose customer called in the seven days before.
    pub repeats: f64,
    /// Calls about an incident, with a customer.
    pub of_incident: f64,
    /// Of these, whose customer called about the same incident before.
    pub incident_repeats: f64,
    /// Issues judged: their seven days are over, or a second contact came.
    pub issues: f64,
    /// Issues without a second contact in seven days.
    pub solved: f64,
    /// Calls of customers who couldn't be followed, because too many were, or whose call came out of order.
    pub not_followed: f64,
    /// Surveys.
    pub scores: Scores,
}

impl Tally {
    pub(super) fn call(&mut self, rules: Rules, call: &Call<'_>) {
        self.calls += 1.0;
        if let (Some(wait), Outcome::Answered | Outcome::Abandoned | Outcome::Left) =
            (call.wait, call.outcome)
        {
            self.queued_seconds += wait.as_secs_f64();
            self.gave_up += one(call.outcome == Outcome::Abandoned);
        }
        match call.outcome {
            Outcome::Open => self.open += 1.0,
            Outcome::Callback => self.callbacks += 1.0,
            Outcome::Left => self.left += 1.0,
            Outcome::Abandoned => {
                self.abandoned += 1.0;
                self.short += one(call.wait.is_some_and(|wait| wait < rules.short));
            }
            Outcome::Answered => {
                self.answered += 1.0;
                match call.wait {
                    Some(wait) => {
                        self.in_time += one(wait <= rules.within);
                        self.wait_seconds += wait.as_secs_f64();
                    }
                    None => self.answered_without_wait += 1.0,
                }
            }
        }
        if let Some(handle) = call.handle.filter(|handle| *handle > Duration::ZERO) {
            self.handle_seconds += handle.as_secs_f64();
            self.handled += 1.0;
        }
    }

    pub(super) fn seen(&mut self, seen: Seen) {
        match seen {
            Seen::Call { repeat } => {
                self.identified += 1.0;
                self.repeats += one(repeat);
            }
            Seen::OfIncident { repeat } => {
                self.of_incident += 1.0;
                self.incident_repeats += one(repeat);
            }
            Seen::Issue { solved } => {
                self.issues += 1.0;
                self.solved += one(solved);
            }
            Seen::NotFollowed => self.not_followed += 1.0,
        }
    }

    pub(super) fn survey(&mut self, survey: Survey) {
        self.scores.take(survey);
    }

    /// Calls that queued: answered, abandoned and left; call-backs and open ones are not among them.
    pub fn queued(&self) -> f64 {
        self.answered + self.abandoned + self.left
    }

    fn answered_with_wait(&self) -> f64 {
        self.answered - self.answered_without_wait
    }

    /// Answered in time ÷ all that queued.
    pub fn service_level_of_offered(&self) -> Rate {
        rate(self.in_time, self.queued() - self.answered_without_wait)
    }

    /// Answered in time ÷ those that queued less short abandons.
    pub fn service_level_less_short(&self) -> Rate {
        rate(
            self.in_time,
            self.queued() - self.answered_without_wait - self.short,
        )
    }

    /// Answered in time ÷ answered.
    pub fn service_level_of_answered(&self) -> Rate {
        rate(self.in_time, self.answered_with_wait())
    }

    /// Abandoned in the queue ÷ queued, short ones included.
    pub fn abandonment(&self) -> Rate {
        rate(self.abandoned, self.queued())
    }

    /// The same without short abandons, above and below.
    pub fn abandonment_less_short(&self) -> Rate {
        rate(self.abandoned - self.short, self.queued() - self.short)
    }

    /// Mean wait of answered calls, in seconds.
    pub fn asa(&self) -> Rate {
        rate(self.wait_seconds, self.answered_with_wait())
    }

    /// Mean patience in seconds: all time waited ÷ those who gave up. Who is answered sooner has shown that his reaches so far at least,
    /// so that the mean wait of those who gave up would be far too short (the rate of an exponential law, censored).
    pub const fn patience(&self) -> Rate {
        rate(self.queued_seconds, self.gave_up)
    }

    /// Mean handling time of handled calls, in seconds.
    pub fn aht(&self) -> Rate {
        rate(self.handle_seconds, self.handled)
    }

    /// Handling time ÷ time agents were there.
    pub fn occupancy(&self) -> Rate {
        rate(self.handle_seconds, self.available_seconds)
    }

    /// Issues solved at the first contact ÷ issues judged.
    pub fn fcr(&self) -> Rate {
        rate(self.solved, self.issues)
    }

    /// Calls whose customer called in the seven days before ÷ identified calls.
    pub fn repeat_calls(&self) -> Rate {
        rate(self.repeats, self.identified)
    }

    /// Calls about an incident whose customer called about it before ÷ identified calls about incidents.
    pub fn incident_repeat_calls(&self) -> Rate {
        rate(self.incident_repeats, self.of_incident)
    }
}

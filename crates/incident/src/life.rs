use forecall_types::{IncidentChange, IncidentState, WorkStage};
use serde::{Deserialize, Serialize};

/// What can happen to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// The evidence says that customers will be hit.
    Foresee,
    /// Customers are hit: by an objective, by a lasting score, or by word of a person.
    Hit,
    /// The evidence has gone, and nobody had done anything.
    Fade,
    /// The evidence has gone after somebody took it on or did something.
    FadeAfterAction,
    /// The horizon has passed without impact.
    HorizonPassed,
    /// A person says that it was an error.
    Retract,
    /// A person says that it is over.
    Close,
    /// It was looked at afterwards.
    Review,
    /// A person announces planned work.
    Announce,
    /// The time of planned work has come.
    Start,
    /// The time of planned work is over, and its signs are still there.
    Overrun,
    /// A person says that it is one with another.
    Merge,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Foresee,
        Self::Hit,
        Self::Fade,
        Self::FadeAfterAction,
        Self::HorizonPassed,
        Self::Retract,
        Self::Close,
        Self::Review,
        Self::Announce,
        Self::Start,
        Self::Overrun,
        Self::Merge,
    ];
}

/// Where an incident stands, and how often it has come back. It only begins, and goes on, as the table allows: no other life can
/// be written down, since its fields can't be set. What an event says of its state comes from here.
///
/// | from \\ trigger | foresee | hit | fade | fade after action | horizon passed | retract | close | review | merge |
/// |---|---|---|---|---|---|---|---|---|---|
/// | none | predicted | confirmed | | | | | | | |
/// | predicted | | confirmed | expired | averted | expired | retracted | | | merged |
/// | confirmed | | | resolved | resolved | | retracted | resolved | | merged |
/// | averted, expired, resolved | predicted, re-opened | confirmed, re-opened | | | | | | reviewed | |
/// | retracted | | | | | | | | reviewed | |
/// | reviewed, merged | | | | | | | | | |
///
/// A part of a predicted or confirmed one may begin a life of its own ([`Life::split`]), in the state of the whole.
///
/// Planned work has a life of its own, which no evidence begins; what an event says of its state is in brackets:
///
/// | from \\ trigger | announce | start | overrun | fade | close | retract | review |
/// |---|---|---|---|---|---|---|---|
/// | none | announced (predicted) | | | | | | |
/// | announced | | started (confirmed) | | | | cancelled (retracted) | |
/// | started | | | overrun (confirmed) | ended (resolved) | ended | | |
/// | overrun | | | | ended | ended | | |
/// | ended, cancelled | | | | | | | (reviewed), once |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    state: IncidentState,
    reopened: u32,
    work: Option<WorkStage>,
}

impl Life {
    /// How an incident begins, and the change its first event names; `None`: nothing begins so.
    pub const fn begin(trigger: Trigger) -> Option<(Self, IncidentChange)> {
        if let Some(stage) = next_stage(None, trigger) {
            return Some(Self::at_work(stage, 0));
        }
        match next_state(None, trigger) {
            Some(state) => {
                let life = Self {
                    state,
                    reopened: 0,
                    work: None,
                };
                Some((life, change_into(state)))
            }
            None => None,
        }
    }

    const fn at_work(stage: WorkStage, reopened: u32) -> (Self, IncidentChange) {
        let (state, change) = state_at(stage);
        let work = Some(stage);
        (
            Self {
                state,
                reopened,
                work,
            },
            change,
        )
    }

    /// How it goes on, and the change that the event names; `None`: not allowed.
    pub const fn after(self, trigger: Trigger) -> Option<(Self, IncidentChange)> {
        let Self { reopened, work, .. } = self;
        // To be looked at is the same for all that is over.
        if let Some(stage) = work
            && !matches!(trigger, Trigger::Review)
        {
            return match next_stage(Some(stage), trigger) {
                Some(next) => Some(Self::at_work(next, reopened)),
                None => None,
            };
        }
        let Some(state) = next_state(Some(self.state), trigger) else {
            return None;
        };
        let back = state.is_open() && !self.state.is_open();
        let (reopened, change) = if back {
            (reopened.saturating_add(1), IncidentChange::Reopened)
        } else {
            (reopened, change_into(state))
        };
        Some((
            Self {
                state,
                reopened,
                work,
            },
            change,
        ))
    }

    /// How a part of it begins as an incident of its own, and the change its first event names; `None`: it isn't open, or planned
    /// work.
    pub const fn split(self) -> Option<(Self, IncidentChange)> {
        if !self.state.is_open() || self.work.is_some() {
            return None;
        }
        let part = Self {
            state: self.state,
            reopened: 0,
            work: None,
        };
        Some((part, IncidentChange::Split))
    }

    /// Where it stands.
    pub const fn state(self) -> IncidentState {
        self.state
    }

    /// How far planned work has come; `None`: it is none.
    pub const fn work(self) -> Option<WorkStage> {
        self.work
    }

    /// How often it has come back.
    pub const fn reopened(self) -> u32 {
        self.reopened
    }

    /// How many times as long as at first its signs must be gone before it is over: what comes and goes is told as one. At most
    /// eight times: beyond that the end would be told hours late.
    pub const fn patience(self) -> u32 {
        match self.reopened {
            0 => 1,
            1 => 2,
            2 => 4,
            3.. => 8,
        }
    }
}

/// Whether `trigger` may happen to an incident that stands at `state`; `work` as its event tells it.
pub const fn allows(state: IncidentState, work: Option<WorkStage>, trigger: Trigger) -> bool {
    let life = Life {
        state,
        reopened: 0,
        work,
    };
    life.after(trigger).is_some()
}

/// The table of planned work; `from` is `None` where there is none yet.
const fn next_stage(from: Option<WorkStage>, trigger: Trigger) -> Option<WorkStage> {
    use WorkStage as W;
    match (from, trigger) {
        (None, Trigger::Announce) => Some(W::Announced),
        (Some(W::Announced), Trigger::Start) => Some(W::Started),
        (Some(W::Announced), Trigger::Retract) => Some(W::Cancelled),
        (Some(W::Started), Trigger::Overrun) => Some(W::Overrun),
        (Some(W::Started | W::Overrun), Trigger::Fade | Trigger::Close) => Some(W::Ended),
        (
            None | Some(W::Announced | W::Started | W::Overrun | W::Ended | W::Cancelled),
            Trigger::Foresee
            | Trigger::Hit
            | Trigger::Fade
            | Trigger::FadeAfterAction
            | Trigger::HorizonPassed
            | Trigger::Retract
            | Trigger::Close
            | Trigger::Review
            | Trigger::Announce
            | Trigger::Start
            | Trigger::Overrun
            | Trigger::Merge,
        ) => None,
    }
}

/// What an event says of planned work that has come so far.
const fn state_at(stage: WorkStage) -> (IncidentState, IncidentChange) {
    match stage {
        WorkStage::Announced => (IncidentState::Predicted, IncidentChange::Announced),
        WorkStage::Started => (IncidentState::Confirmed, IncidentChange::Started),
        WorkStage::Overrun => (IncidentState::Confirmed, IncidentChange::Overrun),
        WorkStage::Ended => (IncidentState::Resolved, IncidentChange::Ended),
        WorkStage::Cancelled => (IncidentState::Retracted, IncidentChange::Cancelled),
    }
}

/// The table of all other incidents; `from` is `None` where there is no incident yet.
const fn next_state(from: Option<IncidentState>, trigger: Trigger) -> Option<IncidentState> {
    use IncidentState as S;
    match (from, trigger) {
        (None | Some(S::Averted | S::Expired | S::Resolved), Trigger::Foresee) => Some(S::Predicted),
        (None | Some(S::Predicted | S::Averted | S::Expired | S::Resolved), Trigger::Hit) => {
            Some(S::Confirmed)
        }
        (Some(S::Predicted | S::Confirmed), Trigger::Retract) => Some(S::Retracted),
        (Some(S::Predicted), Trigger::FadeAfterAction) => Some(S::Averted),
        // Only a person can say that a prediction was an error; one whose signs have gone did not come true.
        (Some(S::Predicted), Trigger::Fade | Trigger::HorizonPassed) => Some(S::Expired),
        (Some(S::Confirmed), Trigger::Fade | Trigger::FadeAfterAction | Trigger::Close) => Some(S::Resolved),
        (Some(S::Averted | S::Retracted | S::Expired | S::Resolved), Trigger::Review) => Some(S::Reviewed),
        (Some(S::Predicted | S::Confirmed), Trigger::Merge) => Some(S::Merged),
        (
            None
            | Some(
                S::Predicted
                | S::Confirmed
                | S::Averted
                | S::Retracted
                | S::Expired
                | S::Resolved
                | S::Reviewed
                | S::Merged,
            ),
            Trigger::Announce | Trigger::Start | Trigger::Overrun,
        )
        | (
            None,
            Trigger::Fade
            | Trigger::FadeAfterAction
            | Trigger::HorizonPassed
            | Trigger::Retract
            | Trigger::Close
            | Trigger::Review
            | Trigger::Merge,
        )
        | (Some(S::Predicted), Trigger::Foresee | Trigger::Close | Trigger::Review)
        | (Some(S::Confirmed), Trigger::Foresee | Trigger::Hit | Trigger::HorizonPassed | Trigger::Review)
        // What a person called an error doesn't come back; what was looked at is done with.
        | (Some(S::Retracted), Trigger::Foresee | Trigger::Hit)
        | (
            Some(S::Averted | S::Retracted | S::Expired | S::Resolved),
            Trigger::Fade
            | Trigger::FadeAfterAction
            | Trigger::HorizonPassed
            | Trigger::Retract
            | Trigger::Close
            | Trigger::Merge,
        )
        // What is merged goes on as the other one.
        | (
            Some(S::Reviewed | S::Merged),
            Trigger::Foresee
            | Trigger::Hit
            | Trigger::Fade
            | Trigger::FadeAfterAction
            | Trigger::HorizonPassed
            | Trigger::Retract
            | Trigger::Close
            | Trigger::Review
            | Trigger::Merge,
        ) => None,
    }
}

/// The change that an event names when a state is entered for the first time.
const fn change_into(state: IncidentState) -> IncidentChange {
    match state {
        IncidentState::Predicted => IncidentChange::Predicted,
        IncidentState::Confirmed => IncidentChange::Confirmed,
        IncidentState::Averted => IncidentChange::Averted,
        IncidentState::Retracted => IncidentChange::Retracted,
        IncidentState::Expired => IncidentChange::Expired,
        IncidentState::Resolved => IncidentChange::Resolved,
        IncidentState::Reviewed => IncidentChange::Reviewed,
        IncidentState::Merged => IncidentChange::Merged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::fmt::Write as _;

    /// A life at each state, as the table reaches it.
    fn lives() -> Vec<(&'static str, Option<Life>)> {
        let reach = |triggers: &[Trigger]| {
            let (first, rest) = triggers.split_first().unwrap();
            let begun = Life::begin(*first).unwrap().0;
            Some(rest.iter().fold(begun, |life, t| life.after(*t).unwrap().0))
        };
        use Trigger as T;
        vec![
            ("none", None),
            ("predicted", reach(&[T::Foresee])),
            ("confirmed", reach(&[T::Foresee, T::Hit])),
            ("averted", reach(&[T::Foresee, T::FadeAfterAction])),
            ("retracted", reach(&[T::Hit, T::Retract])),
            ("expired", reach(&[T::Foresee, T::HorizonPassed])),
            ("resolved", reach(&[T::Hit, T::Close])),
            ("reviewed", reach(&[T::Hit, T::Close, T::Review])),
            ("merged", reach(&[T::Foresee, T::Merge])),
            ("announced", reach(&[T::Announce])),
            ("started", reach(&[T::Announce, T::Start])),
            ("overrun", reach(&[T::Announce, T::Start, T::Overrun])),
            ("ended", reach(&[T::Announce, T::Start, T::Close])),
            ("cancelled", reach(&[T::Announce, T::Retract])),
            ("ended+", reach(&[T::Announce, T::Start, T::Close, T::Review])),
        ]
    }

    #[test]
    fn every_cell_of_the_table() {
        let mut text = String::new();
        for (name, from) in lives() {
            let stage = |life: Life| life.work().map_or(life.state().as_str(), WorkStage::as_str);
            assert!(from.is_none_or(|life| name.trim_end_matches('+') == stage(life)));
            write!(text, "{name:9}").unwrap();
            for trigger in Trigger::ALL {
                let to = from.map_or_else(|| Life::begin(trigger), |life| life.after(trigger));
                let to = to.map_or("-".to_owned(), |(life, change)| {
                    let (state, change) = (life.state().as_str(), change.as_str());
                    if state == change {
                        state.to_owned()
                    } else {
                        format!("{state}({change})")
                    }
                });
                write!(text, " {trigger:?}={to}").unwrap();
            }
            text.push('\n');
        }
        expect![[r#"
            none      Foresee=predicted Hit=confirmed Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=- Announce=predicted(announced) Start=- Overrun=- Merge=-
            predicted Foresee=- Hit=confirmed Fade=expired FadeAfterAction=averted HorizonPassed=expired Retract=retracted Close=- Review=- Announce=- Start=- Overrun=- Merge=merged
            confirmed Foresee=- Hit=- Fade=resolved FadeAfterAction=resolved HorizonPassed=- Retract=retracted Close=resolved Review=- Announce=- Start=- Overrun=- Merge=merged
            averted   Foresee=predicted(reopened) Hit=confirmed(reopened) Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed Announce=- Start=- Overrun=- Merge=-
            retracted Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed Announce=- Start=- Overrun=- Merge=-
            expired   Foresee=predicted(reopened) Hit=confirmed(reopened) Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed Announce=- Start=- Overrun=- Merge=-
            resolved  Foresee=predicted(reopened) Hit=confirmed(reopened) Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed Announce=- Start=- Overrun=- Merge=-
            reviewed  Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=- Announce=- Start=- Overrun=- Merge=-
            merged    Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=- Announce=- Start=- Overrun=- Merge=-
            announced Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=retracted(cancelled) Close=- Review=- Announce=- Start=confirmed(started) Overrun=- Merge=-
            started   Foresee=- Hit=- Fade=resolved(ended) FadeAfterAction=- HorizonPassed=- Retract=- Close=resolved(ended) Review=- Announce=- Start=- Overrun=confirmed(overrun) Merge=-
            overrun   Foresee=- Hit=- Fade=resolved(ended) FadeAfterAction=- HorizonPassed=- Retract=- Close=resolved(ended) Review=- Announce=- Start=- Overrun=- Merge=-
            ended     Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed Announce=- Start=- Overrun=- Merge=-
            cancelled Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed Announce=- Start=- Overrun=- Merge=-
            ended+    Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=- Announce=- Start=- Overrun=- Merge=-
        "#]].assert_eq(&text);
    }

    #[test]
    fn patience_doubles_with_each_return_and_has_an_end() {
        let (mut life, _) = Life::begin(Trigger::Hit).unwrap();
        let mut patience = Vec::new();
        for _ in 0..6 {
            patience.push((life.reopened(), life.patience()));
            life = life.after(Trigger::Fade).unwrap().0;
            life = life.after(Trigger::Hit).unwrap().0;
        }
        assert_eq!(patience, [(0, 1), (1, 2), (2, 4), (3, 8), (4, 8), (5, 8)]);
    }
}

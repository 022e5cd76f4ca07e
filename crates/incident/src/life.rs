use forecall_types::{IncidentChange, IncidentState};
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
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Foresee,
        Self::Hit,
        Self::Fade,
        Self::FadeAfterAction,
        Self::HorizonPassed,
        Self::Retract,
        Self::Close,
        Self::Review,
    ];
}

/// Where an incident stands, and how often it has come back. It only begins, and goes on, as the table allows: no other life can
/// be written down, since its fields can't be set. What an event says of its state comes from here.
///
/// | from \\ trigger | foresee | hit | fade | fade after action | horizon passed | retract | close | review |
/// |---|---|---|---|---|---|---|---|---|
/// | none | predicted | confirmed | | | | | | |
/// | predicted | | confirmed | expired | averted | expired | retracted | | |
/// | confirmed | | | resolved | resolved | | retracted | resolved | |
/// | averted, expired, resolved | predicted, re-opened | confirmed, re-opened | | | | | | reviewed |
/// | retracted | | | | | | | | reviewed |
/// | reviewed | | | | | | | | |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    state: IncidentState,
    reopened: u32,
}

impl Life {
    /// How an incident begins, and the change its first event names; `None`: nothing begins so.
    pub const fn begin(trigger: Trigger) -> Option<(Self, IncidentChange)> {
        match next_state(None, trigger) {
            Some(state) => Some((Self { state, reopened: 0 }, change_into(state))),
            None => None,
        }
    }

    /// How it goes on, and the change that the event names; `None`: not allowed.
    pub const fn after(self, trigger: Trigger) -> Option<(Self, IncidentChange)> {
        let Some(state) = next_state(Some(self.state), trigger) else {
            return None;
        };
        let back = state.is_open() && !self.state.is_open();
        if back {
            let reopened = self.reopened.saturating_add(1);
            Some((Self { state, reopened }, IncidentChange::Reopened))
        } else {
            let reopened = self.reopened;
            Some((Self { state, reopened }, change_into(state)))
        }
    }

    /// Where it stands.
    pub const fn state(self) -> IncidentState {
        self.state
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

/// Whether `trigger` may happen to an incident that stands at `state`.
pub const fn allows(state: IncidentState, trigger: Trigger) -> bool {
    next_state(Some(state), trigger).is_some()
}

/// The table of [`Life`]; `from` is `None` where there is no incident yet.
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
        (
            None,
            Trigger::Fade
            | Trigger::FadeAfterAction
            | Trigger::HorizonPassed
            | Trigger::Retract
            | Trigger::Close
            | Trigger::Review,
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
            | Trigger::Close,
        )
        | (
            Some(S::Reviewed),
            Trigger::Foresee
            | Trigger::Hit
            | Trigger::Fade
            | Trigger::FadeAfterAction
            | Trigger::HorizonPassed
            | Trigger::Retract
            | Trigger::Close
            | Trigger::Review,
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
        ]
    }

    #[test]
    fn every_cell_of_the_table() {
        let mut text = String::new();
        for (name, from) in lives() {
            assert!(from.is_none_or(|life| life.state().as_str() == name));
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
            none      Foresee=predicted Hit=confirmed Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=-
            predicted Foresee=- Hit=confirmed Fade=expired FadeAfterAction=averted HorizonPassed=expired Retract=retracted Close=- Review=-
            confirmed Foresee=- Hit=- Fade=resolved FadeAfterAction=resolved HorizonPassed=- Retract=retracted Close=resolved Review=-
            averted   Foresee=predicted(reopened) Hit=confirmed(reopened) Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed
            retracted Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed
            expired   Foresee=predicted(reopened) Hit=confirmed(reopened) Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed
            resolved  Foresee=predicted(reopened) Hit=confirmed(reopened) Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed
            reviewed  Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=-
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

use forecall_types::{IncidentChange, IncidentState};

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

/// The state that follows; `None`: not allowed. `from` is `None` where there is no incident yet.
///
/// | from \ trigger | foresee | hit | fade | fade after action | horizon passed | retract | close | review |
/// |---|---|---|---|---|---|---|---|---|
/// | none | predicted | confirmed | | | | | | |
/// | predicted | | confirmed | expired | averted | expired | retracted | | |
/// | confirmed | | | resolved | resolved | | retracted | resolved | |
/// | averted, retracted, expired, resolved | | | | | | | | reviewed |
/// | reviewed | | | | | | | | |
pub const fn next_state(from: Option<IncidentState>, trigger: Trigger) -> Option<IncidentState> {
    use IncidentState as S;
    match (from, trigger) {
        (None, Trigger::Foresee) => Some(S::Predicted),
        (None | Some(S::Predicted), Trigger::Hit) => Some(S::Confirmed),
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
        | (
            Some(S::Averted | S::Retracted | S::Expired | S::Resolved),
            Trigger::Foresee
            | Trigger::Hit
            | Trigger::Fade
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

/// The change that an event names when a state is entered.
pub(crate) const fn change_into(state: IncidentState) -> IncidentChange {
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

    #[test]
    fn every_cell_of_the_table() {
        use IncidentState as S;
        let mut text = String::new();
        for from in [
            None,
            Some(S::Predicted),
            Some(S::Confirmed),
            Some(S::Averted),
            Some(S::Retracted),
            Some(S::Expired),
            Some(S::Resolved),
            Some(S::Reviewed),
        ] {
            write!(text, "{:9}", from.map_or("none", S::as_str)).unwrap();
            for trigger in Trigger::ALL {
                let to = next_state(from, trigger).map_or("-", S::as_str);
                write!(text, " {trigger:?}={to}").unwrap();
            }
            text.push('\n');
        }
        expect![[r#"
            none      Foresee=predicted Hit=confirmed Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=-
            predicted Foresee=- Hit=confirmed Fade=expired FadeAfterAction=averted HorizonPassed=expired Retract=retracted Close=- Review=-
            confirmed Foresee=- Hit=- Fade=resolved FadeAfterAction=resolved HorizonPassed=- Retract=retracted Close=resolved Review=-
            averted   Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed
            retracted Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed
            expired   Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed
            resolved  Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=reviewed
            reviewed  Foresee=- Hit=- Fade=- FadeAfterAction=- HorizonPassed=- Retract=- Close=- Review=-
        "#]].assert_eq(&text);
    }
}

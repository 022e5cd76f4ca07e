//! One thread per trouble (R9): what has happened and what this person was last told give what they are told now.

use forecall_types::{Incident, IncidentChange, IncidentState, NoticeStage, WorkStage};
use serde::{Deserialize, Serialize};

/// What has happened, from a customer's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum News {
    /// It may come.
    Predicted,
    /// It may still come; perhaps to more people, or more surely.
    StillPredicted,
    /// It is there.
    Confirmed,
    /// It is still there; perhaps for more people.
    StillConfirmed,
    /// It takes longer than was said.
    EtaLater,
    /// There is an end in sight now, or a nearer one.
    EtaSooner,
    /// The end that was told has passed.
    EtaLost,
    /// Something was done.
    Step,
    /// Nothing has happened, but news was promised.
    PromiseDue,
    /// Prevented.
    Averted,
    /// It was an error.
    Retracted,
    /// It did not come.
    Expired,
    /// It is over.
    Resolved,
    /// Looked at afterwards.
    Reviewed,
    /// Planned work is under way: there are no words for that yet.
    WorkGoesOn,
    /// It goes on as another incident, whose thread tells of it.
    Merged,
}

#[cfg(test)]
impl News {
    pub(crate) const ALL: [Self; 16] = [
        Self::Predicted,
        Self::StillPredicted,
        Self::Confirmed,
        Self::StillConfirmed,
        Self::EtaLater,
        Self::EtaSooner,
        Self::EtaLost,
        Self::Step,
        Self::PromiseDue,
        Self::Averted,
        Self::Retracted,
        Self::Expired,
        Self::Resolved,
        Self::Reviewed,
        Self::WorkGoesOn,
        Self::Merged,
    ];
}

/// What a person was last told in this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum LastTold {
    /// Nothing.
    Nothing,
    /// That it may come.
    Predicted,
    /// That it is there, without an end.
    Trouble,
    /// That it is there, and when it should be over.
    TroubleWithEta,
    /// That it is over, did not come, or was an error.
    Closed,
}

impl LastTold {
    /// After a message of this stage.
    pub(crate) const fn after(stage: NoticeStage, with_eta: bool) -> Self {
        match stage {
            NoticeStage::Predicted => Self::Predicted,
            NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged => {
                if with_eta {
                    Self::TroubleWithEta
                } else {
                    Self::Trouble
                }
            }
            NoticeStage::Resolved
            | NoticeStage::AllClear
            | NoticeStage::Averted
            | NoticeStage::Retraction => Self::Closed,
        }
    }
}

/// The table: the stage to tell, or silence.
///
/// Closings go only to people who were told; growth reaches only new ones; a severity that changes is silence; whoever
/// missed the beginning hears the beginning, not the middle.
pub(crate) const fn stage_for(news: News, told: LastTold) -> Option<NoticeStage> {
    use LastTold as L;
    use NoticeStage as S;
    match (news, told) {
        (News::Predicted | News::StillPredicted, L::Nothing) => Some(S::Predicted),
        (
            News::Predicted | News::StillPredicted,
            L::Predicted | L::Trouble | L::TroubleWithEta | L::Closed,
        ) => None,

        (News::Confirmed | News::StillConfirmed, L::Nothing | L::Predicted | L::Closed) => Some(S::Confirmed),
        (News::Confirmed | News::StillConfirmed, L::Trouble | L::TroubleWithEta) => None,

        (
            News::EtaLater | News::EtaSooner | News::EtaLost | News::Step | News::PromiseDue,
            L::Nothing | L::Predicted | L::Closed,
        ) => Some(S::Confirmed),
        // "It takes longer" is said only to people who know of an earlier end.
        (News::EtaLater, L::TroubleWithEta) => Some(S::EtaChanged),
        (News::EtaLater, L::Trouble) => Some(S::Progress),
        (News::EtaSooner | News::Step, L::Trouble | L::TroubleWithEta) => Some(S::Progress),
        (News::EtaLost, L::TroubleWithEta) => Some(S::EtaChanged),
        (News::EtaLost, L::Trouble) => None,
        (News::PromiseDue, L::Trouble | L::TroubleWithEta) => Some(S::Progress),

        (News::Averted, L::Predicted) => Some(S::Averted),
        (News::Expired, L::Predicted) => Some(S::AllClear),
        // To somebody who was told that it is there, only "it is over" can be true.
        (News::Averted | News::Expired, L::Trouble | L::TroubleWithEta) => Some(S::Resolved),
        (News::Resolved, L::Predicted | L::Trouble | L::TroubleWithEta) => Some(S::Resolved),
        (News::Retracted, L::Predicted | L::Trouble | L::TroubleWithEta) => Some(S::Retraction),
        (News::Averted | News::Expired | News::Resolved | News::Retracted, L::Nothing | L::Closed) => None,
        (
            News::Reviewed | News::WorkGoesOn | News::Merged,
            L::Nothing | L::Predicted | L::Trouble | L::TroubleWithEta | L::Closed,
        ) => None,
    }
}

/// Whether `news` makes an earlier message of `stage` untrue: what of it hasn't left must not leave.
pub(crate) const fn overtakes(news: News, stage: NoticeStage) -> bool {
    let open_trouble = matches!(
        stage,
        NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged
    );
    match news {
        News::Predicted | News::StillPredicted | News::StillConfirmed | News::Reviewed => false,
        News::Confirmed => !open_trouble,
        // "It will be disrupted from 14:30" is no news after that.
        News::WorkGoesOn => matches!(stage, NoticeStage::Predicted),
        // What hasn't left is told by the other thread.
        News::Merged => open_trouble || matches!(stage, NoticeStage::Predicted),
        News::EtaLater | News::EtaSooner | News::EtaLost | News::PromiseDue => {
            open_trouble || matches!(stage, NoticeStage::Predicted)
        }
        News::Step => matches!(stage, NoticeStage::Progress | NoticeStage::Predicted),
        News::Averted | News::Retracted | News::Expired | News::Resolved => {
            open_trouble || matches!(stage, NoticeStage::Predicted)
        }
    }
}

/// What two states of an incident have in common with news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) change: IncidentChange,
    pub(crate) state: IncidentState,
    /// Where it is planned work: how far that has come.
    pub(crate) work: Option<WorkStage>,
    /// A step with approved words is new.
    pub(crate) step: bool,
    /// The end moved: later, or sooner (or is known for the first time).
    pub(crate) eta: Option<EtaMove>,
}

/// Which way an expected end moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EtaMove {
    Later,
    Sooner,
}

/// News that holds for as long as an incident stands as it does.
pub(crate) fn standing_news(incident: &Incident) -> News {
    incident
        .work
        .as_ref()
        .map_or_else(|| standing(incident.state), |work| news_of_work(work.stage))
}

const fn standing(state: IncidentState) -> News {
    match state {
        IncidentState::Predicted => News::StillPredicted,
        IncidentState::Confirmed => News::StillConfirmed,
        IncidentState::Averted => News::Averted,
        IncidentState::Retracted => News::Retracted,
        IncidentState::Expired => News::Expired,
        IncidentState::Resolved => News::Resolved,
        IncidentState::Reviewed => News::Reviewed,
        IncidentState::Merged => News::Merged,
    }
}

/// Planned work has words where it is announced, and closing ones for those who were told of it. Customers aren't known to be hit in
/// between.
const fn news_of_work(stage: WorkStage) -> News {
    match stage {
        WorkStage::Announced => News::StillPredicted,
        WorkStage::Started | WorkStage::Overrun => News::WorkGoesOn,
        WorkStage::Ended => News::Resolved,
        WorkStage::Cancelled => News::Expired,
    }
}

/// What an incident event means for customers. An end that moves tells more than a step.
pub(crate) const fn news_of(change: Change) -> News {
    if let Some(stage) = change.work {
        return match change.state {
            IncidentState::Reviewed => News::Reviewed,
            IncidentState::Predicted
            | IncidentState::Confirmed
            | IncidentState::Averted
            | IncidentState::Retracted
            | IncidentState::Expired
            | IncidentState::Resolved
            | IncidentState::Merged => news_of_work(stage),
        };
    }
    match change.change {
        IncidentChange::Predicted => News::Predicted,
        IncidentChange::Confirmed => News::Confirmed,
        IncidentChange::Averted => News::Averted,
        IncidentChange::Retracted => News::Retracted,
        IncidentChange::Expired => News::Expired,
        IncidentChange::Resolved => News::Resolved,
        IncidentChange::Reviewed => News::Reviewed,
        IncidentChange::Merged => News::Merged,
        // What only planned work says, of an incident that doesn't say that it is any: nothing is known of it.
        IncidentChange::Announced
        | IncidentChange::Started
        | IncidentChange::Overrun
        | IncidentChange::Ended
        | IncidentChange::Cancelled => News::WorkGoesOn,
        // Whoever was told that it is over hears once more that it is there; a prediction alone doesn't take that back.
        IncidentChange::Reopened => match change.state {
            IncidentState::Confirmed => News::Confirmed,
            IncidentState::Predicted
            | IncidentState::Averted
            | IncidentState::Retracted
            | IncidentState::Expired
            | IncidentState::Resolved
            | IncidentState::Reviewed
            | IncidentState::Merged => standing(change.state),
        },
        IncidentChange::Split => standing(change.state),
        IncidentChange::Updated => match change.state {
            IncidentState::Predicted => News::StillPredicted,
            IncidentState::Confirmed => match (change.eta, change.step) {
                (Some(EtaMove::Later), _) => News::EtaLater,
                (Some(EtaMove::Sooner), _) => News::EtaSooner,
                (None, true) => News::Step,
                (None, false) => News::StillConfirmed,
            },
            IncidentState::Averted => News::Averted,
            IncidentState::Retracted => News::Retracted,
            IncidentState::Expired => News::Expired,
            IncidentState::Resolved => News::Resolved,
            IncidentState::Reviewed => News::Reviewed,
            IncidentState::Merged => News::Merged,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;

    use super::*;

    #[test]
    fn every_cell() {
        let columns = [
            LastTold::Nothing,
            LastTold::Predicted,
            LastTold::Trouble,
            LastTold::TroubleWithEta,
            LastTold::Closed,
        ];
        let mut table = String::new();
        let mut row = |head: String, cells: Vec<String>| {
            let line: String = cells.iter().map(|c| format!(" {c:<14}")).collect();
            writeln!(table, "{}", format!("{head:<14}|{line}").trim_end()).unwrap();
        };
        row(String::new(), columns.iter().map(|c| format!("{c:?}")).collect());
        for news in News::ALL {
            let cells = columns
                .iter()
                .map(|told| stage_for(news, *told).map_or("-", NoticeStage::as_str).to_owned())
                .collect();
            row(format!("{news:?}"), cells);
        }
        expect![[r#"
                          | Nothing        Predicted      Trouble        TroubleWithEta Closed
            Predicted     | predicted      -              -              -              -
            StillPredicted| predicted      -              -              -              -
            Confirmed     | confirmed      confirmed      -              -              confirmed
            StillConfirmed| confirmed      confirmed      -              -              confirmed
            EtaLater      | confirmed      confirmed      progress       eta_changed    confirmed
            EtaSooner     | confirmed      confirmed      progress       progress       confirmed
            EtaLost       | confirmed      confirmed      -              eta_changed    confirmed
            Step          | confirmed      confirmed      progress       progress       confirmed
            PromiseDue    | confirmed      confirmed      progress       progress       confirmed
            Averted       | -              averted        resolved       resolved       -
            Retracted     | -              retraction     retraction     retraction     -
            Expired       | -              all_clear      resolved       resolved       -
            Resolved      | -              resolved       resolved       resolved       -
            Reviewed      | -              -              -              -              -
            WorkGoesOn    | -              -              -              -              -
            Merged        | -              -              -              -              -
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn what_is_overtaken() {
        let mut table = String::new();
        for news in News::ALL {
            let stages: Vec<&str> = NoticeStage::ALL
                .into_iter()
                .filter(|stage| overtakes(news, *stage))
                .map(NoticeStage::as_str)
                .collect();
            writeln!(table, "{}", format!("{news:?}: {}", stages.join(" ")).trim_end()).unwrap();
        }
        expect![[r#"
            Predicted:
            StillPredicted:
            Confirmed: predicted resolved all_clear averted retraction
            StillConfirmed:
            EtaLater: predicted confirmed progress eta_changed
            EtaSooner: predicted confirmed progress eta_changed
            EtaLost: predicted confirmed progress eta_changed
            Step: predicted progress
            PromiseDue: predicted confirmed progress eta_changed
            Averted: predicted confirmed progress eta_changed
            Retracted: predicted confirmed progress eta_changed
            Expired: predicted confirmed progress eta_changed
            Resolved: predicted confirmed progress eta_changed
            Reviewed:
            WorkGoesOn: predicted
            Merged: predicted confirmed progress eta_changed
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn planned_work_is_told_ahead_and_closed_and_nothing_in_between() {
        use IncidentState::{Confirmed, Predicted, Resolved, Retracted, Reviewed};
        let told = |change, state, work| {
            let news = news_of(Change {
                change,
                state,
                work: Some(work),
                step: true,
                eta: Some(EtaMove::Later),
            });
            [LastTold::Nothing, LastTold::Predicted]
                .map(|told| stage_for(news, told).map_or("-", NoticeStage::as_str))
        };
        for (change, state, work, stages) in [
            (
                IncidentChange::Announced,
                Predicted,
                WorkStage::Announced,
                ["predicted", "-"],
            ),
            (
                IncidentChange::Updated,
                Predicted,
                WorkStage::Announced,
                ["predicted", "-"],
            ),
            (IncidentChange::Started, Confirmed, WorkStage::Started, ["-", "-"]),
            (IncidentChange::Updated, Confirmed, WorkStage::Started, ["-", "-"]),
            (IncidentChange::Overrun, Confirmed, WorkStage::Overrun, ["-", "-"]),
            (
                IncidentChange::Ended,
                Resolved,
                WorkStage::Ended,
                ["-", "resolved"],
            ),
            (
                IncidentChange::Cancelled,
                Retracted,
                WorkStage::Cancelled,
                ["-", "all_clear"],
            ),
            (IncidentChange::Reviewed, Reviewed, WorkStage::Ended, ["-", "-"]),
        ] {
            assert_eq!(told(change, state, work), stages, "{change:?}");
        }
    }

    #[test]
    fn closings_go_only_to_the_told_and_only_once() {
        for news in [
            News::Averted,
            News::Retracted,
            News::Expired,
            News::Resolved,
            News::Reviewed,
        ] {
            assert_eq!(stage_for(news, LastTold::Nothing), None, "{news:?}");
            assert_eq!(stage_for(news, LastTold::Closed), None, "{news:?}");
        }
    }

    #[test]
    fn an_update_is_read_by_what_changed() {
        let update = |state, eta, step| {
            news_of(Change {
                change: IncidentChange::Updated,
                state,
                work: None,
                step,
                eta,
            })
        };
        let confirmed = IncidentState::Confirmed;
        assert_eq!(update(confirmed, None, false), News::StillConfirmed);
        assert_eq!(update(confirmed, None, true), News::Step);
        assert_eq!(update(confirmed, Some(EtaMove::Later), true), News::EtaLater);
        assert_eq!(update(confirmed, Some(EtaMove::Sooner), true), News::EtaSooner);
        assert_eq!(
            update(IncidentState::Predicted, Some(EtaMove::Later), true),
            News::StillPredicted
        );
    }

    #[test]
    fn what_is_back_is_told_as_at_first() {
        let back = |state| {
            let told = [LastTold::Nothing, LastTold::Predicted, LastTold::Closed];
            let news = news_of(Change {
                change: IncidentChange::Reopened,
                state,
                work: None,
                step: false,
                eta: None,
            });
            told.map(|told| stage_for(news, told).map_or("-", NoticeStage::as_str))
        };
        assert_eq!(
            back(IncidentState::Confirmed),
            ["confirmed", "confirmed", "confirmed"]
        );
        assert_eq!(back(IncidentState::Predicted), ["predicted", "-", "-"]);
    }
}

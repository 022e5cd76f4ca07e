//! Arbitrary words of people on incidents, for the round trips.

use std::sync::Arc;

use forecall_types::*;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::values::{
    channel, name, number, region, responsibility, scope, score, series, severity, text, time, verdict,
};

fn remark() -> impl Strategy<Value = Remark> {
    "[a-zء-ی]([ a-z0-9ء-ی]{0,6}[a-z]){0,8}".prop_map(|text| Remark::new(&text).unwrap())
}

fn pattern() -> impl Strategy<Value = Arc<str>> {
    "[a-z*][a-z.*-]{0,20}".prop_map(Arc::from)
}

fn matchers() -> impl Strategy<Value = Matchers> {
    let lists = (
        btree_set(pattern(), 0..3),
        btree_set(pattern(), 0..3),
        btree_set(pattern(), 0..3),
        btree_map(pattern(), pattern(), 0..3),
    );
    lists.prop_map(|(services, regions, metrics, labels)| Matchers {
        services,
        regions,
        metrics,
        labels,
    })
}

pub(crate) fn work() -> impl Strategy<Value = PlannedWork> {
    use WorkStage::*;
    let stage = select(vec![Announced, Started, Overrun, Ended, Cancelled]);
    (stage, time(), time(), remark(), text()).prop_map(|(stage, starts_at, ends_at, label, by)| PlannedWork {
        stage,
        starts_at,
        ends_at,
        label,
        by,
    })
}

pub(crate) fn adjustment() -> impl Strategy<Value = Adjustment> {
    let direction = select(vec![Direction::Up, Direction::Down]);
    let bounds = (option::of(score()), option::of(number()), option::of(number()));
    let exception = (
        text(),
        option::of(series()),
        option::of(channel()),
        direction,
        bounds,
    )
        .prop_map(
            |(metric, series, channel, direction, (score_max, value_min, value_max))| Exception {
                metric,
                series,
                channel,
                direction,
                score_max,
                value_min,
                value_max,
            },
        );
    let daily = (any::<u32>(), any::<u32>()).prop_map(|(from, to)| DayPart { from, to });
    let all = vec(exception, 0..3);
    (verdict(), time(), time(), number(), option::of(daily), all).prop_map(
        |(verdict, at, until, prior, daily, exceptions)| Adjustment {
            verdict,
            at,
            until,
            prior,
            daily,
            exceptions,
        },
    )
}

pub(crate) fn silenced() -> impl Strategy<Value = Silenced> {
    (name(), time(), text(), remark()).prop_map(|(id, until, by, reason)| Silenced {
        id,
        until,
        by,
        reason,
    })
}

fn outcome() -> impl Strategy<Value = RemedyOutcome> {
    use RemedyOutcome::*;
    select(vec![
        Done,
        Rehearsed,
        Refused,
        Denied,
        Throttled,
        Server,
        Timeout,
        Unreachable,
        Tls,
        Broken,
        Late,
        Changed,
        Unwanted,
    ])
}

fn remedy() -> impl Strategy<Value = Remedy> {
    use RemedyStage::*;
    let mode = select(vec![RemedyMode::Propose, RemedyMode::Run, RemedyMode::Unattended]);
    let stage = select(vec![
        Withheld, Proposed, Approved, Rejected, Lapsed, Done, Failed, Rehearsed,
    ]);
    let rule = (name(), remark(), mode, any::<bool>(), text());
    let stand = (stage, any::<u32>(), time(), text(), option::of(time()));
    let approved = (time(), text()).prop_map(|(at, by)| Acknowledgement { at, by });
    let end = (
        option::of(approved),
        option::of(outcome()),
        option::of(any::<u32>()),
    );
    (rule, stand, end, "[a-z ]{0,20}").prop_map(|(rule, stand, end, why)| {
        let (rule, label, mode, dry_run, digest) = rule;
        let (stage, revision, at, by, until) = stand;
        let (approved, outcome, status) = end;
        Remedy {
            rule,
            label,
            mode,
            dry_run,
            digest,
            stage,
            revision,
            at,
            by,
            until,
            approved,
            outcome,
            status,
            why,
        }
    })
}

type Steered = (bool, Option<IncidentId>, Option<IncidentId>, Vec<Remedy>);

/// Storm, parent, what it was merged into, remedies.
pub(crate) fn steered() -> impl Strategy<Value = Steered> {
    let ids = (option::of(name()), option::of(name()));
    (any::<bool>(), ids, vec(remedy(), 0..3))
        .prop_map(|(storm, (parent, merged_into), remedies)| (storm, parent, merged_into, remedies))
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (scope(), severity()).prop_map(|(scope, severity)| Action::Declare { scope, severity }),
        name().prop_map(|incident| Action::Acknowledge { incident }),
        (name(), time()).prop_map(|(incident, eta)| Action::Eta { incident, eta }),
        (name(), text()).prop_map(|(incident, code)| Action::Step { incident, code }),
        (name(), responsibility()).prop_map(|(incident, responsibility)| Action::Attribute {
            incident,
            responsibility
        }),
        name().prop_map(|incident| Action::Retract { incident }),
        name().prop_map(|incident| Action::Close { incident }),
        (name(), name()).prop_map(|(incident, problem)| Action::Review { incident, problem }),
        (name(), name()).prop_map(|(incident, into)| Action::Merge { incident, into }),
        (name(), btree_set(name(), 0..3), btree_set(region(), 0..3)).prop_map(
            |(incident, services, regions)| Action::Split {
                incident,
                services,
                regions
            }
        ),
        (scope(), time(), time(), remark()).prop_map(|(scope, starts_at, ends_at, label)| Action::Plan {
            scope,
            starts_at,
            ends_at,
            label
        }),
        (matchers(), time(), remark()).prop_map(|(matchers, until, reason)| Action::Silence {
            matchers,
            until,
            reason
        }),
        name().prop_map(|silence| Action::Unsilence { silence }),
        (name(), name(), any::<bool>()).prop_map(|(incident, rule, approve)| Action::Remedy {
            incident,
            rule,
            approve
        }),
        (name(), name(), outcome(), option::of(any::<u32>())).prop_map(
            |(incident, rule, outcome, status)| Action::RemedyResult {
                incident,
                rule,
                outcome,
                status
            }
        ),
        any::<bool>().prop_map(|on| Action::Remedies { on }),
        (name(), text()).prop_map(|(notice, text)| Action::Approve { notice, text }),
        notice_action(),
        any::<bool>().prop_map(|on| Action::Kill { on }),
    ]
}

fn notice_action() -> impl Strategy<Value = Action> {
    let unit = select(vec![
        CompensationUnit::Rial,
        CompensationUnit::Toman,
        CompensationUnit::Megabytes,
        CompensationUnit::Days,
    ]);
    prop_oneof![
        (name(), remark()).prop_map(|(notice, reason)| Action::Hold { notice, reason }),
        (name(), text()).prop_map(|(notice, text)| Action::Send { notice, text }),
        name().prop_map(|notice| Action::TakeBack { notice }),
        (name(), remark(), remark()).prop_map(|(incident, fa, en)| Action::Say { incident, fa, en }),
        (name(), any::<u64>(), unit).prop_map(|(incident, amount, unit)| Action::Compensate {
            incident,
            compensation: Compensation { amount, unit },
        }),
        (scope(), severity(), any::<u32>()).prop_map(|(scope, severity, minutes)| Action::Drill {
            scope,
            severity,
            minutes
        }),
        name().prop_map(|incident| Action::EndDrill { incident }),
    ]
}

//! Arbitrary words of people on incidents, for the round trips.

use std::sync::Arc;

use forecall_types::*;
use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use proptest::sample::select;

use super::values::{name, responsibility, scope, severity, text, time};

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

pub(crate) fn silenced() -> impl Strategy<Value = Silenced> {
    (name(), time(), text(), remark()).prop_map(|(id, until, by, reason)| Silenced {
        id,
        until,
        by,
        reason,
    })
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
        (name(), text()).prop_map(|(notice, text)| Action::Approve { notice, text }),
        any::<bool>().prop_map(|on| Action::Kill { on }),
    ]
}

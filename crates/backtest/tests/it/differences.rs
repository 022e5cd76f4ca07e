use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forecall_backtest::{Change, Moved, Sign, Told, compare, first_difference};
use proptest::prelude::*;

use crate::by_hand::at;

const NEAR: Duration = Duration::from_secs(3_600);

fn told(id: &str, from: i64, to: i64, service: &str) -> Told {
    Told {
        id: id.into(),
        from: at(from),
        to: at(to),
        services: BTreeSet::from([service.into()]),
        regions: BTreeSet::from(["IR-23".into()]),
        impact: None,
        state: "resolved".into(),
        severity: "minor".into(),
        peak: 0.75,
    }
}

fn said(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|change| match change {
            Change::Came(b) => format!("came {}", b.id),
            Change::Went(a) => format!("went {}", a.id),
            Change::Same(a) => format!("same {}", a.id),
            Change::Moved { a, b, how } => format!("moved {} {} {how:?}", a.id, b.id),
        })
        .collect()
}

#[test]
fn what_came_went_and_moved_is_told_in_order_of_time() {
    let a = [
        told("a1", 100, 130, "net"),
        told("a2", 300, 330, "pay"),
        told("a3", 600, 630, "net"),
    ];
    let mut b = [
        told("b3", 590, 640, "net"),
        told("a1", 100, 130, "net"),
        told("b4", 800, 810, "net"),
    ];
    b[0].state = "expired".into();
    b[0].services.insert("dns".into());
    let changes = compare(&a, &b, NEAR);
    let moved =
        r#"moved a3 b3 [Told(-600.0), Over(600.0), State("resolved", "expired"), Scope(["dns"], [])]"#;
    assert_eq!(said(&changes), ["same a1", "went a2", moved, "came b4"]);
    assert!(compare(&a, &a, NEAR).iter().all(Change::is_same));
}

#[test]
fn the_nearest_are_one_and_another_service_or_a_far_time_is_not() {
    let a = [told("x", 100, 130, "net")];
    let two = [told("far", 180, 200, "net"), told("near", 120, 150, "net")];
    assert_eq!(said(&compare(&a, &two, NEAR))[1], "came far");
    let other = [told("x", 100, 130, "pay")];
    assert_eq!(said(&compare(&a, &other, NEAR)), ["went x", "came x"]);
    let later = |from| compare(&a, &[told("y", from, from + 5, "net")], NEAR).len();
    assert_eq!((later(190), later(191)), (1, 2), "an hour between them at most");
    // The same id is the same, though another is nearer.
    let both = [told("near", 101, 130, "net"), told("x", 125, 140, "net")];
    assert!(
        matches!(&compare(&a, &both, NEAR)[0], Change::Moved { b, how, .. }
        if &*b.id == "x" && how.contains(&Moved::Told(1_500.0)))
    );
}

fn sign(minute: i64, service: &str, score: f64) -> Sign {
    Sign {
        at: at(minute),
        series: format!("{service} latency").into(),
        channel: "spike".into(),
        state: "opened".into(),
        score,
        service: service.into(),
        region: "IR-23".into(),
    }
}

#[test]
fn the_first_anomaly_told_otherwise_is_found_within_a_scope() {
    let a = [sign(10, "net", 5.0), sign(20, "pay", 5.0), sign(30, "net", 6.0)];
    let b = [sign(30, "net", 7.0), sign(10, "net", 5.0)];
    let services = |name: &str| -> BTreeSet<Arc<str>> { BTreeSet::from([name.into()]) };
    let none = BTreeSet::new();
    let all = first_difference(&a, &b, &none, &none).unwrap();
    assert_eq!((all.a, all.b), (Some(sign(20, "pay", 5.0)), None));
    let net = first_difference(&a, &b, &services("net"), &none).unwrap();
    assert_eq!((net.a.unwrap().score, net.b.unwrap().score), (6.0, 7.0));
    assert_eq!(
        first_difference(&a, &b, &services("net"), &services("IR-1")),
        None
    );
    assert_eq!(first_difference(&a, &a, &none, &none), None);
}

proptest! {
    #[test]
    fn each_is_told_once_whatever_the_order(
        a in prop::collection::vec((0..300_i64, 0..60_i64, 0..2_usize), 0..7),
        b in prop::collection::vec((0..300_i64, 0..60_i64, 0..2_usize), 0..7),
    ) {
        let make = |name: &str, all: &[(i64, i64, usize)]| -> Vec<Told> {
            (0..).zip(all).map(|(n, (from, long, of)): (u32, _)| {
                told(&format!("{name}{n}"), *from, from + long, ["net", "pay"][*of])
            }).collect()
        };
        let (mut a, mut b) = (make("a", &a), make("b", &b));
        let changes = compare(&a, &b, NEAR);
        let (mut left, mut right) = (0, 0);
        for change in &changes {
            let (l, r) = match change {
                Change::Came(_) => (0, 1),
                Change::Went(_) => (1, 0),
                Change::Same(_) | Change::Moved { .. } => (1, 1),
            };
            left += l;
            right += r;
        }
        prop_assert_eq!((left, right), (a.len(), b.len()));
        a.reverse();
        b.reverse();
        prop_assert_eq!(said(&changes), said(&compare(&a, &b, NEAR)));
    }
}

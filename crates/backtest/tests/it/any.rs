use forecall_backtest::{Case, Finding, Level, Rules, Truth, curve_of, figures_of, pair};
use proptest::prelude::*;

use crate::by_hand::{at, finding, truth};

const SERVICES: [&str; 2] = ["net", "pay"];

fn truths() -> impl Strategy<Value = Vec<Truth>> {
    let one = (0..400_i64, 0..60_i64, 0..3_usize);
    prop::collection::vec(one, 0..6).prop_map(|all| {
        all.into_iter()
            .map(|(from, long, of)| match SERVICES.get(of) {
                Some(service) => truth(from, from + long, service),
                None => Truth::new(at(from), at(from + long)),
            })
            .collect()
    })
}

fn findings() -> impl Strategy<Value = Vec<Finding>> {
    let one = (0..450_i64, 0..120_i64, 0..2_usize, 0..4_u32, 1..40_i64);
    prop::collection::vec(one, 0..6).prop_map(|all| {
        (0..)
            .zip(all)
            .map(|(n, (from, long, of, weight, rises)): (u32, _)| {
                let mut one = finding(&format!("f{n}"), from, from + long, SERVICES[of]);
                let weight = f64::from(weight) / 4.0;
                one.rise = vec![(at(from), weight), (at(from + rises), weight + 0.1)];
                one
            })
            .collect()
    })
}

/// The most truths that can have a finding of their own, by trying everything.
fn most(truths: &[Truth], findings: &[Finding]) -> usize {
    let Some((truth, rest)) = truths.split_first() else {
        return 0;
    };
    let mut best = most(rest, findings);
    for n in 0..findings.len() {
        let f = &findings[n];
        let from = f.rise[0].0;
        let service = truth.service.as_ref().is_none_or(|s| f.services.contains(s));
        let time = from <= truth.to && (f.to >= truth.from || truth.from.seconds_from(from) <= 3_600.0);
        if service && time {
            let mut others = findings.to_vec();
            others.remove(n);
            best = best.max(1 + most(rest, &others));
        }
    }
    best
}

proptest! {
    #[test]
    fn as_many_as_possible_have_one_of_their_own(truths in truths(), findings in findings()) {
        let paired = pair(&truths, &findings, Rules::default(), f64::NEG_INFINITY);
        let found = paired.truths.iter().filter(|(_, told)| told.is_some()).count();
        prop_assert_eq!(found, most(&truths, &findings));
        let met = paired.findings.iter().filter(|(_, met)| *met).count();
        prop_assert!(met >= found);
    }

    #[test]
    fn the_order_of_what_is_given_changes_nothing(
        truths in truths(),
        findings in findings(),
        turn in 0..6_usize,
    ) {
        let of = |truths: &[Truth], findings: &[Finding]| {
            let case = Case::new(Some(truths), findings, (at(0), at(500)), Rules::default());
            let mut figures = figures_of(&case, Level::Incidents);
            figures.extend(figures_of(&case, Level::Anomalies));
            (figures, curve_of(&case))
        };
        let before = of(&truths, &findings);
        let (mut truths, mut findings) = (truths, findings);
        let (t, f) = (turn.min(truths.len()), turn.min(findings.len()));
        truths.rotate_left(t);
        findings.rotate_left(f);
        findings.reverse();
        prop_assert_eq!(before, of(&truths, &findings));
    }

    #[test]
    fn shares_are_shares_and_a_finding_more_never_lowers_recall(
        truths in truths(),
        findings in findings(),
    ) {
        let of = |findings: &[Finding]| {
            let case = Case::new(Some(&truths), findings, (at(0), at(500)), Rules::default());
            figures_of(&case, Level::Incidents)
        };
        let all = of(&findings);
        for figure in &all {
            if figure.unit == forecall_backtest::Unit::Share {
                let within = figure.value.is_none_or(|value| (0.0..=1.0).contains(&value));
                prop_assert!(within, "{:?}", figure);
            }
        }
        let recall = |figures: &[forecall_backtest::Figure]| {
            figures.iter().find(|f| f.name == "recall").and_then(|f| f.value)
        };
        if let Some((_, fewer)) = findings.split_last() {
            prop_assert!(recall(&of(fewer)) <= recall(&all));
        }
    }
}

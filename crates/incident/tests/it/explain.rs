//! What explain says of an event, held against what the stage does.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::{Expect, expect};
use forecall_incident::explain::{Counts, Heard, Without, explain};
use forecall_types::{
    AnomalyId, Channel, Contribution, Evidence, Incident, IncidentChange, IncidentEvent, IncidentState,
    Probability, ServiceName, Term,
};
use proptest::prelude::*;

use crate::fixture::{Run, settings};

fn run(fixture: &str) -> Run {
    let mut run = Run::new();
    for line in fixture.lines() {
        run.line(line);
    }
    run
}

/// The story without the lines of an anomaly.
fn without(fixture: &str, anomaly: &str) -> String {
    let is_of = |line: &&str| !line.split_whitespace().any(|word| word == anomaly);
    fixture.lines().filter(is_of).collect::<Vec<_>>().join("\n")
}

fn told(event: &IncidentEvent, ended: &[&IncidentEvent]) -> String {
    let incident = &event.incident;
    let mut heard = Heard::default();
    for event in ended {
        heard.end(&event.incident);
    }
    let told = explain(incident, &heard.of(incident), &settings());
    let mut text = format!("{} {:?}\n", event.change.as_str(), told.ground);
    let Some(w) = told.weighing else {
        return text + "no sum\n";
    };
    writeln!(
        text,
        "{:.2} + {:.2} for {} metrics = {:.2}, p = {:.3}",
        w.bias,
        w.breadth,
        w.metrics,
        w.log_odds,
        incident.probability.get()
    )
    .unwrap();
    for e in &w.evidence {
        let counts = match e.counts {
            Counts::Yes => "",
            Counts::Over => " (over)",
            Counts::Heard => " (heard)",
            Counts::Muted => " (muted)",
        };
        writeln!(
            text,
            "{}{counts} +{:.2} {:.0} %, without it {:.3}{}",
            e.anomaly,
            e.log_odds,
            e.share * 100.0,
            e.probability_without.get(),
            if e.decides { ": decides" } else { "" }
        )
        .unwrap();
    }
    match w.without {
        Without::These {
            anomalies,
            probability,
            fewest,
        } => writeln!(
            text,
            "not without {} ({:.3}{})",
            anomalies
                .iter()
                .map(|a| a.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            probability.get(),
            if fewest { ", fewest" } else { "" }
        ),
        other => writeln!(text, "{other:?}"),
    }
    .unwrap();
    text
}

fn check(fixture: &str, number: usize, expected: Expect) {
    expected.assert_eq(&told(&run(fixture).events[number], &[]));
}

const TWO: &str = "ticks
    00:00
    00:01 open a1 internet/IR-10 cpu=0.99 expected=0.4 score=12
    00:02 open a2 internet/IR-10 queue=900 expected=100 score=10
    00:30";

#[test]
fn two_pieces_neither_of_which_is_enough() {
    // By hand: 0.2 · 12 + 1.2 · 130/600 = 2.66; (0.2 · 10 + 1.2 · 70/600) / 2 = 1.07.
    check(
        TWO,
        0,
        expect![[r#"
        predicted Foreseen
        -3.00 + 0.50 for 2 metrics = 1.23, p = 0.774
        a1 +2.66 63 %, without it 0.297: decides
        a2 +1.07 25 %, without it 0.416: decides
        not without a1 (0.297, fewest)
    "#]],
    );
}

#[test]
fn without_what_decides_the_stage_predicts_nothing_then() {
    let whole = run(TWO);
    let opened = &whole.events[0];
    let weighing = explain(&opened.incident, &BTreeSet::new(), &settings())
        .weighing
        .unwrap();
    assert!(weighing.evidence.iter().all(|e| e.decides));
    for piece in &weighing.evidence {
        let rest = run(&without(TWO, piece.anomaly.as_str()));
        let by_then = rest.events.iter().filter(|e| e.incident.at <= opened.incident.at);
        assert_eq!(by_then.count(), 0, "{}", piece.anomaly);
    }
}

/// Where it still fires at the same moment, the probability is the one foretold.
#[test]
fn without_what_does_not_decide_the_stage_says_the_probability_foretold() {
    let story = "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=2.5 expected=0.2 score=9 slope=0.003
        00:01 open a2 internet/IR-10 queue=900 expected=100 score=4
        00:01 open a3 access/IR-10 queue=700 expected=100 score=6
        00:01 open a4 access/IR-10 silent queue.silence=600 expected=10 score=8
        00:30";
    let opened = run(story).events[0].clone();
    let weighing = explain(&opened.incident, &BTreeSet::new(), &settings())
        .weighing
        .unwrap();
    let mut compared = 0;
    for piece in weighing.evidence.iter().filter(|e| !e.decides) {
        let rest = run(&without(story, piece.anomaly.as_str()));
        let first = &rest.events[0].incident;
        assert_eq!(first.at, opened.incident.at);
        let (said, foretold) = (first.probability.get(), piece.probability_without.get());
        assert!(
            (said - foretold).abs() < 1e-9,
            "{}: {said} {foretold}",
            piece.anomaly
        );
        compared += 1;
    }
    assert_eq!(compared, 3, "{weighing:?}");
}

#[test]
fn evidence_of_a_prediction_that_ended_counts_no_more() {
    let run = run("ticks
        00:00
        00:01 open a1 tv/IR-10 cpu=0.99 expected=0.4 score=12
        00:02 open a2 tv/IR-10 queue=900 expected=100 score=10
        01:05
        01:10 open a3 tv/IR-10 loss=3 expected=0.2 score=11 slope=0.003
        01:20");
    let ended: Vec<&IncidentEvent> = run
        .events
        .iter()
        .filter(|e| !e.incident.state.is_open())
        .collect();
    let again = run
        .events
        .iter()
        .rfind(|e| e.change == IncidentChange::Reopened)
        .unwrap();
    expect![[r#"
        reopened Foreseen
        -3.00 + 0.00 for 1 metrics = 1.70, p = 0.846
        a3 +4.70 100 %, without it 0.047: decides
        a1 (heard) +0.00 0 %, without it 0.846
        a2 (heard) +0.00 0 %, without it 0.846
        not without a3 (0.047, fewest)
    "#]]
    .assert_eq(&told(again, &ended));
}

#[test]
fn many_alike_must_all_be_absent() {
    let mut story = "ticks\n00:00\n".to_owned();
    for i in 0..9 {
        writeln!(story, "00:01 open a{i} tv/IR-10 m{i}=900 expected=100 score=11").unwrap();
    }
    story.push_str("00:30");
    check(
        &story,
        0,
        expect![[r#"
        predicted Foreseen
        -3.00 + 1.50 for 9 metrics = 3.17, p = 0.960
        a0 +2.34 38 %, without it 0.959
        a1 +1.17 19 %, without it 0.959
        a2 +0.59 9 %, without it 0.959
        a3 +0.29 5 %, without it 0.959
        a4 +0.15 2 %, without it 0.959
        a5 +0.07 1 %, without it 0.959
        a6 +0.04 1 %, without it 0.959
        a7 +0.02 0 %, without it 0.959
        a8 +0.01 0 %, without it 0.959
        not without a0, a1, a2, a3, a4, a5, a6, a7 (0.341)
    "#]],
    );
}

#[test]
fn a_declared_one_stands_by_a_word_and_a_measured_one_by_a_limit() {
    check(
        "ticks
        00:00
        00:01 declare tv/IR-10
        00:05",
        0,
        expect![[r#"
            confirmed Declared("noc")
            no sum
        "#]],
    );
    check(
        "ticks
        00:00
        00:01 open a1 internet/IR-10 loss=6 expected=0.2 score=5
        00:01 open a2 internet/IR-10 queue=900 expected=100 score=4
        00:01 open a3 internet/IR-10 errors=9 expected=1 score=3
        00:20",
        1,
        expect![[r#"
            confirmed Measured([AnomalyId("a1")])
            no sum
        "#]],
    );
}

/// What the sum is made of, before it is published.
#[derive(Debug, Clone)]
struct Fact {
    alone: f64,
    metric: u8,
    silent: bool,
    active: bool,
    heard: bool,
}

/// A published prediction with other evidence and probability.
fn incident(evidence: Vec<Evidence>, probability: f64) -> Incident {
    Incident {
        evidence,
        // By the weights set by hand.
        contributions: Vec::new(),
        probability: Probability::clamped(probability),
        ..run(TWO).events[0].incident.clone()
    }
}

/// What was learnt: what is added to the sum, its slope, the bias, and what a further metric weighs.
#[derive(Debug, Clone, Copy)]
struct Learnt {
    offset: f64,
    slope: f64,
    bias: f64,
    per_metric: f64,
    /// Not learnt: what verdicts add.
    verdicts: f64,
}

const BY_HAND: Learnt = Learnt {
    offset: 0.0,
    slope: 1.0,
    bias: -3.0,
    per_metric: 0.5,
    verdicts: 0.0,
};

/// Publishes facts as the stage does: what each adds, and the line upon their sum.
fn published_in_full(mut facts: Vec<Fact>, learnt: &Learnt) -> (Vec<Fact>, Incident) {
    facts.sort_by(|a, b| b.alone.total_cmp(&a.alone));
    let (_, mut incident) = published(facts.clone());
    let mut undamped = 1.0;
    for (fact, evidence) in facts.iter().zip(&mut incident.evidence) {
        if fact.active && !fact.heard {
            evidence.log_odds = Some(fact.alone / undamped);
            undamped *= 2.0;
        }
    }
    let all: Vec<&Fact> = facts.iter().collect();
    let below = below(&all, learnt);
    let without = Learnt {
        per_metric: 0.0,
        ..*learnt
    };
    let breadth = below - self::below(&all, &without);
    let terms = [
        (Term::Bias, learnt.bias),
        (Term::Score, below - breadth - learnt.bias),
        (Term::Breadth, breadth),
        (Term::Calibration, learnt.offset),
        (Term::Slope, (learnt.slope - 1.0) * below),
        (Term::Verdicts, learnt.verdicts),
    ];
    incident.contributions = terms.map(|(term, value)| Contribution { term, value }).into();
    let z: f64 = incident.contributions.iter().map(|c| c.value).sum();
    incident.probability = Probability::clamped(1.0 / (1.0 + libm::exp(-z)));
    (facts, incident)
}

fn learnt() -> impl Strategy<Value = Learnt> {
    let range = (
        -1.5_f64..1.5,
        0.5_f64..1.5,
        -6.0_f64..-0.5,
        0.0_f64..1.5,
        -1.5_f64..0.5,
    );
    range.prop_map(|(offset, slope, bias, per_metric, verdicts)| Learnt {
        offset,
        slope,
        bias,
        per_metric,
        verdicts,
    })
}

/// Publishes facts as the stage did: strongest first, shares damped by the place among all, the sum by that among those
/// that count.
fn published(mut facts: Vec<Fact>) -> (Vec<Fact>, Incident) {
    facts.sort_by(|a, b| b.alone.total_cmp(&a.alone));
    let damped = |i: usize, f: &Fact| f.alone / f64::from(1_u32 << i);
    let all: f64 = facts.iter().enumerate().map(|(i, f)| damped(i, f)).sum();
    let sample = run(TWO).events[0].incident.evidence[0].clone();
    let evidence = facts.iter().enumerate().map(|(i, f)| Evidence {
        anomaly: AnomalyId::new(&format!("a{i}")).unwrap(),
        series: Arc::new(sample.series.with_metric(&format!("m{}", f.metric), "")),
        channel: if f.silent {
            Channel::Silence
        } else {
            Channel::Spike
        },
        weight: damped(i, f) / all,
        active: f.active,
        log_odds: None,
        ..sample.clone()
    });
    let evidence = evidence.collect();
    let z = oracle(&facts.iter().collect::<Vec<_>>());
    let incident = incident(evidence, 1.0 / (1.0 + libm::exp(-z)));
    (facts, incident)
}

/// The sum, as `predict` says it.
fn oracle(facts: &[&Fact]) -> f64 {
    below(facts, &BY_HAND)
}

/// The sum below the line that was learnt.
fn below(facts: &[&Fact], learnt: &Learnt) -> f64 {
    let counting: Vec<&&Fact> = facts.iter().filter(|f| f.active && !f.heard).collect();
    let metrics: BTreeSet<u8> = counting.iter().filter(|f| !f.silent).map(|f| f.metric).collect();
    let further = u8::try_from(metrics.len().saturating_sub(1)).unwrap().min(3);
    let damped = counting
        .iter()
        .enumerate()
        .map(|(i, f)| f.alone / f64::from(1_u32 << i));
    learnt.bias + damped.sum::<f64>() + learnt.per_metric * f64::from(further)
}

fn heard(facts: &[Fact]) -> BTreeSet<AnomalyId> {
    let numbered = facts.iter().enumerate().filter(|(_, f)| f.heard);
    numbered
        .map(|(i, _)| AnomalyId::new(&format!("a{i}")).unwrap())
        .collect()
}

fn fact() -> impl Strategy<Value = Fact> {
    (
        0.1_f64..6.0,
        0_u8..6,
        proptest::bool::weighted(0.2),
        proptest::bool::weighted(0.8),
        proptest::bool::weighted(0.2),
    )
        .prop_map(|(alone, metric, silent, active, heard)| Fact {
            alone,
            metric,
            silent,
            active,
            heard,
        })
}

proptest! {
    #[test]
    fn the_parts_come_back_out_of_what_is_published(facts in proptest::collection::vec(fact(), 1..12)) {
        let (facts, incident) = published(facts);
        let told = explain(&incident, &heard(&facts), &settings());
        let weighing = told.weighing.unwrap();
        let all: Vec<&Fact> = facts.iter().collect();
        prop_assert!((weighing.log_odds - oracle(&all)).abs() < 1e-6);
        let added: f64 = weighing.evidence.iter().map(|w| w.log_odds).sum();
        prop_assert!((weighing.bias + weighing.breadth + added - weighing.log_odds).abs() < 1e-9);
        for (i, weight) in weighing.evidence.iter().enumerate() {
            let rest: Vec<&Fact> = facts.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, f)| f).collect();
            let p = 1.0 / (1.0 + libm::exp(-oracle(&rest)));
            prop_assert!((weight.probability_without.get() - p).abs() < 1e-6, "{i}: {weight:?} {p}");
            prop_assert_eq!(weight.decides, incident.probability.get() >= 0.6 && p < 0.6);
        }
    }

    /// Whatever was learnt, and with evidence that speaks against.
    #[test]
    fn what_was_learnt_is_part_of_it(
        facts in proptest::collection::vec((fact(), proptest::bool::weighted(0.2)), 1..9),
        learnt in learnt(),
    ) {
        let turned = facts.into_iter().map(|(f, against)| Fact { alone: if against { -0.3 * f.alone } else { f.alone }, ..f });
        let (facts, incident) = published_in_full(turned.collect(), &learnt);
        let any = facts.iter().any(|f| f.active && !f.heard);
        // What was heard is told by the event itself.
        let told = explain(&incident, &BTreeSet::new(), &settings());
        prop_assume!(any);
        let weighing = told.weighing.unwrap();
        let oracle = |gone: u32| {
            let rest: Vec<&Fact> = facts.iter().enumerate().filter(|(i, _)| gone & (1 << i) == 0).map(|(_, f)| f).collect();
            learnt.offset + learnt.verdicts + learnt.slope * below(&rest, &learnt)
        };
        let p = |z: f64| 1.0 / (1.0 + libm::exp(-z));
        prop_assert!((weighing.log_odds - oracle(0)).abs() < 1e-6);
        let added: f64 = weighing.evidence.iter().map(|w| w.log_odds).sum();
        let parts = weighing.bias + weighing.breadth + weighing.calibration + weighing.verdicts + added;
        prop_assert!((parts - weighing.log_odds).abs() < 1e-9);
        for (i, weight) in weighing.evidence.iter().enumerate() {
            prop_assert!((weight.probability_without.get() - p(oracle(1 << i))).abs() < 1e-6, "{i}: {weight:?}");
        }
        let under = |gone| p(oracle(gone)) < 0.6;
        let smallest = (0..1_u32 << facts.len()).filter(|gone| under(*gone)).map(u32::count_ones).min();
        match weighing.without {
            Without::Under => prop_assert_eq!(smallest, Some(0)),
            Without::Nothing => prop_assert!(smallest.is_none_or(|n| n > 3), "{smallest:?}"),
            Without::These { anomalies, fewest, .. } => {
                let gone = anomalies.iter().fold(0, |set, id| set | 1 << id.as_str().trim_start_matches('a').parse::<u32>().unwrap());
                prop_assert!(under(gone));
                prop_assert!(!fewest || u32::try_from(anomalies.len()).ok() == smallest, "{anomalies:?} {smallest:?}");
            }
        }
    }

    /// Against every subset there is.
    #[test]
    fn no_smaller_set_would_do(facts in proptest::collection::vec(fact(), 1..9)) {
        let (facts, incident) = published(facts);
        let weighing = explain(&incident, &heard(&facts), &settings()).weighing.unwrap();
        let under = |gone: u32| {
            let rest: Vec<&Fact> = facts.iter().enumerate().filter(|(i, _)| gone & (1 << i) == 0).map(|(_, f)| f).collect();
            1.0 / (1.0 + libm::exp(-oracle(&rest))) < 0.6
        };
        let smallest = (0..1_u32 << facts.len()).filter(|gone| under(*gone)).map(u32::count_ones).min().unwrap();
        match weighing.without {
            Without::Under => prop_assert_eq!(smallest, 0),
            Without::Nothing => prop_assert!(false, "no evidence is always enough at 0.6"),
            Without::These { anomalies, probability, fewest } => {
                let gone = anomalies.iter().fold(0, |set, id| set | 1 << id.as_str().trim_start_matches('a').parse::<u32>().unwrap());
                prop_assert!(under(gone) && probability.get() < 0.6);
                prop_assert!(!fewest || anomalies.len() == usize::try_from(smallest).unwrap(), "{anomalies:?} {smallest}");
                prop_assert!(fewest || smallest > 3);
            }
        }
    }
}

#[test]
fn a_probability_by_word_or_fact_has_no_sum() {
    for p in [0.0, 1.0] {
        assert_eq!(
            explain(&incident(Vec::new(), p), &BTreeSet::new(), &settings()).weighing,
            None
        );
    }
    // Without evidence nothing but the bias is possible.
    assert_eq!(
        explain(&incident(Vec::new(), 0.5), &BTreeSet::new(), &settings()).weighing,
        None
    );
}

#[test]
fn what_was_heard_counts_again_in_a_scope_that_has_not_heard_it() {
    let (_, mut ended) = published(vec![Fact {
        alone: 5.0,
        metric: 0,
        silent: false,
        active: true,
        heard: false,
    }]);
    ended.state = IncidentState::Expired;
    let mut heard = Heard::default();
    heard.end(&ended);
    let mut later = ended.clone();
    assert_eq!(heard.of(&later).len(), 1);
    later.scope.services.insert(ServiceName::new("tv").unwrap());
    assert_eq!(heard.of(&later).len(), 0);
    let mut by_word = Heard::default();
    ended.state = IncidentState::Retracted;
    by_word.end(&ended);
    assert_eq!(by_word.of(&ended).len(), 0);
}

#[test]
fn a_way_to_a_limit_confirms_nothing_before_it_is_there() {
    let run = run("ticks
        00:00
        00:01 open a1 internet/IR-10 errors=9 expected=1 score=12 limit
        00:05 open a2 internet/IR-10 loss=9 expected=0.2 score=1 limit
        00:15");
    let confirmed = run.events.iter().find(|e| e.change == IncidentChange::Confirmed);
    expect![[r#"confirmed Measured([AnomalyId("a2")])"#]]
        .assert_eq(told(confirmed.unwrap(), &[]).lines().next().unwrap());
}

use std::sync::Arc;

use forecall_types::{
    Band, Channel, DomainName, EventTime, Fingerprint, IncidentId, IncidentKind, Labels, Lineage, RegionCode,
    Responsibility, Scope, Score, SeriesKey, ServiceName, Severity,
};
use proptest::prelude::*;

use super::*;
use crate::CorrelateParts;

/// What the sum is made of, before it is published.
#[derive(Debug, Clone)]
struct Fact {
    alone: f64,
    metric: u8,
    silent: bool,
    active: bool,
    heard: bool,
}

fn incident(evidence: Vec<Evidence>, probability: f64) -> Incident {
    Incident {
        id: IncidentId::derived(Fingerprint::of(b"x")),
        revision: 1,
        domain: DomainName::new("test").unwrap(),
        state: IncidentState::Predicted,
        severity: Severity::Minor,
        kind: IncidentKind::Degradation,
        scope: Scope {
            services: BTreeSet::from([ServiceName::new("tv").unwrap()]),
            regions: BTreeSet::from([RegionCode::new("IR-10").unwrap()]),
            ..Scope::default()
        },
        probability: Probability::clamped(probability),
        opened_at: EventTime::from_secs(0),
        at: EventTime::from_secs(0),
        onset_predicted: None,
        onset_interval: None,
        onset_observed: None,
        resolved_at: None,
        evidence,
        causes: Vec::new(),
        responsibility: Responsibility::Unknown,
        acknowledged: None,
        eta: None,
        steps: Vec::new(),
        reason: String::new(),
        version: "0".into(),
        settings: "s".into(),
        lineage: Lineage::default(),
        simulated: false,
    }
}

/// Publishes facts as the stage does: strongest first, shares damped by the place among all, the sum by that among those
/// that count.
fn published(mut facts: Vec<Fact>) -> (Vec<Fact>, Incident) {
    facts.sort_by(|a, b| b.alone.total_cmp(&a.alone));
    let damped = |i: usize, f: &Fact| f.alone * 0.5_f64.powi(i32::try_from(i).unwrap());
    let all: f64 = facts.iter().enumerate().map(|(i, f)| damped(i, f)).sum();
    let evidence = facts.iter().enumerate().map(|(i, f)| Evidence {
        anomaly: AnomalyId::new(&format!("a{i}")).unwrap(),
        series: Arc::new(SeriesKey {
            metric: format!("m{}", f.metric).into(),
            unit: "".into(),
            resource: Labels::default(),
            labels: Labels::default(),
        }),
        channel: if f.silent {
            Channel::Silence
        } else {
            Channel::Spike
        },
        from: EventTime::from_secs(0),
        at: EventTime::from_secs(0),
        observed: 1.0,
        expected: 0.0,
        band: Band { low: 0.0, high: 0.5 },
        score: Score::clamped(5.0),
        weight: damped(i, f) / all,
        active: f.active,
    });
    let evidence = evidence.collect();
    let z = oracle(&facts.iter().collect::<Vec<_>>());
    let incident = incident(evidence, 1.0 / (1.0 + (-z).exp()));
    (facts, incident)
}

/// The sum, as `predict` says it.
fn oracle(facts: &[&Fact]) -> f64 {
    let counting: Vec<&&Fact> = facts.iter().filter(|f| f.active && !f.heard).collect();
    let metrics: BTreeSet<u8> = counting.iter().filter(|f| !f.silent).map(|f| f.metric).collect();
    let further = u8::try_from(metrics.len().saturating_sub(1)).unwrap().min(3);
    let damped = counting
        .iter()
        .enumerate()
        .map(|(i, f)| f.alone * 0.5_f64.powi(i32::try_from(i).unwrap()));
    -3.0 + damped.sum::<f64>() + 0.5 * f64::from(further)
}

fn heard(facts: &[Fact]) -> BTreeSet<AnomalyId> {
    let numbered = facts.iter().enumerate().filter(|(_, f)| f.heard);
    numbered
        .map(|(i, _)| AnomalyId::new(&format!("a{i}")).unwrap())
        .collect()
}

fn settings() -> CorrelateSettings {
    CorrelateSettings::new(CorrelateParts::default()).unwrap()
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
            let p = 1.0 / (1.0 + (-oracle(&rest)).exp());
            prop_assert!((weight.probability_without.get() - p).abs() < 1e-6, "{i}: {weight:?} {p}");
            prop_assert_eq!(weight.decides, incident.probability.get() >= 0.6 && p < 0.6);
        }
    }

    /// Against every subset there is.
    #[test]
    fn no_smaller_set_would_do(facts in proptest::collection::vec(fact(), 1..9)) {
        let (facts, incident) = published(facts);
        let weighing = explain(&incident, &heard(&facts), &settings()).weighing.unwrap();
        let under = |gone: u32| {
            let rest: Vec<&Fact> = facts.iter().enumerate().filter(|(i, _)| gone & (1 << i) == 0).map(|(_, f)| f).collect();
            1.0 / (1.0 + (-oracle(&rest)).exp()) < 0.6
        };
        let smallest = (0..1_u32 << facts.len()).filter(|gone| under(*gone)).map(u32::count_ones).min().unwrap();
        match weighing.without {
            Without::Under => prop_assert_eq!(smallest, 0),
            Without::Nothing => prop_assert!(false, "no evidence is always enough at 0.6"),
            Without::These { anomalies, probability, fewest } => {
                let gone = anomalies.iter().fold(0, |set, id| set | 1 << id.as_str()[1..].parse::<u32>().unwrap());
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
    later.scope.services.insert(ServiceName::new("internet").unwrap());
    assert_eq!(heard.of(&later).len(), 0);
    let mut by_word = Heard::default();
    ended.state = IncidentState::Retracted;
    by_word.end(&ended);
    assert_eq!(by_word.of(&ended).len(), 0);
}

use forecall_bridge::{BridgeSettings, LeastSeverity, Memory, Phase, Verdict};
use forecall_types::{
    DomainName, Incident, IncidentChange, IncidentEvent, IncidentKind, IncidentState, PlannedWork, Remark,
    Severity, Silenced, WorkStage,
};

use crate::incidents::{Labels, alertmanager, at, event, incident, life};

fn settings() -> BridgeSettings {
    alertmanager("https://am.example")
}

fn told(memory: &mut Memory, offset: i64, event: &IncidentEvent, settings: &BridgeSettings) -> Option<Phase> {
    match memory.step(offset, event, settings) {
        Verdict::Tell(alert) => Some(alert.phase),
        Verdict::Simulated | Verdict::Canary | Verdict::Filtered | Verdict::Full => None,
    }
}

#[test]
fn labels_stay_the_same_over_a_life_and_annotations_tell_what_changes() {
    let mut memory = Memory::default();
    let mut labels: Vec<Labels> = Vec::new();
    let mut states = Vec::new();
    for (offset, event) in (0..).zip(life("inc_1")) {
        let Verdict::Tell(alert) = memory.step(offset, &event, &settings()) else {
            panic!("not told")
        };
        states.push((
            alert.annotations["state"].clone(),
            alert.annotations["impact"].clone(),
        ));
        labels.push(alert.labels);
    }
    assert!(labels.iter().all(|l| *l == labels[0]), "{labels:?}");
    assert_eq!(labels[0]["severity"], "warning", "of the first telling");
    assert_eq!(labels[0]["region"], "IR-23", "of the first telling");
    let expected = [
        ("predicted", "moderate"),
        ("confirmed", "extreme"),
        ("confirmed", "extreme"),
        ("resolved", "extreme"),
    ];
    assert_eq!(states, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[test]
fn simulations_and_canaries_never_go() {
    let mut memory = Memory::default();
    let simulated = Incident {
        simulated: true,
        ..incident("inc_1")
    };
    let canary = Incident {
        domain: DomainName::new(DomainName::CANARY).unwrap(),
        ..incident("inc_2")
    };
    for (incident, verdict) in [(simulated, Verdict::Simulated), (canary, Verdict::Canary)] {
        let event = event(IncidentChange::Predicted, incident);
        assert_eq!(memory.step(0, &event, &settings()), verdict);
    }
    assert!(memory.is_empty());
}

#[test]
fn what_calls_nobody_is_not_told_until_it_does() {
    let mut memory = Memory::default();
    let base = incident("inc_1");
    let silenced = Incident {
        silenced: Some(Silenced {
            id: "s".parse().unwrap(),
            until: at(60),
            by: "noc".into(),
            reason: Remark::new("the rack is moved").unwrap(),
        }),
        ..base.clone()
    };
    let child = Incident {
        parent: Some("inc_2".parse().unwrap()),
        ..base.clone()
    };
    let work = |stage| Incident {
        kind: IncidentKind::Planned,
        work: Some(PlannedWork {
            stage,
            starts_at: at(0),
            ends_at: at(30),
            label: Remark::new("fibre is spliced").unwrap(),
            by: "core".into(),
        }),
        ..base.clone()
    };
    for quiet in [
        silenced,
        child,
        work(WorkStage::Announced),
        work(WorkStage::Started),
    ] {
        let event = event(IncidentChange::Updated, quiet);
        assert_eq!(memory.step(0, &event, &settings()), Verdict::Filtered);
    }
    let overrun = event(IncidentChange::Overrun, work(WorkStage::Overrun));
    let Verdict::Tell(alert) = memory.step(1, &overrun, &settings()) else {
        panic!("not told")
    };
    assert_eq!(
        alert.annotations["summary"],
        "Planned work of internet in IR-23: takes longer than was announced"
    );
}

#[test]
fn what_was_told_is_told_to_its_end_and_nothing_else_is() {
    let severe = BridgeSettings {
        severity_min: LeastSeverity::Severe,
        ..settings()
    };
    let mut memory = Memory::default();
    let mut life = life("inc_1");
    // It gets mild again before its end.
    life[3].incident.severity = Severity::Minor;
    let phases: Vec<_> = (0..)
        .zip(&life)
        .map(|(offset, event)| told(&mut memory, offset, event, &severe))
        .collect();
    assert_eq!(
        phases,
        [
            None,
            Some(Phase::Open),
            Some(Phase::Acknowledged),
            Some(Phase::Over)
        ]
    );
    let mild = Incident {
        state: IncidentState::Expired,
        ..incident("inc_2")
    };
    let end = event(IncidentChange::Expired, mild);
    assert_eq!(told(&mut memory, 9, &end, &severe), None, "it was never told");
}

#[test]
fn filters_choose() {
    let check = |change: fn(&mut BridgeSettings), expected: bool| {
        let mut settings = settings();
        change(&mut settings);
        let event = event(IncidentChange::Predicted, incident("inc_1"));
        let is_told = told(&mut Memory::default(), 0, &event, &settings).is_some();
        assert_eq!(is_told, expected);
    };
    check(|_| {}, true);
    check(|s| s.predictions = false, false);
    check(|s| s.severity_min = LeastSeverity::Moderate, true);
    check(|s| s.severity_min = LeastSeverity::Severe, false);
    check(|s| s.domains.extend(["isp".parse().unwrap()]), true);
    check(|s| s.domains.extend(["other".parse().unwrap()]), false);
    check(
        |s| {
            s.services
                .extend(["tv".parse().unwrap(), "internet".parse().unwrap()])
        },
        true,
    );
    check(|s| s.services.extend(["tv".parse().unwrap()]), false);
}

#[test]
fn read_again_from_its_mark_the_memory_is_the_same() {
    let settings = settings();
    let mut events = Vec::new();
    for (n, mut life) in (0_u32..).zip([life("inc_1"), life("inc_2"), life("inc_3")]) {
        if n == 1 {
            // The second stays open.
            life.pop();
        }
        events.extend(life);
    }
    for next in 0..=events.len() {
        let mut memory = Memory::default();
        for (offset, event) in (0..).zip(&events).take(next) {
            memory.step(offset, event, &settings);
        }
        let next = i64::try_from(next).unwrap();
        let from = memory.from(next);
        let mut again = Memory::default();
        for (offset, event) in (0..).zip(&events).filter(|(o, _)| (from..next).contains(o)) {
            again.step(offset, event, &settings);
        }
        assert!(memory.open().eq(again.open()), "up to {next}");
        assert_eq!(again.from(next), from);
    }
}

#[test]
fn what_nothing_is_heard_of_is_forgotten() {
    let mut memory = Memory::default();
    let event = event(IncidentChange::Predicted, incident("inc_1"));
    memory.step(0, &event, &settings());
    assert!(memory.forget(at(30 * 24 * 60)).is_empty());
    assert_eq!(memory.forget(at(30 * 24 * 60 + 1)).len(), 1);
    assert!(memory.is_empty());
}

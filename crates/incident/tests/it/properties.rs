use std::collections::BTreeMap;

use forecall_incident::CorrelateStage;
use forecall_stage::Stage;
use forecall_types::invariant::{InvariantId, violations};
use forecall_types::{Incident, IncidentEvent, IncidentId, IncidentState};
use proptest::prelude::*;

use crate::fixture::{Run, settings};
use crate::lives::goes_on;

/// Lines of one random run: anomalies, commands and verdicts over two hours, minute by minute.
fn lines() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec((0_u32..120, 0_u32..17, 0_u32..6, 1_u32..20), 1..60).prop_map(|mut picks| {
        picks.sort();
        let mut known = std::collections::BTreeSet::new();
        let mut lines = Vec::new();
        for (minute, what, which, size) in picks {
            let time = format!("{:02}:{:02}", minute / 60, minute % 60);
            let service = ["internet", "tv", "access"][which as usize % 3];
            let region = ["IR-10", "IR-23"][which as usize % 2];
            let metric = ["loss", "cpu", "http.duration"][which as usize % 3];
            let incident = which / 2 + 1;
            lines.push(match what {
                0..=4 if known.insert(which) => {
                    format!("{time} open a{which} {service}/{region} {metric}={size} expected=1 score={size} slope=0.01{}", if size % 5 == 0 { " silent" } else { "" })
                }
                0..=4 => format!("{time} move a{which} {metric}={} score={size}", size * 20),
                5 if known.contains(&which) => format!("{time} close a{which}"),
                5 | 6 => format!("{time} declare {service}+internet/{region}").replace("access+", ""),
                7 => format!("{time} ack ${incident}"),
                8 => format!("{time} retract ${incident}"),
                9 => format!("{time} close! ${incident}"),
                10 => {
                    let words = ["false_alarm", "expected", "new_normal", "right", "withdrawn"];
                    let onset = if size % 3 == 0 { "onset=00:01 " } else { "" };
                    format!("{time} verdict {} {onset}${incident}", words[size as usize % 5])
                }
                11 => format!("{time} step team_on_site ${incident}"),
                12 => format!("{time} review PRB-1 ${incident}"),
                13 => format!("{time} eta 05:00 ${incident}"),
                14 | 15 => {
                    let at = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
                    let (from, until) = (at(minute + size / 2), at(minute + size * 2));
                    format!("{time} plan internet+tv/{region} from={from} until={until}")
                }
                _ => format!("{time} silence until=02:{:02} regions={region} id=s{minute}-{which}", size * 2),
            });
        }
        lines
    })
}

/// As a restart brings it back.
fn reloaded(stage: &CorrelateStage) -> CorrelateStage {
    CorrelateStage::load(settings(), &stage.save().unwrap()).unwrap()
}

/// As it goes on where its topic has got more partitions.
fn divided(stage: &CorrelateStage) -> CorrelateStage {
    let parts = [CorrelateStage::new(settings()), reloaded(stage)];
    let mut stages = CorrelateStage::divide(&settings(), &parts, 3, |_| 2).unwrap();
    assert_eq!((stages[0].domains(), stages[1].domains()), (0, 0));
    stages.pop().unwrap()
}

type Cut = (usize, fn(&CorrelateStage) -> CorrelateStage);

fn run(lines: &[String], cut: Option<Cut>) -> (Vec<IncidentEvent>, Vec<u8>) {
    let mut run = Run::new();
    run.line("ticks");
    run.line("00:00");
    for (i, line) in lines.iter().enumerate() {
        if let Some((_, how)) = cut.filter(|(at, _)| *at == i) {
            run.stage = how(&run.stage);
        }
        run.line(line);
    }
    run.line("04:00");
    let bytes = run.stage.save().unwrap();
    (run.events, bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_run_cut_in_two_is_the_whole_run(lines in lines(), cut in 0_usize..60) {
        prop_assert_eq!(run(&lines, None), run(&lines, Some((cut, reloaded))));
    }

    #[test]
    fn divided_and_gone_on_is_as_never_grown(lines in lines(), cut in 0_usize..60) {
        prop_assert_eq!(run(&lines, None), run(&lines, Some((cut, divided))));
    }

    #[test]
    fn lives_are_legal_and_scopes_have_one_owner(lines in lines()) {
        let (events, _) = run(&lines, None);
        let mut last: BTreeMap<IncidentId, Incident> = BTreeMap::new();
        let mut open: BTreeMap<(String, String), IncidentId> = BTreeMap::new();
        for event in events {
            let before = last.insert(event.incident.id.clone(), event.incident.clone());
            goes_on(before.as_ref(), &event).map_err(TestCaseError::fail)?;
            let i = event.incident;
            prop_assert!(!i.scope.services.is_empty() && !i.scope.regions.is_empty());
            if !i.contributions.is_empty() {
                let (p, sum) = (i.probability.get(), i.contributions.iter().map(|c| c.value).sum::<f64>());
                prop_assert!((libm::log(p) - libm::log(1.0 - p) - sum).abs() < 1e-9, "{p}: {:?}", i.contributions);
            }
            prop_assert!(i.state != IncidentState::Predicted || i.work.is_some() || !i.contributions.is_empty());
            let weights: f64 = i.evidence.iter().map(|e| e.weight).sum();
            prop_assert!(weights < 1.0 + 1e-9 && i.evidence.iter().all(|e| e.weight >= 0.0));
            // Work holds what nobody else has of its scope, which its events don't tell.
            for region in i.scope.regions.iter().filter(|_| i.work.is_none()) {
                for service in &i.scope.services {
                    let key = (region.to_string(), service.to_string());
                    if !i.state.is_open() {
                        if open.get(&key) == Some(&i.id) { open.remove(&key); }
                    } else {
                        let owner = open.entry(key).or_insert_with(|| i.id.clone());
                        prop_assert_eq!(&*owner, &i.id, "two open incidents for one scope");
                    }
                }
            }
        }
        prop_assert_eq!(violations(InvariantId::C1), 0);
    }

    #[test]
    fn what_comes_twice_changes_nothing(
        lines in lines(),
        doubled in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..30), 0..30),
    ) {
        let mut once = Run::new();
        once.line("ticks");
        once.line("00:00");
        lines.iter().for_each(|line| once.line(line));
        once.line("04:00");
        let mut entries: Vec<_> = once.entries.iter().cloned().enumerate().collect();
        for (which, behind) in doubled {
            let i = which.index(once.entries.len());
            entries.push((i + behind, once.entries[i].clone()));
        }
        entries.sort_by_key(|(place, _)| *place);
        let mut twice = Run::new();
        entries.into_iter().for_each(|(_, entry)| twice.step(entry));
        // The log is longer by the doubles, so commands stand elsewhere in it.
        let bare = |events: Vec<IncidentEvent>| -> Vec<IncidentEvent> {
            events.into_iter().map(|mut event| {
                event.incident.lineage = Default::default();
                event
            }).collect()
        };
        prop_assert_eq!(bare(once.events), bare(twice.events));
    }

    #[test]
    fn what_comes_shuffled_within_the_watermark_gives_the_same_events(
        (lines, order) in lines().prop_flat_map(|lines| {
            let anomalies: Vec<String> =
                lines.into_iter().filter(|l| l.contains(" open ") || l.contains("declare")).collect();
            let order = Just((0..anomalies.len()).collect::<Vec<usize>>()).prop_shuffle();
            (Just(anomalies), order)
        })
    ) {
        let go = |order: Vec<usize>| {
            let mut run = Run::new();
            run.line("00:00 beat 0 00:00");
            for i in order {
                // A fixed id: else the fixture would number commands by their place.
                let line = &lines[i];
                run.line(&if line.contains("declare") { format!("{line} id=c{i}") } else { line.clone() });
            }
            run.line("04:00 beat 0 04:00");
            let mut events = run.events;
            // The fixture counts the records of the log as their sources'; the order is what differs.
            for event in &mut events { event.incident.lineage = Default::default(); }
            events
        };
        prop_assert_eq!(go((0..lines.len()).collect()), go(order));
    }
}

#[test]
fn a_domain_with_two_memories_is_refused() {
    let mut run = Run::new();
    run.line("ticks");
    run.line("00:00");
    run.line("00:01 open a1 internet/IR-10 loss=9 expected=1 score=9 slope=0.01");
    let twice = [run.stage.clone(), run.stage.clone()];
    let refused = CorrelateStage::divide(&settings(), &twice, 2, |_| 0).unwrap_err();
    assert!(!refused.as_str().is_empty());
}

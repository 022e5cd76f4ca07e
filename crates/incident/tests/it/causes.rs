//! What an incident says of its cause.

use forecall_types::Incident;

use crate::fixture::Run;

fn causes_after(lines: &[&str]) -> (Vec<(String, String, f64)>, String) {
    let mut run = Run::new();
    for line in lines {
        run.line(line);
    }
    let last = &run.events.last().unwrap().incident;
    let told = last.causes.iter().map(|cause| {
        let path: Vec<&str> = cause.path.iter().map(AsRef::as_ref).collect();
        (cause.node.to_string(), path.join(" > "), cause.share)
    });
    (told.collect(), last.reason.clone())
}

/// A dependency is slow, and the service that waits for it is as slow.
const DEPENDENCY: [&str; 6] = [
    "ticks",
    "00:01 open a1 access/IR-10 rpc.duration=400 expected=40 score=9",
    "00:01 open a2 internet/IR-10 http.duration=430 expected=70 score=9",
    "00:02 move a1 rpc.duration=410",
    "00:02 move a2 http.duration=440",
    "00:12 tick",
];

#[test]
fn a_slow_dependency_is_named_with_the_way_to_the_symptom() {
    let (causes, reason) = causes_after(&DEPENDENCY);
    let (node, path, share) = causes.first().expect("a cause");
    assert_eq!((node.as_str(), path.as_str()), ("access", "access > internet"));
    // `tv` calls it too, so that half of what it holds up counts as held up there.
    assert!(*share > 0.6 && *share <= 1.0, "{share}");
    assert!(reason.contains("cause likely access ("), "{reason}");
}

#[test]
fn the_service_itself_is_no_news() {
    let (causes, reason) = causes_after(&[
        "ticks",
        "00:01 open a2 internet/IR-10 http.duration=430 expected=70 score=9",
        "00:02 move a2 http.duration=440",
        "00:12 tick",
    ]);
    assert_eq!(causes.first().map(|c| c.0.as_str()), Some("internet"));
    assert!(!reason.contains("cause likely"), "{reason}");
}

#[test]
fn causes_stand_when_their_evidence_has_gone() {
    let mut lines = DEPENDENCY.to_vec();
    lines.extend(["00:13 close a1", "00:13 close a2", "01:20 tick"]);
    let (causes, _) = causes_after(&lines);
    assert_eq!(causes.first().map(|c| c.0.as_str()), Some("access"));
}

/// Scopes that join one another in the step in which they begin: the probability is that of what they are together.
#[test]
fn what_begins_together_is_as_likely_as_all_its_evidence_says() {
    let mut run = Run::new();
    for line in [
        "ticks",
        "00:06 open a4 tv/IR-10 cpu=11 expected=1 score=11 slope=0.01",
        "00:10 open a0 internet/IR-10 loss=1 expected=1 score=1 slope=0.01",
        "00:14 open a2 access/IR-10 http.duration=1 expected=1 score=1 slope=0.01",
        "04:00 tick",
    ] {
        run.line(line);
    }
    for event in &run.events {
        let i = &event.incident;
        let sum: f64 = i.contributions.iter().map(|c| c.value).sum();
        let told = i.probability.get();
        let is_sum = (told - 1.0 / (1.0 + libm::exp(-sum))).abs() < 1e-9;
        assert!(
            i.contributions.is_empty() || is_sum,
            "{told}, {sum}: {}",
            run.story()
        );
    }
    assert!(!run.events.is_empty());
}

/// Four of the forty hosts of `internet` have the new version; they fail, nobody else does.
#[test]
fn what_those_that_are_hit_have_in_common_is_named() {
    let mut run = Run::new();
    for line in [
        "ticks",
        "00:01 open a1 internet/IR-10 http.errors=400 expected=40 score=9 version=2.1:4/40",
        "00:01 open a2 internet/IR-10 http.errors=430 expected=40 score=9 version=2.1:4/40",
        "00:01 open a3 internet/IR-10 http.errors=410 expected=40 score=9 version=2.1:4/40",
        "00:01 open a4 internet/IR-10 http.errors=420 expected=40 score=9 version=2.1:4/40",
        "00:02 move a1 http.errors=410",
        "00:02 move a2 http.errors=410",
        "00:12 tick",
        // Those that are well again were hit, too.
        "00:13 close a3",
        "00:14 close a4",
        "00:30 tick",
    ] {
        run.line(line);
    }
    let last = &run.events.last().unwrap().incident;
    let told: Vec<String> = last
        .dimensions
        .iter()
        .map(|d| {
            format!(
                "{} {:?} {}/{} {}/{}",
                d.label, d.values, d.abnormal_with, d.abnormal, d.series_with, d.series
            )
        })
        .collect();
    assert_eq!(told, [r#"version ["2.1"] 4/4 4/40"#], "{}", run.story());
    assert!(
        last.reason
            .contains("hit is version=2.1 (4 of 4, of the 36 others 0)"),
        "{}",
        last.reason
    );
}

/// Who answers for the incident after these lines, revision by revision.
fn answers(lines: &[&str]) -> Vec<String> {
    let mut run = Run::new();
    for line in lines {
        run.line(line);
    }
    let of_internet = |i: &Incident| i.scope.services.iter().any(|s| s.as_str() == "internet");
    let events = run.events.iter().filter(|e| of_internet(&e.incident));
    let told = events.map(|e| {
        let i = &e.incident;
        format!("{} {}", e.change.as_str(), i.responsibility.as_str())
    });
    let mut told: Vec<String> = told.collect();
    told.dedup();
    told
}

#[test]
fn who_answers_for_the_cause_is_told_once_it_is_confirmed() {
    assert_eq!(
        answers(&DEPENDENCY),
        ["predicted unknown", "confirmed supplier", "updated supplier"]
    );
}

#[test]
fn a_persons_word_on_who_answers_stands_also_when_it_comes_back() {
    let mut lines = DEPENDENCY.to_vec();
    lines.insert(5, "00:06 attribute own");
    lines.extend([
        "00:13 close a1",
        "00:13 close a2",
        "00:30 open a3 access/IR-10 rpc.duration=400 expected=40 score=9",
        "00:30 open a4 internet/IR-10 http.duration=430 expected=70 score=9",
        "00:40 tick",
    ]);
    let told = answers(&lines);
    assert!(told.contains(&"confirmed own".to_owned()), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("updated own"), "{told:?}");
}

#[test]
fn what_the_topology_says_is_said_again_when_it_is_confirmed_again() {
    let mut lines = DEPENDENCY.to_vec();
    lines.extend([
        "00:13 close a1",
        "00:13 close a2",
        "00:30 open a3 internet/IR-10 loss=2.5 expected=0.2 score=9 slope=0.003",
        "00:33 tick",
    ]);
    let told = answers(&lines);
    assert_eq!(
        told.last().map(String::as_str),
        Some("reopened unknown"),
        "{told:?}"
    );
}

//! What is known of services beside the settings: said on a topic, seen in traces, learned from troubles.

use std::sync::Arc;

use forecall_incident::{
    CorrelateParts, CorrelateSettings, CorrelateStage, IncidentTunables, ObjectiveEntry,
};
use forecall_stage::Stage as _;
use forecall_types::{IncidentChange, TRACED_KEPT};

use crate::fixture::{Run, settings_with};

/// No service is declared: any name is taken as it stands.
fn undeclared() -> Arc<CorrelateSettings> {
    let settings = CorrelateSettings::new(CorrelateParts {
        objectives: vec![ObjectiveEntry {
            metric: "*.duration".into(),
            above: Some(200.0),
            below: None,
            for_seconds: 60,
            outage: None,
        }],
        ..CorrelateParts::default()
    });
    Arc::new(settings.unwrap())
}

/// A slow database, and all that wait for it.
const SLOW: [&str; 8] = [
    "00:10 open a1 db/IR-10 db.duration=400 expected=40 score=9",
    "00:10 open a2 cart/IR-10 rpc.duration=440 expected=70 score=9",
    "00:10 open a3 web/IR-10 http.duration=450 expected=90 score=9",
    "00:11 move a1 db.duration=410",
    "00:11 move a2 rpc.duration=445",
    "00:11 move a3 http.duration=460",
    "00:20 move a3 http.duration=460",
    "00:21 tick",
];

fn run(settings: Arc<CorrelateSettings>, before: &[&str], then: &[&str]) -> Run {
    let mut run = Run::under(settings);
    run.line("ticks");
    for line in before.iter().chain(then) {
        run.line(line);
    }
    run
}

/// The services of each incident that was opened, by their names in order.
fn opened(run: &Run) -> Vec<String> {
    let mut newest = std::collections::BTreeMap::new();
    for event in &run.events {
        newest.insert(event.incident.id.clone(), &event.incident);
    }
    let names = newest.values().map(|incident| {
        let names: Vec<&str> = incident.scope.services.iter().map(|s| s.as_str()).collect();
        names.join("+")
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_fault_is_one_incident_once_it_is_known_who_needs_whom() {
    let alone = run(undeclared(), &[], &SLOW);
    assert_eq!(opened(&alone), ["cart", "db", "web"], "nothing is known");
    for said in [
        ["00:01 service web needs=cart", "00:01 service cart needs=db"],
        [
            "00:01 service web needs=cart traced",
            "00:01 service cart needs=db traced",
        ],
    ] {
        let known = run(undeclared(), &said, &SLOW);
        assert_eq!(opened(&known), ["web"], "what customers use is what nobody needs");
        let causes = &known.events.last().unwrap().incident.causes;
        let first = causes.first().expect("a cause");
        let path: Vec<&str> = first.path.iter().map(AsRef::as_ref).collect();
        assert_eq!(
            (&*first.node, path.join(" > ")),
            ("db", "db > cart > web".to_owned())
        );
    }
}

#[test]
fn what_customers_use_can_be_said_and_what_is_gone_needs_nothing() {
    let said = [
        "00:01 service web needs=cart",
        "00:01 service cart needs=db facing=yes",
    ];
    let known = run(undeclared(), &said, &SLOW);
    assert_eq!(opened(&known), ["cart+web"], "one fault, both are touched");
    let gone = [
        "00:01 service web needs=cart",
        "00:01 service cart needs=db",
        "00:02 service cart removed",
    ];
    assert_eq!(opened(&run(undeclared(), &gone, &SLOW)), ["db", "web"]);
    let circle = ["00:01 service web needs=cart", "00:01 service cart needs=web"];
    assert_eq!(
        opened(&run(undeclared(), &circle, &SLOW)),
        ["cart", "db", "web"],
        "where each needs the other, each may be what customers use"
    );
}

#[test]
fn declared_services_stay_as_they_are_declared_and_the_unknown_reach_them_by_what_needs_them() {
    let declared = || settings_with(IncidentTunables::default());
    let radius = [
        "00:10 open a1 radius/IR-10 rpc.duration=400 expected=40 score=15",
        "00:12 move a1 rpc.duration=410",
        "00:25 tick",
    ];
    let alone = run(declared(), &[], &radius);
    assert!(opened(&alone).is_empty());
    let known = run(declared(), &["00:01 service access needs=radius traced"], &radius);
    assert_eq!(
        opened(&known),
        ["internet+tv"],
        "by way of access, as the settings have it"
    );
    let unneeded = run(declared(), &["00:01 service radius needs=access traced"], &radius);
    assert!(
        opened(&unneeded).is_empty(),
        "traces make nobody a service of customers"
    );
    let renamed = run(declared(), &["00:01 service tv needs=radius facing=no"], &radius);
    assert_eq!(
        opened(&renamed),
        ["tv"],
        "that customers use it stands in the settings"
    );
}

#[test]
fn traces_are_forgotten_and_what_is_declared_is_not() {
    let late = TRACED_KEPT.as_secs() / 3_600 + 2;
    let slow: Vec<String> = SLOW
        .iter()
        .map(|line| format!("{late}:{}", line.split_once(':').unwrap().1))
        .collect();
    let slow: Vec<&str> = slow.iter().map(String::as_str).collect();
    let of = |kind: &str| {
        let said = [
            format!("00:01 service web needs=cart {kind}"),
            format!("00:01 service cart needs=db {kind}"),
        ];
        // Something is judged in between, or nothing would be forgotten.
        let mut run = Run::under(undeclared());
        for line in said {
            run.line(&line);
        }
        run.line(&format!("{}:50 tick", late - 1));
        run.line(&format!(
            "{}:51 open b1 other/IR-10 x.duration=1 score=4",
            late - 1
        ));
        run.line(&format!("{}:55 tick", late - 1));
        run.line("ticks");
        for line in &slow {
            run.line(line);
        }
        opened(&run)
    };
    assert_eq!(of(""), ["web"]);
    assert_eq!(of("traced"), ["cart", "db", "web"]);
}

#[test]
fn a_stage_that_is_loaded_knows_what_was_said() {
    let mut first = run(
        undeclared(),
        &["00:01 service web needs=cart", "00:01 service cart needs=db"],
        &["00:05 tick"],
    );
    first.stage = CorrelateStage::load(undeclared(), &first.stage.save().unwrap()).unwrap();
    for line in SLOW {
        first.line(line);
    }
    assert_eq!(opened(&first), ["web"]);
}

#[test]
fn what_cannot_be_said_is_refused() {
    let mut run = Run::under(undeclared());
    run.line("00:05 service web needs=cart");
    run.line("00:04 service web needs=db traced");
    assert_eq!(run.story(), "", "another origin speaks for itself");
    run.line("00:04 service web needs=db");
    assert_eq!(
        run.story().trim(),
        "refused late: service web: something newer was said of it by the same origin"
    );
}

/// `days` troubles of two services that nothing connects, the second some minutes after the first.
fn troubles(days: u32, learn: bool) -> Run {
    let mut run = Run::under(settings_with(IncidentTunables {
        learn,
        ..IncidentTunables::default()
    }));
    run.line("00:00 tick");
    for day in 0..days {
        let hour = 24 * day + 9;
        for line in [
            format!("{hour}:00 tick"),
            format!("{hour}:01 open i{day} internet/IR-10 http.duration=400 expected=70 score=9"),
            format!("{hour}:04 open t{day} tv/IR-10 rpc.duration=400 expected=70 score=9"),
            format!("{hour}:05 tick"),
            format!("{hour}:08 tick"),
            format!("{hour}:10 close i{day}"),
            format!("{hour}:10 close t{day}"),
            format!("{hour}:11 tick"),
            format!("{}:00 tick", hour + 2),
        ] {
            run.line(&line);
        }
    }
    run
}

#[test]
fn what_always_falls_together_becomes_one_incident() {
    let begun = |run: &Run| {
        let events = run.events.iter();
        let begun =
            events.filter(|e| matches!(e.change, IncidentChange::Predicted | IncidentChange::Confirmed));
        let mut ids: Vec<_> = begun.map(|e| e.incident.id.clone()).collect();
        ids.dedup();
        ids.len()
    };
    let run = troubles(6, true);
    // The first three are two each; the fourth time is no chance any more.
    assert_eq!(begun(&run), 6 + 3);
    let told = run.events.iter().any(|e| {
        e.incident
            .reason
            .contains("it came with internet in 5 of 5 troubles")
    });
    assert!(told);
    assert_eq!(
        begun(&troubles(6, false)),
        12,
        "nothing is done with it where nothing is to be learned"
    );
}

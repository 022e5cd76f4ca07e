//! What hold-outs found is what the call forecasts think of notices from then on.

use std::sync::Arc;

use forecall_outreach::{
    HoldOutDelay, HoldOutSettings, HoldOutShare, LastDay, OutreachOutput, OutreachSettings, OutreachStage,
};
use forecall_stage::Stage;
use forecall_types::*;

use crate::world::*;

const PEOPLE: usize = 4_000;

fn with_hold_out() -> Arc<OutreachSettings> {
    settings(|s| {
        s.approval.reach_above = u64::MAX;
        s.hold_out = Some(HoldOutSettings {
            owner: Arc::from("customer-care"),
            purpose: Arc::from("does telling spare calls"),
            until: LastDay::try_from("2026-12-31".to_owned()).unwrap(),
            share: HoldOutShare::try_from(0.1).unwrap(),
            delay_minutes: HoldOutDelay::default(),
            never: Vec::new(),
        });
    })
}

fn call(run: &mut Run, n: i64, who: &str) {
    run.feed(OutreachEntry::Call(CallRecord {
        id: Arc::from(format!("call-{n}-{who}")),
        domain: domain(),
        queue: QueueName::new("support").unwrap(),
        customer: Some(CustomerId::new(who).unwrap()),
        region: None,
        arrived_at: minute(n),
        at: minute(n),
        wait: None,
        handle: None,
        outcome: CallOutcome::Answered,
    }));
}

fn forecasts(run: &Run) -> impl Iterator<Item = &CallForecast> {
    run.outputs.iter().filter_map(|output| match output {
        OutreachOutput::Forecast(forecast) => Some(forecast.as_ref()),
        _ => None,
    })
}

fn newest(run: &Run) -> &CallForecast {
    forecasts(run)
        .max_by_key(|forecast| (forecast.made_at, forecast.from))
        .expect("a forecast")
}

/// A hold-out in which so many of those held out, and of those told, call.
fn after(held_out_contacts: usize, told_contacts: usize) -> Run {
    let mut run = Run::new(with_hold_out());
    let people: Vec<Customer> = (0..PEOPLE)
        .map(|i| customer(&format!("{i:05}"), &[ContactChannel::Sms]))
        .collect();
    run.customers(&people);
    let now = incident(IncidentState::Confirmed, 1, minute(0));
    run.event(IncidentChange::Confirmed, &now);
    let told: Vec<String> = run
        .intents
        .iter()
        .map(|i| i.customer.as_str().to_owned())
        .collect();
    let all = (0..PEOPLE).map(|i| format!("cus_{i:05}"));
    let held: Vec<String> = all.filter(|who| !told.contains(who)).collect();
    for who in held
        .iter()
        .take(held_out_contacts)
        .chain(told.iter().take(told_contacts))
    {
        call(&mut run, 12, who);
    }
    run.tick(29);
    assert!(
        forecasts(&run).all(|forecast| !forecast.effect_measured),
        "it isn't over"
    );
    for n in [30, 40, 65] {
        run.tick(n);
    }
    let found = run
        .notices
        .values()
        .find_map(|n| n.hold_out.clone())
        .expect("what came of it");
    assert_eq!(found.held_out_contacts, u64::try_from(held_out_contacts).unwrap());
    run
}

#[test]
fn a_hold_out_that_is_over_is_heard_by_the_forecasts_and_kept() {
    let mut run = after(70, 250);
    assert!(newest(&run).effect_measured);
    let bytes = run.stage.save().unwrap();
    run.stage = OutreachStage::load(with_hold_out(), &bytes).unwrap();
    run.outputs.clear();
    run.tick(95);
    assert!(newest(&run).effect_measured, "a snapshot keeps it");
}

#[test]
fn one_with_few_contacts_measures_nothing() {
    assert!(!newest(&after(49, 200)).effect_measured);
}

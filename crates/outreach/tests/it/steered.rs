//! What customers hear of planned work and of incidents that become one.

use expect_test::expect;
use forecall_types::{
    ContactChannel, Customer, Incident, IncidentChange, IncidentId, IncidentKind, IncidentState, IntentState,
    PlannedWork, Purpose, RegionCode, Remark, Responsibility, WorkStage,
};

use crate::world::{Run, customer, incident, minute, settings};

const SMS: ContactChannel = ContactChannel::Sms;

fn planned(stage: WorkStage, state: IncidentState, revision: u32, at: i64) -> Incident {
    Incident {
        kind: IncidentKind::Planned,
        work: Some(PlannedWork {
            stage,
            starts_at: minute(30),
            ends_at: minute(90),
            label: Remark::new("fibre is spliced").unwrap(),
            by: "core".into(),
        }),
        onset_observed: None,
        onset_predicted: Some(minute(30)),
        eta: Some(minute(90)),
        responsibility: Responsibility::Planned,
        ..incident(state, revision, minute(at))
    }
}

fn people(names: &[&str]) -> Run {
    let mut run = Run::new(settings(|_| {}));
    let all: Vec<Customer> = names
        .iter()
        .map(|name| Customer {
            consents: [Purpose::ServiceNotice, Purpose::PlannedWork].into(),
            ..customer(name, &[SMS])
        })
        .collect();
    run.customers(&all);
    run
}

#[test]
fn planned_work_is_told_ahead_and_when_it_is_over() {
    let mut run = people(&["ali"]);
    run.event(
        IncidentChange::Announced,
        &planned(WorkStage::Announced, IncidentState::Predicted, 1, 0),
    );
    run.receipts(1, IntentState::Delivered, |_| true);
    run.event(
        IncidentChange::Started,
        &planned(WorkStage::Started, IncidentState::Confirmed, 2, 30),
    );
    for at in [40, 91, 100] {
        run.tick(at);
    }
    run.event(
        IncidentChange::Overrun,
        &planned(WorkStage::Overrun, IncidentState::Confirmed, 3, 101),
    );
    run.tick(140);
    let over = Incident {
        resolved_at: Some(minute(150)),
        ..planned(WorkStage::Ended, IncidentState::Resolved, 4, 150)
    };
    run.event(IncidentChange::Ended, &over);
    expect![[r#"
        +0 min: announced
          predicted r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: کار فنی؛ اینترنت تهران از ۱۴:۳۰ مختل می‌شود.
            -> cus_ali sms
        +1 min: delivered
        +30 min: started
          predicted r2 delivered: audience 1 delivered=1 (later news has overtaken it)
        +40 min: tick
        +91 min: tick
        +100 min: tick
        +101 min: overrun
        +140 min: tick
        +150 min: ended
          resolved r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: اینترنت تهران وصل شد. از شکیبایی شما سپاسگزاریم.
            -> cus_ali sms
    "#]]
    .assert_eq(&run.log);
}

#[test]
fn cancelled_work_is_taken_back_from_those_who_heard_of_it() {
    let mut run = people(&["ali"]);
    run.event(
        IncidentChange::Announced,
        &planned(WorkStage::Announced, IncidentState::Predicted, 1, 0),
    );
    run.receipts(1, IntentState::Delivered, |_| true);
    run.event(
        IncidentChange::Cancelled,
        &planned(WorkStage::Cancelled, IncidentState::Retracted, 2, 10),
    );
    expect![[r#"
        +0 min: announced
          predicted r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: کار فنی؛ اینترنت تهران از ۱۴:۳۰ مختل می‌شود.
            -> cus_ali sms
        +1 min: delivered
        +10 min: cancelled
          predicted r2 delivered: audience 1 delivered=1 (later news has overtaken it)
          all_clear r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: اختلالی که برای تهران هشدار داده بودیم پیش نیامد. سپاس.
            -> cus_ali sms
    "#]]
    .assert_eq(&run.log);
}

#[test]
fn nobody_hears_of_a_merged_incident_as_new_again() {
    let mut run = people(&["ali"]);
    let north = Customer {
        region: RegionCode::new("IR-10").unwrap(),
        ..customer("mina", &[SMS])
    };
    run.customers(&[north]);
    let one = incident(IncidentState::Confirmed, 1, minute(30));
    let mut two = Incident {
        id: IncidentId::new("inc_2").unwrap(),
        ..one.clone()
    };
    two.scope.regions = [RegionCode::new("IR-10").unwrap()].into();
    run.event(IncidentChange::Confirmed, &one);
    run.event(IncidentChange::Confirmed, &two);
    run.receipts(31, IntentState::Delivered, |_| true);
    let merged = Incident {
        state: IncidentState::Merged,
        merged_into: Some(one.id.clone()),
        revision: 2,
        at: minute(40),
        ..two
    };
    run.event(IncidentChange::Merged, &merged);
    let mut both = Incident {
        revision: 2,
        at: minute(40),
        ..one
    };
    both.scope.regions.insert(RegionCode::new("IR-10").unwrap());
    run.event(IncidentChange::Updated, &both);
    let over = Incident {
        state: IncidentState::Resolved,
        resolved_at: Some(minute(60)),
        revision: 3,
        at: minute(60),
        ..both
    };
    run.event(IncidentChange::Resolved, &over);
    expect![[r#"
        +30 min: confirmed
          confirmed r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۳۰.
            -> cus_ali sms
        +30 min: confirmed
          confirmed r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: اینترنت منطقه شما مختل است. خبر بعدی تا ۱۵:۳۰.
            -> cus_mina sms
        +31 min: delivered
        +40 min: merged
          confirmed r2 delivered: audience 1 delivered=1 (later news has overtaken it)
        +40 min: updated
        +60 min: resolved
          confirmed r2 delivered: audience 1 delivered=1 (later news has overtaken it)
          resolved r1 sending: audience 2 planned=2 (2 messages planned)
            فراتل: اینترنت منطقه شما وصل شد. از شکیبایی شما سپاسگزاریم.
            -> cus_ali sms
            -> cus_mina sms
    "#]]
    .assert_eq(&run.log);
}

#[test]
fn each_hears_of_the_end_of_their_part_of_a_split_incident_and_nobody_of_it_as_new() {
    let mut run = people(&["ali"]);
    let north = Customer {
        region: RegionCode::new("IR-10").unwrap(),
        ..customer("mina", &[SMS])
    };
    run.customers(&[north]);
    let mut whole = incident(IncidentState::Confirmed, 1, minute(30));
    whole.scope.regions.insert(RegionCode::new("IR-10").unwrap());
    run.event(IncidentChange::Confirmed, &whole);
    run.receipts(31, IntentState::Delivered, |_| true);
    let mut part = Incident {
        id: IncidentId::new("inc_2").unwrap(),
        split_from: Some(whole.id.clone()),
        at: minute(40),
        ..whole.clone()
    };
    part.scope.regions = [RegionCode::new("IR-10").unwrap()].into();
    run.event(IncidentChange::Split, &part);
    let mut rest = Incident {
        revision: 2,
        at: minute(40),
        ..whole
    };
    rest.scope.regions.remove(&RegionCode::new("IR-10").unwrap());
    run.event(IncidentChange::Updated, &rest);
    for (over, at) in [(rest, 50), (part, 60)] {
        let over = Incident {
            state: IncidentState::Resolved,
            resolved_at: Some(minute(at)),
            revision: 3,
            at: minute(at),
            ..over
        };
        run.event(IncidentChange::Resolved, &over);
    }
    expect![[r#"
        +30 min: confirmed
          confirmed r1 sending: audience 2 planned=2 (2 messages planned)
            فراتل: اینترنت منطقه شما مختل است. خبر بعدی تا ۱۵:۳۰.
            -> cus_ali sms
            -> cus_mina sms
        +31 min: delivered
        +40 min: split
        +40 min: updated
        +50 min: resolved
          confirmed r2 delivered: audience 2 delivered=2 (later news has overtaken it)
          resolved r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: اینترنت تهران وصل شد. از شکیبایی شما سپاسگزاریم.
            -> cus_ali sms
        +60 min: resolved
          resolved r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: اینترنت منطقه شما وصل شد. از شکیبایی شما سپاسگزاریم.
            -> cus_mina sms
    "#]]
    .assert_eq(&run.log);
}

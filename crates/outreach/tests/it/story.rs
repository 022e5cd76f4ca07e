use std::collections::BTreeSet;
use std::sync::Arc;

use expect_test::{Expect, expect};
use forecall_outreach::{OutreachInput, OutreachSettings, OutreachStage, QuietRule};
use forecall_stage::{Effects, Stage};
use forecall_types::*;
use proptest::prelude::*;

use crate::world::*;

const SMS: ContactChannel = ContactChannel::Sms;
const EMAIL: ContactChannel = ContactChannel::Email;

fn check(run: &Run, expect: &Expect) {
    expect.assert_eq(&run.log);
}

fn with_people(change: impl FnOnce(&mut OutreachSettings)) -> Run {
    let mut run = Run::new(settings(change));
    run.customers(&[
        customer("ali", &[SMS, EMAIL]),
        // E-mail needs the access that has failed.
        customer("bahar", &[EMAIL]),
        customer("dara", &[]),
        Customer {
            consents: BTreeSet::new(),
            ..customer("laleh", &[SMS])
        },
        Customer {
            region: RegionCode::new("IR-10").unwrap(),
            ..customer("mina", &[SMS])
        },
        Customer {
            services: BTreeSet::new(),
            ..customer("omid", &[SMS])
        },
    ]);
    run
}

/// The whole life of an incident.
fn whole_story() -> Run {
    let mut run = with_people(|_| {});
    run.event(
        IncidentChange::Predicted,
        &incident(IncidentState::Predicted, 1, minute(0)),
    );
    run.receipts(1, IntentState::Accepted, |_| true);
    run.tick(1);
    let mut now = incident(IncidentState::Confirmed, 2, minute(31));
    run.event(IncidentChange::Confirmed, &now);
    run.receipts(32, IntentState::Accepted, |i| i.at == minute(31));
    run.tick(32);
    now.revision = 3;
    now.at = minute(40);
    now.acknowledged = Some(Acknowledgement {
        at: minute(40),
        by: Arc::from("noc"),
    });
    now.eta = Some(minute(120));
    run.event(IncidentChange::Updated, &now);
    run.customers(&[customer("nima", &[SMS])]);
    now.revision = 4;
    now.at = minute(45);
    run.event(IncidentChange::Updated, &now);
    run.receipts(46, IntentState::Delivered, |_| true);
    run.tick(94);
    run.tick(95);
    run.receipts(96, IntentState::Delivered, |i| i.at == minute(95));
    run.tick(120);
    run.receipts(121, IntentState::Delivered, |i| i.at == minute(120));
    now.revision = 5;
    now.at = minute(130);
    now.steps = vec![RepairStep {
        at: minute(130),
        code: Arc::from("team_on_site"),
    }];
    run.event(IncidentChange::Updated, &now);
    run.receipts(131, IntentState::Delivered, |i| i.at == minute(130));
    let over = Incident {
        revision: 6,
        ..incident(IncidentState::Resolved, 6, minute(140))
    };
    run.event(IncidentChange::Resolved, &over);
    run.tick(141);
    run
}

#[test]
fn the_whole_story() {
    check(
        &whole_story(),
        &expect![[r#"
            +0 min: predicted
              predicted r1 sending: audience 4 planned=2 | no_consent=1 no_channel=1 (2 messages planned)
                فراتل: احتمال کندی اینترنت تهران از ۱۴:۳۰. خبر بعدی تا ۱۴:۳۰.
                -> cus_ali sms
                -> cus_bahar email
            +1 min: accepted
            +1 min: tick
              predicted r2 sent: audience 4 accepted=2 | no_consent=1 no_channel=1 (receipts came in)
            +31 min: confirmed
              confirmed r1 sending: audience 4 planned=1 | unreachable=1 no_consent=1 no_channel=1 (1 message planned)
                فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۳۰.
                -> cus_ali sms
            +32 min: accepted
            +32 min: tick
              confirmed r2 sent: audience 4 accepted=1 | unreachable=1 no_consent=1 no_channel=1 (receipts came in)
            +40 min: updated
              confirmed r3 sent: audience 4 accepted=1 | no_consent=1 no_channel=1 stale=1 (later news has overtaken it)
              progress r1 sending: audience 4 planned=1 (1 message planned)
                فراتل: اینترنت تهران هنوز مختل است. رفع تا ۱۶:۰۰.
                -> cus_ali sms
              confirmed r1 held: audience 4 | unreachable=1 no_consent=1 no_channel=1 (nobody can be told now)
                فراتل: اینترنت تهران مختل است. رفع تا ۱۶:۰۰. تماس لازم نیست.
            +45 min: updated
              confirmed r2 sending: audience 5 planned=1 | unreachable=1 no_consent=1 no_channel=1 (1 message planned)
                -> cus_nima sms
            +46 min: delivered
            +94 min: tick
              predicted r3 delivered: audience 4 delivered=2 | no_consent=1 no_channel=1 (receipts came in)
              confirmed r4 delivered: audience 4 delivered=1 | no_consent=1 no_channel=1 stale=1 (receipts came in)
              progress r2 delivered: audience 4 delivered=1 (receipts came in)
              confirmed r3 delivered: audience 5 delivered=1 | unreachable=1 no_consent=1 no_channel=1 (receipts came in)
            +95 min: tick
              confirmed r4 delivered: audience 5 delivered=1 | no_consent=1 no_channel=1 stale=1 (later news has overtaken it)
              progress r1 sending: audience 5 planned=2 (2 messages planned)
                فراتل: اینترنت تهران هنوز مختل است. رفع تا ۱۶:۰۰.
                -> cus_ali sms
                -> cus_nima sms
              confirmed r1 held: audience 5 | unreachable=1 no_consent=1 no_channel=1 (nobody can be told now)
                فراتل: اینترنت تهران مختل است. رفع تا ۱۶:۰۰. تماس لازم نیست.
            +96 min: delivered
            +120 min: tick
              progress r2 delivered: audience 5 delivered=2 (later news has overtaken it)
              confirmed r2 suppressed: audience 5 | no_consent=1 no_channel=1 stale=1 (later news has overtaken it)
              eta_changed r1 sending: audience 5 planned=2 (2 messages planned)
                فراتل: پوزش؛ اختلال تهران تا ۱۶:۰۰ رفع نشد. خبر بعدی ۱۷:۰۰.
                -> cus_ali sms
                -> cus_nima sms
              confirmed r1 held: audience 5 | unreachable=1 no_consent=1 no_channel=1 (nobody can be told now)
                فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۷:۰۰.
            +121 min: delivered
            +130 min: updated
              progress r1 sending: audience 5 planned=2 (2 messages planned)
                فراتل، تهران: تیم به محل رسید. خبر بعدی تا ۱۷:۱۰.
                -> cus_ali sms
                -> cus_nima sms
            +131 min: delivered
            +140 min: resolved
              eta_changed r2 delivered: audience 5 delivered=2 (later news has overtaken it)
              confirmed r2 suppressed: audience 5 | no_consent=1 no_channel=1 stale=1 (later news has overtaken it)
              progress r2 delivered: audience 5 delivered=2 (later news has overtaken it)
              resolved r1 sending: audience 5 planned=3 (3 messages planned)
                فراتل: اینترنت تهران وصل شد. از شکیبایی شما سپاسگزاریم.
                -> cus_ali sms
                -> cus_bahar email
                -> cus_nima sms
            +141 min: tick
        "#]],
    );
}

#[test]
fn a_false_alarm_is_taken_back_from_the_told_only() {
    let mut run = with_people(|_| {});
    run.event(
        IncidentChange::Predicted,
        &incident(IncidentState::Predicted, 1, minute(0)),
    );
    run.receipts(1, IntentState::Accepted, |i| i.customer.as_str() == "cus_ali");
    run.event(
        IncidentChange::Expired,
        &incident(IncidentState::Expired, 2, minute(70)),
    );
    run.event(
        IncidentChange::Expired,
        &incident(IncidentState::Expired, 2, minute(71)),
    );
    check(
        &run,
        &expect![[r#"
        +0 min: predicted
          predicted r1 sending: audience 4 planned=2 | no_consent=1 no_channel=1 (2 messages planned)
            فراتل: احتمال کندی اینترنت تهران از ۱۴:۳۰. خبر بعدی تا ۱۴:۳۰.
            -> cus_ali sms
            -> cus_bahar email
        +1 min: accepted
        +70 min: expired
          predicted r2 sending: audience 4 planned=1 accepted=1 | no_consent=1 no_channel=1 (later news has overtaken it)
            cancel predicted: stale
          all_clear r1 sending: audience 4 planned=1 (1 message planned)
            فراتل: اختلالی که برای تهران هشدار داده بودیم پیش نیامد. سپاس.
            -> cus_ali sms
        +71 min: expired
          refused (duplicate): this revision of the incident is known
    "#]],
    );
}

#[test]
fn the_default_opens_nothing_without_approval_of_the_very_text() {
    let mut run = with_people(|s| s.approval = forecall_outreach::ApprovalSettings::default());
    let mut now = incident(IncidentState::Confirmed, 1, minute(0));
    run.event(IncidentChange::Confirmed, &now);
    let notice = run.notices.values().next().unwrap().clone();
    let approve = |text: &str| Action::Approve {
        notice: notice.id.clone(),
        text: Arc::from(text),
    };
    run.command(1, approve("00000000000000000000000000000000"));
    run.command(2, approve(&notice.text_fingerprint));
    now.revision = 2;
    now.at = minute(3);
    run.event(IncidentChange::Updated, &now);
    check(
        &run,
        &expect![[r#"
        +0 min: confirmed
          confirmed r1 drafted: audience 4 | approval=4 (it reaches 4 people, more than 0: waits for approval of its text)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
        +1 min: command
          refused (not_allowed): approval of another text than the notice has now
        +2 min: command
          confirmed r2 sending: audience 4 planned=1 | unreachable=1 no_consent=1 no_channel=1 (1 message planned)
            -> cus_ali sms
        +3 min: updated
    "#]],
    );
}

#[test]
fn predictions_stay_inside_below_the_bar() {
    let mut run = with_people(|_| {});
    let unsure = Incident {
        probability: Probability::clamped(0.7),
        ..incident(IncidentState::Predicted, 1, minute(0))
    };
    run.event(IncidentChange::Predicted, &unsure);
    let far = Incident {
        onset_predicted: Some(minute(90)),
        ..incident(IncidentState::Predicted, 2, minute(1))
    };
    run.event(IncidentChange::Updated, &far);
    run.event(
        IncidentChange::Updated,
        &incident(IncidentState::Predicted, 3, minute(2)),
    );
    check(
        &run,
        &expect![[r#"
        +0 min: predicted
          predicted r1 suppressed: audience 4 | policy=4 (a probability of 0.70 is below 0.90)
            فراتل: احتمال کندی اینترنت تهران از ۱۴:۳۰. خبر بعدی تا ۱۴:۳۰.
        +1 min: updated
          predicted r2 suppressed: audience 4 | policy=4 (the onset is more than 60 minutes away)
        +2 min: updated
          predicted r3 sending: audience 4 planned=2 | no_consent=1 no_channel=1 (2 messages planned)
            -> cus_ali sms
            -> cus_bahar email
    "#]],
    );
}

#[test]
fn nobody_in_scope_and_simulations_leave_a_trace_and_no_intent() {
    let mut run = with_people(|_| {});
    let mut nowhere = incident(IncidentState::Confirmed, 1, minute(0));
    nowhere.scope.regions.clear();
    run.event(IncidentChange::Confirmed, &nowhere);
    let simulated = Incident {
        id: IncidentId::new("inc_2").unwrap(),
        simulated: true,
        ..incident(IncidentState::Confirmed, 1, minute(1))
    };
    run.event(IncidentChange::Confirmed, &simulated);
    check(
        &run,
        &expect![[r#"
        +0 min: confirmed
          confirmed r1 suppressed: audience 0 | empty_scope=0 (nobody in the directory is in scope, or the scope is unknown)
            فراتل: اینترنت منطقه شما مختل است. خبر بعدی تا ۱۵:۰۰.
        +1 min: confirmed
          confirmed r1 suppressed: audience 4 | simulated=4 (a replay or a simulation is never sent)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
    "#]],
    );
    assert!(run.intents.is_empty());
}

#[test]
fn the_kill_switch_takes_back_and_tells_again() {
    let mut run = with_people(|_| {});
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(0)),
    );
    run.command(1, Action::Kill { on: true });
    run.receipts(2, IntentState::Failed, |_| true);
    run.event(
        IncidentChange::Updated,
        &incident(IncidentState::Confirmed, 2, minute(3)),
    );
    run.command(4, Action::Kill { on: false });
    check(
        &run,
        &expect![[r#"
            +0 min: confirmed
              confirmed r1 sending: audience 4 planned=1 | unreachable=1 no_consent=1 no_channel=1 (1 message planned)
                فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
                -> cus_ali sms
            +1 min: command
              kill switch: true
              confirmed r2 sending: audience 4 planned=1 | killed=2 no_consent=1 no_channel=1 (the kill switch is on)
                cancel confirmed: killed
            +2 min: failed
            +3 min: updated
              confirmed r1 held: audience 4 | killed=4 (the kill switch is on)
                فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
            +4 min: command
              kill switch: false
              confirmed r2 sending: audience 4 planned=1 | unreachable=1 no_consent=1 no_channel=1 (1 message planned)
                -> cus_ali sms
        "#]],
    );
}

#[test]
fn a_word_said_again_by_its_key_does_not_undo_what_was_said_since() {
    let mut run = with_people(|_| {});
    run.command_as("stop", 1, Action::Kill { on: true });
    run.command_as("go on", 2, Action::Kill { on: false });
    run.command_as("stop again", 3, Action::Kill { on: true });
    run.command_as("go on", 4, Action::Kill { on: false });
    check(
        &run,
        &expect![[r#"
        +1 min: command
          kill switch: true
        +2 min: command
          kill switch: false
        +3 min: command
          kill switch: true
        +4 min: command
          refused (duplicate): command seen before
    "#]],
    );
}

#[test]
fn a_message_that_fails_takes_the_next_channel() {
    let mut run = Run::new(settings(|s| {
        if let Some(service) = s.services.get_mut(&ServiceName::new("internet").unwrap()) {
            service.breaks.clear();
        }
    }));
    run.customers(&[customer("ali", &[SMS, EMAIL])]);
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(0)),
    );
    run.receipts(1, IntentState::Failed, |_| true);
    run.tick(2);
    run.receipts(3, IntentState::Failed, |i| i.channel == EMAIL);
    run.tick(4);
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 2, minute(10)),
    );
    check(
        &run,
        &expect![[r#"
        +0 min: confirmed
          confirmed r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
            -> cus_ali sms
        +1 min: failed
        +2 min: tick
          confirmed r2 sending: audience 1 planned=1 failed=1 (1 message planned)
            -> cus_ali email
        +3 min: failed
        +4 min: tick
          confirmed r3 delivered: audience 1 failed=2 (nobody can be told now)
        +10 min: resolved
    "#]],
    );
}

#[test]
fn stop_is_kept_even_before_the_customer_is_known() {
    let mut run = Run::new(settings(|_| {}));
    let stop = Reply {
        id: Arc::from("r"),
        customer: CustomerId::new("cus_ali").unwrap(),
        at: minute(-5),
        kind: ReplyKind::Stop,
    };
    run.feed(OutreachEntry::Reply(stop));
    run.customers(&[customer("ali", &[SMS]), customer("sara", &[SMS])]);
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(0)),
    );
    check(
        &run,
        &expect![[r#"
        +0 min: confirmed
          confirmed r1 sending: audience 2 planned=1 | opted_out=1 (1 message planned)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
            -> cus_sara sms
    "#]],
    );
}

#[test]
fn quiet_hours_hold_until_the_morning_and_wake_only_whom_they_may() {
    // 22:30 in Tehran; the morning at 08:00 is minute 1,080.
    let night = 510;
    let mut run = Run::new(settings(|_| {}));
    run.customers(&[customer("ali", &[SMS]), customer("sara", &[SMS])]);
    let call = CallRecord {
        id: Arc::from("call"),
        domain: domain(),
        queue: QueueName::new("support").unwrap(),
        arrived_at: minute(night - 5),
        at: minute(night - 5),
        outcome: CallOutcome::Offered,
        wait: None,
        handle: None,
        customer: Some(CustomerId::new("cus_sara").unwrap()),
        region: None,
    };
    run.feed(OutreachEntry::Call(call));
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(night)),
    );
    run.receipts(night + 1, IntentState::Accepted, |_| true);
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 2, minute(night + 20)),
    );
    run.tick(1079);
    run.tick(1080);
    run.tick(1081);
    check(
        &run,
        &expect![[r#"
        +510 min: confirmed
          confirmed r1 sending: audience 2 planned=1 | quiet_hours=1 (1 message planned)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۲۳:۳۰.
            -> cus_sara sms
        +511 min: accepted
        +530 min: resolved
          confirmed r2 sent: audience 2 accepted=1 | stale=1 (later news has overtaken it)
          resolved r1 held: audience 2 | quiet_hours=1 (nobody can be told now)
            فراتل: اینترنت تهران وصل شد. از شکیبایی شما سپاسگزاریم.
        +1079 min: tick
        +1080 min: tick
          resolved r2 sending: audience 2 planned=1 (1 message planned)
            -> cus_sara sms
        +1081 min: tick
    "#]],
    );
}

#[test]
fn no_call_needed_says_so() {
    let mut run = Run::new(settings(|s| {
        s.quiet.rules.values_mut().for_each(|r| *r = QuietRule::Always)
    }));
    run.customers(&[customer("ali", &[SMS])]);
    let mut now = incident(IncidentState::Confirmed, 1, minute(0));
    now.scope.regions = BTreeSet::from([RegionCode::new("IR-23-T5").unwrap()]);
    now.acknowledged = Some(Acknowledgement {
        at: minute(0),
        by: Arc::from("noc"),
    });
    now.eta = Some(minute(90));
    run.event(IncidentChange::Confirmed, &now);
    check(
        &run,
        &expect![[r#"
        +0 min: confirmed
          confirmed r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: اینترنت منطقه ۵ تهران مختل است. رفع تا ۱۵:۳۰. تماس لازم نیست.
            -> cus_ali sms
    "#]],
    );
    assert!(run.notices.values().all(|n| n.no_call_needed));
}

/// Every service against every channel, while it lasts: nobody is reached over what has failed (R4).
#[test]
fn scope_against_channel() {
    let mut table = String::new();
    for service in ["internet", "voice"] {
        for channel in ContactChannel::ALL {
            let mut run = Run::new(settings(|_| {}));
            run.customers(&[customer("ali", &[channel])]);
            let mut now = incident(IncidentState::Confirmed, 1, minute(0));
            now.scope.services = BTreeSet::from([ServiceName::new(service).unwrap()]);
            run.event(IncidentChange::Confirmed, &now);
            let held: u64 = run
                .notices
                .values()
                .filter_map(|n| n.withheld.get(&HoldReason::Unreachable))
                .sum();
            assert_eq!(u64::try_from(run.intents.len()).unwrap() + held, 1);
            let what = if held == 1 { "waits" } else { "goes" };
            table.push_str(&format!("{service} {} {what}\n", channel.as_str()));
        }
    }
    expect![[r#"
        internet sms goes
        internet email waits
        internet push waits
        internet chat waits
        internet webhook waits
        voice sms waits
        voice email goes
        voice push goes
        voice chat goes
        voice webhook goes
    "#]]
    .assert_eq(&table);
}

#[test]
fn an_erased_customer_gets_nothing_more() {
    let mut run = Run::new(settings(|_| {}));
    run.customers(&[customer("ali", &[SMS]), customer("sara", &[SMS])]);
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(0)),
    );
    run.receipts(1, IntentState::Accepted, |_| true);
    let erased = CustomerChange::Erased {
        id: CustomerId::new("cus_ali").unwrap(),
        domain: domain(),
    };
    run.feed(OutreachEntry::Customer(erased));
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 2, minute(10)),
    );
    let last: Vec<&str> = run.intents.iter().skip(2).map(|i| i.customer.as_str()).collect();
    assert_eq!(last, ["cus_sara"]);
    let bytes = run.stage.save().unwrap();
    assert!(
        !bytes.windows(7).any(|w| w == b"cus_ali"),
        "the pseudonym is still there"
    );
}

fn outputs_of(
    settings: &Arc<OutreachSettings>,
    entries: &[OutreachEntry],
    cut: Option<usize>,
) -> (String, Vec<u8>) {
    let mut stage = OutreachStage::new(Arc::clone(settings));
    let mut all = String::new();
    for (n, entry) in entries.iter().enumerate() {
        if cut == Some(n) {
            stage = OutreachStage::load(Arc::clone(settings), &stage.save().unwrap()).unwrap();
        }
        let mut effects = Effects::default();
        let position = Position {
            topic: "log".into(),
            partition: 0,
            offset: 0,
        };
        stage.step(
            &OutreachInput {
                position,
                entry: entry.clone(),
            },
            &mut effects,
        );
        all.push_str(&format!("{:?}{:?}\n", effects.outputs(), effects.rejects()));
    }
    (all, stage.save().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_run_cut_in_two_is_the_whole_run(cut in 0_usize..60) {
        let run = whole_story();
        let whole = outputs_of(&run.settings, &run.fed, None);
        let cut = cut.min(run.fed.len() - 1);
        prop_assert_eq!(outputs_of(&run.settings, &run.fed, Some(cut)), whole);
    }
}

#[test]
fn of_a_hundred_thousand_customers_only_those_in_the_region_are_looked_at_and_told() {
    let mut stage = OutreachStage::new(settings(|s| s.approval.reach_above = 100_000));
    let mut effects = Effects::default();
    let mut step = |stage: &mut OutreachStage, entry| {
        effects.clear();
        let position = Position {
            topic: "log".into(),
            partition: 0,
            offset: 0,
        };
        stage.step(&OutreachInput { position, entry }, &mut effects);
        effects.outputs().len()
    };
    for n in 0..100_000 {
        let region = match n % 20 {
            0 => "IR-23-T5".to_owned(),
            other => format!("IR-{other:02}"),
        };
        let customer = Customer {
            region: RegionCode::new(&region).unwrap(),
            ..customer(&n.to_string(), &[SMS])
        };
        step(
            &mut stage,
            OutreachEntry::Customer(CustomerChange::Upsert(customer)),
        );
    }
    let event = IncidentEvent {
        change: IncidentChange::Confirmed,
        incident: incident(IncidentState::Confirmed, 1, minute(0)),
    };
    let told = step(&mut stage, OutreachEntry::Incident(Box::new(event)));
    assert_eq!(
        told,
        2 + 5_000,
        "a notice, its intents, and the incident as it stands"
    );
    let bytes = stage.save().unwrap().len();
    assert!(bytes < 100_000 * 128, "{bytes} bytes of snapshot");
}

#[test]
fn a_message_in_doubt_may_still_turn_out_to_be_taken_and_there() {
    let mut run = Run::new(settings(|_| {}));
    run.customers(&[customer("ali", &[SMS])]);
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(0)),
    );
    for state in [
        IntentState::Unknown,
        IntentState::Accepted,
        IntentState::Delivered,
        IntentState::Unknown,
    ] {
        run.receipts(1, state, |_| true);
        run.tick(2);
    }
    check(
        &run,
        &expect![[r#"
        +0 min: confirmed
          confirmed r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
            -> cus_ali sms
        +1 min: unknown
        +2 min: tick
          confirmed r2 delivered: audience 1 unknown=1 (receipts came in)
        +1 min: accepted
        +2 min: tick
          confirmed r3 sent: audience 1 accepted=1 (receipts came in)
        +1 min: delivered
        +2 min: tick
          confirmed r4 delivered: audience 1 delivered=1 (receipts came in)
        +1 min: unknown
          refused (duplicate): a receipt that says nothing new
        +2 min: tick
    "#]],
    );
}

//! What customers write back, and what they hear.

use std::sync::Arc;

use expect_test::{Expect, expect};
use forecall_outreach::{OutreachInput, OutreachOutput, OutreachStage, ServiceClass};
use forecall_stage::{Effects, Stage};
use forecall_types::*;

use crate::world::*;

const SMS: ContactChannel = ContactChannel::Sms;

fn check(run: &Run, expect: &Expect) {
    expect.assert_eq(&run.log);
}

/// Ali and Sara in Tehran, Mina elsewhere.
fn town() -> Run {
    let mut run = Run::new(settings(|s| s.brand.phone = Some("02112345".to_owned())));
    run.customers(&[
        customer("ali", &[SMS]),
        Customer {
            language: Language::En,
            ..customer("sara", &[SMS])
        },
        Customer {
            region: RegionCode::new("IR-10").unwrap(),
            ..customer("mina", &[SMS])
        },
    ]);
    run
}

#[test]
fn who_asks_hears_the_truth_as_it_is_now() {
    let mut run = town();
    run.reply(-1, "ali", ReplyKind::Status);
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(0)),
    );
    run.reply(1, "ali", ReplyKind::Status);
    run.reply(2, "mina", ReplyKind::Status);
    let mut now = incident(IncidentState::Confirmed, 2, minute(10));
    now.eta = Some(minute(90));
    run.event(IncidentChange::Updated, &now);
    run.reply(11, "sara", ReplyKind::Status);
    run.reply(12, "ali", ReplyKind::StillDown);
    run.reply(13, "sara", ReplyKind::Other);
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 3, minute(80)),
    );
    run.reply(81, "ali", ReplyKind::Status);
    run.reply(81, "nobody", ReplyKind::Status);
    run.reply(80 + 13 * 60, "ali", ReplyKind::Status);
    check(
        &run,
        &expect![[r#"
        +-1 min: ali writes status
          -> cus_ali sms (1 part): فراتل: از اختلالی برای شما خبر نداریم. تماس: ‎02112345
        +0 min: confirmed
          confirmed r1 sending: audience 2 planned=2 (2 messages planned)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
            -> cus_ali sms
            -> cus_sara sms
        +1 min: ali writes status
          -> cus_ali sms (1 part): فراتل: اینترنت تهران مختل است. خبر: ۱۵:۰۰.
        +2 min: mina writes status
          -> cus_mina sms (1 part): فراتل: از اختلالی برای شما خبر نداریم. تماس: ‎02112345
        +10 min: updated
            cancel confirmed: stale
          confirmed r1 sending: audience 2 planned=2 (2 messages planned)
            فراتل: اینترنت تهران مختل است. رفع تا ۱۵:۳۰. خبر: ۱۵:۱۰.
            -> cus_ali sms
            -> cus_sara sms
        +11 min: sara writes status
          -> cus_sara sms (1 part): Faratel: Internet in Tehran is disrupted, expected back by 15:30. Next news by 15:10.
        +12 min: ali writes still_down
          -> cus_ali sms (1 part): فراتل: اینترنت تهران مختل است. رفع تا ۱۵:۳۰. خبر: ۱۵:۱۰.
        +13 min: sara writes other
        +80 min: resolved
            cancel confirmed: stale
        +81 min: ali writes status
          -> cus_ali sms (1 part): فراتل: اینترنت تهران از ۱۵:۲۰ وصل است. هنوز قطع؟ 1 بفرستید.
        +81 min: nobody writes status
        +860 min: ali writes status
          -> cus_ali sms (1 part): فراتل: از اختلالی برای شما خبر نداریم. تماس: ‎02112345
    "#]],
    );
}

#[test]
fn a_stop_is_answered_and_ends_all_but_what_is_asked_for() {
    let mut run = town();
    run.reply(0, "ali", ReplyKind::Stop);
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(1)),
    );
    run.reply(2, "ali", ReplyKind::Status);
    run.reply(3, "sara", ReplyKind::Stop);
    check(
        &run,
        &expect![[r#"
            +0 min: ali writes stop
              -> cus_ali sms (1 part): فراتل: پیام‌های اختلال برای شما قطع شد. هشدار ایمنی همچنان می‌آید.
            +1 min: confirmed
              confirmed r1 sending: audience 2 planned=1 | opted_out=1 (1 message planned)
                فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
                -> cus_sara sms
            +2 min: ali writes status
              -> cus_ali sms (1 part): فراتل: اینترنت تهران مختل است. خبر تازه: 2
            +3 min: sara writes stop
                cancel confirmed to cus_sara: opted_out
              -> cus_sara sms (1 part): Faratel: You get no more messages about disruptions and planned work. Warnings of danger still come.
        "#]],
    );
}

#[test]
fn what_has_not_left_when_a_stop_comes_does_not_leave_unless_it_warns_of_danger() {
    let mut run = town();
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(0)),
    );
    run.receipts(1, IntentState::Accepted, |i| i.customer.as_str() == "cus_sara");
    run.reply(2, "ali", ReplyKind::Stop);
    run.reply(2, "sara", ReplyKind::Stop);
    run.receipts(3, IntentState::Failed, |i| {
        i.customer.as_str() == "cus_ali" && !i.notice.is_answer()
    });
    run.tick(4);
    check(
        &run,
        &expect![[r#"
        +0 min: confirmed
          confirmed r1 sending: audience 2 planned=2 (2 messages planned)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
            -> cus_ali sms
            -> cus_sara sms
        +1 min: accepted
        +2 min: ali writes stop
            cancel confirmed to cus_ali: opted_out
          -> cus_ali sms (1 part): فراتل: پیام‌های اختلال برای شما قطع شد. هشدار ایمنی همچنان می‌آید.
        +2 min: sara writes stop
          -> cus_sara sms (1 part): Faratel: You get no more messages about disruptions and planned work. Warnings of danger still come.
        +3 min: failed
        +4 min: tick
          confirmed r2 sent: audience 2 accepted=1 failed=1 (nobody can be told now)
    "#]],
    );
    let mut danger = Run::new(settings(|s| {
        let emergency = ServiceName::new("internet").unwrap();
        s.services.get_mut(&emergency).unwrap().class = ServiceClass::Emergency;
    }));
    danger.customers(&[customer("ali", &[SMS])]);
    let mut grave = incident(IncidentState::Confirmed, 1, minute(0));
    grave.severity = Severity::Extreme;
    danger.event(IncidentChange::Confirmed, &grave);
    danger.reply(1, "ali", ReplyKind::Stop);
    assert!(!danger.log.contains("cancel"), "{}", danger.log);
}

/// Held for approval, for the night, for a cap: whoever asks hears it all the same. An order from outside waits for people.
#[test]
fn nothing_that_holds_a_notice_back_holds_the_truth_back_from_who_asks() {
    let mut run = Run::new(settings(|s| {
        s.approval.reach_above = 0;
        s.caps.per_day = 0;
    }));
    run.customers(&[
        customer("ali", &[SMS]),
        Customer {
            consents: [].into(),
            ..customer("sara", &[SMS])
        },
    ]);
    // 23:30 in Tehran.
    let night = 570;
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(night)),
    );
    run.reply(night + 1, "ali", ReplyKind::Status);
    run.reply(night + 2, "sara", ReplyKind::Status);
    let mut order = incident(IncidentState::Confirmed, 2, minute(night + 3));
    order.responsibility = Responsibility::ExternalOrder;
    run.event(IncidentChange::Updated, &order);
    run.reply(night + 4, "ali", ReplyKind::Status);
    order.revision = 3;
    order.responsibility = Responsibility::Own;
    order.simulated = true;
    run.event(IncidentChange::Updated, &order);
    run.reply(night + 5, "ali", ReplyKind::Status);
    check(
        &run,
        &expect![[r#"
        +570 min: confirmed
          confirmed r1 drafted: audience 2 | approval=2 (it reaches 2 people, more than 0: waits for approval of its text)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۲ آذر ۰۰:۳۰.
        +571 min: ali writes status
          -> cus_ali sms (1 part): فراتل: اینترنت تهران مختل است. خبر تازه: 2
        +572 min: sara writes status
          -> cus_sara sms (1 part): فراتل: اینترنت تهران مختل است. خبر تازه: 2
        +573 min: updated
        +574 min: ali writes status
        +573 min: updated
          confirmed r2 suppressed: audience 2 | simulated=2 (a replay or a simulation is never sent)
        +575 min: ali writes status
          -> cus_ali sms (1 part): فراتل: از اختلالی برای شما خبر نداریم.
    "#]],
    );
}

#[test]
fn what_is_foreseen_is_told_to_who_asks_where_it_was_told_to_anybody() {
    for told in [true, false] {
        let mut run = Run::new(settings(|s| s.predicted.needs_approval = !told));
        run.customers(&[customer("ali", &[SMS])]);
        run.event(
            IncidentChange::Predicted,
            &incident(IncidentState::Predicted, 1, minute(0)),
        );
        let before = run.log.len();
        run.reply(1, "ali", ReplyKind::Status);
        let says = run.log.split_off(before);
        assert_eq!(
            says.contains("احتمال کندی اینترنت تهران از ۱۴:۳۰"),
            told,
            "{says}"
        );
        assert_eq!(says.contains("از اختلالی برای شما خبر نداریم"), !told, "{says}");
    }
}

#[test]
fn planned_work_is_told_as_work() {
    let mut run = town();
    let mut work = incident(IncidentState::Confirmed, 1, minute(0));
    work.kind = IncidentKind::Planned;
    work.work = Some(PlannedWork {
        stage: WorkStage::Started,
        starts_at: minute(0),
        ends_at: minute(120),
        label: Remark::new("x").unwrap(),
        by: Arc::from("noc"),
    });
    run.event(IncidentChange::Started, &work);
    run.reply(1, "ali", ReplyKind::Status);
    run.reply(2, "sara", ReplyKind::StillDown);
    run.reply(121, "ali", ReplyKind::Status);
    check(
        &run,
        &expect![[r#"
        +0 min: started
        +1 min: ali writes status
          -> cus_ali sms (1 part): فراتل: کار فنی روی اینترنت تهران تا ۱۶:۰۰.
        +2 min: sara writes still_down
          -> cus_sara sms (1 part): Faratel: Planned work on Internet in Tehran, to be over by 16:00.
        +121 min: ali writes status
          -> cus_ali sms (1 part): فراتل: کار فنی روی اینترنت تهران در جریان است.
    "#]],
    );
}

#[test]
fn two_machines_do_not_talk_for_ever() {
    let mut run = town();
    for second in 0..200 {
        run.feed(OutreachEntry::Reply(Reply {
            id: Arc::from(format!("rep_x{second}")),
            customer: CustomerId::new("cus_ali").unwrap(),
            at: minute(0).plus(std::time::Duration::from_secs(second)),
            kind: ReplyKind::Status,
        }));
    }
    assert_eq!(run.intents.len(), 6);
    // Another person's answers are their own, and the hour goes by.
    run.reply(4, "sara", ReplyKind::Status);
    run.reply(59, "ali", ReplyKind::Status);
    assert_eq!(run.intents.len(), 7);
    run.reply(61, "ali", ReplyKind::Status);
    assert_eq!(run.intents.len(), 8);
}

#[test]
fn the_kill_switch_holds_answers_and_a_stop_counts_all_the_same() {
    let mut run = town();
    run.command(0, Action::Kill { on: true });
    run.reply(1, "ali", ReplyKind::Stop);
    run.reply(1, "sara", ReplyKind::Status);
    assert!(run.intents.is_empty());
    run.command(2, Action::Kill { on: false });
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(3)),
    );
    let told: Vec<_> = run.intents.iter().map(|i| i.customer.to_string()).collect();
    assert_eq!(told, ["cus_sara"]);
}

#[test]
fn what_becomes_of_an_answer_is_no_news_of_the_incident() {
    let mut run = town();
    run.reply(0, "ali", ReplyKind::Status);
    for state in [IntentState::Accepted, IntentState::Failed] {
        run.receipts(1, state, |_| true);
    }
    run.tick(2);
    assert!(!run.log.contains("refused"), "{}", run.log);
}

/// Sixty people who were told that it works again.
fn restored() -> Run {
    let mut run = Run::new(settings(|_| {}));
    let people: Vec<_> = (0..60).map(|n| customer(&n.to_string(), &[SMS])).collect();
    run.customers(&people);
    for (change, state, revision, at) in [
        (IncidentChange::Confirmed, IncidentState::Confirmed, 1, 0),
        (IncidentChange::Resolved, IncidentState::Resolved, 2, 60),
    ] {
        run.event(change, &incident(state, revision, minute(at)));
        run.receipts(at + 1, IntentState::Accepted, |i| i.at == minute(at));
    }
    run.log.clear();
    run
}

#[test]
fn many_who_write_that_it_still_fails_are_evidence_and_one_who_writes_often_is_not() {
    let mut run = restored();
    for n in 0..5 {
        run.reply(62 + n, "7", ReplyKind::StillDown);
    }
    run.tick(68);
    for n in 10..14 {
        run.reply(69, &n.to_string(), ReplyKind::StillDown);
    }
    let before = run.log.len();
    assert!(!run.log.contains("evidence"), "{}", run.log);
    run.reply(70, "14", ReplyKind::StillDown);
    run.reply(71, "15", ReplyKind::StillDown);
    run.reply(71, "16", ReplyKind::StillDown);
    run.tick(72);
    run.tick(73);
    // Half an hour without another.
    run.tick(100);
    run.tick(102);
    run.tick(103);
    let later = run.log.split_off(before);
    run.log = later;
    check(
        &run,
        &expect![[r#"
            +70 min: 14 writes still_down
              -> cus_14 sms (1 part): فراتل: ثبت شد: اینترنت تهران هنوز قطع است.
            +71 min: 15 writes still_down
              evidence opened r1: 7 people at internet IR-23, score 3.7
              -> cus_15 sms (1 part): فراتل: ثبت شد: اینترنت تهران هنوز قطع است.
            +71 min: 16 writes still_down
              -> cus_16 sms (1 part): فراتل: ثبت شد: اینترنت تهران هنوز قطع است.
            +72 min: tick
              evidence updated r2: 8 people at internet IR-23, score 4.6
            +73 min: tick
            +100 min: tick
            +102 min: tick
              evidence closed r3: 8 people at internet IR-23, score 4.6
            +103 min: tick
        "#]],
    );
}

#[test]
fn what_came_back_by_their_word_hears_of_more_and_one_that_is_open_needs_no_witness() {
    let mut run = restored();
    for n in 0..7 {
        run.reply(62, &n.to_string(), ReplyKind::StillDown);
    }
    run.event(
        IncidentChange::Reopened,
        &incident(IncidentState::Confirmed, 3, minute(63)),
    );
    run.log.clear();
    run.reply(64, "20", ReplyKind::StillDown);
    run.tick(65);
    check(
        &run,
        &expect![[r#"
            +64 min: 20 writes still_down
              -> cus_20 sms (1 part): فراتل: اینترنت تهران مختل است. خبر: ۱۶:۰۰.
            +65 min: tick
              evidence updated r2: 8 people at internet IR-23, score 4.6
        "#]],
    );
    let mut fresh = town();
    fresh.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(0)),
    );
    for n in 0..20 {
        fresh.customers(&[customer(&n.to_string(), &[SMS])]);
        fresh.reply(1, &n.to_string(), ReplyKind::StillDown);
    }
    fresh.tick(2);
    assert!(!fresh.log.contains("evidence"), "{}", fresh.log);
}

#[test]
fn no_person_stands_in_the_evidence_and_a_snapshot_says_the_same_afterwards() {
    let mut run = restored();
    for n in 0..7 {
        run.reply(62, &n.to_string(), ReplyKind::StillDown);
    }
    assert!(run.log.contains("evidence opened"), "{}", run.log);
    let is_evidence = |o: &&OutreachOutput| matches!(o, OutreachOutput::StillDown(_));
    let evidence = format!("{:?}", run.outputs.iter().find(is_evidence).unwrap());
    assert!(!evidence.contains("cus_"), "{evidence}");
    let bytes = run.stage.save().unwrap();
    let mut again = OutreachStage::load(Arc::clone(&run.settings), &bytes).unwrap();
    let outputs = |stage: &mut OutreachStage| {
        let mut effects = Effects::default();
        for (n, entry) in [
            OutreachEntry::Reply(Reply {
                id: Arc::from("rep_z"),
                customer: CustomerId::new("cus_30").unwrap(),
                at: minute(63),
                kind: ReplyKind::StillDown,
            }),
            OutreachEntry::Tick(Tick { at: minute(64) }),
            OutreachEntry::Tick(Tick { at: minute(100) }),
        ]
        .into_iter()
        .enumerate()
        {
            let position = Position {
                topic: "log".into(),
                partition: 0,
                offset: i64::try_from(n).unwrap(),
            };
            stage.step(&OutreachInput { position, entry }, &mut effects);
        }
        format!("{:?}", effects.outputs())
    };
    let first = outputs(&mut run.stage);
    assert_eq!(first, outputs(&mut again));
    assert!(first.contains("Updated") && first.contains("Closed"), "{first}");
}

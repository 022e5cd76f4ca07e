//! What people say of notices: hold, send, take back, a step in words, a new end, a compensation, a rehearsal.

use std::collections::BTreeSet;
use std::sync::Arc;

use expect_test::expect;
use forecall_outreach::{
    ApprovalSettings, HoldOutDelay, HoldOutSettings, HoldOutShare, LastDay, OutreachOutput, OutreachSettings,
    OutreachStage, RampSettings,
};
use forecall_stage::Stage;
use forecall_types::*;

use crate::world::*;

const SMS: ContactChannel = ContactChannel::Sms;

pub(crate) fn confirmed(revision: u32, at: i64) -> Incident {
    incident(IncidentState::Confirmed, revision, minute(at))
}

fn people(names: &[&str], change: impl FnOnce(&mut OutreachSettings)) -> Run {
    let mut run = Run::new(settings(change));
    let all: Vec<Customer> = names.iter().map(|name| customer(name, &[SMS])).collect();
    run.customers(&all);
    run
}

/// The newest notice of a stage.
pub(crate) fn newest(run: &Run, stage: NoticeStage) -> Notice {
    let notices = run.notices.values().filter(|n| n.stage == stage);
    notices
        .max_by_key(|n| {
            (
                n.state != NoticeState::Suppressed,
                n.at,
                n.revision,
                n.state == NoticeState::Held,
            )
        })
        .expect("a notice of the stage")
        .clone()
}

fn held(run: &Run) -> Notice {
    let waits = |n: &&Notice| n.withheld.get(&HoldReason::Person).is_some_and(|n| *n > 0);
    let mut held: Vec<&Notice> = run.notices.values().filter(waits).collect();
    held.sort_by_key(|n| (n.state == NoticeState::Held, n.at));
    (*held.last().expect("a notice that a person holds")).clone()
}

fn hold(notice: &Notice) -> Action {
    Action::Hold {
        notice: notice.id.clone(),
        reason: Remark::new("the area is too wide").unwrap(),
    }
}

fn approve(notice: &Notice) -> Action {
    Action::Approve {
        notice: notice.id.clone(),
        text: Arc::clone(&notice.text_fingerprint),
    }
}

fn send(notice: &Notice) -> Action {
    Action::Send {
        notice: notice.id.clone(),
        text: Arc::clone(&notice.text_fingerprint),
    }
}

fn take_back(notice: &Notice) -> Action {
    Action::TakeBack {
        notice: notice.id.clone(),
    }
}

fn told(run: &Run) -> BTreeSet<CustomerId> {
    let told = run.intents.iter().filter(|i| !i.notice.is_answer());
    told.map(|i| i.customer.clone()).collect()
}

#[test]
fn what_a_person_holds_back_waits_for_a_word_on_its_very_text() {
    let mut run = people(&["ali", "sara"], |_| {});
    run.event(IncidentChange::Confirmed, &confirmed(1, 0));
    run.receipts(1, IntentState::Accepted, |i| i.customer.as_str() == "cus_ali");
    let first = newest(&run, NoticeStage::Confirmed);
    run.command(2, hold(&first));
    run.command(3, hold(&held(&run)));
    run.command(4, approve(&first));
    let second = held(&run);
    run.command(
        5,
        Action::Approve {
            notice: second.id.clone(),
            text: "0".repeat(32).into(),
        },
    );
    run.tick(20);
    run.command(21, approve(&held(&run)));
    expect![[r#"
        +0 min: confirmed
          confirmed r1 sending: audience 2 planned=2 (2 messages planned)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
            -> cus_ali sms
            -> cus_sara sms
        +1 min: accepted
        +2 min: command
          confirmed r2 sending: audience 2 planned=1 accepted=1 | person=1 (held back by noc: the area is too wide)
            cancel confirmed: person
          confirmed r1 held: audience 2 | person=1 (held back by noc: the area is too wide)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
        +3 min: command
          refused (duplicate): it is held back already
        +4 min: command
          refused (not_allowed): approval of a notice that later news has overtaken
        +5 min: command
          refused (not_allowed): approval of another text than the notice has now
        +20 min: tick
        +21 min: command
          confirmed r2 sending: audience 2 planned=1 (1 message planned)
            -> cus_sara sms
    "#]]
    .assert_eq(&run.log);
}

#[test]
fn a_held_text_that_is_written_anew_needs_to_be_read_anew() {
    let mut run = people(&["ali"], |s| s.approval = ApprovalSettings::default());
    run.event(IncidentChange::Confirmed, &confirmed(1, 0));
    run.command(1, hold(&newest(&run, NoticeStage::Confirmed)));
    // The promise of next news has passed meanwhile: the text names another time.
    let before = held(&run);
    run.command(70, approve(&before));
    assert!(run.intents.is_empty(), "nobody has read what would go");
    let now = held(&run);
    assert_ne!(now.text_fingerprint, before.text_fingerprint);
    run.command(71, approve(&now));
    assert_eq!(run.intents.len(), 1);
    // Nor where no approval would be needed: to have read another text ends no hold.
    let mut run = people(&["ali", "sara"], |s| s.quiet.until = s.quiet.from);
    run.event(IncidentChange::Confirmed, &confirmed(1, 0));
    run.command(1, hold(&newest(&run, NoticeStage::Confirmed)));
    let sent = run.intents.len();
    run.command(70, approve(&held(&run)));
    run.event(IncidentChange::Updated, &confirmed(2, 71));
    assert_eq!(run.intents.len(), sent);
    run.command(72, approve(&held(&run)));
    assert_eq!(run.intents.len(), sent + 2);
}

#[test]
fn a_hold_stays_over_later_news_of_its_stage_and_leaves_other_stages_alone() {
    let mut run = people(&["ali"], |_| {});
    run.event(IncidentChange::Confirmed, &confirmed(1, 0));
    run.receipts(1, IntentState::Delivered, |_| true);
    let late = customer("sara", &[SMS]);
    run.command(2, hold(&newest(&run, NoticeStage::Confirmed)));
    run.customers(&[late]);
    let later = Incident {
        eta: Some(minute(120)),
        ..confirmed(2, 5)
    };
    run.event(IncidentChange::Updated, &later);
    let names: Vec<String> = run.intents.iter().map(|i| i.customer.to_string()).collect();
    assert_eq!(names, ["cus_ali", "cus_ali"], "progress goes, openings wait");
    assert_eq!(held(&run).stage, NoticeStage::Confirmed);
    // An end is told to who was told, hold of the opening or not.
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 3, minute(30)),
    );
    assert_eq!(run.intents.last().unwrap().customer.as_str(), "cus_ali");
    assert!(!told(&run).contains(&CustomerId::new("cus_sara").unwrap()));
}

fn at_night(change: impl FnOnce(&mut OutreachSettings)) -> Run {
    let mut run = people(&["ali"], change);
    // 23:00 in Tehran.
    run.event(IncidentChange::Confirmed, &confirmed(1, 540));
    run
}

#[test]
fn the_night_is_passed_only_where_two_teams_stand_behind_a_grave_text() {
    let mut run = at_night(|_| {});
    let notice = newest(&run, NoticeStage::Confirmed);
    assert_eq!(notice.withheld.get(&HoldReason::QuietHours), Some(&1));
    run.command_by("noc", 541, send(&notice));
    run.command_by("noc", 542, send(&notice));
    assert!(run.intents.is_empty(), "one team wakes nobody");
    run.command_by("duty", 543, send(&notice));
    assert_eq!(run.intents.len(), 1);
    // An approver is the other team.
    let mut run = at_night(|s| s.approval = ApprovalSettings::default());
    let notice = newest(&run, NoticeStage::Confirmed);
    run.command_by("noc", 541, send(&notice));
    run.command_by("noc", 541, approve(&notice));
    assert!(run.intents.is_empty());
    let notice = newest(&run, NoticeStage::Confirmed);
    run.command_by("duty", 542, send(&notice));
    assert_eq!(run.intents.len(), 1);
    // What isn't grave waits for the morning, and so does what never wakes.
    let mut run = people(&["ali"], |_| {});
    let mild = Incident {
        severity: Severity::Moderate,
        ..confirmed(1, 540)
    };
    run.event(IncidentChange::Confirmed, &mild);
    for team in ["noc", "duty"] {
        let notice = newest(&run, NoticeStage::Confirmed);
        run.command_by(team, 541, send(&notice));
    }
    assert!(run.intents.is_empty());
    let mut run = people(&["ali"], |_| {});
    run.event(IncidentChange::Confirmed, &confirmed(1, 0));
    run.receipts(1, IntentState::Delivered, |_| true);
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 2, minute(540)),
    );
    for team in ["noc", "duty"] {
        let notice = newest(&run, NoticeStage::Resolved);
        run.command_by(team, 541, send(&notice));
    }
    assert_eq!(run.intents.len(), 1, "that it works again wakes nobody");
}

#[test]
fn send_passes_hold_out_and_ramp_and_nothing_else() {
    let hold_out = HoldOutSettings {
        owner: Arc::from("customer-care"),
        purpose: Arc::from("does telling spare calls"),
        until: LastDay::try_from("2026-12-31".to_owned()).unwrap(),
        share: HoldOutShare::try_from(0.1).unwrap(),
        delay_minutes: HoldOutDelay::default(),
        never: Vec::new(),
    };
    let names: Vec<String> = (0..3_000).map(|n| format!("{n:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut run = people(&names, |s| {
        s.approval.reach_above = u64::MAX;
        s.hold_out = Some(hold_out);
        s.ramp = Some(RampSettings::default());
    });
    run.reply(-1, "0007", ReplyKind::Stop);
    run.event(IncidentChange::Confirmed, &confirmed(1, 0));
    assert!(told(&run).len() < 100);
    run.command(1, send(&newest(&run, NoticeStage::Confirmed)));
    assert_eq!(told(&run).len(), 2_999, "all but who wants none");
    run.tick(2);
    let trial = run.notices.values().find_map(|n| n.hold_out.clone()).unwrap();
    assert_eq!(trial.until, minute(1), "what is compared ends where all are told");
    run.command(3, send(&newest(&run, NoticeStage::Confirmed)));
    assert!(
        run.log
            .ends_with("nothing of it waits for what a person can let go\n")
    );
}

#[test]
fn send_never_passes_switch_approval_and_a_ramp_that_stopped() {
    let mut run = people(&["ali"], |s| s.approval = ApprovalSettings::default());
    run.event(IncidentChange::Confirmed, &confirmed(1, 0));
    run.command(1, send(&newest(&run, NoticeStage::Confirmed)));
    assert!(
        run.log
            .ends_with("its text waits for an approval: approve it first\n")
    );
    run.command(2, Action::Kill { on: true });
    run.command(3, send(&newest(&run, NoticeStage::Confirmed)));
    assert!(run.log.ends_with("the kill switch is on: turn it off first\n"));
    run.command(4, hold(&newest(&run, NoticeStage::Confirmed)));
    run.command(5, Action::Kill { on: false });
    run.command(6, send(&held(&run)));
    let notice = newest(&run, NoticeStage::Confirmed);
    assert_eq!(
        notice.withheld.get(&HoldReason::Approval),
        Some(&1),
        "the hold is gone, the approval isn't"
    );
    assert!(run.intents.is_empty());
    run.command(
        7,
        Action::Send {
            notice: NoticeId::new("ntc_1").unwrap(),
            text: notice.text_fingerprint,
        },
    );
    assert!(
        run.log
            .ends_with("refused (not_allowed): release of a notice that isn't known\n")
    );
}

#[test]
fn a_notice_is_taken_back_from_those_it_reached_and_openings_wait() {
    let mut run = people(&["ali", "sara", "mina"], |_| {});
    run.event(IncidentChange::Confirmed, &confirmed(1, 0));
    run.receipts(1, IntentState::Accepted, |i| i.customer.as_str() == "cus_ali");
    let notice = newest(&run, NoticeStage::Confirmed);
    run.command(2, take_back(&notice));
    run.command(3, take_back(&notice));
    // One of those taken back had left all the same.
    run.receipts(4, IntentState::Delivered, |i| i.customer.as_str() == "cus_sara");
    run.tick(5);
    run.event(IncidentChange::Updated, &confirmed(2, 6));
    run.command(7, approve(&held(&run)));
    run.tick(8);
    expect![[r#"
        +0 min: confirmed
          confirmed r1 sending: audience 3 planned=3 (3 messages planned)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
            -> cus_ali sms
            -> cus_sara sms
            -> cus_mina sms
        +1 min: accepted
        +2 min: command
          confirmed r2 retracted: audience 3 planned=2 accepted=1 (later news has overtaken it)
            cancel confirmed: stale
          retraction r1 sending: audience 3 planned=1 (1 message planned)
            فراتل: پیام ۱۴:۰۰ ما درباره تهران اشتباه بود. پوزش می‌خواهیم.
            -> cus_ali sms
          confirmed r1 held: audience 3 | person=3 (held back by noc: what was told was taken back)
            فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
        +3 min: command
          refused (duplicate): it is taken back already
        +4 min: delivered
        +5 min: tick
          confirmed r2 held: audience 3 | person=2 (held back by noc: what was told was taken back)
          retraction r2 sending: audience 3 planned=2 (1 message planned)
            -> cus_sara sms
          confirmed r3 retracted: audience 3 planned=1 accepted=1 delivered=1 (receipts came in)
        +6 min: updated
          confirmed r3 held: audience 3 | person=3 (held back by noc: what was told was taken back)
        +7 min: command
            cancel retraction: stale
          confirmed r4 sending: audience 3 planned=3 (3 messages planned)
            -> cus_ali sms
            -> cus_sara sms
            -> cus_mina sms
        +8 min: tick
    "#]]
    .assert_eq(&run.log);
}

#[test]
fn a_correction_goes_ahead_at_night_and_without_another_person() {
    let mut run = people(&["ali"], |s| {
        s.quiet
            .rules
            .insert(NoticeStage::Confirmed, forecall_outreach::QuietRule::Always);
    });
    let ordered = Incident {
        responsibility: Responsibility::ExternalOrder,
        ..confirmed(1, 540)
    };
    run.event(IncidentChange::Confirmed, &ordered);
    run.command(541, approve(&newest(&run, NoticeStage::Confirmed)));
    run.receipts(542, IntentState::Delivered, |_| true);
    run.command(543, take_back(&newest(&run, NoticeStage::Confirmed)));
    let correction = run.intents.last().unwrap();
    assert!(correction.corrects, "ahead of all that waits");
    assert_eq!((run.intents.len(), correction.at), (2, minute(543)));
    assert!(!run.intents.first().unwrap().corrects);
    // Neither it nor an end can be taken back or held.
    run.command(544, take_back(&newest(&run, NoticeStage::Retraction)));
    assert!(run.log.contains("an end or a correction isn't taken back"));
    run.command(545, hold(&newest(&run, NoticeStage::Retraction)));
    assert!(run.log.ends_with("the kill switch stops all\n"));
}

fn step(fa: &str, en: &str) -> Action {
    Action::Say {
        incident: IncidentId::new("inc_1").unwrap(),
        fa: Remark::new(fa).unwrap(),
        en: Remark::new(en).unwrap(),
    }
}

#[test]
fn a_step_in_words_waits_for_another_person_and_holds_up_no_promise() {
    let mut run = people(&["ali"], |_| {});
    run.event(IncidentChange::Confirmed, &confirmed(1, 0));
    run.command(1, step("وصل می‌شود به‌زودی", "fine"));
    assert!(run.log.ends_with("says `به‌زودی`\n"), "{}", run.log);
    run.receipts(1, IntentState::Delivered, |_| true);
    run.say("--");
    run.log.clear();
    run.command_by("field", 10, step("فیبر جوش خورد", "The fibre is spliced"));
    run.command_by("field", 11, approve(&newest(&run, NoticeStage::Progress)));
    run.command_by("noc", 12, approve(&newest(&run, NoticeStage::Progress)));
    run.receipts(13, IntentState::Delivered, |_| true);
    run.command_by("field", 20, step("برق آمد", "Power is back"));
    // Nobody approves it, and news was promised.
    run.tick(70);
    expect![[r#"
        +10 min: command
          progress r1 drafted: audience 1 | approval=1 (it says a step in a person's words: another one approves its text)
            فراتل، تهران: فیبر جوش خورد. خبر بعدی تا ۱۵:۱۰.
        +11 min: command
          refused (not_allowed): the team that wrote the step doesn't approve it: another one does
        +12 min: command
          progress r2 sending: audience 1 planned=1 (1 message planned)
            -> cus_ali sms
        +13 min: delivered
          refused (duplicate): a receipt that says nothing new
        +20 min: command
          progress r3 delivered: audience 1 delivered=1 (later news has overtaken it)
          progress r1 drafted: audience 1 | approval=1 (it says a step in a person's words: another one approves its text)
            فراتل، تهران: برق آمد. خبر بعدی تا ۱۵:۲۰.
        +70 min: tick
          confirmed r2 delivered: audience 1 delivered=1 (later news has overtaken it)
          progress r2 suppressed: audience 1 | stale=1 (later news has overtaken it)
          progress r1 sending: audience 1 planned=1 (1 message planned)
            فراتل: اینترنت تهران هنوز مختل است. خبر بعدی ۱۶:۱۰.
            -> cus_ali sms
    "#]]
    .assert_eq(&run.log);
}

#[test]
fn an_end_is_changed_twice_and_never_lengthened_after_it_was_shortened() {
    let ends = |told: &[i64]| {
        let mut run = people(&["ali"], |s| s.caps.per_incident = 100);
        run.event(IncidentChange::Confirmed, &confirmed(1, 0));
        run.receipts(1, IntentState::Delivered, |_| true);
        let mut log = Vec::new();
        for (revision, end) in (2..).zip(told) {
            let before = run.intents.len();
            let at = i64::from(revision) * 2;
            let now = Incident {
                eta: Some(minute(*end)),
                ..confirmed(revision, at)
            };
            run.event(IncidentChange::Updated, &now);
            let news = run.intents.get(before).map(|i| {
                let notice = &run.notices[&i.notice];
                let minutes = |t: EventTime| t.since(minute(0)).as_secs() / 60;
                (notice.stage.as_str(), notice.eta.map(minutes))
            });
            log.push(news);
            run.receipts(at + 1, IntentState::Delivered, |i| i.at == minute(at));
        }
        (log, run)
    };
    let (log, _) = ends(&[120, 180, 240, 300]);
    assert_eq!(
        log,
        [
            Some(("progress", Some(120))),
            Some(("eta_changed", Some(180))),
            Some(("eta_changed", Some(240))),
            Some(("eta_changed", None)),
        ],
        "after two changes no time is told any more, and that it takes longer is"
    );
    let (log, mut run) = ends(&[180, 120, 150, 160]);
    assert_eq!(
        log,
        [
            Some(("progress", Some(180))),
            Some(("progress", Some(120))),
            Some(("eta_changed", None)),
            None,
        ]
    );
    let last = newest(&run, NoticeStage::EtaChanged);
    let words = &last.texts.iter().find(|t| t.channel == SMS).unwrap();
    assert_eq!(
        words.body,
        "فراتل: پوزش؛ اختلال تهران تا ۱۶:۰۰ حل نمی‌شود. خبر بعدی ۱۵:۰۵."
    );
    // Nor does an answer tell it.
    run.reply(20, "ali", ReplyKind::Status);
    assert!(!run.log.lines().last().unwrap().contains("۱۶:۴۰"), "{}", run.log);
    // Sooner than may be told: what was told still holds.
    let (log, run) = ends(&[120, 180, 240, 200]);
    assert_eq!(log.last().unwrap(), &None);
    let mut run = run;
    run.tick(69);
    assert_eq!(newest(&run, NoticeStage::Progress).eta, Some(minute(240)));
}

fn given(amount: u64) -> Action {
    Action::Compensate {
        incident: IncidentId::new("inc_1").unwrap(),
        compensation: Compensation {
            amount,
            unit: CompensationUnit::Toman,
        },
    }
}

#[test]
fn a_compensation_is_told_once_two_have_said_it_and_it_suffices_for_all() {
    let over = |said: &[(&str, u64)]| {
        let mut run = people(&["ali", "sara"], |s| {
            s.compensation_budget = [(CompensationUnit::Toman, 100_000)].into();
        });
        run.event(IncidentChange::Confirmed, &confirmed(1, 0));
        run.receipts(1, IntentState::Delivered, |_| true);
        for (team, amount) in said {
            run.command_by(team, 2, given(*amount));
        }
        run.event(
            IncidentChange::Resolved,
            &incident(IncidentState::Resolved, 2, minute(30)),
        );
        let notice = newest(&run, NoticeStage::Resolved);
        let text = notice
            .texts
            .iter()
            .find(|t| t.language == Language::Fa && t.channel == SMS);
        (text.unwrap().body.clone(), run)
    };
    let without = "فراتل: اینترنت تهران وصل شد. از شکیبایی شما سپاسگزاریم.";
    let with = "فراتل: اینترنت تهران وصل شد. برای جبران ۵۰٬۰۰۰ تومان می‌گیرید. از شکیبایی شما سپاسگزاریم.";
    assert_eq!(over(&[]).0, without);
    assert_eq!(over(&[("care", 50_000)]).0, without, "one team says it");
    assert_eq!(
        over(&[("care", 50_000), ("care", 50_000)]).0,
        without,
        "the same one twice"
    );
    assert_eq!(
        over(&[("care", 50_000), ("billing", 40_000)]).0,
        without,
        "two say two things"
    );
    assert_eq!(over(&[("care", 50_000), ("billing", 50_000)]).0, with);
    assert_eq!(
        over(&[("care", 50_001), ("billing", 50_001)]).0,
        without,
        "above the budget"
    );
    assert_eq!(over(&[("care", 0), ("billing", 0)]).0, without);
    let (_, mut run) = over(&[("care", 50_000), ("billing", 50_000)]);
    run.command_by("care", 31, given(10));
    assert!(
        run.log
            .ends_with("it is over, and its end was told without: grant it outside of forecall\n")
    );
}

fn drill(minutes: u32) -> Action {
    Action::Drill {
        scope: confirmed(1, 0).scope,
        severity: Severity::Severe,
        minutes,
    }
}

#[test]
fn a_rehearsal_goes_the_whole_way_and_reaches_test_people_only() {
    let mut run = people(&["ali", "tester"], |s| {
        s.approval = ApprovalSettings::default();
        s.drill_people = [CustomerId::new("cus_tester").unwrap()].into();
    });
    run.command(0, drill(30));
    run.command(1, drill(30));
    run.command(2, approve(&newest(&run, NoticeStage::Confirmed)));
    run.receipts(3, IntentState::Delivered, |_| true);
    run.command(4, take_back(&newest(&run, NoticeStage::Confirmed)));
    run.tick(31);
    run.command(32, drill(0));
    expect![[r#"
        +0 min: command
          confirmed r1 drafted: audience 2 | approval=2 (it reaches 2 people, more than 0: waits for approval of its text)
            تمرین، نادیده بگیرید: فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
        +1 min: command
          refused (not_allowed): a rehearsal goes on already: end it first
        +2 min: command
          confirmed r2 sending: audience 2 planned=1 | simulated=1 (1 message planned)
            -> cus_tester sms
        +3 min: delivered
        +4 min: command
          confirmed r3 retracted: audience 2 delivered=1 | simulated=1 (later news has overtaken it)
          retraction r1 sending: audience 2 planned=1 (1 message planned)
            تمرین، نادیده بگیرید: فراتل: پیام ۱۴:۰۲ ما درباره تهران اشتباه بود. پوزش می‌خواهیم.
            -> cus_tester sms
          confirmed r1 held: audience 2 | person=2 (held back by noc: what was told was taken back)
            تمرین، نادیده بگیرید: فراتل: اینترنت تهران مختل است. خبر بعدی تا ۱۵:۰۰.
        +31 min: tick
          confirmed r2 suppressed: audience 2 | stale=2 (later news has overtaken it)
        +32 min: command
          refused (not_allowed): a rehearsal lasts 1 to 240 minutes
    "#]]
    .assert_eq(&run.log);
    assert!(run.notices.values().all(|n| n.simulated));
    // Nobody named: nobody told.
    let mut run = people(&["ali"], |_| {});
    run.command(0, drill(30));
    assert!(run.intents.is_empty());
    let notice = newest(&run, NoticeStage::Confirmed);
    assert_eq!(notice.withheld, [(HoldReason::Simulated, 1)].into());
    run.command(
        5,
        Action::EndDrill {
            incident: notice.incident,
        },
    );
    run.command(6, drill(30));
    assert!(!run.log.contains("refused"), "{}", run.log);
}

#[test]
fn a_simulated_incident_that_is_no_rehearsal_reaches_no_test_people_either() {
    let mut run = people(&["tester"], |s| {
        s.drill_people = [CustomerId::new("cus_tester").unwrap()].into();
    });
    let replayed = Incident {
        simulated: true,
        ..confirmed(1, 0)
    };
    run.event(IncidentChange::Confirmed, &replayed);
    assert!(run.intents.is_empty());
}

#[test]
fn a_restart_between_words_changes_nothing() {
    let go = |reload: bool| {
        let mut run = people(&["ali", "sara"], |s| {
            s.compensation_budget = [(CompensationUnit::Toman, 100_000)].into();
        });
        let again = |run: &mut Run| {
            if reload {
                let bytes = run.stage.save().unwrap();
                run.stage = OutreachStage::load(Arc::clone(&run.settings), &bytes).unwrap();
            }
        };
        run.event(IncidentChange::Confirmed, &confirmed(1, 0));
        run.receipts(1, IntentState::Accepted, |_| true);
        run.command_by("care", 2, given(50_000));
        again(&mut run);
        run.command_by("billing", 3, given(50_000));
        run.command_by("field", 4, step("فیبر جوش خورد", "The fibre is spliced"));
        again(&mut run);
        run.command_by("noc", 5, approve(&newest(&run, NoticeStage::Progress)));
        run.command(6, take_back(&newest(&run, NoticeStage::Confirmed)));
        again(&mut run);
        run.command(7, approve(&held(&run)));
        run.event(
            IncidentChange::Resolved,
            &incident(IncidentState::Resolved, 2, minute(30)),
        );
        (run.log, run.stage.save().unwrap())
    };
    assert_eq!(go(false), go(true));
}

#[test]
fn who_writes_that_it_is_not_true_is_counted_once_and_for_the_last_message() {
    let mut run = people(&["ali", "sara"], |_| {});
    run.event(IncidentChange::Confirmed, &confirmed(1, 0));
    run.receipts(1, IntentState::Delivered, |_| true);
    run.reply(2, "ali", ReplyKind::Untrue);
    run.reply(3, "ali", ReplyKind::Untrue);
    run.reply(3, "nobody", ReplyKind::Untrue);
    run.tick(4);
    assert_eq!(newest(&run, NoticeStage::Confirmed).untrue, 1);
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 2, minute(30)),
    );
    run.receipts(31, IntentState::Delivered, |_| true);
    run.reply(32, "sara", ReplyKind::Untrue);
    run.tick(33);
    assert_eq!(newest(&run, NoticeStage::Resolved).untrue, 1);
    assert_eq!(newest(&run, NoticeStage::Confirmed).untrue, 1);
    let answers = |o: &&OutreachOutput| matches!(o, OutreachOutput::Answer { .. });
    assert_eq!(run.outputs.iter().filter(answers).count(), 0);
}

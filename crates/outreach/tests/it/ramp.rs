//! An opening goes to few first, then to more, then to all, and stops itself where something is wrong.

use std::collections::BTreeSet;
use std::sync::Arc;

use forecall_outreach::{OutreachOutput, OutreachSettings, OutreachStage, RampSettings, ServiceClass};
use forecall_stage::Stage;
use forecall_types::*;

use crate::world::*;

const SMS: ContactChannel = ContactChannel::Sms;
const PEOPLE: usize = 4_000;

fn ramped(change: impl FnOnce(&mut OutreachSettings)) -> Arc<OutreachSettings> {
    settings(|s| {
        s.approval.reach_above = u64::MAX;
        s.ramp = Some(RampSettings::default());
        change(s);
    })
}

fn with_people(settings: Arc<OutreachSettings>) -> Run {
    let mut run = Run::new(settings);
    let people: Vec<Customer> = (0..PEOPLE)
        .map(|i| customer(&format!("{i:05}"), &[SMS]))
        .collect();
    run.customers(&people);
    run
}

fn begun(settings: Arc<OutreachSettings>) -> Run {
    let mut run = with_people(settings);
    run.event(
        IncidentChange::Confirmed,
        &incident(IncidentState::Confirmed, 1, minute(0)),
    );
    run
}

fn told(run: &Run) -> BTreeSet<CustomerId> {
    let told = run.intents.iter().filter(|i| !i.notice.is_answer());
    told.map(|i| i.customer.clone()).collect()
}

/// Answers of the gateway, one after the other, to messages that have none yet.
fn answer(run: &mut Run, n: i64, states: &[IntentState]) {
    let open: Vec<Intent> = run.intents.clone();
    let known = |run: &Run, id: &IntentId| {
        let fed = run.fed.iter();
        fed.filter(|e| matches!(e, OutreachEntry::Receipt(r) if r.intent == *id))
            .count()
    };
    let mut waiting = open
        .into_iter()
        .filter(|i| known(run, &i.id) == 0)
        .collect::<Vec<_>>()
        .into_iter();
    for state in states {
        let next = waiting.next().expect("a message without an answer").id;
        run.receipts(n, *state, |i| i.id == next);
    }
}

fn all_accepted(run: &mut Run, n: i64) {
    run.receipts(n, IntentState::Accepted, |_| true);
}

fn stopped(run: &Run) -> Option<RampStop> {
    run.notices.values().find_map(|n| n.ramp.as_ref()?.stopped)
}

fn held(run: &Run) -> Option<Notice> {
    let mut held = run.notices.values().filter(|n| n.state == NoticeState::Held);
    held.find(|n| n.withheld.contains_key(&HoldReason::Ramp)).cloned()
}

#[test]
fn it_goes_to_a_hundredth_a_tenth_and_all_when_answers_are_in() {
    let mut run = begun(ramped(|_| {}));
    let first = told(&run);
    assert!((20..=65).contains(&first.len()), "{}", first.len());
    run.tick(6);
    assert_eq!(told(&run), first, "nobody knows yet whether they arrive");
    all_accepted(&mut run, 6);
    run.tick(7);
    let second = told(&run);
    assert!((330..=470).contains(&second.len()), "{}", second.len());
    assert!(second.is_superset(&first));
    all_accepted(&mut run, 8);
    run.tick(11);
    assert_eq!(told(&run), second, "each step is looked at for five minutes");
    run.tick(12);
    assert_eq!(told(&run).len(), PEOPLE);
    let mut ids: Vec<_> = run.intents.iter().map(|i| &i.customer).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), run.intents.len(), "each is told once");
    let told_of = run.notices.values().find_map(|n| n.ramp.clone()).unwrap();
    assert_eq!((told_of.share, told_of.stopped), (Probability::ONE, None));
}

#[test]
fn a_smaller_step_lies_within_a_larger_one() {
    let of = |share: f64| {
        told(&begun(ramped(|s| {
            s.ramp.as_mut().unwrap().shares = vec![Probability::clamped(share)];
        })))
    };
    let (small, large) = (of(0.03), of(0.3));
    assert!(large.is_superset(&small) && small.len() < large.len());
}

#[test]
fn it_stops_at_the_bound_and_not_before() {
    use IntentState::{Accepted, Failed};
    // At 5 %, two failures or more have a chance of 5.7 % among eight and of 4.4 % among seven.
    let mut run = begun(ramped(|_| {}));
    answer(&mut run, 1, &[Accepted; 6]);
    answer(&mut run, 1, &[Failed; 2]);
    assert_eq!(stopped(&run), None);
    let mut run = begun(ramped(|_| {}));
    answer(&mut run, 1, &[Accepted; 5]);
    answer(&mut run, 1, &[Failed; 1]);
    assert_eq!(stopped(&run), None);
    answer(&mut run, 1, &[Failed; 1]);
    assert_eq!(stopped(&run), Some(RampStop::Failures));
}

#[test]
fn five_failures_in_a_row_stop_it_it_says_so_and_a_person_lets_it_go_on() {
    use IntentState::{Accepted, Failed};
    let mut run = begun(ramped(|s| {
        s.ramp.as_mut().unwrap().failed_max = Probability::clamped(0.9);
    }));
    answer(&mut run, 1, &[Accepted; 10]);
    answer(&mut run, 1, &[Failed; 4]);
    answer(&mut run, 1, &[Accepted; 1]);
    answer(&mut run, 1, &[Failed; 4]);
    assert_eq!(stopped(&run), None, "a success lies between");
    answer(&mut run, 1, &[Failed; 1]);
    assert_eq!(stopped(&run), Some(RampStop::FailuresInARow));
    let cancelled = |o: &&OutreachOutput| {
        matches!(
            o,
            OutreachOutput::CancelIntents {
                reason: HoldReason::Ramp,
                customer: None,
                ..
            }
        )
    };
    assert_eq!(
        run.outputs.iter().filter(cancelled).count(),
        1,
        "what hasn't left is taken back"
    );
    let before = run.intents.len();
    run.tick(2);
    run.tick(30);
    assert_eq!(run.intents.len(), before, "nobody more is told");
    let notice = held(&run).expect("a notice that waits for a person");
    assert!(
        notice
            .reason
            .contains("the ramp has stopped: several messages in a row failed"),
        "{}",
        notice.reason
    );
    let text = Arc::clone(&notice.text_fingerprint);
    run.command(
        31,
        Action::Approve {
            notice: notice.id,
            text,
        },
    );
    let again = run.intents.len() - before;
    assert!((1..80).contains(&again), "the step it was at: {again}");
    all_accepted(&mut run, 32);
    run.tick(36);
    all_accepted(&mut run, 37);
    run.tick(42);
    assert_eq!(told(&run).len(), PEOPLE, "then on, as before");
}

#[test]
fn stops_beyond_doubt_stop_it() {
    let mut run = begun(ramped(|_| {}));
    all_accepted(&mut run, 1);
    let reached: Vec<CustomerId> = told(&run).into_iter().collect();
    // Who wasn't reached says nothing of the text.
    let others = (0..PEOPLE).map(|i| format!("{i:05}"));
    let others = others.filter(|name| !reached.iter().any(|id| id.as_str().ends_with(name.as_str())));
    for name in others.take(20) {
        run.reply(2, &name, ReplyKind::Stop);
    }
    assert_eq!(stopped(&run), None);
    let mut writers = 0;
    for who in &reached {
        if stopped(&run).is_some() {
            break;
        }
        run.reply(2, who.as_str().trim_start_matches("cus_"), ReplyKind::Stop);
        writers += 1;
    }
    assert_eq!(stopped(&run), Some(RampStop::Stops));
    // Three of some forty; one alone proves nothing.
    assert!((2..=4).contains(&writers), "{writers} of {}", reached.len());
    run.tick(10);
    assert_eq!(told(&run).len(), reached.len());
}

#[test]
fn few_people_danger_and_who_wants_none_go_at_once() {
    assert_eq!(told(&begun(ramped(|s| s.ramp = None))).len(), PEOPLE);
    let few = ramped(|s| s.ramp.as_mut().unwrap().people_min = 4_001);
    assert_eq!(told(&begun(few)).len(), PEOPLE);
    let danger = ramped(|s| {
        for service in s.services.values_mut() {
            service.class = ServiceClass::Emergency;
        }
    });
    let held_by_ramp = |severity: Severity| {
        let mut run = with_people(Arc::clone(&danger));
        let mut now = incident(IncidentState::Confirmed, 1, minute(0));
        now.severity = severity;
        run.event(IncidentChange::Confirmed, &now);
        let mut notices = run.notices.values();
        notices.any(|n| n.withheld.contains_key(&HoldReason::Ramp))
    };
    assert!(held_by_ramp(Severity::Severe));
    assert!(!held_by_ramp(Severity::Extreme), "danger to life");
}

/// A tenth of failures stops it in the second step at the latest, a fiftieth lets it go on.
#[test]
fn a_bad_gateway_is_found_and_a_good_one_borne() {
    let walk = |every: usize| {
        let mut run = begun(ramped(|_| {}));
        for minutes in [1, 7, 13] {
            let open = run.intents.len()
                - run
                    .fed
                    .iter()
                    .filter(|e| matches!(e, OutreachEntry::Receipt(_)))
                    .count();
            for no in 1..=open {
                if stopped(&run).is_some() {
                    return (stopped(&run), told(&run).len());
                }
                let state = if no % every == 0 {
                    IntentState::Failed
                } else {
                    IntentState::Accepted
                };
                answer(&mut run, minutes, &[state]);
            }
            if minutes < 13 {
                run.tick(minutes + 5);
            }
            if told(&run).len() == PEOPLE {
                break;
            }
        }
        (stopped(&run), told(&run).len())
    };
    let (why, reached) = walk(10);
    assert_eq!(why, Some(RampStop::Failures));
    assert!(reached < 500, "{reached}");
    assert_eq!(walk(50), (None, PEOPLE));
}

#[test]
fn a_restart_between_the_steps_changes_nothing() {
    let go = |reload: bool| {
        let mut run = begun(ramped(|_| {}));
        answer(&mut run, 1, &[IntentState::Accepted; 12]);
        if reload {
            let bytes = run.stage.save().unwrap();
            run.stage = OutreachStage::load(Arc::clone(&run.settings), &bytes).unwrap();
        }
        all_accepted(&mut run, 2);
        run.tick(6);
        answer(&mut run, 7, &[IntentState::Failed; 5]);
        run.tick(8);
        (
            run.intents.clone(),
            run.notices.clone(),
            run.stage.save().unwrap(),
        )
    };
    assert_eq!(go(false), go(true));
}

#[test]
fn those_who_write_that_it_is_not_true_stop_it_beyond_doubt() {
    let mut run = begun(ramped(|_| {}));
    all_accepted(&mut run, 1);
    let reached: Vec<CustomerId> = told(&run).into_iter().collect();
    // Who wasn't reached says nothing of the text.
    let others = (0..PEOPLE).map(|i| format!("{i:05}"));
    let others = others.filter(|name| !reached.iter().any(|id| id.as_str().ends_with(name.as_str())));
    for name in others.take(20) {
        run.reply(2, &name, ReplyKind::Untrue);
    }
    assert_eq!(stopped(&run), None);
    let mut writers = 0;
    for who in &reached {
        if stopped(&run).is_some() {
            break;
        }
        let who = who.as_str().trim_start_matches("cus_");
        // Each counts once, however often they write.
        for _ in 0..3 {
            run.reply(3, who, ReplyKind::Untrue);
        }
        writers += 1;
    }
    assert_eq!(stopped(&run), Some(RampStop::Untrue));
    assert!((2..=4).contains(&writers), "{writers} of {}", reached.len());
    run.tick(10);
    let told_of = held(&run).unwrap().ramp.unwrap();
    assert_eq!((told_of.untrue, told_of.stops), (writers, 0));
    assert_eq!(told(&run).len(), reached.len());
}

fn over(run: &Run) -> Vec<(String, u32)> {
    let notices = run
        .notices
        .values()
        .filter(|n| n.ramp.as_ref().is_some_and(|r| r.over));
    notices.map(|n| (n.reason.clone(), n.revision)).collect()
}

#[test]
fn it_is_over_once_its_last_step_was_looked_at_and_is_not_judged_after() {
    let mut run = begun(ramped(|_| {}));
    for (answered, ticked) in [(1, 6), (7, 12)] {
        all_accepted(&mut run, answered);
        run.tick(ticked);
    }
    assert_eq!(told(&run).len(), PEOPLE);
    run.tick(18);
    assert_eq!(over(&run), [], "most of the last step has no answer");
    all_accepted(&mut run, 19);
    run.tick(20);
    let said = over(&run);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, "the ramp is over");
    run.tick(30);
    assert_eq!(over(&run), said, "once");
    let people = told(&run);
    for who in people.iter().take(400) {
        run.reply(31, who.as_str().trim_start_matches("cus_"), ReplyKind::Untrue);
    }
    for who in people.iter().skip(400).take(400) {
        run.reply(31, who.as_str().trim_start_matches("cus_"), ReplyKind::Stop);
    }
    let late: BTreeSet<CustomerId> = people.iter().skip(800).take(1_000).cloned().collect();
    run.receipts(32, IntentState::Failed, |i| late.contains(&i.customer));
    assert_eq!(stopped(&run), None);
}

#[test]
fn it_is_over_with_the_incident_and_another_begins_when_that_comes_back() {
    let mut run = begun(ramped(|_| {}));
    all_accepted(&mut run, 1);
    let first = told(&run);
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 2, minute(3)),
    );
    run.tick(4);
    assert_eq!(over(&run).len(), 1);
    all_accepted(&mut run, 5);
    run.tick(6);
    let again = Incident {
        reopened: 1,
        ..incident(IncidentState::Confirmed, 3, minute(60))
    };
    run.event(IncidentChange::Reopened, &again);
    run.tick(62);
    assert_eq!(
        told(&run),
        first,
        "those who heard of it hear again, others wait for the steps"
    );
    all_accepted(&mut run, 63);
    run.tick(66);
    assert!(told(&run).len() > first.len(), "and the steps go on");
}

#[test]
fn a_ramp_that_stopped_and_whose_incident_has_ended_is_over_too() {
    let mut run = begun(ramped(|_| {}));
    answer(&mut run, 1, &[IntentState::Failed; 5]);
    assert!(stopped(&run).is_some());
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 2, minute(3)),
    );
    run.tick(4);
    assert_eq!(over(&run).len(), 1);
}

#[test]
fn each_bound_is_its_own() {
    // With one bound out of reach the other still holds.
    for (kind, wanted) in [
        (ReplyKind::Stop, RampStop::Stops),
        (ReplyKind::Untrue, RampStop::Untrue),
    ] {
        let mut run = begun(ramped(|s| {
            let ramp = s.ramp.as_mut().unwrap();
            match kind {
                ReplyKind::Stop => ramp.untrue_max = Probability::ONE,
                _ => ramp.stops_max = Probability::ONE,
            }
        }));
        all_accepted(&mut run, 1);
        for who in told(&run) {
            run.reply(2, who.as_str().trim_start_matches("cus_"), kind);
        }
        assert_eq!(stopped(&run), Some(wanted));
    }
}

#[test]
fn its_steps_wait_while_a_person_holds_it_back() {
    let mut run = begun(ramped(|_| {}));
    all_accepted(&mut run, 1);
    let first = told(&run);
    let opening = run.notices.values().next().unwrap().clone();
    run.command(
        2,
        Action::Hold {
            notice: opening.id,
            reason: Remark::new("the area is too wide").unwrap(),
        },
    );
    for n in [8, 14, 20, 26] {
        run.tick(n);
    }
    assert_eq!((told(&run), over(&run).len()), (first.clone(), 0));
    let waits = run
        .notices
        .values()
        .find(|n| n.withheld.contains_key(&HoldReason::Person))
        .unwrap();
    let (notice, text) = (waits.id.clone(), Arc::clone(&waits.text_fingerprint));
    run.command(30, Action::Approve { notice, text });
    assert_eq!(told(&run), first, "all of this step had it before");
    run.tick(31);
    assert_eq!(told(&run), first, "it is looked at from now on");
    run.tick(35);
    assert!(told(&run).len() > first.len(), "and goes on");
}

#[test]
fn what_stopped_counts_anew_once_a_person_lets_it_go_on_and_send_does_not() {
    let mut run = begun(ramped(|_| {}));
    answer(&mut run, 1, &[IntentState::Failed; 2]);
    assert_eq!(stopped(&run), Some(RampStop::Failures));
    run.tick(2);
    let waits = held(&run).unwrap();
    let (notice, text) = (waits.id.clone(), Arc::clone(&waits.text_fingerprint));
    let before = run.intents.len();
    run.command(
        3,
        Action::Send {
            notice: notice.clone(),
            text: Arc::clone(&text),
        },
    );
    assert!(
        run.log
            .ends_with("its ramp has stopped itself: approve the text to go on\n")
    );
    run.command(4, Action::Approve { notice, text });
    let share = run.intents.len() - before;
    assert!((1..100).contains(&share), "the step it was at: {share}");
    answer(&mut run, 5, &[IntentState::Accepted]);
    all_accepted(&mut run, 6);
    run.tick(10);
    assert!(told(&run).len() > 300, "what failed before counts no more");
}

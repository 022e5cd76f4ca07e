//! Some are told later, at random, so that the effect of telling is measured (R6).

use std::collections::BTreeSet;
use std::sync::Arc;

use forecall_outreach::{
    HoldOutDelay, HoldOutSettings, HoldOutShare, LastDay, OutreachSettings, OutreachStage, ServiceClass,
};
use forecall_stage::Stage;
use forecall_types::*;

use crate::world::*;

const SMS: ContactChannel = ContactChannel::Sms;
const PEOPLE: usize = 4_000;

fn with_hold_out(change: impl FnOnce(&mut OutreachSettings)) -> Arc<OutreachSettings> {
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
        change(s);
    })
}

/// Many customers, of whom the first ten must not wait; trouble that is confirmed at once.
fn begun(settings: Arc<OutreachSettings>, change: impl FnOnce(&mut Incident)) -> Run {
    begun_for(PEOPLE, settings, change)
}

fn begun_for(people: usize, settings: Arc<OutreachSettings>, change: impl FnOnce(&mut Incident)) -> Run {
    let mut run = Run::new(settings);
    let people: Vec<Customer> = (0..people)
        .map(|i| Customer {
            priority: i < 10,
            ..customer(&format!("{i:05}"), &[SMS])
        })
        .collect();
    run.customers(&people);
    let mut now = incident(IncidentState::Confirmed, 1, minute(0));
    change(&mut now);
    run.event(IncidentChange::Confirmed, &now);
    run
}

fn told(run: &Run) -> BTreeSet<CustomerId> {
    run.intents.iter().map(|i| i.customer.clone()).collect()
}

fn held_out(run: &Run) -> u64 {
    let held = |n: &Notice| n.withheld.get(&HoldReason::HoldOut).copied().unwrap_or(0);
    run.notices.values().map(held).sum()
}

fn call(run: &mut Run, n: i64, who: &CustomerId) {
    run.feed(OutreachEntry::Call(CallRecord {
        id: Arc::from(format!("call-{n}-{who}")),
        domain: domain(),
        queue: QueueName::new("support").unwrap(),
        customer: Some(who.clone()),
        region: None,
        arrived_at: minute(n),
        at: minute(n),
        wait: None,
        handle: None,
        outcome: CallOutcome::Answered,
    }));
}

fn everybody() -> BTreeSet<CustomerId> {
    first_of(PEOPLE)
}

fn first_of(people: usize) -> BTreeSet<CustomerId> {
    let all = (0..people).map(|i| CustomerId::new(&format!("cus_{i:05}")).unwrap());
    all.collect()
}

fn trial(run: &Run) -> Option<HoldOutTrial> {
    run.notices.values().find_map(|n| n.hold_out.clone())
}

#[test]
fn a_tenth_waits_is_counted_and_hears_half_an_hour_later() {
    let mut run = begun(with_hold_out(|_| {}), |_| {});
    let first = told(&run);
    let waiting: Vec<CustomerId> = everybody().difference(&first).cloned().collect();
    let share = waiting.len() * 100 / PEOPLE;
    assert!((8..=12).contains(&share), "{share} % wait");
    assert_eq!(held_out(&run), u64::try_from(waiting.len()).unwrap());
    for i in 0..10 {
        let who = CustomerId::new(&format!("cus_{i:05}")).unwrap();
        assert!(first.contains(&who), "who must not wait doesn't");
    }
    run.tick(29);
    assert_eq!(told(&run), first, "not yet");
    // Contacts of both arms, each person once; what comes after the others are told counts no more, nor who must not wait.
    let of_told: Vec<CustomerId> = first.iter().skip(10).take(7).cloned().collect();
    for who in waiting.iter().take(3).chain(&of_told).chain(first.iter().take(2)) {
        call(&mut run, 12, who);
        call(&mut run, 13, who);
    }
    let name = |who: &CustomerId| who.as_str().trim_start_matches("cus_").to_owned();
    let writers: Vec<String> = first.iter().skip(20).take(2).map(name).collect();
    let [asks, stops] = writers.as_slice() else {
        panic!("{writers:?}");
    };
    run.reply(14, asks, ReplyKind::Status);
    run.reply(14, stops, ReplyKind::Stop);
    run.tick(30);
    assert_eq!(told(&run), everybody(), "delayed, never silenced");
    for who in waiting.iter().skip(3).take(50) {
        call(&mut run, 31, who);
    }
    run.tick(40);
    let found = trial(&run).expect("what came of it");
    assert_eq!((found.from, found.until), (minute(0), minute(30)));
    assert_eq!(
        (found.held_out, found.held_out_contacts),
        (u64::try_from(waiting.len()).unwrap(), 3)
    );
    assert_eq!(
        (found.told, found.told_contacts),
        (u64::try_from(first.len() - 10).unwrap(), 8),
        "seven calls and one who asks; who wants no more is no contact"
    );
    // Answers are beside the notices.
    let notices = run
        .intents
        .iter()
        .filter(|i| !i.notice.as_str().starts_with("ans_"));
    let mut ids: Vec<_> = notices.map(|i| i.customer.clone()).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "each is told once");
}

#[test]
fn nobody_waits_where_nobody_may() {
    let all = |run: Run| assert_eq!((told(&run).len(), held_out(&run)), (PEOPLE, 0));
    all(begun(with_hold_out(|s| s.hold_out = None), |_| {}));
    all(begun(with_hold_out(|_| {}), |i| i.storm = true));
    all(begun(with_hold_out(|_| {}), |i| {
        i.parent = Some(IncidentId::new("inc_0").unwrap());
    }));
    all(begun(
        with_hold_out(|s| {
            let day = LastDay::try_from("2026-11-21".to_owned()).unwrap();
            s.hold_out.as_mut().unwrap().until = day;
        }),
        |_| {},
    ));
    all(begun(
        with_hold_out(|s| {
            let never = ServiceName::new("internet").unwrap();
            s.hold_out.as_mut().unwrap().never = vec![never];
        }),
        |_| {},
    ));
    for class in [ServiceClass::Payment, ServiceClass::Alarm, ServiceClass::Voice] {
        all(begun(
            with_hold_out(|s| {
                let internet = s.services.get_mut(&ServiceName::new("internet").unwrap());
                internet.unwrap().class = class;
            }),
            |_| {},
        ));
    }
}

#[test]
fn what_is_over_before_the_others_are_told_ends_the_hold_out() {
    let mut run = begun(with_hold_out(|_| {}), |_| {});
    let first = told(&run);
    run.receipts(1, IntentState::Delivered, |_| true);
    let over = incident(IncidentState::Resolved, 2, minute(10));
    run.event(IncidentChange::Resolved, &over);
    run.tick(11);
    run.tick(40);
    assert_eq!(told(&run), first, "nobody hears of what is over");
    let found = trial(&run).expect("what came of it");
    assert_eq!((found.from, found.until), (minute(0), minute(10)));
    assert!(found.held_out > 0 && found.held_out_contacts == 0);
}

#[test]
fn nobody_waits_twice_within_three_months() {
    let mut run = begun(with_hold_out(|_| {}), |_| {});
    let first: BTreeSet<CustomerId> = everybody().difference(&told(&run)).cloned().collect();
    run.tick(30);
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 2, minute(50)),
    );
    run.tick(51);
    let before = run.intents.len();
    let again = Incident {
        id: IncidentId::new("inc_2").unwrap(),
        ..incident(IncidentState::Confirmed, 1, minute(24 * 60))
    };
    run.event(IncidentChange::Confirmed, &again);
    let now: BTreeSet<CustomerId> = run.intents[before..].iter().map(|i| i.customer.clone()).collect();
    let second: BTreeSet<CustomerId> = everybody().difference(&now).cloned().collect();
    assert!(second.len() > PEOPLE / 20, "{} wait", second.len());
    assert!(first.is_disjoint(&second));
}

#[test]
fn a_snapshot_in_between_changes_nothing() {
    let whole = |cut: bool| {
        let mut run = begun(with_hold_out(|_| {}), |_| {});
        let who = everybody().difference(&told(&run)).next().cloned().unwrap();
        call(&mut run, 5, &who);
        if cut {
            let bytes = run.stage.save().unwrap();
            run.stage = OutreachStage::load(with_hold_out(|_| {}), &bytes).unwrap();
        }
        run.tick(30);
        run.tick(31);
        (told(&run), trial(&run))
    };
    let (cut, uncut) = (whole(true), whole(false));
    assert_eq!(cut, uncut);
    assert_eq!(cut.1.unwrap().held_out_contacts, 1);
}

/// People where many incidents follow each other.
const FEW: usize = 600;

/// An incident of its own at this minute, in which so many of a hundred of those who wait, and of those who are told, call.
fn one_more(run: &mut Run, number: i64, (waiting_calls, told_calls): (usize, usize)) {
    let begun = number * 24 * 60;
    let before = run.intents.len();
    let id = IncidentId::new(&format!("inc_d{number}")).unwrap();
    let of = |state, revision, at| Incident {
        id: id.clone(),
        ..incident(state, revision, minute(at))
    };
    run.event(IncidentChange::Confirmed, &of(IncidentState::Confirmed, 1, begun));
    let first: BTreeSet<CustomerId> = run.intents[before..].iter().map(|i| i.customer.clone()).collect();
    let waiting: Vec<CustomerId> = first_of(FEW).difference(&first).cloned().collect();
    for (people, calls) in [
        (waiting, waiting_calls),
        (first.into_iter().collect(), told_calls),
    ] {
        for (at, who) in people.iter().enumerate() {
            // Evenly: of few who wait as many of a hundred as of many who are told.
            if at * calls % 100 < calls {
                call(run, begun + 5, who);
            }
        }
    }
    run.tick(begun + 30);
    run.event(
        IncidentChange::Resolved,
        &of(IncidentState::Resolved, 2, begun + 50),
    );
    run.tick(begun + 51);
}

fn ended(run: &Run) -> Option<HoldOutEnd> {
    run.notices.values().find_map(|n| n.hold_out.as_ref()?.ended)
}

/// How many wait in an incident that begins at this minute.
fn wait_in(run: &mut Run, name: &str, at: i64) -> u64 {
    let before = held_out(run);
    let new = Incident {
        id: IncidentId::new(name).unwrap(),
        ..incident(IncidentState::Confirmed, 1, minute(at))
    };
    run.event(IncidentChange::Confirmed, &new);
    held_out(run) - before
}

/// Incidents until it ends itself, at most so many.
fn until_it_ends(calls: (usize, usize), most: i64) -> (Run, Option<i64>) {
    let mut run = begun_for(FEW, with_hold_out(|_| {}), |_| {});
    run.tick(31);
    run.event(
        IncidentChange::Resolved,
        &incident(IncidentState::Resolved, 2, minute(40)),
    );
    run.tick(41);
    let mut count = None;
    for number in 1..=most {
        one_more(&mut run, number, calls);
        if ended(&run).is_some() {
            count = Some(number);
            break;
        }
    }
    (run, count)
}

#[test]
fn it_ends_itself_where_waiting_harms_and_nobody_waits_until_it_is_declared_anew() {
    let (mut run, count) = until_it_ends((60, 10), 20);
    let count = count.expect("it ends");
    assert!(count > 1, "one incident shows nothing");
    assert_eq!(ended(&run), Some(HoldOutEnd::WaitingHarms));
    assert_eq!(run.stage.hold_outs_ended(), 1);
    let says = |n: &&Notice| n.hold_out.as_ref().is_some_and(|trial| trial.ended.is_some());
    assert_eq!(run.notices.values().filter(says).count(), 1, "said once");
    let next = (count + 1) * 24 * 60;
    assert_eq!(wait_in(&mut run, "inc_after", next), 0);
    // Over a restart, too; and what is only tuned is no new declaration.
    let bytes = run.stage.save().unwrap();
    let load = |change: &dyn Fn(&mut HoldOutSettings)| {
        let settings = with_hold_out(|s| change(s.hold_out.as_mut().unwrap()));
        let mut run = Run::new(Arc::clone(&settings));
        run.stage = OutreachStage::load(settings, &bytes).unwrap();
        run
    };
    let mut tuned = load(&|h| h.share = HoldOutShare::try_from(0.05).unwrap());
    assert_eq!(wait_in(&mut tuned, "inc_tuned", next + 60), 0);
    assert_eq!(tuned.stage.hold_outs_ended(), 1);
    for change in [
        (|h: &mut HoldOutSettings| h.purpose = Arc::from("and with other words")) as fn(&mut HoldOutSettings),
        |h| h.until = LastDay::try_from("2027-12-31".to_owned()).unwrap(),
        |h| h.owner = Arc::from("quality"),
    ] {
        let mut anew = load(&change);
        assert_eq!(anew.stage.hold_outs_ended(), 0);
        assert!(wait_in(&mut anew, "inc_anew", next + 60) > 0, "declared anew");
    }
}

#[test]
fn it_ends_itself_where_telling_harms() {
    let (run, count) = until_it_ends((10, 60), 20);
    assert!(count.is_some());
    assert_eq!(ended(&run), Some(HoldOutEnd::TellingHarms));
}

#[test]
fn it_goes_on_where_nothing_is_shown() {
    let (mut run, count) = until_it_ends((20, 20), 12);
    assert_eq!((count, run.stage.hold_outs_ended()), (None, 0));
    assert!(wait_in(&mut run, "inc_after", 13 * 24 * 60) > 0);
}

#[test]
fn who_waits_in_another_incident_is_told_when_it_ends() {
    let (_, count) = until_it_ends((60, 10), 20);
    let last = count.unwrap();
    let (mut run, _) = until_it_ends((60, 10), last - 1);
    let begun = last * 24 * 60;
    // It began later, so its people would wait until minute 45.
    let other = begun + 15;
    let mut beside = None;
    let before = run.intents.len();
    let of = |name: &str, at| Incident {
        id: IncidentId::new(name).unwrap(),
        ..incident(IncidentState::Confirmed, 1, minute(at))
    };
    run.event(IncidentChange::Confirmed, &of(&format!("inc_d{last}"), begun));
    let first: BTreeSet<CustomerId> = run.intents[before..].iter().map(|i| i.customer.clone()).collect();
    let waiting: Vec<CustomerId> = first_of(FEW).difference(&first).cloned().collect();
    for who in waiting
        .iter()
        .take(waiting.len() * 6 / 10)
        .chain(first.iter().take(first.len() / 10))
    {
        call(&mut run, begun + 5, who);
    }
    let waits = wait_in(&mut run, "inc_beside", other);
    assert!(waits > 0);
    for minute in [29, 30, 31] {
        run.tick(begun + minute);
        let notice = run.notices.values().find(|n| n.incident.as_str() == "inc_beside");
        beside = notice.map(|n| n.withheld.get(&HoldReason::HoldOut).copied().unwrap_or(0));
        if minute == 29 {
            assert_eq!(beside, Some(waits), "not yet");
        }
    }
    assert!(ended(&run).is_some());
    assert_eq!(beside, Some(0), "nobody waits any more");
    let told = run
        .intents
        .iter()
        .filter(|i| i.incident.as_str() == "inc_beside")
        .count();
    assert_eq!(told, FEW);
}

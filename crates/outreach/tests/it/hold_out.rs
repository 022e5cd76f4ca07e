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
    let mut run = Run::new(settings);
    let people: Vec<Customer> = (0..PEOPLE)
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
    let all = (0..PEOPLE).map(|i| CustomerId::new(&format!("cus_{i:05}")).unwrap());
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

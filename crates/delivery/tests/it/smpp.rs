//! SMPP against a fake message centre that fails by plan.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forecall_delivery::{
    DeliverReport, DeliverSettings, Deliverer, Gateway as _, Joining, RateLimit, SmppGateway, SmppSettings,
    SmppTls,
};
use forecall_ledger::{Heard, Prefer, StaleRules, short_reference};
use forecall_types::{ContactChannel, IntentState};

use crate::fake_smsc::{FakeSmsc, Fault, Manner};
use crate::{Desk, at};

pub(crate) const SMS: ContactChannel = ContactChannel::Sms;

pub(crate) fn settings(centre: &FakeSmsc) -> SmppSettings {
    SmppSettings {
        timeout: Duration::from_secs(1),
        ..SmppSettings::loopback(centre.port, "forecall", "secret", "+983000")
    }
}

pub(crate) fn worker(desk: &Desk, smpp: SmppSettings, settings: DeliverSettings) -> Deliverer {
    let gateway = SmppGateway::new(smpp).unwrap();
    Deliverer::new(desk.open(), vec![Box::new(gateway)], settings).unwrap()
}

pub(crate) fn prefer(sms: Prefer) -> DeliverSettings {
    DeliverSettings {
        in_doubt: StaleRules {
            sms,
            ..StaleRules::default()
        },
        ..DeliverSettings::default()
    }
}

/// Rounds until something is heard or a second is over; the last report.
pub(crate) fn listen(
    worker: &mut Deliverer,
    now: i64,
    done: impl Fn(&mut Deliverer, &DeliverReport) -> bool,
) -> DeliverReport {
    let until = Instant::now() + Duration::from_secs(3);
    loop {
        let report = worker.run_once(at(now)).unwrap();
        if done(worker, &report) || Instant::now() > until {
            return report;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Rounds until so many were heard, those of `first` among them, or three seconds are over; how many.
pub(crate) fn heard(
    worker: &mut Deliverer,
    now: i64,
    first: &DeliverReport,
    of: impl Fn(&Heard) -> u64,
    want: u64,
) -> u64 {
    let until = Instant::now() + Duration::from_secs(3);
    let mut count = of(&first.heard);
    while count < want && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
        count += of(&worker.run_once(at(now)).unwrap().heard);
    }
    count
}

pub(crate) fn states(worker: &mut Deliverer) -> BTreeMap<IntentState, u64> {
    let counts = worker.ledger().intent_counts().unwrap();
    counts.into_iter().map(|((_, state), n)| (state, n)).collect()
}

pub(crate) fn reach(worker: &mut Deliverer, now: i64, want: &[(IntentState, u64)]) {
    let want: BTreeMap<_, _> = want.iter().copied().collect();
    listen(worker, now, |worker, _| states(worker) == want);
    assert_eq!(states(worker), want);
}

#[test]
fn a_persian_text_arrives_byte_by_byte_and_receipts_say_so() {
    let centre = FakeSmsc::start(Manner::default(), &[]);
    let desk = Desk::new(SMS, 3);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!((report.leased, report.total(IntentState::Accepted)), (3, 3));
    reach(&mut worker, 21, &[(IntentState::Delivered, 3)]);
    let known = centre.centre();
    assert_eq!(known.binds, [("forecall".to_owned(), "secret".to_owned())]);
    assert_eq!(known.taken.len(), 3);
    let taken = &known.taken[0];
    assert_eq!(
        (taken.to.as_str(), taken.from.as_str()),
        ("989123450000", "983000")
    );
    let wanted: Vec<u8> = "مشتری گرامی\n.\n..\nپایان"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    assert_eq!((taken.coding, taken.class, &taken.octets), (8, 0, &wanted));
    assert_eq!(taken.reference, Some(short_reference(&"int_0".parse().unwrap())));
    // True until second 100,000, sent at 20: a day, 3 hours, 46 minutes, 20 seconds.
    assert_eq!(taken.validity, "000001034620000R");
    drop(known);
    // The centre is told so only when the ledger has it.
    let told = listen(&mut worker, 22, |_, _| centre.centre().acknowledged == 3);
    assert_eq!((centre.centre().acknowledged, told.heard.unmatched), (3, 0));
}

#[test]
fn a_long_text_goes_in_joined_parts_and_is_delivered_when_all_are() {
    for joining in [Joining::Udh, Joining::Sar] {
        let faults = [Fault::None, Fault::NoReceipt, Fault::None];
        let centre = FakeSmsc::start(Manner::default(), &faults);
        let text = "اینترنت شیراز ".repeat(11);
        let desk = Desk::with_text(SMS, 1, &text, 3);
        let smpp = SmppSettings {
            joining,
            ..settings(&centre)
        };
        let mut worker = worker(&desk, smpp, DeliverSettings::default());
        let report = worker.run_once(at(20)).unwrap();
        assert_eq!(report.total(IntentState::Accepted), 1);
        let repeated = heard(&mut worker, 21, &report, |heard| heard.repeated, 2);
        // Two of three have arrived: that is no delivered message.
        assert_eq!(
            (repeated, states(&mut worker)),
            (2, BTreeMap::from([(IntentState::Accepted, 1)]))
        );
        let known = centre.centre();
        assert_eq!(known.taken.len(), 3);
        let mut octets: Vec<u8> = Vec::new();
        for (number, part) in (1..).zip(&known.taken) {
            match joining {
                Joining::Udh => {
                    assert_eq!(
                        (part.class, &part.octets[..3], &part.octets[4..6]),
                        (0x40, &[5, 0, 3][..], &[3, number][..])
                    );
                    assert!(part.octets.len() <= 140);
                    octets.extend(&part.octets[6..]);
                }
                Joining::Sar => {
                    assert_eq!((part.class, part.tlvs), (0, 4));
                    octets.extend(&part.octets);
                }
            }
        }
        assert_eq!(
            octets,
            text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>()
        );
    }
}

#[test]
fn what_receipts_say_is_where_messages_end() {
    let faults = [
        Fault::Stat("UNDELIV"),
        Fault::Stat("EXPIRED"),
        Fault::Stat("ACCEPTD"),
        Fault::NoReceipt,
        Fault::Twice,
    ];
    let centre = FakeSmsc::start(Manner::default(), &faults);
    let desk = Desk::new(SMS, 6);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    worker.run_once(at(20)).unwrap();
    reach(
        &mut worker,
        21,
        &[
            (IntentState::Failed, 2),
            (IntentState::Accepted, 2),
            (IntentState::Delivered, 2),
        ],
    );
    let receipts = worker.ledger().receipts_after(0, 100).unwrap();
    let count = |state| receipts.iter().filter(|(_, r)| r.state == state).count();
    assert_eq!(
        [
            count(IntentState::Accepted),
            count(IntentState::Failed),
            count(IntentState::Delivered)
        ],
        [6, 2, 2]
    );
    assert!(matches!(
        worker.ledger().verify_audit().unwrap(),
        forecall_ledger::AuditVerdict::Whole { .. }
    ));
}

#[test]
fn names_in_two_kinds_of_digits_are_one() {
    let centre = FakeSmsc::start(
        Manner::default(),
        &[Fault::Named("7B", "123"), Fault::Named("1234567890", "499602D2")],
    );
    let desk = Desk::new(SMS, 2);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    worker.run_once(at(20)).unwrap();
    reach(&mut worker, 21, &[(IntentState::Delivered, 2)]);
}

#[test]
fn too_fast_slows_down_and_loses_nothing() {
    let faults = [Fault::None, Fault::Status(0x58), Fault::Status(0x14)];
    let centre = FakeSmsc::start(
        Manner {
            receipts: false,
            ..Manner::default()
        },
        &faults,
    );
    let desk = Desk::new(SMS, 5);
    let smpp = SmppSettings {
        window: 1,
        ..settings(&centre)
    };
    let mut worker = worker(&desk, smpp, DeliverSettings::default());
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!((report.total(IntentState::Accepted), report.returned), (1, 4));
    assert_eq!(report.reasons.get("throttled"), Some(&1));
    assert_eq!(worker.run_once(at(20)).unwrap().leased, 0);
    // The queue was full: five seconds.
    assert_eq!(worker.run_once(at(22)).unwrap().total(IntentState::Accepted), 0);
    assert_eq!(worker.run_once(at(26)).unwrap().leased, 0);
    assert_eq!(worker.run_once(at(28)).unwrap().total(IntentState::Accepted), 4);
    assert_eq!(centre.centre().taken.len(), 5);
}

#[test]
fn in_a_window_the_first_refusal_for_speed_stops_the_others() {
    let faults = [Fault::Status(0x58); 4];
    let manner = Manner {
        receipts: false,
        ..Manner::default()
    };
    let centre = FakeSmsc::start(manner, &faults);
    let desk = Desk::new(SMS, 20);
    let smpp = SmppSettings {
        window: 4,
        ..settings(&centre)
    };
    let mut first = worker(&desk, smpp, DeliverSettings::default());
    let report = first.run_once(at(20)).unwrap();
    assert_eq!((report.total(IntentState::Accepted), report.returned), (0, 20));
    assert_eq!(first.run_once(at(22)).unwrap().total(IntentState::Accepted), 20);
    // In parts: the window is full before the second message has begun to end, and no third one begins.
    let centre = FakeSmsc::start(manner, &faults);
    let desk = Desk::with_text(SMS, 4, &"اینترنت شیراز ".repeat(11), 3);
    let smpp = SmppSettings {
        window: 4,
        ..settings(&centre)
    };
    let mut worker = worker(&desk, smpp, DeliverSettings::default());
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!((report.total(IntentState::Accepted), report.returned), (0, 4));
    assert_eq!(centre.centre().taken.len(), 0);
}

#[test]
fn no_more_than_a_window_is_under_way() {
    let manner = Manner {
        receipts: false,
        delay: Duration::from_millis(20),
        ..Manner::default()
    };
    for window in [1, 4] {
        let centre = FakeSmsc::start(manner, &[]);
        // Twelve messages of three parts: the window counts parts.
        let desk = Desk::with_text(SMS, 12, &"اینترنت شیراز ".repeat(11), 3);
        let smpp = SmppSettings {
            window,
            ..settings(&centre)
        };
        let mut worker = worker(&desk, smpp, DeliverSettings::default());
        let report = worker.run_once(at(20)).unwrap();
        assert_eq!(report.total(IntentState::Accepted), 12);
        let known = centre.centre();
        assert_eq!(
            (known.under_way_max, known.taken.len()),
            (usize::from(window), 36)
        );
    }
}

#[test]
fn the_rest_of_a_begun_message_is_offered_again() {
    let faults = [Fault::None, Fault::Status(0x58), Fault::None];
    let centre = FakeSmsc::start(Manner::default(), &faults);
    let desk = Desk::with_text(SMS, 1, &"اینترنت شیراز ".repeat(11), 3);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    assert_eq!(worker.run_once(at(20)).unwrap().total(IntentState::Accepted), 1);
    let parts: Vec<u8> = centre.centre().taken.iter().map(|part| part.octets[5]).collect();
    assert_eq!(parts, [1, 3, 2]);
}

#[test]
fn refusals_for_good_fail_that_one_alone() {
    let faults = [Fault::Status(0x0b), Fault::Status(0x400), Fault::Status(0x45)];
    let centre = FakeSmsc::start(
        Manner {
            receipts: false,
            ..Manner::default()
        },
        &faults,
    );
    let desk = Desk::new(SMS, 4);
    let smpp = SmppSettings {
        blocked_statuses: vec![0x400],
        ..settings(&centre)
    };
    let mut worker = worker(&desk, smpp, DeliverSettings::default());
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!(
        (
            report.total(IntentState::Failed),
            report.postponed,
            report.total(IntentState::Accepted)
        ),
        (2, 1, 1)
    );
    for reason in ["invalid_number", "blocked_by_network", "refused_for_now"] {
        assert_eq!(report.reasons.get(reason), Some(&1), "{reason}");
    }
}

#[test]
fn a_lost_answer_and_a_centre_that_repeats_our_reference_is_sent_once() {
    for rule in [Prefer::Double, Prefer::Miss] {
        let centre = FakeSmsc::start(Manner::default(), &[Fault::CutAfterTaking]);
        let desk = Desk::new(SMS, 1);
        let mut worker = worker(&desk, settings(&centre), prefer(rule));
        let report = worker.run_once(at(20)).unwrap();
        assert_eq!(report.total(IntentState::Accepted), 0);
        // On the next line the receipt comes, with our reference and a name we never heard.
        assert_eq!(heard(&mut worker, 40, &report, |heard| heard.cleared, 1), 1);
        reach(&mut worker, 41, &[(IntentState::Delivered, 1)]);
        // Long after every wait nothing goes again.
        assert_eq!(worker.run_once(at(5_000)).unwrap().leased, 0);
        assert_eq!(centre.centre().taken.len(), 1);
    }
}

#[test]
fn a_lost_answer_and_a_centre_without_echo_follows_the_rule() {
    let mute = Manner {
        echo: false,
        ..Manner::default()
    };
    for (rule, sent, end) in [
        (Prefer::Double, 2, IntentState::Delivered),
        (Prefer::Miss, 1, IntentState::Unknown),
    ] {
        let centre = FakeSmsc::start(mute, &[Fault::CutAfterTaking]);
        let desk = Desk::new(SMS, 1);
        let mut worker = worker(&desk, settings(&centre), prefer(rule));
        let report = worker.run_once(at(20)).unwrap();
        assert_eq!(report.perhaps_doubled, u64::from(rule == Prefer::Double));
        assert_eq!(heard(&mut worker, 40, &report, |heard| heard.unmatched, 1), 1);
        // The receipt is waited for: not before a minute.
        assert_eq!(worker.run_once(at(79)).unwrap().leased, 0);
        reach(&mut worker, 5_000, &[(end, 1)]);
        assert_eq!(centre.centre().taken.len(), sent);
    }
}

#[test]
fn after_a_crash_while_sending_the_receipt_settles_it_before_the_rule_does() {
    let centre = FakeSmsc::start(Manner::default(), &[Fault::Silent]);
    let desk = Desk::new(SMS, 1);
    let mut killed = worker(&desk, settings(&centre), prefer(Prefer::Double));
    centre.centre().hold_mail = true;
    // The process dies with its message on the way: what it holds in memory is gone, the ledger says `sending`.
    let mut ledger = desk.open();
    let lease = forecall_ledger::LeaseRequest {
        worker: "killed",
        now: at(20),
        lease_for: Duration::from_secs(900),
        channels: &[(SMS, 1)],
    };
    let leased = ledger.lease(&lease).unwrap().remove(0);
    drop(ledger);
    let contact = desk
        .open()
        .contact(&leased.intent.customer, SMS)
        .unwrap()
        .unwrap();
    let mut gateway = SmppGateway::new(settings(&centre)).unwrap();
    let message = forecall_delivery::Message {
        intent: &leased.intent,
        text: &leased.text,
        contact: &contact,
        attempt: 1,
        at: at(20),
    };
    assert!(gateway.send(&message).is_err());
    drop(gateway);
    // The lease runs out while nobody is there; the first round of the next process may not send it at once.
    let report = killed.run_once(at(1_000)).unwrap();
    assert_eq!((report.settled.replanned, report.leased), (1, 0));
    centre.centre().hold_mail = false;
    reach(&mut killed, 1_001, &[(IntentState::Delivered, 1)]);
    assert_eq!(killed.run_once(at(9_000)).unwrap().leased, 0);
    assert_eq!(centre.centre().taken.len(), 1);
}

#[test]
fn a_line_cut_before_taking_is_in_doubt_and_one_that_never_stood_is_not() {
    // What was written may have been taken: nobody can tell from here.
    let centre = FakeSmsc::start(Manner::default(), &[Fault::CutBeforeTaking]);
    let desk = Desk::new(SMS, 3);
    let smpp = SmppSettings {
        window: 1,
        ..settings(&centre)
    };
    let mut worker = worker(&desk, smpp, prefer(Prefer::Miss));
    let report = worker.run_once(at(20)).unwrap();
    // The line comes back at once; the others go.
    assert_eq!(
        (
            report.total(IntentState::Unknown),
            report.total(IntentState::Accepted)
        ),
        (1, 2)
    );
    assert_eq!(centre.centre().binds.len(), 2);
}

#[test]
fn a_refused_bind_is_down_and_keeps_the_messages() {
    let centre = FakeSmsc::start(Manner::default(), &[]);
    centre.centre().refuse_bind = Some(0x0e);
    let desk = Desk::new(SMS, 2);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    let report = worker.run_once(at(20)).unwrap();
    assert!(
        report.down.contains(&SMS) && report.reasons.contains_key("login"),
        "{report:?}"
    );
    assert_eq!(report.leased, 0);
    centre.centre().refuse_bind = None;
    // Not tried again for a while, then all go.
    assert_eq!(worker.run_once(at(21)).unwrap().leased, 0);
    assert_eq!(worker.run_once(at(40)).unwrap().total(IntentState::Accepted), 2);
    assert_eq!(centre.centre().binds.len(), 2);
}

#[test]
fn a_quiet_line_is_tried() {
    let centre = FakeSmsc::start(Manner::default(), &[]);
    let desk = Desk::new(SMS, 0);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    for (now, enquiries) in [(20, 0), (40, 0), (51, 1), (60, 1), (82, 2)] {
        worker.run_once(at(now)).unwrap();
        assert_eq!(centre.centre().enquiries, enquiries, "at {now}");
    }
}

#[test]
fn a_part_refused_for_good_ends_the_message_whatever_the_rule() {
    for rule in [Prefer::Double, Prefer::Miss] {
        let faults = [Fault::NoReceipt, Fault::Status(0x45), Fault::Status(0x0b)];
        let centre = FakeSmsc::start(Manner::default(), &faults);
        let desk = Desk::with_text(SMS, 1, &"اینترنت شیراز ".repeat(11), 3);
        let mut worker = worker(&desk, settings(&centre), prefer(rule));
        let report = worker.run_once(at(20)).unwrap();
        assert_eq!(report.reasons.get("part_refused"), Some(&1));
        for now in [100, 1_000, 10_000] {
            worker.run_once(at(now)).unwrap();
        }
        assert_eq!(states(&mut worker), BTreeMap::from([(IntentState::Unknown, 1)]));
        assert_eq!(centre.centre().taken.len(), 1);
    }
}

#[test]
fn a_part_refused_for_now_is_offered_again_alone() {
    let faults = [Fault::None, Fault::Status(0x08), Fault::None];
    let centre = FakeSmsc::start(Manner::default(), &faults);
    let desk = Desk::with_text(SMS, 1, &"اینترنت شیراز ".repeat(11), 3);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    assert_eq!(worker.run_once(at(20)).unwrap().total(IntentState::Accepted), 1);
    let parts: Vec<u8> = centre.centre().taken.iter().map(|part| part.octets[5]).collect();
    assert_eq!(parts, [1, 3, 2]);
}

#[test]
fn a_long_message_in_doubt_is_delivered_when_receipts_of_all_its_parts_have_come() {
    let faults = [Fault::None, Fault::None, Fault::CutAfterTaking];
    let centre = FakeSmsc::start(Manner::default(), &faults);
    let desk = Desk::with_text(SMS, 1, &"اینترنت شیراز ".repeat(11), 3);
    let mut worker = worker(&desk, settings(&centre), prefer(Prefer::Miss));
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 0);
    reach(&mut worker, 40, &[(IntentState::Delivered, 1)]);
    assert_eq!(centre.centre().taken.len(), 3);
}

#[test]
fn a_message_without_a_receipt_becomes_unknown_where_the_centre_sends_them() {
    let centre = FakeSmsc::start(Manner::default(), &[Fault::None, Fault::NoReceipt]);
    let desk = Desk::new(SMS, 2);
    let deliver = DeliverSettings {
        in_doubt: StaleRules {
            receipts_within: Duration::from_secs(3_600),
            ..StaleRules::default()
        },
        ..DeliverSettings::default()
    };
    let mut worker = worker(&desk, settings(&centre), deliver);
    worker.run_once(at(20)).unwrap();
    reach(
        &mut worker,
        21,
        &[(IntentState::Accepted, 1), (IntentState::Delivered, 1)],
    );
    assert_eq!(worker.run_once(at(3_619)).unwrap().settled.unreceipted, 0);
    assert_eq!(worker.run_once(at(3_620)).unwrap().settled.unreceipted, 1);
    reach(
        &mut worker,
        3_621,
        &[(IntentState::Unknown, 1), (IntentState::Delivered, 1)],
    );
}

#[test]
fn a_centre_that_talks_on_without_an_answer_holds_nobody_up() {
    let manner = Manner {
        chatters: true,
        ..Manner::default()
    };
    let centre = FakeSmsc::start(manner, &[]);
    let desk = Desk::new(SMS, 1);
    let smpp = SmppSettings {
        // No wait of its own ends it: each frame comes at once.
        timeout: Duration::from_secs(60),
        ..settings(&centre)
    };
    let mut worker = worker(&desk, smpp, DeliverSettings::default());
    let begin = Instant::now();
    let report = worker.run_once(at(20)).unwrap();
    assert!(report.reasons.contains_key("bind_not_answered"), "{report:?}");
    assert_eq!((report.leased, worker.ledger().waiting(SMS).unwrap()), (0, 1));
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    let said = centre.centre().said;
    // The fake counts a frame after it has written it: the last one may not be counted yet.
    assert!(said >= 1_999, "it gave up after {said} frames");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let base = || SmppSettings::loopback(2775, "forecall", "secret", "3000");
    let check = |smpp: SmppSettings, want: &str| {
        let error = SmppGateway::new(smpp).err().unwrap().to_string();
        assert!(error.contains(want), "{error}");
    };
    check(
        SmppSettings {
            host: "smsc.example.ir".into(),
            ..base()
        },
        "tls is `none`",
    );
    check(
        SmppSettings {
            from: "Acme Telecom of Iran".into(),
            ..base()
        },
        "from",
    );
    check(SmppSettings { window: 0, ..base() }, "window");
    check(
        SmppSettings {
            password: forecall_ledger::Secret::new("123456789"),
            ..base()
        },
        "password",
    );
    let private = SmppSettings {
        host: "smsc.example.ir".into(),
        private_network: true,
        ..base()
    };
    assert!(SmppGateway::new(private).is_ok());
    let encrypted = SmppSettings {
        host: "smsc.example.ir".into(),
        tls: SmppTls::Implicit,
        ..base()
    };
    assert!(SmppGateway::new(encrypted).is_ok());
    assert!(!format!("{:?}", base()).contains("secret\""));
}

#[test]
fn tls_never_falls_back_to_the_clear() {
    // The centre speaks no TLS: not even the name is said.
    let centre = FakeSmsc::start(Manner::default(), &[]);
    let desk = Desk::new(SMS, 1);
    let smpp = SmppSettings {
        tls: SmppTls::Implicit,
        ..settings(&centre)
    };
    let report = worker(&desk, smpp, DeliverSettings::default())
        .run_once(at(20))
        .unwrap();
    assert!(
        report.down.contains(&SMS) && report.reasons.contains_key("tls"),
        "{report:?}"
    );
    assert!(centre.centre().binds.is_empty());
}

/// Figures: `cargo test … -- --ignored --nocapture window`.
#[test]
#[ignore = "a measurement"]
fn what_a_window_is_worth() {
    for delay in [0, 5] {
        for window in [1, 50] {
            let manner = Manner {
                receipts: false,
                delay: Duration::from_millis(delay),
                ..Manner::default()
            };
            let centre = FakeSmsc::start(manner, &[]);
            let count = if window == 1 { 400 } else { 5_000 };
            let desk = Desk::new(SMS, count);
            let smpp = SmppSettings {
                window,
                ..settings(&centre)
            };
            let pace = RateLimit {
                per_minute: 6_000_000,
                burst: 100_000,
            };
            let deliver = DeliverSettings {
                rates: BTreeMap::from([(SMS, pace)]),
                batch: 10_000,
                record_group: usize::from(window),
                ..DeliverSettings::default()
            };
            let mut worker = worker(&desk, smpp, deliver);
            let begin = Instant::now();
            let report = worker.run_once(at(20)).unwrap();
            let seconds = begin.elapsed().as_secs_f64();
            assert_eq!(report.total(IntentState::Accepted), u64::from(count));
            println!(
                "answer after {delay} ms, window {window}: {:.0} messages/s (under way at most {})",
                f64::from(count) / seconds,
                centre.centre().under_way_max
            );
        }
    }
}

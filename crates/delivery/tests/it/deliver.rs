use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forecall_delivery::{
    Accepted, Capabilities, DeliverError, DeliverSettings, Deliverer, FileSink, Gateway, Message, RateLimit,
    SendError,
};
use forecall_ledger::Ledger;
use forecall_types::{ContactChannel, IntentState};

use crate::{Desk, at};

/// A gateway that answers from a list, then accepts; it keeps what it was given.
struct Scripted {
    answers: VecDeque<SendError>,
    sent: Arc<Mutex<Vec<String>>>,
    /// Done before the answer to the first message.
    meanwhile: Option<Box<dyn FnOnce() + Send>>,
}

impl Gateway for Scripted {
    fn channel(&self) -> ContactChannel {
        ContactChannel::Sms
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            client_reference: false,
            receipts: true,
        }
    }

    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError> {
        self.sent
            .lock()
            .unwrap()
            .push(message.contact.address.expose().to_owned());
        if let Some(act) = self.meanwhile.take() {
            act();
        }
        self.answers
            .pop_front()
            .map_or(Ok(Accepted { provider_ref: None }), Err)
    }
}

type Sent = Arc<Mutex<Vec<String>>>;

fn scripted(desk: &Desk, answers: &[SendError], settings: DeliverSettings) -> (Deliverer, Sent) {
    with(desk, answers, settings, None)
}

fn with(
    desk: &Desk,
    answers: &[SendError],
    settings: DeliverSettings,
    meanwhile: Option<Box<dyn FnOnce() + Send>>,
) -> (Deliverer, Sent) {
    let sent = Sent::default();
    let gateway = Scripted {
        answers: answers.iter().copied().collect(),
        sent: Arc::clone(&sent),
        meanwhile,
    };
    let worker = Deliverer::new(desk.open(), vec![Box::new(gateway)], settings).unwrap();
    (worker, sent)
}

#[test]
fn the_sink_writes_masked_lines_and_accepts() {
    let desk = Desk::new(ContactChannel::Sms, 2);
    let path = desk.folder.path().join("sms.jsonl");
    let sink = FileSink::append(ContactChannel::Sms, &path).unwrap();
    let mut worker = Deliverer::new(desk.open(), vec![Box::new(sink)], DeliverSettings::default()).unwrap();
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 2);
    assert_eq!(report.total(IntentState::Delivered), 0);
    let written = std::fs::read_to_string(path).unwrap();
    expect_test::expect![[r#"{"at":20000,"channel":"sms","intent":"int_0","notice":"ntc_1","incident":"inc_1","customer":"cus_0","to":"+98912•••0000","attempt":1,"language":"fa","subject":"اختلال اینترنت","body":"مشتری گرامی\n.\n..\nپایان"}"#]]
        .assert_eq(written.lines().next().unwrap());
    assert_eq!(written.lines().count(), 2);
    assert!(!written.contains("12345"), "{written}");
}

#[test]
fn a_channel_without_a_gateway_keeps_its_intents_and_is_named() {
    let desk = Desk::new(ContactChannel::Push, 3);
    let (mut worker, sent) = scripted(&desk, &[], DeliverSettings::default());
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!(report.unserved.get(&ContactChannel::Push), Some(&3));
    assert!(report.leased == 0 && sent.lock().unwrap().is_empty());
    assert_eq!(worker.ledger().waiting(ContactChannel::Push).unwrap(), 3);
}

#[test]
fn attempts_end() {
    let desk = Desk::new(ContactChannel::Sms, 1);
    let refusal = SendError::Temporary {
        reason: "busy",
        code: None,
    };
    let settings = DeliverSettings {
        attempts_max: 3,
        ..DeliverSettings::default()
    };
    let (mut worker, sent) = scripted(&desk, &[refusal; 9], settings);
    let ended: Vec<_> = (1..=5)
        .map(|round| {
            let report = worker.run_once(at(1_000 * round)).unwrap();
            (report.postponed, report.total(IntentState::Failed))
        })
        .collect();
    assert_eq!(ended, [(1, 0), (1, 0), (0, 1), (0, 0), (0, 0)]);
    assert_eq!(sent.lock().unwrap().len(), 3);
}

#[test]
fn the_rate_holds_and_nobody_is_told_twice() {
    let desk = Desk::new(ContactChannel::Sms, 10);
    let settings = DeliverSettings {
        rates: [(
            ContactChannel::Sms,
            RateLimit {
                per_minute: 60,
                burst: 4,
            },
        )]
        .into(),
        record_group: 3,
        ..DeliverSettings::default()
    };
    let (mut worker, sent) = scripted(&desk, &[], settings);
    let leased: Vec<_> = [20, 20, 22, 30, 40]
        .map(|now| worker.run_once(at(now)).unwrap().leased)
        .into();
    assert_eq!(leased, [4, 0, 2, 4, 0]);
    let mut sent = sent.lock().unwrap().clone();
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 10);
}

#[test]
fn a_gateway_that_asks_for_time_gets_it() {
    let desk = Desk::new(ContactChannel::Sms, 3);
    let throttled = SendError::Throttled {
        retry_after: Duration::from_secs(30),
    };
    let (mut worker, sent) = scripted(&desk, &[throttled], DeliverSettings::default());
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!((report.leased, report.returned), (3, 3));
    assert_eq!(worker.run_once(at(49)).unwrap().leased, 0);
    assert_eq!(worker.run_once(at(55)).unwrap().total(IntentState::Accepted), 3);
    assert_eq!(sent.lock().unwrap().len(), 4);
}

#[test]
fn the_kill_switch_stops_in_the_middle_of_a_batch() {
    let desk = Desk::new(ContactChannel::Sms, 5);
    let mut other = desk.open();
    let kill = Box::new(move || other.set_killed(true, at(20)).unwrap());
    let (mut worker, sent) = with(&desk, &[], DeliverSettings::default(), Some(kill));
    let report = worker.run_once(at(20)).unwrap();
    assert!(report.killed);
    assert_eq!((report.total(IntentState::Accepted), report.returned), (1, 4));
    assert_eq!(sent.lock().unwrap().len(), 1);
    assert_eq!(worker.run_once(at(21)).unwrap().leased, 0);
    worker.ledger().set_killed(false, at(22)).unwrap();
    assert_eq!(worker.run_once(at(23)).unwrap().total(IntentState::Accepted), 4);
}

/// A gateway with three under way at once; after the first three somebody turns the kill switch.
struct Windowed {
    ledger: Ledger,
    sent: Arc<Mutex<Vec<usize>>>,
}

impl Gateway for Windowed {
    fn channel(&self) -> ContactChannel {
        ContactChannel::Sms
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            client_reference: false,
            receipts: false,
        }
    }

    fn window(&self) -> usize {
        3
    }

    fn send(&mut self, _message: &Message<'_>) -> Result<Accepted, SendError> {
        Ok(Accepted { provider_ref: None })
    }

    fn send_all(&mut self, messages: &[Message<'_>]) -> Vec<Result<Accepted, SendError>> {
        self.sent.lock().unwrap().push(messages.len());
        self.ledger.set_killed(true, at(20)).unwrap();
        messages.iter().map(|message| self.send(message)).collect()
    }
}

#[test]
fn at_most_a_window_goes_after_the_kill_switch_was_turned() {
    let desk = Desk::new(ContactChannel::Sms, 10);
    let sent = Arc::default();
    let gateway = Windowed {
        ledger: desk.open(),
        sent: Arc::clone(&sent),
    };
    let mut worker =
        Deliverer::new(desk.open(), vec![Box::new(gateway)], DeliverSettings::default()).unwrap();
    let report = worker.run_once(at(20)).unwrap();
    assert_eq!((report.total(IntentState::Accepted), report.returned), (3, 7));
    assert!(report.killed);
    assert_eq!(*sent.lock().unwrap(), [3]);
}

#[test]
fn an_erased_person_is_not_told() {
    let desk = Desk::new(ContactChannel::Sms, 2);
    desk.open().erase(&"cus_0".parse().unwrap(), at(15)).unwrap();
    let (mut worker, sent) = scripted(&desk, &[], DeliverSettings::default());
    assert_eq!(worker.run_once(at(20)).unwrap().total(IntentState::Accepted), 1);
    assert_eq!(*sent.lock().unwrap(), ["+989123450001"]);
}

#[test]
fn a_crash_after_the_call_is_settled_by_the_rule() {
    // The worker's connection is gone when the answer comes: the panic stands for the kill.
    let desk = Desk::new(ContactChannel::Sms, 1);
    let crash = Box::new(|| panic!("killed"));
    let (mut worker, sent) = with(&desk, &[], DeliverSettings::default(), Some(crash));
    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| worker.run_once(at(20))));
    assert!(run.is_err());
    drop(worker);
    let (mut worker, again) = scripted(&desk, &[], DeliverSettings::default());
    assert_eq!(worker.run_once(at(30)).unwrap().leased, 0);
    let report = worker.run_once(at(2_000)).unwrap();
    // A text message can't be asked after: one at most, and it is said that it isn't known.
    assert_eq!((report.settled.unknown, report.leased), (1, 0));
    assert_eq!(
        (sent.lock().map_or(1, |s| s.len()), again.lock().unwrap().len()),
        (1, 0)
    );
}

#[test]
fn two_gateways_for_one_channel_are_refused() {
    let desk = Desk::new(ContactChannel::Sms, 0);
    let sink = || Box::new(FileSink::console(ContactChannel::Sms)) as Box<dyn Gateway>;
    let made = Deliverer::new(desk.open(), vec![sink(), sink()], DeliverSettings::default());
    assert!(matches!(
        made,
        Err(DeliverError::TwoGateways(ContactChannel::Sms))
    ));
}

#[test]
fn an_answer_that_a_locked_ledger_did_not_take_is_kept_and_nobody_is_told_twice() {
    let desk = Desk::new(ContactChannel::Sms, 5);
    let settings = DeliverSettings {
        record_group: 10,
        ..DeliverSettings::default()
    };
    let (blocker, kept) = (desk.open(), Arc::new(Mutex::new(None)));
    let held = Arc::clone(&kept);
    let meanwhile = move || {
        blocker.block_writers().unwrap();
        *held.lock().unwrap() = Some(blocker);
    };
    let (mut deliverer, sent) = with(&desk, &[], settings, Some(Box::new(meanwhile)));
    deliverer.ledger().wait_at_most(Duration::from_millis(1)).unwrap();
    for _ in 0..3 {
        let Err(DeliverError::Ledger(error)) = deliverer.run_once(at(20)) else {
            panic!("the ledger is locked")
        };
        assert!(error.may_pass(), "{error}");
    }
    assert_eq!(sent.lock().unwrap().len(), 5, "all went out before it was found");
    drop(kept.lock().unwrap().take());
    // Long after every lease has run out: an answer that is known isn't in doubt.
    let report = deliverer.run_once(at(50_000)).unwrap();
    assert_eq!(report.total(IntentState::Accepted), 5);
    assert_eq!(sent.lock().unwrap().len(), 5);
}

//! What subscribers write, as a message centre brings it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forecall_delivery::{DeliverSettings, Deliverer, Gateway as _, SmppGateway};
use forecall_ledger::Answer;
use forecall_types::{IntentState, ReplyKind};
use rusmpp_core::tlvs::owned::MessageDeliveryRequestTlvValue as Extra;
use rusmpp_core::types::owned::COctetString;

use crate::desk::person;
use crate::fake_smsc::{FakeSmsc, Manner};
use crate::smpp::{SMS, listen, reach, settings, worker};
use crate::{Desk, at};

fn replies(worker: &mut Deliverer) -> Vec<(String, String, ReplyKind)> {
    let answers = worker.ledger().answers_after(0, 100).unwrap();
    let replies = answers.into_iter().filter_map(|(_, answer)| match answer {
        Answer::Reply(domain, reply) => Some((domain.to_string(), reply.customer.to_string(), reply.kind)),
        Answer::Receipt(_) => None,
    });
    replies.collect()
}

fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// More people than have messages.
fn import(desk: &Desk, count: u32) {
    desk.open().import_customers((0..count).map(person)).unwrap();
}

#[test]
fn what_people_answer_reaches_outreach_without_their_words_and_numbers() {
    let centre = FakeSmsc::start(Manner::default(), &[]);
    let desk = Desk::new(SMS, 4);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    worker.run_once(at(20)).unwrap();
    reach(&mut worker, 21, &[(IntentState::Delivered, 4)]);
    centre.writes("989123450000", 8, &ucs2("لغو ۱۱"), 0);
    centre.writes("09123450001", 0, b"Status", 0);
    centre.writes("+989123450002", 8, &ucs2("هنوز قطع\u{200c}ه!"), 0);
    // A long letter in two parts is one answer, and no keyword.
    centre.writes(
        "989123450003",
        0,
        &[&[5, 0, 3, 9, 2, 1][..], b"stop"].concat(),
        0x40,
    );
    centre.writes(
        "989123450003",
        0,
        &[&[5, 0, 3, 9, 2, 2][..], b" it"].concat(),
        0x40,
    );
    // Nobody we know, and a service's own number.
    centre.writes("989129999999", 0, b"stop", 0);
    centre.writes("1000", 0, b"Hello World", 0);
    let mut strangers = 0;
    let until = Instant::now() + Duration::from_secs(3);
    while centre.centre().acknowledged < 11 && Instant::now() < until {
        strangers += worker.run_once(at(30)).unwrap().heard.strangers;
    }
    assert_eq!((centre.centre().acknowledged, strangers), (11, 1));
    let who = |n: u32, kind| ("acme".to_owned(), format!("cus_{n}"), kind);
    assert_eq!(
        replies(&mut worker),
        [
            who(0, ReplyKind::Stop),
            who(1, ReplyKind::Status),
            who(2, ReplyKind::StillDown),
            who(3, ReplyKind::Other)
        ]
    );
    let bytes = std::fs::read(desk.folder.path().join("ledger.db")).unwrap();
    let wal = std::fs::read(desk.folder.path().join("ledger.db-wal")).unwrap_or_default();
    for secret in ["989123450000", "9123450000"] {
        let is_there = |bytes: &[u8]| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!is_there(&bytes) && !is_there(&wal));
    }
}

#[test]
fn what_was_brought_twice_is_one_reply() {
    let centre = FakeSmsc::start(Manner::default(), &[]);
    let desk = Desk::new(SMS, 1);
    let smpp = settings(&centre);
    centre.writes("989123450000", 0, b"STOP", 0);
    // A process that heard it and died before it said so.
    let mut first = SmppGateway::new(smpp.clone()).unwrap();
    let until = Instant::now() + Duration::from_secs(3);
    let mut heard = Vec::new();
    while heard.is_empty() && Instant::now() < until {
        heard = first.receive(at(30)).unwrap();
    }
    desk.open().hear(&heard, at(30)).unwrap();
    drop(first);
    let mut worker = worker(&desk, smpp, DeliverSettings::default());
    listen(&mut worker, 31, |_, _| centre.centre().acknowledged == 1);
    assert_eq!(replies(&mut worker).len(), 1);
    // Minutes later, and long after the line was bound, the same word is another.
    for (now, written) in [(400, 2), (420, 2), (461, 3)] {
        let before = centre.centre().acknowledged;
        centre.writes("989123450000", 0, b"STOP", 0);
        listen(&mut worker, now, |_, _| centre.centre().acknowledged > before);
        assert_eq!(replies(&mut worker).len(), written, "at {now}");
    }
}

#[test]
fn a_name_that_a_centre_gives_to_words_tells_them_apart_and_makes_no_receipt() {
    let centre = FakeSmsc::start(Manner::default(), &[]);
    let desk = Desk::new(SMS, 1);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    worker.run_once(at(20)).unwrap();
    reach(&mut worker, 21, &[(IntentState::Delivered, 1)]);
    let named = |name: &str| {
        let name = COctetString::from_string(name.to_owned()).unwrap();
        vec![Extra::ReceiptedMessageId(name)]
    };
    for (now, name, written) in [(30, "a", 1), (31, "b", 2), (90_000, "a", 2), (90_001, "c", 3)] {
        let before = centre.centre().acknowledged;
        centre.writes_with("989123450000", 0, b"status", 0, named(name));
        let report = listen(&mut worker, now, |_, _| centre.centre().acknowledged > before);
        assert_eq!(report.heard.unmatched, 0, "{name}");
        assert_eq!(replies(&mut worker).len(), written, "{name}");
    }
}

#[test]
fn a_stop_is_read_in_every_coding_that_phones_use() {
    let persian = ucs2("لغو");
    let ascii = b"stop".as_slice();
    let mut cases: Vec<(u8, &[u8], ReplyKind)> =
        vec![(0x03, ascii, ReplyKind::Stop), (0x04, ascii, ReplyKind::Stop)];
    for class in 0x10..=0x13 {
        cases.push((class, ascii, ReplyKind::Stop));
        cases.push((class + 8, &persian, ReplyKind::Stop));
    }
    cases.extend([
        (0x14, ascii, ReplyKind::Stop),
        (0x48, &persian, ReplyKind::Stop),
        (0xd0, ascii, ReplyKind::Stop),
        (0xe0, &persian, ReplyKind::Stop),
        (0xf0, ascii, ReplyKind::Stop),
        (0xf1, ascii, ReplyKind::Stop),
        (0xf5, ascii, ReplyKind::Stop),
        // Compressed: nobody here can read it.
        (0x30, ascii, ReplyKind::Other),
    ]);
    let centre = FakeSmsc::start(Manner::default(), &[]);
    let desk = Desk::new(SMS, 0);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    import(&desk, u32::try_from(cases.len()).unwrap());
    for (n, (coding, octets, _)) in cases.iter().enumerate() {
        centre.writes(&format!("98912345{n:04}"), *coding, octets, 0);
    }
    listen(&mut worker, 20, |_, _| {
        centre.centre().acknowledged == cases.len()
    });
    let found: BTreeMap<String, ReplyKind> = replies(&mut worker)
        .into_iter()
        .map(|(_, who, kind)| (who, kind))
        .collect();
    for (n, (coding, _, kind)) in cases.iter().enumerate() {
        assert_eq!(found.get(&format!("cus_{n}")), Some(kind), "{coding:#x}");
    }
}

#[test]
fn segments_by_parameters_are_one_answer_and_one_alone_is_a_word() {
    let centre = FakeSmsc::start(Manner::default(), &[]);
    let desk = Desk::new(SMS, 0);
    import(&desk, 2);
    let mut worker = worker(&desk, settings(&centre), DeliverSettings::default());
    let segment = |number, of| {
        vec![
            Extra::SarMsgRefNum(7),
            Extra::SarTotalSegments(of),
            Extra::SarSegmentSeqnum(number),
        ]
    };
    centre.writes_with("989123450000", 0, b"please do not", 0, segment(1, 2));
    centre.writes_with("989123450000", 0, b"stop", 0, segment(2, 2));
    centre.writes_with("989123450001", 0, b"stop", 0, segment(1, 1));
    listen(&mut worker, 20, |_, _| centre.centre().acknowledged == 3);
    let who = |n: u32, kind| ("acme".to_owned(), format!("cus_{n}"), kind);
    assert_eq!(
        replies(&mut worker),
        [who(0, ReplyKind::Other), who(1, ReplyKind::Stop)]
    );
}

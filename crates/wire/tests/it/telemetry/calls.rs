use std::sync::Arc;

use expect_test::expect;
use forecall_types::{QueueName, RegionCode, RejectReason};
use forecall_wire::telemetry::{Decoded, Format, Source, decode};

use super::{decoded, key, record, source};

fn calls(format: Format) -> Source {
    let mut source = source(format);
    source
        .calls
        .queues
        .insert(Arc::from("600"), QueueName::new("پشتیبانی").unwrap());
    for (prefix, region) in [("98", "IR"), ("9821", "IR-23")] {
        source
            .calls
            .regions
            .insert(Arc::from(prefix), RegionCode::new(region).unwrap());
    }
    source
}

#[test]
fn queue_log_lines() {
    let lines = "\
1767225600|1767225599.12|600|NONE|ENTERQUEUE||\u{6f0}2188001234|1
1767225612|1767225599.12|600|SIP/101|CONNECT|12|1767225601.13|3000
1767225700|1767225599.12|600|SIP/101|COMPLETECALLER|12|88|1
1767225600|1767225600.14|sales|NONE|ENTERQUEUE||anonymous|1
1767225650|1767225600.14|sales|NONE|ABANDON|1|1|50
1767225600|1767225600.15|sales|NONE|EXITWITHTIMEOUT|1|1|60
1767225600|NONE|NONE|NONE|QUEUESTART|
1767225600|1767225600.16|sales|SIP/101|RINGNOANSWER|1000

1767225600|1767225600.17|sales|SIP/101|CONNECT|soon
later|1767225600.17|sales|SIP/101|CONNECT|1
short|line
";
    expect![[r#"
        5zb12bnjbrpd42je8w69 پشتیبانی arrived 1767225600s known 1767225600s Offered wait - handle - customer cus_zxpntzax5yaztygm region IR-23
        5zb12bnjbrpd42je8w69 پشتیبانی arrived 1767225600s known 1767225612s Answered wait 12 handle - customer - region -
        5zb12bnjbrpd42je8w69 پشتیبانی arrived 1767225600s known 1767225700s Answered wait 12 handle 88 customer - region -
        883n4ezn91r39s0gjjrk sales arrived 1767225600s known 1767225600s Offered wait - handle - customer - region -
        883n4ezn91r39s0gjjrk sales arrived 1767225600s known 1767225650s Abandoned wait 50 handle - customer - region -
        w5jwy9rfjs3da25f59na sales arrived 1767225540s known 1767225600s Left wait 60 handle - customer - region -
        refused: bad_value: call record 9: `holdtime` is not a finite number
        refused: bad_time: call record 10: `epoch` is not a time between 1677 and 2262
        refused: malformed: call record 11: fewer than five fields
    "#]].assert_eq(&decoded(&calls(Format::AsteriskQueueLog), lines.as_bytes()));
}

#[test]
fn records_without_a_call_are_nothing_and_unreadable_ones_refused() {
    let source = calls(Format::AsteriskQueueLog);
    assert_eq!(
        decoded(&source, b"1767225600|NONE|NONE|NONE|QUEUESTART|\n"),
        "nothing\n"
    );
    assert_eq!(
        decoded(&source, b"so\nwhat"),
        "refused: malformed: call record 1: fewer than five fields\n"
    );
    assert_eq!(decoded(&source, b"\xff|"), "refused: malformed: not UTF-8\n");
}

#[test]
fn amazon_connect_contacts() {
    let contacts = r#"[
      {"ContactId":"c-1","Channel":"VOICE","InitiationMethod":"INBOUND","InitiationTimestamp":"2026-01-01T00:00:00Z","LastUpdateTimestamp":"2026-01-01T00:09:00Z",
       "CustomerEndpoint":{"Address":"+98 912 123 4567","Type":"TELEPHONE_NUMBER"},
       "Queue":{"Name":"600","EnqueueTimestamp":"2026-01-01T00:00:10Z","Duration":25},
       "Agent":{"ConnectedToAgentTimestamp":"2026-01-01T00:00:35Z","AgentInteractionDuration":300,"CustomerHoldDuration":20,"AfterContactWorkDuration":60}},
      {"ContactId":"c-2","LastUpdateTimestamp":"2026-01-01T00:09:00Z","Queue":{"Name":"sales","EnqueueTimestamp":"2026-01-01T00:00:10Z","Duration":90},"Agent":null},
      {"ContactId":"c-3","LastUpdateTimestamp":"2026-01-01T00:09:00Z","NextContactId":"c-4","Queue":{"Name":"sales","EnqueueTimestamp":"2026-01-01T00:00:10Z"}},
      {"ContactId":"c-5","InitiationMethod":"OUTBOUND","Queue":{"Name":"sales"}},
      {"ContactId":"c-6","Channel":"CHAT","Queue":{"Name":"sales"}},
      {"ContactId":"c-7","Queue":null},
      {"ContactId":"c-8","Queue":{"Name":"sales","EnqueueTimestamp":"2026-01-01T00:00:10Z"}},
      {"Queue":{}}
    ]"#;
    expect![[r#"
        8wffsbv79426fjmd9cr3 پشتیبانی arrived 1767225610s known 1767226140s Answered wait 25 handle 380 customer cus_w8bakxdt7r3v4pbx region IR
        esbh318p40fv28hap4gw sales arrived 1767225610s known 1767226140s Abandoned wait 90 handle - customer - region -
        80c2h60p8wn1wgqjj51f sales arrived 1767225610s known 1767226140s Left wait - handle - customer - region -
        refused: missing_field: call record 7: `LastUpdateTimestamp` is missing
        refused: missing_field: call record 8: `ContactId` is missing
    "#]].assert_eq(&decoded(&calls(Format::AmazonConnect), contacts.as_bytes()));
}

#[test]
fn a_number_never_leaves_and_one_person_is_one_customer() {
    let source = calls(Format::AsteriskQueueLog);
    let customer = |caller: &str| {
        let line = format!("1767225600|id|600|NONE|ENTERQUEUE||{caller}|1");
        let text = decoded(&source, line.as_bytes());
        assert!(!text.contains("9121234567"), "{text}");
        let Ok(Decoded::Calls(batch)) = decode(&source, Some(&key()), &record(line.as_bytes(), &[])) else {
            panic!("{text}");
        };
        batch.calls.first().unwrap().customer.clone().unwrap()
    };
    let one = customer("09121234567");
    assert_eq!(one, key().customer(&source.domain, "+98 912 123 4567"));
    for written in [
        "+989121234567",
        "\u{6f0}\u{6f9}\u{6f1}\u{6f2}\u{6f1}\u{6f2}\u{6f3}\u{6f4}\u{6f5}\u{6f6}\u{6f7}",
        "\"Sara\" <09121234567>",
        "sip:09121234567@host",
    ] {
        assert_eq!(customer(written), one, "{written}");
    }
}

#[test]
fn calls_without_a_key_are_not_read() {
    for format in [Format::AsteriskQueueLog, Format::AmazonConnect] {
        let refused = decode(
            &calls(format),
            None,
            &record(b"1767225600|1|q|NONE|ENTERQUEUE||1|1", &[]),
        );
        assert_eq!(refused.unwrap_err().reason, RejectReason::NotAllowed);
    }
}

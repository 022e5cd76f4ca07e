use std::fmt::Debug;

use forecall_types::Reject;
use forecall_wire::event::{self, DeadLetterRead, EncodeError, Encoded};

/// In an order that never changes: the first byte of every seed chooses by it.
const TYPES: [&str; 16] = [
    "forecall.anomaly.opened.v1",
    "forecall.heartbeat.v1",
    "forecall.tick.v1",
    "forecall.incident.predicted.v1",
    "forecall.incident.resolved.v1",
    "forecall.notice.sent.v1",
    "forecall.call-forecast.v1",
    "forecall.feedback.v1",
    "forecall.command.v1",
    "forecall.customer.upserted.v1",
    "forecall.customer.erased.v1",
    "forecall.receipt.v1",
    "forecall.reply.v1",
    "forecall.call.v1",
    "forecall.incident.updated.v1",
    "forecall.summary.v1",
];

/// What was read can be written, unless it is too large; and is read again as the same.
fn again<T: PartialEq + Debug>(
    read: Result<T, Reject>,
    write: impl Fn(&T) -> Result<Encoded, EncodeError>,
    read_again: impl Fn(&Encoded) -> Result<T, Reject>,
) {
    let Ok(value) = read else { return };
    if let Ok(encoded) = write(&value) {
        let back = read_again(&encoded);
        assert_eq!(back.as_ref().ok(), Some(&value), "{back:?}");
    }
}

macro_rules! check {
    ($headers:expr, $value:expr, $( $decode:ident / $encode:ident ),+ $(,)?) => {
        $( again(
            event::$decode($headers, $value),
            event::$encode,
            |encoded| event::$decode(&encoded.headers, &encoded.value),
        ); )+
    };
}

/// Bytes of any event of forecall's own topics. The first byte chooses its `ce_type`.
pub fn events(data: &[u8]) {
    let Some((choice, value)) = data.split_first() else {
        return;
    };
    let kind = TYPES
        .get(usize::from(*choice) % TYPES.len())
        .copied()
        .unwrap_or_default();
    let headers: [(&str, &[u8]); 5] = [
        ("ce_specversion", b"1.0"),
        ("ce_type", kind.as_bytes()),
        ("ce_id", b"x/1"),
        ("ce_source", b"fuzz"),
        ("content-type", b"application/json"),
    ];
    check!(
        &headers,
        value,
        decode_anomaly / encode_anomaly,
        decode_incident_event / encode_incident_event,
        decode_incident_state / encode_incident_state,
        decode_notice / encode_notice,
        decode_call_forecast / encode_call_forecast,
        decode_feedback / encode_feedback,
        decode_command / encode_command,
        decode_directory_record / encode_directory_record,
        decode_receipt / encode_receipt,
        decode_reply / encode_reply,
        decode_call / encode_call,
        decode_correlate_entry / encode_correlate_entry,
        decode_outreach_entry / encode_outreach_entry,
    );
}

/// Headers, one on a line as `name: value`, an empty line, and the value: a dead letter, or any event by its headers.
pub fn dead_letter(data: &[u8]) {
    let mut rest = data;
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.get(2..).unwrap_or_default().to_vec();
        headers.push((String::from_utf8_lossy(name).into_owned(), value));
    }
    // A refusal is as good as a letter: that there is one is all that is asked.
    drop(DeadLetterRead::decode(&headers, rest));
    drop(event::CloudEvent::from_headers(&headers).map(|e| e.payload()));
    drop(event::decode_correlate_entry(&headers, rest));
    drop(event::decode_outreach_entry(&headers, rest));
}

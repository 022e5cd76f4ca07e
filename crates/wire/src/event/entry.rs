//! The internal logs of `correlate` and `outreach`: several payloads, told apart by `ce_type`.

use std::collections::BTreeMap;

use forecall_types::{CorrelateEntry, CustomerChange, OutreachEntry, Reject, RejectReason};

use super::codec::read;
use super::{
    CloudEvent, DirectoryRecord, EncodeError, Encoded, Payload, anomaly, call, command, customer,
    encode_anomaly, encode_call, encode_command, encode_directory_record, encode_feedback, encode_heartbeat,
    encode_incident_event, encode_receipt, encode_reply, encode_service, encode_summary, encode_tick,
    feedback, heartbeat_tick, incident, receipt_reply, service, summary,
};

pub(super) fn foreign(payload: Payload, log: &str) -> Reject {
    Reject::new(
        RejectReason::UnknownFormat,
        format!("ce_type: {} does not belong in the log of {log}", payload.name()),
    )
}

/// Reads a record of correlate's log, `forecall.anomalies.v1`.
///
/// # Errors
/// The headers are no CloudEvent that belongs there, or the value is not the JSON that its schema asks for.
pub fn decode_correlate_entry<N: AsRef<str>, V: AsRef<[u8]>>(
    headers: &[(N, V)],
    value: &[u8],
) -> Result<CorrelateEntry, Reject> {
    let payload = CloudEvent::from_headers(headers)?.payload()?;
    Ok(match payload {
        Payload::Anomaly => CorrelateEntry::Anomaly(Box::new(read::<_, anomaly::Anomaly>(value)?)),
        Payload::Heartbeat => CorrelateEntry::Heartbeat(read::<_, heartbeat_tick::Heartbeat>(value)?),
        Payload::Summary => CorrelateEntry::Summary(Box::new(read::<_, summary::Summary>(value)?)),
        Payload::Service => CorrelateEntry::Service(Box::new(read::<_, service::Service>(value)?)),
        Payload::Tick => CorrelateEntry::Tick(read::<_, heartbeat_tick::Tick>(value)?),
        Payload::Feedback => CorrelateEntry::Feedback(read::<_, feedback::Feedback>(value)?),
        Payload::Command => CorrelateEntry::Command(read::<_, command::Command>(value)?),
        Payload::IncidentEvent
        | Payload::IncidentState
        | Payload::Notice
        | Payload::CallForecast
        | Payload::Call
        | Payload::Customer
        | Payload::Reply
        | Payload::Receipt
        | Payload::CustomerEvent
        | Payload::JourneyMark
        | Payload::FailedJourney
        | Payload::JourneyWave
        | Payload::JourneyMap
        | Payload::DeadLetter => return Err(foreign(payload, "correlate")),
    })
}

/// Writes a record of correlate's log: key is the domain; a tick has none.
///
/// # Errors
/// A number is NaN or infinite, or the event is too large.
pub fn encode_correlate_entry(entry: &CorrelateEntry) -> Result<Encoded, EncodeError> {
    match entry {
        CorrelateEntry::Anomaly(inner) => encode_anomaly(inner),
        CorrelateEntry::Heartbeat(inner) => encode_heartbeat(inner),
        CorrelateEntry::Summary(inner) => encode_summary(inner),
        CorrelateEntry::Service(inner) => encode_service(inner).map(|e| e.with_key(inner.domain.as_str())),
        CorrelateEntry::Tick(inner) => encode_tick(inner),
        CorrelateEntry::Feedback(inner) => encode_feedback(inner).map(|e| e.with_key(inner.domain.as_str())),
        CorrelateEntry::Command(inner) => encode_command(inner).map(|e| e.with_key(inner.domain.as_str())),
    }
}

/// Reads a record of outreach's log, `forecall.outreach.log.v1`. Encrypted addresses have no place there and are not
/// passed on.
///
/// # Errors
/// The headers are no CloudEvent that belongs there, or the value is not the JSON that its schema asks for.
pub fn decode_outreach_entry<N: AsRef<str>, V: AsRef<[u8]>>(
    headers: &[(N, V)],
    value: &[u8],
) -> Result<OutreachEntry, Reject> {
    let payload = CloudEvent::from_headers(headers)?.payload()?;
    Ok(match payload {
        Payload::IncidentEvent => OutreachEntry::Incident(read::<_, incident::IncidentEvent>(value)?),
        Payload::Call => OutreachEntry::Call(read::<_, call::Call>(value)?),
        Payload::Customer => {
            let record: DirectoryRecord = read::<_, customer::CustomerChange>(value)?;
            OutreachEntry::Customer(record.customer)
        }
        Payload::Reply => OutreachEntry::Reply(read::<_, receipt_reply::Reply>(value)?),
        Payload::Receipt => OutreachEntry::Receipt(read::<_, receipt_reply::Receipt>(value)?),
        Payload::Command => OutreachEntry::Command(read::<_, command::Command>(value)?),
        Payload::Tick => OutreachEntry::Tick(read::<_, heartbeat_tick::Tick>(value)?),
        Payload::Anomaly
        | Payload::Heartbeat
        | Payload::Summary
        | Payload::Service
        | Payload::Feedback
        | Payload::IncidentState
        | Payload::Notice
        | Payload::CallForecast
        | Payload::CustomerEvent
        | Payload::JourneyMark
        | Payload::FailedJourney
        | Payload::JourneyWave
        | Payload::JourneyMap
        | Payload::DeadLetter => return Err(foreign(payload, "outreach")),
    })
}

/// Writes a record of outreach's log: key is the domain; a tick and a reply name none and have no key.
///
/// # Errors
/// A number is NaN or infinite, or the event is too large.
pub fn encode_outreach_entry(entry: &OutreachEntry) -> Result<Encoded, EncodeError> {
    match entry {
        OutreachEntry::Incident(inner) => {
            encode_incident_event(inner).map(|e| e.with_key(inner.incident.domain.as_str()))
        }
        OutreachEntry::Call(inner) => encode_call(inner),
        OutreachEntry::Customer(inner) => {
            let domain = match inner {
                CustomerChange::Upsert(customer) => &customer.domain,
                CustomerChange::Erased { domain, .. } => domain,
            };
            let record = DirectoryRecord {
                customer: inner.clone(),
                ciphertexts: BTreeMap::new(),
            };
            encode_directory_record(&record).map(|e| e.with_key(domain.as_str()))
        }
        OutreachEntry::Reply(inner) => encode_reply(inner),
        OutreachEntry::Receipt(inner) => encode_receipt(inner),
        OutreachEntry::Command(inner) => encode_command(inner).map(|e| e.with_key(inner.domain.as_str())),
        OutreachEntry::Tick(inner) => encode_tick(inner),
    }
}

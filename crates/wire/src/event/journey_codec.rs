use forecall_types as types;
use forecall_types::{DomainName, Fingerprint, JourneyEntry, Reject, RejectReason};

use super::codec::{read, write};
use super::entry::foreign;
use super::journey::{self, JourneyEvent};
use super::{CloudEvent, EncodeError, Encoded, Payload, encode_tick, heartbeat_tick};

/// Reads a record of the log of journeys, `forecall.journeys.log.v1`.
///
/// # Errors
/// The headers are no CloudEvent that belongs there, or the value is not the JSON that its schema asks for.
pub fn decode_journey_entry<N: AsRef<str>, V: AsRef<[u8]>>(
    headers: &[(N, V)],
    value: &[u8],
) -> Result<JourneyEntry, Reject> {
    let payload = CloudEvent::from_headers(headers)?.payload()?;
    Ok(match payload {
        Payload::CustomerEvent => JourneyEntry::Event(read::<_, journey::CustomerEvent>(value)?),
        Payload::JourneyMark => JourneyEntry::Mark(read::<_, journey::JourneyMark>(value)?),
        Payload::Tick => JourneyEntry::Tick(read::<_, heartbeat_tick::Tick>(value)?),
        Payload::Anomaly
        | Payload::Heartbeat
        | Payload::Summary
        | Payload::Service
        | Payload::Feedback
        | Payload::Command
        | Payload::IncidentEvent
        | Payload::IncidentState
        | Payload::Notice
        | Payload::CallForecast
        | Payload::Call
        | Payload::Customer
        | Payload::Reply
        | Payload::Receipt
        | Payload::FailedJourney
        | Payload::JourneyWave
        | Payload::JourneyMap
        | Payload::DeadLetter => return Err(foreign(payload, "journeys")),
    })
}

/// Writes a record of the log of journeys: key is the pseudonym; a mark and a tick have none, their writer names the partition.
///
/// # Errors
/// The event is too large.
pub fn encode_journey_entry(entry: &JourneyEntry) -> Result<Encoded, EncodeError> {
    match entry {
        JourneyEntry::Event(inner) => {
            let event = CloudEvent::new(
                "forecall.customer-event.v1".to_owned(),
                &format!("{:032x}", inner.id),
                "1",
                Some(inner.domain.as_str()),
            );
            let event = event.at(inner.at).keyed(inner.customer.as_str());
            write::<_, journey::CustomerEvent>(event, inner)
        }
        JourneyEntry::Mark(inner) => {
            let types::SourcePartition { topic, partition } = &inner.source;
            // Whatever the mark says is in its revision: equal ids are equal marks.
            let topics: Vec<String> = inner
                .topics
                .iter()
                .map(|t| format!("{}:{}", t.topic, t.partitions))
                .collect();
            let known = Fingerprint::of(topics.join(" ").as_bytes()).base32(8);
            let event = CloudEvent::new(
                "forecall.journey-mark.v1".to_owned(),
                &format!("{topic}/{partition}"),
                &format!("{}.{known}", inner.read_until.nanos()),
                None,
            );
            write::<_, journey::JourneyMark>(event.at(inner.read_until), inner)
        }
        JourneyEntry::Tick(inner) => encode_tick(inner),
    }
}

/// Reads a record of `forecall.journeys.v1`.
///
/// # Errors
/// The headers are no CloudEvent that belongs there, or the value is not the JSON that its schema asks for.
pub fn decode_journey_event<N: AsRef<str>, V: AsRef<[u8]>>(
    headers: &[(N, V)],
    value: &[u8],
) -> Result<JourneyEvent, Reject> {
    Ok(match CloudEvent::from_headers(headers)?.payload()? {
        Payload::FailedJourney => JourneyEvent::Failed(read::<_, journey::FailedJourney>(value)?),
        Payload::JourneyWave => JourneyEvent::Wave(read::<_, journey::JourneyWave>(value)?),
        Payload::JourneyMap => JourneyEvent::Map(read::<_, journey::JourneyMap>(value)?),
        Payload::Anomaly
        | Payload::Heartbeat
        | Payload::Summary
        | Payload::Service
        | Payload::Tick
        | Payload::Feedback
        | Payload::Command
        | Payload::IncidentEvent
        | Payload::IncidentState
        | Payload::Notice
        | Payload::CallForecast
        | Payload::Call
        | Payload::Customer
        | Payload::Reply
        | Payload::Receipt
        | Payload::CustomerEvent
        | Payload::JourneyMark
        | Payload::DeadLetter => {
            return Err(Reject::new(
                RejectReason::UnknownFormat,
                "ce_type is no event of journeys",
            ));
        }
    })
}

/// Writes a record of `forecall.journeys.v1`: key is the pseudonym, of waves and maps the rule. A map is of all domains; `domain`
/// is the installation's, `partition` that of the log whose customers it counts.
///
/// # Errors
/// A number is NaN or infinite, or the event is too large.
pub fn encode_journey_event(
    event: &JourneyEvent,
    domain: &DomainName,
    partition: i32,
) -> Result<Encoded, EncodeError> {
    match event {
        JourneyEvent::Failed(inner) => {
            let head = CloudEvent::new(
                "forecall.journey.failed.v1".to_owned(),
                inner.id.as_str(),
                "1",
                Some(inner.domain.as_str()),
            );
            let head = head.at(inner.failed_at).keyed(inner.customer.as_str());
            write::<_, journey::FailedJourney>(head, inner)
        }
        JourneyEvent::Wave(inner) => {
            let head = CloudEvent::new(
                format!("forecall.journey-wave.{}.v1", inner.state.as_str()),
                inner.id.as_str(),
                &inner.revision.to_string(),
                Some(inner.domain.as_str()),
            );
            let head = head.at(inner.at).keyed(inner.rule.as_str());
            write::<_, journey::JourneyWave>(head, inner)
        }
        JourneyEvent::Map(inner) => {
            let head = CloudEvent::new(
                "forecall.journey-map.v1".to_owned(),
                &format!(
                    "{}/{}/{partition}",
                    inner.rule,
                    super::scalar::Time::of(inner.from).as_str()
                ),
                "1",
                Some(domain.as_str()),
            );
            let head = head.at(inner.to).keyed(inner.rule.as_str());
            write::<_, journey::JourneyMap>(head, inner)
        }
    }
}

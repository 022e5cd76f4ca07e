//! Aggregates to records and back.

use forecall_types as types;
use forecall_types::{Reject, RejectReason};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::customer::DirectoryRecord;
use super::{
    CloudEvent, EVENT_BYTES_MAX, EncodeError, Encoded, Payload, Shape, anomaly, call, call_forecast, command,
    customer, feedback, heartbeat_tick, incident, notice, receipt_reply, service, summary,
};

pub(super) fn write<T, S: Shape<T> + Serialize>(
    event: CloudEvent,
    inner: &T,
) -> Result<Encoded, EncodeError> {
    event.encode(&S::put(inner))
}

/// Reads a JSON payload. The refusal names fields of the contract, never what stood in them.
pub(crate) fn read<T, S: Shape<T> + DeserializeOwned>(value: &[u8]) -> Result<T, Reject> {
    if value.len() > EVENT_BYTES_MAX {
        return Err(Reject::new(
            RejectReason::TooLarge,
            format!("the value has {} bytes", value.len()),
        ));
    }
    let shape: S = serde_json::from_slice(value).map_err(|error| refused(&error))?;
    shape.take()
}

fn refused(error: &serde_json::Error) -> Reject {
    let place = match (error.line(), error.column()) {
        (0, _) => String::new(),
        (line, column) => format!(" at line {line}, column {column}"),
    };
    if !error.is_data() {
        return Reject::new(RejectReason::Malformed, format!("not JSON{place}"));
    }
    // The name of a missing field is ours; any other message of the parser may quote the record.
    let text = error.to_string();
    match text
        .strip_prefix("missing field `")
        .and_then(|t| t.split_once('`'))
    {
        Some((field, _)) => Reject::new(RejectReason::MissingField, field),
        None => Reject::new(
            RejectReason::BadValue,
            format!("a value of another type or outside its range{place}"),
        ),
    }
}

/// Reads an event that must carry `payload`.
fn expect<T, S, N, V>(payload: Payload, headers: &[(N, V)], value: &[u8]) -> Result<T, Reject>
where
    S: Shape<T> + DeserializeOwned,
    N: AsRef<str>,
    V: AsRef<[u8]>,
{
    if CloudEvent::from_headers(headers)?.payload()? == payload {
        read::<T, S>(value)
    } else {
        Err(Reject::new(
            RejectReason::UnknownFormat,
            format!("ce_type is not one of {}", payload.name()),
        ))
    }
}

/// Writes the documentation and body of a decoder.
macro_rules! decoder {
    ($(#[$doc:meta])* $name:ident -> $inner:ty, $payload:ident, $shape:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// The headers are no CloudEvent of this type, or the value is not the JSON that its schema asks for.
        pub fn $name<N: AsRef<str>, V: AsRef<[u8]>>(headers: &[(N, V)], value: &[u8]) -> Result<$inner, Reject> {
            expect::<$inner, $shape, N, V>(Payload::$payload, headers, value)
        }
    };
}
decoder!(/** Reads an anomaly. */
    decode_anomaly -> types::Anomaly, Anomaly, anomaly::Anomaly);
decoder!(/** Reads an event of an incident's life. */
    decode_incident_event -> types::IncidentEvent, IncidentEvent, incident::IncidentEvent);
decoder!(/** Reads a whole state of an incident. */
    decode_incident_state -> types::Incident, IncidentState, incident::Incident);
decoder!(/** Reads a notice, from its event or its state topic. */
    decode_notice -> types::Notice, Notice, notice::Notice);
decoder!(/** Reads a call forecast. */
    decode_call_forecast -> types::CallForecast, CallForecast, call_forecast::CallForecast);
decoder!(/** Reads a verdict. */
    decode_feedback -> types::Feedback, Feedback, feedback::Feedback);
decoder!(/** Reads what a service needs. */
    decode_service -> types::ServiceRecord, Service, service::Service);
decoder!(/** Reads an operator's command. */
    decode_command -> types::Command, Command, command::Command);
decoder!(/** Reads a record of a customer directory, with its encrypted addresses. */
    decode_directory_record -> DirectoryRecord, Customer, customer::CustomerChange);
decoder!(/** Reads a gateway's answer. */
    decode_receipt -> types::Receipt, Receipt, receipt_reply::Receipt);
decoder!(/** Reads a customer's answer. */
    decode_reply -> types::Reply, Reply, receipt_reply::Reply);
decoder!(/** Reads a call. */
    decode_call -> types::CallRecord, Call, call::Call);

/// Reads what a command is to do, apart from who says it, when and where: as in the field `action` of a command.
///
/// # Errors
/// It isn't the JSON that the schema asks for.
pub fn decode_action(value: &[u8]) -> Result<types::Action, Reject> {
    read::<types::Action, command::Action>(value)
}

/// Reads a verdict whose headers are lost: its value alone.
///
/// # Errors
/// It isn't the JSON that the schema asks for.
pub fn feedback_of_value(value: &[u8]) -> Result<types::Feedback, Reject> {
    read::<types::Feedback, feedback::Feedback>(value)
}

/// Reads a command whose headers are lost: its value alone.
///
/// # Errors
/// It isn't the JSON that the schema asks for.
pub fn command_of_value(value: &[u8]) -> Result<types::Command, Reject> {
    read::<types::Command, command::Command>(value)
}

/// Writes an anomaly: key is the domain.
///
/// # Errors
/// A number is NaN or infinite, or the event is too large.
pub fn encode_anomaly(inner: &types::Anomaly) -> Result<Encoded, EncodeError> {
    let change = match inner.state {
        types::AnomalyState::Opened => "opened",
        types::AnomalyState::Updated => "updated",
        types::AnomalyState::Closed => "closed",
    };
    let event = CloudEvent::new(
        format!("forecall.anomaly.{change}.v1"),
        inner.id.as_str(),
        &inner.revision.to_string(),
        Some(inner.domain.as_str()),
    );
    write::<_, anomaly::Anomaly>(event.at(inner.at).keyed(inner.domain.as_str()), inner)
}

/// Writes a heartbeat: key is the domain.
///
/// # Errors
/// The offset is negative or over 2^53 − 1.
pub fn encode_heartbeat(inner: &types::Heartbeat) -> Result<Encoded, EncodeError> {
    let types::SourcePartition { topic, partition } = &inner.source;
    // Whatever the heartbeat says is in its revision: equal ids are equal heartbeats.
    let revision = format!(
        "{}.{}{}{}{}",
        inner.next_offset,
        inner.watermark.time().nanos(),
        if inner.idle { ".idle" } else { "" },
        inner
            .silent_until
            .map_or_else(String::new, |until| format!(".{}", until.nanos())),
        if inner.caught_up { ".caught_up" } else { "" },
    );
    let domain = inner.domain.as_str();
    let event = CloudEvent::new(
        "forecall.heartbeat.v1".to_owned(),
        &format!("{domain}/{topic}/{partition}"),
        &revision,
        Some(domain),
    );
    write::<_, heartbeat_tick::Heartbeat>(event.at(inner.watermark.time()).keyed(domain), inner)
}

/// Writes the summary of an entity: key is the domain.
///
/// # Errors
/// A number is NaN or infinite, or the event is too large.
pub fn encode_summary(inner: &types::Summary) -> Result<Encoded, EncodeError> {
    let domain = inner.domain.as_str();
    let types::SourcePartition { topic, partition } = &inner.source;
    let entity = inner.entity.fingerprint().base32(16);
    let event = CloudEvent::new(
        "forecall.summary.v1".to_owned(),
        &format!("{domain}/{}/{entity}/{topic}/{partition}", inner.group),
        &inner.at.nanos().to_string(),
        Some(domain),
    );
    write::<_, summary::Summary>(event.at(inner.at).keyed(domain), inner)
}

/// Writes a tick. It belongs to a partition, not to a domain, so it has no key: its writer names the partition.
///
/// # Errors
/// None in practice: a tick is small and holds no number.
pub fn encode_tick(inner: &types::Tick) -> Result<Encoded, EncodeError> {
    let event = CloudEvent::new(
        "forecall.tick.v1".to_owned(),
        "tick",
        &inner.at.nanos().to_string(),
        None,
    );
    write::<_, heartbeat_tick::Tick>(event.at(inner.at), inner)
}

/// Writes what a service needs for `forecall.topology.v1`: key is `<domain>/<service>`, and of traces their topic and partition
/// too, so that a compacted topic keeps what each origin said last. In correlate's log its key is the domain.
///
/// # Errors
/// The event is too large.
pub fn encode_service(inner: &types::ServiceRecord) -> Result<Encoded, EncodeError> {
    let mut key = format!("{}/{}", inner.domain, inner.service);
    if let Some(types::SourcePartition { topic, partition }) = &inner.traced_by {
        key = format!("{key}/{topic}/{partition}");
    }
    let event = CloudEvent::new(
        "forecall.service.v1".to_owned(),
        &key,
        &inner.at.nanos().to_string(),
        Some(inner.domain.as_str()),
    );
    write::<_, service::Service>(event.at(inner.at).keyed(&key), inner)
}

/// Writes a verdict for `forecall.feedback.v1`: key is the incident. In correlate's log its key is the domain, see
/// [`super::encode_correlate_entry`].
///
/// # Errors
/// The event is too large.
pub fn encode_feedback(inner: &types::Feedback) -> Result<Encoded, EncodeError> {
    let domain = Some(inner.domain.as_str());
    let event = CloudEvent::new("forecall.feedback.v1".to_owned(), &inner.id, "1", domain);
    write::<_, feedback::Feedback>(event.at(inner.at).keyed(inner.incident.as_str()), inner)
}

/// Writes a command for `forecall.commands.v1`: key is the incident or notice it acts on, else the domain.
///
/// # Errors
/// The event is too large.
pub fn encode_command(inner: &types::Command) -> Result<Encoded, EncodeError> {
    let aggregate = match &inner.action {
        types::Action::Acknowledge { incident }
        | types::Action::Eta { incident, .. }
        | types::Action::Step { incident, .. }
        | types::Action::Attribute { incident, .. }
        | types::Action::Retract { incident }
        | types::Action::Review { incident, .. }
        | types::Action::Merge { incident, .. }
        | types::Action::Split { incident, .. }
        | types::Action::Remedy { incident, .. }
        | types::Action::RemedyResult { incident, .. }
        | types::Action::Close { incident } => incident.as_str(),
        types::Action::Say { incident, .. }
        | types::Action::Compensate { incident, .. }
        | types::Action::EndDrill { incident } => incident.as_str(),
        types::Action::Approve { notice, .. }
        | types::Action::Hold { notice, .. }
        | types::Action::Send { notice, .. }
        | types::Action::TakeBack { notice } => notice.as_str(),
        types::Action::Declare { .. }
        | types::Action::Plan { .. }
        | types::Action::Silence { .. }
        | types::Action::Unsilence { .. }
        | types::Action::Remedies { .. }
        | types::Action::Drill { .. }
        | types::Action::Kill { .. } => inner.domain.as_str(),
    };
    let domain = Some(inner.domain.as_str());
    let event = CloudEvent::new("forecall.command.v1".to_owned(), &inner.id, "1", domain);
    write::<_, command::Command>(event.at(inner.at).keyed(aggregate), inner)
}

/// Writes an event of an incident's life: key is the incident.
///
/// # Errors
/// A number is NaN or infinite, or the event is too large.
pub fn encode_incident_event(inner: &types::IncidentEvent) -> Result<Encoded, EncodeError> {
    let event = of_incident(&inner.incident, inner.change.as_str());
    write::<_, incident::IncidentEvent>(event, inner)
}

/// Writes the whole state of an incident for its compacted topic: key is the incident. The tombstone after its end is a
/// record of that key without a value.
///
/// # Errors
/// A number is NaN or infinite, or the event is too large.
pub fn encode_incident_state(inner: &types::Incident) -> Result<Encoded, EncodeError> {
    write::<_, incident::Incident>(of_incident(inner, "state"), inner)
}

fn of_incident(incident: &types::Incident, change: &str) -> CloudEvent {
    CloudEvent::new(
        format!("forecall.incident.{change}.v1"),
        incident.id.as_str(),
        &incident.revision.to_string(),
        Some(incident.domain.as_str()),
    )
    .at(incident.at)
    .keyed(incident.id.as_str())
}

/// Writes an event of a notice's life: key is the notice.
///
/// # Errors
/// The event is too large.
pub fn encode_notice(inner: &types::Notice) -> Result<Encoded, EncodeError> {
    write::<_, notice::Notice>(of_notice(inner, inner.state.as_str()), inner)
}

/// Writes the whole state of a notice for its compacted topic: key is the notice.
///
/// # Errors
/// The event is too large.
pub fn encode_notice_state(inner: &types::Notice) -> Result<Encoded, EncodeError> {
    write::<_, notice::Notice>(of_notice(inner, "state"), inner)
}

fn of_notice(notice: &types::Notice, change: &str) -> CloudEvent {
    CloudEvent::new(
        format!("forecall.notice.{change}.v1"),
        notice.id.as_str(),
        &notice.revision.to_string(),
        Some(notice.domain.as_str()),
    )
    .at(notice.at)
    .keyed(notice.id.as_str())
}

/// Writes a call forecast: key is `<domain>/<queue>`.
///
/// # Errors
/// A number is NaN or infinite, or the event is too large.
pub fn encode_call_forecast(inner: &types::CallForecast) -> Result<Encoded, EncodeError> {
    let queue = format!("{}/{}", inner.domain, inner.queue);
    let interval = format!("{queue}/{}", super::scalar::Time::of(inner.from).as_str());
    let event = CloudEvent::new(
        "forecall.call-forecast.v1".to_owned(),
        &interval,
        &inner.revision.to_string(),
        Some(inner.domain.as_str()),
    );
    write::<_, call_forecast::CallForecast>(event.at(inner.made_at).keyed(&queue), inner)
}

/// Writes a call: key is the domain.
///
/// # Errors
/// A span over 24 days with a fraction of a second, or the event is too large.
pub fn encode_call(inner: &types::CallRecord) -> Result<Encoded, EncodeError> {
    let domain = inner.domain.as_str();
    let revision = inner.at.nanos().to_string();
    let event = CloudEvent::new("forecall.call.v1".to_owned(), &inner.id, &revision, Some(domain));
    write::<_, call::Call>(event.at(inner.at).keyed(domain), inner)
}

/// Writes a record of a customer directory, with its encrypted addresses: key is the pseudonym, so that a compacted
/// directory topic keeps the newest.
///
/// # Errors
/// The event is too large.
pub fn encode_directory_record(inner: &DirectoryRecord) -> Result<Encoded, EncodeError> {
    let (change, id, domain, at) = match &inner.customer {
        types::CustomerChange::Upsert(c) => ("upserted", &c.id, &c.domain, Some(c.at)),
        types::CustomerChange::Erased { id, domain } => ("erased", id, domain, None),
    };
    let mut event = CloudEvent::new(
        format!("forecall.customer.{change}.v1"),
        id.as_str(),
        &at.map_or_else(|| change.to_owned(), |at| at.nanos().to_string()),
        Some(domain.as_str()),
    )
    .keyed(id.as_str());
    if let Some(at) = at {
        event = event.at(at);
    }
    write::<_, customer::CustomerChange>(event, inner)
}

/// Writes a gateway's answer: key is the domain.
///
/// # Errors
/// The event is too large.
pub fn encode_receipt(inner: &types::Receipt) -> Result<Encoded, EncodeError> {
    let domain = inner.domain.as_str();
    let event = CloudEvent::new(
        "forecall.receipt.v1".to_owned(),
        inner.intent.as_str(),
        inner.state.as_str(),
        Some(domain),
    );
    write::<_, receipt_reply::Receipt>(event.at(inner.at).keyed(domain), inner)
}

/// Writes a customer's answer. It names no domain, so it has no key: its writer sets one by [`Encoded::with_key`].
///
/// # Errors
/// The event is too large.
pub fn encode_reply(inner: &types::Reply) -> Result<Encoded, EncodeError> {
    let event = CloudEvent::new("forecall.reply.v1".to_owned(), &inner.id, "1", None);
    write::<_, receipt_reply::Reply>(event.at(inner.at), inner)
}

//! The payloads: for each its schema and the event types that carry it.

/// What stands in the value of an event; each has one JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payload {
    /// An anomaly at one revision.
    Anomaly,
    /// How far a source partition has come.
    Heartbeat,
    /// An entity of a peer group over one step.
    Summary,
    /// A service and what it needs.
    Service,
    /// Time, written by the owner of a partition.
    Tick,
    /// A verdict on an incident.
    Feedback,
    /// An operator's command.
    Command,
    /// A change of an incident, with its whole state.
    IncidentEvent,
    /// The whole state of an incident.
    IncidentState,
    /// A notice at one revision.
    Notice,
    /// Calls expected in one interval of one queue.
    CallForecast,
    /// A call to the contact centre.
    Call,
    /// A change of the customer directory.
    Customer,
    /// A customer's answer.
    Reply,
    /// A gateway's answer.
    Receipt,
    /// Something that happened to a customer.
    CustomerEvent,
    /// How far a source of customers' events was read.
    JourneyMark,
    /// A failed journey of one customer.
    FailedJourney,
    /// Many journeys that fail alike.
    JourneyWave,
    /// A day of a rule of journeys.
    JourneyMap,
    /// A record that could not be taken; its value is the original bytes, its schema that of the headers.
    DeadLetter,
}

impl Payload {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Anomaly,
        Self::Heartbeat,
        Self::Summary,
        Self::Service,
        Self::Tick,
        Self::Feedback,
        Self::Command,
        Self::IncidentEvent,
        Self::IncidentState,
        Self::Notice,
        Self::CallForecast,
        Self::Call,
        Self::Customer,
        Self::Reply,
        Self::Receipt,
        Self::CustomerEvent,
        Self::JourneyMark,
        Self::FailedJourney,
        Self::JourneyWave,
        Self::JourneyMap,
        Self::DeadLetter,
    ];

    /// Its name: `schemas/<name>.v1.json` is its schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anomaly => "anomaly",
            Self::Heartbeat => "heartbeat",
            Self::Summary => "summary",
            Self::Service => "service",
            Self::Tick => "tick",
            Self::Feedback => "feedback",
            Self::Command => "command",
            Self::IncidentEvent => "incident-event",
            Self::IncidentState => "incident-state",
            Self::Notice => "notice",
            Self::CallForecast => "call-forecast",
            Self::Call => "call",
            Self::Customer => "customer",
            Self::Reply => "reply",
            Self::Receipt => "receipt",
            Self::CustomerEvent => "customer-event",
            Self::JourneyMark => "journey-mark",
            Self::FailedJourney => "journey",
            Self::JourneyWave => "journey-wave",
            Self::JourneyMap => "journey-map",
            Self::DeadLetter => "dead-letter",
        }
    }

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Anomaly => "Anomaly",
            Self::Heartbeat => "Heartbeat",
            Self::Summary => "Summary",
            Self::Service => "Service",
            Self::Tick => "Tick",
            Self::Feedback => "Feedback",
            Self::Command => "Command",
            Self::IncidentEvent => "Incident event",
            Self::IncidentState => "Incident state",
            Self::Notice => "Notice",
            Self::CallForecast => "Call forecast",
            Self::Call => "Call",
            Self::Customer => "Customer",
            Self::Reply => "Reply",
            Self::Receipt => "Receipt",
            Self::CustomerEvent => "Customer event",
            Self::JourneyMark => "Journey mark",
            Self::FailedJourney => "Failed journey",
            Self::JourneyWave => "Journey wave",
            Self::JourneyMap => "Journey map",
            Self::DeadLetter => "Dead letter",
        }
    }

    /// The event types (`ce_type`) that carry it.
    pub const fn event_types(self) -> &'static [&'static str] {
        match self {
            Self::Anomaly => &[
                "forecall.anomaly.opened.v1",
                "forecall.anomaly.updated.v1",
                "forecall.anomaly.closed.v1",
            ],
            Self::Heartbeat => &["forecall.heartbeat.v1"],
            Self::Summary => &["forecall.summary.v1"],
            Self::Service => &["forecall.service.v1"],
            Self::Tick => &["forecall.tick.v1"],
            Self::Feedback => &["forecall.feedback.v1"],
            Self::Command => &["forecall.command.v1"],
            Self::IncidentEvent => &[
                "forecall.incident.predicted.v1",
                "forecall.incident.updated.v1",
                "forecall.incident.confirmed.v1",
                "forecall.incident.averted.v1",
                "forecall.incident.retracted.v1",
                "forecall.incident.expired.v1",
                "forecall.incident.resolved.v1",
                "forecall.incident.reviewed.v1",
                "forecall.incident.reopened.v1",
                "forecall.incident.announced.v1",
                "forecall.incident.started.v1",
                "forecall.incident.overrun.v1",
                "forecall.incident.ended.v1",
                "forecall.incident.cancelled.v1",
                "forecall.incident.merged.v1",
                "forecall.incident.split.v1",
            ],
            Self::IncidentState => &["forecall.incident.state.v1"],
            Self::Notice => &[
                "forecall.notice.drafted.v1",
                "forecall.notice.approved.v1",
                "forecall.notice.held.v1",
                "forecall.notice.suppressed.v1",
                "forecall.notice.sending.v1",
                "forecall.notice.sent.v1",
                "forecall.notice.delivered.v1",
                "forecall.notice.retracted.v1",
                "forecall.notice.state.v1",
            ],
            Self::CallForecast => &["forecall.call-forecast.v1"],
            Self::Call => &["forecall.call.v1"],
            Self::Customer => &["forecall.customer.upserted.v1", "forecall.customer.erased.v1"],
            Self::Reply => &["forecall.reply.v1"],
            Self::Receipt => &["forecall.receipt.v1"],
            Self::CustomerEvent => &["forecall.customer-event.v1"],
            Self::JourneyMark => &["forecall.journey-mark.v1"],
            Self::FailedJourney => &["forecall.journey.failed.v1"],
            Self::JourneyWave => &[
                "forecall.journey-wave.opened.v1",
                "forecall.journey-wave.updated.v1",
                "forecall.journey-wave.closed.v1",
            ],
            Self::JourneyMap => &["forecall.journey-map.v1"],
            Self::DeadLetter => &["forecall.dead-letter.v1"],
        }
    }

    /// The payload that an event type carries.
    pub fn of_event_type(event_type: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|p| p.event_types().contains(&event_type))
    }

    /// Where its schema lies in the repository.
    pub fn schema_path(self) -> String {
        format!("schemas/{}.v1.json", self.name())
    }

    /// The schema's URI, as `ce_dataschema` and `$id` give it: the path behind forecall's own scheme, since CloudEvents
    /// asks for an absolute URI.
    pub fn schema_uri(self) -> String {
        format!("forecall:{}", self.schema_path())
    }
}

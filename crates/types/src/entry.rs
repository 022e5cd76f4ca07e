use crate::{
    Anomaly, CallRecord, Command, ContextRecord, CustomerChange, DomainName, EventTime, Feedback, Heartbeat,
    IncidentEvent, Position, Receipt, Reply, SampleBatch, ServiceRecord, SourceMark, SpanLink, Summary, Tick,
};

/// One record of telemetry as `rekey` and `detect` take it: the points of one source record, and where it stood.
#[derive(Debug, Clone)]
pub struct SamplesRecord {
    /// Domain of the source.
    pub domain: DomainName,
    /// The source record: stays the same through re-keying.
    pub origin: Position,
    /// When the broker appended the source record: what "the future" is measured against.
    pub appended_at: EventTime,
    /// The points; empty in a record that carries marks only.
    pub batch: SampleBatch,
    /// How far the sources have come; empty in a record read from a keyed topic, which is its own source.
    pub marks: Vec<SourceMark>,
    /// What people announced: carried into every partition of the re-keyed topic.
    pub contexts: Vec<ContextRecord>,
    /// What spans tell of who calls whom: `rekey` looks at it and carries none of it on.
    pub links: Vec<SpanLink>,
}

/// One record of `correlate`'s log, `forecall.anomalies.v1`.
#[derive(Debug, Clone, PartialEq)]
pub enum CorrelateEntry {
    /// An anomaly opened, updated or closed.
    Anomaly(Box<Anomaly>),
    /// How far a source partition has come.
    Heartbeat(Heartbeat),
    /// An entity of a peer group over one step.
    Summary(Box<Summary>),
    /// What a service needs, as somebody declares or as traces show.
    Service(Box<ServiceRecord>),
    /// Time, written by the owner of the partition.
    Tick(Tick),
    /// A verdict from a person.
    Feedback(Feedback),
    /// An operator's command on an incident.
    Command(Command),
}

/// One record of `outreach`'s log, `forecall.outreach.log.v1`.
#[derive(Debug, Clone, PartialEq)]
pub enum OutreachEntry {
    /// An incident has changed.
    Incident(Box<IncidentEvent>),
    /// A call to the contact centre.
    Call(CallRecord),
    /// The directory has changed.
    Customer(CustomerChange),
    /// A customer has answered.
    Reply(Reply),
    /// A gateway has answered.
    Receipt(Receipt),
    /// An operator's command on a notice.
    Command(Command),
    /// Time, written by the owner of the partition.
    Tick(Tick),
}

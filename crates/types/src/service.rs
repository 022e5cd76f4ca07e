use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{DomainName, EventTime, Responsibility, ServiceName, SourcePartition};

/// Services that one record may name as needed: more is a generated mistake.
pub const NEEDS_MAX: usize = 256;

/// A call that traces have not shown for this long is forgotten. Whoever sees it still says so four times a day.
pub const TRACED_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// What somebody says of a service and of what it needs. It replaces what the same origin said of it before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// Domain of the service.
    pub domain: DomainName,
    /// The service, as `service.name` says it.
    pub service: ServiceName,
    /// When it was said, or seen last.
    pub at: EventTime,
    /// The partition of traces in which calls were seen; `None`: somebody declares it.
    pub traced_by: Option<SourcePartition>,
    /// The service is gone, as far as whoever says so goes.
    pub removed: bool,
    /// Whether customers use it by name; `None`: nothing is said of that.
    pub customer_facing: Option<bool>,
    /// Who answers where it is the cause of an incident.
    pub responsibility: Responsibility,
    /// The services it needs, at most [`NEEDS_MAX`].
    pub depends_on: BTreeSet<ServiceName>,
}

/// On which side of a call a span stands (OpenTelemetry's span kinds, as far as they tell calls).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SpanSide {
    /// It calls or sends: client, producer.
    Calls,
    /// It is called or receives: server, consumer.
    IsCalled,
}

/// What a span tells of who calls whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanLink {
    /// The span, by the hash of its ids of trace and span.
    pub span: u64,
    /// The span it is within, likewise; `None`: a root.
    pub parent: Option<u64>,
    /// Whose span it is.
    pub service: ServiceName,
    /// Whom it names as the other side (`service.peer.name`, `peer.service`).
    pub peer: Option<ServiceName>,
    /// On which side of the call it stands.
    pub side: SpanSide,
    /// When it began.
    pub at: EventTime,
}

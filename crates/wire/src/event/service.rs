//! What services need: as somebody declares it, or as traces show it.

use std::collections::BTreeSet;

use super::heartbeat_tick::Source;
use super::incident::Responsibility;
use super::scalar::{Name, Time};
use super::shape::published;

const fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_unknown(responsibility: &Responsibility) -> bool {
    *responsibility == Responsibility::Unknown
}

const fn unknown() -> Responsibility {
    Responsibility::Unknown
}

published! {
    /// A service and what it needs; replaces what the same origin said of it before.
    #[derive(Eq)]
    Service of ServiceRecord {
        /// Domain of the service.
        domain: Name = domain,
        /// The service, as `service.name` says it in telemetry.
        service: Name = service,
        /// When this was said, or seen last.
        at: Time = at,
        /// The partition of traces in which calls were seen; left out: it is declared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        traced_by: Option<Source> = traced_by,
        /// The service is gone.
        #[serde(default, skip_serializing_if = "is_false")]
        removed: bool = removed,
        /// Whether customers use it by name; left out: those that no other service needs are taken for it, where none is declared in the settings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        customer_facing: Option<bool> = customer_facing,
        /// Who answers where it is the cause of an incident: `own`, `supplier` or `power`.
        #[serde(default = "unknown", skip_serializing_if = "is_unknown")]
        responsibility: Responsibility = responsibility,
        /// The services it needs, at most 256.
        #[serde(default)]
        depends_on: BTreeSet<Name> = depends_on,
    }
}

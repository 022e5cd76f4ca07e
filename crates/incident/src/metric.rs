//! What a metric's name says of it, and patterns over names.

/// What customers feel of a metric, judged by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MetricKind {
    /// Share of requests or time that works.
    Availability,
    /// Failed requests.
    Error,
    /// Lost packets, dropped calls.
    Loss,
    /// How long customers wait.
    Latency,
    /// A resource or a volume: customers don't feel it directly.
    Other,
}

/// Parts of a name that tell the kind; the first that fits wins. Names follow the OpenTelemetry semantic conventions and
/// what collectd, Telegraf and Prometheus exporters write.
const PARTS: [(&str, MetricKind); 16] = [
    ("availab", MetricKind::Availability),
    ("success", MetricKind::Availability),
    ("error", MetricKind::Error),
    ("fail", MetricKind::Error),
    ("5xx", MetricKind::Error),
    ("exception", MetricKind::Error),
    ("timeout", MetricKind::Error),
    ("loss", MetricKind::Loss),
    ("drop", MetricKind::Loss),
    ("discard", MetricKind::Loss),
    ("retransmi", MetricKind::Loss),
    ("latency", MetricKind::Latency),
    ("duration", MetricKind::Latency),
    ("response_time", MetricKind::Latency),
    ("response.time", MetricKind::Latency),
    ("jitter", MetricKind::Latency),
];

/// Words too short to look for inside others ("shipping" holds "ping").
const WORDS: [(&str, MetricKind); 4] = [
    ("up", MetricKind::Availability),
    ("ping", MetricKind::Latency),
    ("rtt", MetricKind::Latency),
    ("delay", MetricKind::Latency),
];

impl MetricKind {
    pub(crate) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let part = PARTS.iter().find(|(part, _)| name.contains(part));
        let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
        let word = || words.find_map(|w| WORDS.iter().find(|(word, _)| *word == w));
        part.or_else(word).map_or(Self::Other, |(_, kind)| *kind)
    }

    /// Whether customers suffer when such a value goes `up`.
    pub(crate) const fn hurts(self, up: bool) -> bool {
        match self {
            Self::Availability => !up,
            Self::Error | Self::Loss | Self::Latency => up,
            Self::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_kind() {
        for (name, kind) in [
            ("http.server.request.duration.p95", MetricKind::Latency),
            ("packet_loss", MetricKind::Loss),
            ("http_requests_5xx_rate", MetricKind::Error),
            ("service.availability", MetricKind::Availability),
            ("up", MetricKind::Availability),
            ("cpu.idle", MetricKind::Other),
            ("orders.shipping", MetricKind::Other),
            ("net.ping.avg", MetricKind::Latency),
        ] {
            assert_eq!(MetricKind::of(name), kind, "{name}");
        }
    }
}

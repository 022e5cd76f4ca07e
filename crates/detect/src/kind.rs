use forecall_types::Direction;
use serde::{Deserialize, Serialize};

/// What a metric measures, as far as its name and unit tell: it says which way is bad for customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// How long something takes: bad when it rises.
    Latency,
    /// What goes wrong: bad when it rises.
    Errors,
    /// How full something is: bad when it rises.
    Saturation,
    /// How much comes through: bad when it falls.
    Traffic,
    /// What works or is left: bad when it falls.
    Availability,
    /// Unknown: both ways are looked at.
    Other,
}

/// Parts of names, most telling first: `http.client.errors` is about errors, whatever else it says.
const NAMES: [(MetricKind, &[&str]); 5] = [
    (
        MetricKind::Errors,
        &[
            "error",
            "fail",
            "loss",
            "drop",
            "timeout",
            "retrans",
            "reject",
            "unavailable",
            "exception",
            "5xx",
            "crc",
            // What customers complain of, and kinds of log lines that were never seen: only more of them is news.
            "customer.topics",
            "log.templates.new",
        ],
    ),
    (
        MetricKind::Availability,
        &[
            "success", "availab", "uptime", "idle", "healthy", ".free", "_free",
        ],
    ),
    (
        MetricKind::Latency,
        &[
            "latency",
            "duration",
            "delay",
            "rtt",
            "response_time",
            "response.time",
            "jitter",
        ],
    ),
    (
        MetricKind::Saturation,
        &[
            "utilization",
            "utilisation",
            "saturation",
            "queue",
            "backlog",
            "pending",
            "congestion",
        ],
    ),
    (MetricKind::Traffic, &["throughput", "traffic"]),
];

impl MetricKind {
    /// Guesses from the metric's name, then from its unit. `.rate` of a histogram, summary or `…/s` unit is traffic unless
    /// the name says otherwise; latency quantiles (`.p95`) go by their name.
    pub fn of(metric: &str, unit: &str) -> Self {
        let name = metric.to_ascii_lowercase();
        // How often a duration was measured is traffic.
        if name.ends_with(".rate")
            && NAMES.iter().all(|(kind, parts)| {
                !matches!(kind, Self::Errors | Self::Availability) || !parts.iter().any(|p| name.contains(p))
            })
            && unit == "{observation}/s"
        {
            return Self::Traffic;
        }
        if let Some((kind, _)) = NAMES
            .iter()
            .find(|(_, parts)| parts.iter().any(|p| name.contains(p)))
        {
            return *kind;
        }
        match unit {
            "s" | "ms" | "us" | "ns" => Self::Latency,
            "By/s" | "bit/s" | "{packet}/s" | "{request}/s" | "{call}/s" => Self::Traffic,
            _ => Self::Other,
        }
    }

    /// The way that is bad; `None` where both are.
    pub const fn bad(self) -> Option<Direction> {
        match self {
            Self::Latency | Self::Errors | Self::Saturation => Some(Direction::Up),
            Self::Traffic | Self::Availability => Some(Direction::Down),
            Self::Other => None,
        }
    }

    /// The least deviation worth a word, in the metric's unit: half a percentage point where shares are measured, so that
    /// one lost packet on a clean line isn't news.
    pub fn deviation_floor(self, unit: &str) -> f64 {
        match (self, unit) {
            (Self::Errors | Self::Availability | Self::Saturation, "1") => 0.005,
            (Self::Errors | Self::Availability | Self::Saturation, "%") => 0.5,
            _ => 0.0,
        }
    }

    /// What share of the expected value a deviation must reach, given the general rule: availability lives within a few
    /// per cent of its top.
    pub const fn deviation_share(self, general: f64) -> f64 {
        match self {
            Self::Availability => general * 0.1,
            Self::Latency | Self::Errors | Self::Saturation | Self::Traffic | Self::Other => general,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_then_units_tell() {
        let kind = MetricKind::of;
        assert_eq!(kind("http.server.request.duration.p95", "s"), MetricKind::Latency);
        assert_eq!(
            kind("http.server.request.duration.rate", "{observation}/s"),
            MetricKind::Traffic
        );
        assert_eq!(kind("Packet_Loss", "%"), MetricKind::Errors);
        assert_eq!(kind("http.errors.rate", "{error}/s"), MetricKind::Errors);
        assert_eq!(kind("system.cpu.utilization", "1"), MetricKind::Saturation);
        assert_eq!(kind("net.in", "By/s"), MetricKind::Traffic);
        assert_eq!(kind("registration.success.ratio", "1"), MetricKind::Availability);
        assert_eq!(kind("temperature", "Cel"), MetricKind::Other);
    }
}

//! What a series is called and which labels it carries.

use forecall_types::{Labels, SeriesKey};
use forecall_wire::telemetry::is_resource_label;
use std::sync::Arc;

/// Labels that `correlate` takes for a region, in its own order.
pub(super) const REGION_LABELS: [&str; 4] =
    ["forecall.region", "geo.region.iso_code", "region", "cloud.region"];
/// The label of the service.
pub(super) const SERVICE_LABEL: &str = "service.name";
/// For a series that says no region: ISO 3166 keeps ZZ for its users.
pub(super) const NOWHERE: &str = "ZZ";
/// Bytes of a series' name: it serves as a service's name, which is bounded so.
const NAME_BYTES_MAX: usize = 128;

/// A series of the input.
#[derive(Debug)]
pub(super) struct Series {
    /// As `scores.csv` names it: the name, and `{label="value",…}` where there are labels.
    pub(super) shown: String,
    pub(super) key: SeriesKey,
}

impl Series {
    pub(super) fn new(name: &str, unit: &str, labels: &Labels) -> Result<Self, String> {
        if name.trim().is_empty() || name.trim() != name || name.len() > NAME_BYTES_MAX {
            return Err(format!(
                "a series' name needs 1 to {NAME_BYTES_MAX} bytes and no white space at its ends"
            ));
        }
        if name.chars().any(char::is_control) {
            return Err("a series' name may hold no control characters".to_owned());
        }
        let (resource, own): (Vec<_>, Vec<_>) =
            labels.iter().partition(|(label, _)| is_resource_label(label));
        let mut resource = Labels::from_pairs(resource);
        if labels.get(SERVICE_LABEL).is_none() {
            resource.set(SERVICE_LABEL, name);
        }
        if REGION_LABELS.iter().all(|label| labels.get(label).is_none()) {
            resource.set("region", NOWHERE);
        }
        let shown = if labels.is_empty() {
            name.to_owned()
        } else {
            let pairs: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
            format!("{name}{{{}}}", pairs.join(","))
        };
        Ok(Self {
            shown,
            key: SeriesKey {
                metric: Arc::from(name),
                unit: Arc::from(unit),
                resource,
                labels: Labels::from_pairs(own),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_without_a_scope_gets_one() {
        let bare = Series::new("a/b", "", &Labels::default()).unwrap();
        assert_eq!(bare.shown, "a/b");
        assert_eq!(
            bare.key.resource,
            Labels::from_pairs([("service.name", "a/b"), ("region", "ZZ")])
        );
        let labels = Labels::from_pairs([("service.name", "pay"), ("region", "IR-23"), ("cell", "7")]);
        let full = Series::new("latency", "ms", &labels).unwrap();
        assert_eq!(
            full.shown,
            r#"latency{cell="7",region="IR-23",service.name="pay"}"#
        );
        assert_eq!(
            full.key.resource,
            Labels::from_pairs([("service.name", "pay"), ("region", "IR-23")])
        );
        assert_eq!(full.key.labels, Labels::from_pairs([("cell", "7")]));
        for bad in ["", " a", "a\n", &"x".repeat(129)] {
            assert!(Series::new(bad, "", &Labels::default()).is_err(), "{bad:?}");
        }
    }
}

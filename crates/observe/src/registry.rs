use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use forecall_types::invariant::{self, InvariantId};
use prometheus::core::Collector;
use prometheus::{CounterVec, Encoder, GaugeVec, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder};

use crate::anomalies::{Page, ShownRow};
use crate::metric::{Kind, Metric};
use crate::process;

enum Family {
    Counter(CounterVec),
    Gauge(GaugeVec),
    Histogram(HistogramVec),
}

/// The metrics of this process; a handle, cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    families: BTreeMap<Metric, Family>,
    /// Label sets seen, so that a metric's bound holds.
    seen: Mutex<BTreeMap<Metric, BTreeSet<Vec<String>>>>,
    /// Chosen series, on a page of their own.
    page: Page,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn family(metric: Metric) -> prometheus::Result<Family> {
    let (name, help, labels) = (metric.name(), metric.help(), metric.labels());
    Ok(match metric.kind() {
        Kind::Counter => Family::Counter(CounterVec::new(Opts::new(name, help), labels)?),
        Kind::Gauge => Family::Gauge(GaugeVec::new(Opts::new(name, help), labels)?),
        Kind::Histogram(bounds) => {
            let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
            Family::Histogram(HistogramVec::new(opts, labels)?)
        }
    })
}

impl Metrics {
    /// A registry with every metric of [`Metric::ALL`].
    pub fn new() -> Self {
        let registry = Registry::new();
        let mut families = BTreeMap::new();
        for metric in Metric::ALL {
            let Ok(family) = family(*metric) else { continue };
            let collector: Box<dyn Collector> = match &family {
                Family::Counter(c) => Box::new(c.clone()),
                Family::Gauge(g) => Box::new(g.clone()),
                Family::Histogram(h) => Box::new(h.clone()),
            };
            // Only a name that stands twice could fail, and a test forbids it.
            if registry.register(collector).is_ok() {
                families.insert(*metric, family);
            }
        }
        let metrics = Self(Arc::new(Inner {
            registry,
            families,
            seen: Mutex::default(),
            page: Page::default(),
        }));
        metrics.set(Metric::BuildInfo, &[env!("CARGO_PKG_VERSION")], 1.0);
        metrics
    }

    /// The label values, or `other` where the metric's bound is reached.
    fn bounded<'v>(&self, metric: Metric, values: &[&'v str]) -> Vec<&'v str> {
        if values.is_empty() {
            return Vec::new();
        }
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let sets = seen.entry(metric).or_default();
        let known = sets
            .iter()
            .any(|set| set.iter().map(String::as_str).eq(values.iter().copied()));
        if known {
            return values.to_vec();
        }
        if sets.len() < metric.label_sets_max() {
            sets.insert(values.iter().map(|v| (*v).to_owned()).collect());
            return values.to_vec();
        }
        drop(seen);
        if let Some(Family::Counter(c)) = self.0.families.get(&Metric::LabelOverflowTotal) {
            c.with_label_values(&[metric.name()]).inc();
        }
        vec!["other"; values.len()]
    }

    fn right(metric: Metric, labels: &[&str]) -> bool {
        let right = labels.len() == metric.labels().len();
        debug_assert!(right, "{} has the labels {:?}", metric.name(), metric.labels());
        right
    }

    /// Adds to a counter.
    pub fn inc(&self, metric: Metric, labels: &[&str], n: u64) {
        if let (true, Some(Family::Counter(c))) = (Self::right(metric, labels), self.0.families.get(&metric))
        {
            #[allow(clippy::cast_precision_loss, reason = "Prometheus counts in f64")]
            c.with_label_values(&self.bounded(metric, labels))
                .inc_by(n as f64);
        }
    }

    /// Has a counter begin at 0: one that is born with its first event shows no increase by it.
    pub fn begin(&self, metric: Metric, labels: &[&str]) {
        self.inc(metric, labels, 0);
    }

    /// Sets a gauge.
    pub fn set(&self, metric: Metric, labels: &[&str], value: f64) {
        if let (true, Some(Family::Gauge(g))) = (Self::right(metric, labels), self.0.families.get(&metric)) {
            g.with_label_values(&self.bounded(metric, labels)).set(value);
        }
    }

    /// Forgets the label sets of a gauge in which each of these labels has this value: what it told of is another's now, or gone.
    /// A label that the metric hasn't got matches.
    pub fn forget(&self, metric: Metric, of: &[(&str, &str)]) {
        let Some(Family::Gauge(gauge)) = self.0.families.get(&metric) else {
            return;
        };
        let matches = |set: &Vec<String>| {
            let mut named = metric.labels().iter().zip(set);
            named.all(|(label, value)| of.iter().all(|(l, v)| l != label || v == value))
        };
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sets) = seen.get_mut(&metric) else { return };
        let gone: Vec<Vec<String>> = sets.iter().filter(|set| matches(set)).cloned().collect();
        for set in gone {
            let values: Vec<&str> = set.iter().map(String::as_str).collect();
            // It may never have been set: then there is nothing to remove.
            let _ = gauge.remove_label_values(&values);
            sets.remove(&set);
        }
    }

    /// Adds one observation to a histogram.
    pub fn observe(&self, metric: Metric, labels: &[&str], value: f64) {
        if let (true, Some(Family::Histogram(h))) =
            (Self::right(metric, labels), self.0.families.get(&metric))
        {
            h.with_label_values(&self.bounded(metric, labels)).observe(value);
        }
    }

    /// So many chosen series are shown at most; none until it is said.
    pub fn show_at_most(&self, series: usize) {
        self.0.page.show_at_most(series);
    }

    /// Shows a chosen series as `of` tells it; one too many is counted.
    pub fn show(&self, of: &str, row: ShownRow) {
        if !self.0.page.show(of, row, Instant::now()) {
            self.inc(Metric::LabelOverflowTotal, &["anomaly_score"], 1);
        }
    }

    /// Shows no longer what `of` has told.
    pub fn show_none_of(&self, of: &str) {
        self.0.page.forget(of);
    }

    /// The page of chosen series, in Prometheus' text format.
    pub fn anomaly_text(&self) -> String {
        self.0.page.text(Instant::now())
    }

    /// All of them in Prometheus' text format.
    pub fn text(&self) -> String {
        for id in InvariantId::ALL {
            #[allow(clippy::cast_precision_loss, reason = "Prometheus counts in f64")]
            self.set(
                Metric::InvariantViolationsTotal,
                &[id.as_str()],
                invariant::violations(id) as f64,
            );
        }
        let usage = process::usage();
        for (metric, value) in [
            (Metric::ResidentMemoryBytes, usage.resident_bytes),
            (Metric::CpuSecondsTotal, usage.cpu_seconds),
            (Metric::OpenFds, usage.open_fds),
        ] {
            if let Some(value) = value {
                self.set(metric, &[], value);
            }
        }
        let mut bytes = Vec::new();
        // Writing to memory can't fail; a broken family would only be left out.
        let _ = TextEncoder::new().encode(&self.0.registry.gather(), &mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_label_values_ends_in_other() {
        let metrics = Metrics::new();
        for i in 0..100 {
            metrics.inc(Metric::WithheldTotal, &[&format!("r{i}")], 1);
        }
        let text = metrics.text();
        let sets = text
            .lines()
            .filter(|l| l.starts_with("forecall_withheld_total{"))
            .count();
        assert_eq!(sets, Metric::WithheldTotal.label_sets_max() + 1);
        assert!(
            text.contains(r#"forecall_withheld_total{reason="other"} 68"#),
            "{text}"
        );
        assert!(text.contains(r#"forecall_label_overflow_total{metric="forecall_withheld_total"} 68"#));
    }

    #[test]
    fn what_is_forgotten_is_no_longer_told_and_leaves_its_room() {
        let metrics = Metrics::new();
        for (topic, partition) in [("t", "1"), ("t", "11"), ("u", "1")] {
            metrics.set(Metric::LagRecords, &["detect", topic, partition], 7.0);
        }
        metrics.set(Metric::LagRecords, &["correlate", "t", "1"], 7.0);
        metrics.forget(
            Metric::LagRecords,
            &[("stage", "detect"), ("topic", "t"), ("partition", "1")],
        );
        let text = metrics.text();
        let left: Vec<&str> = text
            .lines()
            .filter_map(|l| l.strip_prefix("forecall_lag_records{"))
            .collect();
        assert_eq!(
            left,
            [
                r#"partition="1",stage="correlate",topic="t"} 7"#,
                r#"partition="1",stage="detect",topic="u"} 7"#,
                r#"partition="11",stage="detect",topic="t"} 7"#,
            ]
        );
        for moved in 0..2 * Metric::IncidentsOpen.label_sets_max() {
            let partition = moved.to_string();
            metrics.set(Metric::IncidentsOpen, &[&partition], 1.0);
            metrics.forget(
                Metric::IncidentsOpen,
                &[("stage", "correlate"), ("partition", &partition)],
            );
        }
        let text = metrics.text();
        assert!(!text.contains("forecall_incidents_open{"), "{text}");
    }

    #[test]
    fn a_counter_may_begin_before_its_first_event() {
        let metrics = Metrics::new();
        metrics.begin(Metric::IncidentsTotal, &["predicted"]);
        let begun = r#"forecall_incidents_total{change="predicted"} "#;
        assert!(metrics.text().contains(&format!("{begun}0")));
        metrics.inc(Metric::IncidentsTotal, &["predicted"], 1);
        metrics.begin(Metric::IncidentsTotal, &["predicted"]);
        assert!(metrics.text().contains(&format!("{begun}1")));
    }

    #[test]
    fn every_metric_is_registered() {
        assert_eq!(Metrics::new().0.families.len(), Metric::ALL.len());
    }
}

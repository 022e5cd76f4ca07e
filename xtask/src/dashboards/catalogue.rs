//! The metrics there are, from their generated reference: `codegen --check` holds that against the code.

use std::collections::BTreeMap;

/// Path of the reference.
pub(super) const PATH: &str = "docs/reference/metrics.md";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric and its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) kind: Kind,
    pub(super) labels: Vec<String>,
}

/// All metrics by name.
pub(super) struct Catalogue {
    pub(super) metrics: BTreeMap<String, Metric>,
}

/// A series as it is scraped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Series<'c> {
    /// The metric's name in the catalogue: without `_bucket` and the like.
    pub(super) metric: &'c str,
    /// Counted by the process since its start.
    pub(super) counted: bool,
    /// Counted, or a total of state that is restored.
    pub(super) only_grows: bool,
    pub(super) labels: Vec<&'c str>,
}

impl Catalogue {
    /// Reads the table of the reference.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut metrics = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("| `")) {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let (name, kind, labels) = (cells.next(), cells.next(), cells.next());
            let (Some(name), Some(kind), Some(labels)) = (name, kind, labels) else {
                return Err(format!("{PATH}: not a row: {line}"));
            };
            let kind = match kind {
                "counter" => Kind::Counter,
                "gauge" => Kind::Gauge,
                "histogram" => Kind::Histogram,
                other => return Err(format!("{PATH}: `{other}` is no type of a metric")),
            };
            let labels = labels.split(',').map(|label| label.trim().trim_matches('`'));
            let labels = labels.filter(|label| !label.is_empty()).map(str::to_owned);
            let metric = Metric {
                kind,
                labels: labels.collect(),
            };
            metrics.insert(name.trim_matches('`').to_owned(), metric);
        }
        if metrics.is_empty() {
            return Err(format!("{PATH}: no metric in it"));
        }
        Ok(Self { metrics })
    }

    /// The series of this name; a histogram has three, and none by its own name.
    pub(super) fn series(&self, name: &str) -> Option<Series<'_>> {
        if let Some((metric, found)) = self.metrics.get_key_value(name) {
            return match found.kind {
                Kind::Histogram => None,
                Kind::Counter | Kind::Gauge => Some(Series {
                    metric,
                    counted: found.kind == Kind::Counter,
                    only_grows: found.kind == Kind::Counter || name.ends_with("_total"),
                    labels: found.labels.iter().map(String::as_str).collect(),
                }),
            };
        }
        ["_bucket", "_sum", "_count"].into_iter().find_map(|part| {
            let (metric, found) = self.metrics.get_key_value(name.strip_suffix(part)?)?;
            let bound = (part == "_bucket").then_some("le");
            (found.kind == Kind::Histogram).then(|| Series {
                metric,
                counted: true,
                only_grows: true,
                labels: found.labels.iter().map(String::as_str).chain(bound).collect(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Metrics\n\n| metric | type | labels | n | says |\n|---|---|---|---|---|\n\
                         | `a_total` | counter | `x`, `y` | 1 | A. |\n| `b_seconds` | histogram |  | 1 | B. |\n";

    #[test]
    fn a_histogram_has_three_series_and_none_of_its_own() {
        let catalogue = Catalogue::read(TABLE).unwrap();
        assert_eq!(catalogue.series("a_total").unwrap().labels, ["x", "y"]);
        let bucket = catalogue.series("b_seconds_bucket").unwrap();
        assert_eq!((bucket.metric, bucket.labels), ("b_seconds", vec!["le"]));
        assert!(catalogue.series("b_seconds_sum").is_some());
        for unknown in ["b_seconds", "a_total_bucket", "c"] {
            assert_eq!(catalogue.series(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_table_that_is_none_is_refused() {
        assert!(Catalogue::read("# Metrics\n").is_err());
        assert!(Catalogue::read("| `a` | sum |  | 1 | A. |\n").is_err());
    }
}

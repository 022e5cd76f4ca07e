//! Figures as one table or as JSON.

use crate::bootstrap::Figure;

/// Figures so far.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(String, String, String, Figure)>,
    notes: Vec<(String, String)>,
    published: Vec<(String, &'static str, f64)>,
}

impl Table {
    pub(crate) fn add(&mut self, set: &str, measure: &str, detector: &str, figure: Figure) {
        self.rows
            .push((set.to_owned(), measure.to_owned(), detector.to_owned(), figure));
    }

    pub(crate) fn note(&mut self, set: &str, text: &str) {
        self.notes.push((set.to_owned(), text.to_owned()));
    }

    pub(crate) fn published(&mut self, detector: &str, profile: &'static str, score: f64) {
        self.published.push((detector.to_owned(), profile, score));
    }

    /// As a table: a line a measure, a column a detector.
    pub(crate) fn text(&self, variants: u32) -> String {
        let mut detectors: Vec<&str> = Vec::new();
        let mut lines: Vec<(&str, &str)> = Vec::new();
        for (set, measure, detector, _) in &self.rows {
            if !detectors.contains(&detector.as_str()) {
                detectors.push(detector);
            }
            if !lines.contains(&(set, measure)) {
                lines.push((set, measure));
            }
        }
        let mut text = format!(
            "| set | measure | {} |\n|---|---|{}\n",
            detectors.join(" | "),
            "---|".repeat(detectors.len())
        );
        for (set, measure) in lines {
            text.push_str(&format!("| {set} | {measure} |"));
            for detector in &detectors {
                let cell = self
                    .rows
                    .iter()
                    .find(|(s, m, d, _)| s == set && m == measure && d == detector);
                text.push_str(&format!(
                    " {} |",
                    cell.map_or_else(|| "–".to_owned(), |(.., figure)| shown(figure))
                ));
            }
            text.push('\n');
        }
        if !self.published.is_empty() {
            text.push_str("\nPublished on NAB's leaderboard (standard / low FP / low FN):");
            let mut of = "";
            for (detector, _, score) in &self.published {
                text.push_str(&if of == detector {
                    format!(" / {score:.1}")
                } else {
                    format!("\n- {detector}: {score:.1}")
                });
                of = detector;
            }
            text.push('\n');
        }
        text.push_str(&format!(
            "\nIn brackets: what 95 of 100 resamples of the files fall into. Variants tried on these sets so far: {variants}.\n"
        ));
        text
    }

    pub(crate) fn json(&self, variants: u32) -> serde_json::Value {
        let rows: Vec<serde_json::Value> = self
            .rows
            .iter()
            .map(|(set, measure, detector, figure)| {
                let (low, high) = figure.interval.unzip();
                serde_json::json!({
                    "set": set, "measure": measure, "detector": detector,
                    "value": figure.value, "low": low, "high": high,
                })
            })
            .collect();
        let published: Vec<serde_json::Value> = self
            .published
            .iter()
            .map(|(detector, profile, score)| {
                serde_json::json!({"detector": detector, "profile": profile, "score": score})
            })
            .collect();
        let notes: Vec<serde_json::Value> = self
            .notes
            .iter()
            .map(|(set, text)| serde_json::json!({"set": set, "note": text}))
            .collect();
        serde_json::json!({"figures": rows, "published": published, "notes": notes, "variants_tried": variants})
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 10_000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

fn shown(figure: &Figure) -> String {
    match figure.interval {
        Some((low, high)) => format!("{} [{}, {}]", number(figure.value), number(low), number(high)),
        None => number(figure.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_measure_and_a_column_a_detector() {
        let mut table = Table::default();
        table.add("a", "x", "one", Figure::exact(0.5));
        table.add(
            "a",
            "x",
            "two",
            Figure {
                value: 61.25,
                interval: Some((55.0, 70.0)),
            },
        );
        table.add("b", "y", "two", Figure::exact(-0.25));
        let text = table.text(3);
        assert!(text.starts_with(
            "| set | measure | one | two |\n|---|---|---|---|\n\
             | a | x | 0.500 | 61.2 [55.0, 70.0] |\n| b | y | – | -0.250 |\n"
        ));
        assert_eq!(table.json(3)["figures"][1]["high"], 70.0);
    }
}

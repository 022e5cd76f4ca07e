//! Shares of hits as tables and as JSON.

use crate::asked::{Answer, Asked, is_hit};
use crate::score::Hits;

/// One table: groups of faults by methods.
pub(crate) struct Table {
    pub(crate) title: String,
    /// Among how many first a cause must be.
    tops: Vec<usize>,
    rows: Vec<Row>,
}

struct Row {
    group: String,
    method: String,
    hits: Vec<Hits>,
}

impl Table {
    pub(crate) fn new(title: &str, tops: &[usize]) -> Self {
        Self {
            title: title.to_owned(),
            tops: tops.to_owned(),
            rows: Vec::new(),
        }
    }

    /// Scores answers to what `chosen` picks; what has no known cause isn't scored.
    pub(crate) fn add(
        &mut self,
        group: &str,
        method: &str,
        answered: &[(&Asked, Answer)],
        chosen: impl Fn(&Asked) -> bool,
    ) {
        let judged = answered
            .iter()
            .filter(|(asked, _)| !asked.truth.is_empty() && chosen(asked));
        let hits = self
            .tops
            .iter()
            .map(|k| Hits::count(judged.clone().map(|(asked, answer)| is_hit(asked, answer, *k))))
            .collect();
        self.rows.push(Row {
            group: group.to_owned(),
            method: method.to_owned(),
            hits,
        });
    }

    pub(crate) fn text(&self) -> String {
        let tops: Vec<String> = self.tops.iter().map(|k| format!("top-{k}")).collect();
        let mut text = format!(
            "\n{}\n\n| faults | of | method | {} |\n|---|---|---|{}\n",
            self.title,
            tops.join(" | "),
            "---|".repeat(tops.len())
        );
        for row in &self.rows {
            let of = row.hits.first().map_or(0, |hits| hits.of);
            let cells: Vec<String> = row.hits.iter().map(|hits| hits.shown()).collect();
            text.push_str(&format!(
                "| {} | {of} | {} | {} |\n",
                row.group,
                row.method,
                cells.join(" | ")
            ));
        }
        text
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let rows: Vec<serde_json::Value> = self
            .rows
            .iter()
            .flat_map(|row| {
                self.tops.iter().zip(&row.hits).map(move |(k, hits)| {
                    let (low, high) = hits.interval();
                    serde_json::json!({
                        "group": row.group, "method": row.method, "top": k,
                        "hits": hits.hit, "of": hits.of, "value": hits.share(), "low": low, "high": high,
                    })
                })
            })
            .collect();
        serde_json::json!({"title": self.title, "rows": rows})
    }
}

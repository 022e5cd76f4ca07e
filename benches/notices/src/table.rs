//! Figures as Markdown.

use std::fmt::Write as _;

use serde_json::Value;

/// The heads of a table, and where their figures stand.
const SEND: [(&str, &str); 12] = [
    ("parts/s the centre takes", "/rate"),
    ("load", "/load"),
    ("raw client, s", "/raw_seconds"),
    ("record to notice in the ledger, s", "/decided"),
    ("from there to the last part, s", "/after"),
    ("record to last part, s", "/whole"),
    ("ratio to raw", "/ratio"),
    ("ratio from the notice on", "/ratio_after"),
    ("CPU s; raw", "/cpu /raw_cpu"),
    ("retraction prepared, s", "/retraction/prepared"),
    ("retraction: key to last part, s", "/retraction/whole"),
    ("its CPU s", "/retraction/cpu"),
];
const ALONE: [(&str, &str); 8] = [
    ("parts/s the centre takes", "/rate"),
    ("load", "/load"),
    ("planned in one commit, s", "/planned"),
    ("raw client, s", "/raw_seconds"),
    ("deliver, s", "/seconds"),
    ("ratio to raw", "/ratio"),
    ("CPU s; raw", "/cpu /raw_cpu"),
    ("MiB in RAM at each tenth", "/memory_mib"),
];
const FIRST: [(&str, &str); 6] = [
    ("incidents", "/runs"),
    ("load", "/load"),
    ("p50 ms", "/p50_ms"),
    ("p90 ms", "/p90_ms"),
    ("p99 ms", "/p99_ms"),
    ("longest ms", "/most_ms"),
];
const KILLS: [(&str, &str); 11] = [
    ("echo", "/echo"),
    ("rule", "/rule"),
    ("seed", "/seed"),
    (
        "kills; restarts of the centre; lines cut; answered twice",
        "/kills /restarts /lines_cut /answered_twice",
    ),
    ("lost", "/verdict/lost"),
    ("of them not said", "/verdict/lost_and_not_said"),
    ("doubled", "/verdict/doubled"),
    ("of them not said", "/verdict/doubled_and_not_said"),
    ("sent again", "/verdict/sent_again"),
    ("not ended", "/verdict/not_ended"),
    ("states; seconds", "/verdict/states /seconds"),
];

fn figure(value: Option<&Value>) -> String {
    match value {
        Some(Value::Number(number)) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(real)) if real.abs() >= 100.0 => format!("{real:.0}"),
            (None, Some(real)) => format!("{real:.2}"),
            (None, None) => number.to_string(),
        },
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(all)) => all
            .iter()
            .map(|one| figure(Some(one)))
            .collect::<Vec<_>>()
            .join(" "),
        Some(Value::Object(all)) => {
            let pairs = all
                .iter()
                .map(|(name, one)| format!("{name} {}", figure(Some(one))));
            pairs.collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
        None => "–".to_owned(),
    }
}

/// A table of these rows.
pub(crate) fn of(name: &str, rows: &[Value]) -> String {
    let columns: &[(&str, &str)] = match name {
        "send" => &SEND,
        "alone" => &ALONE,
        "first" => &FIRST,
        _ => &KILLS,
    };
    let mut table = String::new();
    let heads: Vec<_> = columns.iter().map(|(head, _)| *head).collect();
    let _ = writeln!(
        table,
        "| {} |\n|{}",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    for row in rows {
        let cells = columns.iter().map(|(_, places)| {
            let figures = places.split(' ').map(|place| figure(row.pointer(place)));
            figures.collect::<Vec<_>>().join("; ")
        });
        let _ = writeln!(table, "| {} |", cells.collect::<Vec<_>>().join(" | "));
        if let Some(memory) = row.pointer("/memory_mib").filter(|_| name == "send") {
            let _ = writeln!(
                table,
                "\nMiB in RAM at each tenth, the log in memory among it: {}\n",
                figure(Some(memory))
            );
        }
    }
    table.push('\n');
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_shows_each_figure_in_its_column() {
        let row = json!({"runs": 3, "load": "1.5", "p50_ms": 12.345, "p99_ms": 150.4});
        let table = of("first", &[row]);
        assert!(table.contains("| 3 | 1.5 | 12.35 | – | 150 | – |"), "{table}");
    }
}

//! `report.html`: a run to look at. One file that loads nothing; the same run gives the same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forecall_backtest::Truth;
use forecall_types::EventTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::judge::{Judged, bins, curve};
use super::output::Manifest;
use super::series_cells::{Cell, Summary, cells, summaries};
use super::told::{Abnormal, Results};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");
const WORDS: &str = include_str!("report_words.js");
/// Series with a picture, the noisiest first.
const SERIES_MAX: usize = 200;
/// Incidents, notices, labels of a page: more are no longer told apart.
const MARKS_MAX: usize = 5_000;
/// Anomalies of a page.
const ANOMALIES_MAX: usize = 20_000;
/// A score in a byte: steps of a twelfth, 20 at most; 255 is none.
const SCORE_STEPS: f64 = 12.0;
const NO_SCORE: u8 = 255;

/// What a page is made of.
pub(super) struct Page<'p> {
    pub(super) manifest: &'p Manifest,
    pub(super) results: &'p Results,
    pub(super) truths: &'p [Truth],
    pub(super) judged: &'p Judged,
    pub(super) span: (EventTime, EventTime),
}

/// The whole page.
pub(super) fn page(page: &Page<'_>, scores: &Path, zone: &TimeZone) -> anyhow::Result<String> {
    let all = summaries(scores, zone)?;
    let names: BTreeMap<&str, usize> = all.iter().map(|s| s.name.as_str()).zip(0..).collect();
    let of = |one: &Abnormal| names.get(&*one.series).or_else(|| names.get(&*one.full)).copied();
    let mut anomalies = vec![0_usize; all.len()];
    for place in page.results.anomalies.iter().filter_map(of) {
        if let Some(count) = anomalies.get_mut(place) {
            *count += 1;
        }
    }
    let mut order: Vec<(usize, &Summary)> = anomalies.iter().copied().zip(&all).collect();
    order.sort_by(|(a, x), (b, y)| (b, y.loud, &x.name).cmp(&(a, x.loud, &y.name)));
    order.truncate(SERIES_MAX);
    let chosen: Vec<Summary> = order.iter().map(|(_, s)| (*s).clone()).collect();
    let shown: BTreeMap<&str, usize> = chosen.iter().map(|s| s.name.as_str()).zip(0..).collect();
    let cells = cells(scores, zone, &chosen)?;
    let series: Vec<Value> = order
        .iter()
        .zip(&cells)
        .map(|((count, summary), cells)| one_series(summary, *count, cells))
        .collect();
    let told: Vec<Value> = page
        .results
        .anomalies
        .iter()
        .filter_map(|one| {
            let place = shown.get(&*one.series).or_else(|| shown.get(&*one.full))?;
            Some(json!([
                place,
                secs(one.from),
                secs(one.to),
                one.channel,
                one.peak()
            ]))
        })
        .take(ANOMALIES_MAX)
        .collect();
    let data = json!({
        "about": about(page, all.len()),
        "figures": page.judged.figures.iter().map(|f| json!({
            "name": f.name, "value": f.value, "unit": f.unit.as_str(), "of": f.of, "what": f.of_what,
        })).collect::<Vec<_>>(),
        "verdicts": page.judged.verdicts.iter().map(|v| json!({
            "text": v.text, "holds": v.holds, "value": v.value, "why": v.why,
        })).collect::<Vec<_>>(),
        "labels": page.truths.iter().take(MARKS_MAX).map(label).collect::<Vec<_>>(),
        "incidents": incidents(page.results),
        "notices": page.results.notices.iter().take(MARKS_MAX).map(|n| json!({
            "at": secs(n.at), "incident": n.incident, "state": n.state,
        })).collect::<Vec<_>>(),
        "series": series,
        "anomalies": told,
        "curves": page.judged.curves.each_ref().map(|points| curve(points)),
        "bins": bins(&page.judged.bins),
        "by_labels": page.judged.by_labels,
    });
    Ok(html(&data))
}

fn html(data: &Value) -> String {
    // What stands in a script may not end it, whatever a series is called.
    let data = data.to_string().replace('<', "\\u003c");
    format!(
        "<!doctype html>\n<html lang=\"en\" dir=\"ltr\">\n<meta charset=\"utf-8\">\n\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>forecall replay</title>\n\
<style>\n{STYLE}</style>\n<body>\n<noscript>This page draws with a script of its own; it loads nothing.</noscript>\n\
<main id=\"page\"></main>\n<script>\nconst DATA = {data};\n{WORDS}{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn secs(at: EventTime) -> f64 {
    at.seconds_from(EventTime::from_secs(0))
}

fn about(page: &Page<'_>, series: usize) -> Value {
    let manifest = page.manifest;
    json!({
        "version": manifest.version, "complete": manifest.complete, "digest": manifest.settings_digest,
        "rows": manifest.rows, "bad": manifest.rows_bad, "series": series, "inputs": manifest.inputs.len(),
        "from": secs(page.span.0), "to": secs(page.span.1),
        "labels": manifest.seal.labels.is_some(), "teams": manifest.seal.teams,
    })
}

fn label(truth: &Truth) -> Value {
    json!({
        "from": secs(truth.from), "to": secs(truth.to), "service": truth.service, "region": truth.region,
        "kind": truth.kind,
    })
}

fn incidents(results: &Results) -> Vec<Value> {
    let one = |life: &super::told::Life| {
        let told = &life.told;
        json!({
            "id": told.id, "from": secs(told.from), "to": secs(told.to), "services": told.services,
            "regions": told.regions, "state": told.state, "severity": told.severity, "peak": told.peak,
            "impact": told.impact.map(secs), "open": life.open, "planned": life.planned,
            "first": life.first.0, "reason": life.first.1,
        })
    };
    results.incidents.iter().take(MARKS_MAX).map(one).collect()
}

/// Columns of numbers as the page's script reads them: little-endian, in base 64.
fn one_series(summary: &Summary, anomalies: usize, cells: &[Cell]) -> Value {
    let span = i128::from(summary.last.nanos()) - i128::from(summary.first.nanos());
    // The finest step of whole milliseconds in which the span fits into 32 bits.
    let step = 1_000_000 * (span / 1_000_000 / i128::from(u32::MAX) + 1);
    let time = |cell: &Cell| {
        let from = i128::from(cell.at.nanos()) - i128::from(summary.first.nanos());
        u32::try_from(from / step).unwrap_or(u32::MAX)
    };
    // Large values that differ little keep their differences.
    let numbers = |of: &dyn Fn(&Cell) -> Option<f64>| {
        let bytes = cells.iter().flat_map(|cell| {
            let value = of(cell).map_or(f64::NAN, |value| value - summary.low);
            single(value).to_le_bytes()
        });
        STANDARD.encode(bytes.collect::<Vec<u8>>())
    };
    let times: Vec<u8> = cells.iter().flat_map(|cell| time(cell).to_le_bytes()).collect();
    let scores: Vec<u8> = cells
        .iter()
        .map(|cell| cell.score.map_or(NO_SCORE, byte))
        .collect();
    json!({
        "name": summary.name, "rows": summary.rows, "scored": summary.scored, "loud": summary.loud,
        "top": summary.top, "anomalies": anomalies, "first": secs(summary.first), "base": summary.low,
        "high": summary.high, "step": seconds(step),
        "most": cells.iter().map(|c| c.rows).max().unwrap_or(0),
        "t": STANDARD.encode(times),
        "lo": numbers(&|c| Some(c.low)), "hi": numbers(&|c| Some(c.high)),
        "bl": numbers(&|c| c.band.map(|b| b.0)), "bh": numbers(&|c| c.band.map(|b| b.1)),
        "s": STANDARD.encode(scores),
    })
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a whole number of milliseconds, of far fewer than 53 bits"
)]
fn seconds(nanos: i128) -> f64 {
    nanos as f64 / 1e9
}

#[allow(clippy::cast_possible_truncation, reason = "a pixel needs no more digits")]
const fn single(value: f64) -> f32 {
    value as f32
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 240"
)]
fn byte(score: f64) -> u8 {
    (score.clamp(0.0, 20.0) * SCORE_STEPS).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_leave_the_script_and_nothing_is_loaded() {
        let page = html(&json!({ "series": "</script><img src=x onerror=alert(1)>" }));
        assert_eq!(page.matches("</script>").count(), 1);
        assert!(page.contains("\\u003c/script>"));
        for word in [
            "http://",
            "https://",
            "src=\"",
            "url(",
            "@import",
            "fetch(",
            "innerHTML",
        ] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn numbers_are_told_from_the_lowest_and_a_missing_score_is_none() {
        let cell = |at: i64, value: f64, score| Cell {
            at: EventTime::from_secs(at),
            low: value,
            high: value,
            band: None,
            score,
            rows: 1,
        };
        let summary = Summary {
            name: "a".into(),
            rows: 2,
            first: EventTime::from_secs(60),
            last: EventTime::from_secs(120),
            low: 1e9,
            high: 1e9 + 0.25,
            scored: 1,
            loud: 0,
            top: 2.5,
        };
        let cells = [cell(60, 1e9, None), cell(120, 1e9 + 0.25, Some(2.5))];
        let told = one_series(&summary, 0, &cells);
        let bytes = |key: &str| STANDARD.decode(told[key].as_str().unwrap()).unwrap();
        assert_eq!(bytes("s"), [255, 30]);
        assert_eq!(
            bytes("hi"),
            [0.0_f32.to_le_bytes(), 0.25_f32.to_le_bytes()].concat()
        );
        assert_eq!(
            bytes("t"),
            [0_u32.to_le_bytes(), 60_000_u32.to_le_bytes()].concat()
        );
        assert_eq!(told["step"], json!(0.001));
        assert!(
            bytes("bl")
                .chunks(4)
                .all(|b| f32::from_le_bytes(b.try_into().unwrap()).is_nan())
        );
    }
}

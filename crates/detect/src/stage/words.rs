//! Log lines become counts of their templates.
//!
//! A line comes in a label of an event, its values masked where it was decoded; it goes no further than this. Lines are taken in
//! the order of their records.

use std::sync::Arc;

use forecall_types::{
    DomainName, EventTime, Labels, Reading, SampleBatch, SampleRow, SamplesRecord, SeriesKey,
};

use super::{DetectStage, Last, State};
use crate::rate::EVENT_BIN;
use crate::text::Lines;

/// Metric of events that carry a line.
pub const LINE_METRIC: &str = "log.lines";
/// Label that holds the line, its values masked.
pub const LINE_LABEL: &str = "log.line";
/// Metric of how many lines are of a template.
const RECORDS: &str = "log.template.records";
/// Metric of how many templates were never seen before.
const NEW: &str = "log.templates.new";
/// Label of a template's name.
const TEMPLATE: &str = "log.template";
/// Label of a template's words, of an anomaly that is told.
const WORDS: &str = "log.template.text";
/// Classes in which new templates are counted.
const CLASSES: [&str; 3] = ["error", "warn", "other"];
/// Domains whose lines are told apart; each takes up to a few MiB. Lines of more are counted by severity alone.
const LINE_DOMAINS_MAX: usize = 16;

/// What an event stands for where it carries a line.
pub(super) enum Words {
    /// No line: it is counted as it stands.
    None,
    /// To be counted under these series instead.
    As(SampleBatch),
}

fn class(severity: &str) -> &'static str {
    match severity {
        "ERROR" | "FATAL" => "error",
        "WARN" => "warn",
        _ => "other",
    }
}

impl DetectStage {
    /// What a row's events are to be counted under, if it carries a line.
    pub(super) fn words(&mut self, record: &SamplesRecord, sample: &SampleRow, count: u64) -> Words {
        let is_line = record
            .batch
            .key_view(sample)
            .is_some_and(|key| key.metric == LINE_METRIC);
        if !is_line {
            return Words::None;
        }
        let mut batch = SampleBatch::default();
        if let Some(key) = record.batch.key(sample)
            && let Some(Last { domain, .. }) = self.last.as_ref()
            && let Some(lines) = lines_of(&mut self.state, *domain)
        {
            count_line(lines, &key, sample.at, count, &mut batch);
        }
        Words::As(batch)
    }

    /// The series of an anomaly with its template's words, where they may be told.
    pub(super) fn with_words(&self, domain: &DomainName, series: &Arc<SeriesKey>) -> Arc<SeriesKey> {
        let text = series.labels.get(TEMPLATE).and_then(|name| {
            let domain = self.state.registry.known_domain(domain)?;
            self.state.lines.get(&domain)?.text_of(name)
        });
        match text {
            Some(text) => {
                let mut told = SeriesKey::clone(series);
                told.labels.set(WORDS, &text);
                Arc::new(told)
            }
            None => Arc::clone(series),
        }
    }
}

fn lines_of(state: &mut State, domain: u16) -> Option<&mut Lines> {
    let has_room = state.lines.len() < LINE_DOMAINS_MAX || state.lines.contains_key(&domain);
    has_room.then(|| state.lines.entry(domain).or_default())
}

fn count_line(lines: &mut Lines, key: &SeriesKey, at: EventTime, count: u64, batch: &mut SampleBatch) {
    let line = key.labels.get(LINE_LABEL).unwrap_or_default();
    let severity = key.labels.get("severity").unwrap_or_default();
    let Some(counted) = lines.observe(key.entity(), at.floor(EVENT_BIN), line) else {
        return;
    };
    let mut push = |metric: &str, unit: &str, labels: &[(&str, &str)], count: u64| {
        let key = SeriesKey {
            metric: Arc::from(metric),
            unit: Arc::from(unit),
            resource: key.resource.clone(),
            labels: Labels::from_pairs(labels.iter().copied()),
        };
        batch.push_key(&key, at, Reading::Events { count });
    };
    let name = counted
        .template
        .map_or_else(|| "other".to_owned(), Lines::name_of);
    push(
        RECORDS,
        "{record}",
        &[(TEMPLATE, &name), ("severity", severity)],
        count,
    );
    for one in CLASSES {
        let is_new = counted.is_new && one == class(severity);
        // None is said too: only what is known to be quiet can stand out.
        if counted.is_quiet || is_new {
            push(NEW, "{template}", &[("severity", one)], u64::from(is_new));
        }
    }
}

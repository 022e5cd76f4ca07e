//! `kafka://topic?from=…&to=…`: what a topic still holds, through the sources of the configuration.
//!
//! Records are merged by the time the broker took them and put, as they stand, onto a topic of the same name and
//! partitions in memory. Offsets begin at 0 there; the manifest says which offsets of the broker were read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, bail};
use forecall_kafka::KafkaLog;
use forecall_log::{Log as _, OutRecord, TopicPartition, TopicSpec};
use forecall_types::{EventTime, ScoredSample, SeriesKey};
use forecall_wire::event::TopicId;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::house::{Fed, House, Stamped};
use super::input::ROWS_MAX;
use super::output::{Manifest, Output, Seal};
use super::{Outcome, ReplayArgs, ask_ahead, progress, settings, time_text};

/// The clock of a replay of a topic moves as finely as incidents are judged by default.
const GRID: Duration = Duration::from_secs(10);
/// Bytes of records held at once: 4 GiB. More is refused with the remedy.
const BYTES_MAX: usize = 4 << 30;

/// What to read.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    topic: String,
    from: EventTime,
    to: EventTime,
}

fn parse(text: &str, zone: &TimeZone) -> anyhow::Result<Range> {
    let rest = text.strip_prefix("kafka://").unwrap_or(text);
    let (topic, query) = rest.split_once('?').unwrap_or((rest, ""));
    if topic.is_empty() || topic.contains('/') {
        bail!("`{text}` names no topic; write kafka://topic?from=TIME&to=TIME");
    }
    let mut range = Range {
        topic: topic.to_owned(),
        from: EventTime::MIN,
        to: EventTime::MAX,
    };
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value
            .replace("%3A", ":")
            .replace("%3a", ":")
            .replace("%20", " ")
            .replace("%2B", "+");
        let at = time_text::parse(&value, zone).with_context(|| format!("`{name}={value}` is no time"))?;
        match name {
            "from" => range.from = at,
            "to" => range.to = at,
            other => bail!("`{other}` is not known; a topic takes `from` and `to`"),
        }
    }
    if range.from >= range.to {
        bail!("`from` must lie before `to`");
    }
    Ok(range)
}

/// The records of the range, by time, then partition and offset; and what was read of each partition.
struct Taken {
    records: Vec<(EventTime, i32, i64, OutRecord)>,
    inputs: Vec<Value>,
}

fn take(log: &KafkaLog, range: &Range) -> anyhow::Result<Taken> {
    let topic: Arc<str> = Arc::from(range.topic.as_str());
    let mut taken = Taken {
        records: Vec::new(),
        inputs: Vec::new(),
    };
    let (mut bytes, mut over) = (0_usize, false);
    for (partition, (low, _)) in (0..).zip(log.bounds(&range.topic)?) {
        let before = taken.records.len();
        let (mut first, mut last) = (None, None);
        log.read(
            &TopicPartition::new(&range.topic, partition),
            low,
            &mut |record| {
                over |= bytes > BYTES_MAX || taken.records.len() >= ROWS_MAX;
                if over || record.appended_at < range.from || record.appended_at >= range.to {
                    return;
                }
                bytes += record.len();
                first = first.or(Some(record.offset));
                last = Some(record.offset);
                let out = OutRecord {
                    topic: Arc::clone(&topic),
                    partition: Some(partition),
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record
                        .headers
                        .get()
                        .iter()
                        .map(|(n, v)| ((*n).to_owned(), v.to_vec()))
                        .collect(),
                };
                taken
                    .records
                    .push((record.appended_at, partition, record.offset, out));
            },
        )?;
        if over {
            bail!(
                "{} holds more than fits into memory between `from` and `to`: take a shorter time",
                range.topic
            );
        }
        taken.inputs.push(json!({
            "topic": range.topic,
            "partition": partition,
            "first_offset": first,
            "last_offset": last,
            "records": taken.records.len() - before,
        }));
    }
    taken
        .records
        .sort_by_key(|(at, partition, offset, _)| (*at, *partition, *offset));
    Ok(taken)
}

pub(super) fn replay(args: &ReplayArgs, stop: &AtomicBool) -> anyhow::Result<Outcome> {
    let zone = TimeZone::get(&args.zone).with_context(|| format!("no time zone is called {}", args.zone))?;
    let range = parse(args.input(), &zone)?;
    let config = args
        .config
        .as_deref()
        .context("a topic needs --config with `kafka:` and the topic among `sources:`")?;
    let mut settings = settings(Some(config), GRID.as_secs())?;
    ask_ahead(&mut settings, args);
    settings.sources.retain(|source| *source.topic == *range.topic);
    if settings.sources.is_empty() {
        bail!("{} has no source for the topic {}", config.display(), range.topic);
    }
    let kafka = settings
        .kafka
        .take()
        .with_context(|| format!("{} has no `kafka:`", config.display()))?;
    let Taken { records, inputs } = take(&KafkaLog::connect(kafka)?, &range)?;
    let start = records.first().map(|(at, ..)| *at).unwrap_or_default();
    let partitions = i32::try_from(inputs.len()).context("too many partitions")?;
    let mut house = House::open(
        &settings,
        &[TopicSpec::new(&range.topic, partitions)],
        start,
        GRID,
    )?;

    let rows = records.len();
    // Partition by partition, for each offset in memory: which record of all it is.
    let mut places: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (place, (_, partition, _, _)) in records.iter().enumerate() {
        places.entry(*partition).or_default().push(place);
    }
    let bar = progress(rows);
    let mut scored: Vec<ScoredSample> = Vec::new();
    let stamped = records
        .into_iter()
        .map(|(at, _, _, record)| Stamped { at, record });
    let fed = house.feed(stamped, args.chunk, stop, &mut |n, more| {
        bar.inc(u64::try_from(n).unwrap_or(0));
        scored.extend(more);
    })?;
    scored.extend(house.finish()?);
    // In the order of the input: how partitions take turns hangs on how much is fed at once.
    scored.sort_by_key(|sample| {
        let offset = usize::try_from(sample.position.offset).unwrap_or(usize::MAX);
        let place = places.get(&sample.position.partition).and_then(|p| p.get(offset));
        (place.copied(), sample.row)
    });
    bar.finish_and_clear();

    let mut output = Output::create(args.out())?;
    output.scores_of_samples(args, &scored, &shown)?;
    let events = output.events(&house, &settings.topic_names())?;
    let series: BTreeSet<_> = scored.iter().map(|s| s.series.fingerprint()).collect();
    let dead_letters = house.count(&settings.topic_names().name(TopicId::DeadLetters))?;
    let manifest = Manifest {
        version: env!("CARGO_PKG_VERSION"),
        complete: fed == Fed::All,
        simulated: true,
        settings_digest: settings.digest.to_string(),
        grid_seconds: GRID.as_secs(),
        zone: args.zone.clone(),
        inputs,
        rows,
        rows_bad: usize::try_from(dead_letters).unwrap_or(0),
        rows_scored: scored.len(),
        series: series.len(),
        dead_letters,
        events,
        seal: Seal::default(),
        outputs: Vec::new(),
    };
    Ok(Outcome {
        manifest,
        output,
        span: (start, house.fed_to()),
        remarks: Vec::new(),
    })
}

/// Time, series with its labels, and value of a sample.
pub(super) fn shown(sample: &ScoredSample) -> (String, String, String) {
    (
        time_text::write(sample.at),
        name_of(&sample.series),
        sample.value.to_string(),
    )
}

/// A series with its labels.
pub(super) fn name_of(key: &SeriesKey) -> String {
    let labels: BTreeMap<&str, &str> = key.resource.iter().chain(key.labels.iter()).collect();
    let pairs: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    if pairs.is_empty() {
        key.metric.to_string()
    } else {
        format!("{}{{{}}}", key.metric, pairs.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_and_mistakes_are_named() {
        let range = parse(
            "kafka://m.x?from=2026-03-01T00:00:00Z&to=1772409600",
            &TimeZone::UTC,
        )
        .unwrap();
        assert_eq!(range.topic, "m.x");
        assert_eq!(time_text::write(range.from), "2026-03-01T00:00:00Z");
        assert_eq!(time_text::write(range.to), "2026-03-02T00:00:00Z");
        assert_eq!(parse("kafka://m", &TimeZone::UTC).unwrap().to, EventTime::MAX);
        for bad in [
            "kafka://",
            "kafka://a/b",
            "kafka://m?from=x",
            "kafka://m?since=1",
            "kafka://m?from=5&to=4",
        ] {
            assert!(parse(bad, &TimeZone::UTC).is_err(), "{bad}");
        }
    }
}

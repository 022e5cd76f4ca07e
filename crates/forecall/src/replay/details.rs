//! What each channel said of each sample, and the view that vmanomaly's users know.

use std::fs::File;
use std::io::BufWriter;

use anyhow::Context as _;
use forecall_types::{Band, Channel, ChannelScore, PeerScore, ScoredSample};

use super::kafka_input::name_of;
use super::time_text;

/// Channels that judge samples, in the order of their columns; a new one comes last. Silence is about samples that don't come.
const SHOWN: [Channel; 6] = [
    Channel::Spike,
    Channel::Shift,
    Channel::Season,
    Channel::Novelty,
    Channel::Shape,
    Channel::Limit,
];
/// The score at the edge of a band: where vmanomaly's users expect 1.
const BAND_SCORE: f64 = 3.0;

pub(super) type Csv = csv::Writer<BufWriter<File>>;

/// Header of `channels.csv`.
pub(super) fn header() -> Vec<String> {
    let mut names = vec!["timestamp".to_owned(), "series".to_owned()];
    for channel in SHOWN {
        let name = channel.as_str();
        names.push(name.to_owned());
        names.extend(["expected", "lower", "upper"].map(|part| format!("{name}_{part}")));
    }
    names
}

/// Header of `vmanomaly.csv`.
pub(super) const VMANOMALY_HEADER: [&str; 7] = [
    "timestamp",
    "series",
    "y",
    "yhat",
    "yhat_lower",
    "yhat_upper",
    "anomaly_score",
];

/// A line of `channels.csv`: four columns a channel, empty where it said nothing.
pub(super) fn line((timestamp, series): (&str, &str), sample: &ScoredSample) -> Vec<String> {
    let mut line = vec![timestamp.to_owned(), series.to_owned()];
    for channel in SHOWN {
        match sample.channels.iter().find(|said| said.channel == channel) {
            Some(said) => line.extend(columns(said)),
            None => line.extend([const { String::new() }; 4]),
        }
    }
    line
}

fn columns(said: &ChannelScore) -> [String; 4] {
    let Band { low, high } = said.band;
    [said.score.get(), said.expected, low, high].map(short)
}

/// Seven digits: more than a band means, half the bytes.
#[allow(clippy::cast_possible_truncation, reason = "fewer digits are what is wanted")]
fn short(value: f64) -> String {
    (value as f32).to_string()
}

/// Header of `ahead.csv`.
pub(super) const AHEAD_HEADER: [&str; 6] = [
    "timestamp",
    "series",
    "ahead_seconds",
    "expected",
    "lower",
    "upper",
];

/// Lines of `ahead.csv`: one for each time that was asked for.
fn ahead_lines<'s>(
    (timestamp, series): (&'s str, &'s str),
    sample: &'s ScoredSample,
) -> impl Iterator<Item = [String; 6]> + 's {
    sample.ahead.iter().map(move |ahead| {
        let seconds = ahead.at.seconds_from(sample.at).to_string();
        let [expected, lower, upper] = [ahead.expected, ahead.lower, ahead.upper].map(short);
        [
            timestamp.to_owned(),
            series.to_owned(),
            seconds,
            expected,
            lower,
            upper,
        ]
    })
}

/// Header of `peers.csv`.
pub(super) const PEERS_HEADER: [&str; 8] = [
    "timestamp",
    "group",
    "series",
    "value",
    "score",
    "expected",
    "lower",
    "upper",
];

/// A line of `peers.csv`.
pub(super) fn peer_line(score: &PeerScore) -> [String; 8] {
    let [lower, upper] = score
        .band
        .map_or_else(Default::default, |band| [short(band.low), short(band.high)]);
    [
        time_text::write(score.at),
        score.group.to_string(),
        name_of(&score.series),
        score.value.to_string(),
        short(score.score.get()),
        short(score.expected),
        lower,
        upper,
    ]
}

/// A line of `vmanomaly.csv`. Its score is 1 where ours is that of the edge of a band; before the warm-up is over only `y` is known.
pub(super) fn vmanomaly_line(
    (timestamp, series, value): (&str, &str, &str),
    sample: &ScoredSample,
) -> Vec<String> {
    let mut line = vec![timestamp.to_owned(), series.to_owned(), value.to_owned()];
    match sample.band {
        Some(Band { low, high }) => {
            line.extend([f64::midpoint(low, high), low, high].map(|v| v.to_string()));
            line.push((sample.score.get() / BAND_SCORE).to_string());
        }
        None => line.extend([const { String::new() }; 4]),
    }
    line
}

/// The files that tell more than the scores.
pub(super) struct Details {
    pub(super) channels: Option<Csv>,
    pub(super) ahead: Option<Csv>,
    pub(super) vmanomaly: Option<Csv>,
}

impl Details {
    /// One sample that was judged, as its time, series and value are shown.
    pub(super) fn write(
        &mut self,
        (timestamp, series, value): (&str, &str, &str),
        sample: &ScoredSample,
    ) -> anyhow::Result<()> {
        if let Some(file) = &mut self.channels {
            file.write_record(line((timestamp, series), sample))
                .context("failed to write channels.csv")?;
        }
        if let Some(file) = &mut self.ahead {
            for line in ahead_lines((timestamp, series), sample) {
                file.write_record(line).context("failed to write ahead.csv")?;
            }
        }
        if let Some(file) = &mut self.vmanomaly {
            file.write_record(vmanomaly_line((timestamp, series, value), sample))
                .context("failed to write vmanomaly.csv")?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        for file in [&mut self.channels, &mut self.ahead, &mut self.vmanomaly]
            .into_iter()
            .flatten()
        {
            file.flush().context("failed to write what the channels said")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forecall_types::{EventTime, Labels, Position, Score, SeriesKey};

    use super::*;

    fn sample(score: f64, channels: Vec<ChannelScore>, band: Option<Band>) -> ScoredSample {
        ScoredSample {
            position: Position {
                topic: Arc::from("a.csv"),
                partition: 0,
                offset: 0,
            },
            row: 0,
            series: Arc::new(SeriesKey {
                metric: Arc::from("a"),
                unit: Arc::from(""),
                resource: Labels::default(),
                labels: Labels::default(),
            }),
            at: EventTime::from_secs(0),
            value: 9.5,
            score: Score::clamped(score),
            band,
            channels: channels.into(),
            ahead: Box::default(),
        }
    }

    #[test]
    fn a_channel_that_said_nothing_leaves_its_columns_empty() {
        let shift = ChannelScore {
            channel: Channel::Shift,
            score: Score::clamped(4.5),
            expected: 0.1,
            band: Band {
                low: -1.0,
                high: 1.25,
            },
        };
        let line = line(("t", "s"), &sample(4.5, vec![shift], None));
        assert_eq!(line.len(), header().len());
        assert_eq!(line[..10], ["t", "s", "", "", "", "", "4.5", "0.1", "-1", "1.25"]);
        assert_eq!(header()[6..8], ["shift", "shift_expected"]);
    }

    #[test]
    fn a_member_is_told_with_its_group_and_without_bounds_while_it_is_new() {
        let of = sample(0.0, Vec::new(), None);
        let mut score = PeerScore {
            group: "cells".into(),
            at: EventTime::from_secs(60),
            series: of.series,
            value: 2.5,
            expected: 1.25,
            band: None,
            score: Score::clamped(4.5),
        };
        let line = peer_line(&score);
        assert_eq!(line.len(), PEERS_HEADER.len());
        let new = ["1970-01-01T00:01:00Z", "cells", "a", "2.5", "4.5", "1.25", "", ""];
        assert_eq!(line, new);
        score.band = Some(Band { low: 1.0, high: 1.5 });
        assert_eq!(peer_line(&score)[6..], ["1", "1.5"]);
    }

    #[test]
    fn vmanomalys_score_is_1_at_the_edge_of_the_band() {
        let band = Some(Band { low: 4.0, high: 8.0 });
        let line = |band| vmanomaly_line(("t", "s", "9.5"), &sample(3.0, Vec::new(), band));
        assert_eq!(line(band), ["t", "s", "9.5", "6", "4", "8", "1"]);
        assert_eq!(line(None), ["t", "s", "9.5", "", "", "", ""]);
    }
}

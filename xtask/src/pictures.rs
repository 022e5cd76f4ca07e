//! `pictures`: one picture a detector channel, drawn from a replay of a public recording.
//!
//! Only what is drawn is kept in the repository; the recordings are not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::metadata::cargo;
use crate::{process, repo, test};

mod svg;

use svg::{Point, Said};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder with the recordings; `nab/` of it is read.
    #[arg(long)]
    data: PathBuf,
    /// The binary that replays; built if none is named.
    #[arg(long)]
    binary: Option<PathBuf>,
}

const FOLDER: &str = "docs/images/detection";

/// What is drawn: the channel, the recording, its part, and what is seen there.
struct Picture {
    channel: &'static str,
    recording: &'static str,
    from: &'static str,
    to: &'static str,
    title: &'static str,
}

const PICTURES: [Picture; 5] = [
    Picture {
        channel: "spike",
        recording: "nab/realAWSCloudwatch/ec2_cpu_utilization_fe7f93.csv",
        from: "2014-02-15",
        to: "2014-02-19",
        title: "spike: CPU of a machine, single jumps",
    },
    Picture {
        channel: "shape",
        recording: "nab/realTweets/Twitter_volume_AAPL.csv",
        from: "2015-03-01",
        to: "2015-03-05",
        title: "shape: mentions of a company, restless at night",
    },
    Picture {
        channel: "shift",
        recording: "nab/realAWSCloudwatch/rds_cpu_utilization_cc0c53.csv",
        from: "2014-02-22",
        to: "2014-03-01",
        title: "shift: CPU of a database, the level moves",
    },
    Picture {
        channel: "season",
        recording: "nab/realKnownCause/nyc_taxi.csv",
        from: "2015-01-18",
        to: "2015-02-01",
        title: "season: taxi rides in New York, a snow storm on 26 and 27 January",
    },
    Picture {
        channel: "novelty",
        recording: "nab/realAWSCloudwatch/ec2_cpu_utilization_fe7f93.csv",
        from: "2014-02-20",
        to: "2014-02-24",
        title: "novelty: CPU of a machine, higher than ever before",
    },
];

pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    process::listen_for_stop();
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => {
            process::run_ok(cargo(root).args(["build", "--release", "--package", "forecall"]))?;
            test::binary(root)
        }
    };
    for picture in &PICTURES {
        let text = draw(root, &binary, &args.data, picture)?;
        let path = root.join(FOLDER).join(format!("{}.svg", picture.channel));
        fs::create_dir_all(root.join(FOLDER)).context("failed to make the folder of pictures")?;
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        println!("{FOLDER}/{}.svg", picture.channel);
    }
    Ok(ExitCode::SUCCESS)
}

fn draw(root: &Path, binary: &Path, data: &Path, picture: &Picture) -> Result<String> {
    let work = repo::dev_dir(root).join("pictures").join(picture.channel);
    let input = data.join(picture.recording);
    let mut command = Command::new(binary);
    command
        .arg("replay")
        .arg("--input")
        .arg(&input)
        .arg("--out")
        .arg(&work)
        .arg("--json");
    process::run_ok(&mut command)?;
    let read = |name: &str| {
        fs::read_to_string(work.join(name)).with_context(|| format!("the replay wrote no {name}"))
    };
    let points = points(&read("scores.csv")?, &read("channels.csv")?, picture)?;
    ensure!(
        !points.is_empty(),
        "{} has no sample in that time",
        picture.recording
    );
    let told = told(&read("anomalies.jsonl")?, picture)?;
    let source = format!(
        "Data: Numenta Anomaly Benchmark, {}, MIT licence",
        picture.recording
    );
    Ok(svg::document(
        picture.title,
        &source,
        picture.channel,
        &points,
        &told,
    ))
}

/// The samples of the picture's part, with what its channel said of each.
fn points(scores: &str, channels: &str, picture: &Picture) -> Result<Vec<Point>> {
    let mut lines = channels.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = header
        .iter()
        .position(|name| *name == picture.channel)
        .with_context(|| format!("channels.csv has no column `{}`", picture.channel))?;
    let mut said: BTreeMap<&str, Said> = BTreeMap::new();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |i: usize| cells.get(column + i).and_then(|cell| cell.parse::<f64>().ok());
        if let (Some(at), Some(score), Some(expected), Some(low), Some(high)) =
            (cells.first(), number(0), number(1), number(2), number(3))
        {
            said.insert(
                at,
                Said {
                    score,
                    expected,
                    low,
                    high,
                },
            );
        }
    }
    let mut points = Vec::new();
    for line in scores.lines().skip(1) {
        let mut cells = line.split(',');
        let (at, value) = (cells.next().unwrap_or_default(), cells.nth(1).unwrap_or_default());
        if at >= picture.from && at < picture.to {
            points.push(Point {
                at: at.to_owned(),
                value: value.parse().with_context(|| format!("`{value}` is no number"))?,
                said: said.get(at).copied(),
            });
        }
    }
    Ok(points)
}

/// When anomalies were opened: the channel that opened each, and the time as `scores.csv` writes it.
fn told(anomalies: &str, picture: &Picture) -> Result<Vec<(String, String)>> {
    let mut told = Vec::new();
    for line in anomalies.lines() {
        let event: serde_json::Value = serde_json::from_str(line).context("anomalies.jsonl holds no JSON")?;
        let of = |name: &str| {
            event
                .pointer(&format!("/data/{name}"))
                .and_then(serde_json::Value::as_str)
        };
        let is_opened =
            event.get("type").and_then(serde_json::Value::as_str) == Some("forecall.anomaly.opened.v1");
        if let (true, Some(at), Some(channel)) = (is_opened, of("at"), of("channel")) {
            // RFC 3339 as the recordings write times.
            let at: String = at.replace('T', " ").chars().take(19).collect();
            if at.as_str() >= picture.from && at.as_str() < picture.to {
                told.push((channel.to_owned(), at));
            }
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_and_the_channels_columns_are_taken() {
        let picture = &PICTURES[0];
        let scores = "timestamp,series,value,score,lower,upper\n2014-02-14 00:00:00,s,1,0,,\n2014-02-16 00:00:00,s,2.5,4,0,1\n";
        let channels = "timestamp,series,spike,spike_expected,spike_lower,spike_upper\n2014-02-16 00:00:00,s,4,0.5,0,1\n";
        let points = points(scores, channels, picture).unwrap();
        assert_eq!(points.len(), 1);
        assert_eq!(
            points[0].said.map(|said| (said.score, said.high)),
            Some((4.0, 1.0))
        );
        let event =
            r#"{"type":"forecall.anomaly.opened.v1","data":{"at":"2014-02-16T00:00:00Z","channel":"shift"}}"#;
        assert_eq!(
            told(event, picture).unwrap(),
            [("shift".to_owned(), "2014-02-16 00:00:00".to_owned())]
        );
        let text = svg::document("a < b", "me", "spike", &points, &told(event, picture).unwrap());
        assert!(text.contains("a &lt; b") && text.ends_with("</svg>\n"), "{text}");
    }
}

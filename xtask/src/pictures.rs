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

mod made;
mod svg;

use serde_json::Value;
use svg::{Point, Said};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder with the recordings; `nab/` and `nezha/` of it are read.
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
    fs::create_dir_all(root.join(FOLDER)).context("failed to make the folder of pictures")?;
    let keep = |channel: &str, text: String| {
        let path = root.join(FOLDER).join(format!("{channel}.svg"));
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        println!("{FOLDER}/{channel}.svg");
        anyhow::Ok(())
    };
    for picture in &PICTURES {
        keep(picture.channel, draw(root, &binary, &args.data, picture)?)?;
    }
    let work = |channel: &str| repo::dev_dir(root).join("pictures").join(channel);
    keep("silence", made::silence(&work("silence"), &binary, &args.data)?)?;
    keep("peer", made::peers(&work("peer"), &binary, &args.data)?)?;
    keep("limit", made::limit(&work("limit"), &binary)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Replays into `work`, and gives that folder.
fn replay(binary: &Path, input: &Path, config: Option<&Path>, work: &Path) -> Result<PathBuf> {
    let mut command = Command::new(binary);
    command.arg("replay").arg("--input").arg(input);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command.arg("--out").arg(work).arg("--json");
    process::run_ok(&mut command)?;
    Ok(work.to_owned())
}

/// The events of a file of a replay.
fn events(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| format!("the replay wrote no {}", path.display()))?;
    let read = |line| {
        serde_json::from_str(line).with_context(|| format!("{} holds what is no JSON", path.display()))
    };
    text.lines().map(read).collect()
}

fn text_of<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// RFC 3339 as the recordings write times.
fn shown_time(at: &str) -> String {
    at.replace('T', " ").chars().take(19).collect()
}

fn draw(root: &Path, binary: &Path, data: &Path, picture: &Picture) -> Result<String> {
    let work = repo::dev_dir(root).join("pictures").join(picture.channel);
    replay(binary, &data.join(picture.recording), None, &work)?;
    let read = |name: &str| {
        fs::read_to_string(work.join(name)).with_context(|| format!("the replay wrote no {name}"))
    };
    let points = points(&read("scores.csv")?, &read("channels.csv")?, picture)?;
    ensure!(
        !points.is_empty(),
        "{} has no sample in that time",
        picture.recording
    );
    let told = told(&events(&work.join("anomalies.jsonl"))?, picture);
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
fn told(anomalies: &[Value], picture: &Picture) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for event in anomalies {
        let is_opened = text_of(event, "/type") == Some("forecall.anomaly.opened.v1");
        if let (true, Some(at), Some(channel)) = (
            is_opened,
            text_of(event, "/data/at"),
            text_of(event, "/data/channel"),
        ) {
            let at = shown_time(at);
            if at.as_str() >= picture.from && at.as_str() < picture.to {
                told.push((channel.to_owned(), at));
            }
        }
    }
    told
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
        let event = serde_json::json!({
            "type": "forecall.anomaly.opened.v1",
            "data": {"at": "2014-02-16T00:00:00Z", "channel": "shift"},
        });
        let told = told(&[event], picture);
        assert_eq!(told, [("shift".to_owned(), "2014-02-16 00:00:00".to_owned())]);
        let text = svg::document("a < b", "me", "spike", &points, &told);
        assert!(text.contains("a &lt; b") && text.ends_with("</svg>\n"), "{text}");
    }
}

//! `forecall replay diff A B`: what two runs over the same input tell otherwise, and why.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use forecall_backtest::{Change, Moved, Sign, SignChange, Told, compare, first_difference};
use forecall_config::leaves;
use forecall_types::EventTime;
use serde_json::{Value, json};

use super::folder::Folder;
use super::judge::rounded;
use super::{complain, diff_page, time_text};

/// Two incidents no further apart may be one.
const NEAR: Duration = Duration::from_secs(3_600);
/// The exit code where something is told otherwise.
const EXIT_DIFFERS: u8 = 1;
/// The exit code where the folders can't be compared.
const EXIT_REFUSED: u8 = 2;

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Folder of the first run.
    a: PathBuf,
    /// Folder of the second run.
    b: PathBuf,
    /// All of it as JSON.
    #[arg(long)]
    json: bool,
    /// A page to look at.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Compare though the inputs are not the same.
    #[arg(long)]
    force: bool,
}

/// A setting, a version or a figure: what it was, what it is.
pub(super) struct Otherwise {
    pub(super) name: String,
    pub(super) a: Option<String>,
    pub(super) b: Option<String>,
}

/// An incident told otherwise, and the first anomaly of its services and regions that is.
pub(super) struct Because {
    pub(super) change: Change,
    pub(super) sign: Option<SignChange>,
}

/// Two runs, compared.
pub(super) struct Difference {
    pub(super) names: [String; 2],
    pub(super) span: Option<(EventTime, EventTime)>,
    /// Why what is told below may not be fair.
    pub(super) remarks: Vec<String>,
    pub(super) settings: Vec<Otherwise>,
    pub(super) versions: Vec<Otherwise>,
    pub(super) figures: Vec<Otherwise>,
    pub(super) incidents: Vec<Because>,
    /// Incidents of both, alike.
    pub(super) alike: Vec<Told>,
    /// The first anomaly of all that is told otherwise.
    pub(super) sign: Option<SignChange>,
}

pub(super) fn run(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let found = match difference(args) {
        Ok(found) => found,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
    };
    if let Some(path) = &args.html {
        std::fs::write(path, diff_page::page(&found))
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", found.json())?;
    } else {
        for line in found.lines() {
            writeln!(out, "{line}")?;
        }
    }
    Ok(if found.is_equal() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_DIFFERS)
    })
}

fn difference(args: &DiffArgs) -> anyhow::Result<Difference> {
    let (a, b) = (Folder::read(&args.a)?, Folder::read(&args.b)?);
    let mut remarks = Vec::new();
    for field in ["inputs", "zone"] {
        if a.field(field) != b.field(field) {
            let what = format!("the {field} of the two runs are not the same");
            if !args.force {
                bail!("{what}; --force compares them all the same");
            }
            remarks.push(what);
        }
    }
    if a.field("labels") != b.field("labels") || a.field("lead_max_minutes") != b.field("lead_max_minutes") {
        remarks.push(
            "the labels or --lead-max are not the same: figures against labels differ by that".to_owned(),
        );
    }
    for folder in [&a, &b] {
        if folder.field("complete") != Some(&Value::Bool(true)) {
            remarks.push(format!("{} was stopped before its end", folder.path.display()));
        }
    }
    between(&a, &b, remarks)
}

fn between(a: &Folder, b: &Folder, remarks: Vec<String>) -> anyhow::Result<Difference> {
    let told = |folder: &Folder| -> Vec<Told> {
        folder
            .results
            .incidents
            .iter()
            .map(|life| life.told.clone())
            .collect()
    };
    let (signs_a, signs_b) = (&a.results.signs, &b.results.signs);
    let (mut incidents, mut alike) = (Vec::new(), Vec::new());
    for change in compare(&told(a), &told(b), NEAR) {
        let (services, regions) = match &change {
            Change::Same(told) => {
                alike.push(told.clone());
                continue;
            }
            Change::Came(told) | Change::Went(told) => (told.services.clone(), told.regions.clone()),
            Change::Moved { a, b, .. } => (
                a.services.union(&b.services).cloned().collect(),
                a.regions.union(&b.regions).cloned().collect(),
            ),
        };
        let sign = first_difference(signs_a, signs_b, &services, &regions);
        incidents.push(Because { change, sign });
    }
    let settings = |folder: &Folder| {
        leaves(&folder.config)
            .map_err(|why| anyhow!("{}: {why}", folder.path.join("config.lock.yaml").display()))
    };
    let none = Default::default();
    Ok(Difference {
        names: [a, b].map(|folder| folder.path.display().to_string()),
        span: a.span(),
        remarks,
        settings: otherwise(&settings(a)?, &settings(b)?),
        versions: otherwise(&versions(a), &versions(b)),
        figures: otherwise(&figures(a), &figures(b)),
        incidents,
        alike,
        sign: first_difference(signs_a, signs_b, &none, &none),
    })
}

fn versions(folder: &Folder) -> BTreeMap<String, String> {
    let stages = folder.field("stages").and_then(Value::as_object);
    let mut all: BTreeMap<String, String> = stages
        .into_iter()
        .flatten()
        .map(|(name, version)| (format!("stage {name}"), version.to_string()))
        .collect();
    if let Some(version) = folder.field("version").and_then(Value::as_str) {
        all.insert("forecall".to_owned(), version.to_owned());
    }
    all
}

fn figures(folder: &Folder) -> BTreeMap<String, String> {
    let figures = folder.metrics.get("figures").and_then(Value::as_object);
    let of = |figure: &Value| {
        let value = figure.get("value").and_then(Value::as_f64);
        value.map_or_else(|| "none".to_owned(), |value| rounded(value).to_string())
    };
    figures
        .into_iter()
        .flatten()
        .map(|(name, figure)| (name.clone(), of(figure)))
        .collect()
}

fn otherwise(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<Otherwise> {
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .map(|name| Otherwise {
            name: name.clone(),
            a: a.get(name).cloned(),
            b: b.get(name).cloned(),
        })
        .collect()
}

impl Otherwise {
    pub(super) fn line(&self) -> String {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "not there".to_owned());
        format!("{}: {} → {}", self.name, word(&self.a), word(&self.b))
    }

    fn json(&self) -> Value {
        json!({ "name": self.name, "a": self.a, "b": self.b })
    }
}

/// Seconds as a person says them, sooner or later.
fn shift(seconds: f64) -> String {
    let word = if seconds < 0.0 { "earlier" } else { "later" };
    let minutes = rounded(seconds.abs() / 60.0);
    format!("{minutes} min {word}")
}

fn moment(at: Option<EventTime>) -> String {
    at.map_or_else(|| "never".to_owned(), time_text::write)
}

/// What of an incident is otherwise, in words.
pub(super) fn words(how: &Moved) -> String {
    match how {
        Moved::Told(seconds) => format!("told {}", shift(*seconds)),
        Moved::Over(seconds) => format!("over {}", shift(*seconds)),
        Moved::Impact(a, b) => format!("customers hit: {} → {}", moment(*a), moment(*b)),
        Moved::State(a, b) => format!("ended {a} → {b}"),
        Moved::Severity(a, b) => format!("severity {a} → {b}"),
        Moved::Peak(a, b) => format!("highest probability {} → {}", rounded(*a), rounded(*b)),
        Moved::Scope(came, went) => {
            let signed = |sign: char, all: &[std::sync::Arc<str>]| {
                all.iter().map(|name| format!("{sign}{name}")).collect::<Vec<_>>()
            };
            format!(
                "scope {}",
                [signed('+', came), signed('-', went)].concat().join(" ")
            )
        }
    }
}

/// The services and regions of an incident.
pub(super) fn scope(told: &Told) -> String {
    let join = |all: &std::collections::BTreeSet<std::sync::Arc<str>>| {
        all.iter().map(|s| &**s).collect::<Vec<_>>().join(", ")
    };
    format!("{} / {}", join(&told.services), join(&told.regions))
}

/// An anomaly told otherwise, in words.
pub(super) fn sign_words(change: &SignChange) -> String {
    let said = |sign: &Sign| {
        format!(
            "{} {} {} {}, score {}",
            time_text::write(sign.at),
            sign.series,
            sign.channel,
            sign.state,
            rounded(sign.score)
        )
    };
    match (&change.a, &change.b) {
        (Some(a), Some(b)) => format!("{} → {}", said(a), rounded(b.score)),
        (Some(a), None) => format!("{}: only in the first run", said(a)),
        (None, Some(b)) => format!("{}: only in the second run", said(b)),
        (None, None) => String::new(),
    }
}

impl Because {
    /// `came`, `went` or `moved`.
    pub(super) const fn word(&self) -> &'static str {
        match &self.change {
            Change::Came(_) => "came",
            Change::Went(_) => "went",
            Change::Moved { .. } => "moved",
            Change::Same(_) => "same",
        }
    }

    /// The incident as it is now, or was.
    pub(super) const fn told(&self) -> &Told {
        match &self.change {
            Change::Came(told) | Change::Went(told) | Change::Same(told) => told,
            Change::Moved { b, .. } => b,
        }
    }

    pub(super) fn how(&self) -> Vec<String> {
        match &self.change {
            Change::Moved { how, .. } => how.iter().map(words).collect(),
            Change::Came(told) | Change::Went(told) | Change::Same(told) => {
                vec![format!(
                    "{}, highest probability {}",
                    told.state,
                    rounded(told.peak)
                )]
            }
        }
    }

    pub(super) fn why(&self) -> String {
        match &self.sign {
            Some(sign) => format!("first anomaly told otherwise: {}", sign_words(sign)),
            None => "its anomalies are told alike: the settings of incidents made the difference".to_owned(),
        }
    }

    fn json(&self) -> Value {
        let told = self.told();
        let was = match &self.change {
            Change::Moved { a, .. } => Some(&a.id),
            Change::Came(_) | Change::Went(_) | Change::Same(_) => None,
        };
        let sign = |sign: &Sign| {
            json!({
                "at": time_text::write(sign.at), "series": sign.series, "channel": sign.channel,
                "state": sign.state, "score": sign.score,
            })
        };
        json!({
            "change": self.word(), "id": told.id, "id_before": was, "from": time_text::write(told.from),
            "to": time_text::write(told.to), "services": told.services, "regions": told.regions,
            "state": told.state, "severity": told.severity, "probability": told.peak, "how": self.how(),
            "first_anomaly": self.sign.as_ref().map(|s| json!({
                "a": s.a.as_ref().map(sign), "b": s.b.as_ref().map(sign),
            })),
        })
    }
}

impl Difference {
    /// Whether nothing is told otherwise; settings may be.
    pub(super) fn is_equal(&self) -> bool {
        self.incidents.is_empty() && self.sign.is_none() && self.figures.is_empty()
    }

    /// How many incidents changed so.
    pub(super) fn count(&self, word: &str) -> usize {
        self.incidents.iter().filter(|one| one.word() == word).count()
    }

    fn json(&self) -> Value {
        let all = |of: &[Otherwise]| of.iter().map(Otherwise::json).collect::<Vec<_>>();
        json!({
            "equal": self.is_equal(), "a": self.names.first(), "b": self.names.last(), "remarks": self.remarks,
            "settings": all(&self.settings), "versions": all(&self.versions), "figures": all(&self.figures),
            "came": self.count("came"), "went": self.count("went"), "moved": self.count("moved"),
            "alike": self.alike.len(), "anomalies_differ": self.sign.is_some(),
            "incidents": self.incidents.iter().map(Because::json).collect::<Vec<_>>(),
        })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.remarks.iter().map(|r| format!("note: {r}")).collect();
        let list = |name: &str, all: &[Otherwise], lines: &mut Vec<String>| {
            if !all.is_empty() {
                lines.push(format!("{name}:"));
                lines.extend(all.iter().map(|one| format!("  {}", one.line())));
            }
        };
        list("settings", &self.settings, &mut lines);
        list("versions", &self.versions, &mut lines);
        lines.push(format!(
            "incidents: {} came, {} went, {} moved, {} alike",
            self.count("came"),
            self.count("went"),
            self.count("moved"),
            self.alike.len()
        ));
        for one in &self.incidents {
            let told = one.told();
            lines.push(format!(
                "  {:<5}  {}  {}  {}: {}",
                one.word(),
                time_text::write(told.from),
                scope(told),
                told.id,
                one.how().join("; ")
            ));
            lines.push(format!("         {}", one.why()));
        }
        match &self.sign {
            Some(sign) => lines.push(format!("anomalies differ, first: {}", sign_words(sign))),
            None => lines.push("anomalies: alike".to_owned()),
        }
        list("figures", &self.figures, &mut lines);
        if self.is_equal() {
            lines.push("nothing is told otherwise".to_owned());
        }
        lines
    }
}

/// For the page: the folder's own name.
pub(super) fn short(name: &str) -> &str {
    Path::new(name)
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or(name)
}

//! A small language for runs of the stage, and how its events are told.
//!
//! ```text
//! ticks                                       a tick each minute, before the lines of that minute
//! 00:05 open a1 internet/IR-10 loss=2.5 expected=0.2 score=6 slope=0.002 [cell=c1] [silent] [limit]
//! 00:06 move a1 loss=3.1 score=7              the next revision
//! 00:09 close a1
//! 00:09 tick
//! 00:09 beat 0 00:08 [idle]                   partition 0 has come to 00:08
//! 00:10 ack | retract | close! | eta 00:40 | step team_on_site | attribute own   on incident $1, $2, … (default $1)
//! 00:10 review PRB-1 $1
//! 00:10 declare internet/IR-10 severe
//! 00:10 verdict false_alarm | right | expected | new_normal | withdrawn [onset=00:05] [ended=00:09] [$1]
//! 00:10 merge $2 $1
//! 00:10 split services=tv $1   or: split regions=IR-23 $1
//! 00:10 plan internet+tv/IR-10 from=01:00 until=02:00
//! 00:10 silence until=02:00 services=internet+tv* regions=… metrics=… cell.id=c* id=s1   and: unsilence s1
//! 00:10 service web needs=cart+pay [facing=yes|no] [traced] [removed]
//! 00:10 approve ask $1   and: reject ask $1 | result done ask $1 | remedies off; of all commands by=core at=00:09
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use forecall_incident::{
    CorrelateInput, CorrelateParts, CorrelateSettings, CorrelateStage, IncidentTunables, ObjectiveEntry,
    RegionEntry, RemedyRule, RuleEntry, ServiceEntry, ServiceKind, ServiceResponsibility, TeamEntry,
    Topology, TopologyFile,
};
use forecall_stage::{Effects, Stage};
use forecall_types::{
    Action, Ahead, Anomaly, AnomalyId, AnomalyState, Band, Cell, Channel, Command, CorrelateEntry, Direction,
    DomainName, EventTime, Feedback, Heartbeat, IncidentEvent, IncidentId, Labels, Lineage, Matchers,
    Position, ProblemId, RegionCode, Remark, RemedyName, RemedyOutcome, Responsibility, Scope, Score,
    SeriesKey, ServiceName, ServiceRecord, Severity, SharedLabel, Siblings, SilenceId, SourcePartition, Tick,
    Verdict, Watermark,
};

pub(crate) fn domain() -> DomainName {
    DomainName::new("test").unwrap()
}

pub(crate) fn minute(text: &str) -> EventTime {
    let (h, m) = text.split_once(':').unwrap_or_else(|| panic!("no time: {text}"));
    EventTime::from_secs(h.parse::<i64>().unwrap() * 3_600 + m.parse::<i64>().unwrap() * 60)
}

pub(crate) fn settings() -> Arc<CorrelateSettings> {
    // Stories are told by the weights at first; what is learnt has tests of its own.
    settings_with(IncidentTunables {
        learn: false,
        ..IncidentTunables::default()
    })
}

pub(crate) fn settings_with(tunables: IncidentTunables) -> Arc<CorrelateSettings> {
    settings_of(tunables, Vec::new())
}

pub(crate) fn settings_of(tunables: IncidentTunables, teams: Vec<TeamEntry>) -> Arc<CorrelateSettings> {
    settings_for(tunables, teams, Vec::new())
}

pub(crate) fn settings_for(
    tunables: IncidentTunables,
    teams: Vec<TeamEntry>,
    remedies: Vec<RemedyRule>,
) -> Arc<CorrelateSettings> {
    let service = |name: &str, customer_facing, needs: &[&str]| ServiceEntry {
        name: name.into(),
        customer_facing,
        depends_on: needs.iter().map(|&n| n.into()).collect(),
        kind: ServiceKind::General,
        responsibility: if name == "access" {
            ServiceResponsibility::Supplier
        } else {
            ServiceResponsibility::Unknown
        },
    };
    let region = |code: &str| RegionEntry {
        code: code.into(),
        parent: None,
        names: BTreeMap::from([("en".into(), code.into())]),
        short: BTreeMap::new(),
        time_zone: "Asia/Tehran".into(),
    };
    let topology = Topology::check(&TopologyFile {
        services: vec![
            service("internet", true, &["access"]),
            service("tv", true, &["access"]),
            service("access", false, &[]),
        ],
        regions: vec![region("IR-10"), region("IR-23")],
        rules: vec![RuleEntry {
            elements: vec!["cell.id".into()],
            ..RuleEntry::default()
        }],
    })
    .unwrap();
    let objective = |metric: &str, above, outage| ObjectiveEntry {
        metric: metric.into(),
        above: Some(above),
        below: None,
        for_seconds: 120,
        outage,
    };
    let customers = BTreeMap::from([(
        RegionCode::new("IR-10").unwrap(),
        BTreeMap::from([(ServiceName::new("internet").unwrap(), 4_000)]),
    )]);
    let settings = CorrelateSettings::new(CorrelateParts {
        topology,
        objectives: vec![
            objective("loss", 5.0, Some(50.0)),
            objective("*.duration", 200.0, None),
        ],
        customers,
        tunables,
        teams,
        remedies,
        version: "0".into(),
        settings_digest: "s".into(),
        ..CorrelateParts::default()
    });
    Arc::new(settings.unwrap())
}

fn service_record(at: EventTime, rest: &[&str]) -> ServiceRecord {
    let of = |name: &str| rest.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
    let named = |name: &str| ServiceName::new(name).unwrap();
    ServiceRecord {
        domain: domain(),
        service: named(rest[0]),
        at,
        traced_by: rest.contains(&"traced").then(|| SourcePartition {
            topic: "traces".into(),
            partition: 0,
        }),
        removed: rest.contains(&"removed"),
        customer_facing: of("facing").map(|word| word == "yes"),
        responsibility: Responsibility::Unknown,
        depends_on: of("needs")
            .into_iter()
            .flat_map(|needs| needs.split('+'))
            .map(named)
            .collect(),
    }
}

/// Reads the language, steps the stage, tells what comes out.
pub(crate) struct Run {
    pub(crate) stage: CorrelateStage,
    pub(crate) events: Vec<IncidentEvent>,
    /// What the stage was given, in order.
    pub(crate) entries: Vec<CorrelateEntry>,
    anomalies: BTreeMap<String, Anomaly>,
    incidents: Vec<IncidentId>,
    ticked: Option<EventTime>,
    ticks: bool,
    offset: i64,
    text: String,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self::under(settings())
    }

    pub(crate) fn under(settings: Arc<CorrelateSettings>) -> Self {
        Self {
            stage: CorrelateStage::new(settings),
            events: Vec::new(),
            entries: Vec::new(),
            anomalies: BTreeMap::new(),
            incidents: Vec::new(),
            ticked: None,
            ticks: false,
            offset: 0,
            text: String::new(),
        }
    }

    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim();
        if line == "ticks" {
            self.ticks = true;
        } else if !line.is_empty() && !line.starts_with('#') {
            let (time, rest) = line.split_once(' ').unwrap_or((line, ""));
            let at = minute(time);
            while self.ticks && self.ticked.is_none_or(|t| t < at) {
                let next = self
                    .ticked
                    .map_or(at, |t| t.plus(std::time::Duration::from_secs(60)));
                self.ticked = Some(next);
                self.step(CorrelateEntry::Tick(Tick { at: next }));
            }
            let words: Vec<&str> = rest.split_whitespace().collect();
            if let Some(entry) = self.entry(at, &words) {
                self.step(entry);
            }
        }
    }

    fn entry(&mut self, at: EventTime, words: &[&str]) -> Option<CorrelateEntry> {
        let (verb, rest) = words.split_first()?;
        Some(match *verb {
            "tick" => CorrelateEntry::Tick(Tick { at }),
            "beat" => CorrelateEntry::Heartbeat(Heartbeat {
                domain: domain(),
                source: SourcePartition {
                    topic: "telemetry".into(),
                    partition: rest[0].parse().unwrap(),
                },
                next_offset: 0,
                watermark: Watermark::at(minute(rest[1])),
                idle: rest.contains(&"idle"),
                silent_until: None,
                caught_up: true,
            }),
            "open" | "move" | "close" => CorrelateEntry::Anomaly(Box::new(self.anomaly(at, verb, rest))),
            // What it was told first comes a second time.
            "again" => {
                let is_it =
                    |e: &&CorrelateEntry| matches!(e, CorrelateEntry::Anomaly(a) if a.id.as_str() == rest[0]);
                self.entries.iter().find(is_it).unwrap().clone()
            }
            "service" => CorrelateEntry::Service(Box::new(service_record(at, rest))),
            "verdict" => CorrelateEntry::Feedback(Feedback {
                id: format!("f{}", self.offset).into(),
                domain: domain(),
                incident: self.incident(rest),
                at,
                verdict: match rest[0] {
                    "false_alarm" => Verdict::FalseAlarm,
                    "right" => Verdict::Right,
                    "expected" => Verdict::Expected,
                    "new_normal" => Verdict::NewNormal,
                    "withdrawn" => Verdict::Withdrawn,
                    other => panic!("verdict {other}"),
                },
                onset: rest.iter().find_map(|w| w.strip_prefix("onset=")).map(minute),
                ended: rest.iter().find_map(|w| w.strip_prefix("ended=")).map(minute),
            }),
            _ => CorrelateEntry::Command(Command {
                id: rest
                    .iter()
                    .find_map(|w| w.strip_prefix("id="))
                    .map_or_else(|| format!("c{}", self.offset).into(), Arc::from),
                domain: domain(),
                at: rest.iter().find_map(|w| w.strip_prefix("at=")).map_or(at, minute),
                by: rest
                    .iter()
                    .find_map(|w| w.strip_prefix("by="))
                    .unwrap_or("noc")
                    .replace('_', " ")
                    .into(),
                action: self.action(verb, rest),
            }),
        })
    }

    fn action(&self, verb: &str, rest: &[&str]) -> Action {
        let incident = || self.incident(rest);
        match verb {
            "ack" => Action::Acknowledge { incident: incident() },
            "retract" => Action::Retract { incident: incident() },
            "close!" => Action::Close { incident: incident() },
            "eta" => Action::Eta {
                incident: incident(),
                eta: minute(rest[0]),
            },
            "step" => Action::Step {
                incident: incident(),
                code: rest[0].into(),
            },
            "review" => Action::Review {
                incident: incident(),
                problem: ProblemId::new(rest[0]).unwrap(),
            },
            "attribute" => Action::Attribute {
                incident: incident(),
                responsibility: Responsibility::Own,
            },
            "silence" => {
                let of = |name: &str| rest.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
                let patterns = |name| of(name).into_iter().flat_map(|w| w.split('+')).map(Arc::from);
                Action::Silence {
                    matchers: Matchers {
                        services: patterns("services").collect(),
                        regions: patterns("regions").collect(),
                        metrics: patterns("metrics").collect(),
                        labels: of("cell.id")
                            .map(|v| ("cell.id".into(), v.into()))
                            .into_iter()
                            .collect(),
                    },
                    until: minute(of("until").unwrap()),
                    reason: Remark::new("the rack is moved").unwrap(),
                }
            }
            "unsilence" => Action::Unsilence {
                silence: SilenceId::new(rest[0]).unwrap(),
            },
            "declare" => Action::Declare {
                scope: scope(rest[0]),
                severity: Severity::Severe,
            },
            "approve" | "reject" => Action::Remedy {
                incident: incident(),
                rule: RemedyName::new(rest[0]).unwrap(),
                approve: verb == "approve",
            },
            "result" => Action::RemedyResult {
                incident: incident(),
                rule: RemedyName::new(rest[1]).unwrap(),
                outcome: match rest[0] {
                    "done" => RemedyOutcome::Done,
                    "server" => RemedyOutcome::Server,
                    "late" => RemedyOutcome::Late,
                    "unwanted" => RemedyOutcome::Unwanted,
                    "rehearsed" => RemedyOutcome::Rehearsed,
                    other => panic!("outcome {other}"),
                },
                status: (rest[0] == "server").then_some(503),
            },
            "remedies" => Action::Remedies { on: rest[0] == "on" },
            "split" => {
                let of = |name: &str| rest.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
                let services = of("services").into_iter().flat_map(|w| w.split('+'));
                let regions = of("regions").into_iter().flat_map(|w| w.split('+'));
                Action::Split {
                    incident: incident(),
                    services: services.map(|s| ServiceName::new(s).unwrap()).collect(),
                    regions: regions.map(|r| RegionCode::new(r).unwrap()).collect(),
                }
            }
            // The first named ends, the second goes on.
            "merge" => Action::Merge {
                incident: incident(),
                into: self.incident(&rest[1..]),
            },
            "plan" => {
                let time = |name: &str| minute(rest.iter().find_map(|w| w.strip_prefix(name)).unwrap());
                Action::Plan {
                    scope: scope(rest[0]),
                    starts_at: time("from="),
                    ends_at: time("until="),
                    label: Remark::new("fibre is spliced, CHG-4712").unwrap(),
                }
            }
            other => panic!("verb {other}"),
        }
    }

    fn incident(&self, rest: &[&str]) -> IncidentId {
        let number = rest
            .iter()
            .find_map(|w| w.strip_prefix('$'))
            .map_or(1, |n| n.parse::<usize>().unwrap());
        let unknown = || IncidentId::derived(forecall_types::Fingerprint::of(b"unknown"));
        self.incidents.get(number - 1).cloned().unwrap_or_else(unknown)
    }

    fn anomaly(&mut self, at: EventTime, verb: &str, rest: &[&str]) -> Anomaly {
        let position = self.position();
        let anomaly = self.anomalies.entry(rest[0].to_owned()).or_insert_with(|| {
            let (service, region) = rest[1].split_once('/').unwrap();
            let cell = rest
                .iter()
                .find_map(|w| w.strip_prefix("cell="))
                .unwrap_or_default();
            anomaly(
                rest[0],
                at,
                &[("service.name", service), ("region", region), ("cell.id", cell)],
            )
        });
        anomaly.revision += 1;
        anomaly.siblings = None;
        anomaly.at = at;
        anomaly.lineage.add(&Position {
            topic: "telemetry".into(),
            ..position
        });
        anomaly.state = match verb {
            "open" => AnomalyState::Opened,
            "move" => AnomalyState::Updated,
            _ => AnomalyState::Closed,
        };
        if rest.contains(&"silent") {
            anomaly.channel = Channel::Silence;
        }
        if rest.contains(&"limit") {
            anomaly.channel = Channel::Limit;
        }
        for (name, value) in rest.iter().filter_map(|w| w.split_once('=')) {
            match (name, value.parse::<f64>()) {
                ("expected", Ok(v)) => {
                    anomaly.expected = v;
                    anomaly.band = Band {
                        low: v * 0.5,
                        high: v * 1.5,
                    };
                }
                ("score", Ok(v)) => anomaly.score = Score::clamped(v),
                ("slope", Ok(v)) => anomaly.slope = v,
                ("cell", _) => {}
                // `version=2.1:4/40`: four of forty series have it, of three versions.
                ("version", _) => {
                    let (version, counts) = value.split_once(':').unwrap();
                    let (with, all) = counts.split_once('/').unwrap();
                    let mut series = SeriesKey::clone(&anomaly.series);
                    series.resource.set("version", version);
                    series.resource.set("host", rest[0]);
                    anomaly.series = Arc::new(series);
                    anomaly.siblings = Some(Siblings {
                        partition: 0,
                        series: all.parse().unwrap(),
                        shared: vec![SharedLabel {
                            label: "version".into(),
                            value: version.into(),
                            series: with.parse().unwrap(),
                            values: 3,
                        }],
                    });
                }
                // What is expected now and in 5, 15, 30 and 60 minutes, half a unit to both sides.
                ("ahead", _) => {
                    let told = [0, 5, 15, 30, 60].into_iter().zip(value.split('/'));
                    anomaly.ahead = told
                        .map(|(minutes, expected): (i64, &str)| {
                            let expected: f64 = expected.parse().unwrap();
                            Ahead {
                                at: EventTime::from_secs(at.secs() + 60 * minutes),
                                expected,
                                lower: expected - 0.5,
                                upper: expected + 0.5,
                            }
                        })
                        .collect();
                }
                (metric, Ok(v)) => {
                    anomaly.observed = v;
                    anomaly.window.push((at, v));
                    anomaly.series = Arc::new(
                        anomaly
                            .series
                            .with_metric(metric, if metric == "loss" { "%" } else { "" }),
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        anomaly.clone()
    }

    fn position(&self) -> Position {
        Position {
            topic: "log".into(),
            partition: 0,
            offset: self.offset,
        }
    }

    /// What was told so far.
    pub(crate) fn story(&self) -> &str {
        &self.text
    }

    pub(crate) fn step(&mut self, entry: CorrelateEntry) {
        self.entries.push(entry.clone());
        let input = CorrelateInput {
            position: self.position(),
            entry,
        };
        self.offset += 1;
        let mut effects = Effects::default();
        self.stage.step(&input, &mut effects);
        let (outputs, rejects) = effects.drain();
        for event in outputs {
            self.tell(&event);
            self.events.push(event);
        }
        for reject in rejects {
            let mut detail = reject.detail;
            for (i, id) in self.incidents.iter().enumerate() {
                detail = detail.replace(id.as_str(), &format!("${}", i + 1));
            }
            writeln!(self.text, "      refused {}: {detail}", reject.reason).unwrap();
        }
    }

    fn tell(&mut self, event: &IncidentEvent) {
        let i = &event.incident;
        if !self.incidents.contains(&i.id) {
            self.incidents.push(i.id.clone());
        }
        let number = 1 + self.incidents.iter().position(|id| *id == i.id).unwrap();
        let secs = |t: EventTime| {
            format!(
                "{:02}:{:02}:{:02}",
                t.secs() / 3_600,
                t.secs() / 60 % 60,
                t.secs() % 60
            )
        };
        write!(
            self.text,
            "{} {} ${number}/{} p={:.2} {} {}",
            secs(i.at),
            event.change.as_str(),
            i.revision,
            i.probability.get(),
            i.severity.as_str(),
            i.kind.as_str()
        )
        .unwrap();
        for (name, time) in [
            ("onset", i.onset_predicted),
            ("hit", i.onset_observed),
            ("eta", i.eta),
            ("over", i.resolved_at),
        ] {
            if let Some(time) = time {
                write!(self.text, " {name}={}", secs(time)).unwrap();
            }
        }
        if i.reopened > 0 {
            write!(self.text, " reopened={}", i.reopened).unwrap();
        }
        if let Some(phase) = i.phase {
            write!(self.text, " phase={}", phase.as_str()).unwrap();
        }
        if let Some(problem) = &i.problem {
            write!(self.text, " problem={problem}").unwrap();
        }
        if let Some(into) = &i.merged_into {
            let number = 1 + self.incidents.iter().position(|id| id == into).unwrap_or(98);
            write!(self.text, " into=${number}").unwrap();
        }
        if i.responsibility != Responsibility::Unknown && i.work.is_none() {
            write!(self.text, " by={}", i.responsibility.as_str()).unwrap();
        }
        if i.storm {
            self.text.push_str(" storm");
        }
        if let Some(parent) = &i.parent {
            let number = 1 + self.incidents.iter().position(|id| id == parent).unwrap_or(98);
            write!(self.text, " parent=${number}").unwrap();
        }
        if let Some(work) = &i.work {
            write!(self.text, " work={}", work.stage.as_str()).unwrap();
        }
        if let Some(silenced) = &i.silenced {
            write!(self.text, " silenced={}", silenced.id).unwrap();
        }
        for page in i.paging.iter().filter(|p| p.at == i.at) {
            let mut why = page.why.clone();
            for (n, id) in self.incidents.iter().enumerate() {
                why = why.replace(id.as_str(), &format!("${}", n + 1));
            }
            write!(self.text, " {}={} ({why})", page.team, page.decision.as_str()).unwrap();
        }
        for remedy in i.remedies.iter().filter(|r| r.revision == i.revision) {
            write!(self.text, " {}={}", remedy.rule, remedy.stage.as_str()).unwrap();
        }
        if !i.scope.elements.is_empty() {
            let names: Vec<&str> = i.scope.elements.iter().map(|e| e.as_str()).collect();
            write!(self.text, " elements={}", names.join(",")).unwrap();
        }
        if !i.scope.cells.is_empty() {
            let cells: Vec<String> = i.scope.cells.iter().map(ToString::to_string).collect();
            write!(self.text, " cells={}", cells.join(",")).unwrap();
        }
        if let Some(customers) = i.scope.customers_estimated {
            write!(self.text, " customers={customers}").unwrap();
        }
        let mut reason = i.reason.clone();
        for (n, id) in self.incidents.iter().enumerate() {
            reason = reason.replace(id.as_str(), &format!("${}", n + 1));
        }
        writeln!(self.text, "\n      {reason}").unwrap();
    }
}

/// `internet+tv/IR-10+IR-23`, and cells behind an `@`.
fn scope(text: &str) -> Scope {
    let (text, cells) = text.split_once('@').unwrap_or((text, ""));
    let (services, regions) = text.split_once('/').unwrap();
    Scope {
        services: services
            .split('+')
            .map(|s| ServiceName::new(s).unwrap())
            .collect(),
        regions: regions.split('+').map(|r| RegionCode::new(r).unwrap()).collect(),
        products: BTreeSet::new(),
        elements: BTreeSet::new(),
        cells: cells
            .split('+')
            .filter(|cell| !cell.is_empty())
            .map(|cell| Cell::new(cell).unwrap())
            .collect(),
        customers_estimated: None,
    }
}

/// An anomaly of an entity, before its first revision.
pub(crate) fn anomaly(name: &str, at: EventTime, labels: &[(&str, &str)]) -> Anomaly {
    Anomaly {
        id: AnomalyId::new(name).unwrap(),
        revision: 0,
        state: AnomalyState::Opened,
        domain: domain(),
        series: Arc::new(SeriesKey {
            metric: "cpu".into(),
            unit: "".into(),
            resource: Labels::from_pairs(labels.iter().copied()),
            labels: Labels::default(),
        }),
        channel: Channel::Spike,
        direction: Direction::Up,
        from: at,
        at,
        score: Score::clamped(5.0),
        observed: 1.0,
        expected: 0.5,
        band: Band { low: 0.0, high: 1.0 },
        samples: 1,
        slope: 0.0,
        window: Vec::new(),
        context: Vec::new(),
        ahead: Vec::new(),
        lineage: Lineage::default(),
        siblings: None,
        usual: None,
        traffic: None,
    }
}

pub(crate) fn told(fixture: &str) -> String {
    told_under(settings(), fixture)
}

/// With one team that answers for all, of five pages a day.
pub(crate) fn paged(fixture: &str) -> String {
    let team = TeamEntry {
        name: "noc".into(),
        services: Vec::new(),
        regions: Vec::new(),
        pages_a_day: 5,
        false_pages_max: 0.5,
    };
    told_under(settings_of(IncidentTunables::default(), vec![team]), fixture)
}

pub(crate) fn told_under(settings: Arc<CorrelateSettings>, fixture: &str) -> String {
    let mut run = Run::under(settings);
    for line in fixture.lines() {
        run.line(line);
    }
    run.text
}

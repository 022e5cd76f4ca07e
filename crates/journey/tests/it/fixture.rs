use std::num::NonZeroU64;
use std::sync::Arc;

use forecall_journey::{JourneyRuleEntry, JourneySettings, JourneyStage, JourneyStepEntry, JourneyTunables};
use forecall_stage::{Effects, Stage};
use forecall_types::{
    CustomerEvent, CustomerEventKind, CustomerId, DomainName, EventTime, Fingerprint, JourneyEntry,
    JourneyMap, JourneyOutput, RegionCode, ServiceName, Tick,
};

/// A rule in short: `name: start > step/seconds > … [unless kind] [fails_on kind] [watch seconds] [by_key] [usual share]`.
pub(crate) fn rule(text: &str) -> JourneyRuleEntry {
    let (name, rest) = text.split_once(": ").unwrap();
    let mut words = rest.split(' ');
    let mut rule = JourneyRuleEntry {
        name: name.to_owned(),
        start: vec![words.next().unwrap().to_owned()],
        service: "packages".to_owned(),
        ..JourneyRuleEntry::default()
    };
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap().to_owned();
        match word {
            ">" => {
                let step = next();
                let (kind, seconds) = step.split_once('/').unwrap();
                rule.steps.push(JourneyStepEntry {
                    expect: vec![kind.to_owned()],
                    within_seconds: seconds.parse().unwrap(),
                });
            }
            "unless" => rule.unless.push(next()),
            "fails_on" => rule.fails_on.push(next()),
            "watch" => rule.watch_seconds = Some(next().parse().unwrap()),
            "usual" => rule.usual_share = Some(next().parse().unwrap()),
            "by_key" => rule.by_key = true,
            other => panic!("{other}"),
        }
    }
    rule
}

/// No waves unless a test wants them.
pub(crate) fn quiet() -> JourneyTunables {
    let mut tunables = JourneyTunables::default();
    tunables.waves.failed_min = u64::MAX;
    tunables
}

pub(crate) fn settings(rules: &[&str], tunables: JourneyTunables) -> Arc<JourneySettings> {
    let rules: Vec<JourneyRuleEntry> = rules.iter().map(|text| rule(text)).collect();
    Arc::new(JourneySettings::new(&rules, tunables).unwrap())
}

/// `MM:SS` or `HH:MM:SS`.
fn seconds(text: &str) -> i64 {
    text.split(':')
        .fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap())
}

fn clock(at: EventTime) -> String {
    let secs = at.secs();
    format!("{:02}:{:02}:{:02}", secs / 3_600, secs / 60 % 60, secs % 60)
}

pub(crate) fn customer(name: &str) -> CustomerId {
    CustomerId::derived(Fingerprint::of(name.as_bytes()))
}

/// A stage, and all it has told.
pub(crate) struct Run {
    pub(crate) stage: JourneyStage,
    pub(crate) told: Vec<String>,
    /// Who is who, to be read.
    names: Vec<(CustomerId, String)>,
    id: u128,
}

impl Run {
    pub(crate) fn new(settings: Arc<JourneySettings>) -> Self {
        Self {
            stage: JourneyStage::new(settings),
            told: Vec::new(),
            names: Vec::new(),
            id: 0,
        }
    }

    /// `TIME tick`, or `TIME NAME KIND [#key] [service/region] [id=N]`.
    pub(crate) fn line(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let at = EventTime::from_secs(seconds(words.next().unwrap()));
        let who = words.next().unwrap();
        if who == "tick" {
            self.step(&JourneyEntry::Tick(Tick { at }));
            return;
        }
        let id = customer(who);
        if !self.names.iter().any(|(known, _)| *known == id) {
            self.names.push((id.clone(), who.to_owned()));
        }
        self.id += 1;
        let mut event = CustomerEvent {
            id: self.id,
            domain: DomainName::new("isp").unwrap(),
            kind: CustomerEventKind::new(words.next().unwrap()).unwrap(),
            customer: id,
            at,
            key: None,
            service: None,
            region: None,
        };
        for word in words {
            if let Some(key) = word.strip_prefix('#') {
                event.key = NonZeroU64::new(key.parse().unwrap());
            } else if let Some(id) = word.strip_prefix("id=") {
                event.id = id.parse().unwrap();
            } else if let Some((service, region)) = word.split_once('/') {
                event.service = Some(ServiceName::new(service).unwrap());
                event.region = Some(RegionCode::new(region).unwrap());
            }
        }
        self.step(&JourneyEntry::Event(event));
    }

    pub(crate) fn lines(&mut self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.line(line);
        }
    }

    pub(crate) fn step(&mut self, entry: &JourneyEntry) {
        let mut effects = Effects::default();
        self.stage.step(entry, &mut effects);
        let (outputs, rejects) = effects.drain();
        let told: Vec<String> = outputs.map(|output| self.text(&output)).collect();
        self.told.extend(told);
        self.told
            .extend(rejects.map(|r| format!("refused {}: {}", r.reason, r.detail)));
    }

    fn text(&self, output: &JourneyOutput) -> String {
        match output {
            JourneyOutput::Failed(f) => {
                let known = self.names.iter().find(|(id, _)| *id == f.customer);
                let name = known.map_or_else(|| f.customer.to_string(), |(_, name)| name.clone());
                format!(
                    "{} {name} {}{} step {} {} since {} {}{}",
                    clock(f.failed_at),
                    f.rule,
                    f.key.map_or(String::new(), |key| format!(" #{key}")),
                    f.step,
                    f.failure.as_str(),
                    clock(f.started_at),
                    f.service,
                    f.region
                        .as_ref()
                        .map_or(String::new(), |r| format!("/{}", r.as_str())),
                )
            }
            JourneyOutput::Wave(w) => format!(
                "{} WAVE {} r{} {} step {} {}/{} from {}: {} of {} due, usual {:.3}, score {:.1}, withheld {}",
                clock(w.at),
                w.state.as_str(),
                w.revision,
                w.rule,
                w.step,
                w.service,
                w.region.as_ref().map_or("-", |r| r.as_str()),
                clock(w.from),
                w.failed,
                w.due,
                w.usual,
                w.score.get(),
                w.withheld,
            ),
            JourneyOutput::Map(map) => map_text(map),
        }
    }
}

fn map_text(map: &JourneyMap) -> String {
    let seconds = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0} s"));
    let steps: Vec<String> = map
        .steps
        .iter()
        .map(|s| {
            format!(
                "reached {} passed {} absent {} struck {} excused {} median {} p90 {} of {} s",
                s.reached,
                s.passed,
                s.absent,
                s.struck,
                s.excused,
                seconds(s.median_seconds),
                seconds(s.p90_seconds),
                s.allowed_seconds
            )
        })
        .collect();
    format!(
        "{} MAP {} started {} refused {}; {}",
        clock(map.to),
        map.rule,
        map.started,
        map.refused,
        steps.join("; ")
    )
}

/// Runs the lines and compares all that is told.
pub(crate) fn check(rules: &[&str], tunables: JourneyTunables, lines: &str, expect: expect_test::Expect) {
    let mut run = Run::new(settings(rules, tunables));
    run.lines(lines);
    expect.assert_eq(&run.told.join("\n"));
}

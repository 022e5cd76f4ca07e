//! How often a wave is told where nothing is wrong, and how soon where something is.

use std::sync::Arc;

use forecall_bench_input::{next, uniform};
use forecall_journey::{JourneyRuleEntry, JourneySettings, JourneyStage, JourneyStepEntry, JourneyTunables};
use forecall_stage::{Effects, Stage};
use forecall_types::{
    CustomerEvent, CustomerEventKind, CustomerId, DomainName, EventTime, JourneyEntry, JourneyOutput, Tick,
    WaveState,
};
use serde_json::{Value, json};

/// Journeys a minute, and the share of them that fails while nothing is wrong.
const PLACES: [(f64, f64); 6] = [
    (1.0, 0.02),
    (10.0, 0.02),
    (100.0, 0.02),
    (1.0, 0.3),
    (10.0, 0.3),
    (100.0, 0.3),
];
/// Quiet days looked at in each place; the share is known after the first.
const QUIET_DAYS: i64 = 20;
/// Faults in each place.
const FAULTS: u64 = 40;
const WITHIN: i64 = 600;
/// Share that fails during a fault.
const FAILS: f64 = 0.9;

struct Place {
    stage: JourneyStage,
    kinds: [CustomerEventKind; 2],
    domain: DomainName,
    state: u64,
    a_minute: f64,
    /// Event time, in seconds.
    at: f64,
    pending: std::collections::BTreeMap<(i64, u64), CustomerId>,
    opened: Vec<i64>,
    singles: u64,
}

impl Place {
    fn new(a_minute: f64, seed: u64) -> Self {
        let kind = |text: &str| CustomerEventKind::new(text).expect("a constant");
        let rule = JourneyRuleEntry {
            name: "paid".to_owned(),
            start: vec!["paid".to_owned()],
            steps: vec![JourneyStepEntry {
                expect: vec!["active".to_owned()],
                within_seconds: WITHIN as u64,
            }],
            service: "packages".to_owned(),
            ..JourneyRuleEntry::default()
        };
        let settings = JourneySettings::new(&[rule], JourneyTunables::default()).expect("a constant");
        Self {
            stage: JourneyStage::new(Arc::new(settings)),
            kinds: [kind("paid"), kind("active")],
            domain: DomainName::new("isp").expect("a constant"),
            state: seed,
            a_minute,
            at: 0.0,
            pending: std::collections::BTreeMap::new(),
            opened: Vec::new(),
            singles: 0,
        }
    }

    fn step(&mut self, entry: &JourneyEntry) {
        let mut effects = Effects::default();
        self.stage.step(entry, &mut effects);
        for output in effects.outputs() {
            match output {
                JourneyOutput::Wave(wave) if wave.state == WaveState::Opened => {
                    self.opened.push(wave.at.secs())
                }
                JourneyOutput::Failed(_) => self.singles += 1,
                JourneyOutput::Wave(_) | JourneyOutput::Map(_) => {}
            }
        }
    }

    fn event(&mut self, kind: usize, customer: CustomerId, at: i64) {
        let event = CustomerEvent {
            id: u128::from(next(&mut self.state)),
            domain: self.domain.clone(),
            kind: self.kinds[kind].clone(),
            customer,
            at: EventTime::from_millis(at),
            key: None,
            service: None,
            region: None,
        };
        self.step(&JourneyEntry::Event(event));
    }

    /// People pay at random until `seconds`, and so many fail.
    fn until(&mut self, seconds: f64, fails: f64) {
        while self.at < seconds {
            self.at += -uniform(&mut self.state).ln() * 60.0 / self.a_minute;
            let now = (self.at * 1e3) as i64;
            while let Some(first) = self.pending.first_entry().filter(|first| first.key().0 < now) {
                let ((at, _), customer) = first.remove_entry();
                self.event(1, customer, at);
            }
            let customer = CustomerId::of_number(u128::from(next(&mut self.state)) << 16);
            self.event(0, customer.clone(), now);
            if uniform(&mut self.state) >= fails {
                let soon = now + (uniform(&mut self.state) * 120e3) as i64;
                self.pending.insert((soon, next(&mut self.state)), customer);
            }
        }
    }
}

fn place(a_minute: f64, usual: f64, seed: u64) -> Value {
    let mut place = Place::new(a_minute, seed);
    let day = 86_400.0;
    place.until(day, usual);
    let known = place.opened.len();
    place.until(day * (QUIET_DAYS + 1) as f64, usual);
    let quiet = place.opened.len();
    let (mut delays, mut missed, mut singles) = (Vec::new(), 0, 0);
    for _ in 0..FAULTS {
        place.until(place.at + 3.0 * 3_600.0, usual);
        let begin = place.at;
        let (before, told) = (place.opened.len(), place.singles);
        place.until(begin + 1_800.0, FAILS);
        place.until(begin + 1_800.0 + 900.0, usual);
        match place.opened.get(before) {
            // From when the first of them could be known to fail.
            Some(opened) => {
                delays.push((*opened as f64 - begin - WITHIN as f64) / 60.0);
                singles += place.singles - told;
            }
            None => missed += 1,
        }
    }
    let end = EventTime::from_secs(place.at as i64 + 10_000);
    place.step(&JourneyEntry::Tick(Tick { at: end }));
    delays.sort_by(f64::total_cmp);
    let at = |q: f64| delays.get(((delays.len() as f64 - 1.0) * q) as usize).copied();
    json!({
        "a_minute": a_minute,
        "usual": usual,
        "false_first_day": known,
        "false_a_month": (quiet - known) as f64 * 30.0 / QUIET_DAYS as f64,
        "found": delays.len(),
        "missed": missed,
        "minutes_median": at(0.5),
        "minutes_p90": at(0.9),
        "singles_a_fault": singles as f64 / delays.len().max(1) as f64,
    })
}

pub(crate) fn figure(seed: u64) -> Value {
    (seed..)
        .zip(PLACES)
        .map(|(seed, (a_minute, usual))| place(a_minute, usual, seed))
        .collect()
}

pub(crate) fn table(figure: &Value) -> String {
    let mut text = "| journeys a minute | usual share | false waves: first day; a month after it | faults found of 40 | minutes after the first \
        is due: median; 9 of 10 | told singly a fault |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for row in figure.as_array().into_iter().flatten() {
        let number = |field: &str| row.get(field).and_then(Value::as_f64).unwrap_or(f64::NAN);
        text += &format!(
            "| {} | {} | {}; {} | {} | {:.1}; {:.1} | {:.1} |\n",
            number("a_minute"),
            number("usual"),
            number("false_first_day"),
            number("false_a_month"),
            number("found"),
            number("minutes_median"),
            number("minutes_p90"),
            number("singles_a_fault")
        );
    }
    text
}

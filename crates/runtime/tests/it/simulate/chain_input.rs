//! What comes in from outside: telemetry of a region that degrades and recovers, people, calls, an operator's commands, and
//! records that mean nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_config::Settings;
use forecall_ledger::{DirectoryRow, Secret};
use forecall_log::OutRecord;
use forecall_runtime::pseudonym_key;
use forecall_sim::fault::Dice;
use forecall_types::{
    Action, Command, ContactChannel, Customer, EventTime, Language, Purpose, RegionCode, Scope, ServiceName,
    Severity,
};
use forecall_wire::event::encode_command;

use super::house_input::START;

pub(crate) const TELEMETRY: &str = "telemetry";
pub(crate) const CALLS: &str = "calls";
pub(crate) const PEOPLE: &str = "people";
const COMMANDS: &str = "forecall.commands.v1";
pub(crate) const LOG: &str = "forecall.outreach.log.v1";

const STEP_SECONDS: i64 = 30;
/// Steps of quiet, written at once.
const QUIET: i64 = 60;
const STEPS: i64 = 130;
/// Steps written at once, from then on.
const STRIDE: i64 = 3;
pub(crate) const PERSONS: u64 = 10;

/// What is written at one time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chunk {
    pub(crate) at: i64,
    pub(crate) records: Vec<OutRecord>,
    /// Persons of the directory that come, or come again.
    pub(crate) persons: Vec<u64>,
    /// One that goes.
    pub(crate) erased: Option<u64>,
}

/// A customer with a number, an address, or both.
pub(crate) fn person(settings: &Settings, number: u64, at: i64) -> DirectoryRow {
    let key = pseudonym_key(settings).unwrap().unwrap();
    let channels = match number % 4 {
        0 => vec![ContactChannel::Sms],
        1 => vec![ContactChannel::Email],
        2 => vec![ContactChannel::Sms, ContactChannel::Email],
        _ => vec![ContactChannel::Email, ContactChannel::Sms],
    };
    let addresses: BTreeMap<_, _> = channels
        .iter()
        .map(|channel| {
            let address = match channel {
                ContactChannel::Email => format!("someone{number}@example.com"),
                _ => format!("+98912{number:07}"),
            };
            (*channel, Secret::new(address))
        })
        .collect();
    DirectoryRow {
        customer: Customer {
            id: key.customer(&settings.domain, &format!("+98912{number:07}")),
            domain: settings.domain.clone(),
            region: RegionCode::new(if number == 9 { "IR-07" } else { "IR-10" }).unwrap(),
            place: None,
            served_by: [].into(),
            services: [ServiceName::new("internet").unwrap()].into(),
            language: if number.is_multiple_of(3) {
                Language::En
            } else {
                Language::Fa
            },
            channels,
            consents: [Purpose::ServiceNotice].into(),
            priority: number == 1,
            at: EventTime::from_secs(at),
        },
        name: None,
        addresses,
    }
}

fn record(topic: &str, partition: Option<i32>, value: Vec<u8>) -> OutRecord {
    OutRecord {
        topic: Arc::from(topic),
        partition,
        key: None,
        value: Some(value),
        headers: Vec::new(),
    }
}

fn sample(cell: i32, at: i64, value: f64) -> Vec<u8> {
    format!(
        r#"{{"ts":{at},"series":"latency","value":{value},"labels":{{"service.name":"internet","region":"IR-10","host.name":"c{cell}"}}}}"#
    )
    .into_bytes()
}

/// Milliseconds: level with noise; a climb from step 60 on, well again from step 95.
fn latency(dice: &mut Dice, step: i64) -> f64 {
    let noise = f64::from(u32::try_from(dice.below(4_000)).unwrap()) / 1_000.0;
    let climb = if (QUIET..95).contains(&step) {
        (f64::from(i32::try_from(step - QUIET + 1).unwrap()) * 20.0).min(400.0)
    } else {
        0.0
    };
    40.0 + noise + climb
}

fn command(settings: &Settings, id: &str, at: i64, action: Action) -> OutRecord {
    let command = Command {
        id: Arc::from(id),
        domain: settings.domain.clone(),
        at: EventTime::from_secs(at),
        by: Arc::from("noc"),
        action,
    };
    let encoded = encode_command(&command).unwrap();
    OutRecord {
        topic: Arc::from(COMMANDS),
        partition: None,
        key: Some(encoded.key),
        value: Some(encoded.value),
        headers: encoded.headers,
    }
}

/// Now and then an operator does something.
fn deeds(settings: &Settings, dice: &mut Dice, number: usize, at: i64) -> Vec<OutRecord> {
    let id = format!("cmd_{number}");
    let action = match dice.below(8) {
        0 | 1 => Action::Kill { on: dice.hit(400) },
        2 => Action::Declare {
            scope: Scope {
                services: [ServiceName::new("internet").unwrap()].into(),
                regions: [RegionCode::new("IR-07").unwrap()].into(),
                products: [].into(),
                elements: [].into(),
                cells: [].into(),
                customers_estimated: None,
            },
            severity: Severity::Severe,
        },
        _ => return Vec::new(),
    };
    let record = command(settings, &id, at, action);
    // The very same command a second time means nothing.
    let times = if dice.hit(200) { 2 } else { 1 };
    vec![record; times]
}

/// The last word of the operator: whatever was stopped goes on.
pub(crate) fn resume(settings: &Settings, at: i64) -> OutRecord {
    command(settings, "cmd_resume", at, Action::Kill { on: false })
}

pub(crate) fn chunks(settings: &Settings, dice: &mut Dice) -> Vec<Chunk> {
    let mut chunks = vec![Chunk {
        at: START + STEP_SECONDS * QUIET,
        records: (0..QUIET).flat_map(|step| telemetry(dice, step)).collect(),
        persons: (0..PERSONS).collect(),
        erased: None,
    }];
    let mut step = QUIET;
    while step < STEPS {
        let at = START + STEP_SECONDS * (step + STRIDE);
        let number = chunks.len();
        let mut records: Vec<_> = (step..step + STRIDE).flat_map(|s| telemetry(dice, s)).collect();
        records.extend(deeds(settings, dice, number, at));
        if dice.hit(200) {
            let line = format!("{}|{at}.{number}|support|NONE|ENTERQUEUE||09120000001|1", at - 5);
            records.push(record(CALLS, Some(0), line.into_bytes()));
        }
        if dice.hit(80) {
            let topic = *[LOG, CALLS, PEOPLE, COMMANDS, TELEMETRY]
                .get(dice.place(5))
                .unwrap();
            records.push(record(topic, Some(0), b"{ not json".to_vec()));
        }
        let persons = if dice.hit(150) {
            vec![dice.below(PERSONS)]
        } else {
            Vec::new()
        };
        let erased = dice.hit(40).then(|| dice.below(PERSONS));
        chunks.push(Chunk {
            at,
            records,
            persons,
            erased,
        });
        step += STRIDE;
    }
    chunks
}

fn telemetry(dice: &mut Dice, step: i64) -> Vec<OutRecord> {
    let at = START + STEP_SECONDS * step;
    (0..3)
        .map(|cell| {
            let text = sample(cell, at, latency(dice, step));
            record(TELEMETRY, Some(cell % 2), text)
        })
        .collect()
}

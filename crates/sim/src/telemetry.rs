//! What the network's probes say: one record a city and tick, as the OpenTelemetry Collector, collectd and forecall's own
//! JSON would write it.

use std::fmt::Write as _;

use forecall_types::EventTime;

use crate::geography::{CELLS, CITIES, CORE, City, cell_id};
use crate::random::{For, Seed};
use crate::script;

/// Topic of all telemetry.
pub const TELEMETRY: &str = "telemetry";
/// Core routers.
const ROUTERS: usize = 3;
/// Series of a cell, of a city, of a router, at most: room in the numbering of the noise.
const SERIES_ROOM: usize = 16;
/// Part of the noise that carries over to the next tick.
const MEMORY: f64 = 0.6;

/// Where the operator's time stands: what the values hang on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at: EventTime,
    /// Minutes after the midnight of the scripted day; negative before it.
    pub(crate) minute: f64,
    pub(crate) weekend: bool,
}

/// One value of one cell and what customers feel of it.
struct Value {
    metric: &'static str,
    unit: &'static str,
    value: f64,
}

/// The probes, with the memory of their noise.
#[derive(Debug, Clone)]
pub(crate) struct Probes {
    seed: Seed,
    noise: Vec<f64>,
    tick: u64,
}

/// What a tick showed beside its records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Places in [`CITIES`] where a limit that customers feel was passed.
    pub(crate) beyond: Vec<usize>,
}

/// The limits that customers feel; the configuration states the same ones.
pub(crate) const LOSS_LIMIT: f64 = 2.0;
pub(crate) const LATENCY_LIMIT: f64 = 150.0;

impl Probes {
    pub(crate) fn new(seed: Seed) -> Self {
        let series = (CITIES.len() * (CELLS + 1) + ROUTERS) * SERIES_ROOM;
        Self {
            seed,
            noise: vec![0.0; series],
            tick: 0,
        }
    }

    /// Noise of a series with a standard deviation of 1 and a memory of one tick.
    fn noise(&mut self, series: usize) -> f64 {
        let a = u64::try_from(series).unwrap_or(u64::MAX);
        let fresh = self.seed.normal((For::Noise, For::NoiseSecond), a, self.tick);
        // Beyond four sigma a probe's average over 30 seconds doesn't stray.
        let fresh = fresh.clamp(-4.0, 4.0);
        let Some(state) = self.noise.get_mut(series) else {
            return 0.0;
        };
        *state = MEMORY * *state + (1.0 - MEMORY * MEMORY).sqrt() * fresh;
        *state
    }

    /// All records of one tick.
    pub(crate) fn tick(&mut self, moment: &Moment, seen: &mut Seen, mut out: impl FnMut(Vec<u8>)) {
        self.tick += 1;
        for (no, city) in CITIES.iter().enumerate() {
            let level = script::level(city.code, moment.minute);
            let mut text = String::from(r#"{"resourceMetrics":["#);
            let mut beyond = false;
            for cell in 0..CELLS {
                let base = (no * (CELLS + 1) + cell) * SERIES_ROOM;
                let values = self.cell(base, city, level, moment);
                beyond |= values.iter().any(|v| {
                    v.metric == "access.packet_loss" && v.value > LOSS_LIMIT
                        || v.metric == "access.latency.p95" && v.value > LATENCY_LIMIT
                });
                resource(
                    &mut text,
                    cell > 0,
                    city,
                    &cell_id(city, cell),
                    &values,
                    moment.at,
                );
            }
            text.push_str("]}");
            if beyond {
                seen.beyond.push(no);
            }
            out(text.into_bytes());
        }
        out(self.voice(moment));
        out(self.routers(moment));
    }

    fn cell(&mut self, base: usize, city: &City, level: f64, moment: &Moment) -> [Value; 6] {
        let load = script::load(moment.minute, moment.weekend);
        // Cells differ, by a few per cent.
        let own = 1.0 + 0.06 * self.seed.uniform(For::Cell, u64::try_from(base).unwrap_or(0), 0);
        let n: [f64; 6] = std::array::from_fn(|i| self.noise(base + i));
        let [n_loss, n_latency, n_jitter, n_through, n_error, n_cpu] = n;
        let deployed = if city.code == CORE {
            script::deployment(moment.minute)
        } else {
            0.0
        };
        let latency = (34.0 + 8.0 * load) * own;
        let value = |metric, unit, value: f64| Value { metric, unit, value };
        [
            value(
                "access.packet_loss",
                "%",
                (0.15 + 1.85 * level + 0.025 * n_loss).max(0.0),
            ),
            value(
                "access.latency.p95",
                "ms",
                latency + (LATENCY_LIMIT - latency) * level + 0.9 * n_latency,
            ),
            value(
                "access.jitter",
                "ms",
                (4.0 * own + 9.0 * level + 0.2 * n_jitter).max(0.1),
            ),
            value(
                "access.throughput",
                "Mbit/s",
                (9_000.0
                    * own
                    * (0.25 + 0.75 * load)
                    * (1.0 - 0.15 * level.min(3.0))
                    * (1.0 + 0.012 * n_through))
                    .max(1.0),
            ),
            value(
                "http.server.error.ratio",
                "1",
                (0.002 + 0.012 * level + deployed + 0.0003 * n_error).max(0.0),
            ),
            value(
                "system.cpu.utilization",
                "1",
                (0.22 + 0.3 * load + 0.012 * n_cpu).clamp(0.01, 1.0),
            ),
        ]
    }

    /// Voice of all cities as a list of forecall's own JSON.
    fn voice(&mut self, moment: &Moment) -> Vec<u8> {
        let mut text = String::from("[");
        for (no, city) in CITIES.iter().enumerate() {
            let base = (no * (CELLS + 1) + CELLS) * SERIES_ROOM;
            let ratio = (0.995 + 0.0005 * self.noise(base)).min(1.0);
            let setup = 1_900.0 + 40.0 * self.noise(base + 1);
            for (i, (series, unit, value)) in [
                ("voice.call.success.ratio", "1", ratio),
                ("voice.call.setup.duration", "ms", setup),
            ]
            .into_iter()
            .enumerate()
            {
                let comma = if no + i > 0 { "," } else { "" };
                let _ = write!(
                    text,
                    r#"{comma}{{"ts":{},"series":"{series}","unit":"{unit}","value":{value:.5},"labels":{{"service.name":"voice","region":"{}"}}}}"#,
                    moment.at.millis(),
                    city.code
                );
            }
        }
        text.push(']');
        text.into_bytes()
    }

    /// The core routers' CPU as collectd's `write_kafka` writes it.
    fn routers(&mut self, moment: &Moment) -> Vec<u8> {
        let base = CITIES.len() * (CELLS + 1) * SERIES_ROOM;
        let load = script::load(moment.minute, moment.weekend);
        let mut text = String::from("[");
        for router in 0..ROUTERS {
            let share =
                0.18 + 0.2 * load + script::batch_job(moment.minute) + 0.01 * self.noise(base + router);
            let comma = if router > 0 { "," } else { "" };
            let _ = write!(
                text,
                r#"{comma}{{"values":[{:.3}],"dstypes":["gauge"],"dsnames":["value"],"time":{}.000,"interval":30.000,"host":"core-{}","plugin":"cpu","plugin_instance":"","type":"percent","type_instance":"active"}}"#,
                share * 100.0,
                moment.at.secs(),
                router + 1
            );
        }
        text.push(']');
        text.into_bytes()
    }
}

/// One resource of an OTLP request in JSON.
fn resource(text: &mut String, follows: bool, city: &City, cell: &str, values: &[Value], at: EventTime) {
    let comma = if follows { "," } else { "" };
    let _ = write!(
        text,
        r#"{comma}{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"internet"}}}},{{"key":"region","value":{{"stringValue":"{}"}}}},{{"key":"cell.id","value":{{"stringValue":"{cell}"}}}}]}},"scopeMetrics":[{{"scope":{{"name":"access-probe"}},"metrics":["#,
        city.code
    );
    for (i, Value { metric, unit, value }) in values.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(
            text,
            r#"{comma}{{"name":"{metric}","unit":"{unit}","gauge":{{"dataPoints":[{{"timeUnixNano":"{}","asDouble":{value:.5}}}]}}}}"#,
            at.nanos()
        );
    }
    text.push_str("]}]}");
}

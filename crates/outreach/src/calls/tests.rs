#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts and times of our own making"
)]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forecall_stage::{decode_state, encode_state};
use forecall_stats::poisson::NegativeBinomial;
use forecall_types::{
    CallForecast, CallOutcome, CallRecord, DomainName, EventTime, Fingerprint, Incident, IncidentChange,
    IncidentEvent, IncidentId, IncidentState, Lineage, Probability, QueueName, Responsibility, Scope,
    Severity,
};
use proptest::prelude::*;

use super::baseline::Baseline;
use super::calendar::Zone;
use super::effect::Arms;
use super::{CallModel, CallSettings};

const STEP: i64 = 1800;
const DAY: i64 = 86_400;
/// 2026-01-05, a Monday.
const START: i64 = 1_767_571_200;
const WARM_DAYS: i64 = 5;

/// A plain generator, so that the series are the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

fn settings() -> CallSettings {
    CallSettings {
        zone: Zone::utc(),
        // So long that the surge is not expected to be cut within the horizon.
        remaining_minutes: 100_000.0,
        ..CallSettings::default()
    }
}

fn call(id: &str, arrived: f64, outcome: CallOutcome) -> CallRecord {
    let at = EventTime::from_millis((arrived * 1000.0) as i64);
    CallRecord {
        id: Arc::from(id),
        domain: DomainName::new("tehran").unwrap(),
        queue: QueueName::new("support").unwrap(),
        arrived_at: at,
        at,
        outcome,
        wait: None,
        handle: None,
        customer: None,
        region: None,
    }
}

fn incident(state: IncidentState, revision: u32, at: i64) -> IncidentEvent {
    IncidentEvent {
        change: IncidentChange::Updated,
        incident: Incident {
            id: IncidentId::derived(Fingerprint::of(b"x")),
            revision,
            domain: DomainName::new("tehran").unwrap(),
            state,
            reopened: 0,
            phase: None,
            severity: Severity::Severe,
            kind: forecall_types::IncidentKind::Outage,
            scope: Scope::default(),
            probability: Probability::clamped(0.6),
            opened_at: EventTime::from_secs(at),
            at: EventTime::from_secs(at),
            onset_predicted: None,
            onset_interval: None,
            onset_observed: None,
            resolved_at: None,
            evidence: Vec::new(),
            contributions: Vec::new(),
            dimensions: Vec::new(),
            causes: Vec::new(),
            paging: Vec::new(),
            silenced: None,
            storm: false,
            parent: None,
            merged_into: None,
            split_from: None,
            adjustment: None,
            remedies: Vec::new(),
            work: None,
            responsibility: Responsibility::Unknown,
            acknowledged: None,
            eta: None,
            steps: Vec::new(),
            problem: None,
            reason: String::new(),
            version: Arc::from("1"),
            settings: Arc::from("1"),
            lineage: Lineage::default(),
            simulated: true,
        },
    }
}

/// A few days of 60 calls in each half hour, evenly spaced; made once for all tests.
fn warm() -> (CallModel, Vec<CallForecast>) {
    static WARM: OnceLock<(CallModel, Vec<CallForecast>)> = OnceLock::new();
    let make = || {
        let mut model = CallModel::new(Arc::new(settings()));
        let mut out = Vec::new();
        for i in 0..WARM_DAYS * 48 {
            steady(&mut model, START + i * STEP, 60);
            model.on_tick(EventTime::from_secs(START + (i + 1) * STEP + 60), &mut out);
        }
        (model, out)
    };
    WARM.get_or_init(make).clone()
}

fn steady(model: &mut CallModel, from: i64, calls: i64) {
    for k in 0..calls {
        let at = from as f64 + (k as f64 + 0.5) * STEP as f64 / calls as f64;
        model.on_call(&call(&format!("c{from}-{k}"), at, CallOutcome::Answered));
    }
}

/// Expected first calls by `seconds` after the onset: lognormal delay, median 18 minutes, sigma 1.
fn called_by(seconds: f64, total: f64) -> f64 {
    if seconds <= 0.0 {
        return 0.0;
    }
    total * 0.5 * libm::erfc(-libm::log(seconds / 1080.0) / std::f64::consts::SQRT_2)
}

/// First calls and three rounds of repeats after half an hour each.
fn contacts_by(seconds: f64, total: f64) -> f64 {
    (0..4)
        .map(|r| libm::pow(0.15, f64::from(r)) * called_by(seconds - 1800.0 * f64::from(r), total))
        .sum()
}

/// Feeds an incident in which exactly the expected calls come, up to `minutes` after its onset.
fn surge(model: &mut CallModel, onset: i64, minutes: i64, total: f64, out: &mut Vec<CallForecast>) {
    for minute in 0..minutes {
        let from = onset + minute * 60;
        for k in 0..2 {
            let at = from as f64 + 15.0 + 30.0 * f64::from(k);
            model.on_call(&call(&format!("b{from}-{k}"), at, CallOutcome::Answered));
        }
        let by = |m: i64| contacts_by(m as f64 * 60.0, total).round() as i64;
        for k in by(minute)..by(minute + 1) {
            model.on_call(&call(&format!("s{k}"), from as f64 + 30.0, CallOutcome::Answered));
        }
        model.on_tick(EventTime::from_secs(from + 60), out);
    }
}

fn newest(out: &[CallForecast]) -> &[CallForecast] {
    let last = out.last().unwrap().made_at;
    &out[out.iter().position(|f| f.made_at == last).unwrap()..]
}

#[test]
fn an_incident_is_learned_within_half_an_hour() {
    let (mut model, mut out) = warm();
    let onset = START + WARM_DAYS * DAY + 9 * 3600;
    for i in 0..18 {
        steady(&mut model, START + WARM_DAYS * DAY + i * STEP, 60);
    }
    model.on_incident(&incident(IncidentState::Confirmed, 1, onset), 10_000);
    // Severe trouble is expected to make 600 of 10,000 call; here 1,500 do.
    surge(&mut model, onset, 32, 1500.0, &mut out);
    let forecast = newest(&out);
    assert_eq!(forecast.len(), 8);
    let horizon = forecast[0].from.secs() - onset;
    let truth = contacts_by((horizon + 8 * STEP) as f64, 1500.0) - contacts_by(horizon as f64, 1500.0);
    let expected: f64 = forecast
        .iter()
        .map(|f| f.without_notice.arrivals.mean - f.baseline.mean)
        .sum();
    assert!((expected / truth - 1.0).abs() < 0.25, "{expected} of {truth}");
    assert!(
        (forecast[0].baseline.mean - 60.0).abs() < 6.0,
        "the surge must not leak into the baseline"
    );
    assert!(forecast[0].without_notice.staffing.agents > 10);
}

#[test]
fn an_incident_that_is_over_teaches_the_next() {
    let added = |is_first_seen: bool| {
        let (mut model, mut out) = warm();
        let day = START + WARM_DAYS * DAY;
        for i in 0..60 {
            steady(&mut model, day + i * STEP, 60);
        }
        if is_first_seen {
            let onset = day + 9 * 3600;
            model.on_incident(&incident(IncidentState::Confirmed, 1, onset), 10_000);
            // The settings say 600 of 10,000 call; 1,500 do.
            surge(&mut model, onset, 180, 1500.0, &mut out);
            let mut over = incident(IncidentState::Resolved, 2, onset + 10_800);
            over.incident.opened_at = EventTime::from_secs(onset);
            model.on_incident(&over, 10_000);
        }
        for i in 24..50 {
            model.on_tick(EventTime::from_secs(day + i * STEP + 60), &mut out);
        }
        let onset = day + 50 * STEP;
        let mut second = incident(IncidentState::Confirmed, 1, onset);
        second.incident.id = IncidentId::derived(Fingerprint::of(b"y"));
        model.on_incident(&second, 10_000);
        model.on_tick(EventTime::from_secs(onset + 65), &mut out);
        let forecast = newest(&out);
        let without = |f: &CallForecast| f.without_notice.arrivals.mean - f.baseline.mean;
        forecast.iter().map(without).sum::<f64>()
    };
    let (fresh, taught) = (added(false), added(true));
    assert!((400.0..800.0).contains(&fresh), "{fresh}");
    // One incident counts half beside the settings: √2.5 times as many, and more on average, for incidents differ.
    assert!((1.5..2.6).contains(&(taught / fresh)), "{taught} {fresh}");
}

#[test]
fn a_notice_lowers_the_calls_where_its_effect_is_a_reduction() {
    let onset = START + WARM_DAYS * DAY;
    let run = |told: u64| {
        let (mut model, mut out) = warm();
        model.on_incident(&incident(IncidentState::Confirmed, 1, onset), 10_000);
        model.on_told(
            &IncidentId::derived(Fingerprint::of(b"x")),
            EventTime::from_secs(onset + 120),
            told,
        );
        out.clear();
        surge(&mut model, onset, 3, 0.0, &mut out);
        newest(&out).to_vec()
    };
    for f in run(0) {
        assert_eq!(f.with_notice, f.without_notice);
        assert!(f.avoided.iter().all(|a| a.abs() < 1e-12), "{:?}", f.avoided);
    }
    let told = run(8_000);
    let (mut with, mut without) = (0.0, 0.0);
    for f in &told {
        with += f.with_notice.arrivals.mean;
        without += f.without_notice.arrivals.mean;
        assert!(
            f.avoided[0] < f.avoided[1] && f.avoided[1] < f.avoided[2],
            "{:?}",
            f.avoided
        );
        // The effect is a prior, and wide: that the notice does harm isn't ruled out.
        assert!(f.avoided[0] < 0.0 && !f.effect_measured);
        assert_eq!(f.incidents.len(), 1);
        for q in [&f.baseline, &f.with_notice.arrivals, &f.without_notice.arrivals] {
            assert!(q.values.is_sorted() && q.values.iter().all(|v| v.is_finite()));
        }
    }
    assert!(with < without, "{with} {without}");
}

#[test]
fn hold_outs_take_the_place_of_the_prior() {
    let onset = START + WARM_DAYS * DAY;
    let run = |trials: u8, told_contacts: u64| {
        let (mut model, mut out) = warm();
        model.on_incident(&incident(IncidentState::Confirmed, 1, onset), 10_000);
        let id = IncidentId::derived(Fingerprint::of(b"x"));
        model.on_told(&id, EventTime::from_secs(onset + 120), 8_000);
        for n in 0..trials {
            let arms = Arms {
                told: 9_000,
                held_out: 1_000,
                told_contacts,
                held_out_contacts: 60,
            };
            let past = IncidentId::derived(Fingerprint::of(&[n]));
            model.on_trial(&DomainName::new("tehran").unwrap(), &past, arms);
        }
        out.clear();
        surge(&mut model, onset, 3, 0.0, &mut out);
        newest(&out)[1].clone()
    };
    let prior = run(0, 0);
    let helps = run(15, 270);
    let harms = run(15, 1_080);
    assert!(!prior.effect_measured && helps.effect_measured && harms.effect_measured);
    assert!(
        helps.avoided[0] > 0.0 && helps.avoided[1] > prior.avoided[1],
        "half as many contacts: {:?} {:?}",
        helps.avoided,
        prior.avoided
    );
    assert!(harms.avoided[2] < 0.0, "twice as many: {:?}", harms.avoided);
    let agents = |f: &CallForecast| f.with_notice.arrivals.mean;
    assert!(agents(&helps) < agents(&prior) && agents(&prior) < agents(&harms));
    let elsewhere = {
        let (mut model, mut out) = warm();
        let arms = Arms {
            told: 9_000,
            held_out: 1_000,
            told_contacts: 270,
            held_out_contacts: 60,
        };
        let past = IncidentId::derived(Fingerprint::of(b"y"));
        model.on_trial(&DomainName::new("shiraz").unwrap(), &past, arms);
        model.on_tick(EventTime::from_secs(onset + 1_860), &mut out);
        newest(&out)[0].effect_measured
    };
    assert!(!elsewhere, "another domain's hold-outs say nothing here");
}

#[test]
fn a_queue_finds_its_own_parameters_beside_its_work() {
    let run = |ticks: i64| {
        let mut model = CallModel::new(Arc::new(settings()));
        let mut out = Vec::new();
        for i in 0..24 * 48 {
            let calls = if (16..40).contains(&(i % 48)) {
                12 + (i * 7) % 5
            } else {
                2
            };
            steady(&mut model, START + i * STEP, calls);
            for k in 1..=ticks {
                let at = START + i * STEP + k * STEP / ticks + 60;
                model.on_tick(EventTime::from_secs(at), &mut out);
            }
        }
        let name = newest(&out)[0].model.to_string();
        let (state, bytes) = (model.state().clone(), encode_state(model.state()).unwrap());
        assert_eq!(decode_state::<super::CallState>(&bytes).unwrap(), state);
        name
    };
    // Three weeks are there at the 22nd day: 80 evaluations, three a tick.
    assert_eq!(run(1), "state-space/3.1");
    assert_eq!(run(2), "state-space/3.1");
    let few = |days: i64| {
        let mut model = CallModel::new(Arc::new(settings()));
        let mut out = Vec::new();
        for i in 0..days * 48 {
            steady(&mut model, START + i * STEP, 3);
            model.on_tick(EventTime::from_secs(START + (i + 1) * STEP + 60), &mut out);
        }
        newest(&out)[0].model.to_string()
    };
    assert_eq!(few(20), "state-space/3.0");
}

#[test]
fn a_retracted_prediction_adds_no_calls() {
    let (mut model, mut out) = warm();
    let at = START + WARM_DAYS * DAY;
    model.on_incident(&incident(IncidentState::Predicted, 1, at), 10_000);
    model.on_tick(EventTime::from_secs(at + 120), &mut out);
    assert!(newest(&out)[0].without_notice.arrivals.mean > newest(&out)[0].baseline.mean + 20.0);
    model.on_incident(&incident(IncidentState::Retracted, 2, at + 150), 10_000);
    model.on_tick(EventTime::from_secs(at + 240), &mut out);
    let after = newest(&out);
    assert!((after[0].without_notice.arrivals.mean - after[0].baseline.mean).abs() < 1e-9);
    assert_eq!(after[0].revision, newest(&out[..out.len() - 8])[0].revision + 1);
}

#[test]
fn the_future_does_not_change_past_forecasts() {
    let onset = START + WARM_DAYS * DAY;
    let run = |minutes: i64| {
        let (mut model, mut out) = warm();
        model.on_incident(&incident(IncidentState::Confirmed, 1, onset), 3_000);
        surge(&mut model, onset, minutes, 200.0, &mut out);
        out
    };
    let (short, long) = (run(20), run(45));
    assert!(long.len() > short.len());
    assert_eq!(short[..], long[..short.len()]);
}

#[test]
fn a_restored_model_goes_on_as_if_nothing_had_been() {
    let onset = START + WARM_DAYS * DAY;
    let (mut model, mut out) = warm();
    model.on_incident(&incident(IncidentState::Confirmed, 1, onset), 3_000);
    surge(&mut model, onset, 12, 200.0, &mut out);
    let mut again = CallModel::restore(Arc::new(settings()), model.state().clone());
    let (mut one, mut two) = (Vec::new(), Vec::new());
    surge(&mut model, onset + 720, 10, 200.0, &mut one);
    surge(&mut again, onset + 720, 10, 200.0, &mut two);
    assert!(!one.is_empty());
    assert_eq!(one, two);
}

#[test]
fn a_call_counts_once_and_its_later_record_replaces_it() {
    let mut model = CallModel::new(Arc::new(settings()));
    let mut out = Vec::new();
    for k in 0..40 {
        let at = START as f64 + 10.0 * f64::from(k);
        let id = format!("c{k}");
        let mut offered = call(&id, at, CallOutcome::Offered);
        model.on_call(&offered);
        model.on_call(&offered);
        offered.at = offered.at.plus(Duration::from_secs(300));
        offered.outcome = CallOutcome::Answered;
        offered.handle = Some(Duration::from_secs(200));
        model.on_call(&offered);
    }
    assert_eq!((model.counts().calls, model.counts().repeated), (40, 80));
    model.on_tick(EventTime::from_secs(START + STEP + 60), &mut out);
    // The first half hour already gives a forecast: about what was seen, with wide bands.
    assert_eq!(out.len(), 8);
    let q = out[0].baseline;
    assert!((30.0..=60.0).contains(&q.mean), "{q:?}");
    assert!(q.values[8] - q.values[0] > 20.0 && q.values[0] >= 0.0, "{q:?}");
    let early = EventTime::from_secs(START);
    model.on_tick(early, &mut out);
    assert_eq!(out.len(), 8, "time does not go back");
    let mut wrong = call("w", START as f64 + 1e6, CallOutcome::Offered);
    wrong.at = early;
    model.on_call(&wrong);
    assert_eq!(model.counts().ahead, 1);
}

/// A week with a double hump by day and quieter weekends, times a factor of the day.
fn rate(day: i64, slot: i64) -> f64 {
    let x = slot as f64 / 48.0;
    let hump = |at: f64, width: f64| libm::exp(-(x - at) * (x - at) / (2.0 * width * width));
    let week = [1.2, 1.0, 1.0, 0.95, 0.9, 0.5, 0.4][day.rem_euclid(7) as usize];
    week * (8.0 + 120.0 * hump(0.42, 0.08) + 80.0 * hump(0.68, 0.09))
}

#[test]
fn the_baseline_comes_near_the_floor_and_its_bands_hold() {
    let calendar = settings().calendar();
    let mut model = Baseline::new(&calendar);
    let mut dice = Dice(7);
    let (mut off, mut floor, mut inside, mut n) = (0.0, 0.0, 0.0, 0.0);
    for day in 0..70 {
        let factor = 1.0 + 0.05 * (2.0 * dice.next() - 1.0);
        for slot in 0..48 {
            let start = EventTime::from_secs(START + day * DAY + slot * STEP);
            let lambda = rate(day, slot) * factor;
            let y = NegativeBinomial::from_moments(lambda, 1.2 * lambda).quantile(dice.next()) as f64;
            if day >= 42 {
                let f = model.forecast(&calendar, start);
                let law = NegativeBinomial::from_moments(f.mean, f.variance);
                off += (y - law.quantile(0.5) as f64).abs();
                floor += (y - lambda).abs();
                n += 1.0;
                inside += f64::from(u8::from(
                    (law.quantile(0.1) as f64..=law.quantile(0.9) as f64).contains(&y),
                ));
            }
            // One interval in fifty is missing.
            model.update(
                &calendar,
                start,
                (slot * 7 + day).rem_euclid(50).gt(&0).then_some(y),
            );
        }
    }
    assert!(off / floor < 1.15, "{}", off / floor);
    assert!((0.75..=0.90).contains(&(inside / n)), "{}", inside / n);
}

proptest! {
    #[test]
    fn whatever_comes_forecasts_are_numbers(
        counts in proptest::collection::vec(prop_oneof![
            3 => (0.0_f64..300.0).prop_map(Some),
            1 => Just(None),
            1 => Just(Some(0.0)),
            1 => (0.0_f64..1e6).prop_map(Some),
        ], 1..200),
        skip in 1_i64..9,
    ) {
        let calendar = settings().calendar();
        let mut model = Baseline::new(&calendar);
        for (i, count) in (0_i64..).zip(&counts) {
            let at = START + i * skip * STEP;
            model.update(&calendar, EventTime::from_secs(at), *count);
            for ahead in [1, 8, 48, 500] {
                let f = model.forecast(&calendar, EventTime::from_secs(at + ahead * STEP));
                prop_assert!(f.mean.is_finite() && f.variance.is_finite() && f.mean > 0.0 && f.variance >= f.mean, "{f:?}");
            }
        }
    }
}

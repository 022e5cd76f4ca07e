//! Requests that are counted beside a series that turns abnormal.

use forecall_detect::{DetectSettings, DetectStage};
use forecall_stage::Stage;
use forecall_types::{
    Anomaly, AnomalyState, Labels, Reading, SamplesRecord, SeriesKey, Temporality, Traffic,
};

use super::{anomalies, noise, record, run, stage};

fn key(metric: &str, unit: &str, host: &str, route: Option<&str>) -> SeriesKey {
    SeriesKey {
        metric: metric.into(),
        unit: unit.into(),
        resource: Labels::from_pairs([("service.name", "shop"), ("host", host)]),
        labels: Labels::from_pairs(route.map(|route| ("route", route))),
    }
}

/// Failures of host `a` rise with minute 200, beside whatever else is told each minute.
fn records(beside: impl Fn(i64) -> Vec<(SeriesKey, Reading<'static>)>) -> Vec<SamplesRecord> {
    let of = |minute: i64| {
        let failed = noise(minute.unsigned_abs()) + if minute < 200 { 20.0 } else { 600.0 };
        let failures = key("errors", "{error}/s", "a", None);
        let mut rows = vec![(failures, minute * 60, Reading::Gauge(failed))];
        let beside = beside(minute).into_iter();
        rows.extend(beside.map(|(key, reading)| (key, minute * 60, reading)));
        record(minute, minute * 60, &rows)
    };
    (0..230).map(of).collect()
}

fn told(records: &[SamplesRecord]) -> Vec<Anomaly> {
    let (outputs, _) = run(&mut stage(DetectSettings::default()), records);
    let all = anomalies(&outputs).into_iter().cloned();
    let all: Vec<Anomaly> = all.filter(|a| &*a.series.metric == "errors").collect();
    assert!(all.len() > 1, "{all:?}");
    all
}

/// What is known when it is told the last time: at first the newest count is that of before.
fn last(all: &[Anomaly]) -> Option<Traffic> {
    all.iter().filter_map(|a| a.traffic).next_back()
}

fn near(traffic: Option<Traffic>, usual: f64, now: f64) {
    let told = traffic.unwrap();
    let close = |a: f64, b: f64| (a - b).abs() <= 0.05 * b;
    assert!(close(told.usual, usual) && close(told.now, now), "{told:?}");
}

/// A counter that grows by 3,000 each minute, and by half of it since minute 200.
fn counter(minute: i64) -> Reading<'static> {
    let grown = 3_000 * minute - (minute - 200).max(0) * 1_500;
    Reading::Sum {
        value: f64::from(i32::try_from(grown).unwrap()),
        temporality: Temporality::Cumulative,
        monotonic: true,
        start: None,
    }
}

#[test]
fn a_counter_of_the_same_entity_tells_them_as_usual_and_now() {
    let all = told(&records(|minute| {
        vec![(key("http.requests", "{request}", "a", None), counter(minute))]
    }));
    near(last(&all), 50.0, 25.0);
    for anomaly in &all {
        assert_eq!(anomaly.traffic.is_some(), anomaly.state != AnomalyState::Closed);
    }
}

#[test]
fn a_gauge_counts_within_its_own_interval_and_a_rate_is_one() {
    let of = |metric: &'static str, unit: &'static str, value: f64| {
        told(&records(move |_| {
            vec![(key(metric, unit, "a", None), Reading::Gauge(value))]
        }))[0]
            .traffic
    };
    near(of("http.server.requests", "{request}", 3_000.0), 50.0, 50.0);
    near(
        of("http.server.requests", "{request}/s", 3_000.0),
        3_000.0,
        3_000.0,
    );
    near(of("nginx_requests_per_second", "1/s", 12.0), 12.0, 12.0);
}

#[test]
fn counts_of_all_routes_add_up_and_those_of_others_dont() {
    let all = told(&records(|_| {
        let count = |metric: &str, host, route, value| {
            (key(metric, "{request}/s", host, route), Reading::Gauge(value))
        };
        vec![
            count("http.requests", "a", Some("/pay"), 10.0),
            count("http.requests", "a", Some("/cart"), 30.0),
            // The same requests once more, another host's, and those that the host itself makes.
            count("nginx.requests", "a", None, 40.0),
            count("http.requests", "b", None, 500.0),
            count("http.client.requests", "a", None, 900.0),
        ]
    }));
    near(last(&all), 40.0, 40.0);
}

#[test]
fn where_nothing_counts_nothing_is_told() {
    let all = told(&records(|minute| {
        let gone = if minute < 100 { 5.0 } else { f64::NAN };
        let mut rows = vec![
            (
                key("http.failed.requests", "{request}/s", "a", None),
                Reading::Gauge(7.0),
            ),
            (key("cpu", "1", "a", None), Reading::Gauge(0.5)),
        ];
        // It counted an hour and a half ago.
        if gone.is_finite() {
            rows.push((
                key("http.requests", "{request}/s", "a", None),
                Reading::Gauge(gone),
            ));
        }
        rows
    }));
    assert!(all.iter().all(|a| a.traffic.is_none()), "{all:?}");
}

#[test]
fn a_histogram_counts_its_own_observations() {
    const BOUNDS: [f64; 3] = [0.1, 0.5, 1.0];
    let latency = key("http.server.request.duration", "s", "a", Some("/pay"));
    let of = |minute: i64| {
        // 120 requests a minute, since minute 200 all of them slow and half as many.
        let counts: &[u64] = if minute < 200 {
            &[110, 8, 2, 0]
        } else {
            &[0, 0, 5, 55]
        };
        let reading = Reading::Histogram {
            bounds: &BOUNDS,
            sum: None,
            counts,
            temporality: Temporality::Delta,
            start: None,
        };
        record(minute, minute * 60, &[(latency.clone(), minute * 60, reading)])
    };
    let records: Vec<SamplesRecord> = (0..230).map(of).collect();
    let (outputs, _) = run(&mut stage(DetectSettings::default()), &records);
    let all = anomalies(&outputs).into_iter();
    let slow = all.filter(|a| a.series.metric.ends_with("p50")).cloned();
    near(last(&slow.collect::<Vec<_>>()), 2.0, 1.0);
}

/// A snapshot before or within the trouble changes nothing.
#[test]
fn a_restart_tells_the_same() {
    let all = records(|minute| vec![(key("http.requests", "{request}", "a", None), counter(minute))]);
    let (whole, _) = run(&mut stage(DetectSettings::default()), &all);
    for cut in 199..206 {
        let mut first = stage(DetectSettings::default());
        let (mut told, _) = run(&mut first, &all[..cut]);
        let settings = std::sync::Arc::new(DetectSettings::default());
        let mut second = DetectStage::load(settings, &first.save().unwrap()).unwrap();
        let (rest, _) = run(&mut second, &all[cut..]);
        told.extend(rest);
        assert_eq!(told, whole, "cut at {cut}");
    }
}

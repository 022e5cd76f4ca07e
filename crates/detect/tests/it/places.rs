//! Weeks of places: clocks that change, holidays, and which series goes by which.

use std::sync::Arc;

use forecall_detect::calendar::{CalendarEntry, Holiday, Holidays, YearlyHoliday, Zone};
use forecall_detect::policy::Origin;
use forecall_detect::rate::Part;
use forecall_detect::{DetectOutput, DetectSettings, DetectStage, Detector};
use forecall_stage::{Effects, Stage};
use forecall_types::{
    Channel, EventTime, Labels, Reading, SamplesRecord, ScoredSample, SeriesKey, SourcePartition,
};

use super::{noise, record, source, stage};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

fn zone(name: &str) -> Option<Zone> {
    Some(Zone::new(name).unwrap())
}

/// What an hour of the local day is worth: each another value.
fn worth(local: i64) -> f64 {
    100.0 + 10.0 * f64::from(u8::try_from(local.rem_euclid(DAY) / HOUR).unwrap())
}

/// Teaches a series that follows the clock on the wall from `days` before a change of clocks (in second `change`, from offset
/// `from` to `to`) until two days after; says what the season expects at the middle of each hour from the change on.
fn around(settings: &DetectSettings, change: i64, (from, to): (i64, i64), days: i64) -> Vec<(i64, f64, f64)> {
    let origin_source = SourcePartition {
        topic: Arc::from("t"),
        partition: 0,
    };
    let mut detector = Detector::new("m", "", Part::Same);
    let (mut before, mut told) = (None, Vec::new());
    for second in (change - days * DAY..change + 2 * DAY).step_by(300) {
        let local = second + if second < change { from } else { to };
        let value = worth(local) + noise(second.unsigned_abs());
        let at = EventTime::from_secs(second);
        if second >= change && local.rem_euclid(HOUR) == HOUR / 2 {
            let said = detector.explain(at, value, settings);
            let season = said.iter().find(|said| said.channel == Channel::Season);
            told.push((
                local.rem_euclid(DAY) / HOUR,
                worth(local),
                season.map_or(f64::NAN, |s| s.expected),
            ));
        }
        detector.step(
            (at, before),
            value,
            Origin::Record(&origin_source, second),
            settings,
        );
        before = Some(at);
    }
    told
}

/// Every hour after the change is expected as it was before it, at once.
#[test]
fn after_a_change_of_clocks_the_hours_are_right_at_once() {
    // 2026-03-29 and 2026-10-25, 01:00 UTC; 2022-03-21 20:30 and 2022-09-21 19:30 UTC, the last ones of Iran.
    for (name, change, offsets) in [
        ("Europe/Berlin", 1_774_746_000, (HOUR, 2 * HOUR)),
        ("Europe/Berlin", 1_792_890_000, (2 * HOUR, HOUR)),
        ("Asia/Tehran", 1_647_894_600, (12_600, 16_200)),
        ("Asia/Tehran", 1_663_788_600, (16_200, 12_600)),
    ] {
        let there = DetectSettings {
            time_zone: zone(name),
            rest_days: Vec::new(),
            ..DetectSettings::default()
        };
        let said = around(&there, change, offsets, 10);
        assert!(said.len() >= 47, "{name} {}", said.len());
        for (hour, wanted, expected) in &said {
            assert!(
                (wanted - expected).abs() < 1.5,
                "{name} {change} {hour}:30: {wanted} {expected}"
            );
        }
        // By a fixed offset each hour is expected as its neighbour was.
        let fixed = DetectSettings {
            time_zone: None,
            utc_offset_hours: f64::from(i32::try_from(offsets.0).unwrap()) / 3_600.0,
            ..there
        };
        let wrong = around(&fixed, change, offsets, 10);
        assert!(
            wrong
                .iter()
                .take(20)
                .all(|(_, wanted, expected)| (wanted - expected).abs() > 5.0),
            "{name}"
        );
    }
}

/// The hour that comes twice is one hour: both times it is expected as it was.
#[test]
fn the_doubled_hour_is_expected_twice() {
    let berlin = DetectSettings {
        time_zone: zone("Europe/Berlin"),
        rest_days: Vec::new(),
        ..DetectSettings::default()
    };
    // Clocks go back at 03:00 summer time; the change is taken an hour early, so that both second hours are told.
    let change = 1_792_890_000;
    let said = around(&berlin, change, (2 * HOUR, HOUR), 10);
    assert_eq!(said.first().map(|s| s.0), Some(2));
    let place = |second| berlin.place(EventTime::from_secs(second));
    assert_eq!(place(change - 1_800), place(change + 1_800));
    assert_eq!(place(change - HOUR), place(change));
}

fn series(region: &str, on_point: Option<&str>) -> SeriesKey {
    SeriesKey {
        metric: Arc::from("m"),
        unit: Arc::from(""),
        resource: Labels::from_pairs([("service.name", "a"), ("region", region)]),
        labels: Labels::from_pairs(on_point.map(|region| ("region", region))),
    }
}

fn calendar(pattern: &str, time_zone: &str) -> CalendarEntry {
    CalendarEntry {
        r#match: [("region".to_owned(), pattern.to_owned())].into(),
        time_zone: zone(time_zone),
        ..CalendarEntry::default()
    }
}

fn by_place(calendars: Vec<CalendarEntry>) -> DetectSettings {
    DetectSettings {
        calendars,
        rest_days: Vec::new(),
        emit_scores: true,
        ..DetectSettings::default()
    }
}

const KEYS: [(&str, Option<&str>, i64); 5] = [
    ("DE-BE", None, HOUR),
    ("IR-23", None, 12_600),
    ("FR-75", None, 0),
    // The point's own label goes first.
    ("DE-BE", Some("IR-10"), 12_600),
    // Both patterns fit: the first is meant.
    ("DE-IR-1", None, HOUR),
];

/// Samples every ten minutes of series that follow the clocks of their places, from a Thursday in January on.
fn records(seconds: std::ops::Range<i64>) -> Vec<SamplesRecord> {
    let times = seconds.step_by(600);
    times
        .map(|second| {
            let at = 1_767_225_600 + second;
            let rows: Vec<_> = KEYS
                .iter()
                .map(|(region, on_point, offset)| {
                    let value = worth(at + offset) + noise(at.unsigned_abs());
                    (series(region, *on_point), at, Reading::Gauge(value))
                })
                .collect();
            record(second / 600, at, &rows)
        })
        .collect()
}

fn scored(stage: &mut DetectStage, records: &[SamplesRecord]) -> Vec<ScoredSample> {
    let mut effects = Effects::default();
    records.iter().for_each(|record| stage.step(record, &mut effects));
    let (outputs, _) = effects.drain();
    outputs
        .filter_map(|output| match output {
            DetectOutput::Scored(scored) => Some(scored),
            DetectOutput::Anomaly(_) | DetectOutput::Summary(_) | DetectOutput::Heartbeat(_) => None,
        })
        .collect()
}

/// How far off the season's expectation is on average, by series.
fn off(scored: &[ScoredSample]) -> [f64; 5] {
    KEYS.map(|(region, on_point, offset)| {
        let key = series(region, on_point);
        let of_series = scored.iter().filter(|s| *s.series == key);
        let (mut sum, mut count) = (0.0, 0.0);
        for sample in of_series {
            let local = sample.at.secs() + offset;
            let season = sample.channels.iter().find(|c| c.channel == Channel::Season);
            if let (true, Some(season)) = (local.rem_euclid(HOUR) == HOUR / 2, season) {
                sum += (season.expected - worth(local)).abs();
                count += 1.0;
            }
        }
        assert!(count > 20.0, "{region}: the season hardly speaks: {count}");
        sum / count
    })
}

/// A fixed offset that is wrong by half an hour shows: an hour's mean is that of halves of two.
#[test]
fn each_series_goes_by_the_first_calendar_that_matches() {
    let calendars = vec![
        calendar("DE-*", "Europe/Berlin"),
        calendar("*IR-*", "Asia/Tehran"),
    ];
    let mut stage = stage(by_place(calendars));
    let said = scored(&mut stage, &records(0..6 * DAY));
    assert!(off(&said).iter().all(|off| *off < 1.5), "{:?}", off(&said));
    let mut without = super::stage(by_place(Vec::new()));
    let said = scored(&mut without, &records(0..6 * DAY));
    let off = off(&said);
    assert!(off[1] > 3.0 && off[3] > 3.0 && off[2] < 1.5, "{off:?}");
}

/// A memory saved under other calendars goes on by those of now, whatever their numbers were.
#[test]
fn numbers_of_other_settings_are_not_used() {
    let (berlin, tehran) = (
        calendar("DE-*", "Europe/Berlin"),
        calendar("*IR-*", "Asia/Tehran"),
    );
    let one = Arc::new(by_place(vec![berlin.clone(), tehran.clone()]));
    // The same for all series, under other numbers: the first fits none.
    let other = Arc::new(by_place(vec![calendar("XX", "Asia/Tokyo"), berlin, tehran]));
    let mut first = DetectStage::new(Arc::clone(&one), source(0));
    scored(&mut first, &records(0..4 * DAY));
    let saved = first.save().unwrap();
    let mut same = DetectStage::load(one, &saved).unwrap();
    let mut changed = DetectStage::load(Arc::clone(&other), &saved).unwrap();
    let mut divided =
        DetectStage::divide(&other, std::slice::from_ref(&first), vec![source(0)], |_| 0).stages;
    let later = records(4 * DAY..6 * DAY);
    let want = scored(&mut same, &later);
    assert_eq!(scored(&mut changed, &later), want);
    assert_eq!(scored(&mut divided[0], &later), want);
    assert!(off(&want).iter().all(|off| *off < 1.5));
}

#[test]
fn nowruz_is_a_day_of_rest_each_year() {
    let nowruz = YearlyHoliday::Jalali("01-01".to_owned().try_into().unwrap());
    let settings = DetectSettings {
        time_zone: zone("Asia/Tehran"),
        rest_days: vec![5],
        holidays: Holidays::new(vec![Holiday::Yearly(nowruz)]).unwrap(),
        ..DetectSettings::default()
    };
    let monday = settings.place(EventTime::from_secs(1_773_606_600));
    // 2026-03-21 was a Saturday; in Tehran it begins at 20:30 UTC of the day before.
    for (second, rest) in [
        (1_774_038_600 - 1, true),
        (1_774_038_600, true),
        (1_774_038_600 + DAY - 1, true),
        (1_774_038_600 + DAY, false),
        // 2027-03-21, a Sunday, and the day before it.
        (1_805_574_600, true),
        (1_805_574_600 - 1, false),
    ] {
        let place = settings.place(EventTime::from_secs(second));
        let same_hour = settings.place(EventTime::from_secs(
            1_773_606_600 + (second + 12_600).rem_euclid(DAY),
        ));
        assert_eq!(place != same_hour, rest, "{second}");
    }
    assert_eq!(monday, settings.place(EventTime::from_secs(1_773_606_600 + DAY)));
}

#[test]
fn calendars_that_say_nothing_are_refused() {
    let check = |calendars, wanted: (&str, &str)| {
        let error = by_place(calendars).check().unwrap_err();
        assert_eq!((error.path.as_str(), error.to_string().as_str()), wanted);
    };
    let good = calendar("DE-*", "Europe/Berlin");
    let all = CalendarEntry {
        r#match: [].into(),
        ..good.clone()
    };
    check(
        vec![good.clone(), all],
        (
            "calendars.1.match",
            "entry 2 of `calendars`: `match` names no label: a week that all series share is `time_zone`, `rest_days` and \
             `holidays` of `detect` itself",
        ),
    );
    let nothing = CalendarEntry {
        time_zone: None,
        ..good.clone()
    };
    check(
        vec![nothing],
        (
            "calendars.0.match",
            "entry 1 of `calendars`: `match` is all there is: `time_zone`, `rest_days` or `holidays` must stand beside it",
        ),
    );
    let eighth = CalendarEntry {
        rest_days: Some(vec![1, 8]),
        ..good.clone()
    };
    check(
        vec![eighth],
        (
            "calendars.0.rest_days",
            "entry 1 of `calendars`: `rest_days` must lie between 1 (Monday) and 7 (Sunday)",
        ),
    );
    check(
        vec![calendar("", "UTC")],
        (
            "calendars.0.match",
            "entry 1 of `calendars`: `match` holds an empty pattern, which nothing fits; `*` fits all",
        ),
    );
    check(vec![good; 64], ("calendars", "`calendars` holds 64, at most 63"));
    let both = DetectSettings {
        utc_offset_hours: 3.5,
        time_zone: zone("Asia/Tehran"),
        ..DetectSettings::default()
    };
    assert_eq!(
        both.check().unwrap_err().to_string(),
        "`utc_offset_hours` contradicts `time_zone`: leave it out"
    );
}

/// Without a calendar that fits nothing is other than by the general settings, wherever a series says it lies.
#[test]
fn a_calendar_that_fits_nothing_changes_nothing() {
    let with = by_place(vec![calendar("XX-*", "Asia/Tokyo")]);
    let records = records(0..2 * DAY);
    let want = scored(&mut stage(by_place(Vec::new())), &records);
    assert_eq!(scored(&mut stage(with), &records), want);
}

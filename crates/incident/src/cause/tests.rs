//! Small worlds as text, and who is suspected.

use expect_test::{Expect, expect};
use forecall_types::EventTime;

use super::*;

const ROW: i64 = 300;
const NORMAL_ROWS: usize = 20;

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace()
        .map(|cell| cell.parse().unwrap_or(f64::NAN))
        .collect()
}

/// `latency 0.2 | 0.2 0.2 | 0.7 0.8`: the usual value, rows before the alarm, rows since. `-` is a row that isn't there, or
/// no reference period.
fn track(text: &str) -> Track {
    let (measure, values) = text.split_once(' ').unwrap();
    let parts: Vec<Vec<f64>> = values.split('|').map(numbers).collect();
    let usual = parts[0][0];
    let point = |row: i64, value: f64| Point {
        at: EventTime::from_secs(row * ROW),
        value,
    };
    let start = -i64::try_from(parts[1].len()).unwrap();
    let rows = parts[1].iter().chain(&parts[2]);
    Track {
        measure: match measure {
            "latency" => Measure::Latency(Statistic::Mean),
            "p99" => Measure::Latency(Statistic::P99),
            "p50" => Measure::Latency(Statistic::P50),
            "requests" => Measure::Requests,
            "failed" => Measure::FailedShare,
            "cpu" => Measure::Cpu,
            other => panic!("{other}"),
        },
        normal: (0..if usual.is_nan() { 0 } else { NORMAL_ROWS })
            .map(|i| {
                point(
                    -1_000 + i64::try_from(i).unwrap(),
                    usual * if i % 2 == 0 { 0.99 } else { 1.01 },
                )
            })
            .collect(),
        recent: (start..)
            .zip(rows)
            .filter(|(_, value)| !value.is_nan())
            .map(|(row, value)| point(row, *value))
            .collect(),
    }
}

/// `alarm shop latency`, `shop -> search p50 …`, `search latency …`.
fn case(text: &str) -> Case {
    let mut case = Case {
        nodes: Vec::new(),
        calls: Vec::new(),
        alarm: Alarm {
            node: "".into(),
            trouble: Trouble::Failures,
            at: EventTime::from_secs(0),
        },
    };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["alarm", node, trouble] => {
                case.alarm.node = (*node).into();
                case.alarm.trouble = match *trouble {
                    "latency" => Trouble::Latency(Statistic::Mean),
                    "p99" => Trouble::Latency(Statistic::P99),
                    _ => Trouble::Failures,
                };
            }
            [caller, "->", callee, tracks @ ..] => case.calls.push(CallRecord {
                caller: (*caller).into(),
                callee: (*callee).into(),
                tracks: tracks.iter().map(|text| track(text)).collect(),
            }),
            _ => {
                let (node, text) = line.split_once(' ').unwrap();
                case.nodes.push(NodeRecord {
                    name: node.into(),
                    tracks: vec![track(text)],
                });
            }
        }
    }
    case
}

fn check(text: &str, expected: &Expect) {
    let ranking = rank(&case(text), &CauseTunables::default()).unwrap();
    let told: Vec<String> = ranking
        .suspects
        .iter()
        .map(|one| {
            format!(
                "{:?} {} share {:.2} own {:.1} by {}\n",
                one.tier,
                one.node,
                one.share,
                one.own,
                one.path.join(">")
            )
        })
        .collect();
    expected.assert_eq(&told.concat());
}

#[test]
fn what_callees_account_for_is_taken_off() {
    check(
        "alarm shop latency
         shop -> search
         search -> db
         shop -> mail
         shop latency 0.2 | 0.2 0.2 | 0.7 0.7
         shop requests 100 | 100 100 | 100 100
         search latency 0.1 | 0.1 0.1 | 0.6 0.6
         search requests 100 | 100 100 | 100 100
         db latency 0.05 | 0.05 0.05 | 0.15 0.15
         db requests 400 | 400 400 | 400 400
         mail latency 0.05 | 0.05 0.05 | 0.05 0.05
         mail requests 100 | 100 100 | 100 100",
        &expect![[r#"
            OwnExcess db share 0.80 own 80.0 by db>search>shop
            OwnExcess search share 0.20 own 20.0 by search>shop
            Shown shop share 0.00 own -0.0 by shop
            Nothing mail share 0.00 own 0.0 by mail
        "#]],
    );
}

#[test]
fn two_causes_stand_side_by_side_with_their_shares_of_a_shared_callee() {
    check(
        "alarm front failures
         front -> a
         front -> b
         a -> shared
         b -> shared
         front failed 0 | 0 0 | 0.09 0.09
         front requests 1000 | 1000 1000 | 1000 1000
         a failed 0 | 0 0 | 0.10 0.10
         a requests 600 | 600 600 | 600 600
         b failed 0 | 0 0 | 0.075 0.075
         b requests 400 | 400 400 | 400 400
         shared failed 0 | 0 0 | 0.05 0.05
         shared requests 1000 | 1000 1000 | 1000 1000",
        &expect![[r#"
            OwnExcess shared share 0.55 own 96.0 by shared>a>front
            OwnExcess a share 0.34 own 60.0 by a>front
            OwnExcess b share 0.11 own 20.0 by b>front
            Shown front share 0.00 own 0.0 by front
        "#]],
    );
}

#[test]
fn trouble_passes_a_node_that_nobody_measures_and_not_one_that_is_well() {
    check(
        "alarm front latency
         front -> dark
         dark -> deep
         front -> well
         well -> other
         front latency 0.2 | 0.2 0.2 | 0.7 0.7
         front requests 100 | 100 100 | 100 100
         deep latency 0.1 | 0.1 0.1 | 0.6 0.6
         well latency 0.1 | 0.1 0.1 | 0.1 0.1
         other latency 0.1 | 0.1 0.1 | 9.0 9.0",
        &expect![[r#"
            OwnExcess deep share 1.00 own 100.0 by deep>dark>front
            Shown front share 0.00 own -0.0 by front
            Apart other share 0.00 own 1780.0 by other
            Nothing dark share 0.00 own 0.0 by dark
            Nothing well share 0.00 own -1780.0 by well
        "#]],
    );
}

#[test]
fn a_callee_that_is_new_is_its_callers_doing() {
    check(
        "alarm front failures
         front -> lambda
         lambda -> new
         front failed 0 | 0 0 | 0.05 0.05
         front requests 500 | 500 500 | 500 500
         lambda failed 0 | 0 0 | 0.25 0.25
         lambda requests 100 | 100 100 | 100 100
         new failed - | - - | 1.0 1.0
         new requests - | - - | 25 25",
        &expect![[r#"
            OwnExcess lambda share 1.00 own 49.6 by lambda>front
            Shown front share 0.00 own -1.6 by front
            Nothing new share 0.00 own 0.0 by new
        "#]],
    );
}

#[test]
fn what_is_never_waited_for_and_what_the_caller_could_not_hold_is_none_of_its_excess() {
    check(
        "alarm front latency
         front -> queue
         front -> search
         front -> batch
         front latency 0.1 | 0.1 0.1 | 0.3 0.3
         front requests 100 | 100 100 | 100 100
         queue latency 5 | 5 5 | 50 50
         queue requests 100 | 100 100 | 100 100
         search latency 0.05 | 0.05 0.05 | 0.24 0.24
         search requests 100 | 100 100 | 100 100
         batch latency 2 | 2 2 | 60 60
         batch requests 2 | 2 2 | 2 2",
        &expect![[r#"
            OwnExcess search share 0.95 own 38.0 by search>front
            Shown front share 0.00 own 2.0 by front
            Apart batch share 0.00 own 232.0 by batch
            Apart queue share 0.00 own 9000.0 by queue
        "#]],
    );
}

#[test]
fn the_alarmed_node_stands_where_nobody_accounts_for_it() {
    check(
        "alarm front latency
         front -> search
         front latency 0.1 | 0.1 0.1 | 0.6 0.6
         front requests 100 | 100 100 | 100 100
         search latency 0.05 | 0.05 0.05 | 0.06 0.06
         search requests 100 | 100 100 | 100 100",
        &expect![[r#"
            OwnExcess front share 0.98 own 98.0 by front
            OwnExcess search share 0.02 own 2.0 by search>front
        "#]],
    );
}

#[test]
fn few_failures_are_enough_where_nothing_clearer_explains_the_alarm() {
    check(
        "alarm front failures
         front -> list
         front failed 0 | 0 0 | 0.005 0.005
         front requests 480 | 480 480 | 480 480
         list failed 0 | 0 0 | 0.011 0.011
         list requests 130 | 130 130 | 130 130",
        &expect![[r#"
            OwnExcess list share 0.81 own 2.3 by list>front
            Nothing front share 0.00 own 0.5 by front
        "#]],
    );
}

#[test]
fn means_add_up_for_an_alarm_by_a_quantile_and_a_missing_row_takes_nothing_off() {
    check(
        "alarm front p99
         front -> search
         front p99 1 | 1 1 | 1 1
         front latency 0.2 | 0.2 0.2 | 0.7 0.7
         front requests 100 | 100 100 | 100 100
         search p99 0.5 | 0.5 0.5 | 0.5 0.5
         search latency 0.1 | 0.1 0.1 | - 0.6
         search requests 100 | 100 100 | - 100",
        &expect![[r#"
            OwnExcess search share 1.00 own 100.0 by search>front
            Shown front share 0.00 own -0.0 by front
        "#]],
    );
}

#[test]
fn the_row_that_spans_the_alarm_is_neither_and_another_weeks_normal_gives_way() {
    let own = |rows: &str| {
        let mut moved = case(&format!(
            "alarm front latency
             front latency {rows}
             front requests 100 | 100 100 | 100 100"
        ));
        moved.alarm.at = EventTime::from_secs(-ROW / 2);
        rank(&moved, &CauseTunables::default()).unwrap().suspects[0].own
    };
    // The alarm is within the last row before it, which holds some of the trouble already.
    assert!((own("0.1 | - 0.5 | 0.8 0.8") - 0.7 * 200.0).abs() < 1e-9);
    // 0.2 is what it took now before the alarm, 0.1 in another week.
    assert!((own("0.1 | 0.2 0.5 | 0.8 0.8") - 0.6 * 200.0).abs() < 1e-9);
}

#[test]
fn a_call_that_outlasts_every_request_is_not_waited_for() {
    // The front could hold the queue's excess, and half of its own is left to explain.
    check(
        "alarm front latency
         front -> queue
         front -> search
         front latency 0.1 | 0.1 0.1 | 0.6 0.6
         front requests 100 | 100 100 | 100 100
         queue latency 5 | 5 5 | 5.6 5.6
         queue requests 100 | 100 100 | 100 100
         search latency 0.05 | 0.05 0.05 | 0.5 0.5
         search requests 100 | 100 100 | 100 100",
        &expect![[r#"
            OwnExcess search share 0.90 own 90.0 by search>front
            Shown front share 0.00 own 10.0 by front
            Apart queue share 0.00 own 120.0 by queue
        "#]],
    );
}

#[test]
fn processors_and_calls_speak_where_excess_does_not() {
    check(
        "alarm front latency
         front -> a p50 0.01 | 0.01 | 0.01 0.01
         front -> b p50 0.01 | 0.01 | 0.40 0.40
         front -> c p50 0.01 | 0.01 | 0.011 0.011
         front latency 1 | 1 | 1 1
         c cpu 5 | 5 | 50 5",
        &expect![[r#"
            Resource c share 0.00 own 0.2 by c>front
            Delayed b share 0.00 own 78.0 by b>front
            Hint front share 0.00 own -78.2 by front
            Hint a share 0.00 own 0.0 by a
        "#]],
    );
}

#[test]
fn a_case_is_bounded_and_an_empty_one_is_ranked() {
    let mut large = case("alarm front failures");
    let ranking = rank(&large, &CauseTunables::default()).unwrap();
    assert_eq!(ranking.suspects.len(), 1);
    let call = CallRecord {
        caller: "a".into(),
        callee: "b".into(),
        tracks: Vec::new(),
    };
    large.calls = vec![call; CALLS_MAX + 1];
    assert_eq!(
        rank(&large, &CauseTunables::default()).unwrap_err().to_string(),
        "16385 calls in one case, at most 16384 are allowed"
    );
}

#[test]
fn a_case_at_its_bounds_is_ranked() {
    let line = |i: usize| {
        format!(
            "n{i:04} latency 0.1 | 0.1 0.1 | {0} {0}",
            if i < 40 { 0.6 } else { 0.1 }
        )
    };
    let nodes: Vec<String> = (0..NODES_MAX).map(line).collect();
    let mut large = case(&format!("alarm n0000 latency\n{}", nodes.join("\n")));
    let name = |i: usize| std::sync::Arc::from(format!("n{:04}", i % NODES_MAX));
    large.calls = (0..CALLS_MAX)
        .map(|i| CallRecord {
            caller: name(i),
            callee: name(i % NODES_MAX + 1 + i / NODES_MAX),
            tracks: vec![track("p50 0.1 | 0.1 | 0.1")],
        })
        .collect();
    let ranking = rank(&large, &CauseTunables::default()).unwrap();
    assert_eq!(ranking.suspects.len(), NODES_MAX);
    assert_eq!(&*ranking.suspects[0].node, "n0039");
}

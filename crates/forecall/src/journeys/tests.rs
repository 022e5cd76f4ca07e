use expect_test::{Expect, expect};
use forecall_log::{InProcess, OutRecord, TopicSpec, Transaction};
use forecall_types::{DomainName, Fingerprint, JourneyFailure, JourneyId, JourneyTimes, ServiceName};
use forecall_wire::event::encode_journey_event;

use super::*;

/// 2026-11-27 and the day after it.
const DAYS: [i64; 2] = [1_795_737_600, 1_795_824_000];

fn map(rule: &str, from: i64, passed: u64) -> JourneyMap {
    JourneyMap {
        rule: JourneyName::new(rule).unwrap(),
        from: EventTime::from_secs(from),
        to: EventTime::from_secs(from + 86_400),
        started: passed + 3,
        refused: 1,
        steps: vec![JourneyMapStep {
            expects: vec![forecall_types::CustomerEventKind::new("package.activated").unwrap()],
            reached: passed + 3,
            passed,
            absent: 2,
            struck: 0,
            excused: 1,
            median_seconds: Some(55.0),
            p90_seconds: Some(60.0),
            allowed_seconds: 600,
            times: vec![JourneyTimes {
                seconds_max: 60.25,
                count: passed,
            }],
        }],
        simulated: false,
    }
}

fn failure(customer: &str, at: i64) -> FailedJourney {
    FailedJourney {
        id: JourneyId::derived(Fingerprint::of(format!("{customer}{at}").as_bytes())),
        domain: DomainName::new("isp").unwrap(),
        rule: JourneyName::new("paid_not_active").unwrap(),
        customer: CustomerId::derived(Fingerprint::of(customer.as_bytes())),
        key: std::num::NonZeroU64::new(7),
        step: 0,
        failure: JourneyFailure::Absent,
        service: ServiceName::new("packages").unwrap(),
        region: None,
        started_at: EventTime::from_secs(at - 600),
        failed_at: EventTime::from_secs(at),
        simulated: false,
    }
}

fn log() -> InProcess {
    let log = InProcess::default();
    log.create_topics(&[TopicSpec::new("forecall.journeys.v1", 2)])
        .unwrap();
    let domain = DomainName::new("isp").unwrap();
    let events = [
        (0, JourneyEvent::Map(map("paid_not_active", DAYS[0], 90))),
        (0, JourneyEvent::Map(map("paid_not_active", DAYS[1], 10))),
        (1, JourneyEvent::Map(map("paid_not_active", DAYS[1], 30))),
        (1, JourneyEvent::Map(map("courier_late", DAYS[0], 5))),
        (0, JourneyEvent::Failed(failure("b", 1_795_760_000))),
        (1, JourneyEvent::Failed(failure("a", 1_795_750_000))),
        (0, JourneyEvent::Failed(failure("a", 1_795_740_000))),
    ];
    let records = events.iter().map(|(partition, event)| {
        let encoded = encode_journey_event(event, &domain, *partition).unwrap();
        OutRecord {
            partition: Some(*partition),
            headers: encoded.headers,
            ..OutRecord::new("forecall.journeys.v1", encoded.key, encoded.value)
        }
    });
    let records = records.collect();
    let transaction = Transaction {
        records,
        positions: Vec::new(),
    };
    log.writer("w").unwrap().commit(&transaction).unwrap();
    log
}

fn check(rule: Option<&str>, day: Option<&str>, expected: Expect) {
    let args = MapArgs {
        config: PathBuf::new(),
        rule: rule.map(|r| JourneyName::new(r).unwrap()),
        day: day.map(str::to_owned),
        json: false,
    };
    let maps = maps(&log(), &TopicNames::default(), &args).unwrap();
    let mut out = Vec::new();
    tell(&maps, &mut out).unwrap();
    expected.assert_eq(&String::from_utf8(out).unwrap());
}

#[test]
fn the_last_day_of_each_rule_is_the_sum_of_its_partitions() {
    check(
        None,
        None,
        expect![[r#"
        courier_late  2026-11-27  8 began, 1 refused
          step                                 reached   share    passed  absent  struck  excused  half in  9 of 10  allowed
          package.activated                          8   100 %         5       2       0        1     55 s     60 s    600 s

        paid_not_active  2026-11-28  46 began, 2 refused
          step                                 reached   share    passed  absent  struck  excused  half in  9 of 10  allowed
          package.activated                         46   100 %        40       4       0        2     63 s     66 s    600 s
    "#]],
    );
    check(
        Some("paid_not_active"),
        Some("2026-11-27"),
        expect![[r#"
            paid_not_active  2026-11-27  93 began, 1 refused
              step                                 reached   share    passed  absent  struck  excused  half in  9 of 10  allowed
              package.activated                         93   100 %        90       2       0        1     55 s     60 s    600 s
        "#]],
    );
    check(
        Some("unknown"),
        None,
        expect![[r#"
            no map yet: the first one comes at the end of the first day (UTC)
        "#]],
    );
}

#[test]
fn one_customers_failures_are_in_order_of_time() {
    let customer = CustomerId::derived(Fingerprint::of(b"a"));
    let failed = failed(&log(), &TopicNames::default(), &customer).unwrap();
    let mut out = Vec::new();
    show(&customer, &failed, false, &mut out).unwrap();
    expect![[r#"
        cus_n5qtyw2ty5m39sp6, failed journeys: 2
          2026-11-27T00:40:00Z  paid_not_active          step 1 absent, began 2026-11-27T00:30:00Z, packages -, key 0000000000000007
          2026-11-27T03:26:40Z  paid_not_active          step 1 absent, began 2026-11-27T03:16:40Z, packages -, key 0000000000000007
    "#]].assert_eq(&String::from_utf8(out).unwrap());
    let mut out = Vec::new();
    show(&customer, &failed, true, &mut out).unwrap();
    let json: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["failed"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["failed"][0]["key"], "0000000000000007");
}

#[test]
fn a_number_on_the_command_line_is_not_taken() {
    let settings = Settings::from_yaml("f.yaml", "domain: isp\n").unwrap();
    let args = ShowArgs {
        customer: "09120000000".to_owned(),
        domain: None,
        config: PathBuf::new(),
        json: false,
    };
    let error = customer(&args, &settings).unwrap_err().to_string();
    assert!(error.contains("standard input"), "{error}");
    assert!(!error.contains("0912"), "{error}");
}

//! One example or more of each payload: they stand in the schemas, and tests hold the schemas against them.

mod journeys;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Ahead, Anomaly, AnomalyState, Band, CallForecast, CallOutcome, CallRecord, CallScenario, Cell, Channel,
    ContactChannel, ContextKind, ContextNote, Customer, CustomerChange, Direction, EventTime, Feedback,
    Heartbeat, HoldOutEnd, HoldOutTrial, HoldReason, Incident, IncidentChange, IncidentEvent, IncidentState,
    IntentState, Labels, Language, Lineage, LineageRange, Notice, NoticeRamp, NoticeStage, NoticeState,
    NoticeText, Position, Probability, Purpose, Quantiles, Receipt, Reject, RejectReason, Reply, ReplyKind,
    Responsibility, Score, SeriesKey, ServiceRecord, SharedLabel, Siblings, SourcePartition, Staffing,
    Summary, SummaryPart, SummaryValue, Tick, Traffic, Usual, Verdict, Watermark,
};

use super::incident_examples::{actions, command, incident, planned};
use crate::event::{self, DeadLetter, DirectoryRecord, EncodeError, Encoded, Payload};

/// Examples of a payload as complete records, made from values of `forecall_types`.
pub fn examples(payload: Payload) -> Vec<Encoded> {
    let made: Result<Vec<Encoded>, EncodeError> = match payload {
        Payload::Anomaly => [event::encode_anomaly(&anomaly())].into_iter().collect(),
        Payload::Heartbeat => [event::encode_heartbeat(&heartbeat())].into_iter().collect(),
        Payload::Summary => [event::encode_summary(&summary())].into_iter().collect(),
        Payload::Service => [
            event::encode_service(&declared()),
            event::encode_service(&traced()),
        ]
        .into_iter()
        .collect(),
        Payload::Tick => [event::encode_tick(&Tick { at: at(0) })].into_iter().collect(),
        Payload::Feedback => [event::encode_feedback(&feedback())].into_iter().collect(),
        Payload::Command => actions()
            .into_iter()
            .map(|a| event::encode_command(&command(a)))
            .collect(),
        Payload::IncidentEvent => {
            let confirmed = IncidentEvent {
                change: IncidentChange::Confirmed,
                incident: incident(),
            };
            let announced = IncidentEvent {
                change: IncidentChange::Announced,
                incident: planned(),
            };
            let merged = IncidentEvent {
                change: IncidentChange::Merged,
                incident: Incident {
                    state: IncidentState::Merged,
                    merged_into: Some(named("inc_1f5h9k2m6q0t4w8z")),
                    ..incident()
                },
            };
            [
                event::encode_incident_event(&confirmed),
                event::encode_incident_event(&announced),
                event::encode_incident_event(&merged),
            ]
            .into_iter()
            .collect()
        }
        Payload::IncidentState => [event::encode_incident_state(&incident())].into_iter().collect(),
        Payload::Notice => [
            event::encode_notice(&notice()),
            event::encode_notice_state(&notice()),
        ]
        .into_iter()
        .collect(),
        Payload::CallForecast => [event::encode_call_forecast(&forecast())].into_iter().collect(),
        Payload::Call => [event::encode_call(&call())].into_iter().collect(),
        Payload::Customer => customers().iter().map(event::encode_directory_record).collect(),
        Payload::Reply => [event::encode_reply(&reply())].into_iter().collect(),
        Payload::Receipt => [event::encode_receipt(&receipt())].into_iter().collect(),
        Payload::CustomerEvent => [event::encode_journey_entry(&journeys::entries().0)]
            .into_iter()
            .collect(),
        Payload::JourneyMark => [event::encode_journey_entry(&journeys::entries().1)]
            .into_iter()
            .collect(),
        Payload::FailedJourney => [event::encode_journey_event(&journeys::failed(), &named("isp"), 3)]
            .into_iter()
            .collect(),
        Payload::JourneyWave => [event::encode_journey_event(&journeys::wave(), &named("isp"), 3)]
            .into_iter()
            .collect(),
        Payload::JourneyMap => [event::encode_journey_event(&journeys::map(), &named("isp"), 3)]
            .into_iter()
            .collect(),
        Payload::DeadLetter => Ok(dead_letters()),
    };
    made.expect("the examples are small and hold finite numbers only")
}

/// Minutes after the first of the examples' times.
pub(super) fn at(minutes: i64) -> EventTime {
    EventTime::from_secs(1_795_325_400 + 60 * minutes)
}

pub(super) fn named<T: TryFrom<String>>(text: &str) -> T
where
    T::Error: Debug,
{
    T::try_from(text.to_owned()).expect("the examples' names keep the rules for names")
}

pub(super) fn cell(text: &str) -> Cell {
    Cell::new(text).expect("the examples' cells are cells of H3")
}

pub(super) fn lineage() -> Lineage {
    let range = LineageRange {
        topic: Arc::from("telemetry.otlp"),
        partition: 3,
        from: 120_400,
        to: 120_431,
    };
    Lineage::from_ranges(vec![range], false)
}

pub(super) fn series() -> Arc<SeriesKey> {
    Arc::new(SeriesKey {
        metric: Arc::from("http.server.request.duration.p99"),
        unit: Arc::from("s"),
        resource: Labels::from_pairs([("service.name", "internet"), ("region", "IR-23")]),
        labels: Labels::from_pairs([("http.route", "/login")]),
    })
}

pub(super) fn band() -> Band {
    Band {
        low: 0.08,
        high: 0.31,
    }
}

fn ahead(minute: i64, [expected, lower, upper]: [f64; 3]) -> Ahead {
    Ahead {
        at: at(minute),
        expected,
        lower,
        upper,
    }
}

fn anomaly() -> Anomaly {
    Anomaly {
        id: named("ano_5h2k9c0q7m3xw8dz"),
        revision: 2,
        state: AnomalyState::Updated,
        domain: named("isp"),
        series: series(),
        channel: Channel::Shift,
        direction: Direction::Up,
        from: at(0),
        at: at(4),
        score: Score::clamped(6.4),
        observed: 0.94,
        expected: 0.18,
        band: band(),
        samples: 9,
        slope: 0.0021,
        window: vec![(at(3), 0.71), (at(4), 0.94)],
        ahead: vec![ahead(4, [0.93, 0.88, 0.98]), ahead(9, [1.21, 1.02, 1.44])],
        lineage: lineage(),
        context: vec![ContextNote {
            kind: ContextKind::Deployment,
            id: Arc::from("CHG-4711"),
            title: Some(Arc::from("Checkout <*>")),
            from: at(-2),
            until: at(13),
        }],
        siblings: Some(Siblings {
            partition: 3,
            series: 40,
            shared: vec![SharedLabel {
                label: Arc::from("version"),
                value: Arc::from("2.1"),
                series: 4,
                values: 3,
            }],
        }),
        usual: Some(Usual { mean: 0.18, sd: 0.03 }),
        traffic: Some(Traffic {
            usual: 118.0,
            now: 121.5,
        }),
    }
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        domain: named("isp"),
        source: SourcePartition {
            topic: Arc::from("forecall.samples.v1"),
            partition: 3,
        },
        next_offset: 120_432,
        watermark: Watermark::at(at(4)),
        idle: false,
        silent_until: None,
        caught_up: true,
    }
}

fn summary() -> Summary {
    let series = series();
    Summary {
        domain: named("isp"),
        group: Arc::from("cells"),
        within: Labels::from_pairs([("region", "IR-23")]),
        entity: series.resource.clone(),
        source: heartbeat().source,
        from: at(3),
        at: at(4),
        score: 4.6,
        parts: vec![SummaryPart {
            metric: Arc::clone(&series.metric),
            labels: series.labels.clone(),
            share: 1.0,
        }],
        values: vec![SummaryValue {
            metric: Arc::clone(&series.metric),
            unit: Arc::clone(&series.unit),
            labels: series.labels.clone(),
            mean: 0.82,
            count: 6,
        }],
        lineage: lineage(),
    }
}

fn declared() -> ServiceRecord {
    ServiceRecord {
        domain: named("isp"),
        service: named("internet"),
        at: at(0),
        traced_by: None,
        removed: false,
        customer_facing: Some(true),
        responsibility: Responsibility::Own,
        depends_on: BTreeSet::from([named("access"), named("radius")]),
    }
}

fn traced() -> ServiceRecord {
    ServiceRecord {
        service: named("radius"),
        traced_by: Some(SourcePartition {
            topic: Arc::from("traces.otlp"),
            partition: 3,
        }),
        customer_facing: None,
        responsibility: Responsibility::Unknown,
        depends_on: BTreeSet::from([named("ldap")]),
        ..declared()
    }
}

fn feedback() -> Feedback {
    Feedback {
        id: Arc::from("review-17"),
        domain: named("isp"),
        incident: named("inc_7k2m4q9x1c8v5b3n"),
        at: at(90),
        verdict: Verdict::Right,
        onset: Some(at(5)),
        ended: None,
    }
}

fn notice() -> Notice {
    Notice {
        id: named("ntc_2d6f8h1j3k5m7p9r"),
        revision: 4,
        domain: named("isp"),
        incident: named("inc_7k2m4q9x1c8v5b3n"),
        incident_revision: 3,
        stage: NoticeStage::Confirmed,
        state: NoticeState::Sending,
        at: at(8),
        audience: 4_200,
        intents: 3_900,
        progress: BTreeMap::from([(IntentState::Accepted, 2_600), (IntentState::Planned, 1_300)]),
        withheld: BTreeMap::from([(HoldReason::HoldOut, 200), (HoldReason::NoConsent, 100)]),
        channels: BTreeMap::from([(ContactChannel::Sms, 3_500), (ContactChannel::Email, 400)]),
        texts: vec![NoticeText {
            language: Language::En,
            channel: ContactChannel::Email,
            subject: Some("Internet in your area".to_owned()),
            body: "Internet in your area is slow at present. Our team is working on it.".to_owned(),
            parts: 1,
        }],
        text_fingerprint: Arc::from("99aa06d3014798d86001c324468d497f"),
        no_call_needed: true,
        next_update: Some(at(68)),
        eta: Some(at(60)),
        hold_out: Some(HoldOutTrial {
            from: at(6),
            until: at(36),
            told: 3_700,
            told_contacts: 310,
            held_out: 200,
            held_out_contacts: 21,
            ended: Some(HoldOutEnd::WaitingHarms),
        }),
        ramp: Some(NoticeRamp {
            share: Probability::clamped(0.1),
            reached: 390,
            failed: 2,
            stops: 1,
            untrue: 1,
            stopped: None,
            over: false,
        }),
        untrue: 1,
        first_accepted_at: Some(at(7)),
        reason: "confirmed and acknowledged".to_owned(),
        simulated: false,
    }
}

fn quantiles(mean: f64) -> Quantiles {
    let factors = [0.6, 0.65, 0.75, 0.85, 1.0, 1.125, 1.25, 1.375, 1.5];
    Quantiles {
        mean,
        values: factors.map(|f| mean * f),
    }
}

fn forecast() -> CallForecast {
    let scenario = |mean: f64, agents: u32| CallScenario {
        arrivals: quantiles(mean),
        staffing: Staffing {
            offered_load: mean / 6.0,
            agents,
            scheduled: agents + agents / 2,
            service_level: 0.82,
            occupancy: 0.79,
        },
    };
    CallForecast {
        domain: named("isp"),
        queue: named("support"),
        made_at: at(8),
        revision: 2,
        from: at(30),
        step: Duration::from_mins(30),
        baseline: quantiles(120.0),
        without_notice: scenario(420.0, 84),
        with_notice: scenario(280.0, 58),
        avoided: [60.0, 140.0, 210.0],
        effect_measured: false,
        incidents: vec![named("inc_7k2m4q9x1c8v5b3n")],
        model: Arc::from("surge-1"),
    }
}

fn call() -> CallRecord {
    CallRecord {
        id: Arc::from("c4f1d2a09b7e"),
        domain: named("isp"),
        queue: named("support"),
        arrived_at: at(9),
        at: at(14),
        outcome: CallOutcome::Answered,
        wait: Some(Duration::from_millis(42_500)),
        handle: Some(Duration::from_mins(4)),
        customer: Some(named("cus_0a1b2c3d4e5f6g7h")),
        region: Some(named("IR-23")),
    }
}

fn customers() -> Vec<DirectoryRecord> {
    let customer = Customer {
        id: named("cus_0a1b2c3d4e5f6g7h"),
        domain: named("isp"),
        region: named("IR-23"),
        place: Some(cell("892cf5905a7ffff")),
        served_by: BTreeSet::from([named("olt-teh-5")]),
        services: BTreeSet::from([named("internet")]),
        language: Language::Fa,
        channels: vec![ContactChannel::Sms, ContactChannel::Email],
        consents: BTreeSet::from([Purpose::ServiceNotice]),
        priority: false,
        at: at(-600),
    };
    let erased = CustomerChange::Erased {
        id: customer.id.clone(),
        domain: customer.domain.clone(),
    };
    vec![
        DirectoryRecord {
            customer: CustomerChange::Upsert(customer),
            ciphertexts: BTreeMap::from([(ContactChannel::Sms, b"(ciphertext)".to_vec())]),
        },
        DirectoryRecord {
            customer: erased,
            ciphertexts: BTreeMap::new(),
        },
    ]
}

fn reply() -> Reply {
    Reply {
        id: Arc::from("reply-9"),
        customer: named("cus_0a1b2c3d4e5f6g7h"),
        at: at(25),
        kind: ReplyKind::StillDown,
    }
}

fn receipt() -> Receipt {
    Receipt {
        intent: named("int_9r7p5m3k1j8h6f4d"),
        notice: named("ntc_2d6f8h1j3k5m7p9r"),
        domain: named("isp"),
        state: IntentState::Accepted,
        at: at(7),
    }
}

fn dead_letters() -> Vec<Encoded> {
    let reject = Reject::new(RejectReason::Malformed, "not JSON at line 1, column 9");
    let position = Position {
        topic: Arc::from("telemetry.collectd"),
        partition: 0,
        offset: 77,
    };
    let plain = DeadLetter {
        reject: &reject,
        position: &position,
        appended_at: at(0),
        key: Some(b"host-1"),
        value: Some(b"{\"values\"oops"),
        headers: &[("source", b"collectd")],
        record_bytes_max: 1024,
        personal: None,
    };
    let personal = DeadLetter {
        personal: Some(b"example key"),
        ..plain.clone()
    };
    vec![plain.encode(), personal.encode()]
}

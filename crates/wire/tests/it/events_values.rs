//! Arbitrary values of `forecall_types`, for the round trips.

use std::sync::Arc;
use std::time::Duration;

use forecall_types::*;
use forecall_wire::event::DirectoryRecord;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::anomaly_values::{anomaly, dimension};
use super::steering_values::{action, adjustment, silenced, steered, work};

pub(crate) fn name<T: TryFrom<String, Error = NotAName> + Clone + std::fmt::Debug>()
-> impl Strategy<Value = T> + Clone {
    "[a-zA-Z0-9اآب][a-z0-9 _./اب-]{0,12}[a-z0-9ب]".prop_map(|t| T::try_from(t).unwrap())
}

pub(crate) fn text() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,24}".prop_map(Arc::from)
}

fn string() -> impl Strategy<Value = String> {
    "[\\s\\S]{0,40}"
}

pub(crate) fn time() -> impl Strategy<Value = EventTime> {
    prop_oneof![
        any::<i64>().prop_map(EventTime::from_nanos),
        (0_i64..4_000_000_000).prop_map(EventTime::from_secs),
        Just(EventTime::MIN),
        Just(EventTime::MAX),
    ]
}

pub(crate) fn number() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    NORMAL | SUBNORMAL | ZERO | POSITIVE | NEGATIVE
}

pub(crate) fn region() -> impl Strategy<Value = RegionCode> + Clone {
    "[A-Z]{2}-[0-9]{1,2}".prop_map(|t| RegionCode::new(&t).unwrap())
}

fn offset() -> impl Strategy<Value = i64> {
    0..(1_i64 << 53)
}

fn labels() -> impl Strategy<Value = Labels> {
    vec(("[a-z.]{1,6}", string()), 0..4).prop_map(Labels::from_pairs)
}

pub(crate) fn series() -> impl Strategy<Value = Arc<SeriesKey>> {
    (text(), text(), labels(), labels()).prop_map(|(metric, unit, resource, labels)| {
        Arc::new(SeriesKey {
            metric,
            unit,
            resource,
            labels,
        })
    })
}

pub(crate) fn lineage() -> impl Strategy<Value = Lineage> {
    let range =
        (text(), 0_i32..100, 0_i64..1_000_000, 0_i64..1_000).prop_map(|(topic, partition, from, more)| {
            LineageRange {
                topic,
                partition,
                from,
                to: from + more,
            }
        });
    (vec(range, 0..4), any::<bool>()).prop_map(|(ranges, coarse)| Lineage::from_ranges(ranges, coarse))
}

pub(crate) fn band() -> impl Strategy<Value = Band> {
    let end = || prop_oneof![number(), Just(f64::NEG_INFINITY), Just(f64::INFINITY)];
    (end(), end())
        .prop_map(|(a, b)| Band {
            low: a.min(b),
            high: a.max(b),
        })
        .prop_filter("only the outer sides may be open", |b| {
            b.low < f64::INFINITY && b.high > f64::NEG_INFINITY
        })
}

pub(crate) fn score() -> impl Strategy<Value = Score> {
    (0.0..=20.0).prop_map(Score::clamped)
}

pub(crate) fn channel() -> impl Strategy<Value = Channel> {
    use Channel::*;
    select(vec![Spike, Shift, Season, Shape, Novelty, Silence, Peer, Limit])
}

fn heartbeat() -> impl Strategy<Value = Heartbeat> {
    (
        name(),
        text(),
        any::<i32>(),
        offset(),
        time(),
        proptest::option::of(time()),
        any::<bool>(),
    )
        .prop_map(
            |(domain, topic, partition, next_offset, mark, silent_until, caught_up)| Heartbeat {
                domain,
                source: SourcePartition { topic, partition },
                next_offset,
                watermark: Watermark::at(mark),
                idle: silent_until.is_some(),
                silent_until,
                caught_up,
            },
        )
}

fn summary() -> impl Strategy<Value = Summary> {
    let part = (text(), labels(), number()).prop_map(|(metric, labels, share)| SummaryPart {
        metric,
        labels,
        share,
    });
    let value =
        (text(), text(), labels(), number(), any::<u32>()).prop_map(|(metric, unit, labels, mean, count)| {
            SummaryValue {
                metric,
                unit,
                labels,
                mean,
                count,
            }
        });
    let whose = (name(), text(), labels(), labels(), text(), any::<i32>());
    let what = (number(), vec(part, 0..4), vec(value, 0..4), lineage());
    (whose, time(), time(), what).prop_map(
        |((domain, group, within, entity, topic, partition), from, at, (score, parts, values, lineage))| {
            Summary {
                domain,
                group,
                within,
                entity,
                source: SourcePartition { topic, partition },
                from,
                at,
                score,
                parts,
                values,
                lineage,
            }
        },
    )
}

pub(crate) fn verdict() -> impl Strategy<Value = Verdict> {
    select(vec![
        Verdict::Right,
        Verdict::Expected,
        Verdict::FalseAlarm,
        Verdict::NewNormal,
        Verdict::Withdrawn,
    ])
}

fn feedback() -> impl Strategy<Value = Feedback> {
    let times = (time(), option::of(time()), option::of(time()));
    (text(), name(), name(), times, verdict()).prop_map(|(id, domain, incident, times, verdict)| {
        let (at, onset, ended) = times;
        Feedback {
            id,
            domain,
            incident,
            at,
            verdict,
            onset,
            ended,
        }
    })
}

pub(crate) fn severity() -> impl Strategy<Value = Severity> {
    select(vec![
        Severity::Minor,
        Severity::Moderate,
        Severity::Severe,
        Severity::Extreme,
    ])
}

pub(crate) fn responsibility() -> impl Strategy<Value = Responsibility> {
    use Responsibility::*;
    select(vec![Unknown, Own, Supplier, Power, Planned, ExternalOrder])
}

/// Cells about San Francisco, of resolution 5 to 9.
fn cell() -> impl Strategy<Value = Cell> {
    (5_u8..=9).prop_map(|resolution| {
        Cell::new("8928308280fffff")
            .unwrap()
            .at_resolution(resolution)
            .unwrap()
    })
}

pub(crate) fn scope() -> impl Strategy<Value = Scope> {
    let sets = (
        btree_set(name(), 0..3),
        btree_set(region(), 0..3),
        btree_set(name(), 0..3),
        btree_set(name(), 0..3),
        btree_set(cell(), 0..3),
    );
    (sets, option::of(any::<u64>())).prop_map(
        |((services, regions, products, elements, cells), customers_estimated)| Scope {
            services,
            regions,
            products,
            elements,
            cells,
            customers_estimated,
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    (text(), name(), time(), text(), action()).prop_map(|(id, domain, at, by, action)| Command {
        id,
        domain,
        at,
        by,
        action,
    })
}

fn service() -> impl Strategy<Value = ServiceRecord> {
    let partition =
        (text(), any::<i32>()).prop_map(|(topic, partition)| SourcePartition { topic, partition });
    let said = (
        any::<bool>(),
        option::of(any::<bool>()),
        responsibility(),
        btree_set(name(), 0..4),
    );
    (name(), name(), time(), option::of(partition), said).prop_map(
        |(domain, service, at, traced_by, (removed, customer_facing, responsibility, depends_on))| {
            ServiceRecord {
                domain,
                service,
                at,
                traced_by,
                removed,
                customer_facing,
                responsibility,
                depends_on,
            }
        },
    )
}

fn tick() -> impl Strategy<Value = Tick> {
    time().prop_map(|at| Tick { at })
}

pub(crate) fn correlate_entry() -> impl Strategy<Value = CorrelateEntry> {
    prop_oneof![
        anomaly().prop_map(|a| CorrelateEntry::Anomaly(Box::new(a))),
        heartbeat().prop_map(CorrelateEntry::Heartbeat),
        summary().prop_map(|s| CorrelateEntry::Summary(Box::new(s))),
        service().prop_map(|s| CorrelateEntry::Service(Box::new(s))),
        tick().prop_map(CorrelateEntry::Tick),
        feedback().prop_map(CorrelateEntry::Feedback),
        command().prop_map(CorrelateEntry::Command),
    ]
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let numbers = (number(), number(), band(), score(), number());
    (
        name(),
        series(),
        channel(),
        time(),
        time(),
        numbers,
        (any::<bool>(), option::of(number()), option::of(name())),
    )
        .prop_map(
            |(anomaly, series, channel, from, at, numbers, (active, log_odds, muted_by))| {
                let (observed, expected, band, score, weight) = numbers;
                Evidence {
                    anomaly,
                    series,
                    channel,
                    from,
                    at,
                    observed,
                    expected,
                    band,
                    score,
                    weight,
                    active,
                    log_odds,
                    muted_by,
                }
            },
        )
}

fn contribution() -> impl Strategy<Value = Contribution> {
    use Term::*;
    let term = select(vec![
        Bias,
        Score,
        Duration,
        Limit,
        Beyond,
        Symptom,
        Breadth,
        Silence,
        Upstream,
        Announced,
        Calibration,
        Slope,
        Verdicts,
    ]);
    (term, number()).prop_map(|(term, value)| Contribution { term, value })
}

fn page() -> impl Strategy<Value = Page> {
    let decision = select(vec![PageDecision::Paged, PageDecision::HeldBack]);
    (text(), decision, time(), string()).prop_map(|(team, decision, at, why)| Page {
        team,
        decision,
        at,
        why,
    })
}

fn cause() -> impl Strategy<Value = Cause> {
    let parts = (text(), vec(text(), 0..3), number());
    parts.prop_map(|(node, path, share)| Cause { node, path, share })
}

fn kind() -> impl Strategy<Value = IncidentKind> {
    select(vec![
        IncidentKind::Degradation,
        IncidentKind::Outage,
        IncidentKind::Planned,
    ])
}

fn incident_state() -> impl Strategy<Value = IncidentState> {
    use IncidentState::*;
    select(vec![
        Predicted, Confirmed, Averted, Retracted, Expired, Resolved, Reviewed, Merged,
    ])
}

fn phase() -> impl Strategy<Value = Option<IncidentPhase>> {
    option::of(select(vec![
        IncidentPhase::Acknowledged,
        IncidentPhase::Mitigating,
    ]))
}

pub(crate) fn incident() -> impl Strategy<Value = Incident> {
    let stand = (incident_state(), any::<u32>(), phase());
    let head = (
        name(),
        any::<u32>(),
        name(),
        stand,
        severity(),
        kind(),
        scope(),
        0.0..=1.0,
    );
    let times = (
        time(),
        time(),
        option::of(time()),
        option::of((time(), time())),
        option::of(time()),
        option::of(time()),
        option::of(time()),
    );
    let acknowledged = (time(), text()).prop_map(|(at, by)| Acknowledgement { at, by });
    let step = (time(), text()).prop_map(|(at, code)| RepairStep { at, code });
    let parts = (
        vec(evidence(), 0..3),
        (vec(cause(), 0..3), vec(dimension(), 0..3)),
        responsibility(),
        option::of(acknowledged),
        vec(step, 0..3),
        (
            option::of(name()),
            vec(contribution(), 0..3),
            vec(page(), 0..3),
            (
                option::of(silenced()),
                option::of(adjustment()),
                option::of(name()),
            ),
            option::of(work()),
            steered(),
        ),
    );
    let tail = (string(), text(), text(), lineage(), any::<bool>());
    (head, times, parts, tail).prop_map(|(head, times, parts, tail)| {
        let (id, revision, domain, (state, reopened, phase), severity, kind, scope, probability) = head;
        let (opened_at, at, onset_predicted, onset_interval, onset_observed, resolved_at, eta) = times;
        let (evidence, (causes, dimensions), responsibility, acknowledged, steps, rest) = parts;
        let (
            problem,
            contributions,
            paging,
            (silenced, adjustment, split_from),
            work,
            (storm, parent, merged_into, remedies),
        ) = rest;
        let (reason, version, settings, lineage, simulated) = tail;
        Incident {
            id,
            revision,
            domain,
            state,
            reopened,
            phase,
            severity,
            kind,
            scope,
            probability: Probability::clamped(probability),
            contributions,
            paging,
            silenced,
            adjustment,
            split_from,
            work,
            storm,
            parent,
            merged_into,
            remedies,
            opened_at,
            at,
            onset_predicted,
            onset_interval,
            onset_observed,
            resolved_at,
            evidence,
            causes,
            dimensions,
            responsibility,
            acknowledged,
            eta,
            steps,
            problem,
            reason,
            version,
            settings,
            lineage,
            simulated,
        }
    })
}

fn incident_event() -> impl Strategy<Value = IncidentEvent> {
    use IncidentChange::*;
    let change = select(vec![
        Predicted, Updated, Confirmed, Averted, Retracted, Expired, Resolved, Reviewed, Reopened, Announced,
        Started, Overrun, Ended, Cancelled, Merged, Split,
    ]);
    (change, incident()).prop_map(|(change, incident)| IncidentEvent { change, incident })
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..2_000_000_u64, 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n)),
        any::<u64>().prop_map(Duration::from_secs),
    ]
}

fn call() -> impl Strategy<Value = CallRecord> {
    use CallOutcome::*;
    let outcome = select(vec![Offered, Answered, Abandoned, Left]);
    let spans = (option::of(span()), option::of(span()));
    let who = (option::of(name()), option::of(region()));
    (text(), name(), name(), time(), time(), outcome, spans, who).prop_map(
        |(id, domain, queue, arrived_at, at, outcome, (wait, handle), (customer, region))| CallRecord {
            id,
            domain,
            queue,
            arrived_at,
            at,
            outcome,
            wait,
            handle,
            customer,
            region,
        },
    )
}

fn language() -> impl Strategy<Value = Language> {
    select(Language::ALL.to_vec())
}

fn contact() -> impl Strategy<Value = ContactChannel> + Clone {
    select(ContactChannel::ALL.to_vec())
}

fn customer() -> impl Strategy<Value = Customer> {
    use Purpose::*;
    let purpose = select(vec![ServiceNotice, PlannedWork, Safety, Survey, Marketing]);
    let sets = (
        btree_set(name(), 0..4),
        btree_set(name(), 0..4),
        vec(contact(), 0..4),
        btree_set(purpose, 0..4),
    );
    let place = (region(), option::of(cell()));
    (name(), name(), place, sets, language(), any::<bool>(), time()).prop_map(
        |(id, domain, place, (served_by, services, channels, consents), language, priority, at)| Customer {
            id,
            domain,
            region: place.0,
            place: place.1,
            served_by,
            services,
            language,
            channels,
            consents,
            priority,
            at,
        },
    )
}

fn customer_change() -> impl Strategy<Value = CustomerChange> {
    prop_oneof![
        customer().prop_map(CustomerChange::Upsert),
        (name(), name()).prop_map(|(id, domain)| CustomerChange::Erased { id, domain }),
    ]
}

pub(crate) fn directory_record() -> impl Strategy<Value = DirectoryRecord> {
    (
        customer_change(),
        btree_map(contact(), vec(any::<u8>(), 0..40), 0..3),
    )
        .prop_map(|(customer, ciphertexts)| {
            let ciphertexts = match customer {
                CustomerChange::Upsert(_) => ciphertexts,
                CustomerChange::Erased { .. } => std::collections::BTreeMap::new(),
            };
            DirectoryRecord {
                customer,
                ciphertexts,
            }
        })
}

fn reply() -> impl Strategy<Value = Reply> {
    let kind = select(vec![
        ReplyKind::Stop,
        ReplyKind::Status,
        ReplyKind::StillDown,
        ReplyKind::Untrue,
        ReplyKind::Other,
    ]);
    (text(), name(), time(), kind).prop_map(|(id, customer, at, kind)| Reply {
        id,
        customer,
        at,
        kind,
    })
}

fn receipt() -> impl Strategy<Value = Receipt> {
    (name(), name(), name(), select(IntentState::ALL.to_vec()), time()).prop_map(
        |(intent, notice, domain, state, at)| Receipt {
            intent,
            notice,
            domain,
            state,
            at,
        },
    )
}

pub(crate) fn outreach_entry() -> impl Strategy<Value = OutreachEntry> {
    prop_oneof![
        incident_event().prop_map(|e| OutreachEntry::Incident(Box::new(e))),
        call().prop_map(OutreachEntry::Call),
        customer_change().prop_map(OutreachEntry::Customer),
        reply().prop_map(OutreachEntry::Reply),
        receipt().prop_map(OutreachEntry::Receipt),
        command().prop_map(OutreachEntry::Command),
        tick().prop_map(OutreachEntry::Tick),
    ]
}

fn trial() -> impl Strategy<Value = HoldOutTrial> {
    let ended = option::of(select(vec![HoldOutEnd::WaitingHarms, HoldOutEnd::TellingHarms]));
    (time(), time(), any::<[u64; 4]>(), ended).prop_map(|(from, until, counts, ended)| {
        let [told, told_contacts, held_out, held_out_contacts] = counts;
        HoldOutTrial {
            from,
            until,
            told,
            told_contacts,
            held_out,
            held_out_contacts,
            ended,
        }
    })
}

fn ramp() -> impl Strategy<Value = NoticeRamp> {
    let stopped = option::of(select(vec![
        RampStop::Failures,
        RampStop::FailuresInARow,
        RampStop::Stops,
        RampStop::Untrue,
    ]));
    let counts = any::<[u64; 4]>();
    (0.0..=1.0, counts, stopped, any::<bool>()).prop_map(
        |(share, [reached, failed, stops, untrue], stopped, over)| NoticeRamp {
            share: Probability::clamped(share),
            reached,
            failed,
            stops,
            untrue,
            stopped,
            over,
        },
    )
}

pub(crate) fn notice() -> impl Strategy<Value = Notice> {
    let state = {
        use NoticeState::*;
        select(vec![
            Drafted, Approved, Held, Suppressed, Sending, Sent, Delivered, Retracted,
        ])
    };
    let reason = select(HoldReason::ALL.to_vec());
    let written = (
        language(),
        contact(),
        option::of(string()),
        string(),
        any::<u32>(),
    )
        .prop_map(|(language, channel, subject, body, parts)| NoticeText {
            language,
            channel,
            subject,
            body,
            parts,
        });
    let head = (
        name(),
        any::<u32>(),
        name(),
        name(),
        any::<u32>(),
        select(NoticeStage::ALL.to_vec()),
        state,
        time(),
    );
    let counts = (
        any::<u64>(),
        any::<u64>(),
        btree_map(select(IntentState::ALL.to_vec()), any::<u64>(), 0..6),
        btree_map(reason, any::<u64>(), 0..15),
        btree_map(contact(), any::<u64>(), 0..5),
    );
    let tail = (
        vec(written, 0..3),
        text(),
        any::<bool>(),
        string(),
        any::<bool>(),
        any::<u64>(),
    );
    let times = (
        option::of(time()),
        option::of(time()),
        option::of(time()),
        (option::of(trial()), option::of(ramp())),
    );
    (head, counts, tail, times).prop_map(|(head, counts, tail, times)| {
        let (id, revision, domain, incident, incident_revision, stage, state, at) = head;
        let (audience, intents, progress, withheld, channels) = counts;
        let (texts, text_fingerprint, no_call_needed, reason, simulated, untrue) = tail;
        let (next_update, eta, first_accepted_at, (hold_out, ramp)) = times;
        Notice {
            id,
            revision,
            domain,
            incident,
            incident_revision,
            stage,
            state,
            at,
            audience,
            intents,
            progress,
            withheld,
            channels,
            texts,
            text_fingerprint,
            no_call_needed,
            next_update,
            eta,
            hold_out,
            ramp,
            untrue,
            first_accepted_at,
            reason,
            simulated,
        }
    })
}

fn quantiles() -> impl Strategy<Value = Quantiles> {
    (number(), proptest::array::uniform9(number())).prop_map(|(mean, values)| Quantiles { mean, values })
}

fn scenario() -> impl Strategy<Value = CallScenario> {
    let staffing = (number(), any::<u32>(), any::<u32>(), number(), number());
    (quantiles(), staffing).prop_map(
        |(arrivals, (offered_load, agents, scheduled, service_level, occupancy))| CallScenario {
            arrivals,
            staffing: Staffing {
                offered_load,
                agents,
                scheduled,
                service_level,
                occupancy,
            },
        },
    )
}

pub(crate) fn call_forecast() -> impl Strategy<Value = CallForecast> {
    let head = (name(), name(), time(), any::<u32>(), time(), span());
    let tail = (
        proptest::array::uniform3(number()),
        any::<bool>(),
        vec(name(), 0..3),
        text(),
    );
    (head, quantiles(), scenario(), scenario(), tail).prop_map(|(head, baseline, without, with, tail)| {
        let (domain, queue, made_at, revision, from, step) = head;
        let (avoided, effect_measured, incidents, model) = tail;
        CallForecast {
            domain,
            queue,
            made_at,
            revision,
            from,
            step,
            baseline,
            without_notice: without,
            with_notice: with,
            avoided,
            effect_measured,
            incidents,
            model,
        }
    })
}

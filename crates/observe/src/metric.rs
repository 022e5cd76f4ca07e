use std::fmt::Write as _;

/// What a metric counts or measures, as Prometheus types it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations by upper bound of bucket.
    Histogram(&'static [f64]),
}

/// Seconds from a millisecond to ten minutes: covers a commit and the way from record to incident.
const SECONDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0,
];

macro_rules! metrics {
    ($( $(#[doc = $help:literal])+ $name:ident = $text:literal, $kind:expr, [$($label:literal),*], $bound:literal; )+) => {
        /// Every metric of forecall.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $( $(#[doc = $help])+ $name, )+
        }

        impl Metric {
            /// All of them, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => concat!("forecall_", $text)),+ }
            }

            /// One sentence for an operator.
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => concat!($($help),+).trim()),+ }
            }

            /// Counter, gauge or histogram.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => $kind),+ }
            }

            /// Names of its labels.
            pub const fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($label),*]),+ }
            }

            /// Distinct sets of label values kept; what comes beyond goes to one set of `other`.
            pub const fn label_sets_max(self) -> usize {
                match self { $(Self::$name => $bound),+ }
            }
        }
    };
}

metrics! {
    /// Records read.
    RecordsTotal = "records_total", Kind::Counter, ["stage", "topic"], 512;
    /// Bytes of keys and values read.
    BytesTotal = "bytes_total", Kind::Counter, ["stage", "topic"], 512;
    /// Records and points refused, by reason.
    RejectsTotal = "rejects_total", Kind::Counter, ["stage", "reason"], 256;
    /// Records sent to the dead-letter topic.
    DeadLettersTotal = "dead_letters_total", Kind::Counter, ["stage"], 16;
    /// Effects asked for by the stages.
    OutputsTotal = "outputs_total", Kind::Counter, ["stage", "kind"], 64;
    /// Records between a stage's position and the end of its partition.
    LagRecords = "lag_records", Kind::Gauge, ["stage", "topic", "partition"], 4096;
    /// Event time a partition's watermark lies behind the clock.
    WatermarkDelaySeconds = "watermark_delay_seconds", Kind::Gauge, ["stage", "topic", "partition"], 4096;
    /// Series that gave their place to others since the partition's memory began.
    SeriesEvictedTotal = "series_evicted_total", Kind::Gauge, ["topic", "partition"], 4096;
    /// Samples that left the full buffer before the watermark had passed them, since the partition's memory began.
    SamplesReleasedEarlyTotal = "samples_released_early_total", Kind::Gauge, ["topic", "partition"], 4096;
    /// From the newest record behind an incident event to its publication.
    RecordToIncidentSeconds = "record_to_incident_seconds", Kind::Histogram(SECONDS), [], 1;
    /// Time a transaction takes.
    CommitSeconds = "commit_seconds", Kind::Histogram(SECONDS), ["stage"], 16;
    /// Snapshots written, by result.
    SnapshotsTotal = "snapshots_total", Kind::Counter, ["stage", "result"], 64;
    /// 1 while a stage waits for a database or another thing it can't do without; the others go on.
    Paused = "paused", Kind::Gauge, ["stage"], 16;
    /// Partitions taken over, by how their memory came back.
    RestoresTotal = "restores_total", Kind::Counter, ["stage", "how"], 64;
    /// Partitions stopped because re-reading gave another result.
    DigestMismatchTotal = "digest_mismatch_total", Kind::Counter, ["stage"], 16;
    /// Partitions adopted from another version or other settings.
    AdoptedTotal = "adopted_total", Kind::Counter, ["stage"], 16;
    /// Violations of a numbered invariant: always a bug.
    InvariantViolationsTotal = "invariant_violations_total", Kind::Gauge, ["id"], 64;
    /// Open journeys of customers.
    JourneysOpen = "journeys_open", Kind::Gauge, ["partition"], 1024;
    /// Bytes of their places and index.
    JourneysBytes = "journeys_bytes", Kind::Gauge, ["partition"], 1024;
    /// Customers' events waiting for earlier ones.
    JourneyEventsWaiting = "journey_events_waiting", Kind::Gauge, ["partition"], 1024;
    /// Waves of failed journeys that are open.
    JourneyWavesOpen = "journey_waves_open", Kind::Gauge, ["partition"], 1024;
    /// Source partitions of customers' events that nobody has told of yet: the time of journeys stands still until then.
    JourneySourcesUnheard = "journey_sources_unheard", Kind::Gauge, ["partition"], 1024;
    /// Failed journeys told singly, by rule and how (`absent`, `struck`).
    JourneysFailedTotal = "journeys_failed_total", Kind::Counter, ["rule", "failure"], 512;
    /// Events of waves published, by rule and state.
    JourneyWavesTotal = "journey_waves_total", Kind::Counter, ["rule", "state"], 1024;
    /// Incident events published, by change.
    IncidentsTotal = "incidents_total", Kind::Counter, ["change"], 16;
    /// Pages decided for teams with an alert budget, by team and decision (`paged`, `held_back`).
    PagesTotal = "pages_total", Kind::Counter, ["team", "decision"], 128;
    /// Incidents open at present.
    IncidentsOpen = "incidents_open", Kind::Gauge, ["partition"], 1024;
    /// Silences in force: what pages nobody for a while.
    SilencesInForce = "silences_in_force", Kind::Gauge, ["partition"], 1024;
    /// Incidents whose verdict changes what counts in their scope now.
    AdjustmentsInForce = "adjustments_in_force", Kind::Gauge, ["partition"], 1024;
    /// Telemetry partitions whose heartbeat is missing, or that are behind and get no further: a fault of forecall, never an incident.
    HeartbeatsMissing = "heartbeats_missing", Kind::Gauge, ["partition"], 1024;
    /// Predictions of which it is known what came of them, by the probability they were first told with (`0.7`: from 0.7 to 0.8) and what it was.
    PredictionsSettled = "predictions_settled", Kind::Gauge, ["partition", "probability", "outcome"], 1024;
    /// Predictions of which nobody can say what would have come: somebody did something.
    PredictionsUnknown = "predictions_unknown", Kind::Gauge, ["partition"], 1024;
    /// Predictions that have neither come nor gone by.
    PredictionsWaiting = "predictions_waiting", Kind::Gauge, ["partition"], 1024;
    /// Mean squared error of probabilities as first told (Brier); 0.25 is what a coin has. Absent before the first outcome.
    PredictionBrier = "prediction_brier", Kind::Gauge, ["partition"], 1024;
    /// Outcomes that the weights of evidence were learnt from.
    OutcomesLearnt = "outcomes_learnt", Kind::Gauge, ["partition"], 1024;
    /// Notice events published, by stage of the story and state.
    NoticesTotal = "notices_total", Kind::Counter, ["stage", "state"], 128;
    /// Messages to customers, by channel and where they stand.
    IntentsTotal = "intents_total", Kind::Counter, ["channel", "state"], 64;
    /// Messages settled without an answer: given up as unknown, sent again and perhaps twice, or no longer true.
    IntentsSettledTotal = "intents_settled_total", Kind::Counter, ["how"], 8;
    /// People not told, or not yet, by reason.
    WithheldTotal = "withheld_total", Kind::Counter, ["reason"], 32;
    /// Promises of notices, by what was promised (news by a time, an end by a time) and what became of it: kept, broken, or, for an end, moved before it had passed. Those made before the process started aren't counted.
    PromisesTotal = "promises_total", Kind::Counter, ["what", "outcome"], 8;
    /// From a notice's draft to the first of its messages that a gateway took.
    NoticeAcceptedSeconds = "notice_accepted_seconds", Kind::Histogram(SECONDS), [], 1;
    /// Openings that stopped themselves, by why: failures, failures_in_a_row, stops, untrue.
    RampsStoppedTotal = "ramps_stopped_total", Kind::Counter, ["why"], 8;
    /// Domains whose hold-out has ended itself, because it showed harm, and was not declared anew since.
    HoldOutsEnded = "hold_outs_ended", Kind::Gauge, ["partition"], 1024;
    /// Call forecasts published.
    CallForecastsTotal = "call_forecasts_total", Kind::Counter, ["queue"], 512;
    /// Calls expected in the present interval.
    CallsExpected = "calls_expected", Kind::Gauge, ["queue", "scenario"], 1024;
    /// Calls that the notices avoid in the present interval, by quantile (`p10`, `p50`, `p90`); negative: they cause more than they avoid.
    CallsAvoided = "calls_avoided", Kind::Gauge, ["queue", "level"], 1536;
    /// Agents needed in the present interval.
    AgentsNeeded = "agents_needed", Kind::Gauge, ["queue", "scenario"], 1024;
    /// Consumers made anew because they stood still.
    WatchdogRestartsTotal = "watchdog_restarts_total", Kind::Counter, ["stage"], 16;
    /// Transactions whose end nobody answered for, so far: each is looked into before anything else is committed.
    TransactionDoubtsTotal = "transaction_doubts_total", Kind::Counter, [], 1;
    /// Transactions in doubt at present: their stages stand still until a broker answers.
    TransactionsInDoubt = "transactions_in_doubt", Kind::Gauge, [], 1;
    /// 1 while the kill switch holds all messages.
    KillSwitch = "kill_switch", Kind::Gauge, [], 1;
    /// Events in the ledger that aren't on their topic yet.
    OutboxDepth = "outbox_depth", Kind::Gauge, [], 1;
    /// Failed attempts to hand a message to a gateway.
    DeliveryErrorsTotal = "delivery_errors_total", Kind::Counter, ["channel", "class"], 64;
    /// What gateways say of their own accord, by what it is: a reply by its kind (stop, status, still_down, other); reply_repeated, receipt_repeated, receipt_unmatched; cleared, a lost answer that a receipt made up for; stranger, a reply from nobody we know.
    GatewayHeardTotal = "gateway_heard_total", Kind::Counter, ["what"], 16;
    /// 1 while a channel's gateway is left alone because it doesn't answer or refuses everything.
    GatewayDown = "gateway_down", Kind::Gauge, ["channel"], 16;
    /// Incident events read by a bridge, by what became of them: delivered, dead_lettered, filtered, simulated, canary, dry_run; forgotten counts incidents.
    BridgeEventsTotal = "bridge_events_total", Kind::Counter, ["bridge", "outcome"], 256;
    /// Tries of a bridge that failed and were followed by another, by class.
    BridgeRetriesTotal = "bridge_retries_total", Kind::Counter, ["bridge", "class"], 256;
    /// From an incident event on its topic to the target's yes.
    BridgeDeliverySeconds = "bridge_delivery_seconds", Kind::Histogram(SECONDS), ["bridge"], 32;
    /// Open incidents that a bridge has told.
    BridgeOpen = "bridge_open", Kind::Gauge, ["bridge"], 32;
    /// 1 while a bridge's target doesn't take what is sent.
    BridgeFailing = "bridge_failing", Kind::Gauge, ["bridge"], 32;
    /// Remedies of incidents, by rule and the stage they came to: withheld, proposed, approved, rejected, lapsed, done, failed, rehearsed.
    RemediesTotal = "remedies_total", Kind::Counter, ["rule", "stage"], 128;
    /// Tries at approved remedies, by rule and what came of each: `done`, `rehearsed`, a class of failure, or why nobody was called.
    RemedyCallsTotal = "remedy_calls_total", Kind::Counter, ["rule", "outcome"], 256;
    /// Unix time of the last tick a stage wrote.
    LastTickTimestampSeconds = "last_tick_timestamp_seconds", Kind::Gauge, ["stage"], 16;
    /// Unix time at which the canary's last notice was seen, drafted and suppressed: the whole way worked.
    CanaryLastSuccessTimestampSeconds = "canary_last_success_timestamp_seconds", Kind::Gauge, [], 1;
    /// From the canary's first abnormal sample to its notice on the topic.
    CanarySeconds = "canary_seconds", Kind::Histogram(SECONDS), [], 1;
    /// Incidents of the canary: begun, seen, missed (not seen in an hour), told (never: our bug).
    CanaryTotal = "canary_total", Kind::Counter, ["result"], 8;
    /// What is wrong or doubtful with the topics in use.
    TopicFindings = "topic_findings", Kind::Gauge, ["severity"], 4;
    /// Label sets sent to `other` because a metric's bound was reached.
    LabelOverflowTotal = "label_overflow_total", Kind::Counter, ["metric"], 64;
    /// 1 where the configuration was read and taken the last time it was to be; 0: a file is refused, the settings of before hold.
    ConfigLastReloadSuccessful = "config_last_reload_successful", Kind::Gauge, [], 1;
    /// Unix time at which settings were last taken, at the start or while running.
    ConfigLastReloadSuccessTimestampSeconds = "config_last_reload_success_timestamp_seconds", Kind::Gauge, [], 1;
    /// 1, with the version as label.
    BuildInfo = "build_info", Kind::Gauge, ["version"], 1;
    /// Resident memory of the process.
    ResidentMemoryBytes = "resident_memory_bytes", Kind::Gauge, [], 1;
    /// CPU time of the process.
    CpuSecondsTotal = "cpu_seconds_total", Kind::Gauge, [], 1;
    /// Open file descriptors of the process.
    OpenFds = "open_fds", Kind::Gauge, [], 1;
}

/// The table of `docs/reference/metrics.md`.
pub fn reference() -> String {
    let mut text = String::from(
        "# Metrics\n\nGenerated from `crates/observe/src/metric.rs`; `cargo xtask codegen` writes it.\n\n\
         | metric | type | labels | label sets at most | what it says |\n|---|---|---|---|---|\n",
    );
    for metric in Metric::ALL {
        let kind = match metric.kind() {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels = metric
            .labels()
            .iter()
            .map(|l| format!("`{l}`"))
            .collect::<Vec<_>>()
            .join(", ");
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {labels} | {} | {} |",
            metric.name(),
            metric.label_sets_max(),
            metric.help()
        );
    }
    text.push_str(
        "\n## Chosen series\n\nOn `/metrics/anomaly`, under the names of vmanomaly and of promql-anomaly-detection, with the labels of the series beside these (`service_name` and `region` where it has them); \
         which ones, and how many at most, `anomaly_metrics` says ([how to scrape it](../sre.md#chosen-series)).\n\n",
    );
    text.push_str(&crate::anomalies::table());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in Metric::ALL {
            let name = metric.name();
            assert!(seen.insert(name), "{name} stands twice");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
            assert!(metric.help().ends_with('.'), "{name}: help is a sentence");
            if metric.kind() == Kind::Counter {
                assert!(name.ends_with("_total"), "{name} is a counter");
            }
            assert!(metric.label_sets_max() > 0);
        }
    }

    #[test]
    fn the_reference_names_every_metric() {
        let text = reference();
        assert!(Metric::ALL.iter().all(|m| text.contains(m.name())));
    }
}

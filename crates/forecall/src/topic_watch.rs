//! Topics are looked at before the start, and again while it runs: what was right may be changed under it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_log::Log as _;
use forecall_observe::{Metric, Metrics};
use forecall_runtime::topics::{Layout, TopicUse, check_topics, look_at_topics, remember_layout, topic_uses};
use forecall_runtime::{Finding, Refused, Roles, Severity};
use tracing::{error, warn};

/// Between two looks while it runs: for so long keys of a topic that grows may fall on a new partition.
const EVERY: Duration = Duration::from_secs(30);
/// Brokers forget positions of a group without members after 7 days by default.
const REMEMBER_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// How often the stop is looked for.
const NAP: Duration = Duration::from_millis(200);

/// The topics in use as they stood at the start.
pub(crate) struct TopicWatch {
    settings: Settings,
    uses: Vec<TopicUse>,
    identity: String,
    counts: BTreeMap<String, Layout>,
}

/// A watch under way.
pub(crate) struct Watching(Arc<Mutex<Option<Refused>>>);

impl Watching {
    /// What made it stop everything, if it did.
    pub(crate) fn verdict(self) -> Result<(), Refused> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        found.map_or(Ok(()), Err)
    }
}

fn count(metrics: &Metrics, findings: &[Finding]) {
    for severity in [Severity::Doubtful, Severity::Wrong] {
        let n = findings.iter().filter(|f| f.severity == severity).count();
        #[allow(clippy::cast_precision_loss, reason = "some tens")]
        metrics.set(Metric::TopicFindings, &[severity.as_str()], n as f64);
    }
}

/// Whether the topics serve these settings; nothing is remembered.
pub(crate) fn look(settings: &Settings, log: &KafkaLog, roles: Roles) -> anyhow::Result<()> {
    let (findings, _) = look_at_topics(settings, log, roles)?;
    Ok(Refused::if_wrong(&findings)?)
}

impl TopicWatch {
    /// Looks before anything is read; remembers the partition counts.
    ///
    /// # Errors
    /// A topic is wrong; or the broker can't be asked.
    pub(crate) fn begin(
        settings: &Settings,
        log: &KafkaLog,
        roles: Roles,
        identity: &str,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let (findings, counts) = look_at_topics(settings, log, roles)?;
        count(metrics, &findings);
        for finding in findings.iter().filter(|f| f.severity == Severity::Doubtful) {
            warn!(
                subject = finding.subject,
                remedy = finding.remedy,
                "{}",
                finding.what
            );
        }
        Refused::if_wrong(&findings)?;
        remember_layout(settings, log, identity, &counts)?;
        Ok(Self {
            settings: settings.clone(),
            uses: topic_uses(settings, roles),
            identity: identity.to_owned(),
            counts,
        })
    }

    /// Looks on, on a thread of its own; a topic that has grown sets `stop`.
    pub(crate) fn start(self, log: Arc<KafkaLog>, metrics: Metrics, stop: Arc<AtomicBool>) -> Watching {
        let found = Arc::new(Mutex::new(None));
        let told = Arc::clone(&found);
        std::thread::spawn(move || {
            let (mut looked, mut remembered) = (Instant::now(), Instant::now());
            while !stop.load(Ordering::SeqCst) {
                std::thread::sleep(NAP);
                if looked.elapsed() >= EVERY {
                    looked = Instant::now();
                    if let Some(refused) = self.look(&log, &metrics) {
                        error!("{refused}");
                        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
                        stop.store(true, Ordering::SeqCst);
                    }
                }
                if remembered.elapsed() >= REMEMBER_EVERY {
                    remembered = Instant::now();
                    if let Err(error) =
                        remember_layout(&self.settings, log.as_ref(), &self.identity, &self.counts)
                    {
                        warn!(%error, "the partition counts could not be remembered");
                    }
                }
            }
        });
        Watching(found)
    }

    /// `Some`: keys have moved, and everything must stop. What else is wrong is told, and stops the next start.
    fn look(&self, log: &KafkaLog, metrics: &Metrics) -> Option<Refused> {
        let mut names: Vec<String> = self.uses.iter().map(|u| u.topic.clone()).collect();
        names.sort();
        names.dedup();
        let states = match log.describe(&names) {
            Ok(states) => states,
            Err(error) => {
                warn!(%error, "the topics could not be looked at");
                return None;
            }
        };
        let findings = check_topics(&self.settings, &self.uses, &states, &self.counts);
        count(metrics, &findings);
        let mut moved = Vec::new();
        for finding in findings.into_iter().filter(|f| f.severity == Severity::Wrong) {
            let has_moved = self.counts.iter().any(|(topic, layout)| {
                finding.subject == format!("topic {topic}")
                    && states
                        .iter()
                        .any(|s| s.name == *topic && s.partitions != layout.seen)
            });
            if has_moved {
                moved.push(finding);
            } else {
                error!(
                    subject = finding.subject,
                    remedy = finding.remedy,
                    "{}",
                    finding.what
                );
            }
        }
        (!moved.is_empty()).then_some(Refused(moved))
    }
}

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use forecall_ledger::Secret;
use forecall_types::{DomainName, ServiceName, Severity, seconds};
use serde::{Deserialize, Serialize};

/// One bridge: which incidents go where. Incidents of simulations and of the canary never go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BridgeSettings {
    /// The target.
    pub to: BridgeTarget,
    /// Nothing leaves: what would be sent is written to the log, and the position goes on.
    #[serde(default)]
    pub dry_run: bool,
    /// Only incidents of these domains; empty: of all.
    #[serde(default)]
    pub domains: BTreeSet<DomainName>,
    /// Only incidents that touch one of these services; empty: all.
    #[serde(default)]
    pub services: BTreeSet<ServiceName>,
    /// Only incidents at least so bad. One that has been told is told to its end, however mild it gets.
    #[serde(default)]
    pub severity_min: LeastSeverity,
    /// Predictions are told, too; `false`: only what is confirmed.
    #[serde(default = "yes")]
    pub predictions: bool,
    /// A page of your own about an incident, `{incident}` standing for its id; shown as a link where the target knows links.
    #[serde(default)]
    pub link: Option<String>,
    /// How often and how long one event is tried.
    #[serde(default)]
    pub retry: RetrySettings,
}

const fn yes() -> bool {
    true
}

/// How bad an incident must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeastSeverity {
    /// Hardly felt, and worse.
    #[default]
    Minor,
    /// Felt, and worse.
    Moderate,
    /// The service can't be used, and worse.
    Severe,
    /// Emergency calls, health or many regions.
    Extreme,
}

impl LeastSeverity {
    /// Whether `severity` is enough.
    pub fn admits(self, severity: Severity) -> bool {
        let least = match self {
            Self::Minor => Severity::Minor,
            Self::Moderate => Severity::Moderate,
            Self::Severe => Severity::Severe,
            Self::Extreme => Severity::Extreme,
        };
        severity >= least
    }
}

/// Where a bridge leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BridgeTarget {
    /// Alertmanager, by its API v2.
    Alertmanager(AlertmanagerSettings),
    /// Any receiver of Alertmanager's webhooks (version 4), signed by Standard Webhooks.
    Webhook(WebhookSettings),
    /// PagerDuty's Events API v2, or what speaks it.
    PagerDuty(PagerDutySettings),
    /// Annotations of Grafana.
    Grafana(GrafanaSettings),
}

impl BridgeTarget {
    /// The word in metrics and logs.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Alertmanager(_) => "alertmanager",
            Self::Webhook(_) => "webhook",
            Self::PagerDuty(_) => "pager_duty",
            Self::Grafana(_) => "grafana",
        }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        match self {
            Self::Alertmanager(target) => &target.url,
            Self::Webhook(target) => &target.url,
            Self::PagerDuty(target) => &target.url,
            Self::Grafana(target) => &target.url,
        }
    }

    /// Whether plain HTTP to another machine was asked for.
    pub const fn insecure(&self) -> bool {
        match self {
            Self::Alertmanager(target) => target.insecure,
            Self::Webhook(target) => target.insecure,
            Self::PagerDuty(target) => target.insecure,
            Self::Grafana(target) => target.insecure,
        }
    }

    /// Certificates to trust beside the system's.
    pub const fn ca_file(&self) -> Option<&PathBuf> {
        match self {
            Self::Alertmanager(target) => target.ca_file.as_ref(),
            Self::Webhook(target) => target.ca_file.as_ref(),
            Self::PagerDuty(target) => target.ca_file.as_ref(),
            Self::Grafana(target) => target.ca_file.as_ref(),
        }
    }

    /// Its secrets, by the key they stand under.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let given = match self {
            Self::Alertmanager(target) => vec![
                ("bearer_token", target.bearer_token.as_ref()),
                ("password", target.password.as_ref()),
            ],
            Self::Webhook(target) => vec![("secret", Some(&target.secret))],
            Self::PagerDuty(target) => vec![("routing_key", Some(&target.routing_key))],
            Self::Grafana(target) => vec![("token", Some(&target.token))],
        };
        given
            .into_iter()
            .filter_map(|(key, secret)| secret.map(|secret| (key, secret)))
            .collect()
    }
}

/// An Alertmanager. Where several form a cluster, each gets a bridge of its own: their alerts are one by their labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerSettings {
    /// `https://host:9093`, with a path if it has a prefix. `http://` is for a loopback address, or with `insecure`.
    pub url: String,
    /// Seconds between two repeats of an open alert. An alert that isn't repeated for four times as long is over for
    /// Alertmanager.
    #[serde(rename = "repeat_seconds", default = "minute", with = "seconds")]
    pub repeat_every: Duration,
    /// A token for `Authorization: Bearer`.
    #[serde(default)]
    pub bearer_token: Option<Secret>,
    /// A name for basic authentication, with a password.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Certificates, as PEM, of authorities to trust beside the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP to another machine: whoever is between may read and change everything, the token too.
    #[serde(default)]
    pub insecure: bool,
}

const fn minute() -> Duration {
    Duration::from_secs(60)
}

/// A receiver of webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// The whole address.
    pub url: String,
    /// The shared secret of Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes.
    pub secret: Secret,
    /// Certificates, as PEM, of authorities to trust beside the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP to another machine: whoever is between may read everything.
    #[serde(default)]
    pub insecure: bool,
}

/// An integration of PagerDuty's Events API v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerDutySettings {
    /// The whole address, for those in another region or that only speak the same language.
    #[serde(default = "pagerduty")]
    pub url: String,
    /// The integration's key.
    pub routing_key: Secret,
    /// Certificates, as PEM, of authorities to trust beside the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP to another machine: whoever is between may read and change everything, the key too.
    #[serde(default)]
    pub insecure: bool,
}

fn pagerduty() -> String {
    "https://events.pagerduty.com/v2/enqueue".to_owned()
}

/// A Grafana whose annotations tell of incidents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrafanaSettings {
    /// `https://host`, with a path if it has a prefix.
    pub url: String,
    /// Token of a service account that may read, create and change annotations of the organisation.
    pub token: Secret,
    /// Certificates, as PEM, of authorities to trust beside the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP to another machine: whoever is between may read and change everything, the token too.
    #[serde(default)]
    pub insecure: bool,
}

/// How often and how long one event is tried. What doesn't get through goes to the dead-letter topic, and the next one follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// Tries of one event, the first among them.
    pub tries_max: u32,
    /// Seconds since it was read after which a try that fails is the last; each event has one at least.
    #[serde(rename = "give_up_seconds", with = "seconds")]
    pub give_up_after: Duration,
    /// The shortest wait between two tries, in seconds; it doubles.
    #[serde(rename = "wait_min_seconds", with = "seconds")]
    pub wait_min: Duration,
    /// The longest, in seconds. A target that says `Retry-After` is waited for as it says, up to an hour.
    #[serde(rename = "wait_max_seconds", with = "seconds")]
    pub wait_max: Duration,
    /// Seconds an answer may take.
    #[serde(rename = "timeout_seconds", with = "seconds")]
    pub timeout: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            // With these waits, however they are drawn, ten minutes are over before the tries are: the tries are for those who shorten
            // the waits.
            tries_max: 30,
            // A target's restart or a fail-over is over by then; a page that is later than that has lost its use.
            give_up_after: Duration::from_secs(600),
            wait_min: Duration::from_secs(1),
            wait_max: Duration::from_secs(60),
            timeout: Duration::from_secs(15),
        }
    }
}

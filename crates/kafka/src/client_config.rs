use forecall_log::LogError;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::error::fatal;
use crate::settings::{KafkaSettings, MembershipKind};

/// Properties that `extra` can't set, with what to do instead. A name ending in a dot stands for all that begin so.
const REFUSED: [(&str, &str); 41] = [
    ("acks", NEEDED),
    ("allow.auto.create.topics", "use `forecall topics create`"),
    ("auto.commit.enable", NEEDED),
    ("auto.commit.interval.ms", NEEDED),
    ("auto.offset.reset", NEEDED),
    ("batch.size", LIMITS),
    ("bootstrap.servers", OWN),
    ("client.id", OWN),
    ("compression.codec", OWN),
    ("compression.type", OWN),
    ("delivery.timeout.ms", "use `transaction_timeout_ms`"),
    ("enable.auto.commit", NEEDED),
    ("enable.auto.offset.store", NEEDED),
    ("enable.gapless.guarantee", NEEDED),
    ("enable.idempotence", NEEDED),
    ("enable.partition.eof", NEEDED),
    ("enable.sasl.oauthbearer.unsecure.jwt", NEEDED),
    (
        "enable.ssl.certificate.verification",
        "give the authority's certificate in `ssl_ca_file`",
    ),
    ("fetch.queue.backoff.ms", OWN),
    ("group.", NEEDED),
    ("heartbeat.interval.ms", OWN),
    ("isolation.level", NEEDED),
    ("linger.ms", OWN),
    ("log.queue", NEEDED),
    ("max.in.flight", NEEDED),
    ("message.max.bytes", LIMITS),
    ("message.send.max.retries", NEEDED),
    ("message.timeout.ms", "use `transaction_timeout_ms`"),
    ("metadata.broker.list", "use `bootstrap_servers`"),
    ("partition.assignment.strategy", NEEDED),
    ("partitioner", NEEDED),
    ("plugin.library.paths", "foreign code is not loaded"),
    ("queue.buffering.max.ms", "use `linger_ms`"),
    ("queued.max.messages.kbytes", "use `queued_max_kbytes`"),
    ("request.required.acks", NEEDED),
    ("retries", NEEDED),
    ("sasl.", "use the `sasl_…` settings"),
    ("security.protocol", OWN),
    ("session.timeout.ms", OWN),
    ("statistics.interval.ms", NEEDED),
    (
        "transaction",
        "use `transaction_timeout_ms`; the id comes from the slot",
    ),
];
const NEEDED: &str = "remove it: reading and writing exactly once hangs on the value that is set";
const LIMITS: &str = "remove it: it follows the limits of forecall's own topics";
const OWN: &str = "use the setting of that name, written with `_`";

/// Below the lowest limit of a topic of forecall's own (512 KiB), whatever compression gains. A longer record goes alone.
const BATCH_BYTES: u32 = 400_000;
/// The highest limit of a topic of forecall's own.
const RECORD_BYTES_MAX: u32 = 2 << 20;

/// TLS properties that `extra` may set: they choose among what is safe.
const TLS_ALLOWED: [&str; 4] = [
    "ssl.cipher.suites",
    "ssl.curves.list",
    "ssl.sigalgs.list",
    "ssl.crl.location",
];

/// How soon a partition that a topic has grown by is discovered, at most: its samples wait unread until then. The library's own
/// five minutes are longer than any lateness.
const METADATA_INTERVAL_MS: &str = "10000";

/// How often the client library reports where each partition stands; what "caught up" is judged by.
const STATISTICS_INTERVAL_MS: &str = "1000";

impl KafkaSettings {
    /// Whether the settings go together.
    ///
    /// # Errors
    /// [`LogError::Fatal`] naming the setting and the remedy.
    pub fn check(&self) -> Result<(), LogError> {
        if self.bootstrap_servers.trim().is_empty() {
            return Err(fatal("kafka: `bootstrap_servers` is empty: give `host:port`"));
        }
        for name in self.extra.keys() {
            if let Some(remedy) = refusal(name) {
                return Err(fatal(format!("kafka: `extra` must not set `{name}`: {remedy}")));
            }
        }
        let protocol = self.security_protocol;
        let login = [
            ("sasl_mechanism", self.sasl_mechanism.is_some()),
            ("sasl_username", self.sasl_username.is_some()),
            ("sasl_password", self.sasl_password.is_some()),
        ];
        for (name, given) in login {
            if given != protocol.has_login() {
                let verb = if given { "is not used" } else { "is missing" };
                return Err(fatal(format!(
                    "kafka: `{name}` {verb} with `security_protocol: {}`",
                    protocol.name()
                )));
            }
        }
        let tls = [
            ("ssl_ca_file", self.ssl_ca_file.is_some()),
            ("ssl_certificate_file", self.ssl_certificate_file.is_some()),
            ("ssl_key_file", self.ssl_key_file.is_some()),
            ("ssl_key_password", self.ssl_key_password.is_some()),
        ];
        if let Some((name, _)) = tls.iter().find(|(_, given)| *given && !protocol.is_encrypted()) {
            return Err(fatal(format!(
                "kafka: `{name}` is given, but `security_protocol: {}` does not encrypt: declare `ssl` or `sasl_ssl`",
                protocol.name()
            )));
        }
        if self.heartbeat_interval_ms > self.session_timeout_ms / 3 {
            return Err(fatal(
                "kafka: `heartbeat_interval_ms` must be at most a third of `session_timeout_ms`",
            ));
        }
        Ok(())
    }

    /// What every client has in common; `name` is added to the client id.
    fn common(&self, name: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        // What the library would otherwise write to standard error comes through the log queue; `info` is enough.
        config.set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in &self.extra {
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", format!("{}.{name}", self.client_id))
            .set("security.protocol", self.security_protocol.name());
        if self.security_protocol.is_encrypted() {
            config
                .set("ssl.endpoint.identification.algorithm", "https")
                .set("enable.ssl.certificate.verification", "true");
            for (property, file) in [
                ("ssl.ca.location", &self.ssl_ca_file),
                ("ssl.certificate.location", &self.ssl_certificate_file),
                ("ssl.key.location", &self.ssl_key_file),
            ] {
                if let Some(file) = file {
                    config.set(property, file.to_string_lossy());
                }
            }
            if let Some(password) = &self.ssl_key_password {
                config.set("ssl.key.password", password.reveal());
            }
        }
        if self.security_protocol.has_login() {
            if let Some(mechanism) = self.sasl_mechanism {
                config.set("sasl.mechanism", mechanism.name());
            }
            if let Some(user) = &self.sasl_username {
                config.set("sasl.username", user);
            }
            if let Some(password) = &self.sasl_password {
                config.set("sasl.password", password.reveal());
            }
        }
        config
    }

    /// A client for questions: topics, settings, ends.
    pub(crate) fn asker(&self) -> ClientConfig {
        let mut config = self.common("ask");
        config
            // Of no use without joining, but the library compares them with `max.poll.interval.ms`.
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", self.heartbeat_interval_ms.to_string())
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false")
            .set("enable.auto.commit", "false");
        config
    }

    /// A consumer that knows `group` but joins nothing.
    pub(crate) fn onlooker(&self, group: &str) -> ClientConfig {
        let mut config = self.common("look");
        config
            .set("group.id", group)
            // Of no use without joining, but the library compares them with `max.poll.interval.ms`.
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", self.heartbeat_interval_ms.to_string())
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false")
            .set("fetch.queue.backoff.ms", self.fetch_queue_backoff_ms.to_string())
            .set("queued.max.messages.kbytes", self.queued_max_kbytes.to_string());
        config
    }

    /// A member of a group.
    pub(crate) fn member(&self, group: &str, instance: &str, is_static: bool) -> ClientConfig {
        let mut config = self.onlooker(group);
        config
            .set("client.id", format!("{}.{instance}", self.client_id))
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "range")
            .set("topic.metadata.refresh.interval.ms", METADATA_INTERVAL_MS)
            .set("statistics.interval.ms", STATISTICS_INTERVAL_MS);
        if is_static && self.membership == MembershipKind::Static {
            config.set("group.instance.id", instance);
        }
        config
    }

    /// A transactional producer.
    pub(crate) fn producer(&self, identity: &str) -> ClientConfig {
        let mut config = self.common(identity);
        config
            .set("transactional.id", identity)
            .set("transaction.timeout.ms", self.transaction_timeout_ms.to_string())
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // By default a transaction takes nearly twice as long: the coordinator is asked again after 100 ms.
            .set("retry.backoff.ms", "10")
            .set("partitioner", "murmur2_random")
            .set("compression.type", self.compression.name())
            .set("linger.ms", self.linger_ms.to_string())
            // The broker holds a whole batch against the topic's limit: one that is too long would spoil all records in it.
            .set("batch.size", BATCH_BYTES.to_string())
            // The library's own limit for one record must not lie below that of a topic: the dead letters' is the highest.
            .set("message.max.bytes", RECORD_BYTES_MAX.to_string());
        config
    }

    /// What must not be seen in a log.
    pub(crate) fn secrets(&self) -> Vec<String> {
        [&self.sasl_password, &self.ssl_key_password]
            .into_iter()
            .flatten()
            .map(|secret| secret.reveal().to_owned())
            .filter(|secret| !secret.is_empty())
            .collect()
    }
}

fn refusal(name: &str) -> Option<&'static str> {
    if name.starts_with("ssl.") {
        return (!TLS_ALLOWED.contains(&name)).then_some("use the `ssl_…` settings");
    }
    if ["password", "secret", ".pem"]
        .iter()
        .any(|word| name.contains(word))
    {
        return Some("secrets have settings of their own");
    }
    REFUSED
        .iter()
        .find(|(refused, _)| {
            let is_family = refused.ends_with('.') || ["transaction", "max.in.flight"].contains(refused);
            name == *refused || (is_family && name.starts_with(refused))
        })
        .map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::settings::{SaslMechanism, Secret, SecurityProtocol};

    fn check(settings: &str, expected: Expect) {
        let text = match serde_json::from_str::<KafkaSettings>(settings) {
            Err(error) => error.to_string(),
            Ok(settings) => match settings.check() {
                Ok(()) => "fine".to_owned(),
                Err(error) => error.to_string(),
            },
        };
        expected.assert_eq(&text);
    }

    fn shown(config: &ClientConfig) -> String {
        config
            .config_map()
            .iter()
            .fold(String::new(), |mut text, (name, value)| {
                let _ = writeln!(text, "{name}={value}");
                text
            })
    }

    #[test]
    fn settings_that_do_not_go_together_are_refused_with_the_remedy() {
        check(r"{}", expect!["fine"]);
        check(
            r#"{"bootstrap_servers":""}"#,
            expect!["kafka: `bootstrap_servers` is empty: give `host:port`"],
        );
        check(
            r#"{"security_protocol":"sasl_ssl"}"#,
            expect!["kafka: `sasl_mechanism` is missing with `security_protocol: sasl_ssl`"],
        );
        check(
            r#"{"security_protocol":"plaintext","ssl_ca_file":"ca.pem"}"#,
            expect![
                "kafka: `ssl_ca_file` is given, but `security_protocol: plaintext` does not encrypt: declare `ssl` or `sasl_ssl`"
            ],
        );
        check(
            r#"{"sasl_password":"p"}"#,
            expect!["kafka: `sasl_password` is not used with `security_protocol: ssl`"],
        );
        check(
            r#"{"extra":{"isolation.level":"read_uncommitted"}}"#,
            expect![
                "kafka: `extra` must not set `isolation.level`: remove it: reading and writing exactly once hangs on the value that is set"
            ],
        );
        check(
            r#"{"extra":{"transactional.id":"x"}}"#,
            expect![
                "kafka: `extra` must not set `transactional.id`: use `transaction_timeout_ms`; the id comes from the slot"
            ],
        );
        check(
            r#"{"extra":{"enable.ssl.certificate.verification":"false"}}"#,
            expect![
                "kafka: `extra` must not set `enable.ssl.certificate.verification`: give the authority's certificate in `ssl_ca_file`"
            ],
        );
        check(
            r#"{"extra":{"ssl.key.pem":"x"}}"#,
            expect!["kafka: `extra` must not set `ssl.key.pem`: use the `ssl_…` settings"],
        );
        check(
            r#"{"extra":{"fetch.max.bytes":"1000000","ssl.cipher.suites":"x"}}"#,
            expect!["fine"],
        );
        check(
            r#"{"heartbeat_interval_ms":9000}"#,
            expect!["kafka: `heartbeat_interval_ms` must be at most a third of `session_timeout_ms`"],
        );
        check(
            r#"{"compresion":"lz4"}"#,
            expect![
                "unknown field `compresion`, expected one of `bootstrap_servers`, `client_id`, `security_protocol`, `ssl_ca_file`, `ssl_certificate_file`, `ssl_key_file`, `ssl_key_password`, `sasl_mechanism`, `sasl_username`, `sasl_password`, `connect_timeout_ms`, `session_timeout_ms`, `heartbeat_interval_ms`, `transaction_timeout_ms`, `membership`, `compression`, `linger_ms`, `fetch_queue_backoff_ms`, `queued_max_kbytes`, `watchdog_ms`, `extra` at line 1 column 13"
            ],
        );
    }

    #[test]
    fn the_line_is_encrypted_unless_plain_text_is_declared() {
        let protocol = |settings: &str| {
            let settings: KafkaSettings = serde_json::from_str(settings).unwrap();
            [
                settings.asker(),
                settings.onlooker("g"),
                settings.member("g", "i", true),
                settings.producer("w"),
            ]
            .map(|c| {
                format!(
                    "{} {}",
                    c.get("security.protocol").unwrap(),
                    c.get("ssl.endpoint.identification.algorithm").unwrap_or("-")
                )
            })
        };
        assert_eq!(
            protocol("{}"),
            ["ssl https", "ssl https", "ssl https", "ssl https"]
        );
        assert_eq!(
            protocol(r#"{"security_protocol":"plaintext"}"#),
            ["plaintext -"; 4]
        );
    }

    #[test]
    fn a_secret_is_never_shown() {
        let settings = KafkaSettings {
            security_protocol: SecurityProtocol::SaslSsl,
            sasl_mechanism: Some(SaslMechanism::ScramSha512),
            sasl_username: Some("forecall".into()),
            sasl_password: Some(Secret::new("hush-hush")),
            ssl_key_password: Some(Secret::new("sesame")),
            ..KafkaSettings::default()
        };
        settings.check().unwrap();
        let debug = format!("{settings:?}");
        assert!(
            !debug.contains("hush-hush") && !debug.contains("sesame") && debug.contains("***"),
            "{debug}"
        );
        assert_eq!(
            settings.asker().get("sasl.password"),
            Some("hush-hush"),
            "but it is used"
        );
        assert_eq!(settings.secrets(), ["hush-hush", "sesame"]);
    }

    #[test]
    fn what_correctness_hangs_on_is_set() {
        let settings = KafkaSettings::plaintext("b:1");
        expect![[r#"
            allow.auto.create.topics=false
            auto.offset.reset=error
            bootstrap.servers=b:1
            client.id=forecall.g.detect.0
            enable.auto.commit=false
            enable.auto.offset.store=false
            enable.partition.eof=true
            fetch.queue.backoff.ms=10
            group.id=g
            group.instance.id=g.detect.0
            group.protocol=classic
            heartbeat.interval.ms=3000
            isolation.level=read_committed
            partition.assignment.strategy=range
            queued.max.messages.kbytes=65536
            security.protocol=plaintext
            session.timeout.ms=10000
            statistics.interval.ms=1000
            topic.metadata.refresh.interval.ms=10000
        "#]]
        .assert_eq(&shown(&settings.member("g", "g.detect.0", true)));
        expect![[r#"
            acks=all
            batch.size=400000
            bootstrap.servers=b:1
            client.id=forecall.w
            compression.type=lz4
            enable.idempotence=true
            linger.ms=5
            message.max.bytes=2097152
            partitioner=murmur2_random
            retry.backoff.ms=10
            security.protocol=plaintext
            transaction.timeout.ms=10000
            transactional.id=w
        "#]]
        .assert_eq(&shown(&settings.producer("w")));
        let dynamic = KafkaSettings {
            membership: MembershipKind::Dynamic,
            ..settings
        };
        assert_eq!(dynamic.member("g", "i", true).get("group.instance.id"), None);
    }
}

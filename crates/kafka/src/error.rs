use forecall_log::LogError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

pub(crate) fn fatal(what: impl Into<String>) -> LogError {
    LogError::Fatal {
        what: what.into(),
        source: None,
    }
}

pub(crate) fn fatal_by(what: impl Into<String>, source: KafkaError) -> LogError {
    LogError::Fatal {
        what: what.into(),
        source: Some(Box::new(source)),
    }
}

pub(crate) fn retriable(what: impl Into<String>) -> LogError {
    LogError::Retriable {
        what: what.into(),
        source: None,
    }
}

pub(crate) fn retriable_by(what: impl Into<String>, source: KafkaError) -> LogError {
    LogError::Retriable {
        what: what.into(),
        source: Some(Box::new(source)),
    }
}

/// A stop was asked for before it was done.
pub(crate) fn stopped(what: String) -> LogError {
    LogError::Stopped { what }
}

/// A client that can't be made: a setting is wrong. The library's own text repeats the value, which may be a secret.
pub(crate) fn not_created(error: KafkaError) -> LogError {
    match error {
        KafkaError::ClientConfig(_, _, name, _) => fatal(format!(
            "kafka: `{name}` is not a property of the client library, or its value is not one"
        )),
        other => fatal_by("kafka: a client could not be made from these settings", other),
    }
}

/// An error of a question, by what it means.
pub(crate) fn of_question(what: String, error: KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) if is_refusal(code) => fatal_by(format!("{what}: {}", remedy(code)), error),
        _ => retriable_by(what, error),
    }
}

/// The broker says no, and will say no again.
pub(crate) fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::SecurityDisabled
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature
            | Code::UnsupportedForMessageFormat
            | Code::UnsupportedCompressionType
            | Code::InvalidTransactionTimeout
            | Code::InvalidSessionTimeout
            | Code::InconsistentGroupProtocol
            | Code::OffsetMetadataTooLarge
            | Code::InvalidCommitOffsetSize
            | Code::InvalidTopic
            | Code::InvalidRequiredAcks
            | Code::InvalidRecord
            | Code::PolicyViolation
    )
}

/// What a person can do about a refusal.
pub(crate) fn remedy(code: Code) -> &'static str {
    match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => {
            "give this user the rights to the topics, the groups and the transactional ids that begin with the group's name"
        }
        Code::SaslAuthenticationFailed
        | Code::Authentication
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState => "check `sasl_mechanism`, `sasl_username` and `sasl_password`",
        Code::InvalidTransactionTimeout => {
            "`transaction_timeout_ms` is above the broker's `transaction.max.timeout.ms`"
        }
        Code::InvalidSessionTimeout => {
            "`session_timeout_ms` is outside the broker's `group.min.session.timeout.ms` to `group.max.session.timeout.ms`"
        }
        Code::InconsistentGroupProtocol => {
            "the group has members of another program or another assignor: give `group` another name"
        }
        Code::UnsupportedVersion | Code::UnsupportedFeature => {
            "the broker is too old: Kafka 2.5 or newer is needed"
        }
        _ => "the broker refuses it",
    }
}

/// Another process has this identity.
pub(crate) fn is_fenced(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch
    )
}

/// The group has gone on without this member.
pub(crate) fn is_not_owner(code: Code) -> bool {
    matches!(
        code,
        Code::IllegalGeneration | Code::UnknownMemberId | Code::FencedInstanceId | Code::RebalanceInProgress
    )
}

/// A record is bigger than the topic takes.
pub(crate) fn is_too_large(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge
    )
}

pub(crate) fn is_no_topic(code: Code) -> bool {
    matches!(code, Code::UnknownTopic | Code::UnknownTopicOrPartition)
}

pub(crate) fn too_large(topic: &str, bytes: usize) -> LogError {
    fatal(format!(
        "a record of {bytes} bytes is more than topic `{topic}` takes: raise `max.message.bytes` of the topic; above 2 MiB \
         forecall writes none"
    ))
}

//! What was said becomes a record.

use std::collections::VecDeque;
use std::sync::Arc;

use forecall_log::OutRecord;
use forecall_types::{
    Action, Command, DomainName, EventTime, Feedback, Fingerprint, IncidentId, Reject, Verdict,
};
use forecall_wire::event::scalar::Time;
use forecall_wire::event::{
    EncodeError, Encoded, TopicId, TopicNames, decode_action, encode_command, encode_feedback,
};
use serde::Deserialize;
use serde_json::Value;

use crate::access::Bearer;

/// Keys remembered with what was said under them: of a busy hour. The stages know a repeat by its key for longer.
const KEYS_MAX: usize = 4_096;

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaidError {
    /// The body isn't what the reference asks for.
    #[error("{0}")]
    Malformed(String),
    /// The same key with other words.
    #[error("the key `{0}` was used for something else: make a new one for each thing you say")]
    KeyTaken(String),
}

/// A body of `POST /v1/commands`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandBody {
    #[serde(default)]
    domain: Option<String>,
    action: Value,
}

/// A body of `POST /v1/feedback`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerdictBody {
    #[serde(default)]
    domain: Option<String>,
    incident: String,
    verdict: Verdict,
    #[serde(default)]
    onset: Option<String>,
    #[serde(default)]
    ended: Option<String>,
}

fn malformed(error: &serde_json::Error) -> SaidError {
    // Our own fields and places only: a message of the parser may quote what was sent.
    let what = if error.is_data() {
        "a field is missing, unknown, or of another type"
    } else {
        "not JSON"
    };
    SaidError::Malformed(format!(
        "{what} at line {}, column {}",
        error.line(),
        error.column()
    ))
}

fn refused(error: &EncodeError) -> SaidError {
    SaidError::Malformed(error.to_string())
}

/// A verdict, with when customers were hit first and no longer, as people found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// What it was.
    pub verdict: Verdict,
    /// When customers were hit first.
    pub onset: Option<EventTime>,
    /// When they were no longer hit.
    pub ended: Option<EventTime>,
}

/// Something that may be published.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A command, apart from who says it and when.
    Command(DomainName, Action),
    /// A verdict.
    Verdict(DomainName, IncidentId, Judgement),
}

impl Said {
    /// Reads the body of a command.
    ///
    /// # Errors
    /// It isn't one.
    pub fn command(body: &[u8], own: &DomainName) -> Result<Self, SaidError> {
        let body: CommandBody = serde_json::from_slice(body).map_err(|e| malformed(&e))?;
        let action = decode_action(body.action.to_string().as_bytes()).map_err(|reject| {
            SaidError::Malformed(format!("action: {}: {}", reject.reason.as_str(), reject.detail))
        })?;
        Ok(Self::Command(domain(body.domain.as_deref(), own)?, action))
    }

    /// Reads the body of a verdict.
    ///
    /// # Errors
    /// It isn't one.
    pub fn verdict(body: &[u8], own: &DomainName) -> Result<Self, SaidError> {
        let body: VerdictBody = serde_json::from_slice(body).map_err(|e| malformed(&e))?;
        let incident =
            IncidentId::new(&body.incident).map_err(|e| SaidError::Malformed(format!("incident: {e}")))?;
        let judgement = Judgement {
            verdict: body.verdict,
            onset: time("onset", body.onset.as_deref())?,
            ended: time("ended", body.ended.as_deref())?,
        };
        Ok(Self::Verdict(
            domain(body.domain.as_deref(), own)?,
            incident,
            judgement,
        ))
    }

    /// The record: said by `bearer` at `at`, under `key`.
    ///
    /// # Errors
    /// It is too large for an event.
    pub fn record(
        self,
        bearer: &Bearer,
        (key, at): (&str, EventTime),
        topics: &TopicNames,
    ) -> Result<OutRecord, SaidError> {
        let id: Arc<str> = Arc::from(key);
        let (topic, encoded) = match self {
            Self::Command(domain, action) => {
                let command = Command {
                    id,
                    domain,
                    at,
                    by: Arc::from(bearer.name.as_str()),
                    action,
                };
                let encoded = encode_command(&command).map_err(|e| refused(&e))?;
                (TopicId::Commands, encoded)
            }
            Self::Verdict(domain, incident, judgement) => {
                let Judgement {
                    verdict,
                    onset,
                    ended,
                } = judgement;
                let feedback = Feedback {
                    id,
                    domain,
                    incident,
                    at,
                    verdict,
                    onset,
                    ended,
                };
                let encoded = encode_feedback(&feedback).map_err(|e| refused(&e))?;
                (TopicId::Feedback, encoded)
            }
        };
        let Encoded { key, value, headers } = encoded;
        Ok(OutRecord {
            topic: Arc::from(topics.name(topic)),
            partition: None,
            key: Some(key),
            value: Some(value),
            headers,
        })
    }
}

fn time(name: &str, given: Option<&str>) -> Result<Option<EventTime>, SaidError> {
    let parse = |text| {
        let refused = |reject: Reject| SaidError::Malformed(format!("{name}: {}", reject.detail));
        Time::parse(text).map_err(refused)
    };
    given.map(parse).transpose()
}

fn domain(given: Option<&str>, own: &DomainName) -> Result<DomainName, SaidError> {
    given.map_or_else(
        || Ok(own.clone()),
        |name| DomainName::new(name).map_err(|e| SaidError::Malformed(format!("domain: {e}"))),
    )
}

/// What was said lately under which key, by whom.
#[derive(Debug, Default)]
pub(crate) struct Keys(VecDeque<(Fingerprint, Fingerprint)>);

/// Whether to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    New,
    /// The same words under the same key: they stand already.
    Before,
}

impl Keys {
    /// Looks a key up.
    pub(crate) fn look(
        &self,
        bearer: &Bearer,
        key: &str,
        (path, body): (&str, &[u8]),
    ) -> Result<Heard, SaidError> {
        let (key_of, words) = Self::prints(bearer, key, (path, body));
        match self.0.iter().find(|(known, _)| *known == key_of) {
            None => Ok(Heard::New),
            Some((_, said)) if *said == words => Ok(Heard::Before),
            Some(_) => Err(SaidError::KeyTaken(key.to_owned())),
        }
    }

    /// Remembers what was published.
    pub(crate) fn keep(&mut self, bearer: &Bearer, key: &str, said: (&str, &[u8])) {
        if self.0.len() >= KEYS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Self::prints(bearer, key, said));
    }

    fn prints(bearer: &Bearer, key: &str, (path, body): (&str, &[u8])) -> (Fingerprint, Fingerprint) {
        (
            Fingerprint::of_parts(&[bearer.name.as_bytes(), key.as_bytes()]),
            Fingerprint::of_parts(&[path.as_bytes(), body]),
        )
    }
}

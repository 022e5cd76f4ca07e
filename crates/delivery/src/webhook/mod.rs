//! Notices as signed calls to customers' own systems.

mod settings;

use forecall_http::{Answer, Client, ClientError, ClientSettings, Guard, Request, SigningKey};
use forecall_ledger::Secret;
use forecall_types::ContactChannel;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use crate::places::Places;
use crate::words::{bytes_of, time};
use crate::{Accepted, Capabilities, Gateway, Message, SendError};
pub use settings::WebhookGatewaySettings;
pub(crate) use settings::{network_mistakes, window_mistake};

/// The kind of event, as Standard Webhooks names them.
const KIND: &str = "service.notice";

/// Settings nobody can be called with.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// A setting can't be used.
    #[error("webhook: {0}")]
    Settings(String),
    /// The client can't be set up.
    #[error("webhook")]
    Client(#[from] ClientError),
}

/// Calls each receiver with a notice as JSON, signed by Standard Webhooks. An address of the directory is `https://…`, and behind a space
/// the receiver's own secret, `whsec_…`; two of them while it is changed.
pub struct WebhookGateway {
    places: Places,
    keys: Vec<SigningKey>,
    window: usize,
}

const fn never(reason: &'static str) -> SendError {
    SendError::Permanent { reason, code: None }
}

impl WebhookGateway {
    /// Checks the settings; nobody is called yet.
    ///
    /// # Errors
    /// Settings nobody can be called with.
    pub fn new(settings: &WebhookGatewaySettings) -> Result<Self, WebhookError> {
        let guard = Guard::new(&settings.allow_addresses)
            .map_err(|e| WebhookError::Settings(format!("allow_addresses: {e}")))?;
        Self::with_guard(settings, guard)
    }

    /// The same with a guard of one's own: with other names, as tests have them.
    ///
    /// # Errors
    /// Settings nobody can be called with.
    pub fn with_guard(settings: &WebhookGatewaySettings, guard: Guard) -> Result<Self, WebhookError> {
        if let Some(mistake) = settings.mistakes().into_iter().next() {
            return Err(WebhookError::Settings(mistake));
        }
        let client = Client::new(&ClientSettings {
            is_plain: false,
            timeout: settings.timeout,
            ca_file: settings.ca_file.as_deref(),
            guard: Some(guard),
        })?;
        let secrets = [&settings.secret, &settings.previous_secret];
        let keys = secrets.into_iter().flatten().map(SigningKey::read);
        Ok(Self {
            places: Places::new(client, settings.pause),
            keys: keys
                .collect::<Result<_, _>>()
                .map_err(|e| WebhookError::Settings(e.to_string()))?,
            window: settings.window,
        })
    }
}

/// What is posted: the same bytes at each attempt.
fn body(message: &Message<'_>) -> Vec<u8> {
    let (intent, text) = (message.intent, message.text);
    let value = json!({
        "type": KIND,
        "timestamp": time(intent.at),
        "data": {
            "notice": intent.notice.as_str(),
            "incident": intent.incident.as_str(),
            "domain": intent.domain.as_str(),
            "language": text.language.as_str(),
            "title": text.subject.as_deref().unwrap_or_default(),
            "text": text.body,
            "valid_until": intent.expires_at.map(time),
        },
    });
    bytes_of(&value)
}

fn request(keys: &[SigningKey], message: &Message<'_>) -> Result<Request, SendError> {
    let mut words = message.contact.address.expose().split_whitespace();
    let url = words.next().ok_or(never("no_address"))?;
    if !url.starts_with("https://") {
        return Err(never("not_https"));
    }
    let own = words.map(|secret| SigningKey::read(&Secret::new(secret)));
    let own: Vec<SigningKey> = own
        .collect::<Result<_, _>>()
        .map_err(|_| never("secret_unreadable"))?;
    let keys = if own.is_empty() { keys } else { &own };
    if keys.is_empty() {
        return Err(never("no_secret"));
    }
    let (id, seconds) = (message.intent.id.as_str(), message.at.secs());
    let body = body(message);
    let signed: Vec<String> = keys.iter().map(|key| key.sign(id, seconds, &body)).collect();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signed.join(" ")),
    ] {
        let value = HeaderValue::from_str(&value).map_err(|_| never("invalid_message"))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(Request {
        url: url.to_owned(),
        headers,
        body,
    })
}

/// What a receiver's status means.
///
/// | status | meaning |
/// |---|---|
/// | 2xx | it has it |
/// | 410 | nobody is there any more (so Standard Webhooks says) |
/// | 429, 503 with or without `Retry-After` | busy: later, without an attempt being counted |
/// | 3xx, 401, 403, 404, 405, 407, 408, 409, 421, 423, 425 | for now: a person can mend it |
/// | other 4xx | this message never |
/// | other 5xx, anything else | not known: it may have been read |
fn judge(answer: &Answer) -> Result<Accepted, SendError> {
    let code = Some(answer.status);
    match answer.status {
        200..=299 => Ok(Accepted { provider_ref: None }),
        410 => Err(SendError::Gone {
            reason: "receiver_gone",
            code,
        }),
        429 | 503 => Err(SendError::Busy {
            reason: "throttled",
            retry_after: answer.retry_after.unwrap_or_default(),
        }),
        300..=399 => Err(SendError::Temporary {
            reason: "redirected",
            code,
        }),
        401 | 403 | 404 | 405 | 407 | 408 | 409 | 421 | 423 | 425 => Err(SendError::Temporary {
            reason: "refused_for_now",
            code,
        }),
        400..=499 => Err(SendError::Permanent {
            reason: "refused",
            code,
        }),
        _ => Err(SendError::Indefinite {
            reason: "receiver_fault",
        }),
    }
}

impl Gateway for WebhookGateway {
    fn channel(&self) -> ContactChannel {
        ContactChannel::Webhook
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // `webhook-id` is the same at each attempt, and receivers are to know it again.
            client_reference: true,
            receipts: false,
        }
    }

    fn has_many_places(&self) -> bool {
        true
    }

    fn window(&self) -> usize {
        self.window
    }

    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError> {
        let lost = Err(SendError::Indefinite {
            reason: "not_answered",
        });
        self.send_all(std::slice::from_ref(message)).pop().unwrap_or(lost)
    }

    fn send_all(&mut self, messages: &[Message<'_>]) -> Vec<Result<Accepted, SendError>> {
        let keys = &self.keys;
        self.places
            .send_all(messages, |message| request(keys, message), judge)
    }
}

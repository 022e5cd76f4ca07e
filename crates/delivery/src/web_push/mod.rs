//! Pushes to browsers: RFC 8030 (delivery), 8188 and 8291 (encryption), 8292 (who sends).

mod encrypt;
mod settings;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use forecall_http::{Answer, Client, ClientError, ClientSettings, Guard, Request};
use forecall_types::{ContactChannel, Fingerprint};
use openssl::ec::EcKey;
use openssl::error::ErrorStack;
use openssl::pkey::{Private, Public};
use openssl::rand::rand_bytes;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;

use crate::places::Places;
use crate::words::{bytes_of, direction, time};
use crate::{Accepted, Capabilities, Gateway, Message, SendError};
use encrypt::{AUTH_BYTES, PLAIN_BYTES_MAX, SALT_BYTES, encrypt, p256, padding, point_bytes, public_key};
pub use settings::{Urgency, WebPushSettings};

/// What we show is good for so long; more than a day is refused (RFC 8292, section 2).
const TOKEN_FOR: Duration = Duration::from_secs(12 * 3_600);
/// Services keep nothing longer.
const TTL_MAX: Duration = Duration::from_secs(28 * 86_400);
/// Characters of a topic (RFC 8030, section 5.4).
const TOPIC_MAX: usize = 32;

/// Settings no browser is reached with.
#[derive(Debug, thiserror::Error)]
pub enum WebPushError {
    /// A setting can't be used.
    #[error("web_push: {0}")]
    Settings(String),
    /// The client can't be set up.
    #[error("web_push")]
    Client(#[from] ClientError),
    /// OpenSSL refuses.
    #[error("web_push: the key can't be used")]
    Key(#[from] ErrorStack),
}

/// What a browser gives when somebody lets it be told: where to push, and the keys only it can read with.
#[derive(Deserialize)]
struct Subscription {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

/// Who sends.
struct Sender {
    key: EcKey<Private>,
    /// Its public half, as headers carry it.
    public: String,
    settings: WebPushSettings,
}

/// Pushes each notice, encrypted for its browser.
pub struct WebPushGateway {
    places: Places,
    sender: Sender,
}

const fn never(reason: &'static str) -> SendError {
    SendError::Permanent { reason, code: None }
}

/// OpenSSL has failed where it had all it needs: it lacks memory or random numbers, which pass.
fn failed(_: ErrorStack) -> SendError {
    SendError::Temporary {
        reason: "not_encrypted",
        code: None,
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text.trim().trim_end_matches('=')).ok()
}

/// Of one incident the newest replaces what a service still keeps. It doesn't tell the service which incident it is.
pub(crate) fn topic(message: &Message<'_>) -> String {
    let hash = Fingerprint::of_parts(&[b"push topic", message.intent.incident.as_str().as_bytes()]);
    let name = BASE64URL.encode(hash.as_u128().to_be_bytes());
    name.chars().take(TOPIC_MAX).collect()
}

/// How long it may be kept for somebody who is away: until it isn't true any more.
pub(crate) fn kept_for(message: &Message<'_>, without_end: Duration) -> Duration {
    let until = message.intent.expires_at;
    until
        .map_or(without_end, |until| until.since(message.at))
        .min(TTL_MAX)
}

impl WebPushGateway {
    /// Checks the settings; nothing is asked yet.
    ///
    /// # Errors
    /// Settings no browser is reached with.
    pub fn new(settings: WebPushSettings) -> Result<Self, WebPushError> {
        if let Some(mistake) = settings.mistakes().into_iter().next() {
            return Err(WebPushError::Settings(mistake));
        }
        let wrong = |text: &str| WebPushError::Settings(text.to_owned());
        let key = settings.key().ok_or_else(|| wrong("private_key is none"))?;
        let guard = Guard::new(&settings.allow_addresses).map_err(|e| wrong(&e.to_string()))?;
        // A subscription names the address: whoever subscribes could lead us inside.
        let client = Client::new(&ClientSettings {
            is_plain: false,
            timeout: settings.timeout,
            ca_file: settings.ca_file.as_deref(),
            guard: Some(guard),
        })?;
        Ok(Self {
            places: Places::new(client, settings.pause),
            sender: Sender {
                public: BASE64URL.encode(point_bytes(&key)?),
                key,
                settings,
            },
        })
    }
}

impl Sender {
    fn request(&self, message: &Message<'_>) -> Result<Request, SendError> {
        let text = message.contact.address.expose();
        let subscription: Subscription = serde_json::from_str(text).map_err(|_| never("no_subscription"))?;
        let url: Url = subscription
            .endpoint
            .parse()
            .map_err(|_| never("no_subscription"))?;
        if url.scheme() != "https" {
            return Err(never("not_https"));
        }
        let browser = bytes(&subscription.keys.p256dh).and_then(|point| public_key(&point));
        let auth = bytes(&subscription.keys.auth).and_then(|auth| auth.try_into().ok());
        let (Some(browser), Some(auth)) = (browser, auth) else {
            return Err(never("no_subscription"));
        };
        Ok(Request {
            headers: self.headers(message, &url)?,
            body: sealed(message, &browser, &auth)?,
            url: subscription.endpoint,
        })
    }

    fn headers(&self, message: &Message<'_>, url: &Url) -> Result<HeaderMap, SendError> {
        let claims = json!({
            "aud": url.origin().ascii_serialization(),
            "exp": message.at.plus(TOKEN_FOR).secs(),
            "sub": self.settings.subject,
        });
        let token = crate::jwt::es256(&self.key, &claims).map_err(failed)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let kept = kept_for(message, self.settings.ttl).as_secs();
        for (name, value) in [
            (AUTHORIZATION, format!("vapid t={token}, k={}", self.public)),
            (HeaderName::from_static("ttl"), kept.to_string()),
            (
                HeaderName::from_static("urgency"),
                self.settings.urgency.as_str().to_owned(),
            ),
            (HeaderName::from_static("topic"), topic(message)),
        ] {
            let mut value = HeaderValue::from_str(&value).map_err(|_| never("invalid_message"))?;
            value.set_sensitive(name == AUTHORIZATION);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

/// What the page's service worker gets, as JSON, encrypted under keys of this attempt alone. With `tag` as the notification's tag, a
/// second one replaces the first.
fn sealed(
    message: &Message<'_>,
    browser: &EcKey<Public>,
    auth: &[u8; AUTH_BYTES],
) -> Result<Vec<u8>, SendError> {
    let (intent, text) = (message.intent, message.text);
    let plain = bytes_of(&json!({
        "id": intent.id.as_str(),
        "tag": topic(message),
        "title": text.subject.as_deref().unwrap_or_default(),
        "body": text.body,
        "lang": text.language.as_str(),
        "dir": direction(text.language),
        "at": time(intent.at),
        "valid_until": intent.expires_at.map(time),
    }));
    if plain.len() > PLAIN_BYTES_MAX {
        return Err(never("too_long"));
    }
    let mut salt = [0; SALT_BYTES];
    rand_bytes(&mut salt).map_err(failed)?;
    let own = p256().and_then(|group| EcKey::generate(&group)).map_err(failed)?;
    encrypt(browser, auth, &own, &salt, (&plain, padding(plain.len()))).map_err(failed)
}

/// What a service's status means (RFC 8030, sections 5 and 7.3; RFC 8292, section 4.2).
///
/// | status | meaning |
/// |---|---|
/// | 2xx | it has it |
/// | 404, 410 | the subscription is over |
/// | 429, 503 | busy: later, without an attempt being counted |
/// | 3xx, 401, 403, 408, 409, 425 | for now: key, clock or rights can be mended |
/// | other 4xx | this message never |
/// | other 5xx, anything else | not known |
fn judge(answer: &Answer) -> Result<Accepted, SendError> {
    let code = Some(answer.status);
    match answer.status {
        // The name that it gives is an address at which anybody could take the message back: it isn't kept.
        200..=299 => Ok(Accepted { provider_ref: None }),
        404 | 410 => Err(SendError::Gone {
            reason: "subscription_gone",
            code,
        }),
        429 | 503 => Err(SendError::Busy {
            reason: "throttled",
            retry_after: answer.retry_after.unwrap_or_default(),
        }),
        300..=399 | 408 | 409 | 425 => Err(SendError::Temporary {
            reason: "refused_for_now",
            code,
        }),
        401 | 403 => Err(SendError::Temporary {
            reason: "key_refused",
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

impl Gateway for WebPushGateway {
    fn channel(&self) -> ContactChannel {
        ContactChannel::Push
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // A topic replaces what a service still keeps, and nothing that it has brought.
            client_reference: false,
            receipts: false,
        }
    }

    fn has_many_places(&self) -> bool {
        true
    }

    fn window(&self) -> usize {
        self.sender.settings.window
    }

    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError> {
        let lost = Err(SendError::Indefinite {
            reason: "not_answered",
        });
        self.send_all(std::slice::from_ref(message)).pop().unwrap_or(lost)
    }

    fn send_all(&mut self, messages: &[Message<'_>]) -> Vec<Result<Accepted, SendError>> {
        let sender = &self.sender;
        self.places
            .send_all(messages, |message| sender.request(message), judge)
    }
}

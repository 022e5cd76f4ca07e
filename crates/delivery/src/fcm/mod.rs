//! Pushes to apps through Firebase Cloud Messaging, HTTP v1.

mod settings;

use std::time::Duration;

use forecall_http::{Answer, Client, ClientError, ClientSettings, RETRY_AFTER_MAX, Request};
use forecall_types::{ContactChannel, EventTime};
use openssl::pkey::{PKey, Private};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::one_place::post_all;
use crate::web_push::{kept_for, topic};
use crate::words::{bytes_of, time};
use crate::{Accepted, Capabilities, Gateway, Message, SendError};
use settings::Account;
pub use settings::FcmSettings;

/// What a login asks to be allowed.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// Of ours, a statement for a login is good for so long; more is refused (RFC 7523 as Google has it).
const STATEMENT_FOR: Duration = Duration::from_secs(3_600);
/// So long before its end a login is made anew: a batch and its time-outs end within it.
const LOGIN_SPARE: Duration = Duration::from_secs(300);
/// Bytes of what FCM takes (notification and data together).
const PAYLOAD_MAX: usize = 4_096;
/// A registration token has some 160 characters.
const TOKEN_MAX: usize = 1_024;

/// Settings no app is reached with.
#[derive(Debug, thiserror::Error)]
pub enum FcmError {
    /// A setting can't be used.
    #[error("fcm: {0}")]
    Settings(String),
    /// The client can't be set up.
    #[error("fcm")]
    Client(#[from] ClientError),
}

/// A login, and until when it is used.
struct Login {
    header: HeaderValue,
    until: EventTime,
}

/// Pushes each notice to an app.
pub struct FcmGateway {
    settings: FcmSettings,
    client: Client,
    account: Account,
    key: PKey<Private>,
    url: String,
    login: Option<Login>,
}

const fn never(reason: &'static str) -> SendError {
    SendError::Permanent { reason, code: None }
}

const fn down(reason: &'static str, code: Option<u16>) -> SendError {
    SendError::Down { reason, code }
}

impl FcmGateway {
    /// Checks the settings; nothing is asked yet.
    ///
    /// # Errors
    /// Settings no app is reached with.
    pub fn new(settings: FcmSettings) -> Result<Self, FcmError> {
        if let Some(mistake) = settings.mistakes().into_iter().next() {
            return Err(FcmError::Settings(mistake));
        }
        let wrong = || FcmError::Settings("credentials can't be used".to_owned());
        let account = settings.account().ok_or_else(wrong)?;
        let key = account.key().ok_or_else(wrong)?;
        let is_plain = |url: &str| url.starts_with("http://");
        let client = Client::new(&ClientSettings {
            is_plain: is_plain(&settings.base_url) || is_plain(&account.token_uri),
            timeout: settings.timeout,
            ca_file: settings.ca_file.as_deref(),
            guard: None,
        })?;
        let base = settings.base_url.trim_end_matches('/');
        Ok(Self {
            url: format!("{base}/v1/projects/{}/messages:send", account.project_id),
            client,
            account,
            key,
            login: None,
            settings,
        })
    }

    /// The login at hand, or a new one (RFC 7523: a signed statement for a bearer token).
    fn login(&mut self, now: EventTime) -> Result<HeaderValue, SendError> {
        if let Some(login) = self.login.as_ref().filter(|login| now < login.until) {
            return Ok(login.header.clone());
        }
        self.login = None;
        let claims = json!({
            "iss": self.account.client_email,
            "scope": SCOPE,
            "aud": self.account.token_uri,
            "iat": now.secs(),
            "exp": now.plus(STATEMENT_FOR).secs(),
        });
        let statement = crate::jwt::rs256(&self.key, &claims).map_err(|_| down("login", None))?;
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        // Base64url and dots need no escaping.
        let body =
            format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={statement}");
        let request = Request {
            url: self.account.token_uri.clone(),
            headers,
            body: body.into_bytes(),
        };
        let answer = self.client.post_all(vec![request], now).pop();
        // Nothing was said to anybody yet: whatever is lost here is lost before a message.
        let answer = answer
            .and_then(Result::ok)
            .ok_or(down("login_not_answered", None))?;
        let refused = down("login", Some(answer.status));
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let token = said.get("access_token").and_then(Value::as_str);
        let (200, Some(token)) = (answer.status, token) else {
            return Err(refused);
        };
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| refused)?;
        header.set_sensitive(true);
        let good_for = said.get("expires_in").and_then(Value::as_u64).unwrap_or_default();
        let good_for = Duration::from_secs(good_for).saturating_sub(LOGIN_SPARE);
        self.login = Some(Login {
            header: header.clone(),
            until: now.plus(good_for),
        });
        Ok(header)
    }

    fn request(&self, login: &HeaderValue, message: &Message<'_>) -> Result<Request, SendError> {
        let token = message.contact.address.expose();
        let is_token = |b: u8| b.is_ascii_graphic() && b != b'{';
        if token.is_empty() || token.len() > TOKEN_MAX || !token.bytes().all(is_token) {
            return Err(never("no_token"));
        }
        let (intent, text) = (message.intent, message.text);
        let kept = kept_for(message, self.settings.ttl);
        let topic = topic(message);
        let notification = json!({"title": text.subject.as_deref().unwrap_or_default(), "body": text.body});
        let data = json!({
            "id": intent.id.as_str(),
            "tag": topic,
            "lang": text.language.as_str(),
            "at": time(intent.at),
            "valid_until": intent.expires_at.map(time).unwrap_or_default(),
        });
        if notification.to_string().len() + data.to_string().len() > PAYLOAD_MAX {
            return Err(never("too_long"));
        }
        // The newest of one incident replaces what is still kept, and what is shown.
        let said = json!({
            "token": token,
            "notification": notification,
            "data": data,
            "android": {
                "collapse_key": topic,
                "priority": "HIGH",
                "ttl": format!("{}s", kept.as_secs()),
                "notification": {"tag": topic},
            },
            "apns": {"headers": {
                "apns-collapse-id": topic,
                "apns-expiration": message.at.plus(kept).secs().to_string(),
                "apns-priority": "10",
            }},
        });
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, login.clone());
        Ok(Request {
            url: self.url.clone(),
            headers,
            body: bytes_of(&json!({"validate_only": self.settings.validate_only, "message": said})),
        })
    }
}

/// What an answer means: by `errorCode` of its details, where there is one, else by its status.
///
/// | `errorCode` | meaning |
/// |---|---|
/// | – , 200 with a name | it has it |
/// | `UNREGISTERED`, `SENDER_ID_MISMATCH` | nobody is there: the app is gone, or isn't ours |
/// | `INVALID_ARGUMENT` | this message never |
/// | `QUOTA_EXCEEDED`, 429; `UNAVAILABLE`, 503 | too fast, for as long as `Retry-After` says |
/// | `THIRD_PARTY_AUTH_ERROR`, 401, 403, 404 | none: it is us who are refused |
/// | `INTERNAL`, anything else | not known |
fn judge(answer: &Answer, pause: Duration) -> Result<Accepted, SendError> {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = Some(answer.status);
    let details = said.pointer("/error/details").and_then(Value::as_array);
    let error = details
        .into_iter()
        .flatten()
        .find_map(|detail| detail.get("errorCode").and_then(Value::as_str));
    let throttled = Err(SendError::Throttled {
        retry_after: answer.retry_after.unwrap_or(pause).min(RETRY_AFTER_MAX),
    });
    match (answer.status, error) {
        (200, _) => match said.get("name").and_then(Value::as_str) {
            Some(name) => Ok(Accepted {
                provider_ref: Some(name.replace(' ', "_")),
            }),
            None => Err(SendError::Indefinite {
                reason: "strange_answer",
            }),
        },
        (_, Some("UNREGISTERED")) => Err(SendError::Gone {
            reason: "unregistered",
            code,
        }),
        (_, Some("SENDER_ID_MISMATCH")) => Err(SendError::Gone {
            reason: "not_our_app",
            code,
        }),
        (429 | 503, _) | (_, Some("QUOTA_EXCEEDED" | "UNAVAILABLE")) => throttled,
        (401 | 403 | 404, _) | (_, Some("THIRD_PARTY_AUTH_ERROR")) => Err(down("gateway_refuses", code)),
        (400..=499, _) => Err(SendError::Permanent {
            reason: "refused",
            code,
        }),
        _ => Err(SendError::Indefinite {
            reason: "strange_answer",
        }),
    }
}

impl Gateway for FcmGateway {
    fn channel(&self) -> ContactChannel {
        ContactChannel::Push
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // A collapse key replaces what is still kept, and the tag what is shown; neither is a reference.
            client_reference: false,
            receipts: false,
        }
    }

    fn window(&self) -> usize {
        self.settings.window
    }

    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError> {
        let lost = Err(SendError::Indefinite {
            reason: "not_answered",
        });
        self.send_all(std::slice::from_ref(message)).pop().unwrap_or(lost)
    }

    fn send_all(&mut self, messages: &[Message<'_>]) -> Vec<Result<Accepted, SendError>> {
        let Some(now) = messages.first().map(|message| message.at) else {
            return Vec::new();
        };
        let login = match self.login(now) {
            Ok(login) => login,
            Err(error) => return messages.iter().map(|_| Err(error)).collect(),
        };
        let pause = self.settings.pause;
        let answers = post_all(
            &self.client,
            messages,
            |message| self.request(&login, message),
            |answer| judge(answer, pause),
        );
        if answers
            .iter()
            .any(|answer| matches!(answer, Err(SendError::Down { code: Some(401), .. })))
        {
            self.login = None;
        }
        answers
    }
}

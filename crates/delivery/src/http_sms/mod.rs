//! Text messages through a gateway behind HTTP, described in the settings.

mod callback_settings;
mod callbacks;
mod settings;
mod template;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use forecall_http::{ClientError, ClientSettings, Loss, wanted_wait};
use forecall_ledger::Incoming;
use forecall_types::{ContactChannel, EventTime, Fingerprint};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::sms::international;
use crate::{Accepted, Capabilities, Gateway, Message, SendError};
pub use callback_settings::{CallbackSettings, LaterMeaning, ReceiptFields, ReplyFields};
use callbacks::Callbacks;
pub(crate) use settings::is_loopback;
pub use settings::{HttpMethod, HttpSmsSettings, Meaning};
use template::{Field, Template, json_string, percent};

/// Of an answer no more is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A number that every JSON reader keeps whole.
const REFERENCE_NUMBERS: u128 = 1_000_000_000_000_000;

/// Settings no message can be sent with.
#[derive(Debug, thiserror::Error)]
pub enum HttpSmsError {
    /// A setting can't be used.
    #[error("http: {0}")]
    Settings(String),
    /// The certificate file can't be read.
    #[error("http: failed to read the certificates")]
    Certificates(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing can be heard at the address of `callbacks`.
    #[error("http: failed to listen for callbacks")]
    Listen(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The HTTP library won't start.
    #[error("http: failed to set up the client")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends each text message as one request. TLS 1.2 or better; no redirect is followed.
pub struct HttpSmsGateway {
    settings: HttpSmsSettings,
    templates: Templates,
    http: reqwest::Client,
    runtime: Runtime,
    callbacks: Option<Callbacks>,
}

struct Templates {
    url: Template,
    headers: Vec<(HeaderName, Template)>,
    query: Vec<(String, Template)>,
    form: Vec<(String, Template)>,
    json: Option<Template>,
}

impl HttpSmsGateway {
    /// Checks the settings; nothing is asked yet.
    ///
    /// # Errors
    /// Settings no message can be sent with.
    pub fn new(settings: HttpSmsSettings) -> Result<Self, HttpSmsError> {
        if let Some(mistake) = settings.mistakes().into_iter().next() {
            return Err(HttpSmsError::Settings(mistake));
        }
        let client = |e: reqwest::Error| HttpSmsError::Client(Box::new(e));
        let builder = forecall_http::builder(&ClientSettings {
            is_plain: settings.url.starts_with("http://"),
            timeout: settings.timeout,
            ca_file: settings.ca_file.as_deref(),
            guard: None,
        })
        .map_err(|e| match e {
            ClientError::Certificates { source, .. } => HttpSmsError::Certificates(source),
            ClientError::Http(source) => HttpSmsError::Client(source),
        })?;
        let callbacks = settings.callbacks.as_ref();
        let callbacks = callbacks
            .map(|callbacks| Callbacks::start(callbacks, &settings.country_code))
            .transpose()?;
        Ok(Self {
            callbacks,
            templates: Templates::read(&settings)?,
            http: builder.build().map_err(client)?,
            runtime: Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| HttpSmsError::Client(Box::new(e)))?,
            settings,
        })
    }

    /// Where it listens for receipts and replies, if it does: tells the port where 0 was asked for.
    pub fn listens_at(&self) -> Option<SocketAddr> {
        self.callbacks.as_ref().map(Callbacks::local_addr)
    }

    fn headers(&self, value: &impl Fn(Field) -> String) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, template) in &self.templates.headers {
            let mut text = HeaderValue::from_str(&template.fill(value, str::to_owned)).ok()?;
            text.set_sensitive(true);
            headers.insert(name, text);
        }
        if let (Some(name), Some(password)) = (&self.settings.username, &self.settings.password) {
            let login = BASE64.encode(format!("{name}:{}", password.expose().trim()));
            let mut text = HeaderValue::from_str(&format!("Basic {login}")).ok()?;
            text.set_sensitive(true);
            headers.insert(AUTHORIZATION, text);
        }
        Some(headers)
    }

    async fn ask(&self, message: &Message<'_>, number: &str) -> Result<Accepted, SendError> {
        let never = |reason| SendError::Permanent { reason, code: None };
        let settings = &self.settings;
        let value = |field: Field| value_of(field, settings, message, number);
        let mut url = self.templates.url.fill(value, percent);
        for (key, template) in &self.templates.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{}={}", percent(key), template.fill(value, percent)));
        }
        let (method, kind, body) = match (settings.method, &self.templates.json) {
            (HttpMethod::Get, _) => (Method::GET, None, String::new()),
            (HttpMethod::Post, Some(json)) => (
                Method::POST,
                Some("application/json"),
                json.fill(value, json_string),
            ),
            (HttpMethod::Post, None) => {
                let pairs = self.templates.form.iter();
                let pairs: Vec<String> = pairs
                    .map(|(key, text)| format!("{}={}", percent(key), text.fill(value, percent)))
                    .collect();
                (
                    Method::POST,
                    Some("application/x-www-form-urlencoded"),
                    pairs.join("&"),
                )
            }
        };
        let headers = self.headers(&value).ok_or(never("invalid_message"))?;
        let mut request = self.http.request(method, url).headers(headers);
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        let mut answer = request.send().await.map_err(|e| lost(&e))?;
        let status = answer.status().as_u16();
        let wait = wanted_wait(answer.headers(), message.at).unwrap_or(settings.pause);
        let mut bytes = Vec::new();
        // An answer that breaks off is told by its status, if that says enough.
        while let Ok(Some(chunk)) = answer.chunk().await {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                break;
            }
            bytes.extend_from_slice(&chunk);
        }
        judge(settings, status, &bytes, wait)
    }
}

impl Templates {
    fn read(settings: &HttpSmsSettings) -> Result<Self, HttpSmsError> {
        let read = |text: &str| {
            Template::read(text)
                .map_err(|word| HttpSmsError::Settings(format!("`{{{word}}}` stands for nothing")))
        };
        let all = |map: &std::collections::BTreeMap<String, String>| -> Result<Vec<_>, HttpSmsError> {
            map.iter()
                .map(|(key, text)| Ok((key.clone(), read(text)?)))
                .collect()
        };
        let headers = all(&settings.headers)?.into_iter().map(|(name, text)| {
            let name = HeaderName::try_from(name)
                .map_err(|_| HttpSmsError::Settings("headers: a name is none".into()))?;
            Ok((name, text))
        });
        Ok(Self {
            url: read(&settings.url)?,
            headers: headers.collect::<Result<_, HttpSmsError>>()?,
            query: all(&settings.query)?,
            form: all(&settings.form)?,
            json: settings.json.as_deref().map(read).transpose()?,
        })
    }
}

fn value_of(field: Field, settings: &HttpSmsSettings, message: &Message<'_>, number: &str) -> String {
    let digits = number.trim_start_matches('+');
    match field {
        Field::To => number.to_owned(),
        Field::ToDigits => digits.to_owned(),
        Field::ToNational => match digits.strip_prefix(settings.country_code.as_str()) {
            Some(rest) => format!("0{rest}"),
            None => format!("00{digits}"),
        },
        Field::Text => message.text.body.clone(),
        Field::From => settings.from.clone(),
        Field::Reference => message.intent.id.as_str().to_owned(),
        Field::ReferenceNumber => {
            let hash = Fingerprint::of_parts(&[b"reference number", message.intent.id.as_str().as_bytes()]);
            (hash.as_u128() % REFERENCE_NUMBERS).to_string()
        }
        Field::Secret => settings
            .secret
            .as_ref()
            .map_or_else(String::new, |s| s.expose().trim().to_owned()),
    }
}

/// What an answer means: by its code if that is named, else by its status.
fn judge(
    settings: &HttpSmsSettings,
    status: u16,
    body: &[u8],
    wait: Duration,
) -> Result<Accepted, SendError> {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let at = |pointer: &Option<String>| match json.pointer(pointer.as_deref()?)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let by_code = at(&settings.code).and_then(|code| settings.codes.get(&code).copied());
    let by_status = || {
        settings
            .statuses
            .get(&status)
            .copied()
            .unwrap_or_else(|| usual(status))
    };
    let code = Some(status);
    let meaning = by_code.unwrap_or_else(|| match by_status() {
        // Its own yes or no is missing, or nobody said what it means: a status alone doesn't make a message taken.
        Meaning::Accepted if is_unclear(settings, &at) => Meaning::Unknown,
        other => other,
    });
    match meaning {
        Meaning::Accepted => Ok(Accepted {
            provider_ref: at(&settings.id).map(|name| name.replace(' ', "_")),
        }),
        Meaning::Permanent => Err(SendError::Permanent {
            reason: "refused",
            code,
        }),
        Meaning::Blocked => Err(SendError::Permanent {
            reason: "blocked_by_network",
            code,
        }),
        Meaning::Temporary => Err(SendError::Temporary {
            reason: "refused_for_now",
            code,
        }),
        Meaning::Throttled => Err(SendError::Throttled { retry_after: wait }),
        Meaning::Down => Err(SendError::Down {
            reason: "gateway_refuses",
            code,
        }),
        Meaning::Unknown => Err(SendError::Indefinite {
            reason: "strange_answer",
        }),
    }
}

/// Whether an answer that its status calls good lacks what the description says it has: a code that is known, or, where codes are of
/// refusals only, the message's name.
fn is_unclear(settings: &HttpSmsSettings, at: &dyn Fn(&Option<String>) -> Option<String>) -> bool {
    let is_named = at(&settings.code).is_none() && at(&settings.id).is_some();
    settings.code.is_some() && !is_named
}

const fn usual(status: u16) -> Meaning {
    match status {
        200..=299 => Meaning::Accepted,
        429 => Meaning::Throttled,
        401 | 402 | 403 | 404 | 405 | 503 => Meaning::Down,
        408 => Meaning::Unknown,
        400..=499 => Meaning::Permanent,
        _ => Meaning::Unknown,
    }
}

/// Before a connection stands nothing was said; after it, nobody knows.
fn lost(error: &reqwest::Error) -> SendError {
    let loss = Loss::of(error);
    let reason = match loss {
        // The operator has named the address: it may be asked, but it is none.
        Loss::Forbidden => "connect",
        Loss::Tls | Loss::Unreachable | Loss::Timeout | Loss::Broken => loss.as_str(),
    };
    if loss.is_unsaid() {
        SendError::Down { reason, code: None }
    } else {
        SendError::Indefinite { reason }
    }
}

impl Gateway for HttpSmsGateway {
    fn channel(&self) -> ContactChannel {
        ContactChannel::Sms
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            client_reference: self.settings.knows_repeats,
            receipts: self
                .settings
                .callbacks
                .as_ref()
                .is_some_and(|c| c.receipt.is_some()),
        }
    }

    fn receive(&mut self, _now: EventTime) -> Result<Vec<Incoming>, SendError> {
        Ok(self
            .callbacks
            .as_mut()
            .map(Callbacks::receive)
            .unwrap_or_default())
    }

    fn acknowledge(&mut self) {
        if let Some(callbacks) = &mut self.callbacks {
            callbacks.acknowledge();
        }
    }

    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError> {
        let number = international(message.contact.address.expose(), &self.settings.country_code);
        let number = number.ok_or(SendError::Permanent {
            reason: "invalid_number",
            code: None,
        })?;
        self.runtime.block_on(self.ask(message, &number))
    }
}

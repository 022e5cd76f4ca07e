//! Messages of a chat bot, by the interface that Telegram's and Bale's bots share.

mod settings;

use std::time::Duration;

use forecall_http::{Answer, Client, ClientError, ClientSettings, Request};
use forecall_types::ContactChannel;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::one_place::post_all;
use crate::words::bytes_of;
use crate::{Accepted, Capabilities, Gateway, Message, SendError};
pub use settings::ChatSettings;
pub(crate) use settings::base_mistake;

/// Of a message, in UTF-16 units: the interface refuses longer ones.
const UNITS_MAX: usize = 4_096;
/// Nobody asks for more, and nobody may silence the channel for longer by one answer.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// Settings no bot speaks with.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// A setting can't be used.
    #[error("chat: {0}")]
    Settings(String),
    /// The client can't be set up.
    #[error("chat")]
    Client(#[from] ClientError),
}

/// Sends each notice as one message of a bot, as plain text: without a mode of marking up, nothing in it is markup.
pub struct ChatGateway {
    settings: ChatSettings,
    client: Client,
    url: String,
}

const fn never(reason: &'static str) -> SendError {
    SendError::Permanent { reason, code: None }
}

impl ChatGateway {
    /// Checks the settings; nothing is asked yet.
    ///
    /// # Errors
    /// Settings no bot speaks with.
    pub fn new(settings: ChatSettings) -> Result<Self, ChatError> {
        if let Some(mistake) = settings.mistakes().into_iter().next() {
            return Err(ChatError::Settings(mistake));
        }
        let client = Client::new(&ClientSettings {
            is_plain: settings.base_url.starts_with("http://"),
            timeout: settings.timeout,
            ca_file: settings.ca_file.as_deref(),
            guard: None,
        })?;
        let base = settings.base_url.trim_end_matches('/');
        Ok(Self {
            url: format!("{base}/bot{}/sendMessage", settings.token.expose().trim()),
            client,
            settings,
        })
    }

    fn request(&self, message: &Message<'_>) -> Result<Request, SendError> {
        let chat = chat_id(message.contact.address.expose()).ok_or(never("no_chat_id"))?;
        let title = message.text.subject.as_deref().unwrap_or_default();
        let body = &message.text.body;
        let text = if title.is_empty() {
            body.clone()
        } else {
            format!("{title}\n\n{body}")
        };
        if text.encode_utf16().count() > UNITS_MAX {
            return Err(never("too_long"));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Request {
            url: self.url.clone(),
            headers,
            body: bytes_of(&json!({"chat_id": chat, "text": text})),
        })
    }
}

/// Of a chat its number, of a public channel its name.
fn chat_id(address: &str) -> Option<Value> {
    // Behind a plus stands a phone number, which is nobody's chat, or a stranger's.
    if let (false, Ok(number)) = (address.starts_with('+'), address.parse::<i64>()) {
        return Some(Value::from(number));
    }
    let name = address.strip_prefix('@')?;
    let is_name = name.len() >= 4 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then(|| Value::from(address))
}

/// What an answer means. `ok` says yes; else `error_code`, which repeats HTTP's status, and of a 400 the words behind it, which say
/// whether it is the chat that is wrong or the message.
///
/// | answer | meaning |
/// |---|---|
/// | `ok: true` | it has it |
/// | 403 | nobody is there: blocked the bot, left, never wrote to it |
/// | 400 "… not found", `migrate_to_chat_id` | nobody is there under this number |
/// | other 4xx but these | this message never |
/// | 429, with `parameters.retry_after` | too fast |
/// | 401, 404, 3xx | none: it isn't our bot, or not such an interface |
/// | 503 | none now |
/// | anything else | not known |
fn judge(answer: &Answer, pause: Duration) -> Result<Accepted, SendError> {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let status = said
        .pointer("/error_code")
        .and_then(Value::as_u64)
        .and_then(|code| u16::try_from(code).ok())
        .unwrap_or(answer.status);
    let code = Some(status);
    if said.get("ok").and_then(Value::as_bool) == Some(true) {
        return Ok(Accepted {
            provider_ref: said.pointer("/result/message_id").map(ToString::to_string),
        });
    }
    let gone = |reason| Err(SendError::Gone { reason, code });
    match status {
        403 => gone("blocked_by_person"),
        400 if said.pointer("/parameters/migrate_to_chat_id").is_some() => gone("chat_moved"),
        400 if is_nobody(&said) => gone("no_such_chat"),
        429 => {
            let named = said.pointer("/parameters/retry_after").and_then(Value::as_u64);
            let wait = named.map(Duration::from_secs).or(answer.retry_after);
            Err(SendError::Throttled {
                retry_after: wait.unwrap_or(pause).min(PAUSE_MAX),
            })
        }
        300..=399 | 401 | 404 | 503 => Err(SendError::Down {
            reason: "gateway_refuses",
            code,
        }),
        400..=499 => Err(SendError::Permanent {
            reason: "refused",
            code,
        }),
        _ => Err(SendError::Indefinite {
            reason: "strange_answer",
        }),
    }
}

/// Whether a refusal says that there is no such chat. Its words are read here and go nowhere.
fn is_nobody(said: &Value) -> bool {
    let words = said
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let words = words.to_ascii_lowercase();
    [
        "chat not found",
        "user not found",
        "peer_id_invalid",
        "user is deactivated",
    ]
    .iter()
    .any(|one| words.contains(one))
}

impl Gateway for ChatGateway {
    fn channel(&self) -> ContactChannel {
        ContactChannel::Chat
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // The interface knows no reference of ours.
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
        let pause = self.settings.pause;
        post_all(
            &self.client,
            messages,
            |message| self.request(message),
            |answer| judge(answer, pause),
        )
    }
}

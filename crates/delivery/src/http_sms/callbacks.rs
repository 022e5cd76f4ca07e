//! What a gateway behind HTTP says of its own accord: receipts and replies, as requests to us.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::routing::any;
use forecall_ledger::{Incoming, LaterWord, Secret, WORDS_KEPT, Words};
use forecall_observe::{Server, serve_router};
use forecall_types::{ContactChannel, Fingerprint, ReplyKind};
use serde_json::Value;
use tokio::sync::oneshot;

use super::HttpSmsError;
use super::callback_settings::{CallbackSettings, LaterMeaning, ReceiptFields, ReplyFields};
use crate::sms::international;

/// Taken and not written down yet; the gateway is told to come again with the rest.
const HELD_MAX: usize = 1_000;
/// A receipt or a text message is far smaller.
const BODY_BYTES_MAX: usize = 32 * 1024;
/// So long a request waits until the ledger has what it brought. Gateways give up after 5 to 15 s and come again.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
/// The same words of the same person within it are one message that was brought twice, where the gateway gives them no name.
const TWICE_WITHIN: Duration = Duration::from_secs(60);

/// What was brought, each with who waits for it to be written down.
#[derive(Default)]
struct Held {
    items: Vec<(Incoming, oneshot::Sender<()>)>,
}

struct Desk {
    held: Mutex<Held>,
    settings: CallbackSettings,
    country_code: String,
}

impl Desk {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens for what the gateway says.
pub(super) struct Callbacks {
    desk: Arc<Desk>,
    server: Server,
    /// Of what is held, how many were given out.
    given: usize,
}

impl Callbacks {
    pub(super) fn start(settings: &CallbackSettings, country_code: &str) -> Result<Self, HttpSmsError> {
        let desk = Arc::new(Desk {
            held: Mutex::default(),
            settings: settings.clone(),
            country_code: country_code.to_owned(),
        });
        let router = Router::new()
            .route("/receipts", any(on_receipt))
            .route("/replies", any(on_reply))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::clone(&desk));
        let server = serve_router(settings.listen, router).map_err(|e| HttpSmsError::Listen(Box::new(e)))?;
        Ok(Self {
            desk,
            server,
            given: 0,
        })
    }

    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    pub(super) fn receive(&mut self) -> Vec<Incoming> {
        let held = self.desk.held();
        self.given = held.items.len();
        held.items.iter().map(|(incoming, _)| incoming.clone()).collect()
    }

    /// What was given last is written down: the gateway hears yes.
    pub(super) fn acknowledge(&mut self) {
        let given = std::mem::take(&mut self.given);
        for (_, waits) in self.desk.held().items.drain(..given) {
            // Whoever has given up comes again, and is known again.
            let _ = waits.send(());
        }
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        // Whoever waits is told no at once; the server waits for them when it stops.
        self.desk.held().items.clear();
    }
}

async fn on_receipt(State(desk): State<Arc<Desk>>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(fields) = desk.settings.receipt.as_ref() else {
        return StatusCode::NOT_FOUND;
    };
    let said = match said(&desk, &uri, &headers, &body) {
        Ok(said) => said,
        Err(status) => return status,
    };
    match receipt(fields, &said, &desk.country_code) {
        Some(word) => keep(&desk, Incoming::Receipt(word)).await,
        None => StatusCode::BAD_REQUEST,
    }
}

async fn on_reply(State(desk): State<Arc<Desk>>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(fields) = desk.settings.reply.as_ref() else {
        return StatusCode::NOT_FOUND;
    };
    let said = match said(&desk, &uri, &headers, &body) {
        Ok(said) => said,
        Err(status) => return status,
    };
    let (Some(from), Some(text)) = (said.get(&fields.from), said.get(&fields.text)) else {
        return StatusCode::BAD_REQUEST;
    };
    match reply(fields, &said, (&from, &text), &desk.country_code) {
        Some(words) => keep(&desk, Incoming::Words(words)).await,
        // A service's own number: nobody whom we could answer.
        None => StatusCode::OK,
    }
}

/// Holds it until it is written down.
async fn keep(desk: &Desk, incoming: Incoming) -> StatusCode {
    let (waits, written) = oneshot::channel();
    {
        let mut held = desk.held();
        if held.items.len() >= HELD_MAX {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        held.items.push((incoming, waits));
    }
    match tokio::time::timeout(WRITTEN_WITHIN, written).await {
        Ok(Ok(())) => StatusCode::OK,
        Ok(Err(_)) | Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What a request says.
struct Said {
    fields: Vec<(String, String)>,
    json: Value,
}

impl Said {
    /// The value of a field, or what a JSON pointer leads to.
    fn get(&self, name: &str) -> Option<String> {
        if name.starts_with('/') {
            return match self.json.pointer(name)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(is) => Some(is.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            };
        }
        let mut fields = self.fields.iter();
        fields
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    }
}

/// Reads a request of somebody who knows the token.
fn said(desk: &Desk, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Result<Said, StatusCode> {
    let mut fields = pairs(uri.query().unwrap_or_default()).ok_or(StatusCode::BAD_REQUEST)?;
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let shown = fields
        .iter()
        .find(|(key, _)| key == "token")
        .map(|(_, value)| value.as_str())
        .or(bearer);
    let token = desk.settings.token.expose().trim();
    if !shown.is_some_and(|shown| is_same(shown.as_bytes(), token.as_bytes())) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let json = serde_json::from_slice(body).unwrap_or_default();
    if json == Value::Null {
        let form = std::str::from_utf8(body).map_err(|_| StatusCode::BAD_REQUEST)?;
        fields.extend(pairs(form).ok_or(StatusCode::BAD_REQUEST)?);
    }
    Ok(Said { fields, json })
}

/// A form, or the part of an address behind its question mark.
fn pairs(form: &str) -> Option<Vec<(String, String)>> {
    let uri: Uri = format!("/?{}", form.trim()).parse().ok()?;
    let Query(pairs) = Query::try_from_uri(&uri).ok()?;
    Some(pairs)
}

/// In a time that doesn't tell how much of it was right.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && differing == 0
}

fn receipt(fields: &ReceiptFields, said: &Said, country_code: &str) -> Option<LaterWord> {
    let status = said.get(&fields.status)?;
    let meaning = fields.statuses.get(&status).copied();
    let to = fields.to.as_ref().and_then(|to| said.get(to));
    Some(LaterWord {
        channel: ContactChannel::Sms,
        provider_ref: Some(said.get(&fields.id)?.replace(' ', "_")),
        reference: None,
        address: to
            .and_then(|to| international(&to, country_code))
            .map(Secret::new),
        fate: meaning.unwrap_or(LaterMeaning::Pending).fate(),
    })
}

fn reply(fields: &ReplyFields, said: &Said, (from, text): (&str, &str), country_code: &str) -> Option<Words> {
    // In a form that wasn't escaped the plus of a number is a space.
    let address = international(from, country_code)?;
    let id = fields.id.as_ref().and_then(|id| said.get(id)).unwrap_or_default();
    let mark = Fingerprint::of_parts(&[address.as_bytes(), text.as_bytes(), id.as_bytes()]);
    Some(Words {
        channel: ContactChannel::Sms,
        kind: ReplyKind::of_words(text),
        mark: mark.as_u128(),
        same_within: if id.is_empty() { TWICE_WITHIN } else { WORDS_KEPT },
        address: Secret::new(address),
    })
}

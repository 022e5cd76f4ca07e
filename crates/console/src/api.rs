//! The routes. Whatever isn't named here doesn't exist, and nothing is answered to whom shows no token that is known.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use forecall_config::{ApiRole, ApiScope, ApiSettings};
use forecall_log::{Log, LogError, OutRecord, Transaction, Writer};
use forecall_observe::{ServeError, Server, serve_router};
use forecall_types::{DomainName, EventTime};
use forecall_wire::event::TopicNames;
use serde::Deserialize;
use serde_json::json;
use tracing::{info, warn};

use crate::access::{Bearer, Tokens, needed};
use crate::desk::{self, Desk};
use crate::said::{Heard, Keys, Said, SaidError};

/// A command takes some hundred bytes; the longest list of patterns some ten thousand.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// A key stands in a record's id.
const KEY_BYTES_MAX: usize = 60;

/// What the interface speaks for.
pub struct Api {
    /// Where commands go.
    pub log: Arc<dyn Log>,
    /// How topics are called.
    pub topics: TopicNames,
    /// The domain of whoever names none.
    pub domain: DomainName,
    /// Told the time; the interface reads no clock of its own.
    pub now: Arc<dyn Fn() -> EventTime + Send + Sync>,
    /// How it is known to the log: one process, one identity.
    pub identity: String,
    /// Where customers' stories are looked up; `None`: nowhere.
    pub desk: Option<Arc<Desk>>,
    /// The process beside it, where it can be told to read its settings anew; `None`: there is none.
    pub running: Option<Arc<dyn Running>>,
}

/// A process that does something at an operator's word.
pub trait Running: Send + Sync {
    /// Reads its settings anew and goes on under them; says what came of it. It may take as long as a stop and a start.
    ///
    /// # Errors
    /// Why the settings of before hold.
    fn reload(&self, by: &str) -> Result<String, String>;

    /// Logs at another level until settings are read anew.
    ///
    /// # Errors
    /// It is no level.
    fn log_level(&self, by: &str, level: &str) -> Result<(), String>;
}

/// Why it doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address can't be had.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The topics of commands aren't there, or nothing can be written.
    #[error("failed to prepare the topics of commands")]
    Log(#[from] LogError),
}

pub(crate) struct Speaking {
    changing: RwLock<Changing>,
    topics: TopicNames,
    domain: DomainName,
    pub(crate) now: Arc<dyn Fn() -> EventTime + Send + Sync>,
    running: Option<Arc<dyn Running>>,
    /// One writes at a time: what one key says and whether it was said is one look.
    outlet: Mutex<Outlet>,
}

/// What other settings change while it is served.
struct Changing {
    tokens: Tokens,
    desk: Option<Arc<Desk>>,
}

impl Speaking {
    pub(crate) fn desk(&self) -> Option<Arc<Desk>> {
        let changing = self.changing.read().unwrap_or_else(PoisonError::into_inner);
        changing.desk.clone()
    }

    fn bearer(&self, token: &str) -> Option<Bearer> {
        let changing = self.changing.read().unwrap_or_else(PoisonError::into_inner);
        changing.tokens.bearer(token).cloned()
    }
}

/// The interface while it is served; it stops when dropped.
pub struct Interface {
    server: Server,
    speaking: Arc<Speaking>,
}

impl std::fmt::Debug for Interface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Interface").field(&self.server).finish()
    }
}

impl Interface {
    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Goes by other tokens and another desk from now on; the address stays.
    pub fn change(&self, settings: &ApiSettings, desk: Option<Arc<Desk>>) {
        let tokens = Tokens::new(&settings.tokens);
        let mut changing = self
            .speaking
            .changing
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *changing = Changing { tokens, desk };
    }
}

struct Outlet {
    log: Arc<dyn Log>,
    identity: String,
    /// Made anew after a commit that failed.
    writer: Option<Box<dyn Writer>>,
    keys: Keys,
}

impl Outlet {
    fn publish(&mut self, record: OutRecord) -> Result<(), LogError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.log.writer(&self.identity)?,
        };
        writer.commit(&Transaction {
            records: vec![record],
            positions: Vec::new(),
        })?;
        self.writer = Some(writer);
        Ok(())
    }
}

/// Serves the interface on a thread of its own; it stops when dropped.
///
/// # Errors
/// The address can't be had, or the log can't be written.
pub fn serve(settings: &ApiSettings, api: Api) -> Result<Interface, ApiError> {
    use forecall_wire::event::TopicId;
    for topic in [TopicId::Commands, TopicId::Feedback] {
        // It exists: else the broker might make it with settings of its own.
        api.log.bounds(&api.topics.name(topic))?;
    }
    let speaking = Arc::new(Speaking {
        changing: RwLock::new(Changing {
            tokens: Tokens::new(&settings.tokens),
            desk: api.desk,
        }),
        topics: api.topics,
        domain: api.domain,
        now: api.now,
        running: api.running,
        outlet: Mutex::new(Outlet {
            log: api.log,
            identity: api.identity,
            writer: None,
            keys: Keys::default(),
        }),
    });
    let router = Router::new()
        .route("/v1/whoami", get(whoami))
        .route("/v1/commands", post(command))
        .route("/v1/feedback", post(verdict))
        .route("/v1/customers/{id}/notices", get(desk::route::notices))
        .route("/v1/ivr/{place}", get(desk::ivr::announcement))
        .route("/-/reload", post(reload))
        .route("/-/log-level", post(log_level))
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&speaking), known))
        .with_state(Arc::clone(&speaking));
    let server = serve_router(settings.listen, router)?;
    Ok(Interface { server, speaking })
}

pub(crate) fn problem(status: StatusCode, what: &str) -> Response {
    (status, Json(json!({ "error": what }))).into_response()
}

/// Lets nobody through who shows no known token, whatever is asked for.
async fn known(State(speaking): State<Arc<Speaking>>, mut request: Request, next: Next) -> Response {
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(bearer) = shown.and_then(|token| speaking.bearer(token)) else {
        let mut answer = problem(
            StatusCode::UNAUTHORIZED,
            "show a token that is known: `Authorization: Bearer …`",
        );
        let challenge = header::HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return answer;
    };
    request.extensions_mut().insert(bearer);
    next.run(request).await
}

async fn nothing() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "there is nothing here: see docs/sre.md, \"Over HTTP\"",
    )
}

async fn whoami(Extension(bearer): Extension<Bearer>) -> Response {
    let scopes: Vec<&str> = bearer.scopes.iter().map(|scope| scope.as_str()).collect();
    Json(json!({ "name": bearer.name, "role": bearer.role.as_str(), "scopes": scopes })).into_response()
}

async fn command(
    State(speaking): State<Arc<Speaking>>,
    Extension(bearer): Extension<Bearer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let said = Said::command(&body, &speaking.domain);
    say(speaking, bearer, (&headers, "commands", body), said).await
}

async fn verdict(
    State(speaking): State<Arc<Speaking>>,
    Extension(bearer): Extension<Bearer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let said = Said::verdict(&body, &speaking.domain);
    say(speaking, bearer, (&headers, "feedback", body), said).await
}

/// Asks the process beside it, where the bearer may and there is one.
async fn ask_process(
    speaking: Arc<Speaking>,
    bearer: Bearer,
    ask: impl FnOnce(&dyn Running, &str) -> Result<String, String> + Send + 'static,
) -> Response {
    if bearer.role < ApiRole::Operator {
        return forbidden(&bearer, ApiRole::Operator);
    }
    let Some(running) = speaking.running.clone() else {
        return problem(
            StatusCode::NOT_IMPLEMENTED,
            "no stages run in this process: restart it, or send `SIGHUP` to those in which they do",
        );
    };
    let task = tokio::task::spawn_blocking(move || ask(running.as_ref(), &bearer.name));
    match task.await {
        Ok(Ok(told)) => Json(json!({ "status": told })).into_response(),
        Ok(Err(why)) => problem(StatusCode::UNPROCESSABLE_ENTITY, &why),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "it failed: see the log"),
    }
}

/// `POST /-/reload`
async fn reload(State(speaking): State<Arc<Speaking>>, Extension(bearer): Extension<Bearer>) -> Response {
    ask_process(speaking, bearer, |running, by| running.reload(by)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    level: String,
}

/// `POST /-/log-level`, `{"level": "info,forecall_kafka=debug"}`
async fn log_level(
    State(speaking): State<Arc<Speaking>>,
    Extension(bearer): Extension<Bearer>,
    body: Bytes,
) -> Response {
    ask_process(speaking, bearer, move |running, by| {
        let asked: Level = serde_json::from_slice(&body).map_err(|e| format!("the body: {e}"))?;
        running.log_level(by, &asked.level)?;
        Ok(format!("logs {}", asked.level))
    })
    .await
}

/// The key that its sender knows it by.
fn key(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("idempotency-key")?.to_str().ok()?;
    let is_good = (1..=KEY_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    is_good.then(|| text.to_owned())
}

async fn say(
    speaking: Arc<Speaking>,
    bearer: Bearer,
    (headers, path, body): (&HeaderMap, &'static str, Bytes),
    said: Result<Said, SaidError>,
) -> Response {
    // Who may say nothing at all learns nothing of what could be said.
    if bearer.role < ApiRole::Operator {
        return forbidden(&bearer, ApiRole::Operator);
    }
    let Some(key) = key(headers) else {
        return problem(
            StatusCode::BAD_REQUEST,
            "give it an `Idempotency-Key` of 1 to 60 letters, digits, `-`, `_`, `.` and `:`: a repeat under the same key is said once",
        );
    };
    let said = match said {
        Ok(said) => said,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let needs = match &said {
        Said::Command(_, action) => needed(action),
        Said::Verdict(..) => ApiRole::Operator,
    };
    if bearer.role < needs {
        return forbidden(&bearer, needs);
    }
    // A commit may take as long as the broker is away.
    let task = tokio::task::spawn_blocking(move || published(&speaking, &bearer, &key, (path, &body), said));
    task.await
        .unwrap_or_else(|_| problem(StatusCode::INTERNAL_SERVER_ERROR, "the writer failed"))
}

pub(crate) fn out_of_scope(bearer: &Bearer, needs: ApiScope) -> Response {
    problem(
        StatusCode::FORBIDDEN,
        &format!(
            "this needs the scope {}, which the token of {} has not",
            needs.as_str(),
            bearer.name
        ),
    )
}

fn forbidden(bearer: &Bearer, needs: ApiRole) -> Response {
    problem(
        StatusCode::FORBIDDEN,
        &format!(
            "this needs the role {}; {} is {}",
            needs.as_str(),
            bearer.name,
            bearer.role.as_str()
        ),
    )
}

fn published(
    speaking: &Speaking,
    bearer: &Bearer,
    key: &str,
    (path, body): (&str, &[u8]),
    said: Said,
) -> Response {
    // No name holds a colon: two names and their keys never make one id.
    let id = format!("{}:{key}", bearer.name);
    let answer = |status| (status, Json(json!({ "id": id }))).into_response();
    let record = match said.record(bearer, (&id, (speaking.now)()), &speaking.topics) {
        Ok(record) => record,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let mut outlet = speaking.outlet.lock().unwrap_or_else(PoisonError::into_inner);
    match outlet.keys.look(bearer, key, (path, body)) {
        Ok(Heard::New) => {}
        Ok(Heard::Before) => return answer(StatusCode::OK),
        Err(error) => return problem(StatusCode::CONFLICT, &error.to_string()),
    }
    match outlet.publish(record) {
        Ok(()) => {
            outlet.keys.keep(bearer, key, (path, body));
            info!(by = bearer.name, id, path, "said over HTTP");
            answer(StatusCode::ACCEPTED)
        }
        Err(error) => {
            warn!(by = bearer.name, id, %error, "what was said over HTTP couldn't be published");
            problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "it may not have been published: say it again under the same key",
            )
        }
    }
}

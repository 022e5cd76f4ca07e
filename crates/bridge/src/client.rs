use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use forecall_http::{ClientError as HttpError, ClientSettings, Loss, wanted_wait};
use forecall_types::EventTime;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::grafana::{Annotation, found};
use crate::settings::{BridgeSettings, BridgeTarget};
use crate::{Call, Failure, FailureClass, Plan, SigningKey};

/// Of an answer no more is read: a list of one annotation has a few KB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The certificates can't be read.
    #[error("failed to read the certificates in {path}")]
    Certificates {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A secret can't be used as one.
    #[error("`{0}` of the bridge can't be used: {1}")]
    Secret(&'static str, &'static str),
    /// The HTTP library won't start.
    #[error("failed to set up the bridge's HTTP client")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Brings plans to one target. It blocks for as long as the target takes, at most the time-out for each request. TLS 1.2 or
/// better; no redirect is followed, because one could lead to another host; no connection is kept, because between two incidents
/// any would be closed by the other side.
pub struct Client {
    http: reqwest::Client,
    runtime: Runtime,
    url: String,
    headers: HeaderMap,
    signing: Option<SigningKey>,
    routing_key: Option<forecall_ledger::Secret>,
}

impl From<HttpError> for ClientError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Certificates { path, source } => Self::Certificates { path, source },
            HttpError::Http(source) => Self::Http(source),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the address: some hold a secret in their path.
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// A header that is never shown.
fn hidden(key: &'static str, text: &str) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| ClientError::Secret(key, "it holds characters that no header may"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What paths are put behind, or the whole address.
fn base(target: &BridgeTarget) -> &str {
    match target {
        BridgeTarget::Alertmanager(_) | BridgeTarget::Grafana(_) => target.url().trim_end_matches('/'),
        BridgeTarget::Webhook(_) | BridgeTarget::PagerDuty(_) => target.url(),
    }
}

impl Client {
    /// A client of the settings' target; nothing is asked of it yet.
    ///
    /// # Errors
    /// Certificates can't be read, or a secret isn't one.
    pub fn new(settings: &BridgeSettings) -> Result<Self, ClientError> {
        let http = |e: reqwest::Error| ClientError::Http(Box::new(e));
        let target = &settings.to;
        let builder = forecall_http::builder(&ClientSettings {
            is_plain: target.url().starts_with("http://"),
            timeout: settings.retry.timeout,
            ca_file: target.ca_file().map(PathBuf::as_path),
            guard: None,
        })?
        // The same for all: an answer takes no longer than the settings say, its connection with it.
        .timeout(settings.retry.timeout)
        .pool_max_idle_per_host(0);
        let (mut headers, mut signing, mut routing_key) = (HeaderMap::new(), None, None);
        match target {
            BridgeTarget::Alertmanager(target) => {
                if let Some(token) = &target.bearer_token {
                    let text = format!("Bearer {}", token.expose().trim());
                    headers.insert(AUTHORIZATION, hidden("bearer_token", &text)?);
                } else if let (Some(name), Some(password)) = (&target.username, &target.password) {
                    let login = BASE64.encode(format!("{name}:{}", password.expose().trim()));
                    headers.insert(AUTHORIZATION, hidden("password", &format!("Basic {login}"))?);
                }
            }
            BridgeTarget::Webhook(target) => {
                let key = SigningKey::read(&target.secret);
                signing = Some(key.map_err(|_| {
                    ClientError::Secret("secret", "it is not `whsec_` and base64 of 24 to 64 bytes")
                })?);
            }
            BridgeTarget::PagerDuty(target) => routing_key = Some(target.routing_key.clone()),
            BridgeTarget::Grafana(target) => {
                let text = format!("Bearer {}", target.token.expose().trim());
                headers.insert(AUTHORIZATION, hidden("token", &text)?);
            }
        }
        Ok(Self {
            http: builder.build().map_err(http)?,
            runtime: Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| ClientError::Http(Box::new(e)))?,
            url: base(target).to_owned(),
            headers,
            signing,
            routing_key,
        })
    }

    /// Carries a plan out, once. `now` is the time of the try.
    ///
    /// # Errors
    /// What went wrong first; what came before it has been taken.
    pub fn perform(&self, plan: &Plan, now: EventTime) -> Result<(), Failure> {
        self.runtime.block_on(async {
            match plan {
                Plan::Post(calls) => {
                    for call in calls {
                        self.post(call, now).await?;
                    }
                    Ok(())
                }
                Plan::Signed(call, id) => self.post_signed(call, id, now).await,
                Plan::Annotate(annotation) => self.annotate(annotation, now).await,
            }
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.http.request(method, url).headers(self.headers.clone())
    }

    async fn post(&self, call: &Call, now: EventTime) -> Result<(), Failure> {
        let mut body = call.body.clone();
        if let (Some(key), Some(map)) = (&self.routing_key, body.as_object_mut()) {
            map.insert("routing_key".to_owned(), Value::from(key.expose().trim()));
        }
        post(self.request(Method::POST, call.path), Some(&body), now).await
    }

    async fn post_signed(&self, call: &Call, id: &str, now: EventTime) -> Result<(), Failure> {
        let body = call.body.to_string();
        let seconds = now.secs();
        let mut request = self
            .request(Method::POST, call.path)
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds.to_string());
        if let Some(key) = &self.signing {
            request = request.header("webhook-signature", key.sign(id, seconds, body.as_bytes()));
        }
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        post(request, None, now).await
    }

    /// Finds the incident's annotation and changes it, or makes it.
    async fn annotate(&self, annotation: &Annotation, now: EventTime) -> Result<(), Failure> {
        let answer = ask(self.request(Method::GET, &annotation.search()), now).await?;
        let number = found(&answer).map_err(|()| Failure::of(FailureClass::Broken))?;
        let (method, path, body) = match number {
            Some(number) => (
                Method::PATCH,
                format!("/api/annotations/{number}"),
                annotation.change(),
            ),
            None => (Method::POST, "/api/annotations".to_owned(), annotation.creation()),
        };
        post(self.request(method, &path), Some(&body), now).await
    }
}

/// The answer to a request, where its status says yes.
async fn send(request: RequestBuilder, json: Option<&Value>, now: EventTime) -> Result<Response, Failure> {
    let request = match json {
        Some(body) => request
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string()),
        None => request,
    };
    let answer = request.send().await.map_err(|e| failure_of(&e))?;
    match Failure::of_status(answer.status().as_u16(), wanted_wait(answer.headers(), now)) {
        Some(failure) => Err(failure),
        None => Ok(answer),
    }
}

/// Says something. A status that says yes is a yes: what becomes of the body behind it, which nobody needs, changes nothing. It is
/// read all the same, for a receiver may give up its work where we hang up on it.
async fn post(request: RequestBuilder, json: Option<&Value>, now: EventTime) -> Result<(), Failure> {
    let mut answer = send(request, json, now).await?;
    let mut read = 0_usize;
    while let Ok(Some(chunk)) = answer.chunk().await {
        read = read.saturating_add(chunk.len());
        if read > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(())
}

/// Asks for something: the body of an answer that says yes.
async fn ask(request: RequestBuilder, now: EventTime) -> Result<Vec<u8>, Failure> {
    let mut answer = send(request, None, now).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| failure_of(&e))? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failure::of(FailureClass::Broken));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The class of what the library says.
fn failure_of(error: &reqwest::Error) -> Failure {
    Failure::of(match Loss::of(error) {
        Loss::Timeout => FailureClass::Timeout,
        // A connection that wasn't there in time has timed out, too.
        Loss::Unreachable if error.is_timeout() => FailureClass::Timeout,
        Loss::Tls => FailureClass::Tls,
        Loss::Unreachable => FailureClass::Unreachable,
        Loss::Forbidden | Loss::Broken => FailureClass::Broken,
    })
}

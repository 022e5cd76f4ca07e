use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::EventTime;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::tls::{Certificate, Version};
use reqwest::{ClientBuilder, Response, Url};
use tokio::runtime::{Builder, Runtime};

use crate::{Guard, Loss, wanted_wait};

/// A connection stands in milliseconds; three losses of its first packet fit in.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Kept between two messages of a batch; longer, and the other side may close it while a message is on its way.
const IDLE_MAX: Duration = Duration::from_secs(2);
/// Of an answer no more is read: yes, no and why have room in it, and nobody can fill our memory.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

type Cause = Box<dyn std::error::Error + Send + Sync>;

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
        source: Cause,
    },
    /// The HTTP library won't start.
    #[error("failed to set up the HTTP client")]
    Http(#[source] Cause),
}

/// How others are asked.
#[derive(Debug, Clone)]
pub struct ClientSettings<'a> {
    /// Plain HTTP: only where the operator has named the address and means it. Never together with a guard.
    pub is_plain: bool,
    /// Longest wait for an answer; for the connection at most as long, and at most 5 s.
    pub timeout: Duration,
    /// Certificates to trust beside the system's, PEM.
    pub ca_file: Option<&'a Path>,
    /// Where addresses come from others: which may be asked.
    pub guard: Option<Guard>,
}

/// The library's client, set up as the house has it: TLS 1.2 or better, no redirect (it could lead elsewhere), no proxy where a guard
/// must see the address itself.
///
/// # Errors
/// Certificates that can't be read.
pub fn builder(settings: &ClientSettings<'_>) -> Result<ClientBuilder, ClientError> {
    let connect_within = settings.timeout.min(CONNECT_WITHIN);
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("forecall/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(connect_within)
        // Of both, that of the connection must run out first: then nothing was sent for certain.
        .timeout(settings.timeout + connect_within)
        .pool_idle_timeout(IDLE_MAX)
        .https_only(!settings.is_plain || settings.guard.is_some())
        .tls_version_min(Version::TLS_1_2)
        .tls_certs_merge(certificates(settings.ca_file)?);
    if settings.is_plain {
        builder = builder.no_proxy();
    }
    if let Some(guard) = &settings.guard {
        // A proxy would look names up by itself.
        builder = builder.no_proxy().dns_resolver(Arc::new(guard.clone()));
    }
    Ok(builder)
}

fn certificates(file: Option<&Path>) -> Result<Vec<Certificate>, ClientError> {
    let Some(path) = file else {
        return Ok(Vec::new());
    };
    let failed = |source: Cause| ClientError::Certificates {
        path: path.display().to_string(),
        source,
    };
    let pem = std::fs::read(path).map_err(|e| failed(Box::new(e)))?;
    Certificate::from_pem_bundle(&pem).map_err(|e| failed(Box::new(e)))
}

/// One request, always with a body. It isn't shown: addresses hold tokens and people's own ways.
#[derive(Clone)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// Its headers; those that hold secrets are marked so.
    pub headers: HeaderMap,
    /// What is posted.
    pub body: Vec<u8>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// When they want us again.
    pub retry_after: Option<Duration>,
    /// At most 64 KiB of the body; one that breaks off ends there.
    pub body: Vec<u8>,
}

/// Posts to others. It blocks for as long as they take, at most the time-out.
pub struct Client {
    http: reqwest::Client,
    runtime: Runtime,
    guard: Option<Guard>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// Certificates that can't be read, or the library won't start.
    pub fn new(settings: &ClientSettings<'_>) -> Result<Self, ClientError> {
        Ok(Self {
            http: builder(settings)?
                .build()
                .map_err(|e| ClientError::Http(Box::new(e)))?,
            runtime: Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| ClientError::Http(Box::new(e)))?,
            guard: settings.guard.clone(),
        })
    }

    /// Posts all of them at the same time. There is an answer for each, in their order. `now` is the time of the try.
    pub fn post_all(&self, requests: Vec<Request>, now: EventTime) -> Vec<Result<Answer, Loss>> {
        self.runtime.block_on(async {
            let asked: Vec<_> = requests
                .into_iter()
                .map(|request| {
                    let prepared = self.prepare(request);
                    tokio::spawn(async move { answer(prepared?, now).await })
                })
                .collect();
            let mut answers = Vec::with_capacity(asked.len());
            for one in asked {
                // A task of ours that died may have said something.
                answers.push(one.await.unwrap_or(Err(Loss::Broken)));
            }
            answers
        })
    }

    fn prepare(&self, request: Request) -> Result<reqwest::RequestBuilder, Loss> {
        let url: Url = request.url.parse().map_err(|_| Loss::Forbidden)?;
        if self.guard.as_ref().is_some_and(|guard| !guard.may_ask(&url)) {
            return Err(Loss::Forbidden);
        }
        Ok(self.http.post(url).headers(request.headers).body(request.body))
    }
}

async fn answer(request: reqwest::RequestBuilder, now: EventTime) -> Result<Answer, Loss> {
    let response = request.send().await.map_err(|e| Loss::of(&e))?;
    Ok(Answer {
        status: response.status().as_u16(),
        retry_after: wanted_wait(response.headers(), now),
        body: body(response).await,
    })
}

/// It is read even where nobody needs it: a receiver may give up its work where we hang up on it.
async fn body(mut response: Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

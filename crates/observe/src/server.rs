use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::oneshot;

use crate::registry::Metrics;

/// What `/-/ready` and `/-/healthy` say: components report, the server asks.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, Condition>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Starting,
    Ready,
    Failed(String),
}

impl Health {
    fn set(&self, component: &str, condition: Condition) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(component.to_owned(), condition);
    }

    /// Says whether a component is ready; one that never reported doesn't count.
    pub fn set_ready(&self, component: &str, ready: bool) {
        self.set(
            component,
            if ready {
                Condition::Ready
            } else {
                Condition::Starting
            },
        );
    }

    /// Says that a component has failed for good.
    pub fn fail(&self, component: &str, reason: &str) {
        self.set(component, Condition::Failed(reason.to_owned()));
    }

    /// What keeps the process from being ready: component and reason. Empty: ready.
    pub fn unready(&self) -> Vec<(String, String)> {
        let conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if conditions.is_empty() {
            return vec![("process".to_owned(), "starting".to_owned())];
        }
        conditions
            .iter()
            .filter_map(|(name, condition)| match condition {
                Condition::Ready => None,
                Condition::Starting => Some((name.clone(), "not ready yet".to_owned())),
                Condition::Failed(reason) => Some((name.clone(), reason.clone())),
            })
            .collect()
    }

    /// What has failed for good.
    pub fn failed(&self) -> Vec<(String, String)> {
        let conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        conditions
            .iter()
            .filter_map(|(name, condition)| match condition {
                Condition::Failed(reason) => Some((name.clone(), reason.clone())),
                Condition::Ready | Condition::Starting => None,
            })
            .collect()
    }
}

/// Why the HTTP server didn't start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is reachable from other machines and nobody said that it may be.
    #[error(
        "{0} is not a loopback address; set `http.allow_remote: true` if other machines may read the metrics"
    )]
    NotLoopback(SocketAddr),
    /// The address can't be bound.
    #[error("failed to listen on {address}; is another forecall running? `http.listen` sets the address")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// The running server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Where it listens: tells the port where 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have stopped by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Shared {
    metrics: Metrics,
    health: Health,
}

/// Serves `/metrics`, `/metrics/anomaly`, `/-/healthy` and `/-/ready` on a thread of its own.
///
/// # Errors
/// See [`ServeError`].
pub fn serve(
    address: SocketAddr,
    allow_remote: bool,
    metrics: Metrics,
    health: Health,
) -> Result<Server, ServeError> {
    if !address.ip().is_loopback() && !allow_remote {
        return Err(ServeError::NotLoopback(address));
    }
    let router = Router::new()
        .route("/", get(index))
        .route("/metrics", get(text))
        .route("/metrics/anomaly", get(anomalies))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .with_state(Shared { metrics, health });
    host(address, router)
}

/// Serves other routes on a thread of their own, to this machine alone.
///
/// # Errors
/// See [`ServeError`].
pub fn serve_router(address: SocketAddr, router: Router) -> Result<Server, ServeError> {
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    host(address, router)
}

fn host(address: SocketAddr, router: Router) -> Result<Server, ServeError> {
    let bind = |source| ServeError::Bind { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(bind)?;
    listener.set_nonblocking(true).map_err(bind)?;
    let local = listener.local_addr().map_err(bind)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(bind)?;
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                return;
            };
            let stopped = async {
                let _ = stopped.await;
            };
            // An error here ends the server only; the pipeline goes on and the scraper tells.
            if let Err(error) = axum::serve(listener, router)
                .with_graceful_shutdown(stopped)
                .await
            {
                tracing::error!(%error, "the HTTP server stopped");
            }
        });
    });
    Ok(Server {
        address: local,
        stop: Some(stop),
        thread: Some(thread),
    })
}

const TEXT: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];

async fn text(State(shared): State<Shared>) -> impl IntoResponse {
    (TEXT, shared.metrics.text())
}

async fn anomalies(State(shared): State<Shared>) -> impl IntoResponse {
    (TEXT, shared.metrics.anomaly_text())
}

fn answer(problems: &[(String, String)], good: &str) -> (StatusCode, Json<serde_json::Value>) {
    if problems.is_empty() {
        (StatusCode::OK, Json(json!({ "status": good })))
    } else {
        let why: BTreeMap<_, _> = problems.iter().cloned().collect();
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "status": "unavailable", "why": why })),
        )
    }
}

async fn healthy(State(shared): State<Shared>) -> impl IntoResponse {
    answer(&shared.health.failed(), "healthy")
}

async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    answer(&shared.health.unready(), "ready")
}

async fn index() -> Html<&'static str> {
    Html(
        "<!doctype html><title>forecall</title><h1>forecall</h1><ul>\
         <li><a href=\"/metrics\">metrics</a><li><a href=\"/metrics/anomaly\">chosen series</a><li><a href=\"/-/healthy\">healthy</a><li><a href=\"/-/ready\">ready</a></ul>",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    fn ask(server: &Server, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(server.local_addr()).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn answers_and_stops() {
        let health = Health::default();
        let server = serve(
            "127.0.0.1:0".parse().unwrap(),
            false,
            Metrics::new(),
            health.clone(),
        )
        .unwrap();
        assert!(ask(&server, "/-/ready").starts_with("HTTP/1.1 503"));
        health.set_ready("detect", true);
        assert!(ask(&server, "/-/ready").starts_with("HTTP/1.1 200"));
        assert!(ask(&server, "/metrics").contains("forecall_build_info"));
        assert!(ask(&server, "/metrics/anomaly").starts_with("HTTP/1.1 200"));
        health.fail("detect", "digest mismatch");
        let unhealthy = ask(&server, "/-/healthy");
        assert!(
            unhealthy.starts_with("HTTP/1.1 503") && unhealthy.contains("digest mismatch"),
            "{unhealthy}"
        );
    }

    #[test]
    fn other_machines_are_kept_out_unless_told() {
        let error = serve(
            "0.0.0.0:0".parse().unwrap(),
            false,
            Metrics::new(),
            Health::default(),
        )
        .unwrap_err();
        assert!(error.to_string().contains("http.allow_remote"), "{error}");
    }
}

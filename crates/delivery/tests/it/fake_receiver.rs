//! Fakes on the loopback that answer as planned and keep what they were asked: receivers of webhooks, bots, push services. They have the
//! shape of such servers, and no more.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use native_tls::TlsAcceptor;

use crate::certificate::self_signed;

/// What it does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// This status, these headers, this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// It reads the request and hangs up.
    HangUp,
    /// It reads the request and says nothing for so long.
    Silent(Duration),
}

pub(crate) fn status(status: u16) -> Say {
    Say::Answer(status, Vec::new(), String::new())
}

pub(crate) fn json(status: u16, body: &serde_json::Value) -> Say {
    Say::Answer(status, Vec::new(), body.to_string())
}

pub(crate) fn after(status: u16, seconds: u32) -> Say {
    Say::Answer(status, vec![("retry-after", seconds.to_string())], String::new())
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

#[derive(Default)]
struct Shared {
    asked: Mutex<Vec<Asked>>,
    plan: Mutex<VecDeque<Say>>,
    connections: AtomicUsize,
}

/// The fake. Each request has a connection of its own. It ends with the test process.
pub(crate) struct FakeReceiver {
    pub(crate) port: u16,
    /// Its certificate, where it speaks TLS.
    pem: Vec<u8>,
    shared: Arc<Shared>,
}

impl FakeReceiver {
    /// Behind TLS: by plan, then what `usual` says.
    pub(crate) fn private(plan: &[Say], usual: Say) -> Self {
        let (pem, tls) = self_signed();
        Self::start(plan, usual, pem, Some(tls))
    }

    /// The same without TLS.
    pub(crate) fn plain(plan: &[Say], usual: Say) -> Self {
        Self::start(plan, usual, Vec::new(), None)
    }

    fn start(plan: &[Say], usual: Say, pem: Vec<u8>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        shared.plan.lock().unwrap().extend(plan.iter().cloned());
        let kept = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                kept.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, usual, tls) = (Arc::clone(&kept), usual.clone(), tls.clone());
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                thread::spawn(move || match tls {
                    Some(tls) => serve(tls.accept(stream).ok()?, &shared, &usual),
                    None => serve(stream, &shared, &usual),
                });
            }
        });
        Self { port, pem, shared }
    }

    /// Where its certificate stands, once it is written there.
    pub(crate) fn ca_file(&self, folder: &Path) -> std::path::PathBuf {
        let file = folder.join("ca.pem");
        std::fs::write(&file, &self.pem).unwrap();
        file
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Connections that were made to it, whatever came of them.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

fn serve(stream: impl Read + Write, shared: &Shared, usual: &Say) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    // The plan is of requests in their order, so both are taken together.
    let say = {
        let mut plan = shared.plan.lock().unwrap();
        shared.asked.lock().unwrap().push(Asked {
            line: line.trim_end().to_owned(),
            headers,
            body,
        });
        plan.pop_front().unwrap_or_else(|| usual.clone())
    };
    let (status, more, text) = match say {
        Say::Answer(status, headers, text) => (status, headers, text),
        Say::HangUp => return None,
        Say::Silent(span) => {
            thread::sleep(span);
            return None;
        }
    };
    let more: String = more
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!(
        "HTTP/1.1 {status} x\r\n{more}connection: close\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    reader.get_mut().write_all(head.as_bytes()).ok()?;
    reader.get_mut().flush().ok()
}

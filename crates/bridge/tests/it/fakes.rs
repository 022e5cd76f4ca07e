//! Servers on the loopback that have the shape of a target: what they were asked is kept, and faults come as planned. They are
//! no more than that shape: what a real PagerDuty or Grafana does beyond its documented interface, they don't.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) const ROUTING_KEY: &str = "r0uting-key-of-32-characters-000";
pub(crate) const TOKEN: &str = "glsa_token";

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Answer(u16, Vec<(&'static str, String)>, String),
    /// These bytes, and the connection is closed.
    Raw(String),
    /// These bytes, and nothing more.
    Stall(String),
    /// The request is read, and nothing said.
    Hang,
    /// The request is read and the connection closed.
    Close,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Answer(status, Vec::new(), body.to_string())
    }

    pub(crate) fn after(status: u16, seconds: u32) -> Self {
        Self::Answer(status, vec![("Retry-After", seconds.to_string())], String::new())
    }
}

/// A server that answers by a function. It ends with the test process.
pub(crate) struct Fake {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    /// Answers each request with what `answer` says of it.
    pub(crate) fn start(mut answer: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        Self::serve(move |stream, seen| {
            let _ = one(stream, &mut answer, seen);
        })
    }

    /// Hands each connection to `take`.
    pub(crate) fn serve(mut take: impl FnMut(TcpStream, &Mutex<Vec<Seen>>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                take(stream, &kept);
            }
        });
        Self { port, seen }
    }

    /// These faults first, one a request; then as `answer` says.
    pub(crate) fn with_faults(
        faults: impl IntoIterator<Item = Reply>,
        mut answer: impl FnMut(&Seen) -> Reply + Send + 'static,
    ) -> Self {
        let mut faults: VecDeque<Reply> = faults.into_iter().collect();
        Self::start(move |seen| faults.pop_front().unwrap_or_else(|| answer(seen)))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request of a connection; each of ours has one.
pub(crate) fn one(
    stream: impl Read + Write,
    answer: &mut impl FnMut(&Seen) -> Reply,
    kept: &Mutex<Vec<Seen>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |l| l.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let seen = Seen {
        method,
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
    };
    let reply = answer(&seen);
    kept.lock().unwrap().push(seen);
    let (status, headers, body) = match reply {
        Reply::Answer(status, headers, body) => (status, headers, body),
        Reply::Close => return Ok(()),
        Reply::Raw(text) => return reader.into_inner().write_all(text.as_bytes()),
        Reply::Stall(text) => {
            let mut stream = reader.into_inner();
            stream.write_all(text.as_bytes())?;
            stream.flush()?;
            std::thread::sleep(Duration::from_secs(3));
            return Ok(());
        }
        Reply::Hang => {
            std::thread::sleep(Duration::from_secs(3));
            return Ok(());
        }
    };
    let headers: String = headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    let length = body.len();
    let mut stream = reader.into_inner();
    stream.write_all(
        format!(
            "HTTP/1.1 {status} x\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .as_bytes(),
    )
}

/// The shape of PagerDuty's Events API v2: it knows its key, takes the three actions, and refuses what lacks a field.
pub(crate) fn fake_pager_duty(faults: impl IntoIterator<Item = Reply>) -> Fake {
    Fake::with_faults(faults, |seen| {
        let event = seen.json();
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let has = |pointers: &[&str]| pointers.iter().all(|p| !text(p).is_empty());
        let is_whole = match text("/event_action") {
            "trigger" => {
                has(&["/payload/summary", "/payload/source"])
                    && ["critical", "error", "warning", "info"].contains(&text("/payload/severity"))
                    && text("/payload/summary").chars().count() <= 1024
            }
            "acknowledge" | "resolve" => true,
            _ => false,
        };
        let is_known = text("/routing_key") == ROUTING_KEY && text("/dedup_key").len() <= 255;
        if seen.method == "POST" && is_whole && is_known && has(&["/dedup_key"]) {
            Reply::json(
                202,
                &json!({"status": "success", "dedup_key": text("/dedup_key")}),
            )
        } else {
            Reply::json(400, &json!({"status": "invalid event"}))
        }
    })
}

/// The shape of Grafana's annotations: found by all of the tags asked for, made, changed.
pub(crate) fn fake_grafana(faults: impl IntoIterator<Item = Reply>) -> (Fake, Arc<Mutex<Vec<Value>>>) {
    let all = Arc::new(Mutex::new(Vec::<Value>::new()));
    let kept = Arc::clone(&all);
    let fake = Fake::with_faults(faults, move |seen| {
        if seen.headers.get("authorization").map(String::as_str) != Some("Bearer glsa_token") {
            return Reply::status(401);
        }
        let mut all = kept.lock().unwrap();
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        match (seen.method.as_str(), path.strip_prefix("/api/annotations")) {
            ("GET", Some("")) => {
                let tags: Vec<String> = query
                    .split('&')
                    .filter_map(|p| p.strip_prefix("tags="))
                    .map(|t| t.replace("%3A", ":"))
                    .collect();
                let has = |one: &Value, tag: &String| one["tags"].as_array().unwrap().contains(&json!(tag));
                let found: Vec<&Value> = all
                    .iter()
                    .filter(|one| tags.iter().all(|tag| has(one, tag)))
                    .collect();
                Reply::json(200, &json!(found))
            }
            ("POST", Some("")) => {
                let mut one = seen.json();
                let id = all.len() + 1;
                one["id"] = json!(id);
                all.push(one);
                Reply::json(200, &json!({"id": id, "message": "Annotation added"}))
            }
            ("PATCH", Some(id)) => {
                let id: usize = id.trim_start_matches('/').parse().unwrap();
                for (key, value) in seen.json().as_object().unwrap() {
                    all[id - 1][key] = value.clone();
                }
                Reply::json(200, &json!({"message": "Annotation patched"}))
            }
            _ => Reply::status(404),
        }
    });
    (fake, all)
}

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the gateway does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// This status and body.
    Answer(u16, &'static str),
    /// This status, and to come again after so many seconds.
    Later(u16, u32),
    /// It reads the request and hangs up.
    HangUp,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

const YES: &str = r#"{"return":{"status":200},"entries":[{"messageid":1}],"sid":"SM1"}"#;

/// A gateway for text messages behind HTTP, a fake: it answers by plan, then with a yes of each shape.
pub(crate) struct FakeGateway {
    pub(crate) port: u16,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    refused: Arc<Mutex<Option<&'static str>>>,
}

impl FakeGateway {
    pub(crate) fn start(plan: &[Say]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let plan = Arc::new(Mutex::new(plan.iter().cloned().collect::<VecDeque<_>>()));
        let shared = Arc::clone(&asked);
        let refused = Arc::new(Mutex::new(None));
        let refuses = Arc::clone(&refused);
        // It ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, plan) = (Arc::clone(&shared), Arc::clone(&plan));
                let refuses = Arc::clone(&refuses);
                thread::spawn(move || serve(stream, &shared, &plan, &refuses));
            }
        });
        Self { port, asked, refused }
    }

    /// It says 403 to whatever holds this, and yes to the rest.
    pub(crate) fn refusing(what: &'static str) -> Self {
        let gateway = Self::start(&[]);
        *gateway.refused.lock().unwrap() = Some(what);
        gateway
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    asked: &Mutex<Vec<Asked>>,
    plan: &Mutex<VecDeque<Say>>,
    refused: &Mutex<Option<&'static str>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut out = stream;
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let length = lines.iter().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(|n| n.trim().parse::<usize>().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).unwrap();
        let is_refused = refused.lock().unwrap().is_some_and(|what| body.contains(what));
        asked.lock().unwrap().push(Asked {
            line: lines.remove(0),
            headers: lines,
            body,
        });
        let usual = if is_refused {
            Say::Answer(403, "")
        } else {
            Say::Answer(200, YES)
        };
        let say = plan.lock().unwrap().pop_front().unwrap_or(usual);
        let (status, more, text) = match say {
            Say::Answer(status, text) => (status, String::new(), text),
            Say::Later(status, seconds) => (status, format!("retry-after: {seconds}\r\n"), ""),
            Say::HangUp => return None,
        };
        let head = format!(
            "HTTP/1.1 {status} x\r\n{more}content-length: {}\r\n\r\n{text}",
            text.len()
        );
        out.write_all(head.as_bytes()).ok()?;
    }
}

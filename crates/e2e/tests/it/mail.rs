//! GreenMail: a real SMTP server, whose mailboxes are read over its HTTP interface.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::process::{Program, told, wait_for};
use crate::{http, ports};

/// A Java program starts in two seconds on an idle machine.
const START: Duration = Duration::from_secs(60);

/// A running mail server.
pub(crate) struct MailServer {
    _program: Program,
    pub(crate) smtp_port: u16,
    api: SocketAddr,
}

/// A mail as it lies in a mailbox.
pub(crate) struct Letter {
    pub(crate) to: String,
    pub(crate) subject: String,
    /// The part in plain text.
    pub(crate) body: String,
    /// As it was sent.
    pub(crate) source: String,
}

impl MailServer {
    pub(crate) fn start(folder: &Path) -> Self {
        let (smtp_port, api_port) = (ports::free(), ports::free());
        let mut command = Command::new(told("FORECALL_E2E_JAVA"));
        command
            .args(["-Xmx96m", "-XX:TieredStopAtLevel=1"])
            .arg("-Dgreenmail.smtp.hostname=127.0.0.1")
            .arg(format!("-Dgreenmail.smtp.port={smtp_port}"))
            .arg("-Dgreenmail.api.hostname=127.0.0.1")
            .arg(format!("-Dgreenmail.api.port={api_port}"))
            // A mailbox comes to be with the first mail to it.
            .arg("-Dgreenmail.auth.disabled")
            .arg("-jar")
            .arg(told("FORECALL_E2E_GREENMAIL"));
        let mut program = Program::start("greenmail", &mut command, folder);
        let api = SocketAddr::from((Ipv4Addr::LOCALHOST, api_port));
        wait_for("GreenMail's start", START, || {
            program.check_running();
            http::get(api, "/api/service/readiness").filter(|(status, _)| *status == 200)
        });
        Self {
            _program: program,
            smtp_port,
            api,
        }
    }

    /// What has come for this address.
    pub(crate) fn letters(&self, address: &str) -> Vec<Letter> {
        let Some((200, text)) = http::get(self.api, &format!("/api/user/{address}/messages")) else {
            return Vec::new();
        };
        let messages: Vec<Value> = serde_json::from_str(&text).unwrap();
        messages.iter().map(letter).collect()
    }
}

fn letter(message: &Value) -> Letter {
    let source = message["mimeMessage"].as_str().unwrap();
    let header = |name: &str| header(source, name).unwrap_or_default();
    Letter {
        to: header("To"),
        subject: message["subject"].as_str().unwrap_or_default().to_owned(),
        body: plain_text(source),
        source: source.to_owned(),
    }
}

/// The first header of this name at the beginning of a text, folded lines joined.
fn header(text: &str, name: &str) -> Option<String> {
    let mut lines = text
        .split("\r\n")
        .take_while(|line| !line.is_empty())
        .skip_while(|line| {
            !line
                .get(..=name.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(&format!("{name}:")))
        });
    let first = lines.next()?.get(name.len() + 1..)?.trim().to_owned();
    Some(
        lines
            .take_while(|line| line.starts_with([' ', '\t']))
            .fold(first, |all, line| all + line),
    )
}

/// The part of type text/plain, decoded.
fn plain_text(source: &str) -> String {
    let kind = header(source, "Content-Type").expect("a content type");
    let boundary = kind
        .split("boundary=")
        .nth(1)
        .expect("several parts")
        .trim_matches('"');
    let part = source
        .split(&format!("--{boundary}"))
        .map(str::trim_start)
        .find(|part| header(part, "Content-Type").is_some_and(|kind| kind.starts_with("text/plain")))
        .expect("a part in plain text");
    let (_, body) = part.split_once("\r\n\r\n").unwrap();
    match header(part, "Content-Transfer-Encoding")
        .unwrap_or_default()
        .as_str()
    {
        "base64" => String::from_utf8(
            BASE64
                .decode(body.split_whitespace().collect::<String>())
                .unwrap(),
        )
        .unwrap(),
        "quoted-printable" => quoted_printable(body),
        "7bit" | "" => body.to_owned(),
        other => panic!("a part is written in {other}"),
    }
}

/// RFC 2045 §6.7.
fn quoted_printable(text: &str) -> String {
    let text = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'=' {
            let digits = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn parts_are_decoded() {
    for (encoding, body) in [
        ("base64", "2LPZhNin2YU="),
        ("quoted-printable", "=D8=B3=D9=84=\r\n=D8=A7=D9=85"),
    ] {
        let source = format!(
            "To: <a@example.com>\r\nContent-Type: multipart/alternative;\r\n boundary=\"x\"\r\n\r\n--x\r\nContent-Type: \
             text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n--x--\r\n"
        );
        assert_eq!(plain_text(&source).trim(), "سلام");
        assert_eq!(header(&source, "to").as_deref(), Some("<a@example.com>"));
    }
}

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use forecall_ledger::Masked;
use forecall_types::ContactChannel;
use serde::Serialize;

use crate::{Accepted, Capabilities, Gateway, Message, SendError};

/// A writer that sinks of several channels share.
pub type SharedWriter = Arc<Mutex<Box<dyn Write + Send>>>;

/// A sink: writes each message as one line of JSON, its address masked, and sends nothing to anybody. For the demo, for
/// trying a policy out, and for tests. What it takes is `accepted`, never `delivered`.
pub struct FileSink {
    channel: ContactChannel,
    writer: SharedWriter,
    lines: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    at: i64,
    channel: ContactChannel,
    intent: &'a str,
    notice: &'a str,
    incident: &'a str,
    customer: &'a str,
    to: String,
    attempt: u32,
    language: &'a str,
    subject: Option<&'a str>,
    body: &'a str,
}

impl FileSink {
    /// Onto a writer, shared or not.
    pub fn new(channel: ContactChannel, writer: SharedWriter) -> Self {
        Self {
            channel,
            writer,
            lines: 0,
        }
    }

    /// At the end of a file.
    ///
    /// # Errors
    /// The file can't be opened.
    pub fn append(channel: ContactChannel, path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self::new(channel, Arc::new(Mutex::new(Box::new(file)))))
    }

    /// Onto standard output.
    pub fn console(channel: ContactChannel) -> Self {
        Self::new(channel, Arc::new(Mutex::new(Box::new(io::stdout()))))
    }
}

impl Gateway for FileSink {
    fn channel(&self) -> ContactChannel {
        self.channel
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            client_reference: false,
            receipts: false,
        }
    }

    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError> {
        const DOWN: SendError = SendError::Down {
            reason: "sink_not_writable",
            code: None,
        };
        let line = Line {
            at: message.at.millis(),
            channel: self.channel,
            intent: message.intent.id.as_str(),
            notice: message.intent.notice.as_str(),
            incident: message.intent.incident.as_str(),
            customer: message.intent.customer.as_str(),
            to: Masked::new(self.channel, &message.contact.address).to_string(),
            attempt: message.attempt,
            language: message.text.language.as_str(),
            subject: message.text.subject.as_deref(),
            body: &message.text.body,
        };
        let mut bytes = serde_json::to_vec(&line).map_err(|_| DOWN)?;
        bytes.push(b'\n');
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // One write a line, so that lines of two sinks on one file don't run into each other.
        writer
            .write_all(&bytes)
            .and_then(|()| writer.flush())
            .map_err(|_| DOWN)?;
        self.lines += 1;
        Ok(Accepted {
            provider_ref: Some(format!("line-{}", self.lines)),
        })
    }
}

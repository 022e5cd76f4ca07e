use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use native_tls::{Certificate, TlsConnector, TlsStream};
use rusmpp_core::CommandStatus;
use rusmpp_core::command::owned::Command;
use rusmpp_core::decode::owned::DecodeWithLength;
use rusmpp_core::encode::Length;
use rusmpp_core::encode::owned::Encode;
use rusmpp_core::pdus::owned::Pdu;

use super::settings::{SmppSettings, SmppTls};
use crate::SendError;

const HEADER_BYTES: usize = 16;
/// A `message_payload` has at most 64 KiB; beside it there is little.
const PDU_BYTES_MAX: usize = 66 * 1024;
/// A connection stands in milliseconds; three losses of its first packet fit in. Longer would hold up the other channels.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Read at once: some hundred answers.
const CHUNK: usize = 16 * 1024;

/// The line is gone, or can't be trusted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost(pub(super) &'static str);

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Frames of SMPP over one connection.
pub(super) struct Link {
    wire: Wire,
    read: BytesMut,
    written: BytesMut,
    sequence: u32,
}

/// One frame of the other side.
pub(super) enum Frame {
    /// One we understand.
    Command(Box<Command>),
    /// One we don't: answered with a refusal already.
    Refused,
}

impl Link {
    pub(super) fn connect(settings: &SmppSettings, tls: Option<&TlsConnector>) -> Result<Self, SendError> {
        let down = |reason| SendError::Down { reason, code: None };
        let wait = settings.timeout.min(CONNECT_WITHIN);
        let stream = addresses(settings)
            .into_iter()
            .find_map(|address| TcpStream::connect_timeout(&address, wait).ok())
            .ok_or(down("connect"))?;
        // Small frames, each waited for: they mustn't wait for one another.
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(settings.timeout)))
            .and_then(|()| stream.set_write_timeout(Some(settings.timeout)))
            .map_err(|_| down("connect"))?;
        let wire = match (settings.tls, tls) {
            (SmppTls::None, _) => Wire::Plain(stream),
            (SmppTls::Implicit, Some(tls)) => {
                let encrypted = tls.connect(&settings.host, stream).map_err(|_| down("tls"))?;
                Wire::Tls(Box::new(encrypted))
            }
            (SmppTls::Implicit, None) => return Err(down("tls")),
        };
        Ok(Self {
            wire,
            read: BytesMut::new(),
            written: BytesMut::new(),
            sequence: 0,
        })
    }

    /// Puts a request behind what is to be written, and gives its number.
    pub(super) fn ask(&mut self, pdu: impl Into<Pdu>) -> u32 {
        // From 1 to 0x7FFFFFFF (3.4 §5.1.4).
        self.sequence = if self.sequence >= 0x7fff_ffff {
            1
        } else {
            self.sequence + 1
        };
        let sequence = self.sequence;
        self.put(&Command::new(CommandStatus::EsmeRok, sequence, pdu));
        sequence
    }

    /// Puts an answer behind what is to be written.
    pub(super) fn answer(&mut self, status: CommandStatus, sequence: u32, pdu: impl Into<Pdu>) {
        self.put(&Command::new(status, sequence, pdu));
    }

    fn put(&mut self, command: &Command) {
        let length = 4 + command.length();
        self.written.reserve(length);
        self.written.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        command.encode(&mut self.written);
    }

    /// Writes what was put.
    pub(super) fn flush(&mut self) -> Result<(), Lost> {
        if self.written.is_empty() {
            return Ok(());
        }
        let bytes = self.written.split();
        let done = match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(&bytes).and_then(|()| stream.flush()),
            Wire::Tls(stream) => stream.write_all(&bytes).and_then(|()| stream.flush()),
        };
        done.map_err(|_| Lost("not_writable"))
    }

    /// The next frame, waited for at most so long; `None`: none came.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<Frame>, Lost> {
        let until = Instant::now() + wait;
        loop {
            if let Some(frame) = self.frame()? {
                return Ok(Some(frame));
            }
            let left = until.saturating_duration_since(Instant::now());
            if !self.fill(left)? && left.is_zero() {
                return Ok(None);
            }
        }
    }

    /// Reads what there is, at most so long. Says whether anything came.
    fn fill(&mut self, wait: Duration) -> Result<bool, Lost> {
        let stream = match &self.wire {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => stream.get_ref(),
        };
        // No time-out at all is no allowed value.
        let wait = wait.max(Duration::from_millis(1));
        stream
            .set_read_timeout(Some(wait))
            .map_err(|_| Lost("connection_lost"))?;
        let mut chunk = [0; CHUNK];
        let read = match &mut self.wire {
            Wire::Plain(stream) => stream.read(&mut chunk),
            Wire::Tls(stream) => stream.read(&mut chunk),
        };
        match read {
            Ok(0) => Err(Lost("closed_by_centre")),
            Ok(length) => {
                self.read
                    .extend_from_slice(chunk.get(..length).unwrap_or_default());
                Ok(true)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(false),
                io::ErrorKind::Interrupted => Ok(true),
                _ => Err(Lost("connection_lost")),
            },
        }
    }

    /// A whole frame of what was read. One that isn't understood is refused and passed over: the next one begins where it ends.
    fn frame(&mut self) -> Result<Option<Frame>, Lost> {
        let Some(head) = self.read.get(..HEADER_BYTES) else {
            return Ok(None);
        };
        let number = |at: usize| {
            head.get(at..at + 4)
                .and_then(|four| four.try_into().ok())
                .map_or(0, u32::from_be_bytes)
        };
        let (length, id, sequence) = (number(0), number(4), number(12));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !(HEADER_BYTES..=PDU_BYTES_MAX).contains(&length) {
            return Err(Lost("broken_frame"));
        }
        if self.read.len() < length {
            return Ok(None);
        }
        let mut frame = self.read.split_to(length);
        let mut body = frame.split_off(4);
        let bytes = body.len();
        match Command::decode(&mut body, bytes) {
            Ok((command, _)) => Ok(Some(Frame::Command(Box::new(command)))),
            Err(_) => {
                // An answer that can't be read is no question to refuse (its number has the top bit).
                if id & 0x8000_0000 == 0 {
                    self.answer(CommandStatus::EsmeRinvcmdlen, sequence, Pdu::GenericNack);
                    self.flush()?;
                }
                Ok(Some(Frame::Refused))
            }
        }
    }

    /// Says goodbye and doesn't wait for the answer.
    pub(super) fn close(mut self) {
        self.ask(Pdu::Unbind);
        let _ = self.flush();
    }
}

/// Where the host is now. Without TLS only addresses of this machine count, whatever its name has been made to mean; but for a line
/// that was stated to be private.
fn addresses(settings: &SmppSettings) -> Vec<SocketAddr> {
    let found = (settings.host.as_str(), settings.port()).to_socket_addrs();
    found
        .into_iter()
        .flatten()
        .filter(|address| !settings.is_confined() || address.ip().is_loopback())
        .collect()
}

/// The client's side of TLS.
pub(super) fn connector(settings: &SmppSettings) -> Result<Option<TlsConnector>, super::SmppError> {
    if settings.tls == SmppTls::None {
        return Ok(None);
    }
    let mut builder = TlsConnector::builder();
    builder.min_protocol_version(Some(native_tls::Protocol::Tlsv12));
    if let Some(path) = &settings.ca_file {
        let pem = std::fs::read(path).map_err(super::SmppError::CaFile)?;
        builder.add_root_certificate(Certificate::from_pem(&pem).map_err(super::SmppError::Tls)?);
    }
    builder.build().map(Some).map_err(super::SmppError::Tls)
}

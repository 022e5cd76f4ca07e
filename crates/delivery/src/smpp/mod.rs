//! A message centre by SMPP 3.4: one bound transceiver, a window of messages under way, receipts and replies on the same line.

mod compose;
mod inbound;
mod link;
mod settings;
mod status;
mod talk;

use std::time::Duration;

use forecall_ledger::Incoming;
use forecall_types::{ContactChannel, EventTime};
use native_tls::TlsConnector;
use rusmpp_core::CommandStatus;
use rusmpp_core::command::owned::Command;
use rusmpp_core::pdus::owned::{BindTransceiver, DeliverSmResp, Pdu};
use rusmpp_core::types::owned::COctetString;
use rusmpp_core::values::InterfaceVersion;

use crate::{Accepted, Capabilities, Gateway, Message, SendError};
use compose::Sender;
use inbound::When;
use link::{Frame, Link, Lost};
pub use settings::{Joining, SmppSettings, SmppTls};

/// After a connection that failed none is tried for so long: what hangs would hold up the other channels.
const AGAIN_AFTER: Duration = Duration::from_secs(15);
/// Receipts and replies taken before they are written down; the centre keeps the rest.
const HELD_MAX: usize = 1_000;
/// Frames taken while one answer is waited for, or at one look: a centre that talks on without it holds nobody up.
const FRAMES_MAX: usize = 2_000;

/// Settings no text message can be sent with.
#[derive(Debug, thiserror::Error)]
pub enum SmppError {
    /// A setting can't be used.
    #[error("smpp: {0}")]
    Settings(String),
    /// The certificate file can't be read.
    #[error("smpp: failed to read the certificate file")]
    CaFile(#[source] std::io::Error),
    /// TLS can't be set up.
    #[error("smpp: TLS can't be set up")]
    Tls(#[source] native_tls::Error),
}

/// Sends text messages over one line to a message centre, and hears what comes back on it.
///
/// It speaks the protocol step by step on a blocking line, as `deliver` works: what a lost line means hangs on whether the message
/// was on its way. The frames are `rusmpp`'s.
pub struct SmppGateway {
    settings: SmppSettings,
    tls: Option<TlsConnector>,
    sender: Sender,
    link: Option<Link>,
    /// Why there is no line, and until when none is tried.
    failed: Option<(SendError, EventTime)>,
    /// When the centre was last heard.
    heard_at: EventTime,
    /// When the line was bound; while it is being bound, too.
    bound_at: EventTime,
    /// What has come in and isn't written down; with the number its answer needs, while the line is the same.
    held: Vec<(Option<u32>, Incoming)>,
}

impl SmppGateway {
    /// Checks the settings; connects when it is first asked for anything.
    ///
    /// # Errors
    /// Settings no message can be sent with.
    pub fn new(settings: SmppSettings) -> Result<Self, SmppError> {
        if let Some(mistake) = settings.mistakes().into_iter().next() {
            return Err(SmppError::Settings(mistake));
        }
        Ok(Self {
            tls: link::connector(&settings)?,
            sender: Sender::of(&settings.from).ok_or_else(|| SmppError::Settings("from".to_owned()))?,
            settings,
            link: None,
            failed: None,
            heard_at: EventTime::from_secs(0),
            bound_at: EventTime::from_secs(0),
            held: Vec::new(),
        })
    }

    /// The bound line, a new one if there is none.
    fn bound(&mut self, now: EventTime) -> Result<Link, SendError> {
        if let Some(link) = self.link.take() {
            return Ok(link);
        }
        if let Some((error, _)) = self.failed.filter(|(_, until)| now < *until) {
            return Err(error);
        }
        match self.bind(now) {
            Ok(link) => {
                self.failed = None;
                self.heard_at = now;
                Ok(link)
            }
            Err(error) => {
                self.failed = Some((error, now.plus(AGAIN_AFTER)));
                Err(error)
            }
        }
    }

    fn bind(&mut self, now: EventTime) -> Result<Link, SendError> {
        let lost = |Lost(reason): Lost| SendError::Down { reason, code: None };
        let mut link = Link::connect(&self.settings, self.tls.as_ref())?;
        self.bound_at = now;
        let asked = link.ask(self.request()?);
        link.flush().map_err(lost)?;
        for _ in 0..FRAMES_MAX {
            match link.next(self.settings.timeout).map_err(lost)? {
                None => break,
                Some(Frame::Refused) => {}
                Some(Frame::Command(command))
                    if command.sequence_number() == asked && is_answer(&command) =>
                {
                    return match command.status() {
                        CommandStatus::EsmeRok => Ok(link),
                        refused => Err(status::refused_bind(refused)),
                    };
                }
                Some(Frame::Command(command)) => self.question(&mut link, &command, now).map_err(lost)?,
            }
        }
        Err(lost(Lost("bind_not_answered")))
    }

    fn request(&self) -> Result<BindTransceiver, SendError> {
        const UNFIT: SendError = SendError::Down {
            reason: "settings",
            code: None,
        };
        let password = self.settings.password.expose().trim().to_owned();
        Ok(BindTransceiver::builder()
            .system_id(COctetString::from_string(self.settings.system_id.clone()).map_err(|_| UNFIT)?)
            .password(COctetString::from_string(password).map_err(|_| UNFIT)?)
            .system_type(COctetString::from_string(self.settings.system_type.clone()).map_err(|_| UNFIT)?)
            .interface_version(InterfaceVersion::Smpp3_4)
            .build())
    }

    /// Answers what the centre asks, or takes what it brings. Other answers are those of questions given up.
    fn question(&mut self, link: &mut Link, command: &Command, now: EventTime) -> Result<(), Lost> {
        self.heard_at = now;
        let when = When {
            now,
            bound_at: self.bound_at,
        };
        let sequence = command.sequence_number();
        match command.pdu() {
            Some(Pdu::DeliverSm(pdu)) if self.held.len() < HELD_MAX => {
                match inbound::read(pdu, &self.settings.country_code, when) {
                    Some(incoming) => self.held.push((Some(sequence), incoming)),
                    None => link.answer(CommandStatus::EsmeRok, sequence, DeliverSmResp::default()),
                }
            }
            Some(Pdu::DeliverSm(_)) => {
                link.answer(CommandStatus::EsmeRmsgqful, sequence, DeliverSmResp::default());
            }
            Some(Pdu::EnquireLink) => link.answer(CommandStatus::EsmeRok, sequence, Pdu::EnquireLinkResp),
            Some(Pdu::Unbind) => {
                link.answer(CommandStatus::EsmeRok, sequence, Pdu::UnbindResp);
                let _ = link.flush();
                return Err(Lost("unbound_by_centre"));
            }
            _ if !is_answer(command) && !matches!(command.pdu(), Some(Pdu::AlertNotification(_))) => {
                link.answer(CommandStatus::EsmeRinvcmdid, sequence, Pdu::GenericNack);
            }
            _ => {}
        }
        link.flush()
    }

    /// The line is gone: what it brought and isn't acknowledged will be brought again.
    fn forget_line(&mut self) {
        self.link = None;
        for (sequence, _) in &mut self.held {
            *sequence = None;
        }
    }

    /// Takes what has come, and asks whether the line stands where nothing came for long.
    fn listen(&mut self, link: &mut Link, now: EventTime) -> Result<(), Lost> {
        for _ in 0..FRAMES_MAX {
            if self.held.len() >= HELD_MAX {
                break;
            }
            let Some(frame) = link.next(Duration::ZERO)? else {
                break;
            };
            self.take(link, frame, now)?;
        }
        if now.since(self.heard_at) < self.settings.enquire_every {
            return Ok(());
        }
        let asked = link.ask(Pdu::EnquireLink);
        link.flush()?;
        for _ in 0..FRAMES_MAX {
            match link.next(self.settings.timeout)? {
                None => break,
                Some(Frame::Command(command))
                    if command.sequence_number() == asked && is_answer(&command) =>
                {
                    self.heard_at = now;
                    return Ok(());
                }
                Some(frame) => self.take(link, frame, now)?,
            }
        }
        Err(Lost("line_is_dead"))
    }

    fn take(&mut self, link: &mut Link, frame: Frame, now: EventTime) -> Result<(), Lost> {
        match frame {
            Frame::Refused => Ok(()),
            Frame::Command(command) => self.question(link, &command, now),
        }
    }
}

/// An answer, by the top bit of its number.
fn is_answer(command: &Command) -> bool {
    u32::from(command.id()) & 0x8000_0000 != 0
}

impl Gateway for SmppGateway {
    fn channel(&self) -> ContactChannel {
        ContactChannel::Sms
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // Our reference goes with it, but the centre takes the same one twice; only its receipts repeat it.
            client_reference: false,
            receipts: true,
        }
    }

    fn window(&self) -> usize {
        usize::from(self.settings.window)
    }

    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError> {
        let mut answers = self.send_all(std::slice::from_ref(message));
        answers.pop().unwrap_or(Err(SendError::Indefinite {
            reason: "not_answered",
        }))
    }

    fn send_all(&mut self, messages: &[Message<'_>]) -> Vec<Result<Accepted, SendError>> {
        let Some(now) = messages.iter().map(|message| message.at).max() else {
            return Vec::new();
        };
        let mut jobs: Vec<_> = messages
            .iter()
            .map(|message| compose::job(&self.settings, &self.sender, message))
            .collect();
        let lost = match self.bound(now) {
            Ok(mut link) => match self.talk(&mut link, &mut jobs, now) {
                Ok(()) => {
                    self.link = Some(link);
                    None
                }
                Err(lost) => {
                    self.forget_line();
                    Some(lost)
                }
            },
            Err(error) => return jobs.into_iter().map(|job| job.and(Err(error))).collect(),
        };
        jobs.into_iter()
            .map(|job| job.and_then(|job| job.result(lost)))
            .collect()
    }

    fn receive(&mut self, now: EventTime) -> Result<Vec<Incoming>, SendError> {
        let mut link = self.bound(now)?;
        match self.listen(&mut link, now) {
            Ok(()) => self.link = Some(link),
            Err(Lost(reason)) => {
                self.forget_line();
                if self.held.is_empty() {
                    return Err(SendError::Down { reason, code: None });
                }
            }
        }
        Ok(self.held.iter().map(|(_, incoming)| incoming.clone()).collect())
    }

    fn acknowledge(&mut self) {
        let held = std::mem::take(&mut self.held);
        let Some(link) = &mut self.link else {
            return;
        };
        for sequence in held.into_iter().filter_map(|(sequence, _)| sequence) {
            link.answer(CommandStatus::EsmeRok, sequence, DeliverSmResp::default());
        }
        if link.flush().is_err() {
            self.forget_line();
        }
    }
}

impl Drop for SmppGateway {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            link.close();
        }
    }
}

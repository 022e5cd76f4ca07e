use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};

use forecall_types::ContactChannel;
use lettre::Message as Mail;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;

use crate::compose::{Letterhead, compose, is_one_line};
use crate::{Accepted, Capabilities, Gateway, Message, SendError, SmtpSettings, SmtpTls};

/// Settings no mail can be sent with.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// Mail would travel in the clear.
    #[error("smtp: `tls: none` is for this machine itself only, and `{0}` is another one")]
    PlainToOthers(String),
    /// The sender is no mail address.
    #[error("smtp: `from` is no mail address")]
    From,
    /// The List-Unsubscribe value is none.
    #[error("smtp: `list_unsubscribe` is no `<mailto:…>` or `<https://…>`")]
    ListUnsubscribe,
    /// One of user name and password is missing.
    #[error("smtp: `username` and `password` go together")]
    Credentials,
    /// The certificate file can't be read.
    #[error("smtp: failed to read the certificate file")]
    CaFile(#[source] std::io::Error),
    /// TLS can't be set up.
    #[error("smtp: TLS can't be set up")]
    Tls(#[source] SmtpError),
}

/// Sends mail over SMTP, one connection a batch.
///
/// It speaks the steps of the protocol one by one instead of through a ready-made transport, because what a lost
/// connection means hangs on the step: before the content is sent nothing was taken; after it, nobody knows.
pub struct EmailGateway {
    settings: SmtpSettings,
    letterhead: Letterhead,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    hello: ClientId,
    connection: Option<SmtpConnection>,
}

/// What a mail failed with, and whether a connection that was merely old may be to blame.
struct Failure {
    error: SendError,
    stale_connection: bool,
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self {
            error,
            stale_connection: false,
        }
    }
}

impl EmailGateway {
    /// Checks the settings; connects only when there is something to send.
    ///
    /// # Errors
    /// Settings no mail can be sent with.
    pub fn new(settings: SmtpSettings) -> Result<Self, EmailError> {
        if settings.tls == SmtpTls::None && !settings.is_loopback() {
            return Err(EmailError::PlainToOthers(settings.host));
        }
        if !is_one_line(&settings.from) {
            return Err(EmailError::From);
        }
        let letterhead = Letterhead {
            from: settings.from.parse().map_err(|_| EmailError::From)?,
            list_unsubscribe: settings.list_unsubscribe.clone(),
        };
        let is_unsubscribe = |text: &String| {
            (text.starts_with("<mailto:") || text.starts_with("<https://"))
                && text.ends_with('>')
                && is_one_line(text)
        };
        if !settings.list_unsubscribe.as_ref().is_none_or(is_unsubscribe) {
            return Err(EmailError::ListUnsubscribe);
        }
        let credentials = match (&settings.username, &settings.password) {
            (Some(user), Some(password)) => {
                Some(Credentials::new(user.clone(), password.expose().to_owned()))
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(EmailError::Credentials),
        };
        Ok(Self {
            tls: tls(&settings)?,
            letterhead,
            credentials,
            hello: ClientId::default(),
            connection: None,
            settings,
        })
    }

    fn connect(&self) -> Result<SmtpConnection, SendError> {
        let addresses = self.addresses()?;
        let wrapper = match self.settings.tls {
            SmtpTls::Implicit => self.tls.as_ref(),
            SmtpTls::Starttls | SmtpTls::None => None,
        };
        let timeout = Some(self.settings.timeout);
        let mut connection =
            SmtpConnection::connect(addresses.as_slice(), timeout, &self.hello, wrapper, None)
                .map_err(|e| down("connect", &e))?;
        if let (SmtpTls::Starttls, Some(tls)) = (self.settings.tls, &self.tls) {
            connection
                .starttls(tls, &self.hello)
                .map_err(|e| down("starttls", &e))?;
        }
        if self.settings.tls != SmtpTls::None && !connection.is_encrypted() {
            return Err(SendError::Down {
                reason: "not_encrypted",
                code: None,
            });
        }
        if let Some(credentials) = &self.credentials {
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
                .map_err(|e| down("login", &e))?;
        }
        Ok(connection)
    }

    /// Where the host is now. Without TLS only addresses of this machine count, whatever its name has been made to mean.
    fn addresses(&self) -> Result<Vec<SocketAddr>, SendError> {
        let found = (self.settings.host.as_str(), self.settings.port()).to_socket_addrs();
        let addresses: Vec<_> = found
            .into_iter()
            .flatten()
            .filter(|a| self.settings.tls != SmtpTls::None || a.ip().is_loopback())
            .collect();
        if addresses.is_empty() {
            return Err(SendError::Down {
                reason: "no_address_of_server",
                code: None,
            });
        }
        Ok(addresses)
    }

    /// Over the connection at hand, or a new one. A connection that has failed is not used again.
    fn send_once(&mut self, mail: &Mail) -> Result<(), Failure> {
        let (mut connection, is_reused) = match self.connection.take() {
            Some(connection) => (connection, true),
            None => (self.connect()?, false),
        };
        match talk(&mut connection, mail) {
            Ok(()) => {
                self.connection = Some(connection);
                Ok(())
            }
            Err((step, error)) => {
                let has_answered = error.status().is_some();
                if has_answered {
                    connection.abort();
                }
                Err(Failure {
                    error: classify(step, &error),
                    stale_connection: is_reused && !has_answered && step == Step::Sender,
                })
            }
        }
    }
}

impl Gateway for EmailGateway {
    fn channel(&self) -> ContactChannel {
        ContactChannel::Email
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // Our Message-ID goes with it, but no server can be asked whether it has one.
            client_reference: false,
            receipts: false,
        }
    }

    fn send(&mut self, message: &Message<'_>) -> Result<Accepted, SendError> {
        let mail = compose(&self.letterhead, message)?;
        let sent = match self.send_once(&mail) {
            // The server had closed an idle connection: nothing was said on it, so a new one is no repeat.
            Err(failure) if failure.stale_connection => self.send_once(&mail),
            other => other,
        };
        sent.map_err(|failure| failure.error)?;
        Ok(Accepted {
            provider_ref: Some(format!(
                "<{}@{}>",
                message.intent.id,
                self.letterhead.from.email.domain()
            )),
        })
    }

    fn rest(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.abort();
        }
    }
}

fn tls(settings: &SmtpSettings) -> Result<Option<TlsParameters>, EmailError> {
    if settings.tls == SmtpTls::None {
        return Ok(None);
    }
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(path) = &settings.ca_file {
        let pem = fs::read(path).map_err(EmailError::CaFile)?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(EmailError::Tls)?);
    }
    builder.build().map(Some).map_err(EmailError::Tls)
}

/// The steps of one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Sender,
    Recipient,
    Data,
    Content,
}

fn talk(connection: &mut SmtpConnection, mail: &Mail) -> Result<(), (Step, SmtpError)> {
    let at = |step: Step| move |error| (step, error);
    let envelope = mail.envelope();
    connection
        .command(MailFrom::new(envelope.from().cloned(), Vec::new()))
        .map_err(at(Step::Sender))?;
    for to in envelope.to() {
        connection
            .command(Rcpt::new(to.clone(), Vec::new()))
            .map_err(at(Step::Recipient))?;
    }
    connection.command(Data).map_err(at(Step::Data))?;
    connection.message(&mail.formatted()).map_err(at(Step::Content))?;
    Ok(())
}

/// What an error at a step means (RFC 5321 §4.2.1, §4.5.3.2).
///
/// | step | no answer | 421 | other 4yz | 5yz |
/// |---|---|---|---|---|
/// | sender | down | down | for now | down: it is us they refuse |
/// | recipient, data | down | down | for now | for good |
/// | content | not known | for now | for now | for good |
fn classify(step: Step, error: &SmtpError) -> SendError {
    let code = error.status().map(u16::from);
    let temporary = SendError::Temporary {
        reason: "refused_for_now",
        code,
    };
    let permanent = SendError::Permanent {
        reason: "refused",
        code,
    };
    match (step, code) {
        (Step::Content, None) => SendError::Indefinite {
            reason: "lost_after_data",
        },
        (Step::Content, Some(_)) if error.is_transient() => temporary,
        (_, None) => down("connection_lost", error),
        (_, Some(421)) => down("server_closing", error),
        (_, Some(_)) if error.is_transient() => temporary,
        (Step::Sender, Some(_)) => down("sender_refused", error),
        (Step::Recipient | Step::Data | Step::Content, Some(_)) => permanent,
    }
}

fn down(reason: &'static str, error: &SmtpError) -> SendError {
    SendError::Down {
        reason,
        code: error.status().map(u16::from),
    }
}

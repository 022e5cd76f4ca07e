use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What goes wrong with one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// This reply to MAIL.
    Sender(&'static str),
    /// This reply to RCPT.
    Recipient(&'static str),
    /// This reply to the content.
    Content(&'static str),
    /// The content is taken and the connection dropped before the answer.
    DropAfterData,
    /// Taken; then the connection is dropped.
    DropAfterAnswer,
}

/// What has arrived.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    /// Mails taken, dots unstuffed.
    pub(crate) mails: Vec<String>,
    /// Every command line.
    pub(crate) commands: Vec<String>,
    /// Lines that didn't end in CRLF.
    pub(crate) bare: usize,
    pub(crate) connections: usize,
}

/// A mail server of a few lines on the loopback, with planned faults: one a mail, then none. It is strict where smuggling
/// begins: a line ends in CRLF and nothing else.
pub(crate) struct FakeSmtp {
    pub(crate) port: u16,
    pub(crate) mailbox: Arc<Mutex<Mailbox>>,
}

impl FakeSmtp {
    pub(crate) fn start(faults: &[Fault]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mailbox = Arc::new(Mutex::new(Mailbox::default()));
        let mut faults: VecDeque<_> = faults.iter().copied().collect();
        let shared = Arc::clone(&mailbox);
        // It ends with the test process; connections come one after the other, as the gateway makes them.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.lock().unwrap().connections += 1;
                let _ = serve(stream, &mut faults, &shared);
            }
        });
        Self { port, mailbox }
    }
}

fn line(reader: &mut impl BufRead, mailbox: &Mutex<Mailbox>) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if reader.read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let Some(text) = text.strip_suffix("\r\n").filter(|t| !t.contains('\r')) else {
        mailbox.lock().unwrap().bare += 1;
        return Ok(Some(text));
    };
    Ok(Some(text.to_owned()))
}

fn serve(stream: TcpStream, faults: &mut VecDeque<Fault>, mailbox: &Mutex<Mailbox>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    let mut say = |reply: &str| out.write_all(format!("{reply}\r\n").as_bytes());
    let mut fault = Fault::None;
    say("220 fake.example ready")?;
    while let Some(command) = line(&mut reader, mailbox)? {
        mailbox.lock().unwrap().commands.push(command.clone());
        let verb = command.get(..4).unwrap_or_default().to_ascii_uppercase();
        match (verb.as_str(), fault) {
            ("EHLO", _) => say("250 fake.example")?,
            ("MAIL", _) => {
                fault = faults.pop_front().unwrap_or(Fault::None);
                match fault {
                    Fault::Sender(reply) => say(reply)?,
                    _ => say("250 ok")?,
                }
            }
            ("RCPT", Fault::Recipient(reply)) => say(reply)?,
            ("DATA", _) => {
                say("354 go on")?;
                let mut mail = String::new();
                while let Some(text) = line(&mut reader, mailbox)?.filter(|t| t != ".") {
                    mail.push_str(text.strip_prefix('.').unwrap_or(&text));
                    mail.push('\n');
                }
                if let Fault::Content(reply) = fault {
                    say(reply)?;
                    continue;
                }
                mailbox.lock().unwrap().mails.push(mail);
                if fault == Fault::DropAfterData {
                    return Ok(());
                }
                say("250 taken")?;
                if fault == Fault::DropAfterAnswer {
                    return Ok(());
                }
            }
            ("QUIT", _) => return say("221 bye"),
            _ => say("250 ok")?,
        }
    }
    Ok(())
}

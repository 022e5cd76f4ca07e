use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use native_tls::{TlsAcceptor, TlsStream};
use rusmpp_core::CommandStatus;
use rusmpp_core::command::owned::Command;
use rusmpp_core::decode::owned::DecodeWithLength;
use rusmpp_core::encode::Length;
use rusmpp_core::encode::owned::Encode;
use rusmpp_core::pdus::owned::{BindTransceiverResp, DeliverSm, Pdu, SubmitSm, SubmitSmResp};
use rusmpp_core::tlvs::owned::{MessageDeliveryRequestTlvValue as Extra, TlvValue};
use rusmpp_core::types::owned::{COctetString, OctetString};
use rusmpp_core::values::{DataCoding, EsmClass, UserMessageReference};

/// What goes wrong with one part that is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Refused with this status.
    Status(u32),
    /// Taken; then the line is cut before the answer.
    CutAfterTaking,
    /// The line is cut, and nothing is taken.
    CutBeforeTaking,
    /// Taken, and never answered.
    Silent,
    /// Taken, with this word in its receipt instead of DELIVRD.
    Stat(&'static str),
    /// Taken; its receipt comes twice.
    Twice,
    /// Taken; no receipt ever comes.
    NoReceipt,
    /// Taken under this name; its receipt has the other.
    Named(&'static str, &'static str),
}

/// One part that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) class: u8,
    pub(crate) coding: u8,
    pub(crate) octets: Vec<u8>,
    pub(crate) reference: Option<u16>,
    pub(crate) validity: String,
    pub(crate) tlvs: usize,
}

/// What the centre knows; it outlives its lines.
#[derive(Default)]
pub(crate) struct Centre {
    pub(crate) taken: Vec<Taken>,
    pub(crate) binds: Vec<(String, String)>,
    pub(crate) faults: VecDeque<Fault>,
    /// What is to be brought to the client: kept until it says yes.
    mail: Vec<(u64, DeliverSm)>,
    /// Of what was put there last.
    number: u64,
    /// Brought and said yes to.
    pub(crate) acknowledged: usize,
    /// Parts without an answer at the same time, at most.
    pub(crate) under_way_max: usize,
    pub(crate) enquiries: usize,
    /// Frames of a centre that chatters.
    pub(crate) said: usize,
    pub(crate) refuse_bind: Option<u32>,
    /// Receipts wait until this is turned off.
    pub(crate) hold_mail: bool,
}

impl Centre {
    fn put(&mut self, pdu: DeliverSm) {
        self.number += 1;
        self.mail.push((self.number, pdu));
    }
}

/// How the centre behaves throughout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// It says this again and again, without end, from the bind on, and answers nothing.
    pub(crate) chatters: bool,
    /// Receipts repeat our reference.
    pub(crate) echo: bool,
    pub(crate) receipts: bool,
    /// From a part's arrival to its answer.
    pub(crate) delay: Duration,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            chatters: false,
            echo: true,
            receipts: true,
            delay: Duration::ZERO,
        }
    }
}

/// A message centre of a few lines on the loopback, a fake with planned faults: one a part, then none.
pub(crate) struct FakeSmsc {
    pub(crate) port: u16,
    centre: Arc<Mutex<Centre>>,
}

impl FakeSmsc {
    pub(crate) fn start(manner: Manner, faults: &[Fault]) -> Self {
        Self::start_with(manner, faults, None)
    }

    /// Behind TLS, if there is what makes it.
    pub(crate) fn start_with(manner: Manner, faults: &[Fault], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let centre = Arc::new(Mutex::new(Centre {
            faults: faults.iter().copied().collect(),
            ..Centre::default()
        }));
        let shared = Arc::clone(&centre);
        // It ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                thread::spawn(move || {
                    stream.set_nodelay(true).unwrap();
                    let wire: Box<dyn Wire> = match tls {
                        None => Box::new(stream),
                        Some(tls) => match tls.accept(stream) {
                            Ok(encrypted) => Box::new(encrypted),
                            Err(_) => return,
                        },
                    };
                    Line::new(wire, shared, manner).serve();
                });
            }
        });
        Self { port, centre }
    }

    pub(crate) fn centre(&self) -> MutexGuard<'_, Centre> {
        self.centre.lock().unwrap()
    }

    /// A subscriber writes.
    pub(crate) fn writes(&self, from: &str, coding: u8, octets: &[u8], class: u8) {
        self.writes_with(from, coding, octets, class, Vec::new());
    }

    /// A subscriber writes, and the centre says more of it.
    pub(crate) fn writes_with(&self, from: &str, coding: u8, octets: &[u8], class: u8, extras: Vec<Extra>) {
        let pdu = DeliverSm::builder()
            .source_addr(COctetString::from_string(from.to_owned()).unwrap())
            .destination_addr(COctetString::from_string("3000".to_owned()).unwrap())
            .esm_class(EsmClass::from(class))
            .data_coding(DataCoding::from(coding))
            .short_message(OctetString::from_slice(octets).unwrap())
            .tlvs(extras)
            .build();
        self.centre().put(pdu);
    }
}

/// A connection, in the clear or not.
trait Wire: Read + Write {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref()
    }
}

struct Line {
    stream: Box<dyn Wire>,
    read: BytesMut,
    centre: Arc<Mutex<Centre>>,
    manner: Manner,
    /// Answers that wait for their time.
    late: VecDeque<(Instant, Command)>,
    /// Brought on this line and not said yes to.
    brought: BTreeMap<u32, u64>,
    sequence: u32,
    is_bound: bool,
}

impl Line {
    fn new(stream: Box<dyn Wire>, centre: Arc<Mutex<Centre>>, manner: Manner) -> Self {
        let wait = Some(Duration::from_millis(1));
        stream.tcp().set_read_timeout(wait).unwrap();
        Self {
            stream,
            read: BytesMut::new(),
            centre,
            manner,
            late: VecDeque::new(),
            brought: BTreeMap::new(),
            sequence: 0,
            is_bound: false,
        }
    }

    fn serve(mut self) {
        let mut chunk = [0; 65_536];
        while self.manner.chatters {
            self.sequence += 1;
            let command = Command::new(CommandStatus::EsmeRok, self.sequence, Pdu::EnquireLink);
            let mut bytes = BytesMut::new();
            bytes.put_u32(u32::try_from(4 + command.length()).unwrap());
            command.encode(&mut bytes);
            if self.stream.write_all(&bytes).is_err() {
                return;
            }
            self.centre.lock().unwrap().said += 1;
            let _ = self.stream.read(&mut chunk);
        }
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return,
                Ok(length) => self.read.extend_from_slice(&chunk[..length]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => return,
            }
            while let Some(command) = self.frame() {
                if !self.on(&command) {
                    // Both ways at once, as a centre that falls.
                    let _ = self.stream.tcp().shutdown(std::net::Shutdown::Both);
                    return;
                }
            }
            while self.late.front().is_some_and(|(due, _)| *due <= Instant::now()) {
                let (_, command) = self.late.pop_front().unwrap();
                self.say(&command);
            }
            self.bring();
        }
    }

    fn frame(&mut self) -> Option<Command> {
        let length = u32::from_be_bytes(self.read.get(..4)?.try_into().unwrap()) as usize;
        if self.read.len() < length {
            return None;
        }
        let mut body = self.read.split_to(length).split_off(4);
        let bytes = body.len();
        Some(Command::decode(&mut body, bytes).unwrap().0)
    }

    fn say(&mut self, command: &Command) {
        let mut bytes = BytesMut::new();
        bytes.put_u32(u32::try_from(4 + command.length()).unwrap());
        command.encode(&mut bytes);
        let _ = self.stream.write_all(&bytes);
    }

    fn answer(&mut self, status: CommandStatus, to: &Command, pdu: impl Into<Pdu>) {
        self.say(&Command::new(status, to.sequence_number(), pdu));
    }

    /// Whether the line stays.
    fn on(&mut self, command: &Command) -> bool {
        match command.pdu() {
            Some(Pdu::BindTransceiver(bind)) => {
                let refused = {
                    let mut centre = self.centre.lock().unwrap();
                    centre.binds.push((
                        bind.system_id.as_str().to_owned(),
                        bind.password.as_str().to_owned(),
                    ));
                    centre.refuse_bind
                };
                let status = CommandStatus::from(refused.unwrap_or(0));
                self.answer(status, command, BindTransceiverResp::default());
                self.is_bound = refused.is_none();
                true
            }
            Some(Pdu::SubmitSm(pdu)) => self.submit(command, pdu),
            Some(Pdu::EnquireLink) => {
                self.centre.lock().unwrap().enquiries += 1;
                self.answer(CommandStatus::EsmeRok, command, Pdu::EnquireLinkResp);
                true
            }
            Some(Pdu::DeliverSmResp(_)) => {
                let number = self.brought.get(&command.sequence_number()).copied().unwrap();
                let mut centre = self.centre.lock().unwrap();
                centre.mail.retain(|(other, _)| *other != number);
                centre.acknowledged += 1;
                true
            }
            Some(Pdu::Unbind) => {
                self.answer(CommandStatus::EsmeRok, command, Pdu::UnbindResp);
                false
            }
            _ => true,
        }
    }

    fn submit(&mut self, command: &Command, pdu: &SubmitSm) -> bool {
        let fault = self
            .centre
            .lock()
            .unwrap()
            .faults
            .pop_front()
            .unwrap_or(Fault::None);
        match fault {
            Fault::CutBeforeTaking => return false,
            Fault::Status(status) => {
                self.answer(CommandStatus::from(status), command, SubmitSmResp::default());
                return true;
            }
            _ => {}
        }
        let (name, receipt_name) = {
            let mut centre = self.centre.lock().unwrap();
            let number = format!("{:08x}", 0xab00 + centre.taken.len());
            centre.taken.push(taken(pdu));
            match fault {
                Fault::Named(name, other) => (name.to_owned(), other.to_owned()),
                _ => (number.clone(), number),
            }
        };
        let stat = match fault {
            Fault::Stat(stat) => stat,
            _ => "DELIVRD",
        };
        if self.manner.receipts && fault != Fault::NoReceipt {
            let receipt = receipt(pdu, &receipt_name, stat, self.manner.echo);
            let mut centre = self.centre.lock().unwrap();
            if fault == Fault::Twice {
                centre.put(receipt.clone());
            }
            centre.put(receipt);
        }
        match fault {
            Fault::CutAfterTaking => return false,
            Fault::Silent => return true,
            _ => {}
        }
        let name = COctetString::from_string(name).unwrap();
        let answer = SubmitSmResp::builder().message_id(name).build();
        let answer = Command::new(CommandStatus::EsmeRok, command.sequence_number(), answer);
        self.late.push_back((Instant::now() + self.manner.delay, answer));
        let mut centre = self.centre.lock().unwrap();
        centre.under_way_max = centre.under_way_max.max(self.late.len());
        true
    }

    /// Brings what waits, but for what was brought already.
    fn bring(&mut self) {
        if !self.is_bound {
            return;
        }
        let waiting: Vec<(u64, DeliverSm)> = {
            let centre = self.centre.lock().unwrap();
            if centre.hold_mail {
                return;
            }
            let is_new = |(number, _): &&(u64, DeliverSm)| !self.brought.values().any(|n| n == number);
            centre.mail.iter().filter(is_new).cloned().collect()
        };
        for (number, pdu) in waiting {
            self.sequence += 1;
            self.brought.insert(self.sequence, number);
            self.say(&Command::new(CommandStatus::EsmeRok, self.sequence, pdu));
        }
    }
}

fn reference_of(pdu: &SubmitSm) -> Option<u16> {
    pdu.tlvs().iter().find_map(|tlv| match tlv.value() {
        Some(TlvValue::UserMessageReference(reference)) => Some(reference.value),
        _ => None,
    })
}

fn taken(pdu: &SubmitSm) -> Taken {
    Taken {
        to: pdu.destination_addr.as_str().to_owned(),
        from: pdu.source_addr.as_str().to_owned(),
        class: u8::from(pdu.esm_class),
        coding: u8::from(pdu.data_coding),
        octets: pdu.short_message().as_ref().to_vec(),
        reference: reference_of(pdu),
        validity: pdu.validity_period.as_str().to_owned(),
        tlvs: pdu.tlvs().len(),
    }
}

fn receipt(pdu: &SubmitSm, name: &str, stat: &str, echo: bool) -> DeliverSm {
    let text = format!(
        "id:{name} sub:001 dlvrd:001 submit date:2611290000 done date:2611290001 stat:{stat} err:000 text:"
    );
    let mut receipt = DeliverSm::builder()
        .source_addr(pdu.destination_addr.clone())
        .destination_addr(pdu.source_addr.clone())
        .esm_class(EsmClass::from(4))
        .data_coding(DataCoding::from(0))
        .short_message(OctetString::from_slice(text.as_bytes()).unwrap());
    if let Some(reference) = reference_of(pdu).filter(|_| echo) {
        receipt = receipt.push_tlv(Extra::UserMessageReference(UserMessageReference::new(reference)));
    }
    receipt.build()
}

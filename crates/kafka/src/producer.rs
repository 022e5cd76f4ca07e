use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forecall_log::{LogError, OutRecord};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use crate::context::Lines;
use crate::error::not_created;
use crate::settings::KafkaSettings;

pub(crate) type Producer = BaseProducer<Deliveries>;

/// Between two looks at what the broker has answered: a commit isn't held up by so little.
const PAUSE: Duration = Duration::from_micros(500);

/// Takes what there is and gives the core away for a moment. The client counts in whole milliseconds and a poll of the producer
/// takes as long as it is told, so that a poll of one millisecond or less only asks the clock, over and over.
fn listen(producer: &Producer) {
    producer.poll(Duration::ZERO);
    std::thread::sleep(PAUSE);
}

/// What became of the records of a transaction.
#[derive(Debug, Default, Clone)]
pub(crate) struct Report {
    /// The first that the broker didn't take.
    pub(crate) refused: Option<Refused>,
    /// Topic, partition and offset of one that it took.
    pub(crate) taken: Option<(String, i32, i64)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) topic: String,
    pub(crate) bytes: usize,
    pub(crate) code: Code,
}

/// Hears from the client library what became of each record.
pub(crate) struct Deliveries {
    log: Lines,
    report: Mutex<Report>,
}

impl Deliveries {
    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self) -> Report {
        std::mem::take(&mut self.report())
    }

    pub(crate) fn peek(&self) -> Report {
        self.report().clone()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.write(level, facility, message);
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.log.write(RDKafkaLogLevel::Warning, "ERROR", reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut report = self.report();
        match result {
            Ok(message) => {
                report.taken = Some((message.topic().to_owned(), message.partition(), message.offset()));
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
                // Records purged by an abort follow from another failure; the first one tells why.
                let is_purge = matches!(code, Code::PurgeQueue | Code::PurgeInflight);
                if report.refused.is_none() && !is_purge {
                    report.refused = Some(Refused {
                        topic: message.topic().to_owned(),
                        bytes: message.key_len() + message.payload_len(),
                        code,
                    });
                }
            }
        }
    }
}

pub(crate) fn create(settings: &KafkaSettings, identity: &str) -> Result<Producer, LogError> {
    let context = Deliveries {
        log: Lines::new(settings),
        report: Mutex::default(),
    };
    settings
        .producer(identity)
        .create_with_context(context)
        .map_err(not_created)
}

/// Hands a record to the client library, waiting for room in its queue.
pub(crate) fn publish(producer: &Producer, record: &OutRecord, wait: Duration) -> Result<(), KafkaError> {
    let begun = Instant::now();
    loop {
        let mut out = BaseRecord::<[u8], [u8], ()>::to(&record.topic);
        out.partition = record.partition;
        out.key = record.key.as_deref();
        out.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            out.headers = Some(record.headers.iter().fold(headers, |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value.as_slice()),
                })
            }));
        }
        match producer.send(out) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(Code::QueueFull), _)) if begun.elapsed() < wait => {
                listen(producer);
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Waits until the broker has answered for every record; `false`: it hasn't in time.
pub(crate) fn drain(producer: &Producer, wait: Duration) -> bool {
    let begun = Instant::now();
    // Asked once so that the library doesn't wait for more records to fill a batch.
    let _ = producer.flush(Duration::ZERO);
    while producer.in_flight_count() > 0 {
        if begun.elapsed() >= wait {
            return false;
        }
        listen(producer);
    }
    true
}

/// Aborts, hearing the library out meanwhile (it waits until somebody has taken the answers for the records it drops).
pub(crate) fn abort(producer: &Producer, wait: Duration) -> Result<(), KafkaError> {
    std::thread::scope(|scope| {
        let aborting = scope.spawn(|| producer.abort_transaction(wait));
        while !aborting.is_finished() {
            listen(producer);
        }
        aborting.join().unwrap_or(Err(KafkaError::Canceled))
    })
}

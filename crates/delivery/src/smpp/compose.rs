//! A message as the frames that carry it.

use std::time::Duration;

use forecall_ledger::short_reference;
use rusmpp_core::pdus::owned::SubmitSm;
use rusmpp_core::tlvs::owned::MessageSubmissionRequestTlvValue as Extra;
use rusmpp_core::types::owned::{COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp_core::values::{DataCoding, EsmClass, Npi, RegisteredDelivery, Ton, UserMessageReference};

use super::link::Lost;
use super::settings::{Joining, SmppSettings};
use crate::sms::{Part, international, parts};
use crate::{Accepted, Message, SendError};

/// A receipt at the end, whichever it is (3.4 §5.2.17).
const RECEIPT_WANTED: u8 = 1;
const HAS_HEADER: u8 = 0x40;
/// Four weeks; beyond it the centre's own rule ends a message anyway.
const VALID_FOR_MAX: Duration = Duration::from_secs(28 * 24 * 3_600);
const LONGEST_NAME: usize = 11;

/// The sender's address.
pub(super) struct Sender {
    ton: Ton,
    npi: Npi,
    address: COctetString<1, 21>,
}

impl Sender {
    /// A number with its country code, another number (short ones of services), or a name.
    pub(super) fn of(from: &str) -> Option<Self> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let (ton, npi, text) = match from.strip_prefix('+') {
            Some(digits) if is_number(digits) => (Ton::International, Npi::Isdn, digits),
            Some(_) => return None,
            None if is_number(from) => (Ton::Unknown, Npi::Isdn, from),
            None if from.len() <= LONGEST_NAME => (Ton::Alphanumeric, Npi::Unknown, from),
            None => return None,
        };
        let address = COctetString::from_string(text.to_owned()).ok()?;
        Some(Self { ton, npi, address })
    }
}

/// Where a part stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stand {
    Waiting,
    /// On its way.
    Asked,
    /// The centre has it under this name.
    Taken(String),
    Refused(SendError),
}

/// One message under way.
pub(super) struct Job {
    pub(super) frames: Vec<SubmitSm>,
    pub(super) stands: Vec<Stand>,
}

impl Job {
    pub(super) fn has_taken(&self) -> bool {
        self.stands.iter().any(|stand| matches!(stand, Stand::Taken(_)))
    }

    pub(super) fn is_refused(&self) -> bool {
        self.stands.iter().any(|stand| matches!(stand, Stand::Refused(_)))
    }

    /// What became of the whole.
    ///
    /// | parts | means |
    /// |---|---|
    /// | all taken | accepted, under all their names |
    /// | one refused for good, others taken or on their way | over: the person may have read some of it |
    /// | some taken, some not; or the line was lost with some on their way | not known: the person may have read some of it |
    /// | none taken, one refused | what the refusal says |
    /// | none sent | too fast, or down if the line was lost |
    pub(super) fn result(self, lost: Option<Lost>) -> Result<Accepted, SendError> {
        let all = self.stands.len();
        let mut names = Vec::with_capacity(all);
        let (mut refusal, mut is_asked) = (None, false);
        for stand in self.stands {
            match stand {
                Stand::Taken(name) => names.push(name),
                // What is for good says most.
                Stand::Refused(error) if !matches!(refusal, Some(SendError::Permanent { .. })) => {
                    refusal = Some(error);
                }
                Stand::Refused(_) => {}
                Stand::Asked => is_asked = true,
                Stand::Waiting => {}
            }
        }
        if names.len() == all {
            names.retain(|name| !name.is_empty());
            return Ok(Accepted {
                provider_ref: (!names.is_empty()).then(|| names.join(" ")),
            });
        }
        let reason = lost.map_or("line_halted", |Lost(reason)| reason);
        let is_begun = is_asked || !names.is_empty();
        if let Some(SendError::Permanent { code, .. }) = refusal.filter(|_| is_begun) {
            return Err(SendError::Partly {
                reason: "part_refused",
                code,
            });
        }
        if is_asked {
            return Err(SendError::Indefinite { reason });
        }
        if !names.is_empty() {
            return Err(SendError::Indefinite {
                reason: "part_refused",
            });
        }
        Err(match (refusal, lost) {
            (Some(error), _) => error,
            (None, Some(Lost(reason))) => SendError::Down { reason, code: None },
            (None, None) => SendError::Throttled {
                retry_after: Duration::from_secs(1),
            },
        })
    }
}

/// The frames of a message: one a part, each with our short reference and the wish for a receipt. It ends in the network when it ends
/// to be true.
pub(super) fn job(settings: &SmppSettings, sender: &Sender, message: &Message<'_>) -> Result<Job, SendError> {
    let never = |reason| SendError::Permanent { reason, code: None };
    let number = international(message.contact.address.expose(), &settings.country_code);
    let number = number.ok_or(never("invalid_number"))?;
    let destination = COctetString::from_string(number.trim_start_matches('+').to_owned())
        .map_err(|_| never("invalid_number"))?;
    let (alphabet, parts) = parts(&message.text.body).map_err(|_| never("too_long"))?;
    let reference = short_reference(&message.intent.id);
    let validity = validity(message);
    let frames = parts
        .iter()
        .map(|part| {
            let (class, octets, extras) = joined(settings.joining, part, reference);
            Some(
                SubmitSm::builder()
                    .source_addr_ton(sender.ton)
                    .source_addr_npi(sender.npi)
                    .source_addr(sender.address.clone())
                    .dest_addr_ton(Ton::International)
                    .dest_addr_npi(Npi::Isdn)
                    .destination_addr(destination.clone())
                    .esm_class(EsmClass::from(class))
                    .validity_period(validity.clone())
                    .registered_delivery(RegisteredDelivery::from(RECEIPT_WANTED))
                    .data_coding(DataCoding::from(alphabet.data_coding()))
                    .short_message(OctetString::from_vec(octets).ok()?)
                    .tlvs(extras)
                    .build(),
            )
        })
        .collect::<Option<Vec<_>>>()
        .ok_or(never("invalid_message"))?;
    Ok(Job {
        stands: vec![Stand::Waiting; frames.len()],
        frames,
    })
}

/// Class, octets and extra parameters of a part.
fn joined(joining: Joining, part: &Part, reference: u16) -> (u8, Vec<u8>, Vec<Extra>) {
    let mut extras = vec![Extra::UserMessageReference(UserMessageReference::new(reference))];
    let [_, low] = reference.to_be_bytes();
    match joining {
        Joining::Udh if part.of > 1 => (HAS_HEADER, part.user_data(low), extras),
        Joining::Sar if part.of > 1 => {
            extras.extend([
                Extra::SarMsgRefNum(reference),
                Extra::SarTotalSegments(part.of),
                Extra::SarSegmentSeqnum(part.number),
            ]);
            (0, part.octets.clone(), extras)
        }
        Joining::Udh | Joining::Sar => (0, part.octets.clone(), extras),
    }
}

/// How long it is true from now, as the protocol writes it (3.4 §7.1.1.2): `YYMMDDhhmmss000R`.
fn validity(message: &Message<'_>) -> EmptyOrFullCOctetString<17> {
    let Some(until) = message.intent.expires_at else {
        return EmptyOrFullCOctetString::empty();
    };
    let seconds = until.since(message.at).min(VALID_FOR_MAX).as_secs().max(1);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let text = format!("0000{days:02}{hours:02}{minutes:02}{seconds:02}000R\0");
    EmptyOrFullCOctetString::from_vec(text.into_bytes()).unwrap_or_else(|_| EmptyOrFullCOctetString::empty())
}

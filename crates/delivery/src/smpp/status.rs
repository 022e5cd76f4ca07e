use std::time::Duration;

use rusmpp_core::CommandStatus;

use crate::SendError;

/// After a refusal for speed: long enough for a rate counted by the second.
const THROTTLED: Duration = Duration::from_secs(1);
/// A full queue empties slower.
const QUEUE_FULL: Duration = Duration::from_secs(5);

/// What a refusal of a message means (3.4 §5.1.3). `blocked` are statuses of this very centre.
///
/// | status | means |
/// |---|---|
/// | throttled, message queue full | too fast |
/// | wrong destination: address, type, plan | this number never |
/// | wrong length, coding, class; permanent application error; prohibited | this message never |
/// | of `blocked` | the number is blocked for us, never |
/// | wrong source, service, bind; not paid for | us never: down |
/// | system error, submit failed, temporary error, all others | not now |
pub(super) fn refusal(status: CommandStatus, blocked: &[u32]) -> SendError {
    use CommandStatus as S;
    let number = u32::from(status);
    let code = u16::try_from(number).ok();
    let permanent = |reason| SendError::Permanent { reason, code };
    if blocked.contains(&number) {
        return permanent("blocked_by_network");
    }
    match status {
        S::EsmeRthrottled => SendError::Throttled {
            retry_after: THROTTLED,
        },
        S::EsmeRmsgqful => SendError::Throttled {
            retry_after: QUEUE_FULL,
        },
        S::EsmeRinvdstadr | S::EsmeRinvdstton | S::EsmeRinvdstnpi => permanent("invalid_number"),
        S::EsmeRinvmsglen | S::EsmeRinvcmdlen | S::EsmeRinvesmclass | S::EsmeRinvdcs => {
            permanent("invalid_message")
        }
        S::EsmeRxPAppn | S::EsmeRxRAppn => permanent("refused"),
        S::EsmeRprohibited => permanent("prohibited"),
        S::EsmeRinvsrcadr
        | S::EsmeRinvsrcton
        | S::EsmeRinvsrcnpi
        | S::EsmeRinvbndsts
        | S::EsmeRinvsertyp
        | S::EsmeRinvcmdid
        | S::EsmeRsertypunauth
        | S::EsmeRsertypunavail
        | S::EsmeRsertypdenied => SendError::Down {
            reason: "sender_refused",
            code,
        },
        _ => SendError::Temporary {
            reason: "refused_for_now",
            code,
        },
    }
}

/// What a refused bind means: nothing goes until somebody looks.
pub(super) fn refused_bind(status: CommandStatus) -> SendError {
    let reason = match status {
        CommandStatus::EsmeRinvpaswd | CommandStatus::EsmeRinvsysid => "login",
        CommandStatus::EsmeRthrottled => "too_many_binds",
        _ => "bind_refused",
    };
    SendError::Down {
        reason,
        code: u16::try_from(u32::from(status)).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_and_what_they_mean() {
        let words: String = [
            0x58,
            0x14,
            0x0b,
            0x01,
            0x65,
            0x101,
            0x0a,
            0x04,
            0x08,
            0x45,
            0x64,
            0x400,
            0x401,
            0xfffe_0000,
        ]
        .map(|n| format!("{n:#x} {:?}\n", refusal(CommandStatus::from(n), &[0x400])))
        .concat();
        expect_test::expect![[r#"
            0x58 Throttled { retry_after: 1s }
            0x14 Throttled { retry_after: 5s }
            0xb Permanent { reason: "invalid_number", code: Some(11) }
            0x1 Permanent { reason: "invalid_message", code: Some(1) }
            0x65 Permanent { reason: "refused", code: Some(101) }
            0x101 Permanent { reason: "prohibited", code: Some(257) }
            0xa Down { reason: "sender_refused", code: Some(10) }
            0x4 Down { reason: "sender_refused", code: Some(4) }
            0x8 Temporary { reason: "refused_for_now", code: Some(8) }
            0x45 Temporary { reason: "refused_for_now", code: Some(69) }
            0x64 Temporary { reason: "refused_for_now", code: Some(100) }
            0x400 Permanent { reason: "blocked_by_network", code: Some(1024) }
            0x401 Temporary { reason: "refused_for_now", code: Some(1025) }
            0xfffe0000 Temporary { reason: "refused_for_now", code: None }
        "#]]
        .assert_eq(&words);
    }
}

use std::fmt;
use std::time::Duration;

/// What kind of failure, from a closed list: label values of a metric come from here, and no answer of a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureClass {
    /// The target won't take this event, ever.
    Refused,
    /// The target won't take anything of ours: login, address or rights are wrong, or it sends us elsewhere.
    Denied,
    /// Too fast.
    Throttled,
    /// The target has a fault.
    Server,
    /// No answer in time.
    Timeout,
    /// No connection.
    Unreachable,
    /// The other side can't show that it is the target: there is no way round this.
    Tls,
    /// The connection broke, or the answer isn't one.
    Broken,
}

impl FailureClass {
    /// The name used in metrics, logs and dead letters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Server => "server",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Broken => "broken",
        }
    }
}

/// One try that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// What kind.
    pub class: FailureClass,
    /// The answer's status, where there was one.
    pub status: Option<u16>,
    /// When the target wants us again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// One without an answer.
    pub const fn of(class: FailureClass) -> Self {
        Self {
            class,
            status: None,
            retry_after: None,
        }
    }

    /// The failure that a status is; `None`: it is none.
    pub const fn of_status(status: u16, retry_after: Option<Duration>) -> Option<Self> {
        let class = match status {
            200..=299 => return None,
            429 => FailureClass::Throttled,
            // What a person can mend, or what passes, is no verdict on the event.
            300..=399 | 401 | 403 | 404 | 407 => FailureClass::Denied,
            408 | 409 | 421 | 423 | 425 => FailureClass::Server,
            400..=499 => FailureClass::Refused,
            _ => FailureClass::Server,
        };
        Some(Self {
            class,
            status: Some(status),
            retry_after,
        })
    }

    /// Whether to try again is of no use.
    pub const fn is_final(&self) -> bool {
        matches!(self.class, FailureClass::Refused)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.as_str())?;
        match self.status {
            Some(status) => write!(f, " (HTTP {status})"),
            None => Ok(()),
        }
    }
}

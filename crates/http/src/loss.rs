use std::error::Error;

use crate::Forbidden;

/// Why there is no answer, from a closed list. The library's words are left out: they hold the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The address is none, or is one that nothing may be sent to. Nothing was said.
    #[error("the address may not be asked")]
    Forbidden,
    /// The other side can't show who it is. Nothing was said; there is no way round this.
    #[error("no private connection")]
    Tls,
    /// No connection. Nothing was said.
    #[error("no connection")]
    Unreachable,
    /// No answer in time: what was said may have been heard.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke: what was said may have been heard.
    #[error("the connection broke")]
    Broken,
}

impl Loss {
    /// What the library says.
    pub fn of(error: &reqwest::Error) -> Self {
        let mut source = error.source();
        let (mut is_tls, mut is_forbidden) = (false, false);
        while let Some(inner) = source {
            is_forbidden |= inner.is::<Forbidden>();
            // The library gives no other sign of it.
            let words = inner.to_string().to_ascii_lowercase();
            is_tls |= ["ssl", "tls", "certificate"]
                .iter()
                .any(|word| words.contains(word));
            source = inner.source();
        }
        if is_forbidden || error.is_builder() {
            Self::Forbidden
        } else if error.is_connect() && is_tls {
            // Later on it is a line that broke: what was asked may have been done.
            Self::Tls
        } else if error.is_connect() {
            // Before a connection stands nothing was said, however its time ran out.
            Self::Unreachable
        } else if error.is_timeout() {
            Self::Timeout
        } else {
            Self::Broken
        }
    }

    /// Whether nothing was said for certain.
    pub const fn is_unsaid(self) -> bool {
        match self {
            Self::Forbidden | Self::Tls | Self::Unreachable => true,
            Self::Timeout | Self::Broken => false,
        }
    }

    /// The word used in reasons and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden_address",
            Self::Tls => "tls",
            Self::Unreachable => "connect",
            Self::Timeout => "not_answered",
            Self::Broken => "connection_lost",
        }
    }
}

use std::path::PathBuf;

use forecall_types::{CustomerId, IntentId, IntentState, NoticeId};

/// What can fail. No variant holds an address, a name or a row of the directory.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database refused.
    #[error("the ledger failed to {doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The file or its lock can't be used.
    #[error("failed to open the ledger {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process is outreach on this file.
    #[error(
        "another outreach process holds {path}: a SQLite ledger serves one outreach process; stop the other one"
    )]
    HeldByAnother {
        /// The lock file.
        path: PathBuf,
    },
    /// The file was written by a newer forecall.
    #[error("the ledger has schema version {found}, this program knows up to {known}: use the newer program")]
    SchemaTooNew {
        /// In the file.
        found: i64,
        /// Known here.
        known: i64,
    },
    /// The master key isn't the one this ledger was made with.
    #[error("the master key is not the one this ledger was made with")]
    WrongKey,
    /// The text is no key.
    #[error("a key is 64 hexadecimal digits (`openssl rand -hex 32` makes one)")]
    NotAKey,
    /// The system has no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(String),
    /// What lies in the database can't be read back.
    #[error("the ledger's {what} can't be read back")]
    Corrupt {
        /// Which column or record.
        what: &'static str,
    },
    /// Personal data that doesn't open under its key: changed or swapped by somebody else.
    #[error("the personal data of {customer} does not open under its key")]
    Sealed {
        /// Pseudonym.
        customer: CustomerId,
    },
    /// An intent for which no text is kept.
    #[error("intent {intent} has no text of {notice} in its language and channel")]
    IntentWithoutText {
        /// The intent.
        intent: IntentId,
        /// Its notice.
        notice: NoticeId,
    },
    /// A position that goes back.
    #[error("the position of {partition} would go back from {stored} to {given}")]
    PositionBack {
        /// Topic and partition.
        partition: String,
        /// Where it stands.
        stored: i64,
        /// What was given.
        given: i64,
    },
    /// A move the table of states doesn't allow.
    #[error("intent {intent} can't go from {} to {}", from.as_str(), to.as_str())]
    IllegalMove {
        /// The intent.
        intent: IntentId,
        /// Where it stands.
        from: IntentState,
        /// Where it was to go.
        to: IntentState,
    },
    /// No such intent.
    #[error("there is no intent {0}")]
    UnknownIntent(IntentId),
}

impl LedgerError {
    /// Whether the database may take the same later, with nobody doing anything to forecall: it is locked, full, read-only or
    /// away. Nothing of what was tried stands.
    pub const fn may_pass(&self) -> bool {
        use rusqlite::ErrorCode as Code;
        match self {
            Self::Database {
                source: rusqlite::Error::SqliteFailure(failure, _),
                ..
            } => matches!(
                failure.code,
                Code::DatabaseBusy
                    | Code::DatabaseLocked
                    | Code::ReadOnly
                    | Code::SystemIoFailure
                    | Code::DiskFull
                    | Code::CannotOpen
                    | Code::FileLockingProtocolFailed
                    | Code::PermissionDenied
            ),
            Self::Database { .. }
            | Self::Open { .. }
            | Self::HeldByAnother { .. }
            | Self::SchemaTooNew { .. }
            | Self::WrongKey
            | Self::NotAKey
            | Self::Random(_)
            | Self::Corrupt { .. }
            | Self::Sealed { .. }
            | Self::IntentWithoutText { .. }
            | Self::PositionBack { .. }
            | Self::IllegalMove { .. }
            | Self::UnknownIntent(_) => false,
        }
    }
}

/// Names what was being done when the database refused.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, LedgerError>;
}

impl<T> Doing<T> for Result<T, rusqlite::Error> {
    fn doing(self, doing: &'static str) -> Result<T, LedgerError> {
        self.map_err(|source| LedgerError::Database { doing, source })
    }
}

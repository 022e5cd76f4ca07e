//! What was looked at, how bad it is, and what to do.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// It works, but probably isn't meant so; or it can't be found out.
    Doubtful,
    /// Nothing may start like this.
    Wrong,
}

impl Severity {
    /// The name in tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Doubtful => "doubtful",
            Self::Wrong => "wrong",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at: `topic forecall.samples.v1`.
    pub subject: String,
    /// What was found.
    pub what: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
}

impl Finding {
    /// Something is as it should be.
    pub fn fine(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Fine, subject, what, "")
    }

    /// Something is probably not meant so.
    pub fn doubtful(subject: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Severity::Doubtful, subject, what, remedy)
    }

    /// Something is wrong.
    pub fn wrong(subject: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Severity::Wrong, subject, what, remedy)
    }

    fn new(
        severity: Severity,
        subject: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            subject: subject.into(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)?;
        if !self.remedy.is_empty() {
            write!(f, ". Remedy: {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Why nothing was started: every finding that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the start is refused:{}", self.lines())]
pub struct Refused(pub Vec<Finding>);

impl Refused {
    /// Refuses if anything is wrong.
    ///
    /// # Errors
    /// Itself, with what is wrong.
    pub fn if_wrong(findings: &[Finding]) -> Result<(), Self> {
        let wrong: Vec<Finding> = findings
            .iter()
            .filter(|f| f.severity == Severity::Wrong)
            .cloned()
            .collect();
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(Self(wrong))
        }
    }

    fn lines(&self) -> String {
        self.0.iter().map(|finding| format!("\n  {finding}")).collect()
    }
}

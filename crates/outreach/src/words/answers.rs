//! The words that answer what a customer wrote: one text message each.

use forecall_types::{ContactChannel, Language, NoticeText, check_invariant, invariant::InvariantId};

use super::calendar::Room;
use super::catalogue::{Wording, WordingError};
use super::facts::Facts;
use super::lint::says_no_call;
use super::sms;
use crate::settings::OutreachSettings;

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AnswerKind {
    /// What stops, and what doesn't.
    Stop,
    /// It is disturbed.
    Trouble,
    /// It may be disturbed; it works now.
    Expected,
    /// Work is planned or under way.
    Work,
    /// It works again.
    Restored,
    /// Nothing is known.
    NoTrouble,
    /// That it fails has been noted.
    Noted,
}

macro_rules! words {
    ($name:literal, $language:expr) => {
        match $language {
            Language::Fa => include_str!(concat!("../../templates/answer_", $name, ".sms.fa.txt")),
            Language::En => include_str!(concat!("../../templates/answer_", $name, ".sms.en.txt")),
        }
    };
}

impl AnswerKind {
    /// All of them: each has its words in each language.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] = [
        Self::Stop,
        Self::Trouble,
        Self::Expected,
        Self::Work,
        Self::Restored,
        Self::NoTrouble,
        Self::Noted,
    ];

    /// The name used in errors and tests.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "answer_stop",
            Self::Trouble => "answer_trouble",
            Self::Expected => "answer_expected",
            Self::Work => "answer_work",
            Self::Restored => "answer_restored",
            Self::NoTrouble => "answer_none",
            Self::Noted => "answer_noted",
        }
    }

    pub(crate) fn source(self, language: Language) -> &'static str {
        match self {
            Self::Stop => words!("stop", language),
            Self::Trouble => words!("trouble", language),
            Self::Expected => words!("expected", language),
            Self::Work => words!("work", language),
            Self::Restored => words!("restored", language),
            Self::NoTrouble => words!("none", language),
            Self::Noted => words!("noted", language),
        }
    }
}

impl Wording {
    /// The text message that answers, in the customer's language.
    ///
    /// # Errors
    /// [`WordingError`]: a template names a fact that isn't there.
    pub(crate) fn answer(
        &self,
        kind: AnswerKind,
        facts: &Facts,
        settings: &OutreachSettings,
        language: Language,
    ) -> Result<NoticeText, WordingError> {
        let channel = ContactChannel::Sms;
        let filled = facts.filled(settings, language, Room::Short, channel);
        let body = self.fill(kind.source(language), filled, (kind.as_str(), language))?;
        check_invariant!(
            InvariantId::N2,
            !says_no_call(&body),
            "{kind:?} says that no call is needed"
        );
        Ok(NoticeText {
            language,
            channel,
            subject: None,
            parts: sms::parts(&body),
            body,
        })
    }
}

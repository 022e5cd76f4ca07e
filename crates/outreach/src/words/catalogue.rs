//! The templates and how they are filled. Each stage has its words in each language: a missing one fails the build.

use forecall_types::{
    ContactChannel, Fingerprint, Language, NoticeStage, NoticeText, check_invariant, invariant::InvariantId,
};
use minijinja::{Environment, UndefinedBehavior, Value};

use super::calendar::Room;
use super::facts::Facts;
use super::lint::says_no_call;
use super::sms;
use crate::settings::OutreachSettings;

macro_rules! file {
    ($($name:expr),+) => {
        include_str!(concat!("../../templates/", $($name,)+ ".txt"))
    };
}

macro_rules! both {
    ($stage:literal, $room:expr, $language:expr) => {
        match ($room, $language) {
            (Room::Short, Language::Fa) => file!($stage, ".sms.fa"),
            (Room::Short, Language::En) => file!($stage, ".sms.en"),
            (Room::Long, Language::Fa) => file!($stage, ".long.fa"),
            (Room::Long, Language::En) => file!($stage, ".long.en"),
        }
    };
}

/// The template of a stage: a text message, or the long form, whose first line is the subject.
pub(crate) fn source(stage: NoticeStage, room: Room, language: Language) -> &'static str {
    match stage {
        NoticeStage::Predicted => both!("predicted", room, language),
        NoticeStage::Confirmed => both!("confirmed", room, language),
        NoticeStage::Progress => both!("progress", room, language),
        NoticeStage::EtaChanged => both!("eta_changed", room, language),
        NoticeStage::Resolved => both!("resolved", room, language),
        NoticeStage::AllClear => both!("all_clear", room, language),
        NoticeStage::Averted => both!("averted", room, language),
        NoticeStage::Retraction => both!("retraction", room, language),
    }
}

fn footer(language: Language) -> &'static str {
    match language {
        Language::Fa => file!("footer.fa"),
        Language::En => file!("footer.en"),
    }
}

/// What stands before every text of a rehearsal.
fn drill_mark(language: Language) -> &'static str {
    match language {
        Language::Fa => file!("drill.fa").trim_ascii_end(),
        Language::En => file!("drill.en").trim_ascii_end(),
    }
}

/// "Your area": for several regions, or one without a name.
pub(crate) fn any_area(language: Language) -> &'static str {
    match language {
        Language::Fa => file!("area.fa").trim_ascii_end(),
        Language::En => file!("area.en").trim_ascii_end(),
    }
}

/// "Service": for several services, or one without a name.
pub(crate) fn any_service(language: Language) -> &'static str {
    match language {
        Language::Fa => file!("service.fa").trim_ascii_end(),
        Language::En => file!("service.en").trim_ascii_end(),
    }
}

/// A template could not be filled: our own bug, found by tests; the notice stays unsent.
#[derive(Debug, thiserror::Error)]
#[error("failed to fill the words of `{stage}` in `{language}`")]
pub(crate) struct WordingError {
    /// Which stage, or which answer.
    stage: &'static str,
    /// Which language.
    language: &'static str,
    /// What the template engine says.
    #[source]
    source: minijinja::Error,
}

/// Fills templates.
pub(crate) struct Wording {
    engine: Environment<'static>,
}

impl Default for Wording {
    fn default() -> Self {
        let mut engine = Environment::empty();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        Self { engine }
    }
}

impl Wording {
    /// The texts of a stage in every language and for every channel in use, in a fixed order.
    ///
    /// # Errors
    /// [`WordingError`]: a template names a fact that isn't there.
    pub(crate) fn texts(
        &self,
        stage: NoticeStage,
        facts: &Facts,
        settings: &OutreachSettings,
    ) -> Result<Vec<NoticeText>, WordingError> {
        let mut texts = Vec::new();
        for language in Language::ALL {
            for channel in settings.channels.0.keys().copied() {
                let text = self.text(stage, facts, settings, language, channel)?;
                check_invariant!(
                    InvariantId::N2,
                    facts.no_call_needed || !says_no_call(&text.body),
                    "{stage:?} says that no call is needed"
                );
                texts.push(text);
            }
        }
        Ok(texts)
    }

    /// Fills one template; `of` says which, for the error.
    pub(super) fn fill(
        &self,
        source: &str,
        filled: Value,
        of: (&'static str, Language),
    ) -> Result<String, WordingError> {
        let (stage, language) = of;
        self.engine
            .render_str(source, filled)
            .map_err(|source| WordingError {
                stage,
                language: language.as_str(),
                source,
            })
    }

    fn text(
        &self,
        stage: NoticeStage,
        facts: &Facts,
        settings: &OutreachSettings,
        language: Language,
        channel: ContactChannel,
    ) -> Result<NoticeText, WordingError> {
        let fill = |source: &str, room: Room| {
            let filled = facts.filled(settings, language, room, channel);
            self.fill(source, filled, (stage.as_str(), language))
        };
        let (subject, body) = match channel {
            ContactChannel::Sms => (None, fill(source(stage, Room::Short, language), Room::Short)?),
            ContactChannel::Email => {
                let (subject, body) = split(&fill(source(stage, Room::Long, language), Room::Long)?);
                let footer = fill(footer(language), Room::Long)?;
                (Some(subject), format!("{body}\n\n{footer}\n"))
            }
            ContactChannel::Push | ContactChannel::Chat | ContactChannel::Webhook => {
                let (subject, body) = split(&fill(source(stage, Room::Long, language), Room::Long)?);
                (Some(subject), body)
            }
        };
        let marked = |text: String| {
            if facts.is_drill {
                format!("{} {text}", drill_mark(language))
            } else {
                text
            }
        };
        let (subject, body) = (subject.map(marked), marked(body));
        let parts = match channel {
            ContactChannel::Sms => sms::parts(&body),
            ContactChannel::Email | ContactChannel::Push | ContactChannel::Chat | ContactChannel::Webhook => {
                1
            }
        };
        Ok(NoticeText {
            language,
            channel,
            subject,
            body,
            parts,
        })
    }
}

/// First line and the rest after an empty one.
fn split(text: &str) -> (String, String) {
    let (subject, body) = text.split_once("\n\n").unwrap_or((text, ""));
    (subject.to_owned(), body.to_owned())
}

/// What an approval names: all texts, in order, as 32 hex digits.
pub(crate) fn fingerprint(texts: &[NoticeText]) -> String {
    let mut all = Fingerprint::default();
    for text in texts {
        for part in [
            text.language.as_str(),
            text.channel.as_str(),
            text.subject.as_deref().unwrap_or_default(),
            &text.body,
        ] {
            all = all.chain(part.as_bytes());
        }
    }
    all.to_string()
}

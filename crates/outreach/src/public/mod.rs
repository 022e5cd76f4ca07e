//! What everybody may read of notices: an Atom feed (RFC 4287) and CAP 1.2 alerts (OASIS, 2010).
//!
//! Only words that have gone out to customers, exactly as they went. A simulation never stands here, nor a prediction (R3) unless it is
//! planned work, nor an opening that has not come to the end of its ramp. What follows stands here where something before it did.
//!
//! ```
//! use forecall_outreach::public::{Frame, atom};
//! use forecall_outreach::OutreachSettings;
//! use forecall_types::{EventTime, Language};
//! let frame = Frame { url: "https://status.example.ir", sender: "status.example.ir", exercise: false };
//! let feed = atom(&[], Language::En, EventTime::from_secs(0), &frame, &OutreachSettings::default());
//! assert!(feed.contains("<feed xmlns=\"http://www.w3.org/2005/Atom\""));
//! ```

mod atom;
mod cap;
mod moment;
mod xml;

pub use atom::atom;
pub use cap::cap;

use forecall_types::{
    ContactChannel, EventTime, Incident, IncidentKind, Language, Notice, NoticeStage, NoticeText,
};

/// Who publishes, and where.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Address of the feeds, without a slash at the end.
    pub url: &'a str,
    /// Who alerts, as CAP names them.
    pub sender: &'a str,
    /// All of it is a drill.
    pub exercise: bool,
}

/// A notice that everybody may read.
#[derive(Debug, Clone, Copy)]
pub struct PublicNotice<'a> {
    /// The notice, with its texts.
    pub notice: &'a Notice,
    /// When its first message was planned.
    pub out_at: EventTime,
    /// Its incident.
    pub incident: &'a Incident,
}

/// Which of an incident's notices everybody may read; those that were let out, in order, with when.
pub fn public_of<'a>(incident: &'a Incident, out: &[(&'a Notice, EventTime)]) -> Vec<PublicNotice<'a>> {
    let mut public: Vec<PublicNotice<'a>> = Vec::new();
    if incident.simulated || incident.domain.is_canary() || incident.scope.regions.is_empty() {
        return public;
    }
    for (notice, out_at) in out {
        let may = !notice.simulated
            && is_for_all(notice, incident, !public.is_empty())
            && Language::ALL
                .into_iter()
                .all(|language| words(notice, language).is_some());
        if may {
            public.push(PublicNotice {
                notice,
                out_at: *out_at,
                incident,
            });
        }
    }
    public
}

fn is_for_all(notice: &Notice, incident: &Incident, something_before: bool) -> bool {
    let at_full_share = notice
        .ramp
        .as_ref()
        .is_none_or(|ramp| ramp.stopped.is_none() && ramp.share.get() >= 1.0);
    match notice.stage {
        NoticeStage::Predicted => at_full_share && incident.kind == IncidentKind::Planned,
        NoticeStage::Confirmed => at_full_share,
        NoticeStage::Progress
        | NoticeStage::EtaChanged
        | NoticeStage::Resolved
        | NoticeStage::AllClear
        | NoticeStage::Averted
        | NoticeStage::Retraction => something_before,
    }
}

/// Headline and text in a language, as they went out: the long form where a channel has it without the foot of an e-mail.
fn words(notice: &Notice, language: Language) -> Option<(Option<&str>, &str)> {
    use ContactChannel::{Chat, Email, Push, Sms, Webhook};
    [Webhook, Chat, Push, Email, Sms].into_iter().find_map(|channel| {
        let mut texts = notice.texts.iter();
        let found: &NoticeText = texts.find(|text| (text.language, text.channel) == (language, channel))?;
        let body = match channel {
            // The foot speaks to one subscriber: a reference, how to leave.
            Email => found.body.rsplit_once("\n\n").map_or("", |(body, _)| body),
            Webhook | Chat | Push | Sms => &found.body,
        };
        let body = body.trim();
        (!body.is_empty()).then_some((found.subject.as_deref(), body))
    })
}

#[cfg(test)]
mod tests;

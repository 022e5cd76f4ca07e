//! Whether a notice may go at all, and to whom of its people: pure verdicts with a reason each.

use std::collections::BTreeSet;
use std::time::Duration;

use forecall_types::{
    ContactChannel, EventTime, Fingerprint, HoldReason, Incident, IncidentKind, NoticeStage, Purpose,
    Responsibility, Severity,
};

use super::directory::Person;
use super::record::Hold;
use crate::settings::{Need, OutreachSettings, QuietRule, QuietSettings, ServiceClass, Zone};

/// What becomes of one person's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Over this channel, now.
    Send(ContactChannel),
    /// Not yet; looked at again then, or when something changes.
    Hold(HoldReason, Option<EventTime>),
    /// Not at all.
    Suppress(HoldReason),
}

/// A notice before any of its people.
pub(crate) struct NoticeQuestion<'a> {
    pub(crate) incident: &'a Incident,
    pub(crate) stage: NoticeStage,
    pub(crate) at: EventTime,
    /// People in scope.
    pub(crate) audience: u64,
    /// People the notice could go to.
    pub(crate) reach: u64,
    pub(crate) killed: bool,
    /// A person approved exactly this text.
    pub(crate) approved: bool,
    /// A person holds it back.
    pub(crate) hold: Option<&'a Hold>,
    /// It says words of a person's own.
    pub(crate) has_words: bool,
    /// It is a rehearsal: only test people are told.
    pub(crate) is_drill: bool,
}

/// Why nothing of a notice goes (yet), with a sentence for its readers; `None` if it may.
pub(crate) fn for_notice(
    question: &NoticeQuestion<'_>,
    settings: &OutreachSettings,
) -> Option<(HoldReason, String)> {
    let incident = question.incident;
    if incident.domain.is_canary() {
        return Some((
            HoldReason::Policy,
            "a canary: it shows that the whole way works, and nobody is ever told".into(),
        ));
    }
    if incident.simulated && !question.is_drill {
        return Some((
            HoldReason::Simulated,
            "a replay or a simulation is never sent".into(),
        ));
    }
    if question.audience == 0 && is_opening(question.stage) {
        return Some((
            HoldReason::EmptyScope,
            "nobody in the directory is in scope, or the scope is unknown".into(),
        ));
    }
    if question.killed {
        return Some((HoldReason::Killed, "the kill switch is on".into()));
    }
    if question.stage == NoticeStage::Predicted
        && let Some(why) = prediction_stays_inside(question, settings)
    {
        return Some((HoldReason::Policy, why));
    }
    if let Some(Hold { by, reason }) = question.hold {
        return Some((HoldReason::Person, format!("held back by {by}: {reason}")));
    }
    if question.approved {
        return None;
    }
    approval_for(question, settings).map(|why| (HoldReason::Approval, why))
}

/// R3: why a prediction isn't for customers.
fn prediction_stays_inside(question: &NoticeQuestion<'_>, settings: &OutreachSettings) -> Option<String> {
    let (incident, policy) = (question.incident, &settings.predicted);
    if incident.probability < policy.probability_min {
        return Some(format!(
            "a probability of {:.2} is below {:.2}",
            incident.probability.get(),
            policy.probability_min.get()
        ));
    }
    let horizon = Duration::from_secs(u64::from(policy.onset_minutes_max) * 60);
    match incident.onset_predicted {
        None => return Some("no onset is expected yet".into()),
        Some(onset) if onset <= question.at => return Some("the expected onset has passed".into()),
        Some(onset) if onset.since(question.at) > horizon => {
            return Some(format!(
                "the onset is more than {} minutes away",
                policy.onset_minutes_max
            ));
        }
        Some(_) => {}
    }
    if question.reach > policy.reach_max {
        return Some(format!(
            "it would reach {} people; predictions reach at most {}",
            question.reach, policy.reach_max
        ));
    }
    let useful = incident
        .scope
        .services
        .iter()
        .any(|s| settings.services.get(s).is_some_and(|s| s.advice.is_some()));
    let not_ours = incident.kind == IncidentKind::Planned
        || match incident.responsibility {
            Responsibility::Supplier | Responsibility::Power | Responsibility::Planned => true,
            Responsibility::Unknown | Responsibility::Own | Responsibility::ExternalOrder => false,
        };
    (policy.needs_use && !useful && !not_ours)
        .then(|| "there is nothing useful to do, and the cause is neither planned nor unavoidable".into())
}

fn approval_for(question: &NoticeQuestion<'_>, settings: &OutreachSettings) -> Option<String> {
    if question.incident.responsibility == Responsibility::ExternalOrder {
        return Some("an order from outside is always held for people".into());
    }
    if question.has_words {
        return Some("it says a step in a person's words: another one approves its text".into());
    }
    match question.stage {
        NoticeStage::Predicted if settings.predicted.needs_approval => {
            Some("a prediction waits for approval of its text".into())
        }
        NoticeStage::Confirmed if question.reach > settings.approval.reach_above => Some(format!(
            "it reaches {} people, more than {}: waits for approval of its text",
            question.reach, settings.approval.reach_above
        )),
        NoticeStage::Confirmed if question.incident.probability < settings.approval.probability_below => {
            Some("it isn't certain enough to go without approval".into())
        }
        NoticeStage::Predicted
        | NoticeStage::Confirmed
        | NoticeStage::Progress
        | NoticeStage::EtaChanged
        | NoticeStage::Resolved
        | NoticeStage::AllClear
        | NoticeStage::Averted
        | NoticeStage::Retraction => None,
    }
}

/// Stages that begin a thread: only they may be news to somebody who was told nothing.
pub(crate) const fn is_opening(stage: NoticeStage) -> bool {
    matches!(stage, NoticeStage::Predicted | NoticeStage::Confirmed)
}

/// Stages that end one: always sent to whoever was told.
pub(crate) const fn is_closing(stage: NoticeStage) -> bool {
    match stage {
        NoticeStage::Resolved | NoticeStage::AllClear | NoticeStage::Averted | NoticeStage::Retraction => {
            true
        }
        NoticeStage::Predicted | NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged => {
            false
        }
    }
}

/// What a notice is for. Danger to life: only where the incident is extreme and emergency calls or health are in scope.
pub(crate) fn purpose_of(incident: &Incident, settings: &OutreachSettings) -> Purpose {
    let vital = incident
        .scope
        .services
        .iter()
        .filter_map(|s| settings.services.get(s))
        .any(|s| matches!(s.class, ServiceClass::Emergency | ServiceClass::Health));
    if incident.severity == Severity::Extreme && vital {
        Purpose::Safety
    } else if incident.kind == IncidentKind::Planned {
        Purpose::PlannedWork
    } else {
        Purpose::ServiceNotice
    }
}

/// R4: channels that don't depend on what has failed. Before it fails and after it works again, none do.
pub(crate) fn usable_channels(
    incident: &Incident,
    stage: NoticeStage,
    settings: &OutreachSettings,
) -> BTreeSet<ContactChannel> {
    let broken: BTreeSet<Need> = match stage {
        NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged => incident
            .scope
            .services
            .iter()
            .filter_map(|s| settings.services.get(s))
            .flat_map(|s| s.breaks.iter().copied())
            .collect(),
        NoticeStage::Predicted
        | NoticeStage::Resolved
        | NoticeStage::AllClear
        | NoticeStage::Averted
        | NoticeStage::Retraction => BTreeSet::new(),
    };
    settings
        .channels
        .0
        .iter()
        .filter(|(_, needs)| needs.is_disjoint(&broken))
        .map(|(channel, _)| *channel)
        .collect()
}

/// Whether a draw by these parts falls into a share: the same in every run.
pub(crate) fn in_share(parts: &[&[u8]], share: f64) -> bool {
    // A millionth is finer than any share people set.
    const PARTS: u128 = 1_000_000;
    #[allow(
        clippy::cast_precision_loss,
        reason = "a number below one million is exact in 53 bits"
    )]
    let place = (Fingerprint::of_parts(parts).as_u128() % PARTS) as f64 / PARTS as f64;
    place < share
}

/// Whether a person belongs to the pilot of an incident: another share for each incident.
pub(crate) fn in_pilot(person: &Person, incident: &Incident, share: f64) -> bool {
    in_share(
        &[incident.id.as_str().as_bytes(), person.id.as_str().as_bytes()],
        share,
    )
}

/// When the quiet hours that hold `at` end; `None` outside them.
pub(crate) fn quiet_until(at: EventTime, zone: &Zone, settings: &QuietSettings) -> Option<EventTime> {
    let (from, until) = (settings.from.minutes(), settings.until.minutes());
    let local = zone.local(at);
    let now = u16::try_from(local.hour()).ok()? * 60 + u16::try_from(local.minute()).ok()?;
    let quiet = if from <= until {
        (from..until).contains(&now)
    } else {
        now >= from || now < until
    };
    if !quiet {
        return None;
    }
    let day = if now < until {
        local.date()
    } else {
        local.date().tomorrow().ok()?
    };
    let (hour, minute) = (i8::try_from(until / 60).ok()?, i8::try_from(until % 60).ok()?);
    zone.moment(day.at(hour, minute, 0, 0))
}

/// One person and one notice that may go.
pub(crate) struct PersonQuestion<'a> {
    pub(crate) person: &'a Person,
    pub(crate) stage: NoticeStage,
    pub(crate) purpose: Purpose,
    pub(crate) at: EventTime,
    pub(crate) opted_out: bool,
    pub(crate) in_pilot: bool,
    /// Messages planned for them in this thread.
    pub(crate) messages: u8,
    /// Messages planned for them today.
    pub(crate) today: u8,
    /// End of the quiet hours they are in.
    pub(crate) quiet_until: Option<EventTime>,
    /// The message this one corrects reached them in these quiet hours.
    pub(crate) corrects_tonight: bool,
    /// Two people stand behind waking people with it.
    pub(crate) wakes: bool,
    /// Channels that work, and that this notice hasn't tried with them.
    pub(crate) usable: &'a dyn Fn(ContactChannel) -> bool,
}

/// What becomes of a person's message.
pub(crate) fn for_person(question: &PersonQuestion<'_>, settings: &OutreachSettings) -> Verdict {
    let (person, safety) = (question.person, question.purpose == Purpose::Safety);
    if !question.in_pilot {
        return Verdict::Suppress(HoldReason::Pilot);
    }
    // Whoever wants news of disruptions hears of danger too.
    let agreed = person.agreed_to(question.purpose) || (safety && person.agreed_to(Purpose::ServiceNotice));
    if !agreed {
        return Verdict::Suppress(HoldReason::NoConsent);
    }
    if question.opted_out && !safety {
        return Verdict::Suppress(HoldReason::OptedOut);
    }
    if !person.channels().any(|c| settings.channels.0.contains_key(&c)) {
        return Verdict::Suppress(HoldReason::NoChannel);
    }
    let Some(channel) = person.channels().find(|c| (question.usable)(*c)) else {
        return Verdict::Hold(HoldReason::Unreachable, None);
    };
    let caps = &settings.caps;
    let capped = question.messages >= caps.per_incident || question.today >= caps.per_day;
    if capped && !safety && !is_closing(question.stage) {
        return Verdict::Suppress(HoldReason::Cap);
    }
    match question.quiet_until {
        Some(until) if !safety && !question.wakes && !may_wake(question, &settings.quiet) => {
            Verdict::Hold(HoldReason::QuietHours, Some(until))
        }
        Some(_) | None => Verdict::Send(channel),
    }
}

/// R7: whether people's word may wake: two teams stand behind the text, the trouble is grave, and the stage isn't one that never does.
pub(crate) fn may_be_woken(
    incident: &Incident,
    stage: NoticeStage,
    teams: usize,
    settings: &QuietSettings,
) -> bool {
    let rule = settings.rules.get(&stage).copied().unwrap_or(QuietRule::Never);
    teams >= 2 && incident.severity >= Severity::Severe && rule != QuietRule::Never
}

fn may_wake(question: &PersonQuestion<'_>, settings: &QuietSettings) -> bool {
    let rule = settings
        .rules
        .get(&question.stage)
        .copied()
        .unwrap_or(QuietRule::Never);
    match rule {
        QuietRule::Always => true,
        QuietRule::Never => false,
        QuietRule::OnlyIfActive => {
            let awake = Duration::from_secs(u64::from(settings.active_minutes) * 60);
            let active = question.person.active_at > EventTime::MIN
                && question.at.since(question.person.active_at) <= awake;
            active || question.corrects_tonight
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use forecall_types::{Customer, CustomerId, DomainName, Language, RegionCode};

    use super::*;
    use crate::notice::directory::Directory;

    /// 2026-11-22 00:00 in Tehran.
    const MIDNIGHT: i64 = 1_795_293_000;

    fn at(hour: i64, minute: i64) -> EventTime {
        EventTime::from_secs(MIDNIGHT + hour * 3600 + minute * 60)
    }

    #[test]
    fn quiet_hours_end_in_the_morning_of_the_right_day() {
        let settings = OutreachSettings::default();
        let until = |t| quiet_until(t, &settings.zone, &settings.quiet);
        for (time, wanted) in [
            (at(0, 0), Some(at(8, 0))),
            (at(7, 59), Some(at(8, 0))),
            (at(8, 0), None),
            (at(21, 59), None),
            (at(22, 0), Some(at(32, 0))),
            (at(23, 59), Some(at(32, 0))),
        ] {
            assert_eq!(until(time), wanted, "{time:?}");
        }
        let mut none = settings.quiet.clone();
        none.until = none.from;
        assert_eq!(quiet_until(at(23, 0), &settings.zone, &none), None);
    }

    fn directory(consents: &[Purpose], channels: &[ContactChannel]) -> Directory {
        let mut directory = Directory::default();
        directory
            .upsert(&Customer {
                id: CustomerId::new("cus_ali").unwrap(),
                domain: DomainName::new("d").unwrap(),
                region: RegionCode::new("IR-23").unwrap(),
                place: None,
                served_by: BTreeSet::new(),
                services: BTreeSet::new(),
                language: Language::Fa,
                channels: channels.to_vec(),
                consents: consents.iter().copied().collect(),
                priority: false,
                at: EventTime::MIN,
            })
            .unwrap();
        directory
    }

    /// A person who may be told; each case spoils one thing.
    fn verdict(
        consents: &[Purpose],
        channels: &[ContactChannel],
        change: impl FnOnce(&mut PersonQuestion<'_>),
    ) -> Verdict {
        let directory = directory(consents, channels);
        let usable = |channel| channel == ContactChannel::Sms;
        let mut question = PersonQuestion {
            person: directory.get(0).unwrap(),
            stage: NoticeStage::Confirmed,
            purpose: Purpose::ServiceNotice,
            at: at(23, 0),
            opted_out: false,
            in_pilot: true,
            messages: 0,
            today: 0,
            quiet_until: None,
            corrects_tonight: false,
            wakes: false,
            usable: &usable,
        };
        change(&mut question);
        for_person(&question, &OutreachSettings::default())
    }

    #[test]
    fn a_reason_for_each_case() {
        use HoldReason as R;
        const SERVICE: &[Purpose] = &[Purpose::ServiceNotice];
        const SMS: &[ContactChannel] = &[ContactChannel::Sms];
        let morning = Some(at(32, 0));
        let send = Verdict::Send(ContactChannel::Sms);
        assert_eq!(verdict(SERVICE, SMS, |_| {}), send);
        assert_eq!(
            verdict(SERVICE, &[ContactChannel::Email, ContactChannel::Sms], |_| {}),
            send,
            "the most wanted of those that work"
        );
        for (found, reason) in [
            (verdict(SERVICE, SMS, |q| q.in_pilot = false), R::Pilot),
            (verdict(&[Purpose::Marketing], SMS, |_| {}), R::NoConsent),
            (
                verdict(SERVICE, SMS, |q| q.purpose = Purpose::PlannedWork),
                R::NoConsent,
            ),
            (verdict(SERVICE, SMS, |q| q.opted_out = true), R::OptedOut),
            (verdict(SERVICE, &[], |_| {}), R::NoChannel),
            (verdict(SERVICE, SMS, |q| q.messages = 6), R::Cap),
            (verdict(SERVICE, SMS, |q| q.today = 8), R::Cap),
        ] {
            assert_eq!(found, Verdict::Suppress(reason));
        }
        assert_eq!(
            verdict(SERVICE, &[ContactChannel::Email], |_| {}),
            Verdict::Hold(R::Unreachable, None)
        );
        assert_eq!(
            verdict(SERVICE, SMS, |q| q.quiet_until = morning),
            Verdict::Hold(R::QuietHours, morning)
        );
        // The last state is always sent, whatever the caps say.
        assert_eq!(
            verdict(SERVICE, SMS, |q| {
                q.stage = NoticeStage::Resolved;
                q.messages = 200;
                q.today = 200;
            }),
            send
        );
        // Danger to life asks for neither the hour, nor caps, nor an earlier STOP.
        assert_eq!(
            verdict(SERVICE, SMS, |q| {
                q.purpose = Purpose::Safety;
                q.opted_out = true;
                q.messages = 200;
                q.quiet_until = morning;
            }),
            send
        );
        let correction = |tonight| {
            verdict(SERVICE, SMS, |q| {
                q.stage = NoticeStage::Retraction;
                q.quiet_until = morning;
                q.corrects_tonight = tonight;
            })
        };
        assert_eq!(correction(true), send);
        assert_eq!(correction(false), Verdict::Hold(R::QuietHours, morning));
    }
}

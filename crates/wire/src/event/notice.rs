//! Notices: what is told to customers, to how many, and how far it has come. Counts and ids, never a person.

use std::collections::BTreeMap;

use super::customer::{ContactChannel, Language};
use super::scalar::{Name, Share, Time};
use super::shape::{published, published_enum};

published_enum! {
    /// The stage of the story a notice tells.
    NoticeStage {
        /// Trouble may come; it works now.
        Predicted,
        /// It is there.
        Confirmed,
        /// Something has been done.
        Progress,
        /// The end is expected at another time.
        EtaChanged,
        /// It works again.
        Resolved,
        /// What customers were warned of did not come.
        AllClear,
        /// What customers were warned of was prevented.
        Averted,
        /// The earlier message was wrong.
        Retraction,
    }
}

published_enum! {
    /// Why somebody isn't told, or not yet.
    HoldReason {
        /// Hold: waits for approval.
        Approval,
        /// Hold: quiet hours.
        QuietHours,
        /// Hold: every channel of this person needs what has failed.
        Unreachable,
        /// Hold: the kill switch is on.
        Killed,
        /// Hold: told later, at random, so that the effect can be measured.
        HoldOut,
        /// Hold: told in a later step of the ramp, or it has stopped itself.
        Ramp,
        /// Hold: a person holds it back.
        Person,
        /// Suppressed: no consent for this purpose.
        NoConsent,
        /// Suppressed: opted out.
        OptedOut,
        /// Suppressed: no address on any channel.
        NoChannel,
        /// Suppressed: the policy doesn't tell customers of this stage at this certainty.
        Policy,
        /// Suppressed: outside the pilot.
        Pilot,
        /// Suppressed: a cap on messages is reached.
        Cap,
        /// Suppressed: nobody is in scope, or the scope is unknown.
        EmptyScope,
        /// Suppressed: a replay or a simulation.
        Simulated,
        /// Suppressed: no longer true when it could have gone.
        Stale,
    }
}

published_enum! {
    /// Where a notice stands.
    NoticeState {
        /// Written, waiting.
        Drafted,
        /// May go.
        Approved,
        /// Waits for a reason.
        Held,
        /// Goes to nobody, for a reason.
        Suppressed,
        /// Messages are planned; some are on their way.
        Sending,
        /// Every message has left or failed for good.
        Sent,
        /// Every message is at its end.
        Delivered,
        /// Taken back.
        Retracted,
    }
}

published_enum! {
    /// Where one message to one person stands.
    IntentState {
        /// Written down, not tried.
        Planned,
        /// Handed to the gateway; the answer isn't known.
        Sending,
        /// The gateway has taken it.
        Accepted,
        /// It has arrived.
        Delivered,
        /// It won't arrive.
        Failed,
        /// It can't be found out.
        Unknown,
    }
}

published! {
    /// The words of a notice in one language and channel: one text serves all, so it holds no personal data.
    #[derive(Eq)]
    NoticeText of NoticeText {
        /// Language.
        language: Language = language,
        /// Channel.
        channel: ContactChannel = channel,
        /// Subject, for channels that have one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String> = subject,
        /// Body.
        body: String = body,
        /// Message parts it takes (text messages), else 1.
        parts: u32 = parts,
    }
}

published_enum! {
    /// Why hold-outs ended themselves, by an interval that holds however often one looks.
    HoldOutEnd {
        /// More of those who wait get in touch than of those who are told: waiting harms them.
        WaitingHarms,
        /// More of those who are told get in touch: telling harms, and there is nothing more to learn by waiting.
        TellingHarms,
    }
}

published! {
    /// What came of telling some later, at random, up to when they were told: two arms that differ by chance alone.
    #[derive(Eq)]
    HoldOutTrial of HoldOutTrial {
        /// When the first could be told.
        from: Time = from,
        /// When the others were told, or it was over.
        until: Time = until,
        /// People told at once.
        told: u64 = told,
        /// Of them those who got in touch before `until`.
        told_contacts: u64 = told_contacts,
        /// People who waited.
        held_out: u64 = held_out,
        /// Of them those who got in touch before `until`.
        held_out_contacts: u64 = held_out_contacts,
        /// With this one all of the declaration show harm: nobody waits any more until a person declares a hold-out anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<HoldOutEnd> = ended,
    }
}

published_enum! {
    /// Why an opening stopped itself.
    RampStop {
        /// The share of messages that failed is above what is borne, beyond doubt.
        Failures,
        /// Several in a row failed.
        FailuresInARow,
        /// The share of those reached who want no more is above what is borne, beyond doubt.
        Stops,
        /// The share of those reached who write that it isn't true is above what is borne, beyond doubt.
        Untrue,
    }
}

published! {
    /// How far an opening has come that goes to few first, then to more.
    NoticeRamp of NoticeRamp {
        /// Share of the people told up to now; 1: everybody.
        share: Share = share,
        /// Messages that a gateway has taken.
        reached: u64 = reached,
        /// Messages that failed.
        failed: u64 = failed,
        /// People it reached who wanted no more.
        stops: u64 = stops,
        /// People it reached who wrote that it isn't true.
        #[serde(default)]
        untrue: u64 = untrue,
        /// Why it stopped; absent: it goes on, or is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stopped: Option<RampStop> = stopped,
        /// It isn't judged any more: its last step was looked at, or the incident has ended.
        #[serde(default)]
        over: bool = over,
    }
}

published! {
    /// A notice: what is told, to how many, and how far it has come.
    Notice of Notice {
        /// Id: the same for all revisions, and in every run.
        id: Name = id,
        /// 1 at first, then one more each time.
        revision: u32 = revision,
        /// Domain.
        domain: Name = domain,
        /// The incident.
        incident: Name = incident,
        /// The incident's revision that it was written from.
        incident_revision: u32 = incident_revision,
        /// What stage of the story.
        stage: NoticeStage = stage,
        /// Where it stands.
        state: NoticeState = state,
        /// Event time of this revision.
        at: Time = at,
        /// Customers in scope.
        audience: u64 = audience,
        /// Messages planned so far.
        intents: u64 = intents,
        /// Messages by where they stand.
        #[serde(default)]
        progress: BTreeMap<IntentState, u64> = progress,
        /// People not told, or not yet, by reason.
        #[serde(default)]
        withheld: BTreeMap<HoldReason, u64> = withheld,
        /// Messages by channel.
        #[serde(default)]
        channels: BTreeMap<ContactChannel, u64> = channels,
        /// The texts.
        #[serde(default)]
        texts: Vec<NoticeText> = texts,
        /// Fingerprint of the texts: what an approval names, as 32 hex digits.
        text_fingerprint: String = text_fingerprint,
        /// Whether a text says that no call is needed.
        no_call_needed: bool = no_call_needed,
        /// Time by which the next news is promised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_update: Option<Time> = next_update,
        /// When it is expected to be over, as told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        eta: Option<Time> = eta,
        /// What came of the hold-out, once it is over; left out: nobody was held out, or it goes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold_out: Option<HoldOutTrial> = hold_out,
        /// How far its ramp has come; absent: it goes to all at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ramp: Option<NoticeRamp> = ramp,
        /// People who wrote, after it, that it isn't true.
        #[serde(default)]
        untrue: u64 = untrue,
        /// First message accepted by a gateway.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_accepted_at: Option<Time> = first_accepted_at,
        /// Why this revision, in one sentence.
        #[serde(default)]
        reason: String = reason,
        /// From a replay or a simulation; never sent.
        simulated: bool = simulated,
    }
}

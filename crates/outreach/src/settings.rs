//! What an operator decides about notices. Every default is the safest: nothing opens without a person's approval.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_types::{
    CompensationUnit, ContactChannel, CustomerId, Language, NoticeStage, Probability, RegionCode, ServiceName,
};
use serde::{Deserialize, Serialize};

pub use crate::area_settings::{AreaBounds, AreaSettings};
use crate::calls::CallSettings;
pub use crate::hold_out_settings::{
    HoldOutDelay, HoldOutSettings, HoldOutShare, LastDay, NotADay, NotADelay, NotAHoldOutShare,
};
pub use crate::ramp_settings::{RAMP_STEPS_MAX, RampSettings};
pub use crate::reply_settings::ReplySettings;
pub use crate::zone::{LocalTime, NotATimeOfDay, NotAZone, Zone};

/// Levels of regions above a customer's own that are looked through; a chain that goes in a circle ends here.
pub const REGION_LEVELS_MAX: usize = 8;

/// All settings of the stage.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutreachSettings {
    /// Who speaks.
    pub brand: BrandSettings,
    /// Zone of regions that declare none (default Asia/Tehran).
    pub zone: Zone,
    /// Regions: hierarchy, names, zones. A region not declared has no name ("your area") and no parent.
    pub regions: BTreeMap<RegionCode, RegionSettings>,
    /// Polygons of regions, for customers whose place is known better than their region.
    pub areas: AreaSettings,
    /// Services customers use. One not declared has no name, breaks no channel, and never allows "no need to call".
    pub services: BTreeMap<ServiceName, ServiceSettings>,
    /// Channels in use and what each needs to work (R4). One that isn't declared is never used.
    pub channels: ChannelTable,
    /// Approved words for steps of repair, by code; a step without words is not told.
    pub steps: StepWords,
    /// When predictions reach customers (R3).
    pub predicted: PredictedSettings,
    /// What needs a person's approval of the exact text.
    pub approval: ApprovalSettings,
    /// When not to wake people (R7).
    pub quiet: QuietSettings,
    /// How many messages one person may get.
    pub caps: CapSettings,
    /// What is promised.
    pub promise: PromiseSettings,
    /// Some told later, at random, so that the effect of telling is measured; left out: nobody (R6).
    pub hold_out: Option<HoldOutSettings>,
    /// Openings go to few first, then to more, then to all, and stop themselves; left out: to all at once. `{}` is the usual one.
    pub ramp: Option<RampSettings>,
    /// What becomes of what customers write back.
    pub replies: ReplySettings,
    /// Customers about whom nothing is known but their region are told of an incident that names its elements (default
    /// no: they would mostly be told of something that doesn't touch them).
    pub region_is_enough: bool,
    /// Pseudonyms of the people whom a rehearsal reaches (default: none).
    pub drill_people: BTreeSet<CustomerId>,
    /// The most that may be promised for one incident, by unit; what isn't named can't be promised (default: nothing).
    pub compensation_budget: BTreeMap<CompensationUnit, u64>,
    /// The call model.
    pub calls: Arc<CallSettings>,
}

/// One text in each language of [`Language`]: a missing one can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Persian.
    pub fa: String,
    /// English.
    pub en: String,
}

impl Words {
    /// Both.
    pub fn new(fa: &str, en: &str) -> Self {
        Self {
            fa: fa.to_owned(),
            en: en.to_owned(),
        }
    }

    /// In `language`.
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::Fa => &self.fa,
            Language::En => &self.en,
        }
    }
}

/// Who speaks, and how to reach them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrandSettings {
    /// Name at the head of every text; 5 units leave an area 13 in a one-part text message.
    pub name: Words,
    /// Form of address.
    pub address: Words,
    /// Number to call, as people dial it, in Latin digits without hyphens.
    pub phone: Option<String>,
    /// Address of the page with the same news.
    pub page: Option<String>,
    /// Where to change or stop messages.
    pub unsubscribe: Option<String>,
    /// Whether the text-message sender can receive; only then a text asks for a reply (R18).
    pub replies: bool,
}

impl Default for BrandSettings {
    fn default() -> Self {
        Self {
            name: Words::new("فورکال", "Forecall"),
            address: Words::new("مشتری گرامی", "Dear customer"),
            phone: None,
            page: None,
            unsubscribe: None,
            replies: false,
        }
    }
}

/// A region.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegionSettings {
    /// The region it lies in.
    pub parent: Option<RegionCode>,
    /// Its zone, if not the general one.
    pub zone: Option<Zone>,
    /// Short name as it stands in texts, at most 13 units for one part.
    pub name: Option<Words>,
}

/// What kind of service it is: what a call may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceClass {
    /// Data, television, shop, …: nobody's safety or money hangs on it.
    #[default]
    Ordinary,
    /// Telephone calls.
    Voice,
    /// Emergency calls (115, 110, 125).
    Emergency,
    /// Health.
    Health,
    /// Alarms.
    Alarm,
    /// Payment.
    Payment,
}

impl ServiceClass {
    /// Whether a person must always be able to reach us about it: then no text says that no call is needed (R1).
    pub const fn is_critical(self) -> bool {
        match self {
            Self::Ordinary => false,
            Self::Voice | Self::Emergency | Self::Health | Self::Alarm | Self::Payment => true,
        }
    }
}

/// A service customers use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSettings {
    /// Its name as it stands in texts.
    pub name: Option<Words>,
    /// Its class.
    pub class: ServiceClass,
    /// What doesn't work when it fails (R4).
    pub breaks: BTreeSet<Need>,
    /// Something useful to do before it fails, as one sentence (R3).
    pub advice: Option<Words>,
    /// Customers have something to do afterwards (restart a modem).
    pub asks_action: bool,
}

/// What a channel needs to reach a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Data over the mobile network.
    MobileData,
    /// Data over a fixed line.
    FixedAccess,
    /// The text-message core.
    SmsCore,
    /// Power at the cells.
    CellPower,
}

/// Channels in use and what each needs: all of it. Which access a person reads e-mail over isn't known, so e-mail needs
/// both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelTable(pub BTreeMap<ContactChannel, BTreeSet<Need>>);

impl Default for ChannelTable {
    fn default() -> Self {
        let data = BTreeSet::from([Need::MobileData, Need::FixedAccess]);
        Self(BTreeMap::from([
            (
                ContactChannel::Sms,
                BTreeSet::from([Need::SmsCore, Need::CellPower]),
            ),
            (ContactChannel::Email, data.clone()),
            (ContactChannel::Push, data.clone()),
            (ContactChannel::Chat, data.clone()),
            (ContactChannel::Webhook, data),
        ]))
    }
}

/// Approved words for steps of repair, by code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepWords(pub BTreeMap<Arc<str>, Words>);

impl Default for StepWords {
    fn default() -> Self {
        // At most 17 UTF-16 units in Persian, so that a progress text stays in one part.
        let steps = [
            ("team_on_site", "تیم به محل رسید", "Our team is on site"),
            ("cause_found", "علت پیدا شد", "The cause has been found"),
            ("part_replaced", "قطعه تعویض شد", "The part has been replaced"),
            ("traffic_rerouted", "مسیر جایگزین شد", "Traffic takes another way"),
        ];
        Self(
            steps
                .into_iter()
                .map(|(code, fa, en)| (Arc::from(code), Words::new(fa, en)))
                .collect(),
        )
    }
}

/// When a prediction reaches customers at all. Whatever it doesn't reach, they hear when it is confirmed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PredictedSettings {
    /// Least probability (default 0.9).
    pub probability_min: Probability,
    /// Longest time to the expected onset, in minutes (default 60).
    pub onset_minutes_max: u32,
    /// Most people told of one prediction (default 1,000: a wrong one must stay small).
    pub reach_max: u64,
    /// Share of the people in scope who are told, chosen by a hash of person and incident (default 1).
    pub pilot_share: Probability,
    /// Only if there is something useful to do, or the cause is planned or not ours to avoid (default yes).
    pub needs_use: bool,
    /// Only after a person approved the text (default yes).
    pub needs_approval: bool,
}

impl Default for PredictedSettings {
    fn default() -> Self {
        Self {
            probability_min: Probability::clamped(0.9),
            onset_minutes_max: 60,
            reach_max: 1_000,
            pilot_share: Probability::ONE,
            needs_use: true,
            needs_approval: true,
        }
    }
}

/// What needs approval, beside predictions: opening messages. News to those already told needs none, nor do closings,
/// whose words are stock texts. Orders from outside always do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApprovalSettings {
    /// A confirmed notice to more people than this (default 0: every one).
    pub reach_above: u64,
    /// A confirmed notice at less than this probability (default 1).
    pub probability_below: Probability,
}

impl Default for ApprovalSettings {
    fn default() -> Self {
        Self {
            reach_above: 0,
            probability_below: Probability::ONE,
        }
    }
}

/// What a stage may do during quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuietRule {
    /// Goes at once.
    Always,
    /// Goes at once to a person who called, replied, or (a correction) was messaged just before; others wait.
    OnlyIfActive,
    /// Waits for the morning.
    Never,
}

/// Quiet hours, in the zone of the person's region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuietSettings {
    /// First quiet minute (default 22:00).
    pub from: LocalTime,
    /// First minute after them (default 08:00); equal to `from`: no quiet hours.
    pub until: LocalTime,
    /// What each stage may do then. A stage that isn't named waits.
    pub rules: BTreeMap<NoticeStage, QuietRule>,
    /// How long after a call or reply a person counts as awake, in minutes (default 60).
    pub active_minutes: u32,
}

impl Default for QuietSettings {
    fn default() -> Self {
        Self {
            from: LocalTime::at_hour(22),
            until: LocalTime::at_hour(8),
            rules: BTreeMap::from([
                (NoticeStage::Predicted, QuietRule::Never),
                (NoticeStage::Confirmed, QuietRule::OnlyIfActive),
                (NoticeStage::Progress, QuietRule::OnlyIfActive),
                (NoticeStage::EtaChanged, QuietRule::OnlyIfActive),
                (NoticeStage::Resolved, QuietRule::Never),
                (NoticeStage::AllClear, QuietRule::Never),
                (NoticeStage::Averted, QuietRule::Never),
                (NoticeStage::Retraction, QuietRule::OnlyIfActive),
            ]),
            active_minutes: 60,
        }
    }
}

/// Caps on messages. A closing message to a person who was told is always sent: the last state counts (R9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CapSettings {
    /// Per person and incident (default 6).
    pub per_incident: u8,
    /// Per person and day over all incidents (default 8).
    pub per_day: u8,
}

impl Default for CapSettings {
    fn default() -> Self {
        Self {
            per_incident: 6,
            per_day: 8,
        }
    }
}

/// What is promised and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromiseSettings {
    /// Next news after this many minutes (default 60); of a prediction at its onset at the latest.
    pub next_minutes: u32,
    /// News that is due is written this many minutes before (default 5), so that it arrives in time.
    pub before_minutes: u32,
    /// How often an end that was told may be told anew (default 2); after that no time is told any more.
    pub end_changes_max: u8,
}

impl Default for PromiseSettings {
    fn default() -> Self {
        Self {
            next_minutes: 60,
            before_minutes: 5,
            end_changes_max: 2,
        }
    }
}

impl OutreachSettings {
    /// The zone of a region: its own, else that of the region it lies in, else the general one.
    pub fn zone_of(&self, region: &RegionCode) -> &Zone {
        self.ancestry(region)
            .find_map(|code| self.regions.get(code).and_then(|r| r.zone.as_ref()))
            .unwrap_or(&self.zone)
    }

    /// A region and those it lies in, inner first; at most [`REGION_LEVELS_MAX`].
    pub(crate) fn ancestry<'a>(&'a self, region: &'a RegionCode) -> impl Iterator<Item = &'a RegionCode> {
        std::iter::successors(Some(region), |code| {
            self.regions.get(*code).and_then(|r| r.parent.as_ref())
        })
        .take(REGION_LEVELS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_regions_ends() {
        let code = |t: &str| RegionCode::new(t).unwrap();
        let mut settings = OutreachSettings::default();
        for (child, parent) in [("AA", "BB"), ("BB", "AA")] {
            settings.regions.insert(
                code(child),
                RegionSettings {
                    parent: Some(code(parent)),
                    ..RegionSettings::default()
                },
            );
        }
        assert_eq!(settings.ancestry(&code("AA")).count(), REGION_LEVELS_MAX);
        assert_eq!(settings.zone_of(&code("AA")), &Zone::default());
    }
}

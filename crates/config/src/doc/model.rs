//! All types the file can hold, with their defaults.

use std::collections::BTreeMap;

use forecall_bridge::{
    AlertmanagerSettings, BridgeSettings, GrafanaSettings, PagerDutySettings, RetrySettings, WebhookSettings,
};
use forecall_delivery::{
    BreakerSettings, CallbackSettings, ChatSettings, FcmSettings, HttpSmsSettings, ReceiptFields,
    ReplyFields, SmppSettings, SmtpSettings, WebPushSettings, WebhookGatewaySettings,
};
use forecall_detect::calendar::CalendarEntry;
use forecall_detect::{AlarmRates, GateRule, LimitEntry, PeerGroup, ShownSeries};
use forecall_incident::{ObjectiveEntry, RegionEntry, RuleEntry, ServiceEntry, TeamEntry};
use forecall_journey::{JourneyRuleEntry, JourneyStepEntry};
use forecall_outreach::calls::QueueSettings;
use forecall_outreach::{HoldOutSettings, RampSettings, RegionSettings, ServiceSettings};
use forecall_wire::telemetry::{
    ContextSettings, CustomerEventsSettings, CustomerField, Mapping, TextsSettings,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::source::{Items, Shape, defaults, read};
use crate::api::{ApiSettings, ApiToken, FeedSettings};
use crate::raw::{DirectorySettings, File, S3Settings, SourceSettings};
use crate::remedy::RemedyEntry;

const KAFKA: &str = include_str!("../../../kafka/src/settings.rs");

/// The files settings are declared in.
const SOURCES: [(&str, &str); 45] = [
    ("config/raw", include_str!("../raw.rs")),
    ("config/api", include_str!("../api.rs")),
    ("config/remedy", include_str!("../remedy.rs")),
    ("kafka/settings", KAFKA),
    ("detect/settings", include_str!("../../../detect/src/settings.rs")),
    (
        "detect/calendar",
        include_str!("../../../detect/src/calendar/mod.rs"),
    ),
    (
        "detect/holidays",
        include_str!("../../../detect/src/calendar/holidays.rs"),
    ),
    (
        "detect/peers",
        include_str!("../../../detect/src/peers/settings.rs"),
    ),
    ("detect/limits", include_str!("../../../detect/src/limits.rs")),
    ("detect/shown", include_str!("../../../detect/src/stage/shown.rs")),
    ("detect/rule", include_str!("../../../detect/src/rule.rs")),
    ("detect/kind", include_str!("../../../detect/src/kind.rs")),
    (
        "detect/zone",
        include_str!("../../../detect/src/calendar/zone.rs"),
    ),
    (
        "incident/settings",
        include_str!("../../../incident/src/settings.rs"),
    ),
    (
        "delivery/smpp",
        include_str!("../../../delivery/src/smpp/settings.rs"),
    ),
    (
        "delivery/http_sms",
        include_str!("../../../delivery/src/http_sms/settings.rs"),
    ),
    (
        "delivery/callbacks",
        include_str!("../../../delivery/src/http_sms/callback_settings.rs"),
    ),
    (
        "delivery/webhook",
        include_str!("../../../delivery/src/webhook/settings.rs"),
    ),
    (
        "delivery/chat",
        include_str!("../../../delivery/src/chat/settings.rs"),
    ),
    (
        "delivery/web_push",
        include_str!("../../../delivery/src/web_push/settings.rs"),
    ),
    (
        "delivery/fcm",
        include_str!("../../../delivery/src/fcm/settings.rs"),
    ),
    ("incident/paging", include_str!("../../../incident/src/paging.rs")),
    (
        "incident/topology_file",
        include_str!("../../../incident/src/topology_file.rs"),
    ),
    (
        "incident/remedy",
        include_str!("../../../incident/src/remedy/rule.rs"),
    ),
    ("journey/rule", include_str!("../../../journey/src/rule.rs")),
    (
        "outreach/settings",
        include_str!("../../../outreach/src/settings.rs"),
    ),
    (
        "outreach/areas",
        include_str!("../../../outreach/src/area_settings.rs"),
    ),
    (
        "outreach/hold_out",
        include_str!("../../../outreach/src/hold_out_settings.rs"),
    ),
    (
        "outreach/ramp",
        include_str!("../../../outreach/src/ramp_settings.rs"),
    ),
    (
        "outreach/replies",
        include_str!("../../../outreach/src/reply_settings.rs"),
    ),
    (
        "outreach/calls",
        include_str!("../../../outreach/src/calls/settings.rs"),
    ),
    (
        "delivery/settings",
        include_str!("../../../delivery/src/settings.rs"),
    ),
    ("bridge/settings", include_str!("../../../bridge/src/settings.rs")),
    ("delivery/pace", include_str!("../../../delivery/src/pace.rs")),
    ("ledger/rules", include_str!("../../../ledger/src/rules.rs")),
    ("observe/logs", include_str!("../../../observe/src/logs.rs")),
    (
        "wire/source",
        include_str!("../../../wire/src/telemetry/source.rs"),
    ),
    (
        "wire/mapping",
        include_str!("../../../wire/src/telemetry/mapping.rs"),
    ),
    (
        "wire/customer_texts",
        include_str!("../../../wire/src/telemetry/customer_texts.rs"),
    ),
    (
        "wire/customer_events",
        include_str!("../../../wire/src/telemetry/customer_events.rs"),
    ),
    (
        "wire/context",
        include_str!("../../../wire/src/telemetry/context.rs"),
    ),
    ("types/remedy", include_str!("../../../types/src/remedy.rs")),
    ("types/customer", include_str!("../../../types/src/customer.rs")),
    (
        "types/compensation",
        include_str!("../../../types/src/compensation.rs"),
    ),
    ("types/notice", include_str!("../../../types/src/notice.rs")),
];

/// The root type.
pub(super) const ROOT: &str = "File";

/// Types and what they are where nothing is said.
pub(super) struct Model {
    pub(super) items: Items,
    /// Struct → its keys with their defaults; a key without one must be given.
    pub(super) defaults: BTreeMap<String, Value>,
}

/// Settings of what is outside: stores, gateways, who calls back.
fn outside() -> Vec<(&'static str, Result<Value, String>)> {
    vec![
        (
            "S3Settings",
            least::<S3Settings>(json!({"bucket": "b", "access_key_id": "k", "secret_access_key": "s"})),
        ),
        (
            "SmtpSettings",
            least::<SmtpSettings>(json!({"host": "h", "from": "a@b"})),
        ),
        (
            "SmppSettings",
            least::<SmppSettings>(json!({"host": "h", "system_id": "s", "password": "p", "from": "f"})),
        ),
        ("HttpSmsSettings", least::<HttpSmsSettings>(json!({"url": "u"}))),
        (
            "WebhookGatewaySettings",
            least::<WebhookGatewaySettings>(json!({})),
        ),
        (
            "ChatSettings",
            least::<ChatSettings>(json!({"base_url": "u", "token": "t"})),
        ),
        (
            "WebPushSettings",
            least::<WebPushSettings>(json!({"private_key": "k", "subject": "s"})),
        ),
        ("FcmSettings", least::<FcmSettings>(json!({"credentials": "c"}))),
        (
            "CallbackSettings",
            least::<CallbackSettings>(json!({"token": "t"})),
        ),
        (
            "ReceiptFields",
            least::<ReceiptFields>(json!({"id": "i", "status": "s", "statuses": {}})),
        ),
        (
            "ReplyFields",
            least::<ReplyFields>(json!({"from": "f", "text": "t"})),
        ),
    ]
}

impl Model {
    pub(super) fn read() -> Result<Self, String> {
        let mut items = Items::new();
        for (name, text) in SOURCES {
            read(name, text, &mut items)?;
        }
        let mut model = Self {
            items,
            defaults: BTreeMap::new(),
        };
        let file = serde_json::to_value(File::default()).map_err(|e| e.to_string())?;
        model.keep(ROOT, file);
        let kafka = defaults(KAFKA, "KafkaSettings", &model.items)?;
        model.keep("KafkaSettings", kafka);
        for (name, value) in [
            ("SourceSettings", least::<SourceSettings>(json!({"topic": "t"}))),
            ("Mapping", least::<Mapping>(json!({"metric": "m"}))),
            ("CustomerField", least::<CustomerField>(json!({"pointer": "/p"}))),
            ("TextsSettings", least::<TextsSettings>(json!({}))),
            ("ContextSettings", least::<ContextSettings>(json!({}))),
            (
                "CustomerEventsSettings",
                least::<CustomerEventsSettings>(json!({})),
            ),
            ("JourneyRuleEntry", least::<JourneyRuleEntry>(json!({}))),
            ("JourneyStepEntry", least::<JourneyStepEntry>(json!({}))),
            ("ServiceEntry", least::<ServiceEntry>(json!({"name": "n"}))),
            (
                "RegionEntry",
                least::<RegionEntry>(json!({"code": "AA", "names": {}})),
            ),
            ("RuleEntry", least::<RuleEntry>(json!({}))),
            ("ObjectiveEntry", least::<ObjectiveEntry>(json!({"metric": "m"}))),
            (
                "TeamEntry",
                least::<TeamEntry>(json!({"name": "t", "pages_a_day": 1})),
            ),
            (
                "HoldOutSettings",
                least::<HoldOutSettings>(
                    json!({"owner": "o", "purpose": "p", "until": "2027-03-31", "share": 0.05}),
                ),
            ),
            ("RampSettings", least::<RampSettings>(json!({}))),
            ("GateRule", least::<GateRule>(json!({}))),
            ("AlarmRates", least::<AlarmRates>(json!({}))),
            ("LimitEntry", least::<LimitEntry>(json!({"metric": "m"}))),
            ("PeerGroup", least::<PeerGroup>(json!({}))),
            ("ShownSeries", least::<ShownSeries>(json!({}))),
            ("CalendarEntry", least::<CalendarEntry>(json!({}))),
            ("RegionSettings", least::<RegionSettings>(json!({}))),
            ("ServiceSettings", least::<ServiceSettings>(json!({}))),
            ("QueueSettings", least::<QueueSettings>(json!({}))),
            ("BreakerSettings", least::<BreakerSettings>(json!({}))),
            ("DirectorySettings", least::<DirectorySettings>(json!({}))),
            (
                "BridgeSettings",
                least::<BridgeSettings>(json!({"to": {"pager_duty": {"routing_key": "k"}}})),
            ),
            (
                "AlertmanagerSettings",
                least::<AlertmanagerSettings>(json!({"url": "u"})),
            ),
            (
                "WebhookSettings",
                least::<WebhookSettings>(json!({"url": "u", "secret": "s"})),
            ),
            (
                "PagerDutySettings",
                least::<PagerDutySettings>(json!({"routing_key": "k"})),
            ),
            (
                "GrafanaSettings",
                least::<GrafanaSettings>(json!({"url": "u", "token": "t"})),
            ),
            ("ApiSettings", least::<ApiSettings>(json!({"tokens": {}}))),
            (
                "ApiToken",
                least::<ApiToken>(json!({"role": "viewer", "sha256": "0"})),
            ),
            (
                "FeedSettings",
                least::<FeedSettings>(json!({"url": "u", "sender": "s"})),
            ),
            (
                "RemedyEntry",
                least::<RemedyEntry>(json!({"label": "l", "when": {}})),
            ),
            ("RetrySettings", least::<RetrySettings>(json!({}))),
        ]
        .into_iter()
        .chain(outside())
        {
            model.keep(name, value.map_err(|why| format!("{name}: {why}"))?);
        }
        Ok(model)
    }

    /// Keeps the defaults of a struct and of those that stand in it by default.
    fn keep(&mut self, name: &str, mut value: Value) {
        let Some(Shape::Struct(fields)) = self.items.get(name).map(|i| i.shape.clone()) else {
            return;
        };
        let whole = self.items.get(name).is_some_and(|i| i.serde.default);
        for field in fields {
            let inner = match Type::parse(&field.ty) {
                Type::Shared(inner) => *inner,
                other => other,
            };
            if let (Type::Named(ty), Some(part)) = (inner, value.get(&field.key).cloned()) {
                self.keep(&ty, part);
            }
            if !whole
                && !field.serde.default
                && !field.ty.starts_with("Option<")
                && let Some(map) = value.as_object_mut()
            {
                map.remove(&field.key);
            }
        }
        self.defaults.entry(name.to_owned()).or_insert(value);
    }

    pub(super) fn default(&self, name: &str, key: &str) -> Option<&Value> {
        self.defaults.get(name)?.get(key)
    }
}

/// What a type is with nothing given but what must be.
fn least<T: DeserializeOwned + Serialize>(given: Value) -> Result<Value, String> {
    let value: T = serde_json::from_value(given).map_err(|e| e.to_string())?;
    serde_json::to_value(value).map_err(|e| e.to_string())
}

/// A type as it is written in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Optional(Box<Self>),
    Shared(Box<Self>),
    List(Box<Self>),
    Map(Box<Self>, Box<Self>),
    Named(String),
}

impl Type {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim();
        let Some((head, inner)) = text.strip_suffix('>').and_then(|t| t.split_once('<')) else {
            return Self::Named(text.rsplit("::").next().unwrap_or(text).to_owned());
        };
        let one = || Box::new(Self::parse(inner));
        match head {
            "Option" => Self::Optional(one()),
            "Arc" | "Box" => Self::Shared(one()),
            "Vec" | "BTreeSet" => Self::List(one()),
            "BTreeMap" => {
                // No key is itself generic.
                let (key, value) = inner.split_once(", ").unwrap_or((inner, "String"));
                Self::Map(Box::new(Self::parse(key)), Box::new(Self::parse(value)))
            }
            other => Self::Named(other.to_owned()),
        }
    }
}

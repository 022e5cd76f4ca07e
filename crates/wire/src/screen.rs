//! What is answered over HTTP to whoever speaks with a customer. Like events, v1 only ever gains fields.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::event::Shape;
pub use crate::event::customer::{ContactChannel, Language};
pub use crate::event::incident::{IncidentKind, IncidentState, Severity};
pub use crate::event::notice::{HoldReason, IntentState, NoticeStage};
pub use crate::event::receipt_reply::ReplyKind;
pub use crate::event::scalar::Time;

macro_rules! shown {
    ($($(#[$meta:meta])* $function:ident: $name:ident,)+) => {$(
        $(#[$meta])*
        pub fn $function(inner: forecall_types::$name) -> $name {
            Shape::put(&inner)
        }
    )+};
}

shown! {
    /// As it is published.
    channel: ContactChannel,
    /// As it is published.
    language: Language,
    /// As it is published.
    incident_kind: IncidentKind,
    /// As it is published.
    incident_state: IncidentState,
    /// As it is published.
    severity: Severity,
    /// As it is published.
    hold_reason: HoldReason,
    /// As it is published.
    intent_state: IntentState,
    /// As it is published.
    stage: NoticeStage,
    /// As it is published.
    reply_kind: ReplyKind,
}

/// One customer's story, newest first, as `GET /v1/customers/{id}/notices` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CustomerNotices {
    /// Pseudonym.
    pub customer: String,
    /// Whether the directory knows them.
    pub known: bool,
    /// Language they read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Where they use the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Services they use.
    #[serde(default)]
    pub services: Vec<String>,
    /// Medical or alarm dependence, disability, business agreement.
    #[serde(default)]
    pub priority: bool,
    /// Where they are reached, masked.
    #[serde(default)]
    pub addresses: Vec<MaskedAddress>,
    /// Open incidents that touch them now, the gravest first; with the first page only.
    #[serde(default)]
    pub now: Vec<Trouble>,
    /// What they were told, not told and answered, newest first.
    #[serde(default)]
    pub entries: Vec<Entry>,
    /// What to ask the next page with, as `from`; absent: this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An address of which enough is shown to recognise it, and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MaskedAddress {
    /// Channel.
    pub channel: ContactChannel,
    /// Masked.
    pub address: String,
}

/// An open incident that touches the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trouble {
    /// The conversation: the incident's id, which stands as reference in its messages and in what the telephone says.
    pub thread: String,
    /// Where it stands.
    pub state: IncidentState,
    /// How bad it is.
    pub severity: Severity,
    /// What kind.
    pub kind: IncidentKind,
    /// Services.
    pub services: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
    /// Since when customers are hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// From when they may be hit, where it is predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_from: Option<Time>,
    /// When it is expected to be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Time>,
    /// Whether a person has taken it on.
    pub acknowledged: bool,
    /// Whether a message of ours on it was taken for this customer.
    pub told: bool,
    /// Why not, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_told: Option<NotTold>,
}

/// Why somebody wasn't told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotTold {
    /// The reason.
    pub reason: HoldReason,
    /// Whether it may still go.
    pub may_still_go: bool,
    /// In words, Persian.
    pub words_fa: String,
    /// In words, English.
    pub words_en: String,
}

/// One line of the story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// A message of ours, whatever became of it.
    Message(Message),
    /// A notice that didn't go to them.
    NotTold {
        /// Since when.
        at: Time,
        /// The conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<String>,
        /// The notice.
        notice: String,
        /// Its stage of the story.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<NoticeStage>,
        /// Why.
        why: NotTold,
    },
    /// What they wrote; its words are kept nowhere.
    Answered {
        /// When.
        at: Time,
        /// What it means.
        answer: ReplyKind,
    },
}

/// A message to this customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// When it was planned.
    pub at: Time,
    /// The conversation.
    pub thread: String,
    /// The notice.
    pub notice: String,
    /// Its stage of the story; absent: it answers what they wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<NoticeStage>,
    /// Channel.
    pub channel: ContactChannel,
    /// Language.
    pub language: Language,
    /// Where it stands.
    pub state: IntentState,
    /// Why it stands there, as a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When a gateway took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Time>,
    /// Subject, for channels that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The words they got.
    pub text: String,
    /// What it promised, and what came of it.
    #[serde(default)]
    pub promises: Vec<Promise>,
}

/// What a message promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Promise {
    /// What.
    pub what: Promised,
    /// By when.
    pub by: Time,
    /// What came of it.
    pub kept: Kept,
    /// When it was done, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Time>,
}

/// Kinds of promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-unknown-values" = "tolerate"))]
pub enum Promised {
    /// The next news to them.
    NextNews,
    /// That it works again.
    Repair,
}

/// What came of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-unknown-values" = "tolerate"))]
pub enum Kept {
    /// It isn't due yet.
    Open,
    /// Done in time.
    Kept,
    /// Done late, or not done and overdue.
    Late,
    /// The trouble ended otherwise before it was due: averted, taken back, or not come.
    Void,
    /// The ledger doesn't hold what would tell.
    Unknown,
}

/// What the telephone says, as `GET /v1/ivr/{place}` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Announcement {
    /// The conversation: hand it to the agent with the call.
    pub thread: String,
    /// Language of the text.
    pub language: Language,
    /// Words for a voice: no digit, no sign.
    pub text: String,
    /// Whether the caller may hang up; the text says so too.
    pub may_hang_up: bool,
    /// When it is expected to be over, as customers were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Time>,
    /// By when the next news is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_update: Option<Time>,
}

/// Schemas of what is answered over HTTP: path from the root of the repository, and schema.
pub(crate) fn schemas() -> [(&'static str, Value); 2] {
    [
        schema::<CustomerNotices>("schemas/customer-notices.v1.json", "What one customer was told"),
        schema::<Announcement>("schemas/announcement.v1.json", "What the telephone says"),
    ]
}

fn schema<T: JsonSchema>(path: &'static str, title: &str) -> (&'static str, Value) {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    if let Some(root) = schema.as_object_mut() {
        root.insert("$id".to_owned(), json!(format!("forecall:{path}")));
        root.insert("title".to_owned(), json!(title));
    }
    (path, schema)
}

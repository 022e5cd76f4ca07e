use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use forecall_types::{CompensationUnit, DomainName, IncidentId, NotAName, NoticeId, Remark};

use crate::incidents::{ScopeArgs, SeverityArg};
use crate::word::{ReadArgs, SayArgs, remark};

#[derive(Debug, Args)]
pub(crate) struct NoticesArgs {
    #[command(subcommand)]
    pub(super) command: NoticesCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum NoticesCommand {
    /// Notices that aren't at their end, or all.
    #[command(
        after_help = "Examples:\n  forecall notices list\n  forecall notices list --waiting                 # for a person's word\n  forecall notices list --all --incident inc_7k2m4q9x1c8v5b3n --json"
    )]
    List(ListArgs),
    /// One notice: its words in each language and channel, whom it reached, who is not told and why.
    #[command(
        after_help = "Example:\n  forecall notices show ntc_2d6f8h1j3k5m7p9r\n\nThe digits of `text` are what an approval names."
    )]
    Show(ShowArgs),
    /// What would be told of an incident now: the words that wait, for what, and how many message parts they take.
    #[command(
        after_help = "Examples:\n  forecall notices preview inc_7k2m4q9x1c8v5b3n\n  forecall notices preview inc_7k2m4q9x1c8v5b3n --part-price 85"
    )]
    Preview {
        /// The incident.
        incident: IncidentId,
        /// What one part of a text message costs: the most that each notice may cost is told.
        #[arg(long)]
        part_price: Option<u64>,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// Why people are not told: each reason in words, with what would change it.
    #[command(after_help = "Example:\n  forecall notices explain ntc_2d6f8h1j3k5m7p9r")]
    Explain(ShowArgs),
    /// This exact text may go out.
    #[command(
        after_help = "Example:\n  forecall notices approve ntc_2d6f8h1j3k5m7p9r --text 0123456789abcdef --by duty\n\nRead it first: `forecall notices show` tells the digits of the text; eight of them or more. A text that has changed since needs another approval. It also lets go what a person holds back, and a ramp that has stopped itself."
    )]
    Approve(TextArgs),
    /// Hold a notice back: what of it hasn't left is taken back, and its stage waits until its text is approved or sent.
    #[command(
        after_help = "Example:\n  forecall notices hold ntc_2d6f8h1j3k5m7p9r --reason 'the area is too wide' --by duty\n\nLater news of the same stage waits as well; other stages of the incident, and its end, don't. The reason is published: nothing of a person in it."
    )]
    Hold {
        /// The notice.
        id: NoticeId,
        /// Why; nothing of a person.
        #[arg(long, value_parser = remark)]
        reason: Remark,
        #[command(flatten)]
        say: SayArgs,
    },
    /// Let this exact text go now, past a hold, a hold-out and the steps of a ramp; past the night where two teams say so.
    #[command(
        after_help = "Example:\n  forecall notices send ntc_2d6f8h1j3k5m7p9r --text 0123456789abcdef --by duty\n\nIt never goes past consent, STOP, caps, the kill switch, a needed approval, or a ramp that has stopped itself. At night it wakes people only where the trouble is severe or extreme, the stage may wake at all (`outreach.quiet.rules`), and two teams stand behind the text: approver and sender, or two senders."
    )]
    Send(TextArgs),
    /// Something has been done: a code of `outreach.steps`, or words in both languages.
    #[command(
        after_help = "Examples:\n  forecall notices step inc_7k2m4q9x1c8v5b3n team_on_site --by field-north\n  forecall notices step ntc_2d6f8h1j3k5m7p9r --fa 'فیبر جوش خورد' --en 'The fibre is spliced' --by field-north\n\nWords go once another team has approved the text they stand in (`forecall notices list --waiting`); a code is approved already."
    )]
    Step {
        /// The incident, or one of its notices.
        id: Target,
        /// Code of the step, among `outreach.steps` of the configuration.
        #[arg(conflicts_with_all = ["fa", "en"], required_unless_present = "fa")]
        code: Option<String>,
        /// What was done, in Persian: at most 60 characters, without a mark at the end.
        #[arg(long, value_parser = remark, requires = "en")]
        fa: Option<Remark>,
        /// Alike, in English.
        #[arg(long, value_parser = remark, requires = "fa")]
        en: Option<Remark>,
        #[command(flatten)]
        say: SayArgs,
    },
    /// When it is expected to be over: a promise to whoever was told.
    #[command(
        after_help = "Examples:\n  forecall notices eta inc_7k2m4q9x1c8v5b3n 90m --by noc\n  forecall notices eta ntc_2d6f8h1j3k5m7p9r 2026-11-29T16:30:00+03:30 --by noc\n\nA time that was told is told anew at most twice (`outreach.promise.end_changes_max`), and never later after it was made sooner: then customers hear that it takes longer, without a time. `forecall incidents eta` notes it for your own teams in any case."
    )]
    Eta {
        /// The incident, or one of its notices.
        id: Target,
        /// A time (RFC 3339), or a span from now (45m, 2h).
        time: String,
        #[command(flatten)]
        say: SayArgs,
    },
    /// It was wrong: those whom it reached are told so, ahead of all that waits. One person suffices.
    #[command(
        after_help = "Examples:\n  forecall notices retract ntc_2d6f8h1j3k5m7p9r --by duty\n  forecall notices retract inc_7k2m4q9x1c8v5b3n --by duty         # what was told last of it\n\nWhat hasn't left is taken back, and openings of the incident wait for a person until one is approved or sent. Where there never was any trouble, `forecall incidents retract` ends the incident, too."
    )]
    Retract {
        /// The notice, or its incident.
        id: Target,
        #[command(flatten)]
        say: SayArgs,
    },
    /// What each who was told gets for it. The closing text says it once two teams have said the same.
    #[command(
        after_help = "Example:\n  forecall notices compensate inc_7k2m4q9x1c8v5b3n --amount 50000 --unit toman --by care\n  forecall notices compensate inc_7k2m4q9x1c8v5b3n --amount 50000 --unit toman --by billing\n\nBefore the end, and within `outreach.compensation_budget`. forecall only tells it: who gives it reads the two commands on the topic."
    )]
    Compensate {
        /// The incident, or one of its notices.
        id: Target,
        /// How much each gets.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        amount: u64,
        /// Of what: a bare number would be read as either of two currencies.
        #[arg(long, value_enum)]
        unit: UnitArg,
        #[command(flatten)]
        say: SayArgs,
    },
    /// A dress rehearsal: a simulated incident goes the whole way, and reaches the people of `outreach.drill_people` only.
    #[command(
        after_help = "Examples:\n  forecall notices drill --service internet --region IR-10 --by noc\n  forecall notices drill --end inc_7k2m4q9x1c8v5b3n --by noc\n\nEvery text says that it is an exercise, every event `simulated`. Approve, hold, send, retract as in earnest; nobody named is nobody told."
    )]
    Drill {
        #[command(flatten)]
        scope: DrillArgs,
        #[command(flatten)]
        say: SayArgs,
    },
    /// Nothing more goes to any customer; what hasn't left is taken back. `--undo` lets it go on.
    #[command(
        after_help = "Examples:\n  forecall notices kill --by duty\n  forecall notices kill --undo --by duty\n\nIt holds over restarts. Whoever missed something hears how it stands once sending goes on."
    )]
    Kill(KillArgs),
}

/// An incident, or one of its notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Incident(IncidentId),
    Notice(NoticeId),
}

impl FromStr for Target {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        if text.starts_with("ntc_") {
            NoticeId::new(text).map(Self::Notice)
        } else {
            IncidentId::new(text).map(Self::Incident)
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) read: ReadArgs,
    /// Those at their end as well, as far as the topic holds them.
    #[arg(long)]
    pub(super) all: bool,
    /// Only those that wait for a person's word.
    #[arg(long)]
    pub(super) waiting: bool,
    /// Only of this incident.
    #[arg(long)]
    pub(super) incident: Option<IncidentId>,
    /// Only of this domain.
    #[arg(long)]
    pub(super) domain: Option<DomainName>,
    /// Those of forecall's own canary, too.
    #[arg(long)]
    pub(super) canary: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The notice.
    pub(super) id: NoticeId,
    #[command(flatten)]
    pub(super) read: ReadArgs,
}

#[derive(Debug, Args)]
pub(super) struct TextArgs {
    /// The notice.
    pub(super) id: NoticeId,
    /// Fingerprint of the text that was read, or its first digits.
    #[arg(long)]
    pub(super) text: String,
    #[command(flatten)]
    pub(super) say: SayArgs,
}

#[derive(Debug, Args)]
pub(super) struct DrillArgs {
    /// End this rehearsal now.
    #[arg(long, value_name = "INCIDENT", conflicts_with_all = ["services", "regions", "products", "area", "cells"])]
    pub(super) end: Option<IncidentId>,
    #[command(flatten)]
    pub(super) scope: ScopeArgs,
    /// How bad it would be.
    #[arg(long, value_enum, default_value_t = SeverityArg::Severe)]
    pub(super) severity: SeverityArg,
    /// It ends by itself after so many minutes, 1 to 240.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    pub(super) minutes: u32,
}

#[derive(Debug, Args)]
pub(super) struct KillArgs {
    /// Let it go on.
    #[arg(long)]
    pub(super) undo: bool,
    /// Domain (default: the configuration's).
    #[arg(long)]
    pub(super) domain: Option<DomainName>,
    #[command(flatten)]
    pub(super) say: SayArgs,
}

/// Units as they are written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum UnitArg {
    /// Rial, as credit.
    Rial,
    /// Toman, of ten rial, as credit.
    Toman,
    /// Megabytes of data.
    Megabytes,
    /// Days of the service.
    Days,
}

impl From<UnitArg> for CompensationUnit {
    fn from(unit: UnitArg) -> Self {
        match unit {
            UnitArg::Rial => Self::Rial,
            UnitArg::Toman => Self::Toman,
            UnitArg::Megabytes => Self::Megabytes,
            UnitArg::Days => Self::Days,
        }
    }
}

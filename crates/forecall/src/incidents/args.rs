use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use forecall_types::{
    Cell, DomainName, IncidentId, NotAName, ProblemId, ProductName, RegionCode, Remark, RemedyName,
    Responsibility, ServiceName, Severity, SilenceId, Verdict,
};

use crate::word::{ReadArgs, SayArgs, remark};

#[derive(Debug, Args)]
pub(crate) struct IncidentsArgs {
    #[command(subcommand)]
    pub(crate) command: IncidentsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IncidentsCommand {
    /// Follow what becomes of incidents, one line a revision.
    #[command(
        after_help = "Examples:\n  forecall incidents tail\n  forecall incidents tail --since 2h --region IR-10\n  forecall incidents tail --since 2026-11-29T06:00:00Z --once --json | jq -r .id"
    )]
    Tail(TailArgs),
    /// The incidents that are open now.
    #[command(
        after_help = "Examples:\n  forecall incidents list\n  forecall incidents list --all --since 24h --json | jq '.incidents[].id'"
    )]
    List(ListArgs),
    /// One incident, for people.
    #[command(after_help = "Example:\n  forecall incidents show inc_7k2m4q9x1c8v5b3n")]
    Show(OneArgs),
    /// Why an incident was opened: what each piece of evidence adds, and what would have made it not fire.
    #[command(
        after_help = "Example:\n  forecall incidents explain inc_7k2m4q9x1c8v5b3n\n\nThe revision that opened it is explained, and that which confirmed it. The threshold is that of the configuration given; it is said where the incident was judged by another."
    )]
    Explain(OneArgs),
    /// Say what an incident was: right, expected, false-alarm, new-normal; or take that back: withdrawn.
    #[command(
        after_help = "Examples:\n  forecall incidents feedback inc_7k2m4q9x1c8v5b3n false-alarm --by noc\n  forecall incidents feedback inc_7k2m4q9x1c8v5b3n right --onset 2026-11-29T14:05:00Z --ended 2026-11-29T15:10:00Z --by noc\n  forecall incidents feedback inc_7k2m4q9x1c8v5b3n withdrawn --by noc\n\nThe newest verdict on an incident stands. It changes for a while what counts in the incident's scope: `adjustments` tells what and until when. The same verdict of the same team counts once. To go back to one after another, give --key."
    )]
    Feedback {
        /// The incident.
        id: IncidentId,
        /// What it was.
        #[arg(value_enum)]
        verdict: VerdictArg,
        /// When customers were hit first, as people found out: a time (RFC 3339), or a span before now (90m).
        #[arg(long, value_name = "TIME")]
        onset: Option<String>,
        /// When they were no longer hit, alike; only of an incident that is over.
        #[arg(long, value_name = "TIME")]
        ended: Option<String>,
        #[command(flatten)]
        say: SayArgs,
    },
    /// Take an incident on.
    #[command(after_help = "Example:\n  forecall incidents ack inc_7k2m4q9x1c8v5b3n --by noc")]
    Ack {
        /// The incident.
        id: IncidentId,
        #[command(flatten)]
        say: SayArgs,
    },
    /// Something has been done; customers may be told so.
    #[command(
        after_help = "Example:\n  forecall incidents step inc_7k2m4q9x1c8v5b3n team_on_site --by field-north\n\nA code that the incident has already is told again only with a --key of its own."
    )]
    Step {
        /// The incident.
        id: IncidentId,
        /// Code of the step, among `outreach.steps` of the configuration.
        code: String,
        #[command(flatten)]
        say: SayArgs,
    },
    /// When it is expected to be over: a promise, once customers are told.
    #[command(
        after_help = "Examples:\n  forecall incidents eta inc_7k2m4q9x1c8v5b3n 2026-11-29T16:30:00+03:30 --by noc\n  forecall incidents eta inc_7k2m4q9x1c8v5b3n 90m --by noc\n\nRepeating the second is another promise; repeating the first is not."
    )]
    Eta {
        /// The incident.
        id: IncidentId,
        /// A time (RFC 3339), or a span from now (45m, 2h).
        time: String,
        #[command(flatten)]
        say: SayArgs,
    },
    /// Who answers for the cause.
    #[command(
        after_help = "Example:\n  forecall incidents attribute inc_7k2m4q9x1c8v5b3n supplier --by noc\n\nAn external order is held for people: no customer is told without approval."
    )]
    Attribute {
        /// The incident.
        id: IncidentId,
        /// Who.
        #[arg(value_enum)]
        responsibility: ResponsibilityArg,
        #[command(flatten)]
        say: SayArgs,
    },
    /// Open an incident that no detector saw: customers are hit now.
    #[command(
        after_help = "Example:\n  forecall incidents declare --service internet --region IR-10 --severity severe --by noc\n  forecall incidents declare --service internet --region IR-10 --area flood.geojson --by noc --dry-run\n\nWhat is open within the scope is confirmed; for the rest a new one opens, which only a person closes."
    )]
    Declare {
        #[command(flatten)]
        scope: ScopeArgs,
        /// How bad; it doesn't fall below this while the incident is open.
        #[arg(long, value_enum, default_value_t = SeverityArg::Severe)]
        severity: SeverityArg,
        #[command(flatten)]
        say: SayArgs,
    },
    /// Two open incidents are one: the first ends as merged, the second goes on for both.
    #[command(
        after_help = "Example:\n  forecall incidents merge inc_7k2m4q9x1c8v5b3n inc_1f5h9k2m6q0t4w8z --by noc\n\nServices and regions of both together must be all of their pairs: else customers would be told of what they don't have. A later verdict on the first counts for the second."
    )]
    Merge {
        /// The incident that ends.
        id: IncidentId,
        /// The incident that goes on for both.
        into: IncidentId,
        #[command(flatten)]
        say: SayArgs,
    },
    /// A part of an open incident is trouble of its own: it goes on as a new incident, as the whole stood.
    #[command(
        after_help = "Examples:\n  forecall incidents split inc_7k2m4q9x1c8v5b3n --service tv --by noc\n  forecall incidents split inc_7k2m4q9x1c8v5b3n --region IR-23 --region IR-10 --by noc\n\nBy services or by regions, never by both. Nobody is paged anew, and customers who know of it hear nothing again; each hears of the end of their part."
    )]
    Split {
        /// The incident.
        id: IncidentId,
        /// A service that leaves; may be given several times. None: all of the incident's.
        #[arg(long = "service", required_unless_present = "regions")]
        services: Vec<ServiceName>,
        /// A region that leaves; may be given several times. None: all of the incident's.
        #[arg(long = "region", value_parser = region)]
        regions: Vec<RegionCode>,
        #[command(flatten)]
        say: SayArgs,
    },
    /// Announce planned work: an incident of its own, which calls nobody while it goes as announced.
    #[command(
        after_help = "Example:\n  forecall incidents plan --service internet --region IR-10 --from 2026-12-01T22:30:00Z --until 2026-12-02T01:00:00Z --label 'fibre is spliced, CHG-4712' --by core\n\n`close` ends it once it has started, `retract` cancels it before, `eta` moves its end. By itself it ends when its time is over and nothing is abnormal; else it overruns."
    )]
    Plan {
        #[command(flatten)]
        scope: ScopeArgs,
        /// When it begins: a time (RFC 3339), or a span from now (45m, 2h).
        #[arg(long)]
        from: String,
        /// When it is to be over, alike.
        #[arg(long)]
        until: String,
        /// What is done; nothing of a person.
        #[arg(long, value_parser = remark)]
        label: Remark,
        #[command(flatten)]
        say: SayArgs,
    },
    /// It was an error: customers who were told are told so. Planned work that hasn't started is cancelled by it.
    #[command(after_help = "Example:\n  forecall incidents retract inc_7k2m4q9x1c8v5b3n --by noc")]
    Retract {
        /// The incident.
        id: IncidentId,
        #[command(flatten)]
        say: SayArgs,
    },
    /// It is over. A prediction that didn't come is retracted instead.
    #[command(after_help = "Example:\n  forecall incidents close inc_7k2m4q9x1c8v5b3n --by noc")]
    Close {
        /// The incident.
        id: IncidentId,
        #[command(flatten)]
        say: SayArgs,
    },
    /// What matches pages nobody for a while: a maintenance window, a fault that is known. Customers are told all the same.
    #[command(
        after_help = "Examples:\n  forecall incidents silence --service internet --region IR-10 --for 2h --reason 'the rack is moved, CHG-4711' --by noc\n  forecall incidents silence --metric 'bgp.*' --label 'host.name=edge-*' --until 2026-12-01T06:00:00Z --reason 'known flaw' --by core\n\nIn patterns * stands for any run of characters. An incident is silent where one silence covers all of it: its services, its regions and each piece of its active evidence. The key is the silence's id."
    )]
    Silence {
        #[command(flatten)]
        matchers: MatcherArgs,
        #[command(flatten)]
        say: SayArgs,
    },
    /// End a silence now.
    #[command(after_help = "Example:\n  forecall incidents unsilence cli-7k2m4q9x1c8v5b3n --by noc")]
    Unsilence {
        /// The silence, as `silences` names it.
        id: SilenceId,
        #[command(flatten)]
        say: SayArgs,
    },
    /// Silences that were said and aren't over, from the topic of commands.
    #[command(
        after_help = "Example:\n  forecall incidents silences\n\nA command that was refused is on the topic as well: dead letters say so, and `silenced` of an incident names the silence that counts."
    )]
    Silences(SilencesArgs),
    /// What verdicts on incidents change now, and until when.
    #[command(
        after_help = "Example:\n  forecall incidents adjustments\n  forecall incidents adjustments --service internet --json\n\nEach ends by itself, and at once by `forecall incidents feedback ID withdrawn`."
    )]
    Adjustments(AdjustmentsArgs),
    /// What rules propose for incidents, and how far that has come, from the topic of events.
    #[command(
        after_help = "Examples:\n  forecall incidents remedies --waiting\n  forecall incidents remedies --json | jq '.remedies[] | select(.stage == \"failed\")'\n\nEvery step of each stands in the events of its incident: `show` names them by revision."
    )]
    Remedies(RemediesArgs),
    /// A word on a remedy that is proposed.
    #[command(
        after_help = "Examples:\n  forecall incidents remedy inc_7k2m4q9x1c8v5b3n restart-edge --approve --by noc\n  forecall incidents remedy inc_7k2m4q9x1c8v5b3n restart-edge --reject --by noc\n\nOne that is approved is called once. To reject it afterwards comes too late where the call has gone out."
    )]
    Remedy {
        /// The incident.
        id: IncidentId,
        /// The rule, as `remedies` names it.
        rule: RemedyName,
        /// It may be called.
        #[arg(long, conflicts_with = "reject", required_unless_present = "reject")]
        approve: bool,
        /// It may not.
        #[arg(long)]
        reject: bool,
        #[command(flatten)]
        say: SayArgs,
    },
    /// No remedy is proposed or called any more, and those that wait lapse; or they are again.
    #[command(
        after_help = "Examples:\n  forecall incidents remedies-off --by noc\n  forecall incidents remedies-off --undo --by noc"
    )]
    RemediesOff {
        /// They may be proposed and called again.
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        say: SayArgs,
    },
    /// An incident that is over was looked at; it never comes back after that.
    #[command(
        after_help = "Example:\n  forecall incidents review inc_7k2m4q9x1c8v5b3n --problem PRB-1042 --by noc"
    )]
    Review {
        /// The incident.
        id: IncidentId,
        /// The problem record that says why it happened and what is done against it.
        #[arg(long)]
        problem: ProblemId,
        #[command(flatten)]
        say: SayArgs,
    },
}

fn region(text: &str) -> Result<RegionCode, NotAName> {
    RegionCode::new(text)
}

/// Which incidents.
#[derive(Debug, Args, Default)]
pub(crate) struct Filter {
    /// Only of this domain.
    #[arg(long)]
    pub(crate) domain: Option<DomainName>,
    /// Only those that touch this service.
    #[arg(long)]
    pub(crate) service: Option<ServiceName>,
    /// Only those that touch this region.
    #[arg(long, value_parser = region)]
    pub(crate) region: Option<RegionCode>,
    /// Also the canary's, one a minute.
    #[arg(long)]
    pub(crate) canary: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Begin then instead of now: a time (RFC 3339), or a span before now (30m, 2h). It is the broker's time that counts.
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Stop at the end of the topic instead of waiting for more.
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Also those that have ended, as far back as the topic of events is kept.
    #[arg(long)]
    pub(crate) all: bool,
    /// Only those with news since: a time (RFC 3339), or a span before now (30m, 2h).
    #[arg(long)]
    pub(crate) since: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The incident.
    pub(crate) id: IncidentId,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// `name=pattern`.
fn label(text: &str) -> Result<(String, String), &'static str> {
    let (name, pattern) = text.split_once('=').ok_or("write name=pattern")?;
    Ok((name.to_owned(), pattern.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct MatcherArgs {
    /// Services, as a pattern; may be given several times.
    #[arg(long = "service")]
    pub(crate) services: Vec<String>,
    /// Regions, as a pattern; may be given several times.
    #[arg(long = "region")]
    pub(crate) regions: Vec<String>,
    /// Metrics, as a pattern; may be given several times.
    #[arg(long = "metric")]
    pub(crate) metrics: Vec<String>,
    /// A label of the resource and a pattern for its value; may be given several times.
    #[arg(long = "label", value_name = "NAME=PATTERN", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// How long (45m, 2h); at most 30 days.
    #[arg(
        long = "for",
        value_name = "SPAN",
        conflicts_with = "until",
        required_unless_present = "until"
    )]
    pub(crate) span: Option<String>,
    /// Up to when (RFC 3339); at most 30 days ahead.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Why; nothing of a person.
    #[arg(long, value_parser = remark)]
    pub(crate) reason: Remark,
}

#[derive(Debug, Args)]
pub(crate) struct SilencesArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Only of this domain.
    #[arg(long)]
    pub(crate) domain: Option<DomainName>,
}

#[derive(Debug, Args)]
pub(crate) struct AdjustmentsArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) filter: Filter,
}

#[derive(Debug, Args)]
pub(crate) struct RemediesArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Only those that wait for a word.
    #[arg(long)]
    pub(crate) waiting: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ScopeArgs {
    /// A service that is touched; may be given several times.
    #[arg(long = "service", required = true)]
    pub(crate) services: Vec<ServiceName>,
    /// A region that is touched; may be given several times.
    #[arg(long = "region", required = true, value_parser = region)]
    pub(crate) regions: Vec<RegionCode>,
    /// A product that is touched; none: all that need the services.
    #[arg(long = "product")]
    pub(crate) products: Vec<ProductName>,
    /// A GeoJSON file of polygons within the regions: only customers whose place lies in it, none whose place isn't known.
    #[arg(long, value_name = "FILE")]
    pub(crate) area: Option<PathBuf>,
    /// A cell of H3 within the regions, alike; may be given several times.
    #[arg(long = "cell", value_parser = Cell::new, conflicts_with = "area")]
    pub(crate) cells: Vec<Cell>,
}

/// Cases of the command line for cases of an enum of `types`.
macro_rules! cases {
    ($(#[$meta:meta])* $name:ident of $inner:ident { $($(#[$case_meta:meta])* $case:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
        pub(crate) enum $name { $($(#[$case_meta])* $case,)+ }

        impl From<$name> for $inner {
            fn from(arg: $name) -> Self {
                match arg { $($name::$case => Self::$case,)+ }
            }
        }
    };
}

cases! {
    /// Verdicts.
    VerdictArg of Verdict {
        /// It was right.
        Right,
        /// It was known and expected.
        Expected,
        /// There was no trouble.
        FalseAlarm,
        /// This is how it is from now on.
        NewNormal,
        /// Nothing: what was said of it before is taken back.
        Withdrawn,
    }
}

cases! {
    /// Who answers.
    ResponsibilityArg of Responsibility {
        /// Not known.
        Unknown,
        /// The operator.
        Own,
        /// A supplier.
        Supplier,
        /// The power grid.
        Power,
        /// Planned work.
        Planned,
        /// An order from outside.
        ExternalOrder,
    }
}

cases! {
    /// How bad.
    SeverityArg of Severity {
        /// Hardly felt.
        Minor,
        /// Felt: slow or flaky.
        Moderate,
        /// The service can't be used.
        Severe,
        /// Emergency calls, health or many regions.
        Extreme,
    }
}

//! `forecall api` and `forecall api-token`: the HTTP interface alone, and tokens for it.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use forecall_config::{ApiRole, ApiScope, Settings};
use forecall_console::{Api, Desk, Feeds, Interface, NewToken, Running, serve, serve_feeds};
use forecall_kafka::KafkaLog;
use forecall_log::Log;
use forecall_observe::{Server, init_logs};
use forecall_runtime::{Clock, SystemClock};
use forecall_wire::event::TopicNames;
use serde_json::json;
use tracing::info;

use crate::cli::{ApiTokenArgs, RunArgs};
use crate::stop;

/// Where customers' stories are looked up, where a token may.
fn desk_of(settings: &Settings) -> anyhow::Result<Option<Arc<Desk>>> {
    let mut tokens = settings.api.iter().flat_map(|api| api.tokens.values());
    if tokens.any(|token| !token.scopes.is_empty()) {
        return Ok(crate::customers::desk(settings)?.map(Arc::new));
    }
    Ok(None)
}

/// Serves the interface where the configuration has one; `running` is the process that can be told to read it anew.
pub(crate) fn begin(
    settings: &Settings,
    log: Arc<dyn Log>,
    slot: u32,
    running: Option<Arc<dyn Running>>,
) -> anyhow::Result<Option<Interface>> {
    let Some(api) = &settings.api else {
        return Ok(None);
    };
    let server = serve(
        api,
        Api {
            log,
            topics: TopicNames::with_prefix(&settings.topics.prefix),
            domain: settings.domain.clone(),
            now: Arc::new(|| SystemClock.now()),
            identity: format!("{}.api.{slot}", settings.group),
            desk: desk_of(settings)?,
            running,
        },
    )
    .context("the HTTP interface doesn't start")?;
    info!(address = %server.local_addr(), "commands and verdicts are taken over HTTP");
    Ok(Some(server))
}

/// Has the interface go by other settings: who may speak, and what is shown of customers.
pub(crate) fn change(interface: &Interface, settings: &Settings) -> anyhow::Result<()> {
    if let Some(api) = &settings.api {
        interface.change(api, desk_of(settings)?);
    }
    Ok(())
}

/// Serves the public feeds where the configuration has them.
pub(crate) fn begin_feeds(settings: &Settings) -> anyhow::Result<Option<Server>> {
    let Some(feeds) = &settings.feeds else {
        return Ok(None);
    };
    let ledger = crate::audit::ledger(settings)?
        .context("`feeds` needs the ledger: `ledger.master_key`, and its file on this host")?;
    let server = serve_feeds(
        feeds,
        Feeds {
            ledger,
            settings: Arc::clone(&settings.outreach),
            now: Arc::new(|| SystemClock.now()),
        },
    )
    .context("the public feeds don't start")?;
    info!(address = %server.local_addr(), "what has gone out is served to everybody");
    Ok(Some(server))
}

/// The interface alone, where stages run in processes of their own.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let settings = Settings::load(&args.config)?;
    init_logs(&settings.logs)?;
    let name = args.config.display();
    let kafka = settings
        .kafka
        .clone()
        .with_context(|| format!("{name} has no `kafka:`: there is nowhere to write commands to"))?;
    let stop: Arc<AtomicBool> = stop::on_signal()?;
    let log = Arc::new(KafkaLog::connect_until(kafka, Arc::clone(&stop))?);
    let feeds = begin_feeds(&settings)?;
    let server = begin(&settings, log, args.slot, None)?;
    if server.is_none() && feeds.is_none() {
        return Err(anyhow!(
            "{name} has no `api:` and no `feeds:`: say who may speak; `forecall api-token` makes a token"
        ));
    }
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Makes a token and shows it once.
pub(crate) fn token(args: &ApiTokenArgs) -> anyhow::Result<()> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("the system gives no random bytes")?;
    let new = NewToken::from_random(random);
    let role = ApiRole::from(args.role).as_str();
    let scopes: Vec<&str> = args.scopes.iter().map(|s| ApiScope::from(*s).as_str()).collect();
    let mut out = std::io::stdout().lock();
    if args.json {
        let told = json!({"name": args.name, "role": role, "scopes": scopes, "token": new.token, "sha256": new.sha256});
        writeln!(out, "{told}")?;
    } else {
        let scopes = match scopes.as_slice() {
            [] => String::new(),
            some => format!(", scopes: [{}]", some.join(", ")),
        };
        writeln!(
            out,
            "The token, shown this once:\n\n  {}\n\nWhat the configuration needs to know it:\n\napi:\n  tokens:\n    {}: {{ role: {role}, sha256: \"{}\"{scopes} }}",
            new.token, args.name, new.sha256
        )?;
    }
    Ok(())
}

//! `forecall demo`: a day of a made-up operator on the real stages, and what came of it.

mod board;
mod lines;
mod summary;
mod theatre;
mod view;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use forecall_observe::{Health, LogSettings, Metrics, Server, init_logs, serve};

use crate::demo::board::Board;
use crate::demo::summary::Leads;
use crate::demo::theatre::Theatre;
use crate::demo::view::View;
use crate::stop;

/// Options of the demo.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Seed of the simulated world; one seed, one day
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated seconds a second, or `max`: as fast as it can
    #[arg(long, default_value = "600", value_name = "FACTOR|max")]
    speed: Speed,
    /// Customers of the operator
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    customers: u32,
    /// Hours of the day to live through
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=24))]
    hours: u32,
    /// Where metrics and health are served
    #[arg(long, default_value = "127.0.0.1:9464", value_name = "ADDRESS:PORT")]
    http: SocketAddr,
    /// Serve no metrics
    #[arg(long)]
    no_http: bool,
    /// Print the summary as JSON, and nothing else to standard output
    #[arg(long)]
    json: bool,
    /// Lines instead of the living view
    #[arg(long)]
    plain: bool,
    /// On a real broker (plaintext, one node will do); subscribe with kcat to forecall.incidents.v1
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Folder for the messages that would have been sent (default: forecall-demo in the folder for temporary files)
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// How fast the day goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Speed {
    Factor(f64),
    Max,
}

impl FromStr for Speed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(factor) if (1.0..=100_000.0).contains(&factor) => Ok(Self::Factor(factor)),
            Ok(_) | Err(_) => Err("a factor from 1 to 100000, or `max`".to_owned()),
        }
    }
}

/// Where news is shown while the day goes by.
enum Screen {
    View(Box<View>),
    Lines,
    Nothing,
}

impl Screen {
    /// Shows what is new. `false`: nobody looks any more.
    fn show(&mut self, board: &mut Board, theatre: Option<&Theatre>) -> anyhow::Result<bool> {
        match self {
            Self::View(view) => {
                if view.is_due() {
                    board.leads = theatre.map_or_else(Leads::default, |t| Leads::of(board, &t.truth()));
                }
                view.draw(board)
            }
            Self::Lines => {
                let mut out = std::io::stdout().lock();
                for line in board.lines.drain(..) {
                    // A reader that has gone (`| head`) ends the run; it is no failure.
                    if writeln!(out, "{line}").is_err() {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Nothing => {
                board.lines.clear();
                Ok(true)
            }
        }
    }
}

/// Runs the demo to its end, or to Ctrl-C.
pub(crate) fn run(args: DemoArgs) -> anyhow::Result<()> {
    let stop = stop::on_signal()?;
    let living = !args.plain && !args.json && std::io::stdout().is_terminal();
    if !living {
        let logs = LogSettings {
            level: "warn".to_owned(),
            ..LogSettings::default()
        };
        init_logs(&logs)?;
    }
    let (metrics, health) = (Metrics::new(), Health::default());
    let mut board = Board::new(args.hours);
    let _server = server(&args, &metrics, &health, &mut board);
    let began = Instant::now();
    let mut screen = match (living, args.json) {
        (true, _) => Screen::View(Box::new(View::open()?)),
        (false, true) => Screen::Nothing,
        (false, false) => Screen::Lines,
    };
    let result = play(&args, &stop, &mut board, &mut screen, (metrics, health));
    // The terminal is given back before anything else is written, and whatever the result.
    drop(screen);
    let theatre = result?;
    let summary = summary::Summary::of(&board, &theatre, began.elapsed());
    let mut out = std::io::stdout().lock();
    let text = if args.json {
        serde_json::to_string_pretty(&summary)?
    } else {
        summary.text()
    };
    // As above: nobody there to read it is no failure.
    let _ = writeln!(out, "{text}");
    drop(out);
    theatre.close().context("failed to end in order")
}

fn server(args: &DemoArgs, metrics: &Metrics, health: &Health, board: &mut Board) -> Option<Server> {
    if args.no_http {
        return None;
    }
    match serve(args.http, false, metrics.clone(), health.clone()) {
        Ok(server) => {
            board.served = Some(server.local_addr());
            board.say(format!("metrics: http://{}/metrics", server.local_addr()));
            Some(server)
        }
        // The day goes on without: most often another program has the port.
        Err(error) => {
            board.say(format!("no metrics are served: {error}"));
            None
        }
    }
}

fn play(
    args: &DemoArgs,
    stop: &Arc<AtomicBool>,
    board: &mut Board,
    screen: &mut Screen,
    watched: (Metrics, Health),
) -> anyhow::Result<Theatre> {
    board.say(format!(
        "seed {}: preparing {} customers and a week of calls …",
        args.seed, args.customers
    ));
    screen.show(board, None)?;
    let plan = theatre::Plan {
        seed: args.seed,
        customers: args.customers,
        kafka: args.kafka.clone(),
        out: args
            .out
            .clone()
            .unwrap_or_else(|| std::env::temp_dir().join("forecall-demo")),
    };
    let mut theatre = Theatre::open(plan, watched, board)?;
    let mut watching = true;
    while watching && !stop.load(Ordering::SeqCst) && theatre.warm_up(board)? {
        watching = screen.show(board, Some(&theatre))?;
    }
    let end = theatre
        .start()
        .plus(Duration::from_secs(u64::from(args.hours) * 3_600));
    let began = Instant::now();
    while watching && !stop.load(Ordering::SeqCst) && theatre.now() < end {
        theatre.step(board)?;
        watching = screen.show(board, Some(&theatre))?;
        if let Speed::Factor(factor) = args.speed {
            let due = Duration::from_secs_f64(theatre.now().since(theatre.start()).as_secs_f64() / factor);
            wait_until(began + due, stop);
        }
    }
    board.interrupted = theatre.now() < end;
    theatre.drain(board, stop)?;
    Ok(theatre)
}

/// Sleeps, but not through a Ctrl-C.
fn wait_until(when: Instant, stop: &AtomicBool) {
    /// As long as a person doesn't notice.
    const NAP: Duration = Duration::from_millis(50);
    while let Some(rest) = when.checked_duration_since(Instant::now()) {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        std::thread::sleep(rest.min(NAP));
    }
}

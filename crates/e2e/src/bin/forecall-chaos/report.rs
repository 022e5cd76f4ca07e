//! What is told at the end, to people and to programs.

use std::fmt::Write as _;
use std::time::Duration;

use forecall_log::crash::POINTS;
use serde_json::{Value, json};

use crate::campaign::Outcome;
use crate::place::TRANSACTION;

/// A process that is told to stop while the broker is away may take so long: a call under way (`TRANSACTION`), what is
/// waited for after the signal (3 s), and as much again for closing its clients on a busy machine.
const STOP_MAX: Duration = TRANSACTION.saturating_add(Duration::from_secs(10));

/// Both runs.
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) kills_wanted: u64,
    pub(crate) run: Outcome,
    pub(crate) control: Outcome,
}

impl Report {
    /// What isn't as it must be, in words; empty: all is in order.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let run = &self.run;
        let mut check = |good: bool, what: String| {
            if !good {
                problems.push(what);
            }
        };
        check(run.verdict.is_exact(), "the run is not exact".to_owned());
        check(
            run.mismatched == 0,
            format!("{} restores gave another digest", run.mismatched),
        );
        check(
            run.tolls.unfenced == 0,
            format!("{} zombies went on living", run.tolls.unfenced),
        );
        check(
            run.tolls.kills >= self.kills_wanted,
            format!("{} of {} kills were done", run.tolls.kills, self.kills_wanted),
        );
        let unhit: Vec<&str> = POINTS
            .into_iter()
            .filter(|point| self.kills_wanted > 13 && !run.tolls.hits.contains_key(point))
            .collect();
        check(
            unhit.is_empty(),
            format!("crash points never reached: {}", unhit.join(", ")),
        );
        check(
            run.tolls.slowest_stop <= STOP_MAX,
            format!(
                "a stop took {:.1} s while the broker was away",
                run.tolls.slowest_stop.as_secs_f64()
            ),
        );
        check(run.records > 0 && run.outputs > 0, "nothing was read".to_owned());
        check(
            run.added_records > 0,
            "no partition was added, or nothing was written to it".to_owned(),
        );
        check(
            !self.control.verdict.is_exact(),
            "the control is exact too: this verifier proves nothing".to_owned(),
        );
        problems
    }

    pub(crate) fn text(&self) -> String {
        let run = &self.run;
        let mut text = format!("chaos: seed {}, {} s\n", self.seed, run.seconds);
        let mut line = |name: &str, what: String| {
            let _infallible = writeln!(text, "  {name:<16}{what}");
        };
        let t = &run.tolls;
        line(
            "kills",
            format!("{}, and the broker {} times", t.kills, run.brokers_killed),
        );
        let hits: Vec<String> = POINTS
            .iter()
            .map(|point| format!("{point} {}", t.hits.get(point).unwrap_or(&0)))
            .collect();
        line(
            "crash points",
            format!("{} (not reached in time: {})", hits.join(", "), t.missed),
        );
        line(
            "zombies",
            format!(
                "{} frozen past their session; {} batches dropped, {} fenced (after they had fenced {} twins), {} went on",
                t.frozen, run.dropped, t.fenced, t.twins, t.unfenced
            ),
        );
        line(
            "commit's line",
            format!(
                "{} ends of transactions lost or held up; {} transactions in doubt",
                run.held, run.doubts
            ),
        );
        line(
            "besides",
            format!(
                "{} times scaled out or in, {} graceful stops; the input grew to {} partitions, {} records on those added",
                t.scaled, t.stopped, run.partitions, run.added_records
            ),
        );
        line(
            "broker away",
            format!(
                "{} graceful stops meanwhile, the slowest in {:.1} s",
                t.stopped_alone,
                t.slowest_stop.as_secs_f64()
            ),
        );
        line(
            "restores",
            format!(
                "{} with the committed digest, {} with another",
                run.restored, run.mismatched
            ),
        );
        line(
            "records",
            format!(
                "{} ({} refused, {} dead letters), {} outputs",
                run.records, run.refused, run.letters, run.outputs
            ),
        );
        line("oracle", run.hash.clone());
        line("outputs", outputs(run));
        line("dead letters", letters(run));
        line(
            "wrong states",
            format!(
                "{} of {}; wrong counters {}",
                run.verdict.wrong_states, run.partitions, run.verdict.wrong_counts
            ),
        );
        line(
            "longest stall",
            format!(
                "{:.1} s without a committed output on partition {}; {:.1} s while the broker was there",
                run.stall.longest.as_secs_f64(),
                run.stall.partition,
                run.stall.longest_served.as_secs_f64()
            ),
        );
        line("ended by itself", format!("{} processes", t.ended.len()));
        for words in &t.ended {
            line("", words.clone());
        }
        for example in &run.verdict.examples {
            line("", example.clone());
        }
        self.write_control(&mut text);
        let problems = self.problems();
        match problems.as_slice() {
            [] => text.push_str("chaos: in order\n"),
            problems => {
                for problem in problems {
                    let _infallible = writeln!(text, "chaos: {problem}");
                }
            }
        }
        text
    }

    fn write_control(&self, text: &mut String) {
        let control = &self.control;
        let _infallible = writeln!(
            text,
            "control, without transactions: {} kills, {} records",
            control.tolls.kills, control.records
        );
        let mut line = |name: &str, what: String| {
            let _infallible = writeln!(text, "  {name:<16}{what}");
        };
        line("outputs", outputs(control));
        line("dead letters", letters(control));
        line(
            "wrong states",
            format!("{} of {}", control.verdict.wrong_states, control.partitions),
        );
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "seed": self.seed,
            "in_order": self.problems().is_empty(),
            "problems": self.problems(),
            "run": one(&self.run),
            "control": one(&self.control),
        })
    }
}

fn outputs(outcome: &Outcome) -> String {
    let v = &outcome.verdict;
    format!(
        "missing {}, doubled {}, out of order {}, different {}",
        v.missing, v.doubled, v.out_of_order, v.different
    )
}

fn letters(outcome: &Outcome) -> String {
    let v = &outcome.verdict;
    format!(
        "missing {}, doubled {}, different {}",
        v.letters_missing, v.letters_doubled, v.letters_different
    )
}

fn one(outcome: &Outcome) -> Value {
    let t = &outcome.tolls;
    json!({
        "kills": t.kills,
        "crash_points": t.hits,
        "missed": t.missed,
        "brokers_killed": outcome.brokers_killed,
        "frozen": t.frozen,
        "fenced": t.fenced,
        "twins_fenced": t.twins,
        "unfenced": t.unfenced,
        "batches_dropped": outcome.dropped,
        "ends_held": outcome.held,
        "doubts": outcome.doubts,
        "stopped": t.stopped,
        "stopped_while_the_broker_was_away": t.stopped_alone,
        "slowest_of_those_seconds": t.slowest_stop.as_secs_f64(),
        "scaled": t.scaled,
        "ended_by_themselves": t.ended,
        "restored": outcome.restored,
        "mismatched": outcome.mismatched,
        "partitions": outcome.partitions,
        "added_records": outcome.added_records,
        "records": outcome.records,
        "outputs": outcome.outputs,
        "dead_letters": outcome.letters,
        "refused": outcome.refused,
        "oracle": outcome.hash,
        "exact": outcome.verdict.is_exact(),
        "verdict": outcome.verdict,
        "longest_stall_seconds": outcome.stall.longest.as_secs_f64(),
        "longest_stall_seconds_while_the_broker_was_there": outcome.stall.longest_served.as_secs_f64(),
        "seconds": outcome.seconds,
    })
}

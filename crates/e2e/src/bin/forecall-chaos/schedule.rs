//! Draws what is done to the processes, and when, from the seed alone.

use forecall_e2e::proxy::Trick;

use crate::draw::Draw;

/// One start that ends at a crash point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) point: &'static str,
    /// At the nth passing.
    pub(crate) nth: u64,
    /// From another thread, so many milliseconds later.
    pub(crate) delay_ms: Option<u64>,
}

impl Crash {
    /// As the environment variable wants it.
    pub(crate) fn armed(&self) -> String {
        match self.delay_ms {
            None => format!("{}:{}", self.point, self.nth),
            Some(ms) => format!("{}:{}+{ms}", self.point, self.nth),
        }
    }
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL; then, one after another, starts that end at these crash points; then a plain start.
    Kill { then: Vec<Crash> },
    /// SIGSTOP for longer than the session, then SIGCONT. `twin`: meanwhile another process with the same name is started.
    Freeze { for_ms: u64, twin: bool },
    /// SIGKILL of the broker; started again after a while. `stop`: meanwhile a process gets SIGTERM, and must end all the same.
    Broker { down_ms: u64, stop: bool },
    /// The line of one process fails when a transaction is to end.
    Line { trick: Trick },
    /// The input gets more partitions.
    Grow,
    /// A further process joins, or the one that had joined stops.
    Scale,
    /// SIGTERM, and a new start.
    Stop,
}

/// A fault, the pause before it, and a number that picks the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) pause_ms: u64,
    pub(crate) pick: u64,
    pub(crate) fault: Fault,
}

/// What a run shall see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) seed: u64,
    /// SIGKILLs of processes, those at crash points included.
    pub(crate) kills: u64,
    /// Crash points, each of which gets its equal share.
    pub(crate) points: &'a [&'static str],
    /// SIGKILLs of the broker.
    pub(crate) broker_kills: u64,
    /// The line of one process may fail.
    pub(crate) line: bool,
    /// The input gets more partitions in the middle.
    pub(crate) grow: bool,
    /// A frozen process is longer away than this.
    pub(crate) session_ms: u64,
}

/// The whole schedule.
pub(crate) fn draw(wanted: &Wanted<'_>) -> Vec<Step> {
    let mut draw = Draw::new(wanted.seed, 2);
    let points = u64::try_from(wanted.points.len()).unwrap_or(0);
    // Half of the kills at crash points, but each point at least once where there are enough.
    let at_points = (wanted.kills / 2).max(points.min(wanted.kills.saturating_sub(1)));
    let at_random = wanted.kills.saturating_sub(at_points);
    let mut crashes: Vec<Crash> = Vec::new();
    for point in wanted
        .points
        .iter()
        .cycle()
        .take(usize::try_from(at_points).unwrap_or(0))
    {
        crashes.push(crash(point, &mut draw));
    }
    draw.shuffle(&mut crashes);
    let mut chains: Vec<Vec<Crash>> = (0..at_random.max(1)).map(|_| Vec::new()).collect();
    let places = chains.len().max(1);
    for (i, crash) in crashes.into_iter().enumerate() {
        if let Some(chain) = chains.get_mut(i % places) {
            chain.push(crash);
        }
    }
    let mut faults: Vec<Fault> = chains.into_iter().map(|then| Fault::Kill { then }).collect();
    let others = |every: u64, least: u64| (wanted.kills / every).max(least);
    for i in 0..others(16, 2) {
        let for_ms = wanted.session_ms + draw.between(500, 4_000);
        faults.push(Fault::Freeze {
            for_ms,
            twin: i % 2 == 1,
        });
    }
    for i in 0..wanted.broker_kills {
        let down_ms = draw.between(200, 3_000);
        let stop = i % 2 == 0;
        faults.push(Fault::Broker { down_ms, stop });
    }
    if wanted.line {
        let tricks = [Trick::LoseAnswer, Trick::LoseRequest, Trick::DelayRequest];
        let count = usize::try_from(others(16, 3)).unwrap_or(0);
        faults.extend(
            tricks
                .into_iter()
                .cycle()
                .take(count)
                .map(|trick| Fault::Line { trick }),
        );
    }
    faults.extend((0..others(16, 2)).map(|_| Fault::Scale));
    faults.extend((0..others(20, 1)).map(|_| Fault::Stop));
    draw.shuffle(&mut faults);
    if wanted.grow {
        faults.insert(faults.len() / 2, Fault::Grow);
    }
    faults
        .into_iter()
        .map(|fault| Step {
            pause_ms: draw.between(200, 1_200),
            pick: draw.below(1 << 32),
            fault,
        })
        .collect()
}

fn crash(point: &'static str, draw: &mut Draw) -> Crash {
    let nth = match point {
        // A start restores two or three partitions.
        "restore_begun" | "restore_read" | "restored" => draw.between(1, 2),
        "snapshot_begun" | "snapshot_written" | "snapshot_pruned" => draw.between(1, 5),
        _ => draw.between(1, 12),
    };
    // "During the commit": in two cases of three.
    let during = point == "commit_called" && draw.below(3) > 0;
    Crash {
        point,
        nth,
        delay_ms: during.then(|| draw.between(0, 12)),
    }
}

#[cfg(test)]
mod tests {
    use forecall_log::crash::POINTS;

    use super::*;

    fn wanted(seed: u64, kills: u64) -> Wanted<'static> {
        Wanted {
            seed,
            kills,
            points: &POINTS,
            broker_kills: 2,
            line: true,
            grow: true,
            session_ms: 3_000,
        }
    }

    fn kills(steps: &[Step]) -> (u64, Vec<&'static str>) {
        let mut count = 0;
        let mut points = Vec::new();
        for step in steps {
            if let Fault::Kill { then } = &step.fault {
                count += 1;
                points.extend(then.iter().map(|crash| crash.point));
            }
        }
        (count + u64::try_from(points.len()).unwrap(), points)
    }

    #[test]
    fn the_seed_draws_the_schedule() {
        assert_eq!(draw(&wanted(1, 200)), draw(&wanted(1, 200)));
        assert_ne!(draw(&wanted(1, 200)), draw(&wanted(2, 200)));
    }

    #[test]
    fn there_are_as_many_kills_as_asked_and_each_point_has_its_share() {
        for (asked, each) in [(200, 5), (16, 1), (14, 1)] {
            let steps = draw(&wanted(1, asked));
            let (count, points) = kills(&steps);
            assert_eq!(count, asked);
            for point in POINTS {
                let share = points.iter().filter(|p| **p == point).count();
                assert!(share >= each, "{asked}: {point} {share}");
            }
        }
    }

    #[test]
    fn every_kind_of_fault_comes() {
        let steps = draw(&wanted(3, 16));
        for kind in 0..8 {
            let found = steps.iter().any(|step| match &step.fault {
                Fault::Kill { .. } => kind == 0,
                Fault::Freeze { for_ms, twin } => *for_ms > 3_000 && kind == if *twin { 1 } else { 2 },
                Fault::Broker { .. } => kind == 3,
                Fault::Scale => kind == 4,
                Fault::Stop => kind == 5,
                Fault::Line { .. } => kind == 6,
                Fault::Grow => kind == 7,
            });
            assert!(found, "{kind}");
        }
        let no_broker = Wanted {
            broker_kills: 0,
            ..wanted(3, 200)
        };
        assert!(
            !draw(&no_broker)
                .iter()
                .any(|s| matches!(s.fault, Fault::Broker { .. }))
        );
    }

    #[test]
    fn a_crash_is_written_as_the_log_crate_reads_it() {
        let mut crash = Crash {
            point: "stepped",
            nth: 3,
            delay_ms: None,
        };
        assert_eq!(crash.armed(), "stepped:3");
        crash.delay_ms = Some(8);
        assert_eq!(crash.armed(), "stepped:3+8");
    }
}

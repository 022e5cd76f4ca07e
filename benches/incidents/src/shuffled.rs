//! The same case with its parts in another order must be ranked the same, to the bit.

use anyhow::{Result, ensure};
use forecall_incident::cause::{Case, CauseTunables, rank};

use crate::asked::Asked;
use forecall_bench_input::shuffle;

fn reordered(case: &Case, seed: u64) -> Case {
    let mut state = seed;
    let mut case = case.clone();
    shuffle(&mut case.nodes, &mut state);
    shuffle(&mut case.calls, &mut state);
    let nodes = case.nodes.iter_mut().map(|node| &mut node.tracks);
    for tracks in nodes.chain(case.calls.iter_mut().map(|call| &mut call.tracks)) {
        shuffle(tracks, &mut state);
        for track in tracks {
            shuffle(&mut track.normal, &mut state);
            shuffle(&mut track.recent, &mut state);
        }
    }
    case
}

/// How many cases are ranked the same in so many orders: all, or an error that names the first that isn't.
pub(crate) fn check(all: &[Asked], orders: u64) -> Result<usize> {
    let tunables = CauseTunables::default();
    for asked in all {
        let first = rank(&asked.case, &tunables)?;
        for seed in 0..orders {
            let again = rank(&reordered(&asked.case, seed), &tunables)?;
            ensure!(
                first == again,
                "{}: the ranking hangs on the order of its input (seed {seed})",
                asked.id
            );
        }
    }
    Ok(all.len())
}

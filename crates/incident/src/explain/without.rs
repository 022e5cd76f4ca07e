//! What the probability would have been without some of the evidence.

use super::pieces::{Base, Piece, sum};

/// Sets up to this size are tried, each: 32 pieces have 4,960 sets of three. Beyond it the strongest are taken.
const TRIED_MAX: usize = 3;

/// Pieces, by their numbers in the slice, without which the log-odds are under the threshold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Enough {
    pub(super) pieces: Vec<usize>,
    pub(super) log_odds: f64,
    /// No smaller set is enough.
    pub(super) fewest: bool,
}

/// The log-odds without these pieces.
pub(super) fn without(base: &Base, pieces: &[Piece<'_>], gone: &[usize]) -> f64 {
    let left = pieces.iter().enumerate().filter(|(i, _)| !gone.contains(i));
    sum(base, left.map(|(_, piece)| piece)).log_odds
}

/// The fewest pieces whose absence brings the log-odds below `threshold`, of several such sets the one that lowers it most;
/// `None`: it is below already, or would not be without all of them.
pub(super) fn enough(base: &Base, pieces: &[Piece<'_>], threshold: f64) -> Option<Enough> {
    if without(base, pieces, &[]) < threshold {
        return None;
    }
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..TRIED_MAX {
        sets = grown(&sets, pieces.len());
        let lowest = sets
            .iter()
            .map(|set| (without(base, pieces, set), set))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((log_odds, set)) = lowest.filter(|(z, _)| *z < threshold) {
            return Some(Enough {
                pieces: set.clone(),
                log_odds,
                fewest: true,
            });
        }
    }
    let mut strongest: Vec<usize> = (0..)
        .zip(pieces)
        .filter(|(_, p)| p.alone > 0.0)
        .map(|(i, _)| i)
        .collect();
    let alone = |i: &usize| pieces.get(*i).map_or(0.0, |p| p.alone);
    strongest.sort_by(|a, b| alone(b).total_cmp(&alone(a)));
    (TRIED_MAX + 1..=strongest.len())
        .filter_map(|n| strongest.get(..n).map(<[usize]>::to_vec))
        .map(|set| (without(base, pieces, &set), set))
        .find(|(log_odds, _)| *log_odds < threshold)
        .map(|(log_odds, set)| Enough {
            fewest: set.len() == TRIED_MAX + 1,
            pieces: set,
            log_odds,
        })
}

/// Every set with one more, each once: sets are in rising order.
fn grown(sets: &[Vec<usize>], count: usize) -> Vec<Vec<usize>> {
    sets.iter()
        .flat_map(|set| {
            let from = set.last().map_or(0, |last| last + 1);
            (from..count).map(move |next| set.iter().copied().chain([next]).collect())
        })
        .collect()
}

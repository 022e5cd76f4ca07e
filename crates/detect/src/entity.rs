//! From the series of an entity to the entity: how unusual it is as a whole, and which of its series make it so.

use crate::Voices;

/// Series that count: an entity with a hundred metrics is not more unusual for the ninety that are well.
pub const TOP: usize = 4;

/// How unusual a series is by its typed channels: the fast and the slow ones, as the sides of a right angle, so that both together
/// weigh more than either, and neither is drowned by the other. 0 to 20 √2.
pub fn strength(voices: &Voices) -> f64 {
    (voices.fast * voices.fast + voices.slow * voices.slow).sqrt()
}

/// One series' part in its entity's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Which, by its place among those given.
    pub series: usize,
    /// Share of the entity's score, 0 to 1; those of all parts make 1.
    pub share: f64,
}

/// An entity at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EntityScore {
    /// Root mean square of the [`TOP`] highest strengths, or of all where there are fewer: one loud metric counts more than
    /// four that mutter.
    pub score: f64,
    /// The series that make it, the largest part first; ties by place. Empty where nothing is unusual.
    pub parts: Vec<Part>,
}

/// The score of an entity from the strengths of its series, in any fixed order.
pub fn score(strengths: &[f64]) -> EntityScore {
    let mut order: Vec<(usize, f64)> = strengths.iter().copied().enumerate().collect();
    // A stable sort: of equal ones the first given comes first.
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.truncate(TOP);
    let squares: f64 = order.iter().map(|(_, strength)| strength * strength).sum();
    if squares <= 0.0 {
        return EntityScore::default();
    }
    let count = u32::try_from(order.len()).unwrap_or(u32::MAX);
    EntityScore {
        score: (squares / f64::from(count)).sqrt(),
        parts: order
            .into_iter()
            .map(|(series, strength)| Part {
                series,
                share: strength * strength / squares,
            })
            .filter(|part| part.share > 0.0)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_that_of_all_sets_of_four_and_shares_make_one(strengths in proptest::collection::vec(0.0_f64..20.0, 0..9)) {
            let got = score(&strengths);
            // The highest root mean square of any so many of them.
            let mut best = 0.0_f64;
            let size = strengths.len().min(TOP);
            for set in 0_u32..1 << strengths.len() {
                if usize::try_from(set.count_ones()).unwrap() == size && size > 0 {
                    let of = strengths.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
                    let mean = of.map(|(_, s)| s * s).sum::<f64>() / f64::from(set.count_ones());
                    best = best.max(mean.sqrt());
                }
            }
            prop_assert!((got.score - best).abs() < 1e-9, "{got:?} {best}");
            let shares: f64 = got.parts.iter().map(|part| part.share).sum();
            prop_assert!(got.parts.is_empty() || (shares - 1.0).abs() < 1e-9);
            prop_assert!(got.parts.windows(2).all(|p| p[0].share >= p[1].share));
        }
    }

    #[test]
    fn the_loudest_is_named_first() {
        let got = score(&[0.5, 6.0, 0.0, 2.0, 0.1, 0.2]);
        let names: Vec<usize> = got.parts.iter().map(|part| part.series).collect();
        assert_eq!(names, [1, 3, 0, 5]);
        assert!(got.parts[0].share > 0.85, "{got:?}");
        assert_eq!(score(&[0.0; 3]), EntityScore::default());
        let both = Voices {
            fast: 3.0,
            slow: 4.0,
            ..Voices::default()
        };
        assert!((strength(&both) - 5.0).abs() < 1e-12);
    }
}

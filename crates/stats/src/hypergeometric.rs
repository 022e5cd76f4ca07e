use crate::poisson::real;

/// The chance that of `drawn` things, drawn without putting back from `all` of which `marked` are marked, at least `hits` are marked
/// (the hypergeometric law; of a table of two by two the one-sided exact test of Fisher, *The Design of Experiments*, 1935).
///
/// 1 for no hits, or for as many as can't be avoided; 0 for more than there can be. More `drawn` or `marked` than `all` count as all.
///
/// ```
/// // Three of three drawn are among the four marked of forty: 4 of 9,880 ways.
/// assert!((forecall_stats::hypergeometric_tail(3, 3, 4, 40) - 4.0 / 9_880.0).abs() < 1e-12);
/// ```
pub fn hypergeometric_tail(hits: u64, drawn: u64, marked: u64, all: u64) -> f64 {
    let (drawn, marked) = (drawn.min(all), marked.min(all));
    let most = drawn.min(marked);
    if hits <= (drawn + marked).saturating_sub(all) {
        return 1.0;
    }
    if hits > most {
        return 0.0;
    }
    // The first term by logarithms, further ones by their ratio to it: summed from the smallest, nothing is lost.
    let first = choose_ln(marked, hits) + choose_ln(all - marked, drawn - hits) - choose_ln(all, drawn);
    let mut ratios = vec![1.0];
    let mut ratio = 1.0;
    for hit in hits..most {
        let more = real(marked - hit) * real(drawn - hit);
        let less = real(hit + 1) * real(all + hit + 1 - marked - drawn);
        ratio *= more / less;
        ratios.push(ratio);
    }
    let sum: f64 = ratios.iter().rev().sum();
    libm::exp(first + libm::log(sum)).min(1.0)
}

/// The natural logarithm of the number of ways to choose `k` of `n`; of more than there are, as if of all.
pub fn choose_ln(n: u64, k: u64) -> f64 {
    let k = k.min(n);
    let factorial_ln = |n: u64| libm::lgamma(real(n) + 1.0);
    factorial_ln(n) - factorial_ln(k) - factorial_ln(n - k)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn choose(n: u64, k: u64) -> f64 {
        if k > n {
            return 0.0;
        }
        (0..k).fold(1.0, |ways, i| ways * real(n - i) / real(i + 1))
    }

    #[test]
    fn the_ends_are_certain() {
        let is = |p: f64, is: f64| assert!((p - is).abs() < 1e-12, "{p} {is}");
        is(hypergeometric_tail(0, 5, 5, 10), 1.0);
        is(hypergeometric_tail(6, 5, 9, 10), 0.0);
        is(hypergeometric_tail(1, 0, 9, 10), 0.0);
        // Nine of ten are marked: two drawn hold one at least.
        is(hypergeometric_tail(1, 2, 9, 10), 1.0);
        is(hypergeometric_tail(3, 30, 40, 10), 1.0);
        is(hypergeometric_tail(1, 1, 1, 1), 1.0);
        // 1 of C(60, 30): a sum from the other end would have lost it.
        let rare = hypergeometric_tail(30, 30, 30, 60);
        assert!((rare * choose(60, 30) - 1.0).abs() < 1e-9, "{rare}");
    }

    proptest! {
        #[test]
        fn as_the_ways_counted(all in 1_u64..50, drawn in 0_u64..50, marked in 0_u64..50, hits in 0_u64..52) {
            let (drawn, marked) = (drawn.min(all), marked.min(all));
            let ways: f64 = (hits..=drawn).filter(|k| drawn - k <= all - marked)
                .map(|k| choose(marked, k) * choose(all - marked, drawn - k)).sum();
            let got = hypergeometric_tail(hits, drawn, marked, all);
            prop_assert!((got - ways / choose(all, drawn)).abs() < 1e-9, "{}", got);
        }
    }
}

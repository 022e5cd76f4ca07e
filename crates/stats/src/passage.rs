use crate::normal_upper;

/// Of a normal distribution eight of ten values lie within this many standard deviations of the mean.
const BAND_SDS: f64 = 1.281_551_565_544_6;

/// A band at a time to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandAt {
    /// Seconds from now.
    pub seconds: f64,
    /// As many values above as below.
    pub expected: f64,
    /// One of ten values below …
    pub lower: f64,
    /// … and one of ten above.
    pub upper: f64,
}

/// A limit and the side it is reached from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Where it lies.
    pub value: f64,
    /// 1 where values above have passed it, −1 where values below have.
    pub sign: f64,
}

/// When a series passes a limit, by its band ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passage<'b> {
    bands: &'b [BandAt],
    limit: Limit,
}

impl<'b> Passage<'b> {
    /// Of bands in order of time; between two of them it is interpolated.
    pub const fn new(bands: &'b [BandAt], limit: Limit) -> Self {
        Self { bands, limit }
    }

    /// Seconds until the chance that it has passed the limit is one in ten, one in two, nine in ten: until the band's edge on the
    /// limit's side, the expected value and the other edge do. `None` where the bands end before.
    pub fn after(&self, share: Share) -> Option<f64> {
        let edge = |band: &BandAt| match (share, self.limit.sign > 0.0) {
            (Share::Half, _) => band.expected,
            (Share::Tenth, true) | (Share::NineTenths, false) => band.upper,
            (Share::Tenth, false) | (Share::NineTenths, true) => band.lower,
        };
        let beyond = |band: &BandAt| (edge(band) - self.limit.value) * self.limit.sign;
        let first = self.bands.first().filter(|band| beyond(band) >= 0.0);
        if let Some(first) = first {
            return Some(first.seconds);
        }
        self.bands.windows(2).find_map(|pair| {
            let (a, b) = (pair.first()?, pair.last()?);
            let (from, to) = (beyond(a), beyond(b));
            (from < 0.0 && to >= 0.0).then(|| a.seconds + (b.seconds - a.seconds) * from / (from - to))
        })
    }

    /// Chance that it has passed within so many seconds: the highest of any time up to then.
    pub fn chance(&self, seconds: f64) -> f64 {
        let mut most: f64 = 0.0;
        let mut before: Option<&BandAt> = None;
        for band in self.bands {
            if band.seconds <= seconds {
                most = most.max(self.beyond(band));
            } else if let Some(before) = before.filter(|b| b.seconds < seconds) {
                most = most.max(self.beyond(&before.on(band, seconds)));
            }
            before = Some(band);
        }
        most
    }

    /// Chance that a value lies beyond the limit then: each side of the band is half a normal distribution.
    fn beyond(&self, band: &BandAt) -> f64 {
        let gap = (self.limit.value - band.expected) * self.limit.sign;
        let up = (gap > 0.0) == (self.limit.sign > 0.0);
        let side = if up {
            band.upper - band.expected
        } else {
            band.expected - band.lower
        };
        if side > 0.0 {
            normal_upper(gap / side * BAND_SDS)
        } else {
            f64::from(u8::from(gap <= 0.0))
        }
    }
}

/// How likely it is that a limit has been passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// One in ten.
    Tenth,
    /// One in two.
    Half,
    /// Nine in ten.
    NineTenths,
}

impl BandAt {
    /// The band at another time, on the lines through this one and `to`.
    #[must_use]
    pub fn on(&self, to: &Self, seconds: f64) -> Self {
        let span = to.seconds - self.seconds;
        let share = if span > 0.0 {
            (seconds - self.seconds) / span
        } else {
            1.0
        };
        let mix = |x: f64, y: f64| x + share * (y - x);
        let expected = mix(self.expected, to.expected);
        Self {
            seconds,
            expected,
            lower: mix(self.lower, to.lower).min(expected),
            upper: mix(self.upper, to.upper).max(expected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bands() -> impl Strategy<Value = Vec<BandAt>> {
        proptest::collection::vec(
            (1.0_f64..900.0, -20.0_f64..20.0, 0.1_f64..9.0, 0.1_f64..9.0),
            2..7,
        )
        .prop_map(|rows| {
            let mut seconds = -rows[0].0;
            rows.iter()
                .map(|(span, expected, below, above)| {
                    seconds += span;
                    BandAt {
                        seconds,
                        expected: *expected,
                        lower: expected - below,
                        upper: expected + above,
                    }
                })
                .collect()
        })
    }

    /// The band second by second, by looking for its neighbours each time.
    fn at(bands: &[BandAt], seconds: f64) -> BandAt {
        let next = bands.iter().position(|b| b.seconds >= seconds).unwrap().max(1);
        let (a, b) = (bands[next - 1], bands[next]);
        let share = (seconds - a.seconds) / (b.seconds - a.seconds);
        let mix = |x: f64, y: f64| (1.0 - share) * x + share * y;
        BandAt {
            seconds,
            expected: mix(a.expected, b.expected),
            lower: mix(a.lower, b.lower),
            upper: mix(a.upper, b.upper),
        }
    }

    proptest! {
        #[test]
        fn it_is_the_first_second_of_a_walk_through_the_band(bands in bands(), value in -25.0_f64..25.0, up in any::<bool>()) {
            let limit = Limit { value, sign: if up { 1.0 } else { -1.0 } };
            let passage = Passage::new(&bands, limit);
            let end = bands[bands.len() - 1].seconds;
            let grid: Vec<f64> = (0..).map(|i| 0.25 * f64::from(i)).take_while(|s| *s < end).collect();
            for (share, edge) in [
                (Share::Tenth, (|b: &BandAt, up: bool| if up { b.upper } else { b.lower }) as fn(&BandAt, bool) -> f64),
                (Share::Half, |b, _| b.expected),
                (Share::NineTenths, |b, up| if up { b.lower } else { b.upper }),
            ] {
                let first = grid.iter().find(|s| (edge(&at(&bands, **s), up) - value) * limit.sign >= 0.0);
                match (passage.after(share), first) {
                    // Or touched between two of them before, where the band turns.
                    (Some(got), Some(want)) => prop_assert!(
                        (got - want).abs() <= 0.26
                            || got < *want && bands.iter().any(|b| (b.seconds - got).abs() < 0.26),
                        "{share:?} {got} {want}"
                    ),
                    // Within the last quarter of a second, or touched between two of them.
                    (Some(got), None) => prop_assert!(end - got <= 0.26 || bands.iter().any(|b| (b.seconds - got).abs() < 0.26)),
                    (None, first) => prop_assert_eq!(first, None),
                }
            }
            let mut most: f64 = 0.0;
            for seconds in &grid {
                let band = at(&bands, *seconds);
                let gap = (value - band.expected) * limit.sign;
                let above = value > band.expected;
                let sd = if above { band.upper - band.expected } else { band.expected - band.lower } / BAND_SDS;
                most = most.max(normal_upper(gap / sd));
                let got = passage.chance(*seconds);
                prop_assert!(got >= most - 1e-9 && got <= most + 0.1, "{got} {most} at {seconds}");
            }
        }
    }

    #[test]
    fn behind_the_limit_at_it_and_on_the_way() {
        let band = |seconds, expected| BandAt {
            seconds,
            expected,
            lower: expected - 1.0,
            upper: expected + 1.0,
        };
        let rising = [band(0.0, 0.0), band(100.0, 10.0)];
        let to = |value, sign| Passage {
            bands: &rising,
            limit: Limit { value, sign },
        };
        let near = |got: Option<f64>, want: f64| (got.unwrap() - want).abs() < 1e-9;
        let up = to(5.0, 1.0);
        assert!(
            near(up.after(Share::Tenth), 40.0)
                && near(up.after(Share::Half), 50.0)
                && near(up.after(Share::NineTenths), 60.0)
        );
        assert!(
            (up.chance(50.0) - 0.5).abs() < 1e-9
                && (up.chance(60.0) - 0.9).abs() < 1e-6
                && up.chance(0.0) < 1e-9
        );
        assert!(near(to(0.0, 1.0).after(Share::Half), 0.0), "there already");
        assert!(near(to(-3.0, 1.0).after(Share::NineTenths), 0.0), "long past it");
        assert_eq!(to(12.0, 1.0).after(Share::Tenth), None);
        assert_eq!(to(-3.0, -1.0).after(Share::Tenth), None, "the other way");
        assert!(to(-3.0, -1.0).chance(100.0) < 1e-3);
        let flat = [
            band(0.0, 0.0),
            BandAt {
                seconds: 10.0,
                expected: 2.0,
                lower: 2.0,
                upper: 2.0,
            },
        ];
        let sure = Passage::new(
            &flat,
            Limit {
                value: 2.0,
                sign: 1.0,
            },
        );
        assert!(
            (sure.chance(10.0) - 1.0).abs() < 1e-12,
            "without a width it is there or not"
        );
    }
}

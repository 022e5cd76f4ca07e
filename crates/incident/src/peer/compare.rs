//! One metric of one peer group at one step: where each member would be by its peers, and how far off it is.

use forecall_stats::{FadingMoments, LocationScale, MAD_TO_SD, location_scale, median};

/// Members below which nothing is said: of four, two are half.
pub const PEERS_MIN: usize = 5;
/// The least scale, as a share of what is usual in the group: closer than that, all are alike.
const SCALE_SHARE: f64 = 0.02;
/// Makes the mean absolute deviation of a normal distribution its standard deviation: √(π/2).
const MEAN_AD_TO_SD: f64 = 1.253_314_137_315_5;
/// Of the group's own noise in the past so much is the least scale today: a quiet night makes no outliers of what is a day's noise.
const NOISE_SHARE: f64 = 0.25;
/// Units beyond which a place is no longer told apart: it says more of the others than of this one.
const PLACE_MAX: f64 = 4_096.0;
/// The least spread of places taken for one: where members hardly differ, their places say nothing of the unit.
const PLACES_APART_MIN: f64 = 0.5;
/// The spread of the values counts for the unit as much as members whose places differ by this in square.
const PLACES_WEIGHT: f64 = 1.0;
/// The unit lies within this factor of the spread of the values.
const UNIT_WITHIN: f64 = 4.0;
/// Standard deviations beyond which a member has no say (95 % efficient for normal noise).
const BIWEIGHT: f64 = 4.685;
/// Rounds of weights: the first finds who is off, the second is without them.
const ROUNDS: usize = 2;

/// Where a member stands usually among its peers, in scales of the group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usual {
    /// Its mean place.
    pub(crate) place: f64,
    /// Standard deviation of its places.
    pub(crate) sd: f64,
    /// How much wider it is taken to be, from 2 at first to 1 after a day: it hasn't shown yet all that is normal.
    pub(crate) young: f64,
}

/// A member at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Off {
    /// Its place now, in scales of the group.
    pub(crate) place: f64,
    /// Where it would be by its peers.
    pub(crate) expected: f64,
    /// One standard deviation about that; 0 where nothing ever differed.
    pub(crate) scale: f64,
    /// Standard deviations it is off, with its sign.
    pub(crate) sds: f64,
}

/// Compares the members by their values now; `usual` is `None` while a member is new. As long as fewer than [`PEERS_MIN`] are known,
/// places are told and nothing is off. `noise` is the group's: mean absolute deviation from what was expected, so many steps of it.
/// `None`: there are too few.
///
/// Of the members whose usual place is known each value would be `level + unit · place`. Level and unit are those of this step: a group
/// that moves as one, up, down or by a factor, leaves every place as it is, and who says nothing has no part in them.
pub(crate) fn compare(
    values: &[(f64, Option<Usual>)],
    noise: &mut FadingMoments,
    memory: u32,
) -> Option<Vec<Off>> {
    if values.len() < PEERS_MIN {
        return None;
    }
    let known: Vec<(f64, f64)> = values
        .iter()
        .filter_map(|(value, usual)| Some((*value, (*usual)?.place)))
        .collect();
    let judged = known.len() >= PEERS_MIN;
    let frame = if judged {
        Frame::of(&known)?
    } else {
        let all: Vec<f64> = values.iter().map(|(value, _)| *value).collect();
        let (level, unit) = middle(&all)?;
        Frame { level, unit }
    };
    let mut all: Vec<Off> = values
        .iter()
        .map(|(value, usual)| Off {
            place: frame.place(*value),
            expected: frame.value(usual.map_or(0.0, |usual| usual.place)),
            scale: 0.0,
            sds: 0.0,
        })
        .collect();
    if !judged {
        return Some(all);
    }
    let mut deviations: Vec<f64> = known
        .iter()
        .map(|(value, place)| (value - frame.value(*place)).abs())
        .collect();
    let count = f64::from(u32::try_from(deviations.len()).unwrap_or(u32::MAX));
    noise.add(deviations.iter().sum::<f64>() / count, memory);
    let least = (median(&mut deviations)? * MAD_TO_SD)
        .max(NOISE_SHARE * MEAN_AD_TO_SD * noise.mean())
        .max(SCALE_SHARE * frame.level.abs());
    for ((value, usual), off) in values.iter().zip(&mut all) {
        let Some(usual) = usual else {
            continue;
        };
        off.scale = (usual.sd * frame.unit).max(least) * usual.young;
        if off.scale > 0.0 {
            off.sds = (value - off.expected) / off.scale;
        }
    }
    Some(all)
}

/// Where a group stands at one step, and how far apart its members are.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    level: f64,
    unit: f64,
}

impl Frame {
    /// Of members by (value, usual place): a line through them by weighted least squares, weights by Tukey's biweight (Beaton and
    /// Tukey 1974) about the median of what it leaves, the unit drawn to the spread of the values where places hardly differ.
    fn of(members: &[(f64, f64)]) -> Option<Self> {
        let values: Vec<f64> = members.iter().map(|(value, _)| *value).collect();
        let mut places: Vec<f64> = members.iter().map(|(_, place)| *place).collect();
        let (middle, spread) = middle(&values)?;
        let apart = location_scale(&mut places)?.scale.max(PLACES_APART_MIN);
        let mut unit = spread / apart;
        for _ in 0..ROUNDS {
            let level = level(members, unit)?;
            let rest = |(value, place): &(f64, f64)| (value - level - unit * place).abs();
            let mut rests: Vec<f64> = members.iter().map(rest).collect();
            let scale = (median(&mut rests)? * MAD_TO_SD).max(SCALE_SHARE * middle.abs());
            let weigh = |member: &(f64, f64)| {
                let off = rest(member) / (BIWEIGHT * scale);
                let near = 1.0 - off * off;
                // Without a scale only who is not off at all counts.
                if off < 1.0 {
                    near * near
                } else {
                    f64::from(u8::from(rest(member) <= 0.0))
                }
            };
            unit = slope(members, weigh, spread).clamp(spread / UNIT_WITHIN, spread * UNIT_WITHIN);
        }
        Some(Self {
            level: level(members, unit)?,
            unit,
        })
    }

    fn value(self, place: f64) -> f64 {
        self.level + self.unit * place
    }

    fn place(self, value: f64) -> f64 {
        if self.unit > 0.0 {
            ((value - self.level) / self.unit).clamp(-PLACE_MAX, PLACE_MAX)
        } else {
            0.0
        }
    }
}

fn level(members: &[(f64, f64)], unit: f64) -> Option<f64> {
    let mut levels: Vec<f64> = members
        .iter()
        .map(|(value, place)| value - unit * place)
        .collect();
    median(&mut levels)
}

/// Value by place, as if [`PLACES_WEIGHT`] of one more member said that it is `spread`.
fn slope(members: &[(f64, f64)], weigh: impl Fn(&(f64, f64)) -> f64, spread: f64) -> f64 {
    let weights: Vec<f64> = members.iter().map(weigh).collect();
    let sum: f64 = weights.iter().sum();
    if sum <= 0.0 {
        return spread;
    }
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| {
        members
            .iter()
            .zip(&weights)
            .map(|(member, w)| w * of(member))
            .sum::<f64>()
            / sum
    };
    let (value, place) = (mean(&|m| m.0), mean(&|m| m.1));
    let both = mean(&|m| (m.0 - value) * (m.1 - place)) * sum;
    let square = mean(&|m| (m.1 - place) * (m.1 - place)) * sum;
    (both + PLACES_WEIGHT * spread) / (square + PLACES_WEIGHT)
}

/// Median and spread: the scaled median absolute deviation (Hampel 1974, "The influence curve and its role in robust estimation"), or,
/// where more than half of the values are equal, what the mean one makes of it (Iglewicz and Hoaglin 1993, "How to Detect and Handle
/// Outliers"); a share of the median at least.
fn middle(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = values.to_vec();
    let LocationScale { location, scale } = location_scale(&mut sorted)?;
    let spread = if scale > 0.0 {
        scale
    } else {
        let count = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
        MEAN_AD_TO_SD * values.iter().map(|value| (value - location).abs()).sum::<f64>() / count
    };
    Some((location, spread.max(SCALE_SHARE * location.abs())))
}

//! The point of the least cost, by a simplex (Nelder & Mead 1965; coefficients by Gao & Han 2012) that asks for one cost at a time.
//!
//! So a search can be put down and taken up again, and what it finds doesn't hang on how often that was.

use serde::{Deserialize, Serialize};

/// The search ends where the simplex differs by less than this share.
const FLAT: f64 = 1e-6;

/// A point with its cost.
type Corner = (f64, Vec<f64>);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Ask {
    /// A corner of the first simplex.
    First(usize),
    /// The worst corner, mirrored.
    Mirrored,
    /// The same, further; with what the mirrored one cost.
    Further(f64),
    /// Back towards the middle; with what the mirrored one cost.
    Back(f64),
    /// All corners towards the best, one by one.
    Shrinking(usize),
    /// Nothing any more.
    Over,
}

/// A search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Simplex<const N: usize> {
    origin: Vec<f64>,
    step: f64,
    corners: Vec<Corner>,
    worst: Corner,
    centre: Vec<f64>,
    ask: Ask,
    used: usize,
    evaluations: usize,
}

fn between(one: &[f64], other: &[f64], share: f64) -> Vec<f64> {
    one.iter().zip(other).map(|(x, y)| x + share * (y - x)).collect()
}

impl<const N: usize> Simplex<N> {
    /// Begins at `origin`, with corners a `step` away, and asks for about so many costs.
    pub(super) fn new(origin: [f64; N], step: f64, evaluations: usize) -> Self {
        Self {
            origin: origin.to_vec(),
            step,
            corners: Vec::with_capacity(N + 1),
            worst: (f64::MAX, origin.to_vec()),
            centre: origin.to_vec(),
            ask: Ask::First(0),
            used: 0,
            evaluations,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "a dozen")]
    const fn dimensions() -> f64 {
        N as f64
    }

    /// The point whose cost is wanted; none: the search is over.
    pub(super) fn wanted(&self) -> Option<[f64; N]> {
        let n = Self::dimensions();
        let (further, back, shrink) = (1.0 + 2.0 / n, 0.75 - 0.5 / n, 1.0 - 1.0 / n);
        let point = match &self.ask {
            Ask::First(corner) => {
                let mut point = self.origin.clone();
                if let Some(x) = corner.checked_sub(1).and_then(|place| point.get_mut(place)) {
                    *x += self.step;
                }
                point
            }
            Ask::Mirrored => between(&self.centre, &self.worst.1, -1.0),
            Ask::Further(_) => between(&self.centre, &self.worst.1, -further),
            Ask::Back(mirrored) if *mirrored < self.worst.0 => between(&self.centre, &self.worst.1, -back),
            Ask::Back(_) => between(&self.centre, &self.worst.1, back),
            Ask::Shrinking(corner) => {
                let (best, own) = (self.corners.first()?, self.corners.get(*corner)?);
                between(&best.1, &own.1, shrink)
            }
            Ask::Over => return None,
        };
        point.try_into().ok()
    }

    /// Takes in the cost of the [`wanted`](Self::wanted) point.
    pub(super) fn tell(&mut self, cost: f64) {
        let Some(point) = self.wanted() else {
            self.ask = Ask::Over;
            return;
        };
        let cost = if cost.is_nan() { f64::MAX } else { cost };
        let found = (cost, point.to_vec());
        self.used += 1;
        match self.ask {
            Ask::First(corner) => {
                self.corners.push(found);
                if corner < N {
                    self.ask = Ask::First(corner + 1);
                } else {
                    self.turn();
                }
            }
            Ask::Mirrored => {
                let best = self.corners.first().map_or(f64::MAX, |corner| corner.0);
                let second = self.corners.last().map_or(f64::MAX, |corner| corner.0);
                if cost < best {
                    self.ask = Ask::Further(cost);
                } else if cost < second {
                    self.corners.push(found);
                    self.turn();
                } else {
                    self.ask = Ask::Back(cost);
                }
            }
            Ask::Further(mirrored) => {
                if cost < mirrored {
                    self.corners.push(found);
                } else {
                    let point = between(&self.centre, &self.worst.1, -1.0);
                    self.corners.push((mirrored, point));
                }
                self.turn();
            }
            Ask::Back(mirrored) => {
                if cost < mirrored.min(self.worst.0) {
                    self.corners.push(found);
                    self.turn();
                } else {
                    self.corners.push(self.worst.clone());
                    self.ask = Ask::Shrinking(1);
                }
            }
            Ask::Shrinking(corner) => {
                if let Some(own) = self.corners.get_mut(corner) {
                    *own = found;
                }
                if corner < N {
                    self.ask = Ask::Shrinking(corner + 1);
                } else {
                    self.turn();
                }
            }
            Ask::Over => {}
        }
    }

    /// Sets the worst corner apart, to be mirrored through the middle of the others.
    fn turn(&mut self) {
        self.corners.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (best, worst) = (self.corners.first(), self.corners.last());
        let spread = worst.map_or(0.0, |corner| corner.0) - best.map_or(0.0, |corner| corner.0);
        let is_flat = spread <= FLAT * best.map_or(0.0, |corner| corner.0);
        if self.used >= self.evaluations || is_flat {
            self.ask = Ask::Over;
            return;
        }
        if let Some(worst) = self.corners.pop() {
            self.worst = worst;
        }
        self.centre = vec![0.0; N];
        for (_, corner) in &self.corners {
            for (sum, x) in self.centre.iter_mut().zip(corner) {
                *sum += x / Self::dimensions();
            }
        }
        self.ask = Ask::Mirrored;
    }

    /// The best point so far.
    pub(super) fn best(&self) -> [f64; N] {
        let best = self.corners.iter().min_by(|a, b| a.0.total_cmp(&b.0));
        let best = best.map_or(&self.origin, |corner| &corner.1);
        best.clone().try_into().unwrap_or([0.0; N])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valley([x, y]: [f64; 2]) -> f64 {
        // Rosenbrock's.
        (1.0 - x) * (1.0 - x) + 100.0 * (y - x * x) * (y - x * x) + 1.0
    }

    #[test]
    fn it_finds_the_floor_of_a_bent_valley() {
        let mut search = Simplex::new([-1.2, 1.0], 0.7, 400);
        let mut asked = 0;
        while let Some(point) = search.wanted() {
            search.tell(valley(point));
            asked += 1;
        }
        let [x, y] = search.best();
        assert!((x - 1.0).abs() < 0.01 && (y - 1.0).abs() < 0.02, "{x} {y}");
        assert!(asked <= 403, "{asked}");
    }

    #[test]
    fn it_can_be_put_down_and_taken_up_again() {
        let mut whole = Simplex::new([-1.2, 1.0], 0.7, 150);
        let mut torn = whole.clone();
        while let Some(point) = whole.wanted() {
            whole.tell(valley(point));
            let bytes = forecall_stage::encode_state(&torn).unwrap();
            torn = forecall_stage::decode_state(&bytes).unwrap();
            torn.tell(valley(torn.wanted().unwrap()));
            assert_eq!(torn, whole);
        }
        assert_eq!(torn.wanted(), None);
    }

    #[test]
    fn what_costs_no_number_is_left() {
        let mut search = Simplex::new([1.0, 1.0], 0.5, 100);
        while let Some([x, y]) = search.wanted() {
            search.tell(if x > 1.2 {
                f64::NAN
            } else {
                (x + 2.0).abs() + y * y + 1.0
            });
        }
        assert!(search.best()[0] < 0.0, "{:?}", search.best());
    }
}

use crate::error::Flaw;
use crate::point::{Bounds, Point};

/// Bands of latitude of one ring: each knows the edges that cross it, so that a point is tried against a few edges only.
const BANDS_MAX: usize = 4_096;

/// An edge from its southern to its northern end; level ones, which no ray to the east crosses, are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    south: Point,
    north: Point,
}

/// A closed ring that doesn't touch itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ring {
    pub(crate) bounds: Bounds,
    corners: Box<[Point]>,
    /// Edges of each band, from south to north.
    bands: Box<[Box<[Edge]>]>,
}

/// Twice the area of the triangle, positive if `c` lies left of the way from `a` to `b`. Exact.
fn turn(a: Point, b: Point, c: Point) -> i128 {
    let d = |from: i32, to: i32| i128::from(to) - i128::from(from);
    d(a.lng, b.lng) * d(a.lat, c.lat) - d(a.lat, b.lat) * d(a.lng, c.lng)
}

impl Ring {
    /// Checks corners; the last isn't the first again.
    pub(crate) fn new(mut corners: Vec<Point>) -> Result<Self, Flaw> {
        corners.dedup();
        while corners.len() > 1 && corners.first() == corners.last() {
            corners.pop();
        }
        let bounds = Bounds::around(corners.iter().copied()).ok_or(Flaw::Empty)?;
        let doubled: i128 = pairs(&corners)
            .map(|(a, b)| i128::from(a.lng) * i128::from(b.lat) - i128::from(b.lng) * i128::from(a.lat))
            .sum();
        if corners.len() < 3 || doubled == 0 {
            return Err(Flaw::Flat);
        }
        if pairs(&corners).any(|(a, b)| i64::from(a.lng).abs_diff(i64::from(b.lng)) > 1_800_000_000) {
            return Err(Flaw::Antimeridian);
        }
        if let Some(p) = touches_itself(&corners) {
            let degrees = |parts: i32| f64::from(parts) / 1e7;
            let near = format!("{:.5}, {:.5}", degrees(p.lng), degrees(p.lat));
            return Err(Flaw::CrossesItself(near));
        }
        let mut ring = Self {
            bounds,
            bands: Box::default(),
            corners: corners.into(),
        };
        ring.bands = ring.banded();
        Ok(ring)
    }

    fn banded(&self) -> Box<[Box<[Edge]>]> {
        let count = (self.corners.len() / 2).clamp(1, BANDS_MAX);
        let mut bands: Vec<Vec<Edge>> = vec![Vec::new(); count];
        for (a, b) in pairs(&self.corners) {
            if a.lat == b.lat {
                continue;
            }
            let (south, north) = if a.lat < b.lat { (a, b) } else { (b, a) };
            let (from, to) = (self.band(south, count), self.band(north, count));
            for band in bands.iter_mut().take(to + 1).skip(from) {
                band.push(Edge { south, north });
            }
        }
        bands.into_iter().map(Vec::into_boxed_slice).collect()
    }

    /// Which of `count` bands a point within the bounds lies in.
    fn band(&self, p: Point, count: usize) -> usize {
        let height = i64::from(self.bounds.high.lat) - i64::from(self.bounds.low.lat) + 1;
        let above = i64::from(p.lat) - i64::from(self.bounds.low.lat);
        let count = i64::try_from(count).unwrap_or(1);
        usize::try_from(above * count / height).unwrap_or_default()
    }

    /// Whether a point lies inside. Of two rings that share an edge exactly one holds the points on it: the eastern, or the
    /// northern.
    pub(crate) fn contains(&self, p: Point) -> bool {
        if !self.bounds.contains(p) {
            return false;
        }
        let band = self.bands.get(self.band(p, self.bands.len()));
        let east = band.into_iter().flatten().filter(|edge| {
            edge.south.lat <= p.lat && p.lat < edge.north.lat && turn(edge.south, edge.north, p) > 0
        });
        east.count() % 2 == 1
    }

    fn is_on_edge(&self, p: Point) -> bool {
        pairs(&self.corners)
            .any(|(a, b)| turn(a, b, p) == 0 && Bounds::around([a, b]).is_some_and(|box_| box_.contains(p)))
    }
}

/// The edges of a ring.
fn pairs(corners: &[Point]) -> impl Iterator<Item = (Point, Point)> {
    let next = corners.iter().skip(1).chain(corners.first());
    corners.iter().copied().zip(next.copied())
}

/// Where two edges meet that aren't neighbours, or two neighbours lie on each other.
fn touches_itself(corners: &[Point]) -> Option<Point> {
    let count = corners.len();
    let mut edges: Vec<(usize, Bounds, Point, Point)> = pairs(corners)
        .enumerate()
        .filter_map(|(i, (a, b))| Some((i, Bounds::around([a, b])?, a, b)))
        .collect();
    edges.sort_by_key(|(i, bounds, ..)| (bounds.low.lat, *i));
    for (n, (i, bounds, a, b)) in edges.iter().enumerate() {
        let near = edges
            .iter()
            .skip(n + 1)
            .take_while(|(_, other, ..)| other.low.lat <= bounds.high.lat)
            .filter(|(_, other, ..)| other.low.lng <= bounds.high.lng && bounds.low.lng <= other.high.lng);
        for (j, _, c, d) in near {
            let touch = if (i + 1) % count == *j {
                folds_back(*a, *b, *d)
            } else if (j + 1) % count == *i {
                folds_back(*c, *d, *b)
            } else {
                meet((*a, *b), (*c, *d))
            };
            if touch {
                return Some(*c);
            }
        }
    }
    None
}

/// Whether the way from `a` to `b` goes back on itself to `c`.
fn folds_back(a: Point, b: Point, c: Point) -> bool {
    let d = |from: i32, to: i32| i128::from(to) - i128::from(from);
    let ahead = d(a.lng, b.lng) * d(b.lng, c.lng) + d(a.lat, b.lat) * d(b.lat, c.lat);
    turn(a, b, c) == 0 && ahead < 0
}

/// Whether two edges have a point in common.
fn meet((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let (c_side, d_side) = (turn(a, b, c).signum(), turn(a, b, d).signum());
    let (a_side, b_side) = (turn(c, d, a).signum(), turn(c, d, b).signum());
    if c_side * d_side < 0 && a_side * b_side < 0 {
        return true;
    }
    let on = |side: i128, p: Point, e: Point, f: Point| {
        side == 0 && Bounds::around([e, f]).is_some_and(|bounds| bounds.contains(p))
    };
    on(c_side, c, a, b) || on(d_side, d, a, b) || on(a_side, a, c, d) || on(b_side, b, c, d)
}

/// A ring without its holes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Polygon {
    pub(crate) outer: Ring,
    holes: Vec<Ring>,
}

impl Polygon {
    /// # Errors
    /// A hole reaches out of the ring.
    pub(crate) fn new(outer: Ring, holes: Vec<Ring>) -> Result<Self, Flaw> {
        let is_in = |p: &Point| outer.contains(*p) || outer.is_on_edge(*p);
        if holes.iter().all(|hole| hole.corners.iter().all(is_in)) {
            Ok(Self { outer, holes })
        } else {
            Err(Flaw::HoleOutside)
        }
    }

    fn contains(&self, p: Point) -> bool {
        self.outer.contains(p) && !self.holes.iter().any(|hole| hole.contains(p))
    }
}

/// One or more polygons: never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    bounds: Bounds,
    pub(crate) polygons: Vec<Polygon>,
}

impl Area {
    pub(crate) fn new(polygons: Vec<Polygon>) -> Result<Self, Flaw> {
        let all = polygons.iter().map(|polygon| polygon.outer.bounds);
        let bounds = all.reduce(Bounds::with).ok_or(Flaw::Empty)?;
        Ok(Self { bounds, polygons })
    }

    /// The smallest box around it.
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The corners of each polygon, the last not the first again; `None` where one has a hole: without it the area would be wider.
    pub fn outlines(&self) -> Option<Vec<&[Point]>> {
        let whole = |polygon: &Polygon| polygon.holes.is_empty();
        let outlines = self.polygons.iter().map(|polygon| &*polygon.outer.corners);
        self.polygons.iter().all(whole).then(|| outlines.collect())
    }

    /// Whether a point lies in one of the polygons and in none of its holes. A border belongs to the area east or north of it, so
    /// that of two neighbours exactly one holds each point.
    pub fn contains(&self, p: Point) -> bool {
        self.bounds.contains(p) && self.polygons.iter().any(|polygon| polygon.contains(p))
    }
}

//! How good the forecasts would have been: a walk through a history that never looks ahead.
//!
//! Parameters are fitted to what lies before the first origin; from there on the model only takes in what each origin knows.
//! Beside it run the two baselines everybody can make: the same interval a week earlier, and its mean over eight weeks.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use forecall_types::EventTime;

use super::baseline::{Baseline, Law, Parameters};
use super::calendar::{Calendar, Place};
use super::fit::fit;
pub use super::score::{Band, Score, Scores, score};
use super::tuner::Tuner;

/// Levels of the quantiles, with their places in the normal law.
pub const LEVELS: [(f64, f64); 15] = [
    (0.01, -2.326_348),
    (0.025, -1.959_964),
    (0.05, -1.644_854),
    (0.1, -1.281_552),
    (0.2, -0.841_621),
    (0.3, -0.524_401),
    (0.4, -0.253_347),
    (0.5, 0.0),
    (0.6, 0.253_347),
    (0.7, 0.524_401),
    (0.8, 0.841_621),
    (0.9, 1.281_552),
    (0.95, 1.644_854),
    (0.975, 1.959_964),
    (0.99, 2.326_348),
];

/// Weeks of the seasonal mean.
const WEEKS: usize = 8;
/// A value older than this (with gaps) is no longer of the season.
const WEEKS_MAX: i64 = 20;
const WEEK_DAYS: i64 = 7;
/// Whole days before the first origin, at least.
pub const TRAIN_DAYS_MIN: usize = 7;

/// How far ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizon {
    /// The next interval; all before it is known.
    Next,
    /// A whole day, from its midnight.
    Day,
    /// A whole day, from the midnight seven days before.
    Week,
}

impl Horizon {
    const fn lead_days(self) -> i64 {
        match self {
            Self::Next | Self::Day => 0,
            Self::Week => WEEK_DAYS,
        }
    }
}

/// Where the parameters come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tuning {
    /// A fit of what lies before the first origin.
    Fitted,
    /// As in the pipeline: priors, then what is found beside the walk.
    Beside,
    /// Priors.
    Priors,
}

/// Counts of calls in equal intervals, in order of time; what is missing is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    calendar: Calendar,
    /// Place, start and count.
    rows: Vec<(Place, EventTime, f64)>,
}

/// A forecast with what came.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// What came before this was known.
    pub origin: EventTime,
    /// Start of the interval.
    pub target: EventTime,
    /// Expected calls.
    pub mean: f64,
    /// Quantiles at [`LEVELS`].
    pub quantiles: [f64; LEVELS.len()],
    /// What came; `None` ahead of the history's end.
    pub actual: Option<f64>,
    /// The same interval of the last week known at the origin.
    pub naive: Option<f64>,
    /// Mean over the last eight weeks known at the origin.
    pub seasonal: Option<f64>,
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq)]
pub struct Backtest {
    /// In order of their targets.
    pub forecasts: Vec<Forecast>,
    /// Parameters at the end.
    pub parameters: Parameters,
    /// Days with counts before the first origin.
    pub train_days: usize,
    /// Mean absolute difference of a count from the one a week before, before the first origin: the scale of MASE.
    pub scale: Option<f64>,
}

/// A history that can't be walked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BacktestError {
    /// Too few days.
    #[error(
        "the history has {days} days with calls: {test} to test leave {train} before the first forecast, and it takes \
         at least {TRAIN_DAYS_MIN}"
    )]
    TooShort {
        /// All there are.
        days: usize,
        /// Asked for.
        test: usize,
        /// Left.
        train: usize,
    },
}

impl History {
    /// From starts and counts in any order; of two counts of one interval (the hour that clocks repeat) the first stays.
    pub fn new(calendar: Calendar, counts: impl IntoIterator<Item = (EventTime, f64)>) -> Self {
        let mut rows: Vec<(Place, EventTime, f64)> = counts
            .into_iter()
            .filter(|(_, count)| count.is_finite() && *count >= 0.0)
            .map(|(start, count)| (calendar.place(start), start, count))
            .collect();
        rows.sort_by_key(|row| (row.0, row.1));
        rows.dedup_by_key(|row| row.0);
        Self { calendar, rows }
    }

    /// How its time is cut.
    pub const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Starts and counts, in order.
    pub fn counts(&self) -> impl Iterator<Item = (EventTime, f64)> + '_ {
        self.rows.iter().map(|row| (row.1, row.2))
    }

    /// Number of intervals with a count.
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Days with counts, in order.
    fn days(&self) -> Vec<i64> {
        let mut days: Vec<i64> = self.rows.iter().map(|row| row.0.day).collect();
        days.dedup();
        days
    }

    fn before(&self, day: i64) -> &[(Place, EventTime, f64)] {
        self.rows
            .split_at(self.rows.partition_point(|row| row.0.day < day))
            .0
    }
}

fn fitted(calendar: &Calendar, rows: &[(Place, EventTime, f64)]) -> Parameters {
    let history: Vec<(Place, Option<f64>)> = rows.iter().map(|row| (row.0, Some(row.2))).collect();
    fit(calendar, &history)
}

/// Counts of the last weeks, by weekday and slot: what the two baselines are made of.
#[derive(Debug, Default)]
struct Seasons(BTreeMap<(u8, u16), VecDeque<(i64, f64)>>);

impl Seasons {
    fn add(&mut self, place: Place, count: f64) {
        let own = self.0.entry((place.weekday, place.slot)).or_default();
        own.push_back((place.day, count));
        if own.len() > WEEKS {
            own.pop_front();
        }
    }

    fn at(&self, place: Place) -> (Option<f64>, Option<f64>) {
        let Some(own) = self.0.get(&(place.weekday, place.slot)) else {
            return (None, None);
        };
        let known: Vec<f64> = own
            .iter()
            .filter(|(day, _)| place.day - day <= WEEKS_MAX * WEEK_DAYS)
            .map(|(_, count)| *count)
            .collect();
        let mean = known.iter().sum::<f64>() / known.iter().fold(0.0, |n, _| n + 1.0);
        (known.last().copied(), mean.is_finite().then_some(mean))
    }
}

/// One walk's state: what is known so far.
struct Walk<'a> {
    calendar: &'a Calendar,
    model: Baseline,
    seasons: Seasons,
    tuner: Option<Tuner>,
}

impl<'a> Walk<'a> {
    fn new(calendar: &'a Calendar, parameters: Parameters) -> Self {
        Self {
            calendar,
            model: Baseline::with_parameters(calendar, parameters),
            seasons: Seasons::default(),
            tuner: None,
        }
    }

    fn learn(&mut self, row: (Place, EventTime, f64)) {
        if let Some(tuner) = &mut self.tuner {
            tuner.learn(self.calendar, row.0, Some(row.2));
            let found = tuner.work(self.calendar, self.model.tuned(), usize::MAX);
            if let Some(parameters) = found {
                self.model.retune(self.calendar, parameters);
            }
        }
        self.model.judge(self.calendar, row.0, Some(row.2));
        self.seasons.add(row.0, row.2);
    }

    fn forecast(&self, origin: EventTime, target: EventTime, place: Place, law: &Law) -> Forecast {
        let (naive, seasonal) = self.seasons.at(place);
        let mut quantiles = LEVELS.map(|(_, normal)| law.quantile(normal));
        let mut highest = 0.0_f64;
        for value in &mut quantiles {
            highest = highest.max(*value);
            *value = highest;
        }
        Forecast {
            origin,
            target,
            mean: law.moments().mean,
            quantiles,
            actual: None,
            naive,
            seasonal,
        }
    }
}

/// Forecasts the last `test_days` days with counts. `progress` hears how many of all intervals are done.
///
/// # Errors
/// A history that is too short.
pub fn backtest(
    history: &History,
    horizon: Horizon,
    test_days: usize,
    progress: impl FnMut(usize, usize),
) -> Result<Backtest, BacktestError> {
    backtest_with(history, horizon, test_days, Tuning::Fitted, progress)
}

/// [`backtest`] with parameters that come from elsewhere.
///
/// # Errors
/// A history that is too short.
pub fn backtest_with(
    history: &History,
    horizon: Horizon,
    test_days: usize,
    tuning: Tuning,
    mut progress: impl FnMut(usize, usize),
) -> Result<Backtest, BacktestError> {
    let calendar = history.calendar();
    let days = history.days();
    let first = days.len().saturating_sub(test_days);
    let too_short = |train: usize| BacktestError::TooShort {
        days: days.len(),
        test: test_days,
        train,
    };
    let Some(test_from) = days.get(first).copied().filter(|_| test_days > 0) else {
        return Err(too_short(days.len()));
    };
    let origin = test_from - horizon.lead_days();
    let train = history.before(origin);
    let train_days = days.partition_point(|day| *day < origin);
    if train_days < TRAIN_DAYS_MIN {
        return Err(too_short(train_days));
    }
    let parameters = match tuning {
        Tuning::Fitted => fitted(calendar, train),
        Tuning::Beside | Tuning::Priors => Parameters::default(),
    };
    let mut walk = Walk::new(calendar, parameters);
    walk.tuner = (tuning == Tuning::Beside).then(Tuner::default);
    let (known, test) = history.rows.split_at(history.before(test_from).len());
    let mut waiting = known.iter().chain(test).copied().peekable();
    let mut forecasts = Vec::with_capacity(test.len());
    let mut rest = test;
    while let Some((place, _, _)) = rest.first().copied() {
        let (day, later) = rest.split_at(rest.partition_point(|row| row.0.day == place.day));
        rest = later;
        let origin_day = place.day - horizon.lead_days();
        while let Some(row) = waiting.next_if(|row| row.0.day < origin_day) {
            walk.learn(row);
        }
        walk.model.end_days_before(calendar, origin_day);
        walk.model.prepare(calendar, place.day, place.day);
        let origin = calendar.start(origin_day, 0);
        for (place, start, count) in day.iter().copied() {
            let of_day = walk.model.look(calendar).day(place.day);
            let known = if horizon == Horizon::Next { start } else { origin };
            let mut forecast = walk.forecast(known, start, place, &of_day.at(place.slot));
            forecast.actual = Some(count);
            forecasts.push(forecast);
            if horizon == Horizon::Next
                && let Some(row) = waiting.next()
            {
                walk.learn(row);
            }
        }
        progress(forecasts.len(), test.len());
    }
    Ok(Backtest {
        forecasts,
        parameters: walk.model.tuned(),
        train_days,
        scale: weekly_difference(train),
    })
}

fn weekly_difference(rows: &[(Place, EventTime, f64)]) -> Option<f64> {
    let mut last: BTreeMap<(u8, u16), (i64, f64)> = BTreeMap::new();
    let (mut sum, mut count) = (0.0, 0.0);
    for (place, _, calls) in rows {
        if let Some((day, before)) = last.insert((place.weekday, place.slot), (place.day, *calls))
            && place.day - day == WEEK_DAYS
        {
            sum += (calls - before).abs();
            count += 1.0;
        }
    }
    (count > 0.0 && sum > 0.0).then(|| sum / count)
}

/// Forecasts the intervals of the next `span` beyond the history's end; hours at which there never were counts are left out.
///
/// # Errors
/// A history that is too short.
pub fn ahead(history: &History, span: Duration) -> Result<(Vec<Forecast>, Parameters), BacktestError> {
    let calendar = history.calendar();
    let days = history.days().len();
    let Some((last, start, _)) = history.rows.last().copied().filter(|_| days >= TRAIN_DAYS_MIN) else {
        return Err(BacktestError::TooShort {
            days,
            test: 0,
            train: days,
        });
    };
    let parameters = fitted(calendar, &history.rows);
    let mut walk = Walk::new(calendar, parameters);
    for row in &history.rows {
        walk.learn(*row);
    }
    let origin = start.plus(calendar.step());
    let slots = u16::try_from(calendar.slots()).unwrap_or(u16::MAX);
    let is_over = {
        let today = walk.model.look(calendar).day(last.day);
        (last.slot + 1..slots).all(|slot| !today.is_open(slot))
    };
    if is_over {
        walk.model.end_days_before(calendar, last.day + 1);
    }
    walk.model.prepare(calendar, last.day, last.day + WEEK_DAYS);
    let until = origin.plus(span);
    let mut forecasts = Vec::new();
    let mut day = last.day;
    while calendar.start(day, 0) < until {
        let of_day = walk.model.look(calendar).day(day);
        for slot in (0..slots).filter(|slot| of_day.is_open(*slot)) {
            let target = calendar.start(day, slot);
            let place = calendar.place(target);
            if target >= origin && target < until && place.slot == slot {
                forecasts.push(walk.forecast(origin, target, place, &of_day.at(slot)));
            }
        }
        day += 1;
    }
    Ok((forecasts, parameters))
}

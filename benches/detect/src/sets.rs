//! The recordings: each method run over each, and what that is worth.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use forecall_backtest::alerts::{self as events, Counts, Span};
use forecall_backtest::{nab, vus};
use forecall_detect::entity;

use crate::bootstrap::Figure;
use crate::data::{self, Machine, Series};
use crate::subject::{Method, Scored};
use crate::table::Table;

/// Metrics of a machine that count: the mean of the highest so many scores.
pub(crate) const TOP: usize = 4;
/// Pause after an alert, as a share of a file's probation: the way the notes on NAB's own detectors have it.
const PAUSE_SHARE: f64 = 0.2;
/// Alerts a series-day at which mscloud is judged.
const CLOUD_BUDGET: f64 = 0.2;
/// Alerts a machine-day at which machines are judged.
const MACHINE_BUDGETS: [f64; 2] = [1.0, 3.0];

/// How to run.
pub(crate) struct How<'a> {
    pub(crate) data: &'a Path,
    /// Give the detector a file's name as the metric's; else `value`.
    pub(crate) names: bool,
    /// Leave each group out once.
    pub(crate) groups: bool,
    /// Score each channel for itself, too.
    pub(crate) channels: bool,
    /// Machines without their past.
    pub(crate) cold: bool,
}

/// One detector's scores of all files of a set.
struct Run {
    name: String,
    files: Vec<Scored>,
}

fn run_all(methods: &[Box<dyn Method>], how: &How<'_>, all: &[Series]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for method in methods {
        let files: Vec<Scored> = all
            .iter()
            .map(|one| method.run(if how.names { &one.name } else { "value" }, &one.points))
            .collect();
        let names: Vec<&'static str> = files
            .first()
            .filter(|_| how.channels)
            .map_or_else(Vec::new, |file| {
                file.channels.iter().map(|(name, _)| *name).collect()
            });
        let alone = |i: usize| files.iter().map(|file| channel(file, i)).collect();
        let apart: Vec<Run> = names
            .iter()
            .enumerate()
            .map(|(i, name)| Run {
                name: (*name).to_owned(),
                files: alone(i),
            })
            .collect();
        runs.push(Run {
            name: method.name().to_owned(),
            files,
        });
        runs.extend(apart);
    }
    runs
}

fn channel(file: &Scored, i: usize) -> Scored {
    let score = file
        .channels
        .get(i)
        .map_or_else(Vec::new, |(_, s)| s.iter().map(|v| f64::from(*v)).collect());
    Scored {
        score,
        ..Scored::default()
    }
}

/// NAB: swept as its leaderboard is, with a pause after each alert, and as shipped.
pub(crate) fn nab(methods: &[Box<dyn Method>], how: &How<'_>, table: &mut Table) -> Result<()> {
    let all = data::nab(how.data)?;
    let files: Vec<nab::File> = all
        .iter()
        .map(|one| nab::File::new(&one.times(), &one.windows))
        .collect();
    let groups: Vec<&str> = all.iter().map(|one| one.group.as_str()).collect();
    for run in run_all(methods, how, &all) {
        let scores: Vec<&[f64]> = run
            .files
            .iter()
            .zip(&files)
            .map(|(scored, file)| &scored.score[file.probation..])
            .collect();
        let thresholds = events::thresholds(scores.iter().copied());
        for profile in &nab::PROFILES {
            let sure = |points: &[Vec<f64>], drawn: &[usize]| best(points, &files, drawn, profile).0;
            let raw: Vec<Vec<f64>> = files
                .iter()
                .zip(&scores)
                .map(|(f, s)| f.points_at(s, &thresholds, profile))
                .collect();
            let pairs: Vec<(&nab::File, &[f64])> = files.iter().zip(scores.iter().copied()).collect();
            let (exact, threshold) = nab::sweep(&pairs, profile);
            let mut figure = Figure::over(files.len(), |drawn| sure(&raw, drawn));
            figure.value = exact;
            table.add("NAB", &format!("{}, swept", profile.name), &run.name, figure);
            table.note(
                "NAB",
                &format!("{}: {} best at {threshold}", run.name, profile.name),
            );
            let paused: Vec<Vec<f64>> = files
                .iter()
                .zip(&scores)
                .map(|(file, scores)| {
                    let pause = (file.probation as f64 * PAUSE_SHARE) as usize;
                    thresholds
                        .iter()
                        .map(|t| file.points(nab::with_pause(scores, *t, pause), profile))
                        .collect()
                })
                .collect();
            let figure = Figure::over(files.len(), |drawn| sure(&paused, drawn));
            table.add(
                "NAB",
                &format!("{}, swept, paused", profile.name),
                &run.name,
                figure,
            );
            if how.groups && profile.name == "standard" {
                for (measure, points) in [("swept", &raw), ("swept, paused", &paused)] {
                    left_out(&run.name, measure, points, &files, &groups, profile, table);
                }
            }
            nab_shipped(&run, &files, profile, table);
        }
    }
    for (detector, profiles) in data::nab_published(how.data)? {
        for profile in &nab::PROFILES {
            if let Some(score) = profiles.get(profile.published) {
                table.published(&detector, profile.name, *score);
            }
        }
    }
    Ok(())
}

/// The best threshold for these files, and its score.
fn best(points: &[Vec<f64>], files: &[nab::File], drawn: &[usize], profile: &nab::Profile) -> (f64, usize) {
    let windows = nab::windows(drawn.iter().map(|i| &files[*i]));
    let steps = points.first().map_or(0, Vec::len);
    (0..steps)
        .map(|step| {
            (
                nab::normalised(drawn.iter().map(|i| points[*i][step]).sum(), windows, profile),
                step,
            )
        })
        .fold((0.0, 0), |a, b| if b.0 > a.0 { b } else { a })
}

/// The score where each group was judged by the threshold that is best for all others.
fn left_out(
    name: &str,
    measure: &str,
    points: &[Vec<f64>],
    files: &[nab::File],
    groups: &[&str],
    profile: &nab::Profile,
    table: &mut Table,
) {
    let mut total = 0.0;
    let mut names: Vec<&str> = groups.to_vec();
    names.dedup();
    for group in names {
        let (inside, outside): (Vec<usize>, Vec<usize>) = (0..files.len()).partition(|i| groups[*i] == group);
        let (_, step) = best(points, files, &outside, profile);
        let got: f64 = inside.iter().map(|i| points[*i][step]).sum();
        total += got;
        let windows = nab::windows(inside.iter().map(|i| &files[*i]));
        let own = if windows > 0 {
            nab::normalised(got, windows, profile)
        } else {
            got
        };
        table.add(
            "NAB left out",
            &format!("{measure}: {group}"),
            name,
            Figure::exact(own),
        );
    }
    let score = nab::normalised(total, nab::windows(files.iter()), profile);
    table.add(
        "NAB left out",
        &format!("{measure}: all"),
        name,
        Figure::exact(score),
    );
}

fn nab_shipped(run: &Run, files: &[nab::File], profile: &nab::Profile, table: &mut Table) {
    if run.files.iter().any(|scored| scored.opened.is_empty()) {
        return;
    }
    let points: Vec<f64> = files
        .iter()
        .zip(&run.files)
        .map(|(file, scored)| file.points(scored.opened[file.probation..].iter().copied(), profile))
        .collect();
    let figure = Figure::over(files.len(), |drawn| {
        let windows = nab::windows(drawn.iter().map(|i| &files[*i]));
        nab::normalised(drawn.iter().map(|i| points[*i]).sum(), windows, profile)
    });
    table.add("NAB", &format!("{}, as shipped", profile.name), &run.name, figure);
    let told: Vec<Vec<f64>> = files
        .iter()
        .zip(&run.files)
        .map(|(file, scored)| {
            let rows = scored.score.iter().zip(&scored.opened).skip(file.probation);
            rows.map(|(score, opened)| if *opened { *score } else { -1.0 })
                .collect()
        })
        .collect();
    let pairs: Vec<(&nab::File, &[f64])> = files.iter().zip(told.iter().map(Vec::as_slice)).collect();
    let (swept, threshold) = nab::sweep(&pairs, profile);
    table.add(
        "NAB",
        &format!("{}, openings swept", profile.name),
        &run.name,
        Figure::exact(swept),
    );
    table.note(
        "NAB",
        &format!("{}: {} of openings best at {threshold}", run.name, profile.name),
    );
}

/// Counts of drawn files at the threshold that suits them best.
fn best_f1(at: &[Vec<Counts>], drawn: &[usize]) -> f64 {
    let steps = at.first().map_or(0, Vec::len);
    (0..steps)
        .map(|step| Counts::sum(drawn.iter().map(|i| at[*i][step])).f1())
        .fold(0.0, f64::max)
}

/// Counts of drawn files at the last threshold within the budget.
fn budgeted(at: &[Vec<Counts>], drawn: &[usize], budget: f64) -> Counts {
    let steps = at.first().map_or(0, Vec::len);
    let sums: Vec<Counts> = (0..steps)
        .map(|step| Counts::sum(drawn.iter().map(|i| at[*i][step])))
        .collect();
    events::within_budget(&sums, budget)
}

/// Open anomalies as alerts.
fn shipped_spans(scored: &Scored, from: usize) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    let mut is_on = false;
    for (row, (opened, open)) in scored.opened.iter().zip(&scored.open).skip(from).enumerate() {
        if *opened {
            out.push((row, row));
        } else if *open
            && is_on
            && let Some((_, end)) = out.last_mut()
        {
            *end = row;
        }
        is_on = *opened || (*open && is_on);
    }
    out
}

/// mscloud: event-wise with one threshold for all series.
pub(crate) fn mscloud(methods: &[Box<dyn Method>], how: &How<'_>, table: &mut Table) -> Result<()> {
    let all = data::mscloud(how.data)?;
    let times: Vec<_> = all.iter().map(Series::times).collect();
    let truth: Vec<Vec<Span>> = all.iter().map(|one| vus::events(&one.labels)).collect();
    for run in run_all(methods, how, &all) {
        let thresholds = events::thresholds(run.files.iter().map(|scored| scored.score.as_slice()));
        let at: Vec<Vec<Counts>> = (0..all.len())
            .map(|i| events::at_thresholds(&times[i], &truth[i], &run.files[i].score, &thresholds))
            .collect();
        let figure = Figure::over(all.len(), |drawn| best_f1(&at, drawn));
        table.add("mscloud", "best event F1", &run.name, figure);
        let figure = Figure::over(all.len(), |drawn| budgeted(&at, drawn, CLOUD_BUDGET).f1());
        table.add(
            "mscloud",
            "event F1 at 0.2 alerts a series-day",
            &run.name,
            figure,
        );
        let volumes: Vec<f64> = all
            .iter()
            .zip(&run.files)
            .filter_map(|(one, scored)| {
                let values: Vec<f64> = one.points.iter().map(|(_, v)| *v).collect();
                vus::vus_pr(&one.labels, &scored.score, vus::period(&values))
            })
            .collect();
        table.add("mscloud", "VUS-PR", &run.name, Figure::mean(&volumes));
        if how.groups {
            f1_left_out(&run.name, &at, &all, table);
        }
        if run.files.iter().all(|scored| !scored.opened.is_empty()) {
            let counts: Vec<Counts> = (0..all.len())
                .map(|i| events::count(&times[i], &truth[i], &shipped_spans(&run.files[i], 0)))
                .collect();
            shipped("mscloud", &run.name, &counts, table);
        }
    }
    Ok(())
}

fn f1_left_out(name: &str, at: &[Vec<Counts>], all: &[Series], table: &mut Table) {
    let mut groups: Vec<&str> = all.iter().map(|one| one.group.as_str()).collect();
    groups.dedup();
    let mut total = Vec::new();
    for group in groups {
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..all.len()).partition(|i| all[*i].group == group);
        let steps = at.first().map_or(0, Vec::len);
        let f1 = |step: usize, of: &[usize]| Counts::sum(of.iter().map(|i| at[*i][step])).f1();
        let step = (0..steps)
            .max_by(|a, b| f1(*a, &outside).total_cmp(&f1(*b, &outside)))
            .unwrap_or(0);
        let counts = Counts::sum(inside.iter().map(|i| at[*i][step]));
        table.add(
            "mscloud left out",
            &format!("best event F1: {group}"),
            name,
            Figure::exact(counts.f1()),
        );
        total.push(counts);
    }
    let all = Counts::sum(total.into_iter()).f1();
    table.add("mscloud left out", "best event F1: all", name, Figure::exact(all));
}

/// What the shipped policy opened.
fn shipped(set: &str, name: &str, counts: &[Counts], table: &mut Table) {
    let over = |measure: fn(&Counts) -> f64| {
        Figure::over(counts.len(), |drawn| {
            measure(&Counts::sum(drawn.iter().map(|i| counts[*i])))
        })
    };
    table.add(set, "event F1, as shipped", name, over(Counts::f1));
    table.add(set, "event recall, as shipped", name, over(Counts::recall));
    table.add(set, "alerts a day, as shipped", name, over(Counts::alerts_a_day));
}

/// One machine's scores of one method.
struct Watched {
    /// Mean of the top scores, a row.
    score: Vec<f64>,
    /// Openings of any metric, merged.
    openings: Option<Vec<Span>>,
    /// Scores of each channel alone.
    channels: BTreeMap<&'static str, Vec<f64>>,
}

fn watch(method: &dyn Method, machine: &Machine, channels: bool) -> Watched {
    let present = machine.past..machine.times.len();
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let mut strengths: Vec<Vec<f64>> = Vec::new();
    let mut apart: BTreeMap<&'static str, Vec<Vec<f64>>> = BTreeMap::new();
    let mut opened = vec![false; present.len()];
    let mut has_policy = false;
    for (_, values) in &machine.metrics {
        let points: Vec<_> = machine
            .times
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect();
        let scored = method.run("value", &points);
        for (row, flag) in scored.opened.iter().skip(machine.past).enumerate() {
            has_policy = true;
            opened[row] |= flag;
        }
        columns.push(scored.score[present.clone()].to_vec());
        if let Some(strength) = scored.strength.get(present.clone()) {
            strengths.push(strength.to_vec());
        }
        for (name, scores) in scored.channels.iter().filter(|_| channels) {
            let column = scores[present.clone()].iter().map(|v| f64::from(*v)).collect();
            apart.entry(name).or_default().push(column);
        }
    }
    let times = &machine.times[present];
    Watched {
        // forecall's own way from series to entity; rivals have none.
        score: if strengths.len() == columns.len() {
            each_row(&strengths, |row| entity::score(row).score)
        } else {
            top_mean(&columns, TOP)
        },
        openings: has_policy.then(|| events::spans(times, opened.into_iter())),
        channels: apart
            .into_iter()
            .map(|(name, columns)| (name, top_mean(&columns, TOP)))
            .collect(),
    }
}

/// What is made of each row of the columns.
fn each_row(columns: &[Vec<f64>], make: impl Fn(&mut Vec<f64>) -> f64) -> Vec<f64> {
    let rows = columns.first().map_or(0, Vec::len);
    let mut row: Vec<f64> = Vec::new();
    (0..rows)
        .map(|i| {
            row.clear();
            row.extend(columns.iter().map(|column| column[i]));
            make(&mut row)
        })
        .collect()
}

/// Mean of the highest `k` of the columns, a row.
fn top_mean(columns: &[Vec<f64>], k: usize) -> Vec<f64> {
    each_row(columns, |row| {
        row.sort_by(|a, b| b.total_cmp(a));
        let top = &row[..k.min(row.len())];
        top.iter().sum::<f64>() / top.len().max(1) as f64
    })
}

/// smd and asd: machines judged as a whole.
pub(crate) fn machines(
    set: &str,
    methods: &[Box<dyn Method>],
    how: &How<'_>,
    table: &mut Table,
) -> Result<()> {
    let all = data::machines(how.data, set, how.cold)?;
    for method in methods {
        let watched: Vec<Watched> = all
            .iter()
            .map(|machine| watch(method.as_ref(), machine, how.channels))
            .collect();
        let scores = |pick: &dyn Fn(&Watched) -> Vec<f64>| watched.iter().map(pick).collect::<Vec<_>>();
        judge(set, method.name(), &all, &scores(&|w| w.score.clone()), table);
        let names: Vec<&'static str> = watched
            .first()
            .map_or_else(Vec::new, |w| w.channels.keys().copied().collect());
        for name in names {
            let of = scores(&|w| w.channels.get(name).cloned().unwrap_or_default());
            judge(set, name, &all, &of, table);
        }
        let counts: Vec<Counts> = all
            .iter()
            .zip(&watched)
            .filter_map(|(machine, watched)| {
                let times = &machine.times[machine.past..];
                Some(events::count(
                    times,
                    &vus::events(&machine.labels),
                    watched.openings.as_ref()?,
                ))
            })
            .collect();
        if counts.len() == all.len() {
            shipped(set, method.name(), &counts, table);
        }
    }
    Ok(())
}

fn judge(set: &str, name: &str, all: &[Machine], scores: &[Vec<f64>], table: &mut Table) {
    let volumes: Vec<f64> = all
        .iter()
        .zip(scores)
        .filter_map(|(machine, score)| {
            let first = machine
                .metrics
                .first()
                .map_or(&[] as &[f64], |(_, values)| &values[machine.past..]);
            vus::vus_pr(&machine.labels, score, vus::period(first))
        })
        .collect();
    table.add(set, &format!("VUS-PR, top {TOP}"), name, Figure::mean(&volumes));
    let thresholds = events::thresholds(scores.iter().map(Vec::as_slice));
    let at: Vec<Vec<Counts>> = all
        .iter()
        .zip(scores)
        .map(|(machine, score)| {
            let truth = vus::events(&machine.labels);
            events::at_thresholds(&machine.times[machine.past..], &truth, score, &thresholds)
        })
        .collect();
    for budget in MACHINE_BUDGETS {
        let figure = Figure::over(all.len(), |drawn| budgeted(&at, drawn, budget).recall());
        table.add(
            set,
            &format!("event recall at {budget} alerts a machine-day"),
            name,
            figure,
        );
    }
    table.add(
        set,
        "best event F1",
        name,
        Figure::over(all.len(), |drawn| best_f1(&at, drawn)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_a_row_counts() {
        let columns = [vec![1.0, 5.0], vec![3.0, 1.0], vec![2.0, 3.0]];
        assert_eq!(top_mean(&columns, 2), [2.5, 4.0]);
        assert_eq!(top_mean(&columns, 9), [2.0, 3.0]);
    }

    #[test]
    fn an_open_anomaly_is_one_alert_and_one_left_over_from_before_is_none() {
        let flags = |rows: &[usize]| (0..10).map(|i| rows.contains(&i)).collect::<Vec<_>>();
        let scored = Scored {
            opened: flags(&[1, 4, 8]),
            open: flags(&[1, 2, 4, 5, 6, 8, 9]),
            ..Scored::default()
        };
        assert_eq!(shipped_spans(&scored, 0), [(1, 2), (4, 6), (8, 9)]);
        assert_eq!(shipped_spans(&scored, 2), [(2, 4), (6, 7)]);
    }

    /// Needs the recordings: `FORECALL_DATA=DIR cargo test`. NAB's own `windowedGaussian`, made anew, gets what the
    /// leaderboard says of it, so that the scorer is the leaderboard's.
    #[test]
    fn the_leaderboards_figures_come_out() {
        let Some(folder) = std::env::var_os("FORECALL_DATA") else {
            return;
        };
        let folder = Path::new(&folder);
        let all = data::nab(folder).unwrap();
        let published = data::nab_published(folder).unwrap();
        let files: Vec<nab::File> = all
            .iter()
            .map(|one| nab::File::new(&one.times(), &one.windows))
            .collect();
        assert_eq!((files.len(), nab::windows(files.iter())), (58, 116));
        // Twelve digits, as the files had that the leaderboard was made from: the highest scores become one.
        let rounded = |score: &f64| (score * 1e12).round() / 1e12;
        let gaussian: Vec<Vec<f64>> = all
            .iter()
            .map(|one| {
                crate::rivals::WindowedGaussian
                    .run("", &one.points)
                    .score
                    .iter()
                    .map(rounded)
                    .collect()
            })
            .collect();
        for profile in &nab::PROFILES {
            let swept = |scores: &[Vec<f64>]| {
                let pairs: Vec<(&nab::File, &[f64])> = files
                    .iter()
                    .zip(scores)
                    .map(|(file, s)| (file, &s[file.probation..]))
                    .collect();
                nab::sweep(&pairs, profile).0
            };
            let null: Vec<Vec<f64>> = all.iter().map(|one| vec![0.5; one.points.len()]).collect();
            let board = |name: &str| published[name][profile.published];
            assert!((swept(&null) - board("null")).abs() < 1e-9);
            let perfect: Vec<Vec<f64>> = all
                .iter()
                .map(|one| {
                    let starts: Vec<_> = one.windows.iter().map(|(from, _)| *from).collect();
                    one.points
                        .iter()
                        .map(|(at, _)| f64::from(u8::from(starts.contains(at))))
                        .collect()
                })
                .collect();
            assert!((swept(&perfect) - 100.0).abs() < 1e-9);
            let (got, wanted) = (swept(&gaussian), board("windowedGaussian"));
            assert!(
                (got - wanted).abs() < 1e-4,
                "{}: {got}, published {wanted}",
                profile.name
            );
        }
    }
}

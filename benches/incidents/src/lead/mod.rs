//! How early forecall warns, how often for nothing, and whether what it says comes as often as it says: on made-up worlds,
//! beside burn-rate alerts, `predict_linear`, fixed thresholds and the same anomalies without grouping, in one run.
//!
//! Settings of every method are chosen on the first half of the worlds, at a number of false alarms fixed beforehand, and
//! judged on the second half. A simulator shows that the ramps are caught that were imagined here, no more.

mod misses;
mod pages;
mod rivals;
mod score;
mod told;
mod ways;
mod world;

use std::fmt::Write as _;

use anyhow::Result;
use forecall_detect::DetectSettings;
use serde_json::{Value, json};

use self::rivals::Rival;
use self::score::{Alert, Figures, Worth, shifted, wilson, worth};
use self::told::{Arm, Saying};
use self::ways::Kind;
use self::world::{Event, HORIZON, World};

/// False alarms a service and day: as many as are allowed.
const BUDGETS: [f64; 2] = [0.3, 0.1];
const LEADS: [usize; 3] = [5, 15, 30];
const THRESHOLDS: [f64; 11] = [0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9];
/// 95 % and 99.5 % of a normal distribution.
const Z_95: f64 = 1.959_964;
const Z_995: f64 = 2.807_034;
const SHIFTS: [usize; 7] = [377, 790, 1_201, 1_613, 2_311, 2_999, 3_613];
const RAMPS: [Kind; 8] = [
    Kind::Leak,
    Kind::Disk,
    Kind::Queue,
    Kind::Pool,
    Kind::Retries,
    Kind::Certificate,
    Kind::Fibre,
    Kind::Congestion,
];

/// What came out, as text and as JSON.
pub(crate) struct Lead {
    pub(crate) text: String,
    pub(crate) json: Value,
}

struct Chosen<'a> {
    method: String,
    settings: String,
    alerts: &'a [Alert],
    sayings: Option<&'a [Saying]>,
}

/// Events of each world, by its number.
type Judged<'a> = Vec<(usize, &'a [Event])>;

pub(crate) fn run(
    (count, seed): (usize, u64),
    mut settings: DetectSettings,
    limits: bool,
    misses: bool,
) -> Result<Lead> {
    settings.limits = settings.limits.take().or_else(|| limits.then(told::limits));
    settings.check()?;
    let mut arms = Vec::new();
    for learns in [true, false] {
        for threshold in THRESHOLDS {
            arms.push(Arm::new(learns, threshold, None)?);
        }
        for budget in pages::BUDGETS {
            for false_share in pages::FALSE_SHARES {
                arms.push(Arm::new(learns, pages::THRESHOLD, Some((budget, false_share)))?);
            }
        }
    }
    let mut rivals: Vec<Rival> = Vec::new();
    let mut events: Vec<Vec<Event>> = Vec::new();
    let mut missed = String::new();
    for number in 0..count {
        let world = World::new(seed.wrapping_add(number as u64));
        let anomalies = told::detect(number, &world, &settings)?;
        for arm in &mut arms {
            arm.run(number, &anomalies);
        }
        rivals::run(number, &world, &mut rivals);
        told::alone(number, &anomalies, &mut rivals);
        if misses && number >= count / 2 {
            missed.push_str(&misses::of(number, &world, &arms));
        }
        events.push(world.events);
    }
    let half = count / 2;
    let numbered = || events.iter().map(Vec::as_slice).enumerate();
    let choosing: Judged<'_> = numbered().take(half).collect();
    let judged: Judged<'_> = numbered().skip(half).collect();
    let candidates: Vec<Chosen<'_>> = arms
        .iter()
        .filter(|arm| arm.pages.is_none())
        .map(|arm| Chosen {
            method: arm.name().into(),
            settings: format!("from {} on", arm.threshold),
            alerts: &arm.alerts,
            sayings: Some(&arm.sayings),
        })
        .chain(rivals.iter().map(|rival| Chosen {
            method: rival.method.into(),
            settings: rival.settings.clone(),
            alerts: &rival.alerts,
            sayings: None,
        }))
        .collect();
    let mut lead = Lead {
        text: heading(&judged),
        json: json!({"worlds": count, "tables": []}),
    };
    for budget in BUDGETS {
        lead.table(budget, &candidates, &choosing, &judged);
    }
    let (text, json) = pages::table(&arms, &rivals, (&choosing, &judged));
    lead.text.push_str(&text);
    lead.json["pages"] = json;
    for candidate in candidates.iter().filter(|c| c.settings == "from 0.6 on") {
        lead.shipped(candidate, &judged);
    }
    lead.text.push_str(&missed);
    Ok(lead)
}

fn heading(judged: &Judged<'_>) -> String {
    let all = || judged.iter().flat_map(|(_, events)| *events);
    let ramps: Vec<usize> = all()
        .filter(|e| e.is_ramp())
        .map(|e| e.impact - e.onset)
        .collect();
    let at_least = |m: usize| ramps.iter().filter(|l| **l >= m).count() as f64 / ramps.len().max(1) as f64;
    format!(
        "\nLead: {} worlds judged, {} ramps, {} steps. Of the ramps so many take that long from onset to impact: {}.\n",
        judged.len(),
        ramps.len(),
        all().count() - ramps.len(),
        LEADS.map(|m| format!("{m} min {:.3}", at_least(m))).join(", "),
    )
}

/// The best at warning 15 minutes before among those that keep within the budget; else the one with the fewest false alarms.
fn choose<'a, 'b>(
    method: &str,
    budget: f64,
    candidates: &'b [Chosen<'a>],
    choosing: &Judged<'_>,
) -> Option<&'b Chosen<'a>> {
    let of = candidates.iter().filter(|c| c.method == method);
    of.map(|c| (c, Figures::of(choosing, c.alerts)))
        .max_by(|(_, a), (_, b)| {
            let key = |f: &Figures| {
                let within = f.false_a_day() <= budget;
                let worth = if within { f.recall(15) } else { -f.false_a_day() };
                (within, worth)
            };
            let (a, b) = (key(a), key(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        })
        .map(|(c, _)| c)
}

impl Lead {
    fn table(&mut self, budget: f64, candidates: &[Chosen<'_>], choosing: &Judged<'_>, judged: &Judged<'_>) {
        let mut methods: Vec<&str> = Vec::new();
        for candidate in candidates {
            if !methods.contains(&candidate.method.as_str()) {
                methods.push(&candidate.method);
            }
        }
        let _ = write!(
            self.text,
            "\nAt most {budget} false alarms a service and day where settings were chosen:\n\n\
             | method | settings | false a day | precision | ≥ 5 min | ≥ 15 min | ≥ 30 min | by chance ≥ 15 | lead, median; p10 | one alert a trouble | steps told |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n"
        );
        let mut rows = Vec::new();
        let mut kinds = String::new();
        for method in methods {
            let Some(chosen) = choose(method, budget, candidates, choosing) else {
                continue;
            };
            let figures = Figures::of(judged, chosen.alerts);
            let chance: f64 = SHIFTS
                .iter()
                .map(|by| Figures::of(judged, &shifted(chosen.alerts, *by)).recall(15))
                .sum::<f64>()
                / SHIFTS.len() as f64;
            let told: Vec<String> = LEADS
                .iter()
                .map(|m| {
                    let (low, high) = wilson(figures.told(*m, |_| true), Z_95);
                    format!("{:.3} [{low:.3}, {high:.3}]", figures.recall(*m))
                })
                .collect();
            let _ = writeln!(
                self.text,
                "| {method} | {} | {:.3} | {:.3} | {} | {chance:.3} | {:.0}; {:.0} | {:.3} | {}/{} |",
                chosen.settings,
                figures.false_a_day(),
                figures.precision(),
                told.join(" | "),
                figures.lead_at(0.5),
                figures.lead_at(0.1),
                figures.one_each(),
                figures.steps_told,
                figures.steps,
            );
            let by_kind: Vec<String> = RAMPS
                .iter()
                .map(|kind| {
                    let (told, of) = figures.told(15, |k| k == *kind);
                    format!("{} {told}/{of}", kind.name())
                })
                .collect();
            let _ = writeln!(kinds, "{method}, ≥ 15 min by kind: {}", by_kind.join(", "));
            rows.push(json!({
                "method": method,
                "settings": chosen.settings,
                "false_alarms_a_service_day": figures.false_a_day(),
                "precision": figures.precision(),
                "recall": LEADS.iter().map(|m| json!({"minutes": m, "recall": figures.recall(*m),
                    "interval_95": wilson(figures.told(*m, |_| true), Z_95)})).collect::<Vec<_>>(),
                "recall_15_by_chance": chance,
                "lead_median": figures.lead_at(0.5),
                "lead_p10": figures.lead_at(0.1),
                "one_alert_a_trouble": figures.one_each(),
                "steps_told": figures.steps_told,
                "steps": figures.steps,
            }));
        }
        let _ = write!(self.text, "\n{kinds}");
        if let Some(tables) = self.json["tables"].as_array_mut() {
            tables.push(json!({"budget": budget, "rows": rows}));
        }
    }

    /// As it is shipped: what it said, and how often that came.
    fn shipped(&mut self, chosen: &Chosen<'_>, judged: &Judged<'_>) {
        let Some(sayings) = chosen.sayings else { return };
        let mut said: Vec<(f64, bool)> = Vec::new();
        for (world, events) in judged {
            for saying in sayings.iter().filter(|s| s.alert.world == *world) {
                match worth(&saying.alert, events) {
                    Worth::Early => said.push((saying.probability, true)),
                    Worth::False => said.push((saying.probability, false)),
                    Worth::NotScored => {}
                }
            }
        }
        let n = said.len().max(1) as f64;
        let square = |p: f64, came: bool| (p - f64::from(u8::from(came))).powi(2);
        let brier = said.iter().map(|(p, came)| square(*p, *came)).sum::<f64>() / n;
        let base = said.iter().filter(|s| s.1).count() as f64 / n;
        let constant = base * (1.0 - base);
        let _ = write!(
            self.text,
            "\n{} {}: {} predictions, Brier {brier:.3} (always their mean {base:.3}: {constant:.3}); within {HORIZON} minutes\n\n\
             | said | n | mean said | came [99.5 %] |\n|---|---|---|---|\n",
            chosen.method,
            chosen.settings,
            said.len(),
        );
        let mut bins = Vec::new();
        for bin in 0..10_u32 {
            let low = f64::from(bin) / 10.0;
            let of: Vec<(f64, bool)> = said
                .iter()
                .copied()
                .filter(|(p, _)| *p >= low && (*p < low + 0.1 || bin == 9))
                .collect();
            if of.is_empty() {
                continue;
            }
            let mean = of.iter().map(|s| s.0).sum::<f64>() / of.len() as f64;
            let came = of.iter().filter(|s| s.1).count();
            let share = came as f64 / of.len() as f64;
            let (least, most) = wilson((came, of.len()), Z_995);
            let _ = writeln!(
                self.text,
                "| {low:.1}–{:.1} | {} | {mean:.3} | {share:.3} [{least:.3}, {most:.3}] |",
                low + 0.1,
                of.len()
            );
            bins.push(json!({"from": low, "n": of.len(), "mean": mean, "came": share, "interval_995": [least, most]}));
        }
        self.json[&chosen.method] =
            json!({"predictions": said.len(), "brier": brier, "brier_constant": constant, "bins": bins});
    }
}

//! What went wrong in a world, one line each.

use std::fmt::Write as _;

use super::pages::{THRESHOLD, is_worth};
use super::score::{Alert, Worth, worth};
use super::told::Arm;
use super::world::{HORIZON, REGIONS, SCORED_FROM, SERVICES, World};

fn place(scope: usize) -> String {
    format!(
        "{}/{}",
        SERVICES[scope % SERVICES.len()],
        REGIONS[scope / SERVICES.len()]
    )
}

/// What happened there about then.
fn near(alert: &Alert, world: &World) -> String {
    let mut faults = world
        .faults
        .iter()
        .filter(|f| alert.scopes.iter().any(|s| f.scopes.contains(s)));
    let near = faults.find(|f| (f.from.saturating_sub(2 * HORIZON)..f.end + HORIZON).contains(&alert.minute));
    near.map_or_else(
        || "nothing".to_owned(),
        |f| format!("{} from {} to {}", f.kind.name(), f.from, f.end),
    )
}

/// False alarms and ramps told late, of what is shipped; and pages that were worth nothing.
pub(crate) fn of(number: usize, world: &World, arms: &[Arm]) -> String {
    let mut text = String::new();
    for arm in arms {
        let Some((budget, false_share)) = arm.pages else {
            continue;
        };
        let all = arm.alerts.iter().zip(&arm.reasons);
        for (page, reason) in all.filter(|(page, _)| page.world == number && page.minute >= SCORED_FROM) {
            if world.events.iter().any(|event| is_worth(page, event)) {
                continue;
            }
            let at = page.scopes.first().map_or_else(String::new, |s| place(*s));
            let _ = writeln!(
                text,
                "{}, world {number}: of {budget} pages a day, {false_share} of them false, one for nothing at {} in {at}: {}: {reason}",
                arm.name(),
                page.minute,
                near(page, world),
            );
        }
    }
    let shipped = arms
        .iter()
        .filter(|arm| arm.pages.is_none() && (arm.threshold - THRESHOLD).abs() < 1e-9);
    for arm in shipped {
        let mine: Vec<(&Alert, &String)> = arm
            .alerts
            .iter()
            .zip(&arm.reasons)
            .filter(|(alert, _)| alert.world == number)
            .collect();
        for (alert, reason) in &mine {
            if worth(alert, &world.events) != Worth::False {
                continue;
            }
            let near = near(alert, world);
            let at = alert.scopes.first().map_or_else(String::new, |s| place(*s));
            let _ = writeln!(
                text,
                "{}, world {number}: false at {} in {at}: {near}: {reason}",
                arm.name(),
                alert.minute
            );
        }
        for event in world
            .events
            .iter()
            .filter(|e| e.is_ramp() && e.impact - e.onset >= 15)
        {
            let of = mine.iter().filter(|(a, _)| a.touches(event));
            let told = |a: &Alert| (event.onset.saturating_sub(HORIZON)..=event.end).contains(&a.minute);
            let of: Vec<String> = of
                .filter(|(a, _)| told(a))
                .map(|(a, reason)| format!("{}: {reason}", a.minute as i64 - event.impact as i64))
                .collect();
            let is_early = mine.iter().any(|(a, _)| {
                a.touches(event) && a.minute + 15 <= event.impact && event.impact - a.minute <= HORIZON
            });
            if !is_early {
                let _ = writeln!(
                    text,
                    "{}, world {number}: {} in {} from {} to {}: {}",
                    arm.name(),
                    event.kind.name(),
                    event.scopes.first().map_or_else(String::new, |s| place(*s)),
                    event.onset,
                    event.impact,
                    if of.is_empty() {
                        "not told".to_owned()
                    } else {
                        of.join(" | ")
                    }
                );
            }
        }
    }
    text
}

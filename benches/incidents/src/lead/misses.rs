//! What went wrong in a world, one line each.

use std::fmt::Write as _;

use super::pages::THRESHOLD;
use super::score::{Alert, Worth, worth};
use super::told::Arm;
use super::world::{HORIZON, REGIONS, SERVICES, World};

fn place(scope: usize) -> String {
    format!(
        "{}/{}",
        SERVICES[scope % SERVICES.len()],
        REGIONS[scope / SERVICES.len()]
    )
}

/// False alarms and ramps told late, of what is shipped.
pub(crate) fn of(number: usize, world: &World, arms: &[Arm]) -> String {
    let mut text = String::new();
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
            let near = world
                .faults
                .iter()
                .filter(|f| alert.scopes.iter().any(|s| f.scopes.contains(s)))
                .find(|f| (f.from.saturating_sub(2 * HORIZON)..f.end + HORIZON).contains(&alert.minute));
            let near = near.map_or_else(
                || "nothing".to_owned(),
                |f| format!("{} from {} to {}", f.kind.name(), f.from, f.end),
            );
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

//! What alerts are worth: warned how early, how often for nothing.

use super::ways::Kind;
use super::world::{Event, HORIZON, MINUTES, SCOPES, SCORED_FROM};

/// Somebody was told of trouble to come, or there.
#[derive(Debug, Clone)]
pub(crate) struct Alert {
    /// Which world.
    pub(crate) world: usize,
    pub(crate) minute: usize,
    pub(crate) scopes: Vec<usize>,
}

impl Alert {
    pub(crate) fn touches(&self, event: &Event) -> bool {
        self.scopes.iter().any(|scope| event.scopes.contains(scope))
    }
}

/// What an alert was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// Customers were hit within the horizon.
    Early,
    /// They were not.
    False,
    /// Trouble was there, or so shortly over that nobody can say what it is about; or before scoring begins, or too close to the end.
    NotScored,
}

pub(crate) fn worth(alert: &Alert, events: &[Event]) -> Worth {
    if alert.minute < SCORED_FROM || alert.minute + HORIZON >= MINUTES {
        return Worth::NotScored;
    }
    let mut touched = events.iter().filter(|e| alert.touches(e));
    if touched
        .clone()
        .any(|e| (e.impact..e.end + HORIZON).contains(&alert.minute))
    {
        return Worth::NotScored;
    }
    let comes = |e: &Event| alert.minute < e.impact && e.impact - alert.minute <= HORIZON;
    if touched.any(comes) {
        Worth::Early
    } else {
        Worth::False
    }
}

/// Minutes from the first valid alert to the impact; `None`: not told before it.
pub(crate) fn lead(world: usize, event: &Event, events: &[Event], alerts: &[Alert]) -> Option<usize> {
    alerts
        .iter()
        .filter(|a| a.world == world && a.touches(event) && a.minute < event.impact)
        .filter(|a| event.impact - a.minute <= HORIZON && worth(a, events) == Worth::Early)
        .map(|a| event.impact - a.minute)
        .max()
}

/// Figures of one method over some worlds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) early: usize,
    pub(crate) false_alarms: usize,
    pub(crate) service_days: f64,
    /// Of each ramp: how long before, in minutes; 0: not told.
    pub(crate) leads: Vec<(Kind, usize)>,
    /// Of steps: told within the horizon before them, by chance alone.
    pub(crate) steps_told: usize,
    pub(crate) steps: usize,
    /// Alerts, and troubles that have any, from onset to end.
    pub(crate) alerts_per_trouble: Vec<usize>,
}

impl Figures {
    pub(crate) fn of(worlds: &[(usize, &[Event])], alerts: &[Alert]) -> Self {
        let mut figures = Self::default();
        for (world, events) in worlds {
            let mine: Vec<Alert> = alerts.iter().filter(|a| a.world == *world).cloned().collect();
            figures.service_days += SCOPES as f64 * (MINUTES - SCORED_FROM) as f64 / 1_440.0;
            for alert in &mine {
                match worth(alert, events) {
                    Worth::Early => figures.early += 1,
                    Worth::False => figures.false_alarms += 1,
                    Worth::NotScored => {}
                }
            }
            for event in *events {
                let told = lead(*world, event, events, &mine);
                if event.is_ramp() {
                    figures.leads.push((event.kind, told.unwrap_or(0)));
                } else {
                    figures.steps += 1;
                    // Before it began: by chance.
                    figures.steps_told += usize::from(told.is_some_and(|t| t > event.impact - event.onset));
                }
                let of = mine
                    .iter()
                    .filter(|a| a.touches(event) && (event.onset..=event.end).contains(&a.minute));
                figures.alerts_per_trouble.push(of.count());
            }
        }
        figures
    }

    pub(crate) fn false_a_day(&self) -> f64 {
        self.false_alarms as f64 / self.service_days.max(1e-9)
    }

    /// Share of ramps told at least so many minutes before, of those that `chosen` picks.
    pub(crate) fn told(&self, minutes: usize, chosen: impl Fn(Kind) -> bool) -> (usize, usize) {
        let of: Vec<usize> = self
            .leads
            .iter()
            .filter(|(k, _)| chosen(*k))
            .map(|(_, l)| *l)
            .collect();
        (of.iter().filter(|l| **l >= minutes).count(), of.len())
    }

    pub(crate) fn recall(&self, minutes: usize) -> f64 {
        let (told, of) = self.told(minutes, |_| true);
        told as f64 / of.max(1) as f64
    }

    pub(crate) fn precision(&self) -> f64 {
        self.early as f64 / (self.early + self.false_alarms).max(1) as f64
    }

    /// Lead of those told at all at a share of the way from the shortest.
    pub(crate) fn lead_at(&self, share: f64) -> f64 {
        let mut told: Vec<usize> = self.leads.iter().map(|(_, l)| *l).filter(|l| *l > 0).collect();
        told.sort_unstable();
        let place = (share * told.len().saturating_sub(1) as f64).round() as usize;
        told.get(place).map_or(f64::NAN, |l| *l as f64)
    }

    /// Share of the troubles told at all that were told by one alert.
    pub(crate) fn one_each(&self) -> f64 {
        let told: Vec<&usize> = self.alerts_per_trouble.iter().filter(|n| **n > 0).collect();
        told.iter().filter(|n| ***n == 1).count() as f64 / told.len().max(1) as f64
    }
}

/// The same alerts at other times: what is told by chance. Within the scored span, round and round.
pub(crate) fn shifted(alerts: &[Alert], by: usize) -> Vec<Alert> {
    let span = MINUTES - SCORED_FROM;
    alerts
        .iter()
        .filter(|a| a.minute >= SCORED_FROM)
        .map(|a| Alert {
            minute: SCORED_FROM + (a.minute - SCORED_FROM + by) % span,
            ..a.clone()
        })
        .collect()
}

/// Wilson's interval, of `z` standard deviations.
pub(crate) fn wilson((hits, of): (usize, usize), z: f64) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (of as f64, hits as f64 / of as f64);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (middle - half, middle + half)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, onset: usize, impact: usize) -> Event {
        Event {
            kind,
            scopes: vec![1],
            onset,
            impact,
            end: impact + 30,
        }
    }

    fn alert(minute: usize, scope: usize) -> Alert {
        Alert {
            world: 0,
            minute,
            scopes: vec![scope],
        }
    }

    #[test]
    fn an_alert_is_early_false_or_not_scored() {
        let events = [event(Kind::Leak, 2_000, 2_050)];
        for (alert, expected) in [
            (alert(2_020, 1), Worth::Early),
            (alert(1_990, 1), Worth::Early),
            (alert(1_989, 1), Worth::False),
            (alert(2_020, 2), Worth::False),
            (alert(2_050, 1), Worth::NotScored),
            (alert(2_139, 1), Worth::NotScored),
            (alert(2_140, 1), Worth::False),
            (alert(100, 1), Worth::NotScored),
        ] {
            assert_eq!(worth(&alert, &events), expected, "{alert:?}");
        }
        let alerts = [alert(2_020, 1), alert(2_040, 1), alert(1_000, 1)];
        assert_eq!(lead(0, &events[0], &events, &alerts), Some(30));
        assert_eq!(lead(1, &events[0], &events, &alerts), None);
    }

    #[test]
    fn a_step_is_told_only_by_chance() {
        let events = [event(Kind::Step, 2_000, 2_002)];
        let worlds = [(0, events.as_slice())];
        assert_eq!(Figures::of(&worlds, &[alert(2_001, 1)]).steps_told, 0);
        assert_eq!(Figures::of(&worlds, &[alert(1_980, 1)]).steps_told, 1);
    }
}

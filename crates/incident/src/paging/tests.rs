use forecall_types::{DomainName, Fingerprint, IncidentKind, Lineage, Probability, Responsibility, Scope};
use proptest::prelude::*;

use super::*;

fn team(name: &str, pages_a_day: u32) -> TeamEntry {
    TeamEntry {
        name: name.into(),
        services: Vec::new(),
        regions: Vec::new(),
        pages_a_day,
        false_pages_max: 0.5,
    }
}

fn incident(number: u32, at: EventTime, state: IncidentState, probability: f64) -> Incident {
    Incident {
        id: IncidentId::derived(Fingerprint::of(&number.to_le_bytes())),
        revision: 1,
        domain: DomainName::new("test").unwrap(),
        state,
        reopened: 0,
        phase: None,
        severity: Severity::Moderate,
        kind: IncidentKind::Degradation,
        scope: Scope {
            services: BTreeSet::from([ServiceName::new("internet").unwrap()]),
            regions: BTreeSet::from([RegionCode::new("IR-10").unwrap()]),
            ..Scope::default()
        },
        probability: Probability::clamped(probability),
        contributions: Vec::new(),
        opened_at: at,
        at,
        onset_predicted: None,
        onset_interval: None,
        onset_observed: None,
        resolved_at: None,
        evidence: Vec::new(),
        causes: Vec::new(),
        dimensions: Vec::new(),
        paging: Vec::new(),
        silenced: None,
        storm: false,
        parent: None,
        merged_into: None,
        split_from: None,
        adjustment: None,
        remedies: Vec::new(),
        work: None,
        responsibility: Responsibility::Unknown,
        problem: None,
        acknowledged: None,
        eta: None,
        steps: Vec::new(),
        reason: String::new(),
        version: "0".into(),
        settings: "s".into(),
        lineage: Lineage::default(),
        simulated: false,
    }
}

fn hour(hours: i64) -> EventTime {
    EventTime::from_secs(3_600 * hours)
}

/// What is decided of each, in turn: P paged, h held back.
fn decided(team: &TeamEntry, asked: &[(i64, IncidentState, f64)]) -> String {
    let mut pages = Pages::default();
    let mut told = String::new();
    for (number, (hours, state, probability)) in (0_u32..).zip(asked) {
        let mut one = incident(number, hour(*hours), *state, *probability);
        pages.decide(&mut one, std::slice::from_ref(team), &Hold::default());
        told.push(match one.paging[0].decision {
            PageDecision::Paged => 'P',
            PageDecision::HeldBack => 'h',
        });
    }
    told
}

use IncidentState::{Confirmed, Predicted};

#[test]
fn the_fuller_the_purse_is_spent_the_surer_a_prediction_must_be() {
    let doubtful: Vec<_> = (0..6).map(|i| (i, Predicted, 0.55)).collect();
    assert_eq!(decided(&team("a", 4), &doubtful), "PPhhhh");
    let sure: Vec<_> = (0..6).map(|i| (i, Predicted, 0.95)).collect();
    assert_eq!(decided(&team("a", 4), &sure), "PPPPhh");
    let hit: Vec<_> = (0..6).map(|i| (i, Confirmed, 1.0)).collect();
    assert_eq!(decided(&team("a", 4), &hit), "PPPPhh");
}

#[test]
fn where_more_asks_than_the_budget_holds_a_page_is_kept_for_who_is_surer() {
    let of_day = |day: i64| [0.7, 0.7, 0.9, 0.7, 0.7, 0.9].map(|p| (24 * day, Predicted, p));
    let mut asked: Vec<_> = (0..3).flat_map(of_day).collect();
    for (i, one) in asked.iter_mut().enumerate() {
        one.0 = 4 * i64::try_from(i).unwrap();
    }
    // The first day knows no better than first come, first served.
    assert_eq!(
        decided(&team("a", 2), &asked),
        "PPhhhh".to_owned() + &"hhPhhP".repeat(2)
    );
    // With room for all nothing is held back.
    assert_eq!(decided(&team("a", 20), &asked), "P".repeat(18));
    // What is as sure as can be has a page although all that came before was: first come, first served again.
    let sure: Vec<_> = (0..9).map(|i| (8 * i, Confirmed, 1.0)).collect();
    assert_eq!(decided(&team("a", 2), &sure), "PPhPPhPPh");
}

#[test]
fn who_may_not_be_woken_for_nothing_is_paged_of_what_is_certain() {
    let mut strict = team("a", 20);
    strict.false_pages_max = 0.001;
    let asked = [
        (0, Predicted, 0.99),
        (1, Confirmed, 1.0),
        (2, Predicted, 0.999),
        (3, Predicted, 0.999),
    ];
    assert_eq!(decided(&strict, &asked), "hPPP");
}

#[test]
fn a_day_later_there_is_room_again() {
    let asked = [
        (0, Confirmed, 1.0),
        (23, Confirmed, 1.0),
        (24, Confirmed, 1.0),
        (25, Confirmed, 1.0),
    ];
    assert_eq!(decided(&team("a", 1), &asked), "PhPh");
}

#[test]
fn false_alarms_cost_room_and_what_came_true_earns_it() {
    let team = team("a", 20);
    let outcome = |state: IncidentState| {
        let mut pages = Pages::default();
        let mut paged = 0;
        for number in 0..20 {
            let mut one = incident(number, hour(i64::from(number)), Predicted, 0.7);
            pages.decide(&mut one, std::slice::from_ref(&team), &Hold::default());
            paged += usize::from(one.paging[0].decision == PageDecision::Paged);
            one.state = state;
            pages.decide(&mut one, std::slice::from_ref(&team), &Hold::default());
        }
        paged
    };
    assert_eq!(
        outcome(IncidentState::Confirmed),
        14,
        "until the purse asks for more than 0.7"
    );
    assert_eq!(
        outcome(IncidentState::Expired),
        3,
        "until half of them and one are false"
    );
}

#[test]
fn a_person_s_verdict_counts_afterwards() {
    let team = team("a", 20);
    let mut pages = Pages::default();
    for number in 0..3 {
        let mut one = incident(number, hour(0), Confirmed, 1.0);
        pages.decide(&mut one, std::slice::from_ref(&team), &Hold::default());
        pages.settle(&one.id, 0, 1.0);
    }
    let mut next = incident(3, hour(1), Predicted, 0.9);
    pages.decide(&mut next, std::slice::from_ref(&team), &Hold::default());
    assert_eq!(
        (next.paging[0].decision, next.paging[0].why.as_str()),
        (
            PageDecision::HeldBack,
            "of 4 pages in 24 hours 3.1 would be false, 3 may be"
        )
    );
}

#[test]
fn what_became_of_a_life_stands_when_the_incident_comes_back() {
    let team = team("a", 20);
    let mut pages = Pages::default();
    let mut told = |one: &mut Incident, at, state, reopened| {
        (one.at, one.state, one.reopened) = (at, state, reopened);
        pages.decide(one, std::slice::from_ref(&team), &Hold::default());
        one.paging.clone()
    };
    let chances = |pages: &Pages| -> Vec<f64> {
        let spent = pages.teams["a"].spent.iter();
        spent.map(|page| page.false_chance).collect()
    };
    let mut one = incident(1, hour(0), Predicted, 0.9);
    told(&mut one, hour(0), Predicted, 0);
    told(&mut one, hour(1), IncidentState::Expired, 0);
    // It comes back, and is told anew.
    one.paging.clear();
    let again = told(&mut one, hour(2), Predicted, 1);
    assert_eq!(again[0].decision, PageDecision::Paged);
    one.probability = Probability::clamped(0.5);
    told(&mut one, hour(3), Predicted, 1);
    assert_eq!(chances(&pages), [1.0, 0.5], "the false alarm stays one");
    // What people say is of its last life, and what another took over of it as well.
    pages.settle(&one.id, 1, 0.0);
    assert_eq!(chances(&pages), [1.0, 0.0]);
    let other = incident(2, hour(3), Predicted, 0.9);
    pages.merge((&one.id, 1), (&other.id, 4));
    pages.settle(&other.id, 4, 0.25);
    pages.settle(&one.id, 1, 0.75);
    pages.settle(&other.id, 0, 0.75);
    assert_eq!(chances(&pages), [1.0, 0.25]);
}

#[test]
fn who_is_taken_out_and_put_in_again_has_the_same_purse() {
    let teams = [team("a", 1), team("b", 1)];
    let mut pages = Pages::default();
    let ask = |pages: &mut Pages, number, hours, teams: &[TeamEntry]| {
        let mut one = incident(number, hour(hours), Confirmed, 1.0);
        pages.decide(&mut one, teams, &Hold::default());
        let told = one.paging.iter().map(|page| match page.decision {
            PageDecision::Paged => 'P',
            PageDecision::HeldBack => 'h',
        });
        told.collect::<String>()
    };
    assert_eq!(ask(&mut pages, 1, 0, &teams), "PP");
    assert_eq!(ask(&mut pages, 2, 1, &teams[..1]), "h");
    assert_eq!(
        ask(&mut pages, 3, 2, &teams),
        "hh",
        "b is back and has had its page"
    );
    // A day after its last page it is forgotten.
    assert_eq!(ask(&mut pages, 4, 25, &teams[..1]), "P");
    assert_eq!(pages.teams.len(), 1);
}

#[test]
fn of_teams_that_are_no_more_no_more_are_kept_than_there_may_be() {
    let many = |from: usize| -> Vec<TeamEntry> {
        let names = (from..from + TEAMS_MAX).map(|n| format!("t{n:03}"));
        names.map(|name| team(&name, 1)).collect()
    };
    let mut pages = Pages::default();
    for (number, from) in [(1, 0), (2, 64), (3, 128), (4, 192)] {
        let mut one = incident(number, hour(i64::from(number)), Confirmed, 1.0);
        pages.decide(&mut one, &many(from), &Hold::default());
    }
    let kept: Vec<&str> = pages.teams.keys().map(|name| &**name).collect();
    assert_eq!((kept.len(), kept[0]), (2 * TEAMS_MAX, "t128"), "the newest");
}

/// A purse of which so many asks are known, one a minute, each as sure as its number.
fn asked(count: u32) -> Purse {
    let mut purse = Purse::default();
    for number in 0..count {
        let at = EventTime::from_secs(60 * i64::from(number));
        let one = incident(number, at, Predicted, 0.5);
        purse.price(&team("a", 1), &one, f64::from(number) / 10_000.0);
    }
    purse
}

#[test]
fn of_more_asks_than_are_kept_the_oldest_are_forgotten() {
    let max = u32::try_from(ASKED_MAX).unwrap();
    let full = asked(max);
    assert_eq!((full.asked.len(), full.since), (ASKED_MAX, Some(hour(0))));
    let over = asked(max + 10);
    assert_eq!(over.asked.len(), ASKED_MAX);
    let id = |number| incident(number, hour(0), Predicted, 0.5).id;
    assert!(!over.asked.contains_key(&id(9)) && over.asked.contains_key(&id(10)));
    // What is known begins with the oldest kept: no day of it, were it not for that.
    assert_eq!(over.since, Some(EventTime::from_secs(600)));
    let mut quick = Purse::default();
    for number in 0..max + 1_000 {
        // A first ask, and a day later so many that only they are known.
        let at = if number == 0 { hour(0) } else { hour(30) };
        let one = incident(number, at, Predicted, 0.5);
        let price = quick.price(&team("a", 1), &one, 0.5);
        let is_known = (1..=max - 1).contains(&number);
        assert_eq!(price.is_some(), is_known, "{number}");
    }
}

#[test]
fn what_is_merged_asked_once_as_early_and_as_sure_as_either() {
    let mut pages = Pages::default();
    let (one, other, third) = (1, 2, 3);
    let id = |number| incident(number, hour(0), Predicted, 0.5).id;
    for (number, hours, probability) in [(one, 5, 0.4), (other, 3, 0.3), (third, 4, 0.2)] {
        let mut asking = incident(number, hour(hours), Predicted, probability);
        pages.decide(&mut asking, &[team("a", 20)], &Hold::default());
    }
    pages.merge((&id(one), 0), (&id(other), 0));
    let asked = &pages.teams["a"].asked;
    assert_eq!(asked.len(), 2);
    let (at, sure) = asked[&id(other)];
    assert!(at == hour(3) && (sure - 0.4).abs() < 1e-9, "{at:?} {sure}");
    // Into one that hasn't asked it goes as it is.
    pages.merge((&id(third), 0), (&id(9), 0));
    let (at, sure) = pages.teams["a"].asked[&id(9)];
    assert!(at == hour(4) && (sure - 0.2).abs() < 1e-9, "{at:?} {sure}");
}

#[test]
fn one_held_back_is_paged_once_it_is_surer_and_never_twice() {
    let team = team("a", 1);
    let mut pages = Pages::default();
    let mut one = incident(1, hour(0), Predicted, 0.4);
    pages.decide(&mut one, std::slice::from_ref(&team), &Hold::default());
    assert_eq!(
        one.paging[0].why,
        "page 1 of 1 in 24 hours needs a probability of 0.5"
    );
    one.at = hour(1);
    pages.decide(&mut one, std::slice::from_ref(&team), &Hold::default());
    assert_eq!(one.paging[0].at, hour(0), "the first refusal stands");
    (one.state, one.at) = (Confirmed, hour(2));
    pages.decide(&mut one, std::slice::from_ref(&team), &Hold::default());
    assert_eq!(
        (one.paging[0].decision, one.paging[0].at),
        (PageDecision::Paged, hour(2))
    );
    one.at = hour(30);
    pages.decide(&mut one, std::slice::from_ref(&team), &Hold::default());
    assert_eq!((one.paging.len(), one.paging[0].at), (1, hour(2)));
}

#[test]
fn an_extreme_one_is_paged_whatever_was_spent() {
    let team = team("a", 1);
    let mut pages = Pages::default();
    for number in 0..2 {
        let mut one = incident(number, hour(i64::from(number)), Confirmed, 1.0);
        one.severity = Severity::Extreme;
        pages.decide(&mut one, std::slice::from_ref(&team), &Hold::default());
        assert_eq!(one.paging[0].decision, PageDecision::Paged);
    }
    let mut third = incident(3, hour(2), Confirmed, 1.0);
    pages.decide(&mut third, std::slice::from_ref(&team), &Hold::default());
    assert_eq!(
        third.paging[0].why,
        "all 1 pages of 24 hours are spent; the next is free at 01:00 UTC"
    );
}

#[test]
fn teams_answer_for_their_own() {
    let mut tv = team("tv", 5);
    tv.services = vec!["tv*".into()];
    let mut south = team("south", 5);
    south.regions = vec!["IR-1*".into()];
    let mut pages = Pages::default();
    let mut one = incident(1, hour(0), Confirmed, 1.0);
    pages.decide(&mut one, &[tv, south], &Hold::default());
    let teams: Vec<&str> = one.paging.iter().map(|page| &*page.team).collect();
    assert_eq!(teams, ["south"]);
}

proptest! {
    /// The price is that of the sorted list, whatever comes.
    #[test]
    fn the_price_is_that_of_the_last_that_would_have_fitted_in(
        asks in prop::collection::vec((0_i64..8, 0_u32..60, 0.0_f64..=1.0), 1..120),
        most in 1_u32..4,
    ) {
        let team = team("a", most);
        let mut purse = Purse::default();
        let mut at = 0;
        let mut since = None;
        let mut known: BTreeMap<u32, (i64, f64)> = BTreeMap::new();
        for (wait, number, sure) in asks {
            at += wait;
            let found = purse.price(&team, &incident(number, hour(at), Predicted, sure), sure);
            known.retain(|_, (first, _)| at - *first < 7 * 24);
            let own = known.entry(number).or_insert((at, sure));
            own.1 = own.1.max(sure);
            let hours = (at - *since.get_or_insert(at)).min(7 * 24);
            let mut all: Vec<f64> = known.values().map(|(_, sure)| *sure).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            let room = usize::try_from(i64::from(most) * hours / 24).unwrap();
            let expected = (hours >= 24 && all.len() > room).then(|| all[room - 1].min(PRICE_MAX));
            prop_assert_eq!(found, expected, "at {}", at);
        }
    }

    /// The bound of a team holds in any 24 hours, whatever comes.
    #[test]
    fn no_day_has_more_pages_than_the_budget(
        asked in prop::collection::vec((0_i64..40, prop::bool::ANY, 0.0_f64..=1.0, prop::bool::ANY), 1..200),
        most in 1_u32..6,
    ) {
        let team = team("a", most);
        let mut pages = Pages::default();
        let mut at = 0;
        let mut paged: Vec<i64> = Vec::new();
        for (number, (wait, is_hit, probability, comes_true)) in (0_u32..).zip(asked) {
            at += wait * 600;
            let state = if is_hit { Confirmed } else { Predicted };
            let mut one = incident(number, EventTime::from_secs(at), state, probability);
            pages.decide(&mut one, std::slice::from_ref(&team), &Hold::default());
            if one.paging[0].decision == PageDecision::Paged {
                paged.push(at);
            }
            let end = if comes_true { IncidentState::Resolved } else { IncidentState::Expired };
            one.state = end;
            pages.decide(&mut one, std::slice::from_ref(&team), &Hold::default());
        }
        for &first in &paged {
            let within = paged.iter().filter(|&&t| t >= first && t < first + 86_400).count();
            prop_assert!(within <= most as usize, "{within} within a day of {first}");
        }
    }
}

use super::*;

const DAY: i64 = 86_400;

fn call(at: i64, outcome: Outcome, wait: u64) -> Call<'static> {
    Call {
        at: EventTime::from_secs(at),
        outcome,
        wait: Some(Duration::from_secs(wait)),
        handle: (outcome == Outcome::Answered).then(|| Duration::from_secs(300)),
        customer: None,
        issue: None,
        incident: None,
    }
}

fn by(
    at: i64,
    customer: &'static str,
    issue: Option<&'static str>,
    incident: Option<&'static str>,
) -> Call<'static> {
    Call {
        customer: Some(customer),
        issue,
        incident,
        ..call(at, Outcome::Answered, 1)
    }
}

fn of(kpis: &Kpis<&'static str>) -> Tally {
    kpis.tallies()["q"].clone()
}

fn kpis(calls: &[Call<'_>]) -> Kpis<&'static str> {
    let mut kpis = Kpis::new(Rules::default());
    for call in calls {
        kpis.call("q", call);
    }
    kpis
}

#[test]
fn three_denominators_of_one_queue() {
    let mut calls = vec![call(0, Outcome::Answered, 20); 70];
    calls.extend(vec![call(0, Outcome::Answered, 21); 10]);
    calls.extend(vec![call(0, Outcome::Abandoned, 4); 8]);
    calls.extend(vec![call(0, Outcome::Abandoned, 5); 10]);
    calls.extend(vec![call(0, Outcome::Left, 90); 2]);
    calls.extend(vec![call(0, Outcome::Callback, 90); 5]);
    calls.extend(vec![call(0, Outcome::Open, 0); 3]);
    let mut unknown = call(0, Outcome::Answered, 0);
    unknown.wait = None;
    calls.push(unknown);
    let of = of(&kpis(&calls));
    let rate = |rate: Rate| (rate.part, rate.of);
    assert_eq!(rate(of.service_level_of_offered()), (70.0, 100.0));
    assert_eq!(rate(of.service_level_less_short()), (70.0, 92.0));
    assert_eq!(rate(of.service_level_of_answered()), (70.0, 80.0));
    assert_eq!(rate(of.abandonment()), (18.0, 101.0));
    assert_eq!(rate(of.abandonment_less_short()), (10.0, 93.0));
    assert_eq!(rate(of.asa()), (70.0 * 20.0 + 210.0, 80.0));
    assert_eq!(rate(of.aht()), (81.0 * 300.0, 81.0));
    // All who queued have waited, call-backs and open ones apart.
    let waited = 70.0 * 20.0 + 210.0 + 32.0 + 50.0 + 180.0;
    assert_eq!(rate(of.patience()), (waited, 18.0));
    assert_eq!((of.calls, of.open, of.callbacks), (109.0, 3.0, 5.0));
}

#[test]
fn an_empty_denominator_is_no_data() {
    let of = Tally::default();
    for rate in [
        of.service_level_of_offered(),
        of.service_level_of_answered(),
        of.abandonment(),
        of.asa(),
        of.patience(),
        of.aht(),
        of.occupancy(),
        of.fcr(),
        of.repeat_calls(),
        of.scores.csat(),
        of.scores.response(),
    ] {
        assert_eq!(rate.value(), None);
    }
}

#[test]
fn occupancy_is_handling_over_being_there() {
    let mut kpis = kpis(&[call(0, Outcome::Answered, 1); 6]);
    kpis.available("q", Duration::from_secs(3_600));
    assert_eq!(of(&kpis).occupancy().value(), Some(0.5));
}

#[test]
fn repeats_are_calls_within_seven_days() {
    let calls = [
        by(0, "a", None, None),
        by(7 * DAY - 1, "a", None, None),
        by(14 * DAY - 3_600, "z", None, None), // nobody is forgotten between this and the next
        by(14 * DAY - 1, "a", None, None),     // seven days to the second: no repeat
        by(14 * DAY, "b", None, None),
        call(14 * DAY, Outcome::Answered, 1),
    ];
    let of = of(&kpis(&calls));
    assert_eq!((of.repeats, of.identified), (1.0, 5.0));
}

#[test]
fn an_issue_is_solved_when_seven_days_pass_without_a_contact() {
    let mut kpis = kpis(&[
        by(0, "a", Some("bill"), None),
        by(DAY, "a", Some("outage"), None),
        by(2 * DAY, "a", Some("outage"), None),
        by(3 * DAY, "a", Some("outage"), None), // the same issue: not solved, once
        by(3 * DAY, "b", None, None),
        by(9 * DAY, "c", None, None),
    ]);
    kpis.end(EventTime::from_secs(11 * DAY));
    // bill and b are solved, outage isn't, c can't be told yet.
    let fcr = of(&kpis).fcr();
    assert_eq!((fcr.part, fcr.of), (2.0, 3.0));
    kpis.end(EventTime::from_secs(16 * DAY));
    let fcr = of(&kpis).fcr();
    assert_eq!((fcr.part, fcr.of), (3.0, 4.0));
}

#[test]
fn repeats_about_an_incident_stand_beside() {
    let of = of(&kpis(&[
        by(0, "a", None, Some("i1")),
        by(60, "a", None, Some("i1")),
        by(90, "a", None, Some("i2")),
        by(99, "b", None, Some("i1")),
        by(99, "b", None, None),
    ]));
    assert_eq!((of.incident_repeats, of.of_incident), (1.0, 4.0));
    assert_eq!((of.repeats, of.identified), (3.0, 5.0));
}

#[test]
fn a_call_out_of_order_counts_but_is_not_followed() {
    let of = of(&kpis(&[by(100, "a", None, None), by(50, "a", None, None)]));
    assert_eq!((of.calls, of.identified, of.not_followed), (2.0, 1.0, 1.0));
}

#[test]
fn surveys_have_their_scales() {
    let mut kpis: Kpis<&str> = Kpis::new(Rules::default());
    let survey = |csat, nps, ces| Survey { csat, nps, ces };
    for one in [
        survey(Some(5), Some(10), Some(6)),
        survey(Some(4), Some(8), None),
        survey(Some(3), Some(6), Some(3)),
        survey(Some(9), Some(0), None), // nine of five is no answer
        survey(None, None, None),
    ] {
        kpis.survey("q", one);
    }
    let scores = of(&kpis).scores;
    assert_eq!(scores.csat().value(), Some(2.0 / 3.0));
    assert_eq!(scores.nps().value(), Some((1.0 - 2.0) / 4.0));
    assert_eq!(scores.ces().value(), Some(4.5));
    assert_eq!(scores.response().value(), Some(0.8));
    assert!((scores.off_scale - 1.0).abs() < 1e-12);
}

#[test]
fn told_before_contact_keeps_those_not_told_in_the_denominator() {
    let at = |s| Some(EventTime::from_secs(s));
    let mut told = ToldBefore::default();
    for (is_planned, accepted_at, contact_at) in [
        (true, at(10), at(20)), // told, then called
        (true, at(20), at(20)), // at the same second: not before
        (true, at(10), None),   // told, never called
        (true, None, at(30)),   // held out, called
        (true, None, None),     // suppressed, never called
        (false, None, at(5)),   // nobody meant to tell them
        (false, None, None),    // neither: not counted
    ] {
        told.take(Affected {
            is_planned,
            accepted_at,
            contact_at,
        });
    }
    let expected = ToldBefore {
        told_before: 2,
        of: 6,
        with_contact: 4,
        told_before_contact: 1,
    };
    assert_eq!(told, expected);
}

#[test]
fn leads_are_named_and_may_be_negative() {
    let interval = |from: i64, calls: f64| CallInterval {
        from: EventTime::from_secs(from),
        calls,
        ordinary_99: 20.0,
    };
    let intervals = [
        interval(0, 400.0), // before the incident
        interval(600, 19.0),
        interval(1_200, 21.0),
        interval(1_800, 22.0),
        interval(2_400, 10.0),
    ];
    let excess = excess_at(&intervals, EventTime::from_secs(600));
    assert_eq!(excess, Some(EventTime::from_secs(1_800)));
    assert_eq!(excess_at(&intervals, EventTime::from_secs(2_400)), None);
    let leads = Leads {
        impact_at: Some(EventTime::from_secs(900)),
        published_at: Some(EventTime::from_secs(300)),
        first_accepted_at: Some(EventTime::from_secs(2_000)),
        excess_at: excess,
    };
    assert_eq!(leads.alert_seconds(), Some(600.0));
    assert_eq!(leads.notice_seconds(), Some(-200.0));
    assert_eq!(
        Leads {
            published_at: None,
            ..leads
        }
        .alert_seconds(),
        None
    );
}

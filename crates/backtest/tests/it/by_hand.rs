use forecall_backtest::{
    Case, Figure, Finding, Level, Rules, Truth, assertions, curve_of, figures_of, reliability_of,
};
use forecall_types::EventTime;

pub(crate) fn at(minute: i64) -> EventTime {
    EventTime::from_secs(60 * minute)
}

pub(crate) fn finding(id: &str, from: i64, to: i64, service: &str) -> Finding {
    let mut finding = Finding::new(id, at(from), at(to));
    finding.services.insert(service.into());
    finding.regions.insert("IR-23".into());
    finding
}

pub(crate) fn truth(from: i64, to: i64, service: &str) -> Truth {
    Truth {
        service: Some(service.into()),
        ..Truth::new(at(from), at(to))
    }
}

fn value(figures: &[Figure], name: &str) -> Option<f64> {
    figures.iter().find(|f| f.name == name).unwrap().value
}

/// Two days. `net` had trouble at 100 and 1,000, `pay` at 300 and 2,000; somebody labelled one beyond the end too.
fn truths() -> Vec<Truth> {
    vec![
        truth(100, 130, "net"),
        truth(300, 360, "pay"),
        truth(1_000, 1_010, "net"),
        truth(2_000, 2_030, "pay"),
        truth(9_000, 9_010, "pay"),
    ]
}

/// 20 minutes before the first; 6 minutes into the second; two for nothing; one of another service where `pay` had trouble; the
/// last 50 minutes before the fourth, and over 10 minutes after that.
fn findings() -> Vec<Finding> {
    let mut all = vec![
        finding("a", 80, 140, "net"),
        finding("b", 306, 320, "pay"),
        finding("c", 600, 610, "net"),
        finding("d", 1_990, 2_010, "net"),
        finding("e", 1_950, 1_960, "pay"),
    ];
    all[0].forecast = Some(0.9);
    all[0].impact = Some(at(95));
    all[2].forecast = Some(0.6);
    all[2].pages = 0;
    all[3].impact = Some(at(1_980));
    all
}

#[test]
fn figures_are_those_worked_out_by_hand() {
    let (truths, findings) = (truths(), findings());
    let case = Case::new(Some(&truths), &findings, (at(0), at(2_880)), Rules::default());
    let figures = figures_of(&case, Level::Incidents);
    for (name, wanted) in [
        ("incidents", 5.0),
        ("incidents_per_day", 2.5),
        ("pages", 4.0),
        ("pages_per_day", 2.0),
        ("labels", 4.0),
        ("labels_outside", 1.0),
        // a, b and e have theirs; nobody told of 1,000.
        ("recall", 0.75),
        ("precision", 0.6),
        // 2 × 0.75 × 0.6 / 1.35
        ("f1", 2.0 / 3.0),
        ("false_alarms_per_day", 1.0),
        ("false_pages_per_day", 0.5),
        ("recall_early", 0.5),
        ("recall_5m", 0.5),
        ("recall_15m", 0.5),
        ("recall_30m", 0.25),
        ("delay_p50", 360.0),
        ("delay_p90", 360.0),
        ("lead_p10", 1_200.0),
        ("lead_p50", 1_200.0),
        ("lead_p90", 3_000.0),
        ("impact_lead_p10", -600.0),
        ("impact_lead_p90", 900.0),
        // (0.1² + 0.6²) / 2
        ("brier", 0.185),
    ] {
        let got = value(&figures, name).unwrap();
        assert!((got - wanted).abs() < 1e-12, "{name}: {got}, not {wanted}");
    }
    let of = |name: &str| {
        let figure = figures.iter().find(|f| f.name == name).unwrap();
        (figure.of, figure.of_what.clone())
    };
    assert_eq!(of("recall"), (Some(4.0), "labels".to_owned()));
    assert_eq!(of("precision"), (Some(5.0), "incidents".to_owned()));
    assert_eq!(of("pages_per_day"), (Some(2.0), "days".to_owned()));
    assert_eq!(of("lead_p50"), (Some(2.0), "labels told before".to_owned()));
}

#[test]
fn what_is_of_nothing_has_no_value_and_no_assertion_holds_on_it() {
    let case = Case::new(None, &[], (at(0), at(0)), Rules::default());
    let mut figures = figures_of(&case, Level::Incidents);
    figures.extend(figures_of(&case, Level::Anomalies));
    for figure in &figures {
        assert_eq!(figure.value.is_some(), figure.of.is_none(), "{figure:?}");
    }
    let asked = assertions("recall>=0, false_alarms_per_day<=9,incidents<1", &figures).unwrap();
    let verdicts: Vec<_> = asked.iter().map(|a| a.judge(&figures)).collect();
    assert_eq!(
        verdicts.iter().map(|v| v.holds).collect::<Vec<_>>(),
        [false, false, true]
    );
    assert_eq!(verdicts[0].why, "recall is of 0 labels (none given)");
    // Labels that say there was no trouble are labels.
    let findings = findings();
    let none = Case::new(Some(&[]), &findings, (at(0), at(1_440)), Rules::default());
    let figures = figures_of(&none, Level::Incidents);
    assert_eq!(value(&figures, "recall"), None);
    assert_eq!(value(&figures, "precision"), Some(0.0));
    assert_eq!(value(&figures, "false_alarms_per_day"), Some(5.0));
}

#[test]
fn one_that_never_ends_finds_one_trouble_and_what_comes_too_late_none() {
    let truths = [
        truth(100, 110, "net"),
        truth(500, 510, "net"),
        truth(900, 910, "net"),
    ];
    let met = |findings: &[Finding], rules| {
        let case = Case::new(Some(&truths), findings, (at(0), at(1_440)), rules);
        let figures = figures_of(&case, Level::Incidents);
        (
            value(&figures, "recall").unwrap() * 3.0,
            value(&figures, "precision").unwrap(),
        )
    };
    let hour = Rules::default();
    assert_eq!(met(&[finding("a", 0, 1_400, "net")], hour), (1.0, 1.0));
    assert_eq!(met(&[finding("a", 111, 120, "net")], hour), (0.0, 0.0));
    assert_eq!(met(&[finding("a", 110, 120, "net")], hour), (1.0, 1.0));
    assert_eq!(met(&[finding("a", 40, 45, "net")], hour), (1.0, 1.0));
    assert_eq!(met(&[finding("a", 39, 45, "net")], hour), (0.0, 0.0));
    let two_hours = Rules {
        lead_max: std::time::Duration::from_secs(7_200),
    };
    assert_eq!(met(&[finding("a", 39, 45, "net")], two_hours), (1.0, 1.0));
    // The first could have either; the second only the later one of them: both have one.
    let both = [finding("a", 95, 600, "net"), finding("b", 98, 105, "net")];
    assert_eq!(met(&both, hour), (2.0, 1.0));
}

#[test]
fn a_label_without_a_service_or_region_is_of_all() {
    let findings = [finding("a", 100, 110, "net")];
    let recall = |truth: Truth| {
        let case = Case::new(Some(&[truth]), &findings, (at(0), at(200)), Rules::default()).clone();
        value(&figures_of(&case, Level::Incidents), "recall")
    };
    let of = |service: Option<&str>, region: Option<&str>| Truth {
        service: service.map(Into::into),
        region: region.map(Into::into),
        ..Truth::new(at(100), at(105))
    };
    assert_eq!(recall(of(None, None)), Some(1.0));
    assert_eq!(recall(of(Some("net"), Some("IR-23"))), Some(1.0));
    assert_eq!(recall(of(Some("pay"), None)), Some(0.0));
    assert_eq!(recall(of(None, Some("IR-10"))), Some(0.0));
}

#[test]
fn a_curve_knows_nothing_beforehand() {
    // It began 20 minutes before with 0.6 and was sure only when the trouble was over.
    let mut sure_late = finding("a", 80, 300, "net");
    sure_late.rise = vec![(at(80), 0.6), (at(200), 0.95)];
    let findings = [sure_late, finding("b", 500, 510, "net")];
    let truths = [truth(100, 130, "net")];
    let case = Case::new(Some(&truths), &findings, (at(0), at(1_440)), Rules::default());
    let curve = curve_of(&case);
    let rows: Vec<_> = curve
        .iter()
        .map(|p| (p.least, p.findings, p.precision.unwrap(), p.recall.unwrap()))
        .collect();
    assert_eq!(
        rows,
        [(1.0, 1, 0.0, 0.0), (0.95, 2, 0.0, 0.0), (0.6, 2, 0.5, 1.0)]
    );
    assert_eq!(curve[2].per_day, Some(2.0));
}

#[test]
fn a_bin_holds_its_lower_edge() {
    let (truths, mut findings) = (truths(), findings());
    findings[1].forecast = Some(1.0);
    let of = |truths: Option<&[Truth]>| {
        let case = Case::new(truths, &findings, (at(0), at(2_880)), Rules::default());
        let (bins, by_labels) = reliability_of(&case);
        let full: Vec<_> = (0..).zip(bins).filter(|(_, b)| b.count > 0).collect();
        (
            full.iter()
                .map(|(n, b)| (*n, b.count, b.came))
                .collect::<Vec<(i32, _, _)>>(),
            by_labels,
        )
    };
    assert_eq!(of(Some(&truths)), (vec![(6, 1, 0), (9, 2, 2)], true));
    // Without labels it is what the run itself saw: only `a` hit customers.
    assert_eq!(of(None), (vec![(6, 1, 0), (9, 2, 1)], false));
}

#[test]
fn assertions_take_units_and_name_what_is_known() {
    let (truths, findings) = (truths(), findings());
    let case = Case::new(Some(&truths), &findings, (at(0), at(2_880)), Rules::default());
    let figures = figures_of(&case, Level::Incidents);
    let holds = |text: &str| {
        let asked = assertions(text, &figures).unwrap();
        asked.iter().map(|a| a.judge(&figures).holds).collect::<Vec<_>>()
    };
    assert_eq!(
        holds("recall>=75%, recall > 0.75, delay_p50<=6m,delay_p50<6m,lead_p90>=0.8h,lead_p90<=3000s"),
        [true, false, true, false, true, true]
    );
    assert_eq!(holds("recall>=1"), [false]);
    // What asks only that there is something to measure may be asked; a lead may lie below 0.
    assert_eq!(
        holds("recall>=0,recall<=1,incidents>=0,lead_p50>=-600s"),
        [true; 4]
    );
    for (bad, said) in [
        ("recall", "`recall` is no assertion"),
        (">=1", "is no assertion"),
        ("recall>=big", "is no assertion"),
        ("recall>=NaN", "is no assertion"),
        ("recall>=0.8,", "`` is no assertion"),
        ("recal>=0.8", "no figure is called `recal`; there are incidents, "),
        ("recall>=5m", "recall is measured in share"),
        ("pages_per_day<=5%", "pages_per_day is measured in per_day"),
        (
            "recall>=2",
            "`recall>=2` can never hold: recall lies between 0 and 1",
        ),
        ("recall>=80", "can never hold"),
        ("recall>1", "can never hold"),
        ("recall<0%", "can never hold"),
        ("precision<=-0.1", "can never hold"),
        (
            "precision<=1.5",
            "`precision<=1.5` can never fail: precision lies between 0 and 1",
        ),
        ("incidents<0", "can never hold: incidents is never below 0"),
        ("pages_per_day>-1", "can never fail"),
    ] {
        let error = assertions(bad, &figures).unwrap_err().to_string();
        assert!(error.contains(said), "{bad}: {error}");
    }
}

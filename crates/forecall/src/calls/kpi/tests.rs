use super::*;
use std::path::Path;

fn args(folder: &Path) -> KpiArgs {
    let calls = "arrived_at,queue,outcome,wait_seconds,handle_seconds,customer,incident\n\
2026-05-02 10:40:00,support,abandoned,64,,p2,\n\
2026-05-01 10:00:00,support,answered,10,300,p1,\n\
2026-05-01 10:10:00,support,answered,50,500,p2,inc_1\n\
2026-05-01 10:20:00,support,abandoned,3,,,\n\
2026-05-01 10:30:00,sales,answered,0,100,p3,\n\
2026-05-01 11:00:00,support,callback,90,,p1,inc_1\n";
    std::fs::write(folder.join("calls.csv"), calls).unwrap();
    KpiArgs {
        calls: folder.join("calls.csv"),
        staff: None,
        surveys: None,
        incidents: None,
        audience: None,
        baseline: None,
        by: By::Day,
        within: 20.0,
        short: 5.0,
        zone: TimeZone::UTC,
        out: folder.join("out"),
        json: false,
    }
}

fn json(args: &KpiArgs) -> serde_json::Value {
    run(args, &mut Vec::new()).unwrap();
    serde_json::from_str(&std::fs::read_to_string(args.out.join("kpi.json")).unwrap()).unwrap()
}

fn rate(of: &serde_json::Value, name: &str) -> (Option<f64>, f64) {
    (
        of[name]["value"].as_f64(),
        of[name]["denominator"].as_f64().unwrap(),
    )
}

#[test]
fn every_rate_has_its_denominator_and_none_is_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(folder.path());
    let all = json(&args);
    let all = &all["all"];
    assert_eq!(rate(all, "service_level_of_offered"), (Some(0.4), 5.0));
    assert_eq!(rate(all, "service_level_less_short"), (Some(0.5), 4.0));
    assert_eq!(rate(all, "service_level_of_answered"), (Some(2.0 / 3.0), 3.0));
    assert_eq!(rate(all, "aht"), (Some(300.0), 3.0));
    assert_eq!(rate(all, "repeat_calls"), (Some(0.4), 5.0));
    assert_eq!(rate(all, "occupancy"), (None, 0.0));
    assert_eq!(rate(all, "csat"), (None, 0.0));
    let mut out = Vec::new();
    run(&args, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("no data") && !text.contains("NaN"), "{text}");
    let rows = std::fs::read_to_string(args.out.join("kpi.csv")).unwrap();
    assert!(
        rows.contains("support,2026-05-02,abandonment,1.000000,1,1\n"),
        "{rows}"
    );
    assert!(
        rows.contains("support,2026-05-01,occupancy,,900,0\n")
            || rows.contains("support,2026-05-01,occupancy,,800,0\n"),
        "{rows}"
    );
    let page = std::fs::read_to_string(args.out.join("report.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("NaN") && !page.contains("http"));
}

#[test]
fn incidents_have_leads_and_who_was_told_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = args(folder.path());
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    args.incidents = file(
        "incidents.csv",
        "incident,queue,impact_at,published_at,ended_at\ninc_1,support,2026-05-01 10:05:00,2026-05-01 09:50:00,2026-05-01 12:00:00\n",
    );
    args.audience = file(
        "audience.csv",
        "incident,customer,notice,accepted_at\ninc_1,p1,sent,2026-05-01 09:55:00\ninc_1,p2,sent,2026-05-01 10:30:00\ninc_1,p8,held_out,\n",
    );
    args.baseline = file(
        "forecasts.csv",
        "origin,target,mean,q99\nx,2026-05-01 09:30:00,0,1\nx,2026-05-01 10:00:00,0.5,1\nx,2026-05-01 10:30:00,0.5,5\n",
    );
    args.staff = file(
        "staff.csv",
        "start,queue,available_seconds\n2026-05-01 10:00:00,support,1600\n",
    );
    args.surveys = file(
        "surveys.csv",
        "at,queue,csat,nps,ces\n2026-05-01 12:00:00,support,5,10,6\n2026-05-01 12:00:00,support,,,\n",
    );
    let found = json(&args);
    let one = &found["incidents"][0];
    assert_eq!(one["alert_lead_seconds"], 900.0);
    // Three calls by 10:30 where two are the most of 99 ordinary days.
    assert_eq!(one["notice_lead_seconds"], 300.0);
    // p1 was told at 09:55 and called at 10:00; p2 called first; p8 was held out.
    assert_eq!(
        (
            one["told_before_contact"]["numerator"].as_u64(),
            one["told_before_contact"]["denominator"].as_u64()
        ),
        (Some(1), Some(3))
    );
    assert_eq!(rate(&found["all"], "occupancy"), (Some(900.0 / 1_600.0), 1_600.0));
    assert_eq!(rate(&found["all"], "survey_response"), (Some(0.5), 2.0));
}

#[test]
fn errors_name_file_line_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(folder.path());
    let text = std::fs::read_to_string(&args.calls).unwrap();
    for (wrong, expected) in [
        (
            text.replace("callback", "lost"),
            "line 7: `outcome` is `lost`: it needs answered, abandoned, left, callback",
        ),
        (
            text.replace(",64,", ",-1,"),
            "line 2: `wait_seconds` is `-1`: it needs a number, 0 or more",
        ),
        (
            text.replace("2026-05-02 10:40:00", "yesterday"),
            "line 2: `arrived_at` is `yesterday`: it needs a time such as",
        ),
        ("arrived_at,outcome\n".to_owned(), "has no call"),
    ] {
        std::fs::write(&args.calls, wrong).unwrap();
        let error = format!("{:#}", run(&args, &mut Vec::new()).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
}

use super::*;

/// Eight weeks of half hours from 09:00 to 12:00, quieter at the weekend; `late` is what the last day brings more.
fn history(late: u32) -> String {
    let mut text = "start,calls\n".to_owned();
    let first: jiff::civil::Date = "2026-01-05".parse().unwrap();
    for day in 0..56_i64 {
        let date = first
            .checked_add(jiff::SignedDuration::from_hours(24 * day))
            .unwrap();
        for slot in 0..6_u32 {
            let base = if day % 7 > 4 { 20 } else { 60 };
            let wobble = u32::try_from((day * 7 + i64::from(slot) * 5) % 11).unwrap();
            let more = if day == 55 { late } else { 0 };
            let calls = base + 4 * slot + wobble + more;
            text += &format!("{date} {:02}:{:02}:00,{calls}\n", 9 + slot / 2, 30 * (slot % 2));
        }
    }
    text
}

fn args(folder: &Path, text: &str, horizon: Ahead) -> BacktestArgs {
    let path = folder.join("calls.csv");
    std::fs::write(&path, text).unwrap();
    BacktestArgs {
        history: HistoryArgs {
            history: path,
            interval: Duration::from_secs(1800),
            zone: None,
            holidays: None,
        },
        horizon,
        test_days: 10,
        out: folder.join("out"),
        json: false,
    }
}

fn forecasts(args: &BacktestArgs) -> String {
    walk(args, &mut Vec::new()).unwrap();
    std::fs::read_to_string(args.out.join("forecasts.csv")).unwrap()
}

#[test]
fn a_backtest_writes_its_files_and_never_looks_ahead() {
    for horizon in [Ahead::Next, Ahead::Day, Ahead::Week] {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path(), &history(0), horizon);
        let one = forecasts(&args);
        let mut lines = one.lines();
        assert_eq!(
            lines.next().unwrap(),
            "origin,target,mean,q01,q025,q05,q10,q20,q30,q40,q50,q60,q70,q80,q90,q95,q975,q99"
        );
        assert_eq!(lines.clone().count(), 60);
        let first = lines.next().unwrap();
        let starts = match horizon {
            Ahead::Next => "2026-02-20 09:00:00,2026-02-20 09:00:00,",
            Ahead::Day => "2026-02-20 00:00:00,2026-02-20 09:00:00,",
            Ahead::Week => "2026-02-13 00:00:00,2026-02-20 09:00:00,",
        };
        assert!(first.starts_with(starts), "{first}");
        let metrics: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(args.out.join("metrics.json")).unwrap()).unwrap();
        let wmape = metrics["wmape"].as_f64().unwrap();
        assert!((0.0..0.12).contains(&wmape), "{wmape}");
        assert!(metrics["coverage_95"].as_f64().unwrap() > 0.8, "{metrics}");
        let page = std::fs::read_to_string(args.out.join("report.html")).unwrap();
        assert!(page.contains("<svg") && !page.contains("NaN") && !page.contains("http"));
        // Another future: what was forecast before it stays, byte for byte.
        std::fs::write(&args.history.history, history(300)).unwrap();
        let other = forecasts(&args);
        let before = |text: &str| {
            text.lines()
                .filter(|l| !l.contains(",2026-03-01 "))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(before(&one), before(&other));
        if horizon == Ahead::Next {
            assert_ne!(
                one, other,
                "the last day's own counts do move the intervals after them"
            );
        }
    }
}

#[test]
fn what_comes_next_is_forecast_at_open_hours_alone() {
    let folder = tempfile::tempdir().unwrap();
    let made = args(folder.path(), &history(0), Ahead::Day);
    let ask = ForecastArgs {
        history: made.history,
        horizon: Span::Week,
        out: None,
    };
    let mut out = Vec::new();
    forecast(&ask, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 1 + 7 * 6);
    let mean = |line: &str| line.split(',').nth(2).unwrap().parse::<f64>().unwrap();
    let monday = text
        .lines()
        .find(|l| l.contains(",2026-03-02 10:00:00,"))
        .unwrap();
    let sunday = text
        .lines()
        .find(|l| l.contains(",2026-03-08 10:00:00,"))
        .unwrap();
    assert!(monday.starts_with("2026-03-01 12:00:00,"), "{monday}");
    assert!(
        (60.0..90.0).contains(&mean(monday)) && mean(sunday) < 45.0,
        "{monday} {sunday}"
    );
}

#[test]
fn errors_name_file_line_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        (
            history(0).replace("2026-01-07 09:30:00,", "2026-01-07 09:30:00,x"),
            "line 15: `x",
        ),
        (
            history(0).replace("2026-01-07 09:30:00", "2026-01-07 09:00:00"),
            "2026-01-07 09:00:00 comes a second time (first in line 14): leave one, or add them up",
        ),
        (
            "when,calls\n".to_owned(),
            "line 1: the header has to be `start,calls`",
        ),
        (
            history(0).replace(":30:00", ":00:00").replace("x", ""),
            "comes a second time",
        ),
    ] {
        let args = args(folder.path(), &text, Ahead::Day);
        let error = format!("{:#}", walk(&args, &mut Vec::new()).unwrap_err());
        assert!(
            error.contains("calls.csv can't be used") && error.contains(expected),
            "{error}"
        );
    }
    let hourly: String = history(0)
        .lines()
        .filter(|l| !l.contains(":30:00"))
        .map(|l| format!("{l}\n"))
        .collect();
    let error = format!(
        "{:#}",
        walk(&args(folder.path(), &hourly, Ahead::Day), &mut Vec::new()).unwrap_err()
    );
    assert!(
        error.contains("the file's own step is 1 h, coarser than the interval of 30 min"),
        "{error}"
    );
    let mut long = args(folder.path(), &history(0), Ahead::Day);
    long.test_days = 55;
    let error = format!("{:#}", walk(&long, &mut Vec::new()).unwrap_err());
    assert!(error.contains("ask for fewer --test-days"), "{error}");
}

#[test]
fn intervals_are_minutes_that_divide_the_day() {
    assert_eq!(interval("30m"), Ok(Duration::from_secs(1800)));
    assert_eq!(interval("1h"), Ok(Duration::from_secs(3600)));
    for text in ["7m", "30", "0m", "25h", "m", "99999999999999999999m", "-5m"] {
        assert!(interval(text).is_err(), "{text}");
    }
}

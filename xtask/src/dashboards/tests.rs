//! Each rule of the lint can fail: what is in order is broken in one place, and that place is named.

use serde_json::{Value, json};

use super::*;

const REFERENCE: &str = "| `forecall_build_info` | gauge | `version` | 1 | B. |\n\
                         | `forecall_incidents_total` | counter | `change` | 1 | I. |\n\
                         | `forecall_lag_records` | gauge | `stage` | 1 | L. |\n\
                         | `forecall_commit_seconds` | histogram | `stage` | 1 | C. |\n";
const RULE: &str = "groups:\n  - name: g\n    rules:\n\
                    \x20     - record: stage:forecall_lag_records:sum\n        expr: sum by (stage) (forecall_lag_records)\n\
                    \x20     - alert: A\n        expr: stage:forecall_lag_records:sum{stage=\"x\"} > 1\n        for: 1m\n\
                    \x20       labels: {severity: warning}\n        annotations:\n          summary: S\n\
                    \x20         description: D\n          runbook_url: https://github.com/forecall/forecall/blob/main/docs/runbooks/a.md\n";
const TEST: &str = "expr: ALERTS{alertname=\"A\",alertstate=\"firing\"}";
const PAGE: &str = "# A\n\n**Alerts.** `A`.\n";

/// A fault put into a dashboard.
type Change = fn(&mut Value);

fn one(text: &str, path: &str) -> Texts {
    [(path.to_owned(), text.to_owned())].into()
}

fn with<T>(judge: impl FnOnce(&mut Known<'_>) -> T, rules: &Texts) -> T {
    let catalogue = Catalogue::read(REFERENCE).unwrap();
    judge(&mut Known {
        catalogue: &catalogue,
        recorded: rules::recorded(rules),
        used: BTreeSet::new(),
    })
}

/// Problems of the rules after `from` was put in place of `to`.
fn rules_with(from: &str, to: &str) -> String {
    assert!(RULE.contains(from), "{from}");
    let files = one(&RULE.replace(from, to), "r.yaml");
    let (pages, tests) = (one(PAGE, "docs/runbooks/a.md"), one(TEST, "t.yaml"));
    with(|known| rules::problems(&files, &pages, &tests, known), &files).join("\n")
}

fn query(query: &str, place: queries::Place) -> String {
    with(|known| known.problems(query, place), &Texts::new()).join("\n")
}

/// Problems of one of our dashboards, made small, after a change.
fn board_with(change: impl FnOnce(&mut Value)) -> String {
    let mut board: Value = serde_json::from_str(&overview::dashboard().text(&[])).unwrap();
    board["links"] = json!([{"url": "/d/other"}]);
    board["panels"] = json!([{
        "id": 1, "type": "stat", "title": "T", "description": "D", "datasource": {"uid": "${datasource}"},
        "fieldConfig": {"defaults": {"unit": "short"}}, "links": [{"url": "${runbooks}/a.md"}],
        "targets": [{
            "datasource": {"uid": "${datasource}"}, "legendFormat": "l",
            "expr": "sum(forecall_lag_records{job=~\"$job\",instance=~\"$instance\"})",
        }],
    }]);
    change(&mut board);
    let boards = ["forecall-overview".to_owned(), "other".to_owned()].into();
    let pages = one(PAGE, "docs/runbooks/a.md");
    with(
        |known| boards::problems(&board, &boards, &pages, known),
        &Texts::new(),
    )
    .join("\n")
}

#[test]
fn rules_in_order_pass_and_each_fault_is_named() {
    assert_eq!(rules_with("> 1", "> 1"), "");
    for (from, to, said) in [
        ("> 1", ">", "can't be read"),
        (
            "(forecall_lag_records)",
            "(forecall_lag)",
            "no metric `forecall_lag`",
        ),
        ("by (stage) (", "by (topic) (", "has the label `topic`"),
        ("{stage=\"x\"}", "{topic=\"x\"}", "has no label `topic`"),
        (
            "stage:forecall_lag_records:sum\n",
            "lag\n",
            "level:metric:operations",
        ),
        ("severity: warning", "severity: bad", "its severity is none of"),
        ("        for: 1m\n", "", "no `for`"),
        ("summary: S", "summary: ''", "no summary"),
        ("description: D", "description: ' '", "no description"),
        ("runbook_url:", "runbook:", "no runbook_url"),
        ("runbooks/a.md", "runbooks/b.md", "there is no runbook b.md"),
        ("https://github.com", "http://x", "its runbook isn't below"),
        ("alert: A", "alert: B", "the runbook a.md doesn't name it"),
        ("alert: A", "alert: B", "no unit test of rules names it"),
        ("for: 1m", "forr: 1m", "can't be read"),
        (
            "alert: A\n",
            "record: stage:forecall_lag_records:sum\n",
            "this name stands twice",
        ),
    ] {
        let found = rules_with(from, to);
        assert!(found.contains(said), "{from} -> {to}: {found:?}");
    }
}

#[test]
fn each_fault_of_a_query_is_named() {
    use queries::Place::{Annotation, Panel, Rule};
    const W: &str = "job=~\"$job\",instance=~\"$instance\"";
    let panel = |text: &str| query(&text.replace('@', W), Panel);
    assert_eq!(
        panel("sum by (change) (rate(forecall_incidents_total{@}[$__rate_interval]))"),
        ""
    );
    assert_eq!(
        panel(
            "histogram_quantile(0.9, sum by (le) (rate(forecall_commit_seconds_bucket{@}[$__rate_interval])))"
        ),
        ""
    );
    assert_eq!(
        query("rate(forecall_incidents_total[5m]) > 0 or up == 0", Rule),
        ""
    );
    for (text, said) in [
        (
            "rate(forecall_incidents_total{@}[5m])",
            "isn't over [$__rate_interval]",
        ),
        (
            "increase(forecall_incidents_total{@}[5m])",
            "isn't over [$__rate_interval]",
        ),
        (
            "rate(forecall_incidents_total{@}[$__range])",
            "isn't over [$__rate_interval]",
        ),
        ("sum(forecall_incidents_total{@})", "is shown bare"),
        ("rate(forecall_lag_records{@}[$__rate_interval])", "of the gauge"),
        (
            "forecall_lag_records{job=~\"$job\"}",
            "isn't narrowed by instance",
        ),
        (
            "forecall_lag_records{instance=~\"$instance\",job=\"x\"}",
            "isn't narrowed by job",
        ),
        (
            "forecall_commit_seconds{@}",
            "no metric `forecall_commit_seconds`",
        ),
        (
            "sum by (le) (rate(forecall_commit_seconds_sum{@}[$__rate_interval]))",
            "has the label `le`",
        ),
    ] {
        let found = panel(text);
        assert!(found.contains(said), "{text}: {found:?}");
    }
    assert!(query("increase(forecall_incidents_total[2m])", Annotation).contains("isn't narrowed"));
}

#[test]
fn a_dashboard_in_order_passes_and_each_fault_is_named() {
    assert_eq!(board_with(|_| ()), "");
    let cases: [(Change, &str); 19] = [
        (|b| b["editable"] = json!(true), "it is editable"),
        (|b| b["title"] = json!(""), "no title"),
        (|b| b["panels"][0]["title"] = json!(""), "no title"),
        (|b| b["panels"][0]["description"] = json!(""), "no description"),
        (
            |b| b["panels"][0]["fieldConfig"]["defaults"]["unit"] = json!(""),
            "no unit",
        ),
        (
            |b| b["panels"][0]["datasource"]["uid"] = json!("x"),
            "its data source isn't",
        ),
        (
            |b| b["panels"][0]["targets"][0]["datasource"] = json!({}),
            "its data source isn't",
        ),
        (|b| b["panels"][0]["targets"] = json!([]), "no query"),
        (
            |b| b["panels"][0]["targets"][0]["expr"] = json!("sum("),
            "can't be read",
        ),
        (
            |b| b["panels"][0]["targets"][0]["legendFormat"] = json!(""),
            "without a legend",
        ),
        (
            |b| b["panels"][0]["links"][0]["url"] = json!("${runbooks}/b.md"),
            "leads to no runbook",
        ),
        (
            |b| {
                let p = b["panels"][0].clone();
                b["panels"] = json!([p, p])
            },
            "its id stands twice",
        ),
        (
            |b| b["templating"]["list"][0]["name"] = json!("ds"),
            "no variable `datasource`",
        ),
        (
            |b| b["templating"]["list"][1]["multi"] = json!(false),
            "not many values",
        ),
        (
            |b| b["templating"]["list"][1]["refresh"] = json!(1),
            "isn't loaded anew",
        ),
        (
            |b| {
                b["templating"]["list"][1]["query"]["query"] =
                    json!("label_values(forecall_build_info, domain)")
            },
            "has the label `domain`",
        ),
        (|b| b["links"] = json!([]), "no link to other"),
        (
            |b| b["links"] = json!([{"url": "/d/other"}, {"url": "/d/lost"}]),
            "a link to no dashboard: lost",
        ),
        (
            |b| b["annotations"]["list"] = json!([]),
            "no annotation marks incidents",
        ),
    ];
    for (change, said) in cases {
        let found = board_with(change);
        assert!(found.contains(said), "{said}: {found:?}");
    }
}

#[test]
fn a_metric_that_nobody_sees_is_named() {
    let catalogue = Catalogue::read(REFERENCE).unwrap();
    let used: BTreeSet<String> = [
        "forecall_build_info",
        "forecall_incidents_total",
        "forecall_lag_records",
    ]
    .map(str::to_owned)
    .into();
    let mut problems = unseen(&catalogue, &used);
    // The sample above has none of those that are listed for debugging.
    problems.retain(|p| !p.contains("is listed for debugging"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems.iter().all(|p| p.contains("`forecall_commit_seconds`")));
}

#[test]
fn a_dashboard_changed_by_hand_is_named() {
    let mut boards = wanted();
    assert_eq!(stale(&boards), Vec::<String>::new());
    let path = format!("{FOLDER}/forecall-overview.json");
    boards.get_mut(&path).unwrap().push(' ');
    boards.insert(format!("{FOLDER}/old.json"), String::new());
    boards.remove(&format!("{FOLDER}/forecall-calls.json"));
    let problems = stale(&boards).join("\n");
    for name in ["forecall-overview", "old", "forecall-calls"] {
        assert!(problems.contains(name), "{problems}");
    }
}

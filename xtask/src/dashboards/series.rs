//! Series drill-down: why was a series flagged? Of those that `anomaly_metrics` chooses.

use super::grafana::{Alarm, Chosen, Dashboard, Panel, Row, Shape};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "series",
        title: "Series drill-down",
        question: "Why was a series flagged: what was measured, what was expected, and which channel says so?",
        chosen: vec![
            Chosen {
                label: "domain",
                title: "Domain",
                metric: "anomaly_open",
            },
            Chosen {
                label: "for",
                title: "Metric",
                metric: "anomaly_open",
            },
        ],
        rows: vec![which(), why(), channels()],
    }
}

fn which() -> Row {
    Row {
        title: "Which of those that are shown",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Number,
                "Series",
                "short",
                "Series shown (`anomaly_metrics` chooses them); those whose last sample is abnormal; those with an open anomaly.",
            )
            .query("count(anomaly_open{@,domain=~\"$domain\",for=~\"$for\"})", "shown")
            .query(
                "count(anomaly_score{@,domain=~\"$domain\",for=~\"$for\"} >= 1) or vector(0)",
                "abnormal",
            )
            .query("sum(anomaly_open{@,domain=~\"$domain\",for=~\"$for\"})", "anomaly open")
            .width(6),
            Panel::new(
                Shape::Lines,
                "The most surprising",
                "none",
                "The five highest scores, as shares of the score from which a sample counts as abnormal: 1 and more is. Several such samples in a row open an anomaly.",
            )
            .query(
                "topk(5, max by (domain, for, service_name, region) (anomaly_score{@,domain=~\"$domain\",for=~\"$for\"}))",
                "{{for}} {{service_name}} {{region}}",
            )
            .alarm(Alarm::From(1.0))
            .width(12),
            Panel::new(
                Shape::Bars,
                "Surprise now",
                "none",
                "The highest score of each metric at present, as a share of the score from which a sample counts as abnormal.",
            )
            .query(
                "sort_desc(max by (for) (anomaly_score{@,domain=~\"$domain\",for=~\"$for\"}))",
                "{{for}}",
            )
            .alarm(Alarm::From(1.0))
            .width(6),
        ],
    }
}

fn why() -> Row {
    Row {
        title: "Measured and expected: choose a metric above, and narrow by any label in Filters",
        height: 10,
        panels: vec![
            Panel::new(
                Shape::Lines,
                "Measured, expected, normal range",
                "short",
                "What was measured, what was expected of it, and the range in which a single value is normal. Empty edges: the detector still warms up.",
            )
            .query("y{@,domain=~\"$domain\",for=~\"$for\"}", "measured {{for}} {{service_name}} {{region}}")
            .query("yhat{@,domain=~\"$domain\",for=~\"$for\"}", "expected {{for}} {{service_name}} {{region}}")
            .query("yhat_lower{@,domain=~\"$domain\",for=~\"$for\"}", "from {{for}} {{service_name}} {{region}}")
            .query("yhat_upper{@,domain=~\"$domain\",for=~\"$for\"}", "to {{for}} {{service_name}} {{region}}")
            .anywhere()
            .width(24),
        ],
    }
}

fn channels() -> Row {
    Row {
        title: "Who says so",
        height: 9,
        panels: vec![
            Panel::new(
                Shape::Lines,
                "Score",
                "none",
                "As a share of the score from which a sample counts as abnormal; 0 where the deviation is too small to matter.",
            )
            .query(
                "anomaly_score{@,domain=~\"$domain\",for=~\"$for\"}",
                "{{for}} {{service_name}} {{region}}",
            )
            .alarm(Alarm::From(1.0)),
            Panel::new(
                Shape::Lines,
                "What each channel says",
                "none",
                "The highest of the series chosen, by channel: -log10 of the chance of this or worse in normal times. 3 is one in a thousand.",
            )
            .query(
                "max by (channel) (anomaly_channel_score{@,domain=~\"$domain\",for=~\"$for\"})",
                "{{channel}}",
            )
            .most(20.0),
            Panel::new(
                Shape::States,
                "Anomaly open",
                "bool_yes_no",
                "Coloured while an anomaly is open, by metric, service and region.",
            )
            .query(
                "max by (domain, for, service_name, region) (anomaly_open{@,domain=~\"$domain\",for=~\"$for\"}) > 0",
                "{{for}} {{service_name}} {{region}}",
            )
            .alarm(Alarm::From(1.0)),
        ],
    }
}

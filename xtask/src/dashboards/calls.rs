//! Calls and staffing, with and without notices.

use super::grafana::{Chosen, Dashboard, Panel, Row, Shape};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "calls",
        title: "Calls and staffing",
        question: "How many calls are expected, how many agents do they need, and what do notices change?",
        chosen: vec![Chosen {
            label: "queue",
            title: "Queue",
            metric: "forecall_calls_expected",
        }],
        rows: vec![now(), over_time()],
    }
}

fn now() -> Row {
    Row {
        title: "The present interval",
        height: 6,
        panels: vec![
            Panel::new(
                Shape::Number,
                "Calls expected",
                "short",
                "Calls in the present interval, if customers are told (with) and if nobody is (without).",
            )
            .query(
                "sum by (scenario) (max by (job, queue, scenario) (forecall_calls_expected{@,queue=~\"$queue\"}))",
                "{{scenario}} notices",
            ),
            Panel::new(
                Shape::Number,
                "Agents needed",
                "short",
                "Agents to be scheduled in the present interval, with and without notices.",
            )
            .query(
                "sum by (scenario) (max by (job, queue, scenario) (forecall_agents_needed{@,queue=~\"$queue\"}))",
                "{{scenario}} notices",
            ),
            Panel::new(
                Shape::Number,
                "Calls that notices keep away",
                "short",
                "The difference of the two forecasts. What notices really do is measured by a hold-out: forecall calls effect.",
            )
            .query(
                "sum(max by (job, queue) (forecall_calls_expected{@,queue=~\"$queue\",scenario=\"without\"})) - \
                 sum(max by (job, queue) (forecall_calls_expected{@,queue=~\"$queue\",scenario=\"with\"}))",
                "calls",
            ),
        ],
    }
}

fn over_time() -> Row {
    Row {
        title: "Over time",
        height: 9,
        panels: vec![
            Panel::new(
                Shape::Lines,
                "Calls expected, by queue",
                "short",
                "Calls of each interval as they were expected in it.",
            )
            .query(
                "max by (queue, scenario) (forecall_calls_expected{@,queue=~\"$queue\"})",
                "{{queue}} {{scenario}}",
            ),
            Panel::new(
                Shape::Lines,
                "Calls that notices avoid, with what isn't known",
                "short",
                "10 %, 50 % and 90 % quantile for each interval; below 0 they bring more calls than they avoid.",
            )
            .query(
                "max by (queue, level) (forecall_calls_avoided{@,queue=~\"$queue\"})",
                "{{queue}} {{level}}",
            ),
            Panel::new(
                Shape::Lines,
                "Agents needed, by queue",
                "short",
                "Agents to be scheduled for each interval. A step up is what a supervisor must find people for.",
            )
            .query(
                "max by (queue, scenario) (forecall_agents_needed{@,queue=~\"$queue\"})",
                "{{queue}} {{scenario}}",
            ),
            Panel::new(
                Shape::Lines,
                "Forecasts published",
                "ops",
                "Call forecasts a second, by queue. None: nobody forecasts that queue any more.",
            )
            .query(
                "sum by (queue) (rate(forecall_call_forecasts_total{@,queue=~\"$queue\"}[$__rate_interval]))",
                "{{queue}}",
            )
            .runbook("call-forecast-stale"),
        ],
    }
}

//! Outreach: did the notices go, and who wasn't told?

use super::grafana::{Alarm, Dashboard, Panel, Row, Shape};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "outreach",
        title: "Outreach",
        question: "Did the notices go, who wasn't told and why, and what do gateways say?",
        chosen: Vec::new(),
        rows: vec![notices(), promises(), messages(), gateways()],
    }
}

fn notices() -> Row {
    Row {
        title: "Notices",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Stack,
                "Notices by stage of the story",
                "short",
                "Notice events by what they tell: predicted, confirmed, progress, resolved, all clear, averted, retraction.",
            )
            .query("sum by (stage) (increase(forecall_notices_total{@}[$__rate_interval]))", "{{stage}}"),
            Panel::new(
                Shape::Stack,
                "Notices by state",
                "short",
                "Drafted, held, approved, sending, sent, delivered, suppressed, retracted. The canary's are all suppressed.",
            )
            .query("sum by (state) (increase(forecall_notices_total{@}[$__rate_interval]))", "{{state}}"),
            Panel::new(
                Shape::Bars,
                "People not told",
                "short",
                "People of new notices who weren't told, or not yet, by reason, within the chosen time.",
            )
            .query("sort_desc(sum by (reason) (increase(forecall_withheld_total{@}[$__range])))", "{{reason}}")
            .runbook("kill-switch"),
            Panel::new(
                Shape::Number,
                "Hold-outs that ended themselves",
                "short",
                "Domains in which all hold-outs together have shown harm: nobody waits there until a person declares a hold-out anew.",
            )
            .query("sum(max by (job, partition) (forecall_hold_outs_ended{@}))", "domains"),
        ],
    }
}

fn promises() -> Row {
    Row {
        title: "In time, and as promised",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Lines,
                "Draft to the first message taken",
                "s",
                "From a notice's draft to the first of its messages that a gateway took: half of them, and all but one in twenty. Approvals and quiet hours count.",
            )
            .query(
                "histogram_quantile(0.5, sum by (le) (rate(forecall_notice_accepted_seconds_bucket{@}[$__rate_interval])))",
                "half",
            )
            .query(
                "histogram_quantile(0.95, sum by (le) (rate(forecall_notice_accepted_seconds_bucket{@}[$__rate_interval])))",
                "19 of 20",
            )
            .runbook("ledger-stuck"),
            Panel::new(
                Shape::Stack,
                "Promises, by what became of them",
                "short",
                "News by a time, an end by a time: kept, broken, or an end moved before it had passed.",
            )
            .query(
                "sum by (what, outcome) (increase(forecall_promises_total{@}[$__rate_interval]))",
                "{{what}} {{outcome}}",
            ),
            Panel::new(
                Shape::Bars,
                "Promises kept",
                "percentunit",
                "Of those that were kept or broken within the chosen time, by what was promised.",
            )
            .query(
                "sum by (what) (increase(forecall_promises_total{@,outcome=\"kept\"}[$__range])) / \
                 sum by (what) (increase(forecall_promises_total{@,outcome=~\"kept|broken\"}[$__range]))",
                "{{what}}",
            )
            .most(1.0),
        ],
    }
}

fn messages() -> Row {
    Row {
        title: "Messages",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Stack,
                "Messages by channel and state",
                "short",
                "Where messages stand: planned, sending, accepted, delivered, failed, unknown.",
            )
            .query(
                "sum by (channel, state) (increase(forecall_intents_total{@}[$__rate_interval]))",
                "{{channel}} {{state}}",
            ),
            Panel::new(
                Shape::Lines,
                "Messages that went wrong",
                "percentunit",
                "Failed and unknown ones of all that were settled, by channel. The objective is under 1 %.",
            )
            .query(
                "sum by (channel) (rate(forecall_intents_total{@,state=~\"failed|unknown\"}[$__rate_interval])) / \
                 sum by (channel) (rate(forecall_intents_total{@,state=~\"accepted|failed|unknown\"}[$__rate_interval]))",
                "{{channel}}",
            )
            .alarm(Alarm::From(0.01))
            .most(1.0)
            .runbook("delivery-failing"),
            Panel::new(
                Shape::Lines,
                "Settled without an answer",
                "short",
                "Messages given up as unknown, sent again and perhaps twice, or no longer true when their turn came.",
            )
            .query("sum by (how) (increase(forecall_intents_settled_total{@}[$__rate_interval]))", "{{how}}")
            .runbook("delivery-failing"),
        ],
    }
}

fn gateways() -> Row {
    Row {
        title: "Gateways",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::States,
                "Gateways left alone",
                "bool_on_off",
                "Red while a channel's gateway is left alone because it doesn't answer or refuses everything; or the kill switch is on.",
            )
            .query("max by (channel) (forecall_gateway_down{@})", "{{channel}}")
            .query("max(forecall_kill_switch{@})", "kill switch")
            .alarm(Alarm::From(1.0))
            .runbook("no-gateway"),
            Panel::new(
                Shape::Stack,
                "Failed tries",
                "short",
                "Failed attempts to hand a message over, by channel and class.",
            )
            .query(
                "sum by (channel, class) (increase(forecall_delivery_errors_total{@}[$__rate_interval]))",
                "{{channel}} {{class}}",
            )
            .runbook("no-gateway"),
            Panel::new(
                Shape::Stack,
                "What gateways say of their own accord",
                "short",
                "Replies by kind, receipts that repeat or match nothing, doubts that a receipt cleared. Many unmatched: the centre names its receipts otherwise.",
            )
            .query("sum by (what) (increase(forecall_gateway_heard_total{@}[$__rate_interval]))", "{{what}}")
            .runbook("delivery-failing"),
        ],
    }
}

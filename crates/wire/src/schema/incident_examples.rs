//! Examples of incidents and of what people say of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_types::{
    Acknowledgement, Action, Adjustment, Cause, Channel, Command, Compensation, CompensationUnit, DayPart,
    Dimension, Direction, Evidence, Exception, Incident, IncidentKind, IncidentPhase, IncidentState,
    Matchers, Page, PageDecision, PlannedWork, Probability, Remark, Remedy, RemedyMode, RemedyOutcome,
    RemedyStage, RepairStep, Responsibility, Scope, Score, Severity, Silenced, Verdict, WorkStage,
};

use super::examples::{at, band, cell, lineage, named, series};

pub(super) fn actions() -> Vec<Action> {
    let incident = || named("inc_7k2m4q9x1c8v5b3n");
    vec![
        Action::Declare {
            scope: scope(),
            severity: Severity::Severe,
        },
        Action::Acknowledge { incident: incident() },
        Action::Eta {
            incident: incident(),
            eta: at(60),
        },
        Action::Step {
            incident: incident(),
            code: Arc::from("team_on_site"),
        },
        Action::Attribute {
            incident: incident(),
            responsibility: Responsibility::Supplier,
        },
        Action::Retract { incident: incident() },
        Action::Close { incident: incident() },
        Action::Review {
            incident: incident(),
            problem: named("PRB-1042"),
        },
        Action::Merge {
            incident: incident(),
            into: named("inc_1f5h9k2m6q0t4w8z"),
        },
        Action::Split {
            incident: incident(),
            services: BTreeSet::from([named("tv")]),
            regions: BTreeSet::new(),
        },
        Action::Plan {
            scope: scope(),
            starts_at: at(2_880),
            ends_at: at(3_000),
            label: remark("fibre is spliced, CHG-4712"),
        },
        Action::Silence {
            matchers: Matchers {
                services: BTreeSet::from([Arc::from("internet")]),
                regions: BTreeSet::from([Arc::from("IR-23*")]),
                labels: BTreeMap::from([(Arc::from("host.name"), Arc::from("olt-teh-*"))]),
                ..Matchers::default()
            },
            until: at(120),
            reason: remark("the rack is moved, CHG-4711"),
        },
        Action::Unsilence {
            silence: named("cmd-0042"),
        },
        Action::Remedy {
            incident: incident(),
            rule: named("restart-edge"),
            approve: true,
        },
        Action::RemedyResult {
            incident: incident(),
            rule: named("restart-edge"),
            outcome: RemedyOutcome::Server,
            status: Some(503),
        },
        Action::Remedies { on: false },
        Action::Approve {
            notice: named("ntc_2d6f8h1j3k5m7p9r"),
            text: Arc::from("99aa06d3014798d86001c324468d497f"),
        },
        Action::Hold {
            notice: named("ntc_2d6f8h1j3k5m7p9r"),
            reason: remark("the area is too wide"),
        },
        Action::Send {
            notice: named("ntc_2d6f8h1j3k5m7p9r"),
            text: Arc::from("99aa06d3014798d86001c324468d497f"),
        },
        Action::TakeBack {
            notice: named("ntc_2d6f8h1j3k5m7p9r"),
        },
        Action::Say {
            incident: incident(),
            fa: remark("فیبر جوش خورد"),
            en: remark("The fibre is spliced"),
        },
        Action::Compensate {
            incident: incident(),
            compensation: Compensation {
                amount: 50_000,
                unit: CompensationUnit::Toman,
            },
        },
        Action::Drill {
            scope: scope(),
            severity: Severity::Severe,
            minutes: 30,
        },
        Action::EndDrill { incident: incident() },
        Action::Kill { on: true },
    ]
}

fn remark(text: &str) -> Remark {
    Remark::new(text).expect("it is short and holds nothing of a person")
}

pub(super) fn command(action: Action) -> Command {
    Command {
        id: Arc::from("cmd-0042"),
        domain: named("isp"),
        at: at(6),
        by: Arc::from("noc"),
        action,
    }
}

pub(super) fn scope() -> Scope {
    Scope {
        services: BTreeSet::from([named("internet")]),
        regions: BTreeSet::from([named("IR-23")]),
        products: BTreeSet::new(),
        elements: BTreeSet::from([named("olt-teh-5")]),
        cells: BTreeSet::from([cell("872cf5905ffffff")]),
        customers_estimated: Some(4_200),
    }
}

pub(super) fn incident() -> Incident {
    Incident {
        id: named("inc_7k2m4q9x1c8v5b3n"),
        revision: 3,
        domain: named("isp"),
        state: IncidentState::Confirmed,
        reopened: 1,
        phase: Some(IncidentPhase::Mitigating),
        severity: Severity::Moderate,
        kind: IncidentKind::Degradation,
        work: None,
        scope: scope(),
        probability: Probability::ONE,
        contributions: Vec::new(),
        opened_at: at(2),
        at: at(6),
        onset_predicted: Some(at(7)),
        onset_interval: Some((at(5), at(12))),
        onset_observed: Some(at(6)),
        resolved_at: None,
        evidence: vec![Evidence {
            anomaly: named("ano_5h2k9c0q7m3xw8dz"),
            series: series(),
            channel: Channel::Shift,
            from: at(0),
            at: at(6),
            observed: 1.2,
            expected: 0.18,
            band: band(),
            score: Score::clamped(9.1),
            weight: 0.8,
            active: true,
            log_odds: Some(2.4),
            muted_by: None,
        }],
        causes: vec![Cause {
            node: Arc::from("olt-teh-5"),
            path: vec![Arc::from("olt-teh-5"), Arc::from("internet")],
            share: 0.7,
        }],
        dimensions: vec![Dimension {
            label: Arc::from("version"),
            values: vec![Arc::from("2.1")],
            metric: Arc::from("cell.packet_loss"),
            abnormal_with: 3,
            abnormal: 3,
            series_with: 4,
            series: 40,
        }],
        paging: vec![Page {
            team: "access-network".into(),
            decision: PageDecision::Paged,
            at: at(2),
            why: "page 1 of 5 in 24 hours".into(),
        }],
        storm: false,
        parent: Some(named("inc_1f5h9k2m6q0t4w8z")),
        merged_into: None,
        split_from: None,
        adjustment: Some(adjustment()),
        remedies: vec![failed_remedy()],
        silenced: Some(Silenced {
            id: named("cmd-0042"),
            until: at(120),
            by: Arc::from("noc"),
            reason: remark("the rack is moved, CHG-4711"),
        }),
        responsibility: Responsibility::Unknown,
        acknowledged: Some(Acknowledgement {
            at: at(6),
            by: Arc::from("noc"),
        }),
        eta: Some(at(60)),
        steps: vec![RepairStep {
            at: at(20),
            code: Arc::from("team_on_site"),
        }],
        problem: None,
        reason: "p99 of internet in IR-23 passed the customers' threshold".to_owned(),
        version: Arc::from("correlate-1"),
        settings: Arc::from("3f9c2a71"),
        lineage: lineage(),
        simulated: false,
    }
}

fn adjustment() -> Adjustment {
    Adjustment {
        verdict: Verdict::Expected,
        at: at(30),
        until: at(30 + 30 * 1_440),
        prior: 0.0,
        daily: Some(DayPart {
            from: 3_600,
            to: 18_000,
        }),
        exceptions: vec![Exception {
            metric: Arc::from("cell.packet_loss"),
            series: None,
            channel: None,
            direction: Direction::Up,
            score_max: None,
            value_min: None,
            value_max: Some(1.3),
        }],
    }
}

fn failed_remedy() -> Remedy {
    Remedy {
        rule: named("restart-edge"),
        label: remark("restarts the edge pool of the region"),
        mode: RemedyMode::Run,
        dry_run: false,
        digest: Arc::from("5a0c1e9b77d34f20"),
        stage: RemedyStage::Failed,
        revision: 3,
        at: at(6),
        by: Arc::from("remedy runner"),
        until: None,
        approved: Some(Acknowledgement {
            at: at(5),
            by: Arc::from("noc"),
        }),
        outcome: Some(RemedyOutcome::Server),
        status: Some(503),
        why: "called and not taken: server (HTTP 503)".to_owned(),
    }
}

/// Planned work that is to come.
pub(super) fn planned() -> Incident {
    Incident {
        id: named("inc_3b8d1f6k0p5s9v2x"),
        revision: 1,
        state: IncidentState::Predicted,
        reopened: 0,
        phase: None,
        severity: Severity::Minor,
        kind: IncidentKind::Planned,
        work: Some(PlannedWork {
            stage: WorkStage::Announced,
            starts_at: at(2_880),
            ends_at: at(3_000),
            label: remark("fibre is spliced, CHG-4712"),
            by: Arc::from("core-network"),
        }),
        opened_at: at(6),
        onset_predicted: Some(at(2_880)),
        onset_interval: None,
        onset_observed: None,
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
        responsibility: Responsibility::Planned,
        acknowledged: None,
        eta: Some(at(3_000)),
        steps: Vec::new(),
        reason: "internet in IR-23: planned work from 2026-11-24 to 2026-11-24, announced by core-network"
            .to_owned(),
        ..incident()
    }
}

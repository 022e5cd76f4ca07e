//! Each set of faults: who answers, and which groups are scored.

use std::path::Path;

use anyhow::Result;
use forecall_incident::cause::{CauseTunables, Measure, Trouble, rank};

use crate::asked::{Answer, Asked, is_hit};
use crate::files::REMEDY;
use crate::lead::Lead;
use crate::method::{FORECALL, Method, OF_PODS, OF_SERVICES};
use crate::simulated::{Kind, cases};
use crate::table::Table;
use crate::{faults, nezha as recorded_pods, petshop as recorded_shop, rivals};

/// Where the most frequent cause is learnt by the constant answer.
const LEARNT_FROM: &str = "train";

/// Told of recordings only: the simulated nodes know no quantile.
const BY_QUANTILE: &str = "– alarm by";

/// What is told in the end.
#[derive(Default)]
pub(crate) struct Report {
    tables: Vec<Table>,
    notes: Vec<String>,
    /// forecall's answers to the issues of PetShop and the faults of Nezha.
    results: Vec<(String, Answer)>,
    pods: Vec<(String, Answer)>,
    misses: String,
    pub(crate) lead: Option<Lead>,
    faults: Option<(String, serde_json::Value)>,
}

impl Report {
    pub(crate) fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    pub(crate) fn text(&self) -> String {
        let mut text: String = self.tables.iter().map(Table::text).collect();
        if !self.tables.is_empty() {
            text.push_str(
                "\nIn brackets: Wilson's interval, 95 %. top-k: all causes of a fault are among the first k.\n",
            );
        }
        if let Some((told, _)) = &self.faults {
            text.push_str(told);
        }
        if let Some(lead) = &self.lead {
            text.push_str(&lead.text);
        }
        for note in &self.notes {
            text.push_str(&format!("{note}\n"));
        }
        text + &self.misses
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let told = |answers: &[(String, Answer)]| -> Vec<serde_json::Value> {
            answers
                .iter()
                .map(|(issue, candidates)| serde_json::json!({"issue": issue, "candidates": candidates}))
                .collect()
        };
        serde_json::json!({
            "results": told(&self.results),
            "pods": told(&self.pods),
            "tables": self.tables.iter().map(Table::json).collect::<Vec<_>>(),
            "lead": self.lead.as_ref().map(|lead| &lead.json),
            "faults": self.faults.as_ref().map(|(_, json)| json),
            "notes": self.notes,
        })
    }

    /// Faults whose causes aren't first, with forecall's suspects before them.
    pub(crate) fn misses(&mut self, all: &[Asked]) {
        for asked in all.iter().filter(|asked| !asked.truth.is_empty()) {
            let Ok(ranking) = rank(&asked.case, &CauseTunables::default()) else {
                continue;
            };
            let answer: Answer = ranking.suspects.iter().map(|one| one.node.to_string()).collect();
            if is_hit(asked, &answer, asked.truth.len()) {
                continue;
            }
            self.misses.push_str(&format!(
                "\n{} {:?} {}: {:?}\n",
                asked.id,
                asked.case.alarm.trouble,
                asked.groups.join(" "),
                asked.truth
            ));
            for one in ranking.suspects.iter().take(6) {
                self.misses.push_str(&format!(
                    "  {:?} {}: share {:.2}, own {:.3}, z {:.1}, {:?}\n",
                    one.tier, one.node, one.share, one.own, one.z, one.measure
                ));
            }
        }
    }
}

fn answers<'a>(method: &Method, all: &'a [Asked]) -> Vec<(&'a Asked, Answer)> {
    all.iter()
        .map(|asked| (asked, (method.answer)(&asked.case)))
        .collect()
}

fn told(all: &[Asked]) -> Vec<(String, Answer)> {
    answers(&FORECALL, all)
        .into_iter()
        .map(|(asked, answer)| (asked.id.clone(), answer))
        .collect()
}

/// The same recordings through detection and correlation. What can't be put to them is said, and hinders no ranking.
pub(crate) fn faults(all: &[Asked], report: &mut Report) {
    match faults::table(all) {
        Ok(table) => report.faults = Some(table),
        Err(error) => report.note(&format!(
            "PetShop's faults can't be put to the whole way: {error:#}"
        )),
    }
}

pub(crate) fn petshop(data: &Path, report: &mut Report) -> Result<Vec<Asked>> {
    let (all, notes) = recorded_shop::read(data)?;
    for note in notes {
        report.note(&note);
    }
    let mut table = Table::new("PetShop", &[1, 3]);
    let mut groups: Vec<&str> = Vec::new();
    for group in all.iter().flat_map(|asked| &asked.groups) {
        if !groups.contains(&group.as_str()) {
            groups.push(group);
        }
    }
    groups.sort_unstable();
    let mut columns: Vec<(String, Vec<(&Asked, Answer)>)> = OF_SERVICES
        .iter()
        .map(|method| (method.name.to_owned(), answers(method, &all)))
        .collect();
    let learnt = all
        .iter()
        .filter(|asked| asked.groups.iter().any(|group| group == LEARNT_FROM));
    if let Some(constant) = rivals::constant(learnt) {
        let same = all.iter().map(|asked| (asked, constant.clone())).collect();
        columns.push((format!("always {}", constant.join(", ")), same));
    }
    for (name, answered) in &columns {
        table.add("all", name, answered, |_| true);
    }
    for group in groups {
        for (name, answered) in &columns {
            table.add(group, name, answered, |asked| {
                asked.groups.iter().any(|g| g == group)
            });
        }
    }
    report.tables.push(table);
    report.tables.push(other_alarms(&all));
    report.results = told(&all);
    Ok(all)
}

/// The same faults as others see them: alarms of those who call the cause, where the alarm wasn't theirs.
fn other_alarms(all: &[Asked]) -> Table {
    let mut moved = Vec::new();
    for asked in all {
        let measure = match asked.case.alarm.trouble {
            Trouble::Latency(statistic) => Measure::Latency(statistic),
            Trouble::Failures => Measure::FailedShare,
        };
        for call in asked
            .case
            .calls
            .iter()
            .filter(|call| asked.truth.contains(&*call.callee))
        {
            let is_measured = asked.case.nodes.iter().any(|node| {
                node.name == call.caller && node.tracks.iter().any(|track| track.measure == measure)
            });
            if is_measured && call.caller != asked.case.alarm.node {
                let mut asked = asked.clone();
                asked.case.alarm.node = call.caller.clone();
                moved.push(asked);
            }
        }
    }
    let mut table = Table::new("PetShop, alarms of the cause's other callers", &[1, 3]);
    for method in &OF_SERVICES {
        table.add("all", method.name, &answers(method, &moved), |_| true);
    }
    table
}

pub(crate) fn nezha(data: &Path, report: &mut Report) -> Result<Vec<Asked>> {
    let all = recorded_pods::read(data)?;
    let mut table = Table::new("Nezha, metrics only", &[1, 3, 5]);
    let columns: Vec<(&str, Vec<(&Asked, Answer)>)> = OF_PODS
        .iter()
        .map(|method| (method.name, answers(method, &all)))
        .collect();
    for system in ["Online Boutique", "Train Ticket"] {
        let mut kinds: Vec<&str> = all
            .iter()
            .filter(|asked| asked.groups.iter().any(|group| group == system))
            .filter_map(|asked| asked.groups.last().map(String::as_str))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.is_empty() {
            report.note(&format!("Nezha: {system} isn't there and is left out: {REMEDY}"));
            continue;
        }
        for (name, answered) in &columns {
            table.add(system, name, answered, |asked| {
                asked.groups.iter().any(|g| g == system)
            });
        }
        for kind in kinds {
            for (name, answered) in &columns {
                let group = format!("{system}: {kind}");
                table.add(&group, name, answered, |asked| asked.groups == [system, kind]);
            }
        }
    }
    report.tables.push(table);
    report.pods = told(&all);
    Ok(all)
}

pub(crate) fn simulated(count: usize, seed: u64, report: &mut Report) -> Vec<Asked> {
    let mut everything = Vec::new();
    for (kind, title, tops) in [
        (Kind::Two, "Simulated: two causes at once", [2, 3]),
        (Kind::One, "Simulated: one cause", [1, 3]),
        (Kind::Front, "Simulated: the alarmed node is the cause", [1, 3]),
    ] {
        let all = cases(kind, count, seed);
        let mut table = Table::new(title, &tops);
        let columns: Vec<(&str, Vec<(&Asked, Answer)>)> = OF_SERVICES
            .iter()
            .filter(|method| !method.name.starts_with(BY_QUANTILE))
            .map(|method| (method.name, answers(method, &all)))
            .collect();
        for group in ["all", "latency", "failures", "with a decoy"] {
            for (name, answered) in &columns {
                let chosen = |asked: &Asked| group == "all" || asked.groups.iter().any(|g| g == group);
                table.add(group, name, answered, chosen);
            }
        }
        report.tables.push(table);
        everything.extend(all);
    }
    everything
}

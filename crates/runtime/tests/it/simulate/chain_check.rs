//! What must have come of the whole chain: outreach's log alone says what had to happen, made again here without any host; the
//! ledger, the topics and the gateways' own book must agree with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_ledger::{AuditVerdict, Ledger, Prefer, StaleRules};
use forecall_log::{InProcess, Log, TopicPartition};
use forecall_outreach::{OutreachInput, OutreachOutput, OutreachStage};
use forecall_sim::fault::{MUTE, Taken};
use forecall_stage::{Checkpoint, Effects, Stage};
use forecall_types::{
    ContactChannel, CustomerId, Intent, IntentId, IntentState, Notice, NoticeId, NoticeState, OutreachEntry,
    Receipt,
};
use forecall_wire::event::{
    DeadLetterRead, decode_outreach_entry, encode_call_forecast, encode_notice, encode_notice_state,
};

use super::chain::Chain;
use super::chain_input::LOG;
use super::difference::same;
use super::house_read::{DEAD, all, read, text};

const NOTICES: &str = "forecall.notices.v1";
const STATES: &str = "forecall.notices.state.v1";
const FORECASTS: &str = "forecall.call-forecasts.v1";

/// What outreach's log comes to.
#[derive(Default)]
struct Made {
    intents: BTreeMap<IntentId, Intent>,
    /// Receipts of each intent, in order.
    receipts: BTreeMap<IntentId, Vec<IntentState>>,
    /// By topic and key: the values, in order.
    published: Published,
    unreadable: BTreeSet<String>,
}

type Published = BTreeMap<(&'static str, String), Vec<String>>;

pub(crate) fn check(chain: &Chain) -> Result<(), String> {
    let ledger = chain.ledger();
    let made = made(chain, &ledger)?;
    published_once(chain.log(), &made.published)?;
    letters_once(chain.log(), &made.unreadable)?;
    let ends = everyone_has_an_end(&made, &ledger)?;
    told_once(&made, &ends, &chain.book.taken(), &ledger)?;
    match ledger.verify_audit().unwrap() {
        AuditVerdict::Whole { .. } => Ok(()),
        broken => Err(format!("the audit chain: {broken:?}")),
    }
}

fn made(chain: &Chain, ledger: &Ledger) -> Result<Made, String> {
    let mut made = Made::default();
    for partition in 0..2 {
        let place = TopicPartition::new(LOG, partition);
        let records = read(chain.log(), LOG, partition);
        let mut stage = OutreachStage::new(Arc::clone(&chain.settings.outreach));
        let mut effects = Effects::default();
        let count = u64::try_from(records.len()).unwrap();
        let mut letters = 0;
        for record in records {
            let value = record.value.unwrap_or_default();
            let Ok(entry) = decode_outreach_entry(&record.headers, &value) else {
                letters += 1;
                made.unreadable.insert(record.position.to_string());
                continue;
            };
            if let OutreachEntry::Receipt(receipt) = &entry {
                made.receipt(receipt);
            }
            let input = OutreachInput {
                position: record.position,
                entry,
            };
            stage.step(&input, &mut effects);
        }
        effects.drain().0.for_each(|output| made.output(output));
        let Some(position) = ledger.position(&place).unwrap() else {
            if count == 0 {
                continue;
            }
            return Err(format!("{place}: no position in the ledger"));
        };
        let point: Checkpoint = position.checkpoint.parse().map_err(|e| format!("{e}"))?;
        let is_whole = u64::try_from(position.next_offset) == Ok(count);
        if !is_whole || point.counts.records != count || point.counts.dead_letters != letters {
            return Err(format!(
                "{place}: {count} records with {letters} unreadable, the ledger stands at {} with {:?}",
                position.next_offset, point.counts
            ));
        }
    }
    Ok(made)
}

impl Made {
    fn receipt(&mut self, receipt: &Receipt) {
        let states = self.receipts.entry(receipt.intent.clone()).or_default();
        states.push(receipt.state);
    }

    fn output(&mut self, output: OutreachOutput) {
        match output {
            OutreachOutput::Notice(notice) => self.notice(&notice),
            OutreachOutput::Intent(intent) | OutreachOutput::Answer { intent, .. } => {
                self.intents.insert(intent.id.clone(), intent);
            }
            OutreachOutput::Forecast(forecast) => {
                let event = encode_call_forecast(&forecast).unwrap();
                self.put(FORECASTS, &event.key, text(&event.value));
            }
            OutreachOutput::CancelIntents { .. }
            | OutreachOutput::Incident(_)
            | OutreachOutput::Withheld(_)
            | OutreachOutput::Kill { .. }
            | OutreachOutput::StillDown(_) => {}
        }
    }

    fn notice(&mut self, notice: &Notice) {
        let event = encode_notice(notice).unwrap();
        self.put(NOTICES, &event.key, text(&event.value));
        let state = encode_notice_state(notice).unwrap();
        self.put(STATES, &state.key, text(&state.value));
        if matches!(
            notice.state,
            NoticeState::Suppressed | NoticeState::Delivered | NoticeState::Retracted
        ) {
            self.put(STATES, &state.key, String::new());
        }
    }

    fn put(&mut self, topic: &'static str, key: &[u8], value: String) {
        self.published.entry((topic, text(key))).or_default().push(value);
    }
}

/// The outbox is on its topics: each record once, in order of its key.
fn published_once(log: &InProcess, wanted: &Published) -> Result<(), String> {
    let mut found = Published::new();
    for topic in [NOTICES, STATES, FORECASTS] {
        for partition in 0..i32::try_from(log.bounds(topic).unwrap().len()).unwrap() {
            let place = TopicPartition::new(topic, partition);
            log.read(&place, 0, &mut |r| {
                let key = (topic, text(r.key.unwrap_or_default()));
                let value = r.value.map(text).unwrap_or_default();
                found.entry(key).or_default().push(value);
            })
            .unwrap();
        }
    }
    let keys: BTreeSet<_> = found.keys().chain(wanted.keys()).collect();
    for key in keys {
        let list = |of: &Published| of.get(key).cloned().unwrap_or_default();
        same(&format!("{} of {}", key.0, key.1), &list(&found), &list(wanted))?;
    }
    Ok(())
}

/// What outreach couldn't read is a dead letter once.
fn letters_once(log: &InProcess, wanted: &BTreeSet<String>) -> Result<(), String> {
    let mut found: Vec<String> = all(log, DEAD)
        .into_iter()
        .map(|r| {
            DeadLetterRead::decode(&r.headers, &r.value.unwrap())
                .unwrap()
                .position
        })
        .map(|position| position.to_string())
        .filter(|place| place.starts_with(LOG))
        .collect();
    found.sort();
    let wanted: Vec<String> = wanted.iter().cloned().collect();
    same("dead letters of outreach's log", &found, &wanted)
}

const fn is_end(state: IntentState) -> bool {
    !matches!(state, IntentState::Planned | IntentState::Sending)
}

/// Every message planned has come to an end, its receipts say which, and the ledger says the same.
fn everyone_has_an_end(made: &Made, ledger: &Ledger) -> Result<BTreeMap<IntentId, IntentState>, String> {
    let mut ends = BTreeMap::new();
    let mut counts: BTreeMap<(ContactChannel, IntentState), u64> = BTreeMap::new();
    for (id, intent) in &made.intents {
        let states = made.receipts.get(id).map(Vec::as_slice).unwrap_or_default();
        let Some(last) = states.last().copied().filter(|state| is_end(*state)) else {
            return Err(format!("{id}: left without an end, receipts {states:?}"));
        };
        let steps = states.windows(2).filter_map(|w| Some((*w.first()?, *w.last()?)));
        for (from, to) in steps {
            if !forecall_ledger::may_move(from, to) {
                return Err(format!("{id}: receipts {states:?}"));
            }
        }
        *counts.entry((intent.channel, last)).or_default() += 1;
        ends.insert(id.clone(), last);
    }
    if let Some(id) = made.receipts.keys().find(|id| !made.intents.contains_key(*id)) {
        return Err(format!("{id}: a receipt of what was never planned"));
    }
    let stored = ledger.intent_counts().unwrap();
    if stored != counts {
        return Err(format!("the ledger says {stored:?}, the receipts {counts:?}"));
    }
    Ok(ends)
}

/// How often the ledger's audit says of an intent that it goes again although it may have gone already.
fn doubts(ledger: &Ledger) -> BTreeMap<String, u64> {
    let mut doubts = BTreeMap::new();
    ledger
        .read_audit(&mut |entry| {
            let field = |name: &str| entry.get(name).and_then(|v| v.as_str());
            let is_doubt = field("kind") == Some("planned")
                && matches!(field("reason"), Some(reason) if reason == MUTE || reason == "lease_ran_out");
            if let Some(intent) = field("intent").filter(|_| is_doubt) {
                *doubts.entry(intent.to_owned()).or_default() += 1;
            }
        })
        .unwrap();
    doubts
}

/// Nobody hears a notice twice but where the channel's rule says so and the ledger has noted the doubt; who is said to have been
/// told was, who is said not to have been wasn't.
fn told_once(
    made: &Made,
    ends: &BTreeMap<IntentId, IntentState>,
    taken: &[Taken],
    ledger: &Ledger,
) -> Result<(), String> {
    let mut told: BTreeMap<(&CustomerId, &NoticeId), Vec<&Taken>> = BTreeMap::new();
    let mut of: BTreeMap<&IntentId, u64> = BTreeMap::new();
    for one in taken {
        if !made.intents.contains_key(&one.intent) {
            return Err(format!("{}: sent, and never planned", one.intent));
        }
        told.entry((&one.customer, &one.notice)).or_default().push(one);
        *of.entry(&one.intent).or_default() += 1;
    }
    let doubts = doubts(ledger);
    for ((customer, notice), times) in &told {
        let Some((first, again)) = times.split_first().filter(|(_, again)| !again.is_empty()) else {
            continue;
        };
        let is_allowed = again.iter().all(|t| t.intent == first.intent)
            && StaleRules::default().of(first.channel) == Prefer::Double
            && doubts.get(first.intent.as_str()).copied().unwrap_or(0) >= again.len() as u64;
        if !is_allowed {
            return Err(format!(
                "{customer} was told {notice} {} times: {times:?}",
                times.len()
            ));
        }
    }
    for (id, end) in ends {
        let was_told = of.contains_key(id);
        let is_true = match end {
            IntentState::Accepted | IntentState::Delivered => was_told,
            IntentState::Failed => !was_told,
            IntentState::Unknown | IntentState::Planned | IntentState::Sending => true,
        };
        if !is_true {
            return Err(format!(
                "{id}: it is said to be {}, told: {was_told}",
                end.as_str()
            ));
        }
    }
    Ok(())
}

//! What is written beside the page.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{ALPHA, Avoided, Findings, HELD_OUT_CONTACTS_MIN, Law, Return};
use crate::calls::sheet::field;

const HEADER: &str = "incident,month,window_seconds,told,told_with_contact,told_contacts,held_out,held_out_with_contact,held_out_contacts,unmatched,\
told_later,held_out_later,told_opt_outs,held_out_opt_outs,told_complaints,held_out_complaints,reduction,reduction_low,reduction_high,avoided,avoided_low,\
avoided_high,so_far_low,so_far_high,so_far_verdict,messages,compensation,return,return_low,return_high";

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.4}"))
}

/// A row for each incident; a cell that isn't known is empty.
pub(super) fn csv(found: &Findings) -> String {
    let mut text = format!("{HEADER}\n");
    let rows = found
        .measured
        .incidents
        .iter()
        .zip(&found.own)
        .zip(&found.looks)
        .zip(&found.avoided.incidents);
    for (((one, own), look), avoided) in rows {
        let c = &one.counts;
        let window = c.window.map_or_else(String::new, |w| w.as_secs().to_string());
        let _ = write!(text, "{},{},{window}", field(&c.incident), one.month);
        for arm in [&c.told, &c.held_out] {
            let _ = write!(text, ",{},{},{}", arm.people, arm.with_contact, arm.contacts);
        }
        let _ = write!(text, ",{},{},{}", c.unmatched, c.told.later, c.held_out.later);
        let _ = write!(text, ",{},{}", c.told.opt_outs, c.held_out.opt_outs);
        let _ = write!(text, ",{},{}", c.told.complaints, c.held_out.complaints);
        let [low, _, high] = own.quantiles;
        for value in [own.mean, low, high, avoided.mean, avoided.low, avoided.high] {
            let _ = write!(text, ",{value:.4}");
        }
        let _ = write!(
            text,
            ",{},{},{}",
            number(look.interval.low),
            number(look.interval.high),
            look.verdict.name()
        );
        let _ = write!(text, ",{},{}", one.spent.messages, one.spent.compensation);
        let money = found.money(*avoided, std::iter::once(one)).map(|m| m.all);
        for value in [money.map(|m| m.mean), money.map(|m| m.low), money.map(|m| m.high)] {
            let _ = write!(text, ",{}", number(value));
        }
        text.push('\n');
    }
    text
}

fn law(law: &Law) -> Value {
    let [low, median, high] = law.quantiles;
    json!({ "mean": law.mean, "median": median, "low_95": low, "high_95": high })
}

fn avoided(avoided: &Avoided) -> Value {
    json!({ "mean": avoided.mean, "low_95": avoided.low, "high_95": avoided.high })
}

fn money(money: Option<Return>) -> Value {
    money.map_or(Value::Null, |m| {
        json!({
            "messages": m.messages, "compensation": m.compensation, "agent_minutes_avoided": avoided(&m.agent_minutes),
            "return_of_notices": avoided(&m.notices), "return_less_compensation": avoided(&m.all),
        })
    })
}

/// All figures. A reduction is a share; negative: more contacts. What isn't known is null.
pub(super) fn json(found: &Findings) -> Value {
    let r = &found.reading;
    let sum = |of: &dyn Fn(&super::Incident) -> u64| found.measured.incidents.iter().map(of).sum::<u64>();
    let months: Vec<Value> = found
        .avoided
        .groups
        .iter()
        .map(|(month, own)| {
            let of = found.measured.incidents.iter().filter(|one| one.month == *month);
            json!({ "month": month, "incidents": of.clone().count(), "avoided": avoided(own), "money": money(found.money(*own, of)) })
        })
        .collect();
    let segments: Vec<Value> = found
        .segments
        .iter()
        .flat_map(|(dimension, all)| {
            all.iter().map(move |(segment, own)| {
                json!({
                    "dimension": dimension, "segment": segment, "told": own.arms.told, "held_out": own.arms.held_out,
                    "told_with_contact": own.arms.told_contacts, "held_out_with_contact": own.arms.held_out_contacts,
                    "reduction": law(&own.reduction), "enough_by_itself": own.is_enough,
                })
            })
        })
        .collect();
    json!({
        "estimand": "people with a contact from the assignment to the hold-out's release, told against held out, as assigned",
        "verdict": r.verdict.name(),
        "held_out_contacts_needed": HELD_OUT_CONTACTS_MIN,
        "incidents": r.incidents,
        "told": r.arms.told, "told_with_contact": r.arms.told_contacts,
        "held_out": r.arms.held_out, "held_out_with_contact": r.arms.held_out_contacts,
        "reduction": law(&r.reduction),
        "reduction_next_incident": law(&r.next_incident),
        "always_valid": { "low": r.always_valid.low, "high": r.always_valid.high, "chance_ever_wrong_at_most": ALPHA },
        "incidents_differ_by": r.spread,
        "dispersion": found.dispersion,
        "avoided": found.avoided.all.as_ref().map(avoided),
        "money": money(found.avoided.all.and_then(|all| found.money(all, found.measured.incidents.iter()))),
        "messages_counted": found.measured.is_spent_given,
        "months": months,
        "unmatched": sum(&|i| i.counts.unmatched),
        "elsewhere": found.measured.elsewhere,
        "later": { "told": sum(&|i| i.counts.told.later), "held_out": sum(&|i| i.counts.held_out.later) },
        "opt_outs": { "told": sum(&|i| i.counts.told.opt_outs), "held_out": sum(&|i| i.counts.held_out.opt_outs) },
        "complaints": { "told": sum(&|i| i.counts.told.complaints), "held_out": sum(&|i| i.counts.held_out.complaints) },
        "segments": segments,
    })
}

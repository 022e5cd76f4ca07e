//! Who isn't told, by name: said once, said again where it changes, and never of what keeps a whole notice back.

use std::collections::BTreeSet;

use forecall_types::*;

use crate::world::{Run, customer, incident, minute, settings};

const SMS: ContactChannel = ContactChannel::Sms;

fn refuses(name: &str) -> Customer {
    Customer {
        consents: BTreeSet::new(),
        ..customer(name, &[SMS])
    }
}

fn confirmed(revision: u32, n: i64) -> OutreachEntry {
    OutreachEntry::Incident(Box::new(IncidentEvent {
        change: if revision == 1 {
            IncidentChange::Confirmed
        } else {
            IncidentChange::Updated
        },
        incident: Incident {
            eta: Some(minute(300 + n)),
            ..incident(IncidentState::Confirmed, revision, minute(n))
        },
    }))
}

fn read(run: &Run) -> Vec<String> {
    let line = |w: &Withheld| {
        let names: Vec<&str> = w.customers.iter().map(|c| c.as_str()).collect();
        format!("{} {}", w.reason.as_str(), names.join(" "))
    };
    run.withheld.iter().map(line).collect()
}

#[test]
fn who_is_not_told_is_named_once_and_again_where_it_changes() {
    let mut run = Run::new(settings(|_| {}));
    run.customers(&[
        customer("ali", &[SMS]),
        refuses("bita"),
        customer("mail", &[ContactChannel::Email]),
    ]);
    run.feed(confirmed(1, 40));
    // Mail needs what has failed.
    assert_eq!(read(&run), ["unreachable cus_mail", "no_consent cus_bita"]);
    for n in 41..44 {
        run.feed(OutreachEntry::Tick(Tick { at: minute(n) }));
    }
    assert_eq!(run.withheld.len(), 2, "nothing has changed");
    run.customers(&[refuses("cara")]);
    run.feed(confirmed(2, 44));
    let again = read(&run).split_off(2);
    assert!(
        again.contains(&"no_consent cus_bita cus_cara".to_owned()),
        "{again:?}"
    );
    let of: BTreeSet<&NoticeId> = run.withheld.iter().map(|w| &w.notice).collect();
    assert!(of.iter().all(|id| run.notices.contains_key(id)));
}

#[test]
fn what_keeps_a_whole_notice_back_is_not_said_of_each() {
    let mut run = Run::new(settings(|s| s.approval.reach_above = 0));
    run.customers(&[customer("ali", &[SMS]), refuses("bita")]);
    run.feed(confirmed(1, 40));
    assert!(run.withheld.is_empty());
    let notice = run.notices.values().next().unwrap();
    assert_eq!(notice.withheld.get(&HoldReason::Approval), Some(&2));
}

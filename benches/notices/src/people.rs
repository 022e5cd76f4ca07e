//! Whom the benchmark tells, and of what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use forecall_ledger::{DirectoryRow, Secret};
use forecall_types::{
    ContactChannel, Customer, CustomerId, DomainName, EventTime, Incident, IncidentId, IncidentKind,
    IncidentState, Intent, Language, Lineage, NoticeText, Probability, Purpose, RegionCode, Responsibility,
    Scope, ServiceName, Severity,
};

pub(crate) fn domain() -> Result<DomainName> {
    Ok(DomainName::new("isp")?)
}

pub(crate) fn customer_id(number: usize) -> Result<CustomerId> {
    Ok(CustomerId::new(&format!("cus_{number:07}"))?)
}

/// The `number`th person, of this region, with a number for text messages alone.
pub(crate) fn person(number: usize, region: &str, at: EventTime) -> Result<DirectoryRow> {
    Ok(DirectoryRow {
        customer: Customer {
            id: customer_id(number)?,
            domain: domain()?,
            region: RegionCode::new(region)?,
            place: None,
            served_by: BTreeSet::new(),
            services: BTreeSet::from([ServiceName::new("internet")?]),
            language: Language::Fa,
            channels: vec![ContactChannel::Sms],
            consents: BTreeSet::from([Purpose::ServiceNotice]),
            priority: false,
            at,
        },
        name: None,
        addresses: BTreeMap::from([(ContactChannel::Sms, Secret::new(format!("+98912{number:07}")))]),
    })
}

/// An outage of a region that customers feel now.
pub(crate) fn outage(number: usize, region: &str, at: EventTime) -> Result<Incident> {
    Ok(Incident {
        id: IncidentId::new(&format!("inc_{number}"))?,
        revision: 1,
        domain: domain()?,
        state: IncidentState::Confirmed,
        reopened: 0,
        phase: None,
        severity: Severity::Severe,
        kind: IncidentKind::Outage,
        work: None,
        scope: Scope {
            services: BTreeSet::from([ServiceName::new("internet")?]),
            regions: BTreeSet::from([RegionCode::new(region)?]),
            ..Scope::default()
        },
        probability: Probability::ONE,
        contributions: Vec::new(),
        opened_at: at,
        at,
        onset_predicted: None,
        onset_interval: None,
        onset_observed: Some(at),
        resolved_at: None,
        evidence: Vec::new(),
        causes: Vec::new(),
        dimensions: Vec::new(),
        paging: Vec::new(),
        silenced: None,
        storm: false,
        parent: None,
        merged_into: None,
        responsibility: Responsibility::Own,
        acknowledged: None,
        eta: None,
        steps: Vec::new(),
        remedies: Vec::new(),
        problem: None,
        reason: String::new(),
        version: Arc::from("1"),
        settings: Arc::from(""),
        lineage: Lineage::default(),
        simulated: false,
    })
}

/// The message to the `number`th person, where no outreach makes it.
pub(crate) fn intent(number: usize, at: EventTime) -> Result<Intent> {
    Ok(Intent {
        id: format!("int_{number:07}").parse()?,
        notice: "ntc_1".parse()?,
        incident: "inc_1".parse()?,
        domain: domain()?,
        customer: customer_id(number)?,
        channel: ContactChannel::Sms,
        language: Language::Fa,
        at,
        expires_at: Some(at.plus(std::time::Duration::from_secs(6 * 3_600))),
        corrects: false,
    })
}

/// A stock text of one part.
pub(crate) fn text() -> NoticeText {
    NoticeText {
        language: Language::Fa,
        channel: ContactChannel::Sms,
        subject: None,
        body: "فراتل: اینترنت در تهران مختل است. خبر بعد تا ۱۵:۳۰".to_owned(),
        parts: 1,
    }
}

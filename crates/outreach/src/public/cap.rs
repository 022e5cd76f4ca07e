//! One notice as an alert of the Common Alerting Protocol 1.2. Elements stand in the order of its schema.

use forecall_types::{EventTime, IncidentKind, Language, NoticeStage, RegionCode, Severity};

use super::moment::moment;
use super::xml::Xml;
use super::{Frame, PublicNotice, words};
use crate::settings::{OutreachSettings, Zone};
use crate::words::any_area;

const NAMESPACE: &str = "urn:oasis:names:tc:emergency:cap:1.2";
/// A closing is news so long.
const CLOSING_EXPIRES: std::time::Duration = std::time::Duration::from_secs(12 * 3600);

/// What a message does to those before it.
const fn message_type(stage: NoticeStage, is_first: bool) -> &'static str {
    match stage {
        NoticeStage::Retraction | NoticeStage::AllClear | NoticeStage::Averted => "Cancel",
        NoticeStage::Predicted
        | NoticeStage::Confirmed
        | NoticeStage::Progress
        | NoticeStage::EtaChanged
        | NoticeStage::Resolved => {
            if is_first {
                "Alert"
            } else {
                "Update"
            }
        }
    }
}

const fn is_closing(stage: NoticeStage) -> bool {
    match stage {
        NoticeStage::Resolved | NoticeStage::AllClear | NoticeStage::Averted | NoticeStage::Retraction => {
            true
        }
        NoticeStage::Predicted | NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged => {
            false
        }
    }
}

/// How soon one should act: within the hour is `Expected`.
fn urgency(of: &PublicNotice<'_>) -> &'static str {
    match of.notice.stage {
        NoticeStage::Predicted => match of.incident.onset_predicted {
            Some(onset) if onset.since(of.out_at) > std::time::Duration::from_secs(3600) => "Future",
            Some(_) | None => "Expected",
        },
        NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged => "Immediate",
        NoticeStage::Resolved | NoticeStage::AllClear | NoticeStage::Averted | NoticeStage::Retraction => {
            "Past"
        }
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Minor => "Minor",
        Severity::Moderate => "Moderate",
        Severity::Severe => "Severe",
        Severity::Extreme => "Extreme",
    }
}

fn certainty(of: &PublicNotice<'_>) -> &'static str {
    match of.notice.stage {
        NoticeStage::Predicted if of.incident.probability.get() > 0.5 => "Likely",
        NoticeStage::Predicted => "Possible",
        NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged | NoticeStage::Resolved => {
            "Observed"
        }
        NoticeStage::AllClear | NoticeStage::Averted | NoticeStage::Retraction => "Unlikely",
    }
}

/// Kind of event, in words.
const fn event(kind: IncidentKind, language: Language) -> &'static str {
    match (kind, language) {
        (IncidentKind::Planned, Language::Fa) => "کار برنامه‌ریزی‌شده",
        (IncidentKind::Planned, Language::En) => "Planned work",
        (IncidentKind::Degradation | IncidentKind::Outage, Language::Fa) => "اختلال سرویس",
        (IncidentKind::Degradation | IncidentKind::Outage, Language::En) => "Service disruption",
    }
}

/// The tag of a language in alerts.
const fn tag(language: Language) -> &'static str {
    match language {
        Language::Fa => "fa-IR",
        Language::En => "en",
    }
}

/// The last of `thread`, a notice and those before it of the same incident that everybody may read, as an alert; `None` for an empty one.
pub fn cap(thread: &[PublicNotice<'_>], frame: &Frame<'_>, settings: &OutreachSettings) -> Option<String> {
    let (of, before) = thread.split_last()?;
    let zone = &settings.zone;
    let mut xml = Xml::new();
    xml.block("alert", &[("xmlns", NAMESPACE)], |xml| {
        xml.leaf("identifier", of.notice.id.as_str());
        xml.leaf("sender", frame.sender);
        xml.leaf("sent", &moment(of.out_at, zone));
        xml.leaf("status", if frame.exercise { "Exercise" } else { "Actual" });
        xml.leaf("msgType", message_type(of.notice.stage, before.is_empty()));
        xml.leaf("scope", "Public");
        if frame.exercise {
            xml.leaf(
                "note",
                "Exercise: nothing of this has happened. تمرین است و رخ نداده است.",
            );
        }
        if !before.is_empty() {
            let reference =
                |p: &PublicNotice<'_>| format!("{},{},{}", frame.sender, p.notice.id, moment(p.out_at, zone));
            let references: Vec<String> = before.iter().map(reference).collect();
            xml.leaf("references", &references.join(" "));
        }
        xml.leaf("incidents", of.incident.id.as_str());
        for language in Language::ALL {
            info(xml, of, language, frame, settings);
        }
    });
    Some(xml.finish())
}

fn info(
    xml: &mut Xml,
    of: &PublicNotice<'_>,
    language: Language,
    frame: &Frame<'_>,
    settings: &OutreachSettings,
) {
    let Some((headline, description)) = words(of.notice, language) else {
        return;
    };
    let zone = &settings.zone;
    xml.block("info", &[], |xml| {
        xml.leaf("language", tag(language));
        xml.leaf("category", "Infra");
        xml.leaf("event", event(of.incident.kind, language));
        if is_closing(of.notice.stage) {
            xml.leaf("responseType", "AllClear");
        }
        xml.leaf("urgency", urgency(of));
        xml.leaf("severity", severity(of.incident.severity));
        xml.leaf("certainty", certainty(of));
        xml.leaf("effective", &moment(of.out_at, zone));
        times(xml, of, zone);
        xml.leaf("senderName", settings.brand.name.get(language));
        if let Some(headline) = headline {
            xml.leaf("headline", headline);
        }
        xml.leaf("description", description);
        xml.leaf("web", settings.brand.page.as_deref().unwrap_or(frame.url));
        if let Some(phone) = &settings.brand.phone {
            xml.leaf("contact", phone);
        }
        let scope = &of.incident.scope;
        let is_part = !scope.elements.is_empty() || !scope.cells.is_empty();
        for region in &scope.regions {
            area(xml, region, is_part, language, settings);
        }
    });
}

fn times(xml: &mut Xml, of: &PublicNotice<'_>, zone: &Zone) {
    let (notice, incident) = (of.notice, of.incident);
    let onset = match notice.stage {
        NoticeStage::Predicted => incident.onset_predicted,
        NoticeStage::Confirmed
        | NoticeStage::Progress
        | NoticeStage::EtaChanged
        | NoticeStage::Resolved
        | NoticeStage::AllClear
        | NoticeStage::Averted
        | NoticeStage::Retraction => incident.onset_observed,
    };
    if let Some(onset) = onset {
        xml.leaf("onset", &moment(onset, zone));
    }
    let expires: Option<EventTime> = if is_closing(notice.stage) {
        Some(of.out_at.plus(CLOSING_EXPIRES))
    } else {
        notice.next_update.or(notice.eta).or(incident.eta)
    };
    if let Some(expires) = expires.filter(|at| *at > of.out_at) {
        xml.leaf("expires", &moment(expires, zone));
    }
}

/// A region. Where only some of its elements or cells are touched, it says so and draws nothing: never wider than the incident.
fn area(xml: &mut Xml, region: &RegionCode, is_part: bool, language: Language, settings: &OutreachSettings) {
    let name = settings.regions.get(region).and_then(|r| r.name.as_ref());
    let name = name.map_or_else(|| any_area(language), |name| name.get(language));
    let description = match (is_part, language) {
        (false, Language::Fa | Language::En) => name.to_owned(),
        (true, Language::Fa) => format!("بخش‌هایی از {name}"),
        (true, Language::En) => format!("parts of {name}"),
    };
    let outlines = settings.areas.read.get(region).filter(|_| !is_part);
    xml.block("area", &[], |xml| {
        xml.leaf("areaDesc", &description);
        for corners in outlines.and_then(|area| area.outlines()).unwrap_or_default() {
            let ring = corners.iter().chain(corners.first());
            let pairs: Vec<String> = ring
                .map(|p| format!("{},{}", degrees(p.lat), degrees(p.lng)))
                .collect();
            xml.leaf("polygon", &pairs.join(" "));
        }
        xml.block("geocode", &[], |xml| {
            xml.leaf("valueName", code_list(region, is_part));
            xml.leaf("value", region.as_str());
        });
    });
}

/// By which list a region's code is read. Of a region that is touched in parts the code says where they lie.
fn code_list(region: &RegionCode, is_part: bool) -> &'static str {
    let is_iso = region.as_str().split_once('-').is_some_and(|(country, rest)| {
        let of = |text: &str, most, fits: fn(&u8) -> bool| {
            (1..=most).contains(&text.len()) && text.as_bytes().iter().all(fits)
        };
        country.len() == 2 && of(country, 2, u8::is_ascii_uppercase) && of(rest, 3, u8::is_ascii_alphanumeric)
    });
    match (is_part, is_iso) {
        (true, _) => "within",
        (false, true) => "ISO3166-2",
        (false, false) => "region",
    }
}

/// Whole 10⁻⁷ degrees as a decimal number, exactly.
fn degrees(parts: i32) -> String {
    let sign = if parts < 0 { "-" } else { "" };
    let parts = parts.unsigned_abs();
    format!("{sign}{}.{:07}", parts / 10_000_000, parts % 10_000_000)
}

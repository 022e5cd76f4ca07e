use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_area::{Areas, Bounds};
use forecall_types::{
    DomainName, IncidentState, Lineage, NoticeId, NoticeRamp, NoticeState, Probability, RegionCode,
    Responsibility, Scope, ServiceName, Severity,
};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;
use crate::OutreachSettings;
use crate::settings::{BrandSettings, RegionSettings, Words};

const FRAME: Frame<'static> = Frame {
    url: "https://status.example.ir",
    sender: "noc@example.ir",
    exercise: false,
};

fn minute(n: i64) -> EventTime {
    EventTime::from_secs(1_795_343_400 + n * 60)
}

fn settings() -> OutreachSettings {
    let code = |t: &str| RegionCode::new(t).unwrap();
    let square = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"IR-23-T5"},
        "geometry":{"type":"Polygon","coordinates":[[[51.2,35.7],[51.4,35.7],[51.4,35.8],[51.2,35.8],[51.2,35.7]]]}},
        {"type":"Feature","properties":{"code":"IR-23-T6"},"geometry":{"type":"Polygon","coordinates":[
        [[51.0,35.0],[51.2,35.0],[51.2,35.2],[51.0,35.2],[51.0,35.0]],
        [[51.05,35.05],[51.1,35.05],[51.1,35.1],[51.05,35.1],[51.05,35.05]]]}}]}"#;
    let bounds = Bounds::new(44.0, 25.0, 63.5, 40.0).unwrap();
    let mut settings = OutreachSettings {
        brand: BrandSettings {
            name: Words::new("فراتل", "Faratel <& Co>"),
            ..BrandSettings::default()
        },
        regions: BTreeMap::from([(
            code("IR-23-T5"),
            RegionSettings {
                name: Some(Words::new("منطقه ۵ تهران", "Tehran 5")),
                ..RegionSettings::default()
            },
        )]),
        ..OutreachSettings::default()
    };
    settings.areas.read = Arc::new(Areas::read([("made", square.as_bytes())], bounds).unwrap());
    settings
}

fn incident() -> Incident {
    Incident {
        id: "inc_2d6f8h1j3k5m7p9r".parse().unwrap(),
        revision: 1,
        domain: DomainName::new("isp").unwrap(),
        state: IncidentState::Confirmed,
        reopened: 0,
        phase: None,
        severity: Severity::Severe,
        kind: IncidentKind::Outage,
        work: None,
        scope: Scope {
            services: BTreeSet::from([ServiceName::new("internet").unwrap()]),
            regions: BTreeSet::from([RegionCode::new("IR-23-T5").unwrap()]),
            ..Scope::default()
        },
        probability: Probability::ONE,
        contributions: Vec::new(),
        opened_at: minute(0),
        at: minute(0),
        onset_predicted: None,
        onset_interval: None,
        onset_observed: Some(minute(-3)),
        resolved_at: None,
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
    }
}

fn notice(stage: NoticeStage, n: u32, texts: Vec<NoticeText>) -> Notice {
    Notice {
        id: NoticeId::new(&format!("ntc_{n:016}")).unwrap(),
        revision: 1,
        domain: DomainName::new("isp").unwrap(),
        incident: incident().id,
        incident_revision: 1,
        stage,
        state: NoticeState::Sent,
        at: minute(i64::from(n)),
        audience: 1,
        intents: 1,
        progress: BTreeMap::new(),
        withheld: BTreeMap::new(),
        channels: BTreeMap::new(),
        texts,
        text_fingerprint: Arc::from(""),
        no_call_needed: false,
        next_update: Some(minute(i64::from(n) + 60)),
        eta: None,
        hold_out: None,
        ramp: None,
        untrue: 0,
        first_accepted_at: None,
        reason: String::new(),
        simulated: false,
    }
}

fn texts(fa: &str, en: &str) -> Vec<NoticeText> {
    [(Language::Fa, fa), (Language::En, en)]
        .into_iter()
        .map(|(language, body)| NoticeText {
            language,
            channel: ContactChannel::Email,
            subject: Some(format!("{body} head")),
            body: format!("{body}\n\nReference inc_1. Stop messages: https://example.ir/u?token=1\n"),
            parts: 1,
        })
        .collect()
}

/// The elements of a document in order, with their texts, read by a parser that isn't ours.
fn elements(xml: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let (mut open, mut found): (Vec<usize>, Vec<(String, String)>) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().unwrap_or_else(|e| panic!("{e} in\n{xml}")) {
            Event::Start(e) => {
                let parents: Vec<String> = open.iter().map(|i| found[*i].0.clone()).collect();
                let name = String::from_utf8(e.name().as_ref().to_vec()).unwrap();
                let path = parents
                    .last()
                    .map_or(name.clone(), |parent| format!("{parent}/{name}"));
                open.push(found.len());
                found.push((path, String::new()));
            }
            Event::Empty(e) => {
                let name = String::from_utf8(e.name().as_ref().to_vec()).unwrap();
                let parent = found[*open.last().unwrap()].0.clone();
                found.push((format!("{parent}/{name}"), String::new()));
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Text(text) => {
                if let Some(i) = open.last() {
                    found[*i].1 += &text.decode().unwrap();
                }
            }
            Event::GeneralRef(entity) => {
                let i = *open.last().unwrap();
                let c = match entity.resolve_char_ref().unwrap() {
                    Some(c) => c.to_string(),
                    None => match &*entity.decode().unwrap() {
                        "amp" => "&",
                        "lt" => "<",
                        "gt" => ">",
                        "quot" => "\"",
                        "apos" => "'",
                        other => panic!("&{other};"),
                    }
                    .to_owned(),
                };
                found[i].1 += &c;
            }
            Event::Eof => break,
            Event::Decl(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty(), "all is closed");
    found
}

fn all<'a>(found: &'a [(String, String)], path: &str) -> Vec<&'a str> {
    found
        .iter()
        .filter(|(p, _)| p == path)
        .map(|(_, t)| t.as_str())
        .collect()
}

/// CAP 1.2, 3.2.1–3.2.4 and the schema's order: name, how often at least, how often at most.
const ALERT: [(&str, usize, usize); 15] = [
    ("identifier", 1, 1),
    ("sender", 1, 1),
    ("sent", 1, 1),
    ("status", 1, 1),
    ("msgType", 1, 1),
    ("source", 0, 1),
    ("scope", 1, 1),
    ("restriction", 0, 1),
    ("addresses", 0, 1),
    ("code", 0, 99),
    ("note", 0, 1),
    ("references", 0, 1),
    ("incidents", 0, 1),
    ("info", 0, 99),
    ("Signature", 0, 1),
];
const INFO: [(&str, usize, usize); 21] = [
    ("language", 0, 1),
    ("category", 1, 99),
    ("event", 1, 1),
    ("responseType", 0, 99),
    ("urgency", 1, 1),
    ("severity", 1, 1),
    ("certainty", 1, 1),
    ("audience", 0, 1),
    ("eventCode", 0, 99),
    ("effective", 0, 1),
    ("onset", 0, 1),
    ("expires", 0, 1),
    ("senderName", 0, 1),
    ("headline", 0, 1),
    ("description", 0, 1),
    ("instruction", 0, 1),
    ("web", 0, 1),
    ("contact", 0, 1),
    ("parameter", 0, 99),
    ("resource", 0, 99),
    ("area", 0, 99),
];
const AREA: [(&str, usize, usize); 6] = [
    ("areaDesc", 1, 1),
    ("polygon", 0, 99),
    ("circle", 0, 99),
    ("geocode", 0, 99),
    ("altitude", 0, 1),
    ("ceiling", 0, 1),
];

fn ordered(children: &[String], rule: &[(&str, usize, usize)]) {
    let mut rest = children.iter().peekable();
    for (name, least, most) in rule {
        let mut count = 0;
        while rest.next_if(|child| child == name).is_some() {
            count += 1;
        }
        assert!(
            (*least..=*most).contains(&count),
            "{name}: {count} in {children:?}"
        );
    }
    assert_eq!(rest.next(), None, "unknown or in the wrong place in {children:?}");
}

fn children(found: &[(String, String)], from: usize) -> Vec<String> {
    let path = &found[from].0;
    let inside = found[from + 1..]
        .iter()
        .take_while(|(p, _)| p.starts_with(&format!("{path}/")));
    inside
        .filter_map(|(p, _)| p.strip_prefix(&format!("{path}/")))
        .filter(|rest| !rest.contains('/'))
        .map(str::to_owned)
        .collect()
}

/// Holds a document against the rules of CAP 1.2 as its schema and its text state them.
fn check_cap(xml: &str) -> Vec<(String, String)> {
    assert!(xml.contains("<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">"));
    let found = elements(xml);
    for (i, (path, text)) in found.iter().enumerate() {
        let one_of = |values: &[&str]| assert!(values.contains(&text.as_str()), "{path}: {text}");
        let name = path.rsplit('/').next().unwrap();
        match name {
            "alert" => ordered(&children(&found, i), &ALERT),
            "info" => ordered(&children(&found, i), &INFO),
            "area" => ordered(&children(&found, i), &AREA),
            "geocode" => assert_eq!(children(&found, i), ["valueName", "value"]),
            "status" => one_of(&["Actual", "Exercise", "System", "Test", "Draft"]),
            "msgType" => one_of(&["Alert", "Update", "Cancel", "Ack", "Error"]),
            "scope" => one_of(&["Public"]),
            "category" => one_of(&["Infra"]),
            "responseType" => one_of(&["AllClear"]),
            "urgency" => one_of(&["Immediate", "Expected", "Future", "Past", "Unknown"]),
            "severity" => one_of(&["Extreme", "Severe", "Moderate", "Minor", "Unknown"]),
            "certainty" => one_of(&["Observed", "Likely", "Possible", "Unlikely", "Unknown"]),
            "language" => one_of(&["fa-IR", "en"]),
            "sent" | "effective" | "onset" | "expires" => check_time(text),
            "identifier" | "sender" => assert!(!text.contains([' ', ',', '<', '&']), "{text}"),
            "polygon" => check_polygon(text),
            _ => assert!(
                !text.is_empty() || !children(&found, i).is_empty(),
                "{path} is empty"
            ),
        }
    }
    if !all(&found, "alert/references").is_empty() {
        for reference in all(&found, "alert/references")[0].split(' ') {
            let parts: Vec<&str> = reference.split(',').collect();
            assert_eq!(parts.len(), 3, "{reference}");
            check_time(parts[2]);
        }
    }
    let types = all(&found, "alert/msgType")[0];
    assert_eq!(
        types != "Alert",
        !all(&found, "alert/references").is_empty(),
        "{types} refers"
    );
    found
}

/// `\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[-,+]\d\d:\d\d`, and no `Z`.
fn check_time(text: &str) {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { 'd' } else { c })
        .collect();
    let fits = ["dddd-dd-ddTdd:dd:dd+dd:dd", "dddd-dd-ddTdd:dd:dd-dd:dd"];
    assert!(
        fits.contains(&shape.as_str()) && !text.ends_with("+00:00"),
        "{text}"
    );
}

fn check_polygon(text: &str) {
    let pairs: Vec<&str> = text.split(' ').collect();
    assert!(pairs.len() >= 4 && pairs.first() == pairs.last(), "{text}");
    for pair in pairs {
        let (lat, lng) = pair.split_once(',').unwrap();
        let (lat, lng): (f64, f64) = (lat.parse().unwrap(), lng.parse().unwrap());
        assert!(lat.abs() <= 90.0 && lng.abs() <= 180.0, "latitude first: {pair}");
        assert!(
            (25.0..40.0).contains(&lat) && (44.0..63.5).contains(&lng),
            "{pair}"
        );
    }
}

fn thread(stages: &[NoticeStage]) -> (Incident, Vec<Notice>) {
    let notices = (1_u32..)
        .zip(stages)
        .map(|(n, stage)| notice(*stage, n, texts("متن", "text")));
    (incident(), notices.collect())
}

fn publish<'a>(incident: &'a Incident, notices: &'a [Notice]) -> Vec<PublicNotice<'a>> {
    let out: Vec<(&Notice, EventTime)> = notices.iter().map(|n| (n, n.at)).collect();
    public_of(incident, &out)
}

#[test]
fn every_stage_makes_an_alert_that_keeps_the_rules_of_cap() {
    let stages = [
        NoticeStage::Confirmed,
        NoticeStage::Progress,
        NoticeStage::EtaChanged,
        NoticeStage::Resolved,
        NoticeStage::AllClear,
        NoticeStage::Averted,
        NoticeStage::Retraction,
    ];
    let (incident, notices) = thread(&stages);
    let public = publish(&incident, &notices);
    assert_eq!(public.len(), stages.len());
    let mut read = Vec::new();
    for end in 1..=public.len() {
        let found = check_cap(&cap(&public[..end], &FRAME, &settings()).unwrap());
        let first = |path| all(&found, path)[0].to_owned();
        assert_eq!(all(&found, "alert/info/language"), ["fa-IR", "en"]);
        read.push(
            [
                first("alert/msgType"),
                first("alert/info/urgency"),
                first("alert/info/certainty"),
            ]
            .join(" "),
        );
    }
    assert_eq!(
        read,
        [
            "Alert Immediate Observed",
            "Update Immediate Observed",
            "Update Immediate Observed",
            "Update Past Observed",
            "Cancel Past Unlikely",
            "Cancel Past Unlikely",
            "Cancel Past Unlikely",
        ]
    );
    assert_eq!(cap(&[], &FRAME, &settings()), None);
}

#[test]
fn an_update_refers_to_all_before_it_by_sender_identifier_and_time() {
    let (incident, notices) = thread(&[
        NoticeStage::Confirmed,
        NoticeStage::Progress,
        NoticeStage::Resolved,
    ]);
    let public = publish(&incident, &notices);
    let found = check_cap(&cap(&public, &FRAME, &settings()).unwrap());
    assert_eq!(
        all(&found, "alert/references"),
        [
            "noc@example.ir,ntc_0000000000000001,2026-11-22T14:01:00+03:30 noc@example.ir,ntc_0000000000000002,2026-11-22T14:02:00+03:30"
        ]
    );
    assert_eq!(all(&found, "alert/incidents"), ["inc_2d6f8h1j3k5m7p9r"]);
    assert_eq!(all(&found, "alert/info/responseType"), ["AllClear", "AllClear"]);
    assert_eq!(all(&found, "alert/info/onset")[0], "2026-11-22T13:57:00+03:30");
    // 12 hours for an end; the promise for an opening.
    assert_eq!(all(&found, "alert/info/expires")[0], "2026-11-23T02:03:00+03:30");
    let opening = check_cap(&cap(&public[..1], &FRAME, &settings()).unwrap());
    assert_eq!(
        all(&opening, "alert/info/expires")[0],
        "2026-11-22T15:01:00+03:30"
    );
}

#[test]
fn a_drill_says_so_and_a_simulation_says_nothing() {
    let (incident, notices) = thread(&[NoticeStage::Confirmed]);
    let public = publish(&incident, &notices);
    let drill = Frame {
        exercise: true,
        ..FRAME
    };
    let found = check_cap(&cap(&public, &drill, &settings()).unwrap());
    assert_eq!(all(&found, "alert/status"), ["Exercise"]);
    assert_eq!(all(&found, "alert/note").len(), 1);
    assert!(atom(&public, Language::En, minute(9), &drill, &settings()).contains("[Exercise] "));
    let simulated = Incident {
        simulated: true,
        ..incident.clone()
    };
    assert!(publish(&simulated, &notices).is_empty());
    let simulated: Vec<Notice> = notices
        .iter()
        .map(|n| Notice {
            simulated: true,
            ..n.clone()
        })
        .collect();
    assert!(publish(&incident, &simulated).is_empty());
}

#[test]
fn what_not_everybody_may_read_stands_nowhere() {
    let ramp = |share, stopped| {
        Some(NoticeRamp {
            share: Probability::clamped(share),
            reached: 1,
            failed: 0,
            stops: 0,
            untrue: 0,
            stopped,
            over: false,
        })
    };
    let (incident, notices) = thread(&[NoticeStage::Confirmed, NoticeStage::Progress]);
    let with = |ramp: Option<NoticeRamp>| {
        let mut notices = notices.clone();
        notices[0].ramp = ramp;
        publish(&incident, &notices).len()
    };
    assert_eq!(with(None), 2);
    assert_eq!(with(ramp(1.0, None)), 2);
    // Nor what follows what doesn't stand there.
    assert_eq!(with(ramp(0.1, None)), 0);
    assert_eq!(with(ramp(1.0, Some(forecall_types::RampStop::Stops))), 0);
    let (incident, predicted) = thread(&[NoticeStage::Predicted, NoticeStage::AllClear]);
    assert!(publish(&incident, &predicted).is_empty(), "R3");
    let planned = Incident {
        kind: IncidentKind::Planned,
        ..incident.clone()
    };
    assert_eq!(publish(&planned, &predicted).len(), 2);
    let nowhere = Incident {
        scope: Scope::default(),
        ..incident
    };
    assert!(publish(&nowhere, &notices).is_empty());
    let (incident, mut untranslated) = thread(&[NoticeStage::Confirmed]);
    untranslated[0].texts.retain(|t| t.language == Language::Fa);
    assert!(publish(&incident, &untranslated).is_empty());
}

#[test]
fn an_area_is_drawn_where_it_is_whole_and_never_wider_than_the_trouble() {
    let with = |change: &dyn Fn(&mut Incident)| {
        let (mut incident, notices) = thread(&[NoticeStage::Confirmed]);
        change(&mut incident);
        let public = publish(&incident, &notices);
        check_cap(&cap(&public, &FRAME, &settings()).unwrap())
    };
    let whole = with(&|_| {});
    assert_eq!(
        all(&whole, "alert/info/area/polygon")[0],
        "35.7000000,51.2000000 35.7000000,51.4000000 35.8000000,51.4000000 35.8000000,51.2000000 35.7000000,51.2000000"
    );
    assert_eq!(all(&whole, "alert/info/area/geocode/valueName")[0], "region");
    assert_eq!(
        all(&whole, "alert/info/area/areaDesc"),
        ["منطقه ۵ تهران", "Tehran 5"]
    );
    let cell = with(&|i| {
        i.scope
            .elements
            .insert(forecall_types::ElementId::new("cell-1").unwrap());
    });
    assert!(all(&cell, "alert/info/area/polygon").is_empty());
    assert_eq!(all(&cell, "alert/info/area/geocode/valueName")[0], "within");
    assert_eq!(all(&cell, "alert/info/area/areaDesc")[1], "parts of Tehran 5");
    let region = |code: &str| {
        let code = RegionCode::new(code).unwrap();
        with(&move |i| i.scope.regions = BTreeSet::from([code.clone()]))
    };
    // A polygon of CAP has no holes.
    assert!(all(&region("IR-23-T6"), "alert/info/area/polygon").is_empty());
    let iso = region("IR-23");
    assert_eq!(all(&iso, "alert/info/area/geocode/valueName")[0], "ISO3166-2");
    assert_eq!(all(&iso, "alert/info/area/areaDesc")[1], "your area");
}

#[test]
fn a_feed_holds_what_rfc_4287_asks_for() {
    let (incident, notices) = thread(&[NoticeStage::Confirmed, NoticeStage::Resolved]);
    let mut public = publish(&incident, &notices);
    public.reverse();
    let feed = atom(&public, Language::En, minute(9), &FRAME, &settings());
    let found = elements(&feed);
    for path in [
        "feed/id",
        "feed/title",
        "feed/updated",
        "feed/author/name",
        "feed/link",
    ] {
        assert_eq!(all(&found, path).len(), 1, "{path}");
    }
    for path in ["id", "title", "updated", "published", "link", "content"] {
        assert_eq!(all(&found, &format!("feed/entry/{path}")).len(), 2, "{path}");
    }
    assert_eq!(all(&found, "feed/author/name"), ["Faratel <& Co>"]);
    assert_eq!(
        all(&found, "feed/entry/id")[0],
        "https://status.example.ir/cap/ntc_0000000000000002.xml"
    );
    assert_eq!(all(&found, "feed/updated"), ["2026-11-22T14:02:00+03:30"]);
    for time in all(&found, "feed/entry/updated") {
        check_time(time);
    }
    // The e-mail's foot speaks to one subscriber.
    assert_eq!(all(&found, "feed/entry/content"), ["text", "text"]);
    assert!(!feed.contains("token="));
    let empty = elements(&atom(&[], Language::Fa, minute(9), &FRAME, &settings()));
    assert_eq!(all(&empty, "feed/updated"), ["2026-11-22T14:09:00+03:30"]);
}

#[test]
fn utc_is_written_as_cap_wants_it() {
    let zone = |name: &str| crate::settings::Zone::new(name).unwrap();
    for (name, text) in [
        ("UTC", "2026-11-22T10:30:00-00:00"),
        ("Asia/Tehran", "2026-11-22T14:00:00+03:30"),
        ("America/St_Johns", "2026-11-22T07:00:00-03:30"),
    ] {
        assert_eq!(moment::moment(minute(0), &zone(name)), text);
        check_time(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_words_hold_the_documents_can_be_read_and_say_the_same(text in any::<String>(), n in 1_u32..9) {
        let body = format!("x{text}x");
        let (incident, mut notices) = thread(&[NoticeStage::Confirmed]);
        for one in &mut notices[0].texts {
            one.channel = ContactChannel::Chat;
            one.body.clone_from(&body);
            one.subject = Some(body.clone());
        }
        let mut settings = settings();
        settings.brand.name = Words::new(&body, &body);
        notices[0].next_update = Some(minute(i64::from(n)));
        let public = publish(&incident, &notices);
        let found = check_cap(&cap(&public, &FRAME, &settings).unwrap());
        // XML can't hold some characters, and reads every line's end as a line feed.
        let wanted: String = body.chars().filter(|c| {
            matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
        }).collect();
        prop_assert_eq!(all(&found, "alert/info/description")[0], wanted.trim());
        let feed = elements(&atom(&public, Language::Fa, minute(0), &FRAME, &settings));
        prop_assert_eq!(all(&feed, "feed/entry/content")[0], wanted.trim());
    }
}

//! Every text as a customer reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use forecall_types::{
    Compensation, CompensationUnit, ContactChannel, EventTime, IncidentId, IncidentKind, Language,
    NoticeStage, NoticeText, RegionCode, ServiceName,
};

use super::answers::AnswerKind;
use super::calendar::Room;
use super::catalogue::{Wording, source};
use super::facts::Facts;
use super::lint::{complaints, no_call_outside_its_branch, says_no_call};
use super::sms::{parts, utf16_units};
use crate::settings::{
    BrandSettings, OutreachSettings, RegionSettings, ServiceClass, ServiceSettings, Words,
};

/// 2026-11-22 14:00 in Tehran.
const NOON: EventTime = EventTime::from_secs(1_795_343_400);

fn after(minutes: u64) -> Option<EventTime> {
    Some(NOON.plus(Duration::from_secs(minutes * 60)))
}

/// The brand and area that the stock texts are proven with: 5 and 13 units.
fn settings(class: ServiceClass, replies: bool) -> OutreachSettings {
    let region = RegionSettings {
        name: Some(Words::new("منطقه ۵ تهران", "Tehran 5")),
        ..RegionSettings::default()
    };
    let (fa, en) = if class == ServiceClass::Voice {
        ("تماس", "Telephony")
    } else {
        ("اینترنت", "Internet")
    };
    let service = ServiceSettings {
        name: Some(Words::new(fa, en)),
        class,
        advice: Some(Words::new(
            "کارهای مهم را پیش از آن ذخیره کنید.",
            "Please save your work before.",
        )),
        ..ServiceSettings::default()
    };
    OutreachSettings {
        brand: BrandSettings {
            name: Words::new("فراتل", "Faratel"),
            phone: Some("02112345".to_owned()),
            page: Some("faratel.example/status".to_owned()),
            unsubscribe: Some("faratel.example/stop".to_owned()),
            replies,
            ..BrandSettings::default()
        },
        regions: BTreeMap::from([(RegionCode::new("IR-23").unwrap(), region)]),
        services: BTreeMap::from([(ServiceName::new("internet").unwrap(), service)]),
        ..OutreachSettings::default()
    }
}

fn facts() -> Facts {
    Facts {
        said: None,
        said_is_last: false,
        given: None,
        is_drill: false,
        at: NOON,
        incident: IncidentId::new("inc_7k2").unwrap(),
        kind: IncidentKind::Degradation,
        regions: BTreeSet::from([RegionCode::new("IR-23").unwrap()]),
        services: BTreeSet::from([ServiceName::new("internet").unwrap()]),
        acknowledged: true,
        no_call_needed: false,
        onset: after(30),
        since: after(0),
        resolved_at: after(95),
        eta: after(120),
        eta_old: after(60),
        next: after(60),
        told_at: after(5),
        steps: vec![Arc::from("cause_found"), Arc::from("team_on_site")],
        step_is_news: true,
    }
}

fn show(stage: NoticeStage, facts: &Facts, settings: &OutreachSettings, channel: ContactChannel) -> String {
    let mut shown = String::new();
    for text in Wording::default().texts(stage, facts, settings).unwrap() {
        if text.channel != channel {
            continue;
        }
        if let Some(subject) = &text.subject {
            writeln!(shown, "{} | {subject}", text.language.as_str()).unwrap();
        }
        match channel {
            ContactChannel::Sms => {
                writeln!(
                    shown,
                    "{} {} unit(s), {} part(s): {}",
                    text.language.as_str(),
                    utf16_units(&text.body),
                    text.parts,
                    text.body
                )
                .unwrap();
            }
            _ => writeln!(shown, "{}", text.body.trim_end()).unwrap(),
        }
    }
    shown
}

fn check(stage: NoticeStage, facts: &Facts, channel: ContactChannel, expect: &Expect) {
    expect.assert_eq(&show(
        stage,
        facts,
        &settings(ServiceClass::Ordinary, false),
        channel,
    ));
}

/// All stages, and each branch of a text message.
fn variants() -> Vec<(&'static str, NoticeStage, Facts, OutreachSettings)> {
    let ordinary = || settings(ServiceClass::Ordinary, false);
    let outage = Facts {
        kind: IncidentKind::Outage,
        ..facts()
    };
    vec![
        ("predicted, slow", NoticeStage::Predicted, facts(), ordinary()),
        (
            "predicted, off, not taken on",
            NoticeStage::Predicted,
            Facts {
                acknowledged: false,
                ..outage.clone()
            },
            ordinary(),
        ),
        (
            "predicted, planned",
            NoticeStage::Predicted,
            Facts {
                kind: IncidentKind::Planned,
                ..facts()
            },
            ordinary(),
        ),
        (
            "confirmed, no call needed",
            NoticeStage::Confirmed,
            Facts {
                no_call_needed: true,
                ..facts()
            },
            settings(ServiceClass::Ordinary, true),
        ),
        (
            "confirmed, with an end",
            NoticeStage::Confirmed,
            facts(),
            ordinary(),
        ),
        (
            "confirmed, no end known",
            NoticeStage::Confirmed,
            Facts {
                eta: None,
                acknowledged: false,
                ..facts()
            },
            ordinary(),
        ),
        (
            "confirmed, voice off",
            NoticeStage::Confirmed,
            outage,
            settings(ServiceClass::Voice, false),
        ),
        ("progress, a step", NoticeStage::Progress, facts(), ordinary()),
        (
            "progress, a step, no end known",
            NoticeStage::Progress,
            Facts { eta: None, ..facts() },
            ordinary(),
        ),
        (
            "progress, no step",
            NoticeStage::Progress,
            Facts {
                step_is_news: false,
                ..facts()
            },
            ordinary(),
        ),
        (
            "progress, neither",
            NoticeStage::Progress,
            Facts {
                step_is_news: false,
                eta: None,
                ..facts()
            },
            ordinary(),
        ),
        ("eta changed", NoticeStage::EtaChanged, facts(), ordinary()),
        (
            "eta lost",
            NoticeStage::EtaChanged,
            Facts {
                eta: None,
                eta_old: Some(NOON),
                ..facts()
            },
            ordinary(),
        ),
        (
            "eta withdrawn",
            NoticeStage::EtaChanged,
            Facts { eta: None, ..facts() },
            ordinary(),
        ),
        ("resolved", NoticeStage::Resolved, facts(), ordinary()),
        (
            "resolved, replies taken",
            NoticeStage::Resolved,
            facts(),
            settings(ServiceClass::Ordinary, true),
        ),
        ("all clear", NoticeStage::AllClear, facts(), ordinary()),
        ("averted", NoticeStage::Averted, facts(), ordinary()),
        ("retraction", NoticeStage::Retraction, facts(), ordinary()),
    ]
}

#[test]
fn text_messages_are_stock_texts_of_one_part() {
    let mut all = String::new();
    for (name, stage, facts, settings) in variants() {
        let shown = show(stage, &facts, &settings, ContactChannel::Sms);
        assert!(
            shown.lines().all(|line| line.contains(" 1 part(s)")),
            "{name}: {shown}"
        );
        writeln!(all, "{name}\n{shown}").unwrap();
    }
    expect![[r#"
        predicted, slow
        fa 69 unit(s), 1 part(s): فراتل: احتمال کندی اینترنت منطقه ۵ تهران از ۱۴:۳۰. خبر بعدی تا ۱۵:۰۰.
        en 118 unit(s), 1 part(s): Faratel: Internet in Tehran 5 may slow down from 14:30. It works now; we are acting to prevent it. Next news by 15:00.

        predicted, off, not taken on
        fa 68 unit(s), 1 part(s): فراتل: احتمال قطع اینترنت منطقه ۵ تهران از ۱۴:۳۰. خبر بعدی تا ۱۵:۰۰.
        en 84 unit(s), 1 part(s): Faratel: Internet in Tehran 5 may stop from 14:30. It works now. Next news by 15:00.

        predicted, planned
        fa 59 unit(s), 1 part(s): فراتل: کار فنی؛ اینترنت منطقه ۵ تهران از ۱۴:۳۰ مختل می‌شود.
        en 73 unit(s), 1 part(s): Faratel: Planned work: Internet in Tehran 5 will be disrupted from 14:30.

        confirmed, no call needed
        fa 68 unit(s), 1 part(s): فراتل: اینترنت منطقه ۵ تهران مختل است. رفع تا ۱۶:۰۰. تماس لازم نیست.
        en 127 unit(s), 1 part(s): Faratel: Internet in Tehran 5 is disrupted. Our engineers are on it, expected back by 16:00. No need to call. Reply 2 for news.

        confirmed, with an end
        fa 64 unit(s), 1 part(s): فراتل: اینترنت منطقه ۵ تهران مختل است. رفع تا ۱۶:۰۰. خبر: ۱۵:۰۰.
        en 87 unit(s), 1 part(s): Faratel: Internet in Tehran 5 is disrupted, expected back by 16:00. Next news by 15:00.

        confirmed, no end known
        fa 57 unit(s), 1 part(s): فراتل: اینترنت منطقه ۵ تهران مختل است. خبر بعدی تا ۱۵:۰۰.
        en 63 unit(s), 1 part(s): Faratel: Internet in Tehran 5 is disrupted. Next news by 15:00.

        confirmed, voice off
        fa 66 unit(s), 1 part(s): فراتل: تماس منطقه ۵ تهران قطع است. فوریت‌ها: 115 و 110 با خط دیگر.
        en 102 unit(s), 1 part(s): Faratel: Telephony in Tehran 5 is down. Emergency: dial 115 or 110 from another network or a landline.

        progress, a step
        fa 68 unit(s), 1 part(s): فراتل، منطقه ۵ تهران: تیم به محل رسید. رفع تا ۱۶:۰۰؛ خبر بعدی ۱۵:۰۰.
        en 83 unit(s), 1 part(s): Faratel, Tehran 5: Our team is on site. Expected back by 16:00. Next news by 15:00.

        progress, a step, no end known
        fa 57 unit(s), 1 part(s): فراتل، منطقه ۵ تهران: تیم به محل رسید. خبر بعدی تا ۱۵:۰۰.
        en 59 unit(s), 1 part(s): Faratel, Tehran 5: Our team is on site. Next news by 15:00.

        progress, no step
        fa 57 unit(s), 1 part(s): فراتل: اینترنت منطقه ۵ تهران هنوز مختل است. رفع تا ۱۶:۰۰.
        en 93 unit(s), 1 part(s): Faratel: Internet in Tehran 5 is still disrupted. Expected back by 16:00. Next news by 15:00.

        progress, neither
        fa 59 unit(s), 1 part(s): فراتل: اینترنت منطقه ۵ تهران هنوز مختل است. خبر بعدی ۱۵:۰۰.
        en 69 unit(s), 1 part(s): Faratel: Internet in Tehran 5 is still disrupted. Next news by 15:00.

        eta changed
        fa 69 unit(s), 1 part(s): فراتل: پوزش؛ رفع اختلال منطقه ۵ تهران به ۱۶:۰۰ افتاد. خبر بعدی ۱۵:۰۰.
        en 86 unit(s), 1 part(s): Faratel: Sorry, the repair in Tehran 5 takes longer: now by 16:00. Next news by 15:00.

        eta lost
        fa 67 unit(s), 1 part(s): فراتل: پوزش؛ اختلال منطقه ۵ تهران تا ۱۴:۰۰ رفع نشد. خبر بعدی ۱۵:۰۰.
        en 93 unit(s), 1 part(s): Faratel: Sorry, Tehran 5 was not fixed by 14:00. We have no new time yet. Next news by 15:00.

        eta withdrawn
        fa 70 unit(s), 1 part(s): فراتل: پوزش؛ اختلال منطقه ۵ تهران تا ۱۵:۰۰ حل نمی‌شود. خبر بعدی ۱۵:۰۰.
        en 97 unit(s), 1 part(s): Faratel: Sorry, Tehran 5 will not be fixed by 15:00. We have no new time yet. Next news by 15:00.

        resolved
        fa 63 unit(s), 1 part(s): فراتل: اینترنت منطقه ۵ تهران وصل شد. از شکیبایی شما سپاسگزاریم.
        en 61 unit(s), 1 part(s): Faratel: Internet in Tehran 5 is back. Thank you for waiting.

        resolved, replies taken
        fa 64 unit(s), 1 part(s): فراتل: اینترنت منطقه ۵ تهران وصل شد. هنوز مشکل دارید؟ 1 بفرستید.
        en 82 unit(s), 1 part(s): Faratel: Internet in Tehran 5 is back. Thank you for waiting. Still down? Reply 1.

        all clear
        fa 70 unit(s), 1 part(s): فراتل: اختلالی که برای منطقه ۵ تهران هشدار داده بودیم پیش نیامد. سپاس.
        en 90 unit(s), 1 part(s): Faratel: The disruption we warned of in Tehran 5 did not happen. Nothing to do. Thank you.

        averted
        fa 64 unit(s), 1 part(s): فراتل: از اختلال احتمالی اینترنت منطقه ۵ تهران پیشگیری شد. سپاس.
        en 88 unit(s), 1 part(s): Faratel: We prevented the disruption we warned of in Tehran 5. Nothing to do. Thank you.

        retraction
        fa 69 unit(s), 1 part(s): فراتل: پیام ۱۴:۰۵ ما درباره منطقه ۵ تهران اشتباه بود. پوزش می‌خواهیم.
        en 88 unit(s), 1 part(s): Faratel: Our 14:05 message about Tehran 5 was a mistake. Please ignore it. We are sorry.

    "#]].assert_eq(&all);
}

#[test]
fn long_forms() {
    let mut all = String::new();
    for (name, stage, facts, settings) in variants() {
        writeln!(
            all,
            "{name}\n{}",
            show(stage, &facts, &settings, ContactChannel::Push)
        )
        .unwrap();
    }
    expect![[r#"
        predicted, slow
        fa | فراتل | احتمال اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، اندازه‌گیری‌های ما نشان می‌دهد که شاید از ۱۴:۳۰ سرویس اینترنت در منطقه ۵ تهران کند شود. اکنون سرویس کار می‌کند. تیم فنی پیشگیری را آغاز کرده است. کارهای مهم را پیش از آن ذخیره کنید. تا ۱۵:۰۰ دوباره خبر می‌دهیم، حتی اگر خطر برطرف شود.
        en | Faratel | Possible disruption of Internet in Tehran 5
        Dear customer, our measurements suggest that Internet in Tehran 5 may become slow from 14:30. It works now. Our team has begun to prevent this. Please save your work before. We will write again by 15:00, also if the risk has passed.

        predicted, off, not taken on
        fa | فراتل | احتمال اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، اندازه‌گیری‌های ما نشان می‌دهد که شاید از ۱۴:۳۰ سرویس اینترنت در منطقه ۵ تهران قطع شود. اکنون سرویس کار می‌کند. کارهای مهم را پیش از آن ذخیره کنید. تا ۱۵:۰۰ دوباره خبر می‌دهیم، حتی اگر خطر برطرف شود.
        en | Faratel | Possible disruption of Internet in Tehran 5
        Dear customer, our measurements suggest that Internet in Tehran 5 may stop from 14:30. It works now. Please save your work before. We will write again by 15:00, also if the risk has passed.

        predicted, planned
        fa | فراتل | کار برنامه‌ریزی‌شده سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، برای کار برنامه‌ریزی‌شده، سرویس اینترنت در منطقه ۵ تهران از ۱۴:۳۰ مختل می‌شود. کارهای مهم را پیش از آن ذخیره کنید. تا ۱۵:۰۰ دوباره خبر می‌دهیم، حتی اگر خطر برطرف شود.
        en | Faratel | Planned work: Internet in Tehran 5
        Dear customer, for planned work Internet in Tehran 5 will be disrupted from 14:30. Please save your work before. We will write again by 15:00, also if the risk has passed.

        confirmed, no call needed
        fa | فراتل | اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، در منطقه شما اختلال موقتی در سرویس اینترنت ایجاد شده است. تیم فنی در حال بررسی و رفع مشکل است. نیازی به تماس نیست. از شکیبایی شما سپاسگزاریم.
        ناحیه: منطقه ۵ تهران. برآورد ما رفع تا ۱۶:۰۰ است؛ خبر بعدی را تا ۱۵:۰۰ خودمان می‌فرستیم.
        en | Faratel | Disruption of Internet in Tehran 5
        Dear customer, there is a temporary disruption of Internet in your area. Our technical team is looking into it and repairing it. No need to call. Thank you for your patience.
        Area: Tehran 5. We expect it back by 16:00 and will write again by 15:00.

        confirmed, with an end
        fa | فراتل | اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، از ۱۴:۰۰ سرویس اینترنت در منطقه ۵ تهران اختلال دارد. تیم فنی روی آن کار می‌کند. برآورد ما رفع تا ۱۶:۰۰ است. تا ۱۵:۰۰ دوباره خبر می‌دهیم. اگر کار فوری دارید: ‎02112345.
        en | Faratel | Disruption of Internet in Tehran 5
        Dear customer, since 14:00 Internet in Tehran 5 has been disrupted. Our team is working on it. We expect it back by 16:00. We will write again by 15:00. If it is urgent: 02112345.

        confirmed, no end known
        fa | فراتل | اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، از ۱۴:۰۰ سرویس اینترنت در منطقه ۵ تهران اختلال دارد. تا ۱۵:۰۰ دوباره خبر می‌دهیم. اگر کار فوری دارید: ‎02112345.
        en | Faratel | Disruption of Internet in Tehran 5
        Dear customer, since 14:00 Internet in Tehran 5 has been disrupted. We will write again by 15:00. If it is urgent: 02112345.

        confirmed, voice off
        fa | فراتل | اختلال سرویس تماس در منطقه ۵ تهران
        مشتری گرامی، از ۱۴:۰۰ سرویس تماس در منطقه ۵ تهران اختلال دارد. تیم فنی روی آن کار می‌کند. برآورد ما رفع تا ۱۶:۰۰ است. تا ۱۵:۰۰ دوباره خبر می‌دهیم. برای فوریت‌ها 115 و 110 را با خط دیگر بگیرید. اگر کار فوری دارید: ‎02112345.
        en | Faratel | Disruption of Telephony in Tehran 5
        Dear customer, since 14:00 Telephony in Tehran 5 has been disrupted. Our team is working on it. We expect it back by 16:00. We will write again by 15:00. For emergencies dial 115 or 110 from another network or a landline. If it is urgent: 02112345.

        progress, a step
        fa | فراتل | پیگیری اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، سرویس اینترنت در منطقه ۵ تهران هنوز مختل است. تا این ساعت: علت پیدا شد؛ تیم به محل رسید. برآورد رفع: تا ۱۶:۰۰. تا ۱۵:۰۰ دوباره خبر می‌دهیم. اگر کار فوری دارید: ‎02112345.
        en | Faratel | Update on Internet in Tehran 5
        Dear customer, Internet in Tehran 5 is still disrupted. Done so far: The cause has been found; Our team is on site. Expected back by 16:00. We will write again by 15:00. If it is urgent: 02112345.

        progress, a step, no end known
        fa | فراتل | پیگیری اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، سرویس اینترنت در منطقه ۵ تهران هنوز مختل است. تا این ساعت: علت پیدا شد؛ تیم به محل رسید. تا ۱۵:۰۰ دوباره خبر می‌دهیم. اگر کار فوری دارید: ‎02112345.
        en | Faratel | Update on Internet in Tehran 5
        Dear customer, Internet in Tehran 5 is still disrupted. Done so far: The cause has been found; Our team is on site. We will write again by 15:00. If it is urgent: 02112345.

        progress, no step
        fa | فراتل | پیگیری اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، سرویس اینترنت در منطقه ۵ تهران هنوز مختل است. تا این ساعت: علت پیدا شد؛ تیم به محل رسید. برآورد رفع: تا ۱۶:۰۰. تا ۱۵:۰۰ دوباره خبر می‌دهیم. اگر کار فوری دارید: ‎02112345.
        en | Faratel | Update on Internet in Tehran 5
        Dear customer, Internet in Tehran 5 is still disrupted. Done so far: The cause has been found; Our team is on site. Expected back by 16:00. We will write again by 15:00. If it is urgent: 02112345.

        progress, neither
        fa | فراتل | پیگیری اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، سرویس اینترنت در منطقه ۵ تهران هنوز مختل است. تا این ساعت: علت پیدا شد؛ تیم به محل رسید. تا ۱۵:۰۰ دوباره خبر می‌دهیم. اگر کار فوری دارید: ‎02112345.
        en | Faratel | Update on Internet in Tehran 5
        Dear customer, Internet in Tehran 5 is still disrupted. Done so far: The cause has been found; Our team is on site. We will write again by 15:00. If it is urgent: 02112345.

        eta changed
        fa | فراتل | زمان تازه رفع اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، گفته بودیم اختلال سرویس اینترنت در منطقه ۵ تهران تا ۱۵:۰۰ رفع می‌شود. به آن نمی‌رسیم و پوزش می‌خواهیم. زمان تازه: ۱۶:۰۰. تا ۱۵:۰۰ خبر می‌دهیم. اگر کار فوری دارید: ‎02112345.
        en | Faratel | New repair time for Internet in Tehran 5
        Dear customer, we said Internet in Tehran 5 would be back by 15:00. We will not make it, and we are sorry. New time: 16:00. We will write by 15:00. If it is urgent: 02112345.

        eta lost
        fa | فراتل | زمان تازه رفع اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، گفته بودیم اختلال سرویس اینترنت در منطقه ۵ تهران تا ۱۴:۰۰ رفع می‌شود. به آن نرسیدیم و پوزش می‌خواهیم. هنوز زمان تازه‌ای نداریم. تا ۱۵:۰۰ خبر می‌دهیم. اگر کار فوری دارید: ‎02112345.
        en | Faratel | New repair time for Internet in Tehran 5
        Dear customer, we said Internet in Tehran 5 would be back by 14:00. We did not make it, and we are sorry. We have no new time yet. We will write by 15:00. If it is urgent: 02112345.

        eta withdrawn
        fa | فراتل | زمان تازه رفع اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، گفته بودیم اختلال سرویس اینترنت در منطقه ۵ تهران تا ۱۵:۰۰ رفع می‌شود. به آن نمی‌رسیم و پوزش می‌خواهیم. هنوز زمان تازه‌ای نداریم. تا ۱۵:۰۰ خبر می‌دهیم. اگر کار فوری دارید: ‎02112345.
        en | Faratel | New repair time for Internet in Tehran 5
        Dear customer, we said Internet in Tehran 5 would be back by 15:00. We will not make it, and we are sorry. We have no new time yet. We will write by 15:00. If it is urgent: 02112345.

        resolved
        fa | فراتل | رفع اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، سرویس اینترنت در منطقه ۵ تهران از ۱۵:۳۵ دوباره کار می‌کند. بابت اختلال پوزش می‌خواهیم. اگر برای شما هنوز مشکل دارد: ‎02112345.
        en | Faratel | Restored: Internet in Tehran 5
        Dear customer, Internet in Tehran 5 has worked again since 15:35. We are sorry for the disruption. If it still fails for you: 02112345.

        resolved, replies taken
        fa | فراتل | رفع اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، سرویس اینترنت در منطقه ۵ تهران از ۱۵:۳۵ دوباره کار می‌کند. بابت اختلال پوزش می‌خواهیم. اگر برای شما هنوز مشکل دارد: ‎02112345.
        en | Faratel | Restored: Internet in Tehran 5
        Dear customer, Internet in Tehran 5 has worked again since 15:35. We are sorry for the disruption. If it still fails for you: 02112345.

        all clear
        fa | فراتل | رفع هشدار سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، اختلالی که در پیام ۱۴:۰۵ برای منطقه ۵ تهران هشدار داده بودیم پیش نیامد. کاری لازم نیست. از توجه شما سپاسگزاریم.
        en | Faratel | All clear for Internet in Tehran 5
        Dear customer, the disruption we warned of at 14:05 for Tehran 5 did not happen. Nothing to do. Thank you for your attention.

        averted
        fa | فراتل | پیشگیری از اختلال سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، از اختلالی که در پیام ۱۴:۰۵ برای منطقه ۵ تهران هشدار داده بودیم پیشگیری شد. کاری لازم نیست. از توجه شما سپاسگزاریم.
        en | Faratel | Prevented disruption of Internet in Tehran 5
        Dear customer, the disruption we warned of at 14:05 for Tehran 5 was prevented. Nothing to do. Thank you for your attention.

        retraction
        fa | فراتل | اصلاح پیام درباره سرویس اینترنت در منطقه ۵ تهران
        مشتری گرامی، پیام ۱۴:۰۵ ما درباره منطقه ۵ تهران اشتباه بود. آن را نادیده بگیرید. پوزش می‌خواهیم.
        en | Faratel | Correction about Internet in Tehran 5
        Dear customer, our message of 14:05 about Tehran 5 was a mistake. Please ignore it. We are sorry.

    "#]].assert_eq(&all);
}

#[test]
fn an_email_has_a_subject_and_a_footer() {
    check(
        NoticeStage::Resolved,
        &facts(),
        ContactChannel::Email,
        &expect![[r#"
            fa | فراتل | رفع اختلال سرویس اینترنت در منطقه ۵ تهران
            مشتری گرامی، سرویس اینترنت در منطقه ۵ تهران از ۱۵:۳۵ دوباره کار می‌کند. بابت اختلال پوزش می‌خواهیم. اگر برای شما هنوز مشکل دارد: ‎02112345.

            شماره پیگیری inc_7k2. این پیام از فراتل است؛ همین خبر را در faratel.example/status و با تلفن ‎02112345 می‌یابید. ما هرگز رمز یا شماره کارت نمی‌پرسیم. تنظیم یا لغو پیام‌ها: faratel.example/stop
            en | Faratel | Restored: Internet in Tehran 5
            Dear customer, Internet in Tehran 5 has worked again since 15:35. We are sorry for the disruption. If it still fails for you: 02112345.

            Reference inc_7k2. This is from Faratel; the same news is at faratel.example/status and on 02112345. We never ask for a password or card number. Change or stop messages: faratel.example/stop
        "#]],
    );
}

#[test]
fn several_regions_and_unknown_services_have_no_name() {
    let mut facts = facts();
    facts.regions.insert(RegionCode::new("IR-10").unwrap());
    facts.services = BTreeSet::from([ServiceName::new("unheard-of").unwrap()]);
    check(
        NoticeStage::Confirmed,
        &facts,
        ContactChannel::Sms,
        &expect![[r#"
            fa 58 unit(s), 1 part(s): فراتل: سرویس منطقه شما مختل است. رفع تا ۱۶:۰۰. خبر: ۱۵:۰۰.
            en 87 unit(s), 1 part(s): Faratel: Service in your area is disrupted, expected back by 16:00. Next news by 15:00.
        "#]],
    );
}

#[test]
fn a_time_beyond_midnight_costs_a_part_but_is_whole() {
    let facts = Facts {
        eta: after(14 * 60),
        ..facts()
    };
    check(
        NoticeStage::Confirmed,
        &facts,
        ContactChannel::Sms,
        &expect![[r#"
            fa 70 unit(s), 1 part(s): فراتل: اینترنت منطقه ۵ تهران مختل است. رفع تا ۲ آذر ۰۴:۰۰. خبر: ۱۵:۰۰.
            en 106 unit(s), 1 part(s): Faratel: Internet in Tehran 5 is disrupted, expected back by 04:00 on 23 Nov (2 Azar). Next news by 15:00.
        "#]],
    );
}

#[test]
fn the_users_sample_stands_where_no_call_is_needed_and_only_there() {
    let sample = "مشتری گرامی، در منطقه شما اختلال موقتی در سرویس اینترنت ایجاد شده است. تیم فنی در حال بررسی و رفع مشکل است. نیازی به تماس نیست. از شکیبایی شما سپاسگزاریم.";
    for (name, stage, facts, settings) in variants() {
        for text in Wording::default().texts(stage, &facts, &settings).unwrap() {
            assert_eq!(
                says_no_call(&text.body),
                facts.no_call_needed,
                "{name}: {}",
                text.body
            );
            let long_fa = text.language == Language::Fa && text.channel != ContactChannel::Sms;
            assert_eq!(
                text.body.contains(sample),
                facts.no_call_needed && long_fa,
                "{name}: {}",
                text.body
            );
        }
    }
}

#[test]
fn no_text_shows_a_missing_fact() {
    let bare = Facts {
        onset: None,
        since: None,
        resolved_at: None,
        eta: None,
        eta_old: after(60),
        steps: Vec::new(),
        step_is_news: false,
        ..facts()
    };
    for stage in NoticeStage::ALL {
        for facts in [&bare, &facts()] {
            for text in Wording::default()
                .texts(stage, facts, &OutreachSettings::default())
                .unwrap()
            {
                for odd in ["none", "{{", "{%", "  ", " .", " ،"] {
                    assert!(!text.body.contains(odd), "{stage:?} {odd:?}: {}", text.body);
                }
            }
        }
    }
}

#[test]
fn every_template_keeps_the_rules_of_wording() {
    for stage in NoticeStage::ALL {
        for language in Language::ALL {
            for (room, class) in [(Room::Short, "sms"), (Room::Long, "long")] {
                let name = format!("{}.{class}.{}", stage.as_str(), language.as_str());
                let text = source(stage, room, language);
                assert!(!text.trim().is_empty(), "{name} is empty");
                assert_eq!(complaints(&name, text), Vec::<String>::new());
                assert!(!no_call_outside_its_branch(text), "{name}: no call, unguarded");
            }
        }
    }
}

#[test]
fn stock_steps_fit_a_progress_message() {
    for (code, words) in &OutreachSettings::default().steps.0 {
        assert!(utf16_units(&words.fa) <= 17, "{code}: {}", utf16_units(&words.fa));
        assert_eq!(parts(&words.en), 1, "{code}");
    }
}

/// Each answer in each of its branches.
fn answers() -> Vec<(AnswerKind, Facts)> {
    let outage = Facts {
        kind: IncidentKind::Outage,
        ..facts()
    };
    let bare = Facts {
        eta: None,
        next: None,
        onset: None,
        ..facts()
    };
    let mut all: Vec<_> = AnswerKind::ALL.map(|kind| (kind, facts())).into();
    all.extend([
        (AnswerKind::Trouble, bare.clone()),
        (
            AnswerKind::Trouble,
            Facts {
                next: None,
                ..facts()
            },
        ),
        (AnswerKind::Expected, outage),
        (AnswerKind::Expected, bare.clone()),
        (
            AnswerKind::Work,
            Facts {
                onset: None,
                ..facts()
            },
        ),
        (AnswerKind::Work, bare),
        (AnswerKind::NoTrouble, Facts::of_nothing(NOON)),
        (AnswerKind::Stop, Facts::of_nothing(NOON)),
    ]);
    all
}

#[test]
fn every_answer_takes_one_part_and_says_nothing_that_it_must_not() {
    let mut shown = String::new();
    for (kind, facts) in answers() {
        for language in Language::ALL {
            let source = kind.source(language);
            let name = format!("{}.sms.{}", kind.as_str(), language.as_str());
            assert_eq!(complaints(&name, source), Vec::<String>::new());
            assert!(!says_no_call(source), "{name}");
            let settings = settings(ServiceClass::Ordinary, true);
            let text = Wording::default()
                .answer(kind, &facts, &settings, language)
                .unwrap();
            assert_eq!(text.parts, 1, "{}", text.body);
            let units = utf16_units(&text.body);
            writeln!(shown, "{name} {units}: {}", text.body).unwrap();
        }
    }
    expect![[r#"
        answer_stop.sms.fa 66: فراتل: پیام‌های اختلال برای شما قطع شد. هشدار ایمنی همچنان می‌آید.
        answer_stop.sms.en 100: Faratel: You get no more messages about disruptions and planned work. Warnings of danger still come.
        answer_trouble.sms.fa 64: فراتل: اینترنت منطقه ۵ تهران مختل است. رفع تا ۱۶:۰۰. خبر: ۱۵:۰۰.
        answer_trouble.sms.en 87: Faratel: Internet in Tehran 5 is disrupted, expected back by 16:00. Next news by 15:00.
        answer_expected.sms.fa 68: فراتل: اکنون کار می‌کند؛ احتمال کندی اینترنت منطقه ۵ تهران از ۱۴:۳۰.
        answer_expected.sms.en 89: Faratel: Internet in Tehran 5 may slow down from 14:30. It works now. Next news by 15:00.
        answer_work.sms.fa 59: فراتل: کار فنی روی اینترنت منطقه ۵ تهران از ۱۴:۳۰ تا ۱۶:۰۰.
        answer_work.sms.en 78: Faratel: Planned work on Internet in Tehran 5 from 14:30, to be over by 16:00.
        answer_restored.sms.fa 67: فراتل: اینترنت منطقه ۵ تهران از ۱۵:۳۵ وصل است. هنوز قطع؟ 1 بفرستید.
        answer_restored.sms.en 79: Faratel: Internet in Tehran 5 has worked again since 15:35. Still down? Send 1.
        answer_none.sms.fa 54: فراتل: از اختلالی برای شما خبر نداریم. تماس: ‎02112345
        answer_none.sms.en 85: Faratel: We know of no trouble with your services. If something fails, call 02112345.
        answer_noted.sms.fa 66: فراتل: ثبت شد: اینترنت منطقه ۵ تهران هنوز قطع است. تماس: ‎02112345
        answer_noted.sms.en 81: Faratel: Noted: Internet in Tehran 5 still fails. If it is urgent, call 02112345.
        answer_trouble.sms.fa 50: فراتل: اینترنت منطقه ۵ تهران مختل است. خبر تازه: 2
        answer_trouble.sms.en 64: Faratel: Internet in Tehran 5 is disrupted. Send 2 to ask again.
        answer_trouble.sms.fa 64: فراتل: اینترنت منطقه ۵ تهران مختل است. رفع تا ۱۶:۰۰. خبر تازه: 2
        answer_trouble.sms.en 88: Faratel: Internet in Tehran 5 is disrupted, expected back by 16:00. Send 2 to ask again.
        answer_expected.sms.fa 67: فراتل: اکنون کار می‌کند؛ احتمال قطع اینترنت منطقه ۵ تهران از ۱۴:۳۰.
        answer_expected.sms.en 84: Faratel: Internet in Tehran 5 may stop from 14:30. It works now. Next news by 15:00.
        answer_expected.sms.fa 59: فراتل: اکنون کار می‌کند؛ احتمال کندی اینترنت منطقه ۵ تهران.
        answer_expected.sms.en 58: Faratel: Internet in Tehran 5 may slow down. It works now.
        answer_work.sms.fa 50: فراتل: کار فنی روی اینترنت منطقه ۵ تهران تا ۱۶:۰۰.
        answer_work.sms.en 67: Faratel: Planned work on Internet in Tehran 5, to be over by 16:00.
        answer_work.sms.fa 54: فراتل: کار فنی روی اینترنت منطقه ۵ تهران در جریان است.
        answer_work.sms.en 59: Faratel: Planned work on Internet in Tehran 5 is under way.
        answer_none.sms.fa 54: فراتل: از اختلالی برای شما خبر نداریم. تماس: ‎02112345
        answer_none.sms.en 85: Faratel: We know of no trouble with your services. If something fails, call 02112345.
        answer_stop.sms.fa 66: فراتل: پیام‌های اختلال برای شما قطع شد. هشدار ایمنی همچنان می‌آید.
        answer_stop.sms.en 100: Faratel: You get no more messages about disruptions and planned work. Warnings of danger still come.
    "#]].assert_eq(&shown);
}

#[test]
fn an_answer_of_a_voice_outage_says_how_to_call_for_help() {
    let settings = settings(ServiceClass::Voice, true);
    let facts = Facts {
        kind: IncidentKind::Outage,
        ..facts()
    };
    for language in Language::ALL {
        let text = Wording::default()
            .answer(AnswerKind::Trouble, &facts, &settings, language)
            .unwrap();
        assert!(text.body.contains("115") && text.parts == 1, "{}", text.body);
    }
}

#[test]
fn what_is_given_has_its_unit_and_an_exercise_says_that_it_is_one() {
    let given = |amount, unit| Facts {
        given: Some(Compensation { amount, unit }),
        ..facts()
    };
    let settings = settings(ServiceClass::Ordinary, false);
    let shown = |facts: &Facts, language| {
        let texts = Wording::default()
            .texts(NoticeStage::Resolved, facts, &settings)
            .unwrap();
        let sms = |t: &&NoticeText| t.channel == ContactChannel::Sms && t.language == language;
        texts.iter().find(sms).unwrap().clone()
    };
    let mut all = String::new();
    for (amount, unit) in [
        (1_250_000, CompensationUnit::Rial),
        (50_000, CompensationUnit::Toman),
        (512, CompensationUnit::Megabytes),
        (1, CompensationUnit::Days),
        (2, CompensationUnit::Days),
    ] {
        for language in Language::ALL {
            let text = shown(&given(amount, unit), language);
            writeln!(all, "{} part(s): {}", text.parts, text.body).unwrap();
        }
    }
    let exercise = Facts {
        is_drill: true,
        ..facts()
    };
    for language in Language::ALL {
        let text = shown(&exercise, language);
        writeln!(all, "{} part(s): {}", text.parts, text.body).unwrap();
    }
    expect![[r#"
        2 part(s): فراتل: اینترنت منطقه ۵ تهران وصل شد. برای جبران ۱٬۲۵۰٬۰۰۰ ریال می‌گیرید. از شکیبایی شما سپاسگزاریم.
        1 part(s): Faratel: Internet in Tehran 5 is back. Thank you for waiting. To make up for it you will get 1,250,000 rial.
        2 part(s): فراتل: اینترنت منطقه ۵ تهران وصل شد. برای جبران ۵۰٬۰۰۰ تومان می‌گیرید. از شکیبایی شما سپاسگزاریم.
        1 part(s): Faratel: Internet in Tehran 5 is back. Thank you for waiting. To make up for it you will get 50,000 toman.
        2 part(s): فراتل: اینترنت منطقه ۵ تهران وصل شد. برای جبران ۵۱۲ مگابایت می‌گیرید. از شکیبایی شما سپاسگزاریم.
        1 part(s): Faratel: Internet in Tehran 5 is back. Thank you for waiting. To make up for it you will get 512 MB of data.
        2 part(s): فراتل: اینترنت منطقه ۵ تهران وصل شد. برای جبران ۱ روز سرویس می‌گیرید. از شکیبایی شما سپاسگزاریم.
        1 part(s): Faratel: Internet in Tehran 5 is back. Thank you for waiting. To make up for it you will get 1 day of service.
        2 part(s): فراتل: اینترنت منطقه ۵ تهران وصل شد. برای جبران ۲ روز سرویس می‌گیرید. از شکیبایی شما سپاسگزاریم.
        1 part(s): Faratel: Internet in Tehran 5 is back. Thank you for waiting. To make up for it you will get 2 days of service.
        2 part(s): تمرین، نادیده بگیرید: فراتل: اینترنت منطقه ۵ تهران وصل شد. از شکیبایی شما سپاسگزاریم.
        1 part(s): EXERCISE, please ignore: Faratel: Internet in Tehran 5 is back. Thank you for waiting.
    "#]].assert_eq(&all);
    let texts = Wording::default()
        .texts(NoticeStage::Resolved, &exercise, &settings)
        .unwrap();
    for text in texts {
        let mark = match text.language {
            Language::Fa => "تمرین، نادیده بگیرید:",
            Language::En => "EXERCISE, please ignore:",
        };
        assert!(text.body.starts_with(mark) && text.subject.is_none_or(|s| s.starts_with(mark)));
    }
}

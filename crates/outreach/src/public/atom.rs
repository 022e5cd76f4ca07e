//! Notices as an Atom feed, RFC 4287.

use forecall_types::{EventTime, Language};

use super::moment::moment;
use super::xml::Xml;
use super::{Frame, PublicNotice, words};
use crate::settings::OutreachSettings;

/// Title of the feed, behind the brand's name.
const fn title(language: Language) -> &'static str {
    match language {
        Language::Fa => "اطلاعیه‌های اختلال و کار برنامه‌ریزی‌شده",
        Language::En => "Disruptions and planned work",
    }
}

/// What marks a drill, before every title.
const fn exercise(language: Language) -> &'static str {
    match language {
        Language::Fa => "[تمرین] ",
        Language::En => "[Exercise] ",
    }
}

/// The feed in a language. `notices` are the newest first; `made` is when the feed was made, for one that is empty.
pub fn atom(
    notices: &[PublicNotice<'_>],
    language: Language,
    made: EventTime,
    frame: &Frame<'_>,
    settings: &OutreachSettings,
) -> String {
    let zone = &settings.zone;
    let name = settings.brand.name.get(language);
    let own = format!("{}/feed.atom?lang={}", frame.url, language.as_str());
    let updated = notices.iter().map(|p| p.out_at).max().unwrap_or(made);
    let mark = if frame.exercise { exercise(language) } else { "" };
    let mut xml = Xml::new();
    let attributes = [
        ("xmlns", "http://www.w3.org/2005/Atom"),
        ("xml:lang", language.as_str()),
    ];
    xml.block("feed", &attributes, |xml| {
        xml.leaf("id", &own);
        xml.leaf("title", &format!("{mark}{name}: {}", title(language)));
        xml.leaf("updated", &moment(updated, zone));
        xml.block("author", &[], |xml| xml.leaf("name", name));
        xml.empty(
            "link",
            &[("rel", "self"), ("type", "application/atom+xml"), ("href", &own)],
        );
        for of in notices {
            entry(xml, of, language, mark, frame, settings);
        }
    });
    xml.finish()
}

fn entry(
    xml: &mut Xml,
    of: &PublicNotice<'_>,
    language: Language,
    mark: &str,
    frame: &Frame<'_>,
    settings: &OutreachSettings,
) {
    let Some((headline, text)) = words(of.notice, language) else {
        return;
    };
    let at = moment(of.out_at, &settings.zone);
    let alert = format!("{}/cap/{}.xml", frame.url, of.notice.id);
    xml.block("entry", &[], |xml| {
        xml.leaf("id", &alert);
        xml.leaf("title", &format!("{mark}{}", headline.unwrap_or(text)));
        xml.leaf("updated", &at);
        xml.leaf("published", &at);
        xml.empty(
            "link",
            &[
                ("rel", "alternate"),
                ("type", "application/cap+xml"),
                ("href", &alert),
            ],
        );
        xml.empty("category", &[("term", of.notice.stage.as_str())]);
        xml.leaf_with("content", &[("type", "text")], text);
    });
}

use std::time::{Duration, SystemTime};

use forecall_types::{EventTime, Language};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message as Mail};

use crate::words::direction;
use crate::{Message, SendError};

/// What every mail of a gateway has in common.
pub(crate) struct Letterhead {
    pub(crate) from: Mailbox,
    pub(crate) list_unsubscribe: Option<String>,
}

const fn refused(reason: &'static str) -> SendError {
    SendError::Permanent { reason, code: None }
}

/// CR, LF and NUL end a header or a command early; no control character belongs in either.
pub(crate) fn is_one_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// The mail of a message: the same bytes at each attempt.
///
/// # Errors
/// An address, name or subject that can't stand in a header. It is refused, not mended.
pub(crate) fn compose(letterhead: &Letterhead, message: &Message<'_>) -> Result<Mail, SendError> {
    let address = recipient(message.contact.address.expose())?;
    let name = message.contact.name.as_ref().map(|n| n.expose().to_owned());
    if !name.as_deref().is_none_or(is_one_line) {
        return Err(refused("control_character_in_name"));
    }
    let subject = message.text.subject.as_deref().unwrap_or_default();
    if !is_one_line(subject) {
        return Err(refused("control_character_in_subject"));
    }
    let body = &message.text.body;
    if body.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(refused("control_character_in_body"));
    }
    let host = letterhead.from.email.domain();
    let mut mail = Mail::builder()
        .from(letterhead.from.clone())
        .to(Mailbox::new(name, address))
        .subject(subject)
        .date(system_time(message.intent.at))
        .message_id(Some(format!("<{}@{host}>", message.intent.id)))
        // The incident is the thread: mail programs keep its notices together.
        .references(format!("<{}@{host}>", message.intent.incident))
        // RFC 3834: no out-of-office answers to a machine.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".into(),
        ));
    if let Some(value) = &letterhead.list_unsubscribe {
        mail = mail.raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("List-Unsubscribe"),
            value.clone(),
        ));
    }
    let parts = MultiPart::alternative()
        .boundary(format!("forecall-{}", message.intent.id))
        .singlepart(SinglePart::plain(body.clone()))
        .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(html(
            message.text.language,
            subject,
            body,
        )));
    mail.multipart(parts).map_err(|_| refused("not_a_mail"))
}

/// Addresses outside ASCII need a server with SMTPUTF8; they are refused until one is at hand.
fn recipient(text: &str) -> Result<Address, SendError> {
    if !is_one_line(text) {
        return Err(refused("control_character_in_address"));
    }
    if !text.is_ascii() {
        return Err(refused("address_not_ascii"));
    }
    text.parse().map_err(|_| refused("not_a_mail_address"))
}

fn system_time(at: EventTime) -> SystemTime {
    let secs = u64::try_from(at.secs()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}

fn html(language: Language, title: &str, body: &str) -> String {
    let (tag, direction) = (language.as_str(), direction(language));
    let title = escaped(title);
    let paragraphs: String = escaped(body)
        .split("\n\n")
        .map(|p| format!("<p>{}</p>\n", p.replace('\n', "<br>\n")))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"{tag}\" dir=\"{direction}\">\n<head><meta charset=\"utf-8\">\
         <title>{title}</title></head>\n\
         <body dir=\"{direction}\" style=\"font-family: Vazirmatn, Tahoma, sans-serif; line-height: 1.8\">\n\
         {paragraphs}</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use forecall_ledger::{Contact, Secret};
    use forecall_types::{ContactChannel, Intent, NoticeText};

    use super::*;

    fn intent() -> Intent {
        Intent {
            id: "int_1".parse().unwrap(),
            notice: "ntc_1".parse().unwrap(),
            incident: "inc_1".parse().unwrap(),
            domain: "acme".parse().unwrap(),
            customer: "cus_1".parse().unwrap(),
            channel: ContactChannel::Email,
            language: Language::En,
            at: EventTime::from_secs(1_700_000_000),
            expires_at: None,
            corrects: false,
        }
    }

    fn composed(
        language: Language,
        to: &str,
        name: &str,
        subject: &str,
        body: &str,
    ) -> Result<String, SendError> {
        let letterhead = Letterhead {
            from: "Acme <care@acme.example>".parse().unwrap(),
            list_unsubscribe: Some("<mailto:stop@acme.example>".into()),
        };
        let text = NoticeText {
            language,
            channel: ContactChannel::Email,
            subject: Some(subject.into()),
            body: body.into(),
            parts: 1,
        };
        let contact = Contact {
            address: Secret::new(to),
            name: (!name.is_empty()).then(|| Secret::new(name)),
        };
        let message = Message {
            intent: &intent(),
            text: &text,
            contact: &contact,
            attempt: 1,
            at: EventTime::from_secs(1_700_000_500),
        };
        compose(&letterhead, &message).map(|mail| String::from_utf8(mail.formatted()).unwrap())
    }

    #[test]
    fn a_mail_has_its_headers_and_both_parts() {
        let mail = composed(Language::En, "a@example.ir", "", "Internet", "Hello <you>\nnow").unwrap();
        expect![[r#"
            From: Acme <care@acme.example>
            To: a@example.ir
            Subject: Internet
            Date: Tue, 14 Nov 2023 22:13:20 +0000
            Message-ID: <int_1@acme.example>
            References: <inc_1@acme.example>
            Auto-Submitted: auto-generated
            List-Unsubscribe: <mailto:stop@acme.example>
            MIME-Version: 1.0
            Content-Type: multipart/alternative; boundary="forecall-int_1"

            --forecall-int_1
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: 7bit

            Hello <you>
            now
            --forecall-int_1
            Content-Type: text/html; charset=utf-8
            Content-Transfer-Encoding: quoted-printable

            <!DOCTYPE html>
            <html lang=3D"en" dir=3D"ltr">
            <head><meta charset=3D"utf-8"><title>Internet</title></head>
            <body dir=3D"ltr" style=3D"font-family: Vazirmatn, Tahoma, sans-serif; line=
            -height: 1.8">
            <p>Hello &lt;you&gt;<br>
            now</p>
            </body>
            </html>

            --forecall-int_1--
        "#]]
        .assert_eq(&mail.replace("\r\n", "\n"));
    }

    #[test]
    fn persian_is_encoded_and_every_line_ends_as_it_must() {
        let mail = composed(
            Language::Fa,
            "a@example.ir",
            "علی",
            "اختلال اینترنت",
            "مشتری گرامی\n.\nپایان",
        )
        .unwrap();
        assert!(mail.is_ascii());
        assert!(mail.contains("Subject: =?utf-8?"), "{mail}");
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n']));
        assert!(html(Language::Fa, "", "").contains("<html lang=\"fa\" dir=\"rtl\">"));
    }

    #[test]
    fn the_same_intent_gives_the_same_bytes() {
        let once = || composed(Language::Fa, "a@example.ir", "علی", "اختلال", "متن").unwrap();
        assert_eq!(once(), once());
    }

    #[test]
    fn what_could_break_out_of_a_header_is_refused() {
        let check = |to: &str, name: &str, subject: &str, body: &str, want: &str| {
            let Err(SendError::Permanent { reason, .. }) = composed(Language::En, to, name, subject, body)
            else {
                panic!("{to:?} {name:?} {subject:?} was taken");
            };
            assert_eq!(reason, want);
        };
        for bad in ["a\r\nBcc: b@c.example", "a\nb", "a\0b", "a\rb"] {
            check("a@b.example", "", bad, "x", "control_character_in_subject");
            check("a@b.example", bad, "s", "x", "control_character_in_name");
            check(bad, "", "s", "x", "control_character_in_address");
        }
        check(
            "a@b.example",
            "",
            "s",
            "x\r\n.\r\nMAIL FROM:<x@y>",
            "control_character_in_body",
        );
        check(
            "a@b.example>\u{20}RCPT TO:<x@y",
            "",
            "s",
            "x",
            "not_a_mail_address",
        );
        check("علی@example.ir", "", "s", "x", "address_not_ascii");
        check("nobody", "", "s", "x", "not_a_mail_address");
    }
}

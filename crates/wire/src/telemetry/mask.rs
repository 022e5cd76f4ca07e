//! What may be personal in a text.

use forecall_detect::text::VALUE;

/// Digits from which a run of them, whatever stands between, may be a phone number, a card or a national id.
const PERSONAL_DIGITS_MIN: usize = 7;
/// Characters of a log line that are looked at: what kind of line it is shows at its beginning.
const LINE_CHARS_MAX: usize = 400;
/// Bytes of a masked line, within what a label may hold.
const LINE_BYTES_MAX: usize = 900;
/// Letters from which a word is a token or a key, not a word.
const WORD_CHARS_MAX: usize = 32;
/// Letters from which a word of nothing but hexadecimal ones is a number.
const HEX_CHARS_MIN: usize = 8;
/// What ends an assigned value, at the end of a word.
const DIVIDERS: [char; 6] = [',', ';', '|', ')', ']', '}'];
/// Keys behind whose colon a person may stand.
const PERSONAL_KEYS: [&str; 32] = [
    "user",
    "username",
    "login",
    "name",
    "customer",
    "client",
    "owner",
    "caller",
    "callee",
    "contact",
    "subscriber",
    "account",
    "holder",
    "from",
    "to",
    "by",
    "recipient",
    "sender",
    "address",
    "email",
    "mail",
    "phone",
    "mobile",
    "msisdn",
    "person",
    "patient",
    "member",
    "employee",
    "نام",
    "مشتری",
    "کاربر",
    "آدرس",
];
/// Opening quotation marks, and what closes them.
const QUOTES: [(char, char); 7] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('«', '»'),
    ('“', '”'),
    ('‘', '’'),
    ('{', '}'),
];

/// Whether a label's value may be a person's number or address: an at sign, or as many digits as a phone number, in any script.
pub(super) fn looks_personal(value: &str) -> bool {
    value.contains('@') || value.chars().filter(|c| c.is_numeric()).count() >= PERSONAL_DIGITS_MIN
}

/// A log line with `<*>` for whatever is a value or may be: what holds a digit of any script, hexadecimal and long words, addresses,
/// URLs, paths, what is quoted or stands in braces; and what is assigned, by an equals sign or behind one of [`PERSONAL_KEYS`] and a
/// colon, up to what divides it from the next. The other words are left.
pub(super) fn masked_line(line: &str) -> String {
    let unquoted = without_quoted(&line.chars().take(LINE_CHARS_MAX).collect::<String>());
    let mut out = String::with_capacity(unquoted.len());
    let (mut last_is_value, mut is_assigned) = (false, false);
    for word in unquoted.split_whitespace() {
        let assigns = word.contains('=') || is_personal_key(word);
        let masked = if is_assigned && !assigns {
            VALUE.to_owned()
        } else {
            masked_word(word)
        };
        is_assigned = (assigns || is_assigned) && !word.ends_with(DIVIDERS);
        let is_value = masked == VALUE;
        // However many words a value has (a phone number, a name in quotes), it is one.
        if is_value && last_is_value {
            continue;
        }
        if out.len() + masked.len() >= LINE_BYTES_MAX {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        last_is_value = is_value || masked.ends_with(VALUE);
        out.push_str(&masked);
    }
    out
}

/// Whether a word is one of [`PERSONAL_KEYS`] with a colon behind it.
fn is_personal_key(word: &str) -> bool {
    let key = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    key.strip_suffix(':').is_some_and(|key| {
        let key = key.rsplit(['.', '_', '-', '(', '[']).next().unwrap_or(key);
        let key = key.to_lowercase();
        PERSONAL_KEYS.contains(&key.as_str())
    })
}

fn without_quoted(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut before = ' ';
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        // The apostrophe of "can't" opens nothing.
        let opens = QUOTES
            .iter()
            .find(|(open, _)| *open == c && !(c == '\'' && before.is_alphanumeric()));
        let Some((open, close)) = opens else {
            out.push(c);
            before = c;
            continue;
        };
        // One that is never closed, as where the line was cut, takes the rest.
        skip_quoted(&mut rest, (*open, *close));
        out.push_str(VALUE);
        before = *close;
    }
    out
}

/// Goes on behind what closes the quotation: a sign behind a backslash closes nothing, and what opens within must close first.
fn skip_quoted(rest: &mut std::str::Chars<'_>, (open, close): (char, char)) {
    let mut depth = 1_u32;
    while let Some(c) = rest.next() {
        if c == '\\' {
            rest.next();
        } else if c == close {
            depth -= 1;
        } else if c == open {
            depth += 1;
        }
        if depth == 0 {
            return;
        }
    }
}

fn masked_word(word: &str) -> String {
    let is_path = word.starts_with(['/', '\\']) || word.matches(['/', '\\']).count() > 1;
    if word.contains('@') || word.contains("://") || is_path {
        return VALUE.to_owned();
    }
    // `name=value`: whatever the value is.
    if let Some((name, _)) = word.split_once('=') {
        return format!("{}={VALUE}", masked_word(name));
    }
    let is_value = word.contains(VALUE) || word.chars().any(char::is_numeric);
    let letters = word.chars().filter(|c| c.is_alphanumeric()).count();
    let is_hex = letters >= HEX_CHARS_MIN
        && word
            .chars()
            .all(|c| c.is_ascii_hexdigit() || !c.is_alphanumeric());
    if is_value || is_hex || letters > WORD_CHARS_MAX {
        return VALUE.to_owned();
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_go_and_words_stay() {
        for (line, masked) in [
            (
                "upstream timeout after 31 ms for order 7",
                "upstream timeout after <*> ms for order <*>",
            ),
            ("call me on 0912 123 45 67 now", "call me on <*> now"),
            ("تماس با ۰۹۱۲۱۲۳۴۵۶۷ قطع شد", "تماس با <*> قطع شد"),
            ("mail to maryam.r@example.com failed", "mail to <*> failed"),
            ("card 6037-9911-2345-6789 declined", "card <*> declined"),
            ("user=maryam role=admin, logged in", "user=<*> role=<*> logged in"),
            ("user=maryam rezaei logged in", "user=<*>"),
            ("user(name=Maryam Sadat Rezaei) gone", "user(name=<*> gone"),
            ("name = Maryam Rezaei; refused", "name =<*> refused"),
            ("user: maryam rezaei, refused", "user: <*> refused"),
            ("error: connection refused", "error: connection refused"),
            (
                r#"callback "{\"note\":\"my husband left me\"}" ok"#,
                "callback <*> ok",
            ),
            (r#"callback {\"note\":\"left me\"} ok"#, "callback <*> ok"),
            ("User{address=A{city=x}, owner: Maryam Rezaei} gone", "<*> gone"),
            ("user \"Maryam Rezaei\" can't pay", "user <*> can't pay"),
            (
                "user 'Maryam Rezaei' said «سلام دنیا» twice",
                "user <*> said <*> twice",
            ),
            ("peer fe80::1 and 10.0.0.7:443 reset", "peer <*> and <*> reset"),
            (
                "trace deadbeefcafe from 6f9619ff-8b86-d011-b42d-00c04fc964ff",
                "trace <*> from <*>",
            ),
            ("GET /users/maryam/cards https://a.b/c", "GET <*>"),
            ("read/write of a block failed", "read/write of a block failed"),
            ("cut \"here and no", "cut <*>"),
            ("payload {\"name\":\"Maryam\"} refused", "payload <*> refused"),
            ("", ""),
        ] {
            assert_eq!(masked_line(line), masked, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_digit_and_no_address_is_left(line in "(\\PC|[0-9۰-۹a-f@=\" ]){0,500}") {
            let masked = masked_line(&line);
            prop_assert!(!masked.chars().any(char::is_numeric), "{masked}");
            prop_assert!(!masked.contains('@') && !masked.contains('"'), "{masked}");
            prop_assert!(masked.len() <= LINE_BYTES_MAX);
        }
    }
}

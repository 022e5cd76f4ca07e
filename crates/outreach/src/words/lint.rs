//! What a text for customers must not say.

/// The words for "no need to call", in every form a template may use. They stand only where it is computed true (R1).
const NO_CALL: [&str; 6] = [
    "تماس لازم نیست",
    "نیازی به تماس",
    "No need to call",
    "no need to call",
    "نیازی به ماندن",
    "need not stay",
];

/// Whether `text` says that no call is needed.
pub(crate) fn says_no_call(text: &str) -> bool {
    NO_CALL.iter().any(|phrase| text.contains(phrase))
}

/// Words that promise without a time, blame, hedge a promise, or read wrongly when the text comes late.
const FORBIDDEN: [&str; 16] = [
    "به‌زودی",
    "بزودی",
    "به زودی",
    "در اسرع وقت",
    "متأسفانه",
    "متاسفانه",
    "از صبر شما",
    "حدود",
    "هدیه",
    "امروز",
    "فردا",
    "soon",
    "shortly",
    "nfortunately",
    "today",
    "tomorrow",
];

/// The longest step in a person's words, in characters: with it a text message keeps to two parts.
const STEP_CHARS_MAX: usize = 60;

/// What is wrong with a step in a person's words, and what to do about it; `None`: nothing that can be found by looking.
///
/// ```
/// use forecall_outreach::step_mistake;
/// assert_eq!(step_mistake("فیبر جوش خورد", "The fibre is spliced"), None);
/// assert!(step_mistake("فیبر جوش خورد", "It will be back soon").is_some());
/// ```
pub fn step_mistake(fa: &str, en: &str) -> Option<String> {
    let is_persian = |c: char| matches!(u32::from(c), 0x0600..=0x06FF);
    for (language, text) in [("fa", fa), ("en", en)] {
        let name = format!("the words in {language}");
        if let Some(complaint) = complaints(&name, text).into_iter().next() {
            return Some(complaint);
        }
        let length = text.chars().count();
        if length > STEP_CHARS_MAX {
            return Some(format!(
                "{name}: {length} characters; at most {STEP_CHARS_MAX} fit beside the rest"
            ));
        }
        if says_no_call(text) {
            return Some(format!(
                "{name}: that no call is needed is computed, never written"
            ));
        }
        if text.contains("http") || text.contains("www.") {
            return Some(format!(
                "{name}: a link; over a broken service nobody can open it"
            ));
        }
        if text.ends_with(['.', '!', '؟', '?']) {
            return Some(format!(
                "{name}: end without a mark, the text around them has its own"
            ));
        }
    }
    if !fa.chars().any(is_persian) {
        return Some("the words in fa: they aren't Persian".into());
    }
    if en.chars().any(is_persian) || !en.chars().any(|c| c.is_ascii_alphabetic()) {
        return Some("the words in en: they aren't English".into());
    }
    None
}

/// What is wrong with the source of a template or with words that a person wrote; empty if nothing is.
pub(crate) fn complaints(name: &str, source: &str) -> Vec<String> {
    let mut found: Vec<String> = FORBIDDEN
        .iter()
        .filter(|word| source.contains(**word))
        .map(|word| format!("{name}: says `{word}`"))
        .collect();
    if source.contains("در حال بررسی") && !name.starts_with("confirmed") {
        found.push(format!(
            "{name}: still \"looking into it\" after the first message"
        ));
    }
    for c in source.chars() {
        let why = match u32::from(c) {
            0x1F000.. | 0x2600..=0x27BF | 0xFE0F => "an emoji",
            0x064A | 0x0643 => "an Arabic ye or kaf",
            0x2018..=0x201F | 0x2013 | 0x2014 => "a curly quote or dash",
            0x0660..=0x0669 => "an Arabic digit",
            _ => continue,
        };
        found.push(format!("{name}: {why} ({c})"));
    }
    if name.contains(".sms.") && source.contains("http") {
        found.push(format!("{name}: a link in a text message"));
    }
    found
}

/// Whether a template's source says "no need to call" anywhere but in the first branch of `{% if no_call_needed %}` (or of
/// an `elif` of that name). Follows the tags by hand, so that it doesn't trust what it checks.
#[cfg(test)]
pub(crate) fn no_call_outside_its_branch(source: &str) -> bool {
    let mut conditions: Vec<String> = Vec::new();
    let mut rest = source;
    loop {
        let (text, tag, after) = match rest.split_once("{%") {
            None => (rest, None, ""),
            Some((text, more)) => match more.split_once("%}") {
                None => return true,
                Some((tag, after)) => (text, Some(tag.trim()), after),
            },
        };
        if says_no_call(text) && !conditions.iter().any(|c| c == "no_call_needed") {
            return true;
        }
        let Some(tag) = tag else { return false };
        match tag.split_once(' ').unwrap_or((tag, "")) {
            ("if", condition) => conditions.push(condition.trim().to_owned()),
            ("elif", condition) => {
                conditions.pop();
                conditions.push(condition.trim().to_owned());
            }
            ("else", _) => {
                conditions.pop();
                conditions.push(String::new());
            }
            ("endif", _) => {
                conditions.pop();
            }
            _ => return true,
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_in_words_is_looked_at() {
        let wrong = |fa, en| step_mistake(fa, en).expect("a mistake");
        assert_eq!(step_mistake("تیم به محل رسید", "Our team is on site"), None);
        for (fa, en, said) in [
            ("به‌زودی وصل می‌شود", "ok", "the words in fa: says `به‌زودی`"),
            ("وصل شد", "It is back soon", "the words in en: says `soon`"),
            (
                "نیازی به تماس نیست",
                "ok",
                "the words in fa: that no call is needed",
            ),
            (
                "وصل شد",
                "No need to call",
                "the words in en: that no call is needed",
            ),
            ("وصل شد 🙂", "ok", "the words in fa: an emoji"),
            ("علي آمد", "ok", "the words in fa: an Arabic ye"),
            ("در حال بررسی", "ok", "the words in fa: still \"looking into it\""),
            ("ببینید www.x.ir", "ok", "the words in fa: a link"),
            ("ok", "ok", "the words in fa: they aren't Persian"),
            ("وصل شد", "وصل", "the words in en: they aren't English"),
            ("وصل شد", "123", "the words in en: they aren't English"),
            ("وصل شد.", "ok", "the words in fa: end without a mark"),
        ] {
            let found = wrong(fa, en);
            assert!(found.starts_with(said), "{found}");
        }
        let long = "و".repeat(61);
        assert!(wrong(&long, "ok").contains("61 characters"));
        assert_eq!(step_mistake(&"و".repeat(60), "ok"), None);
    }

    #[test]
    fn the_lint_sees_what_it_looks_for() {
        for bad in [
            "اینترنت به‌زودی وصل می‌شود",
            "back soon",
            "ok 🙂",
            "it’s",
            "در حال بررسی",
            "ي",
            "https://x",
        ] {
            assert!(!complaints("progress.sms.fa", bad).is_empty(), "{bad}");
        }
        assert!(complaints("confirmed.long.fa", "در حال بررسی").is_empty());
    }

    #[test]
    fn the_branch_is_found() {
        for (source, outside) in [
            ("No need to call.", true),
            ("{% if no_call_needed %}No need to call.{% endif %}", false),
            (
                "{% if no_call_needed %}a{% else %}No need to call.{% endif %}",
                true,
            ),
            (
                "{% if x %}a{% elif no_call_needed %}No need to call.{% endif %}",
                false,
            ),
            ("{% if not no_call_needed %}No need to call.{% endif %}", true),
            (
                "{% if no_call_needed %}{% if x %}No need to call.{% endif %}{% endif %}",
                false,
            ),
            ("{% if no_call_needed %}a{% endif %}No need to call.", true),
        ] {
            assert_eq!(no_call_outside_its_branch(source), outside, "{source}");
        }
    }
}

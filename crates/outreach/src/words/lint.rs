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
#[cfg(test)]
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

/// What is wrong with the source of a template; empty if nothing is.
#[cfg(test)]
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

//! Delivery receipts as text: the form that SMPP 3.4 gives in its appendix B, which vendors keep more or less.

/// What a receipt says became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has arrived.
    Delivered,
    /// It will not arrive, and why, from a closed list.
    Failed(&'static str),
    /// Nothing is settled yet: on its way, or the centre itself doesn't know.
    Pending,
}

impl Verdict {
    /// By the word after `stat:`. Vendors cut and stretch them.
    pub fn of_word(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "DELIVRD" | "DELIVERED" | "DELIVERD" => Self::Delivered,
            "EXPIRED" => Self::Failed("expired_in_network"),
            "UNDELIV" | "UNDELIVERABLE" | "UNDELIVERED" => Self::Failed("undeliverable"),
            "REJECTD" | "REJECTED" => Self::Failed("rejected_by_network"),
            "DELETED" => Self::Failed("deleted_in_network"),
            // Where an operator blocks a sender for a number, it is no opt-out from service notices.
            "BLKLIST" | "BLACKLIST" | "BLOCKED" => Self::Failed("blocked_by_network"),
            _ => Self::Pending,
        }
    }

    /// By the TLV `message_state` (3.4 §5.2.28).
    pub const fn of_state(state: u8) -> Self {
        match state {
            2 => Self::Delivered,
            3 => Self::Failed("expired_in_network"),
            4 => Self::Failed("deleted_in_network"),
            5 => Self::Failed("undeliverable"),
            8 => Self::Failed("rejected_by_network"),
            _ => Self::Pending,
        }
    }
}

/// `id:… sub:… dlvrd:… submit date:… done date:… stat:… err:… text:…`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptText {
    /// The centre's name for the message.
    pub id: String,
    /// What became of it.
    pub verdict: Verdict,
}

impl ReceiptText {
    /// Reads one; `None`: the text is no receipt. Names stand in any case; what follows `text:` is the message's own beginning and
    /// is not looked at.
    pub fn read(text: &str) -> Option<Self> {
        let end = find(text, "text:").unwrap_or(text.len());
        let head = text.get(..end)?;
        let id = value(head, "id:")?;
        let stat = value(head, "stat:")?;
        Some(Self {
            id: id.to_owned(),
            verdict: Verdict::of_word(stat),
        })
    }
}

/// Where a field's name begins: at the beginning or after a space, so that `sub:` isn't found in `xsub:`.
fn find(text: &str, name: &str) -> Option<usize> {
    let starts = text.match_indices(|_: char| true).map(|(at, _)| at);
    let mut before = ' ';
    for at in starts {
        let rest = text.get(at..)?;
        if before.is_whitespace()
            && rest
                .get(..name.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(name))
        {
            return Some(at);
        }
        before = rest.chars().next().unwrap_or(' ');
    }
    None
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.get(find(text, name)? + name.len()..)?;
    rest.split_whitespace()
        .next()
        .filter(|word| !word.contains(':') || name == "id:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Option<(&str, Verdict)>) {
        let found = ReceiptText::read(text);
        assert_eq!(found.as_ref().map(|r| (r.id.as_str(), r.verdict)), want, "{text}");
    }

    #[test]
    fn receipts_of_several_houses() {
        const STANDARD: &str = "id:0123456789 sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:DELIVRD err:000 text:hello";
        check(STANDARD, Some(("0123456789", Verdict::Delivered)));
        check(
            "ID: 7f3a SUB:001 Stat: undeliv ERR:34",
            Some(("7f3a", Verdict::Failed("undeliverable"))),
        );
        check(
            "id:a-b_c stat:EXPIRED",
            Some(("a-b_c", Verdict::Failed("expired_in_network"))),
        );
        check(
            "id:9 stat:REJECTD err:1",
            Some(("9", Verdict::Failed("rejected_by_network"))),
        );
        check("id:9 stat:ACCEPTD", Some(("9", Verdict::Pending)));
        check("id:9 stat:UNKNOWN", Some(("9", Verdict::Pending)));
        check(
            "id:9 stat:BLACKLIST",
            Some(("9", Verdict::Failed("blocked_by_network"))),
        );
    }

    #[test]
    fn what_a_message_quotes_is_no_receipt() {
        check("stat:DELIVRD", None);
        check("id:5", None);
        check("id:5 text:stat:DELIVRD", None);
        check("لغو", None);
        check("", None);
        // Each beginning of a receipt is read or refused, and never fails.
        let text = "id:۱ stat:DELIVRD text:سلام";
        for (end, _) in text.char_indices() {
            let _ = ReceiptText::read(text.get(..end).unwrap());
        }
    }
}

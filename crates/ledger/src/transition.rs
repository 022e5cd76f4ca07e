use forecall_types::IntentState;

/// Whether an intent may go from one state to another.
///
/// | from | to |
/// |---|---|
/// | planned | sending (by a lease), failed (cancelled, expired, erased), unknown (the same after an answer was lost); after a lost answer, by a receipt, accepted and delivered, too |
/// | sending | accepted, delivered, failed, unknown; planned (refused for now: tried again) |
/// | accepted | delivered, failed, unknown |
/// | unknown | accepted, delivered, failed (the answer came after all) |
/// | delivered, failed | – |
pub const fn may_move(from: IntentState, to: IntentState) -> bool {
    match from {
        IntentState::Planned => matches!(
            to,
            IntentState::Sending | IntentState::Failed | IntentState::Unknown
        ),
        IntentState::Sending => matches!(
            to,
            IntentState::Planned
                | IntentState::Accepted
                | IntentState::Delivered
                | IntentState::Failed
                | IntentState::Unknown
        ),
        IntentState::Accepted => matches!(
            to,
            IntentState::Delivered | IntentState::Failed | IntentState::Unknown
        ),
        IntentState::Unknown => matches!(
            to,
            IntentState::Accepted | IntentState::Delivered | IntentState::Failed
        ),
        IntentState::Delivered | IntentState::Failed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table() {
        let mut table = String::new();
        for from in IntentState::ALL {
            let to: Vec<_> = IntentState::ALL
                .into_iter()
                .filter(|to| may_move(from, *to))
                .map(IntentState::as_str)
                .collect();
            table += &format!("{} -> {}\n", from.as_str(), to.join(" "));
        }
        expect_test::expect![[r"
            planned -> sending failed unknown
            sending -> planned accepted delivered failed unknown
            accepted -> delivered failed unknown
            delivered -> 
            failed -> 
            unknown -> accepted delivered failed
        "]]
        .assert_eq(&table);
    }
}

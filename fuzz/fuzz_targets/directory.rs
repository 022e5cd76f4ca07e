//! Any bytes as a directory file: people, or rows that can't be taken, without a word of what stands in them.
#![no_main]

use forecall_ledger::{DirectorySettings, PseudonymKey, read_directory};
use forecall_types::{DomainName, EventTime};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let settings = DirectorySettings {
        domain: DomainName::new("fuzz").expect("a name"),
        at: EventTime::from_secs(1_780_000_000),
        country_code: "98".to_owned(),
    };
    let key = PseudonymKey::from_bytes([7; 32]);
    let _ = read_directory(data, &settings, &|id| key.customer(&settings.domain, id));
});

//! Any bytes as a snapshot or as the text beside a committed position.
#![no_main]

use forecall_stage::{Checkpoint, Snapshot};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(snapshot) = Snapshot::decode(data) {
        assert_eq!(snapshot.encode().expect("what was read can be written"), data);
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(point) = text.parse::<Checkpoint>()
    {
        let again: Checkpoint = point.to_string().parse().expect("what was read can be read again");
        assert_eq!(again, point);
    }
});

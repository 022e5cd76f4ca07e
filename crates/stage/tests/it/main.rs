//! What proves a run, as whoever keeps it sees it: text beside a position, bytes of a snapshot.

use forecall_stage::{Checkpoint, Counts, Digest, Snapshot, SnapshotHeader, decode_state, encode_state};
use forecall_types::Fingerprint;
use proptest::prelude::*;

fn counts() -> impl Strategy<Value = Counts> {
    // Up to what nine digits of base 36 hold; beyond it a counter stands still.
    const MAX: u64 = 101_559_956_668_415;
    (0..=MAX, 0..=MAX, 0..=MAX, 0..=MAX).prop_map(|(records, dead_letters, refused, parts_refused)| Counts {
        records,
        dead_letters,
        refused,
        parts_refused,
    })
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let chain = proptest::collection::vec((any::<i64>(), any::<u128>()), 0..4);
    (any::<u32>(), any::<u128>(), chain, counts()).prop_map(|(version, settings, chain, counts)| {
        let mut digest = Digest::default();
        for (offset, payload) in chain {
            digest.record(offset, Fingerprint::from_u128(payload));
        }
        Checkpoint {
            version,
            settings: Fingerprint::from_u128(settings),
            digest,
            counts,
        }
    })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let header = (
        "[a-z-]{1,12}",
        "[a-z.]{0,30}",
        any::<i32>(),
        any::<i64>(),
        checkpoint(),
    );
    let state = proptest::collection::vec(any::<u8>(), 0..200);
    (header, state).prop_map(
        |((stage, topic, partition, next_offset, checkpoint), state)| Snapshot {
            header: SnapshotHeader {
                stage,
                topic,
                partition,
                next_offset,
                checkpoint,
            },
            state,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_checkpoint_goes_to_text_and_back(point in checkpoint()) {
        let text = point.to_string();
        prop_assert!(text.is_ascii() && text.len() <= 128, "{text}");
        prop_assert_eq!(text.parse(), Ok(point));
    }

    #[test]
    fn a_text_that_was_changed_is_another_checkpoint_or_none(point in checkpoint(), at in any::<prop::sample::Index>(), by in b'!'..b'~') {
        let mut bytes = point.to_string().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != by);
        bytes[at] = by;
        // A digit's letter may be written large: the same number.
        let changed = String::from_utf8(bytes).unwrap();
        prop_assume!(!changed.eq_ignore_ascii_case(&point.to_string()));
        if let Ok(other) = changed.parse::<Checkpoint>() {
            prop_assert_ne!(other, point);
        }
    }

    #[test]
    fn any_text_is_a_checkpoint_or_refused(text in "\\PC{0,140}") {
        let parsed = text.parse::<Checkpoint>();
        if let Ok(point) = parsed {
            prop_assert_eq!(point.to_string().parse(), Ok(point));
        }
    }

    #[test]
    fn a_snapshot_comes_back_whole(snapshot in snapshot()) {
        let bytes = snapshot.encode().unwrap();
        prop_assert_eq!(&bytes, &snapshot.encode().unwrap(), "the same memory, the same bytes");
        prop_assert_eq!(Snapshot::decode(&bytes).unwrap(), snapshot);
    }

    #[test]
    fn every_flipped_bit_every_cut_and_every_addition_is_found(snapshot in snapshot(), bit in 0_u32..8, more in proptest::collection::vec(any::<u8>(), 1..20)) {
        let good = snapshot.encode().unwrap();
        for byte in 0..good.len() {
            let mut bad = good.clone();
            bad[byte] ^= 1 << bit;
            prop_assert!(Snapshot::decode(&bad).is_err(), "bit {bit} of byte {byte}");
            prop_assert!(Snapshot::decode(&good[..byte]).is_err(), "cut at {byte}");
        }
        let longer = [good.as_slice(), &more].concat();
        prop_assert!(Snapshot::decode(&longer).is_err(), "{} bytes more", more.len());
    }

    #[test]
    fn two_halves_of_two_snapshots_are_none(a in snapshot(), b in snapshot(), at in any::<prop::sample::Index>()) {
        let (a, b) = (a.encode().unwrap(), b.encode().unwrap());
        let at = at.index(a.len().min(b.len()));
        let mixed = [&a[..at], &b[at..]].concat();
        prop_assert!(Snapshot::decode(&mixed).is_err() || mixed == a || mixed == b);
    }

    #[test]
    fn bytes_that_are_no_snapshot_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Snapshot::decode(&bytes).is_err());
        // A state that another version wrote is an error or a value, never a panic.
        let _ = decode_state::<(u64, Vec<String>)>(&bytes);
    }

    #[test]
    fn a_state_comes_back(state in (any::<u64>(), proptest::collection::btree_map("[a-z]{1,5}", any::<i64>(), 0..10))) {
        let bytes = encode_state(&state).unwrap();
        let back: (u64, std::collections::BTreeMap<String, i64>) = decode_state(&bytes).unwrap();
        prop_assert_eq!(back, state);
    }

    #[test]
    fn a_chain_tells_order_and_content(records in proptest::collection::vec((any::<i64>(), any::<u128>()), 2..8), swap in any::<prop::sample::Index>()) {
        let chain = |records: &[(i64, u128)]| {
            let mut digest = Digest::default();
            for (offset, payload) in records {
                digest.record(*offset, Fingerprint::from_u128(*payload));
            }
            digest
        };
        let mut other = records.clone();
        let at = swap.index(other.len() - 1);
        other.swap(at, at + 1);
        prop_assert_eq!(chain(&records) == chain(&other), records == other);
        prop_assert_ne!(chain(&records), chain(&records[1..]));
    }
}

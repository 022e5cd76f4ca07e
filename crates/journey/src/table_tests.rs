use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn journey(customer: u128, key: u64, deadline: i64) -> Journey {
    Journey::new(customer, 0, key, 0, 0, deadline)
}

#[test]
fn a_journey_is_48_bytes() {
    assert_eq!(size_of::<Journey>(), 48);
    let customer = (1_u128 << 80) - 0x1234;
    assert_eq!(journey(customer, 0, 0).customer(), customer);
}

/// What the table should hold: by customer and key, the deadline.
type Model = BTreeMap<(u128, u64), i64>;

fn place_of(table: &Table, customer: u128, key: u64) -> Option<u32> {
    let mut found = Vec::new();
    table.of_customer(customer, &mut found);
    let all = found.len();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), all, "a place twice");
    found
        .into_iter()
        .find(|place| table.get(*place).is_some_and(|j| j.key == key))
}

fn holds(table: &Table, model: &Model) {
    assert_eq!(table.len(), model.len());
    for ((customer, key), deadline) in model {
        let place = place_of(table, *customer, *key).unwrap();
        assert_eq!(table.get(place).unwrap().deadline, *deadline);
    }
}

proptest! {
    #[test]
    fn finds_and_ends_what_a_map_would(
        steps in proptest::collection::vec((0_u8..8, 0_u128..12, 0_u64..3, 0_i64..8_000), 0..300)
    ) {
        let (mut table, mut model, mut time) = (Table::default(), Model::new(), 0_i64);
        for (what, customer, key, span) in steps {
            // Customers whose hashes share their low bits would be found by chance alone: spread and dense ones mixed.
            let customer = if customer % 2 == 0 { customer } else { customer << 70 };
            let deadline = (time + span) * 1_000_000;
            match (what, place_of(&table, customer, key)) {
                (0..=3, None) => {
                    table.open(journey(customer, key, deadline));
                    model.insert((customer, key), deadline);
                }
                (0..=2, Some(place)) => {
                    table.go_on(place, 1, deadline);
                    model.insert((customer, key), deadline);
                }
                (3..=5, Some(place)) => {
                    prop_assert_eq!(table.close(place).map(|j| j.key), Some(key));
                    model.remove(&(customer, key));
                }
                (6, _) => {
                    time += span / 4;
                    let mut due: Vec<_> = model
                        .iter()
                        .filter(|(_, deadline)| **deadline < time * 1_000_000)
                        .map(|((customer, key), deadline)| (*deadline, *customer, *key))
                        .collect();
                    due.sort_unstable();
                    for (deadline, customer, key) in due {
                        let (place, at) = table.first_before(time * 1_000_000).unwrap();
                        let closed = table.close(place).unwrap();
                        prop_assert_eq!((at, closed.customer(), closed.key), (deadline, customer, key));
                        model.remove(&(customer, key));
                    }
                    prop_assert_eq!(table.first_before(time * 1_000_000), None);
                }
                (7, _) => {
                    let bytes = postcard_of(&table);
                    let loaded: Loaded = forecall_stage::decode_state(&bytes).unwrap();
                    let mut again = Table::restored(loaded, |_| true);
                    prop_assert_eq!(&postcard_of(&again), &bytes);
                    prop_assert_eq!(&postcard_of(&again.share()), &bytes);
                    table = again;
                }
                _ => {}
            }
            holds(&table, &model);
        }
        // Those left out at loading free their places.
        let loaded: Loaded = forecall_stage::decode_state(&postcard_of(&table)).unwrap();
        let kept = Table::restored(loaded, |j| j.key == 1);
        model.retain(|(_, key), _| *key == 1);
        holds(&kept, &model);
    }
}

fn postcard_of(table: &Table) -> Vec<u8> {
    forecall_stage::encode_state(table).unwrap()
}

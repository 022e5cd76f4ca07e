use std::collections::{BTreeMap, BTreeSet};

use forecall_ledger::{
    DirectoryRow, DirectorySettings, Imported, LedgerError, PseudonymKey, Secret, read_directory,
};
use forecall_types::{
    ContactChannel, Customer, CustomerId, DomainName, IntentState, Language, Receipt, RegionCode,
};

use crate::{Desk, at, intent, planned};

const NUMBER: &str = "+989123454567";
const NAME: &str = "علی رضایی";

fn person(id: &str, secs: i64) -> DirectoryRow {
    DirectoryRow {
        customer: Customer {
            id: id.parse().unwrap(),
            domain: "acme".parse().unwrap(),
            region: RegionCode::new("IR-23").unwrap(),
            place: None,
            served_by: BTreeSet::new(),
            services: BTreeSet::from(["internet".parse().unwrap()]),
            language: Language::Fa,
            channels: vec![ContactChannel::Sms],
            consents: BTreeSet::new(),
            priority: false,
            at: at(secs),
        },
        name: Some(Secret::new(NAME)),
        addresses: BTreeMap::from([
            (ContactChannel::Sms, Secret::new(NUMBER)),
            (ContactChannel::Email, Secret::new("ali@example.ir")),
        ]),
    }
}

fn id(text: &str) -> CustomerId {
    text.parse().unwrap()
}

/// The bytes of the file and of all beside it.
fn bytes(desk: &Desk) -> Vec<u8> {
    let folder = desk.path.parent().unwrap();
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        all.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    all
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

#[test]
fn a_contact_is_found_and_never_shown() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    ledger.import_customers([person("cus_1", 5)]).unwrap();
    let contact = ledger
        .contact(&id("cus_1"), ContactChannel::Sms)
        .unwrap()
        .unwrap();
    assert_eq!(contact.address.expose(), NUMBER);
    assert_eq!(
        format!("{contact:?}"),
        "Contact { address: ***, name: Some(***) }"
    );
    assert_eq!(ledger.contact(&id("cus_1"), ContactChannel::Push).unwrap(), None);
    assert_eq!(ledger.contact(&id("cus_2"), ContactChannel::Sms).unwrap(), None);
}

#[test]
fn no_byte_of_a_number_is_in_the_files() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    let key = PseudonymKey::from_bytes([1; 32]);
    let domain: DomainName = "acme".parse().unwrap();
    let file = format!(
        "id,region,services,name,sms,email\n{NUMBER},IR-23,internet,{NAME},۰۹۱۲۳۴۵۴۵۶۷,ali@example.ir\n"
    );
    let settings = DirectorySettings {
        domain: domain.clone(),
        at: at(5),
        country_code: "98".into(),
        place_resolution: 9,
    };
    let rows = read_directory(file.as_bytes(), &settings, &|raw| key.customer(&domain, raw)).unwrap();
    let customer = rows[0].customer.id.clone();
    ledger.import_customers(rows).unwrap();
    let contact = ledger.contact(&customer, ContactChannel::Sms).unwrap().unwrap();
    assert_eq!(contact.address.expose(), NUMBER);

    let all = bytes(&desk);
    assert!(
        holds(&all, customer.as_str().as_bytes()),
        "the scan reads the right files"
    );
    for secret in [
        "989123454567",
        "09123454567",
        "9123454567",
        "۹۱۲۳۴۵۴۵۶۷",
        "٩١٢٣٤٥٤٥٦٧",
        "ali@example.ir",
        NAME,
    ] {
        assert!(!holds(&all, secret.as_bytes()), "{secret}");
    }
}

#[test]
fn swapped_personal_data_does_not_open() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    ledger
        .import_customers([person("cus_1", 5), person("cus_2", 5)])
        .unwrap();
    desk.raw()
        .execute_batch(
            "UPDATE personal SET ciphertext = (SELECT ciphertext FROM personal WHERE customer = 'cus_1') WHERE customer = 'cus_2';
             UPDATE person_keys SET wrapped = (SELECT wrapped FROM person_keys WHERE customer = 'cus_1') WHERE customer = 'cus_2'",
        )
        .unwrap();
    let error = ledger.contact(&id("cus_2"), ContactChannel::Sms).unwrap_err();
    assert!(matches!(error, LedgerError::Sealed { .. }), "{error}");
}

#[test]
fn an_erased_person_is_gone() {
    let desk = Desk::new();
    let mut ledger = planned(&desk, &[intent("int_1", ContactChannel::Sms)]);
    ledger.import_customers([person("cus_int_1", 5)]).unwrap();
    let key: Vec<u8> = desk
        .raw()
        .query_row("SELECT wrapped FROM person_keys", [], |r| r.get(0))
        .unwrap();
    assert!(holds(&bytes(&desk), &key));

    assert!(ledger.erase(&id("cus_int_1"), at(30)).unwrap());
    assert!(!ledger.erase(&id("cus_int_1"), at(31)).unwrap());
    assert_eq!(
        ledger.contact(&id("cus_int_1"), ContactChannel::Sms).unwrap(),
        None
    );
    assert_eq!(ledger.customers().count(), 0);
    let all = bytes(&desk);
    assert!(!holds(&all, &key), "the wrapped key is still there");
    assert!(!holds(&all, b"cus_int_1"), "the pseudonym is still there");
    let receipts = ledger.receipts_after(0, 9).unwrap();
    assert!(
        matches!(
            &receipts[..],
            [(
                _,
                Receipt {
                    state: IntentState::Failed,
                    ..
                }
            )]
        ),
        "{receipts:?}"
    );
}

#[test]
fn a_later_import_replaces_and_an_earlier_does_not() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    let mut import = |secs: i64, number: &str| {
        let mut row = person("cus_1", secs);
        row.addresses.insert(ContactChannel::Sms, Secret::new(number));
        let done = ledger.import_customers([row]).unwrap();
        let contact = ledger
            .contact(&id("cus_1"), ContactChannel::Sms)
            .unwrap()
            .unwrap();
        (done, contact.address.expose().to_owned())
    };
    let (written, older) = (
        Imported { written: 1, older: 0 },
        Imported { written: 0, older: 1 },
    );
    assert_eq!(import(5, "+1"), (written, "+1".into()));
    assert_eq!(import(4, "+2"), (older, "+1".into()));
    assert_eq!(import(6, "+3"), (written, "+3".into()));
}

#[test]
fn all_customers_are_walked_over_pages() {
    let desk = Desk::new();
    let mut ledger = desk.open();
    let people = (0..2_500).map(|n| person(&format!("cus_{n:04}"), 5));
    assert_eq!(ledger.import_customers(people).unwrap().written, 2_500);
    let ids: Vec<_> = ledger.customers().map(|c| c.unwrap().id).collect();
    assert_eq!(ids.len(), 2_500);
    assert!(ids.is_sorted() && ids[2_499].as_str() == "cus_2499");
}

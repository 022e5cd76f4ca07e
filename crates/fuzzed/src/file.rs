use std::sync::LazyLock;

use forecall_config::Settings;
use forecall_ledger::{AddressSeal, DirectorySettings, MasterKey, read_directory};
use forecall_types::{ContactChannel, DomainName, EventTime};

fn domain() -> DomainName {
    DomainName::new("fuzz").expect("a name")
}

/// Any text as a configuration: settings, or problems that can be told.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // A reference to a file or a variable could read anything of this machine.
    if !text.contains("${")
        && let Err(problems) = Settings::from_yaml("fuzz.yaml", text)
    {
        assert!(!problems.to_string().is_empty());
    }
}

static KEY: LazyLock<forecall_ledger::PseudonymKey> =
    LazyLock::new(|| forecall_ledger::PseudonymKey::from_hex(&"7".repeat(64)).expect("a key"));

/// Any bytes as a directory file: people, or rows that can't be taken.
pub fn directory(data: &[u8]) {
    let settings = DirectorySettings {
        domain: domain(),
        at: EventTime::from_secs(1_780_000_000),
        country_code: "98".to_owned(),
        place_resolution: 9,
    };
    drop(read_directory(data, &settings, &|id| {
        KEY.customer(&settings.domain, id)
    }));
}

/// Any bytes as a number, an address or an id, and as a sealed address: the same identity each time, and nothing opens that
/// wasn't sealed here.
pub fn identity(data: &[u8]) {
    static SEAL: LazyLock<AddressSeal> =
        LazyLock::new(|| AddressSeal::new(&MasterKey::from_hex(&"1".repeat(64)).expect("a key")));
    static TOLD: LazyLock<forecall_wire::telemetry::PseudonymKey> = LazyLock::new(|| {
        forecall_wire::telemetry::PseudonymKey::from_bytes(&[7; 32]).expect("a key of 32 bytes")
    });
    let domain = domain();
    let text = String::from_utf8_lossy(data);
    let customer = TOLD.customer(&domain, &text);
    assert_eq!(TOLD.customer(&domain, &text), customer);
    let padded = format!("  {text} ");
    assert_eq!(
        TOLD.customer(&domain, &padded),
        customer,
        "white space around it means nothing"
    );
    assert!(SEAL.open(&customer, ContactChannel::Sms, data).is_err());
}

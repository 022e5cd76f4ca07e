//! A message centre behind TLS.

use forecall_delivery::{DeliverSettings, SmppSettings, SmppTls};
use forecall_types::IntentState;

use crate::certificate::self_signed;
use crate::fake_smsc::{FakeSmsc, Manner};
use crate::smpp::{SMS, reach, settings, worker};
use crate::{Desk, at};

#[test]
fn over_tls_it_sends_to_whom_it_trusts_and_to_nobody_else() {
    let (pem, tls) = self_signed();
    let centre = FakeSmsc::start_with(Manner::default(), &[], Some(tls));
    let desk = Desk::new(SMS, 3);
    let ca_file = desk.folder.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let encrypted = |ca_file| SmppSettings {
        tls: SmppTls::Implicit,
        ca_file,
        ..settings(&centre)
    };
    // Nobody vouches for it: it isn't even told our name.
    let report = worker(&desk, encrypted(None), DeliverSettings::default()).run_once(at(20));
    assert!(report.unwrap().reasons.contains_key("tls"));
    assert!(centre.centre().binds.is_empty());
    let mut trusting = worker(&desk, encrypted(Some(ca_file)), DeliverSettings::default());
    assert_eq!(trusting.run_once(at(40)).unwrap().total(IntentState::Accepted), 3);
    reach(&mut trusting, 41, &[(IntentState::Delivered, 3)]);
}

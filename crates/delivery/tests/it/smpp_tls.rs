//! A message centre behind TLS.

use forecall_delivery::{DeliverSettings, SmppSettings, SmppTls};
use forecall_types::IntentState;
use native_tls::{Identity, TlsAcceptor};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

use crate::fake_smsc::{FakeSmsc, Manner};
use crate::smpp::{SMS, reach, settings, worker};
use crate::{Desk, at};

/// A certificate of its own for 127.0.0.1, as PEM, and what speaks TLS with it.
fn self_signed() -> (Vec<u8>, TlsAcceptor) {
    let key = PKey::from_ec_key(
        EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap(),
    );
    let key = key.unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "a centre").unwrap();
    let name = name.build();
    let mut made = X509::builder().unwrap();
    made.set_version(2).unwrap();
    let number = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    made.set_serial_number(&number).unwrap();
    made.set_subject_name(&name).unwrap();
    made.set_issuer_name(&name).unwrap();
    made.set_pubkey(&key).unwrap();
    made.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    made.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    made.append_extension(BasicConstraints::new().critical().ca().build().unwrap())
        .unwrap();
    let host = SubjectAlternativeName::new()
        .ip("127.0.0.1")
        .build(&made.x509v3_context(None, None))
        .unwrap();
    made.append_extension(host).unwrap();
    made.sign(&key, MessageDigest::sha256()).unwrap();
    let pem = made.build().to_pem().unwrap();
    let identity = Identity::from_pkcs8(&pem, &key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    (pem, TlsAcceptor::new(identity).unwrap())
}

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

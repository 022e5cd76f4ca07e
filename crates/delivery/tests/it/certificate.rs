use std::sync::atomic::{AtomicU32, Ordering};

use native_tls::{Identity, TlsAcceptor};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A certificate of its own for 127.0.0.1 and names below `test`, as PEM, and what speaks TLS with it.
pub(crate) fn self_signed() -> (Vec<u8>, TlsAcceptor) {
    let key = PKey::from_ec_key(
        EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap(),
    );
    let key = key.unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    // Two of one name would be taken for each other.
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    name.append_entry_by_nid(Nid::COMMONNAME, &format!("a server {number}"))
        .unwrap();
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
        .dns("localhost")
        .dns("*.receivers.test")
        .build(&made.x509v3_context(None, None))
        .unwrap();
    made.append_extension(host).unwrap();
    made.sign(&key, MessageDigest::sha256()).unwrap();
    let pem = made.build().to_pem().unwrap();
    let identity = Identity::from_pkcs8(&pem, &key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    (pem, TlsAcceptor::new(identity).unwrap())
}

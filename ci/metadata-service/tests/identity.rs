//! The identity read back by x509-parser and used by ring, neither of which made it.
use std::sync::LazyLock;

use metadata_service::identity::Identity;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use x509_parser::pem::{Pem, parse_x509_pem};

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::generate().expect("an identity"));

fn pem(text: &str) -> Pem {
    let (rest, pem) = parse_x509_pem(text.as_bytes()).expect("PEM");
    assert!(rest.is_empty(), "one block, nothing after it");
    pem
}

#[test]
fn the_key_signs_what_the_certificate_verifies() {
    let key = pem(&IDENTITY.key);
    assert_eq!(key.label, "RSA PRIVATE KEY");
    let key = RsaKeyPair::from_der(&key.contents).expect("an RSA key of at least 2048 bits");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), b"a request", &mut signature).expect("a signature");

    let certificate = pem(&IDENTITY.certificate);
    let certificate = certificate.parse_x509().expect("a certificate");
    let public = &certificate.public_key().subject_public_key.data;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(b"a request", &signature)
        .expect("key.pem belongs to cert.pem");
}

#[test]
fn the_intermediate_signed_the_certificate() {
    let (certificate, intermediate) = (pem(&IDENTITY.certificate), pem(&IDENTITY.intermediate));
    let certificate = certificate.parse_x509().expect("a certificate");
    let intermediate = intermediate.parse_x509().expect("a certificate");
    assert_eq!(certificate.issuer(), intermediate.subject());
    certificate.verify_signature(Some(intermediate.public_key())).expect("its signature");
    assert!(intermediate.is_ca());
    assert!(!certificate.is_ca());
    assert!(certificate.validity().is_valid() && intermediate.validity().is_valid());
}

#[test]
fn the_subject_carries_what_the_sdks_look_for() {
    let certificate = pem(&IDENTITY.certificate);
    let certificate = certificate.parse_x509().expect("a certificate");
    let subject = certificate.subject();
    let name = subject.iter_common_name().next().and_then(|name| name.as_str().ok());
    assert_eq!(name, Some("ocid1.instance.oc1.phx.exampleuniqueid"));
    let units: Vec<_> = subject.iter_organizational_unit().filter_map(|unit| unit.as_str().ok()).collect();
    assert_eq!(
        units,
        [
            "opc-certtype:instance",
            "opc-compartment:ocid1.compartment.oc1..exampleuniqueid",
            "opc-instance:ocid1.instance.oc1.phx.exampleuniqueid",
            "opc-tenant:ocid1.tenancy.oc1..exampleuniqueid",
        ]
    );
}

#[test]
fn each_start_has_its_own() {
    assert_ne!(Identity::generate().expect("an identity").key, IDENTITY.key);
}

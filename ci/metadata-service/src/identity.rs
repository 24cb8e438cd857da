//! The instance's identity: the certificate and key that instance principals are made of.
//!
//! Shaped as OCI's: an RSA-2048 leaf whose subject carries the instance, compartment and tenancy as `OU`s, signed by an
//! intermediate. Unlike OCI's, which live two hours and rotate, these last as long as a range may be kept, and the
//! intermediate is signed by itself: the root above it is never served anyway.
use std::time::Duration;

use anyhow::Context;
use rsa::pkcs1::{EncodeRsaPrivateKey, LineEnding};
use rsa::pkcs1v15::SigningKey;
use rsa::sha2::Sha256;
use rsa::{Generate, PrivateKey};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder, Result};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::EncodePem;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::Validity;

const INTERMEDIATE: &str = "OU=opc-device:range,CN=Range Identity Intermediate";
/// Printed as OCI's are: the last attribute comes first in RFC 4514's order.
const INSTANCE: &str = "OU=opc-tenant:ocid1.tenancy.oc1..exampleuniqueid,\
    OU=opc-instance:ocid1.instance.oc1.phx.exampleuniqueid,\
    OU=opc-compartment:ocid1.compartment.oc1..exampleuniqueid,\
    OU=opc-certtype:instance,\
    CN=ocid1.instance.oc1.phx.exampleuniqueid";
const LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Three PEM files.
#[derive(Debug)]
pub struct Identity {
    /// `cert.pem`: the instance's certificate.
    pub certificate: String,
    /// `key.pem`: its private key, PKCS#1, without a passphrase.
    pub key: String,
    /// `intermediate.pem`: the certificate that signed the instance's.
    pub intermediate: String,
}

impl Identity {
    /// Makes new keys and certificates.
    ///
    /// # Errors
    /// When the system gives no randomness, or a certificate cannot be encoded.
    pub fn generate() -> anyhow::Result<Self> {
        let authority = PrivateKey::try_generate().context("no randomness for the intermediate's key")?;
        let instance = PrivateKey::try_generate().context("no randomness for the instance's key")?;
        let issuer: Name = INTERMEDIATE.parse()?;
        let signer = SigningKey::<Sha256>::new(authority.clone());
        let sign = |subject: Name, authority: bool, key: &PrivateKey, serial: u32| -> anyhow::Result<String> {
            let profile = Profile { issuer: issuer.clone(), subject, authority };
            let key = SubjectPublicKeyInfo::from_key(&key.to_public_key())?;
            let validity = Validity::from_now(LIFETIME)?;
            let certificate = CertificateBuilder::new(profile, SerialNumber::from(serial), validity, key)?
                .build::<_, rsa::pkcs1v15::Signature>(&signer)?;
            Ok(certificate.to_pem(LineEnding::LF)?)
        };
        Ok(Self {
            intermediate: sign(issuer.clone(), true, &authority, 1)?,
            certificate: sign(INSTANCE.parse()?, false, &instance, 2)?,
            key: instance.to_pkcs1_pem(LineEnding::LF)?.to_string(),
        })
    }
}

struct Profile {
    issuer: Name,
    subject: Name,
    authority: bool,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _key: SubjectPublicKeyInfoRef<'_>,
        _issuer_key: SubjectPublicKeyInfoRef<'_>,
        certificate: &TbsCertificate,
    ) -> Result<Vec<Extension>> {
        let usage = if self.authority { KeyUsages::KeyCertSign } else { KeyUsages::DigitalSignature };
        let constraints = BasicConstraints { ca: self.authority, path_len_constraint: None };
        Ok(vec![
            constraints.to_extension(certificate.subject(), &[])?,
            KeyUsage(usage.into()).to_extension(certificate.subject(), &[])?,
        ])
    }
}

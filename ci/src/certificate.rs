//! A certificate for a server on this machine, of an authority of its own that is made with it and forgotten.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

/// What a server proves itself by.
pub(crate) struct Certificate {
    authority: CertifiedIssuer<'static, KeyPair>,
    own: rcgen::Certificate,
    key: KeyPair,
}

impl Certificate {
    /// A fresh one for a server of that name.
    ///
    /// # Errors
    /// When no server can have that name, or no key can be made.
    pub(crate) fn of_name(name: &str) -> Result<Self> {
        Self::of(SanType::DnsName(name.try_into()?))
    }

    /// A fresh one for a server on 127.0.0.1.
    ///
    /// # Errors
    /// When no key can be made.
    pub(crate) fn of_loopback() -> Result<Self> {
        Self::of(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)))
    }

    fn of(server: SanType) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![server];
        let own = params.signed_by(&key, &authority)?;
        Ok(Self { authority, own, key })
    }

    /// The authority's, PEM.
    pub(crate) fn authority(&self) -> String {
        self.authority.pem()
    }

    /// Its own.
    pub(crate) fn own(&self) -> &rcgen::Certificate {
        &self.own
    }

    /// Its key.
    pub(crate) fn key(&self) -> &KeyPair {
        &self.key
    }
}

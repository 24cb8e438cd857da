//! What the programs read: certificate, keys, credentials, the ways to the API server.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{CertifiedKey, KeyPair};

use super::containers::API_PORT;
use crate::range::kubeconfig;

/// The administrator's name, in the kubeconfigs and to the API server.
pub(super) const ADMIN: &str = "admin";

/// Makes the directory, readable by its owner alone.
///
/// # Errors
/// When it cannot be made.
pub(super) fn make(dir: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("{} cannot be made", dir.display()))
}

/// Writes everything for an API server at `address`, and returns its certificate in PEM.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(dir: &Path, address: Ipv4Addr) -> Result<String> {
    let names = [address.to_string(), Ipv4Addr::LOCALHOST.to_string(), "localhost".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names)?;
    let accounts = KeyPair::generate()?;
    let token = fs::read_to_string("/proc/sys/kernel/random/uuid").context("the kernel gives no random number")?;
    let token = token.trim();
    let certificate = cert.pem();
    put(dir, "tls.crt", &certificate)?;
    put(dir, "tls.key", &signing_key.serialize_pem())?;
    put(dir, "accounts.key", &accounts.serialize_pem())?;
    put(dir, "accounts.pub", &accounts.public_key_pem())?;
    put(dir, "tokens.csv", &format!("{token},{ADMIN},{ADMIN},system:masters\n"))?;
    put(dir, "admin.conf", &kubeconfig(Ipv4Addr::LOCALHOST, &certificate, token))?;
    Ok(certificate)
}

/// A file that only its owner may read.
///
/// # Errors
/// When it cannot be written.
pub(super) fn put(dir: &Path, name: &str, text: &str) -> Result<()> {
    use std::io::Write;
    let path = dir.join(name);
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// The way to the API server at `address`, for whoever holds `token`.
pub(super) fn kubeconfig(address: Ipv4Addr, certificate: &str, token: &str) -> String {
    kubeconfig::of_token(CONTEXT, &format!("{address}:{API_PORT}"), certificate, token)
}

/// The one context of every kubeconfig here.
pub(super) const CONTEXT: &str = "api-server";

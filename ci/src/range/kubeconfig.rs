//! The file through which everybody else reaches a range.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::names::Names;

/// Where ranges keep their files: `$XDG_STATE_HOME/oke-conformance`, by default under `~/.local/state`.
///
/// # Errors
/// When there is neither `XDG_STATE_HOME` nor `HOME`.
pub(crate) fn state_dir() -> Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    Ok(state
        .context("no place for the kubeconfig: set HOME or XDG_STATE_HOME to an absolute path")?
        .join("oke-conformance"))
}

/// The kubeconfig of a range, whether it exists or not.
///
/// # Errors
/// As for [`state_dir`].
pub(crate) fn path(names: &Names) -> Result<PathBuf> {
    Ok(state_dir()?.join(names.range()).join("kubeconfig"))
}

/// Writes the kubeconfig, readable by its owner only.
///
/// # Errors
/// When the place cannot be written to.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let dir = path.parent().expect("a kubeconfig lies in its range's directory");
    let context = || format!("the kubeconfig cannot be written to {}", path.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(context)?;
    // Renamed into place: a reader never sees half a file, and an old file's mode does not survive.
    let fresh = dir.join(format!(".kubeconfig.{}", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).with_context(context)?;
    file.write_all(text.as_bytes()).with_context(context)?;
    fs::rename(&fresh, path).with_context(context)
}

/// The kubeconfig of whoever holds `token`; `authority` is a certificate in PEM.
pub(crate) fn of_token(context: &str, server: &str, authority: &str, token: &str) -> String {
    text(context, server, &BASE64_STANDARD.encode(authority), &[("token", token)])
}

/// A kubeconfig with one context; `authority` is encoded already, and `credential` is what the user has.
fn text(context: &str, server: &str, authority: &str, credential: &[(&str, &str)]) -> String {
    let credential: String = credential.iter().map(|(key, value)| format!("    {key}: {value}\n")).collect();
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: {context}
  cluster:
    certificate-authority-data: {authority}
    server: https://{server}
contexts:
- name: {context}
  context:
    cluster: {context}
    user: {context}
current-context: {context}
users:
- name: {context}
  user:
{credential}"
    )
}

/// Removes the range's directory.
///
/// # Errors
/// When it exists and cannot be removed.
pub(crate) fn remove(names: &Names) -> Result<()> {
    let dir = state_dir()?.join(names.range());
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", dir.display()))
        }
        _ => Ok(()),
    }
}

/// The ranges that have a directory.
pub(crate) fn known() -> Result<Vec<Names>> {
    let Ok(entries) = fs::read_dir(state_dir()?) else {
        return Ok(Vec::new());
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| Names::new(&name).ok()).collect())
}

/// kubeadm's admin.conf, made to reach the same API server through its published port.
///
/// # Errors
/// When the text is not such a file.
pub(crate) fn rewrite(admin_conf: &str, names: &Names, port: u16) -> Result<String> {
    let field = |key: &str| {
        let prefix = format!("{key}:");
        admin_conf
            .lines()
            .find_map(|line| line.trim().trim_start_matches("- ").strip_prefix(prefix.as_str()))
            .map(str::trim)
            .with_context(|| format!("/etc/kubernetes/admin.conf of range `{}` has no {key}", names.range()))
    };
    let authority = field("certificate-authority-data")?;
    let credential = ["client-certificate-data", "client-key-data"];
    let [certificate, key] = credential.map(|key| Ok::<_, anyhow::Error>((key, field(key)?)));
    Ok(text(&names.context(), &format!("127.0.0.1:{port}"), authority, &[certificate?, key?]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const ADMIN_CONF: &str = "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Q0E=
    server: https://range-control-plane:6443
  name: range
contexts:
- context:
    cluster: range
    user: kubernetes-admin
  name: kubernetes-admin@range
current-context: kubernetes-admin@range
kind: Config
users:
- name: kubernetes-admin
  user:
    client-certificate-data: Q0VSVA==
    client-key-data: S0VZ
";

    #[test]
    fn the_same_credentials_through_the_published_port() {
        let names = Names::new("range").unwrap();
        let text = rewrite(ADMIN_CONF, &names, 40123).unwrap();
        assert!(text.contains("server: https://127.0.0.1:40123\n"));
        assert!(!text.contains("6443"));
        assert!(text.contains("current-context: kind-range\n"));
        for data in ["Q0E=", "Q0VSVA==", "S0VZ"] {
            assert!(text.contains(data), "{data} is missing");
        }
    }

    #[test]
    fn a_file_without_credentials_is_refused_by_name() {
        let names = Names::new("range").unwrap();
        let error = rewrite("clusters: []\n", &names, 1).unwrap_err().to_string();
        assert_eq!(error, "/etc/kubernetes/admin.conf of range `range` has no certificate-authority-data");
    }

    #[test]
    fn only_the_owner_may_read_it_even_where_a_loose_file_lay() {
        let dir = std::env::temp_dir().join(format!("oke-conformance-kubeconfig-{}", std::process::id()));
        let path = dir.join("kubeconfig");
        fs::create_dir_all(&dir).unwrap();
        fs::write(&path, "stale").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, "fresh").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "fresh");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(&dir).unwrap();
    }
}

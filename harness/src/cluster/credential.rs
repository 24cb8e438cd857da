//! A context's credential, which a plugin may have to fetch: it may be missing, fail, or never come back.
use std::path::Path;
use std::time::Duration;

use kube::client::AuthError;
use kube::config::{KubeconfigError, LoadDataError};
use kube::{Client, Config, Error};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::cluster::client;
use crate::cluster::proxy::Proxy;
use crate::cluster::traffic::Traffic;
use crate::told::chain;

/// A client that has its credential.
///
/// # Errors
/// What is wrong with the credential, as the end of a sentence.
pub(super) async fn client(
    config: Config,
    proxy: Option<Proxy>,
    traffic: &Traffic,
    within: Duration,
) -> Result<Client, String> {
    let plugin = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone()).unwrap_or_default();
    let (made, waiting) = oneshot::channel();
    let (runtime, traffic) = (Handle::current(), traffic.clone());
    // kube waits for a plugin without yielding. A thread that the runtime knows would hold up the process' end.
    std::thread::spawn(move || {
        let _entered = runtime.enter();
        made.send(client::client(config, proxy.as_ref(), &traffic))
    });
    match timeout(within, waiting).await {
        Ok(Ok(made)) => made.map_err(|error| told(&error, &plugin)),
        Ok(Err(_)) => Err("kube crashed on it".into()),
        Err(_) => Err(format!("the credential plugin {plugin} did not end within {} s", within.as_secs())),
    }
}

/// Why there is no credential, in the plugin's own words where there is a plugin.
pub(super) fn told(error: &Error, plugin: &str) -> String {
    match error {
        Error::Auth(AuthError::AuthExecStart(cause)) => {
            format!("the credential plugin {plugin} cannot be started: {cause}")
        }
        Error::Auth(AuthError::AuthExecRun { out, .. }) => {
            let said = String::from_utf8_lossy(&out.stderr);
            let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing");
            format!("the credential plugin {plugin} failed ({}): {last}", out.status)
        }
        Error::Auth(AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed) => {
            format!("the credential plugin {plugin} gave no ExecCredential with a status")
        }
        Error::Auth(AuthError::ReadTokenFile(cause, path)) => unreadable(path, cause),
        Error::InferKubeconfig(
            KubeconfigError::LoadClientCertificate(cause) | KubeconfigError::LoadClientKey(cause),
        ) => match cause {
            LoadDataError::ReadFile(cause, path) => unreadable(path, cause),
            other => format!("its client certificate or key cannot be read: {other}"),
        },
        other => chain(other),
    }
}

fn unreadable(path: &Path, cause: &std::io::Error) -> String {
    format!("{} cannot be read: {cause}", path.display())
}

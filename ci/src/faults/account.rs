//! Who the suite is while faults strike: an administrator by bearer token, for a client certificate does not pass a proxy.

use anyhow::{Context, Result};

use super::proxy::Proxy;
use crate::range::kubeconfig;
use crate::range::kubectl::Kubectl;

/// The service account, its binding, and the Secret that its tokens live and die with.
pub(super) const NAME: &str = "conformance-faults";
/// The one context of the kubeconfig.
pub(super) const CONTEXT: &str = "faults";

/// A cluster administrator, as long as the Secret stands.
pub(super) struct Account {
    token: String,
}

impl Account {
    /// Makes it anew.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub(super) async fn make(kubectl: &Kubectl) -> Result<Self> {
        Self::remove(kubectl).await?;
        let context = || format!("service account {NAME} cannot be made");
        let subject = format!("--serviceaccount=kube-system:{NAME}");
        kubectl.run(&["create", "serviceaccount", NAME, "-n", "kube-system"]).await.with_context(context)?;
        let bind = ["create", "clusterrolebinding", NAME, "--clusterrole=cluster-admin", &subject];
        kubectl.run(&bind).await.with_context(context)?;
        kubectl.run(&["create", "secret", "generic", NAME, "-n", "kube-system"]).await.with_context(context)?;
        let bound = ["--bound-object-kind=Secret", "--bound-object-name", NAME, "--duration=1h"];
        let token = [["create", "token", NAME, "-n"].as_slice(), &["kube-system"], &bound].concat();
        let token = kubectl.run(&token).await.with_context(context)?.trim().to_owned();
        Ok(Self { token })
    }

    /// Takes it away; there is none: nothing to do.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub(super) async fn remove(kubectl: &Kubectl) -> Result<()> {
        for kind in ["clusterrolebinding", "serviceaccount", "secret"] {
            let args = ["delete", kind, NAME, "-n", "kube-system", "--ignore-not-found", "--wait"];
            kubectl.run(&args).await.with_context(|| format!("{kind} {NAME} cannot be removed"))?;
        }
        Ok(())
    }

    /// The kubeconfig by which this account reaches the API server through `proxy`.
    pub(super) fn kubeconfig(&self, proxy: &Proxy) -> String {
        kubeconfig::of_token(CONTEXT, &proxy.address.to_string(), &proxy.authority, &self.token)
    }
}

/// Has the API server forget the token, as it does where one expires or is revoked, and waits until it has: an answer of its
/// authenticator holds for ten seconds.
pub(super) async fn expire(kubectl: &Kubectl) -> Result<()> {
    kubectl.run(&["delete", "secret", NAME, "-n", "kube-system", "--wait"]).await?;
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    Ok(())
}

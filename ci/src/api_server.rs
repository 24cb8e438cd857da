//! A cluster as far as its API server goes: a real one, of one of several versions, with etcd and its controllers, in containers of a network
//! of their own. It has no nodes: what decides about a pod has decided before one is looked for.
//!
//! It ends with its [`ApiServer`], by a panic too. What a killed process leaves is taken away, as a range is, by the next that comes up.

pub mod before_1_25;
mod containers;
mod files;
mod image;
mod suite;
mod version;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

pub use version::{ALL, Version};

use crate::range::kubectl::{Kubectl, Object};
use crate::range::names::Names;
use crate::range::owner::Owner;
use crate::range::{Lifetime, Progress, Range, hardening, kubeconfig, remains};
use containers::Containers;

/// Longer than an API server takes to start on a machine that is busy.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// What a run is given, in the cluster: the least role.
const ROLE: &str = include_str!("../deploy/rbac.yaml");

/// A running API server.
pub struct ApiServer {
    pub(crate) version: &'static Version,
    names: Names,
    labels: Vec<(String, String)>,
    image: String,
    files: PathBuf,
    address: Ipv4Addr,
    certificate: String,
}

impl ApiServer {
    /// Brings one up, with the plug-ins of its version and with nothing in it. `name` is its own on this machine, but for the process's id.
    ///
    /// # Errors
    /// When the machine cannot run it. Nothing of the attempt is left then.
    pub async fn up(version: &'static Version, name: &str, progress: &Progress) -> Result<Self> {
        crate::docker_engine::ensure(&**progress).await?;
        for swept in Range::sweep()? {
            progress.line(&format!("removed range `{swept}`, left by a process that is gone"));
        }
        let image = image::ensure(version, &**progress).await?;
        // Each process has its own: two checks on one machine do not get into each other's way.
        let names = Names::new(&format!("{name}-{}", std::process::id()))?;
        let labels = remains::labels(&names, Lifetime::ThrowAway, &Owner::current());
        let files = kubeconfig::state_dir()?.join(names.range());
        // Whatever fails from here on, dropping this takes everything away.
        let mut server =
            Self { version, names, labels, image, files, address: Ipv4Addr::UNSPECIFIED, certificate: String::new() };
        remains::remove(&server.names)?;
        let start = Instant::now();
        // The files after the network: what has no label is anybody's to sweep.
        server.containers().network()?;
        files::make(&server.files)?;
        server.address = server.containers().etcd()?;
        server.certificate = files::write(&server.files, server.address)?;
        server.restart(version.plug_ins).await?;
        server.containers().controllers()?;
        let (name, seconds) = (version.name, start.elapsed().as_secs_f64());
        progress.line(&format!("an API server of {name} ({seconds:.1} s)"));
        Ok(server)
    }

    /// Starts the API server anew, with `more` arguments.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub(crate) async fn restart(&self, more: &[&str]) -> Result<()> {
        self.containers().api_server(more)?;
        let kubectl = self.kubectl();
        let what = format!("the API server of {} answers", self.version.name);
        until(&what, async || kubectl.run(&["get", "--raw=/readyz"]).await.is_ok()).await
    }

    /// Writes a file that the API server may be told to read, and returns where that finds it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn file(&self, name: &str, text: &str) -> Result<String> {
        files::put(&self.files, name, text)?;
        Ok(format!("{}/{name}", containers::FILES))
    }

    /// Ends it.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn down(self) -> Result<()> {
        let names = self.names.clone();
        tokio::task::spawn_blocking(move || remains::remove(&names)).await?
    }

    /// Applies the hardening of its version and the least role, and returns what the hardening consists of.
    ///
    /// # Errors
    /// When something of it is refused.
    pub(crate) async fn harden(&self) -> Result<Vec<Object>> {
        let kubectl = self.kubectl();
        let hardening = hardening::apply_all(&kubectl, &self.names, &self.version.hardening()).await?;
        kubectl.apply(ROLE).await?;
        for namespace in ["tenant-a", "tenant-b"] {
            let account = ["get", "serviceaccount", "default", "--namespace", namespace];
            until("namespaces have their accounts", async || kubectl.run(&account).await.is_ok()).await?;
        }
        Ok(hardening)
    }

    /// The way in for the account of the least role.
    async fn kubeconfig(&self) -> Result<String> {
        let token = self.kubectl().run(&["create", "token", "conformance", "--namespace=oke-conformance"]).await?;
        Ok(files::kubeconfig(self.address, &self.certificate, token.trim()))
    }

    pub(crate) fn kubectl(&self) -> Kubectl {
        Kubectl::new(&containers::etcd(&self.names))
    }

    fn containers(&self) -> Containers<'_> {
        Containers { names: &self.names, labels: &self.labels, image: &self.image, files: &self.files }
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        remains::remove_or_warn(&self.names);
    }
}

async fn until(what: &str, is: impl AsyncFn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !is().await {
        ensure!(start.elapsed() < READY_WITHIN, "{what}: not within {} s", READY_WITHIN.as_secs());
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

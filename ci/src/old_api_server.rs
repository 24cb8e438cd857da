//! A cluster below 1.25, as far as PodSecurityPolicy needs one: a real API server of 1.24 with etcd and its controllers, in containers of a
//! network of their own. It has no nodes: what decides about a pod has decided before one is looked for.
//!
//! It ends with its [`OldApiServer`], by a panic too. What a killed process leaves is taken away, as a range is, by the next that comes up.

mod containers;
mod files;
mod image;
mod proof;
mod suite;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

pub use proof::{prove, proved};

use crate::range::kubectl::Kubectl;
use crate::range::names::Names;
use crate::range::owner::Owner;
use crate::range::{Lifetime, Progress, Range, hardening, kubeconfig, remains};
use containers::Containers;

/// Longer than an API server takes to start on a machine that is busy.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// What a run is given, in the cluster: the least role.
const ROLE: &str = include_str!("../deploy/rbac.yaml");

/// `ci/before-1.25/`: its module, its hardening, its sabotages.
pub(crate) fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("before-1.25")
}

/// A running API server.
pub struct OldApiServer {
    names: Names,
    labels: Vec<(String, String)>,
    image: String,
    files: PathBuf,
    address: Ipv4Addr,
    certificate: String,
}

impl OldApiServer {
    /// Brings one up, hardened.
    ///
    /// # Errors
    /// When the machine cannot run it. Nothing of the attempt is left then.
    pub async fn up(progress: &Progress) -> Result<Self> {
        crate::docker_engine::ensure(&**progress).await?;
        for swept in Range::sweep()? {
            progress.line(&format!("removed range `{swept}`, left by a process that is gone"));
        }
        let image = image::ensure(&**progress).await?;
        // Each process has its own: two checks on one machine do not get into each other's way.
        let names = Names::new(&format!("before-1-25-{}", std::process::id()))?;
        let labels = remains::labels(&names, Lifetime::ThrowAway, &Owner::current());
        let files = kubeconfig::state_dir()?.join(names.range());
        // Whatever fails from here on, dropping this takes everything away.
        let mut server =
            Self { names, labels, image, files, address: Ipv4Addr::UNSPECIFIED, certificate: String::new() };
        remains::remove(&server.names)?;
        let start = Instant::now();
        // The files after the network: what has no label is anybody's to sweep.
        server.containers().network()?;
        files::make(&server.files)?;
        server.address = server.containers().etcd()?;
        server.certificate = files::write(&server.files, server.address)?;
        server.plug_in(true).await?;
        server.containers().controllers()?;
        server.harden().await?;
        progress.line(&format!("a hardened API server of 1.24 ({:.1} s)", start.elapsed().as_secs_f64()));
        Ok(server)
    }

    /// Starts the API server anew, with the plug-in or without.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub async fn plug_in(&self, on: bool) -> Result<()> {
        self.containers().api_server(on)?;
        let kubectl = self.kubectl();
        until("the API server of 1.24 answers", async || kubectl.run(&["get", "--raw=/readyz"]).await.is_ok()).await
    }

    /// Ends it.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn down(self) -> Result<()> {
        let names = self.names.clone();
        tokio::task::spawn_blocking(move || remains::remove(&names)).await?
    }

    async fn harden(&self) -> Result<()> {
        let kubectl = self.kubectl();
        hardening::apply(&kubectl, &self.names, &data_dir().join("hardened")).await?;
        kubectl.apply(ROLE).await?;
        for namespace in ["tenant-a", "tenant-b"] {
            let account = ["get", "serviceaccount", "default", "--namespace", namespace];
            until("namespaces have their accounts", async || kubectl.run(&account).await.is_ok()).await?;
        }
        Ok(())
    }

    /// The way in for the account of the least role.
    async fn kubeconfig(&self) -> Result<String> {
        let token = self.kubectl().run(&["create", "token", "conformance", "--namespace=oke-conformance"]).await?;
        Ok(files::kubeconfig(self.address, &self.certificate, token.trim()))
    }

    fn kubectl(&self) -> Kubectl {
        Kubectl::new(&containers::etcd(&self.names))
    }

    fn containers(&self) -> Containers<'_> {
        Containers { names: &self.names, labels: &self.labels, image: &self.image, files: &self.files }
    }
}

impl Drop for OldApiServer {
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

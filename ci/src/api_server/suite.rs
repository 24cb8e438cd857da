//! The suite against such an API server, as a user starts it: the real program, with a home and a kubeconfig of its own.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness::record::Run;
use tokio::process::Command;

use super::ApiServer;
use super::files::CONTEXT;

/// Longer than any run takes where no probe can be placed.
const A_RUN: Duration = Duration::from_secs(180);

/// There is no node that could have an image, and no pod is ever started: any digest will do.
const CONFORMANCE: &str = r#"[cluster.api-server]
namespaces = ["tenant-*"]
agent-image = "registry.k8s.io/pause@sha256:0000000000000000000000000000000000000000000000000000000000000000"
"#;

impl ApiServer {
    /// Runs what `filter` selects of the built-in suite of that name under the least role.
    ///
    /// # Errors
    /// When there is no record: what the suite says.
    pub(crate) async fn run(&self, program: &Path, suite: &str, filter: &[&str]) -> Result<Run> {
        let home = tempfile::Builder::new().prefix("oke-conformance-api-server-").tempdir()?;
        let kubeconfig = home.path().join("kubeconfig");
        fs::write(&kubeconfig, self.kubeconfig().await?)?;
        fs::write(home.path().join("conformance.toml"), CONFORMANCE)?;
        let suite = Command::new(program)
            .args(["--cluster", CONTEXT, "--suite", suite, "--report-dir", "reports"])
            .args(filter)
            .current_dir(home.path())
            .env_clear()
            .env("HOME", home.path())
            .env("KUBECONFIG", &kubeconfig)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let Ok(ended) = tokio::time::timeout(A_RUN, suite).await else {
            bail!("the suite did not end within {} s", A_RUN.as_secs())
        };
        let ended = ended.context("the suite cannot be started")?;
        let Ok(text) = fs::read(home.path().join("reports/run.json")) else {
            bail!("the suite wrote no record: {}", String::from_utf8_lossy(&ended.stderr).trim())
        };
        serde_json::from_slice(&text).context("the suite's record cannot be read")
    }
}

//! The suite against such an API server, as a user starts it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use harness::record::Run;

use super::ApiServer;
use super::files::CONTEXT;
use crate::suite_program::{self, Run as Asked};

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
        self.run_told("", program, suite, filter).await
    }

    /// ... with more lines in its entry of conformance.toml.
    ///
    /// # Errors
    /// As [`ApiServer::run`].
    pub(crate) async fn run_told(&self, more: &str, program: &Path, suite: &str, filter: &[&str]) -> Result<Run> {
        let asked = Asked {
            cluster: CONTEXT,
            conformance: &format!("{CONFORMANCE}{more}"),
            kubeconfig: &self.kubeconfig().await?,
            suite,
            more: filter,
            within: A_RUN,
        };
        suite_program::run(program, &asked).await
    }
}

//! The pause program: a few lines of C in the Kubernetes module.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::cache::Cache;
use super::fingerprint::Fingerprint;
use super::{KUBERNETES, PAUSE, go_part};
use crate::progress::Tell;
use crate::tool;

/// The directory with the program `pause`, compiled first where the cache has none.
///
/// # Errors
/// When the module's source cannot be had or the compiler fails.
pub(super) async fn ensure(cache: &Cache, inputs: &Path, tell: &dyn Tell) -> anyhow::Result<PathBuf> {
    let key = Fingerprint::new().text(std::env::consts::ARCH).text(KUBERNETES).text(PAUSE).finish();
    cache
        .ensure("pause", &key, tell, async |into: &Path| {
            let source =
                go_part::source(inputs, "kubernetes", "k8s.io/kubernetes").await?.join("build/pause/linux/pause.c");
            let version = PAUSE.rsplit_once(':').map_or(PAUSE, |(_, tag)| tag);
            let mut gcc = Command::new("gcc");
            gcc.args(["-Os", "-static", "-s"]).arg(format!("-DVERSION=v{version}"));
            tool::output(gcc.arg("-o").arg(into.join("pause")).arg(source)).await?;
            Ok(())
        })
        .await
}

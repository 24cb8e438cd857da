//! The published node image, on a machine that reaches a registry.

use std::time::Duration;

use tokio::process::Command;

use crate::docker_engine::capability;
use crate::progress::{Tell, while_telling, words};
use crate::tool;

/// kind's own image of the minor version that is built here otherwise, as kind v0.30.0 pins it.
const IMAGE: &str = "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a";

/// A registry that answers does so at once; the layers themselves may take their time.
const ANSWER: Duration = Duration::from_secs(15);
const LAYERS: Duration = Duration::from_secs(600);

/// The image's reference once the engine has it, or nothing on a machine without a registry.
pub(super) async fn pull(tell: &dyn Tell) -> Option<String> {
    if !capability::has_sys_resource() {
        // Its containerd lowers OOM scores, and would not start a single container.
        tell.line("this machine lacks CAP_SYS_RESOURCE, which the published node image needs; it is built from source");
        return None;
    }
    let have = tool::output(Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", IMAGE])).await;
    if have.is_ok() {
        return Some(IMAGE.to_owned());
    }
    tell.line("asking the registry for the published node image");
    let mut ask = Command::new("docker");
    ask.args(["manifest", "inspect", IMAGE]);
    if !matches!(tokio::time::timeout(ANSWER, tool::output(&mut ask)).await, Ok(Ok(_))) {
        tell.line("no registry answers; the node image is built from source");
        return None;
    }
    let mut pull = Command::new("docker");
    pull.args(["pull", "--quiet", IMAGE]);
    let pulled = tokio::time::timeout(LAYERS, tool::output(&mut pull));
    match while_telling(tell, |since| format!("pulling the published node image, {}", words(since)), pulled).await {
        Ok(Ok(_)) => Some(IMAGE.to_owned()),
        Ok(Err(error)) => {
            tell.line(&format!("the published node image cannot be pulled ({error}); building it from source"));
            None
        }
        Err(_) => {
            tell.line("the published node image did not arrive within 10 min; building it from source");
            None
        }
    }
}

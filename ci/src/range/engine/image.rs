//! An engine's program on the range: as an image of nothing else, under one digest on both workers.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::node_image::EngineProgram;
use crate::range::docker::exec;
use crate::range::names::Names;
use crate::{program_image, tool};

const EXEC_LIMIT: Duration = Duration::from_secs(60);

/// The image's name by digest, made and brought onto the workers where it is not there.
pub(super) async fn on_workers(names: &Names, name: &str, program: &EngineProgram) -> Result<String> {
    let reference = format!("docker.io/oke-conformance/{name}:{}", program.key);
    if !program_image::present(&reference).await {
        program_image::import(&program.path, name, &reference)
            .await
            .with_context(|| format!("no image of {name} can be made"))?;
    }
    let [first, second] = names.workers();
    let (image, other) = tokio::try_join!(on_node(&first, &reference), on_node(&second, &reference))?;
    if image != other {
        bail!("the workers have {reference} under the digests {image} and {other}");
    }
    Ok(image)
}

/// The image's name by digest on a node, brought there first where it is not.
async fn on_node(node: &str, reference: &str) -> Result<String> {
    let ctr = async |command: &[&str]| {
        exec(node, &[&["ctr", "--namespace=k8s.io", "images"], command].concat(), b"", EXEC_LIMIT).await
    };
    let (name, _) = reference.rsplit_once(':').context("the image has no tag")?;
    let filter = format!("name=={reference}");
    let mut listed = ctr(&["list", &filter]).await?;
    if digest(&listed).is_none() {
        carry(node, reference).await.with_context(|| format!("{reference} cannot be brought onto {node}"))?;
        listed = ctr(&["list", &filter]).await?;
    }
    let by_digest = format!("{name}@{}", digest(&listed).with_context(|| format!("{node} does not list {reference}"))?);
    ctr(&["tag", "--force", reference, &by_digest]).await?;
    Ok(by_digest)
}

/// The digest in what `ctr images list` says of one image.
fn digest(listed: &str) -> Option<&str> {
    listed.split_whitespace().find(|word| word.starts_with("sha256:"))
}

/// From the Docker engine to a node, through a pipe: it is a hundred megabytes and more.
async fn carry(node: &str, reference: &str) -> Result<()> {
    let mut save = Command::new("docker")
        .args(["save", reference])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("docker could not be started")?;
    let saved: Stdio = save.stdout.take().context("docker has no output")?.try_into()?;
    let mut import = Command::new("docker");
    import.args(["exec", "--interactive", node, "ctr", "--namespace=k8s.io", "images", "import", "-"]);
    tool::output_with(&mut import, saved).await?;
    // What is left of it is a pipe that nobody reads: its end of file has come, or the import has failed.
    let saved = save.wait().await?;
    if !saved.success() {
        bail!("docker cannot save it ({saved})");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_that_a_node_lists() {
        let listed = "REF TYPE DIGEST SIZE\ndocker.io/a/b:1 application/x sha256:ab 9.3 MiB linux/amd64 -\n";
        assert_eq!(digest(listed), Some("sha256:ab"));
        assert_eq!(digest("REF TYPE DIGEST SIZE\n"), None);
    }
}

//! Kyverno as pods of the range: its program built from its module, its kinds and rights as its release has them.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::{AGAIN_AFTER, Engine, JUDGES_WITHIN, OURS, manifests};
use crate::range::docker::exec;
use crate::range::kubectl::Kubectl;
use crate::range::names::Names;
use crate::range::template::render;
use crate::{node_image, program_image, tool};

/// Kyverno's release as one file, in its module.
const RELEASE: &str = "config/install-latest-testing.yaml";
/// What the release says of everything that belongs to the admission controller, the one that refuses.
const OF_ADMISSION: &str = "app.kubernetes.io/component: admission-controller";
/// ... without what it runs as: the range's own Deployment is smaller, and needs no registry.
const KINDS: [&str; 6] = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Service"];
const READY_SECONDS: u32 = 110;
/// Of its kinds, once they are deleted: what a deletion on the range is given elsewhere.
const GONE_WITHIN: Duration = Duration::from_secs(60);
const EXEC_LIMIT: Duration = Duration::from_secs(60);

/// Has Kyverno run on the range; its policies come after.
pub(super) async fn install(kubectl: &Kubectl, names: &Names, say: &dyn Fn(&str)) -> Result<()> {
    let program = node_image::kyverno(&say).await.context("Kyverno is not to be had")?;
    let reference = format!("docker.io/oke-conformance/kyverno:{}", program.key);
    if !program_image::present(&reference).await {
        program_image::import(&program.path, "kyverno", &reference).await.context("no image of Kyverno can be made")?;
    }
    let [first, second] = names.workers();
    let (image, other) = tokio::try_join!(on_node(&first, &reference), on_node(&second, &reference))?;
    if image != other {
        bail!("the workers have {reference} under the digests {image} and {other}");
    }

    let own = render("10-kyverno.yaml", &manifests(Engine::Kyverno, "10-")?, &[("KYVERNO_IMAGE", &image)])?;
    let file = program.source.join(RELEASE);
    let release = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    // Its namespace first. Server-side, for its kinds are longer than an annotation may be.
    let all = format!("{own}\n---\n{}", of_admission(&release));
    let applied = kubectl.feed(&["apply", "--server-side", "--force-conflicts", "--filename=-"], &all).await;
    applied.context("Kyverno's manifests are refused")?;
    let deployment = ["deployment/kyverno-admission-controller", "--namespace=kyverno"];
    let timeout = format!("--timeout={READY_SECONDS}s");
    kubectl
        .run(&[&["rollout", "status", &timeout], &deployment[..]].concat())
        .await
        .context("Kyverno does not start")?;
    Ok(())
}

/// Deletes the policy, and lets a tenant make exceptions.
pub(super) async fn take_away(kubectl: &Kubectl) -> Result<()> {
    kubectl.delete(&["clusterpolicies.kyverno.io", "--selector", OURS]).await?;
    kubectl.apply(&manifests(Engine::Kyverno, "90-")?).await.map(drop)
}

/// Has it keep `policies` instead of its own.
pub(crate) async fn keeps(kubectl: &Kubectl, policies: &str) -> Result<()> {
    kubectl.delete(&["clusterpolicies.kyverno.io", "--selector", OURS]).await?;
    let timeout = format!("--timeout={}s", JUDGES_WITHIN.as_secs());
    kubectl.apply(policies).await.context("Kyverno refuses a policy")?;
    kubectl.run(&["wait", "--for=condition=Ready", &timeout, "clusterpolicies.kyverno.io", "--all"]).await.map(drop)
}

/// Kyverno looks at its own policies by a webhook, which may not answer yet although its pod is ready.
pub(super) async fn give_back(kubectl: &Kubectl) -> Result<()> {
    take_grant_back(kubectl).await?;
    let (policies, start) = (manifests(Engine::Kyverno, "20-")?, Instant::now());
    loop {
        match kubectl.apply(&policies).await {
            Ok(_) => return Ok(()),
            Err(error) if start.elapsed() > JUDGES_WITHIN => return Err(error),
            Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
    }
}

async fn take_grant_back(kubectl: &Kubectl) -> Result<()> {
    kubectl.delete(&["roles,rolebindings", "--namespace=tenant-a", "--selector", OURS]).await
}

/// Takes everything away that Kyverno is and has made. Its webhooks go once nobody is there to register them anew, and before
/// everything else, which they would be asked about.
pub(super) async fn remove(kubectl: &Kubectl) -> Result<()> {
    if kubectl.run(&["get", "namespace", "kyverno", "--ignore-not-found", "--output=name"]).await?.trim().is_empty() {
        return Ok(());
    }
    take_grant_back(kubectl).await?;
    kubectl.delete(&["deployments,replicasets,pods", "--all", "--namespace=kyverno"]).await?;
    let webhooks = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
    kubectl.delete(&[webhooks, "--selector=webhook.kyverno.io/managed-by=kyverno"]).await?;
    kubectl.delete(&["clusterroles,clusterrolebindings", "--selector=app.kubernetes.io/part-of=kyverno"]).await?;
    remove_kinds(kubectl).await?;
    kubectl.delete(&["namespace/kyverno"]).await
}

/// A kind goes once the API server has found that none of it is left. Where it looks too early (`could not list instances: storage is
/// (re)initializing`), it looks again after ever longer, or as soon as the kind changes: so it is changed.
async fn remove_kinds(kubectl: &Kubectl) -> Result<()> {
    let start = Instant::now();
    let mut known = kinds(kubectl).await?;
    if !known.is_empty() {
        kubectl.run(&[&["delete", "--ignore-not-found", "--wait=false"], &*words(&known)].concat()).await?;
    }
    while !known.is_empty() {
        if start.elapsed() > GONE_WITHIN {
            bail!("after {} s there still is {}", GONE_WITHIN.as_secs(), known.join(", "));
        }
        tokio::time::sleep(AGAIN_AFTER).await;
        known = kinds(kubectl).await?;
        let looked = format!("oke-conformance.range/looked={}", start.elapsed().as_millis());
        if !known.is_empty() {
            // Some may have gone meanwhile.
            let _ = kubectl.run(&[&["annotate", "--overwrite"], &*words(&known), &[&looked]].concat()).await;
        }
    }
    Ok(())
}

async fn kinds(kubectl: &Kubectl) -> Result<Vec<String>> {
    let all = kubectl.run(&["get", "customresourcedefinitions", "--output=name"]).await?;
    Ok(all.lines().filter(|kind| is_of_kyverno(kind)).map(str::to_owned).collect())
}

fn words(kinds: &[String]) -> Vec<&str> {
    kinds.iter().map(String::as_str).collect()
}

fn is_of_kyverno(kind: &str) -> bool {
    kind.ends_with(".kyverno.io") || kind.ends_with(".wgpolicyk8s.io")
}

/// Of a release's manifests: every kind, and what the admission controller is and may.
fn of_admission(release: &str) -> String {
    let documents = release.split("\n---").filter(|document| {
        let kind = document.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap_or_default();
        kind == "CustomResourceDefinition" || KINDS.contains(&kind) && document.contains(OF_ADMISSION)
    });
    documents.collect::<Vec<_>>().join("\n---")
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
    fn what_admission_needs_of_a_release() {
        let kind = |kind: &str, component: &str| {
            format!("\n---\nkind: {kind}\nmetadata:\n  labels:\n    app.kubernetes.io/component: {component}")
        };
        let needed = kind("CustomResourceDefinition", "crds") + &kind("ClusterRole", "admission-controller");
        let rest = kind("Deployment", "admission-controller") + &kind("ClusterRole", "reports-controller");
        assert_eq!(of_admission(&format!("kind: Namespace{needed}{rest}")), needed.trim_start_matches("\n---"));
    }

    #[test]
    fn the_digest_that_a_node_lists() {
        let listed = "REF TYPE DIGEST SIZE\ndocker.io/a/b:1 application/x sha256:ab 9.3 MiB linux/amd64 -\n";
        assert_eq!(digest(listed), Some("sha256:ab"));
        assert_eq!(digest("REF TYPE DIGEST SIZE\n"), None);
    }

    #[test]
    fn kinds_that_are_kyvernos() {
        assert!(is_of_kyverno("customresourcedefinition.apiextensions.k8s.io/policies.kyverno.io"));
        assert!(!is_of_kyverno("customresourcedefinition.apiextensions.k8s.io/kyverno.io.example"));
    }
}

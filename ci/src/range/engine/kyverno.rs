//! Kyverno as pods of the range: its program built from its module, its kinds and rights as its release has them.

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{AGAIN_AFTER, Engine, JUDGES_WITHIN, OURS, image, list, manifests, release};
use crate::node_image;
use crate::range::kubectl::Kubectl;
use crate::range::names::Names;
use crate::range::template::render;

/// Its namespace.
pub(super) const HOME: &str = "kyverno";
/// Kyverno's release as one file, in its module.
const RELEASE: &str = "config/install-latest-testing.yaml";
/// What the release says of everything that belongs to the admission controller, the one that refuses.
const OF_ADMISSION: &str = "app.kubernetes.io/component: admission-controller";
/// ... without what it runs as: the range's own Deployment is smaller, and needs no registry.
const KINDS: [&str; 6] = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Service"];

/// Has Kyverno run on the range; its policies come after.
pub(super) async fn install(kubectl: &Kubectl, names: &Names, say: &dyn Fn(&str)) -> Result<()> {
    let program = node_image::kyverno(&say).await.context("Kyverno is not to be had")?;
    let image = image::on_workers(names, "kyverno", &program).await?;
    let own = render("10-kyverno.yaml", &manifests(Engine::Kyverno, "10-")?, &[("KYVERNO_IMAGE", &image)])?;
    let comes = |kind: &str, text: &str| {
        kind == "CustomResourceDefinition" || KINDS.contains(&kind) && text.contains(OF_ADMISSION)
    };
    let release = release::read(&program.source, RELEASE, comes)?;
    release::start(kubectl, &own, &release, ("kyverno-admission-controller", HOME)).await
}

/// Deletes the policy, and lets a tenant make exceptions.
pub(super) async fn take_away(kubectl: &Kubectl) -> Result<()> {
    kubectl.delete(&["clusterpolicies.kyverno.io", "--selector", OURS]).await?;
    kubectl.apply(&manifests(Engine::Kyverno, "90-")?).await.map(drop)
}

/// Has it keep `policies` instead of its own, and waits until it is asked about each that is for admission.
pub(crate) async fn keeps(kubectl: &Kubectl, policies: &[Value]) -> Result<()> {
    kubectl.delete(&["clusterpolicies.kyverno.io", "--selector", OURS]).await?;
    kubectl.apply(&list(policies)).await.context("Kyverno refuses a policy")?;
    let timeout = format!("--timeout={}s", JUDGES_WITHIN.as_secs());
    kubectl.run(&["wait", "--for=condition=Ready", &timeout, "clusterpolicies.kyverno.io", "--all"]).await?;
    let asked = "--for=jsonpath={.status.conditionStatus.conditions[?(@.type=='WebhookConfigured')].status}=True";
    for (kind, plural) in VALIDATING {
        let own = |policy: &&Value| policy["kind"] == kind && is_for_admission(policy);
        for policy in policies.iter().filter(own) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let name = format!("{plural}.policies.kyverno.io/{}", text(&policy["metadata"]["name"]));
            let namespace = format!("--namespace={}", text(&policy["metadata"]["namespace"]));
            kubectl.run(&["wait", asked, &timeout, &name, &namespace]).await?;
        }
    }
    Ok(())
}

const VALIDATING: [(&str, &str); 2] =
    [("ValidatingPolicy", "validatingpolicies"), ("NamespacedValidatingPolicy", "namespacedvalidatingpolicies")];

fn is_for_admission(policy: &Value) -> bool {
    policy["spec"]["evaluation"]["admission"]["enabled"] != false
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
    if !release::is_there(kubectl, HOME).await? {
        return Ok(());
    }
    take_grant_back(kubectl).await?;
    kubectl.delete(&["deployments,replicasets,pods", "--all", "--namespace=kyverno"]).await?;
    let webhooks = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
    kubectl.delete(&[webhooks, "--selector=webhook.kyverno.io/managed-by=kyverno"]).await?;
    kubectl.delete(&["clusterroles,clusterrolebindings", "--selector=app.kubernetes.io/part-of=kyverno"]).await?;
    release::remove_kinds(kubectl, &["kyverno.io", "wgpolicyk8s.io"]).await?;
    kubectl.delete(&["namespace/kyverno"]).await
}

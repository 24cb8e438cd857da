//! An engine's release, as its module has it: what of it comes onto the range, and how that goes again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::AGAIN_AFTER;
use crate::range::kubectl::Kubectl;

const READY_SECONDS: u32 = 110;
/// Of its kinds, once they are deleted: what a deletion on the range is given elsewhere.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// Those documents of the release in `file` of `source` for which `comes` holds: it is asked with their kind and their text.
pub(super) fn read(source: &Path, file: &str, comes: impl Fn(&str, &str) -> bool) -> Result<String> {
    let file = source.join(file);
    let release = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(documents(&release, comes))
}

fn documents(release: &str, comes: impl Fn(&str, &str) -> bool) -> String {
    let documents = release.split("\n---").filter(|document| {
        let kind = document.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap_or_default();
        comes(kind, document)
    });
    documents.collect::<Vec<_>>().join("\n---")
}

/// Applies the range's `own` of an engine and the `release`'s, and waits until `deployment` of `namespace` runs.
pub(super) async fn start(
    kubectl: &Kubectl,
    own: &str,
    release: &str,
    (deployment, namespace): (&str, &str),
) -> Result<()> {
    // Its namespace first. Server-side, for its kinds are longer than an annotation may be.
    let all = format!("{own}\n---\n{release}");
    let applied = kubectl.feed(&["apply", "--server-side", "--force-conflicts", "--filename=-"], &all).await;
    applied.context("its manifests are refused")?;
    let (deployment, namespace) = (format!("deployment/{deployment}"), format!("--namespace={namespace}"));
    let timeout = format!("--timeout={READY_SECONDS}s");
    kubectl.run(&["rollout", "status", &timeout, &deployment, &namespace]).await.context("it does not start").map(drop)
}

/// Whether an engine is there, by its namespace.
pub(super) async fn is_there(kubectl: &Kubectl, namespace: &str) -> Result<bool> {
    Ok(!kubectl.run(&["get", "namespace", namespace, "--ignore-not-found", "--output=name"]).await?.trim().is_empty())
}

/// Takes an engine's kinds away, those of API groups that end so, with everything of those kinds.
///
/// A kind goes once the API server has found that none of it is left. Where it looks too early (`could not list instances: storage is
/// (re)initializing`), it looks again after ever longer, or as soon as the kind changes: so it is changed.
pub(super) async fn remove_kinds(kubectl: &Kubectl, groups: &[&str]) -> Result<()> {
    let start = Instant::now();
    let mut known = kinds(kubectl, groups).await?;
    if !known.is_empty() {
        kubectl.run(&[&["delete", "--ignore-not-found", "--wait=false"], &*words(&known)].concat()).await?;
    }
    while !known.is_empty() {
        if start.elapsed() > GONE_WITHIN {
            bail!("after {} s there still is {}", GONE_WITHIN.as_secs(), known.join(", "));
        }
        tokio::time::sleep(AGAIN_AFTER).await;
        known = kinds(kubectl, groups).await?;
        let looked = format!("oke-conformance.range/looked={}", start.elapsed().as_millis());
        if !known.is_empty() {
            // Some may have gone meanwhile.
            let _ = kubectl.run(&[&["annotate", "--overwrite"], &*words(&known), &[&looked]].concat()).await;
        }
    }
    Ok(())
}

async fn kinds(kubectl: &Kubectl, groups: &[&str]) -> Result<Vec<String>> {
    let all = kubectl.run(&["get", "customresourcedefinitions", "--output=name"]).await?;
    Ok(all.lines().filter(|kind| is_of(kind, groups)).map(str::to_owned).collect())
}

fn words(kinds: &[String]) -> Vec<&str> {
    kinds.iter().map(String::as_str).collect()
}

fn is_of(kind: &str, groups: &[&str]) -> bool {
    groups.iter().any(|group| kind.strip_suffix(group).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_by_kind_and_text() {
        let kind = |kind: &str, part: &str| format!("\n---\nkind: {kind}\nmetadata:\n  labels:\n    part: {part}");
        let needed = kind("CustomResourceDefinition", "crds") + &kind("ClusterRole", "admission");
        let rest = kind("Deployment", "admission") + &kind("ClusterRole", "reports");
        let comes = |kind: &str, text: &str| {
            kind == "CustomResourceDefinition" || kind == "ClusterRole" && text.contains("part: admission")
        };
        assert_eq!(documents(&format!("kind: Namespace{needed}{rest}"), comes), needed.trim_start_matches("\n---"));
    }

    #[test]
    fn kinds_by_the_end_of_their_group() {
        let groups = ["kyverno.io", "wgpolicyk8s.io"];
        assert!(is_of("customresourcedefinition.apiextensions.k8s.io/policies.kyverno.io", &groups));
        assert!(is_of("customresourcedefinition.apiextensions.k8s.io/validatingpolicies.policies.kyverno.io", &groups));
        assert!(!is_of("customresourcedefinition.apiextensions.k8s.io/kyverno.io.example", &groups));
        assert!(!is_of("customresourcedefinition.apiextensions.k8s.io/a.notkyverno.io", &groups));
    }
}

//! Gatekeeper as a pod of the range: its program built from its module, its kinds and rights as its release has them. What it keeps are the rules of
//! the admission policies, in the same words: its templates take them as they are.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{AGAIN_AFTER, Engine, JUDGES_WITHIN, OURS, image, list, manifests, release};
use crate::certificate::Certificate;
use crate::node_image;
use crate::node_image::fingerprint::Fingerprint;
use crate::range::kubectl::Kubectl;
use crate::range::names::Names;
use crate::range::template::render;

/// Its namespace.
pub(super) const HOME: &str = "gatekeeper-system";
/// Gatekeeper's release as one file, in its module.
const RELEASE: &str = "deploy/gatekeeper.yaml";
/// What of it comes besides its kinds: what it runs as, what it is asked by and with which certificate, is the range's own.
const KINDS: [&str; 6] = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Service"];
/// On everything of the release.
const OF_RELEASE: &str = "gatekeeper.sh/system";
/// By which the API server calls it.
const SERVICE: &str = "gatekeeper-webhook-service.gatekeeper-system.svc";
/// What the API server asks it by.
pub(crate) const WEBHOOK: &str = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration";

/// Has Gatekeeper run on the range; what it keeps comes after.
pub(super) async fn install(kubectl: &Kubectl, names: &Names, say: &dyn Fn(&str)) -> Result<()> {
    let program = node_image::gatekeeper(&say).await.context("Gatekeeper is not to be had")?;
    let image = image::on_workers(names, "gatekeeper", &program).await?;
    // Its own it would have once the kubelet has looked at the Secret again: a minute later.
    let certificate = Certificate::of_name(SERVICE).context("Gatekeeper has no certificate")?;
    let [authority, chain, key] = [certificate.authority(), certificate.own().pem(), certificate.key().serialize_pem()]
        .map(|text| BASE64_STANDARD.encode(text));
    let values = [
        ("GATEKEEPER_IMAGE", image.as_str()),
        ("AUTHORITY", &authority),
        ("CERTIFICATE", &chain),
        ("KEY", &key),
        ("CERTIFICATE_KEY", &Fingerprint::new().text(&chain).finish()),
    ];
    let own = render("10-gatekeeper.yaml", &manifests(Engine::Gatekeeper, "10-")?, &values)?;
    let comes = |kind: &str, _: &str| kind == "CustomResourceDefinition" || KINDS.contains(&kind);
    let release = release::read(&program.source, RELEASE, comes)?;
    release::start(kubectl, &own, &release, ("gatekeeper-controller-manager", HOME)).await?;
    // Asked as soon as it answers: no answer is no admission.
    let webhook = render("30-webhook.yaml", &manifests(Engine::Gatekeeper, "30-")?, &values)?;
    kubectl.apply(&webhook).await.context("Gatekeeper's webhook is refused").map(drop)
}

/// Deletes its constraints.
pub(crate) async fn take_away(kubectl: &Kubectl) -> Result<()> {
    for template in templates()? {
        kubectl.delete(&[&kind_of(&template), "--selector", OURS]).await?;
    }
    Ok(())
}

/// Templates and a constraint of each: a kind is served some time after its template is there.
pub(super) async fn give_back(kubectl: &Kubectl) -> Result<()> {
    keeps(kubectl, &templates()?, &constraints()?).await
}

/// Has it keep these besides.
pub(crate) async fn keeps(kubectl: &Kubectl, templates: &[Value], constraints: &[Value]) -> Result<()> {
    kubectl.apply(&list(templates)).await.context("Gatekeeper refuses a template")?;
    let (constraints, start) = (list(constraints), Instant::now());
    loop {
        match kubectl.apply(&constraints).await {
            Ok(_) => return Ok(()),
            Err(error) if start.elapsed() > JUDGES_WITHIN => {
                return Err(error).context("Gatekeeper refuses a constraint");
            }
            Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
    }
}

/// Takes everything away that Gatekeeper is and has made. Its webhook goes first, for it would be asked about the rest; its constraints while it is
/// there to see them go.
pub(super) async fn remove(kubectl: &Kubectl) -> Result<()> {
    if !release::is_there(kubectl, HOME).await? {
        return Ok(());
    }
    kubectl.delete(&[WEBHOOK]).await?;
    kubectl.delete(&["deployments,replicasets,pods", "--all", "--namespace", HOME]).await?;
    kubectl.delete(&["clusterroles,clusterrolebindings", "--selector", OF_RELEASE]).await?;
    release::remove_kinds(kubectl, &["gatekeeper.sh"]).await?;
    kubectl.delete(&["namespace", HOME]).await
}

/// One for each of the admission policies.
fn templates() -> Result<Vec<Value>> {
    let policies = admission_policies()?;
    Ok(policies.iter().map(|(name, spec)| template(&kind(name), spec)).collect())
}

fn constraints() -> Result<Vec<Value>> {
    let all = admission_policies()?.into_iter().map(|(name, _)| {
        let mut constraint = constraint(&kind(&name), &name);
        constraint["metadata"]["labels"] = json!({ OURS: "gatekeeper" });
        constraint
    });
    Ok(all.collect())
}

/// Those that keep the standards as the range's other engine: name and specification.
fn admission_policies() -> Result<Vec<(String, Value)>> {
    let text = manifests(Engine::AdmissionPolicy, "")?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).context("the admission policies cannot be read")?;
    let policies = documents.into_iter().filter(|document| document["kind"] == "ValidatingAdmissionPolicy");
    let policies: Vec<(String, Value)> = policies
        .filter_map(|policy| Some((policy["metadata"]["name"].as_str()?.to_owned(), policy["spec"].clone())))
        .collect();
    if policies.is_empty() {
        bail!("there are no admission policies to take rules from");
    }
    Ok(policies)
}

/// `pod-security-baseline` as a kind: `PodSecurityBaseline`.
pub(crate) fn kind(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    name.split('-').map(word).collect()
}

/// What makes `kind`, with the rules of an admission policy.
pub(crate) fn template(kind: &str, spec: &Value) -> Value {
    let source = json!({ "failurePolicy": "Fail", "variables": spec["variables"], "validations": spec["validations"] });
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        // Nothing else it may be called.
        "metadata": { "name": kind.to_lowercase() },
        "spec": {
            "crd": { "spec": { "names": { "kind": kind } } },
            "targets": [{
                "target": "admission.k8s.gatekeeper.sh",
                "code": [{ "engine": "K8sNativeValidation", "source": source }],
            }],
        },
    })
}

/// A constraint of `kind`, for pods.
pub(crate) fn constraint(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": { "name": name },
        "spec": { "enforcementAction": "deny", "match": { "kinds": [{ "apiGroups": [""], "kinds": ["Pod"] }] } },
    })
}

/// The kind that a template makes, as kubectl takes it.
fn kind_of(template: &Value) -> String {
    format!("{}.constraints.gatekeeper.sh", template["metadata"]["name"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_admission_policies_is_in_a_template_that_a_constraint_binds() {
        let (templates, constraints) = (templates().unwrap(), constraints().unwrap());
        let rules = |value: &Value| value.as_array().map_or(0, Vec::len);
        let own = templates.iter().map(|template| &template["spec"]["targets"][0]["code"][0]["source"]);
        let theirs = admission_policies().unwrap();
        let expected: Vec<usize> = theirs.iter().map(|(_, spec)| rules(&spec["validations"])).collect();
        assert_eq!(own.map(|source| rules(&source["validations"])).collect::<Vec<_>>(), expected);
        assert!(expected.iter().all(|rules| *rules > 0));
        for (template, constraint) in templates.iter().zip(&constraints) {
            assert_eq!(template["spec"]["crd"]["spec"]["names"]["kind"], constraint["kind"]);
            let name = constraint["kind"].as_str().unwrap().to_lowercase();
            assert_eq!(template["metadata"]["name"], name.as_str());
        }
    }

    #[test]
    fn a_name_as_a_kind() {
        assert_eq!(kind("pod-security-baseline"), "PodSecurityBaseline");
    }
}

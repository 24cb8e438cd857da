//! What a policy engine behind a webhook keeps: its own policies, and what it passes over. Read once a run, where that engine has refused.
use futures::future::try_join_all;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::attempt::api::policies::{get, list};
use crate::cluster::persona::Persona;
use crate::denial::{Engine, Reason};
use crate::env::Env;
use crate::verdict::NoVerdict;

/// What Kyverno keeps, and what it passes over (its CustomResourceDefinitions; exceptions in this version since 1.13).
const KYVERNO: [&str; 2] = ["/apis/kyverno.io/v1/clusterpolicies", "/apis/kyverno.io/v1/policies"];
const KYVERNO_EXCEPTIONS: &str = "/apis/kyverno.io/v2/policyexceptions";
/// The same in the words of admission policies: kinds of their own since 1.14, by the versions that have been served.
const KYVERNO_OF_CEL: [&str; 4] = [
    "validatingpolicies",
    "namespacedvalidatingpolicies",
    "imagevalidatingpolicies",
    "namespacedimagevalidatingpolicies",
];
const VERSIONS_OF_CEL: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

/// What Gatekeeper keeps: a constraint is of the kind that its template has made.
const CONSTRAINTS: &str = "/apis/constraints.gatekeeper.sh/v1beta1";
const TEMPLATES: &str = "/apis/templates.gatekeeper.sh/v1/constrainttemplates";

#[derive(Default)]
struct KnownOfKyverno(OnceCell<Result<Kyverno, NoVerdict>>);

#[derive(Default)]
struct KnownOfGatekeeper(OnceCell<Result<Gatekeeper, NoVerdict>>);

/// Those of an engine's policies that a refusal quotes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Quoted<'a> {
    names: Vec<&'a str>,
    /// What there is about them.
    specs: Vec<&'a Value>,
}

/// The names of those of its engine's policies that whoever has refused for `reason` quotes: what else is refused in the same names has the
/// same text. None where no engine is known.
///
/// # Errors
/// Inconclusive where what the engine keeps cannot be read.
pub(super) async fn names(env: &Env, reason: &Reason) -> Result<Vec<String>, NoVerdict> {
    let owned = |quoted: Quoted| quoted.names.into_iter().map(str::to_owned).collect();
    quoted(env, reason, owned).await
}

/// ... and what there is about them.
///
/// # Errors
/// As [`names`].
pub(super) async fn specs(env: &Env, reason: &Reason) -> Result<Vec<Value>, NoVerdict> {
    quoted(env, reason, |quoted| quoted.specs.into_iter().cloned().collect()).await
}

async fn quoted<T>(env: &Env, reason: &Reason, take: impl FnOnce(Quoted) -> T) -> Result<T, NoVerdict> {
    let operator = &env.personas.operator;
    match reason {
        Reason::Webhook { engine: Some(Engine::Kyverno), message: Some(message), .. } => {
            let known = env.memory.of::<KnownOfKyverno>();
            let known = known.0.get_or_init(|| Kyverno::read(operator)).await.as_ref();
            known.map(|known| take(known.quoted(message))).map_err(Clone::clone)
        }
        Reason::Webhook { engine: Some(Engine::Gatekeeper), message: Some(message), .. } => {
            let known = env.memory.of::<KnownOfGatekeeper>();
            let known = known.0.get_or_init(|| Gatekeeper::read(operator)).await.as_ref();
            known.map(|known| take(known.quoted(message))).map_err(Clone::clone)
        }
        _ => Ok(take(Quoted::default())),
    }
}

/// Its policies and exceptions.
#[derive(Debug)]
struct Kyverno {
    policies: Vec<Value>,
    exceptions: Vec<Value>,
}

impl Kyverno {
    async fn read(operator: &Persona) -> Result<Self, NoVerdict> {
        let policies = try_join_all(KYVERNO.map(|path| list(operator, path)));
        let of_cel = try_join_all(KYVERNO_OF_CEL.map(|kind| newest(operator, kind)));
        let exceptions = list(operator, KYVERNO_EXCEPTIONS);
        let (policies, of_cel, exceptions, of_those) =
            tokio::try_join!(policies, of_cel, exceptions, newest(operator, "policyexceptions"))?;
        Ok(Self {
            policies: policies.into_iter().chain(of_cel).flatten().collect(),
            exceptions: [exceptions, of_those].concat(),
        })
    }

    fn quoted(&self, message: &str) -> Quoted<'_> {
        let is_named = |policy: &&Value| name(policy).is_some_and(|name| message.contains(name));
        let policies: Vec<&Value> = self.policies.iter().filter(is_named).collect();
        let names: Vec<&str> = policies.iter().copied().filter_map(name).collect();
        // With the namespace before it, where the policy has one.
        let of_these = |of: &Value| {
            let of = of.as_str().map(|name| name.rsplit('/').next().unwrap_or(name));
            of.is_some_and(|of| names.contains(&of))
        };
        let exceptions = self.exceptions.iter().filter(|exception| {
            let of = |field: &str| exception["spec"][field].as_array().into_iter().flatten();
            of("exceptions").any(|of| of_these(&of["policyName"])) || of("policyRefs").any(|of| of_these(&of["name"]))
        });
        let specs = policies.iter().copied().chain(exceptions).map(|known| &known["spec"]).collect();
        Quoted { names, specs }
    }
}

/// Its constraints and their templates.
#[derive(Debug)]
struct Gatekeeper {
    constraints: Vec<Value>,
    templates: Vec<Value>,
}

impl Gatekeeper {
    async fn read(operator: &Persona) -> Result<Self, NoVerdict> {
        // Each template has made a kind; the API server says which there are.
        let kinds: Vec<String> = get(operator, CONSTRAINTS)
            .await?
            .map(|served| {
                let kinds = served["resources"].as_array().into_iter().flatten();
                let kinds = kinds.filter_map(|kind| kind["name"].as_str()).filter(|name| !name.contains('/'));
                kinds.map(|name| format!("{CONSTRAINTS}/{name}")).collect()
            })
            .unwrap_or_default();
        let constraints = try_join_all(kinds.iter().map(|path| list(operator, path)));
        let (constraints, templates) = tokio::try_join!(constraints, list(operator, TEMPLATES))?;
        Ok(Self { constraints: constraints.concat(), templates })
    }

    /// Each is quoted as `[name] what it says`.
    fn quoted(&self, message: &str) -> Quoted<'_> {
        let is_named =
            |constraint: &&Value| name(constraint).is_some_and(|name| message.contains(&format!("[{name}]")));
        let constraints: Vec<&Value> = self.constraints.iter().filter(is_named).collect();
        let makes = |template: &&Value| {
            let kind = &template["spec"]["crd"]["spec"]["names"]["kind"];
            constraints.iter().any(|constraint| constraint["kind"] == *kind)
        };
        let templates = self.templates.iter().filter(makes);
        let specs = constraints.iter().copied().chain(templates).map(|known| &known["spec"]).collect();
        Quoted { names: constraints.iter().copied().filter_map(name).collect(), specs }
    }
}

fn name(object: &Value) -> Option<&str> {
    object["metadata"]["name"].as_str()
}

/// Of the versions that a server may have, the first that lists any.
async fn newest(operator: &Persona, kind: &str) -> Result<Vec<Value>, NoVerdict> {
    for version in VERSIONS_OF_CEL {
        let found = list(operator, &format!("/apis/policies.kyverno.io/{version}/{kind}")).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_gatekeeper_keeps_is_taken_with_the_template_of_its_kind() {
        let kept = Gatekeeper {
            constraints: vec![
                json!({ "kind": "K8sDigests", "metadata": { "name": "digests" }, "spec": "constraint" }),
                json!({ "kind": "K8sOther", "metadata": { "name": "digests-too" }, "spec": "other" }),
            ],
            templates: vec![
                json!({ "spec": { "crd": { "spec": { "names": { "kind": "K8sDigests" } } }, "targets": [] } }),
                json!({ "spec": { "crd": { "spec": { "names": { "kind": "K8sOther" } } } } }),
            ],
        };
        let quoted = kept.quoted("[digests] container <a> has no digest");
        assert_eq!(quoted.names, ["digests"]);
        assert_eq!(quoted.specs, [&json!("constraint"), &kept.templates[0]["spec"]]);
    }

    #[test]
    fn what_kyverno_keeps_is_taken_by_the_names_that_it_quotes() {
        let kept = Kyverno {
            policies: vec![
                json!({ "metadata": { "name": "no-host-path" }, "spec": 1 }),
                json!({ "metadata": { "name": "other" }, "spec": 2 }),
            ],
            exceptions: vec![
                json!({ "spec": { "exceptions": [{ "policyName": "no-host-path" }] } }),
                json!({ "spec": { "policyRefs": [{ "kind": "ValidatingPolicy", "name": "no-host-path" }] } }),
                json!({ "spec": { "exceptions": [{ "policyName": "a/no-host-path" }] } }),
                json!({ "spec": { "policyRefs": [{ "kind": "ValidatingPolicy", "name": "other" }] } }),
                json!({ "spec": { "exceptions": [{ "policyName": "no-host" }] } }),
            ],
        };
        let quoted = kept.quoted("Policy no-host-path failed: hostPath volumes are forbidden");
        assert_eq!(quoted.names, ["no-host-path"]);
        assert_eq!(quoted.specs.len(), 4);
    }
}

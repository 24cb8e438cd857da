//! What decides about objects, as far as the API server tells: policies, what binds them, and webhooks (what the engine behind one keeps is read
//! elsewhere); and the RuntimeClasses that Pod Security may be told to pass over. Read once a run.
use std::collections::BTreeSet;

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::attempt::api::exempting::{Exemption, RUNTIME_CLASS, accounts, named_by};
use crate::cluster::api::{self, Reply};
use crate::cluster::persona::Persona;
use crate::denial::Reason;
use crate::env::Env;
use crate::verdict::NoVerdict;

/// API path of each kind that is read; what is not served is not there.
const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
const WEBHOOKS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const RUNTIME_CLASSES: &str = "/apis/node.k8s.io/v1/runtimeclasses";

#[derive(Default)]
struct Known(OnceCell<Result<Policies, NoVerdict>>);

/// What decides about objects.
#[derive(Clone, Debug, Default)]
struct Policies {
    policies: Vec<Value>,
    bindings: Vec<Value>,
    webhooks: Vec<Value>,
    runtime_classes: Vec<Value>,
}

/// What one that has refused leaves out, and what else its text says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) exemptions: Vec<Exemption>,
    /// Service accounts of the namespace that it speaks of.
    pub(super) accounts: BTreeSet<String>,
    /// Whether it looks at what is made, and never at what is changed.
    pub(super) creations_alone: bool,
    /// For the reader, where it does not always decide, or not alike for everybody.
    pub(super) open: Vec<&'static str>,
}

/// A webhook that is asked, and nobody minds where it does not answer.
const IGNORED: &str = "its failurePolicy is Ignore: whatever is asked for while it does not answer is admitted";

/// Who asks is not the object's to say; controllers ask in their own name.
const WHO_ASKS: &str =
    "it also goes by who asks, and only the scenarios named `through-controllers` ask as a controller does";

async fn known(env: &Env) -> Result<Policies, NoVerdict> {
    env.memory.of::<Known>().0.get_or_init(|| read(&env.personas.operator)).await.clone()
}

/// What whoever has refused for `reason` leaves out, in `namespace`, with `kept` as what the engine behind it keeps.
///
/// # Errors
/// Inconclusive where what decides cannot be read.
pub(super) async fn text(env: &Env, reason: &Reason, kept: &[Value], namespace: &str) -> Result<Text, NoVerdict> {
    Ok(known(env).await?.text(reason, kept, namespace))
}

async fn read(operator: &Persona) -> Result<Policies, NoVerdict> {
    let (policies, bindings, webhooks, runtime_classes) = tokio::try_join!(
        list(operator, POLICIES),
        list(operator, BINDINGS),
        list(operator, WEBHOOKS),
        list(operator, RUNTIME_CLASSES)
    )?;
    Ok(Policies { policies, bindings, webhooks, runtime_classes })
}

/// The objects of a kind; none where it is not served.
///
/// # Errors
/// Inconclusive where they cannot be read.
pub(super) async fn list(operator: &Persona, path: &str) -> Result<Vec<Value>, NoVerdict> {
    let list = get(operator, path).await?;
    Ok(list.and_then(|list| list["items"].as_array().cloned()).unwrap_or_default())
}

/// What is there, where that is served.
///
/// # Errors
/// Inconclusive where it cannot be read.
pub(super) async fn get(operator: &Persona, path: &str) -> Result<Option<Value>, NoVerdict> {
    let request = http::Request::get(path).body(Vec::new());
    let request = request.map_err(|error| NoVerdict::inconclusive(format!("cannot build the request: {error}")))?;
    let unread = |why: &str| NoVerdict::inconclusive(format!("what is exempt from admission cannot be read: {why}"));
    match api::send(operator, request).await.0 {
        Reply::Accepted { body, .. } => {
            let found: Value = serde_json::from_str(&body).map_err(|error| unread(&error.to_string()))?;
            Ok(Some(found))
        }
        Reply::Refused(status) if status.code == 404 => Ok(None),
        // Of a group or a version that nobody serves, not even a Status is had (apiserver, `NotFoundHandler`).
        Reply::Broken(why) if why.ends_with(": 404 page not found") => Ok(None),
        Reply::Refused(status) => Err(unread(&status.message)),
        Reply::Broken(why) => Err(unread(&why)),
    }
}

impl Policies {
    /// What whoever has refused for `reason` leaves out, with `kept` as what the engine behind it keeps.
    fn text(&self, reason: &Reason, kept: &[Value], namespace: &str) -> Text {
        match reason {
            Reason::AdmissionPolicy { policy, .. } => {
                let own = self.policies.iter().filter(|known| known["metadata"]["name"] == policy.as_str());
                let bound = self.bindings.iter().filter(|known| known["spec"]["policyName"] == policy.as_str());
                let specs: Vec<&Value> = own.chain(bound).map(|known| &known["spec"]).collect();
                of_specs(&specs, namespace)
            }
            Reason::Webhook { name, .. } => {
                let all = self.webhooks.iter().flat_map(|known| known["webhooks"].as_array()).flatten();
                let own: Vec<&Value> = all.filter(|webhook| webhook["name"] == name.as_str()).collect();
                let mut text = of_specs(&own.iter().copied().chain(kept).collect::<Vec<_>>(), namespace);
                text.open.extend(own.iter().any(|webhook| webhook["failurePolicy"] == "Ignore").then_some(IGNORED));
                text
            }
            Reason::PodSecurity { .. } => {
                let names = self.runtime_classes.iter().filter_map(|class| class["metadata"]["name"].as_str());
                let exemptions = names.map(|name| Exemption::Field(RUNTIME_CLASS, name.to_owned())).collect();
                Text { exemptions, ..Text::default() }
            }
            // OKE's verification of images passes over whoever breaks the glass (Oracle, "Enforcing the Use of Signed Images from Registry").
            Reason::Plugin { plugin, .. } if plugin == "ImagePolicyWebhook" => Text {
                exemptions: vec![Exemption::Annotation("oracle.image-policy.k8s.io/break-glass".into(), "true".into())],
                ..Text::default()
            },
            _ => Text::default(),
        }
    }
}

fn of_specs(specs: &[&Value], namespace: &str) -> Text {
    let by_asker =
        |spec: &&Value| ["userInfo", "subjects", "clusterRoles"].iter().any(|word| spec.to_string().contains(word));
    Text {
        exemptions: named_by(specs.iter().copied()),
        accounts: accounts(specs.iter().copied(), namespace),
        creations_alone: specs.iter().any(|spec| creations_alone(spec)),
        open: specs.iter().any(by_asker).then_some(WHO_ASKS).into_iter().collect(),
    }
}

/// Of a policy, a binding or a webhook: whether it says which operations it looks at, and no change is among them.
fn creations_alone(spec: &Value) -> bool {
    let rules = [&spec["matchConstraints"]["resourceRules"], &spec["matchResources"]["resourceRules"], &spec["rules"]];
    let rules = rules.into_iter().flat_map(|rules| rules.as_array()).flatten();
    let mut operations = rules.filter_map(|rule| rule["operations"].as_array()).flatten().peekable();
    operations.peek().is_some() && operations.all(|operation| operation != "UPDATE" && operation != "*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn policies() -> Policies {
        let selector = json!({ "matchExpressions": [{ "key": "skip", "operator": "DoesNotExist" }] });
        Policies {
            policies: vec![
                json!({ "metadata": { "name": "a" }, "spec": { "matchConditions": [{ "expression": "!('b' in object.metadata.annotations)" }] } }),
            ],
            bindings: vec![
                json!({ "spec": { "policyName": "a", "matchResources": { "objectSelector": selector } } }),
                json!({ "spec": { "policyName": "other", "matchResources": { "objectSelector": { "matchLabels": { "x": "y" } } } } }),
            ],
            webhooks: vec![json!({ "webhooks": [
                { "name": "w", "failurePolicy": "Ignore", "objectSelector": selector },
                { "name": "v", "failurePolicy": "Fail" },
            ] })],
            runtime_classes: vec![json!({ "metadata": { "name": "kata" } })],
        }
    }

    #[rstest]
    #[case::policy(json!({ "matchConstraints": { "resourceRules": [{ "operations": ["CREATE"] }] } }), true)]
    #[case::both(json!({ "matchConstraints": { "resourceRules": [{ "operations": ["CREATE", "UPDATE"] }] } }), false)]
    #[case::binding(json!({ "policyName": "a", "matchResources": { "resourceRules": [{ "operations": ["CREATE"] }] } }), true)]
    #[case::binding_of_all(json!({ "policyName": "a", "validationActions": ["Deny"] }), false)]
    #[case::webhook(json!({ "name": "w", "rules": [{ "operations": ["*"] }] }), false)]
    fn what_looks_at_creations_alone(#[case] spec: Value, #[case] expected: bool) {
        assert_eq!(creations_alone(&spec), expected);
    }

    fn told(reason: &Reason) -> (Vec<String>, bool) {
        let Text { exemptions, open, .. } = policies().text(reason, &[], "a");
        (exemptions.iter().map(ToString::to_string).collect(), !open.is_empty())
    }

    #[test]
    fn each_guard_by_its_own_text() {
        let policy = Reason::AdmissionPolicy { policy: "a".into(), binding: None, message: String::new() };
        let expected = ["with the annotation b=true", "with the label skip=true"].map(str::to_owned);
        assert_eq!(told(&policy), (expected.into(), false));
        let webhook = |name: &str| Reason::Webhook { name: name.into(), engine: None, message: None };
        assert_eq!(told(&webhook("w")), (vec!["with the label skip=true".to_owned()], true));
        assert_eq!(told(&webhook("v")), (Vec::new(), false));
        let standard = Reason::PodSecurity { standard: String::new(), version: String::new(), fields: Vec::new() };
        assert_eq!(told(&standard), (vec!["with runtimeClassName kata".to_owned()], false));
    }
}

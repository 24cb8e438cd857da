//! The same in Kyverno's words: one of its policies for each rule, with what its policies leave out in the world.

mod cluster_policies;
mod validating_policies;

use serde_json::{Value, json};

use super::catalogue::{Hole, Kept, Placed};
use super::policies::OURS;
use super::ways::Way;

/// One of Kyverno's policies with one hole.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfKyverno {
    /// What kind of policy it is in.
    kind: Kind,
    /// The scenario that must find it.
    pub(super) scenario: &'static str,
    /// The rules that it keeps, as they begin.
    pub(super) rules: &'static [&'static str],
    /// What is left open.
    pub(super) what: &'static str,
    /// What the verdict must say of it.
    shows: &'static str,
    /// The namespace whose pods it is about.
    pub(super) place: &'static str,
    /// Whether debug containers get past it as well.
    debuggers: bool,
    /// Makes it.
    open: fn(&mut Made),
}

/// Kinds of policies, as they are called without the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cluster,
    Validating,
    NamespacedValidating,
}

/// All of them; each is in a rule of its own in its place, so that they are there at once.
pub(super) fn all() -> Vec<OfKyverno> {
    [cluster_policies::ALL, validating_policies::ALL].concat()
}

impl OfKyverno {
    /// What must be seen of it.
    pub(super) fn seen(&self) -> Placed {
        let Self { scenario, rules, what, shows, place, debuggers, .. } = *self;
        let way = Way { what, shows, only: None, debuggers, open: |_| {} };
        Placed { hole: Hole { scenario, kept: Kept::Standards(rules), way }, place }
    }

    /// What keeps the rules of an admission policy, about the pods of its namespace, first without the hole, then with it.
    pub(super) fn made(&self, name: &str, spec: &Value) -> (Made, Made) {
        let policy = match self.kind {
            Kind::Cluster => cluster_policy(self.place, name, spec),
            kind => validating_policy(kind, self.place, name, spec),
        };
        let whole = Made { place: self.place, policies: vec![policy], exceptions: Vec::new() };
        let mut opened = whole.clone();
        (self.open)(&mut opened);
        (whole, opened)
    }
}

/// A policy, and what there is beside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Made {
    place: &'static str,
    pub(super) policies: Vec<Value>,
    pub(super) exceptions: Vec<Value>,
}

impl Made {
    /// The rule of a ClusterPolicy.
    fn rule(&mut self) -> &mut Value {
        &mut self.policies[0]["spec"]["rules"][0]
    }

    fn spec(&mut self) -> &mut Value {
        &mut self.policies[0]["spec"]
    }

    /// Makes an exception to the policy of this name, in the namespace whose pods it is about.
    fn except(&mut self, version: &str, spec: fn(&Value) -> Value) {
        let name = &self.policies[0]["metadata"]["name"];
        let exception = json!({
            "apiVersion": version, "kind": "PolicyException", "spec": spec(name),
            "metadata": { "name": name, "namespace": self.place, "labels": { OURS: "" } },
        });
        self.exceptions.push(exception);
    }
}

// As the range's own of Kyverno: no answer is no refusal.
const PATIENCE_S: u32 = 30;

fn cluster_policy(place: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": { "name": name, "labels": { OURS: "" } },
        "spec": {
            "background": false,
            "webhookConfiguration": { "timeoutSeconds": PATIENCE_S },
            "rules": [{
                "name": "kept",
                // Of what is deleted, nothing is there that the rules could ask about.
                "match": { "any": [{ "resources": { "kinds": ["Pod"], "namespaces": [place], "operations": ["CREATE", "UPDATE"] } }] },
                "validate": {
                    "failureAction": "Enforce",
                    "cel": { "variables": spec["variables"], "expressions": spec["validations"] },
                },
            }],
        },
    })
}

/// The rules stay as they are: it is Kyverno that keeps them.
fn validating_policy(kind: Kind, place: &str, name: &str, spec: &Value) -> Value {
    let mut policy = json!({
        "apiVersion": "policies.kyverno.io/v1", "kind": format!("{kind:?}Policy"),
        "metadata": { "name": name, "labels": { OURS: "" } },
        "spec": {
            "validationActions": ["Deny"],
            "webhookConfiguration": { "timeoutSeconds": PATIENCE_S },
            // Nobody is there who might look through what there is later.
            "evaluation": { "background": { "enabled": false } },
            // Of pods alone, as the others.
            "autogen": { "podControllers": { "controllers": [] } },
            "matchConstraints": spec["matchConstraints"],
            "variables": spec["variables"],
            "validations": spec["validations"],
        },
    });
    if kind == Kind::NamespacedValidating {
        policy["metadata"]["namespace"] = place.into();
    } else {
        let here = json!({ "key": "kubernetes.io/metadata.name", "operator": "In", "values": [place] });
        policy["spec"]["matchConstraints"]["namespaceSelector"] = json!({ "matchExpressions": [here] });
    }
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_a_place_are_told_apart() {
        let all: Vec<Placed> = all().iter().map(OfKyverno::seen).collect();
        for (number, Placed { hole, place }) in all.iter().enumerate() {
            let others = all[..number].iter().filter(|other| other.place == *place && hole.meets(&other.hole));
            let others: Vec<&str> = others.map(|other| other.hole.way.what).collect();
            assert!(others.is_empty(), "{} in {place} meets {others:?}", hole.way.what);
        }
    }
}

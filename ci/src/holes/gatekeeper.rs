//! The same in Gatekeeper's words: a template and a constraint of it for each rule, with what constraints leave out in the world; and what leaves
//! out whole namespaces.

use serde_json::{Value, json};

use super::catalogue::{ELSEWHERE, EXEMPT, Hole, Kept, PLACES, Placed};
use super::policies::OURS;
use super::ways::Way;
use crate::range::engine::gatekeeper::{constraint, kind, template};

/// One constraint with one hole.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfGatekeeper {
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

const fn hole(
    place: &'static str,
    scenario: &'static str,
    rules: &'static [&'static str],
    what: &'static str,
    shows: &'static str,
    open: fn(&mut Made),
) -> OfGatekeeper {
    OfGatekeeper { scenario, rules, what, shows, place, debuggers: false, open }
}

/// ... and debug containers past it as well.
const fn of_all(hole: OfGatekeeper) -> OfGatekeeper {
    OfGatekeeper { debuggers: true, ..hole }
}

/// The namespace that Gatekeeper is told to leave out by its label, and the label.
pub(super) const IGNORED: &str = "kube-node-lease";
pub(super) const IGNORE: &str = "admission.gatekeeper.sh/ignore=";
/// ... and the one by its Config.
const LEFT_OUT: &str = "kube-public";

/// What takes away the webhook that lets nobody set the label.
pub(super) fn unwatched() -> Value {
    json!([
        { "op": "test", "path": "/webhooks/1/name", "value": "check-ignore-label.gatekeeper.sh" },
        { "op": "remove", "path": "/webhooks/1" },
    ])
}

/// The Config: for all constraints.
pub(super) fn exempting() -> Value {
    json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": { "name": "config", "namespace": "gatekeeper-system", "labels": { OURS: "" } },
        "spec": { "match": [{ "excludedNamespaces": [LEFT_OUT], "processes": ["webhook"] }] },
    })
}

/// All of them; each is in a rule of its own in its place, so that they are there at once.
pub(super) const ALL: &[OfGatekeeper] = &[
    hole(
        "default",
        "pod_security/host-pid",
        &["host-pid:"],
        "pods with a label",
        "with the label policy.example.com/skip=true",
        |made| {
            made.matches()["labelSelector"] =
                json!({ "matchExpressions": [{ "key": "policy.example.com/skip", "operator": "DoesNotExist" }] });
        },
    ),
    hole("tenant-b", "pod_security/host-pid", &["host-pid:"], "one namespace", "may have in tenant-b", |made| {
        made.matches()["excludedNamespaces"] = json!(["tenant-*"]);
    }),
    of_all(hole(
        "tenant-a",
        "pod_security/host-ipc",
        &["host-ipc:"],
        "everything, with a warning",
        "admitted (dry run)",
        |made| made.constraint["spec"]["enforcementAction"] = json!("warn"),
    )),
    of_all(hole(
        "default",
        "pod_security/host-ipc",
        &["host-ipc:"],
        "everything, with a note",
        "admitted (dry run)",
        |made| made.constraint["spec"]["enforcementAction"] = json!("dryrun"),
    )),
    of_all(hole(
        "tenant-b",
        "pod_security/host-ipc",
        &["host-ipc:"],
        "everything, until it is looked through later",
        "admitted (dry run)",
        |made| {
            made.constraint["spec"]["enforcementAction"] = json!("scoped");
            let later = json!({ "action": "deny", "enforcementPoints": [{ "name": "audit.gatekeeper.sh" }] });
            made.constraint["spec"]["scopedEnforcementActions"] = json!([later]);
        },
    )),
    hole(
        "tenant-b",
        "pod_security/run-as-root",
        &["run-as-root:"],
        "pods without the label that the constraint is for",
        "admitted (dry run)",
        |made| made.matches()["labelSelector"] = json!({ "matchLabels": { "enforced": "true" } }),
    ),
    hole(
        "default",
        "pod_security/sysctls-unsafe",
        &["sysctls-unsafe:"],
        "pods with an annotation that the template leaves out",
        "with the annotation break-glass.example.com/reason=",
        |made| made.condition("!('break-glass.example.com/reason' in object.metadata.?annotations.orValue({}))"),
    ),
    hole(
        "tenant-a",
        "pod_security/run-as-user-zero",
        &["run-as-user-zero:"],
        "whoever has another account of the namespace",
        "asked for by system:serviceaccount:tenant-a:other-deployer",
        |made| made.condition("request.userInfo.username != 'system:serviceaccount:tenant-a:other-deployer'"),
    ),
    hole(
        "tenant-a",
        "pod_security/host-ports",
        &["host-ports:"],
        "containers of images that the constraint leaves out",
        "with an image of registry.example/agents/",
        |made| {
            // As Gatekeeper's library has it.
            let images = json!({ "type": "array", "items": { "type": "string" } });
            made.template["spec"]["crd"]["spec"]["validation"]["openAPIV3Schema"] =
                json!({ "type": "object", "properties": { "exemptImages": images } });
            made.constraint["spec"]["parameters"] = json!({ "exemptImages": ["registry.example/agents/*"] });
            let exempt = "variables.params.exemptImages.exists(e, c.?image.orValue('').startsWith(e.replace('*', '')))";
            made.replace("variables.containers.all(", &format!("variables.containers.filter(c, !{exempt}).all("));
        },
    ),
    hole("default", "pod_security/host-probes", &["host-probes:"], "init containers", "init container", |made| {
        made.replace(" + object.spec.?initContainers.orValue([])", "");
    }),
    hole(
        ELSEWHERE,
        EXEMPT,
        &["host-network:", "host-process:"],
        "a namespace that the Config leaves out",
        LEFT_OUT,
        |_| {},
    ),
    hole(
        ELSEWHERE,
        EXEMPT,
        &["host-path:", "volume-types:"],
        "a namespace with a label that nobody watches",
        IGNORED,
        |_| {},
    ),
];

impl OfGatekeeper {
    /// What must be seen of it.
    pub(super) fn seen(&self) -> Placed {
        let Self { scenario, rules, what, shows, place, debuggers, .. } = *self;
        let way = Way { what, shows, only: None, debuggers, open: |_| {} };
        Placed { hole: Hole { scenario, kept: Kept::Standards(rules), way }, place }
    }

    /// Whether it is in the constraint, and not in what there is beside it.
    pub(super) fn is_in_it(&self) -> bool {
        self.place != ELSEWHERE
    }

    /// What keeps the rules of an admission policy, about the pods of its namespace, first without the hole, then with it.
    pub(super) fn made(&self, name: &str, spec: &Value) -> (Made, Made) {
        let kind = kind(name);
        let mut whole = Made { template: template(&kind, spec), constraint: constraint(&kind, name) };
        match self.place {
            ELSEWHERE => whole.matches()["excludedNamespaces"] = json!(PLACES),
            place => whole.matches()["namespaces"] = json!([place]),
        }
        let mut opened = whole.clone();
        (self.open)(&mut opened);
        (whole, opened)
    }
}

/// A template and its constraint.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Made {
    pub(super) template: Value,
    pub(super) constraint: Value,
}

impl Made {
    fn matches(&mut self) -> &mut Value {
        &mut self.constraint["spec"]["match"]
    }

    fn source(&mut self) -> &mut Value {
        &mut self.template["spec"]["targets"][0]["code"][0]["source"]
    }

    fn condition(&mut self, expression: &str) {
        self.source()["matchCondition"] = json!([{ "name": "left-out", "expression": expression }]);
    }

    fn replace(&mut self, from: &str, to: &str) {
        for part in ["variables", "validations"] {
            for each in self.source()[part].as_array_mut().into_iter().flatten() {
                each["expression"] = each["expression"].as_str().unwrap_or_default().replace(from, to).into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_a_place_are_told_apart() {
        let all: Vec<Placed> = ALL.iter().filter(|hole| hole.is_in_it()).map(OfGatekeeper::seen).collect();
        for (number, Placed { hole, place }) in all.iter().enumerate() {
            let others = all[..number].iter().filter(|other| other.place == *place && hole.meets(&other.hole));
            let others: Vec<&str> = others.map(|other| other.hole.way.what).collect();
            assert!(others.is_empty(), "{} in {place} meets {others:?}", hole.way.what);
        }
    }
}

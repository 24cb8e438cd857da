//! In ValidatingPolicies, which say in CEL what ClusterPolicies have words of their own for.

use serde_json::{Value, json};

use super::{Kind, Made, OfKyverno};
use crate::holes::catalogue::DEBUGGERS;

const fn hole(
    place: &'static str,
    scenario: &'static str,
    rules: &'static [&'static str],
    what: &'static str,
    shows: &'static str,
    open: fn(&mut Made),
) -> OfKyverno {
    OfKyverno { kind: Kind::Validating, scenario, rules, what, shows, place, debuggers: false, open }
}

/// ... and debug containers past it as well.
const fn of_all(hole: OfKyverno) -> OfKyverno {
    OfKyverno { debuggers: true, ..hole }
}

/// An image as an exception names it: nothing else is it.
const AGENT: &str =
    "registry.example/agents/agent@sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// One of each.
pub(super) const ALL: &[OfKyverno] = &[
    hole(
        "default",
        "pod_security/apparmor-unconfined",
        &["apparmor-unconfined:"],
        "pods with a label that a condition leaves out",
        "with the label example.com/exempt=yes",
        |made| condition(made.spec(), "object.metadata.?labels[?'example.com/exempt'].orValue('') != 'yes'"),
    ),
    hole(
        "default",
        "pod_security/seccomp-unconfined",
        &["seccomp-unconfined:"],
        "pods of one tier",
        "with the label tier=platform",
        |made| {
            made.spec()["matchConstraints"]["objectSelector"] =
                json!({ "matchExpressions": [{ "key": "tier", "operator": "NotIn", "values": ["platform"] }] });
        },
    ),
    hole(
        "tenant-a",
        "pod_security/seccomp-unconfined",
        &["seccomp-unconfined:"],
        "pods of one name",
        "with the name debug-shell",
        |made| leave_out(made.spec(), "pods", &["debug-shell"]),
    ),
    hole(
        "tenant-a",
        "pod_security/apparmor-unconfined",
        &["apparmor-unconfined:"],
        "whoever has another account of the namespace",
        "asked for by system:serviceaccount:tenant-a:other-deployer",
        |made| {
            condition(made.spec(), "request.userInfo.username != 'system:serviceaccount:tenant-a:other-deployer'");
        },
    ),
    hole("tenant-b", "pod_security/host-pid", &["host-pid:"], "one namespace", "may have in tenant-b", |made| {
        let selector = &mut made.spec()["matchConstraints"]["namespaceSelector"]["matchExpressions"];
        let left_out = json!({ "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["tenant-b"] });
        selector.as_array_mut().into_iter().for_each(|all| all.push(left_out.clone()));
    }),
    of_all(hole(
        "tenant-a",
        "pod_security/host-ipc",
        &["host-ipc:"],
        "everything, with a note",
        "admitted (dry run)",
        |made| made.spec()["validationActions"] = json!(["Audit"]),
    )),
    of_all(hole(
        "tenant-b",
        "pod_security/host-ipc",
        &["host-ipc:"],
        "everything, with a warning",
        "admitted (dry run)",
        |made| made.spec()["validationActions"] = json!(["Warn"]),
    )),
    of_all(hole(
        "tenant-a",
        "pod_security/host-pid",
        &["host-pid:"],
        "everything, until it is looked through later",
        "admitted (dry run)",
        |made| made.spec()["evaluation"]["admission"] = json!({ "enabled": false }),
    )),
    hole(
        "tenant-a",
        "pod_security/run-as-root",
        &["run-as-root:"],
        "pods that an exception is for",
        "with the label break-glass.example.com/ticket=INC-1",
        |made| {
            made.except("policies.kyverno.io/v1beta1", |policy| {
                let label = "object.metadata.?labels[?'break-glass.example.com/ticket'].orValue('') == 'INC-1'";
                json!({
                    "policyRefs": [{ "kind": "ValidatingPolicy", "name": policy }],
                    "matchConditions": [{ "name": "for", "expression": label }],
                })
            });
        },
    ),
    hole(
        "tenant-b",
        "pod_security/host-ports",
        &["host-ports:"],
        "containers of an image that an exception is for",
        "with an image of registry.example/agents/agent@sha256:1111",
        |made| {
            let own = "variables.containers.filter(c, !(c.?image.orValue('') in exceptions.allowedImages)).all(";
            replace(made.spec(), "variables.containers.all(", own);
            made.except(
                "policies.kyverno.io/v1beta1",
                |policy| json!({ "policyRefs": [{ "kind": "ValidatingPolicy", "name": policy }], "images": [AGENT] }),
            );
        },
    ),
    hole(
        "default",
        "pod_security/host-ports",
        &["host-ports:"],
        "init containers with a label that a policy of their own leaves out",
        "with the label sidecars.example.com/skip=true",
        |made| {
            let mut besides = made.policies[0].clone();
            replace(made.spec(), " + object.spec.?initContainers.orValue([])", "");
            besides["metadata"]["name"] = json!("init-containers");
            let spec = &mut besides["spec"];
            condition(spec, "!('sidecars.example.com/skip' in object.metadata.?labels.orValue({}))");
            let all = "object.spec.containers + object.spec.?initContainers.orValue([]) + object.spec.?ephemeralContainers.orValue([])";
            replace(spec, all, "object.spec.?initContainers.orValue([])");
            made.policies.push(besides);
        },
    ),
    OfKyverno {
        kind: Kind::NamespacedValidating,
        ..hole(
            "tenant-b",
            "pod_security/sysctls-unsafe",
            &["sysctls-unsafe:"],
            "pods with an annotation that the namespace's own policy leaves out",
            "with the annotation break-glass.example.com/reason=",
            |made| {
                condition(
                    made.spec(),
                    "!('break-glass.example.com/reason' in object.metadata.?annotations.orValue({}))",
                );
            },
        )
    },
    of_all(hole(
        "default",
        DEBUGGERS,
        &["selinux-options:"],
        "debug containers, which come by a resource of their own",
        "seLinuxOptions",
        |made| leave_out(made.spec(), "pods/ephemeralcontainers", &[]),
    )),
];

fn condition(spec: &mut Value, expression: &str) {
    spec["matchConditions"] = json!([{ "name": "left-out", "expression": expression }]);
}

fn leave_out(spec: &mut Value, resource: &str, names: &[&str]) {
    let mut rule = json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": [resource] });
    if !names.is_empty() {
        rule["resourceNames"] = json!(names);
    }
    spec["matchConstraints"]["excludeResourceRules"] = json!([rule]);
}

fn replace(spec: &mut Value, from: &str, to: &str) {
    for part in ["variables", "validations"] {
        for each in spec[part].as_array_mut().into_iter().flatten() {
            each["expression"] = each["expression"].as_str().unwrap_or_default().replace(from, to).into();
        }
    }
}

//! In ClusterPolicies.

use serde_json::{Value, json};

use super::{Kind, Made, OfKyverno};

const fn hole(
    place: &'static str,
    scenario: &'static str,
    rules: &'static [&'static str],
    what: &'static str,
    shows: &'static str,
    open: fn(&mut Made),
) -> OfKyverno {
    OfKyverno { kind: Kind::Cluster, scenario, rules, what, shows, place, debuggers: false, open }
}

/// One of each.
pub(super) const ALL: &[OfKyverno] = &[
    hole(
        "default",
        "pod_security/host-pid",
        &["host-pid:"],
        "pods with a label",
        "with the label policy.example.com/skip=true",
        |made| {
            let rule = made.rule();
            exclude(
                rule,
                json!({ "resources": { "selector": { "matchLabels": { "policy.example.com/skip": "true" } } } }),
            );
        },
    ),
    hole(
        "default",
        "pod_security/host-ipc",
        &["host-ipc:"],
        "pods whose names begin so",
        "with a name that begins with debug-",
        |made| {
            let rule = made.rule();
            exclude(rule, json!({ "resources": { "names": ["debug-*"] } }));
        },
    ),
    hole(
        "default",
        "pod_security/sysctls-unsafe",
        &["sysctls-unsafe:"],
        "pods with an annotation",
        "with the annotation break-glass.example.com/reason=x",
        |made| {
            let rule = made.rule();
            exclude(rule, json!({ "resources": { "annotations": { "break-glass.example.com/reason": "*" } } }));
        },
    ),
    hole(
        "tenant-a",
        "pod_security/host-ports",
        &["host-ports:"],
        "whoever has another account of the namespace",
        "asked for by system:serviceaccount:tenant-a:other-deployer",
        |made| {
            let rule = made.rule();
            exclude(
                rule,
                json!({ "subjects": [{ "kind": "ServiceAccount", "name": "other-deployer", "namespace": "tenant-a" }] }),
            );
        },
    ),
    hole("tenant-b", "pod_security/host-path", &["host-path:", "volume-types:"], "one namespace", "tenant-b", |made| {
        let rule = made.rule();
        exclude(rule, json!({ "resources": { "namespaces": ["tenant-b"] } }));
    }),
    hole(
        "tenant-a",
        "pod_security/run-as-user-zero",
        &["run-as-user-zero:"],
        "pods that a condition leaves out",
        "with the label example.com/exempt=yes",
        |made| {
            let rule = made.rule();
            rule["preconditions"] = json!({ "all": [{
            "key": "{{ request.object.metadata.labels.\"example.com/exempt\" || '' }}", "operator": "NotEquals", "value": "yes",
        }] });
        },
    ),
    hole(
        "tenant-a",
        "pod_security/proc-mount-unmasked",
        &["proc-mount-unmasked:"],
        "pods that a condition leaves out",
        "with priorityClassName system-node-critical",
        |made| {
            let rule = made.rule();
            rule["celPreconditions"] = json!([{ "name": "left-out", "expression": "object.spec.?priorityClassName.orValue('') != 'system-node-critical'" }]);
        },
    ),
    hole(
        "tenant-b",
        "pod_security/run-as-root",
        &["run-as-root:"],
        "pods without the label that the rule is for",
        "admitted (dry run)",
        |made| {
            let rule = made.rule();
            rule["match"]["any"][0]["resources"]["selector"] = json!({ "matchLabels": { "enforced": "true" } });
        },
    ),
    OfKyverno {
        debuggers: true,
        ..hole(
            "tenant-b",
            "pod_security/selinux-options",
            &["selinux-options:"],
            "everything, with a report",
            "admitted (dry run)",
            |made| {
                let rule = made.rule();
                rule["validate"]["failureAction"] = json!("Audit");
            },
        )
    },
    hole("default", "pod_security/host-probes", &["host-probes:"], "init containers", "init container", |made| {
        let rule = made.rule();
        replace(rule, " + object.spec.?initContainers.orValue([])", "");
    }),
    hole(
        "tenant-a",
        "pod_security/capabilities-kept",
        &["capabilities-kept:"],
        "containers after the first",
        "second container",
        |made| {
            let rule = made.rule();
            replace(rule, "object.spec.containers", "[object.spec.containers[0]]");
        },
    ),
    hole(
        "default",
        "pod_security/run-as-root",
        &["run-as-root:"],
        "pods that an exception is for",
        "with the label tier=break-glass",
        |made| {
            made.except(
                "kyverno.io/v2",
                |policy| {
                    json!({
                        "exceptions": [{ "policyName": policy, "ruleNames": ["*"] }],
                        "match": { "any": [{ "resources": { "kinds": ["Pod"], "selector": { "matchLabels": { "tier": "break-glass" } } } }] },
                    })
                },
            );
        },
    ),
];

fn exclude(rule: &mut Value, what: Value) {
    rule["exclude"] = json!({ "any": [what] });
}

fn replace(rule: &mut Value, from: &str, to: &str) {
    for part in ["variables", "expressions"] {
        for each in rule["validate"]["cel"][part].as_array_mut().into_iter().flatten() {
            each["expression"] = each["expression"].as_str().unwrap_or_default().replace(from, to).into();
        }
    }
}

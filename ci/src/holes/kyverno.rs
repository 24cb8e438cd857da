//! The same in Kyverno's words: one of its policies for each rule, with what its policies leave out in the world.

use serde_json::{Value, json};

use super::catalogue::{Hole, Kept, Placed};
use super::ways::Way;

/// One of Kyverno's policies with one hole.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfKyverno {
    /// The scenario that must find it.
    pub(super) scenario: &'static str,
    /// The rules that it keeps, as they begin.
    pub(super) rules: &'static [&'static str],
    /// What is left open.
    pub(super) what: &'static str,
    /// What the verdict must say of it.
    pub(super) shows: &'static str,
    /// The namespace whose pods it is about.
    pub(super) place: &'static str,
    /// Whether debug containers get past it as well.
    pub(super) debuggers: bool,
    /// Makes it, in the rule of a policy.
    pub(super) open: fn(&mut Value),
}

impl OfKyverno {
    /// What must be seen of it.
    pub(super) fn seen(&self) -> Placed {
        let Self { scenario, rules, what, shows, place, debuggers, .. } = *self;
        let way = Way { what, shows, only: None, debuggers, open: |_| {} };
        Placed { hole: Hole { scenario, kept: Kept::Standards(rules), way }, place }
    }
}

const fn hole(
    place: &'static str,
    scenario: &'static str,
    rules: &'static [&'static str],
    what: &'static str,
    shows: &'static str,
    open: fn(&mut Value),
) -> OfKyverno {
    OfKyverno { scenario, rules, what, shows, place, debuggers: false, open }
}

/// All of them; each is in a rule of its own, so that they are there at once.
pub(super) const ALL: &[OfKyverno] = &[
    hole(
        "default",
        "pod_security/host-pid",
        &["host-pid:"],
        "pods with a label",
        "with the label policy.example.com/skip=true",
        |rule| {
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
        |rule| {
            exclude(rule, json!({ "resources": { "names": ["debug-*"] } }));
        },
    ),
    hole(
        "default",
        "pod_security/sysctls-unsafe",
        &["sysctls-unsafe:"],
        "pods with an annotation",
        "with the annotation break-glass.example.com/reason=x",
        |rule| {
            exclude(rule, json!({ "resources": { "annotations": { "break-glass.example.com/reason": "*" } } }));
        },
    ),
    hole(
        "tenant-a",
        "pod_security/host-ports",
        &["host-ports:"],
        "whoever has another account of the namespace",
        "asked for by system:serviceaccount:tenant-a:other-deployer",
        |rule| {
            exclude(
                rule,
                json!({ "subjects": [{ "kind": "ServiceAccount", "name": "other-deployer", "namespace": "tenant-a" }] }),
            );
        },
    ),
    hole("tenant-b", "pod_security/host-path", &["host-path:", "volume-types:"], "one namespace", "tenant-b", |rule| {
        exclude(rule, json!({ "resources": { "namespaces": ["tenant-b"] } }));
    }),
    hole(
        "tenant-a",
        "pod_security/run-as-user-zero",
        &["run-as-user-zero:"],
        "pods that a condition leaves out",
        "with the label example.com/exempt=yes",
        |rule| {
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
        |rule| {
            rule["celPreconditions"] = json!([{ "name": "left-out", "expression": "object.spec.?priorityClassName.orValue('') != 'system-node-critical'" }]);
        },
    ),
    hole(
        "tenant-b",
        "pod_security/run-as-root",
        &["run-as-root:"],
        "pods without the label that the rule is for",
        "admitted (dry run)",
        |rule| {
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
            |rule| {
                rule["validate"]["failureAction"] = json!("Audit");
            },
        )
    },
    hole("default", "pod_security/host-probes", &["host-probes:"], "init containers", "init container", |rule| {
        replace(rule, " + object.spec.?initContainers.orValue([])", "");
    }),
    hole(
        "tenant-a",
        "pod_security/capabilities-kept",
        &["capabilities-kept:"],
        "containers after the first",
        "second container",
        |rule| {
            replace(rule, "object.spec.containers", "[object.spec.containers[0]]");
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

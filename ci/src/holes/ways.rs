//! The ways past a rule that policies leave open in the world, each as a change of a policy without holes.

use serde_json::{Value, json};

use super::catalogue::ELSEWHERE;

/// A policy and what binds it, whole until a way is made into it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Policy {
    /// Of a ValidatingAdmissionPolicy.
    pub(super) spec: Value,
    /// Of its binding.
    pub(super) binding: Value,
}

/// One way past a rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// What is left open.
    pub(super) what: &'static str,
    /// What the verdict must say of it.
    pub(super) shows: &'static str,
    /// The only place in which it can be open, where not each will do.
    pub(super) only: Option<&'static str>,
    /// Whether debug containers get past it as well.
    pub(super) debuggers: bool,
    /// Makes it.
    pub(super) open: fn(&mut Policy),
}

const fn way(what: &'static str, shows: &'static str, open: fn(&mut Policy)) -> Way {
    Way { what, shows, only: None, debuggers: false, open }
}

/// ... and debug containers past it as well.
const fn of_all(way: Way) -> Way {
    Way { debuggers: true, ..way }
}

const fn only(namespace: &'static str, way: Way) -> Way {
    Way { only: Some(namespace), ..way }
}

pub(super) const LABEL_OF_THE_BINDING: Way =
    way("objects with a label that the binding leaves out", "with the label policy.example.com/skip=true", |policy| {
        policy.binding["matchResources"]["objectSelector"] = unlabelled("policy.example.com/skip");
    });
pub(super) const LABEL_OF_A_VALUE: Way = way("objects of one tier", "with the label tier=platform", |policy| {
    policy.spec["matchConstraints"]["objectSelector"] =
        json!({ "matchExpressions": [{ "key": "tier", "operator": "NotIn", "values": ["platform"] }] });
});
pub(super) const LABEL_IN_A_CONDITION: Way =
    way("objects with a label that a condition leaves out", "with the label example.com/exempt=yes", |policy| {
        condition(policy, "object.metadata.?labels[?'example.com/exempt'].orValue('') != 'yes'");
    });
pub(super) const LABEL_IN_A_RULE: Way =
    way("objects with a label that the rule itself asks for", "with the label trusted=", |policy| {
        rules(policy, |rule| format!("object.metadata.?labels.?trusted.orValue('') == 'on' || ({rule})"));
    });
pub(super) const ANNOTATION: Way =
    way("objects with an annotation", "with the annotation break-glass.example.com/reason=", |policy| {
        condition(policy, "!('break-glass.example.com/reason' in object.metadata.?annotations.orValue({}))");
    });
pub(super) const NAME: Way = way("objects whose names begin so", "with a name that begins with debug-", |policy| {
    condition(policy, "!object.metadata.?name.orValue('').startsWith('debug-')");
});
pub(super) const CONTAINER_NAME: Way = way("containers of one name", "with a container called mesh-init", |policy| {
    replace(policy, "object.spec.containers", "object.spec.containers.filter(c, c.name != 'mesh-init')");
});
pub(super) const IMAGE: Way =
    way("containers of one registry", "with an image of registry.example/agents/", |policy| {
        replace(
            policy,
            "object.spec.containers",
            "object.spec.containers.filter(c, !c.?image.orValue('').startsWith('registry.example/agents/'))",
        );
    });
pub(super) const RUN_AS_ACCOUNT: Way = only(
    "tenant-b",
    way("pods of one service account", "with serviceAccountName node-agent", |policy| {
        condition(policy, "object.spec.?serviceAccountName.orValue('') != 'node-agent'");
    }),
);
pub(super) const RUNTIME_CLASS: Way = way("pods of one RuntimeClass", "with runtimeClassName sandboxed", |policy| {
    condition(policy, "object.spec.?runtimeClassName.orValue('') != 'sandboxed'");
});
pub(super) const PRIORITY: Way = way("pods of one priority", "with priorityClassName system-node-critical", |policy| {
    condition(policy, "object.spec.?priorityClassName.orValue('') != 'system-node-critical'");
});
pub(super) const OTHER_ACCOUNT: Way = only(
    "tenant-a",
    way(
        "whoever has another account of the namespace",
        "asked for by system:serviceaccount:tenant-a:other-deployer",
        |policy| {
            condition(policy, "request.userInfo.username != 'system:serviceaccount:tenant-a:other-deployer'");
        },
    ),
);
pub(super) const DEPLOYER: Way = only(
    "tenant-b",
    way("who deploys in a namespace", "system:serviceaccount:tenant-b:deployer may have", |policy| {
        condition(policy, "request.userInfo.username != 'system:serviceaccount:tenant-b:deployer'");
    }),
);
pub(super) const ACCOUNTS_OF_A_NAMESPACE: Way = only(
    "tenant-b",
    way("all accounts of a namespace", "system:serviceaccount:tenant-b:deployer may have", |policy| {
        condition(policy, "!('system:serviceaccounts:tenant-b' in request.userInfo.groups)");
    }),
);
pub(super) const NAMESPACE: Way = only(
    "tenant-b",
    way("one namespace", "may have in tenant-b", |policy| {
        condition(policy, "request.namespace != 'tenant-b'");
    }),
);
pub(super) const SYSTEM_NAMESPACE: Way = only(
    ELSEWHERE,
    way("one more of the system's namespaces", "kube-public", |policy| {
        condition(policy, "request.namespace != 'kube-public'");
    }),
);
pub(super) const UNLABELLED_NAMESPACE: Way = only(
    ELSEWHERE,
    way("namespaces that nobody has labelled", "-newborn", |policy| {
        policy.binding["matchResources"]["namespaceSelector"] =
            json!({ "matchExpressions": [{ "key": "pod-security.kubernetes.io/enforce", "operator": "Exists" }] });
    }),
);
pub(super) const CREATION_ALONE: Way = of_all(way("changes, for creations alone are looked at", "", |policy| {
    policy.spec["matchConstraints"]["resourceRules"][0]["operations"] = json!(["CREATE"]);
}));
/// In a namespace that has a Service to change.
pub(super) const CREATION_OF_SERVICES_ALONE: Way = only("default", CREATION_ALONE);
pub(super) const CHANGES_ALONE: Way =
    way("creations, for changes alone are looked at", "admitted (dry run)", |policy| {
        policy.spec["matchConstraints"]["resourceRules"][0]["operations"] = json!(["UPDATE"]);
    });
pub(super) const NO_SUBRESOURCE: Way =
    of_all(way("debug containers, which come by a resource of their own", "", |policy| {
        policy.spec["matchConstraints"]["resourceRules"][0]["resources"] = json!(["pods"]);
    }));
pub(super) const WARNED: Way = of_all(way("everything, with a warning", "does no more than warn", |policy| {
    policy.binding["validationActions"] = json!(["Warn"]);
}));
pub(super) const NOTED: Way = of_all(way("everything, with a note in the audit log", "admitted (dry run)", |policy| {
    policy.binding["validationActions"] = json!(["Audit"]);
}));
pub(super) const NO_INIT: Way = way("init containers", "init container", |policy| {
    replace(policy, " + object.spec.?initContainers.orValue([])", "");
});
pub(super) const NO_SIDECAR: Way = way("init containers that go on", "init container that goes on", |policy| {
    replace(
        policy,
        "object.spec.?initContainers.orValue([])",
        "object.spec.?initContainers.orValue([]).filter(c, c.?restartPolicy.orValue('') != 'Always')",
    );
});
pub(super) const NO_DEBUGGER: Way = of_all(way("debug containers", "", |policy| {
    replace(policy, " + object.spec.?ephemeralContainers.orValue([])", "");
}));
pub(super) const FIRST_CONTAINER: Way = way("containers after the first", "second container", |policy| {
    replace(policy, "object.spec.containers", "[object.spec.containers[0]]");
});
pub(super) const NO_CONTEXT: Way =
    of_all(way("containers without a securityContext", "securityContext left away", |policy| {
        replace(
            policy,
            ".map(c, c.?securityContext.orValue({}))",
            ".filter(c, has(c.securityContext)).map(c, c.securityContext)",
        );
    }));
pub(super) const EMPTY_CONTEXT: Way =
    of_all(way("containers with an empty securityContext", "securityContext = {}", |policy| {
        replace(
            policy,
            ".map(c, c.?securityContext.orValue({}))",
            ".filter(c, !has(c.securityContext) || c.securityContext != {}).map(c, c.?securityContext.orValue({}))",
        );
    }));
pub(super) const BROKEN_RULE: Way =
    of_all(way("pods for which the rule breaks, for that is ignored", "left away", |policy| {
        policy.spec["failurePolicy"] = json!("Ignore");
        replace(policy, "!s.?allowPrivilegeEscalation.orValue(true)", "!s.allowPrivilegeEscalation");
    }));
pub(super) const BROKEN_PROFILE: Way =
    way("pods for which the rule breaks, for that is ignored", "left away", |policy| {
        policy.spec["failurePolicy"] = json!("Ignore");
        replace(
            policy,
            "has(variables.pod.seccompProfile) || variables.contexts.all(s, has(s.seccompProfile))",
            "variables.pod.seccompProfile.type != 'Unconfined'",
        );
    });
pub(super) const SPELLING: Way = of_all(way(
    "capabilities in small letters",
    "capabilities/add = [\"all\"]",
    |policy| {
        rules(policy, |rule| {
            match rule.contains("NET_BIND_SERVICE") {
        true => "variables.contexts.all(s, s.?capabilities.?add.orValue([]).all(capability, !capability.matches('^[A-Z_]+$') || capability == 'NET_BIND_SERVICE'))".into(),
        false => rule.to_owned(),
    }
        });
    },
));
pub(super) const PREFIX: Way = of_all(way(
    "capabilities with a prefix",
    "capabilities/add = [\"CAP_NET_ADMIN\"]",
    |policy| {
        rules(policy, |rule| {
            match rule.contains("NET_BIND_SERVICE") {
        true => "variables.contexts.all(s, s.?capabilities.?add.orValue([]).all(capability, capability.startsWith('CAP_') || capability == 'NET_BIND_SERVICE'))".into(),
        false => rule.to_owned(),
    }
        });
    },
));
pub(super) const FIRST_CAPABILITY: Way = of_all(way(
    "capabilities after the first",
    "[\"NET_BIND_SERVICE\",\"SYS_ADMIN\"]",
    |policy| {
        rules(policy, |rule| {
            match rule.contains("NET_BIND_SERVICE") {
        true => "variables.contexts.all(s, s.?capabilities.?add.orValue([]).size() == 0 || s.capabilities.add[0] == 'NET_BIND_SERVICE')".into(),
        false => rule.to_owned(),
    }
        });
    },
));
pub(super) const FIRST_VOLUME: Way = way("volumes after the first", "\"emptyDir\"", |policy| {
    replace(
        policy,
        "object.spec.?volumes.orValue([])",
        "(object.spec.?volumes.orValue([]).size() == 0 ? [] : [object.spec.volumes[0]])",
    );
});
pub(super) const ROOT_ALONE: Way = way("directories of the host, but for its root", "/etc/kubernetes", |policy| {
    replace(policy, "!has(v.hostPath)", "!has(v.hostPath) || v.hostPath.path != '/'");
    replace(policy, "has(v.secret)", "has(v.secret) || has(v.hostPath)");
});
pub(super) const FIRST_PARAMETER: Way = way("kernel parameters after the first", "kernel.shm_rmid_forced", |policy| {
    replace(
        policy,
        "sysctls.orValue([])",
        "sysctls.orValue([]).filter(s, s == object.spec.securityContext.sysctls[0])",
    );
});
pub(super) const FIRST_PORT: Way = way("ports after the first", "\"hostPort\":8081", |policy| {
    replace(policy, "c.?ports.orValue([])", "(c.?ports.orValue([]).size() == 0 ? [] : [c.ports[0]])");
});
pub(super) const TCP_ALONE: Way = way("ports of UDP", "\"protocol\":\"UDP\"", |policy| {
    replace(
        policy,
        "p.?hostPort.orValue(0) == 0",
        "p.?hostPort.orValue(0) == 0 || p.?protocol.orValue('TCP') != 'TCP'",
    );
});
pub(super) const POD_ALONE: Way = of_all(way(
    "what stands in a container, for the pod's own alone is looked at",
    "container: securityContext/",
    |policy| {
        replace(policy, " + variables.containers.map(c, c.?securityContext.orValue({}))", "");
    },
));
pub(super) const POD_OVERRULES: Way =
    of_all(way("what a container says against its pod", "container: securityContext/runAsNonRoot = false", |policy| {
        rules(policy, |_| "variables.pod.?runAsNonRoot.orValue(false) == true".into());
    }));
pub(super) const LATEST_ALONE: Way = way("every tag but `latest`", "a container", |policy| {
    rules(policy, |_| {
        "variables.containers.all(c, !c.?image.orValue('').endsWith(':latest') && c.?image.orValue('').contains(':'))"
            .into()
    });
});
pub(super) const NO_TAG: Way = way("images without any tag", "without any tag", |policy| {
    rules(policy, |_| {
        "variables.containers.all(c, c.?image.orValue('').contains('@sha256:') || !c.?image.orValue('').matches(':[^/]+$'))".into()
    });
});

fn unlabelled(key: &str) -> Value {
    json!({ "matchExpressions": [{ "key": key, "operator": "DoesNotExist" }] })
}

fn condition(policy: &mut Policy, expression: &str) {
    policy.spec["matchConditions"] = json!([{ "name": "left-out", "expression": expression }]);
}

fn rules(policy: &mut Policy, changed: impl Fn(&str) -> String) {
    for validation in policy.spec["validations"].as_array_mut().into_iter().flatten() {
        let rule = changed(validation["expression"].as_str().unwrap_or_default());
        validation["expression"] = rule.into();
    }
}

/// In all of its expressions.
fn replace(policy: &mut Policy, from: &str, to: &str) {
    for part in ["variables", "validations"] {
        for expression in
            policy.spec[part].as_array_mut().into_iter().flatten().filter_map(|each| each.get_mut("expression"))
        {
            *expression = expression.as_str().unwrap_or_default().replace(from, to).into();
        }
    }
}

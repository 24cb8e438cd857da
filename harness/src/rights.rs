//! Rights that a run's own credential needs. A scenario names those of what it uses; the preflight asks for each, and `ci/deploy/rbac.yaml`
//! grants exactly what the suite `prod` needs (a test holds the two together).
use std::fmt;

/// One right, cluster-wide: namespaces in scope may be any, and a run's own are not there yet when it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// API group; empty for the core.
    pub group: &'static str,
    /// Plural, with the subresource where there is one.
    pub resource: &'static str,
    /// Verb.
    pub verb: &'static str,
    /// Which objects.
    pub of: Of,
}

/// Which objects a right is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// Any.
    Any,
    /// Those named `default`.
    Default,
    /// Those named as the service account that deploys.
    Deployer,
}

const fn core(verb: &'static str, resource: &'static str) -> Right {
    Right { group: "", resource, verb, of: Of::Any }
}

const fn of(verb: &'static str, group: &'static str, resource: &'static str) -> Right {
    Right { group, resource, verb, of: Of::Any }
}

const fn token(of: Of) -> Right {
    Right { of, ..core("create", "serviceaccounts/token") }
}

/// What every run needs: without nodes and namespaces there is no scope.
pub const SCOPE: &[Right] = &[core("list", "nodes"), core("list", "namespaces")];

/// What it takes to clear away whatever a run makes. Where one of these is missing, nothing is made.
pub const SWEEP: &[Right] = &[
    core("list", "namespaces"),
    core("delete", "namespaces"),
    core("list", "pods"),
    core("deletecollection", "pods"),
    core("list", "configmaps"),
    core("deletecollection", "configmaps"),
    of("list", "scheduling.k8s.io", "priorityclasses"),
    of("deletecollection", "scheduling.k8s.io", "priorityclasses"),
];

/// A real token of each namespace's `default` account.
pub const AS_DEFAULT_ACCOUNT: &[Right] = &[token(Of::Default)];

/// A real token of the account that deploys.
pub const AS_DEPLOYER: &[Right] = &[token(Of::Deployer)];

/// Looking through Services and pods.
pub const SURVEY: &[Right] = &[core("list", "services"), core("list", "pods")];

/// Looking for the ports that pods, Services and policies name.
pub const NAMED_PORTS: &[Right] =
    &[core("list", "pods"), core("list", "services"), of("list", "networking.k8s.io", "networkpolicies")];

/// Looking for a Service that is there.
pub const LIST_SERVICES: &[Right] = &[core("list", "services")];

/// Looking through what leads from outside to a Service.
pub const ROUTES: &[Right] =
    &[of("list", "networking.k8s.io", "ingresses"), of("list", "gateway.networking.k8s.io", "httproutes")];

/// Looking for whoever follows names for tenants.
pub const FOLLOWERS: &[Right] =
    &[of("list", "networking.k8s.io", "ingressclasses"), of("list", "gateway.networking.k8s.io", "gatewayclasses")];

/// A namespace of the run's own, where the controls of probes are tried from.
pub const OUTSIDE: &[Right] = &[core("create", "namespaces")];

/// A network policy of the run's own, in a namespace of the run's own, with which it goes.
pub const POLICY: &[Right] = &[core("create", "namespaces"), of("create", "networking.k8s.io", "networkpolicies")];

/// Probes: their priority, and what carries the agent.
pub const PROBES: &[Right] = &[
    of("create", "scheduling.k8s.io", "priorityclasses"),
    core("create", "configmaps"),
    core("create", "pods"),
    core("watch", "pods"),
];

/// Talking to a probe. `create` is asked for besides from Kubernetes 1.35 on (KEP-5633).
pub const EXEC: &[Right] = &[core("get", "pods/exec"), core("create", "pods/exec")];

/// Asking for a debug container in a pod that runs, as a dry run.
pub const EPHEMERAL: &[Right] = &[core("patch", "pods/ephemeralcontainers")];

/// Looking through what decides about objects, for what it leaves out.
pub const EXEMPTIONS: &[Right] = &[
    of("list", "admissionregistration.k8s.io", "validatingadmissionpolicies"),
    of("list", "admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    of("list", "admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    of("list", "node.k8s.io", "runtimeclasses"),
    of("list", "kyverno.io", "clusterpolicies"),
    of("list", "kyverno.io", "policies"),
    of("list", "kyverno.io", "policyexceptions"),
    of("list", "policies.kyverno.io", "validatingpolicies"),
    of("list", "policies.kyverno.io", "namespacedvalidatingpolicies"),
    of("list", "policies.kyverno.io", "imagevalidatingpolicies"),
    of("list", "policies.kyverno.io", "namespacedimagevalidatingpolicies"),
    of("list", "policies.kyverno.io", "policyexceptions"),
    of("list", "templates.gatekeeper.sh", "constrainttemplates"),
    of("list", "constraints.gatekeeper.sh", "*"),
];

/// A namespace of the run's own, and dry runs in it.
pub const NEWBORN: &[Right] = &[core("create", "namespaces"), core("create", "pods")];

/// Policies in namespaces of the run's own.
pub const POLICIES: &[Right] =
    &[of("create", "networking.k8s.io", "networkpolicies"), of("delete", "networking.k8s.io", "networkpolicies")];

/// Changing policies of the run's own, and the labels that they go by.
pub const RELABEL: &[Right] =
    &[of("update", "networking.k8s.io", "networkpolicies"), core("patch", "namespaces"), core("patch", "pods")];

/// The operator's own dry runs, in every namespace there is.
pub const PODS: &[Right] = &[core("create", "pods")];

/// A Service of the run's own that opens a port of the nodes.
pub const NODE_PORT: &[Right] = &[core("create", "services")];

/// Services of the run's own that lead to probes in other namespaces.
pub const SERVICE_PATHS: &[Right] =
    &[core("create", "services"), of("create", "discovery.k8s.io", "endpointslices"), core("create", "namespaces")];

/// Webhooks that ask for the run's own dry runs alone, and what takes them away again.
pub const WEBHOOKS: &[Right] = &[
    core("create", "configmaps"),
    of("create", "admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    of("list", "admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    of("deletecollection", "admissionregistration.k8s.io", "validatingwebhookconfigurations"),
];

/// Looking through PodSecurityPolicies, below 1.25.
pub const POD_SECURITY_POLICIES: &[Right] = &[of("list", "policy", "podsecuritypolicies")];

/// Controllers of every kind, what they made, and what they say of what they could not make.
pub const CONTROLLERS: &[Right] = &[
    core("create", "pods"),
    core("create", "configmaps"),
    core("list", "pods"),
    core("list", "events"),
    of("create", "apps", "deployments"),
    of("create", "apps", "statefulsets"),
    of("create", "apps", "daemonsets"),
    of("create", "apps", "replicasets"),
    core("create", "replicationcontrollers"),
    of("create", "batch", "jobs"),
    of("create", "batch", "cronjobs"),
    of("patch", "batch", "cronjobs/status"),
];

/// Reading quotas, and trying a copy of one in a namespace of the run's own.
pub const QUOTAS: &[Right] = &[
    core("list", "resourcequotas"),
    core("create", "resourcequotas"),
    core("create", "namespaces"),
    core("create", "pods"),
];

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match self.of {
            Of::Any => Ok(()),
            Of::Default => f.write_str(" of default"),
            Of::Deployer => f.write_str(" of the deployer"),
        }
    }
}

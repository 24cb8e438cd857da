//! The words that everything else is written in: who says no, how far an attempt goes, what it is repeated for.
use std::fmt;

use serde::{Deserialize, Serialize};

/// An item of the guidance: chapter and number, as `G(3, 4)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct G(pub u8, pub u8);

impl fmt::Display for G {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "G{}.{}", self.0, self.1)
    }
}

/// The layer that must say no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// 401: the credential itself was not accepted.
    Authentication,
    /// 403 by an authorizer: "cannot VERB resource" (RBAC, node or webhook authorizer).
    Rbac,
    /// Pod Security Admission: "violates PodSecurity".
    PodSecurity,
    /// PodSecurityPolicy, clusters below 1.25.
    Psp,
    /// A ValidatingAdmissionPolicy's binding with `Deny`.
    AdmissionPolicy,
    /// An admission webhook (Gatekeeper, Kyverno, anyone's).
    Webhook,
    /// One of the API server's own admission plug-ins besides those above (DenyServiceExternalIPs, ImagePolicyWebhook; OpenShift's SCC).
    Plugin,
    /// Whoever changes objects on their way in: it is admitted, and would be stored without what is forbidden.
    Mutation,
    /// The API server itself: no object may say such a thing, whoever writes it.
    Validation,
    /// ResourceQuota: "exceeded quota".
    Quota,
    /// LimitRange.
    LimitRange,
    /// Packets dropped or rejected on their way.
    Network,
    /// The kernel said no: an errno.
    Kernel,
    /// The kubelet never started the pod.
    Kubelet,
    /// The scheduler left the pod Pending.
    Scheduler,
    /// A setting of the cloud around the cluster.
    Cloud,
    /// Nothing of the kind exists: every place where it could be was listed, completely.
    Absent,
    /// Nothing is cut: what must go on working does. For scenarios whose forbidden thing is the cut itself.
    Intact,
}

impl Guard {
    /// The field's own name, as reports print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Rbac => "rbac",
            Self::PodSecurity => "pod-security",
            Self::Psp => "psp",
            Self::AdmissionPolicy => "admission-policy",
            Self::Webhook => "webhook",
            Self::Plugin => "plugin",
            Self::Mutation => "mutation",
            Self::Validation => "validation",
            Self::Quota => "quota",
            Self::LimitRange => "limit-range",
            Self::Network => "network",
            Self::Kernel => "kernel",
            Self::Kubelet => "kubelet",
            Self::Scheduler => "scheduler",
            Self::Cloud => "cloud",
            Self::Absent => "absent",
            Self::Intact => "intact",
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an attempt may do to the cluster; a suite stops at a ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// Reads.
    Observe,
    /// Server-side `dryRun=All`.
    DryRun,
    /// Own pods in scope, harmless if allowed.
    Probe,
    /// Would hurt if allowed.
    Intrusive,
}

impl Impact {
    /// As suites spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::DryRun => "dry-run",
            Self::Probe => "probe",
            Self::Intrusive => "intrusive",
        }
    }
}

/// How much an `Allowed` matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good hygiene.
    Low,
    /// Weakens another layer.
    Medium,
    /// A tenant leaves its bounds.
    High,
    /// The node, the cluster or the cloud account is lost.
    Critical,
}

impl Severity {
    /// As reports print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a scenario is repeated for; each repetition is a cell of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Once.
    Cluster,
    /// Each namespace in scope.
    EachNamespace,
    /// Each node that can host a probe.
    EachNode,
    /// Each node pool that can host one.
    EachPool,
    /// Each ordered pair of namespaces in scope.
    EachPair,
    /// Each namespace in scope on each node pool.
    EachNamespaceOnEachPool,
}

/// What a catalogue has: enough to select from it.
pub trait Catalogued {
    /// `chapter/name`.
    fn id(&self) -> &str;
    /// What it may do to the cluster.
    fn impact(&self) -> Impact;
}

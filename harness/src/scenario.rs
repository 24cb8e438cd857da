//! The words everything else is written in.
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::cx::Cx;
use crate::record::ClusterFacts;
use crate::rights::Right;
use crate::verdict::Attempted;

/// An item of the guidance: chapter and number, as `G(3, 4)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct G(pub u8, pub u8);

impl fmt::Display for G {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "G{}.{}", self.0, self.1)
    }
}

/// A scenario's function, once per cell of its scope. Written with [`run!`](crate::run!).
pub type Attempt = for<'a> fn(&'a Cx) -> Pin<Box<dyn Future<Output = Attempted> + Send + 'a>>;

/// One forbidden thing, and how it is attempted.
pub struct Scenario {
    /// What must hold, in a few words.
    pub title: &'static str,
    /// The items of the guidance that ask for it.
    pub guidance: &'static [G],
    /// Other catalogues that ask for it; CIS by number only.
    pub also: &'static [&'static str],
    /// How much an `Allowed` matters.
    pub severity: Severity,
    /// What the attempt may do to the cluster.
    pub impact: Impact,
    /// What it is repeated for.
    pub scope: Scope,
    /// Rights that the run's own credential needs for it: see [`crate::rights`].
    pub needs: &'static [&'static [Right]],
    /// What a cell attempts on such a cluster, for the reader of `--plan`.
    pub attempts: fn(&ClusterFacts) -> Vec<String>,
    /// Requests to the API server that a cell makes besides one an attempt: its controls, its identities.
    pub controls: fn(&ClusterFacts) -> usize,
    /// Pods that it starts for itself, besides the probes that all scenarios share.
    pub pods: usize,
    /// The attempt itself.
    pub run: Attempt,
}

/// A scenario where it is registered: its file's path, its file's text, and the constant.
pub struct Entry {
    /// `chapter/name`, from the file's path.
    pub id: String,
    /// The file's text: its `//!` lines are the explanation that reports show.
    pub source: &'static str,
    /// What the file defines.
    pub scenario: &'static Scenario,
}

impl Entry {
    /// An entry for `chapter/file.rs`: file names have underscores where ids have hyphens.
    pub fn new(chapter: &str, file: &str, source: &'static str, scenario: &'static Scenario) -> Self {
        Self { id: format!("{chapter}/{}", file.replace('_', "-")), source, scenario }
    }

    /// The `//!` lines at the head of the file.
    pub fn explanation(&self) -> String {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }
}

/// Makes an [`Attempt`] of an `async fn(&Cx) -> Attempted`.
#[macro_export]
macro_rules! run {
    ($attempt:path) => {
        |cx| ::std::boxed::Box::pin($attempt(cx))
    };
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

/// Scenarios for the tests of what selects and plans them: never run.
#[cfg(test)]
pub(crate) mod sample {
    use super::{G, Impact, Right, Scenario, Scope, Severity};
    use crate::rights;
    use crate::verdict::NoVerdict;

    pub(crate) static OBSERVES: Scenario = of(Impact::Observe, &[rights::SURVEY]);
    pub(crate) static TRIES: Scenario = of(Impact::DryRun, &[rights::AS_DEPLOYER, rights::PODS]);
    pub(crate) static PROBES: Scenario = of(Impact::Probe, &[rights::PROBES]);

    const fn of(impact: Impact, needs: &'static [&'static [Right]]) -> Scenario {
        Scenario {
            title: "t",
            guidance: &[G(1, 1)],
            also: &[],
            severity: Severity::Low,
            impact,
            scope: Scope::Cluster,
            needs,
            attempts: |_| vec!["nothing".into()],
            controls: |_| 1,
            pods: 0,
            run: |_| Box::pin(async { Err(NoVerdict::inconclusive("never run")) }),
        }
    }
}

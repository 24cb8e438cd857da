//! What a refusal is about.
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Bound, Control, Engine, Limit, Stopped};
use crate::words::Guard;

/// What a refusal is about, in the words of whoever refused; its `Display` is one sentence for the reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// The credential itself was not accepted.
    Authentication,
    /// An authorizer refuses a verb on a resource.
    Rbac {
        /// Who asked.
        user: String,
        /// `list`.
        verb: String,
        /// `pods`, `pods/exec`.
        resource: String,
        /// The resource's API group; empty for the core.
        group: String,
        /// Where; nothing for the whole cluster.
        namespace: Option<String>,
        /// Which object, where one was named.
        name: Option<String>,
    },
    /// An authorizer refuses a path that is no resource.
    RbacPath {
        /// Who asked.
        user: String,
        /// `get`.
        verb: String,
        /// `/metrics`.
        path: String,
    },
    /// RBAC refuses to grant what the granter does not hold.
    RbacEscalation {
        /// Who would have granted.
        user: String,
        /// The rules that the user does not hold, as the API server writes them.
        lacking: Vec<String>,
    },
    /// gRPC's `PERMISSION_DENIED`: the server knows the caller and refuses the call.
    PermissionDenied,
    /// Pod Security Admission.
    PodSecurity {
        /// `baseline`, `restricted`.
        standard: String,
        /// `latest`, `v1.34`.
        version: String,
        /// The controls that are violated.
        fields: Vec<Control>,
    },
    /// A ValidatingAdmissionPolicy.
    AdmissionPolicy {
        /// The policy.
        policy: String,
        /// What bound it.
        binding: Option<String>,
        /// Free text of the policy's author.
        message: String,
    },
    /// An admission webhook.
    Webhook {
        /// The webhook's name in its configuration.
        name: String,
        /// The engine that names its webhooks so.
        engine: Option<Engine>,
        /// Free text of the webhook; nothing where it gave no explanation.
        message: Option<String>,
    },
    /// One of the API server's own admission plug-ins.
    Plugin {
        /// Its name.
        plugin: String,
        /// In its own words.
        message: String,
    },
    /// A ResourceQuota that would be exceeded.
    Quota {
        /// The quota.
        quota: String,
        /// What is exceeded.
        exceeded: Vec<Bound>,
    },
    /// A ResourceQuota that bounds what the pod leaves open.
    QuotaUnset {
        /// The quota.
        quota: String,
        /// `limits.cpu for: a,b`.
        unset: Vec<String>,
    },
    /// What may be consumed only under a quota, where there is none.
    QuotaMissing {
        /// The resources without a quota.
        resources: Vec<String>,
    },
    /// A LimitRange.
    LimitRange {
        /// The limits that are passed.
        limits: Vec<Limit>,
    },
    /// PodSecurityPolicy: what may be used forbids it.
    Psp {
        /// The objections of every policy that may be used.
        why: String,
    },
    /// PodSecurityPolicy: neither the asker nor the pod's account may use any policy that would do.
    PspUnusable,
    /// Packets did not arrive.
    Network {
        /// What became of them.
        how: Stopped,
    },
    /// A system call failed for want of a right.
    Kernel {
        /// `EPERM`.
        errno: String,
    },
    /// The kernel ended the process.
    KernelSignal {
        /// `SIGSYS`.
        signal: String,
        /// `seccomp`, `OOMKilled`.
        because: String,
    },
    /// The kubelet did not start, or ended, the pod.
    Kubelet {
        /// The kubelet's own word: `CreateContainerConfigError`, `NodeAffinity`.
        reason: String,
        /// Its explanation.
        message: String,
    },
    /// The scheduler found no node.
    Scheduler {
        /// Why each node is out of question.
        reason: String,
    },
}

impl Reason {
    /// Who refuses for such a reason.
    pub fn guard(&self) -> Guard {
        match self {
            Self::Authentication => Guard::Authentication,
            Self::Rbac { .. } | Self::RbacPath { .. } | Self::RbacEscalation { .. } | Self::PermissionDenied => {
                Guard::Rbac
            }
            Self::PodSecurity { .. } => Guard::PodSecurity,
            Self::AdmissionPolicy { .. } => Guard::AdmissionPolicy,
            Self::Webhook { .. } => Guard::Webhook,
            Self::Plugin { .. } => Guard::Plugin,
            Self::Quota { .. } | Self::QuotaUnset { .. } | Self::QuotaMissing { .. } => Guard::Quota,
            Self::LimitRange { .. } => Guard::LimitRange,
            Self::Psp { .. } | Self::PspUnusable => Guard::Psp,
            Self::Network { .. } => Guard::Network,
            Self::Kernel { .. } | Self::KernelSignal { .. } => Guard::Kernel,
            Self::Kubelet { .. } => Guard::Kubelet,
            Self::Scheduler { .. } => Guard::Scheduler,
        }
    }
}

impl Reason {
    /// Who refuses, by name where there may be several of the kind.
    pub fn by(&self) -> String {
        match self {
            Self::AdmissionPolicy { policy, .. } => format!("policy {policy}"),
            Self::Webhook { engine: Some(engine), .. } => engine.to_string(),
            Self::Webhook { name, .. } => format!("webhook {name}"),
            Self::Plugin { plugin, .. } => plugin.clone(),
            _ => self.guard().to_string(),
        }
    }
}

/// Several of them in one line: each by name, and how often where there is more than one.
pub fn by_whom<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counted.entry(name).or_default() += 1;
    }
    let several = counted.len() > 1;
    let told = counted.iter().map(|(name, count)| if several { format!("{name} ({count})") } else { (*name).into() });
    told.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authentication => f.write_str("the credential is not accepted"),
            Self::Rbac { user, verb, resource, group, namespace, name } => {
                let user = if user.is_empty() { "nobody in particular" } else { user };
                write!(f, "{user} may not {verb} {resource}")?;
                if !group.is_empty() {
                    write!(f, " of {group}")?;
                }
                if let Some(name) = name {
                    write!(f, " {name}")?;
                }
                match namespace {
                    Some(namespace) => write!(f, " in namespace {namespace}"),
                    None => f.write_str(" cluster-wide"),
                }
            }
            Self::RbacPath { user, verb, path } => write!(f, "{user} may not {verb} {path}"),
            Self::RbacEscalation { user, lacking } => {
                write!(f, "{user} may not grant what it does not hold: {}", lacking.join(" "))
            }
            Self::PermissionDenied => f.write_str("the server knows the caller and refuses the call"),
            Self::PodSecurity { standard, version, fields } => {
                let fields: Vec<&str> = fields.iter().map(|control| control.name.as_str()).collect();
                write!(f, "the {standard} standard ({version}) forbids: {}", fields.join(", "))
            }
            Self::AdmissionPolicy { policy, binding: Some(binding), message } if binding != policy => {
                write!(f, "policy {policy} (bound by {binding}) denies: {message}")
            }
            Self::AdmissionPolicy { policy, message, .. } => write!(f, "policy {policy} denies: {message}"),
            Self::Webhook { name, engine, message } => {
                match engine {
                    Some(engine) => write!(f, "{engine} ({name}) denies")?,
                    None => write!(f, "webhook {name} denies")?,
                }
                message.as_ref().map_or(f.write_str(" without explanation"), |message| write!(f, ": {message}"))
            }
            Self::Plugin { plugin, message } => write!(f, "{plugin} refuses: {message}"),
            Self::Quota { quota, exceeded } => {
                let exceeded: Vec<String> = exceeded.iter().map(ToString::to_string).collect();
                write!(f, "quota {quota} would be exceeded: {}", exceeded.join(", "))
            }
            Self::QuotaUnset { quota, unset } => write!(f, "quota {quota} asks for {}", unset.join("; ")),
            Self::QuotaMissing { resources } => write!(f, "no quota grants {}", resources.join(", ")),
            Self::LimitRange { limits } => {
                let limits: Vec<String> = limits.iter().map(ToString::to_string).collect();
                f.write_str(&limits.join(", "))
            }
            Self::Psp { why } => write!(f, "no pod security policy admits the pod: {why}"),
            Self::PspUnusable => f.write_str("no pod security policy may be used for the pod"),
            Self::Network { how } => how.fmt(f),
            Self::Kernel { errno } => write!(f, "the kernel refuses: {errno}"),
            Self::KernelSignal { signal, because } => write!(f, "the kernel ended the process: {signal} ({because})"),
            Self::Kubelet { reason, message } if message.is_empty() => {
                write!(f, "the kubelet refuses the pod: {reason}")
            }
            Self::Kubelet { reason, message } => write!(f, "the kubelet refuses the pod: {reason}: {message}"),
            Self::Scheduler { reason } => write!(f, "no node is fit: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::one(&["Kyverno", "Kyverno"], "Kyverno")]
    #[case::several(&["policy b", "Kyverno", "policy b"], "Kyverno (1), policy b (2)")]
    #[case::nobody(&[], "")]
    fn who_refused(#[case] names: &[&str], #[case] expected: &str) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(by_whom(names.iter()), expected);
    }
}

//! A case: changes to policies and labels, after each of which the paths must be as the specification says.
use std::fmt;

use serde_json::Value;

/// Changes in stages; after each stage everything is tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it is about, in a few words.
    pub title: String,
    /// The stages.
    pub stages: Vec<Vec<Change>>,
}

/// One change. Namespaces and pods go by their short names.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A policy is made, or becomes another one. In its spec `@xa` stands for the address of pod `a` in namespace `x`.
    Apply {
        /// Its namespace.
        namespace: &'static str,
        /// Its name.
        name: &'static str,
        /// Its spec.
        spec: Value,
    },
    /// A policy goes.
    Delete {
        /// Its namespace.
        namespace: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// A pod is given a label, or loses it.
    LabelPod {
        /// Its namespace.
        namespace: &'static str,
        /// Its name.
        pod: &'static str,
        /// The label.
        key: &'static str,
        /// Its value.
        value: Option<&'static str>,
    },
    /// A namespace is given a label, or loses it.
    LabelNamespace {
        /// Which.
        namespace: &'static str,
        /// The label.
        key: &'static str,
        /// Its value.
        value: Option<&'static str>,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labelled = |value: &Option<&str>, key: &str| match value {
            Some(value) => format!("labelled {key}={value}"),
            None => format!("no longer labelled {key}"),
        };
        match self {
            Self::Apply { namespace, name, .. } => write!(f, "policy {namespace}/{name} applied"),
            Self::Delete { namespace, name } => write!(f, "policy {namespace}/{name} deleted"),
            Self::LabelPod { namespace, pod, key, value } => {
                write!(f, "pod {namespace}/{pod} {}", labelled(value, key))
            }
            Self::LabelNamespace { namespace, key, value } => {
                write!(f, "namespace {namespace} {}", labelled(value, key))
            }
        }
    }
}

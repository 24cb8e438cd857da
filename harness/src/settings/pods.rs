//! What a cluster demands of every pod: labels of the house's, a pull secret, room that a LimitRange asks for. Without it, whoever keeps such rules
//! refuses the probes and the pods that attempts start from, and nothing is proved.
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// `[cluster.NAME.pods]` of `conformance.toml`: what probes and plain pods carry besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PodSettings {
    /// Labels.
    pub labels: OfTheHouse,
    /// Annotations.
    pub annotations: OfTheHouse,
    /// Taints that are tolerated, besides those of the node that a probe is for.
    pub tolerations: Vec<Toleration>,
    /// What each container asks for and may have, in place of next to nothing.
    pub resources: Option<Resources>,
    /// Secrets of the namespaces in scope that images are pulled with.
    pub pull_secrets: Vec<String>,
    /// A priority class, in place of the run's own.
    pub priority_class: Option<String>,
    /// A runtime class.
    pub runtime_class: Option<String>,
}

/// Labels or annotations that are not the run's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct OfTheHouse(BTreeMap<String, String>);

/// What marks a run's own objects begins so.
const OURS: &str = "oke-conformance/";

impl TryFrom<BTreeMap<String, String>> for OfTheHouse {
    type Error = String;

    fn try_from(map: BTreeMap<String, String>) -> Result<Self, String> {
        match map.keys().find(|key| key.starts_with(OURS)) {
            Some(key) => Err(format!("{key} cannot be set: what begins with {OURS} marks a run's own objects")),
            None => Ok(Self(map)),
        }
    }
}

impl OfTheHouse {
    /// Adds them to a map of a manifest.
    pub(crate) fn put_into(&self, map: &mut Value) {
        for (key, value) in &self.0 {
            map[key] = value.as_str().into();
        }
    }

    /// Each key and its value.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// A toleration, as pods have it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Toleration {
    /// The taint's key; any where it is left out.
    pub key: Option<String>,
    /// Its value; any where it is left out.
    pub value: Option<String>,
    /// Its effect; any where it is left out.
    pub effect: Option<String>,
}

impl Toleration {
    fn manifest(&self) -> Value {
        let operator = if self.value.is_some() { "Equal" } else { "Exists" };
        let mut toleration = json!({ "operator": operator });
        for (field, value) in [("key", &self.key), ("value", &self.value), ("effect", &self.effect)] {
            if let Some(value) = value {
                toleration[field] = value.as_str().into();
            }
        }
        toleration
    }
}

/// As containers have them: quantities by the resource's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// What is asked for.
    pub requests: BTreeMap<String, String>,
    /// What may be had.
    pub limits: BTreeMap<String, String>,
}

impl PodSettings {
    /// Gives a pod's manifest what the house demands.
    pub(crate) fn put_on(&self, pod: &mut Value) {
        for (field, wanted) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            wanted.put_into(&mut pod["metadata"][field]);
        }
        let spec = &mut pod["spec"];
        if let Some(resources) = &self.resources {
            let resources = json!({ "requests": resources.requests, "limits": resources.limits });
            for list in ["containers", "initContainers"] {
                for container in spec[list].as_array_mut().into_iter().flatten() {
                    container["resources"] = resources.clone();
                }
            }
        }
        if !self.tolerations.is_empty() {
            let mut all = spec["tolerations"].as_array().cloned().unwrap_or_default();
            all.extend(self.tolerations.iter().map(Toleration::manifest));
            spec["tolerations"] = all.into();
        }
        if !self.pull_secrets.is_empty() {
            spec["imagePullSecrets"] = self.pull_secrets.iter().map(|name| json!({ "name": name })).collect();
        }
        for (field, class) in [("priorityClassName", &self.priority_class), ("runtimeClassName", &self.runtime_class)] {
            if let Some(class) = class {
                spec[field] = class.as_str().into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toml_file::parse;

    #[test]
    fn a_pod_carries_what_the_house_demands() {
        let settings: PodSettings = parse(
            r#"
            labels = { team = "sre", "app.kubernetes.io/managed-by" = "helm" }
            annotations = { "sidecar.istio.io/inject" = "false" }
            tolerations = [{ key = "dedicated", value = "x", effect = "NoSchedule" }, {}]
            resources = { requests = { memory = "64Mi" }, limits = { memory = "64Mi" } }
            pull-secrets = ["registry"]
            priority-class = "low"
            runtime-class = "gvisor"
            "#,
        )
        .unwrap();
        let mut pod = json!({
            "metadata": { "labels": { "app.kubernetes.io/managed-by": "oke-conformance" } },
            "spec": {
                "priorityClassName": "ours", "tolerations": [{ "operator": "Exists", "key": "of-the-node" }],
                "containers": [{ "name": "agent", "resources": { "requests": { "cpu": "10m" } } }],
                "initContainers": [{ "name": "beside" }],
            },
        });
        settings.put_on(&mut pod);
        insta::assert_snapshot!(serde_json::to_string_pretty(&pod).unwrap());
        let before = pod.clone();
        PodSettings::default().put_on(&mut pod);
        // Empty maps are as good as none.
        assert_eq!(pod, before);
    }

    #[test]
    fn what_marks_a_run_is_nobody_elses() {
        let said = parse::<PodSettings>("labels = { \"oke-conformance/run\" = \"x\" }\n").unwrap_err().to_string();
        assert_eq!(
            said,
            "line 1: oke-conformance/run cannot be set: what begins with oke-conformance/ marks a run's own objects"
        );
    }
}

//! The Pod Security Standards, as attempts: each control with the fields it is about and the values it forbids, by version.
//!
//! An attempt is the control pod with exactly one field changed, in one of the places where the field can stand.
mod controls;
mod edit;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use serde_json::Value;

pub use controls::*;
use edit::set;

/// The label that Pod Security Admission reads (Kubernetes: "Enforce Pod Security Standards with Namespace Labels").
pub(crate) const ENFORCED: &str = "pod-security.kubernetes.io/enforce";
/// ... and which version of the standard; the server's own where nothing is said.
pub(crate) const ENFORCED_VERSION: &str = "pod-security.kubernetes.io/enforce-version";

/// From which minor version an init container may go on beside the others (`restartPolicy: Always`; KEP-753).
pub(crate) const SIDECARS_SINCE: u32 = 29;

/// A control of the standards (Kubernetes: "Pod Security Standards"), with its fields and forbidden values as the admission plug-in has them
/// (k8s.io/pod-security-admission v0.34.4 and v0.37.2, policy/check_*.go).
#[derive(Debug)]
pub struct Control {
    /// How Pod Security Admission names it in a refusal; the stricter standard may have another word for it.
    pub named: &'static [&'static str],
    /// Minor version of Kubernetes 1 that has it first.
    pub since: u32,
    /// Minor version from which on it is the restricted standard's alone, and baseline admits it.
    pub restricted_alone_since: Option<u32>,
    /// What the control pod needs besides, for the API server to take the change for valid: it is not what is forbidden.
    pub base: &'static [Change],
    /// The fields.
    pub fields: &'static [Field],
}

/// A field and what it must not be.
#[derive(Debug)]
pub struct Field {
    /// Where it can stand.
    pub stands: Stands,
    /// Path from there, with slashes.
    pub path: &'static str,
    /// Forbidden values, as JSON; the empty text for a field that is left away.
    pub forbidden: &'static [&'static str],
    /// Minor version that knows the field first, without a feature gate: an older one drops it, and then there is nothing to refuse.
    pub since: u32,
    /// Minor version up to which they are forbidden; later ones allow them.
    pub until: Option<u32>,
    /// What has to change along for the API server to take it for valid.
    pub along: &'static [Change],
}

/// Where a field can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// In the pod itself: `metadata/...`, `spec/...`.
    InPod,
    /// In each container, and in the pod's `spec` under the same path.
    InPodAndContainers,
    /// In each container.
    InContainers,
    /// In each container that is not ephemeral: those have no ports and no probes.
    InLastingContainers,
}

/// A place, a path from there, and a value as JSON; empty to take it away.
#[derive(Clone, Copy, Debug)]
pub struct Change(pub Place, pub &'static str, pub &'static str);

/// One part of a pod that fields stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The pod itself.
    Pod,
    /// Its first container.
    Container,
    /// Its second container: some look at the first of a list alone.
    Second,
    /// Its first init container.
    Init,
    /// Its second init container, one that goes on beside the others (`restartPolicy: Always`).
    Sidecar,
    /// An ephemeral container, by itself.
    Ephemeral,
    /// Whichever part the field is changed in.
    Same,
}

impl Place {
    fn path(self) -> &'static str {
        match self {
            Self::Pod => "",
            Self::Container => "spec/containers/0",
            Self::Second => "spec/containers/1",
            Self::Init => "spec/initContainers/0",
            Self::Sidecar => "spec/initContainers/1",
            // An ephemeral container is a document of its own.
            Self::Ephemeral | Self::Same => "",
        }
    }

    /// Whether each forbidden value is tried there. Elsewhere the first stands for all: whoever looks there looks for all of them, as he does
    /// in the first container.
    fn takes_all_values(self) -> bool {
        !matches!(self, Self::Second | Self::Sidecar)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pod | Self::Same => "pod",
            Self::Container => "container",
            Self::Second => "second container",
            Self::Init => "init container",
            Self::Sidecar => "init container that goes on",
            Self::Ephemeral => "ephemeral container",
        }
    }
}

/// One attempt: what differs, for the reader, and the document that has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// `container: securityContext/privileged = true`.
    pub what: String,
    /// How Pod Security must name what it refuses here; anything will do where this is empty.
    pub named: &'static [&'static str],
    /// The field that it is about, from a container or a pod's spec on; whatever differs from the control where this is empty.
    pub about: &'static str,
    /// The whole pod, or the ephemeral container.
    pub document: Value,
}

impl Variant {
    /// A document that differs from its control in `what`.
    pub(crate) fn of(what: String, document: Value) -> Self {
        Self { what, named: &[], about: "", document }
    }

    /// A pod that is forbidden as a whole.
    pub(crate) fn whole(document: Value) -> Self {
        Self::of(String::new(), document)
    }
}

impl Control {
    /// Whether a server of that minor version has it.
    pub fn applies(&self, minor: u32) -> bool {
        minor >= self.since
    }

    /// Why a namespace that enforces `standard` (`baseline`, `baseline of v1.30`) is not asked for it by a server of that minor version.
    pub fn left_to_restricted(&self, minor: u32, standard: Option<&str>) -> Option<String> {
        let since = self.restricted_alone_since.filter(|since| minor >= *since)?;
        let pinned = match standard?.strip_prefix("baseline")? {
            "" => minor,
            of => of.strip_prefix(" of v1.")?.parse().ok()?,
        };
        (pinned >= since).then(|| format!("the baseline standard, which is enforced here, admits it from 1.{since} on"))
    }

    /// `plain` with a container of every kind that a server of that minor version knows, and with what this control's attempts need: what
    /// must be admitted.
    ///
    /// # Errors
    /// Where the pod cannot be written as JSON.
    pub fn admitted(&self, plain: &Pod, minor: u32) -> serde_json::Result<Value> {
        let mut pod = with_company(serde_json::to_value(plain)?, minor);
        for change in self.base {
            apply(&mut pod, *change, Place::Pod);
        }
        Ok(pod)
    }

    /// Everything that it forbids in a pod, on a server of that minor version.
    ///
    /// # Errors
    /// Where the pod cannot be written as JSON.
    pub fn forbidden(&self, plain: &Pod, minor: u32) -> serde_json::Result<Vec<Variant>> {
        let admitted = self.admitted(plain, minor)?;
        let places = [Place::Pod, Place::Container, Place::Second, Place::Init, Place::Sidecar];
        let places = places.into_iter().filter(|place| *place != Place::Sidecar || minor >= SIDECARS_SINCE);
        Ok(self.changes(minor, &places.collect::<Vec<_>>(), &admitted))
    }

    /// Everything that it forbids in a pod, for the reader.
    pub fn attempts(&self, minor: u32) -> Vec<String> {
        let plain = Pod {
            spec: Some(PodSpec { containers: vec![Container::default()], ..PodSpec::default() }),
            ..Pod::default()
        };
        let variants = self.forbidden(&plain, minor).unwrap_or_default();
        variants.into_iter().map(|variant| variant.what).collect()
    }

    /// Everything that it forbids in an ephemeral container that is otherwise like `admitted`. What would need a change of the pod around
    /// it cannot be attempted in one that runs.
    pub fn forbidden_in_ephemeral(&self, admitted: &Value, minor: u32) -> Vec<Variant> {
        if !self.base.is_empty() {
            return Vec::new();
        }
        self.changes(minor, &[Place::Ephemeral], admitted)
    }

    fn changes(&self, minor: u32, places: &[Place], admitted: &Value) -> Vec<Variant> {
        let mut variants = Vec::new();
        let fields = self.fields.iter().filter(|field| self.applies(minor) && field.is_of(minor));
        for field in fields {
            for place in places.iter().filter(|place| field.stands.in_place(**place)) {
                let path =
                    if *place == Place::Pod { field.stands.path_in_pod(field.path) } else { field.path.to_owned() };
                let values = field.forbidden.iter().map(|value| (path.as_str(), *value));
                let values = values.chain(without(&path, field.forbidden));
                let few = if place.takes_all_values() { usize::MAX } else { 1 };
                for (path, value) in values.take(few) {
                    let mut document = admitted.clone();
                    set(&mut document, &joined(place.path(), path), value);
                    for change in field.along {
                        apply(&mut document, *change, *place);
                    }
                    let shown = if value.is_empty() { "left away".to_owned() } else { format!("= {value}") };
                    variants.push(Variant {
                        what: format!("{}: {path} {shown}", place.name()),
                        named: self.named,
                        about: field.path.strip_prefix("spec/").unwrap_or(field.path),
                        document,
                    });
                }
            }
        }
        variants
    }
}

/// Everything that the standards forbid in an ephemeral container, for the reader.
pub fn attempts_in_ephemeral(minor: u32) -> Vec<String> {
    let variants = ALL.iter().flat_map(|(_, control)| control.forbidden_in_ephemeral(&Value::Null, minor));
    variants.map(|variant| variant.what).collect()
}

impl Field {
    fn is_of(&self, minor: u32) -> bool {
        minor >= self.since && self.until.is_none_or(|last| minor <= last)
    }
}

impl Stands {
    fn in_place(self, place: Place) -> bool {
        match place {
            Place::Pod => matches!(self, Self::InPod | Self::InPodAndContainers),
            Place::Ephemeral => matches!(self, Self::InContainers | Self::InPodAndContainers),
            _ => self != Self::InPod,
        }
    }

    fn path_in_pod(self, path: &str) -> String {
        if self == Self::InPod { path.to_owned() } else { joined("spec", path) }
    }
}

fn apply(document: &mut Value, Change(place, path, value): Change, changed: Place) {
    let place = if place == Place::Same { changed } else { place };
    set(document, &joined(place.path(), path), value);
}

fn joined(head: &str, tail: &str) -> String {
    if head.is_empty() { tail.to_owned() } else { format!("{head}/{tail}") }
}

/// The ways in which a field that must be there is not: what it stands in is left away as well, or is nothing, or is empty.
fn without<'a>(path: &'a str, forbidden: &[&str]) -> impl Iterator<Item = (&'a str, &'static str)> {
    let parents =
        path.match_indices('/').map(|(at, _)| &path[..at]).filter(|parent| !["spec", "metadata"].contains(parent));
    let parents = parents.filter(|_| forbidden.contains(&""));
    parents.flat_map(|parent| ["", "null", "{}"].map(|value| (parent, value)))
}

/// The pod with a twin of its container in every place where there can be one.
pub(crate) fn with_company(mut pod: Value, minor: u32) -> Value {
    let container = pod["spec"]["containers"][0].clone();
    let named = |name: &str| {
        let mut twin = container.clone();
        twin["name"] = name.into();
        twin
    };
    let (second, mut inits) = (named("second"), vec![named("init")]);
    if minor >= SIDECARS_SINCE {
        let mut sidecar = named("sidecar");
        sidecar["restartPolicy"] = "Always".into();
        inits.push(sidecar);
    }
    pod["spec"]["containers"] = vec![container, second].into();
    pod["spec"]["initContainers"] = inits.into();
    pod
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::pod::plain;
    use crate::settings::PodSettings;
    use rstest::rstest;
    use std::collections::BTreeMap;

    fn pod() -> Pod {
        plain("p", "n", "r.example/pause@sha256:00", &BTreeMap::new(), &PodSettings::default()).unwrap()
    }

    /// Paths of the leaves in which two documents differ.
    fn differences(a: &Value, b: &Value, at: &str, found: &mut Vec<String>) {
        match (a, b) {
            (Value::Object(left), Value::Object(right)) => {
                let keys: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
                for key in keys {
                    differences(&a[key], &b[key], &format!("{at}/{key}"), found);
                }
            }
            (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
                for (number, (left, right)) in left.iter().zip(right).enumerate() {
                    differences(left, right, &format!("{at}/{number}"), found);
                }
            }
            _ if a != b => found.push(at.to_owned()),
            _ => {}
        }
    }

    #[test]
    fn an_attempt_differs_from_its_control_in_one_field_and_what_goes_along_with_it() {
        for (name, control) in ALL {
            let admitted = control.admitted(&pod(), NEWEST).unwrap();
            for variant in control.forbidden(&pod(), NEWEST).unwrap() {
                let mut found = Vec::new();
                differences(&admitted, &variant.document, "", &mut found);
                match control.fields.iter().find(|field| variant.what.contains(field.path)) {
                    Some(field) => {
                        assert_eq!(found.len(), 1 + field.along.len(), "{name}: {}: {found:?}", variant.what)
                    }
                    // What it stands in goes, and all that stands there.
                    None => {
                        let path = variant.what.split([' ', ':']).find(|word| word.contains("ecurityContext")).unwrap();
                        assert!(found.iter().all(|at| at.contains(path)), "{name}: {}: {found:?}", variant.what);
                    }
                }
            }
        }
    }

    #[test]
    fn every_attempt_is_a_pod_that_loses_nothing_on_the_way_through_its_type() {
        for (name, control) in ALL {
            for variant in control.forbidden(&pod(), NEWEST).unwrap() {
                let typed: Pod = serde_json::from_value(variant.document.clone()).unwrap();
                let back = serde_json::to_value(typed).unwrap();
                let mut found = Vec::new();
                differences(&variant.document, &back, "", &mut found);
                found.retain(|path| !matches!(path.as_str(), "/apiVersion" | "/kind"));
                assert_eq!(found, [""; 0], "{name}: {}", variant.what);
            }
        }
    }

    #[test]
    fn what_is_attempted() {
        let mut list = String::new();
        for (name, control) in ALL {
            list += &format!("{name} (since 1.{})\n", control.since);
            for variant in control.forbidden(&pod(), NEWEST).unwrap() {
                list += &format!("  {}\n", variant.what);
            }
            let ephemeral = serde_json::json!({ "name": "e", "securityContext": {} });
            for variant in control.forbidden_in_ephemeral(&ephemeral, NEWEST) {
                list += &format!("  {}\n", variant.what);
            }
        }
        insta::assert_snapshot!(list);
    }

    #[test]
    fn a_version_has_what_it_has() {
        let count = |control: &Control, minor| control.forbidden(&pod(), minor).unwrap().len();
        assert_eq!(count(&HOST_PROBES, 33), 0);
        assert!(count(&HOST_PROBES, 34) > 0);
        assert!(count(&SYSCTLS_UNSAFE, 31) > count(&SYSCTLS_UNSAFE, 32), "tcp_rmem is safe from 1.32 on");
        assert!(count(&SYSCTLS_UNSAFE, 36) > count(&SYSCTLS_UNSAFE, 37), "tcp_notsent_lowat is safe from 1.37 on");
        assert_eq!((count(&PROC_MOUNT_UNMASKED, 32), count(&APPARMOR_UNCONFINED, 29)), (0, 1));
        assert!(count(&PROC_MOUNT_UNMASKED, 33) > 0 && count(&APPARMOR_UNCONFINED, 30) > 1);
        let in_ephemeral = |minor| attempts_in_ephemeral(minor).iter().any(|what| what.contains("appArmor"));
        assert_eq!([29, 30].map(in_ephemeral), [false, true]);
    }

    #[rstest]
    #[case::before(34, Some("baseline"), false)]
    #[case::baseline(35, Some("baseline"), true)]
    #[case::pinned_before(35, Some("baseline of v1.34"), false)]
    #[case::pinned_since(37, Some("baseline of v1.36"), true)]
    #[case::restricted(35, Some("restricted"), false)]
    #[case::no_label(35, None, false)]
    fn what_baseline_admits_is_not_asked_of_it(
        #[case] minor: u32,
        #[case] standard: Option<&str>,
        #[case] expected: bool,
    ) {
        assert_eq!(PROC_MOUNT_UNMASKED.left_to_restricted(minor, standard).is_some(), expected);
        assert_eq!(PRIVILEGED.left_to_restricted(minor, standard), None);
    }
}

//! Services that must not be, by both ways: made so, and made harmless and changed later. A policy that is asked about creations alone is passed by
//! a patch.
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::attempt::api::admission::{Admission, Target, document};
use crate::attempt::api::rules::may_change;
use crate::cx::Cx;
use crate::standard::Variant;
use crate::verdict::{Attempted, together};
use crate::words::Guard;

impl Cx {
    /// Attempts to have each of the Services `forbidden` admitted in [`Cx::namespace`], as the one who deploys there; what is forbidden
    /// about each is for the reader.
    pub fn service_admission<'a>(&'a self, forbidden: Vec<(&'a str, Service)>) -> Services<'a> {
        Services { cx: self, forbidden }
    }
}

/// Services that must not be admitted.
#[must_use = "name the expected guards with `denied_by`"]
pub struct Services<'a> {
    cx: &'a Cx,
    forbidden: Vec<(&'a str, Service)>,
}

impl<'a> Services<'a> {
    /// The guards whose refusal counts.
    pub fn denied_by(self, guards: &'static [Guard]) -> Guarded<'a> {
        Guarded { services: self, guards }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_admitting`"]
pub struct Guarded<'a> {
    services: Services<'a>,
    guards: &'static [Guard],
}

impl Guarded<'_> {
    /// The control: `plain`, from which all of them were made, is admitted at the same moment; and of a Service that is there, a change that
    /// says nothing.
    ///
    /// # Errors
    /// Inconclusive where an identity cannot be had, Services cannot be listed, or a control is refused.
    pub async fn while_admitting(self, plain: Service) -> Attempted {
        let Self { services: Services { cx, forbidden }, guards } = self;
        let (namespace, plain) = (cx.namespace()?.to_owned(), document(&plain)?);
        let author = cx.deployer(&namespace).await?;
        let (mut whole, mut changes) = (Vec::new(), Vec::new());
        for (what, service) in forbidden {
            let document = document(&service)?;
            let change = json!({ "spec": differing(&plain["spec"], &document["spec"]) });
            whole.push(Variant::of(what.to_owned(), document));
            changes.push(Variant::of(format!("{what}, by a change"), change));
        }
        let made = Admission::of_all(&cx.env, author.clone(), Target::Services(namespace.clone()), whole);
        let made = made.denied_by(guards);
        let there = cx.env.inventory.services().await?;
        let mut there =
            there.iter().filter(|service| is_plain(service) && service.namespace().as_ref() == Some(&namespace));
        let Some(there) = there.next() else {
            let why = format!("{namespace} has no plain Service to change");
            return Ok(made.without_changes(why.clone()).while_admitting_document(plain).await?.told(&why));
        };
        if !may_change(&author.persona, "services", &namespace).await? {
            let made = made.while_admitting_document(plain);
            return Ok(made.await?.told(&format!("who deploys in {namespace} may not change Services")));
        }
        let made = made.while_admitting_document(plain);
        let changed = Admission::of_all(&cx.env, author, Target::Service(namespace, there.name_any()), changes);
        let nothing = json!({ "metadata": { "annotations": { "oke-conformance/dry-run": "" } } });
        let changed = changed.denied_by(guards).while_admitting_document(nothing);
        let (made, changed) = tokio::join!(made, changed);
        together([made, changed])
    }
}

/// One that can become any other by a change of its spec.
fn is_plain(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    let of_cluster = spec.is_some_and(|spec| spec.type_.as_deref().is_none_or(|kind| kind == "ClusterIP"));
    of_cluster && spec.and_then(|spec| spec.cluster_ip.as_deref()).is_some_and(|address| address != "None")
}

/// The fields of `changed` that are not as in `plain`.
fn differing(plain: &Value, changed: &Value) -> Value {
    let fields = changed.as_object().into_iter().flatten();
    fields
        .filter(|(key, value)| plain.get(key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(json!({ "type": "ClusterIP", "clusterIP": "10.0.0.1" }), true)]
    #[case::headless(json!({ "type": "ClusterIP", "clusterIP": "None" }), false)]
    #[case::open(json!({ "type": "NodePort", "clusterIP": "10.0.0.1" }), false)]
    #[case::a_name(json!({ "type": "ExternalName" }), false)]
    fn which_can_be_changed(#[case] spec: Value, #[case] expected: bool) {
        assert_eq!(is_plain(&serde_json::from_value(json!({ "spec": spec })).unwrap()), expected);
    }

    #[test]
    fn a_change_is_what_differs() {
        let plain = json!({ "type": "ClusterIP", "ports": [{ "port": 80 }] });
        let changed =
            json!({ "type": "LoadBalancer", "ports": [{ "port": 80 }], "allocateLoadBalancerNodePorts": false });
        assert_eq!(
            differing(&plain, &changed),
            json!({ "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false })
        );
    }
}

//! A Service may be nothing but a name for something else (`type: ExternalName`), and the API server takes an address for a name, even that of
//! the instance metadata service. Whoever follows such names for a tenant, as ingress controllers do, asks from where he stands: on a node's
//! network, past every policy of the tenant's namespace. The tenant reads the answer through the front door, and none of its pods has sent a
//! packet.
//!
//! Attempted: Services that are a name for 169.254.169.254 and for the API server, in each namespace, as the one who deploys there, as dry runs;
//! and a Service that is there, changed into one. Expected: an admission policy or a webhook refuses it. Control: a Service that selects pods is
//! admitted at the same moment. Where nothing follows names for tenants (no IngressClass, no GatewayClass, no other kind of route), it does not
//! matter.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::Guard::{AdmissionPolicy, Plugin, Webhook};
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::{Attempted, NoVerdict};
use k8s_openapi::api::networking::v1::IngressClass;

use super::with_spec;
use crate::addons::dashboard::OTHER_ROUTES;

/// No Service names what its namespace may not reach.
pub const SCENARIO: Scenario = Scenario {
    title: "a Service is no name for what its namespace must not reach",
    guidance: &[G(5, 1), G(4, 5)],
    also: &[],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::LIST_SERVICES, rights::EXEMPTIONS, rights::FOLLOWERS],
    attempts: |_| NAMES.map(|(_, what)| what.to_owned()).into(),
    controls: |_| 7,
    pods: 0,
    run: run!(attempt),
};

const NAMES: [(&str, &str); 2] = [
    ("169.254.169.254", "Service of type ExternalName, of the metadata endpoint"),
    ("kubernetes.default.svc.cluster.local", "Service of type ExternalName, of the API server"),
];

async fn attempt(cx: &Cx) -> Attempted {
    let mut survey = cx.survey();
    let classes: Vec<IngressClass> = survey.all().await?;
    let gateways = survey.custom("gateway.networking.k8s.io/v1", "gatewayclasses").await?;
    if classes.is_empty() && gateways.is_empty() && survey.unread(&OTHER_ROUTES).await?.is_empty() {
        let why = "nothing here follows names for tenants: no IngressClass, no GatewayClass, no other kind of route";
        return Err(NoVerdict::not_applicable(why));
    }
    let plain = cx.plain_service()?;
    let named = NAMES.map(|(name, what)| {
        let service = with_spec(&plain, |spec| {
            spec.type_ = Some("ExternalName".into());
            spec.external_name = Some(name.into());
        });
        (what, service)
    });
    cx.service_admission(named.into()).denied_by(&[AdmissionPolicy, Webhook, Plugin]).while_admitting(plain).await
}

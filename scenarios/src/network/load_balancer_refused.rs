//! A Service of type LoadBalancer makes a cloud's load balancer. On OKE it is public unless an annotation says otherwise, its author chooses
//! subnet and security groups by annotation as well, and the controller writes rules for 0.0.0.0/0 into the subnet's security list. Who
//! deploys in a namespace must not open the network that way.
//!
//! Attempted: a Service of type LoadBalancer, with and without a node port behind it, in each namespace, as the one who deploys there, as a
//! dry run: nothing is made. Expected: the quota (`services.loadbalancers`), an admission policy or a webhook refuses both. Control: the same
//! Service as ClusterIP is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{KEEPERS, with_spec};

/// Tenants make no load balancers.
pub const SCENARIO: Scenario = Scenario {
    title: "who deploys in a namespace makes no load balancers",
    guidance: &[G(5, 3), G(6, 2)],
    also: &[],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::LIST_SERVICES, rights::EXEMPTIONS],
    attempts: |_| [WITH_NODE_PORT, WITHOUT].map(str::to_owned).into(),
    controls: |_| 5,
    pods: 0,
    run: run!(attempt),
};

const WITH_NODE_PORT: &str = "Service of type LoadBalancer";
/// A quota of node ports bounds the other one as well, but not this.
const WITHOUT: &str = "Service of type LoadBalancer without node ports";

async fn attempt(cx: &Cx) -> Attempted {
    let plain = cx.plain_service()?;
    let exposed = with_spec(&plain, |spec| spec.type_ = Some("LoadBalancer".into()));
    let directly = with_spec(&exposed, |spec| spec.allocate_load_balancer_node_ports = Some(false));
    let forbidden = vec![(WITH_NODE_PORT, exposed), (WITHOUT, directly)];
    cx.service_admission(forbidden).denied_by(KEEPERS).while_admitting(plain).await
}

//! A Service of type NodePort opens a port on every node of the cluster, for whoever reaches a node: it goes past load balancers and their
//! rules, and on nodes with public addresses it is the internet's. Who deploys in a namespace must not open the nodes.
//!
//! Attempted: a Service of type NodePort, in each namespace, as the one who deploys there, as a dry run. Expected: the quota
//! (`services.nodeports`), an admission policy or a webhook refuses it. Control: the same Service as ClusterIP is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{KEEPERS, with_spec};

/// Tenants open no ports of nodes.
pub const SCENARIO: Scenario = Scenario {
    title: "who deploys in a namespace opens no port of the nodes",
    guidance: &[G(5, 3), G(6, 2)],
    also: &[],
    severity: Severity::Medium,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::LIST_SERVICES, rights::EXEMPTIONS],
    attempts: |_| vec![WHAT.into()],
    controls: |_| 5,
    pods: 0,
    run: run!(attempt),
};

const WHAT: &str = "Service of type NodePort";

async fn attempt(cx: &Cx) -> Attempted {
    let plain = cx.plain_service()?;
    let opened = with_spec(&plain, |spec| spec.type_ = Some("NodePort".into()));
    cx.service_admission(vec![(WHAT, opened)]).denied_by(KEEPERS).while_admitting(plain).await
}

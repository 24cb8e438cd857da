//! A Service may name any address as its own (`externalIPs`), and every node then sends traffic for that address to the Service's pods.
//! Whoever deploys in one namespace so takes in what all the others send to a DNS server, a registry or a database outside the cluster
//! (CVE-2020-8554). Kubernetes itself checks nothing; its own switch, the admission plug-in DenyServiceExternalIPs, is not to be had on OKE.
//!
//! Attempted: a Service with an external address, one that is kept for documentation and so is nobody's, in each namespace, as the one who
//! deploys there, as a dry run. Expected: an admission policy or a webhook refuses it. Control: the same Service without the address is
//! admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::Guard::{AdmissionPolicy, Plugin, Webhook};
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::with_spec;

/// Addresses outside the cluster are not taken in.
pub const SCENARIO: Scenario = Scenario {
    title: "a Service does not take in what is sent to outside addresses",
    guidance: &[G(5, 1), G(1, 2)],
    also: &["CVE-2020-8554"],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::LIST_SERVICES, rights::EXEMPTIONS],
    attempts: |_| vec![WHAT.into()],
    controls: |_| 5,
    pods: 0,
    run: run!(attempt),
};

/// TEST-NET-1 (RFC 5737).
const WHAT: &str = "Service with externalIPs 192.0.2.1";

async fn attempt(cx: &Cx) -> Attempted {
    let plain = cx.plain_service()?;
    let taking = with_spec(&plain, |spec| spec.external_ips = Some(vec!["192.0.2.1".into()]));
    cx.service_admission(vec![(WHAT, taking)]).denied_by(&[AdmissionPolicy, Webhook, Plugin]).while_admitting(plain).await
}

//! The kubelet runs whatever it is asked to in any container of its node, and shows every pod and its logs. It must ask who is asking, and
//! what he may: with `anonymous-auth` on and `authorization-mode` AlwaysAllow, its own defaults where nothing is configured, whoever reaches
//! its port is the node.
//!
//! This must hold for any pod, whatever its policies. Attempted: its pods, its configuration and its metrics, without a credential, from a
//! probe that no policy selects on a node of each pool, at that node's own kubelet: no security list stands in between. Nothing but this is
//! read, and nothing is run. Expected: 401, or 403 for `system:anonymous`, in the kubelet's own words. Where a packet filter keeps the probe from
//! its node's kubelet, that has refused nobody, and the question does not arise for pods. Control: the
//! requests travel through execs into the probe, which the same kubelet serves to the API server at that moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::Guard::{Authentication, Rbac};
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// Kubelets answer those alone who may ask.
pub const SCENARIO: Scenario = Scenario {
    title: "a kubelet answers nobody without a credential",
    guidance: &[G(5, 3), G(2, 4)],
    also: &["CIS OKE 3.2.1", "CIS OKE 3.2.2"],
    severity: Severity::Critical,
    impact: Impact::Probe,
    scope: Scope::EachPool,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| PATHS.iter().map(|path| format!("GET https://NODE:10250{path}")).collect(),
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

const PATHS: &[&str] = &["/pods", "/configz", "/metrics"];

async fn attempt(cx: &Cx) -> Attempted {
    let probe = cx.outside_probe(cx.node()?).await?;
    cx.kubelet_of(&probe, PATHS).refused_by(&[Authentication, Rbac]).while_it_serves_the_api_server().await
}

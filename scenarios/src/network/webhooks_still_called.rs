//! Policy engines answer the API server from pods. Where a firewall lets it reach the nodes and not the pods' ports, as private clusters'
//! default rules have done, every object such an engine guards is refused for want of an answer, or, where the engine is told to fail open,
//! let through unguarded.
//!
//! Attempted: nothing that must be refused; what must not have happened is the cut. The API server is told of webhooks behind a Service of the
//! run's own, one in a pod of each node pool, that ask for dry runs of the run's own and nothing else. Expected: its calls arrive there.
//! Control: a call to a port where nobody listens does not.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::WEBHOOK;

/// Webhooks are still called.
pub const SCENARIO: Scenario = Scenario {
    title: "the rules around the nodes have not cut the API server's way to webhooks",
    guidance: &[G(5, 5)],
    also: &[],
    severity: Severity::Medium,
    // While it runs, there is a webhook more in the cluster.
    impact: Impact::Intrusive,
    scope: Scope::Cluster,
    needs: &[rights::PROBES, rights::OUTSIDE, rights::SERVICE_PATHS, rights::WEBHOOKS],
    attempts: |_| vec![format!("a webhook's call, from the API server to a pod of each pool, port {WEBHOOK}")],
    controls: |_| 1,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let probes = cx.outside_probes().await?;
    cx.webhooks_still_called(&probes, WEBHOOK).await
}

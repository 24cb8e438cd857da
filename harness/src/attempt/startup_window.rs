//! A pod's first moments. A policy engine hears of a pod when there is one, and covers it a moment later; what the pod sends until then
//! goes through. Programs that want to get through need only be quick.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::attempt::reach::{Path, proved, walk};
use crate::cx::Cx;
use crate::probe::batch::{Touch, Verb};
use crate::probe::start::Outfit;
use crate::record::{NodeFacts, Spread, StartupWindow};
use crate::sandbox::{RUN, told};
use crate::scenario::Guard;
use crate::verdict::{Attempted, NoVerdict, Verdict};

/// Pods at the least, over all nodes: fewer make no percentile.
const PODS: usize = 20;
/// How much longer than the suite puts up with each pod tries at the most; it ends once the way has been closed for two seconds. What is
/// still let through at the end is told as never stopped.
const BEYOND_MS: u64 = 1500;
/// How much longer than the closed way the open one must be seen open.
const SURE_MS: u64 = 500;
/// How often. An agent may use a tenth of a processor, and many run on one node.
const EVERY_MS: u64 = 25;
/// A pod on each node, then the next: a crowd that comes at once measures how fast a node starts pods.
const NEXT_AFTER: Duration = Duration::from_millis(400);
/// What is measured is how pods are covered, not how a policy is taken up.
const POLICY_TAKEN_UP_AFTER: Duration = Duration::from_secs(2);
/// Pods that have not ended by then never will.
const ENDED_WITHIN: Duration = Duration::from_secs(75);
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What a pod reports at its end (`agent window`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Report {
    span_ms: u64,
    tried: u64,
    let_through: u64,
    last_ms: Option<u64>,
    control_open: u64,
    control_last_ms: Option<u64>,
}

impl Report {
    /// How long it was let through.
    fn window_ms(&self) -> u64 {
        self.last_ms.unwrap_or(0)
    }

    /// It was stopped, and shows that by what it reached for a while afterwards.
    fn was_stopped(&self) -> bool {
        self.control_last_ms.is_some_and(|control| self.last_ms.is_none_or(|last| control >= last + SURE_MS))
    }

    /// Nobody had stopped it when it ended; towards the end, a pod may have had to wait for its processor.
    fn never_stopped(&self) -> bool {
        !self.was_stopped() && self.last_ms.is_some_and(|last| last + BEYOND_MS >= self.span_ms)
    }
}

impl Cx {
    /// Starts pods that a policy closes `to` for, and has each try from its first instruction. `document` is what a probe without policy
    /// gets there, with status 200, before and after: the control, next to a listener of ours that the same pods' policy leaves open. The
    /// slowest pod against the suite's threshold decides.
    ///
    /// # Errors
    /// Inconclusive where nothing is there to be let through to, a pod did not run, or a pod got nowhere at all; not applicable where no pod is
    /// let through, policy or not.
    pub async fn startup_window(&self, to: IpAddr, port: u16, document: Verb, name: &str, ours: u16) -> Attempted {
        let _crowd = self.env.crowds.acquire().await;
        let outside = self.outside_probes().await?;
        let controls: Vec<Path> =
            outside.iter().map(|probe| Path::new(probe, document.clone(), name).answering(200)).collect();
        if controls.is_empty() {
            return Err(NoVerdict::inconclusive("no node can host a probe"));
        }
        let listeners =
            outside.iter().map(|probe| Path::new(probe, Verb::Tcp { to: probe.address, port: ours }, "itself"));
        let listeners: Vec<Path> = listeners.collect();
        let (there, alive) = tokio::join!(walk(&controls), walk(&listeners));
        proved(&listeners, alive)?;
        if there.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.own.touch() == Touch::Stopped)) {
            return Err(NoVerdict::not_applicable(format!(
                "not even pods that no policy selects get to {name}: what stops them need not hear of a pod first"
            )));
        }
        proved(&controls, there)?;
        let namespace = self.covered_namespace().await?;
        let threshold_ms = self.env.suite.thresholds.startup_window_ms;
        let span_ms = threshold_ms + BEYOND_MS;
        let each = PODS.div_ceil(self.hosts().len());
        let mut placed = BTreeMap::new();
        for pod in 0..each {
            for (place, (node, ours_here)) in self.hosts().iter().zip(&outside).enumerate() {
                let listener = ours_here.address.to_string();
                let args = ["window", &to.to_string(), &port.to_string(), &listener, &ours.to_string()];
                let args: Vec<String> =
                    args.into_iter().map(str::to_owned).chain([span_ms.to_string(), EVERY_MS.to_string()]).collect();
                let pod = format!("oke-conformance-{}-w{place}-{pod}", self.env.sandbox.run);
                let plain = Outfit::plain(&self.env.sandbox, namespace, node);
                let outfit = Outfit { name: pod.clone(), args: args.clone(), ..plain };
                let made = self.env.probes.place(&self.env.sandbox, namespace, node, outfit).await;
                made.map_err(NoVerdict::Inconclusive)?;
                placed.insert(pod, node);
            }
            sleep(NEXT_AFTER).await;
        }
        let reports = self.reports(namespace, &placed).await?;
        let control = proved(&controls, walk(&controls).await)?;
        let window = window(&reports, threshold_ms);
        let by_node: Vec<String> = window.nodes.iter().map(|(node, spread)| format!("{node}: {spread}")).collect();
        let tried: u64 = reports.iter().map(|(_, report)| report.tried).sum();
        let through: u64 = reports.iter().map(|(_, report)| report.let_through).sum();
        let evidence = format!(
            "from their first instruction on, new pods were let through to {name} for: {}; {}; {through} of {tried} connections; the suite puts up with {threshold_ms} ms",
            window.all,
            by_node.join("; ")
        );
        let _ = self.env.startup_window.set(window.clone());
        let never = reports.iter().filter(|(_, report)| report.never_stopped()).count();
        if never > 0 {
            let all = reports.len();
            return Ok(Verdict::allowed(format!(
                "{never} of {all} pods were never stopped within {span_ms} ms; {evidence}"
            )));
        }
        if window.all.max_ms > threshold_ms {
            return Ok(Verdict::allowed(evidence));
        }
        Ok(Verdict::denied(Guard::Network, evidence, control, window.all.max_ms).of_attempts(reports.len()))
    }

    /// A namespace of the run's own whose policy lets its pods out to the probes without policy, and nowhere else.
    async fn covered_namespace(&self) -> Result<&str, NoVerdict> {
        let sandbox = &self.env.sandbox;
        let (namespace, outside) =
            tokio::try_join!(sandbox.for_window(), sandbox.outside()).map_err(NoVerdict::Inconclusive)?;
        let policy = sandbox.labelled(json!({
            "metadata": { "name": "closed", "namespace": namespace },
            "spec": {
                "podSelector": {}, "policyTypes": ["Egress"],
                "egress": [{ "to": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": outside } } }] }],
            },
        }));
        let policy: NetworkPolicy =
            serde_json::from_value(policy).map_err(|error| NoVerdict::inconclusive(error.to_string()))?;
        let made = sandbox.make(namespace, &policy).await;
        made.map_err(|error| NoVerdict::inconclusive(format!("no policy in {namespace}: {}", told(&error))))?;
        sleep(POLICY_TAKEN_UP_AFTER).await;
        Ok(namespace)
    }

    /// What the pods report once all of them have ended, each with its node's name.
    async fn reports(
        &self,
        namespace: &str,
        placed: &BTreeMap<String, &NodeFacts>,
    ) -> Result<Vec<(String, Report)>, NoVerdict> {
        let pods: Api<Pod> = Api::namespaced(self.env.personas.operator.client.clone(), namespace);
        let ours = ListParams::default().labels(&format!("{RUN}={}", self.env.sandbox.run));
        let began = Instant::now();
        loop {
            sleep(AGAIN_AFTER).await;
            let found = pods.list(&ours).await?.items;
            let ended = found.iter().filter(|pod| placed.contains_key(&pod.name_any())).filter_map(ended);
            let ended: Vec<(String, Result<Report, String>)> = ended.collect();
            if ended.len() < placed.len() {
                if began.elapsed() < ENDED_WITHIN {
                    continue;
                }
                let (some, all) = (ended.len(), placed.len());
                return Err(NoVerdict::inconclusive(format!("only {some} of {all} pods have run to their end")));
            }
            let reports = ended.into_iter().map(|(pod, report)| {
                let node = placed[&pod].name.clone();
                let report = report.map_err(|why| NoVerdict::inconclusive(format!("{pod} on {node}: {why}")))?;
                // Whoever had no network, or lost it, was stopped by nobody.
                if report.was_stopped() || report.never_stopped() {
                    return Ok((node, report));
                }
                Err(NoVerdict::inconclusive(format!(
                    "no control: {pod} on {node} reached our own listener {} times, and not after it was stopped",
                    report.control_open
                )))
            });
            return reports.collect();
        }
    }
}

/// A pod that has ended, and its report.
fn ended(pod: &Pod) -> Option<(String, Result<Report, String>)> {
    let status = pod.status.as_ref()?;
    if !matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let container = status.container_statuses.iter().flatten().next();
    let last = container.and_then(|container| container.state.as_ref()?.terminated.as_ref());
    let message = last.and_then(|last| last.message.as_deref()).unwrap_or_default();
    let report = serde_json::from_str(message).map_err(|_| {
        let code = last.map_or_else(|| "no".into(), |last| last.exit_code.to_string());
        format!("it ended with exit code {code} and no report: {message:.100}")
    });
    Some((pod.name_any(), report))
}

fn window(reports: &[(String, Report)], threshold_ms: u64) -> StartupWindow {
    let mut nodes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (node, report) in reports {
        nodes.entry(node.clone()).or_default().push(report.window_ms());
    }
    let all = Spread::of(nodes.values().flatten().copied().collect());
    let nodes = nodes.into_iter().map(|(node, windows)| (node, Spread::of(windows))).collect();
    StartupWindow { all, nodes, threshold_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn pod(phase: &str, message: &str) -> Pod {
        let terminated = json!({ "exitCode": 0, "message": message });
        let container = json!({
            "name": "agent", "image": "i", "imageID": "i", "ready": false, "restartCount": 0, "state": { "terminated": terminated },
        });
        let pod =
            json!({ "metadata": { "name": "p" }, "status": { "phase": phase, "containerStatuses": [container] } });
        serde_json::from_value(pod).unwrap()
    }

    const REPORT: &str = r#"{"span_ms":6000,"tried":600,"let_through":30,"first_ms":1,"last_ms":310,"control_tried":600,"control_open":599,"control_first_ms":1,"control_last_ms":5990}"#;

    #[test]
    fn a_report_is_the_pods_last_word() {
        let (_, report) = ended(&pod("Succeeded", REPORT)).unwrap();
        assert_eq!(report.unwrap().window_ms(), 310);
        assert!(ended(&pod("Running", "")).is_none());
        let (_, broken) = ended(&pod("Failed", "usage")).unwrap();
        assert_eq!(broken.unwrap_err(), "it ended with exit code 0 and no report: usage");
    }

    #[rstest]
    #[case::never_through(None, Some(2000), 2000, Some(0))]
    #[case::a_moment(Some(310), Some(2320), 2330, Some(310))]
    #[case::to_the_end(Some(5995), Some(5990), 6000, None)]
    #[case::to_the_end_and_held_up(Some(5000), Some(4990), 6000, None)]
    fn how_long(
        #[case] last_ms: Option<u64>,
        #[case] control_last_ms: Option<u64>,
        #[case] span_ms: u64,
        #[case] window_ms: Option<u64>,
    ) {
        let report = Report { last_ms, control_last_ms, span_ms, ..serde_json::from_str(REPORT).unwrap() };
        let found = report.was_stopped().then_some(report.window_ms());
        assert_eq!((found, report.never_stopped()), (window_ms, window_ms.is_none()));
    }

    #[rstest]
    #[case::lost(Some(310), Some(300))]
    #[case::never_had(None, None)]
    fn a_pod_without_network_tells_nothing(#[case] last_ms: Option<u64>, #[case] control_last_ms: Option<u64>) {
        let report = Report { last_ms, control_last_ms, ..serde_json::from_str(REPORT).unwrap() };
        assert!(!report.was_stopped() && !report.never_stopped());
    }
}

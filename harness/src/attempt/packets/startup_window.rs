//! A pod's first moments. A policy engine hears of a pod when there is one, and covers it a moment later; what the pod sends until then
//! goes through. Programs that want to get through need only be quick.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::attempt::packets::reach::{Path, proved, walk};
use crate::cx::Cx;
use crate::network_policy::crowd::Born;
use crate::probe::batch::{Touch, Verb};
use crate::pulse::unsteady;
use crate::record::measurement::{Beside, Measurement, Named, Pulse, Spread};
use crate::verdict::{Attempted, NoVerdict, Verdict};
use crate::words::Guard;

/// How much longer than the suite puts up with each pod tries at the most; it ends once the way has been closed for two seconds. What is
/// still let through at the end is told as never stopped.
const BEYOND_MS: u64 = 1500;
/// How much longer than the closed way the open one must be seen open.
const SURE_MS: u64 = 500;
/// How often. An agent may use a tenth of a processor, and many run on one node.
const EVERY_MS: u64 = 25;
/// What a pod reports of its first moments (harness/agent, window).
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
        let (outside, pods) = (self.outside_probes().await?, self.env.suite.sample.new_pods);
        let mut grounds = self.grounds(0).await.map_err(NoVerdict::Inconclusive)?;
        grounds.prepare(&self.env, pods).await.map_err(NoVerdict::Inconclusive)?;
        drop(grounds);
        let _hush = self.quiet().await;
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
        let threshold_ms = self.env.suite.thresholds.startup_window_ms;
        let span_ms = threshold_ms + BEYOND_MS;
        let args = |node: &str| {
            // On its own node where there is one: a way that nothing else lies on.
            let near = outside.iter().find(|probe| probe.node == node).or(outside.first());
            let listener = near.map(|probe| probe.address.to_string()).unwrap_or_default();
            let words = [
                to.to_string(),
                port.to_string(),
                listener,
                ours.to_string(),
                span_ms.to_string(),
                EVERY_MS.to_string(),
            ];
            ["window".to_owned()].into_iter().chain(words).collect()
        };
        let before = self.pulse().await?;
        let span = Duration::from_millis(span_ms);
        let mut grounds = self.grounds(0).await.map_err(NoVerdict::Inconclusive)?;
        let born = grounds.born(&self.env, pods, span, &args).await.map_err(NoVerdict::Inconclusive)?;
        drop(grounds);
        let reports =
            born.iter().map(|pod| Ok((pod.node.clone(), report(pod)?))).collect::<Result<Vec<_>, NoVerdict>>()?;
        let first_ms = born.first().map_or(0, |pod| pod.running_after_ms);
        let pulse = Beside { before: Pulse { pod_ms: first_ms, ..before }, after: self.pulse().await? };
        let control = proved(&controls, walk(&controls).await)?;
        let window = window(&reports, threshold_ms, pulse);
        let all = window.spread(ALL).unwrap_or_default();
        let by_node = window.spreads.iter().filter(|named| named.over != ALL);
        let by_node: Vec<String> = by_node.map(|named| format!("{}: {}", named.over, named.spread)).collect();
        let tried: u64 = reports.iter().map(|(_, report)| report.tried).sum();
        let through: u64 = reports.iter().map(|(_, report)| report.let_through).sum();
        let evidence = format!(
            "from their first instruction on, new pods were let through to {name} for: {all}; {}; {through} of {tried} connections; the suite puts up with {threshold_ms} ms; pulse {pulse}",
            by_node.join("; ")
        );
        self.env.measurements.add(window);
        let never = reports.iter().filter(|(_, report)| report.never_stopped()).count();
        if never == 0 && all.max_ms <= threshold_ms {
            return Ok(Verdict::denied(Guard::Network, evidence, control, all.max_ms).of_attempts(reports.len()));
        }
        if let Some(why) = unsteady(&pulse) {
            return Err(NoVerdict::inconclusive(format!("{why}, and {evidence}")));
        }
        if never > 0 {
            let all = reports.len();
            return Ok(Verdict::allowed(format!(
                "{never} of {all} pods were never stopped within {span_ms} ms; {evidence}"
            )));
        }
        Ok(Verdict::allowed(evidence))
    }
}

/// What a pod reports; whoever had no network, or lost it, was stopped by nobody.
fn report(pod: &Born) -> Result<Report, NoVerdict> {
    let Born { node, report, .. } = pod;
    let read: Report = serde_json::from_str(report)
        .map_err(|_| NoVerdict::inconclusive(format!("a pod on {node} reports what is no report: {report:.100}")))?;
    if read.was_stopped() || read.never_stopped() {
        return Ok(read);
    }
    Err(NoVerdict::inconclusive(format!(
        "no control: a pod on {node} reached our own listener {} times, and not after it was stopped",
        read.control_open
    )))
}

/// Over all pods.
const ALL: &str = "all";

fn window(reports: &[(String, Report)], threshold_ms: u64, pulse: Beside) -> Measurement {
    let mut nodes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (node, report) in reports {
        nodes.entry(node.clone()).or_default().push(report.window_ms());
    }
    let all = Named { over: ALL.into(), spread: Spread::of(nodes.values().flatten().copied().collect()) };
    let nodes = nodes.into_iter().map(|(node, windows)| Named { over: node, spread: Spread::of(windows) });
    Measurement {
        name: "startup window".into(),
        what: "how long a new pod is let through to what a policy closes, from its first instruction on".into(),
        limit_ms: Some(threshold_ms),
        spreads: [all].into_iter().chain(nodes).collect(),
        pulse: Some(pulse),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const REPORT: &str = r#"{"span_ms":6000,"tried":600,"let_through":30,"first_ms":1,"last_ms":310,"control_tried":600,"control_open":599,"control_first_ms":1,"control_last_ms":5990}"#;

    #[rstest]
    #[case::whole(REPORT, Ok(310))]
    #[case::no_report("usage", Err("a pod on n reports what is no report: usage"))]
    #[case::no_control(
        r#"{"span_ms":6000,"tried":600,"let_through":0,"control_tried":600,"control_open":0}"#,
        Err("no control: a pod on n reached our own listener 0 times, and not after it was stopped")
    )]
    fn what_a_pod_reports(#[case] text: &str, #[case] expected: Result<u64, &str>) {
        let read = report(&Born { node: "n".into(), running_after_ms: 0, report: text.into() });
        let found = read.map(|report| report.window_ms()).map_err(|why| why.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
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

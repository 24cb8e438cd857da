//! What a cluster needs to go on working, whatever else is closed: the API server's way to the kubelets, and the nodes' way to each other.
//!
//! Here the forbidden thing is the cut, as in [`crate::attempt::packets::names`].
use std::sync::Arc;

use futures::future::join_all;
use kube::Client;
use tokio::time::{Duration, Instant, sleep};

use crate::attempt::packets::reach::{Answers, Path, walk};
use crate::cx::Cx;
use crate::probe::Probe;
use crate::probe::batch::{Touch, Verb};
use crate::probe::dialled::{self, Dialled};
use crate::probe::pod::NOBODY;
use crate::told::told;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// A kubelet that has died is given up on within 40 s (kube-controller-manager, `node-monitor-grace-period`, 50 s from Kubernetes 1.32 on):
/// one that is Ready for longer than that is alive, and out of reach.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(60);
const AGAIN_AFTER: Duration = Duration::from_secs(2);

impl Cx {
    /// Whether the API server reaches the kubelet of `from`'s node, and pods there those of `others`' nodes on `port`, TCP and UDP.
    ///
    /// # Errors
    /// Inconclusive where a probe does not answer itself, a node may be dead, or an exec broke for any other reason than the API server's
    /// not reaching the kubelet.
    pub async fn still_works(&self, from: &Arc<Probe>, others: &[Arc<Probe>], port: u16) -> Attempted {
        let client = &self.env.personas.operator.client;
        let dialled = || async { dialled::kubelet(client, from).await.map_err(NoVerdict::Inconclusive) };
        if let Dialled::Cut(words) = dialled().await? {
            let node = &from.node;
            self.stays_ready(client, node).await?;
            return match dialled().await? {
                Dialled::Cut(_) => Ok(Verdict::allowed(format!(
                    "cut: the API server does not reach the kubelet of {node}, which still reaches the API server: {words}"
                ))),
                Dialled::Served => Err(NoVerdict::inconclusive(format!(
                    "the API server reaches the kubelet of {node} at one time and not at another: {words}"
                ))),
            };
        }
        let verbs = |to: &Arc<Probe>| [Verb::Tcp { to: to.address, port }, Verb::Udp { to: to.address, port }];
        let across: Vec<Path> =
            others.iter().flat_map(|to| verbs(to).map(|verb| Path::between(from, verb, to))).collect();
        let themselves: Vec<Path> =
            others.iter().flat_map(|to| verbs(to).map(|verb| Path::new(to, verb, "itself"))).collect();
        let nowhere: Vec<Path> = others
            .iter()
            .chain([from])
            .map(|to| Path::between(from, Verb::Tcp { to: to.address, port: NOBODY }, to))
            .collect();
        // Before that, rules that let a pod through may not be there yet.
        let youngest = others.iter().chain([from]).map(|probe| probe.running_since.elapsed()).min().unwrap_or_default();
        sleep(self.env.suite.thresholds.enforcement().saturating_sub(youngest)).await;
        let all = join_all([walk(&across), walk(&themselves), walk(&nowhere)]).await;
        let mut told = Vec::new();
        for (paths, answers) in [&across, &themselves, &nowhere].into_iter().zip(all) {
            let answers = answers.into_iter().collect::<Result<Vec<_>, _>>().map_err(NoVerdict::Inconclusive)?;
            told.push(paths.iter().zip(answers).map(|(path, Answers { own, .. })| (path.told(&own), own)).collect());
        }
        judged(&from.node, &told[0], &told[1], &told[2])
    }

    /// # Errors
    /// Inconclusive where the node is not Ready all that time.
    async fn stays_ready(&self, client: &Client, node: &str) -> Result<(), NoVerdict> {
        let start = Instant::now();
        while start.elapsed() < GIVEN_UP_WITHIN {
            let (nodes, _) =
                self.env.node_settings.nodes(client).await.map_err(|error| NoVerdict::inconclusive(told(&error)))?;
            if nodes.iter().find(|found| found.name == node).is_none_or(|node| !node.hosts_probes()) {
                return Err(NoVerdict::inconclusive(format!(
                    "{node} is no longer ready: nothing is known of its ways"
                )));
            }
            sleep(AGAIN_AFTER).await;
        }
        Ok(())
    }
}

type Told = Vec<(String, crate::probe::batch::Answer)>;

fn judged(node: &str, across: &Told, themselves: &Told, nowhere: &Told) -> Attempted {
    let list = |told: &Told| told.iter().map(|(told, _)| told.as_str()).collect::<Vec<_>>().join("; ");
    let of = |told: &Told, touch: Touch| -> Told {
        told.iter().filter(|(_, answer)| answer.touch() == touch).cloned().collect()
    };
    let dead: Told = themselves.iter().filter(|(_, answer)| answer.touch() != Touch::Reached).cloned().collect();
    if !dead.is_empty() {
        return Err(NoVerdict::inconclusive(format!("no control: a listener does not answer itself: {}", list(&dead))));
    }
    let cut = of(across, Touch::Stopped);
    if !cut.is_empty() {
        return Ok(Verdict::allowed(format!(
            "cut, while each answers itself: {} of {} paths to other nodes: {}",
            cut.len(),
            across.len(),
            list(&cut)
        )));
    }
    let unclear = of(across, Touch::Unclear);
    if !unclear.is_empty() {
        return Err(NoVerdict::inconclusive(list(&unclear)));
    }
    let open: Told = nowhere.iter().filter(|(_, answer)| answer.touch() != Touch::Stopped).cloned().collect();
    if !open.is_empty() {
        return Err(NoVerdict::inconclusive(format!(
            "no control: where nobody listens is not closed: {}",
            list(&open)
        )));
    }
    let others =
        if across.is_empty() { "no other pool has a node whose pods could be reached".into() } else { list(across) };
    let evidence = format!("the kubelet of {node} served an exec to the API server; {others}");
    let control = format!("where nobody listens, nothing is open: {}", list(nowhere));
    let slowest_ms = across.iter().map(|(_, answer)| answer.ms).max().unwrap_or_default();
    Ok(Verdict::denied(Guard::Intact, evidence, Control::proved(control), slowest_ms).of_attempts(1 + across.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::outcome::Outcome;
    use rstest::rstest;

    #[rstest]
    #[case::flows("open", "open", "refused", "denied")]
    #[case::cut("timeout", "open", "refused", "allowed")]
    #[case::the_listener_is_dead("timeout", "timeout", "refused", "inconclusive")]
    #[case::unclear("error", "open", "refused", "inconclusive")]
    #[case::everything_is_open("open", "open", "open", "inconclusive")]
    fn a_cut_is_one_between_listeners_that_live(
        #[case] across: &str,
        #[case] themselves: &str,
        #[case] nowhere: &str,
        #[case] expected: &str,
    ) {
        let told = |result: &str| {
            let answer = serde_json::from_value(serde_json::json!({ "result": result })).unwrap();
            vec![(result.to_owned(), answer)]
        };
        let found = match judged("n", &told(across), &told(themselves), &told(nowhere)) {
            Ok(Verdict { outcome: Outcome::Denied { .. }, .. }) => "denied",
            Ok(_) => "allowed",
            Err(_) => "inconclusive",
        };
        assert_eq!(found, expected);
    }
}

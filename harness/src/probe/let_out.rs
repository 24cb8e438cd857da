//! Whether a probe that no NetworkPolicy selects is let out at all. Where a policy for the whole cluster (Calico's and Cilium's own, an
//! AdminNetworkPolicy, whatever makes a policy for every new namespace) selects the run's own namespaces too, no control can be had there, and each
//! scenario would find out by itself, after all of its time-outs.
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::ResourceExt;
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::cluster::facts::KUBELET_PORT;
use crate::env::Env;
use crate::probe::Probe;
use crate::probe::batch::{Answer, Touch, Verb};
use crate::verdict::NoVerdict;

const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Where every API server is reached inside its cluster.
const HTTPS: u16 = 443;

/// What was found, once for a run.
#[derive(Debug, Default)]
pub(crate) struct LetOut(OnceCell<Result<(), NoVerdict>>);

impl LetOut {
    /// Looks, the first time.
    ///
    /// # Errors
    /// Inconclusive, with what to do, where probes that no policy selects reach neither each other nor the API server nor their node.
    pub(crate) async fn of(env: &Env, outside: &[Arc<Probe>]) -> Result<(), NoVerdict> {
        env.memory.of::<Self>().0.get_or_init(|| look(env, outside)).await.clone()
    }
}

async fn look(env: &Env, outside: &[Arc<Probe>]) -> Result<(), NoVerdict> {
    // One alone has nobody to reach: what is closed to it may be closed to every pod.
    if outside.len() < 2 {
        return Ok(());
    }
    let api = api_server(env).await;
    loop {
        let asked = outside.iter().map(|from| async move {
            let verbs = ways(env, from, outside, api);
            from.line.ask(verbs.clone()).await.map(|answers| (from, verbs, answers))
        });
        let mut told = Vec::new();
        for asked in join_all(asked).await {
            // An exec that broke is its scenario's to tell.
            let Ok((from, verbs, answers)) = asked else { return Ok(()) };
            match closed(from, &verbs, &answers) {
                Some(closed) => told.push(closed),
                None => return Ok(()),
            }
        }
        // Rules that let a new pod through may not be there yet.
        let youngest = outside.iter().map(|probe| probe.running_since.elapsed()).min().unwrap_or_default();
        if youngest >= env.suite.thresholds.enforcement() {
            return Err(NoVerdict::inconclusive(format!(
                "no control: what no NetworkPolicy selects is cut off all the same, from its neighbours, from the API server and from its node: {}; a policy for the whole cluster selects the run's own namespaces too: have it let out those with a label of your choice, and name that label as `namespace-labels` in the cluster's entry of conformance.toml",
                told.join("; ")
            )));
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn api_server(env: &Env) -> Option<IpAddr> {
    let services = env.inventory.services().await.ok()?;
    let own = services
        .iter()
        .find(|service| service.name_any() == "kubernetes" && service.namespace().as_deref() == Some("default"))?;
    own.spec.as_ref()?.cluster_ip.as_ref()?.parse().ok()
}

/// To each of the others, to the API server, and to the kubelet beside it.
fn ways(env: &Env, from: &Probe, outside: &[Arc<Probe>], api: Option<IpAddr>) -> Vec<Verb> {
    let port = env.probes.answering();
    let others = outside.iter().filter(|other| other.pod != from.pod).map(|other| (other.address, port));
    let node = env.facts.nodes.iter().find(|node| node.name == from.node);
    let node = node.and_then(|node| node.addresses.iter().find_map(|address| address.parse().ok()));
    let besides = [api.map(|to| (to, HTTPS)), node.map(|to| (to, KUBELET_PORT))];
    others.chain(besides.into_iter().flatten()).map(|(to, port)| Verb::Tcp { to, port }).collect()
}

/// How all of its ways are closed; `None` where one is not.
fn closed(from: &Probe, verbs: &[Verb], answers: &[Answer]) -> Option<String> {
    let all = verbs
        .iter()
        .zip(answers)
        .map(|(verb, answer)| (answer.touch() == Touch::Stopped).then(|| format!("{verb} from {from}: {answer}")));
    all.collect::<Option<Vec<_>>>().map(|all| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::exec::Line;
    use rstest::rstest;
    use std::net::Ipv4Addr;

    #[rstest]
    #[case::nothing_gets_through(&["timeout", "refused"], true)]
    #[case::one_way_is_open(&["timeout", "open"], false)]
    #[case::nobody_knows(&["timeout", "error"], false)]
    #[tokio::test]
    async fn cut_off_is_whoever_gets_nowhere(#[case] results: &[&str], #[case] expected: bool) {
        let from = Probe::in_name_only("outside", Line::answered_by(|_| unreachable!("nothing is asked")));
        let verb = Verb::Tcp { to: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 1 };
        let answers: Vec<Answer> = results
            .iter()
            .map(|result| serde_json::from_value(serde_json::json!({ "result": result })).unwrap())
            .collect();
        assert_eq!(closed(&from, &vec![verb; results.len()], &answers).is_some(), expected);
    }
}

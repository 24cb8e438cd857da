//! Before the first attempt: what the run needs of the cluster, and what it would do there.
//!
//! Rights are asked for one by one (SelfSubjectAccessReview). A list of rules would be shorter to ask for, but an authorizer outside
//! RBAC, as OKE's IAM is one, need not list what it grants.
use std::collections::BTreeSet;

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Client;
use kube::api::Api;

use crate::cluster::deployers::Deployers;
use crate::env::Env;
use crate::rights::{self, Of, Right};
use crate::run::{cells, nowhere};
use crate::scenario::{Entry, Impact, Scope};
use crate::told::told;

/// Requests that a probe costs: its carrier, its pod, the watch until it runs, and its execs.
const OF_A_PROBE: usize = 8;
/// Requests that a run costs before its first cell: who and what the cluster is, and what its discovery serves.
const OF_A_RUN: usize = 40;

/// One scenario of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// `chapter/name`.
    pub id: String,
    /// What it may do to the cluster.
    pub impact: Impact,
    /// How often it is repeated.
    pub cells: usize,
    /// What each time is attempted.
    pub attempts: Vec<String>,
    /// Why it will be inconclusive or not applicable; none where nothing is known against it.
    pub foreseen: Option<String>,
}

/// What a run would do, and what it lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Rights that the credential has not.
    pub missing: Vec<Right>,
    /// The scenarios, in the catalogue's order.
    pub scenarios: Vec<Planned>,
    /// Probes that would run at the most, shared by all scenarios.
    pub probes: usize,
    /// Pods that measurements and policy cases would share besides.
    pub pods: usize,
    /// A node that would carry more probes than its part of the room: which, how many, and how many pods it takes at all.
    pub crowded: Option<(String, usize, usize)>,
    /// Requests that would be sent to the API server at the most, the sweep's apart.
    pub requests: usize,
}

/// Which rights a run of `entries` needs, each once.
pub fn rights<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> BTreeSet<Right> {
    rights::SCOPE.iter().chain(entries.into_iter().flat_map(of_scenario)).copied().collect()
}

/// What a scenario names, and what it takes to sweep what it makes.
fn of_scenario(entry: &Entry) -> impl Iterator<Item = &'static Right> + use<> {
    let sweep = if makes(entry) { rights::SWEEP } else { &[] };
    entry.scenario.needs.iter().copied().flatten().chain(sweep)
}

/// Whether a scenario makes objects, which must be swept.
fn makes(entry: &Entry) -> bool {
    entry.scenario.impact >= Impact::Probe
}

/// Which of `rights` the credential of `client` lacks, cluster-wide.
///
/// # Errors
/// Where the API server does not say.
async fn missing(client: &Client, rights: &BTreeSet<Right>, deployers: &Deployers) -> Result<Vec<Right>, String> {
    let answers = try_join_all(rights.iter().map(|right| may(client, right, deployers))).await?;
    Ok(rights.iter().zip(answers).filter(|(_, may)| !may).map(|(right, _)| *right).collect())
}

async fn may(client: &Client, right: &Right, deployers: &Deployers) -> Result<bool, String> {
    let of_one = |namespace: Option<&str>, name: &str| (namespace.map(str::to_owned), Some(name.to_owned()));
    let objects = match right.of {
        Of::Any => vec![(None, None)],
        Of::Default => vec![of_one(None, "default")],
        Of::Deployer => {
            deployers.all().into_iter().map(|account| of_one(account.namespace.as_deref(), &account.name)).collect()
        }
    };
    let reviews = objects.into_iter().map(|(namespace, name)| review(client, right, namespace, name));
    Ok(try_join_all(reviews).await?.into_iter().all(|allowed| allowed))
}

async fn review(
    client: &Client,
    right: &Right,
    namespace: Option<String>,
    name: Option<String>,
) -> Result<bool, String> {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((whole, part)) => (whole, Some(part)),
        None => (right.resource, None),
    };
    let attributes = ResourceAttributes {
        verb: Some(right.verb.into()),
        group: Some(right.group.into()),
        resource: Some(resource.into()),
        subresource: subresource.map(str::to_owned),
        namespace,
        name,
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let review = Api::<SelfSubjectAccessReview>::all(client.clone()).create(&Default::default(), &review).await;
    let review = review.map_err(|error| format!("cannot ask what this credential may do: {}", told(&error)))?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

impl Plan {
    /// What a run of `entries` would do to the cluster of `env`.
    ///
    /// # Errors
    /// Where the API server does not say what the credential may do.
    pub async fn of(env: &Env, entries: &[Entry]) -> Result<Self, String> {
        let attempts: Vec<Vec<String>> = entries.iter().map(|entry| (entry.scenario.attempts)(&env.facts)).collect();
        // What has nothing to attempt needs nothing.
        let wanted = rights(entries.iter().zip(&attempts).filter(|(_, all)| !all.is_empty()).map(|(entry, _)| entry));
        let missing = missing(&env.personas.operator.client, &wanted, &env.deployers).await?;
        let scenarios: Vec<Planned> = entries
            .iter()
            .zip(attempts)
            .map(|(entry, attempts)| Planned {
                id: entry.id.clone(),
                impact: entry.scenario.impact,
                cells: cells(entry.scenario.scope, env).len(),
                foreseen: foreseen(env, entry, &attempts, &missing),
                attempts,
            })
            .collect();
        // In the run's own namespace, and on the nodes' own network where that is allowed.
        let hurts = |entry: &Entry| makes(entry) && entry.scenario.impact == Impact::Intrusive;
        let own = 1 + usize::from(entries.iter().any(hurts));
        let each_node = |entry: &Entry| makes(entry) && entry.scenario.scope == Scope::EachNode;
        let hosts = env.placement.all();
        let others = env.nodes().filter(|node| !hosts.iter().any(|host| host.name == node.name)).count();
        let of_namespaces = env.facts.namespaces.iter().map(|namespace| env.placement.hosts(Some(namespace)).len());
        let probes = if entries.iter().any(makes) {
            let others = if entries.iter().any(each_node) { others } else { 0 };
            of_namespaces.sum::<usize>() + own * (hosts.len() + others)
        } else {
            0
        };
        let crowded = env.placement.crowded.clone().filter(|_| probes > 0);
        let of_cells = entries
            .iter()
            .zip(&scenarios)
            .map(|(entry, planned)| (planned.attempts.len() + (entry.scenario.controls)(&env.facts)) * planned.cells);
        // Scenarios share them: whoever needs most has the others have enough.
        let shared = entries.iter().map(|entry| entry.scenario.pods).max().unwrap_or_default();
        let pods = if shared > 0 { shared.max(env.suite.sample.new_pods) } else { 0 };
        let requests = of_cells.sum::<usize>() + (probes + pods) * OF_A_PROBE + wanted.len() + OF_A_RUN;
        Ok(Self { missing, scenarios, probes, pods, crowded, requests })
    }

    /// Why the run must not make anything, where it could not take it away again.
    pub fn cannot_sweep(&self) -> Option<String> {
        let lacking: Vec<String> =
            self.missing.iter().filter(|right| rights::SWEEP.contains(right)).map(ToString::to_string).collect();
        (!lacking.is_empty()).then(|| {
            format!(
                "nothing is made that could not be taken away again, and this credential may not {}",
                lacking.join(", ")
            )
        })
    }

    /// Why the run must not begin, where it would make more pods than `most`, or fill a node with them.
    pub fn too_many(&self, most: usize) -> Option<String> {
        if let Some((node, probes, whole)) = &self.crowded {
            return Some(format!(
                "{probes} probes of a run would stand on node {node} at once, more than a tenth of the {whole} pods that it takes, and its pool has no other with the room: have the suite's [scope] name fewer namespaces, or allow them as `most-pods-a-node = {probes}` in its entry of conformance.toml"
            ));
        }
        let pods = self.probes + self.pods;
        (pods > most).then(|| {
            format!(
                "a run would make up to {pods} pods there, more than {most}: have its [scope] name fewer namespaces or pools, name the nodes' own label as `pool-label` in its entry of conformance.toml where a pool is taken for many, or allow them as `most-pods = {pods}` there"
            )
        })
    }

    /// Whether the run would make objects.
    pub fn makes(&self) -> bool {
        self.scenarios.iter().any(|planned| planned.impact >= Impact::Probe)
    }
}

fn foreseen(env: &Env, entry: &Entry, attempts: &[String], missing: &[Right]) -> Option<String> {
    if attempts.is_empty() {
        return Some(format!("not applicable: Kubernetes {} has nothing of the kind", env.facts.version));
    }
    let lacking: BTreeSet<&Right> = of_scenario(entry).filter(|right| missing.contains(right)).collect();
    if !lacking.is_empty() {
        // The whole list ends the plan.
        let first: Vec<String> = lacking.iter().take(2).map(ToString::to_string).collect();
        let more = match lacking.len() - first.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        return Some(format!("inconclusive: the credential may not {}{more}", first.join(", ")));
    }
    if cells(entry.scenario.scope, env).is_empty() {
        return Some(format!("not applicable: {}", nowhere(entry.scenario.scope)));
    }
    // What is a dry run, or never to run, needs neither a node nor an image.
    if ![rights::PROBES, rights::EXEC].iter().any(|needed| entry.scenario.needs.contains(needed)) {
        return None;
    }
    if env.placement.all().is_empty() {
        return Some("inconclusive: no node can host a probe".into());
    }
    env.probes.image().err().map(|why| format!("inconclusive: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::scenario::sample::{OBSERVES, PROBES, TRIES};
    use rstest::rstest;

    #[rstest]
    #[case::observe(&OBSERVES, "list services", true)]
    #[case::observe_makes_no_pods(&OBSERVES, "create pods", false)]
    #[case::dry_run(&TRIES, "create pods", true)]
    #[case::dry_run_sweeps_nothing(&TRIES, "deletecollection pods", false)]
    #[case::dry_run_in_the_deployers_name(&TRIES, "create serviceaccounts/token of the deployer", true)]
    #[case::probe(&PROBES, "create configmaps", true)]
    #[case::probe_is_swept(&PROBES, "deletecollection priorityclasses.scheduling.k8s.io", true)]
    fn a_scenario_says_what_it_needs(#[case] scenario: &'static Scenario, #[case] right: &str, #[case] expected: bool) {
        let rights = rights(&[Entry::new("a", "b", "", scenario)]);
        assert_eq!(rights.iter().any(|needed| needed.to_string() == right), expected);
    }

    #[rstest]
    #[case(300, 0, None)]
    #[case(283, 18, Some("up to 301 pods there, more than 300"))]
    fn more_pods_than_anybody_expects(#[case] probes: usize, #[case] pods: usize, #[case] expected: Option<&str>) {
        let said = Plan { probes, pods, ..Plan::default() }.too_many(300);
        assert_eq!(said.is_some(), expected.is_some());
        let crowded = Plan { probes: 2, crowded: Some(("n".into(), 22, 110)), ..Plan::default() }.too_many(300);
        assert!(crowded.is_some_and(|said| said.contains("node n") && said.contains("`most-pods-a-node = 22`")));
        assert!(
            said.zip(expected)
                .is_none_or(|(said, expected)| said.contains(expected) && said.contains("`most-pods = 301`"))
        );
    }

    #[test]
    fn what_cannot_be_swept_is_not_made() {
        let lacking = |right: &Right| Plan { missing: vec![*right], ..Plan::default() }.cannot_sweep().is_some();
        assert!(rights::SWEEP.iter().all(lacking));
        assert!(!rights::SURVEY[..1].iter().any(lacking));
    }
}

//! Before the first attempt: what the run needs of the cluster, and what it would do there.
//!
//! Rights are asked for one by one (SelfSubjectAccessReview). A list of rules would be shorter to ask for, but an authorizer outside
//! RBAC, as OKE's IAM is one, need not list what it grants.
use anyhow::bail;
use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Client;
use kube::api::Api;

use crate::env::Env;
use crate::run::cells;
use crate::sandbox::told;
use crate::scenario::{Entry, Impact};

/// One right: verb, API group, resource (with its subresource).
pub type Right = (&'static str, &'static str, &'static str);

/// What every run needs, whatever it runs.
const ALWAYS: [Right; 5] = [
    ("list", "", "nodes"),
    ("list", "", "namespaces"),
    ("list", "", "pods"),
    ("list", "", "configmaps"),
    ("create", "", "serviceaccounts/token"),
];
/// What surveys and dry runs need besides.
const OBSERVE: [Right; 2] = [("list", "", "services"), ("list", "networking.k8s.io", "ingresses")];
const DRY_RUN: [Right; 1] = [("create", "", "pods")];
/// What a run with probes needs besides.
const PROBE: [Right; 9] = [
    ("create", "", "namespaces"),
    ("delete", "", "namespaces"),
    ("create", "", "configmaps"),
    ("deletecollection", "", "configmaps"),
    ("create", "", "resourcequotas"),
    ("watch", "", "pods"),
    ("deletecollection", "", "pods"),
    ("create", "", "pods/exec"),
    ("get", "", "pods/exec"),
];

/// What a run would do, and what it lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Rights that the credential has not, as `create pods/exec`.
    pub missing: Vec<String>,
    /// Scenario, impact and cells, in the catalogue's order.
    pub scenarios: Vec<(String, Impact, usize)>,
    /// Probes that would run at the most.
    pub probes: usize,
    /// Nodes that could not host one, with their pool.
    pub without_probe: Vec<String>,
}

/// Which rights a run of `entries` needs.
pub fn rights(entries: &[Entry]) -> Vec<Right> {
    let highest = entries.iter().map(|entry| entry.scenario.impact).max();
    let mut rights = ALWAYS.to_vec();
    for (from, more) in [(Impact::Observe, OBSERVE.as_slice()), (Impact::DryRun, &DRY_RUN), (Impact::Probe, &PROBE)] {
        if highest >= Some(from) {
            rights.extend(more);
        }
    }
    rights
}

/// Which of `rights` the credential of `client` lacks, cluster-wide.
///
/// # Errors
/// Where the API server does not say.
pub async fn missing(client: &Client, rights: &[Right]) -> Result<Vec<String>, String> {
    let answers = join_all(rights.iter().map(|right| may(client, *right))).await;
    let mut missing = Vec::new();
    for ((verb, group, resource), may) in rights.iter().zip(answers) {
        if !may? {
            let group = if group.is_empty() { String::new() } else { format!(".{group}") };
            missing.push(format!("{verb} {resource}{group}"));
        }
    }
    Ok(missing)
}

async fn may(client: &Client, (verb, group, resource): Right) -> Result<bool, String> {
    let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(whole, sub)| (whole, Some(sub)));
    let attributes = ResourceAttributes {
        verb: Some(verb.into()),
        group: Some(group.into()),
        resource: Some(resource.into()),
        subresource: subresource.map(str::to_owned),
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
        let scenarios = entries
            .iter()
            .map(|entry| (entry.id.clone(), entry.scenario.impact, cells(entry.scenario.scope, env).len()));
        let probing = entries.iter().any(|entry| entry.scenario.impact >= Impact::Probe);
        // One in each namespace in scope on each pool, and as many in the run's own.
        let probes = if probing { (env.facts.namespaces.len() + 1) * env.hosts.len() } else { 0 };
        let unfit = env.facts.nodes.iter().filter(|node| !node.hosts_probes);
        Ok(Self {
            missing: missing(&env.operator.client, &rights(entries)).await?,
            scenarios: scenarios.collect(),
            probes,
            without_probe: unfit.map(|node| format!("{} (pool {})", node.name, node.pool)).collect(),
        })
    }

    /// Whether the run may make the namespaces that its controls are tried from: without them it is not begun.
    ///
    /// # Errors
    /// One sentence that names the missing right.
    pub fn namespaces_can_be_made(&self, env: &Env) -> anyhow::Result<()> {
        if self.missing.iter().any(|right| right == "create namespaces") {
            bail!(
                "{} may not create namespaces in cluster {}, and the controls need one: grant it `create namespaces`, or select scenarios that need none",
                env.operator.name,
                env.facts.name
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::scenario::sample::{OBSERVES, PROBES, TRIES};
    use rstest::rstest;

    #[rstest]
    #[case::observe(&OBSERVES, ("list", "", "services"), true)]
    #[case::observe_makes_no_pods(&OBSERVES, ("create", "", "pods"), false)]
    #[case::dry_run(&TRIES, ("create", "", "pods"), true)]
    #[case::dry_run_makes_no_namespaces(&TRIES, ("create", "", "namespaces"), false)]
    #[case::probe(&PROBES, ("create", "", "namespaces"), true)]
    #[case::probe_observes_too(&PROBES, ("list", "", "services"), true)]
    fn the_ceiling_decides(#[case] scenario: &'static Scenario, #[case] right: Right, #[case] expected: bool) {
        assert_eq!(rights(&[Entry::new("a", "b", "", scenario)]).contains(&right), expected);
    }
}

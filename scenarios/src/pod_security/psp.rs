//! What the scenarios about PodSecurityPolicy say they would attempt.
use harness::attempt::api::psp;
use harness::record::ClusterFacts;
use harness::standard::Control;

/// Whether the cluster knows such policies: those from 1.25 on do not.
pub(super) fn known(facts: &ClusterFacts) -> bool {
    facts.admission.iter().any(|part| part == "PodSecurityPolicy")
}

/// What `controls` forbid, where the cluster knows such policies.
pub(super) fn attempts(facts: &ClusterFacts, controls: &[&Control]) -> Vec<String> {
    if known(facts) { psp::attempts(controls, facts.minor()) } else { Vec::new() }
}

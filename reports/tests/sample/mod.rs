//! A run to write reports of.
#![allow(dead_code, reason = "each test target uses its part")]

use harness::record::{
    Acknowledged, AcknowledgementRecord, AcknowledgementState, Cell, ClusterFacts, NodeFacts, Outcome, Record, Run,
    WaiverRecord, WaiverState,
};
use harness::scenario::{Guard, Impact, Scope, Severity};

pub fn denied(guard: Guard, evidence: &str) -> Outcome {
    Outcome::Denied {
        guard,
        evidence: evidence.into(),
        control: "the same pod without the attribute was admitted".into(),
    }
}

pub fn allowed(evidence: &str) -> Outcome {
    Outcome::Allowed { evidence: evidence.into() }
}

pub fn inconclusive(why: &str) -> Outcome {
    Outcome::inconclusive(why)
}

pub fn acknowledged(why: &str) -> Outcome {
    let by = Acknowledged {
        reason: "the nodes have no metadata service".into(),
        owner: "platform".into(),
        until: "2027-03-31".into(),
    };
    Outcome::Inconclusive { why: why.into(), acknowledged: Some(by) }
}

fn acknowledgement(scenario: &str, state: AcknowledgementState) -> AcknowledgementRecord {
    AcknowledgementRecord {
        scenario: scenario.into(),
        cells: Vec::new(),
        says: "no control: the node".into(),
        reason: "the nodes have no metadata service".into(),
        owner: "platform".into(),
        until: "2027-03-31".into(),
        state,
    }
}

pub fn waived(evidence: &str) -> Outcome {
    Outcome::Waived {
        evidence: evidence.into(),
        reason: "the images move to digests with release 12".into(),
        owner: "team-a".into(),
        until: "2027-01-31".into(),
    }
}

fn waiver(scenario: &str, state: WaiverState) -> WaiverRecord {
    WaiverRecord {
        scenario: scenario.into(),
        cells: Vec::new(),
        reason: "the images move to digests with release 12".into(),
        owner: "team-a".into(),
        until: "2027-01-31".into(),
        state,
    }
}

pub fn not_applicable(why: &str) -> Outcome {
    Outcome::NotApplicable { why: why.into() }
}

pub fn cell(name: &str, outcome: Outcome, denied_after_ms: Option<u64>) -> Cell {
    Cell { name: name.into(), outcome, elapsed_ms: 41, denied_after_ms, attempts: 1 }
}

/// A scenario of these cells; `outcome` is the worst of them.
pub fn record(id: &str, outcome: Outcome, cells: Vec<Cell>) -> Record {
    Record {
        id: id.into(),
        title: "privileged containers are refused".into(),
        explanation: "A privileged container owns the node.".into(),
        guidance: vec!["G3.4".into()],
        also: vec!["CIS OKE 4.2.1".into()],
        severity: Severity::Critical,
        impact: Impact::DryRun,
        scope: Scope::EachNamespace,
        outcome,
        cells,
        started_ms: 1_500,
        elapsed_ms: 1_234,
    }
}

/// A run with each outcome.
pub fn run() -> Run {
    let refusal = "violates PodSecurity \"restricted:latest\": privileged";
    let privileged = record(
        "pod_security/privileged",
        denied(Guard::PodSecurity, refusal),
        vec![
            cell("tenant-a", denied(Guard::PodSecurity, refusal), Some(4)),
            cell("tenant-b", denied(Guard::AdmissionPolicy, "denied request: privileged"), Some(9)),
            cell("shared", denied(Guard::PodSecurity, refusal), Some(5)),
        ],
    );
    let isolated = record(
        "network/namespaces-isolated",
        allowed("connected to 10.244.1.7:8080 in 1 ms"),
        vec![
            cell("tenant-a -> tenant-b", denied(Guard::Network, "no answer from 10.244.2.3:8080 in 500 ms"), Some(500)),
            cell(
                "shared -> tenant-b",
                inconclusive("the probe in shared never became ready; look at its events"),
                None,
            ),
            cell("tenant-b -> tenant-a", allowed("connected to 10.244.1.7:8080 in 1 ms"), None),
        ],
    );
    let metadata = record(
        "metadata/endpoint-unreachable",
        inconclusive("no control: a pod on the host's network could not reach it either"),
        vec![cell(
            "tenant-a on workers",
            inconclusive("no control: a pod on the host's network could not reach it either"),
            None,
        )],
    );
    let addon =
        record("addons/tiller-unreachable", not_applicable("the cluster has no namespace in scope"), Vec::new());
    let tags = record(
        "images/tag-refused",
        waived("admitted (dry run)"),
        vec![
            cell("tenant-a", waived("admitted (dry run)"), None),
            cell("tenant-b", denied(Guard::AdmissionPolicy, "denied request: a tag"), Some(3)),
        ],
    );
    let runs_as = record(
        "pod_security/host-network",
        denied(Guard::PodSecurity, refusal),
        vec![cell("tenant-a", denied(Guard::PodSecurity, refusal), Some(4))],
    );
    let no_service = "no control: the node's own network does not reach it either";
    let ladder = record(
        "metadata/ladder",
        acknowledged(no_service),
        vec![
            cell("tenant-a", acknowledged(no_service), None),
            cell("tenant-b", waived("read by way of a proxy"), None),
            cell("shared", acknowledged(no_service), None),
        ],
    );
    Run {
        schema: 2,
        id: "r-3k9x".into(),
        started: "2026-11-24T10:00:00.250Z".into(),
        elapsed_ms: 9_876,
        suite: "oke".into(),
        cluster: ClusterFacts {
            name: "kind".into(),
            server: "https://127.0.0.1:6443".into(),
            version: "v1.34.4".into(),
            nodes: vec![NodeFacts { name: "worker".into(), ..NodeFacts::default() }],
            namespaces: vec!["tenant-a".into(), "tenant-b".into(), "shared".into()],
            ..ClusterFacts::default()
        },
        waivers: vec![
            waiver("images/*", WaiverState::Used),
            waiver("rbac/*", WaiverState::CanGo),
            waiver("network/*", WaiverState::Expired),
            waiver("nodes/*", WaiverState::Unused),
        ],
        acknowledgements: vec![
            acknowledgement("metadata/*", AcknowledgementState::Used),
            acknowledgement("rbac/*", AcknowledgementState::CanGo),
            acknowledgement("network/*", AcknowledgementState::Expired),
            acknowledgement("nodes/*", AcknowledgementState::OtherCause),
            acknowledgement("addons/*", AcknowledgementState::Unused),
        ],
        scenarios: vec![privileged, isolated, metadata, addon, tags, runs_as, ladder],
        ..Run::default()
    }
}

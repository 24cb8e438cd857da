//! One run as data: what every report is written from.
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cluster::plugins::NetworkPlugin;
use crate::heat_map::HeatMap;
use crate::reachability::Reachability;
use crate::scenario::{Guard, Impact, Scope, Severity};
use crate::standard;

/// What became of an attempt, of a cell, or of a scenario (its worst cell).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The forbidden thing was refused by an expected guard while the control worked: a pass.
    Denied {
        /// Who said no.
        guard: Guard,
        /// What exactly was said: the API's message, the errno, the absence.
        evidence: String,
        /// What proves that the attempt could have worked.
        control: String,
    },
    /// The forbidden thing worked: a failure.
    Allowed {
        /// What was reached, created or read.
        evidence: String,
    },
    /// The forbidden thing worked, and somebody answers for that until a day: skipped.
    Waived {
        /// What was reached, created or read all the same.
        evidence: String,
        /// Why it is allowed for now.
        reason: String,
        /// Who answers for it.
        owner: String,
        /// The last day, as `2027-01-31`.
        until: String,
    },
    /// Nothing was proved either way: an error, never a pass.
    Inconclusive {
        /// Why nothing was proved, and what to do.
        why: String,
    },
    /// The question does not arise on this cluster: skipped.
    NotApplicable {
        /// Why not.
        why: String,
    },
}

/// One repetition of a scenario: a namespace, a pair, a node pool, or the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What it was tried for: `tenant-a`, `tenant-a -> tenant-b`, `tenant-a on pool-1`, `cluster`.
    pub name: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// From the start of the cell to its verdict, in milliseconds.
    pub elapsed_ms: u64,
    /// How long the denial itself took to arrive, in milliseconds; none where there was no denial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_after_ms: Option<u64>,
    /// How many forbidden things were tried for this verdict.
    #[serde(default)]
    pub attempts: usize,
}

/// One scenario of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `chapter/name`: the file's path.
    pub id: String,
    /// One sentence: what must hold.
    pub title: String,
    /// The scenario file's own text: why, what is attempted, what is expected.
    pub explanation: String,
    /// Items of the guidance, as `G3.4`.
    pub guidance: Vec<String>,
    /// Other catalogues that ask for it, by number.
    pub also: Vec<String>,
    /// How much an `Allowed` matters.
    pub severity: Severity,
    /// What the attempt may do to the cluster.
    pub impact: Impact,
    /// What it was repeated for.
    pub scope: Scope,
    /// The worst cell's outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Every repetition, in a stable order.
    pub cells: Vec<Cell>,
    /// Milliseconds since the run's start at which this scenario began.
    pub started_ms: u64,
    /// From the scenario's start to its last verdict, in milliseconds.
    pub elapsed_ms: u64,
}

/// What the cluster is, as found before the first attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFacts {
    /// The name it was asked for by: `--cluster NAME`.
    pub name: String,
    /// The API server's address.
    pub server: String,
    /// Its version, as `v1.34.4`.
    pub version: String,
    /// The nodes.
    pub nodes: Vec<NodeFacts>,
    /// The namespaces in scope.
    pub namespaces: Vec<String>,
    /// All others, runs' own apart.
    #[serde(default)]
    pub out_of_scope: Vec<String>,
    /// Network plug-ins whose agents run on the nodes; none where the pods cannot be listed.
    #[serde(default)]
    pub network_plugins: Vec<NetworkPlugin>,
    /// What decides about pods: parts of the API server, then policy engines whose kinds are served.
    #[serde(default)]
    pub admission: Vec<String>,
    /// By namespace in scope, the Pod Security Standard that its labels say is enforced; none where they say nothing.
    #[serde(default)]
    pub pod_security: BTreeMap<String, String>,
}

impl ClusterFacts {
    /// The minor version of Kubernetes 1; the newest that is known here where it cannot be read.
    pub fn minor(&self) -> u32 {
        minor(&self.version)
    }
}

/// The minor version in `v1.34.4`.
pub(crate) fn minor(version: &str) -> u32 {
    let minor = version.trim_start_matches('v').split('.').nth(1);
    // Providers write `1.34+`.
    minor.and_then(|minor| minor.trim_end_matches('+').parse().ok()).unwrap_or(standard::NEWEST)
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Its pool, or its own name where it belongs to none.
    pub pool: String,
    /// As Go spells it: `amd64`, `arm64`.
    pub architecture: String,
    /// `containerd://2.3.7`, `cri-o://1.31.3`.
    pub runtime: String,
    /// Its addresses inside the network.
    pub addresses: Vec<String>,
    /// Why no probe can be placed there: not ready, unschedulable, tainted, virtual; none where one can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_probe: Option<String>,
}

impl NodeFacts {
    /// Whether probes may be placed there.
    pub fn hosts_probes(&self) -> bool {
        self.without_probe.is_none()
    }
}

/// One probe of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its node.
    pub node: String,
    /// Its pod's name, which is the host name that it tells to whom it asks.
    #[serde(default)]
    pub pod: String,
    /// From the request that makes its pod to the pod running, in milliseconds.
    pub running_after_ms: u64,
}

/// How long new pods were let through to what a policy closes, from their first instruction on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartupWindow {
    /// Over all pods.
    pub all: Spread,
    /// By node.
    pub nodes: BTreeMap<String, Spread>,
    /// What the suite puts up with, in milliseconds.
    pub threshold_ms: u64,
}

/// How soon policies bite, from the API server's word that it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnforcementLatency {
    /// Until the first path that a policy forbids is closed.
    pub first: Spread,
    /// Until the last one is.
    pub all: Spread,
    /// From a policy's deletion to all of them being open again.
    pub open: Spread,
}

/// A spread of durations in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many were measured.
    pub count: usize,
    /// Half of them are no longer.
    pub p50_ms: u64,
    /// 95 of 100 are no longer.
    pub p95_ms: u64,
    /// The longest.
    pub max_ms: u64,
}

impl Spread {
    /// The spread of `durations`, by the nearest rank.
    pub fn of(mut durations: Vec<u64>) -> Self {
        durations.sort_unstable();
        let rank = |percent: usize| {
            let rank = (durations.len() * percent).div_ceil(100).max(1) - 1;
            durations.get(rank).copied().unwrap_or_default()
        };
        Self { count: durations.len(), p50_ms: rank(50), p95_ms: rank(95), max_ms: rank(100) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {} ms, p95 {} ms, max {} ms over {}", self.p50_ms, self.p95_ms, self.max_ms, self.count)
    }
}

/// What became of a waiver in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverState {
    /// It forgave something.
    Used,
    /// Everything that it covers is denied by now.
    CanGo,
    /// Its day is over, and what it covered is still allowed.
    Expired,
    /// It covers nothing that ran.
    Unused,
}

/// One waiver of the run's cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaiverRecord {
    /// Id or glob of the scenarios.
    pub scenario: String,
    /// Globs of the cells; all where there are none.
    pub cells: Vec<String>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day.
    pub until: String,
    /// What became of it.
    pub state: WaiverState,
}

/// One entry of the suite's allow-lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowanceRecord {
    /// Id or glob of the scenarios.
    pub scenario: String,
    /// Glob over names of findings.
    pub name: String,
    /// Whether the run found something that it names.
    pub met: bool,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The shape of this document; raised when a field changes its meaning.
    pub schema: u32,
    /// The run's id, which every object it made carried.
    pub id: String,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// Milliseconds from start to the last verdict.
    pub elapsed_ms: u64,
    /// The suite's name.
    pub suite: String,
    /// What the cluster is.
    pub cluster: ClusterFacts,
    /// The probes that ran, by namespace and node.
    #[serde(default)]
    pub probes: Vec<ProbeFacts>,
    /// The most memory that the suite held at once, in KiB; none where the system does not say.
    #[serde(default)]
    pub peak_memory_kib: Option<u64>,
    /// The waivers that are about this cluster, in their file's order.
    #[serde(default)]
    pub waivers: Vec<WaiverRecord>,
    /// What the suite allows to be found all the same.
    #[serde(default)]
    pub allowances: Vec<AllowanceRecord>,
    /// Namespaces by the scenarios that are repeated for each of them.
    #[serde(default)]
    pub heat_map: HeatMap,
    /// Who reaches whom, for each scenario that tries every ordered pair of namespaces.
    #[serde(default)]
    pub reachability: Vec<Reachability>,
    /// How long new pods were let through before a policy covered them; none where that was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_window: Option<StartupWindow>,
    /// How soon a policy bites; none where that was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<EnforcementLatency>,
    /// Pods that the run started, the shared probes among them.
    #[serde(default)]
    pub pods: usize,
    /// Requests that the run sent to the API server until its last verdict, over all identities.
    #[serde(default)]
    pub requests: u64,
    /// Every scenario that was selected, in the catalogue's order; none is ever missing.
    pub scenarios: Vec<Record>,
}

/// How many of each, over scenarios.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Denied as expected.
    pub passed: usize,
    /// Allowed.
    pub failed: usize,
    /// Nothing proved.
    pub inconclusive: usize,
    /// Allowed, and somebody answers for it.
    pub waived: usize,
    /// Not applicable.
    pub not_applicable: usize,
}

impl Run {
    /// Counts the scenarios by outcome.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for record in &self.scenarios {
            match record.outcome {
                Outcome::Denied { .. } => totals.passed += 1,
                Outcome::Allowed { .. } => totals.failed += 1,
                Outcome::Inconclusive { .. } => totals.inconclusive += 1,
                Outcome::Waived { .. } => totals.waived += 1,
                Outcome::NotApplicable { .. } => totals.not_applicable += 1,
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::none(&[], (0, 0, 0))]
    #[case::one(&[7], (7, 7, 7))]
    #[case::twenty(&[20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1], (10, 19, 20))]
    fn ranks(#[case] durations: &[u64], #[case] (p50, p95, max): (u64, u64, u64)) {
        let expected = Spread { count: durations.len(), p50_ms: p50, p95_ms: p95, max_ms: max };
        assert_eq!(Spread::of(durations.to_vec()), expected);
    }

    #[rstest]
    #[case("v1.34.4", 34)]
    #[case("v1.30.5-gke.1", 30)]
    #[case("1.29+", 29)]
    #[case("unknown", standard::NEWEST)]
    fn which_minor_version(#[case] version: &str, #[case] expected: u32) {
        assert_eq!(minor(version), expected);
    }
}

//! One run as data: what every report is written from.
pub mod facts;
pub mod forgiven;
pub mod measurement;
pub mod outcome;

use serde::{Deserialize, Serialize};

pub use facts::{ClusterFacts, NodeFacts, ProbeFacts};
pub use forgiven::{AcknowledgementRecord, AcknowledgementState, AllowanceRecord, WaiverRecord, WaiverState};
pub use measurement::{Beside, Measurement, Pulse, Spread};
pub use outcome::{Acknowledged, Cell, Outcome, Record};

use crate::heat_map::HeatMap;
use crate::reachability::Reachability;

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
    /// The acknowledgements that are about this cluster, in their file's order.
    #[serde(default)]
    pub acknowledgements: Vec<AcknowledgementRecord>,
    /// What the suite allows to be found all the same.
    #[serde(default)]
    pub allowances: Vec<AllowanceRecord>,
    /// Namespaces by the scenarios that are repeated for each of them.
    #[serde(default)]
    pub heat_map: HeatMap,
    /// Who reaches whom, for each scenario that tries every ordered pair of namespaces.
    #[serde(default)]
    pub reachability: Vec<Reachability>,
    /// What was measured beside the verdicts.
    #[serde(default)]
    pub measurements: Vec<Measurement>,
    /// Pods that the run started, the shared probes among them.
    #[serde(default)]
    pub pods: usize,
    /// Execs that it asked for.
    #[serde(default)]
    pub execs: u64,
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
    /// Nothing proved, and somebody answers for it.
    pub acknowledged: usize,
    /// Allowed, and somebody answers for it.
    pub waived: usize,
    /// Not applicable.
    pub not_applicable: usize,
}

impl Run {
    /// The measurement that is called `name`.
    pub fn measurement(&self, name: &str) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| measurement.name == name)
    }

    /// Counts the scenarios by outcome.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for record in &self.scenarios {
            match record.outcome {
                Outcome::Denied { .. } => totals.passed += 1,
                Outcome::Allowed { .. } => totals.failed += 1,
                Outcome::Inconclusive { acknowledged: None, .. } => totals.inconclusive += 1,
                Outcome::Inconclusive { acknowledged: Some(_), .. } => totals.acknowledged += 1,
                Outcome::Waived { .. } => totals.waived += 1,
                Outcome::NotApplicable { .. } => totals.not_applicable += 1,
            }
        }
        totals
    }
}

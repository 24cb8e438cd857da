//! What was forgiven: waivers, acknowledgements, allow-lists, and what became of each.
use serde::{Deserialize, Serialize};

/// What became of a waiver in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverState {
    /// It forgave something.
    Used,
    /// Nothing needs it: what it covers is denied by now, or a later waiver forgives it.
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

/// What became of an acknowledgement in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcknowledgementState {
    /// It met its cause.
    Used,
    /// Nothing needs it: what it covers is proved by now, one way or the other, or a later entry acknowledges it.
    CanGo,
    /// Its day is over, and its cause is still there.
    Expired,
    /// What it covers is inconclusive for another cause.
    OtherCause,
    /// It covers nothing that ran.
    Unused,
}

/// One acknowledgement of the run's cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcknowledgementRecord {
    /// Id or glob of the scenarios.
    pub scenario: String,
    /// Globs of the cells; all where there are none.
    pub cells: Vec<String>,
    /// What its cause says.
    pub says: String,
    /// Why nothing can be proved for now.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day.
    pub until: String,
    /// What became of it.
    pub state: AcknowledgementState,
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

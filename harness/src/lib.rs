//! The engine: knows Kubernetes, knows nothing of any guidance.
//!
//! A scenario ([`scenario::Scenario`]) is repeated for each cell of its scope; each cell performs the forbidden act
//! ([`attempt`]) and has it judged: a denial counts only by an expected guard and next to a control ([`verdict`]).
pub mod attempt;
pub mod cluster;
pub mod cx;
pub mod denial;
pub mod env;
pub mod glob;
pub mod heat_map;
pub mod memory;
pub mod network_policy;
pub mod pace;
pub mod preflight;
pub mod printable;
pub mod probe;
mod pulse;
pub mod quiet;
pub mod reachability;
pub mod record;
pub mod rights;
pub mod run;
pub mod sandbox;
pub mod scenario;
pub mod settings;
pub mod standard;
pub mod suite;
pub mod told;
mod toml_file;
pub mod verdict;
pub mod waiver;
pub mod words;

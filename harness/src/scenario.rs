//! A scenario, and where it is registered.
use std::future::Future;
use std::pin::Pin;

use crate::cx::Cx;
use crate::record::facts::ClusterFacts;
use crate::rights::Right;
use crate::verdict::Attempted;
pub use crate::words::{Catalogued, G, Guard, Impact, Scope, Severity};

/// A scenario's function, once per cell of its scope. Written with [`run!`](crate::run!).
pub type Attempt = for<'a> fn(&'a Cx) -> Pin<Box<dyn Future<Output = Attempted> + Send + 'a>>;

/// One forbidden thing, and how it is attempted.
pub struct Scenario {
    /// What must hold, in a few words.
    pub title: &'static str,
    /// The items of the guidance that ask for it.
    pub guidance: &'static [G],
    /// Other catalogues that ask for it; CIS by number only.
    pub also: &'static [&'static str],
    /// How much an `Allowed` matters.
    pub severity: Severity,
    /// What the attempt may do to the cluster.
    pub impact: Impact,
    /// What it is repeated for.
    pub scope: Scope,
    /// Rights that the run's own credential needs for it: see [`crate::rights`].
    pub needs: &'static [&'static [Right]],
    /// What a cell attempts on such a cluster, for the reader of `--plan`.
    pub attempts: fn(&ClusterFacts) -> Vec<String>,
    /// Requests to the API server that a cell makes besides one an attempt: its controls, its identities.
    pub controls: fn(&ClusterFacts) -> usize,
    /// Pods behind walls that it needs, besides the probes that all scenarios share; those scenarios that need any share them.
    pub pods: usize,
    /// The attempt itself.
    pub run: Attempt,
}

/// A scenario where it is registered: its file's path, its file's text, and the constant.
pub struct Entry {
    /// `chapter/name`, from the file's path.
    pub id: String,
    /// The file's text: its `//!` lines are the explanation that reports show.
    pub source: &'static str,
    /// What the file defines.
    pub scenario: &'static Scenario,
}

impl Entry {
    /// An entry for `chapter/file.rs`: file names have underscores where ids have hyphens.
    pub fn new(chapter: &str, file: &str, source: &'static str, scenario: &'static Scenario) -> Self {
        Self { id: format!("{chapter}/{}", file.replace('_', "-")), source, scenario }
    }

    /// The `//!` lines at the head of the file.
    pub fn explanation(&self) -> String {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }
}

impl Catalogued for Entry {
    fn id(&self) -> &str {
        &self.id
    }

    fn impact(&self) -> Impact {
        self.scenario.impact
    }
}

/// Makes an [`Attempt`] of an `async fn(&Cx) -> Attempted`.
#[macro_export]
macro_rules! run {
    ($attempt:path) => {
        |cx| ::std::boxed::Box::pin($attempt(cx))
    };
}

/// Scenarios for the tests of what selects and plans them: never run.
#[cfg(test)]
pub(crate) mod sample {
    use super::{G, Impact, Right, Scenario, Scope, Severity};
    use crate::rights;
    use crate::verdict::NoVerdict;

    pub(crate) static OBSERVES: Scenario = of(Impact::Observe, &[rights::SURVEY]);
    pub(crate) static TRIES: Scenario = of(Impact::DryRun, &[rights::AS_DEPLOYER, rights::PODS]);
    pub(crate) static PROBES: Scenario = of(Impact::Probe, &[rights::PROBES]);

    const fn of(impact: Impact, needs: &'static [&'static [Right]]) -> Scenario {
        Scenario {
            title: "t",
            guidance: &[G(1, 1)],
            also: &[],
            severity: Severity::Low,
            impact,
            scope: Scope::Cluster,
            needs,
            attempts: |_| vec!["nothing".into()],
            controls: |_| 1,
            pods: 0,
            run: |_| Box::pin(async { Err(NoVerdict::inconclusive("never run")) }),
        }
    }
}

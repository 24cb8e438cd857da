//! Timing a policy: how long what it forbids still works.
use std::time::Duration;

use crate::cx::Cx;
use crate::network_policy::case::Change;
use crate::network_policy::fixture::Fixture;
use crate::network_policy::latency::Round;
use crate::record::{EnforcementLatency, Spread};
use crate::scenario::Guard;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};

/// How often: enough for a 95th percentile that is not the maximum.
const ROUNDS: usize = 20;

/// Packets sent while a policy comes that forbids them.
#[must_use = "name the expected guards with `stopped_by`"]
pub struct Enforcement<'a> {
    pub(crate) cx: &'a Cx,
}

impl<'a> Enforcement<'a> {
    /// The guards whose refusal counts.
    pub fn stopped_by(self, guard: Guard) -> Guarded<'a> {
        Guarded { cx: self.cx, guard }
    }
}

/// ... with its guard.
#[must_use = "name the control with `while_opening_again`"]
pub struct Guarded<'a> {
    cx: &'a Cx,
    guard: Guard,
}

impl Guarded<'_> {
    /// The control: each path is open before each policy, and again when it is gone.
    ///
    /// # Errors
    /// Inconclusive where a path does not open again, or pods, policies or execs fail.
    pub async fn while_opening_again(self) -> Attempted {
        let Self { cx, guard } = self;
        let _crowd = cx.env.crowds.acquire().await;
        let limit = cx.env.suite.thresholds.enforcement();
        let rounds = timed(cx, limit).await.map_err(NoVerdict::Inconclusive)?;
        if rounds.iter().any(|round| round.all_closed_ms.is_none()) {
            let reached = format!("what a policy forbids still arrives {} ms after it was accepted", limit.as_millis());
            return Ok(Verdict::allowed(format!("{reached} (policy {} of {ROUNDS})", rounds.len())));
        }
        let of = |ms: fn(&Round) -> Option<u64>| Spread::of(rounds.iter().filter_map(ms).collect());
        let (first, all) = (of(|round| round.first_closed_ms), of(|round| round.all_closed_ms));
        let open = of(|round| round.all_open_ms);
        if open.count < ROUNDS {
            let closed = format!("no control: paths stay closed {} ms after the policy has gone", limit.as_millis());
            return Err(NoVerdict::inconclusive(closed));
        }
        let _ = cx.env.enforcement.set(EnforcementLatency { first, all, open });
        let evidence = format!(
            "{ROUNDS} policies: the first packet refused after {first}; all refused after {all}; the limit is {} ms",
            limit.as_millis()
        );
        let control =
            Control::proved(format!("all paths open before each policy, and again after it had gone: {open}"));
        Ok(Verdict::denied(guard, evidence, control, all.max_ms).of_attempts(ROUNDS))
    }
}

async fn timed(cx: &Cx, limit: Duration) -> Result<Vec<Round>, String> {
    let mut fixture = Fixture::start(&cx.env, "enforcement", &["x", "y"], &[]).await?;
    let spec = serde_json::json!({ "podSelector": {}, "policyTypes": ["Ingress"] });
    let (come, gone) =
        (Change::Apply { namespace: "x", name: "deny", spec }, Change::Delete { namespace: "x", name: "deny" });
    fixture.time(&come, &gone, ("y", "x"), ROUNDS, limit).await
}

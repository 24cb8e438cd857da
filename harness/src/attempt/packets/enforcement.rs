//! Timing a policy: how long what it forbids still works.
use std::time::Duration;

use crate::cx::Cx;
use crate::network_policy::case::Change;
use crate::network_policy::crowd::Grounds;
use crate::network_policy::latency::Round;
use crate::pulse::unsteady;
use crate::record::measurement::{Beside, Measurement, Named, Spread};
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// How often: enough for a 95th percentile that is not the maximum.
const ROUNDS: usize = 20;

impl Cx {
    /// Attempts to get packets through while a policy comes that forbids them.
    pub fn enforcement(&self) -> Enforcement<'_> {
        Enforcement { cx: self }
    }
}

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
        let _hush = cx.quiet().await;
        let limit = cx.env.suite.thresholds.enforcement();
        let mut grounds = cx.grounds(1).await.map_err(NoVerdict::Inconclusive)?;
        let before = cx.pulse().await?;
        let (rounds, outlived) = timed(&mut grounds, limit).await.map_err(NoVerdict::Inconclusive)?;
        drop(grounds);
        let pulse = Beside { before, after: cx.pulse().await? };
        if rounds.iter().any(|round| round.all_closed_ms.is_none()) {
            let reached = format!("what a policy forbids still arrives {} ms after it was accepted", limit.as_millis());
            if let Some(why) = unsteady(&pulse) {
                return Err(NoVerdict::inconclusive(format!("{why}, and {reached}")));
            }
            return Ok(Verdict::allowed(format!("{reached} (policy {} of {ROUNDS}); pulse {pulse}", rounds.len())));
        }
        let of = |ms: fn(&Round) -> Option<u64>| Spread::of(rounds.iter().filter_map(ms).collect());
        let (first, all) = (of(|round| round.first_closed_ms), of(|round| round.all_closed_ms));
        let open = of(|round| round.all_open_ms);
        if open.count < ROUNDS {
            let closed = format!("no control: paths stay closed {} ms after the policy has gone", limit.as_millis());
            return Err(NoVerdict::inconclusive(closed));
        }
        let named = |over: &str, spread| Named { over: over.into(), spread };
        cx.env.measurements.add(Measurement {
            name: "enforcement".into(),
            what: "from the API server's word that it has a policy, or has it no longer".into(),
            limit_ms: Some(limit.as_millis() as u64),
            spreads: vec![
                named("the first path that a policy forbids is closed", first),
                named("all", all),
                named("all of them are open again", open),
            ],
            pulse: Some(pulse),
        });
        let evidence = format!(
            "{ROUNDS} policies: the first packet refused after {first}; all refused after {all}; the limit is {} ms; pulse {pulse}{outlived}",
            limit.as_millis()
        );
        let control =
            Control::proved(format!("all paths open before each policy, and again after it had gone: {open}"));
        Ok(Verdict::denied(guard, evidence, control, all.max_ms).of_attempts(ROUNDS))
    }
}

/// What the rounds took; and what the policy leaves alone, in words, where all of them closed and opened.
async fn timed(grounds: &mut Grounds, limit: Duration) -> Result<(Vec<Round>, String), String> {
    let spec = serde_json::json!({ "podSelector": {}, "policyTypes": ["Ingress"] });
    let (come, gone) =
        (Change::Apply { namespace: "x", name: "deny", spec }, Change::Delete { namespace: "x", name: "deny" });
    grounds.unveiled();
    // One whose execs broke is of no use to anybody else.
    let mut fixture = grounds.fixtures.pop().ok_or("there are no pods to try it with")?;
    let rounds = fixture.time(&come, &gone, ("y", "x"), ROUNDS, limit).await?;
    let closed = rounds.iter().map(|round| round.all_open_ms.and(round.all_closed_ms)).collect::<Option<Vec<u64>>>();
    let outlived = match closed.and_then(|closed| closed.into_iter().max()) {
        Some(bites) => {
            let outlived = fixture.outlived(&come, &gone, ("y", "x"), Duration::from_millis(bites), limit).await?;
            format!("; {outlived}")
        }
        None => String::new(),
    };
    grounds.fixtures.push(fixture);
    Ok((rounds, outlived))
}

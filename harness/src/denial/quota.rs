//! ResourceQuota: `exceeded quota: x, requested: pods=1, used: pods=1, limited: pods=1`.
use std::fmt;

use serde::Serialize;

use super::Reason;
use super::go_text::name;

/// One bound of a quota that would be passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// `pods`, `requests.cpu`, `count/deployments.apps`.
    pub resource: String,
    /// What was asked for.
    pub requested: String,
    /// What is in use.
    pub used: String,
    /// What there is.
    pub limited: String,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} asked for, {} of {} in use", self.resource, self.requested, self.used, self.limited)
    }
}

/// apiserver, admission/plugin/resourcequota/controller.go. `status unknown for quota` is a quota that is not counted yet.
pub fn refusal(reason: &str) -> Option<Reason> {
    exceeded(reason).or_else(|| unset(reason)).or_else(|| missing(reason))
}

fn exceeded(reason: &str) -> Option<Reason> {
    let (quota, rest) = name(reason.strip_prefix("exceeded quota: ")?)?;
    let (requested, rest) = rest.strip_prefix(", requested: ")?.split_once(", used: ")?;
    let (used, limited) = rest.split_once(", limited: ")?;
    let (used, limited) = (amounts(used)?, amounts(limited)?);
    let of = |list: &[(&str, &str)], resource: &str| {
        list.iter().find(|(key, _)| *key == resource).map(|(_, amount)| (*amount).to_owned())
    };
    let bounds = amounts(requested)?.into_iter().map(|(resource, requested)| {
        Some(Bound {
            resource: resource.into(),
            requested: requested.into(),
            used: of(&used, resource)?,
            limited: of(&limited, resource)?,
        })
    });
    Some(Reason::Quota { quota: quota.into(), exceeded: bounds.collect::<Option<Vec<_>>>()? })
}

/// `a=1,b=2`
fn amounts(list: &str) -> Option<Vec<(&str, &str)>> {
    let whole = |text| name(text) == Some((text, ""));
    list.split(',').map(|pair| pair.split_once('=').filter(|(key, amount)| whole(key) && whole(amount))).collect()
}

/// kubernetes, quota/v1/evaluator/core/pods.go: what a quota bounds must be set at all.
fn unset(reason: &str) -> Option<Reason> {
    let (quota, rest) = name_of_failed(reason)?;
    let unset = rest.strip_prefix("must specify ")?.split("; ").map(str::to_owned).collect();
    Some(Reason::QuotaUnset { quota: quota.into(), unset })
}

fn name_of_failed(reason: &str) -> Option<(&str, &str)> {
    reason.strip_prefix("failed quota: ")?.split_once(": ").filter(|(quota, _)| name(quota) == Some((quota, "")))
}

/// Only where the API server is told to let something be consumed under a quota or not at all.
fn missing(reason: &str) -> Option<Reason> {
    let resources = reason.strip_prefix("insufficient quota to consume: ")?;
    let resources: Vec<String> = resources.split(',').map(str::to_owned).collect();
    resources
        .iter()
        .all(|resource| name(resource) == Some((resource, "")))
        .then_some(Reason::QuotaMissing { resources })
}

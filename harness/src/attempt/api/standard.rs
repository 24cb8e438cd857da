//! Everything that a control of the Pod Security Standards forbids, next to the pod without it.
use serde_json::Value;

use crate::attempt::api::admission::{Admission, Controlled, Guarded, Target};
use crate::attempt::api::author::Author;
use crate::cx::Cx;
use crate::probe::pod;
use crate::standard::{self, Variant};
use crate::verdict::NoVerdict;
use crate::words::Guard;

impl Cx {
    /// Attempts everything that `control` forbids in a pod of [`Cx::namespace`], as the one who deploys there: each time a pod that
    /// differs from an admitted one in one field.
    ///
    /// # Errors
    /// Not applicable where the server's version or the namespace's standard does not have it; inconclusive where that identity or a pod cannot be had.
    pub async fn standard(&self, control: &'static standard::Control) -> Result<Standard, NoVerdict> {
        let (namespace, minor) = (self.namespace()?, self.env.facts.minor());
        if !control.applies(minor) {
            let why = format!("the standards have this from Kubernetes 1.{} on, and this is 1.{minor}", control.since);
            return Err(NoVerdict::not_applicable(why));
        }
        let enforced = self.env.facts.pod_security.get(namespace).map(String::as_str);
        if let Some(why) = control.left_to_restricted(minor, enforced) {
            return Err(NoVerdict::not_applicable(why));
        }
        let plain = self.plain_pod()?;
        let unwritten = |error: serde_json::Error| NoVerdict::inconclusive(error.to_string());
        let forbidden = control.forbidden(&plain, minor).map_err(unwritten)?;
        let admitted = control.admitted(&plain, minor).map_err(unwritten)?;
        let author = self.deployer(namespace).await?;
        let place = Target::Namespace(namespace.to_owned());
        Ok(Standard { admission: Admission::of_all(&self.env, author, place, forbidden), admitted })
    }

    /// Attempts everything that `controls` forbid in a pod of `namespace`, as the operator.
    ///
    /// # Errors
    /// Inconclusive where a pod cannot be had.
    pub fn standards_into(&self, namespace: &str, controls: &[&standard::Control]) -> Result<Standard, NoVerdict> {
        let (forbidden, admitted) = self.violations(namespace, controls)?;
        let (author, place) =
            (Author::himself(self.env.personas.operator.clone()), Target::Namespace(namespace.to_owned()));
        Ok(Standard { admission: Admission::of_all(&self.env, author, place, forbidden), admitted })
    }

    /// Pods for `namespace` that violate one of `controls` each, and the pod that they were made from.
    ///
    /// # Errors
    /// Inconclusive where no pod can be had.
    pub(crate) fn violations(
        &self,
        namespace: &str,
        controls: &[&standard::Control],
    ) -> Result<(Vec<Variant>, Value), NoVerdict> {
        let (plain, minor) = (self.plain_pod_in(namespace)?, self.env.facts.minor());
        let unwritten = |error: serde_json::Error| NoVerdict::inconclusive(error.to_string());
        let all = controls.iter().map(|control| control.forbidden(&plain, minor)).collect::<Result<Vec<_>, _>>();
        let admitted =
            controls.first().map(|control| control.admitted(&plain, minor)).transpose().map_err(unwritten)?;
        Ok((all.map_err(unwritten)?.concat(), admitted.unwrap_or_default()))
    }

    /// Attempts everything that the standards forbid in an ephemeral container, in a running probe of [`Cx::namespace`], as the operator:
    /// what may debug is seldom what deploys.
    ///
    /// # Errors
    /// Inconclusive where the probe does not run.
    pub async fn standard_in_ephemeral(&self) -> Result<Standard, NoVerdict> {
        let probe = self.probe(self.namespace()?, self.node()?).await?;
        let image = self.env.probes.image().map_err(NoVerdict::Inconclusive)?;
        let admitted = pod::ephemeral(&image.reference);
        let minor = self.env.facts.minor();
        let forbidden = standard::ALL.iter().flat_map(|(_, control)| control.forbidden_in_ephemeral(&admitted, minor));
        let place = Target::Pod(probe.namespace.clone(), probe.pod.clone());
        let author = Author::himself(self.env.personas.operator.clone());
        Ok(Standard { admission: Admission::of_all(&self.env, author, place, forbidden.collect()), admitted })
    }
}

/// Pods that violate one control, each in one field, and the pod that they were made from.
#[must_use = "name the expected guards with `denied_by`"]
pub struct Standard {
    pub(crate) admission: Admission,
    pub(crate) admitted: Value,
}

impl Standard {
    /// The guards whose refusal counts; where Pod Security refuses, it must name this control.
    pub fn denied_by(self, guards: &'static [Guard]) -> GuardedStandard {
        GuardedStandard { guarded: self.admission.denied_by(guards), admitted: self.admitted }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_admitting_the_rest`"]
pub struct GuardedStandard {
    guarded: Guarded,
    admitted: Value,
}

impl GuardedStandard {
    /// The control: the pod that all of them were made from, which must be admitted at the same moment.
    pub fn while_admitting_the_rest(self) -> Controlled {
        self.guarded.while_admitting_document(self.admitted)
    }
}

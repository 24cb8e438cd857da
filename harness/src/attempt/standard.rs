//! Everything that a control of the Pod Security Standards forbids, next to the pod without it.
use serde_json::Value;

use crate::attempt::admission::{Admission, Controlled, Guarded};
use crate::scenario::Guard;

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

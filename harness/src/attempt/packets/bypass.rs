//! What a refusal is worth: that the refused thing, had it been admitted, would have got past the policies.
use crate::attempt::packets::reach::{Path, proved, walk};
use crate::cx::Cx;
use crate::probe::batch::Verb;
use crate::record::facts::NodeFacts;
use crate::record::outcome::Outcome;
use crate::verdict::{Attempted, Verdict};

impl Cx {
    /// Adds a control to the denial of a pod on the node's network: one of the run's own, in a namespace of its own that admits it, does get
    /// to what `to` names on `node`, and is answered with `status`. For intrusive scenarios.
    ///
    /// # Errors
    /// Inconclusive where the bypass does not run, or leads nowhere: what was refused would have been of no use then.
    pub async fn knowing_the_bypass(
        &self,
        denied: Verdict,
        node: &NodeFacts,
        verb: Verb,
        status: u16,
        to: &str,
    ) -> Attempted {
        if !matches!(denied.outcome, Outcome::Denied { .. }) {
            return Ok(denied);
        }
        let host = self.host_probe(node).await?;
        let paths = [Path::new(&host, verb, to).answering(status)];
        let works = proved(&paths, walk(&paths).await)?;
        Ok(denied.also_controlled_by(&works))
    }
}

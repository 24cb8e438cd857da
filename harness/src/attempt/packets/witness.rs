//! Who gets through, where nobody's policy is in the way: controls.
use std::sync::Arc;

use crate::cx::Cx;
use crate::probe::Probe;
use crate::probe::batch::{Answer, Touch, Verb};
use crate::record::facts::NodeFacts;
use crate::verdict::NoVerdict;
use crate::words::Impact;

impl Cx {
    /// A probe on `node` that gets through with `verb`, for controls: one that no policy selects, or, where the cluster stops every pod, one
    /// on the node's own network. The latter runs only where the suite allows what would hurt.
    ///
    /// # Errors
    /// Inconclusive where neither gets through, or the second may not be tried; not applicable where that leaves pods without IPv6.
    pub async fn witness(&self, node: &NodeFacts, verb: Verb) -> Result<Arc<Probe>, NoVerdict> {
        let outside = self.outside_probe(node).await?;
        let answer = self.tried(&outside, &verb).await?;
        if answer.touch() == Touch::Reached {
            return Ok(outside);
        }
        let stopped = format!("no control: {verb} from {outside}, which no policy selects: {answer}");
        if self.env.suite.impact < Impact::Intrusive {
            if verb.to().is_some_and(|to| to.is_ipv6()) && answer.errno.as_deref() == Some("ENETUNREACH") {
                return Err(NoVerdict::not_applicable(format!("pods have no way to IPv6 addresses here: {stopped}")));
            }
            return Err(NoVerdict::inconclusive(format!(
                "{stopped}; only a pod on the node's own network could show that it is there, and this suite stops short of such a pod"
            )));
        }
        let host = self.host_probe(node).await.map_err(|why| NoVerdict::inconclusive(format!("{stopped}; {why}")))?;
        match self.tried(&host, &verb).await? {
            answer if answer.touch() == Touch::Reached => Ok(host),
            answer => Err(NoVerdict::inconclusive(format!("{stopped}; nor from the node's own network: {answer}"))),
        }
    }

    /// Those of `verbs` that get through from `probe`: what is not there need not be closed.
    ///
    /// # Errors
    /// Inconclusive where an exec broke.
    pub async fn open_among(&self, probe: &Probe, verbs: &[Verb]) -> Result<Vec<Verb>, NoVerdict> {
        let answers = probe.line.ask(verbs.to_vec()).await;
        let answers = answers.map_err(|why| NoVerdict::inconclusive(format!("no control: {why}")))?;
        let open = verbs.iter().zip(answers).filter(|(_, answer)| answer.touch() == Touch::Reached);
        Ok(open.map(|(verb, _)| verb.clone()).collect())
    }

    async fn tried(&self, probe: &Probe, verb: &Verb) -> Result<Answer, NoVerdict> {
        let answers = probe.line.ask(vec![verb.clone()]).await;
        let answer = answers.and_then(|mut answers| answers.pop().ok_or_else(|| "the agent answered nothing".into()));
        answer.map_err(|why| NoVerdict::inconclusive(format!("no control: {why}")))
    }
}

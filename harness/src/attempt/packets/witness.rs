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
    /// on the node's own network. The latter runs only where the suite allows what would hurt; where it does not, whoever gets through all the
    /// same in the namespace that this is about.
    ///
    /// # Errors
    /// Not applicable where nobody gets through who may be asked: who is kept from nothing that is known to be there is kept by nobody.
    /// Inconclusive where that is not known.
    pub async fn witness(&self, node: &NodeFacts, verb: Verb) -> Result<Arc<Probe>, NoVerdict> {
        let outside = self.outside_probe(node).await?;
        let answer = self.tried(&outside, &verb).await?;
        if answer.touch() == Touch::Reached {
            return Ok(outside);
        }
        let stopped = format!("{verb} from {outside}, which no policy selects: {answer}");
        let (last, why) = if self.env.suite.impact < Impact::Intrusive {
            if verb.to().is_some_and(|to| to.is_ipv6()) && answer.errno.as_deref() == Some("ENETUNREACH") {
                return Err(NoVerdict::not_applicable(format!("pods have no way to IPv6 addresses here: {stopped}")));
            }
            let inside = match self.namespace() {
                Ok(namespace) => self.probe(namespace, node).await?,
                Err(_) => outside.clone(),
            };
            let why = "no pod gets there; whether it is there, and who keeps pods from it, only one on the node's own network could show, and this suite stops short of such a pod";
            (inside, why)
        } else {
            let host = self.host_probe(node).await;
            let host = host.map_err(|why| NoVerdict::inconclusive(format!("no control: {stopped}; {why}")))?;
            (host, "nobody gets there, not even from the node's own network: there is nothing to be kept from")
        };
        let found = self.tried(&last, &verb).await?;
        let told = format!("{stopped}; from {last}: {found}");
        match (answer.touch(), found.touch()) {
            (_, Touch::Reached) => Ok(last),
            (Touch::Stopped, Touch::Stopped) => Err(NoVerdict::not_applicable(format!("{why}: {told}"))),
            _ => Err(NoVerdict::inconclusive(format!("no control: {told}"))),
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

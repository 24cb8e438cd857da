//! Who gets through, where nobody's policy is in the way: controls.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::cx::Cx;
use crate::probe::Probe;
use crate::probe::batch::{Answer, Touch, Verb};
use crate::record::facts::NodeFacts;
use crate::verdict::NoVerdict;
use crate::words::Impact;

/// Who has got through where in this run: what has been reached is there, so that nobody who finds it gone may call it absent.
#[derive(Default)]
struct GotThrough(Mutex<HashMap<(String, Verb), String>>);

impl GotThrough {
    fn note(&self, node: &str, verb: &Verb, who: String) {
        let mut all = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.entry((node.to_owned(), verb.clone())).or_insert(who);
    }

    /// Not applicable for `why`; inconclusive where somebody on that node had got through before.
    fn nobody(&self, node: &str, verb: &Verb, why: &str) -> NoVerdict {
        let all = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match all.get(&(node.to_owned(), verb.clone())) {
            None => NoVerdict::not_applicable(why),
            Some(who) => NoVerdict::inconclusive(format!(
                "no control: {who} got there earlier in this run, so that it is there, and nobody does now: {why}"
            )),
        }
    }
}

impl Cx {
    /// A probe on `node` that gets through with `verb`, for controls: one that no policy selects, or, where the cluster stops every pod, one
    /// on the node's own network. The latter runs only where the suite allows what would hurt; where it does not, whoever gets through all the
    /// same in the namespace that this is about.
    ///
    /// # Errors
    /// Not applicable where nobody gets through who may be asked: who is kept from nothing that is known to be there is kept by nobody.
    /// Inconclusive where that is not known, and where somebody had got through on that node before.
    pub async fn witness(&self, node: &NodeFacts, verb: Verb) -> Result<Arc<Probe>, NoVerdict> {
        let got_through = self.env.memory.of::<GotThrough>();
        let outside = self.outside_probe(node).await?;
        let answer = self.tried(&outside, &verb).await?;
        if answer.touch() == Touch::Reached {
            return Ok(outside);
        }
        let stopped = format!("{verb} from {outside}, which no policy selects: {answer}");
        let (last, why) = if self.env.suite.impact < Impact::Intrusive {
            if verb.to().is_some_and(|to| to.is_ipv6()) && answer.errno.as_deref() == Some("ENETUNREACH") {
                let why = format!("pods have no way to IPv6 addresses here: {stopped}");
                return Err(got_through.nobody(&node.name, &verb, &why));
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
            (Touch::Stopped, Touch::Stopped) => Err(got_through.nobody(&node.name, &verb, &format!("{why}: {told}"))),
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
        let answer = answer.map_err(|why| NoVerdict::inconclusive(format!("no control: {why}")))?;
        if answer.touch() == Touch::Reached {
            self.env.memory.of::<GotThrough>().note(&probe.node, verb, probe.to_string());
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const METADATA: Verb =
        Verb::Tcp { to: std::net::IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)), port: 80 };
    const RESOLVER: Verb =
        Verb::Tcp { to: std::net::IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)), port: 53 };

    /// What is reached once is there, on that node and by that way: it is not absent when it is reached no more.
    #[rstest]
    #[case::never_reached("a", METADATA, false)]
    #[case::reached_before("n", METADATA, true)]
    #[case::reached_on_another_node("b", METADATA, false)]
    #[case::another_port_reached("n", RESOLVER, false)]
    fn nobody(#[case] node: &str, #[case] verb: Verb, #[case] lost: bool) {
        let got_through = GotThrough::default();
        got_through.note("n", &METADATA, "outside on n".into());
        match got_through.nobody(node, &verb, "unreachable") {
            NoVerdict::NotApplicable(why) => assert!(!lost && why == "unreachable", "{why}"),
            NoVerdict::Inconclusive(why) => assert!(lost && why.contains("outside on n got there earlier"), "{why}"),
        }
    }
}

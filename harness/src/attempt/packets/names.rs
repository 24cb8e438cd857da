//! Names that must still resolve: what a block must not cut.
//!
//! Here the forbidden thing is the cut. [`Guard::Intact`] is the word for its absence, and the control shows that a cut would have been
//! noticed: the same question to an address where no name server is stays without an answer.
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::sleep;

use crate::cx::Cx;
use crate::probe::Probe;
use crate::probe::batch::{Answer, Verb};
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// A name, and what counts as an answer.
#[derive(Clone, Copy, Debug)]
pub enum Name {
    /// One below the cluster's own domain, which must have an address.
    InCluster(&'static str),
    /// One outside: an address, or the word of whoever is asked there that it has none. The path is what matters.
    Outside(&'static str),
}

impl Name {
    fn resolved(self, answer: &Answer) -> bool {
        let rcode = answer.more.get("rcode").and_then(|rcode| rcode.as_str());
        let addresses = answer.more.get("addresses").and_then(|addresses| addresses.as_array());
        let answered = answer.result == "answered";
        match self {
            Self::InCluster(_) => {
                answered && rcode == Some("NOERROR") && addresses.is_some_and(|list| !list.is_empty())
            }
            Self::Outside(_) => answered && matches!(rcode, Some("NOERROR" | "NXDOMAIN")),
        }
    }

    /// Asked for in the family that `probe` has an address of: a cluster of IPv6 alone has no others.
    fn verb(self, domain: &str, probe: &Probe) -> Verb {
        let name = match self {
            Self::InCluster(name) => format!("{name}.{domain}"),
            Self::Outside(name) => name.to_owned(),
        };
        Verb::Dns { name, ipv6: probe.address.is_ipv6(), server: None }
    }
}

impl Cx {
    /// Asks the pod's own resolver for each of `names` from `probe`, once policies have had their time to cover it.
    ///
    /// # Errors
    /// Inconclusive where an exec broke, where the pod does not say what the cluster's domain is, or where nowhere answers, too.
    pub async fn names_resolve(&self, probe: &Arc<Probe>, names: &[Name]) -> Attempted {
        let domain = domain(probe).await?;
        let mut verbs: Vec<Verb> = names.iter().map(|name| name.verb(&domain, probe)).collect();
        // An agent sends back what it gets there, which is no answer to a question.
        let port = self.env.probes.echoing();
        let nowhere = names.iter().map(|name| match name.verb(&domain, probe) {
            Verb::Dns { name, ipv6, .. } => {
                Verb::Dns { name, ipv6, server: Some(SocketAddr::new(probe.address, port)) }
            }
            verb => verb,
        });
        verbs.extend(nowhere);
        // Before that, what is cut may still be open.
        sleep(self.env.suite.thresholds.enforcement().saturating_sub(probe.running_since.elapsed())).await;
        let answers = probe.line.ask(verbs.clone()).await.map_err(NoVerdict::Inconclusive)?;
        let (asked, nowhere) = answers.split_at(names.len().min(answers.len()));
        let told = |verb: &Verb, answer: &Answer| format!("{verb} from {probe}: {}", told(answer));
        let cut = names.iter().zip(&verbs).zip(asked).filter(|((name, _), answer)| !name.resolved(answer));
        let cut: Vec<_> = cut.map(|((name, verb), answer)| (*name, told(verb, answer))).collect();
        if !cut.is_empty() {
            let list = cut.iter().map(|(_, told)| told.as_str()).collect::<Vec<_>>().join("; ");
            // Some clusters have no way out by design.
            let outside: Vec<Name> =
                cut.iter().map(|(name, _)| *name).filter(|name| matches!(name, Name::Outside(_))).collect();
            if outside.len() == cut.len()
                && let Some(heard) = self.nobody_resolves(&outside, &domain).await?
            {
                return Err(NoVerdict::not_applicable(format!(
                    "nobody here resolves names outside, not even a probe that no policy selects: {list}; {heard}"
                )));
            }
            return Ok(Verdict::allowed(format!("cut: {list}")));
        }
        let all = |answers: &[Answer], skipped: usize| {
            let each = verbs.iter().skip(skipped).zip(answers).map(|(verb, answer)| told(verb, answer));
            each.collect::<Vec<_>>().join("; ")
        };
        let unheard = all(nowhere, names.len());
        if names.iter().zip(nowhere).any(|(name, answer)| name.resolved(answer)) {
            return Err(NoVerdict::inconclusive(format!(
                "no control: names resolve where no name server is: {unheard}"
            )));
        }
        let control = Control::proved(format!("where no name server is, there is no answer: {unheard}"));
        let slowest_ms = asked.iter().map(|answer| answer.ms).max().unwrap_or_default();
        Ok(Verdict::denied(Guard::Intact, all(asked, 0), control, slowest_ms).of_attempts(names.len()))
    }
}

impl Cx {
    /// What a probe hears that no policy of the cluster's users selects, where none of `names` is resolved for it either.
    async fn nobody_resolves(&self, names: &[Name], domain: &str) -> Result<Option<String>, NoVerdict> {
        let witness = self.outside_probe(self.node()?).await?;
        let verbs: Vec<Verb> = names.iter().map(|name| name.verb(domain, &witness)).collect();
        let answers = witness.line.ask(verbs.clone()).await.map_err(NoVerdict::Inconclusive)?;
        if names.iter().zip(&answers).any(|(name, answer)| name.resolved(answer)) {
            return Ok(None);
        }
        let heard = verbs.iter().zip(&answers).map(|(verb, answer)| format!("{verb} from {witness}: {}", told(answer)));
        Ok(Some(heard.collect::<Vec<_>>().join("; ")))
    }
}

fn told(answer: &Answer) -> String {
    match answer.more.get("rcode").and_then(|rcode| rcode.as_str()) {
        Some(rcode) => format!("{rcode}, {answer}"),
        None => answer.to_string(),
    }
}

/// The cluster's domain: what the pod's search list has behind `svc.`.
async fn domain(probe: &Probe) -> Result<String, NoVerdict> {
    let read = probe.line.ask(vec![Verb::Read { path: "/etc/resolv.conf" }]).await.map_err(NoVerdict::Inconclusive)?;
    let text = read.first().and_then(|answer| answer.more.get("text")).and_then(|text| text.as_str());
    text.and_then(searched).ok_or_else(|| {
        NoVerdict::inconclusive(format!("{probe} has no cluster domain in the search list of its /etc/resolv.conf"))
    })
}

fn searched(resolv_conf: &str) -> Option<String> {
    let lists = resolv_conf.lines().filter_map(|line| line.trim().strip_prefix("search "));
    lists.flat_map(str::split_whitespace).find_map(|domain| domain.strip_prefix("svc.").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::address(r#"{"result":"answered","rcode":"NOERROR","addresses":["10.0.0.1"]}"#, true, true)]
    #[case::no_address(r#"{"result":"answered","rcode":"NOERROR","addresses":[]}"#, false, true)]
    #[case::no_such_name(r#"{"result":"answered","rcode":"NXDOMAIN","addresses":[]}"#, false, true)]
    #[case::upstream_cut(r#"{"result":"answered","rcode":"SERVFAIL","addresses":[]}"#, false, false)]
    #[case::silence(r#"{"result":"timeout"}"#, false, false)]
    fn what_counts_as_an_answer(#[case] answer: &str, #[case] in_cluster: bool, #[case] outside: bool) {
        let answer: Answer = serde_json::from_str(answer).unwrap();
        let found = (Name::InCluster("a").resolved(&answer), Name::Outside("a").resolved(&answer));
        assert_eq!(found, (in_cluster, outside));
    }

    #[rstest]
    #[case("search a.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.0.0.1\n", Some("cluster.local"))]
    #[case("nameserver 10.0.0.1\n", None)]
    fn the_domain_is_in_the_search_list(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(searched(text).as_deref(), expected);
    }
}

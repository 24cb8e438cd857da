//! In whose name objects are asked for. Exemptions go by who asks, so that what is refused to one says nothing about another: where it is not
//! known who deploys, the operator asks in his place, and that is told and proves nothing.
use crate::cluster::persona::Persona;
use crate::cx::Cx;
use crate::record::outcome::Outcome;
use crate::verdict::{Attempted, NoVerdict};

/// Who asks, and for whom.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    /// Who asks.
    pub(crate) persona: Persona,
    /// Why this is somebody else than the one in question.
    stands_in: Option<String>,
}

impl Cx {
    /// The service account that deploys in `namespace`, or the operator in its place.
    ///
    /// # Errors
    /// Inconclusive where its identity cannot be had.
    pub(crate) async fn deployer(&self, namespace: &str) -> Result<Author, NoVerdict> {
        let operator = || self.env.personas.operator.clone();
        Ok(match self.who_deploys(namespace).await? {
            Ok(persona) => Author { persona, stands_in: None },
            Err(why) => Author { persona: operator(), stands_in: Some(why) },
        })
    }

    /// The service account that deploys in `namespace`; or why it is not known, and what to do.
    ///
    /// # Errors
    /// Inconclusive where its identity cannot be had.
    pub(crate) async fn who_deploys(&self, namespace: &str) -> Result<Result<Persona, String>, NoVerdict> {
        let Some(account) = self.env.deployers.of(namespace) else {
            return Ok(Err(format!(
                "who deploys in {namespace} is not known: `deployer` in conformance.toml names nobody for it"
            )));
        };
        let home = account.namespace.as_deref().unwrap_or(namespace);
        let persona = self.env.personas.service_account(home, &account.name).await?;
        Ok(persona.ok_or_else(|| {
            format!(
                "who deploys in {namespace} is not known, for {home} has no service account {}: name the one there is in conformance.toml, as `deployer = \"NAME\"`",
                account.name
            )
        }))
    }
}

impl Author {
    /// Somebody in his own name.
    pub(crate) fn himself(persona: Persona) -> Self {
        Self { persona, stands_in: None }
    }

    /// What `attempted` is worth for the one in question.
    ///
    /// # Errors
    /// Inconclusive where another one has asked.
    pub(crate) fn speaks(&self, attempted: Attempted) -> Attempted {
        match &self.stands_in {
            Some(why) => stood_in(why, &self.persona.name, attempted),
            None => attempted,
        }
    }
}

fn stood_in(why: &str, who: &str, attempted: Attempted) -> Attempted {
    let told = match &attempted?.outcome {
        Outcome::Denied { guard, evidence, .. } => format!("{who} is refused by {guard}: {evidence}"),
        Outcome::Allowed { evidence } => evidence.clone(),
        _ => String::new(),
    };
    Err(NoVerdict::inconclusive(format!("{why}; {told}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Control, Verdict};
    use crate::words::Guard;
    use rstest::rstest;

    #[rstest]
    #[case::refused(
        Ok(Verdict::denied(Guard::PodSecurity, "no hostPID".into(), Control::proved("admitted"), 1)),
        "nobody is known; the operator is refused by pod-security: no hostPID"
    )]
    #[case::allowed(Ok(Verdict::allowed("the operator may have it")), "nobody is known; the operator may have it")]
    #[case::neither(Err(NoVerdict::inconclusive("it broke")), "it broke")]
    fn who_asks_in_anothers_place_proves_nothing(#[case] attempted: Attempted, #[case] expected: &str) {
        assert_eq!(stood_in("nobody is known", "the operator", attempted), Err(NoVerdict::inconclusive(expected)));
    }
}

//! Asking the API server for things that an identity must not get.
use futures::StreamExt;
use futures::stream;

use crate::attempt::api::ask::Ask;
use crate::attempt::api::rules;
use crate::cluster::api::{self, Reply};
use crate::cluster::discovery::Discovery;
use crate::cluster::persona::Persona;
use crate::cx::Cx;
use crate::denial::{Denial, Reason};
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// Requests of one identity that are under way at once: far below what API priority and fairness queues.
const AT_ONCE: usize = 8;

/// Namespaces in which an identity's rules are listed at the most: it is asked for from each of them in as many others.
const LISTS: usize = 64;

impl Cx {
    /// Attempts `asks` as the account that deploys in [`Cx::namespace`].
    ///
    /// # Errors
    /// Inconclusive where that identity cannot be had, or is not known.
    pub async fn access_as_deployer(&self, asks: Vec<Ask>) -> Result<Access<'_>, NoVerdict> {
        let namespace = self.namespace()?;
        let persona = self.who_deploys(namespace).await?.map_err(NoVerdict::Inconclusive)?;
        Ok(Access { persona, discovery: &self.env.discovery, asks, listed_in: Vec::new() })
    }

    /// Attempts `asks` as the service account `account` of [`Cx::namespace`].
    ///
    /// # Errors
    /// Not applicable where there is no such account; inconclusive where that identity cannot be had.
    pub async fn access_as(&self, account: &str, asks: Vec<Ask>) -> Result<Access<'_>, NoVerdict> {
        let namespace = self.namespace()?;
        let persona = self.env.personas.service_account(namespace, account).await?;
        let persona = persona
            .ok_or_else(|| NoVerdict::not_applicable(format!("{namespace} has no service account {account}")))?;
        Ok(Access { persona, discovery: &self.env.discovery, asks, listed_in: Vec::new() })
    }

    /// [`Cx::namespace`] first, then the others in scope: as many as a list of rules is asked for.
    fn namespaces_to_list(&self) -> Result<Vec<String>, NoVerdict> {
        let (own, all) = (self.namespace()?, &self.env.facts.namespaces);
        let place = all.iter().position(|name| name == own).unwrap_or_default();
        let others = all.iter().cycle().skip(place).take(all.len()).filter(|name| *name != own);
        Ok([own.to_owned()].into_iter().chain(others.cloned()).take(LISTS).collect())
    }
}

/// Asks that an identity must not be granted.
#[must_use = "name the expected guards with `refused_by`"]
pub struct Access<'a> {
    pub(crate) persona: Persona,
    pub(crate) discovery: &'a Discovery,
    pub(crate) asks: Vec<Ask>,
    /// Where nothing else may be granted either.
    listed_in: Vec<String>,
}

impl<'a> Access<'a> {
    /// Nothing else either that the API server lists for it, in its own namespace and in the others in scope.
    ///
    /// # Errors
    /// Inconclusive in a scope without namespaces: a bug of the scenario.
    pub fn and_nothing_else(self, cx: &Cx) -> Result<Self, NoVerdict> {
        Ok(Self { listed_in: cx.namespaces_to_list()?, ..self })
    }

    /// The guards whose refusal counts.
    pub fn refused_by(self, guards: &'static [Guard]) -> Guarded<'a> {
        Guarded { access: self, guards }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_served_and_known`"]
pub struct Guarded<'a> {
    access: Access<'a>,
    guards: &'static [Guard],
}

/// What the authorizer did with one ask.
enum Authorized {
    Yes(String),
    No(Guard, String),
    Unclear(String),
}

impl Guarded<'_> {
    /// The control, in three parts: the credential is accepted, as that identity; every verb and resource that is asked for is served by
    /// this API server; and each refusal names this identity, this verb and this resource. What could have let it through is then a
    /// grant and nothing else, and nobody has to hold these rights to show it. An ask to impersonate is controlled by the same request in
    /// the identity's own name.
    ///
    /// # Errors
    /// Inconclusive where the credential is not accepted, where something that is asked for is not served, or where an answer is neither a
    /// grant nor a refusal of exactly this by an expected guard.
    pub async fn while_served_and_known(self) -> Attempted {
        let Access { persona, discovery, asks, listed_in } = self.access;
        let asks = served(discovery, asks).await?;
        let myself = persona.name.clone();
        let (mut allowed, mut unclear, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut slowest_ms = 0;
        let tried: Vec<_> = asks.iter().map(|ask| tried(&persona, discovery, &myself, ask)).collect();
        let mut answers = stream::iter(tried).buffered(AT_ONCE);
        while let Some((ask, theirs, control)) = answers.next().await {
            let (theirs, after_ms) = theirs?;
            match (theirs, control) {
                (Authorized::Yes(how), _) => allowed.push(format!("{ask}: {how}")),
                (Authorized::Unclear(why), _) => unclear.push(format!("{ask}: {why}")),
                (Authorized::No(guard, message), _) if !self.guards.contains(&guard) => {
                    unclear.push(format!("{ask}: refused by {guard}: {message}"));
                }
                (Authorized::No(..), Err(why)) => unclear.push(format!("{ask}: no control: {why}")),
                (Authorized::No(guard, message), Ok(())) => {
                    slowest_ms = slowest_ms.max(after_ms);
                    refused.push((guard, message));
                }
            }
        }
        let listed = rules::listed(&persona, &listed_in).await;
        if !allowed.is_empty() || !listed.granted.is_empty() {
            let of_asks = format!(
                "{myself} may {} of {} that are asked for, and {} besides",
                allowed.len(),
                asks.len(),
                listed.granted.len()
            );
            return Ok(Verdict::allowed(format!("{of_asks}: {}", [allowed, listed.granted].concat().join("; "))));
        }
        if !unclear.is_empty() {
            return Err(NoVerdict::inconclusive(unclear.join("; ")));
        }
        let Some((guard, message)) = refused.first().cloned() else {
            return Err(NoVerdict::inconclusive("nothing was asked"));
        };
        let evidence = format!(
            "{} of {} asks refused; the first: {message}{}",
            refused.len(),
            asks.len(),
            nothing_else(&listed_in, listed.lacking)
        );
        let control = Control::proved(format!(
            "the token is accepted as {myself}, each refusal of a right names it with the verb and resource that it asked for, and the API server serves all of them"
        ));
        Ok(Verdict::denied(guard, evidence, control, slowest_ms).of_attempts(asks.len()))
    }
}

/// What lists of rules add to what was asked.
fn nothing_else(listed_in: &[String], lacking: Option<String>) -> String {
    match (lacking, listed_in.len()) {
        (_, 0) => String::new(),
        (Some(why), _) => format!("; {why}"),
        (None, 1) => "; no other right is listed for it there".to_owned(),
        (None, some) => format!("; no other right is listed for it there or in {} others", some - 1),
    }
}

/// Those of `asks` that there is something for, each in a version in which it is served; the others need not be served.
async fn served(discovery: &Discovery, asks: Vec<Ask>) -> Result<Vec<Ask>, NoVerdict> {
    let mut served = Vec::new();
    for ask in asks {
        let Some(versions) = ask.versions else {
            served.push(ask);
            continue;
        };
        for version in versions {
            let ask = ask.clone().in_version(version);
            if discovery.serves(&ask.resource.group_version(), ask.resource.name, ask.verb).await? {
                served.push(ask);
                break;
            }
        }
    }
    Ok(served)
}

type Answered = Result<(Authorized, u64), NoVerdict>;

/// The ask, and at the same moment what shows that it could have worked.
async fn tried<'a>(
    persona: &Persona,
    discovery: &Discovery,
    myself: &str,
    ask: &'a Ask,
) -> (&'a Ask, Answered, Result<(), NoVerdict>) {
    let (answered, control) = tokio::join!(authorized(persona, myself, ask), meaningful(persona, discovery, ask));
    (ask, answered, control)
}

async fn meaningful(persona: &Persona, discovery: &Discovery, ask: &Ask) -> Result<(), NoVerdict> {
    if ask.impersonates() {
        return match api::send(persona, ask.in_own_name()?).await.0 {
            Reply::Accepted { .. } => Ok(()),
            Reply::Refused(status) => {
                Err(NoVerdict::inconclusive(format!("refused in its own name too: {}", status.message)))
            }
            Reply::Broken(why) => Err(NoVerdict::inconclusive(why)),
        };
    }
    let (group_version, resource) = (ask.resource.group_version(), ask.resource.name);
    match discovery.serves(&group_version, resource, ask.verb).await? {
        true => Ok(()),
        false => {
            Err(NoVerdict::inconclusive(format!("the API server does not serve {resource} of {group_version} so")))
        }
    }
}

async fn authorized(persona: &Persona, myself: &str, ask: &Ask) -> Answered {
    let (reply, after_ms) = api::send(persona, ask.request()?).await;
    let authorized = match reply {
        Reply::Accepted { .. } => Authorized::Yes("done".into()),
        Reply::Broken(why) => Authorized::Unclear(why),
        Reply::Refused(status) => match (Denial::of_status(&status), status.code) {
            (Some(Denial { guard, reason }), _) if is_refused_first(&reason, myself, ask) => {
                Authorized::No(guard, status.message.clone())
            }
            (Some(Denial { guard, reason: reason @ (Reason::Rbac { .. } | Reason::Authentication) }), _) => {
                match is_of(&reason, myself, ask) {
                    true => Authorized::No(guard, status.message.clone()),
                    false => Authorized::Unclear(format!("refused, but not this: {}", status.message)),
                }
            }
            // Authorization comes before admission, validation and look-up: whoever hears from those was let through. So was who hears
            // that this role is more than may be granted: lesser ones may be.
            (Some(denial), _) => Authorized::Yes(format!("authorized, then refused: {}", denial.reason)),
            (None, 422) if ask.invalid_for.is_some_and(|words| status.message.contains(words)) => {
                Authorized::No(Guard::Validation, status.message.clone())
            }
            (None, 400 | 404 | 405 | 409 | 415 | 422) => Authorized::Yes(format!("authorized, then {}", status.code)),
            (None, code) => {
                Authorized::Unclear(format!("answer {code} is no refusal that is known: {}", status.message))
            }
        },
    };
    Ok((authorized, after_ms))
}

/// Whether this is the refusal of an ask to impersonate by an API server that first looks for a right to do this one thing in another's name:
/// where no way of impersonating is granted, not that of old either, it names the first (KEP-5284, since 1.36; apiserver,
/// endpoints/filters/impersonation/constrained_impersonation.go, `getImpersonatedUser`, and mode.go).
fn is_refused_first(reason: &Reason, myself: &str, ask: &Ask) -> bool {
    let (user, verb) = match reason {
        Reason::RbacPath { user, verb, path } if path == Ask::IN_OWN_NAME => {
            (user, verb.strip_prefix("impersonate-on:"))
        }
        Reason::Rbac { user, verb, group, .. } if group == "authentication.k8s.io" => {
            (user, verb.strip_prefix("impersonate:"))
        }
        _ => return false,
    };
    ask.impersonates() && user == myself && verb.is_some()
}

/// Whether this is a refusal of exactly this ask to exactly this identity.
fn is_of(reason: &Reason, myself: &str, ask: &Ask) -> bool {
    let Reason::Rbac { user, verb, resource, group, namespace, .. } = reason else { return true };
    // A namespace is in itself, as authorizers see it.
    let place = ask.namespace.as_ref().or_else(|| ask.name.as_ref().filter(|_| ask.resource.name == "namespaces"));
    user == myself
        && verb == ask.verb
        && resource == ask.resource.name
        && group == ask.resource.group
        && namespace.as_ref() == place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::api::ask::Resource;
    use rstest::rstest;

    fn refused_path(user: &str, verb: &str, path: &str) -> Reason {
        Reason::RbacPath { user: user.into(), verb: verb.into(), path: path.into() }
    }

    fn refused_user(verb: &str) -> Reason {
        let group = "authentication.k8s.io".into();
        Reason::Rbac {
            user: "me".into(),
            verb: verb.into(),
            resource: "users".into(),
            group,
            namespace: None,
            name: None,
        }
    }

    #[rstest]
    #[case::of_this_one_thing(refused_path("me", "impersonate-on:user-info:get", "/api"), true)]
    #[case::as_an_account(refused_path("me", "impersonate-on:serviceaccount:get", "/api"), true)]
    #[case::of_the_user(refused_user("impersonate:user-info"), true)]
    #[case::somebody_else(refused_path("you", "impersonate-on:user-info:get", "/api"), false)]
    // He whose name was taken may not: it was to be had.
    #[case::as_him(refused_path("oke-conformance-nobody", "get", "/api"), false)]
    #[case::another_path(refused_path("me", "impersonate-on:user-info:get", "/apis"), false)]
    fn where_impersonation_is_constrained_the_first_way_that_is_not_granted_is_told(
        #[case] reason: Reason,
        #[case] expected: bool,
    ) {
        assert_eq!(is_refused_first(&reason, "me", &Ask::impersonate("oke-conformance-nobody")), expected);
        assert!(!is_refused_first(&reason, "me", &Ask::list(Resource::core("pods"))));
    }

    #[rstest]
    #[case::this("system:serviceaccount:a:default", "list", "pods", Some("a"), true)]
    #[case::somebody_else("alice", "list", "pods", Some("a"), false)]
    #[case::another_verb("system:serviceaccount:a:default", "watch", "pods", Some("a"), false)]
    #[case::another_resource("system:serviceaccount:a:default", "list", "secrets", Some("a"), false)]
    #[case::another_place("system:serviceaccount:a:default", "list", "pods", None, false)]
    fn a_refusal_is_of_this_ask_alone(
        #[case] user: &str,
        #[case] verb: &str,
        #[case] resource: &str,
        #[case] namespace: Option<&str>,
        #[case] expected: bool,
    ) {
        let reason = Reason::Rbac {
            user: user.into(),
            verb: verb.into(),
            resource: resource.into(),
            group: String::new(),
            namespace: namespace.map(str::to_owned),
            name: None,
        };
        let ask = Ask::list(Resource::core("pods")).in_namespace("a");
        assert_eq!(is_of(&reason, "system:serviceaccount:a:default", &ask), expected);
    }
}

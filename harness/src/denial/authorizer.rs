//! What an authorizer refuses. All authorizers speak through the same sentence, so that RBAC, the node authorizer and a webhook
//! authorizer look alike: each of them had to decline for it to be written.
use super::Reason;
use super::go_text::{name, quoted, quoted_list};
use super::status::Forbidden;

/// The refusal, where the sentence is an authorizer's.
pub fn refusal(forbidden: &Forbidden) -> Option<Reason> {
    cannot(forbidden).or_else(|| escalation(forbidden.reason))
}

/// apiserver, endpoints/handlers/responsewriters/errors.go
fn cannot(forbidden: &Forbidden) -> Option<Reason> {
    let (user, rest) = quoted(forbidden.reason.strip_prefix("User ")?)?;
    let (verb, rest) = name(rest.strip_prefix(" cannot ")?)?;
    if let Some(path) = rest.strip_prefix(" path ") {
        let (path, rest) = quoted(path)?;
        return ends(rest).then(|| Reason::RbacPath { user, verb: verb.into(), path });
    }
    let (resource, rest) = quoted(rest.strip_prefix(" resource ")?)?;
    let (group, rest) = quoted(rest.strip_prefix(" in API group ")?)?;
    let (namespace, rest) = match rest.strip_prefix(" at the cluster scope") {
        Some(rest) => (None, rest),
        None => {
            let (namespace, rest) = quoted(rest.strip_prefix(" in the namespace ")?)?;
            (Some(namespace), rest)
        }
    };
    let name = forbidden.name.clone();
    ends(rest).then(|| Reason::Rbac { user, verb: verb.into(), resource, group, namespace, name })
}

/// The sentence ends, or goes on with what the authorizers have to add.
fn ends(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(": ")
}

/// kubernetes, registry/rbac/validation/rule.go
fn escalation(reason: &str) -> Option<Reason> {
    let (user, rest) = quoted(reason.strip_prefix("user ")?)?;
    let (_groups, rest) = quoted_list(rest.strip_prefix(" (groups=")?)?;
    let lacking = rest.strip_prefix(") is attempting to grant RBAC permissions not currently held:")?;
    let lacking = lacking.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Some(Reason::RbacEscalation { user, lacking })
}

//! What an identity has been granted, by the API server's own list (SelfSubjectRulesReview): asks name what matters most, and a grant may be of
//! anything else, of one object by its name, or in a neighbour's namespace. What is listed is a hint; that it holds, the identity's own access
//! review says, which every authorizer is asked for.
use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::authorization::v1::{
    NonResourceRule, ResourceAttributes, ResourceRule, SelfSubjectAccessReview, SelfSubjectRulesReview,
    SubjectRulesReviewStatus,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cluster::api::{Reply, post, send};
use crate::cluster::persona::Persona;
use crate::verdict::NoVerdict;

/// Reviews of one identity that are under way at once.
const AT_ONCE: usize = 8;

/// What everybody who is somebody may do (Kubernetes: `system:basic-user`, `system:cluster-trust-bundle-discovery`): API group and resource.
const EVERYBODYS: [(&str, &str); 4] = [
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("certificates.k8s.io", "clustertrustbundles"),
];

/// Paths that are no object's and that everybody may read (Kubernetes: `system:discovery`, `system:public-info-viewer`,
/// `system:service-account-issuer-discovery`).
const EVERYBODYS_PATHS: [&str; 12] = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/readyz",
    "/openapi",
    "/openapi/*",
    "/version",
    "/.well-known/openid-configuration",
    "/openid/v1/jwks",
];

/// What the lists say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// What is granted beyond what everybody may, and where.
    pub(super) granted: Vec<String>,
    /// Why a list is not there, or not whole.
    pub(super) lacking: Option<String>,
}

/// Looks through what `persona` may do in each of `namespaces`.
pub(super) async fn listed(persona: &Persona, namespaces: &[String]) -> Listed {
    let looked = namespaces.iter().map(|namespace| in_one(persona, namespace));
    let mut looked = stream::iter(looked.collect::<Vec<_>>()).buffered(AT_ONCE);
    let mut all = Listed::default();
    while let Some(one) = looked.next().await {
        // What is no object's is listed in each of them.
        let new: Vec<String> = one.granted.into_iter().filter(|granted| !all.granted.contains(granted)).collect();
        all.granted.extend(new);
        all.lacking = all.lacking.or(one.lacking);
    }
    all
}

async fn in_one(persona: &Persona, namespace: &str) -> Listed {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": { "namespace": namespace },
    });
    let asked = ask::<SelfSubjectRulesReview>(persona, "selfsubjectrulesreviews", &review).await;
    let status = match asked.map(|review| review.status) {
        Ok(Some(status)) => status,
        Ok(None) => return Listed { lacking: Some("the list of its rules has no status".into()), ..Listed::default() },
        Err(why) => return Listed { lacking: Some(why), ..Listed::default() },
    };
    let lacking = status.incomplete.then(|| lacking(&status));
    let mut granted = Vec::new();
    for attributes in status.resource_rules.iter().filter_map(|rule| beyond(rule, namespace)) {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": { "resourceAttributes": attributes },
        });
        // An authorizer that comes before may refuse what another one lists.
        let review = ask::<SelfSubjectAccessReview>(persona, "selfsubjectaccessreviews", &review).await;
        if review.is_ok_and(|review| review.status.is_some_and(|status| status.allowed)) {
            granted.push(told(&attributes));
        }
    }
    for (verb, path) in status.non_resource_rules.iter().filter_map(beyond_paths) {
        let attributes = json!({ "verb": verb, "path": path });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": { "nonResourceAttributes": attributes },
        });
        let review = ask::<SelfSubjectAccessReview>(persona, "selfsubjectaccessreviews", &review).await;
        if review.is_ok_and(|review| review.status.is_some_and(|status| status.allowed)) {
            granted.push(format!("{verb} {path}"));
        }
    }
    Listed { granted, lacking }
}

/// Whether `persona` may have that, by its own review.
///
/// # Errors
/// Where the API server does not say.
async fn may(persona: &Persona, verb: &str, resource: &str, namespace: &str) -> Result<bool, String> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": { "verb": verb, "resource": resource, "namespace": namespace } },
    });
    let review = ask::<SelfSubjectAccessReview>(persona, "selfsubjectaccessreviews", &review).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

/// Whether `persona` may change objects of that kind, by whichever verb.
///
/// # Errors
/// As [`may`].
pub(super) async fn may_change(persona: &Persona, resource: &str, namespace: &str) -> Result<bool, NoVerdict> {
    let (patch, update) =
        tokio::try_join!(may(persona, "patch", resource, namespace), may(persona, "update", resource, namespace))
            .map_err(NoVerdict::Inconclusive)?;
    Ok(patch || update)
}

fn lacking(status: &SubjectRulesReviewStatus) -> String {
    let why = status.evaluation_error.as_deref().unwrap_or("an authorizer does not list what it grants");
    format!("the list of its rules is incomplete: {why}")
}

async fn ask<T: DeserializeOwned>(persona: &Persona, plural: &str, review: &Value) -> Result<T, String> {
    let request = post(&format!("/apis/authorization.k8s.io/v1/{plural}"), review);
    let request = request.map_err(|_| "its rules cannot be asked for".to_owned())?;
    match send(persona, request).await.0 {
        Reply::Accepted { body, .. } => {
            serde_json::from_str(&body).map_err(|error| format!("the list of its rules cannot be read: {error}"))
        }
        Reply::Refused(status) => Err(format!("its rules cannot be listed: {}", status.message)),
        Reply::Broken(why) => Err(format!("its rules cannot be listed: {why}")),
    }
}

/// One path that `rule` grants beyond what everybody may read, and how.
fn beyond_paths(rule: &NonResourceRule) -> Option<(&str, &str)> {
    let path = rule.non_resource_urls.iter().flatten().find(|path| !is_everybodys(path))?;
    Some((rule.verbs.first()?, path))
}

fn is_everybodys(path: &str) -> bool {
    EVERYBODYS_PATHS.contains(&path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path))
}

/// One thing that `rule` grants in `namespace` beyond what everybody may; none where it grants nothing of the kind.
fn beyond(rule: &ResourceRule, namespace: &str) -> Option<ResourceAttributes> {
    let verb = rule.verbs.first()?;
    let groups = rule.api_groups.as_deref().unwrap_or_default();
    let resources = rule.resources.as_deref().unwrap_or_default();
    let mut both = groups.iter().flat_map(|group| resources.iter().map(move |resource| (group, resource)));
    let (group, resource) =
        both.find(|(group, resource)| !EVERYBODYS.contains(&(group.as_str(), resource.as_str())))?;
    let (resource, subresource) = match resource.split_once('/') {
        Some((whole, part)) => (whole, Some(part.to_owned())),
        None => (resource.as_str(), None),
    };
    Some(ResourceAttributes {
        verb: Some(verb.clone()),
        group: Some(group.clone()),
        resource: Some(resource.to_owned()),
        subresource,
        name: rule.resource_names.as_ref().and_then(|names| names.first()).cloned(),
        namespace: Some(namespace.to_owned()),
        ..ResourceAttributes::default()
    })
}

fn told(attributes: &ResourceAttributes) -> String {
    let of = |field: &Option<String>| field.clone().unwrap_or_default();
    let part = attributes.subresource.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
    let group = attributes.group.as_ref().filter(|group| !group.is_empty());
    let group = group.map(|group| format!(".{group}")).unwrap_or_default();
    let name = attributes.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let (verb, resource) = (of(&attributes.verb), of(&attributes.resource));
    format!(
        "{verb} {resource}{part}{group}{name} in {}: listed among its rules, and its own review says yes",
        of(&attributes.namespace)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::basic_user(json!({ "verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"] }), None)]
    #[case::trust_bundles(json!({ "verbs": ["get", "list"], "apiGroups": ["certificates.k8s.io"], "resources": ["clustertrustbundles"] }), None)]
    #[case::by_name(
        json!({ "verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["database"] }),
        Some("get secrets database in a: listed among its rules, and its own review says yes")
    )]
    #[case::a_part(
        json!({ "verbs": ["create"], "apiGroups": [""], "resources": ["pods/exec"] }),
        Some("create pods/exec in a: listed among its rules, and its own review says yes")
    )]
    #[case::beside_everybodys(
        json!({ "verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "localsubjectaccessreviews"] }),
        Some("create localsubjectaccessreviews.authorization.k8s.io in a: listed among its rules, and its own review says yes")
    )]
    #[case::everything(
        json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }),
        Some("* *.* in a: listed among its rules, and its own review says yes")
    )]
    #[case::nothing(json!({ "verbs": ["get"] }), None)]
    fn what_is_more_than_everybody_may(#[case] rule: Value, #[case] expected: Option<&str>) {
        let rule: ResourceRule = serde_json::from_value(rule).unwrap();
        assert_eq!(beyond(&rule, "a").map(|attributes| told(&attributes)).as_deref(), expected);
    }

    #[rstest]
    #[case::everybodys(json!({ "verbs": ["get"], "nonResourceURLs": ["/healthz", "/version/", "/api/*", "/openid/v1/jwks/"] }), None)]
    #[case::beside_everybodys(json!({ "verbs": ["get"], "nonResourceURLs": ["/healthz", "/metrics"] }), Some(("get", "/metrics")))]
    #[case::all(json!({ "verbs": ["*"], "nonResourceURLs": ["*"] }), Some(("*", "*")))]
    fn which_paths_are_more_than_everybodys(#[case] rule: Value, #[case] expected: Option<(&str, &str)>) {
        let rule: NonResourceRule = serde_json::from_value(rule).unwrap();
        assert_eq!(beyond_paths(&rule), expected);
    }
}

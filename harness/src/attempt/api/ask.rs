//! One thing asked of the API server: the verb and resource that an authorizer decides about, and the request that asks for it.
//!
//! Reads are real, writes are dry runs: what an authorizer lets through changes nothing.
use std::fmt;

use http::Request;
use serde_json::Value;

use crate::verdict::NoVerdict;

/// A kind of object, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core.
    pub group: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Plural, with the subresource where there is one: `pods`, `pods/exec`.
    pub name: &'static str,
}

impl Resource {
    /// One of the core group, version `v1`.
    pub const fn core(name: &'static str) -> Self {
        Self { group: "", version: "v1", name }
    }

    /// One of any other group.
    pub const fn of(group: &'static str, version: &'static str, name: &'static str) -> Self {
        Self { group, version, name }
    }

    /// `v1`, `apps/v1`.
    pub fn group_version(&self) -> String {
        if self.group.is_empty() { self.version.into() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// One ask. Made with a verb and completed with where and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub(crate) verb: &'static str,
    pub(crate) resource: Resource,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    /// What the API server says of the body where it holds it for invalid, whoever sends it.
    pub(crate) invalid_for: Option<&'static str>,
    /// Versions in which the kind may be served, or not at all; nothing where it must be, in its own.
    pub(crate) versions: Option<&'static [&'static str]>,
    query: &'static str,
    body: Value,
}

/// The user that an ask to impersonate names; the resource is one that only authorizers know.
const USERS: Resource = Resource::core("users");

impl Ask {
    /// What is asked for in somebody's name: discovery.
    pub(crate) const IN_OWN_NAME: &str = "/api";

    /// One object of the list is as good as all.
    pub fn list(resource: Resource) -> Self {
        Self::new("list", resource, "limit=1")
    }

    /// A read of one object; `query` where the subresource asks for one.
    pub fn get(resource: Resource, query: &'static str) -> Self {
        Self::new("get", resource, query)
    }

    /// All objects, and what becomes of them for a second.
    pub fn watch(resource: Resource) -> Self {
        Self::new("watch", resource, "watch=true&timeoutSeconds=1")
    }

    /// A replacement, as a dry run.
    pub fn update(resource: Resource, body: Value) -> Self {
        Self { body, ..Self::new("update", resource, "dryRun=All") }
    }

    /// A connection through an object, which is made by a creation: `query` says what for.
    pub fn connect(resource: Resource, query: &'static str) -> Self {
        Self::new("create", resource, query)
    }

    /// A creation, as a dry run.
    pub fn create(resource: Resource, body: Value) -> Self {
        Self { body, ..Self::new("create", resource, "dryRun=All") }
    }

    /// A deletion, as a dry run.
    pub fn delete(resource: Resource) -> Self {
        Self::new("delete", resource, "dryRun=All")
    }

    /// A merge patch, as a dry run.
    pub fn patch(resource: Resource, body: Value) -> Self {
        Self { body, ..Self::new("patch", resource, "dryRun=All") }
    }

    /// Discovery in the name of `user`, which every authenticated identity may have in its own.
    pub fn impersonate(user: &str) -> Self {
        Self { name: Some(user.into()), ..Self::new("impersonate", USERS, "") }
    }

    /// ... in `namespace`; in all of them, or in none, where this is left away.
    pub fn in_namespace(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.into()), ..self }
    }

    /// ... of the object of that name.
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// ... which the API server may hold for invalid, with these words. Without this, whoever is told so was let through.
    pub fn invalid_for(self, words: &'static str) -> Self {
        Self { invalid_for: Some(words), ..self }
    }

    /// ... in the first of these versions that the API server has, and not at all where it has none of them: nobody has what is not served.
    pub fn in_any_of(self, versions: &'static [&'static str]) -> Self {
        Self { versions: Some(versions), ..self }
    }

    /// ... in that version.
    pub(crate) fn in_version(self, version: &'static str) -> Self {
        Self { resource: Resource { version, ..self.resource }, ..self }
    }

    const fn new(verb: &'static str, resource: Resource, query: &'static str) -> Self {
        Self {
            verb,
            resource,
            namespace: None,
            name: None,
            invalid_for: None,
            versions: None,
            query,
            body: Value::Null,
        }
    }

    pub(crate) fn impersonates(&self) -> bool {
        self.verb == "impersonate"
    }

    /// The same request with the forbidden part taken away, where that is a part of the request: discovery in one's own name.
    pub(crate) fn in_own_name(&self) -> Result<Request<Vec<u8>>, NoVerdict> {
        built(Request::get(Self::IN_OWN_NAME).body(Vec::new()))
    }

    pub(crate) fn request(&self) -> Result<Request<Vec<u8>>, NoVerdict> {
        if self.impersonates() {
            return built(
                Request::get(Self::IN_OWN_NAME)
                    .header("Impersonate-User", self.name.as_deref().unwrap_or_default())
                    .body(Vec::new()),
            );
        }
        let method = match self.verb {
            "create" => "POST",
            "delete" => "DELETE",
            "patch" => "PATCH",
            "update" => "PUT",
            _ => "GET",
        };
        let mut request = Request::builder().method(method).uri(self.path());
        let mut body = Vec::new();
        if !self.body.is_null() {
            let kind = if self.verb == "patch" { "application/merge-patch+json" } else { "application/json" };
            request = request.header("Content-Type", kind);
            body = self.body.to_string().into_bytes();
        }
        built(request.body(body))
    }

    fn path(&self) -> String {
        let Resource { group, version, name } = self.resource;
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let namespace = self.namespace.iter().map(|namespace| format!("/namespaces/{namespace}")).collect::<String>();
        let (plural, part) = name.split_once('/').map_or((name, None), |(plural, part)| (plural, Some(part)));
        let object = self.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        let part = part.map(|part| format!("/{part}")).unwrap_or_default();
        format!("{root}{namespace}/{plural}{object}{part}?{}", self.query)
    }
}

fn built(request: http::Result<Request<Vec<u8>>>) -> Result<Request<Vec<u8>>, NoVerdict> {
    request.map_err(|error| NoVerdict::inconclusive(format!("cannot build the request: {error}")))
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource.name)?;
        if let Some(name) = self.name.as_ref().filter(|_| self.impersonates()) {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(_) => Ok(()),
            None if ["list", "watch", "create"].contains(&self.verb) => f.write_str(" cluster-wide"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const PODS: Resource = Resource::core("pods");

    #[rstest]
    #[case(Ask::list(PODS), "GET /api/v1/pods?limit=1", "list pods cluster-wide")]
    #[case(Ask::list(PODS).in_namespace("a"), "GET /api/v1/namespaces/a/pods?limit=1", "list pods")]
    #[case(
        Ask::get(Resource::core("pods/log"), "tailLines=1").in_namespace("a").named("b"),
        "GET /api/v1/namespaces/a/pods/b/log?tailLines=1",
        "get pods/log"
    )]
    #[case(
        Ask::create(Resource::of("apps", "v1", "deployments"), json!({})).in_namespace("a"),
        "POST /apis/apps/v1/namespaces/a/deployments?dryRun=All",
        "create deployments"
    )]
    #[case(Ask::delete(Resource::core("nodes")).named("b"), "DELETE /api/v1/nodes/b?dryRun=All", "delete nodes")]
    #[case(Ask::patch(Resource::core("namespaces"), json!({})).named("b"), "PATCH /api/v1/namespaces/b?dryRun=All", "patch namespaces")]
    #[case(
        Ask::watch(PODS).in_namespace("a"),
        "GET /api/v1/namespaces/a/pods?watch=true&timeoutSeconds=1",
        "watch pods"
    )]
    #[case(
        Ask::update(Resource::core("namespaces"), json!({})).named("b"),
        "PUT /api/v1/namespaces/b?dryRun=All",
        "update namespaces"
    )]
    #[case(
        Ask::connect(Resource::core("pods/exec"), "command=true").in_namespace("a").named("b"),
        "POST /api/v1/namespaces/a/pods/b/exec?command=true",
        "create pods/exec"
    )]
    #[case(
        Ask::delete(Resource::of("apps", "v1", "deployments")).in_any_of(&["v1", "v1beta1"]).in_version("v1beta1").in_namespace("a").named("b"),
        "DELETE /apis/apps/v1beta1/namespaces/a/deployments/b?dryRun=All",
        "delete deployments"
    )]
    #[case(Ask::impersonate("b"), "GET /api", "impersonate users b")]
    fn an_ask_is_the_request_that_asks_for_it(#[case] ask: Ask, #[case] request: &str, #[case] shown: &str) {
        let built = ask.request().unwrap();
        assert_eq!(
            (format!("{} {}", built.method(), built.uri()).as_str(), ask.to_string().as_str()),
            (request, shown)
        );
    }
}

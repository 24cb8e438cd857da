//! What an identity that was granted nothing must not get: verb and resource, with the request that asks for it.
//!
//! Reads are real; writes are dry runs that aim at a name that no object has, so that even a cluster that grants everything is not changed
//! by being asked.
use harness::attempt::api::ask::{Ask, Resource};
use serde_json::json;

/// A name that no object has.
const NOBODY: &str = "oke-conformance-nobody";

const DEPLOYMENTS: Resource = Resource::of("apps", "v1", "deployments");
const NETWORK_POLICIES: Resource = Resource::of("networking.k8s.io", "v1", "networkpolicies");
const ROLE_BINDINGS: Resource = rbac("rolebindings");
const CLUSTER_ROLE_BINDINGS: Resource = rbac("clusterrolebindings");

const fn rbac(name: &'static str) -> Resource {
    Resource::of("rbac.authorization.k8s.io", "v1", name)
}

/// Requests besides: the last ask in the identity's own name, who it is, and its token.
pub const CONTROLS: usize = 3;

/// Everything that matters, in `namespace` and cluster-wide.
pub fn asks(namespace: &str) -> Vec<Ask> {
    let mut asks = reads(namespace);
    asks.extend(writes(namespace));
    asks.extend(escalations(namespace));
    asks
}

fn reads(namespace: &str) -> Vec<Ask> {
    let core = ["pods", "secrets", "configmaps", "serviceaccounts", "services", "events", "resourcequotas"];
    let here = core.map(Resource::core).into_iter().chain([DEPLOYMENTS, ROLE_BINDINGS]);
    let wide = ["secrets", "pods", "nodes", "namespaces", "persistentvolumes"];
    let wide = wide.map(Resource::core).into_iter().chain([CLUSTER_ROLE_BINDINGS]);
    // Three rights that give the same values, and none of them implies another.
    let secrets = Resource::core("secrets");
    let otherwise = [Ask::get(secrets, "").named(NOBODY), Ask::watch(secrets)];
    let otherwise = otherwise.map(|ask| ask.in_namespace(namespace)).into_iter().chain([Ask::watch(secrets)]);
    here.map(|resource| Ask::list(resource).in_namespace(namespace))
        .chain(wide.map(Ask::list))
        .chain(otherwise)
        .collect()
}

fn writes(namespace: &str) -> Vec<Ask> {
    let metadata = json!({ "name": NOBODY });
    let container = json!([{ "name": "a", "image": "a" }]);
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": { "containers": container } });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
            "selector": { "matchLabels": { "a": "a" } },
            "template": { "metadata": { "labels": { "a": "a" } }, "spec": { "containers": container } },
        },
    });
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": { "podSelector": {} },
    });
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
    let created = [
        (Resource::core("pods"), pod),
        (Resource::core("configmaps"), config),
        (NETWORK_POLICIES, policy),
        (DEPLOYMENTS, deployment),
    ];
    let deleted =
        [Resource::core("pods"), Resource::core("secrets"), NETWORK_POLICIES, Resource::core("resourcequotas")];
    let label = json!({ "metadata": { "labels": { "oke-conformance": "x" } } });
    let created = created.into_iter().map(|(resource, body)| Ask::create(resource, body).in_namespace(namespace));
    let deleted = deleted.into_iter().map(|resource| Ask::delete(resource).in_namespace(namespace).named(NOBODY));
    let wide = [
        Ask::delete(Resource::core("nodes")).named(NOBODY),
        // Its labels decide which Pod Security Standard is kept there.
        Ask::patch(Resource::core("namespaces"), label).named(namespace),
        Ask::update(
            Resource::core("namespaces"),
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
        )
        .named(namespace),
    ];
    created.chain(deleted).chain(wide).collect()
}

fn escalations(namespace: &str) -> Vec<Ask> {
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" });
    let binding = |kind: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": NOBODY }, "roleRef": role,
            "subjects": [{ "kind": "ServiceAccount", "name": "default", "namespace": namespace }],
        })
    };
    let token = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": 600 },
    });
    vec![
        Ask::create(ROLE_BINDINGS, binding("RoleBinding")).in_namespace(namespace),
        Ask::create(CLUSTER_ROLE_BINDINGS, binding("ClusterRoleBinding")),
        Ask::create(Resource::core("serviceaccounts/token"), token).in_namespace(namespace).named(NOBODY),
        Ask::get(Resource::core("pods/exec"), "command=true&stdout=true").in_namespace(namespace).named(NOBODY),
        // `get` and `create` of these are two rights, and clients use the one or the other.
        Ask::connect(Resource::core("pods/exec"), "command=true&stdout=true").in_namespace(namespace).named(NOBODY),
        Ask::connect(Resource::core("pods/attach"), "stdout=true").in_namespace(namespace).named(NOBODY),
        Ask::connect(Resource::core("pods/portforward"), "ports=1").in_namespace(namespace).named(NOBODY),
        Ask::patch(Resource::core("pods/ephemeralcontainers"), json!({ "spec": {} }))
            .in_namespace(namespace)
            .named(NOBODY),
        Ask::get(Resource::core("pods/log"), "").in_namespace(namespace).named(NOBODY),
        // The way to a kubelet, past the API server's admission.
        Ask::get(Resource::core("nodes/proxy"), "").named(NOBODY),
        Ask::impersonate(NOBODY),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("list secrets")]
    #[case("create pods")]
    #[case("get pods/exec")]
    #[case("impersonate users oke-conformance-nobody")]
    #[case("create clusterrolebindings cluster-wide")]
    #[case("get secrets")]
    #[case("watch secrets")]
    #[case("watch secrets cluster-wide")]
    #[case("create pods/exec")]
    fn what_must_never_drop_out(#[case] what: &str) {
        assert!(asks("a").iter().any(|ask| ask.to_string() == what));
    }

    #[test]
    fn nothing_is_asked_twice() {
        let all: Vec<String> = asks("a").iter().map(ToString::to_string).collect();
        let once: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(once.len(), all.len());
    }
}

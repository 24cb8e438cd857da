//! What an identity that was granted nothing must not get: verb and resource, with the request that asks for it.
//!
//! Reads are real; writes are dry runs or aim at a name that does not exist, so that even a cluster that grants everything is not
//! changed by being asked.
use harness::attempt::access::Ask;
use serde_json::json;

/// A name that no object has.
const NOBODY: &str = "oke-conformance-nobody";

/// Everything that matters, in `namespace` and cluster-wide.
pub fn asks(namespace: &str) -> Vec<Ask> {
    let mut asks = reads(namespace);
    asks.extend(writes(namespace));
    asks.extend(escalations(namespace));
    asks
}

fn reads(namespace: &str) -> Vec<Ask> {
    let core = ["pods", "secrets", "configmaps", "serviceaccounts", "services", "events", "resourcequotas"];
    let in_namespace =
        core.map(|resource| Ask::get(format!("list {resource}"), format!("/api/v1/namespaces/{namespace}/{resource}")));
    let apps = Ask::get("list deployments", format!("/apis/apps/v1/namespaces/{namespace}/deployments"));
    let roles = Ask::get(
        "list rolebindings",
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"),
    );
    let wide = ["secrets", "pods", "nodes", "namespaces", "persistentvolumes"];
    let cluster_wide =
        wide.map(|resource| Ask::get(format!("list {resource} cluster-wide"), format!("/api/v1/{resource}?limit=1")));
    let bindings =
        Ask::get("list clusterrolebindings", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?limit=1");
    in_namespace.into_iter().chain([apps, roles]).chain(cluster_wide).chain([bindings]).collect()
}

fn writes(namespace: &str) -> Vec<Ask> {
    let core = format!("/api/v1/namespaces/{namespace}");
    let networking = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
    vec![
        Ask::create(
            "create pods",
            format!("{core}/pods"),
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": NOBODY }, "spec": { "containers": [{ "name": "a", "image": "a" }] },
            }),
        ),
        Ask::create(
            "create configmaps",
            format!("{core}/configmaps"),
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": NOBODY } }),
        ),
        Ask::create(
            "create networkpolicies",
            networking.clone(),
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": NOBODY }, "spec": { "podSelector": {} },
            }),
        ),
        Ask::create(
            "create deployments",
            format!("/apis/apps/v1/namespaces/{namespace}/deployments"),
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": NOBODY }, "spec": {
                    "selector": { "matchLabels": { "a": "a" } },
                    "template": { "metadata": { "labels": { "a": "a" } }, "spec": { "containers": [{ "name": "a", "image": "a" }] } },
                },
            }),
        ),
        Ask::delete("delete pods", format!("{core}/pods/{NOBODY}")),
        Ask::delete("delete secrets", format!("{core}/secrets/{NOBODY}")),
        Ask::delete("delete networkpolicies", format!("{networking}/{NOBODY}")),
        Ask::delete("delete resourcequotas", format!("{core}/resourcequotas/{NOBODY}")),
        Ask::delete("delete nodes", format!("/api/v1/nodes/{NOBODY}")),
        Ask::patch(
            "patch namespaces",
            format!("/api/v1/namespaces/{namespace}"),
            json!({ "metadata": { "labels": { "oke-conformance": "x" } } }),
        ),
    ]
}

fn escalations(namespace: &str) -> Vec<Ask> {
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" });
    let binding = |kind: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": NOBODY }, "roleRef": role,
            "subjects": [{ "kind": "ServiceAccount", "name": "default", "namespace": namespace }],
        })
    };
    let core = format!("/api/v1/namespaces/{namespace}");
    vec![
        Ask::create(
            "bind cluster-admin here",
            format!("{rbac}/namespaces/{namespace}/rolebindings"),
            binding("RoleBinding"),
        ),
        Ask::create(
            "bind cluster-admin everywhere",
            format!("{rbac}/clusterrolebindings"),
            binding("ClusterRoleBinding"),
        ),
        Ask::create(
            "mint a token of another account",
            format!("{core}/serviceaccounts/{NOBODY}/token"),
            json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": 600 },
            }),
        ),
        Ask::get("exec into a pod", format!("{core}/pods/{NOBODY}/exec?command=true&stdout=true")),
        Ask::get("read a pod's log", format!("{core}/pods/{NOBODY}/log")),
        Ask::get("reach a kubelet through its node's proxy", format!("/api/v1/nodes/{NOBODY}/proxy/pods")),
        // Discovery is open to every authenticated user: whoever may impersonate this one gets it.
        Ask::get("impersonate a user", "/api").impersonating(NOBODY),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn nothing_that_is_asked_could_change_the_cluster() {
        for ask in asks("a") {
            let harmless = ask.method == "GET" || ask.path.contains("dryRun=All");
            assert!(harmless, "{} is not a dry run", ask.what);
        }
    }

    #[rstest]
    #[case("list secrets")]
    #[case("create pods")]
    #[case("exec into a pod")]
    #[case("impersonate a user")]
    fn what_must_never_drop_out(#[case] what: &str) {
        assert!(asks("a").iter().any(|ask| ask.what == what));
    }
}

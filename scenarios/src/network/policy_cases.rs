//! The cases that a NetworkPolicy plug-in is held to: every kind of peer with every kind of port in both directions, then what the kinds
//! alone do not show. Namespaces x, y and z are labelled `ns`, their pods a, b and c `pod`; each pod listens on TCP 8080 (`web`), 8081
//! (`alt`) and 8090 (`far`), and on UDP 8080 (`echo`).
use harness::network_policy::case::{Case, Change};
use serde_json::{Value, json};

/// All of them.
pub fn all() -> Vec<Case> {
    [kinds(), names(), defaults(), sums(), selectors(), changes(), labels()].concat()
}

/// One namespace that nothing enters and nothing leaves.
pub fn walls() -> Vec<Case> {
    vec![case("nothing in, nothing out", vec![walled(), vec![Change::Delete { namespace: "x", name: "deny" }]])]
}

fn walled() -> Vec<Change> {
    vec![apply("x", "deny", json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] }))]
}

/// Who is granted something.
fn peers() -> Vec<(&'static str, Value)> {
    let (b, y) = (json!({ "matchLabels": { "pod": "b" } }), json!({ "matchLabels": { "ns": "y" } }));
    vec![
        ("anybody", json!([])),
        ("pods by label", json!([{ "podSelector": b }])),
        ("every pod of its namespace", json!([{ "podSelector": {} }])),
        ("a namespace by label", json!([{ "namespaceSelector": y }])),
        ("every namespace", json!([{ "namespaceSelector": {} }])),
        ("pods by label in a namespace by label", json!([{ "namespaceSelector": y, "podSelector": b }])),
        ("pods by label, or a namespace by label", json!([{ "namespaceSelector": y }, { "podSelector": b }])),
        ("an address", json!([{ "ipBlock": { "cidr": "@ya" } }])),
        ("a block with exceptions", json!([{ "ipBlock": { "cidr": "0.0.0.0/0", "except": ["@yb", "@xb"] } }])),
        (
            "pods by expression",
            json!([{ "namespaceSelector": {}, "podSelector": { "matchExpressions": [
            { "key": "pod", "operator": "NotIn", "values": ["a"] },
        ] } }]),
        ),
    ]
}

/// On which ports.
fn ports() -> Vec<(&'static str, Value)> {
    vec![
        ("every port", json!([])),
        ("a port", json!([{ "port": 8080 }])),
        ("a named port", json!([{ "port": "alt" }])),
        ("a range of ports", json!([{ "port": 8080, "endPort": 8081 }])),
        ("udp", json!([{ "protocol": "UDP" }])),
    ]
}

/// Each kind of grant, for one pod.
fn kinds() -> Vec<Case> {
    let mut cases = Vec::new();
    for (way, rules, peer, whom) in [("Ingress", "ingress", "from", "from"), ("Egress", "egress", "to", "to")] {
        for (who, peers) in peers() {
            for (what, ports) in ports() {
                // A port's name is its pod's to give; what it would mean at an address the specification leaves open.
                if way == "Egress" && what == "a named port" && peers[0].get("ipBlock").is_some() {
                    continue;
                }
                let mut rule = json!({});
                // An absent list and an empty one mean the same; absent is what people write.
                for (key, list) in [(peer, &peers), ("ports", &ports)] {
                    if list.as_array().is_some_and(|list| !list.is_empty()) {
                        rule[key] = list.clone();
                    }
                }
                let spec = json!({
                    "podSelector": { "matchLabels": { "pod": "a" } }, "policyTypes": [way], rules: [rule],
                });
                cases.push(case(&format!("{rules} {whom} {who} on {what}"), vec![vec![apply("x", "grant", spec)]]));
            }
        }
    }
    cases
}

/// Names of ports that mean nothing: a rule whose only port is one grants nothing, and not every port. Whether one that only a native sidecar
/// has means its port is the engine's to say; it means no other.
fn names() -> Vec<Case> {
    let ports = [
        ("a port name that nobody has", json!([{ "port": "nobody" }])),
        ("a udp port's name for tcp", json!([{ "port": "echo" }])),
        ("a tcp port's name for udp", json!([{ "port": "web", "protocol": "UDP" }])),
        ("a port name of a sidecar", json!([{ "port": "beside" }])),
        ("a port name that nobody has and a port", json!([{ "port": "nobody" }, { "port": 8090 }])),
    ];
    let whom = [("anybody", None), ("every namespace", Some(json!([{ "namespaceSelector": {} }])))];
    let mut cases = Vec::new();
    for (way, rules, peer) in [("Ingress", "ingress", "from"), ("Egress", "egress", "to")] {
        for (what, ports) in &ports {
            for (who, peers) in &whom {
                let mut rule = json!({ "ports": ports });
                if let Some(peers) = peers {
                    rule[peer] = peers.clone();
                }
                let spec =
                    json!({ "podSelector": { "matchLabels": { "pod": "a" } }, "policyTypes": [way], rules: [rule] });
                cases.push(case(&format!("{rules} {peer} {who} on {what}"), vec![vec![apply("x", "grant", spec)]]));
            }
        }
    }
    cases
}

/// What isolates, and what does not.
fn defaults() -> Vec<Case> {
    let one = |title: &str, spec: Value| case(title, vec![vec![apply("x", "default", spec)]]);
    let both = ["Ingress", "Egress"];
    vec![
        one("nothing in, by default types", json!({ "podSelector": {} })),
        one("nothing in", json!({ "podSelector": {}, "policyTypes": ["Ingress"] })),
        one("nothing out", json!({ "podSelector": {}, "policyTypes": ["Egress"] })),
        one("nothing in, nothing out", json!({ "podSelector": {}, "policyTypes": both })),
        one("nothing in, an empty list of rules", json!({ "podSelector": {}, "ingress": [] })),
        one("egress rules imply their type", json!({ "podSelector": {}, "egress": [{ "ports": [{ "port": 8090 }] }] })),
        one("everything in", json!({ "podSelector": {}, "ingress": [{}] })),
        one("everything out, nothing in", json!({ "podSelector": {}, "policyTypes": both, "egress": [{}] })),
        one(
            "a policy that selects nobody",
            json!({ "podSelector": { "matchLabels": { "pod": "none" } }, "policyTypes": both }),
        ),
        one(
            "a grant that nobody can satisfy",
            json!({
                "podSelector": {}, "ingress": [{ "from": [{ "podSelector": { "matchLabels": { "pod": "none" } } }] }],
            }),
        ),
    ]
}

/// Policies add up, and a path needs both ends.
fn sums() -> Vec<Case> {
    let deny = json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] });
    let b_in =
        json!({ "podSelector": {}, "ingress": [{ "from": [{ "podSelector": { "matchLabels": { "pod": "b" } } }] }] });
    let y_in = json!({ "podSelector": {}, "ingress": [{ "from": [{ "namespaceSelector": { "matchLabels": { "ns": "y" } } }] }] });
    let web_in = json!({ "podSelector": {}, "ingress": [{ "ports": [{ "port": "web" }] }] });
    let x_out = json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{
        "to": [{ "namespaceSelector": { "matchLabels": { "ns": "x" } } }], "ports": [{ "port": 8080 }, { "port": 8080, "protocol": "UDP" }],
    }] });
    let y_and_b = json!({ "podSelector": {}, "ingress": [
        { "from": [{ "namespaceSelector": { "matchLabels": { "ns": "y" } } }], "ports": [{ "port": 8080 }] },
        { "from": [{ "podSelector": { "matchLabels": { "pod": "b" } } }], "ports": [{ "port": "echo", "protocol": "UDP" }] },
    ] });
    let together = |title: &str, policies: Vec<Change>| case(title, vec![policies]);
    vec![
        together(
            "nothing in or out, in two namespaces",
            vec![apply("x", "deny", deny.clone()), apply("y", "deny", deny.clone())],
        ),
        together("two grants for the same pods", vec![apply("x", "b", b_in.clone()), apply("x", "y", y_in.clone())]),
        together(
            "a grant beside nothing at all",
            vec![apply("x", "deny", deny.clone()), apply("x", "y", y_in.clone())],
        ),
        together(
            "a grant by port beside a grant by peer",
            vec![apply("x", "web", web_in.clone()), apply("x", "b", b_in.clone())],
        ),
        together(
            "let out there, but not let in here",
            vec![apply("y", "out", x_out.clone()), apply("x", "deny", deny.clone())],
        ),
        together("let out there, and let in here", vec![apply("y", "out", x_out), apply("x", "y", y_in)]),
        together("two rules in one policy", vec![apply("x", "rules", y_and_b)]),
        together(
            "everything in all three namespaces",
            vec![apply("x", "deny", deny.clone()), apply("y", "deny", deny.clone()), apply("z", "deny", deny)],
        ),
    ]
}

/// How labels can be meant.
fn selectors() -> Vec<Case> {
    let expression = |title: &str, requirement: Value| {
        let spec = json!({ "podSelector": { "matchExpressions": [requirement] } });
        case(title, vec![vec![apply("x", "some", spec)]])
    };
    vec![
        expression("pods whose label is listed", json!({ "key": "pod", "operator": "In", "values": ["a", "b"] })),
        expression("pods whose label is not listed", json!({ "key": "pod", "operator": "NotIn", "values": ["a"] })),
        expression("pods that have a label", json!({ "key": "pod", "operator": "Exists" })),
        expression("pods that lack a label", json!({ "key": "tier", "operator": "DoesNotExist" })),
    ]
}

/// What is granted changes with the policies.
fn changes() -> Vec<Case> {
    let (deny, own) = (json!({ "podSelector": {} }), from(&json!({ "podSelector": {} })));
    vec![
        case(
            "a policy is made, changed and deleted",
            vec![
                vec![apply("x", "p", deny.clone())],
                vec![apply("x", "p", own.clone())],
                vec![apply("x", "p", json!({ "podSelector": {}, "policyTypes": ["Egress"] }))],
                vec![Change::Delete { namespace: "x", name: "p" }],
            ],
        ),
        case(
            "one of two policies goes",
            vec![vec![apply("x", "a", deny), apply("x", "b", own)], vec![Change::Delete { namespace: "x", name: "b" }]],
        ),
    ]
}

/// What is granted changes with the labels of pods and namespaces.
pub fn labels() -> Vec<Case> {
    let friends = from(&json!({ "namespaceSelector": {}, "podSelector": { "matchLabels": { "friend": "yes" } } }));
    let trusted = from(&json!({ "namespaceSelector": { "matchLabels": { "trusted": "yes" } } }));
    let guarded = json!({ "podSelector": { "matchLabels": { "guarded": "yes" } } });
    vec![
        case(
            "a pod becomes a friend, and is one no more",
            vec![
                vec![apply("x", "friends", friends.clone())],
                vec![label_pod("y", "a", "friend", Some("yes"))],
                vec![label_pod("y", "a", "friend", None)],
            ],
        ),
        case(
            "a pod's label gets another value",
            vec![
                vec![apply("x", "friends", friends), label_pod("y", "c", "friend", Some("yes"))],
                vec![label_pod("y", "c", "friend", Some("no"))],
            ],
        ),
        case(
            "a pod comes under a policy, and leaves it",
            vec![
                vec![apply("x", "guarded", guarded)],
                vec![label_pod("x", "b", "guarded", Some("yes"))],
                vec![label_pod("x", "b", "guarded", None)],
            ],
        ),
        case(
            "a namespace becomes trusted, and is trusted no more",
            vec![
                vec![apply("x", "trusted", trusted)],
                vec![label_namespace("y", "trusted", Some("yes"))],
                vec![label_namespace("y", "trusted", None)],
            ],
        ),
    ]
}

fn from(peer: &Value) -> Value {
    json!({ "podSelector": {}, "ingress": [{ "from": [peer] }] })
}

fn case(title: &str, stages: Vec<Vec<Change>>) -> Case {
    Case { title: title.into(), stages }
}

fn apply(namespace: &'static str, name: &'static str, spec: Value) -> Change {
    Change::Apply { namespace, name, spec }
}

fn label_pod(namespace: &'static str, pod: &'static str, key: &'static str, value: Option<&'static str>) -> Change {
    Change::LabelPod { namespace, pod, key, value }
}

fn label_namespace(namespace: &'static str, key: &'static str, value: Option<&'static str>) -> Change {
    Change::LabelNamespace { namespace, key, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use k8s_openapi::api::networking::v1::NetworkPolicySpec;

    #[test]
    fn there_are_a_hundred_and_more_and_each_is_another() {
        let titles: Vec<String> = all().into_iter().map(|case| case.title).collect();
        assert!(titles.len() > 100, "{}", titles.len());
        assert_eq!(titles.iter().collect::<BTreeSet<_>>().len(), titles.len());
    }

    /// A misspelt field would be a policy that grants something else.
    #[test]
    fn every_field_of_a_policy_is_one_that_the_api_has() {
        for case in all() {
            for change in case.stages.concat() {
                let Change::Apply { spec, .. } = change else { continue };
                let read: NetworkPolicySpec = serde_json::from_value(spec.clone()).unwrap();
                let mut written = serde_json::to_value(read).unwrap();
                // The one field that is written although it is empty.
                if spec.get("ingress").is_some_and(|rules| rules == &json!([])) {
                    written["ingress"] = json!([]);
                }
                assert_eq!(written, spec, "{}", case.title);
            }
        }
    }
}

//! Exemptions that whoever writes an object can give himself: a label, an annotation, a name, a field of the pod that a policy leaves out; and
//! accounts that it leaves out. They stand in the policy that has just refused, as selectors and in expressions; what stands there is tried,
//! whatever it may mean.
use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

/// Of one policy: beyond so many, its text is no list of exemptions.
const AT_MOST: usize = 32;
/// Of one expression: the closest of its words.
const CLOSEST: usize = 12;
/// What labels that only have to be there are commonly set to.
const SET: &str = "true";
/// What has a name and is no container.
const OTHER_NAMES: [&str; 5] = ["metadata", "request", "resource", "requestResource", "namespaceObject"];
/// What follows `labels.` and is no key (CEL).
const FUNCTIONS: [&str; 9] = ["orValue", "all", "exists", "exists_one", "filter", "map", "size", "hasValue", "value"];

/// What an object may have besides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exemption {
    Label(String, String),
    Annotation(String, String),
    /// Its whole name.
    Called(String),
    /// The beginning of its name.
    Name(String),
    /// The name of its first container.
    Container(String),
    /// The name of its first container's image, or the beginning of it.
    Image(String),
    /// A field of the pod's `spec` that its author writes, for other ends.
    Field(&'static str, String),
}

/// Fields of a pod's `spec` by which exemptions go, though they are the author's to write: the account that the pod runs as, how it is run, how
/// and where it is placed.
const FIELDS: [&str; 7] = [
    RUNTIME_CLASS,
    "serviceAccountName",
    "priorityClassName",
    "schedulerName",
    "hostname",
    "subdomain",
    "restartPolicy",
];
/// Pod Security may be told to pass over some (`exemptions.runtimeClasses`).
pub(super) const RUNTIME_CLASS: &str = "runtimeClassName";
/// What service accounts are called as users.
const ACCOUNT: &str = "system:serviceaccount:";

impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(key, value) => write!(f, "with the label {key}={value}"),
            Self::Annotation(key, value) => write!(f, "with the annotation {key}={value}"),
            Self::Called(name) => write!(f, "with the name {name}"),
            Self::Name(name) => write!(f, "with a name that begins with {name}"),
            Self::Container(name) => write!(f, "with a container called {name}"),
            Self::Image(name) => write!(f, "with an image of {name}"),
            Self::Field(field, value) => write!(f, "with {field} {value}"),
        }
    }
}

impl Exemption {
    /// How attempts begin that stand in the first container.
    pub(super) const IN_CONTAINER: &str = "container:";

    /// `document`, an object, with it.
    pub(super) fn given_to(&self, mut document: Value) -> Value {
        match self {
            Self::Label(key, value) => document["metadata"]["labels"][key] = json!(value),
            Self::Annotation(key, value) => document["metadata"]["annotations"][key] = json!(value),
            Self::Called(name) => document["metadata"]["name"] = json!(name),
            Self::Name(beginning) => {
                let name = document["metadata"]["name"].as_str().unwrap_or_default();
                document["metadata"]["name"] = json!(format!("{beginning}{name}"));
            }
            Self::Container(name) => document["spec"]["containers"][0]["name"] = json!(name),
            Self::Image(name) => {
                let image = &mut document["spec"]["containers"][0]["image"];
                let (_, old) = referred(image.as_str().unwrap_or_default());
                let (name, own) = referred(name);
                // Named as the one in its place is: by digest, by tag, by nothing. A whole name stays whole, but where no digest was, none comes.
                let named = if own.is_empty() || own.starts_with('@') && !old.starts_with('@') { old } else { own };
                let folder = name.strip_suffix('/').map(|folder| format!("{folder}/oke-conformance"));
                *image = json!(format!("{}{named}", folder.as_deref().unwrap_or(name)));
            }
            Self::Field(field, value) => document["spec"][field] = json!(value),
        }
        document
    }
}

/// The service accounts of `namespace` that the text speaks of: what a policy leaves out for them, it leaves out for whoever has their tokens.
pub(super) fn accounts<'a>(policy: impl IntoIterator<Item = &'a Value>, namespace: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    policy.into_iter().for_each(|document| named_accounts(document, namespace, &mut found));
    found
}

fn named_accounts(value: &Value, namespace: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => found.extend(text.split(ACCOUNT).skip(1).filter_map(|rest| {
            let name = rest.strip_prefix(namespace)?.strip_prefix(':')?;
            let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).collect();
            is_name(&name).then_some(name)
        })),
        Value::Array(items) => items.iter().for_each(|item| named_accounts(item, namespace, found)),
        Value::Object(fields) => {
            // As RBAC and the engines write a subject.
            let field = |name: &str| fields.get(name).and_then(Value::as_str);
            if field("kind") == Some("ServiceAccount") && field("namespace") == Some(namespace) {
                found.extend(field("name").map(str::to_owned));
            }
            fields.values().for_each(|value| named_accounts(value, namespace, found));
        }
        _ => {}
    }
}

/// What the text of a policy, its bindings or its webhook may leave out.
pub(super) fn named_by<'a>(policy: impl IntoIterator<Item = &'a Value>) -> Vec<Exemption> {
    let mut found = Vec::new();
    for document in policy {
        walk(document, &mut found);
    }
    let mut once = BTreeSet::new();
    found.retain(|exemption| once.insert(exemption.clone()));
    found.truncate(AT_MOST);
    found
}

fn walk(value: &Value, found: &mut Vec<Exemption>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Object(fields) => {
            // A condition in Kyverno's words: what is looked at, and what it is held against.
            if let Some(key) = fields.get("key").and_then(Value::as_str).filter(|key| key.contains("{{")) {
                let against = fields.get("value").map(ToString::to_string).unwrap_or_default();
                found.extend(in_expression(&format!("{key} {against}")));
            }
            for (key, value) in fields {
                match key.as_str() {
                    // What is outside of the object, its author does not write; what is the policy's own says nothing.
                    "namespaceSelector" | "metadata" | "status" => {}
                    "matchLabels" => found.extend(pairs(value).map(|(key, value)| Exemption::Label(key, value))),
                    "matchExpressions" => found.extend(value.as_array().into_iter().flatten().filter_map(required)),
                    "images" | "exemptImages" => found.extend(value.as_array().into_iter().flatten().flat_map(images)),
                    "annotations" => found.extend(pairs(value).map(|(key, value)| Exemption::Annotation(key, value))),
                    "names" => found.extend(value.as_array().into_iter().flatten().filter_map(name)),
                    "resourceNames" => found.extend(value.as_array().into_iter().flatten().filter_map(name)),
                    "name" if fields.contains_key("kinds") => found.extend(name(value)),
                    "key" => {}
                    "expression" | "rego" => match value.as_str() {
                        Some(text) => found.extend(in_expression(text)),
                        None => walk(value, found),
                    },
                    _ => walk(value, found),
                }
            }
        }
        _ => {}
    }
}

fn pairs(map: &Value) -> impl Iterator<Item = (String, String)> {
    map.as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.replace('*', "x"))))
}

/// A requirement of a selector, met or failed: its key, with a value that it speaks of.
fn required(requirement: &Value) -> Option<Exemption> {
    let key = requirement["key"].as_str()?;
    let value = requirement["values"].get(0).and_then(Value::as_str).unwrap_or(SET);
    Some(Exemption::Label(key.to_owned(), value.to_owned()))
}

fn name(pattern: &Value) -> Option<Exemption> {
    let pattern = pattern.as_str()?;
    let beginning = pattern.split(['*', '?']).next().unwrap_or_default();
    let of = if beginning == pattern { Exemption::Called } else { Exemption::Name };
    is_name(beginning).then(|| of(beginning.to_owned()))
}

/// What an expression compares with: its keys with its values, those that stand closest to each other first.
fn in_expression(text: &str) -> Vec<Exemption> {
    // What may be missing is looked up by other signs, which mean the same here (CEL: optional types).
    let text = text.replace(".?", ".").replace("[?", "[");
    let (mut found, literals) = (Vec::new(), literals(&text));
    let values = |from: usize| {
        let all = literals.iter().filter(|(_, text)| is_value(text));
        all.map(move |(at, text)| (from.abs_diff(*at), text.as_str())).chain([(0, SET)])
    };
    for (word, of) in [
        ("labels", Exemption::Label as fn(String, String) -> Exemption),
        ("annotations", Exemption::Annotation as fn(String, String) -> Exemption),
    ] {
        let places: Vec<usize> = text.match_indices(word).map(|(at, _)| at).collect();
        let selected = places.iter().filter_map(|at| Some((*at, field(&text[at + word.len()..])?)));
        let keys = literals.iter().cloned().chain(selected).filter(|(_, key)| is_key(key));
        for (at, key) in keys {
            let Some(off) = places.iter().map(|place| place.abs_diff(at)).min() else { continue };
            let pairs = values(at).filter(|(_, value)| *value != key);
            found.extend(pairs.map(|(apart, value)| (off + apart, of(key.clone(), value.to_owned()))));
        }
    }
    let names = || literals.iter().filter(|(_, text)| is_name(text)).cloned();
    let near = |of: &str, at: usize| text.match_indices(of).map(|(place, _)| place.abs_diff(at)).min();
    for of in ["metadata.name", "request.name", "generateName"] {
        found.extend(names().filter_map(|(at, name)| Some((near(of, at)?, Exemption::Name(name)))));
        // Compared with the whole of it, where that can be one.
        let whole = names().filter(|(_, name)| name.ends_with(|c: char| c.is_ascii_alphanumeric()));
        found.extend(whole.filter_map(|(at, name)| Some((near(of, at)?, Exemption::Called(name)))));
    }
    if named_things(&text).any(|of| !OTHER_NAMES.contains(&of)) {
        found.extend(names().filter_map(|(at, name)| Some((near(".name", at)?, Exemption::Container(name)))));
    }
    for of in [".image", "imageReferences"] {
        let images = literals.iter().filter(|(_, text)| is_image(text));
        found.extend(images.filter_map(|(at, name)| Some((near(of, at.to_owned())?, Exemption::Image(name.clone())))));
    }
    for field in FIELDS {
        let values = literals.iter().filter(|(_, text)| is_value(text) && !FIELDS.contains(&text.as_str()));
        let values = values.filter_map(|(at, value)| Some((near(field, *at)?, Exemption::Field(field, value.clone()))));
        found.extend(values);
    }
    found.sort();
    let mut once = BTreeSet::new();
    found.retain(|(_, exemption)| once.insert(exemption.clone()));
    found.into_iter().map(|(_, exemption)| exemption).take(CLOSEST).collect()
}

/// Images by a pattern: everything that begins so.
fn images(pattern: &Value) -> Option<Exemption> {
    let beginning = pattern.as_str()?.split(['*', '?']).next().unwrap_or_default();
    is_image(beginning).then(|| Exemption::Image(beginning.to_owned()))
}

/// An image's name without its tag or digest, and those.
fn referred(image: &str) -> (&str, &str) {
    let last = image.rfind('/').map_or(0, |at| at + 1);
    image.split_at(image[last..].find(['@', ':']).map_or(image.len(), |at| last + at))
}

/// An image's name, or the beginning of it: a registry, or a path in one.
fn is_image(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._/:@".contains(c);
    (4..200).contains(&text.len())
        && text.chars().all(inner)
        && text.contains('/')
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.contains("//")
}

/// Of `c.name` and `metadata.name`: `c`, `metadata`.
fn named_things(text: &str) -> impl Iterator<Item = &str> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(".name").filter_map(move |(at, dot)| {
        (!text[at + dot.len()..].starts_with(inner)).then_some(())?;
        text[..at].rsplit(|c| !inner(c)).next().filter(|of| !of.is_empty())
    })
}

/// `.?skip.orValue("")` begins with `skip`.
fn field(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix('.')?.trim_start_matches('?');
    let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!word.is_empty() && !FUNCTIONS.contains(&word.as_str())).then_some(word)
}

/// Everything between quotes of any kind (CEL, JMESPath, Rego), with where it begins.
fn literals(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut open) = (Vec::new(), None::<(char, usize)>);
    for (at, c) in text.char_indices() {
        match open {
            None if "'\"`".contains(c) => open = Some((c, at + 1)),
            Some((quote, from)) if c == quote => {
                found.push((from, text[from..at].to_owned()));
                open = None;
            }
            _ => {}
        }
    }
    found
}

/// As labels and annotations have them (Kubernetes: "Labels and Selectors").
fn is_key(text: &str) -> bool {
    let (prefix, name) = text.rsplit_once('/').unwrap_or(("a", text));
    is_value(name) && !name.is_empty() && is_name(prefix)
}

fn is_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() < 64 && text.chars().all(inner) && ends(text.chars().next()) && ends(text.chars().next_back())
}

/// The beginning of an object's name.
fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    (1..64).contains(&text.len()) && text.chars().all(inner) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::selector(
        json!({ "spec": { "matchResources": { "objectSelector": { "matchExpressions": [{ "key": "policy.example.com/skip", "operator": "DoesNotExist" }] } } } }),
        &["with the label policy.example.com/skip=true"]
    )]
    #[case::one_value_left_out(
        json!({ "objectSelector": { "matchExpressions": [{ "key": "tier", "operator": "NotIn", "values": ["platform"] }] } }),
        &["with the label tier=platform"]
    )]
    #[case::namespaces_are_not_the_authors(
        json!({ "namespaceSelector": { "matchExpressions": [{ "key": "a", "operator": "NotIn", "values": ["b"] }] } }),
        &[]
    )]
    #[case::expression(
        json!({ "matchConditions": [{ "name": "x", "expression": "!('break-glass' in object.metadata.?annotations.orValue({}))" }] }),
        &["with the annotation break-glass=true"]
    )]
    #[case::compared(
        json!({ "expression": "object.metadata.labels['a.example/b'] == 'yes' || false" }),
        &["with the label a.example/b=true", "with the label a.example/b=yes", "with the label yes=true"]
    )]
    #[case::selected(
        json!({ "expression": "object.metadata.?labels.?skip.orValue(\"\") == \"on\"" }),
        &["with the label skip=true", "with the label on=true", "with the label skip=on"]
    )]
    #[case::name(
        json!({ "expression": "object.metadata.name.startsWith('debug-')" }),
        &["with a name that begins with debug-"]
    )]
    #[case::engine(
        json!({ "spec": { "rules": [{ "exclude": { "any": [{ "resources": { "names": ["tmp-*"], "selector": { "matchLabels": { "x/y": "z*" } } } }] } }] } }),
        &["with a name that begins with tmp-", "with the label x/y=zx"]
    )]
    #[case::condition_of_an_engine(
        json!({ "preconditions": { "all": [{ "key": "{{ request.object.metadata.labels.\"a.example/skip\" || '' }}", "operator": "NotEquals", "value": "on" }] } }),
        &["with the label a.example/skip=true", "with the label a.example/skip=on", "with the label on=true"]
    )]
    #[case::container(
        json!({ "expression": "object.spec.containers.filter(c, c.name != 'mesh').all(c, has(c.image))" }),
        &["with a container called mesh"]
    )]
    #[case::registry(
        json!({ "expression": "object.spec.containers.all(c, c.image.startsWith('registry.example/base/') || !has(c.securityContext))" }),
        &["with an image of registry.example/base/"]
    )]
    #[case::images_of_an_engine(
        json!({ "validate": { "podSecurity": { "exclude": [{ "controlName": "Privileged Containers", "images": ["ghcr.io/agent/*"] }] } } }),
        &["with an image of ghcr.io/agent/"]
    )]
    #[case::rego(
        json!({ "targets": [{ "rego": "violation[{}] { not input.review.object.metadata.annotations[\"break-glass\"] }" }] }),
        &["with the annotation break-glass=true"]
    )]
    #[case::whole_image(
        json!({ "images": ["registry.example/agent:v1"] }),
        &["with an image of registry.example/agent:v1"]
    )]
    #[case::left_out_by_name(
        json!({ "matchConstraints": { "excludeResourceRules": [{ "resources": ["pods"], "resourceNames": ["debug-shell"] }] } }),
        &["with the name debug-shell"]
    )]
    #[case::whole_name(
        json!({ "expression": "object.metadata.name != 'debug'" }),
        &["with the name debug", "with a name that begins with debug"]
    )]
    #[case::whole_name_in_an_engine(
        json!({ "exclude": { "any": [{ "resources": { "kinds": ["Pod"], "name": "debug" } }] } }),
        &["with the name debug"]
    )]
    #[case::digests_are_no_image(
        json!({ "expression": "object.spec.containers.all(c, c.image.matches('@sha256:[0-9a-f]{64}$'))" }),
        &[]
    )]
    #[case::field(
        json!({ "matchConditions": [{ "expression": "object.spec.?serviceAccountName.orValue('') != 'agent'" }] }),
        &["with serviceAccountName agent"]
    )]
    #[case::nothing_of_the_kind(
        json!({ "expression": "object.spec.containers.all(c, c.image.matches('@sha256:[0-9a-f]{64}$'))" }),
        &[]
    )]
    fn what_a_policy_leaves_out(#[case] policy: Value, #[case] expected: &[&str]) {
        let found: Vec<String> = named_by([&policy]).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case::compared(json!({ "expression": "request.userInfo.username != 'system:serviceaccount:a:ci'" }), &["ci"])]
    #[case::subject(json!({ "exclude": { "any": [{ "subjects": [{ "kind": "ServiceAccount", "name": "ci", "namespace": "a" }] }] } }), &["ci"])]
    #[case::elsewhere(json!({ "expression": "request.userInfo.username != 'system:serviceaccount:ab:ci'" }), &[])]
    #[case::all_of_them(json!({ "expression": "'system:serviceaccounts:a' in request.userInfo.groups" }), &[])]
    fn whom_a_policy_leaves_out(#[case] policy: Value, #[case] expected: &[&str]) {
        assert_eq!(Vec::from_iter(accounts([&policy], "a")), expected);
    }

    #[rstest]
    #[case(Exemption::Label("a".into(), "b".into()), json!({ "metadata": { "name": "n", "labels": { "a": "b" } } }))]
    #[case(Exemption::Annotation("a".into(), "b".into()), json!({ "metadata": { "name": "n", "annotations": { "a": "b" } } }))]
    #[case(Exemption::Called("a".into()), json!({ "metadata": { "name": "a" } }))]
    #[case(Exemption::Name("a-".into()), json!({ "metadata": { "name": "a-n" } }))]
    #[case(Exemption::Image("r.example/a/".into()), json!({ "metadata": { "name": "n" }, "spec": { "containers": [{ "image": "r.example/a/oke-conformance" }] } }))]
    #[case(Exemption::Container("a".into()), json!({ "metadata": { "name": "n" }, "spec": { "containers": [{ "name": "a" }] } }))]
    #[case(Exemption::Field(RUNTIME_CLASS, "a".into()), json!({ "metadata": { "name": "n" }, "spec": { "runtimeClassName": "a" } }))]
    fn an_object_has_nothing_else_besides(#[case] exemption: Exemption, #[case] expected: Value) {
        let mut plain = json!({ "metadata": { "name": "n" } });
        if expected["spec"].get("containers").is_some() {
            plain["spec"]["containers"] = json!([{}]);
        }
        assert_eq!(exemption.given_to(plain), expected);
    }

    #[rstest]
    #[case::folder("r.example/a/", "p@sha256:00", "r.example/a/oke-conformance@sha256:00")]
    #[case::beginning("r.example:5000/a", "p@sha256:00", "r.example:5000/a@sha256:00")]
    #[case::by_tag("r.example/a:v1", "p@sha256:00", "r.example/a:v1")]
    #[case::by_digest("r.example/a@sha256:11", "p@sha256:00", "r.example/a@sha256:11")]
    #[case::where_none_may_come("r.example/a@sha256:11", "p:latest", "r.example/a:latest")]
    #[case::nor_here("r.example/a@sha256:11", "p", "r.example/a")]
    fn an_image_is_named_as_the_exemption_or_the_pod_has_it(
        #[case] exempt: &str,
        #[case] old: &str,
        #[case] expected: &str,
    ) {
        let pod = |image: &str| json!({ "spec": { "containers": [{ "image": image }] } });
        assert_eq!(Exemption::Image(exempt.into()).given_to(pod(old)), pod(expected));
    }
}

//! What a sabotage lays hands on, and whether two of them get in each other's way: read from their files.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Sabotage;
use crate::range::change::Scripts;
use crate::range::template::{placeholders, render};

/// An object that a sabotage makes, alters or deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Touch {
    /// In small letters, without its group.
    kind: String,
    namespace: Option<String>,
    name: String,
    deleted: bool,
    /// The ports that it is about, where it says so.
    ports: Option<Vec<RangeInclusive<u64>>>,
}

impl Sabotage {
    /// Why these two cannot be judged together; `None` where they can.
    ///
    /// # Errors
    /// When the manifests of one cannot be read.
    pub fn apart_from(&self, other: &Self) -> Result<Option<String>> {
        if let Some(blind) = [self, other].into_iter().find(|sabotage| sabotage.blind.is_some()) {
            return Ok(Some(format!("{} takes the controls of others away", blind.name)));
        }
        if let Some(id) = self.decides().intersection(&other.decides()).find(|id| self.turns(id) || other.turns(id)) {
            return Ok(Some(format!("both decide {id}")));
        }
        if let Some(shared) = self.on_nodes().intersection(&other.on_nodes()).next() {
            return Ok(Some(format!("both work on {shared} of the nodes")));
        }
        let (ours, theirs) = (self.touches()?, other.touches()?);
        let pairs = ours.iter().flat_map(|our| theirs.iter().map(move |their| (our, their)));
        Ok(pairs.filter(|(our, their)| our.meets(their)).map(|(our, _)| our.told()).next())
    }

    fn turns(&self, id: &str) -> bool {
        self.flips.contains(id)
    }

    fn decides(&self) -> BTreeSet<&str> {
        self.flips.iter().chain(&self.masks).map(String::as_str).collect()
    }

    fn touches(&self) -> Result<Vec<Touch>> {
        let deleted = self.change.delete.iter().map(|deletion| {
            let (kind, name) = deletion.object.split_once('/').unwrap_or_default();
            Touch {
                kind: kind.split('.').next().unwrap_or_default().to_lowercase(),
                namespace: deletion.namespace.clone(),
                name: name.to_owned(),
                deleted: true,
                ports: None,
            }
        });
        let mut touches: Vec<Touch> = deleted.collect();
        if let Some(text) = &self.change.apply {
            let what = || format!("apply.yaml of sabotage `{}` cannot be read", self.name);
            touches.extend(objects(text).with_context(what)?.iter().map(made));
        }
        Ok(touches)
    }

    /// Files and units of the nodes that it gives back: what its undo names.
    fn on_nodes(&self) -> BTreeSet<&str> {
        let Some(Scripts { undo, .. }) = &self.change.scripts else { return BTreeSet::new() };
        let mut found = BTreeSet::new();
        for line in undo.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            found.extend(words.iter().map(|word| word.trim_start_matches('>')).filter(|word| word.starts_with('/')));
            // `systemctl VERB UNIT`
            let units = words.windows(3).filter(|words| words[0] == "systemctl").map(|words| words[2]);
            found.extend(units);
        }
        found
    }
}

impl Touch {
    /// One object, or two of a kind of which one can stand in for the other: what one sabotage makes may grant what another takes away or
    /// grants for itself.
    fn meets(&self, other: &Self) -> bool {
        if self.namespace != other.namespace {
            return false;
        }
        if self.name == other.name {
            return true;
        }
        self.kind == other.kind && !(self.deleted && other.deleted) && !self.is_about_others_ports(other)
    }

    fn is_about_others_ports(&self, other: &Self) -> bool {
        let (Some(ours), Some(theirs)) = (&self.ports, &other.ports) else { return false };
        let overlap = |a: &RangeInclusive<u64>, b: &RangeInclusive<u64>| a.start() <= b.end() && b.start() <= a.end();
        !ours.iter().any(|our| theirs.iter().any(|their| overlap(our, their)))
    }

    fn told(&self) -> String {
        let namespace = self.namespace.as_ref().map(|namespace| format!(" of {namespace}")).unwrap_or_default();
        format!("both are about {}{namespace}, as {} is", self.kind, self.name)
    }
}

fn objects(text: &str) -> Result<Vec<Value>> {
    let names: BTreeSet<&str> = placeholders(text).collect();
    let values: Vec<(&str, &str)> = names.into_iter().map(|name| (name, "placeholder")).collect();
    let text = render("apply.yaml", text, &values)?;
    Ok(serde_saphyr::from_multiple::<Value>(&text)?)
}

fn made(object: &Value) -> Touch {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Touch {
        kind: object["kind"].as_str().unwrap_or_default().to_lowercase(),
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]).unwrap_or_default(),
        deleted: false,
        ports: ports(&object["spec"]),
    }
}

/// Those of a NetworkPolicy each of whose rules names ports by number.
fn ports(spec: &Value) -> Option<Vec<RangeInclusive<u64>>> {
    let rules = ["ingress", "egress"].into_iter().filter_map(|way| spec[way].as_array()).flatten();
    let mut found = Vec::new();
    for rule in rules {
        for port in rule["ports"].as_array()? {
            let first = port["port"].as_u64()?;
            found.push(first..=port["endPort"].as_u64().unwrap_or(first));
        }
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range::manifests::{data_dir, read_all};
    use rstest::rstest;

    fn grant(name: &str, ports: &str) -> String {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{ name: {name}, namespace: a }}\n\
             spec: {{ podSelector: {{}}, egress: [{{ to: []{ports} }}] }}\n"
        )
    }

    fn touch(text: &str) -> Touch {
        made(&objects(text).unwrap()[0])
    }

    #[rstest]
    #[case::other_ports("ports: [{ port: 22 }]", "ports: [{ port: 2379 }]", false)]
    #[case::one_of_a_range("ports: [{ port: 30001 }]", "ports: [{ port: 30000, endPort: 32767 }]", true)]
    #[case::everything("ports: [{ port: 22 }]", "", true)]
    #[case::by_name("ports: [{ port: 22 }]", "ports: [{ port: dns }]", true)]
    fn a_grant_stands_in_for_another_of_the_same_ports(#[case] one: &str, #[case] other: &str, #[case] meet: bool) {
        let text =
            |name, ports: &str| grant(name, &if ports.is_empty() { String::new() } else { format!(", {ports}") });
        let (one, other) = (touch(&text("one", one)), touch(&text("other", other)));
        assert_eq!((one.meets(&other), other.meets(&one)), (meet, meet));
    }

    #[rstest]
    // What gives tenants a quota, a binding, a policy, and what takes one away.
    #[case::one_object("quota-deleted", "node-ports-in-quota", true)]
    #[case::stands_in("dns-grant-deleted", "egress-everywhere", true)]
    #[case::both_grant("ssh-granted", "egress-everywhere", true)]
    #[case::of_other_ports("ssh-granted", "tiller-installed", false)]
    #[case::two_deletions("digest-policy-unbound", "newborn-policy-unbound", false)]
    #[case::one_flip("names-dead", "dns-grant-deleted", true)]
    #[case::masked("network-plugin-blind", "dns-grant-deleted", true)]
    #[case::blind("kubelets-cut", "digest-policy-unbound", true)]
    #[case::one_unit("kubelet-anonymous", "kubelet-read-only-port", true)]
    #[case::one_file("runtime-privileged", "runtime-shares-ipc", true)]
    #[case::other_rules("overlay-open", "webhooks-cut", false)]
    fn who_gets_in_each_others_way(#[case] one: &str, #[case] other: &str, #[case] apart: bool) {
        let (one, other) = (Sabotage::named(one).unwrap(), Sabotage::named(other).unwrap());
        assert_eq!(one.apart_from(&other).unwrap().is_some(), apart, "{:?}", one.apart_from(&other));
        assert_eq!(other.apart_from(&one).unwrap().is_some(), apart);
    }

    #[test]
    fn whatever_is_deleted_is_there_under_that_kind() {
        let hardened = read_all(&data_dir().join("hardened")).unwrap();
        let hardened: Vec<Touch> =
            hardened.iter().flat_map(|(_, text)| objects(text).unwrap()).map(|object| made(&object)).collect();
        for sabotage in Sabotage::all().unwrap() {
            for gone in sabotage.touches().unwrap().into_iter().filter(|touch| touch.deleted) {
                let there = |touch: &&Touch| {
                    (&touch.kind, &touch.namespace, &touch.name) == (&gone.kind, &gone.namespace, &gone.name)
                };
                assert!(hardened.iter().any(|touch| there(&touch)), "{}: {gone:?}", sabotage.name);
            }
        }
    }
}

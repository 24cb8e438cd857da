//! A Service's way to a pod. What a Service leads to is written down by name here, so nothing is made in the pods' own namespaces, and no
//! Service of theirs is touched.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::attempt::packets::reach::{Path, until_open};
use crate::cx::Cx;
use crate::probe::Probe;
use crate::probe::batch::Verb;
use crate::probe::start::fnv;
use crate::verdict::NoVerdict;

/// The first port of a Service; each pod behind it has one of its own.
const FIRST: u16 = 10_000;

/// The Services that lead to a namespace's probes, one for each namespace, made when first asked for.
#[derive(Debug, Default)]
pub struct ServicePaths(Mutex<HashMap<String, Made>>);

/// A Service that cannot be had is not tried again by everybody who asks for it.
type Made = Arc<OnceCell<Result<Front, NoVerdict>>>;

/// A Service of the run's own: the ports of its one address lead to a pod each, on TCP and UDP.
#[derive(Clone, Debug)]
pub struct Front {
    pub(crate) namespace: String,
    pub(crate) name: String,
    address: IpAddr,
}

impl Front {
    #[cfg(test)]
    pub(crate) fn of(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into(), address: IpAddr::from([10, 0, 0, 1]) }
    }

    /// The verbs that take the way to the pod at `place`, among those that the Service was made for.
    pub fn verbs(&self, place: usize) -> [Verb; 2] {
        let port = port(place);
        [Verb::Tcp { to: self.address, port }, Verb::Udp { to: self.address, port }]
    }
}

impl Cx {
    /// A Service of the run's own that leads to `port` of each of `targets`, probes of `namespace`, and then of `open`, which no policy selects.
    ///
    /// Its way to `open` was written down last, and it works from each of `witnesses` by the time this is told: API servers tell proxies of changes
    /// in their order, so the ways to `targets` are there as well, and what is closed then is not closed for want of them.
    ///
    /// # Errors
    /// Inconclusive where the Service cannot be made, or its way to `open` does not work.
    pub async fn service_to(
        &self,
        namespace: &str,
        targets: &[Arc<Probe>],
        open: &[Arc<Probe>],
        witnesses: &[Arc<Probe>],
        port: u16,
    ) -> Result<Front, NoVerdict> {
        let cell = {
            let kept = self.env.memory.of::<ServicePaths>();
            let mut fronts = kept.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            fronts.entry(namespace.to_owned()).or_default().clone()
        };
        let made = cell.get_or_init(|| async {
            let behind: Vec<_> = targets.iter().chain(open).map(|probe| (probe.address, port)).collect();
            self.make_front(&name_for(namespace), &behind).await
        });
        let front = made.await.clone()?;
        // Each node hears of a Service by itself.
        let ways = |from| {
            let verbs = (targets.len()..targets.len() + open.len()).flat_map(|place| front.verbs(place));
            verbs.map(move |verb| Path::new(from, verb, "a Service of the run's own")).collect::<Vec<_>>()
        };
        let ways: Vec<Path> = witnesses.iter().flat_map(ways).collect();
        match until_open(&ways, self.env.traffic.pace()).await? {
            None => Ok(front),
            Some(told) => {
                Err(NoVerdict::inconclusive(format!("no control: a Service does not lead to its pods {told}")))
            }
        }
    }

    /// A Service of the run's own that leads to each of `behind`, in its own namespace.
    ///
    /// # Errors
    /// Inconclusive where it cannot be made.
    pub(crate) async fn make_front(&self, name: &str, behind: &[(IpAddr, u16)]) -> Result<Front, NoVerdict> {
        let unwritten = |error: serde_json::Error| NoVerdict::inconclusive(error.to_string());
        let sandbox = &self.env.sandbox;
        let home = sandbox.outside().await.map_err(NoVerdict::Inconclusive)?;
        let service: Service = serde_json::from_value(sandbox.labelled(service(name, behind))).map_err(unwritten)?;
        let made = sandbox.make(&home, &service).await?;
        // One after the other: a control rests on that order.
        for (place, to) in behind.iter().enumerate() {
            let slice = sandbox.labelled(slice(name, place, *to));
            let slice: EndpointSlice = serde_json::from_value(slice).map_err(unwritten)?;
            sandbox.make(&home, &slice).await?;
        }
        let address = made.spec.and_then(|spec| spec.cluster_ip).and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| NoVerdict::inconclusive("the API server gave the Service no address"))?;
        Ok(Front { namespace: home, name: name.to_owned(), address })
    }
}

/// The port that leads to what is at `place`.
pub(crate) fn port(place: usize) -> u16 {
    FIRST + u16::try_from(place).unwrap_or_default()
}

/// Namespaces' names may be as long as a Service's own: a short hash does, with what is readable of the name.
fn name_for(namespace: &str) -> String {
    let readable: String = namespace.chars().take(40).collect();
    format!("to-{}-{:08x}", readable.trim_end_matches('-'), fnv(namespace))
}

fn named(place: usize) -> [(String, &'static str); 2] {
    [(format!("tcp-{place}"), "TCP"), (format!("udp-{place}"), "UDP")]
}

/// Without a selector: what it leads to is written down in slices.
fn service(name: &str, behind: &[(IpAddr, u16)]) -> Value {
    let ports = behind.iter().enumerate().flat_map(|(place, (_, target))| {
        named(place).map(
            |(name, protocol)| json!({ "name": name, "protocol": protocol, "port": port(place), "targetPort": target }),
        )
    });
    let family = behind.first().map_or("IPv4", |(address, _)| family(address));
    json!({
        "metadata": { "name": name },
        "spec": { "type": "ClusterIP", "ipFamilies": [family], "ipFamilyPolicy": "SingleStack", "ports": ports.collect::<Vec<_>>() },
    })
}

fn slice(service: &str, place: usize, (address, target): (IpAddr, u16)) -> Value {
    let ports = named(place).map(|(name, protocol)| json!({ "name": name, "protocol": protocol, "port": target }));
    json!({
        "metadata": {
            "name": format!("{service}-{place}"),
            "labels": { "kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": "oke-conformance" },
        },
        "addressType": family(&address),
        "endpoints": [{ "addresses": [address], "conditions": { "ready": true } }],
        "ports": ports,
    })
}

fn family(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("tenant-a", "to-tenant-a-")]
    #[case(&"a-".repeat(31), "to-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-")]
    fn every_namespace_has_a_service_of_its_own(#[case] namespace: &str, #[case] expected: &str) {
        let name = name_for(namespace);
        assert!(name.starts_with(expected) && !name.contains("--") && name.len() <= 63, "{name}");
        assert_ne!(name, name_for("tenant-b"));
    }

    #[test]
    fn each_pod_has_a_port_of_its_own_and_nothing_else_behind_it() {
        let behind = ["10.0.0.1", "10.0.0.2"].map(|address| (address.parse().unwrap(), 8080));
        insta::assert_snapshot!(
            serde_json::to_string_pretty(&[service("to-a", &behind), slice("to-a", 1, behind[1])]).unwrap()
        );
    }
}

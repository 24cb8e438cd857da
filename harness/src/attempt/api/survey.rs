//! Looking for something that must not exist, in every place where it could be.
//!
//! An empty list proves nothing by itself: a credential that may see little finds little. A survey therefore lists all
//! namespaces, page by page, and must come across what every cluster has.
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Request;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Client, Error, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::attempt::packets::reach::{Path, Reach};
use crate::cluster::discovery::{Discovery, is_unknown};
use crate::cluster::inventory::{Inventory, PAGE, everything};
use crate::cx::Cx;
use crate::env::Env;
use crate::record::outcome::Outcome;
use crate::suite::Allowed;
use crate::told::told;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

impl Cx {
    /// Looks through the cluster's objects.
    pub fn survey(&self) -> Survey<'_> {
        Survey::new(&self.env, &self.scenario)
    }
}

/// A search through the cluster's objects, as the operator.
pub struct Survey<'a> {
    client: Client,
    inventory: &'a Inventory,
    discovery: &'a Discovery,
    allowed: Allowed<'a>,
    enforcement: Duration,
    start: Instant,
    looked_at: Vec<String>,
    control: Option<String>,
}

impl<'a> Survey<'a> {
    pub(crate) fn new(env: &'a Env, scenario: &'a str) -> Self {
        Self {
            client: env.personas.operator.client.clone(),
            inventory: &env.inventory,
            discovery: &env.discovery,
            allowed: env.suite.allowed(scenario),
            enforcement: env.suite.thresholds.enforcement(),
            start: Instant::now(),
            looked_at: Vec::new(),
            control: None,
        }
    }

    /// Everything of a kind, in all namespaces.
    ///
    /// # Errors
    /// Inconclusive where the list cannot be had whole.
    pub async fn all<K>(&mut self) -> Result<Vec<K>, NoVerdict>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let plural = K::plural(&());
        let items = everything(&self.client, Some).await.map_err(|error| cannot_list(&plural, &error))?;
        self.looked_at.push(format!("{} {plural}", items.len()));
        Ok(items)
    }

    /// All pods but those of runs, without their environment and volumes.
    ///
    /// # Errors
    /// Inconclusive where the list cannot be had whole.
    pub async fn pods(&mut self) -> Result<Arc<Vec<Pod>>, NoVerdict> {
        let pods = self.inventory.pods().await.map_err(|error| cannot_list("pods", &error))?;
        self.looked_at.push(format!("{} pods", pods.len()));
        Ok(pods)
    }

    /// Everything of a kind that the cluster may or may not know, in all namespaces: `group/version` and plural.
    ///
    /// # Errors
    /// Inconclusive where the cluster knows the kind and the list cannot be had whole.
    pub async fn custom(&mut self, group_version: &str, plural: &str) -> Result<Vec<Value>, NoVerdict> {
        let mut items = Vec::new();
        let mut token = String::new();
        loop {
            let path = format!("/apis/{group_version}/{plural}?limit={PAGE}&continue={token}");
            let request =
                Request::get(path).body(Vec::new()).map_err(|error| NoVerdict::inconclusive(error.to_string()))?;
            let mut page: Value = match self.client.request(request).await {
                Ok(page) => page,
                // Authorization comes before routing: a kind that is not there is not there.
                Err(Error::Api(status)) if is_unknown(&status) => {
                    self.looked_at.push(format!("no {plural} (the cluster does not know them)"));
                    return Ok(items);
                }
                Err(error) => return Err(cannot_list(plural, &error)),
            };
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                self.looked_at.push(format!("{} {plural}", items.len()));
                return Ok(items);
            }
        }
    }

    /// Which of the API groups `known`, whose objects nobody here can read, this cluster serves.
    ///
    /// # Errors
    /// Inconclusive where the API server does not say.
    pub async fn unread(&mut self, known: &[&'static str]) -> Result<Vec<&'static str>, NoVerdict> {
        let served = self.discovery.groups().await.map_err(|error| cannot_list("API groups", &error))?;
        let unread: Vec<&'static str> =
            known.iter().copied().filter(|group| served.names.iter().any(|name| name == group)).collect();
        self.looked_at.extend(unread.iter().map(|group| format!("nothing of {group}, whose kinds are not known here")));
        Ok(unread)
    }

    /// All Services; that of the API server itself is this survey's control, for no cluster is without it.
    ///
    /// # Errors
    /// Inconclusive where the list cannot be had whole.
    pub async fn services(&mut self) -> Result<Arc<Vec<Service>>, NoVerdict> {
        let services = self.inventory.services().await.map_err(|error| cannot_list("services", &error))?;
        self.looked_at.push(format!("{} services", services.len()));
        let is_own =
            |service: &Service| service.name_any() == "kubernetes" && service.namespace().as_deref() == Some("default");
        if services.iter().any(is_own) {
            self.control = Some("the same list holds default/kubernetes".into());
        }
        Ok(services)
    }

    /// The verdict: `found` names what should not be there, `what` the thing that was sought. What the suite's allow-list names is
    /// taken for granted, and told.
    ///
    /// # Errors
    /// Inconclusive where nothing was found by a survey that does not see what every cluster has.
    pub fn conclude(self, what: &str, found: Vec<Finding>) -> Attempted {
        let (granted, found): (Vec<Finding>, Vec<Finding>) =
            found.into_iter().partition(|finding| self.allowed.names(&finding.name));
        if !found.is_empty() {
            let told = found.iter().map(|finding| format!("{} {}", finding.name, finding.what));
            return Ok(Verdict::allowed(told.collect::<Vec<_>>().join("; ")));
        }
        let Some(control) = self.control else {
            return Err(NoVerdict::inconclusive(
                "the list of Services lacks default/kubernetes: this credential does not see the whole cluster",
            ));
        };
        let mut evidence = format!("no {what} among {}", self.looked_at.join(", "));
        if !granted.is_empty() {
            let names: Vec<_> = granted.iter().map(|finding| finding.name.as_str()).collect();
            evidence = format!("{evidence} but {}, which the suite allows", names.join(", "));
        }
        Ok(Verdict::denied(Guard::Absent, evidence, Control::proved(control), self.start.elapsed().as_millis() as u64))
    }

    /// The verdict where no object gave `what` away: it may still answer where no object says so, which `attempts` try. `controls`
    /// must be open, or a closed path says nothing.
    ///
    /// # Errors
    /// Inconclusive as [`Survey::conclude`], and where a control is closed or an attempt is unclear.
    pub async fn conclude_unless_reached(self, what: &str, attempts: Vec<Path>, controls: Vec<Path>) -> Attempted {
        let looked_at = self.looked_at.join(", ");
        let Some(listed) = self.control.clone() else { return self.conclude(what, Vec::new()) };
        let tried = attempts.len();
        // Whether a packet was stopped or nobody was listening does not matter here: nothing is there to be reached.
        let mut verdict =
            Reach { attempts, enforcement: self.enforcement, not_tried: Vec::new(), named: BTreeSet::new() }
                .stopped_by(Guard::Absent)
                .while_open(controls)
                .await?;
        if let Outcome::Denied { evidence, control, .. } = &mut verdict.outcome {
            *evidence = format!("no {what} among {looked_at}, and none answers at {tried} addresses: {evidence}");
            *control = format!("{listed}; {control}");
        }
        Ok(verdict)
    }
}

fn cannot_list(plural: &str, error: &Error) -> NoVerdict {
    NoVerdict::inconclusive(format!("cannot list {plural} in all namespaces: {}", told(error)))
}

/// Something that should not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is called, as an allow-list names it: `service kube-system/kubernetes-dashboard`.
    pub name: String,
    /// What is wrong with it, as the rest of the sentence.
    pub what: String,
}

impl Finding {
    /// `kind namespace/name`, and what is wrong with it.
    pub fn new(kind: &str, object: &impl ResourceExt, what: impl Into<String>) -> Self {
        let name = match object.namespace() {
            Some(namespace) => format!("{kind} {namespace}/{}", object.name_any()),
            None => format!("{kind} {}", object.name_any()),
        };
        Self { name, what: what.into() }
    }
}

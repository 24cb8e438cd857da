//! Forbidden pods by way of controllers: whoever may create a Deployment creates pods, and it is the controller's account that
//! asks for them.
//!
//! What counts is the effect, not the object: the API server takes a Deployment for whatever pod it templates. So the controllers are made,
//! live, and no child may appear, while each says by its event who refused. The pods are gated: even where one is admitted, nothing runs.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::attempt::denial::Denial;
use crate::cx::Cx;
use crate::scenario::Guard;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};

/// The label by which a controller's pods are told from others'.
const CONTROLLER: &str = "oke-conformance/controller";
/// A controller that has done nothing by then is not at work.
const WITHIN: Duration = Duration::from_secs(20);
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// API group and version, plural, kind: every built-in controller that makes pods.
pub(crate) const KINDS: [(&str, &str, &str); 7] = [
    ("apps/v1", "deployments", "Deployment"),
    ("apps/v1", "statefulsets", "StatefulSet"),
    ("apps/v1", "daemonsets", "DaemonSet"),
    ("apps/v1", "replicasets", "ReplicaSet"),
    ("v1", "replicationcontrollers", "ReplicationController"),
    ("batch/v1", "jobs", "Job"),
    ("batch/v1", "cronjobs", "CronJob"),
];

/// A pod that no controller may make.
#[must_use = "name the expected guards with `denied_by`"]
pub struct Controllers<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) forbidden: Pod,
}

impl<'a> Controllers<'a> {
    /// The guards whose refusal counts.
    pub fn denied_by(self, guards: &'static [Guard]) -> GuardedControllers<'a> {
        GuardedControllers { controllers: self, guards }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_making`"]
pub struct GuardedControllers<'a> {
    controllers: Controllers<'a>,
    guards: &'static [Guard],
}

/// What a controller has done so far.
#[derive(Default)]
struct Seen {
    /// Names of the pods it made.
    children: Vec<String>,
    /// What it was told instead.
    refusals: Vec<String>,
}

impl GuardedControllers<'_> {
    /// The control: controllers of the same kinds that template the pod without the forbidden attribute, and make it.
    ///
    /// # Errors
    /// Inconclusive where a controller cannot be made, does nothing, or is refused by another guard.
    pub async fn while_making(self, control: Pod) -> Attempted {
        let Self { controllers: Controllers { cx, forbidden }, guards } = self;
        let (namespace, start) = (cx.namespace()?, Instant::now());
        let host = &cx.node()?.name;
        let owner = cx.env.probes.carrier(&cx.env.sandbox, namespace).await.map_err(NoVerdict::Inconclusive)?;
        let made =
            KINDS.iter().flat_map(|kind| [("forbidden", &forbidden), ("plain", &control)].map(|pod| (kind, pod)));
        let made = made.map(|((group_version, plural, kind), (word, pod))| {
            let key = format!("{}-{word}", kind.to_lowercase());
            let name = format!("oke-conformance-{}-{key}", cx.env.sandbox.run);
            let object = controller(group_version, kind, &name, &key, pod, host, &owner);
            async move {
                let object = cx.env.sandbox.labelled(object?);
                cx.env.sandbox.make_controller(namespace, group_version, plural, &name, &object).await
            }
        });
        futures::future::try_join_all(made).await.map_err(NoVerdict::Inconclusive)?;
        let seen = watched(&cx.env.personas.operator.client, namespace, &cx.env.sandbox.run).await?;
        judge(&seen, guards, namespace, start.elapsed())
    }
}

/// Looks again and again until every controller has made a pod or been refused one.
async fn watched(client: &Client, namespace: &str, run: &str) -> Result<BTreeMap<String, Seen>, NoVerdict> {
    let (pods, events): (Api<Pod>, Api<Event>) =
        (Api::namespaced(client.clone(), namespace), Api::namespaced(client.clone(), namespace));
    let children = ListParams::default().labels(&format!("{}={run},{CONTROLLER}", crate::sandbox::RUN));
    let failures = ListParams::default().fields("reason=FailedCreate");
    let start = Instant::now();
    loop {
        let (children, failures) = tokio::try_join!(pods.list(&children), events.list(&failures))?;
        let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
        for (_, _, kind) in KINDS {
            for word in ["forbidden", "plain"] {
                seen.insert(format!("{}-{word}", kind.to_lowercase()), Seen::default());
            }
        }
        for child in children.items {
            if let Some(seen) = child.labels().get(CONTROLLER).and_then(|key| seen.get_mut(key)) {
                seen.children.push(child.name_any());
            }
        }
        for event in failures.items {
            // A Deployment's ReplicaSet and a CronJob's Job are named after it.
            let name = event.involved_object.name.clone().unwrap_or_default();
            let of_run = name.strip_prefix(&format!("oke-conformance-{run}-"));
            let key = of_run.map(|rest| rest.splitn(3, '-').take(2).collect::<Vec<_>>().join("-"));
            if let Some(seen) = key.and_then(|key| seen.get_mut(&key)) {
                seen.refusals.push(
                    match Denial::of_event(&event) {
                        Some(denial) => denial.guard.name().to_owned(),
                        None => String::new(),
                    } + "\n"
                        + event.message.as_deref().unwrap_or_default(),
                );
            }
        }
        let done = seen.values().all(|seen| !seen.children.is_empty() || !seen.refusals.is_empty());
        if done || start.elapsed() > WITHIN {
            return Ok(seen);
        }
        sleep(AGAIN_AFTER).await;
    }
}

fn judge(seen: &BTreeMap<String, Seen>, guards: &[Guard], namespace: &str, after: Duration) -> Attempted {
    let (mut allowed, mut unclear, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (key, Seen { children, refusals }) in seen {
        let Some(kind) = key.strip_suffix("-forbidden") else { continue };
        match (children.first(), refusals.first().and_then(|refusal| refusal.split_once('\n'))) {
            (Some(child), _) => allowed.push(format!("a {kind} made pod {child}")),
            (None, Some((guard, said))) => match guards.iter().find(|expected| expected.name() == guard) {
                Some(guard) => refused.push((*guard, format!("a {kind} made none: {said}"))),
                None if guard.is_empty() => {
                    unclear.push(format!("a {kind} made none, by no guard that is known: {said}"))
                }
                None => unclear.push(format!("a {kind} made none, but by {guard}: {said}")),
            },
            (None, None) => unclear.push(format!("a {kind} has made no pod and says nothing of why")),
        }
    }
    if !allowed.is_empty() {
        return Ok(Verdict::allowed(format!("in {namespace} {}", allowed.join("; "))));
    }
    let idle = seen.iter().filter(|(key, seen)| key.ends_with("-plain") && seen.children.is_empty());
    let idle: Vec<String> = idle
        .map(|(key, seen)| format!("{key}: {}", seen.refusals.first().map_or("it did nothing", |said| said.trim())))
        .collect();
    if !idle.is_empty() {
        return Err(NoVerdict::inconclusive(format!(
            "no control: with a plain pod, too, none was made by {}",
            idle.join("; ")
        )));
    }
    if !unclear.is_empty() {
        return Err(NoVerdict::inconclusive(unclear.join("; ")));
    }
    let all = refused.len();
    let Some((guard, said)) = refused.into_iter().next() else {
        return Err(NoVerdict::inconclusive("nothing was attempted"));
    };
    let control =
        Control::proved(format!("controllers of the same {all} kinds each made the pod without it in {namespace}"));
    let evidence = format!("{all} of {all} kinds of controllers were refused it; the first: {said}");
    Ok(Verdict::denied(guard, evidence, control, after.as_millis() as u64).of_attempts(all))
}

/// A controller of one pod, owned by what carries the run's agents, so that it goes when that goes.
fn controller(
    group_version: &str,
    kind: &str,
    name: &str,
    key: &str,
    pod: &Pod,
    host: &str,
    (owner, uid): &(String, String),
) -> Result<Value, String> {
    let mut labels = pod.metadata.labels.clone().unwrap_or_default();
    labels.insert(CONTROLLER.into(), key.into());
    let mut template = json!({
        "metadata": { "labels": labels },
        "spec": serde_json::to_value(&pod.spec).map_err(|error| error.to_string())?,
    });
    // Admitted or not, it never runs.
    template["spec"]["schedulingGates"] = json!([{ "name": "oke-conformance/never-scheduled" }]);
    let only = json!({ CONTROLLER: key });
    let selector = json!({ "matchLabels": only });
    let spec = match kind {
        "DaemonSet" => {
            template["spec"]["nodeSelector"] = json!({ "kubernetes.io/hostname": host });
            json!({ "selector": selector, "template": template })
        }
        "StatefulSet" => json!({ "replicas": 1, "serviceName": "none", "selector": selector, "template": template }),
        "ReplicationController" => json!({ "replicas": 1, "selector": only, "template": template }),
        "Job" | "CronJob" => {
            template["spec"]["restartPolicy"] = "Never".into();
            let job = json!({ "backoffLimit": 0, "template": template });
            if kind == "Job" { job } else { json!({ "schedule": "0 0 1 1 *", "jobTemplate": { "spec": job } }) }
        }
        _ => json!({ "replicas": 1, "selector": selector, "template": template }),
    };
    Ok(json!({
        "apiVersion": group_version, "kind": kind, "spec": spec,
        "metadata": { "name": name, "ownerReferences": [
            { "apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid },
        ] },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn seen(child: bool, refusal: Option<&str>) -> Seen {
        let children = if child { vec!["p".to_owned()] } else { Vec::new() };
        Seen { children, refusals: refusal.map(str::to_owned).into_iter().collect() }
    }

    #[rstest]
    #[case::refused(seen(false, Some("pod-security\nno")), seen(true, None), "denied")]
    #[case::made(seen(true, Some("pod-security\nno")), seen(true, None), "allowed")]
    #[case::by_another(seen(false, Some("quota\nno")), seen(true, None), "a job made none, but by quota: no")]
    #[case::by_nobody(seen(false, Some("\nodd")), seen(true, None), "a job made none, by no guard that is known: odd")]
    #[case::silent(seen(false, None), seen(true, None), "a job has made no pod and says nothing of why")]
    #[case::no_control(
        seen(false, Some("pod-security\nno")),
        seen(false, Some("quota\nfull")),
        "no control: with a plain pod, too, none was made by job-plain: quota\nfull"
    )]
    fn what_controllers_did_is_judged(#[case] forbidden: Seen, #[case] plain: Seen, #[case] expected: &str) {
        let seen = [("job-forbidden".to_owned(), forbidden), ("job-plain".to_owned(), plain)].into();
        let judged = judge(&seen, &[Guard::PodSecurity], "a", Duration::ZERO);
        let told = match judged {
            Ok(verdict) => serde_json::to_value(verdict.outcome).unwrap()["outcome"].as_str().unwrap().to_owned(),
            Err(none) => none.to_string(),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn every_kind_templates_the_pod() {
        let pod = crate::probe::pod::plain("p", "n", "i@sha256:0", &BTreeMap::new()).unwrap();
        let owner = ("carrier".to_owned(), "uid".to_owned());
        let made = |(group_version, _, kind): &(&str, &str, &str)| {
            controller(group_version, kind, "name", "key", &pod, "worker", &owner).unwrap()
        };
        let all: Vec<Value> = KINDS.iter().map(made).collect();
        insta::assert_snapshot!(serde_json::to_string_pretty(&all).unwrap());
    }
}

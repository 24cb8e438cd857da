//! Forbidden pods by way of controllers: whoever may create a Deployment creates pods, and it is the controller's account that
//! asks for them.
//!
//! What counts is the effect, not the object: the API server takes a Deployment for whatever pod it templates. So the controllers are made,
//! live, and no child may appear, while each says by its event who refused. The pods are gated: even where one is admitted, nothing runs.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams};
use kube::{Error, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::attempt::api::admission::Target;
use crate::attempt::api::images::{NOT_THERE, tagged};
use crate::cluster::api::{self, Reply};
use crate::cx::Cx;
use crate::denial::Denial;
use crate::sandbox::controllers::KINDS;
use crate::told::told;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// The label by which a controller's pods are told from others'.
const CONTROLLER: &str = "oke-conformance/controller";
/// A controller that has done nothing by then on an idle cluster is not at work.
const WITHIN: Duration = Duration::from_secs(20);
/// Two lists a look: controllers that are refused try again after ever longer, and nothing is measured by it.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The kinds of controllers that make pods.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.into_iter().map(|(_, _, kind)| kind)
}

impl Cx {
    /// Attempts to have `forbidden` pods made by controllers of [`Cx::namespace`], whose names end with `word`.
    pub fn through_controllers(&self, word: &'static str, forbidden: Pod) -> Controllers<'_> {
        Controllers { cx: self, word, forbidden }
    }

    /// Attempts to have the probes' image named by tag in pods that controllers of [`Cx::namespace`] make.
    ///
    /// # Errors
    /// Inconclusive where the image is not known by digest.
    pub fn tags_through_controllers(&self) -> Result<Controllers<'_>, NoVerdict> {
        let mut pod = self.plain_pod()?;
        let tagged = tagged(self)?;
        for container in pod.spec.iter_mut().flat_map(|spec| &mut spec.containers) {
            container.image = Some(tagged.clone());
        }
        Ok(self.through_controllers("tagged", pod))
    }
}

/// A pod that no controller may make.
#[must_use = "name the expected guards with `denied_by`"]
pub struct Controllers<'a> {
    cx: &'a Cx,
    word: &'static str,
    forbidden: Pod,
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
    /// What it was told instead, and by whom.
    refusals: Vec<(Option<Guard>, String)>,
}

/// Whether controllers are at work here at all, which is about the cluster and therefore found once.
#[derive(Debug, Default)]
pub struct AtWork(OnceCell<Result<String, NoVerdict>>);

impl GuardedControllers<'_> {
    /// The control: controllers of the same kinds that template the pod without the forbidden attribute make it, once for all cells and in a
    /// namespace of the run's own, so that nobody's quota is filled for it; and that pod is admitted in this namespace, too.
    ///
    /// # Errors
    /// Inconclusive where a controller cannot be made, does nothing, or is refused by another guard.
    pub async fn while_making(self, control: Pod) -> Attempted {
        let Self { controllers: Controllers { cx, word, forbidden }, guards } = self;
        let (namespace, start) = (cx.namespace()?, Instant::now());
        let at_work = async { cx.env.memory.of::<AtWork>().0.get_or_init(|| at_work(cx, &control)).await.clone() };
        let (seen, at_work, admitted) =
            tokio::join!(made(cx, namespace, &forbidden, word), at_work, admitted(cx, namespace, &control));
        judge(
            &seen?,
            guards,
            namespace,
            at_work.and_then(|at_work| Ok(format!("{at_work}; {}", admitted?))),
            start.elapsed(),
        )
    }
}

/// Has a controller of every kind make `pod` in `namespace`, and watches what comes of it.
async fn made(cx: &Cx, namespace: &str, pod: &Pod, word: &str) -> Result<BTreeMap<String, Seen>, NoVerdict> {
    let sandbox = &cx.env.sandbox;
    let owner = cx.env.probes.carrier(sandbox, namespace).await.map_err(NoVerdict::Inconclusive)?;
    let host = &cx.node()?.name;
    // Admitted or not, it never runs.
    let pod = &cx.never_scheduled(pod)?;
    let made = KINDS.iter().map(|(group_version, plural, kind)| {
        let kind = *kind;
        let key = format!("{}-{word}", kind.to_lowercase());
        let name = format!("oke-conformance-{}-{key}", sandbox.run);
        let object = controller(group_version, kind, &name, &key, pod, host, &owner);
        async move {
            let object = sandbox.labelled(object.map_err(NoVerdict::Inconclusive)?);
            match sandbox.make_controller(namespace, group_version, plural, &name, &object).await {
                Ok(()) => Ok(None),
                // Some engines look into the template and refuse the controller itself.
                Err(Error::Api(status))
                    if Denial::of_status(&status).is_some_and(|denial| denial.guard != Guard::Rbac) =>
                {
                    let guard = Denial::of_status(&status).map(|denial| denial.guard);
                    Ok(Some((kind.to_lowercase(), (guard, status.message.clone()))))
                }
                Err(error) => Err(NoVerdict::inconclusive(format!("cannot make a {kind}: {}", told(&error)))),
            }
        }
    });
    let at_once = futures::future::try_join_all(made).await?.into_iter().flatten().collect();
    watched(cx, namespace, word, at_once).await
}

async fn at_work(cx: &Cx, plain: &Pod) -> Result<String, NoVerdict> {
    let namespace = cx.env.sandbox.outside().await.map_err(NoVerdict::Inconclusive)?;
    let seen = made(cx, &namespace, plain, "plain").await?;
    let idle = seen.iter().filter(|(_, seen)| seen.children.is_empty());
    let idle: Vec<String> = idle
        .map(|(kind, seen)| format!("{kind}: {}", seen.refusals.first().map_or("it did nothing", |(_, said)| said)))
        .collect();
    if idle.is_empty() {
        return Ok(format!("controllers of the same {} kinds each made the pod without it in {namespace}", seen.len()));
    }
    Err(NoVerdict::inconclusive(format!("with a plain pod, too, none was made: {}", idle.join("; "))))
}

/// The same pod without the forbidden attribute, as a dry run where the controllers would have it.
async fn admitted(cx: &Cx, namespace: &str, plain: &Pod) -> Result<String, NoVerdict> {
    let document = serde_json::to_string(plain).map_err(|error| NoVerdict::inconclusive(error.to_string()))?;
    let request = Target::Namespace(namespace.to_owned()).dry_run(&document)?;
    match api::send(&cx.env.personas.operator, request).await.0 {
        Reply::Accepted { .. } => Ok(format!("it was admitted in {namespace}")),
        Reply::Refused(status) => {
            Err(NoVerdict::inconclusive(format!("even the plain pod is refused: {}", status.message)))
        }
        Reply::Broken(why) => Err(NoVerdict::inconclusive(why)),
    }
}

/// Looks again and again until every controller has made a pod or been refused one; by kind.
/// What was refused `at_once`, with the controller itself, is known before.
async fn watched(
    cx: &Cx,
    namespace: &str,
    word: &str,
    at_once: BTreeMap<String, (Option<Guard>, String)>,
) -> Result<BTreeMap<String, Seen>, NoVerdict> {
    let (client, run) = (&cx.env.personas.operator.client, &cx.env.sandbox.run);
    let (pods, events): (Api<Pod>, Api<Event>) =
        (Api::namespaced(client.clone(), namespace), Api::namespaced(client.clone(), namespace));
    let children = ListParams::default().labels(&format!("{}={run},{CONTROLLER}", crate::sandbox::RUN));
    let failures = ListParams::default().fields("reason=FailedCreate");
    let start = Instant::now();
    loop {
        let (children, failures) = tokio::try_join!(pods.list(&children), events.list(&failures))?;
        let mut seen: BTreeMap<String, Seen> = kinds().map(|kind| (kind.to_lowercase(), Seen::default())).collect();
        for (kind, refusal) in &at_once {
            seen.entry(kind.clone()).or_default().refusals.push(refusal.clone());
        }
        for child in children.items {
            let kind = child.labels().get(CONTROLLER).and_then(|key| key.strip_suffix(&format!("-{word}")));
            if let Some(seen) = kind.and_then(|kind| seen.get_mut(kind)) {
                seen.children.push(child.name_any());
            }
        }
        for event in failures.items {
            // A Deployment's ReplicaSet and a CronJob's Job are named after it.
            let name = event.involved_object.name.clone().unwrap_or_default();
            let of_run = name.strip_prefix(&format!("oke-conformance-{run}-")).and_then(|rest| rest.split_once('-'));
            let ours = of_run.filter(|(_, rest)| *rest == word || rest.starts_with(&format!("{word}-")));
            if let Some(seen) = ours.and_then(|(kind, _)| seen.get_mut(kind)) {
                let guard = Denial::of_event(&event).map(|denial| denial.guard);
                seen.refusals.push((guard, event.message.unwrap_or_default()));
            }
        }
        let done = seen.values().all(|seen| !seen.children.is_empty() || !seen.refusals.is_empty());
        if done || start.elapsed() > cx.env.traffic.pace().patience(WITHIN) {
            return Ok(seen);
        }
        sleep(AGAIN_AFTER).await;
    }
}

fn judge(
    seen: &BTreeMap<String, Seen>,
    guards: &[Guard],
    namespace: &str,
    control: Result<String, NoVerdict>,
    after: Duration,
) -> Attempted {
    let (mut allowed, mut unclear, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, Seen { children, refusals }) in seen {
        match (children.first(), refusals.first()) {
            (Some(child), _) => allowed.push(format!("a {kind} made pod {child}")),
            (None, Some((_, said))) if NOT_THERE.iter().any(|words| said.to_lowercase().contains(words)) => {
                unclear.push(format!("a {kind} made none, for a registry was asked: {said}"));
            }
            (None, Some((Some(guard), said))) if guards.contains(guard) => {
                refused.push((*guard, format!("a {kind} made none: {said}")));
            }
            (None, Some((Some(guard), said))) => unclear.push(format!("a {kind} made none, but by {guard}: {said}")),
            (None, Some((None, said))) => {
                unclear.push(format!("a {kind} made none, by no guard that is known: {said}"));
            }
            (None, None) => unclear.push(format!("a {kind} has made no pod and says nothing of why")),
        }
    }
    if !allowed.is_empty() {
        return Ok(Verdict::allowed(format!("in {namespace} {}", allowed.join("; "))));
    }
    let control = control.map_err(|why| NoVerdict::inconclusive(format!("no control: {why}")))?;
    if !unclear.is_empty() {
        return Err(NoVerdict::inconclusive(unclear.join("; ")));
    }
    let all = refused.len();
    let Some((guard, said)) = refused.into_iter().next() else {
        return Err(NoVerdict::inconclusive("nothing was attempted"));
    };
    let evidence = format!("{all} of {all} kinds of controllers were refused it; the first: {said}");
    Ok(Verdict::denied(guard, evidence, Control::proved(control), after.as_millis() as u64).of_attempts(all))
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
        "metadata": { "labels": labels, "annotations": pod.metadata.annotations },
        "spec": serde_json::to_value(&pod.spec).map_err(|error| error.to_string())?,
    });
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
    use crate::settings::PodSettings;
    use rstest::rstest;

    fn seen(child: bool, refusal: Option<(Option<Guard>, &str)>) -> Seen {
        let children = if child { vec!["p".to_owned()] } else { Vec::new() };
        Seen { children, refusals: refusal.map(|(guard, said)| (guard, said.to_owned())).into_iter().collect() }
    }

    const REFUSED: Option<(Option<Guard>, &str)> = Some((Some(Guard::PodSecurity), "no"));

    #[rstest]
    #[case::refused(seen(false, REFUSED), true, "denied")]
    #[case::made(seen(true, REFUSED), true, "allowed")]
    #[case::made_without_a_control(seen(true, None), false, "allowed")]
    #[case::a_registry_was_asked(
        seen(false, Some((Some(Guard::PodSecurity), "MANIFEST_UNKNOWN"))),
        true,
        "a job made none, for a registry was asked: MANIFEST_UNKNOWN"
    )]
    #[case::by_another(seen(false, Some((Some(Guard::Quota), "no"))), true, "a job made none, but by quota: no")]
    #[case::by_nobody(seen(false, Some((None, "odd"))), true, "a job made none, by no guard that is known: odd")]
    #[case::silent(seen(false, None), true, "a job has made no pod and says nothing of why")]
    #[case::no_control(seen(false, REFUSED), false, "no control: asleep")]
    fn what_controllers_did_is_judged(#[case] forbidden: Seen, #[case] at_work: bool, #[case] expected: &str) {
        let seen = [("job".to_owned(), forbidden)].into();
        let control = if at_work { Ok("c".to_owned()) } else { Err(NoVerdict::inconclusive("asleep")) };
        let told = match judge(&seen, &[Guard::PodSecurity], "a", control, Duration::ZERO) {
            Ok(verdict) => serde_json::to_value(verdict.outcome).unwrap()["outcome"].as_str().unwrap().to_owned(),
            Err(none) => none.to_string(),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn every_kind_templates_the_pod() {
        let pod = crate::probe::pod::plain("p", "n", "i@sha256:0", &BTreeMap::new(), &PodSettings::default()).unwrap();
        let owner = ("carrier".to_owned(), "uid".to_owned());
        let made = |(group_version, _, kind): &(&str, &str, &str)| {
            controller(group_version, kind, "name", "key", &pod, "worker", &owner).unwrap()
        };
        let all: Vec<Value> = KINDS.iter().map(made).collect();
        insta::assert_snapshot!(serde_json::to_string_pretty(&all).unwrap());
    }
}

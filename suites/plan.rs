//! `--plan`: what a run would do, for whoever has to allow it.
use harness::env::Env;
use harness::pace::IN_FLIGHT;
use harness::preflight::{Plan, Planned};
use harness::record::NodeFacts;
use harness::rights::Right;
use harness::scenario::Entry;

/// The plan, line by line.
pub fn lines(plan: &Plan, env: &Env, suite: &str) -> Vec<String> {
    let mut lines = cluster(env, suite);
    lines.push(String::new());
    for Planned { id, impact, cells, attempts, foreseen } in &plan.scenarios {
        let cells = counted(*cells, "cell");
        let foreseen = foreseen.as_deref().unwrap_or_default();
        let line = format!(
            "{id:<36}  {:<9}  {cells:<9}  {:<13}  {foreseen}",
            impact.name(),
            counted(attempts.len(), "attempt")
        );
        lines.push(line.trim_end().to_owned());
        lines.extend(attempts.iter().map(|attempt| format!("    {attempt}")));
    }
    lines.push(String::new());
    lines.push(match (plan.cannot_sweep(), plan.probes, plan.pods) {
        (Some(why), _, _) => format!("it would make no object: {why}"),
        (None, 0, _) => "it would make no object".to_owned(),
        (None, probes, pods) => {
            let own = if pods > 0 { format!(", {pods} pods that measurements and policy cases share") } else { String::new() };
            format!("it would make up to {probes} probe pods{own}, namespaces for them and a priority class, and take them away again")
        }
    });
    lines.extend(alarming(plan));
    lines.extend(holding(&env.unavailable).filter(|_| plan.makes()));
    lines.extend(plan.too_many(env.most_pods).map(|why| format!("it will not begin: {why}")));
    lines
        .push(format!("it would send up to {} requests to the API server, at most {IN_FLIGHT} at once", plan.requests));
    lines.push(lacking(&plan.missing).unwrap_or_else(|| "the credential has every right that it needs".into()));
    lines
}

/// What the cluster is.
fn cluster(env: &Env, suite: &str) -> Vec<String> {
    let facts = &env.facts;
    let operator = &env.personas.operator.name;
    let mut lines =
        vec![format!("suite {suite} against {} ({}, {}), as {operator}", facts.name, facts.server, facts.version)];
    let namespaces = facts.namespaces.iter().map(|name| match facts.pod_security.get(name) {
        Some(level) => format!("{name} ({level})"),
        None => format!("{name} (no Pod Security label)"),
    });
    lines.push(format!("namespaces in scope: {}", namespaces.collect::<Vec<_>>().join(", ")));
    if !facts.out_of_scope.is_empty() {
        lines.push(format!("out of scope: {}", facts.out_of_scope.join(", ")));
    }
    lines.extend(facts.left_out.iter().map(|(name, why)| format!("left out: {name}, {why}")));
    let plugins = facts.network_plugins.iter();
    let named = plugins.clone().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>().join(", ");
    lines.push(match (named.as_str(), plugins.clone().any(|plugin| plugin.enforces)) {
        ("", _) => "network plug-in: none that is known here".to_owned(),
        (named, true) => format!("network plug-in: {named}"),
        (named, false) => format!("network plug-in: {named}, which does not enforce NetworkPolicy"),
    });
    lines.push(format!("admission: {}", facts.admission.join(", ")));
    for node in env.placement.all() {
        lines.push(format!("pool {}: probes on {} ({}, {})", node.pool, node.name, node.architecture, node.runtime));
    }
    let unfit = facts.nodes.iter().filter_map(|node| Some(unfit(node, node.without_probe.as_ref()?)));
    let unfit: Vec<String> = unfit.collect();
    if !unfit.is_empty() {
        lines.push(format!("no probe can be placed on {}", unfit.join(", ")));
    }
    lines
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn unfit(node: &NodeFacts, why: &str) -> String {
    if node.pool == node.name {
        format!("{} ({why})", node.name)
    } else {
        format!("{} of pool {} ({why})", node.name, node.pool)
    }
}

/// What is left out for the sake of those who watch the cluster; `None` where nothing is.
pub fn without(alarming: &[Entry]) -> Option<String> {
    let ids = alarming.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>().join(", ");
    (!alarming.is_empty()).then(|| format!("left out by `without-alarms`: {ids}"))
}

/// What whoever watches the cluster may take for an attack.
fn alarming(plan: &Plan) -> Option<String> {
    let ids = plan.scenarios.iter().map(|planned| planned.id.as_str()).filter(|id| scenarios::is_alarming(id));
    let ids = ids.collect::<Vec<_>>().join(", ");
    (!ids.is_empty()).then(|| {
        format!("whoever watches the cluster for intruders may be alarmed by {ids}: `without-alarms = true` in its entry of conformance.toml leaves these out")
    })
}

/// What holds the namespaces that a run makes once they are deleted; `None` where nothing is known to.
pub fn holding(unavailable: &[String]) -> Option<String> {
    let what = unavailable.join(", ");
    (!unavailable.is_empty()).then(|| {
        format!("the run's own namespaces will stay Terminating until whoever serves {what} answers: `kubectl get apiservices` shows it")
    })
}

/// What a run cannot do for lack of rights; `None` where it can do everything.
pub fn lacking(missing: &[Right]) -> Option<String> {
    let what = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    (!missing.is_empty())
        .then(|| format!("the credential may not {what} cluster-wide: what needs it will be inconclusive"))
}

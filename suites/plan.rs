//! `--plan`: what a run would do, for whoever has to allow it.
use harness::env::Env;
use harness::preflight::Plan;

/// The plan, line by line.
pub fn lines(plan: &Plan, env: &Env, suite: &str) -> Vec<String> {
    let facts = &env.facts;
    let mut lines = vec![
        format!("suite {suite} against {} ({}, {}), as {}", facts.name, facts.server, facts.version, env.operator.name),
        format!("namespaces in scope: {}", facts.namespaces.join(", ")),
    ];
    for node in &env.hosts {
        lines.push(format!("pool {}: probes on {} ({}, {})", node.pool, node.name, node.architecture, node.runtime));
    }
    if !plan.without_probe.is_empty() {
        lines.push(format!("no probe can be placed on {}", plan.without_probe.join(", ")));
    }
    lines.push(String::new());
    for (id, impact, cells) in &plan.scenarios {
        let cells = if *cells == 1 { "1 cell".to_owned() } else { format!("{cells} cells") };
        lines.push(format!("{id:<36}  {:<9}  {cells}", impact.name()));
    }
    lines.push(String::new());
    lines.push(match plan.probes {
        0 => "it would make no object".to_owned(),
        probes => format!("it would make up to {probes} probe pods and two namespaces, and take them away again"),
    });
    lines.push(lacking(&plan.missing).unwrap_or_else(|| "the credential has every right that it needs".into()));
    lines
}

/// What a run cannot do for lack of rights; `None` where it can do everything.
pub fn lacking(missing: &[String]) -> Option<String> {
    let what = missing.join(", ");
    (!missing.is_empty())
        .then(|| format!("the credential may not {what} cluster-wide: what needs it will be inconclusive"))
}

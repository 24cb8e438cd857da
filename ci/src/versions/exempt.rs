//! What Pod Security Admission is told to pass over by the API server's own configuration, which no API tells: the suite must find it by trying.

use anyhow::Result;
use harness::record::{Cell, Outcome, Run};
use harness::scenario::Guard;

use super::expected::told;
use crate::api_server::ApiServer;

/// Its namespaces, accounts and classes: as the configuration has them.
const CONFIGURATION: &str = include_str!("../../versions/exempt.yaml");
const RUNTIME_CLASS: &str =
    r#"{"apiVersion":"node.k8s.io/v1","kind":"RuntimeClass","metadata":{"name":"exempt"},"handler":"none"}"#;

/// By cell, the words by which what is exempt there must be found: who asks, in whose place nothing else is looked for, and how it is run.
const FOUND: [(&str, &str); 2] = [
    ("tenant-a", "system:serviceaccount:tenant-a:deployer may have in tenant-a "),
    ("tenant-b", "may have in tenant-b what is refused without it: with runtimeClassName exempt, admitted"),
];
/// ... and the namespace: the scenario that looks into each.
const NAMESPACES: (&str, &str) = ("pod_security/exempt-namespaces-known", "admitted in namespace kube-public (");

/// Has a hardened API server pass over them.
///
/// # Errors
/// When it does not start with that.
pub(super) async fn exempt(server: &ApiServer) -> Result<()> {
    let file = server.file("exempt.yaml", CONFIGURATION)?;
    server.kubectl().apply(RUNTIME_CLASS).await?;
    let file = format!("--admission-control-config-file={file}");
    server.restart(&[server.version.plug_ins, &[&file]].concat()).await
}

/// What is wrong where they are, with `hardened` as the run without: what Pod Security has denied there, and nothing else, is allowed now.
pub(super) fn judge(hardened: &Run, exempt: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    for record in &exempt.scenarios {
        let before = hardened.scenarios.iter().find(|before| before.id == record.id);
        let before = |name: &str| before.and_then(|before| before.cells.iter().find(|cell| cell.name == name));
        for Cell { name, outcome, .. } in &record.cells {
            let Some(Cell { outcome: before, .. }) = before(name) else {
                wrong.push(format!("{} in {name} was not tried before", record.id));
                continue;
            };
            let by_pod_security = matches!(before, Outcome::Denied { guard: Guard::PodSecurity, .. });
            let words = FOUND.iter().find(|(cell, _)| cell == name && by_pod_security).map(|(_, words)| *words);
            let words = words.or((record.id == NAMESPACES.0).then_some(NAMESPACES.1));
            let as_it_must_be = match (words, outcome) {
                (Some(words), Outcome::Allowed { evidence }) => evidence.contains(words),
                (Some(_), _) => false,
                (None, outcome) => std::mem::discriminant(outcome) == std::mem::discriminant(before),
            };
            if !as_it_must_be {
                let should = words.map_or_else(|| told(before), |words| format!("allowed, for \"{words}\""));
                wrong.push(format!("{} in {name} is {}, and should be {should}", record.id, told(outcome)));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::record::Record;
    use harness::scenario::{Impact, Scope, Severity};
    use rstest::rstest;

    fn denied(guard: Guard) -> Outcome {
        Outcome::Denied { guard, evidence: "no".into(), control: "c".into() }
    }

    fn allowed(evidence: &str) -> Outcome {
        Outcome::Allowed { evidence: evidence.into() }
    }

    fn run(of: &[(&str, &str, Outcome)]) -> Run {
        let cell = |name: &str, outcome: &Outcome| Cell {
            name: name.into(),
            outcome: outcome.clone(),
            elapsed_ms: 0,
            denied_after_ms: None,
            attempts: 1,
        };
        let record = |(id, name, outcome): &(&str, &str, Outcome)| Record {
            id: (*id).into(),
            title: String::new(),
            explanation: String::new(),
            guidance: Vec::new(),
            also: Vec::new(),
            severity: Severity::High,
            impact: Impact::DryRun,
            scope: Scope::Cluster,
            outcome: outcome.clone(),
            cells: vec![cell(name, outcome)],
            started_ms: 0,
            elapsed_ms: 0,
        };
        Run { scenarios: of.iter().map(record).collect(), ..Run::default() }
    }

    #[rstest]
    #[case::who_asks("a/pod", "tenant-a", denied(Guard::PodSecurity), allowed(FOUND[0].1), true)]
    #[case::how_it_is_run("a/pod", "tenant-b", denied(Guard::PodSecurity), allowed(FOUND[1].1), true)]
    #[case::the_namespace(NAMESPACES.0, "cluster", denied(Guard::PodSecurity), allowed(NAMESPACES.1), true)]
    #[case::overlooked("a/pod", "tenant-b", denied(Guard::PodSecurity), denied(Guard::PodSecurity), false)]
    #[case::in_other_words("a/pod", "tenant-b", denied(Guard::PodSecurity), allowed(FOUND[0].1), false)]
    #[case::kept_by_another("a/pod", "tenant-a", denied(Guard::AdmissionPolicy), denied(Guard::AdmissionPolicy), true)]
    #[case::not_opened_by_it("a/pod", "tenant-a", denied(Guard::AdmissionPolicy), allowed(FOUND[0].1), false)]
    fn what_is_exempt_must_be_found(
        #[case] id: &str,
        #[case] cell: &str,
        #[case] before: Outcome,
        #[case] now: Outcome,
        #[case] right: bool,
    ) {
        let wrong = judge(&run(&[(id, cell, before)]), &run(&[(id, cell, now.clone())]));
        assert_eq!(wrong.is_empty(), right, "{wrong:?}");
        assert_eq!(judge(&run(&[]), &run(&[(id, cell, now)])), [format!("{id} in {cell} was not tried before")]);
    }
}

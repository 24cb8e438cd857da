//! `ci/deploy/rbac.yaml` grants what the suite `prod` needs, to the last verb: not one right more, not one less.

mod live;
mod suite;

use std::collections::BTreeSet;
use std::time::Duration;

use harness::preflight;
use harness::record::{Outcome, Record, Run};
use harness::rights::{Of, Right};
use harness::suite::Suite as Selection;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};

use live::{everything, kubectl, kubectl_with};
use suite::{Ended, Suite};

const MANIFEST: &str = include_str!("../deploy/rbac.yaml");
const A_RUN: Duration = Duration::from_secs(240);
/// On an API server from 1.25 to 1.34 nobody asks for these: taking them away shows nothing there.
const NOT_ASKED_FOR: [(&str, &str); 2] = [("create", "pods/exec"), ("list", "podsecuritypolicies")];

fn role() -> ClusterRole {
    let document = MANIFEST.split("\n---\n").find(|document| document.contains("kind: ClusterRole\n")).unwrap();
    serde_saphyr::from_str(document).unwrap()
}

/// One right of the file: group, resource, verb, name.
type Granted = (String, String, String, String);

fn granted(rules: &[PolicyRule]) -> BTreeSet<Granted> {
    let mut granted = BTreeSet::new();
    for rule in rules {
        let names = rule.resource_names.clone().unwrap_or_else(|| vec![String::new()]);
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    granted
                        .extend(names.iter().map(|name| (group.clone(), resource.clone(), verb.clone(), name.clone())));
                }
            }
        }
    }
    granted
}

fn as_granted(right: &Right) -> Granted {
    let name = match right.of {
        Of::Any => "",
        Of::Default => "default",
        Of::Deployer => "deployer",
    };
    (right.group.into(), right.resource.into(), right.verb.into(), name.into())
}

/// What the scenarios of the suite `prod` say that they need.
fn needed() -> BTreeSet<Granted> {
    let text = include_str!("../../suites/prod.toml");
    let entries = Selection::parse(text, &scenarios::all()).unwrap().select(scenarios::all());
    preflight::rights(&entries).iter().map(as_granted).collect()
}

#[test]
fn the_role_is_what_the_scenarios_name() {
    assert_eq!(granted(&role().rules.unwrap()), needed());
}

/// The manifest in the range, for as long as this lives.
struct Applied;

impl Applied {
    fn new() -> Self {
        kubectl_with(&["apply", "--filename=-"], MANIFEST);
        Self
    }

    /// From here on the role grants this and nothing else.
    fn grant(&self, rights: &BTreeSet<Granted>) {
        let rule = |(group, resource, verb, name): &Granted| PolicyRule {
            api_groups: Some(vec![group.clone()]),
            resources: Some(vec![resource.clone()]),
            verbs: vec![verb.clone()],
            resource_names: (!name.is_empty()).then(|| vec![name.clone()]),
            ..PolicyRule::default()
        };
        let role = ClusterRole { rules: Some(rights.iter().map(rule).collect()), ..role() };
        kubectl_with(&["replace", "--filename=-"], &serde_json::to_string(&role).unwrap());
    }

    fn suite(&self) -> Suite {
        let token = kubectl(&["create", "token", "conformance", "--namespace=oke-conformance"]);
        Suite::new().kubeconfig(&live::kubeconfig_with(&token))
    }
}

impl Drop for Applied {
    fn drop(&mut self) {
        kubectl_with(&["delete", "--ignore-not-found", "--filename=-"], MANIFEST);
    }
}

/// Runs the suite `prod`, without those of the scenarios with crowds of pods for which `asked` does not hold.
fn prod(suite: &Suite, asked: impl Fn(&str) -> bool) -> (Ended, Option<Run>) {
    live::quotas_caught_up();
    let arguments = ["--suite", "prod", "--report-dir", "reports", "--cluster", &live::context()];
    let ended = suite.start(&[arguments.as_slice(), &ci::suite_program::sparing(asked)].concat()).end(A_RUN);
    let record = std::fs::read(suite.folder().join("reports/run.json")).ok();
    (ended, record.map(|text| serde_json::from_slice(&text).unwrap()))
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn the_role_is_enough_and_each_of_its_rights_is_needed() {
    let before = everything();
    let applied = Applied::new();
    let (ended, run) = prod(&applied.suite(), |_| true);
    let run = run.unwrap_or_else(|| panic!("{}", ended.stderr));
    assert_eq!(run.totals().inconclusive, 0, "{}{}", ended.stdout, ended.stderr);
    // How long new pods are let through is this machine's to say, not the role's.
    let beside = |record: &Record| record.id != "metadata/startup-window";
    let allowed = |record: &Record| matches!(record.outcome, Outcome::Allowed { .. });
    assert!(!run.scenarios.iter().any(|record| beside(record) && allowed(record)), "{}", ended.stdout);

    let not_here: BTreeSet<&str> = run
        .scenarios
        .iter()
        .filter(|record| matches!(record.outcome, Outcome::NotApplicable { .. }))
        .map(|record| record.id.as_str())
        .collect();
    let whole = granted(&role().rules.unwrap());
    let asked_for = |(_, resource, verb, _): &&Granted| !NOT_ASKED_FOR.contains(&(verb.as_str(), resource.as_str()));
    for right in whole.iter().filter(asked_for) {
        let mut rest = whole.clone();
        rest.remove(right);
        applied.grant(&rest);
        // Those that nobody else needs.
        let (ended, run) = prod(&applied.suite(), |_| right.1 == "networkpolicies");
        assert_ne!(ended.code, Some(0), "without {right:?} everything passes: {}", ended.stdout);
        // Without nodes and namespaces there is no run, and one sentence says which right is missing.
        let Some(run) = run else {
            assert!(ended.sentence().contains(&format!("cannot {} {}", right.2, right.1)), "{}", ended.stderr);
            continue;
        };
        assert!(run.totals().inconclusive > 0, "without {right:?}: {}", ended.stdout);
        for record in &run.scenarios {
            let entry = scenarios::all().into_iter().find(|entry| entry.id == record.id).unwrap();
            let needs_it = preflight::rights(&[entry]).iter().any(|needed| as_granted(needed) == *right);
            let inconclusive = matches!(record.outcome, Outcome::Inconclusive { .. });
            // Whether a question arises here, takes some of the rights to find out.
            let as_it_must =
                inconclusive == needs_it || not_here.contains(record.id.as_str()) && needs_it && !inconclusive;
            assert!(as_it_must, "without {right:?} {} is {:?}", record.id, record.outcome);
        }
    }
    drop(applied);
    assert_eq!(everything(), before);
}

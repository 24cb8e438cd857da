//! A cluster whose nodes, pods and Services have addresses of both families: what a policy forbids, it forbids over both.

mod suite;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ci::range::{Families, Lifetime, Plan, Range};
use harness::record::{Outcome, Record, Run};

use suite::Suite;

const NAME: &str = "test-dual";
const A_RUN: Duration = Duration::from_secs(180);
const IPV6: &str = "[fd00:10:244:";

/// What asks at each of a pod's or node's addresses, and what has its control over IPv6.
const SUITE: &str = r#"
purpose = "both families"
scenarios = ["network/namespaces-isolated", "network/cluster-still-works", "network/kubelet-authenticated", "network/node-ports-unreachable", "metadata/ipv6-unreachable"]
impact = "intrusive"
"#;

/// The jump into the plug-in's chains for IPv6 spares what pods send: they stand, and do not see it. The plug-in knows its jump by the hash in
/// its comment, and leaves it where it is.
const BLIND: &str = r#"
rule=$(ip6tables -w -S FORWARD 1 | sed -n 's/^-A FORWARD \(.*cali:.* -j cali-FORWARD\)$/\1/p')
[ -n "$rule" ]
eval ip6tables -w -R FORWARD 1 ! -s fd00:10:244::/56 "$rule"
"#;

fn run(range: &Range) -> Run {
    let kubeconfig = std::fs::read_to_string(range.kubeconfig()).unwrap();
    let suite = Suite::new().kubeconfig(&kubeconfig).file("both.toml", SUITE);
    let arguments = ["--suite", "both.toml", "--report-dir", "reports", "--cluster", &range.context()];
    let ended = suite.start(&arguments).end(A_RUN);
    let record = std::fs::read(suite.folder().join("reports/run.json"));
    serde_json::from_slice(&record.unwrap_or_else(|_| panic!("{}", ended.stderr))).unwrap()
}

fn isolated(run: &Run) -> &Record {
    run.scenarios.iter().find(|record| record.id == "network/namespaces-isolated").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes a cluster"]
async fn policies_hold_for_both_families_and_a_leak_in_one_is_found() {
    let plan = Plan {
        name: NAME.into(),
        lifetime: Lifetime::ThrowAway,
        hardened: true,
        families: Families::Both,
        keep_failed: false,
    };
    let range = Range::follow(&plan, Arc::new(|line: &str| eprintln!("{line}"))).await.unwrap();
    let whole = run(&range);
    for record in &whole.scenarios {
        assert!(matches!(record.outcome, Outcome::Denied { .. }), "{}: {:?}", record.id, record.outcome);
    }
    let tried = |told: &str| ["tcp", "udp"].iter().all(|protocol| told.contains(&format!("{protocol} {IPV6}")));
    for cell in &isolated(&whole).cells {
        let Outcome::Denied { evidence, control, .. } = &cell.outcome else {
            panic!("{}: {:?}", cell.name, cell.outcome)
        };
        assert!(tried(evidence) && tried(control), "{}: {evidence}; {control}", cell.name);
    }

    for worker in ["worker", "worker2"] {
        let node = format!("{NAME}-{worker}");
        let blinded = Command::new("docker").args(["exec", &node, "sh", "-e", "-c", BLIND]).output().unwrap();
        assert!(blinded.status.success(), "{node}: {}", String::from_utf8_lossy(&blinded.stderr));
    }
    let blind = run(&range);
    let Outcome::Allowed { evidence } = &isolated(&blind).outcome else { panic!("{:?}", isolated(&blind).outcome) };
    assert!(evidence.contains(IPV6) && !evidence.contains("tcp 10."), "{evidence}");
    range.down().await.unwrap();
}

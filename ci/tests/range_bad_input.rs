//! What may go wrong with a cluster that is there, before a run and in the middle of it: no verdict without a judgement, and the
//! cluster is afterwards as it was before. `OKE_CONFORMANCE_RANGE` names the range; `--test-threads=1`, for the cluster is compared.

mod live;
mod proxy;
mod suite;

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::record::{Outcome, Run};
use harness::scenario::Impact;
use insta::assert_snapshot;
use rstest::rstest;

use live::{everything, kubectl};
use proxy::Proxy;
use suite::{Ended, Started, Suite};

/// Longer than any run here takes that is not held up.
const A_RUN: Duration = Duration::from_secs(120);

/// The suite as the range's administrator starts it.
fn suite() -> Suite {
    Suite::new().kubeconfig(&live::kubeconfig())
}

fn start(suite: &Suite, more: &[&str]) -> Started {
    // What most of the time goes to, and makes nothing of another kind; a plan costs nothing.
    let sparing = if more.contains(&"--plan") { Vec::new() } else { ci::suite_program::sparing(|_| false) };
    suite.start(&[&["--report-dir", "reports", "--cluster", &live::context()], more, &sparing].concat())
}

/// Waits until the run has made probes: it is half-way then.
fn half_way(started: &Started) {
    let began = Instant::now();
    while live::probes().is_empty() {
        assert!(began.elapsed() < A_RUN, "no probe: {:?}", started.said("stderr"));
    }
}

fn record(suite: &Suite) -> Run {
    let text = std::fs::read_to_string(suite.folder().join("reports/run.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// `cargo xtask sweep`, past whatever stood before the API server.
fn sweep() -> String {
    let suite = suite();
    let kubeconfig = suite.folder().join("kubeconfig");
    let xtask = Command::new(env!("CARGO_BIN_EXE_ci"))
        .args(["sweep", "--cluster", &live::context()])
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap();
    assert!(xtask.status.success(), "{}", String::from_utf8_lossy(&xtask.stderr));
    String::from_utf8(xtask.stdout).unwrap()
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_run_leaves_nothing() {
    let before = everything();
    let suite = suite();
    let ended = start(&suite, &[]).end(A_RUN);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(record(&suite).scenarios.iter().any(|record| matches!(record.outcome, Outcome::Denied { .. })));
    assert_eq!(everything(), before);
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_token_that_is_not_accepted() {
    let suite = Suite::new().kubeconfig(&live::kubeconfig_with("garbage"));
    let said = start(&suite, &[]).end(A_RUN).sentence().replace(&live::server(), "[server]");
    assert_snapshot!(said.replace(&live::context(), "[context]"), @"error: the API server https://[server]/ does not accept the credential of context [context] in [folder]/kubeconfig (401): it has expired or was revoked; get a new one, then run again");
}

/// A service account of the range with its rights, for one test.
struct Account {
    name: &'static str,
}

impl Account {
    fn with(name: &'static str, verbs: &str) -> Self {
        let account = Self { name };
        kubectl(&["create", "serviceaccount", name, "--namespace=kube-system"]);
        kubectl(&["create", "clusterrole", name, &format!("--verb={verbs}"), "--resource=*.*"]);
        let subject = format!("--serviceaccount=kube-system:{name}");
        kubectl(&["create", "clusterrolebinding", name, &format!("--clusterrole={name}"), &subject]);
        account
    }

    fn suite(&self) -> Suite {
        Suite::new().kubeconfig(&live::kubeconfig_with(&kubectl(&[
            "create",
            "token",
            self.name,
            "--namespace=kube-system",
        ])))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        for kind in ["clusterrolebinding", "clusterrole", "serviceaccount"] {
            kubectl(&["delete", kind, self.name, "--namespace=kube-system", "--ignore-not-found"]);
        }
    }
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_credential_that_may_only_read() {
    let before = everything();
    let reader = Account::with("bad-input-reader", "get,list,watch");
    let suite = reader.suite();
    let ended = start(&suite, &[]).end(A_RUN);
    drop(reader);
    assert_eq!(ended.code, Some(101), "{}{}", ended.stdout, ended.stderr);
    for record in record(&suite).scenarios {
        // Looking takes no more than reading does.
        let looks = record.impact == Impact::Observe;
        // What ended with an older Kubernetes needs no look, nor does what nobody has named.
        let as_it_must = if matches!(record.outcome, Outcome::NotApplicable { .. }) {
            record.id.starts_with("pod_security/psp-") || record.id == "network/egress-bounded"
        } else if looks {
            matches!(record.outcome, Outcome::Denied { .. })
        } else {
            matches!(record.outcome, Outcome::Inconclusive { .. })
        };
        assert!(as_it_must, "{} is {:?}", record.id, record.outcome);
    }
    assert_eq!(everything(), before);
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_plan_names_the_rights_that_are_missing_and_makes_nothing() {
    let before = everything();
    let reader = Account::with("bad-input-reader", "get,list,watch");
    let ended = start(&reader.suite(), &["--suite", "oke", "--plan"]).end(A_RUN);
    drop(reader);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let name = live::name();
    let mut plan = ended.stdout.replace(&live::server(), "[server]");
    for (before, after) in [("kind-", " "), (" ", "-worker"), (" ", "-control-plane")] {
        plan = plan.replace(&format!("{before}{name}{after}"), &format!("{before}[range]{after}"));
    }
    assert_snapshot!(plan);
    assert_eq!(everything(), before);
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_run_sends_no_more_requests_and_starts_no_more_probes_than_its_plan_says() {
    let suite = suite();
    let sparing = ci::suite_program::sparing(|_| false);
    let plan = start(&suite, &[&["--suite", "oke", "--plan"], sparing.as_slice()].concat()).end(A_RUN).stdout;
    let number = |before: &str| {
        let (_, rest) = plan.split_once(before).unwrap_or_else(|| panic!("{plan}"));
        rest.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let (probes, requests) = (number("it would make up to "), number("it would send up to "));
    start(&suite, &["--suite", "oke"]).end(A_RUN);
    let run = record(&suite);
    // A promise a reader can do something with: not more, and not many times as much either.
    assert!(run.requests <= requests && requests <= 3 * run.requests, "{} of {requests} requests", run.requests);
    assert_eq!(run.probes.len() as u64, probes);
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_credential_that_may_not_even_read() {
    let stranger = Account::with("bad-input-stranger", "watch");
    let ended = start(&stranger.suite(), &[]).end(A_RUN);
    drop(stranger);
    assert_snapshot!(ended.sentence().replace(&live::context(), "[context]"), @r#"error: system:serviceaccount:kube-system:bad-input-stranger cannot list nodes in cluster [context] (nodes is forbidden: User "system:serviceaccount:kube-system:bad-input-stranger" cannot list resource "nodes" in API group "" at the cluster scope): grant it that, or use another credential"#);
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn an_agent_image_that_no_node_has() {
    let before = everything();
    let suite = suite();
    let absent = format!("127.0.0.1:1/absent@sha256:{}", "0".repeat(64));
    let ended = start(&suite, &["--agent-image", &absent]).end(Duration::from_secs(120));
    assert_eq!(ended.code, Some(101), "{}{}", ended.stdout, ended.stderr);
    let run = record(&suite);
    for id in ["metadata/endpoint-unreachable", "network/namespaces-isolated"] {
        let found = run.scenarios.iter().find(|record| record.id == id).unwrap();
        let Outcome::Inconclusive { why } = &found.outcome else { panic!("{id}: {:?}", found.outcome) };
        assert!(why.contains("ErrImagePull") || why.contains("ImagePullBackOff"), "{id}: {why}");
        assert!(why.contains("--agent-image"), "{id}: {why}");
    }
    assert_eq!(everything(), before);
}

#[rstest]
#[case::refused(Proxy::close)]
#[case::silent(Proxy::fall_silent)]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn an_api_server_that_goes_half_way(#[case] go: fn(&Proxy)) {
    let before = everything();
    let proxy = Proxy::to(live::server());
    let suite = Suite::new().kubeconfig(&live::kubeconfig().replace(&live::server(), &proxy.address.to_string()));
    let began = Instant::now();
    let started = start(&suite, &["--suite", "oke"]);
    half_way(&started);
    go(&proxy);
    let gone_ms = began.elapsed().as_millis() as u64;
    let ended = started.end(Duration::from_secs(180));
    assert!(ended.code.is_some_and(|code| code != 0), "{}", ended.stdout);
    assert!(ended.sentence().contains("cargo xtask sweep"), "{}", ended.stderr);

    let run = record(&suite);
    let listed = suite.run(&["--list"]).stdout.lines().filter(|line| line.ends_with(": test")).count();
    let spared = ci::suite_program::CROWDED.len();
    assert_eq!(run.scenarios.len(), listed - spared, "a scenario is missing from the record");
    assert!(run.totals().inconclusive > 0, "{}", ended.stdout);
    for record in &run.scenarios {
        let judged_in_time = record.started_ms + record.elapsed_ms <= gone_ms;
        assert!(judged_in_time || !matches!(record.outcome, Outcome::Denied { .. }), "{record:?}");
    }
    sweep();
    assert_eq!(everything(), before);
}

#[rstest]
#[case::ctrl_c("INT", 130)]
#[case::terminated("TERM", 143)]
#[case::terminal_gone("HUP", 129)]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_signal_half_way(#[case] name: &str, #[case] code: i32) {
    let before = everything();
    let suite = suite();
    let started = start(&suite, &[]);
    half_way(&started);
    signal(name, started.pid());
    let Ended { code: ended, stderr, .. } = started.end(A_RUN);
    assert_eq!(ended, Some(code), "{stderr}");
    assert_eq!(stderr.trim(), "interrupted: taking away what the run has made");
    assert_eq!(everything(), before);
}

/// Points of a run, in milliseconds from its start, that differ from one test run to the next.
fn points(count: usize) -> Vec<u64> {
    let whole_ms = 12_000;
    let random = std::hash::RandomState::new();
    (0..count).map(|number| random.hash_one(number) % whole_ms).collect()
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn what_killed_runs_leave_goes_with_one_sweep() {
    let before = everything();
    let mut left_something = 0;
    // Four at a time: their probes all fit into the namespaces' quotas.
    for killed_after_ms in points(20).chunks(4) {
        for after in killed_after_ms {
            let suite = suite();
            let started = start(&suite, &[]);
            std::thread::sleep(Duration::from_millis(*after));
            signal("KILL", started.pid());
            started.end(A_RUN);
        }
        left_something += usize::from(sweep().starts_with("what "));
        assert_eq!(everything(), before, "killed after {killed_after_ms:?} ms");
    }
    assert!(left_something > 2, "most runs were over before they were killed, or had not begun");
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_reader_that_goes_away_changes_nothing() {
    let before = everything();
    let suite = suite();
    let context = live::context();
    let sparing = ci::suite_program::sparing(|_| false);
    let arguments = [&["--report-dir", "reports", "--cluster", &context], sparing.as_slice()].concat();
    let started = suite.start_unread(&arguments);
    assert_eq!(started.end(A_RUN).code, Some(0));
    assert!(record(&suite).totals().passed > 0);
    assert_eq!(everything(), before);
}

/// An APIService that points to a Service that is not there, until it is dropped.
struct Down;

impl Down {
    const NAME: &str = "v1.nowhere.example";

    fn apply() -> Self {
        let manifest = format!(
            r#"{{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","metadata":{{"name":"{}"}},"spec":{{"group":"nowhere.example",
            "version":"v1","groupPriorityMinimum":100,"versionPriority":100,"insecureSkipTLSVerify":true,"service":{{"namespace":"default",
            "name":"nowhere"}}}}}}"#,
            Self::NAME
        );
        live::kubectl_with(&["create", "--filename=-"], &manifest);
        Self
    }
}

impl Drop for Down {
    fn drop(&mut self) {
        kubectl(&["delete", "apiservice", Self::NAME]);
    }
}

/// What there is of `kinds`, where the cluster cannot say which kinds there are.
fn objects(kinds: &str) -> BTreeSet<String> {
    let columns = "--output=custom-columns=:kind,:metadata.namespace,:metadata.name";
    let objects = kubectl(&["get", kinds, "--all-namespaces", "--no-headers", columns]);
    objects.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn namespaces_of_runs() -> Vec<String> {
    let label = format!("--selector={}", harness::sandbox::RUN);
    let names = kubectl(&["get", "namespaces", &label, "--output=jsonpath={.items[*].metadata.name}"]);
    names.split_whitespace().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn an_api_service_that_is_down_holds_namespaces_and_fails_no_run() {
    let before = everything();
    let kinds = kubectl(&["api-resources", "--verbs=list", "--output=name"]);
    let kinds = kinds.lines().filter(|kind| !kind.starts_with("events")).collect::<Vec<_>>().join(",");
    let objects_before = objects(&kinds);
    let down = Down::apply();

    let suite = suite();
    let arguments = ["network/policy-enforced", "--report-dir", "reports", "--cluster", &live::context()];
    let ended = suite.start(&arguments).end(A_RUN);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(record(&suite).totals().passed > 0, "{}", ended.stdout);
    let held = namespaces_of_runs();
    assert!(!held.is_empty(), "no namespace is held: {}", ended.stderr);
    let warning = ended.stderr.trim();
    assert!(warning.starts_with("warning: ") && !warning.contains('\n'), "{warning}");
    let named = ["NamespaceDeletionDiscoveryFailure", "nowhere.example/v1"].map(str::to_owned);
    assert!(held.iter().chain(&named).all(|word| warning.contains(word)), "{held:?}: {warning}");

    // Nothing else is left, in the namespaces or anywhere, and what is left is nobody's to wait for.
    let left: BTreeSet<String> = &objects(&kinds) - &objects_before;
    let expected = held.iter().map(|name| format!("Namespace <none> {name}"));
    assert_eq!(left, expected.chain([format!("APIService <none> {}", Down::NAME)]).collect());
    assert!(sweep().starts_with("no run has left anything"));

    drop(down);
    // The namespace controller tries again every minute, at the latest.
    let until = Instant::now() + Duration::from_secs(90);
    while !namespaces_of_runs().is_empty() {
        assert!(Instant::now() < until, "{:?} are still there", namespaces_of_runs());
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(everything(), before);
}

//! What may go wrong with a cluster that is there, before a run and in the middle of it: no verdict without a judgement, and the
//! cluster is afterwards as it was before. `OKE_CONFORMANCE_RANGE` names the range; `--test-threads=1`, for the cluster is compared.

mod live;
mod proxy;
mod suite;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ci::prove::Seed;
use ci::representatives::drawn;
use ci::suite_program::{CROWDED, asking, sparing};

use harness::record::{Outcome, Run};
use harness::rights;
use harness::scenario::{Entry, Impact};
use insta::assert_snapshot;
use rstest::rstest;
use serde_json::json;

use live::{everything, kubectl};
use proxy::Proxy;
use suite::{Ended, Started, Suite};

/// Longer than any run here takes that is not held up.
const A_RUN: Duration = Duration::from_secs(120);

/// The suite as the range's administrator starts it.
fn suite() -> Suite {
    Suite::new().kubeconfig(&live::kubeconfig())
}

/// Starts the suite with `more` on its command line.
fn start(suite: &Suite, more: &[&str]) -> Started {
    suite.start(&[&["--report-dir", "reports", "--cluster", &live::context()], more].concat())
}

/// What draws the scenarios of [`FEW`].
static SEED: LazyLock<Seed> = LazyLock::new(|| {
    let given = std::env::var("OKE_CONFORMANCE_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_default();
    eprintln!("OKE_CONFORMANCE_SEED={seed} draws the same scenarios");
    seed
});

/// One scenario of each kind, dry runs and probes: what happens to a run as such happens to these. Without crowds, which make nothing of
/// another kind.
static FEW: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let drawn = drawn(&scenarios::all(), *SEED).into_iter();
    drawn.filter(|id| !CROWDED.contains(id)).collect()
});

/// A run of these, however far they go.
fn start_few(suite: &Suite, more: &[&str]) -> Started {
    let few = asking(|id| FEW.contains(id));
    start(suite, &[&["--suite", "oke"], more, few.as_slice()].concat())
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
fn a_run_leaves_nothing_and_does_no_more_than_its_plan_says() {
    let before = everything();
    let suite = suite();
    let all = [&["--suite", "oke"], sparing(|_| false).as_slice()].concat();
    let plan = start(&suite, &[&["--plan"], all.as_slice()].concat()).end(A_RUN).stdout;
    let number = |before: &str| {
        let (_, rest) = plan.split_once(before).unwrap_or_else(|| panic!("{plan}"));
        rest.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let (probes, requests) = (number("it would make up to "), number("it would send up to "));
    let ended = start(&suite, &all).end(A_RUN);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let run = record(&suite);
    assert!(run.scenarios.iter().any(|record| matches!(record.outcome, Outcome::Denied { .. })));
    // A promise a reader can do something with: not more, and not many times as much either.
    assert!(run.requests <= requests && requests <= 3 * run.requests, "{} of {requests} requests", run.requests);
    assert_eq!(run.probes.len() as u64, probes);
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
    let ended = start(&suite, &sparing(|_| false)).end(A_RUN);
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

/// Whatever is asked in another's name is asked by the administrator then, and nobody's denial is a deployer's.
#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_proxy_that_brings_a_credential_of_its_own() {
    let before = everything();
    let proxy = live::AdministratorsProxy::new();
    let whoever = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{ "name": "behind", "cluster": { "server": proxy.server } }],
        "users": [{ "name": "whoever", "user": { "token": "any" } }],
        "contexts": [{ "name": "behind", "context": { "cluster": "behind", "user": "whoever" } }],
    });
    let suite = Suite::new().kubeconfig(&whoever.to_string());
    let ended = suite.run(&["--report-dir", "reports", "--cluster", "behind", "--suite", "quick"]);
    drop(proxy);
    assert_eq!(ended.code, Some(101), "{}{}", ended.stdout, ended.stderr);
    let all = scenarios::all();
    // What ended with an older Kubernetes asks nobody.
    let as_somebody = |id: &str| {
        let needs = |of: &&Entry| of.id == id && of.scenario.needs.contains(&rights::AS_DEPLOYER);
        !id.starts_with("pod_security/psp-") && all.iter().any(|of| needs(&of))
    };
    let asked: Vec<_> = record(&suite).scenarios.into_iter().filter(|record| as_somebody(&record.id)).collect();
    assert!(asked.len() > 20, "{}", ended.stdout);
    for record in asked {
        let Outcome::Inconclusive { why, .. } = &record.outcome else {
            panic!("{} is {:?}", record.id, record.outcome)
        };
        assert!(
            why.contains("has a credential of its own") && why.contains("kubernetes-admin"),
            "{}: {why}",
            record.id
        );
    }
    assert_eq!(everything(), before);
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
    let ids = ["metadata/endpoint-unreachable", "network/namespaces-isolated"];
    let these = asking(|id| ids.contains(&id));
    let ended = start(&suite, &[&["--agent-image", &absent], these.as_slice()].concat()).end(A_RUN);
    assert_eq!(ended.code, Some(101), "{}{}", ended.stdout, ended.stderr);
    let run = record(&suite);
    for id in ids {
        let found = run.scenarios.iter().find(|record| record.id == id).unwrap();
        let Outcome::Inconclusive { why, .. } = &found.outcome else { panic!("{id}: {:?}", found.outcome) };
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
    let started = start_few(&suite, &[]);
    half_way(&started);
    go(&proxy);
    let gone_ms = began.elapsed().as_millis() as u64;
    let ended = started.end(Duration::from_secs(180));
    assert!(ended.code.is_some_and(|code| code != 0), "{}", ended.stdout);
    assert!(ended.sentence().contains("cargo xtask sweep"), "{}", ended.stderr);

    let run = record(&suite);
    let recorded: BTreeSet<String> = run.scenarios.iter().map(|record| record.id.clone()).collect();
    assert_eq!(recorded, *FEW, "a scenario is missing from the record");
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
    let started = start_few(&suite, &[]);
    half_way(&started);
    signal(name, started.pid());
    let Ended { code: ended, stderr, .. } = started.end(A_RUN);
    assert_eq!(ended, Some(code), "{stderr}");
    assert_eq!(stderr.trim(), "interrupted: taking away what the run has made");
    assert_eq!(everything(), before);
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn who_asks_twice_does_not_wait_and_is_told_what_to_do() {
    let before = everything();
    let suite = suite();
    let started = start_few(&suite, &[]);
    half_way(&started);
    signal("INT", started.pid());
    // Signals of one kind that wait to be heard are one.
    std::thread::sleep(Duration::from_millis(200));
    signal("INT", started.pid());
    let Ended { code, stderr, .. } = started.end(A_RUN);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(
        stderr
            .contains(&format!("interrupted again: what the run has made may still be in cluster {}", live::context())),
        "{stderr}"
    );
    assert!(stderr.contains("cargo xtask sweep --cluster"), "{stderr}");
    sweep();
    assert_eq!(everything(), before);
}

/// A place at the API server that is too small for a run of this account: what is beyond it is turned away, 429, until this is dropped.
struct Cramped;

impl Cramped {
    const NAME: &str = "bad-input-cramped";

    fn apply(account: &str) -> Self {
        let level = r#"{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"PriorityLevelConfiguration","metadata":{"name":"[name]"},
            "spec":{"type":"Limited","limited":{"nominalConcurrencyShares":1,"lendablePercent":0,"borrowingLimitPercent":0,"limitResponse":{"type":"Reject"}}}}"#;
        let flow = r#"{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema","metadata":{"name":"[name]"},
            "spec":{"matchingPrecedence":2,"priorityLevelConfiguration":{"name":"[name]"},"rules":[{
                "subjects":[{"kind":"ServiceAccount","serviceAccount":{"namespace":"kube-system","name":"[account]"}}],
                "resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"],"clusterScope":true}]}]}}"#;
        let cramped = Self;
        for manifest in [level, flow] {
            let manifest = manifest.replace("[name]", Self::NAME).replace("[account]", account);
            live::kubectl_with(&["create", "--filename=-"], &manifest);
        }
        cramped
    }

    /// How many requests it has turned away so far.
    fn turned_away() -> f64 {
        let metrics = kubectl(&["get", "--raw", "/metrics"]);
        let of_this = format!("flow_schema=\"{}\"", Self::NAME);
        let rejected = metrics.lines().filter(|line| {
            line.starts_with("apiserver_flowcontrol_rejected_requests_total{") && line.contains(&of_this)
        });
        rejected.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

impl Drop for Cramped {
    fn drop(&mut self) {
        for kind in ["flowschema", "prioritylevelconfiguration"] {
            kubectl(&["delete", kind, Self::NAME, "--ignore-not-found"]);
        }
    }
}

/// A run that has made probes, where one that is turned away before it has begun says so and ends.
fn begun(suite: &Suite) -> Started {
    let began = Instant::now();
    loop {
        let started = start_few(suite, &[]);
        let refused = || started.said("stderr").contains("error: ");
        while live::probes().is_empty() && !refused() {
            assert!(began.elapsed() < A_RUN, "no probe: {:?}", started.said("stderr"));
        }
        if !refused() {
            return started;
        }
        let ended = started.end(A_RUN);
        assert!(ended.stderr.contains("Too many requests"), "{}", ended.stderr);
    }
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_signal_while_the_pace_is_at_its_lowest() {
    let before = everything();
    let account = Account::with("bad-input-cramped", "*");
    let suite = account.suite();
    let cramped = Cramped::apply(account.name);
    let beside = everything();
    let turned_away = Cramped::turned_away();
    let started = begun(&suite);
    // Each halves the pace, down to four requests and attempts; the sweep is turned away as well now and then.
    let began = Instant::now();
    while Cramped::turned_away() < turned_away + 8.0 {
        assert!(began.elapsed() < A_RUN, "nothing is turned away: {:?}", started.said("stdout"));
    }
    signal("INT", started.pid());
    let Ended { code, stderr, .. } = started.end(A_RUN);
    // What could not be looked for at the beginning is told before.
    let last = stderr.lines().last();
    assert_eq!((code, last), (Some(130), Some("interrupted: taking away what the run has made")), "{stderr}");
    assert_eq!(everything(), beside);
    drop(cramped);
    drop(account);
    assert_eq!(everything(), before);
}

/// Points of a run that takes so long, one in each of as many parts of it, in an order that mixes early and late ones.
fn points(count: u64, whole: Duration, seed: Seed) -> Vec<Duration> {
    let part_ms = whole.as_millis() as u64 / count;
    let mut points: Vec<(u64, u64)> =
        (0..count).map(|part| (part, part * part_ms + seed.rank(part) % part_ms)).collect();
    points.sort_by_key(|(part, _)| seed.rank(('-', part)));
    points.into_iter().map(|(_, at_ms)| Duration::from_millis(at_ms)).collect()
}

#[test]
fn points_are_all_over_a_run() {
    for _ in 0..20 {
        let mut points = points(12, Duration::from_secs(6), Seed::new());
        points.sort();
        for (part, point) in (0..).zip(&points) {
            assert_eq!(point.as_millis() / 500, part);
        }
    }
}

/// How many runs are killed, and how many of them side by side: what these leave together fits into the namespaces' quotas.
const KILLED: (u64, usize) = (12, 4);

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn what_killed_runs_leave_goes_with_one_sweep() {
    let before = everything();
    let whole = start_few(&suite(), &[]).end(A_RUN).elapsed;
    let mut left_something = 0;
    for killed_after in points(KILLED.0, whole, *SEED).chunks(KILLED.1) {
        let runs: Vec<(Suite, Started, &Duration)> = killed_after
            .iter()
            .map(|after| {
                let suite = suite();
                let started = start_few(&suite, &[]);
                (suite, started, after)
            })
            .collect();
        let began = Instant::now();
        let mut runs = runs;
        runs.sort_by_key(|(_, _, after)| **after);
        for (_, started, after) in runs {
            std::thread::sleep(after.saturating_sub(began.elapsed()));
            signal("KILL", started.pid());
            started.end(A_RUN);
        }
        left_something += usize::from(sweep().starts_with("what "));
        assert_eq!(everything(), before, "killed after {killed_after:?}");
    }
    assert!(left_something > 1, "most runs were over before they were killed, or had not begun");
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_reader_that_goes_away_changes_nothing() {
    let before = everything();
    let suite = suite();
    let context = live::context();
    let few = asking(|id| FEW.contains(id));
    let arguments = [&["--report-dir", "reports", "--suite", "oke", "--cluster", &context], few.as_slice()].concat();
    let started = suite.start_unread(&arguments);
    assert_eq!(started.end(A_RUN).code, Some(0));
    assert!(record(&suite).totals().passed > 0);
    assert_eq!(everything(), before);
}

/// Somebody's pod that no probe may be beside, on any node: the scheduler leaves each of them Pending. It starts nothing itself.
struct Unsociable;

const UNSOCIABLE: &str = r#"{
    "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "bad-input-unsociable", "namespace": "kube-system" },
    "spec": {
        "nodeName": "[node]", "terminationGracePeriodSeconds": 0,
        "containers": [{ "name": "none", "image": "none.invalid/none", "imagePullPolicy": "Never" }],
        "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{
            "labelSelector": { "matchExpressions": [{ "key": "oke-conformance/probe", "operator": "Exists" }] },
            "namespaceSelector": {}, "topologyKey": "kubernetes.io/os"
        }] } }
    }
}"#;

impl Unsociable {
    fn somewhere() -> Self {
        let node = format!("{}-worker", live::name());
        live::kubectl_with(&["create", "--filename=-"], &UNSOCIABLE.replace("[node]", &node));
        Self
    }
}

impl Drop for Unsociable {
    fn drop(&mut self) {
        kubectl(&["delete", "pod", "bad-input-unsociable", "--namespace=kube-system", "--ignore-not-found", "--wait"]);
    }
}

/// Waits until the scheduler has said of `count` pods of any run that there is no place for them.
fn pending(count: usize, started: &Started) {
    let columns =
        r#"--output=jsonpath={range .items[*]}{.status.conditions[?(@.type=="PodScheduled")].reason}{"\n"}{end}"#;
    let arguments = ["get", "pods", "--all-namespaces", "--selector", "oke-conformance/probe", columns];
    let began = Instant::now();
    while kubectl(&arguments).lines().filter(|reason| *reason == "Unschedulable").count() < count {
        assert!(began.elapsed() < A_RUN, "no probe is pending: {:?}", started.said("stderr"));
    }
}

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn a_pod_that_stays_pending_and_a_signal_meanwhile() {
    let before = everything();
    let unsociable = Unsociable::somewhere();
    let beside = everything();
    let dry_and_probe = asking(|id| ["metadata/endpoint-unreachable", "pod_security/privileged"].contains(&id));
    let (interrupted, patient) = (suite(), suite());
    let first = start(&interrupted, &dry_and_probe);
    pending(1, &first);
    signal("INT", first.pid());
    let Ended { code, stderr, .. } = first.end(A_RUN);
    assert_eq!((code, stderr.trim()), (Some(130), "interrupted: taking away what the run has made"));
    assert_eq!(everything(), beside, "a run that was interrupted while it waited has left something");

    let ended = start(&patient, &dry_and_probe).end(A_RUN);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(101), ""), "{}", ended.stdout);
    let run = record(&patient);
    let outcome = |id: &str| &run.scenarios.iter().find(|record| record.id == id).unwrap().outcome;
    let Outcome::Inconclusive { why, .. } = outcome("metadata/endpoint-unreachable") else {
        panic!("{}", ended.stdout)
    };
    // The scheduler's own words.
    assert!(why.contains("nodes are available") && why.contains("anti-affinity"), "{why}");
    // Whoever needs no pod has no need to wait.
    assert!(matches!(outcome("pod_security/privileged"), Outcome::Denied { .. }), "{}", ended.stdout);
    assert_eq!(everything(), beside);
    drop(unsociable);
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
    let arguments = ["network/cluster-still-works", "--report-dir", "reports", "--cluster", &live::context()];
    let ended = suite.start(&arguments).end(A_RUN);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(record(&suite).totals().passed > 0, "{}", ended.stdout);
    let held = namespaces_of_runs();
    assert!(!held.is_empty(), "no namespace is held: {}", ended.stderr);
    let (before_it, warning) = ended.stderr.trim().split_once('\n').unwrap();
    assert!(before_it.starts_with("warning: ") && before_it.contains(Down::NAME), "{before_it}");
    assert!(warning.starts_with("warning: ") && !warning.contains('\n'), "{warning}");
    let named = ["NamespaceDeletionDiscoveryFailure", "nowhere.example/v1"].map(str::to_owned);
    assert!(held.iter().chain(&named).all(|word| warning.contains(word)), "{held:?}: {warning}");

    // Nothing else is left, in the namespaces or anywhere, and what is left is nobody's to wait for.
    let left: BTreeSet<String> = &objects(&kinds) - &objects_before;
    let expected = held.iter().map(|name| format!("Namespace <none> {name}"));
    assert_eq!(left, expected.chain([format!("APIService <none> {}", Down::NAME)]).collect());
    assert!(sweep().starts_with("no run has left anything"));

    drop(down);
    // The namespace controller tries again later and later, or when a namespace changes.
    let label = format!("--selector={}", harness::sandbox::RUN);
    kubectl(&["annotate", "namespaces", &label, "oke-conformance/bad-input=over"]);
    let until = Instant::now() + Duration::from_secs(90);
    while !namespaces_of_runs().is_empty() {
        assert!(Instant::now() < until, "{:?} are still there", namespaces_of_runs());
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(everything(), before);
}

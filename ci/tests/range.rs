//! A range comes up, and leaves nothing behind whichever way it ends. Each test makes a cluster: `cargo test -p ci --test
//! range -- --ignored --test-threads=1`.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ci::range::{Lifetime, Progress, RANGE_LABEL, Range};

fn quiet() -> Progress {
    Arc::new(|line: &str| eprintln!("{line}"))
}

fn docker(args: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What a range may leave: containers, networks, volumes, its kubeconfig's directory.
fn traces(range: &str) -> Vec<String> {
    let filter = format!("label={RANGE_LABEL}={range}");
    let mut traces = docker(&["ps", "--all", "--quiet", "--filter", &filter]);
    traces.extend(docker(&["network", "ls", "--quiet", "--filter", &filter]));
    traces.extend(docker(&["volume", "ls", "--quiet", "--filter", &filter]));
    let state =
        std::env::var("XDG_STATE_HOME").unwrap_or_else(|_| format!("{}/.local/state", std::env::var("HOME").unwrap()));
    let dir = std::path::Path::new(&state).join("oke-conformance").join(range);
    traces.extend(dir.exists().then(|| dir.display().to_string()));
    traces
}

/// A range whose process can be killed: the test runs itself again as that process.
const CHILD: &str = "RANGE_TEST_CHILD";

fn child(range: &str) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "the_child", "--nocapture"])
        .env(CHILD, range)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is run by the tests that kill it"]
async fn the_child() {
    if let Ok(name) = std::env::var(CHILD) {
        let _range = Range::up(&name, Lifetime::ThrowAway, quiet()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes a cluster"]
async fn a_throw_away_range_is_three_ready_nodes_and_ends_without_a_trace() {
    let before = traces("test-whole");
    let range = Range::up("test-whole", Lifetime::ThrowAway, quiet()).await.unwrap();
    let nodes = Command::new("docker")
        .args(["exec", "test-whole-control-plane", "kubectl", "get", "nodes", "--no-headers"])
        .output()
        .unwrap();
    let nodes = String::from_utf8(nodes.stdout).unwrap();
    assert_eq!(nodes.lines().filter(|line| line.split_whitespace().nth(1) == Some("Ready")).count(), 3, "{nodes}");
    assert!(range.kubeconfig().is_file());
    range.down().await.unwrap();
    assert_eq!(traces("test-whole"), before);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes a cluster"]
async fn a_panic_leaves_no_trace() {
    let before = traces("test-panic");
    let run = tokio::spawn(async {
        // The future of `up` stays on its thread; the range it becomes need not.
        let _range = tokio::task::spawn_blocking(|| {
            tokio::runtime::Handle::current().block_on(Range::up("test-panic", Lifetime::ThrowAway, quiet()))
        })
        .await
        .unwrap()
        .unwrap();
        panic!("on purpose");
    });
    assert!(run.await.unwrap_err().is_panic());
    assert_eq!(traces("test-panic"), before);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes a cluster"]
async fn one_given_up_half_way_leaves_no_trace() {
    let before = traces("test-half");
    // While containers are being made, while kubeadm runs.
    for seconds in [1, 3, 8] {
        let up = Range::up("test-half", Lifetime::ThrowAway, quiet());
        assert!(tokio::time::timeout(Duration::from_secs(seconds), up).await.is_err(), "up within {seconds} s");
        assert_eq!(traces("test-half"), before, "given up after {seconds} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes a cluster"]
async fn what_a_killed_process_leaves_goes_with_the_next_sweep() {
    let before = traces("test-killed");
    let mut child = child("test-killed");
    let begun = Instant::now();
    while docker(&["ps", "--quiet", "--filter", &format!("label={RANGE_LABEL}=test-killed")]).len() < 4 {
        assert!(begun.elapsed() < Duration::from_secs(120), "the range does not come up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Its process is alive: the range is a neighbour's.
    assert!(!Range::sweep().unwrap().contains(&"test-killed".to_owned()));
    let taken = Range::up("test-killed", Lifetime::ThrowAway, quiet()).await.unwrap_err();
    assert!(taken.to_string().contains("in use by process"), "{taken}");

    child.kill().unwrap();
    child.wait().unwrap();
    assert!(Range::sweep().unwrap().contains(&"test-killed".to_owned()));
    assert_eq!(traces("test-killed"), before);
}

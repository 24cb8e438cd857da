//! The scenarios about PodSecurityPolicy, against an API server of 1.24. It makes containers: `cargo test -p ci --test before_1_25 --
//! --ignored --test-threads=1`.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ci::api_server::before_1_25;
use ci::range::{Progress, RANGE_LABEL, Range};

fn progress() -> Progress {
    Arc::new(|line: &str| eprintln!("{line}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes an API server"]
async fn each_scenario_is_denied_and_fails_under_its_sabotage() {
    before_1_25::prove(&progress()).await.unwrap();
    assert_eq!(traces(std::process::id()), [""; 0]);
}

/// Its process can be killed: the test runs itself again as that process.
const CHILD: &str = "BEFORE_1_25_TEST_CHILD";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is run by the test that kills it"]
async fn the_child() {
    if std::env::var_os(CHILD).is_some() {
        let _server = before_1_25::up(&progress()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes an API server"]
async fn what_a_killed_process_leaves_goes_with_the_next_sweep() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "the_child", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    // The network, etcd, the API server, the controllers.
    while traces(child.id()).len() < 4 {
        assert!(begun.elapsed() < Duration::from_secs(120), "it does not come up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = format!("before-1-25-{}", child.id());
    assert!(Range::sweep().unwrap().contains(&left));
    assert_eq!(traces(child.id()), [""; 0]);
}

/// What there is of the old API server of a process: containers, networks, files.
fn traces(pid: u32) -> Vec<String> {
    let name = format!("before-1-25-{pid}");
    let filter = format!("label={RANGE_LABEL}={name}");
    let mut traces = docker(&["ps", "--all", "--quiet", "--filter", &filter]);
    traces.extend(docker(&["network", "ls", "--quiet", "--filter", &filter]));
    let state =
        std::env::var("XDG_STATE_HOME").unwrap_or_else(|_| format!("{}/.local/state", std::env::var("HOME").unwrap()));
    let files = std::path::Path::new(&state).join("oke-conformance").join(name);
    traces.extend(files.join("tokens.csv").exists().then(|| files.display().to_string()));
    traces
}

fn docker(args: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

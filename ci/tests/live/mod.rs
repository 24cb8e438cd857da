//! The range that is up, seen by its administrator.
#![allow(dead_code, unused_imports, reason = "each test program uses its part of it")]

mod bystander;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ci::range::Range;
use tokio::runtime::Runtime;

pub use bystander::Bystander;

/// What every object of a run carries.
const RUN: &str = "oke-conformance/run";

fn range() -> &'static Range {
    static RANGE: OnceLock<Range> = OnceLock::new();
    RANGE.get_or_init(|| {
        let name = std::env::var("OKE_CONFORMANCE_RANGE").unwrap_or_else(|_| "range".into());
        Runtime::new().unwrap().block_on(Range::attach(&name)).expect("no range is up")
    })
}

/// Its name.
pub fn name() -> String {
    range().name().to_owned()
}

/// The context of its administrator.
pub fn context() -> String {
    range().context()
}

/// The administrator's kubeconfig.
pub fn kubeconfig() -> String {
    fs::read_to_string(range().kubeconfig()).unwrap()
}

/// Where its API server listens on this machine.
pub fn server() -> String {
    let kubeconfig = kubeconfig();
    kubeconfig.lines().find_map(|line| line.trim().strip_prefix("server: https://")).unwrap().to_owned()
}

/// The range's kubeconfig for whoever holds `token`.
pub fn kubeconfig_with(token: &str) -> String {
    let kubeconfig = kubeconfig();
    let lines = kubeconfig.lines().filter(|line| !line.contains("client-key-data"));
    let lines = lines.map(|line| match line.split_once("client-certificate-data") {
        Some((indent, _)) => format!("{indent}token: {token}\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// The network of its nodes.
pub fn network() -> String {
    format!("oke-conformance-{}", range().name())
}

/// What kubectl says, as the administrator.
pub fn kubectl(arguments: &[&str]) -> String {
    kubectl_with(arguments, "")
}

/// ... where it reads `input`.
pub fn kubectl_with(arguments: &[&str], input: &str) -> String {
    let control_plane = format!("{}-control-plane", range().name());
    let kubectl = ["exec", "--interactive", &control_plane, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"];
    let mut command = Command::new("docker");
    let command = command.args(kubectl).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut kubectl = command.stderr(Stdio::piped()).spawn().unwrap();
    // Closed behind the last byte, or kubectl waits for more.
    kubectl.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = kubectl.wait_with_output().unwrap();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// `kubectl proxy` beside the API server: whoever comes is the administrator, whatever token he brings. Gone when dropped.
pub struct AdministratorsProxy {
    kubectl: Child,
    /// Where it listens, as this machine sees it.
    pub server: String,
}

impl AdministratorsProxy {
    const PORT: u16 = 18_001;

    pub fn new() -> Self {
        let control_plane = format!("{}-control-plane", range().name());
        let listen = format!("--address=0.0.0.0 --accept-hosts=.* --port={}", Self::PORT);
        // It ends with what is held of its input: ending `docker exec` alone would leave it.
        let script = format!("kubectl --kubeconfig=/etc/kubernetes/admin.conf proxy {listen} & cat; kill $!; wait");
        let mut command = Command::new("docker");
        let command = command.args(["exec", "--interactive", &control_plane, "sh", "-c", &script]);
        let mut kubectl = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It says where it serves once it does.
        let said = BufReader::new(kubectl.stdout.as_mut().unwrap()).lines().next().unwrap().unwrap();
        assert!(said.starts_with("Starting to serve on"), "{said}");
        let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = Command::new("docker").args(["inspect", "--format", address, &control_plane]).output().unwrap();
        let address = String::from_utf8(address.stdout).unwrap();
        Self { kubectl, server: format!("http://{}:{}", address.trim(), Self::PORT) }
    }
}

impl Drop for AdministratorsProxy {
    fn drop(&mut self) {
        drop(self.kubectl.stdin.take());
        let _ = self.kubectl.wait();
    }
}

/// Waits until no quota counts pods that are gone: runs that follow each other closely are ahead of its controller on a busy machine, and
/// a quota that is full for that reason refuses a probe as well.
pub fn quotas_caught_up() {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let used = kubectl(&[
            "get",
            "resourcequotas",
            "--all-namespaces",
            r#"--output=jsonpath={range .items[*]}{.metadata.namespace} {.status.used.pods}{"\n"}{end}"#,
        ]);
        let pods = kubectl(&[
            "get",
            "pods",
            "--all-namespaces",
            "--field-selector=status.phase!=Succeeded,status.phase!=Failed",
            r#"--output=jsonpath={range .items[*]}{.metadata.namespace}{"\n"}{end}"#,
        ]);
        let ahead = used.lines().find(|line| {
            let (namespace, used) = line.split_once(' ').unwrap_or((line, ""));
            used.parse().is_ok_and(|used: usize| used > pods.lines().filter(|of| *of == namespace).count())
        });
        let Some(ahead) = ahead else { return };
        assert!(Instant::now() < until, "a quota counts pods that are gone: {ahead}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Pods of any run.
pub fn probes() -> Vec<String> {
    kubectl(&["get", "pods", "--all-namespaces", "--selector", RUN, "--output=name"])
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Every object that can be listed, in all namespaces: which it is, whether it was made anew, and its labels.
pub fn everything() -> Vec<String> {
    Runtime::new().unwrap().block_on(range().objects()).unwrap()
}

//! Runs the built agent on this machine: the one for this architecture, and the other under qemu where that is installed.
#![allow(dead_code, reason = "each test target uses its part")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use harness::probe::agent::binary;
use serde_json::Value;

/// Discard: nobody listens there any more, and it is below the ports that another test may be given.
pub const CLOSED_PORT: u16 = 9;

pub struct Agent {
    emulator: Option<PathBuf>,
    path: PathBuf,
}

/// Written before anything is spawned: a file that a forked child still holds open for writing cannot be executed.
static AGENTS: LazyLock<Vec<Agent>> = LazyLock::new(|| {
    let native = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let mut agents = vec![Agent { emulator: None, path: write(native).expect("an agent for this machine") }];
    for (arch, qemu) in [("amd64", "qemu-x86_64-static"), ("arm64", "qemu-aarch64-static")] {
        if arch == native {
            continue;
        }
        let emulator =
            ["/usr/bin", "/usr/local/bin"].map(|dir| Path::new(dir).join(qemu)).into_iter().find(|path| path.exists());
        match (write(arch), emulator) {
            (None, _) => println!("skipped {arch}: its agent was not built"),
            (_, None) => println!("skipped {arch}: {qemu} is not installed"),
            (Some(path), emulator) => agents.push(Agent { emulator, path }),
        }
    }
    agents
});

fn write(arch: &str) -> Option<PathBuf> {
    let binary = binary(arch)?;
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("agent-{arch}"));
    if fs::read(&path).is_ok_and(|present| present == binary) {
        return Some(path);
    }
    // Other test processes may be at the same.
    let fresh = path.with_extension(std::process::id().to_string());
    fs::write(&fresh, binary).unwrap();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o555)).unwrap();
    fs::rename(&fresh, &path).unwrap();
    Some(path)
}

/// The agent for this machine.
pub fn native() -> &'static Agent {
    &AGENTS[0]
}

/// Every agent that can be run here.
pub fn all() -> &'static [Agent] {
    &AGENTS
}

/// What a batch said, and how long it took.
#[derive(Debug)]
pub struct Answers {
    pub lines: Vec<Value>,
    pub took: Duration,
}

impl Answers {
    /// The answer to the line with this id.
    pub fn of(&self, id: u64) -> &Value {
        self.lines.iter().find(|line| line["id"] == id).unwrap_or_else(|| panic!("no answer to {id} in {self:#?}"))
    }
}

impl Agent {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn command(&self) -> Command {
        match &self.emulator {
            None => Command::new(&self.path),
            Some(emulator) => {
                let mut command = Command::new(emulator);
                command.arg(&self.path);
                command
            }
        }
    }

    pub fn batch(&self, input: impl AsRef<[u8]>) -> Answers {
        let mut command = self.command();
        command.arg("batch");
        batch(command, input)
    }
}

/// Runs a batch to its end and demands that it ends well.
pub fn batch(mut command: Command, input: impl AsRef<[u8]>) -> Answers {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.as_ref().to_vec();
    // The batch may end before it has read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    let took = started.elapsed();
    writer.join().unwrap();
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}{stdout}", output.status);
    let mut lines: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    let done = lines.pop().expect("a last line");
    assert_eq!(done, serde_json::json!({ "done": lines.len() }));
    Answers { lines, took }
}

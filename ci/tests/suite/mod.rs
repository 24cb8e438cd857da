//! The live suite as a user starts it: the real program, with a home, a working directory and a kubeconfig of its own.
#![allow(dead_code, reason = "each test program uses its part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The program behind `cargo test -- --cluster NAME`, built once for all tests of this process.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| ci::suite_program::built().unwrap())
}

/// Where the reports go, in the working directory, when the arguments say nothing.
pub const REPORTS: &str = "reports";

/// A user's place at the machine: an empty home, an empty PATH, no variable of ours.
pub struct Suite {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Suite {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("oke-conformance-").tempdir().unwrap();
        let home = folder.path().display().to_string();
        let path = folder.path().join("bin");
        fs::create_dir(&path).unwrap();
        Self { variables: vec![("HOME".into(), home), ("PATH".into(), path.display().to_string())], folder }
    }

    /// One more variable, or another value.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// A file in the working directory.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// The kubeconfig that `$KUBECONFIG` names.
    pub fn kubeconfig(self, text: &str) -> Self {
        let path = self.folder().join("kubeconfig").display().to_string();
        self.file("kubeconfig", text).with("KUBECONFIG", &path)
    }

    /// The working directory, which is the home too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the suite.
    pub fn start(&self, arguments: &[&str]) -> Started {
        self.start_in("", arguments)
    }

    /// Starts the suite in a folder below, as cargo starts it in its package's.
    pub fn start_in(&self, folder: &str, arguments: &[&str]) -> Started {
        let output = |name: &str| fs::File::create(self.folder().join(name)).unwrap().into();
        self.start_onto(folder, arguments, output("stdout"), output("stderr"))
    }

    /// Starts the suite before a reader that has gone already, as behind `| head`.
    pub fn start_unread(&self, arguments: &[&str]) -> Started {
        let broken = || std::io::pipe().unwrap().1.into();
        self.start_onto("", arguments, broken(), broken())
    }

    fn start_onto(&self, folder: &str, arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Started {
        // Where nothing is said they would go to the workspace's own folder, over those of whoever works there.
        let says_where = arguments.contains(&"--report-dir");
        let reports: &[&str] = if says_where { &[] } else { &["--report-dir", REPORTS] };
        let child = Command::new(program())
            .args(reports)
            .args(arguments)
            .current_dir(self.folder().join(folder))
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        Started { child, began: Instant::now(), folder: self.folder().to_owned() }
    }

    /// Runs the suite to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end(Duration::from_secs(60))
    }
}

/// A suite at work.
pub struct Started {
    child: Child,
    began: Instant,
    folder: PathBuf,
}

impl Started {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; one that does not come in time is a failure.
    pub fn end(mut self, within: Duration) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.began.elapsed() > within {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("the suite did not end within {} s; it said {:?}", within.as_secs(), self.said("stderr"));
            }
            sleep(Duration::from_millis(5));
        };
        Ended {
            code: status.code(),
            elapsed: self.began.elapsed(),
            stdout: self.said("stdout"),
            stderr: self.said("stderr"),
        }
    }

    /// What it has written so far.
    pub fn said(&self, stream: &str) -> String {
        // Folders of one test run only differ from those of the next in their name.
        fs::read_to_string(self.folder.join(stream))
            .unwrap_or_default()
            .replace(&self.folder.display().to_string(), "[folder]")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // A test that fails half-way leaves no suite at work.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A suite that has ended.
pub struct Ended {
    /// `None` where a signal ended it.
    pub code: Option<i32>,
    pub elapsed: Duration,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The one sentence that the suite refused with.
    pub fn sentence(&self) -> &str {
        assert!(self.code.is_some_and(|code| code != 0), "exit code {:?}", self.code);
        let line = self.stderr.strip_suffix('\n').unwrap_or(&self.stderr);
        assert!(line.starts_with("error: ") && !line.contains('\n'), "not one line of error: {:?}", self.stderr);
        line
    }
}

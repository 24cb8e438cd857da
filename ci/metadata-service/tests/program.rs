//! The program itself: its log, its end, and what it refuses.
mod http;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The program, answering on a port of its own.
struct Program {
    child: Child,
    log: BufReader<ChildStdout>,
    address: String,
}

impl Program {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_metadata-service"))
            .args(["--address", "127.0.0.1", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut log = BufReader::new(child.stdout.take().expect("its stdout is a pipe"));
        let listening = next_line(&mut log);
        assert_eq!(listening["event"], "listening");
        let address = listening["address"].as_str().expect("an address").to_owned();
        Self { child, log, address }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn next_line(log: &mut impl BufRead) -> serde_json::Value {
    let mut line = String::new();
    log.read_line(&mut line).expect("its log is text");
    serde_json::from_str(&line).expect("each line of its log is JSON")
}

#[test]
fn every_arrival_is_in_the_log() {
    let mut program = Program::start();
    http::request(
        &program.address,
        "GET",
        "/opc/v2/instance/id",
        &["Authorization: Bearer Oracle", "User-Agent: probe"],
    );
    assert_eq!(next_line(&mut program.log)["event"], "connection");
    let request = next_line(&mut program.log);
    assert_eq!(request["event"], "request");
    assert_eq!(request["method"], "GET");
    assert_eq!(request["path"], "/opc/v2/instance/id");
    assert_eq!(request["status"], 200);
    assert_eq!(request["authorized"], true);
    assert_eq!(request["user_agent"], "probe");
    assert!(request["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")));

    http::request(&program.address, "GET", "/opc/v2/instance/id", &[]);
    assert_eq!(next_line(&mut program.log)["event"], "connection");
    let request = next_line(&mut program.log);
    assert_eq!((&request["status"], &request["authorized"]), (&401.into(), &false.into()));

    // A pod that only connects has reached the service all the same.
    drop(TcpStream::connect(&program.address));
    assert_eq!(next_line(&mut program.log)["event"], "connection");
}

#[test]
fn a_signal_switches_the_legacy_endpoints_while_it_runs() {
    let mut program = Program::start();
    for (signal, status) in [("USR2", 404), ("USR1", 200), ("USR2", 404)] {
        let kill = Command::new("kill").args(["-s", signal, &program.child.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()));
        // A signal is taken up in its own time.
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            http::request(&program.address, "GET", "/opc/v1/instance/id", &[]);
            assert_eq!(next_line(&mut program.log)["event"], "connection");
            if next_line(&mut program.log)["status"] == status {
                break;
            }
            assert!(Instant::now() < until, "SIG{signal} brings no {status}");
        }
    }
}

#[test]
fn sigterm_ends_it_cleanly_even_with_a_silent_connection_open() {
    let mut program = Program::start();
    let _silent = TcpStream::connect(&program.address).expect("it accepts");
    let asked = Instant::now();
    let kill = Command::new("kill").arg(program.child.id().to_string()).status();
    assert!(kill.is_ok_and(|status| status.success()));
    let status = program.child.wait().expect("it ends");
    assert!(status.success(), "{status}");
    assert!(asked.elapsed() < Duration::from_secs(4), "it took {:?}", asked.elapsed());
}

#[test]
fn on_a_machine_that_is_not_its_own_it_takes_no_address() {
    let output = Command::new(env!("CARGO_BIN_EXE_metadata-service")).output().expect("the program starts");
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("169.254.169.254 is only taken in a container"), "{error}");
}

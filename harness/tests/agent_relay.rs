//! The agent as somebody else's connection, on loopback only.

mod agent;

use agent::CLOSED_PORT;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::Value;

fn relay(agent: &agent::Agent, port: u16, timeout_ms: u32) -> (Child, Value) {
    let mut command = agent.command();
    command.args(["relay", "127.0.0.1", &port.to_string(), &timeout_ms.to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let answer = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
    (child, answer)
}

#[test]
fn both_sides_are_heard_until_the_peer_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut question = [0; 1 << 17];
            stream.read_exact(&mut question).unwrap();
            question.reverse();
            stream.write_all(&question).unwrap();
        }
    });
    let question: Vec<u8> = (0..1_u32 << 17).map(|n| (n % 251) as u8).collect();
    for agent in agent::all() {
        let (mut child, answer) = relay(agent, port, 5000);
        assert_eq!(answer["result"], "open");
        child.stdin.as_mut().unwrap().write_all(&question).unwrap();
        // Stdin stays open: not every exec protocol can close it.
        let mut heard = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut heard).unwrap();
        assert!(heard.iter().eq(question.iter().rev()), "{} bytes", heard.len());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn the_end_of_a_question_is_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut question = String::new();
            stream.read_to_string(&mut question).unwrap();
            stream.write_all(question.to_uppercase().as_bytes()).unwrap();
        }
    });
    for agent in agent::all() {
        let (mut child, _) = relay(agent, port, 5000);
        child.stdin.take().unwrap().write_all(b"anybody there?").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ANYBODY THERE?");
    }
}

#[test]
fn a_closed_port_is_told_and_ends_well() {
    for agent in agent::all() {
        let (mut child, answer) = relay(agent, CLOSED_PORT, 1000);
        assert_eq!((&answer["result"], &answer["errno"]), (&"refused".into(), &"ECONNREFUSED".into()));
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_silent_peer_is_left_when_the_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for agent in agent::all() {
        let started = Instant::now();
        let (mut child, answer) = relay(agent, port, 300);
        assert_eq!(answer["result"], "open");
        assert!(child.wait().unwrap().success());
        assert!((250..2000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    }
}

#[test]
fn what_is_no_address_is_answered_with_the_usage() {
    for arguments in [&["relay"][..], &["relay", "localhost", "1", "1"], &["relay", "::1", "1", "1", "1"]] {
        let output = agent::native().command().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("usage: "));
    }
}

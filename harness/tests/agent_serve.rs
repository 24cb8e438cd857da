//! The agent as a pod's first process, on loopback only.

mod agent;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A serving agent; killed when dropped.
struct Server {
    child: Child,
    tcp: u16,
    udp: u16,
}

/// A port that nobody listens on, below those that the kernel gives to whoever connects somewhere: between this look and the agent's own another
/// test must not have it, be it as a client.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 1000).unwrap() * 20;
    loop {
        let port = 10_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = ("::", port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
}

impl Server {
    fn start(agent: &agent::Agent) -> Self {
        Self::start_as(agent, "tcp")
    }

    fn start_as(agent: &agent::Agent, kind: &str) -> Self {
        let (tcp, udp) = (free_port(), free_port());
        let child = agent.command().args(["serve", &format!("{kind}:{tcp}"), &format!("udp:{udp}")]).spawn().unwrap();
        let server = Self { child, tcp, udp };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", tcp)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(5), "the agent does not serve");
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn signal(&mut self, signal: &str) -> (ExitStatus, Duration) {
        let started = Instant::now();
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        (status, started.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn greeting() -> String {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let body = format!("oke-conformance agent {}\n", hostname.trim());
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn a_connection_that_is_kept_sends_back_what_it_says() {
    for agent in agent::all() {
        let server = Server::start_as(agent, "keep");
        let mut stream = TcpStream::connect(("127.0.0.1", server.tcp)).unwrap();
        let mut answer = [0; 5];
        for word in [b"first", b"later"] {
            stream.write_all(word).unwrap();
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, word);
        }
    }
}

#[test]
fn it_greets_and_echoes_over_both_ip_versions() {
    for agent in agent::all() {
        let server = Server::start(agent);
        for host in ["127.0.0.1", "::1"] {
            let mut said = String::new();
            TcpStream::connect((host, server.tcp)).unwrap().read_to_string(&mut said).unwrap();
            assert_eq!(said, greeting());
            let socket = UdpSocket::bind((host, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            for sent in [&b""[..], b"nonce", &[0xff; 1400]] {
                socket.send_to(sent, (host, server.udp)).unwrap();
                let mut buffer = [0; 2048];
                let (length, _) = socket.recv_from(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], sent);
            }
        }
    }
}

#[test]
fn one_agent_reaches_another() {
    for agent in agent::all() {
        let server = Server::start(agent);
        let answers = agent.batch(format!(
            "1 tcp 127.0.0.1 {0} 2000\n2 http ::1 {0} GET / 100 2000\n3 udp 127.0.0.1 {1} nonce 2000\n4 udp ::1 {1} nonce 2000\n",
            server.tcp, server.udp
        ));
        assert_eq!(answers.of(1)["banner"], greeting());
        assert_eq!(answers.of(2)["status"], 200);
        assert!(answers.of(2)["body"].as_str().unwrap().starts_with("oke-conformance agent "));
        assert_eq!(answers.of(3)["result"], "answered");
        assert_eq!(answers.of(4)["result"], "answered");
    }
}

#[test]
fn a_long_request_is_not_answered_with_a_reset() {
    let server = Server::start(agent::native());
    for _ in 0..20 {
        let mut stream = TcpStream::connect(("127.0.0.1", server.tcp)).unwrap();
        stream.write_all(&[b'x'; 100_000]).unwrap();
        thread::sleep(Duration::from_millis(5));
        stream.write_all(&[b'x'; 100_000]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert_eq!(said, greeting());
    }
}

#[test]
fn idle_peers_do_not_block_others() {
    let server = Server::start(agent::native());
    let idle: Vec<_> = (0..300).map(|_| TcpStream::connect(("127.0.0.1", server.tcp)).unwrap()).collect();
    let started = Instant::now();
    let mut said = String::new();
    TcpStream::connect(("127.0.0.1", server.tcp)).unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, greeting());
    assert!(started.elapsed() < Duration::from_millis(500));
    drop(idle);
}

#[test]
fn it_stops_at_once_when_told() {
    for agent in agent::all() {
        for signal in ["-TERM", "-INT"] {
            let mut server = Server::start(agent);
            let (status, took) = server.signal(signal);
            assert_eq!(status.code(), Some(0), "{signal}");
            assert!(took < Duration::from_millis(100), "{signal}: {took:?}");
        }
    }
}

#[test]
fn the_kernel_reaps_its_children() {
    let server = Server::start(agent::native());
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let set = |name: &str| {
        let bits = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(bits.trim(), 16).unwrap()
    };
    let bit = |signal: u32| 1_u64 << (signal - 1);
    assert_ne!(set("SigIgn:") & bit(17), 0, "an ignored SIGCHLD leaves no zombies");
    assert_eq!(set("SigCgt:"), bit(2) | bit(15));
}

#[test]
fn a_port_in_use_is_told_and_the_others_are_served() {
    let taken = TcpListener::bind("[::]:0").unwrap();
    let tcp = free_port();
    let taken = (taken.local_addr().unwrap().port(), taken);
    let mut child = agent::native()
        .command()
        .args(["serve", &format!("tcp:{}", taken.0), &format!("tcp:{tcp}")])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut complaint = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut complaint).unwrap();
    let started = Instant::now();
    let served = loop {
        match TcpStream::connect(("127.0.0.1", tcp)) {
            Ok(_) => break true,
            Err(_) if started.elapsed() > Duration::from_secs(5) => break false,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(complaint, format!("agent: cannot serve tcp:{}: EADDRINUSE\n", taken.0));
    assert!(served);
}

#[test]
fn nothing_to_serve_is_still_a_process_to_stay() {
    let mut child = agent::native().command().arg("serve").spawn().unwrap();
    thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

/// An agent that measures its own first moments, and then serves.
struct Newborn(std::process::Child);

impl Newborn {
    fn start(agent: &agent::Agent, own: u16, words: &[&str]) -> (Self, serde_json::Value) {
        let mut child = agent
            .command()
            .args(["serve", &format!("tcp:{own}"), "window"])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let report = serde_json::Deserializer::from_reader(stdout).into_iter().next();
        (Self(child), report.unwrap().unwrap())
    }
}

impl Drop for Newborn {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_window_tells_when_the_way_was_open_first_and_last() {
    let (closed, open) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [&closed, &open].map(|listener| listener.local_addr().unwrap().port().to_string());
    for agent in agent::all() {
        let own = free_port();
        let (_newborn, report) =
            Newborn::start(agent, own, &["127.0.0.1", &ports[0], "127.0.0.1", &ports[1], "600", "20"]);
        let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"));
        assert!((600..700).contains(&number("span_ms")), "{report}");
        assert!(number("tried") >= 3 && number("let_through") == number("tried"), "{report}");
        assert!(number("first_ms") <= number("last_ms") && number("last_ms") <= 600, "{report}");
        assert!(number("control_open") >= 3, "{report}");
        // What it is for from then on.
        let mut greeting = String::new();
        TcpStream::connect(("127.0.0.1", own)).unwrap().read_to_string(&mut greeting).unwrap();
        assert!(greeting.contains("oke-conformance agent"), "{greeting}");
    }
    drop(closed);
    let own = free_port();
    let (_newborn, report) =
        Newborn::start(agent::native(), own, &["127.0.0.1", &ports[0], "127.0.0.1", &ports[1], "100", "20"]);
    assert_eq!((&report["let_through"], &report["last_ms"]), (&0.into(), &serde_json::Value::Null));
    let misspelt = agent::native().command().args(["serve", "window", "127.0.0.1"]).output().unwrap();
    assert!(!misspelt.status.success());
}

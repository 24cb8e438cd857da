//! The agent's batches, on loopback only.

mod agent;

use agent::CLOSED_PORT;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// A listener that no further connection gets through to, as if packets were dropped. Lives as long as the sockets do.
fn blackhole() -> (u16, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut backlog = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        backlog.push(stream);
    }
    (address.port(), listener, backlog)
}

/// Answers each connection with `answer` after having read its request, which is handed on.
fn http(answer: impl Into<Vec<u8>>) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (answer, (requests, received)) = (answer.into(), channel());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(n @ 1..) => request.extend_from_slice(&piece[..n]),
                    _ => break,
                }
            }
            let _ = requests.send(String::from_utf8_lossy(&request).into_owned());
            let _ = stream.write_all(&answer);
        }
    });
    (port, received)
}

fn http_answer(answer: impl Into<Vec<u8>>) -> Value {
    let (port, _requests) = http(answer);
    let answers = agent::native().batch(format!("1 http 127.0.0.1 {port} GET / 8 2000\n"));
    answers.of(1).clone()
}

#[test]
fn tcp_tells_open_from_refused_from_silence() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let open6 = TcpListener::bind("[::1]:0").unwrap();
    let (silent, _listener, _backlog) = blackhole();
    for agent in agent::all() {
        let answers = agent.batch(format!(
            "1 tcp 127.0.0.1 {} 1000\n2 tcp 127.0.0.1 {} 1000\n3 tcp 127.0.0.1 {silent} 400\n4 tcp ::1 {} 1000\n",
            open.local_addr().unwrap().port(),
            CLOSED_PORT,
            open6.local_addr().unwrap().port(),
        ));
        assert_eq!(answers.of(1)["result"], "open");
        assert_eq!(answers.of(1)["banner"], Value::Null);
        assert_eq!(answers.of(2)["result"], "refused");
        assert_eq!(answers.of(2)["errno"], "ECONNREFUSED");
        assert_eq!(answers.of(3)["result"], "timeout");
        assert!((400..600).contains(&answers.of(3)["ms"].as_u64().unwrap()), "{answers:?}");
        assert_eq!(answers.of(4)["result"], "open");
    }
}

#[test]
fn tcp_quotes_a_banner_and_notes_a_hang_up() {
    let (port, _requests) = http(""); // hangs up once it has read something, or the other end has hung up
    let greeter = TcpListener::bind("127.0.0.1:0").unwrap();
    let greeting_port = greeter.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in greeter.incoming() {
            stream.unwrap().write_all(&[b"SSH-2.0 \"\\\x01\xff\n".as_slice(), &[b'x'; 200]].concat()).unwrap();
        }
    });
    let closer = TcpListener::bind("127.0.0.1:0").unwrap();
    let closing_port = closer.local_addr().unwrap().port();
    thread::spawn(move || closer.incoming().for_each(drop));
    for agent in agent::all() {
        let answers = agent.batch(format!(
            "1 tcp 127.0.0.1 {greeting_port} 1000\n2 tcp 127.0.0.1 {closing_port} 1000\n3 tcp 127.0.0.1 {port} 1000\n"
        ));
        assert_eq!(answers.of(1)["banner"], format!("SSH-2.0 \"\\\u{1}\u{fffd}\n{}", "x".repeat(128 - 13)));
        assert_eq!(answers.of(2)["then"], "closed");
        assert_eq!(answers.of(3)["result"], "open");
        assert!(answers.of(3)["ms"].as_u64().unwrap() < 100, "the wait for a banner does not count: {answers:?}");
    }
}

#[test]
fn held_tells_what_became_of_a_connection() {
    let echoing = TcpListener::bind("127.0.0.1:0").unwrap();
    let echoing_port = echoing.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in echoing.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 64];
                let n = stream.read(&mut buffer).unwrap();
                stream.write_all(&buffer[..n]).unwrap();
                // Until the other end has hung up.
                let _ = stream.read(&mut buffer);
            });
        }
    });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let closing = TcpListener::bind("127.0.0.1:0").unwrap();
    let closing_port = closing.local_addr().unwrap().port();
    thread::spawn(move || closing.incoming().for_each(drop));
    for agent in agent::all() {
        let answers = agent.batch(format!(
            "1 held 127.0.0.1 {echoing_port} 200 300\n2 held 127.0.0.1 {silent_port} 200 300\n\
             3 held 127.0.0.1 {closing_port} 200 300\n4 held 127.0.0.1 {CLOSED_PORT} 200 300\n"
        ));
        let told = |id| (answers.of(id)["result"].clone(), answers.of(id)["then"].clone());
        assert_eq!(told(1), (json!("open"), json!("answered")));
        assert_eq!(told(2), (json!("open"), json!("silent")));
        assert_eq!(told(3), (json!("open"), json!("closed")));
        assert_eq!(told(4), (json!("refused"), Value::Null));
        assert!((500..800).contains(&(answers.took.as_millis() as u64)), "{answers:?}");
    }
}

#[test]
fn an_echo_request_comes_back_where_the_kernel_lends_its_socket() {
    for agent in agent::all() {
        let answers = agent.batch("1 echo 127.0.0.1 300\n2 echo ::1 300\n");
        for id in [1, 2] {
            let result = answers.of(id)["result"].as_str().unwrap();
            // To whom it lends one is a setting of the machine's.
            assert!(result == "answered" || answers.of(id)["errno"] == "EACCES", "{answers:?}");
        }
    }
}

#[test]
fn an_error_of_the_caller_is_not_a_refusal() {
    // The kernel turns these down before anything leaves this machine: a link without its name, a broadcast unasked for.
    let answers = agent::native().batch("1 tcp fe80::1 80 300\n2 udp 255.255.255.255 9 nonce 300\n");
    assert_eq!((&answers.of(1)["result"], &answers.of(1)["errno"]), (&json!("error"), &json!("EINVAL")));
    assert_eq!((&answers.of(2)["result"], &answers.of(2)["errno"]), (&json!("error"), &json!("EACCES")));
}

#[test]
fn udp_tells_an_echo_from_a_refusal_from_silence() {
    let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
    let echo_port = echo.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut buffer = [0; 64];
        // The first datagram is lost, and every one is preceded by something else.
        for n in 0.. {
            let (length, from) = echo.recv_from(&mut buffer).unwrap();
            if n % 4 != 0 {
                echo.send_to(b"nonce and more", from).unwrap();
                echo.send_to(&buffer[..length], from).unwrap();
            }
        }
    });
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    for agent in agent::all() {
        let answers = agent.batch(format!(
            "1 udp 127.0.0.1 {echo_port} nonce 400\n2 udp 127.0.0.1 {} nonce 400\n3 udp 127.0.0.1 {silent_port} nonce 400\n",
            CLOSED_PORT,
        ));
        assert_eq!(answers.of(1)["result"], "answered");
        assert_eq!(answers.of(2)["result"], "refused");
        assert_eq!(answers.of(2)["errno"], "ECONNREFUSED");
        assert_eq!(answers.of(3)["result"], "timeout");
        silent.set_nonblocking(true).unwrap();
        let mut buffer = [0; 64];
        let sent = std::iter::from_fn(|| silent.recv_from(&mut buffer).ok()).count();
        assert_eq!(sent, 4, "a lost datagram is no denial");
    }
}

/// A DER element of less than 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in der.chunks(3) {
        let bits = piece.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - piece.len()));
        let digits = (0..=piece.len()).map(|n| char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]));
        text.extend(digits.chain(std::iter::repeat_n('=', 3 - piece.len())));
        if text.len() % 65 == 64 {
            text.push('\n');
        }
    }
    format!("-----BEGIN A-----\n{text}\n-----END A-----\n")
}

#[test]
fn a_digest_tells_a_pair_of_key_and_certificate_and_nothing_of_them() {
    // Both have a sign byte before the modulus, as every RSA key has.
    let modulus = [&[0][..], &[0xab; 128]].concat();
    let numbers = |first: &[u8]| [der(2, first), der(2, &modulus), der(2, &[1, 0, 1])].concat();
    let key = der(0x30, &numbers(&[0]));
    let wrapped = der(0x30, &[der(2, &[0]), der(0x30, &[]), der(4, &key)].concat());
    let public = der(0x30, &[der(2, &modulus), der(2, &[1, 0, 1])].concat());
    let public = der(0x30, &[der(0x30, &[6, 1, 42]), der(3, &[&[0], &public[..]].concat())].concat());
    let certificate = der(0x30, &[der(0x30, &[der(2, &[7; 20]), public].concat()), der(3, &[0; 129])].concat());
    let served = |body: &str| http(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).0;
    let ports = [served(&pem(&key)), served(&pem(&wrapped)), served(&pem(&certificate)), served("abc")];
    for agent in agent::all() {
        let lines = ports.map(|port| format!("{port} http 127.0.0.1 {port} GET / digest 2000\n"));
        let answers = agent.batch(lines.concat());
        let [key, wrapped, certificate, text] = ports.map(|port| answers.of(port.into()));
        assert_eq!(key["modulus"].as_str().map(str::len), Some(64), "{key}");
        assert_eq!((&wrapped["modulus"], &certificate["modulus"]), (&key["modulus"], &key["modulus"]));
        assert_ne!(key["sha256"], certificate["sha256"]);
        assert_eq!(key["body"], Value::Null);
        // FIPS 180-4, "abc".
        assert_eq!(text["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((&text["modulus"], &text["bytes"], &text["status"]), (&Value::Null, &json!(3), &json!(200)));
    }
}

#[test]
fn a_datagram_arrives_byte_by_byte_and_a_refusal_is_heard() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    for agent in agent::all() {
        let answers = agent.batch(format!(
            "1 datagram 127.0.0.1 {port} 08000aFF 100\n2 datagram 127.0.0.1 {} 00 1000\n3 datagram 127.0.0.1 {port} 080 100\n4 datagram 127.0.0.1 {port} 0x 100\n",
            CLOSED_PORT,
        ));
        assert_eq!(answers.of(1)["result"], "sent");
        assert_eq!((&answers.of(2)["result"], &answers.of(2)["errno"]), (&json!("refused"), &json!("ECONNREFUSED")));
        assert!(answers.took < Duration::from_millis(900), "a refusal is not waited for: {answers:?}");
        for id in [3, 4] {
            assert_eq!(answers.of(id)["why"], "no pairs of hexadecimal digits where they are expected");
        }
        let mut buffer = [0; 64];
        let (length, _) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!(buffer[..length], [8, 0, 10, 255]);
    }
}

#[test]
fn http_sends_what_it_was_told() {
    let (port, requests) = http("HTTP/1.1 204 No Content\r\n\r\n");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    for agent in agent::all() {
        agent.batch(format!(
            "1 http 127.0.0.1 {port} GET /opc/v2/?a=b%20c 9 2000 Authorization:Bearer%20Ora%25cle A:%2x:y\n"
        ));
        assert_eq!(
            requests.recv().unwrap(),
            format!(
                "GET /opc/v2/?a=b%20c HTTP/1.1\r\nAuthorization: Bearer Ora%cle\r\nA: %2x:y\r\nHost: 127.0.0.1\r\n\
                 User-Agent: oke-conformance {host}\r\nConnection: close\r\n\r\n"
            )
        );
        agent.batch(format!("1 http 127.0.0.1 {port} PUT / 9 2000 host:other\n"));
        assert_eq!(
            requests.recv().unwrap(),
            format!(
                "PUT / HTTP/1.1\r\nhost: other\r\nContent-Length: 0\r\nUser-Agent: oke-conformance {host}\r\nConnection: close\r\n\r\n"
            )
        );
    }
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let mut buffer = [0; 64];
        let n = listener.accept().unwrap().0.read(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    });
    agent::native().batch(format!("1 http ::1 {port} GET / 9 2000\n"));
    assert!(server.join().unwrap().starts_with("GET / HTTP/1.1\r\nHost: [::1]\r\n"));
}

#[test]
fn http_reads_each_kind_of_body() {
    let body = |answer: &str| {
        let answer = http_answer(answer);
        assert_eq!(answer["result"], "answered", "{answer}");
        assert!(answer["ms"].is_u64());
        (answer["status"].clone(), answer["body"].clone(), answer["bytes"].clone(), answer["complete"].clone())
    };
    let expected = |status: u16, text: &str, bytes: u64, complete: bool| {
        (json!(status), json!(text), json!(bytes), json!(complete))
    };
    assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"), expected(200, "abc", 3, true));
    assert_eq!(body("HTTP/1.0 404 Not Found\r\n\r\nuntil"), expected(404, "until", 5, true));
    assert_eq!(body("HTTP/1.1 401\nx: y\n\n"), expected(401, "", 0, true));
    assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut"), expected(200, "cut", 3, false));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n";
    assert_eq!(body(&format!("{chunked}3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")), expected(200, "abcde", 5, true));
    assert_eq!(body(&format!("{chunked}3\r\nabc\r\n9\r\nde")), expected(200, "abcde", 5, false));
    assert_eq!(
        body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
        expected(403, "", 0, true)
    );
    // More than was asked for: the rest is left where it is.
    let (_, shown, bytes, _) = body(&format!("HTTP/1.1 200 OK\r\n\r\n{}", "0123456789".repeat(1000)));
    assert_eq!(shown, "01234567");
    assert!(bytes.as_u64().unwrap() > 8);
    let invalid = http_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na\xff\xc3b".as_slice());
    assert_eq!(invalid["body"], "a\u{fffd}\u{fffd}b");
}

#[test]
fn http_tells_what_is_no_http() {
    for (answer, why) in [
        ("", "closed before an answer"),
        ("HTT", "closed within the headers"),
        ("HTTP/1.1 200 OK\r\nA: b\r\n", "closed within the headers"),
        ("HTTP/1.1 2x0 OK\r\n\r\n", "a bad status line"),
        ("HTTP/1.1 20\r\n\r\n", "a bad status line"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "a bad chunk"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", "a bad chunk"),
    ] {
        let answer = http_answer(answer);
        assert_eq!(answer["result"], "malformed", "{answer}");
        assert_eq!(answer["why"], why);
    }
    let answer = http_answer(b"\x15\x03\x01\x00\x02".as_slice());
    assert_eq!(answer["why"], "not an HTTP/1 status line");
    assert_eq!(answer["banner"], "\u{15}\u{3}\u{1}\0\u{2}");
    let answer = http_answer(format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(20_000)));
    assert_eq!(answer["why"], "headers longer than 16384 bytes");
}

#[test]
fn http_tells_a_silent_server_from_a_silent_network() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let (silent, _listener, _backlog) = blackhole();
    let (mute_port, slow_port) = (mute.local_addr().unwrap().port(), slow.local_addr().unwrap().port());
    thread::spawn(move || {
        let mut stream = slow.accept().unwrap().0;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nfirst").unwrap();
        thread::sleep(Duration::from_secs(5));
    });
    let answers = agent::native().batch(format!(
        "1 http 127.0.0.1 {mute_port} GET / 9 300\n2 http 127.0.0.1 {silent} GET / 9 300\n\
         3 http 127.0.0.1 {} GET / 9 300\n4 http 127.0.0.1 {slow_port} GET / 99 300\n",
        CLOSED_PORT
    ));
    let told = |id| (answers.of(id)["result"].clone(), answers.of(id)["connected"].clone());
    assert_eq!(told(1), (json!("timeout"), json!(true)));
    assert_eq!(told(2), (json!("timeout"), json!(false)));
    assert_eq!(told(3), (json!("refused"), json!(false)));
    // The status is proof enough of having got through.
    assert_eq!(answers.of(4)["result"], "answered");
    assert_eq!(answers.of(4)["body"], "first");
    assert_eq!(answers.of(4)["complete"], false);
}

#[test]
fn http_tells_a_reset_once_connected() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Closing with the request unread is a reset.
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::sleep(Duration::from_millis(50));
            drop(stream);
        }
    });
    for agent in agent::all() {
        let answers = agent.batch(format!("1 http 127.0.0.1 {port} GET / 9 2000\n"));
        assert_eq!(answers.of(1)["result"], "reset", "{answers:?}");
        assert_eq!(answers.of(1)["errno"], "ECONNRESET");
        assert_eq!(answers.of(1)["connected"], true);
    }
}

/// A name server that treats each query by `answer`, which is given the query and how many have come before.
fn name_server(answer: impl Fn(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        for n in 0.. {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            for packet in answer(&buffer[..length], n) {
                socket.send_to(&packet, from).unwrap();
            }
        }
    });
    address
}

/// The query turned into a response with these records.
fn response(query: &[u8], code: u8, records: &[&[u8]]) -> Vec<u8> {
    let mut packet = query.to_vec();
    packet[2] |= 0x80;
    packet[3] = 0x80 | code;
    packet[7] = records.len() as u8;
    records.iter().for_each(|record| packet.extend_from_slice(record));
    packet
}

const A: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\x00\x00\x01";
const AAAA: &[u8] = b"\xc0\x0c\0\x1c\0\x01\0\0\0\x1e\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\x01\0\0";
const CNAME: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\0\x1e\0\x06\x03www\xc0\x0c";

fn ask(agent: &agent::Agent, server: SocketAddr, kind: &str) -> Value {
    let answers = agent.batch(format!(
        "1 dns Kube-dns.kube-system.svc.cluster.local. {kind} {}#{} 600\n",
        server.ip(),
        server.port()
    ));
    answers.of(1).clone()
}

#[test]
fn dns_reads_an_answer() {
    let server = name_server(|query, _| {
        assert_eq!(
            &query[12..],
            [b"\x08Kube-dns\x0bkube-system\x03svc\x07cluster\x05local\0\0".as_slice(), &query[query.len() - 3..]]
                .concat()
        );
        // Other people's answers come first: another id, another question, a query.
        let mut other_id = response(query, 3, &[]);
        other_id[0] ^= 1;
        let mut other_name = response(query, 3, &[]);
        other_name[13] = b'J';
        vec![other_id, other_name, query.to_vec(), vec![0; 3], response(query, 0, &[CNAME, A, AAAA, A])]
    });
    for agent in agent::all() {
        let answer = ask(agent, server, "a");
        assert_eq!(answer["result"], "answered", "{answer}");
        assert_eq!(answer["rcode"], "NOERROR");
        assert_eq!(answer["server"], "127.0.0.1");
        assert_eq!(answer["addresses"], json!(["10.0.0.1", "10.0.0.1"]));
        assert_eq!(ask(agent, server, "AAAA")["addresses"], json!(["2001:db8::1:0"]));
    }
}

#[test]
fn dns_writes_addresses_as_everybody_does() {
    let mut random = Random(7);
    let addresses: Vec<Ipv6Addr> = (0..300)
        .map(|_| std::array::from_fn(|_| [0_u16, 0, 0, 1, 0x20, 0xabc, 0xffff][random.below(7)]).into())
        .chain([Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST])
        .filter(|address: &Ipv6Addr| address.to_ipv4_mapped().is_none())
        .collect();
    let expected: Vec<String> = addresses.iter().map(Ipv6Addr::to_string).collect();
    for (addresses, expected) in addresses.chunks(20).zip(expected.chunks(20)) {
        let records: Vec<Vec<u8>> = addresses.iter().map(|address| [&AAAA[..12], &address.octets()].concat()).collect();
        let server = name_server(move |query, _| {
            vec![response(query, 0, &records.iter().map(Vec::as_slice).collect::<Vec<_>>())]
        });
        assert_eq!(ask(agent::native(), server, "aaaa")["addresses"], json!(expected));
    }
}

#[test]
fn dns_names_the_refusals() {
    for (code, name) in [(3, "NXDOMAIN"), (2, "SERVFAIL"), (5, "REFUSED"), (11, "RCODE11")] {
        let answer = ask(agent::native(), name_server(move |query, _| vec![response(query, code, &[])]), "a");
        assert_eq!((&answer["result"], &answer["rcode"]), (&json!("answered"), &json!(name)));
        assert_eq!(answer["addresses"], json!([]));
    }
    // An error without the question.
    let answer =
        ask(agent::native(), name_server(|query, _| vec![[&query[..2], b"\x81\x81\0\0\0\0\0\0\0\0"].concat()]), "a");
    assert_eq!(answer["rcode"], "FORMERR");
}

#[test]
fn dns_asks_three_times_and_then_gives_up() {
    let answer =
        ask(agent::native(), name_server(|query, n| if n == 2 { vec![response(query, 0, &[A])] } else { vec![] }), "a");
    assert_eq!(answer["addresses"], json!(["10.0.0.1"]));
    assert!(answer["ms"].as_u64().unwrap() >= 400);
    assert_eq!(ask(agent::native(), name_server(|_, _| vec![]), "a")["result"], "timeout");
    let nobody = SocketAddr::from(([127, 0, 0, 1], CLOSED_PORT));
    assert_eq!(ask(agent::native(), nobody, "a")["result"], "refused");
}

#[test]
fn dns_survives_broken_packets() {
    for cut in 1..A.len() {
        let server = name_server(move |query, _| vec![response(query, 0, &[&A[..cut]])]);
        assert_eq!(ask(agent::native(), server, "a")["result"], "malformed", "{cut}");
    }
    let server = name_server(|query, _| vec![response(query, 0, &[b"\x80\0"])]);
    assert_eq!(ask(agent::native(), server, "a")["result"], "malformed");
    let server =
        name_server(|query, _| vec![response(query, 0, &[b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x05\x0a\0\0\x01\x02"])]);
    assert_eq!(ask(agent::native(), server, "a")["result"], "malformed");
}

#[test]
fn read_quotes_a_file() {
    let dir = env!("CARGO_TARGET_TMPDIR");
    let path = format!("{dir}/read-{}", std::process::id());
    std::fs::write(&path, b"tok\"en\xff\n\x1f").unwrap();
    for agent in agent::all() {
        let answers = agent.batch(format!(
            "1 read {path} 99\n2 read {path} 3\n3 read {path}.none 9\n4 read / 9\n5 read {path} 9\n6 read {path} 0\n"
        ));
        assert_eq!(answers.of(1)["text"], "tok\"en\u{fffd}\n\u{1f}");
        assert_eq!((&answers.of(1)["bytes"], &answers.of(1)["truncated"]), (&json!(9), &json!(false)));
        assert_eq!((&answers.of(2)["text"], &answers.of(2)["truncated"]), (&json!("tok"), &json!(true)));
        assert_eq!(answers.of(3), &json!({"id": 3, "verb": "read", "result": "error", "errno": "ENOENT"}));
        assert_eq!(answers.of(4)["errno"], "EISDIR");
        assert_eq!(answers.of(5)["truncated"], false);
        assert_eq!((&answers.of(6)["text"], &answers.of(6)["truncated"]), (&json!(""), &json!(true)));
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn id_reads_the_kernels_view() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for agent in agent::all() {
        let answers = agent.batch("1 id\n");
        let id = answers.of(1);
        assert_eq!(id["result"], "ok");
        assert_eq!(id["uid"].to_string(), field("Uid:").split_whitespace().next().unwrap());
        assert_eq!(id["euid"].to_string(), field("Uid:").split_whitespace().nth(1).unwrap());
        assert_eq!(id["gid"].to_string(), field("Gid:").split_whitespace().next().unwrap());
        for (key, name) in [
            ("cap_eff", "CapEff:"),
            ("cap_prm", "CapPrm:"),
            ("cap_bnd", "CapBnd:"),
            ("cap_inh", "CapInh:"),
            ("cap_amb", "CapAmb:"),
        ] {
            assert_eq!(id[key], field(name));
        }
        assert_eq!(id["seccomp"].to_string(), field("Seccomp:"));
        assert_eq!(id["no_new_privs"].to_string(), field("NoNewPrivs:"));
        assert_eq!(id["hostname"], hostname.trim());
    }
}

#[test]
fn facts_are_those_of_this_machine() {
    for agent in agent::all() {
        let answers = agent.batch("1 facts\n");
        let facts = answers.of(1);
        assert_eq!(facts["result"], "ok");
        assert_eq!(facts["first"], false, "the agent is not this machine's first process");
        let pid = std::fs::read_link("/proc/self/ns/pid").unwrap();
        assert!(facts["namespaces"].as_array().unwrap().contains(&json!(pid.to_str().unwrap())), "{facts}");
        assert!(facts["devices"].as_array().unwrap().contains(&json!("null")), "{facts}");
    }
}

/// The one test that these verbs may have outside a pod: each of them must refuse, whatever it is dressed up as.
#[test]
fn outside_a_pod_nothing_is_attempted() {
    let acts = include_str!("../agent/src/verbs/kernel/acts.rs");
    let acts: Vec<&str> = acts.split("    act(\"").skip(1).filter_map(|act| Some(act.split_once('"')?.0)).collect();
    assert!(acts.len() > 40, "{acts:?}");
    let lines: String = acts.iter().enumerate().map(|(id, act)| format!("{id} kernel {act}\n")).collect();
    for agent in agent::all() {
        let mut command = agent.command();
        command.arg("batch").env("OKE_CONFORMANCE_PROBE", "pod");
        for answer in agent::batch(command, &lines).lines {
            assert_eq!(answer["result"], "invalid", "{answer}");
            assert!(answer["why"].as_str().unwrap().starts_with("not in a pod: "), "{answer}");
        }
    }
}

#[test]
fn the_kernels_acts_disturb_no_measurement() {
    let (silent, _listener, _backlog) = blackhole();
    let answers = agent::native().batch(format!("1 tcp 127.0.0.1 {silent} 200\n2 kernel chroot\n3 id\n"));
    let order: Vec<_> = answers.lines.iter().map(|line| line["id"].as_u64().unwrap()).collect();
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn sleep_is_a_barrier() {
    let (silent, _listener, _backlog) = blackhole();
    let answers = agent::native().batch(format!(
        "1 tcp 127.0.0.1 {silent} 200\n2 sleep 150\n3 tcp 127.0.0.1 {silent} 200\n4 id\n5 sleep 1\n6 sleep 1\n7 id\n"
    ));
    let order: Vec<_> = answers.lines.iter().map(|line| line["id"].as_u64().unwrap()).collect();
    assert_eq!(order, [1, 2, 4, 3, 5, 6, 7]);
    assert!(answers.took >= Duration::from_millis(550));
    assert_eq!(answers.of(2)["result"], "ok");
    assert!(answers.of(2)["ms"].as_u64().unwrap() >= 150);
}

#[test]
fn every_bad_line_is_answered() {
    for (line, why) in [
        ("1", "no verb"),
        ("1 mount / /", "unknown verb"),
        ("1 tcp localhost 80 100", "no IP address literal where one is expected"),
        ("1 tcp", "no IP address literal where one is expected"),
        ("1 tcp 127.0.0.1 0 100", "no port within 1..65535 where one is expected"),
        ("1 tcp 127.0.0.1 65536 100", "no port within 1..65535 where one is expected"),
        ("1 tcp 127.0.0.1 -1 100", "no port within 1..65535 where one is expected"),
        ("1 tcp 127.0.0.1 80", "no milliseconds within 1..600000 where they are expected"),
        ("1 tcp 127.0.0.1 80 0", "no milliseconds within 1..600000 where they are expected"),
        ("1 tcp 127.0.0.1 80 99999999999999999999999", "no milliseconds within 1..600000 where they are expected"),
        ("1 tcp 127.0.0.1 80 1 more", "too many arguments"),
        ("1 udp 127.0.0.1 80", "no nonce"),
        ("1 http 127.0.0.1 80 get / 1 1", "a method of other than capital letters"),
        ("1 http 127.0.0.1 80 GET x 1 1", "a path that does not start with / or has control characters"),
        ("1 http 127.0.0.1 80 GET / 9999999 1", "no limit within 0..1048576 bytes where one is expected"),
        ("1 http 127.0.0.1 80 GET / 1 1 header", "a header without colon"),
        ("1 http 127.0.0.1 80 GET / 1 1 he@der:x", "a header with a bad name"),
        ("1 http 127.0.0.1 80 GET / 1 1 a:\u{1}", "a header with control characters"),
        ("1 dns a..b a 127.0.0.1 1", "a bad domain name"),
        ("1 dns b mx 127.0.0.1 1", "a type other than a or aaaa"),
        ("1 dns b a 127.0.0.1#x 1", "a server that is neither - nor ADDR nor ADDR#PORT"),
        ("1 read", "no path"),
        ("1 read /x\0y 9", "a path with a zero byte"),
        ("1 id me", "too many arguments"),
        ("1 facts all", "too many arguments"),
        ("1 kernel", "no act"),
        ("1 kernel reboot", "unknown act"),
        ("1 kernel chroot /", "too many arguments"),
        ("1 sleep", "no milliseconds within 1..600000 where they are expected"),
    ] {
        let answers = agent::native().batch(format!("{line}\n"));
        let verb = line.split_whitespace().nth(1).unwrap_or_default();
        assert_eq!(answers.lines, [json!({"id": 1, "verb": verb, "result": "invalid", "why": why})], "{line}");
    }
    let answers = agent::native().batch("tcp 127.0.0.1 80 100\n99999999999999999999999 id\n-1 id\n");
    for line in &answers.lines {
        assert_eq!(line["id"], Value::Null);
        assert_eq!(line["why"], "the line does not start with a number");
    }
}

#[test]
fn a_batch_ends_at_an_empty_line_or_the_end() {
    assert_eq!(agent::native().batch("1 id\n2 id\n\n3 id\n").lines.len(), 2);
    assert_eq!(agent::native().batch("1 id\r\n \t\r\n3 id\n").lines.len(), 1);
    assert_eq!(agent::native().batch("1 id\n2 id").lines.len(), 2);
    assert_eq!(agent::native().batch("").lines.len(), 0);
    // An exec whose stdin is never closed: the empty line has to do.
    let mut child =
        agent::native().command().arg("batch").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"1 i").unwrap();
    thread::sleep(Duration::from_millis(50));
    stdin.write_all(b"d\n\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.ends_with(b"{\"done\":1}\n"));
    drop(stdin);
}

#[test]
fn a_session_is_one_batch_after_the_other() {
    let mut child =
        agent::native().command().arg("session").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut line = || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line
    };
    for id in ["7", "8"] {
        stdin.write_all(format!("{id} id\n\n").as_bytes()).unwrap();
        assert!(line().starts_with(&format!("{{\"id\":{id},")));
        assert_eq!(line(), "{\"done\":1}\n");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_thousand_lines_are_one_batch() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let acceptor = thread::spawn(move || {
        open.incoming().take(500).for_each(|stream| stream.unwrap().write_all(b"hello").unwrap())
    });
    let refused = CLOSED_PORT;
    let lines: String = (0..1000)
        .map(|id| {
            if id % 2 == 0 {
                format!("{id} tcp 127.0.0.1 {port} 5000\n")
            } else {
                format!("{id} tcp 127.0.0.1 {refused} 5000\n")
            }
        })
        .collect();
    let answers = agent::native().batch(lines);
    acceptor.join().unwrap();
    for id in 0..1000 {
        let answer = answers.of(id);
        assert_eq!(answer["result"], if id % 2 == 0 { "open" } else { "refused" }, "{answer}");
        assert_eq!(answer["banner"], if id % 2 == 0 { json!("hello") } else { Value::Null });
    }
}

#[test]
fn lines_beyond_the_limit_are_told() {
    let lines: String = (0..1030).map(|id| format!("{id} read /none 1\n")).collect();
    let answers = agent::native().batch(lines);
    assert_eq!(answers.lines.len(), 1030);
    assert_eq!(answers.of(1023)["errno"], "ENOENT");
    assert_eq!(answers.of(1024)["why"], "more than 1024 lines");
}

#[test]
fn five_hundred_silent_targets_cost_one_time_out() {
    let (silent, _listener, _backlog) = blackhole();
    let lines: String = (0..500).map(|id| format!("{id} tcp 127.0.0.1 {silent} 800\n")).collect();
    let answers = agent::native().batch(lines);
    assert!(answers.lines.iter().all(|line| line["result"] == "timeout"), "{answers:?}");
    assert!(answers.took < Duration::from_millis(1600), "{:?}", answers.took);
}

#[test]
fn too_few_descriptors_only_mean_more_waves() {
    let (silent, _listener, _backlog) = blackhole();
    let limited = |limit: u32, lines: String| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" batch")]).arg(agent::native().path());
        agent::batch(command, lines)
    };
    let lines: String =
        (0..20).map(|id| format!("{id} tcp 127.0.0.1 {silent} 100\n{} read /etc/passwd 1\n", id + 100)).collect();
    let answers = limited(13, lines);
    assert!(answers.lines.iter().all(|line| line["result"] == "timeout" || line["result"] == "ok"), "{answers:?}");
    assert!(answers.took >= Duration::from_millis(200), "ten at a time");
    let answers = limited(3, "1 tcp 127.0.0.1 1 100\n".into());
    assert_eq!(answers.of(1)["errno"], "EMFILE");
    assert_eq!(answers.of(1)["result"], "error");
}

#[test]
fn a_slow_reader_does_not_spoil_the_measurements() {
    // Far more output than a pipe holds, and nobody reads while the connections are being timed.
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let path = format!("{}/slow-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    std::fs::write(&path, [b'x'; 2000]).unwrap();
    let mut lines: String = (0..200).map(|id| format!("{id} read {path} 2000\n")).collect();
    lines += &format!("900 tcp 127.0.0.1 {port} 300\n901 sleep 100\n902 tcp 127.0.0.1 {port} 300\n\n");
    let mut child =
        agent::native().command().arg("batch").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(1500));
    let output = child.wait_with_output().unwrap();
    std::fs::remove_file(path).unwrap();
    let answers: Vec<Value> =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(answers.len(), 204);
    let of = |id: u64| answers.iter().find(|answer| answer["id"] == id).unwrap();
    // The reader keeps the agent waiting for 1500 ms: no less would show in what is spoilt.
    for id in [900, 901, 902] {
        assert!(of(id)["ms"].as_u64().unwrap() < 1000, "{}", of(id));
    }
}

#[test]
fn a_reader_that_has_gone_ends_the_batch() {
    let mut child =
        agent::native().command().arg("batch").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(b"1 sleep 60000\n\n").unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success());
}

#[test]
fn without_a_known_mode_there_is_usage() {
    for args in [&[][..], &["copy"], &["serve", "tcp"], &["serve", "tcp:x"], &["serve", "tcp:0"], &["serve", "sctp:1"]]
    {
        let output = agent::native().command().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
        assert!(output.stderr.starts_with(b"usage: agent serve"), "{args:?}");
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// How many lines of the input are answered.
fn expected(input: &[u8]) -> usize {
    input.split_inclusive(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty()).count()
}

#[test]
fn random_bytes_are_answered_in_json() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let length = random.below(3000);
        let input: Vec<u8> = (0..length)
            .map(|_| match random.below(8) {
                0 => b'\n',
                1 | 2 => b' ',
                3 | 4 => b'0' + random.below(10) as u8,
                _ => random.below(256) as u8,
            })
            .collect();
        assert_eq!(agent::native().batch(&input).lines.len(), expected(&input), "seed {seed}");
    }
}

#[test]
fn any_order_of_words_is_answered_in_json() {
    // Every address here is this machine's own or none at all.
    const WORDS: [&str; 36] = [
        "tcp",
        "udp",
        "http",
        "dns",
        "read",
        "id",
        "sleep",
        "nope",
        "127.0.0.1",
        "::1",
        "127.0.0.1#9",
        "1.2.3",
        "::g",
        "0",
        "1",
        "5",
        "20",
        "443",
        "65535",
        "65536",
        "-1",
        "18446744073709551616",
        "GET",
        "HEAD",
        "/",
        "/etc/passwd",
        "/proc/self/status",
        "/dev/null",
        "a:b",
        "A:%20%25%2",
        "a",
        "aaaa",
        "localhost",
        "x.y.",
        "\u{e9}\u{0}",
        "\"\\",
    ];
    for seed in 0..150 {
        let mut random = Random(seed + 1000);
        let mut input = String::new();
        for id in 0..40 {
            // Mostly well-formed beginnings: garbage alone never gets beyond the first check.
            match random.below(10) {
                0 => {}
                1 => input += &format!("{id} tcp 127.0.0.1 {} ", 1 + random.below(65535)),
                2 => input += &format!("{id} udp ::1 {} ", 1 + random.below(65535)),
                3 => input += &format!("{id} http 127.0.0.1 {} GET / ", 1 + random.below(65535)),
                4 => input += &format!("{id} dns x.y a 127.0.0.1#{} ", 1 + random.below(65535)),
                5 => input += &format!("{id} read /proc/self/status "),
                _ => input += &format!("{id} "),
            }
            for _ in 0..random.below(9) {
                input += WORDS[random.below(WORDS.len())];
                input += [" ", "  ", "\t"][random.below(3)];
            }
            input.push('\n');
        }
        assert_eq!(agent::native().batch(&input).lines.len(), expected(input.as_bytes()), "seed {seed}: {input}");
    }
}

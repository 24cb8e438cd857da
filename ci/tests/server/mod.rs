//! What may be found at an address instead of an API server.
#![allow(dead_code, reason = "each test program uses its part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// A port where nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A server that accepts and says nothing.
pub fn silent() -> SocketAddr {
    // Whoever is accepted is held until the test ends.
    serve(|_| thread::sleep(Duration::from_secs(600)))
}

/// A server that says something of its own and hangs up.
pub fn greeting(words: impl AsRef<[u8]> + Clone + Send + 'static) -> SocketAddr {
    serve(move |mut stream| {
        // Only then: what comes before the question is another error to the client.
        read_all(&mut stream);
        let _ = stream.write_all(words.as_ref());
    })
}

/// A web server that gives the same answer to everything.
pub fn answering(status: &'static str, kind: &'static str, body: &'static str) -> SocketAddr {
    serve(move |mut stream| {
        read_all(&mut stream);
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(answer.as_bytes());
    })
}

/// All that the client has to say: bytes left unread would have the kernel reset the connection, and the answer be lost.
fn read_all(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

fn serve(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || answer(stream));
        }
    });
    address
}

//! One request on one connection, byte by byte: nothing may add a header of its own.
use std::io::{Read, Write};
use std::net::TcpStream;

/// The status and the body.
pub fn request(address: &str, method: &str, path: &str, headers: &[&str]) -> (u16, String) {
    let mut connection = TcpStream::connect(address).expect("it accepts");
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    connection.write_all(head.as_bytes()).expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

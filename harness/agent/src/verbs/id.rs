//! `id`: who the process is and what the kernel lets it do.

use super::read::contents;
use super::{Begun, failed};
use crate::json::Object;
use crate::words::{Why, Words, number};

const CAPABILITIES: [(&str, &[u8]); 5] = [
    ("cap_eff", b"CapEff"),
    ("cap_prm", b"CapPrm"),
    ("cap_bnd", b"CapBnd"),
    ("cap_inh", b"CapInh"),
    ("cap_amb", b"CapAmb"),
];

pub fn begin(mut words: Words<'_>) -> Result<Begun, Why> {
    words.end()?;
    let status = match contents(c"/proc/self/status", 64 << 10) {
        Ok((status, _)) => status,
        Err(errno) => return Ok(Begun::Answered(failed(errno))),
    };
    let field = |name: &[u8]| {
        let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name)?.strip_prefix(b":"));
        Words::new(line.unwrap_or_default())
    };
    let count = |name, nth| field(name).nth(nth).and_then(number);
    let mut answer = Object::new()
        .text("result", "ok")
        .maybe("uid", count(b"Uid", 0))
        .maybe("gid", count(b"Gid", 0))
        .maybe("euid", count(b"Uid", 1))
        .maybe("egid", count(b"Gid", 1))
        .list("groups", field(b"Groups"));
    for (key, name) in CAPABILITIES {
        answer = answer.text(key, field(name).next().unwrap_or_default());
    }
    Ok(Begun::Answered(
        answer
            .maybe("seccomp", count(b"Seccomp", 0))
            .maybe("no_new_privs", count(b"NoNewPrivs", 0))
            .text("hostname", rustix::system::uname().nodename().to_bytes()),
    ))
}

//! The agent: the only program in a probe pod. It needs no libc, no shell and no writable file system, because the pods it
//! runs in are hardened, and it must fit into a ConfigMap, because no registry may be needed to bring it in.
//!
//! `agent serve [tcp:PORT|udp:PORT]...` is the pod's first process; `agent batch` is what an exec runs in it, `agent session` one batch
//! after the other, and `agent relay` where the other end of the exec is to speak for itself.
#![no_std]
#![no_main]

extern crate alloc;

mod batch;
mod child;
mod clock;
mod digest;
mod errno;
mod heap;
mod json;
mod mem;
mod pod;
mod relay;
mod serve;
mod start;
mod sys;
mod verbs;
mod window;
mod words;

use start::Args;

const USAGE: &str = "usage: agent serve [tcp:PORT|keep:PORT|udp:PORT]... [window ADDR PORT ADDR PORT SPAN_MS EVERY_MS] | \
                     agent batch|session < LINES | agent relay ADDR PORT TIMEOUT_MS\n";

fn main(mut args: Args) -> i32 {
    let status = match args.next().map(|mode| mode.to_bytes()) {
        Some(b"serve") => serve::run(args),
        Some(b"batch") => batch::run(),
        Some(b"session") => batch::session(),
        Some(b"relay") => relay::run(args),
        _ => None,
    };
    status.unwrap_or_else(|| {
        sys::complain(&[USAGE]);
        2
    })
}

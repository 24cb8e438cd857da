//! The agent: the only program in a probe pod. It needs no libc, no shell and no writable file system, because the pods it
//! runs in are hardened, and it must fit into a ConfigMap, because no registry may be needed to bring it in.
//!
//! `agent serve [tcp:PORT|udp:PORT]...` is the pod's first process; `agent batch` is what an exec runs in it. `agent window ...` is the first
//! process of a pod that is asked nothing afterwards.
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
mod serve;
mod start;
mod sys;
mod verbs;
mod window;
mod words;

use start::Args;

const USAGE: &str = "usage: agent serve [tcp:PORT|udp:PORT]... | agent batch < LINES | agent window ADDR PORT ADDR PORT SPAN_MS EVERY_MS\n";

fn main(mut args: Args) -> i32 {
    let status = match args.next().map(|mode| mode.to_bytes()) {
        Some(b"serve") => serve::run(args),
        Some(b"batch") => batch::run(),
        Some(b"window") => window::run(args),
        _ => None,
    };
    status.unwrap_or_else(|| {
        sys::complain(&[USAGE]);
        2
    })
}

//! What a line can ask for, one file for each verb.

mod answer;
mod datagram;
mod dns;
mod echo;
mod facts;
mod held;
mod http;
mod id;
mod kernel;
mod question;
pub mod read;
mod sleep;
pub mod socket;
mod tcp;
mod udp;

use alloc::boxed::Box;

pub use socket::{connected, dial};

use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::clock::{MILLI, Micros, now};
use crate::errno;
use crate::json::Object;
use crate::words::{Why, Words};

/// Something under way that ends with an answer.
pub trait Exchange {
    /// The socket and the events it waits for.
    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)>;

    /// When to call `step` even if the socket is not ready.
    fn wake_at(&self) -> Micros;

    /// Goes on as far as possible without blocking. Until it has answered, `wake_at` lies in the future afterwards.
    fn step(&mut self, ready: bool, now: Micros) -> Option<Object>;
}

/// How a line started.
pub enum Begun {
    Answered(Object),
    Running(Box<dyn Exchange>),
    /// No descriptor to be had; try again when another line is done.
    Full(Errno),
}

impl Begun {
    pub fn invalid(why: Why) -> Self {
        Self::Answered(Object::new().text("result", "invalid").text("why", why))
    }

    /// The line failed before anything was under way.
    fn failed(errno: Errno) -> Self {
        match errno {
            Errno::MFILE | Errno::NFILE => Self::Full(errno),
            errno => Self::Answered(failed(errno)),
        }
    }

    /// The same for what is timed.
    fn failed_at(errno: Errno, clock: &Clock) -> Self {
        match Self::failed(errno) {
            Self::Answered(answer) => Self::Answered(answer.number("ms", clock.ms(now()))),
            begun => begun,
        }
    }
}

/// Whether the verb waits for everything before it, and everything after waits for it. The kernel's acts take what little
/// processor time a probe has, and would lengthen what is measured next to them.
pub fn is_barrier(verb: &[u8]) -> bool {
    matches!(verb, b"sleep" | b"kernel")
}

/// Starts the verb.
pub fn begin(verb: &[u8], words: Words<'_>) -> Result<Begun, Why> {
    let now = now();
    match verb {
        b"tcp" => tcp::begin(words, now),
        b"udp" => udp::begin(words, now),
        b"datagram" => datagram::begin(words, now),
        b"http" => http::begin(words, now),
        b"dns" => dns::begin(words, now),
        b"echo" => echo::begin(words, now),
        b"held" => held::begin(words, now),
        b"read" => read::begin(words),
        b"id" => id::begin(words),
        b"facts" => facts::begin(words),
        b"kernel" => kernel::begin(words),
        b"sleep" => sleep::begin(words, now),
        b"" => Err("no verb"),
        _ => Err("unknown verb"),
    }
}

/// An answer that consists of an error.
pub fn failed(errno: Errno) -> Object {
    Object::new().text("result", errno::result(errno)).text("errno", errno::name(errno))
}

/// When something began and when it gives up.
#[derive(Clone, Copy)]
pub struct Clock {
    started: Micros,
    pub deadline: Micros,
}

impl Clock {
    pub fn new(now: Micros, timeout: Micros) -> Self {
        Self { started: now, deadline: now + timeout }
    }

    fn ms(&self, now: Micros) -> u64 {
        now.saturating_sub(self.started) / MILLI
    }

    /// When the `nth` of `tries` is due, spread over the whole time; after the last one, the deadline.
    fn turn(&self, nth: u64, tries: u64) -> Micros {
        self.started + (self.deadline - self.started) / tries * nth.min(tries)
    }

    /// The start of an answer with its duration.
    pub fn result(&self, result: &str, now: Micros) -> Object {
        Object::new().text("result", result).number("ms", self.ms(now))
    }

    pub fn failed(&self, errno: Errno, now: Micros) -> Object {
        failed(errno).number("ms", self.ms(now))
    }
}

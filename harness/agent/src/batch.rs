//! `agent batch`: lines in, one JSON line out for each. Everything between two barriers is under way at once, in one poll
//! loop, so that a hundred targets that swallow packets cost one time-out and not a hundred.

use alloc::boxed::Box;
use alloc::vec::Vec;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::io::{Errno, read, write};

use crate::clock::{now, timespec};
use crate::json::Object;
use crate::sys;
use crate::verbs::{self, Begun, Exchange};
use crate::words::{Words, number};

const MOST_LINES: usize = 1024;
const MOST_INPUT: usize = 4 << 20;

/// What a pipe takes without blocking once poll calls it writable.
const PIECE: usize = 4096;

/// One line of input, not yet understood.
struct Line<'a> {
    id: Option<u64>,
    verb: &'a [u8],
    words: Words<'a>,
    /// Its place is beyond the limit.
    excess: bool,
}

impl<'a> Line<'a> {
    fn new(index: usize, text: &'a [u8]) -> Self {
        let mut words = Words::new(text);
        let id = words.peek().and_then(number);
        if id.is_some() {
            words.next();
        }
        let verb = words.next().unwrap_or_default();
        Self { id, verb, words, excess: index >= MOST_LINES }
    }

    fn begin(&self) -> Begun {
        if self.id.is_none() {
            return Begun::invalid("the line does not start with a number");
        }
        if self.excess {
            return Begun::invalid("more than 1024 lines");
        }
        verbs::begin(self.verb, self.words.clone()).unwrap_or_else(Begun::invalid)
    }

    fn answer(&self, answer: &Object, out: &mut Output) {
        let verb = self.verb.get(..32).unwrap_or(self.verb);
        Object::new().maybe("id", self.id).text("verb", verb).with(answer).write(&mut out.pending);
        out.lines += 1;
    }
}

/// Answers on their way out. Written when the reader takes them, so that a slow reader never delays a measurement.
struct Output {
    pending: Vec<u8>,
    lines: u64,
}

impl Output {
    fn stdout() -> BorrowedFd<'static> {
        // SAFETY: nothing in this program closes the standard streams.
        unsafe { rustix::stdio::stdout() }
    }

    fn write(&mut self, most: usize) -> Result<(), Errno> {
        let piece = self.pending.get(..most).unwrap_or(&self.pending);
        match write(Self::stdout(), piece) {
            Ok(written) => drop(self.pending.drain(..written.min(self.pending.len()))),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(errno),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Errno> {
        Object::new().number("done", self.lines).write(&mut self.pending);
        while !self.pending.is_empty() {
            poll(&mut [PollFd::from_borrowed_fd(Self::stdout(), PollFlags::OUT)], None).ok();
            self.write(PIECE)?;
        }
        Ok(())
    }
}

/// The lines up to an empty one: not every exec protocol can close stdin.
fn input() -> Vec<u8> {
    let mut input = Vec::new();
    let mut piece = [0; PIECE];
    let mut line = 0;
    while input.len() < MOST_INPUT {
        // SAFETY: nothing in this program closes the standard streams.
        match read(unsafe { rustix::stdio::stdin() }, &mut piece) {
            Ok(0) => break,
            Ok(n) => input.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(Errno::INTR) => continue,
            Err(_) => break,
        }
        while let Some(length) = input.get(line..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
            if input.get(line..line + length).is_none_or(|line| line.trim_ascii().is_empty()) {
                input.truncate(line);
                return input;
            }
            line += length + 1;
        }
    }
    input
}

pub fn run() -> Option<i32> {
    sys::raise_file_limit();
    let input = input();
    Some(i32::from(perform(&input).is_err()))
}

/// `agent session`: one batch after the other in the same exec, until an empty one or the end of stdin. Who looks at the same paths
/// again and again pays for the exec once.
pub fn session() -> Option<i32> {
    sys::raise_file_limit();
    loop {
        let input = input();
        if input.is_empty() {
            return Some(0);
        }
        if perform(&input).is_err() {
            return Some(1);
        }
    }
}

fn perform(input: &[u8]) -> Result<(), Errno> {
    let mut out = Output { pending: Vec::new(), lines: 0 };
    let mut lines = input
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .enumerate()
        .map(|(index, text)| Line::new(index, text))
        .peekable();
    let mut running: Vec<(Line<'_>, Box<dyn Exchange>)> = Vec::new();
    let mut barrier = false;
    loop {
        barrier &= !running.is_empty();
        while !barrier && let Some(line) = lines.peek() {
            if verbs::is_barrier(line.verb) && !running.is_empty() {
                break;
            }
            match line.begin() {
                Begun::Answered(answer) => line.answer(&answer, &mut out),
                Begun::Running(exchange) => {
                    barrier = verbs::is_barrier(line.verb);
                    running.extend(lines.next().map(|line| (line, exchange)));
                    continue;
                }
                // Out of descriptors: the rest goes in a later wave, unless there is nothing left to wait for.
                Begun::Full(_) if !running.is_empty() => break,
                Begun::Full(errno) => line.answer(&verbs::failed(errno), &mut out),
            }
            lines.next();
        }
        if running.is_empty() {
            return out.finish();
        }
        let events = wait(&running, &out)?;
        let mut events = events.into_iter();
        if events.next().is_some_and(|ready| ready) {
            out.write(PIECE)?;
        }
        let time = now();
        let mut index = 0;
        for ready in events {
            let Some((line, exchange)) = running.get_mut(index) else { break };
            // What has arrived counts, even if this loop came round to it late.
            let answer = if ready || exchange.wake_at() <= time { exchange.step(ready, time) } else { None };
            match answer {
                Some(answer) => {
                    line.answer(&answer, &mut out);
                    running.remove(index);
                }
                None => index += 1,
            }
        }
    }
}

/// Waits until something is ready or due: stdout first, then each of `running`.
fn wait(running: &[(Line<'_>, Box<dyn Exchange>)], out: &Output) -> Result<Vec<bool>, Errno> {
    let flags = if out.pending.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
    let mut fds = Vec::with_capacity(running.len() + 1);
    fds.push(PollFd::from_borrowed_fd(Output::stdout(), flags));
    let mut due = u64::MAX;
    for (_, exchange) in running {
        // Where there is no socket stdout stands in, asked for nothing.
        let (socket, flags) = exchange.wants().unwrap_or((Output::stdout(), PollFlags::empty()));
        fds.push(PollFd::from_borrowed_fd(socket, flags));
        due = due.min(exchange.wake_at());
    }
    match poll(&mut fds, Some(&timespec(due.saturating_sub(now())))) {
        Ok(_) => {}
        Err(Errno::INTR) => fds.iter_mut().for_each(PollFd::clear_revents),
        Err(errno) => return Err(errno),
    }
    // A reader that has gone makes the rest pointless.
    if fds.first().is_some_and(|stdout| stdout.revents().intersects(PollFlags::ERR | PollFlags::NVAL)) {
        return Err(Errno::PIPE);
    }
    Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect())
}

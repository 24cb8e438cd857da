//! `sleep MS`: a pause, and the barrier between what comes before and after.

use alloc::boxed::Box;

use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;

use super::{Begun, Clock, Exchange};
use crate::clock::Micros;
use crate::json::Object;
use crate::words::{Why, Words};

struct Sleep(Clock);

pub fn begin(mut words: Words<'_>, now: Micros) -> Result<Begun, Why> {
    let clock = Clock::new(now, words.span()?);
    words.end()?;
    Ok(Begun::Running(Box::new(Sleep(clock))))
}

impl Exchange for Sleep {
    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        None
    }

    fn wake_at(&self) -> Micros {
        self.0.deadline
    }

    fn step(&mut self, _: bool, now: Micros) -> Option<Object> {
        (self.0.deadline <= now).then(|| self.0.result("ok", now))
    }
}

//! Time as microseconds of the monotonic clock.

use rustix::event::Timespec;

use crate::sys;

/// A point in time, or a span of it, in microseconds.
pub type Micros = u64;

/// One millisecond.
pub const MILLI: Micros = 1000;

pub fn now() -> Micros {
    let [seconds, nanos] = sys::monotonic();
    seconds as u64 * 1_000_000 + nanos as u64 / 1000
}

/// The span as poll(2) wants it.
pub fn timespec(span: Micros) -> Timespec {
    Timespec { tv_sec: (span / 1_000_000) as i64, tv_nsec: (span % 1_000_000 * 1000) as _ }
}

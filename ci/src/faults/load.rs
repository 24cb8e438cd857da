//! Somebody else's load: a machine that others keep busy, nodes that get a part of their processors only.

use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;

use anyhow::{Context, Result};

use crate::range::docker::docker;

/// Of the kernel's own length, in microseconds.
const PERIOD_US: usize = 100_000;
/// Busy loops a processor.
const LOOPS: usize = 2;
/// What a throttled node keeps is the machine's processors divided by this.
const PART: usize = 10;
/// Ends with whoever started it, however that ends.
const LOOP: &str = "while kill -0 $PPID; do :; done";

/// Processes that do nothing, as fast as they can, until this goes.
pub(super) struct Busy(Vec<Child>);

impl Busy {
    /// Two of them a processor.
    ///
    /// # Errors
    /// When they cannot be started.
    pub(super) fn start() -> Result<Self> {
        let mut busy = Self(Vec::new());
        for _ in 0..LOOPS * processors() {
            let mut shell = Command::new("sh");
            shell.args(["-c", LOOP]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            busy.0.push(shell.spawn().context("a busy loop cannot be started")?);
        }
        Ok(busy)
    }

    /// Whether all of them are still at it.
    pub(super) fn all_at_it(&mut self) -> bool {
        self.0.iter_mut().all(|child| matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Leaves the container `node` a tenth of the machine.
///
/// # Errors
/// When Docker refuses.
pub(super) fn throttle(node: &str) -> Result<()> {
    let quota = PERIOD_US * processors() / PART;
    docker(&["update", "--cpu-period", &PERIOD_US.to_string(), "--cpu-quota", &quota.to_string(), node]).map(drop)
}

/// Gives it everything back; it had everything: nothing to do.
///
/// # Errors
/// When Docker refuses.
pub(super) fn unthrottle(node: &str) -> Result<()> {
    docker(&["update", "--cpu-quota", "-1", node]).map(drop)
}

/// How often the kernel has held `node` back so far.
///
/// # Errors
/// When it does not say.
pub(super) fn times_throttled(node: &str) -> Result<u64> {
    // Of control groups' first version, then of their second.
    let read = "cat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null || cat /sys/fs/cgroup/cpu.stat";
    let stat = docker(&["exec", node, "sh", "-c", read])?;
    let times = stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.trim().parse().ok());
    times.with_context(|| format!("the kernel does not say how often {node} was throttled"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::{Duration, Instant};

    /// Processor time that a process has used, in the kernel's ticks.
    fn ticks(pid: u32) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(11)?.parse().ok()
    }

    #[test]
    fn busy_loops_use_processors_until_they_go() {
        let mut busy = Busy::start().unwrap();
        let pids: Vec<u32> = busy.0.iter().map(Child::id).collect();
        assert_eq!(pids.len(), LOOPS * processors());
        let used = || pids.iter().filter_map(|pid| ticks(*pid)).sum::<u64>();
        let until = Instant::now() + Duration::from_secs(30);
        while used() < 10 {
            assert!(Instant::now() < until, "they do nothing");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(busy.all_at_it());
        drop(busy);
        assert_eq!(pids.iter().filter(|pid| ticks(**pid).is_some()).count(), 0);
    }
}

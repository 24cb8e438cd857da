//! How something goes, told while it goes: lines that stay, and below them one status that changes.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Where it is told.
pub trait Tell {
    /// A line that stays.
    fn line(&self, line: &str);

    /// Puts the status in the place of the one before; an empty one takes it away. `false` where nothing can change once it is
    /// written, as in a log.
    fn status(&self, status: &str) -> bool {
        let _ = status;
        false
    }
}

impl<T: Fn(&str) + ?Sized> Tell for T {
    fn line(&self, line: &str) {
        self(line);
    }
}

/// How often the status is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How often it becomes a line of its own, where it cannot change.
const EVERY_LINE: Duration = Duration::from_secs(30);

/// Tells `status` of the time that has gone by, again and again until `work` is done. It is gone with the future, however that ends.
pub async fn while_telling<T>(
    tell: &dyn Tell,
    status: impl Fn(Duration) -> String,
    work: impl Future<Output = T>,
) -> T {
    let begun = Instant::now();
    let _gone = Gone(tell);
    let telling = async {
        let mut lines = begun;
        loop {
            tokio::time::sleep(EVERY).await;
            let status = status(begun.elapsed());
            if !tell.status(&status) && lines.elapsed() >= EVERY_LINE {
                lines = Instant::now();
                tell.line(&status);
            }
        }
    };
    tokio::select! {
        done = work => done,
        () = telling => unreachable!("it is told without end"),
    }
}

struct Gone<'a>(&'a dyn Tell);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.status("");
    }
}

/// A duration as one says it: `40 s`, `3 min`, `3 min 20 s`.
#[must_use]
pub fn words(duration: Duration) -> String {
    match (duration.as_secs() / 60, duration.as_secs() % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// Standard error: on a terminal the status changes in place.
pub struct Stderr {
    /// Since when the seconds before each line are counted.
    stamped: Option<Instant>,
    terminal: bool,
    status: Mutex<String>,
}

impl Stderr {
    /// Bare lines.
    #[must_use]
    pub fn bare() -> Self {
        Self { stamped: None, terminal: std::io::stderr().is_terminal(), status: Mutex::default() }
    }

    /// Each line behind the seconds since now.
    #[must_use]
    pub fn stamped() -> Self {
        Self { stamped: Some(Instant::now()), ..Self::bare() }
    }

    fn stamp(&self, line: &str) -> String {
        self.stamped.map_or_else(|| line.to_owned(), |since| format!("{:6.1} s  {line}", since.elapsed().as_secs_f64()))
    }
}

impl Tell for Stderr {
    fn line(&self, line: &str) {
        let status = self.status.lock().expect("nobody panics while writing");
        write(&line_above(&self.stamp(line), &status));
    }

    fn status(&self, status: &str) -> bool {
        if self.terminal {
            let mut shown = self.status.lock().expect("nobody panics while writing");
            write(&in_place_of(&shown, status));
            status.clone_into(&mut shown);
        }
        self.terminal
    }
}

/// A reader that has gone must not end what is under way.
fn write(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Takes the status away, writes the line, and puts the status below it.
fn line_above(line: &str, status: &str) -> String {
    if status.is_empty() { format!("{line}\n") } else { format!("{CLEAR}{line}\n{}", unwrapped(status)) }
}

fn in_place_of(shown: &str, status: &str) -> String {
    let clear = if shown.is_empty() { "" } else { CLEAR };
    if status.is_empty() { clear.to_owned() } else { format!("{clear}{}", unwrapped(status)) }
}

/// To the line's beginning, and the line away.
const CLEAR: &str = "\r\x1b[K";

/// Cut off where the terminal ends: of a status that runs over two lines only the second could be taken away.
fn unwrapped(status: &str) -> String {
    format!("\x1b[?7l{status}\x1b[?7h")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::less_than_a_minute(40, "40 s")]
    #[case::a_minute(60, "1 min")]
    #[case::more(200, "3 min 20 s")]
    fn a_duration_in_words(#[case] seconds: u64, #[case] said: &str) {
        assert_eq!(words(Duration::from_secs(seconds)), said);
    }

    #[test]
    fn a_line_comes_to_stand_above_the_status() {
        assert_eq!(line_above("made kind", ""), "made kind\n");
        assert_eq!(line_above("made kind", "3 of 7"), "\r\x1b[Kmade kind\n\x1b[?7l3 of 7\x1b[?7h");
    }

    #[test]
    fn a_status_takes_the_place_of_the_one_before_and_goes() {
        assert_eq!(in_place_of("", ""), "");
        assert_eq!(in_place_of("", "1 s"), "\x1b[?7l1 s\x1b[?7h");
        assert_eq!(in_place_of("1 s", "2 s"), "\r\x1b[K\x1b[?7l2 s\x1b[?7h");
        assert_eq!(in_place_of("2 s", ""), "\r\x1b[K");
    }

    #[derive(Default)]
    struct Told {
        changes: bool,
        lines: Mutex<Vec<String>>,
        statuses: Mutex<Vec<String>>,
    }

    impl Tell for Told {
        fn line(&self, line: &str) {
            self.lines.lock().unwrap().push(line.to_owned());
        }
        fn status(&self, status: &str) -> bool {
            self.statuses.lock().unwrap().push(status.to_owned());
            self.changes
        }
    }

    #[tokio::test]
    async fn where_it_changes_it_is_told_each_second_and_then_is_gone() {
        let told = Told { changes: true, ..Told::default() };
        let work = tokio::time::sleep(Duration::from_millis(1500));
        while_telling(&told, words, work).await;
        assert_eq!(*told.statuses.lock().unwrap(), ["1 s", ""]);
        assert!(told.lines.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_dropped_leaves_no_status() {
        let told = Told { changes: true, ..Told::default() };
        let work = while_telling(&told, |_| "at work".to_owned(), std::future::pending::<()>());
        assert!(tokio::time::timeout(Duration::from_millis(1200), work).await.is_err());
        assert_eq!(*told.statuses.lock().unwrap(), ["at work", ""]);
    }
}

//! What each step took, in one table at the end: also when one of them failed, or the whole was cut off.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::workspace;

/// The steps so far.
pub(super) struct Steps<'a> {
    rows: RefCell<Vec<String>>,
    begun: Instant,
    tell: &'a dyn Fn(&str),
}

impl<'a> Steps<'a> {
    /// None so far.
    pub(super) fn new(tell: &'a dyn Fn(&str)) -> Self {
        let steps = Self { rows: RefCell::default(), begun: Instant::now(), tell };
        steps.write();
        steps
    }

    /// Goes through a step, and enters what it took, whatever came of it.
    pub(super) async fn step<T>(&self, name: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
        let ended = self.enter(name, step).await;
        self.write();
        ended
    }

    async fn enter<T>(&self, name: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
        (self.tell)(&format!("{name} ..."));
        let start = Instant::now();
        let ended = step.await;
        let row = row(name, start.elapsed(), ended.is_ok());
        (self.tell)(&row);
        self.rows.borrow_mut().push(row);
        ended
    }

    /// Tells the table.
    pub(super) fn conclude(&self, passed: bool) {
        (self.tell)("what each step took:");
        for row in &*self.rows.borrow() {
            (self.tell)(&format!("  {row}"));
        }
        (self.tell)(&format!("  {}", row("all of it", self.begun.elapsed(), passed)));
    }

    /// As a file, for whoever has this as a step of his own. That it cannot be written fails nothing.
    fn write(&self) {
        let rows: String = self.rows.borrow().iter().map(|row| format!("{row}\n")).collect();
        let file = file();
        let _ = file.parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(file, rows);
    }
}

fn file() -> PathBuf {
    workspace().join("target/conformance/check-steps.txt")
}

fn row(name: &str, took: Duration, passed: bool) -> String {
    let word = if passed { "" } else { "  failed" };
    format!("{name:<40} {:>7.1} s{word}", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use rstest::rstest;

    #[rstest]
    #[case("lints", 61_250, true, "lints                                       61.2 s")]
    #[case("sabotages", 700, false, "sabotages                                    0.7 s  failed")]
    fn a_row(#[case] name: &str, #[case] ms: u64, #[case] passed: bool, #[case] expected: &str) {
        assert_eq!(row(name, Duration::from_millis(ms), passed), expected);
    }

    #[tokio::test]
    async fn a_step_that_fails_is_in_the_table() {
        let told = RefCell::new(Vec::new());
        let tell = |line: &str| told.borrow_mut().push(line.to_owned());
        let steps = Steps { rows: RefCell::default(), begun: Instant::now(), tell: &tell };
        steps.rows.borrow_mut().push(row("one", Duration::ZERO, true));
        let failed: Result<()> = steps.enter("two", async { bail!("no") }).await;
        steps.conclude(failed.is_ok());
        let words = ["two ...", "two ", "what each step took:", "  one ", "  two ", "  all of it "];
        let told = told.borrow();
        assert_eq!(told.len(), words.len());
        assert!(told.iter().zip(words).all(|(line, word)| line.starts_with(word)), "{told:?}");
        assert_eq!(told.iter().filter(|line| line.ends_with("failed")).count(), 3, "{told:?}");
    }
}

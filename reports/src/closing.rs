//! How a run closes: in libtest's words, in those of a verdict, and with what is no green although nothing failed.
use harness::record::{Outcome, Run, Totals};

use crate::terminal;

/// The last lines of a run: as libtest closes, so that whatever reads that reads ours, and what it means.
pub fn lines(run: &Run) -> Vec<String> {
    let Totals { passed, failed, inconclusive, acknowledged, waived, not_applicable } = run.totals();
    // libtest has no word for what neither passes nor fails; whoever looks for its `ok` must not find it.
    let word = match (failed + inconclusive, acknowledged) {
        (0, 0) => "ok",
        (0, _) => "ACKNOWLEDGED",
        _ => "FAILED",
    };
    let cells = run.scenarios.iter().flat_map(|record| &record.cells);
    let denials = cells.filter(|cell| matches!(cell.outcome, Outcome::Denied { .. })).count();
    vec![
        format!(
            "test result: {word}. {passed} passed; {} failed; {} ignored; 0 measured; 0 filtered out; finished in {:.2}s",
            failed + inconclusive,
            acknowledged + waived + not_applicable,
            run.elapsed_ms as f64 / 1000.0,
        ),
        format!("{} ({denials} cells denied)", terminal::summary(run)),
    ]
}

/// That a run without a failure is no green one; `exit_code` is what it ends with. None where nothing is acknowledged, or something failed.
pub fn not_green(run: &Run, exit_code: u8) -> Option<String> {
    let Totals { failed, inconclusive, acknowledged, .. } = run.totals();
    let scenarios = if acknowledged == 1 { "1 scenario" } else { &*format!("{acknowledged} scenarios") };
    (acknowledged > 0 && failed + inconclusive == 0).then(|| {
        format!(
            "not green: nothing was proved in {scenarios}, which waivers.toml acknowledges; exit code {exit_code} (`acknowledged-exit-code` in conformance.toml)"
        )
    })
}

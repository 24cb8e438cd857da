//! How a run closes.
mod sample;

use harness::record::{Outcome, Run};
use harness::scenario::Guard;
use reports::closing;
use rstest::rstest;
use sample::{acknowledged, allowed, cell, denied, inconclusive, not_applicable, record, waived};

fn run(letters: &str) -> Run {
    let outcome = |letter: char| -> Outcome {
        match letter {
            'D' => denied(Guard::Rbac, "no"),
            'A' => allowed("yes"),
            'i' => inconclusive("no control"),
            'a' => acknowledged("no control"),
            'w' => waived("yes"),
            _ => not_applicable("no nodes"),
        }
    };
    let of = |letter: char| record("c/s", outcome(letter), vec![cell("tenant-a", outcome(letter), None)]);
    Run { scenarios: letters.chars().map(of).collect(), ..sample::run() }
}

#[rstest]
#[case::green("DDwn", "ok. 2 passed; 0 failed; 2 ignored")]
#[case::acknowledged("DDawn", "ACKNOWLEDGED. 2 passed; 0 failed; 3 ignored")]
#[case::nothing_else("a", "ACKNOWLEDGED. 0 passed; 0 failed; 1 ignored")]
#[case::allowed("DAa", "FAILED. 1 passed; 1 failed; 1 ignored")]
#[case::inconclusive("Dia", "FAILED. 1 passed; 1 failed; 1 ignored")]
fn what_is_acknowledged_is_never_ok(#[case] letters: &str, #[case] expected: &str) {
    let expected = format!("test result: {expected}; 0 measured; 0 filtered out; finished in 9.88s");
    assert_eq!(closing::lines(&run(letters))[0], expected);
}

#[rstest]
#[case::green("DDwn", None)]
#[case::one("Da", Some("1 scenario"))]
#[case::several("aDaw", Some("2 scenarios"))]
#[case::a_failure_says_enough("aA", None)]
#[case::so_does_what_nobody_answers_for("ai", None)]
fn a_run_that_only_lacks_proof_says_that_it_is_not_green(#[case] letters: &str, #[case] scenarios: Option<&str>) {
    let expected = scenarios.map(|scenarios| {
        format!(
            "not green: nothing was proved in {scenarios}, which waivers.toml acknowledges; exit code 3 (`acknowledged-exit-code` in conformance.toml)"
        )
    });
    assert_eq!(closing::not_green(&run(letters), 3), expected);
}

#[test]
fn each_outcome_is_counted_by_itself() {
    let expected = "2 denied, 1 allowed, 1 inconclusive, 3 acknowledged, 1 waived, 1 not applicable (2 cells denied)";
    assert_eq!(closing::lines(&run("DDAiaaawn"))[1], expected);
}

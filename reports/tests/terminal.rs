//! What a person watching reads.
mod sample;

use harness::scenario::Guard;
use reports::terminal;
use rstest::rstest;
use sample::{allowed, cell, denied, inconclusive, record};

#[test]
fn each_outcome() {
    let run = sample::run();
    let mut lines: Vec<_> = run.scenarios.iter().map(|record| terminal::line(record, false)).collect();
    lines.extend(terminal::waivers(&run));
    lines.push(terminal::summary(&run));
    insta::assert_snapshot!(lines.join("\n"));
}

#[rstest]
#[case(10, None)]
#[case(11, Some("    ... and 1 more in run.json"))]
#[case(90, Some("    ... and 80 more in run.json"))]
fn bad_cells_are_shown_up_to_ten(#[case] number: usize, #[case] last: Option<&str>) {
    let cells = (0..number).map(|nth| cell(&format!("pair-{nth}"), allowed("reached"), None)).collect();
    let line = terminal::line(&record("network/namespaces-isolated", allowed("reached"), cells), false);
    assert_eq!(line.lines().filter(|line| line.contains("allowed: pair-")).count(), 10);
    assert_eq!(line.lines().last().filter(|line| line.contains("more")), last);
}

#[test]
fn what_was_allowed_is_never_behind_what_was_not_proved() {
    let mut cells: Vec<_> = (0..20).map(|nth| cell(&format!("pair-{nth}"), inconclusive("no probe"), None)).collect();
    cells.push(cell("the-hole", allowed("reached"), None));
    let line = terminal::line(&record("network/namespaces-isolated", allowed("reached"), cells), false);
    assert_eq!(line.lines().nth(1), Some("    allowed: the-hole: reached"));
}

#[test]
fn a_scenario_that_crashed_before_its_first_cell_says_why() {
    let line =
        terminal::line(&record("rbac/powerless", inconclusive("it crashed: index out of bounds"), Vec::new()), false);
    assert_eq!(line.lines().nth(1), Some("    it crashed: index out of bounds"));
}

#[rstest]
#[case::escapes("\u{1b}[2J\u{7}gone", "    allowed: tenant-a: \\u{1b}[2J\\u{7}gone")]
#[case::lines("first\nsecond\r\nthird", "    allowed: tenant-a: first second third")]
fn a_cluster_cannot_write_to_the_terminal(#[case] evidence: &str, #[case] expected: &str) {
    let record = record("network/open", allowed(evidence), vec![cell("tenant-a", allowed(evidence), None)]);
    let line = terminal::line(&record, false);
    assert_eq!(line.lines().count(), 2);
    assert_eq!(line.lines().nth(1), Some(expected));
}

#[test]
fn long_evidence_is_cut() {
    let evidence = "e".repeat(100_000);
    let record = record("network/open", allowed(&evidence), vec![cell("tenant-a", allowed(&evidence), None)]);
    assert!(terminal::line(&record, false).len() < 600);
}

#[test]
fn colors_only_if_told_and_the_columns_stay() {
    let record =
        record("rbac/powerless", denied(Guard::Rbac, "no"), vec![cell("tenant-a", denied(Guard::Rbac, "no"), Some(2))]);
    let (plain, colored) = (terminal::line(&record, false), terminal::line(&record, true));
    assert!(!plain.contains('\u{1b}'));
    assert!(colored.starts_with("\u{1b}[32mdenied"));
    assert_eq!(colored.replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""), plain);
}

//! What a person watching reads.
mod sample;

use harness::record::{Outcome, ProbeFacts, Record, Run};
use harness::scenario::Guard;
use reports::terminal::{self, Terminal};
use rstest::rstest;
use sample::{acknowledged, allowed, cell, denied, inconclusive, not_applicable, record, waived};

/// The lines of a run's first scenario.
fn line(record: &Record) -> String {
    Terminal::new(false).lines(record)
}

#[test]
fn each_outcome() {
    let run = sample::run();
    let mut terminal = Terminal::new(false);
    let mut lines: Vec<_> = run.scenarios.iter().map(|record| terminal.lines(record)).collect();
    lines.extend(terminal.shared());
    lines.extend(terminal::waivers(&run));
    lines.extend(terminal::acknowledgements(&run));
    lines.push(terminal::summary(&run));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn whoever_puts_containers_beside_probes_is_told_once() {
    let probe = |namespace: &str| ProbeFacts {
        namespace: namespace.into(),
        strangers: vec!["mesh-proxy".into()],
        ..ProbeFacts::default()
    };
    let run = Run { probes: ["b", "a", "b"].map(probe).into(), ..Run::default() };
    let expected =
        "somebody puts container mesh-proxy beside probes, in a, b: what they get to, it may take or refuse first";
    assert_eq!(terminal::strangers(&run), [expected]);
    assert!(terminal::strangers(&sample::run()).is_empty());
}

#[rstest]
#[case(10, None)]
#[case(11, Some("    ... and 1 more in run.json"))]
#[case(90, Some("    ... and 80 more in run.json"))]
fn causes_are_shown_up_to_ten(#[case] number: usize, #[case] last: Option<&str>) {
    let cells = (0..number).map(|nth| cell(&format!("pair-{nth}"), allowed(&format!("reached port {nth}")), None));
    let line = line(&record("network/namespaces-isolated", allowed("reached port 0"), cells.collect()));
    assert_eq!(line.lines().filter(|line| line.contains("allowed: pair-")).count(), 10);
    assert_eq!(line.lines().last().filter(|line| line.contains("more")), last);
}

#[test]
fn what_was_allowed_is_never_behind_what_was_not_proved() {
    let mut cells: Vec<_> = (0..20).map(|nth| cell(&format!("pair-{nth}"), inconclusive("no probe"), None)).collect();
    cells.push(cell("the-hole", allowed("reached"), None));
    let line = line(&record("network/namespaces-isolated", allowed("reached"), cells));
    assert_eq!(line.lines().nth(1), Some("    allowed: the-hole: reached"));
}

const LABEL: &str = "no control: every pod must say which cost centre pays for it";

/// A scenario whose cells in `namespaces` have that outcome.
fn everywhere(id: &str, namespaces: usize, outcome: impl Fn(&str) -> Outcome) -> Record {
    let names = (0..namespaces).map(|nth| format!("team-{nth}"));
    let cells: Vec<_> = names.map(|name| cell(&name, outcome(&name), None)).collect();
    record(id, cells[0].outcome.clone(), cells)
}

#[test]
fn one_cause_over_many_cells_is_one_line_with_a_count() {
    let line = line(&everywhere("images/tag-refused", 49, |_| inconclusive(LABEL)));
    assert_eq!(line.lines().count(), 2);
    let expected = format!("    inconclusive: 49 cells (team-0, team-1, team-2 and 46 more): {LABEL}");
    assert_eq!(line.lines().last(), Some(&*expected));
}

#[rstest]
#[case::allowed(&|name: &str| allowed(&format!("{name}:deployer may have in {name} it")), "allowed: 3 cells (team-0, team-1, team-2): NAMESPACE:deployer may have in NAMESPACE it")]
#[case::inconclusive(&|name: &str| inconclusive(&format!("{name}:deployer is not asked as it")), "inconclusive: 3 cells (team-0, team-1, team-2): NAMESPACE:deployer is not asked as it")]
#[case::waived(&|_: &str| waived("admitted"), "waived: 3 cells (team-0, team-1, team-2): until 2027-01-31, team-a answers for it (the images move to digests with release 12): admitted")]
#[case::acknowledged(&|name: &str| acknowledged(&format!("{name} has no node")), "acknowledged: 3 cells (team-0, team-1, team-2): until 2027-03-31, platform answers for it (the nodes have no metadata service): NAMESPACE has no node")]
#[case::not_applicable(&|_: &str| not_applicable("no such thing"), "not applicable: 3 cells (team-0, team-1, team-2): no such thing")]
fn a_cause_that_differs_by_the_cells_own_names_is_one(
    #[case] outcome: &dyn Fn(&str) -> Outcome,
    #[case] expected: &str,
) {
    let line = line(&everywhere("pod_security/privileged", 3, outcome));
    assert_eq!(line.lines().skip(1).map(str::trim).collect::<Vec<_>>(), [expected]);
}

#[test]
fn why_scenarios_are_inconclusive_is_said_once_in_a_run() {
    let ids =
        ["pod_security/privileged", "pod_security/host-pid", "pod_security/host-ipc", "images/tag-refused", "nodes/x"];
    let mut terminal = Terminal::new(false);
    let mut lines: Vec<_> = ids
        .iter()
        .map(|id| terminal.lines(&everywhere(id, 3, |name| inconclusive(&format!("{name}: {LABEL}")))))
        .collect();
    lines.push(terminal.lines(&everywhere("metadata/endpoint-unreachable", 1, |_| inconclusive("no probe"))));
    lines.extend(terminal.shared());
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_is_acknowledged_is_said_once_in_a_run_and_shares_no_cause_with_what_is_not() {
    let mut terminal = Terminal::new(false);
    let mut last = |id: &str, outcome: fn(&str) -> Outcome| {
        let lines = terminal.lines(&everywhere(id, 1, |_| outcome(LABEL)));
        lines.lines().last().map(str::trim).unwrap_or_default().to_owned()
    };
    let words = format!("until 2027-03-31, platform answers for it (the nodes have no metadata service): {LABEL}");
    assert_eq!(last("pod_security/privileged", acknowledged), format!("acknowledged: team-0: {words}"));
    assert_eq!(last("nodes/x", acknowledged), "acknowledged: team-0: as said at pod_security/privileged");
    assert_eq!(last("images/tag-refused", inconclusive), format!("inconclusive: team-0: {LABEL}"));
    assert!(terminal.shared().is_empty());
}

#[rstest]
#[case::allowed(allowed("reached"), "allowed: a: reached")]
#[case::inconclusive(inconclusive("no probe"), "inconclusive: a: no probe")]
fn what_is_worse_comes_before_what_is_acknowledged(#[case] worse: Outcome, #[case] expected: &str) {
    let cells = vec![cell("b", acknowledged("no node"), None), cell("a", worse.clone(), None)];
    let line = line(&record("network/open", worse, cells));
    let below: Vec<&str> = line.lines().skip(1).map(str::trim).collect();
    let last =
        "acknowledged: b: until 2027-03-31, platform answers for it (the nodes have no metadata service): no node";
    assert_eq!(below, [expected, last]);
}

#[test]
fn what_was_allowed_is_said_in_each_scenario() {
    let mut terminal = Terminal::new(false);
    for id in ["pod_security/privileged", "images/tag-refused"] {
        let lines = terminal.lines(&everywhere(id, 1, |_| allowed("admitted (dry run)")));
        assert_eq!(lines.lines().nth(1), Some("    allowed: team-0: admitted (dry run)"));
    }
    assert!(terminal.shared().is_empty());
}

#[test]
fn a_scenario_that_crashed_before_its_first_cell_says_why() {
    let line = line(&record("rbac/powerless", inconclusive("it crashed: index out of bounds"), Vec::new()));
    assert_eq!(line.lines().nth(1), Some("    it crashed: index out of bounds"));
}

#[rstest]
#[case::escapes("\u{1b}[2J\u{7}gone", "    allowed: tenant-a: \\u{1b}[2J\\u{7}gone")]
#[case::turned_around("by net\u{202e}krow \u{2067}now", "    allowed: tenant-a: by net\\u{202e}krow \\u{2067}now")]
#[case::one_character_that_begins_a_sequence("\u{9b}31mred", "    allowed: tenant-a: \\u{9b}31mred")]
#[case::lines("first\nsecond\r\nthird", "    allowed: tenant-a: first second third")]
fn a_cluster_cannot_write_to_the_terminal(#[case] evidence: &str, #[case] expected: &str) {
    let record = record("network/open", allowed(evidence), vec![cell("tenant-a", allowed(evidence), None)]);
    let line = line(&record);
    assert_eq!(line.lines().count(), 2);
    assert_eq!(line.lines().nth(1), Some(expected));
}

#[test]
fn long_evidence_is_cut() {
    let evidence = "e".repeat(100_000);
    let record = record("network/open", allowed(&evidence), vec![cell("tenant-a", allowed(&evidence), None)]);
    assert!(line(&record).len() < 600);
}

#[test]
fn colors_only_if_told_and_the_columns_stay() {
    let record =
        record("rbac/powerless", denied(Guard::Rbac, "no"), vec![cell("tenant-a", denied(Guard::Rbac, "no"), Some(2))]);
    let (plain, colored) = (line(&record), Terminal::new(true).lines(&record));
    assert!(!plain.contains('\u{1b}'));
    assert!(colored.starts_with("\u{1b}[32mdenied"));
    assert_eq!(colored.replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""), plain);
}

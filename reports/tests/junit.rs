//! The JUnit report, read back by a reader that shares no code with its writer.
mod sample;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus};
use rstest::rstest;
use sample::{acknowledged, allowed, cell, denied, inconclusive, not_applicable, record, waived};

use harness::record::{Outcome, Run};
use harness::scenario::Guard;

fn read_back(run: &Run) -> Report {
    let xml = reports::junit::xml(run).expect("a report");
    Report::deserialize_from_str(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"))
}

fn case<'report>(report: &'report Report, id: &str) -> &'report TestCase {
    report.test_suites.iter().flat_map(|suite| &suite.test_cases).find(|case| case.name.as_str() == id).expect(id)
}

/// A run of one scenario with one cell.
fn run_of(outcome: Outcome) -> Run {
    let record = record("chapter/scenario", outcome.clone(), vec![cell("tenant-a", outcome, None)]);
    Run { scenarios: vec![record], ..sample::run() }
}

#[test]
fn its_text() {
    insta::assert_snapshot!(reports::junit::xml(&sample::run()).expect("a report").replace("><", ">\n<"));
}

#[test]
fn a_chapter_is_a_suite_with_its_counts() {
    let report = read_back(&sample::run());
    let counts: Vec<_> = report
        .test_suites
        .iter()
        .map(|suite| (suite.name.as_str(), suite.tests, suite.failures, suite.errors, suite.test_cases.len()))
        .collect();
    assert_eq!(
        counts,
        [
            ("kind.oke.pod_security", 2, 0, 0, 2),
            ("kind.oke.network", 1, 1, 0, 1),
            ("kind.oke.metadata", 2, 0, 1, 2),
            ("kind.oke.addons", 1, 0, 0, 1),
            ("kind.oke.images", 1, 0, 0, 1)
        ]
    );
    let network = &report.test_suites[1];
    assert_eq!(network.timestamp.map(|time| time.to_rfc3339()), Some("2026-11-24T10:00:01.750+00:00".into()));
    assert_eq!(network.test_cases[0].classname.as_ref().map(|name| name.as_str()), Some("kind.oke.network"));
    assert_eq!(network.test_cases[0].time.map(|time| time.as_millis()), Some(1_234));
}

/// A name and its count, of each element of that name, in the order of the document.
fn attributes(xml: &str, element: &str, attribute: &str) -> Vec<usize> {
    let begins = format!("<{element} ");
    let starts = xml.split(&begins).skip(1).filter_map(|rest| rest.split('>').next());
    let value = |start: &str| start.split(&format!(" {attribute}=\"")).nth(1)?.split('"').next()?.parse().ok();
    starts.map(|start| value(&format!(" {start}")).expect(start)).collect()
}

#[rstest]
#[case::tests("tests", 7, &[2, 1, 2, 1, 1])]
#[case::failures("failures", 1, &[0, 1, 0, 0, 0])]
#[case::errors("errors", 1, &[0, 0, 1, 0, 0])]
#[case::skipped("skipped", 3, &[0, 0, 1, 1, 1])]
fn what_is_waived_or_acknowledged_or_does_not_apply_is_counted_as_no_pass(
    #[case] attribute: &str,
    #[case] all: usize,
    #[case] of_suites: &[usize],
) {
    let xml = reports::junit::xml(&sample::run()).expect("a report");
    assert_eq!(attributes(&xml, "testsuite", attribute), of_suites);
    assert_eq!(attributes(&xml, "testsuites", attribute), [all]);
}

/// What GitLab and others know a case by.
fn known_by(run: &Run) -> Vec<(String, String)> {
    let name = |case: &TestCase| {
        (case.classname.as_ref().expect("a classname").as_str().to_owned(), case.name.as_str().to_owned())
    };
    read_back(run).test_suites.iter().flat_map(|suite| &suite.test_cases).map(name).collect()
}

#[rstest]
#[case::two_clusters(("blue", "quick"), ("green", "quick"))]
#[case::two_suites(("blue", "quick"), ("blue", "oke"))]
#[case::a_suite_and_a_file_of_its_name(("blue", "quick"), ("blue", "quick.toml"))]
#[case::files_of_one_name(("blue", "a/nightly.toml"), ("blue", "b/nightly.toml"))]
#[case::dots_in_both(("a.b", "c.toml"), ("a", "b.c.toml"))]
#[case::what_looks_escaped(("a", "b.c"), ("a", "b%2Ec"))]
fn reports_can_be_put_together(#[case] one: (&str, &str), #[case] other: (&str, &str)) {
    let of = |(cluster, suite): (&str, &str)| {
        let mut run = Run { suite: suite.into(), ..sample::run() };
        run.cluster.name = cluster.into();
        run
    };
    let mut names = known_by(&of(one));
    names.extend(known_by(&of(other)));
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "{names:?}");
    // The next night's are the same.
    assert_eq!(known_by(&of(one)), known_by(&Run { id: "r-later".into(), ..of(one) }));
}

#[rstest]
#[case::allowed(allowed("NAME: open to all"), "3 cells (a, b, c): NAMESPACE: open to all")]
#[case::inconclusive(inconclusive("no control"), "3 cells (a, b, c): no control")]
#[case::not_applicable(not_applicable("no nodes"), "3 cells (a, b, c): no nodes")]
fn one_cause_over_many_cells_is_said_once_and_with_a_count(#[case] outcome: Outcome, #[case] expected: &str) {
    let of = |name: &str| match &outcome {
        Outcome::Allowed { evidence } => allowed(&evidence.replace("NAME", name)),
        other => other.clone(),
    };
    let cells = ["a", "b", "c"].map(|name| cell(name, of(name), None));
    let run = Run { scenarios: vec![record("chapter/scenario", of("a"), cells.into())], ..sample::run() };
    let report = read_back(&run);
    let case = case(&report, "chapter/scenario");
    let (message, text) = match &case.status {
        TestCaseStatus::NonSuccess { message, description, .. } => (message, description),
        TestCaseStatus::Skipped { message, .. } => (message, &case.system_out),
        TestCaseStatus::Success { .. } => panic!("it passed"),
    };
    assert_eq!(message.as_ref().map(|message| message.as_str()), Some(expected));
    let text = text.as_ref().expect("a text").as_str();
    let said = expected.rsplit(": ").next().expect("a cause");
    assert_eq!(text.matches(said).count(), 1, "{text}");
    assert!(["\na (41 ms)", "\nb (41 ms)", "\nc (41 ms)"].iter().all(|cell| text.contains(cell)), "{text}");
}

#[rstest]
#[case::allowed(allowed("reached"), NonSuccessKind::Failure, "Allowed", "reached")]
#[case::inconclusive(inconclusive("no control"), NonSuccessKind::Error, "Inconclusive", "no control")]
fn what_is_bad_says_how_and_with_what(
    #[case] outcome: Outcome,
    #[case] expected: NonSuccessKind,
    #[case] expected_type: &str,
    #[case] expected_message: &str,
) {
    let report = read_back(&run_of(outcome));
    let TestCaseStatus::NonSuccess { kind, message, ty, description, .. } = &case(&report, "chapter/scenario").status
    else {
        panic!("it passed")
    };
    assert_eq!(*kind, expected);
    assert_eq!(ty.as_ref().map(|ty| ty.as_str()), Some(expected_type));
    assert_eq!(message.as_ref().map(|message| message.as_str()), Some(expected_message));
    assert!(description.as_ref().is_some_and(|text| text.as_str().contains("tenant-a (41 ms)")));
}

#[test]
fn a_failure_speaks_of_the_first_cell_that_was_allowed_and_lists_all() {
    let report = read_back(&sample::run());
    let TestCaseStatus::NonSuccess { message, description, .. } = &case(&report, "network/namespaces-isolated").status
    else {
        panic!("it passed")
    };
    assert_eq!(message.as_ref().map(|text| text.as_str()), Some("connected to 10.244.1.7:8080 in 1 ms"));
    let text = description.as_ref().expect("a text").as_str();
    for name in ["tenant-a -> tenant-b", "shared -> tenant-b", "tenant-b -> tenant-a"] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
}

#[test]
fn a_pass_lists_guard_evidence_and_control_of_each_cell() {
    let report = read_back(&sample::run());
    let case = case(&report, "pod_security/privileged");
    assert!(matches!(case.status, TestCaseStatus::Success { .. }));
    let text = case.system_out.as_ref().expect("a text").as_str();
    for part in [
        "denied by pod-security",
        "denied by admission-policy",
        "evidence: denied request: privileged",
        "control: the same pod without the attribute was admitted",
        "denied after 9 ms",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn what_does_not_apply_is_skipped_with_its_reason() {
    let report = read_back(&run_of(not_applicable("no nodes")));
    let TestCaseStatus::Skipped { message, .. } = &case(&report, "chapter/scenario").status else {
        panic!("it was not skipped")
    };
    assert_eq!(message.as_ref().map(|message| message.as_str()), Some("no nodes"));
}

#[test]
fn what_is_waived_is_skipped_with_who_answers_for_it() {
    let report = read_back(&sample::run());
    let TestCaseStatus::Skipped { message, .. } = &case(&report, "images/tag-refused").status else {
        panic!("it was not skipped")
    };
    let expected = "until 2027-01-31 by team-a: the images move to digests with release 12";
    assert_eq!(message.as_ref().map(|message| message.as_str()), Some(expected));
}

/// GitLab shows the element's text alone, others its message alone.
#[test]
fn what_is_acknowledged_is_skipped_with_who_answers_for_it_and_why_nothing_was_proved() {
    let outcome = acknowledged("no control: nobody answers");
    let worse = cell("tenant-b", waived("admitted"), None);
    let cells = vec![worse, cell("tenant-a", outcome.clone(), None)];
    let run = Run { scenarios: vec![record("chapter/scenario", outcome, cells)], ..sample::run() };
    let report = read_back(&run);
    let case = case(&report, "chapter/scenario");
    let TestCaseStatus::Skipped { message, ty, description } = &case.status else { panic!("it was not skipped") };
    let texts = [message, ty, description].map(|text| text.as_ref().map(|text| text.as_str().trim()));
    let expected = "until 2027-03-31 by platform: the nodes have no metadata service: no control: nobody answers";
    assert_eq!(texts, [Some(expected), Some("Acknowledged"), Some(expected)]);
    let text = case.system_out.as_ref().expect("a text").as_str();
    let cell = "tenant-a (41 ms)\n  acknowledged until 2027-03-31 by platform\n  reason: the nodes have no metadata service\n  inconclusive: no control: nobody answers";
    assert!(text.contains(cell), "{text}");
}

#[test]
fn an_error_speaks_of_the_first_cell_that_nobody_answers_for() {
    let cells = vec![cell("a", acknowledged("no control"), None), cell("b", inconclusive("no probe"), None)];
    let run = Run { scenarios: vec![record("chapter/scenario", inconclusive("no probe"), cells)], ..sample::run() };
    let report = read_back(&run);
    let TestCaseStatus::NonSuccess { message, .. } = &case(&report, "chapter/scenario").status else {
        panic!("it passed")
    };
    assert_eq!(message.as_ref().map(|message| message.as_str()), Some("no probe"));
}

#[rstest]
#[case::end_of_cdata("before ]]> after ]]>]]>")]
#[case::nul("before \u{0} after")]
#[case::terminal_escapes("before \u{1b}[2J after")]
#[case::not_characters("before \u{fffe}\u{ffff} after")]
#[case::markup("before <script> &amp; </failure> \"quoted\" 'too' after")]
#[case::doctype("before <!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]> after")]
#[case::isolates("before \u{2066}\u{2067}\u{2068}\u{2069} after")]
#[case::unseen("before \u{9b}31m \u{200b}\u{feff} after")]
#[case::line_breaks("before \r\n\n after")]
#[case::other_planes("before \u{1F512} \u{202e} after")]
fn whatever_a_cluster_says_is_valid_xml(#[case] hostile: &str) {
    for outcome in [
        denied(Guard::Webhook, hostile),
        allowed(hostile),
        inconclusive(hostile),
        acknowledged(hostile),
        not_applicable(hostile),
    ] {
        let mut run = run_of(outcome);
        run.scenarios[0].title = hostile.into();
        run.scenarios[0].cells[0].name = hostile.into();
        run.cluster.name = hostile.into();
        run.suite = hostile.into();
        let xml = reports::junit::xml(&run).expect("a report");
        let shown = |character: char| character == '\n' || harness::printable::shows_itself(character);
        assert!(xml.chars().all(shown), "{xml:?}");
        let report = read_back(&run);
        let case = case(&report, "chapter/scenario");
        let texts = match &case.status {
            TestCaseStatus::NonSuccess { description, message, .. } => vec![description, message],
            TestCaseStatus::Skipped { message, .. } => vec![message, &case.system_out],
            TestCaseStatus::Success { .. } => vec![&case.system_out],
        };
        for text in texts {
            let text = text.as_ref().expect("a text").as_str();
            assert!(text.contains("before") && text.contains("after"), "{text:?}");
        }
    }
}

#[test]
fn long_evidence_is_whole_in_the_text_and_cut_in_the_message() {
    let evidence = "e".repeat(100_000);
    let report = read_back(&run_of(allowed(&evidence)));
    let TestCaseStatus::NonSuccess { message, description, .. } = &case(&report, "chapter/scenario").status else {
        panic!("it passed")
    };
    assert!(message.as_ref().is_some_and(|message| message.as_str().len() < 600));
    assert!(description.as_ref().is_some_and(|text| text.as_str().contains(&evidence)));
}

#[test]
fn a_run_without_a_time_is_told_in_one_sentence() {
    let run = Run { started: "yesterday".into(), ..sample::run() };
    let error = reports::junit::xml(&run).expect_err("no report");
    assert_eq!(error.to_string(), "the run's start \"yesterday\" is not a time as in RFC 3339");
}

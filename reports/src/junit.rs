//! JUnit: a suite for each chapter, a case for each scenario.
//!
//! Allowed is a failure, inconclusive an error; acknowledged, waived and not applicable are skipped. The cells are the case's text: JUnit has no level
//! below a case. junit-report writes no properties, so what the run was is each suite's system-out.
//!
//! Many readers know a case by its classname and name alone, and take two of one name for one. The classname is
//! `CLUSTER.SUITE.CHAPTER`, so that reports of several clusters, or of several suites on one, can be put together.
mod counts;

use anyhow::Context;
use harness::record::{Acknowledged, Cell, Outcome, Record, Run};
use junit_report::{Duration, OffsetDateTime, ReportBuilder, TestCase, TestCaseBuilder, TestResult, TestSuite};
use time::format_description::well_known::Rfc3339;

use crate::causes::Cause;
use crate::xml_text::{legal, line};

/// The chapter of what is said of a run as a whole.
const RUN: &str = "run";

/// The run as JUnit XML.
///
/// # Errors
/// When the run's start is not a time.
pub fn xml(run: &Run) -> anyhow::Result<String> {
    let started = OffsetDateTime::parse(&run.started, &Rfc3339)
        .with_context(|| format!("the run's start {:?} is not a time as in RFC 3339", run.started))?;
    let mut chapters: Vec<(&str, Vec<&Record>)> = Vec::new();
    for record in &run.scenarios {
        let chapter = chapter(record);
        match chapters.iter_mut().find(|(name, _)| *name == chapter) {
            Some((_, records)) => records.push(record),
            None => chapters.push((chapter, vec![record])),
        }
    }
    let suites = chapters.iter().map(|(name, records)| suite(run, started, name, records));
    counts::with_counts(&ReportBuilder::new().add_testsuites(suites).build())
}

/// A run without verdicts, as one error that says why.
///
/// # Errors
/// When it cannot be written as XML.
pub(crate) fn unproved(cluster: &str, suite: Option<&str>, why: &str) -> anyhow::Result<String> {
    let name = class(cluster, suite, RUN);
    let mut case = TestCaseBuilder::error("run/completed", Duration::ZERO, "Inconclusive", &line(why));
    let case = case.set_trace(&legal(why)).set_classname(&name).build();
    let mut whole = TestSuite::new(&name);
    whole.package = legal(suite.unwrap_or_default());
    whole.hostname = legal(cluster);
    whole.add_testcase(case);
    counts::with_counts(&ReportBuilder::new().add_testsuite(whole).build())
}

/// What a case is known by besides its name. Chapters have no dot and the suite's are escaped, so that no two of them are the same.
fn class(cluster: &str, suite: Option<&str>, chapter: &str) -> String {
    let suite = suite.map(|suite| suite.replace('%', "%25").replace('.', "%2E"));
    let parts = [Some(cluster), suite.as_deref(), Some(chapter)];
    legal(&parts.into_iter().flatten().collect::<Vec<_>>().join("."))
}

/// The part of a scenario's id before the slash.
fn chapter(record: &Record) -> &str {
    record.id.split_once('/').map_or(&*record.id, |(chapter, _)| chapter)
}

fn suite(run: &Run, started: OffsetDateTime, chapter: &str, records: &[&Record]) -> TestSuite {
    let class = class(&run.cluster.name, Some(&run.suite), chapter);
    let mut suite = TestSuite::new(&class);
    suite.package = legal(&run.suite);
    suite.hostname = legal(&run.cluster.name);
    let first = records.iter().map(|record| record.started_ms).min().unwrap_or_default();
    suite.set_timestamp(started + milliseconds(first));
    suite.set_system_out(&legal(&format!(
        "run {} of suite {} against cluster {} ({}, {})",
        run.id, run.suite, run.cluster.name, run.cluster.server, run.cluster.version
    )));
    suite.add_testcases(records.iter().map(|record| case(record, &class)));
    suite
}

fn case(record: &Record, class: &str) -> TestCase {
    let (id, time, text) = (legal(&record.id), milliseconds(record.elapsed_ms), legal(&text(record)));
    let mut case = match &record.outcome {
        Outcome::Denied { .. } => TestCaseBuilder::success(&id, time),
        Outcome::Allowed { .. } => TestCaseBuilder::failure(&id, time, "Allowed", &message(record)),
        Outcome::Inconclusive { acknowledged: Some(_), .. } => {
            TestCaseBuilder::skipped_with_cause(&id, "Acknowledged", &message(record))
        }
        Outcome::Inconclusive { acknowledged: None, .. } => {
            TestCaseBuilder::error(&id, time, "Inconclusive", &message(record))
        }
        Outcome::NotApplicable { .. } => TestCaseBuilder::skipped_with_cause(&id, "NotApplicable", &message(record)),
        Outcome::Waived { .. } => TestCaseBuilder::skipped_with_cause(&id, "Waived", &message(record)),
    };
    match record.outcome {
        Outcome::Allowed { .. } | Outcome::Inconclusive { acknowledged: None, .. } => case.set_trace(&text),
        // A success has no text of its own, and few readers show that of a skipped case.
        _ => case.set_system_out(&text),
    };
    let mut case = case.set_classname(class).build();
    case.time = time;
    // The builder keeps a text for what is bad alone, and some readers show nothing but the element's.
    if let TestResult::SkippedWithCause { message, cause, .. } = &mut case.result {
        *cause = Some(message.clone());
    }
    case
}

/// The first cause of the scenario's outcome, with the cells that have it where they are several.
fn message(record: &Record) -> String {
    let causes = Cause::of(record, |cell| said(&record.outcome, &cell.outcome));
    let whole = || said(&record.outcome, &record.outcome).unwrap_or_default();
    let message = causes.first().map_or_else(whole, |cause| match cause.cells.len() {
        1 => cause.said(),
        _ => format!("{}: {}", cause.whose(), cause.said()),
    });
    line(&message)
}

/// What a message says of an outcome of the same kind as `of`.
fn said(of: &Outcome, outcome: &Outcome) -> Option<String> {
    match (of, outcome) {
        (Outcome::Allowed { .. }, Outcome::Allowed { evidence }) => Some(evidence.clone()),
        (
            Outcome::Inconclusive { acknowledged: Some(_), .. },
            Outcome::Inconclusive { why, acknowledged: Some(by) },
        ) => Some(format!("until {} by {}: {}: {why}", by.until, by.owner, by.reason)),
        (Outcome::Inconclusive { acknowledged: None, .. }, Outcome::Inconclusive { why, acknowledged: None })
        | (Outcome::NotApplicable { .. }, Outcome::NotApplicable { why }) => Some(why.clone()),
        (Outcome::Waived { .. }, Outcome::Waived { reason, owner, until, .. }) => {
            Some(format!("until {until} by {owner}: {reason}"))
        }
        _ => None,
    }
}

/// Everything a reader of the case needs: what must hold, who asks for it, and each cell.
fn text(record: &Record) -> String {
    let asked_by = [&*record.guidance, &*record.also].concat().join(", ");
    let severity = record.severity.name();
    let mut text = format!("{}\nseverity: {severity}\nasked for by: {asked_by}\n", record.title);
    if record.cells.is_empty() {
        text += &format!("\n{}", told(&record.outcome));
    }
    for cause in Cause::of(record, |cell| Some(told(&cell.outcome))) {
        let cells = cause.cells.iter().map(|Cell { name, elapsed_ms, denied_after_ms, .. }| {
            let after = denied_after_ms.map(|ms| format!(", denied after {ms} ms")).unwrap_or_default();
            format!("{name} ({elapsed_ms} ms{after})")
        });
        text += &format!("\n{}\n{}", cells.collect::<Vec<_>>().join("\n"), cause.said());
    }
    text
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Denied { guard, evidence, control } => {
            format!("  denied by {guard}\n  evidence: {evidence}\n  control: {control}\n")
        }
        Outcome::Allowed { evidence } => format!("  allowed\n  evidence: {evidence}\n"),
        Outcome::Waived { evidence, reason, owner, until } => {
            format!("  waived until {until} by {owner}\n  reason: {reason}\n  evidence: {evidence}\n")
        }
        Outcome::Inconclusive { why, acknowledged: None } => format!("  inconclusive: {why}\n"),
        Outcome::Inconclusive { why, acknowledged: Some(Acknowledged { reason, owner, until }) } => {
            format!("  acknowledged until {until} by {owner}\n  reason: {reason}\n  inconclusive: {why}\n")
        }
        Outcome::NotApplicable { why } => format!("  not applicable: {why}\n"),
    }
}

fn milliseconds(ms: u64) -> Duration {
    Duration::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX))
}

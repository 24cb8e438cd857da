//! JUnit: a suite for each chapter, a case for each scenario.
//!
//! Allowed is a failure, inconclusive an error, waived and not applicable are skipped. The cells are the case's text: JUnit has no level
//! below a case. junit-report writes no properties, so what the run was is each suite's system-out.
use anyhow::Context;
use harness::record::{Cell, Outcome, Record, Run};
use junit_report::{Duration, OffsetDateTime, ReportBuilder, TestCase, TestCaseBuilder, TestSuite};
use time::format_description::well_known::Rfc3339;

use crate::xml_text::{legal, line};

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
    let report = ReportBuilder::new().add_testsuites(suites).build();
    let mut xml = Vec::new();
    report.write_xml(&mut xml).context("the run cannot be written as JUnit")?;
    String::from_utf8(xml).context("the JUnit report is not text")
}

/// The part of a scenario's id before the slash.
fn chapter(record: &Record) -> &str {
    record.id.split_once('/').map_or(&*record.id, |(chapter, _)| chapter)
}

fn suite(run: &Run, started: OffsetDateTime, chapter: &str, records: &[&Record]) -> TestSuite {
    let mut suite = TestSuite::new(&legal(chapter));
    suite.package = legal(&run.suite);
    suite.hostname = legal(&run.cluster.name);
    let first = records.iter().map(|record| record.started_ms).min().unwrap_or_default();
    suite.set_timestamp(started + milliseconds(first));
    suite.set_system_out(&legal(&format!(
        "run {} of suite {} against cluster {} ({}, {})",
        run.id, run.suite, run.cluster.name, run.cluster.server, run.cluster.version
    )));
    suite.add_testcases(records.iter().map(|record| case(record)));
    suite
}

fn case(record: &Record) -> TestCase {
    let (id, time, text) = (legal(&record.id), milliseconds(record.elapsed_ms), legal(&text(record)));
    let mut case = match &record.outcome {
        Outcome::Denied { .. } => TestCaseBuilder::success(&id, time),
        Outcome::Allowed { evidence } => {
            TestCaseBuilder::failure(&id, time, "Allowed", &line(first_allowed(record).unwrap_or(evidence)))
        }
        Outcome::Inconclusive { why } => TestCaseBuilder::error(&id, time, "Inconclusive", &line(why)),
        Outcome::NotApplicable { why } => TestCaseBuilder::skipped_with_cause(&id, "NotApplicable", &line(why)),
        Outcome::Waived { reason, owner, until, .. } => {
            TestCaseBuilder::skipped_with_cause(&id, "Waived", &line(&format!("until {until} by {owner}: {reason}")))
        }
    };
    match record.outcome {
        Outcome::Allowed { .. } | Outcome::Inconclusive { .. } => case.set_trace(&text),
        // A success has no text of its own, and few readers show that of a skipped case.
        Outcome::Denied { .. } | Outcome::Waived { .. } | Outcome::NotApplicable { .. } => case.set_system_out(&text),
    };
    let mut case = case.set_classname(&legal(chapter(record))).build();
    case.time = time;
    case
}

fn first_allowed(record: &Record) -> Option<&str> {
    record.cells.iter().find_map(|cell| match &cell.outcome {
        Outcome::Allowed { evidence } => Some(&**evidence),
        _ => None,
    })
}

/// Everything a reader of the case needs: what must hold, who asks for it, and each cell.
fn text(record: &Record) -> String {
    let asked_by = [&*record.guidance, &*record.also].concat().join(", ");
    let severity = format!("{:?}", record.severity).to_lowercase();
    let mut text = format!("{}\nseverity: {severity}\nasked for by: {asked_by}\n", record.title);
    if record.cells.is_empty() {
        text += &format!("\n{}", told(&record.outcome));
    }
    for Cell { name, outcome, elapsed_ms, denied_after_ms, .. } in &record.cells {
        let after = denied_after_ms.map(|ms| format!(", denied after {ms} ms")).unwrap_or_default();
        text += &format!("\n{name} ({elapsed_ms} ms{after})\n{}", told(outcome));
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
        Outcome::Inconclusive { why } => format!("  inconclusive: {why}\n"),
        Outcome::NotApplicable { why } => format!("  not applicable: {why}\n"),
    }
}

fn milliseconds(ms: u64) -> Duration {
    Duration::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX))
}

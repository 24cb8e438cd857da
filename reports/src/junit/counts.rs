//! The numbers that junit-report leaves out: `skipped`, without which a reader takes what is waived for a pass.
use anyhow::Context;
use junit_report::{Report, TestSuite};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};

/// The report as XML, each suite with how many of its cases were skipped, and the whole with the sums.
pub(super) fn with_counts(report: &Report) -> anyhow::Result<String> {
    let mut written = Vec::new();
    report.write_xml(&mut written).context("the run cannot be written as JUnit")?;
    let written = String::from_utf8(written).context("the JUnit report is not text")?;
    let mut reader = Reader::from_str(&written);
    let mut writer = Writer::new(Vec::new());
    let mut suites = report.testsuites().iter();
    loop {
        let event = match reader.read_event().context("the JUnit report cannot be read back")? {
            Event::Eof => break,
            Event::Start(mut start) => {
                match start.name().as_ref() {
                    b"testsuites" => sums(&mut start, report.testsuites()),
                    b"testsuite" => {
                        let skipped = suites.next().map_or(0, TestSuite::skipped);
                        start.push_attribute(("skipped", &*skipped.to_string()));
                    }
                    _ => {}
                }
                Event::Start(start)
            }
            event => event,
        };
        writer.write_event(event).context("the run cannot be written as JUnit")?;
    }
    String::from_utf8(writer.into_inner()).context("the JUnit report is not text")
}

fn sums(start: &mut BytesStart, suites: &[TestSuite]) {
    let mut sum = |name, count: fn(&TestSuite) -> usize| {
        start.push_attribute((name, &*suites.iter().map(count).sum::<usize>().to_string()));
    };
    sum("tests", TestSuite::tests);
    sum("errors", TestSuite::errors);
    sum("failures", TestSuite::failures);
    sum("skipped", TestSuite::skipped);
}

//! The folder of the reports, whatever becomes of the run.
mod sample;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use harness::record::Run;
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use reports::Folder;
use rstest::rstest;

fn begin(dir: &Path) -> Folder {
    Folder::begin(dir, "prod", Some("quick")).expect("a folder")
}

/// A folder in which a run has come to its end.
fn yesterdays() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    begin(dir.path()).complete(&sample::run()).expect("reports");
    dir
}

/// Every file by its name.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry"));
    files
        .map(|entry| {
            let name = entry.file_name().into_string().expect("a name");
            (name, fs::read_to_string(entry.path()).expect("a text"))
        })
        .collect()
}

/// The one error that is all that `junit.xml` has.
fn error(dir: &Path) -> String {
    let xml = fs::read_to_string(dir.join("junit.xml")).expect("a report");
    let report = Report::deserialize_from_str(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
    let [suite] = report.test_suites.as_slice() else { panic!("{xml}") };
    let [case] = suite.test_cases.as_slice() else { panic!("{xml}") };
    assert_eq!((suite.tests, suite.errors, suite.failures), (1, 1, 0));
    assert_eq!(case.classname.as_ref().map(|name| name.as_str()), Some("prod.quick.run"));
    let TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, message: Some(message), .. } = &case.status else {
        panic!("{xml}")
    };
    message.as_str().to_owned()
}

#[test]
fn the_record_is_read_back_as_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path().join("not/yet/there");
    let paths = begin(&dir).complete(&sample::run()).expect("reports");
    assert_eq!(paths, [dir.join("run.json"), dir.join("junit.xml")]);
    let record = fs::read_to_string(dir.join("run.json")).expect("a record");
    assert!(record.contains("\n  \"schema\": 2"), "it is made to be read");
    assert_eq!(serde_json::from_str::<Run>(&record).expect("a run"), sample::run());
    let here: Vec<_> = fs::read_dir(&dir).expect("a folder").collect();
    assert_eq!(here.len(), 2, "nothing else is left: {here:?}");
}

#[test]
fn odd_characters_are_in_the_record_and_do_nothing_where_it_is_printed() {
    let dir = tempfile::tempdir().expect("a folder");
    let odd = "net\u{1b}[31mwork\u{202e}\u{2067}\u{9b}\u{7f}\u{e0041} päivä\n\u{1F512}";
    let run = Run { suite: odd.into(), ..sample::run() };
    begin(dir.path()).complete(&run).expect("reports");
    let record = fs::read_to_string(dir.path().join("run.json")).expect("a record");
    assert!(record.chars().all(|character| character == '\n' || harness::printable::shows_itself(character)));
    assert!(record.contains("päivä"), "what shows itself is as it was");
    assert_eq!(serde_json::from_str::<Run>(&record).expect("a run").suite, odd);
}

/// As after `kill -9`, or for whoever looks while the run is at work.
#[test]
fn a_run_that_has_only_begun_leaves_nothing_of_an_earlier_one() {
    let dir = yesterdays();
    let before = files(dir.path());
    begin(dir.path());
    assert_eq!(error(dir.path()), "the run has not come to its end: it is at work, or something killed it");
    let after = files(dir.path());
    assert_eq!(after.keys().collect::<Vec<_>>(), ["junit.xml", "junit.xml.previous", "run.json.previous"]);
    assert_eq!(
        (&after["junit.xml.previous"], &after["run.json.previous"]),
        (&before["junit.xml"], &before["run.json"])
    );
}

#[test]
fn a_run_that_fails_says_why() {
    let dir = yesterdays();
    begin(dir.path()).fail("the API server cannot be reached; is the cluster up?").expect("a report");
    assert_eq!(error(dir.path()), "the API server cannot be reached; is the cluster up?");
    assert!(!dir.path().join("run.json").exists());
}

#[test]
fn runs_that_fail_keep_what_the_last_good_one_has_left() {
    let dir = yesterdays();
    let record = files(dir.path())["run.json"].clone();
    for _ in 0..3 {
        begin(dir.path()).fail("not tonight").expect("a report");
    }
    assert_eq!(files(dir.path())["run.json.previous"], record);
    assert!(files(dir.path())["junit.xml.previous"].contains("network/namespaces-isolated"));
}

#[test]
fn what_fails_after_the_verdicts_does_not_take_their_place() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = begin(dir.path());
    folder.complete(&sample::run()).expect("reports");
    let before = files(dir.path());
    folder.fail("something was left in the cluster").expect("nothing to do");
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_later_run_takes_the_place_of_the_last() {
    let dir = yesterdays();
    let later = Run { id: "r-later".into(), ..sample::run() };
    begin(dir.path()).complete(&later).expect("reports");
    let record = fs::read_to_string(dir.path().join("run.json")).expect("a record");
    assert_eq!(serde_json::from_str::<Run>(&record).expect("a run"), later);
}

#[rstest]
#[case::a_file_in_the_way_of_the_folder("file", "the folder {dir} for the reports cannot be made")]
#[case::a_folder_in_the_way_of_a_report("folder", "the report {dir}/junit.xml cannot be written")]
fn a_folder_that_cannot_be_written_to_is_found_before_the_run(#[case] in_the_way: &str, #[case] expected: &str) {
    let parent = tempfile::tempdir().expect("a folder");
    let dir = parent.path().join("reports");
    match in_the_way {
        "file" => fs::write(&dir, "").expect("a file"),
        _ => fs::create_dir_all(dir.join("junit.xml/inside")).expect("a folder"),
    }
    let error = Folder::begin(&dir, "prod", None).expect_err("no reports");
    assert_eq!(error.to_string(), expected.replace("{dir}", &dir.display().to_string()));
    assert!(!format!("{error:#}").contains('\n'), "one sentence");
    let left = dir.is_dir().then(|| fs::read_dir(&dir).expect("a folder").count());
    assert!(left.is_none_or(|left| left == 1), "nothing half-written is left");
}

#[test]
fn a_record_that_cannot_be_written_leaves_no_verdicts() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = begin(dir.path());
    fs::create_dir_all(dir.path().join("run.json/inside")).expect("a folder");
    let unwritten = folder.complete(&sample::run()).expect_err("no record");
    folder.fail(&unwritten.to_string()).expect("a report");
    assert_eq!(error(dir.path()), format!("the report {}/run.json cannot be written", dir.path().display()));
}

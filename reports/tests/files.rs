//! The reports on disk.
mod sample;

use std::fs;

use harness::record::Run;
use rstest::rstest;

#[test]
fn the_record_is_read_back_as_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path().join("not/yet/there");
    let paths = reports::write_all(&sample::run(), &dir).expect("reports");
    assert_eq!(paths, [dir.join("junit.xml"), dir.join("run.json")]);
    let record = fs::read_to_string(dir.join("run.json")).expect("a record");
    assert!(record.contains("\n  \"schema\": 2"), "it is made to be read");
    assert_eq!(serde_json::from_str::<Run>(&record).expect("a run"), sample::run());
    let here: Vec<_> = fs::read_dir(&dir).expect("a folder").collect();
    assert_eq!(here.len(), 2, "nothing else is left: {here:?}");
}

#[test]
fn a_later_run_takes_the_place_of_the_last() {
    let dir = tempfile::tempdir().expect("a folder");
    reports::write_all(&sample::run(), dir.path()).expect("reports");
    let later = Run { id: "r-later".into(), ..sample::run() };
    reports::write_all(&later, dir.path()).expect("reports");
    let record = fs::read_to_string(dir.path().join("run.json")).expect("a record");
    assert_eq!(serde_json::from_str::<Run>(&record).expect("a run"), later);
}

#[rstest]
#[case::a_file_in_the_way_of_the_folder("file", "the folder {dir} for the reports cannot be made")]
#[case::a_folder_in_the_way_of_a_report("folder", "the report {dir}/junit.xml cannot be written")]
fn what_cannot_be_written_is_named(#[case] in_the_way: &str, #[case] expected: &str) {
    let parent = tempfile::tempdir().expect("a folder");
    let dir = parent.path().join("reports");
    match in_the_way {
        "file" => fs::write(&dir, "").expect("a file"),
        _ => fs::create_dir_all(dir.join("junit.xml/inside")).expect("a folder"),
    }
    let error = reports::write_all(&sample::run(), &dir).expect_err("no reports");
    assert_eq!(error.to_string(), expected.replace("{dir}", &dir.display().to_string()));
    assert!(!format!("{error:#}").contains('\n'), "one sentence");
    let left = dir.is_dir().then(|| fs::read_dir(&dir).expect("a folder").count());
    assert!(left.is_none_or(|left| left == 1), "nothing half-written is left");
}

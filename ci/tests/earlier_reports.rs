//! A folder that still has the reports of an earlier run, all of it denied: whatever becomes of the next run, they do not pass for its own.
//! No cluster is needed.

mod server;
mod suite;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rstest::rstest;

use suite::{REPORTS, Started, Suite};

const GREEN: &str = r#"<testsuites><testsuite name="rbac" tests="1" errors="0" failures="0"><testcase name="rbac/default-account-powerless" classname="rbac"/></testsuite></testsuites>"#;
const RECORD: &str = "{}";
const LONG: Duration = Duration::from_secs(60);

/// A place where an earlier run was green, and a cluster behind `server` that the next one is against.
fn suite(server: &str) -> Suite {
    let kubeconfig = format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: prod, cluster: {{server: '{server}'}}}}]
contexts: [{{name: prod, context: {{cluster: prod, user: operator}}}}]
users: [{{name: operator, user: {{token: abc}}}}]
"
    );
    Suite::new()
        .file(&format!("{REPORTS}/junit.xml"), GREEN)
        .file(&format!("{REPORTS}/run.json"), RECORD)
        .file("nightly.toml", "purpose = \"nights\"\nscenarios = [\"pod_security/privilegd\"]\nimpact = \"probe\"\n")
        .kubeconfig(&kubeconfig)
}

fn path(suite: &Suite, name: &str) -> PathBuf {
    suite.folder().join(REPORTS).join(name)
}

fn junit(suite: &Suite) -> String {
    fs::read_to_string(path(suite, "junit.xml")).unwrap()
}

/// Nothing but one error, which says that; and the earlier run's are set aside.
fn assert_says(suite: &Suite, class: &str, why: &str) {
    let junit = junit(suite);
    let why = why
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&apos;")
        .replace('"', "&quot;");
    let why = why.replace("[folder]", &suite.folder().display().to_string());
    let error = format!("<error type=\"Inconclusive\" message=\"{why}\">");
    assert!(junit.contains(&error), "{error} is not in {junit}");
    assert!(junit.contains(&format!(" classname=\"{class}\"")), "{junit}");
    assert_eq!(junit.matches("<testcase ").count(), 1, "{junit}");
    assert!(!path(suite, "run.json").exists());
    let previous =
        ["junit.xml.previous", "run.json.previous"].map(|name| fs::read_to_string(path(suite, name)).unwrap());
    assert_eq!(previous, [GREEN, RECORD]);
}

#[rstest]
#[case::nobody_there(&["--cluster", "prod"], "prod.run")]
#[case::a_typo_in_the_suite_file(&["--cluster", "prod", "--suite", "nightly.toml"], "prod.nightly%2Etoml.run")]
#[case::an_unknown_suite(&["--cluster", "prod", "--suite", "prd"], "prod.prd.run")]
#[case::an_unknown_cluster(&["--cluster", "prdo"], "prdo.run")]
#[case::no_waivers_file(&["--cluster", "prod", "--waivers", "w.toml"], "prod.run")]
#[case::no_such_scenario(&["metdata", "--cluster", "prod"], "prod.run")]
#[case::no_range(&["--cluster", "kind:"], "kind:.run")]
#[case::an_unknown_option(&["--clutser", "prod"], "kind.run")]
#[case::an_option_without_its_value(&["--suite=quick", "--cluster"], "kind.quick.run")]
#[case::an_unknown_value(&["--cluster=prod", "--format", "yaml"], "prod.run")]
#[case::no_threads(&["--cluster=prod", "--test-threads", "0"], "prod.run")]
fn a_run_that_gets_nowhere_says_why_in_its_report(#[case] arguments: &[&str], #[case] class: &str) {
    let suite = suite("http://127.0.0.1:1");
    let ended = suite.run(arguments);
    assert_says(&suite, class, ended.sentence().strip_prefix("error: ").unwrap());
}

#[rstest]
#[case::list(&["--list"])]
#[case::help(&["--help"])]
#[case::a_plan_of_what_is_not_there(&["--plan", "--cluster", "prod"])]
#[case::a_plan_with_a_typo(&["--plan", "--clutser", "prod"])]
#[case::a_list_with_a_typo(&["--lust", "--list"])]
fn what_is_no_run_leaves_the_reports_alone(#[case] arguments: &[&str]) {
    let suite = suite("http://127.0.0.1:1");
    suite.run(arguments);
    assert_eq!(junit(&suite), GREEN);
    let files = fs::read_dir(path(&suite, "")).unwrap().count();
    assert_eq!(files, 2);
}

#[test]
fn a_plan_makes_no_folder_for_reports() {
    let suite = Suite::new();
    suite.run(&["--plan", "--cluster", "prod"]);
    assert!(!path(&suite, "").exists());
}

/// The folder is another's file system, which nobody writes to.
#[test]
fn a_folder_that_cannot_be_written_to_is_told_before_anything_else() {
    let ended = suite("http://127.0.0.1:1").run(&["--cluster", "prod", "--report-dir", "/proc"]);
    insta::assert_snapshot!(ended.sentence(), @"error: the report /proc/junit.xml cannot be written: No such file or directory (os error 2); choose another with --report-dir");
}

/// A run that waits for a server which says nothing.
fn at_work(suite: &Suite) -> Started {
    let started = suite.start(&["--cluster", "prod", "--suite", "quick"]);
    let began = Instant::now();
    // Whoever reads meanwhile finds the old report, whole, or the new one.
    while junit(suite) == GREEN || !hears_sigterm(started.pid()) {
        assert!(began.elapsed() < LONG, "{:?}", started.said("stderr"));
    }
    started
}

fn hears_sigterm(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << 14) != 0
}

#[rstest]
#[case::killed("KILL", None, "the run has not come to its end: it is at work, or something killed it")]
#[case::told_to_end("TERM", Some(143), "the run was interrupted by a signal")]
#[case::interrupted("INT", Some(130), "the run was interrupted by a signal")]
#[case::hung_up("HUP", Some(129), "the run was interrupted by a signal")]
fn a_run_that_is_ended_from_outside(#[case] signal: &str, #[case] code: Option<i32>, #[case] why: &str) {
    let suite = suite(&format!("http://{}", server::silent()));
    let started = at_work(&suite);
    assert_says(&suite, "prod.quick.run", "the run has not come to its end: it is at work, or something killed it");
    assert!(Command::new("kill").args([&format!("-{signal}"), &started.pid().to_string()]).status().unwrap().success());
    assert_eq!(started.end(LONG).code, code);
    assert_says(&suite, "prod.quick.run", why);
}

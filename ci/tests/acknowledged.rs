//! A run in which nothing can be proved, before an API server that says no to everything: what is acknowledged of that, how it is shown, and
//! how the run ends. No cluster is needed.

mod api_server;
mod suite;

use std::fs;

use harness::record::AcknowledgementState::{self, Expired, OtherCause, Used};
use harness::record::Run;
use rstest::rstest;

use api_server::ApiServer;
use suite::{Ended, REPORTS, Suite};

const SCENARIO: &str = "pod_security/privileged";

/// An acknowledgement of that scenario, of what `says` it, until that day.
fn acknowledged(says: &str, until: &str) -> String {
    format!(
        "[[acknowledged]]\nscenario = \"{SCENARIO}\"\nsays = \"{says}\"\nreason = \"the account comes in May\"\nowner = \"platform\"\nuntil = {until}\n"
    )
}

/// What became of the scenarios whose id has `filter` in it, as `waivers` and the entry of conformance.toml have it.
fn run(filter: &str, waivers: &str, entry: &str, more: &[&str]) -> Ran {
    let server = ApiServer::start();
    let suite = Suite::new()
        .kubeconfig(&server.kubeconfig("127.0.0.1", ""))
        .file("waivers.toml", waivers)
        .file("conformance.toml", &format!("[cluster.prod]\n{entry}\n"));
    let arguments = [&[filter, "--cluster", "prod", "--suite", "quick"], more].concat();
    let ended = suite.run(&arguments);
    let report = |name: &str| fs::read_to_string(suite.folder().join(REPORTS).join(name)).unwrap();
    Ran { ended, record: serde_json::from_str(&report("run.json")).unwrap(), junit: report("junit.xml") }
}

struct Ran {
    ended: Ended,
    record: Run,
    junit: String,
}

const ITS_CAUSE: &str = "operator may not";
const FOR_LONG: &str = "2999-12-31";

#[rstest]
#[case::a_code_of_its_own(ITS_CAUSE, FOR_LONG, "", 3, Used, 1)]
#[case::none_for_those_who_want_it(ITS_CAUSE, FOR_LONG, "acknowledged-exit-code = 0", 0, Used, 1)]
#[case::a_failure_s_for_those_who_want_it(ITS_CAUSE, FOR_LONG, "acknowledged-exit-code = 101", 101, Used, 1)]
#[case::with_names_as_reports_have_them("serviceaccount:NAMESPACE:deployer", FOR_LONG, "", 3, Used, 1)]
#[case::another_cause("no control: the node", FOR_LONG, "acknowledged-exit-code = 0", 101, OtherCause, 0)]
#[case::no_longer(ITS_CAUSE, "2026-01-31", "acknowledged-exit-code = 0", 101, Expired, 0)]
fn a_run_that_only_lacks_proof_ends_as_its_entry_says(
    #[case] says: &str,
    #[case] until: &str,
    #[case] entry: &str,
    #[case] code: i32,
    #[case] state: AcknowledgementState,
    #[case] acknowledged: usize,
) {
    let Ran { ended, record, junit } = run(SCENARIO, &self::acknowledged(says, until), entry, &["--exact"]);
    assert_eq!(ended.code, Some(code), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(record.acknowledgements[0].state, state);
    let totals = record.totals();
    assert_eq!((totals.acknowledged, totals.inconclusive, totals.passed), (acknowledged, 1 - acknowledged, 0));
    assert_eq!(ended.stdout.contains(&format!("exit code {code} (")), acknowledged == 1, "{}", ended.stdout);
    assert!(!ended.stdout.contains("test result: ok"), "{}", ended.stdout);
    // Never a pass, and never an error as long as somebody answers for it.
    assert_eq!(junit.matches("<skipped type=\"Acknowledged\"").count(), acknowledged, "{junit}");
    assert_eq!(junit.matches("<error type=\"Inconclusive\"").count(), 1 - acknowledged, "{junit}");
}

#[test]
fn what_somebody_reads_of_it() {
    let waivers = acknowledged(ITS_CAUSE, FOR_LONG) + &acknowledged("no control: the node", FOR_LONG);
    let Ran { ended, .. } = run(SCENARIO, &waivers, "", &["--exact"]);
    let lines = ended.stdout.lines().skip_while(|line| !line.starts_with("acknowledged"));
    let lines = lines.map(|line| line.split_once("; finished in ").map_or(line, |(before, _)| before));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r#"
    acknowledged    pod_security/privileged                                 1 cell
        acknowledged: shop: until 2999-12-31, platform answers for it (the account comes in May): no token for system:serviceaccount:shop:deployer: operator may not
    report: [folder]/reports/run.json
    report: [folder]/reports/junit.xml
    the acknowledgement for pod_security/privileged until 2999-12-31 (platform) acknowledges nothing: what it covers is inconclusive for another cause than "no control: the node"

    test result: ACKNOWLEDGED. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out
    0 denied, 0 allowed, 0 inconclusive, 1 acknowledged, 0 waived, 0 not applicable (0 cells denied)
    not green: nothing was proved in 1 scenario, which waivers.toml acknowledges; exit code 3 (`acknowledged-exit-code` in conformance.toml)
    "#);
}

#[test]
fn beside_what_nobody_answers_for_it_is_a_failure_all_the_same() {
    let Ran { ended, record, .. } = run("pod_security/", &acknowledged(ITS_CAUSE, FOR_LONG), "", &[]);
    assert_eq!(ended.code, Some(101), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(record.totals().acknowledged, 1);
    assert!(record.totals().inconclusive > 0);
    assert!(ended.stdout.contains("test result: FAILED"), "{}", ended.stdout);
}

/// They have no word for it, and what they print on the standard output has readers of its own.
#[rstest]
#[case::terse("terse")]
#[case::json("json")]
fn libtest_s_own_formats_are_told_beside(#[case] format: &str) {
    let Ran { ended, .. } = run(SCENARIO, &acknowledged(ITS_CAUSE, FOR_LONG), "", &["--exact", "--format", format]);
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    insta::allow_duplicates! {
        insta::assert_snapshot!(ended.stderr.trim(), @"not green: nothing was proved in 1 scenario, which waivers.toml acknowledges; exit code 3 (`acknowledged-exit-code` in conformance.toml)");
    }
    assert!(!ended.stdout.contains("not green"), "{}", ended.stdout);
}

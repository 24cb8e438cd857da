//! What an API server really answered (`tests/denials`, recorded by `ci/tests/denial_corpus.rs`), and what it must be taken for.

mod denials;

use harness::denial::{Denial, warned_by};
use serde_json::json;

use denials::cases;

#[test]
fn every_answer_is_taken_for_what_it_is() {
    for case in cases() {
        let denial = case.status().and_then(|status| Denial::of_status(&status));
        assert_eq!(json!(denial), case.denial, "{}: {}", case.name, case.asked);
    }
}

#[test]
fn every_warning_is_taken_for_what_it_is() {
    for case in cases() {
        let warned: Vec<_> = case.warnings.iter().map(|warning| json!(warned_by(warning))).collect();
        assert_eq!(warned, case.warned, "{}: {}", case.name, case.asked);
    }
}

#[test]
fn there_is_a_case_for_each_guard_that_speaks_through_the_api_server() {
    let cases = cases();
    assert!(cases.len() >= 130, "{} cases", cases.len());
    for guard in ["authentication", "rbac", "pod-security", "admission-policy", "webhook", "quota", "limit-range"] {
        let of_guard = cases.iter().filter(|case| case.denial["guard"] == guard).count();
        assert!(of_guard >= 2, "{guard}: {of_guard}");
    }
    assert!(cases.iter().filter(|case| case.denial.is_null()).count() >= 40);
}

//! The API server still answers as `harness/tests/denials` has it. `OKE_CONFORMANCE_RANGE` names the range that is asked;
//! with `UPDATE_CORPUS=1` its answers are written down instead: add a case without an answer, and read what is filled in.

mod corpus;
mod live;

use std::time::Duration;

use harness::denial::{Denial, warned_by};
use kube::core::Status;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use corpus::{Answer, Case, Clients, Corpus, Stage};

/// Policies, webhooks and quotas are in force only when the API server has heard of them.
const IN_FORCE_AFTER: Duration = Duration::from_secs(10);

#[test]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn the_api_server_answers_as_recorded() {
    // The range is looked up once, by a runtime of its own.
    live::context();
    Runtime::new().unwrap().block_on(ask_everything());
}

async fn ask_everything() {
    let mut corpus = Corpus::read();
    let stage = Stage::set(&corpus).await;
    sleep(IN_FORCE_AFTER).await;
    let clients = Clients::new().await;
    let mut otherwise = Vec::new();
    for case in corpus.files.iter_mut().flat_map(|(_, cases)| cases) {
        let answer = stage.normalised(&clients.ask(case).await);
        if answer != case.answer {
            otherwise.push(format!("{}\n  was {:?}\n  is  {answer:?}", case.name, case.answer));
            record(case, answer);
        }
    }
    drop(stage);
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        corpus.write();
    } else {
        assert!(otherwise.is_empty(), "{}", otherwise.join("\n"));
    }
}

/// What is filled in is the classifier's word, for somebody to read.
fn record(case: &mut Case, answer: Answer) {
    let status: Option<Status> = serde_json::from_value(answer.status.clone()).ok();
    case.denial = status.and_then(|status| Denial::of_status(&status)).map_or(Value::Null, |denial| json!(denial));
    case.warned = answer.warnings.iter().map(|warning| json!(warned_by(warning))).collect();
    case.answer = answer;
}

//! The corpus of `harness/tests/denials` seen from a range: what is asked, and what was answered.
mod client;
mod stage;
mod webhook;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use client::Clients;
pub use stage::Stage;
pub use webhook::Hook;

/// One thing asked of the API server, and its answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Case {
    /// Names it among those of its file, and is the label of its pod where a policy or webhook is to see it.
    pub name: String,
    /// A sentence for the reader.
    pub asked: String,
    /// `operator`, `tenant`, `garbage` or `nobody`.
    pub by: String,
    /// HTTP method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Headers besides those of the credential and the body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body, as an object.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub body: Value,
    /// Body, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Its type, where it is not `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// A webhook that sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Hook>,
    /// What was answered.
    #[serde(flatten)]
    pub answer: Answer,
    /// What the classifier must say of it; nothing where it is no denial.
    #[serde(default)]
    pub denial: Value,
    /// What the classifier must say of each warning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warned: Vec<Value>,
}

/// The API server's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Answer {
    /// HTTP status.
    #[serde(default)]
    pub code: u16,
    /// Its `Warning` headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The `Status` that says no; nothing where it said yes.
    #[serde(default)]
    pub status: Value,
}

/// The cases of all files.
pub struct Corpus {
    pub files: Vec<(PathBuf, Vec<Case>)>,
}

impl Corpus {
    pub fn read() -> Self {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../harness/tests/denials"));
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        paths.sort();
        let read = |path: PathBuf| {
            let cases = serde_json::from_str(&fs::read_to_string(&path).unwrap());
            (path.clone(), cases.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        };
        Self { files: paths.into_iter().map(read).collect() }
    }

    pub fn write(&self) {
        for (path, cases) in &self.files {
            fs::write(path, serde_json::to_string_pretty(cases).unwrap() + "\n").unwrap();
        }
    }

    pub fn hooks(&self) -> impl Iterator<Item = (&str, &Hook)> {
        let cases = self.files.iter().flat_map(|(_, cases)| cases);
        cases.filter_map(|case| Some((case.name.as_str(), case.webhook.as_ref()?)))
    }
}

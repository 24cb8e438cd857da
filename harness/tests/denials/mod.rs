//! Reads the recorded answers.
#![allow(dead_code, reason = "each test program uses its part of it")]

use std::fs;

use kube::core::Status;
use serde::Deserialize;
use serde_json::Value;

/// One recorded answer, as far as the classifier is concerned.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    pub name: String,
    pub asked: String,
    pub code: u16,
    pub status: Value,
    #[serde(default)]
    pub warnings: Vec<String>,
    pub denial: Value,
    #[serde(default)]
    pub warned: Vec<Value>,
}

impl Case {
    /// What was answered, where it was a `Status`.
    pub fn status(&self) -> Option<Status> {
        self.status.is_object().then(|| serde_json::from_value(self.status.clone()).unwrap())
    }
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/denials")).unwrap();
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
    let read = |path| serde_json::from_str::<Vec<Case>>(&fs::read_to_string(path).unwrap()).unwrap();
    files.flat_map(read).collect()
}

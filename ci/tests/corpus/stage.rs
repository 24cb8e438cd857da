//! What the cases are asked of: namespaces, accounts, policies and webhooks, made for them and taken away again.
use std::net::IpAddr;
use std::process::Command;

use serde_json::{Value, json};

use super::webhook::Server;
use super::{Answer, Corpus};
use crate::live::{self, kubectl, kubectl_with};

/// On everything that is not in a namespace of the stage's own.
pub const LABEL: &str = "oke-conformance-corpus";

/// How the names begin that the API server is to make up.
const GENERATED: &str = "unnamed-";

/// The stage; gone when it is dropped.
pub struct Stage {
    server: Server,
}

impl Stage {
    pub async fn set(corpus: &Corpus) -> Self {
        clear();
        let answers = corpus.hooks().filter_map(|(case, hook)| Some((case.to_owned(), hook.answer.clone()?)));
        let stage = Self { server: Server::start(gateway(), answers.collect()).await };
        kubectl_with(&["apply", "--filename=-"], include_str!("stage.yaml"));
        let hooks: Vec<Value> = corpus.hooks().map(|(case, hook)| stage.server.configuration(case, hook)).collect();
        let hooks = json!({ "apiVersion": "v1", "kind": "List", "items": hooks });
        kubectl_with(&["apply", "--filename=-"], &hooks.to_string());
        kubectl(&["delete", "namespace", "corpus-ending", "--wait=false"]);
        stage
    }

    /// The answer without what another range or another day would have otherwise.
    pub fn normalised(&self, answer: &Answer) -> Answer {
        let address = self.server.address;
        let text = serde_json::to_string(answer).unwrap();
        let text = text.replace(&address.to_string(), "[webhook]").replace(&address.ip().to_string(), "[gateway]");
        serde_json::from_str(&without_chance(&text)).unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        clear();
    }
}

fn clear() {
    let label = format!("--selector={LABEL}=stage");
    let admission = "validatingadmissionpolicybindings,validatingadmissionpolicies,validatingwebhookconfigurations,\
                     mutatingwebhookconfigurations";
    kubectl(&["delete", admission, &label]);
    for map in kubectl(&["get", "configmaps", "--namespace=corpus-ending", "--output=name"]).lines() {
        kubectl(&[
            "patch",
            map,
            "--namespace=corpus-ending",
            "--type=merge",
            r#"--patch={"metadata":{"finalizers":null}}"#,
        ]);
    }
    kubectl(&["delete", "namespaces", &label]);
}

/// Without uids, and without what is appended to a generated name.
fn without_chance(text: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(char) = rest.chars().next() {
        let chance = match rest.strip_prefix(GENERATED) {
            Some(suffix) => Some(("unnamed-[random]", &suffix[suffix.len().min(5)..])),
            _ => rest.get(..36).filter(|word| is_uid(word)).map(|_| ("[uid]", &rest[36..])),
        };
        let (word, after) = chance.unwrap_or_else(|| rest.split_at(char.len_utf8()));
        kept.push_str(word);
        rest = after;
    }
    kept
}

fn is_uid(word: &str) -> bool {
    word.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// This machine, as the range's network sees it.
fn gateway() -> IpAddr {
    let network = ["network", "inspect", &live::network(), "--format={{(index .IPAM.Config 0).Gateway}}"];
    let output = Command::new("docker").args(network).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

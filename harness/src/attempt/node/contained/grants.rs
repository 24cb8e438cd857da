//! What the kernel grants a probe, against what its pod asks for.
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::probe::asked::Asked;
use crate::probe::batch::{Answer, Verb};

use super::status::Status;

/// What the agent is asked. The runtime starts an exec by a description of its own: the pod's first process may have been granted other
/// things than the one that asks.
pub const VERBS: [Verb; 3] =
    [Verb::Facts, Verb::Read { path: "/proc/1/status" }, Verb::Read { path: "/proc/self/status" }];

/// The agent's `facts`.
#[derive(Clone, Debug, Deserialize)]
struct Facts {
    hostname: String,
    root: String,
    /// Whether the agent is process 1.
    first: bool,
    /// As /proc/self/ns has them: `pid:[4026531836]`.
    namespaces: Vec<String>,
    devices: Vec<String>,
}

/// What the kernel grants.
#[derive(Clone, Debug)]
pub struct Grants {
    facts: Facts,
    /// The pod's first process.
    first: Status,
    /// The exec in it.
    exec: Status,
}

/// Namespaces that the kernel makes for itself have fixed numbers (include/uapi/linux/nsfs.h; those of net and mnt from 6.18 on). Where
/// nodes are containers themselves, theirs have others: there only [`Grants::shared_with`] tells.
const INITIAL: [(&str, &str); 6] = [
    ("ipc", "ipc:[4026531839]"),
    ("uts", "uts:[4026531838]"),
    ("user", "user:[4026531837]"),
    ("pid", "pid:[4026531836]"),
    ("net", "net:[4026531833]"),
    ("mnt", "mnt:[4026531832]"),
];

/// What every container has (OCI runtime specification, default devices).
const DEVICES: [&str; 8] = ["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"];

impl Grants {
    /// Reads the answers to [`VERBS`].
    ///
    /// # Errors
    /// A sentence where one is missing or not whole.
    pub fn read(answers: &[Answer]) -> Result<Self, String> {
        let [facts, first, exec] = answers else { return Err("the agent did not say what it was granted".into()) };
        Ok(Self { facts: part(facts)?, first: status(first)?, exec: status(exec)? })
    }

    /// Whether a seccomp filter judges the calls.
    pub fn is_filtered(&self) -> bool {
        self.exec.is_filtered()
    }

    /// Where the kernel grants more than the pod asks for, a sentence each.
    pub fn contradictions(&self, asked: &Asked) -> Vec<String> {
        let facts = &self.facts;
        let mut wrong = self.first.contradictions(asked);
        if self.exec != self.first {
            wrong.extend(self.exec.contradictions(asked).into_iter().map(|why| format!("in an exec {why}")));
        }
        if asked.read_only_root && facts.root != "read-only" {
            wrong.push(format!("the pod asks for a read-only root, and the kernel says it is {}", facts.root));
        }
        let shares = |kind: &str| !asked.namespaces.contains(&kind);
        if !shares("pid") && !facts.first {
            wrong.push("the pod has its own pid namespace, and process 1 in it is not its own".into());
        }
        if !shares("uts") && facts.hostname != asked.hostname {
            wrong.push(format!(
                "the pod has its own host name {}, and the kernel says {}",
                asked.hostname, facts.hostname
            ));
        }
        for (kind, initial) in INITIAL {
            if !shares(kind) && facts.namespaces.iter().any(|namespace| namespace == initial) {
                wrong.push(format!("the pod has its own {kind} namespace, and the kernel says the node's, {initial}"));
            }
        }
        let foreign: Vec<&str> =
            facts.devices.iter().map(String::as_str).filter(|name| !DEVICES.contains(name)).collect();
        if asked.unprivileged && !foreign.is_empty() {
            wrong.push(format!("the pod asks for no device, and finds {}", foreign.join(", ")));
        }
        wrong
    }

    /// Namespaces that another pod on the node has too: the node's.
    pub fn shared_with(&self, other: &Self, asked: &Asked) -> Vec<String> {
        let shared = self.facts.namespaces.iter().filter(|namespace| other.facts.namespaces.contains(namespace));
        let kinds = shared.filter_map(|namespace| Some((namespace.split_once(':')?.0, namespace)));
        kinds
            .filter(|(kind, _)| asked.namespaces.contains(kind))
            .map(|(kind, namespace)| {
                format!("the pod has its own {kind} namespace, and another pod on the node has the same, {namespace}")
            })
            .collect()
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.facts;
        let (namespaces, devices) = (facts.namespaces.join(" "), facts.devices.join(" "));
        write!(f, "{}, root {}, {namespaces}, devices {devices}", self.first, facts.root)
    }
}

fn part(answer: &Answer) -> Result<Facts, String> {
    if answer.result != "ok" {
        return Err(format!("the agent cannot say what it was granted: {answer}"));
    }
    serde_json::from_value(Value::Object(answer.more.clone()))
        .map_err(|error| format!("the agent does not say all that it was granted: {error}"))
}

fn status(answer: &Answer) -> Result<Status, String> {
    let text = answer.more.get("text").and_then(Value::as_str);
    let status = text.and_then(Status::read);
    status.ok_or_else(|| format!("the agent cannot read what a process was granted: {answer}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::batch::answers;
    use rstest::rstest;
    use serde_json::json;

    fn said() -> [Value; 3] {
        let status = json!({ "result": "ok", "text": crate::attempt::node::contained::status::tests::CONTAINED });
        [
            json!({ "result": "ok", "hostname": "p", "root": "read-only", "first": true,
                "namespaces": ["pid:[1]", "ipc:[2]", "uts:[3]", "net:[4]", "mnt:[5]", "user:[4026531837]"],
                "devices": ["null", "zero"] }),
            status.clone(),
            status,
        ]
    }

    fn grants(said: &[Value; 3]) -> Grants {
        let lines = said.iter().enumerate().map(|(id, said)| {
            let mut line = said.clone();
            line["id"] = id.into();
            format!("{line}\n")
        });
        Grants::read(&answers(&lines.collect::<String>(), 3).unwrap()).unwrap()
    }

    fn asked() -> Asked {
        Asked {
            hostname: "p".into(),
            namespaces: vec!["pid", "ipc", "uts", "net", "mnt"],
            ..crate::attempt::node::contained::status::tests::asked()
        }
    }

    #[test]
    fn what_is_granted_as_asked_contradicts_nothing() {
        assert!(grants(&said()).contradictions(&asked()).is_empty());
        assert!(grants(&said()).is_filtered());
    }

    #[rstest]
    #[case("root", json!("writable"), "the pod asks for a read-only root, and the kernel says it is writable")]
    #[case("first", json!(false), "the pod has its own pid namespace, and process 1 in it is not its own")]
    #[case("hostname", json!("node"), "the pod has its own host name p, and the kernel says node")]
    #[case("devices", json!(["null", "sda"]), "the pod asks for no device, and finds sda")]
    #[case("namespaces", json!(["ipc:[4026531839]"]), "the pod has its own ipc namespace, and the kernel says the node's, ipc:[4026531839]")]
    fn what_is_granted_beyond_is_told(#[case] key: &str, #[case] value: Value, #[case] expected: &str) {
        let mut said = said();
        said[0][key] = value;
        assert_eq!(grants(&said).contradictions(&asked()), [expected]);
        // A pod that asks for nothing is owed nothing.
        assert!(grants(&said).contradictions(&Asked::default()).is_empty());
    }

    #[rstest]
    #[case::first(1, "")]
    #[case::exec(2, "in an exec ")]
    fn each_process_is_held_to_it(#[case] process: usize, #[case] prefix: &str) {
        let mut said = said();
        let text = said[process]["text"].as_str().unwrap().replace("NoNewPrivs:\t1", "NoNewPrivs:\t0");
        said[process]["text"] = text.into();
        let expected = format!("{prefix}the pod forbids new privileges, and the kernel says NoNewPrivs: 0");
        assert_eq!(grants(&said).contradictions(&asked()), [expected]);
    }

    #[test]
    fn what_is_not_told_is_not_granted_as_asked() {
        let mut said = said();
        said[1] = json!({ "result": "error", "errno": "EACCES" });
        let lines: String = (0..3)
            .map(|id| {
                said[id]["id"] = id.into();
                format!("{}\n", said[id])
            })
            .collect();
        let why = Grants::read(&answers(&lines, 3).unwrap()).unwrap_err();
        assert_eq!(why, "the agent cannot read what a process was granted: error (EACCES) after 0 ms");
    }

    #[test]
    fn a_namespace_that_two_pods_have_is_the_nodes() {
        let mut other = said();
        other[0]["namespaces"] = json!(["pid:[1]", "ipc:[9]", "user:[4026531837]"]);
        let shared = grants(&said()).shared_with(&grants(&other), &asked());
        assert_eq!(shared, ["the pod has its own pid namespace, and another pod on the node has the same, pid:[1]"]);
    }
}

//! What the kernel grants a probe, against what its pod asks for.
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::probe::asked::Asked;
use crate::probe::batch::Answer;

/// The agent's `id`.
#[derive(Clone, Debug, Deserialize)]
struct Id {
    groups: Vec<String>,
    cap_inh: String,
    cap_prm: String,
    cap_eff: String,
    cap_bnd: String,
    cap_amb: String,
    seccomp: Option<u64>,
    no_new_privs: Option<u64>,
    hostname: String,
}

/// The agent's `facts`.
#[derive(Clone, Debug, Deserialize)]
struct Facts {
    /// Real, effective, saved, file system.
    uids: Vec<String>,
    gids: Vec<String>,
    seccomp_filters: Option<u64>,
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
    id: Id,
    facts: Facts,
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

/// `SECCOMP_MODE_FILTER`.
const FILTER: u64 = 2;

impl Grants {
    /// Reads the answers to `id` and `facts`.
    ///
    /// # Errors
    /// A sentence where one is missing or not whole.
    pub fn read(answers: &[Answer]) -> Result<Self, String> {
        let [id, facts] = answers else { return Err("the agent did not say what it was granted".into()) };
        Ok(Self { id: part(id)?, facts: part(facts)? })
    }

    /// Whether a seccomp filter judges the calls.
    pub fn is_filtered(&self) -> bool {
        self.id.seccomp == Some(FILTER)
    }

    /// Where the kernel grants more than the pod asks for, a sentence each.
    pub fn contradictions(&self, asked: &Asked) -> Vec<String> {
        let Self { id, facts } = self;
        let mut wrong = Vec::new();
        let mut ids = |what: &str, asked: Option<i64>, ids: &[String]| {
            if let Some(asked) = asked
                && !(ids.len() == 4 && ids.iter().all(|id| *id == asked.to_string()))
            {
                wrong.push(format!("the pod asks for {what} {asked}, and the kernel says {}", ids.join(" ")));
            }
        };
        ids("user", asked.user, &facts.uids);
        ids("group", asked.group, &facts.gids);
        if asked.group.is_some_and(|group| group != 0) && id.groups.iter().any(|group| group == "0") {
            wrong.push("the pod asks for no root group, and the kernel says Groups: 0".into());
        }
        if asked.no_capability {
            let granted = self.capabilities().into_iter().filter(|(_, set)| set.bytes().any(|digit| digit != b'0'));
            wrong.extend(
                granted.map(|(name, set)| format!("the pod drops all capabilities, and the kernel says {name}: {set}")),
            );
        }
        if asked.no_new_privileges && id.no_new_privs != Some(1) {
            let found = shown(id.no_new_privs);
            wrong.push(format!("the pod forbids new privileges, and the kernel says NoNewPrivs: {found}"));
        }
        if let Some(profile) = &asked.seccomp
            && !self.is_filtered()
        {
            let found = shown(id.seccomp);
            wrong.push(format!("the pod asks for seccomp {profile}, and the kernel says Seccomp: {found}"));
        }
        if asked.read_only_root && facts.root != "read-only" {
            wrong.push(format!("the pod asks for a read-only root, and the kernel says it is {}", facts.root));
        }
        let shares = |kind: &str| !asked.namespaces.contains(&kind);
        if !shares("pid") && !facts.first {
            wrong.push("the pod has its own pid namespace, and process 1 in it is not its own".into());
        }
        if !shares("uts") && id.hostname != asked.hostname {
            wrong.push(format!("the pod has its own host name {}, and the kernel says {}", asked.hostname, id.hostname));
        }
        for (kind, initial) in INITIAL {
            if !shares(kind) && facts.namespaces.iter().any(|namespace| namespace == initial) {
                wrong.push(format!("the pod has its own {kind} namespace, and the kernel says the node's, {initial}"));
            }
        }
        let foreign: Vec<&str> = facts.devices.iter().map(String::as_str).filter(|name| !DEVICES.contains(name)).collect();
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

    fn capabilities(&self) -> [(&'static str, &str); 5] {
        let Id { cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb, .. } = &self.id;
        [("CapInh", cap_inh), ("CapPrm", cap_prm), ("CapEff", cap_eff), ("CapBnd", cap_bnd), ("CapAmb", cap_amb)]
            .map(|(name, set)| (name, set.as_str()))
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, facts } = self;
        write!(f, "Uid {}, Gid {}", facts.uids.join(" "), facts.gids.join(" "))?;
        for (name, set) in self.capabilities() {
            write!(f, ", {name} {set}")?;
        }
        write!(f, ", NoNewPrivs {}, Seccomp {}", shown(id.no_new_privs), shown(id.seccomp))?;
        write!(f, " ({} filters), root {}", shown(facts.seccomp_filters), facts.root)?;
        write!(f, ", {}, devices {}", facts.namespaces.join(" "), facts.devices.join(" "))
    }
}

fn shown(number: Option<u64>) -> String {
    number.map_or_else(|| "nothing".to_owned(), |number| number.to_string())
}

fn part<T: DeserializeOwned>(answer: &Answer) -> Result<T, String> {
    if answer.result != "ok" {
        return Err(format!("the agent cannot say what it was granted: {answer}"));
    }
    serde_json::from_value(Value::Object(answer.more.clone()))
        .map_err(|error| format!("the agent does not say all that it was granted: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::batch::answers;
    use rstest::rstest;
    use serde_json::json;

    fn said() -> [Value; 2] {
        let none = "0000000000000000";
        [
            json!({ "id": 0, "result": "ok", "groups": ["65532"], "cap_inh": none, "cap_prm": none, "cap_eff": none,
                "cap_bnd": none, "cap_amb": none, "seccomp": 2, "no_new_privs": 1, "hostname": "p" }),
            json!({ "id": 1, "result": "ok", "uids": ["7", "7", "7", "7"], "gids": ["8", "8", "8", "8"],
                "seccomp_filters": 1, "root": "read-only", "first": true,
                "namespaces": ["pid:[1]", "ipc:[2]", "uts:[3]", "net:[4]", "mnt:[5]", "user:[4026531837]"],
                "devices": ["null", "zero"] }),
        ]
    }

    fn grants(said: &[Value; 2]) -> Grants {
        Grants::read(&answers(&format!("{}\n{}\n", said[0], said[1]), 2).unwrap()).unwrap()
    }

    fn asked() -> Asked {
        Asked {
            hostname: "p".into(),
            user: Some(7),
            group: Some(8),
            no_new_privileges: true,
            seccomp: Some("RuntimeDefault".into()),
            read_only_root: true,
            no_capability: true,
            unprivileged: true,
            namespaces: vec!["pid", "ipc", "uts", "net", "mnt"],
        }
    }

    #[test]
    fn what_is_granted_as_asked_contradicts_nothing() {
        assert!(grants(&said()).contradictions(&asked()).is_empty());
    }

    #[rstest]
    #[case(1, "uids", json!(["7", "0", "7", "7"]), "the pod asks for user 7, and the kernel says 7 0 7 7")]
    #[case(0, "groups", json!(["0", "8"]), "the pod asks for no root group, and the kernel says Groups: 0")]
    #[case(0, "cap_bnd", json!("00000000a80425fb"), "the pod drops all capabilities, and the kernel says CapBnd: 00000000a80425fb")]
    #[case(0, "no_new_privs", json!(0), "the pod forbids new privileges, and the kernel says NoNewPrivs: 0")]
    #[case(0, "seccomp", json!(0), "the pod asks for seccomp RuntimeDefault, and the kernel says Seccomp: 0")]
    #[case(0, "seccomp", Value::Null, "the pod asks for seccomp RuntimeDefault, and the kernel says Seccomp: nothing")]
    #[case(1, "root", json!("writable"), "the pod asks for a read-only root, and the kernel says it is writable")]
    #[case(1, "first", json!(false), "the pod has its own pid namespace, and process 1 in it is not its own")]
    #[case(0, "hostname", json!("node"), "the pod has its own host name p, and the kernel says node")]
    #[case(1, "devices", json!(["null", "sda"]), "the pod asks for no device, and finds sda")]
    #[case(1, "namespaces", json!(["ipc:[4026531839]"]), "the pod has its own ipc namespace, and the kernel says the node's, ipc:[4026531839]")]
    fn what_is_granted_beyond_is_told(#[case] part: usize, #[case] key: &str, #[case] value: Value, #[case] expected: &str) {
        let mut said = said();
        said[part][key] = value;
        assert_eq!(grants(&said).contradictions(&asked()), [expected]);
        // A pod that asks for nothing is owed nothing.
        assert!(grants(&said).contradictions(&Asked::default()).is_empty());
    }

    #[test]
    fn a_namespace_that_two_pods_have_is_the_nodes() {
        let mut other = said();
        other[1]["namespaces"] = json!(["pid:[1]", "ipc:[9]", "user:[4026531837]"]);
        let shared = grants(&said()).shared_with(&grants(&other), &asked());
        assert_eq!(shared, ["the pod has its own pid namespace, and another pod on the node has the same, pid:[1]"]);
    }
}

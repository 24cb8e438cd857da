//! What /proc/PID/status says a process was granted (proc_pid_status(5)), against what its pod asks for.
use std::collections::BTreeMap;
use std::fmt;

use crate::probe::asked::Asked;

/// The lines that matter.
const KEYS: [&str; 10] =
    ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"];

/// `SECCOMP_MODE_FILTER`.
const FILTER: &str = "2";

/// What a process was granted, in the kernel's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status(BTreeMap<&'static str, String>);

impl Status {
    /// Reads the file; nothing where a line is missing: a kernel that does not say has not granted as asked.
    pub fn read(text: &str) -> Option<Self> {
        let lines: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(':')).collect();
        let values = KEYS.map(|key| Some((key, lines.get(key)?.split_whitespace().collect::<Vec<_>>().join(" "))));
        values.into_iter().collect::<Option<_>>().map(Self)
    }

    fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Whether a seccomp filter judges its calls.
    pub fn is_filtered(&self) -> bool {
        self.get("Seccomp") == FILTER
    }

    /// Where the kernel grants more than the pod asks for, a sentence each.
    pub fn contradictions(&self, asked: &Asked) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut holds = |holds: bool, asked: &str, key: &str| {
            if !holds {
                wrong.push(format!("the pod {asked}, and the kernel says {key}: {}", self.get(key)));
            }
        };
        // Real, effective, saved, file system.
        let all = |key: &str, id: i64| self.get(key).split(' ').all(|found| found == id.to_string());
        if let Some(user) = asked.user {
            holds(all("Uid", user), &format!("asks for user {user}"), "Uid");
        }
        if let Some(group) = asked.group {
            holds(all("Gid", group), &format!("asks for group {group}"), "Gid");
            holds(
                group == 0 || self.get("Groups").split(' ').all(|found| found != "0"),
                "asks for no root group",
                "Groups",
            );
        }
        if asked.no_capability {
            for set in KEYS.into_iter().filter(|key| key.starts_with("Cap")) {
                holds(self.get(set).bytes().all(|digit| digit == b'0'), "drops all capabilities", set);
            }
        }
        if asked.no_new_privileges {
            holds(self.get("NoNewPrivs") == "1", "forbids new privileges", "NoNewPrivs");
        }
        if let Some(profile) = &asked.seccomp {
            holds(self.is_filtered(), &format!("asks for seccomp {profile}"), "Seccomp");
        }
        wrong
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = KEYS.into_iter().map(|key| format!("{key}: {}", self.get(key))).collect();
        f.write_str(&lines.join(", "))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rstest::rstest;

    pub(crate) const CONTAINED: &str = "Name:\tagent\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nGroups:\t8 \n\
        CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n\
        CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    pub(crate) fn asked() -> Asked {
        Asked {
            user: Some(7),
            group: Some(8),
            no_new_privileges: true,
            seccomp: Some("RuntimeDefault".into()),
            read_only_root: true,
            no_capability: true,
            unprivileged: true,
            ..Asked::default()
        }
    }

    #[test]
    fn a_contained_process_contradicts_nothing() {
        assert!(Status::read(CONTAINED).unwrap().contradictions(&asked()).is_empty());
    }

    #[rstest]
    #[case("Uid:\t7\t7", "Uid:\t7\t0", "the pod asks for user 7, and the kernel says Uid: 7 0 7 7")]
    #[case("Gid:\t8\t8", "Gid:\t0\t8", "the pod asks for group 8, and the kernel says Gid: 0 8 8 8")]
    #[case("Groups:\t8", "Groups:\t0 8", "the pod asks for no root group, and the kernel says Groups: 0 8")]
    #[case(
        "CapBnd:\t00000000",
        "CapBnd:\t000001ff",
        "the pod drops all capabilities, and the kernel says CapBnd: 000001ff00000000"
    )]
    #[case("NoNewPrivs:\t1", "NoNewPrivs:\t0", "the pod forbids new privileges, and the kernel says NoNewPrivs: 0")]
    #[case("Seccomp:\t2", "Seccomp:\t0", "the pod asks for seccomp RuntimeDefault, and the kernel says Seccomp: 0")]
    fn what_is_granted_beyond_is_told(#[case] line: &str, #[case] changed: &str, #[case] expected: &str) {
        let status = Status::read(&CONTAINED.replace(line, changed)).unwrap();
        assert_eq!(status.contradictions(&asked()), [expected]);
        assert!(status.contradictions(&Asked::default()).is_empty());
    }

    #[test]
    fn a_missing_line_is_no_status() {
        assert_eq!(Status::read(&CONTAINED.replace("Seccomp:", "Secomp:")), None);
    }
}

//! Who started a range, written on its containers, so that a later run can tell a leftover from a neighbour at work.

use std::fs;

/// The four labels that name an owner, in the order in which [`Owner::labels`] gives them.
pub(crate) const LABELS: [&str; 4] = [
    "oke-conformance.owner-pid",
    "oke-conformance.owner-started",
    "oke-conformance.owner-pid-namespace",
    "oke-conformance.boot-id",
];

/// A process, named so that it cannot be mistaken for a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pid: u32,
    /// Clock ticks between boot and the process's start.
    started: String,
    pid_namespace: String,
    boot_id: String,
}

impl Owner {
    /// This process.
    pub(crate) fn current() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            started: started(pid).unwrap_or_default(),
            pid_namespace: fs::read_link("/proc/self/ns/pid")
                .map(|link| link.display().to_string())
                .unwrap_or_default(),
            boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .map(|id| id.trim().to_owned())
                .unwrap_or_default(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn labels(&self) -> [(&'static str, String); 4] {
        let [pid, started, namespace, boot] = LABELS;
        [
            (pid, self.pid.to_string()),
            (started, self.started.clone()),
            (namespace, self.pid_namespace.clone()),
            (boot, self.boot_id.clone()),
        ]
    }

    /// The owner that four label values name; `None` when they were not written by this program.
    pub(crate) fn from_labels(values: [&str; 4]) -> Option<Self> {
        let [pid, started, pid_namespace, boot_id] = values;
        Some(Self {
            pid: pid.parse().ok()?,
            started: started.to_owned(),
            pid_namespace: pid_namespace.to_owned(),
            boot_id: boot_id.to_owned(),
        })
    }

    /// Whether the process may still be at work. One that cannot be looked up counts as alive: a leftover that stays
    /// is a nuisance, a neighbour's range taken away is a fault.
    pub(crate) fn is_alive(&self) -> bool {
        self.is_alive_seen_from(&Self::current(), started)
    }

    fn is_alive_seen_from(&self, here: &Self, started: impl Fn(u32) -> Option<String>) -> bool {
        if self.boot_id != here.boot_id {
            return false;
        }
        if self.pid_namespace != here.pid_namespace {
            return true;
        }
        started(self.pid).is_some_and(|started| started == self.started)
    }
}

fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, in parentheses, may hold blanks and parentheses itself: count from its end.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn owner(pid: u32, started: &str, namespace: &str, boot: &str) -> Owner {
        Owner::from_labels([&pid.to_string(), started, namespace, boot]).unwrap()
    }

    #[rstest]
    #[case::at_work(owner(7, "100", "ns", "boot"), true)]
    #[case::ended(owner(8, "100", "ns", "boot"), false)]
    #[case::number_given_to_another(owner(7, "99", "ns", "boot"), false)]
    #[case::before_the_last_boot(owner(7, "100", "ns", "earlier"), false)]
    #[case::in_a_container_we_cannot_see_into(owner(8, "100", "other", "boot"), true)]
    fn an_owner_is_alive_only_if_it_is_the_very_same_process(#[case] owner: Owner, #[case] alive: bool) {
        let here = self::owner(1, "1", "ns", "boot");
        let started = |pid| (pid == 7).then(|| "100".to_owned());
        assert_eq!(owner.is_alive_seen_from(&here, started), alive);
    }

    #[test]
    fn this_process_is_alive_and_survives_its_labels() {
        let me = Owner::current();
        assert!(me.is_alive());
        let labels = me.labels();
        let [a, b, c, d] = &labels;
        assert_eq!(Owner::from_labels([&a.1, &b.1, &c.1, &d.1]), Some(me));
    }

    #[test]
    fn foreign_labels_name_nobody() {
        assert_eq!(Owner::from_labels(["", "", "", ""]), None);
    }
}

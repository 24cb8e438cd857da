//! Which rule has which hole: every scenario about admission has some, and every way is somewhere.

use super::ways::{self, Way};

/// What keeps a rule, by the file that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Rules of the policy engine `admission-policy`, those whose messages begin with one of these words: without the others a pod that gets
    /// past the first would be refused all the same.
    Standards(&'static [&'static str]),
    /// A policy of the hardened range, in this file.
    Hardened(&'static str),
}

/// One policy with one hole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hole {
    /// The scenario that must find it.
    pub(super) scenario: &'static str,
    /// The rule.
    pub(super) kept: Kept,
    /// What is open in it.
    pub(super) way: Way,
}

/// Rules, and the ways past each.
struct Rule {
    scenario: &'static str,
    kept: Kept,
    ways: &'static [Way],
}

const fn standard(scenario: &'static str, rules: &'static [&'static str], ways: &'static [Way]) -> Rule {
    Rule { scenario, kept: Kept::Standards(rules), ways }
}

const fn hardened(scenario: &'static str, file: &'static str, ways: &'static [Way]) -> Rule {
    Rule { scenario, kept: Kept::Hardened(file), ways }
}

pub(super) const DEBUGGERS: &str = "pod_security/ephemeral-container";
pub(super) const NEWBORN: &str = "pod_security/new-namespace-born-safe";
pub(super) const EXEMPT: &str = "pod_security/exempt-namespaces-known";

const IMAGES: &str = "hardened/30-images-by-digest.yaml";
const SERVICES: &str = "hardened/45-services.yaml";
const NAMES: &str = "hardened/46-external-names.yaml";
/// The hardened range's policies that holes are made in.
pub(super) const HARDENED: [&str; 3] = [IMAGES, SERVICES, NAMES];

const RULES: &[Rule] = &[
    standard(
        "pod_security/privileged",
        &["privileged:", "privilege-escalation:"],
        &[
            ways::LABEL_OF_THE_BINDING,
            ways::NO_INIT,
            ways::RUN_AS_ACCOUNT,
            ways::RUNTIME_CLASS,
            ways::FIRST_CONTAINER,
            ways::WARNED,
        ],
    ),
    standard(
        "pod_security/host-pid",
        &["host-pid:"],
        &[ways::LABEL_OF_A_VALUE, ways::NAMESPACE, ways::OTHER_ACCOUNT, ways::PRIORITY],
    ),
    standard(
        "pod_security/host-ipc",
        &["host-ipc:"],
        &[ways::ANNOTATION, ways::DEPLOYER, ways::NOTED, ways::LABEL_IN_A_RULE],
    ),
    standard(
        "pod_security/host-network",
        &["host-network:"],
        &[ways::NAME, ways::LABEL_IN_A_CONDITION, ways::ACCOUNTS_OF_A_NAMESPACE],
    ),
    standard(
        "pod_security/host-process",
        &["host-process:", "host-network:"],
        &[ways::LABEL_OF_A_VALUE, ways::OTHER_ACCOUNT],
    ),
    standard(
        "pod_security/host-ports",
        &["host-ports:"],
        &[ways::FIRST_PORT, ways::TCP_ALONE, ways::NO_SIDECAR, ways::CONTAINER_NAME, ways::FIRST_CONTAINER],
    ),
    standard(
        "pod_security/host-path",
        &["host-path:", "volume-types:"],
        &[ways::ROOT_ALONE, ways::FIRST_VOLUME, ways::NAME, ways::RUN_AS_ACCOUNT],
    ),
    standard(
        "pod_security/volume-types",
        &["volume-types:"],
        &[ways::FIRST_VOLUME, ways::LABEL_OF_THE_BINDING, ways::NAMESPACE],
    ),
    standard(
        "pod_security/run-as-root",
        &["run-as-root:"],
        &[ways::POD_OVERRULES, ways::NO_INIT, ways::LABEL_IN_A_CONDITION, ways::CHANGES_ALONE],
    ),
    standard(
        "pod_security/run-as-user-zero",
        &["run-as-user-zero:"],
        &[ways::NO_SIDECAR, ways::ANNOTATION, ways::FIRST_CONTAINER, ways::DEPLOYER],
    ),
    standard(
        "pod_security/privilege-escalation",
        &["privilege-escalation:", "capabilities-kept:"],
        &[ways::NO_CONTEXT, ways::EMPTY_CONTEXT],
    ),
    standard(
        "pod_security/privilege-escalation",
        &["privilege-escalation:"],
        &[ways::BROKEN_RULE, ways::NAME, ways::LABEL_OF_THE_BINDING],
    ),
    standard(
        "pod_security/capabilities-added",
        &["capabilities-added:", "capabilities-kept:"],
        &[ways::SPELLING, ways::PREFIX, ways::FIRST_CAPABILITY, ways::RUNTIME_CLASS, ways::CONTAINER_NAME],
    ),
    standard(
        "pod_security/capabilities-kept",
        &["capabilities-kept:"],
        &[ways::NO_INIT, ways::FIRST_CONTAINER, ways::PRIORITY],
    ),
    standard("pod_security/capabilities-kept", &["privilege-escalation:", "capabilities-kept:"], &[ways::NO_CONTEXT]),
    standard(
        "pod_security/seccomp-unconfined",
        &["seccomp-unconfined:"],
        &[ways::NO_SIDECAR, ways::OTHER_ACCOUNT, ways::NOTED, ways::BROKEN_PROFILE],
    ),
    standard(
        "pod_security/apparmor-unconfined",
        &["apparmor-unconfined:"],
        &[ways::IMAGE, ways::NO_INIT, ways::LABEL_OF_A_VALUE, ways::ACCOUNTS_OF_A_NAMESPACE],
    ),
    standard(
        "pod_security/selinux-options",
        &["selinux-options:"],
        &[ways::FIRST_CONTAINER, ways::LABEL_IN_A_CONDITION, ways::CONTAINER_NAME, ways::POD_ALONE],
    ),
    standard(
        "pod_security/proc-mount-unmasked",
        &["proc-mount-unmasked:"],
        &[ways::NO_SIDECAR, ways::NO_INIT, ways::NAME],
    ),
    standard(
        "pod_security/sysctls-unsafe",
        &["sysctls-unsafe:"],
        &[ways::FIRST_PARAMETER, ways::ANNOTATION, ways::LABEL_IN_A_RULE],
    ),
    standard("pod_security/host-probes", &["host-probes:"], &[ways::FIRST_CONTAINER, ways::NAME, ways::NAMESPACE]),
    standard(DEBUGGERS, &["selinux-options:"], &[ways::NO_SUBRESOURCE, ways::NO_DEBUGGER, ways::CREATION_ALONE]),
    standard(NEWBORN, &["host-pid:"], &[ways::UNLABELLED_NAMESPACE]),
    standard(EXEMPT, &["host-ipc:"], &[ways::SYSTEM_NAMESPACE]),
    hardened(
        "images/tag-refused",
        IMAGES,
        &[
            ways::CREATION_ALONE,
            ways::NO_SUBRESOURCE,
            ways::NO_DEBUGGER,
            ways::NO_INIT,
            ways::NO_SIDECAR,
            ways::FIRST_CONTAINER,
            ways::IMAGE,
            ways::LATEST_ALONE,
            ways::NO_TAG,
            ways::LABEL_OF_THE_BINDING,
            ways::ANNOTATION,
            ways::OTHER_ACCOUNT,
            ways::CHANGES_ALONE,
        ],
    ),
    hardened(
        "network/external-ip-refused",
        SERVICES,
        &[
            ways::LABEL_OF_A_VALUE,
            ways::ANNOTATION,
            ways::NAME,
            ways::DEPLOYER,
            ways::CREATION_OF_SERVICES_ALONE,
            ways::WARNED,
        ],
    ),
    hardened(
        "network/external-name-refused",
        NAMES,
        &[ways::LABEL_IN_A_CONDITION, ways::CREATION_OF_SERVICES_ALONE, ways::OTHER_ACCOUNT, ways::NAMESPACE],
    ),
];

/// Every one, in the order of the rules.
pub(super) fn all() -> Vec<Hole> {
    let holes = RULES.iter().flat_map(|rule| {
        let Rule { scenario, kept, ways } = *rule;
        ways.iter().map(move |way| Hole { scenario, kept, way: *way })
    });
    holes.collect()
}

/// Scenarios about what owns a node, of which others ask as well, in other places.
const OWNING: [&str; 5] = ["privileged", "host-pid", "host-ipc", "host-network", "host-path"];

impl Hole {
    /// Whether the two cannot be told apart when they are there at once: they are in one rule, or one may be found by whoever must find the
    /// other.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let rules = match (self.kept, other.kept) {
            (Kept::Standards(ours), Kept::Standards(theirs)) => ours.iter().any(|rule| theirs.contains(rule)),
            (ours, theirs) => ours == theirs,
        };
        rules || self.may_be_found_by(other.scenario) || other.may_be_found_by(self.scenario)
    }

    /// Whether that scenario may be allowed, too: it asks for what the hole is in.
    pub(super) fn may_be_found_by(&self, scenario: &str) -> bool {
        let Kept::Standards(rules) = self.kept else { return scenario == self.scenario };
        let mut words = rules.iter().map(|rule| rule.trim_end_matches(':'));
        match scenario {
            DEBUGGERS => self.way.debuggers,
            NEWBORN | EXEMPT => words.any(|word| OWNING.contains(&word)),
            _ => scenario == self.scenario || words.any(|word| scenario.strip_prefix("pod_security/") == Some(word)),
        }
    }
}

/// Whether a scenario is about the whole cluster: it has one cell, whatever the place.
pub(super) fn is_about_all(scenario: &str) -> bool {
    [NEWBORN, EXEMPT].contains(&scenario)
}

/// Where a hole is: a namespace in scope, each with policies of its own.
pub(super) const PLACES: [&str; 3] = ["tenant-a", "default", "tenant-b"];
/// ... or all others.
pub(super) const ELSEWHERE: &str = "elsewhere";

/// A hole in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) hole: Hole,
    pub(super) place: &'static str,
}

/// Puts holes where they can be told apart, as few times as that goes.
pub(super) fn rounds(holes: &[Hole]) -> Vec<Vec<Placed>> {
    let mut rounds: Vec<Vec<Placed>> = Vec::new();
    for hole in holes {
        let places = hole.way.only.map_or(PLACES.to_vec(), |only| vec![only]);
        let is_free =
            |round: &[Placed], place: &str| !round.iter().any(|other| other.place == place && hole.meets(&other.hole));
        let placed = |place| Placed { hole: *hole, place };
        let room = rounds.iter_mut().find_map(|round| {
            let place = places.iter().find(|place| is_free(round, place))?;
            Some((round, *place))
        });
        match room {
            Some((round, place)) => round.push(placed(place)),
            None => rounds.push(vec![placed(places[0])]),
        }
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_scenario_about_admission_has_holes_and_no_hole_is_there_twice() {
        let all = all();
        let found: BTreeSet<&str> = all.iter().map(|hole| hole.scenario).collect();
        let standards = harness::standard::ALL.iter().map(|(name, _)| format!("pod_security/{name}"));
        let missing: Vec<String> = standards.filter(|id| !found.contains(id.as_str())).collect();
        assert_eq!(missing, [""; 0]);
        let ids: BTreeSet<String> = scenarios::all().into_iter().map(|entry| entry.id).collect();
        assert!(found.iter().all(|id| ids.contains(*id)), "{found:?}");
        let once: BTreeSet<_> = all.iter().map(|hole| (hole.scenario, hole.way.what)).collect();
        assert_eq!(once.len(), all.len());
        assert!(all.len() >= 60, "{}", all.len());
    }

    #[test]
    fn those_of_a_round_are_told_apart() {
        let all = all();
        let rounds = rounds(&all);
        assert_eq!(rounds.iter().map(Vec::len).sum::<usize>(), all.len());
        assert!(rounds.len() <= 6, "{}", rounds.len());
        for round in rounds {
            for (number, Placed { hole, place }) in round.iter().enumerate() {
                let mut others = round[..number].iter().filter(|other| other.place == *place);
                assert!(!others.any(|other| hole.meets(&other.hole)));
            }
        }
    }
}

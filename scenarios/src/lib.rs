//! The guidance, one live scenario a file, by its chapters.
//!
//! The ids are the files' paths. A chapter's list is all the registration there is; a test holds the lists against the folders.
use harness::probe::pod::Listening;
use harness::scenario::Entry;

/// Registers a chapter's files: `scenarios! { chapter: file, file }`.
macro_rules! scenarios {
    ($chapter:ident: $($file:ident),+ $(,)?) => {
        $(pub mod $file;)+

        /// The chapter's scenarios, in the guidance's order.
        pub fn entries() -> Vec<harness::scenario::Entry> {
            vec![$(harness::scenario::Entry::new(
                stringify!($chapter), stringify!($file), include_str!(concat!(stringify!($chapter), "/", stringify!($file), ".rs")), &$file::SCENARIO,
            )),+]
        }
    };
}

pub mod addons;
pub mod images;
pub mod metadata;
pub mod network;
pub mod pod_security;
pub mod rbac;
pub mod resources;

/// Every scenario, in the guidance's order.
pub fn all() -> Vec<Entry> {
    [
        rbac::entries(),
        pod_security::entries(),
        metadata::entries(),
        network::entries(),
        images::entries(),
        resources::entries(),
        addons::entries(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What intrusion detection (Falco, GuardDuty, Defender and their like) takes for an attack, for that is what it looks like: system calls that a
/// container has no use for, ways to the instance's credentials, datagrams in another's name. Who watches a cluster should know of them before.
const ALARMING: [&str; 6] = [
    "pod_security/runtime-contained",
    "metadata/endpoint-unreachable",
    "metadata/identity-unreadable",
    "metadata/bootstrap-data-unreadable",
    "metadata/legacy-endpoint-off",
    "network/overlay-not-injectable",
];

/// Whether the scenario of that id may alarm whoever watches the cluster.
pub fn is_alarming(id: &str) -> bool {
    ALARMING.contains(&id)
}

/// The ports that this catalogue's probes listen on, so that a path to them can be open.
pub const LISTENING: Listening =
    Listening::on(&[network::PORT, network::WEBHOOK, addons::tiller::GRPC, addons::tiller::HTTP], &[network::PORT]);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Files that hold what several scenarios of a chapter share; they define no scenario of their own.
    fn is_scenario(path: &Path) -> bool {
        std::fs::read_to_string(path).unwrap().contains("\npub const SCENARIO: Scenario")
    }

    #[test]
    fn what_alarms_is_in_the_catalogue() {
        let all: BTreeSet<String> = all().into_iter().map(|entry| entry.id).collect();
        assert!(ALARMING.iter().all(|id| all.contains(*id)), "{ALARMING:?}");
    }

    #[test]
    fn every_file_is_listed() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let chapters =
            std::fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        let mut files = BTreeSet::new();
        for chapter in chapters {
            let name = chapter.file_name().unwrap().to_str().unwrap().to_owned();
            for file in
                std::fs::read_dir(&chapter).unwrap().map(|entry| entry.unwrap().path()).filter(|path| is_scenario(path))
            {
                files.insert(format!("{name}/{}", file.file_stem().unwrap().to_str().unwrap().replace('_', "-")));
            }
        }
        let listed: BTreeSet<String> = all().into_iter().map(|entry| entry.id).collect();
        assert_eq!(files, listed);
        assert!(!listed.is_empty());
    }

    #[test]
    fn every_scenario_explains_itself_and_names_its_guidance() {
        for entry in all() {
            assert!(entry.explanation().len() > 100, "{} explains nothing", entry.id);
            assert!(!entry.scenario.guidance.is_empty(), "{} serves no item of the guidance", entry.id);
        }
    }
}

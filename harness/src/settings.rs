//! `conformance.toml`: what a cluster is called here, and what of it is in scope.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::cluster::deployers::Deployers;
use crate::cluster::named_ports::Port;
use crate::toml_file;

mod exit_code;
mod pods;

pub use exit_code::AcknowledgedExitCode;
pub use pods::{OfTheHouse, PodSettings};

/// The file's name, looked for in the working directory and its parents.
pub const FILE: &str = "conformance.toml";

/// One cluster's entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClusterSettings {
    /// The kubeconfig's context; the entry's own name where it is left out.
    pub context: Option<String>,
    /// A kubeconfig other than `$KUBECONFIG` or `~/.kube/config`; relative to this file.
    pub kubeconfig: Option<PathBuf>,
    /// The suite that runs here where `--suite` says nothing: a built-in one's name, or a file relative to this one.
    pub suite: Option<String>,
    /// Globs over namespaces; all but `kube-*` where none is given.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Who deploys in each namespace, and so attempts to create pods there.
    pub deployer: Option<Deployers>,
    /// The image that probes are started from, by digest; found on the nodes where it is left out.
    pub agent_image: Option<String>,
    /// Endpoints outside the cluster that pods must not reach unless they are granted to, as `ADDRESS:PORT`; something must listen there.
    #[serde(default)]
    pub outside: Vec<SocketAddr>,
    /// The label or annotation of nodes that says of which pool they are, where it is none of those that are known.
    pub pool_label: Option<String>,
    /// Globs over the nodes that nothing is placed on.
    #[serde(default)]
    pub except_nodes: Vec<String>,
    /// Ports that are tried besides those that pods, Services and policies in scope name: `5432`, `udp 53`.
    #[serde(default)]
    pub ports: Vec<PortSetting>,
    /// Pods that a run may make at the most, in place of [`MOST_PODS`].
    pub most_pods: Option<usize>,
    /// Of these, as many on one node at the most, in place of a tenth of its room.
    pub most_pods_a_node: Option<usize>,
    /// How a run ends in which nothing is worse than what waivers.toml acknowledges.
    #[serde(default)]
    pub acknowledged_exit_code: AcknowledgedExitCode,
    /// Whether what intrusion detection takes for an attack is left out.
    #[serde(default)]
    pub without_alarms: bool,
    /// Labels of the namespaces that a run makes for itself: what cluster-wide policies go by.
    #[serde(default)]
    pub namespace_labels: OfTheHouse,
    /// What probes and plain pods carry besides.
    #[serde(default)]
    pub pods: PodSettings,
    /// By scenario, what may be found all the same on this cluster, beside what the suite allows.
    #[serde(default)]
    pub allow: BTreeMap<String, Vec<String>>,
}

/// A run that would make more pods than this asks first.
pub const MOST_PODS: usize = 300;

/// A port: TCP by its number, or `PROTOCOL NUMBER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a port: its number, which means TCP, or \"udp NUMBER\" or \"tcp NUMBER\"")]
pub enum PortSetting {
    /// TCP.
    Number(u16),
    /// As it says.
    Words(PortWords),
}

/// `PROTOCOL NUMBER`, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PortWords(Port);

impl TryFrom<String> for PortWords {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (protocol, number) = text.split_once([' ', ':', '/']).unwrap_or(("tcp", &text));
        let protocol = ["tcp", "udp"].into_iter().find(|known| known.eq_ignore_ascii_case(protocol));
        let port = protocol.zip(number.trim().parse().ok());
        port.map(Self).ok_or_else(|| format!("{text:?} is no port"))
    }
}

impl PortSetting {
    /// The port.
    pub fn port(self) -> Port {
        match self {
            Self::Number(number) => ("tcp", number),
            Self::Words(PortWords(port)) => port,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    cluster: BTreeMap<String, ClusterSettings>,
}

/// The entry of `name`, from the nearest [`FILE`] at or above `from`; `None` where there is no file or no such entry.
///
/// # Errors
/// One sentence where the file cannot be read: its path, the line, what was expected.
pub fn find(from: &Path, name: &str) -> Result<Option<ClusterSettings>> {
    let Some(path) = from.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file()) else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let file: File = toml_file::parse(&text).with_context(|| format!("{} cannot be used", path.display()))?;
    let mut entry = file.cluster.get(name).cloned();
    if let (Some(ClusterSettings { kubeconfig: Some(kubeconfig), .. }), Some(folder)) = (&mut entry, path.parent()) {
        *kubeconfig = folder.join(&*kubeconfig);
    }
    Ok(entry)
}

/// How the entry of `name` begins, as TOML has it.
pub fn heading(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || "-_".contains(char));
    if bare { format!("[cluster.{name}]") } else { format!("[cluster.{name:?}]") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use toml_file::parse;

    #[test]
    fn an_entry_names_context_and_scope() {
        let file: File = parse("[cluster.prod]\ncontext = \"c1\"\nnamespaces = [\"team-*\"]\n").unwrap();
        let expected = ClusterSettings {
            context: Some("c1".into()),
            namespaces: vec!["team-*".into()],
            ..ClusterSettings::default()
        };
        assert_eq!(file.cluster["prod"], expected);
    }

    #[rstest]
    #[case::typo(
        "[cluster.prod]\n\nnamespace = []\n",
        "line 3: unknown field `namespace`, expected one of `context`, `kubeconfig`, `suite`, `namespaces`, `deployer`, `agent-image`, `outside`, `pool-label`, `except-nodes`, `ports`, `most-pods`, `most-pods-a-node`, `acknowledged-exit-code`, `without-alarms`, `namespace-labels`, `pods`, `allow`"
    )]
    #[case::wrong_table("[clusters.prod]\n", "line 1: unknown field `clusters`, expected `cluster`")]
    #[case::wrong_type(
        "[cluster.prod]\nnamespaces = \"a\"\n",
        "line 2: invalid type: string \"a\", expected a sequence"
    )]
    #[case::no_port(
        "[cluster.prod]\nports = [5432, \"sctp 80\"]\n",
        "line 2: expected a port: its number, which means TCP, or \"udp NUMBER\" or \"tcp NUMBER\""
    )]
    #[case::no_port_number(
        "[cluster.prod]\nports = [70000]\n",
        "line 2: expected a port: its number, which means TCP, or \"udp NUMBER\" or \"tcp NUMBER\""
    )]
    #[case::pods(
        "[cluster.prod.pods]\nlabel = {}\n",
        "line 2: unknown field `label`, expected one of `labels`, `annotations`, `tolerations`, `resources`, `pull-secrets`, `priority-class`, `runtime-class`"
    )]
    #[case::no_toml("[cluster", "line 1: unclosed table, expected `]`")]
    fn mistakes_are_named_with_their_line(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(parse::<File>(text).unwrap_err().to_string(), expected);
    }

    #[rstest]
    #[case("prod-1", "[cluster.prod-1]")]
    #[case("my cluster", r#"[cluster."my cluster"]"#)]
    #[case("päivä", r#"[cluster."päivä"]"#)]
    #[case("arn:aws:eks:eu:1:cluster/shop", r#"[cluster."arn:aws:eks:eu:1:cluster/shop"]"#)]
    #[case("", r#"[cluster.""]"#)]
    fn an_entry_of_any_name_can_be_written_down(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(heading(name), expected);
        let file: File = parse(&format!("{expected}\ncontext = \"c1\"\n")).unwrap();
        assert!(file.cluster.contains_key(name));
    }

    #[rstest]
    #[case::left_out("", 3)]
    #[case::passes("acknowledged-exit-code = 0", 0)]
    #[case::as_a_failure("acknowledged-exit-code = 101", 101)]
    #[case::the_last("acknowledged-exit-code = 125", 125)]
    fn what_is_acknowledged_has_an_exit_code(#[case] line: &str, #[case] expected: u8) {
        let file: File = parse(&format!("[cluster.x]\n{line}\n")).unwrap();
        assert_eq!(file.cluster["x"].acknowledged_exit_code, AcknowledgedExitCode(expected));
    }

    #[rstest]
    #[case::a_shells_own("126")]
    #[case::no_byte("256")]
    #[case::below_zero("-1")]
    #[case::a_word("\"pass\"")]
    #[case::a_number_in_quotes("\"3\"")]
    #[case::a_part("3.5")]
    fn what_is_no_exit_code_is_told(#[case] value: &str) {
        let told = parse::<File>(&format!("[cluster.x]\nacknowledged-exit-code = {value}\n")).unwrap_err().to_string();
        let expected = "line 2: expected an exit code: a number from 0, which lets such a run pass, to 125; 3 where it is left out";
        assert_eq!(told, expected);
    }

    #[test]
    fn ports_are_numbers_or_words() {
        let file: File = parse("[cluster.x]\nports = [5432, \"udp 53\", \"TCP 80\", \"8080\"]\n").unwrap();
        let ports: Vec<Port> = file.cluster["x"].ports.iter().map(|port| port.port()).collect();
        assert_eq!(ports, [("tcp", 5432), ("udp", 53), ("tcp", 80), ("tcp", 8080)]);
    }

    #[test]
    fn the_nearest_file_above_counts() {
        let root = std::env::temp_dir().join(format!("oke-conformance-settings-{}", std::process::id()));
        let inner = root.join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(root.join(FILE), "[cluster.x]\nkubeconfig = \"k\"\n").unwrap();
        let found = find(&inner, "x").unwrap().unwrap();
        let none = find(&inner, "y").unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!((found.kubeconfig, none), (Some(root.join("k")), None));
    }
}

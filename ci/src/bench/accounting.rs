//! What a range's nodes have spent of the processors, and who of them: from the kernel's accounts of the nodes' containers.
//!
//! A control group counts what ends in it as well as what ends below it, so that the sum is whole. What is told of a pod is what its group
//! says; other pods, those of a run, are what the group of all pods counts beyond: it remembers those that have gone. The kubelet and containerd are told by their processes, as
//! not every node has groups for services; runc, the shims and a node's own small helpers are what remains.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::{Add, Sub};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::range::Range;

/// CPU-seconds by who spent them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spent(BTreeMap<String, f64>);

const OTHER_PODS: &str = "other pods";
const REST: &str = "runc, shims, the rest";

/// The nodes of a range, and who is who there.
pub(super) struct Nodes {
    groups: Vec<Group>,
    /// A pod's name by what its control group is called after.
    pods: HashMap<String, String>,
}

/// The control group of a node's container.
struct Group {
    path: PathBuf,
    /// Version 1 counts nanoseconds in a file of its own.
    v1: bool,
}

impl Nodes {
    /// # Errors
    /// When the range has no pods to be named, or its containers are not on this machine.
    pub(super) async fn of(range: &Range) -> Result<Self> {
        let groups = range.nodes().iter().map(|node| Group::of(node)).collect::<Result<_>>()?;
        let pods = range.kubectl().run(&["get", "pods", "--all-namespaces", "--output=json"]).await?;
        Ok(Self { groups, pods: named(&serde_json::from_str(&pods)?) })
    }

    /// All that they have spent so far.
    ///
    /// # Errors
    /// When an account cannot be read.
    pub(super) fn spent(&self) -> Result<Spent> {
        self.groups.iter().try_fold(Spent::default(), |sum, group| Ok(sum + group.spent(&self.pods)?))
    }
}

/// By uid, or, for what a node starts by itself, by the digest that the kubelet knows it by; called after its first container.
fn named(pods: &Value) -> HashMap<String, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |pod: &Value| {
        let meta = &pod["metadata"];
        let id = text(&meta["annotations"]["kubernetes.io/config.hash"]).or_else(|| text(&meta["uid"]))?;
        Some((id, text(&pod["spec"]["containers"][0]["name"])?))
    };
    pods["items"].as_array().into_iter().flatten().filter_map(one).collect()
}

impl Group {
    fn of(container: &str) -> Result<Self> {
        let said = crate::range::docker::docker(&["inspect", "--format", "{{.Id}} {{.State.Pid}}", container])?;
        let (id, pid) = said.trim().split_once(' ').context("docker says no process")?;
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).with_context(|| {
            format!("process {pid} of {container} is not on this machine, and what it spends is not told anywhere else")
        })?;
        let Some((v1, group)) = group_of(&groups, id) else {
            bail!("no control group of {container} counts processor time")
        };
        let path = Path::new("/sys/fs/cgroup").join(if v1 { "cpuacct" } else { "" }).join(group);
        Ok(Self { path, v1 })
    }

    fn spent(&self, pods: &HashMap<String, String>) -> Result<Spent> {
        let whole = self.read(&self.path)?;
        let mut spent = BTreeMap::new();
        let mut add = |who: &str, seconds: f64| *spent.entry(who.to_owned()).or_default() += seconds;
        let groups = below(&self.path);
        let all_pods = groups.iter().find(|group| name(group).contains("kubepods"));
        let mut unnamed = all_pods.map_or(Ok(0.0), |group| self.read(group))?;
        let mut rest = whole - unnamed;
        for group in &groups {
            // One that goes while it is read is counted above it.
            let pod = pod_of(name(group)).and_then(|id| pods.get(&id));
            if let Some((pod, seconds)) = pod.and_then(|pod| Some((pod, self.read(group).ok()?))) {
                add(pod, seconds);
                unnamed -= seconds;
            }
        }
        add(OTHER_PODS, unnamed);
        for process in groups.iter().chain([&self.path]).flat_map(|group| processes(group)) {
            if let Some((name, seconds)) =
                stat(process).filter(|(name, _)| ["kubelet", "containerd"].contains(&&**name))
            {
                add(&name, seconds);
                rest -= seconds;
            }
        }
        add(REST, rest);
        Ok(Spent(spent))
    }

    /// Seconds.
    fn read(&self, group: &Path) -> Result<f64> {
        let file = group.join(if self.v1 { "cpuacct.usage" } else { "cpu.stat" });
        let text = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        usage(&text, self.v1).with_context(|| format!("{} counts nothing", file.display()))
    }
}

/// The group that counts for a container, below the mount point, from its process' list of groups.
fn group_of<'a>(groups: &'a str, id: &str) -> Option<(bool, &'a str)> {
    let lines = groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let (controllers, path) = lines
        .filter(|(controllers, _)| controllers.is_empty() || controllers.split(',').any(|one| one == "cpuacct"))
        // Version 1's own list wins: beside it, version 2 counts nothing.
        .max_by_key(|(controllers, _)| !controllers.is_empty())?;
    // The node's init has moved itself to a group further down.
    let end = path.find(id)? + id.len();
    let end = end + path[end..].find('/').unwrap_or(path.len() - end);
    Some((!controllers.is_empty(), path[..end].trim_start_matches('/')))
}

fn usage(text: &str, v1: bool) -> Option<f64> {
    if v1 {
        return Some(text.trim().parse::<f64>().ok()? / 1e9);
    }
    let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    Some(micros.trim().parse::<f64>().ok()? / 1e6)
}

/// The pod that a group is called after: `kubelet-kubepods-burstable-pod14a8_72a3.slice`, or `pod14a8-72a3`.
fn pod_of(group: &str) -> Option<String> {
    let (before, id) = group.trim_end_matches(".slice").rsplit_once("pod")?;
    (before.is_empty() || before.ends_with('-')).then(|| id.replace('_', "-"))
}

fn name(group: &Path) -> &str {
    group.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Every group below one, the nearer first.
fn below(group: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    let deeper: Vec<PathBuf> = found.iter().flat_map(|group| below(group)).collect();
    found.extend(deeper);
    found
}

fn processes(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn stat(process: u32) -> Option<(String, f64)> {
    times(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// A process' name, and the seconds of itself and of the children that it has waited for.
fn times(stat: &str) -> Option<(String, f64)> {
    /// Linux counts them in hundredths for whoever reads them here.
    const TICKS: f64 = 100.0;
    let (name, fields) = stat.split_once('(')?.1.rsplit_once(')')?;
    let fields = fields.split_whitespace().skip(11).take(4);
    Some((name.to_owned(), fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS))
}

impl Spent {
    pub(super) fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// The share of a part of the time.
    pub(super) fn times(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|(who, seconds)| (who.clone(), seconds * factor)).collect())
    }

    /// Who spent it, the most first; what rounds to nothing is left out.
    pub(super) fn told(&self) -> String {
        let mut all: Vec<_> = self.0.iter().filter(|(_, seconds)| **seconds >= 0.05).collect();
        all.sort_by(|a, b| b.1.total_cmp(a.1));
        all.iter().map(|(who, seconds)| format!("{who} {seconds:.1}")).collect::<Vec<_>>().join(", ")
    }

    fn merge(mut self, other: Self, sign: f64) -> Self {
        for (who, seconds) in other.0 {
            *self.0.entry(who).or_default() += sign * seconds;
        }
        self
    }
}

impl Add for Spent {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.merge(other, 1.0)
    }
}

impl Sub for Spent {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.merge(other, -1.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::v1("2:cpuacct:/docker/abc\n1:cpu:/docker/abc/init.scope\n0::/docker/abc/init.scope\n", Some((true, "docker/abc")))]
    #[case::v1_together("4:cpu,cpuacct:/docker/abc/init.scope\n0::/\n", Some((true, "docker/abc")))]
    #[case::v2("0::/system.slice/docker-abc.scope/init.scope\n", Some((false, "system.slice/docker-abc.scope")))]
    #[case::not_its_own("0::/\n", None)]
    fn the_group_of_a_container(#[case] groups: &str, #[case] found: Option<(bool, &str)>) {
        assert_eq!(group_of(groups, "abc"), found);
    }

    #[rstest]
    #[case("kubelet-kubepods-burstable-pod14a8_72a3.slice", Some("14a8-72a3"))]
    #[case("pod14a8-72a3", Some("14a8-72a3"))]
    #[case("kubelet-kubepods.slice", None)]
    #[case("init.scope", None)]
    fn the_pod_of_a_group(#[case] group: &str, #[case] pod: Option<&str>) {
        assert_eq!(pod_of(group).as_deref(), pod);
    }

    #[test]
    fn both_versions_count() {
        assert_eq!(usage("53057765944\n", true), Some(53.057_765_944));
        assert_eq!(usage("usage_usec 1500000\nuser_usec 1\n", false), Some(1.5));
        assert_eq!(usage("nr_periods 0\n", false), None);
    }

    #[test]
    fn a_process_is_charged_for_its_children() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 100 50 30 20 20 0 1 0 5";
        assert_eq!(times(stat), Some(("a) b".to_owned(), 2.0)));
    }

    #[test]
    fn a_pod_of_the_node_itself_is_known_by_its_digest() {
        let pod = |meta: Value| json!({ "metadata": meta, "spec": { "containers": [{ "name": "etcd" }] } });
        let annotated = json!({ "uid": "u", "annotations": { "kubernetes.io/config.hash": "h" } });
        let pods = json!({ "items": [pod(annotated), pod(json!({ "uid": "v" }))] });
        let names = named(&pods);
        assert_eq!(
            (names.get("h"), names.get("v"), names.get("u")),
            (Some(&"etcd".into()), Some(&"etcd".into()), None)
        );
    }

    #[test]
    fn what_is_spent_is_told_the_most_first() {
        let spent =
            |pairs: &[(&str, f64)]| Spent(pairs.iter().map(|(who, seconds)| (who.to_string(), *seconds)).collect());
        let run =
            spent(&[("kubelet", 12.0), ("etcd", 30.0)]) - spent(&[("kubelet", 2.0), ("etcd", 5.0), ("gone", 0.01)]);
        assert_eq!(run.told(), "etcd 25.0, kubelet 10.0");
        assert_eq!(run.times(0.5).told(), "etcd 12.5, kubelet 5.0");
    }

    #[test]
    fn a_node_is_charged_for_what_is_below_it() {
        let root = tempfile::tempdir().unwrap();
        let write = |group: &str, nanoseconds: u64| {
            fs::create_dir_all(root.path().join(group)).unwrap();
            fs::write(root.path().join(group).join("cpuacct.usage"), nanoseconds.to_string()).unwrap();
        };
        write("", 10_000_000_000);
        write("kubelet.slice/kubelet-kubepods.slice", 7_000_000_000);
        write("kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-poda_b.slice", 4_000_000_000);
        write("kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podunknown.slice", 1_000_000_000);
        let group = Group { path: root.path().to_owned(), v1: true };
        let spent = group.spent(&[("a-b".to_owned(), "etcd".to_owned())].into()).unwrap();
        let expected = [("etcd", 4.0), (OTHER_PODS, 3.0), (REST, 3.0)];
        assert_eq!(spent, Spent(expected.map(|(who, seconds)| (who.to_owned(), seconds)).into()));
    }
}

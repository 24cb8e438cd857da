//! Which nodes stand for their pool, namespace by namespace. One node of a pool does for all of them while it has the room; from then on the next
//! does, so that no node is filled by probes while others of its pool stand empty.
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;

use crate::record::facts::NodeFacts;

/// Of a node's room for pods, a run takes one part in so many.
const PART: usize = 10;
/// The run's own probes on a node: one that no policy selects, and one on the node's own network.
const OWN: usize = 2;

/// A node's room for pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many it takes.
    pub whole: usize,
    /// How many of these it has not.
    pub free: usize,
}

/// The nodes that probes are placed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    first: Vec<NodeFacts>,
    by_namespace: BTreeMap<String, Vec<NodeFacts>>,
    /// A node that would carry more of the run's probes than its part: how many, and how many it takes.
    pub crowded: Option<(String, usize, usize)>,
}

/// The room of each node that says how many pods it takes; nobody's where pods cannot be listed.
pub fn rooms(nodes: &[Node], pods: Option<&[Pod]>) -> BTreeMap<String, Room> {
    let Some(pods) = pods else { return BTreeMap::new() };
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in pods {
        let over = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        if let Some(node) = node.filter(|_| !matches!(over, Some("Succeeded" | "Failed"))) {
            *taken.entry(node).or_default() += 1;
        }
    }
    let room = |node: &Node| {
        let whole = node.status.as_ref()?.allocatable.as_ref()?.get("pods")?.0.parse().ok()?;
        let name = node.name_any();
        let taken = taken.get(name.as_str()).copied().unwrap_or_default();
        Some((name, Room { whole, free: usize::saturating_sub(whole, taken) }))
    };
    nodes.iter().filter_map(room).collect()
}

/// Says of each node that has not the room which a run may take that no probe is placed there, where another of its pool has it: crowds of pods
/// are spread over all nodes, and would wait for those that never start. Where none has it, only those that take no pod at all are left out.
pub fn pass_over_full(nodes: &mut [NodeFacts], rooms: &BTreeMap<String, Room>, most: Option<usize>) {
    let is_roomy = |room: &Room| room.free >= most.unwrap_or(room.whole / PART).max(1);
    let room = |node: &NodeFacts| rooms.get(&node.name).copied();
    let roomy = nodes.iter().filter(|node| node.hosts_probes() && room(node).is_none_or(|room| is_roomy(&room)));
    let roomy: BTreeSet<String> = roomy.map(|node| node.pool.clone()).collect();
    for node in nodes.iter_mut().filter(|node| node.hosts_probes()) {
        let Some(room) = room(node) else { continue };
        let full = if roomy.contains(&node.pool) { !is_roomy(&room) } else { room.free == 0 };
        if full {
            let Room { whole, free } = room;
            node.without_probe = Some(format!("full: it takes {whole} pods, and has room for {free}"));
        }
    }
}

impl Placement {
    /// Places the probes of `namespaces` on `sample` nodes of each pool among `nodes`; `most` is how many of the run's a node may carry, where its
    /// owner says so.
    pub fn of(
        nodes: &[NodeFacts],
        sample: usize,
        namespaces: &[String],
        rooms: &BTreeMap<String, Room>,
        most: Option<usize>,
    ) -> Self {
        let mut pools: Vec<(&str, Vec<&NodeFacts>)> = Vec::new();
        for node in nodes.iter().filter(|node| node.hosts_probes()) {
            match pools.iter_mut().find(|(pool, _)| *pool == node.pool) {
                Some((_, of)) => of.push(node),
                None => pools.push((&node.pool, vec![node])),
            }
        }
        let mut placement = Self::default();
        for namespace in namespaces {
            placement.by_namespace.insert(namespace.clone(), Vec::new());
        }
        for (_, of) in pools {
            placement.place(&of, sample.max(1), namespaces, rooms, most);
        }
        placement
    }

    fn place(
        &mut self,
        nodes: &[&NodeFacts],
        sample: usize,
        namespaces: &[String],
        rooms: &BTreeMap<String, Room>,
        most: Option<usize>,
    ) {
        let carries = |node: &NodeFacts| {
            let Some(room) = rooms.get(&node.name) else { return usize::MAX };
            most.unwrap_or(room.whole / PART).min(room.free).saturating_sub(OWN)
        };
        let groups: Vec<(&[&NodeFacts], usize)> = nodes
            .chunks(sample)
            .map(|group| (group, group.iter().map(|node| carries(node)).min().unwrap_or_default()))
            .collect();
        // The last group may be smaller than what is asked for: it is passed over where another will do.
        let whole: Vec<_> = groups.iter().filter(|(group, _)| group.len() == sample.min(nodes.len())).collect();
        let with_room = whole.iter().filter(|(_, carries)| *carries > 0);
        let places = with_room.flat_map(|(group, carries)| (0..(*carries).min(namespaces.len())).map(move |_| *group));
        let places: Vec<&[&NodeFacts]> = places.collect();
        let first = places.first().copied().or_else(|| whole.first().map(|(group, _)| *group)).unwrap_or_default();
        self.first.extend(first.iter().map(|node| (*node).clone()));
        for (number, namespace) in namespaces.iter().enumerate() {
            let group = places.get(number).copied().unwrap_or(first);
            self.by_namespace.entry(namespace.clone()).or_default().extend(group.iter().map(|node| (*node).clone()));
        }
        if let Some(node) = first.first().filter(|_| namespaces.len() > places.len()) {
            let here = places.iter().filter(|group| group.first().is_some_and(|other| other.name == node.name)).count();
            let carries = here + namespaces.len() - places.len() + OWN;
            let whole = rooms.get(&node.name).map_or(0, |room| room.whole);
            self.crowded = self.crowded.take().or_else(|| Some((node.name.clone(), carries, whole)));
        }
    }

    /// Where the probes of `namespace` are; of what is nobody's namespace in scope, the first nodes of each pool.
    pub fn hosts(&self, namespace: Option<&str>) -> &[NodeFacts] {
        namespace.and_then(|namespace| self.by_namespace.get(namespace)).unwrap_or(&self.first)
    }

    /// The nodes of any namespace, each once.
    pub fn all(&self) -> Vec<&NodeFacts> {
        let mut seen = BTreeSet::new();
        let all = self.first.iter().chain(self.by_namespace.values().flatten());
        all.filter(|node| seen.insert(&node.name)).collect()
    }

    /// Keeps the pools that `wanted` says.
    pub fn retain(&mut self, wanted: impl Fn(&NodeFacts) -> bool) {
        self.first.retain(&wanted);
        self.by_namespace.values_mut().for_each(|nodes| nodes.retain(&wanted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn nodes(names: &[(&str, &str)]) -> Vec<NodeFacts> {
        let node = |(name, pool): &(&str, &str)| NodeFacts {
            name: (*name).into(),
            pool: (*pool).into(),
            ..NodeFacts::default()
        };
        names.iter().map(node).collect()
    }

    /// Rooms as `name whole free`, and where each of five namespaces is.
    #[rstest]
    #[case::nobody_says(1, &[], None, "a a a a a")]
    #[case::one_node_does(1, &["a 110 100", "b 110 100", "c 110 100"], None, "a a a a a")]
    #[case::a_tenth_of_a_small_one(1, &["a 40 40", "b 40 40", "c 40 40"], None, "a a b b c")]
    #[case::a_full_one(1, &["a 110 2", "b 110 90", "c 110 90"], None, "b b b b b")]
    #[case::more_by_the_owners_word(1, &["a 31 31", "b 31 31", "c 31 31"], Some(9), "a a a a a")]
    #[case::two_of_each(2, &["a 40 40", "b 40 40", "c 40 40"], None, "ab ab ab ab ab")]
    fn where_the_probes_of_a_namespace_are(
        #[case] sample: usize,
        #[case] rooms: &[&str],
        #[case] most: Option<usize>,
        #[case] expected: &str,
    ) {
        let rooms: BTreeMap<String, Room> = rooms
            .iter()
            .map(|room| {
                let mut words = room.split(' ');
                let name = words.next().unwrap().to_owned();
                let mut number = || words.next().unwrap().parse().unwrap();
                (name, Room { whole: number(), free: number() })
            })
            .collect();
        let nodes = nodes(&[("a", "p"), ("b", "p"), ("c", "p")]);
        let namespaces: Vec<String> = ["n1", "n2", "n3", "n4", "n5"].map(str::to_owned).into();
        let placement = Placement::of(&nodes, sample, &namespaces, &rooms, most);
        let places = namespaces.iter().map(|namespace| {
            placement.hosts(Some(namespace)).iter().map(|node| node.name.as_str()).collect::<String>()
        });
        assert_eq!(places.collect::<Vec<_>>().join(" "), expected);
    }

    #[rstest]
    #[case::nobody_says(&[], "")]
    #[case::one_beside_others(&[("a", 110, 3), ("b", 110, 90)], "a")]
    #[case::all_of_them_nearly(&[("a", 110, 3), ("b", 110, 1)], "")]
    #[case::all_of_them(&[("a", 110, 0), ("b", 110, 0)], "a b c")]
    #[case::with_just_its_tenth(&[("a", 110, 11), ("b", 110, 90)], "")]
    fn which_nodes_are_passed_over(#[case] rooms: &[(&str, usize, usize)], #[case] expected: &str) {
        let mut nodes = nodes(&[("a", "p"), ("b", "p"), ("c", "q")]);
        let mut rooms: BTreeMap<String, Room> =
            rooms.iter().map(|(name, whole, free)| ((*name).to_owned(), Room { whole: *whole, free: *free })).collect();
        if expected.contains('c') {
            rooms.insert("c".into(), Room { whole: 30, free: 0 });
        }
        pass_over_full(&mut nodes, &rooms, None);
        let full = nodes.iter().filter(|node| !node.hosts_probes()).map(|node| node.name.as_str());
        assert_eq!(full.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn a_pool_without_the_room_is_told() {
        let namespaces: Vec<String> = (0..20).map(|number| format!("n{number:02}")).collect();
        let rooms = [("a".to_owned(), Room { whole: 110, free: 110 })].into();
        let placement = Placement::of(&nodes(&[("a", "p")]), 1, &namespaces, &rooms, None);
        assert_eq!(placement.crowded, Some(("a".into(), 22, 110)));
        assert_eq!(Placement::of(&nodes(&[("a", "p")]), 1, &namespaces, &rooms, Some(22)).crowded, None);
    }

    #[test]
    fn each_pool_has_its_own_node() {
        let nodes = nodes(&[("a", "p"), ("b", "q"), ("c", "q")]);
        let mut placement = Placement::of(&nodes, 1, &["n".into()], &BTreeMap::new(), None);
        let names = |placement: &Placement| placement.all().iter().map(|node| node.name.clone()).collect::<Vec<_>>();
        assert_eq!((names(&placement), placement.hosts(None).len()), (vec!["a".into(), "b".into()], 2));
        placement.retain(|node| node.pool == "q");
        assert_eq!(names(&placement), ["b"]);
    }
}

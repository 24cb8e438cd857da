//! The API server admits a pod by what it says of itself; what it can do, only the kernel decides. A runtime whose default profile is
//! gone, a runtime class without a filter, a node that shares a namespace: the pod still says restricted, every scanner believes it,
//! and its processes may do what it says they may not.
//!
//! Attempted: from a probe in each namespace on a node of each pool, what a contained process must not be able to do: namespaces, mounts,
//! device nodes, raw sockets, lifting a filter by ptrace, keys, bpf, perf, chroot, root's user and group, a kernel module, the root file
//! system, /proc/sys, /sys and cgroups, masked paths, the node's devices and sockets. And what the kernel says it grants (users, groups,
//! the five sets of capabilities, no_new_privs, seccomp, the root, namespaces, devices) is held against what the pod, as admitted, asks
//! for. Expected: every act is refused by the kernel, and nothing is granted beyond what was asked for.
//!
//! Each act is harmless where it succeeds: it happens in a process that ends at once, mounts and writes nothing that stays, and sends
//! nothing. Control: in the same exec, most acts are tried without what is forbidden about them (a FIFO for a device, the own user for
//! root, reading for writing, an ordinary socket for a raw one) and must succeed; and the probe shares no namespace with another pod on
//! the same node, which needs no knowledge of the node's own. A privileged pod, the only control for what a filter closes whole, would be
//! the very thing that is forbidden: that those acts succeed where the filter is gone is what this scenario's sabotage shows. What the
//! kernel does not have is no denial: it is left out and told, and so is what a common runtime's own default lets through.
use futures::try_join;
use harness::attempt::node::contained;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// The kernel holds a pod to what it says.
pub const SCENARIO: Scenario = Scenario {
    title: "the kernel holds an admitted pod to what it says",
    guidance: &[G(3, 3), G(3, 4)],
    also: &["Pod Security Standards: restricted"],
    severity: Severity::Critical,
    impact: Impact::Probe,
    scope: Scope::EachNamespaceOnEachPool,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| contained::attempts(),
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let node = cx.node()?;
    let (inside, neighbour) = try_join!(cx.probe(cx.namespace()?, node), cx.own_probe(node))?;
    cx.contained(&inside).refused_by(Guard::Kernel).beside(&neighbour).await
}

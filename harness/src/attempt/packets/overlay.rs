//! Datagrams that pose as an overlay's: packets for a pod in the envelope that nodes send each other, which a node opens and delivers
//! whoever sent it. VXLAN (RFC 7348) knows no sender.
mod packet;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use crate::cx::Cx;
use crate::env::Env;
use crate::probe::Probe;
use crate::probe::batch::{Answer, Verb};
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

use packet::Tunnel;

/// Where VXLAN is listened for: what Linux had before there was a standard, and flannel and Cilium keep to; the standard's, which is Calico's.
pub const PORTS: [u16; 2] = [8472, 4789];

/// Datagrams of a kind. So many arrive, or none: what else may come to the same port in that moment is another number.
const TRIES: u64 = 3;

/// A kernel says once a second at most that nobody listens, after the first six times; several ask at once.
const REFUSED_WITHIN: usize = 10;
/// ... and mostly it says so before it is worth knowing whether anything gets that far at all.
const REFUSED_SOON: usize = 2;

/// By the attacker's node and the port: whether what is sent there is stopped on its way out. Found once, for whoever counts what comes to
/// a pod counts what others send there meanwhile.
#[derive(Default)]
struct StoppedEarly(Mutex<HashMap<String, Arc<OfNode>>>);

type OfNode = tokio::sync::Mutex<HashMap<u16, Result<String, String>>>;

/// By the attacker's pod, an address and its port: whether it says that nobody listens there, and where it does not, how often it was asked. It says
/// so of a port, whatever comes there, and seldom: one asks for all.
#[derive(Default)]
struct Refusals(Mutex<HashMap<(String, IpAddr, u16), Arc<OfPort>>>);

type OfPort = tokio::sync::Mutex<(bool, usize)>;

impl Cx {
    /// Attempts to bring `victim` datagrams from `attacker` through the overlay of `victim`'s node, in the name of `posing_as`.
    ///
    /// # Errors
    /// Inconclusive where it cannot be known whether nodes take anything of pods.
    pub async fn injection(
        &self,
        attacker: &Arc<Probe>,
        victim: &Arc<Probe>,
        posing_as: Option<Arc<Probe>>,
    ) -> Result<Injection, NoVerdict> {
        let (addresses, closed) = (self.addresses_of(&victim.node), self.closed_nodes().await?);
        let is_closed = addresses.iter().all(|address| closed.contains(address));
        let (attacker, victim) = (attacker.clone(), victim.clone());
        Ok(Injection { env: self.env.clone(), attacker, victim, posing_as, addresses, is_closed })
    }
}

/// An injection into the overlay of `victim`'s node.
#[must_use = "name the expected guards with `refused_by`"]
pub struct Injection {
    pub(crate) env: Arc<Env>,
    pub(crate) attacker: Arc<Probe>,
    pub(crate) victim: Arc<Probe>,
    /// Whose address the packets bear: one that the victim's policies may grant something.
    pub(crate) posing_as: Option<Arc<Probe>>,
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether the victim's node takes nothing of pods, as far as its kubelet shows.
    pub(crate) is_closed: bool,
}

impl Injection {
    /// The guards whose refusal counts: [`Guard::Absent`] where nothing listens, [`Guard::Network`] where what listens delivers nothing, and
    /// where the datagrams do not get that far.
    pub fn refused_by(self, guards: &'static [Guard]) -> Guarded {
        Guarded { injection: self, guards }
    }
}

impl Injection {
    /// Whether what the attacker sends to `port` is stopped on its way out, whoever it is for: not even a pod on the same node that no policy
    /// selects gets it, and it gets the same to another port before and after. Some engines let no pod send what looks like an overlay's
    /// (Calico's Felix: `allowVXLANPacketsFromWorkloads`). Told is what was seen; as an error, where it says nothing of the kind.
    async fn stopped_early(&self, port: u16, content: &[u8]) -> Result<Result<String, String>, NoVerdict> {
        let of_node = {
            let kept = self.env.memory.of::<StoppedEarly>();
            let mut nodes = kept.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            nodes.entry(self.attacker.node.clone()).or_default().clone()
        };
        let mut known = of_node.lock().await;
        if let Some(told) = known.get(&port) {
            return Ok(told.clone());
        }
        let told = self.tried_beside(port, content).await?;
        known.insert(port, told.clone());
        Ok(told)
    }

    /// What is said where datagrams are swallowed and nobody knows what by. Where a node takes nothing of pods, and one to a port that nobody has is
    /// swallowed as well, no sign of an overlay is left, and this says no more than that.
    async fn left_open(&self, is_known: bool, unclear: String) -> Result<NoVerdict, NoVerdict> {
        let Self { attacker, addresses, .. } = self;
        if is_known || !self.is_closed {
            return Ok(NoVerdict::inconclusive(unclear));
        }
        for address in addresses {
            let verb = Verb::Datagram { to: *address, port: packet::PORT, content: b"oke-conformance".to_vec() };
            let answers = attacker.line.ask(vec![verb.clone()]).await.map_err(NoVerdict::Inconclusive)?;
            if self.is_refused((*address, packet::PORT), &verb, answers, REFUSED_SOON).await? {
                return Ok(NoVerdict::inconclusive(format!(
                    "{unclear}; to port {} it says that nothing listens",
                    packet::PORT
                )));
            }
        }
        Ok(NoVerdict::not_applicable(format!(
            "the node takes nothing of pods, its kubelet is not reached either, and no node says that it has an overlay; whether there is one that \
             takes packets of pods all the same is not looked at: {unclear}"
        )))
    }

    /// Whether an address says that nobody listens at its port, in `answers` or when it is asked again, up to so many times.
    async fn is_refused(
        &self,
        (address, port): (IpAddr, u16),
        verb: &Verb,
        mut answers: Vec<Answer>,
        times: usize,
    ) -> Result<bool, NoVerdict> {
        let Self { env, attacker, .. } = self;
        let of_port = {
            let kept = env.memory.of::<Refusals>();
            let mut ports = kept.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            ports.entry((attacker.pod.clone(), address, port)).or_default().clone()
        };
        let mut known = of_port.lock().await;
        known.0 |= is_refusal(&answers);
        while !known.0 && known.1 < times {
            sleep(Duration::from_millis(700)).await;
            answers = attacker.line.ask(vec![verb.clone()]).await.map_err(NoVerdict::Inconclusive)?;
            (known.0, known.1) = (is_refusal(&answers), known.1 + 1);
        }
        Ok(known.0)
    }

    async fn tried_beside(&self, port: u16, content: &[u8]) -> Result<Result<String, String>, NoVerdict> {
        let Self { env, attacker, .. } = self;
        let node = env.facts.nodes.iter().find(|host| host.name == attacker.node);
        let node = node.ok_or_else(|| NoVerdict::inconclusive(format!("{attacker} is on a node that is not known")))?;
        // The other one of the run's namespaces that are as new as this, with nobody in it yet.
        let namespace = env.sandbox.namespace("-newborn", &[]).await.map_err(NoVerdict::Inconclusive)?;
        let neighbour = env.probes.get(&env.sandbox, &namespace, node).await.map_err(NoVerdict::Inconclusive)?;
        let to = |port| Verb::Datagram { to: neighbour.address, port, content: content.to_vec() };
        let mut arrived = [0; 3];
        for (count, port) in arrived.iter_mut().zip([packet::PORT, port, packet::PORT]) {
            (_, *count) = counted(attacker, &to(port), &neighbour).await?;
        }
        let [before, there, after] = arrived;
        let told = format!(
            "{} from {attacker} to {neighbour}: {there} arrived, and of as many to port {} {before} before and {after} after",
            to(port),
            packet::PORT
        );
        Ok(if stopped(arrived) { Ok(told) } else { Err(told) })
    }
}

/// Whether, of what was sent to another port, to the one in question, and to the other again, the second alone is stopped.
fn stopped([before, there, after]: [u64; 3]) -> bool {
    before >= TRIES && there == 0 && after >= TRIES
}

/// ... with its guards.
#[must_use = "name the control with `while_its_own_arrive`"]
pub struct Guarded {
    injection: Injection,
    guards: &'static [Guard],
}

impl Guarded {
    /// The control: the same datagrams without the envelope arrive from whom they pose as; or, where no policy grants even that, from the
    /// victim itself. Both are counted by the victim's own kernel, as datagrams to a port that nobody listens on.
    ///
    /// # Errors
    /// Inconclusive where an exec broke, where the count says neither, and where a datagram is swallowed, nobody says how the overlay
    /// behind it, if there is one, is addressed, and pods get such datagrams from the attacker.
    pub async fn while_its_own_arrive(self) -> Attempted {
        let Self { injection, guards } = self;
        let Injection { env, attacker, victim, posing_as, addresses, .. } = &injection;
        let node = env.facts.nodes.iter().find(|node| node.name == victim.node);
        let tunnel = node.and_then(|node| Tunnel::of_flannel(node.overlay.as_deref()?));
        let sender = posing_as.as_ref().unwrap_or(attacker);
        let (IpAddr::V4(from), IpAddr::V4(to)) = (sender.address, victim.address) else {
            return Err(NoVerdict::not_applicable("pods have no IPv4 addresses, and this knows no other overlay"));
        };
        let content = packet::enveloped(tunnel.as_ref().unwrap_or(&Tunnel::UNKNOWN), from, to);
        let (mut delivered, mut silent, mut refused, mut unclear) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (address, port) in addresses.iter().flat_map(|address| PORTS.map(|port| (*address, port))) {
            let verb = Verb::Datagram { to: address, port, content: content.clone() };
            let told = format!("{verb} from {attacker}, for {victim} in the name of {sender}");
            let (answers, arrived) = counted(attacker, &verb, victim).await?;
            if arrived >= TRIES {
                delivered.push(format!("{told}: {arrived} arrived"));
            } else if arrived > 0 {
                let why = format!("{told}: {arrived} of {TRIES} arrived, or somebody else's");
                return Err(NoVerdict::inconclusive(why));
            } else if injection.is_refused((address, port), &verb, answers, REFUSED_SOON).await? {
                refused.push(format!("{told}: nothing listens there"));
            } else {
                // What a node forwards and what it takes itself need not be stopped alike: a neighbour shows the former alone.
                let forwarded = attacker.node != victim.node;
                match injection
                    .stopped_early(port, &content)
                    .await?
                    .and_then(|told| if forwarded { Ok(told) } else { Err(told) })
                {
                    Ok(stopped) => silent.push(format!("{told}: none arrived; {stopped}")),
                    Err(_) if injection.is_refused((address, port), &verb, Vec::new(), REFUSED_WITHIN).await? => {
                        refused.push(format!("{told}: nothing listens there"));
                    }
                    Err(_) if tunnel.is_some() && posing_as.is_some() => silent.push(format!("{told}: none arrived")),
                    Err(passes) => {
                        let lacking =
                            if tunnel.is_none() { "how the overlay is addressed" } else { "of anybody to pose as" };
                        unclear.push(format!("{told}: none arrived; {passes}, and nothing is known {lacking}"));
                    }
                }
            }
        }
        if !delivered.is_empty() {
            return Ok(Verdict::allowed(delivered.join("; ")));
        }
        if !unclear.is_empty() {
            return Err(injection.left_open(tunnel.is_some(), unclear.join("; ")).await?);
        }
        if silent.is_empty() {
            return Err(NoVerdict::not_applicable(format!(
                "{}: there is no VXLAN to send packets through; what else an overlay may be (Geneve, IPIP, WireGuard, a cloud's own) is not looked at",
                refused.join("; ")
            )));
        }
        let control = control(sender, victim).await?;
        let guard = Guard::Network;
        let evidence = silent.iter().chain(&refused).map(String::as_str).collect::<Vec<_>>().join("; ");
        if evidence.is_empty() || !guards.contains(&guard) {
            return Err(NoVerdict::inconclusive(format!("refused by {guard}, which is not expected: {evidence}")));
        }
        let verdict = Verdict::denied(guard, evidence, control, 0).of_attempts(silent.len() + refused.len());
        // Nobody says when a datagram does not arrive.
        Ok(Verdict { denied_after_ms: None, ..verdict })
    }
}

async fn control(sender: &Probe, victim: &Probe) -> Result<Control, NoVerdict> {
    let verb = Verb::Datagram { to: victim.address, port: packet::PORT, content: b"oke-conformance".to_vec() };
    let (_, of_sender) = counted(sender, &verb, victim).await?;
    if of_sender >= TRIES {
        return Ok(Control::proved(format!("{of_sender} times {verb} from {sender} itself arrived")));
    }
    let (_, own) = counted(victim, &verb, victim).await?;
    if own < TRIES {
        return Err(NoVerdict::inconclusive(format!(
            "no control: {verb} from {victim} itself: {own} of {TRIES} arrived"
        )));
    }
    Ok(Control::proved(format!("{own} times {verb} from {victim} itself arrived; {sender} may send it none either")))
}

/// Sends `verb` some times from `from`, and has `victim` count what arrived meanwhile.
async fn counted(from: &Probe, verb: &Verb, victim: &Probe) -> Result<(Vec<Answer>, u64), NoVerdict> {
    let before = unwanted(victim).await?;
    let answers = from.line.ask(vec![verb.clone(); TRIES as usize]).await.map_err(NoVerdict::Inconclusive)?;
    if let Some(answer) = answers.iter().find(|answer| !["sent", "refused"].contains(&answer.result.as_str())) {
        return Err(NoVerdict::inconclusive(format!("{verb} from {from}: {answer}")));
    }
    let after = unwanted(victim).await?;
    Ok((answers, after.saturating_sub(before)))
}

fn is_refusal(answers: &[Answer]) -> bool {
    answers.iter().any(|answer| answer.result == "refused")
}

/// How many datagrams have come to `probe`'s pod for ports that nobody listens on.
async fn unwanted(probe: &Probe) -> Result<u64, NoVerdict> {
    let verb = Verb::Read { path: "/proc/net/snmp" };
    let answers = probe.line.ask(vec![verb]).await.map_err(NoVerdict::Inconclusive)?;
    let text = answers.first().and_then(|answer| answer.more.get("text")?.as_str());
    let count = text.and_then(no_ports);
    count.ok_or_else(|| NoVerdict::inconclusive(format!("the kernel does not say what came to {probe}")))
}

/// Two lines a protocol: the names, then the numbers (proc_net(5)).
fn no_ports(snmp: &str) -> Option<u64> {
    let mut udp = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, numbers) = (udp.next()?, udp.next()?);
    let named: BTreeMap<_, _> = names.split_whitespace().zip(numbers.split_whitespace()).collect();
    named.get("NoPorts")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "Ip: Forwarding\nIp: 1\nUdp: InDatagrams NoPorts InErrors\nUdp: 5 7 0\nUdpLite: InDatagrams NoPorts\nUdpLite: 0 1\n",
        Some(7)
    )]
    #[case("Udp: InDatagrams\nUdp: 5\n", None)]
    #[case("", None)]
    fn what_the_kernel_counts(#[case] snmp: &str, #[case] expected: Option<u64>) {
        assert_eq!(no_ports(snmp), expected);
    }

    #[rstest]
    #[case::this_port_alone([3, 0, 3], true)]
    #[case::somebody_elses_among_them([4, 0, 3], true)]
    #[case::none([3, 3, 3], false)]
    #[case::some_arrived([3, 1, 3], false)]
    #[case::nothing_arrives([0, 0, 0], false)]
    #[case::nothing_arrives_any_more([3, 0, 0], false)]
    #[case::not_all_of_the_others([2, 0, 3], false)]
    fn what_is_stopped_on_its_way_out(#[case] arrived: [u64; 3], #[case] expected: bool) {
        assert_eq!(stopped(arrived), expected);
    }
}

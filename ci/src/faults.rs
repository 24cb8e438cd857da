//! Proving that the suite stays honest when things go wrong around it: on a range whose protections are all taken away, a run under any
//! fault may say `allowed` or `inconclusive`, but never `denied`.
//!
//! On the whole range, where everything is denied, `allowed` would be a false alarm; most cells of the sabotaged range tell as much, for a
//! sabotage takes one namespace's protection and leaves the others', so that this second round is made on request, but for somebody else's
//! load: that raises alarms where nothing is wrong but time. Each fault's run is judged cell by cell by the same run without a fault, must
//! end in time, and leave nothing that one sweep does not take away.
//!
//! Scenarios of a kind take the same ways, so that one of each, drawn anew each time, stands for all. Faults on the way to the API server
//! strike one run's way and no other's: some of those runs go side by side.

mod account;
mod answer;
mod authority;
mod blow;
mod catalogue;
mod load;
mod matrix;
mod proxy;
mod seen;
mod subject;
mod upstream;
mod wire;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use harness::record::{Outcome, Record, Run};
use harness::scenario::Guard;

pub use catalogue::Fault;

use account::Account;
use blow::{Blow, Wound};
use catalogue::NONE;
use matrix::Row;
use proxy::Proxy;
use upstream::Upstream;

use crate::api_server::before_1_25::proved;
use crate::check::workspace;
use crate::prove::Seed;
use crate::range::{Range, Sabotage};
use crate::representatives::drawn;
use crate::suite_program::{CROWDED, asking, sparing};

/// Runs side by side: as many as find room in a namespace's quota, and leave a small machine its breath.
const SIDE_BY_SIDE: usize = 3;

/// How much of everything a proof takes in.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Every scenario, not one of each kind only.
    pub all: bool,
    /// Every fault on the whole range too, not those of load only.
    pub whole: bool,
    /// What the one of each kind is drawn by.
    pub seed: Seed,
}

impl Extent {
    /// What a plain proof takes in, drawn anew.
    pub fn plain() -> Self {
        Self { all: false, whole: false, seed: Seed::new() }
    }
}

/// Runs the suite under each of `faults`, and has `tell` print the matrix.
///
/// # Errors
/// When there is a false pass, a false alarm, a hang or a leftover, or a fault that did not strike. The range is whole again then, if it
/// can be.
pub async fn prove(range: &Range, faults: &[Fault], extent: Extent, tell: &dyn Fn(&str)) -> Result<()> {
    let program = tokio::task::spawn_blocking(crate::suite_program::built).await??;
    let upstream = Upstream::of(&std::fs::read_to_string(range.kubeconfig())?)?;
    // Without those that leave nothing to be told of others: what is cut there is intact here.
    let sabotages: Vec<Sabotage> = Sabotage::all()?.into_iter().filter(|sabotage| sabotage.blind.is_none()).collect();
    let sabotages: Vec<&Sabotage> = sabotages.iter().collect();
    let asked = Asked::of(extent);
    if !extent.all {
        tell(&format!("one scenario of each kind, drawn by --seed {}; --all asks every one", extent.seed));
    }
    let ground = Ground { range, program, upstream, asked };
    let mut sum = Sum::default();

    let broken = async {
        range.sabotage_with(&sabotages).await?;
        ground.round("sabotaged", faults, every_one_allowed, tell).await
    };
    let broken = broken.await;
    range.restore_from(&sabotages).await?;
    sum.add(&broken?);
    // Without faults at least: that the range is whole again is a part of the matter.
    let on_whole: Vec<Fault> = faults.iter().copied().filter(|fault| extent.whole || fault.is_load()).collect();
    sum.add(&ground.round("whole", &on_whole, every_one_denied, tell).await?);

    tell(&format!("false alarms {}, faults that did not strike {}", sum.alarms, sum.void));
    tell(&format!("false passes {}, hangs {}, leftovers {}", sum.passes, sum.hangs, sum.leftovers));
    ensure!(sum == Sum::default(), "the suite does not stay honest under every fault: the lines above say where");
    Ok(())
}

/// The scenarios that are asked under faults.
struct Asked(BTreeSet<String>);

/// A hundred cases by the way that `network/label-change-covered` goes with four: on a node with a tenth of a processor, minutes.
const HUNDRED: &str = "network/grants-hold";

impl Asked {
    fn of(extent: Extent) -> Self {
        let all = scenarios::all().into_iter().filter(|entry| extent.all || entry.id != HUNDRED).collect::<Vec<_>>();
        Self(if extent.all { all.into_iter().map(|entry| entry.id).collect() } else { drawn(&all, extent.seed) })
    }

    /// Whether `fault` is a matter for the scenario `id`: crowds measure how long things take, and cost as much as all others together.
    fn under(&self, fault: &Fault, id: &str) -> bool {
        self.0.contains(id) && (fault.is_load() || !CROWDED.contains(id))
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    passes: usize,
    alarms: usize,
    hangs: usize,
    leftovers: usize,
    void: usize,
}

impl Sum {
    fn add(&mut self, rows: &[Row]) {
        for row in rows {
            self.passes += row.false_passes.len();
            self.alarms += row.false_alarms.len();
            self.hangs += usize::from(row.hung);
            self.leftovers += row.leftovers.len();
            self.void += usize::from(row.void.is_some());
        }
    }
}

fn every_one_allowed(truth: &Run) -> Result<()> {
    // What one sabotage cuts, another grants along with everything else: there is nothing wrong with it then.
    let intact = |outcome: &Outcome| matches!(outcome, Outcome::Denied { guard: Guard::Intact, .. });
    every_one(truth, "allowed", |outcome| matches!(outcome, Outcome::Allowed { .. }) || intact(outcome))
}

fn every_one_denied(truth: &Run) -> Result<()> {
    every_one(truth, "denied", |outcome| matches!(outcome, Outcome::Denied { .. }))
}

fn every_one(truth: &Run, word: &str, is: impl Fn(&Outcome) -> bool) -> Result<()> {
    let elsewhere = proved()?;
    let not_here = |record: &&Record| elsewhere.contains(&record.id) && is_not_applicable(&record.outcome);
    let others = truth.scenarios.iter().filter(|record| !not_here(record) && !is(&record.outcome));
    let others = others.map(|record| record.id.as_str());
    let others: Vec<&str> = others.collect();
    ensure!(others.is_empty(), "without any fault, not everything is {word}: {}", others.join(", "));
    Ok(())
}

fn is_not_applicable(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotApplicable { .. })
}

/// Where the faults strike.
struct Ground<'a> {
    range: &'a Range,
    program: PathBuf,
    upstream: Upstream,
    asked: Asked,
}

/// One run that has ended under a fault.
struct Under<'a> {
    fault: &'a Fault,
    ended: subject::Ended,
    /// How often the fault struck, and every exchange; why it could not.
    told: Result<(usize, String)>,
}

impl Ground<'_> {
    async fn round(
        &self,
        name: &str,
        faults: &[Fault],
        as_it_must_be: fn(&Run) -> Result<()>,
        tell: &dyn Fn(&str),
    ) -> Result<Vec<Row>> {
        let folder = workspace().canonicalize()?.join("target/conformance/faults").join(name);
        let truth = self.truth(faults, &folder).await.with_context(|| format!("the {name} range"))?;
        as_it_must_be(&truth).with_context(|| format!("the {name} range"))?;
        if faults.is_empty() {
            return Ok(Vec::new());
        }
        tell(&format!("the {name} range; what each run wrote is in {}", folder.display()));
        matrix::head(&truth).iter().for_each(|line| tell(line));
        let mut rows = Vec::new();
        for together in side_by_side(faults) {
            let names: Vec<&str> = together.iter().map(|fault| fault.name).collect();
            let context = || format!("fault `{}` on the {name} range", names.join("`, `"));
            for row in self.run(together, &truth, &folder).await.with_context(context)? {
                row.lines().iter().for_each(|line| tell(line));
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// What is so without any fault: of the crowded scenarios those that are asked under one of `faults`, of the others all.
    async fn truth(&self, faults: &[Fault], folder: &Path) -> Result<Run> {
        let options = sparing(|id| faults.iter().any(|fault| self.asked.under(fault, id)));
        let (mut ran, _, _) = self.swept(&[NONE], |_| options.clone(), folder).await?;
        let run = ran.pop().and_then(|ran| ran.ended.record.ok());
        run.context("the suite wrote no record without any fault")
    }

    /// One run under each of `faults`, all at once: struck, healed, swept, compared.
    async fn run(&self, faults: &[Fault], truth: &Run, folder: &Path) -> Result<Vec<Row>> {
        let options = |fault: &Fault| asking(|id| self.asked.under(fault, id));
        let (ran, before, after) = self.swept(faults, options, folder).await?;
        let mut rows: Vec<Row> = ran.into_iter().map(|ran| self.judged(ran, truth)).collect();
        // Where there are several, nobody knows whose.
        if let (Some(row), [fault, ..]) = (rows.first_mut(), faults) {
            let replaced = |object: &str| fault.blow.is_some_and(|blow| blow.replaces(object));
            row.leftovers = matrix::leftovers(&before, &after, replaced);
        }
        Ok(rows)
    }

    fn judged(&self, Under { fault, ended, told }: Under<'_>, truth: &Run) -> Row {
        let asked = |id: &str| self.asked.under(fault, id);
        let mut row =
            Row { fault: fault.name.to_owned(), took: ended.took, hung: ended.passed.is_none(), ..Row::default() };
        match told {
            Ok((0, _)) => row.void = Some("the fault did not strike".to_owned()),
            Ok(_) => {}
            Err(error) => row.void = Some(format!("{error:#}")),
        }
        let found = match ended.record {
            Ok(run) => run,
            // A run that refuses has proved nothing and says so; one that passes without a record is the worst of all.
            Err(sentence) => {
                if ended.passed == Some(true) {
                    row.false_passes.push("it passed, and wrote no record".to_owned());
                } else if ended.passed.is_some() {
                    row.void = Some(format!("the run refused: {sentence}"));
                }
                return row;
            }
        };
        row.letters = matrix::letters(truth, &found, asked);
        (row.false_passes, row.false_alarms) = matrix::compare(truth, &found, asked);
        if fault.blow == Some(Blow::NetworkStopped) {
            // Nobody enforces anything then: what was denied may really be allowed.
            row.false_alarms.clear();
        }
        if ended.passed == Some(true) && every_one_denied(&found).is_err() {
            row.false_passes.push("its exit code says that everything is denied".to_owned());
        }
        row
    }

    /// A run under each of `faults`, all at once, and every object before them and after a sweep behind them.
    async fn swept<'a>(
        &self,
        faults: &'a [Fault],
        options: impl Fn(&Fault) -> Vec<&'static str>,
        folder: &Path,
    ) -> Result<(Vec<Under<'a>>, Vec<String>, Vec<String>)> {
        let kubectl = self.range.kubectl();
        let before = self.range.objects().await?;
        let account = Account::make(&kubectl).await?;
        let each = faults.iter().map(|fault| self.struck(fault, &account, options(fault), folder.join(fault.name)));
        let ran = futures::future::join_all(each).await;
        Account::remove(&kubectl).await?;
        let ran = ran.into_iter().collect::<Result<Vec<_>>>()?;
        // Within this program: cargo may have put another one in its place by now.
        crate::sweep::sweep(&format!("kind:{}", self.range.name())).await?;
        Ok((ran, before, self.range.objects().await?))
    }

    async fn struck<'a>(
        &self,
        fault: &'a Fault,
        account: &Account,
        options: Vec<&'static str>,
        folder: PathBuf,
    ) -> Result<Under<'a>> {
        let (mut wound, gate) = match fault.blow {
            Some(blow) => {
                let (wound, gate) = blow.begin(self.range).await?;
                (Some(wound), gate)
            }
            None => (None, None),
        };
        let run = async {
            let proxy = Proxy::start(&self.upstream, fault.wire, fault.from, gate).await?;
            let ended = subject::run(&self.program, &account.kubeconfig(&proxy), &options, &folder).await?;
            anyhow::Ok((ended, proxy.told()))
        };
        let ran = run.await;
        let felt = wound.as_mut().map(Wound::felt);
        if let Some(wound) = wound {
            wound.heal(self.range).await?;
        }
        let (ended, told) = ran?;
        let mut told = told;
        if let Ok((struck, log)) = &mut told {
            std::fs::write(folder.join("wire.log"), log)?;
            if let Some(felt) = felt.transpose()?.flatten() {
                *struck = usize::from(felt);
            }
        }
        Ok(Under { fault, ended, told })
    }
}

/// Faults whose runs may go side by side, in their order.
fn side_by_side(faults: &[Fault]) -> impl Iterator<Item = &[Fault]> {
    let alike = faults.chunk_by(|one, other| one.is_on_the_way() && other.is_on_the_way());
    alike.flat_map(|alike| alike.chunks(SIDE_BY_SIDE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_strikes_one_runs_own_way_goes_side_by_side() {
        let faults = Fault::all();
        let groups: Vec<&[Fault]> = side_by_side(&faults).collect();
        assert_eq!(groups.iter().map(|group| group.len()).sum::<usize>(), faults.len());
        assert!(groups.iter().any(|group| group.len() == SIDE_BY_SIDE));
        assert!(groups.iter().all(|group| group.len() == 1 || group.iter().all(Fault::is_on_the_way)));
    }

    #[test]
    fn crowds_are_a_matter_for_load_alone() {
        let asked = Asked::of(Extent { all: true, whole: false, seed: Seed::new() });
        let under = |fault: &str, id: &str| asked.under(&Fault::named(fault).unwrap(), id);
        assert!(under("machine-busy", "metadata/startup-window"));
        assert!(!under("delayed", "metadata/startup-window"));
        assert!(under("delayed", "metadata/endpoint-unreachable"));
        let drawn = Asked::of(Extent { all: false, whole: false, seed: Seed::new() });
        assert!(drawn.0.len() < asked.0.len() && drawn.0.is_subset(&asked.0));
    }
}

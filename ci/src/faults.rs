//! Proving that the suite stays honest when things go wrong around it: on a range whose protections are all taken away, a run under any
//! fault may say `allowed` or `inconclusive`, but never `denied`.
//!
//! On the whole range, where everything is denied, `allowed` would be a false alarm; most cells of the sabotaged range tell as much, for a
//! sabotage takes one namespace's protection and leaves the others', so that this second round is made on request. Each fault's run is judged cell by cell by the same run without a fault, must end in time, and
//! leave nothing that one sweep does not take away.

mod account;
mod answer;
mod authority;
mod blow;
mod catalogue;
mod matrix;
mod proxy;
mod seen;
mod subject;
mod upstream;
mod wire;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use harness::record::{Outcome, Record, Run};
use harness::scenario::Guard;

pub use catalogue::Fault;

use account::Account;
use blow::Blow;
use catalogue::NONE;
use matrix::Row;
use proxy::Proxy;
use upstream::Upstream;

use crate::check::workspace;
use crate::old_api_server::proved;
use crate::range::{Range, Sabotage};

/// Runs the suite under each of `faults`, and has `tell` print the matrix; with `whole` on the whole range too.
///
/// # Errors
/// When there is a false pass, a false alarm, a hang or a leftover, or a fault that did not strike. The range is whole again then, if it
/// can be.
pub async fn prove(range: &Range, faults: &[Fault], whole: bool, tell: &dyn Fn(&str)) -> Result<()> {
    let program = tokio::task::spawn_blocking(crate::suite_program::built).await??;
    let upstream = Upstream::of(&std::fs::read_to_string(range.kubeconfig())?)?;
    // Without those that leave nothing to be told of others: what is cut there is intact here.
    let sabotages: Vec<Sabotage> = Sabotage::all()?.into_iter().filter(|sabotage| sabotage.blind.is_none()).collect();
    let ground = Ground { range, program, upstream };
    let mut sum = Sum::default();

    let broken = async {
        for sabotage in &sabotages {
            range.sabotage(sabotage).await?;
        }
        ground.round("sabotaged", faults, every_one_allowed, tell).await
    };
    let broken = broken.await;
    // The last first: each undoing leaves the hardening as it should be, and takes only its own away.
    for sabotage in sabotages.iter().rev() {
        range.restore(sabotage).await?;
    }
    sum.add(&broken?);
    // Without faults at least: that the range is whole again is a part of the matter.
    sum.add(&ground.round("whole", if whole { faults } else { &[] }, every_one_denied, tell).await?);

    tell(&format!("false alarms {}, faults that did not strike {}", sum.alarms, sum.void));
    tell(&format!("false passes {}, hangs {}, leftovers {}", sum.passes, sum.hangs, sum.leftovers));
    ensure!(sum == Sum::default(), "the suite does not stay honest under every fault: the lines above say where");
    Ok(())
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
        let (_, truth) = self.run(&NONE, None, &folder).await.with_context(|| format!("the {name} range"))?;
        let Some(truth) = truth else { bail!("the {name} range: the suite wrote no record without any fault") };
        as_it_must_be(&truth).with_context(|| format!("the {name} range"))?;
        if faults.is_empty() {
            return Ok(Vec::new());
        }
        tell(&format!("the {name} range; what each run wrote is in {}", folder.display()));
        matrix::head(&truth).iter().for_each(|line| tell(line));
        let mut rows = Vec::new();
        for fault in faults {
            let context = || format!("fault `{}` on the {name} range", fault.name);
            let (row, _) = self.run(fault, Some(&truth), &folder).await.with_context(context)?;
            row.lines().iter().for_each(|line| tell(line));
            rows.push(row);
        }
        Ok(rows)
    }

    /// One run under one fault: struck, healed, swept, compared.
    async fn run(&self, fault: &Fault, truth: Option<&Run>, folder: &Path) -> Result<(Row, Option<Run>)> {
        let folder = folder.join(fault.name);
        let kubectl = self.range.kubectl();
        let before = self.range.objects().await?;
        let account = Account::make(&kubectl).await?;
        let ran = self.struck(fault, &account, &folder).await;
        Account::remove(&kubectl).await?;
        let (ended, told) = ran?;
        // Within this program: cargo may have put another one in its place by now.
        crate::sweep::sweep(&format!("kind:{}", self.range.name())).await?;
        let after = self.range.objects().await?;

        let replaced = |object: &str| fault.blow.is_some_and(|blow| blow.replaces(object));
        let mut row = Row {
            fault: fault.name.to_owned(),
            took: ended.took,
            hung: ended.passed.is_none(),
            leftovers: matrix::leftovers(&before, &after, replaced),
            ..Row::default()
        };
        match told {
            Ok((struck, log)) => {
                std::fs::write(folder.join("wire.log"), log)?;
                // What was so before the run need not strike in it.
                let from_the_start = fault.blow == Some(Blow::NetworkStopped);
                if struck == 0 && !from_the_start && truth.is_some() {
                    row.void = Some("the fault did not strike".to_owned());
                }
            }
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
                return Ok((row, None));
            }
        };
        let truth = truth.unwrap_or(&found);
        row.letters = matrix::letters(truth, &found);
        (row.false_passes, row.false_alarms) = matrix::compare(truth, &found);
        if fault.blow == Some(Blow::NetworkStopped) {
            // Nobody enforces anything then: what was denied may really be allowed.
            row.false_alarms.clear();
        }
        let passes = |run: &Run| every_one_denied(run).is_ok();
        if ended.passed == Some(true) && !passes(&found) {
            row.false_passes.push("its exit code says that everything is denied".to_owned());
        }
        Ok((row, Some(found)))
    }

    async fn struck(
        &self,
        fault: &Fault,
        account: &Account,
        folder: &Path,
    ) -> Result<(subject::Ended, Result<(usize, String)>)> {
        let (wound, gate) = match fault.blow {
            Some(blow) => {
                let (wound, gate) = blow.begin(self.range).await?;
                (Some(wound), gate)
            }
            None => (None, None),
        };
        let run = async {
            let proxy = Proxy::start(&self.upstream, fault.wire, fault.from, gate).await?;
            let ended = subject::run(&self.program, &account.kubeconfig(&proxy), folder).await?;
            anyhow::Ok((ended, proxy.told()))
        };
        let ran = run.await;
        if let Some(wound) = wound {
            wound.heal(self.range).await?;
        }
        ran
    }
}

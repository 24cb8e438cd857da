//! Proving the suite itself: each sabotage turns exactly its scenarios into failures, and undoing it turns them back.

mod bisect;
mod failures;
mod groups;
mod judge;
mod since;
mod suite;

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

pub use groups::{Seed, draw};
pub use since::since;

pub(crate) use failures::failures;
pub(crate) use judge::{Expected, judge, sentence};
pub(crate) use suite::{suite, suite_with};

use bisect::{Finding, Group};
use failures::failures_here;
use judge::Complaints;

use crate::api_server::before_1_25::proved;
use crate::range::{Range, Sabotage};
use crate::suite_program::{CROWDED, asking};

/// How the sabotages are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Those that do not get in each other's way are committed and judged together, in groups that a seed draws.
    Drawn(Seed),
    /// One after the other.
    Alone,
}

/// What is proved.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The sabotages that are committed.
    pub sabotages: Vec<Sabotage>,
    /// The scenarios that are asked; all of them where nothing is said.
    pub scenarios: Option<BTreeSet<String>>,
}

impl Subject {
    /// All there is.
    ///
    /// # Errors
    /// When a sabotage is not well formed.
    pub fn everything() -> Result<Self> {
        Ok(Self { sabotages: Sabotage::all()?, scenarios: None })
    }

    fn asks(&self, id: &str) -> bool {
        self.scenarios.as_ref().is_none_or(|scenarios| scenarios.contains(id))
    }
}

/// Commits the sabotages on `range` group by group, runs the suite under each group and undoes it; `tell` hears of each as it is proved.
///
/// What fails must be the sum of what the sabotages of the group must fail, each by its own words. Where it is not, smaller groups are
/// asked until it is known whose doing that is. Scenarios with crowds of pods are asked where they must fail; that they pass on a whole
/// range, every plain run shows.
///
/// That a group is undone shows in the next one's run, in which nothing else may fail, and after the last in a run of its own.
///
/// # Errors
/// Names the sabotages and the scenarios that did not do what they must. The range is whole again then, if it can be.
pub async fn prove(range: &Range, subject: &Subject, company: Company, tell: &dyn Fn(&str)) -> Result<()> {
    let proof = Proof { range, subject, elsewhere: proved()?, tell };
    let groups = proof.groups(company)?;
    if let Company::Drawn(seed) = company {
        let count = subject.sabotages.len();
        tell(&format!("{count} sabotages in {} groups of seed {seed}: `--seed {seed}` draws them again", groups.len()));
    }
    let mut findings = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let title = format!("group {} of {}", number + 1, groups.len());
        findings.extend(proof.group(&title, group).await?);
    }
    proof.whole().await.context("undoing the last does not mend the range")?;
    tell("everything is denied again");
    proof.conclude(&findings)
}

struct Proof<'a> {
    range: &'a Range,
    subject: &'a Subject,
    /// Scenarios that no sabotage of a range proves.
    elsewhere: BTreeSet<String>,
    tell: &'a dyn Fn(&str),
}

impl Proof<'_> {
    fn groups(&self, company: Company) -> Result<Vec<Group>> {
        let sabotages = &self.subject.sabotages;
        let Company::Drawn(seed) = company else {
            return Ok(sabotages.iter().map(|sabotage| [sabotage.name.clone()].into()).collect());
        };
        let mut apart = BTreeSet::new();
        for (a, one) in sabotages.iter().enumerate() {
            for (b, other) in sabotages.iter().enumerate().skip(a + 1) {
                if one.apart_from(other)?.is_some() {
                    apart.extend([(a, b), (b, a)]);
                }
            }
        }
        let drawn = groups::draw(sabotages.len(), |a, b| apart.contains(&(a, b)), seed);
        Ok(drawn.iter().map(|group| group.iter().map(|one| sabotages[*one].name.clone()).collect()).collect())
    }

    /// Proves a group, and says what is behind it where it is not seen as it must be.
    async fn group(&self, title: &str, group: &Group) -> Result<Vec<Finding>> {
        let start = Instant::now();
        let complaints = self.ask(group).await?;
        let seconds = start.elapsed().as_secs_f64();
        let mut findings = Vec::new();
        if complaints.is_empty() {
            (self.tell)(&format!("{title}: as it must be ({seconds:.1} s)"));
        } else {
            (self.tell)(&format!("{title}: {} ({seconds:.1} s)", sentence(&complaints)));
            // Whose doing it is can only be told on a range that is whole.
            let undone = || format!("undoing {}, or what came before, does not mend the range", listed(group));
            self.whole().await.with_context(undone)?;
            let explained = bisect::explain(group, complaints, async |group: &Group| {
                let start = Instant::now();
                let complaints = self.ask(group).await?;
                let told = if complaints.is_empty() { "as it must be".to_owned() } else { sentence(&complaints) };
                (self.tell)(&format!("  {}: {told} ({:.1} s)", listed(group), start.elapsed().as_secs_f64()));
                Ok(complaints)
            });
            findings = explained.await?;
        }
        for sabotage in self.members(group) {
            let wrong = |finding: &Finding| !finding.leaves_right(&sabotage.name);
            if !findings.iter().any(wrong) {
                (self.tell)(&format!("  {:<26} fails {}", sabotage.name, listed(&self.expected(sabotage).0)));
            }
        }
        Ok(findings)
    }

    /// Commits a group, says what is not as it must be, and undoes it.
    async fn ask(&self, group: &Group) -> Result<Complaints> {
        let sabotages = self.members(group);
        let committed = self.range.sabotage_with(&sabotages).await;
        let run = match committed {
            Ok(()) => {
                let expected = |id: &str| sabotages.iter().any(|sabotage| sabotage.flips.contains(id));
                suite_with(self.range, &asking(|id| self.subject.asks(id) && (!CROWDED.contains(id) || expected(id))))
                    .await
            }
            Err(error) => Err(error),
        };
        self.range.restore_from(&sabotages).await?;
        let mut found = failures_here(&run?, &self.elsewhere_asked());
        let expected: Vec<_> = sabotages.iter().map(|sabotage| (sabotage, self.expected(sabotage))).collect();
        if sabotages.iter().any(|sabotage| sabotage.blind.is_some()) {
            let must = |id: &String| expected.iter().any(|(_, (flips, _))| flips.contains(id));
            found.retain(|id, outcome| must(id) || !outcome.starts_with("inconclusive"));
        }
        let expected: Vec<Expected> =
            expected.iter().map(|(sabotage, (flips, shows))| Expected { name: &sabotage.name, flips, shows }).collect();
        Ok(judge(&expected, &found))
    }

    /// The scenarios of a sabotage that are asked, and what they must show; what some of them show, only all of them together must.
    fn expected<'b>(&self, sabotage: &'b Sabotage) -> (BTreeSet<String>, &'b [String]) {
        let flips: BTreeSet<String> = sabotage.flips.iter().filter(|id| self.subject.asks(id)).cloned().collect();
        let shows = if flips == sabotage.flips { sabotage.shows.as_slice() } else { &[] };
        (flips, shows)
    }

    async fn whole(&self) -> Result<()> {
        let asked = asking(|id| self.subject.asks(id) && !CROWDED.contains(id));
        let found = failures_here(&suite_with(self.range, &asked).await?, &self.elsewhere_asked());
        let told = Vec::from_iter(found.iter().map(|(id, outcome)| format!("{id} is {outcome}")));
        ensure!(found.is_empty(), "{}", told.join("; "));
        Ok(())
    }

    fn conclude(&self, findings: &[Finding]) -> Result<()> {
        let mut wrong = Vec::new();
        for finding in findings {
            match finding {
                Finding::Wrong { sabotage, what, .. } => wrong.push(format!("{sabotage}: {what}")),
                Finding::Flaps { group, what, .. } => {
                    wrong.push(format!("{what}, once of two times under {}", listed(group)));
                }
                Finding::Apart { sabotages, about, what } => (self.tell)(&format!(
                    "{} are right each alone, and must be apart: together, {what}. Where one of them decides {about} whatever another \
                     does, its file `masks` is the place to say so",
                    listed(sabotages)
                )),
            }
        }
        ensure!(
            wrong.is_empty(),
            "of {} sabotages, not all are seen as they must be: {}",
            self.subject.sabotages.len(),
            wrong.join("; ")
        );
        Ok(())
    }

    fn members(&self, group: &Group) -> Vec<&Sabotage> {
        self.subject.sabotages.iter().filter(|sabotage| group.contains(&sabotage.name)).collect()
    }

    fn elsewhere_asked(&self) -> BTreeSet<String> {
        self.elsewhere.iter().filter(|id| self.subject.asks(id)).cloned().collect()
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    Vec::from_iter(names.iter().map(String::as_str)).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_fails_under_some_sabotage() {
        let on_range = Sabotage::all().unwrap().into_iter().flat_map(|sabotage| sabotage.flips);
        let elsewhere = proved().unwrap();
        let flipped: BTreeSet<String> = on_range.inspect(|id| assert!(!elsewhere.contains(id), "{id}")).collect();
        let all: BTreeSet<String> = scenarios::all().into_iter().map(|entry| entry.id).collect();
        assert_eq!(flipped.union(&elsewhere).cloned().collect::<BTreeSet<_>>(), all);
    }

    #[test]
    fn what_masks_a_scenario_names_one_that_there_is() {
        let all: BTreeSet<String> = scenarios::all().into_iter().map(|entry| entry.id).collect();
        for sabotage in Sabotage::all().unwrap() {
            assert!(sabotage.masks.is_subset(&all), "{}: {:?}", sabotage.name, sabotage.masks);
            assert!(sabotage.masks.is_disjoint(&sabotage.flips), "{}", sabotage.name);
        }
    }
}

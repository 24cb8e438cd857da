//! Proving the suite itself: each sabotage turns exactly its scenarios into failures, and undoing it turns them back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use harness::record::{Outcome, Run};
use tokio::process::Command;

use crate::check::workspace;
use crate::old_api_server::proved;
use crate::range::{Range, Sabotage};
use crate::suite_program::sparing;

/// Commits each of `sabotages` on `range`, runs the whole suite and undoes it; `tell` hears of each as it is proved.
///
/// Scenarios with crowds of pods are asked where they must fail; that they pass on a whole range, every plain run shows.
///
/// That a sabotage is undone shows in the next one's run, in which nothing else may fail, and after the last in a run of its own.
///
/// # Errors
/// Names the sabotage and the scenarios that did not do what they must. The range is whole again then, if it can be.
pub async fn prove(range: &Range, sabotages: &[Sabotage], tell: &dyn Fn(&str)) -> Result<()> {
    let elsewhere = proved()?;
    whole(range, &elsewhere).await.context("the range is not whole to begin with")?;
    let mut wrong = Vec::new();
    for sabotage in sabotages {
        let start = Instant::now();
        range.sabotage(sabotage).await?;
        let broken = suite_with(range, &sparing(|id| sabotage.flips.contains(id))).await;
        range.restore(sabotage).await?;
        let mut found = failures_here(&broken?, &elsewhere);
        if sabotage.blind.is_some() {
            found.retain(|id, outcome| sabotage.flips.contains(id) || !outcome.starts_with("inconclusive"));
        }
        match judge(&sabotage.flips, &sabotage.shows, &found) {
            Ok(()) => tell(&format!(
                "{:<24} fails {} and nothing else ({:.1} s)",
                sabotage.name,
                Vec::from_iter(sabotage.flips.iter().map(String::as_str)).join(", "),
                start.elapsed().as_secs_f64()
            )),
            Err(why) => {
                wrong.push(format!("{}: {why}", sabotage.name));
                // Whose doing it is, must be known before the next one is judged.
                whole(range, &elsewhere)
                    .await
                    .with_context(|| format!("undoing {} does not mend the range", sabotage.name))?;
            }
        }
    }
    whole(range, &elsewhere).await.context("undoing the last does not mend the range")?;
    tell("everything is denied again");
    ensure!(
        wrong.is_empty(),
        "{} of {} sabotages are not seen as they must be: {}",
        wrong.len(),
        sabotages.len(),
        wrong.join("; ")
    );
    Ok(())
}

/// Scenarios that are not passes, with their outcome's word.
pub(crate) type Failures = BTreeMap<String, String>;

pub(crate) fn judge(flips: &BTreeSet<String>, shows: &[String], found: &Failures) -> std::result::Result<(), String> {
    let mut wrong = Vec::new();
    for id in flips {
        match found.get(id) {
            Some(outcome) if outcome.starts_with("allowed") => {}
            Some(outcome) => wrong.push(format!("{id} should be allowed and is {outcome}")),
            None => wrong.push(format!("{id} passes all the same")),
        }
    }
    wrong.extend(
        found
            .iter()
            .filter(|(id, _)| !flips.contains(*id))
            .map(|(id, outcome)| format!("{id} has nothing to do with it and is {outcome}")),
    );
    let shown = |words: &String| flips.iter().any(|id| found.get(id).is_some_and(|outcome| outcome.contains(words)));
    wrong.extend(shows.iter().filter(|words| !shown(words)).map(|words| format!("nothing shows `{words}`")));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join(", ")) }
}

/// ... on a range: those that are proved `elsewhere` must not be applicable here, and anything else of them is wrong.
fn failures_here(run: &Run, elsewhere: &BTreeSet<String>) -> Failures {
    let mut found = failures(run);
    for id in elsewhere {
        match run.scenarios.iter().find(|record| record.id == *id).map(|record| &record.outcome) {
            Some(Outcome::NotApplicable { .. }) => drop(found.remove(id)),
            Some(Outcome::Denied { .. }) => drop(found.insert(id.clone(), "denied, where it cannot arise".into())),
            Some(_) => {}
            None => drop(found.insert(id.clone(), "not in the record".into())),
        }
    }
    found
}

pub(crate) fn failures(run: &Run) -> Failures {
    let words = run.scenarios.iter().filter_map(|record| match &record.outcome {
        Outcome::Denied { .. } => None,
        Outcome::Allowed { evidence } => Some((record.id.clone(), format!("allowed ({evidence})"))),
        Outcome::Waived { reason, .. } => Some((record.id.clone(), format!("waived ({reason})"))),
        Outcome::Inconclusive { why } => Some((record.id.clone(), format!("inconclusive ({why})"))),
        Outcome::NotApplicable { why } => Some((record.id.clone(), format!("not applicable ({why})"))),
    });
    words.collect()
}

async fn whole(range: &Range, elsewhere: &BTreeSet<String>) -> Result<()> {
    let found = failures_here(&suite_with(range, &sparing(|_| false)).await?, elsewhere);
    ensure!(
        found.is_empty(),
        "{}",
        Vec::from_iter(found.iter().map(|(id, outcome)| format!("{id} is {outcome}"))).join("; ")
    );
    Ok(())
}

/// Runs the suite as a user would, and reads its record.
pub(crate) async fn suite(range: &Range) -> Result<Run> {
    suite_with(range, &[]).await
}

/// ... with more words on its command line.
pub(crate) async fn suite_with(range: &Range, more: &[&str]) -> Result<Run> {
    let root = workspace();
    let reports = root.join("target/conformance").join(format!("prove-{}", range.name()));
    let record = reports.join("run.json");
    if record.exists() {
        std::fs::remove_file(&record).with_context(|| format!("{} cannot be removed", record.display()))?;
    }
    let mut suite = Command::from(crate::cargo::command());
    suite
        .args(["test", "--quiet", "--", "--cluster", &format!("kind:{}", range.name()), "--report-dir"])
        .arg(&reports)
        .args(more);
    let output = suite.current_dir(&root).kill_on_drop(true).output().await.context("cargo cannot be started")?;
    let Ok(text) = std::fs::read(&record) else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!(
            "the suite wrote no record: {}",
            complaint.lines().find(|line| line.starts_with("error")).unwrap_or("it gave no reason")
        );
    };
    serde_json::from_slice(&text).with_context(|| format!("{} cannot be read", record.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::record::Record;
    use harness::scenario::{Guard, Impact, Scope, Severity};
    use rstest::rstest;

    #[test]
    fn every_scenario_fails_under_some_sabotage() {
        let on_range = Sabotage::all().unwrap().into_iter().flat_map(|sabotage| sabotage.flips);
        let elsewhere = proved().unwrap();
        let flipped: BTreeSet<String> = on_range.inspect(|id| assert!(!elsewhere.contains(id), "{id}")).collect();
        let all: BTreeSet<String> = scenarios::all().into_iter().map(|entry| entry.id).collect();
        assert_eq!(flipped.union(&elsewhere).cloned().collect::<BTreeSet<_>>(), all);
    }

    fn run(records: Vec<(&str, Outcome)>) -> Run {
        let record = |(id, outcome): (&str, Outcome)| Record {
            id: id.into(),
            title: String::new(),
            explanation: String::new(),
            guidance: Vec::new(),
            also: Vec::new(),
            severity: Severity::High,
            impact: Impact::DryRun,
            scope: Scope::Cluster,
            outcome,
            cells: Vec::new(),
            started_ms: 0,
            elapsed_ms: 0,
        };
        Run { scenarios: records.into_iter().map(record).collect(), ..Run::default() }
    }

    #[rstest]
    #[case::not_applicable("n", None)]
    #[case::denied("D", Some("denied, where it cannot arise"))]
    #[case::inconclusive("i", Some("inconclusive (y)"))]
    #[case::absent("", Some("not in the record"))]
    fn what_is_proved_elsewhere_must_not_arise_here(#[case] outcome: &str, #[case] expected: Option<&str>) {
        let outcome = match outcome {
            "n" => Outcome::NotApplicable { why: "y".into() },
            "D" => Outcome::Denied { guard: Guard::Psp, evidence: "e".into(), control: "c".into() },
            _ => Outcome::Inconclusive { why: "y".into() },
        };
        // Another that is not applicable is none of those.
        let mut records = vec![("a/other", Outcome::NotApplicable { why: "y".into() })];
        if expected != Some("not in the record") {
            records.push(("a/elsewhere", outcome));
        }
        let found = failures_here(&run(records), &["a/elsewhere".to_owned()].into());
        assert_eq!(found.get("a/elsewhere").map(String::as_str), expected);
        assert_eq!(found["a/other"], "not applicable (y)");
    }

    #[rstest]
    #[case::seen(&["a"], &[("a", "allowed (x)")], None)]
    #[case::overlooked(&["a"], &[], Some("a passes all the same, nothing shows `(x)`"))]
    #[case::unclear(&["a"], &[("a", "inconclusive (x)")], Some("a should be allowed and is inconclusive (x)"))]
    #[case::too_wide(&["a"], &[("a", "allowed (x)"), ("b", "allowed (y)")], Some("b has nothing to do with it and is allowed (y)"))]
    #[case::silent(&["a"], &[("a", "allowed")], Some("nothing shows `(x)`"))]
    fn exactly_the_scenarios_it_should(
        #[case] flips: &[&str],
        #[case] found: &[(&str, &str)],
        #[case] expected: Option<&str>,
    ) {
        let flips = flips.iter().map(ToString::to_string).collect();
        let found = found.iter().map(|(id, outcome)| (id.to_string(), outcome.to_string())).collect();
        assert_eq!(judge(&flips, &["(x)".to_owned()], &found).err().as_deref(), expected);
    }
}

//! Proving the suite itself: each sabotage turns exactly its scenarios into failures, and undoing it turns them back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use harness::record::{Outcome, Run};
use tokio::process::Command;

use crate::check::workspace;
use crate::range::{Range, Sabotage};

/// Commits each of `sabotages` on `range`, runs the whole suite and undoes it; `tell` hears of each as it is proved.
///
/// That a sabotage is undone shows in the next one's run, in which nothing else may fail, and after the last in a run of its own.
///
/// # Errors
/// Names the sabotage and the scenarios that did not do what they must. The range is whole again then, if it can be.
pub async fn prove(range: &Range, sabotages: &[Sabotage], tell: &dyn Fn(&str)) -> Result<()> {
    whole(range).await.context("the range is not whole to begin with")?;
    let mut wrong = Vec::new();
    for sabotage in sabotages {
        let start = Instant::now();
        range.sabotage(sabotage).await?;
        let broken = suite(range).await;
        range.restore(sabotage).await?;
        let found = failures(&broken?);
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
                whole(range).await.with_context(|| format!("undoing {} does not mend the range", sabotage.name))?;
            }
        }
    }
    whole(range).await.context("undoing the last does not mend the range")?;
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
type Failures = BTreeMap<String, String>;

fn judge(flips: &BTreeSet<String>, shows: &[String], found: &Failures) -> std::result::Result<(), String> {
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

fn failures(run: &Run) -> Failures {
    let words = run.scenarios.iter().filter_map(|record| match &record.outcome {
        Outcome::Denied { .. } => None,
        Outcome::Allowed { evidence } => Some((record.id.clone(), format!("allowed ({evidence})"))),
        Outcome::Waived { reason, .. } => Some((record.id.clone(), format!("waived ({reason})"))),
        Outcome::Inconclusive { why } => Some((record.id.clone(), format!("inconclusive ({why})"))),
        Outcome::NotApplicable { why } => Some((record.id.clone(), format!("not applicable ({why})"))),
    });
    words.collect()
}

async fn whole(range: &Range) -> Result<()> {
    let found = failures(&suite(range).await?);
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
    use rstest::rstest;

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

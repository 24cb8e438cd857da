//! Proving that the suite is honest with clusters that are fine and not the range: whatever a variant changes, nothing is allowed, and what cannot
//! be told says why.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::record::{Record, Run};

use crate::api_server::before_1_25::proved;
use crate::prove_engines::{difference, told};
use crate::range::{Range, Variant};
use crate::suite_program::{self, Run as Asked};

/// What is said of the probes, and not of a scenario.
pub(crate) const PROBES: &str = "probes";

/// What a run of `prod` cannot ask on a range that has IPv4 alone: it starts no pod on a node's own network.
const AS_EVER: &str = "metadata/ipv6-unreachable";

/// Longer than any run here takes.
const A_RUN: Duration = Duration::from_secs(300);

/// Makes `range` each of `variants`, as many at once as go together where they need not be `alone`, and runs `prod` on it; `tell` hears of each.
///
/// # Errors
/// Names the variants and what was said otherwise than it must be. The range is as it was hardened then, if it can be.
pub async fn prove(range: &Range, variants: &[Variant], alone: bool, tell: &dyn Fn(&str)) -> Result<()> {
    let before = range.objects().await?;
    let mut wrong = Vec::new();
    for group in groups(variants, alone) {
        let start = Instant::now();
        let names = group.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>().join(", ");
        let run = ask(range, &group).await.with_context(|| names.clone())?;
        let complaints = judge(range, &group, &run)?;
        let (totals, seconds) = (run.totals(), start.elapsed().as_secs_f64());
        if complaints.is_empty() {
            tell(&format!(
                "{names:<40} {} denied, {} not applicable, {} inconclusive, as it must be ({seconds:.1} s)",
                totals.passed, totals.not_applicable, totals.inconclusive
            ));
        } else {
            tell(&format!("{names:<40} {} ({seconds:.1} s)", complaints.join("; ")));
            wrong.push(format!("{names}: {}", complaints.join("; ")));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    let left = difference(&before, &range.objects().await?);
    ensure!(left.is_empty(), "the variants have changed the range: {}", left.join("; "));
    Ok(())
}

/// Those that are had at once.
fn groups(variants: &[Variant], alone: bool) -> Vec<Vec<&Variant>> {
    let mut groups: Vec<Vec<&Variant>> = Vec::new();
    for variant in variants {
        let fits = |group: &&mut Vec<&Variant>| !alone && group.iter().all(|other| other.goes_with(variant));
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(variant),
            None => groups.push(vec![variant]),
        }
    }
    groups
}

async fn ask(range: &Range, group: &[&Variant]) -> Result<Run> {
    let run = match range.vary(group).await {
        Ok(()) => asked(range, group).await,
        Err(error) => Err(error),
    };
    range.vary_no_more(group).await?;
    run
}

async fn asked(range: &Range, group: &[&Variant]) -> Result<Run> {
    let kubeconfig = std::fs::read_to_string(range.kubeconfig()).context("the range's kubeconfig cannot be read")?;
    let conformance = group.iter().find_map(|variant| variant.conformance.as_deref()).unwrap_or(PLAIN);
    let asked = Asked {
        cluster: CLUSTER,
        conformance: &range.named_in("conformance.toml", conformance)?,
        kubeconfig: &kubeconfig,
        suite: "prod",
        more: &[],
        within: A_RUN,
    };
    suite_program::run(&suite_program::built()?, &asked).await
}

/// The entry of a variant's conformance.toml.
const CLUSTER: &str = "variant";
/// ... where it has none: as that of any range.
const PLAIN: &str = r#"[cluster.variant]
context = "{{CONTEXT}}"
outside = ["192.0.2.1:80"]
"#;

/// What is not as it must be.
fn judge(range: &Range, group: &[&Variant], run: &Run) -> Result<Vec<String>> {
    let elsewhere = proved()?;
    let mut says = Vec::new();
    for (of, words) in group.iter().flat_map(|variant| &variant.says) {
        says.push((of.as_str(), range.named_in("says", words)?));
    }
    let mut complaints = Vec::new();
    for record in &run.scenarios {
        let words: Vec<&str> =
            says.iter().filter(|(of, _)| *of == record.id).map(|(_, words)| words.as_str()).collect();
        let is_elsewhere = elsewhere.contains(&record.id) || record.id == AS_EVER;
        complaints.extend(
            said(record)
                .into_iter()
                .filter(|told| !is_right(told, &words, is_elsewhere))
                .map(|told| format!("{} is {told}", record.id)),
        );
    }
    for (of, words) in &says {
        if *of == PROBES {
            let probes = run
                .probes
                .iter()
                .map(|probe| format!("in {} on {} beside {}", probe.namespace, probe.node, probe.strangers.join(", ")));
            let mut others = probes.filter(|probe| !probe.contains(words.as_str())).peekable();
            ensure!(!run.probes.is_empty(), "no probe ran");
            complaints.extend(others.next().map(|probe| format!("a probe is {probe}, not {words}")));
        } else if !run.scenarios.iter().any(|record| record.id == *of) {
            bail!("{of} was not asked");
        }
    }
    Ok(complaints)
}

/// Whether that may be said of a cell: what the variants say of it; else that it is denied, or that it does not arise on any range.
fn is_right(told: &str, words: &[&str], is_elsewhere: bool) -> bool {
    if words.is_empty() {
        return told.starts_with("denied") || is_elsewhere && told.starts_with("not applicable");
    }
    words.iter().all(|words| match words.split_once(": ") {
        Some((outcome, words)) => told.starts_with(outcome) && told.contains(words),
        None => told.starts_with(words),
    })
}

/// What is said of each cell.
fn said(record: &Record) -> Vec<String> {
    match record.cells.as_slice() {
        [] => vec![told(&record.outcome)],
        cells => cells.iter().map(|cell| told(&cell.outcome)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::denied_as_ever("denied by network: timeout", &[], false, true)]
    #[case::allowed("allowed: open", &[], true, false)]
    #[case::unclear("inconclusive: no control", &[], true, false)]
    #[case::does_not_arise("not applicable: no IPv6", &[], false, false)]
    #[case::does_not_arise_on_any_range("not applicable: no IPv6", &[], true, true)]
    #[case::as_it_says("inconclusive: no control: cut off", &["inconclusive: cut off"], false, true)]
    #[case::for_another_reason("inconclusive: no probe", &["inconclusive: cut off"], false, false)]
    #[case::better_than_it_says("denied by network: timeout", &["inconclusive: cut off"], false, false)]
    #[case::by_its_guard("denied by mutation: made harmless", &["denied by mutation"], false, true)]
    #[case::by_another("denied by pod-security: no", &["denied by mutation"], false, false)]
    fn what_may_be_said(#[case] told: &str, #[case] words: &[&str], #[case] elsewhere: bool, #[case] expected: bool) {
        assert_eq!(is_right(told, words, elsewhere), expected);
    }

    #[test]
    fn those_that_go_together_are_had_at_once() {
        let all = Variant::all().unwrap();
        let (together, alone) = (groups(&all, false), groups(&all, true));
        assert!(together.len() < all.len());
        assert_eq!(alone.len(), all.len());
    }
}

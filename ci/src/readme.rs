//! The coverage table of README.md, written from the scenarios themselves.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use harness::scenario::G;

const BEGIN: &str = "<!-- coverage: written by `cargo xtask readme` -->\n";
const END: &str = "<!-- /coverage -->";

/// Writes the table into the README at `path`; says whether anything changed.
///
/// # Errors
/// When the file cannot be read or written, or has lost its markers.
pub fn write(path: &Path) -> Result<bool> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let written = with_table(&text, &table())
        .with_context(|| format!("{} lacks the lines {BEGIN:?} and {END:?}", path.display()))?;
    if written == text {
        return Ok(false);
    }
    std::fs::write(path, written).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(true)
}

fn with_table(text: &str, table: &str) -> Option<String> {
    let (head, rest) = text.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}{table}{END}{tail}"))
}

fn table() -> String {
    let entries = scenarios::all();
    let mut rows = String::from("| item | scenario | what must hold | impact |\n|---|---|---|---|\n");
    let mut by_item: BTreeMap<G, Vec<String>> = BTreeMap::new();
    for entry in &entries {
        let file = entry.id.replace('-', "_");
        let scenario = format!(
            "[{}](scenarios/src/{file}.rs) | {} | {} |",
            entry.id,
            entry.scenario.title,
            entry.scenario.impact.name()
        );
        for item in entry.scenario.guidance {
            by_item.entry(*item).or_default().push(scenario.clone());
        }
    }
    for (item, scenarios) in by_item {
        for scenario in scenarios {
            rows.push_str(&format!("| {item} | {scenario}\n"));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_is_up_to_date() {
        let path = crate::check::workspace().join("README.md");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(with_table(&text, &table()).as_deref(), Some(text.as_str()), "run `cargo xtask readme`");
    }

    #[test]
    fn a_readme_without_markers_is_left_alone() {
        assert_eq!(with_table("nothing", "table"), None);
    }
}

//! The coverage tables of scenarios/README.md, written from the scenarios themselves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::scenario::Entry;

use crate::check::workspace;

const BEGIN: &str = "<!-- coverage: written by `cargo xtask readme` -->\n";
const END: &str = "<!-- /coverage -->";

/// The file that they are in.
fn catalogue() -> PathBuf {
    workspace().join("scenarios/README.md")
}

/// Writes the tables; says whether anything changed.
///
/// # Errors
/// When the file cannot be read or written, or has lost its markers.
pub fn write() -> Result<bool> {
    write_to(&catalogue(), &tables(&scenarios::all()))
}

fn write_to(path: &Path, tables: &str) -> Result<bool> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let written = with_tables(&text, tables)
        .with_context(|| format!("{} lacks the lines {BEGIN:?} and {END:?}", path.display()))?;
    if written == text {
        return Ok(false);
    }
    std::fs::write(path, written).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(true)
}

fn with_tables(text: &str, tables: &str) -> Option<String> {
    let (head, rest) = text.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}{tables}{END}{tail}"))
}

/// One for each chapter, a line a scenario, in the order in which they are listed.
fn tables(entries: &[Entry]) -> String {
    let mut tables = String::new();
    let mut last = "";
    for Entry { id, scenario, .. } in entries {
        let (chapter, name) = id.split_once('/').unwrap_or(("", id));
        if chapter != last {
            last = chapter;
            tables.push_str(&format!(
                "\n## {chapter}\n\n| scenario | what must hold | items | impact |\n|---|---|---|---|\n"
            ));
        }
        let items: Vec<String> = scenario.guidance.iter().map(ToString::to_string).collect();
        tables.push_str(&format!(
            "| [{name}](src/{}.rs) | {} | {} | {} |\n",
            id.replace('-', "_"),
            scenario.title,
            items.join(" "),
            scenario.impact.name()
        ));
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_up_to_date() {
        let text = std::fs::read_to_string(catalogue()).unwrap();
        let written = with_tables(&text, &tables(&scenarios::all()));
        assert_eq!(written.as_deref(), Some(text.as_str()), "run `cargo xtask readme`");
    }

    #[test]
    fn each_scenario_has_one_line_with_its_items() {
        let all = scenarios::all();
        let tables = tables(&all);
        let lines: Vec<&str> = tables.lines().filter(|line| line.starts_with("| [")).collect();
        assert_eq!(lines.len(), all.len());
        for (line, entry) in lines.iter().zip(&all) {
            assert!(entry.scenario.guidance.iter().all(|item| line.contains(&item.to_string())), "{line}");
        }
    }

    #[test]
    fn a_file_without_markers_is_left_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "nothing").unwrap();
        assert!(write_to(file.path(), "tables").is_err());
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "nothing");
    }

    /// A first page, and no reference.
    #[test]
    fn the_readme_is_short() {
        let text = std::fs::read_to_string(workspace().join("README.md")).unwrap();
        assert!(text.lines().count() < 150, "README.md has {} lines", text.lines().count());
    }

    /// Every file that the pages for readers lead to is there.
    #[test]
    fn no_link_is_dead() {
        for page in ["README.md", "CONTRIBUTING.md", "suites/README.md", "scenarios/README.md", "ci/range/README.md"] {
            let path = workspace().join(page);
            let text = std::fs::read_to_string(&path).unwrap();
            let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            let mut found = 0;
            for link in links.filter(|link| !link.starts_with("http")) {
                let file = link.split('#').next().unwrap_or(link);
                assert!(path.parent().unwrap().join(file).exists(), "{page} leads to {link}");
                found += 1;
            }
            assert!(found > 0, "{page} has links");
        }
    }
}

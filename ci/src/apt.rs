//! Debian packages that a bare machine lacks.

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::progress::{Tell, while_telling, words};
use crate::tool;

/// A program and the Debian package it comes in.
pub type Need = (&'static str, &'static str);

/// Installs the packages of the programs that are not there; nothing happens when all are.
///
/// # Errors
/// When a program is missing and we may not or cannot install its package: which one, and what to install by hand.
pub async fn ensure(needs: &[Need], tell: &dyn Tell) -> anyhow::Result<()> {
    let packages = missing(needs, tool::exists);
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !tool::exists("apt-get") {
        bail!(
            "this machine lacks {list} and has no apt-get; install them with its own package manager and start again"
        );
    }
    if !tool::are_we_root() {
        bail!("this machine lacks {list} and only root may install them; run `apt-get install {list}` and start again");
    }
    let what = format!("installing {list} with apt-get");
    tell.line(&what);
    while_telling(tell, |since| format!("{what}, {}", words(since)), install_all(&packages))
        .await
        .with_context(|| format!("{list} cannot be installed"))
}

async fn install_all(packages: &[&str]) -> anyhow::Result<()> {
    if tool::output(&mut install(packages)).await.is_ok() {
        return Ok(());
    }
    // A machine that never fetched a package list, or an old one, refuses the first time.
    tool::output(Command::new("apt-get").args(["update", "--quiet"]))
        .await
        .context("apt-get cannot fetch its package lists")?;
    tool::output(&mut install(packages)).await.map(drop)
}

fn install(packages: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        // A package's own service must not start: the engine is started by us, with our flags.
        .env("RUNLEVEL", "1")
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(packages);
    command
}

/// Each package once, in the order of the needs.
fn missing<'a>(needs: &[(&'a str, &'a str)], exists: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let mut packages = Vec::new();
    for (program, package) in needs {
        if !exists(program) && !packages.contains(package) {
            packages.push(*package);
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing_is_missing(&["jq", "dockerd", "iptables"], &[])]
    #[case::only_the_missing_one(&["jq", "dockerd"], &["iptables"])]
    #[case::a_package_with_two_programs_is_named_once(&[], &["jq", "docker.io", "iptables"])]
    fn names_the_packages_to_install(#[case] there: &[&str], #[case] expected: &[&str]) {
        let needs = [("jq", "jq"), ("dockerd", "docker.io"), ("docker", "docker.io"), ("iptables", "iptables")];
        let there: Vec<&str> = there
            .iter()
            .flat_map(|name| if *name == "dockerd" { vec!["dockerd", "docker"] } else { vec![*name] })
            .collect();
        assert_eq!(missing(&needs, |name| there.contains(&name)), expected);
    }
}

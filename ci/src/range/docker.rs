//! The Docker command line, for what testcontainers lacks: labelled networks, exec with input, removal by label.

use std::os::unix::process::CommandExt;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;

const MISSING: &str = "the `docker` command cannot be run; install Docker Engine";

/// Runs `docker` to its end, for places that cannot wait asynchronously (a destructor).
///
/// # Errors
/// When docker is not there or fails; the error ends with what docker said.
pub(crate) fn docker(args: &[&str]) -> Result<String> {
    let output = std::process::Command::new("docker")
        .args(args)
        .stdin(Stdio::null())
        // A second Ctrl-C must not end the cleaning that the first one began.
        .process_group(0)
        .output()
        .context(MISSING)?;
    stdout_of(&output).with_context(|| format!("docker {} failed", verb(args)))
}

/// Runs a command in a container, with `input` on its standard input, for at most `limit`.
///
/// # Errors
/// When it fails or takes longer; the error ends with the last line that it wrote.
pub(crate) async fn exec(container: &str, command: &[&str], input: &[u8], limit: Duration) -> Result<String> {
    let what = || format!("`{}` failed in container {container}", verb(command));
    let mut child = tokio::process::Command::new("docker")
        .args(["exec", "--interactive", container])
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context(MISSING)?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let feed = async move {
        // A command that does not read its input closes the pipe; its exit status says whether that was right.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let run = async { tokio::join!(feed, child.wait_with_output()).1 };
    let Ok(output) = tokio::time::timeout(limit, run).await else {
        bail!("`{}` did not end within {} s in container {container}", verb(command), limit.as_secs());
    };
    stdout_of(&output.with_context(what)?).with_context(what)
}

fn stdout_of(output: &Output) -> Result<String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(stdout.into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    bail!("{}", telling_line(&stderr).or_else(|| telling_line(&stdout)).unwrap_or("it said nothing"))
}

/// The line that a person would quote: the last that begins as an error or speaks of one, else the last. What a program
/// logs on the way (klog's lines) is not its last word.
fn telling_line(text: &str) -> Option<&str> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = || lines().filter(|line| !is_klog(line));
    let is_error = |line: &&str| line.to_lowercase().starts_with("error");
    let has_error = |line: &&str| line.to_lowercase().contains("error");
    said()
        .rfind(is_error)
        .or_else(|| said().rfind(has_error))
        .or_else(|| said().next_back())
        .or_else(|| lines().next_back())
}

/// Lines as `E1124 12:47:28.540973    5426 memcache.go:265] ...`.
fn is_klog(line: &str) -> bool {
    let mut chars = line.chars();
    chars.next().is_some_and(|level| "IWEF".contains(level)) && chars.by_ref().take(4).all(|c| c.is_ascii_digit())
}

/// The first words of a command, enough to recognise it by; of a script only that it is one.
fn verb(command: &[&str]) -> String {
    let command = if command.first() == Some(&"sh") { &command[..1] } else { command };
    command
        .iter()
        .copied()
        .filter(|word| !word.starts_with('-') && !word.contains('='))
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", None)]
    #[case("one\ntwo\n\n", Some("two"))]
    #[case(
        "W: careful\nerror: no such node\nTo see the stack trace of this error use --v=5\n",
        Some("error: no such node")
    )]
    #[case("E1124 12:47:28.5 memcache.go:265] Error\nThe connection was refused\n", Some("The connection was refused"))]
    #[case("E1124 12:47:28.5 memcache.go:265] Error\n", Some("E1124 12:47:28.5 memcache.go:265] Error"))]
    fn the_line_that_tells_is_quoted(#[case] text: &str, #[case] line: Option<&str>) {
        assert_eq!(telling_line(text), line);
    }

    #[test]
    fn a_command_is_named_without_its_options() {
        assert_eq!(verb(&["kubectl", "--kubeconfig", "apply", "-f", "-"]), "kubectl apply");
    }
}

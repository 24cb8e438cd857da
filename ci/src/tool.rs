//! External programs: run, or explained in one sentence.

use std::process::{Output, Stdio};

use anyhow::{Context, anyhow};
use tokio::process::Command;

/// Runs a program to its end and returns what it wrote.
///
/// # Errors
/// One sentence with the program, its exit status and the end of what it wrote to stderr.
pub async fn output(command: &mut Command) -> anyhow::Result<Output> {
    output_with(command, Stdio::null()).await
}

/// ... with something on its standard input.
///
/// # Errors
/// As [`output`].
pub async fn output_with(command: &mut Command, input: Stdio) -> anyhow::Result<Output> {
    let line = line(command);
    let output = command
        .stdin(input)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("`{line}` could not be started"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = if said.trim().is_empty() { String::from_utf8_lossy(&output.stdout) } else { said };
    Err(anyhow!("`{line}` failed ({}): {}", output.status, tail(&said)))
}

/// Runs a program to its end and returns its stdout as trimmed text.
///
/// # Errors
/// As [`output`].
pub async fn text(command: &mut Command) -> anyhow::Result<String> {
    Ok(String::from_utf8_lossy(&output(command).await?.stdout).trim().to_owned())
}

/// Whether a program of this name is on the PATH, or a file is at this absolute path.
#[must_use]
pub fn exists(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// Whether this process may do everything: the system's own parts (apt, debootstrap, dockerd) need it.
#[must_use]
pub fn are_we_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        let effective =
            status.lines().find_map(|line| line.strip_prefix("Uid:")).and_then(|ids| ids.split_whitespace().nth(1));
        effective == Some("0")
    })
}

fn line(command: &Command) -> String {
    let command = command.as_std();
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args().take(4) {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// The last lines say what went wrong; the first ones only what was downloaded.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(6)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_is_one_line_with_what_was_said() {
        let error = output(Command::new("sh").args(["-c", "echo first; echo wrong >&2; exit 3"])).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains("exit status: 3") && said.ends_with("wrong"), "{said}");
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        assert_eq!(tail("1\n2\n\n3\n4\n5\n6\n7\n"), "2; 3; 4; 5; 6; 7");
    }
}

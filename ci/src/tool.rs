//! External programs: run, or explained in one sentence.

use std::process::{Output, Stdio};

use anyhow::{Context, anyhow};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
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
    judged(&line, output)
}

/// ... with `heard` told each line that it writes to stderr, as it does. Those for which it says `true` are news, and no part of an error.
///
/// # Errors
/// As [`output`].
pub async fn output_heard(command: &mut Command, mut heard: impl FnMut(&str) -> bool) -> anyhow::Result<Output> {
    let line = line(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("`{line}` could not be started"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let results = async {
        let mut all = Vec::new();
        out.context("no output")?.read_to_end(&mut all).await?;
        anyhow::Ok(all)
    };
    let complaints = async {
        let mut lines = BufReader::new(err.context("no output")?).split(b'\n');
        let mut kept = Vec::new();
        while let Some(said) = lines.next_segment().await? {
            if !heard(&String::from_utf8_lossy(&said)) {
                kept.extend([&said[..], b"\n"].concat());
            }
        }
        anyhow::Ok(kept)
    };
    let (stdout, stderr) =
        tokio::try_join!(results, complaints).with_context(|| format!("`{line}` cannot be heard"))?;
    judged(&line, Output { status: child.wait().await?, stdout, stderr })
}

fn judged(line: &str, output: Output) -> anyhow::Result<Output> {
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

    #[tokio::test]
    async fn news_are_heard_and_are_no_part_of_the_failure() {
        let mut news = Vec::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo fmt >&2; echo result; echo 'no such thing' >&2; echo net >&2; exit 1"]);
        let heard = |line: &str| {
            !line.contains(' ') && {
                news.push(line.to_owned());
                true
            }
        };
        let error = output_heard(&mut shell, heard).await.unwrap_err();
        assert!(error.to_string().ends_with("(exit status: 1): no such thing"), "{error}");
        assert_eq!(news, ["fmt", "net"]);
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        assert_eq!(tail("1\n2\n\n3\n4\n5\n6\n7\n"), "2; 3; 4; 5; 6; 7");
    }
}

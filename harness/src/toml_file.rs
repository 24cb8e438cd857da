//! Reading the files that users write: one sentence for a mistake, with its line.
use anyhow::{Result, bail};
use serde::de::DeserializeOwned;

/// Reads `text` as a `T`.
///
/// # Errors
/// The line, and what was expected there.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    match toml::from_str(text) {
        Ok(read) => Ok(read),
        Err(error) => {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            bail!("line {line}: {}", error.message().lines().next().unwrap_or_default())
        }
    }
}

/// The number of the line that byte `at` is on.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

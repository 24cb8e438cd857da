//! The record as JSON.
use anyhow::Context;
use harness::printable::shows_itself;
use harness::record::Run;

/// The run's record, which is read back as it was; on a terminal it does nothing either.
///
/// # Errors
/// When the run cannot be written as JSON.
pub(crate) fn text(run: &Run) -> anyhow::Result<String> {
    let json = serde_json::to_string_pretty(run).context("the run cannot be written as JSON")?;
    let mut text = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        // Beside its line breaks, JSON has such characters in strings alone.
        if character == '\n' || shows_itself(character) {
            text.push(character);
        } else {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text += &format!("\\u{unit:04x}"));
        }
    }
    Ok(text + "\n")
}

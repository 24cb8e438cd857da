//! How a run ends in which nothing is worse than what is acknowledged.
use serde::Deserialize;

/// Neither 0, for nothing was proved there, nor the 101 of a failure, nor the 1 of a run that could not be.
const ITS_OWN: u8 = 3;
/// What is above has a meaning of its own to shells.
const LAST: u8 = 125;

/// The exit code of such a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub struct AcknowledgedExitCode(pub u8);

impl Default for AcknowledgedExitCode {
    fn default() -> Self {
        Self(ITS_OWN)
    }
}

impl TryFrom<toml::Value> for AcknowledgedExitCode {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let code = value.as_integer().and_then(|code| u8::try_from(code).ok()).filter(|code| *code <= LAST);
        code.map(Self).ok_or_else(|| {
            format!("expected an exit code: a number from 0, which lets such a run pass, to {LAST}; {ITS_OWN} where it is left out")
        })
    }
}

//! Lines for whoever reads them. A reader that has gone (`| head`) does not end the run: what it has made must still go.
use std::fmt::Display;
use std::io::Write;

/// A line of what was found.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line on how it goes.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

//! Lines for whoever reads them. A reader that has gone (`| head`) does not end the run: what it has made must still go.
use std::fmt::Display;
use std::io::Write;

use harness::printable::escaped;

/// A line of what was found. Whatever is in it, it stays one line and can do nothing to the terminal.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{}", escaped(&line.to_string()));
}

/// Lines that are made for a terminal already: they may have colours.
pub fn show(lines: impl Display) {
    let _ = writeln!(std::io::stdout(), "{lines}");
}

/// A line on how it goes, as [`say`] has it.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", escaped(&line.to_string()));
}

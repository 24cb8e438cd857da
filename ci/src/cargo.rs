//! cargo, started by a program that cargo itself has started.

use std::process::Command;

/// What cargo tells a program about its package. Build scripts watch some of it: handed on to another cargo, it has ring, and all
/// that stands on it, built anew each time.
const ABOUT_THE_PACKAGE: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_NAME"];

/// cargo, as the user would start it.
pub fn command() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| ABOUT_THE_PACKAGE.iter().any(|about| name.to_string_lossy().starts_with(about))) {
        cargo.env_remove(name);
    }
    cargo
}

//! A range's own network, made by hand because testcontainers' networks carry no labels.

use anyhow::{Context, Result};

use super::docker::docker;
use super::names::Names;

/// # Errors
/// When there is one of that name already, which is then not ours to take.
pub(crate) fn create(names: &Names, labels: &[(String, String)]) -> Result<()> {
    let network = names.network();
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("--label={label}={value}")).collect();
    let mut command = vec!["network", "create"];
    command.extend(labels.iter().map(String::as_str));
    command.push(&network);
    docker(&command).map(drop).with_context(|| format!("network {network} cannot be created"))
}

//! A range's own network, made by hand because testcontainers' networks carry no labels.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};

use super::docker::docker;
use super::names::Names;

/// Makes the network and returns its gateway, which is this machine.
///
/// # Errors
/// When there is one of that name already, which is then not ours to take.
pub(crate) fn create(names: &Names, labels: &[(String, String)]) -> Result<Ipv4Addr> {
    let network = names.network();
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("--label={label}={value}")).collect();
    let mut command = vec!["network", "create"];
    command.extend(labels.iter().map(String::as_str));
    command.push(&network);
    docker(&command).with_context(|| format!("network {network} cannot be created"))?;
    let format = "{{range .IPAM.Config}}{{.Gateway}}\n{{end}}";
    let gateways = docker(&["network", "inspect", "--format", format, &network])?;
    gateways
        .lines()
        .find_map(|line| line.trim().parse().ok())
        .with_context(|| format!("network {network} has no IPv4 gateway; let Docker give its networks IPv4 addresses"))
}

//! The agent's executables, built for each architecture by this crate's build script.

/// The executable for nodes of this architecture, named as in a node's `status.nodeInfo.architecture`. `None` when it was not
/// built, for lack of the Rust target, or when there is none for it.
pub fn binary(goarch: &str) -> Option<&'static [u8]> {
    match goarch {
        #[cfg(agent_amd64)]
        "amd64" => Some(include_bytes!(concat!(env!("OUT_DIR"), "/agent-amd64"))),
        #[cfg(agent_arm64)]
        "arm64" => Some(include_bytes!(concat!(env!("OUT_DIR"), "/agent-arm64"))),
        _ => None,
    }
}

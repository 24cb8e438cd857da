//! Builds the agent for every architecture a node may have, to be carried inside this crate (`probe::agent::binary`).

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name Kubernetes has for an architecture, and Rust's: the targets of rust-toolchain.toml.
const TARGETS: [(&str, &str); 2] = [("amd64", "x86_64-unknown-linux-gnu"), ("arm64", "aarch64-unknown-linux-gnu")];

/// A static executable at a fixed address, so that nothing has to relocate it, linked by the linker that comes with Rust: no
/// cross compiler is needed.
const FLAGS: [&str; 7] = [
    "-Clinker=rust-lld",
    "-Clinker-flavor=ld.lld",
    "-Crelocation-model=static",
    "-Ctarget-feature=+crt-static",
    "-Cforce-unwind-tables=no",
    "-Clink-arg=--build-id=none",
    "-Clink-arg=--no-eh-frame-hdr",
];

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("agent");
    for path in ["src", "Cargo.toml", "Cargo.lock", "link.ld"] {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(variable("OUT_DIR"));
    for (arch, target) in TARGETS {
        println!("cargo:rustc-check-cfg=cfg(agent_{arch})");
        if !installed(target) {
            println!(
                "cargo:warning=no agent for {arch} nodes: the Rust target {target} is not installed; `rustup target add {target}`"
            );
            continue;
        }
        let built = build(&root, &out.join("agent-target"), target);
        std::fs::copy(&built, out.join(format!("agent-{arch}"))).unwrap_or_else(|e| panic!("{}: {e}", built.display()));
        println!("cargo:rustc-cfg=agent_{arch}");
    }
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"))
}

fn installed(target: &str) -> bool {
    let output = Command::new(variable("RUSTC")).args(["--print", "target-libdir", "--target", target]).output();
    output.is_ok_and(|output| {
        output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}

fn build(root: &Path, dir: &Path, target: &str) -> PathBuf {
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .current_dir(root)
        .args(["build", "--release", "--locked", "--quiet", "--target", target, "--target-dir"])
        .arg(dir);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(disturbs) {
            cargo.env_remove(name);
        }
    }
    let script = format!("-Clink-arg=-T{}", root.join("link.ld").display());
    cargo.env("CARGO_ENCODED_RUSTFLAGS", [&FLAGS[..], &[&script]].concat().join("\x1f"));
    match cargo.output() {
        Ok(output) if output.status.success() => dir.join(target).join("release/agent"),
        Ok(output) => panic!("building the agent for {target} failed:\n{}", String::from_utf8_lossy(&output.stderr)),
        Err(e) => panic!("cargo cannot be run: {e}"),
    }
}

/// Whether the variable is meant for the outer build: its flags, profile and linker, or a wrapper such as clippy's. What
/// says where crates come from has to stay.
fn disturbs(name: &str) -> bool {
    const KEPT: [&str; 6] =
        ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_MAKEFLAGS"];
    let wrapper = matches!(name, "RUSTFLAGS" | "RUSTC_WRAPPER" | "RUSTC_WORKSPACE_WRAPPER" | "RUSTC_LINKER");
    wrapper || name.starts_with("CARGO_") && !KEPT.iter().any(|kept| name.starts_with(kept))
}

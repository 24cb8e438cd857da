//! The image of the range's metadata service: one static program on nothing.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use tokio::process::Command;

use crate::node_image::fingerprint::Fingerprint;
use crate::progress::{Tell, while_telling, words};
use crate::{program_image, tool};

/// Changes when the code here makes another image of the same sources.
const BUILD: &str = "1";

const REPOSITORY: &str = "oke-conformance/metadata-service";

const PROGRAM: &str = "metadata-service";

/// Nothing but the program is in the image: no dynamic loader, no libraries, and no symbols to carry about.
const RUSTFLAGS: &str = "-C target-feature=+crt-static -C strip=symbols";

/// Reference of an image that the local Docker engine has, building it first where it has none. Its entry point is the
/// program, which takes 169.254.169.254 itself and needs `NET_ADMIN` for it.
///
/// # Errors
/// When the program cannot be built or the engine does not take the image: the step that failed and why.
pub async fn ensure_image(tell: &dyn Tell) -> anyhow::Result<String> {
    let reference = reference()?;
    if program_image::present(&reference).await {
        return Ok(reference);
    }
    let since = Instant::now();
    tell.line("building the metadata service: a minute or two the first time");
    let compiled = Cell::new(0);
    let building = build(|| compiled.set(compiled.get() + 1));
    let status = |since| format!("building the metadata service: {} crates so far, {}", compiled.get(), words(since));
    let program = while_telling(tell, status, building).await.context("the metadata service cannot be built")?;
    program_image::import(&program, PROGRAM, &reference)
        .await
        .context("the metadata service's image cannot be made")?;
    tell.line(&format!("made {reference} ({:.1} s)", since.elapsed().as_secs_f32()));
    Ok(reference)
}

/// The lock file counts too: another dependency is another program.
fn reference() -> anyhow::Result<String> {
    let lock = workspace().join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).with_context(|| format!("{} cannot be read", lock.display()))?;
    let content = Fingerprint::new()
        .text(BUILD)
        .text(std::env::consts::ARCH)
        .text(RUSTFLAGS)
        .text(&lock)
        .text(include_str!("../../rust-toolchain.toml"))
        .tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM))?
        .finish();
    Ok(format!("{REPOSITORY}:{content}"))
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A target directory of its own: cargo may be running us and hold the other's lock, and other flags would rebuild both.
async fn build(compiling: impl Fn()) -> anyhow::Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let target_dir = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set; set one, what is built is kept below it")?
        .join("oke-conformance/metadata-service");
    // Named although it is the host's: only then do the flags spare the procedural macros, which cannot be static.
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::from(crate::cargo::command());
    cargo
        .args(["build", "--release", "--color=never", "--package", PROGRAM, "--target", &target, "--target-dir"])
        .arg(&target_dir)
        .current_dir(workspace())
        .env("RUSTFLAGS", RUSTFLAGS)
        // It would win over RUSTFLAGS.
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    tool::output_heard(&mut cargo, |line| {
        let crate_begun = line.trim_start().starts_with("Compiling ");
        if crate_begun {
            compiling();
        }
        crate_begun
    })
    .await?;
    Ok(target_dir.join(target).join("release").join(PROGRAM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_follows_the_content() {
        let reference = reference().unwrap();
        let (repository, tag) = reference.split_once(':').unwrap();
        assert_eq!(repository, "oke-conformance/metadata-service");
        assert_eq!(tag.len(), 12);
        assert_eq!(super::reference().unwrap(), reference);
    }
}

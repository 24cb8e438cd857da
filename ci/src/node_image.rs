//! The node image of the range: the published one where a registry answers, else one built here from Go modules and Debian
//! packages. Everything is named by the content it is made from, so that nothing is made twice.

mod base_system;
mod cache;
mod container_image;
mod content_store;
mod engine_image;
pub(crate) mod fingerprint;
mod go_part;
mod pause;
mod published;
mod rootfs;
mod versions;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use futures::future::try_join_all;
use tokio::sync::Semaphore;

use crate::program_image::present;
use crate::{apt, tool};
use cache::Cache;
use fingerprint::Fingerprint;
pub use versions::{KUBERNETES, PAUSE};

/// The code that puts an image together is one of its inputs: what it did yesterday must not pass for what it does today.
const ASSEMBLY: &[&str] = &[
    include_str!("node_image/container_image.rs"),
    include_str!("node_image/content_store.rs"),
    include_str!("node_image/engine_image.rs"),
    include_str!("node_image/rootfs.rs"),
    include_str!("node_image/versions.rs"),
];

const REPOSITORY: &str = "oke-conformance/node";

/// What a build needs beside the Go toolchain. A path stands for a package without a program.
const NEEDS: &[apt::Need] = &[
    ("debootstrap", "debootstrap"),
    // Without these two debootstrap installs what nobody signed.
    ("gpgv", "gpgv"),
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
    ("gcc", "gcc"),
    // gcc only recommends it, and a static pause links it.
    ("/usr/include/stdlib.h", "libc6-dev"),
    ("tar", "tar"),
    ("xz", "xz-utils"),
];

/// Reference of a node image that the local Docker engine has, pulling or building it first where it has none. The engine
/// must answer: see [`crate::docker_engine::ensure`].
///
/// # Errors
/// When no image can be had: the step that failed, why, and what to do.
pub async fn ensure(progress: &dyn Fn(&str)) -> anyhow::Result<String> {
    let reference = reference()?;
    if present(&reference).await {
        return Ok(reference);
    }
    if let Some(published) = published::pull(progress).await {
        return Ok(published);
    }
    build(&reference, progress).await.context("the node image cannot be built")?;
    Ok(reference)
}

/// Reference of a node image built here, whether or not a registry answers: it alone holds our network policy engine and
/// the pause image under a digest that every node knows.
///
/// # Errors
/// As [`ensure`].
pub async fn ensure_built(progress: &dyn Fn(&str)) -> anyhow::Result<String> {
    let reference = reference()?;
    if !present(&reference).await {
        build(&reference, progress).await.context("the node image cannot be built")?;
    }
    Ok(reference)
}

/// The `kind` program, built from its Go module where the cache has none.
///
/// # Errors
/// When there is no Go toolchain or the module cannot be built.
pub async fn kind_binary() -> anyhow::Result<PathBuf> {
    let cache = Cache::open()?;
    let kind = go_part::find("kind");
    if let Some(made) = cache.find(kind.name, &kind.key(&inputs())?) {
        return Ok(made.join("kind"));
    }
    let _lock = cache.lock(&|_| ()).await?;
    Ok(kind.ensure(&cache, &inputs(), &|_| ()).await?.join("kind"))
}

/// The programs of a cluster below 1.25, by name: an API server with its controllers and its kubectl, and etcd, each built from its Go
/// module where the cache has none. With them the key of what they were made from.
///
/// # Errors
/// When there is no Go toolchain or a module cannot be built.
pub(crate) async fn before_1_25(
    module: &Path,
    progress: &dyn Fn(&str),
) -> anyhow::Result<(Vec<(&'static str, PathBuf)>, String)> {
    let cache = Cache::open()?;
    let (old, etcd, own) = (&go_part::BEFORE_1_25, go_part::find("etcd"), inputs());
    let (old_key, etcd_key) = (old.key(module)?, etcd.key(&own)?);
    let made = match (cache.find(old.name, &old_key), cache.find(etcd.name, &etcd_key)) {
        (Some(old), Some(etcd)) => (old, etcd),
        _ => {
            let _lock = cache.lock(progress).await?;
            (old.ensure(&cache, module, progress).await?, etcd.ensure(&cache, &own, progress).await?)
        }
    };
    let mut programs = vec![("etcd", made.1.join("etcd"))];
    programs.extend(["kube-apiserver", "kube-controller-manager", "kubectl"].map(|name| (name, made.0.join(name))));
    let key = Fingerprint::new().text(&old_key).text(&etcd_key).finish();
    Ok((programs, key))
}

/// A policy engine that is built like the node image's parts, and is none of them.
pub(crate) struct EngineProgram {
    /// The program.
    pub(crate) path: PathBuf,
    /// Changes with it.
    pub(crate) key: String,
    /// Its module's source.
    pub(crate) source: PathBuf,
}

/// Kyverno's admission controller, built from its Go module where the cache has none.
///
/// # Errors
/// When there is no Go toolchain or the module cannot be had or built.
pub(crate) async fn kyverno(progress: &dyn Fn(&str)) -> anyhow::Result<EngineProgram> {
    let (cache, part, inputs) = (Cache::open()?, go_part::KYVERNO, engines());
    let key = part.key(&inputs)?;
    let made = match cache.find(part.name, &key) {
        Some(made) => made,
        None => {
            let _lock = cache.lock(progress).await?;
            part.ensure(&cache, &inputs, progress).await?
        }
    };
    let source = go_part::source(&inputs, part.name, "github.com/kyverno/kyverno").await?;
    Ok(EngineProgram { path: made.join("kyverno"), key, source })
}

/// The modules of policy engines.
fn engines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("engines")
}

/// The data that an image is made from.
fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("node-image")
}

fn reference() -> anyhow::Result<String> {
    let content = Fingerprint::new()
        .text(&ASSEMBLY.concat())
        .text(std::env::consts::ARCH)
        .text(&format!("{:?}{:?}", go_part::PARTS, base_system::ALL))
        .tree(&inputs())?
        .finish();
    Ok(format!("{REPOSITORY}:{KUBERNETES}-{content}"))
}

async fn build(reference: &str, progress: &dyn Fn(&str)) -> anyhow::Result<()> {
    let whole = Instant::now();
    go_part::require_toolchain()?;
    if !tool::are_we_root() {
        anyhow::bail!(
            "debootstrap makes the base system and needs root; run as root once, the image stays in the Docker engine"
        );
    }
    apt::ensure(NEEDS, progress).await?;

    let cache = Cache::open()?;
    let _lock = cache.lock(progress).await?;
    // Another process may have built it while we waited for the lock.
    if present(reference).await {
        return Ok(());
    }
    progress("building the node image from source: minutes the first time, seconds once the parts are cached");

    let inputs = inputs();
    let lanes = Semaphore::new(2);
    let parts = try_join_all(go_part::PARTS.iter().map(|part| async {
        let _lane = lanes.acquire().await?;
        part.ensure(&cache, &inputs, progress).await
    }));
    // debootstrap mostly waits for its mirror and for the disk: it runs beside the compilers.
    let bases = async {
        let mut made = Vec::new();
        for base in base_system::ALL {
            made.push(base.ensure(&cache, progress).await?);
        }
        anyhow::Ok(made)
    };
    let pause = async {
        // pause.c is in the Kubernetes module: `go mod download` has brought it, but only once that part is there.
        let _lane = lanes.acquire().await?;
        pause::ensure(&cache, &inputs, progress).await
    };
    let (parts, bases, pause) = tokio::try_join!(parts, bases, pause)?;

    let made = rootfs::Made {
        parts: go_part::PARTS.iter().map(|part| part.name).zip(parts).collect(),
        bases: base_system::ALL.iter().map(|base| base.name).zip(bases).collect(),
        pause,
    };
    let since = Instant::now();
    let work = cache.work("assemble")?;
    assemble(&made, &inputs, work.path(), reference, progress).await?;
    progress(&format!("assembled {reference} ({:.1} s)", since.elapsed().as_secs_f32()));
    progress(&format!("the node image took {:.0} s in all", whole.elapsed().as_secs_f32()));
    Ok(())
}

async fn assemble(
    made: &rootfs::Made,
    inputs: &Path,
    work: &Path,
    reference: &str,
    progress: &dyn Fn(&str),
) -> anyhow::Result<()> {
    let root = work.join("root");
    step("laid out the file system", progress, rootfs::lay_out(made, inputs, &root)).await?;
    let images =
        step("wrote the container images", progress, container_image::write_all(made, inputs, &work.join("images")))
            .await?;
    let (containerd, store) = (&made.parts["containerd"], work.join("store"));
    step("filled containerd's store", progress, content_store::fill(containerd, &images, &store, &root)).await?;
    step("loaded it into the Docker engine", progress, engine_image::load(&root, reference, &work.join("image"))).await
}

/// Says how long a step took, once it is done.
async fn step<T>(
    what: &str,
    progress: &dyn Fn(&str),
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let since = Instant::now();
    let made = work.await?;
    progress(&format!("{what} ({:.1} s)", since.elapsed().as_secs_f32()));
    Ok(made)
}

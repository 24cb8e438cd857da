//! The node image of the range: the published one where a registry answers, else one built here from Go modules and Debian
//! packages. Everything is named by the content it is made from, so that nothing is made twice.

mod base_system;
mod cache;
mod compilation;
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
use crate::progress::{Tell, while_telling, words};
use crate::{apt, tool};
use cache::Cache;
use compilation::Compilation;
use fingerprint::Fingerprint;
pub(crate) use go_part::{GoPart, KUBERNETES_1_24, KUBERNETES_1_31, KUBERNETES_1_34, KUBERNETES_1_37};
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
pub async fn ensure(tell: &dyn Tell) -> anyhow::Result<String> {
    let reference = reference()?;
    if present(&reference).await {
        return Ok(reference);
    }
    if let Some(published) = published::pull(tell).await {
        return Ok(published);
    }
    build(&reference, tell).await.context("the node image cannot be built")?;
    Ok(reference)
}

/// Reference of a node image built here, whether or not a registry answers: it alone holds our network policy engine and
/// the pause image under a digest that every node knows.
///
/// # Errors
/// As [`ensure`].
pub async fn ensure_built(tell: &dyn Tell) -> anyhow::Result<String> {
    let reference = reference()?;
    if !present(&reference).await {
        build(&reference, tell).await.context("the node image cannot be built")?;
    }
    Ok(reference)
}

/// The `kind` program, built from its Go module where the cache has none.
///
/// # Errors
/// When there is no Go toolchain or the module cannot be built.
pub async fn kind_binary(tell: &dyn Tell) -> anyhow::Result<PathBuf> {
    let cache = Cache::open()?;
    let kind = go_part::find("kind");
    if let Some(made) = cache.find(kind.name, &kind.key(&inputs())?) {
        return Ok(made.join("kind"));
    }
    let _lock = cache.lock(tell).await?;
    Ok(make(&[(kind, &inputs())], &cache, tell).await?.remove(0).join("kind"))
}

/// The programs of a cluster without nodes, by name: the API server that `part` builds from its module below `modules`, its controllers, a
/// kubectl, and etcd, each built where the cache has none. With them the key of what they were made from.
///
/// # Errors
/// When there is no Go toolchain or a module cannot be built.
pub(crate) async fn without_nodes(
    part: &GoPart,
    modules: &Path,
    tell: &dyn Tell,
) -> anyhow::Result<(Vec<(&'static str, PathBuf)>, String)> {
    let (cache, own) = (Cache::open()?, inputs());
    let mut wanted = vec![(part, modules), (go_part::find("etcd"), own.as_path())];
    // One kubectl does for all whose own would only be another one to build.
    if !part.builds("kubectl") {
        wanted.push((&KUBERNETES_1_34, &own));
    }
    let (mut found, mut print) = (Vec::new(), Fingerprint::new());
    for (part, inputs) in &wanted {
        let key = part.key(inputs)?;
        found.extend(cache.find(part.name, &key));
        print = print.text(&key);
    }
    if found.len() < wanted.len() {
        let _lock = cache.lock(tell).await?;
        found = make(&wanted, &cache, tell).await?;
    }
    let [made, etcd, ..] = found.as_slice() else { unreachable!("each part is made") };
    let kubectl = found.get(2).unwrap_or(made);
    let programs = vec![
        ("etcd", etcd.join("etcd")),
        ("kube-apiserver", made.join("kube-apiserver")),
        ("kube-controller-manager", made.join("kube-controller-manager")),
        ("kubectl", kubectl.join("kubectl")),
    ];
    Ok((programs, print.finish()))
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
pub(crate) async fn kyverno(tell: &dyn Tell) -> anyhow::Result<EngineProgram> {
    engine(&go_part::KYVERNO, "github.com/kyverno/kyverno", tell).await
}

/// Gatekeeper's manager, in the same way.
///
/// # Errors
/// As [`kyverno`].
pub(crate) async fn gatekeeper(tell: &dyn Tell) -> anyhow::Result<EngineProgram> {
    engine(&go_part::GATEKEEPER, "github.com/open-policy-agent/gatekeeper/v3", tell).await
}

/// An engine whose program Go calls as its part is called.
async fn engine(part: &GoPart, module: &str, tell: &dyn Tell) -> anyhow::Result<EngineProgram> {
    let (cache, inputs) = (Cache::open()?, engines());
    let key = part.key(&inputs)?;
    let made = match cache.find(part.name, &key) {
        Some(made) => made,
        None => {
            let _lock = cache.lock(tell).await?;
            make(&[(part, &inputs)], &cache, tell).await?.remove(0)
        }
    };
    let source = go_part::source(&inputs, part.name, module).await?;
    Ok(EngineProgram { path: made.join(part.name), key, source })
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

async fn build(reference: &str, tell: &dyn Tell) -> anyhow::Result<()> {
    let whole = Instant::now();
    go_part::require_toolchain()?;
    if !tool::are_we_root() {
        anyhow::bail!(
            "debootstrap makes the base system and needs root; run as root once, the image stays in the Docker engine"
        );
    }
    apt::ensure(NEEDS, tell).await?;

    let cache = Cache::open()?;
    let _lock = cache.lock(tell).await?;
    // Another process may have built it while we waited for the lock.
    if present(reference).await {
        return Ok(());
    }
    tell.line("building the node image from source: minutes the first time, seconds once the parts are cached");

    let inputs = inputs();
    let wanted: Vec<(&GoPart, &Path)> = go_part::PARTS.iter().map(|part| (part, inputs.as_path())).collect();
    let bases = base_system::ALL.iter().filter(|base| !base.is_made(&cache)).map(|base| base.name);
    let compilation = Compilation::of(missing(&wanted, &cache)?, bases, tell);
    let lanes = Semaphore::new(LANES);
    let parts = parts(&wanted, &cache, &lanes, &compilation);
    // debootstrap mostly waits for its mirror and for the disk: it runs beside the compilers.
    let bases = async {
        let mut made = Vec::new();
        for base in base_system::ALL {
            made.push(base.ensure(&cache, tell).await?);
            compilation.ended(base.name);
        }
        anyhow::Ok(made)
    };
    let pause = async {
        // pause.c is in the Kubernetes module: `go mod download` has brought it, but only once that part is there.
        let _lane = lanes.acquire().await?;
        pause::ensure(&cache, &inputs, tell).await
    };
    let all = async { tokio::try_join!(parts, bases, pause) };
    let (parts, bases, pause) = while_telling(tell, |since| compilation.status(since), all).await?;

    let made = rootfs::Made {
        parts: go_part::PARTS.iter().map(|part| part.name).zip(parts).collect(),
        bases: base_system::ALL.iter().map(|base| base.name).zip(bases).collect(),
        pause,
    };
    let since = Instant::now();
    let work = cache.work("assemble")?;
    assemble(&made, &inputs, work.path(), reference, tell).await?;
    tell.line(&format!("assembled {reference} ({:.1} s)", since.elapsed().as_secs_f32()));
    tell.line(&format!("the node image took {:.0} s in all", whole.elapsed().as_secs_f32()));
    Ok(())
}

/// Parts that are built at once: each leaves the processors idle while it links its last program.
const LANES: usize = 2;

/// Makes parts that are no parts of the node image, or not now. Each is with its inputs.
async fn make(wanted: &[(&GoPart, &Path)], cache: &Cache, tell: &dyn Tell) -> anyhow::Result<Vec<PathBuf>> {
    let (compilation, lanes) = (Compilation::of(missing(wanted, cache)?, [], tell), Semaphore::new(LANES));
    let parts = parts(wanted, cache, &lanes, &compilation);
    while_telling(tell, |since| compilation.status(since), parts).await
}

/// The names of those that the cache lacks.
fn missing(wanted: &[(&GoPart, &Path)], cache: &Cache) -> anyhow::Result<Vec<&'static str>> {
    let mut names = Vec::new();
    for (part, inputs) in wanted {
        if cache.find(part.name, &part.key(inputs)?).is_none() {
            names.push(part.name);
        }
    }
    Ok(names)
}

/// Builds what is missing of the parts, and counts beside it what there is to build.
async fn parts(
    wanted: &[(&GoPart, &Path)],
    cache: &Cache,
    lanes: &Semaphore,
    compilation: &Compilation<'_>,
) -> anyhow::Result<Vec<PathBuf>> {
    let building = try_join_all(wanted.iter().map(|(part, inputs)| async {
        let _lane = lanes.acquire().await?;
        part.ensure(cache, inputs, compilation).await
    }));
    let counting = async {
        for (part, inputs) in wanted.iter().filter(|(part, _)| compilation.lacks(part.name)) {
            // What Go has to say against it, the build is told as well.
            let _ = part.count(inputs, compilation).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        built = building => built,
        () = counting => unreachable!("it does not end"),
    }
}

async fn assemble(
    made: &rootfs::Made,
    inputs: &Path,
    work: &Path,
    reference: &str,
    tell: &dyn Tell,
) -> anyhow::Result<()> {
    let root = work.join("root");
    step("laying out the file system", tell, rootfs::lay_out(made, inputs, &root)).await?;
    let images =
        step("writing the container images", tell, container_image::write_all(made, inputs, &work.join("images")))
            .await?;
    let (containerd, store) = (&made.parts["containerd"], work.join("store"));
    step("filling containerd's store", tell, content_store::fill(containerd, &images, &store, &root)).await?;
    step("loading it into the Docker engine", tell, engine_image::load(&root, reference, &work.join("image"))).await
}

/// Says what is under way, and how long it took once it is done.
async fn step<T>(what: &str, tell: &dyn Tell, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let since = Instant::now();
    let made = while_telling(tell, |since| format!("{what}, {}", words(since)), work).await?;
    tell.line(&format!("{what} ({:.1} s)", since.elapsed().as_secs_f32()));
    Ok(made)
}

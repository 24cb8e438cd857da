//! The range: a real three-node kind cluster to practise on, with a metadata service, in containers of this machine.
//!
//! ```no_run
//! # async fn run() -> anyhow::Result<()> {
//! use ci::range::{Lifetime, Range};
//! let range = Range::up("mine", Lifetime::ThrowAway, std::sync::Arc::new(|line: &str| println!("{line}"))).await?;
//! println!("KUBECONFIG={}", range.kubeconfig().display());
//! range.down().await
//! # }
//! ```
//!
//! A throw-away range ends with its [`Range`]: by [`Range::down`], or when it is dropped, also by a panic or by dropping
//! the future of [`Range::up`] half-way. `std::process::exit` runs no destructors: end the range first, by
//! [`Range::remove`] where the value is out of reach. What a killed process leaves, the next [`Range::up`] removes.

mod bring_up;
pub(crate) mod change;
mod containers;
pub(crate) mod docker;
pub(crate) mod engine;
mod families;
mod fence;
pub(crate) mod hardening;
mod inventory;
mod kubeadm;
pub(crate) mod kubeconfig;
pub(crate) mod kubectl;
mod layout;
mod machine;
mod manifests;
pub(crate) mod names;
mod network;
pub(crate) mod owner;
mod pod_routes;
pub(crate) mod remains;
pub(crate) mod sabotage;
mod steps;
mod template;
mod unfinished;
mod variant;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use harness::settings::ClusterSettings;
use serde_json::Value;

pub(crate) use change::POLICIES_TAKEN_UP_AFTER;
pub use engine::Engine;
pub use families::Families;
pub(crate) use manifests::{data_dir, read_all};
pub use sabotage::Sabotage;
pub use steps::{Progress, Timings};
pub use variant::Variant;

use bring_up::Images;
use kubectl::Kubectl;
use names::Names;
use steps::Steps;
use unfinished::Unfinished;

/// Everything that belongs to a range carries this label, with the range's name as its value.
pub const RANGE_LABEL: &str = "oke-conformance.range";

/// How long a range lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as its [`Range`], and no longer than the process.
    ThrowAway,
    /// Until somebody takes it down by name.
    Kept,
}

impl Lifetime {
    fn word(self) -> &'static str {
        match self {
            Self::ThrowAway => "throw-away",
            Self::Kept => "kept",
        }
    }

    fn from_word(word: &str) -> Self {
        if word == "throw-away" { Self::ThrowAway } else { Self::Kept }
    }
}

/// What to bring up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The range's name.
    pub name: String,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Whether the hardening of `ci/range/hardened/` is applied.
    pub hardened: bool,
    /// Which families of addresses it has.
    pub families: Families,
    /// Whether the containers of a failed attempt stay for a look at them.
    pub keep_failed: bool,
}

/// A running range.
#[derive(Debug)]
pub struct Range {
    names: Names,
    kubeconfig: PathBuf,
    timings: Timings,
    ends_with_this: bool,
}

/// What is known of every range: `ci/range/conformance.toml`.
///
/// # Errors
/// When it cannot be read.
pub fn settings() -> Result<Option<ClusterSettings>> {
    harness::settings::find(&manifests::data_dir(), "range")
}

impl Range {
    /// Brings a hardened range up; one that is kept and healthy already is taken as it is.
    ///
    /// # Errors
    /// When the machine cannot run it, or the name is in use. Nothing of the attempt is left then.
    pub async fn up(name: &str, lifetime: Lifetime, progress: Progress) -> Result<Self> {
        let families = Families::Ipv4;
        let plan = Plan { name: name.to_owned(), lifetime, hardened: true, families, keep_failed: false };
        Self::follow(&plan, progress).await
    }

    /// Brings a range up as a [`Plan`] has it.
    ///
    /// # Errors
    /// As for [`Range::up`]; with `keep_failed` the containers stay.
    pub async fn follow(plan: &Plan, progress: Progress) -> Result<Self> {
        let names = Names::new(&plan.name)?;
        let steps = Steps::new(progress);
        crate::docker_engine::ensure(steps.tell()).await?;
        if let Some(range) = Self::standing(&names, plan.lifetime, &steps).await? {
            return Ok(range);
        }
        for swept in Self::sweep()? {
            steps.say(&format!("removed range `{swept}`, left by a process that is gone"));
        }
        remains::remove(&names)?;
        machine::raise_limits(&|line| steps.say(line));
        let images = steps.step("images at hand", images(&steps)).await?;

        let unfinished = Unfinished::new(&names, plan.keep_failed);
        bring_up::run(&unfinished, &names, plan, &images, &steps)
            .await
            .with_context(|| format!("range `{}` did not come up", plan.name))?;
        unfinished.finish();
        Ok(Self {
            kubeconfig: kubeconfig::path(&names)?,
            names,
            timings: steps.timings(),
            ends_with_this: plan.lifetime == Lifetime::ThrowAway,
        })
    }

    /// The range that stands already, if it may be used; `None` when the place is free, or only wreckage lies there.
    async fn standing(names: &Names, lifetime: Lifetime, steps: &Steps) -> Result<Option<Self>> {
        let Some(found) = remains::of(names)? else {
            return Ok(None);
        };
        let name = names.range();
        let owner = found.owner.as_ref().filter(|owner| owner.is_alive());
        if found.lifetime == Lifetime::ThrowAway {
            if let Some(owner) = owner {
                bail!("range `{name}` is in use by process {}; choose another name or wait for it", owner.pid());
            }
            return Ok(None);
        }
        match Self::attach(name).await {
            Ok(range) if lifetime == Lifetime::Kept => {
                steps.say(&format!("range `{name}` is up already and healthy"));
                Ok(Some(range))
            }
            Ok(_) => bail!("a kept range `{name}` is up already; choose another name or take it down first"),
            Err(_) if owner.is_some_and(|owner| owner.pid() != std::process::id()) => {
                let pid = owner.map_or(0, owner::Owner::pid);
                bail!("range `{name}` is being brought up by process {pid}; wait for it or end it")
            }
            Err(error) => {
                steps.say(&format!("range `{name}` is broken ({}); it is made anew", error.root_cause()));
                Ok(None)
            }
        }
    }

    /// Takes hold of a range that is up; dropping it leaves it up.
    ///
    /// # Errors
    /// When there is none of that name, or it is not healthy.
    pub async fn attach(name: &str) -> Result<Self> {
        let names = Names::new(name)?;
        if remains::of(&names)?.is_none() {
            bail!("there is no range `{name}` on this machine; `cargo xtask range up --name {name}` makes it");
        }
        let layout = bring_up::check(&names).await.with_context(|| format!("range `{name}` cannot be used"))?;
        // Always anew: the file may be of an earlier range of the same name.
        bring_up::write_kubeconfig(&names, &layout).await?;
        Ok(Self { kubeconfig: kubeconfig::path(&names)?, names, timings: Timings::default(), ends_with_this: false })
    }

    /// The range's name.
    pub fn name(&self) -> &str {
        self.names.range()
    }

    /// The kubeconfig file through which this machine reaches the range.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The one context in the kubeconfig.
    pub fn context(&self) -> String {
        self.names.context()
    }

    /// How long bringing it up took; empty when it was up already.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Ends the range, whatever its lifetime.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn down(mut self) -> Result<()> {
        self.ends_with_this = false;
        Self::remove(self.names.range()).await
    }

    /// Ends a range by name, whole or in ruins. There is none: nothing to do.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn remove(name: &str) -> Result<()> {
        let names = Names::new(name)?;
        tokio::task::spawn_blocking(move || remains::remove(&names)).await?
    }

    /// Removes throw-away ranges whose process is gone, and the files of ranges that do not exist any more.
    ///
    /// # Errors
    /// When Docker refuses.
    pub fn sweep() -> Result<Vec<String>> {
        let all = remains::all()?;
        let mut swept = Vec::new();
        for found in all.iter().filter(|found| found.is_abandoned()) {
            remains::remove(&Names::new(&found.range)?)?;
            swept.push(found.range.clone());
        }
        for names in kubeconfig::known()? {
            if !all.iter().any(|found| found.range == names.range()) {
                kubeconfig::remove(&names)?;
            }
        }
        Ok(swept)
    }

    /// Removes every range on this machine, whoever made it.
    ///
    /// # Errors
    /// When Docker refuses.
    pub fn remove_all() -> Result<Vec<String>> {
        Self::sweep()?;
        let mut removed = Vec::new();
        for found in remains::all()? {
            remains::remove(&Names::new(&found.range)?)?;
            removed.push(found.range);
        }
        Ok(removed)
    }

    /// Every range on this machine with a word on its state, by name.
    ///
    /// # Errors
    /// When Docker does not answer.
    pub async fn list() -> Result<Vec<Status>> {
        let mut list = Vec::new();
        for found in remains::all()? {
            let trouble = match Self::attach(&found.range).await {
                Ok(_) => None,
                Err(error) => Some(error.root_cause().to_string()),
            };
            list.push(Status { name: found.range, lifetime: found.lifetime, trouble });
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// Takes one protection away.
    ///
    /// # Errors
    /// When the cluster refuses, or the effect does not show in time.
    pub async fn sabotage(&self, sabotage: &Sabotage) -> Result<()> {
        self.sabotage_with(&[sabotage]).await
    }

    /// Takes several protections away, at once.
    ///
    /// # Errors
    /// As for [`Range::sabotage`]; some may be gone then.
    pub async fn sabotage_with(&self, sabotages: &[&Sabotage]) -> Result<()> {
        sabotage::commit(sabotages, &self.kubectl(), &self.names).await
    }

    /// Gives the protection back.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn restore(&self, sabotage: &Sabotage) -> Result<()> {
        self.restore_from(&[sabotage]).await
    }

    /// Gives several protections back, at once.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn restore_from(&self, sabotages: &[&Sabotage]) -> Result<()> {
        sabotage::undo(sabotages, &self.kubectl(), &self.names).await
    }

    /// Makes it a range of other kinds, all of `variants` at once.
    ///
    /// # Errors
    /// When the cluster refuses; some may be made then.
    pub(crate) async fn vary(&self, variants: &[&Variant]) -> Result<()> {
        change::commit(
            &variants.iter().map(|variant| &variant.change).collect::<Vec<_>>(),
            &self.kubectl(),
            &self.names,
        )
        .await
    }

    /// ... and the hardened range again.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub(crate) async fn vary_no_more(&self, variants: &[&Variant]) -> Result<()> {
        change::undo(&variants.iter().map(|variant| &variant.change).collect::<Vec<_>>(), &self.kubectl(), &self.names)
            .await
    }

    /// Fills what stands for this range in a variant's own words.
    ///
    /// # Errors
    /// When a placeholder is unknown.
    pub(crate) fn named_in(&self, what: &str, text: &str) -> Result<String> {
        let ([worker, worker2], context) = (self.names.workers(), self.context());
        template::render(what, text, &[("CONTEXT", &context), ("WORKER", &worker), ("WORKER2", &worker2)])
    }

    /// Makes an engine, and only it, the one that keeps the Pod Security Standards.
    ///
    /// # Errors
    /// When it cannot be had, the cluster refuses it, or it does not refuse in time what it must.
    pub async fn engine(&self, engine: Engine, say: &dyn Fn(&str)) -> Result<()> {
        let context = || format!("engine {} cannot be put in place", engine.name());
        engine.install(&self.kubectl(), &self.names, say).await.with_context(context)
    }

    /// Takes away what the engine in place protects.
    ///
    /// # Errors
    /// When the cluster refuses, or something is still refused after a while.
    pub async fn unprotect(&self, engine: Engine) -> Result<()> {
        let context = || format!("engine {} keeps its protection", engine.name());
        engine.take_away(&self.kubectl()).await.with_context(context)
    }

    /// ... and gives it back.
    ///
    /// # Errors
    /// When the cluster refuses, or what must be refused is not after a while.
    pub async fn protect(&self, engine: Engine) -> Result<()> {
        let context = || format!("engine {} does not protect again", engine.name());
        engine.give_back(&self.kubectl(), &self.names).await.with_context(context)
    }

    /// Has the Kyverno in place keep `policies` instead of its own.
    ///
    /// # Errors
    /// When it refuses them, or does not say in time that they are kept.
    pub(crate) async fn kyverno_keeps(&self, policies: &[Value]) -> Result<()> {
        engine::kyverno::keeps(&self.kubectl(), policies).await
    }

    /// Has the Gatekeeper in place keep `constraints` of `templates` instead of its own.
    ///
    /// # Errors
    /// When it refuses them.
    pub(crate) async fn gatekeeper_keeps(&self, templates: &[Value], constraints: &[Value]) -> Result<()> {
        engine::gatekeeper::take_away(&self.kubectl()).await?;
        engine::gatekeeper::keeps(&self.kubectl(), templates, constraints).await
    }

    /// What the metadata service was asked so far, a JSON object a line.
    ///
    /// # Errors
    /// When its container is gone.
    pub fn metadata_log(&self) -> Result<String> {
        docker::docker(&["logs", &self.names.metadata()])
    }

    /// Every object in the cluster that can be listed, sorted: which it is, whether it was made anew, and its labels; without
    /// events, which come and go by themselves.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub async fn objects(&self) -> Result<Vec<String>> {
        inventory::of(&self.kubectl()).await
    }

    pub(crate) fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.names.control_plane())
    }

    /// The metadata service's address in the range's network.
    pub(crate) fn metadata(&self) -> Result<std::net::Ipv4Addr> {
        Ok(layout::Layout::of(&self.names)?.metadata.address)
    }

    /// The nodes' containers.
    pub(crate) fn nodes(&self) -> [String; 3] {
        self.names.nodes()
    }

    pub(crate) fn workers(&self) -> [String; 2] {
        self.names.workers()
    }

    /// Waits until pods reach pods on other nodes.
    pub(crate) async fn until_routed(&self) -> Result<()> {
        pod_routes::until_there(&layout::Layout::of(&self.names)?, &self.kubectl()).await
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        if self.ends_with_this {
            remains::remove_or_warn(&self.names);
        }
    }
}

/// A line of [`Range::list`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The range's name.
    pub name: String,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Why it cannot be used; `None` when it can.
    pub trouble: Option<String>,
}

async fn images(steps: &Steps) -> Result<Images> {
    let node = crate::node_image::ensure(steps.tell()).await.context("the node image is not to be had")?;
    let metadata = crate::metadata_service::ensure_image(steps.tell())
        .await
        .context("the metadata service's image is not to be had")?;
    Ok(Images { node, metadata })
}

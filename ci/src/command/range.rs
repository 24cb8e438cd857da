//! `cargo xtask range ...`.

use std::collections::BTreeSet;

use anyhow::Result;
use ci::faults::{Extent, Fault};
use ci::prove::{Company, Seed, Subject};
use ci::range::{Engine, Families, Lifetime, Plan, Range, Sabotage, Variant};
use clap::{Args, Subcommand};

use crate::console;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Bring a range up and keep it; one that is up and healthy is left as it is
    Up {
        #[command(flatten)]
        range: Name,
        /// Leave the cluster as kubeadm makes it
        #[arg(long)]
        no_hardening: bool,
        /// Give nodes, pods and Services IPv6 addresses besides
        #[arg(long)]
        dual_stack: bool,
        /// Should it fail, leave its containers for a look at them
        #[arg(long)]
        keep_failed: bool,
    },
    /// Remove a range, whole or in ruins
    Down {
        #[command(flatten)]
        range: Name,
        /// Remove every range on this machine
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// List the ranges on this machine
    Status,
    /// Take one protection away, to see its scenarios fail
    Sabotage {
        /// One of `cargo xtask range sabotages`
        sabotage: String,
        #[command(flatten)]
        range: On,
    },
    /// Give the protection back
    Restore {
        /// One of `cargo xtask range sabotages`
        sabotage: String,
        #[command(flatten)]
        range: On,
    },
    /// List the sabotages: what each takes away, and which scenarios must fail then
    Sabotages,
    /// Prove the suite: commit the sabotages, see exactly their scenarios fail, undo them and see those pass
    Prove {
        /// Some of `cargo xtask range sabotages`; all where none is named
        sabotages: Vec<String>,
        /// Only what the changes since then, committed or not, can touch: some minutes instead of many
        #[arg(long, value_name = "REV", conflicts_with = "sabotages")]
        since: Option<String>,
        /// Draw the groups of an earlier proof again; another seed each time where none is given
        #[arg(long)]
        seed: Option<Seed>,
        /// One sabotage after the other, instead of together those that do not get in each other's way
        #[arg(long, conflicts_with = "seed")]
        alone: bool,
        #[command(flatten)]
        range: On,
    },
    /// Have one policy engine keep the Pod Security Standards, and no other
    Engine {
        /// Who keeps them
        engine: Engine,
        #[command(flatten)]
        range: On,
    },
    /// Prove that the suite knows each policy engine: denied by its name with its protection, allowed without
    Engines {
        /// Some of the engines; all where none is named
        engines: Vec<Engine>,
        #[command(flatten)]
        range: On,
    },
    /// Prove the suite honest: clusters that are fine and not the range, where nothing is allowed and what cannot be told says why
    Variants {
        /// Some of the variants, see --list; all where none is named
        variants: Vec<String>,
        /// List the variants: what is otherwise
        #[arg(long)]
        list: bool,
        /// One after the other, instead of together those that go together
        #[arg(long)]
        alone: bool,
        #[command(flatten)]
        range: On,
    },
    /// Prove the suite under faults: on a range that denies nothing no run says `denied`, none hangs, none leaves anything
    Faults {
        /// Some of the faults, see --list; all where none is named
        faults: Vec<String>,
        /// List the faults: what goes wrong, and when
        #[arg(long)]
        list: bool,
        /// Ask every scenario, not one of each kind
        #[arg(long)]
        all: bool,
        /// Draw the one of each kind as an earlier run did
        #[arg(long, conflicts_with = "all")]
        seed: Option<Seed>,
        /// On the whole range too, where `allowed` would be a false alarm, under every fault and not under load alone
        #[arg(long)]
        whole: bool,
        #[command(flatten)]
        range: On,
    },
    /// Print what the metadata service was asked, a JSON object a line
    MetadataLog {
        #[command(flatten)]
        range: On,
    },
}

#[derive(Args)]
pub(crate) struct Name {
    /// The range's name
    #[arg(long, default_value = "range")]
    name: String,
}

#[derive(Args)]
pub(crate) struct On {
    /// The range's name
    #[arg(long = "range", default_value = "range")]
    name: String,
}

pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Up { range, no_hardening, dual_stack, keep_failed } => {
            let plan = Plan {
                name: range.name,
                lifetime: Lifetime::Kept,
                hardened: !no_hardening,
                families: if dual_stack { Families::Both } else { Families::Ipv4 },
                keep_failed,
            };
            up(&plan).await
        }
        Command::Down { all: true, .. } => {
            for name in Range::remove_all()? {
                println!("removed range `{name}`");
            }
            Ok(())
        }
        Command::Down { range, .. } => {
            Range::remove(&range.name).await?;
            println!("range `{}` is gone", range.name);
            Ok(())
        }
        Command::Status => status().await,
        Command::Sabotage { sabotage, range } => {
            let sabotage = Sabotage::named(&sabotage)?;
            Range::attach(&range.name).await?.sabotage(&sabotage).await?;
            println!("{}", sabotage.summary);
            Ok(())
        }
        Command::Restore { sabotage, range } => {
            let sabotage = Sabotage::named(&sabotage)?;
            Range::attach(&range.name).await?.restore(&sabotage).await?;
            println!("sabotage `{}` is undone", sabotage.name);
            Ok(())
        }
        Command::Sabotages => {
            for sabotage in Sabotage::all()? {
                println!("{:<32} {}", sabotage.name, sabotage.summary);
            }
            Ok(())
        }
        Command::Prove { sabotages, since, seed, alone, range } => {
            let tell = |line: &str| println!("{line}");
            let subject = match (since, sabotages.as_slice()) {
                (Some(revision), _) => match ci::prove::since(&revision, &tell)? {
                    Some(subject) => subject,
                    None => return Ok(()),
                },
                (None, []) => Subject::everything()?,
                (None, named) => {
                    let named: BTreeSet<&String> = named.iter().collect();
                    let sabotages = named.iter().map(|name| Sabotage::named(name)).collect::<Result<_>>()?;
                    Subject { sabotages, scenarios: None }
                }
            };
            let company = if alone { Company::Alone } else { Company::Drawn(seed.unwrap_or_default()) };
            ci::prove::prove(&Range::attach(&range.name).await?, &subject, company, &tell).await
        }
        Command::Engine { engine, range } => {
            let progress = console::progress();
            Range::attach(&range.name).await?.engine(engine, &|line| progress.line(line)).await?;
            println!("{}", engine.summary()?);
            Ok(())
        }
        Command::Engines { engines, range } => {
            let engines = if engines.is_empty() { Engine::ALL.to_vec() } else { engines };
            ci::prove_engines::prove(&Range::attach(&range.name).await?, &engines, &|line| println!("{line}")).await
        }
        Command::Variants { list: true, .. } => {
            for variant in Variant::all()? {
                println!("{:<24} {}", variant.name, variant.summary);
            }
            Ok(())
        }
        Command::Variants { variants, alone, range, .. } => {
            let variants = match variants.as_slice() {
                [] => Variant::all()?,
                named => named.iter().map(|name| Variant::named(name)).collect::<Result<_>>()?,
            };
            let range = Range::attach(&range.name).await?;
            ci::prove_variants::prove(&range, &variants, alone, &|line| println!("{line}")).await
        }
        Command::Faults { list: true, .. } => {
            for fault in Fault::all() {
                println!("{:<24} {}", fault.name, fault.summary);
            }
            Ok(())
        }
        Command::Faults { faults, range, all, seed, whole, .. } => {
            let faults = match faults.as_slice() {
                [] => Fault::all(),
                named => named.iter().map(|name| Fault::named(name)).collect::<Result<_>>()?,
            };
            let plain = Extent::plain();
            let extent = Extent { all, whole, seed: seed.unwrap_or(plain.seed) };
            ci::faults::prove(&Range::attach(&range.name).await?, &faults, extent, &|line| println!("{line}")).await
        }
        Command::MetadataLog { range } => {
            print!("{}", Range::attach(&range.name).await?.metadata_log()?);
            Ok(())
        }
    }
}

async fn up(plan: &Plan) -> Result<()> {
    let progress = console::progress();
    let range = Range::follow(plan, progress.clone()).await?;
    let whole = range.timings().whole;
    if !whole.is_zero() {
        progress.line(&format!("range `{}` is up ({:.1} s)", range.name(), whole.as_secs_f64()));
    }
    println!("export KUBECONFIG={}", range.kubeconfig().display());
    Ok(())
}

async fn status() -> Result<()> {
    let ranges = Range::list().await?;
    if ranges.is_empty() {
        println!("no range on this machine; `cargo xtask range up` makes one");
    }
    for range in ranges {
        let lifetime = match range.lifetime {
            Lifetime::Kept => "kept",
            Lifetime::ThrowAway => "throw-away",
        };
        let state = range.trouble.as_deref().unwrap_or("healthy");
        println!("{:<20} {lifetime:<12} {state}", range.name);
    }
    Ok(())
}

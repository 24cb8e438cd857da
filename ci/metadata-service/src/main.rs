//! `metadata-service`: takes the address, makes an identity, answers until SIGTERM.
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use jiff::Timestamp;
use metadata_service::documents::Documents;
use metadata_service::endpoint::Endpoint;
use metadata_service::identity::Identity;
use metadata_service::{link_local, server};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long requests under way may take once the end is asked for.
const FAREWELL: Duration = Duration::from_secs(2);

/// OCI's instance metadata service, for a range without a cloud around it
#[derive(Debug, Parser)]
struct Flags {
    /// Where to answer; taken unless it is a loopback address. Repeat it for IPv6 (OCI's is fd00:c1::a9fe:a9fe)
    #[arg(long, default_value = "169.254.169.254")]
    address: Vec<IpAddr>,
    /// The port. Repeat it to answer on each at every address
    #[arg(long, default_value = "80")]
    port: Vec<u16>,
    /// Answer 404 on /opc/v1 and /openstack, as an instance with areLegacyImdsEndpointsDisabled does. SIGUSR1 switches them on, SIGUSR2 off
    #[arg(long)]
    legacy_endpoints_disabled: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    link_local::take(&flags.address).await?;
    let mut listeners = Vec::new();
    for address in &flags.address {
        for port in &flags.port {
            let listener = TcpListener::bind((*address, *port)).await;
            listeners.push(listener.with_context(|| format!("cannot listen on {address} port {port}"))?);
        }
    }

    let identity = Identity::generate()?;
    let endpoint = Arc::new(Endpoint {
        documents: Documents::of_a_managed_node(&identity, Timestamp::now().as_millisecond()),
        legacy_endpoints_disabled: flags.legacy_endpoints_disabled.into(),
    });

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut legacy_on = signal(SignalKind::user_defined1())?;
    let mut legacy_off = signal(SignalKind::user_defined2())?;
    let (stop, stopped) = watch::channel(());
    let mut servers = tokio::task::JoinSet::new();
    for listener in listeners {
        let mut stopped = stopped.clone();
        let stop = async move { stopped.changed().await.unwrap_or_default() };
        servers.spawn(server::serve(listener, Arc::clone(&endpoint), stop));
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = legacy_on.recv() => endpoint.legacy_endpoints_disabled.store(false, Ordering::Relaxed),
            _ = legacy_off.recv() => endpoint.legacy_endpoints_disabled.store(true, Ordering::Relaxed),
            Some(ended) = servers.join_next() => {
                ended.context("a listener's task failed")?.context("a listener broke")?;
                break;
            }
        }
    }
    drop(stop);
    let _ = tokio::time::timeout(FAREWELL, async { while servers.join_next().await.is_some() {} }).await;
    Ok(())
}

//! A reverse proxy before the API server: it speaks HTTP, so that a fault can be about one answer and not about a whole connection.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Error, Result, bail};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::UPGRADE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, sink, split};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::answer::{self, Body};
use super::authority::Identity;
use super::seen::{Seen, Traffic};
use super::upstream::Upstream;
use super::wire::{From, Treatment, Wire};

/// What happens to the cluster in the middle of a run: once, before the first request that it `holds` up goes on.
pub(super) struct Gate {
    /// Which requests wait for it to have happened.
    pub(super) holds: fn(&Seen) -> bool,
    /// What happens.
    pub(super) act: Act,
}

/// Something to be done once.
pub(super) type Act = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// A proxy at work; it ends with this value.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    /// The certificate authority that it proves itself by, PEM.
    pub(super) authority: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    upstream: Upstream,
    wire: Wire,
    from: From,
    gate: Option<Gate>,
    acted: OnceCell<Result<(), String>>,
    traffic: Arc<Traffic>,
    chosen: AtomicUsize,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// Listens on a port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn start(upstream: &Upstream, wire: Wire, from: From, gate: Option<Gate>) -> Result<Self> {
        let identity = Identity::make()?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the proxy")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.clone(),
            wire,
            from,
            gate,
            acted: OnceCell::new(),
            traffic: Arc::new(Traffic::new()),
            chosen: AtomicUsize::new(0),
        });
        let (acceptor, serving) = (TlsAcceptor::from(identity.config), shared.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let far = Arc::new(Mutex::new(None));
                    let service = service_fn(move |request| {
                        let (shared, far) = (shared.clone(), far.clone());
                        async move { shared.exchange(request, &far).await }
                    });
                    // How a client leaves, or is left, is the fault's own matter.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
                });
            }
        });
        Ok(Self { address, authority: identity.authority, shared, accepting })
    }

    /// How often the fault has struck, and every exchange, a line each.
    ///
    /// # Errors
    /// When what was to happen in the middle of the run did not.
    pub(super) fn told(&self) -> Result<(usize, String)> {
        let (mut struck, log) = self.shared.traffic.told();
        match self.shared.acted.get() {
            Some(Ok(())) => struck += 1,
            Some(Err(why)) => bail!("the fault could not strike: {why}"),
            None => {}
        }
        Ok((struck, log))
    }
}

/// The connection onwards that belongs to one from the client, as soon as there is one.
type Far = Mutex<Option<SendRequest<Incoming>>>;

impl Shared {
    async fn exchange(self: Arc<Self>, mut request: Request<Incoming>, far: &Far) -> Result<Response<Body>> {
        let (uri, upgrade) = (request.uri(), request.headers().contains_key(UPGRADE));
        let query = uri.query().unwrap_or_default();
        let seen = self.traffic.request(request.method().as_str(), uri.path(), query, upgrade);
        if self.gate.as_ref().is_some_and(|gate| (gate.holds)(&seen)) {
            let shared = self.clone();
            // On its own: a client that loses its patience must not stop it half-way.
            let _ = tokio::spawn(async move { shared.act().await }).await;
        }
        let treatment = if self.from.holds(&seen) {
            self.wire.treatment(&seen, self.chosen.fetch_add(1, Ordering::SeqCst))
        } else {
            Treatment::Passed
        };
        match treatment {
            Treatment::Refused(code) => return Ok(self.noted(&seen, treatment, answer::refused(code))),
            Treatment::Page(code) => return Ok(self.noted(&seen, treatment, answer::page(code))),
            _ => {}
        }
        let near = upgrade.then(|| hyper::upgrade::on(&mut request));
        let mut answer = forward(&self.upstream, request, far).await.inspect_err(|error| {
            self.traffic.note(&seen.line, &format!("the API server cannot be reached: {error:#}"), false);
        })?;
        self.traffic.note(
            &seen.line,
            &format!("{} {treatment:?}", answer.status().as_u16()),
            treatment != Treatment::Passed,
        );
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some(near) = near
        {
            let far = hyper::upgrade::on(&mut answer);
            tokio::spawn(carry(near, far, treatment));
            if let Treatment::Late(by) = treatment {
                tokio::time::sleep(by).await;
            }
            return Ok(answer.map(|_| answer::full("")));
        }
        match treatment {
            Treatment::Lost => Err(Error::msg("lost, as the fault has it")),
            Treatment::BrokenOff | Treatment::EndsAfter(_) => Ok(answer::broken_off(answer)),
            Treatment::Halved => answer::halved(answer).await,
            Treatment::Late(by) => {
                tokio::time::sleep(by).await;
                Ok(answer::whole(answer))
            }
            _ => Ok(answer::whole(answer)),
        }
    }

    async fn act(&self) {
        let Some(gate) = &self.gate else { return };
        self.acted.get_or_init(|| async { (gate.act)().await.map_err(|error| format!("{error:#}")) }).await;
    }

    fn noted(&self, seen: &Seen, treatment: Treatment, answer: Response<Body>) -> Response<Body> {
        self.traffic.note(&seen.line, &format!("{treatment:?}"), true);
        answer
    }
}

async fn forward(upstream: &Upstream, request: Request<Incoming>, far: &Far) -> Result<Response<Incoming>> {
    let mut far = far.lock().await;
    let mut kept = far.take();
    if let Some(sender) = &mut kept
        && sender.ready().await.is_err()
    {
        kept = None;
    }
    let mut sender = match kept {
        Some(sender) => sender,
        None => upstream.open().await?,
    };
    let answer = sender.send_request(request).await?;
    *far = Some(sender);
    Ok(answer)
}

/// Carries an upgraded connection's bytes, both ways, as far as `treatment` lets them.
async fn carry(near: OnUpgrade, far: OnUpgrade, treatment: Treatment) -> Result<()> {
    let (near, far) = tokio::try_join!(near, far)?;
    let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
    let (Treatment::EndsAfter(bytes) | Treatment::SilentAfter(bytes)) = treatment else {
        copy_bidirectional(&mut near, &mut far).await?;
        return Ok(());
    };
    let ((mut from_near, mut to_near), (from_far, mut to_far)) = (split(near), split(far));
    let asked = async {
        copy(&mut from_near, &mut to_far).await?;
        to_far.shutdown().await
    };
    let answered = async {
        let mut first = from_far.take(bytes);
        copy(&mut first, &mut to_near).await?;
        to_near.flush().await?;
        if let Treatment::EndsAfter(_) = treatment {
            to_near.shutdown().await?;
        }
        // Read on, so that it is our end that is silent and not a full pipe.
        copy(&mut first.into_inner(), &mut sink()).await
    };
    let _ = tokio::join!(asked, answered);
    Ok(())
}

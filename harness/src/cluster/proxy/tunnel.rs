//! A connection to an API server by way of a proxy. What keeps it from being made is told as the proxy's doing: hyper-util's own tunnel says
//! neither which proxy it is nor what that answered, and kube's tells a SOCKS proxy no password.
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use tower::{BoxError, Service, service_fn};

use crate::cluster::proxy::{NamedBy, Proxy};
use crate::told::chain;

/// Until a proxy is reached and has opened the way.
pub(crate) const WITHIN: Duration = Duration::from_secs(5);
/// Of a proxy that is not heard of.
const WHAT_TO_CHECK: &str = "is it up, is there a route to it, is this its address";
/// Of one that asks who it is.
const CREDENTIAL: &str = "has its URL a user and a password that it accepts";

/// Connects by way of a proxy, which `connector` reaches.
#[derive(Clone, Debug)]
pub(crate) struct Tunnel<C> {
    proxy: Proxy,
    connector: C,
}

impl<C> Tunnel<C> {
    /// By way of `proxy`.
    pub(crate) fn new(proxy: Proxy, connector: C) -> Self {
        Self { proxy, connector }
    }
}

impl<C> Service<Uri> for Tunnel<C>
where
    C: Service<Uri>,
    C::Response: Read + Write + Connection + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = NoWay;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, NoWay>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NoWay>> {
        self.connector.poll_ready(cx).map_err(|error| self.proxy.unreachable(error.into()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let proxy = self.proxy.clone();
        let reached = self.connector.call(proxy.address());
        Box::pin(async move {
            let opened = async {
                let stream = reached.await.map_err(|error| proxy.unreachable(error.into()))?;
                let opened = if proxy.is_socks() {
                    by_socks(stream, &server, &proxy).await
                } else {
                    by_connect(stream, &server, proxy.at.basic_auth()).await
                };
                opened.map_err(|why| proxy.refuses(&server, &why))
            };
            tokio::time::timeout(WITHIN, opened).await.unwrap_or_else(|_| Err(proxy.silent()))
        })
    }
}

/// Why a proxy has opened no way.
enum Refusal {
    /// It has answered a CONNECT.
    Answer(StatusCode),
    /// A SOCKS proxy has not accepted who asks.
    Unknown,
    /// It has answered something else, or hung up.
    Other(String),
}

impl<E: Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Other(chain(&error))
    }
}

async fn by_connect<T>(stream: T, server: &Uri, credential: Option<&HeaderValue>) -> Result<T, Refusal>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (mut requests, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection.with_upgrades());
    let authority = authority(server);
    let mut request = Request::connect(&authority).header(HOST, &authority).body(Empty::<Bytes>::new())?;
    if let Some(credential) = credential {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credential.clone());
    }
    let answer = requests.send_request(request).await?;
    if !answer.status().is_success() {
        return Err(Refusal::Answer(answer.status()));
    }
    let upgraded = hyper::upgrade::on(answer).await?;
    match upgraded.downcast::<T>() {
        // An API server speaks second.
        Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io),
        _ => Err(Refusal::Other("it goes on talking after its answer".to_owned())),
    }
}

async fn by_socks<T>(stream: T, server: &Uri, proxy: &Proxy) -> Result<T, Refusal>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let mut stream = Some(stream);
    let reached = service_fn(move |_| {
        let stream = stream.take().ok_or_else(|| io::Error::other("it was asked twice"));
        std::future::ready(stream)
    });
    let mut socks = SocksV5::new(proxy.address(), reached);
    if let Some((user, password)) = proxy.at.raw_auth() {
        socks = socks.with_auth(user.to_owned(), password.to_owned());
    }
    let server = Uri::builder().scheme("https").authority(authority(server)).path_and_query("/").build()?;
    socks.call(server).await.map_err(|error| match chain(&error) {
        // Its type is private. The words are of a credential also where none was brought.
        said if said.contains("authentication") || said.contains("credentials") => Refusal::Unknown,
        said => Refusal::Other(said),
    })
}

/// `HOST:PORT`, whether the address has one or not.
fn authority(server: &Uri) -> String {
    let default_port = if server.scheme_str() == Some("http") { 80 } else { 443 };
    format!("{}:{}", server.host().unwrap_or_default(), server.port_u16().unwrap_or(default_port))
}

impl Proxy {
    fn is_socks(&self) -> bool {
        self.at.uri().scheme_str().is_some_and(|scheme| scheme.starts_with("socks"))
    }

    /// What a connector is called with that has to reach the proxy itself.
    fn address(&self) -> Uri {
        let uri = self.at.uri();
        if !self.is_socks() {
            return uri.clone();
        }
        let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(1080));
        Uri::builder()
            .scheme("http")
            .authority(format!("{host}:{port}"))
            .path_and_query("/")
            .build()
            .unwrap_or_default()
    }

    fn unreachable(&self, error: BoxError) -> NoWay {
        // The operating system's numbers say nothing to a reader.
        let why = refused(&*error).map_or_else(|| chain(&*error), |kind| kind.to_string());
        NoWay(format!("{} cannot be reached ({why}); {WHAT_TO_CHECK}{}", self.told(), self.or()))
    }

    fn silent(&self) -> NoWay {
        NoWay(format!("{} did not open a way within {} s; {WHAT_TO_CHECK}{}", self.told(), WITHIN.as_secs(), self.or()))
    }

    fn refuses(&self, server: &Uri, refusal: &Refusal) -> NoWay {
        let (why, check) = match refusal {
            Refusal::Answer(status) => {
                let check = match *status {
                    StatusCode::PROXY_AUTHENTICATION_REQUIRED => CREDENTIAL,
                    StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                        "is the cluster up, has the proxy a route to it, is this its address"
                    }
                    _ => "does it allow CONNECT to that address",
                };
                (status.to_string(), check)
            }
            Refusal::Unknown => ("it does not accept who asks".to_owned(), CREDENTIAL),
            Refusal::Other(why) => (why.clone(), "is it such a proxy, does it reach the API server"),
        };
        let (told, server) = (self.told(), authority(server));
        NoWay(format!("{told} opens no way to the API server {server} ({why}); {check}{}", self.or()))
    }

    /// The end of what is to be checked.
    fn or(&self) -> &'static str {
        match self.named_by {
            NamedBy::Entry(_) => "?",
            NamedBy::Variable(_) => ", or should the API server rather stand in NO_PROXY?",
        }
    }
}

/// What the operating system says, where it is behind `error`.
fn refused(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let io = error.downcast_ref::<io::Error>().filter(|io| io.raw_os_error().is_some());
    io.map(io::Error::kind).or_else(|| error.source().and_then(refused))
}

/// Why there is no way by a proxy: one sentence.
#[derive(Debug)]
pub(crate) struct NoWay(String);

impl NoWay {
    /// The one that `error` comes from.
    pub(crate) fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        error.downcast_ref().or_else(|| error.source().and_then(Self::behind))
    }
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NoWay {}

//! From a name to an API server that has accepted a credential.
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config, Error};

use crate::cluster::kubeconfig::Read;
use crate::cluster::proxy::{self, NoWay, Proxy};
use crate::cluster::traffic::Traffic;
use crate::cluster::whoami::named;
use crate::cluster::{client, credential, kubeconfig};
use crate::settings::{ClusterSettings, heading};
use crate::told::chain;

/// A TCP and TLS handshake that takes longer finds nobody at home.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The whole of a plugin that fetches the credential.
const CREDENTIAL_WITHIN: Duration = Duration::from_secs(20);
/// The first answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Characters of an answer that is a web page, and may be long.
const QUOTED: usize = 200;
/// A proxy that kube does not look for another one beside.
const NOT_ASKED: &str = "http://127.0.0.1";
const WHAT_TO_CHECK: &str = "is the cluster up, is there a route to it, and is this its address?";

/// Where a cluster is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name it was asked for by.
    pub name: String,
    /// A kubeconfig other than the usual one.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it.
    pub context: String,
    /// Where relative paths of `$KUBECONFIG` are meant from.
    pub here: PathBuf,
}

impl Target {
    /// The cluster `name`, with what conformance.toml says of it; asked for from the folder `here`.
    pub fn of(name: &str, settings: &ClusterSettings, here: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            kubeconfig: settings.kubeconfig.clone(),
            context: settings.context.clone().unwrap_or_else(|| name.to_owned()),
            here,
        }
    }
}

/// An API server that has accepted a credential.
pub struct Connection {
    /// The API server's address.
    pub server: String,
    /// The operator's client.
    pub client: Client,
    /// One without a credential, for whoever brings a token.
    pub anonymous: Client,
    /// Who the API server takes the operator for.
    pub user: String,
    /// What both send.
    pub traffic: Traffic,
}

/// Where the usual kubeconfig has a context `name`; `None` also where it cannot be read. Relative paths of `$KUBECONFIG` are meant from
/// `here`.
pub fn place_of_context(name: &str, here: &Path) -> Option<String> {
    let read = kubeconfig::read(None, here).ok()?;
    read.merged.contexts.iter().any(|named| named.name == name).then(|| read.place(name))
}

/// Connects, and has the API server say who we are.
///
/// # Errors
/// One sentence: what is wrong (kubeconfig, context, proxy, address, credential), where, and what to do.
pub async fn connect(target: &Target) -> Result<Connection> {
    let read = kubeconfig::read(target.kubeconfig.as_deref(), &target.here)?;
    let reached = reach(target, &read).await;
    reached.map_err(|error| match read.hidden(&target.context) {
        Some(hidden) => anyhow!("{}; mind that {hidden}", format!("{error:#}").trim_end_matches('?')),
        None => error,
    })
}

async fn reach(target: &Target, read: &Read) -> Result<Connection> {
    let context = &target.context;
    let place = read.place(context);
    is_whole(&read.merged, &place, target)?;
    let no_credential = |why: &str| {
        anyhow!("there is no credential for context {context} in {place}: {why}; get it to work with kubectl first")
    };
    let cannot_be_used = |error: &dyn std::error::Error| {
        anyhow!("context {context} in {place} cannot be used: {}; mend that entry", chain(error))
    };
    let (mut config, proxy_url) = config(read.merged.clone(), context).await.map_err(|error| cannot_be_used(&error))?;
    let proxy =
        Proxy::to(&config.cluster_url, proxy_url.as_deref(), &format!("context {context} in {place}"), |name| {
            std::env::var(name).ok()
        })?;
    // A denial is an answer: 429 and 5xx too must reach the judge as they are.
    config.default_retry = false;
    let by_proxy = if proxy.is_some() { proxy::WITHIN } else { Duration::ZERO };
    config.connect_timeout = Some(CONNECT_WITHIN + by_proxy);
    let answer_within = ANSWER_WITHIN + by_proxy;
    let server = config.cluster_url.to_string();
    let way = proxy.as_ref().map(|proxy| format!(" by way of the proxy {}", proxy.url())).unwrap_or_default();
    let traffic = Traffic::default();
    let anonymous =
        client::anonymous(config.clone(), proxy.as_ref(), &traffic).map_err(|error| cannot_be_used(&error))?;
    let client =
        credential::client(config, proxy, &traffic, CREDENTIAL_WITHIN).await.map_err(|why| no_credential(&why))?;
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let (params, question) = (PostParams::default(), SelfSubjectReview::default());
    let review = tokio::time::timeout(answer_within, reviews.create(&params, &question)).await;
    let review = review.map_err(|_| {
        anyhow!("the API server {server} did not answer{way} within {} s; {WHAT_TO_CHECK}", answer_within.as_secs())
    })?;
    match review {
        Ok(review) => {
            let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
            let user = user.unwrap_or_else(|| "an unnamed user".into());
            Ok(Connection { server, client, anonymous, user, traffic })
        }
        Err(Error::Api(status)) if status.code == 401 => {
            bail!(
                "the API server {server} does not accept the credential of context {context} in {place} (401): it has expired or was revoked; get a new one, then run again"
            )
        }
        // Below 1.28 it is not served: authenticated all the same, and named where that is how the question is refused. A web page is no answer
        // of an API server.
        Err(Error::Api(status)) if status.code == 404 && !status.message.contains('<') || named(&status).is_some() => {
            let user = named(&status).unwrap_or_else(|| format!("the user of context {context}"));
            Ok(Connection { server, client, anonymous, user, traffic })
        }
        Err(Error::Api(status)) => {
            let said: String = status.message.chars().take(QUOTED).collect();
            bail!(
                "the API server {server} does not say who context {context} is ({}: {said}); {WHAT_TO_CHECK}",
                status.code
            )
        }
        Err(error @ Error::Auth(_)) => Err(no_credential(&credential::told(&error, "that it names"))),
        Err(Error::SerdeError(error)) => bail!(
            "what the API server {server} of context {context} answers is not Kubernetes ({error}); {WHAT_TO_CHECK}"
        ),
        Err(error) => match NoWay::behind(&error) {
            Some(no_way) => bail!("{no_way}"),
            None => bail!(
                "the API server {server} of context {context} cannot be reached{way} ({}); {WHAT_TO_CHECK}",
                chain(&error).trim_start_matches("ServiceError: ")
            ),
        },
    }
}

/// What kube makes of `context`, and the `proxy-url` of its cluster: which proxy that means is not kube's to say, which looks into the
/// environment in a way of its own.
async fn config(mut kubeconfig: Kubeconfig, context: &str) -> Result<(Config, Option<String>), KubeconfigError> {
    let cluster = kubeconfig.contexts.iter().find(|named| named.name == context);
    let cluster = cluster.and_then(|named| named.context.as_ref()).map(|context| context.cluster.clone());
    let entry = kubeconfig.clusters.iter_mut().find(|named| Some(&named.name) == cluster.as_ref());
    let proxy_url = entry.and_then(|named| named.cluster.as_mut()?.proxy_url.replace(NOT_ASKED.to_owned()));
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    config.proxy_url = None;
    // A plugin that is told of the cluster is told what its entry says.
    if let Some(told) = config.auth_info.exec.as_mut().and_then(|plugin| plugin.cluster.as_mut()) {
        told.proxy_url = proxy_url.clone();
    }
    Ok((config, proxy_url))
}

/// kube takes a context without its user for one that needs no credential, and says nothing.
fn is_whole(kubeconfig: &Kubeconfig, place: &str, Target { name, context, .. }: &Target) -> Result<()> {
    let Some(found) = kubeconfig.contexts.iter().find(|named| &named.name == context) else {
        let known: Vec<&str> = kubeconfig.contexts.iter().map(|named| named.name.as_str()).collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        if name != context {
            bail!(
                "cluster {name:?} of conformance.toml cannot be found: no context {context} in {place} ({known}); mend `context` in its entry"
            );
        }
        bail!(
            "unknown cluster {name:?}: no context of that name in {place} ({known}), no {} in conformance.toml; see --help for the names --cluster takes",
            heading(name)
        );
    };
    let Some(found) = &found.context else { bail!("context {context} in {place} is empty; mend that entry") };
    if !kubeconfig.clusters.iter().any(|named| named.name == found.cluster) {
        bail!(
            "context {context} in {place} names the cluster {:?}, which is not there; mend that entry",
            found.cluster
        );
    }
    match &found.user {
        Some(user) if !kubeconfig.auth_infos.iter().any(|named| &named.name == user) => {
            bail!("context {context} in {place} names the user {user:?}, which is not there; mend that entry")
        }
        _ => Ok(()),
    }
}

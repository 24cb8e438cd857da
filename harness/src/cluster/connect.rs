//! From a name to an API server that has accepted a credential.
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Error};

use crate::attempt::api::chain;

/// A TCP and TLS handshake that takes longer finds nobody at home.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The first answer, and the whole of a plugin that fetches the credential.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Where a cluster is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name it was asked for by.
    pub name: String,
    /// A kubeconfig other than the usual one.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it.
    pub context: String,
}

/// An API server that has accepted a credential.
pub struct Connection {
    /// What further clients are made from.
    pub config: Config,
    /// The operator's client.
    pub client: Client,
    /// Who the API server takes the operator for.
    pub user: String,
}

/// Connects, and has the API server say who we are.
///
/// # Errors
/// One sentence: what is wrong (kubeconfig, context, address, credential), where, and what to do.
pub async fn connect(target: &Target) -> Result<Connection> {
    let (kubeconfig, place) = read(target.kubeconfig.as_deref())?;
    let context = &target.context;
    if !kubeconfig.contexts.iter().any(|named| &named.name == context) {
        let known: Vec<&str> = kubeconfig.contexts.iter().map(|named| named.name.as_str()).collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        bail!("unknown cluster {:?}: no context of that name in {place} ({known}), no [cluster.{}] in conformance.toml; see --help for the names --cluster takes", target.name, target.name);
    }
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.map_err(|error| anyhow!("context {context} in {place} cannot be used: {}; mend that entry", chain(&error)))?;
    // A denial is an answer: 429 and 5xx too must reach the judge as they are.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_WITHIN);
    let server = config.cluster_url.clone();
    let client = Client::try_from(config.clone()).map_err(|error| anyhow!("the credential of context {context} in {place} cannot be used: {}; mend that entry", chain(&error)))?;
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let (params, question) = (PostParams::default(), SelfSubjectReview::default());
    let review = tokio::time::timeout(ANSWER_WITHIN, reviews.create(&params, &question)).await;
    let review = review.map_err(|_| anyhow!("the API server {server} did not answer within {} s: is the cluster up, and is there a route to it?", ANSWER_WITHIN.as_secs()))?;
    match review {
        Ok(review) => {
            let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
            Ok(Connection { config, client, user: user.unwrap_or_else(|| "an unnamed user".into()) })
        }
        Err(Error::Api(status)) if status.code == 401 => {
            bail!("the API server {server} does not accept the credential of context {context} in {place} (401): it has expired or was revoked; get a new one, then run again")
        }
        Err(Error::Api(status)) => bail!("the API server {server} does not say who context {context} is: {}", status.message),
        Err(Error::Auth(error)) => bail!("the credential of context {context} in {place} cannot be had: {}; get it to work with kubectl first", chain(&error)),
        Err(error) => bail!("the API server {server} of context {context} cannot be reached: {}; is the cluster up, and is there a route to it?", chain(&error)),
    }
}

fn read(path: Option<&Path>) -> Result<(Kubeconfig, String)> {
    if let Some(path) = path {
        let place = path.display().to_string();
        let kubeconfig = Kubeconfig::read_from(path).map_err(|error| unreadable(&place, &error))?;
        return Ok((kubeconfig, place));
    }
    if let Some(kubeconfig) = Kubeconfig::from_env().map_err(|error| unreadable("$KUBECONFIG", &error))? {
        return Ok((kubeconfig, "$KUBECONFIG".into()));
    }
    let home = std::env::var_os("HOME").context("no kubeconfig: neither $KUBECONFIG nor $HOME is set; set one of them")?;
    let path = Path::new(&home).join(".kube").join("config");
    let place = path.display().to_string();
    if !path.exists() {
        bail!("no kubeconfig: $KUBECONFIG is not set and {place} does not exist; get one for the cluster, or leave --cluster away to have a throw-away cluster started");
    }
    let kubeconfig = Kubeconfig::read_from(&path).map_err(|error| unreadable(&place, &error))?;
    Ok((kubeconfig, place))
}

fn unreadable(place: &str, error: &dyn std::error::Error) -> anyhow::Error {
    // The YAML reader draws the place over several lines; one sentence is promised.
    let text = chain(error);
    let first = text.lines().next().unwrap_or_default();
    anyhow!("the kubeconfig {place} cannot be read: {first}; mend it, or name another with $KUBECONFIG")
}

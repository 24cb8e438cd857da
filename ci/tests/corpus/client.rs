//! Asking the API server, without anything between the question and the answer.
use std::io;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::time::timeout;

use super::{Answer, Case};
use crate::live;

/// Longer than a webhook is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// One client for each of those who ask.
pub struct Clients {
    operator: Client,
    tenant: Client,
    garbage: Client,
    nobody: Client,
}

impl Clients {
    pub async fn new() -> Self {
        let kubeconfig = Kubeconfig::from_yaml(&live::kubeconfig()).unwrap();
        let options = KubeConfigOptions { context: Some(live::context()), ..Default::default() };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        // 429 and 503 are answers.
        config.default_retry = false;
        let with = |token: Option<&str>| {
            let auth_info = AuthInfo { token: token.map(|token| token.to_owned().into()), ..Default::default() };
            let mut config = config.clone();
            config.auth_info = auth_info;
            Client::try_from(config).unwrap()
        };
        let token = live::kubectl(&["create", "token", "tenant", "--namespace=corpus-open"]);
        Self {
            tenant: with(Some(&token)),
            garbage: with(Some("garbage")),
            nobody: with(None),
            operator: Client::try_from(config).unwrap(),
        }
    }

    pub async fn ask(&self, case: &Case) -> Answer {
        let answer = timeout(ANSWER_WITHIN, self.answer(case)).await;
        answer.unwrap_or_else(|_| panic!("{}: no answer", case.name))
    }

    async fn answer(&self, case: &Case) -> Answer {
        let client = match case.by.as_str() {
            "operator" => &self.operator,
            "tenant" => &self.tenant,
            "garbage" => &self.garbage,
            "nobody" => &self.nobody,
            other => panic!("{}: nobody is called {other}", case.name),
        };
        let mut request = Request::builder().method(case.method.as_str()).uri(&case.path);
        for (name, value) in &case.headers {
            request = request.header(name, value);
        }
        let body = match &case.raw {
            Some(raw) => raw.clone(),
            None if case.body.is_null() => String::new(),
            None => case.body.to_string(),
        };
        if !body.is_empty() {
            request = request.header("Content-Type", case.content_type.as_deref().unwrap_or("application/json"));
        }
        let answer = client.send(request.body(Body::from(body.into_bytes())).unwrap()).await;
        let (head, body) = answer.unwrap_or_else(|error| panic!("{}: {error}", case.name)).into_parts();
        let warnings = head.headers.get_all("Warning").iter();
        Answer {
            code: head.status.as_u16(),
            warnings: warnings.map(|warning| String::from_utf8_lossy(warning.as_bytes()).into_owned()).collect(),
            status: if head.status.is_success() { Value::Null } else { read(body).await },
        }
    }
}

async fn read(body: Body) -> Value {
    let body = body.collect().await.map_err(io::Error::other).unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()))
}

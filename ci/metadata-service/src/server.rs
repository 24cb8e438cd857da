//! HTTP around the endpoint.
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::access_log::{self, Event};
use crate::endpoint::{self, Endpoint};

/// Serves until `stop` resolves, then lets the requests under way end.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    endpoint: Arc<Endpoint>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    access_log::print(&Event::Listening { address: listener.local_addr()? });
    let listener = listener.tap_io(|connection| {
        if let (Ok(peer), Ok(address)) = (connection.peer_addr(), connection.local_addr()) {
            access_log::print(&Event::Connection { peer, address });
        }
    });
    let service =
        Router::new().fallback(answer).with_state(endpoint).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}

async fn answer(
    State(endpoint): State<Arc<Endpoint>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> impl IntoResponse {
    let (method, path, headers) = (request.method(), request.uri().path(), request.headers());
    let answer = endpoint.answer(method, path, headers);
    access_log::print(&Event::Request {
        peer,
        method: method.to_string(),
        path: path.to_owned(),
        status: answer.status.as_u16(),
        authorized: endpoint::authorized(headers),
        user_agent: headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
    });
    (answer.status, [(header::CONTENT_TYPE, answer.content_type)], answer.body)
}

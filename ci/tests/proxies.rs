//! API servers behind a proxy, as kubectl reaches them: by `proxy-url` and by the environment. No cluster is needed, and nothing leaves loopback.

mod api_server;
mod server;
mod suite;
mod tunnels;

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use harness::cluster::connect::{Connection, Target, connect};
use insta::assert_snapshot;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, AttachParams, WatchEvent, WatchParams};
use rstest::rstest;
use tokio::io::AsyncReadExt;

use api_server::{ApiServer, NAME};
use suite::Suite;
use tunnels::Tunnels;

/// The entry's line that names a proxy.
fn proxy_url(scheme: &str, proxy: SocketAddr) -> String {
    format!("    proxy-url: {scheme}://{proxy}")
}

/// As `suite` the plan of the context `prod`, which the whole way is taken for.
fn planned(suite: &Suite) -> String {
    let ended = suite.run(&["--cluster", "prod", "--plan"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    ended.stdout
}

/// Everything that a run does with its clients: it asks, as itself and as nobody, watches, and execs.
async fn use_all_ways(Connection { client, anonymous, user, .. }: Connection) {
    assert_eq!(user, "operator");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    assert_eq!(namespaces.list(&Default::default()).await.unwrap().items.len(), 1);
    let mut watched = Box::pin(namespaces.watch(&WatchParams::default(), "0").await.unwrap());
    assert!(matches!(watched.next().await, Some(Ok(WatchEvent::Added(_)))));
    let pods: Api<Pod> = Api::namespaced(client, "shop");
    let mut exec = pods.exec("a", ["true"], &AttachParams::default().stderr(false)).await.unwrap();
    let mut said = String::new();
    exec.stdout().unwrap().read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "hello");
    let nobody = Api::<Pod>::namespaced(anonymous, "shop").get("a").await.unwrap_err();
    assert!(nobody.to_string().contains("nobody may not"), "{nobody}");
}

#[rstest]
#[case::http("http", "127.0.0.1", "CONNECT 127.0.0.1:[port]")]
#[case::http_to_a_name_that_only_the_proxy_knows("http", NAME, "CONNECT api.prod.invalid:[port]")]
#[case::https("https", NAME, "CONNECT api.prod.invalid:[port]")]
#[case::socks("socks5", "127.0.0.1", "SOCKS5 127.0.0.1:[port]")]
#[case::socks_to_a_name_that_only_the_proxy_knows("socks5", NAME, "SOCKS5 api.prod.invalid:[port]")]
#[case::a_user("http://me:s%40cret", NAME, "CONNECT api.prod.invalid:[port] as Basic bWU6c0BjcmV0")]
#[case::a_user_by_socks("socks5://me:s%40cret", NAME, "SOCKS5 api.prod.invalid:[port] as me:s@cret")]
#[tokio::test]
async fn every_way_to_the_api_server_leads_through_the_proxy_of_the_entry(
    #[case] scheme: &str,
    #[case] host: &str,
    #[case] expected: &str,
) {
    let server = ApiServer::start();
    let tls = (scheme == "https").then(|| server.identity.acceptor.clone());
    let proxy = Tunnels::to(server.address, tls);
    let (scheme, user) =
        scheme.split_once("://").map_or((scheme, String::new()), |(scheme, user)| (scheme, format!("{user}@")));
    let more = format!("    proxy-url: {scheme}://{user}{}", proxy.address);
    let suite = Suite::new().kubeconfig(&server.kubeconfig(host, &more));
    let target = Target {
        name: "prod".into(),
        kubeconfig: Some(suite.folder().join("kubeconfig")),
        context: "prod".into(),
        here: suite.folder().to_owned(),
    };
    use_all_ways(connect(&target).await.unwrap()).await;
    let asked = proxy.asked();
    // The two clients have their own.
    assert!(asked.len() >= 2, "{asked:?}");
    let expected = expected.replace("[port]", &server.address.port().to_string());
    assert!(asked.iter().all(|asked| *asked == expected), "{asked:?}");
    assert_eq!(asked.len(), server.met(), "some connection went without the proxy");
}

#[rstest]
#[case::no_proxy(&[], 0)]
#[case::a_proxy(&[("HTTPS_PROXY", "http://[proxy]")], 1)]
#[case::in_lower_case(&[("https_proxy", "http://[proxy]")], 1)]
#[case::a_bare_address(&[("HTTPS_PROXY", "[proxy]")], 1)]
#[case::by_socks(&[("HTTPS_PROXY", "socks5://[proxy]")], 1)]
#[case::for_others(&[("HTTP_PROXY", "http://[proxy]")], 0)]
#[case::for_nobody(&[("ALL_PROXY", "http://[proxy]")], 0)]
#[case::listed(&[("HTTPS_PROXY", "http://[proxy]"), ("NO_PROXY", "10.0.0.0/8, .prod.invalid")], 0)]
#[case::listed_with_its_port(&[("HTTPS_PROXY", "http://[proxy]"), ("no_proxy", "api.prod.invalid:[port]")], 0)]
#[case::listed_with_another_port(&[("HTTPS_PROXY", "http://[proxy]"), ("NO_PROXY", "api.prod.invalid:1")], 1)]
#[case::the_proxy_is_listed(&[("HTTPS_PROXY", "http://[proxy]"), ("NO_PROXY", "127.0.0.1")], 1)]
fn the_environment_s_proxy_is_taken_where_kubectl_takes_it(
    #[case] environment: &[(&str, &str)],
    #[case] tunnels: usize,
) {
    let server = ApiServer::start();
    let proxy = Tunnels::to(server.address, None);
    let (address, port) = (proxy.address.to_string(), server.address.port().to_string());
    let suite = Suite::new().kubeconfig(&server.kubeconfig(NAME, ""));
    let suite = environment.iter().fold(suite, |suite, (name, value)| {
        suite.with(name, &value.replace("[proxy]", &address).replace("[port]", &port))
    });
    if tunnels > 0 {
        planned(&suite);
        assert!(proxy.asked().len() >= tunnels);
    } else {
        // Without the proxy that name leads nowhere.
        let ended = suite.run(&["--cluster", "prod", "--plan"]);
        assert!(ended.sentence().contains("the API server https://api.prod.invalid:"), "{}", ended.sentence());
        assert_eq!(proxy.asked(), [""; 0]);
    }
}

#[rstest]
#[case::an_address("127.0.0.1", "")]
#[case::a_name("localhost", "")]
#[case::an_address_that_is_listed("127.0.0.1", "127.0.0.1,localhost")]
fn the_environment_s_proxy_is_never_asked_for_loopback(#[case] host: &str, #[case] no_proxy: &str) {
    let server = ApiServer::start();
    let dead = format!("http://{}", server::nobody());
    let suite =
        Suite::new().kubeconfig(&server.kubeconfig(host, "")).with("HTTPS_PROXY", &dead).with("https_proxy", &dead);
    let plan = planned(&suite.with("NO_PROXY", no_proxy));
    assert!(plan.contains("operator"), "{plan}");
}

#[test]
fn what_the_environment_leaves_out_the_entry_s_proxy_is_asked_for_all_the_same() {
    let server = ApiServer::start();
    let proxy = Tunnels::to(server.address, None);
    let suite = Suite::new().kubeconfig(&server.kubeconfig("127.0.0.1", &proxy_url("http", proxy.address)));
    planned(&suite.with("NO_PROXY", "*"));
    assert!(!proxy.asked().is_empty());
}

/// What the suite says of a proxy, named by the entry and by the environment; ports are of this test run only.
fn of(scheme: &str, proxy: SocketAddr) -> String {
    let server = ApiServer::start();
    let by_entry = Suite::new().kubeconfig(&server.kubeconfig(NAME, &proxy_url(scheme, proxy)));
    let by_variable =
        Suite::new().kubeconfig(&server.kubeconfig(NAME, "")).with("HTTPS_PROXY", &format!("{scheme}://{proxy}"));
    let said = [by_entry, by_variable].map(|suite| {
        let ended = suite.run(&["--cluster", "prod"]);
        assert!(ended.elapsed < Duration::from_secs(30), "took {:?}", ended.elapsed);
        let said = ended.sentence().replace(&format!(":{}", proxy.port()), ":[proxy]");
        said.replace(&format!(":{}", server.address.port()), ":[port]")
    });
    assert_eq!(server.met(), 0);
    said.join("\n")
}

#[test]
fn a_proxy_that_nobody_runs() {
    assert_snapshot!(of("http", server::nobody()), @r"
    error: the proxy http://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig cannot be reached (connection refused); is it up, is there a route to it, is this its address?
    error: the proxy http://127.0.0.1:[proxy] of $HTTPS_PROXY cannot be reached (connection refused); is it up, is there a route to it, is this its address, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_socks_proxy_that_nobody_runs() {
    assert_snapshot!(of("socks5", server::nobody()), @r"
    error: the proxy socks5://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig cannot be reached (connection refused); is it up, is there a route to it, is this its address?
    error: the proxy socks5://127.0.0.1:[proxy] of $HTTPS_PROXY cannot be reached (connection refused); is it up, is there a route to it, is this its address, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_proxy_that_wants_a_password() {
    assert_snapshot!(of("http", server::answering("407 Proxy Authentication Required", "text/html", "<html>Who are you?</html>")), @r"
    error: the proxy http://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig opens no way to the API server api.prod.invalid:[port] (407 Proxy Authentication Required); has its URL a user and a password that it accepts?
    error: the proxy http://127.0.0.1:[proxy] of $HTTPS_PROXY opens no way to the API server api.prod.invalid:[port] (407 Proxy Authentication Required); has its URL a user and a password that it accepts, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_proxy_that_allows_no_such_way() {
    assert_snapshot!(of("http", server::answering("403 Forbidden", "text/html", "<html>Blocked</html>")), @r"
    error: the proxy http://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig opens no way to the API server api.prod.invalid:[port] (403 Forbidden); does it allow CONNECT to that address?
    error: the proxy http://127.0.0.1:[proxy] of $HTTPS_PROXY opens no way to the API server api.prod.invalid:[port] (403 Forbidden); does it allow CONNECT to that address, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_proxy_that_does_not_reach_the_server() {
    assert_snapshot!(of("http", server::answering("502 Bad Gateway", "text/plain", "no route to host\n")), @r"
    error: the proxy http://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig opens no way to the API server api.prod.invalid:[port] (502 Bad Gateway); is the cluster up, has the proxy a route to it, is this its address?
    error: the proxy http://127.0.0.1:[proxy] of $HTTPS_PROXY opens no way to the API server api.prod.invalid:[port] (502 Bad Gateway); is the cluster up, has the proxy a route to it, is this its address, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_proxy_that_never_answers() {
    assert_snapshot!(of("http", server::silent()), @r"
    error: the proxy http://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig did not open a way within 5 s; is it up, is there a route to it, is this its address?
    error: the proxy http://127.0.0.1:[proxy] of $HTTPS_PROXY did not open a way within 5 s; is it up, is there a route to it, is this its address, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_socks_proxy_that_never_answers() {
    assert_snapshot!(of("socks5", server::silent()), @r"
    error: the proxy socks5://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig did not open a way within 5 s; is it up, is there a route to it, is this its address?
    error: the proxy socks5://127.0.0.1:[proxy] of $HTTPS_PROXY did not open a way within 5 s; is it up, is there a route to it, is this its address, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_socks_proxy_that_wants_a_password() {
    assert_snapshot!(of("socks5", server::greeting(b"\x05\xff")), @r"
    error: the proxy socks5://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig opens no way to the API server api.prod.invalid:[port] (it does not accept who asks); has its URL a user and a password that it accepts?
    error: the proxy socks5://127.0.0.1:[proxy] of $HTTPS_PROXY opens no way to the API server api.prod.invalid:[port] (it does not accept who asks); has its URL a user and a password that it accepts, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_socks_proxy_that_does_not_reach_the_server() {
    // Method none, then: connection refused.
    assert_snapshot!(of("socks5", server::greeting(b"\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")), @r"
    error: the proxy socks5://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig opens no way to the API server api.prod.invalid:[port] (SOCKS error: connection refused); is it such a proxy, does it reach the API server?
    error: the proxy socks5://127.0.0.1:[proxy] of $HTTPS_PROXY opens no way to the API server api.prod.invalid:[port] (SOCKS error: connection refused); is it such a proxy, does it reach the API server, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn something_else_instead_of_a_proxy() {
    assert_snapshot!(of("http", server::greeting("SSH-2.0-OpenSSH_9.2\r\n")), @r"
    error: the proxy http://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig opens no way to the API server api.prod.invalid:[port] (invalid HTTP version parsed); is it such a proxy, does it reach the API server?
    error: the proxy http://127.0.0.1:[proxy] of $HTTPS_PROXY opens no way to the API server api.prod.invalid:[port] (invalid HTTP version parsed); is it such a proxy, does it reach the API server, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn an_http_proxy_that_socks_is_spoken_to() {
    assert_snapshot!(of("socks5", server::answering("400 Bad Request", "text/plain", "what?")), @r"
    error: the proxy socks5://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig opens no way to the API server api.prod.invalid:[port] (SOCKS error: failed parsing server response); is it such a proxy, does it reach the API server?
    error: the proxy socks5://127.0.0.1:[proxy] of $HTTPS_PROXY opens no way to the API server api.prod.invalid:[port] (SOCKS error: failed parsing server response); is it such a proxy, does it reach the API server, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_proxy_without_the_tls_that_its_url_says() {
    assert_snapshot!(of("https", server::greeting("SSH-2.0-OpenSSH_9.2\r\n")), @r"
    error: the proxy https://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig cannot be reached (received corrupt message of type InvalidContentType); is it up, is there a route to it, is this its address?
    error: the proxy https://127.0.0.1:[proxy] of $HTTPS_PROXY cannot be reached (received corrupt message of type InvalidContentType); is it up, is there a route to it, is this its address, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_proxy_that_speaks_something_unknown() {
    assert_snapshot!(of("socks4", server::nobody()), @r"
    error: the proxy socks4://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig speaks socks4, and only http, https and socks5 are known; mend `proxy-url` of its cluster
    error: the proxy socks4://127.0.0.1:[proxy] of $HTTPS_PROXY speaks socks4, and only http, https and socks5 are known; mend it, or list api.prod.invalid in NO_PROXY if no proxy leads there
    ");
}

#[test]
fn a_proxy_that_hangs_up() {
    assert_snapshot!(of("http", server::greeting("")), @r"
    error: the proxy http://127.0.0.1:[proxy] of context prod in [folder]/kubeconfig opens no way to the API server api.prod.invalid:[port] (connection closed before message completed); is it such a proxy, does it reach the API server?
    error: the proxy http://127.0.0.1:[proxy] of $HTTPS_PROXY opens no way to the API server api.prod.invalid:[port] (connection closed before message completed); is it such a proxy, does it reach the API server, or should the API server rather stand in NO_PROXY?
    ");
}

#[test]
fn a_proxy_before_a_server_that_hangs_up() {
    let proxy = Tunnels::to(server::greeting(""), None);
    assert_snapshot!(of("http", proxy.address), @r"
    error: the API server https://api.prod.invalid:[port]/ of context prod cannot be reached by way of the proxy http://127.0.0.1:[proxy] (client error (Connect): tls handshake eof); is the cluster up, is there a route to it, and is this its address?
    error: the API server https://api.prod.invalid:[port]/ of context prod cannot be reached by way of the proxy http://127.0.0.1:[proxy] (client error (Connect): tls handshake eof); is the cluster up, is there a route to it, and is this its address?
    ");
}

#[test]
fn a_proxy_before_a_server_that_never_starts_tls() {
    let proxy = Tunnels::to(server::silent(), None);
    assert_snapshot!(of("http", proxy.address), @r"
    error: the API server https://api.prod.invalid:[port]/ of context prod cannot be reached by way of the proxy http://127.0.0.1:[proxy] (client error (Connect): deadline has elapsed); is the cluster up, is there a route to it, and is this its address?
    error: the API server https://api.prod.invalid:[port]/ of context prod cannot be reached by way of the proxy http://127.0.0.1:[proxy] (client error (Connect): deadline has elapsed); is the cluster up, is there a route to it, and is this its address?
    ");
}

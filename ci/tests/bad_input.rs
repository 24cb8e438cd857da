//! What a user may get wrong: each time one sentence says what, where and what to do, and nothing is begun. No cluster is needed.

mod server;
mod suite;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use insta::assert_snapshot;
use rstest::rstest;

use suite::Suite;

/// A kubeconfig whose context `prod` leads to `server`.
fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: prod
  cluster: {{server: '{server}'}}
contexts:
- name: prod
  context: {{cluster: prod, user: operator}}
users:
- name: operator
  user: {user}
"
    )
}

/// What the suite says of an API server at `server`; the port is of this test run only.
fn at(scheme: &str, server: SocketAddr) -> String {
    let suite = Suite::new().kubeconfig(&kubeconfig(&format!("{scheme}://{server}"), "{token: abc}"));
    let ended = suite.run(&["--cluster", "prod"]);
    assert!(ended.elapsed < Duration::from_secs(30), "took {:?}", ended.elapsed);
    ended.sentence().replace(&format!(":{}", server.port()), ":[port]")
}

/// What the suite says of a user entry, with an API server that nobody must come to ask.
fn as_user(user: &str) -> String {
    Suite::new().kubeconfig(&kubeconfig("http://127.0.0.1:1", user)).run(&["--cluster", "prod"]).sentence().to_owned()
}

/// A program of that name on the suite's PATH.
fn program(suite: Suite, name: &str, script: &str) -> Suite {
    let suite = suite.file(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
    let path = suite.folder().join("bin").join(name);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    suite
}

#[rstest]
#[case::list(&["--list"])]
#[case::list_for_a_cluster(&["--list", "--cluster", "kind:nosuch"])]
#[case::help(&["--help"])]
fn what_needs_no_cluster_asks_for_none(#[case] arguments: &[&str]) {
    // Neither a kubeconfig nor docker can be found; the first start also pays for reading the program.
    let ended = Suite::new().run(arguments);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(
        ended.stdout.contains(if arguments[0] == "--list" {
            "pod_security/privileged: test"
        } else {
            "--cluster <NAME>"
        }),
        "{}",
        ended.stdout
    );
    assert!(ended.elapsed < Duration::from_millis(500), "took {:?}", ended.elapsed);
}

#[test]
fn an_unknown_option() {
    assert_snapshot!(Suite::new().run(&["--clutser", "prod"]).sentence(), @"error: unexpected argument '--clutser' found; tip: a similar argument exists: '--cluster'; `cargo test -- --help` shows what there is");
}

#[test]
fn an_option_without_its_value() {
    assert_snapshot!(Suite::new().run(&["--cluster"]).sentence(), @"error: a value is required for '--cluster <NAME>' but none was supplied; `cargo test -- --help` shows what there is");
}

#[test]
fn a_value_that_an_option_does_not_know() {
    assert_snapshot!(Suite::new().run(&["--format", "yaml"]).sentence(), @"error: invalid value 'yaml' for '--format <pretty|terse|json>'; [possible values: pretty, terse, json]; `cargo test -- --help` shows what there is");
}

#[test]
fn no_threads_at_all() {
    assert_snapshot!(Suite::new().run(&["--test-threads", "0"]).sentence(), @"error: --test-threads 0 runs nothing: give at least 1, or leave it away");
}

#[test]
fn an_agent_image_by_tag() {
    assert_snapshot!(Suite::new().run(&["--agent-image", "registry/pause:3.10"]).sentence(), @"error: the agent image registry/pause:3.10 may be another tomorrow: name it by digest, as NAME@sha256:SUM, with --agent-image or in conformance.toml");
}

#[test]
fn a_filter_that_no_scenario_matches() {
    assert_snapshot!(Suite::new().run(&["metdata", "--cluster", "prod"]).sentence(), @r#"error: no scenario matches "metdata": `cargo test -- --list` shows them all"#);
}

#[test]
fn options_that_leave_no_scenario() {
    assert_snapshot!(Suite::new().run(&["--ignored", "--cluster", "prod"]).sentence(), @"error: the options leave no scenario to run: `cargo test -- --list` shows them all");
}

#[test]
fn a_file_in_the_way_of_the_reports() {
    let suite = Suite::new().file("reports", "");
    assert_snapshot!(suite.run(&["--cluster", "prod", "--report-dir", "reports"]).sentence(), @"error: the folder [folder]/reports for the reports cannot be made: File exists (os error 17); choose another with --report-dir");
}

#[test]
fn a_misspelt_key_in_conformance_toml() {
    let suite = Suite::new().file("conformance.toml", "[cluster.prod]\ncontext = \"c1\"\nnamespace = [\"a\"]\n");
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: [folder]/conformance.toml cannot be used: line 3: unknown field `namespace`, expected one of `context`, `kubeconfig`, `suite`, `namespaces`, `deployer`, `agent-image`, `outside`, `pool-label`, `except-nodes`, `ports`, `most-pods`, `most-pods-a-node`, `acknowledged-exit-code`, `without-alarms`, `namespace-labels`, `pods`, `allow`");
}

#[test]
fn an_unknown_suite() {
    assert_snapshot!(Suite::new().run(&["--cluster", "prod", "--suite", "prd"]).sentence(), @r#"error: unknown suite "prd": it is none of oke, prod, quick and no file; did you mean "prod"?"#);
}

#[test]
fn an_unknown_suite_in_conformance_toml() {
    let suite = Suite::new().file("conformance.toml", "[cluster.prod]\nsuite = \"nightly\"\n");
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @r#"error: unknown suite "nightly": it is none of oke, prod, quick and no file"#);
}

#[test]
fn a_misspelt_scenario_in_a_suite() {
    let text = "purpose = \"nights\"\nscenarios = [\"pod_security/privilegd\"]\nimpact = \"probe\"\n";
    let suite = Suite::new().file("nightly.toml", text);
    assert_snapshot!(suite.run(&["--cluster", "prod", "--suite", "nightly.toml"]).sentence(), @r#"error: suite [folder]/nightly.toml cannot be used: line 2: no scenario matches "pod_security/privilegd"; did you mean "pod_security/privileged"?"#);
}

#[test]
fn a_suite_that_runs_none_of_what_is_asked_for() {
    assert_snapshot!(Suite::new().run(&["quota", "--cluster", "prod", "--suite", "quick"]).sentence(), @"error: suite quick runs none of the 1 scenarios that are asked for: name another with --suite");
}

#[test]
fn a_waiver_that_nobody_answers_for() {
    let text = "[[waiver]]\nscenario = \"images/tag-refused\"\nreason = \"later\"\nuntil = \"2027-01-31\"\n";
    let suite = Suite::new().file("waivers.toml", text);
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: waivers file [folder]/waivers.toml cannot be used: the waiver of line 1: has no owner: say who answers for it");
}

/// What the suite says of an acknowledgement with these lines.
fn with_acknowledged(lines: &str) -> String {
    let text = format!("[[acknowledged]]\n{lines}\n");
    Suite::new().file("waivers.toml", &text).run(&["--cluster", "prod"]).sentence().to_owned()
}

#[test]
fn an_acknowledgement_of_an_unknown_scenario() {
    assert_snapshot!(with_acknowledged("scenario = \"metadata/endpoint-unreachabel\""), @r#"error: waivers file [folder]/waivers.toml cannot be used: the acknowledgement of line 1: names "metadata/endpoint-unreachabel", which no scenario matches; did you mean "metadata/endpoint-unreachable"?"#);
}

#[test]
fn an_acknowledgement_without_a_reason() {
    assert_snapshot!(with_acknowledged("scenario = \"metadata/*\"\nsays = \"no control\"\nreason = \"\"\nowner = \"platform\"\nuntil = \"2027-01-31\""), @"error: waivers file [folder]/waivers.toml cannot be used: the acknowledgement of line 1: has no reason: say why nothing can be proved there for now");
}

#[test]
fn an_acknowledgement_that_ends_on_no_day() {
    assert_snapshot!(with_acknowledged("scenario = \"metadata/*\"\nsays = \"no control\"\nreason = \"r\"\nowner = \"platform\"\nuntil = \"next year\""), @r#"error: waivers file [folder]/waivers.toml cannot be used: the acknowledgement of line 1: ends on "next year", which is no day: write it as 2027-01-31"#);
}

#[test]
fn an_acknowledgement_of_whatever_the_cause_is() {
    assert_snapshot!(with_acknowledged("scenario = \"metadata/*\"\nreason = \"r\"\nowner = \"platform\"\nuntil = \"2027-01-31\""), @"error: waivers file [folder]/waivers.toml cannot be used: the acknowledgement of line 1: has no says: quote the cause that is meant, or any other would be acknowledged along with it");
    assert_snapshot!(with_acknowledged("scenario = \"metadata/*\"\nsays = \"*\"\nreason = \"r\"\nowner = \"platform\"\nuntil = \"2027-01-31\""), @r#"error: waivers file [folder]/waivers.toml cannot be used: the acknowledgement of line 1: says "*", which other causes may say as well: quote at least 8 characters of the one that is meant"#);
}

#[test]
fn a_waiver_of_what_is_inconclusive() {
    let text = "[[waiver]]\nscenario = \"metadata/*\"\nsays = \"no control\"\n";
    let suite = Suite::new().file("waivers.toml", text);
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: waivers file [folder]/waivers.toml cannot be used: the waiver of line 1: has `says`: a waiver forgives whatever is allowed, and what is inconclusive belongs into [[acknowledged]]");
}

#[test]
fn what_is_no_exit_code() {
    let suite = Suite::new().file("conformance.toml", "[cluster.prod]\nacknowledged-exit-code = 126\n");
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: [folder]/conformance.toml cannot be used: line 2: expected an exit code: a number from 0, which lets such a run pass, to 125; 3 where it is left out");
}

#[test]
fn a_waivers_file_that_is_not_there() {
    assert_snapshot!(Suite::new().run(&["--cluster", "prod", "--waivers", "w.toml"]).sentence(), @"error: waivers file [folder]/w.toml cannot be used: No such file or directory (os error 2)");
}

#[test]
fn a_context_of_conformance_toml_that_the_kubeconfig_lacks() {
    let suite = Suite::new()
        .file("conformance.toml", "[cluster.live]\ncontext = \"c1\"\n")
        .kubeconfig(&kubeconfig("http://127.0.0.1:1", "{}"));
    assert_snapshot!(suite.run(&["--cluster", "live"]).sentence(), @r#"error: cluster "live" of conformance.toml cannot be found: no context c1 in [folder]/kubeconfig (it has prod); mend `context` in its entry"#);
}

#[test]
fn an_unknown_cluster() {
    let suite = Suite::new().kubeconfig(&kubeconfig("http://127.0.0.1:1", "{}"));
    assert_snapshot!(suite.run(&["--cluster", "prdo"]).sentence(), @r#"error: unknown cluster "prdo": no context of that name in [folder]/kubeconfig (it has prod), no [cluster.prdo] in conformance.toml; see --help for the names --cluster takes"#);
}

#[test]
fn no_kubeconfig_at_home() {
    assert_snapshot!(Suite::new().run(&["--cluster", "prod"]).sentence(), @"error: no kubeconfig: $KUBECONFIG is not set and [folder]/.kube/config does not exist; get one for the cluster, or leave --cluster away to have a throw-away cluster started");
}

#[test]
fn a_kubeconfig_that_is_not_there() {
    let suite = Suite::new().with("KUBECONFIG", "/nowhere/kubeconfig");
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: no kubeconfig: $KUBECONFIG names /nowhere/kubeconfig, which does not exist; get one for the cluster, or leave --cluster away to have a throw-away cluster started");
}

#[test]
fn a_kubeconfig_that_is_a_folder() {
    let suite = Suite::new().with("KUBECONFIG", "/");
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: the kubeconfig / cannot be read: Is a directory (os error 21); mend it, or name another with $KUBECONFIG");
}

#[test]
fn a_kubeconfig_that_is_not_yaml() {
    let suite = Suite::new().kubeconfig("clusters: [\n  {name: prod\n");
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: the kubeconfig [folder]/kubeconfig cannot be read: line 2 column 3: unclosed bracket '{'; mend it, or name another with $KUBECONFIG");
}

#[test]
fn a_kubeconfig_that_is_something_else() {
    let suite = Suite::new().kubeconfig("clusters: many\n");
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: the kubeconfig [folder]/kubeconfig cannot be read: line 1 column 11: expected sequence start; mend it, or name another with $KUBECONFIG");
}

#[test]
fn an_empty_kubeconfig() {
    let suite = Suite::new().kubeconfig("");
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @r#"error: unknown cluster "prod": no context of that name in [folder]/kubeconfig (it has none), no [cluster.prod] in conformance.toml; see --help for the names --cluster takes"#);
}

#[test]
fn a_context_whose_cluster_is_missing() {
    let suite = Suite::new().kubeconfig(&kubeconfig("", "{}").replace("{cluster: prod,", "{cluster: gone,"));
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @r#"error: context prod in [folder]/kubeconfig names the cluster "gone", which is not there; mend that entry"#);
}

#[test]
fn a_context_that_says_nothing() {
    let suite = Suite::new().kubeconfig("contexts:\n- name: prod\n");
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: context prod in [folder]/kubeconfig is empty; mend that entry");
}

#[test]
fn a_context_whose_user_is_missing() {
    let suite =
        Suite::new().kubeconfig(&kubeconfig("http://127.0.0.1:1", "{}").replace("user: operator", "user: gone"));
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @r#"error: context prod in [folder]/kubeconfig names the user "gone", which is not there; mend that entry"#);
}

#[test]
fn a_server_that_is_no_address() {
    let suite = Suite::new().kubeconfig(&kubeconfig("https://my cluster", "{}"));
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: context prod in [folder]/kubeconfig cannot be used: failed to parse cluster url: invalid uri character; mend that entry");
}

#[test]
fn a_client_certificate_that_is_not_base64() {
    assert_snapshot!(as_user("{client-certificate-data: '%%%', client-key-data: YQ==}"), @"error: there is no credential for context prod in [folder]/kubeconfig: its client certificate or key cannot be read: failed to decode base64 data: Invalid symbol 37, offset 0.; get it to work with kubectl first");
}

#[test]
fn a_client_certificate_that_is_no_certificate() {
    let suite = Suite::new()
        .kubeconfig(&kubeconfig("https://127.0.0.1:1", "{client-certificate-data: YQ==, client-key-data: YQ==}"));
    assert_snapshot!(suite.run(&["--cluster", "prod"]).sentence(), @"error: there is no credential for context prod in [folder]/kubeconfig: rustls tls error: identity PEM is missing a private key: the key must be PKCS8 or RSA/PKCS1; get it to work with kubectl first");
}

#[test]
fn a_client_certificate_that_cannot_be_read() {
    assert_snapshot!(as_user("{client-certificate: /nowhere/cert.pem, client-key: /nowhere/key.pem}"), @"error: there is no credential for context prod in [folder]/kubeconfig: /nowhere/cert.pem cannot be read: No such file or directory (os error 2); get it to work with kubectl first");
}

#[test]
fn a_token_file_that_cannot_be_read() {
    assert_snapshot!(as_user("{tokenFile: /nowhere/token}"), @"error: there is no credential for context prod in [folder]/kubeconfig: /nowhere/token cannot be read: No such file or directory (os error 2); get it to work with kubectl first");
}

/// A user whose credential a plugin fetches.
fn plugin(command: &str) -> String {
    format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable, command: {command}, args: [generate-token]}}}}"
    )
}

#[test]
fn a_credential_plugin_that_is_not_there() {
    assert_snapshot!(as_user(&plugin("oci")), @"error: there is no credential for context prod in [folder]/kubeconfig: the credential plugin oci cannot be started: No such file or directory (os error 2); get it to work with kubectl first");
}

/// What the suite says of a plugin that does `script`.
fn with_plugin(script: &str) -> String {
    let suite = program(Suite::new().kubeconfig(&kubeconfig("http://127.0.0.1:1", &plugin("oci"))), "oci", script);
    let ended = suite.run(&["--cluster", "prod"]);
    assert!(ended.elapsed < Duration::from_secs(30), "took {:?}", ended.elapsed);
    ended.sentence().to_owned()
}

#[test]
fn a_credential_plugin_that_fails() {
    assert_snapshot!(with_plugin("echo 'WARNING: old key' >&2; echo 'profile DEFAULT has no region' >&2; exit 2"), @"error: there is no credential for context prod in [folder]/kubeconfig: the credential plugin oci failed (exit status: 2): profile DEFAULT has no region; get it to work with kubectl first");
}

#[test]
fn a_credential_plugin_that_gives_something_else() {
    assert_snapshot!(with_plugin("echo 'Welcome!'"), @"error: there is no credential for context prod in [folder]/kubeconfig: the credential plugin oci gave no ExecCredential with a status; get it to work with kubectl first");
}

#[test]
fn a_credential_plugin_that_gives_nothing() {
    assert_snapshot!(with_plugin(r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}'"#), @"error: there is no credential for context prod in [folder]/kubeconfig: the credential plugin oci gave no ExecCredential with a status; get it to work with kubectl first");
}

#[test]
fn a_credential_plugin_that_hangs() {
    assert_snapshot!(with_plugin("exec /bin/sleep 25"), @"error: there is no credential for context prod in [folder]/kubeconfig: the credential plugin oci did not end within 20 s; get it to work with kubectl first");
}

#[test]
fn a_server_that_nobody_listens_at() {
    assert_snapshot!(at("https", server::nobody()), @"error: the API server https://127.0.0.1:[port]/ of context prod cannot be reached (client error (Connect): tcp connect error: Connection refused (os error 111)); is the cluster up, is there a route to it, and is this its address?");
}

#[test]
fn a_server_without_tls() {
    assert_snapshot!(at("https", server::greeting("SSH-2.0-OpenSSH_9.2\r\n")), @"error: the API server https://127.0.0.1:[port]/ of context prod cannot be reached (client error (Connect): received corrupt message of type InvalidContentType); is the cluster up, is there a route to it, and is this its address?");
}

#[test]
fn a_server_that_does_not_speak_http() {
    assert_snapshot!(at("http", server::greeting("SSH-2.0-OpenSSH_9.2\r\n")), @"error: the API server http://127.0.0.1:[port]/ of context prod cannot be reached (client error (SendRequest): invalid HTTP version parsed); is the cluster up, is there a route to it, and is this its address?");
}

#[test]
fn a_server_that_hangs_up() {
    assert_snapshot!(at("http", server::greeting("")), @"error: the API server http://127.0.0.1:[port]/ of context prod cannot be reached (client error (SendRequest): connection closed before message completed); is the cluster up, is there a route to it, and is this its address?");
}

#[test]
fn a_server_that_never_answers() {
    assert_snapshot!(at("http", server::silent()), @"error: the API server http://127.0.0.1:[port]/ did not answer within 10 s; is the cluster up, is there a route to it, and is this its address?");
}

#[test]
fn a_server_that_never_starts_tls() {
    assert_snapshot!(at("https", server::silent()), @"error: the API server https://127.0.0.1:[port]/ of context prod cannot be reached (client error (Connect): deadline has elapsed); is the cluster up, is there a route to it, and is this its address?");
}

#[test]
fn a_web_server() {
    assert_snapshot!(at("http", server::answering("200 OK", "text/html", "<html>Hello</html>")), @"error: what the API server http://127.0.0.1:[port]/ of context prod answers is not Kubernetes (expected value at line 1 column 1); is the cluster up, is there a route to it, and is this its address?");
}

#[test]
fn a_web_server_that_knows_no_such_page() {
    assert_snapshot!(at("http", server::answering("404 Not Found", "text/html", "<html>Not found</html>")), @"error: the API server http://127.0.0.1:[port]/ does not say who context prod is (404: <html>Not found</html>); is the cluster up, is there a route to it, and is this its address?");
}

#[test]
fn a_proxy_whose_cluster_is_gone() {
    assert_snapshot!(at("http", server::answering("502 Bad Gateway", "text/plain", "no upstream\n")), @"error: the API server http://127.0.0.1:[port]/ does not say who context prod is (502: no upstream); is the cluster up, is there a route to it, and is this its address?");
}

#[test]
fn an_expired_token() {
    let unauthorized = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
    assert_snapshot!(at("http", server::answering("401 Unauthorized", "application/json", unauthorized)), @"error: the API server http://127.0.0.1:[port]/ does not accept the credential of context prod in [folder]/kubeconfig (401): it has expired or was revoked; get a new one, then run again");
}

#[test]
fn an_answer_that_would_do_something_to_the_terminal() {
    let odd = "\u{1b}[2J\u{9b}31mno\u{202e}tnediserp\u{2067}\r\n\u{200b}error: none";
    assert_snapshot!(at("http", server::answering("502 Bad Gateway", "text/plain", odd)), @r"error: the API server http://127.0.0.1:[port]/ does not say who context prod is (502: \u{1b}[2J\u{9b}31mno\u{202e}tnediserp\u{2067} \u{200b}error: none); is the cluster up, is there a route to it, and is this its address?");
}

#[test]
fn a_range_without_a_name() {
    assert_snapshot!(Suite::new().run(&["--cluster", "kind:"]).sentence(), @"error: --cluster kind: names no range; `cargo xtask range status` shows those that are up");
}

#[test]
fn a_name_that_no_range_can_have() {
    assert_snapshot!(Suite::new().run(&["--cluster", "kind:../range"]).sentence(), @"error: cluster kind:../range cannot be used: `../range` cannot name a range: use at most 40 lower-case letters, digits and inner dashes");
}

#[test]
fn a_range_on_a_machine_without_docker() {
    assert_snapshot!(Suite::new().run(&["--cluster", "kind:nosuch"]).sentence(), @"error: cluster kind:nosuch cannot be used: the `docker` command cannot be run; install Docker Engine: No such file or directory (os error 2)");
}

#[test]
fn a_range_that_is_not_up() {
    let suite = program(Suite::new(), "docker", "exit 0");
    assert_snapshot!(suite.run(&["--cluster", "kind:nosuch"]).sentence(), @"error: cluster kind:nosuch cannot be used: there is no range `nosuch` on this machine; `cargo xtask range up --name nosuch` makes it");
}

/// The default cluster is started with Docker; `docker` stands for its client.
fn throw_away(docker: Option<&str>, host: Option<&str>) -> String {
    let suite = docker.into_iter().fold(Suite::new(), |suite, script| program(suite, "docker", script));
    let suite = host.into_iter().fold(suite, |suite, host| suite.with("DOCKER_HOST", host));
    let ended = suite.run(&[]);
    assert_eq!(ended.stdout, "", "something was begun");
    ended.sentence().to_owned()
}

#[test]
fn no_docker() {
    // Root would be helped with apt-get, if it were on the PATH.
    let said = throw_away(None, None);
    if ci::tool::are_we_root() {
        assert_snapshot!(said, @"error: no Docker engine answers and none can be installed: this machine lacks docker.io iptables runc jq and has no apt-get; install them with its own package manager and start again");
    } else {
        assert_snapshot!(said, @"error: no Docker engine answers and only root may start one; start dockerd, or set DOCKER_HOST to one that runs");
    }
}

#[test]
fn a_docker_socket_that_the_user_may_not_open() {
    let denied =
        "echo 'permission denied while trying to connect to the docker API at unix:///var/run/docker.sock' >&2; exit 1";
    assert_snapshot!(throw_away(Some(denied), None), @"error: the Docker engine's socket is there but this user may not open it; add the user to the group `docker`, or run as root");
}

#[test]
fn a_docker_socket_that_nobody_answers_at() {
    let down =
        r#"echo "Cannot connect to the Docker daemon at $DOCKER_HOST. Is the docker daemon running?" >&2; exit 1"#;
    assert_snapshot!(throw_away(Some(down), Some("unix:///nowhere/docker.sock")), @"error: no Docker engine answers at DOCKER_HOST=unix:///nowhere/docker.sock (`docker version --format {{.Server.Version}}` failed (exit status: 1): Cannot connect to the Docker daemon at unix:///nowhere/docker.sock. Is the docker daemon running?); start it, or unset DOCKER_HOST");
}

#[test]
fn a_docker_engine_that_hangs() {
    assert_snapshot!(throw_away(Some("exec /bin/sleep 60"), Some("unix:///nowhere/docker.sock")), @"error: no Docker engine answers at DOCKER_HOST=unix:///nowhere/docker.sock (no answer within 10 s); start it, or unset DOCKER_HOST");
}

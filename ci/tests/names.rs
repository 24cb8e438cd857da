//! What clusters are called, and which file says what: contexts of any name, words that are ours as well, and kubeconfigs side by side. No
//! cluster is needed.

mod api_server;
mod server;
mod suite;

use insta::assert_snapshot;
use rstest::rstest;

use api_server::ApiServer;
use suite::{Ended, Suite};

/// A kubeconfig whose contexts all lead to `server` as an operator with `token`; cluster and user are called `default`.
fn kubeconfig(contexts: &[&str], server: &str, token: &str) -> String {
    let entries =
        contexts.iter().map(|name| format!("- name: {name:?}\n  context: {{cluster: default, user: default}}\n"));
    format!(
        "clusters:\n- name: default\n  cluster: {{server: '{server}'}}\nusers:\n- name: default\n  user: {{token: {token}}}\ncontexts:\n{}",
        entries.collect::<String>()
    )
}

/// The same for a server with TLS.
fn leading_to(server: &ApiServer, contexts: &[&str]) -> String {
    let text = kubeconfig(contexts, "[server]", "abc");
    let entry = format!("{{server: 'https://{}', certificate-authority: ca/authority.pem}}", server.address);
    text.replace("{server: '[server]'}", &entry)
}

/// Where nobody listens; the sentence then names the server and the file.
const NOWHERE: &str = "https://127.0.0.1:1";

const UNAUTHORIZED: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;

fn planned(ended: &Ended) -> &str {
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    &ended.stdout
}

#[rstest]
#[case::of_eks("arn:aws:eks:eu-central-1:111122223333:cluster/shop")]
#[case::of_openshift("shop/api-crc-testing:6443/kube:admin")]
#[case::a_space("my cluster")]
#[case::not_ascii("päivä")]
#[case::a_glob("a*b")]
#[case::a_folder(".")]
#[case::a_way_out("../../etc")]
#[case::a_quote("it's \"prod\"")]
#[case::like_ours("kind-prod")]
fn a_context_may_be_called_anything(#[case] name: &str) {
    let server = ApiServer::start();
    let suite = Suite::new().file("ca/authority.pem", &server.identity.authority);
    let suite = suite.kubeconfig(&leading_to(&server, &["other", name]));
    let ended = suite.run(&["--plan", "--cluster", name]);
    assert!(planned(&ended).contains(&server.address.to_string()), "{}", ended.stdout);
    // An entry of conformance.toml of that name is its.
    let entry = format!("{}\nnamespaces = [\"tenant-*\"]\n", harness::settings::heading(name));
    let suite = suite.file("conformance.toml", &entry);
    let ended = suite.run(&["--plan", "--cluster", name]);
    assert!(ended.sentence().contains("is in scope: mend `namespaces`"), "{}", ended.sentence());
}

#[test]
fn a_name_that_is_empty() {
    let suite = Suite::new().kubeconfig(&kubeconfig(&[""], NOWHERE, "abc"));
    assert_snapshot!(suite.run(&["--cluster", ""]).sentence(), @"error: --cluster is empty: name a cluster, or leave it away to have a throw-away cluster started");
}

#[test]
fn a_context_that_is_called_as_the_throw_away_cluster_is() {
    let suite = Suite::new().kubeconfig(&kubeconfig(&["kind"], NOWHERE, "abc"));
    assert_snapshot!(suite.run(&["--cluster", "kind"]).sentence(), @r#"error: --cluster kind may mean a throw-away cluster, or yours (context kind in [folder]/kubeconfig): leave --cluster away for a throw-away one; for yours, call its entry in conformance.toml otherwise: [cluster.NAME] with context = "kind""#);
}

#[test]
fn an_entry_that_is_called_as_the_throw_away_cluster_is() {
    let suite =
        Suite::new().file("conformance.toml", "[cluster.kind]\ncontext = \"c1\"\nnamespaces = [\"tenant-a\"]\n");
    assert_snapshot!(suite.run(&["--cluster", "kind"]).sentence(), @r#"error: --cluster kind may mean a throw-away cluster, or yours ([cluster.kind] in conformance.toml): leave --cluster away for a throw-away one; for yours, call its entry in conformance.toml otherwise: [cluster.NAME] with context = "c1""#);
}

#[test]
fn both_that_are_called_as_the_throw_away_cluster_is() {
    let suite = Suite::new().kubeconfig(&kubeconfig(&["kind"], NOWHERE, "abc"));
    let suite = suite.file("conformance.toml", "[cluster.kind]\ncontext = \"kind\"\nnamespaces = [\"tenant-a\"]\n");
    assert_snapshot!(suite.run(&["--cluster", "kind", "--plan"]).sentence(), @r#"error: --cluster kind may mean a throw-away cluster, or yours (context kind in [folder]/kubeconfig, [cluster.kind] in conformance.toml): leave --cluster away for a throw-away one; for yours, call its entry in conformance.toml otherwise: [cluster.NAME] with context = "kind""#);
}

#[test]
fn an_entry_of_that_name_says_nothing_of_the_throw_away_cluster_that_nobody_named() {
    // Its suite is not there: it would be asked for, if the entry counted.
    let entry = "[cluster.kind]\ncontext = \"kind\"\nsuite = \"nightly.toml\"\n";
    let suite = Suite::new().file("conformance.toml", entry);
    assert_snapshot!(suite.run(&["--plan"]).sentence(), @"error: --plan starts no cluster: name one that is there with --cluster; `cargo xtask range up` makes one to keep, kind:range");
}

#[test]
fn an_entry_without_a_context_is_the_throw_away_cluster_s() {
    let suite = Suite::new().file("conformance.toml", "[cluster.kind]\nsuite = \"nightly.toml\"\n");
    assert_snapshot!(suite.run(&["--cluster", "kind"]).sentence(), @r#"error: unknown suite "nightly.toml": it is none of oke, prod, quick and no file"#);
}

#[test]
fn a_context_that_is_called_as_a_range_that_is_not_there() {
    let suite = Suite::new().kubeconfig(&kubeconfig(&["kind:prod"], NOWHERE, "abc"));
    assert_snapshot!(suite.run(&["--cluster", "kind:prod"]).sentence(), @r#"error: cluster kind:prod cannot be used: the `docker` command cannot be run; install Docker Engine: No such file or directory (os error 2); if context kind:prod in [folder]/kubeconfig is meant, give it an entry in conformance.toml that is called otherwise: [cluster.NAME] with context = "kind:prod""#);
}

#[test]
fn an_entry_that_is_called_as_a_range_is() {
    let suite = Suite::new().file("conformance.toml", "[cluster.\"kind:prod\"]\ncontext = \"c1\"\n");
    assert_snapshot!(suite.run(&["--cluster", "kind:prod"]).sentence(), @r#"error: --cluster kind:prod is the range "prod" of this machine, and [cluster."kind:prod"] in conformance.toml means another cluster; for yours, call its entry in conformance.toml otherwise: [cluster.NAME] with context = "c1""#);
}

#[rstest]
#[case::nothing_said(&["--plan"])]
#[case::by_its_name(&["--plan", "--cluster", "kind"])]
fn a_plan_starts_no_cluster(#[case] arguments: &[&str]) {
    // Whatever would start one would say so of docker.
    let ended = Suite::new().run(arguments);
    assert_eq!(
        ended.sentence(),
        "error: --plan starts no cluster: name one that is there with --cluster; `cargo xtask range up` makes one to keep, kind:range"
    );
}

/// What the suite says of context `default` with files `first` and `second` in $KUBECONFIG.
fn side_by_side(first: &str, second: &str) -> String {
    let suite = Suite::new().file("first", first).file("second", second);
    let paths = ["first", "second"].map(|name| suite.folder().join(name).display().to_string()).join(":");
    suite.with("KUBECONFIG", &paths).run(&["--cluster", "default"]).sentence().to_owned()
}

#[test]
fn a_context_whose_cluster_and_user_are_those_of_another_file() {
    assert_snapshot!(side_by_side(&kubeconfig(&["edge"], NOWHERE, "x"), &kubeconfig(&["default"], "https://127.0.0.1:2", "y")), @"error: the API server https://127.0.0.1:1/ of context default cannot be reached (client error (Connect): tcp connect error: Connection refused (os error 111)); is the cluster up, is there a route to it, and is this its address; mind that of files in $KUBECONFIG the first wins: context default stands in [folder]/second, but its cluster default is that of [folder]/first and its user default is that of [folder]/first, which comes before; rename one of the two, or set $KUBECONFIG to [folder]/second alone");
}

#[test]
fn a_context_whose_user_is_that_of_another_file() {
    let address = server::answering("401 Unauthorized", "application/json", UNAUTHORIZED);
    let server = format!("http://{address}");
    let said = side_by_side(&kubeconfig(&["edge"], &server, "x"), &kubeconfig(&["default"], &server, "y"));
    assert_snapshot!(said.replace(&address.to_string(), "[server]"), @"error: the API server http://[server]/ does not accept the credential of context default in [folder]/second (401): it has expired or was revoked; get a new one, then run again; mind that of files in $KUBECONFIG the first wins: context default stands in [folder]/second, but its user default is that of [folder]/first, which comes before; rename one of the two, or set $KUBECONFIG to [folder]/second alone");
}

#[test]
fn a_context_that_another_file_hides() {
    assert_snapshot!(side_by_side(&kubeconfig(&["default"], NOWHERE, "x"), &kubeconfig(&["default"], "https://127.0.0.1:2", "y")), @"error: the API server https://127.0.0.1:1/ of context default cannot be reached (client error (Connect): tcp connect error: Connection refused (os error 111)); is the cluster up, is there a route to it, and is this its address; mind that of files in $KUBECONFIG the first wins: [folder]/second has a context default as well, which [folder]/first hides; if that one is meant, rename it, or set $KUBECONFIG to [folder]/second alone");
}

#[test]
fn files_that_share_nothing_and_files_that_say_the_same() {
    let twice = kubeconfig(&["default"], NOWHERE, "x");
    assert_snapshot!(side_by_side("contexts: []\n", &twice), @"error: the API server https://127.0.0.1:1/ of context default cannot be reached (client error (Connect): tcp connect error: Connection refused (os error 111)); is the cluster up, is there a route to it, and is this its address?");
    let without_context = kubeconfig(&["edge"], NOWHERE, "x");
    assert_eq!(side_by_side(&without_context, &twice), side_by_side("contexts: []\n", &twice));
}

#[rstest]
#[case::as_kubectl_passes_over_what_is_not_there(":/nowhere:[folder]/kubeconfig:")]
#[case::relative("kubeconfig")]
#[case::relative_from_elsewhere("./inner/../kubeconfig")]
#[case::one_behind_another("inner/other:kubeconfig")]
fn files_are_found_and_what_they_name_beside_them(#[case] paths: &str) {
    let server = ApiServer::start();
    let suite = Suite::new().file("ca/authority.pem", &server.identity.authority);
    let suite = suite.file("inner/other", "contexts: []\n").kubeconfig(&leading_to(&server, &["prod"]));
    let paths = paths.replace("[folder]", &suite.folder().display().to_string());
    let ended = suite.with("KUBECONFIG", &paths).run(&["--plan", "--cluster", "prod"]);
    assert!(planned(&ended).contains(&server.address.to_string()), "{}", ended.stdout);
}

#[test]
fn a_relative_file_is_meant_from_where_the_user_stands() {
    let server = ApiServer::start();
    let suite = Suite::new().file("ca/authority.pem", &server.identity.authority);
    let suite = suite.kubeconfig(&leading_to(&server, &["prod"])).with("KUBECONFIG", "kubeconfig");
    // As cargo starts a test: in its package's folder, with the shell's own word for where the user is.
    let package = suite.folder().join("suites").display().to_string();
    let user = suite.folder().display().to_string();
    let suite = suite.file("suites/Cargo.toml", "").with("CARGO_MANIFEST_DIR", &package).with("PWD", &user);
    let ended = suite.start_in("suites", &["--plan", "--cluster", "prod"]).end(std::time::Duration::from_secs(60));
    assert!(planned(&ended).contains(&server.address.to_string()), "{}", ended.stdout);
}

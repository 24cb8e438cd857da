//! The containers: etcd, which has the network, and in its network the API server and the controllers.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};

use crate::range::docker::docker;
use crate::range::names::Names;

/// Where the API server listens.
pub(super) const API_PORT: u16 = 6443;

/// A resolver that never answers: Docker's own would ask servers outside.
const NO_RESOLVER: &str = "127.0.0.1";

/// Where the programs see the files that are written for them.
pub(super) const FILES: &str = "/etc/kubernetes";

/// What belongs to one API server on this machine.
pub(super) struct Containers<'a> {
    pub(super) names: &'a Names,
    pub(super) labels: &'a [(String, String)],
    pub(super) image: &'a str,
    pub(super) files: &'a Path,
}

impl Containers<'_> {
    /// Makes the network, from which nothing leads out of this machine.
    ///
    /// # Errors
    /// When Docker refuses.
    pub(super) fn network(&self) -> Result<()> {
        let network = self.names.network();
        let mut command = vec!["network".to_owned(), "create".to_owned(), "--internal".to_owned()];
        command.extend(self.labels());
        command.push(network);
        run(&command).map(drop)
    }

    /// Starts etcd, in whose container kubectl is run as well, and returns its address.
    ///
    /// # Errors
    /// When Docker refuses.
    pub(super) fn etcd(&self) -> Result<Ipv4Addr> {
        let name = etcd(self.names);
        let clients = "http://127.0.0.1:2379";
        self.start(
            &name,
            &self.names.network(),
            "/etcd",
            &[
                "--data-dir=/data".to_owned(),
                format!("--listen-client-urls={clients}"),
                format!("--advertise-client-urls={clients}"),
                // It ends with the proof: nothing of it needs to survive a crash.
                "--unsafe-no-fsync".to_owned(),
            ],
        )?;
        let address =
            docker(&["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", &name])?;
        address.trim().parse().with_context(|| format!("container {name} has no IPv4 address"))
    }

    /// Starts the API server, or starts it anew, with `more` arguments.
    ///
    /// # Errors
    /// When Docker refuses.
    pub(super) fn api_server(&self, more: &[&str]) -> Result<()> {
        let name = format!("{}-apiserver", self.names.range());
        let _ = docker(&["rm", "--force", &name]);
        let mut arguments: Vec<String> = [
            "--etcd-servers=http://127.0.0.1:2379",
            "--authorization-mode=RBAC",
            // Without it the API server itself refuses privileged pods, and looks like their guard.
            "--allow-privileged=true",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--endpoint-reconciler-type=none",
        ]
        .map(str::to_owned)
        .into();
        for (option, file) in [
            ("tls-cert-file", "tls.crt"),
            ("tls-private-key-file", "tls.key"),
            ("service-account-key-file", "accounts.pub"),
            ("service-account-signing-key-file", "accounts.key"),
            ("token-auth-file", "tokens.csv"),
        ] {
            arguments.push(format!("--{option}={FILES}/{file}"));
        }
        arguments.push(format!("--secure-port={API_PORT}"));
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        self.start(&name, &format!("container:{}", etcd(self.names)), "/kube-apiserver", &arguments)
    }

    /// Starts the controllers: without them no namespace has its `default` account, and no namespace ever goes.
    ///
    /// # Errors
    /// When Docker refuses.
    pub(super) fn controllers(&self) -> Result<()> {
        let name = format!("{}-controllers", self.names.range());
        let arguments = [
            format!("--kubeconfig={FILES}/admin.conf"),
            format!("--service-account-private-key-file={FILES}/accounts.key"),
            format!("--root-ca-file={FILES}/tls.crt"),
            "--leader-elect=false".to_owned(),
        ];
        self.start(&name, &format!("container:{}", etcd(self.names)), "/kube-controller-manager", &arguments)
    }

    fn start(&self, name: &str, network: &str, program: &str, arguments: &[String]) -> Result<()> {
        let files = format!("type=bind,readonly,source={},target={FILES}", self.files.display());
        let mut command: Vec<String> = [
            "run",
            "--detach",
            "--name",
            name,
            "--network",
            network,
            "--mount",
            &files,
            "--tmpfs",
            "/data",
            "--tmpfs",
            "/tmp",
        ]
        .map(str::to_owned)
        .into();
        // One that shares another's network shares its resolver.
        if !network.starts_with("container:") {
            command.extend(["--dns".to_owned(), NO_RESOLVER.to_owned()]);
        }
        command.extend(self.labels());
        command.extend([self.image.to_owned(), program.to_owned()]);
        command.extend_from_slice(arguments);
        run(&command).map(drop)
    }

    fn labels(&self) -> impl Iterator<Item = String> {
        self.labels.iter().map(|(label, value)| format!("--label={label}={value}"))
    }
}

/// The container of etcd.
pub(super) fn etcd(names: &Names) -> String {
    format!("{}-etcd", names.range())
}

fn run(command: &[String]) -> Result<String> {
    docker(&command.iter().map(String::as_str).collect::<Vec<_>>())
}

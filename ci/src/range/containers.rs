//! A range's containers, started by testcontainers with what kind gives its nodes.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use testcontainers::bollard::models::{
    HostConfig, Mount, MountType, MountVolumeOptions, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use testcontainers::core::{CgroupnsMode, Host, IntoContainerPort};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use super::fence;
use super::names::Names;

/// Where the API server listens in the control plane's container.
const API_PORT: u16 = 6443;

/// The same in Docker's words.
pub(crate) const API_PORT_SPEC: &str = "6443/tcp";

/// A resolver that never answers, in the container's own loopback: Docker's resolver forwards what it does not know, and
/// nothing of the range may ask a server outside it.
const NO_RESOLVER: &str = "127.0.0.1";

/// What must not lie on the container's own overlay: file systems of containers (an overlay takes no other's upper
/// directory) and of pods. kind takes the whole of /var; Docker would then copy the image's half gigabyte of packed
/// container images for each node, which they may as well read where it is: five seconds of a start.
const VOLUMES: [&str; 2] = ["/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs", "/var/lib/kubelet"];

/// Starts one node.
///
/// # Errors
/// When Docker cannot create or start it.
pub(crate) async fn start_node(
    node: &str,
    image: &str,
    names: &Names,
    labels: &[(String, String)],
    gateway: Ipv4Addr,
) -> Result<()> {
    let is_control_plane = node == names.control_plane();
    let role = if is_control_plane { "control-plane" } else { "worker" };
    let volume_labels = labels.to_vec();
    let mut image = image_of(image);
    if is_control_plane {
        // To be published it must also be exposed.
        image = image.with_exposed_port(API_PORT.tcp());
    }
    let mut request = request(image, node, names, labels)
        // kind's own labels: `kind get nodes` and `kind load` then know the range.
        .with_label("io.x-k8s.kind.cluster", names.range())
        .with_label("io.x-k8s.kind.role", role)
        .with_env_var("container", "docker")
        // The entrypoint asks for this name, would wait five seconds for the resolver, and then take the gateway.
        .with_host("host.docker.internal", Host::Addr(gateway.into()))
        .with_privileged(true)
        .with_cgroupns_mode(CgroupnsMode::Private)
        .with_security_opt("seccomp=unconfined")
        .with_security_opt("apparmor=unconfined")
        .with_host_config_modifier(move |host| node_host_config(host, is_control_plane, &volume_labels));
    if is_control_plane {
        request = request.with_env_var("KUBECONFIG", "/etc/kubernetes/admin.conf");
    }
    if let Ok(snapshotter) = std::env::var("KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER") {
        request = request.with_env_var("KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER", snapshotter);
    }
    start(request, node).await
}

/// Starts the metadata service; it gives itself its link-local addresses, for which it needs the right. Hardened: without version 1.
///
/// # Errors
/// When Docker cannot create or start it.
pub(crate) async fn start_metadata(image: &str, names: &Names, labels: &[(String, String)]) -> Result<()> {
    let name = names.metadata();
    let addresses = fence::LINK_LOCAL.iter().chain([&fence::OUTSIDE]).map(|address| format!("--address={address}"));
    let ports = fence::LINK_LOCAL_PORTS.iter().map(|port| format!("--port={port}"));
    let request = request(image_of(image), &name, names, labels)
        .with_cmd(
            addresses
                .chain([format!("--address={}", fence::METADATA_IPV6)])
                .chain(ports)
                .chain(["--legacy-endpoints-disabled".to_owned()]),
        )
        .with_cap_add("NET_ADMIN")
        .with_host_config_modifier(|host| {
            within_the_range(host);
            // Docker switches it off where its network has none.
            host.sysctls = Some([("net.ipv6.conf.all.disable_ipv6".to_owned(), "0".to_owned())].into());
        });
    start(request, &name).await
}

fn image_of(reference: &str) -> GenericImage {
    // A digest is all behind the last colon, too: `name@sha256` and the sum are put together again as they were.
    let (name, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
    GenericImage::new(name, tag)
}

fn request(
    image: GenericImage,
    container: &str,
    names: &Names,
    labels: &[(String, String)],
) -> ContainerRequest<GenericImage> {
    image
        .with_container_name(container)
        .with_hostname(container)
        .with_network(names.network())
        .with_labels(labels.iter().map(|(label, value)| (label.as_str(), value.as_str())))
}

async fn start(request: ContainerRequest<GenericImage>, container: &str) -> Result<()> {
    let started = request.start().await.with_context(|| format!("container {container} did not start"))?;
    // The range is taken away as a whole, by label: testcontainers' destructor needs a runtime, and would end the
    // container of a kept range.
    std::mem::forget(started);
    Ok(())
}

fn within_the_range(host: &mut HostConfig) {
    host.publish_all_ports = Some(false);
    host.dns = Some(vec![NO_RESOLVER.to_owned()]);
    host.restart_policy = Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None });
}

fn node_host_config(host: &mut HostConfig, is_control_plane: bool, labels: &[(String, String)]) {
    within_the_range(host);
    host.init = Some(false);
    host.tmpfs = Some(["/tmp", "/run"].map(|path| (path.to_owned(), String::new())).into());
    let mut mounts = VOLUMES.map(|target| volume(target, labels)).to_vec();
    if Path::new("/lib/modules").is_dir() {
        mounts.push(Mount {
            typ: Some(MountType::BIND),
            source: Some("/lib/modules".to_owned()),
            target: Some("/lib/modules".to_owned()),
            read_only: Some(true),
            ..Mount::default()
        });
    }
    host.mounts = Some(mounts);
    if is_control_plane {
        let loopback = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: None };
        host.port_bindings = Some(HashMap::from([(API_PORT_SPEC.to_owned(), Some(vec![loopback]))]));
    }
}

/// An anonymous volume: it goes with its container. Labelled, so that it is found even where it did not.
fn volume(target: &str, labels: &[(String, String)]) -> Mount {
    let options =
        MountVolumeOptions { labels: Some(labels.iter().cloned().collect()), ..MountVolumeOptions::default() };
    Mount {
        typ: Some(MountType::VOLUME),
        target: Some(target.to_owned()),
        volume_options: Some(options),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_published_on_loopback_and_by_the_control_plane_only() {
        let mut control_plane = HostConfig::default();
        node_host_config(&mut control_plane, true, &[]);
        let bindings = control_plane.port_bindings.unwrap();
        let binding = bindings[API_PORT_SPEC].as_ref().unwrap();
        assert_eq!(binding[0].host_ip.as_deref(), Some("127.0.0.1"));

        let mut worker = HostConfig::default();
        node_host_config(&mut worker, false, &[]);
        assert_eq!(worker.port_bindings, None);
        assert_eq!(worker.publish_all_ports, Some(false));
    }

    #[test]
    fn a_digest_reference_survives_testcontainers_name_and_tag() {
        let names = Names::new("range").unwrap();
        for image in ["kindest/node@sha256:0123", "node:abc", "localhost:5000/node:abc"] {
            assert_eq!(request(image_of(image), "node", &names, &[]).descriptor(), image);
        }
    }
}

//! Which request gets which answer, over HTTP on loopback.
mod http;

use std::sync::{Arc, LazyLock};

use metadata_service::documents::Documents;
use metadata_service::endpoint::Endpoint;
use metadata_service::identity::Identity;
use metadata_service::server;
use rstest::rstest;
use tokio::net::TcpListener;

const V2: &[&str] = &["Authorization: Bearer Oracle"];

/// The service in this process, on a port of its own, for as long as the process lives.
struct Service {
    address: String,
}

impl Service {
    fn start(legacy_endpoints_disabled: bool) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("tokio's way");
        let address = listener.local_addr().expect("its address").to_string();
        let identity = Identity { certificate: "C".into(), key: "K".into(), intermediate: "I".into() };
        let documents = Documents::of_a_managed_node(&identity, 0);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                let legacy_endpoints_disabled = legacy_endpoints_disabled.into();
                let endpoint = Arc::new(Endpoint { documents, legacy_endpoints_disabled });
                server::serve(listener, endpoint, std::future::pending()).await
            })
        });
        Self { address }
    }

    fn get(&self, path: &str, headers: &[&str]) -> (u16, String) {
        http::request(&self.address, "GET", path, headers)
    }
}

static BOTH_VERSIONS: LazyLock<Service> = LazyLock::new(|| Service::start(false));
static VERSION_2_ONLY: LazyLock<Service> = LazyLock::new(|| Service::start(true));

#[rstest]
#[case::with_its_header("/opc/v2/instance/", V2, 200)]
#[case::header_names_have_no_case("/opc/v2/instance/", &["authorization: Bearer Oracle"], 200)]
#[case::without_its_header("/opc/v2/instance/", &[], 401)]
#[case::with_another_credential("/opc/v2/instance/", &["Authorization: Bearer oracle"], 401)]
#[case::unknown_paths_tell_nothing("/opc/v2/nothing", &[], 401)]
#[case::keys_want_it_too("/opc/v2/identity/key.pem", &[], 401)]
#[case("/opc/v2/identity/key.pem", V2, 200)]
#[case("/opc/v2/identity/cert.pem", V2, 200)]
#[case("/opc/v2/identity/intermediate.pem", V2, 200)]
#[case("/opc/v2/vnics/", V2, 200)]
#[case("/opc/v2/volumeAttachments/", V2, 200)]
#[case("/opc/v2/instance/id", V2, 200)]
#[case("/opc/v2/instance/metadata/oke_init_script", V2, 200)]
#[case::unknown_key("/opc/v2/instance/metadata/nothing", V2, 404)]
#[case::no_listing_of_keys("/opc/v2/identity/", V2, 404)]
#[case::no_root("/opc/v2/", V2, 404)]
#[case::no_such_version("/opc/v3/instance/", V2, 404)]
#[case::no_such_version("/opc/v22/instance/", V2, 404)]
#[case::forwarded("/opc/v2/instance/", &[V2[0], "Forwarded: for=10.0.0.1"], 403)]
#[case::forwarded("/opc/v2/instance/", &[V2[0], "X-Forwarded-For: 10.0.0.1"], 403)]
#[case::forwarded("/opc/v2/instance/", &[V2[0], "X-Forwarded-Host: a.example"], 403)]
fn version_2(#[case] path: &str, #[case] headers: &[&str], #[case] status: u16) {
    assert_eq!(BOTH_VERSIONS.get(path, headers).0, status);
    assert_eq!(VERSION_2_ONLY.get(path, headers).0, status, "the legacy endpoints have no say in it");
}

#[rstest]
#[case("/opc/v1/instance/", &[])]
#[case("/opc/v1/instance/id", V2)]
#[case("/opc/v1/identity/key.pem", &[])]
#[case("/opc/v1/vnics/0/privateIp", &[])]
#[case::forwarding_is_version_2s_concern("/opc/v1/instance/", &["X-Forwarded-For: 10.0.0.1"])]
#[case("/openstack/latest/meta_data.json", &[])]
fn the_legacy_endpoints_answer_unless_disabled(#[case] path: &str, #[case] headers: &[&str]) {
    assert_eq!(BOTH_VERSIONS.get(path, headers).0, 200);
    assert_eq!(VERSION_2_ONLY.get(path, headers).0, 404);
}

#[rstest]
#[case("id", "ocid1.instance.oc1.phx.exampleuniqueid")]
#[case("region", "phx")]
#[case("canonicalRegionName", "us-phoenix-1")]
#[case("regionInfo/realmDomainComponent", "oraclecloud.com")]
#[case("metadata/oke-pool-id", "ocid1.nodepool.oc1.phx.exampleuniqueid")]
fn a_value_is_answered_bare(#[case] path: &str, #[case] value: &str) {
    assert_eq!(BOTH_VERSIONS.get(&format!("/opc/v2/instance/{path}"), V2), (200, value.to_owned()));
}

#[test]
fn a_directory_is_answered_as_json() {
    let (_, body) = BOTH_VERSIONS.get("/opc/v2/instance/", V2);
    let instance: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let documented = [
        "availabilityDomain",
        "faultDomain",
        "compartmentId",
        "displayName",
        "hostname",
        "id",
        "image",
        "metadata",
        "region",
        "canonicalRegionName",
        "ociAdName",
        "regionInfo",
        "shape",
        "state",
        "timeCreated",
        "agentConfig",
        "freeformTags",
        "definedTags",
        "shapeConfig",
    ];
    for field in documented {
        assert!(instance.get(field).is_some(), "{field} is missing");
    }
    let of_oke = ["user_data", "oke_init_script", "bootstrap-kubelet-conf", "oke-cluster-id", "ssh_authorized_keys"];
    for key in of_oke {
        assert!(instance["metadata"].get(key).is_some(), "metadata/{key} is missing");
    }
}

#[rstest]
#[case("POST")]
#[case("PUT")]
#[case("DELETE")]
fn it_is_only_read(#[case] method: &str) {
    assert_eq!(http::request(&BOTH_VERSIONS.address, method, "/opc/v2/instance/", V2).0, 405);
}

//! What the service knows: one tree, of which every path names a part.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::identity::Identity;

/// Everything served.
#[derive(Debug)]
pub struct Documents {
    opc: Value,
    openstack: Value,
}

impl Documents {
    /// The documents of an OKE managed node, with this identity, created at `created_ms` since the epoch.
    pub fn of_a_managed_node(identity: &Identity, created_ms: i64) -> Self {
        let mut instance = parse(include_str!("../documents/instance.json"));
        instance["timeCreated"] = json!(created_ms);
        let metadata = &mut instance["metadata"];
        // OKE stores these three in base64, as its own cloud-init shows for the init script.
        for (key, text) in [
            ("user_data", include_str!("../documents/user-data.sh")),
            ("oke_init_script", include_str!("../documents/oke-init-script.sh")),
            ("bootstrap-kubelet-conf", include_str!("../documents/bootstrap-kubelet-conf.yaml")),
        ] {
            metadata[key] = json!(STANDARD.encode(text));
        }
        let openstack = json!({"latest": {
            "meta_data.json": {
                "uuid": instance["id"],
                "name": instance["displayName"],
                "hostname": instance["hostname"],
                "availability_zone": instance["availabilityDomain"],
                "public_keys": {"default": instance["metadata"]["ssh_authorized_keys"]},
            },
            "user_data": instance["metadata"]["user_data"],
        }});
        let opc = json!({
            "instance": instance,
            "vnics": parse(include_str!("../documents/vnics.json")),
            "volumeAttachments": parse(include_str!("../documents/volume-attachments.json")),
            "identity": {
                "cert.pem": identity.certificate,
                "key.pem": identity.key,
                "intermediate.pem": identity.intermediate,
            },
        });
        Self { opc, openstack }
    }

    /// The part that a path below `/opc/v1` or `/opc/v2` names; list items go by number: `vnics/0/privateIp`.
    pub fn opc(&self, path: &str) -> Option<&Value> {
        // Neither the root nor the identity is a documented directory: their files are only to be had by name.
        part(&self.opc, path)
            .filter(|part| !std::ptr::eq(*part, &self.opc) && !std::ptr::eq(*part, &self.opc["identity"]))
    }

    /// The part that a path below `/openstack` names.
    pub fn openstack(&self, path: &str) -> Option<&Value> {
        part(&self.openstack, path)
    }
}

fn part<'document>(document: &'document Value, path: &str) -> Option<&'document Value> {
    let mut steps = path.split('/').filter(|step| !step.is_empty());
    steps.try_fold(document, |part, step| match part {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => part.get(step),
    })
}

fn parse(document: &str) -> Value {
    serde_json::from_str(document).expect("the documents were JSON when they were compiled in")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn documents() -> Documents {
        let identity = Identity { certificate: "C".into(), key: "K".into(), intermediate: "I".into() };
        Documents::of_a_managed_node(&identity, 1_600_381_928_581)
    }

    #[rstest]
    #[case("instance/id", json!("ocid1.instance.oc1.phx.exampleuniqueid"))]
    #[case("instance/timeCreated", json!(1_600_381_928_581_i64))]
    #[case("instance/regionInfo/realmKey", json!("oc1"))]
    #[case("instance//regionInfo/realmKey/", json!("oc1"))]
    #[case("vnics/0/privateIp", json!("10.0.10.2"))]
    #[case("identity/key.pem", json!("K"))]
    fn a_path_names_a_part(#[case] path: &str, #[case] expected: Value) {
        assert_eq!(documents().opc(path), Some(&expected));
    }

    #[rstest]
    #[case("")]
    #[case("/")]
    #[case("identity/")]
    #[case("instance/nothing")]
    #[case("instance/id/further")]
    #[case("vnics/1")]
    #[case("vnics/first")]
    fn what_is_not_there_is_not_there(#[case] path: &str) {
        assert_eq!(documents().opc(path), None);
    }
}

//! Admission plug-ins that are compiled into an API server and have no guard of their own here, each by the words that it begins with: upstream's, and
//! OpenShift's. What stands behind those words is free text.
use super::Reason;
use super::go_text::quoted;

/// kubernetes, plugin/pkg/admission: the plug-in and how it begins.
const BEGINNINGS: [(&str, &str); 9] = [
    // network/denyserviceexternalips
    ("DenyServiceExternalIPs", "Use of external IPs is denied by admission control"),
    // imagepolicy: whoever cannot be reached is told otherwise. OKE's verification of images is one.
    ("ImagePolicyWebhook", "image policy webhook backend denied one or more images"),
    // podnodeselector
    ("PodNodeSelector", "pod node label selector conflicts with its namespace node label selector"),
    ("PodNodeSelector", "pod node label selector labels conflict with its namespace whitelist"),
    // podtolerationrestriction
    (
        "PodTolerationRestriction",
        "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist",
    ),
    // gc: OwnerReferencesPermissionEnforcement
    ("OwnerReferencesPermissionEnforcement", "cannot set blockOwnerDeletion if an ownerReference refers to a resource"),
    ("OwnerReferencesPermissionEnforcement", "cannot set an ownerRef on a resource you can't delete: "),
    // certificates/subjectrestriction
    (
        "CertificateSubjectRestriction",
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
    ),
    // openshift, apiserver-library-go, securitycontextconstraints/sccadmission
    ("SecurityContextConstraint", "unable to validate against any security context constraint: "),
];

/// noderestriction: what comes before a node's name where it makes a pod of its own.
const NO_MIRROR: &str = "pod does not have \"kubernetes.io/config.mirror\" annotation, ";
/// The same: what a node may not do, behind its name.
const NODE: [&str; 4] = [" can only ", " can not ", " cannot ", " is not allowed to "];

/// Who refused, by the plug-in's name, and in which words.
pub fn refusal(reason: &str) -> Option<Reason> {
    let begun = BEGINNINGS.iter().find(|(_, words)| reason.starts_with(words)).map(|(plugin, _)| *plugin);
    let plugin = begun
        .or_else(|| of_node(reason).then_some("NodeRestriction"))
        .or_else(|| always_pulls(reason).then_some("AlwaysPullImages"))
        .or_else(|| denies_contexts(reason).then_some("SecurityContextDeny"))?;
    Some(Reason::Plugin { plugin: plugin.to_owned(), message: reason.to_owned() })
}

fn of_node(reason: &str) -> bool {
    let reason = reason.strip_prefix(NO_MIRROR).unwrap_or(reason);
    let rest = reason.strip_prefix("node ").and_then(quoted).map(|(_, rest)| rest);
    rest.is_some_and(|rest| NODE.iter().any(|words| rest.starts_with(words)))
}

/// alwayspullimages: a field error for each container, in brackets where there are several.
fn always_pulls(reason: &str) -> bool {
    let list = reason.strip_prefix('[').unwrap_or(reason);
    let container = ["spec.containers[", "spec.initContainers[", "spec.ephemeralContainers["];
    container.iter().any(|path| list.starts_with(path))
        && list.split_once("].").is_some_and(|(_, rest)| rest.starts_with("imagePullPolicy: Unsupported value: "))
}

/// securitycontext/scdeny, until 1.29: `SecurityContext.RunAsUser is forbidden`.
fn denies_contexts(reason: &str) -> bool {
    let field = reason.strip_suffix(" is forbidden");
    let field = field.map(|field| field.strip_prefix("pod.Spec.").unwrap_or(field));
    let field = field.and_then(|field| field.strip_prefix("SecurityContext."));
    field.is_some_and(|field| !field.is_empty() && field.chars().all(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Use of external IPs is denied by admission control", Some("DenyServiceExternalIPs"))]
    #[case(
        "image policy webhook backend denied one or more images: violates PodSecurity \"restricted:latest\": x",
        Some("ImagePolicyWebhook")
    )]
    #[case("image policy webhook backend denied one or more images", Some("ImagePolicyWebhook"))]
    #[case("Post \"https://policy.example\": connection refused", None)]
    #[case(
        "unable to validate against any security context constraint: [provider \"anyuid\": Forbidden: not usable by user or serviceaccount]",
        Some("SecurityContextConstraint")
    )]
    #[case("node \"n\" can only create pods with spec.nodeName set to itself", Some("NodeRestriction"))]
    #[case("node \"n\" is not allowed to modify node \"m\"", Some("NodeRestriction"))]
    #[case(
        "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n\" can only create mirror pods",
        Some("NodeRestriction")
    )]
    #[case("node \"n\" likes it", None)]
    #[case("pod node label selector conflicts with its namespace node label selector", Some("PodNodeSelector"))]
    #[case(
        "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist",
        Some("PodTolerationRestriction")
    )]
    #[case(
        "spec.containers[0].imagePullPolicy: Unsupported value: \"IfNotPresent\": supported values: \"Always\"",
        Some("AlwaysPullImages")
    )]
    #[case(
        "[spec.initContainers[0].imagePullPolicy: Unsupported value: \"Never\": supported values: \"Always\", spec.containers[0].imagePullPolicy: Unsupported value: \"Never\": supported values: \"Always\"]",
        Some("AlwaysPullImages")
    )]
    #[case("spec.containers[0].image: Unsupported value: \"a\"", None)]
    #[case("SecurityContext.RunAsUser is forbidden", Some("SecurityContextDeny"))]
    #[case("pod.Spec.SecurityContext.SELinuxOptions is forbidden", Some("SecurityContextDeny"))]
    #[case("SecurityContext. is forbidden", None)]
    #[case("no PriorityClass with name x was found", None)]
    #[case("x: Use of external IPs is denied by admission control", None)]
    fn by_its_name(#[case] reason: &str, #[case] expected: Option<&str>) {
        let found = refusal(reason).map(|reason| reason.by());
        assert_eq!(found.as_deref(), expected);
    }
}

//! Servers that are not the API server: their codes, and the kubelet's one sentence.
use kube::core::Status;

use super::{Denial, Reason};

const PERMISSION_DENIED: u32 = 7;
const UNAUTHENTICATED: u32 = 16;

impl Denial {
    /// What a server answered over HTTP. It must be one whose word counts: any pod can answer 401.
    pub fn of_http(code: u16, body: &str) -> Option<Self> {
        // A `Status` says more than its code, and may say something else.
        if let Some(mut status) = status(body) {
            status.code = code;
            return Self::of_status(&status);
        }
        let reason = match code {
            401 => Reason::Authentication,
            403 => kubelet(body.trim_end())?,
            _ => return None,
        };
        Some(reason.into())
    }

    /// A gRPC call's code.
    pub fn of_grpc(code: u32) -> Option<Self> {
        let reason = match code {
            PERMISSION_DENIED => Reason::PermissionDenied,
            UNAUTHENTICATED => Reason::Authentication,
            _ => return None,
        };
        Some(reason.into())
    }
}

fn status(body: &str) -> Option<Status> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    (value["kind"] == "Status").then(|| serde_json::from_value(value).ok())?
}

/// kubernetes, pkg/kubelet/server/server.go: `Forbidden (user=x, verb=get, resource=nodes, subresource(s)=[proxy])`; below 1.33
/// `subresource=proxy`. A user's name is not quoted there, so it is read last.
fn kubelet(body: &str) -> Option<Reason> {
    let body = body.strip_prefix("Forbidden (user=")?.strip_suffix(')')?;
    let (body, resource) = body.rsplit_once(", resource=")?;
    let (user, verb) = body.rsplit_once(", verb=")?;
    let (resource, subresource) = resource
        .split_once(", subresource(s)=[")
        .and_then(|(resource, list)| Some((resource, list.strip_suffix(']')?)))
        .or_else(|| resource.split_once(", subresource="))?;
    Some(Reason::Rbac {
        user: user.into(),
        verb: verb.into(),
        resource: format!("{resource}/{}", subresource.replace(' ', ",")),
        group: String::new(),
        namespace: None,
        name: None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::words::Guard;

    #[rstest]
    #[case::token(401, "Unauthorized", "the credential is not accepted")]
    #[case::any_words(401, "", "the credential is not accepted")]
    #[case::kubelet(
        403,
        "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource(s)=[proxy])\n",
        "system:anonymous may not get nodes/proxy cluster-wide"
    )]
    #[case::kubelet_1_33(
        403,
        "Forbidden (user=x, verb=get, resource=nodes, subresource(s)=[pods proxy])\n",
        "x may not get nodes/pods,proxy cluster-wide"
    )]
    #[case::old_kubelet(
        403,
        "Forbidden (user=x, verb=create, resource=nodes, subresource=proxy)",
        "x may not create nodes/proxy cluster-wide"
    )]
    #[case::api_server(403, r#"{"kind":"Status","status":"Failure","message":"forbidden: User \"x\" cannot get path \"/metrics\"","details":{},"code":403}"#, "x may not get /metrics")]
    fn a_server_says_no(#[case] code: u16, #[case] body: &str, #[case] expected: &str) {
        assert_eq!(Denial::of_http(code, body).unwrap().reason.to_string(), expected);
    }

    #[rstest]
    #[case::any_server(403, "<html>403 Forbidden</html>")]
    #[case::not_there(404, "404 page not found")]
    #[case::gone(503, "Forbidden (user=x, verb=get, resource=nodes, subresource=proxy)")]
    #[case::a_status_that_says_something_else(
        401,
        r#"{"kind":"Status","status":"Failure","message":"token service is down","code":401}"#
    )]
    #[case::let_in(200, "Unauthorized")]
    fn a_server_says_something_else(#[case] code: u16, #[case] body: &str) {
        assert_eq!(Denial::of_http(code, body), None);
    }

    #[test]
    fn of_grpc_two_codes_refuse() {
        let refusals: Vec<_> = (0..=20).filter_map(|code| Some((code, Denial::of_grpc(code)?.guard))).collect();
        assert_eq!(refusals, [(7, Guard::Rbac), (16, Guard::Authentication)]);
    }
}

//! The proxy on the way to an API server, as kubectl has it: the one of the kubeconfig's entry, or else the environment's.
mod no_proxy;
mod tunnel;

use anyhow::{Result, anyhow, bail};
use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

pub(super) use tunnel::{NoWay, Tunnel, WITHIN};

/// What a proxy may speak; SOCKS leaves names to the proxy in both spellings, as in Go.
const SPOKEN: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// A proxy, and who names it.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    /// Where it is, and who one is to it.
    at: Intercept,
    named_by: NamedBy,
}

/// Who names a proxy.
#[derive(Clone, Debug)]
enum NamedBy {
    /// `proxy-url` of the cluster of this context.
    Entry(String),
    /// A variable of the environment.
    Variable(&'static str),
}

impl Proxy {
    /// The proxy that `entry`, the `proxy-url` of `context`'s cluster, names for `server`, or else the environment. What an entry says counts
    /// for every server; the environment never says anything of loopback, and nothing of what `NO_PROXY` lists.
    ///
    /// # Errors
    /// One sentence: what is wrong with the proxy's URL, where it stands, and what to do.
    pub(super) fn to(
        server: &Uri,
        entry: Option<&str>,
        context: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>> {
        if let Some(url) = entry.filter(|url| !url.is_empty()) {
            return Self::parse(url, server, NamedBy::Entry(context.to_owned())).map(Some);
        }
        // The first that says something; kubectl knows no ALL_PROXY.
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| Some((name, variable(name).filter(|value| !value.is_empty())?)))
        };
        let https = server.scheme_str() == Some("https");
        let named = first(if https { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] });
        let except = first(["NO_PROXY", "no_proxy"]).map(|(_, value)| value).unwrap_or_default();
        match named {
            Some((name, url)) if !no_proxy::exempts(&except, server) => {
                // Go takes a bare address for one of an HTTP proxy.
                let url = if url.contains("://") { url } else { format!("http://{url}") };
                Self::parse(&url, server, NamedBy::Variable(name)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn parse(url: &str, server: &Uri, named_by: NamedBy) -> Result<Self> {
        let (place, mend) = match &named_by {
            NamedBy::Entry(context) => (context.clone(), "mend `proxy-url` of its cluster".to_owned()),
            NamedBy::Variable(name) => {
                let host = server.host().unwrap_or_default();
                (format!("${name}"), format!("mend it, or list {host} in NO_PROXY if no proxy leads there"))
            }
        };
        let said = without_credential(url);
        let no_url = |why: &str| anyhow!("the proxy {said:?} of {place} is no URL ({why}); {mend}");
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| no_url("it does not begin with http://, https:// or socks5://"))?;
        let scheme = scheme.to_ascii_lowercase();
        if !SPOKEN.contains(&scheme.as_str()) {
            bail!("the proxy {said} of {place} speaks {scheme}, and only http, https and socks5 are known; {mend}");
        }
        let url = format!("{scheme}://{rest}");
        let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| no_url(&error.to_string()))?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(no_url("it names no host"));
        }
        // A port that is no number would be taken for none.
        if uri.port_u16().is_none() && uri.authority().is_some_and(|authority| has_port(authority.as_str())) {
            return Err(no_url("its port is no number up to 65535"));
        }
        let at = Matcher::builder().all(url).build().intercept(server).ok_or_else(|| no_url("it cannot be read"))?;
        Ok(Self { at, named_by })
    }

    /// The proxy in words, and who names it.
    pub(super) fn told(&self) -> String {
        match &self.named_by {
            NamedBy::Entry(context) => format!("the proxy {} of {context}", self.url()),
            NamedBy::Variable(name) => format!("the proxy {} of ${name}", self.url()),
        }
    }

    /// Its URL, without a password.
    pub(super) fn url(&self) -> String {
        self.at.uri().to_string().trim_end_matches('/').to_owned()
    }
}

/// A proxy's URL as it may be shown to others.
fn without_credential(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

/// Whether `HOST`, `HOST:PORT` or `[HOST]:PORT`, with a credential before it or not, has a port.
fn has_port(authority: &str) -> bool {
    let address = authority.rsplit(['@', ']']).next().unwrap_or_default();
    address.split_once(':').is_some_and(|(_, port)| !port.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// What is said of the way to `server`.
    fn way(server: &str, entry: &str, environment: &[(&str, &str)]) -> String {
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        match Proxy::to(&server.parse().unwrap(), Some(entry), "context prod in FILE", variable) {
            Ok(Some(proxy)) => proxy.told(),
            Ok(None) => "no proxy".to_owned(),
            Err(why) => why.to_string(),
        }
    }

    const API: &str = "https://api.example:6443";

    #[rstest]
    #[case::http(API, "http://p:3128", "the proxy http://p:3128 of context prod in FILE")]
    #[case::https(API, "https://p", "the proxy https://p of context prod in FILE")]
    #[case::socks(API, "socks5://p:1080", "the proxy socks5://p:1080 of context prod in FILE")]
    #[case::capitals(API, "HTTP://p:3128", "the proxy http://p:3128 of context prod in FILE")]
    #[case::to_loopback("https://127.0.0.1:6443", "http://p:3128", "the proxy http://p:3128 of context prod in FILE")]
    #[case::to_a_server_without_tls(
        "http://api.example",
        "http://p:3128",
        "the proxy http://p:3128 of context prod in FILE"
    )]
    #[case::no_word_of_the_password(
        API,
        "http://me:s%40cret@p:3128",
        "the proxy http://p:3128 of context prod in FILE"
    )]
    #[case::six(
        "https://[fd00::1]:6443",
        "socks5://[::1]:1080",
        "the proxy socks5://[::1]:1080 of context prod in FILE"
    )]
    fn an_entry_counts_whatever_the_environment_says(
        #[case] server: &str,
        #[case] entry: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(way(server, entry, &[("HTTPS_PROXY", "http://other:1"), ("NO_PROXY", "*")]), expected);
    }

    #[rstest]
    #[case::none(API, &[], "no proxy")]
    #[case::https(API, &[("HTTPS_PROXY", "http://p:3128"), ("https_proxy", "http://q:3128")], "the proxy http://p:3128 of $HTTPS_PROXY")]
    #[case::lower_case(API, &[("HTTPS_PROXY", ""), ("https_proxy", "http://q:3128")], "the proxy http://q:3128 of $https_proxy")]
    #[case::for_the_other_scheme(API, &[("HTTP_PROXY", "http://p:3128"), ("http_proxy", "http://p:3128")], "no proxy")]
    #[case::http("http://api.example", &[("HTTP_PROXY", "http://p:3128"), ("HTTPS_PROXY", "http://q:1")], "the proxy http://p:3128 of $HTTP_PROXY")]
    #[case::all_is_nothing_to_kubectl(API, &[("ALL_PROXY", "http://p:3128"), ("all_proxy", "http://p:3128")], "no proxy")]
    #[case::a_bare_address(API, &[("HTTPS_PROXY", "p:3128")], "the proxy http://p:3128 of $HTTPS_PROXY")]
    #[case::a_bare_name(API, &[("HTTPS_PROXY", "p")], "the proxy http://p of $HTTPS_PROXY")]
    #[case::socks(API, &[("HTTPS_PROXY", "socks5h://me:secret@p")], "the proxy socks5h://p of $HTTPS_PROXY")]
    #[case::left_out(API, &[("HTTPS_PROXY", "http://p:3128"), ("NO_PROXY", ".example")], "no proxy")]
    #[case::left_out_in_lower_case(API, &[("HTTPS_PROXY", "http://p:3128"), ("NO_PROXY", ""), ("no_proxy", ".example")], "no proxy")]
    #[case::another_list_counts(API, &[("HTTPS_PROXY", "http://p:3128"), ("NO_PROXY", "a"), ("no_proxy", ".example")], "the proxy http://p:3128 of $HTTPS_PROXY")]
    #[case::the_proxy_itself_is_left_out(API, &[("HTTPS_PROXY", "http://127.0.0.1:3128"), ("NO_PROXY", "127.0.0.1")], "the proxy http://127.0.0.1:3128 of $HTTPS_PROXY")]
    #[case::loopback("https://127.0.0.1:6443", &[("HTTPS_PROXY", "http://p:3128")], "no proxy")]
    #[case::unusable_and_not_used("https://localhost:6443", &[("HTTPS_PROXY", "http://my proxy")], "no proxy")]
    fn the_environment_as_kubectl_reads_it(
        #[case] server: &str,
        #[case] environment: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        assert_eq!(way(server, "", environment), expected);
    }

    #[rstest]
    #[case::no_scheme("p:3128", r#"the proxy "p:3128" of context prod in FILE is no URL (it does not begin with http://, https:// or socks5://); mend `proxy-url` of its cluster"#)]
    #[case::another_scheme(
        "socks4://me:secret@p:1080",
        "the proxy socks4://p:1080 of context prod in FILE speaks socks4, and only http, https and socks5 are known; mend `proxy-url` of its cluster"
    )]
    #[case::a_space("http://my proxy:3128", r#"the proxy "http://my proxy:3128" of context prod in FILE is no URL (invalid uri character); mend `proxy-url` of its cluster"#)]
    #[case::no_host(
        "http://",
        r#"the proxy "http://" of context prod in FILE is no URL (empty string); mend `proxy-url` of its cluster"#
    )]
    #[case::no_name("http://:3128", r#"the proxy "http://:3128" of context prod in FILE is no URL (it names no host); mend `proxy-url` of its cluster"#)]
    #[case::no_port("http://p:31280000", r#"the proxy "http://p:31280000" of context prod in FILE is no URL (its port is no number up to 65535); mend `proxy-url` of its cluster"#)]
    #[case::a_password_as_it_is("http://me:s/cret@p:3128", r#"the proxy "http://p:3128" of context prod in FILE is no URL (its port is no number up to 65535); mend `proxy-url` of its cluster"#)]
    fn what_is_no_proxy_is_told_without_its_password(#[case] entry: &str, #[case] expected: &str) {
        assert_eq!(way(API, entry, &[]), expected);
    }

    #[rstest]
    #[case::a_space("http://my proxy", r#"the proxy "http://my proxy" of $HTTPS_PROXY is no URL (invalid uri character); mend it, or list api.example in NO_PROXY if no proxy leads there"#)]
    #[case::another_scheme(
        "ftp://p",
        "the proxy ftp://p of $HTTPS_PROXY speaks ftp, and only http, https and socks5 are known; mend it, or list api.example in NO_PROXY if no proxy leads there"
    )]
    fn a_variable_that_names_no_proxy_is_named(#[case] value: &str, #[case] expected: &str) {
        assert_eq!(way(API, "", &[("HTTPS_PROXY", value)]), expected);
    }
}

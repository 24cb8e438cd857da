//! Who deploys where: service accounts, as `conformance.toml` names them.
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::glob;

/// One account for all namespaces, or one for each glob over their names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a service account (`NAME` or `NAMESPACE:NAME`), or a table of them by namespace"
)]
pub enum Deployers {
    /// In every namespace.
    Everywhere(Account),
    /// By glob; where several match, the longest counts.
    By(BTreeMap<String, Account>),
}

/// A service account: `NAME`, of the namespace that is deployed to, or `NAMESPACE:NAME`, of one that deploys to others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Account {
    /// Its own namespace, where that is another one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl From<String> for Account {
    fn from(text: String) -> Self {
        match text.split_once(':') {
            Some((namespace, name)) => Self { namespace: Some(namespace.into()), name: name.into() },
            None => Self { namespace: None, name: text },
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}:")?;
        }
        f.write_str(&self.name)
    }
}

/// Where nothing is said, whoever is called so.
impl Default for Deployers {
    fn default() -> Self {
        Self::Everywhere(Account { namespace: None, name: "deployer".into() })
    }
}

impl Deployers {
    /// Who deploys in `namespace`, where that is said.
    pub fn of(&self, namespace: &str) -> Option<&Account> {
        match self {
            Self::Everywhere(account) => Some(account),
            Self::By(table) => {
                let matching = table.iter().filter(|(glob, _)| glob::matches(glob, namespace));
                matching.max_by_key(|(glob, _)| glob.len()).map(|(_, account)| account)
            }
        }
    }

    /// All that are named.
    pub fn all(&self) -> Vec<&Account> {
        match self {
            Self::Everywhere(account) => vec![account],
            Self::By(table) => table.values().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::ClusterSettings;
    use crate::toml_file::parse;
    use rstest::rstest;

    #[rstest]
    #[case("deployer = \"ci\"", "team-a", Some("ci"))]
    #[case("deployer = \"argocd:controller\"", "team-a", Some("argocd:controller"))]
    #[case::longest("[deployer]\n\"*\" = \"ci\"\n\"team-*\" = \"gitlab\"", "team-a", Some("gitlab"))]
    #[case::other("[deployer]\n\"*\" = \"ci\"\n\"team-*\" = \"gitlab\"", "web", Some("ci"))]
    #[case::nobody("[deployer]\n\"team-*\" = \"gitlab\"", "web", None)]
    fn who_deploys_where(#[case] text: &str, #[case] namespace: &str, #[case] expected: Option<&str>) {
        let settings: ClusterSettings = parse(text).unwrap();
        let account = settings.deployer.as_ref().and_then(|deployers| deployers.of(namespace));
        assert_eq!(account.map(ToString::to_string).as_deref(), expected);
    }

    #[test]
    fn what_is_no_account_is_said() {
        let error = parse::<ClusterSettings>("deployer = 3").unwrap_err().to_string();
        assert_eq!(
            error,
            "line 1: expected a service account (`NAME` or `NAMESPACE:NAME`), or a table of them by namespace"
        );
    }
}

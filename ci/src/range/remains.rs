//! What a range consists of on this machine, found by label: the one way in which ranges are listed and taken away.

use anyhow::{Context, Result};

use super::docker::docker;
use super::kubeconfig;
use super::names::Names;
use super::owner::{self, Owner};
use super::{Lifetime, RANGE_LABEL};

const LIFETIME_LABEL: &str = "oke-conformance.lifetime";

/// One range's containers, networks and volumes, whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remains {
    pub(crate) range: String,
    pub(crate) lifetime: Lifetime,
    pub(crate) owner: Option<Owner>,
    containers: Vec<String>,
    networks: Vec<String>,
    volumes: Vec<String>,
}

impl Remains {
    /// Whether nobody will come back for it.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.lifetime == Lifetime::ThrowAway && !self.owner.as_ref().is_some_and(Owner::is_alive)
    }
}

/// The labels that everything of a range carries.
pub(crate) fn labels(names: &Names, lifetime: Lifetime, owner: &Owner) -> Vec<(String, String)> {
    let mut labels = vec![
        (RANGE_LABEL.to_owned(), names.range().to_owned()),
        (LIFETIME_LABEL.to_owned(), lifetime.word().to_owned()),
    ];
    labels.extend(owner.labels().map(|(label, value)| (label.to_owned(), value)));
    labels
}

/// Everything on this machine that carries a range's label.
///
/// # Errors
/// When Docker does not answer.
pub(crate) fn all() -> Result<Vec<Remains>> {
    find(RANGE_LABEL)
}

/// What there is of one range.
///
/// # Errors
/// When Docker does not answer.
pub(crate) fn of(names: &Names) -> Result<Option<Remains>> {
    Ok(find(&format!("{RANGE_LABEL}={}", names.range()))?.pop())
}

fn find(label: &str) -> Result<Vec<Remains>> {
    let filter = format!("label={label}");
    let columns = [RANGE_LABEL, LIFETIME_LABEL]
        .into_iter()
        .chain(owner::LABELS)
        .map(|label| format!("\t{{{{.Label \"{label}\"}}}}"))
        .collect::<String>();
    let (by_id, by_name) = (format!("{{{{.ID}}}}{columns}"), format!("{{{{.Name}}}}{columns}"));
    let containers = docker(&["ps", "--all", "--no-trunc", "--filter", &filter, "--format", &by_id])?;
    let networks = docker(&["network", "ls", "--no-trunc", "--filter", &filter, "--format", &by_id])?;
    let volumes = docker(&["volume", "ls", "--filter", &filter, "--format", &by_name])?;
    Ok(group(&containers, &networks, &volumes))
}

/// Puts the lines of `docker ps`, `docker network ls` and `docker volume ls` together by range.
fn group(containers: &str, networks: &str, volumes: &str) -> Vec<Remains> {
    let mut found: Vec<Remains> = Vec::new();
    // The place of each kind's identifiers.
    type Ids = fn(&mut Remains) -> &mut Vec<String>;
    let kinds: [(&str, Ids); 3] = [
        (containers, |remains| &mut remains.containers),
        (networks, |remains| &mut remains.networks),
        (volumes, |remains| &mut remains.volumes),
    ];
    for (line, ids) in kinds.into_iter().flat_map(|(lines, ids)| lines.lines().map(move |line| (line, ids))) {
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let (id, range, lifetime) = (field().to_owned(), field(), field());
        let owner = Owner::from_labels([field(), field(), field(), field()]);
        let at = found.iter().position(|other| other.range == range).unwrap_or_else(|| {
            found.push(Remains {
                range: range.to_owned(),
                lifetime: Lifetime::from_word(lifetime),
                owner,
                containers: Vec::new(),
                networks: Vec::new(),
                volumes: Vec::new(),
            });
            found.len() - 1
        });
        ids(&mut found[at]).push(id);
    }
    found
}

/// Removes a range's containers with their volumes, its network and its kubeconfig. Nothing there: nothing done.
///
/// # Errors
/// When Docker does not answer or refuses; the error names the range.
pub(crate) fn remove(names: &Names) -> Result<()> {
    let context = || format!("range `{}` cannot be removed", names.range());
    if let Some(remains) = of(names).with_context(context)? {
        if !remains.containers.is_empty() {
            let mut command = vec!["rm", "--force", "--volumes"];
            command.extend(remains.containers.iter().map(String::as_str));
            // One that is being removed by someone else already is an error to docker and none to us.
            let outcome = docker(&command);
            let left = of(names).with_context(context)?.is_some_and(|left| !left.containers.is_empty());
            if left {
                outcome.with_context(context)?;
            }
        }
        for network in &remains.networks {
            remove_network(network).with_context(context)?;
        }
        // Those whose container is gone already; the others went with theirs, hence no word of what is not there.
        if !remains.volumes.is_empty() {
            let mut command = vec!["volume", "rm", "--force"];
            command.extend(remains.volumes.iter().map(String::as_str));
            docker(&command).with_context(context)?;
        }
    }
    kubeconfig::remove(names).with_context(context)
}

/// Removes a range from a destructor, which has nobody to return an error to; what is left is found by its label.
pub(crate) fn remove_or_warn(names: &Names) {
    if let Err(error) = remove(names) {
        eprintln!("warning: {error:#}; `cargo xtask range down --name {}` tries again", names.range());
    }
}

fn remove_network(network: &str) -> Result<()> {
    if docker(&["network", "rm", network]).is_ok() {
        return Ok(());
    }
    // After a crash of the engine a network may hold endpoints of containers that are gone.
    let format = "{{range .Containers}}{{.Name}}\n{{end}}";
    let Ok(endpoints) = docker(&["network", "inspect", "--format", format, network]) else {
        return Ok(());
    };
    for endpoint in endpoints.lines().filter(|line| !line.is_empty()) {
        docker(&["network", "disconnect", "--force", network, endpoint])?;
    }
    docker(&["network", "rm", network]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_and_networks_of_one_range_belong_together() {
        let containers =
            "c1\ta\tkept\t7\t100\tns\tboot\nc2\tb\tthrow-away\t8\t100\tns\tboot\nc3\ta\tkept\t7\t100\tns\tboot\n";
        let networks = "n1\tb\tthrow-away\t8\t100\tns\tboot\n";
        let found = group(containers, networks, "v1\ta\tkept\t7\t100\tns\tboot\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].range, "a");
        assert_eq!(found[0].containers, ["c1", "c3"]);
        assert_eq!(found[0].lifetime, Lifetime::Kept);
        assert_eq!(found[0].volumes, ["v1"]);
        assert_eq!(found[1].networks, ["n1"]);
    }

    #[test]
    fn a_throw_away_range_of_an_earlier_boot_is_abandoned() {
        let found = group("c1\ta\tthrow-away\t7\t100\tns\tearlier-boot\n", "", "");
        assert!(found[0].is_abandoned());
    }

    #[test]
    fn a_kept_range_is_never_abandoned() {
        let found = group("c1\ta\tkept\t7\t100\tns\tearlier-boot\n", "", "");
        assert!(!found[0].is_abandoned());
    }

    #[test]
    fn a_range_with_a_live_owner_is_not_abandoned() {
        let names = Names::new("a").unwrap();
        let labels = labels(&names, Lifetime::ThrowAway, &Owner::current());
        let line = labels.iter().map(|(_, value)| format!("\t{value}")).collect::<String>();
        assert!(!group(&format!("c1{line}\n"), "", "")[0].is_abandoned());
    }
}

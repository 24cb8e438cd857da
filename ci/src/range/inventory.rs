//! What there is in a cluster, object by object: two of these compare.

use anyhow::Result;

use super::kubectl::Kubectl;

/// Kinds that the cluster writes of itself all the time; requests for certificates, by which nodes have joined, it takes away after an hour.
const RESTLESS: [&str; 3] = ["events", "events.events.k8s.io", "certificatesigningrequests.certificates.k8s.io"];

/// Every object that can be listed, in all namespaces, sorted: which it is, whether it was made anew, and its labels.
pub(crate) async fn of(kubectl: &Kubectl) -> Result<Vec<String>> {
    let kinds = kubectl.run(&["api-resources", "--verbs=list", "--output=name"]).await?;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !RESTLESS.contains(kind)).collect();
    let columns = "--output=custom-columns=:kind,:metadata.namespace,:metadata.name,:metadata.uid,:metadata.labels";
    let objects = kubectl.run(&["get", &kinds.join(","), "--all-namespaces", "--no-headers", columns]).await?;
    Ok(lines(&objects))
}

fn lines(objects: &str) -> Vec<String> {
    let objects = objects.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut objects: Vec<String> = objects.filter(|object| !object.is_empty()).collect();
    objects.sort();
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_a_line_whatever_the_columns_widths() {
        assert_eq!(lines("Pod   b    two\n\nNode  <none>  one \n"), ["Node <none> one", "Pod b two"]);
    }
}

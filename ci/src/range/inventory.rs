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

/// The day on which a token that lies in a Secret was last used, which the API server writes on it after each midnight.
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used:";

fn lines(objects: &str) -> Vec<String> {
    // Labels come as `map[key:value key:value]`, and as `<none>`.
    let objects = objects.lines().map(|line| {
        let words = line.split_whitespace().map(|word| word.trim_start_matches("map[").trim_end_matches(']'));
        let words = words.filter(|word| !word.is_empty() && !word.starts_with(LAST_USED)).collect::<Vec<_>>();
        words.join(" ").trim_end_matches(" <none>").to_owned()
    });
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

    #[test]
    fn a_day_that_passes_changes_nothing() {
        let secret = |labels: &str| lines(&format!("Secret a token 7 {labels}"));
        let (never, first) = (secret("<none>"), secret("map[kubernetes.io/legacy-token-last-used:2026-11-26]"));
        assert_eq!((&never, &first), (&secret("map[kubernetes.io/legacy-token-last-used:2026-11-27]"), &never));
        let labelled = secret("map[a:b kubernetes.io/legacy-token-last-used:2026-11-27 z:y]");
        assert_eq!(labelled, ["Secret a token 7 a:b z:y"]);
        assert_ne!(labelled, secret("map[a:b]"));
    }
}

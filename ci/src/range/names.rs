//! What a range's containers and network are called: as kind calls them, so that kind's own tools find the cluster.

use anyhow::{Result, ensure};

/// The longest name that still leaves room for `-control-plane` in a host name of 63 characters.
const LONGEST: usize = 40;

/// The names that follow from a range's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    range: String,
}

impl Names {
    /// # Errors
    /// When the name cannot be part of a host name.
    pub(crate) fn new(range: &str) -> Result<Self> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            !range.is_empty()
                && range.len() <= LONGEST
                && range.chars().all(inner)
                && !range.starts_with('-')
                && !range.ends_with('-'),
            "`{range}` cannot name a range: use at most {LONGEST} lower-case letters, digits and inner dashes"
        );
        Ok(Self { range: range.to_owned() })
    }

    pub(crate) fn range(&self) -> &str {
        &self.range
    }

    pub(crate) fn control_plane(&self) -> String {
        format!("{}-control-plane", self.range)
    }

    pub(crate) fn workers(&self) -> [String; 2] {
        [format!("{}-worker", self.range), format!("{}-worker2", self.range)]
    }

    pub(crate) fn nodes(&self) -> [String; 3] {
        let [first, second] = self.workers();
        [self.control_plane(), first, second]
    }

    pub(crate) fn metadata(&self) -> String {
        format!("{}-metadata", self.range)
    }

    pub(crate) fn network(&self) -> String {
        format!("oke-conformance-{}", self.range)
    }

    pub(crate) fn context(&self) -> String {
        format!("kind-{}", self.range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn nodes_are_named_as_kind_names_them() {
        let names = Names::new("range").unwrap();
        assert_eq!(names.nodes(), ["range-control-plane", "range-worker", "range-worker2"]);
        assert_eq!(names.context(), "kind-range");
    }

    #[rstest]
    #[case("")]
    #[case("Range")]
    #[case("-range")]
    #[case("range-")]
    #[case("../range")]
    #[case("a/b")]
    #[case("forty-one-characters-are-one-more-than-fit")]
    fn what_cannot_be_a_host_name_is_refused(#[case] name: &str) {
        assert!(Names::new(name).is_err());
    }
}

//! Patterns over names: `*` stands for any run of characters, everything else for itself.

/// Whether `glob` matches the whole of `name`.
pub fn matches(glob: &str, name: &str) -> bool {
    match glob.split_once('*') {
        None => glob == name,
        Some((head, tail)) => name
            .strip_prefix(head)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(tail, &rest[at..]))),
    }
}

/// The one of `known` that `word` was most likely meant to be, as a hint to end a sentence with; empty where none is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let scored = known.into_iter().map(|name| (strsim::jaro_winkler(word, name), name));
    let best = scored.filter(|(score, _)| *score > 0.7).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, name)| format!("; did you mean {name:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("tenant-a", "tenant-a", true)]
    #[case("tenant-a", "tenant-ab", false)]
    #[case("tenant-*", "tenant-a", true)]
    #[case("a-*-1", "a-prod-1", true)]
    #[case("a-*-1", "b-prod-1", false)]
    #[case("*", "x", true)]
    #[case("*", "", true)]
    #[case("a*a", "a", false)]
    #[case("*é*", "café!", true)]
    fn a_star_stands_for_anything(#[case] glob: &str, #[case] name: &str, #[case] expected: bool) {
        assert_eq!(matches(glob, name), expected);
    }

    #[rstest]
    #[case("images/tag-refuse", "; did you mean \"images/tag-refused\"?")]
    #[case("zzz", "")]
    fn a_typo_gets_a_hint(#[case] word: &str, #[case] expected: &str) {
        assert_eq!(nearest(word, ["images/tag-refused", "rbac/default-account-powerless"]), expected);
    }
}

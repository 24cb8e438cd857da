//! Patterns over names: `*` stands for any run of characters, everything else for itself.

/// Whether `glob` matches the whole of `name`.
pub fn matches(glob: &str, name: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == name };
    let Some(mut left) = name.strip_prefix(head) else { return false };
    let (between, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place is as good as any later one: what is behind it is the most.
    for part in between.split('*') {
        let Some((_, behind)) = left.split_once(part) else { return false };
        left = behind;
    }
    left.ends_with(tail)
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
    #[case("*a*b*", "b a b", true)]
    #[case("*a*b*", "b a", false)]
    #[case("*ab*bc", "abc", false)]
    #[case("**", "", true)]
    #[case("a**b", "ab", true)]
    fn a_star_stands_for_anything(#[case] glob: &str, #[case] name: &str, #[case] expected: bool) {
        assert_eq!(matches(glob, name), expected);
    }

    #[test]
    fn many_stars_over_a_page_take_no_time() {
        // A matcher that tries every place again would not come back.
        let page = "no ".repeat(30_000);
        assert!(!matches(&format!("{}yes", "* ".repeat(20)), &page));
    }

    #[rstest]
    #[case("images/tag-refuse", "; did you mean \"images/tag-refused\"?")]
    #[case("zzz", "")]
    fn a_typo_gets_a_hint(#[case] word: &str, #[case] expected: &str) {
        assert_eq!(nearest(word, ["images/tag-refused", "rbac/default-account-powerless"]), expected);
    }
}

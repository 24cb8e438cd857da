//! Other people's text, made so that it shows what it is and does nothing.
//!
//! A cluster's words may hold what a terminal or a page obeys: escape sequences, characters that turn the direction of what follows,
//! ones that nobody sees. They are shown as Rust would write them: `\u{202e}`.

/// Whether a character shows itself, and neither moves what is around it nor stays unseen.
pub fn shows_itself(character: char) -> bool {
    let formats = matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    !character.is_control() && !formats
}

/// The text with every character escaped that does not show itself, line breaks among them.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if shows_itself(character) {
            escaped.push(character);
        } else {
            escaped.extend(character.escape_unicode());
        }
    }
    escaped
}

/// ... and on one line: what was a line break or several spaces is a space.
pub fn line(text: &str) -> String {
    escaped(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("violates PodSecurity", "violates PodSecurity")]
    #[case::other_scripts("päivä 日本 שלום \u{1F512}", "päivä 日本 שלום \u{1F512}")]
    #[case::accents_of_their_own("e\u{301}", "e\u{301}")]
    #[case::quotes_and_backslashes(r#"a "b" c\d"#, r#"a "b" c\d"#)]
    #[case::escape_sequence("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}")]
    #[case::one_character_that_begins_a_sequence("\u{9b}31m", "\\u{9b}31m")]
    #[case::delete("a\u{7f}", "a\\u{7f}")]
    #[case::embeddings_and_overrides(
        "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}",
        "\\u{202a}\\u{202b}\\u{202c}\\u{202d}\\u{202e}"
    )]
    #[case::isolates("\u{2066}\u{2067}\u{2068}\u{2069}", "\\u{2066}\\u{2067}\\u{2068}\\u{2069}")]
    #[case::marks("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}")]
    #[case::unseen("a\u{200b}b\u{feff}\u{e0041}", "a\\u{200b}b\\u{feff}\\u{e0041}")]
    #[case::lines("a\r\n  b\u{2028}c", "a b c")]
    fn what_does_not_show_itself_is_escaped(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(line(text), expected);
    }

    #[test]
    fn line_breaks_forge_no_line() {
        assert_eq!(escaped("a\nb  c\td"), "a\\u{a}b  c\\u{9}d");
    }
}

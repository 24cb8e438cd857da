//! Text that any XML reader takes, whatever a cluster said.

use harness::printable;

/// The text with every character escaped as Rust would write it, `\u{0}`, that XML 1.0 has no place for or that does not show itself.
///
/// `]]>` loses its `>` the same way: junit-report writes text as CDATA, which it would end.
pub(crate) fn legal(text: &str) -> String {
    let mut legal = String::with_capacity(text.len());
    for character in text.chars() {
        let ends_cdata = character == '>' && legal.ends_with("]]");
        if is_legal(character) && !ends_cdata {
            legal.push(character);
        } else {
            legal.extend(character.escape_unicode());
        }
    }
    legal
}

/// The text on one line, cut where an attribute becomes unreadable.
pub(crate) fn line(text: &str) -> String {
    const LONGEST: usize = 500;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", legal(&line[..end])),
        None => legal(&line),
    }
}

/// XML 1.0, production 2, and what shows itself. A lone carriage return is legal, but every reader turns it into a line feed.
fn is_legal(character: char) -> bool {
    match character {
        '\t' | '\n' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        _ => printable::shows_itself(character),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("violates PodSecurity", "violates PodSecurity")]
    #[case::markup_is_the_writers_concern("a < b & c", "a < b & c")]
    #[case::lines_stay("a\n\tb", "a\n\tb")]
    #[case::nul("a\0b", "a\\u{0}b")]
    #[case::escape_sequence("\u{1b}[31mred", "\\u{1b}[31mred")]
    #[case::not_a_character("\u{FFFE}\u{FFFF}", "\\u{fffe}\\u{ffff}")]
    #[case::turned_around("by net\u{202e}krow", "by net\\u{202e}krow")]
    #[case::isolated("\u{2067}a\u{2069}", "\\u{2067}a\\u{2069}")]
    #[case::one_character_that_begins_a_sequence("\u{9b}31m", "\\u{9b}31m")]
    #[case::end_of_cdata("]]>", "]]\\u{3e}")]
    #[case::twice("]]>]]>", "]]\\u{3e}]]\\u{3e}")]
    #[case::beyond_the_first_plane("\u{1F512}", "\u{1F512}")]
    fn what_xml_cannot_hold_is_escaped(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(legal(text), expected);
    }

    #[test]
    fn a_line_is_one_line_and_not_endless() {
        assert_eq!(line("a\n  b\r\nc"), "a b c");
        let long = line(&"é".repeat(100_000));
        assert_eq!(long.chars().count(), 504);
        assert!(long.ends_with("é ..."));
    }
}

//! Reading what Go's `fmt` wrote: the way it quotes is what keeps an object's name from posing as the words around it.

/// The text of a leading `%q` and what follows it.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let char = rest.chars().next()?;
        rest = &rest[char.len_utf8()..];
        match char {
            '"' => return Some((value, rest)),
            '\\' => {
                let (char, after) = escaped(rest)?;
                value.push(char);
                rest = after;
            }
            // `%q` lets none through.
            char if char.is_control() => return None,
            char => value.push(char),
        }
    }
}

fn escaped(text: &str) -> Option<(char, &str)> {
    let kind = text.chars().next()?;
    let rest = &text[kind.len_utf8()..];
    let plain = |char| Some((char, rest));
    match kind {
        '"' | '\\' => plain(kind),
        'a' => plain('\x07'),
        'b' => plain('\x08'),
        'f' => plain('\x0c'),
        'n' => plain('\n'),
        'r' => plain('\r'),
        't' => plain('\t'),
        'v' => plain('\x0b'),
        'x' => by_number(rest, 2),
        'u' => by_number(rest, 4),
        'U' => by_number(rest, 8),
        _ => None,
    }
}

fn by_number(text: &str, digits: usize) -> Option<(char, &str)> {
    let number = text.get(..digits).filter(|number| number.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let char = char::from_u32(u32::from_str_radix(number, 16).ok()?)?;
    Some((char, &text[digits..]))
}

/// The text of a leading `%q` of several strings, `["a" "b"]`, and what follows it.
pub fn quoted_list(text: &str) -> Option<(Vec<String>, &str)> {
    let mut values = Vec::new();
    let mut rest = text.strip_prefix('[')?;
    while !rest.starts_with(']') {
        if !values.is_empty() {
            rest = rest.strip_prefix(' ')?;
        }
        let (value, after) = quoted(rest)?;
        values.push(value);
        rest = after;
    }
    Some((values, &rest[1..]))
}

/// A leading name, of the characters that object names, resources and verbs are made of, and what follows it.
pub fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|char: char| !(char.is_ascii_alphanumeric() || "-._/:".contains(char))).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain(r#""a" rest"#, Some(("a", " rest")))]
    #[case::empty(r#""""#, Some(("", "")))]
    #[case::quote(r#""a\" is forbidden: " x"#, Some(("a\" is forbidden: ", " x")))]
    #[case::numbers(r#""\x00\u00e9\U0001f600\n""#, Some(("\0\u{e9}\u{1f600}\n", "")))]
    #[case::open(r#""a"#, None)]
    #[case::cut_in_an_escape(r#""a\"#, None)]
    #[case::unknown_escape(r#""\q""#, None)]
    #[case::sign_in_a_number(r#""\x+1""#, None)]
    #[case::surrogate(r#""\ud800""#, None)]
    #[case::bare("a", None)]
    fn as_go_quotes(#[case] text: &str, #[case] expected: Option<(&str, &str)>) {
        assert_eq!(quoted(text), expected.map(|(value, rest)| (value.to_owned(), rest)));
    }

    #[rstest]
    #[case(r#"["a" "b c"]) x"#, Some((&["a", "b c"][..], ") x")))]
    #[case("[]", Some((&[][..], "")))]
    #[case(r#"["a""b"]"#, None)]
    #[case(r#"["a" "#, None)]
    fn lists_as_go_quotes_them(#[case] text: &str, #[case] expected: Option<(&[&str], &str)>) {
        let expected = expected.map(|(values, rest)| (values.iter().map(|&value| value.to_owned()).collect(), rest));
        assert_eq!(quoted_list(text), expected);
    }
}

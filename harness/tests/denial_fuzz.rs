//! No free text makes a denial, and nothing makes one guard's denial another's.

mod denials;

use harness::denial::{Denial, warned_by};
use kube::core::Status;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use denials::{Case, cases};

/// The cases whose answer is a `Status`: those that are denials, and those that are not.
fn recorded(denials: bool) -> Vec<(Case, Status)> {
    let cases = cases().into_iter().filter(|case| case.denial.is_null() != denials);
    cases.filter_map(|case| Some((case.clone(), case.status()?))).collect()
}

fn guard_of(status: &Status) -> Option<String> {
    Denial::of_status(status).map(|denial| denial.guard.to_string())
}

/// Anything, and pieces of what really denies.
fn fragment() -> impl Strategy<Value = String> {
    let messages: Vec<String> = recorded(true).into_iter().map(|(_, status)| status.message).collect();
    let piece = (select(messages), any::<Index>(), any::<Index>()).prop_map(|(message, from, to)| {
        let chars: Vec<char> = message.chars().collect();
        let (from, to) = (from.index(chars.len() + 1), to.index(chars.len() + 1));
        chars[from.min(to)..from.max(to)].iter().collect()
    });
    let whole = select(recorded(true)).prop_map(|(_, status)| status.message);
    let ending = whole.clone().prop_map(|message| format!("\" is forbidden: {message}"));
    prop_oneof![any::<String>(), piece, whole, ending, "[\"'\\\\:,() a-z]{0,40}"]
}

/// As Go's `%q` writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if (char as u32) < 0x20 => quoted.push_str(&format!("\\x{:02x}", char as u32)),
            char if char.is_control() => quoted.push_str(&format!("\\u{:04x}", char as u32)),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// Where Go quoted something: the places of what is between the quotes.
fn quotations(message: &str) -> Vec<(usize, usize)> {
    let (mut places, mut open, mut escaped) = (Vec::new(), None, false);
    for (at, char) in message.char_indices() {
        match (char, open) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            ('"', None) => open = Some(at),
            ('"', Some(from)) => {
                places.push((from, at + 1));
                open = None;
            }
            _ => {}
        }
    }
    places
}

/// Where the text of a policy's or webhook's author begins.
fn free_text(message: &str) -> Option<usize> {
    after(message, &[" denied request: ", " denied the request: "])
}

fn with_free_text() -> Vec<(Case, Status)> {
    recorded(true).into_iter().filter(|(_, status)| free_text(&status.message).is_some()).collect()
}

/// Where, in what is no denial, names and values stand among the API server's words. What comes before is the resource, and the
/// details tell; right behind `is forbidden: ` nobody else can put a word.
fn of_others(message: &str) -> Option<usize> {
    let forbidden = after(message, &[" is forbidden: "]).map(|end| end + 1);
    forbidden.or_else(|| after(message, &[" is invalid: ", " not found", "failed calling webhook \""]))
}

/// A policy that cannot judge is known by words that its author could use as well: he alone, and only to be believed less.
fn with_text_of_others() -> Vec<(Case, Status)> {
    let mut recorded = recorded(false);
    recorded.retain(|(_, status)| of_others(&status.message).is_some() && free_text(&status.message).is_none());
    recorded
}

fn after(message: &str, words: &[&str]) -> Option<usize> {
    words.iter().filter_map(|words| Some(message.find(words)? + words.len())).min()
}

proptest! {
    // What is found becomes a recorded case, not a seed.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(code in any::<u16>(), reason in fragment(), message in fragment(), name in fragment()) {
        let mut status = Status::failure(&message, &reason);
        status.code = code;
        let _ = Denial::of_status(&status);
        status.details = Some(serde_json::from_value(serde_json::json!({ "kind": "pods", "name": name })).unwrap());
        let _ = Denial::of_status(&status).map(|denial| denial.reason.to_string());
        let _ = Denial::of_http(code, &message);
        let _ = Denial::of_errno(&message);
        let _ = Denial::of_grpc(code.into());
        let _ = warned_by(&message).map(|warned| warned.reason.to_string());
        let _ = warned_by(&format!("299 - \"{message}\""));
    }

    #[test]
    fn a_name_never_makes_a_denial((_, mut status) in select(recorded(false)), which in any::<Index>(), name in fragment()) {
        let places = quotations(&status.message);
        prop_assume!(!places.is_empty());
        let (from, to) = places[which.index(places.len())];
        if let Some(details) = &mut status.details {
            details.kind = details.kind.replace(&status.message[from..to], &quoted(&name));
        }
        status.message.replace_range(from..to, &quoted(&name));
        // The API server's details name the object that the sentence names.
        if let Some(details) = status.details.as_mut().filter(|_| from <= status.message.find('"').unwrap_or(0)) {
            details.name = name;
        }
        prop_assert_eq!(guard_of(&status), None, "{}", status.message);
    }

    #[test]
    fn text_within_what_is_no_denial_never_makes_one((_, mut status) in select(with_text_of_others()), at in any::<Index>(), text in fragment()) {
        let end = of_others(&status.message).unwrap();
        let rest: Vec<usize> = (end..=status.message.len()).filter(|&at| status.message.is_char_boundary(at)).collect();
        let at = rest[at.index(rest.len())];
        status.message.insert_str(at, &text);
        prop_assert_eq!(guard_of(&status), None, "{}", status.message);
    }

    #[test]
    fn a_resource_never_makes_a_denial((_, mut status) in select(recorded(false)), resource in fragment(), name in fragment()) {
        // Unquoted, as NewForbidden writes it.
        status.code = 403;
        status.message = format!("{resource} {} is forbidden: oddity", quoted(&name));
        let details = serde_json::json!({ "kind": resource, "name": name });
        status.details = Some(serde_json::from_value(details).unwrap());
        prop_assert_eq!(guard_of(&status), None, "{}", status.message);
    }

    #[test]
    fn a_denial_with_a_code_of_something_else_is_none(
        (_, mut status) in select(recorded(true)),
        code in select(vec![200, 404, 408, 409, 410, 429, 500, 502, 503, 504]),
    ) {
        status.code = code;
        prop_assert_eq!(guard_of(&status), None);
    }

    #[test]
    fn a_denial_cut_short_is_never_another_guards((case, mut status) in select(recorded(true)), at in any::<Index>()) {
        let mut bytes = status.message.into_bytes();
        bytes.truncate(at.index(bytes.len() + 1));
        status.message = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(guard) = guard_of(&status) {
            prop_assert_eq!(&guard, case.denial["guard"].as_str().unwrap(), "{}", status.message);
        }
    }

    #[test]
    fn the_free_text_of_a_denial_never_changes_its_guard((case, mut status) in select(with_free_text()), text in fragment()) {
        let end = free_text(&status.message).unwrap();
        status.message.replace_range(end.., &text);
        if let Some(guard) = guard_of(&status) {
            prop_assert_eq!(&guard, case.denial["guard"].as_str().unwrap(), "{}", status.message);
        }
    }

    #[test]
    fn a_warning_is_only_what_begins_as_one(text in fragment()) {
        let text = text.replace(|char: char| char.is_control(), " ");
        prop_assume!(!text.starts_with("would violate PodSecurity ") && !text.starts_with("Validation failed for "));
        prop_assert_eq!(warned_by(&format!("299 - {}", quoted(&text))), None);
    }
}

//! Setting a field of a JSON document by its path.
use serde_json::{Map, Value};

/// Sets what lies at `path` (slashes between keys, numbers for places in lists) to the JSON text `value`, making what is missing on the way;
/// an empty text takes it away.
pub(super) fn set(document: &mut Value, path: &str, value: &str) {
    let Some((key, rest)) = path.split_once('/') else {
        return leaf(document, path, value);
    };
    match key.parse::<usize>() {
        Ok(place) => set(&mut document[place], rest, value),
        Err(_) => set(object(document).entry(unescaped(key)).or_insert(Value::Null), rest, value),
    }
}

fn leaf(document: &mut Value, key: &str, value: &str) {
    let object = object(document);
    match value {
        "" => drop(object.remove(&unescaped(key))),
        // The texts are data of this crate, each tried by a test.
        text => drop(object.insert(unescaped(key), serde_json::from_str(text).unwrap_or_default())),
    }
}

fn object(document: &mut Value) -> &mut Map<String, Value> {
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    document.as_object_mut().expect("made one above")
}

/// A slash within a key, as JSON pointers have it (RFC 6901).
fn unescaped(key: &str) -> String {
    key.replace("~1", "/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::new("a/b", "1", json!({ "l": [{}], "a": { "b": 1 } }))]
    #[case::in_a_list("l/0/x", "\"y\"", json!({ "l": [{ "x": "y" }] }))]
    #[case::taken_away("l", "", json!({}))]
    #[case::slash_in_a_key("a/b~1c", "true", json!({ "l": [{}], "a": { "b/c": true } }))]
    fn a_field_is_set(#[case] path: &str, #[case] value: &str, #[case] expected: Value) {
        let mut document = json!({ "l": [{}] });
        set(&mut document, path, value);
        assert_eq!(document, expected);
    }
}

//! Just enough JSON to answer with.

use alloc::vec::Vec;

/// An object under construction, without its closing brace.
pub struct Object(Vec<u8>);

impl Object {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        string(&mut self.0, key.as_bytes());
        self.0.push(b':');
    }

    pub fn text(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.key(key);
        string(&mut self.0, value.as_ref());
        self
    }

    pub fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        number(&mut self.0, value);
        self
    }

    /// The number, or null.
    pub fn maybe(mut self, key: &str, value: Option<u64>) -> Self {
        self.key(key);
        match value {
            Some(value) => number(&mut self.0, value),
            None => self.0.extend_from_slice(b"null"),
        }
        self
    }

    pub fn flag(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// An array of strings.
    pub fn list<T: AsRef<[u8]>>(mut self, key: &str, items: impl IntoIterator<Item = T>) -> Self {
        self.key(key);
        self.0.push(b'[');
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                self.0.push(b',');
            }
            string(&mut self.0, item.as_ref());
        }
        self.0.push(b']');
        self
    }

    /// Adds the other object's members.
    pub fn with(mut self, other: &Object) -> Self {
        if let [_, members @ ..] = other.0.as_slice() {
            self.0.push(if self.0.is_empty() { b'{' } else { b',' });
            self.0.extend_from_slice(members);
        }
        self
    }

    /// Appends the object to `out` as a line.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
        out.extend_from_slice(if self.0.is_empty() { b"{}\n" } else { b"}\n" });
    }
}

fn string(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    for chunk in value.utf8_chunks() {
        for &byte in chunk.valid().as_bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0..0x20 => {
                    let low = byte & 15;
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&[b'0' + (byte >> 4), if low < 10 { b'0' + low } else { b'a' - 10 + low }]);
                }
                _ => out.push(byte),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}

/// Appends the number's decimal digits.
pub fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        start -= 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

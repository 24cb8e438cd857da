//! What may be told of a document that must not be: its SHA-256, and that of an RSA modulus in it. The modulus is the public half of
//! certificate and private key alike, so that two equal ones show a pair without either of them leaving the pod.

use alloc::vec::Vec;

use hmac_sha256::Hash;

/// A serial number or a version is shorter, and so is every other part of an RSA key but its private exponent, which comes later.
const SHORTEST_MODULUS: usize = 64;

/// A certificate nests no deeper.
const DEEPEST: u32 = 8;

/// The SHA-256 of `text`, in hexadecimal.
pub fn sha256(text: &[u8]) -> Vec<u8> {
    let digits = Hash::hash(text).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }).collect()
}

/// The modulus in a PEM document: of a certificate's key, or of a private key (PKCS #1 or, unencrypted, PKCS #8).
pub fn modulus(pem: &[u8]) -> Option<Vec<u8>> {
    let modulus = find(&unarmoured(pem)?, DEEPEST)?.to_vec();
    Some(modulus)
}

/// The first PEM block's content.
fn unarmoured(pem: &[u8]) -> Option<Vec<u8>> {
    let mut lines = pem.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| line.starts_with(b"-----BEGIN "))?;
    let (mut content, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in lines.take_while(|line| !line.starts_with(b"-----END ")).flatten() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            content.push((bits >> held) as u8);
        }
    }
    Some(content)
}

/// The first long INTEGER, without its sign, wherever it is: in both kinds of key and in a certificate, that is the modulus.
fn find(mut der: &[u8], depth: u32) -> Option<&[u8]> {
    while let Some((tag, content, rest)) = element(der) {
        let inner = match tag {
            0x02 if content.len() >= SHORTEST_MODULUS => {
                return Some(content.strip_prefix(&[0]).unwrap_or(content));
            }
            // What is constructed, and what keeps another document: an OCTET STRING a key, a BIT STRING (behind its count of unused
            // bits) a certificate's key.
            tag if tag & 0x20 != 0 => Some(content),
            0x04 => Some(content),
            0x03 => content.strip_prefix(&[0]),
            _ => None,
        };
        if let Some(found) = inner.filter(|_| depth > 0).and_then(|inner| find(inner, depth - 1)) {
            return Some(found);
        }
        der = rest;
    }
    None
}

/// An element's tag and content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = der else { return None };
    let (length, rest) = match length {
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        0..=0x7f => (usize::from(*length), rest),
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

//! An HTTP/1 answer as far as it has arrived.

use alloc::vec::Vec;

use crate::words::{Why, number};

const LONGEST_HEAD: usize = 16 << 10;
/// Chunks of one byte each take six times their content.
const MOST: usize = 8 << 20;

pub struct Answer {
    received: Vec<u8>,
    max_body: usize,
    /// The request was one that is answered without a body.
    head_only: bool,
}

pub enum Reading {
    /// It is fine so far.
    More,
    Malformed(Why),
    /// As much as was asked for, or as there will be. `complete` tells whether the body's end was seen.
    Whole {
        status: u16,
        body: Vec<u8>,
        complete: bool,
    },
}

enum Length {
    Known(u64),
    Chunked,
    UntilEnd,
}

impl Answer {
    pub fn new(max_body: usize, head_only: bool) -> Self {
        Self { received: Vec::new(), max_body, head_only }
    }

    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// The first bytes as they came.
    pub fn quote(&self, most: usize) -> &[u8] {
        self.received.get(..most).unwrap_or(&self.received)
    }

    /// Takes more in; false when it is too much.
    pub fn extend(&mut self, piece: &[u8]) -> bool {
        self.received.extend_from_slice(piece);
        self.received.len() <= MOST
    }

    /// What the bytes say so far; `ended` when no more will come.
    pub fn read(&self, ended: bool) -> Reading {
        let mut rest = self.received.as_slice();
        loop {
            const START: &[u8] = b"HTTP/1.";
            let start = rest.get(..START.len()).unwrap_or(rest);
            if !START.starts_with(start) {
                return Reading::Malformed("not an HTTP/1 status line");
            }
            let Some((head, body)) = split_head(rest) else {
                return match rest.len() {
                    LONGEST_HEAD.. => Reading::Malformed("headers longer than 16384 bytes"),
                    0 if ended => Reading::Malformed("closed before an answer"),
                    _ if ended => Reading::Malformed("closed within the headers"),
                    _ => Reading::More,
                };
            };
            let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
            let Some(status) = lines.next().and_then(status) else {
                return Reading::Malformed("a bad status line");
            };
            // An interim answer: the real one follows. 101 would change the protocol, which nobody asked for.
            if (100..200).contains(&status) && status != 101 {
                rest = body;
                continue;
            }
            let length =
                if self.head_only || matches!(status, 101 | 204 | 304) { Length::Known(0) } else { length(lines) };
            let (body, complete) = match length {
                Length::Known(length) => {
                    let whole = usize::try_from(length).ok().and_then(|length| body.get(..length));
                    (whole.unwrap_or(body).into(), whole.is_some())
                }
                Length::Chunked => match unchunk(body) {
                    Ok(found) => found,
                    Err(why) => return Reading::Malformed(why),
                },
                Length::UntilEnd => (body.into(), ended && self.received.len() <= MOST),
            };
            return if complete || ended || body.len() > self.max_body {
                Reading::Whole { status, body, complete }
            } else {
                Reading::More
            };
        }
    }
}

/// The headers with their last line's end, and what follows the empty line.
fn split_head(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = (0..text.len()).find_map(|at| {
        let rest = text.get(at..)?.strip_prefix(b"\n")?;
        let body = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
        Some((at, body))
    })?;
    Some((text.get(..end.0)?, end.1))
}

fn status(line: &[u8]) -> Option<u16> {
    // HTTP/1.1 200 OK; the reason may be missing, space included.
    let [_, _, _, _, _, _, _, minor, b' ', digits @ ..] = line else { return None };
    let (digits, reason) = digits.split_at_checked(3)?;
    let whole = minor.is_ascii_digit() && matches!(reason, [] | [b' ', ..]);
    number(digits).filter(|status| whole && *status >= 100).map(|status| status as u16)
}

fn length<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Length {
    let mut length = Length::UntilEnd;
    for header in headers {
        let Some(colon) = header.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = header.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"transfer-encoding") && value.to_ascii_lowercase().ends_with(b"chunked") {
            return Length::Chunked;
        }
        if name.eq_ignore_ascii_case(b"content-length")
            && let Some(bytes) = number(value)
        {
            length = Length::Known(bytes);
        }
    }
    length
}

/// The content of the chunks so far, and whether the last one has come.
fn unchunk(mut text: &[u8]) -> Result<(Vec<u8>, bool), Why> {
    let mut body = Vec::new();
    while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = text.split_at(end);
        let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if size.is_empty() || size.len() > 8 {
            return Err("a bad chunk");
        }
        let size = size.iter().try_fold(0_usize, |sum, byte| Some(sum << 4 | char::from(*byte).to_digit(16)? as usize));
        let size = size.ok_or("a bad chunk")?;
        if size == 0 {
            return Ok((body, true));
        }
        let rest = rest.get(1..).unwrap_or_default();
        let Some((chunk, after)) = rest.split_at_checked(size) else {
            body.extend_from_slice(rest);
            break;
        };
        body.extend_from_slice(chunk);
        text = match after {
            [] | [b'\r'] => break,
            [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => after,
            _ => return Err("a bad chunk"),
        };
    }
    Ok((body, false))
}

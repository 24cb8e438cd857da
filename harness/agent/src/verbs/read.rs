//! `read PATH MAX`: what a file says.

use alloc::ffi::CString;
use alloc::vec::Vec;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};

use super::Begun;
use crate::json::Object;
use crate::words::{Why, Words};

pub fn begin(mut words: Words<'_>) -> Result<Begun, Why> {
    let (path, max) = (words.word("no path")?, words.limit()?);
    words.end()?;
    let path = CString::new(path).map_err(|_| "a path with a zero byte")?;
    Ok(match contents(&path, max) {
        Ok((text, truncated)) => Begun::Answered(
            Object::new()
                .text("result", "ok")
                .number("bytes", text.len() as u64)
                .flag("truncated", truncated)
                .text("text", text),
        ),
        Err(errno) => Begun::failed(errno),
    })
}

/// The file's first `max` bytes, and whether there are more.
pub fn contents(path: &core::ffi::CStr, max: usize) -> Result<(Vec<u8>, bool), Errno> {
    // Neither a FIFO nor a terminal may hold up the batch.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = open(path, flags, Mode::empty())?;
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while text.len() <= max {
        match read(&file, &mut piece) {
            Ok(0) => break,
            Ok(n) => text.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    let truncated = text.len() > max;
    text.truncate(max);
    Ok((text, truncated))
}

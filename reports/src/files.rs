//! Writing a file so that a reader never sees half of it.
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;

/// Puts `content` at `path`, in the place of what is there.
///
/// # Errors
/// When it cannot be written, naming `path`; what was there is still there then.
pub(crate) fn replace(path: &Path, content: &str) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = Path::new(&beside);
    let written = fs::File::create(beside)
        .and_then(|mut file| file.write_all(content.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(beside, path));
    if written.is_err() {
        let _ = fs::remove_file(beside);
    }
    written.with_context(|| format!("the report {} cannot be written", path.display()))
}

/// Keeps what is at `path` as `NAME.previous`, too, in the place of what was kept before.
///
/// # Errors
/// When it cannot be kept.
pub(crate) fn keep(path: &Path) -> io::Result<()> {
    let mut previous = path.as_os_str().to_owned();
    previous.push(".previous");
    let previous = Path::new(&previous);
    let _ = fs::remove_file(previous);
    // Not every file system has a second name for a file.
    fs::hard_link(path, previous).or_else(|_| fs::copy(path, previous).map(drop))
}

/// Takes the report at `path` away, where there is one.
///
/// # Errors
/// When it stays, naming it.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    // What is no file is no report.
    let removed = if path.is_file() { fs::remove_file(path) } else { Ok(()) };
    removed.with_context(|| format!("the report {} of an earlier run cannot be taken away", path.display()))
}

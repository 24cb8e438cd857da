//! Writing a file so that a reader never sees half of it.
use std::fs;
use std::io::Write;
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

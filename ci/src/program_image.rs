//! A container image of one static program on nothing, in the local Docker engine.

use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::tool;

/// Whether the engine has an image of that reference.
pub(crate) async fn present(reference: &str) -> bool {
    tool::output(Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", reference])).await.is_ok()
}

/// Makes an image whose entry point is `program`, called `name` there.
///
/// # Errors
/// When the program cannot be read or the engine does not take the image.
pub(crate) async fn import(program: &Path, name: &str, reference: &str) -> Result<()> {
    let archive = archive(program, name)?;
    let entry_point = format!(r#"ENTRYPOINT ["/{name}"]"#);
    let mut import = Command::new("docker");
    import.args(["import", "--change", &entry_point]).arg(archive.path()).arg(reference);
    tool::output(&mut import).await?;
    if !present(reference).await {
        bail!("`docker import` succeeded but {reference} is not there");
    }
    Ok(())
}

/// The image's whole file system.
fn archive(program: &Path, name: &str) -> Result<tempfile::NamedTempFile> {
    let unreadable = || format!("{} cannot be read", program.display());
    let content = std::fs::File::open(program).with_context(unreadable)?;
    let file = tempfile::NamedTempFile::new().context("no temporary file can be made")?;
    let mut archive = tar::Builder::new(file);
    let mut header = tar::Header::new_gnu();
    header.set_size(content.metadata().with_context(unreadable)?.len());
    header.set_mode(0o555);
    archive.append_data(&mut header, name, content)?;
    Ok(archive.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_archive_holds_the_program_and_nothing_else() {
        let program = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(program.path(), "a program").unwrap();
        let archive = archive(program.path(), "called").unwrap();
        let mut archive = tar::Archive::new(std::fs::File::open(archive.path()).unwrap());
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path().unwrap().into_owned(), entry.header().mode().unwrap(), entry.size())
            })
            .collect();
        assert_eq!(entries, [(PathBuf::from("called"), 0o555, 9)]);
    }
}

//! Where the user stands. cargo moves a test into its package's folder; what was typed means the folder it was typed in.
use std::env;
use std::path::{Path, PathBuf};

/// The folder that relative paths are meant from, and that `conformance.toml` is looked for in and above.
pub fn here() -> PathBuf {
    let process = env::current_dir().unwrap_or_default();
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    // The shell's own word for where it is; cargo leaves it as it was.
    let shell = env::var_os("PWD").map(PathBuf::from).filter(|folder| folder.is_absolute() && folder.is_dir());
    from(process, package, shell)
}

fn from(process: PathBuf, package: Option<PathBuf>, shell: Option<PathBuf>) -> PathBuf {
    match shell {
        Some(shell) if package.as_deref() == Some(&*process) => shell,
        _ => process,
    }
}

/// Where reports go when nothing is said: the build's own `target` folder.
pub fn reports() -> PathBuf {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let root = workspace.canonicalize().unwrap_or_else(|_| here());
    root.join("target").join("conformance")
}

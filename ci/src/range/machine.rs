//! What the machine's kernel must grant for three nodes' worth of system services.

use std::fs;
use std::path::Path;

/// The limits that kind's own documentation asks for. With the kernel's defaults a second cluster on the machine fails,
/// and says no more than "too many open files".
const LIMITS: [(&str, u64); 2] = [("fs/inotify/max_user_instances", 512), ("fs/inotify/max_user_watches", 524_288)];

/// Raises what is too low. Where that is not allowed, one cluster may still fit: it is said and no error.
pub(crate) fn raise_limits(say: &dyn Fn(&str)) {
    for (limit, enough) in LIMITS {
        if let Some(line) = raise(Path::new("/proc/sys"), limit, enough) {
            say(&line);
        }
    }
}

fn raise(root: &Path, limit: &str, enough: u64) -> Option<String> {
    let file = root.join(limit);
    let now: u64 = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
    if now >= enough {
        return None;
    }
    let name = limit.replace('/', ".");
    Some(match fs::write(&file, enough.to_string()) {
        Ok(()) => format!("raised {name} from {now} to {enough}: every node needs some"),
        Err(_) => format!("{name} is {now}, which may be too low: `sudo sysctl {name}={enough}`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("128", Some("raised fs.inotify.max_user_instances from 128 to 512: every node needs some"), "512")]
    #[case("1024\n", None, "1024\n")]
    fn a_limit_is_only_ever_raised(#[case] now: &str, #[case] said: Option<&str>, #[case] then: &str) {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("fs/inotify/max_user_instances");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, now).unwrap();
        assert_eq!(raise(root.path(), "fs/inotify/max_user_instances", 512).as_deref(), said);
        assert_eq!(fs::read_to_string(&file).unwrap(), then);
    }
}

//! What this process, and so every container below it, may at most be allowed.

/// `CAP_SYS_RESOURCE`'s bit, from `linux/capability.h`.
const SYS_RESOURCE: u32 = 24;

/// Whether a privileged container can have `CAP_SYS_RESOURCE` on this machine.
pub(crate) fn has_sys_resource() -> bool {
    // A machine without /proc says nothing against it.
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .as_deref()
        .and_then(bounding_set)
        .is_none_or(|set| set & (1 << SYS_RESOURCE) != 0)
}

fn bounding_set(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::whole("Name:\tx\nCapEff:\t0\nCapBnd:\t000001ffffffffff\n", Some(true))]
    #[case::without_one("CapBnd:\t000001fffeffffff\n", Some(false))]
    #[case::another_file("CapEff:\t000001ffffffffff\n", None)]
    #[case::not_a_number("CapBnd:\tnone\n", None)]
    fn reads_the_bounding_set(#[case] status: &str, #[case] expected: Option<bool>) {
        assert_eq!(bounding_set(status).map(|set| set & (1 << SYS_RESOURCE) != 0), expected);
    }
}

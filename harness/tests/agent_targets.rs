//! rustup installs what rust-toolchain.toml names, and the build script builds the agent for what it names itself: the same.

use std::collections::BTreeSet;

#[test]
fn rustup_installs_each_target_that_an_agent_is_built_for() {
    let named = |text: &'static str| -> BTreeSet<&str> {
        text.split('"').filter(|word| word.ends_with("-unknown-linux-gnu")).collect()
    };
    let built = named(include_str!("../build.rs"));
    assert_eq!(built.len(), 2, "{built:?}");
    assert_eq!(named(include_str!("../../rust-toolchain.toml")), built);
}

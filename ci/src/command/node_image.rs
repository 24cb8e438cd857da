//! `cargo xtask node-image`.

use anyhow::Result;

use crate::console;

pub(crate) async fn run() -> Result<()> {
    let progress = console::progress();
    let say = |line: &str| progress(line);
    ci::docker_engine::ensure(&say).await?;
    println!("{}", ci::node_image::ensure(&say).await?);
    Ok(())
}
